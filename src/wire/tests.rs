//! Frames and messages: round trips, limits, torn and hostile input, and one small buffer for a stream of samples.

use bytes::{BufMut, BytesMut};
use proptest::prelude::*;
use tokio_util::codec::Decoder as _;

use super::*;
use crate::model::{
    Raw, Scope, State, Time, Unit,
    incident::{Remark, Verb},
    metric::{Direction, Kind, gpu},
    place::Label,
    question::{Answer, Complaint},
    raw::Gap,
    report::{
        Container, Event, EventKind, Fault, Gpu, GpuUse, Grant, Introduction, Inventory, Mount, Nic, Process,
        Processes, Sample, Subject, Values, Workload,
    },
    series::{Line, Series},
    state::{Census, Scheduler},
    table::{Cell, Column, Row, Table},
};

fn bytes_of(message: Message) -> BytesMut {
    let mut bytes = BytesMut::new();
    Codec::append(Frame { channel: 5, message }, &mut bytes).unwrap();
    bytes
}

fn decode(bytes: &[u8]) -> Result<Option<Frame>, CodecError> {
    Codec::new().decode(&mut BytesMut::from(bytes))
}

#[track_caller]
fn comes_back(message: Message) {
    let mut bytes = bytes_of(message.clone());
    let frame = Codec::viewer().decode(&mut bytes).unwrap().unwrap();
    assert_eq!(frame, Frame { channel: 5, message });
    assert!(bytes.is_empty());
}

/// A frame around the bytes of a protobuf message.
fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = (message.len() as u32).to_be_bytes().to_vec();
    bytes.extend(message);
    bytes
}

fn hello() -> Hello {
    Hello::agent(Introduction {
        node: "gpu017".into(),
        boot_id: "b0".into(),
        agent: "0.1.0".into(),
        started: Time::from_millis(1_795_442_671_250),
        interval_ms: 1000,
    })
}

fn inventory() -> Inventory {
    let whole = Gpu { index: "0".into(), uuid: "GPU-1".into(), numa: Some(0), mig: "on".into(), ..Gpu::default() };
    let part = Gpu { index: "0.0".into(), parent: Some(0), ..Gpu::default() };
    Inventory {
        generation: 3,
        os: "Debian GNU/Linux 13".into(),
        labels: vec![Label { key: "rack".into(), value: "r12".into() }],
        gpus_on_bus: Some(8),
        gpus: vec![whole, part],
        nics: vec![Nic { name: "mlx5_0".into(), kind: "infiniband".into(), bus: "0000:0c:00.0".into(), gpu: Some(0) }],
        notes: vec!["/dev/kmsg: permission denied".into()],
        faults: vec![Fault { gpu: None, metric: "node.psi.cpu".into(), reason: "no such file".into() }],
        ..Inventory::default()
    }
}

fn processes() -> Processes {
    let uses = vec![GpuUse { slot: 0, mem: Some(0), sm: Some(100) }, GpuUse { slot: 7, mem: None, sm: None }];
    let process = Process {
        pid: 4711,
        user: "ann".into(),
        name: "python train.py".into(),
        state: Some('R'),
        cpu: Some(99.7),
        mem: Some(u64::MAX),
        started: Some(Time::from_millis(-1)),
        gpus: uses,
        workload: Workload {
            job: "4711".into(),
            step: "batch".into(),
            pod: "8c4d1f2e-9a3b-4c5d-8e7f-0a1b2c3d4e5f".into(),
            container: "3f1c".repeat(16),
        },
    };
    let mount = Mount { path: "/".into(), state: "hung".into(), used: Some(0.0), ..Mount::default() };
    Processes {
        time: Time::from_millis(7),
        list: vec![process, Process::default()],
        cores: vec![0, 100],
        mounts: vec![mount],
        grants: Some(vec![Grant {
            id: "ml/llama".into(),
            name: "llama".into(),
            account: "ml".into(),
            partition: "research".into(),
            slots: vec![0, 63],
            user: "ann".into(),
            containers: vec![Container { name: "llama-0/main".into(), slots: vec![0, 63] }],
        }]),
    }
}

fn event(subject: Subject, kind: EventKind) -> Event {
    Event { id: "b0:17".into(), time: Time::from_millis(9), subject, kind, text: "NVRM: Xid".into() }
}

fn column(key: &str, kind: Option<Kind>) -> Column {
    let unit = kind.map(|_| Unit::Celsius);
    Column { key: key.into(), title: "T".into(), width: 6, unit, kind, direction: Direction::HighIsBad }
}

fn census() -> Census {
    Census {
        up: 5,
        stale: 4,
        down: 3,
        missing: 2,
        gpus: 40,
        history: Some(Time::from_millis(1_800_000_000_000)),
        drops: vec![("oversized frame".into(), 2)],
        scheduler: Some(Scheduler {
            name: "slurm".into(),
            heard: Some(Time::from_millis(9)),
            problem: "late".into(),
            strangers: "gpu404".into(),
        }),
    }
}

fn table() -> Table {
    let throttle = Kind::Flags(gpu::THROTTLE_REASONS);
    let row = |n: u32| Row {
        id: format!("gpu{n}:0"),
        state: State::Stale,
        cells: vec![Cell::Number(0.5), Cell::Flags(vec!["power_cap".into()]), Cell::Gap(Gap::Unknown)],
    };
    Table {
        query: "gpus".into(),
        time: Time::from_millis(5),
        total: 500_000,
        stale: 3,
        offset: 250_000,
        columns: vec![
            column("gpu.temp", Some(Kind::Gauge)),
            column("gpu.throttle", Some(throttle)),
            column("node", None),
        ],
        rows: (0..50).map(row).collect(),
        census: census(),
    }
}

#[test]
fn every_message_comes_back() {
    comes_back(Message::from(hello()));
    comes_back(Message::from(Hello::of(Role::Hub, "")));
    comes_back(Message::from(inventory()));
    comes_back(Message::Processes(processes()));
    for subject in [
        Subject::Node,
        Subject::Gpu { bus: "0000:9b:00.0".into() },
        Subject::Nic { name: "mlx5_0".into() },
        Subject::Switch { bus: "0000:07:00.0".into() },
    ] {
        for kind in [EventKind::Xid(79), EventKind::Sxid(12028), EventKind::Link { up: false }, EventKind::Boot] {
            comes_back(Message::Event(event(subject.clone(), kind)));
        }
    }
    comes_back(Message::Event(event(Subject::Node, EventKind::Link { up: true })));
    comes_back(Message::Ack(vec!["b0:17".into(), "b0:18".into()]));
    comes_back(Message::Ask(Ask { slot: 3, query: "gpus where temp > 85".into() }));
    for verb in [Verb::Acknowledge, Verb::Silence(std::time::Duration::from_hours(1)), Verb::Reopen] {
        let remark = Remark { incident: 17, verb, text: "waits for RMA".into(), by: "ops".into() };
        comes_back(Message::Say(Box::new(Say { slot: 4, remark })));
    }
    comes_back(Message::Refuse("too old".into()));
    comes_back(Message::Bye);
}

#[test]
fn every_answer_comes_back() {
    let reply = |answer| Message::from(Reply { slot: 3, query: "gpus".into(), answer });
    comes_back(reply(Ok(Answer::Table(table()))));
    comes_back(reply(Ok(Answer::Table(Table::default()))));
    let line = Line {
        id: "gpu017:3".into(),
        column: column("gpu.pstate", Some(Kind::Code)),
        values: vec![Some(1.5), None, Some(-3.0)],
    };
    comes_back(reply(Ok(Answer::Series(Series {
        query: "gpus over 10m".into(),
        time: Time::from_millis(60_000),
        start: Time::from_millis(0),
        step: std::time::Duration::from_secs(10),
        total: 1,
        lines: vec![line],
        census: census(),
    }))));
    comes_back(reply(Err(Complaint { message: "no such key".into(), at: 5, len: 4 })));
}

#[test]
fn samples_come_back() {
    let mut encoder = sample::Encoder::new();
    let mut values = Values::new(8, 2);
    for n in 0..3 {
        values.row_mut(gpu::TEMP).fill(Raw::new(f64::from(60 + n), 1.0));
        let time = Time::from_millis(i64::from(n));
        comes_back(Message::Sample(encoder.encode(&Sample { time, generation: 2, values: values.clone() }, false)));
    }
}

#[test]
fn half_a_million_rows_fit_in_one_answer() {
    let bytes = bytes_of(Message::from(Reply {
        slot: 0,
        query: String::new(),
        answer: Ok(Answer::Table(Table {
            columns: (0..12).map(|n| column(&format!("k{n}"), None)).collect(),
            rows: (0..1000u32)
                .map(|n| Row {
                    id: format!("gpu{:05}:3", n + 10_000),
                    state: State::Up,
                    cells: [
                        vec![Cell::Text(format!("gpu{:05}", n + 10_000)), Cell::Text("3".into())],
                        vec![Cell::Number(402.5); 4],
                        vec![Cell::Number(97.0); 6],
                    ]
                    .concat(),
                })
                .collect(),
            ..Table::default()
        })),
    }));
    println!("{} B per row of 12 columns", bytes.len() / 1000);
    assert!(bytes.len() * 500 < ANSWER_LIMIT);
}

#[test]
fn peers_that_speak_something_else_are_named() {
    let check = |bytes: &[u8], words: &str| {
        let error = decode(bytes).expect_err(words);
        assert!(error.to_string().contains(words), "{error}");
        assert!(!error.to_string().contains(|c: char| c.is_control()), "{error:?}");
    };
    check(b"GET / HTTP/1.1\r\nHost: head:7077\r\n\r\n", "HTTP");
    check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP");
    check(b"HTTP/1.1 400 Bad Request\r\n", "HTTP");
    check(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], "TLS");
    check(b"SSH-2.0-OpenSSH_10.0\r\n", "SSH");
    check(&[0xff, 0xfe, 0x1b, 0x5b, 0, 0], "not a supertop frame");
    check(&((LIMIT as u32 + 1).to_be_bytes()), "frame of 1048577 bytes exceeds the limit of 1048576");
    check(&framed(&[0xff; 40]), "not a supertop frame");
    check(&framed(b"\x12\x05ab"), "not a supertop frame");
}

#[test]
fn answers_may_be_larger_than_reports_but_not_without_limit() {
    let len = LIMIT as u32 + 1;
    assert!(Codec::viewer().decode(&mut BytesMut::from(&len.to_be_bytes()[..])).unwrap().is_none());
    let len = ANSWER_LIMIT as u32 + 1;
    assert!(Codec::viewer().decode(&mut BytesMut::from(&len.to_be_bytes()[..])).is_err());
    let long = Message::Refuse("x".repeat(LIMIT));
    let mut out = BytesMut::new();
    assert!(matches!(Codec::append(Frame::of(long), &mut out), Err(CodecError::Oversize { .. })));
    assert!(out.is_empty(), "a frame that cannot be sent leaves nothing behind");
}

#[test]
fn a_newer_peers_messages_and_fields_are_passed_over() {
    let mut codec = Codec::new();
    let mut bytes = BytesMut::new();
    // A message with tag 200, then a Bye of channel 5 with a field 99 in the frame.
    bytes.extend(framed(&[0xc2, 0x0c, 2, 0xaa, 0xbb]));
    bytes.extend(framed(&[8, 5, 0x5a, 0, 0x98, 6, 1]));
    let frame = codec.decode(&mut bytes).unwrap().unwrap();
    assert_eq!(frame, Frame { channel: 5, message: Message::Bye });
    assert_eq!(codec.ignored(), 1);
    // An event of kind 77: not acknowledged, not an error.
    let newer = proto::Event { id: "b0:1".into(), subject: 1, kind: 77, ..proto::Event::default() };
    let frame = proto::Frame { channel: 0, body: Some(proto::Body::Event(newer)) };
    assert!(codec.decode(&mut BytesMut::from(&framed(&prost::Message::encode_to_vec(&frame))[..])).unwrap().is_none());
    assert_eq!(codec.ignored(), 2);
}

#[test]
fn a_torn_frame_waits_for_its_rest_and_an_end_within_it_is_an_error() {
    let whole = bytes_of(Message::from(inventory()));
    let mut codec = Codec::new();
    let mut bytes = BytesMut::new();
    for byte in &whole[..whole.len() - 1] {
        bytes.put_u8(*byte);
        assert!(codec.decode(&mut bytes).unwrap().is_none());
    }
    assert!(Codec::new().decode_eof(&mut bytes.clone()).is_err());
    bytes.put_u8(whole[whole.len() - 1]);
    assert!(codec.decode(&mut bytes).unwrap().is_some());
    assert!(codec.decode_eof(&mut bytes).unwrap().is_none());
}

#[test]
fn an_announced_length_is_not_believed_before_it_comes() {
    let mut bytes = BytesMut::with_capacity(INITIAL_BUFFER);
    bytes.extend((LIMIT as u32).to_be_bytes());
    assert!(Codec::new().decode(&mut bytes).unwrap().is_none());
    assert!(bytes.capacity() <= 4 * INITIAL_BUFFER, "{}", bytes.capacity());
}

#[test]
fn a_stream_of_samples_uses_one_buffer_again_and_again() {
    let mut encoder = sample::Encoder::new();
    let mut codec = Codec::new();
    let mut bytes = BytesMut::with_capacity(INITIAL_BUFFER);
    let mut seen = std::collections::HashSet::new();
    for n in 0..200 {
        let mut values = Values::new(8, 2);
        values.row_mut(gpu::POWER).fill(Raw::new(f64::from(n), 1.0));
        let sample = Sample { time: Time::from_millis(n.into()), generation: 0, values };
        bytes.extend_from_slice(&bytes_of(Message::Sample(encoder.encode(&sample, n % 7 == 0))));
        let Some(Frame { message: Message::Sample(encoded), .. }) = codec.decode(&mut bytes).unwrap() else {
            panic!("a sample was sent");
        };
        seen.insert(encoded.payload.as_ptr() as usize / (2 * INITIAL_BUFFER));
        drop(encoded);
        assert!(codec.decode(&mut bytes).unwrap().is_none());
    }
    assert!(seen.len() <= 2, "payloads lie in {} places", seen.len());
}

#[test]
fn a_large_frame_leaves_a_small_buffer() {
    let mut codec = Codec::new();
    let mut bytes = BytesMut::with_capacity(INITIAL_BUFFER);
    let notes = vec!["x".repeat(1000); 60];
    let large = bytes_of(Message::from(Inventory { notes, ..Inventory::default() }));
    let mut got = None;
    for piece in large.chunks(1000) {
        bytes.extend_from_slice(piece);
        got = codec.decode(&mut bytes).unwrap();
    }
    assert!(got.is_some());
    assert!(codec.decode(&mut bytes).unwrap().is_none());
    assert!(bytes.capacity() <= 2 * INITIAL_BUFFER, "{}", bytes.capacity());
}

#[test]
fn more_than_anything_real_is_refused() {
    let refused = |message: Message, words: &str| {
        let error = decode(&bytes_of(message)).expect_err(words);
        assert!(matches!(error, CodecError::Decode(_)), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    };
    let gpus = |n| Message::from(Inventory { gpus: vec![Gpu::default(); n], ..Inventory::default() });
    assert!(decode(&bytes_of(gpus(64))).is_ok());
    refused(gpus(65), "GPUs: more than 64");
    refused(gpus(577), "more than 576");
    refused(gpus(100_000), "fields");
    let instances = |n| {
        let mut gpus = vec![Gpu::default(); 64];
        gpus.extend(vec![Gpu { parent: Some(3), ..Gpu::default() }; n]);
        Message::from(Inventory { gpus, ..Inventory::default() })
    };
    assert!(decode(&bytes_of(instances(512))).is_ok());
    refused(instances(513), "more than 576");
    let nics = Inventory { nics: vec![Nic::default(); 257], ..Inventory::default() };
    refused(Message::from(nics), "NICs: more than 256");
    let list = |n| Message::Processes(Processes { list: vec![Process::default(); n], ..Processes::default() });
    assert!(decode(&bytes_of(list(4096))).is_ok());
    refused(list(4097), "processes: more than 4096");
    let grants = |grants| Message::Processes(Processes { grants: Some(grants), ..Processes::default() });
    assert!(decode(&bytes_of(grants(vec![Grant::default(); 1024]))).is_ok());
    refused(grants(vec![Grant::default(); 1025]), "jobs that were given GPUs: more than 1024");
    refused(grants(vec![Grant { slots: vec![576], ..Grant::default() }]), "GPU slot of a job");
    refused(grants(vec![Grant { slots: vec![0; 577], ..Grant::default() }]), "GPUs of a job: more than 576");
    let containers = |all: Vec<Container>| grants(vec![Grant { containers: all, ..Grant::default() }]);
    refused(containers(vec![Container::default(); 1025]), "containers of a job: more than 1024");
    let slots = |slots| containers(vec![Container { slots, ..Container::default() }]);
    refused(slots(vec![576]), "GPU slot of a job");
    refused(slots(vec![0; 577]), "GPUs of a container: more than 576");
    let metrics = vec![Declared { scope: Scope::Gpu, key: "gpu.x".into(), unit: Unit::One, quantum: 1.0 }; 1025];
    refused(Message::from(Hello { metrics, ..hello() }), "metrics: more than 1024");
    refused(Message::Ask(Ask { slot: 0, query: "x".repeat(20_000) }), "query");
    refused(Message::Ack(vec!["a".into(); 4097]), "more than 4096");
    let slots = Encoded { keyframe: Some(Slots { gpus: 577, nics: 0 }), ..Encoded::default() };
    refused(Message::Sample(slots), "GPU slots");
}

#[test]
fn slots_point_into_the_inventory_that_they_come_with() {
    let refused = |change: fn(&mut Inventory)| {
        let mut inventory = inventory();
        change(&mut inventory);
        assert!(decode(&bytes_of(Message::from(inventory))).is_err());
    };
    refused(|i| i.nics[0].gpu = Some(2));
    refused(|i| i.gpus[1].parent = Some(2));
    refused(|i| i.faults[0].gpu = Some(2));
}

#[test]
fn names_are_refused_and_texts_are_made_harmless() {
    let mut bad = hello();
    bad.introduction.node = "gpu\u{1b}]0;x\u{7}".into();
    assert!(decode(&bytes_of(Message::from(bad))).is_err());
    let mut list = processes();
    list.list[0].name = "evil\u{1b}[2J".into();
    list.list[0].cpu = Some(f64::NAN);
    let Some(Frame { message: Message::Processes(list), .. }) = decode(&bytes_of(Message::Processes(list))).unwrap()
    else {
        panic!("processes were sent")
    };
    assert_eq!(list.list[0].name, "evil\u{fffd}[2J");
    assert_eq!(list.list[0].cpu, None, "what is not a number is unknown");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
        let _ = decode(&framed(&bytes));
        for tag in 2..12u8 {
            let mut inner = vec![tag << 3 | 2];
            prost::encoding::encode_varint(bytes.len() as u64, &mut inner);
            inner.extend(&bytes);
            let _ = decode(&framed(&inner));
        }
    }

    #[test]
    fn flipped_bits_never_panic(which in 0usize..5, flips in prop::collection::vec(any::<prop::sample::Index>(), 1..6)) {
        let mut bytes = match which {
            0 => bytes_of(Message::from(hello())),
            1 => bytes_of(Message::from(inventory())),
            2 => bytes_of(Message::Processes(processes())),
            3 => bytes_of(Message::from(Reply { slot: 0, query: "q".into(), answer: Ok(Answer::Table(table())) })),
            _ => bytes_of(Message::Event(event(Subject::Node, EventKind::Boot))),
        };
        for flip in flips {
            let bit = flip.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        let _ = Codec::viewer().decode(&mut bytes);
    }

    #[test]
    fn any_node_name_comes_back_or_is_refused(name: String) {
        let mut hello = hello();
        hello.introduction.node.clone_from(&name);
        if let Ok(Some(Frame { message: Message::Hello(hello), .. })) = decode(&bytes_of(Message::from(hello))) {
            prop_assert_eq!(&hello.introduction.node, &name);
            prop_assert!(!name.contains(|c: char| c.is_control()));
        }
    }
}
