//! An answer on standard output: aligned for people, JSON or CSV for programs.

pub(super) mod csv;
pub(super) mod json;
pub(super) mod table;
