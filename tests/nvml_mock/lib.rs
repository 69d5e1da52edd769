//! A library with NVML's C ABI: H100-like GPUs with moving values, driven by a file, for tests of the real collector.
//!
//! The file lies beside the library, named as it is with `.control` behind it (or where `NVML_MOCK_CONTROL` says), and
//! is read anew at every call; [`control`] says what it may hold. Every copy of the library has its own state, so each
//! test loads a copy of its own: opening one path twice in a process gives the same library.
//!
//! Where nothing else is said, what a call gives follows NVIDIA's `nvml.h`. What a real H100 was not watched doing is
//! marked *guess*.
#![allow(unsafe_code)] // It hands its answers out through C pointers, as the library that it stands in for does.
#![allow(non_snake_case, non_upper_case_globals)] // The names are NVIDIA's.

mod calls;
mod control;
mod events;
mod gpm;
mod gpu;
mod out;
mod process;
mod state;
