//! A capture that lost packets cannot prove an absence.

mod support;

use cap_audit::case::Case;
use cap_audit::finding::{Confidence, Severity};
use cap_audit::source::CaptureNotes;
use cap_audit::time::{Span, Timestamp};
use cap_audit::words::Words;
use support::{Talk, audit, citrix, client, meanwhile, merge, server};

const BEGIN: i64 = 1_700_000_000;

/// A SYN to 2598 that is dropped, tried for nine seconds and watched for a minute.
fn told(notes: CaptureNotes) -> (Severity, Confidence, String) {
    let talk = Talk::between(client("10.0.0.14", 50_123), server("10.0.0.22", 2598)).at(Timestamp::new(BEGIN, 0));
    let tries = talk.syn().wait(Span::seconds(3)).syn_again().wait(Span::seconds(6)).syn_again().packets();
    let audited = audit(merge([tries, meanwhile(Timestamp::new(BEGIN + 60, 0))]));
    let case = Case { ledger: audited.ledger, captures: vec![notes], ..Case::new(citrix()) };
    let found = case.conclude().findings;
    let finding = found.iter().find(|finding| finding.code == "blocked.silent").expect("silence is found");
    (finding.severity, finding.confidence, Words::default().finding(finding).meaning)
}

fn notes() -> CaptureNotes {
    let mut notes = CaptureNotes::new("case.pcap", "pcap");
    notes.packets = 10;
    notes.first = Some(Timestamp::new(BEGIN, 0));
    notes.last = Some(Timestamp::new(BEGIN + 60, 0));
    notes
}

#[test]
fn without_loss_silence_is_an_error() {
    let (severity, confidence, _) = told(notes());
    assert_eq!((severity, confidence), (Severity::Error, Confidence::High));
}

#[test]
fn loss_somewhere_in_the_capture_demotes_silence() {
    let mut lossy = notes();
    lossy.dropped.kernel = Some(3);
    let (severity, confidence, meaning) = told(lossy);
    assert_eq!((severity, confidence), (Severity::Warning, Confidence::Low));
    assert!(meaning.contains("lost packets"), "{meaning}");
}

#[test]
fn loss_in_another_second_does_not() {
    let mut lossy = notes();
    lossy.dropped.kernel = Some(3);
    lossy.lossy_seconds = vec![Timestamp::new(BEGIN + 40, 0)];
    assert_eq!(told(lossy.clone()).0, Severity::Error);
    lossy.lossy_seconds = vec![Timestamp::new(BEGIN + 5, 0)];
    assert_eq!(told(lossy).0, Severity::Warning);
}
