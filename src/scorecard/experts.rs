//! Estimated human performance: what other experts would reach on the same samples.

use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::samples::{OfConfusion, Samples};
use super::{Estimated, Measure};
use crate::labels::VoteModel;
use crate::metrics::{Bounded, ConfusionMatrix, Influence};
use crate::{Result, Votes};

/// Rows that draw from one stream of the seed.
const BLOCK: usize = 256;
const STREAM: u64 = 3 << 32;

/// Statistics of the experts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Experts {
    /// Votes per sample of the new panels: the median of the votes given.
    pub panel: usize,
    /// Mean concentration of the fitted [`VoteModel`]: small where samples are either clear or ambiguous.
    pub concentration: f64,
    /// How often one expert agrees with the majority of the others; ties count by their share.
    pub leave_one_out: Estimated,
}

/// The new panels' majorities on each sample. Shape: (N, K) counts.
pub(super) struct Panels {
    pub experts: Experts,
    counts: Array2<u32>,
}

impl Panels {
    /// Fits the vote model, and draws.
    ///
    /// # Errors
    /// Votes that are not whole numbers, or one vote on a sample.
    pub fn of(
        samples: &Samples<'_>,
        votes: &Votes,
        panels: usize,
        panel: Option<usize>,
        seed: u64,
        level: f64,
    ) -> Result<Self> {
        let model = VoteModel::fit(votes)?;
        let drawing = model.drawing(votes)?;
        let mut sizes: Vec<usize> = votes.counts().outer_iter().map(|row| row.sum() as usize).collect();
        sizes.sort_unstable();
        let panel = panel.unwrap_or(sizes[sizes.len() / 2]);
        let k = samples.classes.len();
        let mut counts = vec![0_u32; samples.len() * k];
        counts.par_chunks_mut(BLOCK * k).enumerate().for_each(|(block, rows)| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(STREAM + block as u64);
            for (n, row) in rows.chunks_exact_mut(k).enumerate() {
                drawing.majorities(block * BLOCK + n, panels as u32, panel, &mut random, row);
            }
        });
        let alone = Influence::from_values(votes.counts().outer_iter().map(leave_one_out).collect());
        let interval = alone.interval(samples.groups, Bounded::Above, level).ok();
        let leave_one_out = Estimated { value: alone.value, interval };
        let experts = Experts { panel, concentration: model.concentration(), leave_one_out };
        let counts = Array2::from_shape_vec((samples.len(), k), counts).unwrap_or_default();
        Ok(Self { experts, counts })
    }

    /// The performance of the panels: the measure of their summed confusion. It has no interval: the error of the vote model,
    /// up to 0.04 in OA with 3 votes (`benches/coverage.rs`), is larger than that of the sample.
    pub fn estimate(&self, measure: Measure, samples: &Samples<'_>) -> Option<f64> {
        let mut confusion = Array2::<u64>::zeros((samples.classes.len(), samples.classes.len()));
        for (row, &truth) in self.counts.outer_iter().zip(samples.truth) {
            let mut sums = confusion.row_mut(truth);
            sums += &row.mapv(u64::from);
        }
        let confusion = ConfusionMatrix::from_checked(samples.classes.clone(), confusion);
        OfConfusion::of(measure, &confusion).map(|rule| rule.value(&confusion))
    }
}

/// The share of a sample's experts that the majority of the others agrees with.
fn leave_one_out(votes: ndarray::ArrayView1<'_, f32>) -> f64 {
    let agree = |(k, &of_class): (usize, &f32)| {
        let others = of_class - 1.0;
        let most =
            votes.iter().enumerate().map(|(j, &v)| if j == k { others } else { v }).fold(0.0, f32::max);
        let tied =
            votes.iter().enumerate().filter(|(j, v)| if *j == k { others >= most } else { **v >= most });
        if others >= most { f64::from(of_class) / tied.count() as f64 } else { 0.0 }
    };
    let voted = votes.iter().enumerate().filter(|(_, v)| **v > 0.0);
    voted.map(agree).sum::<f64>() / f64::from(votes.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expert_is_compared_with_the_others() {
        let of = |votes: &[f32]| leave_one_out(ndarray::ArrayView1::from(votes));
        assert!((of(&[11.0, 0.0]) - 1.0).abs() < 1e-12);
        // Each of the three is compared with a majority of 2 : 0 or a tie of 1 : 1.
        assert!((of(&[2.0, 1.0, 0.0]) - (2.0 * 0.5 + 0.0) / 3.0).abs() < 1e-12);
        assert!(of(&[1.0, 1.0]).abs() < 1e-12);
    }
}
