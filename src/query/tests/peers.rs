//! What peers have in common, where a node's things are not all alike.

use futures_util::FutureExt as _;

use super::{
    ask, at,
    fixture::{NOW, inventory, join, send},
    ids, jobs, lines, table_of,
};
use crate::{
    fleet::{Fleet, Settings},
    model::{metric::gpu, question::Answer, report::Gpu},
    query::{Round, answer_together, parse},
};

/// Nodes of two GPUs: two with H100 and driver 1, two with B200 and driver 2, and one with both models and driver 1. On
/// one, a GPU has another VBIOS; on another, one is divided into an instance.
fn fleet() -> Fleet {
    let mut fleet = Fleet::new(Settings::default());
    let nodes = [
        ("1", ["H100", "H100"]),
        ("1", ["H100", "H100"]),
        ("2", ["B200", "B200"]),
        ("2", ["B200", "B200"]),
        ("1", ["H100", "B200"]),
    ];
    for (n, (driver, models)) in nodes.into_iter().enumerate() {
        let name = format!("gpu{n}");
        let mut inventory = inventory(&name, 2, "", &[]);
        inventory.driver = driver.into();
        for (gpu, model) in inventory.gpus.iter_mut().zip(models) {
            (gpu.model, gpu.vbios) = (model.into(), "96".into());
        }
        let odd = inventory.gpus[1].clone();
        match n {
            0 => {
                inventory.gpus[1].mig = "on".into();
                let (index, mig) = ("1.0".into(), "1g.10gb".into());
                inventory.gpus.push(Gpu { index, mig, parent: Some(1), ..odd });
            }
            1 => inventory.gpus[1].vbios = "95".into(),
            _ => {}
        }
        let session = join(&mut fleet, &name, &inventory, at(NOW));
        send(&mut fleet, session, &[(gpu::UTIL, &[50.0, 10.0])], &[], at(NOW));
    }
    fleet
}

fn check(text: &str, expected: &str) {
    assert_eq!(ids(&table_of(&fleet(), text)), expected, "{text}");
}

#[test]
fn what_is_the_nodes_is_compared_with_each_gpus_own_peers() {
    check("gpus where gpu4 and driver = majority(driver by model)", "gpu4:0");
    check("gpus where gpu4 and not driver = majority(driver by model)", "gpu4:1");
    check("gpus where driver != majority(driver by model)", "gpu4:1");
}

#[test]
fn one_odd_gpu_of_a_node_is_found() {
    check("gpus where vbios != majority(vbios by model)", "gpu1:1");
    check("gpus where vbios = 95", "gpu1:1");
    assert_eq!(lines(&table_of(&fleet(), "gpus by vbios show vbios,count")), "95 1 / 96 9");
    check("gpus where (mig = on or mig = off) and mig != majority(mig by model)", "gpu0:1");
    check("gpus where mig = 1g.10gb", "gpu0:1.0");
    check("gpus where gsp != majority(gsp by model)", "");
    check("gpus where gsp = none", "");
}

#[test]
fn peers_of_one_job_are_not_taken_for_those_of_another() {
    let texts = [
        "gpus where job = 7 show node,index,mad(util by job)",
        "gpus where job = 8 show node,index,mad(util by job)",
        "gpus where ran = 6 show node,index,mad(util by job)",
        "gpus show node,index,mad(util by job)",
        "gpus at last show node,index,mad(util by job)",
    ];
    let (fleet, mut round) = (jobs::fleet(), Round::at(at(NOW)));
    let queries = texts.map(|text| parse(text).expect(text));
    let together =
        answer_together(&&fleet, &queries.each_ref(), &mut round).now_or_never().expect("it is always ready");
    assert_eq!(together, texts.map(|text| ask(&fleet, text)));
    let Ok(Answer::Table(seven)) = &together[0] else { panic!("{together:?}") };
    assert_eq!(lines(seven), "gpu001 0 20% / gpu001 1 20% / gpu002 0 20% / gpu002 1 20% / gpu002 2 20% / gpu002 3 20%");
}

#[test]
fn peers_of_now_are_not_taken_for_those_that_were_last() {
    // One node of r2 has fallen silent; of its last values only those know who ask for them.
    let texts = ["gpus where gpu010 show mad(util by rack)", "gpus at last where gpu010 show mad(util by rack)"];
    let (fleet, mut round) = (super::fleet(), Round::at(at(NOW)));
    let queries = texts.map(|text| parse(text).expect(text));
    let together =
        answer_together(&&fleet, &queries.each_ref(), &mut round).now_or_never().expect("it is always ready");
    assert_eq!(together, texts.map(|text| ask(&fleet, text)));
    assert_ne!(lines(&table_of(&fleet, texts[0])), lines(&table_of(&fleet, texts[1])));
}
