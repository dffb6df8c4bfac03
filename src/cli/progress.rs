//! Progress on stderr: a bar with the time left on a terminal, now and then a whole line elsewhere.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use lcz::Progress;

/// Reports to whoever reads stderr.
pub struct Terminal {
    manner: Manner,
    stage: Option<Stage>,
}

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Bar,
    Lines,
    Silence,
}

struct Stage {
    name: String,
    steps: u64,
    done: u64,
    began: Instant,
    said: Said,
    bar: ProgressBar,
}

/// When the last line was printed, and after how many steps.
struct Said {
    at: Instant,
    done: u64,
}

impl Terminal {
    /// A bar on a terminal, lines elsewhere, nothing if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let manner = match (quiet, io::stderr().is_terminal()) {
            (true, _) => Manner::Silence,
            (false, true) => Manner::Bar,
            (false, false) => Manner::Lines,
        };
        Self { manner, stage: None }
    }
}

impl Progress for Terminal {
    fn begin(&mut self, name: &str, steps: u64) {
        self.end("");
        let target = match self.manner {
            Manner::Bar => ProgressDrawTarget::stderr(),
            Manner::Lines | Manner::Silence => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(steps), target).with_style(style());
        bar.set_prefix(name.to_owned());
        bar.tick();
        let now = Instant::now();
        let said = Said { at: now, done: 0 };
        self.stage = Some(Stage { name: name.to_owned(), steps, done: 0, began: now, said, bar });
    }

    fn advance(&mut self, steps: u64, note: &str) {
        let Some(stage) = &mut self.stage else { return };
        stage.done += steps;
        stage.bar.set_message(note.to_owned());
        stage.bar.inc(steps);
        if self.manner == Manner::Lines && stage.line_is_due(stage.said.at.elapsed()) {
            eprintln!("{}", line(&stage.name, stage.done, stage.steps, stage.began.elapsed(), note));
            stage.said = Said { at: Instant::now(), done: stage.done };
        }
    }

    fn end(&mut self, summary: &str) {
        if let Some(stage) = self.stage.take() {
            stage.bar.finish_and_clear();
        }
        if self.manner != Manner::Silence && !summary.is_empty() {
            eprintln!("{summary}");
        }
    }
}

impl Stage {
    /// At most a line every 5 s, and then only where a tenth more is done or a minute has passed.
    fn line_is_due(&self, silence: Duration) -> bool {
        let tenth_more = (self.done - self.said.done) * 10 >= self.steps;
        self.done < self.steps
            && silence >= Duration::from_secs(5)
            && (tenth_more || silence >= Duration::from_mins(1))
    }
}

/// `training: 40 %, 2 minutes left, loss 1.234`
fn line(name: &str, done: u64, steps: u64, elapsed: Duration, note: &str) -> String {
    let share = done as f64 / steps.max(1) as f64;
    let left = elapsed.mul_f64(steps.saturating_sub(done) as f64 / done.max(1) as f64);
    let note = if note.is_empty() { String::new() } else { format!(", {note}") };
    format!("{name}: {:.0} %, {} left{note}", 100.0 * share, HumanDuration(left))
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} [{bar:30}] {percent:>3} %, {eta} left  {wide_msg}")
        .expect("the template is valid")
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_is_done_and_how_long_it_still_takes() {
        let at_a_quarter = line("training", 25, 100, Duration::from_secs(20), "loss 1.2");
        assert_eq!(at_a_quarter, "training: 25 %, 60 seconds left, loss 1.2");
    }

    #[test]
    fn lines_come_every_tenth_but_not_within_five_seconds() {
        let due = |seconds, done| {
            let now = Instant::now();
            let (said, bar) = (Said { at: now, done: 0 }, ProgressBar::hidden());
            let stage = Stage { name: String::new(), steps: 100, done, began: now, said, bar };
            stage.line_is_due(Duration::from_secs(seconds))
        };
        assert!(due(6, 10));
        assert!(!due(4, 50), "too soon");
        assert!(!due(30, 5), "too little done");
        assert!(due(61, 5), "a minute of silence is enough");
        assert!(!due(6, 100), "the end has its own line");
    }
}
