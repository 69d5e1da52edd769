//! `--scenario`: what goes wrong in a simulated cluster.

use anyhow::{Context as _, Result};

use super::Usage;
use crate::collect::sim::{Faults, scenario};

/// The scenario of this name, or in this file.
///
/// # Errors
/// There is none of this name, or the file cannot be read.
pub(super) fn read(name: &str) -> Result<Faults> {
    if let Some(faults) = scenario::named(name) {
        return Ok(faults);
    }
    if !name.contains(['/', '.']) {
        let names: Vec<&str> = scenario::names().collect();
        return Err(Usage(format!("no scenario is called `{name}`; these are: {}", names.join(", "))).into());
    }
    let text = std::fs::read_to_string(name).with_context(|| format!("cannot read the scenario {name}"))?;
    scenario::parse(&text).map_err(|problem| Usage(format!("{name}: {problem}")).into())
}
