//! One incident: why, what to do, whom it hits, what speaks for it, and what its subject did beside its peers.

mod evidence;

use evidence::Evidence;
use ratatui::layout::Rect;

use super::{Asked, Screen, Step, replace_table};
use crate::{
    model::{
        question::{Answer, Complaint},
        table::{Cell, Table},
        unit::{Unit, grouped},
    },
    tui::{
        action::Action,
        ask::quoted,
        draw::{Pen, cut_end, width},
        mark,
        orders::Commands,
        shared::Shared,
        theme::Role,
        verdict::Health,
        views::Target,
    },
};

/// What is asked of it.
const KEYS: &str = "incident,incident.severity,incident.stage,incident.subject,incident.reason,incident.rule,\
                    incident.since,incident.age,incident.seen,incident.count,incident.nodes,incident.hosts,\
                    incident.note,incident.action,incident.commands,incident.evidence,job,job.user,sched,sched.reason,model,bus,serial";

/// The number of the question for all that.
const FACTS: u32 = 0;
/// Columns from which on the curves stand beside the words.
const WIDE: u16 = 160;

/// Where texts begin.
const INDENT: u16 = 10;
/// Lines above the words: the headline, and which of the words are shown where not all are.
const HEAD: u16 = 2;

/// The screen of one incident.
pub(crate) struct Incident {
    id: String,
    facts: Option<Table>,
    evidence: Evidence,
    /// Lines of the words that are scrolled away.
    scrolled: u16,
    trouble: Option<String>,
}

/// A line of the words.
struct Line {
    /// The title of the part that begins with it.
    title: &'static str,
    role: Role,
    text: String,
}

impl Incident {
    /// The screen of the incident with this number.
    pub(crate) fn new(id: &str) -> Self {
        Incident { id: id.into(), facts: None, evidence: Evidence::default(), scrolled: 0, trouble: None }
    }

    fn text(&self, key: &str) -> &str {
        self.facts.as_ref().and_then(|table| table.cell(0, key)).and_then(Cell::text).unwrap_or_default()
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.facts.as_ref()?.cell(0, key)?.number()
    }

    fn commands(&self) -> impl Iterator<Item = &str> {
        lines(self.text("incident.commands"))
    }

    /// The first line: how bad, what, since when.
    fn headline(&self, pen: &mut Pen<'_>, shared: &Shared) {
        let health = match self.text("incident.severity") {
            "crit" => Health::Crit,
            "warn" => Health::Warn,
            _ => Health::Fine,
        };
        let seconds = |key| self.number(key).map(|value| Unit::Seconds.text(value)).unwrap_or_default();
        let is_over = self.text("incident.stage") == "cleared";
        // Of what nodes report, so many reports; of what is asked, so many things that have it.
        let is_told = ["gpu.xid", "switch.sxid"].contains(&self.text("incident.rule"));
        let words = if is_told { "reports" } else { "affected" };
        let times = self.number("incident.count").filter(|n| *n > 1.0);
        let times = times.map(|n| format!(" · {} {words}", grouped(n as i64))).unwrap_or_default();
        let stage = if is_over {
            format!("over, seen {} ago", seconds("incident.seen"))
        } else {
            self.text("incident.stage").to_owned()
        };
        let when = format!("for {}{times} · {stage}", seconds("incident.age"));
        let end = pen.right(pen.width().saturating_sub(1), 0, &when, Role::Dim);
        pen.text(1, 0, health.mark(), health.role());
        let subject = self.text("incident.subject");
        mark::draw(pen, 0, mark::of_subject(subject), shared);
        let x = pen.text(3, 0, &cut_end(subject, end.saturating_sub(4)), Role::Strong);
        let rule = self.text("incident.rule");
        if x + 2 + width(rule) < end {
            pen.text(x + 2, 0, rule, Role::Dim);
        }
    }

    /// Title, role and text of each part that there is something to say of.
    fn parts(&self) -> Vec<(&'static str, Role, Vec<String>)> {
        let text = |key: &str| self.text(key).to_owned();
        let some = |words: &str, key: &str| {
            let text = self.text(key);
            (!text.is_empty()).then(|| format!("{words}{text}"))
        };
        let nodes = self.number("incident.nodes").filter(|n| *n > 1.0).map(|_| text("incident.hosts"));
        let jobs = some("job ", "job").map(|jobs| match some(" of ", "job.user") {
            Some(users) => jobs + &users,
            None => jobs,
        });
        let sched = some("the scheduler says ", "sched").map(|said| match some(": ", "sched.reason") {
            Some(reason) => said + &reason,
            None => said,
        });
        // Of many GPUs it would be a list of theirs.
        let is_gpu = self.text("incident.subject").contains(':');
        let what = [some("", "model"), some("PCI ", "bus"), some("serial ", "serial")];
        let what = if is_gpu { what.into_iter().flatten().collect::<Vec<_>>().join(" · ") } else { String::new() };
        let evidence = self.text("incident.evidence").split("; ").map(String::from).collect();
        let commands = self.commands().map(String::from).collect();
        let all = [
            ("WHY", Role::Table, vec![text("incident.reason")]),
            ("SAID", Role::Accent, vec![text("incident.note")]),
            ("DO", Role::Strong, vec![text("incident.action")]),
            ("", Role::Accent, commands),
            ("WHAT", Role::Table, vec![what]),
            ("NODES", Role::Table, nodes.into_iter().collect()),
            ("HITS", Role::Table, jobs.into_iter().chain(sched).collect()),
            ("SEEN", Role::Dim, evidence),
        ];
        let said = |(title, role, lines): (_, _, Vec<String>)| {
            let lines: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).collect();
            (!lines.is_empty()).then_some((title, role, lines))
        };
        all.into_iter().filter_map(said).collect()
    }

    /// All that is said of it, in lines for so many columns, a blank one before each part.
    fn words(&self, wide: u16) -> Vec<Line> {
        let room = wide.saturating_sub(INDENT + 1);
        let mut words: Vec<Line> = Vec::new();
        for (title, role, lines) in self.parts() {
            // Commands belong to what they do.
            if !title.is_empty() && !words.is_empty() {
                words.push(Line { title: "", role, text: String::new() });
            }
            let begin = words.len();
            let lines = lines.iter().flat_map(|line| wrapped(line, room));
            words.extend(lines.map(|text| Line { title: "", role, text }));
            if let Some(first) = words.get_mut(begin) {
                first.title = title;
            }
        }
        words
    }

    /// Where the words and the curves stand: side by side, or one above the other. The curves keep a line each.
    fn layout(&self, (wide, high): (u16, u16)) -> (Rect, Rect) {
        let high = high.saturating_sub(HEAD);
        if wide >= WIDE {
            let half = wide / 2;
            return (Rect::new(0, HEAD, half, high), Rect::new(half + 1, HEAD, wide - half - 1, high));
        }
        let curves = match self.evidence.lines(self.target().as_ref()) {
            0 => 0,
            lines => (lines + 1).min(high / 2),
        };
        let words = (self.words(wide).len() as u16).min(high - curves);
        let below = (high - words).saturating_sub(1);
        (Rect::new(0, HEAD, wide, words), Rect::new(1, HEAD + words + 1, wide.saturating_sub(1), below))
    }

    /// Moves the words. Says whether it was such an action.
    fn scroll(&mut self, action: Action, shared: &Shared) -> bool {
        let (area, _) = self.layout(shared.body());
        let page = area.height;
        let most = (self.words(area.width).len() as u16).saturating_sub(page);
        let at = self.scrolled.min(most);
        let to = match action {
            Action::Down => at + 1,
            Action::Up => at.saturating_sub(1),
            Action::PageDown => at + page,
            Action::HalfDown => at + page / 2,
            Action::PageUp => at.saturating_sub(page),
            Action::HalfUp => at.saturating_sub(page / 2),
            Action::Top => 0,
            Action::Bottom => most,
            _ => return false,
        };
        self.scrolled = to.min(most);
        true
    }

    /// The words that have room, and which of them those are where there are more.
    fn draw_words(&self, pen: &mut Pen<'_>, area: Rect) {
        let words = self.words(area.width);
        let (all, room) = (words.len() as u16, area.height);
        let skip = self.scrolled.min(all.saturating_sub(room));
        for (y, line) in (area.y..area.bottom()).zip(words.iter().skip(usize::from(skip))) {
            pen.text(1, y, line.title, Role::PanelTitle);
            pen.text(INDENT, y, &line.text, line.role);
        }
        if all > room && room > 0 {
            pen.right(
                area.width.saturating_sub(1),
                HEAD - 1,
                &format!("{}–{} of {all}", skip + 1, skip + room),
                Role::Dim,
            );
        }
    }

    /// What it is about.
    fn target(&self) -> Option<Target> {
        let subject = self.text("incident.subject");
        match subject.split_once(' ') {
            Some(("job", job)) => Some(Target::Job(job.into())),
            Some((level, place)) if !level.contains(['/', ':']) => Some(Target::Place(level.into(), place.into())),
            _ if subject.is_empty() || subject == "fleet" => None,
            _ => match subject.split_once(['/', ':', ' ']) {
                Some((node, index)) if subject.contains(':') && !subject.contains('/') => {
                    Some(Target::Gpu(node.into(), index.into()))
                }
                Some((node, _)) => Some(Target::Node(node.into())),
                None => Some(Target::Node(subject.into())),
            },
        }
    }
}

impl Screen for Incident {
    fn crumb(&self) -> String {
        format!("incident {}", self.id)
    }

    fn asks(&self, shared: &Shared) -> Vec<Asked> {
        let text = format!("incidents where incident = {} show {KEYS} limit 1", quoted(&self.id));
        let more = self.evidence.asks(self.target().as_ref(), shared);
        std::iter::once(Asked::every(1, FACTS, text)).chain(more).collect()
    }

    fn heard(&mut self, part: u32, answer: Result<Answer, Complaint>, _: &Shared) -> Step {
        Step::when(match answer {
            Ok(answer) if part != FACTS => self.evidence.heard(part, answer),
            // Without its curves, it is said all the same.
            Err(_) if part != FACTS => false,
            Ok(Answer::Table(table)) => replace_table(&mut self.facts, table),
            Ok(Answer::Series(_)) => false,
            Err(complaint) => {
                let trouble = Some(complaint.message);
                std::mem::replace(&mut self.trouble, trouble.clone()) != trouble
            }
        })
    }

    fn act(&mut self, action: Action, shared: &Shared) -> Step {
        match action {
            Action::Open => match self.target() {
                Some(target) => Step::Open(super::of(target, &[], shared)),
                None => Step::Same,
            },
            // What else is wrong with what it is about.
            Action::Faults => match self.target() {
                Some(target) => super::troubles(target, shared),
                None => Step::Unhandled,
            },
            _ if self.scroll(action, shared) => Step::Changed,
            _ => Step::Unhandled,
        }
    }

    fn arrange(&mut self, _: &Shared) {}

    fn draw(&self, pen: &mut Pen<'_>, shared: &Shared) {
        if self.facts.as_ref().is_none_or(|table| table.rows.is_empty()) {
            let gone = if self.facts.is_some() { "there is no such incident any more" } else { "asking the hub …" };
            pen.text(1, 0, self.trouble.as_deref().unwrap_or(gone), Role::Dim);
            return;
        }
        self.headline(pen, shared);
        let (words, curves) = self.layout((pen.width(), pen.height()));
        self.draw_words(pen, words);
        let mut part = pen.part(curves.x, curves.y, curves.width, curves.height);
        self.evidence.draw(&mut part, self.target().as_ref(), shared);
    }

    fn hints(&self) -> &'static [Action] {
        &[
            Action::Open,
            Action::Back,
            Action::Acknowledge,
            Action::Copy,
            Action::ZoomIn,
            Action::ZoomOut,
            Action::Command,
            Action::NextView,
            Action::PageDown,
            Action::PageUp,
            Action::Help,
        ]
    }

    fn incident(&self) -> Option<&str> {
        Some(&self.id)
    }

    fn subject(&self) -> Option<String> {
        Some(self.text("incident.subject").to_owned()).filter(|subject| !subject.is_empty())
    }

    fn mark(&self) -> Option<String> {
        self.subject().map(|subject| mark::of_subject(&subject).to_owned())
    }

    fn lacks(&self, shared: &Shared) -> Option<&'static str> {
        let is_known = self.facts.as_ref().is_some_and(|table| !table.rows.is_empty());
        is_known.then(|| lack(shared))
    }

    fn copies(&self, _: &[&str], _: &Commands) -> Option<Result<String, String>> {
        pasted(self.text("incident.commands")).map(Ok)
    }
}

fn lines(commands: &str) -> impl Iterator<Item = &str> {
    commands.split("; ").filter(|line| !line.is_empty())
}

/// An incident's commands as they are copied; nothing where there are none.
pub(super) fn pasted(commands: &str) -> Option<String> {
    // What is pasted runs at once: only the first, after which the others may have to wait.
    let mut lines = lines(commands);
    let first = lines.next()?.to_owned();
    Some(lines.fold(first, |text, line| text + "\n# " + line))
}

/// Why an incident without a command has none.
pub(super) fn lack(shared: &Shared) -> &'static str {
    match shared.scheduler() {
        Some(_) => "it has no command",
        None => "no command without a scheduler; [commands] can give one",
    }
}

/// The text in lines of at most `room` cells, broken between words where that can be.
fn wrapped(text: &str, room: u16) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().map_or(0, |line| width(line));
        if line > 0 && line + 1 + width(word) > room {
            lines.push(String::new());
        } else if line > 0 {
            lines.iter_mut().next_back().into_iter().for_each(|line| line.push(' '));
        }
        let mut rest = word;
        while width(rest) > room && room > 0 {
            let cut: String = rest.chars().take(usize::from(room)).collect();
            rest = &rest[cut.len()..];
            lines.iter_mut().next_back().into_iter().for_each(|line| line.push_str(&cut));
            lines.push(String::new());
        }
        lines.iter_mut().next_back().into_iter().for_each(|line| line.push_str(rest));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_broken_between_words() {
        let check = |text, room, expected: &[&str]| assert_eq!(wrapped(text, room), expected, "{text}");
        check("drain the node", 20, &["drain the node"]);
        check("drain the node", 9, &["drain the", "node"]);
        check("a0123456789b", 5, &["a0123", "45678", "9b"]);
        check("", 5, &[""]);
        check("x", 0, &["x"]);
    }
}
