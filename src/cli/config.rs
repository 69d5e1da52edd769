//! `config.toml`: what a site or a person sets once. Every key is documented here and in the README;
//! an unknown key is an error that names it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use etcetera::BaseStrategy as _;
use serde::Deserialize;

use crate::model::place::Levels;

/// The whole file. Flags win over it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Config {
    /// The hub that viewers and agents use: a socket's path, or `host[:7077]`.
    pub(super) hub: Option<String>,
    /// The theme: a name from the themes that come along, or a file.
    pub(super) theme: Option<String>,
    /// `[agent]`
    pub(super) agent: AgentConfig,
    /// `[server]`: what `supertop hub` runs with.
    pub(super) server: ServerConfig,
}

/// `[agent]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AgentConfig {
    /// This node's name.
    pub(super) name: Option<String>,
    /// Time between samples: `"1s"`.
    pub(super) interval: Option<String>,
    /// This node's labels: `labels = { rack = "r12" }`.
    pub(super) labels: BTreeMap<String, String>,
}

/// `[server]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServerConfig {
    /// Where agents and viewers connect over TCP.
    pub(super) listen: Option<String>,
    /// Where viewers on this machine connect.
    pub(super) socket: Option<PathBuf>,
    /// Group that may open the socket.
    pub(super) group: Option<String>,
    /// Folder for what outlives a restart.
    pub(super) state: Option<PathBuf>,
    /// Memory for history: `"1GiB"`.
    pub(super) history_memory: Option<String>,
    /// Place levels, widest first: `["region", "pod", "rack"]`.
    pub(super) levels: Option<Vec<String>>,
    /// Whether Slurm is asked for its jobs.
    pub(super) slurm: bool,
    /// Time between two questions to Slurm: `"15s"`.
    pub(super) slurm_interval: Option<String>,
    /// The folder of Slurm's commands, where they are not on the path.
    pub(super) slurm_commands: Option<PathBuf>,
}

impl Config {
    /// Reads `path`, or else the platform's own file if there is one.
    pub(super) fn load(path: Option<&Path>) -> Result<Config> {
        match path {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
                Config::parse(&text, path)
            }
            None => match default_path() {
                Some(path) if path.exists() => Config::load(Some(&path)),
                _ => Ok(Config::default()),
            },
        }
    }

    /// The place levels that a hub of this configuration rolls up.
    pub(super) fn levels(&self) -> Levels {
        self.server.levels.clone().map_or_else(Levels::default, Levels::new)
    }

    fn parse(text: &str, path: &Path) -> Result<Config> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            let message = error.message().replace('\n', " ");
            anyhow::anyhow!("{}:{line}: {message}", path.display())
        })
    }
}

/// `supertop/config.toml` in the platform's config folder.
pub(super) fn default_path() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.config_dir().join("supertop/config.toml"))
}

/// The folder for what outlives a hub's restart.
pub(super) fn default_state() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some("/var/lib/supertop".into());
    }
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("supertop"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), &str>) {
        let got = Config::parse(text, Path::new("config.toml"));
        match (got, expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(part)) => {
                let error = error.to_string();
                assert!(error.contains(part) && !error.contains('\n'), "{error}");
            }
            (got, expected) => panic!("{text}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn every_key_is_known_or_named() {
        check("[server]\nslurm = true\nslurm_interval = \"5s\"\nslurm_commands = \"/opt/slurm/bin\"", Ok(()));
        check("hub = \"head:7077\"\n[agent]\nlabels = { rack = \"r12\" }\n[server]\nlevels = [\"pod\"]", Ok(()));
        check("", Ok(()));
        check("\n\nhubb = 1", Err("config.toml:3: unknown field `hubb`"));
        check("[agent]\nintervall = \"1s\"", Err("unknown field `intervall`"));
        check("hub = 3", Err("config.toml:1: invalid type"));
        check("hub = ", Err("config.toml:1:"));
    }
}
