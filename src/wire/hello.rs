//! The first message of each channel: who speaks, in which version, and which metrics its samples hold.
//! Also what viewers ask, which is as small.

use std::time::Duration;

use crate::model::{
    Scope, Unit,
    incident::{Remark, Verb},
    question::Complaint,
    report::Introduction,
};

use super::{limit, limit::DecodeError, proto};

/// The protocol's version. It grows only when old and new builds can no longer understand each other at all;
/// new fields and messages don't need that.
pub const VERSION: u32 = 1;

/// Who speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// A node's agent, or something that speaks for one.
    #[default]
    Agent,
    /// Someone who asks.
    Viewer,
    /// Who takes reports and answers.
    Hub,
}

impl Role {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Role::Agent => "agent",
            Role::Viewer => "viewer",
            Role::Hub => "hub",
        }
    }
}

/// Who speaks, and what its samples will hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hello {
    /// [`VERSION`] of the speaker.
    pub version: u32,
    /// What it is.
    pub role: Role,
    /// Its name and start.
    pub introduction: Introduction,
    /// The metrics of its samples, in the order in which samples hold them. Only agents send some.
    pub metrics: Vec<Declared>,
}

/// One metric that an agent sends.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// What it is measured on: one of [`Scope::SAMPLED`].
    pub scope: Scope,
    /// The full key.
    pub key: String,
    /// What its number measures.
    pub unit: Unit,
    /// The step in which it is sent, in its unit.
    pub quantum: f64,
}

/// A viewer's question. Each gets one reply: a viewer that is slow to read asks less often, and nothing piles up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Names the question among those of one viewer; the reply carries it.
    pub slot: u32,
    /// The query's text.
    pub query: String,
}

/// What a viewer's person says of an incident. It gets one reply, as a question does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// Names it among the questions of one viewer; the reply carries it.
    pub slot: u32,
    /// What is said.
    pub remark: Remark,
}

impl Hello {
    /// An agent's Hello: samples hold this build's metrics, as [`crate::model::report::Values::new`] lays them out.
    pub fn agent(introduction: Introduction) -> Hello {
        Hello { version: VERSION, role: Role::Agent, introduction, metrics: Declared::builtin() }
    }

    /// A Hello without metrics, from `name`.
    pub fn of(role: Role, name: &str) -> Hello {
        let agent = env!("CARGO_PKG_VERSION").to_owned();
        let introduction = Introduction { node: name.to_owned(), agent, ..Introduction::default() };
        Hello { version: VERSION, role, introduction, metrics: Vec::new() }
    }

    /// How many metrics of each of [`Scope::SAMPLED`] are declared: what a sample's decoder needs to know.
    pub fn counts(&self) -> [usize; 3] {
        Scope::SAMPLED.map(|scope| self.metrics.iter().filter(|metric| metric.scope == scope).count())
    }

    /// Why nothing can be understood that the speaker says; nothing when it can. The text is what
    /// [`super::Message::Refuse`] then tells it.
    pub fn refusal(&self) -> Option<String> {
        let (theirs, ours) = (self.version, VERSION);
        let (role, build) = (self.role.word(), env!("CARGO_PKG_VERSION"));
        let upgrade = if theirs > ours { "upgrade this side" } else { "upgrade it" };
        (theirs != ours).then(|| {
            format!("the {role} speaks protocol {theirs}, this side (supertop {build}) speaks {ours}: {upgrade}")
        })
    }
}

impl Ask {
    /// What is wrong with a question that no hub would take.
    pub fn complaint(&self) -> Option<Complaint> {
        let message = || format!("the query is longer than {} bytes", limit::QUERY);
        (self.query.len() > limit::QUERY).then(|| Complaint { message: message(), at: limit::QUERY, len: 0 })
    }
}

impl Declared {
    /// Every metric of this build that samples hold, in the order of [`crate::model::report::Values`].
    pub fn builtin() -> Vec<Declared> {
        let all = Scope::SAMPLED.into_iter().flat_map(Scope::metrics);
        all.map(|m| Declared { scope: m.scope, key: m.key.clone().into_owned(), unit: m.unit, quantum: m.quantum })
            .collect()
    }
}

impl From<Hello> for proto::Hello {
    fn from(hello: Hello) -> Self {
        let Hello { version, role, introduction, metrics } = hello;
        proto::Hello {
            version,
            role: match role {
                Role::Agent => 1,
                Role::Viewer => 2,
                Role::Hub => 3,
            },
            node: introduction.node,
            boot_id: introduction.boot_id,
            agent: introduction.agent,
            started: introduction.started.as_millis(),
            interval_ms: introduction.interval_ms,
            metrics: metrics.into_iter().map(proto::Declared::from).collect(),
        }
    }
}

impl TryFrom<proto::Hello> for Hello {
    type Error = DecodeError;

    fn try_from(hello: proto::Hello) -> Result<Self, DecodeError> {
        let role = match hello.role {
            1 => Role::Agent,
            2 => Role::Viewer,
            3 => Role::Hub,
            _ => return Err(DecodeError::Value("role")),
        };
        let node = match role {
            Role::Agent => limit::node_name(hello.node)?,
            Role::Viewer | Role::Hub => limit::shown(hello.node, limit::NAME),
        };
        let metrics = limit::counted(hello.metrics, limit::METRICS, "metrics")?;
        Ok(Hello {
            version: hello.version,
            role,
            introduction: Introduction {
                node,
                boot_id: limit::shown(hello.boot_id, limit::SHORT),
                agent: limit::shown(hello.agent, limit::SHORT),
                started: crate::model::Time::from_millis(hello.started),
                interval_ms: hello.interval_ms,
            },
            metrics: metrics.into_iter().map(Declared::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl From<Declared> for proto::Declared {
    fn from(metric: Declared) -> Self {
        let scope = Scope::SAMPLED.iter().position(|s| *s == metric.scope);
        // A scope that samples do not hold has no number here, and the receiver refuses it.
        let scope = scope.map_or(u32::MAX, |n| n as u32);
        proto::Declared { scope, key: metric.key, unit: metric.unit.symbol().to_owned(), quantum: metric.quantum }
    }
}

impl TryFrom<proto::Declared> for Declared {
    type Error = DecodeError;

    fn try_from(metric: proto::Declared) -> Result<Self, DecodeError> {
        let scope = Scope::SAMPLED.get(metric.scope as usize).copied().ok_or(DecodeError::Value("scope"))?;
        Ok(Declared {
            scope,
            key: limit::exact(metric.key, limit::NAME, "metric key")?,
            // A unit that only a newer build has is still a number.
            unit: Unit::from_symbol(&metric.unit).unwrap_or(Unit::One),
            quantum: metric.quantum,
        })
    }
}

impl From<Say> for proto::Say {
    fn from(Say { slot, remark: Remark { incident, verb, text, by } }: Say) -> Self {
        let (verb, span) = match verb {
            Verb::Acknowledge => (1, Duration::ZERO),
            Verb::Silence(span) => (2, span),
            Verb::Reopen => (3, Duration::ZERO),
        };
        let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        proto::Say { slot, incident, verb, span_ms, text, by }
    }
}

/// What is said; nothing for a verb that is not known here.
pub(super) fn say(said: proto::Say) -> Option<Say> {
    let proto::Say { slot, incident, verb, span_ms, text, by } = said;
    let verb = match verb {
        1 => Verb::Acknowledge,
        2 => Verb::Silence(Duration::from_millis(span_ms)),
        3 => Verb::Reopen,
        _ => return None,
    };
    let (text, by) = (limit::shown(text, limit::LINE), limit::shown(by, limit::NAME));
    Some(Say { slot, remark: Remark { incident, verb, text, by } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::report::Values;

    #[test]
    fn declares_the_metrics_that_values_hold() {
        let hello = Hello::agent(Introduction::default());
        let values = Values::new(8, 2);
        assert_eq!(hello.counts(), Scope::SAMPLED.map(|scope| values.metrics(scope)));
    }

    #[test]
    fn another_version_is_refused_in_words_that_name_both() {
        let mut hello = Hello::of(Role::Viewer, "");
        assert_eq!(hello.refusal(), None);
        hello.version = VERSION + 6;
        let refusal = hello.refusal().unwrap();
        assert!(refusal.contains('7') && refusal.contains('1') && refusal.contains("upgrade"), "{refusal}");
    }
}
