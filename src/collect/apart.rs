//! Work that may never return, such as `statvfs` on a dead NFS server, on threads that can be left behind.
//! A thing is never tried again while its last try hangs, and the number of threads is bounded.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// Runs one function for many keys, each on a thread of its own.
pub(crate) struct Apart<K, V> {
    work: Arc<dyn Fn(&K) -> V + Send + Sync>,
    limit: usize,
    running: BTreeMap<K, Duration>,
    sender: Sender<(K, V)>,
    receiver: Receiver<(K, V)>,
}

impl<K: Ord + Clone + Send + 'static, V: Send + 'static> Apart<K, V> {
    /// Runs `work` on at most `limit` threads at a time, hung ones included.
    pub(crate) fn new(limit: usize, work: impl Fn(&K) -> V + Send + Sync + 'static) -> Self {
        let (sender, receiver) = channel();
        Apart { work: Arc::new(work), limit, running: BTreeMap::new(), sender, receiver }
    }

    /// Starts the work for `key` at `at`. Says whether it runs now: it does not when no thread is left for it.
    pub(crate) fn ask(&mut self, key: &K, at: Duration) -> bool {
        if self.running.contains_key(key) {
            return true;
        }
        if self.running.len() >= self.limit {
            return false;
        }
        let (work, sender, asked) = (self.work.clone(), self.sender.clone(), key.clone());
        let thread = thread::Builder::new().name("probe".into()).stack_size(256 * 1024).spawn(move || {
            let answer = work(&asked);
            // Nobody listens any more when the collector is gone; then nobody misses the answer.
            let _ = sender.send((asked, answer));
        });
        let started = thread.is_ok();
        if started {
            self.running.insert(key.clone(), at);
        }
        started
    }

    /// Since when the work for `key` has been running.
    pub(crate) fn running(&self, key: &K) -> Option<Duration> {
        self.running.get(key).copied()
    }

    /// How many threads are at work or hang.
    pub(crate) fn threads(&self) -> usize {
        self.running.len()
    }

    /// The answers that have come in. Waits for those that are missing, but no longer than `wait`.
    pub(crate) fn answers(&mut self, wait: Duration) -> Vec<(K, V)> {
        let until = Instant::now() + wait;
        let mut answers = Vec::new();
        while !self.running.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            let Ok((key, value)) = self.receiver.recv_timeout(left) else { break };
            self.running.remove(&key);
            answers.push((key, value));
        }
        answers
    }
}

impl<K: fmt::Debug, V> fmt::Debug for Apart<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apart").field("limit", &self.limit).field("running", &self.running).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_hung_one_is_not_tried_again_and_stops_no_other() {
        let (release, gate) = channel::<()>();
        let (gate, tries) = (Mutex::new(gate), Arc::new(Mutex::new(Vec::new())));
        let tried = tries.clone();
        let mut apart = Apart::new(2, move |key: &u32| {
            tried.lock().unwrap().push(*key);
            if *key == 1 {
                let _ = gate.lock().unwrap().recv();
            }
            key * 10
        });
        let (zero, long) = (Duration::ZERO, Duration::from_mins(1));
        assert!(apart.ask(&1, zero) && apart.ask(&2, zero));
        assert!(!apart.ask(&3, zero), "both threads are taken");
        // The first answer ends the wait for it; the hung one would make this wait for the whole minute.
        let mut answers = Vec::new();
        while answers.is_empty() {
            answers = apart.answers(Duration::from_millis(1));
        }
        assert_eq!(answers, [(2, 20)]);
        assert!(apart.ask(&1, Duration::from_secs(9)), "it runs, still");
        assert_eq!((apart.running(&1), apart.threads()), (Some(zero), 1));
        assert!(apart.ask(&3, zero));
        release.send(()).unwrap();
        let mut answers = apart.answers(long);
        answers.sort_unstable();
        assert_eq!(answers, [(1, 10), (3, 30)]);
        let mut tries = tries.lock().unwrap().clone();
        tries.sort_unstable();
        assert_eq!(tries, [1, 2, 3], "each was tried once");
    }
}
