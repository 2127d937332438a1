//! Choices out of a fuzzer's bytes.

/// Reads choices from the front. When the bytes are used up, every choice is zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    pub(crate) const fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// What is left.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn u8(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.u8(), self.u8()])
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from(self.u16()) << 16 | u32::from(self.u16())
    }

    /// A number from 0 to `end - 1`; zero if there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        match end {
            0 | 1 => 0,
            2..=0x100 => usize::from(self.u8()) % end,
            0x101..=0x1_0000 => usize::from(self.u16()) % end,
            _ => self.u32() as usize % end,
        }
    }

    /// Bytes with their length in front, at most `max` of them.
    pub(crate) fn bytes(&mut self, max: usize) -> &'a [u8] {
        let wanted = usize::from(self.u16()).min(max).min(self.0.len());
        let (head, rest) = self.0.split_at(wanted);
        self.0 = rest;
        head
    }
}
