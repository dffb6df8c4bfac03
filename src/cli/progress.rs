//! Progress on stderr: a bar with the time left on a terminal, now and then a whole line elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lcz::Progress;
use lcz::progress::{Lines, Silent};

/// Reports to whoever reads stderr.
pub struct Terminal {
    manner: Box<dyn Progress>,
    interrupted: Arc<AtomicBool>,
}

impl Terminal {
    /// A bar on a terminal, lines elsewhere, nothing if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let manner: Box<dyn Progress> = match (quiet, io::stderr().is_terminal()) {
            (true, _) => Box::new(Silent),
            (false, true) => Box::new(Bar::default()),
            (false, false) => Box::new(Lines::on_stderr()),
        };
        Self { manner, interrupted: Arc::default() }
    }

    /// Work that looks at [`Progress::interrupted`] stops when this becomes true.
    pub fn until(self, interrupted: Arc<AtomicBool>) -> Self {
        Self { interrupted, ..self }
    }
}

impl Progress for Terminal {
    fn begin(&mut self, name: &str, steps: u64) {
        self.manner.begin(name, steps);
    }

    fn advance(&mut self, steps: u64, note: &str) {
        self.manner.advance(steps, note);
    }

    fn end(&mut self, summary: &str) {
        self.manner.end(summary);
    }

    fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// A bar that goes when its stage is over.
#[derive(Default)]
pub struct Bar(Option<ProgressBar>);

impl Progress for Bar {
    fn begin(&mut self, name: &str, steps: u64) {
        self.end("");
        let bar =
            ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr()).with_style(style());
        bar.set_prefix(name.to_owned());
        bar.tick();
        self.0 = Some(bar);
    }

    fn advance(&mut self, steps: u64, note: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(note.to_owned());
            bar.inc(steps);
        }
    }

    fn end(&mut self, summary: &str) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
        if !summary.is_empty() {
            // Whoever closed the stream does not want to know.
            let _ = writeln!(io::stderr(), "{summary}");
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} [{bar:30}] {percent:>3} %, {eta} left  {wide_msg}")
        .expect("the template is valid")
        .progress_chars("=> ")
}
