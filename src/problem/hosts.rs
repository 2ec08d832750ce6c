//! Hosts told in short: the ranges and prefixes that hold exactly them, or, where these would be too many, a few that hold more, and how
//! many more.

use crate::packet::Address;
use std::fmt;
use std::sync::OnceLock;

/// Hosts that one problem is about.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Hosts {
    /// In order, each once.
    addresses: Vec<Address>,
    /// There are more than are named.
    pub more: bool,
    /// What was told of them before: texts are tried in several lengths, and each tells them again.
    told: Told,
}

/// Ranges that were asked for, by how many there may be. No part of what is known.
#[derive(Clone, Default, Debug)]
struct Told([OnceLock<Box<Ranges>>; MOST_PREFIXES]);

impl PartialEq for Told {
    fn eq(&self, _: &Told) -> bool {
        true
    }
}

impl Eq for Told {}

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
        Hosts { addresses, more: false, told: Told::default() }
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

    /// The fewest ranges that hold exactly these hosts; where that are more than `most`, no more than `most` prefixes that hold others as
    /// well: of these the fewest that hold hardly more than the best do. `most` is at least 1; an address of IPv4 and one of IPv6 are
    /// never in one range, so that there may be one range more than `most`.
    pub fn ranges(&self, most: usize) -> Ranges {
        match self.told.0.get(most.max(1) - 1) {
            Some(told) => (**told.get_or_init(|| Box::new(self.made(most)))).clone(),
            None => self.made(most),
        }
    }

    fn made(&self, most: usize) -> Ranges {
        let mut ranges: Vec<Range> = Vec::new();
        for &address in &self.addresses {
            let next = Range { first: address, last: address };
            match ranges.last_mut() {
                Some(range) if range.touches(&next) => range.last = address,
                _ => ranges.push(next),
            }
        }
        let exact = ranges.len() <= most.max(1);
        if !exact {
            ranges = self.prefixes(most.clamp(1, MOST_PREFIXES));
        }
        let covered = ranges.iter().map(Range::addresses).fold(0, u128::saturating_add);
        Ranges { ranges, exact, covered }
    }

    /// A few prefixes that hold all of them, of each family on its own.
    fn prefixes(&self, most: usize) -> Vec<Range> {
        // As numbers, those of IPv4 lie between those of IPv6.
        let (v4, v6): (Vec<Address>, Vec<Address>) = self.addresses.iter().partition(|address| address.is_v4());
        let each = if v4.is_empty() || v6.is_empty() { most } else { most.div_ceil(2) };
        let mut prefixes = Vec::new();
        for addresses in [v4, v6].iter().filter(|addresses| !addresses.is_empty()) {
            let best = costs(addresses);
            let enough = |cost: u128| cost - cost / 5 <= best[each - 1];
            let few = (1..each).find(|&few| enough(best[few - 1])).unwrap_or(each);
            cover(addresses, few, &mut prefixes);
        }
        prefixes.sort_unstable();
        prefixes
    }
}

/// Maximum number of prefixes that are told in place of more ranges.
const MOST_PREFIXES: usize = 8;

/// How many addresses the best one, two, three, ... prefixes hold that hold all of these, which are in order and not none.
fn costs(addresses: &[Address]) -> [u128; MOST_PREFIXES] {
    let whole = common_block(addresses).addresses();
    let mut best = [whole; MOST_PREFIXES];
    if addresses.len() > 1 {
        let (left, right) = halves(addresses);
        let (left, right) = (costs(left), costs(right));
        // More prefixes than addresses hold no less.
        let most = addresses.len().min(MOST_PREFIXES);
        for few in 2..=most {
            let split = (1..few).map(|on_left| left[on_left - 1].saturating_add(right[few - on_left - 1])).min();
            best[few - 1] = best[few - 2].min(split.unwrap_or(whole));
        }
        let least = best[most - 1];
        best[most..].fill(least);
    }
    best
}

/// The best prefixes, at most `most` of them.
fn cover(addresses: &[Address], most: usize, to: &mut Vec<Range>) {
    let whole = common_block(addresses);
    if most > 1 && addresses.len() > 1 {
        let (left, right) = halves(addresses);
        let (of_left, of_right) = (costs(left), costs(right));
        let cost = |on_left: usize| of_left[on_left - 1].saturating_add(of_right[most - on_left - 1]);
        let best = (1..most).min_by_key(|&on_left| cost(on_left)).filter(|&on_left| cost(on_left) < whole.addresses());
        if let Some(on_left) = best {
            cover(left, on_left, to);
            cover(right, most - on_left, to);
            return;
        }
    }
    to.push(whole);
}

/// The smallest block that holds all.
fn common_block(addresses: &[Address]) -> Range {
    match addresses {
        [first, .., last] => Range::block(*first, (number(*first) ^ number(*last)).leading_zeros()),
        [one] => Range { first: *one, last: *one },
        [] => Range { first: Address::default(), last: Address::default() },
    }
}

/// Those in the lower half of the smallest block that holds all, and those in the upper one. There are two at least.
fn halves(addresses: &[Address]) -> (&[Address], &[Address]) {
    let (first, last) = (number(addresses[0]), number(addresses[addresses.len() - 1]));
    // Where they first differ the upper half begins.
    let upper = u128::MAX.checked_shr((first ^ last).leading_zeros() + 1).unwrap_or(0);
    let middle = last & !upper;
    addresses.split_at(addresses.partition_point(|address| number(*address) < middle))
}

impl Range {
    /// How many addresses.
    pub fn addresses(&self) -> u128 {
        (number(self.last) - number(self.first)).saturating_add(1)
    }

    /// The addresses that share their first bits with this one, counted over all sixteen bytes.
    pub(super) fn block(address: Address, bits: u32) -> Range {
        let hosts = u128::MAX.checked_shr(bits).unwrap_or(0);
        let of = |number: u128| Address(number.to_be_bytes());
        Range { first: of(number(address) & !hosts), last: of(number(address) | hosts) }
    }

    /// True where it is one of these.
    pub fn holds(&self, address: Address) -> bool {
        same_family(self.first, address) && self.first <= address && address <= self.last
    }

    /// The other begins where this ends.
    pub fn touches(&self, other: &Range) -> bool {
        same_family(self.last, other.first) && number(other.first).checked_sub(number(self.last)) == Some(1)
    }

    /// The length of the prefix that holds exactly these, if there is one: 24 for `10.0.0.0` to `10.0.0.255`.
    pub fn prefix(&self) -> Option<u32> {
        let hosts = number(self.last) - number(self.first);
        let fits = hosts & hosts.wrapping_add(1) == 0 && number(self.first) & hosts == 0;
        let bits = if self.first.is_v4() { 32 } else { 128 };
        fits.then(|| bits - hosts.count_ones())
    }
}

impl Range {
    /// The same in less room, for people: `10.1.9.1-40` where only the last byte differs.
    pub fn short(&self) -> String {
        let is_block = self.prefix().is_some() && self.addresses() != 2;
        match (self.first.wire_bytes(), self.last.wire_bytes()) {
            ([a, b, c, _], [d, e, f, last]) if !is_block && [a, b, c] == [d, e, f] => format!("{}-{last}", self.first),
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
    use proptest::prelude::*;
    use std::collections::BTreeSet;
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
    fn too_many_ranges_become_prefixes_and_that_is_said() {
        let some = hosts(&["10.0.0.1", "10.0.0.3", "10.0.0.9", "10.9.0.1"]);
        let ranges = some.ranges(2);
        assert_eq!(shown(&ranges), ["10.0.0.0/28", "10.9.0.1"]);
        assert!(!ranges.exact);
        assert_eq!(ranges.covered, 17);
        assert_eq!(shown(&hosts(&["10.0.0.1", "fd00::1"]).ranges(1)), ["10.0.0.1", "fd00::1"]);
        // Every third host of twenty networks: a /20 and a /22 hold them, and more prefixes would hold hardly less.
        let hosts =
            (0..20).flat_map(|network| (1..250).step_by(3).map(move |host| Address::v4([10, 64, network, host])));
        let ranges = Hosts::of(hosts).ranges(6);
        assert_eq!(shown(&ranges), ["10.64.0.0/20", "10.64.16.0/22"]);
        assert_eq!((ranges.exact, ranges.covered), (false, 4_096 + 1_024));
    }

    #[test]
    fn in_short_only_the_last_byte_is_told_twice() {
        let short = |texts: &[&str]| hosts(texts).ranges(9).ranges.iter().map(Range::short).collect::<Vec<_>>();
        assert_eq!(short(&["10.1.9.1", "10.1.9.2", "10.1.9.3"]), ["10.1.9.1-3"]);
        assert_eq!(short(&["10.1.9.255", "10.1.10.0", "10.1.10.1"]), ["10.1.9.255-10.1.10.1"]);
        assert_eq!(short(&["10.1.9.6", "10.1.9.7", "fd00::1", "fd00::2"]), ["10.1.9.6-7", "fd00::1-fd00::2"]);
    }

    /// Addresses that lie close together and far apart, of both families.
    fn any_hosts() -> impl Strategy<Value = Vec<Address>> {
        let v4 = (0_u8..3, 0_u8..4, any::<u8>()).prop_map(|(a, b, c)| Address::v4([10, a * 77, b, c]));
        let near = (0_u8..2, 0_u8..40).prop_map(|(net, host)| Address::v4([10, 0, net, host]));
        let v6 = (any::<bool>(), 0_u8..30).prop_map(|(far, host)| {
            let mut bytes = [0; 16];
            (bytes[0], bytes[15]) = (if far { 0xfd } else { 0 }, host);
            Address(bytes)
        });
        proptest::collection::vec(prop_oneof![3 => v4, 6 => near, 2 => v6], 0..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Exact means these and no others; otherwise they are all held, and what is said of the others is true.
        #[test]
        fn ranges_hold_what_they_say(addresses in any_hosts(), most in 1_usize..12) {
            let hosts = Hosts::of(addresses.iter().copied());
            let known: BTreeSet<u128> = addresses.iter().map(|address| number(*address)).collect();
            let Ranges { ranges, exact, covered } = hosts.ranges(most);
            prop_assert!(ranges.len() <= most + 1);
            prop_assert!(ranges.is_sorted());
            prop_assert_eq!(covered, ranges.iter().map(Range::addresses).fold(0, u128::saturating_add));
            for range in &ranges {
                prop_assert!(range.first <= range.last && range.first.is_v4() == range.last.is_v4());
                prop_assert!(exact || range.prefix().is_some());
            }
            for address in hosts.iter() {
                prop_assert_eq!(ranges.iter().filter(|range| range.holds(address)).count(), 1);
            }
            // Runs, counted without ranges.
            let runs = known.iter().filter(|&&it| {
                let before = Address(it.wrapping_sub(1).to_be_bytes());
                let same = before.is_v4() == Address(it.to_be_bytes()).is_v4();
                !(it > 0 && same && known.contains(&(it - 1)))
            });
            let runs = runs.count();
            prop_assert_eq!(exact, runs <= most);
            if exact {
                prop_assert_eq!((covered, ranges.len()), (known.len() as u128, runs));
            } else {
                prop_assert!(covered > known.len() as u128 || ranges.len() >= runs);
            }
        }

        /// No few prefixes hold fewer: all ways to cut the addresses into blocks are tried.
        #[test]
        fn prefixes_are_the_best(hosts in proptest::collection::btree_set(0_u8..64, 2..9), most in 1_usize..4) {
            let addresses: Vec<Address> = hosts.iter().map(|&host| Address::v4([10, 0, 0, host])).collect();
            let mut found = Vec::new();
            cover(&addresses, most, &mut found);
            prop_assert!(found.len() <= most);
            let told: u128 = found.iter().map(Range::addresses).sum();
            prop_assert_eq!(told, costs(&addresses)[most - 1]);
            prop_assert_eq!(told, u128::from(least(&hosts, 0, 256, most).expect("one block holds all")));
        }
    }

    /// The fewest addresses that this number of blocks within one block hold, if they hold all hosts in it.
    fn least(hosts: &BTreeSet<u8>, from: u16, size: u16, most: usize) -> Option<u16> {
        let inside = hosts.iter().filter(|&&host| (from..from + size).contains(&u16::from(host))).count();
        if inside == 0 {
            return Some(0);
        }
        if most == 0 {
            return None;
        }
        let split = (0..=most).filter(|_| size > 1).filter_map(|left| {
            let half = size / 2;
            Some(least(hosts, from, half, left)? + least(hosts, from + half, half, most - left)?)
        });
        split.chain([size]).min()
    }
}
