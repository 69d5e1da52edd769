//! `supertop check`: one screen of what is wrong and what to do about it, and an exit code for scripts.

use std::{io::Write as _, process::ExitCode, time::Duration};

use anyhow::{Result, anyhow, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::{
    args::{Check, CheckFormat, FailOn, Global},
    attach::{self, Inside, Target},
    block_on,
    config::Config,
    warn,
};
use crate::{
    client::Client,
    health, hub,
    model::{
        incident::Rule,
        question::Answer,
        table::{Cell, Table},
        unit::{Unit, grouped},
    },
};

/// How long a hub may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long this machine is looked at: rules are asked each second, and rates need two looks.
const LOOK: Duration = Duration::from_millis(2500);
/// What a script is told when nothing can be told.
pub(super) const CANNOT_TELL: u8 = 3;

/// How a fleet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Fine,
    Warn,
    Crit,
    Unknown,
}

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Status::Fine => "ok",
            Status::Warn => "warn",
            Status::Crit => "crit",
            Status::Unknown => "unknown",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Status::Fine => 0,
            Status::Warn => 1,
            Status::Crit => 2,
            Status::Unknown => CANNOT_TELL,
        }
    }
}

/// What is said.
struct Verdict {
    status: Status,
    nodes: u64,
    gpus: u64,
    stale: u64,
    incidents: Table,
    /// What was not asked for want of time and of others to compare with; nothing of a hub, which asks all.
    not_evaluated: Option<Vec<String>>,
}

/// What a reader of a verdict on one machine must know to believe it.
const ALONE: &str = "this machine alone, seen for some seconds: what has to last for less than 5 min counts at once";

/// Any failure is one to tell how things are.
pub(super) fn run(args: &Check, global: Global, config: &Config) -> Result<ExitCode> {
    let verdict = block_on(judge(args, global, config))?;
    let mut out = std::io::stdout().lock();
    match args.output {
        CheckFormat::Text => out.write_all(text(&verdict).as_bytes())?,
        CheckFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(&as_json(&verdict))?)?,
    }
    out.flush()?;
    Ok(ExitCode::from(match verdict.status {
        Status::Warn if args.fail_on == FailOn::Crit => 0,
        status => status.code(),
    }))
}

async fn judge(args: &Check, global: Global, config: &Config) -> Result<Verdict> {
    let named = args.hub.as_deref().or(config.hub.as_deref());
    let hub = if args.node { None } else { attach::find(named).await? };
    let mut not_evaluated = None;
    let target = if let Some(address) = hub {
        Target::Hub(address)
    } else {
        let (rules, wrong) = config.rules();
        warn(&wrong);
        let left_out = |rule: &Rule| health::takes_more(rule).then(|| rule.id.clone());
        not_evaluated = Some(rules.rules.iter().filter_map(left_out).collect());
        this_machine(rules, config, global).await?
    };
    let mut client = Client::attach(target.dial().await?).await?;
    let condition = args.condition.join(" ");
    let (which, and) = match condition.trim() {
        "" => (String::new(), String::new()),
        some => (format!(" where {some}"), format!(" and ({some})")),
    };
    let incidents = ask(
        &mut client,
        &format!(
            "incidents where incident.stage = open{and} sort -incident.severity,incident.since,incident show \
             incident,incident.severity,incident.rule,incident.subject,incident.since,incident.age,incident.reason,\
             incident.action,incident.commands,incident.hosts,incident.nodes"
        ),
    )
    .await?;
    // What incidents alone have says nothing of nodes: then all of them are meant.
    let mut count = async |view: &str| match ask(&mut client, &format!("{view}{which} limit 0")).await {
        Ok(table) => Ok(table),
        Err(_) => ask(&mut client, &format!("{view} limit 0")).await,
    };
    let (nodes, gpus) = (count("nodes").await?, count("gpus").await?);
    let severities = || (0..incidents.rows.len()).filter_map(|row| incidents.cell(row, "incident.severity")?.text());
    let status = match () {
        () if nodes.total == 0 => Status::Unknown,
        () if severities().any(|severity| severity == "crit") => Status::Crit,
        () if severities().any(|severity| severity == "warn") => Status::Warn,
        () if nodes.stale == nodes.total => Status::Unknown,
        () => Status::Fine,
    };
    Ok(Verdict { status, nodes: nodes.total, gpus: gpus.total, stale: nodes.stale, incidents, not_evaluated })
}

async fn ask(client: &mut Client, query: &str) -> Result<Table> {
    let reply = timeout(PATIENCE, client.ask(query))
        .await
        .map_err(|_| anyhow!("the hub did not answer within {} s", PATIENCE.as_secs()))??;
    match reply.answer {
        Ok(Answer::Table(table)) => Ok(table),
        Ok(Answer::Series(_)) => bail!("the hub answered with values along time"),
        Err(complaint) => bail!("{}", complaint.message),
    }
}

/// Without a hub it is about this machine, whose rules do not wait.
async fn this_machine(rules: health::Rules, config: &Config, global: Global) -> Result<Target> {
    let inside = Inside::start(hub::Settings { rules, is_impatient: true, ..hub::Settings::default() })?;
    let mut settings = attach::this_machine(config, global.nvml_library)?;
    settings.interval = Duration::from_millis(500);
    inside.watch_this_machine(settings, Duration::from_secs(1))?;
    let ready = Instant::now() + LOOK;
    sleep(ready - Instant::now()).await;
    Ok(Target::Inside(inside))
}

/// The text of a cell; empty where there is none.
fn word<'a>(table: &'a Table, row: usize, key: &str) -> &'a str {
    table.cell(row, key).and_then(Cell::text).unwrap_or_default()
}

fn as_json(verdict: &Verdict) -> Value {
    let Verdict { status, nodes, gpus, stale, incidents: table, not_evaluated } = verdict;
    let incident = |row: usize| {
        let word = |key: &str| word(table, row, key);
        let commands: Vec<&str> = word("incident.commands").split("; ").filter(|line| !line.is_empty()).collect();
        json!({
            "id": word("incident").parse::<u64>().ok(),
            "rule": word("incident.rule"),
            "severity": word("incident.severity"),
            "subject": word("incident.subject"),
            "since": word("incident.since"),
            "reason": word("incident.reason"),
            "action": word("incident.action"),
            "commands": commands,
            "nodes": word("incident.hosts"),
        })
    };
    let incidents: Vec<Value> = (0..table.rows.len()).map(incident).collect();
    let mut value =
        json!({ "status": status.word(), "nodes": nodes, "gpus": gpus, "stale": stale, "incidents": incidents });
    if let Some(rules) = not_evaluated {
        value["note"] = ALONE.into();
        value["not_evaluated"] = rules.clone().into();
    }
    value
}

fn text(verdict: &Verdict) -> String {
    use std::fmt::Write as _;
    let Verdict { status, nodes, gpus, stale, incidents: table, not_evaluated } = verdict;
    let count = |n: u64| grouped(i64::try_from(n).unwrap_or(i64::MAX));
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "{}: {} nodes, {} GPUs", status.word().to_uppercase(), count(*nodes), count(*gpus));
    if *stale > 0 {
        let _ = write!(text, ", {} nodes not up", count(*stale));
    }
    let _ = match table.rows.len() {
        0 => writeln!(text, "; nothing is wrong"),
        1 => writeln!(text, "; 1 incident"),
        n => writeln!(text, "; {n} incidents"),
    };
    for row in 0..table.rows.len() {
        let word = |key: &str| word(table, row, key);
        let mark = match word("incident.severity") {
            "crit" => "✖",
            "warn" => "▲",
            _ => "·",
        };
        let age = table
            .cell(row, "incident.age")
            .and_then(Cell::number)
            .map_or_else(String::new, |age| Unit::Seconds.text(age));
        let _ = writeln!(
            text,
            "\n{mark} {}  {}  ({}, for {age})",
            word("incident.subject"),
            word("incident.reason"),
            word("incident.rule")
        );
        let _ = writeln!(text, "  {}", word("incident.action"));
        for line in word("incident.commands").split("; ").filter(|line| !line.is_empty()).take(4) {
            let _ = writeln!(text, "    {line}");
        }
    }
    if let Some(rules) = not_evaluated {
        let _ = writeln!(text, "\n{ALONE}; not evaluated: {}", rules.join(", "));
    }
    text
}
