//! Selective prediction: the error that remains when only the most confident predictions are kept.

use serde::Serialize;

use crate::{Error, Result};

/// A point of the curve: keeping the samples whose confidence is at least `confidence`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RiskPoint {
    /// Share of the samples that are kept.
    pub coverage: f64,
    /// Mean loss of those that are kept: with losses 0 and 1, their error rate.
    pub risk: f64,
    /// The least confidence that is kept.
    pub confidence: f64,
}

/// Risk against coverage (Geifman & El-Yaniv 2017, *Selective Classification for Deep Neural Networks*).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RiskCoverage {
    /// A point for each distinct confidence, from the most confident samples only to all of them: samples that are
    /// equally confident are kept or rejected together.
    pub points: Vec<RiskPoint>,
    /// Area under the curve, `AURC = (1/N) Σ_i risk of the i most confident`, 0 at best (Geifman et al. 2019). Where
    /// confidences tie it is the mean over all their orders.
    pub aurc: f64,
    /// The AURC of the best order, all wrong samples last.
    pub best_aurc: f64,
    /// The risk of keeping all: what a random order has for AURC.
    pub risk: f64,
}

impl RiskCoverage {
    /// Of confidences and losses: 0 and 1 for right and wrong, or any other loss, such as one sample's
    /// cross-entropy. Shape: N, N → a point for each distinct confidence.
    ///
    /// # Errors
    /// No sample, different lengths, or a number that is NaN: names the row.
    ///
    /// ```
    /// use lcz::uncertainty::RiskCoverage;
    /// let curve = RiskCoverage::compute(&[0.9, 0.8, 0.8, 0.6], &[0.0, 1.0, 0.0, 1.0])?;
    /// assert_eq!(curve.points[0].risk, 0.0);
    /// // Keeping 1, 2, 3, 4: 0, then 1/2 of a tie that is wrong once in two (so 1/4), 1/3, 1/2.
    /// assert!((curve.aurc - (0.0 + 0.25 + 1.0 / 3.0 + 0.5) / 4.0).abs() < 1e-12);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn compute(confidence: &[f64], losses: &[f64]) -> Result<Self> {
        if confidence.len() != losses.len() || losses.is_empty() {
            let problem = format!("{} confidences, {} losses", confidence.len(), losses.len());
            let advice = "give both of each sample, of at least one";
            return Err(Error::input("risk-coverage curve", problem, advice));
        }
        if let Some(row) = confidence.iter().zip(losses).position(|(c, l)| c.is_nan() || l.is_nan()) {
            let place = format!("risk-coverage curve, row {row}");
            return Err(Error::input(place, "not a number", "check the prediction of that sample"));
        }
        let mut order: Vec<usize> = (0..losses.len()).collect();
        order.sort_by(|&a, &b| confidence[b].total_cmp(&confidence[a]));
        let total = losses.len() as f64;
        let (mut points, mut area) = (Vec::new(), 0.0);
        let (mut kept, mut lost) = (0.0, 0.0);
        // In falling order "not below" is "equal"; it also ties 0 and −0.
        for tied in order.chunk_by(|&a, &b| confidence[b] >= confidence[a]) {
            let tied_loss: f64 = tied.iter().map(|&n| losses[n]).sum();
            let mean = tied_loss / tied.len() as f64;
            for more in 1..=tied.len() {
                area += (lost + mean * more as f64) / (kept + more as f64);
            }
            kept += tied.len() as f64;
            lost += tied_loss;
            let (coverage, risk) = (kept / total, lost / kept);
            points.push(RiskPoint { coverage, risk, confidence: confidence[tied[0]] });
        }
        let mut ascending = losses.to_vec();
        ascending.sort_by(f64::total_cmp);
        let mut so_far = 0.0;
        let best = ascending.iter().enumerate().map(|(n, loss)| {
            so_far += loss;
            so_far / (n + 1) as f64
        });
        let best_aurc = best.sum::<f64>() / total;
        Ok(Self { points, aurc: area / total, best_aurc, risk: lost / total })
    }
}
