//! Generic resources as Slurm writes them: `gpu:h100:8(IDX:0-7)`; parts of shared GPUs, too: `mps:50(IDX:3)`.

/// The numbers of the GPUs in a node's resources; nothing where it does not say which they are. MIG instances are counted
/// apart from GPUs, so that their numbers do not say which.
pub(super) fn gpus(detail: &str) -> Option<Vec<u16>> {
    let mut all = Vec::new();
    if detail.is_empty() {
        return None;
    }
    for part in parts(detail) {
        let (what, rest) = part.split_once('(').unwrap_or((part, ""));
        let mut words = what.split(':');
        if !words.next().is_some_and(|word| KINDS.contains(&word)) {
            continue;
        }
        if words.next().is_some_and(is_mig) {
            return None;
        }
        let list = rest.strip_prefix("IDX:").and_then(|rest| rest.strip_suffix(')'))?;
        for range in list.split(',') {
            // How much of a shared one may follow.
            let range = range.split('(').next().unwrap_or(range);
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            if let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) {
                all.extend((first..=last).take(MOST));
            }
        }
    }
    Some(all)
}

/// Whether a type is a MIG profile: `1g.10gb`.
fn is_mig(kind: &str) -> bool {
    kind.split_once("g.").is_some_and(|(slices, memory)| slices.parse::<u8>().is_ok() && memory.contains("gb"))
}

/// What has GPUs: whole ones, or parts of them.
const KINDS: [&str; 3] = ["gpu", "mps", "shard"];

/// GPUs of a node that are listed at most, of each kind.
const MOST: usize = 4096;

/// What stands between commas that are not in parentheses.
fn parts(detail: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0u32;
    detail.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_told_by_their_numbers() {
        let check = |detail, expected: Option<&[u16]>| assert_eq!(gpus(detail).as_deref(), expected, "{detail}");
        check("gpu:h100:8(IDX:0-7)", Some(&[0, 1, 2, 3, 4, 5, 6, 7]));
        check("gpu:4(IDX:0-2,5)", Some(&[0, 1, 2, 5]));
        check("gpu:a100:2(IDX:0,2),gpu:v100:1(IDX:4),mps:10(IDX:7)", Some(&[0, 2, 4, 7]));
        check("shard:h100:3(IDX:1(2/4),5(1/4))", Some(&[1, 5]));
        check("mps:50", None);
        check("gpu:1g.10gb:2(IDX:0-1)", None);
        check("gpu:h100:1(IDX:2),gpu:1g.10gb:2(IDX:0-1)", None);
        check("gpu:0(IDX:)", Some(&[]));
        check("gpu:fake1:0(IDX:N/A)", Some(&[]));
        check("gpu:h100:2(CNT:2)", None);
        check("gpu:8", None);
        check("craynetwork:1", Some(&[]));
        check("", None);
        check("gpu:1(IDX:9-3)", Some(&[]));
        check("gpu:1(IDX:0-65535", None);
        check("(,gpu(IDX:1)", Some(&[]));
        check("),gpu(IDX:1)", Some(&[1]));
        assert_eq!(gpus("gpu:x(IDX:0-65535)").map(|all| all.len()), Some(MOST));
    }
}
