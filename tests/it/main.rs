//! Tests of the whole crate from outside, in one binary, because each further one would be linked anew.

mod floors;
mod source;
mod tidy;
