//! What values look like below a notebook cell: a table of what matters in them, in place of all their
//! numbers. Figures and tables show themselves where they are defined.

use crate::data::{Patches, So2Sat, Summary};
use crate::display::{Table, grouped};
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
            let share = format!("{:.1} %", 100.0 * count as f64 / self.len().max(1) as f64);
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
    }
}
