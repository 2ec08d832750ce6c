//! Leaves out of a capture what a filter in the language of pcap-filter(7) does not let through, before anything else sees it.

use super::live::BpfFilter;
use crate::packet::LinkType;

/// A filter for the packets of one capture, compiled for each link type when its first packet comes.
pub(super) struct Sieve {
    program: String,
    /// None for a link type whose packets are not decoded and for which the filter has no meaning: they pass, and are counted
    /// as what they are.
    by_link: Vec<(LinkType, Option<BpfFilter>)>,
    /// Packets that it did not let through.
    pub left_out: u64,
    /// The first link type that is decoded and that it cannot be compiled for, and why in libpcap's words. The packets of such
    /// a link do not pass.
    pub refused: Option<(LinkType, String)>,
}

impl Sieve {
    pub fn new(program: &str) -> Sieve {
        Sieve { program: program.into(), by_link: Vec::new(), left_out: 0, refused: None }
    }

    /// Whether a packet passes. What does not is counted.
    pub fn lets_through(&mut self, link: LinkType, bytes: &[u8]) -> bool {
        let known = self.by_link.iter().position(|(known, _)| *known == link);
        let place = match known {
            Some(place) => Some(place),
            None => self.compile(link),
        };
        let passes = match place.map(|place| &self.by_link[place].1) {
            Some(Some(filter)) => filter.matches(bytes),
            Some(None) => true,
            None => false,
        };
        self.left_out += u64::from(!passes);
        passes
    }

    /// Whether not one packet came for whose link type it could be compiled.
    pub fn fits_no_link(&self) -> bool {
        self.by_link.is_empty()
    }

    fn compile(&mut self, link: LinkType) -> Option<usize> {
        let filter = match BpfFilter::compile(link, &self.program) {
            Ok(filter) => Some(filter),
            Err(_) if !link.is_read() => None,
            Err(error) => {
                self.refused.get_or_insert((link, error.why()));
                return None;
            }
        };
        self.by_link.push((link, filter));
        Some(self.by_link.len() - 1)
    }
}
