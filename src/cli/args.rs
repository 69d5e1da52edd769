//! The command line: every subcommand and flag, with the text that `--help` and the README show.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(super) use crate::model::time::span as duration;

/// top for GPU superclusters: what the fleet is doing, what is sick, and why.
///
/// Without a subcommand: attaches to the hub on this machine, or else watches this machine.
#[derive(Debug, Parser)]
#[command(name = "supertop", version, max_term_width = 100, args_conflicts_with_subcommands = false)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(flatten)]
    pub(super) watch: Watch,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// Flags that every subcommand takes.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// Configuration file [default: supertop/config.toml in the platform's config folder]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The NVML library to load instead of the driver's own
    #[arg(long, global = true, value_name = "PATH", env = "SUPERTOP_NVML")]
    pub(super) nvml_library: Option<PathBuf>,
}

/// Flags of the terminal interface.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Watch {
    /// The hub to attach to: a socket's path, or host[:7077]
    #[arg(long, value_name = "ADDR|PATH", env = "SUPERTOP_HUB")]
    pub(super) hub: Option<String>,
    /// Theme: a name from the themes that come along, or a file
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) theme: Option<String>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show a simulated supercluster with faults
    #[cfg(feature = "tui")]
    Demo(Demo),
    /// Stream this node's GPU and CPU stats to a hub
    Agent(Agent),
    /// Take agents in, keep the fleet, answer viewers
    Hub(Hub),
    /// Simulate many agents over real sockets
    Sim(Sim),
    /// Print the answer to a query
    #[command(after_help = GET_HELP)]
    Get(Get),
    /// Take note of an incident: somebody sees to it
    Ack(Remark),
    /// Hear nothing of an incident for some time
    Silence(Silence),
    /// Take back what was said of an incident
    Reopen(Remark),
    /// Say what is wrong and what to do about it, with an exit code
    #[command(after_help = CHECK_HELP)]
    Check(Check),
}

const GET_HELP: &str = "\
Queries: VIEW [where EXPR] [by KEY,…] [sort [-]KEY,…] [show KEY,…|*] [limit N] [offset N] [over DUR [step DUR]]
Views:   gpus nodes jobs users accounts partitions energy incidents rules nics processes events metrics cores mounts
         fleet, and racks pods regions

  supertop get 'gpus where temp > 85 sort -power show node,index,temp,power limit 20'
  supertop get 'nodes where state != up' -o json
  supertop get metrics

Exit codes: 0 fine (also for no rows), 1 failure, 2 usage.";

const CHECK_HELP: &str = "\
  supertop check
  supertop check 'rack = r12' -o json
  supertop check 'job = 4711'
  supertop check --node --fail-on crit     # for a prolog, or Slurm's HealthCheckProgram

Exit codes: 0 nothing is wrong, 1 warnings, 2 critical, 3 cannot tell (also for usage, and for no hub).";

/// `supertop demo`
#[cfg(feature = "tui")]
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Nodes to simulate, each with eight GPUs
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=62_500))]
    pub(super) nodes: u32,
    /// Another seed makes another cluster
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// What goes wrong: as for `supertop sim` [default: a small share of all faults, by the seed]
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) scenario: Option<String>,
    /// Theme: a name from the themes that come along, or a file
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) theme: Option<String>,
}

/// `supertop agent`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Agent {
    /// The hub to report to: host[:7077], or a socket's path
    #[arg(long, value_name = "ADDR|PATH", env = "SUPERTOP_HUB")]
    pub(super) hub: Option<String>,
    /// This node's name [default: `$NODE_NAME`, else the hostname]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Time between samples
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    pub(super) interval: Option<Duration>,
    /// A label of this node, such as rack=r12; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(super) labels: Vec<(String, String)>,
    /// Print one report and what each collector cost, and exit
    #[arg(long)]
    pub(super) once: bool,
    /// How the report is printed
    #[arg(short, long, value_enum, value_name = "FORMAT", requires = "once", default_value_t = ReportFormat::Json)]
    pub(super) output: ReportFormat,
    /// Socket by which `release` and `resume` reach the agent [default: supertop-agent.sock in `$XDG_RUNTIME_DIR`, for
    /// root in /run]
    #[arg(long, global = true, value_name = "PATH", env = "SUPERTOP_CONTROL")]
    pub(super) control: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Option<Gate>,
}

/// How a report is printed: it has the shape of the node, which no table has.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(super) enum ReportFormat {
    /// As JSON
    Json,
}

/// What a running agent can be asked to do with its hold on the NVIDIA driver.
#[derive(Clone, Copy, Debug, Subcommand, PartialEq, Eq)]
pub(super) enum Gate {
    /// Let the running agent close the NVIDIA driver, so that a GPU can be reset
    Release,
    /// Let the running agent open the NVIDIA driver again
    Resume,
}

/// `supertop hub`
#[derive(Debug, Args)]
pub(super) struct Hub {
    /// Where agents and viewers connect over TCP; port 0 picks one
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<String>,
    /// Where viewers on this machine connect [default: `$XDG_RUNTIME_DIR/supertop.sock`, for root `/run/supertop.sock`]
    #[arg(long, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,
    /// Group that may open the socket
    #[arg(long, value_name = "NAME")]
    pub(super) group: Option<String>,
    /// Folder for what outlives a restart: roster and events [default: supertop in the platform's state folder]
    #[arg(long, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
    /// Memory for history, such as 1GiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(super) history_memory: Option<u64>,
    /// Ask Slurm for its jobs and nodes, by this machine's `squeue`, `scontrol` and `sinfo`
    #[arg(long)]
    pub(super) slurm: bool,
}

/// `supertop sim`
#[derive(Debug, Args)]
pub(super) struct Sim {
    /// The hub to report to: host[:7077], or a socket's path [default: 127.0.0.1:7077]
    #[arg(long, value_name = "ADDR|PATH", env = "SUPERTOP_HUB")]
    pub(super) hub: Option<String>,
    /// Nodes to simulate
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) nodes: u32,
    /// GPUs on each node
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(0..=16))]
    pub(super) gpus: u16,
    /// Another seed makes another cluster
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Connections to spread the nodes over [default: one per node, as far as open files allow]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) connections: Option<u32>,
    /// Stop after so long [default: run until stopped]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) duration: Option<Duration>,
    /// What node names begin with
    #[arg(long, default_value = "gpu")]
    pub(super) prefix: String,
    /// Time between a node's samples
    #[arg(long, default_value = "1s", value_parser = interval)]
    pub(super) interval: Duration,
    /// What goes wrong: the name of a fault such as xid79, `none`, `dead-rack`, `published` (what interrupted a published
    /// run, at its rate), or a TOML file [default: a small share of all faults, by the seed]
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) scenario: Option<String>,
    /// Move even what stands still on a machine, so that 60 % of all numbers change from sample to sample
    #[arg(long)]
    pub(super) restless: bool,
}

/// `supertop ack`, `supertop reopen`
#[derive(Debug, Args)]
pub(super) struct Remark {
    /// The incident's number
    #[arg(value_name = "NUMBER")]
    pub(super) incident: u64,
    /// In your words
    #[arg(value_name = "NOTE")]
    pub(super) note: Vec<String>,
    /// The hub's socket [default: this machine's]
    #[arg(long, value_name = "PATH", env = "SUPERTOP_HUB")]
    pub(super) hub: Option<String>,
}

/// `supertop silence`
#[derive(Debug, Args)]
pub(super) struct Silence {
    /// For how long
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, default_value = "4h")]
    pub(super) span: Duration,
    #[command(flatten)]
    pub(super) remark: Remark,
}

/// `supertop check`
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Of which nodes, GPUs, jobs or incidents: a condition of the query language [default: of all]
    #[arg(value_name = "CONDITION")]
    pub(super) condition: Vec<String>,
    /// The hub to ask: a socket's path, or host[:7077] [default: this machine's, else this machine itself]
    #[arg(long, value_name = "ADDR|PATH", env = "SUPERTOP_HUB")]
    pub(super) hub: Option<String>,
    /// Judge this machine alone, whether there is a hub or not
    #[arg(long)]
    pub(super) node: bool,
    /// From which severity on the exit code is not 0
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t = FailOn::Warn)]
    pub(super) fail_on: FailOn,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = CheckFormat::Text)]
    pub(super) output: CheckFormat,
}

/// From which severity on a check fails.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(super) enum FailOn {
    /// Warnings and worse
    Warn,
    /// Critical incidents only
    Crit,
}

/// How a check is printed.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(super) enum CheckFormat {
    /// Lines for people
    Text,
    /// One JSON object
    Json,
}

/// `supertop get`
#[derive(Debug, Args)]
pub(super) struct Get {
    /// The question
    #[arg(value_name = "QUERY", required = true)]
    pub(super) query: Vec<String>,
    /// The hub to ask: a socket's path, or host[:7077] [default: this machine's, else this machine itself]
    #[arg(long, value_name = "ADDR|PATH", env = "SUPERTOP_HUB")]
    pub(super) hub: Option<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(super) output: Format,
}

/// Output formats.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(super) enum Format {
    /// Aligned columns for people
    Table,
    /// One JSON object
    Json,
    /// Comma-separated values
    Csv,
}

/// A time between samples: at least 100 ms and at most a minute.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    if (Duration::from_millis(100)..=Duration::from_mins(1)).contains(&interval) {
        Ok(interval)
    } else {
        Err("an interval lies between 100ms and 60s".into())
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value))
            if !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) =>
        {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("a label reads KEY=VALUE, such as rack=r12".into()),
    }
}

/// A number of bytes: `64MiB`, `1GiB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "a size reads like 64MiB or 1GiB".to_owned())?;
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KiB" | "K" => 10,
        "MiB" | "M" => 20,
        "GiB" | "G" => 30,
        _ => return Err("a size reads like 64MiB or 1GiB".into()),
    };
    number.checked_shl(shift).filter(|n| n >> shift == number).ok_or_else(|| "too large".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_a_unit() {
        let check = |text, ms: Option<u64>| assert_eq!(duration(text).ok(), ms.map(Duration::from_millis), "{text}");
        check("500ms", Some(500));
        check("1.5s", Some(1500));
        check("5m", Some(300_000));
        check("5", None);
        check("s", None);
        check("-1s", None);
        check("1e9999s", None);
    }

    #[test]
    fn sizes_are_binary() {
        let check = |text, bytes| assert_eq!(size(text).ok(), bytes, "{text}");
        check("1GiB", Some(1 << 30));
        check("64M", Some(64 << 20));
        check("12", Some(12));
        check("99999999999GiB", None);
        check("1GB", None);
    }

    #[test]
    fn labels_read_key_equals_value() {
        assert_eq!(label("rack=r12"), Ok(("rack".into(), "r12".into())));
        assert_eq!(label("rack="), Ok(("rack".into(), String::new())));
        assert!(label("rack").is_err());
        assert!(label("=x").is_err());
        assert!(label("a b=x").is_err());
    }
}
