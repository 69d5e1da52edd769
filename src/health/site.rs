//! Rules as data: those that come along, and what a site changes, adds and mutes by id. What of a site's cannot be is
//! told by where it stands, and left out.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::{
    errors, lemon, programs,
    rule::{Commands, group, over, question},
};
use crate::{
    fleet::{self, Fleet},
    model::{
        incident::{Rule, Severity},
        place::Levels,
        text::nearest,
        time::{Time, span},
    },
    query,
};

/// The rules that come along.
const BUILT_IN: &str = include_str!("rules.toml");

/// A rule as a file has it: what is left out stays as it was.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entry {
    /// The rule's id.
    pub id: String,
    /// The view whose rows it judges.
    pub view: Option<String>,
    /// The condition.
    pub when: Option<String>,
    /// How long it has to hold: `"60s"`.
    pub hold: Option<String>,
    /// How often it is asked.
    pub every: Option<String>,
    /// How long it may be false in between.
    pub gap: Option<String>,
    /// Of which share of its peers it can be so at most, from 0 to 1.
    pub rare: Option<f64>,
    /// The condition under which it ends.
    pub clear: Option<String>,
    /// How long that has to hold.
    pub clear_hold: Option<String>,
    /// How long what was mended has to work under load before it is over.
    pub verify: Option<String>,
    /// How much it matters.
    pub severity: Option<Severity>,
    /// Why, with keys of the view in braces.
    pub reason: Option<String>,
    /// What to do.
    pub action: Option<String>,
    /// Names of commands that do it, among `[commands]`.
    #[serde(rename = "do")]
    pub commands: Option<Vec<String>>,
    /// Rules whose incidents explain this one's.
    pub under: Option<Vec<String>>,
    /// Where thresholds come from.
    pub basis: Option<String>,
    /// Whether it is to raise nothing.
    pub mute: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    commands: BTreeMap<String, Templates>,
    rule: Vec<Entry>,
}

/// `reset = […]`, or `drain.slurm = […]` and `drain.kubernetes = […]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Templates {
    /// For all.
    Any(Vec<String>),
    /// By the scheduler.
    ByScheduler(BTreeMap<String, Vec<String>>),
}

/// What a site says of rules.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// `[[rule]]`
    pub rules: Vec<Entry>,
    /// `[commands]`
    pub commands: BTreeMap<String, Templates>,
    /// `[xid]`: how much XIDs matter there, by their numbers.
    pub severities: BTreeMap<String, Severity>,
}

/// The rules in force, and the commands that they name.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The rules.
    pub rules: Vec<Rule>,
    /// The commands.
    pub(super) commands: Commands,
    /// How much XIDs matter, where the site sees that otherwise than the table.
    pub(super) severities: BTreeMap<u32, Severity>,
}

/// What of a site's rules is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Where it stands: `rule.2.when`, of the third rule; `commands.reset`; `xid.63`.
    pub place: String,
    /// What is wrong with it.
    pub what: String,
}

/// What is wrong with one key of a rule.
type Problem = (&'static str, String);

/// Those that come along.
impl Default for Rules {
    fn default() -> Self {
        Rules::read(&Site::default()).0
    }
}

impl Rules {
    /// The commands, by their names: templates of their lines.
    pub fn commands(&self) -> &BTreeMap<String, Vec<String>> {
        &self.commands
    }

    /// Those that come along, changed by the site's; and what of these is left out, and why. A rule that the site adds
    /// and that cannot be is one that raises nothing, and says why.
    pub fn read(site: &Site) -> (Rules, Vec<Wrong>) {
        // A test reads what comes along.
        let built_in = toml::from_str(BUILT_IN).unwrap_or(File { commands: BTreeMap::new(), rule: Vec::new() });
        let mut wrong = Vec::new();
        let commands = commands(built_in.commands, site, &mut wrong);
        let mut rules: Vec<Rule> = Vec::new();
        for entry in &built_in.rule {
            rules.extend(changed(Rule::default(), entry, false));
        }
        let ids: Vec<&str> = built_in.rule.iter().chain(&site.rules).map(|entry| &*entry.id).collect();
        for (at, entry) in site.rules.iter().enumerate() {
            let place = |key: &str| format!("rule.{at}.{key}");
            if entry.id.is_empty() {
                wrong.push(Wrong { place: format!("rule.{at}"), what: "a rule has no id".into() });
                continue;
            }
            let known = rules.iter().position(|rule| rule.id == entry.id && rule.problem.is_empty());
            let before = known.map_or_else(Rule::default, |at| rules[at].clone());
            let is = changed(before, entry, true).and_then(|rule| check(rule, &ids, &commands));
            match (is, known) {
                (Ok(rule), Some(at)) => rules[at] = rule,
                (Ok(rule), None) => rules.push(rule),
                (Err((key, problem)), known) => {
                    let instead = if known.is_some() { " (the rule stays as it was)" } else { " (left out)" };
                    let what = format!("rule {}: {problem}", entry.id);
                    if known.is_none() {
                        rules.push(broken(entry, problem));
                    }
                    wrong.push(Wrong { place: place(key), what: what + instead });
                }
            }
        }
        let mut severities = BTreeMap::new();
        for (code, severity) in &site.severities {
            match code.parse() {
                Ok(code) => drop(severities.insert(code, *severity)),
                Err(_) => {
                    wrong.push(Wrong { place: format!("xid.{code}"), what: format!("`{code}` is no XID's number") });
                }
            }
        }
        (Rules { rules, commands, severities }, wrong)
    }

    /// What no fleet with these place levels knows, of what the site says of rules. A rule may be about what agents will
    /// tell of later; until then it finds nothing.
    pub fn doubts(&self, site: &Site, levels: &Levels) -> Vec<Wrong> {
        let fleet = Fleet::new(fleet::Settings { levels: levels.clone(), ..fleet::Settings::default() });
        let said =
            |entry: &Entry, rule: &&Rule| rule.id == entry.id && rule.problem.is_empty() && !rule.view.is_empty();
        let doubt = |(at, entry): (usize, &Entry)| {
            let rule = self.rules.iter().find(|rule| said(entry, rule))?;
            let (key, message) = doubt(rule, &fleet)?;
            Some(Wrong { place: format!("rule.{at}.{key}"), what: format!("rule {}: {message}", rule.id) })
        };
        site.rules.iter().enumerate().filter_map(doubt).collect()
    }
}

/// The first thing that the fleet cannot be asked for a rule.
fn doubt(rule: &Rule, fleet: &Fleet) -> Option<Problem> {
    let Rule { view, when, clear, .. } = rule;
    let clear = if clear.is_empty() { when } else { clear };
    let asked = [
        ("view", format!("{view} limit 0")),
        ("when", format!("{view} where {when} limit 0")),
        ("clear", format!("{view} where {clear} limit 0")),
        ("reason", question(rule)),
    ];
    asked.into_iter().find_map(|(key, text)| {
        let complaint = query::answer(fleet, &query::parse(&text).ok()?, Time::default()).err()?;
        Some((key, complaint.message))
    })
}

/// All commands, by their names.
fn commands(built_in: BTreeMap<String, Templates>, site: &Site, wrong: &mut Vec<Wrong>) -> Commands {
    let mut all = Commands::new();
    let is_one = |(name, templates): &(String, Templates)| {
        let lines: Vec<&String> = match templates {
            Templates::Any(lines) => lines.iter().collect(),
            Templates::ByScheduler(each) => each.values().flatten().collect(),
        };
        let Some(line) = lines.into_iter().find(|line| line.contains("; ")) else { return true };
        let what = format!("`{line}` is two commands; say them one by one");
        wrong.push(Wrong { place: format!("commands.{name}"), what });
        false
    };
    let of_site: Vec<(String, Templates)> = site.commands.clone().into_iter().filter(is_one).collect();
    for (name, templates) in built_in.into_iter().chain(of_site) {
        match templates {
            Templates::Any(lines) => {
                // What is said for all is said for each scheduler.
                all.retain(|known, _| !known.starts_with(&format!("{name}.")));
                all.insert(name, lines);
            }
            Templates::ByScheduler(each) => {
                all.extend(each.into_iter().map(|(scheduler, lines)| (format!("{name}.{scheduler}"), lines)));
            }
        }
    }
    all
}

/// A rule that the site adds and that cannot be.
fn broken(entry: &Entry, problem: String) -> Rule {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Rule {
        id: entry.id.clone(),
        view: text(&entry.view),
        when: text(&entry.when),
        reason: text(&entry.reason),
        is_muted: true,
        is_of_site: true,
        problem,
        ..Rule::default()
    }
}

/// The rule with what the entry says of it.
fn changed(rule: Rule, entry: &Entry, is_of_site: bool) -> Result<Rule, Problem> {
    let entry = entry.clone();
    let long = |key: &'static str, text: Option<String>, before: Duration| {
        text.map_or(Ok(before), |text| span(&text).map_err(|problem| (key, format!("{text}: {problem}"))))
    };
    Ok(Rule {
        view: entry.view.unwrap_or(rule.view),
        when: entry.when.unwrap_or(rule.when),
        hold: long("hold", entry.hold, rule.hold)?,
        gap: long("gap", entry.gap, rule.gap)?,
        every: entry.every.map_or(Ok(rule.every), |every| long("every", Some(every), Duration::ZERO).map(Some))?,
        rare: entry.rare.or(rule.rare),
        clear: entry.clear.unwrap_or(rule.clear),
        clear_hold: long("clear_hold", entry.clear_hold, rule.clear_hold)?,
        verify: long("verify", entry.verify, rule.verify)?,
        severity: entry.severity.unwrap_or(rule.severity),
        reason: entry.reason.unwrap_or(rule.reason),
        action: entry.action.unwrap_or(rule.action),
        commands: entry.commands.unwrap_or(rule.commands),
        under: entry.under.unwrap_or(rule.under),
        basis: entry.basis.unwrap_or(rule.basis),
        is_muted: entry.mute.unwrap_or(rule.is_muted),
        is_of_site: is_of_site || rule.is_of_site,
        problem: rule.problem,
        id: entry.id,
    })
}

/// Rules that ask no question: of what comes as events, and of incidents themselves.
const OF_NO_VIEW: [&str; 4] = [errors::XID, programs::APPS, errors::SXID, lemon::LEMON];

/// Says no to a rule that could never be asked, or names what is not there.
fn check(rule: Rule, ids: &[&str], commands: &Commands) -> Result<Rule, Problem> {
    if let Some(other) = rule.under.iter().find(|other| !ids.contains(&&***other)) {
        let near = nearest(other, ids.iter().copied());
        return Err(("under", format!("`under` names `{other}`, which is no rule; did you mean `{near}`?")));
    }
    let names = || commands.keys().map(|key| key.split_once('.').map_or(&**key, |(name, _)| name));
    let is_known = |name: &&String| commands.contains_key(*name) || names().any(|known| known == **name);
    if let Some(name) = rule.commands.iter().find(|name| !is_known(name)) {
        let near = nearest(name, names());
        return Err(("do", format!("`do` names `{name}`, which is none of [commands]; did you mean `{near}`?")));
    }
    if rule.view.is_empty() && OF_NO_VIEW.contains(&&*rule.id) {
        return Ok(rule);
    }
    if rule.rare.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        return Err(("rare", "`rare` is a share, from 0 to 1".into()));
    }
    if rule.reason.is_empty() || rule.when.is_empty() || rule.view.is_empty() {
        return Err(("id", "it needs view, when and reason".into()));
    }
    let parsed = |key: &'static str, text: &str| match query::parse_condition(text) {
        Ok(_) => Ok(()),
        Err(complaint) => Err((key, complaint.message)),
    };
    parsed("when", &rule.when)?;
    if !rule.clear.is_empty() {
        parsed("clear", &rule.clear)?;
    }
    if rule.rare.is_some() && group(&rule).is_none() {
        return Err(("rare", "`rare` is of peers, and `when` compares with none".into()));
    }
    let [over, there] = over(&rule, "");
    let texts = [("view", there), ("when", over), ("reason", question(&rule))];
    let wrong = texts.into_iter().find_map(|(key, text)| Some((key, query::parse(&text).err()?.message)));
    wrong.map_or(Ok(rule), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(text: &str) -> Site {
        #[derive(Deserialize)]
        struct Config {
            #[serde(default)]
            rule: Vec<Entry>,
            #[serde(default)]
            commands: BTreeMap<String, Templates>,
        }
        let Config { rule, commands } = toml::from_str(text).expect("TOML");
        Site { rules: rule, commands, ..Site::default() }
    }

    /// The rules of a site that makes no mistake.
    fn read(text: &str) -> Rules {
        let (rules, wrong) = Rules::read(&site(text));
        assert_eq!(wrong, []);
        rules
    }

    fn find<'a>(rules: &'a Rules, id: &str) -> &'a Rule {
        rules.rules.iter().find(|rule| rule.id == id).expect(id)
    }

    #[test]
    fn what_comes_along_can_be_read() {
        let Rules { rules, commands, .. } = read("");
        assert!(rules.iter().all(|rule| !rule.action.is_empty() && !rule.basis.is_empty() && !rule.is_of_site));
        let mut ids: Vec<&str> = rules.iter().map(|rule| &*rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), rules.len(), "each id once");
        assert_eq!(commands["drain.kubernetes"], ["kubectl cordon {node}"]);
        let file: File = toml::from_str(BUILT_IN).expect("TOML");
        assert_eq!(file.rule.len(), rules.len(), "each of them can be read");
        for rule in &rules {
            assert_eq!(check(rule.clone(), &ids, &commands).as_ref(), Ok(rule));
        }
        let all: Vec<Entry> = file.rule.iter().map(|it| Entry { id: it.id.clone(), ..Entry::default() }).collect();
        let site = Site { rules: all, ..Site::default() };
        let doubts = Rules::read(&site).0.doubts(&site, &Levels::default());
        assert_eq!(doubts, [], "an empty fleet can be asked all of it");
    }

    #[test]
    fn a_site_changes_adds_and_mutes() {
        let text = "[[rule]]\nid = 'host.disk'\nhold = '5m'\n[[rule]]\nid = 'gpu.zombie'\nmute = true\n\
                    [[rule]]\nid = 'ours'\nview = 'gpus'\nwhen = 'temp > 70'\nreason = 'at {temp}'\nseverity = 'info'\n\
                    [commands]\ndrain.slurm = ['our-drain {node}']";
        let rules = read(text);
        let find = |id: &str| find(&rules, id);
        assert_eq!((find("host.disk").hold, find("host.disk").severity), (Duration::from_mins(5), Severity::Warn));
        assert!(find("host.disk").is_of_site && find("gpu.zombie").is_muted && find("ours").is_of_site);
        assert_eq!(question(find("ours")), "gpus where temp > 70 show node,index,bus,temp limit 5000");
        let [over, there] = over(find("ours"), "node = 'a'");
        assert_eq!(over, "gpus where node = 'a' and not (temp > 70) show node,index,bus");
        assert_eq!(there, "gpus where node = 'a' show node,index,bus");
        assert_eq!((&*rules.commands["drain.slurm"][0], rules.commands.len()), ("our-drain {node}", 5));
        assert_eq!(rules.doubts(&site(text), &Levels::default()), []);
    }

    #[test]
    fn a_site_says_how_much_an_xid_matters() {
        let said = ["63", "x"].map(|code| (code.to_owned(), Severity::Info));
        let (rules, wrong) = Rules::read(&Site { severities: BTreeMap::from(said), ..Site::default() });
        assert_eq!(rules.severities, BTreeMap::from([(63, Severity::Info)]));
        assert_eq!(wrong, [Wrong { place: "xid.x".into(), what: "`x` is no XID's number".into() }]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place_and_the_rest_is_in_force() {
        let check = |text: &str, place: &str, said: &str| {
            let (rules, wrong) = Rules::read(&site(&format!("{text}\n[[rule]]\nid = 'gpu.zombie'\nmute = true")));
            let [only] = &wrong[..] else { panic!("{text}: {wrong:?}") };
            assert_eq!(only.place, place, "{text}: {}", only.what);
            assert!(only.what.contains(said), "{}", only.what);
            assert!(find(&rules, "gpu.zombie").is_muted, "what follows counts: {text}");
            assert_eq!(find(&rules, "host.disk"), find(&Rules::default(), "host.disk"), "it is as it was: {text}");
        };
        check("[[rule]]\nid = 'host.disk'\nhold = 'soon'", "rule.0.hold", "rule host.disk: soon");
        check("[[rule]]\nid = 'x'\nview = 'gpus'\nreason = 'y'", "rule.0.id", "rule x: it needs view, when and reason");
        check("[[rule]]\nid = 'x'\nview = 'gpus'\nwhen = 'temp >'\nreason = 'y'", "rule.0.when", "rule x: ");
        check("[[rule]]\nid = 'host.disk'\nclear = 'used <'", "rule.0.clear", "rule host.disk: ");
        check("[[rule]]\nid = 'host.disk'\nunder = ['host.moment']", "rule.0.under", "did you mean `host.mount`?");
        check("[[rule]]\nid = 'host.disk'\ndo = ['drian']", "rule.0.do", "[commands]; did you mean `drain`?");
        check("[[rule]]\nid = 'host.disk'\nrare = 5", "rule.0.rare", "`rare` is a share");
        check("[[rule]]\nid = 'host.disk'\nrare = 0.1", "rule.0.rare", "compares with none");
        check("[[rule]]\nid = ''\nmute = true", "rule.0", "a rule has no id");
    }

    #[test]
    fn a_command_that_is_two_is_left_out() {
        let (rules, wrong) = Rules::read(&site("[commands]\nreset = ['a; b']\nresume = ['c']"));
        let expected =
            Wrong { place: "commands.reset".into(), what: "`a; b` is two commands; say them one by one".into() };
        assert_eq!(wrong, [expected]);
        assert_eq!(rules.commands.get("reset"), Rules::default().commands.get("reset"));
        assert_eq!(rules.commands["resume"], ["c"]);
    }

    #[test]
    fn a_rule_that_a_site_adds_and_that_cannot_be_raises_nothing_and_says_why() {
        let (rules, _) = Rules::read(&site("[[rule]]\nid = 'x'\nview = 'gpus'\nwhen = 'temp >'\nreason = 'y'"));
        let rule = find(&rules, "x");
        assert!(rule.is_muted && rule.is_of_site && rule.problem.contains("expected"), "{rule:?}");
        let again = "[[rule]]\nid = 'x'\nview = 'gpus'\nwhen = 'temp >'\nreason = 'y'\n\
                     [[rule]]\nid = 'x'\nview = 'gpus'\nwhen = 'temp > 70'\nreason = 'y'";
        let (rules, wrong) = Rules::read(&site(again));
        assert_eq!(wrong.len(), 1);
        assert!(rules.rules.iter().any(|rule| rule.id == "x" && !rule.is_muted && rule.problem.is_empty()));
    }

    #[test]
    fn a_key_that_no_fleet_knows_is_doubted_with_the_one_that_was_meant() {
        let check = |text: &str, place: &str, said: &str| {
            let site = site(text);
            let (rules, wrong) = Rules::read(&site);
            assert_eq!(wrong, [], "it may be known later: {text}");
            let doubts = rules.doubts(&site, &Levels::default());
            let [only] = &doubts[..] else { panic!("{text}: {doubts:?}") };
            assert_eq!(only.place, place, "{text}: {}", only.what);
            assert!(only.what.contains(said), "{}", only.what);
        };
        let rule = |id: &str, rest: &str| format!("[[rule]]\nid = '{id}'\n{rest}");
        let ours = "view = 'gpus'\nreason = 'y'\nwhen = 'temp > 70'";
        check(&rule("x", &ours.replace("temp", "tmep")), "rule.0.when", "rule x: ");
        check(&rule("x", &ours.replace("temp", "tmep")), "rule.0.when", "did you mean `temp`?");
        check(&rule("x", &ours.replace("gpus", "gpsu")), "rule.0.view", "did you mean `gpus`?");
        check(&rule("x", &ours.replace("'y'", "'at {tepm}'")), "rule.0.reason", "did you mean `temp`?");
        check(&rule("host.disk", "clear = 'usde < 80'"), "rule.0.clear", "rule host.disk: ");
    }
}
