//! How much memory the hub holds. Once its history is full it is to hold no more: what else grows is taken from history.

/// Looks of one second each, of which the least counts: an answer takes some memory for a moment.
const LOOKS: u32 = 60;
/// Of what history may take, the part that others may have of it.
const PART: u64 = 8;

/// What the hub held when its history had become full, and what history has given since.
#[derive(Debug, Default)]
pub(super) struct Ceiling {
    nodes: usize,
    least: Option<u64>,
    looks: u32,
    /// Nothing as long as history is not full.
    full: Option<u64>,
    given: u64,
}

impl Ceiling {
    /// Takes a look: how many bytes the hub holds, with how many nodes, and how many its history may take if that is full.
    /// Says how many history is to give.
    pub(super) fn look(&mut self, resident: Option<u64>, nodes: usize, history: Option<u64>) -> u64 {
        let (Some(resident), Some(history)) = (resident, history.filter(|_| nodes == self.nodes)) else {
            *self = Ceiling { nodes, ..Ceiling::default() };
            return 0;
        };
        self.least = self.least.into_iter().chain([resident]).min();
        self.looks += 1;
        if self.looks < LOOKS {
            return self.given;
        }
        let least = self.least.take().unwrap_or(resident);
        self.looks = 0;
        match self.full {
            None => self.full = Some(least),
            Some(full) => self.given = (self.given + least).saturating_sub(full).min(history / PART),
        }
        self.given
    }
}

/// Bytes of memory that this process holds, where the system tells.
pub(super) fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A minute's looks.
    fn minute(ceiling: &mut Ceiling, megabytes: u64) -> u64 {
        let look = |n: u64| ceiling.look(Some((megabytes + n % 7) << 20), 10, Some(800 << 20));
        (0..60_u64).map(look).last().unwrap_or_default() >> 20
    }

    #[test]
    fn what_grows_once_history_is_full_is_given_by_it() {
        let mut ceiling = Ceiling::default();
        assert_eq!(ceiling.look(Some(500 << 20), 10, None), 0, "there is room yet");
        assert_eq!(minute(&mut ceiling, 1000), 0, "this is what it holds");
        assert_eq!(minute(&mut ceiling, 1010), 10);
        assert_eq!(minute(&mut ceiling, 1000), 10, "what was given is not asked for again");
        assert_eq!(minute(&mut ceiling, 1003), 13);
        assert_eq!(minute(&mut ceiling, 995), 8, "and given back");
        assert_eq!(minute(&mut ceiling, 1900), 100, "an eighth at most");
        assert_eq!(minute(&mut ceiling, 500), 0);
        assert_eq!(ceiling.look(Some(2000 << 20), 11, Some(800 << 20)), 0, "another node is no growth");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_holds_some() {
        assert!(resident().is_some_and(|bytes| bytes > 1 << 20));
    }
}
