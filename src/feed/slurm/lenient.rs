//! Values whose shape differs between versions: a number may be plain or `{"set": true, "infinite": false, "number": 5}`,
//! a state one word or a list. What has no shape that is known is no value, rather than an error.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A whole number, where there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Number(pub(super) Option<i64>);

/// What older versions write for "no limit" and "not set".
const NOT_SET: i64 = 0xffff_fffe;

impl Number {
    fn of(number: i64) -> Number {
        Number(Some(number).filter(|number| *number < NOT_SET))
    }
}

/// A text; empty for what is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

/// Words, of which some versions write one only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words(pub(super) Vec<String>);

/// Most words that are kept: a job has one entry for each of its nodes.
const WORDS: usize = 1 << 18;

macro_rules! read_with {
    ($type:ident, $visitor:ident) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_any($visitor)
            }
        }
    };
}

read_with!(Number, NumberVisitor);
read_with!(Text, TextVisitor);
read_with!(Words, WordsVisitor);

/// What all visitors do with what they are not made for.
macro_rules! pass_over {
    ($($method:ident($type:ty))*) => {
        $(fn $method<E>(self, _: $type) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        })*
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
}

macro_rules! pass_over_seq {
    () => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
}

macro_rules! pass_over_map {
    () => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
}

struct NumberVisitor;

impl<'de> Visitor<'de> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
        Ok(Number::of(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
        Ok(i64::try_from(number).map_or_else(|_| Number::default(), Number::of))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
        Ok(Number::of(number as i64))
    }

    fn visit_str<E>(self, text: &str) -> Result<Number, E> {
        Ok(text.parse().map_or_else(|_| Number::default(), Number::of))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Number, A::Error> {
        let (mut is_set, mut is_infinite, mut number) = (true, false, Number::default());
        while let Some(key) = map.next_key::<Text>()? {
            match key.0.as_str() {
                "set" => is_set = map.next_value::<Flag>()?.0,
                "infinite" => is_infinite = map.next_value::<Flag>()?.0,
                "number" => number = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(if is_set && !is_infinite { number } else { Number::default() })
    }

    pass_over!(visit_bool(bool));
    pass_over_seq!();
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }

    pass_over!(visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64));
    pass_over_seq!();
    pass_over_map!();
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Words;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("words")
    }

    fn visit_str<E>(self, text: &str) -> Result<Words, E> {
        Ok(Words(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Words, A::Error> {
        let mut words = Vec::new();
        while let Some(Text(word)) = seq.next_element()? {
            if words.len() < WORDS {
                words.push(word);
            }
        }
        Ok(Words(words))
    }

    pass_over!(visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64));
    pass_over_map!();
}

/// True or false; false for what is neither.
#[derive(Default)]
struct Flag(bool);

struct FlagVisitor;

read_with!(Flag, FlagVisitor);

impl<'de> Visitor<'de> for FlagVisitor {
    type Value = Flag;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    fn visit_bool<E>(self, is: bool) -> Result<Flag, E> {
        Ok(Flag(is))
    }

    pass_over!(visit_i64(i64) visit_u64(u64) visit_f64(f64) visit_str(&str));
    pass_over_seq!();
    pass_over_map!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_in_every_shape() {
        let number = |text: &str| serde_json::from_str::<Number>(text).expect("any shape").0;
        assert_eq!(number("5"), Some(5));
        assert_eq!(number(r#"{"set": true, "infinite": false, "number": 5}"#), Some(5));
        assert_eq!(number(r#"{"set": false, "infinite": false, "number": 0}"#), None);
        assert_eq!(number(r#"{"set": true, "infinite": true, "number": 0}"#), None);
        assert_eq!(number("4294967294"), None);
        assert_eq!(number("18446744073709551615"), None);
        assert_eq!(number(r#""7""#), Some(7));
        assert_eq!(number("5.5"), Some(5));
        for none in ["null", "true", "[1, [2]]", r#"{"a": {"b": 1}}"#, r#""x""#] {
            assert_eq!(number(none), None, "{none}");
        }
        let text = |text: &str| serde_json::from_str::<Text>(text).expect("any shape").0;
        assert_eq!(text(r#""a\u001bb""#), "a\u{1b}b");
        for none in ["null", "3", "[\"x\"]", r#"{"job": "x"}"#, "true"] {
            assert_eq!(text(none), "", "{none}");
        }
        let words = |text: &str| serde_json::from_str::<Words>(text).expect("any shape").0;
        assert_eq!(words(r#""RUNNING""#), ["RUNNING"]);
        assert_eq!(words(r#"["CANCELLED", "COMPLETING"]"#), ["CANCELLED", "COMPLETING"]);
        assert_eq!(words("null"), Vec::<String>::new());
    }
}
