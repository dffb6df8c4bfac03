//! Data and checks of the course's notebooks: a data set that is generated on first use, real data where available,
//! and checks of the exercises that answer `correct` or give a hint.

mod checks;
mod comparison;
mod cover;
mod maps;
mod real;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use tempfile::TempDir;

use crate::data::So2Sat;
use crate::display::{Table, grouped};
use crate::progress::{Lines, Silent};
use crate::scene::Shares;
use crate::scene::eurosat::EuroSat;
use crate::synthetic::{Synthetic, SyntheticEuroSat};
use crate::{Error, Progress, Result, Votes, Zone};

pub use checks::*;
pub use comparison::Comparison;
pub use cover::{CoverScene, cover_scene};
pub use maps::{map_aquileia, map_city};
use real::real;
pub use real::{PublishedVotes, Shown, published_votes, real_patches, real_votes, with_real};

/// Synthetic patches of the notebooks, and how many in quick mode.
const PATCHES: [usize; 2] = [3400, 680];
/// Random seed.
const SEED: u64 = 1;

/// Synthetic EuroSAT images of each class, and in quick mode.
const EUROSAT_EACH: [usize; 2] = [40, 12];
/// Their random seed.
const EUROSAT_SEED: u64 = 9;

/// Whether the notebooks run in quick mode, on small data: `LCZ_QUICK=1`.
pub fn is_quick() -> bool {
    std::env::var("LCZ_QUICK").is_ok_and(|value| value == "1")
}

/// This number of epochs, or 2 in [quick mode](is_quick).
pub fn epochs(full: usize) -> usize {
    if is_quick() { full.min(2) } else { full }
}

/// Prints once that the notebooks run in [quick mode](is_quick): the texts describe results on the full data.
fn announce_quick() {
    static SAID: Once = Once::new();
    if is_quick() {
        SAID.call_once(|| {
            println!(
                "Quick mode (LCZ_QUICK=1): the results that the text describes may not appear on few data."
            );
        });
    }
}

/// The synthetic data set of the notebooks, made on first use in `data/` of the repository (3,400 patches,
/// 250 MB, some seconds; 680 if [quick](is_quick)).
///
/// # Errors
/// A folder that cannot be written, or a disk that is full.
pub fn data() -> Result<So2Sat> {
    So2Sat::open(data_folder()?)
}

/// The Sentinel-1 half of [`data`]: the same patches seen by radar.
///
/// # Errors
/// As there.
pub fn radar_data() -> Result<So2Sat> {
    So2Sat::open_as(data_folder()?, "sen1")
}

/// **Synthetic** images in EuroSAT's layout, a folder for each class, and the HDF5 files made from them: written on
/// first use in `data/` of the repository, split at random within each class, 60 : 15 : 25.
///
/// # Errors
/// A folder that cannot be written, or a disk that is full.
pub fn eurosat() -> Result<So2Sat> {
    announce_quick();
    let each = EUROSAT_EACH[usize::from(is_quick())];
    let data = repository().join("data");
    let images = made(data.join(format!("eurosat-{each}-{EUROSAT_SEED}")), |folder| {
        SyntheticEuroSat { each, seed: EUROSAT_SEED }.write(folder)
    })?;
    let files = made(data.join(format!("eurosat-{each}-{EUROSAT_SEED}-files")), |folder| {
        let set = EuroSat::open(&images)?;
        let split = set.random_split(Shares::default(), EUROSAT_SEED)?;
        set.write(&split, folder, SyntheticEuroSat::PROVENANCE, &mut Silent).map(drop)
    })?;
    So2Sat::open(files)
}

/// Makes the data set where it is missing.
fn data_folder() -> Result<PathBuf> {
    announce_quick();
    let synthetic = Synthetic { patches: PATCHES[usize::from(is_quick())], seed: SEED };
    let folder = repository().join("data").join(format!("synthetic-{}-{SEED}", synthetic.patches));
    made(folder, |folder| {
        synthetic.write(folder, &mut WithoutSummary(Lines::on_stdout()))?;
        println!("{} synthetic patches made in data/", grouped(synthetic.patches as u64));
        Ok(())
    })
}

/// Makes a folder where it is missing, under another name until it is whole. Two notebooks may make it at the same
/// time: the folder of the one that is done first has the same contents, and serves both.
fn made(folder: PathBuf, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    if !folder.exists() {
        let unfinished = unfinished_near(&folder)?;
        let whole = unfinished.path().join("whole");
        make(&whole)?;
        let renamed = fs::rename(&whole, &folder);
        if !folder.exists() {
            renamed.map_err(Error::io(&folder))?;
        }
    }
    Ok(folder)
}

/// A hidden folder on the same disk, removed when it is dropped.
fn unfinished_near(folder: &Path) -> Result<TempDir> {
    let parent = folder.parent().unwrap_or(folder);
    fs::create_dir_all(parent)
        .and_then(|()| tempfile::Builder::new().prefix(".unfinished-").tempdir_in(parent))
        .map_err(Error::io(parent))
}

/// The repository's folder: a notebook runs in `notebooks/`, or as a student's copy in `target/student/`.
fn repository() -> &'static Path {
    let root =
        [".", "..", "../.."].into_iter().find(|root| Path::new(root).join("notebooks/evcxr.toml").exists());
    Path::new(root.unwrap_or("."))
}

/// Progress whose summary would name a folder that is about to get another name.
struct WithoutSummary(Lines);

impl Progress for WithoutSummary {
    fn begin(&mut self, stage: &str, steps: u64) {
        self.0.begin(stage, steps);
    }

    fn advance(&mut self, steps: u64, note: &str) {
        self.0.advance(steps, note);
    }

    fn end(&mut self, _: &str) {
        self.0.end("");
    }
}

/// How far experts agree on each zone, in one or several sets of votes: patches whose majority chose the
/// zone, their mean voting entropy in nats, and how many of them are unanimous.
pub fn agreement(sets: &[(&str, &Votes)]) -> Table {
    let mut header = vec!["majority".to_owned()];
    for (name, _) in sets {
        header.extend(["patches", "mean entropy", "unanimous"].map(|what| format!("{name}: {what}")));
    }
    let mut table = Table::new(header);
    let sets: Vec<_> = sets
        .iter()
        .map(|(_, votes)| {
            let y = votes.distributions();
            (y.classes().clone(), y.majority(), y.entropy())
        })
        .collect();
    for zone in Zone::all() {
        let mut row = vec![zone.to_string()];
        for (classes, majority, entropy) in &sets {
            let of_zone: Vec<f64> = classes.position(zone).map_or_else(Vec::new, |k| {
                majority
                    .indices()
                    .iter()
                    .zip(entropy)
                    .filter(|(index, _)| **index == k)
                    .map(|(_, h)| *h)
                    .collect()
            });
            if of_zone.is_empty() {
                row.extend(["-"; 3].map(str::to_owned));
                continue;
            }
            let n = of_zone.len() as f64;
            let unanimous = of_zone.iter().filter(|h| **h == 0.0).count() as f64;
            row.push(grouped(of_zone.len() as u64));
            // Entropies of unanimous votes may be −0.
            row.push(format!("{:.3}", of_zone.iter().sum::<f64>().abs() / n));
            row.push(format!("{:.0} %", 100.0 * unanimous / n));
        }
        table.row(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn two_notebooks_may_make_the_same_data_at_the_same_time() {
        let place = tempfile::tempdir().unwrap();
        let both_write = Barrier::new(2);
        let make = || {
            made(place.path().join("data"), |folder| {
                fs::create_dir(folder).unwrap();
                fs::write(folder.join("a"), "whole").unwrap();
                both_write.wait();
                Ok(())
            })
        };
        let folders =
            thread::scope(|scope| [scope.spawn(make), scope.spawn(make)].map(|one| one.join().unwrap()));
        for folder in folders {
            assert_eq!(fs::read_to_string(folder.unwrap().join("a")).unwrap(), "whole");
        }
        let fails = |_: &Path| Err(Error::input("data", "no room", "make some"));
        assert!(made(place.path().join("other"), fails).is_err());
    }
}
