//! Plans operands: what a key reads, what an expression measures, and which column it makes.

use std::rc::Rc;

use crate::model::{
    identity::Field,
    metric::{Aggregate, Direction, Kind as Reading, MetricId, Scope, gpu, job},
    question::Complaint,
    syntax::{Literal, Operand, Operation, PastFunction, PeerFunction, Reduction, Spot, Word},
    table::Column,
    unit::Unit,
};

use super::{
    super::{
        key::{About, Key, Tally, row},
        measure::{Measure, arithmetic},
        peers::{Peers, Wanted, What},
        value::{Leaf, Num, Numeric, Reach, Shown, Text, Value},
        view::Kind,
    },
    Planner, STATES, complain,
};

impl Planner<'_> {
    /// What an operand came to be.
    pub(super) fn operand(&self, operand: &Operand) -> Result<Value, Complaint> {
        match operand {
            Operand::Key(word) => self.value(&self.keys.find(word)?, word.spot),
            Operand::Number(literal) => Ok(Value::Number(literal_number(literal))),
            Operand::Text(word) => Err(complain("expected a key or a number, found a text", word.spot)),
            Operand::Absent(spot) => Err(complain("`none` stands only beside `=` and `!=`", *spot)),
            Operand::Arithmetic(left, operation, right) => self.arithmetic(left, *operation, right),
            Operand::Peers(function, key, by) => self.peers(*function, key, by),
            Operand::Below(reduction, word) => {
                let leaf = self.leaf(word)?;
                let fold = match reduction {
                    Reduction::Sum => Aggregate::Sum,
                    Reduction::Avg => Aggregate::Mean,
                    Reduction::Min => Aggregate::Min,
                    Reduction::Max => Aggregate::Max,
                    Reduction::Median => Aggregate::Median,
                    Reduction::Mad => Aggregate::Mad,
                };
                self.past_knows(leaf.metric, word.spot)?;
                if matches!(reduction, Reduction::Median | Reduction::Mad) {
                    self.now_only("a median", word.spot)?;
                }
                Ok(Value::Number(self.of_metric(Num::Leaf(Leaf { fold, ..leaf }), leaf.metric)))
            }
            Operand::Past(function, word, span) => {
                self.now_only("a function of the past", word.spot)?;
                self.no_other_time("it", word.spot)?;
                self.no_job(word.spot)?;
                let leaf = self.leaf(word)?;
                Planner { past: true, placed: false, ..*self }.past_knows(leaf.metric, word.spot)?;
                let numeric = self.of_metric(Num::Past(leaf, *function, *span), leaf.metric);
                let measure =
                    if *function == PastFunction::Rate { numeric.measure.per_second() } else { numeric.measure };
                Ok(Value::Number(Numeric { measure, reading: Reading::Gauge, ..numeric }))
            }
            Operand::Each(word) => {
                self.now_only("`each`", word.spot)?;
                self.no_job_then(word.spot)?;
                self.leaf(word).map(Value::Each)
            }
            Operand::Count(condition, spot) => {
                let gpus = self.of_kind(Kind::Gpu);
                self.nodes_only(*spot)?;
                if self.past {
                    self.no_job(*spot)?;
                }
                self.no_job_then(*spot)?;
                Ok(Value::Number(counted(Num::Count(Box::new(gpus.condition(condition)?)))))
            }
            Operand::Times(condition, span, spot) => {
                self.now_only("`times`", *spot)?;
                self.no_other_time("`times`", *spot)?;
                self.no_job(*spot)?;
                let condition = Planner { past: true, ..*self }.condition(condition)?;
                Ok(Value::Number(counted(Num::Times(Box::new(condition), *span))))
            }
        }
    }

    /// A number, where only a number will do.
    pub(super) fn numeric(&self, operand: &Operand) -> Result<Numeric, Complaint> {
        match self.operand(operand)? {
            Value::Number(numeric) => Ok(numeric),
            _ => Err(complain("expected a number, found a text", operand.spot())),
        }
    }

    /// What a key reads.
    pub(super) fn value(&self, key: &Key, spot: Spot) -> Result<Value, Complaint> {
        Ok(match key {
            Key::Metric(id) => {
                self.past_knows(*id, spot)?;
                self.once_only(*id, spot)?;
                Value::Number(self.of_metric(Num::Leaf(self.leaf_of(*id)), *id))
            }
            Key::Field(Field::State) => {
                self.now_only("`state`", spot)?;
                let measure = Measure::of(Unit::One);
                Value::Number(Numeric { num: Num::State, measure, reading: Reading::Choice(STATES) })
            }
            Key::Field(field) => Value::Text(Text::Field(*field, self.reach(Kind::of(field.row().scope), *field))),
            Key::Level(level) => Value::Text(Text::Level(*level)),
            Key::Label(label) => Value::Text(Text::Label(label.clone())),
            Key::Tally(tally) => {
                self.now_only("a count of nodes", spot)?;
                Value::Number(counted(Num::Tally(*tally)))
            }
            Key::About(about) => Value::Text(Text::About(*about)),
        })
    }

    /// `median(K by …)` and its kin, as a number.
    fn peers(&self, function: PeerFunction, key: &Word, by: &[Word]) -> Result<Value, Complaint> {
        self.now_only("what peers have in common", key.spot)?;
        let kind = Kind::of(self.leaf(key)?.metric.scope);
        if !kind.is_of_nodes() {
            return Err(complain("peers are things of nodes; jobs have none", key.spot));
        }
        let things = self.of_kind(kind);
        let Numeric { num, measure, reading } = things.numeric(&Operand::Key(key.clone()))?;
        let has_middle = !matches!(reading, Reading::Flags(_) | Reading::Choice(_));
        if function != PeerFunction::Majority && !has_middle {
            return Err(complain("flags and states have a majority, but no middle", key.spot));
        }
        if function == PeerFunction::Apart {
            let own = self.numeric(&Operand::Key(key.clone()))?.num;
            let peers = Peers::new(self.shared(by)?);
            let quantum = self.leaf(key)?.quantum;
            self.want(kind, (key, by), What::Spread(num, peers.clone()))?;
            return Ok(Value::Number(counted(Num::Apart(Box::new(own), peers, quantum))));
        }
        let peers = Peers::new(self.shared(by)?);
        let what = match function {
            PeerFunction::Majority => What::Number(num, peers.clone()),
            _ => What::Middle(function, num, peers.clone()),
        };
        self.want(kind, (key, by), what)?;
        Ok(Value::Number(Numeric { num: Num::Peers(peers), measure, reading }))
    }

    /// What peers have to share.
    fn shared(&self, by: &[Word]) -> Result<Text, Complaint> {
        let mut texts = by.iter().map(|word| Ok(self.group_key(word)?.1)).collect::<Result<Vec<Text>, Complaint>>()?;
        Ok(if texts.len() == 1 { texts.swap_remove(0) } else { Text::All(texts) })
    }

    /// `majority(K by …)` of a text.
    pub(super) fn common_text(&self, key: &Word, by: &[Word]) -> Result<Rc<Peers<String>>, Complaint> {
        let Key::Field(field) = self.keys.find(key)? else {
            return Err(complain("expected a key that is text", key.spot));
        };
        let kind = Kind::of(field.row().scope);
        if !kind.is_of_nodes() {
            return Err(complain("peers are things of nodes; jobs have none", key.spot));
        }
        let things = self.of_kind(kind);
        let text = things.group_key(key)?.1;
        let peers = Peers::new(self.shared(by)?);
        self.want(kind, (key, by), What::Text(text, peers.clone()))?;
        Ok(peers)
    }

    /// Has something looked up before the plan is run, of all things of a kind.
    fn want(&self, kind: Kind, (key, by): (&Word, &[Word]), what: What) -> Result<(), Complaint> {
        let name = format!("{kind:?} {key} by {}", by.iter().map(|word| &*word.text).collect::<Vec<_>>().join(","));
        let by = self.of_kind(kind).shared(by)?;
        self.wanted.borrow_mut().push(Wanted { kind, name, by, what });
        Ok(())
    }

    fn of_metric(&self, num: Num, id: MetricId) -> Numeric {
        let metric = self.keys.catalogue.get(id);
        let unit = metric.map_or(Unit::One, |metric| metric.unit);
        Numeric { num, measure: Measure::of(unit), reading: metric.map_or(Reading::Gauge, |metric| metric.kind) }
    }

    /// The metric that a word names.
    pub(super) fn leaf(&self, word: &Word) -> Result<Leaf, Complaint> {
        match self.keys.find(word)? {
            Key::Metric(id) => {
                self.once_only(id, word.spot)?;
                Ok(self.leaf_of(id))
            }
            _ => Err(complain(format!("expected a metric; `{word}` is none"), word.spot)),
        }
    }

    fn leaf_of(&self, id: MetricId) -> Leaf {
        let metric = self.keys.catalogue.get(id);
        let fold = metric.map_or(Aggregate::Mean, |metric| metric.aggregate);
        Leaf {
            metric: id,
            quantum: metric.map_or(1.0, |metric| metric.quantum),
            reach: self.near(Kind::of(id.scope)),
            fold,
        }
    }

    /// How a row of this view gets at things of `kind`.
    fn near(&self, kind: Kind) -> Reach {
        match kind {
            _ if self.keys.grouped => Reach::Several,
            own if own == self.keys.kind => Reach::Own,
            Kind::Node if self.keys.kind.has_a_node() => Reach::Node,
            _ => Reach::Several,
        }
    }

    fn reach(&self, kind: Kind, field: Field) -> Reach {
        let own = self.keys.kind == Kind::Event && field.row().key.starts_with("event.");
        if own && !self.keys.grouped { Reach::Own } else { self.near(kind) }
    }

    fn arithmetic(&self, left: &Operand, operation: Operation, right: &Operand) -> Result<Value, Complaint> {
        let (a, b) = (self.numeric(left)?, self.numeric(right)?);
        for (numeric, operand) in [(&a, left), (&b, right)] {
            if matches!(numeric.reading, Reading::Flags(_) | Reading::Choice(_)) {
                return Err(complain("flags and states are no numbers to calculate with", operand.spot()));
            }
        }
        let Some(result) = arithmetic(a.measure, operation, b.measure) else {
            let message =
                format!("cannot {} what is {} and what is {}", verb(operation), a.measure.words(), b.measure.words());
            return Err(complain(message, left.spot().to(right.spot())));
        };
        let num = Num::Arithmetic(Box::new(a.num), operation, Box::new(b.num));
        Ok(Value::Number(Numeric { num: scaled(num, result.scale), measure: result.measure, reading: Reading::Gauge }))
    }

    /// Says no where a metric has no history and is asked for in the past.
    fn past_knows(&self, id: MetricId, spot: Spot) -> Result<(), Complaint> {
        let fleet = self.snapshot.fleet;
        let knows = |id| match self.keys.kind {
            _ if self.placed => fleet.rolls_up(id),
            // GPUs' hours are not theirs alone.
            Kind::Job => (fleet.remembers(id) && id != gpu::ENERGY_HOUR) || id == job::ENERGY_HOUR,
            _ => fleet.remembers(id),
        };
        if !self.past || knows(id) {
            return Ok(());
        }
        let known = self.keys.catalogue.iter().filter(|(id, _)| knows(*id));
        let known: Vec<&str> = known.map(|(_, metric)| &*metric.key).collect();
        let name = self.keys.name(&Key::Metric(id));
        let known = if known.is_empty() { "none is kept".into() } else { format!("kept are {}", known.join(", ")) };
        Err(complain(format!("no history is kept of {name}; {known}"), spot))
    }

    /// Says no to what is only known of the present.
    pub(super) fn now_only(&self, what: &str, spot: Spot) -> Result<(), Complaint> {
        if self.past { Err(complain(format!("{what} is not known along time"), spot)) } else { Ok(()) }
    }

    /// Says no to what looks back from now, where the question is about another time.
    pub(super) fn no_other_time(&self, what: &str, spot: Spot) -> Result<(), Complaint> {
        let is_then = self.snapshot.is_then;
        if is_then {
            Err(complain(format!("{what} looks back from now, and not from `at` a time"), spot))
        } else {
            Ok(())
        }
    }

    /// Says no to functions of the past of jobs, which would go through the history of all of their GPUs.
    pub(super) fn no_job(&self, spot: Spot) -> Result<(), Complaint> {
        let message = "jobs are known along time only by `over`; or ask gpus where job = …";
        if self.keys.kind == Kind::Job { Err(complain(message, spot)) } else { Ok(()) }
    }

    /// Says no to what would look at each of a job's GPUs, where the question is about another time: all of that would be
    /// read in one go.
    pub(super) fn no_job_then(&self, spot: Spot) -> Result<(), Complaint> {
        let message = "of each of a job's GPUs nothing is asked `at` a time; ask gpus where job = …";
        let is_so = self.snapshot.is_then && self.keys.kind == Kind::Job;
        if is_so { Err(complain(message, spot)) } else { Ok(()) }
    }

    /// Says no to what would be counted several times: a job on several nodes, a node of several jobs.
    fn once_only(&self, id: MetricId, spot: Spot) -> Result<(), Complaint> {
        match id.scope {
            _ if self.keys.counts_once(id.scope) => Ok(()),
            Scope::Job => Err(complain("jobs may be on several of these; ask jobs, or users", spot)),
            _ => Err(complain("nodes may be of several of these; ask nodes, or jobs", spot)),
        }
    }

    /// Says no to functions of GPUs of what has none.
    pub(super) fn nodes_only(&self, spot: Spot) -> Result<(), Complaint> {
        let has_none = matches!(self.keys.kind, Kind::Metric | Kind::Energy | Kind::Rule);
        if has_none { Err(complain(format!("{} has no GPUs", self.keys.view), spot)) } else { Ok(()) }
    }

    /// An operand as a column.
    pub(super) fn shown(&self, operand: &Operand) -> Result<Shown, Complaint> {
        let value = self.operand(operand)?;
        let mut column = match operand {
            Operand::Key(word) => self.column(&self.keys.find(word)?),
            Operand::Each(word) | Operand::Below(_, word) | Operand::Past(_, word, _) => {
                Column { width: 0, ..self.column(&self.keys.find(word)?) }
            }
            Operand::Peers(function, word, _) => {
                let column = Column { width: 0, ..self.column(&self.keys.find(word)?) };
                // Whichever way it is apart, the further the worse.
                let is_far = *function == PeerFunction::Apart;
                Column { direction: if is_far { Direction::HighIsBad } else { column.direction }, ..column }
            }
            _ => blank(),
        };
        if column.width == 0 {
            // The text that made it tells columns of one metric apart.
            column.key = operand.to_string();
            column.title = match operand {
                Operand::Each(_) => format!("{}/GPU", column.title),
                Operand::Below(..) | Operand::Peers(..) => {
                    let function = column.key.split_once('(').map_or("", |(function, _)| function);
                    format!("{} {}", function.to_uppercase(), column.title)
                }
                _ => column.key.clone(),
            };
            let least = if matches!(operand, Operand::Each(_)) { 12 } else { 6 };
            column.width = column.title.chars().count().clamp(least, 24) as u8;
        }
        if let Value::Number(Numeric { measure, reading, .. }) = &value {
            (column.unit, column.kind) = (Some(measure.unit()), Some(*reading));
        }
        Ok(Shown { column, value })
    }

    fn column(&self, key: &Key) -> Column {
        let keys = &self.keys;
        let text = |title: &str, width| Column { key: keys.name(key), title: title.into(), width, ..blank() };
        match key {
            Key::Metric(id) => keys.catalogue.get(*id).map_or_else(blank, |metric| Column {
                unit: Some(metric.unit),
                kind: Some(metric.kind),
                direction: metric.direction,
                ..text(&metric.title, metric.width)
            }),
            Key::Field(field) => text(field.row().title, field.row().width),
            Key::Level(_) | Key::Label(_) => text(&keys.name(key).to_uppercase(), 10),
            Key::Tally(tally) => {
                let bad = matches!(tally, Tally::Stale | Tally::Down | Tally::Missing);
                let direction = if bad { Direction::HighIsBad } else { Direction::Neutral };
                Column { direction, ..text(row(&Tally::ALL, |(it, ..)| it == tally).2, 7) }
            }
            Key::About(about) => {
                let (_, _, title, width, _) = row(&About::ALL, |(it, ..)| it == about);
                text(title, *width)
            }
        }
    }
}

/// A column that nothing is known of yet.
fn blank() -> Column {
    let (key, title) = (String::new(), String::new());
    Column { key, title, width: 0, unit: None, kind: None, direction: Direction::Neutral }
}

fn verb(operation: Operation) -> &'static str {
    match operation {
        Operation::Add => "add",
        Operation::Subtract => "subtract",
        Operation::Multiply => "multiply",
        Operation::Divide => "divide",
    }
}

/// A plain count.
fn counted(num: Num) -> Numeric {
    Numeric { num, measure: Measure::of(Unit::One), reading: Reading::Gauge }
}

pub(super) fn literal_number(literal: &Literal) -> Numeric {
    let measure = literal.unit.map_or(Measure::Bare, Measure::of);
    Numeric { num: Num::Constant(literal.value), measure, reading: Reading::Gauge }
}

/// A number times a constant.
pub(super) fn scaled(num: Num, scale: f64) -> Num {
    // Exactly 1 is how "leave it as it is" is spelled.
    if scale.total_cmp(&1.0).is_eq() {
        return num;
    }
    match num {
        Num::Constant(value) => Num::Constant(value * scale),
        num => Num::Arithmetic(Box::new(num), Operation::Multiply, Box::new(Num::Constant(scale))),
    }
}
