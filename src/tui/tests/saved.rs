//! The views that a person saved, in the configuration or with a key.

use super::*;
use crate::tui::prompt::Prompt;

fn notice(stage: &Stage) -> &str {
    stage.app.notice().unwrap_or_default()
}

#[test]
fn saved_views_are_gone_to_by_name_and_by_place() {
    let mut stage = stage();
    stage.press("alt-1");
    assert!(stage.screen().contains("· where temp > 80"), "{}", stage.screen());
    stage.press("1 alt-2");
    assert!(stage.screen().contains("no view 2 is saved"), "{}", stage.screen());
    stage.write(":hot");
    stage.press("enter");
    assert!(stage.screen().contains("· where temp > 80"), "{}", stage.screen());
}

#[test]
fn a_view_with_a_mistake_is_told_and_keeps_its_place() {
    let views =
        ["gpuss where temp > 80", "gpus where temp > 80"].map(|query| (query[..5].to_owned(), query.to_owned()));
    let wrong = Settings { views: views.into(), ..settings() };
    let doubt = |query: &str| query.contains("temp").then(|| "no temp".to_owned());
    let told = wrong.wrong_views(doubt);
    let [(0, view), (1, key)] = &told[..] else { panic!("{told:?}") };
    assert!(view.contains("did you mean gpus?") && key == "no temp", "{told:?}");
    let mut stage = Stage::with(wrong, 256, 8, SIZE);
    stage.press("alt-2");
    assert!(stage.screen().contains("· where temp > 80"), "{}", stage.screen());
    stage.press("alt-1");
    assert!(stage.screen().contains("did you mean gpus?"), "{}", stage.screen());
    assert_eq!(stage.app.prompt().map(Prompt::text), Some("gpuss where temp > 80"), "to be mended there");
}

#[test]
fn an_empty_line_does_nothing_though_a_view_has_no_name() {
    let views = vec![(String::new(), "gpus where temp > 80".to_owned())];
    let mut stage = Stage::with(Settings { views, ..settings() }, 256, 8, SIZE);
    for keys in [": enter", ": space enter"] {
        stage.press(keys);
        assert_eq!((trail(&stage).as_str(), stage.app.prompt().is_some()), ("overview", false), "{keys}");
    }
    stage.press("alt-1");
    assert_eq!(trail(&stage), "gpus");
}

#[test]
fn what_was_saved_is_forgotten_by_its_name() {
    let mut stage = stage();
    for name in ["warm ones", "others"] {
        stage.press("3");
        stage.write(&format!(":save {name}"));
        stage.press("enter");
    }
    stage.write(":forget wa");
    stage.press("tab");
    assert_eq!(stage.app.prompt().map(|prompt| prompt.text().trim_end()), Some("forget warm ones"));
    stage.press("enter");
    assert_eq!(notice(&stage), "warm ones is forgotten");
    assert_eq!(stage.app.shared().habits.saved().map(|(name, _)| name).collect::<Vec<_>>(), ["others"]);
    for (name, said) in [("hot", "hot is a view of the configuration, and stays"), ("cold", "no view is saved as cold")]
    {
        stage.write(&format!(":forget {name}"));
        stage.press("enter");
        assert_eq!(notice(&stage), said);
    }
}

/// The keys of the saved views.
pub(super) const PLACES: [&str; 9] = ["alt-1", "alt-2", "alt-3", "alt-4", "alt-5", "alt-6", "alt-7", "alt-8", "alt-9"];

#[test]
fn each_of_nine_places_has_its_key() {
    let views = (1..=9).map(|n| (format!("v{n}"), format!("gpus where temp > {}", 80 + n))).collect();
    let mut stage = Stage::with(Settings { views, ..settings() }, 256, 8, SIZE);
    for (key, n) in PLACES.into_iter().zip(81..) {
        stage.press("1");
        stage.press(key);
        assert!(stage.screen().contains(&format!("· where temp > {n} ")), "{key}: {}", stage.screen());
    }
}

#[test]
fn what_is_on_screen_is_saved_under_a_name_and_is_there_the_next_time() {
    let mut stage = stage();
    stage.press("3 / g p u 1 enter : s o r t space - t e m p enter");
    let before = stage.screen();
    stage.press("ctrl-s");
    assert_eq!(stage.app.prompt().map(|prompt| prompt.text().to_owned()).as_deref(), Some("save "));
    stage.write("warm ones");
    stage.press("enter");
    assert_eq!(notice(&stage), "saved; :warm ones or alt-2 goes there", "hot, of the configuration, is first");
    let body = |stage: &Stage| stage.screen().lines().skip(2).take(37).map(str::to_owned).collect::<Vec<_>>();
    let saved: Vec<String> = before.lines().skip(2).take(37).map(str::to_owned).collect();
    stage.press("1 alt-2");
    assert_eq!((trail(&stage), body(&stage)), ("gpus".into(), saved.clone()));
    stage.press("1");
    stage.write(":warm ones");
    stage.press("enter");
    assert_eq!((trail(&stage), body(&stage)), ("gpus".into(), saved.clone()));
    let habits = crate::tui::Habits::from_toml(&stage.app.shared().habits.to_toml()).expect("what was written");
    let mut again = Stage::with(Settings { habits, ..settings() }, 256, 8, SIZE);
    again.press("alt-2");
    assert_eq!(body(&again), saved);
    again.press("1");
    again.write(":war");
    again.press("tab enter");
    assert_eq!(body(&again), saved, "its name is completed");
}

#[test]
fn faults_and_places_are_saved_with_the_view() {
    let mut stage = stage();
    stage.press("5 enter !");
    stage.write(":save sick");
    stage.press("enter 1");
    stage.write(":sick");
    stage.press("enter");
    let screen = stage.screen();
    assert!(trail(&stage) == "nodes" && screen.contains("gpu017"), "{screen}");
    assert!(!screen.contains("gpu099") && !screen.contains("gpu001"), "of that rack, and faulty only: {screen}");
    for (keys, name) in [("2 < enter", "gpu001"), ("2 < enter enter", "gpu001:0"), ("4 enter", "job 4712")] {
        stage.press(keys);
        stage.write(":save one");
        stage.press("enter 1");
        stage.write(":one");
        stage.press("enter");
        assert_eq!(trail(&stage), format!("overview › {name}"), "{keys}");
    }
    stage.write(":bench");
    stage.press("enter");
    let bench = stage.screen();
    stage.write(":save one");
    stage.press("enter 1 alt-3");
    assert_eq!(trail(&stage), "bench");
    assert_eq!(stage.screen().lines().nth(3), bench.lines().nth(3));
}

#[test]
fn a_name_that_means_something_else_is_not_taken() {
    let mut stage = stage();
    stage.press("3");
    let saved = |stage: &Stage| stage.app.shared().habits.saved().count();
    for (line, said) in [
        (":save hot", "the configuration has a view hot; give this one another name"),
        (":save gpus", "gpus is a command; give the view another name"),
        (":save quit", "quit is a command; give the view another name"),
    ] {
        stage.write(line);
        stage.press("enter");
        assert_eq!((notice(&stage), saved(&stage)), (said, 0), "{line}");
    }
    stage.press("alt-1");
    assert!(stage.screen().contains("· where temp > 80"), "{}", stage.screen());
    stage.press("? ctrl-s");
    assert_eq!(notice(&stage), "nothing to save here");
    assert!(stage.app.prompt().is_none());
}
