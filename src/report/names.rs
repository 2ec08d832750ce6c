//! Words for people that several formats share.

use crate::time::Span;

/// "1 flow", "3 flows".
pub fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A number of things with its digits in groups of three: 950, 1,800, 4,000,000. Not for what is typed elsewhere, such as ports and packets.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number of bytes in the unit that reads best: 950 B, 61.2 kB, 97.6 MB.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1_000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1_000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A short time in milliseconds, or in seconds when it is long: 0.41 ms, 98.0 ms, 1.20 s.
pub fn short(span: Span) -> String {
    let micros = span.as_micros();
    match micros {
        0..10_000 => format!("{:.2} ms", micros as f64 / 1e3),
        10_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1_000, 61_234, 999_960, 97_623_110].map(bytes),
            ["0 B", "999 B", "1.0 kB", "61.2 kB", "1.0 MB", "97.6 MB"]
        );
        assert_eq!([0, 999, 1_800, 12_345, 4_000_000].map(number), ["0", "999", "1,800", "12,345", "4,000,000"]);
        assert_eq!(
            [410, 9_800, 98_000, 1_200_000].map(Span::micros).map(short),
            ["0.41 ms", "9.80 ms", "98.0 ms", "1.20 s"]
        );
    }
}
