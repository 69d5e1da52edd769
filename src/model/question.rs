//! Questions that a viewer keeps asking, and the replies to them.
//! Screens say which questions they want kept fresh; whoever holds the link asks them.

use std::{fmt, time::Duration};

use crate::model::{series::Series, table::Table};

/// One question to be kept fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Names the question among those of one viewer; its replies carry it.
    pub slot: u32,
    /// The query's text.
    pub query: String,
    /// How often to ask it again; zero for once.
    pub every: Duration,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// [`Question::slot`].
    pub slot: u32,
    /// The query that was answered, as it was asked.
    pub query: String,
    /// The answer, or what is wrong with the question.
    pub answer: Result<Answer, Complaint>,
}

/// An answer of either shape.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Rows.
    Table(Table),
    /// Lines along time, for a query with `over`.
    Series(Series),
}

/// What is wrong with a query, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong and what was expected, in one line.
    pub message: String,
    /// Byte offset of the offending word in the query's text.
    pub at: usize,
    /// Length of the offending word in bytes; zero at the text's end.
    pub len: usize,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Complaint {}

/// How the link to a hub is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// Not there yet.
    #[default]
    Connecting,
    /// Questions are being answered.
    Up,
    /// Lost, with the reason; it is being dialled again.
    Lost(String),
}

/// What a viewer hears.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// What became of a remark: nothing, or why it was not taken.
    Said(Result<(), Complaint>),
    /// A reply to one of its questions.
    Reply(Box<Reply>),
    /// The link changed.
    Link(Link),
}
