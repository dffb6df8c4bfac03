//! Models side by side on one test set.

use crate::calibration::{Bins, expected_calibration_error};
use crate::data::Patches;
use crate::display::Table;
use crate::metrics::Scores;
use crate::show::EvcxrDisplay;
use crate::{LabelDistributions, Labels, Probabilities, Result};

/// A table of models on one test set, one row per model: overall and average accuracy, kappa, cross-entropy and
/// calibration error (15 bins); against the votes too, where there are votes.
#[derive(Debug, Clone)]
pub struct Comparison {
    labels: Labels,
    votes: Option<LabelDistributions>,
    table: Table,
}

impl Comparison {
    /// On these patches; no model yet.
    ///
    /// # Errors
    /// Patches without labels, or labels that cannot be read.
    pub fn on(test: &Patches) -> Result<Self> {
        let votes = if test.has_votes() { Some(test.votes()?.distributions()) } else { None };
        let mut header = vec!["model", "OA", "AA", "kappa", "cross-entropy", "ECE"];
        if votes.is_some() {
            header.push("cross-entropy to votes");
        }
        let table =
            Table::new(header).captioned(format!("{} test patches: {}", test.len(), test.provenance()));
        Ok(Self { labels: test.labels()?, votes, table })
    }

    /// Adds a model by its predictions.
    ///
    /// # Errors
    /// Predictions of other samples or classes.
    pub fn add(&mut self, name: &str, p: &Probabilities) -> Result<()> {
        let scores = Scores::compute(p, &self.labels, self.votes.as_ref())?;
        let calibration = expected_calibration_error(p, &self.labels, Bins::default())?;
        let mut row = vec![name.to_owned()];
        let numbers = [
            scores.overall_accuracy,
            scores.average_accuracy,
            scores.kappa,
            scores.cross_entropy,
            calibration,
        ];
        row.extend(numbers.map(|number| format!("{number:.3}")));
        row.extend(scores.votes.map(|votes| format!("{:.3}", votes.cross_entropy)));
        self.table.row(row);
        Ok(())
    }

    /// The table so far.
    pub fn table(&self) -> &Table {
        &self.table
    }
}

impl EvcxrDisplay for Comparison {
    fn evcxr_display(&self) {
        self.table.evcxr_display();
    }
}

#[cfg(test)]
mod tests {
    use crate::ndarray::{Array4, array};

    use super::*;
    use crate::{Bands, Classes, Imagery};

    #[test]
    fn a_row_has_the_scores_of_its_predictions() {
        let imagery = Imagery { patch_size: 1, bands: Bands::named(["B4"]).unwrap(), ..Imagery::so2sat() };
        let classes = Classes::named(["forest", "river"]).unwrap();
        let labels = Labels::new(classes.clone(), vec![0, 1]).unwrap();
        let test = Patches::in_memory(imagery, classes.clone(), Array4::zeros((2, 1, 1, 1)))
            .and_then(|patches| patches.with_labels(&labels))
            .unwrap();
        let p = Probabilities::new(classes, array![[0.5, 0.5], [0.5, 0.5]]).unwrap();
        let mut comparison = Comparison::on(&test).unwrap();
        comparison.add("a coin", &p).unwrap();
        let text = comparison.table().to_string();
        // Half are right, each class with half of the mass: −ln 0.5 nats, calibrated, no better than chance.
        let row: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(row, ["a", "coin", "0.500", "0.500", "0.000", "0.693", "0.000"]);
        assert!(!text.contains("votes"), "no votes, no column of votes");
    }
}
