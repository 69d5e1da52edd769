//! Samples: whole states under loss, repeats and reordering, broken payloads, and how many bytes they take.

use proptest::prelude::*;

use super::*;
use crate::model::{
    Scope,
    metric::{gpu, nic, node},
    report::{Sample, Values},
    sink::Sink,
};

/// The metrics of this build, as a Hello declares them.
fn counts() -> [usize; 3] {
    Scope::SAMPLED.map(|scope| scope.metrics().len())
}

/// Every cell, to be filled by position.
fn fill(values: &mut Values, mut f: impl FnMut(usize, Raw) -> Raw) {
    let mut at = 0;
    for scope in Scope::SAMPLED {
        for metric in 0..values.metrics(scope) {
            for cell in Sink::row(values, scope, metric).unwrap() {
                *cell = f(at, *cell);
                at += 1;
            }
        }
    }
}

fn raw() -> impl Strategy<Value = Raw> {
    prop_oneof![
        3 => (0..100i32).prop_map(Raw::from_bits),
        1 => any::<i32>().prop_map(Raw::from_bits),
        1 => (0..20i32).prop_map(|n| Raw::from_bits(i32::MIN + n)),
    ]
}

/// A node of odd size whose values change in runs, for some samples; the flag asks for a keyframe.
fn stream() -> impl Strategy<Value = Vec<(Values, bool)>> {
    let change = (0usize..40, 1usize..6, raw());
    let step = (prop::collection::vec(change, 0..12), prop::bool::weighted(0.1));
    (prop::array::uniform3(0usize..5), 0usize..40, 0usize..4, prop::collection::vec(step, 1..25)).prop_map(
        |(metrics, gpus, nics, steps)| {
            let mut values = Values::with_metrics(metrics, gpus, nics);
            let next = |(changes, keyframe): (Vec<(usize, usize, Raw)>, bool)| {
                for (start, len, raw) in changes {
                    fill(&mut values, |at, old| if (start * 3..start * 3 + len).contains(&at) { raw } else { old });
                }
                (values.clone(), keyframe)
            };
            steps.into_iter().map(next).collect()
        },
    )
}

/// What a network may do to a stream: which samples arrive, in which order.
fn pack(stream: &[(Values, bool)]) -> Vec<(Encoded, Values)> {
    let mut encoder = Encoder::new();
    let each = stream.iter().enumerate().map(|(n, (values, keyframe))| {
        let time = Time::from_millis(1000 * n as i64);
        let sample = Sample { time, generation: 1, values: values.clone() };
        (encoder.encode(&sample, *keyframe), values.clone())
    });
    each.collect()
}

fn shape(values: &Values) -> [usize; 3] {
    Scope::SAMPLED.map(|scope| values.metrics(scope))
}

proptest! {
    #[test]
    fn codes_are_a_bijection_and_changes_lead_back(a: i32, b: i32) {
        let (a, b) = (Raw::from_bits(a), Raw::from_bits(b));
        prop_assert_eq!(value(code(a)), a);
        prop_assert_eq!(changed(code(a), change(code(a), code(b))), code(b));
    }

    #[test]
    fn keyframe_and_changes_equal_the_last_state(stream in stream()) {
        let mut decoder = Decoder::new();
        let mut sink = Values::with_metrics(shape(&stream[0].0), stream[0].0.slots(Scope::Gpu), stream[0].0.slots(Scope::Nic));
        for (encoded, values) in pack(&stream) {
            prop_assert_eq!(decoder.decode(&encoded, shape(&values), &mut sink).unwrap(), Outcome::Applied);
            prop_assert_eq!(&sink, &values);
        }
    }

    #[test]
    fn under_loss_repeats_and_reordering_the_sink_holds_one_whole_sample(
        stream in stream(),
        fate in prop::collection::vec((0usize..25, 0usize..3), 0..60),
    ) {
        let sent = pack(&stream);
        // A mostly forward walk that leaves out, repeats and goes back.
        let mut at = 0;
        let mut arrivals = Vec::new();
        for (jump, kind) in fate {
            at = match kind { 0 => at + 1, 1 => at + 2, _ => jump };
            arrivals.extend(sent.get(at));
        }
        arrivals.extend(&sent);
        let metrics = shape(&stream[0].0);
        let mut decoder = Decoder::new();
        let mut sink = Values::with_metrics(metrics, stream[0].0.slots(Scope::Gpu), stream[0].0.slots(Scope::Nic));
        let mut held = (sink.clone(), 0);
        for (encoded, values) in arrivals {
            match decoder.decode(encoded, metrics, &mut sink).unwrap() {
                Outcome::Applied => {
                    prop_assert!(encoded.seq > held.1, "never goes back");
                    held = (values.clone(), encoded.seq);
                }
                Outcome::AwaitingKeyframe => prop_assert!(encoded.keyframe.is_none()),
                Outcome::Repeated => prop_assert!(encoded.seq <= held.1),
            }
            prop_assert_eq!(&sink, &held.0);
        }
    }

    #[test]
    fn arbitrary_payloads_never_panic_and_change_nothing_unless_whole(
        payload in prop::collection::vec(any::<u8>(), 0..120),
        flips in prop::collection::vec(0usize..2000, 0..3),
        gpus in 0u16..40,
        nics in 0u16..4,
        seed: bool,
    ) {
        let mut values = Values::new(usize::from(gpus), usize::from(nics));
        fill(&mut values, |at, _| Raw::from_bits(at as i32));
        let sample = Sample { time: Time::default(), generation: 0, values };
        let mut encoded = Encoder::new().encode(&sample, true);
        let mut bytes = if seed { encoded.payload.to_vec() } else { payload };
        let bits = bytes.len() * 8;
        for flip in flips.into_iter().filter(|flip| *flip < bits) {
            bytes[flip / 8] ^= 1 << (flip % 8);
        }
        encoded.payload = bytes.into();
        let mut sink = Values::new(usize::from(gpus), usize::from(nics));
        let before = sink.clone();
        if Decoder::new().decode(&encoded, counts(), &mut sink).is_err() {
            prop_assert_eq!(sink, before);
        }
    }
}

fn small(gpus: usize, n: i32) -> Sample {
    let mut values = Values::new(gpus, 1);
    fill(&mut values, |at, _| Raw::from_bits(at as i32 + n));
    Sample { time: Time::from_millis(i64::from(n) * 1000), generation: 1, values }
}

#[test]
fn keyframes_come_when_they_are_due() {
    let mut encoder = Encoder::new();
    let mut is_keyframe = |sample: &Sample, asked| encoder.encode(sample, asked).keyframe.is_some();
    assert!(is_keyframe(&small(2, 0), false), "the first");
    for n in 1..10 {
        assert!(!is_keyframe(&small(2, n), false), "{n}");
    }
    assert!(is_keyframe(&small(2, 10), false), "ten seconds later");
    assert!(!is_keyframe(&small(2, 11), false));
    assert!(is_keyframe(&small(2, 12), true), "on demand");
    assert!(!is_keyframe(&small(2, 13), false));
    assert!(is_keyframe(&small(3, 14), false), "another GPU");
    assert!(is_keyframe(&Sample { generation: 2, ..small(3, 15) }, false), "another inventory");
    assert!(is_keyframe(&Sample { generation: 2, ..small(3, 3) }, false), "a clock that was set back");
}

#[test]
fn phases_spread_keyframes_over_the_interval() {
    let second = |seed| {
        let mut encoder = Encoder::with_phase(seed);
        encoder.encode(&small(1, 0), false);
        (1..20).find(|n| encoder.encode(&small(1, *n), false).keyframe.is_some())
    };
    assert_eq!(second(0), Some(10));
    assert_eq!(second(3000), Some(7));
    assert_eq!(second(9999), Some(1));
}

#[test]
fn a_gap_waits_for_the_next_keyframe() {
    let mut encoder = Encoder::new();
    let sent: Vec<_> = (0..12).map(|n| encoder.encode(&small(2, n), false)).collect();
    let mut decoder = Decoder::new();
    let mut sink = Values::new(2, 1);
    let mut decode = |n: usize| decoder.decode(&sent[n], counts(), &mut sink).unwrap();
    assert_eq!(decode(1), Outcome::AwaitingKeyframe, "nothing to refer to");
    assert_eq!(decode(0), Outcome::Applied);
    assert_eq!(decode(1), Outcome::Applied);
    assert_eq!(decode(1), Outcome::Repeated);
    assert_eq!(decode(2), Outcome::Applied, "a repeat costs nothing");
    assert_eq!(decode(4), Outcome::AwaitingKeyframe);
    assert_eq!(decode(5), Outcome::AwaitingKeyframe);
    assert_eq!(decode(10), Outcome::Applied);
    assert_eq!(decode(11), Outcome::Applied);
    assert_eq!(sink, small(2, 11).values);
}

#[test]
fn changes_of_another_generation_or_shape_are_not_applied() {
    let mut encoder = Encoder::new();
    let first = encoder.encode(&small(2, 0), false);
    let second = encoder.encode(&small(2, 1), false);
    let mut sink = Values::new(2, 1);
    let mut decoder = Decoder::new();
    decoder.decode(&first, counts(), &mut sink).unwrap();
    let other = Encoded { generation: 9, ..second.clone() };
    assert_eq!(decoder.clone().decode(&other, counts(), &mut sink).unwrap(), Outcome::AwaitingKeyframe);
    let mut grown = Values::new(3, 1);
    assert_eq!(decoder.decode(&second, counts(), &mut grown).unwrap(), Outcome::AwaitingKeyframe);
    assert_eq!(sink, small(2, 0).values);
    let mismatch = Decoder::new().decode(&first, counts(), &mut grown);
    assert!(matches!(mismatch, Err(DecodeError::Shape { gpus: 2, nics: 1 })), "{mismatch:?}");
}

#[test]
fn an_agent_with_other_metrics_fills_what_the_sink_has() {
    /// Knows fewer rows than come: the agent is newer.
    struct Older(Values);
    impl Sink for Older {
        fn slots(&self, scope: Scope) -> usize {
            self.0.slots(scope)
        }
        fn row(&mut self, scope: Scope, metric: usize) -> Option<&mut [Raw]> {
            if metric % 2 == 1 { None } else { Sink::row(&mut self.0, scope, metric / 2) }
        }
    }
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new();
    let mut sink = Older(Values::with_metrics([3, 2, 1], 4, 2));
    for n in 0..3 {
        let mut values = Values::with_metrics([6, 4, 2], 4, 2);
        fill(&mut values, |at, _| Raw::from_bits(at as i32 * 10 + n));
        let sample = Sample { time: Time::from_millis(i64::from(n)), generation: 0, values: values.clone() };
        let encoded = encoder.encode(&sample, false);
        assert_eq!(decoder.decode(&encoded, [6, 4, 2], &mut sink).unwrap(), Outcome::Applied);
        for (scope, rows) in Scope::SAMPLED.into_iter().zip([3, 2, 1]) {
            for row in 0..rows {
                let theirs = crate::model::MetricId { scope, row: row * 2 };
                assert_eq!(sink.0.row(crate::model::MetricId { scope, row }), values.row(theirs), "{scope:?} {row}");
            }
        }
    }
    let wrong = decoder.decode(&encoder.encode(&small(4, 5), true), [6, 4, 2], &mut sink);
    assert!(wrong.is_err(), "a payload of other metrics than declared: {wrong:?}");
}

#[test]
fn a_broken_payload_leaves_the_sink_and_the_next_changes_alone() {
    let mut encoder = Encoder::new();
    let sent: Vec<_> = (0..3).map(|n| encoder.encode(&small(2, n), false)).collect();
    let mut decoder = Decoder::new();
    let mut sink = Values::new(2, 1);
    decoder.decode(&sent[0], counts(), &mut sink).unwrap();
    let cut = Encoded { payload: sent[1].payload.slice(..sent[1].payload.len() - 1), ..sent[1].clone() };
    assert!(matches!(decoder.decode(&cut, counts(), &mut sink), Err(DecodeError::Payload { seq: 2 })));
    let long = Encoded { payload: [&sent[1].payload[..], &[0]].concat().into(), ..sent[1].clone() };
    assert!(decoder.clone().decode(&long, counts(), &mut sink).is_ok_and(|o| o == Outcome::AwaitingKeyframe));
    assert_eq!(decoder.decode(&sent[2], counts(), &mut sink).unwrap(), Outcome::AwaitingKeyframe);
    assert_eq!(sink, small(2, 0).values);
}

/// A node with eight GPUs and nine ports. Values move by a small generator, as far as real ones do in a second.
struct Node {
    values: Values,
    state: u64,
    busy: bool,
}

impl Node {
    fn new(busy: bool) -> Node {
        let mut node = Node { values: Values::new(8, 9), state: 1, busy };
        let fixed = [
            (gpu::MEM_TOTAL, 81_559.0),
            (gpu::POWER_LIMIT, 1400.0),
            (gpu::TEMP_LIMIT, 87.0),
            (gpu::CLOCK_SM_MAX, 1980.0),
            (gpu::CLOCK_MEM, 2619.0),
            (gpu::PCIE_GEN, 5.0),
            (gpu::PCIE_GEN_MAX, 5.0),
            (gpu::PCIE_WIDTH, 16.0),
            (gpu::PCIE_WIDTH_MAX, 16.0),
            (gpu::NVLINK_LINKS, 18.0),
            (gpu::PROCS, 1.0),
            (gpu::FABRIC, 3.0),
            (node::CORES, 192.0),
            (node::MEM_TOTAL, 2_063_000.0),
            (node::IB_PORTS, 8.0),
            (node::IB_PORTS_UP, 8.0),
            (node::GPUS, 8.0),
            (node::GPUS_EXPECTED, 8.0),
            (node::CLOCK_SYNCED, 1.0),
            (nic::STATE, 3.0),
            (nic::RATE, 400_000.0),
        ];
        for (metric, steps) in fixed {
            node.values.row_mut(metric).fill(Raw::new(steps, 1.0));
        }
        let zero = [
            gpu::PSTATE,
            gpu::THROTTLE,
            gpu::PCIE_REPLAY,
            gpu::NVLINK_ERRORS,
            gpu::ECC_SBE,
            gpu::ECC_DBE,
            gpu::ECC_SRAM,
            gpu::REMAP_CORR,
            gpu::REMAP_UNCORR,
            gpu::REMAP_PENDING,
            gpu::REMAP_FAILED,
            gpu::REMAP_SPENT,
            gpu::ENC,
            gpu::DEC,
            node::SWAP_USED,
            node::MOUNTS_BAD,
            node::EDAC_CE,
            node::EDAC_UE,
            node::PSI_MEM,
            nic::ERRORS,
            nic::LINK_DOWNED,
            nic::RECOVERY,
            nic::OUTAGE,
        ];
        for metric in zero {
            node.values.row_mut(metric).fill(Raw::new(0.0, 1.0));
        }
        node.values.row_mut(gpu::FAN).fill(Raw::UNSUPPORTED);
        node.values.row_mut(gpu::TEMP_MARGIN).fill(Raw::UNSUPPORTED);
        node.values.row_mut(gpu::XID).fill(Raw::ABSENT);
        node.values.row_mut(gpu::XID_AGE).fill(Raw::ABSENT);
        node
    }

    /// Sets a row to numbers within `spread` of `middle`.
    fn vary(&mut self, metric: crate::model::MetricId, middle: f64, spread: f64) {
        for slot in 0..self.values.row(metric).len() {
            self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let chance = (self.state >> 33) as f64 / (1u64 << 31) as f64;
            let number = middle + spread * (2.0 * chance - 1.0);
            self.values.set(metric, slot, Raw::new(number, 1.0));
        }
    }

    fn step(&mut self, second: i64) -> Sample {
        let t = second as f64;
        let host = [
            (node::CPU, 40.0, 4.0),
            (node::LOAD1, 900.0, 30.0),
            (node::MEM_USED, 400_000.0, 40.0),
            (node::NET_RX, 900.0, 200.0),
            (node::NET_TX, 1200.0, 200.0),
            (node::TEMP, 55.0, 0.8),
            (node::PROCS, 2100.0, 4.0),
        ];
        for (metric, middle, spread) in host {
            self.vary(metric, middle, spread);
        }
        self.vary(node::UPTIME, 400_000.0 + t, 0.0);
        self.vary(node::DISK_WRITE, 40.0, 40.0);
        self.vary(node::CLOCK_OFFSET, 1.0, 0.9);
        let gpus = if self.busy {
            // In quanta of the catalogue: half percents, half watts, kilobytes.
            vec![
                (gpu::UTIL, 97.0, 3.0),
                (gpu::SM_ACTIVE, 160.0, 12.0),
                (gpu::TENSOR_ACTIVE, 90.0, 12.0),
                (gpu::DRAM_ACTIVE, 110.0, 12.0),
                (gpu::MEM_USED, 71_000.0, 20.0),
                (gpu::MEM_UTIL, 174.0, 0.6),
                (gpu::POWER, 1300.0, 50.0),
                (gpu::ENERGY, 5e7 + 6.5 * t, 1.0),
                (gpu::TEMP, 64.0, 1.5),
                (gpu::TEMP_MEM, 78.0, 1.0),
                (gpu::CLOCK_SM, 1900.0, 45.0),
                (gpu::PCIE_RX, 4e6, 8e5),
                (gpu::PCIE_TX, 3e6, 8e5),
                (gpu::NVLINK_RX, 1.5e8, 2e7),
                (gpu::NVLINK_TX, 1.5e8, 2e7),
                (nic::RX, 3e7, 4e6),
                (nic::TX, 3e7, 4e6),
                (node::IB_RX, 2.4e8, 3e7),
                (node::IB_TX, 2.4e8, 3e7),
                (node::DISK_READ, 90_000.0, 30_000.0),
                (node::PSI_CPU, 12.0, 3.0),
                (node::PSI_IO, 6.0, 3.0),
            ]
        } else {
            vec![
                (gpu::UTIL, 0.0, 0.0),
                (gpu::POWER, 140.0, 1.2),
                (gpu::ENERGY, 5e7 + 0.7 * t, 0.2),
                (gpu::TEMP, 31.0, 0.55),
                (gpu::TEMP_MEM, 38.0, 0.52),
                (gpu::CLOCK_SM, 345.0, 0.0),
                (gpu::MEM_USED, 4.0, 0.0),
            ]
        };
        for (metric, middle, spread) in gpus {
            self.vary(metric, middle, spread);
        }
        Sample {
            time: Time::from_millis(1_795_442_671_250 + second * 1000),
            generation: 3,
            values: self.values.clone(),
        }
    }
}

/// Mean bytes of a frame over a minute with keyframes, share of the cells that changed, and bytes per change.
fn measure(busy: bool) -> (f64, f64, f64) {
    let mut node = Node::new(busy);
    let mut encoder = Encoder::new();
    let (mut bytes, mut changes, mut cells) = (0, 0, 0);
    let mut before = node.step(0);
    encoder.encode(&before, false);
    for second in 1..=60 {
        let sample = node.step(second);
        let pairs = before.values.cells().iter().zip(sample.values.cells());
        changes += pairs.filter(|(old, new)| old != new).count();
        cells += sample.values.cells().len();
        let message = crate::wire::Message::Sample(encoder.encode(&sample, false));
        let mut out = bytes::BytesMut::new();
        crate::wire::Codec::append(crate::wire::Frame { channel: 3, message }, &mut out).unwrap();
        bytes += out.len();
        before = sample;
    }
    (bytes as f64 / 60.0, changes as f64 / cells as f64, bytes as f64 / changes as f64)
}

#[test]
fn a_node_of_eight_gpus_stays_within_its_bytes() {
    let cells = Values::new(8, 9).cells().len() as f64;
    for (name, busy, budget) in [("busy", true, 300.0), ("idle", false, 100.0)] {
        let (bytes, share, per_change) = measure(busy);
        println!(
            "{name}: {bytes:.0} B per report with length, header and keyframes, {:.0} % of {cells} values changed, \
             {:.2} B per value, {per_change:.2} B per change",
            share * 100.0,
            bytes / cells,
        );
        assert!(bytes <= budget, "{name}: {bytes} B");
        assert!(bytes / cells <= 1.5, "{name}: {} B per value", bytes / cells);
    }
}

#[test]
fn a_keyframe_of_nothing_is_next_to_nothing() {
    let sample = |raw: Raw| {
        let mut values = Values::new(8, 9);
        fill(&mut values, |_, _| raw);
        Encoder::new().encode(&Sample { time: Time::default(), generation: 0, values }, true).payload.len()
    };
    let rows: usize = counts().iter().sum();
    assert!(sample(Raw::UNKNOWN) <= rows / 4 + 1, "one or two bits per metric, whatever the number of GPUs");
    assert!(sample(Raw::UNSUPPORTED) <= rows * 2, "{}", sample(Raw::UNSUPPORTED));
}
