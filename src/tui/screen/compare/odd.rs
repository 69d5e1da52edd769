//! Which of some things' values of one metric stand out from the others.

use crate::model::{
    metric::Kind,
    raw::Gap,
    table::{Cell, Column},
    unit::Unit,
};

/// What names a thing is another for each.
const NAMES: [&str; 12] =
    ["node", "index", "bus", "uuid", "serial", "numa", "name", "host", "state", "node.boot", "node.uptime", "node.age"];
/// So many deviations from the middle are far; a deviation is so many times the median distance from it.
const FAR: f64 = 5.0;
const DEVIATIONS: f64 = 1.4826;
/// What is nearer than this share of the middle is not far, however near the others are.
const SHARE: f64 = 0.1;
/// Of two, neither is the middle: they differ by more than this share of the larger.
const SHARE_OF_TWO: f64 = 0.2;
/// Percent and degrees that are nothing to speak of.
const SMALL: f64 = 5.0;

/// For each cell, whether it stands out.
pub(super) fn odd(column: &Column, cells: &[&Cell]) -> Vec<bool> {
    if NAMES.contains(&&*column.key) {
        return vec![false; cells.len()];
    }
    let numbers: Vec<f64> = cells.iter().filter_map(|cell| cell.number()).collect();
    if numbers.is_empty() {
        return odd_words(column, cells);
    }
    let far = far(column, &numbers);
    cells.iter().map(|cell| matches!(cell, Cell::Gap(Gap::Failed)) || cell.number().is_some_and(&far)).collect()
}

/// Whether a number is far from the middle of all.
fn far(column: &Column, numbers: &[f64]) -> impl Fn(f64) -> bool + use<> {
    let middle = median(numbers.to_vec());
    let deviation = DEVIATIONS * median(numbers.iter().map(|number| (number - middle).abs()).collect());
    let most = numbers.iter().fold(0.0_f64, |most, number| most.max(number.abs()));
    let least = numbers.iter().fold(f64::INFINITY, |least, number| least.min(*number));
    let small = match column.unit {
        Some(Unit::Percent | Unit::Celsius) => SMALL,
        _ => 0.0,
    };
    let (few, is_pair) = (numbers.len() < 2, numbers.len() == 2);
    // What only ever grows is as large as its thing is old: there, only what most have none of tells.
    let is_count = column.kind == Some(Kind::Counter);
    move |number| {
        let distance = (number - middle).abs();
        let near = if is_pair { SHARE_OF_TWO * most / 2.0 } else { (SHARE * middle.abs()).max(FAR * deviation) };
        let grows = is_count && if is_pair { least > 0.0 } else { middle > 0.0 };
        !few && !grows && distance > near.max(small)
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let half = numbers.len() / 2;
    if numbers.len() % 2 == 1 { numbers[half] } else { f64::midpoint(numbers[half - 1], numbers[half]) }
}

/// Whoever does not say what most say; of two that differ, both.
fn odd_words(column: &Column, cells: &[&Cell]) -> Vec<bool> {
    // To have none is a word, too; what is not known is none.
    let word = |cell: &Cell| (!matches!(cell, Cell::Gap(Gap::Unknown))).then(|| cell.show(column));
    let words: Vec<Option<String>> = cells.iter().map(|cell| word(cell)).collect();
    let known: Vec<&String> = words.iter().flatten().collect();
    let count = |word: &String| known.iter().filter(|other| **other == word).count();
    let common = known.iter().find(|word| count(word) * 2 > known.len());
    let is_odd = |word: &String| common.map_or(known.len() == 2, |common| *common != word);
    words.iter().map(|word| word.as_ref().is_some_and(is_odd)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metric::Direction;

    fn column(unit: Option<Unit>, kind: Option<Kind>) -> Column {
        let key = "gpu.some".into();
        Column { key, title: "SOME".into(), width: 6, unit, kind, direction: Direction::Neutral }
    }

    #[test]
    fn numbers_far_from_the_middle_stand_out() {
        let check = |unit, kind, numbers: &[f64], expected: &str| {
            let cells: Vec<Cell> = numbers.iter().map(|number| Cell::Number(*number)).collect();
            let told = odd(&column(Some(unit), Some(kind)), &cells.iter().collect::<Vec<_>>());
            let told: String = told.into_iter().map(|is| if is { '!' } else { '.' }).collect();
            assert_eq!(told, expected, "{numbers:?}");
        };
        check(Unit::Megahertz, Kind::Gauge, &[1755.0, 1740.0, 1020.0, 1755.0], "..!.");
        check(Unit::Megahertz, Kind::Gauge, &[1755.0, 1740.0, 1700.0, 1755.0], "....");
        check(Unit::Percent, Kind::Gauge, &[0.0, 0.0, 4.0], "...");
        check(Unit::Percent, Kind::Gauge, &[100.0, 100.0, 0.0], "..!");
        check(Unit::Watts, Kind::Gauge, &[300.0, 700.0], "!!");
        check(Unit::Watts, Kind::Gauge, &[680.0, 700.0], "..");
        check(Unit::Watts, Kind::Gauge, &[700.0], ".");
        check(Unit::One, Kind::Counter, &[0.0, 0.0, 12.0], "..!");
        check(Unit::One, Kind::Counter, &[0.0, 12.0], "!!");
        check(Unit::Joules, Kind::Counter, &[5e6, 90e6], "..");
        check(Unit::Joules, Kind::Counter, &[5e6, 6e6, 90e6], "...");
    }

    #[test]
    fn words_that_most_do_not_say_stand_out() {
        let check = |words: &[&str], expected: &[bool]| {
            let cell = |word: &&str| if word.is_empty() { Cell::Gap(Gap::Absent) } else { Cell::Text((*word).into()) };
            let cells: Vec<Cell> = words.iter().map(cell).collect();
            assert_eq!(odd(&column(None, None), &cells.iter().collect::<Vec<_>>()), expected, "{words:?}");
        };
        check(&["a", "a", "b"], &[false, false, true]);
        check(&["a", "b"], &[true, true]);
        check(&["a", "b", "c"], &[false, false, false]);
        check(&["lost", "", ""], &[true, false, false]);
    }
}
