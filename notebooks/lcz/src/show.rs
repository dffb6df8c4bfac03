//! Display of values below a notebook cell: a table of their main numbers, not of all.
//!
//! A notebook kernel (evcxr) calls `evcxr_display` on the value that a cell ends with, and reads what to
//! show from stdout, between two marks. It keeps the last content of each kind: one figure per cell.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use base64::Engine as _;

use crate::calibration::{Reliability, TemperatureFit};
use crate::data::{Patches, So2Sat, Summary};
use crate::display::{Table, grouped, metres, percent};
use crate::figures::Figure;
use crate::metrics::{ConfusionMatrix, Scores};
use crate::models::Model;
use crate::models::forest::RandomForest;
use crate::uncertainty::ClassCentres;
use crate::{History, Labels};

/// What a notebook shows of a value.
pub trait EvcxrDisplay {
    /// Shows it below a notebook cell.
    fn evcxr_display(&self);
}

/// Shows content of several kinds, of which the notebook takes the best, below a cell.
pub(crate) fn show(contents: &[(&str, &str)]) {
    let mut out = io::stdout().lock();
    for (kind, content) in contents {
        // A closed pipe is not an error.
        let _ = writeln!(out, "EVCXR_BEGIN_CONTENT {kind}\n{}\nEVCXR_END_CONTENT", content.trim_end());
    }
    let _ = out.flush();
}

impl EvcxrDisplay for Table {
    fn evcxr_display(&self) {
        show(&[("text/html", &self.html()), ("text/plain", &self.to_string())]);
    }
}

impl EvcxrDisplay for Figure {
    fn evcxr_display(&self) {
        match self.for_a_screen() {
            Ok(png) => show(&[("image/png", &base64::engine::general_purpose::STANDARD.encode(png))]),
            Err(error) => println!("{error}"),
        }
    }
}

impl EvcxrDisplay for dyn Model + '_ {
    fn evcxr_display(&self) {
        self.summary().evcxr_display();
    }
}

/// What a set holds, as two columns.
fn summary_table(summary: &Summary) -> Table {
    let mut table = Table::new(["", ""]).captioned(format!("{}: {}", summary.name, summary.provenance));
    table.row(["patches".to_owned(), grouped(summary.patches as u64)]);
    let imagery = &summary.imagery;
    let size = imagery.patch_size;
    let distance =
        imagery.ground_sampling_distance.map_or_else(String::new, |d| format!(" of {}", metres(d)));
    table.row(["patch".to_owned(), format!("{size} × {size} pixels{distance}")]);
    table.row([format!("{} bands", imagery.bands.len()), imagery.bands.names().join(", ")]);
    table.row(["unit".to_owned(), imagery.unit.clone()]);
    if let Some(groups) = summary.groups {
        table.row(["cities or regions".to_owned(), groups.to_string()]);
    }
    if let Some(votes) = summary.votes {
        let agreement = format!(
            "all experts agree on {:.1} %, mean entropy {:.3} nats",
            100.0 * votes.unanimous,
            votes.mean_entropy
        );
        table.row(["votes".to_owned(), agreement]);
    }
    let labelled: Vec<String> = summary
        .classes
        .iter()
        .filter_map(|class| Some(format!("{}: {}", class.code, grouped(class.patches? as u64))))
        .collect();
    let classes = if labelled.is_empty() { "no labels".to_owned() } else { labelled.join(", ") };
    table.row([format!("{} classes", summary.classes.len()), classes]);
    table
}

impl EvcxrDisplay for Patches {
    fn evcxr_display(&self) {
        match Summary::from_patches(self) {
            Ok(summary) => summary_table(&summary).evcxr_display(),
            Err(error) => println!("{error}"),
        }
    }
}

impl EvcxrDisplay for So2Sat {
    fn evcxr_display(&self) {
        let (training, validation, test) = match self.splits() {
            Ok(splits) => splits,
            Err(error) => return println!("{error}"),
        };
        let mut table = Table::new(["part", "patches", "cities or regions", "patch", "classes"])
            .captioned(training.provenance());
        for (name, part) in [("training", training), ("validation", validation), ("test", test)] {
            let imagery = part.imagery();
            let cities =
                part.groups().map(|groups| groups.into_iter().collect::<BTreeSet<_>>().len().to_string());
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

impl EvcxrDisplay for Labels {
    fn evcxr_display(&self) {
        let mut table = Table::new(["class", "samples", "share"]);
        for (k, count) in self.counts().into_iter().enumerate() {
            let share = percent(count as f64 / self.len().max(1) as f64);
            table.row([self.classes().name(k), grouped(count as u64), share]);
        }
        table.evcxr_display();
    }
}

/// The epochs; the one whose weights were kept is marked.
fn history_table(history: &History) -> Table {
    let mut table =
        Table::new(["epoch", "loss", "accuracy", "validation loss", "validation accuracy", "seconds", ""]);
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    for record in &history.epochs {
        table.row([
            record.epoch.to_string(),
            number(Some(record.training_loss)),
            number(Some(record.training_accuracy)),
            number(record.validation_loss),
            number(record.validation_accuracy),
            format!("{:.1}", record.seconds),
            if record.epoch == history.best_epoch { "kept".to_owned() } else { String::new() },
        ]);
    }
    table
}

impl EvcxrDisplay for History {
    fn evcxr_display(&self) {
        history_table(self).evcxr_display();
    }
}

impl EvcxrDisplay for RandomForest {
    fn evcxr_display(&self) {
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

impl EvcxrDisplay for Scores {
    fn evcxr_display(&self) {
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

impl EvcxrDisplay for ConfusionMatrix {
    fn evcxr_display(&self) {
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

impl EvcxrDisplay for Reliability {
    fn evcxr_display(&self) {
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

impl EvcxrDisplay for TemperatureFit {
    fn evcxr_display(&self) {
        println!(
            "T = {:.3}: cross-entropy {:.3} before, {:.3} after",
            self.temperature.value(),
            self.loss_before,
            self.loss_after
        );
    }
}

impl EvcxrDisplay for ClassCentres {
    fn evcxr_display(&self) {
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
    use crate::ndarray::{Array2, Array4};
    use crate::{Classes, EpochRecord, Imagery, Votes};

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
            .with_provenance("synthetic");
        let table = summary_table(&Summary::from_patches(&patches).unwrap()).to_string();
        for part in ["synthetic", "32 × 32 pixels of 10 m", "B2, B3, B4", "1: 1, 2: 0", "agree on 50.0 %"] {
            assert!(table.contains(part), "no '{part}' in\n{table}");
        }
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
        let history = History { epochs: vec![record(1), record(2)], best_epoch: 1 };
        let table = history_table(&history).to_string();
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[1].contains("1.5000") && lines[1].ends_with("kept") && !lines[2].contains("kept"));
        assert!(lines[2].contains(" - "));
    }
}
