//! Trains, calibrates and stores a network on arrays of one's own: `cargo run --release --example own_arrays`.

use lcz::ndarray::{Array2, Array4};
use lcz::prelude::*;

fn main() -> lcz::Result<()> {
    // 480 patches of 16 × 16 pixels in four bands: each class is bright in a band of its own; nine experts voted.
    let class = |n: usize| n * 7 % 4;
    let noise = |n: usize| (n as f32 * 0.618).fract() - 0.5;
    let images = Array4::from_shape_fn((480, 16, 16, 4), |(n, row, column, band)| {
        0.1 + 0.1 * f32::from(class(n) == band) + 0.3 * noise(n * 1024 + row * 64 + column * 4 + band)
    });
    let counts = Array2::from_shape_fn((480, 4), |(n, k)| if class(n) == k { 6.0 } else { 1.0 });

    let classes = Classes::named(["water", "sand", "grass", "roof"])?;
    let imagery = Imagery::new(16, ["blue", "green", "red", "nir"])?.metres(10.0).unit("reflectance");
    let all = Patches::in_memory(imagery, classes, images)?.with_vote_counts(counts)?;
    let [train, validation, test] = all.split_at([360, 420])?;

    let settings = Sen2LczSettings { depth: 5, width: 4, ..Sen2LczSettings::default() };
    let mut network = Architecture::from(settings).build_for(&train, 0)?;
    let training = Training { epochs: 10, batch_size: 32, ..Training::default() };
    network.fit(&train, Some(&validation), &training, &mut Lines::on_stderr())?;
    let forest = RandomForest::fit(&train, &ForestSettings::default(), &mut Silent)?;

    let file = std::env::temp_dir().join("lcz-own-arrays.safetensors");
    Calibrated::fit(network, &validation)?.save(&file)?;
    let network = Calibrated::load(&file, Device::Cpu)?; // in the next program
    println!("{}", network.temperature());

    let y = validation.distributions()?;
    let conformal = Conformal::fit(&network.predict(&validation)?, &y, ConformalSettings::default())?;
    conformal.save(file.with_extension("json"))?;
    for classifier in [&network as &dyn Classifier, &forest] {
        println!("{}: {}", classifier.name(), classifier.evaluate(&test)?);
    }
    println!("{:.2} classes per set", conformal.sets(&network.predict(&test)?)?.mean_size());
    Ok(())
}
