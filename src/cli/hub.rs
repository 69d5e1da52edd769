//! `supertop hub`: opens the doors, says that it is ready, serves until it is told to stop.

use std::{fmt::Display, io::Write as _, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Result;

use super::{
    Usage, allow_open_files,
    args::{self, Hub as Args},
    block_on,
    config::{self, Config},
    stop_signal, warn,
};
use crate::{
    feed::slurm::{Rest, Slurm},
    fleet,
    hub::{Doors, Hub, Settings},
    link::{self, Address},
    model::{alias::Aliases, job::Scheduler},
};

/// Agents of this machine only, unless the operator opens the hub to others.
const DEFAULT_LISTEN: &str = "127.0.0.1:7077";
/// How often Slurm is asked, unless the operator says.
const SLURM_EVERY: Duration = Duration::from_secs(15);
/// The hub's user and group may open its socket.
const SOCKET_MODE: u32 = 0o660;

pub(super) fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let (levels, tariff) = (config.levels(), config.tariff().map_err(|e| Usage(e.to_string()))?);
    let (rules, mistakes) = config.rules();
    warn(&mistakes);
    let server = config.server.clone();
    let wrong = |key: &str, what: &dyn Display| Usage(config.tell(key, &format!("{key}: {what}")));
    let listen = args.listen.or(server.listen).unwrap_or_else(|| DEFAULT_LISTEN.into());
    let listen = Address::parse(&listen).map_err(|e| Usage(e.to_string()))?;
    let socket = match args.socket.or(server.socket) {
        Some(path) => path,
        None => link::default_socket(),
    };
    let history = match (args.history_memory, &server.history_memory) {
        (None, Some(text)) => Some(args::size(text).map_err(|e| wrong("server.history_memory", &e))?),
        (flag, _) => flag,
    };
    let scheduler = (args.slurm || server.slurm || server.slurm_rest.is_some())
        .then(|| {
            let every = server.slurm_interval.as_deref().map_or(Ok(SLURM_EVERY), args::duration);
            let every = every.map_err(|e| wrong("server.slurm_interval", &e))?;
            let commands = || {
                let slurm = Slurm::default();
                server.slurm_commands.map_or(slurm.clone(), |folder| slurm.with_commands(folder))
            };
            let slurm: Arc<dyn Scheduler> = match server.slurm_rest {
                Some(at) => Arc::new(Rest::new(at).with_token(server.slurm_token).with_user(server.slurm_user)),
                None => Arc::new(commands()),
            };
            anyhow::Ok((slurm, every))
        })
        .transpose()?;
    let aliases = Aliases::new(server.slurm_names)
        .map_err(|problem| wrong("server.slurm_names", &format!("no pattern: {problem}")))?;
    let settings = Settings {
        scheduler,
        rules,
        is_impatient: false,
        fleet: fleet::Settings { levels, tariff, aliases, history_bytes: history, ..fleet::Settings::default() },
        state: args.state.or(server.state).or_else(config::default_state),
    };
    let group = args.group.or(server.group);
    // Each agent takes one, and many systems start a process with 1,024.
    allow_open_files();
    block_on(async {
        let stop = stop_signal()?;
        let unix = link::listen_unix(&socket, SOCKET_MODE, group.as_deref()).await?;
        let tcp = link::listen_tcp(&listen).await?;
        let hub = Hub::open(settings)?;
        // Standard error may be closed: whoever waits for this line then has not asked for it.
        let (agents, viewers) = (tcp.address(), unix.address());
        let _ = writeln!(std::io::stderr(), "supertop hub: ready agents={agents} viewers={viewers}");
        hub.serve(Doors { listeners: vec![tcp, unix], local: None }, stop).await;
        Ok(ExitCode::SUCCESS)
    })
}
