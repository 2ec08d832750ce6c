//! The state of a TCP conversation as a bystander sees it, and the code that Zeek gives it.
//!
//! One total function from state and flags to state: any packet may come in any state, and packets get lost. The rules
//! are those that Zeek documents for `conn_state`, so that people can compare.

use super::Who;
use crate::packet::TcpFlags;

/// What one end has shown so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum End {
    /// Nothing.
    #[default]
    Quiet,
    /// A SYN.
    SynSent,
    /// A SYN-ACK although it is the client.
    SynAckSent,
    /// Its part of a handshake.
    Established,
    /// Packets without the beginning of the conversation.
    Partial,
    /// A FIN.
    Closed,
    /// A reset.
    Reset,
    /// A reset after its own FIN: normal for some hosts, so a FIN of the other end turns it back into `Closed`.
    ResetAfterClose,
}

/// Both ends.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TcpState {
    /// The client's end.
    pub client: End,
    /// The server's end.
    pub server: End,
}

impl TcpState {
    /// The state after one more segment. `empty` says that it carries no payload.
    #[inline]
    pub fn next(self, flags: TcpFlags, from: Who, empty: bool) -> TcpState {
        const ENDS: u8 = TcpFlags::FIN | TcpFlags::RST;
        if self.client == End::Established && self.server == End::Established && flags.0 & ENDS == 0 {
            return self;
        }
        self.next_in_full(flags, from, empty)
    }

    fn next_in_full(self, flags: TcpFlags, from: Who, empty: bool) -> TcpState {
        let (mine, peer) = match from {
            Who::Client => (self.client, self.server),
            Who::Server => (self.server, self.client),
        };
        let (mine, peer) = advance(mine, peer, flags, from, empty);
        match from {
            Who::Client => TcpState { client: mine, server: peer },
            Who::Server => TcpState { client: peer, server: mine },
        }
    }

    /// Zeek's `conn_state`. `no_payload` says that neither end sent any; `only_syn_before_reset` that the client sent
    /// nothing but SYNs before its reset.
    pub fn code(self, no_payload: bool, only_syn_before_reset: bool) -> &'static str {
        use End::{Closed, Established, Partial, Quiet, Reset, ResetAfterClose, SynAckSent, SynSent};
        let client_absent = matches!(self.client, Quiet | Partial);
        let server_absent = matches!(self.server, Quiet | Partial);
        match (self.client, self.server) {
            (SynSent | SynAckSent, Reset | ResetAfterClose) => "REJ",
            (Reset | ResetAfterClose, Reset | ResetAfterClose) if no_payload => "REJ",
            (_, Reset | ResetAfterClose) if client_absent => "RSTRH",
            (_, Reset | ResetAfterClose) => "RSTR",
            (Reset | ResetAfterClose, _) if server_absent && only_syn_before_reset => "RSTOS0",
            (Reset | ResetAfterClose, _) if server_absent => "OTH",
            (Reset | ResetAfterClose, _) => "RSTO",
            (Closed, Closed) => "SF",
            (Closed, _) if server_absent => "SH",
            (Closed, _) => "S2",
            (_, Closed) if client_absent => "SHR",
            (_, Closed) => "S3",
            (SynSent, Quiet) => "S0",
            (Established, Established) => "S1",
            _ => "OTH",
        }
    }

    /// Both ends have closed, or one has reset: a new SYN is a new flow.
    pub fn is_over(self) -> bool {
        let reset = |end| matches!(end, End::Reset | End::ResetAfterClose);
        (self.client == End::Closed && self.server == End::Closed) || reset(self.client) || reset(self.server)
    }
}

#[inline]
fn advance(mine: End, peer: End, flags: TcpFlags, from: Who, empty: bool) -> (End, End) {
    match mine {
        End::Established | End::Partial => speaking(mine, peer, flags),
        End::Quiet => first_word(peer, flags, from, empty),
        End::SynSent | End::SynAckSent if flags.rst() => (End::Reset, peer),
        End::SynSent | End::SynAckSent if flags.fin() => (End::Closed, peer),
        // An ACK or data after a SYN proves an unseen SYN-ACK, but the state waits for the other end to show itself.
        End::SynSent | End::SynAckSent => (mine, peer),
        End::Closed if flags.rst() && peer != End::Closed => (End::ResetAfterClose, peer),
        // The same SYN again, after the client ended an older connection of these ports (RFC 9293, 3.5.1).
        End::Reset if from == Who::Client && flags.syn() && !flags.ack() && peer == End::Quiet => (End::SynSent, peer),
        // One of several equal SYNs was accepted after all.
        End::Reset if from == Who::Server && flags.syn() && flags.ack() && peer == End::SynSent => {
            (End::Established, End::Established)
        }
        End::Closed | End::Reset | End::ResetAfterClose => (mine, peer),
    }
}

#[inline]
fn speaking(mine: End, peer: End, flags: TcpFlags) -> (End, End) {
    if flags.rst() {
        return (End::Reset, peer);
    }
    if flags.fin() {
        return (End::Closed, if peer == End::ResetAfterClose { End::Closed } else { peer });
    }
    if flags.syn() && !flags.ack() && mine == End::Partial && peer == End::Quiet {
        return (End::SynSent, peer);
    }
    (mine, peer)
}

fn first_word(peer: End, flags: TcpFlags, from: Who, empty: bool) -> (End, End) {
    if flags.rst() {
        return (End::Reset, peer);
    }
    if flags.fin() {
        return (End::Closed, peer);
    }
    match (flags.syn(), from) {
        (true, Who::Client) if flags.ack() => (End::SynAckSent, peer),
        (true, Who::Client) => (End::SynSent, peer),
        // The answer establishes both ends, as Zeek has it: it does not prove that the client got it.
        (true, Who::Server) => (End::Established, if peer == End::SynSent { End::Established } else { peer }),
        // Some hosts acknowledge a SYN before they answer it.
        (false, Who::Server) if empty && peer == End::SynSent => (End::Quiet, peer),
        // Only the SYN was missed.
        (false, _) if flags.ack() && peer == End::Established => (End::Established, peer),
        (false, _) => (End::Partial, peer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_of_established_connections_is_the_long_one() {
        let established = TcpState { client: End::Established, server: End::Established };
        for flags in (0..=u8::MAX).map(TcpFlags) {
            for (from, empty) in [Who::Client, Who::Server].into_iter().flat_map(|from| [(from, false), (from, true)]) {
                let [short, long] =
                    [established.next(flags, from, empty), established.next_in_full(flags, from, empty)];
                assert_eq!(short, long, "{flags:?}, from the {from:?}, empty {empty}");
            }
        }
    }

    const SYN: u8 = TcpFlags::SYN;
    const ACK: u8 = TcpFlags::ACK;
    const FIN: u8 = TcpFlags::FIN | TcpFlags::ACK;
    const RST: u8 = TcpFlags::RST;

    /// `c` and `s` send; the code after the last of them.
    fn code(talk: &[(char, u8)]) -> &'static str {
        let state = talk.iter().fold(TcpState::default(), |state, &(who, flags)| {
            let from = if who == 'c' { Who::Client } else { Who::Server };
            state.next(TcpFlags(flags), from, true)
        });
        let only_syn = talk.iter().all(|&(who, flags)| who == 's' || flags & !(SYN | RST) == 0);
        state.code(true, only_syn)
    }

    #[test]
    fn the_codes_are_those_of_zeek() {
        // As listed in facts STATE-01.
        assert_eq!(code(&[('c', SYN)]), "S0");
        assert_eq!(code(&[('c', SYN), ('s', SYN | ACK), ('c', ACK)]), "S1");
        assert_eq!(code(&[('c', SYN), ('s', SYN | ACK)]), "S1", "a SYN-ACK alone establishes both ends");
        assert_eq!(code(&[('c', SYN), ('s', RST | ACK)]), "REJ");
        assert_eq!(code(&[('c', SYN), ('s', SYN | ACK), ('c', ACK), ('c', FIN), ('s', FIN), ('c', ACK)]), "SF");
        assert_eq!(code(&[('c', SYN), ('s', SYN | ACK), ('c', ACK), ('c', FIN)]), "S2");
        assert_eq!(code(&[('c', SYN), ('s', SYN | ACK), ('c', ACK), ('s', FIN)]), "S3");
        assert_eq!(code(&[('c', SYN), ('s', SYN | ACK), ('c', ACK), ('c', RST)]), "RSTO");
        assert_eq!(code(&[('c', SYN), ('s', SYN | ACK), ('c', ACK), ('s', RST)]), "RSTR");
        assert_eq!(code(&[('c', SYN), ('c', RST)]), "RSTOS0");
        assert_eq!(code(&[('s', SYN | ACK), ('s', RST)]), "RSTRH");
        assert_eq!(code(&[('c', SYN), ('c', FIN)]), "SH");
        assert_eq!(code(&[('s', SYN | ACK), ('s', FIN)]), "SHR");
        assert_eq!(code(&[('c', ACK), ('s', ACK)]), "OTH");
        assert_eq!(code(&[('c', SYN), ('c', ACK)]), "S0", "the client half alone");
    }

    #[test]
    fn a_reset_after_both_fins_changes_nothing() {
        assert_eq!(code(&[('c', SYN), ('s', SYN | ACK), ('c', ACK), ('c', FIN), ('s', FIN), ('c', RST)]), "SF");
        assert_eq!(code(&[('c', SYN), ('s', SYN | ACK), ('c', ACK), ('c', FIN), ('c', RST), ('s', FIN)]), "SF");
        assert_eq!(code(&[('c', SYN), ('s', SYN | ACK), ('c', ACK), ('c', FIN), ('c', RST)]), "RSTO");
    }
}
