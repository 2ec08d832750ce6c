//! What was told of findings, so that each is told once, and again when it means something else or does not hold any more.

use crate::case::Conclusion;
use crate::finding::{Finding, Severity};
use crate::report::{Because, Notice, Revision};
use std::collections::{BTreeMap, BTreeSet};

/// Findings as they were told last, by their ids.
#[derive(Default)]
pub(super) struct Told(BTreeMap<String, Finding>);

impl Told {
    /// How many findings stand as told.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether it was told, and was not withdrawn.
    pub fn has(&self, finding: &Finding) -> bool {
        self.0.contains_key(&finding.id)
    }

    /// What is new: findings that were not told before, those that mean something else than what was told, and those that are
    /// gone. What concerns the capture as a whole is told at the end.
    pub fn notices<'f>(&mut self, conclusion: &'f Conclusion<'_>) -> Vec<Notice<'f>> {
        let mut notices = self.amends(conclusion);
        let worth = conclusion.findings.iter().filter(|finding| finding.severity > Severity::Info);
        for finding in worth {
            if !self.has(finding) {
                self.keep(finding);
                notices.push(Notice::New(finding));
            }
        }
        notices
    }

    /// What has become of findings that were told: what is true of them now. Whoever is told the rest in another way, as at the end,
    /// needs only this.
    pub fn amends<'f>(&mut self, conclusion: &'f Conclusion<'_>) -> Vec<Notice<'f>> {
        let there: BTreeSet<&str> = conclusion.findings.iter().map(|finding| finding.id.as_str()).collect();
        let gone: Vec<String> = self.0.keys().filter(|id| !there.contains(id.as_str())).cloned().collect();
        let mut notices = Vec::new();
        for finding in gone.iter().filter_map(|id| self.0.remove(id)) {
            let because = Because::gone(&finding, conclusion);
            notices.push(Notice::Withdrawn(Box::new(finding), because));
        }
        for finding in &conclusion.findings {
            let revision = self.0.get(&finding.id).and_then(|was| Revision::of(was, finding));
            if let Some(revision) = revision {
                self.keep(finding);
                notices.push(Notice::Revised(finding, revision));
            }
        }
        notices
    }

    /// What its title names and what is compared; the rest of a finding may be large.
    fn keep(&mut self, finding: &Finding) {
        let Finding { id, code, severity, confidence, params, clients, servers, port, service, .. } = finding;
        let kept = Finding {
            id: id.clone(),
            more_clients: finding.more_clients,
            params: params.clone(),
            clients: clients.clone(),
            servers: servers.clone(),
            port: *port,
            service: service.clone(),
            flow_count: finding.flow_count,
            first: finding.first,
            last: finding.last,
            ..Finding::named(code, *severity, *confidence)
        };
        self.0.insert(id.clone(), kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Case;
    use crate::pipeline::{Options, run};
    use crate::portmap::PortMap;
    use crate::source::CaptureFile;
    use std::path::Path;
    use std::sync::Arc;

    /// An office where CGP is dropped (fixtures/office).
    fn office() -> Case {
        let map = Arc::new(PortMap::citrix());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/office/capture.pcap");
        let mut file = CaptureFile::open(&path, 0).expect("the fixture is there");
        let harvest = run(std::slice::from_mut(&mut file), &map, Options::default()).expect("it can be read");
        Case::of(harvest, vec![file.notes().clone()], map)
    }

    fn place(conclusion: &Conclusion<'_>) -> usize {
        conclusion.findings.iter().position(|finding| finding.code == "blocked.silent").expect("something is blocked")
    }

    #[test]
    fn each_finding_is_told_once() {
        let case = office();
        let (conclusion, mut told) = (case.conclude(), Told::default());
        let accused = conclusion.findings.iter().filter(|finding| finding.severity > Severity::Info).count();
        let first = told.notices(&conclusion);
        assert!(accused > 0 && first.len() == accused && first.iter().all(|notice| matches!(notice, Notice::New(_))));
        assert_eq!(told.notices(&case.conclude()), []);
        assert_eq!(told.count(), accused);
    }

    #[test]
    fn what_is_gone_is_withdrawn_with_a_reason_and_told_again_when_it_comes_back() {
        let case = office();
        let (before, mut now, mut told) = (case.conclude(), case.conclude(), Told::default());
        told.notices(&before);
        let gone = now.findings.remove(place(&before));
        // Whatever else is found between the same hosts is about other ports.
        now.findings.retain(|finding| finding.port.is_some());
        let notices = told.amends(&now);
        let [Notice::Withdrawn(finding, because)] = &notices[..] else { panic!("{notices:?}") };
        assert_eq!((&finding.id, because), (&gone.id, &Because::Outweighed));
        assert_eq!(told.amends(&now), [], "once");
        assert!(!told.has(&gone));
        assert!(matches!(&told.notices(&before)[..], [Notice::New(finding)] if finding.id == gone.id));
    }

    #[test]
    fn what_another_finding_tells_names_it() {
        let case = office();
        let (before, mut now, mut told) = (case.conclude(), case.conclude(), Told::default());
        told.notices(&before);
        let place = place(&before);
        now.findings[place].id = "f-another".into();
        let notices = told.amends(&now);
        let [Notice::Withdrawn(_, because)] = &notices[..] else { panic!("{notices:?}") };
        assert_eq!(because, &Because::ToldAs("f-another".into()));
    }

    #[test]
    fn what_became_less_is_revised_even_where_it_is_a_remark_only() {
        let case = office();
        let (before, mut now, mut told) = (case.conclude(), case.conclude(), Told::default());
        told.notices(&before);
        let place = place(&before);
        now.findings[place].severity = Severity::Info;
        let notices = told.notices(&now);
        let [Notice::Revised(finding, revision)] = &notices[..] else { panic!("{notices:?}") };
        assert_eq!((finding.severity, revision.severity), (Severity::Info, Severity::Error));
        assert_eq!(told.notices(&now), [], "once");
    }
}
