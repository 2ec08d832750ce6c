//! Hosts told in short: the ranges and prefixes that hold exactly them, or, where these would be too many, a few that hold more, and how
//! many more.

use crate::packet::Address;
use std::fmt;

/// Hosts that one problem is about.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Hosts {
    /// In order, each once.
    addresses: Vec<Address>,
    /// There are more than are named.
    pub more: bool,
}

/// Addresses that follow each other, without a hole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Range {
    /// The lowest.
    pub first: Address,
    /// The highest.
    pub last: Address,
}

/// Hosts as ranges.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ranges {
    /// In order; they do not touch.
    pub ranges: Vec<Range>,
    /// They hold these hosts and no others. Otherwise they hold addresses of which nothing was seen.
    pub exact: bool,
    /// How many addresses they hold.
    pub covered: u128,
}

impl Hosts {
    /// These hosts.
    pub fn of(addresses: impl IntoIterator<Item = Address>) -> Hosts {
        let mut addresses: Vec<Address> = addresses.into_iter().collect();
        addresses.sort_unstable();
        addresses.dedup();
        Hosts { addresses, more: false }
    }

    /// The same, where there may be more than are named.
    #[must_use]
    pub fn with_more(self, more: bool) -> Hosts {
        Hosts { more, ..self }
    }

    /// How many are named.
    pub fn count(&self) -> usize {
        self.addresses.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Address> {
        self.addresses.iter().copied()
    }

    /// As a slice, in order.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// True where it is one of them.
    pub fn contains(&self, address: Address) -> bool {
        self.addresses.binary_search(&address).is_ok()
    }

    /// The fewest ranges that hold exactly these hosts; where that are more than `most`, no more than `most` ranges that hold others as
    /// well, as few others as this way of joining gives: the smallest gaps are closed first. `most` is at least 1; an address of IPv4 and
    /// one of IPv6 are never in one range, so that there may be one range more than `most`.
    pub fn ranges(&self, most: usize) -> Ranges {
        let mut ranges: Vec<Range> = Vec::new();
        for &address in &self.addresses {
            match ranges.last_mut() {
                Some(range) if number(address) - number(range.last) == 1 && same_family(range.last, address) => {
                    range.last = address;
                }
                _ => ranges.push(Range { first: address, last: address }),
            }
        }
        let exact = ranges.len() <= most.max(1);
        if !exact {
            let gap = |pair: &[Range]| number(pair[1].first) - number(pair[0].last);
            let mut gaps: Vec<(u128, usize)> = ranges
                .windows(2)
                .enumerate()
                .filter(|(_, pair)| same_family(pair[0].last, pair[1].first))
                .map(|(place, pair)| (gap(pair), place))
                .collect();
            gaps.sort_unstable();
            gaps.truncate(ranges.len() - most.max(1));
            let mut closed: Vec<usize> = gaps.into_iter().map(|(_, place)| place).collect();
            closed.sort_unstable();
            let mut joined: Vec<Range> = Vec::new();
            for (place, range) in ranges.iter().enumerate() {
                match joined.last_mut() {
                    Some(last) if place > 0 && closed.binary_search(&(place - 1)).is_ok() => last.last = range.last,
                    _ => joined.push(*range),
                }
            }
            ranges = joined;
        }
        let covered = ranges.iter().map(Range::addresses).sum();
        Ranges { ranges, exact, covered }
    }
}

impl Range {
    /// How many addresses.
    pub fn addresses(&self) -> u128 {
        (number(self.last) - number(self.first)).saturating_add(1)
    }

    /// True where it is one of these.
    pub fn holds(&self, address: Address) -> bool {
        self.first <= address && address <= self.last
    }

    /// The other begins where this ends.
    pub fn touches(&self, other: &Range) -> bool {
        same_family(self.last, other.first) && number(other.first).checked_sub(number(self.last)) == Some(1)
    }

    /// The length of the prefix that holds exactly these, if there is one: 24 for `10.0.0.0` to `10.0.0.255`.
    pub fn prefix(&self) -> Option<u32> {
        let count = self.addresses();
        let fits = count.is_power_of_two() && number(self.first).is_multiple_of(count);
        let bits = if self.first.is_v4() { 32 } else { 128 };
        fits.then(|| bits - count.trailing_zeros())
    }
}

impl Range {
    /// The same in less room, for people: `10.1.9.1-40` where only the last byte differs.
    pub fn short(&self) -> String {
        let (first, last) = (self.first.wire_bytes(), self.last.wire_bytes());
        match (self.prefix(), last) {
            (None, [.., last_byte]) if self.first.is_v4() && first[..3] == last[..3] => {
                format!("{}-{last_byte}", self.first)
            }
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Range {
    /// `10.0.0.1`, `10.0.0.1-10.0.0.40` or `10.0.0.0/24`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix() {
            _ if self.first == self.last => write!(f, "{}", self.first),
            Some(prefix) if self.addresses() > 2 => write!(f, "{}/{prefix}", self.first),
            _ => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

fn number(address: Address) -> u128 {
    u128::from_be_bytes(address.0)
}

fn same_family(one: Address, other: Address) -> bool {
    one.is_v4() == other.is_v4()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn hosts(texts: &[&str]) -> Hosts {
        Hosts::of(texts.iter().map(|text| text.parse::<IpAddr>().expect("a literal of this test").into()))
    }

    fn shown(ranges: &Ranges) -> Vec<String> {
        ranges.ranges.iter().map(Range::to_string).collect()
    }

    #[test]
    fn neighbours_are_a_range_and_whole_blocks_a_prefix() {
        let some = hosts(&["10.1.9.3", "10.1.9.1", "10.1.9.2", "10.1.9.1", "10.2.0.1", "fd00::2", "fd00::1"]);
        let ranges = some.ranges(9);
        assert_eq!(shown(&ranges), ["10.1.9.1-10.1.9.3", "10.2.0.1", "fd00::1-fd00::2"]);
        assert!(ranges.exact);
        assert_eq!(ranges.covered, 6);
        let block = Hosts::of((0..=255).map(|last| Address::v4([10, 4, 7, last])));
        assert_eq!(shown(&block.ranges(1)), ["10.4.7.0/24"]);
    }

    #[test]
    fn the_smallest_holes_are_closed_first_and_that_is_said() {
        let some = hosts(&["10.0.0.1", "10.0.0.3", "10.0.0.9", "10.9.0.1"]);
        let ranges = some.ranges(2);
        assert_eq!(shown(&ranges), ["10.0.0.1-10.0.0.9", "10.9.0.1"]);
        assert!(!ranges.exact);
        assert_eq!(ranges.covered, 10);
        assert_eq!(shown(&hosts(&["10.0.0.1", "fd00::1"]).ranges(1)), ["10.0.0.1", "fd00::1"]);
    }
}
