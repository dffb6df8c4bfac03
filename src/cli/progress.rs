//! Progress on stderr: a bar with the time left on a terminal, whole lines at intervals elsewhere.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use lcz::Progress;
use lcz::display::duration;
use lcz::progress::{Lines, Silent};

/// Reports progress on stderr.
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

/// A bar, removed when its stage is over.
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
            // A closed stream is not an error.
            let _ = writeln!(io::stderr(), "{summary}");
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} [{bar:30}] {percent:>3} %, {left} left  {wide_msg}")
        .expect("the template is valid")
        .with_key("left", |state: &ProgressState, text: &mut dyn fmt::Write| {
            let _ = text.write_str(&duration(state.eta()));
        })
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use indicatif::TermLike;

    use super::*;

    /// Collects what a bar draws.
    #[derive(Debug, Clone, Default)]
    struct Drawn(Arc<Mutex<String>>);

    impl TermLike for Drawn {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_bar_shows_the_time_left_with_a_space_before_its_unit() {
        let drawn = Drawn::default();
        let target = ProgressDrawTarget::term_like(Box::new(drawn.clone()));
        let bar = ProgressBar::with_draw_target(Some(4), target).with_style(style());
        bar.inc(4);
        bar.tick();
        let text = drawn.0.lock().unwrap().clone();
        assert!(text.contains("100 %, 0 s left"), "{text}");
    }
}
