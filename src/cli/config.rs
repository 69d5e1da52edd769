//! `config.toml`: what a site or a person sets once. Every key is documented here and in the README;
//! one that is not known is left out, and told.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use etcetera::BaseStrategy as _;
use serde::Deserialize;

use super::lenient::{self, Places, Read};
use crate::{
    health::{self, Rules},
    model::{
        energy::{Hourly, Tariff},
        incident::Severity,
        place::Levels,
    },
};

/// The whole file. Flags win over it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Config {
    /// The hub that viewers and agents use: a socket's path, or `host[:7077]`.
    pub(super) hub: Option<String>,
    /// The theme: a name from the themes that come along, or a file.
    pub(super) theme: Option<String>,
    /// `[[view]]`: views to go to by name, and by `alt-1` on in their order.
    pub(super) view: Vec<ViewConfig>,
    /// Whether clicks and the wheel are taken, which they are if nothing is said.
    pub(super) mouse: Option<bool>,
    /// `[keys]`: other keys for actions, by their names: `copy = "y ctrl-y"`; none with `""`.
    pub(super) keys: BTreeMap<String, String>,
    /// `[agent]`
    pub(super) agent: AgentConfig,
    /// `[server]`: what `supertop hub` runs with.
    pub(super) server: ServerConfig,
    /// `[energy]`: what energy costs the site. What is not said is not shown.
    pub(super) energy: EnergyConfig,
    /// `[[rule]]`: health rules that the site adds, changes or mutes by their ids.
    pub(super) rule: Vec<health::Entry>,
    /// `[commands]`: what incidents say is to be pasted: `drain.slurm = ["scontrol …"]`.
    pub(super) commands: BTreeMap<String, health::Templates>,
    /// `[xid]`: how much XIDs matter, where that is not as NVIDIA's table has it: `63 = "info"`.
    pub(super) xid: BTreeMap<String, Severity>,
    #[serde(skip)]
    places: Places,
    #[serde(skip)]
    left_out: Vec<String>,
}

/// `[[view]]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ViewConfig {
    /// What it is called after `:`.
    pub(super) name: String,
    /// What is asked.
    pub(super) query: String,
}

/// `[energy]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EnergyConfig {
    /// Power usage effectiveness: energy of the whole site for each of its machines': `1.3`.
    pub(super) pue: Option<f64>,
    /// Price of a kilowatt-hour: a number, or 24 of them, one for each hour of the day, UTC.
    pub(super) price: Option<Rate>,
    /// Grams of CO₂ equivalent for a kilowatt-hour: a number, or 24 of them.
    pub(super) carbon: Option<Rate>,
    /// Other prices and carbon of places of the widest level: `[energy.places.eu-north]`.
    pub(super) places: BTreeMap<String, PlaceConfig>,
}

/// `[energy.places.NAME]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PlaceConfig {
    /// As `[energy] price`.
    pub(super) price: Option<Rate>,
    /// As `[energy] carbon`.
    pub(super) carbon: Option<Rate>,
}

/// A rate by the hour of the day.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Rate {
    Flat(f64),
    Hourly(Vec<f64>),
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
    /// The folder in which a prolog notes which job has which GPU, as for dcgm-exporter.
    pub(super) job_map: Option<PathBuf>,
    /// The kubelet's pod-resources socket.
    pub(super) kubelet: Option<PathBuf>,
    /// The container runtime's CRI socket.
    pub(super) container_runtime: Option<PathBuf>,
    /// Labels of pods that say who made one, first ones first.
    pub(super) owner_labels: Vec<String>,
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
    /// Where slurmrestd is, if it is to be asked instead: `"head:6820"`, or a socket's path.
    pub(super) slurm_rest: Option<String>,
    /// The file with the token for slurmrestd.
    pub(super) slurm_token: Option<PathBuf>,
    /// Slurm's user that slurmrestd is to take us for, where the token is another's.
    pub(super) slurm_user: Option<String>,
    /// What agents call the nodes that Slurm has other names for: `[["c([0-9]+)-hsn", "gpu${1}"]]`.
    pub(super) slurm_names: Vec<(String, String)>,
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

    /// The health rules in force, and in lines what of those that the site says is left out or doubtful.
    pub(super) fn rules(&self) -> (Rules, Vec<String>) {
        let (rules, commands, severities) = (self.rule.clone(), self.commands.clone(), self.xid.clone());
        let site = health::Site { rules, commands, severities };
        let (rules, wrong) = Rules::read(&site);
        let doubts = rules.doubts(&site, &self.levels());
        let lines = wrong.iter().chain(&doubts).map(|wrong| self.tell(&wrong.place, &wrong.what)).collect();
        (rules, lines)
    }

    /// What is wrong with the key at this place, such as `keys.copy`, by file and line.
    pub(super) fn tell(&self, place: &str, what: &str) -> String {
        self.places.tell(place, what)
    }

    /// What was not read, in lines.
    pub(super) fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// What energy costs.
    ///
    /// # Errors
    /// What is no rate, by its key.
    pub(super) fn tariff(&self) -> Result<Tariff> {
        let EnergyConfig { pue, price, carbon, places } = &self.energy;
        let wrong = |key: &str, what: &str| anyhow::Error::msg(self.tell(key, &format!("{key}: {what}")));
        if pue.is_some_and(|pue| !(1.0..=10.0).contains(&pue)) {
            return Err(wrong("energy.pue", "a site takes 1 to 10 times what its machines take"));
        }
        let rate = |rate: Option<&Rate>, key: &str| hourly(rate).map_err(|what| wrong(&format!("energy.{key}"), &what));
        let places = places.iter().map(|(name, of)| {
            let key = |key: &str| format!("places.{name}.{key}");
            let (price, carbon) = (of.price.as_ref(), of.carbon.as_ref());
            anyhow::Ok((name.clone(), rate(price, &key("price"))?, rate(carbon, &key("carbon"))?))
        });
        let places = places.collect::<Result<_>>()?;
        let (price, carbon) = (rate(price.as_ref(), "price")?, rate(carbon.as_ref(), "carbon")?);
        Ok(Tariff { pue: *pue, price, carbon, places })
    }

    fn parse(text: &str, path: &Path) -> Result<Config> {
        let read = lenient::read::<Config, health::Entry>(text, path, "rule").map_err(anyhow::Error::msg)?;
        let Read { value, places, left_out } = read;
        Ok(Config { places, left_out, ..value })
    }
}

fn hourly(rate: Option<&Rate>) -> Result<Option<Hourly>, String> {
    let rates = match rate {
        None => return Ok(None),
        Some(Rate::Flat(rate)) => [*rate; 24],
        Some(Rate::Hourly(rates)) => {
            <[f64; 24]>::try_from(rates.as_slice()).map_err(|_| format!("{} rates for 24 hours", rates.len()))?
        }
    };
    let is_good = rates.iter().all(|rate| rate.is_finite() && *rate >= 0.0);
    if is_good { Ok(Some(Hourly(rates))) } else { Err("a rate is a number from 0 on".into()) }
}

/// `supertop/config.toml` in the platform's config folder.
pub(super) fn default_path() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.config_dir().join("supertop/config.toml"))
}

/// Where a person's wishes of tables are kept.
#[cfg(feature = "tui")]
pub(super) fn tables_path() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("supertop/tables.toml"))
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
    fn energy_costs_what_the_site_says() {
        let tariff = |text: &str| Config::parse(text, Path::new("config.toml")).expect("a config").tariff();
        assert_eq!(tariff("").expect("nothing is said"), Tariff::default());
        let hours = (0..24).map(|hour| format!("0.{hour:02}")).collect::<Vec<_>>().join(",");
        let text = format!("[energy]\npue = 1.3\nprice = [{hours}]\n[energy.places.eu-north]\ncarbon = 20");
        let said = tariff(&text).expect("a tariff");
        assert_eq!((said.pue, said.carbon), (Some(1.3), None));
        assert_eq!(said.price.map(|price| price.0[7]), Some(0.07));
        assert_eq!(said.places, [("eu-north".to_owned(), None, Some(Hourly::flat(20.0)))]);
        for (text, part) in [
            ("[energy]\nprice = [1.0, 2.0]", "config.toml:2: energy.price: 2 rates for 24 hours"),
            ("[energy]\ncarbon = -1", "config.toml:2: energy.carbon: a rate is a number from 0 on"),
            ("[energy]\npue = 0.5", "config.toml:2: energy.pue: "),
            ("[energy.places.x]\nprice = nan", "config.toml:2: energy.places.x.price: "),
        ] {
            let error = tariff(text).expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn every_key_is_known_or_named() {
        check("[server]\nslurm = true\nslurm_interval = \"5s\"\nslurm_commands = \"/opt/slurm/bin\"", Ok(()));
        check("hub = \"head:7077\"\n[agent]\nlabels = { rack = \"r12\" }\n[server]\nlevels = [\"pod\"]", Ok(()));
        check("", Ok(()));
        check("hub = 3", Err("config.toml:1: invalid type"));
        check("hub = ", Err("config.toml:1:"));
    }

    #[test]
    fn a_newer_config_counts_but_for_what_is_not_known() {
        let check = |text: &str, said: &str| {
            let config = Config::parse(&format!("{text}\n[energy]\npue = 1.5"), Path::new("config.toml")).expect(text);
            let [only] = config.left_out() else { panic!("{text}: {:?}", config.left_out()) };
            assert!(only.starts_with(said), "{only}");
            assert_eq!(config.energy.pue, Some(1.5), "the rest counts: {text}");
        };
        check("\n\nhubb = 1", "config.toml:3: unknown field `hubb`; did you mean `hub`?");
        check("[agent]\nintervall = \"1s\"", "config.toml:2: unknown field `intervall`; did you mean `interval`?");
        check("[servre]\nslurm = true", "config.toml:1: unknown field `servre`; did you mean `server`?");
        check("[[view]]\nname = 'a'\nqurey = 'nodes'", "config.toml:3: unknown field `qurey`; did you mean `query`?");
        check(
            "[[rule]]\nid = 'a'\nsevrity = 'warn'",
            "config.toml:3: unknown field `sevrity`; did you mean `severity`?",
        );
        check("[xid]\n63 = \"inof\"", "config.toml:2: unknown variant `inof`; did you mean `info`?");
        check("[[rule]]\nid = 'a'\nseverity = 'cirt'", "config.toml:3: unknown variant `cirt`; did you mean `crit`?");
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_told_by_file_and_line() {
        let text = "[[rule]]\nid = 'broken'\nhold = 5\n\n[[rule]]\nid = 'host.disk'\nwhen = 'used >'\n\n\
                    [[rule]]\nid = 'gpu.zombie'\nwhen = 'tmep > 3'\n[commands]\nreset = ['a; b']";
        let config = Config::parse(text, Path::new("config.toml")).expect("the rest");
        assert!(config.left_out()[0].starts_with("config.toml:3: invalid type"), "{:?}", config.left_out());
        let (rules, lines) = config.rules();
        let starts = ["config.toml:13: `a; b`", "config.toml:7: rule host.disk: ", "config.toml:11: rule gpu.zombie: "];
        assert_eq!(lines.len(), starts.len(), "{lines:?}");
        for (line, start) in lines.iter().zip(starts) {
            assert!(line.starts_with(start), "{line}");
        }
        assert!(lines[2].ends_with("did you mean `temp`?"), "{}", lines[2]);
        assert_eq!(rules.rules.len(), Rules::default().rules.len());
    }
}
