//! A few steps of many series in few bytes, exactly: each series as its smallest value and differences from it in just
//! as many bits as they need. What does not move takes two bytes or three for all steps together.

use crate::model::raw::Raw;

/// Steps of a full block.
pub(super) const STEPS: usize = 16;

/// Gaps are coded as 0 to 4 where a series has any; numbers follow after them.
const GAPS: u32 = 5;
/// In a series' first byte: it has gaps among its numbers.
const MIXED: u8 = 0x80;
/// In a series' first byte: it is one gap all along; the lower bits say which.
const ALL_GAP: u8 = 0x40;

/// Appends `cells` (one row of `series` values per step, at most [`STEPS`] rows) to `out`.
pub(super) fn pack(cells: &[Raw], series: usize, out: &mut Vec<u8>) {
    let mut values = [Raw::UNKNOWN; STEPS];
    for at in 0..series {
        let steps = cells.iter().skip(at).step_by(series);
        let n = steps.zip(&mut values).map(|(cell, value)| *value = *cell).count();
        pack_series(&values[..n], out);
    }
}

/// Reads the values of some series, in rising order, from a block of so many steps: `out` has one after the other.
pub(super) fn unpack(bytes: &[u8], steps: usize, series: &[usize], out: &mut Vec<[Raw; STEPS]>) {
    out.clear();
    let (mut reader, mut next) = (Reader { bytes }, 0);
    for &at in series {
        while next < at {
            let head = reader.head();
            reader.skip(head.bytes(steps));
            next += 1;
        }
        let (head, mut values) = (reader.head(), [Raw::UNKNOWN; STEPS]);
        head.values(reader.skip(head.bytes(steps)), &mut values[..steps.min(STEPS)]);
        out.push(values);
        next += 1;
    }
}

fn pack_series(values: &[Raw], out: &mut Vec<u8>) {
    let Some(first) = values.first() else { return };
    if values.iter().all(|value| value == first) {
        match first.steps() {
            Some(steps) => {
                out.push(0);
                put_varint(zigzag(steps), out);
            }
            None => out.push(ALL_GAP | gap_code(*first) as u8),
        }
        return;
    }
    let base = values.iter().filter_map(|value| value.steps()).min().unwrap_or(0);
    let mixed = values.iter().any(|value| value.steps().is_none());
    let after = if mixed { GAPS } else { 0 };
    // Numbers lie at least 16 above the lowest integer, so that the difference and the gaps' codes fit together.
    let code = |value: &Raw| value.steps().map_or_else(|| gap_code(*value), |s| s.wrapping_sub(base) as u32 + after);
    let widest = values.iter().map(code).max().unwrap_or(0);
    let width = 32 - widest.leading_zeros();
    out.push(width as u8 | if mixed { MIXED } else { 0 });
    put_varint(zigzag(base), out);
    let (mut bits, mut filled) = (0_u64, 0);
    for value in values {
        bits |= u64::from(code(value)) << filled;
        filled += width;
        while filled >= 8 {
            out.push(bits as u8);
            (bits, filled) = (bits >> 8, filled - 8);
        }
    }
    if filled > 0 {
        out.push(bits as u8);
    }
}

/// 0 to 4 for the five gaps; bits that nobody defined are unknown.
fn gap_code(gap: Raw) -> u32 {
    let code = gap.bits().wrapping_sub(i32::MIN) as u32;
    if code < GAPS { code } else { 0 }
}

fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

fn put_varint(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How a series is packed.
enum Head {
    Gap(Raw),
    Packed { width: u32, base: i32, mixed: bool },
}

impl Head {
    fn bytes(&self, steps: usize) -> usize {
        match self {
            Head::Gap(_) => 0,
            Head::Packed { width, .. } => (*width as usize * steps).div_ceil(8),
        }
    }

    fn values(&self, packed: &[u8], out: &mut [Raw]) {
        let (width, base, mixed) = match *self {
            Head::Gap(gap) => return out.fill(gap),
            Head::Packed { width, base, mixed } => (width, base, mixed),
        };
        let mask = (1_u64 << width) - 1;
        let mut packed = packed.iter();
        let (mut bits, mut filled) = (0_u64, 0);
        for value in out {
            while filled < width {
                bits |= u64::from(packed.next().copied().unwrap_or(0)) << filled;
                filled += 8;
            }
            let code = (bits & mask) as u32;
            (bits, filled) = (bits >> width, filled - width);
            *value = match (mixed, code.checked_sub(GAPS)) {
                (true, None) => Raw::from_bits(i32::MIN.wrapping_add(code as i32)),
                (true, Some(above)) => Raw::from_bits(base.wrapping_add(above as i32)),
                (false, _) => Raw::from_bits(base.wrapping_add(code as i32)),
            };
        }
    }
}

/// Goes through a block's bytes. They are our own, yet reading past their end gives zeros rather than a panic.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn head(&mut self) -> Head {
        let first = self.byte();
        if first & ALL_GAP != 0 {
            return Head::Gap(Raw::from_bits(i32::MIN + i32::from(first & 7)));
        }
        let width = u32::from(first & 0x3f).min(32);
        let code = self.varint();
        let base = (code >> 1) as i32 ^ -((code & 1) as i32);
        Head::Packed { width, base, mixed: first & MIXED != 0 }
    }

    fn byte(&mut self) -> u8 {
        let (first, rest) = self.bytes.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
        self.bytes = rest;
        first
    }

    fn varint(&mut self) -> u32 {
        let mut value = 0;
        for shift in (0..32).step_by(7) {
            let byte = self.byte();
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }

    fn skip(&mut self, n: usize) -> &'a [u8] {
        let (skipped, rest) = self.bytes.split_at(n.min(self.bytes.len()));
        self.bytes = rest;
        skipped
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw() -> impl Strategy<Value = Raw> {
        let number = prop_oneof![-100..100_i32, Raw::MIN..=i32::MAX, Just(Raw::MIN), Just(i32::MAX)];
        prop_oneof![4 => number, 1 => i32::MIN..i32::MIN + 5].prop_map(Raw::from_bits)
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_back(
            columns in prop::collection::vec(prop_oneof![
                prop::collection::vec(raw(), STEPS),
                raw().prop_map(|value| vec![value; STEPS]),
            ], 1..9),
            steps in 1..=STEPS,
            at in any::<prop::sample::Index>(),
        ) {
            let series = columns.len();
            let cells: Vec<Raw> = (0..steps).flat_map(|step| columns.iter().map(move |column| column[step])).collect();
            let mut bytes = Vec::new();
            pack(&cells, series, &mut bytes);
            let some: Vec<usize> = (at.index(series)..series).step_by(2).collect();
            let mut out = Vec::new();
            unpack(&bytes, steps, &some, &mut out);
            prop_assert_eq!(out.len(), some.len());
            for (at, values) in some.into_iter().zip(&out) {
                prop_assert_eq!(&columns[at][..steps], &values[..steps]);
            }
        }

        #[test]
        fn any_bytes_unpack_to_something(bytes in prop::collection::vec(any::<u8>(), 0..64), first in 0..5_usize) {
            unpack(&bytes, STEPS, &[first, first + 1, first + 7], &mut Vec::new());
        }
    }

    #[test]
    fn what_does_not_move_takes_hardly_a_byte() {
        let check = |value: Raw, expected| {
            let mut bytes = Vec::new();
            pack(&[value; STEPS], 1, &mut bytes);
            assert_eq!(bytes.len(), expected, "{value:?}");
        };
        check(Raw::UNSUPPORTED, 1);
        check(Raw::new(0.0, 1.0), 2);
        check(Raw::new(81_559.0, 1.0), 4);
    }
}
