//! Training, validation and testing, and how much goes to each.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::{Error, Result};

/// What a patch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// To fit a model.
    Training,
    /// To stop training and to choose among models.
    Validation,
    /// To judge the chosen model.
    Testing,
}

impl Part {
    /// The three, in the order of their indices.
    pub const ALL: [Self; 3] = [Self::Training, Self::Validation, Self::Testing];

    /// The file's name without its ending: `training`, `validation`, `testing`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Validation => "validation",
            Self::Testing => "testing",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much of each class goes to training, validation and testing, in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares([f64; 3]);

impl Shares {
    /// Percentages of training, validation and test pixels.
    ///
    /// # Errors
    /// One that is negative or not a number, none for training, or a sum that is not 100.
    pub fn new(training: f64, validation: f64, testing: f64) -> Result<Self> {
        let shares = Self([training, validation, testing]);
        let place = || format!("split {shares}");
        let advice = "give training/validation/testing in percent, such as 60/15/25";
        if shares.0.iter().any(|share| !share.is_finite() || *share < 0.0) {
            return Err(Error::input(place(), "a share is negative or not a number", advice));
        }
        let sum: f64 = shares.0.iter().sum();
        if (sum - 100.0).abs() > 1e-6 {
            return Err(Error::input(place(), format!("the shares sum to {sum}, not 100"), advice));
        }
        if training == 0.0 {
            return Err(Error::input(place(), "nothing is left for training", advice));
        }
        Ok(shares)
    }

    /// The percentage of a part.
    pub fn of(&self, part: Part) -> f64 {
        self.0[part as usize]
    }
}

impl Default for Shares {
    fn default() -> Self {
        Self([60.0, 15.0, 25.0])
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.0[0], self.0[1], self.0[2])
    }
}

impl FromStr for Shares {
    type Err = Error;

    /// `60/15/25`
    fn from_str(text: &str) -> Result<Self> {
        let numbers: Vec<f64> = text.split('/').filter_map(|number| number.trim().parse().ok()).collect();
        match numbers[..] {
            [training, validation, testing] if text.split('/').count() == 3 => {
                Self::new(training, validation, testing)
            }
            _ => Err(Error::input(
                format!("split '{text}'"),
                "not three numbers with slashes between them",
                "give training/validation/testing in percent, such as 60/15/25",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_must_sum_to_100() {
        assert_eq!("60/15/25".parse::<Shares>().unwrap(), Shares::default());
        assert_eq!("75 / 0 / 25".parse::<Shares>().unwrap().to_string(), "75/0/25");
        let refused = |text: &str| text.parse::<Shares>().unwrap_err().to_string();
        assert!(refused("60/20/25").starts_with("split 60/20/25: the shares sum to 105, not 100; "));
        assert!(refused("120/-20/0").contains("a share is negative"));
        assert!(refused("nan/0/100").contains("not a number"));
        assert!(refused("0/50/50").contains("nothing is left for training"));
        for text in ["", "60/40", "a/b/c", "60/15/25/0", "60/15/25/"] {
            assert!(refused(text).contains("not three numbers"), "{text}");
        }
    }
}
