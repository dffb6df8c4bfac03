//! The tables and the README of the study.

use std::path::Path;

use super::{CityScores, CoverClass, CoverScores, LandcoverOutcome, LandcoverStudy};
use crate::Result;
use crate::display::{Cell, Table, cells, grouped};
use crate::files::write_whole;
use crate::studies::report::Readme;

/// Stem and what it shows.
const FIGURES: [[&str; 2]; 8] = [
    ["scene", "the first city's scene, the mask of its classes, and which patches were left out why"],
    ["samples-…", "test patches of the first city: input, truth, prediction, confidence"],
    ["confusion-counts-own-…, confusion-log-own-…", "confusion on the first city's held-out patches"],
    ["confusion-counts-other-…, confusion-log-other-…", "the same on all of the second city"],
    ["learning-curves-…", "losses and accuracy by epoch"],
    ["map.tif, map.png", "map of the first city; map-confidence.tif: the highest probability"],
    ["slovenia", "the real sample: each date held out, input, truth, prediction, confidence"],
    ["slovenia-confusion-counts, slovenia-confusion-log", "confusion on the last date held out"],
];

pub(super) fn write(study: &LandcoverStudy, outcome: &LandcoverOutcome, out: &Path) -> Result<()> {
    let tables: Vec<String> = of_cities(outcome).iter().map(Table::markdown).collect();
    write_whole(&out.join("table.md"), tables.join("\n").as_bytes())?;
    values(outcome).write(&out.join("table.csv"))?;
    readme(study, outcome).write(out)
}

/// Three decimals; a dash for nothing, or for a number that is not finite.
fn number(value: Option<f64>) -> Cell {
    value.filter(|value| value.is_finite()).map_or_else(|| "–".into(), |value| format!("{value:.3}").into())
}

/// A header, and rows of first cells and scores.
fn scores_table<'a>(first: &[&str], rows: impl IntoIterator<Item = (Vec<Cell>, &'a CoverScores)>) -> Table {
    let mut table = Table::new([first, &["pixels", "OA ↑", "mean IoU ↑", "macro F1 ↑", "kappa ↑"]].concat());
    for (mut row, scores) in rows {
        row.push(grouped(scores.pixels).into());
        let CoverScores { overall_accuracy, mean_iou, macro_f1, kappa, .. } = scores;
        row.extend([overall_accuracy, mean_iou, macro_f1, kappa].map(|value| number(Some(*value))));
        table.row(row);
    }
    table
}

/// A header with the classes, and rows of first cells and a measure of each class.
fn classes_table<'a>(
    first: &[&str],
    rows: impl IntoIterator<Item = (Vec<Cell>, &'a CoverScores)>,
    measure: impl Fn(&CoverClass) -> Option<f64>,
) -> Table {
    let mut rows = rows.into_iter().peekable();
    let classes = rows.peek().map(|(_, scores)| &scores.classes[..]).unwrap_or_default();
    let header = first.iter().copied().chain(classes.iter().map(|class| class.name.as_str()));
    let mut table = Table::new(header);
    for (row, scores) in rows {
        table.row(row.into_iter().chain(scores.classes.iter().map(|class| number(measure(class)))));
    }
    table
}

const FIRST: [&str; 3] = ["trained on", "model", "tested on"];

fn city_rows(outcome: &LandcoverOutcome) -> impl Iterator<Item = (Vec<Cell>, &CoverScores)> {
    outcome.scores.iter().flat_map(|scores| {
        let row = |test: &CoverScores| cells![&scores.city, &scores.model, &test.test].to_vec();
        scores.tests.iter().map(move |test| (row(test), test))
    })
}

/// The scores of each date with the model, and the words for what it was trained on.
fn date_rows(outcome: &LandcoverOutcome) -> impl Iterator<Item = (usize, &str, &str, &CoverScores)> {
    outcome.dates.iter().enumerate().flat_map(|(n, date)| {
        const ALL: &str = "Slovenia, other dates";
        let networks = [
            (n, ALL, "U-Net", &date.network),
            (n, "Slovenia, other dates, western ground", "U-Net", &date.elsewhere),
        ];
        let baselines = date.baselines.iter().map(move |(model, scores)| (n, ALL, model.as_str(), scores));
        networks.into_iter().chain(baselines)
    })
}

/// All models on all tests.
pub(super) fn scores(outcome: &LandcoverOutcome) -> Table {
    let dates = date_rows(outcome);
    let dates = dates.map(|(_, from, model, scores)| (cells![from, model, &scores.test].to_vec(), scores));
    scores_table(&FIRST, city_rows(outcome).chain(dates))
}

/// Those of the cities, with IoU and F1 of each class.
fn of_cities(outcome: &LandcoverOutcome) -> [Table; 3] {
    [
        scores_table(&FIRST, city_rows(outcome)),
        classes_table(&FIRST, city_rows(outcome), |class| class.iou).captioned("IoU of each class:"),
        classes_table(&FIRST, city_rows(outcome), |class| class.f1).captioned("F1 of each class:"),
    ]
}

/// For machines.
fn values(outcome: &LandcoverOutcome) -> Table {
    let mut table = Table::new(["trained_on", "model", "tested_on", "class", "measure", "value"])
        .captioned(format!("data: {}", outcome.provenance));
    let mut put = |from: &str, model: &str, scores: &CoverScores| {
        for (measure, value) in [
            ("OA", scores.overall_accuracy),
            ("mean_IoU", scores.mean_iou),
            ("macro_F1", scores.macro_f1),
            ("kappa", scores.kappa),
        ] {
            table.row(cells![from, model, &scores.test, "", measure, value]);
        }
        for class in &scores.classes {
            for (measure, value) in [("IoU", class.iou), ("F1", class.f1)] {
                table.row(cells![from, model, &scores.test, &class.name, measure, value]);
            }
        }
    };
    for scores in &outcome.scores {
        scores.tests.iter().for_each(|test| put(&scores.city, &scores.model, test));
    }
    date_rows(outcome).for_each(|(_, from, model, scores)| put(from, model, scores));
    table
}

fn readme(study: &LandcoverStudy, outcome: &LandcoverOutcome) -> Readme {
    let mut readme = Readme::new("Land cover of each pixel", "");
    let training = &study.training;
    readme.text(format!(
        "U-Nets on {0} × {0} patches cut from a scene with the mask of their classes; patches without data or with more than \
         15 % of cloud and shadow (scene classes 3, 8, 9, 10) are left out. At most {1} epochs of batches of {2}, learning \
         rate {3}, random flips and turns; the epoch with the lowest validation loss is kept. Random seed {4}, one run of \
         each.",
        study.patch_size, training.epochs, training.batch_size, training.learning_rate, training.seed
    ));
    city_section(&mut readme, study, outcome);
    map_section(&mut readme, outcome);
    if !outcome.dates.is_empty() {
        date_section(&mut readme, study, outcome);
    }
    readme.section("Figures");
    readme.text(
        "Each is an SVG, a PNG and a CSV of the numbers drawn; counts have linear or logarithmic colours.",
    );
    let mut figures = Table::new(["figure", "shows"]);
    let drawn = |[stem, _]: &[&str; 2]| !outcome.dates.is_empty() || !stem.starts_with("slovenia");
    for row in FIGURES.into_iter().filter(drawn) {
        figures.row(row);
    }
    readme.table(&figures);
    readme.text(
        "`networks/` holds the networks with their histories, `scenes/` the cities, `outcome.json` all counts.",
    );
    readme
}

fn city_section(readme: &mut Readme, study: &LandcoverStudy, outcome: &LandcoverOutcome) {
    readme.section("Two synthetic cities");
    readme.text(format!(
        "Scenes of {0} × {0} pixels of 10 m, {1:.0} % of the sky clouded, random seeds {2} and {3}. **They are synthetic**: \
         the numbers show that the study runs, and how well a network transfers to ground that it has not seen; they do not \
         describe real cities. The classes are those of the polygons' Urban Atlas codes, grouped (`scenes/codes.csv`): whole \
         districts, so that a park inside a housing district counts as housing.",
        study.side,
        100.0 * study.clouds,
        study.cities[0],
        study.cities[1],
    ));
    readme.text(format!(
        "Each city is split by blocks of {0} × {0} patches: no pixel is in two parts. Held-out blocks lie next to training \
         blocks and share their light and air; the other city has another day, sun and plan.",
        study.block
    ));
    let columns = "city,tiles,kept,no data,cloud,no label,training,validation,testing";
    let mut table = Table::new(columns.split(','));
    for city in &outcome.cities {
        let counts = city.tiles.iter().chain(&city.parts).map(|&count| Cell::from(count));
        table.row([Cell::from(&city.city)].into_iter().chain(counts));
    }
    readme.table(&table);
    readme.figure("Scene, mask and patches", "scene");
    readme.text(
        "All pixels with a class count, except those under a cloud. Mean IoU and macro F1 are over the classes that truth or \
         prediction contains. *Majority class*: the most frequent one of the training patches. *Single pixels*: a Gaussian \
         per class, on the ten bands of a pixel without its surroundings.",
    );
    for table in &of_cities(outcome) {
        readme.table(table);
    }
    let networks = outcome.scores.iter().filter_map(|scores| {
        let (parameters, seconds) = (grouped(scores.parameters? as u64), scores.seconds?);
        let CityScores { model, city, .. } = scores;
        Some(format!("{model} on {city}: {parameters} parameters, trained in {seconds:.0} s"))
    });
    readme.text(format!("{}.", networks.collect::<Vec<_>>().join("; ")));
    readme.figure("Test patches", "samples-efficientnet-b0");
}

fn map_section(readme: &mut Readme, outcome: &LandcoverOutcome) {
    readme.section("A map without seams");
    readme.figure("The map of the first city", "map");
    readme.text(
        "The probabilities of a pixel are the mean over the tiles that cover it, with a stride of half a tile, weighted by a \
         pyramid that is highest in the middle of a tile. The share of neighbouring pixels with different classes (equal in \
         both columns if there are no seams):",
    );
    let seams = &outcome.seams;
    let mut table = Table::new(["map", "where tiles end", "elsewhere"]);
    for (name, at_edges, elsewhere) in [
        ("tiles side by side", seams.side_by_side_at_edges, seams.side_by_side_elsewhere),
        ("overlapping tiles", seams.overlapping_at_edges, seams.overlapping_elsewhere),
    ] {
        table.row([name.to_owned(), format!("{at_edges:.4}"), format!("{elsewhere:.4}")]);
    }
    readme.table(&table);
}

fn date_section(readme: &mut Readme, study: &LandcoverStudy, outcome: &LandcoverOutcome) {
    readme.section("One place on several dates");
    readme.text(format!(
        "eo-learn's sample of Slovenia: 101 × 100 pixels of 10 m, Sentinel-2 L1C (13 bands), five dates, one land-cover map; \
         0 means no data and is not counted. A network is trained on all dates but one ({} epochs, the last one's weights) and \
         tested on that one. **Training and test ground are the same**: this measures transfer to another day, not to other \
         ground, and a network could memorise the map. The rows with *western ground* hold out both: these networks are \
         trained on the western {} columns of the other dates, and only the columns {} and further east count, some 3,200 \
         pixels. Three quarters of the ground are forest, so compare the mean IoU with that of the majority class; classes of \
         a few pixels (cultivated land has 11) are not recognised. Dates 0 and 1 are under clouds, as the mean reflectance of \
         blue light shows; the sample has no scene classes to mask them.",
        study.date_epochs,
        study.patch_size,
        study.patch_size + 4
    ));
    readme.figure("Dates held out", "slovenia");
    let first = ["date held out", "mean blue", "trained on", "model"];
    let rows = date_rows(outcome).map(|(n, from, model, scores)| {
        let date = &outcome.dates[n];
        (cells![date.date, format!("{:.2}", date.blue), from, model].to_vec(), scores)
    });
    readme.table(&scores_table(&first, rows));
    let rows = outcome.dates.iter().map(|date| (cells![date.date].to_vec(), &date.network));
    let caption = "IoU of each class, U-Net on all ground:";
    readme.table(&classes_table(&["date held out"], rows, |class| class.iou).captioned(caption));
}
