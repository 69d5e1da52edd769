//! What is not an agent: schedulers, which say whose the GPUs are.

pub mod slurm;
