//! Predictions as CSV or NumPy's .npz: the HDF5 file that they were streamed into, written again.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use hdf5::File;
use ndarray::Array2;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::data::so2sat::{Numbers, cause, open_file, text_attribute};
use crate::files::Partial;
use crate::labels::first_largest;
use crate::{Classes, Error, Result};

/// The format of a file of predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Datasets and attributes.
    Hdf5,
    /// `label,group,p_1,…,p_K`, without the first two where there are none.
    Csv,
    /// An array for each dataset, `classes` and `provenance`, and `temperature` where there is one.
    Npz,
}

impl Format {
    /// The format that a file's ending means.
    ///
    /// # Errors
    /// A name with another ending.
    pub(super) fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("h5" | "hdf5") => Ok(Self::Hdf5),
            Some("csv") => Ok(Self::Csv),
            Some("npz") => Ok(Self::Npz),
            _ => Err(Error::file(path, "a name without a known format", "end it in .h5, .csv or .npz")),
        }
    }

    /// Writes the predictions of an HDF5 file in this format.
    pub(super) fn export(self, stored: &Path, classes: &Classes, out: &Path) -> Result<()> {
        let (partial, file) = (Partial::file(out)?, open_file(stored)?);
        match self {
            Self::Hdf5 | Self::Csv => write_csv(&file, stored, classes, partial.path())?,
            Self::Npz => write_npz(&file, stored, classes, partial.path())?,
        }
        partial.become_new()
    }
}

fn write_csv(file: &File, stored: &Path, classes: &Classes, to: &Path) -> Result<()> {
    let failed = |e: ::csv::Error| Error::io(to)(e.into());
    let read = |name| Numbers::open(file, stored, name)?.read();
    let p: Array2<f32> = read("probabilities")?;
    let labels: Option<Array2<f32>> = file.link_exists("label").then(|| read("label")).transpose()?;
    let groups = file.link_exists("group").then(|| Numbers::open(file, stored, "group")?.values::<i32>());
    let groups: Option<Vec<i32>> = groups.transpose()?;
    let mut csv = ::csv::Writer::from_path(to).map_err(failed)?;
    let named = [("label", labels.is_some()), ("group", groups.is_some())];
    let named = named.into_iter().filter(|(_, has)| *has).map(|(name, _)| name.to_owned());
    let columns = classes.codes().iter().map(|code| format!("p_{code}"));
    csv.write_record(named.chain(columns)).map_err(failed)?;
    for (n, p) in p.outer_iter().enumerate() {
        let label = labels.iter().map(|y| classes.code(first_largest(y.row(n))).to_owned());
        let group = groups.iter().map(|groups| groups[n].to_string());
        csv.write_record(label.chain(group).chain(p.iter().map(f32::to_string))).map_err(failed)?;
    }
    csv.flush().map_err(Error::io(to))
}

fn write_npz(file: &File, stored: &Path, classes: &Classes, to: &Path) -> Result<()> {
    let mut npz = ZipWriter::new(fs::File::create(to).map_err(Error::io(to))?);
    let mut put = |name: &str, kind: &str, shape: &[usize], bytes: &[u8]| {
        put(&mut npz, name, kind, shape, bytes).map_err(Error::io(to))
    };
    let names = file.member_names().map_err(|e| Error::file(stored, cause(&e), "predict again"))?;
    for name in names {
        let numbers = Numbers::open(file, stored, &name)?;
        let (kind, bytes): (_, Vec<u8>) = match &*name {
            "mask" => ("|u1", numbers.values::<u8>()?),
            "group" => ("<i4", numbers.values::<i32>()?.into_iter().flat_map(i32::to_le_bytes).collect()),
            _ => ("<f4", numbers.values::<f32>()?.into_iter().flat_map(f32::to_le_bytes).collect()),
        };
        put(&name, kind, &numbers.shape(), &bytes)?;
    }
    let provenance = text_attribute(file, stored, "provenance")?.unwrap_or_default();
    for (name, shape, texts) in
        [("classes", &[classes.len()][..], classes.codes()), ("provenance", &[], &[provenance])]
    {
        let longest = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
        let padded = texts.iter().flat_map(|text| text.chars().chain(std::iter::repeat('\0')).take(longest));
        let bytes: Vec<u8> = padded.flat_map(|letter| u32::from(letter).to_le_bytes()).collect();
        put(name, &format!("<U{longest}"), shape, &bytes)?;
    }
    if let Some(by) = super::read_temperature(file, stored)? {
        put("temperature", "<f8", &[], &by.temperature.to_le_bytes())?;
    }
    npz.finish().map(drop).map_err(|e| Error::io(to)(e.into()))
}

/// An array of a .npz, in version 1.0 of the .npy format.
fn put(
    npz: &mut ZipWriter<fs::File>,
    name: &str,
    kind: &str,
    shape: &[usize],
    bytes: &[u8],
) -> io::Result<()> {
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    npz.start_file(format!("{name}.npy"), options.large_file(bytes.len() > u32::MAX as usize))?;
    let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
    let lengths = lengths.join(", ") + if shape.len() == 1 { "," } else { "" };
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({lengths}), }}");
    // The numbers begin at a multiple of 64 bytes.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    npz.write_all(b"\x93NUMPY\x01\x00")?;
    npz.write_all(&(length as u16).to_le_bytes())?;
    writeln!(npz, "{header:<0$}", length - 1)?;
    npz.write_all(bytes)
}
