//! Screens: values on a stack, each of which asks its questions, acts on actions and draws its body.
//! The frame around them, the prompt and the keymap are the same for all and live elsewhere.

pub(crate) mod bench;
pub(crate) mod blast;
pub(crate) mod columns;
pub(crate) mod compare;
pub(crate) mod gpu;
pub(crate) mod help;
pub(crate) mod incident;
pub(crate) mod job;
pub(crate) mod ledger;
pub(crate) mod node;
pub(crate) mod overview;
pub(crate) mod process;
pub(crate) mod table;

use std::{ops::Range, time::Duration};

use crate::{
    model::{
        question::{Answer, Complaint},
        series::Series,
        table::Table,
    },
    tui::{
        action::Action,
        ask::{Ask, quoted},
        draw::Pen,
        habits::Habit,
        orders::Commands,
        shared::Shared,
        views::Target,
    },
};

/// One question of a screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Its number among those of the screen, below [`Asked::MOST`].
    pub(crate) part: u32,
    /// The query.
    pub(crate) text: String,
    /// How often to ask it.
    pub(crate) every: Duration,
    /// Whether it says itself what time it is about, wherever one is in time.
    pub(crate) is_dated: bool,
}

impl Asked {
    /// How many questions a screen may have.
    pub(crate) const MOST: u32 = 32;

    /// Asked again every so many seconds.
    pub(crate) fn every(seconds: u64, part: u32, text: impl Into<String>) -> Asked {
        Asked { part, text: text.into(), every: Duration::from_secs(seconds), is_dated: false }
    }

    /// The same, about the time that it says itself.
    pub(crate) fn dated(self) -> Asked {
        Asked { is_dated: true, ..self }
    }
}

/// What became of an action or an answer.
pub(crate) enum Step {
    /// Nothing that can be seen.
    Same,
    /// Something on screen changed, or a question did.
    Changed,
    /// Another screen goes on top.
    Open(Box<dyn Screen>),
    /// Another screen takes this one's place.
    Replace(Box<dyn Screen>),
    /// Back to the screen before.
    Back,
    /// Something is wanted of a view from now on.
    Wish(String, Habit),
    /// Something to tell the user.
    Say(String),
    /// This screen has no such action.
    Unhandled,
}

impl Step {
    /// [`Step::Changed`] if so.
    pub(crate) fn when(changed: bool) -> Step {
        if changed { Step::Changed } else { Step::Same }
    }
}

/// A complaint about what the user wrote, for where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Objection {
    /// What is wrong.
    pub(crate) message: String,
    /// The bytes of the user's text that it is about; nothing when it is about the rest of the question.
    pub(crate) word: Option<Range<usize>>,
}

/// A screen.
pub(crate) trait Screen {
    /// Its name in the breadcrumbs.
    fn crumb(&self) -> String;

    /// The name of the view that it is the root of, for the list of views in the header.
    fn view(&self) -> Option<&str> {
        None
    }

    /// The questions that it wants kept fresh.
    fn asks(&self, shared: &Shared) -> Vec<Asked>;

    /// Takes the answer to one of its questions in.
    fn heard(&mut self, part: u32, answer: Result<Answer, Complaint>, shared: &Shared) -> Step;

    /// Acts.
    fn act(&mut self, action: Action, shared: &Shared) -> Step;

    /// Takes a click on this cell of its own: into a row it goes that was chosen before, into a cell of a grid at once.
    fn click(&mut self, _at: (u16, u16), _shared: &Shared) -> Step {
        Step::Unhandled
    }

    /// Takes note of another size, or of another screen having been on top.
    fn arrange(&mut self, shared: &Shared);

    /// Draws itself between header and footer.
    fn draw(&self, pen: &mut Pen<'_>, shared: &Shared);

    /// The actions that it answers to, the most useful ones first.
    fn hints(&self) -> &'static [Action];

    /// What is under the cursor, as it is copied.
    fn subject(&self) -> Option<String> {
        None
    }

    /// What is under the cursor, as it is marked and drained.
    fn mark(&self) -> Option<String> {
        self.subject()
    }

    /// What moves on to what could be marked next; nothing where there is but one.
    fn onward(&self) -> Option<Action> {
        None
    }

    /// The number of the incident under the cursor.
    fn incident(&self) -> Option<&str> {
        None
    }

    /// What is copied of what is marked, or else of what is under the cursor, instead of names, made of these commands; or
    /// why nothing is.
    fn copies(&self, _marks: &[&str], _commands: &Commands) -> Option<Result<String, String>> {
        None
    }

    /// The question for its rows with the columns that it shows; nothing where it has no such rows.
    fn sheet(&self) -> Option<Ask> {
        None
    }

    /// Why no more than a name is copied here; nothing where more is not to be expected.
    fn lacks(&self, _shared: &Shared) -> Option<&'static str> {
        None
    }

    /// The command that brings it back, as after `:`; nothing where none does.
    fn command(&self) -> Option<String> {
        None
    }

    /// Whether the next letter picks a column.
    fn wants_letter(&self) -> bool {
        false
    }

    /// A letter, or none when something else was pressed.
    fn letter(&mut self, _letter: Option<char>, _shared: &Shared) -> Step {
        Step::Unhandled
    }

    /// The user's condition; nothing where a screen takes none.
    fn filter(&self) -> Option<&str> {
        None
    }

    /// Sets the user's condition.
    fn set_filter(&mut self, _text: &str) {}

    /// What the hub said of the user's condition.
    fn objection(&self) -> Option<&Objection> {
        None
    }

    /// The view whose columns it shows, so that what is wanted of one is wanted of the other.
    fn manner(&self) -> Option<&str> {
        None
    }

    /// Sorts by these keys, as a `sort` clause has them. Says whether it can.
    fn sort(&mut self, _words: &str) -> bool {
        false
    }
}

/// The screen of what a row stands for; `scope` are the conditions of the table that the row is in.
pub(crate) fn of(target: Target, scope: &[String], shared: &Shared) -> Box<dyn Screen> {
    match target {
        Target::Node(node) => Box::new(node::Node::new(&node, shared)),
        Target::Gpu(node, index) => Box::new(gpu::Gpu::new(&node, &index, shared)),
        Target::Process(node, pid) => Box::new(process::Process::new(&node, &pid)),
        Target::Jobs(key, value) => Box::new(table::TableScreen::jobs_of(&key, &value, scope, shared)),
        Target::Job(job) => Box::new(job::Job::new(&job, shared)),
        Target::Incident(id) => Box::new(incident::Incident::new(&id)),
        Target::Place(level, place) => Box::new(table::TableScreen::inside(&level, &place, scope, shared)),
    }
}

/// The open incidents of what one thing's screen is of; a process has those of its node.
fn troubles(of: Target, shared: &Shared) -> Step {
    let is = |key: &str, value: &str| format!("{key} = {}", quoted(value));
    let scope = match of {
        Target::Node(node) | Target::Process(node, _) => vec![is("node", &node)],
        Target::Gpu(node, index) => vec![is("node", &node), is("index", &index)],
        Target::Job(job) => vec![is("job", &job)],
        Target::Place(level, place) => vec![is(&level, &place)],
        Target::Jobs(..) | Target::Incident(_) => return Step::Unhandled,
    };
    Step::Open(Box::new(table::TableScreen::faulty("incidents", &scope, shared)))
}

/// Puts a new answer in the old one's place. Says whether it differs.
fn replace_table(old: &mut Option<Table>, new: Table) -> bool {
    let same = old.as_ref().is_some_and(|old| old.rows == new.rows && old.total == new.total);
    *old = Some(new);
    !same
}

/// As [`replace_table`], for values along time.
fn replace_series(old: &mut Option<Series>, new: Series) -> bool {
    let same = old.as_ref().is_some_and(|old| old.lines == new.lines);
    *old = Some(new);
    !same
}
