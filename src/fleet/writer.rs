//! Where a node's samples are decoded into: its tile and its columns, through the order in which its agent lists metrics.
//! An agent of this build lists them as the catalogue does; others are mapped row by row.

use super::{
    name::{Name, own},
    tile::TileMut,
};
use crate::model::{
    metric::{Catalogue, MetricId, Scope, gpu},
    raw::Raw,
    sink::Sink,
    unit::Unit,
};

/// Which row of the catalogue each metric of an agent goes to, for each sampled scope.
#[derive(Debug, Default)]
pub(super) struct Layout {
    routes: [Route; Scope::SAMPLED.len()],
}

#[derive(Debug)]
enum Route {
    /// The agent lists its first so many metrics as the catalogue does, and no others.
    Same(usize),
    /// The row for each of the agent's metrics; nothing for one that is refused.
    Rows(Box<[Option<u16>]>),
}

impl Default for Route {
    fn default() -> Self {
        Route::Same(0)
    }
}

impl Layout {
    /// How many metrics an agent may list in a scope; more are refused.
    const MOST: usize = 1024;

    /// The layout of an agent that declares these metrics, and the keys that are refused. New ones are learnt.
    /// One whose unit or quantum is not the catalogue's is refused: its integers would be read as something else.
    pub(super) fn of<'a>(
        declared: impl IntoIterator<Item = (Scope, &'a str, Unit, f64)>,
        catalogue: &mut Catalogue,
    ) -> (Self, Vec<Name>) {
        let mut rows: [Vec<Option<u16>>; Scope::SAMPLED.len()] = Default::default();
        let mut refused = Vec::new();
        for (scope, key, unit, quantum) in declared {
            let Some(rows) = rows.get_mut(scope as usize).filter(|rows| rows.len() < Self::MOST) else {
                refused.push(own(key));
                continue;
            };
            let n = rows.len();
            // Most agents list metrics as the catalogue does, and need no search.
            let here = catalogue.scope(scope).get(n).filter(|metric| metric.key == key);
            let here = here.map(|_| MetricId { scope, row: n as u16 });
            let row = here.or_else(|| catalogue.learn(scope, key, unit, quantum)).filter(|id| {
                let same = catalogue.get(*id).is_some_and(|m| m.unit == unit && m.quantum.total_cmp(&quantum).is_eq());
                same && !rows.contains(&Some(id.row))
            });
            if row.is_none() {
                refused.push(own(key));
            }
            rows.push(row.map(|id| id.row));
        }
        refused.truncate(Catalogue::LEARNS);
        (Layout { routes: rows.map(Route::of) }, refused)
    }

    /// The row that the agent's metric goes to.
    fn row(&self, scope: Scope, metric: usize) -> Option<u16> {
        match self.routes.get(scope as usize)? {
            Route::Same(n) => (metric < *n).then_some(metric as u16),
            Route::Rows(rows) => rows.get(metric).copied().flatten(),
        }
    }

    /// Makes the rows that this agent does not send unknown: they are left from another.
    pub(super) fn forget_others(&self, mut tile: TileMut<'_>) {
        for (scope, route) in Scope::SAMPLED.into_iter().zip(&self.routes) {
            for row in 0..tile.shape().metrics(scope) as u16 {
                let sent = match route {
                    Route::Same(n) => usize::from(row) < *n,
                    Route::Rows(rows) => rows.contains(&Some(row)),
                };
                if !sent {
                    tile.row(MetricId { scope, row }).fill(Raw::UNKNOWN);
                }
            }
        }
    }
}

impl Route {
    fn of(rows: Vec<Option<u16>>) -> Self {
        let same = rows.iter().enumerate().all(|(at, row)| row.map(usize::from) == Some(at));
        if same { Route::Same(rows.len()) } else { Route::Rows(rows.into()) }
    }
}

/// Takes one node's sample. Writing allocates nothing.
#[derive(Debug)]
pub struct Writer<'a> {
    pub(super) tile: TileMut<'a>,
    pub(super) layout: &'a Layout,
}

impl Sink for Writer<'_> {
    fn slots(&self, scope: Scope) -> usize {
        self.tile.shape().slots(scope)
    }

    fn row(&mut self, scope: Scope, metric: usize) -> Option<&mut [Raw]> {
        let row = self.layout.row(scope, metric)?;
        // The hub's own meter says that.
        let id = MetricId { scope, row };
        (!gpu::OF_THE_HUB.contains(&id)).then(|| self.tile.row(id))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fleet::fixture::{at, builtin, fleet, introduction, inventory};

    #[test]
    fn other_units_and_quanta_are_refused_by_name() {
        let check = |declared: (Scope, &'static str, Unit, f64), taken| {
            let (layout, refused) = Layout::of([declared], &mut Catalogue::default());
            assert_eq!(layout.row(declared.0, 0).is_some(), taken, "{declared:?}");
            assert_eq!(
                refused.iter().map(|key| &**key).collect::<Vec<_>>(),
                if taken { vec![] } else { vec![declared.1] }
            );
        };
        check((Scope::Gpu, "gpu.power", Unit::Watts, 0.5), true);
        check((Scope::Gpu, "gpu.power", Unit::Watts, 0.1), false);
        check((Scope::Gpu, "gpu.power", Unit::Joules, 0.5), false);
        check((Scope::Gpu, "gpu.new", Unit::Watts, 0.1), true);
        check((Scope::Node, "gpu.power", Unit::Watts, 0.5), false);
        check((Scope::Process, "proc.pid", Unit::One, 1.0), false);
    }

    #[test]
    fn a_key_that_is_listed_twice_is_refused_the_second_time() {
        let power = (Scope::Gpu, "gpu.power", Unit::Watts, 0.5);
        let (layout, refused) = Layout::of([power, power], &mut Catalogue::default());
        assert!(layout.row(Scope::Gpu, 0).is_some() && layout.row(Scope::Gpu, 1).is_none());
        assert_eq!(refused.len(), 1);
    }

    #[test]
    fn an_agent_of_this_build_needs_no_map() {
        let (layout, refused) = Layout::of(builtin(), &mut Catalogue::default());
        assert!(refused.is_empty());
        assert!(layout.routes.iter().all(|route| matches!(route, Route::Same(_))));
    }

    proptest! {
        /// Whatever metrics an agent lists, in whatever order, each is read back under its own key.
        #[test]
        fn each_metric_is_stored_under_its_key(
            keys in prop::sample::subsequence((0..builtin().count() + 70).collect::<Vec<_>>(), 0..100).prop_shuffle(),
        ) {
            let known: Vec<_> = builtin().collect();
            let new: Vec<String> = (0..70).map(|n| format!("gpu.new{n}")).collect();
            let declare = |at: usize| match known.get(at) {
                Some(known) => *known,
                None => (Scope::Gpu, new[at - known.len()].as_str(), Unit::One, 0.25),
            };
            let mut fleet = fleet();
            let session = fleet.join(&introduction("gpu001"), keys.iter().map(|at| declare(*at)), at(0)).unwrap();
            fleet.inventory(session, &inventory("gpu001", 3), at(0));
            let mut writer = fleet.writer(session).unwrap();
            let mut counts = [0; Scope::SAMPLED.len()];
            for key in &keys {
                let (scope, ..) = declare(*key);
                let count = &mut counts[scope as usize];
                if let Some(row) = writer.row(scope, *count) {
                    row.fill(Raw::from_bits(*key as i32));
                }
                *count += 1;
            }
            prop_assert!(writer.row(Scope::Gpu, counts[1]).is_none(), "a metric that nobody declared");
            fleet.sampled(session, at(0), at(0));
            let refused = &fleet.node(session.node).refused;
            for key in &keys {
                let (_, name, ..) = declare(*key);
                match fleet.catalogue().find(name) {
                    Some(id) if gpu::OF_THE_HUB.contains(&id) => {
                        prop_assert_eq!(fleet.last(session.node, id, 0), Raw::UNKNOWN, "agents don't say {}", name);
                    }
                    Some(id) => prop_assert_eq!(fleet.last(session.node, id, 0), Raw::from_bits(*key as i32), "{}", name),
                    None => prop_assert!(refused.iter().any(|r| &**r == name), "{} is neither stored nor named", name),
                }
            }
            let stored = {
                let tile = fleet.last_values(session.node);
                let rows = fleet.catalogue().iter().flat_map(|(id, _)| tile.row(id));
                rows.filter(|raw| raw.steps().is_some()).count()
            };
            let slots = |key: &usize| fleet.slots(session.node, declare(*key).0);
            let is_stored = |key: &&usize| {
                fleet.catalogue().find(declare(**key).1).is_some_and(|id| !gpu::OF_THE_HUB.contains(&id))
            };
            let expected: usize = keys.iter().filter(is_stored).map(slots).sum();
            prop_assert_eq!(stored, expected, "nothing else was touched");
        }
    }
}
