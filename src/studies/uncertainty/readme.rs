//! What a study's folder says of itself.

use std::fmt::Write as _;

use super::effects::Effect;
use super::preparation::Stored;
use super::{TestOutcome, UncertaintyOutcome};
use crate::Zone;
use crate::models::Architecture;
use crate::scorecard::Interval;

pub(super) fn text(stored: &Stored, outcome: &UncertaintyOutcome) -> String {
    let study = &stored.study;
    let training = &study.config.training;
    let network = if let Architecture::Sen2lcz(settings) = &study.config.model {
        format!("Sen2LCZ of width {}", settings.width)
    } else {
        study.config.model.name().to_owned()
    };
    let mut text = format!(
        "# Does it help to learn from uncertain patches?\n\n\
         Data: {}{}. Network: {network}, at most {} epochs (patience {}), batches of {}, {} runs of each \
         subset. {} Runs differ by their order, their \
         dropout and, of random subsets, the patches. A subset below {} % is gone through several times an epoch, so that \
         it takes no fewer steps than the largest one.\n\n",
        outcome.provenance,
        left_out(&study.config.data.without),
        training.epochs,
        training.patience,
        training.batch_size,
        study.runs,
        if stored.from_elsewhere {
            "The features are those of a network that was trained elsewhere; every run starts from the same random weights."
        } else {
            "Every run starts from the weights that the extractor started with."
        },
        study.shares.iter().copied().fold(0.0, f64::max)
    );
    let synthetic = outcome.provenance.starts_with("synthetic");
    if synthetic {
        text.push_str("**The data are synthetic**: the numbers show that the study runs, not how real cities come out.\n\n");
    }
    let reading = if study.equal_counts { "as many of each class" } else { "the same share of each class" };
    let _ = writeln!(
        text,
        "R: drawn at random. UT: the patches farthest from the geometric median of their class. UTS: the same, {reading}. CT, \
         CTS: the nearest ones. Mean ± standard deviation over runs; the best mean of each size in bold.\n"
    );
    let plane = outcome.plane;
    let _ = writeln!(
        text,
        "## Where the patches lie\n\n![Features on a plane](features.png)\n\n\
         t-SNE of the features of {} training patches (perplexity {}): exact KL divergence {:.3} nats, trustworthiness {:.3} \
         of {} neighbours. `extractor/plane.csv` has each patch's place and distance.\n",
        plane.patches, plane.perplexity, plane.kl_loss, plane.trustworthiness, plane.neighbours
    );
    for test in &outcome.tests {
        part(&mut text, test);
    }
    text.push_str(
        "`extractor/` holds the network and each patch's distance; `runs/` what each run has learnt from, its history and its \
         predictions, which `lcz score` reads.\n",
    );
    text
}

/// The zones that are left out, if any are.
fn left_out(zones: &[String]) -> String {
    let name =
        |zone: &String| zone.parse().map_or_else(|_| zone.clone(), |zone: Zone| zone.name().to_owned());
    let names: Vec<String> = zones.iter().map(name).collect();
    if names.is_empty() { String::new() } else { format!(", without {}", names.join(", ")) }
}

fn part(text: &mut String, test: &TestOutcome) {
    let (title, suffix) = if test.name == super::grid::TESTS[0] {
        ("On the held-out half of the validation set (the paper's test set)", "")
    } else {
        ("On the data's own test set", "-testing")
    };
    // Writing to a string does not fail, here and below.
    let _ = writeln!(
        text,
        "## {title}\n\n{} patches; `table{suffix}.csv`, `table{suffix}.tex`, `learning-curves{suffix}`.\n\n{}\n\
         ![Learning curves](learning-curves{suffix}.png)\n\n\
         ### Uncertain or certain?\n\n\
         The first less the second, with 95 % intervals from drawing test patches (whole cities or regions, where known) \
         and runs anew. Of so many intervals, one in twenty misses by chance. Few runs: the intervals are, if anything, too short.\n\n\
         | size | compared | overall accuracy | cross-entropy | better |\n|---:|---|---|---|---|",
        test.patches, test.table
    );
    for effect in &test.effects {
        let number = |value: f64, Interval { lower, upper, .. }: Interval| {
            format!("{value:+.3} ({lower:+.3} to {upper:+.3})")
        };
        let _ = writeln!(
            text,
            "| {} % | {} − {} | {} | {} | {} |",
            effect.share,
            effect.of.code(),
            effect.less.code(),
            number(effect.accuracy, effect.accuracy_interval),
            number(effect.cross_entropy, effect.cross_entropy_interval),
            verdict(effect)
        );
    }
    text.push('\n');
}

/// Which of the two is better, where an interval leaves zero out.
fn verdict(effect: &Effect) -> String {
    let better = |Interval { lower, upper, .. }: Interval| {
        if lower > 0.0 {
            Some(effect.of)
        } else if upper < 0.0 {
            Some(effect.less)
        } else {
            None
        }
    };
    let accuracy = better(effect.accuracy_interval);
    // A lower cross-entropy is better.
    let Interval { lower, upper, method } = effect.cross_entropy_interval;
    let cross_entropy = better(Interval { lower: -upper, upper: -lower, method });
    match (accuracy, cross_entropy) {
        (None, None) => "undecided".to_owned(),
        (Some(a), Some(b)) if a == b => a.code().to_owned(),
        (Some(a), Some(b)) => format!("{} in accuracy, {} in cross-entropy", a.code(), b.code()),
        (Some(a), None) => format!("{} in accuracy", a.code()),
        (None, Some(b)) => format!("{} in cross-entropy", b.code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_named_and_nothing_is_where_nothing_is() {
        let of = |zones: &[&str]| left_out(&zones.iter().map(|zone| (*zone).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&[]), "");
        assert_eq!(of(&["G"]), ", without water");
        assert_eq!(of(&["7", "G"]), ", without lightweight low-rise, water");
    }
}
