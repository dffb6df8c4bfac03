//! The `lcz` command.
fn main() {}
