//! Trains, calibrates and stores a network on arrays of one's own: `cargo run --release --example own_arrays`.

use lcz::calibration::TemperatureFit;
use lcz::models::{self, Device};
use lcz::ndarray::{Array2, Array4};
use lcz::prelude::*;
use lcz::{Classes, Imagery, checkpoint};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // 480 patches of 16 × 16 pixels in four bands: each class is bright in a band of its own; nine experts voted.
    let classes = Classes::named(["water", "sand", "grass", "roof"])?;
    let bands = Bands::named(["blue", "green", "red", "nir"])?;
    let imagery = Imagery {
        patch_size: 16,
        bands,
        ground_sampling_distance: Some(10.0),
        unit: "reflectance".to_owned(),
    };
    let class = |n: usize| n * 7 % 4;
    let noise = |n: usize| (n as f32 * 0.618).fract() - 0.5;
    let images = Array4::from_shape_fn((480, 16, 16, 4), |(n, row, column, band)| {
        0.1 + 0.1 * f32::from(class(n) == band) + 0.3 * noise(n * 1024 + row * 64 + column * 4 + band)
    });
    let votes = Array2::from_shape_fn((480, 4), |(n, k)| if class(n) == k { 6.0 } else { 1.0 });
    let all =
        Patches::in_memory(imagery, classes.clone(), images)?.with_votes(&Votes::new(classes, votes)?)?;
    let part = |range: std::ops::Range<usize>| all.select(&range.collect::<Vec<_>>());
    let (train, validation, test) = (part(0..360)?, part(360..420)?, part(420..480)?);

    let kind = Architecture::Sen2lcz(Sen2LczSettings { depth: 5, width: 4, ..Sen2LczSettings::default() });
    let mut network = models::build(&kind, train.imagery(), train.classes(), 0, Device::Cpu)?;
    let (y_train, y_validation) = (train.distributions()?, validation.distributions()?);
    let training = Training { epochs: 10, batch_size: 32, ..Training::default() };
    network.fit(
        Labelled { patches: &train, labels: &y_train },
        Some(Labelled { patches: &validation, labels: &y_validation }),
        &training,
        &mut Lines::on_stderr(),
    )?;

    let fit = TemperatureFit::of(&network.logits(&validation)?, &y_validation)?;
    let p_validation = network.predict(&validation)?.at(fit.temperature);
    let conformal = Conformal::fit(&p_validation, &y_validation, ConformalSettings::default())?;
    let p = network.predict(&test)?.at(fit.temperature);
    let scores = Scores::of(&p, &test.labels_or_majority()?, Some(&test.distributions()?))?;
    println!("OA {:.3}, cross-entropy {:.3} nats", scores.overall_accuracy, scores.cross_entropy);
    println!("T = {:.2}, {:.2} classes per set", fit.temperature.value(), conformal.sets(&p)?.mean_size());

    let folder = std::env::temp_dir();
    checkpoint::save(&*network, folder.join("lcz-own-arrays.safetensors"))?;
    std::fs::write(folder.join("lcz-own-arrays-conformal.json"), serde_json::to_string(&conformal)?)?;
    Ok(())
}
