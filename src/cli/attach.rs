//! Finds whom to ask: the hub that was named, or this machine's, or else an agent and a hub inside this process.

use std::{path::PathBuf, thread, time::Duration};

use anyhow::{Result, bail};
use tokio::sync::{mpsc, watch};

use super::{Usage, config, runtime};
use crate::{
    agent::{
        live::{Live, Settings},
        session::{self, Pace},
    },
    hub::{self, Doors, Hub, wall_clock},
    link::{self, Address, DialError, Stream},
};

/// How a viewer reaches its hub.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// At an address.
    Hub(Address),
    /// Inside this process.
    Inside(Inside),
}

impl Target {
    /// A new stream to the hub.
    pub(super) async fn dial(&self) -> Result<Stream, DialError> {
        match self {
            Target::Hub(address) => link::dial(address).await,
            Target::Inside(inside) => Ok(inside.dial()),
        }
    }
}

/// The hub to ask: the one that was named, or one of this machine's sockets that somebody serves.
///
/// A socket that exists and cannot be opened is an error, never a silent fall-back to watching this machine alone.
pub(super) async fn find(named: Option<&str>) -> Result<Option<Address>> {
    if let Some(named) = named {
        return Ok(Some(Address::parse(named).map_err(|e| Usage(e.to_string()))?));
    }
    for path in link::local_sockets() {
        let address = Address::Path(path);
        match link::dial(&address).await {
            Ok(_) => return Ok(Some(address)),
            Err(DialError::NotThere(_) | DialError::LeftOver(_)) => {}
            Err(error) => bail!("a hub serves this machine, but: {error}"),
        }
    }
    Ok(None)
}

/// A hub inside this process.
#[derive(Clone, Debug)]
pub(super) struct Inside {
    streams: mpsc::UnboundedSender<Stream>,
}

impl Inside {
    /// Starts a hub on a thread of its own. It ends with the process.
    pub(super) fn start(settings: hub::Settings) -> Result<Inside> {
        let (streams, local) = mpsc::unbounded_channel();
        let runtime = runtime()?;
        thread::Builder::new().name("hub".into()).spawn(move || {
            // Without a state folder there is nothing that opening could fail on.
            if let Ok(hub) = Hub::open(settings) {
                let (_stop, stopped) = watch::channel(false);
                let doors = Doors { listeners: Vec::new(), local: Some(local) };
                runtime.block_on(hub.serve(doors, stopped));
            }
        })?;
        Ok(Inside { streams })
    }

    /// A stream to the hub.
    pub(super) fn dial(&self) -> Stream {
        let (near, far) = link::memory();
        // A hub that is gone has dropped its end: the near end then reads as closed, as after any other loss.
        let _ = self.streams.send(far);
        near
    }

    /// Starts an agent for this machine on a thread of its own.
    pub(super) fn watch_this_machine(&self, settings: Settings, processes_every: Duration) -> Result<()> {
        let (inside, runtime) = (self.clone(), runtime()?);
        let mut live = Live::new(settings, wall_clock())?;
        thread::Builder::new().name("agent".into()).spawn(move || {
            let (_stop, stop) = watch::channel(false);
            let pace = Pace { processes_every, ..Pace::new(&wall_clock, stop) };
            runtime.block_on(session::keep(&mut live, async || Ok(inside.dial()), pace));
        })?;
        Ok(())
    }

    /// Starts a simulated cluster on a thread of its own.
    #[cfg(feature = "tui")]
    pub(super) fn simulate(&self, mut nodes: crate::agent::simulated::Simulated) -> Result<()> {
        let (inside, runtime) = (self.clone(), runtime()?);
        thread::Builder::new().name("sim".into()).spawn(move || {
            let (_stop, stop) = watch::channel(false);
            let pace = Pace::new(&wall_clock, stop);
            runtime.block_on(session::keep(&mut nodes, async || Ok(inside.dial()), pace));
        })?;
        Ok(())
    }
}

/// What watching this machine takes, by configuration.
pub(super) fn this_machine(config: &config::Config, nvml_library: Option<PathBuf>) -> Result<Settings> {
    super::agent::settings(None, None, &[], config, nvml_library)
}
