//! The README says what the binary says. `UPDATE_README=1 cargo test readme` writes its tables anew.

use std::fmt::Write as _;

use supertop::model::metric::Catalogue;

/// The README with the text between `<!-- name -->` and `<!-- /name -->` replaced.
fn with_section(readme: &str, name: &str, text: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let start = readme.find(&open).expect("the section begins") + open.len();
    let end = readme.find(&close).expect("the section ends");
    format!("{}{text}{}", &readme[..start], &readme[end..])
}

fn metrics() -> String {
    let mut text = String::from("| key | unit | aggregate | meaning | source |\n|---|---|---|---|---|\n");
    for (_, m) in Catalogue::default().iter() {
        let aggregate = format!("{:?}", m.aggregate).to_lowercase();
        let symbol = m.unit.symbol();
        writeln!(text, "| `{}` | {symbol} | {aggregate} | {} | {} |", m.key, m.help, m.source.replace('|', "\\|"))
            .unwrap();
    }
    text
}

fn check(name: &str, text: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let expected = with_section(&readme, name, text);
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, &expected).unwrap();
    }
    assert!(readme == expected || std::env::var_os("UPDATE_README").is_some(), "README.md: `{name}` is out of date");
}

#[test]
fn the_metrics_page_is_the_catalogue() {
    check("metrics", &metrics());
}

#[test]
fn the_key_table_is_the_action_table() {
    check("keys", &supertop::tui::keys_as_markdown());
}

#[test]
fn the_help_of_every_command_names_the_flags_of_the_readme() {
    let readme = include_str!("../../README.md");
    let mut flags: Vec<&str> = readme
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.len() > 3 && word.starts_with("--"))
        .collect();
    flags.sort_unstable();
    flags.dedup();
    let commands: [&[&str]; 8] = [&[], &["demo"], &["agent"], &["hub"], &["sim"], &["get"], &["check"], &["silence"]];
    let help: String = commands
        .iter()
        .map(|command| crate::process::run(&[command, &["--help"][..]].concat()))
        .map(|output| String::from_utf8(output.stdout).unwrap())
        .collect();
    let cargo = ["--release", "--no-default-features", "--bench", "--example"];
    let unknown: Vec<&&str> = flags.iter().filter(|flag| !cargo.contains(flag) && !help.contains(**flag)).collect();
    assert!(unknown.is_empty(), "the README names flags that no command has: {unknown:?}");
}
