//! Questions to a small fleet, and their answers.
