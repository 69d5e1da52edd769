//! The views that a person saved.

use super::*;

#[test]
fn saved_views_are_gone_to_by_name_and_by_place() {
    let mut stage = Stage::new(256, 8, (120, 40));
    let alt = |stage: &mut Stage, c: char| {
        let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::ALT);
        stage.app.update(Input::Key(key), stage.hub.now);
        stage.settle();
    };
    alt(&mut stage, '1');
    assert!(stage.screen().contains("· where temp > 80"), "{}", stage.screen());
    stage.press("1");
    alt(&mut stage, '2');
    assert!(stage.screen().contains("no view 2 is saved"), "{}", stage.screen());
    stage.press(":");
    stage.write("hot");
    stage.press("enter");
    assert!(stage.screen().contains("· where temp > 80"), "{}", stage.screen());
    let wrong = Settings { views: vec![("x".into(), "gpuss where temp > 80".into())], ..settings() };
    let Err(problem) = App::new(wrong, (120, 40), stage.hub.now) else { panic!("it has a mistake") };
    assert!(problem.to_string().starts_with("view x: "), "{problem}");
}
