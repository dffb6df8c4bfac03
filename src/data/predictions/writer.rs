//! A file of predictions, written some patches at a time.

use std::path::Path;

use hdf5::Dataset;
use ndarray::{ArrayD, ArrayView1, ArrayViewD};

use super::export::Format;
use super::labels_fit;
use crate::data::new_file::{NewFile, write_rows};
use crate::data::so2sat::{write_names, write_text};
use crate::data::{Patches, Sample};
use crate::files::check_free;
use crate::predictions::StoredTemperature;
use crate::{Classes, Error, Probabilities, Result};

/// Writes `probabilities` [N, K], or [N, S, S, K] of pixels, with the data of the patches: labels and votes (or label
/// distributions), or masks, if they are of the same classes; groups. The file appears whole or not at all.
///
/// Its ending sets its format: `.h5`, or `.csv` (label and probabilities) or `.npz`, which are written when all predictions
/// are there.
#[derive(Debug)]
pub struct PredictionWriter {
    format: Format,
    /// N, or N, S and S.
    shape: Vec<usize>,
    classes: Classes,
    written: usize,
    probabilities: Dataset,
    numbers: Vec<(String, Dataset)>,
    file: NewFile,
}

impl PredictionWriter {
    /// Begins the file of predictions of such samples of these patches.
    ///
    /// # Errors
    /// A file that exists, has a name of no known format or cannot be written; labels, votes or masks that cannot be read.
    pub fn create(
        path: impl AsRef<Path>,
        classes: &Classes,
        sample: Sample,
        patches: &Patches,
    ) -> Result<Self> {
        let path = path.as_ref();
        check_free(path)?;
        let format = Format::of(path)?;
        if (format, sample) == (Format::Csv, Sample::Pixel) {
            let advice = "end the name in .h5 or .npz";
            return Err(Error::file(path, "a CSV cannot hold a class per pixel", advice));
        }
        let size = patches.imagery().patch_size;
        let shape = match sample {
            Sample::Patch => vec![patches.len()],
            Sample::Pixel => vec![patches.len(), size, size],
        };
        let file = NewFile::create(path)?;
        file.put(|file| {
            write_names(file, "classes", classes.codes())?;
            write_text(file, "provenance", patches.provenance())
        })?;
        copy(&file, classes, sample, patches)?;
        let of_all = [&shape[..], &[classes.len()]].concat();
        let probabilities =
            file.put(|file| file.new_dataset::<f32>().shape(of_all).create("probabilities"))?;
        Ok(Self {
            format,
            shape,
            classes: classes.clone(),
            written: 0,
            probabilities,
            numbers: Vec::new(),
            file,
        })
    }

    /// The temperature that the predictions are made at: the attributes `temperature`, `temperature_procedure`,
    /// `temperature_data`, `temperature_patches` and, of a model without logits, `temperature_floor`.
    ///
    /// # Errors
    /// A full disk.
    pub fn temperature(&self, by: &StoredTemperature) -> Result<()> {
        self.file.put(|file| {
            file.new_attr::<f64>().create("temperature")?.write_scalar(&by.temperature)?;
            write_text(file, "temperature_procedure", &by.procedure)?;
            write_text(file, "temperature_data", &by.data)?;
            if let Some(floor) = by.floor {
                file.new_attr::<f64>().create("temperature_floor")?.write_scalar(&floor)?;
            }
            file.new_attr::<usize>().create("temperature_patches")?.write_scalar(&by.patches)
        })
    }

    /// Appends the predictions of the next patches, and numbers of the same samples as datasets of these names, such as their
    /// entropies.
    ///
    /// # Errors
    /// Rows that are not those of whole patches or more than there are, another count of numbers, a full disk.
    pub fn append(&mut self, p: &Probabilities, numbers: &[(&str, &[f64])]) -> Result<()> {
        let each: usize = self.shape[1..].iter().product();
        let patches = self.written..self.written + p.len() / each;
        let counts = numbers.iter().map(|(name, numbers)| (*name, numbers.len()));
        for (name, count) in [("predictions", p.len())].into_iter().chain(counts) {
            if count != patches.len() * each
                || patches.end > self.shape[0]
                || p.view().ncols() != self.classes.len()
            {
                let problem = format!("{count} {name} for {} patches", self.shape[0]);
                return Err(Error::file(self.file.path(), problem, "write the predictions of these patches"));
            }
        }
        self.file.put(|file| {
            write(&self.probabilities, patches.start, p.view().mapv(|p| p as f32).into_dyn())?;
            for (name, numbers) in numbers {
                if !self.numbers.iter().any(|(known, _)| known == name) {
                    let table = file.new_dataset::<f32>().shape(self.shape.clone()).create(*name)?;
                    self.numbers.push(((*name).to_owned(), table));
                }
                let values = ArrayView1::from(*numbers).mapv(|x| x as f32);
                for (_, table) in self.numbers.iter().filter(|(known, _)| known == name) {
                    write(table, patches.start, values.clone().into_dyn())?;
                }
            }
            Ok(())
        })?;
        self.written = patches.end;
        Ok(())
    }

    /// Gives the file its name, once it is whole and on disk.
    ///
    /// # Errors
    /// Fewer predictions than patches, or a full disk.
    pub fn finish(self) -> Result<()> {
        let Self { format, shape, classes, written, probabilities, numbers, file } = self;
        if written != shape[0] {
            let problem = format!("predictions of {written} patches for {}", shape[0]);
            return Err(Error::file(file.path(), problem, "write the predictions of these patches"));
        }
        drop((probabilities, numbers));
        let (target, whole) = (file.path().to_owned(), file.complete()?);
        match format {
            Format::Hdf5 => whole.become_new(),
            format => format.export(whole.path(), &classes, &target),
        }
    }
}

/// Rows of some samples into a dataset, from this patch on.
fn write(dataset: &Dataset, first: usize, rows: ArrayD<f32>) -> hdf5::Result<()> {
    let mut shape = dataset.shape();
    shape[0] = 1;
    let each: usize = shape.iter().product();
    shape[0] = rows.len() / each.max(1);
    let rows = rows.into_shape_with_order(shape).map_err(|e| hdf5::Error::Internal(e.to_string()))?;
    write_rows(dataset, first, &rows.view())
}

/// Labels, votes, masks and groups of the patches.
fn copy(file: &NewFile, classes: &Classes, sample: Sample, patches: &Patches) -> Result<()> {
    let put = |name: &str, table: ArrayViewD<'_, f32>| {
        file.put(|file| file.new_dataset_builder().with_data(table).create(name).map(drop))
    };
    let fit = labels_fit(classes, patches);
    if let Some(groups) = patches.groups() {
        file.put(|file| file.new_dataset_builder().with_data(&groups).create("group"))?;
    }
    if sample == Sample::Pixel {
        if fit && patches.has_masks() {
            // In files 0 means no class, and 1 the first class.
            let masks = patches.masks()?.view().mapv(|class| class.wrapping_add(1));
            file.put(|file| file.new_dataset_builder().with_data(&masks).create("mask"))?;
        }
        return Ok(());
    }
    if fit && patches.has_labels() {
        put("label", patches.labels()?.one_hot().view().mapv(|y| y as f32).view().into_dyn())?;
    }
    if fit && patches.has_votes() {
        put("votes", patches.votes()?.counts().into_dyn())?;
    } else if fit && patches.has_distributions() {
        put("distributions", patches.distributions()?.view().mapv(|y| y as f32).view().into_dyn())?;
    }
    Ok(())
}
