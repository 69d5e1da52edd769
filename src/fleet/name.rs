//! Names and other text of nodes, each kept once however many nodes share it.
//! Text from other machines comes in here and nowhere else, so that all of it is cleaned.

use std::{cmp::Ordering, collections::HashSet, sync::Arc};

use crate::model::text::clean;

/// Text of a node: control characters are gone, and equal texts mostly share their memory.
pub type Name = Arc<str>;

/// Longest text that is kept, in characters.
const LONGEST: usize = 256;

/// The texts that several nodes are likely to share: models, versions, users, process names.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashSet<Name>,
    sweep_at: usize,
}

impl Names {
    /// How many texts are kept before unused ones are looked for.
    const SMALL: usize = 4096;

    /// `text`, cleaned, in the memory that equal texts share.
    pub(super) fn share(&mut self, text: &str) -> Name {
        let text = clean(text, LONGEST);
        if let Some(name) = self.known.get(&*text) {
            return name.clone();
        }
        if self.known.len() >= self.sweep_at.max(Self::SMALL) {
            self.sweep();
        }
        let name: Name = text.into();
        self.known.insert(name.clone());
        name
    }

    /// Makes `name` the share of `text`; mostly it is that already.
    pub(super) fn renew(&mut self, name: &mut Name, text: &str) {
        if **name != *text {
            *name = self.share(text);
        }
    }

    /// Lets go of what nobody uses any more; process names would pile up otherwise.
    fn sweep(&mut self) {
        self.known.retain(|name| Arc::strong_count(name) > 1);
        // Twice what is in use, so that the cost of sweeping stays in proportion to the names that came.
        self.sweep_at = self.known.len() * 2;
    }
}

/// `text`, cleaned, in memory of its own: for what no two nodes share, such as a UUID.
pub(super) fn own(text: &str) -> Name {
    clean(text, LONGEST).into()
}

/// Compares names as people sort them: runs of digits by their number, so that `gpu2` comes before `gpu10`.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    while let (Some(&x), Some(&y)) = (left.first(), right.first()) {
        let order = if x.is_ascii_digit() && y.is_ascii_digit() {
            let (m, n) = (digits(&mut left), digits(&mut right));
            m.len().cmp(&n.len()).then_with(|| m.cmp(n))
        } else {
            (left, right) = (&left[1..], &right[1..]);
            x.cmp(&y)
        };
        if order.is_ne() {
            return order;
        }
    }
    // Names that only differ in leading zeros still need an order of their own.
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

/// Takes the number at the front of `text`, without its leading zeros.
fn digits<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    *text = rest;
    let zeros = number.iter().position(|b| *b != b'0').unwrap_or(number.len());
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_in_names_sort_by_value() {
        let check = |names: &[&str]| {
            for pair in names.windows(2) {
                assert_eq!(natural(pair[0], pair[1]), Ordering::Less, "{pair:?}");
                assert_eq!(natural(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
            }
        };
        check(&["gpu2", "gpu10", "gpu10a", "gpu11"]);
        check(&["", "a", "a0", "a00", "a01", "a1", "a2", "b"]);
        check(&["rack9-node99", "rack10-node1"]);
        check(&["n99999999999999999999998", "n99999999999999999999999"]);
    }

    #[test]
    fn unused_names_are_let_go() {
        let mut names = Names::default();
        let kept = names.share("kept");
        for n in 0..Names::SMALL * 4 {
            names.share(&format!("passing {n}"));
        }
        assert!(names.known.len() <= Names::SMALL + 1, "{}", names.known.len());
        assert!(Arc::ptr_eq(&kept, &names.share("kept")), "what is in use stays shared");
    }

    #[test]
    fn names_are_cleaned() {
        assert_eq!(&*Names::default().share("a\u{1b}[2J"), "a\u{fffd}[2J");
        assert_eq!(&*own("a\nb"), "a\u{fffd}b");
    }

    proptest! {
        #[test]
        fn natural_order_is_total(a in "[ab01]{0,6}", b in "[ab01]{0,6}", c in "[ab01]{0,6}") {
            prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            prop_assert_eq!(natural(&a, &b) == Ordering::Equal, a == b);
            if natural(&a, &b).is_le() && natural(&b, &c).is_le() {
                prop_assert!(natural(&a, &c).is_le());
            }
        }
    }
}
