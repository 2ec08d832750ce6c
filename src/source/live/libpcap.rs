//! The door to libpcap: opening interfaces and reading them, the list of interfaces, and filters in its language. The
//! only file that names `pcap`.

use super::super::UNKNOWN_INTERFACE;
use super::{LiveError, LiveOptions, display_filter};
use crate::packet::LinkType;
use crate::time::Timestamp;
use pcap::{Active, BpfProgram, Capture, Device, Linktype, PacketHeader};
use std::net::IpAddr;
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// A network interface as libpcap tells of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// What it is, where the system says.
    pub description: Option<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// It was switched on.
    pub up: bool,
    /// It has a carrier.
    pub running: bool,
    /// It leads back to this machine.
    pub loopback: bool,
    /// It is a radio.
    pub wireless: bool,
}

/// The interfaces of this machine that may carry IP, in libpcap's order, which is that of likely use. It takes no
/// permission.
///
/// # Errors
/// [`LiveError::List`].
pub fn list() -> Result<Vec<Interface>, LiveError> {
    let devices = Device::list().map_err(|error| LiveError::List { why: words(error) })?;
    let carries_ip = |device: &Device| !WITHOUT_IP.iter().any(|prefix| device.name.starts_with(prefix));
    Ok(devices.into_iter().filter(carries_ip).map(Interface::from).collect())
}

/// The interface that stands for all of them, on Linux.
pub const ANY: &str = "any";

/// A filter in the language of pcap-filter(7), for packets that come from elsewhere than an interface.
pub struct BpfFilter(BpfProgram);

impl BpfFilter {
    /// Compiles a filter for packets of one link type.
    ///
    /// # Errors
    /// [`LiveError::Filter`], in libpcap's words; also where libpcap does not know the link type.
    pub fn compile(link: LinkType, program: &str) -> Result<BpfFilter, LiveError> {
        let wrong = |error| wrong_filter(program, words(error));
        let dead = Capture::dead(Linktype(number_for_libpcap(link))).map_err(wrong)?;
        dead.compile(program, true).map(BpfFilter).map_err(wrong)
    }

    /// Finds out whether a filter is valid for any packets that are decoded.
    ///
    /// # Errors
    /// [`LiveError::Filter`] with what is wrong with it for Ethernet.
    pub fn check(program: &str) -> Result<(), LiveError> {
        let fits = |link| BpfFilter::compile(link, program).is_ok();
        match BpfFilter::compile(LinkType::ETHERNET, program) {
            Ok(_) => Ok(()),
            Err(_) if [LinkType::LINUX_SLL, LinkType::LINUX_SLL2, LinkType::RAW].into_iter().any(fits) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the filter lets a packet through. Of a packet that was cut, `len`, `less` and `greater` see the length
    /// that was captured.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        self.0.filter(bytes)
    }
}

/// An interface that is open.
pub(super) struct Handle(Capture<Active>);

/// What libpcap has counted since the handle was opened, in 32 bits.
pub(super) struct Counted {
    /// Packets that passed the filter.
    pub(super) received: u32,
    /// Packets that the kernel dropped.
    pub(super) dropped: u32,
}

impl Handle {
    /// Opens an interface. Reading it never waits.
    pub(super) fn open(name: &str, options: &LiveOptions) -> Result<Handle, LiveError> {
        let handle = activate(name, options).map_err(|error| why_closed(name, words(error)))?;
        let handle = with_filter(handle, options.filter.as_deref().unwrap_or_default())?;
        let wrong = |error| LiveError::Open { name: name.to_string(), why: words(error) };
        handle.setnonblock().map(Handle).map_err(wrong)
    }

    /// What the first byte of its packets is.
    pub(super) fn link(&self) -> LinkType {
        link_type(self.0.get_datalink())
    }

    /// Hands over what is there, about `most` packets: an old libpcap does not stop within a block of the kernel. Each
    /// with its time, its length on the wire, and what was captured of it. Says how many, or in libpcap's words why
    /// none can be read.
    pub(super) fn dispatch(
        &mut self,
        most: usize,
        mut take: impl FnMut(Timestamp, u32, &[u8]),
    ) -> Result<usize, String> {
        self.0.dispatch(Some(most), |packet| take(moment(packet.header), packet.header.len, packet.data)).map_err(words)
    }

    /// None where libpcap cannot tell.
    pub(super) fn counted(&mut self) -> Option<Counted> {
        let stat = self.0.stats().ok()?;
        Some(Counted { received: stat.received, dropped: stat.dropped })
    }
}

#[cfg(unix)]
impl AsRawFd for Handle {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(unix)]
impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn activate(name: &str, options: &LiveOptions) -> Result<Capture<Active>, pcap::Error> {
    let inactive = Capture::from_device(name)?
        .snaplen(i32::try_from(options.snaplen).unwrap_or(0))
        .buffer_size(i32::try_from(options.buffer_bytes).unwrap_or(i32::MAX))
        .promisc(options.promiscuous && name != ANY)
        .timeout(BLOCK_MS);
    #[cfg(target_os = "linux")]
    let inactive = inactive.precision(pcap::Precision::Nano);
    let mut handle = inactive.open()?;
    if name == ANY {
        // The second version also says which interface it was. Where libpcap is too old for it, the first will do.
        let _ = handle.set_datalink(Linktype(i32::from(LinkType::LINUX_SLL2.0)));
    }
    Ok(handle)
}

/// An empty filter lets everything through, and lets the kernel cut packets before it copies them.
fn with_filter(mut handle: Capture<Active>, program: &str) -> Result<Capture<Active>, LiveError> {
    let wrong = |error| wrong_filter(program, words(error));
    handle.filter(program, true).map_err(wrong)?;
    Ok(handle)
}

/// What is wrong with a filter, and what it is in the language of libpcap where it is one of Wireshark's.
fn wrong_filter(program: &str, why: String) -> LiveError {
    let compiles =
        |program: &String| Capture::dead(Linktype::ETHERNET).and_then(|dead| dead.compile(program, true)).is_ok();
    let display = display_filter::recognised(program).map(|translation| translation.filter(compiles));
    LiveError::Filter { program: program.to_string(), why, display }
}

/// libpcap tells what is wrong in words only; the most common cases are told by them.
fn why_closed(name: &str, why: String) -> LiveError {
    let existing: Vec<String> = list().unwrap_or_default().into_iter().map(|interface| interface.name).collect();
    if !existing.is_empty() && !existing.iter().any(|other| other == name) {
        return LiveError::NoSuchInterface { name: name.to_string(), existing };
    }
    let lower = why.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["cap_net_raw", "permission", "not permitted"]) {
        let program = std::env::current_exe().unwrap_or_else(|_| env!("CARGO_PKG_NAME").into());
        return LiveError::Permission { name: name.to_string(), program };
    }
    if says(&["not up", "network is down"]) {
        return LiveError::Down { name: name.to_string() };
    }
    if says(&["no such device"]) {
        return LiveError::NoSuchInterface { name: name.to_string(), existing };
    }
    LiveError::Open { name: name.to_string(), why }
}

/// What libpcap said, without what its crate puts before it.
fn words(error: pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(words) => words,
        other => other.to_string(),
    }
}

impl From<Device> for Interface {
    fn from(device: Device) -> Interface {
        Interface {
            up: device.flags.is_up(),
            running: device.flags.is_running(),
            loopback: device.flags.is_loopback(),
            wireless: device.flags.is_wireless(),
            addresses: device.addresses.iter().map(|address| address.addr).collect(),
            name: device.name,
            description: device.desc,
        }
    }
}

/// libpcap's number of a link type as files number it.
fn link_type(link: Linktype) -> LinkType {
    u16::try_from(link.0).map_or(UNKNOWN_INTERFACE, LinkType)
}

/// Files and libpcap number raw IP differently (<https://www.tcpdump.org/linktypes.html>).
fn number_for_libpcap(link: LinkType) -> i32 {
    let link = match link {
        LinkType::RAW | LinkType::RAW_OPENBSD if cfg!(not(target_os = "openbsd")) => LinkType::RAW_OLD,
        LinkType::RAW | LinkType::RAW_OLD if cfg!(target_os = "openbsd") => LinkType::RAW_OPENBSD,
        other => other,
    };
    i32::from(link.0)
}

/// The fraction of a second is in nanoseconds where they were asked for, in microseconds elsewhere.
#[inline]
fn moment(header: &PacketHeader) -> Timestamp {
    const FRACTION: i64 = if cfg!(target_os = "linux") { 1 } else { 1_000 };
    #[allow(clippy::unnecessary_cast, reason = "the fields are narrower on other systems")]
    let (seconds, fraction) = (header.ts.tv_sec as i64, header.ts.tv_usec as i64);
    Timestamp::new(seconds, fraction * FRACTION)
}

/// Capture devices of Linux that carry no IP.
const WITHOUT_IP: [&str; 5] = ["bluetooth", "dbus-", "nflog", "nfqueue", "usbmon"];

/// Milliseconds after its last look at a block of packets at which the kernel hands it over, full or not.
pub(super) const BLOCK_MS: i32 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv4 header with a UDP header after it, as RFC 791 and RFC 768 lay them out.
    fn udp(destination: u16) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend(40_000_u16.to_be_bytes());
        packet.extend(destination.to_be_bytes());
        packet.extend([0, 8, 0, 0]);
        packet
    }

    #[test]
    fn a_filter_looks_beyond_the_link_header() {
        let ethernet = [vec![0; 12], vec![0x08, 0x00], udp(1494)].concat();
        let filter = BpfFilter::compile(LinkType::ETHERNET, "udp dst port 1494").expect("a valid filter");
        assert!(filter.matches(&ethernet));
        assert!(!filter.matches(&udp(1494)), "without the header of Ethernet this is noise");
        for raw in [LinkType::RAW, LinkType::RAW_OLD, LinkType::RAW_OPENBSD, LinkType::IPV4] {
            let filter = BpfFilter::compile(raw, "udp dst port 1494").expect("raw IP has a number in libpcap");
            assert_eq!([1494, 2598].map(|port| filter.matches(&udp(port))), [true, false], "{raw:?}");
        }
    }

    #[test]
    fn every_link_type_that_is_read_can_be_filtered() {
        for link in (0..=u16::MAX).map(LinkType).filter(|link| link.is_read()) {
            assert!(BpfFilter::compile(link, "tcp port 2598").is_ok(), "{link:?}");
        }
    }

    #[test]
    fn a_wrong_filter_is_told_in_the_words_of_libpcap() {
        let Err(error) = BpfFilter::compile(LinkType::ETHERNET, "prt 80") else { panic!("`prt` is no word") };
        assert!(error.to_string().starts_with("cannot use the filter `prt 80`: "), "{error}");
        assert!(error.to_string().contains("syntax error"), "{error}");
        assert!(BpfFilter::compile(LinkType::ETHERNET, "tcp\0").is_err());
    }

    #[test]
    fn the_loopback_is_listed() {
        let interfaces = list().expect("listing takes no permission");
        assert!(interfaces.iter().any(|interface| interface.loopback), "{interfaces:?}");
    }
}
