//! The views that a person saved.

use super::*;

const SIZE: (u16, u16) = (120, 40);

fn stage() -> Stage {
    Stage::new(256, 8, SIZE)
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
    let wrong = Settings { views: vec![("x".into(), "gpuss where temp > 80".into())], ..settings() };
    let Err(problem) = App::new(wrong, SIZE, stage.hub.now) else { panic!("it has a mistake") };
    assert!(problem.to_string().starts_with("view x: "), "{problem}");
}

#[test]
fn each_of_nine_places_has_its_key() {
    let views = (1..=9).map(|n| (format!("v{n}"), format!("gpus where temp > {}", 80 + n))).collect();
    let mut stage = Stage::with(Settings { views, ..settings() }, 256, 8, SIZE);
    for n in [1, 2, 3, 4, 5, 6, 7, 8, 9] {
        stage.press("1");
        stage.press(&format!("alt-{n}"));
        assert!(stage.screen().contains(&format!("· where temp > {} ", 80 + n)), "{n}: {}", stage.screen());
    }
}
