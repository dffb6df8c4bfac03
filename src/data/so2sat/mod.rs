//! So2Sat LCZ42 files and those of the same layout.
//!
//! HDF5 files with a dataset of images, found by name, and what goes with it; only the images must be
//! there. N patches of S × S pixels, C bands, K classes:
//!
//! | dataset | shape | what |
//! |---|---|---|
//! | `sen2`, else `patches`, else `sen1` | N × S × S × C | pixels of any integer or float type |
//! | `label`, else `y` | N × K | the class, one-hot |
//! | `votes` | N × K | how many experts chose each class |
//! | `votes` | N × 11 | as in the first vote sets: the classes that ten experts chose, and the label's, from 1 |
//! | `y_distributional…` | N × K | label distributions |
//! | `y_distributional…` | M × 10 | those of the M patches of built zones, in their order |
//! | `group` | N | the city or region of each patch |
//! | `mask` | N × S × S | the class of each pixel: 1, 2, … in the order of `classes`, 0 = none |
//!
//! Version 4 of So2Sat has a second file next to each, `training_geo.h5` next to `training.h5`: `city` (N
//! names) serves as `group` where there is none, `epsg` and `tfw` give each patch's
//! [`Place`]. Other datasets are ignored; `lcz info` lists them.
//!
//! Attributes of the file, all optional: `classes` and `bands` (arrays of strings, or one string with commas between
//! the names),
//! `ground_sampling_distance` (metres), `unit`, `provenance`. A file without `classes` has the
//! seventeen zones, or the ten built ones if its labels have ten columns. `sen2` and `sen1` without
//! attributes are So2Sat's: 10 m pixels of reflectance or backscatter.
//!
//! Zhu et al. (2020), *So2Sat LCZ42: A Benchmark Dataset for the Classification of Global Local
//! Climate Zones*, IEEE Geoscience and Remote Sensing Magazine 8(3). The files with
//! `y_distributional_urban` are those of Koller et al., *Going beyond one-hot encoding in
//! classification: Can human uncertainty improve model performance in earth observation?*

mod chunk;
mod contents;
mod datasets;
mod links;
mod places;
mod problems;
mod reader;
mod split;
mod stored;
mod text;
mod writer;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use contents::{DatasetShape, datasets, files};
pub(crate) use datasets::{Numbers, cause, open_file, place, product, read_classes, text_attribute};
pub use places::Place;
pub(in crate::data) use reader::SourceFile;
pub use split::SplitBy;
pub(in crate::data) use stored::by_all_threads;
pub(crate) use text::{texts, write_names, write_text};
pub use writer::{Layout, Rows, Writer};

use super::Patches;
use crate::{Bands, Error, Result, Zone, provenance};

/// The three files of a data set, in the order training, validation, test.
pub(crate) const SPLITS: [&str; 3] = ["training.h5", "validation.h5", "testing.h5"];

/// A data set: one HDF5 file, or a folder of `training.h5`, `validation.h5` and `testing.h5`.
///
/// Each file is opened once; rows are read on demand, so that a file may be far larger
/// than memory.
///
/// ```no_run
/// use lcz::{Zone, data::so2sat::So2Sat};
/// let so2sat = So2Sat::open("data")?.without(Zone::Water);
/// let (train, validation, test) = so2sat.splits()?;
/// # Ok::<(), lcz::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct So2Sat {
    path: PathBuf,
    files: Files,
    bands: Option<Bands>,
    left_out: Vec<Zone>,
    split_by: SplitBy,
    /// Where the data are from, for files that do not state it.
    provenance: Option<String>,
}

#[derive(Debug, Clone)]
enum Files {
    One(Arc<SourceFile>),
    Folder([Option<Arc<SourceFile>>; 3]),
}

impl So2Sat {
    /// Opens a file, or every file of a folder that is there.
    ///
    /// # Errors
    /// Nothing to open, a file that is not HDF5 or cut short, or datasets that do not fit together:
    /// names them and what was found.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_dataset(path.as_ref(), None)
    }

    /// Opens the images of another name: `sen1`, the radar patches of So2Sat.
    ///
    /// # Errors
    /// As [`open`](Self::open); no such dataset.
    pub fn open_as(path: impl AsRef<Path>, dataset: &str) -> Result<Self> {
        Self::open_dataset(path.as_ref(), Some(dataset))
    }

    fn open_dataset(path: &Path, dataset: Option<&str>) -> Result<Self> {
        let open = |path: &Path| SourceFile::open(path, dataset).map(Arc::new);
        let files = if path.is_dir() {
            let there = files(path)?;
            let mut files = [None, None, None];
            for (file, name) in files.iter_mut().zip(SPLITS) {
                let path = path.join(name);
                if there.contains(&path) {
                    *file = Some(open(&path)?);
                }
            }
            Files::Folder(files)
        } else {
            Files::One(open(path)?)
        };
        Ok(Self {
            path: path.to_owned(),
            files,
            bands: None,
            left_out: Vec::new(),
            split_by: SplitBy::default(),
            provenance: None,
        })
    }

    /// The file or folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Only these bands, in this order. A missing band is an error when patches are requested
    /// for.
    #[must_use]
    pub fn bands(mut self, bands: &Bands) -> Self {
        self.bands = Some(bands.clone());
        self
    }

    /// Where the data are from, in place of what the files state; synthetic patches remain marked as synthetic.
    #[must_use]
    pub fn described(mut self, provenance: Option<&str>) -> Self {
        self.provenance = provenance.map(str::to_owned);
        self
    }

    /// Without the patches of a class and without the class; see [`Patches::without`].
    #[must_use]
    pub fn without(mut self, zone: Zone) -> Self {
        self.left_out.push(zone);
        self
    }

    /// How a single file is split; a folder's files are its split.
    #[must_use]
    pub fn split_by(mut self, split_by: SplitBy) -> Self {
        self.split_by = split_by;
        self
    }

    /// Training, validation and test patches.
    ///
    /// A folder gives its three files. A single file is split 64 : 16 : 20. Where its patches have
    /// [`groups`](Patches::groups), whole groups (cities, regions) go to one part: neighbours in the file
    /// may be neighbours on the ground, and a network is to be tested where it has not been.
    ///
    /// Without groups, or with [`SplitBy::Position`], the file is split in its order, as the course on
    /// So2Sat does: the last 20 % of its patches are the test set. The course trains on the first 80 % and
    /// watches the test set meanwhile; here the last fifth of those becomes the validation set, so
    /// that choosing the best epoch does not look at the test set: 64 % training, 16 % validation,
    /// 20 % test. [`split_80_20`](Self::split_80_20) gives the course's own two parts.
    ///
    /// # Errors
    /// A file that the folder lacks, three files that do not hold the same kind of patches, or too
    /// few patches or groups to split.
    pub fn splits(&self) -> Result<(Patches, Patches, Patches)> {
        match &self.files {
            Files::Folder(files) => {
                let missing: Vec<&str> =
                    SPLITS.into_iter().zip(files).filter(|(_, file)| file.is_none()).map(|s| s.0).collect();
                let [Some(training), Some(validation), Some(test)] = files else {
                    let problem = format!("no {} in this folder", missing.join(", no "));
                    let folder = self.path.display();
                    let advice = match &missing[..] {
                        ["validation.h5"] => format!(
                            "train on a part of training.h5 (lcz train … --data {folder}/training.h5), then test with \
                             lcz evaluate RUN --data {folder}/testing.h5"
                        ),
                        _ => "add what is missing, or open one file and split it".to_owned(),
                    };
                    return Err(Error::file(&self.path, problem, advice));
                };
                check_same_kind(training, validation)?;
                check_same_kind(training, test)?;
                Ok((self.view(training)?, self.view(validation)?, self.view(test)?))
            }
            Files::One(file) => {
                let all = self.view(file)?;
                if let Some(groups) = self.split_by.groups(&all)? {
                    let [training, validation, test] =
                        split::by_group(&groups).map(|positions| all.select(&positions));
                    return Ok((training?, validation?, test?));
                }
                let (training, test) = self.split_80_20()?;
                let (training, validation) = self.first_and_last(&training)?;
                Ok((training, validation, test))
            }
        }
    }

    /// Description of what [`splits`](Self::splits) does, as text.
    ///
    /// # Errors
    /// As [`splits`](Self::splits).
    pub fn split_description(&self) -> Result<String> {
        let Files::One(file) = &self.files else { return Ok("by file".to_owned()) };
        let Some(groups) = self.split_by.groups(&self.view(file)?)? else {
            return Ok("by position in the file".to_owned());
        };
        let count = |positions: &Vec<usize>| {
            positions.iter().map(|&n| groups[n]).collect::<std::collections::BTreeSet<_>>().len()
        };
        let [training, validation, test] = split::by_group(&groups).each_ref().map(count);
        Ok(format!("by group: {training} for training, {validation} for validation, {test} for testing"))
    }

    /// The first 80 % and the last 20 % of a single file: training and test set of the course.
    ///
    /// # Errors
    /// A folder, or too few patches to split.
    pub fn split_80_20(&self) -> Result<(Patches, Patches)> {
        self.first_and_last(&self.patches()?)
    }

    /// The first four fifths of patches, and the others.
    fn first_and_last(&self, all: &Patches) -> Result<(Patches, Patches)> {
        let first = all.len() - all.len() / 5;
        if first == all.len() {
            return Err(Error::file(&self.path, "too few patches to split", "give at least ten"));
        }
        let part = |range: Range<usize>| all.select(&range.collect::<Vec<_>>());
        Ok((part(0..first)?, part(first..all.len())?))
    }

    /// The patches of a single file, whole. A folder with one file is also accepted.
    ///
    /// # Errors
    /// A folder with several files, a band that is not there, or no labels to leave a class out by.
    pub fn patches(&self) -> Result<Patches> {
        match &self.files {
            Files::One(file) => self.view(file),
            Files::Folder(files) => {
                let mut there = files.iter().flatten();
                match (there.next(), there.next()) {
                    (Some(file), None) => self.view(file),
                    _ => Err(Error::file(&self.path, "a folder of several files", "give one of its files")),
                }
            }
        }
    }

    fn view(&self, file: &Arc<SourceFile>) -> Result<Patches> {
        let mut patches = Patches::of_file(file.clone());
        if let Some(bands) = &self.bands {
            patches = patches.bands(bands)?;
        }
        for &zone in &self.left_out {
            patches = patches.without(zone)?;
        }
        if let Some(given) = &self.provenance {
            let stated = provenance::given(patches.provenance().to_owned(), Some(given));
            patches = patches.with_provenance(&stated);
        }
        Ok(patches)
    }
}

/// Refuses to train on one kind of patch and test on another.
fn check_same_kind(training: &SourceFile, other: &SourceFile) -> Result<()> {
    let advice = "the three files must hold the same kind of patches";
    if let Some(problem) = training.imagery.mismatch(&other.imagery) {
        return Err(Error::input(other.name(), format!("{problem} as in {}", training.name()), advice));
    }
    if training.classes != other.classes {
        let problem = format!("classes {}, not {}", other.classes, training.classes);
        return Err(Error::file(&other.path, problem, advice));
    }
    Ok(())
}
