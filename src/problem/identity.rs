//! What makes a problem the same problem in the next run: what its findings have in common, and never its numbers. More clients, more
//! servers and more evidence leave the id as it is.

use super::Problem;
use super::group::{Key, Standing};
use std::collections::BTreeMap;
use std::fmt::Write;

/// `p-no-answer-tcp-2598-cgp`: the cause, the port and the service, and what else tells problems of one cause and port apart.
pub(super) fn id(key: &Key) -> String {
    let Key { cause, code, port, service, severity, standing, word } = key;
    let mut id = format!("p-{}", cause.name());
    let mut add = |part: &dyn std::fmt::Display| _ = write!(id, "-{part}");
    if !cause.has_one_code() {
        add(code);
    }
    if let Some((transport, port)) = port {
        add(&format_args!("{}-{port}", transport.name()));
    }
    // The joined names of services that share a port say no more than the port.
    if let Some(service) = service.as_ref().filter(|service| !service.contains('/')) {
        add(service);
    }
    if !word.is_empty() {
        add(word);
    }
    match standing {
        Standing::Failing => {}
        other => add(&other.name()),
    }
    // What is told with another severity than usual for its cause is another problem.
    if *severity != key.usual_severity() {
        add(&severity.name());
    }
    id
}

/// Numbers problems that nothing else tells apart, in their order.
pub(super) fn tell_twins_apart(problems: &mut [Problem]) {
    let mut known: BTreeMap<String, u32> = BTreeMap::new();
    for problem in problems {
        let twins = known.entry(problem.id.clone()).or_default();
        *twins += 1;
        if *twins > 1 {
            let _ = write!(problem.id, "~{twins}");
        }
    }
}
