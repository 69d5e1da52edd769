//! Questions to a small fleet, and their answers.

mod energy;
mod fixture;
mod jobs;
mod large;
mod peers;
mod then;
mod windows;

use fixture::{NOW, at, fleet};

use super::{answer, keys, parse};
use crate::{
    fleet::{Fleet, Settings},
    model::{
        metric::Catalogue,
        place::Levels,
        question::{Answer, Complaint},
        series::Series,
        table::{Cell, Table},
    },
};

fn ask(fleet: &Fleet, text: &str) -> Result<Answer, Complaint> {
    answer(fleet, &parse(text)?, at(NOW))
}

fn table_of(fleet: &Fleet, text: &str) -> Table {
    match ask(fleet, text) {
        Ok(Answer::Table(table)) => table,
        other => panic!("{text}: {other:?}"),
    }
}

thread_local! {
    /// Made once for each test.
    static FLEET: Fleet = fleet();
}

fn of_small_fleet(text: &str) -> Result<Answer, Complaint> {
    FLEET.with(|fleet| ask(fleet, text))
}

fn table(text: &str) -> Table {
    FLEET.with(|fleet| table_of(fleet, text))
}

fn series(text: &str) -> Series {
    match of_small_fleet(text) {
        Ok(Answer::Series(series)) => series,
        other => panic!("{text}: {other:?}"),
    }
}

/// The ids of the rows of an answer, between blanks.
fn ids(table: &Table) -> String {
    table.rows.iter().map(|row| &*row.id).collect::<Vec<_>>().join(" ")
}

/// The rows' cells as screens show them.
fn shown(table: &Table) -> impl Iterator<Item = Vec<String>> {
    table.rows.iter().map(|row| row.cells.iter().zip(&table.columns).map(|(cell, column)| cell.show(column)).collect())
}

/// The same: cells between blanks, rows between slashes.
fn lines(table: &Table) -> String {
    shown(table).map(|cells| cells.join(" ")).collect::<Vec<_>>().join(" / ")
}

fn check(text: &str, expected: &str) {
    assert_eq!(ids(&table(text)), expected, "{text}");
}

fn cells(text: &str, expected: &str) {
    assert_eq!(lines(&table(text)), expected, "{text}");
}

/// What is wrong with a question: the word in braces, and what is said of it.
fn wrong(marked: &str, said: &str) {
    let (start, end) = (marked.find('{').expect("{"), marked.find('}').expect("}"));
    let text = marked.replace(['{', '}'], "");
    let complaint = of_small_fleet(&text).expect_err(&text);
    assert!(complaint.message.contains(said), "{text}: {complaint}");
    assert_eq!((complaint.at, complaint.len), (start, end - start - 1), "{text}: {complaint}");
}

#[test]
fn every_view_has_its_rows() {
    check("nodes", "cpu1 gpu001 gpu002 gpu003 gpu010.site.example gpu099");
    check("gpus where node = gpu010", "gpu010.site.example:0 gpu010.site.example:1");
    check("nics where node = cpu1", "cpu1/mlx5_0 cpu1/eth0");
    check("processes", "gpu001/17 gpu001/4711 gpu001/4712");
    check("cores", "gpu001/0 gpu001/1");
    check("mounts", "gpu001/ gpu001/scratch");
    check("events", "gpu001/e2 gpu001/e1 gpu001/e0");
    check("racks", "rack=r1 rack=r2 rack=–");
    check("regions", "region=eu region=us region=–");
    check("pods", "pod=–");
    check("fleet", "fleet");
    check("metrics where key ~ 'gpu.mem' limit 2", "gpu.mem.used gpu.mem.total");
    assert_eq!(table("gpus").total, 13);
}

#[test]
fn comparisons_keep_what_is_true() {
    check("gpus where util > 75", "gpu001:0 gpu001:1 gpu010.site.example:0");
    check("gpus where util >= 80 and util < 90", "gpu001:1");
    check("gpus where power > 0.85 * power.limit", "gpu001:0");
    check("gpus where power / power.limit > 85%", "gpu001:0");
    check("gpus where power > 85% * power.limit", "gpu001:0");
    check("gpus where 500W < power", "gpu001:0 gpu010.site.example:0");
    check("gpus where power >= 1kW", "gpu010.site.example:0");
    check("gpus where mem.used >= 64GiB", "gpu001:0");
    check("gpus where gpu.mem.used / mem.total > 0.3", "gpu001:0 gpu001:1");
    check("gpus where clock.sm > 1.9GHz and index = 2", "gpu001:2");
    check("gpus where util = 50", "");
    check("nodes where load1 = 3.5", "gpu001");
}

#[test]
fn unknown_is_neither_true_nor_false() {
    check("gpus where node = gpu002 and util < 200", "gpu002:0 gpu002:1 gpu002:2");
    check("gpus where node = gpu002 and not util < 200", "");
    check("gpus where util is unknown", "gpu002:3 gpu003:0 gpu003:1 gpu099:0");
    check("gpus where node = gpu002 and util is not unknown", "gpu002:0 gpu002:1 gpu002:2");
    check("gpus where util < 0 or node = gpu003", "gpu003:0 gpu003:1");
    check("gpus where not (util < 0 and node = gpu003) and state = stale", "");
    check("gpus where util / (util - util) > 0", "");
}

#[test]
fn absence_is_known() {
    check("gpus where xid != none", "gpu001:1");
    check("gpus where xid = none", "gpu001:0 gpu001:2 gpu001:3");
    check("gpus where xid = 79", "gpu001:1");
    check("gpus where xid != 79", "gpu001:0 gpu001:2 gpu001:3");
    check("gpus where xid in 48,[70-80]", "gpu001:1");
    check("gpus where fault != none", "gpu002:3");
    check("nodes where tier = none and state = up", "cpu1 gpu002 gpu010.site.example");
    check("nodes where tier is unknown", "gpu099");
}

#[test]
fn flags_states_and_choices_compare_by_name() {
    check("gpus where throttle = hw_thermal", "gpu001:1");
    check("gpus where throttle ~ thermal", "gpu001:1");
    check("gpus where throttle = none", "gpu001:0 gpu001:2");
    check("gpus where throttle != idle", "gpu001:0 gpu001:1 gpu001:2");
    check("gpus where throttle in power_cap,idle", "gpu001:1 gpu001:3");
    check("nodes where state = stale", "gpu003");
    check("nodes where state != up", "gpu003 gpu099");
    check("nodes where state > up", "gpu003 gpu099");
    check("nodes where state ~ miss", "gpu099");
    check("nics where state < active and node = gpu001", "gpu001/eth0");
    check("nics where nic.state = active", "gpu001/mlx5_0 gpu002/mlx5_0 gpu002/eth0");
}

#[test]
fn texts_compare_in_either_case_and_versions_by_number() {
    check("nodes where driver < 580", "gpu002");
    check("nodes where driver = 550.54.14", "gpu002");
    check("gpus where model ~ B200", "gpu010.site.example:0 gpu010.site.example:1");
    check("gpus where model = 'nvidia b200' and index = 0", "gpu010.site.example:0");
    check("nodes where tier = GOLD", "gpu001");
    check("nodes where rack = r1", "gpu001 gpu002");
    check("nodes where rack in r[1-2] and region != us", "gpu001 gpu002 gpu010.site.example");
    check("gpus where numa = 1 and node = gpu001", "gpu001:2 gpu001:3");
    check("gpus where uuid = GPU-gpu001-2", "gpu001:2");
    check("mounts where path = /scratch and state = hung", "gpu001/scratch");
    check("events where xid = 79", "gpu001/e1");
    check("events where kind = link since -90s", "gpu001/e2");
    check("events since 14:04:35", "gpu001/e2 gpu001/e1");
}

#[test]
fn names_match_short_and_full() {
    check("nodes where node in gpu[001-002,010]", "gpu001 gpu002 gpu010.site.example");
    check("nodes where node in gpu010,cpu1", "cpu1 gpu010.site.example");
    check("nodes where node in gpu001.site.example", "gpu001");
    check("nodes where node = GPU010.site.example", "gpu010.site.example");
    check("nodes where SITE", "gpu010.site.example");
    check("nodes where gpu00 and not 2", "gpu001 gpu003");
    check("gpus where gpu001:3", "gpu001:3");
    check("gpus where b200", "gpu010.site.example:0 gpu010.site.example:1");
    check("processes where vllm", "gpu001/4712");
    check("processes where alice or 17", "gpu001/17 gpu001/4711");
    check("racks where r2", "rack=r2");
}

#[test]
fn keys_reach_up_down_and_sideways() {
    check("gpus where node.cpu > 50", "gpu002:0 gpu002:1 gpu002:2 gpu002:3");
    check("gpus where cpu > 50 and util > 35", "gpu002:2");
    check("gpus where proc.user = alice", "gpu001:0 gpu001:1");
    check("gpus where proc.job = 14711", "gpu001:0 gpu001:1");
    check("processes where job != none", "gpu001/4711 gpu001/4712");
    check("gpus where proc.cpu > 60", "gpu001:0 gpu001:1");
    check("processes where gpu.temp > 80", "gpu001/4711");
    check("gpus where nic.state = active", "gpu001:0 gpu002:0");
    check("nics where gpu.util > 80", "gpu001/mlx5_0 gpu010.site.example/mlx5_0");
    check("events where gpu.util > 75", "gpu001/e1");
    check("nodes where gpu.util > 60", "gpu001");
    check("nodes where gpu.temp > 80", "gpu001");
    check("nodes where min(gpu.temp) < 35", "gpu010.site.example");
    check("nodes where max(gpu.util) - min(gpu.util) > 90", "gpu010.site.example");
    check("racks where gpu.power > 2kW", "rack=r1");
    check("racks where node.cpu = 50", "rack=r1");
}

#[test]
fn quantifiers_look_at_the_gpus_of_the_node() {
    check("nodes where any(util < 15)", "gpu001 gpu010.site.example");
    check("nodes where all(util > 15)", "");
    check("nodes where all(temp > 20 or temp is unknown)", "gpu001 gpu002 gpu003 gpu010.site.example gpu099");
    check("nodes where all(power > 150) and state = up", "gpu010.site.example");
    check("nodes where count(util > 50) >= 1", "gpu001 gpu010.site.example");
    check("nodes where count(util >= 0) = 0", "cpu1");
    check("gpus where any(temp > 85) and util < 20", "gpu001:3");
    check("racks where any(temp > 85)", "rack=r1");
    check("nodes where not any(throttle = hw_thermal) and all(throttle = none)", "");
}

#[test]
fn peers_share_a_model_or_a_place() {
    check("gpus where util < 0.3 * median(util by model)", "gpu001:3 gpu010.site.example:1");
    check("gpus where util > median(util by rack) + 2 * mad(util by rack)", "");
    check("nodes where cpu > median(cpu by region)", "gpu002");
    check("nodes where driver != majority(driver by region)", "gpu002");
    check("gpus where clock.sm != majority(clock.sm by model)", "gpu001:3");
    // 90 80 70 10 20 30 40: the middle is 40, and they are 30 from it in the middle.
    check("gpus where apart(util by model) > 1.1", "gpu001:0");
    check("gpus where gpu001 sort -apart(util by model)", "gpu001:0 gpu001:1 gpu001:2 gpu001:3");
    cells("gpus where gpu001:0 show apart(util by model)", "1.12");
}

#[test]
fn the_past_is_asked_by_function() {
    check("gpus where held(util >= 40, 50s) and node = gpu001", "gpu001:0 gpu001:1 gpu001:2");
    check("gpus where held(util > 60, 50s) and node = gpu001", "");
    check("gpus where held(util > 60, 10m)", "");
    check("gpus where times(util > 50, 90s) >= 2", "gpu002:0");
    check("gpus where max(util, 30s) - min(util, 30s) > 90", "gpu002:0");
    cells("gpus where gpu001:0 show delta(pcie.replay, 20s), rate(pcie.replay, 20s)", "38 2");
}

#[test]
fn sorting_puts_unknown_last_both_ways() {
    check("gpus where model ~ H100 sort util limit 3", "gpu001:3 gpu002:0 gpu002:1");
    check(
        "gpus where node in gpu00[1-3] sort -util",
        "gpu001:0 gpu001:1 gpu001:2 gpu002:2 gpu002:1 gpu002:0 gpu001:3 gpu002:3 gpu003:0 gpu003:1",
    );
    check("gpus where node = gpu001 sort xid", "gpu001:1 gpu001:0 gpu001:2 gpu001:3");
    check("nodes sort -state, -node", "gpu099 gpu003 gpu010.site.example gpu002 gpu001 cpu1");
    check("nodes sort rack, -driver limit 3", "gpu001 gpu002 gpu003");
    check("nodes sort -gpu.power offset 1 limit 2", "gpu010.site.example gpu002");
    check("racks sort -gpu.power / gpu.util", "rack=r1 rack=r2 rack=–");
    check("nodes sort -count(util > 50), node limit 2", "gpu001 gpu010.site.example");
}

#[test]
fn groups_sum_up_their_members() {
    cells(
        "gpus where state = up by model show model, count, nodes, power, util",
        "NVIDIA B200 2 1 1.2kW 50% / NVIDIA H100 80GB HBM3 8 2 2.5kW 49%",
    );
    cells("nodes by state show state, count, node.gpus.expected", "missing 1 1 / stale 1 2 / up 4 10");
    cells("nodes by rack, region show rack, region, nodes, up", "r1 eu 2 2 / r2 eu 1 1 / r2 us 1 0 / – – 2 1");
    cells("racks by region show region, count, nodes", "eu 1 2 / eu,us 1 2 / – 1 2");
    cells("gpus by throttle show throttle, count", "idle 1 / none 2 / power_cap+hw_thermal 1 / – 9");
    check("nodes where state = up by rack sort -gpu.power", "rack=r1 rack=r2 rack=–");
    let racks = table("racks");
    assert_eq!((racks.total, racks.stale), (3, 0));
    assert_eq!(table("nodes by region").rows[1].state, crate::model::State::Stale);
}

#[test]
fn columns_are_the_views_own_or_those_asked_for() {
    cells(
        "nodes where gpu001 show node, each(gpu.util), gpu.util, max(gpu.temp, 5s), gpu.temp + 2C",
        "gpu001 90% 80% 70% 10% 62% 88° 90°",
    );
    cells(
        "gpus where gpu001:1 show throttle, xid, state, mem.used, rack, tier, proc.user",
        "power_cap+hw_thermal 79 up 32G r1 gold alice",
    );
    cells("gpus where gpu002:3 show util, temp, xid, fault, tier", "– – – lost none");
    cells("nodes where gpu003 show age, gpu.util, node.gpus.expected, clock.skew", "10s – 2 –");
    cells("nodes where gpu003 show state, each(gpu.util), node.gpus.expected at last", "stale 50% 50% 2");
    cells("processes where 4711 show proc.gpu, mem.gpu, sm, age", "0,1 2.0G 40% 1m40s");
    cells(
        "events show kind, subject, text limit 2",
        "link gpu001/eth0 it happened \u{fffd}[31m2 / xid gpu001:1 it happened \u{fffd}[31m1",
    );
    cells("fleet show nodes, up, stale, missing, gpu.power, max(node.cpu)", "6 4 1 1 3.7kW 75%");
    cells("racks show rack, nodes, gpu.util, gpu.temp, cpu", "r1 2 49% 88° 50% / r2 2 50% 75° – / – 2 – – 5%");
}

#[test]
fn default_columns_are_all_there() {
    let check = |text: &str, first: &str, n: usize| {
        let table = table(text);
        let keys: Vec<&str> = table.columns.iter().map(|column| &*column.key).collect();
        assert!(keys.join(" ").starts_with(first), "{text}: {keys:?}");
        assert_eq!(keys.len(), n, "{text}: {keys:?}");
        assert!(table.columns.iter().all(|column| column.width > 0 && !column.title.is_empty()));
        assert!(table.rows.iter().all(|row| row.cells.len() == n));
    };
    check("gpus", "node index state gpu.util", 17);
    check("nodes", "node state each(gpu.util) gpu.util", 17);
    check("nics", "node nic.name nic.kind nic.state", 10);
    check("processes", "node proc.pid proc.user", 12);
    check("events", "event.time node event.kind event.xid", 6);
    check("cores", "node core.index core.util", 3);
    check("mounts", "node mount.path", 8);
    check("metrics", "metric.key metric.title", 7);
    check("racks", "rack nodes up node.gpus gpu.util", 15);
    check("fleet", "nodes up node.gpus gpu.util", 14);
    check("gpus by model, rack", "model rack count nodes gpu.util", 16);
    check("metrics by scope", "metric.scope count", 2);
}

#[test]
fn all_columns_are_the_scopes_own_metrics_and_names() {
    let keys = |text| table(text).columns.into_iter().map(|column| column.key).collect::<Vec<_>>();
    let (gpus, nodes, racks) =
        (keys("gpus show * limit 1"), keys("nodes show * limit 1"), keys("racks show * limit 1"));
    assert_eq!(gpus[0], "node");
    for key in ["index", "uuid", "serial", "rack", "gpu.util", "gpu.fabric"] {
        assert!(gpus.contains(&key.to_owned()), "{key} of gpus");
    }
    assert!(!gpus.contains(&"node.cpu".to_owned()));
    for key in ["state", "kernel", "pod", "node.cpu", "gpu.util"] {
        assert!(nodes.contains(&key.to_owned()), "{key} of nodes");
    }
    assert!(!nodes.contains(&"gpu.serial".to_owned()));
    assert_eq!(racks[..3], ["rack", "count", "nodes"]);
}

#[test]
fn mig_instances_are_rows_when_they_are_named() {
    let mut fleet = Fleet::new(Settings::default());
    let mut inventory = fixture::inventory("gpu001", 2, "NVIDIA A100", &[]);
    let mut instance = inventory.gpus[1].clone();
    (instance.index, instance.mig, instance.parent) = ("1.0".into(), "1g.10gb".into(), Some(1));
    inventory.gpus[1].mig = "on".into();
    inventory.gpus.push(instance);
    let session = fixture::join(&mut fleet, "gpu001", &inventory, at(NOW));
    fixture::send(&mut fleet, session, &[(crate::model::metric::gpu::POWER, &[100.0, 200.0, 50.0])], &[], at(NOW));
    let check = |text: &str, expected: &str| {
        let Ok(Answer::Table(table)) = ask(&fleet, text) else { panic!("{text}") };
        let ids: Vec<_> = table.rows.into_iter().map(|row| row.id).collect();
        assert_eq!(ids.join(" "), expected, "{text}");
    };
    check("gpus", "gpu001:0 gpu001:1");
    check("gpus show *", "gpu001:0 gpu001:1");
    check("gpus show index, mig", "gpu001:0 gpu001:1 gpu001:1.0");
    check("gpus where mig ~ g", "gpu001:1.0");
    check("gpus where mig != none and index = 1.0", "gpu001:1.0");
    check("nodes where gpu.power = 300 and count(power > 0) = 2", "gpu001");
}

#[test]
fn answers_along_time() {
    let lines = series("gpus where node = gpu001 show node, util, power over 50s step 10s limit 2");
    assert_eq!(lines.total, 4);
    let named: Vec<_> = lines.lines.iter().map(|line| (&*line.id, &*line.column.key)).collect();
    let expected =
        [("gpu001:0", "gpu.util"), ("gpu001:0", "gpu.power"), ("gpu001:1", "gpu.util"), ("gpu001:1", "gpu.power")];
    assert_eq!(named, expected);
    assert_eq!((lines.start, lines.step.as_secs()), (at(60), 10));
    let values = &lines.line("gpu001:0", "gpu.util").expect("a line").values;
    assert_eq!(values[..4], [64.5, 74.5, 84.5, 94.5].map(Some));

    let node = series("nodes where node = gpu002 show gpu.util, gpu.util / 2 over 40s step 20s");
    assert_eq!(node.line("gpu002", "gpu.util").expect("a line").values[0], Some(87.5), "one GPU half of the time at 0");
    assert_eq!(node.line("gpu002", "gpu.util / 2").expect("a line").values[0], Some(43.75));

    let fleet = series("fleet show gpu.power, gpu.util over 1m step 10s");
    let power = &fleet.line("fleet", "gpu.power").expect("a line").values;
    assert_eq!(power.len(), 6);
    assert_eq!(power[0], Some(400.0), "four GPUs at 100 W");
    assert_eq!(series("racks show gpu.power since -1m").lines.len(), 3);
    assert_eq!(series("gpus by model show util over 1m").lines.len(), 3);
    assert!(series("nodes where gpu001 over 1m").lines.iter().all(|line| line.values.len() == 60), "one step a second");
}

#[test]
fn what_means_nothing_is_pointed_at() {
    wrong("{gpu} where util > 5", "did you mean `gpus`?");
    wrong("{frobs}", "views are gpus, nodes");
    wrong("gpus where {utl} > 5", "unknown key `utl` in gpus; did you mean `util`?");
    wrong("gpus sort -{powr}", "did you mean `power`?");
    wrong("gpus show node, {gpu.tmep}", "did you mean `gpu.temp`?");
    wrong("gpus by {modl}", "did you mean `model`?");
    wrong("gpus show {gpu}", "did you mean `index`?");
    wrong("nics sort -{err/h}", "did you mean `errors.hour`?");
    wrong("gpus where {incident} = 4711", "not one of gpus");
    wrong("gpus where util > median(util by {incident})", "not one of gpus");
    wrong("gpus where {core.util} > 5", "not one of gpus");
    wrong("gpus where {mem.used/mem.total} > 5", "between blanks");
    wrong("gpus where power > {85C}", "`power` is in W, and this is in C");
    wrong("gpus where {power + temp} > 5", "cannot add");
    wrong("gpus where procs > {5%}", "a count");
    wrong("gpus where util > {'high'}", "expected a number");
    wrong("gpus where util > {high}", "unknown key");
    wrong("gpus where throttle = {hw_termal}", "did you mean `hw_thermal`?");
    wrong("gpus where throttle > {idle}", "no meaning");
    wrong("nodes where state = {5}", "expected one of up, stale");
    wrong("nodes where state = {dwon}", "did you mean `down`?");
    wrong("nodes where each({gpu.util}) > 5", "only after `show`");
    wrong("gpus where held({ecc.sbe} > 5, 5m)", "kept are node.cpu");
    wrong("gpus where held({state} = up, 5m)", "not known along time");
    wrong("gpus where rate({ecc.sbe}, 5m) > 5", "no history");
    wrong("racks show {gpu.fan} over 5m", "no history");
    wrong("gpus show {node} over 5m", "nothing shown has values along time");
    wrong("events {over} 5m", "no values along time");
    wrong("gpus {at} -5h", "history reaches back to");
    wrong("gpus {at} 2037-01-01T00:00:00Z", "still to come");
    wrong("users {at} -5m", "users are not known `at` a time");
    wrong("gpus where {held}(util > 5, 1m) at -30s", "looks back from now");
    wrong("gpus over 5m {since} -5m", "both say");
    wrong("gpus {since} 23:59", "still to come");
    wrong("gpus where temp > {none}", "no meaning");
}

#[test]
fn completion_lists_what_queries_take() {
    let (catalogue, levels) = (Catalogue::default(), Levels::default());
    for view in ["gpus", "nodes", "nics", "processes", "cores", "mounts", "metrics", "racks", "fleet"] {
        let infos = keys(view, &catalogue, &levels);
        assert!(infos.len() > 5, "{view}");
        for info in infos {
            assert!(of_small_fleet(&format!("{view} show {} limit 1", info.key)).is_ok(), "{view}: {}", info.key);
            if let Some(short) = &info.short {
                let table = table(&format!("{view} show {short} limit 1"));
                assert_eq!(table.columns[0].key, info.key, "{view}: {short}");
            }
            assert!(!info.help.is_empty() && !info.title.is_empty(), "{view}: {}", info.key);
        }
    }
    let gpus = keys("gpus", &catalogue, &levels);
    assert!(gpus.iter().any(|info| info.key == "gpu.util" && info.short.as_deref() == Some("util")));
    assert_eq!(keys("nothing", &catalogue, &levels), []);
}

#[test]
fn an_empty_fleet_has_answers() {
    let fleet = Fleet::new(Settings::default());
    for text in ["gpus", "nodes sort -gpu.util", "racks", "gpus by model", "events", "fleet show gpu.util over 1m"] {
        let answer = ask(&fleet, text);
        assert!(answer.is_ok(), "{text}: {answer:?}");
    }
    let Ok(Answer::Table(table)) = ask(&fleet, "fleet show nodes, gpu.util, gpu.power") else { panic!("a table") };
    assert_eq!(table.rows[0].cells[0], Cell::Number(0.0));
    assert_eq!(table.rows[0].cells[1].number(), None, "of no GPUs, no utilisation");
}

#[test]
fn totals_say_what_they_miss() {
    let table = table("gpus where model ~ . or state = missing limit 2");
    assert_eq!((table.total, table.stale, table.rows.len(), table.offset), (13, 3, 2, 0));
    assert_eq!((table.census.up, table.census.stale, table.census.missing), (4, 1, 1));
    assert_eq!(table.query, "gpus where model ~ '.' or state = missing limit 2");
    assert_eq!(table.time, at(NOW));
}
