//! Progress of long work: a bar on a terminal, lines in a notebook, nothing in a test.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use crate::display::duration;

/// Receives the stages of long work. Without methods of its own it reports nothing.
///
/// ```
/// use lcz::progress::Progress;
/// /// Prints the name of each stage.
/// struct Stages;
/// impl Progress for Stages {
///     fn begin(&mut self, stage: &str, steps: u64) {
///         println!("{stage}: {steps} steps");
///     }
/// }
/// ```
pub trait Progress {
    /// A stage of `steps` steps begins; `stage` is a short description.
    fn begin(&mut self, _stage: &str, _steps: u64) {}
    /// `steps` more steps are done; `note` is a short remark, such as the loss, or empty.
    fn advance(&mut self, _steps: u64, _note: &str) {}
    /// The stage is over; `summary` is one line to keep, or empty.
    fn end(&mut self, _summary: &str) {}
    /// Whether the work is to stop at the next safe place: a training keeps a checkpoint and ends with
    /// [`Error::Interrupted`](crate::Error::Interrupted).
    fn interrupted(&self) -> bool {
        false
    }
}

/// The methods of a [`Progress`] that passes them on to another.
macro_rules! pass_progress_on {
    ($self:ident => $other:expr) => {
        fn begin(&mut $self, stage: &str, steps: u64) {
            $other.begin(stage, steps);
        }
        fn advance(&mut $self, steps: u64, note: &str) {
            $other.advance(steps, note);
        }
        fn end(&mut $self, summary: &str) {
            $other.end(summary);
        }
        fn interrupted(&$self) -> bool {
            $other.interrupted()
        }
    };
}
pub(crate) use pass_progress_on;

impl<P: Progress + ?Sized> Progress for &mut P {
    pass_progress_on!(self => (**self));
}

impl<P: Progress + ?Sized> Progress for Box<P> {
    pass_progress_on!(self => (**self));
}

/// Reports nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}

/// Prints whole lines: for notebooks, which lose a line that is overwritten, and for files.
///
/// A stage prints a line at most every five seconds, and then only where a tenth more is done or a
/// minute has passed; a stage that is over sooner prints only its summary.
///
/// ```
/// use lcz::progress::{Lines, Progress};
/// let mut progress = Lines::on_stdout();
/// progress.begin("counting", 2);
/// progress.advance(2, "");
/// progress.end("two things counted");
/// ```
#[derive(Debug)]
pub struct Lines {
    // A closed stream does not end the work.
    print: fn(&str) -> io::Result<()>,
    stage: Option<Stage>,
}

#[derive(Debug)]
struct Stage {
    name: String,
    steps: u64,
    done: u64,
    began: Instant,
    /// When the last line was printed, and after how many steps.
    said: (Instant, u64),
}

impl Lines {
    /// Lines in a notebook, where any output on stderr means an error.
    pub fn on_stdout() -> Self {
        Self { print: |line| writeln!(io::stdout(), "{line}"), stage: None }
    }

    /// Lines next to a command's results, which go to stdout.
    pub fn on_stderr() -> Self {
        Self { print: |line| writeln!(io::stderr(), "{line}"), stage: None }
    }
}

impl Progress for Lines {
    fn begin(&mut self, name: &str, steps: u64) {
        let now = Instant::now();
        self.stage = Some(Stage { name: name.to_owned(), steps, done: 0, began: now, said: (now, 0) });
    }

    fn advance(&mut self, steps: u64, note: &str) {
        let Some(stage) = &mut self.stage else { return };
        stage.done += steps;
        if stage.line_is_due(stage.said.0.elapsed()) {
            let line = stage.line(stage.began.elapsed(), note);
            stage.said = (Instant::now(), stage.done);
            let _ = (self.print)(&line);
        }
    }

    fn end(&mut self, summary: &str) {
        self.stage = None;
        if !summary.is_empty() {
            let _ = (self.print)(summary);
        }
    }
}

impl Stage {
    fn line_is_due(&self, silence: Duration) -> bool {
        let tenth_more = (self.done - self.said.1) * 10 >= self.steps;
        self.done < self.steps
            && silence >= Duration::from_secs(5)
            && (tenth_more || silence >= Duration::from_mins(1))
    }

    /// `training: 40 %, 2 min 5 s left, loss 1.234`
    fn line(&self, elapsed: Duration, note: &str) -> String {
        let share = self.done as f64 / self.steps.max(1) as f64;
        let left = elapsed.mul_f64(self.steps.saturating_sub(self.done) as f64 / self.done.max(1) as f64);
        let note = if note.is_empty() { String::new() } else { format!(", {note}") };
        format!("{}: {:.0} %, {} left{note}", self.name, 100.0 * share, duration(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(done: u64) -> Stage {
        let now = Instant::now();
        Stage { name: "training".to_owned(), steps: 100, done, began: now, said: (now, 0) }
    }

    #[test]
    fn a_line_has_the_share_done_and_the_time_left() {
        let at_a_quarter = stage(25).line(Duration::from_secs(25), "loss 1.2");
        assert_eq!(at_a_quarter, "training: 25 %, 1 min 15 s left, loss 1.2");
        assert_eq!(stage(50).line(Duration::from_secs(8), ""), "training: 50 %, 8 s left");
        assert_eq!(duration(Duration::from_secs(12_345)), "3 h 25 min");
    }

    #[test]
    fn lines_come_every_tenth_but_not_within_five_seconds() {
        let due = |seconds, done| stage(done).line_is_due(Duration::from_secs(seconds));
        assert!(due(6, 10));
        assert!(!due(4, 50), "too soon");
        assert!(!due(30, 5), "too little done");
        assert!(due(61, 5), "a minute of silence is enough");
        assert!(!due(6, 100), "the end has its own line");
    }
}
