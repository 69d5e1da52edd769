//! The query language: reads it, plans it against a fleet's keys, and answers it.

mod lexer;
mod parse;
mod suggest;

use regex::{Regex, RegexBuilder};

pub use parse::{LONGEST, parse, parse_condition};

/// The regular expression of `~`: unanchored, and bounded in what it may cost.
fn pattern(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text).size_limit(1 << 18).dfa_size_limit(1 << 20).nest_limit(32).build();
    built.map_err(|error| {
        let reason = error.to_string();
        // A syntax error is drawn over several lines; its last one says what is wrong.
        let reason = reason.lines().last().unwrap_or("").trim_start_matches("error: ");
        format!("not a regular expression: {}", crate::model::text::clean(reason, 120))
    })
}
