//! Some GPUs of one node, by their slots: without memory of its own for nodes of usual size.

/// A set of slots, in order.
#[derive(Clone, PartialEq, Eq)]
pub struct Slots(Set);

#[derive(Clone, PartialEq, Eq)]
enum Set {
    /// All below 64: a bit for each.
    Few(u64),
    /// In order.
    Many(Box<[u16]>),
}

impl Slots {
    /// The slots, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        let (mut few, many) = match &self.0 {
            Set::Few(bits) => (*bits, &[][..]),
            Set::Many(slots) => (0, &**slots),
        };
        let few = std::iter::from_fn(move || {
            let slot = few.trailing_zeros() as u16;
            (few != 0).then(|| few &= few - 1).map(|()| slot)
        });
        few.chain(many.iter().copied())
    }

    /// Whether a slot is one of them.
    pub fn contains(&self, slot: u16) -> bool {
        match &self.0 {
            Set::Few(bits) => slot < 64 && bits >> slot & 1 == 1,
            Set::Many(slots) => slots.binary_search(&slot).is_ok(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Set::Few(bits) => bits.count_ones() as usize,
            Set::Many(slots) => slots.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of them are not among the others.
    pub fn without(&self, others: &Slots) -> usize {
        self.iter().filter(|slot| !others.contains(*slot)).count()
    }
}

impl Default for Slots {
    fn default() -> Self {
        Slots(Set::Few(0))
    }
}

impl FromIterator<u16> for Slots {
    fn from_iter<I: IntoIterator<Item = u16>>(slots: I) -> Self {
        let (mut few, mut many) = (0_u64, Vec::new());
        for slot in slots {
            match slot {
                0..64 => few |= 1 << slot,
                _ => many.push(slot),
            }
        }
        let few = Slots(Set::Few(few));
        if many.is_empty() {
            return few;
        }
        many.extend(few.iter());
        many.sort_unstable();
        many.dedup();
        Slots(Set::Many(many.into()))
    }
}

impl std::fmt::Debug for Slots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_a_set_in_order(
            slots in prop::collection::vec(prop_oneof![0..8_u16, 0..70_u16, any::<u16>()], 0..20),
            others in prop::collection::vec(prop_oneof![0..8_u16, 0..70_u16], 0..20),
        ) {
            let (made, made_of_others) = (Slots::from_iter(slots.clone()), Slots::from_iter(others.clone()));
            let [set, other] = [slots, others].map(|all| all.into_iter().collect::<BTreeSet<u16>>());
            prop_assert!(made.iter().eq(set.iter().copied()));
            prop_assert_eq!((made.len(), made.is_empty()), (set.len(), set.is_empty()));
            prop_assert!((0..=u16::MAX).all(|slot| made.contains(slot) == set.contains(&slot)));
            prop_assert_eq!(made.without(&made_of_others), set.difference(&other).count());
            prop_assert_eq!(made == made_of_others, set == other);
        }
    }
}
