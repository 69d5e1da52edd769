//! Which switch, or which block, connects which nodes: `scontrol show topology`, a line for each.
//!
//! A leaf switch is a place `switch` of its nodes, one above it a place `switch1`, and so on; a block is a place `block`.

use std::io::{BufRead, Read};

use crate::model::{hostlist::Hostlist, job::Location, text::clean};

/// Bytes of a line: a switch at the top of a large cluster lists thousands of nodes.
const LINE: u64 = 1 << 20;
/// Nodes of one place.
const MOST: usize = 250_000;

/// Calls `each` with each node of each switch and block. Of other lines nothing is known.
pub(super) fn read(mut reader: impl BufRead, each: &mut dyn FnMut(Location)) -> Result<(), String> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE).read_until(b'\n', &mut line);
        if read.map_err(|error| format!("the topology cannot be read: {error}"))? == 0 {
            return Ok(());
        }
        tell(&String::from_utf8_lossy(&line), each)?;
    }
}

fn tell(line: &str, each: &mut dyn FnMut(Location)) -> Result<(), String> {
    let word = |key: &str| line.split_ascii_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let (label, place) = match (word("SwitchName"), word("BlockName")) {
        (Some(switch), _) => match word("Level") {
            None | Some("0") => ("switch".to_owned(), switch),
            Some(level) => (format!("switch{level}"), switch),
        },
        (None, Some(block)) => ("block".to_owned(), block),
        (None, None) => return Ok(()),
    };
    let Some(nodes) = word("Nodes").filter(|nodes| !nodes.is_empty()) else { return Ok(()) };
    let nodes = Hostlist::parse(nodes)
        .map_err(|error| error.to_string())
        .and_then(|nodes| nodes.expand(MOST).map_err(|error| error.to_string()));
    let nodes = nodes.map_err(|problem| format!("the nodes of {} are not understood: {problem}", clean(place, 40)))?;
    for node in nodes {
        each(Location { node, label: label.clone(), place: place.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> (Vec<String>, Result<(), String>) {
        let mut told = Vec::new();
        let result = read(text.as_bytes(), &mut |it| told.push(format!("{} {}={}", it.node, it.label, it.place)));
        (told, result)
    }

    #[test]
    fn switches_and_blocks_are_places_of_their_nodes() {
        let tree = "SwitchName=leaf1 Level=0 LinkSpeed=1 Nodes=gpu[001-002]\n\
                    SwitchName=leaf2 Level=0 LinkSpeed=1 Nodes=gpu003\n\
                    SwitchName=spine Level=1 LinkSpeed=1 Nodes=gpu[001-003] Switches=leaf[1-2]\n";
        let expected = [
            "gpu001 switch=leaf1",
            "gpu002 switch=leaf1",
            "gpu003 switch=leaf2",
            "gpu001 switch1=spine",
            "gpu002 switch1=spine",
            "gpu003 switch1=spine",
        ];
        assert_eq!(told(tree), (expected.map(str::to_owned).into(), Ok(())));
        let block = "BlockName=b1 BlockIndex=0 Nodes=gb[01-02] BlockSize=18\nBlockName=empty BlockIndex=1 Nodes=\n";
        assert_eq!(told(block).0, ["gb01 block=b1", "gb02 block=b1"]);
    }

    #[test]
    fn what_is_not_understood_is_said_or_passed_over() {
        assert_eq!(told("No topology information available\n\n"), (Vec::new(), Ok(())));
        let (told, result) = told("SwitchName=s1 Level=0 Nodes=gpu[1-\nSwitchName=s2 Level=0 Nodes=gpu1\n");
        assert!(told.is_empty() && result.is_err_and(|problem| problem.contains("s1")));
    }
}
