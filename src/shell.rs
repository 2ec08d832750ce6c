//! Commands that a message offers, written so that they can be pasted into a shell whatever the names in them hold. The only file
//! that names `shlex`.

/// A command of these words, quoted for a POSIX shell where a word needs it. None where a word holds control characters: such a
/// command cannot be shown as it must be typed.
pub fn command<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let words: Vec<&str> = words.into_iter().collect();
    if words.iter().any(|word| word.contains(char::is_control)) {
        return None;
    }
    shlex::try_join(words).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_only_where_a_shell_needs_it() {
        assert_eq!(command(["cap-audit", "file", "a.pcap"]).as_deref(), Some("cap-audit file a.pcap"));
        for word in ["my case.pcap", "$(id).pcap", "`id`", "a;b", "a&b", "it's", "a\"b", "*", "~", "", "-x y", "\\"] {
            let told = command(["cap-audit", word]).expect("nothing in it is a control character");
            assert_eq!(shlex::split(&told), Some(vec!["cap-audit".into(), word.into()]), "{told}");
            assert_ne!(told, format!("cap-audit {word}"), "it must be quoted");
        }
    }

    #[test]
    fn what_cannot_be_shown_as_it_is_typed_is_not_offered() {
        assert_eq!(command(["cap-audit", "a\nb"]), None);
        assert_eq!(command(["cap-audit", "a\x1b[2J"]), None);
    }
}
