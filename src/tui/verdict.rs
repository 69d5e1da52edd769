//! What a row's values say of its health, and in which words: the worst finding of those that its columns allow.
//! The screens colour by it, mark by it and print its reason.

use crate::{
    model::{
        State, Unit,
        table::{Cell, Column, Row, Table},
        unit::grouped,
    },
    tui::theme::Role,
};

/// How bad it is, best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    /// Nothing known against it.
    #[default]
    Fine,
    /// On the roster and never seen.
    Missing,
    /// Silent for a while.
    Stale,
    /// Should be looked at.
    Warn,
    /// Broken.
    Crit,
    /// Silent for long.
    Down,
}

impl Health {
    /// The mark beside the colour.
    pub(crate) const fn mark(self) -> &'static str {
        match self {
            Health::Fine => "●",
            Health::Missing => "○",
            Health::Stale => "⋯",
            Health::Warn => "▲",
            Health::Crit => "✖",
            Health::Down => "▼",
        }
    }

    /// The colour.
    pub(crate) const fn role(self) -> Role {
        match self {
            Health::Fine => Role::Fine,
            Health::Missing => Role::Missing,
            Health::Stale => Role::Stale,
            Health::Warn => Role::Warn,
            Health::Crit => Role::Crit,
            Health::Down => Role::Down,
        }
    }

    /// The health of a node in this state, as far as that goes.
    pub(crate) const fn of_state(state: State) -> Health {
        match state {
            State::Up => Health::Fine,
            State::Stale => Health::Stale,
            State::Down => Health::Down,
            State::Missing => Health::Missing,
        }
    }
}

/// A row's health and the reason for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// How bad.
    pub(crate) health: Health,
    /// Why, in words; empty when fine.
    pub(crate) why: String,
}

/// From these values on a number is worth a look, and from those on it is bad. Keys without a line are never coloured.
const LIMITS: &[(&str, f64, f64)] = &[
    ("gpu.temp", 85.0, 92.0),
    ("gpu.temp.mem", 95.0, 105.0),
    ("gpu.remap.pending", 1.0, f64::INFINITY),
    ("gpu.remap.failed", 1.0, 1.0),
    ("gpu.ecc.dbe", 1.0, 1.0),
    ("gpu.ecc.sram", 1.0, 1.0),
    ("node.temp", 90.0, 100.0),
    ("node.mem.util", 92.0, 98.0),
    ("node.disk.used", 90.0, 97.0),
    ("node.mounts.bad", 1.0, f64::INFINITY),
    ("node.incidents", 1.0, f64::INFINITY),
    ("node.psi.mem", 10.0, 40.0),
    ("node.psi.io", 40.0, 80.0),
    ("node.edac.ue", 1.0, 1.0),
    ("node.clock.skew", 1.0, 60.0),
    ("mount.used", 90.0, 97.0),
    ("mount.inodes", 90.0, 97.0),
];

/// What the verdict on a row reads beside the numbers of [`LIMITS`].
const OTHERS: [&str; 14] = [
    "bench",
    "fault",
    "gpu.pcie.width",
    "gpu.pcie.width.max",
    "gpu.throttle",
    "gpu.xid",
    "gpu.xid.age",
    "incident.severity",
    "incident.stage",
    "mount.state",
    "node.age",
    "node.gpus",
    "node.gpus.expected",
    "verdict",
];

/// Whether the verdict on a row reads the column with this full key, if there is one.
pub(crate) fn reads(key: &str) -> bool {
    OTHERS.contains(&key) || LIMITS.iter().any(|(known, _, _)| *known == key)
}

/// How bad this number is by itself.
pub(crate) fn grade(key: &str, value: f64) -> Health {
    // `max(gpu.temp)` is judged as `gpu.temp` is.
    let bare = key.split_once('(').map_or(key, |(_, inner)| inner.trim_end_matches(')'));
    match LIMITS.iter().find(|(known, _, _)| *known == bare) {
        Some((_, _, crit)) if value >= *crit => Health::Crit,
        Some((_, warn, _)) if value >= *warn => Health::Warn,
        _ => Health::Fine,
    }
}

/// How bad a word is by itself: a state, a throttle reason.
pub(crate) fn grade_word(key: &str, word: &str) -> Health {
    match (key, word) {
        ("state", word) => State::parse(word).map_or(Health::Fine, Health::of_state),
        ("gpu.throttle", "hw_thermal" | "hw_slowdown" | "power_brake") | ("mount.state", "hung" | "missing") => {
            Health::Crit
        }
        ("incident.severity", "crit") => Health::Crit,
        ("gpu.throttle", "sw_thermal")
        | ("fault", "released")
        | ("event.kind", "xid" | "sxid")
        | ("incident.severity", "warn")
        | ("verdict", "slow" | "link" | "host" | "gone") => Health::Warn,
        // One metric that cannot be read is no broken GPU.
        ("fault", word) if word.starts_with("gpu.") => Health::Warn,
        ("fault", word) if !word.is_empty() => Health::Crit,
        _ => Health::Fine,
    }
}

/// XIDs that an application causes: they harm a job and say little of the GPU.
const APPLICATION_XIDS: [u32; 5] = [13, 31, 43, 45, 69];

/// What the row says of itself.
pub(crate) fn verdict(table: &Table, row: &Row) -> Verdict {
    let seen = Seen { table, row };
    let state = Health::of_state(row.state);
    if state != Health::Fine && seen.is_planned() {
        return Verdict { health: Health::Missing, why: format!("planned · {}", seen.silence()) };
    }
    if state != Health::Fine {
        return Verdict { health: state, why: seen.silence() };
    }
    let findings = [
        seen.fault(),
        seen.lost_gpus(),
        seen.xid(),
        seen.over("gpu.remap.failed", |_| "row remap failed: replace the GPU".into()),
        seen.over("gpu.ecc.sram", |_| "SRAM errors past the maker's threshold".into()),
        seen.over("gpu.ecc.dbe", |n| format!("{n:.0} uncorrectable ECC")),
        seen.over("node.edac.ue", |n| format!("{n:.0} uncorrectable host memory errors")),
        seen.throttle(),
        seen.over("gpu.temp", |t| format!("GPU at {}", Unit::Celsius.text(t))),
        seen.over("gpu.temp.mem", |t| format!("GPU memory at {}", Unit::Celsius.text(t))),
        seen.over("gpu.remap.pending", |_| "a row waits for a reset to be remapped".into()),
        seen.lanes(),
        seen.incident(),
        seen.over("node.mounts.bad", |n| if n < 1.5 { "a mount hangs".into() } else { format!("{n:.0} mounts hang") }),
        seen.word("mount.state"),
        seen.over("mount.used", |used| format!("{used:.0} % full")),
        seen.over("mount.inodes", |used| format!("{used:.0} % of inodes used")),
        seen.over("node.disk.used", |used| format!("a disk is {used:.0} % full")),
        seen.over("node.mem.util", |used| format!("{used:.0} % of memory used")),
        seen.over("node.psi.mem", |p| format!("waits for memory {p:.0} % of the time")),
        seen.over("node.psi.io", |p| format!("waits for I/O {p:.0} % of the time")),
        seen.over("node.temp", |t| format!("CPU at {}", Unit::Celsius.text(t))),
        seen.over("node.clock.skew", |s| format!("clock off by {}", Unit::Seconds.text(s))),
    ];
    let mut worst = Verdict::default();
    for (health, why) in findings.into_iter().flatten() {
        if health > worst.health {
            worst.health = health;
        }
        worst.why.push_str(if worst.why.is_empty() { "" } else { " · " });
        worst.why.push_str(&why);
    }
    // What else is found wrong has no column here.
    if worst.health == Health::Fine {
        let words = |n: f64| if n < 1.5 { "an incident is open".into() } else { format!("{n:.0} incidents are open") };
        (worst.health, worst.why) = seen.over("node.incidents", words).or_else(|| seen.holds_up()).unwrap_or_default();
    }
    worst
}

type Finding = Option<(Health, String)>;

struct Seen<'a> {
    table: &'a Table,
    row: &'a Row,
}

impl Seen<'_> {
    fn cell(&self, key: &str) -> Option<(&Column, &Cell)> {
        debug_assert!(reads(key), "{key} may not have been asked for");
        let at = self.table.column(key)?;
        Some((self.table.columns.get(at)?, self.row.cells.get(at)?))
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.cell(key)?.1.number()
    }

    /// Whether its scheduler says that it is away for a reason that somebody planned.
    fn is_planned(&self) -> bool {
        self.cell("bench").and_then(|(_, cell)| cell.text()) == Some("planned")
    }

    fn silence(&self) -> String {
        match (self.row.state, self.number("node.age")) {
            (State::Missing, _) => "not seen since the hub started".into(),
            (_, Some(age)) => format!("silent for {}", Unit::Seconds.text(age)),
            (_, None) => "silent".into(),
        }
    }

    fn over(&self, key: &str, words: impl Fn(f64) -> String) -> Finding {
        let value = self.number(key)?;
        let health = grade(key, value);
        (health > Health::Fine).then(|| (health, words(value)))
    }

    fn word(&self, key: &str) -> Finding {
        let word = self.cell(key)?.1.text()?;
        let health = grade_word(key, word);
        (health > Health::Fine).then(|| (health, word.to_owned()))
    }

    fn holds_up(&self) -> Finding {
        let (health, word) = self.word("verdict")?;
        let words = match &*word {
            "slow" => "its job waits for it",
            "link" => "badly linked, and its job waits for it",
            "host" => "its host holds its job up",
            _ => "its job misses it",
        };
        Some((health, words.into()))
    }

    fn fault(&self) -> Finding {
        let text = self.cell("fault")?.1.text().filter(|text| !text.is_empty())?;
        let words = if text.starts_with("gpu.") { text.to_owned() } else { format!("GPU {text}") };
        Some((grade_word("fault", text), words))
    }

    fn lost_gpus(&self) -> Finding {
        let (have, expected) = (self.number("node.gpus")?, self.number("node.gpus.expected")?);
        (have < expected)
            .then(|| (Health::Crit, format!("{} of {} GPUs", grouped(have as i64), grouped(expected as i64))))
    }

    fn xid(&self) -> Finding {
        let code = self.number("gpu.xid").filter(|code| *code > 0.0)? as u32;
        let health = if APPLICATION_XIDS.contains(&code) { Health::Warn } else { Health::Crit };
        let age = self.number("gpu.xid.age").map(|age| format!(" {} ago", Unit::Seconds.text(age)));
        Some((health, format!("XID {code}{}", age.unwrap_or_default())))
    }

    fn throttle(&self) -> Finding {
        let Cell::Flags(names) = self.cell("gpu.throttle")?.1 else { return None };
        let bad = names.iter().filter(|name| grade_word("gpu.throttle", name) > Health::Fine);
        let health = bad.clone().map(|name| grade_word("gpu.throttle", name)).max()?;
        let words: Vec<String> = bad.map(|name| name.replace('_', " ")).collect();
        Some((health, format!("throttled: {}", words.join(", "))))
    }

    fn incident(&self) -> Finding {
        let is_open = self.cell("incident.stage")?.1.text() == Some("open");
        self.word("incident.severity").filter(|_| is_open)
    }

    fn lanes(&self) -> Finding {
        let (now, most) = (self.number("gpu.pcie.width")?, self.number("gpu.pcie.width.max")?);
        (now < most).then(|| (Health::Warn, format!("PCIe x{now:.0} of x{most:.0}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{metric::Direction, raw::Gap};

    fn check(state: State, cells: &[(&str, Cell)], health: Health, why: &str) {
        let column = |key: &str| Column {
            key: key.into(),
            title: key.into(),
            width: 4,
            unit: None,
            kind: None,
            direction: Direction::Neutral,
        };
        let table = Table { columns: cells.iter().map(|(key, _)| column(key)).collect(), ..Table::default() };
        let row = Row { id: "gpu017".into(), state, cells: cells.iter().map(|(_, cell)| cell.clone()).collect() };
        assert_eq!(verdict(&table, &row), Verdict { health, why: why.into() });
    }

    #[test]
    fn the_worst_comes_first_and_all_is_said() {
        let n = Cell::Number;
        check(State::Up, &[("gpu.util", n(99.0)), ("gpu.temp", n(61.0))], Health::Fine, "");
        check(State::Up, &[("gpu.temp", n(93.0))], Health::Crit, "GPU at 93 °C");
        let planned = [("bench", Cell::Text("planned".into())), ("node.age", n(90.0))];
        check(State::Down, &planned, Health::Missing, "planned · silent for 1m30s");
        check(State::Down, &planned[1..], Health::Down, "silent for 1m30s");
        check(State::Up, &[("max(gpu.temp)", n(93.0))], Health::Fine, "");
        let lost =
            [("node.gpus", n(7.0)), ("node.gpus.expected", n(8.0)), ("gpu.xid", n(79.0)), ("gpu.xid.age", n(660.0))];
        check(State::Up, &lost, Health::Crit, "7 of 8 GPUs · XID 79 11m00s ago");
        check(State::Up, &[("gpu.xid", n(31.0))], Health::Warn, "XID 31");
        check(State::Up, &[("gpu.xid", Cell::Gap(Gap::Absent))], Health::Fine, "");
        let flags = Cell::Flags(vec!["power_cap".into(), "hw_thermal".into()]);
        check(State::Up, &[("gpu.throttle", flags)], Health::Crit, "throttled: hw thermal");
        check(State::Up, &[("fault", Cell::Text("lost".into()))], Health::Crit, "GPU lost");
        let found = [("node.incidents", n(2.0)), ("gpu.temp", n(93.0))];
        check(State::Up, &found, Health::Crit, "GPU at 93 °C");
        check(State::Up, &found[..1], Health::Warn, "2 incidents are open");
        check(State::Up, &[("node.incidents", n(1.0))], Health::Warn, "an incident is open");
    }

    #[test]
    fn a_silent_node_is_never_fine() {
        check(State::Stale, &[("node.age", Cell::Number(192.0))], Health::Stale, "silent for 3m12s");
        check(State::Down, &[("gpu.temp", Cell::Number(99.0))], Health::Down, "silent");
        check(State::Missing, &[], Health::Missing, "not seen since the hub started");
    }
}
