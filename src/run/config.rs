//! The configuration of a run: network, training and data, from a TOML file, the
//! command line, or both.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::data::so2sat::SplitBy;
use crate::files::read_text;
use crate::models::Architecture;
use crate::{Bands, Error, Result, Training};

/// All settings of a training, as `config.toml` of a run holds them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The network.
    pub model: Architecture,
    /// Its training.
    #[serde(default)]
    pub training: Training,
    /// Its data.
    #[serde(default)]
    pub data: DataSettings,
}

/// The data set, and the part of it that is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct DataSettings {
    /// A folder of `training.h5`, `validation.h5` and `testing.h5`, or one file.
    pub path: PathBuf,
    /// The labels that the network is trained on.
    pub labels: LabelKind,
    /// α of posterior labels; 1/K for K classes if not given, which has the weight of one vote in total.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// The bands, in this order; all of them if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bands: Option<Bands>,
    /// Zones left out, by code: patches and class.
    pub without: Vec<String>,
    /// What a single file is split by.
    pub split: SplitBy,
    /// Provenance of the data, where the files do not state it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<String>,
}

/// The labels of patches: one class per patch, or how the experts voted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelKind {
    /// The label, all mass on one class.
    #[default]
    OneHot,
    /// The share of the experts that chose each class.
    Votes,
    /// The mean of the posterior Dirichlet(α + votes), which rules no class out
    /// ([`Votes::posterior_mean`](crate::Votes::posterior_mean)).
    Posterior,
}

impl LabelKind {
    /// Its name in settings.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OneHot => "one-hot",
            Self::Votes => "votes",
            Self::Posterior => "posterior",
        }
    }
}

impl DataSettings {
    /// The data settings in a run's `config.toml`, of any model.
    ///
    /// # Errors
    /// A file that is missing or not TOML, or settings of the data that cannot be.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let (mut table, place) = load_table(path)?;
        match table.remove("data") {
            Some(Value::Table(data)) => of_table(data, &place),
            Some(_) => Err(Error::input(place, "data is not a table", "train the run again")),
            None => Ok(Self::default()),
        }
    }
}

impl Config {
    /// The configuration of a file (or the network's defaults), with settings `table.key=value` over it.
    ///
    /// `model` is the network's name; a file may give it too, but not another one.
    ///
    /// # Errors
    /// A file that is missing or not TOML, a setting that does not exist or has the wrong type: names
    /// file, line and key.
    pub fn read(file: Option<&Path>, model: &str, settings: &[String]) -> Result<Self> {
        let Some(architecture) = Architecture::named(model) else {
            let networks = Architecture::NAMES.join(", ");
            let advice = format!("choose a network ({networks}), or `lcz train forest` for a random forest");
            return Err(Error::input(format!("model '{model}'"), "no such network", advice));
        };
        let (mut table, place) = read_table(file, model, settings)?;
        set_defaults(&mut table, architecture.training());
        Self::of(table, &place)
    }

    /// The configuration in a run's `config.toml`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let (table, place) = load_table(path)?;
        Self::of(table, &place)
    }

    fn of(table: Table, place: &str) -> Result<Self> {
        let config: Self = of_table(table, place)?;
        config.training.check()?;
        Ok(config)
    }

    /// The name of the first setting that differs in another configuration; how many epochs there
    /// are, how often checkpoints are written and where the data lie does not count.
    pub(super) fn difference(&self, other: &Self) -> Result<Option<String>> {
        let mut same = other.clone();
        same.training.epochs = self.training.epochs;
        same.training.checkpoint_seconds = self.training.checkpoint_seconds;
        same.data.path.clone_from(&self.data.path);
        let [these, those] = [self, &same].map(|config| parse(&to_toml(config)?, "settings"));
        Ok(first_difference(&these?, &those?))
    }
}

/// The settings of a file with those of the command line over them, and a name for both in messages.
pub(super) fn read_table(file: Option<&Path>, model: &str, settings: &[String]) -> Result<(Table, String)> {
    let mut table = match file {
        Some(path) => parse(&read_text(path)?, &path.display().to_string())?,
        None => Table::new(),
    };
    set(&mut table, "model.name", Value::String(model.to_owned()), true)?;
    for setting in settings {
        let place = format!("--set {setting}");
        let Some((key, value)) = setting.split_once('=') else {
            let problem = "no '='";
            return Err(Error::input(
                place,
                problem,
                "write table.key=value, such as training.batch_size=32",
            ));
        };
        // Numbers, lists and true/false are TOML's; any other word is itself.
        let value = format!("x = {}", value.trim())
            .parse::<Table>()
            .ok()
            .and_then(|mut parsed| parsed.remove("x"))
            .unwrap_or_else(|| Value::String(value.trim().to_owned()));
        set(&mut table, key.trim(), value, false)?;
    }
    let place = file.map_or_else(|| "settings".to_owned(), |path| path.display().to_string());
    Ok((table, place))
}

/// Sets what a network is trained with where nothing else is given. A cosine among it lasts as long as the training.
fn set_defaults(table: &mut Table, mut defaults: Training) {
    let entry = table.entry("training").or_insert_with(|| Value::Table(Table::new()));
    let Value::Table(given) = entry else { return };
    if let Some(epochs) = given.get("epochs").and_then(Value::as_integer).and_then(|n| n.try_into().ok()) {
        defaults = defaults.lasting(epochs);
    }
    for (key, value) in Table::try_from(defaults).unwrap_or_default() {
        given.entry(key).or_insert(value);
    }
}

/// Settings as TOML; all of them have a form in it.
pub(super) fn to_toml(settings: &impl Serialize) -> Result<String> {
    toml::to_string_pretty(settings).map_err(Error::internal("writing TOML"))
}

/// A table of settings, deserialised.
pub(super) fn of_table<T: DeserializeOwned>(table: Table, place: &str) -> Result<T> {
    table.try_into().map_err(|e: toml::de::Error| {
        let problem = e.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Error::input(place, problem, "see `lcz train --help` for the settings")
    })
}

pub(crate) fn load_table(path: &Path) -> Result<(Table, String)> {
    let place = path.display().to_string();
    let table = parse(&read_text(path)?, &place)?;
    Ok((table, place))
}

fn parse(text: &str, place: &str) -> Result<Table> {
    text.parse().map_err(|e: toml::de::Error| {
        let line = e.span().map_or(0, |span| text[..span.start].lines().count().max(1));
        Error::input(format!("{place}, line {line}"), e.message().replace('\n', " "), "correct the TOML")
    })
}

/// The name of the first value, `table.key`, that differs between two tables.
fn first_difference(these: &Table, those: &Table) -> Option<String> {
    let keys = these.keys().chain(those.keys().filter(|key| !these.contains_key(*key)));
    keys.into_iter().find_map(|key| match (these.get(key), those.get(key)) {
        (Some(Value::Table(this)), Some(Value::Table(that))) => {
            first_difference(this, that).map(|inner| format!("{key}.{inner}"))
        }
        (this, that) => (this != that).then(|| key.clone()),
    })
}

/// Puts a value at `table.key`; with `agree`, a different one that is there already is an error.
fn set(table: &mut Table, key: &str, value: Value, agree: bool) -> Result<()> {
    let (mut table, mut key) = (table, key);
    let whole = key;
    while let Some((head, rest)) = key.split_once('.') {
        let entry = table.entry(head).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(inner) = entry else {
            let problem = format!("{head} is not a table");
            return Err(Error::input(format!("setting {whole}"), problem, "check the name"));
        };
        (table, key) = (inner, rest);
    }
    if agree && let Some(there) = table.get(key).filter(|there| **there != value) {
        let problem = format!("the file has {there}, the command {value}");
        return Err(Error::input(format!("setting {whole}"), problem, "make them agree"));
    }
    table.insert(key.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::sen2lcz::Fusion;
    use crate::nn::Optimizer;

    #[test]
    fn settings_on_the_command_line_overrule_the_file() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("config.toml");
        std::fs::write(&file, "[model]\nwidth = 8\n[training]\nepochs = 3\nbatch_size = 16\n").unwrap();
        let settings =
            ["training.epochs=5", "training.optimizer=adam", "model.fusion=logits", "data.without=[\"G\"]"];
        let config = Config::read(Some(&file), "sen2lcz", &settings.map(str::to_owned)).unwrap();
        assert_eq!((config.training.epochs, config.training.batch_size), (5, 16));
        assert_eq!(config.training.optimizer, Optimizer::Adam);
        assert_eq!(config.data.without, ["G"]);
        let Architecture::Sen2lcz(model) = &config.model else { panic!("{:?}", config.model) };
        assert_eq!((model.width, model.depth, model.fusion), (8, 17, Fusion::Logits));
    }

    #[test]
    fn a_configuration_survives_being_written_and_read() {
        let settings = ["training.seed=7".to_owned(), "data.labels=votes".to_owned()];
        let config = Config::read(None, "sen2lcz", &settings).unwrap();
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("config.toml");
        std::fs::write(&file, to_toml(&config).unwrap()).unwrap();
        assert_eq!(Config::load(&file).unwrap(), config);
    }

    #[test]
    fn an_unknown_or_impossible_setting_is_refused_on_one_line() {
        for (setting, told) in [
            ("training.epoch=5", "unknown field `epoch`"),
            ("model.breadth=5", "unknown field `breadth`"),
            ("training.epochs=many", "invalid type"),
            ("training.epochs=0", "training.epochs: 0"),
            ("training.optimizer=adagrad", "unknown variant `adagrad`"),
            ("training.class_weights=balance", "class weights 'balance'"),
            ("training.class_weights=[1.0, -1.0]", "not above 0"),
            ("training.crops=0", "training.crops: 0; choose above 0 to 1"),
            ("training.crops=1.5", "training.crops: 1.5"),
            ("training.crops=nan", "training.crops: NaN"),
            ("training.clip_norm=-1", "training.clip_norm: -1"),
            ("training.weight_decay=nan", "training.weight_decay: NaN"),
            ("training.schedule={kind=\"cosine\", epochs=0}", "training.schedule: epochs = 0"),
            ("epochs", "no '='"),
        ] {
            let error = Config::read(None, "sen2lcz", &[setting.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains('\n'), "{setting}: {error}");
        }
        let error = Config::read(None, "resnet99", &[]).unwrap_err().to_string();
        assert!(
            error.contains("(sen2lcz, resnet20, resnet50, mlp, unet)") && error.contains("forest"),
            "{error}"
        );
    }
}
