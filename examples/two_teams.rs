//! How far two teams agree on the zones of one city: the ceiling of what a map can be scored.
//!
//!     cargo run --release --example two_teams -- FOLDER OUT
//!
//! FOLDER holds `hongkong/hong_kong_lcz_GT.tif` (IEEE GRSS Data Fusion Contest 2017) and `china/hongkong/hk_train.shp` and `hk_test.shp` (Liu
//! & Shi 2020). OUT gets the confusion matrix as a figure. `figures/two-teams.sh` adds forests and networks.

use std::path::PathBuf;

use lcz::figures::{Caption, Cells, confusion_matrix};
use lcz::mapping::{Assessing, assess};
use lcz::metrics::ConfusionMatrix;
use lcz::progress::Silent;
use lcz::{Classes, ndarray::Array2};

fn main() -> lcz::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(folder), Some(out)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: two_teams FOLDER OUT");
        std::process::exit(2);
    };
    let contest = folder.join("hongkong/hong_kong_lcz_GT.tif");
    let mut counts = Array2::zeros((17, 17));
    for part in ["train", "test"] {
        let polygons = folder.join(format!("china/hongkong/hk_{part}.shp"));
        // Rows: Liu & Shi; columns: the contest.
        counts += &assess(&contest, polygons, &Assessing::default(), &mut Silent)?.confusion.counts();
    }
    let confusion = ConfusionMatrix::from_counts(Classes::lcz(), counts)?;
    println!(
        "the same class on {:.1} % of the pixels that both have labelled",
        100.0 * confusion.overall_accuracy_score()
    );
    let data =
        "real: Liu & Shi 2020 (rows) and IEEE GRSS Data Fusion Contest 2017 (columns), Hong Kong, 484 pixels";
    let caption = Caption::new("Two teams' labels of one city", data);
    confusion_matrix(&confusion, Cells::Counts, &caption)?.save(out, "two-teams")
}
