//! Each action through its key.
