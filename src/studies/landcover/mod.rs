//! Land cover, pixel by pixel: U-Nets on patches cut from a scene with the mask of their classes.
//!
//! [`reproduce_landcover`] is the study: two made-up cities whose scenes, clouds and polygons are known to the last pixel
//! (a network for each, tested on held-out blocks of its own city and on the other city), and, where the real sample is at
//! hand, one piece of Slovenia on five dates. [`train_land_cover`] and [`map_land_cover`] are for scenes of one's own.

mod cities;
mod dates;
mod drawing;
mod own;
mod readme;
mod runs;
mod scores;
mod table;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data::eopatch::EoPatch;
use crate::figures::Figure;
use crate::models::Device;
use crate::models::unet::{Encoder, UnetSettings};
use crate::nn::{Augmentation, History, Schedule, Training};
use crate::run::write_json;
use crate::{Error, Progress, Result, write_whole};

use crate::mapping::Seams;
use cities::City;
pub use dates::DateScores;
pub use own::{LandCoverOutcome, LandCoverTraining, train_land_cover};
pub(crate) use runs::load as load_segmenter;
pub use scores::{CoverClass, CoverScores};

/// The file that says how a study was done; none of other settings is continued in its folder.
const STUDY: &str = "study.json";
/// What a study came to: what `lcz verify` draws figures of again.
const OUTCOME: &str = "outcome.json";

/// How large the study is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LandcoverStudy {
    /// The real sample `slovenia_lulc.h5`, or a folder that holds it, itself or in `eolearn/`; that half of the study is
    /// left out without it.
    #[serde(skip)]
    pub data: Option<PathBuf>,
    /// Seeds of the two cities.
    pub cities: [u64; 2],
    /// Lines and columns of a city's scene.
    pub side: usize,
    /// Share of its sky that is clouded.
    pub clouds: f64,
    /// Rows and columns of a patch.
    pub patch_size: usize,
    /// Patches along a block of the split.
    pub block: usize,
    /// The networks that are compared.
    pub networks: Vec<UnetSettings>,
    /// How they are trained.
    pub training: Training,
    /// Dates of the real sample that are held out in turn.
    pub dates: Vec<usize>,
    /// Width of the network on the real sample, and its epochs.
    pub date_width: f64,
    /// See `date_width`.
    pub date_epochs: usize,
}

impl LandcoverStudy {
    /// The real sample included, 14 min 27 s of processor time on one thread (AMD EPYC with AVX-512).
    pub fn full() -> Self {
        Self {
            data: None,
            cities: [1, 2],
            side: 1216,
            clouds: 0.08,
            patch_size: 64,
            block: 3,
            networks: vec![
                UnetSettings::default(),
                UnetSettings { encoder: Encoder::Plain, width: 0.25, depth: 4 },
            ],
            training: Training {
                epochs: 60,
                batch_size: 8,
                learning_rate: 0.002,
                schedule: Schedule::Cosine { epochs: 60, floor: 0.0 },
                augmentation: Augmentation::FlipsAndTurns,
                ..Training::default()
            },
            dates: (0..5).collect(),
            date_width: 1.0,
            date_epochs: 60,
        }
    }

    /// Minutes: smaller scenes and networks, one date.
    pub fn quick() -> Self {
        let full = Self::full();
        Self {
            side: 704,
            networks: vec![
                UnetSettings { width: 0.5, ..UnetSettings::default() },
                UnetSettings { encoder: Encoder::Plain, width: 0.25, depth: 3 },
            ],
            dates: vec![4],
            date_width: 0.5,
            date_epochs: 40,
            ..full
        }
    }

    /// The same with so many passes over the training patches of a city, at most.
    #[must_use]
    pub fn with_epochs(self, epochs: usize) -> Self {
        let schedule = Schedule::Cosine { epochs, floor: 0.0 };
        Self { training: Training { epochs, schedule, ..self.training }, ..self }
    }

    fn check(&self) -> Result<()> {
        if self.cities[0] == self.cities[1] {
            let problem = format!("both of seed {}", self.cities[0]);
            return Err(Error::input("cities", problem, "choose two seeds"));
        }
        if self.networks.is_empty() {
            return Err(Error::input("networks", "none", "choose one at least"));
        }
        self.training.check()
    }

    /// The real sample, if a place is given for it.
    fn sample(&self) -> Result<Option<EoPatch>> {
        const NAME: &str = "slovenia_lulc.h5";
        let Some(data) = &self.data else { return Ok(None) };
        if !data.is_dir() {
            return EoPatch::open(data).map(Some);
        }
        let places = [data.join(NAME), data.join("eolearn").join(NAME)];
        if let Some(place) = places.iter().find(|place| place.is_file()) {
            return EoPatch::open(place).map(Some);
        }
        let problem = format!("no {NAME} there, nor in its folder eolearn");
        Err(Error::file(data, problem, "give the file, or leave --data out"))
    }

    /// Puts `study.json` into the folder; refuses to, where there is that of another study.
    fn keep(&self, out: &Path) -> Result<()> {
        let path = out.join(STUDY);
        if !path.is_file() {
            std::fs::create_dir_all(out).map_err(Error::io(out))?;
            return write_json(&path, self);
        }
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        let before: Self = serde_json::from_str(&text)
            .map_err(|e| Error::file(&path, format!("cannot be read ({e})"), "give another --out"))?;
        if (Self { data: None, ..self.clone() }) == before {
            return Ok(());
        }
        let advice = "give another --out, or the settings of before";
        Err(Error::file(&path, "a study of other settings", advice))
    }
}

/// A network's scores, or a baseline's, on the tests of a city.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CityScores {
    /// The city whose training patches were learnt from.
    pub city: String,
    /// The network, or the baseline.
    pub model: String,
    /// The network's kind and size; none for a baseline, as what follows.
    pub network: Option<UnetSettings>,
    /// How it learnt.
    pub history: Option<History>,
    /// Numbers of the network.
    pub parameters: Option<usize>,
    /// Seconds of its training.
    pub seconds: Option<f64>,
    /// On its own city's held-out patches, and on all of the other city.
    pub tests: Vec<CoverScores>,
}

/// How a city was cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CityCounts {
    /// Its name.
    pub city: String,
    /// All tiles, and those kept, without data, under clouds, without label.
    pub tiles: [usize; 5],
    /// Patches for training, validation and testing.
    pub parts: [usize; 3],
}

/// What the study came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LandcoverOutcome {
    /// What the scenes say of themselves.
    pub provenance: String,
    /// How the cities were cut.
    pub cities: Vec<CityCounts>,
    /// All networks and baselines.
    pub scores: Vec<CityScores>,
    /// The map of the first city in tiles side by side, and in overlapping ones.
    pub seams: Seams,
    /// What the real sample is; none without it.
    pub sample: Option<String>,
    /// The real sample, one date held out after the other.
    pub dates: Vec<DateScores>,
}

/// Does the study, or what is missing of it, in a folder: scenes, networks, `outcome.json`, tables, figures, a map of the
/// first city, and a `README.md` that says what is what.
///
/// # Errors
/// Settings that make no sense, a study of other settings in the folder, a sample that cannot be read, a file that cannot be
/// written.
pub fn reproduce_landcover(
    study: &LandcoverStudy,
    out: &Path,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<LandcoverOutcome> {
    study.check()?;
    let sample = study.sample()?;
    study.keep(out)?;
    let cities = study
        .cities
        .iter()
        .map(|&seed| City::of(study, seed, &out.join("scenes"), progress))
        .collect::<Result<Vec<_>>>()?;
    let tested = cities::networks(study, &cities, out, device, progress)?;
    let mut scores = Vec::new();
    for (city, of) in cities.iter().enumerate() {
        for network in tested.iter().filter(|network| network.city == city) {
            scores.push(CityScores {
                city: of.name.clone(),
                model: runs::title(&network.trained.network),
                network: Some(network.trained.network.clone()),
                history: Some(network.trained.history.clone()),
                parameters: Some(network.trained.parameters),
                seconds: Some(network.trained.seconds),
                tests: network.scores.clone(),
            });
        }
        for (model, tests) in cities::baselines(&cities, city, progress)? {
            let model = model.to_owned();
            scores.push(CityScores {
                city: of.name.clone(),
                model,
                network: None,
                history: None,
                parameters: None,
                seconds: None,
                tests,
            });
        }
    }
    let seams = drawing::of_cities(&cities, &tested, out, progress)?;
    let mut dates = Vec::new();
    if let Some(sample) = &sample {
        let (scores, pictures) = dates::held_out(study, sample, out, device, progress)?;
        drawing::of_dates(sample, &scores, &pictures, out)?;
        dates = scores;
    }
    let outcome = LandcoverOutcome {
        provenance: cities[0].provenance.clone(),
        cities: cities.iter().map(City::counts).collect(),
        scores,
        seams,
        sample: sample.as_ref().map(|sample| drawing::slovenia(&sample.name(), sample.dates())),
        dates,
    };
    write_json(&out.join(OUTCOME), &outcome)?;
    for (stem, figure) in drawing::of_outcome(&outcome)? {
        figure.save(out, &stem)?;
    }
    let put = |name: &str, text: &str| write_whole(&out.join(name), text.as_bytes());
    put("table.md", &table::markdown(&outcome))?;
    put("table.csv", &table::csv(&outcome))?;
    put("README.md", &readme::text(study, &outcome))?;
    Ok(outcome)
}

/// The figures of a study that its stored outcome alone gives, by their names: curves and confusion.
pub(super) fn figures(out: &Path) -> Result<Vec<(String, Figure)>> {
    let path = out.join(OUTCOME);
    if !path.is_file() {
        return Err(Error::file(
            &path,
            "not there",
            "give the folder that `lcz reproduce landcover` has made",
        ));
    }
    let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
    let outcome: LandcoverOutcome = serde_json::from_str(&text)
        .map_err(|e| Error::file(&path, format!("cannot be read ({e})"), "do the study again"))?;
    drawing::of_outcome(&outcome)
}
