//! Names by which others know nodes, and the rules that turn them into those of their agents.

use regex::Regex;

/// Rules, tried one after another: the first whose pattern is the whole of a name says what its agent calls the node.
#[derive(Clone, Debug, Default)]
pub struct Aliases(Vec<(Regex, String)>);

impl Aliases {
    /// Rules of a pattern and what is put in its place, in which `${1}` is its first group.
    ///
    /// # Errors
    /// What is no pattern, in one line.
    pub fn new(rules: impl IntoIterator<Item = (String, String)>) -> Result<Aliases, String> {
        let rule = |(pattern, name): (String, String)| match Regex::new(&format!("^(?:{pattern})$")) {
            Ok(whole) => Ok((whole, name)),
            Err(error) => {
                // The last line says what is wrong; those before point into the pattern.
                let why = error.to_string();
                Err(format!("`{pattern}`: {}", why.lines().last().unwrap_or_default().trim()))
            }
        };
        rules.into_iter().map(rule).collect::<Result<_, _>>().map(Aliases)
    }

    /// What the agent of the node calls it, where a rule says so.
    pub fn of(&self, name: &str) -> Option<String> {
        let (pattern, own) = self.0.iter().find(|(pattern, _)| pattern.is_match(name))?;
        Some(pattern.replace(name, own.as_str()).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(rules: &[(&str, &str)]) -> Result<Aliases, String> {
        Aliases::new(rules.iter().map(|(pattern, name)| ((*pattern).to_owned(), (*name).to_owned())))
    }

    #[test]
    fn the_first_rule_that_fits_the_whole_name_counts() {
        let aliases = rules(&[("c([0-9]+)-hsn", "gpu${1}"), ("c([0-9]+).*", "other$1")]).unwrap();
        let check = |name: &str, own: Option<&str>| assert_eq!(aliases.of(name).as_deref(), own, "{name}");
        check("c017-hsn", Some("gpu017"));
        check("c017-hsn0", Some("other017"));
        check("xc017-hsn", None);
        assert_eq!(Aliases::default().of("c1"), None);
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        let error = rules(&[("c([0-9]+", "gpu$1")]).unwrap_err();
        assert!(
            error.starts_with("`c([0-9]+`: ") && error.contains("unclosed group") && !error.contains('\n'),
            "{error}"
        );
    }
}
