//! What became of a flow, in the words of the report.

/// What became of a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// TCP handshake completed, or data answered data.
    Established,
    /// UDP or ICMP: both sides spoke.
    Answered,
    /// The opener tried, nothing came back, and the grace period was watched to its end.
    Silent,
    /// A reset answered the first SYN.
    Refused,
    /// An ICMP unreachable quotes the flow.
    Prohibited,
    /// The SYN-ACK never reached the client, or its ACK never came back.
    HalfOpen,
    /// Reset after the handshake before the server said anything.
    ResetEarly,
    /// UDP or ICMP without a reply where none is required, or not yet certain.
    Unanswered,
    /// The start was not captured; both sides speak.
    Midstream,
    /// Only one direction was captured although the other plainly exists.
    OneWay,
    /// The capture ended or lost packets before the question could be answered.
    Undecided,
}

impl Outcome {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Established => "established",
            Outcome::Answered => "answered",
            Outcome::Silent => "silent",
            Outcome::Refused => "refused",
            Outcome::Prohibited => "prohibited",
            Outcome::HalfOpen => "half_open",
            Outcome::ResetEarly => "reset_early",
            Outcome::Unanswered => "unanswered",
            Outcome::Midstream => "midstream",
            Outcome::OneWay => "one_way",
            Outcome::Undecided => "undecided",
        }
    }

    /// Whether it counts as blocked.
    pub fn is_blocked(self) -> bool {
        match self {
            Outcome::Silent | Outcome::Refused | Outcome::Prohibited | Outcome::HalfOpen | Outcome::ResetEarly => true,
            Outcome::Established
            | Outcome::Answered
            | Outcome::Unanswered
            | Outcome::Midstream
            | Outcome::OneWay
            | Outcome::Undecided => false,
        }
    }

    /// Whether the capture showed enough to judge the flow.
    pub fn is_evaluable(self) -> bool {
        !matches!(self, Outcome::OneWay | Outcome::Undecided)
    }
}
