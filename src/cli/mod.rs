//! The command line: one file a verb, which reads its arguments, calls the library and prints. No
//! mathematics here.
//!
//! A verb is a `clap::Args` struct with `run(self, progress)`: it is named three times below.

mod bench;
mod devices;
mod eurosat;
mod evaluate;
mod features;
mod import_keras;
mod info;
mod labels;
mod map;
mod output;
mod patches;
mod predict;
mod progress;
mod rasterise;
mod reproduce;
mod scene;
mod score;
mod scorecard;
mod signals;
mod synth;
mod temp_scale;
mod train;
mod verify;
mod votes;

use clap::{ArgAction, Parser, Subcommand};

use progress::Terminal;
pub use signals::let_large_files_fail;

/// Local Climate Zones from satellite images, with honest uncertainty.
///
/// Results are printed on stdout, progress and errors on stderr.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,

    /// Say more: -v what is done, -vv in detail.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,

    /// Show no progress.
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Synth(synth::Synth),
    Info(info::Info),
    Patches(Box<patches::Patches>),
    Rasterise(Box<rasterise::Rasterise>),
    Eurosat(eurosat::EuroSatFolder),
    ImportKeras(import_keras::ImportKeras),
    Train(Box<train::Train>),
    Evaluate(evaluate::Evaluate),
    Predict(predict::Predict),
    Map(Box<map::Map>),
    Reproduce(reproduce::Reproduce),
    Features(features::Features),
    Score(score::Score),
    TempScale(temp_scale::TempScale),
    Verify(verify::Verify),
    Votes(votes::Votes),
    Bench(bench::Bench),
    Devices(devices::Devices),
}

impl Cli {
    /// What to log, in the words of `tracing`.
    pub fn verbosity(&self) -> &'static str {
        match self.verbose {
            0 => "warn",
            1 => "lcz=info,warn",
            _ => "lcz=debug,info",
        }
    }

    /// Does what the arguments say.
    pub fn run(self) -> anyhow::Result<()> {
        let mut progress = Terminal::new(self.quiet);
        match self.verb {
            Verb::Synth(verb) => verb.run(&mut progress.until(signals::interruption()?)),
            Verb::Info(verb) => verb.run(&mut progress),
            Verb::Patches(verb) => verb.run(&mut progress),
            Verb::Eurosat(verb) => verb.run(&mut progress),
            Verb::Rasterise(verb) => verb.run(&mut progress),
            Verb::ImportKeras(verb) => verb.run(),
            Verb::Train(verb) => verb.run(&mut progress.until(signals::interruption()?)),
            Verb::Evaluate(verb) => verb.run(&mut progress),
            Verb::Predict(verb) => verb.run(&mut progress),
            Verb::Map(verb) => verb.run(&mut progress.until(signals::interruption()?)),
            Verb::Reproduce(verb) => verb.run(&mut progress.until(signals::interruption()?)),
            Verb::Features(verb) => verb.run(&mut progress),
            Verb::Score(verb) => verb.run(&mut progress),
            Verb::TempScale(verb) => verb.run(&mut progress),
            Verb::Verify(verb) => verb.run(&mut progress),
            Verb::Votes(verb) => verb.run(),
            Verb::Bench(verb) => verb.run(&mut progress),
            Verb::Devices(verb) => verb.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_examples_in_its_help() {
        for verb in Cli::command().get_subcommands() {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("lcz {} ", verb.get_name())), "{}: {help:?}", verb.get_name());
        }
    }

    /// The commands that a text shows, each in one line without what explains it; those with a gap to fill, or for
    /// another build or shell, are left out.
    fn commands(text: &str) -> Vec<String> {
        let text = text.replace("\\\n", " ");
        let lines = text.lines().map(str::trim).filter(|line| line.starts_with("lcz "));
        let bare = |line: &str| {
            let end = [" #", "  ("].into_iter().filter_map(|mark| line.find(mark)).min();
            line[..end.unwrap_or(line.len())].to_owned()
        };
        let whole = lines.map(bare).filter(|line| !["…", "$", "cuda"].iter().any(|gap| line.contains(gap)));
        let parts = whole.flat_map(|line| {
            let parts = line.split(" | ").flat_map(|part| part.split(" && "));
            parts.map(|part| part.trim().to_owned()).collect::<Vec<_>>()
        });
        parts.filter(|part| part.starts_with("lcz ")).collect()
    }

    /// As a shell cuts it into words.
    fn words(command: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
        for letter in command.chars().chain([' ']) {
            match (quote, letter) {
                (Some(open), _) if open == letter => quote = None,
                (None, '\'' | '"') => quote = Some(letter),
                (None, ' ') if word.is_empty() => {}
                (None, ' ') => words.push(std::mem::take(&mut word)),
                _ => word.push(letter),
            }
        }
        words
    }

    #[test]
    fn every_command_that_is_shown_is_one() {
        fn helps(of: &clap::Command, into: &mut Vec<(String, String)>) {
            let text = [of.get_after_help(), of.get_long_about()].map(|text| text.map(ToString::to_string));
            into.push((
                format!("help of {}", of.get_name()),
                text.into_iter().flatten().collect::<Vec<_>>().join("\n"),
            ));
            of.get_subcommands().for_each(|verb| helps(verb, into));
        }
        let mut texts = Vec::new();
        helps(&Cli::command(), &mut texts);
        for (name, page) in [
            ("README.md", include_str!("../../README.md")),
            ("figures/README.md", include_str!("../../figures/README.md")),
        ] {
            let code = page.split("```").skip(1).step_by(2).collect::<Vec<_>>().join("\n");
            texts.push((name.to_owned(), code));
        }
        let mut count = 0;
        for (place, text) in texts {
            for command in commands(&text) {
                count += 1;
                if let Err(error) = Cli::try_parse_from(words(&command)) {
                    panic!("{place}: {command}\n{error}");
                }
            }
        }
        assert!(count > 60, "{count} commands are found");
    }
}
