//! `supertop sim`: many simulated agents over real sockets, and how much they sent.

use std::{
    io::Write as _,
    net::{IpAddr, Ipv4Addr},
    process::ExitCode,
    sync::Arc,
    thread,
};

use anyhow::Result;
use tokio::{
    sync::watch,
    task::{LocalSet, spawn_blocking, spawn_local},
    time::{Duration, sleep},
};

use super::{Usage, allow_open_files, args::Sim as Args, block_on, scenario, stop_signal};
use crate::{
    agent::{
        Tally,
        session::{self, Pace},
        simulated::Simulated,
    },
    collect::sim::{Plan, Sim},
    hub::{pages, wall_clock},
    link::{self, Address},
};

/// How long a hub may take to hear all goodbyes: every link says one at the same time.
const GOODBYE: Duration = Duration::from_secs(10);
/// Addresses of this machine that links to a hub on it are dialled from.
const SOURCES: usize = 16;
/// Files that the process needs besides its connections.
const SPARE_FILES: u64 = 64;

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let hub = Address::parse(args.hub.as_deref().unwrap_or("127.0.0.1:7077")).map_err(|e| Usage(e.to_string()))?;
    let connections = connections(args)?;
    pages::allow_huge_for(args.nodes as usize);
    let faults = args.scenario.as_deref().map(scenario::read).transpose()?.unwrap_or_default();
    let plan = Plan {
        nodes: args.nodes,
        gpus: args.gpus,
        seed: args.seed,
        prefix: args.prefix.clone(),
        start: wall_clock(),
        interval: args.interval,
        restless: args.restless,
        faults,
    };
    let shares = Simulated::spread(&Arc::new(Sim::new(plan)), connections);
    block_on(async {
        let stop = match args.duration {
            Some(duration) => stop_after(duration, stop_signal()?),
            None => stop_signal()?,
        };
        // The first failure to connect is a person's mistake; later ones are the hub's, and are waited out.
        link::dial(&hub).await?;
        let tally = Arc::new(Tally::default());
        let threads: Vec<_> = deal(shares, thread::available_parallelism().map_or(1, usize::from))
            .into_iter()
            .map(|shares| {
                let (hub, stop, tally) = (hub.clone(), stop.clone(), tally.clone());
                spawn_blocking(move || block_on(report(shares, hub, stop, tally)))
            })
            .collect();
        for thread in threads {
            thread.await??;
        }
        writeln!(std::io::stdout(), "{tally}")?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The shares in as many hands as there are.
fn deal<T>(shares: Vec<T>, hands: usize) -> Vec<Vec<T>> {
    let mut dealt: Vec<_> = (0..hands.min(shares.len())).map(|_| Vec::new()).collect();
    for (share, hand) in shares.into_iter().zip((0..dealt.len()).cycle()) {
        dealt[hand].push(share);
    }
    dealt
}

/// Reports for each share over a connection of its own, all on this thread, until `stop` turns true.
async fn report(shares: Vec<Simulated>, hub: Address, stop: watch::Receiver<bool>, tally: Arc<Tally>) -> Result<()> {
    LocalSet::new()
        .run_until(async {
            let links: Vec<_> = shares
                .into_iter()
                .enumerate()
                .map(|(at, mut share)| {
                    let (hub, stop, tally) = (hub.clone(), stop.clone(), tally.clone());
                    let source = source(&hub, at);
                    spawn_local(async move {
                        let pace = Pace { tally: Some(&tally), goodbye: GOODBYE, ..Pace::new(&wall_clock, stop) };
                        session::keep(&mut share, async || link::dial_from(&hub, source).await, pace).await;
                    })
                })
                .collect();
            for link in links {
                link.await?;
            }
            Ok(())
        })
        .await
}

/// The address that a link is dialled from, where the hub is on this machine. One address has some 28,000 ports for links to
/// one hub, and the more of them are taken, the longer the system looks for another.
fn source(hub: &Address, link: usize) -> Option<IpAddr> {
    let Address::Host { host, .. } = hub else { return None };
    let is_here = host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback());
    // Other systems have 127.0.0.1 alone.
    (is_here && cfg!(target_os = "linux")).then(|| Ipv4Addr::new(127, 0, 0, 1 + (link % SOURCES) as u8).into())
}

/// How many connections to make: as many as open files allow.
fn connections(args: &Args) -> Result<usize> {
    let files = allow_open_files().saturating_sub(SPARE_FILES);
    let wanted = u64::from(args.connections.unwrap_or(args.nodes).min(args.nodes));
    if wanted <= files {
        return Ok(wanted as usize);
    }
    if args.connections.is_some() {
        return Err(Usage(format!(
            "{wanted} connections need as many open files, and the limit allows {files}: raise it with `ulimit -n` or ask for fewer"
        ))
        .into());
    }
    tracing::warn!("the limit on open files allows {files} connections for {wanted} nodes; raise it with `ulimit -n`");
    Ok(files as usize)
}

fn stop_after(duration: Duration, mut signal: watch::Receiver<bool>) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            () = sleep(duration) => {}
            _ = signal.changed() => {}
        }
        sender.send_replace(true);
        sender.closed().await;
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_a_hub_on_this_machine_come_from_several_of_its_addresses() {
        let from = |hub: &str, link| source(&Address::parse(hub).unwrap(), link).map(|ip| ip.to_string());
        assert_eq!(from("10.0.0.7", 1), None);
        assert_eq!(from("head.example:7077", 1), None);
        assert_eq!(from("/run/supertop.sock", 1), None);
        if cfg!(target_os = "linux") {
            assert_eq!(from("127.0.0.1:7077", 0).as_deref(), Some("127.0.0.1"));
            assert_eq!(from("127.0.0.1:7077", SOURCES + 3).as_deref(), Some("127.0.0.4"));
        }
    }
}
