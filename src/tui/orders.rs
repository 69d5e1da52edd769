//! Commands by which a scheduler takes nodes or gives them back, made of the site's templates. They are only copied.

use std::collections::BTreeMap;

use crate::model::{command, hostlist::Hostlist};

/// `[commands]`: templates of the lines of each, by name.
pub(crate) type Commands = BTreeMap<String, Vec<String>>;

/// The scheduler whose commands take many nodes at once, as a hostlist.
pub(crate) const SLURM: &str = "slurm";

/// What is to be said of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// They get no more jobs.
    Drain,
    /// They get jobs again.
    Resume,
}

impl Order {
    /// Its name among `[commands]`.
    const fn word(self) -> &'static str {
        match self {
            Order::Drain => "drain",
            Order::Resume => "resume",
        }
    }
}

/// The commands of one order for one scheduler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders<'a> {
    templates: &'a [String],
    takes_lists: bool,
}

impl<'a> Orders<'a> {
    /// Those for this scheduler among `[commands]`, or those for any.
    ///
    /// # Errors
    /// That there are none, in words.
    pub(crate) fn of(order: Order, scheduler: Option<&str>, commands: &'a Commands) -> Result<Self, String> {
        let word = order.word();
        let own = scheduler.and_then(|name| commands.get(&format!("{word}.{name}")));
        let Some(templates) = own.or_else(|| commands.get(word)) else {
            let known = scheduler.map_or_else(|| "without a scheduler".to_owned(), |name| format!("for {name}"));
            return Err(format!("no {word} command {known}; `{word}` in [commands] of config.toml gives one"));
        };
        Ok(Orders { templates, takes_lists: own.is_some() && scheduler == Some(SLURM) })
    }

    /// The lines for these nodes, of which each is plain, with the reason why.
    pub(crate) fn lines(&self, nodes: &[&str], reason: &str) -> Vec<String> {
        let each = match nodes {
            [_, _, ..] if self.takes_lists => vec![format!("'{}'", Hostlist::fold(nodes.iter().copied()))],
            _ => nodes.iter().map(|node| (*node).to_owned()).collect(),
        };
        let filled =
            |node: &String| self.templates.iter().map(|line| command::filled(line, node, "", reason)).collect();
        each.iter().flat_map::<Vec<String>, _>(filled).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheduler_has_its_commands_and_slurm_takes_lists() {
        let known = [
            ("drain.slurm", "scontrol {node} \"{reason}\""),
            ("drain.kubernetes", "kubectl cordon {node}"),
            ("resume", "our-resume {node}"),
        ];
        let commands = known.map(|(name, line)| (name.to_owned(), vec![line.to_owned()])).into();
        let check = |order, scheduler, nodes: &[&str], expected: &[&str]| {
            let orders = Orders::of(order, scheduler, &commands).expect("a command");
            assert_eq!(orders.lines(nodes, "XID 79 `x`"), expected);
        };
        check(Order::Drain, Some("slurm"), &["n1"], &["scontrol n1 \"XID 79 x\""]);
        check(Order::Drain, Some("slurm"), &["n1", "n2"], &["scontrol 'n[1-2]' \"XID 79 x\""]);
        check(Order::Drain, Some("kubernetes"), &["n1", "n2"], &["kubectl cordon n1", "kubectl cordon n2"]);
        check(Order::Resume, Some("slurm"), &["n1", "n2"], &["our-resume n1", "our-resume n2"]);
        check(Order::Drain, Some("slurm"), &[], &[]);
        let none = Orders::of(Order::Drain, Some("flux"), &commands).expect_err("nobody knows");
        assert_eq!(none, "no drain command for flux; `drain` in [commands] of config.toml gives one");
    }
}
