//! Files of features: `features` [N, D] of any network, with the labels, votes and groups of the
//! patches that they are of, where there are any.
//!
//! Attributes: `classes`, `model`, `provenance`. Features are read in passes of some rows at a time, so
//! that 350,000 × 2,048 of them need not fit into memory.

use std::path::{Path, PathBuf};

use hdf5::{Dataset, File};
use ndarray::{ArrayView2, s};

use super::Patches;
use super::ahead::Ahead;
use super::new_file::{NewFile, write_rows};
use super::so2sat::{Numbers, open_file, product, read_classes, text_attribute, write_names, write_text};
use crate::files::check_free;
use crate::predictions::rows_a_slab;
use crate::{Classes, Error, FeatureRows, Features, Labels, Result, Votes};

const FEATURES: &str = "features";

/// Writes a file of features, a batch at a time; it appears whole or not at all.
#[derive(Debug)]
pub struct FeatureWriter {
    rows: usize,
    written: usize,
    features: Option<Dataset>,
    file: NewFile,
}

impl FeatureWriter {
    /// Begins a file of the features that `model` has of these patches, with their labels, votes and
    /// groups.
    ///
    /// # Errors
    /// A file that exists or cannot be written; labels or votes that cannot be read.
    pub fn create(path: impl AsRef<Path>, model: &str, patches: &Patches) -> Result<Self> {
        let path = path.as_ref();
        check_free(path)?;
        let labels = if patches.has_labels() { Some(patches.labels()?.one_hot()) } else { None };
        let votes = if patches.has_votes() { Some(patches.votes()?) } else { None };
        let file = NewFile::create(path)?;
        file.put(|file| {
            write_names(file, "classes", patches.classes().codes())?;
            write_text(file, "model", model)?;
            write_text(file, "provenance", patches.provenance())?;
            if let Some(labels) = &labels {
                let y = labels.view().mapv(|y| y as u8);
                file.new_dataset_builder().with_data(&y).create("label")?;
            }
            if let Some(votes) = &votes {
                file.new_dataset_builder().with_data(&votes.counts()).create("votes")?;
            }
            if let Some(groups) = patches.groups() {
                file.new_dataset_builder().with_data(&groups).create("group")?;
            }
            Ok(())
        })?;
        Ok(Self { rows: patches.len(), written: 0, features: None, file })
    }

    /// Appends the features of the next patches. Shape: (n, D).
    ///
    /// # Errors
    /// More rows than patches, another width than before, a number that is NaN or infinite, a full disk.
    pub fn append(&mut self, h: &Features) -> Result<()> {
        let (n, width) = h.view().dim();
        let rows = self.written..self.written + n;
        if rows.end > self.rows {
            let problem = format!("{} rows of features for {} patches", rows.end, self.rows);
            return Err(Error::file(self.file.path(), problem, "append the features of these patches"));
        }
        if let Some(row) = h.view().outer_iter().position(|row| row.iter().any(|x| !x.is_finite())) {
            let place = format!("{}, row {}", self.file.path().display(), rows.start + row);
            return Err(Error::input(place, "NaN or infinite", "check the network and its input"));
        }
        let table = match &self.features {
            Some(table) => table.clone(),
            None => self.file.put(|file| {
                let chunk = ((1 << 20) / (4 * width.max(1))).clamp(1, self.rows.max(1));
                let builder = file.new_dataset::<f32>().chunk((chunk, width.max(1)));
                builder.shape((self.rows, width)).create(FEATURES)
            })?,
        };
        if table.shape()[1] != width {
            let problem = format!("{width} features where there were {}", table.shape()[1]);
            return Err(Error::file(self.file.path(), problem, "append the features of one network"));
        }
        self.file.put(|_| write_rows(&table, rows.start, &h.view()))?;
        self.features = Some(table);
        self.written = rows.end;
        Ok(())
    }

    /// Gives the file its name, once it is whole and on disk.
    ///
    /// # Errors
    /// Fewer rows than patches, or a full disk.
    pub fn finish(self) -> Result<()> {
        let Self { rows, written, features, file } = self;
        if written != rows {
            let problem = format!("{written} rows of features for {rows} patches");
            return Err(Error::file(file.path(), problem, "append the features of every patch"));
        }
        drop(features);
        file.complete()?.become_new()
    }
}

/// A file of features, read in passes.
#[derive(Debug, Clone)]
pub struct FeatureFile {
    path: PathBuf,
    file: File,
    features: Numbers,
    extent: (usize, usize),
    classes: Classes,
    provenance: String,
    model: String,
}

impl FeatureFile {
    /// Opens a file with a dataset `features`.
    ///
    /// # Errors
    /// Not an HDF5 file, no such dataset, or one that is not [N, D].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let advice = "give a file that `lcz features` has written";
        let file = open_file(path)?;
        if !file.link_exists(FEATURES) {
            return Err(Error::file(path, format!("no dataset '{FEATURES}'"), advice));
        }
        let features = Numbers::open(&file, path, FEATURES)?;
        let &[rows, width] = &features.shape()[..] else {
            let problem = format!("'{FEATURES}' of shape {}, not N x D", product(&features.shape()));
            return Err(Error::file(path, problem, advice));
        };
        let columns = if file.link_exists("label") {
            Numbers::open(&file, path, "label")?.shape().get(1).copied()
        } else {
            None
        };
        let classes = read_classes(&file, path, columns)?;
        let stated = |name: &str| {
            text_attribute(&file, path, name)
                .map(|text| text.unwrap_or_else(|| crate::provenance::UNKNOWN.to_owned()))
        };
        let (provenance, model) = (stated("provenance")?, stated("model")?);
        Ok(Self { path: path.to_owned(), file, features, extent: (rows, width), classes, provenance, model })
    }

    /// The classes of labels and votes.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// Provenance of the patches, as the file states it.
    pub fn provenance(&self) -> String {
        self.provenance.clone()
    }

    /// The network of the features, as the file states it.
    pub fn model(&self) -> String {
        self.model.clone()
    }

    /// The class of each sample.
    ///
    /// # Errors
    /// No labels, or a row that is not one-hot (named).
    pub fn labels(&self) -> Result<Labels> {
        Labels::new(self.classes.clone(), self.table("label")?.classes_of_rows()?)
    }

    /// The votes of the experts, if the file has them.
    ///
    /// # Errors
    /// A row that is not one of votes: names it.
    pub fn votes(&self) -> Result<Option<Votes>> {
        if !self.file.link_exists("votes") {
            return Ok(None);
        }
        Votes::new(self.classes.clone(), self.table("votes")?.read()?).map(Some)
    }

    /// All features at once, where they fit into memory.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self) -> Result<Features> {
        self.features.read().map(Features::new)
    }

    fn table(&self, name: &str) -> Result<Numbers> {
        if !self.file.link_exists(name) {
            let advice = "take the features of labelled patches";
            return Err(Error::file(&self.path, format!("no dataset '{name}'"), advice));
        }
        let table = Numbers::open(&self.file, &self.path, name)?;
        let wanted = [self.extent.0, self.classes.len()];
        if table.shape() != wanted {
            let problem = format!("'{name}' of shape {}, not {}", product(&table.shape()), product(&wanted));
            return Err(Error::file(&self.path, problem, "write the features again"));
        }
        Ok(table)
    }
}

impl FeatureRows for FeatureFile {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn extent(&self) -> (usize, usize) {
        self.extent
    }

    /// One slab is read ahead while another is visited.
    fn pass(&self, visit: &mut dyn FnMut(usize, ArrayView2<'_, f32>) -> Result<()>) -> Result<()> {
        let (rows, width) = self.extent;
        let slab = rows_a_slab(width);
        let file = self.clone();
        let slabs = (0..rows).step_by(slab).map(move |start| {
            Ok((start, file.features.slice::<f32, ndarray::Ix2>(s![start..rows.min(start + slab), ..])?))
        });
        Ahead::of(1, slabs).try_for_each(|slab| slab.and_then(|(start, values)| visit(start, values.view())))
    }
}
