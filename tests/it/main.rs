//! Tests of the whole: real collectors, real sockets, the real binary. One binary, because each further one would be
//! linked anew.
#![allow(clippy::unwrap_used)] // In a test, what must be there and is not ends the test.

mod check;
mod cluster;
mod config;
mod floors;
mod hangs;
mod health;
mod kubernetes;
mod memory;
mod mocked;
mod near;
mod nvml;
mod play;
mod process;
mod pty;
mod published;
mod readings;
mod readme;
mod scenarios;
mod screenshot;
mod session;
mod simulated;
mod slurm;
mod source;
mod terminal;
mod tidy;
mod tmux;
