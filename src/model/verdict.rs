//! What a GPU is to the job that it works for, where that hangs or is slow.

/// What a GPU is to its job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing speaks against it, and it does its part.
    #[default]
    Fine,
    /// It waits for others.
    Waiting,
    /// Its host holds it up.
    Host,
    /// It is badly linked.
    Link,
    /// It is slow by itself.
    Slow,
    /// It is not there any more, or its process is not.
    Gone,
}

impl Verdict {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Verdict::Fine => "fine",
            Verdict::Waiting => "waiting",
            Verdict::Host => "host",
            Verdict::Link => "link",
            Verdict::Slow => "slow",
            Verdict::Gone => "gone",
        }
    }
}
