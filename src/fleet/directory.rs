//! Which node has which name, in full or in short, and all of them in the order of their names.
//! The order is kept as nodes come, so that no query sorts names.

use std::collections::HashMap;

use super::{
    name::{Name, natural},
    node::NodeId,
};

/// Names to nodes.
#[derive(Debug, Default)]
pub(super) struct Directory {
    names: Vec<Name>,
    exact: HashMap<Name, NodeId>,
    /// The first parts of names with a domain; nothing for one that several nodes have.
    short: HashMap<Box<str>, Option<NodeId>>,
    order: Vec<NodeId>,
}

impl Directory {
    /// Enters a name that is not known yet, and says which node it is from now on.
    pub(super) fn add(&mut self, name: Name) -> NodeId {
        let id = NodeId::at(self.names.len());
        let at = self.order.partition_point(|other| natural(&self.names[other.index()], &name).is_lt());
        self.order.insert(at, id);
        if let Some((short, _)) = name.split_once('.') {
            self.short.entry(short.into()).and_modify(|one| *one = None).or_insert(Some(id));
        }
        self.exact.insert(name.clone(), id);
        self.names.push(name);
        id
    }

    /// The node with exactly this name.
    pub(super) fn exact(&self, name: &str) -> Option<NodeId> {
        self.exact.get(name).copied()
    }

    /// The node that `name` means: exactly so called, or by its short form or with a domain if just one fits.
    pub(super) fn find(&self, name: &str) -> Option<NodeId> {
        let shorter = || name.split_once('.').and_then(|(short, _)| self.exact(short));
        self.exact(name).or_else(|| self.short.get(name).copied().flatten()).or_else(shorter)
    }

    /// All nodes in the order of their names.
    pub(super) fn order(&self) -> &[NodeId] {
        &self.order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(names: &[&str]) -> Directory {
        let mut directory = Directory::default();
        for name in names {
            directory.add((*name).into());
        }
        directory
    }

    #[test]
    fn short_and_full_names_find_a_node_when_they_mean_one() {
        let names = ["gpu017.site.example", "gpu018", "gpu019.a.example", "gpu019.b.example"];
        let directory = directory(&names);
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(directory.find(name).map(|id| names[id.index()]), expected, "{name}");
        };
        check("gpu017", Some("gpu017.site.example"));
        check("gpu017.site.example", Some("gpu017.site.example"));
        check("gpu017.elsewhere.example", None);
        check("gpu018", Some("gpu018"));
        check("gpu018.site.example", Some("gpu018"));
        check("gpu019", None);
        check("gpu019.b.example", Some("gpu019.b.example"));
        check("gpu", None);
        check("", None);
    }

    #[test]
    fn nodes_are_in_the_order_of_their_names() {
        let names = ["gpu10", "gpu2", "gpu1", "cpu7", "gpu02"];
        let directory = directory(&names);
        let order: Vec<_> = directory.order().iter().map(|id| names[id.index()]).collect();
        assert_eq!(order, ["cpu7", "gpu1", "gpu02", "gpu2", "gpu10"]);
    }
}
