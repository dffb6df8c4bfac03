//! Patches per second read from a file, in shuffled batches of 64 and in order:
//!
//! `cargo bench --bench reading -- FILE.h5`

use std::time::Instant;

use lcz::data::so2sat::So2Sat;

fn main() -> lcz::Result<()> {
    // Cargo adds `--bench`.
    let Some(path) = std::env::args().skip(1).find(|argument| !argument.starts_with("--")) else {
        println!("reading: no file given");
        return Ok(());
    };
    // As the program has it.
    lcz::models::keep_memory();
    let patches = So2Sat::open(&path)?.patches()?;
    println!(
        "{patches:?}; {}",
        patches.unfavourable_chunks().unwrap_or_else(|| "chunks of whole patches".to_owned())
    );
    let began = Instant::now();
    let n =
        patches.shuffled(64, 1).map(|batch| batch.map(|(rows, _)| rows.len())).sum::<lcz::Result<usize>>()?;
    report("shuffled", n, began);
    let began = Instant::now();
    let n = patches.batches(64).map(|batch| batch.map(|(rows, _)| rows.len())).sum::<lcz::Result<usize>>()?;
    report("in order", n, began);
    Ok(())
}

fn report(order: &str, patches: usize, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    println!("{order}: {patches} patches in {seconds:.2} s, {:.0} patches/s", patches as f64 / seconds);
}
