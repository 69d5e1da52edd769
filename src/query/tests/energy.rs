//! Questions about what energy was spent on.

use super::{ask, at, fixture::NOW, lines};
use crate::{
    fleet::{Fleet, Settings},
    model::{
        energy::{Hourly, Tariff, day, hour},
        question::Answer,
        table::Table,
    },
};

/// Accounts of two users over two days, and what job 7 has spent.
fn fleet(tariff: Tariff) -> Fleet {
    let mut fleet = Fleet::new(Settings { tariff, ..Settings::default() });
    let (today, now) = (day(at(NOW)).as_millis(), hour(at(NOW)).as_millis());
    let account = |hour: i64, user: &str, place: &str, used: f64, idle: f64| {
        serde_json::json!([hour, [user, "physics", "h100", place], [used, idle, 0.0, 3600.0]])
    };
    let accounts = [
        account(today - 3_600_000, "alice", "north", 9e6, 0.0),
        account(now, "alice", "north", 7.2e6, 3.6e6),
        account(now, "bob", "south", 3.6e6, 0.0),
        account(now, "", "south", 1.8e6, 0.0),
    ];
    let rack = |place: &str, site: &str, used: f64| serde_json::json!([now, [place, site], [used, 0.0, 0.0, 3600.0]]);
    let racks = [rack("r1", "north", 7.2e6), rack("r2", "south", 3.6e6)];
    let book = serde_json::json!({ "accounts": accounts, "jobs": [], "places": [[], racks] });
    fleet.restore_energy(&serde_json::from_value(book).expect("a book"), &[]);
    fleet
}

fn table(tariff: Tariff, text: &str) -> Table {
    match ask(&fleet(tariff), text) {
        Ok(Answer::Table(table)) => table,
        other => panic!("{text}: {other:?}"),
    }
}

fn cells(text: &str, expected: &str) {
    assert_eq!(lines(&table(Tariff::default(), text)), expected, "{text}");
}

#[test]
fn accounts_are_rows_and_are_summed_up() {
    cells("energy where user = bob show energy.user,energy.account,used,idle", "bob physics 1.0kWh 0Wh");
    cells(
        "energy by user since today sort -used show user,used,idle",
        "alice 2.0kWh 1.0kWh / bob 1.0kWh 0Wh / none 500Wh 0Wh",
    );
    cells("energy by user sort -used limit 1 show user,used", "alice 4.5kWh");
    cells("energy by region since today sort region show region,used", "north 2.0kWh / south 1.5kWh");
    cells("energy where user = none show used", "500Wh");
    cells("energy by rack sort rack show rack,used", "r1 2.0kWh / r2 1.0kWh");
    cells("energy where rack = r2 show rack,used,gpu.time", "r2 1.0kWh 1h00m");
    assert_eq!(table(Tariff::default(), "energy by hour").total, 2);
    assert_eq!(table(Tariff::default(), "energy where alice since today").total, 1);
}

#[test]
fn what_energy_costs_is_shown_where_the_site_says() {
    let keys = |tariff| {
        let table = table(tariff, "energy by user");
        table.columns.iter().map(|column| column.key.clone()).collect::<Vec<_>>().join(" ")
    };
    let plain = "energy.user count energy.used energy.idle energy.gpu.time energy.estimated";
    assert_eq!(keys(Tariff::default()), plain);
    let site = || Tariff {
        pue: Some(1.5),
        price: Some(Hourly::flat(0.2)),
        places: vec![("north".into(), None, Some(Hourly::flat(50.0)))],
        ..Tariff::default()
    };
    assert!(keys(site()).contains("energy.cost") && keys(site()).contains("energy.carbon"));
    let racks = "energy by rack sort rack show rack,energy.cost,energy.carbon";
    assert_eq!(lines(&table(site(), racks)), "r1 0.60 0.15 / r2 0.30 –");
    let text = "energy by user since today sort -used show user,energy.cost,energy.carbon";
    assert_eq!(lines(&table(site(), text)), "alice 0.60 0.15 / bob 0.30 – / none 0.15 –");
}

#[test]
fn the_rest_of_machines_is_shown_where_it_is_known() {
    let mut fleet = fleet(Tariff::default());
    let now = hour(at(NOW)).as_millis();
    let book = serde_json::json!({
        "accounts": [[now, ["alice", "physics", "h100", "north"], [0.0, 0.0, 0.0, 0.0, 3.6e6]]], "jobs": [],
    });
    fleet.restore_energy(&serde_json::from_value(book).expect("a book"), &[]);
    let Ok(Answer::Table(table)) = ask(&fleet, "energy by user since today sort -used limit 1") else { panic!() };
    assert_eq!(table.columns[3].key, "energy.host");
    assert_eq!(table.rows[0].cells[3].show(&table.columns[3]), "1.0kWh");
}

#[test]
fn the_hours_of_gpus_and_jobs_are_along_time() {
    let fleet = fleet(Tariff::default());
    for known in [
        "gpus show energy.hour over 2h step 1h",
        "nodes show gpu.energy.hour over 2h step 1h",
        "jobs show energy.hour over 2h step 1h",
    ] {
        assert!(matches!(ask(&fleet, known), Ok(Answer::Series(_))), "{known}");
    }
    for unknown in
        ["jobs show gpu.energy.hour over 2h", "racks show gpu.energy.hour over 2h", "jobs show energy.today over 2h"]
    {
        assert!(ask(&fleet, unknown).is_err(), "{unknown}");
    }
}

#[test]
fn accounts_are_of_no_node() {
    for text in [
        "energy where temp > 3",
        "energy where any(util > 3)",
        "energy over 10m",
        "energy by rack,region",
        "energy by user,rack",
        "gpus show energy.used",
    ] {
        assert!(ask(&fleet(Tariff::default()), text).is_err(), "{text}");
    }
}
