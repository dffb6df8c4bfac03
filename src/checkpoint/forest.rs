//! Forests on disk: safetensors of the nodes of all trees one after another, and of what lies in leaves.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::{Header, KEY, StoredTemperature, to_json, unwritten, write_views};
use crate::models::forest::{ForestSettings, Node, OutOfBag, RandomForest, Tree};
use crate::{Classes, Error, Imagery, Result};

/// The architecture name by which a forest is recognised.
pub(super) const NAME: &str = "forest";

/// The feature of a leaf.
const LEAF: u32 = u32::MAX;

#[derive(Serialize, Deserialize)]
struct Description {
    architecture: Architecture,
    imagery: Imagery,
    classes: Classes,
    seed: u64,
    /// Where the training patches are from.
    provenance: String,
    out_of_bag: Option<OutOfBag>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    temperature: Option<StoredTemperature>,
    crate_version: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
enum Architecture {
    Forest(ForestSettings),
}

impl RandomForest {
    /// Writes the forest as safetensors: its trees, settings, seed, imagery, classes and the provenance of its
    /// training patches. The file appears whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write(path.as_ref(), None)
    }

    pub(super) fn write(&self, path: &Path, temperature: Option<StoredTemperature>) -> Result<()> {
        let description = Description {
            architecture: Architecture::Forest(self.settings.clone()),
            imagery: self.imagery.clone(),
            classes: self.classes.clone(),
            seed: self.settings.seed,
            provenance: self.provenance.clone(),
            out_of_bag: self.out_of_bag,
            temperature,
            crate_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let nodes = || self.trees.iter().flat_map(|tree| &tree.nodes);
        let counts = || self.trees.iter().flat_map(|tree| &tree.counts);
        // Feature, threshold, right branch or first count, end of the counts.
        let numbers = |node: &Node| match *node {
            Node::Split { feature, threshold, right } => (feature, threshold, right, 0),
            Node::Leaf { first, end } => (LEAF, 0.0, first, end),
        };
        let u32s = |numbers: &mut dyn Iterator<Item = u32>| -> Vec<u8> {
            numbers.flat_map(u32::to_le_bytes).collect()
        };
        let thresholds = nodes().flat_map(|node| numbers(node).1.to_le_bytes()).collect();
        let tensors = [
            ("tree.nodes", Dtype::U32, u32s(&mut self.trees.iter().map(|tree| tree.nodes.len() as u32))),
            ("tree.counts", Dtype::U32, u32s(&mut self.trees.iter().map(|tree| tree.counts.len() as u32))),
            ("node.feature", Dtype::U32, u32s(&mut nodes().map(|node| numbers(node).0))),
            ("node.threshold", Dtype::F32, thresholds),
            ("node.right_or_first_count", Dtype::U32, u32s(&mut nodes().map(|node| numbers(node).2))),
            ("node.end_of_counts", Dtype::U32, u32s(&mut nodes().map(|node| numbers(node).3))),
            ("count.class", Dtype::U32, u32s(&mut counts().map(|&(class, _)| u32::from(class)))),
            ("count.weight", Dtype::U32, u32s(&mut counts().map(|&(_, weight)| weight))),
            ("importance", Dtype::F64, self.importance.iter().flat_map(|x| x.to_le_bytes()).collect()),
        ];
        let mut views = Vec::with_capacity(tensors.len());
        for (name, dtype, bytes) in &tensors {
            let width = if *dtype == Dtype::F64 { 8 } else { 4 };
            views
                .push((*name, TensorView::new(*dtype, vec![bytes.len() / width], bytes).map_err(unwritten)?));
        }
        write_views(path, views, [(KEY, to_json(&description)?)])
    }
}

/// Reads a forest that [`RandomForest::save`] has written.
///
/// # Errors
/// A missing or truncated file, one that lcz did not write or that holds a network, or numbers that do not
/// fit together.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::models::{Classifier, forest::{ForestSettings, RandomForest}};
/// use lcz::{Classes, Imagery, Labels, checkpoint, data::Patches, progress::Silent};
/// # let folder = tempfile::tempdir().unwrap();
/// let labels = Labels::new(Classes::named(["water", "sand"])?, (0..20).map(|n| n % 2).collect())?;
/// let images = ndarray::Array4::from_shape_fn((20, 4, 4, 1), |(n, ..)| (n % 2) as f32);
/// let imagery = Imagery::new(4, ["red"])?;
/// let patches = Patches::in_memory(imagery, labels.classes().clone(), images)?.with_labels(&labels)?;
/// let forest = RandomForest::fit(&patches, &ForestSettings { trees: 10, ..ForestSettings::default() }, &mut Silent)?;
/// let file = folder.path().join("forest.safetensors");
/// forest.save(&file)?;
/// assert_eq!(checkpoint::load_forest(&file)?.predict(&patches)?, forest.predict(&patches)?);
/// # Ok(())
/// # }
/// ```
pub fn load_forest(path: impl AsRef<Path>) -> Result<RandomForest> {
    let path = path.as_ref();
    Header::read(path, parse)
}

pub(super) fn parse(header: &Header<'_>) -> Result<RandomForest> {
    let (path, name) = (header.path, header.architecture()?);
    if name != NAME {
        return Err(Error::file(path, format!("a {name}, not a forest"), "give a run of `lcz train forest`"));
    }
    let Description {
        architecture: Architecture::Forest(settings),
        imagery,
        classes,
        seed,
        provenance,
        out_of_bag,
        ..
    } = header.description()?;
    let damaged = || Error::file(path, "a forest whose numbers do not fit together", "train it again");
    let tensors = &header.tensors;
    let u32s = |name: &str| numbers(tensors, name, Dtype::U32, u32::from_le_bytes).ok_or_else(damaged);
    let [nodes, counts] = [u32s("tree.nodes")?, u32s("tree.counts")?];
    let [feature, next, end] =
        [u32s("node.feature")?, u32s("node.right_or_first_count")?, u32s("node.end_of_counts")?];
    let threshold = numbers(tensors, "node.threshold", Dtype::F32, f32::from_le_bytes).ok_or_else(damaged)?;
    let [class, weight] = [u32s("count.class")?, u32s("count.weight")?];
    let importance = numbers(tensors, "importance", Dtype::F64, f64::from_le_bytes).ok_or_else(damaged)?;

    let features = settings.features.count(&imagery);
    let total = |numbers: &[u32]| numbers.iter().map(|&x| x as usize).sum::<usize>();
    let fit = nodes.len() == settings.trees
        && counts.len() == nodes.len()
        && [feature.len(), next.len(), end.len(), threshold.len()] == [total(&nodes); 4]
        && [class.len(), weight.len()] == [total(&counts); 2]
        && class.iter().all(|&class| u16::try_from(class).is_ok())
        && importance.len() == features
        && importance.iter().all(|x| x.is_finite());
    if !fit {
        return Err(damaged());
    }
    let (mut node, mut count) = (0, 0);
    let mut trees = Vec::with_capacity(nodes.len());
    for (of_nodes, of_counts) in nodes.into_iter().zip(counts) {
        let (nodes, counts) = (node..node + of_nodes as usize, count..count + of_counts as usize);
        (node, count) = (nodes.end, counts.end);
        let one = |n: usize| match feature[n] {
            LEAF => Node::Leaf { first: next[n], end: end[n] },
            feature => Node::Split { feature, threshold: threshold[n], right: next[n] },
        };
        let tree = Tree {
            nodes: nodes.map(one).collect(),
            counts: counts.map(|n| (class[n] as u16, weight[n])).collect(),
        };
        if !tree.is_sound(features, classes.len()) {
            return Err(damaged());
        }
        trees.push(tree);
    }
    let settings = ForestSettings { seed, ..settings };
    Ok(RandomForest { imagery, classes, settings, provenance, trees, out_of_bag, importance })
}

/// The numbers of a tensor, if it is there and of this type.
fn numbers<T, const WIDTH: usize>(
    tensors: &SafeTensors<'_>,
    name: &str,
    dtype: Dtype,
    number: impl Fn([u8; WIDTH]) -> T,
) -> Option<Vec<T>> {
    let view = tensors.tensor(name).ok().filter(|view| view.dtype() == dtype && view.shape().len() == 1)?;
    Some(view.data().as_chunks::<WIDTH>().0.iter().map(|bytes| number(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Patches;
    use crate::models::{Architecture, Calibrated, Classifier, Device, build};
    use crate::progress::Silent;
    use crate::{Bands, Labels};

    fn patches() -> Patches {
        let classes = Classes::named(["a", "b", "c"]).unwrap();
        let imagery = Imagery { patch_size: 2, bands: Bands::from_count(3), ..Imagery::so2sat() };
        let pixel = |(n, r, c, band): (usize, usize, usize, usize)| {
            ((n * 37 + r * 5 + c * 11 + band * n) % 19) as f32
        };
        let images = ndarray::Array4::from_shape_fn((40, 2, 2, 3), pixel);
        let patches = Patches::in_memory(imagery, classes.clone(), images).unwrap().with_provenance("a test");
        let labels = Labels::new(classes, (0..40).map(|n| n * n % 3).collect()).unwrap();
        patches.with_labels(&labels).unwrap()
    }

    fn forest() -> RandomForest {
        let settings = ForestSettings { trees: 4, seed: 9, ..ForestSettings::default() };
        RandomForest::fit(&patches(), &settings, &mut Silent).unwrap()
    }

    #[test]
    fn a_forest_read_back_is_the_one_that_was_written() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("model.safetensors");
        let forest = forest();
        forest.save(&path).unwrap();
        assert_eq!(load_forest(&path).unwrap(), forest);
        assert!(Calibrated::load(&path, Device::Cpu).unwrap_err().to_string().contains("no temperature"));

        let patches = patches();
        let calibrated = Calibrated::fit(Box::new(forest.clone()), &patches).unwrap();
        calibrated.save(&path).unwrap();
        let read = Calibrated::load(&path, Device::Cpu).unwrap();
        assert_eq!(read.temperature(), calibrated.temperature());
        assert_eq!(read.predict(&patches).unwrap(), calibrated.predict(&patches).unwrap());
        assert_eq!(load_forest(&path).unwrap(), forest);
        let twice = Calibrated::fit(Box::new(read), &patches).unwrap();
        assert!(twice.save(&path).unwrap_err().to_string().contains("'random forest' was calibrated before"));
        assert_eq!(crate::checkpoint::load_classifier(&path, Device::Cpu).unwrap().name(), "random forest");
    }

    #[test]
    fn a_forest_is_not_a_network_and_a_network_is_not_a_forest() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("model.safetensors");
        forest().save(&path).unwrap();
        let error = crate::checkpoint::load(&path, Device::Cpu).err().unwrap().to_string();
        assert!(error.contains("a random forest"), "{error}");
        let network =
            build(&Architecture::sen2lcz(), &Imagery::so2sat(), &Classes::lcz(), 0, Device::Cpu).unwrap();
        network.save(&path).unwrap();
        let error = load_forest(&path).unwrap_err().to_string();
        assert!(error.contains("a sen2lcz, not a forest"), "{error}");
        assert_eq!(crate::checkpoint::load_classifier(&path, Device::Cpu).unwrap().name(), "sen2lcz");
    }

    #[test]
    fn a_damaged_forest_is_refused_and_never_walked() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("model.safetensors");
        let sound = forest();
        let split = sound.trees[0].nodes.iter().position(|node| matches!(node, Node::Split { .. })).unwrap();
        let Node::Split { feature, threshold, right } = sound.trees[0].nodes[split] else { unreachable!() };
        let refused = |spoil: &dyn Fn(&mut RandomForest)| {
            let mut forest = sound.clone();
            spoil(&mut forest);
            forest.save(&path).unwrap();
            let error = load_forest(&path).unwrap_err().to_string();
            assert!(error.contains("do not fit together") && !error.contains('\n'), "{error}");
        };
        refused(&|f| f.trees[0].nodes[split] = Node::Split { feature: 12, threshold, right });
        refused(&|f| f.trees[0].nodes[split] = Node::Split { feature, threshold, right: split as u32 });
        refused(&|f| f.trees[0].nodes[split] = Node::Split { feature, threshold, right: 1_000_000 });
        refused(&|f| f.trees[0].nodes[split] = Node::Split { feature, threshold: f32::NAN, right });
        refused(&|f| f.trees[0].nodes[split] = Node::Leaf { first: 3, end: 3 });
        refused(&|f| f.trees[0].nodes[split] = Node::Leaf { first: 0, end: 1_000_000 });
        refused(&|f| f.trees[1].counts[0] = (3, 1));
        refused(&|f| f.trees[1].counts[0] = (0, 0));
        refused(&|f| f.trees[2].nodes.truncate(1));
        refused(&|f| f.trees.truncate(3));
        refused(&|f| f.importance.truncate(5));

        sound.save(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in [0, 7, 200, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(load_forest(&path).is_err(), "{length} bytes");
        }
    }
}
