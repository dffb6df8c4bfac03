//! How long work reports where it stands: a terminal draws a bar, a notebook prints lines, a test
//! hears nothing.

/// Receives the stages of long work.
pub trait Progress {
    /// A stage of `steps` steps begins; `stage` says what it does, in a few words.
    fn begin(&mut self, stage: &str, steps: u64);
    /// So many more steps are done; `note` is what is worth saying now (the loss), or empty.
    fn advance(&mut self, steps: u64, note: &str);
    /// The stage is over; `summary` is one line to keep, or empty.
    fn end(&mut self, summary: &str);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: &str, _: u64) {}
    fn advance(&mut self, _: u64, _: &str) {}
    fn end(&mut self, _: &str) {}
}
