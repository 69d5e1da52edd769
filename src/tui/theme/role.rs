//! The roles that a theme gives styles to: what a thing on screen means, never how it looks.
//! A role that a theme leaves out takes the style of the role before its last dot.

macro_rules! roles {
    ($($role:ident $name:literal;)*) => {
        /// What a piece of the screen is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Role { $($role),* }

        impl Role {
            /// Every role, in the order of its number.
            pub(crate) const ALL: &'static [Role] = &[$(Role::$role),*];

            /// The name that themes use.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Role::$role => $name),* }
            }
        }
    };
}

roles! {
    Base "base";
    Dim "dim";
    Faint "faint";
    Strong "strong";
    Accent "accent";
    Header "header";
    HeaderCrumb "header.crumb";
    HeaderHere "header.here";
    Totals "totals";
    TotalsValue "totals.value";
    Banner "banner";
    Footer "footer";
    FooterKey "footer.key";
    FooterNotice "footer.notice";
    Table "table";
    TableHeader "table.header";
    TableHeaderSorted "table.header.sorted";
    TableHeaderLetter "table.header.letter";
    TableRow "table.row";
    TableRowSelected "table.row.selected";
    TableRowMarked "table.row.marked";
    TableRowStale "table.row.stale";
    Panel "panel";
    PanelTitle "panel.title";
    PanelFocus "panel.focus";
    PanelLine "panel.line";
    Fine "fine";
    Warn "warn";
    Crit "crit";
    Stale "stale";
    Down "down";
    Missing "missing";
    Bar "bar";
    Graph "graph";
    GraphUnder "graph.under";
    GraphAxis "graph.axis";
    Spark "spark";
    Prompt "prompt";
    PromptSigil "prompt.sigil";
    PromptError "prompt.error";
    GridCursor "grid.cursor";
}

impl Role {
    /// The role with this name.
    pub(crate) fn find(name: &str) -> Option<Role> {
        Role::ALL.iter().copied().find(|role| role.name() == name)
    }
}
