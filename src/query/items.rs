//! Things in the order of their identity, as runs of one node's slots: half a million GPUs are few nodes.

use std::ops::Range;

use crate::fleet::NodeId;

use super::row::Item;

/// Many things. One is found by its position in few steps.
#[derive(Debug, Default)]
pub(super) struct Items {
    runs: Vec<Start>,
    len: u32,
}

/// Where a run of slots begins. It ends where the next one begins.
#[derive(Clone, Copy, Debug)]
struct Start {
    node: NodeId,
    slot: u32,
    /// How many things come before it.
    before: u32,
}

impl Items {
    /// For about so many runs.
    pub(super) fn with_capacity(runs: usize) -> Items {
        Items { runs: Vec::with_capacity(runs), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// Adds some things of a node.
    pub(super) fn push(&mut self, node: NodeId, slots: Range<u32>) {
        if slots.is_empty() {
            return;
        }
        let goes_on = self
            .runs
            .last()
            .is_some_and(|last| last.node == node && last.slot.wrapping_add(self.len - last.before) == slots.start);
        if !goes_on {
            self.runs.push(Start { node, slot: slots.start, before: self.len });
        }
        self.len += slots.len() as u32;
    }

    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.len = 0;
    }

    /// The thing at a position.
    pub(super) fn get(&self, at: usize) -> Option<Item> {
        let at = u32::try_from(at).ok().filter(|at| *at < self.len)?;
        let run = self.runs.partition_point(|run| run.before <= at).checked_sub(1)?;
        let Start { node, slot, before } = *self.runs.get(run)?;
        Some(Item { node, slot: slot + (at - before) })
    }

    /// The things at some positions, which rise.
    pub(super) fn only(&self, places: impl Iterator<Item = usize>) -> Items {
        let mut only = Items::default();
        let mut runs = self.runs();
        let (mut run, mut before) = (runs.next(), 0);
        for at in places {
            while let Some((_, slots)) = &run
                && before + slots.len() <= at
            {
                before += slots.len();
                run = runs.next();
            }
            let Some((node, slots)) = &run else { break };
            let slot = slots.start + (at - before) as u32;
            only.push(*node, slot..slot + 1);
        }
        only
    }

    /// The runs, each of one node and as long as can be.
    pub(super) fn runs(&self) -> impl Iterator<Item = (NodeId, Range<u32>)> {
        let ends = self.runs.iter().skip(1).map(|next| next.before).chain([self.len]);
        self.runs.iter().zip(ends).map(|(run, end)| (run.node, run.slot..run.slot + (end - run.before)))
    }

    /// Every thing, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Item> {
        self.runs().flat_map(|(node, slots)| slots.map(move |slot| Item { node, slot }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn runs_are_things_one_after_the_other(ranges in vec((0..4_usize, 0..20_u32, 0..6_u32), 0..30)) {
            let mut items = Items::default();
            let mut expected: Vec<Item> = Vec::new();
            for (node, start, len) in ranges {
                let node = NodeId::at(node);
                items.push(node, start..start + len);
                expected.extend((start..start + len).map(|slot| Item { node, slot }));
            }
            prop_assert_eq!(items.len(), expected.len());
            prop_assert_eq!(items.iter().collect::<Vec<_>>(), expected.clone());
            for (at, item) in expected.iter().enumerate() {
                prop_assert_eq!(items.get(at), Some(*item));
            }
            prop_assert_eq!(items.get(expected.len()), None);
            let some = |n: usize| (0..=expected.len()).filter(move |at| at % n == 0);
            for n in 1..4 {
                let only = some(n).filter_map(|at| expected.get(at).copied());
                prop_assert_eq!(items.only(some(n)).iter().collect::<Vec<_>>(), only.collect::<Vec<_>>());
            }
            let longest = items.runs().collect::<Vec<_>>();
            prop_assert!(longest.windows(2).all(|two| two[0].0 != two[1].0 || two[0].1.end != two[1].1.start));
        }
    }
}
