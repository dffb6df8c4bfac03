//! Reading the pixels of a view: single rows are coalesced into runs, bands are picked, and every
//! number is checked.

use std::ops::Range;

use ndarray::{Array4, ArrayView3, ArrayViewMut3, Axis, s};
use rayon::prelude::*;

use super::{Patches, Source, consecutive};
use crate::data::so2sat::by_all_threads;
use crate::{Error, Result};

/// Rows of a file that are read through rather than skipped when they lie between wanted ones: a row
/// costs about what another call costs.
const LARGEST_GAP: usize = 4;

/// Rows read at once for a scattered selection; bounds the memory that gaps may waste.
const LONGEST_RUN: usize = 256;

/// Rows of a chunk up to which it is read in one run; likewise.
const LARGEST_CHUNK: usize = 2048;

/// Numbers that a thread checks at once.
const AT_ONCE: usize = 1 << 16;

impl Patches {
    /// Rows of the source, in this order.
    pub(super) fn read_rows(&self, rows: &[usize]) -> Result<Array4<f32>> {
        if let Some(span) = consecutive(rows) {
            return self.read_span(&span);
        }
        let file = match &*self.source {
            Source::Memory(all) => return Ok(self.picked(all.select(Axis(0), rows))),
            Source::File(file) => file,
        };
        if let Some(read) = file.read_each(rows)? {
            let images = self.picked(read);
            self.check_finite(&images, |n| rows[n])?;
            return Ok(images);
        }
        let (size, bands) = (self.imagery.patch_size, self.imagery.bands.len());
        let mut images = Array4::zeros((rows.len(), size, size, bands));
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_unstable_by_key(|&n| rows[n]);
        // A chunk is decoded as a whole, however few of its rows are wanted.
        let chunk = file.rows_a_chunk();
        let longest = LONGEST_RUN.max(chunk.min(LARGEST_CHUNK));
        let mut start = 0;
        while start < order.len() {
            let first = rows[order[start]];
            let mut end = start + 1;
            while end < order.len()
                && (rows[order[end]] - rows[order[end - 1]] <= LARGEST_GAP
                    || rows[order[end]] / chunk == rows[order[end - 1]] / chunk)
                && rows[order[end]] - first < longest
            {
                end += 1;
            }
            let run = first..rows[order[end - 1]] + 1;
            let block = file.read(run)?;
            for &n in &order[start..end] {
                let image = block.index_axis(Axis(0), rows[n] - first);
                self.pick_channels(&image, images.index_axis_mut(Axis(0), n));
            }
            start = end;
        }
        self.check_finite(&images, |n| rows[n])?;
        Ok(images)
    }

    /// Consecutive rows of the source. What lies in memory was checked when it came in.
    pub(super) fn read_span(&self, span: &Range<usize>) -> Result<Array4<f32>> {
        match &*self.source {
            Source::Memory(all) => Ok(self.picked(all.slice(s![span.clone(), .., .., ..]).to_owned())),
            Source::File(file) => {
                let images = self.picked(file.read(span.clone())?);
                self.check_finite(&images, |n| span.start + n)?;
                Ok(images)
            }
        }
    }

    /// (n, S, S, all bands) → (n, S, S, C).
    fn picked(&self, block: Array4<f32>) -> Array4<f32> {
        if self.channels.is_none() {
            return block;
        }
        let size = self.imagery.patch_size;
        let mut images = Array4::zeros((block.dim().0, size, size, self.imagery.bands.len()));
        for (image, target) in block.outer_iter().zip(images.outer_iter_mut()) {
            self.pick_channels(&image, target);
        }
        images
    }

    /// (S, S, all bands) → (S, S, C). Picking from what was read is far cheaper than asking HDF5 for
    /// single bands, which it would copy number by number.
    fn pick_channels(&self, image: &ArrayView3<'_, f32>, mut target: ArrayViewMut3<'_, f32>) {
        match &self.channels {
            None => target.assign(image),
            Some(channels) => {
                for (c, &channel) in channels.iter().enumerate() {
                    target.slice_mut(s![.., .., c]).assign(&image.slice(s![.., .., channel]));
                }
            }
        }
    }

    pub(super) fn check_finite(&self, images: &Array4<f32>, row_of: impl Fn(usize) -> usize) -> Result<()> {
        if images
            .as_slice()
            .is_some_and(|values| by_all_threads(|| values.par_chunks(AT_ONCE).all(all_finite)))
        {
            return Ok(());
        }
        let Some(((n, y, x, c), value)) = images.indexed_iter().find(|(_, value)| !value.is_finite()) else {
            return Ok(());
        };
        Err(Error::input(
            format!("{}, row {}", self.name(), row_of(n)),
            format!("the pixel at line {y}, column {x} of {} is {value}", self.imagery.bands.names()[c]),
            "leave the row out or fill the gap",
        ))
    }
}

/// Whether no number is NaN or infinite: those have all exponent bits set, and adding one to the
/// exponent then carries into the sign. Compiles to vector instructions, which a search does not.
fn all_finite(values: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    const ONE: u32 = 0x0080_0000;
    let carried = values.iter().fold(0u32, |seen, v| seen | ((v.to_bits() & EXPONENT) + ONE));
    carried >> 31 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nan_and_the_infinities_are_not_finite() {
        assert!(all_finite(&[0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45]));
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!all_finite(&[1.0, bad, 2.0]), "{bad}");
        }
    }
}
