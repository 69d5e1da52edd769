//! Where samples are decoded into: rows of values that are changed in place, without a copy in between.

use crate::model::{metric::Scope, raw::Raw};

/// Takes a node's sample, metric by metric.
///
/// The decoder has checked a sample whole before it asks for the first row, so a sink never sees half of one.
pub trait Sink {
    /// How many things of `scope` the node has: the length of every row of that scope.
    fn slots(&self, scope: Scope) -> usize;

    /// The values of one metric, one per slot, to be changed in place. `metric` counts as the agent's Hello
    /// lists the metrics of `scope`. Nothing when the sink has no room for that metric: its changes are skipped.
    fn row(&mut self, scope: Scope, metric: usize) -> Option<&mut [Raw]>;
}

impl Sink for crate::model::report::Values {
    fn slots(&self, scope: Scope) -> usize {
        crate::model::report::Values::slots(self, scope)
    }

    fn row(&mut self, scope: Scope, metric: usize) -> Option<&mut [Raw]> {
        let id = crate::model::MetricId { scope, row: u16::try_from(metric).ok()? };
        (metric < self.metrics(scope)).then(|| self.row_mut(id))
    }
}
