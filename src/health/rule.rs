//! Rules as data: those that come along, and what a site changes, adds and mutes by id.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::{errors, lemon, programs};
use crate::{
    model::{
        incident::{Rule, Severity},
        syntax::{Expr, Operand, Query, Show, Word},
        time::span,
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

/// Commands by their names; for a name with a dot, its second part is the scheduler that understands them.
pub(super) type Commands = BTreeMap<String, Vec<String>>;

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

/// Those that come along.
impl Default for Rules {
    fn default() -> Self {
        // A test reads them.
        Rules::read(&Site::default()).unwrap_or(Rules {
            rules: Vec::new(),
            commands: Commands::new(),
            severities: BTreeMap::new(),
        })
    }
}

impl Rules {
    /// The commands, by their names: templates of their lines.
    pub fn commands(&self) -> &BTreeMap<String, Vec<String>> {
        &self.commands
    }

    /// Those that come along, changed by the site's.
    ///
    /// # Errors
    /// What of the site's rules cannot be read, by the rule's id. Rules that come along always can.
    pub fn read(site: &Site) -> Result<Rules, String> {
        let (rules, commands) = rules(site)?;
        let number = |(code, severity): (&String, &Severity)| match code.parse() {
            Ok(code) => Ok((code, *severity)),
            Err(_) => Err(format!("[xid]: `{code}` is no XID's number")),
        };
        let severities = site.severities.iter().map(number).collect::<Result<_, String>>()?;
        Ok(Rules { rules, commands, severities })
    }
}

fn rules(site: &Site) -> Result<(Vec<Rule>, Commands), String> {
    let File { commands, rule } = toml::from_str(BUILT_IN).map_err(|error| error.to_string())?;
    let mut rules: Vec<Rule> = Vec::new();
    for entry in rule {
        rules.push(changed(Rule::default(), &entry, false)?);
    }
    for entry in &site.rules {
        if entry.id.is_empty() {
            return Err("a rule has no id".into());
        }
        match rules.iter_mut().find(|rule| rule.id == entry.id) {
            Some(rule) => *rule = changed(rule.clone(), entry, true)?,
            None => rules.push(changed(Rule::default(), entry, true)?),
        }
    }
    let mut all = Commands::new();
    for (name, templates) in commands.into_iter().chain(site.commands.clone()) {
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
    if let Some(line) = all.values().flatten().find(|line| line.contains("; ")) {
        return Err(format!("[commands]: `{line}` is two commands; say them one by one"));
    }
    for rule in &rules {
        check(rule, &rules, &all).map_err(|problem| format!("rule {}: {problem}", rule.id))?;
    }
    Ok((rules, all))
}

/// The rule with what the entry says of it.
fn changed(rule: Rule, entry: &Entry, is_of_site: bool) -> Result<Rule, String> {
    let entry = entry.clone();
    let long = |text: Option<String>, before: Duration| {
        text.map_or(Ok(before), |text| span(&text).map_err(|problem| format!("rule {}: {text}: {problem}", entry.id)))
    };
    Ok(Rule {
        view: entry.view.unwrap_or(rule.view),
        when: entry.when.unwrap_or(rule.when),
        hold: long(entry.hold, rule.hold)?,
        gap: long(entry.gap, rule.gap)?,
        every: entry.every.map_or(Ok(rule.every), |every| long(Some(every), Duration::ZERO).map(Some))?,
        rare: entry.rare.or(rule.rare),
        clear: entry.clear.unwrap_or(rule.clear),
        clear_hold: long(entry.clear_hold, rule.clear_hold)?,
        verify: long(entry.verify, rule.verify)?,
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
fn check(rule: &Rule, all: &[Rule], commands: &Commands) -> Result<(), String> {
    if let Some(other) = rule.under.iter().find(|other| !all.iter().any(|rule| rule.id == **other)) {
        return Err(format!("`under` names `{other}`, which is no rule"));
    }
    let is_known = |name: &String| commands.keys().any(|key| key == name || key.starts_with(&format!("{name}.")));
    if let Some(name) = rule.commands.iter().find(|name| !is_known(name)) {
        return Err(format!("`do` names `{name}`, which is none of [commands]"));
    }
    if rule.view.is_empty() && OF_NO_VIEW.contains(&&*rule.id) {
        return Ok(());
    }
    if rule.rare.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        return Err("`rare` is a share, from 0 to 1".into());
    }
    if rule.rare.is_some() && group(rule).is_none() {
        return Err("`rare` is of peers, and `when` compares with none".into());
    }
    if rule.reason.is_empty() || rule.when.is_empty() {
        return Err("it needs view, when and reason".into());
    }
    let texts = over(rule, "").into_iter().chain([question(rule)]);
    texts.into_iter().try_for_each(|text| query::parse(&text).map(drop).map_err(|complaint| complaint.message))
}

/// Most things of one rule that are told apart: when more have it, it is one thing that they have in common. Nodes are
/// all counted, for many of them at once are another matter than some.
const MOST: usize = 5000;
const MOST_NODES: usize = 250_000;

/// What is asked for what has it: their names, and what the reason names.
pub(super) fn question(rule: &Rule) -> String {
    let mut keys = identity(&rule.view).to_owned();
    if let Some(group) = group(rule) {
        keys.extend([",", &group]);
    }
    for key in placeholders(&rule.reason).chain(placeholders(&rule.action)) {
        keys.extend([",", key]);
    }
    let most = if rule.view == "nodes" { MOST_NODES } else { MOST };
    format!("{} where {} show {keys} limit {most}", rule.view, rule.when)
}

/// What makes the peers among whom a rule's finding is to be rare.
pub(super) fn group(rule: &Rule) -> Option<String> {
    rule.rare?;
    by(&query::parse_condition(&rule.when).ok()?)
}

/// Where among the columns of a rule's question that stands.
pub(super) fn group_at(view: &str) -> usize {
    identity(view).split(',').count()
}

fn by(expr: &Expr) -> Option<String> {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().find_map(by),
        Expr::Not(inner) => by(inner),
        Expr::Compare(left, _, right) => by_of(left).or_else(|| by_of(right)),
        _ => None,
    }
}

fn by_of(operand: &Operand) -> Option<String> {
    match operand {
        Operand::Peers(_, _, by) => Some(by.iter().map(Word::to_string).collect::<Vec<_>>().join(",")),
        Operand::Arithmetic(left, _, right) => by_of(left).or_else(|| by_of(right)),
        _ => None,
    }
}

/// What is asked to know how many peers there are in each group.
pub(super) fn sizes(view: &str, group: &str) -> String {
    format!("{view} by {group} show {group},count")
}

/// What is asked to know which of some things have it no longer, and which of them are still there.
pub(super) fn over(rule: &Rule, which: &str) -> [String; 2] {
    let clear = if rule.clear.is_empty() { format!("not ({})", rule.when) } else { format!("({})", rule.clear) };
    let (view, keys) = (&rule.view, identity(&rule.view));
    let and = if which.is_empty() { String::new() } else { format!("{which} and ") };
    let there = if which.is_empty() { String::new() } else { format!(" where {which}") };
    [format!("{view} where {and}{clear} show {keys}"), format!("{view}{there} show {keys}")]
}

/// Whether a rule needs more than a look at one machine: time, or others to compare with.
pub fn takes_more(rule: &Rule) -> bool {
    rule.hold >= SHORT || compares(rule)
}

/// Whether a rule compares things with each other.
pub(super) fn compares(rule: &Rule) -> bool {
    ["majority(", "median(", "mad(", "apart("].iter().any(|it| rule.when.contains(it))
}

/// What of a question's condition takes no comparing, asked of one thing: without such a one the rest need not be asked.
pub(super) fn gate(question: &Query) -> Option<Query> {
    let Some(Expr::And(parts)) = &question.filter else { return None };
    let is_dear =
        |expr: &Expr| matches!(expr, Expr::Compare(left, _, right) if is_of_peers(left) || is_of_peers(right));
    let cheap: Vec<Expr> = parts.iter().filter(|part| !is_dear(part)).cloned().collect();
    let is_worth = !cheap.is_empty() && cheap.len() < parts.len();
    let show = Show::Default;
    is_worth.then(|| Query { filter: Some(Expr::And(cheap)), show, limit: Some(1), ..question.clone() })
}

fn is_of_peers(operand: &Operand) -> bool {
    match operand {
        Operand::Peers(..) => true,
        Operand::Arithmetic(left, _, right) => is_of_peers(left) || is_of_peers(right),
        _ => false,
    }
}

/// Holds shorter than that are ignored where there is no time to wait.
pub(super) const SHORT: Duration = Duration::from_mins(5);

/// The keys that tell what a row of the view is.
fn identity(view: &str) -> &'static str {
    match view {
        "gpus" => "node,index,bus",
        "nics" => "node,nic.name",
        "mounts" => "node,mount.path",
        "processes" => "node,proc.pid",
        "jobs" => "job",
        _ => "node",
    }
}

/// What stands in braces in a text.
pub(super) fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(text: &str) -> Result<(Vec<Rule>, Commands), String> {
        #[derive(Deserialize)]
        struct Config {
            #[serde(default)]
            rule: Vec<Entry>,
            #[serde(default)]
            commands: BTreeMap<String, Templates>,
        }
        let Config { rule, commands } = toml::from_str(text).expect("TOML");
        rules(&Site { rules: rule, commands, ..Site::default() })
    }

    #[test]
    fn what_comes_along_can_be_read() {
        let (rules, commands) = site("").expect("rules");
        assert!(rules.iter().all(|rule| !rule.action.is_empty() && !rule.basis.is_empty() && !rule.is_of_site));
        let mut ids: Vec<&str> = rules.iter().map(|rule| &*rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), rules.len(), "each id once");
        assert_eq!(commands["drain.kubernetes"], ["kubectl cordon {node}"]);
    }

    #[test]
    fn a_site_changes_adds_and_mutes() {
        let text = "[[rule]]\nid = 'host.disk'\nhold = '5m'\n[[rule]]\nid = 'gpu.zombie'\nmute = true\n\
                    [[rule]]\nid = 'ours'\nview = 'gpus'\nwhen = 'temp > 70'\nreason = 'at {temp}'\nseverity = 'info'\n\
                    [commands]\ndrain.slurm = ['our-drain {node}']";
        let (rules, commands) = site(text).expect("rules");
        let find = |id: &str| rules.iter().find(|rule| rule.id == id).expect(id);
        assert_eq!((find("host.disk").hold, find("host.disk").severity), (Duration::from_mins(5), Severity::Warn));
        assert!(find("host.disk").is_of_site && find("gpu.zombie").is_muted && find("ours").is_of_site);
        assert_eq!(question(find("ours")), "gpus where temp > 70 show node,index,bus,temp limit 5000");
        let [over, there] = over(find("ours"), "node = 'a'");
        assert_eq!(over, "gpus where node = 'a' and not (temp > 70) show node,index,bus");
        assert_eq!(there, "gpus where node = 'a' show node,index,bus");
        assert_eq!((&*commands["drain.slurm"][0], commands.len()), ("our-drain {node}", 5));
    }

    #[test]
    fn a_site_says_how_much_an_xid_matters() {
        let site = |code: &str| Site { severities: BTreeMap::from([(code.into(), Severity::Info)]), ..Site::default() };
        let rules = Rules::read(&site("63")).expect("rules");
        assert_eq!(rules.severities, BTreeMap::from([(63, Severity::Info)]));
        assert_eq!(Rules::read(&site("x")).err().as_deref(), Some("[xid]: `x` is no XID's number"));
    }

    #[test]
    fn what_takes_no_comparing_is_asked_first() {
        let check = |text: &str, expected: Option<&str>| {
            let gate = gate(&query::parse(text).expect(text));
            assert_eq!(gate.map(|gate| gate.filter.expect("a condition").to_string()).as_deref(), expected, "{text}");
        };
        check("gpus where util > 50 and clock.sm < 0.9 * median(clock.sm by job)", Some("util > 50"));
        check("gpus where clock.sm < 0.9 * median(clock.sm by job)", None);
        check("gpus where util > 50 and temp > 50", None);
        check("nics where state != active and majority(state by name) = active", Some("state != active"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |text: &str, said: &str| {
            let problem = site(text).expect_err(text);
            assert!(problem.contains(said), "{problem}");
        };
        check("[[rule]]\nid = 'host.disk'\nhold = 'soon'", "rule host.disk: soon");
        check("[[rule]]\nid = 'x'\nview = 'gpus'\nreason = 'y'", "rule x: it needs view, when and reason");
        check("[[rule]]\nid = 'x'\nview = 'gpus'\nwhen = 'temp >'\nreason = 'y'", "rule x: ");
        check("[[rule]]\nid = 'host.disk'\nunder = ['host.dosk']", "`host.dosk`, which is no rule");
        check("[[rule]]\nid = 'host.disk'\ndo = ['jump']", "`jump`, which is none of [commands]");
        check("[[rule]]\nid = 'host.disk'\nrare = 5", "`rare` is a share");
        check("[[rule]]\nid = 'host.disk'\nrare = 0.1", "compares with none");
        check("[[rule]]\nmute = true", "a rule has no id");
        check("[commands]\nreset = ['a; b']", "`a; b` is two commands");
    }
}
