//! The `lcz` command: reads the arguments, runs the command, and reports an error on one line.

// Results go through `cli::output`, which handles a closed pipe (`lcz info … | head`).
#![warn(clippy::print_stdout)]

mod cli;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::error::ContextKind;
use lcz::display::printable;
use tracing_subscriber::{EnvFilter, fmt};

/// Exit code after Ctrl-C by convention: 128 plus the signal's number.
const INTERRUPTED: u8 = 130;
/// clap's exit code for invalid arguments.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match cli::Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    start_logging(cli.verbosity());
    cli::let_large_files_fail();
    lcz::models::keep_memory();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if reader_is_gone(&error) => ExitCode::SUCCESS,
        Err(error) if is_interruption(&error) => {
            say(&on_one_line(&error));
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            say(&format!("error: {}", on_one_line(&error)));
            ExitCode::FAILURE
        }
    }
}

/// Characters of a line on stderr at most; one that is longer keeps its last ones, which have the advice.
const LONGEST: usize = 1000;
const LAST: usize = 300;

/// Writes a line to stderr. A closed or full stderr does not change how the program ends.
fn say(line: &str) {
    let line = printable(line, usize::MAX);
    let length = line.chars().count();
    let _ = if length > LONGEST {
        let (first, last) = (line.chars().take(LONGEST - LAST), line.chars().skip(length - LAST));
        writeln!(io::stderr(), "{} … {}", first.collect::<String>(), last.collect::<String>())
    } else {
        writeln!(io::stderr(), "{line}")
    };
}

/// clap's message: help and version unchanged, an error on one line.
fn refuse(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    let kind = error.kind();
    if matches!(kind, DisplayHelp | DisplayVersion | DisplayHelpOnMissingArgumentOrSubcommand) {
        error.exit();
    }
    say(&refusal(error));
    ExitCode::from(USAGE)
}

/// An error of clap's (what is wrong, perhaps a tip, the usage), without the line breaks; an option that is a setting
/// is named as one.
fn refusal(error: &clap::Error) -> String {
    let text = error.to_string();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut paragraphs: Vec<String> = text.split("\n\n").map(words).filter(|p| !p.is_empty()).collect();
    // It points to --help without naming the command.
    paragraphs.retain(|paragraph| !paragraph.starts_with("For more information"));
    if let Some(setting) =
        error.get(ContextKind::InvalidArg).and_then(|option| cli::setting(&option.to_string(), &text))
    {
        paragraphs.truncate(1);
        paragraphs.push(format!("it is a setting: --set {setting}=VALUE"));
    }
    if text.contains("<MODEL>") {
        paragraphs.push(format!("models: {}", cli::models(&text)));
    }
    if paragraphs.len() == 1 {
        paragraphs.push("see lcz help".to_owned());
    }
    paragraphs.join("; ").replace("; tip: ", "; ").replace("; Usage: ", "; usage: ")
}

/// Log lines go to stderr; `LCZ_LOG=lcz=debug` overrules `-v`.
fn start_logging(verbosity: &str) {
    let filter = EnvFilter::try_from_env("LCZ_LOG").unwrap_or_else(|_| EnvFilter::new(verbosity));
    // A message may quote a file.
    let fields =
        fmt::format::debug_fn(|line, _, value| write!(line, "{}", printable(&format!("{value:?}"), LONGEST)));
    fmt()
        .with_env_filter(filter)
        .fmt_fields(fields)
        .with_writer(io::stderr)
        // It would report the error on stderr, which cannot be written.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
}

/// Whether stdout's reader went away, as `head` does: not an error of lcz.
fn reader_is_gone(error: &anyhow::Error) -> bool {
    let broken = |io: &io::Error| io.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(broken))
}

/// Whether the work was interrupted by the user.
fn is_interruption(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(lcz::Error::Interrupted { .. })))
}

/// The error and its causes, each once, without line breaks.
fn on_one_line(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain() {
        let words = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if message.is_empty() {
            message = words;
        } else if !message.contains(&words) {
            message = format!("{message}: {words}");
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn arguments_that_make_no_sense_are_refused_on_one_line() {
        let refused = |arguments: &[&str]| {
            let error = cli::Cli::read([&["lcz"], arguments].concat()).unwrap_err();
            let line = refusal(&error);
            assert!(line.starts_with("error: ") && !line.contains('\n'), "{line}");
            line
        };
        let line = refused(&["train", "mlp", "--data", "d", "--run", "r", "--epochz", "3"]);
        assert!(
            line.starts_with("error: unexpected argument '--epochz' found; a similar argument"),
            "{line}"
        );
        let line = refused(&["score"]);
        let wanted =
            "error: the following required arguments were not provided: <FILE>; usage: lcz score <FILE>";
        assert_eq!(line, wanted);
        let line = refused(&["train", "--data", "d", "--run", "r"]);
        assert!(
            line.contains("<MODEL>") && line.contains("; models: sen2lcz, ") && line.ends_with(", forest"),
            "{line}"
        );
        let line = refused(&["synth", "x", "--patches", "many"]);
        assert!(
            line.contains("'many' for '--patches <N>': invalid digit") && line.contains("; see"),
            "{line}"
        );
    }

    #[test]
    fn an_error_and_its_causes_are_said_once_and_on_one_line() {
        let error = anyhow!("disk\n  full").context("a.h5: cannot write");
        assert_eq!(on_one_line(&error), "a.h5: cannot write: disk full");

        let path = std::path::Path::new("no/such/file");
        let error = std::fs::read(path).map_err(lcz::Error::io(path)).unwrap_err();
        let message = on_one_line(&error.into());
        assert_eq!(message.matches("No such file").count(), 1, "{message}");
    }
}
