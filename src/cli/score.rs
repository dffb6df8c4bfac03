//! `lcz score`: predictions in a file, of lcz or of any other program.

use std::path::PathBuf;

use clap::Args;
use lcz::data::predictions::{self, Predictions};
use lcz::predictions::StoredTemperature;
use lcz::run;
use lcz::scorecard::{Scorecard, ScorecardSettings};
use serde::Serialize;

use super::options::{ClassNames, Context, Measures, Provenance};
use super::output::{self, Table};
use super::scorecard;

/// Score predictions of lcz or any other program
#[derive(Debug, Args)]
#[command(after_help = "The file is what `lcz predict` writes for labelled patches, or a CSV with the
header
  true,pred                         zones by number or code; accuracies only
  true_label,pred_label,confidence  any classes; and calibration of the
                                    predicted class
  label,p_1,...,p_K                 probabilities: all measures but those
                                    against votes
with columns in any order, and a column `group` (city, polygon) where samples
belong together. Other names are read, too: y_true, truth, reference, actual,
obs, label; y_pred, predicted, prediction; conf, prob; prob_1, proba_1.

Examples:
  lcz score predictions.h5
  lcz score predictions.csv --bins 20
  lcz score predictions.h5 --conventions
  lcz score predictions.csv --classes forest,river,road --json | jq '.rows[0]'")]
pub struct Score {
    /// HDF5 or CSV file
    file: PathBuf,

    #[command(flatten)]
    classes: ClassNames,

    #[command(flatten)]
    measures: Measures,

    #[command(flatten)]
    provenance: Provenance,

    /// Print the scores under the conventions of other papers and libraries
    #[arg(long)]
    conventions: bool,
}

/// The table, and its file.
#[derive(Serialize)]
struct Report<'a> {
    provenance: &'a str,
    /// The temperature that the predictions were made at, where the file states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a StoredTemperature>,
    #[serde(flatten)]
    card: &'a Scorecard,
}

impl Score {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let classes = self.classes.get()?;
        let read = predictions::read(&self.file, classes.as_ref())?;
        let predictions = read.described(self.provenance.provenance.as_deref());
        if self.conventions {
            return print_conventions(&predictions, self.measures.get(), cx.json);
        }
        let card = run::score(&predictions, self.measures.get(), &mut cx.progress)?;
        let (provenance, temperature) = (predictions.provenance.as_str(), predictions.temperature.as_ref());
        if cx.json {
            return output::json(&Report { provenance, temperature, card: &card });
        }
        let scaling = temperature.map_or_else(String::new, |by| format!(", at {by}"));
        output::line(format!("{} ({provenance}){scaling}\n", self.file.display()))?;
        scorecard::print(&card, None)
    }
}

fn print_conventions(
    predictions: &Predictions,
    settings: ScorecardSettings,
    json: bool,
) -> anyhow::Result<()> {
    let card = run::conventions(predictions, settings)?;
    if json {
        return output::json_list("measures", &card);
    }
    let mut table = Table::new(["measure", "value", "rule", "used by", "why it differs"]);
    for row in card {
        let differs = row.differs.unwrap_or("the rule of lcz");
        let value = format!("{:.6}", row.value);
        table.row([row.measure.to_owned(), value, row.rule, row.used_by.to_owned(), differs.to_owned()]);
    }
    Ok(table.print()?)
}
