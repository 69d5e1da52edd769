//! What all screens look at and none of them owns: time, size, theme, marks, and how the fleet and the link are.

use std::{collections::BTreeSet, time::Duration};

use jiff::tz::TimeZone;

use crate::{
    model::{
        Time,
        question::Link,
        series::Series,
        state::{Census, Scheduler},
        table::Table,
        time::span,
    },
    tui::{
        draw::{Look, cell::Reading},
        habits::Habits,
        keymap::Keys,
    },
};

/// Spans of time that graphs can show, with the step in which each is asked for.
const SPANS: [(&str, &str, &str); 8] = [
    ("1m", "1s", "1 min"),
    ("2m", "1s", "2 min"),
    ("5m", "2s", "5 min"),
    ("10m", "5s", "10 min"),
    ("30m", "15s", "30 min"),
    ("1h", "30s", "1 h"),
    ("6h", "3m", "6 h"),
    ("24h", "10m", "24 h"),
];

/// The span that graphs grow to by themselves, among [`SPANS`].
const USUAL: usize = 3;

/// The fleet's totals, as the second line shows them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    /// The row of the view `fleet`.
    pub(crate) fleet: Option<Table>,
    /// Utilisation along time.
    pub(crate) trend: Option<Series>,
    /// Nodes that were up, and those that were not, at the time that screens are about where it is not now.
    pub(crate) was: Option<(u64, u64)>,
    /// GPUs that do nothing.
    pub(crate) idle: Option<u64>,
}

/// What all screens share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    /// Now, by this machine's clock.
    pub(crate) now: Time,
    /// Columns and lines of the terminal.
    pub(crate) size: (u16, u16),
    /// Theme and characters.
    pub(crate) look: Look,
    /// What is wanted of each table.
    pub(crate) habits: Habits,
    /// The keys of each action.
    pub(crate) keys: Keys,
    /// The zone that times are shown in.
    pub(crate) zone: TimeZone,
    /// Place levels, widest first.
    pub(crate) levels: Vec<String>,
    /// How many nodes are in which state, once known.
    pub(crate) census: Option<Census>,
    /// The totals.
    pub(crate) totals: Totals,
    /// Names of the marked rows of any view.
    pub(crate) marks: BTreeSet<String>,
    /// How the link to the hub is, and since when.
    pub(crate) link: (Link, Time),
    /// When the last answer came.
    pub(crate) heard: Option<Time>,
    /// The time that screens are about, where it is not now.
    pub(crate) then: Option<Time>,
    /// Since when the screen is held still.
    pub(crate) frozen: Option<Time>,
    span: usize,
    /// Whether the span follows how far the hub's memory goes back.
    follows: bool,
}

impl Shared {
    /// The beginning: nothing known, the link not there yet.
    pub(crate) fn new(now: Time, size: (u16, u16), look: Look, zone: TimeZone, levels: Vec<String>) -> Self {
        Shared {
            now,
            size,
            look,
            habits: Habits::default(),
            keys: Keys::default(),
            zone,
            levels,
            census: None,
            totals: Totals::default(),
            marks: BTreeSet::new(),
            link: (Link::Connecting, now),
            heard: None,
            then: None,
            frozen: None,
            span: 1,
            follows: true,
        }
    }

    /// Columns and lines between header and footer.
    pub(crate) fn body(&self) -> (u16, u16) {
        (self.size.0, self.size.1.saturating_sub(3))
    }

    /// What reading cells takes.
    pub(crate) fn reading(&self) -> Reading {
        Reading { now: self.now, zone: self.zone.clone() }
    }

    /// The span of time that graphs show.
    pub(crate) fn span(&self) -> Duration {
        // A test reads all of them.
        span(SPANS[self.span].0).unwrap_or_default()
    }

    /// The clause that asks for values along time.
    pub(crate) fn over(&self) -> String {
        let (span, step, _) = SPANS[self.span];
        format!("over {span} step {step}")
    }

    /// The span of time that graphs show, in words.
    pub(crate) fn span_words(&self) -> &'static str {
        SPANS[self.span].2
    }

    /// How often values along time are asked for: no more often than they can have changed.
    pub(crate) fn pace(&self) -> Duration {
        Duration::from_secs([1, 1, 2, 5, 15, 30, 60, 60][self.span])
    }

    /// Shows more time as soon as there is more to show, up to [`USUAL`], until somebody chooses. Says whether it did.
    pub(crate) fn follow(&mut self, series: &Series) -> bool {
        let known = |values: &[Option<f64>]| values.iter().take(values.len() / 8 + 1).any(Option::is_some);
        let grow = self.follows && self.span < USUAL && series.lines.iter().any(|line| known(&line.values));
        self.span += usize::from(grow);
        grow
    }

    /// Shows more time, or less. Says whether that was possible.
    pub(crate) fn zoom(&mut self, out: bool) -> bool {
        self.follows = false;
        let next = if out { (self.span + 1).min(SPANS.len() - 1) } else { self.span.saturating_sub(1) };
        std::mem::replace(&mut self.span, next) != next
    }

    /// The scheduler that the hub asks, if it does.
    pub(crate) fn scheduler(&self) -> Option<&Scheduler> {
        self.census.as_ref()?.scheduler.as_ref()
    }

    /// Whether it is known that no node has a GPU.
    pub(crate) fn no_gpus(&self) -> bool {
        self.census.as_ref().is_some_and(|census| census.gpus == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_grow() {
        let spans: Vec<Duration> = SPANS.iter().map(|(text, ..)| span(text).expect(text)).collect();
        assert!(spans.windows(2).all(|two| two[0] < two[1]), "{spans:?}");
    }
}
