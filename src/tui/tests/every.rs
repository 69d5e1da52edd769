//! Every screen that there is, in one list: each can be drawn at every size, and shows its numbers whole.

use std::collections::BTreeSet;

use ratatui::layout::Rect;

use super::*;
use crate::tui::views;

/// A screen's name, the command that leads there if one is needed, and the keys after it.
pub(super) type Way = (&'static str, &'static str, &'static str);

/// Nodes of the fleet on which all but [`OTHERS`] are looked at, and GPUs of each.
const FLEET: (usize, usize) = (104, 2);

/// Every screen. Those of views have the names of these.
const SCREENS: [Way; 52] = [
    ("overview", "", ""),
    ("overview by utilisation", "", "m l j"),
    ("overview with its problems", "", "p j"),
    ("nodes", "", "2 j"),
    ("nodes about to be sorted", "", "2 s"),
    ("node", "", "2 < enter"),
    ("node with its processes", "", "2 < enter P"),
    ("gpus", "", "3 j"),
    ("gpus that are faulty", "", "3 !"),
    ("gpu", "", "3 enter"),
    ("jobs", "", "4"),
    ("job", "", "4 enter"),
    ("job that has ended", "", "4 G enter"),
    ("racks", "", "5"),
    ("inside a rack", "", "5 enter"),
    ("pods", ":pods", ""),
    ("regions", ":regions", ""),
    ("inside a region", ":regions", "enter"),
    ("fleet", ":fleet", ""),
    ("processes", "", "6"),
    ("process", "", "3 enter enter"),
    ("nics", "", "7"),
    ("events", "", "8"),
    ("mounts", "", "9"),
    ("incidents", ":incidents", "j"),
    ("incident", ":incidents", "enter"),
    ("incident of a GPU", ":incidents", "G enter"),
    ("rules", ":rules", ""),
    ("metrics", ":metrics", ""),
    ("cores", ":cores", "G"),
    ("users", ":users", ""),
    ("jobs of a user", ":users", "enter"),
    ("accounts", ":accounts", ""),
    ("partitions", ":partitions", ""),
    ("energy", ":energy", ""),
    ("bench", ":bench", ""),
    ("blast", "", "b - - -"),
    ("blast by rack", "", "b - - - m"),
    ("compare", "", "3 space space space c"),
    ("compare nodes", ":compare gpu001 gpu002 gpu017", "!"),
    ("columns", "", "3 ctrl-w j j space k >"),
    ("help", "", "2 ?"),
    ("grouped", ":gpus by model show count,util,tensor.active,mem.used,power,temp", ""),
    ("grouped by user", ":gpus by job.user show count,util,power sort -power", ""),
    ("prompt", "", "? : g p u s"),
    ("prompt with an objection", "", "? : g p u s s enter"),
    ("prompt with what fits", "", "? : t h e m e space tab"),
    ("filter", "", "2 / t e m p"),
    ("filter with an objection", "", "2 / t m e p space > space 8 5"),
    ("frozen", "", "2 Z"),
    ("in the past", "", "2 - {"),
    ("of what the past has not", "", "- { 6"),
];

/// Those of other fleets: their nodes, and GPUs of each. Of more than 4,000 nodes, the grid shows places.
const OTHERS: [(Way, usize, usize); 6] = [
    (("one machine without GPUs", "", ""), 1, 0),
    (("one machine", "", ""), 1, 8),
    (("no machine", "", ""), 0, 0),
    (("nodes of no machine", "", "2"), 0, 0),
    (("large fleet", "", ""), 4100, 1),
    (("place of a large fleet", "", "enter"), 4100, 1),
];

/// All of them, each with its fleet.
pub(super) fn all() -> impl Iterator<Item = (Way, usize, usize)> {
    SCREENS.into_iter().map(|way| (way, FLEET.0, FLEET.1)).chain(OTHERS)
}

/// The screen at the end of this way.
pub(super) fn at((_, line, keys): Way, nodes: usize, gpus: usize, size: (u16, u16)) -> Stage {
    let mut stage = Stage::new(nodes, gpus, size);
    if !line.is_empty() {
        stage.write(line);
        stage.press("enter");
    }
    if !keys.is_empty() {
        stage.press(keys);
    }
    stage
}

#[test]
fn no_view_and_no_kind_of_screen_is_left_out() {
    let names: Vec<&str> = SCREENS.iter().map(|(name, ..)| *name).collect();
    for view in views::names(&settings().levels) {
        assert!(names.contains(&&*view), "{view} is not among them");
    }
    // Tables are those of the views.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tui/screen");
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let source = std::fs::read_to_string(&file).unwrap();
        for kind in source.split("impl Screen for ").skip(1).filter_map(|rest| rest.split(' ').next()) {
            assert!(kind == "TableScreen" || names.contains(&&*kind.to_lowercase()), "{kind} is not among them");
        }
    }
}

/// Looks at all of them, with as many threads as there are processors: they are many.
fn each(look: impl Fn(Way, usize, usize) + Sync) {
    let all: Vec<_> = all().collect();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for share in all.chunks(all.len().div_ceil(threads)) {
            scope.spawn(|| share.iter().for_each(|(way, nodes, gpus)| look(*way, *nodes, *gpus)));
        }
    });
}

/// What is drawn, without a terminal, which would compare it with what was there before.
fn drawn(stage: &Stage) -> Buffer {
    let (width, height) = stage.app.shared().size;
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    frame::draw(&stage.app, &mut buffer);
    buffer
}

#[test]
fn every_screen_draws_at_every_size() {
    each(|way, nodes, gpus| {
        let mut stage = at(way, nodes, gpus, (60, 20));
        for (width, height) in (0..=60).flat_map(|width| (0..=20).map(move |height| (width, height))) {
            stage.app.update(Input::Resize(width, height), stage.hub.now);
            drawn(&stage);
        }
    });
}

/// The words of a table's titles and rows.
pub(super) fn words(stage: &Stage) -> BTreeSet<String> {
    let screen = cells(&drawn(stage));
    let lines: Vec<&str> = screen.lines().collect();
    // The table of a job has graphs above it; all others begin below the header.
    let caption = lines.iter().position(|line| line.starts_with(" GPUS ·")).unwrap_or(2);
    let rows = lines.split_last().map_or(&[][..], |(_footer, rest)| rest).iter().skip(caption + 1);
    rows.flat_map(|row| row.split_whitespace()).map(str::to_owned).collect()
}

/// Holds the words of a table to those that it has with room for everything.
pub(super) fn check_whole(name: &str, stage: &Stage, whole: &BTreeSet<String>) {
    for word in words(stage) {
        let (width, height) = stage.app.shared().size;
        assert!(whole.contains(&word) || word.contains('…'), "{name}, {width}×{height}: {word}\n{}", stage.screen());
    }
}

/// Room for everything that a smaller terminal shows.
pub(super) const ROOM: (u16, u16) = (800, 150);

#[test]
fn every_table_shows_its_numbers_whole_on_every_terminal() {
    each(|way, nodes, gpus| {
        let whole = at(way, nodes, gpus, ROOM);
        let is_table = whole.app.screen().filter().is_some();
        let whole = words(&whole);
        for (width, height) in [(80, 24), (120, 40), (200, 50), (400, 120)] {
            let stage = at(way, nodes, gpus, (width, height));
            if is_table {
                check_whole(way.0, &stage, &whole);
            } else {
                assert!(!words(&stage).is_empty(), "{} at {width}×{height}: {}", way.0, stage.screen());
            }
        }
    });
}

#[test]
fn every_tables_numbers_stay_whole_while_it_is_made_smaller() {
    each(|way, nodes, gpus| {
        let mut stage = at(way, nodes, gpus, ROOM);
        if stage.app.screen().filter().is_some() {
            let whole = words(&stage);
            for width in (40..400).step_by(7).rev() {
                stage.app.update(Input::Resize(width, 30), stage.hub.now);
                check_whole(way.0, &stage, &whole);
            }
        }
    });
}
