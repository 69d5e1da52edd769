//! Questions to a fleet that is large, and to one that changes while it is looked at.

use std::{
    cell::{Cell, RefCell},
    future::{Future, ready},
};

use futures_util::FutureExt as _;

use super::*;
use crate::{
    model::{
        metric::{gpu, node},
        time::Time,
    },
    query::{Access, Round, answer_in_parts, answer_together},
};
use fixture::{inventory, join, send};

/// So many nodes of two GPUs, 32 to a rack.
fn of(nodes: usize) -> Fleet {
    let mut fleet = Fleet::new(Settings::default());
    (0..nodes).for_each(|n| add(&mut fleet, n, 2));
    fleet
}

fn add(fleet: &mut Fleet, n: usize, gpus: usize) {
    let (name, rack) = (format!("gpu{n:04}"), format!("r{}", n / 32));
    let model = if n.is_multiple_of(3) { "H100" } else { "B200" };
    let session = join(fleet, &name, &inventory(&name, gpus, model, &[("rack", &rack)]), at(NOW));
    let value = |of: usize| [(n * of % 101) as f64, (n % 7) as f64];
    let (util, power) = (value(31), value(17));
    let values: &[(_, &[f64])] = &[(gpu::UTIL, &util[..gpus]), (gpu::POWER, &power[..gpus]), (node::CPU, &[50.0])];
    send(fleet, session, values, &[], at(NOW));
}

fn shown(fleet: &Fleet, text: &str) -> Vec<Vec<String>> {
    let Ok(Answer::Table(table)) = ask(fleet, text) else { panic!("{text} has no answer") };
    super::shown(&table).collect()
}

#[test]
fn places_of_a_large_fleet_show_what_their_nodes_sum_up_to() {
    let mut fleet = of(4200);
    let questions = [
        "fleet show nodes,up,util,power,max(power),min(util),temp,node.cpu,node.ib.rx,xid",
        "racks sort -power,rack show rack,util,power,node.cpu,clock.sm limit 20",
        "racks where util > 26 and power > 200 sort util,rack show rack,util",
    ];
    let afresh = questions.map(|question| shown(&fleet, question));
    fleet.tick(at(NOW));
    assert_eq!(questions.map(|question| shown(&fleet, question)), afresh);
    assert!(afresh.iter().all(|rows| !rows.is_empty()));
}

/// A fleet that gets another node, and one with fewer GPUs, each time that a question pauses.
struct Restless {
    fleet: RefCell<Fleet>,
    pauses: Cell<usize>,
}

impl Access for Restless {
    fn look<R>(&self, with: impl FnOnce(&Fleet) -> R) -> R {
        with(&self.fleet.borrow())
    }

    fn pause(&self) -> impl Future<Output = ()> {
        let pauses = self.pauses.replace(self.pauses.get() + 1);
        let mut fleet = self.fleet.borrow_mut();
        add(&mut fleet, 1000 + pauses, 2);
        add(&mut fleet, pauses * 37 % 300, pauses % 3);
        ready(())
    }
}

#[test]
fn a_few_things_of_a_large_fleet_are_those_that_match_when_they_are_shown() {
    let ask = |text: &str| {
        let fleet = Restless { fleet: RefCell::new(of(4200)), pauses: Cell::new(0) };
        let query = parse(text).expect("a query");
        let answer = answer_in_parts(&fleet, &query, at(NOW)).now_or_never().expect("it is always ready");
        assert_eq!(answer, super::ask(&fleet.fleet.borrow(), text), "{text}");
        let Ok(Answer::Table(table)) = answer else { panic!("{text}: {answer:?}") };
        (table.total, fleet.pauses.get())
    };
    let (total, pauses) = ask("gpus where node ~ '^gpu(003|410)' and power >= 0 sort -power");
    assert!((5..40).contains(&total) && pauses > 50, "{total} of which some went meanwhile, {pauses} pauses");
    let (total, pauses) = ask("gpus where node in gpu[0030-0045,4100-4101],gpu0007 and power >= 0 sort -power");
    assert!((5..40).contains(&total) && pauses < 10, "{total} of nodes that are named, {pauses} pauses");
    let (total, pauses) = ask("gpus where power >= 0 sort -power,node limit 5");
    assert!(total > 8000 && pauses < 10, "{total} of one moment, {pauses} pauses before there were too many");
    assert_eq!(ask("nodes where util > 100").0, 0);
}

#[test]
fn questions_asked_together_have_the_answers_that_each_has_alone() {
    let fleet = of(4200);
    let texts = [
        "gpus where power >= 96 show node,index",
        "gpus where power >= 0 sort -power limit 3",
        "nodes where node = gpu0007",
        "gpus where power >= 96 and util < 0.5 * median(util by model)",
        "gpus where apart(util by model) > 1 show index,median(util by model),mad(util by model) limit 5",
        "gpus at last where util < 0.5 * median(util by model) limit 5",
        "gpus where util = majority(util by model) limit 5",
        "gpus where pwer > 3",
        "racks sort -power limit 2",
        "nodes where any(util > 99)",
        "gpus where held(util > 200, 1m)",
        "gpus at last where power >= 96 limit 9",
        "metrics where key = util",
    ];
    let queries = texts.map(|text| parse(text).expect(text));
    let mut round = Round::at(at(NOW));
    let together =
        answer_together(&&fleet, &queries.each_ref(), &mut round).now_or_never().expect("it is always ready");
    let alone = texts.map(|text| super::ask(&fleet, text));
    assert_eq!(together, alone);
    assert_eq!(alone.iter().filter(|answer| answer.is_err()).count(), 1);
}

#[test]
fn nodes_that_are_named_are_found_by_their_names() {
    let fleet = of(4200);
    let total = |text: &str| match super::ask(&fleet, text) {
        Ok(Answer::Table(table)) => table.total,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(total("nodes where node in gpu[0007-0012],gpu0009,gpu9999"), 6, "each once");
    assert_eq!(total("nodes where node in GPU[0012-0014].site.example,gpu0007"), 4, "written in full or not");
    assert_eq!(total("nodes where node in gpu[0007-0012] or node = gpu0700"), 7);
    assert_eq!(total("nodes where not node in gpu[0007-0012]"), 4194);
    assert_eq!(total("nodes where node in gpu[0000-0999]"), 1000, "more than are written out");
    assert_eq!(total(&format!("nodes where node in {}[1-9],gpu0007", "x".repeat(300))), 1, "longer than any name");
    assert_eq!(total("nodes where node in gpu[0007-0012] and node in gpu[0012-0100]"), 1);
}

/// A fleet that counts how often it is looked at.
struct Counted<'a> {
    fleet: &'a Fleet,
    looks: Cell<usize>,
}

impl Access for Counted<'_> {
    fn look<R>(&self, with: impl FnOnce(&Fleet) -> R) -> R {
        self.looks.set(self.looks.get() + 1);
        with(self.fleet)
    }

    fn pause(&self) -> impl Future<Output = ()> {
        ready(())
    }
}

#[test]
fn what_peers_have_in_common_is_looked_up_once_for_a_round() {
    let (fleet, mut round) = (of(1000), Round::at(at(NOW)));
    let mut looks = |text: &str| {
        let counted = Counted { fleet: &fleet, looks: Cell::new(0) };
        let query = parse(text).expect(text);
        let answers = answer_together(&counted, &[&query], &mut round).now_or_never().expect("it is always ready");
        assert_eq!(answers, [super::ask(&fleet, text)]);
        counted.looks.get()
    };
    let first = looks("gpus where util > 9 * median(util by model)");
    assert!(first > 10, "{first} looks");
    for same in [
        "gpus where util > 9 * median(util by model)",
        "gpus where util > 99 show median(util by model),mad(util by model)",
        "nodes where node = gpu0001 and apart(util by model) > 99",
    ] {
        assert!(looks(same) < first / 2, "{same}");
    }
    for other in ["gpus where util > 9 * median(util by rack)", "gpus where util > 9 * majority(util by model)"] {
        assert!(looks(other) > first / 2, "{other}");
    }
}

#[test]
fn a_fleet_may_change_while_a_long_question_is_answered() {
    let ask = |text: &str, rows: u64| {
        let fleet = Restless { fleet: RefCell::new(of(300)), pauses: Cell::new(0) };
        let (query, now): (_, Time) = (parse(text).expect("a query"), at(NOW));
        let answer = answer_in_parts(&fleet, &query, now).now_or_never().expect("it is always ready");
        let Ok(Answer::Table(table)) = answer else { panic!("{text}: {answer:?}") };
        assert_eq!(table.total, rows, "{text}");
        fleet.pauses.get()
    };
    assert!(ask("gpus by model", 2) > 5);
    assert!(ask("racks sort -power show rack,state,util,power,nodes,model", 10) > 5);
    assert!(ask("racks where any(util > 200)", 0) > 5);
    assert!(ask("gpus where power > 1000 * median(power by rack)", 0) > 5);
    assert!(ask("gpus where held(util > 200, 1m) limit 5", 0) > 3);
    assert_eq!(ask("gpus sort -util limit 5", 600), 0, "a window is of one moment");
}
