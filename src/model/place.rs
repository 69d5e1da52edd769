//! Where a node stands: levels such as region, pod and rack, from the widest to the narrowest.

use serde::{Deserialize, Serialize};

/// The name of what nobody named: the place of nodes that have no label for a level, the group of rows without a text.
pub const NOWHERE: &str = "–";

/// One label of a node: `rack=r12`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Label {
    /// The label's name, a place level or anything that the site chose.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// The place levels that a hub rolls up, widest first. Nodes without a level's label are in the place `–`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels(Vec<String>);

impl Levels {
    /// The level that holds the whole fleet as one place; it is always there, above all others.
    pub const FLEET: &'static str = "fleet";

    /// These levels, widest first.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Levels(names.into_iter().collect())
    }

    /// Names of the levels, widest first, without [`Levels::FLEET`].
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The level's position, 0 for the widest.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|n| n == name)
    }
}

impl Default for Levels {
    fn default() -> Self {
        Levels::new(["region", "pod", "rack"].map(String::from))
    }
}
