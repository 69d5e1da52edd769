//! Tests of the whole crate from outside, in one binary, because each further one would be linked anew.

mod floors;
mod source;
mod tidy;
//! Tests of the whole: real collectors, real sockets, the real binary. One binary, so that it links once.
#![allow(clippy::unwrap_used)] // In a test, what must be there and is not ends the test.
mod nvml;
