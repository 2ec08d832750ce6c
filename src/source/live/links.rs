//! What the kernel says of a link (rtnetlink(7)): whether it is there, whether it is up, what its driver dropped. One
//! socket, opened while that is still allowed, and only written and read after that, so that a confined audit can go on
//! asking.

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// The line to the kernel; none where it could not be had, and then nothing is known.
pub(super) struct Links(Option<Socket>);

/// A link as it is now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Link {
    /// It is there.
    There {
        /// Its number, which no other link of this network namespace ever had.
        index: u32,
        /// It was switched on.
        up: bool,
        /// Packets that the driver or the card lost since the link was made: those that found no buffer, and those that
        /// overran the card's queue (`rx_missed_errors` and `rx_fifo_errors`, as libpcap counts them).
        missed: Option<u64>,
    },
    /// There is no such link, or no longer.
    Gone,
    /// The kernel did not say.
    Unknown,
}

impl Links {
    pub(super) fn open() -> Links {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Protocol 0 of this family is NETLINK_ROUTE.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None);
        Links(socket.ok().map(|socket| Socket { socket, sequence: 0, answer: vec![0; ANSWER_BYTES] }))
    }

    pub(super) fn by_name(&mut self, name: &str) -> Link {
        if name.len() > LONGEST_NAME {
            return Link::Gone;
        }
        self.0.as_mut().map_or(Link::Unknown, |socket| socket.ask(0, Some(name)))
    }

    pub(super) fn by_index(&mut self, index: u32) -> Link {
        self.0.as_mut().map_or(Link::Unknown, |socket| socket.ask(index, None))
    }
}

struct Socket {
    socket: OwnedFd,
    sequence: u32,
    answer: Vec<u8>,
}

impl Socket {
    fn ask(&mut self, index: u32, name: Option<&str>) -> Link {
        self.sequence = self.sequence.wrapping_add(1);
        let question = question(self.sequence, index, name);
        if rustix::io::write(&self.socket, &question) != Ok(question.len()) {
            return Link::Unknown;
        }
        // The kernel answers within the write. Answers to earlier questions, if any were left, come first.
        while let Ok(length @ 1..) = rustix::io::read(&self.socket, &mut self.answer) {
            if let Some(link) = answer(&self.answer[..length], self.sequence) {
                return link;
            }
        }
        Link::Unknown
    }
}

/// `RTM_GETLINK` for one link, by number, or by name where the number is 0.
fn question(sequence: u32, index: u32, name: Option<&str>) -> Vec<u8> {
    let mut message = Vec::with_capacity(64);
    message.extend([0; 4]);
    message.extend(RTM_GETLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend([0; 4]);
    message.extend([0; 4]);
    message.extend(index.to_ne_bytes());
    message.extend([0; 8]);
    if let Some(name) = name {
        message.extend((ATTRIBUTE_HEADER as u16 + name.len() as u16 + 1).to_ne_bytes());
        message.extend(IFLA_IFNAME.to_ne_bytes());
        message.extend(name.as_bytes());
        message.push(0);
    }
    message.resize(message.len().next_multiple_of(4), 0);
    let length = message.len() as u32;
    message[..4].copy_from_slice(&length.to_ne_bytes());
    message
}

/// Reads one message; none when it does not answer the question of that number.
fn answer(message: &[u8], sequence: u32) -> Option<Link> {
    if u32_at(message, 8)? != sequence {
        return None;
    }
    let length = u32_at(message, 0)? as usize;
    let message = message.get(..length).unwrap_or(message);
    match u16_at(message, 4)? {
        RTM_NEWLINK => Some(Link::There {
            index: u32_at(message, 20)?,
            up: u32_at(message, 24)? & IFF_UP != 0,
            missed: attribute(message.get(32..)?, IFLA_STATS64).and_then(missed),
        }),
        NLMSG_ERROR => match u32_at(message, 16)?.cast_signed() {
            error if [-libc::ENODEV, -libc::ENXIO].contains(&error) => Some(Link::Gone),
            _ => Some(Link::Unknown),
        },
        _ => Some(Link::Unknown),
    }
}

/// The value of the first attribute of a kind.
fn attribute(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(attributes, 0)?).max(ATTRIBUTE_HEADER);
        if u16_at(attributes, 2)? == kind {
            return attributes.get(ATTRIBUTE_HEADER..length);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

fn missed(statistics: &[u8]) -> Option<u64> {
    let counter = |place: usize| {
        let bytes = statistics.get(place * 8..place * 8 + 8)?;
        Some(u64::from_ne_bytes(bytes.try_into().ok()?))
    };
    Some(counter(RX_FIFO_ERRORS)?.saturating_add(counter(RX_MISSED_ERRORS)?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

// Numbers of linux/netlink.h, linux/rtnetlink.h, linux/if_link.h and linux/if.h.
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const IFLA_IFNAME: u16 = 3;
const IFLA_STATS64: u16 = 23;
const IFF_UP: u32 = 1;
/// Places in `struct rtnl_link_stats64`.
const RX_FIFO_ERRORS: usize = 14;
const RX_MISSED_ERRORS: usize = 15;
const ATTRIBUTE_HEADER: usize = 4;
/// `IFNAMSIZ` without the zero byte at the end.
const LONGEST_NAME: usize = 15;
/// Bytes of room for an answer: many times its length.
const ANSWER_BYTES: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// An `RTM_NEWLINK` as rtnetlink(7) describes it.
    fn new_link(sequence: u32, index: u32, flags: u32, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut message = [16_u32.to_ne_bytes(), 16_u32.to_ne_bytes(), sequence.to_ne_bytes(), [0; 4]].concat();
        message[4..8].copy_from_slice(&[RTM_NEWLINK.to_ne_bytes(), [0; 2]].concat());
        message.extend([[0; 4], index.to_ne_bytes(), flags.to_ne_bytes(), [0; 4]].concat());
        for (kind, value) in attributes {
            message.extend((4 + value.len() as u16).to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend(value);
            message.resize(message.len().next_multiple_of(4), 0);
        }
        let length = message.len() as u32;
        message[..4].copy_from_slice(&length.to_ne_bytes());
        message
    }

    #[test]
    fn a_link_tells_its_number_its_state_and_its_losses() {
        let statistics: Vec<u8> = (100_u64..124).flat_map(u64::to_ne_bytes).collect();
        let message = new_link(5, 7, 0x1003, &[(IFLA_IFNAME, b"eth0\0".to_vec()), (IFLA_STATS64, statistics)]);
        assert_eq!(answer(&message, 5), Some(Link::There { index: 7, up: true, missed: Some(114 + 115) }));
        assert_eq!(answer(&message, 6), None, "the answer to another question");
    }

    #[test]
    fn a_link_without_statistics_has_unknown_losses() {
        let message = new_link(5, 7, 0x1002, &[]);
        assert_eq!(answer(&message, 5), Some(Link::There { index: 7, up: false, missed: None }));
    }

    #[test]
    fn no_answer_is_too_short_to_read() {
        let message = new_link(5, 7, 1, &[(IFLA_STATS64, vec![0; 192])]);
        for length in 0..message.len() {
            answer(&message[..length], 5);
        }
        let nothing = [4_u16.to_ne_bytes(), 9_u16.to_ne_bytes()].concat();
        assert_eq!(attribute(&nothing, IFLA_STATS64), None);
        assert_eq!(attribute(&[0; 8], IFLA_STATS64), None, "an attribute of no length must not stop the walk");
    }

    #[test]
    fn the_kernel_answers() {
        let mut links = Links::open();
        let Link::There { index, .. } = links.by_name("lo") else { panic!("every network namespace has a loopback") };
        assert!(matches!(links.by_index(index), Link::There { index: same, .. } if same == index));
        assert_eq!(links.by_name("no-such-link"), Link::Gone);
        assert_eq!(links.by_name("a-name-longer-than-any"), Link::Gone);
        assert_eq!(links.by_index(0x7fff_fff0), Link::Gone);
    }
}
