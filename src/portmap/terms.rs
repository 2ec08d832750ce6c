//! How what a user types is compared with the words of a map: by whole words and their beginnings, by other names of the same
//! thing, by numbers, and by the nearest word where there is none. The only file that names `strsim`.

use super::rule::PortRule;
use crate::transport::Transport;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Names that people type, and the names of the map that are meant.
#[derive(Clone, Debug)]
pub(super) struct Synonym {
    /// What is typed, in words. No two synonyms of a map share one.
    pub typed: Vec<Vec<String>>,
    /// The same as it is written.
    pub written: Vec<String>,
    /// What is meant, as it is written. Empty: what is typed says nothing.
    pub means: Vec<String>,
    means_words: Vec<Vec<String>>,
}

impl Synonym {
    /// From what is typed and what is meant by it.
    pub fn new(typed: Vec<String>, means: Vec<String>) -> Synonym {
        let words = |texts: &[String]| texts.iter().map(|text| words_of(text)).collect();
        Synonym { typed: words(&typed), means_words: words(&means), written: typed, means }
    }

    /// Whether this is another name of exactly that product or role, the maker's name aside.
    pub fn is_of(&self, name: &str) -> bool {
        let words = words_of(name);
        let plain = |words: &[String]| words.strip_prefix(&["citrix".to_string()]).unwrap_or(words).to_vec();
        self.means_words.iter().any(|means| plain(means) == plain(&words))
    }
}

/// The words of a text in small letters. A word is a run of letters and digits in any script.
pub(super) fn words_of(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// What may be searched of one rule, in words.
#[derive(Default)]
pub(super) struct Texts {
    /// What the rule is about: a name is looked for here.
    pub about: Vec<Vec<String>>,
    /// What is remarked on it.
    pub remarks: Vec<Vec<String>>,
}

/// One condition on a rule.
pub(super) enum Term {
    /// It names one of these numbers.
    Ports(Vec<Numbers>),
    /// It is for all of these transports.
    Over(Vec<Transport>),
    /// It is about something of one of these names, each a row of whole words.
    Name(Vec<Vec<String>>),
    /// These words stand in it one after the other, the last at least with its beginning.
    Words(Vec<String>),
}

/// Ports over one transport, or over any.
pub(super) struct Numbers {
    transport: Option<Transport>,
    ports: RangeInclusive<u16>,
}

impl Term {
    /// Whether the condition holds; `texts` are those of the rule.
    pub fn fits(&self, rule: &PortRule, texts: &Texts) -> bool {
        match self {
            Term::Ports(any) => any.iter().any(|numbers| numbers.fit(rule)),
            Term::Over(transports) => transports.iter().all(|transport| rule.transports.contains(transport)),
            Term::Name(any) => any.iter().any(|name| texts.about.iter().any(|text| has_whole(text, name))),
            Term::Words(words) => texts.about.iter().chain(&texts.remarks).any(|text| has_beginning(text, words)),
        }
    }
}

impl Numbers {
    fn fit(&self, rule: &PortRule) -> bool {
        let meets =
            |range: &RangeInclusive<u16>| range.start() <= self.ports.end() && self.ports.start() <= range.end();
        self.transport.is_none_or(|transport| rule.transports.contains(&transport)) && rule.ports.iter().any(meets)
    }
}

/// Whether a text has these words one after the other.
pub(super) fn has_whole(text: &[String], name: &[String]) -> bool {
    !name.is_empty() && text.windows(name.len()).any(|part| part == name)
}

fn has_beginning(text: &[String], words: &[String]) -> bool {
    let Some((last, before)) = words.split_last() else { return false };
    let fits = |part: &[String]| part[..before.len()] == *before && part[before.len()].starts_with(last.as_str());
    text.windows(words.len()).any(fits)
}

/// A condition, and the part of what was typed that it comes from.
pub(super) struct Typed<'a> {
    /// The first word between blanks, and the one after the last.
    pub place: std::ops::Range<usize>,
    /// The synonym that it comes from.
    pub synonym: Option<&'a Synonym>,
    /// The condition; `None` where the words say nothing.
    pub term: Option<Term>,
}

/// Reads words between blanks: the longest name that is known first, then numbers, transports, and plain words.
pub(super) fn read<'a>(typed: &[String], synonyms: &'a [Synonym], numbers: bool) -> Vec<Typed<'a>> {
    let words: Vec<Vec<String>> = typed.iter().map(|word| words_of(word)).collect();
    let mut terms = Vec::new();
    let mut place = 0;
    while place < typed.len() {
        let (end, synonym) = longest_name(&words, place, synonyms).unwrap_or((place + 1, None));
        let term = match synonym {
            Some(synonym) if synonym.means.is_empty() => None,
            Some(synonym) => Some(Term::Name(synonym.means_words.clone())),
            None => numbers
                .then(|| ports(&typed[place]).map(Term::Ports).or_else(|| transports(&typed[place]).map(Term::Over)))
                .flatten()
                .or_else(|| (!words[place].is_empty()).then(|| Term::Words(words[place].clone()))),
        };
        terms.push(Typed { place: place..end, synonym, term });
        place = end;
    }
    terms
}

/// The synonym with the most words that begins at this place, and where it ends.
fn longest_name<'a>(
    words: &[Vec<String>],
    place: usize,
    synonyms: &'a [Synonym],
) -> Option<(usize, Option<&'a Synonym>)> {
    let longest = synonyms.iter().flat_map(|synonym| &synonym.typed).map(Vec::len).max()?;
    let mut joined: Vec<String> = Vec::new();
    let mut found = None;
    for (end, part) in words.iter().enumerate().skip(place) {
        joined.extend_from_slice(part);
        if joined.len() > longest {
            break;
        }
        if let Some(synonym) = synonyms.iter().find(|synonym| synonym.typed.contains(&joined)) {
            found = Some((end + 1, Some(synonym)));
        }
    }
    found
}

/// `2598`, `tcp/2598`, `2598/tcp`, `1494,2598`, `16500-16509`. A transport that stands once goes with all numbers.
fn ports(typed: &str) -> Option<Vec<Numbers>> {
    let mut all = Vec::new();
    for part in typed.split([',', ';']).filter(|part| !part.is_empty()) {
        let (transport, ports) = match part.split_once(['/', ':']) {
            Some((left, right)) => match (Transport::named(left), Transport::named(right)) {
                (Some(transport), None) => (Some(transport), right),
                (None, Some(transport)) => (Some(transport), left),
                _ => return None,
            },
            None => (None, part),
        };
        all.push(Numbers { transport, ports: range(ports)? });
    }
    let named: BTreeSet<Transport> = all.iter().filter_map(|numbers| numbers.transport).collect();
    if let (1, Some(&transport)) = (named.len(), named.first()) {
        all.iter_mut().for_each(|numbers| numbers.transport = Some(transport));
    }
    (!all.is_empty()).then_some(all)
}

/// A port or a range, with the dashes and dots that documents use.
fn range(typed: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| digits && *port > 0)
    };
    let ends = ["..", "-", "\u{2013}"].into_iter().find_map(|between| typed.split_once(between));
    let (first, last) = ends.unwrap_or((typed, typed));
    let (first, last) = (port(first)?, port(last)?);
    Some(first.min(last)..=first.max(last))
}

/// `tcp`, or `tcp/udp` as the list of rules writes it.
fn transports(typed: &str) -> Option<Vec<Transport>> {
    typed.split('/').map(Transport::named).collect()
}

/// The word that was probably meant: the nearest of those that are known. `None` where none is near.
pub(super) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let letters = typed.chars().count();
    let tolerated = match letters {
        0..=3 => 0,
        4..=6 => 1,
        _ => 2,
    };
    if tolerated == 0 || typed.chars().all(|letter| letter.is_ascii_digit()) {
        return None;
    }
    let near = known.filter_map(|word| {
        // Cheaper than a comparison letter by letter.
        let difference = word.chars().count().abs_diff(letters);
        let distance = (difference <= tolerated).then(|| strsim::osa_distance(typed, word))?;
        let begins_otherwise = typed.chars().next() != word.chars().next();
        (distance <= tolerated).then_some((distance, begins_otherwise, difference, word))
    });
    near.min().map(|(.., word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        assert_eq!(words_of("cvad.workspace-app.vda"), ["cvad", "workspace", "app", "vda"]);
        assert_eq!(words_of("Service d\u{2019}authentification f\u{e9}d\u{e9}r\u{e9}e").len(), 4);
        assert_eq!(words_of("Citrixライセンスサーバー"), ["citrixライセンスサーバー"]);
        assert_eq!(words_of(" -- "), Vec::<String>::new());
    }

    #[test]
    fn a_word_is_found_at_its_start_only() {
        let text = words_of("Admin Workstation (XenCenter)");
        let found = |typed: &str| has_beginning(&text, &words_of(typed));
        assert!(found("work") && found("admin work") && found("XENCENTER") && found("admin-workstation"));
        assert!(!found("sta") && !found("station") && !found("admi work") && !found(""));
    }

    #[test]
    fn numbers_are_read_in_every_form() {
        let read = |typed: &str| {
            let list = ports(typed)?;
            Some(list.into_iter().map(|numbers| (numbers.transport, numbers.ports)).collect::<Vec<_>>())
        };
        let tcp = Some(Transport::Tcp);
        assert_eq!(read("2598"), Some(vec![(None, 2598..=2598)]));
        for typed in ["tcp/2598", "2598/tcp", "TCP:2598", "2598/TCP,"] {
            assert_eq!(read(typed), Some(vec![(tcp, 2598..=2598)]), "{typed}");
        }
        assert_eq!(read("1494,2598"), Some(vec![(None, 1494..=1494), (None, 2598..=2598)]));
        assert_eq!(read("tcp/1494,2598"), Some(vec![(tcp, 1494..=1494), (tcp, 2598..=2598)]));
        for typed in ["16500-16509", "16500..16509", "16509-16500", "16500\u{2013}16509"] {
            assert_eq!(read(typed), Some(vec![(None, 16_500..=16_509)]), "{typed}");
        }
        for typed in
            ["0", "65536", "+80", "-80", "80-", "tcp", "tcp/udp", "9.9.9.9", "17.0.0.0/8", "1a", "", ",", "/80"]
        {
            assert_eq!(read(typed), None, "{typed}");
        }
    }

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["storefront", "netscaler", "director", "domain", "delivery", "vda"];
        let near = |typed| nearest(typed, known.into_iter());
        assert_eq!(near("storfront"), Some("storefront"));
        assert_eq!(near("netscalr"), Some("netscaler"));
        assert_eq!(near("netsacler"), Some("netscaler"), "two letters changed places");
        assert_eq!(near("vdb"), None, "three letters may be anything");
        assert_eq!(near("mainframe"), None);
        assert_eq!(near("2598"), None, "another number is another port");
    }
}
