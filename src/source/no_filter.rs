//! Stands for the filter where there is no libpcap: there is none, and nothing can make one.

use crate::packet::LinkType;

pub(super) enum Sieve {}

impl Sieve {
    pub fn lets_through(&mut self, _: LinkType, _: &[u8]) -> bool {
        match *self {}
    }
}
