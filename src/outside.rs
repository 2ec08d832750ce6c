//! What came from outside, made safe to be shown. Names of files and interfaces, comments, server names and the texts of a port map
//! are written by strangers: they may drive a terminal, forge a line of ours, turn the order of letters around, or be a formula to
//! a spreadsheet. Whatever writes for people writes through here; [`crate::shell`] does the same for commands.

use std::borrow::Cow;

/// One line of text that a terminal shows as it is: characters that nobody sees are replaced by U+FFFD, a tab by a blank.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return text.into();
    }
    let shown = |c: char| match c {
        '\t' => ' ',
        c if is_unseen(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Text for a cell of a table that spreadsheets open: one line, and no formula. What a spreadsheet would calculate begins with an
/// apostrophe; a number stays a number.
pub fn cell(text: &str) -> Cow<'_, str> {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) && !is_number(text);
    if formula { format!("'{}", printable(text)).into() } else { printable(text) }
}

/// The beginning of a text, as many whole characters as have room in this number of bytes.
pub fn beginning(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    &text[..end]
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) && text.parse::<f64>().is_ok()
}

/// A character that is not seen where it stands and changes what is: controls of both sets, line and paragraph separators, marks of
/// direction, and whatever else Unicode lets a program leave out (`Default_Ignorable_Code_Point`, but for the variation selectors,
/// which choose between two shapes of a letter or an emoji).
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The first and last of each kind that must not be shown, by their names in Unicode.
    const UNSEEN: &[(&str, &[char])] = &[
        ("C0 controls", &['\0', '\n', '\r', '\x1b', '\x1f', '\x7f']),
        ("C1 controls", &['\u{80}', '\u{85}', '\u{9b}', '\u{9d}', '\u{9f}']),
        ("line and paragraph separator", &['\u{2028}', '\u{2029}']),
        ("direction", &['\u{200E}', '\u{200F}', '\u{61C}', '\u{202A}', '\u{202E}', '\u{2066}', '\u{2069}']),
        ("invisible", &['\u{AD}', '\u{200B}', '\u{200D}', '\u{2060}', '\u{206F}', '\u{FEFF}', '\u{3164}', '\u{E0041}']),
    ];

    #[test]
    fn what_nobody_sees_is_replaced() {
        assert_eq!(printable("a\x1b[2Jb\r\nc\u{9b}2J\td"), "a\u{FFFD}[2Jb\u{FFFD}\u{FFFD}c\u{FFFD}2J d");
        for (kind, characters) in UNSEEN {
            for &c in *characters {
                assert_eq!(printable(&format!("a{c}b")), "a\u{FFFD}b", "{kind}: {c:?}");
            }
        }
        for shown in ["case.pcap", "Fälle, 事例.pcap", "कैप्चर", "✔\u{FE0F} und 😀", "a\u{A0}b"] {
            assert_eq!(printable(shown), shown);
        }
    }

    #[test]
    fn no_cell_is_a_formula_and_numbers_stay_numbers() {
        for formula in ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "-inf", "+1e", "-"] {
            assert!(cell(formula).starts_with('\''), "{formula:?}");
        }
        for plain in ["-1", "+4.5", "-0.000001", "1e-9", "a=b", "10.0.0.1", "", "2026-11-22T02:47:51Z", "1:abc+/="] {
            assert_eq!(cell(plain), plain);
        }
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_line_without_anything_unseen(text in any::<String>()) {
            for shown in [printable(&text), cell(&text)] {
                prop_assert!(!shown.contains(|c: char| c.is_control() || is_unseen(c)), "{shown:?}");
                prop_assert_eq!(shown.lines().count().max(1), 1);
            }
        }
    }
}
