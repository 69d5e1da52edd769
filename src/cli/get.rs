//! `supertop get`: one question, one answer, on standard output.

use std::{io::Write as _, process::ExitCode, time::Duration};

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Usage,
    args::{Format, Get, Global},
    attach::{self, Inside, Target},
    block_on,
    config::Config,
    output, warn,
};
use crate::{
    client::Client,
    hub,
    model::question::{Answer, Complaint},
    query,
};

/// How long a hub may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long this machine may take to be read for the first time; rates need two looks.
const FIRST_LOOK: Duration = Duration::from_millis(1500);

pub(super) fn run(args: &Get, global: Global, config: &Config) -> Result<ExitCode> {
    let text = args.query.join(" ");
    // A question that cannot be parsed is not worth a connection.
    query::parse(&text).map_err(|complaint| point_at(&text, &complaint))?;
    let answer: Answer = block_on(async {
        let target = match attach::find(args.hub.as_deref().or(config.hub.as_deref())).await? {
            Some(address) => Target::Hub(address),
            None => this_machine(config, global).await?,
        };
        let mut client = Client::attach(target.dial().await?).await?;
        let reply = timeout(PATIENCE, client.ask(&text))
            .await
            .map_err(|_| anyhow!("the hub did not answer within {} s", PATIENCE.as_secs()))??;
        reply.answer.map_err(|complaint| anyhow::Error::from(point_at(&text, &complaint)))
    })?;
    print(&answer, args.output)?;
    Ok(ExitCode::SUCCESS)
}

/// Without a hub the question is about this machine.
async fn this_machine(config: &Config, global: Global) -> Result<Target> {
    let (rules, wrong) = config.rules();
    warn(&wrong);
    let inside = Inside::start(hub::Settings { rules, ..hub::Settings::default() })?;
    let mut settings = attach::this_machine(config, global.nvml_library)?;
    settings.interval = Duration::from_millis(500);
    inside.watch_this_machine(settings, Duration::from_secs(1))?;
    let ready = Instant::now() + FIRST_LOOK;
    sleep(ready - Instant::now()).await;
    Ok(Target::Inside(inside))
}

fn print(answer: &Answer, format: Format) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match format {
        Format::Table => output::table::write(&mut out, answer)?,
        Format::Json => output::json::write(&mut out, answer)?,
        Format::Csv => output::csv::write(&mut out, answer)?,
    }
    Ok(out.flush()?)
}

/// The complaint as one line that names the word.
fn point_at(text: &str, complaint: &Complaint) -> Usage {
    let before = text.get(..complaint.at).unwrap_or(text).chars().count();
    let word = text.get(complaint.at..complaint.at + complaint.len).unwrap_or("");
    let place =
        if word.is_empty() { "at the end".to_owned() } else { format!("at `{word}`, character {}", before + 1) };
    Usage(format!("{} ({place})", complaint.message))
}
