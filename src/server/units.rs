//! Durations and sizes as people write them: `500ms`, `10s`, `24h`; `64KB`, `4MB`.

use std::time::Duration;

const DURATIONS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: [(&str, u64); 4] = [("B", 1), ("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30)];

/// What [`duration`] takes, for messages.
pub const DURATION_FORM: &str = "a whole number and a unit: 500ms, 10s, 5m, 24h, 7d";
/// What [`size`] takes, for messages.
pub const SIZE_FORM: &str = "a whole number and a unit: 512B, 64KB, 4MB, 1GB (1KB is 1024 bytes)";

/// Milliseconds precision; `None` if it is none.
pub fn duration(text: &str) -> Option<Duration> {
    parse(text, &DURATIONS).map(Duration::from_millis)
}

/// Bytes.
pub fn size(text: &str) -> Option<u64> {
    parse(text, &SIZES)
}

/// In the largest unit that divides it: `duration(&duration_text(d)) == Some(d)` for whole milliseconds.
pub fn duration_text(duration: Duration) -> String {
    text(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &DURATIONS)
}

pub fn size_text(bytes: u64) -> String {
    text(bytes, &SIZES)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit())?);
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn text(number: u64, units: &[(&str, u64)]) -> String {
    let fitting = units.iter().rev().find(|(_, factor)| number != 0 && number.is_multiple_of(*factor));
    let (unit, factor) = fitting.or(units.first()).copied().unwrap_or_default();
    format!("{}{unit}", number / factor.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_and_size_read_back_as_written() {
        for text in ["0ms", "500ms", "10s", "5m", "24m", "25h", "7d"] {
            assert_eq!(duration_text(duration(text).unwrap()), text);
        }
        for text in ["0B", "512B", "64KB", "4MB", "3GB"] {
            assert_eq!(size_text(size(text).unwrap()), text);
        }
        assert_eq!(duration("60s"), duration("1m"));
        assert_eq!(size("1kb"), Some(1_024));
    }

    #[test]
    fn number_without_unit_or_with_a_strange_one_is_refused() {
        for text in ["", "10", "s", "-1s", "1.5s", "10 weeks", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(size("4M"), None);
    }
}
