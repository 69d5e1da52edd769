//! Questions about another time than now, on the small fleet.

use crate::{
    fleet::Fleet,
    model::{
        incident::{Incident, Severity, Stage, Subject},
        question::Answer,
        table::Cell,
    },
};

use super::{
    ask, cells, check,
    fixture::{at, fleet},
    series, shown, table,
};

#[test]
fn a_table_of_then_is_a_step_of_the_values_along_time() {
    let lines = series("gpus where node = gpu001 or node = gpu002 show util, power over 60s step 1s");
    for ago in [5, 17, 33, 48] {
        let then = table(&format!("gpus where node = gpu001 or node = gpu002 show util, power at -{ago}s"));
        assert_eq!(then.rows.len(), 8);
        for row in &then.rows {
            for (column, cell) in then.columns.iter().zip(&row.cells) {
                let line = lines.line(&row.id, &column.key).expect("a line");
                // Both are of the step in which the moment lies.
                let step = line.values.len() - 1 - ago;
                assert_eq!(cell.number(), line.values[step], "{} {} {ago} s ago", row.id, column.key);
            }
        }
    }
}

#[test]
fn rows_are_filtered_sorted_and_grouped_by_what_was() {
    // It grew by one a second until now.
    check("gpus where node = gpu001 and util > 60 and util < 80 at -30s", "gpu001:0 gpu001:1 gpu001:2 gpu001:3");
    check("gpus where node = gpu001 and util > 80 at -30s", "");
    check("gpus sort -power,-index limit 2 at -30s", "gpu001:3 gpu001:2");
    check("gpus sort -util,-index limit 2 offset 1 at -30s", "gpu002:2 gpu002:1");
    let racks = series("racks show gpu.power over 60s step 1s");
    let then = table("racks show rack, gpu.power at -30s");
    for row in &then.rows {
        let line = racks.line(&row.id, "gpu.power").expect("a line");
        assert_eq!(row.cells[1].number(), line.values[line.values.len() - 1 - 30], "{}", row.id);
    }
    let models = table("gpus by model show model, count, util at -30s");
    assert!(models.rows.iter().any(|row| row.cells[2].number().is_some()), "{models:?}");
}

#[test]
fn who_was_up_then_is_told_by_what_is_known_of_then() {
    cells("nodes where gpu001 show state at -30s", "up");
    cells("nodes where gpu099 show state at -30s", "down");
    let now = table("nodes where state = up");
    let then = table("nodes where state = up at -30s");
    assert!(then.rows.len() < now.rows.len(), "{then:?}");
}

#[test]
fn what_is_only_known_of_now_is_unknown_of_then() {
    let then = table("gpus where gpu001:1 show model, serial, rack, xid, job, use, fault, sched, ecc.dbe at -30s");
    let known: Vec<bool> = then.rows[0].cells.iter().map(|cell| !matches!(cell, Cell::Gap(_))).collect();
    assert_eq!(known, [true, true, true, false, true, false, false, false, false], "{then:?}");
    assert!(matches!(then.rows[0].cells[5], Cell::Gap(crate::model::raw::Gap::Unknown)), "not: none");
}

fn incident(id: u64, since: i64, cleared: Option<i64>) -> Incident {
    Incident {
        id,
        rule: "hot".into(),
        severity: Severity::Warn,
        stage: if cleared.is_some() { Stage::Cleared } else { Stage::Open },
        subject: Subject::Node { node: "gpu001".into() },
        nodes: vec!["gpu001".into()],
        since: at(since),
        seen: at(since),
        cleared: cleared.map(at),
        count: 1,
        reason: String::new(),
        evidence: Vec::new(),
        action: String::new(),
        commands: Vec::new(),
        note: None,
    }
}

#[test]
fn events_and_incidents_of_then_are_those_that_had_begun() {
    let now = table("events");
    let before = table("events at -97s");
    assert!(before.rows.len() < now.rows.len(), "{before:?}");
    assert_eq!(table("events at -1s").rows.len(), now.rows.len());
    let mut fleet = fleet();
    fleet.set_incidents(vec![incident(1, 20, Some(60)), incident(2, 70, None), incident(3, 99, None)]);
    let check = |text: &str, expected: &str| {
        let Ok(Answer::Table(table)) = ask(&fleet, text) else { panic!("{text}") };
        let words: Vec<_> = shown(&table).map(|cells| cells.join(" ")).collect();
        assert_eq!(words.join(", "), expected, "{text}");
    };
    check("incidents show incident, stage at -50s", "1 open");
    check("incidents where stage = open show incident, stage at -10s", "2 open");
    check("incidents where stage = open show incident", "2, 3");
}

#[test]
fn a_node_has_the_incidents_that_are_open_and_matter() {
    let mut fleet = fleet();
    let count = |fleet: &Fleet, text: &str| match ask(fleet, text) {
        Ok(Answer::Table(table)) => shown(&table).map(|cells| cells.join(" ")).collect::<Vec<_>>().join(", "),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(
        count(&fleet, "nodes where incidents is unknown and node = gpu001 show node"),
        "gpu001",
        "nobody looked"
    );
    fleet.set_incidents(vec![
        incident(1, 20, Some(60)),
        incident(2, 70, None),
        incident(3, 99, None),
        Incident { severity: Severity::Info, ..incident(4, 99, None) },
        Incident { stage: Stage::Acknowledged, ..incident(5, 99, None) },
        Incident { subject: Subject::Job { job: "4711".into() }, ..incident(6, 99, None) },
    ]);
    assert_eq!(count(&fleet, "nodes where incidents > 0 show node, incidents"), "gpu001 2");
    assert_eq!(count(&fleet, "nodes where incidents = 0 and node = gpu002 show node"), "gpu002");
}
