//! The terminal interface in a real pseudo-terminal.

use crate::{process::Hub, pty::Terminal};

/// The real binary in a terminal of its own.
pub(crate) fn start(args: &[&str], rows: u16, cols: u16) -> Terminal {
    Terminal::start(env!("CARGO_BIN_EXE_supertop"), args, rows, cols)
}

const UP: &str = "256 up";

#[test]
fn a_demo_is_moved_sorted_filtered_and_drilled_to_a_process_and_back() {
    let mut terminal = start(&["demo", "--nodes", "256", "--seed", "7"], 40, 120);
    terminal.await_screen("all nodes up", |s| s.contains(UP) || s.contains("255 up"));
    terminal.press(":nodes\r");
    let nodes = terminal.await_screen("the nodes view", |s| s.contains("gpu001") && s.contains("of 256"));
    assert!(nodes.contains("NODE"), "{nodes}");
    terminal.press("G");
    terminal.await_screen("the last node", |s| s.contains("gpu256"));
    terminal.press("gg");
    terminal.await_screen("the first node", |s| s.contains("gpu001"));
    terminal.press("I");
    terminal.await_screen("the sort the other way round", |s| s.contains("STATE▴"));
    terminal.press("I");
    terminal.await_screen("the sort as it was", |s| s.contains("STATE▾"));
    terminal.press("/node = gpu042\r");
    terminal.await_screen("one node is left", |s| s.contains("gpu042") && !s.contains("gpu001"));
    terminal.press("\r");
    terminal.await_screen("the node's screen", |s| s.contains("gpu042") && s.contains("GPUS 8"));
    terminal.press(":processes where node = gpu042\r");
    terminal.await_screen("the node's processes", |s| s.contains("PROCESSES · where") && s.contains("root"));
    terminal.press("\r");
    terminal.await_screen("a process", |s| s.contains(" on gpu042"));
    terminal.press("\u{1b}");
    terminal.await_screen("the processes again", |s| s.contains("PID") && !s.contains(" on gpu042"));
    terminal.press("q");
    terminal.press("q");
    terminal.press("q");
    assert_eq!(terminal.finish(), 0);
    assert!(terminal.is_restored());
}

#[test]
fn what_is_chosen_of_tables_is_there_the_next_time() {
    let state = tempfile::tempdir().expect("a folder");
    let file = state.path().join("supertop/tables.toml");
    let again = || Terminal::start_in(env!("CARGO_BIN_EXE_supertop"), &["demo", "--nodes", "8"], 30, 120, state.path());
    let end = |mut terminal: Terminal| {
        terminal.press("q");
        assert_eq!(terminal.finish(), 0);
    };
    let mut terminal = again();
    terminal.await_screen("a screen", |s| s.contains("8 up"));
    terminal.press("q");
    assert_eq!(terminal.finish(), 0);
    assert!(!file.exists(), "nothing was chosen");
    let mut terminal = again();
    terminal.await_screen("a screen", |s| s.contains("8 up"));
    terminal.press("2I");
    terminal.await_screen("the sort the other way round", |s| s.contains("STATE▴"));
    end(terminal);
    assert!(std::fs::read_to_string(&file).expect("a file").contains("[nodes]"));
    let mut terminal = again();
    terminal.await_screen("a screen", |s| s.contains("8 up"));
    terminal.press("2");
    terminal.await_screen("the sort as it was left", |s| s.contains("STATE▴"));
    end(terminal);
    std::fs::write(&file, "[nodes]\nsorted = 'node'").expect("a file");
    let mut terminal = again();
    terminal.await_screen("what is wrong with it", |s| s.contains("tables.toml is left aside: unknown field `sorted`"));
    end(terminal);
}

#[test]
fn a_view_that_a_key_saved_is_there_the_next_time() {
    let state = tempfile::tempdir().expect("a folder");
    let again = || Terminal::start_in(env!("CARGO_BIN_EXE_supertop"), &["demo", "--nodes", "8"], 30, 120, state.path());
    let mut terminal = again();
    terminal.await_screen("a screen", |s| s.contains("8 up"));
    terminal.press(":gpus where util >= 0\r");
    terminal.await_screen("the table", |s| s.contains("· where util >= 0"));
    // Where a terminal stopped at ^s, nothing would come any more.
    terminal.press("\u{13}");
    terminal.await_screen("the prompt", |s| s.contains(": save "));
    terminal.press("busy\r");
    terminal.await_screen("where it is", |s| s.contains("saved; :busy or alt-1 goes there"));
    terminal.press("q");
    assert_eq!(terminal.finish(), 0);
    let mut terminal = again();
    terminal.await_screen("a screen", |s| s.contains("8 up"));
    terminal.press(":busy\r");
    terminal.await_screen("the table again", |s| s.contains("· where util >= 0"));
    terminal.press("q");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn a_typo_in_the_filter_is_named() {
    let mut terminal = start(&["demo", "--nodes", "8"], 24, 80);
    // Keys that come before the terminal is raw are not what they were.
    terminal.await_screen("a screen", |s| s.contains("8 up"));
    terminal.press(":gpus\r");
    terminal.await_screen("GPUs", |s| s.contains("of 64"));
    terminal.press("/utl > 5\r");
    terminal.await_screen("the complaint", |s| s.contains("utl") && s.contains("util"));
}

/// What lies behind the table of `theme`.
fn has_ground(terminal: &Terminal, theme: &str) -> bool {
    let (r, g, b) = if theme == "light" { (0xfb, 0xfa, 0xf7) } else { (0x0e, 0x12, 0x18) };
    terminal.screen().cell(20, 79).expect("a cell").bgcolor() == vt100::Color::Rgb(r, g, b)
}

/// Waits for the end of a frame: its words may be there before its last lines are.
fn await_ground(terminal: &mut Terminal, theme: &str) -> bool {
    (0..500).any(|_| {
        terminal.watch_for(std::time::Duration::from_millis(20));
        has_ground(terminal, theme)
    })
}

#[test]
fn the_ground_of_the_terminal_chooses_the_theme() {
    for (answer, args, theme) in [
        (&b"\x1b]11;rgb:fdfd/f6f6/e3e3\x1b\\\x1b[?62;22c"[..], &[][..], "light"),
        (b"\x1b]11;rgb:ff/ff/ff\x07\x1b[?6c", &[], "light"),
        (b"2\x1b]11;rgba:ffff/ffff/ffff/ffff\x07\x1b[?1;2c", &[], "light"),
        (b"\x1b]11;rgb:0000/2b2b/3636\x1b\\\x1b[?62;22c", &[], "dark"),
        (b"\x1b[?62;22c", &[], "dark"),
        (b"", &[], "dark"),
        (b"", &["--theme", "light"], "light"),
    ] {
        let mut terminal = start(&[&["demo", "--nodes", "8"], args].concat(), 24, 80);
        terminal.answer = answer;
        // A key that is pressed while the answer is waited for counts.
        let expected = if answer.starts_with(b"2") { "NODE " } else { "overview" };
        terminal.await_screen("a screen", |s| s.contains("8 up") && s.contains(expected));
        assert!(await_ground(&mut terminal, theme), "{theme} after {}", answer.escape_ascii());
        assert_eq!(terminal.is_asked, args.is_empty(), "what was chosen is no question");
        let theme = if theme == "light" { "dark" } else { "light" };
        terminal.press(&format!(":theme {theme}\r:nodes where node = gpu002\r"));
        terminal.await_screen("a node", |s| s.contains("NODES · where"));
        assert!(await_ground(&mut terminal, theme), "what is chosen later counts");
        terminal.press("qqq");
        assert_eq!(terminal.finish(), 0);
        assert!(terminal.is_restored());
    }
}

#[test]
fn an_answer_that_comes_late_is_no_keys() {
    for (begin, end) in [
        (&b""[..], "\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?62;22c"),
        (b"", "\x1b]11;rgb:ffff/ffff/ffff\x07\x1b[?62;22c"),
        (b"\x1b]11;rgb:ffff/ff", "ff/ffff\x1b\\\x1b[?62;22c"),
        (b"\x1b]11;rgb:ffff/ffff/ffff\x1b", "\\\x1b[?62;22c"),
        (b"\x1b[?62;22c", "\x1b]11;rgb:ffff/ffff/ffff\x1b\\"),
    ] {
        let mut terminal = start(&["demo", "--nodes", "8"], 24, 80);
        terminal.answer = begin;
        terminal.await_screen("a screen", |s| s.contains("8 up"));
        assert!(terminal.is_asked);
        // Were it keys, there would be a prompt, which takes this one.
        terminal.press(end);
        terminal.press("2");
        let screen = terminal.await_screen("the nodes", |s| s.contains("gpu001") && s.contains("NODES"));
        assert!(!screen.contains("ffff") && !screen.contains("rgb"), "{screen}");
        assert!(await_ground(&mut terminal, "dark"), "too late");
        terminal.press("?");
        terminal.await_screen("the help", |s| s.contains("› keys"));
        terminal.press("\x1b");
        terminal.await_screen("the nodes again", |s| !s.contains("› keys"));
    }
}

#[test]
fn the_terminal_is_restored_at_sigterm() {
    let mut terminal = start(&["demo", "--nodes", "8"], 24, 80);
    terminal.await_screen("a screen", |s| s.contains("8 up"));
    assert!(!terminal.is_restored());
    let pid = rustix::process::Pid::from_raw(terminal.pid()).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the process is there");
    terminal.finish();
    assert!(terminal.is_restored());
}

#[test]
fn this_machine_is_shown_without_a_hub() {
    let mut terminal = start(&["--hub", ""], 24, 80);
    // An empty address is a mistake, said in one line, before any screen is drawn.
    assert_ne!(terminal.finish(), 0);
    assert!(terminal.is_restored());
    let mut terminal = start(&[], 40, 120);
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    terminal.await_screen("this machine", |s| s.contains(&host) && s.contains("CPU"));
    terminal.press("q");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn a_resize_redraws_the_whole_screen() {
    let mut terminal = start(&["demo", "--nodes", "8"], 24, 80);
    terminal.await_screen("a screen", |s| s.contains("8 up"));
    for (rows, cols) in [(10, 40), (120, 400), (24, 80)] {
        terminal.resize(rows, cols);
        terminal.await_screen("the header", |s| s.starts_with(' ') && s.contains("overview"));
    }
}

#[test]
fn keys_show_without_waiting_for_the_next_tick() {
    let mut terminal = start(&["demo", "--nodes", "64"], 24, 80);
    terminal.await_screen("a screen", |s| s.contains("64 up"));
    terminal.press(":nodes sort node\r");
    terminal.await_screen("the nodes", |s| s.contains("gpu001"));
    let clock = |screen: &str| screen.lines().next().unwrap_or_default().trim_end().to_owned();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        terminal.press("?");
        seen.insert(clock(&terminal.await_screen("the help", |s| s.contains("› keys") && s.contains("HERE"))));
        terminal.press("\u{1b}");
        seen.insert(clock(&terminal.await_screen("the nodes again", |s| s.contains("gpu001"))));
    }
    assert!(seen.len() < 12, "forty keys took so many ticks of the clock: {seen:?}");
}

#[test]
fn where_the_terminal_takes_nothing_for_its_clipboard_a_copy_says_so() {
    for (place, said) in [
        ("TERM=linux", "this terminal has no clipboard; nothing was copied"),
        ("TMUX=/nowhere/socket,1,0", "tmux takes nothing for its clipboard; nothing was copied"),
    ] {
        let args = ["-u", "TMUX", "-u", "STY", place, env!("CARGO_BIN_EXE_supertop"), "demo", "--nodes", "8"];
        let mut terminal = Terminal::start("/usr/bin/env", &args, 24, 80);
        terminal.await_screen("a screen", |s| s.contains("8 up"));
        terminal.press(":nodes sort node\r");
        terminal.await_screen("the nodes", |s| s.contains("gpu001") && s.contains("NODE▴"));
        terminal.press("y");
        let screen = terminal.await_screen(said, |s| s.contains(said));
        assert!(!screen.contains("copied gpu001"), "{screen}");
        terminal.press("q");
        assert_eq!(terminal.finish(), 0);
    }
}

#[test]
fn a_part_of_a_name_leads_to_the_nodes_that_have_it() {
    let mut terminal = start(&["demo", "--nodes", "64"], 24, 100);
    terminal.await_screen("a screen", |s| s.contains("64 up"));
    terminal.press(":node u04\r");
    terminal.await_screen("ten nodes", |s| s.contains("gpu040") && s.contains("gpu049") && !s.contains("gpu050"));
    terminal.press(":node gpu042\r");
    terminal.await_screen("the node itself", |s| s.contains("gpu042") && s.contains("GPUS 8"));
}

#[test]
fn a_stopped_viewer_delays_no_other_and_goes_on_with_the_newest() {
    use rustix::process::{Pid, Signal, kill_process};

    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), "127.0.0.1:0");
    let sim = hub.sim(64);
    hub.await_answer("nodes", "64 nodes up", |a| a["total"] == 64 && a["stale"] == 0);
    let socket = hub.socket.to_str().unwrap();
    let mut stopped = start(&["--hub", socket], 40, 120);
    stopped.await_screen("the hub's nodes", |s| s.contains("64 up") || s.contains("63 up"));
    let signal = |signal| kill_process(Pid::from_raw(stopped.pid()).unwrap(), signal).unwrap();
    signal(Signal::STOP);
    let mut other = start(&["--hub", socket], 40, 120);
    other.await_screen("the same nodes for another", |s| s.contains("64 up") || s.contains("63 up"));
    other.press(":gpus\r");
    other.await_screen("its GPUs", |s| s.contains("of 512"));
    drop(sim);
    other.await_screen("that all are stale", |s| s.contains("64 stale"));
    signal(Signal::CONT);
    stopped.await_screen("what is now, not what was", |s| s.contains("64 stale"));
    stopped.press("q");
    assert_eq!(stopped.finish(), 0);
}

#[test]
fn what_a_hub_refused_is_on_the_screen() {
    use std::io::{Read as _, Write as _};

    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), "127.0.0.1:0");
    let _sim = hub.sim(8);
    let mut terminal = start(&["--hub", hub.socket.to_str().unwrap()], 40, 120);
    terminal.await_screen("the hub's nodes", |s| s.contains("8 up") && !s.contains("refused"));
    for count in 1..=2 {
        let mut peer = std::net::TcpStream::connect(&hub.agents).unwrap();
        peer.write_all(b"GET / HTTP/1.1\r\nHost: head\r\n\r\n").unwrap();
        let _ = peer.read_to_end(&mut Vec::new());
        let expected = format!("{count} refused: peer speaks HTTP");
        terminal.await_screen(&expected, |s| s.contains(&expected));
    }
}
