//! What the course's notebooks lean on: a data set that makes itself, real data where there are some,
//! and checks of the exercises that answer `correct` or give a hint.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array2;

use crate::data::synthetic::Synthetic;
use crate::data::{Patches, So2Sat};
use crate::display::{Table, escaped, grouped, show};
use crate::figures::Figure;
use crate::files::Partial;
use crate::labels::x_ln_y;
use crate::progress::Lines;
use crate::{Classes, Error, Progress, Result, Votes, Zone};

/// Synthetic patches of the notebooks, and how many where they are only tried out.
const PATCHES: [usize; 2] = [3400, 680];
/// What they are drawn from.
const SEED: u64 = 1;

/// Whether the notebooks are only tried out, on small data: `LCZ_QUICK=1`.
pub fn is_quick() -> bool {
    std::env::var("LCZ_QUICK").is_ok_and(|value| value == "1")
}

/// The synthetic data set of the notebooks, made on first use in `data/` of the repository (3,400 patches,
/// 250 MB, some seconds; 680 if [quick](is_quick)).
///
/// # Errors
/// A folder that may not be written, or a disk that is full.
pub fn data() -> Result<So2Sat> {
    So2Sat::open(data_folder()?)
}

/// The Sentinel-1 half of [`data`]: the same patches seen by radar.
///
/// # Errors
/// As there.
pub fn radar_data() -> Result<So2Sat> {
    So2Sat::open_as(data_folder()?, "sen1")
}

/// Makes the data set where it is missing.
fn data_folder() -> Result<PathBuf> {
    let synthetic = Synthetic { patches: PATCHES[usize::from(is_quick())], seed: SEED };
    // A notebook runs in `notebooks/`, beside the settings of its kernel.
    let root = if Path::new("evcxr.toml").exists() { ".." } else { "." };
    let folder = Path::new(root).join("data").join(format!("synthetic-{}-{SEED}", synthetic.patches));
    if folder.exists() {
        return Ok(folder);
    }
    let partial = Partial::folder(&folder)?;
    synthetic.write(partial.path(), &mut WithoutSummary(Lines::on_stdout()))?;
    partial.replace()?;
    println!("{} synthetic patches made in {}", grouped(synthetic.patches as u64), folder.display());
    Ok(folder)
}

/// Progress whose summary would name a folder that is about to get another name.
struct WithoutSummary(Lines);

impl Progress for WithoutSummary {
    fn begin(&mut self, stage: &str, steps: u64) {
        self.0.begin(stage, steps);
    }

    fn advance(&mut self, steps: u64, note: &str) {
        self.0.advance(steps, note);
    }

    fn end(&mut self, _: &str) {
        self.0.end("");
    }
}

/// 72 real Sentinel-2 patches without labels, where `LCZ_REAL_DATA` names a folder that has them
/// (`sen2lcz/reference_patches.h5`); else none.
///
/// # Errors
/// A file that cannot be read.
pub fn real_patches() -> Result<Option<Patches>> {
    let Some(path) = real("sen2lcz/reference_patches.h5") else { return Ok(None) };
    Ok(Some(So2Sat::open(path)?.patches()?.with_provenance(
        "72 real Sentinel-2 patches (BigEarthNet and eo-learn samples; another processing than So2Sat's)",
    )))
}

/// The votes of eleven experts on 162,369 real European patches over 16 classes (So2Sat LCZ42, without
/// LCZ 7), where `LCZ_REAL_DATA` names a folder that has them (`votes/so2sat_vote_patterns.csv`); else none.
///
/// # Errors
/// A file that cannot be read or is not a table of vote patterns.
pub fn real_votes() -> Result<Option<Votes>> {
    let Some(path) = real("votes/so2sat_vote_patterns.csv") else { return Ok(None) };
    let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
    vote_patterns(&text).map(Some).map_err(|problem| Error::file(&path, problem, "give the published file"))
}

/// A file of the real data, if it is there.
fn real(name: &str) -> Option<PathBuf> {
    let path = Path::new(&std::env::var_os("LCZ_REAL_DATA")?).join(name);
    path.exists().then_some(path)
}

/// Patterns of votes (columns `X1` … `X17` for the zones, `Freq` for how many patches have it), a row a
/// patch.
fn vote_patterns(text: &str) -> std::result::Result<Votes, String> {
    let field = |text: &str| text.trim().trim_matches('"').to_owned();
    let mut lines = text.lines();
    let header: Vec<String> = lines.next().unwrap_or_default().split(',').map(field).collect();
    let zones: Vec<(usize, Zone)> = header
        .iter()
        .enumerate()
        .filter_map(|(column, name)| {
            Some((column, Zone::from_number(name.strip_prefix('X')?.parse().ok()?)?))
        })
        .collect();
    let frequency = header.iter().position(|name| name == "Freq").ok_or("no column 'Freq'")?;
    let mut counts = Vec::new();
    for (row, line) in lines.enumerate() {
        let fields: Vec<String> = line.split(',').map(field).collect();
        let number = |column: usize| {
            let text = fields.get(column).map_or("", String::as_str);
            text.parse::<u16>().map_err(|_| format!("row {row}: '{text}' is not a count"))
        };
        let votes = zones
            .iter()
            .map(|(column, _)| number(*column).map(f32::from))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        for _ in 0..number(frequency)? {
            counts.extend_from_slice(&votes);
        }
    }
    let classes = Classes::of_zones(zones.iter().map(|(_, zone)| *zone));
    let rows = counts.len() / classes.len().max(1);
    let counts = Array2::from_shape_vec((rows, classes.len()), counts).map_err(|error| error.to_string())?;
    Votes::new(classes, counts).map_err(|error| error.to_string())
}

/// What a cell about real data shows: a figure, or a note where there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Drawn from real data.
    Figure(Figure),
    /// What to do to see it.
    Note(&'static str),
}

impl Shown {
    /// Shows the figure or the note below a notebook cell.
    pub fn evcxr_display(&self) {
        match self {
            Self::Figure(figure) => figure.evcxr_display(),
            Self::Note(note) => println!("{note}"),
        }
    }
}

/// Draws real data where they are at hand, else says how to get them there.
///
/// # Errors
/// Those of `draw`.
pub fn with_real<T>(data: Option<T>, draw: impl FnOnce(&T) -> Result<Figure>) -> Result<Shown> {
    let note = "No real data here: set LCZ_REAL_DATA to a folder that has them, then start ./course lab.";
    data.map_or(Ok(Shown::Note(note)), |data| draw(&data).map(Shown::Figure))
}

/// How far experts agree on each zone, in one or several sets of votes: patches whose majority chose the
/// zone, their mean voting entropy in nats, and how many of them are unanimous.
pub fn agreement(sets: &[(&str, &Votes)]) -> Table {
    let mut header = vec!["majority".to_owned()];
    for (name, _) in sets {
        header.extend(["patches", "mean entropy", "unanimous"].map(|what| format!("{name}: {what}")));
    }
    let mut table = Table::new(header);
    let sets: Vec<_> = sets
        .iter()
        .map(|(_, votes)| {
            let y = votes.distributions();
            (y.classes().clone(), y.majority(), y.entropy())
        })
        .collect();
    for zone in Zone::all() {
        let mut row = vec![zone.to_string()];
        for (classes, majority, entropy) in &sets {
            let of_zone: Vec<f64> = classes.position(zone).map_or_else(Vec::new, |k| {
                majority
                    .indices()
                    .iter()
                    .zip(entropy)
                    .filter(|(index, _)| **index == k)
                    .map(|(_, h)| *h)
                    .collect()
            });
            if of_zone.is_empty() {
                row.extend(["-"; 3].map(str::to_owned));
                continue;
            }
            let n = of_zone.len() as f64;
            let unanimous = of_zone.iter().filter(|h| **h == 0.0).count() as f64;
            row.push(grouped(of_zone.len() as u64));
            // Entropies of unanimous votes may be −0.
            row.push(format!("{:.3}", of_zone.iter().sum::<f64>().abs() / n));
            row.push(format!("{:.0} %", 100.0 * unanimous / n));
        }
        table.row(row);
    }
    table
}

/// What a check says of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The answer is right; the text says what to take from it.
    Correct(String),
    /// It is not; the text is a hint.
    NotYet(String),
}

impl Verdict {
    fn of(is_right: bool, lesson: &str, hint: impl Into<String>) -> Self {
        if is_right { Self::Correct(lesson.to_owned()) } else { Self::NotYet(hint.into()) }
    }

    /// Shows it below a notebook cell.
    pub fn evcxr_display(&self) {
        let colour = if matches!(self, Self::Correct(_)) { "#00714D" } else { "#A84300" };
        let html = format!("<p style=\"color:{colour}\">{}</p>", escaped(&self.to_string()));
        show(&[("text/html", &html), ("text/plain", &self.to_string())]);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Correct(lesson) => write!(f, "correct: {lesson}"),
            Self::NotYet(hint) => write!(f, "not yet: {hint}"),
        }
    }
}

/// Notebook 00: the share of values above a threshold, as a function of both.
pub fn check_share_above(answer: impl Fn(&[f64], f64) -> f64) -> Verdict {
    let values = [0.1, 0.4, 0.4, 0.9];
    let hint = if answer(&values, 0.5) > 1.0 {
        "a share lies between 0 and 1: divide the count by values.len(), both as f64"
    } else if (answer(&values, 0.4) - 0.75).abs() < 1e-12 {
        "above means strictly above: > and not >="
    } else {
        "count with values.iter().filter(|v| **v > threshold).count(), then divide"
    };
    let right = [(0.5, 0.25), (0.4, 0.25), (0.0, 1.0), (1.0, 0.0)]
        .iter()
        .all(|(threshold, share)| (answer(&values, *threshold) - share).abs() < 1e-12);
    Verdict::of(right, "an iterator chain compiles to the loop that you would write by hand", hint)
}

/// Notebook 00: the mean of the green column of the notebook's small array.
pub fn check_column_mean(answer: f64, table: &Array2<f64>) -> Verdict {
    let wanted = table.column(1).sum() / table.nrows() as f64;
    let row = table.row(1).sum() / table.ncols() as f64;
    let hint = if (answer - row).abs() < 1e-9 {
        "that is the mean of a row: table.column(1)"
    } else {
        "columns count from 0, and .mean() gives an Option: table.column(1).mean().unwrap()"
    };
    Verdict::of((answer - wanted).abs() < 1e-9, "a column is a view: nothing was copied", hint)
}

/// Notebook 01: the normalised difference water index (G − N) / (G + N) of green and near infrared.
pub fn check_ndwi(answer: impl Fn(f64, f64) -> f64) -> Verdict {
    let pairs = [(0.08, 0.02), (0.05, 0.3), (0.1, 0.1)];
    let index = |green: f64, infrared: f64| (green - infrared) / (green + infrared);
    let all = |wanted: &dyn Fn(f64, f64) -> f64| {
        pairs.iter().all(|&(g, n)| (answer(g, n) - wanted(g, n)).abs() < 1e-9)
    };
    let hint = if all(&|g, n| -index(g, n)) {
        "the sign is turned: water is to come out positive, so green goes first"
    } else if all(&|g, n| g - n) {
        "a difference alone depends on the light: divide by the sum"
    } else {
        "difference of green and near infrared, divided by their sum"
    };
    Verdict::of(all(&index), "above 0 only where near infrared is swallowed: water", hint)
}

/// Notebook 01: the voting entropy of 7, 2 and 1 votes, in nats.
pub fn check_entropy(answer: f64) -> Verdict {
    let wanted = -[0.7, 0.2, 0.1].map(|y: f64| x_ln_y(y, y)).iter().sum::<f64>();
    let close = |value: f64| (answer - value).abs() < 1e-3;
    let hint = if close(wanted / 2_f64.ln()) {
        "that is in bits: use the natural logarithm, .ln()"
    } else if close(-wanted) {
        "mind the minus sign: no entropy is negative"
    } else {
        "turn votes into shares first (7 / 10, …), then sum -y ln y"
    };
    Verdict::of(close(wanted), "0 would be full agreement, ln 3 = 1.099 a tie of three", hint)
}

/// Notebook 01: the zone whose patches have the highest mean NDVI.
///
/// # Errors
/// Patches without labels, or without the bands B8 and B4.
pub fn check_greenest(answer: Zone, patches: &Patches) -> Result<Verdict> {
    let (labels, ndvi) = (patches.labels()?, patches.ndvi()?);
    let counts = labels.counts();
    let mut mean = vec![0.0; counts.len()];
    for (&k, value) in labels.indices().iter().zip(&ndvi) {
        mean[k] += value / counts[k] as f64;
    }
    let best = (0..mean.len()).filter(|&k| counts[k] > 0).max_by(|&a, &b| mean[a].total_cmp(&mean[b]));
    let right = best.is_some() && labels.classes().position(answer) == best;
    let hint = if answer.is_built() {
        "a built zone cannot be greener than all natural ones; look at the rows A to G".to_owned()
    } else {
        format!("{answer} is green, but look for the box farthest to the right")
    };
    Ok(Verdict::of(right, "many leaves in layers swallow red light and send back near infrared", hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Imagery, Labels};
    use ndarray::{Array4, array};

    fn is_correct(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Correct(_))
    }

    #[test]
    fn right_answers_are_correct_and_the_usual_mistakes_get_a_hint_of_their_own() {
        let share =
            |values: &[f64], t: f64| values.iter().filter(|v| **v > t).count() as f64 / values.len() as f64;
        assert!(is_correct(&check_share_above(share)));
        let hint = |verdict: Verdict, part: &str| {
            let text = verdict.to_string();
            assert!(
                text.starts_with("not yet") && text.contains(part) && !text.contains("correct"),
                "{text}"
            );
        };
        hint(
            check_share_above(|v, t| v.iter().filter(|v| **v >= t).count() as f64 / v.len() as f64),
            "strictly",
        );
        hint(check_share_above(|v, t| v.iter().filter(|v| **v > t).count() as f64 * 10.0), "between 0 and 1");
        hint(check_share_above(|_, _| 0.5), "count with");

        let table = array![[1.0, 2.0], [3.0, 5.0], [8.0, 8.0]];
        assert!(is_correct(&check_column_mean(5.0, &table)));
        hint(check_column_mean(4.0, &table), "of a row");
        hint(check_column_mean(0.0, &table), "count from 0");

        assert!(is_correct(&check_ndwi(|g, n| (g - n) / (g + n))));
        hint(check_ndwi(|g, n| (n - g) / (g + n)), "sign");
        hint(check_ndwi(|g, n| g - n), "sum");
        hint(check_ndwi(|_, _| 0.0), "divided");

        // -(0.7 ln 0.7 + 0.2 ln 0.2 + 0.1 ln 0.1), by hand.
        assert!(is_correct(&check_entropy(0.8018)));
        hint(check_entropy(1.1568), "bits");
        hint(check_entropy(-0.8018), "minus");
        hint(check_entropy(7.0), "shares");
    }

    #[test]
    fn the_greenest_zone_is_found_in_the_data_and_not_known_beforehand() {
        let images = Array4::from_shape_fn(
            (2, 32, 32, 10),
            |(n, _, _, c)| if c == 6 { 0.5 - 0.2 * n as f32 } else { 0.1 },
        );
        let set = |labels| {
            Patches::in_memory(Imagery::so2sat(), Classes::lcz(), images.clone())
                .and_then(|patches| patches.with_labels(&Labels::new(Classes::lcz(), labels)?))
                .unwrap()
        };
        assert!(is_correct(&check_greenest(Zone::LowPlants, &set(vec![13, 10])).unwrap()));
        assert!(!is_correct(&check_greenest(Zone::DenseTrees, &set(vec![13, 10])).unwrap()));
        assert!(is_correct(&check_greenest(Zone::DenseTrees, &set(vec![10, 13])).unwrap()));
    }

    #[test]
    fn a_pattern_of_votes_counts_for_as_many_patches_as_it_says() {
        let votes = vote_patterns("\"X1\",\"X17\",\"Freq\"\n11,0,2\n5,6,1\n").unwrap();
        assert_eq!(votes.classes().codes(), ["1", "G"]);
        assert_eq!(votes.counts(), array![[11.0, 0.0], [11.0, 0.0], [5.0, 6.0]]);
        assert!(vote_patterns("X1,Freq\nx,1\n").unwrap_err().contains("'x' is not a count"));
        assert!(vote_patterns("X1\n1\n").unwrap_err().contains("Freq"));
        let table = agreement(&[("made up", &votes)]).to_string();
        let first = table.lines().nth(1).unwrap();
        assert_eq!(
            first.split_whitespace().collect::<Vec<_>>(),
            ["1", "compact", "high-rise", "2", "0.000", "100", "%"]
        );
    }

    #[test]
    fn real_votes_have_the_published_agreement() {
        let Some(votes) = real_votes().unwrap() else {
            eprintln!("skipped: LCZ_REAL_DATA is not set");
            return;
        };
        let entropy = votes.distributions().entropy();
        let n = entropy.len();
        assert_eq!(n, 162_369);
        assert!((entropy.iter().sum::<f64>() / n as f64 - 0.1448).abs() < 5e-5);
        let unanimous = entropy.iter().filter(|h| **h == 0.0).count() as f64 / n as f64;
        assert!((unanimous - 0.705).abs() < 5e-4, "{unanimous}");
    }
}
