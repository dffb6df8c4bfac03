//! Files of expert votes without images: released vote patterns as CSV, counts as NumPy's `.npy`, and the
//! votes of an HDF5 file of patches.

use std::io::{Cursor, Read};
use std::path::Path;

use ndarray::Array2;

use super::so2sat::So2Sat;
use crate::error::on_one_line;
use crate::files::{csv_rows, read_bytes, read_text};
use crate::{Classes, Error, Result, Votes, Zone};

/// The column with the number of samples of a pattern.
const FREQUENCY: &str = "Freq";
/// More counts than this are not read from a CSV or `.npy`: 160 MB, more than two million samples of 17 classes.
const MOST_COUNTS: u64 = 40_000_000;

/// Reads votes, one row per sample.
///
/// - `.csv`: one row per sample, or a pattern of votes with the number of its samples in a column `Freq`, as
///   the released votes of So2Sat LCZ42 have it. Columns are zones (`X1` … `X17`, or codes `1` … `10`, `A` … `G`);
///   zones without a column are left out.
/// - `.npy`, or `.npz` of one array: an N × K array of counts, as CIFAR-10H has it; its classes have no names.
/// - anything else: an HDF5 file of patches with `votes`.
///
/// # Errors
/// A file that cannot be read or holds no votes, an unknown column, a field that is not a count, or a row without a vote:
/// names the line.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("votes.csv");
/// std::fs::write(&path, "X1,X17,Freq\n9,1,2\n0,10,1\n")?;
/// let votes = lcz::data::read_votes(&path)?;
/// assert_eq!(votes.classes().codes(), ["1", "G"]);
/// assert_eq!(votes.counts(), ndarray::array![[9.0, 1.0], [9.0, 1.0], [0.0, 10.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_votes(path: impl AsRef<Path>) -> Result<Votes> {
    let path = path.as_ref();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => {
            let text = read_text(path)?;
            of_csv(&text, path)
        }
        Some("npy") => {
            let bytes = read_bytes(path)?;
            of_npy(&bytes, path)
        }
        Some("npz") => of_npz(path),
        _ => {
            let votes = So2Sat::open(path)?.patches()?.votes()?;
            check_whole(path, &votes)?;
            Ok(votes)
        }
    }
}

/// Refuses shares instead of counts: agreement depends on the number of votes.
fn check_whole(path: &Path, votes: &Votes) -> Result<()> {
    let counts = votes.counts();
    let Some(((row, _), share)) = counts.indexed_iter().find(|(_, count)| count.fract() != 0.0) else {
        return Ok(());
    };
    let place = format!("{}, row {row}", path.display());
    let problem = format!("{share} is not a number of votes");
    Err(Error::input(place, problem, "give how many experts chose each class"))
}

/// The one array of a `.npz`.
fn of_npz(path: &Path) -> Result<Votes> {
    let broken = |problem: String| {
        Error::file(path, format!("it cannot be unpacked ({problem})"), "save it again with numpy.savez")
    };
    let zipped = |error: zip::result::ZipError| broken(on_one_line(&error.to_string()));
    let mut archive = zip::ZipArchive::new(Cursor::new(read_bytes(path)?)).map_err(zipped)?;
    if archive.len() != 1 {
        let problem = format!("{} arrays, where one of votes is expected", archive.len());
        return Err(Error::file(path, problem, "save one array of counts: numpy.save('votes.npy', counts)"));
    }
    let mut bytes = Vec::new();
    let array = archive.by_index(0).map_err(zipped)?;
    // Not the declared size: what comes out is what counts; no count takes more than eight bytes.
    array
        .take(8 * MOST_COUNTS + (1 << 16))
        .read_to_end(&mut bytes)
        .map_err(|error| broken(error.to_string()))?;
    of_npy(&bytes, path)
}

fn of_csv(text: &str, path: &Path) -> Result<Votes> {
    let refuse = |line: usize, problem: String, advice: &str| {
        let name = path.display();
        Error::input(format!("{name}, line {line}"), problem, advice.to_owned())
    };
    let rows = csv_rows(text, path)?;
    let Some(((at, header), lines)) = rows.split_first() else {
        return Err(Error::file(path, "it is empty", "give a file of votes"));
    };
    // Row names, which have no name themselves, as R writes them.
    let unnamed = usize::from(header.get(0) == Some(""));
    let mut columns = Vec::new();
    for name in header.iter().skip(unnamed) {
        columns.push(match zone(name) {
            Some(zone) => Some(zone),
            None if name == FREQUENCY => None,
            None => {
                let problem = format!("column '{name}' is not a zone");
                let advice = "name columns X1 to X17, and Freq for the number of samples";
                return Err(refuse(*at, problem, advice));
            }
        });
    }
    let zones: Vec<Zone> = columns.iter().flatten().copied().collect();
    let unique: std::collections::BTreeSet<usize> = zones.iter().map(|zone| zone.number()).collect();
    if unique.len() != zones.len() || zones.is_empty() || columns.len() - zones.len() > 1 {
        let problem = "no zone, or a column twice".to_owned();
        return Err(refuse(*at, problem, "give each column once"));
    }

    let mut counts = Vec::new();
    let mut samples = 0_u64;
    for (at, fields) in lines {
        if fields.len() != header.len() {
            let problem = format!("{} fields, the header has {}", fields.len(), header.len());
            return Err(refuse(*at, problem, "give one number per column"));
        }
        let (mut pattern, mut frequency) = (Vec::with_capacity(zones.len()), 1_u64);
        for (field, column) in fields.iter().skip(unnamed).zip(&columns) {
            let bad = || refuse(*at, format!("'{field}' is not a count"), "give whole numbers of 0 or more");
            match column {
                Some(_) => {
                    let count =
                        field.parse::<f32>().ok().filter(|v| v.fract() == 0.0 && (0.0..65536.0).contains(v));
                    pattern.push(count.ok_or_else(bad)?);
                }
                None => frequency = field.parse().map_err(|_| bad())?,
            }
        }
        if pattern.iter().sum::<f32>() <= 0.0 {
            return Err(refuse(*at, "no expert voted".to_owned(), "leave the line out"));
        }
        samples = samples.saturating_add(frequency);
        if samples.saturating_mul(zones.len() as u64) > MOST_COUNTS {
            let problem = format!("more than {} samples", MOST_COUNTS / zones.len() as u64);
            return Err(refuse(*at, problem, "give fewer at a time"));
        }
        for _ in 0..frequency {
            counts.extend_from_slice(&pattern);
        }
    }
    votes_of(path, Classes::from_zones(zones), counts)
}

/// `X7` or `7` or `"G"`.
fn zone(name: &str) -> Option<Zone> {
    match name.strip_prefix('X') {
        Some(number) => number.parse().ok().and_then(Zone::from_number),
        None => name.parse().ok(),
    }
}

/// Counts of K classes, row after row.
fn votes_of(path: &Path, classes: Classes, counts: Vec<f32>) -> Result<Votes> {
    let k = classes.len();
    if counts.is_empty() {
        return Err(Error::file(path, "no row of votes", "give at least one"));
    }
    let counts =
        Array2::from_shape_vec((counts.len() / k, k), counts).map_err(Error::internal("reading votes"))?;
    let votes = Votes::new(classes, counts).map_err(|e| e.within(path))?;
    check_whole(path, &votes)?;
    Ok(votes)
}

/// NumPy's format, versions 1 to 3: a magic string, a header that is a Python literal, the numbers. Read here since the
/// crate `npyz` brings fifteen others.
fn of_npy(bytes: &[u8], path: &Path) -> Result<Votes> {
    let refuse = |problem: &str| {
        let advice = "save a two-dimensional array of counts with numpy.save";
        Error::file(path, problem.to_owned(), advice)
    };
    let cut = || refuse("not a .npy file, or cut short");
    let length_bytes = match bytes.get(..8).ok_or_else(cut)? {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _] => 2,
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _] => 4,
        _ => return Err(cut()),
    };
    let length = bytes.get(8..8 + length_bytes).ok_or_else(cut)?;
    let length = length.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
    let start = 8 + length_bytes;
    let header = bytes.get(start..start + length).and_then(|header| std::str::from_utf8(header).ok());
    let header = header.ok_or_else(cut)?;
    let body = &bytes[start + length..];

    let value = |key: &str| header.split_once(key).map(|(_, rest)| rest.trim_start());
    let kind = value("'descr':").and_then(|rest| rest.split('\'').nth(1)).ok_or_else(cut)?;
    let shape = value("'shape':").and_then(|rest| rest.strip_prefix('(')?.split_once(')')).ok_or_else(cut)?.0;
    let shape: Vec<usize> = shape.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let [n, k] = shape[..] else {
        return Err(refuse(&format!("its shape is {shape:?}, not (samples, classes)")));
    };
    let count = n.checked_mul(k).filter(|count| k >= 2 && (1..=MOST_COUNTS).contains(&(*count as u64)));
    let Some(count) = count else {
        return Err(refuse(&format!("{n} samples of {k} classes")));
    };
    // Ten columns need not be zones.
    let classes = Classes::from_columns(k).map_err(|e| e.within(path))?;
    let classes = Classes::named((1..=classes.len()).map(|k| format!("class {k}")))?;
    let size = kind.get(2..).and_then(|size| size.parse::<usize>().ok()).unwrap_or(0);
    let unsupported = || refuse(&format!("its numbers have the unsupported type '{kind}'"));
    // Before they are converted: unpacked bytes may be far more than the numbers that are wanted.
    if numbers(kind, &[]).is_some() && size > 0 && body.len() / size != count {
        return Err(cut());
    }
    let mut numbers = numbers(kind, body).ok_or_else(unsupported)?;
    if count != numbers.len() {
        return Err(cut());
    }
    if header.contains("'fortran_order': True") {
        // Column after column, as arrays made from data frames are.
        numbers = (0..count).map(|at| numbers[at % k * n + at / k]).collect();
    }
    votes_of(path, classes, numbers)
}

/// Numbers, little-endian (`<`) or big-endian (`>`); none of an unknown kind.
fn numbers(kind: &str, body: &[u8]) -> Option<Vec<f32>> {
    fn each<const N: usize>(big: bool, body: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        let in_order = |mut bytes: [u8; N]| {
            if big {
                bytes.reverse();
            }
            bytes
        };
        body.chunks_exact(N).filter_map(|bytes| bytes.try_into().ok()).map(in_order).map(number).collect()
    }
    let big = kind.starts_with('>');
    Some(match kind.strip_prefix(['<', '>', '|', '='])? {
        "i1" => each(big, body, |b| f32::from(i8::from_le_bytes(b))),
        "u1" => each(big, body, |b| f32::from(u8::from_le_bytes(b))),
        "i2" => each(big, body, |b| f32::from(i16::from_le_bytes(b))),
        "u2" => each(big, body, |b| f32::from(u16::from_le_bytes(b))),
        "i4" => each(big, body, |b| i32::from_le_bytes(b) as f32),
        "u4" => each(big, body, |b| u32::from_le_bytes(b) as f32),
        "i8" => each(big, body, |b| i64::from_le_bytes(b) as f32),
        "u8" => each(big, body, |b| u64::from_le_bytes(b) as f32),
        "f4" => each(big, body, f32::from_le_bytes),
        "f8" => each(big, body, |b| f64::from_le_bytes(b) as f32),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn csv(text: &str) -> Result<Votes> {
        of_csv(text, Path::new("votes.csv"))
    }

    #[test]
    fn a_pattern_stands_for_its_samples_and_zones_without_a_column_are_left_out() {
        let votes = csv("\"X6\",\"X8\",\"Freq\"\n11,0,1\n3,8,2\n").unwrap();
        assert_eq!(votes.classes().codes(), ["6", "8"]);
        assert_eq!(votes.counts(), array![[11.0, 0.0], [3.0, 8.0], [3.0, 8.0]]);
        assert_eq!(csv("A,G\n1,2\n").unwrap().classes().codes(), ["A", "G"]);
        assert_eq!(csv("\"\",\"A\",\"G\"\n\"1\",1,2\n").unwrap().counts(), array![[1.0, 2.0]]);
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, wanted) in [
            ("", "votes.csv: it is empty"),
            ("X1,X18\n1,2\n", "votes.csv, line 1: column 'X18' is not a zone"),
            ("X1,X1\n1,2\n", "line 1: no zone, or a column twice"),
            ("X1,X2,Freq\n1,2\n", "line 2: 2 fields, the header has 3"),
            ("X1,X2,Freq\n1,-2,1\n", "line 2: '-2' is not a count"),
            ("X1,X2,Freq\n1,2,1\n0,0,3\n", "line 3: no expert voted"),
            ("X1,X2,Freq\n1,2,99999999\n", "line 2: more than 20000000 samples"),
            ("X1,X2,X3,X4,Freq\n1,2,3,4,10000001\n", "line 2: more than 10000000 samples"),
            ("X1,X2\n", "no row of votes"),
        ] {
            let error = csv(text).unwrap_err().to_string();
            assert!(error.contains(wanted) && !error.contains('\n'), "{error}");
        }
    }

    /// What `numpy.save` writes of a 2 × 3 array, before the numbers.
    fn npy(kind: &str, body: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (2, 3), }}");
        let header = format!("{header:<117}\n");
        [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes(), body]
            .concat()
    }

    #[test]
    fn numpys_arrays_are_read_in_each_kind_of_number() {
        let wanted = array![[1.0, 2.0, 7.0], [10.0, 0.0, 0.0]];
        let counts = [1_i64, 2, 7, 10, 0, 0];
        let bytes = |of: fn(i64) -> Vec<u8>| counts.iter().flat_map(|&n| of(n)).collect::<Vec<u8>>();
        for file in [
            npy("<i8", &bytes(|n| n.to_le_bytes().to_vec())),
            npy("<i4", &bytes(|n| (n as i32).to_le_bytes().to_vec())),
            npy("|u1", &bytes(|n| vec![n as u8])),
            npy("<f8", &bytes(|n| (n as f64).to_le_bytes().to_vec())),
            npy(">i8", &bytes(|n| n.to_be_bytes().to_vec())),
            npy(">u2", &bytes(|n| (n as u16).to_be_bytes().to_vec())),
            npy(">f4", &bytes(|n| (n as f32).to_be_bytes().to_vec())),
            npy("<u4", &bytes(|n| (n as u32).to_le_bytes().to_vec())),
        ] {
            assert_eq!(of_npy(&file, Path::new("a.npy")).unwrap().counts(), wanted);
            for length in 0..file.len() {
                assert!(of_npy(&file[..length], Path::new("a.npy")).is_err(), "cut at {length}");
            }
        }
        let by_column = [1_u8, 10, 2, 0, 7, 0];
        let header = npy("|u1", &[]);
        let at = header.windows(5).position(|five| five == b"False").unwrap();
        let columns = [&header[..at], b"True ", &header[at + 5..], &by_column].concat();
        assert_eq!(of_npy(&columns, Path::new("a.npy")).unwrap().counts(), wanted);
        let shares: Vec<u8> =
            [0.25_f32, 0.75, 0.0, 1.0, 0.0, 0.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let error = of_npy(&npy("<f4", &shares), Path::new("a.npy")).unwrap_err().to_string();
        assert!(error.contains("a.npy, row 0: 0.25 is not a number of votes"), "{error}");
        let longer = [npy("|u1", &bytes(|n| vec![n as u8])), vec![1; 1000]].concat();
        let error = of_npy(&longer, Path::new("a.npy")).unwrap_err().to_string();
        assert!(error.contains("a.npy: not a .npy file, or cut short"), "{error}");
        let error = of_npy(&npy("<c8", &[]), Path::new("a.npy")).unwrap_err().to_string();
        assert!(error.contains("unsupported type '<c8'"), "{error}");
    }
}
