//! Whose turn it is to report, of the nodes that share a link.

use std::{ops::Range, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::channel::Channel;

/// Whose turn it is: every node once per interval, at its phase.
pub(super) struct Rounds {
    pub(super) order: Vec<usize>,
    interval: Duration,
    began: Instant,
    at: usize,
}

impl Rounds {
    pub(super) fn new(channels: &[Channel], interval: Duration) -> Rounds {
        let mut order: Vec<usize> = (0..channels.len()).collect();
        order.sort_by_key(|node| channels[*node].phase);
        Rounds { order, interval, began: Instant::now(), at: 0 }
    }

    /// Waits for the next turn and says whose it is, as places in the order: of all nodes of that phase. Rounds that
    /// were slept through are left out.
    pub(super) async fn next(&mut self, channels: &[Channel]) -> Range<usize> {
        if self.at == self.order.len() {
            self.at = 0;
            self.began += self.interval;
            while self.began + self.interval < Instant::now() {
                self.began += self.interval;
            }
        }
        let first = self.at;
        let Some(node) = self.order.get(first) else {
            return std::future::pending().await;
        };
        let phase = channels[*node].phase;
        sleep_until(self.began + phase).await;
        self.at += self.order[first..].iter().take_while(|node| channels[**node].phase == phase).count();
        first..self.at
    }
}
