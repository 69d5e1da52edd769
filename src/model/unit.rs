//! Units: what a number measures, how it is written for people, and which literals mean it.

use std::fmt::Write as _;

/// What a metric's number measures. Every quantity is kept in the unit named here, never in a multiple of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// A plain count or ratio.
    One,
    /// Hundredths, 0 to 100.
    Percent,
    /// Bytes; printed with binary prefixes.
    Bytes,
    /// Bytes per second; printed with decimal prefixes, as networks are sold.
    BytesPerSecond,
    /// Watts.
    Watts,
    /// Joules; printed as watt-hours.
    Joules,
    /// Degrees Celsius.
    Celsius,
    /// Megahertz.
    Megahertz,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Unit; 9] = [
        Unit::One,
        Unit::Percent,
        Unit::Bytes,
        Unit::BytesPerSecond,
        Unit::Watts,
        Unit::Joules,
        Unit::Celsius,
        Unit::Megahertz,
        Unit::Seconds,
    ];

    /// The symbol after a number: `%`, `B/s`, … Empty for a plain count.
    pub const fn symbol(self) -> &'static str {
        match self {
            Unit::One => "",
            Unit::Percent => "%",
            Unit::Bytes => "B",
            Unit::BytesPerSecond => "B/s",
            Unit::Watts => "W",
            Unit::Joules => "J",
            Unit::Celsius => "C",
            Unit::Megahertz => "MHz",
            Unit::Seconds => "s",
        }
    }

    /// The unit with this symbol.
    pub fn from_symbol(symbol: &str) -> Option<Unit> {
        Unit::ALL.into_iter().find(|u| u.symbol() == symbol)
    }

    /// `value` for a table cell: short, without the unit where the column's title tells it, with a prefix
    /// where one is needed. At most six characters for anything below 10¹⁵.
    pub fn cell(self, value: f64) -> String {
        if !value.is_finite() {
            return "–".into();
        }
        match self {
            Unit::One => count(value),
            Unit::Percent => format!("{value:.0}%"),
            Unit::Bytes => scaled(value, 1024.0, &["", "K", "M", "G", "T", "P"]),
            Unit::BytesPerSecond => scaled(value, 1000.0, &["", "k", "M", "G", "T", "P"]),
            Unit::Watts => scaled(value, 1000.0, &["W", "kW", "MW", "GW"]),
            Unit::Joules => scaled(value / 3600.0, 1000.0, &["Wh", "kWh", "MWh", "GWh"]),
            Unit::Celsius => format!("{value:.0}°"),
            Unit::Megahertz => format!("{value:.0}"),
            Unit::Seconds => span(value),
        }
    }

    /// `value` for running text: with its unit, to three figures: `71.2 GiB`, `5.21 kW`, `83 °C`.
    pub fn text(self, value: f64) -> String {
        if !value.is_finite() {
            return "–".into();
        }
        match self {
            Unit::One => count(value),
            Unit::Percent => format!("{value:.0} %"),
            Unit::Bytes => spaced(value, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"]),
            Unit::BytesPerSecond => spaced(value, 1000.0, &["B/s", "kB/s", "MB/s", "GB/s", "TB/s", "PB/s"]),
            Unit::Watts => spaced(value, 1000.0, &["W", "kW", "MW", "GW"]),
            Unit::Joules => spaced(value / 3600.0, 1000.0, &["Wh", "kWh", "MWh", "GWh"]),
            Unit::Celsius => format!("{value:.0} °C"),
            Unit::Megahertz => format!("{value:.0} MHz"),
            Unit::Seconds => span(value),
        }
    }
}

/// A plain number: whole ones with thin grouping, small ratios with two places.
fn count(value: f64) -> String {
    if value.fract() != 0.0 && value.abs() < 1000.0 {
        return format!("{value:.2}");
    }
    if value.abs() >= 1e6 {
        return scaled(value, 1000.0, &["", "k", "M", "G", "T", "P"]);
    }
    grouped(value.round() as i64)
}

/// `n` with a comma between thousands.
pub fn grouped(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        out.push('-');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Value and prefix such that the number has at most three figures before the point.
fn prefix<'a>(value: f64, base: f64, prefixes: &[&'a str]) -> (f64, &'a str, bool) {
    let (mut value, mut at) = (value, 0);
    // 999.5 prints as 1000, so it belongs to the next prefix.
    while value.abs() >= base - base / 2000.0 && at + 1 < prefixes.len() {
        value /= base;
        at += 1;
    }
    (value, prefixes.get(at).copied().unwrap_or(""), at > 0)
}

fn scaled(value: f64, base: f64, prefixes: &[&str]) -> String {
    let (value, prefix, scaled) = prefix(value, base, prefixes);
    if scaled && value.abs() < 9.95 { format!("{value:.1}{prefix}") } else { format!("{value:.0}{prefix}") }
}

fn spaced(value: f64, base: f64, prefixes: &[&str]) -> String {
    let (value, prefix, scaled) = prefix(value, base, prefixes);
    let places = match value.abs() {
        _ if !scaled => 0,
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.places$} {prefix}")
}

/// A length of time: `0.4s`, `17s`, `3m12s`, `5h04m`, `12d03h`.
fn span(seconds: f64) -> String {
    let mut out = String::new();
    let sign = if seconds < 0.0 { "-" } else { "" };
    let seconds = seconds.abs();
    // Writing to a string cannot fail.
    let _ = if seconds < 9.95 {
        write!(out, "{sign}{seconds:.1}s")
    } else {
        let s = seconds.round() as u64;
        match s {
            0..60 => write!(out, "{sign}{s}s"),
            60..3600 => write!(out, "{sign}{}m{:02}s", s / 60, s % 60),
            3600..86_400 => write!(out, "{sign}{}h{:02}m", s / 3600, s / 60 % 60),
            _ => write!(out, "{sign}{}d{:02}h", s / 86_400, s / 3600 % 24),
        }
    };
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_short() {
        let check = |unit: Unit, value, expected: &str| assert_eq!(unit.cell(value), expected);
        check(Unit::Percent, 97.4, "97%");
        check(Unit::Bytes, 80.0 * 1073741824.0, "80G");
        check(Unit::Bytes, 1.5 * 1024.0, "1.5K");
        check(Unit::Bytes, 1023.9 * 1024.0, "1.0M");
        check(Unit::BytesPerSecond, 41.2e9, "41G");
        check(Unit::Watts, 5212.0, "5.2kW");
        check(Unit::Watts, 999.6, "1.0kW");
        check(Unit::Watts, 311e6, "311MW");
        check(Unit::Joules, 3.6e9, "1.0MWh");
        check(Unit::Celsius, 61.6, "62°");
        check(Unit::Seconds, 0.42, "0.4s");
        check(Unit::Seconds, 192.0, "3m12s");
        check(Unit::Seconds, -90.0, "-1m30s");
        check(Unit::One, 4201.0, "4,201");
        check(Unit::One, 0.5, "0.50");
        check(Unit::One, f64::NAN, "–");
    }

    #[test]
    fn text_has_three_figures_and_a_unit() {
        let check = |unit: Unit, value, expected: &str| assert_eq!(unit.text(value), expected);
        check(Unit::Bytes, 71.2 * 1073741824.0, "71.2 GiB");
        check(Unit::Watts, 5212.0, "5.21 kW");
        check(Unit::Watts, 402.0, "402 W");
        check(Unit::Joules, 31.2 * 3.6e9, "31.2 MWh");
        check(Unit::Celsius, 83.0, "83 °C");
    }

    #[test]
    fn symbols_name_units() {
        for unit in Unit::ALL {
            assert_eq!(Unit::from_symbol(unit.symbol()), Some(unit));
        }
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(500_000), "500,000");
        assert_eq!(grouped(-1234), "-1,234");
        assert_eq!(grouped(999), "999");
    }
}
