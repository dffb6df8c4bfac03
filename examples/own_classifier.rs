//! A classifier of one's own, scored and mapped like those of the library:
//! `cargo run --release --example own_classifier`.

use lcz::data::So2Sat;
use lcz::mapping::{self, MapOutput, Mapping};
use lcz::models::Classifier;
use lcz::ndarray::Array2;
use lcz::prelude::*;
use lcz::scene::Scene;
use lcz::synthetic::SyntheticScene;
use lcz::{Classes, Imagery, Zone};

/// Water where near infrared is darker than green, else one of the other classes by chance.
struct WaterOrNot {
    imagery: Imagery,
    classes: Classes,
}

impl Classifier for WaterOrNot {
    fn name(&self) -> &'static str {
        "water or not"
    }

    fn imagery(&self) -> &Imagery {
        &self.imagery
    }

    fn classes(&self) -> &Classes {
        &self.classes
    }

    fn predict(&self, patches: &Patches) -> lcz::Result<Probabilities> {
        let k = self.classes.len();
        let water = self.classes.position(Zone::Water).unwrap_or(0);
        let ndvi = patches.ndvi()?;
        let p = Array2::from_shape_fn((patches.len(), k), |(n, class)| {
            let is_water = if ndvi[n] < 0.0 { 0.9 } else { 0.01 };
            if class == water { is_water } else { (1.0 - is_water) / (k - 1) as f64 }
        });
        Probabilities::new(self.classes.clone(), p)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("lcz-own-classifier-{}", std::process::id()));
    Synthetic { patches: 340, seed: 1 }.write(folder.join("patches"), &mut Silent)?;
    let (_, _, test) = So2Sat::open(folder.join("patches"))?.splits()?;
    let model = WaterOrNot { imagery: test.imagery().clone(), classes: test.classes().clone() };
    let scores = Scores::compute(&model.predict(&test)?, &test.labels()?, None)?;
    println!("{}: OA {:.3} on {} synthetic patches", model.name(), scores.overall_accuracy, scores.samples);

    let city = folder.join("city");
    SyntheticScene { rows: 96, columns: 128, ..SyntheticScene::default() }.write(&city, &mut Silent)?;
    let bands = model.imagery.bands.names().iter().map(|band| city.join(format!("{band}.tif")));
    // Scale, offset and unit are those that the files state.
    let mapping = Mapping::default();
    let truth = city.join("LCZ.tif");
    let output = MapOutput { truth: Some(&truth), ..MapOutput::default() };
    let map = mapping::map_with(&model, Scene::open(bands)?, &mapping, &output, &mut Silent)?;
    println!("a map of {} x {} pixels", map.numbers.nrows(), map.numbers.ncols());
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
