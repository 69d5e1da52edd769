//! The frame that every screen has: where I am and how the fleet is, its totals, and what I can press here.
//! What must not be overlooked (frozen, link lost) takes the second line over, in words.

use jiff::Timestamp;
use ratatui::{buffer::Buffer, layout::Rect};

use crate::{
    model::{Unit, question::Link, state::Census, table::Cell, unit::grouped},
    tui::{
        action::Action,
        app::App,
        draw::{Pen, bar::spark, cut_end, cut_middle, symbols, width},
        keymap::Keys,
        prompt::{Kind, Prompt},
        screen::{Objection, Screen},
        shared::Shared,
        theme::Role,
    },
};

/// Draws everything. Says where the cursor is to be, while a line is being typed.
pub(crate) fn draw(app: &App, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let shared = app.shared();
    let area = buffer.area;
    let mut pen = Pen::new(buffer, area, &shared.look);
    pen.clear(Role::Base);
    let (wide, high) = (pen.width(), pen.height());
    if wide == 0 || high == 0 {
        return None;
    }
    header(&mut pen.part(0, 0, wide, 1), app);
    if high > 2 {
        let mut second = pen.part(0, 1, wide, 1);
        match banner(shared) {
            Some(words) => {
                second.clear(Role::Banner);
                second.text(1, 0, &cut_end(&words, wide.saturating_sub(2)), Role::Banner);
            }
            None => totals(&mut second, shared),
        }
    }
    if high > 3 {
        app.screen().draw(&mut pen.part(0, 2, wide, high - 3), shared);
    }
    let mut cursor = None;
    if let Some(prompt) = app.prompt().filter(|_| high > 1) {
        cursor = Some((prompt_line(&mut pen, prompt, app.screen()), high - 1));
    } else if high > 1 {
        footer(&mut pen.part(0, high - 1, wide, 1), app);
    }
    if shared.look.symbols == symbols::Symbols::Ascii {
        symbols::to_ascii(buffer);
    }
    cursor
}

/// Where I am at the left; how many nodes are how, and the time, at the right.
fn header(pen: &mut Pen<'_>, app: &App) {
    let shared = app.shared();
    pen.clear(Role::Header);
    let mut end = pen.width().saturating_sub(1);
    if pen.width() >= 50 {
        let time =
            Timestamp::from_millisecond(shared.now.as_millis()).map(|t| t.to_zoned_datetime(shared.zone.clone()));
        let clock = time.map_or_else(|_| String::new(), |t| t.strftime("%H:%M:%S").to_string());
        end = pen.right(end, 0, &clock, Role::Header).saturating_sub(3);
    }
    let counts = match (&shared.then, &shared.census) {
        // Nobody knows what kept a node from being up then.
        (Some(_), _) => shared.totals.was.map(|(up, other)| vec![up_of(up), (other, "⋯", "silent", Role::Stale)]),
        (None, census) => census.as_ref().map(now),
    };
    if let Some(counts) = counts {
        end = states(pen, end, &counts);
    }
    let room = end.saturating_sub(2);
    let mut x = 1;
    if room > 40 {
        x = pen.text(1, 0, app.title(), Role::HeaderHere) + 2;
    }
    let crumbs = app.crumbs();
    if crumbs.len() == 1 && room > x + tabs_width(app) {
        tabs(pen, x, app);
    } else {
        trail(pen, x, room, &crumbs);
    }
}

/// The views by their numbers, the present one bright.
fn tabs(pen: &mut Pen<'_>, mut x: u16, app: &App) {
    for (number, (name, here)) in app.tabs().into_iter().enumerate() {
        let role = if here { Role::HeaderHere } else { Role::HeaderCrumb };
        x = pen.text(x, 0, &format!("{} {name}", number + 1), role) + 2;
    }
}

/// The view whose name stands in this column of the header.
pub(crate) fn tab_at(app: &App, column: u16) -> Option<String> {
    let shared = app.shared();
    let mut line = Buffer::empty(Rect::new(0, 0, shared.size.0, 1));
    let area = line.area;
    header(&mut Pen::new(&mut line, area, &shared.look), app);
    let shown: Vec<&str> = line.content.iter().map(ratatui::buffer::Cell::symbol).collect();
    app.tabs().into_iter().zip(1..).map(|((name, _), number)| (format!("{number} {name}"), name)).find_map(
        |(tab, name)| {
            let long = usize::from(width(&tab));
            let start = (0..shown.len().saturating_sub(long)).find(|at| shown[*at..*at + long].concat() == tab)?;
            (start..start + long).contains(&usize::from(column)).then_some(name)
        },
    )
}

fn tabs_width(app: &App) -> u16 {
    app.tabs().iter().map(|(name, _)| width(name) + 4).sum()
}

/// The way here; its beginning gives way when it is too long.
fn trail(pen: &mut Pen<'_>, x: u16, room: u16, crumbs: &[String]) {
    let mut from = 0;
    let needed = |from: usize| crumbs[from..].iter().map(|crumb| width(crumb) + 3).sum::<u16>();
    while from + 1 < crumbs.len() && x + needed(from) > room {
        from += 1;
    }
    let mut x = if from > 0 { pen.text(x, 0, "… › ", Role::HeaderCrumb) } else { x };
    for (at, crumb) in crumbs.iter().enumerate().skip(from) {
        let last = at + 1 == crumbs.len();
        let crumb = cut_middle(crumb, room.saturating_sub(x).max(1));
        x = pen.text(x, 0, &crumb, if last { Role::HeaderHere } else { Role::HeaderCrumb });
        if !last {
            x = pen.text(x, 0, " › ", Role::HeaderCrumb);
        }
    }
}

/// How many, with their mark, word and colour.
type Count = (u64, &'static str, &'static str, Role);

fn up_of(up: u64) -> Count {
    (up, "●", "up", Role::Fine)
}

fn now(census: &Census) -> Vec<Count> {
    vec![
        up_of(census.up),
        (census.stale, "⋯", "stale", Role::Stale),
        (census.down, "▼", "down", Role::Down),
        (census.missing, "○", "missing", Role::Missing),
    ]
}

/// `62,431 up  ⋯ 41 stale  ▼ 28 down`, ending before `end`; says where it begins. Words give way before numbers do.
fn states(pen: &mut Pen<'_>, end: u16, all: &[Count]) -> u16 {
    let shown = all.iter().filter(|(n, _, word, _)| *n > 0 || *word == "up");
    let worded = pen.width() >= 70;
    let parts: Vec<(String, String, Role)> = shown
        .map(|(n, mark, word, role)| {
            let count = grouped(i64::try_from(*n).unwrap_or(i64::MAX));
            ((*mark).to_owned(), if worded { format!(" {count} {word}") } else { format!(" {count}") }, *role)
        })
        .collect();
    let needed: u16 = parts.iter().map(|(mark, text, _)| width(mark) + width(text) + 2).sum();
    let Some(begin) = end.checked_sub(needed) else { return end };
    let mut x = begin;
    let ground = pen.style(Role::Header);
    for (mark, text, role) in parts {
        // The mark has its own colour on the header's ground.
        let style = ground.patch(ratatui::style::Style { fg: pen.style(role).fg, ..Default::default() });
        x = pen.styled(x, 0, &mark, style);
        x = pen.text(x, 0, &text, Role::HeaderHere) + 2;
    }
    begin
}

/// What must not be overlooked.
fn banner(shared: &Shared) -> Option<String> {
    let age = |since: crate::model::Time| Unit::Seconds.text(shared.now.since(since).as_secs_f64().floor().max(0.0));
    if let Some(since) = shared.frozen {
        let how = shared.keys.told(Action::Freeze, |key| format!(" · {key} to go on"));
        return Some(format!("FROZEN for {}{how}", age(since)));
    }
    if let Some(then) = shared.then {
        let time = Timestamp::from_millisecond(then.as_millis()).unwrap_or_default();
        let time = time.to_zoned_datetime(shared.zone.clone()).strftime("%Y-%m-%d %H:%M:%S");
        let ways = [(Action::Earlier, "earlier"), (Action::Later, "later")];
        let ways = ways.map(|(action, word)| shared.keys.told(action, |key| format!(" · {key} {word}"))).concat();
        return Some(format!("AS OF {time}, {} ago{ways} · :when now goes on", age(then)));
    }
    match (&shared.link.0, shared.heard) {
        (Link::Lost(reason), heard) => {
            let last = heard.and_then(|at| Timestamp::from_millisecond(at.as_millis()).ok());
            let last = last
                .map(|at| format!(" · last data {}", at.to_zoned_datetime(shared.zone.clone()).strftime("%H:%M:%S")));
            Some(format!("hub lost {} ago, retrying{} · {reason}", age(shared.link.1), last.unwrap_or_default()))
        }
        (Link::Connecting, None) if shared.now.since(shared.link.1).as_secs() >= 1 => {
            Some(format!("connecting for {}", age(shared.link.1)))
        }
        _ => None,
    }
}

/// The totals, as many as fit, and how old they are.
fn totals(pen: &mut Pen<'_>, shared: &Shared) {
    let mut end = pen.width().saturating_sub(1);
    let age = shared.heard.map(|at| shared.now.since(at).as_secs());
    if let Some(age) = age {
        let (text, role) = if age < 4 {
            ("live".to_owned(), Role::Totals)
        } else {
            (format!("data {} old", Unit::Seconds.text(age as f64)), Role::Warn)
        };
        end = pen.right(end, 0, &text, role).saturating_sub(2);
    }
    let drops: u64 = shared.census.iter().flat_map(|census| &census.drops).map(|(_, n)| n).sum();
    if let Some((reason, _)) = shared.census.as_ref().and_then(|census| census.drops.first()) {
        let text = format!("▲ {} refused: {reason}", grouped(i64::try_from(drops).unwrap_or(i64::MAX)));
        end = pen.right(end, 0, &text, Role::Warn).saturating_sub(2);
    }
    let scheduler = shared.census.as_ref().and_then(|census| census.scheduler.as_ref());
    if let Some(scheduler) = scheduler.filter(|scheduler| !scheduler.problem.is_empty()) {
        let silent = scheduler.heard.map(|heard| Unit::Seconds.text(shared.now.seconds_after(heard).max(0.0)));
        let text = format!("▲ {} silent {}", scheduler.name, silent.unwrap_or_else(|| "so far".into()));
        end = pen.right(end, 0, &text, Role::Warn).saturating_sub(2);
    }
    let mut x = 1;
    for (label, value, trend) in figures(shared) {
        let needed = width(label) + width(&value) + if trend { 14 } else { 2 };
        if x + needed > end {
            break;
        }
        if !label.is_empty() {
            x = pen.text(x, 0, label, Role::Totals) + 1;
        }
        x = pen.text(x, 0, &value, Role::TotalsValue);
        if let Some(series) = shared.totals.trend.as_ref().filter(|_| trend)
            && let Some(line) = series.lines.first()
        {
            let style = pen.style(Role::Spark);
            spark(pen, (x + 1, 0, 10), &line.values, (0.0, 100.0), style);
            x += 11;
        }
        x += 3;
    }
}

/// The figures of the second line: label, number, and whether its trend follows.
fn figures(shared: &Shared) -> Vec<(&'static str, String, bool)> {
    let fleet = shared.totals.fleet.as_ref();
    let number = |key: &str| fleet.and_then(|table| table.cell(0, key)).and_then(Cell::number);
    let share = |key: &str| number(key).map(|value| Unit::Percent.text(value));
    let rate = |key: &str| number(key).map(|value| Unit::BytesPerSecond.text(value));
    let mut figures = Vec::new();
    let mut add = |label, value: Option<String>, trend| figures.extend(value.map(|value| (label, value, trend)));
    if shared.no_gpus() {
        add("CPU", share("node.cpu"), true);
        add("RAM", share("node.mem.util"), false);
        add("NET ↓", rate("node.net.rx"), false);
        add("↑", rate("node.net.tx"), false);
        add("DISK", share("node.disk.used"), false);
        return figures;
    }
    add("GPU", share("gpu.util"), true);
    add("HBM", share("gpu.mem.util"), false);
    let power = number("gpu.power").map(|watts| match number("gpu.power.limit") {
        Some(limit) if limit > 0.0 => format!("{} of {}", Unit::Watts.text(watts), Unit::Watts.text(limit)),
        _ => Unit::Watts.text(watts),
    });
    add("power", power, false);
    add("tensor", share("gpu.tensor.active"), false);
    let gpus = shared.census.as_ref().map_or(0, |census| census.gpus);
    let count = |n: u64| grouped(i64::try_from(n).unwrap_or(i64::MAX));
    add("idle", shared.totals.idle.map(|idle| format!("{} of {} GPUs", count(idle), count(gpus))), false);
    add("hottest", number("gpu.temp").map(|t| Unit::Celsius.text(t)), false);
    add("CPU", share("node.cpu"), false);
    figures
}

/// What I can press here, and what just happened.
fn footer(pen: &mut Pen<'_>, app: &App) {
    pen.clear(Role::Footer);
    let mut end = pen.width();
    if let Some(notice) = app.notice() {
        let text = cut_end(notice, pen.width().saturating_sub(2));
        end = pen.right(pen.width().saturating_sub(1), 0, &text, Role::FooterNotice).saturating_sub(1);
    } else if !app.shared().marks.is_empty() {
        let text = format!("{} marked", app.shared().marks.len());
        end = pen.right(pen.width().saturating_sub(1), 0, &text, Role::FooterNotice).saturating_sub(1);
    }
    let (at_root, keys) = (app.crumbs().len() == 1, &app.shared().keys);
    // Whatever else finds no room, the key that lists all keys does.
    let help = app.screen().hints().contains(&Action::Help).then(|| Hint::of(Action::Help, keys));
    let room = end.saturating_sub(help.as_ref().map_or(0, |help| help.width() + 2));
    let mut x = 1;
    for action in app.screen().hints().iter().filter(|action| **action != Action::Help) {
        let hint = Hint::of(*action, keys);
        if *action == Action::Back && at_root {
            continue;
        }
        if x + hint.width() > room {
            break;
        }
        x = hint.draw(pen, x);
    }
    if let Some(help) = help.filter(|help| x + help.width() <= end) {
        help.draw(pen, x);
    }
}

/// A key and what it does here.
struct Hint {
    key: String,
    words: &'static str,
}

impl Hint {
    fn of(action: Action, keys: &Keys) -> Hint {
        Hint { key: keys.told(action, |key| key), words: action.row().hint }
    }

    fn width(&self) -> u16 {
        width(&self.key) + width(self.words) + 1
    }

    /// Says where the next one begins.
    fn draw(&self, pen: &mut Pen<'_>, x: u16) -> u16 {
        let x = pen.text(x, 0, &self.key, Role::FooterKey) + 1;
        pen.text(x, 0, self.words, Role::Footer) + 2
    }
}

/// The line being typed, with what is wrong with it. Says where the cursor stands.
fn prompt_line(pen: &mut Pen<'_>, prompt: &Prompt, screen: &dyn Screen) -> u16 {
    let (wide, high) = (pen.width(), pen.height());
    let objection = prompt.objection.as_ref().or_else(|| screen.objection().filter(|_| prompt.kind == Kind::Filter));
    let mut line = pen.part(0, high - 1, wide, 1);
    line.clear(Role::Prompt);
    let sigil = if prompt.kind == Kind::Filter { "/" } else { ":" };
    let from = line.text(1, 0, sigil, Role::PromptSigil) + 1;
    // A line that is too long is shown from where its cursor is in sight.
    let room = wide.saturating_sub(from + 1);
    let skip = width(prompt.left()).saturating_sub(room);
    let skipped: usize = skip_cells(prompt.text(), skip);
    let shown = prompt.text().get(skipped..).unwrap_or_default();
    let end = line.text(from, 0, shown, Role::Prompt);
    let cursor = from + width(prompt.left()) - skip.min(width(prompt.left()));
    if let Some(objection) = objection {
        object(pen, prompt, objection, (from, skipped), end);
    }
    cursor.min(wide.saturating_sub(1))
}

/// Underlines the word that is complained of, and says why beside it, or above when there is no room.
fn object(pen: &mut Pen<'_>, prompt: &Prompt, objection: &Objection, (from, skipped): (u16, usize), end: u16) {
    let (wide, high) = (pen.width(), pen.height());
    if let Some(word) = &objection.word {
        let text = prompt.text();
        let before = text.get(skipped..word.start).map_or(0, width);
        // At the end of the line there is no word yet: the place where it is missing is marked.
        let wrong = text.get(word.clone()).filter(|w| !w.is_empty()).unwrap_or(" ");
        pen.text(from + before, high - 1, wrong, Role::PromptError);
    }
    let message = format!("✖ {}", objection.message);
    if end + 3 + width(&message) <= wide {
        pen.text(end + 3, high - 1, &message, Role::PromptSigil);
    } else if high > 4 {
        let mut above = pen.part(0, high - 2, wide, 1);
        above.clear(Role::Prompt);
        above.text(1, 0, &cut_end(&message, wide.saturating_sub(2)), Role::PromptSigil);
    }
}

/// The byte position behind the first `cells` cells of `text`.
fn skip_cells(text: &str, cells: u16) -> usize {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).find(|at| width(&text[..*at]) >= cells).unwrap_or(0)
}
