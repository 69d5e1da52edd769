//! Properties of answers: windows are slices of the whole, whatever is sorted by and wherever they begin.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn windows_are_slices_of_the_whole(
        view in prop::sample::select(vec!["gpus", "nodes", "racks", "nics", "metrics"]),
        sort in prop::sample::select(vec!["", "util", "-util", "-gpu.temp, state", "model, -gpu.power", "node", "-node, gpu.util"]),
        filter in prop::sample::select(vec!["", "where node.state = up", "where gpu.util > 30", "where gpu00"]),
        offset in 0..16u64,
        limit in 0..16u64,
    ) {
        let (sort, filter) = match view {
            "metrics" => ("sort -scope".to_owned(), ""),
            _ if sort.is_empty() => (String::new(), filter),
            _ => (format!("sort {sort}"), filter),
        };
        let whole = table(&format!("{view} {filter} {sort}"));
        let window = table(&format!("{view} {filter} {sort} limit {limit} offset {offset}"));
        let start = (offset as usize).min(whole.rows.len());
        let end = (start + limit as usize).min(whole.rows.len());
        prop_assert_eq!(&window.rows, &whole.rows[start..end]);
        prop_assert_eq!((window.total, window.stale), (whole.total, whole.stale));
        prop_assert_eq!(window.offset, start as u64);
        prop_assert_eq!(whole.total, whole.rows.len() as u64);
    }
}

#[test]
fn what_ties_go_by_anyway_need_not_be_said() {
    for sort in ["state", "-util", "model", "-gpu.power, util"] {
        let plain = table(&format!("gpus sort {sort} show node,index"));
        for said in ["node", "node, index"] {
            assert_eq!(table(&format!("gpus sort {sort}, {said} show node,index")).rows, plain.rows, "{sort}, {said}");
        }
        let other = table(&format!("gpus sort {sort}, -node, index show node,index"));
        assert_ne!(other.rows, plain.rows, "{sort}");
    }
    let by_index = table("gpus sort index, node show index");
    assert!(
        by_index
            .rows
            .is_sorted_by(|a, b| a.cells[0].show(&by_index.columns[0]) <= b.cells[0].show(&by_index.columns[0]))
    );
}

proptest! {
    #[test]
    fn any_query_has_an_answer_or_a_complaint_inside_it(
        view in prop::sample::select(vec!["gpus", "nodes", "racks", "fleet", "nics", "processes", "events", "metrics", "mounts"]),
        words in prop::collection::vec(prop::sample::select(vec![
            "where", "util", "> 5", "= none", "temp", "model", "~ H", "and", "or not", "state = up", "in gpu[1-3]",
            "is unknown", "any(util > 5)", "count(temp > 5) > 1", "median(util by model)", "by rack", "sort", "-", "+",
            "*", "/", ",", "show", "limit 3", "over 1m", "held(util > 5, 1m)", "since -1m", "max(gpu.util)", "node",
            "rate(power, 1m)", "throttle", "xid", "rack", "each(gpu.util)", "times(util > 5, 1m)", "majority(driver by rack)",
            "by state", "by throttle, model", "user", "pid", "show *", "offset 2", "(", ")", "40%", "2kW", "nodes", "age",
        ]), 0..8),
    ) {
        let text = format!("{view} {}", words.join(" "));
        if let Err(complaint) = of_small_fleet(&text) {
            prop_assert!(text.get(complaint.at..complaint.at + complaint.len).is_some(), "{}: {:?}", text, complaint);
        }
    }
}
