//! Predictions as text: the three forms of [`read`](super::read).

use std::collections::HashMap;
use std::path::Path;

use ::csv::StringRecord;
use ndarray::Array2;

use super::{Predictions, Stated};
use crate::files::{csv_rows, read_bytes};
use crate::{Classes, Error, Labels, Probabilities, Result};

/// How far a row of probabilities may sum from 1.
const ROUNDING: f64 = 1e-4;

const FORMS: &str =
    "write true,pred or true_label,pred_label,confidence or label,p_1,…,p_K as the first line";

/// A file's lines, each with its number and as many fields as the header.
struct Lines<'a> {
    path: &'a Path,
    header: StringRecord,
    rows: Vec<(usize, StringRecord)>,
}

pub(super) fn read(path: &Path, classes: Option<&Classes>) -> Result<Predictions> {
    let text = String::from_utf8(read_bytes(path)?).map_err(|_| {
        Error::file(path, "neither HDF5 nor text", "give what `lcz predict` writes, or a CSV")
    })?;
    let lines = Lines::of(path, &text)?;
    match &lines.header.iter().collect::<Vec<_>>()[..] {
        ["true", "pred"] => lines.classes_alone(classes),
        ["true_label", "pred_label", "confidence"] => lines.confidences(classes),
        ["label", columns @ ..] if !columns.is_empty() => lines.probabilities(columns, classes),
        columns => Err(lines.error(1, format!("header '{}'", columns.join(",")), FORMS)),
    }
}

impl<'a> Lines<'a> {
    fn of(path: &'a Path, text: &str) -> Result<Self> {
        let mut rows = csv_rows(text, path)?;
        if rows.is_empty() {
            return Err(Error::file(path, "an empty file", FORMS));
        }
        let lines = Self { path, header: rows.remove(0).1, rows };
        if lines.rows.is_empty() {
            return Err(Error::file(path, "no line below the header", "give one line a sample"));
        }
        let wanted = lines.header.len();
        if let Some((number, fields)) = lines.rows.iter().find(|(_, fields)| fields.len() != wanted) {
            let problem = format!("{} fields, the header has {wanted}", fields.len());
            return Err(lines.error(*number, problem, "give each line one field a column"));
        }
        Ok(lines)
    }

    fn error(&self, line: usize, problem: impl Into<String>, advice: impl Into<String>) -> Error {
        Error::input(format!("{}, line {line}", self.path.display()), problem, advice)
    }

    fn stated(predicted: Stated, labels: Labels) -> Predictions {
        let provenance = crate::provenance::UNKNOWN.to_owned();
        Predictions {
            predicted,
            labels,
            votes: None,
            distributions: None,
            groups: None,
            provenance,
            temperature: None,
        }
    }

    /// `true,pred`: numbers or codes of zones, unless other classes are given.
    fn classes_alone(&self, classes: Option<&Classes>) -> Result<Predictions> {
        let lcz = Classes::lcz();
        let classes = classes.unwrap_or(&lcz);
        let labels = self.column(0, classes)?;
        Ok(Self::stated(Stated::Classes(self.column(1, classes)?), labels))
    }

    /// `true_label,pred_label,confidence`: any names, unless classes are given.
    fn confidences(&self, classes: Option<&Classes>) -> Result<Predictions> {
        let named;
        let classes = if let Some(classes) = classes {
            classes
        } else {
            let mut names: Vec<&str> = self.rows.iter().flat_map(|(_, row)| [&row[0], &row[1]]).collect();
            // Numbers by size, other names by letter.
            names.sort_by_key(|name| (name.parse::<i64>().unwrap_or(i64::MAX), *name));
            names.dedup();
            if let Some((line, _)) = self.rows.iter().find(|(_, row)| row[0].is_empty() || row[1].is_empty())
            {
                return Err(self.error(*line, "a label is missing", "give a true and a predicted class"));
            }
            named = Classes::named(names).map_err(|e| e.within(self.path))?;
            &named
        };
        let labels = self.column(0, classes)?;
        let predicted = self.column(1, classes)?;
        let confidence = |(line, row): &(usize, StringRecord)| self.share(*line, "confidence", &row[2]);
        let confidence = self.rows.iter().map(confidence).collect::<Result<_>>()?;
        Ok(Self::stated(Stated::Confidences(predicted, confidence), labels))
    }

    /// `label,p_1,…,p_K`: the columns name the classes; `p_1` to `p_17` are the zones.
    fn probabilities(&self, columns: &[&str], classes: Option<&Classes>) -> Result<Predictions> {
        let mut names = Vec::with_capacity(columns.len());
        for column in columns {
            match column.strip_prefix("p_") {
                Some(name) if !name.is_empty() => names.push(name),
                _ => return Err(self.error(1, format!("column '{column}'"), FORMS)),
            }
        }
        Classes::of_columns(names.len()).map_err(|e| e.within(self.path))?;
        let counted = names.iter().zip(1..).all(|(name, k): (_, usize)| name.parse() == Ok(k));
        let classes = match classes {
            Some(classes) if classes.len() == names.len() => classes.clone(),
            Some(classes) => {
                let problem =
                    format!("{} columns of probabilities for {} classes", names.len(), classes.len());
                return Err(self.error(1, problem, "give one column a class"));
            }
            None if counted && matches!(names.len(), 10 | 17) => Classes::of_count(names.len()),
            None => Classes::named(names.iter().copied())
                .map_err(|_| self.error(1, "two columns of one name", "give each class one column"))?,
        };
        let labels = self.column(0, &classes)?;
        let mut p = Array2::zeros((self.rows.len(), classes.len()));
        for ((line, row), mut out) in self.rows.iter().zip(p.outer_iter_mut()) {
            for ((field, column), p) in row.iter().skip(1).zip(columns).zip(&mut out) {
                *p = self.share(*line, column, field)?;
            }
            let total = out.sum();
            if (total - 1.0).abs() > ROUNDING {
                let problem = format!("probabilities that sum to {total:.6}");
                return Err(self.error(*line, problem, "give a softmax's output, whose rows sum to 1"));
            }
        }
        Ok(Self::stated(Stated::Probabilities(Probabilities::new(classes, p)?), labels))
    }

    /// A number from 0 to 1.
    fn share(&self, line: usize, column: &str, field: &str) -> Result<f64> {
        match field.parse::<f64>() {
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
            _ => Err(self.error(line, format!("{column} is '{field}'"), "give a number from 0 to 1")),
        }
    }

    /// A column of classes, given by code, by name, or by number from 1 where all classes are zones.
    fn column(&self, column: usize, classes: &Classes) -> Result<Labels> {
        let mut known: HashMap<String, usize> = HashMap::new();
        for k in 0..classes.len() {
            known.insert(classes.code(k).to_owned(), k);
            if let Some(zone) = classes.zone(k) {
                known.entry(zone.number().to_string()).or_insert(k);
            }
        }
        let index = |(line, row): &(usize, StringRecord)| {
            known.get(&row[column]).copied().ok_or_else(|| {
                let problem = format!("{} is '{}', none of {classes}", &self.header[column], &row[column]);
                self.error(*line, problem, "correct it, or name the classes with --classes")
            })
        };
        Labels::new(classes.clone(), self.rows.iter().map(index).collect::<Result<_>>()?)
    }
}
