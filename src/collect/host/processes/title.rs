//! What a process is called: the kernel's name for it, or the program and its script where that says more.
//! Arguments are left out: they may hold secrets, and they go to everyone who watches.

use std::{fs::File, io::Read, path::Path};

use crate::model::text::clean;

/// Programs whose name says nothing without that of the script they run.
const INTERPRETERS: [&str; 11] =
    ["python", "pypy", "bash", "sh", "dash", "zsh", "perl", "ruby", "node", "julia", "Rscript"];
/// How much of a name is kept.
const LONGEST: usize = 48;

/// The name of the process whose folder under `/proc` is `folder` and whom the kernel calls `kernel`.
pub(super) fn of(folder: &Path, kernel: &str) -> String {
    let mut line = Vec::new();
    // A command line may be megabytes long; its first words are enough.
    let read = File::open(folder.join("cmdline")).and_then(|file| file.take(4096).read_to_end(&mut line));
    let words: Vec<_> = line.split(|b| *b == 0).map(String::from_utf8_lossy).collect();
    match read {
        Ok(_) => clean(&title(kernel, &words), LONGEST).into_owned(),
        Err(_) => kernel.to_owned(),
    }
}

fn title(kernel: &str, words: &[impl AsRef<str>]) -> String {
    let mut words = words.iter().map(AsRef::as_ref);
    // Some write what they do over their command line: `nginx: worker process`.
    let first = words.next().unwrap_or_default();
    let program = last_part(first.split_once(": ").map_or(first, |(program, _)| program));
    let is_program =
        !program.is_empty() && program.starts_with(kernel.trim_end_matches(|c: char| !c.is_alphanumeric()));
    let is_interpreter = INTERPRETERS.iter().any(|name| {
        program.strip_prefix(name).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
    });
    if is_interpreter {
        return match script(program, words) {
            Some(script) => format!("{program} {script}"),
            None if is_program => program.to_owned(),
            None => kernel.to_owned(),
        };
    }
    if is_program { program.to_owned() } else { kernel.to_owned() }
}

/// The script or module that an interpreter runs; nothing where it runs words of its command line.
fn script<'a>(program: &str, mut words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    while let Some(word) = words.next() {
        match word {
            "-m" if program.starts_with("py") => return words.next().filter(|module| !module.is_empty()),
            "-c" | "-e" | "" | "-" => return None,
            "-W" | "-X" => drop(words.next()),
            option if option.starts_with('-') => {}
            script => return Some(last_part(script)),
        }
    }
    None
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_says_what_runs_and_no_argument() {
        let check = |kernel: &str, line: &str, expected: &str| {
            let words: Vec<_> = line.split('|').collect();
            assert_eq!(title(kernel, &words), expected, "{line}");
        };
        check("python3", "/usr/bin/python3|-u|/home/a/train.py|--token=secret", "python3 train.py");
        check("python3.11", "python3.11|-m|torch.distributed.run|x", "python3.11 torch.distributed.run");
        check("pt_main_thread", "/opt/bin/python|-W|ignore|train.py", "python train.py");
        check("bash", "bash|-c|secret", "bash");
        check("bash", "-bash", "bash");
        check("VLLM::EngineCor", "VLLM::EngineCore_DP0", "VLLM::EngineCore_DP0");
        check("nvidia-persiste", "/usr/bin/nvidia-persistenced|--user|x", "nvidia-persistenced");
        check("kworker/0:1", "", "kworker/0:1");
        check("nginx", "nginx: worker process", "nginx");
        check("sshd", "sshd: alice@pts/0", "sshd");
        check("redis-server", "something:else", "redis-server");
    }

    #[test]
    fn a_process_without_a_command_line_has_its_kernels_name() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(of(dir.path(), "kswapd0"), "kswapd0");
        std::fs::write(dir.path().join("cmdline"), b"/bin/a\x1b[2J\0-x\0").unwrap();
        assert_eq!(of(dir.path(), "a"), "a\u{fffd}[2J");
    }
}
