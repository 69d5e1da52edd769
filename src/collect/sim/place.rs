//! Where a simulated node stands: its name, rack, pod and region.
//! Neighbours by number are neighbours in the room.

use super::Plan;
use crate::model::place::Label;

/// Nodes to a rack.
pub const RACK: u32 = 32;
/// Racks to a pod.
const POD: u32 = 32;
/// Pods to a region.
const REGION: u32 = 16;
const REGIONS: [&str; 4] = ["eu-north", "us-east", "us-west", "ap-south"];

/// The name of node `n`, which counts from 0; names count from 1.
pub(super) fn name(plan: &Plan, n: u32) -> String {
    numbered(&plan.prefix, n, plan.nodes, 3)
}

/// The labels of node `n`.
pub(super) fn labels(plan: &Plan, n: u32) -> Vec<Label> {
    let (rack, racks) = (n / RACK, plan.nodes.div_ceil(RACK));
    let (pod, pods) = (rack / POD, racks.div_ceil(POD));
    let label = |key: &str, value| Label { key: key.into(), value };
    vec![
        label("region", region(pod / REGION)),
        label("pod", numbered("pod", pod, pods, 2)),
        label("rack", numbered("r", rack, racks, 3)),
    ]
}

/// Hours by which the sun is later at node `n` than in the first region.
pub(super) fn hours_behind(n: u32) -> f64 {
    f64::from((n / (RACK * POD * REGION)) % 4) * 6.0
}

fn region(number: u32) -> String {
    REGIONS.get(number as usize).map_or_else(|| numbered("region", number, number + 1, 2), |name| (*name).into())
}

/// `prefix` and a number from 1, padded to the digits of `of` and to at least `digits`.
fn numbered(prefix: &str, index: u32, of: u32, digits: usize) -> String {
    let width = digits.max(of.to_string().len());
    format!("{prefix}{:0width$}", index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(nodes: u32, n: u32) -> String {
        let plan = Plan { nodes, ..Plan::default() };
        let labels: Vec<String> = labels(&plan, n).into_iter().map(|l| l.value).collect();
        format!("{} {}", name(&plan, n), labels.join("/"))
    }

    #[test]
    fn names_are_padded_and_places_nest() {
        let check = |nodes, n, expected: &str| assert_eq!(place(nodes, n), expected, "{n} of {nodes}");
        check(4, 0, "gpu001 eu-north/pod01/r001");
        check(256, 31, "gpu032 eu-north/pod01/r001");
        check(256, 32, "gpu033 eu-north/pod01/r002");
        check(256, 255, "gpu256 eu-north/pod01/r008");
        check(1000, 0, "gpu0001 eu-north/pod01/r001");
        check(62_500, 62_499, "gpu62500 ap-south/pod62/r1954");
        check(62_500, 16_384, "gpu16385 us-east/pod17/r0513");
        check(80_000, 79_999, "gpu80000 region05/pod79/r2500");
    }
}
