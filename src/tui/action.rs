//! The table of actions: name, what it does, the short word for the footer, and its usual keys.
//! The keymap, the footer, the help screen and the README's key table are all read from it.

use std::fmt::Write as _;

macro_rules! actions {
    ($($action:ident $name:literal $hint:literal $keys:literal, $help:literal;)*) => {
        /// What a key can mean.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Action { $(#[doc = $help] $action),* }

        /// Every action, in the order in which help lists them.
        pub(crate) static ACTIONS: &[Row] = &[$(Row {
            action: Action::$action, name: $name, hint: $hint, keys: $keys, help: $help,
        }),*];
    };
}

/// One action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Which.
    pub(crate) action: Action,
    /// Its name in keymaps.
    pub(crate) name: &'static str,
    /// The word for it in the footer.
    pub(crate) hint: &'static str,
    /// Its keys, separated by spaces; keys to be pressed one after another are joined by `,`.
    pub(crate) keys: &'static str,
    /// What it does, as a sentence.
    pub(crate) help: &'static str,
}

actions! {
    Up "up" "up" "k up", "Moves up one row.";
    Down "down" "down" "j down", "Moves down one row.";
    Left "left" "left" "h left", "Moves left in a grid, or to the panel before.";
    Right "right" "right" "l right", "Moves right in a grid, or to the panel after.";
    Top "top" "top" "g,g home", "Moves to the first row.";
    Bottom "bottom" "bottom" "G end", "Moves to the last row.";
    HalfDown "half-down" "½ down" "ctrl-d", "Moves down half a screen.";
    HalfUp "half-up" "½ up" "ctrl-u", "Moves up half a screen.";
    PageDown "page-down" "page down" "pagedown ctrl-f", "Moves down a screen.";
    PageUp "page-up" "page up" "pageup ctrl-b", "Moves up a screen.";
    Open "open" "open" "enter", "Goes into what is under the cursor.";
    Back "back" "back" "esc backspace", "Goes back to where you came from. Never quits.";
    NextPanel "next-panel" "panel" "p", "Moves to the next panel of the screen.";
    PreviousPanel "previous-panel" "panel" "P", "Moves to the panel before.";
    Filter "filter" "filter" "/", "Shows only rows that a word or a condition fits: gpu01, temp > 85 and util < 5.";
    Command "command" "go" ":", "Goes to a view or runs a command: gpus where xid != none, theme light.";
    Faults "faults" "faults" "!", "Narrows a table to its faults, and back; of one thing, shows its open incidents.";
    SortBy "sort-by" "sort" "s", "Sorts by the column whose underlined letter is pressed next; again reverses.";
    SortLeft "sort-left" "sort ←" "<", "Moves the sort one column to the left.";
    SortRight "sort-right" "sort →" ">", "Moves the sort one column to the right.";
    SortReverse "sort-reverse" "reverse" "I", "Reverses the sort.";
    Mark "mark" "mark" "space", "Marks the row and moves on, or takes its mark away.";
    Unmark "unmark" "unmark" "U", "Takes all marks away.";
    Columns "columns" "columns" "ctrl-w", "Chooses, orders and sizes the columns of the table.";
    Compare "compare" "compare" "c", "Shows the marked nodes or GPUs side by side, metric by metric.";
    Blast "blast" "blast" "b", "Shows what happened along time, in lanes: what broke first.";
    Acknowledge "acknowledge" "ack" "a", "Takes note of the incident under the cursor, with a word of yours.";
    Copy "copy" "copy" "y", "Copies the marked names, or the one under the cursor, to the terminal's clipboard.";
    CopyJson "copy-json" "json" "Y", "Copies the marked rows, or the one under the cursor, as JSON with the columns shown.";
    CopyDrain "copy-drain" "drain" "D", "Copies the command that drains the marked nodes, or the one under the cursor.";
    Metric "metric" "metric" "m", "Colours the grid by the next metric.";
    MetricBack "metric-back" "metric" "M", "Colours the grid by the metric before.";
    ZoomIn "zoom-in" "zoom" "+ =", "Shows a shorter time in graphs.";
    ZoomOut "zoom-out" "zoom" "-", "Shows a longer time in graphs.";
    Freeze "freeze" "freeze" "Z", "Holds the screen still; again goes on.";
    Earlier "earlier" "earlier" "{", "Shows everything as it was a tenth of the graphs' time earlier.";
    Later "later" "later" "}", "Goes on in the past by as much, up to now.";
    NextView "next-view" "view" "tab", "Goes to the next view.";
    PreviousView "previous-view" "view" "backtab", "Goes to the view before.";
    View1 "view-1" "overview" "1", "Goes to the overview.";
    View2 "view-2" "nodes" "2", "Goes to the nodes.";
    View3 "view-3" "gpus" "3", "Goes to the GPUs.";
    View4 "view-4" "jobs" "4", "Goes to the jobs.";
    View5 "view-5" "places" "5", "Goes to the narrowest places, usually racks.";
    View6 "view-6" "processes" "6", "Goes to the processes.";
    View7 "view-7" "nics" "7", "Goes to the network ports.";
    View8 "view-8" "events" "8", "Goes to the events.";
    View9 "view-9" "mounts" "9", "Goes to the mounted filesystems.";
    Saved1 "saved-1" "saved 1" "alt-1", "Goes to the first saved view; those of the configuration come first.";
    Saved2 "saved-2" "saved 2" "alt-2", "Goes to the second saved view.";
    Saved3 "saved-3" "saved 3" "alt-3", "Goes to the third saved view.";
    Saved4 "saved-4" "saved 4" "alt-4", "Goes to the fourth saved view.";
    Saved5 "saved-5" "saved 5" "alt-5", "Goes to the fifth saved view.";
    Saved6 "saved-6" "saved 6" "alt-6", "Goes to the sixth saved view.";
    Saved7 "saved-7" "saved 7" "alt-7", "Goes to the seventh saved view.";
    Saved8 "saved-8" "saved 8" "alt-8", "Goes to the eighth saved view.";
    Saved9 "saved-9" "saved 9" "alt-9", "Goes to the ninth saved view.";
    Save "save" "save" "ctrl-s", "Saves what is on screen as a view: :NAME and the key of its place go there.";
    HistoryBack "history-back" "before" "[", "Goes to the view that was left last.";
    HistoryForward "history-forward" "after" "]", "Goes forward again in the history of views.";
    Help "help" "all keys" "?", "Lists the keys of this screen.";
    Redraw "redraw" "redraw" "ctrl-l", "Draws the whole screen anew.";
    Suspend "suspend" "suspend" "ctrl-z", "Suspends supertop; fg brings it back.";
    Quit "quit" "quit" "q", "Quits, at the root of a view; elsewhere goes back.";
    QuitNow "quit-now" "quit" "ctrl-c", "Quits from anywhere.";
}

impl Action {
    /// The views behind `1` to `9`, in their order.
    pub(crate) const VIEWS: [Action; 9] = [
        Action::View1,
        Action::View2,
        Action::View3,
        Action::View4,
        Action::View5,
        Action::View6,
        Action::View7,
        Action::View8,
        Action::View9,
    ];

    /// The saved views, in their order.
    pub(crate) const SAVED: [Action; 9] = [
        Action::Saved1,
        Action::Saved2,
        Action::Saved3,
        Action::Saved4,
        Action::Saved5,
        Action::Saved6,
        Action::Saved7,
        Action::Saved8,
        Action::Saved9,
    ];

    /// Its row in the table.
    pub(crate) fn row(self) -> &'static Row {
        // `actions!` lists the rows in the order of the enum; a test holds it to that.
        &ACTIONS[self as usize]
    }
}

/// The key table as Markdown, for the README.
pub fn keys_as_markdown() -> String {
    let mut out = String::from("| keys | action | what it does |\n|---|---|---|\n");
    for row in ACTIONS {
        let keys: Vec<String> = row.keys.split(' ').map(|keys| format!("`{}`", super::keymap::shown(keys))).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| {} | {} | {} |", keys.join(" "), row.name, row.help);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_its_own_row() {
        for (at, row) in ACTIONS.iter().enumerate() {
            assert_eq!(row.action as usize, at, "{}", row.name);
            assert_eq!(row.action.row(), row);
            assert!(row.help.ends_with('.') && !row.hint.is_empty() && !row.keys.is_empty(), "{}", row.name);
            assert_eq!(ACTIONS.iter().filter(|r| r.name == row.name).count(), 1, "{}", row.name);
        }
    }

    #[test]
    fn the_readme_table_has_every_action() {
        let table = keys_as_markdown();
        assert!(ACTIONS.iter().all(|row| table.contains(row.help)));
        assert!(table.contains("`gg`"));
    }
}
