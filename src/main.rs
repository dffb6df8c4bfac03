//! The `lcz` command: read the arguments, do what they say, and tell on one line what went wrong.

// Results go through `cli::output`, which bears a closed pipe (`lcz info … | head`).
#![warn(clippy::print_stdout)]

mod cli;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// What a shell calls the end by Ctrl-C: 128 and the signal's number.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    start_logging(cli.verbosity());
    cli::let_large_files_fail();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if reader_is_gone(&error) => ExitCode::SUCCESS,
        Err(error) if is_interruption(&error) => {
            eprintln!("{}", on_one_line(&error));
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            eprintln!("error: {}", on_one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// Log lines go to stderr; `LCZ_LOG=lcz=debug` overrules `-v`.
fn start_logging(verbosity: &str) {
    let filter = EnvFilter::try_from_env("LCZ_LOG").unwrap_or_else(|_| EnvFilter::new(verbosity));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
}

/// Whether stdout's reader went away, as `head` does: no error of ours.
fn reader_is_gone(error: &anyhow::Error) -> bool {
    let broken = |io: &io::Error| io.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(broken))
}

/// Whether the user asked the work to stop, and it did.
fn is_interruption(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(lcz::Error::Interrupted { .. })))
}

/// The error and its causes, each said once, without line breaks.
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
    fn an_error_and_its_causes_are_said_once_and_on_one_line() {
        let error = anyhow!("disk\n  full").context("a.h5: cannot write");
        assert_eq!(on_one_line(&error), "a.h5: cannot write: disk full");

        let path = std::path::Path::new("no/such/file");
        let error = std::fs::read(path).map_err(lcz::Error::io(path)).unwrap_err();
        let message = on_one_line(&error.into());
        assert_eq!(message.matches("No such file").count(), 1, "{message}");
    }
}
