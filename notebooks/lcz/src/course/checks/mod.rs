//! Checks of the exercises: each takes an answer and prints `correct`, or a hint to the likely
//! mistake. A check computes the right answer itself.

mod data;
mod distributions;
mod eurosat;
mod forest;
mod guided;
mod networks;
mod open;
mod segmentation;
mod trust;
mod votes;
mod welcome;

use std::fmt;

use crate::display::escaped;
use crate::show::{EvcxrDisplay, show};

pub use data::{check_entropy, check_greenest, check_ndwi};
pub use distributions::{check_cross_entropy, check_gradient, check_smoothing};
pub use eurosat::{check_colours, check_ten_classes};
pub use forest::{check_gini, check_hardest, check_kappa};
pub use guided::{check_strata, check_weiszfeld_step};
pub use networks::{check_dense_parameters, check_output_size, check_softmax};
pub use open::{check_disagreement, check_leak, check_margin};
pub use segmentation::{check_clouded, check_energy, check_iou};
pub use trust::{check_rank, check_temperature, check_worst_gap};
pub use votes::{check_distribution, check_lowest_loss, check_most_divided};
pub use welcome::{check_column_mean, check_share_above};

/// The verdict of a check on an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The answer is right; the text is a remark.
    Correct(String),
    /// It is not; the text is a hint.
    NotYet(String),
}

impl Verdict {
    fn of(is_right: bool, lesson: &str, hint: impl Into<String>) -> Self {
        if is_right { Self::Correct(lesson.to_owned()) } else { Self::NotYet(hint.into()) }
    }
}

impl EvcxrDisplay for Verdict {
    fn evcxr_display(&self) {
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

/// Whether two lists of numbers are the same but for rounding.
fn close_to(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9)
}

/// Assertions on verdicts for the tests of checks.
#[cfg(test)]
mod testing {
    use super::Verdict;

    pub fn is_correct(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Correct(_)) && verdict.to_string().starts_with("correct: ")
    }

    /// The answer is wrong, and the hint has these words.
    pub fn hint(verdict: Verdict, part: &str) {
        let text = verdict.to_string();
        assert!(text.starts_with("not yet") && text.contains(part) && !text.contains("correct"), "{text}");
    }
}
