//! Bytes on the wire: variable-length integers, packets, frames. docs/PROTOCOL.md, "Encoding".

pub(crate) mod frame;
pub(crate) mod packet;

/// Bytes that end too early or mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed")]
pub(crate) struct Malformed;

/// Largest integer that fits the variable-length encoding: 62 bits, as in RFC 9000, section 16.
pub(crate) const VARINT_MAX: u64 = (1 << 62) - 1;

/// Reads from the front of a slice.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Malformed> {
        let first = *self.0.first().ok_or(Malformed)?;
        let len = 1_usize << (first >> 6);
        let bytes = self.bytes(len)?;
        let head = u64::from(first & 0x3f);
        Ok(bytes[1..].iter().fold(head, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// A length and that many bytes.
    pub(crate) fn sized(&mut self) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
        self.bytes(len)
    }
}

/// Bytes that `value` takes as a variable-length integer.
pub(crate) const fn varint_len(value: u64) -> usize {
    match value {
        0..0x40 => 1,
        0x40..0x4000 => 2,
        0x4000..0x4000_0000 => 4,
        _ => 8,
    }
}

/// Appends `value`, at most [`VARINT_MAX`].
pub(crate) fn put_varint(to: &mut Vec<u8>, value: u64) {
    debug_assert!(value <= VARINT_MAX);
    match varint_len(value) {
        1 => to.push(value as u8),
        2 => to.extend_from_slice(&(value as u16 | 0x4000).to_be_bytes()),
        4 => to.extend_from_slice(&(value as u32 | 0x8000_0000).to_be_bytes()),
        _ => to.extend_from_slice(&(value | 0xc000_0000_0000_0000).to_be_bytes()),
    }
}

/// Appends a length and the bytes.
pub(crate) fn put_sized(to: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

#[cfg(test)]
mod exhaustive;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_survive_at_every_length_boundary() {
        for value in [0, 1, 63, 64, 16383, 16384, (1 << 30) - 1, 1 << 30, VARINT_MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(bytes.len(), varint_len(value));
            let mut reader = Reader(&bytes);
            assert_eq!(reader.varint(), Ok(value));
            assert!(reader.is_empty());
            for cut in 0..bytes.len() {
                assert_eq!(Reader(&bytes[..cut]).varint(), Err(Malformed));
            }
        }
    }

    #[test]
    fn varints_match_rfc_9000_appendix_a() {
        for (bytes, value) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15293),
            (&[0x25], 37),
        ] {
            assert_eq!(Reader(bytes).varint(), Ok(value));
        }
    }
}
