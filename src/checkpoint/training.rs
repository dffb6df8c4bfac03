//! Trainings on disk: the state that one is resumed from, in a safetensors file.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::{SafeTensorError, SafeTensors};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Description, KEY, numbers, to_json, write_weights};
use crate::nn::{Position, TrainingState, Weights};
use crate::{Error, Result};

/// The keys of the state's numbers and of the caller's notes among a file's metadata.
const POSITION: &str = "position";
const NOTES: &str = "notes";

/// What the names of the tensors begin with: the network's own, the optimiser's moments of them, and
/// those of the best epoch.
const PARTS: [&str; 4] = ["now", "first_moment", "second_moment", "best"];

/// Writes a training's state, its network's description and some notes. The file appears whole or not
/// at all.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn save_training(
    path: &Path,
    description: &Description,
    state: &TrainingState,
    notes: &impl Serialize,
) -> Result<()> {
    let [first, second] = &state.moments;
    let none = Weights::default();
    let parts = [&state.weights, first, second, state.best.as_ref().unwrap_or(&none)];
    let tensors = PARTS.into_iter().zip(parts).flat_map(|(part, weights)| {
        weights.iter().map(move |(name, weight)| (format!("{part}/{name}"), weight))
    });
    let metadata =
        [(KEY, to_json(description)?), (POSITION, to_json(&state.position)?), (NOTES, to_json(notes)?)];
    write_weights(path, tensors, metadata)
}

/// Reads what [`save_training`] has written.
///
/// # Errors
/// A missing or truncated file, or one that this version of lcz did not write.
pub(crate) fn load_training<T: DeserializeOwned>(path: &Path) -> Result<(Description, TrainingState, T)> {
    let not_ours = |problem: String| Error::file(path, problem, "train again, in another folder");
    let file = super::read_model(path)?;
    let broken = |e: SafeTensorError| not_ours(format!("not safetensors ({e})"));
    let (_, metadata) = SafeTensors::read_metadata(&file).map_err(broken)?;
    let tensors = numbers(&SafeTensors::deserialize(&file).map_err(broken)?).map_err(not_ours)?;
    let metadata = metadata.metadata().clone().unwrap_or_default();
    let text = |key: &str| {
        metadata.get(key).ok_or_else(|| not_ours(format!("not the checkpoint of a training (no {key})")))
    };
    let unread = |e: serde_json::Error| not_ours(format!("a checkpoint that cannot be read ({e})"));
    let description: Description = serde_json::from_str(text(KEY)?).map_err(unread)?;
    let position: Position = serde_json::from_str(text(POSITION)?).map_err(unread)?;
    let notes: T = serde_json::from_str(text(NOTES)?).map_err(unread)?;
    if position.best_epoch.is_some_and(|best| best == 0 || best > position.epochs.len()) {
        return Err(not_ours("a checkpoint whose best epoch is not one of its epochs".to_owned()));
    }

    let mut parts = PARTS.map(|_| BTreeMap::new());
    for (name, weight) in tensors {
        let (part, name) = name.split_once('/').unwrap_or(("", &name));
        let Some(k) = PARTS.iter().position(|known| *known == part) else {
            return Err(not_ours(format!("an unknown tensor '{name}'")));
        };
        parts[k].insert(name.to_owned(), weight);
    }
    let [weights, first, second, best] = parts.map(Weights::new);
    let best = position.best_epoch.map(|_| best);
    Ok((description, TrainingState { position, weights, moments: [first, second], best }, notes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Patches;
    use crate::models::sen2lcz::Sen2LczSettings;
    use crate::models::{Architecture, Device, build};
    use crate::nn::{Labelled, Observer, Standardisation, Training, Weight};
    use crate::{Bands, Classes, Imagery, Labels, Progress};
    use ndarray::Array4;

    /// Keeps the state after each step.
    #[derive(Default)]
    struct Keep(Vec<TrainingState>);

    impl Progress for Keep {}

    impl Observer for Keep {
        fn wants_checkpoint(&mut self, _: bool) -> bool {
            true
        }
        fn checkpoint(&mut self, state: &TrainingState) -> Result<()> {
            self.0.push(state.clone());
            Ok(())
        }
    }

    /// A state without the flags of trained tensors, which the network has.
    fn numbers_of(state: &TrainingState) -> TrainingState {
        let all = |weights: &Weights| {
            let trainable = |(name, weight): (&String, &Weight)| {
                (name.clone(), Weight { trainable: true, ..weight.clone() })
            };
            Weights::new(weights.iter().map(trainable).collect())
        };
        TrainingState {
            position: state.position.clone(),
            weights: all(&state.weights),
            moments: state.moments.each_ref().map(all),
            best: state.best.as_ref().map(all),
        }
    }

    #[test]
    fn a_state_is_read_as_it_was_written_to_the_last_bit() {
        let imagery = Imagery { patch_size: 8, bands: Bands::from_count(2), ..Imagery::so2sat() };
        let classes = Classes::from_count(3);
        let images = Array4::from_shape_fn((10, 8, 8, 2), |(n, y, x, c)| ((n * y + x) % 7 + c) as f32 / 7.0);
        let patches = Patches::in_memory(imagery.clone(), classes.clone(), images).unwrap();
        let labels = Labels::new(classes.clone(), (0..10).map(|n| n % 3).collect()).unwrap().one_hot();
        let settings = Sen2LczSettings { depth: 5, width: 2, ..Sen2LczSettings::default() };
        let mut network =
            build(&Architecture::Sen2lcz(settings), &imagery, &classes, 1, Device::Cpu).unwrap();
        network
            .set_standardisation(Standardisation { mean: vec![0.1, 1.0 / 3.0], deviation: vec![0.7, 1.1] })
            .unwrap();
        let training = Training { epochs: 2, batch_size: 4, ..Training::default() };
        let mut keep = Keep::default();
        let train = Labelled { patches: &patches, labels: &labels };
        network.fit(train, Some(train), &training, &mut keep).unwrap();
        assert_eq!(keep.0.len(), 8, "three steps an epoch, and its end");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let start = TrainingState::start(network.weights());
        for state in keep.0.iter().chain([&start]) {
            save_training(&path, &Description::from_model(&*network), state, &"a note").unwrap();
            let (description, read, note) = load_training::<String>(&path).unwrap();
            assert!(numbers_of(&read) == numbers_of(state), "{:?}", state.position());
            assert_eq!(description.standardisation(), network.standardisation());
            assert_eq!(note, "a note");
        }
        let error = load_training::<String>(&folder.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("No such file"), "{error}");
    }
}
