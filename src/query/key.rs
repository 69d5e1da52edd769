//! Which keys a view has, and what a word means there: short keys mean the view's own scope first.

use crate::{
    fleet::Fleet,
    model::{
        identity::{FIELDS, Field},
        metric::{Catalogue, MetricId, Scope},
        place::Levels,
        question::Complaint,
        syntax::Word,
        text,
        unit::Unit,
    },
};

use super::{
    lexer::complain,
    suggest::hint,
    view::{Kind, Rows, View},
};

/// What a key names.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Key {
    Metric(MetricId),
    Field(Field),
    /// A place level, by its position.
    Level(usize),
    /// A label that is no place level.
    Label(String),
    /// A count of what a group's row is made of.
    Tally(Tally),
    /// A column of the catalogue itself.
    About(About),
}

/// What is counted of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tally {
    Rows,
    Nodes,
    Up,
    Stale,
    Down,
    Missing,
}

impl Tally {
    /// Key, title and help of every tally.
    pub(super) const ALL: [(Tally, &'static str, &'static str, &'static str); 6] = [
        (Tally::Rows, "count", "COUNT", "Rows that were grouped into this one."),
        (Tally::Nodes, "nodes", "NODES", "Nodes, whatever their state."),
        (Tally::Up, "up", "UP", "Nodes whose last sample is fresh."),
        (Tally::Stale, "stale", "STALE", "Nodes without a sample for three intervals and 3 s."),
        (Tally::Down, "down", "DOWN", "Nodes without a sample for 60 s."),
        (Tally::Missing, "missing", "MISSING", "Nodes of the roster that did not come back."),
    ];
}

impl Tally {
    /// Its key.
    pub(super) fn name(self) -> &'static str {
        row(&Tally::ALL, |(it, ..)| *it == self).1
    }
}

/// Columns of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Key,
    Title,
    Scope,
    Unit,
    Aggregate,
    Direction,
    Help,
    Source,
}

impl About {
    /// Key, title, width and help of every column.
    pub(super) const ALL: [(About, &'static str, &'static str, u8, &'static str); 8] = [
        (About::Key, "metric.key", "KEY", 20, "The metric's full key."),
        (About::Title, "metric.title", "TITLE", 8, "The title of its column."),
        (About::Scope, "metric.scope", "SCOPE", 5, "What it is measured on."),
        (About::Unit, "metric.unit", "UNIT", 4, "What its number measures; nothing for a plain count."),
        (About::Aggregate, "metric.aggregate", "AGG", 5, "How several become one."),
        (About::Direction, "metric.direction", "BAD", 4, "Which end is bad."),
        (About::Help, "metric.help", "HELP", 60, "What it means."),
        (About::Source, "metric.source", "SOURCE", 40, "Where it is read."),
    ];
}

/// A key as completion and help list it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// The full key: `gpu.util`.
    pub key: String,
    /// The short key that means the same in this view: `util`.
    pub short: Option<String>,
    /// The column's title.
    pub title: String,
    /// What its numbers measure; nothing for text.
    pub unit: Option<Unit>,
    /// What it means, in a sentence.
    pub help: String,
}

/// Keys of jobs that mean the same of all that jobs have, by their last words alone.
const OF_JOBS: [&str; 4] = ["user", "account", "partition", "qos"];

/// The keys of one view.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a> {
    pub(super) view: &'a str,
    pub(super) kind: Kind,
    /// Whether its rows are groups.
    pub(super) grouped: bool,
    pub(super) catalogue: &'a Catalogue,
    pub(super) levels: &'a Levels,
    /// Where labels are looked for.
    pub(super) fleet: Option<&'a Fleet>,
}

impl Keys<'_> {
    /// What `word` names in this view.
    pub(super) fn find(&self, word: &Word) -> Result<Key, Complaint> {
        if let Some(key) = self.look(word) {
            return Ok(key);
        }
        let shown = text::clean(word, 40);
        let message = if self.catalogue.find(word).is_some() || Field::find(word).is_some() {
            format!("`{shown}` is a key, but not one of {}", self.view)
        } else {
            let infos = self.infos();
            let names = infos.iter().flat_map(|info| info.short.iter().chain([&info.key])).map(String::as_str);
            // Who writes what stands above a column means that column.
            let titled = infos.iter().find(|info| info.title.eq_ignore_ascii_case(word));
            let titled = titled.map(|info| info.short.as_ref().unwrap_or(&info.key));
            let near = titled.map_or_else(|| hint(word, names), |key| format!("; did you mean `{key}`?"));
            let blanks = if word.contains('/') || word.contains('-') { "; signs stand between blanks" } else { "" };
            format!("unknown key `{shown}` in {}{}", self.view, if near.is_empty() { blanks } else { &near })
        };
        Err(complain(message, word.spot))
    }

    fn look(&self, word: &str) -> Option<Key> {
        if let Some(tally) = self.tallies().find(|tally| tally.name() == word) {
            return Some(Key::Tally(tally));
        }
        if self.kind == Kind::Metric {
            let named = |(about, key, ..): &(About, &str, &str, u8, &str)| {
                (word == *key || key.strip_prefix("metric.") == Some(word)).then_some(Key::About(*about))
            };
            return About::ALL.iter().find_map(named);
        }
        let level = || match self.kind {
            // The planner sees to it that accounts are of the level that is named.
            Kind::Energy => self.levels.position(word).map(|_| Key::Field(Field::EnergyPlace)),
            _ => self.levels.position(word).map(Key::Level),
        };
        let of_job = || OF_JOBS.contains(&word).then(|| self.short("job", word)).flatten();
        // A job is its GPUs before it is its nodes.
        let prefixes = if self.kind == Kind::Job { ["gpu", "node"] } else { ["node", "gpu"] };
        let wider = || prefixes.iter().find_map(|prefix| self.short(prefix, word)).or_else(of_job);
        self.short(self.kind.prefix(), word).or_else(|| self.exact(word)).or_else(level).or_else(wider).or_else(|| {
            let known = self.kind != Kind::Energy && self.fleet.is_some_and(|fleet| is_label(fleet, word));
            known.then(|| Key::Label(word.to_owned()))
        })
    }

    /// What can be counted of its rows: nothing of things, nodes of groups of things that have some.
    fn tallies(&self) -> impl Iterator<Item = Tally> + use<> {
        let (grouped, of_nodes) = (self.grouped, self.kind.has_a_node());
        let tallies = Tally::ALL.iter().map(|(tally, ..)| *tally);
        tallies.filter(move |tally| grouped && (of_nodes || *tally == Tally::Rows))
    }

    /// The key with this prefix in front.
    fn short(&self, prefix: &str, word: &str) -> Option<Key> {
        self.exact(&format!("{prefix}.{word}"))
    }

    /// The key that is exactly so called. Fields of nodes and GPUs may have their scope in front.
    fn exact(&self, word: &str) -> Option<Key> {
        if let Some(id) = self.catalogue.find(word) {
            return self.kind.reaches(id.scope).then_some(Key::Metric(id));
        }
        let bare = || {
            let (prefix, field) = word.split_once('.')?;
            let scope = Scope::from_prefix(prefix)?;
            Field::find(field).filter(|field| field.row().scope == scope)
        };
        Field::find(word).or_else(bare).filter(|field| self.has(*field)).map(Key::Field)
    }

    fn has(&self, field: Field) -> bool {
        if is_of_event(field) { self.kind == Kind::Event } else { self.kind.reaches(field.row().scope) }
    }

    /// Whether metrics of a scope would be counted once in each row: a job may be on several nodes of a group, and a node
    /// may be of several of a group's jobs.
    pub(super) fn counts_once(&self, scope: Scope) -> bool {
        let of_jobs = self.kind == Kind::Job;
        !self.grouped || scope != if of_jobs { Scope::Node } else { Scope::Job }
    }

    /// Every key but labels: the view's own first.
    pub(super) fn all(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.tallies().map(Key::Tally).collect();
        if self.kind == Kind::Metric {
            keys.extend(About::ALL.iter().map(|(about, ..)| Key::About(*about)));
            return keys;
        }
        let own = self.kind.scope();
        let mut scopes: Vec<Scope> = own.into_iter().collect();
        scopes.extend(Scope::ALL.into_iter().filter(|scope| Some(*scope) != own && self.kind.reaches(*scope)));
        keys.extend(
            FIELDS.iter().filter(|row| is_of_event(row.field) && self.has(row.field)).map(|row| Key::Field(row.field)),
        );
        for scope in scopes {
            let fields = FIELDS.iter().filter(|row| row.scope == scope && !is_of_event(row.field));
            keys.extend(fields.map(|row| Key::Field(row.field)));
            if scope == Scope::Node {
                keys.extend((0..self.levels.names().len()).map(Key::Level));
            }
            let rows = if self.counts_once(scope) { 0..self.catalogue.scope(scope).len() } else { 0..0 };
            keys.extend(rows.map(|row| Key::Metric(MetricId { scope, row: row as u16 })));
        }
        keys
    }

    /// The keys that `show *` shows: the view's own, and of GPUs what their nodes and places sum up.
    pub(super) fn own(&self) -> Vec<Key> {
        let shown = |key: &Key| match key {
            Key::Metric(id) => {
                let sums_up = matches!(self.kind, Kind::Node | Kind::Job);
                Some(id.scope) == self.kind.scope() || (sums_up && id.scope == Scope::Gpu)
            }
            Key::Field(Field::Node | Field::State) => !self.grouped,
            Key::Field(field) => !self.grouped && (is_of_event(*field) || Some(field.row().scope) == self.kind.scope()),
            Key::Level(_) => !self.grouped && matches!(self.kind, Kind::Node | Kind::Gpu),
            Key::Tally(_) | Key::About(_) => true,
            Key::Label(_) => false,
        };
        let mut keys: Vec<Key> = self.all().into_iter().filter(shown).collect();
        // Whose row it is comes first.
        keys.sort_by_key(|key| *key != Key::Field(Field::Node));
        keys
    }

    /// Every key with its words.
    pub(super) fn infos(&self) -> Vec<KeyInfo> {
        let keys = self.all();
        let infos = keys.into_iter().map(|key| {
            let full = self.name(&key);
            let short = full.split_once('.').map(|(_, short)| short.to_owned());
            let short = short.filter(|short| self.look(short).as_ref() == Some(&key));
            let (title, unit, help) = self.words(&key);
            KeyInfo { key: full, short, title, unit, help }
        });
        infos.collect()
    }

    /// The full key.
    pub(super) fn name(&self, key: &Key) -> String {
        match key {
            Key::Metric(id) => self.catalogue.get(*id).map_or_else(String::new, |metric| metric.key.to_string()),
            Key::Field(field) => field.row().key.into(),
            Key::Level(position) => self.levels.names().get(*position).cloned().unwrap_or_default(),
            Key::Label(name) => name.clone(),
            Key::Tally(tally) => tally.name().into(),
            Key::About(about) => row(&About::ALL, |(it, ..)| it == about).1.into(),
        }
    }

    fn words(&self, key: &Key) -> (String, Option<Unit>, String) {
        let words = |title: &str, unit, help: &str| (title.to_owned(), unit, help.to_owned());
        match key {
            Key::Metric(id) => self
                .catalogue
                .get(*id)
                .map_or_else(Default::default, |metric| words(&metric.title, Some(metric.unit), &metric.help)),
            Key::Field(field) => words(field.row().title, None, field.row().help),
            Key::Level(_) | Key::Label(_) => {
                let name = self.name(key);
                words(&name.to_uppercase(), None, &format!("The node's label `{name}`."))
            }
            Key::Tally(tally) => {
                let (_, _, title, help) = row(&Tally::ALL, |(it, ..)| it == tally);
                words(title, Some(Unit::One), help)
            }
            Key::About(about) => {
                let (_, _, title, _, help) = row(&About::ALL, |(it, ..)| it == about);
                words(title, None, help)
            }
        }
    }
}

/// The row of a table that lists every value of its enum.
pub(super) fn row<T>(table: &[T], is: impl Fn(&T) -> bool) -> &T {
    table.iter().find(|row| is(row)).unwrap_or(&table[0])
}

/// Whether the field is one of events, which are no scope of metrics.
pub(super) fn is_of_event(field: Field) -> bool {
    field.row().key.starts_with("event.")
}

/// Whether any node has a label called `name`.
fn is_label(fleet: &Fleet, name: &str) -> bool {
    fleet.nodes().any(|node| fleet.node(node).label(name).is_some())
}

/// The keys of the view called `view`, the view's own first; none for an unknown view.
pub fn keys(view: &str, catalogue: &Catalogue, levels: &Levels) -> Vec<KeyInfo> {
    let Ok(view) = View::find(&Word::from(view), levels) else { return Vec::new() };
    let grouped = view.rows != Rows::Each;
    Keys { view: &view.name, kind: view.kind, grouped, catalogue, levels, fleet: None }.infos()
}
