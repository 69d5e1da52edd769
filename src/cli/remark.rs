//! `supertop ack`, `silence` and `reopen`: what somebody says of an incident.

use std::{io::Write as _, process::ExitCode};

use anyhow::{Result, anyhow, bail};

use super::{
    args,
    attach::{self, Target},
    block_on,
    config::Config,
};
use crate::{
    client::Client,
    model::{
        incident::{Remark, Verb},
        question::Answer,
        table::Cell,
    },
};

pub(super) fn run(args: &args::Remark, verb: Verb, config: &Config) -> Result<ExitCode> {
    let by = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "somebody".into());
    let remark = Remark { incident: args.incident, verb, text: args.note.join(" "), by };
    let answer = block_on(async {
        let Some(address) = attach::find(args.hub.as_deref().or(config.hub.as_deref())).await? else {
            bail!("no hub serves this machine: say where it is with --hub");
        };
        let mut client = Client::attach(Target::Hub(address).dial().await?).await?;
        client.say(remark).await?.answer.map_err(|complaint| anyhow!("{}", complaint.message))
    })?;
    if let Answer::Table(table) = answer {
        let word = |key: &str| table.cell(0, key).and_then(Cell::text).unwrap_or_default();
        let done = match verb {
            Verb::Acknowledge => "acknowledged",
            Verb::Silence(_) => "silenced",
            Verb::Reopen => "open again",
        };
        writeln!(
            std::io::stdout(),
            "{done}: {} {}, {}",
            args.incident,
            word("incident.subject"),
            word("incident.reason")
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
