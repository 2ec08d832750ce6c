//! Who is behind a problem. Facts that tell one suspect from another are signs, each a line of one table; one place adds them up.
//! One sign alone never says more than "perhaps" (facts FORGED-01).
//!
//! Packets are compared only with packets that were captured in the same place: in the same capture, on their way to the same
//! network of clients.

mod facts;
mod signs;

use self::facts::Facts;
use super::replies::Replies;
use super::{Culprit, Problem, Suspect, Told};
use crate::finding::{Confidence, Finding, Params, Scene};
use crate::ledger::Pair;
use crate::packet::Address;

/// Maximum number of findings of a problem, each one server's, that are looked into: the first ones.
const LOOKED_AT: usize = 64;

/// In what way it shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// Nothing came back.
    Silent,
    /// A reset answered the SYN.
    Refused,
    /// An ICMP error answered.
    Prohibited,
    /// The SYN-ACK was never acknowledged.
    HalfOpen,
    /// A reset after the handshake.
    ResetEarly,
}

impl Form {
    fn of(code: &str) -> Option<Form> {
        Some(match code {
            "blocked.silent" => Form::Silent,
            "blocked.refused" => Form::Refused,
            "blocked.prohibited" => Form::Prohibited,
            "blocked.half-open" => Form::HalfOpen,
            "blocked.reset-early" => Form::ResetEarly,
            _ => return None,
        })
    }

    /// Who can be behind it at all.
    fn suspects(self) -> &'static [Suspect] {
        use Suspect::{ClientHost, HostFirewall, Middlebox, NetworkPath, Server};
        match self {
            Form::Silent | Form::Prohibited => &[Server, HostFirewall, Middlebox, NetworkPath],
            Form::Refused | Form::ResetEarly => &[Server, HostFirewall, Middlebox],
            Form::HalfOpen => &[Middlebox, ClientHost, NetworkPath],
        }
    }
}

/// One sign: for whom it speaks and how much, whom it excludes, and how it is seen.
struct Sign {
    code: &'static str,
    speaks_for: &'static [(Suspect, i32)],
    excludes: &'static [Suspect],
    look: fn(&Facts<'_>) -> Option<Params>,
}

/// Every sign, those that tell most first. What weighs 4 or more decides together with one other sign.
const SIGNS: &[Sign] = {
    use Suspect::{ClientHost, HostFirewall, Middlebox, NetworkPath, Server};
    const fn sign(
        code: &'static str,
        speaks_for: &'static [(Suspect, i32)],
        excludes: &'static [Suspect],
        look: fn(&Facts<'_>) -> Option<Params>,
    ) -> Sign {
        Sign { code, speaks_for, excludes, look }
    }
    &[
        sign("sign-server-went-on", &[(Middlebox, 5)], &[Server, HostFirewall], signs::server_went_on),
        sign("sign-unanswered-requests", &[(Server, 5)], &[HostFirewall, Middlebox], signs::unanswered_requests),
        sign("sign-icmp-device", &[(Middlebox, 3)], &[NetworkPath], signs::icmp_device),
        sign("sign-icmp-instead-of-reset", &[(HostFirewall, 4)], &[Server, NetworkPath], signs::icmp_instead_of_reset),
        sign("sign-icmp-policy-of-server", &[(HostFirewall, 3)], &[Server, NetworkPath], signs::icmp_policy_of_server),
        sign("sign-icmp-port-closed", &[(Server, 4), (HostFirewall, 1)], &[NetworkPath], signs::icmp_port_closed),
        sign("sign-icmp-no-host", &[(Server, 3), (NetworkPath, 1)], &[HostFirewall], signs::icmp_no_host),
        sign("sign-icmp-no-host-for-some", &[(NetworkPath, 3)], &[HostFirewall], signs::icmp_no_host_for_some),
        sign("sign-icmp-no-route", &[(NetworkPath, 3)], &[Server, HostFirewall], signs::icmp_no_route),
        sign("sign-icmp-not-server", &[(Middlebox, 2)], &[Server, HostFirewall], signs::icmp_not_server),
        sign("sign-icmp-ttl", &[(Middlebox, 5)], &[], signs::icmp_ttl),
        sign("sign-icmp-ttl-same", &[(Server, 1), (HostFirewall, 1)], &[], signs::icmp_ttl_same),
        sign("sign-icmp-nearer", &[(Middlebox, 1)], &[], signs::icmp_nearer),
        sign("sign-icmp-several-servers", &[(Middlebox, 1)], &[], signs::icmp_several_servers),
        sign("sign-reset-ttl", &[(Middlebox, 3)], &[], signs::reset_ttl),
        sign("sign-reset-ttl-local", &[(Middlebox, 3)], &[], signs::reset_ttl_local),
        sign("sign-reset-fast", &[(Middlebox, 3)], &[], signs::reset_fast),
        sign("sign-reset-copies-identification", &[(Middlebox, 2)], &[], signs::reset_copies_identification),
        sign("sign-reset-copies-window", &[(Middlebox, 1)], &[], signs::reset_copies_window),
        sign("sign-reset-ttl-same", &[(Server, 2)], &[], signs::reset_ttl_same),
        sign("sign-reset-delay-same", &[(Server, 1), (HostFirewall, 1)], &[], signs::reset_delay_same),
        sign("sign-reset-identification-same", &[(Server, 1)], &[], signs::reset_identification_same),
        sign("sign-reset-identification", &[(Middlebox, 1)], &[], signs::reset_identification),
        sign("sign-reset-ttl-near", &[(Middlebox, 1)], &[], signs::reset_ttl_near),
        sign("sign-reset-ttl-start", &[(Middlebox, 1)], &[], signs::reset_ttl_start),
        sign("sign-reset-numbers", &[(Middlebox, 1)], &[], signs::reset_numbers),
        sign("sign-reset-options", &[(Middlebox, 1)], &[], signs::reset_options),
        sign("sign-reset-after-greeting", &[(Middlebox, 1)], &[], signs::reset_after_greeting),
        sign("sign-captured-at-client", &[(ClientHost, 3)], &[Middlebox], signs::captured_at_client),
        sign("sign-captured-at-server", &[(NetworkPath, 3), (Middlebox, 1)], &[], signs::captured_at_server),
        sign(
            "sign-not-acknowledged",
            &[(NetworkPath, 2), (ClientHost, 2)],
            &[Server, HostFirewall],
            signs::not_acknowledged,
        ),
        sign("sign-whole-networks", &[(Middlebox, 3), (HostFirewall, 1)], &[], signs::whole_networks),
        sign(
            "sign-whole-networks-here",
            &[(Middlebox, 1), (HostFirewall, 1)],
            &[],
            signs::whole_networks_that_reach_neighbours,
        ),
        sign("sign-old-sessions", &[(HostFirewall, 2), (Middlebox, 2)], &[NetworkPath], signs::old_sessions_go_on),
        sign(
            "sign-answers-others",
            &[(HostFirewall, 2), (Middlebox, 2), (Server, -4)],
            &[Server],
            signs::answers_others,
        ),
        sign("sign-answers-these", &[(Server, 2), (HostFirewall, -2)], &[], signs::answers_these),
        sign(
            "sign-client-unanswered",
            &[(ClientHost, 3), (NetworkPath, 1)],
            &[Server, HostFirewall],
            signs::client_unanswered,
        ),
        sign("sign-many-servers", &[(Middlebox, 3)], &[], signs::many_servers),
        sign("sign-alive", &[(HostFirewall, 2), (Middlebox, 2)], &[NetworkPath], signs::alive),
        sign("sign-neighbours-answer", &[(HostFirewall, 3), (Server, 1)], &[], signs::neighbours_answer),
        // Silence in between fits a restart as well.
        sign("sign-alive-before-and-after", &[], &[], signs::silent_in_between),
        sign("sign-alive-before-and-after", &[(HostFirewall, 1), (Middlebox, 1)], &[], signs::alive_before_and_after),
        sign("sign-up", &[(HostFirewall, 1), (Middlebox, 1)], &[], signs::up),
        sign("sign-never-heard", &[(Server, 1), (NetworkPath, 1)], &[], signs::never_heard),
    ]
};

/// Who is behind a problem, as far as signs tell; none where it is not about something that is blocked.
pub(super) fn of(scene: &Scene<'_>, problem: &Problem, findings: &[Finding], replies: &Replies) -> Option<Culprit> {
    of_findings(scene, problem.findings.iter().filter_map(|&place| findings.get(place)), replies)
}

/// The same of findings that may become a problem.
pub(super) fn of_findings<'a>(
    scene: &Scene<'_>,
    findings: impl Iterator<Item = &'a Finding> + Clone,
    replies: &Replies,
) -> Option<Culprit> {
    let all = || findings.clone();
    let form = all().find_map(|finding| Form::of(finding.code))?;
    let alike = || all().filter(|finding| Form::of(finding.code) == Some(form));
    // Nothing is claimed of what is itself not sure.
    let sure: Vec<&Finding> = alike().filter(|finding| finding.confidence > Confidence::Low).take(LOOKED_AT).collect();
    let seen_both_ways = |finding: &&Finding| !is_one_direction(scene, finding);
    let looked_at: Vec<&Finding> = sure.iter().copied().filter(seen_both_ways).collect();
    if looked_at.is_empty() {
        let one_direction = alike().any(|finding| is_one_direction(scene, finding));
        let code = if one_direction { "doubt-one-direction" } else { "doubt-unsure" };
        return Some(nobody(form.suspects().to_vec(), vec![told(code)]));
    }
    let facts = Facts::of(scene, replies, form, looked_at);
    let signs: Vec<(&Sign, Params)> = SIGNS.iter().filter_map(|sign| Some((sign, (sign.look)(&facts)?))).collect();
    Some(sum(&facts, signs))
}

/// What others are answered, and that a server lives: no sign of what its own firewall did.
const INDIRECT: [&str; 5] =
    ["sign-neighbours-answer", "sign-up", "sign-alive", "sign-alive-before-and-after", "sign-whole-networks-here"];

/// Adds the signs up: the one place where they become a name.
fn sum(facts: &Facts<'_>, signs: Vec<(&Sign, Params)>) -> Culprit {
    let score = |suspect: Suspect| -> i32 {
        let all = signs.iter().flat_map(|(sign, _)| sign.speaks_for);
        all.filter(|(of, _)| *of == suspect).map(|(_, weight)| weight).sum()
    };
    let possible: Vec<Suspect> = {
        let excluded = |suspect: &Suspect| signs.iter().any(|(sign, _)| sign.excludes.contains(suspect));
        facts.suspects().iter().copied().filter(|suspect| !excluded(suspect)).collect()
    };
    let mut scores: Vec<(i32, Suspect)> = facts.suspects().iter().map(|&it| (score(it), it)).collect();
    scores.sort_by(|one, other| other.cmp(one));
    let (best, kind) = scores.first().copied().unwrap_or((0, Suspect::Unknown));
    let second = scores.get(1).map_or(0, |&(score, _)| score.max(0));
    let speaks = |sign: &Sign| sign.speaks_for.iter().any(|&(of, weight)| of == kind && weight > 0);
    let decides = |sign: &Sign| sign.speaks_for.iter().any(|&(of, weight)| of == kind && weight >= 4);
    let number = signs.iter().filter(|(sign, _)| speaks(sign)).count();
    let decided = signs.iter().any(|(sign, _)| decides(sign));
    let margin = best - second;
    let mut doubts = facts.open();
    if best < 2 || margin < 2 || !possible.contains(&kind) {
        let contradict = best >= 3 && (margin < 2 || !possible.contains(&kind)) && signs.len() > 1;
        doubts.extend(contradict.then(|| told("doubt-contradiction")));
        let possible = if possible.is_empty() { facts.suspects().to_vec() } else { possible };
        doubts.extend(reasons(facts, Suspect::Unknown, &possible));
        return Culprit { signs: tell(&signs, |_| true), ..nobody(possible, doubts) };
    }
    // Silence for one server among others does not show where it is made: a device on the way may have a rule for that server.
    let beside = facts.answers_beside_only();
    let is_indirect =
        |sign: &Sign| INDIRECT.contains(&sign.code) || beside && sign.code == "sign-answers-others" || !speaks(sign);
    let guessed = kind == Suspect::HostFirewall && signs.iter().all(|(sign, _)| is_indirect(sign));
    let confidence = match number {
        0 | 1 => Confidence::Low,
        _ if guessed => Confidence::Low,
        _ if margin >= 4 && (number >= 3 || decided) => Confidence::High,
        _ => Confidence::Medium,
    };
    let remains = |suspect: &Suspect| *suspect != kind && (confidence < Confidence::High || score(*suspect) > 0);
    let not_excluded: Vec<Suspect> = possible.into_iter().filter(remains).collect();
    doubts.extend(reasons(facts, kind, &not_excluded));
    // What speaks for the suspect first, then what speaks against.
    let mut told = tell(&signs, speaks);
    told.extend(tell(&signs, |sign| !speaks(sign)));
    Culprit { kind, address: facts.address(kind), confidence, signs: told, not_excluded, doubts }
}

fn tell(signs: &[(&Sign, Params)], wanted: impl Fn(&Sign) -> bool) -> Vec<Told> {
    let wanted = signs.iter().filter(|(sign, _)| wanted(sign));
    wanted.map(|(sign, params)| Told { code: sign.code, params: params.clone() }).collect()
}

fn told(code: &'static str) -> Told {
    Told { code, params: Params::default() }
}

fn nobody(not_excluded: Vec<Suspect>, doubts: Vec<Told>) -> Culprit {
    let (kind, confidence) = (Suspect::Unknown, Confidence::Low);
    Culprit { kind, address: None, confidence, signs: Vec::new(), not_excluded, doubts }
}

/// Why these suspects are not excluded, each reason once.
fn reasons(facts: &Facts<'_>, kind: Suspect, suspects: &[Suspect]) -> Vec<Told> {
    let mut codes = Vec::new();
    for suspect in suspects {
        let code = match (facts.form, suspect) {
            (_, Suspect::Unknown | Suspect::ClientHost) | (Form::HalfOpen, _) => "doubt-way-back",
            (Form::Refused | Form::ResetEarly, Suspect::HostFirewall) => "doubt-same-reset",
            (Form::Refused | Form::ResetEarly, Suspect::Middlebox) => "doubt-imitation",
            (Form::Refused | Form::ResetEarly, Suspect::Server) => "doubt-odd-server",
            (_, Suspect::NetworkPath) if kind == Suspect::Server => "doubt-address",
            (_, Suspect::NetworkPath) => "doubt-route",
            (Form::Silent, Suspect::Server) if facts.listened() => "doubt-full",
            (Form::Silent, Suspect::Server) if facts.is_alive() => "doubt-stealth",
            (Form::Silent | Form::Prohibited, Suspect::Server) => "doubt-down",
            (Form::Silent, Suspect::Middlebox) if kind == Suspect::HostFirewall => "doubt-single-rule",
            (Form::Silent, Suspect::HostFirewall | Suspect::Middlebox) => "doubt-silence",
            (Form::Prohibited, Suspect::HostFirewall) => "doubt-same-rejection",
            (Form::Prohibited, Suspect::Middlebox) => "doubt-forged-icmp",
        };
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    codes.into_iter().map(told).collect()
}

/// The capture holds one direction only between all these hosts, as far as TCP shows.
fn is_one_direction(scene: &Scene<'_>, finding: &Finding) -> bool {
    let half = |server: Address| {
        let seen = |&client: &Address| scene.ledger.visibility.is_one_direction(Some(Pair::of(client, server)));
        finding.clients.iter().all(seen)
    };
    !finding.clients.is_empty() && finding.servers.iter().all(|&server| half(server))
}
