//! One suite over all engines, and what is particular to each.

mod basics;
