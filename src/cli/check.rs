//! `supertop check`: one screen of what is wrong and what to do about it, and an exit code for scripts.

mod page;

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
        hostlist::Hostlist,
        incident::Rule,
        question::Answer,
        table::{Cell, Table},
    },
};
use page::Room;

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
    /// The nodes that are not up, as a hostlist.
    not_up: String,
    /// GPUs that nodes should have and do not show, as far as that is known.
    gpus_missing: u64,
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
        CheckFormat::Text => out.write_all(page::text(&verdict, Room::of_stdout()).as_bytes())?,
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
        some => (format!(" where ({some})"), format!(" and ({some})")),
    };
    let incidents = ask(
        &mut client,
        &format!(
            "incidents where incident.stage = open{and} sort -incident.severity,incident.since,incident show \
             incident,incident.severity,incident.rule,incident.subject,incident.since,incident.age,incident.reason,\
             incident.action,incident.commands,incident.hosts,incident.nodes,sched,job,job.user"
        ),
    )
    .await?;
    // What incidents alone have says nothing of nodes: then all of them are meant.
    let mut of = async |view: &str, is: &str, rest: &str| {
        let both = match (is, &*which) {
            ("", which) => which.to_owned(),
            (is, "") => format!(" where {is}"),
            (is, which) => format!("{which} and {is}"),
        };
        match ask(&mut client, &format!("{view}{both} {rest}")).await {
            Ok(table) => Ok(table),
            Err(_) if is.is_empty() => ask(&mut client, &format!("{view} {rest}")).await,
            Err(_) => ask(&mut client, &format!("{view} where {is} {rest}")).await,
        }
    };
    let (nodes, gpus) = (of("nodes", "", "limit 0").await?, of("gpus", "", "limit 0").await?);
    let not_up = of("nodes", "state != up", "show node").await?;
    let names = (0..not_up.rows.len()).map(|row| word(&not_up, row, "node"));
    let not_up = Hostlist::fold(names).to_string();
    let is_short = "gpus < gpus.expected and not any(fault = released)";
    let short = of("nodes", is_short, "show node.gpus,node.gpus.expected").await?;
    let count = |row: usize, key: &str| short.cell(row, key).and_then(Cell::number).unwrap_or_default();
    let missing = |row: usize| count(row, "node.gpus.expected") - count(row, "node.gpus");
    let gpus_missing = (0..short.rows.len()).map(missing).sum::<f64>() as u64;
    let severities = || (0..incidents.rows.len()).filter_map(|row| incidents.cell(row, "incident.severity")?.text());
    let status = match () {
        () if nodes.total == 0 => Status::Unknown,
        () if severities().any(|severity| severity == "crit") => Status::Crit,
        () if severities().any(|severity| severity == "warn") => Status::Warn,
        () if nodes.stale == nodes.total => Status::Unknown,
        () => Status::Fine,
    };
    let Table { total: nodes, stale, .. } = nodes;
    Ok(Verdict { status, nodes, gpus: gpus.total, stale, not_up, gpus_missing, incidents, not_evaluated })
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

/// The lines to paste.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    text.split("; ").filter(|line| !line.is_empty())
}

fn as_json(verdict: &Verdict) -> Value {
    let Verdict { status, nodes, gpus, stale, not_up, gpus_missing, incidents: table, not_evaluated } = verdict;
    let incident = |row: usize| {
        let word = |key: &str| word(table, row, key);
        let commands: Vec<&str> = commands(word("incident.commands")).collect();
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
            "sched": word("sched"),
            "jobs": word("job"),
            "users": word("job.user"),
        })
    };
    let incidents: Vec<Value> = (0..table.rows.len()).map(incident).collect();
    let mut value = json!({
        "status": status.word(),
        "nodes": nodes,
        "gpus": gpus,
        "stale": stale,
        "not_up": not_up,
        "gpus_missing": gpus_missing,
        "incidents": incidents,
    });
    if let Some(rules) = not_evaluated {
        value["note"] = ALONE.into();
        value["not_evaluated"] = rules.clone().into();
    }
    value
}
