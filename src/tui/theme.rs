//! Themes: TOML files that give each role a style, resolved once for the terminal's depth.
//! The ones under `themes/` are part of the binary; a user's own may inherit from them.

mod colour;
mod role;
mod terminfo;

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

pub use colour::Depth;
use colour::Paint;
pub(crate) use role::Role;

use crate::model::text;

macro_rules! themes {
    ($($name:literal),* $(,)?) => {
        /// The themes that the binary brings: name and TOML text.
        pub const BUILTIN: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../themes/", $name, ".toml")))),*];
    };
}

themes!(
    "catppuccin-frappe",
    "catppuccin-latte",
    "catppuccin-macchiato",
    "catppuccin-mocha",
    "dark",
    "dracula",
    "gruvbox-dark",
    "gruvbox-light",
    "light",
    "mono",
    "nord",
    "safe-dark",
    "safe-light",
    "solarized-dark",
    "solarized-light",
    "terminal",
    "tokyo-night",
);

/// The theme when none was chosen; the one for terminals with a light ground, and the one for those that have their own
/// sixteen colours and no others.
pub(crate) const USUAL: &str = "dark";
pub(crate) const LIGHT: &str = "light";
pub(crate) const SIXTEEN: &str = "terminal";

/// What is wrong with a theme.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ThemeError {
    /// No theme has this name.
    #[error("no theme is called {name:?}; did you mean {nearest:?}? There are {all}")]
    Unknown {
        /// What it said.
        name: String,
        /// The theme that is spelt most like it.
        nearest: String,
        /// All of them.
        all: String,
    },
    /// The file is not TOML, or not a theme.
    #[error("theme {theme}: {what}")]
    Syntax {
        /// The theme.
        theme: String,
        /// The line of its text, from 1 on.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// Colours are given to something that is no ramp.
    #[error("theme {theme}: {ramp:?} is no ramp; did you mean {nearest:?}?")]
    Ramp {
        /// The theme.
        theme: String,
        /// What it said.
        ramp: String,
        /// The ramp that is spelt most like it.
        nearest: String,
    },
    /// A style is given to something that is no role.
    #[error("theme {theme}: {role:?} is no role; did you mean {nearest:?}?")]
    Role {
        /// The theme.
        theme: String,
        /// What it said.
        role: String,
        /// The role that is spelt most like it.
        nearest: String,
    },
    /// A colour that is neither in the palette nor one of the terminal's nor `#rrggbb`.
    #[error("theme {theme}: {of}: {colour:?} is no colour of the palette, no terminal colour and not #rrggbb")]
    Colour {
        /// The theme.
        theme: String,
        /// The role, ramp or palette entry.
        of: String,
        /// What it said.
        colour: String,
    },
    /// A word for how text is set that is none.
    #[error("theme {theme}: {role}: {word:?} is none of bold, dim, italic, underline, reverse, strike")]
    Modifier {
        /// The theme.
        theme: String,
        /// The role.
        role: String,
        /// What it said.
        word: String,
    },
    /// Themes that inherit from one another.
    #[error("theme {0} inherits from itself")]
    Circle(String),
}

/// Where in a theme's file something stands that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this line.
    Line(usize),
    /// At this key, such as `roles.table.row`.
    Key(String),
}

impl ThemeError {
    /// Where in the theme's file it stands.
    pub fn place(&self) -> Place {
        Place::Key(match self {
            ThemeError::Syntax { line, .. } => return Place::Line(*line),
            ThemeError::Unknown { .. } | ThemeError::Circle(_) => "inherits".into(),
            ThemeError::Ramp { ramp, .. } => format!("ramps.{ramp}"),
            ThemeError::Colour { of, .. } if RAMPS.contains(&&**of) => format!("ramps.{of}"),
            ThemeError::Role { role, .. } | ThemeError::Modifier { role, .. } => format!("roles.{role}"),
            ThemeError::Colour { of, .. } => format!("roles.{of}"),
        })
    }
}

/// Colours for shares from 0 to 1.
const RAMPS: [&str; 2] = ["neutral", "heat"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    inherits: Option<String>,
    #[serde(default)]
    palette: BTreeMap<String, Swatch>,
    #[serde(default)]
    roles: BTreeMap<String, Look>,
    #[serde(default)]
    ramps: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Swatch {
    Colour(String),
    Both { rgb: String, ansi: String },
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Look {
    Ink(String),
    Full(FullLook),
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FullLook {
    fg: Option<String>,
    bg: Option<String>,
    #[serde(default)]
    set: Vec<String>,
    /// How it is set where there are no colours; as `set` when left out.
    mono: Option<Vec<String>>,
}

/// Styles for every role, ready for one depth.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Theme {
    styles: Vec<Style>,
    neutral: Vec<Color>,
    heat: Vec<Color>,
}

impl Theme {
    /// The theme called `name`, of `own` (name and TOML text) or the built-in ones, for this depth.
    pub(crate) fn load(name: &str, own: &[(String, String)], depth: Depth) -> Result<Theme, ThemeError> {
        let file = gather(name, own)?;
        Resolver { theme: name, file: &file, depth }.theme()
    }

    /// The style of a role.
    pub(crate) fn style(&self, role: Role) -> Style {
        self.styles.get(role as usize).copied().unwrap_or_default()
    }

    /// The colour for a share from 0 to 1 of something that is neither good nor bad.
    pub(crate) fn neutral(&self, share: f64) -> Color {
        ramp(&self.neutral, share)
    }

    /// The colour for a share from 0 to 1 of something whose upper end is bad.
    pub(crate) fn heat(&self, share: f64) -> Color {
        ramp(&self.heat, share)
    }
}

fn ramp(colours: &[Color], share: f64) -> Color {
    let last = colours.len().saturating_sub(1);
    let at = (share.clamp(0.0, 1.0) * last as f64).round() as usize;
    colours.get(at).copied().unwrap_or(Color::Reset)
}

/// The names of all themes that there are.
pub(crate) fn names(own: &[(String, String)]) -> Vec<String> {
    let mut names: Vec<String> = BUILTIN.iter().map(|(name, _)| (*name).to_owned()).collect();
    names.extend(own.iter().map(|(name, _)| name.clone()));
    names.sort();
    names.dedup();
    names
}

/// The file called `name`, laid over those that it inherits from.
fn gather(name: &str, own: &[(String, String)]) -> Result<File, ThemeError> {
    let mut chain: Vec<(String, File)> = Vec::new();
    let mut next = Some(name.to_owned());
    while let Some(name) = next.take() {
        // Someone's own theme may have the name of the one that it is laid over.
        let above = chain.iter().filter(|(seen, _)| *seen == name).count();
        let text = own.iter().find(|(n, _)| *n == name).map(|(_, text)| text.as_str()).into_iter();
        let mut texts = text.chain(BUILTIN.iter().find(|(n, _)| *n == name).map(|(_, text)| *text));
        let text = texts.nth(above);
        if text.is_none() && above > 0 {
            return Err(ThemeError::Circle(name));
        }
        let Some(text) = text else {
            let all = names(own);
            let nearest = text::nearest(&name, all.iter().map(String::as_str)).to_owned();
            return Err(ThemeError::Unknown { name, nearest, all: all.join(", ") });
        };
        let file: File = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = 1 + before.matches('\n').count();
            ThemeError::Syntax { theme: name.clone(), line, what: text::meant(error.message()) }
        })?;
        next.clone_from(&file.inherits);
        chain.push((name, file));
    }
    let mut all = File { inherits: None, palette: BTreeMap::new(), roles: BTreeMap::new(), ramps: BTreeMap::new() };
    for (_, file) in chain.into_iter().rev() {
        all.palette.extend(file.palette);
        all.roles.extend(file.roles);
        all.ramps.extend(file.ramps);
    }
    Ok(all)
}

struct Resolver<'a> {
    theme: &'a str,
    file: &'a File,
    depth: Depth,
}

impl Resolver<'_> {
    fn theme(&self) -> Result<Theme, ThemeError> {
        for role in self.file.roles.keys() {
            if Role::find(role).is_none() {
                return Err(ThemeError::Role {
                    theme: self.theme.into(),
                    role: role.clone(),
                    nearest: nearest(role).into(),
                });
            }
        }
        if let Some(ramp) = self.file.ramps.keys().find(|name| !RAMPS.contains(&name.as_str())) {
            let nearest = text::nearest(ramp, RAMPS).to_owned();
            return Err(ThemeError::Ramp { theme: self.theme.into(), ramp: ramp.clone(), nearest });
        }
        let styles = Role::ALL.iter().map(|role| self.style(*role)).collect::<Result<_, _>>()?;
        Ok(Theme { styles, neutral: self.ramp("neutral")?, heat: self.ramp("heat")? })
    }

    fn ramp(&self, name: &str) -> Result<Vec<Color>, ThemeError> {
        let colours = self.file.ramps.get(name).map_or(&[][..], Vec::as_slice);
        colours.iter().map(|colour| self.colour(name, colour)).collect()
    }

    /// The style of the role itself, or else of the nearest one above it.
    fn style(&self, role: Role) -> Result<Style, ThemeError> {
        let mut name = role.name();
        loop {
            if let Some(look) = self.file.roles.get(name) {
                return self.look(name, look);
            }
            match name.rsplit_once('.') {
                Some((above, _)) => name = above,
                None => return Ok(Style::new()),
            }
        }
    }

    fn look(&self, role: &str, look: &Look) -> Result<Style, ThemeError> {
        let full = match look {
            Look::Ink(colour) => FullLook { fg: Some(colour.clone()), ..FullLook::default() },
            Look::Full(full) => full.clone(),
        };
        let mut style = Style::new();
        if self.depth > Depth::Mono {
            if let Some(fg) = &full.fg {
                style = style.fg(self.colour(role, fg)?);
            }
            if let Some(bg) = &full.bg {
                style = style.bg(self.colour(role, bg)?);
            }
        }
        let words = if self.depth == Depth::Mono { full.mono.as_ref().unwrap_or(&full.set) } else { &full.set };
        for word in words {
            style = style.add_modifier(self.modifier(role, word)?);
        }
        Ok(style)
    }

    fn modifier(&self, role: &str, word: &str) -> Result<Modifier, ThemeError> {
        Ok(match word {
            "bold" => Modifier::BOLD,
            "dim" => Modifier::DIM,
            "italic" => Modifier::ITALIC,
            "underline" => Modifier::UNDERLINED,
            "reverse" => Modifier::REVERSED,
            "strike" => Modifier::CROSSED_OUT,
            _ => {
                return Err(ThemeError::Modifier { theme: self.theme.into(), role: role.into(), word: word.into() });
            }
        })
    }

    fn colour(&self, of: &str, text: &str) -> Result<Color, ThemeError> {
        let wrong =
            |colour: &str| ThemeError::Colour { theme: self.theme.into(), of: of.into(), colour: colour.into() };
        let paint = match self.file.palette.get(text) {
            Some(Swatch::Both { rgb, ansi }) => {
                let ansi = colour::named(ansi).ok_or_else(|| wrong(ansi))?;
                Paint { ansi: Some(ansi), ..Paint::parse(rgb).ok_or_else(|| wrong(rgb))? }
            }
            Some(Swatch::Colour(colour)) => Paint::parse(colour).ok_or_else(|| wrong(colour))?,
            None => Paint::parse(text).ok_or_else(|| wrong(text))?,
        };
        Ok(paint.at(self.depth))
    }
}

/// The role whose name is spelt most like `name`.
fn nearest(name: &str) -> &'static str {
    text::nearest(name, Role::ALL.iter().map(|role| role.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str) -> Vec<(String, String)> {
        vec![("own".into(), text.into())]
    }

    #[test]
    fn builtin_themes_are_whole_at_every_depth() {
        for (name, _) in BUILTIN {
            for depth in [Depth::Mono, Depth::Sixteen, Depth::Indexed, Depth::True] {
                let theme = Theme::load(name, &[], depth).unwrap();
                assert!(theme.neutral.len() > 2 && theme.heat.len() > 2);
                let plain = theme.style(Role::TableRow);
                for role in [Role::TableRowSelected, Role::Crit, Role::Header, Role::GridCursor] {
                    assert_ne!(theme.style(role), plain, "{name} {depth:?} {}", role.name());
                }
            }
        }
    }

    #[test]
    fn roles_fall_back_and_themes_inherit() {
        let theme = Theme::load("own", &own("[roles]\ntable = '#010203'"), Depth::True).unwrap();
        assert_eq!(theme.style(Role::TableRowSelected).fg, Some(Color::Rgb(1, 2, 3)));
        assert_eq!(theme.style(Role::Crit), Style::new());
        let theme = Theme::load("own", &own("inherits = 'dark'\n[roles]\nwarn = 'blue'"), Depth::True).unwrap();
        assert_eq!(theme.style(Role::Warn).fg, Some(Color::Blue));
        assert_eq!(theme.style(Role::Crit), Theme::load("dark", &[], Depth::True).unwrap().style(Role::Crit));
        let mine = [("nord".to_owned(), "inherits = 'nord'\n[roles]\nwarn = 'blue'".to_owned())];
        let [theme, plain] = [&mine[..], &[]].map(|own| Theme::load("nord", own, Depth::True).unwrap());
        assert_eq!((theme.style(Role::Warn).fg, theme.style(Role::Crit)), (Some(Color::Blue), plain.style(Role::Crit)));
    }

    #[test]
    fn mistakes_are_named() {
        let check = |text: &str, expected: &str, place: Place| {
            let error = Theme::load("own", &own(text), Depth::True).unwrap_err();
            let said = error.to_string();
            assert!(said.contains(expected) && !said.contains('\n'), "{said}");
            assert_eq!(error.place(), place, "{said}");
        };
        let key = |key: &str| Place::Key(key.into());
        check("[roles]\n'table.rwo' = 'red'", "did you mean \"table.row\"", key("roles.table.rwo"));
        check("[roles]\nwarn = 'rot'", "\"rot\"", key("roles.warn"));
        check("[roles]\nwarn = { set = ['fat'] }", "\"fat\"", key("roles.warn"));
        check("[palette]\na = '#12'\n[roles]\nwarn = 'a'", "\"#12\"", key("roles.warn"));
        check("[ramps]\nheat = ['rot']", "\"rot\"", key("ramps.heat"));
        check("\n[paleta]\n", "unknown field `paleta`; did you mean `palette`?", Place::Line(2));
        check("[roles]\nwarn = ", "theme own: ", Place::Line(2));
        check("inherits = 'own'", "inherits from itself", key("inherits"));
        check("inherits = 'nobody'", "light, mono, nord, own", key("inherits"));
        check("inherits = 'nrod'", "did you mean \"nord\"?", key("inherits"));
        check("[ramps]\nhaet = []", "did you mean \"heat\"?", key("ramps.haet"));
    }
}
