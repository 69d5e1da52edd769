//! What the screens look like.

use super::*;

fn ansi(buffer: &Buffer) -> String {
    use ratatui::backend::Backend;
    let area = buffer.area;
    let mut out = String::new();
    for y in 0..area.height {
        let mut paper = crate::tui::terminal::Paper::new(Vec::new(), (area.width, 1));
        let line = (0..area.width).map(|x| (x, 0, buffer.cell((x, y)).unwrap()));
        paper.draw(line.filter(|(x, _, _)| *x == 0 || unicode_width::UnicodeWidthStr::width(buffer.cell((*x - 1, y)).unwrap().symbol()) < 2)).unwrap();
        paper.flush().unwrap();
        let text = String::from_utf8(std::mem::take(paper.out())).unwrap();
        let text = text.replace("\x1b[?2026h", "").replace("\x1b[?2026l", "").replace("\x1b[1;1H", "");
        out.push_str(&text);
        out.push_str("\x1b[0m\n");
    }
    out
}

#[test]
fn look() {
    let Ok(dir) = std::env::var("LOOK") else { return };
    let save = |name: &str, stage: &Stage| {
        let (w, h) = stage.app.shared().size;
        std::fs::write(format!("{dir}/{name}-{w}x{h}.ans"), ansi(&stage.buffer())).unwrap();
    };
    for size in [(200, 50), (80, 24), (120, 40)] {
        let mut stage = Stage::new(256, 8, size);
        save("overview", &stage);
        stage.press("m");
        save("overview-util", &stage);
        stage.press("2");
        stage.press("j j");
        save("nodes", &stage);
        stage.press("s");
        save("nodes-s", &stage);
        stage.press("esc 3");
        save("gpus", &stage);
        stage.press("4");
        save("racks", &stage);
        stage.press("enter enter");
        save("rack-node", &stage);
        stage.press("enter");
        save("gpu", &stage);
        stage.press("5");
        save("processes", &stage);
        stage.press("7");
        save("events", &stage);
        stage.press("2 /");
        stage.write("tmep > 85");
        save("filter", &stage);
        stage.press("esc ?");
        save("help", &stage);
        let mut stage = Stage::new(1, 0, size);
        save("single", &stage);
        stage.press("enter");
        save("process", &stage);
        let mut stage = Stage::with(Settings { theme: "light".into(), ..settings() }, 256, 8, size);
        save("light", &stage);
        stage.press("2");
        save("light-nodes", &stage);
        for (name, depth, symbols) in [("mono", Depth::Mono, Symbols::Ascii), ("sixteen", Depth::Sixteen, Symbols::Block), ("indexed", Depth::Indexed, Symbols::Braille)] {
            let mut stage = Stage::with(Settings { depth, symbols, ..settings() }, 256, 8, size);
            save(name, &stage);
            stage.press("2 j");
            save(&format!("{name}-nodes"), &stage);
        }
    }
}
