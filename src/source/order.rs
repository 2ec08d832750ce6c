//! Numbers out of bytes, in the byte order that a capture file was written in.

/// The byte order of a capture file or of one section of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// The number at an offset known to lie within the array.
    #[inline]
    pub(super) fn u32<const N: usize>(self, bytes: &[u8; N], at: usize) -> u32 {
        let four = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        match self {
            ByteOrder::Little => u32::from_le_bytes(four),
            ByteOrder::Big => u32::from_be_bytes(four),
        }
    }

    /// The number at an offset known to lie within the array.
    #[inline]
    pub(super) fn u16<const N: usize>(self, bytes: &[u8; N], at: usize) -> u16 {
        let two = [bytes[at], bytes[at + 1]];
        match self {
            ByteOrder::Little => u16::from_le_bytes(two),
            ByteOrder::Big => u16::from_be_bytes(two),
        }
    }

    /// Eight bytes as one number.
    pub(super) fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            ByteOrder::Little => u64::from_le_bytes(bytes),
            ByteOrder::Big => u64::from_be_bytes(bytes),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            ByteOrder::Little => "little endian",
            ByteOrder::Big => "big endian",
        }
    }
}

/// Rounded up to a multiple of four, as pcapng pads its fields.
#[inline]
pub(super) fn padded(length: usize) -> usize {
    length.saturating_add(3) & !3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_read_both_ways() {
        let bytes = [0x00, 0x01, 0x02, 0x03, 0x04];
        assert_eq!(ByteOrder::Little.u32(&bytes, 1), 0x0403_0201);
        assert_eq!(ByteOrder::Big.u32(&bytes, 1), 0x0102_0304);
        assert_eq!(ByteOrder::Little.u16(&bytes, 3), 0x0403);
        assert_eq!(ByteOrder::Big.u16(&bytes, 3), 0x0304);
        assert_eq!(ByteOrder::Big.u64([0, 0, 0, 0, 0, 0, 1, 2]), 0x0102);
    }

    #[test]
    fn padding_goes_up_to_four() {
        assert_eq!([0, 1, 4, 5].map(padded), [0, 4, 4, 8]);
    }
}
