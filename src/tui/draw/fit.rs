//! Which columns fit, and where they stand. A column is there as a whole or not at all.
//! The ones that matter least give way first; what is left over goes to the one that can use it.

use std::ops::Range;

/// What a column wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Cells without which it is not shown.
    pub(crate) width: u16,
    /// How soon it gives way; 0 only when nothing else is left to.
    pub(crate) rank: u8,
    /// Most cells that it can use; as `width` for one that needs no more.
    pub(crate) most: u16,
}

/// Blank cells between columns.
pub(crate) const GAP: u16 = 1;

/// Where each of the columns stands within `width` cells, or nothing for those that gave way.
pub(crate) fn fit(wishes: &[Wish], width: u16) -> Vec<Option<Range<u16>>> {
    let mut kept = vec![true; wishes.len()];
    let needed = |kept: &[bool]| {
        let widths =
            wishes.iter().zip(kept).filter(|(_, kept)| **kept).map(|(w, _)| u32::from(w.width) + u32::from(GAP));
        widths.sum::<u32>().saturating_sub(u32::from(GAP))
    };
    while needed(&kept) > u32::from(width) {
        // Of two that matter alike, the one further right gives way first.
        let next = (0..wishes.len()).filter(|at| kept[*at]).max_by_key(|at| (wishes[*at].rank, *at));
        match next {
            Some(at) => kept[at] = false,
            None => break,
        }
    }
    let mut spare = u32::from(width).saturating_sub(needed(&kept)) as u16;
    let mut x = 0;
    let mut place = |at: usize, wish: &Wish| {
        if !kept[at] {
            return None;
        }
        let more = wish.most.saturating_sub(wish.width).min(spare);
        spare -= more;
        let from = x;
        x = from + wish.width + more + GAP;
        Some(from..from + wish.width + more)
    };
    wishes.iter().enumerate().map(|(at, wish)| place(at, wish)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wish(width: u16, rank: u8) -> Wish {
        Wish { width, rank, most: width }
    }

    #[test]
    fn the_least_important_gives_way_whole() {
        let wishes = [wish(8, 0), wish(5, 2), wish(6, 1)];
        assert_eq!(fit(&wishes, 21), [Some(0..8), Some(9..14), Some(15..21)]);
        assert_eq!(fit(&wishes, 20), [Some(0..8), None, Some(9..15)]);
        assert_eq!(fit(&wishes, 14), [Some(0..8), None, None]);
        assert_eq!(fit(&wishes, 7), [None, None, None]);
    }

    #[test]
    fn what_is_left_over_is_used() {
        let wishes = [wish(4, 0), Wish { width: 4, rank: 0, most: 20 }];
        assert_eq!(fit(&wishes, 15), [Some(0..4), Some(5..15)]);
    }

    proptest! {
        #[test]
        fn columns_never_overlap_nor_leave_the_screen(
            parts in prop::collection::vec((0_u16..90, 0_u8..10, 0_u16..90), 0..30), width in 0_u16..300
        ) {
            let wishes: Vec<Wish> =
                parts.iter().map(|&(width, rank, more)| Wish { width, rank, most: width + more }).collect();
            let mut free = 0;
            for (place, wish) in fit(&wishes, width).into_iter().zip(&wishes) {
                let Some(place) = place else { continue };
                prop_assert!(place.start >= free && place.end <= width);
                prop_assert!(place.len() >= usize::from(wish.width));
                free = place.end + GAP;
            }
        }
    }
}
