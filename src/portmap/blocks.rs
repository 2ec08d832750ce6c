//! Reads TOML block by block and key by key. What is wrong is collected with its place, so that one reading finds everything.
//! The only file that names `toml`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and the byte of the text at which it begins.
pub(super) struct At<T> {
    /// The byte, counted from 0.
    pub at: usize,
    /// The value.
    pub value: T,
}

/// Everything that is wrong, in the order in which it was noticed.
#[derive(Default)]
pub(super) struct Faults(RefCell<Vec<Fault>>);

/// Something that is wrong.
struct Fault {
    at: usize,
    what: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is no TOML.
    Form,
    /// It is seen by the value alone.
    Value,
    /// Something is missing, unknown or in contradiction. Where the form is wrong, it may only follow from that.
    Relation,
}

impl Faults {
    /// Something that is wrong with a value, whatever stands elsewhere.
    pub fn value(&self, at: usize, what: impl Into<String>) {
        self.0.borrow_mut().push(Fault { at, what: what.into(), kind: Kind::Value });
    }

    /// Something that is missing, unknown, or in contradiction to something else.
    pub fn relation(&self, at: usize, what: impl Into<String>) {
        self.0.borrow_mut().push(Fault { at, what: what.into(), kind: Kind::Relation });
    }

    /// What is wrong with lines counted from 1, in the order of the text.
    fn into_lines(self, text: &str) -> Vec<(usize, String)> {
        let mut faults = self.0.into_inner();
        let is_toml = !faults.iter().any(|fault| fault.kind == Kind::Form);
        faults.retain(|fault| is_toml || fault.kind != Kind::Relation);
        faults.sort_by_key(|fault| fault.at);
        let (mut line, mut passed) = (1, 0);
        let mut lines: Vec<(usize, Kind, String)> = Vec::new();
        for Fault { at, what, kind } in faults {
            let at = at.min(text.len());
            line += text.as_bytes()[passed..at].iter().filter(|byte| **byte == b'\n').count();
            passed = at;
            lines.push((line, kind, what));
        }
        // Whatever else is noticed on a line that is no TOML follows from its first fault of that kind.
        let broken: BTreeSet<usize> = lines.iter().filter(|(_, kind, _)| *kind == Kind::Form).map(|it| it.0).collect();
        lines.retain(|(line, kind, _)| *kind == Kind::Form || !broken.contains(line));
        lines.dedup_by(|next, last| next.0 == last.0 && (broken.contains(&next.0) || next.2 == last.2));
        lines.into_iter().map(|(line, _, what)| (line, what)).collect()
    }
}

/// Reads a text as one block. Gives what `read` makes of it, or each line with what is wrong there.
pub(super) fn read<T>(text: &str, read: impl FnOnce(&Block<'_>) -> Option<T>) -> Result<T, Vec<(usize, String)>> {
    let faults = Faults::default();
    let mut clear = Cow::Borrowed(text);
    let mut stops = 0;
    let made = loop {
        let (table, errors) = DeTable::parse_recoverable(&clear);
        let stop = errors.iter().find(|error| error.message().starts_with(STOP)).and_then(|error| error.span());
        let Some(stop) = stop.map(|span| span.start).filter(|_| stops < STOPS) else {
            let forms = errors.into_iter().map(|error| {
                // A file that ends too early has no place of its own: the fault is after the last line.
                let at = error.span().map_or(text.len(), |span| span.start);
                Fault { at, what: error.message().to_string(), kind: Kind::Form }
            });
            faults.0.borrow_mut().extend(forms);
            break read(&Block::new(0, table.get_ref(), &faults));
        };
        // There the reader stops looking, so what comes after is read without that line.
        stops += 1;
        faults.0.borrow_mut().push(Fault { at: stop, what: NO_VALUE.into(), kind: Kind::Form });
        let begin = clear[..stop].rfind('\n').map_or(0, |end| end + 1);
        let end = clear[stop..].find('\n').map_or(clear.len(), |length| stop + length);
        clear = [&clear[..begin], &" ".repeat(end - begin), &clear[end..]].concat().into();
    };
    match (made, faults.into_lines(text)) {
        (Some(made), faults) if faults.is_empty() => Ok(made),
        (_, faults) => Err(faults),
    }
}

/// How the message begins after which the reader looks no further.
const STOP: &str = "key with no value";

/// What is said of such a line.
const NO_VALUE: &str = "a key with no value; a key, `=` and a value are wanted";

/// Maximum number of such lines after which the text is still read on.
const STOPS: usize = 50;

/// One table of the text. Keys that nobody asked for are unknown.
pub(super) struct Block<'a> {
    /// The byte at which its head begins.
    pub at: usize,
    /// Where faults go.
    pub faults: &'a Faults,
    table: &'a DeTable<'a>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Block<'a> {
    fn new(at: usize, table: &'a DeTable<'a>, faults: &'a Faults) -> Block<'a> {
        Block { at, faults, table, asked: RefCell::default() }
    }

    fn value(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().insert(key);
        self.table.get(key)
    }

    fn needed(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        let value = self.value(key);
        if value.is_none() {
            self.faults.relation(self.at, format!("missing key `{key}`"));
        }
        value
    }

    /// The byte at which the value of a key begins; that of the block where there is none.
    pub fn place_of(&self, key: &str) -> usize {
        self.table.get(key).map_or(self.at, |value| value.span().start)
    }

    /// A text that must be there.
    pub fn text(&self, key: &'static str) -> Option<At<String>> {
        self.needed(key).and_then(|value| self.as_text(value))
    }

    /// A text that may be there.
    pub fn text_if(&self, key: &'static str) -> Option<At<String>> {
        self.value(key).and_then(|value| self.as_text(value))
    }

    /// A list of texts that must be there.
    pub fn texts(&self, key: &'static str) -> Option<At<Vec<At<String>>>> {
        self.needed(key).and_then(|value| self.as_texts(value))
    }

    /// A list of texts that may be there.
    pub fn texts_if(&self, key: &'static str) -> Option<At<Vec<At<String>>>> {
        self.value(key).and_then(|value| self.as_texts(value))
    }

    /// `true` or `false`; without the key it is false.
    pub fn flag(&self, key: &'static str) -> bool {
        let Some(value) = self.value(key) else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.is_not(value, "true or false");
            false
        })
    }

    /// A whole number above 0 that may be there.
    pub fn number_if(&self, key: &'static str) -> Option<u32> {
        let value = self.value(key)?;
        let number = value.get_ref().as_integer().and_then(|number| number.to_string().parse().ok());
        let number = number.filter(|number| *number > 0);
        if number.is_none() {
            self.is_not(value, "a whole number above 0");
        }
        number
    }

    /// A list of ports and ranges; without the key it is empty.
    pub fn ports(&self, key: &'static str) -> Vec<At<RangeInclusive<u16>>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(list) = value.get_ref().as_array() else {
            self.is_not(value, "a list of ports");
            return Vec::new();
        };
        list.iter().filter_map(|port| self.as_ports(port)).collect()
    }

    /// A table inside this one that may be there.
    pub fn block_if(&self, key: &'static str) -> Option<Block<'a>> {
        let value = self.value(key)?;
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.is_not(value, "a table");
        }
        table.map(|table| Block::new(value.span().start, table, self.faults))
    }

    /// The tables of this name: `[[key]]`.
    pub fn blocks(&self, key: &'static str) -> Vec<Block<'a>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(list) = value.get_ref().as_array() else {
            self.is_not(value, "a list of tables");
            return Vec::new();
        };
        let tables = list.iter().filter_map(|item| {
            let table = item.get_ref().as_table();
            if table.is_none() {
                self.is_not(item, "a table");
            }
            table.map(|table| Block::new(item.span().start, table, self.faults))
        });
        tables.collect()
    }

    /// Whatever was not asked for is unknown.
    pub fn done(&self) {
        let asked = self.asked.borrow();
        for key in self.table.keys().filter(|key| !asked.contains(key.get_ref().as_ref())) {
            self.faults.relation(key.span().start, format!("unknown key `{}`", key.get_ref()));
        }
    }

    fn as_text(&self, value: &Spanned<DeValue<'_>>) -> Option<At<String>> {
        let at = value.span().start;
        match value.get_ref().as_str() {
            Some(text) if text.trim().is_empty() => {
                self.faults.value(at, "an empty text");
                None
            }
            Some(text) => Some(At { at, value: text.to_string() }),
            None => {
                self.is_not(value, "a text");
                None
            }
        }
    }

    fn as_texts(&self, value: &Spanned<DeValue<'_>>) -> Option<At<Vec<At<String>>>> {
        let Some(list) = value.get_ref().as_array() else {
            self.is_not(value, "a list of texts");
            return None;
        };
        let texts: Vec<At<String>> = list.iter().filter_map(|text| self.as_text(text)).collect();
        let whole = texts.len() == list.len();
        whole.then(|| At { at: value.span().start, value: texts })
    }

    fn as_ports(&self, value: &Spanned<DeValue<'_>>) -> Option<At<RangeInclusive<u16>>> {
        let at = value.span().start;
        let read = match value.get_ref() {
            DeValue::Integer(number) => {
                let port = number.to_string().parse().ok().filter(|port| *port > 0);
                port.map(|port| port..=port).ok_or_else(|| format!("'{number}' is not a port (1 to 65535)"))
            }
            DeValue::String(text) => range(text),
            other => Err(format!("a port or a range \"a-b\" is wanted, not {}", a_kind(other))),
        };
        read.map_err(|what| self.faults.value(at, what)).ok().map(|value| At { at, value })
    }

    fn is_not(&self, value: &Spanned<DeValue<'_>>, wanted: &str) {
        self.faults.value(value.span().start, format!("{wanted} is wanted, not {}", a_kind(value.get_ref())));
    }
}

fn a_kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// `"80"` or `"49152-65535"`, the lower end first.
fn range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (Some(low), Some(high)) = (port(low), port(high)) else {
        return Err(format!("'{text}' is not a port or a range"));
    };
    if low > high {
        return Err(format!("the range '{text}' runs backwards"));
    }
    Ok(low..=high)
}

fn port(text: &str) -> Option<u16> {
    // A sign would be read as part of a number.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}
