//! One screen of text: how it is, what is missing, and as many incidents as there is room for, worst first.

use std::io::{IsTerminal as _, stdout};

use unicode_width::UnicodeWidthStr as _;

use super::{ALONE, Verdict, commands, word};
use crate::model::{
    table::Cell,
    unit::{Unit, grouped},
};

/// How much is read at one glance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    lines: usize,
    columns: usize,
}

impl Room {
    /// What there is where nobody knows.
    const USUAL: Room = Room { lines: 40, columns: 120 };

    /// The terminal's, but for the line of the prompt that follows.
    pub(super) fn of_stdout() -> Room {
        let out = stdout();
        let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(&out).ok()).flatten();
        match size {
            Some(size) if size.ws_row > 1 && size.ws_col > 0 => {
                Room { lines: usize::from(size.ws_row) - 1, columns: size.ws_col.into() }
            }
            _ => Room::USUAL,
        }
    }

    /// How many lines of the screen these take, of which long ones are wrapped.
    fn taken(self, lines: &[String]) -> usize {
        lines.iter().map(|line| line.width().div_ceil(self.columns).max(1)).sum()
    }

    /// The text, cut to one line.
    fn cut(self, text: &str) -> String {
        if text.width() <= self.columns {
            return text.to_owned();
        }
        let mut cut = String::new();
        for c in text.chars() {
            if cut.width() + 2 > self.columns {
                break;
            }
            cut.push(c);
        }
        cut + "…"
    }
}

/// The verdict in as many lines as there is room for; of incidents, the worst one at least.
pub(super) fn text(verdict: &Verdict, room: Room) -> String {
    let mut lines = head(verdict, room);
    let foot: Vec<String> = match &verdict.not_evaluated {
        Some(rules) => vec![String::new(), format!("{ALONE}; not evaluated: {}", rules.join(", "))],
        None => Vec::new(),
    };
    let incidents: Vec<Vec<String>> = (0..verdict.incidents.rows.len()).map(|row| incident(verdict, row)).collect();
    let left = room.lines.saturating_sub(room.taken(&lines) + room.taken(&foot));
    let all: usize = incidents.iter().map(|lines| room.taken(lines)).sum();
    // What is left out takes two lines to say.
    let left = if all > left { left.saturating_sub(2) } else { left };
    let mut taken = 0;
    let fits = |lines: &&Vec<String>| {
        taken += room.taken(lines);
        taken <= left
    };
    let shown = incidents.iter().take_while(fits).count().max(1).min(incidents.len());
    lines.extend(incidents[..shown].iter().flatten().cloned());
    if let hidden @ 1.. = incidents.len() - shown {
        let is_crit = |row: &usize| word(&verdict.incidents, *row, "incident.severity") == "crit";
        let crit = (shown..incidents.len()).filter(is_crit).count();
        let more = if hidden == 1 { "incident" } else { "incidents" };
        let of_them = if crit == 0 { String::new() } else { format!(", {crit} of them crit") };
        lines.extend([String::new(), format!("… and {hidden} more {more}{of_them}: supertop check -o json has all")]);
    }
    lines.extend(foot);
    lines.join("\n") + "\n"
}

/// How it is, and what is missing.
fn head(verdict: &Verdict, room: Room) -> Vec<String> {
    let Verdict { status, nodes, gpus, stale, not_up, gpus_missing, incidents, .. } = verdict;
    let count = |n: u64| grouped(i64::try_from(n).unwrap_or(i64::MAX));
    let some = |n: u64, what: &str| if n == 0 { String::new() } else { format!(", {} {what}", count(n)) };
    let wrong = match incidents.rows.len() {
        0 => "nothing is wrong".to_owned(),
        1 => "1 incident".to_owned(),
        n => format!("{n} incidents"),
    };
    let first = format!(
        "{}: {} nodes, {} GPUs{}{}; {wrong}",
        status.word().to_uppercase(),
        count(*nodes),
        count(*gpus),
        some(*stale, "nodes not up"),
        some(*gpus_missing, "GPUs missing"),
    );
    let missing = (!not_up.is_empty()).then(|| room.cut(&format!("not up: {not_up}")));
    std::iter::once(first).chain(missing).collect()
}

/// What is wrong, why, what to do, and on whom that falls.
fn incident(verdict: &Verdict, row: usize) -> Vec<String> {
    let table = &verdict.incidents;
    let word = |key: &str| word(table, row, key);
    let mark = match word("incident.severity") {
        "crit" => "✖",
        "warn" => "▲",
        _ => "·",
    };
    let age = table.cell(row, "incident.age").and_then(Cell::number);
    let age = age.map_or_else(String::new, |age| Unit::Seconds.text(age));
    let (subject, reason, rule) = (word("incident.subject"), word("incident.reason"), word("incident.rule"));
    let mut lines = vec![
        String::new(),
        format!("{mark} {subject}  {reason}  ({rule}, for {age})"),
        format!("  {}", word("incident.action")),
    ];
    let before = lines.len();
    lines.extend(commands(word("incident.commands")).take(4).map(|line| format!("    {line}")));
    if lines.len() > before {
        lines.extend(standing(word("sched"), word("job"), word("job.user")));
    }
    lines
}

/// What the scheduler says of its nodes, and which jobs its commands fall on.
fn standing(sched: &str, jobs: &str, users: &str) -> Option<String> {
    let spaced = |list: &str| list.replace(',', ", ");
    let sched = (!sched.is_empty()).then(|| format!("sched: {}", spaced(sched)));
    let users = if users.is_empty() { String::new() } else { format!(" ({})", spaced(users)) };
    let jobs = (!jobs.is_empty()).then(|| format!("jobs: {}{users}", spaced(jobs)));
    let parts: Vec<String> = sched.into_iter().chain(jobs).collect();
    (!parts.is_empty()).then(|| format!("    {}", parts.join(" · ")))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Status, as_json},
        *,
    };
    use crate::model::{
        metric::Direction,
        state::State,
        table::{Column, Row, Table},
    };

    const KEYS: [&str; 8] = [
        "incident.severity",
        "incident.subject",
        "incident.reason",
        "incident.action",
        "incident.commands",
        "sched",
        "job",
        "job.user",
    ];

    fn verdict(rows: &[[&str; 8]]) -> Verdict {
        let (title, direction) = (String::new(), Direction::Neutral);
        let column =
            |key: &str| Column { key: key.into(), title: title.clone(), width: 0, unit: None, kind: None, direction };
        let row = |row: &[&str; 8]| {
            let cells = row.iter().map(|text| Cell::Text((*text).into())).collect();
            Row { id: String::new(), state: State::Up, cells }
        };
        let (columns, rows) = (KEYS.map(column).to_vec(), rows.iter().map(row).collect());
        let incidents = Table { columns, rows, ..Table::default() };
        let not_up = "gpu[001-003,017]".to_owned();
        let (status, not_evaluated) = (Status::Crit, None);
        Verdict { status, nodes: 1400, gpus: 11_200, stale: 4, not_up, gpus_missing: 5, incidents, not_evaluated }
    }

    const CRIT: [&str; 8] = ["crit", "n1", "hot", "cool it", "drain n1", "", "", ""];
    const WARN: [&str; 8] = ["warn", "n2", "warm", "look at it", "", "", "", ""];

    #[test]
    fn it_is_one_screen_and_says_what_is_left_out() {
        let rows: Vec<[&str; 8]> = std::iter::repeat_n(CRIT, 20).chain(std::iter::repeat_n(WARN, 300)).collect();
        let check = |lines: usize, shown: usize, more: &str| {
            let text = text(&verdict(&rows), Room { lines, columns: 80 });
            assert!(text.lines().count() <= lines.max(8), "{lines}: {text}");
            assert_eq!(text.matches("\n✖").count() + text.matches("\n▲").count(), shown, "{text}");
            assert!(text.ends_with(&format!("\n\n… and {more}: supertop check -o json has all\n")), "{text}");
        };
        check(24, 5, "315 more incidents, 15 of them crit");
        check(84, 20, "300 more incidents");
        check(0, 1, "319 more incidents, 19 of them crit");
        assert_eq!(as_json(&verdict(&rows))["incidents"].as_array().unwrap().len(), rows.len(), "JSON has all");
    }

    #[test]
    fn what_fits_is_shown_and_nothing_more_is_said() {
        let check = |lines: usize, end: &str| {
            let text = text(&verdict(&[CRIT, WARN]), Room { lines, columns: 80 });
            assert!(text.ends_with(end), "{lines}: {text}");
        };
        check(9, "\n▲ n2  warm  (, for )\n  look at it\n");
        check(8, "\n    drain n1\n\n… and 1 more incident: supertop check -o json has all\n");
    }

    #[test]
    fn long_lines_take_as_many_as_the_terminal_needs() {
        let long = "x".repeat(150);
        let wide = ["crit", "n1", "hot", &*long, "", "", "", ""];
        let text = text(&verdict(&[wide, WARN]), Room { lines: 8, columns: 80 });
        assert!(text.contains("… and 1 more incident:"), "{text}");
    }

    #[test]
    fn what_is_missing_is_named_in_one_line() {
        let lines = |columns: usize| head(&verdict(&[CRIT]), Room { lines: 40, columns });
        let first = "CRIT: 1,400 nodes, 11,200 GPUs, 4 nodes not up, 5 GPUs missing; 1 incident";
        assert_eq!(lines(80), [first, "not up: gpu[001-003,017]"]);
        assert_eq!(lines(15)[1], "not up: gpu[00…");
        let json = as_json(&verdict(&[]));
        assert_eq!((&json["not_up"], &json["gpus_missing"]), (&"gpu[001-003,017]".into(), &5.into()));
    }

    #[test]
    fn commands_stand_with_the_jobs_that_they_fall_on() {
        let check = |[sched, jobs, users]: [&'static str; 3], expected: &str| {
            let row = ["crit", "n1", "hot", "cool it", "drain n1", sched, jobs, users];
            let text = text(&verdict(&[row]), Room::USUAL);
            assert!(text.ends_with(&format!("    drain n1\n{expected}")), "{text}");
            let json = &as_json(&verdict(&[row]))["incidents"][0];
            assert_eq!([&json["sched"], &json["jobs"], &json["users"]], [sched, jobs, users]);
        };
        check(["drain", "4711,4712", "u1043"], "    sched: drain · jobs: 4711, 4712 (u1043)\n");
        check(["drain,idle", "", ""], "    sched: drain, idle\n");
        check(["", "4711", ""], "    jobs: 4711\n");
        check(["", "", ""], "");
        let without = ["crit", "n1", "hot", "cool it", "", "idle", "4711", "u1"];
        assert!(text(&verdict(&[without]), Room::USUAL).ends_with("  cool it\n"), "what says no command hits nobody");
    }
}
