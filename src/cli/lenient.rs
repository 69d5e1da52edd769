//! TOML files of people, in which some mistakes are no reason to stop: what is left out is told with file, line and the
//! word that was meant.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue, Deserializer, Error, ValueDeserializer},
};

use crate::model::text::meant;

/// A file, and on which lines its keys stand.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    path: PathBuf,
    lines: BTreeMap<String, usize>,
}

impl Places {
    /// Those of a text; none where that is no TOML.
    #[cfg(feature = "tui")]
    pub(super) fn of(text: &str, path: &Path) -> Places {
        match DeTable::parse(text) {
            Ok(root) => Places::among(root.get_ref(), text, path),
            Err(_) => Places { path: path.into(), lines: BTreeMap::new() },
        }
    }

    /// What is wrong with the key at this place, such as `rule.2.when`, or else with what it would be in.
    pub(super) fn tell(&self, place: &str, what: &str) -> String {
        let mut ways = std::iter::successors(Some(place), |place| place.rsplit_once('.').map(|(above, _)| above));
        let line = ways.find_map(|place| self.lines.get(place)).copied().unwrap_or(1);
        format!("{}:{line}: {what}", self.path.display())
    }

    /// What is wrong on that line.
    #[cfg(feature = "tui")]
    pub(super) fn tell_line(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path.display())
    }

    fn among(table: &DeTable<'_>, text: &str, path: &Path) -> Places {
        let mut places = Places { path: path.into(), lines: BTreeMap::new() };
        places.note("", table, text);
        places
    }

    fn note(&mut self, above: &str, table: &DeTable<'_>, text: &str) {
        for (key, value) in table {
            let place = if above.is_empty() { key.get_ref().to_string() } else { format!("{above}.{}", key.get_ref()) };
            self.lines.insert(place.clone(), line(text, key.span().start));
            match value.get_ref() {
                DeValue::Table(table) => self.note(&place, table, text),
                DeValue::Array(items) => {
                    for (at, item) in items.iter().enumerate() {
                        let place = format!("{place}.{at}");
                        self.lines.insert(place.clone(), line(text, item.span().start));
                        if let DeValue::Table(table) = item.get_ref() {
                            self.note(&place, table, text);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// What a file says, where, and what of it is left out.
pub(super) struct Read<T> {
    pub(super) value: T,
    pub(super) places: Places,
    pub(super) left_out: Vec<String>,
}

/// Reads a file. Keys that are not known are left out, those that have none of a few words too, and so are those of the
/// tables `[[list]]` that are no `Item`.
///
/// # Errors
/// What cannot be read, with file and line.
pub(super) fn read<T, Item>(text: &str, path: &Path, list: &str) -> Result<Read<T>, String>
where
    T: DeserializeOwned,
    Item: DeserializeOwned,
{
    let mut root = DeTable::parse(text).map_err(|error| told(path, text, &error))?;
    let mut left_out = Vec::new();
    let mut leave_out = |error: &Error| left_out.push(told(path, text, error) + " (left out)");
    if let Some(DeValue::Array(items)) = root.get_mut().get_mut(list).map(Spanned::get_mut) {
        let mut kept = DeArray::new();
        for mut item in items.iter().cloned() {
            match mended(&mut item, within, &mut leave_out, |it| Item::deserialize(ValueDeserializer::from(it))) {
                Ok(_) => kept.push(item),
                Err(error) => leave_out(&error),
            }
        }
        *items = kept;
    }
    let value = mended(&mut root, remove, &mut leave_out, |it| T::deserialize(Deserializer::from(it)));
    let value = value.map_err(|error| told(path, text, &error))?;
    Ok(Read { value, places: Places::among(root.get_ref(), text, path), left_out })
}

/// What is read once all keys are gone that are not known or have a word that is not.
fn mended<S: Clone, T>(
    from: &mut Spanned<S>,
    remove: fn(&mut S, &Range<usize>) -> bool,
    leave_out: &mut impl FnMut(&Error),
    read: impl Fn(Spanned<S>) -> Result<T, Error>,
) -> Result<T, Error> {
    loop {
        let error = match read(from.clone()) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        // There is no other way to know than by its words.
        let is_known = |message: &str| message.starts_with("unknown field") || message.starts_with("unknown variant");
        let span = error.span().filter(|_| is_known(error.message()));
        if !span.is_some_and(|span| remove(from.get_mut(), &span)) {
            return Err(error);
        }
        leave_out(&error);
    }
}

/// Takes the key that stands there, itself or its value, out of the table, or out of one in it. Says whether there is one.
fn remove(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    let is_there = |(key, value): &(&Spanned<_>, &Spanned<_>)| key.span() == *span || value.span() == *span;
    let key = table.iter().find(is_there).map(|(key, _)| key.get_ref().to_string());
    match key {
        Some(key) => table.remove(&*key).is_some(),
        None => table.iter_mut().any(|(_, value)| within(value.get_mut(), span)),
    }
}

fn within(value: &mut DeValue<'_>, span: &Range<usize>) -> bool {
    match value {
        DeValue::Table(table) => remove(table, span),
        DeValue::Array(items) => items.iter_mut().any(|item| within(item.get_mut(), span)),
        _ => false,
    }
}

fn told(path: &Path, text: &str, error: &Error) -> String {
    let at = error.span().map_or(0, |span| span.start);
    format!("{}:{}: {}", path.display(), line(text, at), meant(error.message()))
}

fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Item {
        id: String,
        size: u32,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Taste {
        Sweet,
        Sour,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct File {
        tastes: BTreeMap<String, Taste>,
        colour: String,
        item: Vec<Item>,
        names: BTreeMap<String, String>,
    }

    fn read(text: &str) -> Result<Read<File>, String> {
        super::read::<File, Item>(text, Path::new("a.toml"), "item")
    }

    #[test]
    fn keys_that_are_not_known_are_left_out_one_by_one() {
        let text = "color = 1\ncolour = 'red'\n[[item]]\nid = 'a'\nsiez = 2\nsize = 3\n[names]\nanything = 'goes'";
        let read = read(text).expect("the rest");
        assert_eq!((&*read.value.colour, read.value.item[0].size), ("red", 3));
        assert_eq!(read.value.names["anything"], "goes");
        assert_eq!(
            read.left_out,
            [
                "a.toml:5: unknown field `siez`; did you mean `size`? (left out)",
                "a.toml:1: unknown field `color`; did you mean `colour`? (left out)",
            ]
        );
    }

    #[test]
    fn a_word_that_is_none_of_a_few_is_left_out() {
        let read = read("[tastes]\nlemon = 'sour'\nplum = 'sweat'\nfig = 'sweet'").expect("the rest");
        let expected = [("fig", Taste::Sweet), ("lemon", Taste::Sour)].map(|(fruit, taste)| (fruit.to_owned(), taste));
        assert_eq!(read.value.tastes, BTreeMap::from(expected));
        assert_eq!(read.left_out, ["a.toml:3: unknown variant `sweat`; did you mean `sweet`? (left out)"]);
    }

    #[test]
    fn an_item_that_cannot_be_read_is_left_out_and_others_keep_their_lines() {
        let read = read("[[item]]\nid = 'a'\nsize = 'big'\n\n[[item]]\nid = 'b'\nsize = 7").expect("the rest");
        assert_eq!(read.value.item.iter().map(|item| &*item.id).collect::<Vec<_>>(), ["b"]);
        assert!(read.left_out[0].starts_with("a.toml:3: invalid type") && read.left_out.len() == 1);
        assert_eq!(read.places.tell("item.0.size", "too much"), "a.toml:7: too much");
        assert_eq!(
            read.places.tell("item.0.hue.x", "none"),
            "a.toml:5: none",
            "of what is not there, where it would be"
        );
        assert_eq!(read.places.tell("nothing", "there"), "a.toml:1: there");
    }

    #[test]
    fn what_is_no_toml_or_of_a_wrong_type_is_refused_with_its_line() {
        let check = |text: &str, said: &str| {
            let problem = read(text).err().expect(text);
            assert!(problem.starts_with(said) && !problem.contains('\n'), "{problem}");
        };
        check("colour = 'red'\ncolour = ", "a.toml:2: ");
        check("\ncolour = 3", "a.toml:2: invalid type");
        check("item = 3", "a.toml:1: invalid type");
    }
}
