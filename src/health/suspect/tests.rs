//! Verdicts on the GPUs of a job, each as it differs from its peers.

use super::{
    Suspect, Suspects,
    judge::{Ground, Host, Judgement, Rank, Trouble, judge},
};
use crate::model::{incident::Subject, verdict::Verdict};

const POWER_CAP: f64 = 4.0;
const HW_THERMAL: f64 = 72.0;
const POWER_BRAKE: f64 = 136.0;

/// An H100 at work.
fn works() -> Rank {
    Rank {
        util: Some(99.0),
        tensor: Some(45.0),
        power: Some(640.0),
        limit: Some(700.0),
        clock: Some(1755.0),
        throttle: Some(POWER_CAP),
        nvlink: Some(140e9),
        links: Some(18.0),
        errors: Some(0.0),
        width: Some(16.0),
        width_max: Some(16.0),
        generation: Some(5.0),
        generation_max: Some(5.0),
        procs: Some(1.0),
        ..Rank::default()
    }
}

/// One that waits in a kernel.
fn spins() -> Rank {
    Rank {
        tensor: Some(0.0),
        power: Some(190.0),
        clock: Some(1980.0),
        throttle: Some(0.0),
        nvlink: Some(0.0),
        ..works()
    }
}

/// One that waits, and runs no kernel.
fn idles() -> Rank {
    Rank { util: Some(0.0), power: Some(75.0), clock: Some(345.0), throttle: Some(1.0), ..spins() }
}

/// An A100 has no GPM.
fn old(rank: Rank) -> Rank {
    Rank { tensor: None, limit: Some(400.0), power: rank.power.map(|power| power * 0.5), ..rank }
}

/// A job on two hosts of eight GPUs that all are like this one, apart from the odd ones.
fn job(all: &Rank, odd: &[(usize, Rank)]) -> (Vec<Rank>, Vec<Host>) {
    let mut ranks = vec![all.clone(); 16];
    for (at, rank) in odd {
        ranks[*at] = rank.clone();
    }
    for (at, rank) in ranks.iter_mut().enumerate() {
        (rank.host, rank.slot) = (at / 8, at as u16 % 8);
    }
    let host = Host {
        blocked: Some(0.0),
        swap: Some(0.0),
        psi_cpu: Some(1.0),
        psi_mem: Some(0.0),
        throttled: Some(0.0),
        ..Host::default()
    };
    (ranks, vec![host; 2])
}

/// The suspects among the GPUs, and what the others are.
fn check(
    (ranks, hosts): &(Vec<Rank>, Vec<Host>),
    trouble: Trouble,
    expected: &[(usize, Verdict, &str)],
    others: Verdict,
) {
    let judged = judge(ranks, hosts, trouble);
    for (at, Judgement { verdict, ground, cause }) in judged.iter().enumerate() {
        match expected.iter().find(|(odd, ..)| *odd == at) {
            Some((_, word, why)) => assert_eq!((verdict, &**cause), (word, *why), "{at}"),
            None => assert_eq!((verdict, ground, &**cause), (&others, &None, ""), "{at}"),
        }
    }
}

/// What is said of one odd GPU, whatever the job suffers from.
fn check_one(all: &Rank, odd: &Rank, verdict: Verdict, cause: &str, others: Verdict) {
    for trouble in [Trouble::Hang, Trouble::Slow] {
        check(&job(all, &[(11, odd.clone())]), trouble, &[(11, verdict, cause)], others);
    }
}

#[test]
fn a_hot_gpu_is_slow_and_its_victims_wait() {
    let hot =
        Rank { clock: Some(1020.0), throttle: Some(HW_THERMAL), tensor: Some(60.0), power: Some(420.0), ..works() };
    let cause = "1,020 of 1,980 MHz, hw_slowdown hw_thermal";
    check_one(&spins(), &hot, Verdict::Slow, cause, Verdict::Waiting);
    let brake = Rank { throttle: Some(POWER_BRAKE), ..hot };
    check_one(&works(), &brake, Verdict::Slow, "1,020 of 1,755 MHz, hw_slowdown power_brake", Verdict::Fine);
}

#[test]
fn a_low_clock_without_a_reason_is_slow_unless_all_clocks_differ() {
    let low = Rank { clock: Some(1200.0), throttle: Some(0.0), ..works() };
    check_one(&works(), &low, Verdict::Slow, "1,200 of 1,755 MHz, and it does not say why", Verdict::Fine);
    let (mut ranks, hosts) = job(&works(), &[(11, low)]);
    for (at, rank) in ranks.iter_mut().enumerate().filter(|(at, _)| *at != 11) {
        rank.clock = Some(1400.0 + 40.0 * at as f64);
    }
    check(&(ranks, hosts), Trouble::Slow, &[], Verdict::Fine);
}

#[test]
fn a_power_cap_is_fine() {
    let capped = Rank { clock: Some(1290.0), throttle: Some(POWER_CAP), power: Some(698.0), ..works() };
    check(&job(&works(), &[(11, capped)]), Trouble::Slow, &[], Verdict::Fine);
}

#[test]
fn another_model_is_no_peer() {
    let other = Rank { model: 1, clock: Some(1100.0), throttle: Some(0.0), links: Some(12.0), ..works() };
    check(&job(&works(), &[(11, other)]), Trouble::Slow, &[], Verdict::Fine);
}

#[test]
fn the_busiest_is_not_at_fault_for_that() {
    let busy = Rank { tensor: Some(90.0), nvlink: Some(20e9), ..works() };
    check(&job(&works(), &[(11, busy)]), Trouble::Slow, &[], Verdict::Fine);
    let lazy = Rank { tensor: Some(20.0), nvlink: Some(400e9), ..works() };
    check(&job(&works(), &[(11, lazy)]), Trouble::Slow, &[], Verdict::Fine);
}

#[test]
fn who_works_on_while_others_wait_is_slow() {
    check_one(&spins(), &works(), Verdict::Slow, "works on at 640 W while others wait at 190 W", Verdict::Waiting);
    let cause = "works on at 320 W while others wait at 95 W";
    check_one(&old(spins()), &old(works()), Verdict::Slow, cause, Verdict::Waiting);
    check_one(&idles(), &spins(), Verdict::Slow, "util 100 % among 0 %", Verdict::Waiting);
}

#[test]
fn lost_links_are_found() {
    let is = |odd: &Rank, cause: &str| check_one(&works(), odd, Verdict::Link, cause, Verdict::Fine);
    is(&Rank { links: Some(17.0), ..works() }, "17 of 18 NVLinks");
    is(&Rank { width: Some(8.0), ..works() }, "PCIe on 8 of 16 lanes");
    is(&Rank { generation: Some(3.0), ..works() }, "PCIe at generation 3, its peers at 5");
    is(&Rank { errors: Some(1200.0), ..works() }, "1,200 NVLink errors in a minute");
    is(&Rank { xid: Some(74), ..works() }, "XID 74");
    let few = Rank { errors: Some(9.0), ..works() };
    check(&job(&works(), &[(11, few)]), Trouble::Slow, &[], Verdict::Fine);
}

#[test]
fn a_port_is_its_nearest_gpus() {
    let (ranks, mut hosts) = job(&spins(), &[]);
    hosts[1].ports.push((Some(3), "port mlx5_3 is down".into()));
    let expected = [(11, Verdict::Link, "port mlx5_3 is down")];
    check(&(ranks, hosts), Trouble::Hang, &expected, Verdict::Waiting);
}

#[test]
fn trouble_of_a_host_is_all_its_gpus() {
    let is = |change: &dyn Fn(&mut Host), cause: &str| {
        let (ranks, mut hosts) = job(&works(), &[]);
        change(&mut hosts[1]);
        let expected: Vec<_> = (8..16).map(|at| (at, Verdict::Host, cause)).collect();
        check(&(ranks, hosts), Trouble::Slow, &expected, Verdict::Fine);
    };
    is(&|host| host.blocked = Some(1.0), "1 process hangs in the kernel");
    is(&|host| host.blocked = Some(3.0), "3 processes hang in the kernel");
    is(&|host| host.swap = Some(8.0 * 1024.0 * 1024.0 * 1024.0), "its host swaps: 8 GiB");
    is(&|host| host.psi_mem = Some(40.0), "its host waits for memory 40 % of the time");
    is(&|host| host.psi_cpu = Some(30.0), "its host waits for CPUs 30 % of the time");
    is(&|host| host.throttled = Some(60.0), "its host's CPUs slowed down for their heat 60 times in a minute");
    let (ranks, mut hosts) = job(&works(), &[]);
    for host in &mut hosts {
        (host.swap, host.psi_cpu) = (Some(8e9), Some(50.0));
    }
    check(&(ranks, hosts), Trouble::Slow, &[], Verdict::Fine);
}

#[test]
fn an_odd_rank_of_a_hang_is_gone() {
    let is = |odd: &Rank, cause: &str| check_one(&spins(), odd, Verdict::Gone, cause, Verdict::Waiting);
    is(&idles(), "util 0 % among 100 %");
    is(&Rank { procs: Some(0.0), ..idles() }, "no process, among GPUs that have one");
    is(&Rank { xid: Some(94), ..spins() }, "XID 94");
    is(&Rank { fault: Some("lost".into()), ..Rank::default() }, "does not answer: lost");
    check_one(&old(spins()), &old(idles()), Verdict::Gone, "util 0 % among 100 %", Verdict::Waiting);
    let (mut ranks, mut hosts) = job(&spins(), &[]);
    hosts[1].is_down = true;
    ranks[8..].iter_mut().for_each(|rank| *rank = Rank { host: 1, ..Rank::default() });
    let expected: Vec<_> = (8..16).map(|at| (at, Verdict::Gone, "its node is silent")).collect();
    check(&(ranks, hosts), Trouble::Hang, &expected, Verdict::Waiting);
}

#[test]
fn an_idle_gpu_among_those_that_work_is_not_gone() {
    check(
        &job(&works(), &[(11, Rank { tensor: Some(20.0), power: Some(300.0), util: Some(1.0), ..works() })]),
        Trouble::Hang,
        &[],
        Verdict::Fine,
    );
}

#[test]
fn stages_of_a_pipeline_that_take_turns_are_not_suspects() {
    let bubble: Vec<(usize, Rank)> = (0..8).map(|at| (at, idles())).collect();
    let judged = judge(&job(&works(), &bubble).0, &[], Trouble::Slow);
    assert!(judged.iter().all(|judged| judged.ground.is_none()), "{judged:?}");
}

#[test]
fn what_is_unknown_speaks_against_nobody() {
    check(&job(&Rank::default(), &[]), Trouble::Hang, &[], Verdict::Fine);
    check(&job(&works(), &[(11, Rank::default())]), Trouble::Slow, &[], Verdict::Fine);
    check(&job(&spins(), &[(11, Rank::default())]), Trouble::Hang, &[(11, Verdict::Fine, "")], Verdict::Waiting);
    let untold = Rank { clock: Some(1020.0), throttle: None, ..works() };
    check(&job(&works(), &[(11, untold)]), Trouble::Slow, &[], Verdict::Fine);
    let (ranks, _) = job(&works(), &[]);
    check(&(ranks, vec![Host::default(); 2]), Trouble::Slow, &[], Verdict::Fine);
}

#[test]
fn what_counts_first_depends_on_the_trouble() {
    use Ground::{Absence, Clock, Heat, Link, Shortage, Stuck, Work, Xid};
    let sorted = |trouble| {
        let mut all = [Work, Clock, Shortage, Stuck, Link, Heat, Xid, Absence];
        all.sort_by_key(|ground| ground.order(trouble));
        all
    };
    assert_eq!(sorted(Trouble::Hang), [Absence, Stuck, Xid, Link, Heat, Shortage, Clock, Work]);
    assert_eq!(sorted(Trouble::Slow), [Absence, Xid, Heat, Link, Stuck, Shortage, Clock, Work]);
    let hot = Rank { clock: Some(1020.0), throttle: Some(HW_THERMAL), ..spins() };
    let (ranks, mut hosts) = job(&spins(), &[(11, hot)]);
    hosts[1].blocked = Some(2.0);
    let word = |trouble| judge(&ranks, &hosts, trouble)[11].verdict;
    assert_eq!((word(Trouble::Hang), word(Trouble::Slow)), (Verdict::Host, Verdict::Slow));
}

#[test]
fn a_handful_of_suspects_is_named_and_the_others_are_counted() {
    let suspect = |n: usize| Suspect {
        name: format!("gpu{n:03}:3"),
        subject: Subject::Node { node: format!("gpu{n:03}") },
        verdict: Verdict::Gone,
        ground: Ground::Absence,
        cause: "XID 79".into(),
    };
    let lines = |n, waiting, left_out| {
        Suspects { all: (0..n).map(suspect).collect(), waiting, left_out, verdicts: Vec::new() }.lines()
    };
    assert_eq!(lines(0, 0, 0), [""; 0]);
    assert_eq!(lines(0, 16, 0), ["all 16 wait, and none is odd"]);
    assert_eq!(lines(1, 0, 0), ["gpu000:3 gone: XID 79"]);
    assert_eq!(lines(1, 31, 8), ["gpu000:3 gone: XID 79", "31 others wait", "8 of its GPUs were not looked at"]);
    let many = lines(7, 1, 0);
    assert_eq!(
        (many.len(), &*many[4], &*many[5], &*many[6]),
        (7, "gpu004:3 gone: XID 79", "2 more like these", "1 waits")
    );
}

#[test]
fn only_one_clear_suspect_is_the_only_one() {
    let only = |grounds: &[Ground]| {
        let suspect = |(n, ground): (usize, &Ground)| Suspect {
            name: n.to_string(),
            subject: Subject::Node { node: n.to_string() },
            verdict: Verdict::Slow,
            ground: *ground,
            cause: String::new(),
        };
        let all = grounds.iter().enumerate().map(suspect).collect();
        Suspects { all, waiting: 0, left_out: 0, verdicts: Vec::new() }.only().map(|suspect| suspect.name.clone())
    };
    assert_eq!(only(&[]), None);
    assert_eq!(only(&[Ground::Absence]), Some("0".into()));
    assert_eq!(only(&[Ground::Work, Ground::Link, Ground::Clock]), Some("1".into()));
    assert_eq!(only(&[Ground::Absence, Ground::Link]), None);
    assert_eq!(only(&[Ground::Clock]), None);
}
