//! The project's own source text, for the tests that hold it to the project's rules.

use std::path::{Path, PathBuf};

/// The project's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the project.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All Rust files under a folder of the project, by their paths from the project's folder.
pub(crate) fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path.strip_prefix(root()).expect("a path under the root").to_owned());
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "{folder} holds Rust files");
    files
}

/// The words and signs of Rust code, `::` as one sign. Comments, strings and characters are left out.
pub(crate) fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment(rest),
            '"' => string(rest),
            'r' | 'b' | 'c' if raw_string(rest).is_some() => raw_string(rest).unwrap_or(1),
            'b' | 'c' if rest[1..].starts_with('"') => 1 + string(&rest[1..]),
            '\'' => character(rest),
            ':' if rest.starts_with("::") => 2,
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        if token == "::" || token.chars().all(is_word) || (token.len() == 1 && !first.is_whitespace() && first != '\'')
        {
            tokens.push(token);
        }
        rest = after;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a block comment, nested ones included.
fn comment(code: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while let Some(found) = code[at..].find(['/', '*']) {
        at += found;
        let (step, change) = match &code[at..] {
            c if c.starts_with("/*") => (2, 1),
            c if c.starts_with("*/") => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth += change;
        if depth == 0 {
            return at;
        }
    }
    code.len()
}

/// The length of a string with escapes, both quotes included.
fn string(code: &str) -> usize {
    let mut escaped = true; // the opening quote does not close it
    for (at, c) in code.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// The length of a raw string, where there is one.
fn raw_string(code: &str) -> Option<usize> {
    let hashes_and_text =
        code.strip_prefix("br").or_else(|| code.strip_prefix("cr")).or_else(|| code.strip_prefix('r'))?;
    let text = hashes_and_text.trim_start_matches('#');
    let hashes = hashes_and_text.len() - text.len();
    let end = format!("\"{}", "#".repeat(hashes));
    let open = code.len() - text.len() + 1;
    text.starts_with('"').then(|| code[open..].find(&end).map_or(code.len(), |at| open + at + end.len()))
}

/// The length of a character literal, or 1 for the quote of a lifetime.
fn character(code: &str) -> usize {
    let mut chars = code.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => code[3..].find('\'').map_or(code.len(), |at| at + 4),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

#[test]
fn only_code_is_left_of_code() {
    let check = |code, expected: &[&str]| assert_eq!(tokens(code), expected, "{code}");
    check("use crate::{a, b}; // crate::c", &["use", "crate", "::", "{", "a", ",", "b", "}", ";"]);
    check("/* a /* b */ c */ d", &["d"]);
    check(r#"f("a \" b", 'c', '\'', '"') g"#, &["f", "(", ",", ",", ",", ")", "g"]);
    check(r##"r#"a " b"# c br"d" r e"##, &["c", "r", "e"]);
    check("fn f<'a>(x: &'a str)", &["fn", "f", "<", "a", ">", "(", "x", ":", "&", "a", "str", ")"]);
    check(r"'\u{1b}' x b'\n' y", &["x", "b", "y"]);
}
