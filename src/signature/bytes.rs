//! Reading bytes in order, and why that may fail. Also the lengths of ASN.1 BER, which three protocols share.

use std::ops::RangeInclusive;

/// What was read from some bytes, or why they do not fit.
pub(super) type Parsed<T> = Result<T, Miss>;

/// Why bytes do not fit. It is an answer, not an error: most bytes belong to another protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Miss {
    /// All that is there fits, but there is not enough.
    Short,
    /// Something does not fit, and more bytes would not change that.
    Wrong,
}

/// Bytes that are read from front to back.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Parsed<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Miss::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Parsed<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn be16(&mut self) -> Parsed<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn le16(&mut self) -> Parsed<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Three bytes, big-endian.
    pub(super) fn be24(&mut self) -> Parsed<u32> {
        self.array().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    pub(super) fn be32(&mut self) -> Parsed<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next byte, if it lies in the range.
    pub(super) fn within(&mut self, range: RangeInclusive<u8>) -> Parsed<u8> {
        let byte = self.byte()?;
        sure(range.contains(&byte))?;
        Ok(byte)
    }

    /// Exactly these bytes. Wrong as soon as one differs, short if they break off before that.
    #[inline]
    pub(super) fn want(&mut self, word: &[u8]) -> Parsed<()> {
        // Most bytes do not fit, and the first one shows it.
        if let (Some(first), Some(wanted)) = (self.rest.first(), word.first()) {
            sure(first == wanted)?;
        }
        let seen = self.rest.len().min(word.len());
        sure(self.rest[..seen] == word[..seen])?;
        self.take(word.len()).map(|_| ())
    }

    /// One of these words, and which. The first that is whole wins; short if one is begun.
    pub(super) fn want_any<'w>(&mut self, words: &[&'w [u8]]) -> Parsed<&'w [u8]> {
        let mut miss = Miss::Wrong;
        for &word in words {
            match self.want(word) {
                Ok(()) => return Ok(word),
                Err(Miss::Short) => miss = Miss::Short,
                Err(Miss::Wrong) => {}
            }
        }
        Err(miss)
    }

    /// The bytes before the next `end`, which is read too.
    pub(super) fn until(&mut self, end: u8) -> Parsed<&'a [u8]> {
        let length = self.rest.iter().position(|&byte| byte == end).ok_or(Miss::Short)?;
        let text = self.take(length)?;
        self.take(1)?;
        Ok(text)
    }

    /// A definite BER length in short or long form, up to four bytes (X.690, 8.1.3).
    pub(super) fn ber_length(&mut self) -> Parsed<usize> {
        match self.byte()? {
            short @ 0x00..=0x7F => Ok(usize::from(short)),
            long @ 0x81..=0x84 => {
                let digits = self.take(usize::from(long & 0x7F))?;
                Ok(digits.iter().fold(0, |length, &digit| (length << 8) | usize::from(digit)))
            }
            0x80 | 0x85..=0xFF => Err(Miss::Wrong),
        }
    }

    fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Miss::Short)?;
        self.rest = rest;
        Ok(*taken)
    }
}

/// Wrong unless the condition holds.
pub(super) fn sure(condition: bool) -> Parsed<()> {
    if condition { Ok(()) } else { Err(Miss::Wrong) }
}

/// Whether text is what a person could have typed: no control characters, nothing beyond ASCII.
pub(super) fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, 0x20..=0x7E))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_wrong_at_its_first_difference_and_short_before() {
        assert_eq!(Reader::new(b"SSX").want(b"SSH-"), Err(Miss::Wrong));
        assert_eq!(Reader::new(b"SS").want(b"SSH-"), Err(Miss::Short));
        assert_eq!(Reader::new(b"").want(b"SSH-"), Err(Miss::Short));
        assert_eq!(Reader::new(b"SSH-2").want(b"SSH-"), Ok(()));
    }

    #[test]
    fn of_several_words_a_begun_one_is_worth_waiting_for() {
        let words: [&[u8]; 2] = [b"GET ", b"POST "];
        assert_eq!(Reader::new(b"POS").want_any(&words), Err(Miss::Short));
        assert_eq!(Reader::new(b"PUT ").want_any(&words), Err(Miss::Wrong));
        assert_eq!(Reader::new(b"POST /").want_any(&words), Ok(words[1]));
    }

    #[test]
    fn ber_lengths_are_read_in_short_and_long_form() {
        assert_eq!(Reader::new(&[0x7F]).ber_length(), Ok(127));
        assert_eq!(Reader::new(&[0x82, 0x01, 0x00]).ber_length(), Ok(256));
        assert_eq!(Reader::new(&[0x84, 0x00, 0x00, 0x00, 0x26]).ber_length(), Ok(38));
        assert_eq!(Reader::new(&[0x82, 0x01]).ber_length(), Err(Miss::Short));
        assert_eq!(Reader::new(&[0x80]).ber_length(), Err(Miss::Wrong));
        assert_eq!(Reader::new(&[0x85, 0, 0, 0, 0, 1]).ber_length(), Err(Miss::Wrong));
    }

    #[test]
    fn text_ends_before_its_end_mark() {
        let mut reader = Reader::new(b"name\0octet\0");
        assert_eq!(reader.until(0), Ok(&b"name"[..]));
        assert_eq!(reader.until(0), Ok(&b"octet"[..]));
        assert_eq!(reader.until(0), Err(Miss::Short));
    }
}
