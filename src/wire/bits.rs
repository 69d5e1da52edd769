//! Numbers of a few bits each, one behind the other, lowest bit first.
//! Reading never goes past the end: what is not there is nothing.

/// Writes numbers into bytes.
#[derive(Debug)]
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    pending: u64,
    count: u32,
}

impl<'a> BitWriter<'a> {
    /// Appends to `out`.
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        BitWriter { out, pending: 0, count: 0 }
    }

    /// The lowest `width` bits of `value`; `width` is at most 32.
    #[inline]
    pub(super) fn put(&mut self, value: u32, width: u32) {
        // At most 31 bits are pending, so 32 more always fit.
        let mask = (1u64 << width) - 1;
        self.pending |= (u64::from(value) & mask) << self.count;
        self.count += width;
        if self.count >= u32::BITS {
            self.out.extend_from_slice(&(self.pending as u32).to_le_bytes());
            self.pending >>= u32::BITS;
            self.count -= u32::BITS;
        }
    }

    /// Fills the last byte with zeros.
    pub(super) fn finish(self) {
        let bytes = self.pending.to_le_bytes().into_iter().take(self.count.div_ceil(8) as usize);
        self.out.extend(bytes);
    }
}

/// Reads them back.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// Bits that can be looked at together, wherever they begin in a byte.
    pub(super) const PEEKED: u32 = u64::BITS - 7;

    /// From the first bit of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        BitReader { bytes, at: 0 }
    }

    /// The next `width` bits, at most 32; nothing when fewer are left.
    #[inline]
    pub(super) fn take(&mut self, width: u32) -> Option<u32> {
        let word = self.peek();
        self.skip(width as usize)?;
        Some((word & ((1u64 << width) - 1)) as u32)
    }

    /// The next [`BitReader::PEEKED`] bits at least, with zeros behind the last. The reader stays where it is.
    #[inline]
    pub(super) fn peek(&self) -> u64 {
        let (byte, shift) = (self.at / 8, self.at % 8);
        let word = match self.bytes.get(byte..).and_then(|rest| rest.first_chunk()) {
            Some(eight) => u64::from_le_bytes(*eight),
            None => self.last_word(byte),
        };
        word >> shift
    }

    /// Goes `width` bits further; nothing when fewer are left.
    #[inline]
    pub(super) fn skip(&mut self, width: usize) -> Option<()> {
        let at = self.at.checked_add(width)?;
        if at > self.bytes.len() * 8 {
            return None;
        }
        self.at = at;
        Some(())
    }

    /// Whether nothing is left but the zeros that fill the last byte.
    pub(super) fn is_spent(&self) -> bool {
        let left = self.bytes.len() * 8 - self.at;
        left < 8 && self.clone().take(left as u32) == Some(0)
    }

    /// Up to eight bytes from `byte` on, where fewer than eight are left.
    #[cold]
    fn last_word(&self, byte: usize) -> u64 {
        let rest = self.bytes.get(byte..).unwrap_or(&[]);
        rest.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(numbers in prop::collection::vec((any::<u32>(), 0u32..=32), 0..100)) {
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            for (value, width) in &numbers {
                writer.put(*value, *width);
            }
            writer.finish();
            let mut reader = BitReader::new(&bytes);
            for (value, width) in numbers {
                let expected = (u64::from(value) & ((1u64 << width) - 1)) as u32;
                prop_assert_eq!(reader.take(width), Some(expected));
            }
            prop_assert!(reader.is_spent());
            prop_assert_eq!(reader.skip(8), None);
        }
    }

    #[test]
    fn nothing_is_read_past_the_end() {
        let mut reader = BitReader::new(&[0xff, 0x01]);
        assert_eq!(reader.take(9), Some(0x1ff));
        assert_eq!(reader.take(8), None, "seven bits are left");
        assert_eq!(reader.take(7), Some(0), "a failed read moves nothing");
        assert_eq!(reader.take(1), None);
    }
}
