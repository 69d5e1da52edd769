//! What is told of several things at once, in three-valued logic: one bit for each that it is true of, and one for each
//! that it is false of.

use super::batch::LANES;

/// Of which things of a run a condition is true, and of which false; of the others that is not known. Bits beyond the
/// run say nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    yes: u16,
    no: u16,
}

const _: () = assert!(LANES <= u16::BITS as usize);

impl Told {
    /// The same of all things.
    pub(super) fn all(known: Option<bool>) -> Told {
        match known {
            Some(true) => Told { yes: u16::MAX, no: 0 },
            Some(false) => Told { yes: 0, no: u16::MAX },
            None => Told::default(),
        }
    }

    /// Of each thing, in order.
    pub(super) fn each(known: impl Iterator<Item = Option<bool>>) -> Told {
        known.take(LANES).zip(0..).fold(Told::default(), |told, (known, at)| Told {
            yes: told.yes | u16::from(known == Some(true)) << at,
            no: told.no | u16::from(known == Some(false)) << at,
        })
    }

    /// Of these things, that it is true of some and false of the others.
    pub(super) fn these(these: u16, yes: u16) -> Told {
        Told { yes: these & yes, no: these & !yes }
    }

    /// What it tells of these things, and nothing of the others.
    pub(super) fn only(self, these: u16) -> Told {
        Told { yes: self.yes & these, no: self.no & these }
    }

    /// What either tells, of different things.
    pub(super) fn with(self, other: Told) -> Told {
        Told { yes: self.yes | other.yes, no: self.no | other.no }
    }

    pub(super) fn and(self, other: Told) -> Told {
        Told { yes: self.yes & other.yes, no: self.no | other.no }
    }

    pub(super) fn or(self, other: Told) -> Told {
        Told { yes: self.yes | other.yes, no: self.no & other.no }
    }

    pub(super) fn not(self) -> Told {
        Told { yes: self.no, no: self.yes }
    }

    /// Whether it is `known` of the first `n` things.
    pub(super) fn is_all(self, known: bool, n: usize) -> bool {
        let first = first(n);
        (if known { self.yes } else { self.no }) & first == first
    }

    /// Of how many of the first `n` things it is true, false, and unknown.
    pub(super) fn counts(self, n: usize) -> [u32; 3] {
        let [yes, no] = [self.yes & first(n), self.no & first(n)].map(u16::count_ones);
        [yes, no, n as u32 - yes - no]
    }

    /// The runs of things next to one another that it is true of, among the first `n`: where each begins and ends.
    pub(super) fn runs(self, n: usize) -> impl Iterator<Item = (u32, u32)> {
        let mut left = u32::from(self.yes & first(n));
        std::iter::from_fn(move || {
            let start = left.trailing_zeros();
            let len = (left >> start.min(31)).trailing_ones();
            left &= !(((1 << len) - 1) << start.min(31));
            (len > 0).then_some((start, start + len))
        })
    }
}

/// The bits of the first `n` things.
fn first(n: usize) -> u16 {
    if n >= u16::BITS as usize { u16::MAX } else { (1 << n) - 1 }
}

#[cfg(test)]
mod tests {
    use proptest::{
        arbitrary::any as arbitrary,
        collection::vec,
        prelude::{Strategy, prop_assert, prop_assert_eq, proptest},
    };

    use super::{
        super::evaluate::{all, any},
        LANES, Told,
    };

    type Pair = (Option<bool>, Option<bool>);

    fn known() -> impl Strategy<Value = Vec<Pair>> {
        vec(arbitrary::<Pair>(), 0..=LANES)
    }

    proptest! {
        #[test]
        fn lanes_are_joined_as_single_ones_are(pairs in known()) {
            let told = |which: fn(&Pair) -> Option<bool>| Told::each(pairs.iter().map(which));
            let (a, b) = (told(|pair| pair.0), told(|pair| pair.1));
            prop_assert_eq!(a.and(b), told(|(a, b)| all([*a, *b])));
            prop_assert_eq!(a.or(b), told(|(a, b)| any([*a, *b])));
            prop_assert_eq!(a.not(), told(|(a, _)| a.map(|known| !known)));
            let n = pairs.len();
            let count = |known| pairs.iter().filter(|(a, _)| *a == known).count() as u32;
            prop_assert_eq!(a.counts(n), [count(Some(true)), count(Some(false)), count(None)]);
            for known in [true, false] {
                prop_assert_eq!(a.is_all(known, n), pairs.iter().all(|(a, _)| *a == Some(known)));
                prop_assert!(Told::all(Some(known)).is_all(known, n));
            }
            let true_of: Vec<u32> = a.runs(n).flat_map(|(start, end)| start..end).collect();
            let expected = (0..).zip(&pairs).filter(|(_, (a, _))| *a == Some(true));
            prop_assert_eq!(true_of, expected.map(|(at, _)| at).collect::<Vec<u32>>());
            let runs: Vec<_> = a.runs(n).collect();
            prop_assert!(runs.windows(2).all(|two| two[0].1 < two[1].0), "{:?}", runs);
        }
    }
}
