//! What can follow `:`: a view with its query, or one of a few words.

use std::time::Duration;

use crate::{
    model::{incident::Verb, text::nearest, time::span},
    query,
    tui::{errand::What, screen::Objection, views},
};

/// One command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) name: &'static str,
    /// How it is written.
    pub(crate) usage: &'static str,
    /// What it does.
    pub(crate) help: &'static str,
}

/// Every command that is not a view.
pub(crate) static COMMANDS: &[Row] = &[
    Row {
        name: "",
        usage: "VIEW [where …]",
        help: "Goes to a view; any query is one: gpus where temp > 85 sort -power.",
    },
    Row { name: "overview", usage: "overview", help: "Goes to the overview." },
    Row { name: "node", usage: "node NAME", help: "Goes to a node." },
    Row { name: "gpu", usage: "gpu NAME:N", help: "Goes to a GPU." },
    Row { name: "job", usage: "job ID", help: "Goes to a job's GPUs." },
    Row {
        name: "bench",
        usage: "bench",
        help: "Goes to the nodes of which the scheduler and we say different things; what is copied there is what to do.",
    },
    Row { name: "ack", usage: "ack [NUMBER] [NOTE]", help: "Takes note of an incident: somebody sees to it." },
    Row {
        name: "silence",
        usage: "silence [NUMBER] [4h] [NOTE]",
        help: "Hears nothing of an incident for some time, four hours unless you say.",
    },
    Row { name: "reopen", usage: "reopen [NUMBER]", help: "Takes back what was said of an incident." },
    Row { name: "blast", usage: "blast", help: "Shows what happened along time: what broke first." },
    Row {
        name: "compare",
        usage: "compare [NAME …]",
        help: "Shows nodes or GPUs side by side, the marked ones unless you name some.",
    },
    Row {
        name: "copy",
        usage: "copy [json|drain]",
        help: "Copies the marked names, their rows as JSON, or the command that drains their nodes.",
    },
    Row { name: "mine", usage: "mine", help: "Goes to your own jobs." },
    Row {
        name: "where",
        usage: "where CONDITION",
        help: "Filters the table; without a condition it shows everything.",
    },
    Row { name: "sort", usage: "sort [-]KEY,…", help: "Sorts the table." },
    Row {
        name: "when",
        usage: "when [-20m]",
        help: "Shows everything as it was then: -20m, 14:02, a whole time; now, or nothing, goes back to now.",
    },
    Row {
        name: "save",
        usage: "save NAME",
        help: "Saves what is on screen as a view: its name goes there, and so does the key of its place.",
    },
    Row { name: "forget", usage: "forget NAME", help: "Forgets a view that was saved." },
    Row { name: "theme", usage: "theme NAME", help: "Changes the theme." },
    Row { name: "help", usage: "help", help: "Lists the keys." },
    Row { name: "quit", usage: "quit", help: "Quits." },
];

/// A command, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Nothing was typed.
    Nothing,
    /// To the overview.
    Overview,
    /// To a view.
    Query(String),
    /// To a node.
    Node(String),
    /// To a GPU of a node.
    Gpu(String, String),
    /// To a job.
    Job(String),
    /// To the nodes that the scheduler holds back, or should.
    Bench,
    /// To what happened along time.
    Blast,
    /// Things side by side; those that are marked where none are named.
    Compare(Vec<String>),
    /// Copies names, or what else of them.
    Copy(Option<What>),
    /// To the jobs of whoever looks.
    Mine,
    /// Says something of an incident; of the one under the cursor where no number is given.
    Say(Verb, Option<u64>, String),
    /// Filters the table.
    Where(String),
    /// Sorts the table.
    Sort(String),
    /// Shows everything as it was at a time.
    When(String),
    /// Keeps what is on screen as a view of this name.
    Save(String),
    /// Forgets the saved view of this name.
    Forget(String),
    /// Changes the theme.
    Theme(String),
    /// Lists the keys.
    Help,
    /// Quits.
    Quit,
}

/// Reads a command.
pub(crate) fn parse(text: &str, levels: &[String]) -> Result<Command, Objection> {
    let line = text.trim();
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let needs = |what: &str| Objection { message: format!("{name} needs {what}"), word: None };
    let given = |what: &str| if rest.is_empty() { Err(needs(what)) } else { Ok(rest.to_owned()) };
    Ok(match name {
        "" => Command::Nothing,
        "overview" => Command::Overview,
        "node" => Command::Node(given("a node's name")?),
        "gpu" => match rest.rsplit_once(':') {
            Some((node, index)) => Command::Gpu(node.into(), index.into()),
            None => return Err(needs("a GPU's name: gpu017:3")),
        },
        "job" => Command::Job(given("a job's id")?),
        "bench" => Command::Bench,
        "blast" => Command::Blast,
        "compare" => Command::Compare(rest.split_whitespace().map(String::from).collect()),
        "copy" => match rest {
            "" => Command::Copy(None),
            "json" => Command::Copy(Some(What::Json)),
            "drain" => Command::Copy(Some(What::Drain)),
            _ => return Err(Objection { message: "copy takes json, drain or nothing".into(), word: None }),
        },
        "mine" => Command::Mine,
        "ack" | "silence" | "reopen" => said(name, rest),
        "where" | "filter" => Command::Where(rest.into()),
        "when" => Command::When(rest.into()),
        "sort" => Command::Sort(given("keys: -power,node")?),
        "save" => Command::Save(given("a name")?),
        "forget" => Command::Forget(given("a saved view's name")?),
        "theme" => Command::Theme(given("a theme's name")?),
        "help" => Command::Help,
        "q" | "quit" | "q!" | "exit" => Command::Quit,
        _ => return view(text, name, levels),
    })
}

/// What is said of an incident: `ack 17 waits for RMA`, `silence 4h`.
fn said(name: &str, rest: &str) -> Command {
    let cut = |text: &str| {
        let (word, others) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        (word.to_owned(), others.trim().to_owned())
    };
    let (word, others) = cut(rest);
    let (number, left) = match word.parse() {
        Ok(number) => (Some(number), others),
        Err(_) => (None, rest.to_owned()),
    };
    let verb = match name {
        "ack" => Verb::Acknowledge,
        "reopen" => Verb::Reopen,
        _ => {
            let (word, others) = cut(&left);
            return match span(&word) {
                Ok(span) => Command::Say(Verb::Silence(span), number, others),
                Err(_) => Command::Say(Verb::Silence(SILENCE), number, left),
            };
        }
    };
    Command::Say(verb, number, left)
}

/// For how long an incident is silenced when nobody says.
const SILENCE: Duration = Duration::from_hours(4);

fn view(text: &str, name: &str, levels: &[String]) -> Result<Command, Objection> {
    let start = text.len() - text.trim_start().len();
    if !views::names(levels).iter().any(|view| view == name) {
        let known = words(levels);
        let nearest = nearest(name, known.iter().map(String::as_str));
        return Err(Objection {
            message: format!("no view or command is called {name}; did you mean {nearest}?"),
            word: Some(start..start + name.len()),
        });
    }
    match query::parse(text) {
        Ok(_) => Ok(Command::Query(text.trim().to_owned())),
        Err(complaint) => {
            Err(Objection { message: complaint.message, word: Some(complaint.at..complaint.at + complaint.len) })
        }
    }
}

/// Every word that a command can begin with.
pub(crate) fn words(levels: &[String]) -> Vec<String> {
    let commands = COMMANDS.iter().map(|row| row.name.to_owned()).filter(|name| !name.is_empty());
    views::names(levels).into_iter().chain(commands).collect()
}

/// Whether what has this name after `:` would stand in the way of a command.
pub(crate) fn is_taken(name: &str, levels: &[String]) -> bool {
    let first = name.split_whitespace().next().unwrap_or_default();
    parse(name, levels).is_ok() || words(levels).iter().any(|word| word == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels() -> Vec<String> {
        ["region", "pod", "rack"].map(String::from).to_vec()
    }

    #[test]
    fn commands_are_read() {
        let check = |text, expected| assert_eq!(parse(text, &levels()), Ok(expected), "{text}");
        check("", Command::Nothing);
        check("q", Command::Quit);
        check("node gpu017", Command::Node("gpu017".into()));
        check("gpu a:b:3", Command::Gpu("a:b".into(), "3".into()));
        check("gpus where xid != none", Command::Query("gpus where xid != none".into()));
        check("racks", Command::Query("racks".into()));
        check("where", Command::Where(String::new()));
        let say = |verb, number, text: &str| Command::Say(verb, number, text.into());
        check("ack 17 waits for RMA", say(Verb::Acknowledge, Some(17), "waits for RMA"));
        check("ack", say(Verb::Acknowledge, None, ""));
        check("ack known", say(Verb::Acknowledge, None, "known"));
        check("silence 17 2h", say(Verb::Silence(Duration::from_hours(2)), Some(17), ""));
        check("silence 30m burn-in", say(Verb::Silence(Duration::from_mins(30)), None, "burn-in"));
        check("silence 17 burn-in", say(Verb::Silence(SILENCE), Some(17), "burn-in"));
        check("blast", Command::Blast);
        check("copy", Command::Copy(None));
        check("copy json", Command::Copy(Some(What::Json)));
        check("when -20m", Command::When("-20m".into()));
        check("save sick ones", Command::Save("sick ones".into()));
        check("forget sick ones", Command::Forget("sick ones".into()));
        check("compare gpu001:3 gpu002:3", Command::Compare(vec!["gpu001:3".into(), "gpu002:3".into()]));
        check("reopen 17", say(Verb::Reopen, Some(17), ""));
    }

    #[test]
    fn mistakes_point_at_their_word() {
        let check = |text: &str, word: &str, says: &str| {
            let objection = parse(text, &levels()).unwrap_err();
            assert_eq!(objection.word.map(|range| &text[range]), Some(word).filter(|w| !w.is_empty()), "{text}");
            assert!(objection.message.contains(says), "{}", objection.message);
        };
        check("gpuss where temp > 3", "gpuss", "did you mean gpus");
        check("theme", "", "needs a theme");
        check("save", "", "needs a name");
        check("copy all", "", "json, drain or nothing");
        check("gpus where temp >> 3", ">", "");
    }

    #[test]
    fn a_view_cannot_have_the_name_of_a_command() {
        let check = |name, expected| assert_eq!(is_taken(name, &levels()), expected, "{name}");
        check("sick", false);
        check("sick gpus", false);
        check("gpus", true);
        check("racks", true);
        check("theme", true);
        check("q", true);
        check("job 4711", true);
    }
}
