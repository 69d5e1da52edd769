//! The word that somebody may have meant.
//! Nearness is the number of letters that were left out, added, replaced or swapped.

/// The candidate nearest to `word`, when one is near enough to be worth a mention.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    let near = candidates.into_iter().map(|candidate| (distance(&word, candidate), candidate));
    near.filter(|(far, candidate)| *far <= allowed && *far < candidate.chars().count()).min().map(|(_, it)| it)
}

/// `; did you mean …?` where there is a candidate near `word`, otherwise nothing.
pub(super) fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// Optimal string alignment distance. Words longer than any key are far from all of them.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (rows[i][j] + usize::from(x != y)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_find_their_word() {
        let keys = ["util", "temp", "power", "mem.used", "throttle"];
        let check = |typo, expected| assert_eq!(nearest(typo, keys), expected, "{typo}");
        check("utl", Some("util"));
        check("tmep", Some("temp"));
        check("throtle", Some("throttle"));
        check("mem.sued", Some("mem.used"));
        check("POWER", Some("power"));
        check("frobnicate", None);
        check("x", None);
        check("", None);
    }
}
