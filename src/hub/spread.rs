//! Work that goes over all nodes, in small parts that are spread over time. In one go, samples that come meanwhile would
//! wait in line, and for long after.

use std::time::Duration;

use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};

/// How long the work may take in all: less than the second after which it may begin again.
const MOST: Duration = Duration::from_millis(700);
/// Of a smaller fleet, how long for so many nodes.
const REST: Duration = Duration::from_millis(3);
const NODES: usize = 256;
/// How many turns others have after a part that was late: in each, a few dozen connections of agents are read.
const TURNS: usize = 4;

/// When each part is due.
#[derive(Debug)]
pub(super) struct Spread {
    began: Instant,
    span: Duration,
    nodes: usize,
}

impl Spread {
    /// Over so many nodes, from now on.
    pub(super) fn over(nodes: usize) -> Spread {
        let parts = u32::try_from(nodes / NODES).unwrap_or(u32::MAX);
        Spread { began: Instant::now(), span: REST.saturating_mul(parts).min(MOST), nodes }
    }

    /// Nobody waits for it to end, and it waits for nobody.
    pub(super) fn none() -> Spread {
        Spread { began: Instant::now(), span: Duration::ZERO, nodes: 0 }
    }

    /// Waits until it is time to go on, with so many nodes done. Who is late only lets others have their turns.
    pub(super) async fn rest(&self, done: usize) {
        let due = self.began + self.span.mul_f64(done as f64 / self.nodes.max(1) as f64);
        if due > Instant::now() {
            sleep_until(due).await;
        } else {
            for _ in 0..TURNS {
                yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn however_large_the_fleet_the_work_is_done_within_its_second() {
        for (nodes, expected) in [(64, 0), (1024, 12), (62_500, 700), (250_000, 700)] {
            let (began, spread) = (Instant::now(), Spread::over(nodes));
            let mut done = 0;
            while done < nodes {
                done += NODES.min(nodes - done);
                spread.rest(done).await;
            }
            let took = began.elapsed().as_millis();
            assert!((expected..=expected + 1).contains(&took), "{nodes} nodes: {took} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_late_makes_up_for_it() {
        let spread = Spread::over(62_500);
        spread.rest(1000).await;
        tokio::time::advance(MOST / 2).await;
        let late = Instant::now();
        spread.rest(20_000).await;
        assert_eq!(late.elapsed(), Duration::ZERO);
        spread.rest(62_500).await;
        assert!(spread.began.elapsed() <= MOST + Duration::from_millis(1));
        let none = Spread::none();
        none.rest(1 << 20).await;
        assert_eq!(none.began.elapsed(), Duration::ZERO);
    }
}
