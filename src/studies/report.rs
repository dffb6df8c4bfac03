//! What the reports of all studies are written with: means over seeds, verdicts, the README.

use crate::Result;
use crate::display::{Cell, Table};
use crate::figures::BandPoint;
use crate::files::write_whole;
use crate::models::Architecture;
use crate::run::Config;
use std::path::Path;

/// Mean and, of two values or more, their sample standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    pub mean: f64,
    pub deviation: Option<f64>,
}

impl Summary {
    pub fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self { mean, deviation: (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt()) }
    }

    /// `0.750 ± 0.250`
    pub fn text(self) -> String {
        match self.deviation {
            Some(deviation) => format!("{:.3} ± {deviation:.3}", self.mean),
            None => format!("{:.3}", self.mean),
        }
    }

    pub fn cell(self) -> Cell {
        self.text().into()
    }

    /// A point of a curve, with a band of one standard deviation to each side.
    pub fn point(self, x: f64) -> BandPoint {
        let scatter = self.deviation.unwrap_or(0.0);
        BandPoint { x, mean: self.mean, low: self.mean - scatter, high: self.mean + scatter }
    }
}

/// A network and how it is trained, in words.
pub(super) fn network(config: &Config) -> String {
    let training = &config.training;
    let network = match &config.model {
        Architecture::Sen2lcz(settings) => format!("Sen2LCZ of width {}", settings.width),
        other => other.name().to_owned(),
    };
    format!(
        "Network: {network}, at most {} epochs (patience {}), batches of {}.",
        training.epochs, training.patience, training.batch_size
    )
}

/// A README, block by block.
pub(super) struct Readme(String);

impl Readme {
    /// With a title, and a warning where the data are synthetic.
    pub fn new(title: &str, provenance: &str) -> Self {
        let mut readme = Self(format!("# {title}\n"));
        if provenance.starts_with("synthetic") {
            readme.text(
                "**The data are synthetic**: the numbers show that the study runs, not how real cities come out.",
            );
        }
        readme
    }

    /// A paragraph.
    pub fn text(&mut self, text: impl AsRef<str>) {
        self.0.extend(["\n", text.as_ref().trim_end(), "\n"]);
    }

    /// A heading.
    pub fn section(&mut self, title: &str) {
        self.text(format!("## {title}"));
    }

    pub fn table(&mut self, table: &Table) {
        self.text(table.markdown());
    }

    /// A figure of the study.
    pub fn figure(&mut self, title: &str, name: &str) {
        self.text(format!("![{title}]({name}.png)"));
    }

    pub fn write(&self, out: &Path) -> Result<()> {
        write_whole(&out.join("README.md"), self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_the_mean_and_the_sample_deviation() {
        assert_eq!(Summary::of(&[0.5, 0.7, 0.9]).cell(), Cell::from("0.700 ± 0.200"));
        assert_eq!(Summary::of(&[0.5]).cell(), Cell::from("0.500"));
    }
}
