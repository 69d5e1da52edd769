//! What is copied beside names: rows as JSON, and what drains their nodes.

use serde_json::Value;

use super::*;
use crate::model::question::{Complaint, Reply};

fn json(stage: &mut Stage) -> Vec<Value> {
    let text = stage.copied.take().expect("something was copied");
    serde_json::from_str::<Vec<Value>>(&text).expect("an array")
}

fn notice(stage: &Stage) -> &str {
    stage.app.notice().unwrap_or_default()
}

#[test]
fn marked_rows_are_copied_as_json_wherever_they_are() {
    let mut stage = stage();
    stage.press("2 < Y");
    let one = json(&mut stage);
    assert_eq!((one.len(), &one[0]["node"]), (1, &Value::from("gpu001")), "the one under the cursor");
    assert!(one[0]["gpu.power"].is_number() && one[0].get("node.gpus.expected").is_none(), "what is shown: {one:?}");
    assert!(notice(&stage).starts_with("copied 1 nodes as JSON, "), "{}", notice(&stage));
    // Those that are marked, though the last is far away and none fits the filter.
    stage.press("space space G space");
    stage.press("/");
    stage.write("zzz");
    stage.press("enter Y");
    let nodes: Vec<Value> = json(&mut stage).iter().map(|row| row["node"].clone()).collect();
    assert_eq!(nodes, ["gpu001", "gpu002", "gpu256"]);
    assert!(stage.app.questions().iter().all(|it| !it.query.contains("limit 10000")), "it is asked once");
    // Marks of nodes are none of GPUs, and a GPU is found among those of its node.
    stage.press("3 Y");
    assert!(stage.copied.is_none() && notice(&stage).contains("is among these gpus"), "{}", notice(&stage));
    stage.press("U space");
    stage.press(": c o p y space j s o n enter");
    let gpus = json(&mut stage);
    assert!(gpus.len() == 1 && gpus[0]["index"].is_string() && gpus[0]["gpu.util"].is_number(), "{gpus:?}");
    stage.press("U 4 Y");
    let jobs = json(&mut stage);
    assert_eq!((jobs.len(), jobs[0]["job"].as_str()), (1, stage.app.screen().subject().as_deref()));
    stage.press("? Y");
    assert!(notice(&stage).contains("nothing to copy"), "{}", notice(&stage));
}

#[test]
fn marked_nodes_are_copied_as_the_command_that_drains_them() {
    let mut stage = stage();
    stage.press("2 < space space 3 D");
    let copied = stage.copied.take().expect("a command");
    assert_eq!(copied, "scontrol update nodename='gpu[001-002]' state=drain reason=\"supertop: unhealthy\"");
    assert!(notice(&stage).starts_with("copied scontrol"), "{}", notice(&stage));
    // Of a GPU under the cursor its node, with why; one that is drained already is not drained again.
    stage.press("U : g p u s space w h e r e space n o d e = g p u 1 2 1 enter");
    stage.press(": c o p y space d r a i n enter");
    let copied = stage.copied.take().expect("a command");
    assert!(copied.starts_with("scontrol update nodename=gpu121 state=drain reason=\"supertop: "), "{copied}");
    assert!(copied.contains("93 °C"), "{copied}");
    stage.press(": n o d e space g p u 0 1 7 enter D");
    assert!(stage.copied.is_none() && notice(&stage).contains("drained already"), "{}", notice(&stage));
    stage.press("4 D");
    assert!(stage.copied.is_none() && notice(&stage).contains("none of them is a node"), "{}", notice(&stage));
}

#[test]
fn without_a_scheduler_it_is_said_that_there_is_no_command() {
    let mut stage = stage();
    stage.hub.has_scheduler = false;
    stage.press("2 D");
    assert!(stage.copied.is_none(), "no node's pods were given GPUs");
    assert!(notice(&stage).contains("no drain command without a scheduler"), "{}", notice(&stage));
    let commands = BTreeMap::from([("drain".to_owned(), vec!["our-drain {node}".to_owned()])]);
    let mut stage = Stage::with(Settings { commands, ..settings() }, 256, 8, (120, 40));
    stage.hub.has_scheduler = false;
    stage.press("2 < D");
    assert_eq!(stage.copied.take().as_deref(), Some("our-drain gpu001"));
}

#[test]
fn what_the_hub_does_not_answer_is_not_copied() {
    let mut stage = stage();
    let ask = |stage: &mut Stage| {
        let key = KeyEvent::new(KeyCode::Char('Y'), KeyModifiers::NONE);
        stage.app.update(Input::Key(key), stage.hub.now);
        stage.app.questions().into_iter().find(|it| it.query.contains("limit 10000")).expect("a question")
    };
    stage.press("2");
    let question = ask(&mut stage);
    let complaint = Complaint { message: "too many rows".into(), ..Complaint::default() };
    let reply = Reply { slot: question.slot, query: question.query, answer: Err(complaint) };
    stage.app.update(Input::News(News::Reply(Box::new(reply))), stage.hub.now);
    assert_eq!(notice(&stage), "nothing was copied: too many rows");
    let question = ask(&mut stage);
    let late = Time::from_millis(stage.hub.now.as_millis() + 10_000);
    stage.app.update(Input::Tick, late);
    assert_eq!(notice(&stage), "the hub does not answer: nothing was copied");
    stage.hear(&question);
    assert_eq!(stage.copied, None);
}

#[test]
fn an_incident_without_a_command_says_so() {
    let mut stage = stage();
    stage.press(": i n c i d e n t s enter G enter");
    assert!(stage.press("y").copy.is_some_and(|it| it.starts_with("scontrol ")));
    stage.hub.has_scheduler = false;
    stage.second();
    let copied = stage.press("y").copy.expect("its subject");
    assert_eq!(notice(&stage), format!("copied {copied}: no command without a scheduler; [commands] can give one"));
}
