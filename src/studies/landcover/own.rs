//! A network of land cover for a scene of one's own.

use std::path::Path;

use serde::Serialize;

use super::cities::score;
use super::runs;
use super::scores::CoverScores;
use crate::figures::{self, Caption, CountScale, Provenance, Source, TilesPicture};
use crate::files::Partial;
use crate::models::unet::UnetSettings;
use crate::models::{Architecture, Device};
use crate::nn::{Masked, Training};
use crate::run::write_json;
use crate::scene::{BlockSplit, CloudFilter, Fate, GeoTiff, LabelRaster, Part, Scene, Tiling};
use crate::{Progress, Result};

/// Patches in the figure of samples, at most.
const SAMPLES: usize = 6;

/// How a network is trained on a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct LandCoverTraining {
    /// How the scene is cut.
    pub tiling: Tiling,
    /// What counts as cloud.
    pub clouds: CloudFilter,
    /// How patches are dealt to training, validation and testing.
    pub blocks: BlockSplit,
    /// The network.
    pub network: UnetSettings,
    /// How it is trained.
    pub training: Training,
    /// Where it runs.
    pub device: Device,
    /// What figures say of where the scene is from; if nothing, what the files say of themselves, or their names.
    pub data: Option<String>,
}

/// What the training came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LandCoverOutcome {
    /// Tiles by what became of them: kept, no data, cloud, no label.
    pub tiles: Vec<(String, usize)>,
    /// Patches for training, validation and testing.
    pub patches: [usize; 3],
    /// Epochs that were run, and the one that was kept.
    pub epochs: [usize; 2],
    /// Seconds of training.
    pub seconds: f64,
    /// On the test patches.
    pub test: CoverScores,
}

/// Cuts a scene into patches with masks, trains a U-Net on them and tests it on blocks of ground that are held out. The
/// folder, which appears whole or not at all, holds `model.safetensors`, `training.json`, `scores.json` and figures: how the scene was
/// cut, learning curves, confusion with linear and logarithmic colours, test patches.
///
/// # Errors
/// A folder that exists, and as [`Tiling::cut`], [`BlockSplit::deal`] and [`Segmenter::fit`](crate::models::Segmenter::fit).
pub fn train_land_cover(
    settings: &LandCoverTraining,
    scene: &Scene,
    labels: &LabelRaster,
    scl: Option<&GeoTiff>,
    folder: &Path,
    progress: &mut dyn Progress,
) -> Result<LandCoverOutcome> {
    crate::files::check_free(folder)?;
    settings.training.check()?;
    Architecture::Unet(settings.network.clone()).check(settings.tiling.patch_size)?;
    let cut = settings.tiling.cut(scene, labels, scl.map(|scl| (scl, &settings.clouds)), progress)?;
    let parts = settings.blocks.deal(&cut)?;
    let of = |part: Part| {
        let positions: Vec<usize> = (0..parts.len()).filter(|&k| parts[k] == Some(part)).collect();
        Ok::<_, crate::Error>((cut.patches.select(&positions)?, cut.masks.select(&positions)?))
    };
    let [train, validation, testing] = [of(Part::Training)?, of(Part::Validation)?, of(Part::Testing)?];

    let partial = Partial::folder(folder)?;
    let (segmenter, trained) = runs::train(
        partial.path(),
        (&settings.network, &settings.training),
        Masked { patches: &train.0, masks: &train.1 },
        Some(Masked { patches: &validation.0, masks: &validation.1 }),
        settings.device,
        progress,
    )?;
    let p = segmenter.predict(&testing.0)?;
    let test = score("held-out blocks", &p, &testing.1)?;

    let data = settings.data.clone().unwrap_or_else(|| scene.provenance());
    let seed = Some(settings.training.seed);
    let provenance = Provenance { seed, ..Provenance::of(data.clone(), Source::Other) };
    let title = super::drawing::title(&settings.network);
    let save = |name: &str, title: String, figure: &dyn Fn(&Caption) -> Result<figures::Figure>| {
        figure(&Caption::new(title, data.clone()))?.with_provenance(&provenance).save(partial.path(), name)
    };
    let overview = settings.tiling.over(scene)?.overview(Some(labels))?;
    let picture = TilesPicture {
        overview: &overview,
        classes: labels.classes(),
        tiles: &cut.tiles,
        patch_size: settings.tiling.patch_size,
        clouds: scl.map_or_else(String::new, |_| settings.clouds.sentence()),
    };
    save("scene", "How the scene was cut".to_owned(), &|caption| figures::cut_scene(&picture, caption))?;
    let curves = trained.history.curves();
    save("learning-curves", title.clone(), &|caption| figures::learning_curves(&curves, caption))?;
    let confusion = test.confusion()?;
    for (scale, name) in [(CountScale::Linear, "counts"), (CountScale::Logarithmic, "log")] {
        save(&format!("confusion-{name}"), format!("{title}, on held-out blocks"), &|caption| {
            figures::confusion_counts(&confusion, scale, caption)
        })?;
    }
    let n = testing.0.len();
    let count = SAMPLES.min(n);
    let chosen: Vec<usize> = (0..count).map(|k| (2 * k + 1) * n / (2 * count)).collect();
    save("samples", format!("{title}: test patches"), &|caption| {
        figures::segmentation(&testing.0, &testing.1, &p, &chosen, caption)
    })?;

    let count = |fate: Fate| cut.tiles.iter().filter(|tile| tile.fate == fate).count();
    let outcome = LandCoverOutcome {
        tiles: Fate::ALL.map(|fate| (fate.words().to_owned(), count(fate))).to_vec(),
        patches: [train.0.len(), validation.0.len(), n],
        epochs: [trained.history.epochs.len(), trained.history.best_epoch],
        seconds: trained.seconds,
        test,
    };
    write_json(&partial.path().join("scores.json"), &outcome)?;
    partial.become_new()?;
    Ok(outcome)
}
