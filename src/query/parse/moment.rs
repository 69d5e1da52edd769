//! Reads points in time: `2026-11-23T14:02:00Z`, `-20m`, `14:02`, `today`, `last`.

use crate::model::{
    question::Complaint,
    syntax::{Moment, Spot, parse_duration},
    text,
    time::Time,
};

use super::{Parser, complain};

impl Parser<'_> {
    /// A point in time.
    pub(super) fn moment(&mut self) -> Result<Moment, Complaint> {
        let (word, spot) = self.lexer.take_raw()?;
        read(&word).ok_or_else(|| expected(&word, spot))
    }
}

fn expected(word: &str, spot: Spot) -> Complaint {
    let found = if word.is_empty() { "the end".into() } else { format!("`{}`", text::clean(word, 40)) };
    complain(format!("expected a time such as -20m, 14:02, today or 2026-11-23T14:02:00Z, found {found}"), spot)
}

fn read(word: &str) -> Option<Moment> {
    if word.eq_ignore_ascii_case("today") {
        return Some(Moment::Today);
    }
    if word.eq_ignore_ascii_case("last") {
        return Some(Moment::Last);
    }
    if let Some(ago) = word.strip_prefix('-') {
        return parse_duration(ago).map(Moment::Ago);
    }
    if let Some(seconds) = clock(word) {
        return Some(Moment::Clock(seconds));
    }
    let stamp = word.parse::<jiff::Timestamp>().ok()?;
    Some(Moment::Absolute(Time::from_millis(stamp.as_millisecond())))
}

/// Seconds after midnight that `HH:MM` or `HH:MM:SS` says.
fn clock(word: &str) -> Option<u32> {
    let mut parts = word.split(':');
    let mut part = |below: u32| {
        let digits = parts.next()?;
        let number = digits.parse::<u32>().ok().filter(|n| *n < below)?;
        (digits.len() == 2 && !digits.starts_with('+')).then_some(number)
    };
    let (hours, minutes) = (part(24)?, part(60)?);
    let seconds = if word.len() > 5 { part(60)? } else { 0 };
    parts.next().is_none().then_some(hours * 3600 + minutes * 60 + seconds)
}
