//! Land cover of each pixel: U-Nets on patches cut from a scene with the mask of their classes.
//!
//! Two synthetic cities whose scenes, clouds and polygons are known to the last pixel (each network is tested on
//! held-out blocks of its own city and on the other city), and, where the real sample is available, one piece of
//! Slovenia on five dates.

mod cities;
mod dates;
mod drawing;
mod report;
mod scores;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::jobs::Steps;
use super::study::{Inputs, Study, StudyContext, StudyFolder, TaskAt, read_json};
use crate::data::eopatch::EoPatch;
use crate::display::Table;
use crate::figures::{Curves, Figure, StudyName};
use crate::hash::checksum;
use crate::mapping::Seams;
use crate::models::unet::{Encoder, UnetSettings};
use crate::models::{Architecture, Device, Model};
use crate::run::{Config, DataSettings, Run, TrainingSets, train_on, write_json};
use crate::scene::Part;
use crate::{Augmentation, Error, Progress, Result, Schedule, Training};

use cities::City;
pub use dates::DateScores;
pub use scores::{CoverClass, CoverScores};

/// The settings of the study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LandcoverStudy {
    /// Random seeds of the two cities.
    pub cities: [u64; 2],
    /// Rows and columns of a city's scene.
    pub side: usize,
    /// Share of its sky that is clouded.
    pub clouds: f64,
    /// Rows and columns of a patch.
    pub patch_size: usize,
    /// Patches along a block of the split.
    pub block: usize,
    /// The networks that are compared.
    pub networks: Vec<UnetSettings>,
    /// Their training.
    pub training: Training,
    /// Dates of the real sample that are held out in turn; none without the sample.
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

    /// The same with at most this number of passes over the training patches of a city.
    #[must_use]
    pub fn with_epochs(self, epochs: usize) -> Self {
        let schedule = Schedule::Cosine { epochs, floor: 0.0 };
        Self { training: Training { epochs, schedule, ..self.training }, ..self }
    }
}

/// A network's scores, or a baseline's, on the tests of a city.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CityScores {
    /// The city that it was trained on.
    pub city: String,
    /// The network, or the baseline.
    pub model: String,
    /// The network's kind and size; none for a baseline, as what follows.
    pub network: Option<UnetSettings>,
    /// Its training, epoch by epoch.
    pub curves: Option<Curves>,
    /// Its number of parameters.
    pub parameters: Option<usize>,
    /// Seconds of its training.
    pub seconds: Option<f64>,
    /// On its own city's held-out patches, and on all of the other city.
    pub tests: Vec<CoverScores>,
}

/// The tiles and patches of a city.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CityCounts {
    /// Its name.
    pub city: String,
    /// All tiles, and those kept, without data, under clouds, without label.
    pub tiles: [usize; 5],
    /// Patches for training, validation and testing.
    pub parts: [usize; 3],
}

/// What the study found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LandcoverOutcome {
    /// The provenance of the scenes.
    pub provenance: String,
    /// Tiles and patches of the cities.
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

/// A network to train: a part of the grid of runs.
#[derive(Debug, Clone, Copy)]
pub enum CoverTask {
    /// On a city, by the places of city and network in the settings.
    City {
        /// The city.
        city: usize,
        /// The network.
        network: usize,
    },
    /// On all dates of the real sample but one.
    Date {
        /// The date that is held out.
        date: usize,
        /// Whether on the western ground only.
        west: bool,
    },
}

/// The data of the study.
#[derive(Debug)]
pub struct CoverData {
    /// The synthetic cities.
    cities: Vec<City>,
    /// The real sample.
    sample: Option<EoPatch>,
}

/// The file of [`NetworkScores`] in the folder of a network; written last.
const SCORES: &str = "scores.json";

/// A trained network on its tests.
#[derive(Serialize, Deserialize)]
struct NetworkScores {
    parameters: usize,
    seconds: f64,
    tests: Vec<CoverScores>,
}

/// Trains a network in a folder, or resumes its training, and tests it.
fn train(
    (network, training): (&UnetSettings, Training),
    sets: &TrainingSets,
    (folder, device, steps): (&Path, Device, &Steps<'_>),
    test: impl FnOnce(&dyn Model) -> Result<Vec<CoverScores>>,
) -> Result<()> {
    let config =
        Config { model: Architecture::Unet(network.clone()), training, data: DataSettings::default() };
    let outcome = train_on(sets, &config, folder, device, &mut &*steps)?;
    let tests = test(&*Run::open(folder)?.network(device)?)?;
    let (parameters, seconds) = (outcome.parameters, outcome.seconds);
    write_json(&folder.join(SCORES), &NetworkScores { parameters, seconds, tests })
}

impl LandcoverStudy {
    /// The real sample, `slovenia_lulc.h5`, or a folder that holds it, itself or in `eolearn/`.
    fn sample(&self, data: Option<&Path>) -> Result<Option<EoPatch>> {
        const NAME: &str = "slovenia_lulc.h5";
        if self.dates.is_empty() {
            return Ok(None);
        }
        let Some(data) = data else {
            let advice = format!("give {NAME} with --data, or no --dates");
            return Err(Error::input("dates", "no real sample", advice));
        };
        let places = [data.to_owned(), data.join(NAME), data.join("eolearn").join(NAME)];
        let Some(place) = places.iter().find(|place| place.is_file()) else {
            let problem = format!("no {NAME} there, nor in its folder eolearn");
            return Err(Error::file(data, problem, "give the file, or leave --data out"));
        };
        let sample = EoPatch::open(place)?;
        match self.dates.iter().find(|&&date| date >= sample.dates()) {
            Some(date) => {
                let problem = format!("date {date} of a sample with {} dates", sample.dates());
                Err(Error::input("dates", problem, "count them from 0"))
            }
            None => Ok(Some(sample)),
        }
    }

    /// The networks of a city as their training left them, with their scores.
    fn of_city(
        &self,
        city: usize,
        data: &CoverData,
        out: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Vec<CityScores>> {
        let name = &data.cities[city].name;
        let mut all = Vec::new();
        for (n, network) in self.networks.iter().enumerate() {
            let folder = out.join(self.folder(&CoverTask::City { city, network: n }));
            let NetworkScores { parameters, seconds, tests } = read_json(&folder.join(SCORES))?;
            all.push(CityScores {
                city: name.clone(),
                model: drawing::title(network),
                network: Some(network.clone()),
                curves: Some(Run::open(&folder)?.curves()?),
                parameters: Some(parameters),
                seconds: Some(seconds),
                tests,
            });
        }
        let of = &data.cities[city];
        let (patches, masks) = of.select(&of.of_part(Part::Training))?;
        for (model, tests) in
            cities::baselines((&patches, &masks), &cities::tests(&data.cities, city)?, progress)?
        {
            let model = model.to_owned();
            let (network, curves, parameters, seconds) = (None, None, None, None);
            all.push(CityScores { city: name.clone(), model, network, curves, parameters, seconds, tests });
        }
        Ok(all)
    }
}

impl Study for LandcoverStudy {
    const NAME: StudyName = StudyName::Landcover;
    type Data = CoverData;
    type Task = CoverTask;
    type Outcome = LandcoverOutcome;

    fn check(&self) -> Result<()> {
        if self.cities[0] == self.cities[1] {
            let problem = format!("both of seed {}", self.cities[0]);
            return Err(Error::input("cities", problem, "choose two seeds"));
        }
        if self.networks.is_empty() {
            return Err(Error::input("networks", "none", "choose one or more"));
        }
        self.training.check()
    }

    fn open(&self, context: StudyContext<'_>, progress: &mut dyn Progress) -> Result<CoverData> {
        let sample = self.sample(context.data)?;
        let scenes = context.out.join("scenes");
        let cities = self.cities.iter().map(|&seed| City::of(self, seed, &scenes, progress));
        Ok(CoverData { cities: cities.collect::<Result<_>>()?, sample })
    }

    /// The cities follow from the settings.
    fn inputs(&self, data: &CoverData) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        if let Some(sample) = &data.sample {
            let bytes = std::fs::read(sample.path()).map_err(Error::io(sample.path()))?;
            inputs.files.insert("real sample".to_owned(), checksum(bytes));
        }
        Ok(inputs)
    }

    fn tasks(&self) -> Vec<CoverTask> {
        let of_city = |city| (0..self.networks.len()).map(move |network| CoverTask::City { city, network });
        let of_date = |&date: &usize| [false, true].map(|west| CoverTask::Date { date, west });
        (0..self.cities.len()).flat_map(of_city).chain(self.dates.iter().flat_map(of_date)).collect()
    }

    fn folder(&self, task: &CoverTask) -> PathBuf {
        Path::new("networks").join(match *task {
            CoverTask::City { city, network } => {
                format!("city-{}-{}", self.cities[city], drawing::stem(&self.networks[network]))
            }
            CoverTask::Date { date, west } => format!("date-{date}{}", if west { "-west" } else { "" }),
        })
    }

    fn missing(&self, task: &CoverTask, out: &Path) -> usize {
        usize::from(!out.join(self.folder(task)).join(SCORES).is_file())
    }

    fn run(&self, task: &CoverTask, data: &CoverData, (context, steps): TaskAt<'_>) -> Result<()> {
        let folder = context.out.join(self.folder(task));
        let at = (&*folder, context.device, steps);
        match (*task, &data.sample) {
            (CoverTask::City { city, network }, _) => cities::train(self, &data.cities, (city, network), at)?,
            (CoverTask::Date { date, west }, Some(sample)) => dates::train(self, sample, (date, west), at)?,
            (CoverTask::Date { .. }, None) => {}
        }
        let name = self.folder(task);
        steps.done(name.file_name().unwrap_or_default().to_string_lossy().into_owned());
        Ok(())
    }

    fn collect(&self, at: &StudyFolder<'_>, progress: &mut dyn Progress) -> Result<LandcoverOutcome> {
        let data = self.reopen(at, progress)?;
        let CoverData { cities, sample } = &data;
        let mut scores = Vec::new();
        for city in 0..cities.len() {
            scores.extend(self.of_city(city, &data, at.context.out, progress)?);
        }
        let seams = drawing::of_cities(self, cities, at.context, progress)?;
        let mut dates = Vec::new();
        if let Some(sample) = sample {
            dates = dates::collect(self, sample, at.context, progress)?;
        }
        let outcome = LandcoverOutcome {
            provenance: cities[0].provenance.clone(),
            cities: cities.iter().map(City::counts).collect(),
            scores,
            seams,
            sample: sample.as_ref().map(dates::provenance),
            dates,
        };
        report::write(self, &outcome, at.context.out)?;
        Ok(outcome)
    }

    /// Those drawn from the stored outcome only.
    fn figures(&self, at: &StudyFolder<'_>, _: &mut dyn Progress) -> Result<Vec<(String, Figure)>> {
        let outcome: LandcoverOutcome = super::study::outcome(at.context.out)?;
        let provenance = |data: &str| self.provenance(at, data, self.training.seed);
        drawing::of_outcome(&outcome, provenance)
    }

    fn tables(outcome: &LandcoverOutcome) -> Vec<Table> {
        vec![report::scores(outcome).captioned(format!("{}\n", outcome.provenance))]
    }
}
