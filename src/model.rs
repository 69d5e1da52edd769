//! The words that every other floor speaks: metrics, reports, places, questions and answers.
//! No I/O, no async, no clock: time is an argument.

pub mod alias;
pub mod command;
pub mod energy;
pub mod hostlist;
pub mod identity;
pub mod incident;
pub mod job;
pub mod json;
pub mod metric;
pub mod place;
pub mod question;
pub mod raw;
pub mod report;
pub mod series;
pub mod sink;
pub mod state;
pub mod syntax;
pub mod table;
pub mod text;
pub mod time;
pub mod unit;
pub mod verdict;

pub use metric::{Catalogue, Metric, MetricId, Scope};
pub use raw::{Gap, Raw};
pub use state::{Census, State};
pub use syntax::Query;
pub use table::Table;
pub use time::Time;
pub use unit::Unit;
