//! Whether a figure shows the numbers of its run: compares its files with each other, and with the numbers
//! computed again.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{ActiveStudy, LandcoverStudy, LdlStudy, UncertaintyStudy, study};
use crate::data::read_votes;
use crate::figures::{self, Caption, Figure, Record, Source, StudyName, number_lines, numbers_checksum};
use crate::files::{read_bytes, read_text};
use crate::metrics::VoteSummary;
use crate::models::Device;
use crate::run::{Assessment, Run, vote_figures};
use crate::scorecard::ScorecardSettings;
use crate::{Error, Progress, Result};

/// Numbers computed again on another kind of processor agree to about this much.
const TOLERANCE: f64 = 1e-4;

/// What was checked of a figure, in order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verification {
    /// The checks.
    pub checks: Vec<Check>,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// Whether it agrees.
    pub agrees: bool,
    /// What was found, in one line.
    pub finding: String,
}

impl Verification {
    /// Whether everything agrees.
    pub fn agrees(&self) -> bool {
        self.checks.iter().all(|check| check.agrees)
    }

    fn note(&mut self, agrees: bool, finding: String) {
        self.checks.push(Check { agrees, finding });
    }
}

/// Verifies a figure, given as its SVG, PNG or CSV: whether the three files have the same provenance, the CSV has the
/// numbers that were drawn, and the run gives these numbers again.
///
/// `run` and `data` are where the run (or the study) and its data are now, if not where the figure states. Of a
/// study, its stored predictions are taken: nothing is trained. Nothing is written.
///
/// See the [module's example](crate::studies).
///
/// # Errors
/// A figure without provenance or without its CSV; a run, a study's predictions or data that are not there.
pub fn verify(
    figure: impl AsRef<Path>,
    run: Option<&Path>,
    data: Option<&Path>,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<Verification> {
    let figure = figure.as_ref();
    let record = Record::read(figure)?;
    let mut verification = Verification { checks: Vec::new() };

    for extension in ["svg", "png", "csv"] {
        let other = figure.with_extension(extension);
        if other == figure || !other.exists() {
            continue;
        }
        let name = file_name(&other);
        match Record::read(&other) {
            Ok(same) if same == record => verification.note(true, format!("{name} has the same provenance")),
            Ok(_) => verification.note(false, format!("{name} is of another figure, run or drawing")),
            Err(error) => verification.note(false, error.to_string()),
        }
    }

    let csv_path = figure.with_extension("csv");
    let csv = read_text(&csv_path)?;
    let drawn = numbers_checksum(&csv) == record.numbers;
    let found = if drawn { "the numbers that were drawn" } else { "other numbers than were drawn" };
    verification.note(drawn, format!("{} holds {found}", file_name(&csv_path)));

    let again = redrawn((figure, &csv), &record, (run, data), device, progress)?;
    let (agrees, finding) = compare(&csv, again.csv());
    verification.note(agrees, finding);
    if agrees {
        let svg_path = figure.with_extension("svg");
        if let Ok(svg) = read_text(&svg_path) {
            // Only the drawing below the head is compared: a reworded caption does not change the numbers.
            let same = drawing(&svg) == drawing(again.svg());
            let not = if same { "" } else { "not " };
            verification.note(same, format!("{} is {not}what is drawn from them now", file_name(&svg_path)));
        }
        let png_path = figure.with_extension("png");
        if let Ok(png) = read_bytes(&png_path) {
            let same = again.has_pixels_of(&png);
            let found = if same { "the pixels that are" } else { "other pixels than are" };
            verification.note(same, format!("{} has {found} drawn now", file_name(&png_path)));
        }
    } else if let Source::Evaluation { run: recorded, .. } = &record.provenance.source
        && let Some(by) = find_run(figure, run, recorded)?.temperature()?
        && !csv.contains(&format!("T = {:.2}", by.temperature))
    {
        let now = format!("its run now has the temperature T = {:.2}", by.temperature);
        verification.note(false, format!("{now}, which the figure does not show: evaluate again"));
    }
    Ok(verification)
}

/// The figure, drawn again from what it was computed from.
fn redrawn(
    (figure, csv): (&Path, &str),
    record: &Record,
    (run, data): (Option<&Path>, Option<&Path>),
    device: Device,
    progress: &mut dyn Progress,
) -> Result<Figure> {
    let place = |recorded: &str| find_run(figure, run, recorded);
    match &record.provenance.source {
        Source::Training { run } => {
            let curves = place(run)?.curves()?;
            Ok(figures::learning_curves(&curves, &caption(csv))?.with_provenance(&record.provenance))
        }
        Source::Evaluation { run, file } => {
            let run = place(run)?;
            // No figure shows intervals.
            let settings = ScorecardSettings { rounds: 0, panels: 0, ..ScorecardSettings::default() };
            let data = data.unwrap_or(Path::new(file));
            let assessment = Assessment::of(&run, data, (settings, None), device, progress)?;
            named(figure, assessment.figures(&run)?)
        }
        Source::Votes { file } => {
            let file = data.unwrap_or(Path::new(file));
            let summary = VoteSummary::from_votes(&read_votes(file)?)?;
            named(figure, vote_figures(file, Some(&record.provenance.data), &summary)?)
        }
        Source::Study { name } => {
            let folder = find_study(figure, run)?;
            let figures = match name {
                StudyName::Ldl => study::figures::<LdlStudy>(&folder, progress)?,
                StudyName::Landcover => study::figures::<LandcoverStudy>(&folder, progress)?,
                StudyName::Uncertainty => study::figures::<UncertaintyStudy>(&folder, progress)?,
                StudyName::Active => study::figures::<ActiveStudy>(&folder, progress)?,
            };
            named(figure, figures)
        }
        Source::Other => {
            let advice = "run the command that made it again, and compare";
            Err(Error::file(figure, "its numbers are not those of one run or study", advice))
        }
    }
}

/// The one of several figures that has a file's name.
fn named<S: AsRef<str>>(file: &Path, figures: Vec<(S, Figure)>) -> Result<Figure> {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let found = figures.into_iter().find(|(name, _)| name.as_ref() == stem);
    found.map(|(_, figure)| figure).ok_or_else(|| {
        let problem = format!("no figure of what it was drawn from is called '{stem}'");
        Error::file(file, problem, "give the figure under the name that it was drawn with")
    })
}

/// The caption that stands in a figure's CSV.
fn caption(csv: &str) -> Caption {
    let line = |name: &str| csv.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    Caption::new(line("# title: "), line("# data: "))
}

/// The run of a figure: the given one, else around the figure, else where it was.
fn find_run(figure: &Path, given: Option<&Path>, recorded: &str) -> Result<Run> {
    if let Some(given) = given {
        return Run::open(given);
    }
    let around = figure.parent().and_then(Path::parent).map(Path::to_owned);
    let places = around.into_iter().chain([PathBuf::from(recorded)]);
    places.into_iter().find_map(|place| Run::open(&place).ok()).ok_or_else(|| {
        let problem = format!("its run, {recorded}, does not exist");
        Error::file(figure, problem, "give its folder with --run")
    })
}

/// The folder of a figure's study: the given one, else that of the figure.
fn find_study(figure: &Path, given: Option<&Path>) -> Result<PathBuf> {
    let folder = given.or(figure.parent()).unwrap_or(Path::new("")).to_owned();
    if study::is_study(&folder) {
        return Ok(folder);
    }
    let place = given.map_or("next to it".to_owned(), |given| format!("in {}", given.display()));
    let problem = format!("no study.json {place}");
    Err(Error::file(figure, problem, "give the folder of its study with --run, or run the study again"))
}

/// Whether the numbers of two CSVs agree, and a line on it.
fn compare(csv: &str, again: &str) -> (bool, String) {
    let (old, new): (Vec<&str>, Vec<&str>) = (number_lines(csv).collect(), number_lines(again).collect());
    if old == new {
        return (true, format!("all {} lines of numbers are the same when computed again", old.len() - 1));
    }
    if old.len() != new.len() {
        let finding = format!("{} lines of numbers, computed again {}", old.len(), new.len());
        return (false, finding);
    }
    let mut largest = 0.0_f64;
    for (old, new) in old.iter().zip(&new) {
        let (old_fields, new_fields) = (old.split(','), new.split(','));
        let equal = old_fields.clone().count() == new_fields.clone().count();
        let differences = old_fields.zip(new_fields).map(|(a, b)| difference(a, b));
        let difference = differences.fold(if equal { 0.0 } else { f64::INFINITY }, f64::max);
        if difference > TOLERANCE {
            return (false, format!("the CSV has '{old}', computed again it is '{new}'"));
        }
        largest = largest.max(difference);
    }
    (true, format!("all {} lines of numbers agree to {largest:.0e} when computed again", old.len() - 1))
}

/// How far two fields are apart, relative to the larger where that is above 1; infinite for different words.
fn difference(a: &str, b: &str) -> f64 {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        _ if a == b => 0.0,
        (Ok(a), Ok(b)) if a.is_finite() && b.is_finite() => (a - b).abs() / a.abs().max(b.abs()).max(1.0),
        _ => f64::INFINITY,
    }
}

/// What an SVG draws, without title, description and metadata.
fn drawing(svg: &str) -> &str {
    svg.split_once("</metadata>").map_or(svg, |(_, drawing)| drawing)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_forgiven_and_another_number_is_not() {
        let csv = "# title: a\nclass,share\nforest,0.25\nriver,0.75\n";
        assert!(compare(csv, csv).0);
        assert!(compare(csv, &csv.replace("0.25", "0.250001")).0);
        let (agrees, finding) = compare(csv, &csv.replace("0.25", "0.26"));
        assert!(
            !agrees && finding.contains("'forest,0.25'") && finding.contains("'forest,0.26'"),
            "{finding}"
        );
        assert!(!compare(csv, &csv.replace("river", "road")).0);
        assert!(!compare(csv, &csv.replace("0.75", "NaN")).0);
        assert!(!compare(csv, &csv.replace("0.75", "0.75,1")).0);
        assert!(!compare(csv, "class,share\nforest,0.25\n").0);
    }
}
