//! The page beside the study's table and figures.

use std::fmt::Write as _;

use super::{LandcoverOutcome, LandcoverStudy, table};

/// Stem and what it shows.
const FIGURES: [(&str, &str); 8] = [
    ("scene", "the first city's scene, the mask of its classes, and which patches were left out why"),
    (
        "samples-efficientnet-b0, samples-plain",
        "test patches of the first city: input, truth, prediction, confidence",
    ),
    (
        "confusion-counts-own-…, confusion-log-own-…",
        "confusion on the first city's held-out patches, counts with linear and with logarithmic colours",
    ),
    ("confusion-counts-other-…, confusion-log-other-…", "the same on all of the second city"),
    ("learning-curves-…", "losses and accuracy by epoch"),
    (
        "map.tif, map.png",
        "the first city, mapped from overlapping tiles; `map-confidence.tif`: the highest probability",
    ),
    ("slovenia", "the real sample: each date held out, input, truth, prediction, confidence"),
    ("slovenia-confusion-counts, slovenia-confusion-log", "confusion on the last date held out"),
];

pub(super) fn text(study: &LandcoverStudy, outcome: &LandcoverOutcome) -> String {
    let mut text = format!(
        "# Land cover, pixel by pixel\n\nU-Nets on {0} × {0} patches cut from a scene with the mask of their classes; patches \
         without data or with more than 15 % of cloud and shadow (scene classes 3, 8, 9, 10) are left out. \
         At most {1} epochs of batches of {2}, learning rate {3}, turned and mirrored at random; the epoch with the lowest \
         validation loss is kept. Seed {4}, one run of each.\n\n",
        study.patch_size,
        study.training.epochs,
        study.training.batch_size,
        study.training.learning_rate,
        study.training.seed
    );
    of_cities(&mut text, study, outcome);
    of_map(&mut text, outcome);
    if !outcome.dates.is_empty() {
        of_dates(&mut text, study, outcome);
    }
    text.push_str("## Figures\n\nEach is an SVG, a PNG and a CSV of the numbers drawn.\n\n| figure | shows |\n|---|---|\n");
    for (stem, shows) in FIGURES {
        if stem.starts_with("slovenia") && outcome.dates.is_empty() {
            continue;
        }
        put(&mut text, format_args!("| `{}` | {shows} |\n", stem.replace(", ", "`, `")));
    }
    text.push_str(
        "\n`networks/` holds the networks with their histories (`lcz landcover map` takes them), `scenes/` the cities, `outcome.json` \
         all counts.\n",
    );
    text
}

fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = text.write_fmt(words);
}

fn of_cities(text: &mut String, study: &LandcoverStudy, outcome: &LandcoverOutcome) {
    put(
        text,
        format_args!(
            "## Two made-up cities\n\nScenes of {0} × {0} pixels of 10 m, {1:.0} % of the sky clouded, seeds {2} and {3}. \
             **They are synthetic**: the numbers show that all of it works, and how far a network gets on ground that it has \
             not seen; they say nothing about real cities. The classes are those of the polygons' Urban Atlas codes, grouped \
             (`scenes/codes.csv`): whole districts, so that a park inside a housing district counts as housing.\n\n\
             Each city is split by blocks of {4} × {4} patches: no pixel is in two parts. Held-out blocks lie beside blocks that \
             were learnt from and share their light and air; the other city has another day, sun and plan.\n\n",
            study.side,
            100.0 * study.clouds,
            study.cities[0],
            study.cities[1],
            study.block
        ),
    );
    text.push_str("| city | tiles | kept | no data | cloud | no label | training | validation | testing |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n");
    for city in &outcome.cities {
        let [all, kept, data, cloud, label] = city.tiles;
        let [training, validation, testing] = city.parts;
        put(
            text,
            format_args!(
                "| {} | {all} | {kept} | {data} | {cloud} | {label} | {training} | {validation} | {testing} |\n",
                city.city
            ),
        );
    }
    text.push_str(
        "\n![Scene, mask and patches](scene.png)\n\nAll pixels with a class count, but for those under a cloud. Mean IoU and macro F1 are over the classes \
         that truth or prediction holds. *Majority class*: the training patches' most frequent one. *Single pixels*: a \
         Gaussian for each class, on the ten bands of a pixel without its surroundings.\n\n",
    );
    text.push_str(&table::markdown(outcome));
    let networks: Vec<String> = outcome
        .scores
        .iter()
        .filter_map(|scores| {
            let (parameters, seconds) = (scores.parameters?, scores.seconds?);
            Some(format!(
                "{} on {}: {} parameters, trained in {seconds:.0} s",
                scores.model,
                scores.city,
                crate::display::grouped(parameters as u64)
            ))
        })
        .collect();
    put(text, format_args!("{}.\n\n![Test patches](samples-efficientnet-b0.png)\n\n", networks.join("; ")));
}

fn of_map(text: &mut String, outcome: &LandcoverOutcome) {
    let seams = &outcome.seams;
    put(
        text,
        format_args!(
            "## A map without seams\n\n![The map of the first city](map.png)\n\nA pixel's probabilities are the mean over the tiles \
             that cover it, half a tile from one to the next, weighted by a pyramid that is highest in a tile's middle. Neighbouring \
             pixels are of unlike classes this often (without seams the two columns are alike):\n\n\
             | map | where tiles end | elsewhere |\n|---|---:|---:|\n\
             | tiles side by side | {:.4} | {:.4} |\n| overlapping tiles | {:.4} | {:.4} |\n\n",
            seams.side_by_side_at_edges,
            seams.side_by_side_elsewhere,
            seams.overlapping_at_edges,
            seams.overlapping_elsewhere
        ),
    );
}

fn of_dates(text: &mut String, study: &LandcoverStudy, outcome: &LandcoverOutcome) {
    put(
        text,
        format_args!(
            "## Real ground on several dates\n\neo-learn's sample of Slovenia: 101 × 100 pixels of 10 m, Sentinel-2 L1C (13 bands), \
             five dates, one land-cover map; 0 there is no data and not counted. A network learns from all dates but one (\
             {} epochs, the last one's weights) and is tested on that one. **Learnt and tested ground are the same**: \
             this measures whether a network reads another day, not other ground, and a network could know the map by heart. The \
             lines *western ground learnt, eastern tested* hold out both: they learn from the western {} columns of the other \
             dates, and only the columns {} and further east count, some 3,200 pixels. Three quarters of the ground are forest, so look at the mean \
             IoU beside that of the majority class; classes of a few pixels (cultivated land has 11) are not learnt by anyone. Dates 0 and 1 are \
             under clouds, which the mean reflectance of blue light tells; the sample has no scene classes to leave them out by, and \
             no network sees through a cloud.\n\n![Dates held out](slovenia.png)\n\n",
            study.date_epochs,
            study.patch_size,
            study.patch_size + 4
        ),
    );
    text.push_str(&table::of_dates(outcome));
    text.push('\n');
}
