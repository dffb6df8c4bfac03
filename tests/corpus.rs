//! What fuzzing has found, and inputs that reach far into the readers, once more: none panics, and each refusal names the
//! file.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

#[test]
fn every_input_that_fuzzing_has_kept_is_read_or_refused() {
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus"));
    for (name, _) in targets::TARGETS {
        let inputs = fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path());
        let inputs: Vec<_> = inputs.collect();
        assert!(!inputs.is_empty(), "{name}");
        for input in inputs {
            println!("{}", input.display());
            targets::run(name, &fs::read(&input).unwrap());
        }
    }
}
