//! What the rows of a group have in common, as conditions.

use crate::{model::place::NOWHERE, tui::ask::quoted};

/// The condition that a row has this value; of several, all of them.
pub(super) fn is(key: &str, value: &str) -> String {
    if value == NOWHERE {
        return format!("{key} = none");
    }
    let each = value.split(',').filter(|part| *part != "…").map(|part| format!("{key} = {}", quoted(part)));
    each.collect::<Vec<_>>().join(" and ")
}

/// The conditions that the rows of a group have in common: its id has each key and its value, in the order of `by`.
pub(super) fn in_common(by: &str, id: &str) -> Vec<String> {
    let keys: Vec<&str> = by.split(',').map(str::trim).collect();
    let begins = |key: &str| if id.starts_with(&format!("{key}=")) { Some(0) } else { id.find(&format!(" {key}=")) };
    let mut starts: Vec<(usize, &str)> = keys.iter().filter_map(|key| Some((begins(key)?, *key))).collect();
    starts.sort_unstable();
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([id.len()]);
    let parts = starts.iter().zip(ends).filter_map(|((start, key), end)| {
        let value = id.get(*start..end)?.trim_start().strip_prefix(key)?.strip_prefix('=')?;
        Some(is(key, value))
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groups_id_says_what_its_rows_have_in_common() {
        let check = |by, id, expected: &[&str]| assert_eq!(in_common(by, id), expected, "{id}");
        check("model", "model=NVIDIA H100 80GB HBM3", &["model = 'NVIDIA H100 80GB HBM3'"]);
        check("job", "job=7,14711", &["job = '7' and job = '14711'"]);
        check("user, account", "user=u1 account=a b", &["user = 'u1'", "account = 'a b'"]);
        check("rack,model", "rack=– model=x=y", &["rack = none", "model = 'x=y'"]);
        check("rack", "something else", &[]);
    }
}
