//! What happened, as marks in time, and the lanes that they are put into.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use crate::{
    model::{
        table::{Cell, Row, Table},
        time::Time,
    },
    tui::verdict::Health,
};

/// The lane of what is of several places.
const SEVERAL: &str = "several";

/// What a mark is of, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// A job ended.
    End,
    /// The scheduler was told to give a node no jobs.
    Drain,
    /// A machine was started.
    Boot,
    /// A port went up or down.
    Port,
    /// A node is heard of no more.
    Lost,
    /// An NVSwitch's error.
    Sxid,
    /// A GPU's error.
    Xid,
}

impl What {
    pub(super) const ALL: [What; 7] =
        [What::Xid, What::Sxid, What::Lost, What::Port, What::Boot, What::Drain, What::End];

    /// Its letter, its word, and how bad it is.
    pub(super) fn look(self) -> (&'static str, &'static str, Health) {
        match self {
            What::Xid => ("X", "XID", Health::Crit),
            What::Sxid => ("S", "SXid", Health::Crit),
            What::Lost => ("L", "lost", Health::Crit),
            What::Port => ("p", "port", Health::Warn),
            What::Boot => ("b", "boot", Health::Warn),
            What::Drain => ("d", "drain", Health::Fine),
            What::End => ("e", "job end", Health::Fine),
        }
    }

    fn of_event(kind: &str) -> Option<What> {
        match kind {
            "xid" => Some(What::Xid),
            "sxid" => Some(What::Sxid),
            "link" => Some(What::Port),
            "boot" => Some(What::Boot),
            _ => None,
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) time: Time,
    pub(super) what: What,
    /// The node, GPU, port or job.
    pub(super) subject: String,
    pub(super) words: String,
    /// Where it happened, by place level and label.
    places: BTreeMap<String, String>,
}

/// By what lanes are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// What happened.
    What,
    /// A place level or a label.
    Place(String),
    /// The port's name, which is the same for all that are plugged into one network.
    Rail,
}

impl By {
    pub(super) fn word(&self) -> &str {
        match self {
            By::What => "kind",
            By::Place(level) => level,
            By::Rail => "rail",
        }
    }
}

/// Marks of one lane, the earliest first.
pub(super) struct Lane<'a> {
    pub(super) name: String,
    pub(super) marks: Vec<&'a Mark>,
}

/// The lanes, those first in which something happened first.
pub(super) fn lanes<'a>(marks: &'a [Mark], by: &By) -> Vec<Lane<'a>> {
    let mut lanes: Vec<Lane<'a>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut sorted: Vec<&Mark> = marks.iter().collect();
    sorted.sort_by(|a, b| (a.time, &a.subject).cmp(&(b.time, &b.subject)));
    for mark in sorted {
        let name = mark.lane(by);
        let at = *known.entry(name).or_insert_with_key(|name| {
            lanes.push(Lane { name: name.clone(), marks: Vec::new() });
            lanes.len() - 1
        });
        lanes[at].marks.push(mark);
    }
    lanes
}

impl Mark {
    fn lane(&self, by: &By) -> String {
        match by {
            By::What => self.what.look().1.to_owned(),
            By::Place(level) => self.places.get(level).cloned().unwrap_or_else(|| "–".to_owned()),
            By::Rail => match self.subject.split_once('/') {
                Some((_, port)) if self.what == What::Port => port.to_owned(),
                _ => "–".to_owned(),
            },
        }
    }
}

/// Events as they were asked for: time, kind, subject and text, and then places.
pub(super) fn of_events(table: &Table, places: &[String]) -> Vec<Mark> {
    let mark = |row: &Row| {
        let text = |key: &str| text(table, row, key);
        let what = What::of_event(&text("event.kind"))?;
        let time = moment(&text("event.time"))?;
        Some(Mark {
            time,
            what,
            subject: text("event.subject"),
            words: text("event.text"),
            places: at(table, row, places),
        })
    };
    table.rows.iter().filter_map(mark).collect()
}

/// Nodes that are heard of no more, with how long that is.
pub(super) fn of_lost(table: &Table, places: &[String]) -> Vec<Mark> {
    let mark = |row: &Row| {
        let age = number(table, row, "node.age")?;
        let (what, subject) = (What::Lost, row.id.clone());
        let words = format!("{subject} is heard of no more");
        Some(Mark { time: ago(table.time, age), what, subject, words, places: at(table, row, places) })
    };
    table.rows.iter().filter_map(mark).collect()
}

/// Nodes that the scheduler gives no jobs, with since when.
pub(super) fn of_drains(table: &Table, places: &[String]) -> Vec<Mark> {
    let mark = |row: &Row| {
        let time = moment(&text(table, row, "sched.since"))?;
        let (what, subject) = (What::Drain, row.id.clone());
        let words = format!("{}: {}", text(table, row, "sched"), text(table, row, "sched.reason"));
        Some(Mark { time, what, subject, words, places: at(table, row, places) })
    };
    table.rows.iter().filter_map(mark).collect()
}

/// Jobs that have ended, with how long ago. One that had nodes of several places is in the lane of such.
pub(super) fn of_ends(table: &Table, places: &[String]) -> Vec<Mark> {
    let mark = |row: &Row| {
        let age = number(table, row, "job.ended")?;
        let (what, subject) = (What::End, format!("job {}", row.id));
        let words = format!("{} {}", text(table, row, "job.state"), text(table, row, "job.user"));
        let mut places = at(table, row, places);
        places.values_mut().filter(|place| place.contains(',')).for_each(|place| *place = SEVERAL.into());
        Some(Mark { time: ago(table.time, age), what, subject, words, places })
    };
    table.rows.iter().filter_map(mark).collect()
}

fn text(table: &Table, row: &Row, key: &str) -> String {
    let cell = table.column(key).and_then(|at| row.cells.get(at));
    cell.and_then(Cell::text).unwrap_or_default().to_owned()
}

fn number(table: &Table, row: &Row, key: &str) -> Option<f64> {
    row.cells.get(table.column(key)?)?.number()
}

fn at(table: &Table, row: &Row, places: &[String]) -> BTreeMap<String, String> {
    let place = |level: &String| Some((level.clone(), text(table, row, level))).filter(|(_, place)| !place.is_empty());
    places.iter().filter_map(place).collect()
}

fn ago(now: Time, seconds: f64) -> Time {
    Time::from_millis(now.as_millis() - (seconds * 1000.0) as i64)
}

fn moment(text: &str) -> Option<Time> {
    Some(Time::from_millis(text.parse::<Timestamp>().ok()?.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(second: i64, what: What, subject: &str, rack: &str) -> Mark {
        let places = BTreeMap::from([("rack".to_owned(), rack.to_owned())]);
        Mark { time: Time::from_millis(second * 1000), what, subject: subject.into(), words: String::new(), places }
    }

    #[test]
    fn lanes_begin_with_what_happened_first() {
        let marks = [
            mark(9, What::Xid, "gpu2:0", "r2"),
            mark(3, What::Port, "gpu1/mlx5_1", "r1"),
            mark(5, What::Port, "gpu2/mlx5_1", "r2"),
        ];
        let check = |by: By, expected: &[(&str, &[&str])]| {
            let lanes = lanes(&marks, &by);
            let told: Vec<(&str, Vec<&str>)> = lanes
                .iter()
                .map(|lane| (&*lane.name, lane.marks.iter().map(|mark| &*mark.subject).collect()))
                .collect();
            assert_eq!(told, expected.iter().map(|(name, all)| (*name, all.to_vec())).collect::<Vec<_>>(), "{by:?}");
        };
        check(By::What, &[("port", &["gpu1/mlx5_1", "gpu2/mlx5_1"]), ("XID", &["gpu2:0"])]);
        check(By::Place("rack".into()), &[("r1", &["gpu1/mlx5_1"]), ("r2", &["gpu2/mlx5_1", "gpu2:0"])]);
        check(By::Rail, &[("mlx5_1", &["gpu1/mlx5_1", "gpu2/mlx5_1"]), ("–", &["gpu2:0"])]);
        check(By::Place("domain".into()), &[("–", &["gpu1/mlx5_1", "gpu2/mlx5_1", "gpu2:0"])]);
    }

    #[test]
    fn times_without_seconds_are_times() {
        assert_eq!(moment("1970-01-01T00:01Z"), Some(Time::from_millis(60_000)));
        assert_eq!(moment("never"), None);
    }
}
