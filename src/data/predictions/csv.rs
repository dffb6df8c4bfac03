//! Predictions as text: the three forms of [`read`](super::read).

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use ::csv::StringRecord;
use ndarray::Array2;

use super::{Predictions, Stated};
use crate::files::{csv_rows, read_bytes};
use crate::{Classes, Error, Labels, Probabilities, Result};

/// How far the sum of a row of probabilities may lie from 1, for any number of digits;
const ROUNDING: f64 = 1e-4;
/// of numbers in half precision, whose relative error is 2⁻¹¹ at most.
const HALF_PRECISION: f64 = 1.0 / 2048.0;
/// Probabilities with fewer decimals are refused: entropies of them would be wrong.
const FEWEST_DECIMALS: usize = 3;
/// Columns from which on one of another kind is an error.
const FEWEST_OF_AN_ERROR: usize = 10;
/// Names of the columns, in any case.
const TRUE: [&str; 9] =
    ["true", "true_label", "y_true", "label", "truth", "reference", "actual", "obs", "observed"];
const PREDICTED: [&str; 6] = ["pred", "pred_label", "y_pred", "predicted", "prediction", "predicted_label"];
const CONFIDENCE: [&str; 8] =
    ["confidence", "conf", "max_probability", "max_prob", "prob_max", "p_max", "prob", "probability"];
/// Those of them that may be the probability of another class than the predicted one, such as the second of two.
const OF_ANY_CLASS: [&str; 2] = ["prob", "probability"];
const GROUP: [&str; 4] = ["group", "groups", "city", "polygon"];
/// What the columns of probabilities start with, before the class.
const PROBABILITY: [&str; 4] = ["p_", "prob_", "proba_", "probability_"];

const FORMS: &str = "write true,pred or true_label,pred_label,confidence or label,p_1,…,p_K as the first line, and group where \
                     samples belong together";

/// A file's lines, each with its number and as many fields as the header.
struct Lines<'a> {
    path: &'a Path,
    header: StringRecord,
    rows: Vec<(usize, StringRecord)>,
}

pub(super) fn read(path: &Path, classes: Option<&Classes>) -> Result<Predictions> {
    let text = String::from_utf8(read_bytes(path)?).map_err(|error| match error.as_bytes() {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Error::file(path, "a text in UTF-16", "save it as UTF-8"),
        _ => Error::file(path, "neither HDF5 nor text", "give what `lcz predict` writes, or a CSV"),
    })?;
    let lines = Lines::of(path, &text)?;
    let [truth, predicted] = [lines.place(&TRUE)?, lines.place(&PREDICTED)?];
    let [confidence, group] = [lines.place(&CONFIDENCE)?, lines.place(&GROUP)?];
    let roles = [truth, predicted, confidence, group];
    let free = || (0..lines.header.len()).filter(|k| !roles.contains(&Some(*k)));
    let mut p: Vec<usize> = free().filter(|&k| class_of(&lines.header[k]).is_some()).collect();
    if p.is_empty() {
        // Zones alone, without `p_`.
        let lcz = Classes::lcz();
        p = free().filter(|&k| lcz.find(&lines.header[k]).is_some()).collect();
        p.truncate(if p.len() < 2 { 0 } else { p.len() });
    }
    let probabilities = p.len();
    let used = match (truth, predicted, confidence) {
        (Some(truth), ..) if !p.is_empty() => [vec![truth], p, predicted.into_iter().collect()].concat(),
        (Some(truth), Some(predicted), confidence) => {
            [truth, predicted].into_iter().chain(confidence).collect()
        }
        _ => {
            let header = lines.header.iter().collect::<Vec<_>>().join(",");
            return Err(lines.error(1, format!("header '{header}'"), FORMS));
        }
    };
    lines.warn_of_others(&[&used[..], group.as_slice()].concat());
    let groups = group.map(|group| lines.groups(group)).transpose()?;
    let lines = lines.only(&used);
    let read = match lines.header.len() {
        _ if probabilities > 0 => {
            let columns: Vec<&str> = lines.header.iter().skip(1).take(probabilities).collect();
            lines.probabilities(&columns, classes)
        }
        2 => lines.classes_alone(classes),
        _ => lines.confidences(classes),
    };
    read.map(|read| Predictions { groups, ..read })
}

/// The class that a column of probabilities is of.
fn class_of(column: &str) -> Option<&str> {
    if CONFIDENCE.contains(&&*column.to_lowercase()) {
        return None;
    }
    let after = |start: &&str| {
        let named = column.get(..start.len())?.eq_ignore_ascii_case(start);
        column.get(start.len()..).filter(|class| named && !class.is_empty())
    };
    PROBABILITY.iter().find_map(after)
}

impl<'a> Lines<'a> {
    fn of(path: &'a Path, text: &str) -> Result<Self> {
        let mut rows = csv_rows(text, path)?;
        if rows.is_empty() {
            return Err(Error::file(path, "an empty file", FORMS));
        }
        let lines = Self { path, header: rows.remove(0).1, rows };
        if lines.rows.is_empty() {
            return Err(Error::file(path, "no line below the header", "give one line per sample"));
        }
        let wanted = lines.header.len();
        if let Some((number, fields)) = lines.rows.iter().find(|(_, fields)| fields.len() != wanted) {
            let problem = format!("{} fields, the header has {wanted}", fields.len());
            return Err(lines.error(*number, problem, "give each line one field per column"));
        }
        Ok(lines)
    }

    /// The column of one of these names.
    fn place(&self, names: &[&str]) -> Result<Option<usize>> {
        let of_these = |k: &usize| names.contains(&&*self.header[*k].to_lowercase());
        let found: Vec<usize> = (0..self.header.len()).filter(of_these).collect();
        let &[first, second, ..] = found.as_slice() else { return Ok(found.first().copied()) };
        let problem = format!("'{}' and '{}' mean the same", &self.header[first], &self.header[second]);
        Err(self.error(1, problem, "leave one of these columns out, or rename it"))
    }

    /// These columns, in this order.
    fn only(self, columns: &[usize]) -> Self {
        let sorted = |row: &StringRecord| columns.iter().map(|&k| &row[k]).collect::<StringRecord>();
        let rows = self.rows.iter().map(|(line, row)| (*line, sorted(row))).collect();
        Self { path: self.path, header: sorted(&self.header), rows }
    }

    /// Names the columns that are not read, but for row names, which have no name themselves.
    fn warn_of_others(&self, used: &[usize]) {
        let unnamed = |k: usize| k == 0 && matches!(&*self.header[k].to_lowercase(), "" | "unnamed: 0");
        let others = (0..self.header.len()).filter(|k| !used.contains(k) && !unnamed(*k));
        let others: Vec<String> = others.map(|k| format!("'{}'", &self.header[k])).collect();
        if !others.is_empty() {
            tracing::warn!("{}: columns that are not read: {}", self.path.display(), others.join(", "));
        }
    }

    /// The group of each line: whole numbers as they are, other names numbered from 1 in their order.
    fn groups(&self, column: usize) -> Result<Vec<i32>> {
        let name = &self.header[column];
        if let Some((line, _)) = self.rows.iter().find(|(_, row)| row[column].is_empty()) {
            return Err(self.error(*line, format!("{name} is empty"), "give each sample its group"));
        }
        let texts = || self.rows.iter().map(|(_, row)| &row[column]);
        if let Ok(numbers) = texts().map(str::parse).collect() {
            return Ok(numbers);
        }
        let names: BTreeSet<&str> = texts().collect();
        let numbers: HashMap<&str, i32> = names.into_iter().zip(1..).collect();
        Ok(texts().map(|text| numbers[text]).collect())
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

    /// `true_label,pred_label,confidence`: zones, or any names, unless classes are given.
    fn confidences(&self, classes: Option<&Classes>) -> Result<Predictions> {
        let lcz = Classes::lcz();
        let named;
        let mut texts = self.rows.iter().flat_map(|(_, row)| [&row[0], &row[1]]);
        let classes = if let Some(classes) = classes {
            classes
        } else if texts.all(|text| lcz.find(text).is_some()) {
            &lcz
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
        let column = &self.header[2];
        let confidence = |(line, row): &(usize, StringRecord)| self.share(*line, column, &row[2]);
        let confidence = self.rows.iter().map(confidence).collect::<Result<Vec<f64>>>()?;
        if OF_ANY_CLASS.contains(&&*column.to_lowercase()) {
            // The highest of K probabilities is 1/K at least.
            let least = 1.0 / classes.len() as f64;
            let low = confidence.iter().position(|&confidence| confidence < least);
            if let Some(row) = low.or((classes.len() == 2).then_some(0)) {
                let problem = format!("{column} is '{}': that of the predicted class?", &self.rows[row].1[2]);
                let advice = "call it confidence if it is; of another class, give p_CLASS for each";
                return Err(self.error(self.rows[row].0, problem, advice));
            }
        }
        Ok(Self::stated(Stated::Confidences(predicted, confidence), labels))
    }

    /// `label,p_1,…,p_K`: the columns name the classes; `p_1` to `p_17` are the zones.
    fn probabilities(&self, columns: &[&str], classes: Option<&Classes>) -> Result<Predictions> {
        let names: Vec<&str> = columns.iter().map(|column| class_of(column).unwrap_or(column)).collect();
        Classes::from_columns(names.len()).map_err(|e| e.within(self.path))?;
        let counted = names.iter().zip(1..).all(|(name, k): (_, usize)| name.parse() == Ok(k));
        // The column of each class.
        let mut order: Vec<usize> = (0..names.len()).collect();
        let classes = match classes {
            Some(classes) if classes.len() == names.len() => {
                if !counted {
                    order = self.order(classes, &names)?;
                }
                classes.clone()
            }
            Some(classes) => {
                let problem =
                    format!("{} columns of probabilities for {} classes", names.len(), classes.len());
                return Err(self.error(1, problem, "give one column per class"));
            }
            None if counted && names.len() > Classes::lcz().len() => Classes::named(names.iter().copied())?,
            None => {
                let twice = || self.error(1, "two columns of one name", "give each class one column");
                match self.zones(columns, &names)? {
                    Some(zones) => {
                        order = self.order(&zones, &names).map_err(|_| twice())?;
                        zones
                    }
                    None => Classes::named(names.iter().copied()).map_err(|_| twice())?,
                }
            }
        };
        let labels = self.column(0, &classes)?;
        let mut p = Array2::zeros((self.rows.len(), classes.len()));
        let decimals = |field: &str| match field.split_once('.') {
            Some((_, digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.len(),
            Some(_) => usize::MAX,
            None => 0,
        };
        let fields = self.rows.iter().flat_map(|(_, row)| row.iter().skip(1).take(columns.len()));
        let decimals = fields.map(decimals).max().unwrap_or(0);
        let rounding = match decimals {
            FEWEST_DECIMALS.. => {
                ROUNDING.max(0.501 * classes.len() as f64 * 0.1f64.powi(decimals.min(20) as i32))
            }
            _ => ROUNDING,
        };
        let mut rescaled = 0;
        for ((line, row), mut out) in self.rows.iter().zip(p.outer_iter_mut()) {
            for (p, &column) in out.iter_mut().zip(&order) {
                *p = self.share(*line, columns[column], &row[1 + column])?;
            }
            let total = out.sum();
            // The low bits of a number in single precision are 0 in half precision.
            let half = || out.iter().all(|p: &f64| (*p as f32).to_bits().trailing_zeros() >= 13 || *p == 0.0);
            let apart = (total - 1.0).abs();
            if apart > rounding && !(apart <= HALF_PRECISION && half()) {
                let lacking = Self::lacking(&classes);
                let problem = format!("probabilities that sum to {total:.6}{lacking}");
                let advice = "give a softmax's output, whose rows sum to 1, with 6 digits";
                return Err(self.error(*line, problem, advice));
            }
            rescaled += usize::from(apart > ROUNDING);
            out /= total;
        }
        if rescaled > 0 {
            tracing::warn!(
                "{}: {rescaled} of {} rows of probabilities miss 1 by rounding, and are rescaled to 1",
                self.path.display(),
                self.rows.len()
            );
        }
        // A predicted class next to probabilities is that of the highest.
        if let Some(name) = self.header.get(1 + columns.len()) {
            let predicted = self.column(1 + columns.len(), &classes)?;
            for (((line, row), p), &k) in self.rows.iter().zip(p.outer_iter()).zip(predicted.indices()) {
                if p.iter().any(|&other| other > p[k]) {
                    let stated = &row[1 + columns.len()];
                    let problem = format!(
                        "{name} is '{stated}', but {} is not the highest probability",
                        columns[order[k]]
                    );
                    return Err(self.error(
                        *line,
                        problem,
                        "check the order of the columns, or leave one of both out",
                    ));
                }
            }
        }
        Ok(Self::stated(Stated::Probabilities(Probabilities::new(classes, p)?), labels))
    }

    /// The zones that all these names mean, in their order; none if they are other classes. One other name among many that
    /// are is an error.
    fn zones(&self, columns: &[&str], names: &[&str]) -> Result<Option<Classes>> {
        let lcz = Classes::lcz();
        let of_names: Vec<Option<usize>> = names.iter().map(|name| lcz.find(name)).collect();
        let others: Vec<usize> = (0..names.len()).filter(|&k| of_names[k].is_none()).collect();
        match others.as_slice() {
            [] => {
                let held: BTreeSet<usize> = of_names.into_iter().flatten().collect();
                if held.len() < names.len() {
                    return Err(self.error(1, "two columns of one name", "give each class one column"));
                }
                Ok(Some(Classes::from_zones(held.into_iter().filter_map(|k| lcz.zone(k)))))
            }
            &[other] if names.len() >= FEWEST_OF_AN_ERROR => {
                let problem = format!("column '{}' is not a zone, as the others are", columns[other]);
                Err(self.error(1, problem, "correct its name, or name all classes with --classes"))
            }
            _ => Ok(None),
        }
    }

    /// The zones without a column, where few are.
    fn lacking(classes: &Classes) -> String {
        let lcz = Classes::lcz();
        let absent =
            (0..lcz.len()).filter(|&k| lcz.zone(k).is_some_and(|zone| classes.position(zone).is_none()));
        let absent: Vec<String> = absent.map(|k| format!("p_{}", lcz.code(k))).collect();
        if !classes.are_zones() || absent.is_empty() || absent.len() + FEWEST_OF_AN_ERROR > lcz.len() {
            return String::new();
        }
        format!(" ({} probability columns; missing: {})", classes.len(), absent.join(", "))
    }

    /// The column of each of these classes, by the columns' names.
    fn order(&self, classes: &Classes, names: &[&str]) -> Result<Vec<usize>> {
        let of_names: Vec<Option<usize>> = names.iter().map(|name| classes.find(name)).collect();
        let column = |k: usize| of_names.iter().position(|&of| of == Some(k));
        (0..classes.len()).map(column).collect::<Option<Vec<usize>>>().ok_or_else(|| {
            let problem = format!("columns of {} for the classes {classes}", names.join(", "));
            self.error(1, problem, "call each column p_CLASS, or p_1 to p_K in the order of --classes")
        })
    }

    /// A number from 0 to 1.
    fn share(&self, line: usize, column: &str, field: &str) -> Result<f64> {
        match field.parse::<f64>() {
            _ if field.is_empty() => {
                Err(self.error(line, format!("{column} is empty"), "give a number from 0 to 1"))
            }
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
            _ => Err(self.error(line, format!("{column} is '{field}'"), "give a number from 0 to 1")),
        }
    }

    /// A column of classes, given by code or, where all classes are zones, as [`Classes::find`] reads them.
    fn column(&self, column: usize, classes: &Classes) -> Result<Labels> {
        let zones = (0..classes.len()).all(|k| classes.zone(k).is_some());
        let codes: HashMap<&str, usize> = classes.codes().iter().map(String::as_str).zip(0..).collect();
        let mut natural = false;
        let mut index = |(line, row): &(usize, StringRecord)| {
            let text = &row[column];
            natural |= zones && text.parse().is_ok_and(|number| classes.is_natural_code(number));
            let found = codes.get(text).copied().or_else(|| classes.find(text).filter(|_| zones));
            found.ok_or_else(|| {
                let name = &self.header[column];
                let problem = match text {
                    "" => format!("{name} is empty"),
                    text => format!("{name} is '{text}', none of {classes}"),
                };
                self.error(*line, problem, "correct it, or name the classes (--classes)")
            })
        };
        let labels = self.rows.iter().map(&mut index).collect::<Result<_>>()?;
        if natural {
            let name = &self.header[column];
            tracing::warn!("{}: 101-107 in {name} are read as LCZ A-G", self.path.display());
        }
        Labels::new(classes.clone(), labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(text: &str) -> Result<Predictions> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, text).unwrap();
        read(&path, None)
    }

    fn classes(text: &str) -> (Vec<usize>, Vec<usize>) {
        let predictions = scored(text).unwrap();
        let (Stated::Classes(p) | Stated::Confidences(p, _)) = predictions.predicted else {
            panic!("{text}")
        };
        (predictions.labels.indices().to_vec(), p.indices().to_vec())
    }

    #[test]
    fn zones_are_read_however_other_programs_write_them() {
        let wanted = (vec![5, 13, 12], vec![5, 12, 16]);
        for text in [
            "true,pred\n6,6\n14,13\n13,17\n",
            "true;pred\n6;6\n14;13\n13;17\n",
            "sep=;\r\ntrue;pred\r\n6;6\r\n14;13\r\n13;17\r\n",
            "true\tpred\n6\t6\nD\tC\nC\tG\n",
            "y_pred,y_true\n6.0,6.0\n13.0,14.0\n17.0,13.0\n",
            "true_label,pred_label\nLCZ 6,LCZ 6\nLCZ D,LCZ C\nlcz_c,LCZ G\n",
            "\"\",\"true\",\"pred\"\n\"1\",Open low-rise,6\n\"2\",Low plants,\"Bush, scrub\"\n\"3\",\"Bush, scrub\",Water\n",
            "Truth,Predicted\n6,6\n104,103\n103,107\n",
        ] {
            assert_eq!(classes(text), wanted, "{text}");
        }
        let decimals = scored("true_label;pred_label;confidence\na;b;0,75\nb;b;1\n").unwrap();
        assert!(matches!(decimals.predicted, Stated::Confidences(_, c) if c == [0.75, 1.0]));
        let utf16: Vec<u8> = "\u{feff}true,pred\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, utf16).unwrap();
        assert!(read(&path, None).unwrap_err().to_string().contains("a text in UTF-16; save it as UTF-8"));
        assert!(scored("true,pred\n0,6\n").unwrap_err().to_string().contains("line 2: true is '0', none of"));
    }

    #[test]
    fn groups_are_read_in_every_form_and_any_order_of_columns() {
        for (text, wanted) in [
            ("group,true,pred\n7,6,6\n-3,14,13\n7,13,17\n", [7, -3, 7]),
            ("pred,City,true,lat\n6,Ulm,6,1\n13,Bonn,14,2\n17,Ulm,13,3\n", [2, 1, 2]),
            ("conf,group,true_label,pred_label\n1,1,a,a\n1,2,b,b\n1,1,a,b\n", [1, 2, 1]),
            ("p_a,group,label,pred,p_b\n1,1,a,a,0\n0,2,b,b,1\n0,2.5,a,b,1\n", [1, 2, 3]),
        ] {
            assert_eq!(scored(text).unwrap().groups.as_deref(), Some(&wanted[..]), "{text}");
        }
        assert_eq!(scored("true,pred\n1,1\n").unwrap().groups, None);
        let error = scored("group,true,pred\n1,6,6\n,6,6\n").unwrap_err().to_string();
        assert!(error.contains("a.csv, line 3: group is empty; give each sample its group"), "{error}");
    }

    #[test]
    fn usual_headers_are_read_and_a_class_that_is_not_the_likeliest_is_refused() {
        let p = |text: &str| matches!(scored(text).unwrap().predicted, Stated::Probabilities(_));
        for header in ["y_true,y_pred,p_1,p_2", "obs,pred,prob_1,prob_2", "label,predicted,proba_a,proba_b"] {
            let names = if header.ends_with('b') { ["a", "b"] } else { ["1", "2"] };
            assert!(
                p(&format!("{header}\n{0},{0},0.75,0.25\n{0},{1},0.5,0.5\n", names[0], names[1])),
                "{header}"
            );
        }
        assert!(p("y_true,prob_1,prob_2,group\n1,1,0,4\n"));
        let read = scored("city,truth,prediction,prob\nUlm,6,5,0.5\n").unwrap();
        assert!(matches!(read.predicted, Stated::Confidences(..)) && read.groups == Some(vec![1]));
        let error = scored("y_true,p_1,p_2,y_pred\n1,1,0,1\n1,0.4,0.6,1\n").unwrap_err().to_string();
        assert!(
            error.contains("line 3: y_pred is '1', but p_1 is not the highest probability; check"),
            "{error}"
        );
    }

    #[test]
    fn columns_of_given_classes_are_taken_by_name_and_zones_by_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let with = |names: &[&str], text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path, Some(&Classes::named(names.iter().copied()).unwrap()))
        };
        let p = |read: Predictions| match read.predicted {
            Stated::Probabilities(p) => p.view().row(0).to_vec(),
            _ => panic!(),
        };
        let swapped =
            with(&["river", "forest"], "label,P_forest,P_river,y_pred\nriver,0.25,0.75,river\n").unwrap();
        assert_eq!((swapped.labels.indices(), p(swapped.clone())), (&[0][..], vec![0.75, 0.25]));
        let counted = with(&["river", "forest"], "label,p_1,p_2\nriver,0.25,0.75\n").unwrap();
        assert_eq!(p(counted), [0.25, 0.75]);
        let error = with(&["river", "forest"], "label,p_wood,p_river\nriver,0.25,0.75\n").unwrap_err();
        assert!(error.to_string().contains("line 1: columns of wood, river for the classes"), "{error}");
        // Zones without LCZ 7, in which 8 is the seventh.
        let gap = with(&["6", "8", "A"], "true,pred\n8,11\n6,103\n");
        assert!(gap.unwrap_err().to_string().contains("line 3: pred is '103', none of"));
        let gap = with(&["6", "8", "A"], "true,pred\n8,11\n6,101\n").unwrap();
        assert_eq!(gap.labels.indices(), [1, 0]);
        let Stated::Classes(predicted) = gap.predicted else { panic!() };
        assert_eq!(predicted.indices(), [2, 2]);
        // A confidence does not change how zones are read.
        let (truth, predicted) = classes("true,pred,confidence\n6,6.0,1\nA,11,1\n");
        assert_eq!((truth, predicted), (vec![5, 10], vec![5, 10]));
    }

    #[test]
    fn columns_of_zones_are_named_as_zones_are_in_cells() {
        let lcz = Classes::lcz();
        let of = |head: &str| {
            let text = format!("label,{head}\n8,0.75,0.25\nD,0.25,0.75\n");
            let read = scored(&text).unwrap();
            let Stated::Probabilities(p) = read.predicted else { panic!("{head}") };
            assert!((0..2).all(|k| p.classes().zone(k).is_some()), "{head}");
            (p.classes().codes().to_vec(), read.labels.indices().to_vec(), p.view().column(1).to_vec())
        };
        let wanted = (vec!["8".to_owned(), "D".to_owned()], vec![0, 1], vec![0.25, 0.75]);
        for head in
            ["p_8,p_D", "p_LCZ 8,p_LCZ D", "p_08,p_104", "p_large low-rise,p_low plants", "8,D", "LCZ 8,d"]
        {
            assert_eq!(of(head), wanted, "{head}");
        }
        // In any order, and all of them.
        let order: Vec<String> = (0..17).rev().map(|k| format!("p_{}", lcz.name(k))).collect();
        let quoted: Vec<String> = order.iter().map(|name| format!("\"{name}\"")).collect();
        let cells: Vec<&str> = (0..17).map(|k| if k == 3 { "1" } else { "0" }).collect();
        let read = scored(&format!("label,{}\nD,{}\n", quoted.join(","), cells.join(","))).unwrap();
        let Stated::Probabilities(p) = &read.predicted else { panic!() };
        assert_eq!(
            (p.classes(), p.predicted().indices(), read.labels.indices()),
            (&lcz, &[13][..], &[13][..])
        );

        let counted = |from: usize| (from..=17).map(|k| format!("p_{k}")).collect::<Vec<_>>().join(",");
        let refused = |text: &str| scored(text).unwrap_err().to_string();
        let sixteen = refused(&format!("label,{}\n2,0.5{}\n", counted(2), ",0.03".repeat(15)));
        assert!(sixteen.contains("sum to 0.950000 (16 probability columns; missing: p_1)"), "{sixteen}");
        let message = refused(&format!("label,p_X,{}\n2,1{}\n", counted(2), ",0".repeat(16)));
        assert!(message.contains("line 1: column 'p_X' is not a zone, as the others are"), "{message}");
        let eighteen = (1..=18).map(|k| format!("p_{k}")).collect::<Vec<_>>().join(",");
        assert!(scored(&format!("label,{eighteen}\n18,0{}\n", ",0".repeat(16) + ",1")).is_ok());
        let empty = refused("label,p_1,p_2\n1,,1\n");
        assert!(empty.contains("line 2: p_1 is empty; give a number"), "{empty}");
        assert!(refused("true,pred\n1,\n").contains("line 2: pred is empty"));
    }

    #[test]
    fn two_columns_of_one_meaning_and_a_probability_of_any_class_are_refused() {
        let refused = |text: &str| scored(text).unwrap_err().to_string();
        assert!(
            refused("label,true,pred\n1,1,1\n").contains("line 1: 'label' and 'true' mean the same; leave")
        );
        assert!(refused("polygon,city,true,pred\n1,1,1,1\n").contains("'polygon' and 'city' mean the same"));
        let low = refused("y_true,y_pred,prob\nx,x,0.9\ny,z,0.3\n");
        assert!(
            low.contains("line 3: prob is '0.3': that of the predicted class?; call it confidence"),
            "{low}"
        );
        assert!(refused("y_true,y_pred,prob\nx,x,0.9\ny,x,0.6\n").contains("line 2: prob is '0.9'"));
        for name in ["confidence", "prob_max"] {
            assert!(scored(&format!("y_true,y_pred,{name}\nx,x,0.9\ny,x,0.6\n")).is_ok(), "{name}");
        }
    }

    #[test]
    fn probabilities_that_miss_one_by_rounding_are_rescaled_and_others_refused() {
        let p = |text: &str| {
            let Stated::Probabilities(p) = scored(text)?.predicted else { panic!("{text}") };
            Ok::<_, Error>(p)
        };
        // Thirds to four decimals, and in half precision.
        for third in ["0.3333", "0.333251953125"] {
            let p = p(&format!("label,p_a,p_b,p_c\na,{third},{third},{third}\n")).unwrap();
            assert!((p.view()[[0, 0]] - 1.0 / 3.0).abs() < 1e-12);
        }
        for bad in ["0.3300", "0.5", "33.3"] {
            let error = p(&format!("label,p_a,p_b,p_c\na,{bad},{bad},{bad}\n")).unwrap_err().to_string();
            assert!(error.contains("line 2: "), "{error}");
        }
    }
}
