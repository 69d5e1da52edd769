//! Numbers as people write them: `85`, `5kW`, `80GiB`, `40G`, `90%`; and lengths of time: `10m`, `1h30m`.

use std::{fmt, time::Duration};

use super::word::Spot;
use crate::model::unit::Unit;

/// A number that keeps the spelling it came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    text: String,
    /// The number, with its prefix worked in: 5000 for `5kW`.
    pub value: f64,
    /// What it measures; nothing for a bare number, which is in the unit of what it meets.
    pub unit: Option<Unit>,
    /// Where it stands.
    pub spot: Spot,
}

impl Literal {
    /// The number that `text` spells, or nothing where it spells none.
    pub fn parse(text: &str) -> Option<Literal> {
        let (number, suffix) = text.split_at(number_len(text)?);
        let (scale, unit) = suffix_unit(suffix)?;
        let value = number.parse::<f64>().ok()? * scale;
        value.is_finite().then(|| Literal { text: text.to_owned(), value, unit, spot: Spot::default() })
    }

    /// The number, standing at `spot`.
    pub fn at(self, spot: Spot) -> Literal {
        Literal { spot, ..self }
    }

    /// The number as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Bytes at the beginning of `text` that spell a number: `-1.5e3`.
fn number_len(text: &str) -> Option<usize> {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut at = usize::from(text.starts_with('-'));
    let whole = digits(at);
    if whole == 0 {
        return None;
    }
    at += whole;
    if text[at..].starts_with('.') && digits(at + 1) > 0 {
        at += 1 + digits(at + 1);
    }
    if text[at..].starts_with('e') {
        let sign = usize::from(text[at + 1..].starts_with('-'));
        let exponent = digits(at + 1 + sign);
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    Some(at)
}

/// Prefixes of units, `Ki` before `k`.
const PREFIXES: [(&str, f64); 12] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("m", 1e-3),
    ("", 1.0),
];

/// What a number is multiplied by, and its unit, for what stands right after it.
fn suffix_unit(suffix: &str) -> Option<(f64, Option<Unit>)> {
    let fixed = match suffix {
        "" => Some((1.0, None)),
        "%" => Some((1.0, Some(Unit::Percent))),
        "C" => Some((1.0, Some(Unit::Celsius))),
        _ => seconds(suffix).map(|s| (s, Some(Unit::Seconds))),
    };
    if fixed.is_some() {
        return fixed;
    }
    PREFIXES.iter().find_map(|(prefix, scale)| {
        let (own, unit) = match suffix.strip_prefix(prefix)? {
            "" => (1.0, None),
            "B" => (1.0, Some(Unit::Bytes)),
            "B/s" => (1.0, Some(Unit::BytesPerSecond)),
            "W" => (1.0, Some(Unit::Watts)),
            "J" => (1.0, Some(Unit::Joules)),
            "Wh" => (3600.0, Some(Unit::Joules)),
            "Hz" => (1e-6, Some(Unit::Megahertz)),
            _ => return None,
        };
        Some((scale * own, unit))
    })
}

/// Seconds in one of a unit of time.
fn seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    })
}

/// Longest length of time that a query may name: ten years.
const LONGEST: f64 = 3653.0 * 86_400.0;

/// The length of time that `text` spells in one or more units, to the millisecond: `10m`, `1h30m`. Nothing for none,
/// for zero and for more than ten years.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (mut rest, mut total) = (text, 0.0);
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(number_len(rest)?);
        let unit = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        total += number.parse::<f64>().ok()? * seconds(&tail[..unit])?;
        rest = &tail[unit..];
    }
    let millis = (total * 1000.0).round();
    (millis >= 1.0 && total <= LONGEST).then(|| Duration::from_millis(millis as u64))
}

/// `duration` in the largest unit that spells it exactly, to the millisecond: `90s`, `10m`.
pub fn print_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if millis > 0 && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_prefixes_and_units() {
        let check = |text, value: f64, unit| {
            let literal = Literal::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert!((literal.value - value).abs() <= value.abs() * 1e-12, "{text} is {}", literal.value);
            assert_eq!(literal.unit, unit, "{text}");
            assert_eq!(literal.to_string(), text);
        };
        check("85", 85.0, None);
        check("-3.5", -3.5, None);
        check("1e9", 1e9, None);
        check("40G", 40e9, None);
        check("90%", 90.0, Some(Unit::Percent));
        check("5kW", 5000.0, Some(Unit::Watts));
        check("80GiB", 80.0 * 1073741824.0, Some(Unit::Bytes));
        check("1.5GB/s", 1.5e9, Some(Unit::BytesPerSecond));
        check("2kWh", 7.2e6, Some(Unit::Joules));
        check("1.98GHz", 1980.0, Some(Unit::Megahertz));
        check("1980MHz", 1980.0, Some(Unit::Megahertz));
        check("85C", 85.0, Some(Unit::Celsius));
        check("5m", 300.0, Some(Unit::Seconds));
        check("5M", 5e6, None);
        check("250ms", 0.25, Some(Unit::Seconds));
    }

    #[test]
    fn other_words_are_no_numbers() {
        for text in ["", "gpu", "0000:9b:00.0", "550.54.14", "80Gib", "1e999", "-", "5%5", "3f", ".5", "é1", "1é"] {
            assert_eq!(Literal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn lengths_of_time() {
        let check = |text, millis, printed: &str| {
            let duration = parse_duration(text);
            assert_eq!(duration, Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(duration.map(print_duration).as_deref(), Some(printed));
        };
        check("10m", 600_000, "10m");
        check("1h30m", 5_400_000, "90m");
        check("1.5s", 1500, "1500ms");
        check("24h", 86_400_000, "1d");
        for text in ["", "10", "0s", "-5m", "m", "1y", "99999d", "5m3"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
