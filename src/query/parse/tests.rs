//! The grammar: what texts mean, what is wrong with others, and that printing is the inverse of reading.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::model::{
    syntax::{
        Comparison, Literal, Moment, Operation, PastFunction, PeerFunction, Quantifier, Reduction, print_duration,
    },
    time::Time,
};

#[test]
fn texts_print_in_one_form() {
    let check = |text, printed: &str| {
        let query = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(query.to_string(), printed);
        assert_eq!(parse(printed), Ok(query), "{printed}");
    };
    check("gpus", "gpus");
    check(
        "gpus where temp > 85 and job = 4711 sort -power show node,index,temp,power limit 20",
        "gpus where temp > 85 and job = 4711 sort -power show node, index, temp, power limit 20",
    );
    check("gpus limit 5 sort -util where util>50", "gpus where util > 50 sort -util limit 5");
    check("nodes SHOW * WHERE state == stale", "nodes where state = stale show *");
    check("nodes where node in gpu[001-128,130] and up", "nodes where node in gpu[001-128,130] and up");
    check("nodes where node in 'a, b'", "nodes where node in 'a, b'");
    check("gpus where model ~ H[12]00|B200", "gpus where model ~ 'H[12]00|B200'");
    check("gpus where not (a or b) and (c)", "gpus where not (a or b) and c");
    check("gpus where power > 90% * power.limit + 5W", "gpus where power > 90% * power.limit + 5W");
    check("gpus where (power + 5) * 2 > 1.4kW", "gpus where (power + 5) * 2 > 1.4kW");
    check("gpus where util - 5 > -5 - -3", "gpus where util - 5 > -5 - -3");
    check("nodes where count(temp > 85) >= 2", "nodes where count(temp > 85) >= 2");
    check("nodes where any(util < 5) or all(xid != none)", "nodes where any(util < 5) or all(xid != none)");
    check(
        "gpus where clock.sm < 0.9*median(clock.sm by model)",
        "gpus where clock.sm < 0.9 * median(clock.sm by model)",
    );
    check(
        "gpus where held(util < 5, 5m) and times(throttle = hw_thermal, 600s) >= 6",
        "gpus where held(util < 5, 5m) and times(throttle = hw_thermal, 10m) >= 6",
    );
    check(
        "racks show rate(gpu.energy,1m), max(gpu.temp), avg(power, 5m), each(util)",
        "racks show rate(gpu.energy, 1m), max(gpu.temp), avg(power, 5m), each(util)",
    );
    check("fleet show gpu.util,gpu.power over 10m step 10s", "fleet show gpu.util, gpu.power over 10m step 10s");
    check("events since -20m limit 5", "events limit 5 since -20m");
    check("events at 2026-11-23T14:02:00Z", "events at 2026-11-23T14:02:00.000Z");
    check("events since 2026-11-23T15:02:00+01:00", "events since 2026-11-23T14:02:00.000Z");
    check("events since 14:02:30", "events since 14:02:30");
    check("gpus where 'it''s' and \"none\"", "gpus where 'it''s' and 'none'");
    check("mounts where path = /scratch", "mounts where path = '/scratch'");
    check("gpus where bus = 0000:9b:00.0 and 017", "gpus where bus = 0000:9b:00.0 and 017");
    check("gpus where temp is not unknown by model,rack", "gpus where temp is not unknown by model, rack");
    check("nodes sort -(-1 * load1), cpu", "nodes sort -(-1 * load1), cpu");
}

#[test]
fn complaints_point_at_the_word() {
    // The word in braces is what the complaint points at.
    let check = |marked: &str, said: &str| {
        let (at, end) = (marked.find('{').expect("{"), marked.find('}').expect("}"));
        let text = marked.replace(['{', '}'], "");
        let complaint = parse(&text).expect_err(&text);
        assert_eq!((complaint.at, complaint.len), (at, end - at - 1), "{text}: {complaint}");
        assert!(complaint.message.contains(said), "{text}: {complaint}");
    };
    check("{}", "a view");
    check("{where} a", "a view");
    check("gpus {wher} util > 5", "did you mean `where`?");
    check("gpus {util} > 5", "expected a clause");
    check("gpus where{}", "the end");
    check("gpus where util >{}", "the end");
    check("gpus where util > {*} 5", "expected a key, a value");
    check("gpus where util > 5 {lmit} 3", "did you mean `limit`?");
    check("gpus sort util {sort} temp", "a second time");
    check("gpus since -5m {at} today", "a second time");
    check("gpus where (util > 5{}", "expected `)`");
    check("gpus where {util + 5}", "expected a comparison");
    check("gpus where {(util > 5)} + 3 > 4", "found a condition");
    check("gpus where {cuont}(util > 5) > 1", "did you mean `count`?");
    check("gpus where rate(energy{)}", "a length of time");
    check("gpus where held(util > 5, {5})", "a length of time");
    check("gpus where apart(util{)} > 5", "expected `by`");
    check("gpus where temp is {hot}", "expected `unknown`");
    check("gpus where {[}a", "a hostlist stands after `in`");
    check("gpus where node{[}1-3]", "a hostlist stands after `in`");
    check("nodes where node in gpu[{3-1}]", "backwards");
    check("gpus where model ~ {(a}", "not a regular expression");
    check("gpus where a = {'}b", "no end");
    check("gpus limit {-5}", "a number of rows");
    check("gpus limit {many}", "a number of rows");
    check("gpus over {10}", "a length of time");
    check("gpus {step} 10s", "follows a length of time");
    check("gpus since {yesterday}", "expected a time");
    check("gpus where a {;} b", "unexpected `;`");
    check("gpus where a {\u{1b}}[2J", "control characters");
}

/// A name that needs no quotes and is no number.
fn bare() -> impl Strategy<Value = Word> {
    "[a-zäß_][a-z0-9_.:/@-]{0,8}".prop_filter("reserved", |w| !is_reserved(w)).prop_map(Word::from)
}

fn quotable() -> impl Strategy<Value = Word> {
    "[ -~äß]{0,10}".prop_map(Word::from)
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![1..100_000u64, (1..500u64).prop_map(|m| m * 60_000)].prop_map(Duration::from_millis)
}

fn literal() -> impl Strategy<Value = Literal> {
    "-?[0-9]{1,6}(\\.[0-9]{1,3})?(|%|B|MiB|kW|GB/s|C|s|m|h|G|MHz|kWh)"
        .prop_map(|t| Literal::parse(&t).expect("a number"))
}

fn comparison() -> impl Strategy<Value = Comparison> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    prop::sample::select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual])
}

fn leaf() -> BoxedStrategy<Operand> {
    use PastFunction as Past;
    let peers = prop::sample::select(vec![
        PeerFunction::Median,
        PeerFunction::Mad,
        PeerFunction::Majority,
        PeerFunction::Apart,
    ]);
    let below = prop::sample::select(vec![
        Reduction::Sum,
        Reduction::Avg,
        Reduction::Min,
        Reduction::Max,
        Reduction::Median,
        Reduction::Mad,
    ]);
    let past = prop::sample::select(vec![Past::Rate, Past::Delta, Past::Avg, Past::Min, Past::Max]);
    prop_oneof![
        4 => bare().prop_map(Operand::Key),
        2 => literal().prop_map(Operand::Number),
        1 => quotable().prop_map(Operand::Text),
        1 => Just(Operand::Absent(Spot::default())),
        1 => (peers, bare(), prop::collection::vec(bare(), 1..3)).prop_map(|(f, key, by)| Operand::Peers(f, key, by)),
        1 => (below, bare()).prop_map(|(f, key)| Operand::Below(f, key)),
        1 => (past, bare(), duration()).prop_map(|(f, key, span)| Operand::Past(f, key, span)),
        1 => bare().prop_map(Operand::Each),
    ]
    .boxed()
}

fn operand() -> BoxedStrategy<Operand> {
    use Operation::{Add, Divide, Multiply, Subtract};
    let operation = prop::sample::select(vec![Add, Subtract, Multiply, Divide]);
    leaf()
        .prop_recursive(3, 6, 2, move |inner| {
            (inner.clone(), operation.clone(), inner)
                .prop_map(|(a, o, b)| Operand::Arithmetic(Box::new(a), o, Box::new(b)))
        })
        .boxed()
}

fn condition() -> BoxedStrategy<Expr> {
    let hosts = prop_oneof!["[a-z]{1,4}\\[[0-4]{1,2}-[5-9]{2}(,77)?\\](\\.x)?(,[a-z]{2})?", "[a-z]{1,3}, [a-z]{1,3}"];
    let simple = prop_oneof![
        (operand(), comparison(), operand()).prop_map(|(a, c, b)| Expr::Compare(a, c, b)),
        (operand(), "[ a-zA-Z0-9'|.]{1,8}").prop_map(|(a, p)| Expr::Match(a, p.into())),
        (operand(), hosts).prop_map(|(a, h)| Expr::In(a, h.into())),
        (operand(), any::<bool>()).prop_map(|(a, not)| Expr::IsUnknown(a, not)),
        prop_oneof![bare(), quotable()].prop_map(Expr::Word),
    ];
    let spot = Spot::default();
    simple
        .prop_recursive(4, 12, 3, move |inner| {
            let quantifier = prop::sample::select(vec![Quantifier::Any, Quantifier::All]);
            let boxed = inner.clone().prop_map(Box::new);
            let counted = (boxed.clone(), comparison(), literal());
            prop_oneof![
                vec(inner.clone(), 2..4).prop_map(Expr::And),
                vec(inner, 2..4).prop_map(Expr::Or),
                boxed.clone().prop_map(Expr::Not),
                (quantifier, boxed.clone()).prop_map(|(q, e)| Expr::Quantified(q, e)),
                (boxed.clone(), duration()).prop_map(move |(e, span)| Expr::Held(e, span, spot)),
                counted.prop_map(move |(e, c, n)| Expr::Compare(Operand::Count(e, spot), c, Operand::Number(n))),
                (boxed, duration(), comparison(), literal()).prop_map(move |(e, span, c, n)| {
                    Expr::Compare(Operand::Times(e, span, spot), c, Operand::Number(n))
                }),
            ]
        })
        .boxed()
}

fn when() -> impl Strategy<Value = When> {
    let moment = prop_oneof![
        (0..4_000_000_000_000i64).prop_map(|ms| Moment::Absolute(Time::from_millis(ms))),
        duration().prop_map(Moment::Ago),
        (0..86_400u32).prop_map(Moment::Clock),
        Just(Moment::Today),
        Just(Moment::Last),
    ];
    (0..3, moment).prop_map(|(which, moment)| match which {
        0 => When::Now,
        1 => When::Since(moment, Spot::default()),
        _ => When::At(moment, Spot::default()),
    })
}

prop_compose! {
    fn query()(
        view in bare(), filter in prop::option::of(condition()), by in vec(bare(), 0..3),
        sort in vec((operand(), any::<bool>()).prop_map(|(operand, descending)| SortKey { operand, descending }), 0..3),
        show in prop_oneof![Just(Show::Default), Just(Show::All), vec(operand(), 1..4).prop_map(Show::These)],
        limit in prop::option::of(any::<u64>()), offset in prop::option::of(any::<u64>()),
        over in prop::option::of((duration(), prop::option::of(duration()))), when in when(),
    ) -> Query {
        let over = over.map(|(span, step)| Over { span, step, spot: Spot::default() });
        Query { view, filter, by, sort, show, limit, offset, over, when }
    }
}

proptest! {
    #[test]
    fn parsing_what_was_printed_gives_the_same_tree(query in query()) {
        let text = query.to_string();
        prop_assert_eq!(parse(&text).map_err(|c| format!("{text}: {c}")), Ok(query));
    }

    #[test]
    fn any_text_is_a_query_or_a_complaint_inside_it(text in "\\PC*") {
        check_any(&text)?;
    }

    #[test]
    fn any_words_of_the_language_are_a_query_or_a_complaint(
        words in vec(prop::sample::select(vec![
            "gpus", "where", "util", ">", "5kW", "(", ")", "and", "or", "not", "in", "gpu[1-3]", "~", "'a b'", "is",
            "unknown", "none", "any(", "count(", "median(", "by", "sort", "-", "+", "*", "/", ",", "show", "limit",
            "over", "10m", "held(", "since", "at", "max(", "=", "'",
        ]), 0..24),
    ) {
        check_any(&words.join(" "))?;
        check_any(&format!("gpus where {}", words.join("")))?;
    }
}

fn check_any(text: &str) -> Result<(), TestCaseError> {
    match parse(text) {
        Ok(query) => prop_assert_eq!(parse(&query.to_string()), Ok(query)),
        Err(complaint) => {
            prop_assert!(text.get(complaint.at..complaint.at + complaint.len).is_some(), "{:?}", complaint);
            prop_assert!(!complaint.message.is_empty());
        }
    }
    Ok(())
}

#[test]
fn depth_and_length_are_bounded() {
    for text in [
        format!("gpus where {}a{}", "(".repeat(5000), ")".repeat(5000)),
        format!("gpus where {}a", "not ".repeat(4000)),
        format!("gpus where {}", "any(".repeat(4000)),
        format!("gpus where a = 1{}", " + 1".repeat(4000)),
        format!("gpus where a{}", " or a".repeat(3000)),
        format!("gpus where a ~ '{}'", "(".repeat(8000)),
        "x".repeat(LONGEST + 1),
    ] {
        assert!(parse(&text).is_err(), "{}…", &text[..40]);
    }
    let deep = format!("gpus where {}a{}", "(".repeat(20), ")".repeat(20));
    assert_eq!(parse(&deep).map(|q| q.to_string()).as_deref(), Ok("gpus where a"));
}

#[test]
fn lengths_of_time_print_as_they_parse() {
    for text in ["1ms", "90s", "10m", "6h", "2d"] {
        assert_eq!(parse_duration(text).map(print_duration).as_deref(), Some(text));
    }
}
