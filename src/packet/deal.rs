//! How packets are dealt to workers: which lane they go to, and where the workers meet.

use super::Address;
use std::hash::BuildHasher;

/// A secret of one run, by which nobody outside can foresee where something is kept. It changes no result.
#[derive(Clone, Copy, Debug)]
pub struct Secret([u64; 2]);

/// The rule by which packets are dealt. The batches of one audit hand it on from one to the next.
#[derive(Clone, Copy, Debug)]
pub struct Deal {
    lanes: usize,
    secret: Secret,
    /// Bytes from one point at which the workers meet to the next.
    every: u64,
    /// What is left until the next point.
    left: u64,
}

impl Secret {
    /// Another one each time.
    pub fn draw() -> Secret {
        let state = std::hash::RandomState::new();
        Secret([1u64, 2].map(|word| state.hash_one(word)))
    }

    /// A number for an address.
    #[inline]
    pub fn mix(self, address: Address) -> u64 {
        let value = u128::from_ne_bytes(address.0);
        let once = folded(value as u64 ^ self.0[0], (value >> 64) as u64 ^ self.0[1]);
        // Once alone is nearly linear: neighbours would lie at even distances.
        folded(once ^ self.0[1], self.0[0] | 1)
    }
}

/// Both halves of a product.
#[inline]
fn folded(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

impl Deal {
    /// Deals to this number of lanes, at least 1. The workers meet whenever the flows that packets may have opened, and the
    /// bytes that these may have left behind, can come to `every` bytes of memory.
    pub fn new(lanes: usize, every: u64) -> Deal {
        let every = every.max(1);
        Deal { lanes: lanes.max(1), secret: Secret::draw(), every, left: every }
    }

    /// How many lanes.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// The secret of the run.
    pub fn secret(&self) -> Secret {
        self.secret
    }

    /// The lane of two hosts, whichever of them sends. A sum, not an exclusive-or, which would give 0 to every host that talks
    /// to itself.
    #[inline]
    pub fn lane(&self, one: Address, other: Address) -> usize {
        if self.lanes == 1 {
            return 0;
        }
        let sum = self.secret.mix(one).wrapping_add(self.secret.mix(other));
        ((u128::from(sum) * self.lanes as u128) >> 64) as usize
    }

    /// Counts a packet. True where the workers meet after it: that depends on the packets alone, not on batches.
    #[inline]
    pub(super) fn is_point(&mut self, captured: u32) -> bool {
        let cost = FLOW_BYTES + u64::from(captured);
        if cost < self.left {
            self.left -= cost;
            return false;
        }
        self.left = self.every;
        true
    }
}

/// Bytes of memory that one more flow takes, its place in the index included.
pub const FLOW_BYTES: u64 = 320;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn host(number: u32) -> Address {
        Address::v4(number.to_be_bytes())
    }

    #[test]
    fn both_directions_have_one_lane_and_all_lanes_are_used() {
        let deal = Deal::new(7, 1);
        let pairs = (0..500).map(|number| [host(0x0a00_0000 + number), host(0x0a01_0001)]);
        let lanes: BTreeSet<usize> = pairs
            .map(|[one, other]| {
                assert_eq!(deal.lane(one, other), deal.lane(other, one));
                deal.lane(one, other)
            })
            .collect();
        assert_eq!(lanes, (0..7).collect());
    }

    #[test]
    fn nobody_can_aim_at_a_lane() {
        // Pairs with the same sum of addresses, which all went to one lane once.
        let (one, other) = (0x0a00_0000u32, 0x0b00_0000);
        let pairs: Vec<_> = (0..400).map(|step| [host(one + step), host(other - step)]).collect();
        let lanes = |deal: &Deal| -> Vec<usize> { pairs.iter().map(|[one, other]| deal.lane(*one, *other)).collect() };
        let [first, second] = [lanes(&Deal::new(2, 1)), lanes(&Deal::new(2, 1))];
        for lanes in [&first, &second] {
            let in_first = lanes.iter().filter(|lane| **lane == 0).count();
            assert!((100..300).contains(&in_first), "{in_first} of 400 in one of two lanes");
        }
        assert_ne!(first, second, "another run, another deal");
    }
}
