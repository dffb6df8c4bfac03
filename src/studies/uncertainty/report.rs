//! Table 1 (mean and standard deviation over runs, the best of each size in bold), the learning curves and the README
//! of a study.

use std::path::Path;

use super::effects::{self, Effect};
use super::runs::{Cell, Measured, RunPredictions, Strategy, TESTS, suffix};
use super::{TestOutcome, UncertaintyOutcome, UncertaintyStudy};
use crate::display::{Table, cells};
use crate::figures::{self, BandPanel, BandSeries, Caption, Figure};
use crate::scorecard::{Interval, Measure, Predicted, Scorecard, ScorecardSettings};
use crate::studies::differences::Difference;
use crate::studies::report::{Line, Readme, network, shown, values, write_tables};
use crate::{Result, Zone};

/// The paper's measures; its cross-entropy is that against the votes.
const MEASURES: [Measure; 5] = [
    Measure::OverallAccuracy,
    Measure::AverageAccuracy,
    Measure::Kappa,
    Measure::DistributionalCrossEntropy,
    Measure::CrossEntropy,
];

/// The predictions of the runs for a test set, with the scores of each.
pub(super) struct Scored<'a> {
    measured: &'a Measured,
    /// One per cell.
    lines: Vec<Line>,
}

impl<'a> Scored<'a> {
    /// # Errors
    /// A run whose predictions are not of the test set's samples and classes.
    pub fn of(measured: &'a Measured) -> Result<Self> {
        let settings = ScorecardSettings { rounds: 0, panels: 0, ..ScorecardSettings::default() };
        let of_run = |run: &RunPredictions| {
            Scorecard::compute(Predicted::Probabilities(&run.predicted), measured.test.reference(), settings)
        };
        let of_cell = |(cell, runs): &(Cell, Vec<RunPredictions>)| {
            let &Cell { strategy, share } = cell;
            let name = format!("{}, {share} %, {} set", strategy.title(), measured.name);
            let cards: Result<Vec<_>> = runs.iter().map(of_run).collect();
            let cards = cards.map_err(|e| e.within(Path::new(&name)))?;
            let (code, patches) = (strategy.code(), runs.first().map_or(0, |run| run.patches));
            let size = if strategy == Strategy::Full { "all".to_owned() } else { format!("{share} %") };
            let first =
                [cells![size, patches, code].to_vec(), cells![share, patches, code, cards.len()].to_vec()];
            Ok(Line { first, block: Some(share), cards })
        };
        Ok(Self { measured, lines: measured.cells.iter().map(of_cell).collect::<Result<_>>()? })
    }

    fn tables(&self) -> [Table; 2] {
        let votes = self.measured.test.y.is_some();
        let known = |measure: &Measure| votes || *measure != Measure::DistributionalCrossEntropy;
        let measures: Vec<Measure> = MEASURES.into_iter().filter(known).collect();
        [
            shown(&["size", "patches", "subset"], &measures, &self.lines),
            values(&["share", "patches", "subset", "runs"], &measures, &self.lines),
        ]
    }
}

pub(super) fn write(scored: &Scored<'_>, out: &Path) -> Result<TestOutcome> {
    let Measured { name, test, .. } = scored.measured;
    let ([table, values], effects) = (scored.tables(), effects::all(scored.measured)?);
    let caption = format!("data: {}, {} patches", test.provenance, test.labels.len());
    write_tables(out, &format!("table{}", suffix(name)), &table, values, &caption)?;
    effects::table(&effects, &test.provenance).write(&out.join(format!("effects{}.csv", suffix(name))))?;
    Ok(TestOutcome { name, patches: test.labels.len(), table, effects })
}

/// The learning curves: accuracy and cross-entropy by the size of the subset.
pub(super) fn curves(runs: u64, scored: &Scored<'_>) -> Result<Figure> {
    let Measured { name, test, .. } = scored.measured;
    let loss = match test.y {
        Some(_) => (Measure::DistributionalCrossEntropy, "Cross-entropy against votes, nats"),
        None => (Measure::CrossEntropy, "Cross-entropy, nats"),
    };
    let panel = |(measure, title): (Measure, &str)| {
        let name = |strategy: Strategy| format!("{} ({})", strategy.title(), strategy.code());
        let series = |strategy| BandSeries { name: name(strategy), points: Vec::new() };
        let mut series: Vec<BandSeries> = Strategy::CHOOSING.map(series).into();
        let mut level = None;
        for ((cell, _), line) in scored.measured.cells.iter().zip(&scored.lines) {
            let Some(summary) = line.summary(measure) else { continue };
            match Strategy::CHOOSING.iter().position(|strategy| *strategy == cell.strategy) {
                Some(n) => series[n].points.push(summary.point(cell.share)),
                None => level = Some((cell.strategy.title().to_owned(), summary.mean)),
            }
        }
        BandPanel { title: title.to_owned(), series, level }
    };
    let panels = [panel((Measure::OverallAccuracy, "Overall accuracy")), panel(loss)];
    let place = if *name == TESTS[0] { "held-out part of the validation set" } else { "test set" };
    let caption = Caption::new(
        "Networks trained on a part of the patches",
        format!("{}, {place}, n = {}", test.provenance, test.labels.len()),
    );
    let band = format!("Bands: the mean of {runs} runs and one standard deviation to each side.");
    figures::bands(&panels, "Patches trained on, % of the training set", &band, &caption)
}

pub(super) fn readme(study: &UncertaintyStudy, outcome: &UncertaintyOutcome, from_elsewhere: bool) -> Readme {
    let UncertaintyOutcome { provenance, plane, tests } = outcome;
    let mut readme = Readme::new("Does it help to train on uncertain patches?", provenance);
    readme.text(format!(
        "Data: {provenance}{}. {} {} runs of each subset. {} Runs differ by their order of the patches, their dropout and, \
         of random subsets, the patches. An epoch repeats a subset below {} %, so that it has no fewer steps than that of \
         the largest one.",
        left_out(&study.config.data.without),
        network(&study.config),
        study.runs,
        if from_elsewhere {
            "The features are those of a network that was trained elsewhere; every run starts from the same random weights."
        } else {
            "Every run starts from the first weights of the extractor."
        },
        study.largest_share()
    ));
    let reading = if study.equal_counts { "as many of each class" } else { "the same share of each class" };
    readme.text(format!(
        "R: random patches. UT: the patches farthest from the geometric median of their class. UTS: the same, {reading}. CT, \
         CTS: the nearest ones. Mean ± standard deviation over runs; the best mean of each size in bold."
    ));
    readme.section("Where the patches lie");
    readme.figure("Features on a plane", "features");
    readme.text(format!(
        "t-SNE of the features of {} training patches (perplexity {}): exact KL divergence {:.3} nats, trustworthiness {:.3} \
         of {} neighbours. `extractor/plane.csv` has the position and distance of each patch.",
        plane.patches, plane.perplexity, plane.kl_loss, plane.trustworthiness, plane.neighbours
    ));
    for test in tests {
        let end = suffix(test.name);
        readme.section(if end.is_empty() {
            "On the held-out half of the validation set (the paper's test set)"
        } else {
            "On the data's own test set"
        });
        let patches = test.patches;
        readme
            .text(format!("{patches} patches; `table{end}.csv`, `table{end}.tex`, `learning-curves{end}`."));
        readme.table(&test.table);
        readme.figure("Learning curves", &format!("learning-curves{end}"));
        readme.text(
            "The first minus the second, with 95 % intervals from the variation between test patches (whole cities or \
             regions, where known) and between runs (Student's t), each for itself: one in twenty misses by \
             chance. p: chance of such differences in accuracy and cross-entropy if there were none, with Holm's \
             correction for all of this table.",
        );
        readme.table(&effects_table(&test.effects));
    }
    readme.text(
        "`extractor/` holds the network and the distance of each patch; `runs/` holds the patches that each run was trained \
         on, its history and its predictions, which `lcz score` reads.",
    );
    readme
}

fn effects_table(effects: &[Effect]) -> Table {
    let mut table =
        Table::new(["size", "compared", "overall accuracy", "cross-entropy", "better", "p (Holm)"]);
    let number = |Difference { value, interval, .. }| match interval {
        Some(Interval { lower, upper, .. }) => format!("{value:+.3} ({lower:+.3} to {upper:+.3})"),
        None => format!("{value:+.3}"),
    };
    for effect in effects {
        table.row([
            format!("{} %", effect.share),
            format!("{} − {}", effect.of.code(), effect.less.code()),
            number(effect.accuracy),
            number(effect.cross_entropy),
            better(effect),
            [effect.accuracy, effect.cross_entropy].map(|of| of.corrected()).join(", "),
        ]);
    }
    table
}

/// Which of the two is better, where an interval excludes zero.
fn better(effect: &Effect) -> String {
    let accuracy = effect.accuracy.verdict(effect.of, effect.less);
    // A lower cross-entropy is better.
    let cross_entropy = effect.cross_entropy.verdict(effect.less, effect.of);
    match (accuracy, cross_entropy) {
        (None, None) => "undecided".to_owned(),
        (Some(a), Some(b)) if a == b => a.code().to_owned(),
        (Some(a), Some(b)) => format!("{} in accuracy, {} in cross-entropy", a.code(), b.code()),
        (Some(a), None) => format!("{} in accuracy", a.code()),
        (None, Some(b)) => format!("{} in cross-entropy", b.code()),
    }
}

/// The zones that are left out, if any are.
fn left_out(zones: &[String]) -> String {
    let name =
        |zone: &String| zone.parse().map_or_else(|_| zone.clone(), |zone: Zone| zone.name().to_owned());
    let names: Vec<String> = zones.iter().map(name).collect();
    if names.is_empty() { String::new() } else { format!(", without {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::sets::TestSet;
    use crate::{Classes, Labels, Probabilities};
    use ndarray::Array2;

    /// Four samples of two classes, with this number of them right.
    fn run(right: usize) -> RunPredictions {
        let p = Array2::from_shape_fn((4, 2), |(n, k)| if (k == n % 2) == (n < right) { 0.75 } else { 0.25 });
        let predicted = Probabilities::new(Classes::named(["a", "b"]).unwrap(), p).unwrap();
        RunPredictions { predicted, patches: 7 }
    }

    #[test]
    fn each_size_has_its_mean_its_deviation_and_its_best_in_bold() {
        let cell = |strategy, share| Cell { strategy, share };
        let labels = Labels::new(Classes::named(["a", "b"]).unwrap(), vec![0, 1, 0, 1]).unwrap();
        let provenance = "synthetic".to_owned();
        let mut measured = Measured {
            name: "held-out",
            cells: vec![
                (cell(Strategy::Random, 5.0), vec![run(2), run(3), run(4)]),
                (cell(Strategy::Uncertain, 5.0), vec![run(2), run(2), run(2)]),
                (cell(Strategy::Full, 100.0), vec![run(4), run(4), run(4)]),
            ],
            test: TestSet { labels, y: None, votes: None, groups: None, provenance },
        };
        let [shown, values] = Scored::of(&measured).unwrap().tables();
        let text = shown.markdown();
        // Overall accuracies 0.5, 0.75 and 1: mean 0.75, sample deviation 0.25.
        assert!(text.contains("| 5 % | 7 | R | **0.750 ± 0.250** |"), "{text}");
        assert!(text.contains("| 5 % | 7 | UT | 0.500 ± 0.000 |"), "{text}");
        assert!(text.contains("| all | 7 | full | 1.000 ± 0.000 |"), "{text}");
        assert!(values.csv().contains("5,7,R,3,OA,0.75,0.25\n"));

        // A run of other samples is refused, not shown as a cell without a number.
        let positions = [0, 1, 2];
        measured.cells[1].1[2].predicted = measured.cells[1].1[2].predicted.select(&positions);
        let error = Scored::of(&measured).err().unwrap().to_string();
        assert!(error.contains("most uncertain, 5 %, held-out set") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn what_is_left_out_is_named() {
        let of = |zones: &[&str]| left_out(&zones.iter().map(|zone| (*zone).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&[]), "");
        assert_eq!(of(&["G"]), ", without water");
        assert_eq!(of(&["7", "G"]), ", without lightweight low-rise, water");
    }
}
