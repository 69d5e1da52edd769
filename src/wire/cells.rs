//! A table's rows and a series' values, packed: one tag per cell, then only the bytes that the value needs.
//! A number takes 2 to 9 bytes, whichever form holds it exactly; half a million rows of ten fit in one answer.

use crate::model::{
    raw::Gap,
    state::State,
    table::{Cell, Row},
    text::clean,
};

// Tags 0 to 4 are gaps. A cell with one of the tags from LATER on is a length and so many bytes, so that an older
// viewer can pass over what it doesn't know.
const INTEGER: u8 = 5;
const SINGLE: u8 = 6;
const DOUBLE: u8 = 7;
const TEXT: u8 = 8;
const FLAGS: u8 = 9;
const LIST: u8 = 10;
const LATER: u8 = 16;

/// The gaps by their tags.
const GAPS: [Gap; 5] = [Gap::Unknown, Gap::Unsupported, Gap::Failed, Gap::Absent, Gap::Saturated];

/// Characters of one text.
const TEXT_LIMIT: usize = 4096;

/// Appends a row.
pub(super) fn put_row(out: &mut Vec<u8>, row: &Row) {
    put_text(out, &row.id);
    out.push(row.state as u8);
    for cell in &row.cells {
        put_cell(out, cell);
    }
}

/// Appends values along time.
pub(super) fn put_values(out: &mut Vec<u8>, values: &[Option<f64>]) {
    put_varint(out, values.len() as u64);
    for value in values {
        match value {
            Some(value) => put_number(out, *value),
            None => out.push(Gap::Unknown as u8),
        }
    }
}

fn put_cell(out: &mut Vec<u8>, cell: &Cell) {
    match cell {
        Cell::Gap(gap) => out.push(*gap as u8),
        Cell::Number(value) => put_number(out, *value),
        Cell::Text(text) => {
            out.push(TEXT);
            put_text(out, text);
        }
        Cell::Flags(names) => {
            out.push(FLAGS);
            put_varint(out, names.len() as u64);
            for name in names {
                put_text(out, name);
            }
        }
        Cell::List(values) => {
            out.push(LIST);
            put_values(out, values);
        }
    }
}

fn put_number(out: &mut Vec<u8>, value: f64) {
    let (integer, single) = (value as i64, value as f32);
    // Compared bit by bit, so that -0 and NaN come through as they are.
    let is_integer = (integer as f64).to_bits() == value.to_bits();
    let zigzag = ((integer << 1) ^ (integer >> 63)) as u64;
    if is_integer && zigzag < 1 << 28 {
        out.push(INTEGER);
        put_varint(out, zigzag);
    } else if f64::from(single).to_bits() == value.to_bits() {
        out.push(SINGLE);
        out.extend(single.to_le_bytes());
    } else if is_integer && zigzag < 1 << 49 {
        out.push(INTEGER);
        put_varint(out, zigzag);
    } else {
        out.push(DOUBLE);
        out.extend(value.to_le_bytes());
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend(text.as_bytes());
}

fn put_varint(out: &mut Vec<u8>, value: u64) {
    prost::encoding::encode_varint(value, out);
}

/// Reads what was packed. Every list is at least as long in bytes as in items, so nothing is allocated that
/// is much larger than what came.
#[derive(Debug)]
pub(super) struct Packed<'a>(pub(super) &'a [u8]);

impl Packed<'_> {
    /// `count` rows of `columns` cells each, and nothing after them.
    pub(super) fn rows(mut self, count: u64, columns: usize) -> Option<Vec<Row>> {
        let rows = self.list(count, |packed| packed.row(columns))?;
        self.0.is_empty().then_some(rows)
    }

    /// Values along time, and nothing after them.
    pub(super) fn values(mut self) -> Option<Vec<Option<f64>>> {
        let values = self.numbers()?;
        self.0.is_empty().then_some(values)
    }

    fn row(&mut self, columns: usize) -> Option<Row> {
        let id = self.text()?;
        let state = *State::ALL.get(usize::from(self.byte()?))?;
        let cells = (0..columns).map(|_| self.cell()).collect::<Option<_>>()?;
        Some(Row { id, state, cells })
    }

    fn cell(&mut self) -> Option<Cell> {
        let tag = self.byte()?;
        Some(match tag {
            TEXT => Cell::Text(self.text()?),
            FLAGS => {
                let count = self.varint()?;
                Cell::Flags(self.list(count, Packed::text)?)
            }
            LIST => Cell::List(self.numbers()?),
            LATER.. => {
                let len = self.varint()?;
                self.take(len)?;
                Cell::Gap(Gap::Unknown)
            }
            _ => match self.number(tag)? {
                Ok(value) => Cell::Number(value),
                Err(gap) => Cell::Gap(gap),
            },
        })
    }

    fn numbers(&mut self) -> Option<Vec<Option<f64>>> {
        let count = self.varint()?;
        self.list(count, |packed| {
            let tag = packed.byte()?;
            packed.number(tag).map(Result::ok)
        })
    }

    /// The number or gap behind `tag`.
    fn number(&mut self, tag: u8) -> Option<Result<f64, Gap>> {
        Some(match tag {
            INTEGER => {
                let zigzag = self.varint()?;
                Ok(((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)) as f64)
            }
            SINGLE => Ok(f32::from_le_bytes(*self.array()?).into()),
            DOUBLE => Ok(f64::from_le_bytes(*self.array()?)),
            _ => Err(*GAPS.get(usize::from(tag))?),
        })
    }

    /// `count` items, each of which takes a byte at least.
    fn list<T>(&mut self, count: u64, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        if count > self.0.len() as u64 {
            return None;
        }
        (0..count).map(|_| item(self)).collect()
    }

    fn text(&mut self) -> Option<String> {
        let len = self.varint()?;
        let text = std::str::from_utf8(self.take(len)?).ok()?;
        Some(clean(text, TEXT_LIMIT).into_owned())
    }

    fn varint(&mut self) -> Option<u64> {
        prost::encoding::decode_varint(&mut self.0).ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn array<const N: usize>(&mut self) -> Option<&[u8; N]> {
        self.take(N as u64)?.first_chunk()
    }

    fn take(&mut self, len: u64) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = f64> {
        let close = |value: f64, digits: f64| (value * digits).round() / digits;
        prop_oneof![
            any::<i32>().prop_map(f64::from),
            any::<i64>().prop_map(|n| n as f64),
            (-1e6..1e6).prop_map(move |v| close(v, 2.0)),
            any::<f64>().prop_filter("equality of rows", |v| !v.is_nan()),
        ]
    }

    fn cell() -> impl Strategy<Value = Cell> {
        prop_oneof![
            prop::sample::select(&GAPS).prop_map(Cell::Gap),
            number().prop_map(Cell::Number),
            "[a-zäöü0-9:/]{0,12}".prop_map(Cell::Text),
            prop::collection::vec("[a-z_]{1,8}", 0..4).prop_map(Cell::Flags),
            prop::collection::vec(prop::option::of(number()), 0..9).prop_map(Cell::List),
        ]
    }

    proptest! {
        #[test]
        fn rows_come_back(cells in prop::collection::vec(prop::collection::vec(cell(), 3), 0..20)) {
            let row = |(n, cells)| Row { id: format!("gpu{n}"), state: State::ALL[n % 4], cells };
            let rows: Vec<_> = cells.into_iter().enumerate().map(row).collect();
            let mut bytes = Vec::new();
            for row in &rows {
                put_row(&mut bytes, row);
            }
            prop_assert_eq!(Packed(&bytes).rows(rows.len() as u64, 3), Some(rows));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), count: u64, columns in 0usize..9) {
            let _ = Packed(&bytes).rows(count, columns);
            let _ = Packed(&bytes).values();
        }
    }

    #[test]
    fn minus_zero_and_nan_come_back() {
        let mut bytes = Vec::new();
        put_values(&mut bytes, &[Some(-0.0), Some(f64::NAN), None]);
        let values = Packed(&bytes).values().unwrap();
        assert!(values[0].is_some_and(|v| v == 0.0 && v.is_sign_negative()));
        assert!(values[1].is_some_and(f64::is_nan));
        assert_eq!(values[2], None);
    }

    #[test]
    fn a_cell_of_a_newer_build_is_passed_over() {
        let mut bytes = Vec::new();
        put_text(&mut bytes, "gpu1");
        bytes.extend([0, LATER + 3, 2, 0xff, 0xff]);
        put_number(&mut bytes, 7.0);
        let rows = Packed(&bytes).rows(1, 2).unwrap();
        assert_eq!(rows[0].cells, [Cell::Gap(Gap::Unknown), Cell::Number(7.0)]);
    }

    #[test]
    fn common_numbers_are_short() {
        let check = |value: f64, bytes: usize| {
            let mut out = Vec::new();
            put_number(&mut out, value);
            assert_eq!(out.len(), bytes, "{value}");
        };
        check(0.0, 2);
        check(63.0, 2);
        check(97.5, 5);
        check(1980.0, 3);
        check(80.0 * 1073741824.0, 5);
        check(0.1, 9);
    }
}
