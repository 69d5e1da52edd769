//! What Tab makes of the line after `:`: names of views and of commands, a query's clauses, and keys, short or whole; and
//! of a filter: keys.

use crate::{
    model::{metric::Catalogue, place::Levels},
    query,
    tui::{app::App, command, prompt::Kind, screen::Objection, views},
};

/// Words that begin clauses of which keys are a part.
const OF_KEYS: [&str; 4] = ["where", "by", "sort", "show"];
/// Words that begin the others.
const OTHERS: [&str; 6] = ["limit", "offset", "over", "step", "since", "at"];
/// Clauses that are offered.
const OFFERED: [&str; 5] = ["where", "by", "sort", "show", "limit"];

/// Names that a line can have in it.
#[derive(Clone, Copy, Debug, Default)]
struct Known<'a> {
    levels: &'a [String],
    themes: &'a [String],
    /// The saved views, and those among them that can be forgotten.
    saved: &'a [String],
    kept: &'a [String],
    /// The view whose rows are on screen.
    here: Option<&'a str>,
}

/// The words that can stand at the end of the line `left`, and how many bytes of it they take the place of.
fn fitting(left: &str, known: &Known<'_>) -> (usize, Vec<String>) {
    let line = left.trim_start();
    let Some((name, rest)) = line.split_once(char::is_whitespace) else {
        return those(line, command::words(known.levels).iter().chain(known.saved));
    };
    let rest = rest.trim_start();
    // A part of a key; what stands before it is no letter of one.
    let is_of_key = |c: char| c.is_alphanumeric() || ['.', '_'].contains(&c);
    let key = &rest[rest.trim_end_matches(is_of_key).len()..];
    match name {
        "theme" => those(rest, known.themes),
        "forget" => those(rest, known.kept),
        "copy" => those(rest, &["json", "drain"].map(String::from)),
        // What is quoted is no key.
        _ if rest.matches(['\'', '"']).count() % 2 == 1 => (0, Vec::new()),
        "where" | "filter" | "sort" => those(key, &known.here.map_or_else(Vec::new, |view| keys(view, known.levels))),
        _ if views::names(known.levels).iter().any(|view| view == name) => {
            those(key, &of_query(name, &rest[..rest.len() - key.len()], known.levels))
        }
        // A saved view's name may have blanks in it.
        _ => those(line, known.saved),
    }
}

/// Those of the names that begin with `word`.
fn those<'a>(word: &str, names: impl IntoIterator<Item = &'a String>) -> (usize, Vec<String>) {
    let mut fitting: Vec<String> = names.into_iter().filter(|name| name.starts_with(word)).cloned().collect();
    fitting.sort();
    fitting.dedup();
    (word.len(), fitting)
}

/// What can follow the words `before` of a query of this view.
fn of_query(view: &str, before: &str, levels: &[String]) -> Vec<String> {
    let words: Vec<&str> = before.split_whitespace().collect();
    let is_clause = |word: &&str| OF_KEYS.contains(word) || OTHERS.contains(word);
    let takes_keys = words.iter().rev().find(|word| is_clause(word)).is_some_and(|word| OF_KEYS.contains(word));
    // A clause follows another's words, and there is one of each.
    let is_between = before.is_empty() || before.ends_with(char::is_whitespace);
    let takes_clause = is_between && !words.last().is_some_and(is_clause);
    let clauses = OFFERED.iter().filter(|clause| takes_clause && !words.contains(clause));
    let keys = if takes_keys { keys(view, levels) } else { Vec::new() };
    clauses.map(|clause| (*clause).to_owned()).chain(keys).collect()
}

/// The keys of a view, whole and short.
fn keys(view: &str, levels: &[String]) -> Vec<String> {
    let known = query::keys(view, &Catalogue::default(), &Levels::new(levels.iter().cloned()));
    known.into_iter().flat_map(|info| [Some(info.key), info.short]).flatten().collect()
}

/// The longest text that all of `texts` begin with.
fn common(texts: &[String]) -> &str {
    let Some((first, rest)) = texts.split_first() else { return "" };
    let shared = first.char_indices().find(|(at, c)| rest.iter().any(|text| !text[*at..].starts_with(*c)));
    &first[..shared.map_or(first.len(), |(at, _)| at)]
}

impl App {
    /// Completes the word before the cursor, or says what it can become.
    pub(super) fn complete(&mut self) {
        let (levels, themes) = (self.shared.levels.clone(), self.themes());
        let saved: Vec<String> = self.saved_views().map(|(name, _)| name.to_owned()).collect();
        let kept: Vec<String> = self.shared.habits.saved().map(|(name, _)| name.to_owned()).collect();
        let here = self.screen().sheet().map(|ask| ask.view);
        let known = Known { levels: &levels, themes: &themes, saved: &saved, kept: &kept, here: here.as_deref() };
        let Some(prompt) = &mut self.prompt else { return };
        let left = prompt.left().to_owned();
        let (typed, words) = match prompt.kind {
            Kind::Command => fitting(&left, &known),
            Kind::Filter => fitting(&format!("where {left}"), &known),
        };
        let before = &left[..left.len() - typed];
        match (words.as_slice(), common(&words)) {
            ([], _) => {}
            ([only], _) => prompt.set(format!("{before}{only} ")),
            (_, common) if common.len() > typed => prompt.set(format!("{before}{common}")),
            (many, _) => prompt.objection = Some(Objection { message: many.join("  "), word: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(left: &str, expected: &[&str]) {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (levels, themes) = (names(&["region", "pod", "rack"]), names(&["dark", "light"]));
        let (saved, kept) = (names(&["hot", "warm ones"]), names(&["warm ones"]));
        let known = Known { levels: &levels, themes: &themes, saved: &saved, kept: &kept, here: Some("nodes") };
        assert_eq!(fitting(left, &known).1, expected, "{left}");
    }

    #[test]
    fn names_are_completed() {
        check("nod", &["node", "nodes"]);
        check("node", &["node", "nodes"]);
        check("ho", &["hot"]);
        check("warm o", &["warm ones"]);
        check("theme l", &["light"]);
        check("forget w", &["warm ones"]);
        check("forget h", &[]);
        check("copy ", &["drain", "json"]);
        check("copy dr", &["drain"]);
        assert_eq!(common(&["node".into(), "nodes".into()]), "node");
        assert_eq!(common(&[]), "");
    }

    #[test]
    fn keys_are_completed_where_they_can_stand() {
        check("gpus sort gpu.remap.p", &["gpu.remap.pending"]);
        check("gpus where remap.p", &["remap.pending"]);
        check("gpus where util > 5 and max(remap.p", &["remap.pending"]);
        check("gpus sort -remap.p", &["remap.pending"]);
        check("gpus show node,remap.p", &["remap.pending"]);
        check("nodes sort psi.c", &["psi.cpu"]);
        check("sort -psi.c", &["psi.cpu"]);
        check("where psi.mem > 5 or node.psi.c", &["node.psi.cpu"]);
        check("gpus where model = 'remap.p", &[]);
        check("gpus limit remap.p", &[]);
        check("gpus where –remap.p", &["remap.pending"]);
    }

    #[test]
    fn clauses_follow_views_and_each_other() {
        check("gpus ", &["by", "limit", "show", "sort", "where"]);
        check("gpus w", &["where"]);
        check("gpus where util > 5 lim", &["limit"]);
        check("gpus where util > 5 whe", &[]);
        for line in ["ack w", "when w", "node w", "silence 7 w", "overview w", "save w"] {
            check(line, &[]);
        }
    }
}
