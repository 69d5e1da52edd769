//! The command line: reads arguments and configuration, wires the other floors together, prints answers,
//! and turns what went wrong into one clear line and an exit code.

mod agent;
mod args;
mod attach;
mod check;
mod config;
mod get;
mod hub;
mod lenient;
mod output;
mod remark;
mod scenario;
mod sim;
#[cfg(feature = "tui")]
mod watch;

use std::{io::Write as _, process::ExitCode};

use anyhow::Result;
use clap::Parser as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch as channel,
};
use tracing_subscriber::EnvFilter;

use crate::model::incident::Verb;
use args::{Cli, Command};
use config::Config;

/// What a person got wrong: exit code 2 instead of 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Runs `supertop` with this process's arguments.
pub fn main() -> ExitCode {
    crate::hub::pages::refuse_huge();
    let cli = Cli::try_parse().unwrap_or_else(|error| {
        // Whoever checks takes 2 for critical.
        let _ = error.print();
        let is_check = std::env::args_os().skip(1).any(|arg| arg == "check");
        let code = if is_check && error.exit_code() != 0 { i32::from(check::CANNOT_TELL) } else { error.exit_code() };
        std::process::exit(code)
    });
    let is_check = matches!(cli.command, Some(Command::Check(_)));
    match run(cli) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed; there is nobody left to tell then.
            let _ = writeln!(std::io::stderr(), "supertop: {}", in_one_line(&error));
            ExitCode::from(if is_check {
                check::CANNOT_TELL
            } else if error.is::<Usage>() {
                2
            } else {
                1
            })
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let config = Config::load(cli.global.config.as_deref()).map_err(|e| Usage(format!("{e:#}")))?;
    warn(config.left_out());
    let Cli { global, watch, command } = cli;
    match command {
        Some(Command::Agent(mut args)) => {
            log_to_stderr();
            args.hub = args.hub.or(watch.hub);
            agent::run(args, global, config)
        }
        Some(Command::Hub(args)) => {
            log_to_stderr();
            hub::run(args, &config)
        }
        Some(Command::Sim(mut args)) => {
            log_to_stderr();
            args.hub = args.hub.or(watch.hub);
            sim::run(&args)
        }
        Some(Command::Get(mut args)) => {
            // Where a flag stands makes no difference.
            args.hub = args.hub.or(watch.hub);
            get::run(&args, global, &config)
        }
        Some(Command::Ack(mut args)) => {
            args.hub = args.hub.or(watch.hub);
            remark::run(&args, Verb::Acknowledge, &config)
        }
        Some(Command::Silence(mut args)) => {
            args.remark.hub = args.remark.hub.or(watch.hub);
            remark::run(&args.remark, Verb::Silence(args.span), &config)
        }
        Some(Command::Reopen(mut args)) => {
            args.hub = args.hub.or(watch.hub);
            remark::run(&args, Verb::Reopen, &config)
        }
        Some(Command::Check(mut args)) => {
            args.hub = args.hub.or(watch.hub);
            check::run(&args, global, &config)
        }
        #[cfg(feature = "tui")]
        Some(Command::Demo(args)) => watch::demo(&args, &config),
        #[cfg(feature = "tui")]
        None => watch::run(watch, global, &config),
        #[cfg(not(feature = "tui"))]
        None => {
            let _ = watch;
            Err(Usage("this build has no terminal interface; try `supertop get nodes`".into()).into())
        }
    }
}

/// Says what is wrong and no reason to stop, line by line.
fn warn(lines: &[String]) {
    for line in lines {
        // Standard error may be closed; there is nobody left to tell then.
        let _ = writeln!(std::io::stderr(), "supertop: {line}");
    }
}

/// Warnings and worse, or what `SUPERTOP_LOG` asks for.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("SUPERTOP_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}

/// Runs something to its end, on one thread. What then still hangs in the system, as the search for a host's address
/// may, is not waited for.
fn block_on<T>(task: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = runtime()?;
    let result = runtime.block_on(task);
    runtime.shutdown_background();
    result
}

/// Lets this process open as many files, and with them connections, as the system allows: how many that are.
fn allow_open_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // One that cannot be raised stays as it is, and the caller sees that.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// A runtime of one thread: all that any part of supertop needs.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Turns true at SIGINT or SIGTERM, for a clean stop. Must be called inside a runtime.
fn stop_signal() -> Result<channel::Receiver<bool>> {
    let (sender, receiver) = channel::channel(false);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        sender.send_replace(true);
        // Receivers must not take the end of this task for anything else than the stop that it sent.
        sender.closed().await;
    });
    Ok(receiver)
}

/// What went wrong and why, cause after cause; one that its effect quotes already is not said twice.
fn in_one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !line.contains(&cause) {
            line = if line.is_empty() { cause } else { format!("{line}: {cause}") };
        }
    }
    line.replace('\n', " ")
}

/// Whether whoever reads standard output has had enough, as `head` has.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|c| c.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe))
}
