//! What runs that differ by their seeds come to: a mean and how far they lie apart.

/// Mean and, of two values or more, their sample standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    pub mean: f64,
    pub deviation: Option<f64>,
}

impl Summary {
    pub fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self { mean, deviation: (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt()) }
    }

    /// For a table, with the sign for "plus or minus" that its format has.
    pub fn text(self, sign: &str) -> String {
        match self.deviation {
            Some(deviation) => format!("{:.3} {sign} {deviation:.3}", self.mean),
            None => format!("{:.3}", self.mean),
        }
    }

    /// The deviation for a CSV: empty where there is none.
    pub fn deviation_field(self) -> String {
        self.deviation.map_or_else(String::new, |deviation| deviation.to_string())
    }
}
