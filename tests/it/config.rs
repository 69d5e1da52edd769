//! What is wrong in a configuration is told by file, line and the word that was meant, and the rest runs.

use std::path::{Path, PathBuf};

use crate::{
    process::{Hub, run},
    pty::Terminal,
};

/// Each kind of mistake once, and beside each something that is right.
const MISTAKES: &str = "\
theme = 'THEME'
mousse = false

[keys]
help = 'x'
copy = 'j'

[[rule]]
id = 'host.disk'
when = 'used > 80 adn inodes > 3'

[[rule]]
id = 'gpu.zombie'
mute = true

[[rule]]
id = 'ours'
view = 'gpus'
when = 'temp > 70'
reason = 'at {temp}'
under = ['gpu.temp.nera']

[[rule]]
id = 'hot'
view = 'gpus'
when = 'tmep > 70'
reason = 'at {temp}'

[xid]
94 = 'ctir'

[[view]]
name = 'warm'
query = 'gpuss where temp > 70'

[[view]]
name = 'cold'
query = 'gpus where tmep < 20'
";

/// The configuration and a theme of its own, which has a role that is none.
fn write(dir: &Path) -> (PathBuf, PathBuf) {
    let (config, theme) = (dir.join("config.toml"), dir.join("own.toml"));
    std::fs::write(&theme, "inherits = 'nord'\n[roles]\n'table.rwo' = 'red'\n").unwrap();
    std::fs::write(&config, MISTAKES.replace("THEME", theme.to_str().unwrap())).unwrap();
    (config, theme)
}

/// Whether one of the lines is of this place, and says all that.
fn is_told(lines: &[&str], path: &Path, line: usize, words: &[&str]) -> bool {
    let place = format!("supertop: {}:{line}: ", path.display());
    lines.iter().any(|it| it.starts_with(&place) && words.iter().all(|words| it.contains(words)))
}

/// What a hub says of the configuration, and a terminal, too.
fn assert_told(lines: &[&str], config: &Path) {
    for (line, words) in [
        (2, &["unknown field `mousse`", "did you mean `mouse`?"][..]),
        (10, &["rule host.disk: ", "stays as it was"]),
        (21, &["rule ours: ", "did you mean `gpu.temp.near`?"]),
        (26, &["rule hot: ", "did you mean `temp`?"]),
        (30, &["unknown variant `ctir`", "did you mean `crit`?"]),
    ] {
        assert!(is_told(lines, config, line, words), "line {line}: {words:?} in {lines:#?}");
    }
}

#[test]
fn a_hub_names_each_mistake_and_runs_with_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (config, _) = write(dir.path());
    let hub = Hub::start_with(dir.path(), "127.0.0.1:0", |command| {
        command.arg("--config").arg(&config);
    });
    let lines: Vec<&str> = hub.warned.iter().map(String::as_str).collect();
    assert_told(&lines, &config);
    assert_eq!(lines.len(), 5, "{lines:#?}");
    let rules = hub.await_answer("rules", "its rules are there", |answer| answer["total"] != 0);
    let state = |id: &str| {
        let row = rules["rows"].as_array().unwrap().iter().find(|row| row["rule"] == id);
        row.unwrap_or_else(|| panic!("{id} in {rules}"))["rule.state"].as_str().unwrap().to_owned()
    };
    assert_eq!((&*state("host.disk"), &*state("gpu.zombie")), ("built in", "muted"));
    assert!(state("ours").contains("`gpu.temp.nera`, which is no rule"), "{}", state("ours"));
}

#[test]
fn a_terminal_names_each_mistake_and_shows_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (config, theme) = write(dir.path());
    let args = ["demo", "--nodes", "8", "--config", config.to_str().unwrap()];
    let mut terminal = Terminal::start(env!("CARGO_BIN_EXE_supertop"), &args, 40, 250);
    let first = format!("9 mistakes, first {}:2: unknown field `mousse`; did you mean `mouse`?", config.display());
    terminal.await_screen("a notice of them", |s| s.contains(&first));
    terminal.press("x");
    terminal.await_screen("what the good key does", |s| s.contains("› keys"));
    terminal.press("qq");
    let all = terminal.await_screen("all of them", |s| s.contains(&format!("supertop: {}", config.display())));
    let lines: Vec<&str> = all.lines().collect();
    assert_told(&lines, &config);
    assert!(is_told(&lines, &config, 6, &["\"j\" means", "copy", "stay as they were"]), "{all}");
    assert!(is_told(&lines, &config, 34, &["view warm: ", "did you mean gpus?", "the others work"]), "{all}");
    assert!(is_told(&lines, &config, 38, &["view cold: ", "did you mean `temp`?"]), "{all}");
    assert!(is_told(&lines, &theme, 3, &["\"table.rwo\" is no role", "did you mean \"table.row\"?"]), "{all}");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn what_is_not_safe_to_run_with_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.toml");
    let refused = |text: &str, args: &[&str]| {
        std::fs::write(&config, text).unwrap();
        let output = run(&[args, &["--config", config.to_str().unwrap()]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        said
    };
    let at = |line: usize| format!("supertop: {}:{line}: ", config.display());
    assert!(refused("hub = 'a'\nhub =", &["hub"]).starts_with(&at(2)));
    assert!(refused("\n[server]\nslurm = 'yes'", &["hub"]).starts_with(&at(3)));
    let said = refused("theme = 'nord'", &["demo", "--theme", "nrod"]);
    assert!(said.contains("no theme is called \"nrod\"; did you mean \"nord\"?"), "{said}");
}
