//! Maps of the last lesson: a synthetic city, generated on first use, and a real scene where it is available.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Shown, WithoutSummary, made, real, repository, unfinished_near};
use crate::checkpoint;
use crate::figures::Figure;
use crate::mapping;
use crate::mapping::{MapReport, Mapping};
use crate::models::sen2lcz::Fusion;
use crate::models::{Device, Model};
use crate::progress::{Lines, Silent};
use crate::run::Run;
use crate::scene::{Radiometry, Scene};
use crate::synthetic::SyntheticScene;
use crate::{Error, Result};

/// Pixels of 10 m of the synthetic city, and in quick mode.
const CITY: [(usize, usize); 2] = [(240, 360), (96, 128)];
/// Random seed, not that of the patches.
const SEED: u64 = 8;

/// Maps a **synthetic** city with a network that takes So2Sat's Sentinel-2 bands, a window every 50 m, and compares the
/// map with the city's zones. The city is made on first use in `data/` of the repository; the GeoTIFFs of the map, for a
/// geographic information system, are in `runs/notebook-map/` and replaced each time.
///
/// # Errors
/// A network of other bands, a folder that cannot be written, or a disk that is full.
pub fn map_city(network: &dyn Model) -> Result<(MapReport, Figure)> {
    let city = city()?;
    let mapping = Mapping { stride: Some("50m".parse()?), ..Mapping::default() };
    mapped(network, bands(&city)?, &mapping, Some(&city.join("LCZ.tif")))
}

/// Maps real fields, towns and a lagoon around Aquileia (Sentinel-2 L2A, 2019-04-16) with the So2Sat project's own
/// network, where `LCZ_REAL_DATA` names a folder that has both (`scenes/aquileia`, `dlr/S2_RESNET20….h5`). There are no reference
/// labels.
///
/// # Errors
/// Files that cannot be read, and as [`map_city`].
pub fn map_aquileia() -> Result<Shown> {
    let found =
        real("scenes/aquileia").zip(real("dlr/S2_RESNET20_BS16_LR2e-4_IN32-32-10_PRO-52-0R12_2019-06-27.h5"));
    super::with_real(found, |(scene, weights)| {
        let network = checkpoint::import_keras(weights, Fusion::Softmaxes, Device::Cpu)?;
        let mapping = Mapping {
            // As the producer of the scene states: 65,535 is a reflectance of 1, and 0 means no data.
            radiometry: Radiometry {
                scale: Some(1.0 / 65_535.0),
                unit: Some(network.imagery().unit.clone()),
                no_data: Some(0.0),
                ..Radiometry::default()
            },
            data: Some("real: Sentinel-2 L2A, Aquileia, 2019-04-16".to_owned()),
            ..Mapping::default()
        };
        Ok(mapped(&*network, bands(scene)?, &mapping, None)?.1)
    })
}

fn mapped(
    network: &dyn Model,
    scene: Scene,
    mapping: &Mapping,
    truth: Option<&Path>,
) -> Result<(MapReport, Figure)> {
    let folder = repository().join("runs").join("notebook-map");
    let unfinished = unfinished_near(&folder)?;
    let whole = unfinished.path().join("whole");
    fs::create_dir(&whole).map_err(Error::io(&whole))?;
    let run = Run::create(whole.join("model"), |run| run.keep(network))?;
    let out = whole.join("map.tif");
    let map = mapping::map(&run, scene, mapping, &out, truth, &mut Silent)?;
    // The last map's folder gives way; it is the notebook's own.
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(Error::io(&folder))?;
    }
    fs::rename(&whole, &folder).map_err(Error::io(&folder))?;
    Ok((map.report, map.figure.expect("no shard")))
}

/// The folder of the synthetic city.
fn city() -> Result<PathBuf> {
    let (rows, columns) = CITY[usize::from(super::is_quick())];
    let folder = repository().join("data").join(format!("city-{rows}x{columns}-{SEED}"));
    made(folder, |folder| {
        let scene = SyntheticScene { rows, columns, seed: SEED, ..SyntheticScene::default() };
        scene.write(folder, &mut WithoutSummary(Lines::on_stdout()))
    })
}

/// The bands in a folder: `B2.tif` and the like.
fn bands(folder: &Path) -> Result<Scene> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(Error::io(folder))?;
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with('B') && name.ends_with(".tif")
    });
    files.sort();
    Scene::open(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_scene_is_mapped_by_the_so2sat_project_s_network() {
        match map_aquileia().unwrap() {
            Shown::Figure(figure) => {
                for words in ["Local Climate Zones by resnet20", "G water", "True colour", "Sentinel-2 L2A"] {
                    assert!(figure.svg().contains(words), "{words}");
                }
                assert!(repository().join("runs/notebook-map/map.tif").is_file());
            }
            Shown::Note(_) => eprintln!("skipped: no real data (set LCZ_REAL_DATA)"),
        }
    }
}
