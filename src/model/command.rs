//! Commands to paste, made of a template: whoever chose a name or a reason has no say in what a shell does.

/// Letters of a reason at most.
const REASON: usize = 100;

/// Whether a name can stand in a command as it is.
pub fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('-') && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:".contains(c))
}

/// The reason in letters that mean nothing to a shell, within any quotes.
pub fn plain(reason: &str) -> String {
    let is_safe = |c: &char| c.is_alphanumeric() || " .,:/%°-_+".contains(*c);
    reason.chars().filter(is_safe).take(REASON).collect::<String>().trim().to_owned()
}

/// The template with what stands for `{node}`, `{bus}` and `{reason}`.
pub fn filled(template: &str, node: &str, bus: &str, reason: &str) -> String {
    template.replace("{node}", node).replace("{bus}", bus).replace("{reason}", &plain(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_chose_does_nothing_in_a_shell() {
        assert_eq!(
            filled("drain {node} r=\"{reason}\"", "gpu001", "", "XID 79: \"$(reboot)`x`\\"),
            "drain gpu001 r=\"XID 79: rebootx\""
        );
        assert_eq!(plain("XID 79: '$(reboot)`x`\"\\"), "XID 79: rebootx");
        for name in ["", "-x", "a b", "$(x)", "a;b", "a'b", "ä"] {
            assert!(!is_plain(name), "{name}");
        }
        assert!(is_plain("gpu-01.site_a") && is_plain("0000:9b:00.0"));
    }
}
