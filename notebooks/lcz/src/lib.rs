//! `lcz` as one shared library: cells use it as any other program uses the crate.

pub use library::*;
