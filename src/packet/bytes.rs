//! Numbers and addresses out of headers, at places that the caller has checked.

/// Big-endian 16 bits at a place that the caller has checked.
#[inline]
pub(super) fn be(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[inline]
pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(four(bytes, at))
}

#[inline]
pub(super) fn four(bytes: &[u8], at: usize) -> [u8; 4] {
    [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]
}

#[inline]
pub(super) fn sixteen(bytes: &[u8], at: usize) -> [u8; 16] {
    let mut all = [0; 16];
    all.copy_from_slice(&bytes[at..at + 16]);
    all
}
