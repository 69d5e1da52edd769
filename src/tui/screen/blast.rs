//! What broke first: one time axis for XIDs, ports, lost nodes, starts, drains and ends of jobs, in lanes by what it was,
//! by place, rail or NVLink domain.

mod lanes;

use std::cmp::Reverse;

use jiff::{Timestamp, tz::TimeZone};

use self::lanes::{By, Lane, Mark, What, lanes, of_drains, of_ends, of_events, of_lost};
use super::{Asked, Screen, Step};
use crate::{
    model::{
        question::{Answer, Complaint},
        time::Time,
        unit::grouped,
    },
    tui::{
        action::Action,
        draw::{Pen, cut_end, cut_middle, width},
        shared::Shared,
        theme::Role,
        verdict::Health,
        views::{Target, target},
    },
};

/// Its questions.
const EVENTS: u32 = 0;
const LOST: u32 = 1;
const DRAINS: u32 = 2;
const ENDS: u32 = 3;
const DOMAIN: u32 = 4;

/// The label of an NVLink domain, as agents have it.
const LABEL: &str = "domain";
/// Events, nodes and jobs of one answer at most.
const MOST: usize = 5000;
/// Cells of the lanes' names.
const NAME: u16 = 16;
/// Lines above the lanes, and below them.
const HEAD: u16 = 2;
const FOOT: u16 = 2;

/// The screen of what happened.
pub(crate) struct Blast {
    marks: [Vec<Mark>; 4],
    /// Of which there is more than came: how many came, and how many there are.
    cut: [Option<(i64, i64)>; 4],
    trouble: Option<String>,
    /// Whether nodes say which NVLink domain they are of.
    has_domains: bool,
    by: usize,
    lane: usize,
    /// The chosen mark of the chosen lane.
    at: usize,
    /// Whether drains and ends of jobs, which are no faults, are left out.
    only_faults: bool,
    /// The hub's time of the newest answer.
    now: Time,
}

impl Blast {
    /// The screen as it begins: by what happened.
    pub(crate) fn new(shared: &Shared) -> Blast {
        Blast {
            marks: Default::default(),
            cut: [None; 4],
            trouble: None,
            has_domains: false,
            by: 0,
            lane: 0,
            at: 0,
            only_faults: false,
            now: shared.now,
        }
    }

    fn ways(&self, shared: &Shared) -> Vec<By> {
        let places = shared.levels.iter().rev().map(|level| By::Place(level.clone()));
        let domain = self.has_domains.then(|| By::Place(LABEL.into()));
        std::iter::once(By::What).chain(places).chain([By::Rail]).chain(domain).collect()
    }

    fn by(&self, shared: &Shared) -> By {
        let mut ways = self.ways(shared);
        ways.swap_remove(self.by.min(ways.len() - 1))
    }

    fn places(&self, shared: &Shared) -> Vec<String> {
        let domain = self.has_domains.then(|| LABEL.to_owned());
        shared.levels.iter().cloned().chain(domain).collect()
    }

    /// Those of the span that is shown.
    fn shown(&self, shared: &Shared) -> Vec<Mark> {
        let (from, until) = (self.until(shared) - shared.span(), shared.then);
        let is_wanted = |mark: &Mark| !self.only_faults || mark.what.look().2 != Health::Fine;
        let is_shown =
            |mark: &&Mark| mark.time >= from && until.is_none_or(|until| mark.time <= until) && is_wanted(mark);
        self.marks.iter().flatten().filter(is_shown).cloned().collect()
    }

    /// The lane and the mark that are chosen, where they still are.
    fn chosen<'a>(&self, lanes: &'a [Lane<'a>]) -> Option<(usize, &'a Mark)> {
        let lane = self.lane.min(lanes.len().checked_sub(1)?);
        let marks = &lanes[lane].marks;
        Some((lane, marks.get(self.at.min(marks.len() - 1))?))
    }

    fn mark(&self, shared: &Shared) -> Option<Mark> {
        let marks = self.shown(shared);
        self.chosen(&lanes(&marks, &self.by(shared))).map(|(_, mark)| mark.clone())
    }

    /// Goes to the lane that is so many further, to the mark nearest in time.
    fn change_lane(&mut self, by: isize, shared: &Shared) {
        let marks = self.shown(shared);
        let lanes = lanes(&marks, &self.by(shared));
        let Some((lane, mark)) = self.chosen(&lanes) else { return };
        let to = lane.saturating_add_signed(by).min(lanes.len() - 1);
        let far = |other: &&Mark| other.time.as_millis().abs_diff(mark.time.as_millis());
        let nearest = lanes[to].marks.iter().enumerate().min_by_key(|(_, other)| far(other)).map_or(0, |(at, _)| at);
        (self.lane, self.at) = (to, nearest);
    }

    fn open(&self, shared: &Shared) -> Step {
        let Some(mark) = self.mark(shared) else { return Step::Same };
        let found = match mark.subject.strip_prefix("job ") {
            Some(job) => Some(Target::Job(job.into())),
            None => target("events", &mark.subject, &shared.levels),
        };
        found.map_or(Step::Same, |found| Step::Open(super::of(found, &[], shared)))
    }

    /// The column that a mark stands in.
    fn column(&self, mark: &Mark, wide: u16, shared: &Shared) -> u16 {
        let wide = wide.saturating_sub(NAME + 1);
        let (from, span) = (self.until(shared) - shared.span(), shared.span().as_secs_f64());
        let share = mark.time.seconds_after(from) / span;
        NAME + ((share * f64::from(wide)) as u16).min(wide.saturating_sub(1))
    }

    /// The time that it ends at: the one that screens are about, or else the newest answer's.
    fn until(&self, shared: &Shared) -> Time {
        shared.then.unwrap_or(self.now)
    }

    /// Of what not all is here, in words; empty where nothing is missing.
    fn lacking(&self) -> String {
        let words =
            [("the newest ", "events"), ("", "lost nodes"), ("", "drained nodes"), ("the newest ", "ended jobs")];
        let parts = self.cut.iter().zip(words).filter_map(|(cut, (which, what))| {
            cut.map(|(here, all)| format!("{which}{} of {} {what}", grouped(here), grouped(all)))
        });
        parts.collect::<Vec<_>>().join(" · ")
    }

    fn draw_axis(&self, pen: &mut Pen<'_>, shared: &Shared) {
        let wide = pen.width().saturating_sub(NAME + 1);
        let clock = |time: Time| clock(time, &shared.zone);
        let (until, span) = (self.until(shared), shared.span());
        let from = until - span;
        let labels = 1 + wide / 24;
        let line = "─".repeat(usize::from(wide));
        pen.text(NAME, 1, &line, Role::PanelLine);
        for n in 0..labels {
            let time = clock(from + span * u32::from(n) / u32::from(labels));
            pen.text(NAME + wide * n / labels, 1, &format!("{time} "), Role::GraphAxis);
        }
        pen.right(pen.width().saturating_sub(1), 1, &format!(" {}", clock(until)), Role::GraphAxis);
    }

    fn draw_lane(&self, pen: &mut Pen<'_>, y: u16, lane: &Lane<'_>, chosen: Option<&Mark>, shared: &Shared) {
        let wide = pen.width();
        let place = |mark: &Mark| self.column(mark, wide, shared);
        let role = if chosen.is_some() { Role::Strong } else { Role::Table };
        pen.text(1, y, &cut_middle(&lane.name, NAME - 7), role);
        pen.right(NAME - 1, y, &grouped(lane.marks.len() as i64), Role::Dim);
        // Of several at one place the worst is seen.
        let mut worst: Vec<(u16, What)> = lane.marks.iter().map(|mark| (place(mark), mark.what)).collect();
        worst.sort_unstable();
        for (x, what) in worst {
            let (letter, _, health) = what.look();
            let role = if health == Health::Fine { Role::Accent } else { health.role() };
            pen.text(x, y, letter, role);
        }
        if let Some(mark) = chosen {
            pen.wash(place(mark), y, 1, 1, Role::GridCursor);
        }
    }
}

/// Lanes that are scrolled away, where so many have room.
fn skipped(chosen: usize, room: usize) -> usize {
    (chosen + 1).saturating_sub(room)
}

fn clock(time: Time, zone: &TimeZone) -> String {
    let time = Timestamp::from_millisecond(time.as_millis()).unwrap_or_default();
    time.to_zoned_datetime(zone.clone()).strftime("%H:%M:%S").to_string()
}

impl Screen for Blast {
    fn crumb(&self) -> String {
        "blast".into()
    }

    fn asks(&self, shared: &Shared) -> Vec<Asked> {
        let span = shared.span().as_secs();
        let since = match shared.then {
            Some(then) => format!("{}", then - shared.span()),
            None => format!("-{span}s"),
        };
        // To the minute, so that it is not another question each second.
        let ago = shared.then.map_or(0, |then| (shared.now.since(then).as_secs() / 60 + 1) * 60);
        let ended = span + ago;
        let places = self.places(shared);
        let also: String = places.iter().flat_map(|place| [",", place]).collect();
        let events = format!("event.time,event.kind,event.subject,event.text{also}");
        let asks = vec![
            Asked::every(2, EVENTS, format!("events sort -event.time show {events} limit {MOST} since {since}")),
            Asked::every(5, LOST, format!("nodes where state != up show node.age{also} limit {MOST} at last")),
            Asked::every(
                15,
                DRAINS,
                format!("nodes where bench != none show sched.since,sched,sched.reason{also} limit {MOST}"),
            ),
            Asked::every(
                15,
                ENDS,
                format!(
                    "jobs where job.phase = ended and job.ended < {ended} sort job.ended \
                     show job.ended,job.state,job.user{also} limit {MOST}"
                ),
            ),
            Asked::every(60, DOMAIN, format!("nodes show {LABEL} limit 1")),
        ];
        // Each says when it happened; what is still so began at one time, too.
        asks.into_iter().map(Asked::dated).collect()
    }

    fn heard(&mut self, part: u32, answer: Result<Answer, Complaint>, shared: &Shared) -> Step {
        let places = self.places(shared);
        let table = match answer {
            Ok(Answer::Table(table)) => table,
            Err(complaint) if part == EVENTS => {
                let trouble = Some(complaint.message);
                return Step::when(std::mem::replace(&mut self.trouble, trouble.clone()) != trouble);
            }
            // Without a scheduler nobody drains, and a site need have no domains.
            Ok(Answer::Series(_)) | Err(_) => return Step::Same,
        };
        if part == DOMAIN {
            return Step::when(!std::mem::replace(&mut self.has_domains, true));
        }
        self.now = table.time;
        let marks = match part {
            EVENTS => of_events(&table, &places),
            LOST => of_lost(&table, &places),
            DRAINS => of_drains(&table, &places),
            _ => of_ends(&table, &places),
        };
        let (here, all) = (table.rows.len() as i64, table.total as i64);
        let cut = (here < all).then_some((here, all));
        let (old, old_cut) = (&mut self.marks[part as usize], &mut self.cut[part as usize]);
        let is_other = std::mem::replace(old, marks.clone()) != marks;
        Step::when(std::mem::replace(old_cut, cut) != cut || is_other)
    }

    fn act(&mut self, action: Action, shared: &Shared) -> Step {
        let ways = self.ways(shared).len();
        match action {
            Action::Up => self.change_lane(-1, shared),
            Action::Down => self.change_lane(1, shared),
            Action::Left => self.at = self.at.saturating_sub(1),
            Action::Right => {
                let marks = self.shown(shared);
                let lanes = lanes(&marks, &self.by(shared));
                let last = self.chosen(&lanes).map_or(0, |(lane, _)| lanes[lane].marks.len() - 1);
                self.at = (self.at + 1).min(last);
            }
            Action::Top => (self.lane, self.at) = (0, 0),
            Action::Bottom => (self.lane, self.at) = (usize::MAX, 0),
            Action::Metric => (self.by, self.lane, self.at) = ((self.by + 1) % ways, 0, 0),
            Action::MetricBack => (self.by, self.lane, self.at) = ((self.by + ways - 1) % ways, 0, 0),
            Action::Open => return self.open(shared),
            Action::Faults => (self.only_faults, self.lane, self.at) = (!self.only_faults, 0, 0),
            _ => return Step::Unhandled,
        }
        Step::Changed
    }

    fn click(&mut self, (x, y): (u16, u16), shared: &Shared) -> Step {
        let marks = self.shown(shared);
        let lanes = lanes(&marks, &self.by(shared));
        let Some((chosen, mark)) = self.chosen(&lanes) else { return Step::Same };
        let (wide, high) = shared.body();
        let room = usize::from(high.saturating_sub(HEAD + FOOT));
        let line = y.checked_sub(HEAD).map(usize::from).filter(|line| *line < room);
        let to = line.map(|line| skipped(chosen, room) + line);
        let Some((to, lane)) = to.and_then(|to| Some((to, lanes.get(to)?))) else { return Step::Same };
        // The name of a lane stands for what is nearest in it to what was chosen; of several in one place, for the worst.
        let x = if x < NAME { self.column(mark, wide, shared) } else { x };
        let far = |mark: &Mark| (self.column(mark, wide, shared).abs_diff(x), Reverse(mark.what));
        let nearest = lane.marks.iter().enumerate().min_by_key(|(_, mark)| far(mark));
        let Some((at, nearest)) = nearest else { return Step::Same };
        let again = (to, *nearest) == (chosen, mark);
        (self.lane, self.at) = (to, at);
        if again { self.open(shared) } else { Step::Changed }
    }

    fn arrange(&mut self, _: &Shared) {}

    fn draw(&self, pen: &mut Pen<'_>, shared: &Shared) {
        let marks = self.shown(shared);
        let by = self.by(shared);
        let lanes = lanes(&marks, &by);
        let (wide, high) = (pen.width(), pen.height());
        let mut x = pen.text(1, 0, "WHAT HAPPENED", Role::PanelTitle);
        let words = format!("· {} in {} · by {}", grouped(marks.len() as i64), shared.span_words(), by.word());
        x = pen.text(x + 1, 0, &cut_end(&words, wide.saturating_sub(x + 2)), Role::Dim) + 2;
        if self.only_faults {
            x = pen.text(x - 1, 0, &cut_end("▲ faults only", wide.saturating_sub(x)), Role::Warn) + 2;
        }
        for what in What::ALL {
            let (letter, word, health) = what.look();
            if x + width(word) + 4 < wide {
                x = pen.text(x, 0, letter, if health == Health::Fine { Role::Accent } else { health.role() });
                x = pen.text(x + 1, 0, word, Role::Dim) + 2;
            }
        }
        if let Some(trouble) = &self.trouble {
            pen.text(1, 2, &cut_end(trouble, wide.saturating_sub(2)), Role::Crit);
            return;
        }
        self.draw_axis(pen, shared);
        let lacking = self.lacking();
        if !lacking.is_empty() && high > HEAD + FOOT {
            let words = format!("▲ {lacking}: what broke first may be missing");
            pen.text(1, high - FOOT, &cut_end(&words, wide.saturating_sub(2)), Role::Warn);
        }
        let Some((chosen, mark)) = self.chosen(&lanes) else {
            pen.text(1, 3, "● nothing happened", Role::Fine);
            return;
        };
        let room = usize::from(high.saturating_sub(HEAD + FOOT));
        let skip = skipped(chosen, room);
        for (y, (at, lane)) in (HEAD..).zip(lanes.iter().enumerate().skip(skip).take(room)) {
            self.draw_lane(pen, y, lane, (at == chosen).then_some(mark), shared);
        }
        if high > HEAD + FOOT {
            let (_, word, health) = mark.what.look();
            let mut x = pen.text(1, high - 1, &clock(mark.time, &shared.zone), Role::Dim);
            x = pen.text(x + 2, high - 1, &mark.subject, Role::Strong);
            x = pen.text(x + 2, high - 1, word, health.role());
            pen.text(x + 2, high - 1, &cut_end(&mark.words, wide.saturating_sub(x + 3)), Role::Table);
        }
    }

    fn hints(&self) -> &'static [Action] {
        &[
            Action::Open,
            Action::Back,
            Action::Right,
            Action::Metric,
            Action::Faults,
            Action::ZoomIn,
            Action::ZoomOut,
            Action::Command,
            Action::Help,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_in_the_zone_of_whoever_looks() {
        assert_eq!(clock(Time::from_millis(3_661_000), &TimeZone::UTC), "01:01:01");
    }
}
