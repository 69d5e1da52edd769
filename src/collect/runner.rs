//! Runs each collector on a thread of its own, so that one that hangs or panics costs its own metrics only.
//! A collector is asked again when it has answered, never before.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use thiserror::Error;

use crate::{
    collect::{Collector, Findings, clock::Clock},
    model::Time,
};

/// How long a tick waits for the collectors that it asked. What comes later is used at the next tick.
const BUDGET: Duration = Duration::from_millis(250);
/// How long a collector may be silent before its values are no longer believed.
const DEADLINE: Duration = Duration::from_secs(5);
/// The longest rest after a panic; the first one is a second, and each further one twice as long.
const LONGEST_REST: Duration = Duration::from_mins(5);

/// Why a collector has nothing to say.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Failure {
    /// It was asked and hangs, probably in a driver. Its thread cannot be stopped, and is waited for.
    #[error("has not answered since {since}")]
    Silent {
        /// When it was asked.
        since: Time,
    },
    /// It panicked; it is asked again after a while.
    #[error("panicked: {0}")]
    Panicked(String),
}

/// Runs the collectors. Its threads are named `collect/NAME`; a panic there is caught, but the process's panic hook
/// sees it first, so a hook that ends the screen should look at the thread's name.
#[derive(Debug)]
pub struct Runner {
    workers: Vec<Worker>,
    answers: Receiver<(usize, Result<Findings, Failure>)>,
    clock: Clock,
    budget: Duration,
}

#[derive(Debug)]
struct Worker {
    name: &'static str,
    asks: Sender<Time>,
    /// When it was asked what it has not answered yet, by both clocks.
    asked: Option<(Duration, Time)>,
    /// Whether its silence was told already.
    silent: bool,
    panics: u32,
    rests_until: Duration,
}

impl Runner {
    /// Starts a thread for each of these collectors. Fails when the system has no more threads.
    pub fn new(collectors: Vec<Box<dyn Collector>>) -> io::Result<Runner> {
        Runner::with(collectors, Clock::monotonic(), BUDGET)
    }

    fn with(collectors: Vec<Box<dyn Collector>>, clock: Clock, budget: Duration) -> io::Result<Runner> {
        let (sender, answers) = channel();
        let workers = collectors
            .into_iter()
            .enumerate()
            .map(|(at, collector)| Worker::start(at, collector, sender.clone()))
            .collect::<io::Result<_>>()?;
        Ok(Runner { workers, answers, clock, budget })
    }

    /// Asks every idle collector, and gives what has come in, with the collector's name. Blocks until all that were
    /// asked have answered, 250 ms at the most. A collector that passes its deadline fails once, and then is waited
    /// for: its next findings end the failure.
    pub fn tick(&mut self, now: Time) -> Vec<(&'static str, Result<Findings, Failure>)> {
        let at = self.clock.now();
        let mut outcomes = Vec::new();
        // Late answers first: whoever gave one is idle, and asked again in this tick.
        while let Ok((who, outcome)) = self.answers.try_recv() {
            outcomes.push(self.answered(who, outcome, at));
        }
        let mut pending = 0;
        for worker in &mut self.workers {
            pending += usize::from(worker.ask(now, at));
        }
        let until = Instant::now() + self.budget;
        while pending > 0 {
            let left = until.saturating_duration_since(Instant::now());
            let Ok((who, outcome)) = self.answers.recv_timeout(left) else { break };
            pending -= usize::from(self.workers[who].asked.is_some_and(|(asked, _)| asked == at));
            outcomes.push(self.answered(who, outcome, at));
        }
        for worker in &mut self.workers {
            outcomes.extend(worker.overdue(at).map(|failure| (worker.name, Err(failure))));
        }
        outcomes
    }

    fn answered(
        &mut self,
        who: usize,
        outcome: Result<Findings, Failure>,
        at: Duration,
    ) -> (&'static str, Result<Findings, Failure>) {
        let worker = &mut self.workers[who];
        worker.asked = None;
        worker.silent = false;
        if outcome.is_ok() {
            worker.panics = 0;
        } else {
            let rest = Duration::from_secs(1) * 2u32.saturating_pow(worker.panics);
            worker.rests_until = at + rest.min(LONGEST_REST);
            worker.panics += 1;
        }
        (worker.name, outcome)
    }
}

impl Worker {
    fn start(
        at: usize,
        mut collector: Box<dyn Collector>,
        answers: Sender<(usize, Result<Findings, Failure>)>,
    ) -> io::Result<Worker> {
        let name = collector.name();
        let (asks, asked) = channel();
        thread::Builder::new().name(format!("collect/{name}")).spawn(move || {
            while let Ok(now) = asked.recv() {
                // A collector that panicked may hold half-updated figures, but no broken memory. It is asked again,
                // and what it cannot mend shows as further panics.
                let outcome = catch_unwind(AssertUnwindSafe(|| collector.collect(now)))
                    .map_err(|panic| Failure::Panicked(words(&*panic)));
                if answers.send((at, outcome)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Worker { name, asks, asked: None, silent: false, panics: 0, rests_until: Duration::ZERO })
    }

    /// Asks it unless it is busy or rests. Says whether it was asked.
    fn ask(&mut self, now: Time, at: Duration) -> bool {
        let idle = self.asked.is_none() && at >= self.rests_until;
        if idle && self.asks.send(now).is_ok() {
            self.asked = Some((at, now));
            return true;
        }
        false
    }

    /// Its failure, once, when it has been silent for too long.
    fn overdue(&mut self, at: Duration) -> Option<Failure> {
        let (asked, since) = self.asked?;
        let overdue = !self.silent && at.saturating_sub(asked) >= DEADLINE;
        self.silent |= overdue;
        overdue.then_some(Failure::Silent { since })
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a word").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does what it is told through its channel: answers, or panics. It hangs while it is told nothing.
    struct Told(&'static str, Receiver<Tell>);

    enum Tell {
        Answer(&'static str),
        Panic,
    }

    impl Collector for Told {
        fn name(&self) -> &'static str {
            self.0
        }

        fn collect(&mut self, _: Time) -> Findings {
            match self.1.recv() {
                Ok(Tell::Answer(note)) => Findings { notes: Some(vec![note.into()]), ..Findings::default() },
                Ok(Tell::Panic) => panic!("divided by zero GPUs"),
                Err(_) => Findings::default(),
            }
        }
    }

    struct Bench {
        runner: Runner,
        hand: crate::collect::clock::Hand,
        tell: Vec<Sender<Tell>>,
    }

    fn bench(names: &[&'static str]) -> Bench {
        let (clock, hand) = Clock::by_hand();
        let (tell, told): (Vec<_>, Vec<_>) = names.iter().map(|_| channel()).unzip();
        let collectors = names.iter().zip(told).map(|(name, told)| Box::new(Told(name, told)) as _).collect();
        Bench { runner: Runner::with(collectors, clock, Duration::from_millis(5)).unwrap(), hand, tell }
    }

    impl Bench {
        /// Ticks until something comes.
        fn next(&mut self) -> Vec<(&'static str, Result<Findings, Failure>)> {
            loop {
                let outcomes = self.runner.tick(Time::from_millis(0));
                if !outcomes.is_empty() {
                    return outcomes;
                }
            }
        }

        fn notes(&mut self) -> Vec<(&'static str, String)> {
            let note = |f: Findings| f.notes.unwrap_or_default().concat();
            self.next()
                .into_iter()
                .map(|(name, outcome)| (name, outcome.map_or_else(|e| e.to_string(), note)))
                .collect()
        }
    }

    #[test]
    fn one_that_hangs_fails_once_and_stops_no_other() {
        let mut bench = bench(&["nvml", "host"]);
        for _ in 0..1000 {
            bench.tell[1].send(Tell::Answer("fine")).unwrap();
        }
        bench.runner.tick(Time::from_millis(0));
        // Only nvml hangs now, and only who was just asked is waited for.
        bench.runner.budget = Duration::from_mins(1);
        while bench.runner.workers[1].asked.is_some() {
            bench.runner.tick(Time::from_millis(0));
        }
        bench.hand.advance(DEADLINE);
        let silent = ("nvml", "has not answered since 1970-01-01T00:00:00.000Z".to_owned());
        let fine = ("host", "fine".to_owned());
        assert_eq!(bench.notes(), [fine.clone(), silent]);
        for _ in 0..3 {
            assert_eq!(bench.notes(), std::slice::from_ref(&fine), "nvml's failure was told once");
        }
    }

    #[test]
    fn late_findings_are_used_and_end_the_silence() {
        let mut bench = bench(&["nvml"]);
        assert!(bench.runner.tick(Time::from_millis(0)).is_empty(), "it hangs");
        bench.hand.advance(DEADLINE * 2);
        assert!(matches!(&bench.next()[..], [("nvml", Err(Failure::Silent { .. }))]));
        bench.tell[0].send(Tell::Answer("late")).unwrap();
        assert_eq!(bench.notes(), [("nvml", "late".to_owned())]);
        // Asked anew, it has its whole deadline again.
        assert!(bench.runner.tick(Time::from_millis(0)).is_empty());
        bench.hand.advance(DEADLINE);
        assert!(matches!(&bench.next()[..], [("nvml", Err(Failure::Silent { .. }))]));
    }

    #[test]
    fn one_that_panics_is_asked_again_after_a_rest() {
        let mut bench = bench(&["nvml"]);
        bench.tell[0].send(Tell::Panic).unwrap();
        assert_eq!(bench.notes(), [("nvml", "panicked: divided by zero GPUs".to_owned())]);
        bench.tell[0].send(Tell::Panic).unwrap();
        assert!(bench.runner.tick(Time::from_millis(0)).is_empty(), "it rests for a second");
        assert!(bench.runner.workers[0].asked.is_none());
        bench.hand.advance(Duration::from_secs(1));
        assert!(bench.notes()[0].1.starts_with("panicked"));
        bench.hand.advance(Duration::from_secs(1));
        assert!(bench.runner.tick(Time::from_millis(0)).is_empty(), "and for two seconds after the next");
        bench.hand.advance(Duration::from_secs(1));
        bench.tell[0].send(Tell::Answer("well")).unwrap();
        assert_eq!(bench.notes(), [("nvml", "well".to_owned())]);
    }
}
