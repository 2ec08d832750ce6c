//! Lists of rules that many flows share: where a port stands in more than a dozen rules, their list stands once in the document, and
//! flows and findings name it.

use super::Report;
use crate::finding::Finding;
use crate::portmap::{Place, PortMap};
use crate::transport::Transport;
use std::collections::BTreeMap;

/// Maximum number of rules that a flow lists itself.
const LISTED: usize = 12;

/// Lists by their names, such as `tcp/443`.
pub(super) type RuleSets<'a> = BTreeMap<String, Vec<&'a str>>;

/// The name of the list of a place whose rules are not listed with each flow.
pub(super) fn name(place: Place, map: &PortMap) -> Option<String> {
    (map.at(place).rules.len() > LISTED).then(|| match place.transport() {
        // It has no ports.
        Transport::Icmp => "icmp".into(),
        transport => format!("{}/{}", transport.name(), place.port()),
    })
}

/// The name of the list that a finding rests on.
pub(super) fn of_finding(finding: &Finding, map: &PortMap) -> Option<String> {
    let (_, port) = finding.port.filter(|_| finding.rules.len() > LISTED)?;
    let same = |place: &Place| rules(*place, map).iter().eq(&finding.rules);
    let places = Transport::ALL.into_iter().filter_map(|transport| map.place(transport, port));
    places.into_iter().find(same).and_then(|place| name(place, map))
}

/// The lists that the flows and findings of a report name.
pub(super) fn named<'a>(report: &Report<'a>) -> RuleSets<'a> {
    let judge = report.flows.judge;
    let mut all = every(judge.map);
    let mut used: Vec<String> = report.findings.iter().filter_map(|line| of_finding(line.finding, judge.map)).collect();
    let mut places: Vec<Place> = Vec::new();
    for place in report.flows.flows.iter().filter_map(|flow| judge.flow(flow).place) {
        if !places.contains(&place) && map_lists_many(place, judge.map) {
            used.extend(name(place, judge.map));
            places.push(place);
        }
    }
    all.retain(|name, _| used.contains(name));
    all
}

/// Every list of a map, for a report whose flows are not known yet.
pub(super) fn every(map: &PortMap) -> RuleSets<'_> {
    let places = Transport::ALL.into_iter().flat_map(|transport| {
        let first = move |port: &u16| map.place(transport, *port).is_some_and(|place| place.port() == *port);
        (0..=u16::MAX).filter(first).filter_map(move |port| map.place(transport, port))
    });
    places.filter_map(|place| Some((name(place, map)?, rules(place, map)))).collect()
}

fn map_lists_many(place: Place, map: &PortMap) -> bool {
    map.at(place).rules.len() > LISTED
}

fn rules(place: Place, map: &PortMap) -> Vec<&str> {
    map.at(place).rules.iter().map(|&rule| map.rule(rule).id.as_str()).collect()
}
