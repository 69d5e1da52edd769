//! Which node has which name, in full or in short, and all of them in the order of their names.
//! The order is kept as nodes come, so that no query sorts names.

use std::{collections::HashMap, ops::Range};

use super::{
    name::{Name, natural},
    node::NodeId,
};
use crate::model::hostlist::{same, short};

/// Names to nodes.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// All names, one after the other, and where each node's is: scans read them in a row.
    text: String,
    spans: Vec<Range<u32>>,
    exact: HashMap<Name, NodeId>,
    /// The nodes whose names begin with the same part, in lower case.
    hosts: HashMap<Box<str>, Vec<NodeId>>,
    order: Vec<NodeId>,
}

impl Directory {
    /// Enters a name that is not known yet, and says which node it is from now on.
    pub(super) fn add(&mut self, name: Name) -> NodeId {
        let id = NodeId::at(self.spans.len());
        let at = self.order.partition_point(|other| natural(self.name(*other), &name).is_lt());
        self.order.insert(at, id);
        self.hosts.entry(host(&name)).or_default().push(id);
        let start = self.text.len() as u32;
        self.text.push_str(&name);
        self.spans.push(start..self.text.len() as u32);
        self.exact.insert(name, id);
        id
    }

    /// A node's name.
    pub(super) fn name(&self, id: NodeId) -> &str {
        let Range { start, end } = self.spans[id.index()];
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Puts the names into their order, in which they are scanned.
    pub(super) fn settle(&mut self) {
        let mut text = String::with_capacity(self.text.len());
        let mut spans = self.spans.clone();
        for id in &self.order {
            let start = text.len() as u32;
            text.push_str(self.name(*id));
            spans[id.index()] = start..text.len() as u32;
        }
        (self.text, self.spans) = (text, spans);
    }

    /// The node with exactly this name.
    pub(super) fn exact(&self, name: &str) -> Option<NodeId> {
        self.exact.get(name).copied()
    }

    /// The node that `name` means: exactly so called, or by its short form or with a domain if just one fits.
    pub(super) fn find(&self, name: &str) -> Option<NodeId> {
        let in_short = |id: &&NodeId| self.name(**id).split_once('.').is_some_and(|(short, _)| short == name);
        let longer = || {
            let mut fit = self.hosts.get(&host(name))?.iter().filter(in_short);
            fit.next().filter(|_| fit.next().is_none()).copied()
        };
        let shorter = || name.split_once('.').and_then(|(short, _)| self.exact(short));
        self.exact(name).or_else(longer).or_else(shorter)
    }

    /// All nodes that may be meant by `name`, as [`same`] has it, in the order of their names.
    pub(super) fn alike(&self, name: &str) -> Vec<NodeId> {
        let hosts = self.hosts.get(&host(name)).map_or(&[][..], Vec::as_slice);
        let mut alike: Vec<NodeId> = hosts.iter().copied().filter(|id| same(self.name(*id), name)).collect();
        alike.sort_by(|a, b| natural(self.name(*a), self.name(*b)));
        alike
    }

    /// All nodes in the order of their names.
    pub(super) fn order(&self) -> &[NodeId] {
        &self.order
    }
}

/// The first part of a name, in lower case.
fn host(name: &str) -> Box<str> {
    short(name).to_ascii_lowercase().into()
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
        let alike = |name: &str| directory.alike(name).iter().map(|id| names[id.index()]).collect::<Vec<_>>();
        assert_eq!(alike("GPU019"), ["gpu019.a.example", "gpu019.b.example"]);
        assert_eq!(alike("gpu018.any.example"), ["gpu018"]);
        assert_eq!(alike("gpu017.other.example"), [""; 0]);
        check("", None);
    }

    #[test]
    fn nodes_are_in_the_order_of_their_names() {
        let names = ["gpu10", "gpu2", "gpu1", "cpu7", "gpu02"];
        let mut directory = directory(&names);
        let order: Vec<_> = directory.order().iter().map(|id| names[id.index()]).collect();
        assert_eq!(order, ["cpu7", "gpu1", "gpu02", "gpu2", "gpu10"]);
        directory.settle();
        directory.add("gpu3".into());
        assert_eq!(directory.text, "cpu7gpu1gpu02gpu2gpu10gpu3");
        assert_eq!(names.map(|name| directory.name(directory.find(name).unwrap())), names);
        assert_eq!(directory.order().iter().map(|id| directory.name(*id)).collect::<Vec<_>>()[4], "gpu3");
    }
}
