//! Fig. 1: the features of the training patches on a plane, panel by panel those that lie nearest to their class's
//! geometric median.

use std::path::Path;

use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::display::{Table, cells};
use crate::embedding::TSne;
use crate::figures::{self, Caption, Figure, PlanePanel};
use crate::files::{csv_rows, read_text};
use crate::uncertainty::{Percent, Uncertainty};
use crate::{Classes, Error, Features, Labels, Progress, Result};

/// Patches that are placed, at most: as many as can be seen.
const MOST: usize = 5000;
/// Neighbours that trustworthiness looks at.
const NEIGHBOURS: usize = 12;
/// Panels: the share of the patches that is kept, in per cent.
const KEPT: [f64; 4] = [100.0, 75.0, 50.0, 25.0];
const FILE: &str = "plane.csv";

/// The features of training patches on a plane.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlaneFit {
    /// Patches placed: the training patches, or 5,000 of them at random.
    pub patches: usize,
    /// t-SNE's perplexity: 30, or less of few patches.
    pub perplexity: f64,
    /// KL(P‖Q) in nats, over all pairs.
    pub kl_loss: f64,
    /// Of twelve neighbours, or fewer of few patches.
    pub trustworthiness: f64,
    /// How many neighbours.
    pub neighbours: usize,
}

/// Places the patches and writes their positions next to the extractor.
pub(super) fn place(
    (features, labels, distances): (&Features, &Labels, &Uncertainty),
    seed: u64,
    folder: &Path,
    progress: &mut dyn Progress,
) -> Result<PlaneFit> {
    let all = labels.len();
    let mut chosen: Vec<usize> = if all > MOST {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        rand::seq::index::sample(&mut random, all, MOST).into_vec()
    } else {
        (0..all).collect()
    };
    chosen.sort_unstable();
    let h = Features::new(features.view().select(ndarray::Axis(0), &chosen));
    let perplexity = (((chosen.len() - 1) / 3) as f64).min(30.0);
    let plane = TSne { perplexity, seed, ..TSne::default() }.embed(&h, progress)?;
    let neighbours = NEIGHBOURS.min((chosen.len() - 1) / 2);
    let mut table = Table::new(["sample", "class", "x", "y", "distance"]);
    for (&n, y) in chosen.iter().zip(plane.positions().outer_iter()) {
        let class = labels.classes().code(labels.indices()[n]);
        table.row(cells![n, class, y[0], y[1], distances.values()[n]]);
    }
    table.write(&folder.join(FILE))?;
    Ok(PlaneFit {
        patches: chosen.len(),
        perplexity,
        kl_loss: plane.kl_loss(&h)?,
        trustworthiness: plane.trustworthiness_score(&h, neighbours)?,
        neighbours,
    })
}

/// The figure of what [`place`] has written.
pub(super) fn draw(fit: PlaneFit, extractor: &Path, classes: &Classes, provenance: &str) -> Result<Figure> {
    let (positions, labels, distances) = read(&extractor.join(FILE), classes)?;
    let panel = |kept: f64| -> Result<PlanePanel> {
        let nearest = distances.most_certain(Percent::new(kept)?).overall();
        let mut shown = vec![false; distances.values().len()];
        nearest.positions().iter().for_each(|&n| shown[n] = true);
        let farthest = nearest.positions().iter().map(|&n| distances.values()[n]).fold(0.0, f64::max);
        let title = if nearest.len() == shown.len() {
            "all".to_owned()
        } else {
            format!("distance up to {farthest:.3}: {kept} %")
        };
        Ok(PlanePanel { title, shown })
    };
    let panels = KEPT.into_iter().map(panel).collect::<Result<Vec<_>>>()?;
    let caption = Caption::new(
        "Features of training patches, by their distance from the geometric median of their class",
        format!("{provenance}, training patches, n = {}", fit.patches),
    );
    let notes = format!(
        "t-SNE of perplexity {}: exact KL divergence {:.3} nats, trustworthiness {:.3} ({} neighbours). Grey: patches beyond \
         the distance.",
        fit.perplexity, fit.kl_loss, fit.trustworthiness, fit.neighbours
    );
    figures::plane(positions.view(), &labels, &panels, &notes, &caption)
}

fn read(path: &Path, classes: &Classes) -> Result<(Array2<f32>, Labels, Uncertainty)> {
    let (mut positions, mut indices, mut distances) = (Vec::new(), Vec::new(), Vec::new());
    for (line, fields) in csv_rows(&read_text(path)?, path)?.iter().skip(1) {
        let bad = || {
            let advice = "remove its folder, and repeat the study";
            Error::file(path, format!("line {line}: not a placed patch"), advice)
        };
        let fields: Vec<&str> = fields.iter().collect();
        let &[_, class, x, y, distance] = &fields[..] else { return Err(bad()) };
        let class = classes.codes().iter().position(|code| code == class);
        indices.push(class.ok_or_else(bad)?);
        for number in [x, y] {
            positions.push(number.parse().map_err(|_| bad())?);
        }
        distances.push(distance.parse().map_err(|_| bad())?);
    }
    let positions =
        Array2::from_shape_vec((indices.len(), 2), positions).map_err(Error::internal("reading a plane"))?;
    Ok((positions, Labels::new(classes.clone(), indices)?, Uncertainty::new(distances)?))
}
