//! Reads a list in what Slurm prints as JSON, entry by entry: of 100,000 jobs that is hundreds of megabytes.

use std::{fmt, io::Read, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, error::Category};

use super::lenient::Text;
use crate::model::text::clean;

/// Calls `each` with every entry of the list that is called `list`.
///
/// # Errors
/// What Slurm says went wrong, or that there is no whole answer. Entries that came before are true.
pub(super) fn read<T>(from: impl Read, list: &'static str, each: &mut dyn FnMut(T)) -> Result<(), String>
where
    T: for<'de> Deserialize<'de>,
{
    let mut json = serde_json::Deserializer::from_reader(from);
    let said = Reply { list, each }.deserialize(&mut json).map_err(|error| match error.classify() {
        Category::Eof => "the answer ends before it is whole".to_owned(),
        _ => format!("no answer that can be read: {error}"),
    })?;
    // A controller that is not there is an empty list, too.
    match said {
        Said { error, .. } if !error.is_empty() => Err(error),
        Said { has_list: true, .. } => Ok(()),
        Said { .. } => Err(format!("the answer has no {list} in it")),
    }
}

/// The whole answer.
struct Reply<'a, T> {
    list: &'static str,
    each: &'a mut dyn FnMut(T),
}

/// What an answer said besides its list.
#[derive(Default)]
struct Said {
    has_list: bool,
    error: String,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Reply<'_, T> {
    type Value = Said;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Said, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Reply<'_, T> {
    type Value = Said;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with {}", self.list)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Said, A::Error> {
        let mut said = Said::default();
        while let Some(Text(key)) = map.next_key()? {
            match key.as_str() {
                key if key == self.list => {
                    map.next_value_seed(List { each: &mut *self.each, of: PhantomData })?;
                    said.has_list = true;
                }
                "errors" => {
                    let errors: Value = map.next_value()?;
                    let all = errors.as_array().into_iter().flatten();
                    said.error = all.map(problem).find(|words| !words.is_empty()).unwrap_or_default();
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(said)
    }
}

/// What Slurm says went wrong.
fn problem(error: &Value) -> String {
    let words = ["description", "error"].into_iter().filter_map(|key| error.get(key)?.as_str());
    let words: Vec<&str> = words.filter(|words| !words.is_empty()).collect();
    clean(&words.join(": "), 200).into_owned()
}

/// The list itself.
struct List<'a, T> {
    each: &'a mut dyn FnMut(T),
    of: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for List<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(entry) = seq.next_element()? {
            (self.each)(entry);
        }
        Ok(())
    }
}
