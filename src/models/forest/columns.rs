//! Training data of a forest: one column per feature, each value as its rank.
//!
//! A split compares values of one feature only, so their order is all that growing needs: each value
//! becomes a code, its place among the column's different values. Codes have 16 bits, which half the
//! memory and lets a node count instead of sort. A column of more than 65,536 different values is
//! the only one that loses anything: neighbouring values share a code then, about equally many each.

use rayon::prelude::*;

use super::{BATCH, FeatureSet};
use crate::data::Patches;
use crate::{Error, Progress, Result};

/// Different codes of a column, at most.
const CODES: usize = 1 << 16;

/// Columns filled by one task: their values of one patch share a line of the cache.
const COLUMNS_A_TASK: usize = 16;

/// All columns, in the order of the features.
pub(super) struct Columns {
    columns: Vec<Column>,
}

/// One feature of all patches.
pub(super) struct Column {
    /// Code of each patch; codes rise with the values.
    pub(super) codes: Vec<u16>,
    /// The smallest value of each code.
    low: Vec<f32>,
    /// The largest value of each code, where it is not the smallest.
    high: Option<Vec<f32>>,
}

impl Columns {
    /// Reads all patches once, in order.
    pub(super) fn read(patches: &Patches, features: FeatureSet, progress: &mut dyn Progress) -> Result<Self> {
        let n = patches.len();
        let count = features.count(patches.imagery());
        let mut values: Vec<Vec<f32>> = vec![Vec::new(); count];
        for column in &mut values {
            column.try_reserve_exact(n).map_err(|_| {
                let gigabytes = (n * count * size_of::<f32>()) as f64 / 1e9;
                let problem = format!("{gigabytes:.1} GB for {n} patches of {count} values cannot be had");
                let advice = "choose fewer bands or patches, or model.features=statistics";
                Error::input(patches.name(), problem, advice)
            })?;
        }
        progress.begin("reading columns", n as u64);
        for batch in patches.batches(BATCH) {
            let (range, images) = batch?;
            let x = features.extract(&images);
            values.par_chunks_mut(COLUMNS_A_TASK).enumerate().for_each(|(task, columns)| {
                for row in x.outer_iter() {
                    for (j, column) in columns.iter_mut().enumerate() {
                        column.push(row[task * COLUMNS_A_TASK + j]);
                    }
                }
            });
            progress.advance(range.len() as u64, "");
        }
        progress.end("");
        // Each column's values go as its codes come.
        let columns = values.into_par_iter().map(|values| Column::of(values, CODES)).collect();
        Ok(Self { columns })
    }

    /// How many features.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// How many patches.
    pub(super) fn patches(&self) -> usize {
        self.columns.first().map_or(0, |column| column.codes.len())
    }

    pub(super) fn column(&self, feature: usize) -> &Column {
        &self.columns[feature]
    }
}

impl Column {
    /// With at most `codes` codes.
    fn of(values: Vec<f32>, codes: usize) -> Self {
        // Value and row in one number that is ordered as they are; −0 counts as 0.
        let key = |(row, value): (usize, &f32)| (u64::from(ordered(value + 0.0)) << 32) | row as u64;
        let mut sorted: Vec<u64> = values.iter().enumerate().map(key).collect();
        sorted.sort_unstable();
        let value = |key: u64| values[(key & 0xffff_ffff) as usize] + 0.0;
        let different = 1 + sorted.windows(2).filter(|pair| pair[0] >> 32 != pair[1] >> 32).count();

        let exact = different <= codes;
        let mut column =
            Self { codes: vec![0; values.len()], low: Vec::with_capacity(different.min(codes)), high: None };
        let mut high = Vec::with_capacity(if exact { 0 } else { codes });
        // The part of the column, in `codes` parts of equal size, that the last code began in.
        let mut part = 0;
        for (position, &key) in sorted.iter().enumerate() {
            let is_new = position == 0 || key >> 32 != sorted[position - 1] >> 32;
            let here = position * codes / values.len();
            if is_new && (position == 0 || exact || here > part) {
                part = here;
                column.low.push(value(key));
            }
            let code = column.low.len() - 1;
            column.codes[(key & 0xffff_ffff) as usize] = code as u16;
            if !exact {
                high.resize(code + 1, 0.0);
                high[code] = value(key);
            }
        }
        column.high = (!exact).then_some(high);
        column
    }

    /// How many codes.
    pub(super) fn len(&self) -> usize {
        self.low.len()
    }

    /// θ halfway between two codes, so that `x ≤ θ` holds for `lower` and not for `upper`.
    pub(super) fn threshold(&self, lower: u16, upper: u16) -> f32 {
        let high = self.high.as_ref().unwrap_or(&self.low);
        let (below, above) = (high[usize::from(lower)], self.low[usize::from(upper)]);
        let middle = f64::midpoint(f64::from(below), f64::from(above)) as f32;
        // Between neighbouring floats there is no middle.
        if middle < above { middle } else { below }
    }
}

/// Bits that are ordered as unsigned numbers the way finite floats are.
fn ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 0 { bits | (1 << 31) } else { !bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_ranks_among_different_values() {
        let column = Column::of(vec![0.5, -2.0, 0.0, 0.5, -0.0, 7.0], CODES);
        assert_eq!(column.codes, [2, 0, 1, 2, 1, 3]);
        assert_eq!((column.len(), column.high.is_none()), (4, true));
        assert_eq!(column.threshold(0, 1).to_bits(), (-1.0f32).to_bits());
        assert_eq!(column.threshold(1, 3).to_bits(), 3.5f32.to_bits());
    }

    #[test]
    fn a_threshold_lies_below_the_upper_value_even_where_no_float_lies_between() {
        let below = 0.1f32;
        let column = Column::of(vec![below.next_up(), below], CODES);
        let threshold = column.threshold(0, 1);
        assert!(below <= threshold && threshold < below.next_up());
    }

    #[test]
    fn with_too_few_codes_neighbours_share_one_about_equally() {
        // 1,000 values in 10 codes, one of the values a hundred times over.
        let values: Vec<f32> =
            (0..1000).map(|n| if n % 10 == 0 { 500.0 } else { (n * 7 % 1000) as f32 }).collect();
        let column = Column::of(values.clone(), 10);
        assert!((8..=10).contains(&column.len()), "{}", column.len());
        for lower in 0..column.len() as u16 - 1 {
            let threshold = column.threshold(lower, lower + 1);
            for (value, code) in values.iter().zip(&column.codes) {
                assert_eq!(*value <= threshold, *code <= lower, "{value} at {threshold}");
            }
        }
        let largest =
            (0..column.len()).map(|k| column.codes.iter().filter(|&&c| usize::from(c) == k).count());
        assert!(largest.max().unwrap() <= 200);
    }
}
