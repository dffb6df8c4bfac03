//! What values look like below a notebook cell: a table of what matters in them, in place of all their
//! numbers. Figures and tables show themselves where they are defined.

use crate::calibration::{Reliability, TemperatureFit};
use crate::data::{Patches, So2Sat, Summary};
use crate::display::{Table, grouped, percent};
use crate::figures::Curves;
use crate::metrics::{ConfusionMatrix, Scores};
use crate::models::forest::RandomForest;
use crate::uncertainty::ClassCentres;
use crate::{Bands, History, Labels};

impl Summary {
    /// The summary as two columns, then the classes' counts.
    pub fn table(&self) -> Table {
        let mut table = Table::new(["", ""]).captioned(format!("{}: {}", self.name, self.provenance));
        table.row(["patches".to_owned(), grouped(self.patches as u64)]);
        let imagery = &self.imagery;
        let size = imagery.patch_size;
        let distance = imagery.ground_sampling_distance.map_or_else(String::new, |d| format!(" of {d} m"));
        table.row(["a patch".to_owned(), format!("{size} × {size} pixels{distance}")]);
        table.row([format!("{} bands", imagery.bands.len()), listed(&imagery.bands)]);
        table.row(["a number is".to_owned(), imagery.unit.clone()]);
        if let Some(groups) = self.groups {
            table.row(["cities or regions".to_owned(), groups.to_string()]);
        }
        if let Some(votes) = self.votes {
            let agreement = format!(
                "all experts agree on {:.1} %, mean entropy {:.3} nats",
                100.0 * votes.unanimous,
                votes.mean_entropy
            );
            table.row(["votes".to_owned(), agreement]);
        }
        let labelled: Vec<String> = self
            .classes
            .iter()
            .filter_map(|class| Some(format!("{}: {}", class.code, grouped(class.patches? as u64))))
            .collect();
        let classes = if labelled.is_empty() { "no labels".to_owned() } else { labelled.join(", ") };
        table.row([format!("{} classes", self.classes.len()), classes]);
        table
    }
}

fn listed(bands: &Bands) -> String {
    bands.names().join(", ")
}

impl Patches {
    /// Shows what the set holds below a notebook cell (see [`Summary`]).
    pub fn evcxr_display(&self) {
        match Summary::of(self) {
            Ok(summary) => summary.table().evcxr_display(),
            Err(error) => println!("{error}"),
        }
    }
}

impl So2Sat {
    /// Shows the three parts below a notebook cell: patches, cities, what a patch is.
    pub fn evcxr_display(&self) {
        let (training, validation, test) = match self.splits() {
            Ok(splits) => splits,
            Err(error) => return println!("{error}"),
        };
        let mut table = Table::new(["part", "patches", "cities or regions", "a patch", "classes"])
            .captioned(training.provenance());
        for (name, part) in [("training", training), ("validation", validation), ("test", test)] {
            let imagery = part.imagery();
            let cities = part.groups().map(|groups| {
                groups.into_iter().collect::<std::collections::BTreeSet<_>>().len().to_string()
            });
            table.row([
                name.to_owned(),
                grouped(part.len() as u64),
                cities.unwrap_or_else(|| "not stated".to_owned()),
                format!("{0} × {0} pixels, {1} bands", imagery.patch_size, imagery.bands.len()),
                part.classes().len().to_string(),
            ]);
        }
        table.evcxr_display();
    }
}

impl Labels {
    /// Shows how many samples each class has below a notebook cell.
    pub fn evcxr_display(&self) {
        let mut table = Table::new(["class", "samples", "share"]);
        for (k, count) in self.counts().into_iter().enumerate() {
            let share = percent(count as f64 / self.len().max(1) as f64);
            table.row([self.classes().name(k), grouped(count as u64), share]);
        }
        table.evcxr_display();
    }
}

impl History {
    /// The epochs as a table; the epoch whose weights were kept is marked.
    pub fn table(&self) -> Table {
        let mut table = Table::new([
            "epoch",
            "loss",
            "accuracy",
            "validation loss",
            "validation accuracy",
            "seconds",
            "",
        ]);
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
        for record in &self.epochs {
            table.row([
                record.epoch.to_string(),
                number(Some(record.training_loss)),
                number(Some(record.training_accuracy)),
                number(record.validation_loss),
                number(record.validation_accuracy),
                format!("{:.1}", record.seconds),
                if record.epoch == self.best_epoch { "kept".to_owned() } else { String::new() },
            ]);
        }
        table
    }

    /// Shows the [`table`](Self::table) below a notebook cell.
    pub fn evcxr_display(&self) {
        self.table().evcxr_display();
    }

    /// Seconds of all epochs together.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().map(|record| record.seconds).sum()
    }

    /// As [`figures::learning_curves`](crate::figures::learning_curves) takes it.
    pub fn curves(&self) -> Curves {
        let records = || self.epochs.iter();
        Curves {
            epochs: records().map(|record| record.epoch).collect(),
            training_loss: records().map(|record| record.training_loss).collect(),
            validation_loss: records().map(|record| record.validation_loss).collect(),
            validation_accuracy: records().map(|record| record.validation_accuracy).collect(),
            best_epoch: Some(self.best_epoch),
        }
    }
}

impl RandomForest {
    /// Shows its size and how it does out of the bag below a notebook cell.
    pub fn evcxr_display(&self) {
        let mut table =
            Table::new(["", ""]).captioned(format!("random forest, trained on {}", self.provenance()));
        table.row(["trees".to_owned(), grouped(self.settings().trees as u64)]);
        table.row(["nodes of all trees".to_owned(), grouped(self.nodes() as u64)]);
        table.row(["features of a patch".to_owned(), grouped(self.importance().len() as u64)]);
        let score = self.out_of_bag().map_or_else(|| "-".to_owned(), |bag| format!("{:.3}", bag.score));
        table.row(["accuracy out of the bag".to_owned(), score]);
        table.evcxr_display();
    }
}

impl Scores {
    /// Shows the headline numbers below a notebook cell.
    pub fn evcxr_display(&self) {
        let mut table = Table::new(["measure", "value"]).captioned(format!("{} samples", self.samples));
        let mut row = |name: &str, value: f64| table.row([name.to_owned(), format!("{value:.3}")]);
        row("overall accuracy", self.overall_accuracy);
        row("average accuracy", self.average_accuracy);
        row("kappa", self.kappa);
        row("cross-entropy, nats", self.cross_entropy);
        row("Brier loss", self.brier);
        if let Some(votes) = &self.votes {
            row("cross-entropy to the votes, nats", votes.cross_entropy);
            row("the votes' own entropy, nats", votes.entropy);
        }
        table.evcxr_display();
    }
}

impl ConfusionMatrix {
    /// The `n` most frequent confusions: which class was called which, how often, and which share of the class
    /// that is.
    pub fn largest_errors(&self, n: usize) -> Table {
        let classes = self.classes();
        let totals = self.reference_totals();
        let mut errors: Vec<(usize, usize, u64)> = self
            .counts()
            .indexed_iter()
            .filter(|((truth, predicted), count)| truth != predicted && **count > 0)
            .map(|((truth, predicted), count)| (truth, predicted, *count))
            .collect();
        errors.sort_by_key(|(truth, predicted, count)| (std::cmp::Reverse(*count), *truth, *predicted));
        let mut table = Table::new(["is", "was called", "patches", "of the class"]);
        for (truth, predicted, count) in errors.into_iter().take(n) {
            let share = 100.0 * count as f64 / totals[truth] as f64;
            table.row([
                classes.name(truth),
                classes.name(predicted),
                grouped(count),
                format!("{share:.0} %"),
            ]);
        }
        table
    }

    /// Shows the scores that follow from it below a notebook cell.
    pub fn evcxr_display(&self) {
        let mut table = Table::new(["class", "samples", "recall", "precision", "F1"]);
        let number = |value: f64| if value.is_finite() { format!("{value:.2}") } else { "-".to_owned() };
        for (k, class) in self.per_class().into_iter().enumerate() {
            table.row([
                self.classes().name(k),
                grouped(class.support),
                number(class.recall),
                number(class.precision),
                number(class.f1),
            ]);
        }
        table.evcxr_display();
    }
}

impl Reliability {
    /// Shows its bins below a notebook cell.
    pub fn evcxr_display(&self) {
        let mut table = Table::new(["confidence", "samples", "mean confidence", "accuracy", "gap"])
            .captioned(format!("{} samples, ECE {:.3}", self.samples, self.expected_calibration_error()));
        for bin in self.bins.iter().filter(|bin| bin.samples > 0) {
            table.row([
                format!("{:.2}–{:.2}", bin.lower, bin.upper),
                grouped(bin.samples as u64),
                format!("{:.3}", bin.confidence),
                format!("{:.3}", bin.accuracy),
                format!("{:+.3}", bin.accuracy - bin.confidence),
            ]);
        }
        table.evcxr_display();
    }
}

impl TemperatureFit {
    /// Shows the temperature and what it did to the loss below a notebook cell.
    pub fn evcxr_display(&self) {
        println!(
            "T = {:.3}: cross-entropy {:.3} before, {:.3} after",
            self.temperature.value(),
            self.loss_before,
            self.loss_after
        );
    }
}

impl ClassCentres {
    /// Shows how the geometric median of each class was found below a notebook cell.
    pub fn evcxr_display(&self) {
        let mut table = Table::new(["class", "samples", "steps", "mean distance", "converged"]);
        for k in 0..self.classes().len() {
            let mut row = vec![self.classes().name(k)];
            match self.fit(k) {
                Some(fit) => row.extend([
                    grouped(fit.samples as u64),
                    fit.iterations.to_string(),
                    format!("{:.3}", fit.mean_distance),
                    if fit.converged { "yes" } else { "no" }.to_owned(),
                ]),
                None => row.extend(["-"; 4].map(str::to_owned)),
            }
            table.row(row);
        }
        table.evcxr_display();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Classes, EpochRecord, Imagery, Votes};
    use ndarray::{Array2, Array4};

    #[test]
    fn a_set_of_patches_is_shown_by_size_bands_classes_and_agreement() {
        let mut votes = Array2::zeros((2, 17));
        votes[[0, 16]] = 10.0;
        votes[[1, 0]] = 5.0;
        votes[[1, 1]] = 5.0;
        let patches = Patches::in_memory(Imagery::so2sat(), Classes::lcz(), Array4::zeros((2, 32, 32, 10)))
            .and_then(|patches| patches.with_labels(&Labels::new(Classes::lcz(), vec![16, 0])?))
            .and_then(|patches| patches.with_votes(&Votes::new(Classes::lcz(), votes)?))
            .unwrap()
            .with_provenance("made up");
        let table = Summary::of(&patches).unwrap().table().to_string();
        for part in ["made up", "32 × 32 pixels of 10 m", "B2, B3, B4", "1: 1, 2: 0", "agree on 50.0 %"] {
            assert!(table.contains(part), "no '{part}' in\n{table}");
        }
    }

    #[test]
    fn the_largest_errors_come_first_and_hits_are_none() {
        let classes = Classes::named(["a", "b"]).unwrap();
        let confusion = ConfusionMatrix::from_counts(classes, ndarray::array![[90, 10], [30, 10]]).unwrap();
        let table = confusion.largest_errors(5).to_string();
        let rows: Vec<Vec<&str>> =
            table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows, [["b", "a", "30", "75", "%"], ["a", "b", "10", "10", "%"]]);
        assert_eq!(confusion.largest_errors(1).to_string().lines().count(), 2);
    }

    #[test]
    fn a_history_marks_the_epoch_that_was_kept_and_what_was_not_measured() {
        let record = |epoch| EpochRecord {
            epoch,
            learning_rate: 0.1,
            training_loss: 1.5,
            training_accuracy: 0.5,
            validation_loss: None,
            validation_accuracy: None,
            seconds: 2.0,
            waiting: 0.0,
        };
        let table = History { epochs: vec![record(1), record(2)], best_epoch: 1 }.table().to_string();
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[1].contains("1.5000") && lines[1].ends_with("kept") && !lines[2].contains("kept"));
        assert!(lines[2].contains(" - "));
        let history = History { epochs: vec![record(1), record(2)], best_epoch: 1 };
        assert!((history.seconds() - 4.0).abs() < 1e-12);
        assert_eq!((history.curves().epochs, history.curves().best_epoch), (vec![1, 2], Some(1)));
    }
}
