//! Another time than now: how people write it, and how screens ask about it.

use jiff::{Timestamp, civil, tz::TimeZone};

use crate::{
    model::time::{Time, span},
    tui::{ask::Ask, views},
};

/// What is meant by words after `when`: so long ago, a time of day, or a whole time; nothing for now.
///
/// # Errors
/// What was expected, in a line.
pub(crate) fn moment(words: &str, now: Time, zone: &TimeZone) -> Result<Option<Time>, String> {
    let expected = || format!("`{words}` is no time: -20m, 14:02, 2026-11-23T14:02:00Z and now are");
    if ["", "now"].contains(&words) {
        return Ok(None);
    }
    if let Some(ago) = words.strip_prefix('-') {
        return span(ago).map(|ago| Some(now - ago)).map_err(|_| expected());
    }
    if let Ok(time) = words.parse::<Timestamp>() {
        return Ok(Some(Time::from_millis(time.as_millisecond())));
    }
    let time: civil::Time = words.parse().map_err(|_| expected())?;
    let here = Timestamp::from_millisecond(now.as_millis()).map_err(|_| expected())?.to_zoned_datetime(zone.clone());
    // One that is still to come today was yesterday's.
    let day = if time > here.time() { here.date().yesterday() } else { Ok(here.date()) };
    let then = day.and_then(|day| day.to_datetime(time).to_zoned_datetime(zone.clone())).map_err(|_| expected())?;
    Ok(Some(Time::from_millis(then.timestamp().as_millisecond())))
}

/// The question about another time. One that says itself which time it is about stays as it is.
pub(crate) fn at(text: &str, then: Time) -> String {
    let plain = text.strip_suffix(" at last").unwrap_or(text);
    if Ask::parse(plain).when.is_empty() { format!("{plain} at {then}") } else { plain.to_owned() }
}

/// Whether the hub keeps the past of a view: of nodes, GPUs, places and jobs, and of what says itself when it was.
pub(crate) fn is_kept(view: &str, levels: &[String]) -> bool {
    ["nodes", "gpus", "jobs", "fleet", "events", "incidents"].contains(&view) || views::level_of(view, levels).is_some()
}

/// Whether the question can be asked about another time; values along time can, whatever they are of.
pub(crate) fn can_ask(text: &str, levels: &[String]) -> bool {
    is_kept(text.split(' ').next().unwrap_or_default(), levels) || text.contains(" over ")
}

/// What is said instead of what the hub does not know any more.
pub(crate) fn gone(view: &str) -> String {
    format!("the hub keeps no past of {view}; :when now goes on")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23T14:04:31Z
    const NOW: Time = Time::from_millis(1_795_442_671_000);

    #[test]
    fn moments_are_read() {
        let berlin = TimeZone::fixed(jiff::tz::offset(1));
        let check = |words: &str, seconds: Option<i64>| {
            let ago = moment(words, NOW, &berlin).expect(words).map(|then| (NOW.as_millis() - then.as_millis()) / 1000);
            assert_eq!(ago, seconds, "{words}");
        };
        check("now", None);
        check("", None);
        check("-20m", Some(1200));
        check("15:04", Some(31));
        check("15:00:31", Some(240));
        check("15:05", Some(24 * 3600 - 29));
        check("2026-11-23T14:00:31Z", Some(240));
        for wrong in ["-20", "25:00", "yesterday"] {
            assert!(moment(wrong, NOW, &berlin).is_err_and(|it| it.contains(wrong)), "{wrong}");
        }
    }

    #[test]
    fn the_past_of_some_is_not_kept() {
        let levels = ["rack".to_owned()];
        let check = |text, expected| assert_eq!(can_ask(text, &levels), expected, "{text}");
        check("gpus where temp > 80", true);
        check("racks show node.cpu", true);
        check("incidents limit 5", true);
        check("jobs where job = '7' show job.nodes limit 1", true);
        check("users limit 5", false);
        check("jobs where job = '7' show gpu.util over 5m step 10s", true);
        check("processes limit 5 at last", false);
    }

    #[test]
    fn questions_are_asked_about_then() {
        let check = |text, expected: &str| assert_eq!(at(text, NOW), expected);
        check("gpus sort -power limit 9", "gpus sort -power limit 9 at 2026-11-23T14:04:31.000Z");
        check("gpus show * at last", "gpus show * at 2026-11-23T14:04:31.000Z");
        check("fleet show util over 5m step 30s", "fleet show util over 5m step 30s at 2026-11-23T14:04:31.000Z");
        check("events since -90s", "events since -90s");
    }
}
