//! Runs commands: what follows `:`, and what keys do that is a command as well.

use crate::{
    model::incident::{Remark, Verb},
    tui::{
        action::Action,
        app::App,
        ask::Ask,
        command::{self, Command},
        past,
        prompt::{Kind, Prompt},
        screen::{
            blast::Blast, columns::Columns, compare::Compare, gpu::Gpu, help::Help, node::Node, of, table::TableScreen,
        },
        theme::{self, Theme},
        update::Effects,
        views::{self, Target},
    },
};

impl App {
    /// What is to be told to the hub of an incident; nothing where it is not known of which.
    fn remark(&mut self, verb: Verb, number: Option<u64>, text: String) -> Option<Remark> {
        let under = || self.screen().incident().and_then(|id| id.parse().ok());
        let Some(incident) = number.or_else(under) else {
            self.say("say of which incident: ack 17 waits for RMA");
            return None;
        };
        let by = if self.settings.user.is_empty() { "somebody".into() } else { self.settings.user.clone() };
        Some(Remark { incident, verb, text, by })
    }

    /// Names and queries of the views that the configuration has, and then of those that were saved here.
    pub(super) fn saved_views(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.settings.views.iter().map(|(name, query)| (name.as_str(), query.as_str()));
        own.chain(self.shared.habits.saved())
    }

    /// Goes to the saved view at this position.
    pub(super) fn saved(&mut self, at: usize) -> Effects {
        let query = self.saved_views().nth(at).map(|(_, query)| query.to_owned());
        if let Some(query) = query {
            return self.run(&query);
        }
        let how = self.shared.keys.told(Action::Save, |key| format!(": {key} saves what is on screen"));
        self.say(format!("no view {} is saved{how}", at + 1));
        Effects::default()
    }

    /// Keeps what is on screen under a name.
    fn save(&mut self, name: &str) {
        let Some(command) = self.screen().command() else { return self.say("nothing to save here") };
        if self.settings.views.iter().any(|(own, _)| own == name) {
            return self.say(format!("the configuration has a view {name}; give this one another name"));
        }
        if command::is_taken(name, &self.shared.levels) {
            return self.say(format!("{name} is a command; give the view another name"));
        }
        let at = self.settings.views.len() + self.shared.habits.save(name, command);
        let key = Action::SAVED.get(at).map(|action| self.shared.keys.told(*action, |key| format!(" or {key}")));
        self.say(format!("saved; :{name}{} goes there", key.unwrap_or_default()));
    }

    /// Forgets what was saved under a name.
    fn forget(&mut self, name: &str) {
        let is_own = self.settings.views.iter().any(|(own, _)| own == name);
        let words = match self.shared.habits.forget(name) {
            true => format!("{name} is forgotten"),
            false if is_own => format!("{name} is a view of the configuration, and stays"),
            false => format!("no view is saved as {name}"),
        };
        self.say(words);
    }

    /// Runs a command line. Says what is to be done outside; a mistake goes back to the prompt.
    pub(super) fn run(&mut self, line: &str) -> Effects {
        let wanted = line.trim();
        // A view without a name is gone to by its place only.
        let is_it = |(name, query): (&str, &str)| !wanted.is_empty() && name == wanted && query != line;
        let saved = self.saved_views().position(is_it);
        if let Some(at) = saved {
            return self.saved(at);
        }
        let command = match command::parse(line, &self.shared.levels) {
            Ok(command) => command,
            Err(objection) => {
                let mut prompt = Prompt::new(Kind::Command, line);
                prompt.objection = Some(objection);
                self.prompt = Some(prompt);
                return Effects::default();
            }
        };
        match command {
            Command::Nothing => {}
            Command::Quit => return Effects { quit: true, ..Effects::default() },
            Command::Say(verb, number, text) => {
                let say = self.remark(verb, number, text);
                return Effects { say, ..Effects::default() };
            }
            Command::Overview => self.go("overview"),
            Command::Help => self.help(),
            Command::Query(text) => {
                let mut ask = Ask::parse(&text);
                if ask.sort.is_empty() && ask.show.is_empty() && ask.by.is_empty() {
                    ask.sort = self.shared.habits.sort(&ask.view).unwrap_or_default();
                }
                let ask = views::complete(ask, &self.shared.levels);
                self.switch(Box::new(TableScreen::new(ask, &self.shared)));
            }
            Command::Node(name) => self.push(Box::new(Node::new(&name, &self.shared))),
            Command::Gpu(node, index) => self.push(Box::new(Gpu::new(&node, &index, &self.shared))),
            Command::Job(id) => self.push(of(Target::Job(id), &[], &self.shared)),
            Command::Bench => self.switch(Box::new(TableScreen::bench(&self.shared))),
            Command::Blast => self.show_blast(),
            Command::Compare(names) if names.is_empty() => self.compare(None),
            Command::Compare(names) => self.compare(Some(names)),
            Command::Copy(None) => return self.copy(),
            Command::Copy(Some(what)) => self.fetch(what),
            Command::Mine if self.settings.user.is_empty() => self.say("nobody knows who you are: USER is not set"),
            Command::Mine => {
                self.switch(of(Target::Jobs("job.user".into(), self.settings.user.clone()), &[], &self.shared));
            }
            Command::When(words) => match past::moment(&words, self.shared.now, &self.shared.zone) {
                Ok(then) => self.show_then(then),
                Err(problem) => self.say(problem),
            },
            Command::Sort(words) => {
                if !self.screen_mut().0.sort(&words) {
                    self.say("nothing to sort here");
                }
            }
            Command::Where(words) => match self.screen().filter() {
                Some(_) => self.screen_mut().0.set_filter(&words),
                None => self.say("nothing to filter here"),
            },
            Command::Theme(name) => self.change_theme(&name),
            Command::Save(name) => self.save(&name),
            Command::Forget(name) => self.forget(&name),
        }
        Effects::default()
    }

    /// Shows these things side by side, or those that are marked.
    pub(super) fn compare(&mut self, names: Option<Vec<String>>) {
        let names = names.unwrap_or_else(|| self.shared.marks.iter().cloned().collect());
        match Compare::new(names.iter().map(String::as_str), &self.shared.keys) {
            Ok(screen) => self.push(Box::new(screen)),
            Err(words) => self.say(words),
        }
    }

    /// Shows what happened along time.
    pub(super) fn show_blast(&mut self) {
        self.push(Box::new(Blast::new(&self.shared)));
    }

    /// Chooses the columns of the table on top.
    pub(super) fn choose_columns(&mut self) {
        let chooser = self.screen().manner().and_then(|view| Columns::new(view, &self.shared));
        match chooser {
            Some(screen) => self.push(Box::new(screen)),
            None => self.say("there are no columns to choose here"),
        }
    }

    /// Lists the keys of the screen on top.
    pub(super) fn help(&mut self) {
        let hints = self.screen().hints();
        self.push(Box::new(Help::new(hints)));
    }

    /// Looks like that theme from now on.
    pub(super) fn change_theme(&mut self, name: &str) {
        match Theme::load(name, &self.settings.themes, self.settings.depth) {
            Ok(theme) => self.shared.look.theme = theme,
            Err(error) => self.say(error.to_string()),
        }
    }

    /// Names of all themes.
    pub(super) fn themes(&self) -> Vec<String> {
        theme::names(&self.settings.themes)
    }
}
