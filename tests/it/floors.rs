//! Holds the rooms to their floors: imports only point down, and rooms on one floor do not import each other.
//! Tests inside the rooms count too. The table is the floor plan; the crate's documentation has to agree with it.

use std::{collections::BTreeSet, path::Path};

use crate::source;

/// Floor, room, and the rooms that it may import.
const FLOORS: &[(u8, &str, &[&str])] = &[
    (0, "model", &[]),
    (1, "wire", &["model"]),
    (1, "fleet", &["model"]),
    (1, "collect", &["model"]),
    (1, "feed", &["model"]),
    (2, "query", &["model", "fleet"]),
    (2, "link", &["model", "wire"]),
    (3, "health", &["model", "fleet", "query"]),
    (3, "agent", &["model", "wire", "collect", "link"]),
    (3, "client", &["model", "wire", "link", "query"]),
    (4, "hub", &["model", "wire", "fleet", "feed", "query", "link", "health"]),
    (4, "tui", &["model", "query"]),
    (
        5,
        "cli",
        &["model", "wire", "fleet", "collect", "feed", "query", "link", "health", "agent", "client", "hub", "tui"],
    ),
];

/// The room that `name` is, with its floor and what it may import.
fn room(name: &str) -> Option<&'static (u8, &'static str, &'static [&'static str])> {
    FLOORS.iter().find(|(_, room, _)| *room == name)
}

/// The module path of a file under `src`: `src/collect/sim.rs` is `["collect", "sim"]`.
fn module(file: &Path) -> Vec<String> {
    let path = file.with_extension("");
    path.iter().skip(1).map(|part| part.to_string_lossy().into_owned()).collect()
}

/// What a file of module `home` names right under the crate's root: by `crate::`, by the crate's name, or by enough
/// `super::`. `*` stands for all of it.
fn reaches(home: &[String], code: &str) -> BTreeSet<String> {
    let tokens = source::tokens(code);
    let word = |at: usize| tokens.get(at).copied().unwrap_or("");
    let mut found = BTreeSet::new();
    let mut inner: Vec<usize> = Vec::new();
    let (mut depth, mut at) = (0usize, 0);
    while at < tokens.len() {
        match tokens[at] {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                inner.retain(|opened| *opened <= depth);
            }
            "mod" if word(at + 2) == "{" => inner.push(depth + 1),
            "use" | "crate" | "supertop" | "super" | "self" => {
                at += usize::from(tokens[at] == "use");
                let mut paths = Vec::new();
                at = tree(&tokens, at, &[], &mut paths);
                found.extend(paths.iter().filter_map(|path| under_root(path, home.len() + inner.len())));
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Collects the paths that begin at `at`, groups in braces spelt out, and tells where they end.
fn tree<'a>(tokens: &[&'a str], mut at: usize, prefix: &[&'a str], paths: &mut Vec<Vec<&'a str>>) -> usize {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        at += 1;
        if *token == "{" {
            while tokens.get(at).is_some_and(|token| *token != "}") {
                at = match tokens[at] {
                    "," => at + 1,
                    "as" => at + 2,
                    _ => tree(tokens, at, &path, paths),
                };
            }
            return at + 1;
        }
        path.push(token);
        if tokens.get(at) != Some(&"::") {
            break;
        }
        at += 1;
    }
    paths.push(path);
    at
}

/// The name right under the crate's root that a path goes through, seen from a module `depth` below the root.
fn under_root(path: &[&str], depth: usize) -> Option<String> {
    let mut rest = path.iter().skip_while(|part| **part == "self").peekable();
    if rest.next_if(|part| ["crate", "supertop"].contains(part)).is_none() {
        let ups = std::iter::from_fn(|| rest.next_if(|part| **part == "super")).count();
        if ups == 0 || ups < depth {
            return None;
        }
    }
    rest.next().map(|name| (*name).to_owned())
}

/// What is wrong with a file of a room, if anything.
fn complaints(file: &Path, code: &str) -> Vec<String> {
    let home = module(file);
    let Some((_, name, allowed)) = room(&home[0]) else {
        return vec![format!("{}: {} is not a room of the floor plan", file.display(), home[0])];
    };
    reaches(&home, code)
        .into_iter()
        .filter(|to| to != name && to != "self" && !allowed.contains(&to.as_str()))
        .map(|to| format!("{}: {name} may not import {to}", file.display()))
        .collect()
}

#[test]
fn imports_only_point_down() {
    let wrong: Vec<String> = source::rust_files("src")
        .into_iter()
        .filter(|file| file != Path::new("src/lib.rs") && file != Path::new("src/main.rs"))
        .flat_map(|file| complaints(&file, &source::read(&file)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_binary_only_calls_the_command_line() {
    let allowed = BTreeSet::from(["cli".to_owned()]);
    let reached = reaches(&["main".to_owned()], &source::read("src/main.rs"));
    assert!(reached.is_subset(&allowed), "src/main.rs names {reached:?}");
}

#[test]
fn the_plan_itself_only_points_down() {
    for (floor, name, allowed) in FLOORS {
        for below in *allowed {
            let (other, ..) = room(below).unwrap_or_else(|| panic!("{name} may import {below}, which is no room"));
            assert!(other < floor, "{name} on floor {floor} may import {below} on floor {other}");
        }
    }
}

/// Floor and room of each row of the crate documentation's table.
fn documented() -> BTreeSet<(u8, String)> {
    let rows = source::read("src/lib.rs");
    let rows = rows.lines().filter_map(|line| line.strip_prefix("//! | "));
    rows.filter_map(|row| {
        let mut cells = row.split('|').map(str::trim);
        Some((cells.next()?.parse::<u8>().ok()?, cells.next()?.to_owned()))
    })
    .flat_map(|(floor, rooms)| {
        let rooms: Vec<_> = rooms.split(',').map(|room| room.trim().trim_matches(['[', ']', '`']).to_owned()).collect();
        rooms.into_iter().map(move |room| (floor, room))
    })
    .collect()
}

#[test]
fn the_documentation_shows_the_floor_of_every_room_there_is() {
    let built: BTreeSet<(u8, String)> = source::rust_files("src")
        .iter()
        .map(|file| module(file)[0].clone())
        .filter(|name| name != "lib" && name != "main")
        .map(|name| (room(&name).map_or(u8::MAX, |(floor, ..)| *floor), name))
        .collect();
    assert_eq!(documented(), built, "the table in src/lib.rs (left) and the rooms under src (right)");
}

#[test]
fn a_wrong_import_is_found_wherever_it_hides() {
    let check = |file: &str, code: &str, expected: &[&str]| {
        let found: Vec<String> = complaints(Path::new(file), code);
        let ends: Vec<&str> = found.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(ends, expected, "{file}: {code}");
    };
    check("src/fleet.rs", "use crate::model::Time;", &[]);
    check("src/fleet.rs", "use crate::{fleet::row, model::{Raw, hub}};", &[]);
    check("src/fleet.rs", "use crate::{model::{self, Raw}, wire::Frame, hub};", &["hub", "wire"]);
    check("src/fleet/row.rs", "fn f() { crate::collect::sim(); }", &["collect"]);
    check("src/fleet/row.rs", "use super::super::wire;", &["wire"]);
    check("src/fleet/row.rs", "use super::wire;", &[]);
    check("src/fleet/row.rs", "use super::{super::{wire, model::Raw}, link};", &["wire"]);
    check("src/fleet/row.rs", "use self::super::super::wire; use {crate::hub as h, std::fmt};", &["hub", "wire"]);
    check("src/fleet.rs", "pub(in super::hub) fn f() {}", &["hub"]);
    check("src/fleet.rs", "mod tests { use super::wire; use super::super::hub; } use super::link;", &["hub", "link"]);
    check("src/fleet.rs", "#[cfg(test)] mod tests { fn f() { crate::query::x() } }", &["query"]);
    check("src/fleet.rs", "use crate::*;", &["*"]);
    check("src/fleet.rs", "// crate::hub\nconst A: &str = \"crate::hub\";", &[]);
    check("src/fleet.rs", "macro_rules! m { () => { $crate::hub::f() } }", &["hub"]);
    check("src/cellar.rs", "", &["plan"]);
    check("src/cellar/wine.rs", "", &["plan"]);
}
