//! The command line: one file per verb, which reads its arguments, calls the library and prints. No
//! mathematics here.
//!
//! A verb is a `clap::Args` struct with `run(self, context)`: it is named three times below.

mod areas;
mod assess;
mod bench;
mod devices;
mod eurosat;
mod evaluate;
mod features;
mod import;
mod info;
mod map;
mod mosaic;
mod options;
mod output;
mod patches;
mod predict;
mod progress;
mod rasterise;
mod reproduce;
mod score;
mod scorecard;
mod shell;
mod signals;
mod synth;
mod temp_scale;
mod train;
mod verify;
mod votes;

use std::ffi::OsString;

use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use lcz::models::{Architecture, Device};

use options::{Common, Context};
use progress::Terminal;
pub use signals::let_large_files_fail;

/// Local Climate Zones from satellite images, with honest uncertainty
///
/// Results are printed on stdout, progress and errors on stderr.
#[derive(Debug, Parser)]
#[command(max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,

    #[command(flatten)]
    common: Common,
}

/// The verbs, each with its help text.
macro_rules! verbs {
    ($($name:ident($verb:ty),)*) => {
        #[derive(Debug, Subcommand)]
        enum Verb {
            $($name(Box<$verb>),)*
        }

        impl Verb {
            fn run(self, cx: &mut Context) -> anyhow::Result<()> {
                match self {
                    $(Self::$name(verb) => verb.run(cx),)*
                }
            }
        }
    };
}

verbs! {
    Synth(synth::Synth),
    Info(info::Info),
    Votes(votes::Votes),
    Patches(patches::Patches),
    Rasterise(rasterise::Rasterise),
    Areas(areas::Areas),
    Eurosat(eurosat::EuroSatFolder),
    Train(train::Train),
    Import(import::Import),
    Features(features::Features),
    Evaluate(evaluate::Evaluate),
    TempScale(temp_scale::TempScale),
    Predict(predict::Predict),
    Score(score::Score),
    Map(map::Map),
    Mosaic(mosaic::Mosaic),
    Assess(assess::Assess),
    Reproduce(reproduce::Reproduce),
    Verify(verify::Verify),
    Bench(bench::Bench),
    Devices(devices::Devices),
    Completions(shell::Completions),
    Man(shell::Man),
}

/// The verbs, as help groups them.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Data", &["synth", "info", "votes", "patches", "rasterise", "areas", "eurosat"]),
    ("Train", &["train", "import", "features"]),
    ("Evaluate", &["evaluate", "temp-scale", "predict", "score"]),
    ("Map", &["map", "mosaic", "assess"]),
    ("Studies", &["reproduce", "verify"]),
    ("Tools", &["bench", "devices", "completions", "man", "help"]),
];

const WORKFLOW: &str = "Workflow:
  lcz synth data                         # or your own: lcz patches --help
  lcz train sen2lcz --data data --run runs/first --epochs 20
  lcz evaluate runs/first                # scores, intervals and figures
  lcz temp-scale runs/first              # recalibrate its probabilities
  lcz map runs/first --scene S2A_MSIL2A_20220706T085611_....SAFE --out map.tif
";

const TEMPLATE: &str = "{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}\
                        Options:\n{options}\n\nlcz help COMMAND describes a command.";

/// The version, with the commit and the features that it is built from.
fn version() -> String {
    let commit = option_env!("LCZ_REVISION").unwrap_or("unknown");
    let mut features = "cli, scene".to_owned(); // The command is built with both only.
    for (name, built) in
        [(", cuda", cfg!(feature = "cuda")), (", hdf5-static", cfg!(feature = "hdf5-static"))]
    {
        features += if built { name } else { "" };
    }
    format!("{} (commit {commit}; features: {features})", env!("CARGO_PKG_VERSION"))
}

/// All of the command line, with its verbs in groups.
pub fn command() -> Command {
    let command = Cli::command().version(version());
    let line = |verb: &&str| {
        let about = command.find_subcommand(verb).and_then(Command::get_about);
        let about = about.map_or("Describe a command".to_owned(), ToString::to_string);
        format!("  {verb:<12} {about}")
    };
    let group = |(name, verbs): &(&str, &[&str])| {
        let lines: Vec<String> = verbs.iter().map(line).collect();
        format!("{name}:\n{}", lines.join("\n"))
    };
    let groups: Vec<String> = GROUPS.iter().map(group).collect();
    let help = format!("{WORKFLOW}\n{}\n", groups.join("\n\n"));
    command.before_help(help).before_long_help(None).help_template(TEMPLATE)
}

/// The models that the command of this usage takes.
pub fn models(usage: &str) -> String {
    let forest = if usage.contains("lcz train") { ", forest" } else { "" };
    Architecture::NAMES.join(", ") + forest
}

/// The setting that an unknown option means, where the command of this usage has settings.
pub fn setting(option: &str, usage: &str) -> Option<&'static str> {
    let name = option.trim_start_matches('-').replace('-', "_");
    let has_settings =
        ["train", "bench", "reproduce"].iter().any(|verb| usage.contains(&format!("lcz {verb}")));
    let mut keys = train::SETTINGS.split(|c: char| !c.is_ascii_lowercase() && !"_.".contains(c));
    keys.find(|key| has_settings && key.split_once('.').is_some_and(|(_, last)| last == name))
}

impl Cli {
    /// The arguments, read.
    ///
    /// # Errors
    /// Arguments that make no sense; help and version, which clap treats as errors.
    pub fn read(
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let mut command = command();
        let matches = command.try_get_matches_from_mut(arguments)?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }

    /// What to log, in the words of `tracing`.
    pub fn verbosity(&self) -> &'static str {
        match self.common.verbose {
            0 => "warn",
            1 => "lcz=info,warn",
            _ => "lcz=debug,info",
        }
    }

    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        use Verb::{
            Devices, Eurosat, Info, Map, Mosaic, Patches, Rasterise, Reproduce, Score, Synth, Train, Votes,
        };
        let Common { device, json, threads, .. } = self.common;
        lcz::models::check_instruction_set()?;
        if let Some(threads) = threads {
            rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global()?;
        }
        let (verb, mut progress) = (&self.verb, Terminal::new(self.common.quiet));
        if matches!(verb, Synth(_) | Train(_) | Map(_) | Reproduce(_)) {
            progress = progress.until(signals::interruption()?);
        }
        let without_network = matches!(verb, Synth(_) | Info(_) | Votes(_) | Patches(_) | Rasterise(_))
            || matches!(verb, Eurosat(_) | Score(_) | Devices(_) | Mosaic(_));
        anyhow::ensure!(
            device == Device::Cpu || !without_network,
            "--device {device}: the command runs no network; leave the option out"
        );
        self.verb.run(&mut Context { device, json, progress })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use lcz::run::Config;

    use super::*;

    /// All commands, those of studies too.
    fn all(of: &Command) -> Vec<&Command> {
        of.get_subcommands().flat_map(|verb| [vec![verb], all(verb)].concat()).collect()
    }

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        command().debug_assert();
    }

    #[test]
    fn an_option_has_one_help_text_and_one_default_in_all_verbs() {
        let (command, mut seen) = (command(), BTreeMap::new());
        for verb in all(&command) {
            for option in verb.get_arguments() {
                let Some(name) = option.get_long() else { continue };
                let help = option.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_empty() && !help.ends_with('.'), "{} --{name}: {help:?}", verb.get_name());
                // What these are depends on the verb.
                if ["out", "stride", "layer", "data", "run", "target", "shard", "batch-size", "reproject"]
                    .contains(&name)
                {
                    continue;
                }
                let here = (help, option.get_default_values().to_vec());
                let (there, first) = seen.entry(name).or_insert_with(|| (here.clone(), verb.get_name()));
                assert_eq!(*there, here, "--{name} of {first} and of {}", verb.get_name());
            }
        }
    }

    #[test]
    fn every_verb_is_in_one_group_with_a_short_line_and_examples() {
        let command = command();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, verbs)| verbs.iter().copied()).collect();
        let mut verbs: Vec<&str> = command.get_subcommands().map(Command::get_name).chain(["help"]).collect();
        grouped.sort_unstable();
        verbs.sort_unstable();
        assert_eq!(grouped, verbs);
        for verb in command.get_subcommands() {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            assert!((1..=9).contains(&about.split_whitespace().count()), "{}: {about:?}", verb.get_name());
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("lcz {} ", verb.get_name())), "{}: {help:?}", verb.get_name());
        }
    }

    #[test]
    fn an_unknown_option_that_is_a_setting_is_found() {
        assert_eq!(setting("--patience", "usage: lcz train [OPTIONS]"), Some("training.patience"));
        assert_eq!(setting("--label-smoothing", "usage: lcz bench"), Some("training.label_smoothing"));
        assert_eq!(setting("--patience", "usage: lcz map [OPTIONS]"), None);
        assert_eq!(setting("--patient", "usage: lcz train [OPTIONS]"), None);
        for settings in [Config::read(None, "sen2lcz", &[]), Config::read(None, "unet", &[])] {
            let written = serde_json::to_value(settings.unwrap()).unwrap();
            for table in ["model", "training", "data"] {
                let keys = written[table].as_object().unwrap().keys();
                for key in keys.filter(|key| !["name", "path"].contains(&key.as_str())) {
                    let all = [table, key].join(".");
                    assert!(train::SETTINGS.contains(&all), "{all} is not in the help of lcz train");
                }
            }
        }
    }

    /// The commands that a text shows, each in one line without what explains it; those with a gap to fill, or for
    /// another build or shell, are left out.
    fn commands(text: &str) -> Vec<String> {
        let text = text.replace("\\\n", " ");
        let lines = text.lines().map(str::trim).filter(|line| line.starts_with("lcz "));
        let bare = |line: &str| {
            let command = line.split(" #").next().unwrap_or_default();
            command.split(" > ").next().unwrap_or_default().to_owned()
        };
        let whole = lines
            .map(bare)
            .filter(|line| !["…", "$", "cuda", "COMMAND", "lcz ="].iter().any(|gap| line.contains(gap)));
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
    fn every_command_that_is_shown_can_be_pasted() {
        let mut texts = Vec::new();
        let pages =
            ["README.md", "figures/README.md", "docs/quick-start.md", "docs/how-to.md", "docs/benchmarks.md"];
        for name in pages {
            let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
            texts
                .push((name.to_owned(), page.split("```").skip(1).step_by(2).collect::<Vec<_>>().join("\n")));
        }
        for width in [80, 100] {
            // Pages are wrapped at the same width for all commands.
            let mut command = command().term_width(width);
            command.build();
            texts.push((format!("lcz help at {width}"), command.render_long_help().to_string()));
            for verb in all(&command) {
                let help = verb.clone().term_width(width).render_long_help().to_string();
                let raw = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(
                    help.contains(raw.trim_end()),
                    "the end of {} is wrapped at {width}",
                    verb.get_name()
                );
                texts.push((format!("help of {} at {width}", verb.get_name()), help));
            }
        }
        let mut count = 0;
        for (place, text) in texts {
            for command in commands(&text) {
                count += 1;
                if let Err(error) = Cli::read(words(&command)) {
                    panic!("{place}: {command}\n{error}");
                }
            }
        }
        assert!(count > 150, "{count} commands are found");
    }
}
