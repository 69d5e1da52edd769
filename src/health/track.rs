//! One rule's life on each thing: from when its condition is first true, until it has been false for long enough.

use std::{collections::BTreeMap, time::Duration};

use crate::model::{
    incident::{Rule, Severity, Subject},
    time::Time,
};

/// How long what does not hold yet may be unknown before it is forgotten.
const PATIENCE: Duration = Duration::from_mins(1);

/// Something for which a rule has held for long enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) rule: String,
    /// What of the same rule is the same trouble.
    pub(super) kin: String,
    pub(super) severity: Severity,
    pub(super) subject: Subject,
    pub(super) since: Time,
    pub(super) seen: Time,
    pub(super) count: u32,
    pub(super) reason: String,
    pub(super) evidence: Vec<String>,
    pub(super) action: String,
    /// Names of commands.
    pub(super) commands: Vec<String>,
    pub(super) under: Vec<String>,
}

/// What was found for a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    /// Which thing.
    pub(super) subject: Subject,
    /// Why, in words.
    pub(super) reason: String,
    /// What to do.
    pub(super) action: String,
}

/// A thing for which the condition is or was true.
#[derive(Clone, Debug)]
struct Track {
    sight: Sight,
    since: Time,
    seen: Time,
    /// Since when it is false.
    well: Option<Time>,
    is_raised: bool,
}

/// The things of one rule.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracks {
    /// By their names.
    all: BTreeMap<String, Track>,
    /// How often one has become an incident, or has been one.
    turns: u64,
}

impl Tracks {
    /// Takes what was found at `now`: the things for which the condition is true.
    pub(super) fn found(
        &mut self,
        all: impl IntoIterator<Item = (String, Sight)>,
        rule: &Rule,
        hold: Duration,
        now: Time,
    ) {
        for (id, sight) in all {
            let track = self.all.entry(id).or_insert_with(|| Track {
                sight: sight.clone(),
                since: now,
                seen: now,
                well: None,
                is_raised: false,
            });
            (track.sight, track.seen, track.well) = (sight, now, None);
            let is_raised = now.since(track.since) >= hold && !rule.is_muted;
            self.turns += u64::from(is_raised && !track.is_raised);
            track.is_raised |= is_raised;
        }
    }

    /// A thing that had an incident when the hub before this one ended: it has it until it is known not to.
    pub(super) fn restore(&mut self, name: String, sight: Sight, since: Time, seen: Time) {
        self.turns += 1;
        self.all.insert(name, Track { sight, since, seen, well: None, is_raised: true });
    }

    /// The things for which the condition was not true at `now`, and whether they are incidents: of these it is to be
    /// asked whether it is false.
    pub(super) fn unseen(&self, now: Time) -> Vec<(String, Subject, bool)> {
        let unseen = self.all.iter().filter(|(_, track)| track.seen != now);
        unseen.map(|(name, track)| (name.clone(), track.sight.subject.clone(), track.is_raised)).collect()
    }

    /// Takes of which of the unseen ones the condition is known to be false; of the others nothing is known.
    pub(super) fn over(&mut self, is_over: impl Fn(&str) -> bool, rule: &Rule, now: Time) {
        let turns = &mut self.turns;
        self.all.retain(|id, track| {
            if track.seen == now {
                return true;
            }
            if !is_over(id) {
                track.well = None;
                return track.is_raised || now.since(track.seen) < PATIENCE;
            }
            let well = *track.well.get_or_insert(now);
            let stays = now.since(well) < if track.is_raised { rule.clear_hold } else { rule.gap };
            *turns += u64::from(track.is_raised && !stays);
            stays
        });
    }

    /// A number that is another one once something has become an incident, or is one no more.
    pub(super) fn turns(&self) -> u64 {
        self.turns
    }

    /// Those that have held for long enough.
    pub(super) fn findings<'a>(&'a self, rule: &'a Rule) -> impl Iterator<Item = Finding> + 'a {
        self.all.values().filter(|track| track.is_raised).map(|Track { sight, since, seen, .. }| Finding {
            rule: rule.id.clone(),
            kin: String::new(),
            severity: rule.severity,
            subject: sight.subject.clone(),
            since: *since,
            seen: *seen,
            count: 1,
            reason: sight.reason.clone(),
            evidence: Vec::new(),
            action: sight.action.clone(),
            commands: rule.commands.clone(),
            under: rule.under.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_millis(1_800_000_000_000 + seconds * 1000)
    }

    fn sight(reason: &str) -> Sight {
        let subject = Subject::Node { node: "gpu001".into() };
        Sight { subject, reason: reason.into(), action: "look".into() }
    }

    /// Plays one thing's condition, second by second, and says when it was an incident.
    fn play(rule: &Rule, conditions: &str) -> String {
        let mut tracks = Tracks::default();
        let (mut shown, mut turns) = (String::new(), 0);
        for (second, condition) in (0..).zip(conditions.chars()) {
            let now = at(second);
            let found = (condition == 't').then(|| ("gpu001".to_owned(), sight("hot")));
            tracks.found(found, rule, rule.hold, now);
            tracks.over(|_| condition == 'f', rule, now);
            let mark = if tracks.findings(rule).next().is_some() { '#' } else { '.' };
            let has_turned = tracks.turns() != std::mem::replace(&mut turns, tracks.turns());
            assert_eq!(has_turned, mark != shown.chars().last().unwrap_or('.'), "{conditions} at {second}");
            shown.push(mark);
        }
        shown
    }

    fn rule(hold: u64, clear_hold: u64) -> Rule {
        let (hold, clear_hold) = (Duration::from_secs(hold), Duration::from_secs(clear_hold));
        Rule { id: "hot".into(), hold, clear_hold, ..Rule::default() }
    }

    #[test]
    fn it_is_raised_after_it_held_and_cleared_after_it_was_well() {
        let check = |hold, clear, conditions, expected| assert_eq!(play(&rule(hold, clear), conditions), expected);
        check(0, 0, "fttff", ".##..");
        check(2, 0, "tttff", "..#..");
        check(2, 0, "ttfttt", ".....#");
        check(0, 2, "tfftfff", "######.");
        check(0, 0, "t???f", "####.");
        check(3, 0, "t??tt", "...##");
        check(0, 2, "tff?f", "#####");
        let bridged = Rule { gap: Duration::from_secs(2), ..rule(4, 0) };
        assert_eq!(play(&bridged, "tftftt"), "....##");
        assert_eq!(play(&bridged, "tffftt"), "......");
    }

    #[test]
    fn what_never_held_is_forgotten_when_nobody_knows() {
        let mut tracks = Tracks::default();
        let rule = rule(300, 0);
        tracks.found([("gpu001".to_owned(), sight("hot"))], &rule, rule.hold, at(0));
        tracks.over(|_| false, &rule, at(59));
        assert!(!tracks.all.is_empty());
        tracks.over(|_| false, &rule, at(60));
        assert!(tracks.all.is_empty());
    }

    #[test]
    fn a_muted_rule_raises_nothing() {
        let muted = Rule { is_muted: true, ..rule(0, 0) };
        assert_eq!(play(&muted, "ttt"), "...");
    }

    #[test]
    fn a_finding_says_what_was_seen_last() {
        let (mut tracks, rule) = (Tracks::default(), rule(0, 0));
        tracks.found([("gpu001".to_owned(), sight("at 90"))], &rule, rule.hold, at(0));
        tracks.found([("gpu001".to_owned(), sight("at 92"))], &rule, rule.hold, at(5));
        let found: Vec<_> = tracks.findings(&rule).map(|it| (it.reason, it.since, it.seen)).collect();
        assert_eq!(found, [("at 92".to_owned(), at(0), at(5))]);
    }
}
