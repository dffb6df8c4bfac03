//! A synthetic So2Sat: synthetic ground of each zone, imaged by synthetic satellites.
//!
//! It lets everything run without the real data; each file states
//! that it is synthetic, and results on it do not hold for real cities.
//!
//! **How a patch is made.** Its zone's fractions of buildings, paved and open ground and its building
//! heights are drawn from the published ranges (Stewart & Oke 2012). Streets, blocks, lots and buildings,
//! or woods, fields and shores are laid out on cells of 3.3 m, and shadows fall as the sun stands. Ten
//! votes are drawn as experts vote on such a zone; where some dissent, the patch lies between the two zones,
//! the more so the more dissent — but some votes are unrelated to the ground. Some patches
//! have something else at their edge that nobody voted for. Materials reflect by hand-written spectra, which
//! vary by city and day; haze, blur, the coarser 20 m bands, noise and rounding to 0.0001 make an
//! image of it. The radar sees rough and smooth surfaces, walls, and sometimes a corner reflector with
//! thousands of times the mean backscatter.
//!
//! **Statistics.** Classes have So2Sat's proportions, and each split has at least one patch of each
//! class if it has patches enough. As in So2Sat there are 42 cities to train on, and ten others, of which the
//! western halves are for validation and the eastern ones for testing. Means and standard deviations
//! of the bands are near the real ones; the shares of the votes and their entropies are those of the
//! released votes. `figures/synthetic.md` has the table of both, and pictures.

mod built;
mod city;
#[cfg(feature = "scene")]
mod clouds;
#[cfg(feature = "scene")]
mod eurosat;
mod fabric;
mod ground;
mod materials;
mod natural;
mod noise;
#[cfg(feature = "scene")]
mod outlines;
mod radar;
#[cfg(feature = "scene")]
mod scene;
mod sensor;
#[cfg(feature = "scene")]
mod town;
mod votes;
mod zones;

#[cfg(feature = "scene")]
pub use eurosat::SyntheticEuroSat;
#[cfg(feature = "scene")]
pub use scene::SyntheticScene;

use std::path::Path;

use ndarray::{Array2, ArrayView4};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use self::city::City;
use self::materials::BANDS;
use self::noise::{CELLS_A_PIXEL, Window};
use self::votes::Ballot;
use crate::data::so2sat::{Layout, Rows, SPLITS, Writer};
use crate::files::{NewFolders, clear_unfinished, publish};
use crate::{Classes, Error, Imagery, Progress, Result, Zone};

/// Pixels along a patch.
const SIZE: usize = 32;
/// The ground of a patch.
const PATCH: Window =
    Window { top: 0, left: 0, rows: SIZE * CELLS_A_PIXEL, columns: SIZE * CELLS_A_PIXEL, stride: 1 };

/// So2Sat's training patches of each class, LCZ 1 to G.
const CLASS_COUNTS: [usize; 17] = [
    5068, 24431, 31693, 8651, 16493, 35290, 3269, 39326, 13584, 11954, 42902, 9514, 9165, 41377, 2392, 7898,
    49359,
];

/// Per cent of the patches in each split: training, validation, test.
const SHARES: [usize; 3] = [60, 15, 25];
/// Cities to train on, and others for validation (their western halves) and testing (the eastern ones),
/// as in So2Sat. They are numbered through.
const TRAINING_CITIES: u64 = 42;
const OTHER_CITIES: u64 = 10;

/// Zones that lie next to others often enough to be caught at the edge of a patch.
const SURROUNDINGS: [Zone; 8] = [
    Zone::OpenMidRise,
    Zone::OpenLowRise,
    Zone::LargeLowRise,
    Zone::SparselyBuilt,
    Zone::ScatteredTrees,
    Zone::LowPlants,
    Zone::BareRockOrPaved,
    Zone::Water,
];

/// Patches of a data set at most: 740 GB.
const MOST: usize = 10_000_000;

/// Patches made and written at a time.
const BATCH: usize = 256;

/// A synthetic data set to be written.
///
/// ```
/// use lcz::{data::So2Sat, synthetic::Synthetic};
/// let folder = tempfile::tempdir()?;
/// Synthetic { patches: 200, seed: 1 }.write(folder.path(), &mut lcz::progress::Silent)?;
/// let (train, validation, test) = So2Sat::open(folder.path())?.splits()?;
/// assert_eq!([train.len(), validation.len(), test.len()], [120, 30, 50]);
/// assert!(train.provenance().starts_with("synthetic"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synthetic {
    /// Patches of all splits together: 60 % training, 15 % validation, 25 % test. Each takes 74 kB.
    pub patches: usize,
    /// The same seed gives the same files, with any number of threads.
    pub seed: u64,
}

impl Default for Synthetic {
    /// 6,000 patches, seed 1.
    fn default() -> Self {
        Self { patches: 6000, seed: 1 }
    }
}

impl Synthetic {
    /// The provenance that the files state.
    pub fn provenance(&self) -> String {
        format!("synthetic (lcz {}, seed {})", env!("CARGO_PKG_VERSION"), self.seed)
    }

    /// Writes `training.h5`, `validation.h5` and `testing.h5`, all whole or none, with `sen2`, `sen1`,
    /// `label`, `votes` and `group` (the city). The folder is made if it is not there.
    ///
    /// # Errors
    /// Fewer than 10 or more than 10,000,000 patches, a file that exists, a folder that cannot be written, a full disk, or
    /// [`Error::Interrupted`].
    pub fn write(&self, folder: impl AsRef<Path>, progress: &mut dyn Progress) -> Result<()> {
        let folder = folder.as_ref();
        if !(10..=MOST).contains(&self.patches) {
            let problem = format!("{} patches", self.patches);
            return Err(Error::input("synthetic data", problem, format!("choose 10 to {MOST}")));
        }
        let _folders = NewFolders::make(folder)?;
        let layout = Layout::new("sen2", Imagery::so2sat(), Classes::lcz(), &self.provenance());
        clear_unfinished(&folder.join(SPLITS[SPLITS.len() - 1]));
        let mut writers = Vec::with_capacity(SPLITS.len());
        for name in SPLITS {
            writers.push(Writer::create(folder.join(name), &layout)?);
        }
        progress.begin("synthetic patches", self.patches as u64);
        for (split, writer) in writers.iter_mut().enumerate() {
            self.write_split(split, writer, progress)?;
        }
        publish(writers.into_iter().map(Writer::complete).collect::<Result<_>>()?)?;
        progress.end(&format!("{} synthetic patches in {}", self.patches, folder.display()));
        Ok(())
    }

    /// Patches of a split; the test set takes what rounding leaves.
    fn count(&self, split: usize) -> usize {
        let of = |split: usize| self.patches * SHARES[split] / 100;
        if split == 2 { self.patches - of(0) - of(1) } else { of(split) }
    }

    fn write_split(&self, split: usize, writer: &mut Writer, progress: &mut dyn Progress) -> Result<()> {
        let numbers = match split {
            0 => 0..TRAINING_CITIES,
            _ => TRAINING_CITIES..TRAINING_CITIES + OTHER_CITIES,
        };
        let city = |number| City::draw(&mut self.rng(Stream::City, 0, number));
        let cities: Vec<(i32, City)> = match split {
            0 => numbers.map(|number| (number as i32, city(number))).collect(),
            _ => numbers
                .map(|number| (number as i32, city(number).half(&mut self.rng(Stream::Half, split, number))))
                .collect(),
        };
        let mut zones = apportion(self.count(split));
        zones.shuffle(&mut self.rng(Stream::Order, split, 0));
        for (batch, zones) in zones.chunks(BATCH).enumerate() {
            let patch = |(n, &zone): (usize, &Zone)| {
                let mut rng = self.rng(Stream::Patch, split, (batch * BATCH + n) as u64);
                Patch::draw(zone, &cities, &mut rng)
            };
            let patches: Vec<Patch> = zones.par_iter().enumerate().map(patch).collect();
            append(writer, &patches)?;
            progress.advance(patches.len() as u64, "");
            check_interruption(progress)?;
        }
        Ok(())
    }

    /// Random numbers of one city, order or patch, whichever thread draws them.
    fn rng(&self, stream: Stream, split: usize, index: u64) -> ChaCha8Rng {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip([self.seed, stream as u64, split as u64, index]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        ChaCha8Rng::from_seed(key)
    }
}

/// Ends if the user has interrupted it. Files without a final name are removed.
fn check_interruption(progress: &dyn Progress) -> Result<()> {
    if progress.interrupted() {
        return Err(Error::Interrupted { place: "before all was written; no file is left".to_owned() });
    }
    Ok(())
}

/// What random numbers are for.
#[derive(Clone, Copy)]
enum Stream {
    City = 1,
    Order = 2,
    Patch = 3,
    Half = 4,
}

/// One patch of the data set.
struct Patch {
    sen2: Vec<f32>,
    sen1: Vec<f32>,
    zone: Zone,
    votes: [f32; 17],
    city: i32,
}

impl Patch {
    fn draw(zone: Zone, cities: &[(i32, City)], rng: &mut ChaCha8Rng) -> Self {
        let (number, city) = &cities[rng.gen_range(0..cities.len())];
        let ballot = Ballot::draw(zone, rng);
        let mut ground = match ballot.neighbour {
            Some((other, share)) => fabric::ground_between((zone, other), share, PATCH, city, rng),
            None => fabric::ground_of(zone, PATCH, city, rng),
        };
        if rng.gen_bool(0.4) {
            let neighbour = SURROUNDINGS[rng.gen_range(0..SURROUNDINGS.len())];
            let share = rng.gen_range(0.05..0.3);
            fabric::invade(&mut ground, &fabric::ground_of(neighbour, PATCH, city, rng), share, rng);
        }
        let (spectra, sky) = (city.spectra_of_a_day(rng), city.sky_of_a_day(rng));
        let sen2 = sensor::sentinel2(&ground, city, &spectra, sky, rng);
        let sen1 = radar::sentinel1(&ground, rng);
        Self { sen2, sen1, zone, votes: ballot.votes, city: *number }
    }
}

fn append(writer: &mut Writer, patches: &[Patch]) -> Result<()> {
    let n = patches.len();
    let sen2: Vec<f32> = patches.iter().flat_map(|patch| &patch.sen2).copied().collect();
    let sen1: Vec<f32> = patches.iter().flat_map(|patch| &patch.sen1).copied().collect();
    let labels: Vec<usize> = patches.iter().map(|patch| patch.zone.number() - 1).collect();
    let votes = Array2::from_shape_fn((n, 17), |(n, k)| patches[n].votes[k]);
    let groups: Vec<i32> = patches.iter().map(|patch| patch.city).collect();
    let image = |pixels, channels| ArrayView4::from_shape((n, SIZE, SIZE, channels), pixels);
    let (Ok(images), Ok(sen1)) = (image(&sen2, BANDS), image(&sen1, radar::CHANNELS)) else {
        return Err(Error::Internal {
            what: "making patches",
            detail: "an image of another size".to_owned(),
        });
    };
    writer.append(Rows {
        sen1: Some(sen1),
        labels: Some(&labels),
        votes: Some(votes.view()),
        groups: Some(&groups),
        ..Rows::new(images)
    })
}

/// The zones of `n` patches in So2Sat's proportions: one of each first if there are enough, the rest
/// by the largest remainder.
fn apportion(n: usize) -> Vec<Zone> {
    let least = usize::from(n >= CLASS_COUNTS.len());
    let rest = n - least * CLASS_COUNTS.len();
    let total: usize = CLASS_COUNTS.iter().sum();
    let mut counts = CLASS_COUNTS.map(|count| least + rest * count / total);
    let mut by_remainder: Vec<usize> = (0..CLASS_COUNTS.len()).collect();
    by_remainder.sort_by_key(|&k| std::cmp::Reverse(rest * CLASS_COUNTS[k] % total));
    let missing = n - counts.iter().sum::<usize>();
    for &k in &by_remainder[..missing] {
        counts[k] += 1;
    }
    Zone::all().zip(counts).flat_map(|(zone, count)| std::iter::repeat_n(zone, count)).collect()
}
