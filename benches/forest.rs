//! Time to train a random forest: `cargo bench --bench forest -- FILE`.
//!
//! FILE is a labelled HDF5 file; its first 1,920 patches are used (10,240 features each for So2Sat). They
//! are in memory before the clock starts, as they are for the peer in `peers/forest.py`, which runs both.
//! Best of several rounds.

use std::path::Path;
use std::time::Instant;

use lcz::data::Patches;
use lcz::data::so2sat::So2Sat;
use lcz::models::forest::{ForestSettings, RandomForest};
use lcz::progress::Silent;

const PATCHES: usize = 1_920;
const ROUNDS: usize = 3;

fn main() -> Result<(), lcz::Error> {
    let Some(file) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) else {
        println!("forest: no file given, nothing measured");
        return Ok(());
    };
    let all = So2Sat::open(Path::new(&file))?.patches()?;
    let n = all.len().min(PATCHES);
    let labels = all.select(&(0..n).collect::<Vec<_>>())?.labels()?;
    let patches = Patches::in_memory(all.imagery().clone(), all.classes().clone(), all.images(0..n)?)?;
    let patches = patches.with_labels(&labels)?;
    let settings = ForestSettings::default();
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let mut best = f64::INFINITY;
        let mut score = 0.0;
        for _ in 0..ROUNDS {
            let started = Instant::now();
            let forest = pool.install(|| RandomForest::fit(&patches, &settings, &mut Silent))?;
            best = best.min(started.elapsed().as_secs_f64());
            score = forest.out_of_bag().map_or(f64::NAN, |it| it.score);
        }
        println!("lcz, {threads} threads: fit {best:.2} s, out-of-bag score {score:.4}, {n} patches");
    }
    Ok(())
}
