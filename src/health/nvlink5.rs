//! XIDs 144 to 150, of NVLink's fifth generation: what they mean stands in the registers that the kernel's line names.
//! `149, NETIR_LINK_EVT Fatal XC0 i0 Link 09 (0x025525c6 0x00000000 …)`: the first one says which error it was, the
//! second one what became of it.

use std::sync::LazyLock;

use super::xid::Remedy;
use crate::model::incident::Severity;

/// What one such line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) severity: Severity,
    pub(super) remedy: Remedy,
    /// Where to look, in words; empty where the table says nothing.
    pub(super) look: &'static str,
}

/// A row of NVIDIA's table.
struct Row {
    code: u32,
    /// Of drivers before 575, and of later ones, which number their registers otherwise.
    masks: [Mask; 2],
    status: u32,
    decoded: Decoded,
}

/// Some bits of a register, and what they have to be.
#[derive(Clone, Copy)]
struct Mask {
    care: u32,
    bits: u32,
}

static ROWS: LazyLock<Vec<Row>> =
    LazyLock::new(|| include_str!("nvlink5.tsv").lines().skip(1).filter_map(Row::read).collect());

/// What the line of an XID means; nothing of others, and of what the table does not have.
pub(super) fn decode(code: u32, line: &str) -> Option<Decoded> {
    let (first, status) = registers(line).filter(|_| (144..=150).contains(&code))?;
    let is_it = |row: &&Row| row.code == code && row.status == status && row.masks.iter().any(|mask| mask.fits(first));
    ROWS.iter().filter(is_it).map(|row| row.decoded).max_by_key(|decoded| (decoded.severity, decoded.remedy))
}

/// The first two registers that a line names, in parentheses or, before driver 575, in brackets.
fn registers(line: &str) -> Option<(u32, u32)> {
    let (_, rest) = line.rsplit_once(['(', '['])?;
    let mut numbers = rest.trim_end_matches([')', ']', '.']).split_whitespace().map(|word| {
        let digits = word.strip_prefix("0x")?;
        u32::from_str_radix(digits, 16).ok()
    });
    let first = numbers.next()??;
    Some((first, numbers.next().flatten().unwrap_or(0)))
}

impl Row {
    fn read(line: &'static str) -> Option<Row> {
        let cells: Vec<&str> = line.split('\t').collect();
        let [code, _, before, since, status, action, look, severity] = cells[..] else { return None };
        let is_fatal = !severity.starts_with("Non-fatal");
        let (severity, remedy) = match (action, look) {
            ("RESET_GPU", _) => (Severity::Crit, Remedy::Reset),
            // What is to be done comes with XID 154.
            ("XID_154_EVAL", _) => (Severity::Warn, Remedy::Inspect),
            (_, "IGNORE") => (Severity::Info, Remedy::Watch),
            _ if is_fatal => (Severity::Warn, Remedy::Inspect),
            _ => (Severity::Warn, Remedy::Watch),
        };
        let masks = [Mask::read(before)?, Mask::read(since)?];
        let status = u32::from_str_radix(status.strip_prefix("0x")?, 16).ok()?;
        Some(Row { code: code.parse().ok()?, masks, status, decoded: Decoded { severity, remedy, look: words(look) } })
    }
}

impl Mask {
    /// Of 32 characters, the highest bit first: `1`, `0`, and `-` for any.
    fn read(text: &str) -> Option<Mask> {
        let all = |is: char| text.chars().fold(0, |bits, c| bits << 1 | u32::from(c == is));
        (text.len() == 32).then(|| Mask { care: all('0') | all('1'), bits: all('1') })
    }

    fn fits(self, register: u32) -> bool {
        register & self.care == self.bits
    }
}

/// Where NVIDIA's table says to look.
fn words(look: &str) -> &'static str {
    match look {
        "INVESTIGATE_PEER_DEVICE" => "look at the device at the link's other end",
        "INVESTIGATE_LINK_SI" => "look at the link's signal",
        "INVESTIGATE_LINK_SI_AND_CABLES" => "look at the link's signal and cables",
        "INVESTIGATE_HOST" => "look at the host",
        "INVESTIGATE_SW/USER" | "INVESTIGATE_SW_USER" => "software or somebody took it down",
        "INVESTIGATE_SW_USER_LINK_SI" => "software or somebody took it down, or look at the link's signal",
        "SYMPATHETIC_REPORT_SOLO" => "mostly the consequence of another error",
        "CHECK_NVLINK_FAILURE_FLOW" => "look which link fails",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_whole() {
        assert_eq!(ROWS.len(), include_str!("nvlink5.tsv").lines().count() - 1);
    }

    #[test]
    fn registers_say_what_it_was() {
        let check = |code, line: &str, expected: Option<(Severity, Remedy, &str)>| {
            let decoded = decode(code, line).map(|it| (it.severity, it.remedy, it.look));
            assert_eq!(decoded, expected, "{code} {line}");
        };
        let peer = "look at the device at the link's other end";
        let reset = (Severity::Crit, Remedy::Reset, peer);
        check(149, "NETIR_LINK_EVT  Fatal   XC0 i0 Link 09 (0x025525c6 0x00000000 0x00000000 0x00000000)", Some(reset));
        let user = (Severity::Warn, Remedy::Inspect, "software or somebody took it down");
        check(149, "NETIR_LINK_EVT Fatal XC0 i0 Link 00 (0x026001c6 0x00000000 0x00000000)", Some(user));
        check(
            145,
            "RLW_RXPIPE Nonfatal XC0 i0 Link 13 (0x0409a0c2 0x00000008)",
            Some((Severity::Warn, Remedy::Watch, "")),
        );
        check(144, "SAW_MVB Nonfatal XC0 i0 Link 0 (0x00000001 0x00000020)", Some((Severity::Info, Remedy::Watch, "")));
        check(144, "SAW_MVB Fatal XC0 i0 Link 0 (0x00000001 0x00000002)", Some((Severity::Crit, Remedy::Reset, "")));
        check(149, "NETIR_LINK_EVT Fatal XC 1 i 2 Link 01 [0x025525c6]", Some(reset));
        check(144, "SAW_MVB Fatal (0x00000001 0x00000040)", None);
        check(79, "(0x025525c6 0x00000000)", None);
        for line in ["", "(", "()", "(0x)", "(0xzz 0x1)", "no registers", "(0x123456789abc 0x1)"] {
            check(149, line, None);
        }
    }
}
