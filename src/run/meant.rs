//! What was probably meant where no command was named: a capture is audited, an interface watched.

use crate::cli::{Cli, Mistyped};
use crate::shell;
#[cfg(feature = "live")]
use crate::source::{ANY, list};
use std::path::Path;

/// Proposes the command, in a sentence, where a capture or an interface stands in its place.
pub fn meant(mistyped: &Mistyped) -> Option<String> {
    let words = mistyped.instead_of_a_command();
    if let Some(capture) = words.iter().find(|word| is_capture(word)) {
        let command = proposed(&["cap-audit", "file"], capture, mistyped.words());
        return Some(match command {
            Some(command) => format!("{capture} is not a command; to audit captures: `{command}`"),
            None => format!("{capture} is not a command; to audit captures, type `file` before their names"),
        });
    }
    let interface = words.iter().find(|word| is_interface(word))?;
    let start: &[&str] = if cfg!(unix) { &["sudo", "cap-audit", "live"] } else { &["cap-audit", "live"] };
    let command = proposed(start, interface, mistyped.words())?;
    Some(format!("{interface} is not a command; to watch an interface: `{command}`"))
}

/// The command with all that was typed, if it is understood then, else with the one word that it was recognised by.
fn proposed(start: &[&str], word: &str, typed: &[String]) -> Option<String> {
    let command: Vec<String> =
        start.iter().copied().chain(typed.iter().map(String::as_str)).map(String::from).collect();
    let name = start.iter().position(|word| *word == "cap-audit").unwrap_or(0);
    if Cli::understands(&command[name..]) {
        shell::command(command.iter().map(String::as_str))
    } else {
        shell::command(start.iter().copied().chain([word]))
    }
}

fn is_capture(word: &str) -> bool {
    const ENDINGS: [&str; 3] = ["pcap", "pcapng", "cap"];
    let path = Path::new(word);
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    word == "-" || path.exists() || ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

#[cfg(feature = "live")]
fn is_interface(word: &str) -> bool {
    let existing = list().unwrap_or_default();
    word.split(',').all(|name| name == ANY || existing.iter().any(|interface| interface.name == name))
}

#[cfg(not(feature = "live"))]
fn is_interface(_: &str) -> bool {
    false
}
