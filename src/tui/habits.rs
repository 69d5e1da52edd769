//! What a person wants of each table: which columns in which order, how wide, and sorted by what; the views that were
//! saved; and the filters and commands that were typed. It is kept from one start to the next.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
};

use serde::{Deserialize, Serialize};

use crate::{
    model::{
        identity::FIELDS,
        metric::{MetricId, Scope},
    },
    tui::{
        ask::{Sort, parse_sort},
        prompt::Kind,
        views::{self, HIDDEN, WHY},
    },
};

/// How soon a chosen column gives way: all of them alike, the last one first.
const RANK: u8 = 1;
/// Cells of the widest column that somebody can wish for.
const WIDEST: u16 = 120;

/// Most lines of a kind that are kept, and the bytes of the longest one.
const LINES: usize = 100;
const LONGEST: usize = 1000;

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Habits {
    /// Of tables, by their views' names.
    #[serde(flatten)]
    tables: BTreeMap<String, Habit>,
    /// The views that were saved, the oldest first.
    #[serde(rename = "view", default, skip_serializing_if = "Vec::is_empty")]
    saved: Vec<Saved>,
    #[serde(default, skip_serializing_if = "Lines::is_empty")]
    typed: Lines,
}

/// Lines that were typed, the oldest first, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Lines {
    filters: Vec<String>,
    commands: Vec<String>,
}

impl Lines {
    fn is_empty(&self) -> bool {
        self.filters.is_empty() && self.commands.is_empty()
    }
}

/// A view that was saved, as `[[view]]` of the configuration is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    name: String,
    query: String,
}

/// What is wanted of one view; what is empty is as the view has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Habit {
    /// The keys to sort by, as after `sort`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) sort: String,
    /// Keys of the columns, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) columns: Vec<String>,
    /// Cells of some columns.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) widths: BTreeMap<String, u16>,
}

impl Habits {
    /// Reads what [`Habits::to_toml`] wrote.
    ///
    /// # Errors
    /// What is wrong with it, in a line.
    pub fn from_toml(text: &str) -> Result<Habits, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
    }

    /// All of it as TOML.
    pub fn to_toml(&self) -> String {
        // Names, keys and numbers can always be written.
        toml::to_string(self).unwrap_or_default()
    }

    /// What is wanted of a view.
    pub(crate) fn of(&self, view: &str) -> Habit {
        self.tables.get(view).cloned().unwrap_or_default()
    }

    /// Takes what is wanted of a view. Says whether that is something else.
    pub(crate) fn set(&mut self, view: &str, habit: Habit) -> bool {
        if self.of(view) == habit {
            return false;
        }
        if habit == Habit::default() {
            self.tables.remove(view);
        } else {
            self.tables.insert(view.to_owned(), habit);
        }
        true
    }

    /// The lines of a kind that were typed, the oldest first.
    pub(crate) fn typed(&self, kind: Kind) -> &[String] {
        match kind {
            Kind::Filter => &self.typed.filters,
            Kind::Command => &self.typed.commands,
        }
    }

    /// Keeps a line that was typed, as the newest.
    pub(crate) fn keep(&mut self, kind: Kind, line: &str) {
        let lines = match kind {
            Kind::Filter => &mut self.typed.filters,
            Kind::Command => &mut self.typed.commands,
        };
        let line = line.trim();
        if line.is_empty() || line.len() > LONGEST {
            return;
        }
        lines.retain(|old| old != line);
        lines.push(line.to_owned());
        let many = lines.len().saturating_sub(LINES);
        lines.drain(..many);
    }

    /// Names and queries of the views that were saved.
    pub(crate) fn saved(&self) -> impl Iterator<Item = (&str, &str)> {
        self.saved.iter().map(|view| (view.name.as_str(), view.query.as_str()))
    }

    /// Saves a view, in the place of one of its name if there is such. Says at which position.
    pub(crate) fn save(&mut self, name: &str, query: String) -> usize {
        let view = Saved { name: name.to_owned(), query };
        if let Some(at) = self.saved.iter().position(|old| old.name == name) {
            self.saved[at] = view;
            return at;
        }
        self.saved.push(view);
        self.saved.len() - 1
    }

    /// Forgets the saved view of this name. Says whether there was one.
    pub(crate) fn forget(&mut self, name: &str) -> bool {
        let before = self.saved.len();
        self.saved.retain(|view| view.name != name);
        self.saved.len() < before
    }

    /// The view's columns with their ranks.
    pub(crate) fn columns(&self, view: &str, levels: &[String]) -> Vec<(Cow<'static, str>, u8)> {
        let plain = views::columns(view, levels);
        let chosen = self.of(view).columns;
        if chosen.is_empty() {
            return plain;
        }
        let rank = |(at, key): (usize, String)| (Cow::Owned(key), if at == 0 { 0 } else { RANK });
        // What verdicts are made from is asked for, whatever is shown.
        let hidden: Vec<_> = plain.into_iter().filter(|(key, _)| !chosen.contains(&key.to_string())).collect();
        let hidden = hidden.into_iter().map(|(key, _)| (key, HIDDEN)).filter(|(key, _)| *key != WHY);
        let hidden: Vec<_> = hidden.collect();
        chosen.into_iter().enumerate().map(rank).chain(hidden).collect()
    }

    /// What the view is sorted by; nothing where it is as the view has it.
    pub(crate) fn sort(&self, view: &str) -> Option<Vec<Sort>> {
        Some(parse_sort(&self.of(view).sort)).filter(|sort| !sort.is_empty())
    }
}

impl Habit {
    /// Makes a column wider or narrower by a cell, from the cells that it has by itself.
    pub(crate) fn resize(&mut self, key: &str, usual: u16, by: i16) {
        let width = self.widths.get(key).copied().unwrap_or(usual);
        let wanted = width.saturating_add_signed(by).clamp(1, WIDEST);
        if wanted == usual {
            self.widths.remove(key);
        } else {
            self.widths.insert(key.to_owned(), wanted);
        }
    }
}

/// A column that a view can have: its key, title, cells and meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Its key.
    pub(crate) key: String,
    /// The title.
    pub(crate) title: String,
    /// Cells that it takes by itself.
    pub(crate) width: u16,
    /// What it means.
    pub(crate) help: String,
}

/// All columns that a view can have: its own first, and then whatever else is known of its things.
pub(crate) fn choices(view: &str, levels: &[String]) -> Vec<Choice> {
    let own = views::columns(view, levels).into_iter().map(|(key, _)| key.into_owned());
    let scopes: &[Scope] = match view {
        "nodes" => &[Scope::Node, Scope::Gpu],
        "gpus" => &[Scope::Gpu, Scope::Node, Scope::Job],
        "jobs" => &[Scope::Job, Scope::Gpu, Scope::Node],
        "processes" => &[Scope::Process],
        "nics" => &[Scope::Nic],
        "mounts" => &[Scope::Mount],
        "incidents" => &[Scope::Incident],
        "rules" => &[Scope::Rule],
        _ if views::level_of(view, levels).is_some() => &[Scope::Node, Scope::Gpu],
        _ => &[],
    };
    let of_scope = |scope: &Scope| {
        let fields = FIELDS.iter().filter(|row| row.scope == *scope).map(|row| row.key.to_owned());
        fields.chain(scope.metrics().iter().map(|metric| metric.key.to_string())).collect::<Vec<_>>()
    };
    let mut seen = HashSet::new();
    let all = own.chain(scopes.iter().flat_map(of_scope)).filter(|key| seen.insert(key.clone()));
    all.map(|key| choice(&key)).collect()
}

fn choice(key: &str) -> Choice {
    let (title, width, help) = if key == WHY {
        ("WHY".into(), 12, "What is wrong, in words.".into())
    } else if let Some(metric) = MetricId::find(key).and_then(MetricId::builtin) {
        (metric.title.to_string(), u16::from(metric.width), metric.help.to_string())
    } else if let Some(row) = FIELDS.iter().find(|row| row.key == key) {
        (row.title.to_owned(), u16::from(row.width), row.help.to_owned())
    } else {
        // A function of a metric, or a place.
        (key.to_uppercase(), 8, String::new())
    };
    Choice { key: key.to_owned(), title, width, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels() -> Vec<String> {
        ["rack".to_owned()].into()
    }

    #[test]
    fn what_is_wanted_is_read_back() {
        let mut habits = Habits::default();
        let widths = BTreeMap::from([("node".to_owned(), 30)]);
        let habit = Habit { sort: "-gpu.power,node".into(), columns: vec!["node".into(), "gpu.power".into()], widths };
        assert!(habits.set("gpus", habit.clone()));
        assert!(!habits.set("gpus", habit.clone()));
        assert_eq!(Habits::from_toml(&habits.to_toml()), Ok(habits.clone()));
        assert_eq!(habits.sort("gpus").map(|sort| sort.len()), Some(2));
        assert_eq!((habits.sort("nodes"), habits.of("nodes")), (None, Habit::default()));
        assert!(habits.set("gpus", Habit::default()));
        assert_eq!(habits, Habits::default());
        let problem = Habits::from_toml("[gpus]\ncolour = 'red'").expect_err("a mistake");
        assert!(problem.contains("unknown field `colour`"), "{problem}");
    }

    #[test]
    fn saved_views_are_read_back_beside_tables() {
        let mut habits = Habits::default();
        habits.set("gpus", Habit { sort: "-gpu.power".into(), ..Habit::default() });
        let places = [("hot", "gpus where temp > 80"), ("a b", "bench"), ("hot", "gpus where name ~ 'a\"b'")];
        let places = places.map(|(name, query)| habits.save(name, query.into()));
        assert_eq!(places, [0, 1, 0], "one of the same name takes the place");
        assert_eq!(Habits::from_toml(&habits.to_toml()), Ok(habits.clone()));
        assert_eq!(habits.saved().collect::<Vec<_>>(), [("hot", "gpus where name ~ 'a\"b'"), ("a b", "bench")]);
        let problem = Habits::from_toml("[[view]]\nname = 'x'\nquestion = 'gpus'").expect_err("a mistake");
        assert!(problem.contains("unknown field `question`"), "{problem}");
    }

    #[test]
    fn lines_that_were_typed_are_read_back_each_once() {
        let mut habits = Habits::default();
        for line in ["temp > 80", "xid != none", "temp > 80 ", "", &"x".repeat(LONGEST + 1)] {
            habits.keep(Kind::Filter, line);
        }
        (0..=LINES).for_each(|n| habits.keep(Kind::Command, &format!("ack {n}")));
        assert_eq!(habits.typed(Kind::Filter), ["xid != none", "temp > 80"]);
        let commands = habits.typed(Kind::Command);
        assert_eq!((commands.len(), &*commands[0]), (LINES, "ack 1"), "the oldest makes room");
        assert_eq!(Habits::from_toml(&habits.to_toml()), Ok(habits.clone()));
    }

    #[test]
    fn what_verdicts_need_is_asked_for_though_it_is_not_shown() {
        let mut habits = Habits::default();
        let plain = habits.columns("gpus", &levels());
        assert_eq!(plain, views::columns("gpus", &levels()));
        habits.set("gpus", Habit { columns: vec!["node".into(), "gpu.fan".into()], ..Habit::default() });
        let columns = habits.columns("gpus", &levels());
        let shown: Vec<&str> = columns.iter().filter(|(_, rank)| *rank != HIDDEN).map(|(key, _)| &**key).collect();
        assert_eq!(shown, ["node", "gpu.fan"]);
        let is_hidden = |key: &str| columns.iter().any(|(it, rank)| it == key && *rank == HIDDEN);
        assert!(is_hidden("gpu.xid") && is_hidden("gpu.temp"));
    }

    #[test]
    fn a_view_can_have_all_that_is_known_of_its_things() {
        for view in ["nodes", "gpus", "jobs", "processes", "nics", "mounts", "incidents", "rules", "racks", "events"] {
            let all = choices(view, &levels());
            let plain = views::columns(view, &levels());
            assert!(all.len() >= plain.len(), "{view}");
            let mut keys: Vec<&str> = all.iter().map(|choice| &*choice.key).collect();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), all.len(), "{view}: each once");
        }
        let fan = choices("gpus", &levels()).into_iter().find(|choice| choice.key == "gpu.fan").expect("a fan");
        assert!(!fan.help.is_empty() && fan.width > 0);
    }

    #[test]
    fn a_column_of_its_usual_width_is_no_wish() {
        let mut habit = Habit::default();
        habit.resize("node", 8, 1);
        assert_eq!(habit.widths["node"], 9);
        habit.resize("node", 8, -1);
        assert_eq!(habit, Habit::default());
    }
}
