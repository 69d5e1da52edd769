//! The real collector of GPUs over a library that stands in for NVML. Each test has its own copy of the library, and
//! tells it what to do by the file beside it.

mod faults;
pub(crate) mod mock;
mod readings;
mod xids;
