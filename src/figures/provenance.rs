//! Provenance of a figure's numbers, in each of its files: the SVG in its `<metadata>`, the PNG in a
//! text chunk (iTXt, keyword `Provenance`), the CSV in its first comment line. All three hold the same JSON
//! and a checksum of the numbers drawn, so that files of different figures are recognised.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Figure;
use super::drawing::escaped;
use crate::files::read_bytes;
use crate::hash::checksum;
use crate::{Error, Result, provenance};

/// What a CSV's provenance line begins with.
const CSV_LINE: &str = "# provenance: ";
/// The keyword of the PNG's text chunk.
const PNG_KEYWORD: &[u8] = b"Provenance";
/// What stands around the JSON in an SVG.
const SVG_ELEMENT: [&str; 2] = ["<metadata>", "</metadata>"];

/// Where the numbers of a figure come from.
///
/// ```
/// use lcz::figures::{Provenance, Source};
/// let provenance = Provenance { seed: Some(1), ..Provenance::new("synthetic (lcz 0.1.0, seed 1)", Source::Other) };
/// assert!(provenance.synthetic);
/// assert!(provenance.software.starts_with("lcz "));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// What has drawn it: `lcz 0.1.0`.
    pub software: String,
    /// The git commit of that build; none where it was not built from a checkout or a published crate.
    pub revision: Option<String>,
    /// Provenance of the data, as their file states it.
    pub data: String,
    /// Whether they are synthetic.
    pub synthetic: bool,
    /// Checksum of the data: extent, labels and a few pixels of a file of patches, all bytes of any other.
    pub data_checksum: Option<String>,
    /// The seed of the run.
    pub seed: Option<u64>,
    /// Checksum of the run's configuration.
    pub configuration: Option<String>,
    /// What the numbers were computed from, for `lcz verify`.
    pub source: Source,
}

/// What the numbers of a figure were computed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub enum Source {
    /// The history of a run.
    Training {
        /// Its folder.
        run: String,
    },
    /// A run's predictions for a file.
    Evaluation {
        /// The run's folder.
        run: String,
        /// The file.
        file: String,
    },
    /// A file of votes.
    Votes {
        /// The file.
        file: String,
    },
    /// The predictions that a study (`lcz reproduce`) has stored in the folder of its figures.
    Study {
        /// Which.
        name: StudyName,
    },
    /// Something that cannot be computed again from one run, file or study.
    Other,
}

/// A study that figures are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StudyName {
    /// `lcz reproduce ldl`.
    Ldl,
    /// `lcz reproduce uncertainty`.
    Uncertainty,
    /// `lcz reproduce landcover`.
    Landcover,
    /// `lcz reproduce active`.
    Active,
}

impl fmt::Display for StudyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ldl => "ldl",
            Self::Uncertainty => "uncertainty",
            Self::Landcover => "landcover",
            Self::Active => "active",
        })
    }
}

impl Provenance {
    /// Of data with this provenance, drawn by this build.
    pub fn new(data: impl Into<String>, source: Source) -> Self {
        let data = data.into();
        Self {
            software: concat!("lcz ", env!("CARGO_PKG_VERSION")).to_owned(),
            revision: option_env!("LCZ_REVISION").map(str::to_owned),
            synthetic: provenance::synthetic(&data).is_some(),
            data,
            data_checksum: None,
            seed: None,
            configuration: None,
            source,
        }
    }
}

/// The record in a figure's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Where the numbers come from.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Checksum of the numbers drawn: the CSV's lines without its comments.
    pub numbers: String,
}

impl Record {
    /// Reads the record in a figure's SVG, PNG or CSV.
    ///
    /// # Errors
    /// A file that cannot be read, of another kind, or without a record.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = read_bytes(path)?;
        let json = match path.extension().and_then(|extension| extension.to_str()) {
            Some("svg") => text(&bytes).and_then(of_svg),
            Some("png") => of_png(&bytes),
            Some("csv") => text(&bytes).and_then(of_csv),
            _ => return Err(Error::file(path, "not a figure's file", "give its .svg, .png or .csv")),
        };
        let advice = "only figures drawn by lcz 0.1.0 or later can be verified";
        let Some(json) = json else {
            return Err(Error::file(path, "no provenance in it", advice));
        };
        serde_json::from_str(&json)
            .map_err(|e| Error::file(path, format!("its provenance cannot be read ({e})"), advice))
    }
}

/// The checksum of the numbers in a figure's CSV: of all lines but comments.
pub(crate) fn numbers_checksum(csv: &str) -> String {
    checksum(number_lines(csv).flat_map(|line| line.bytes().chain([b'\n'])))
}

/// The header and the numbers of a figure's CSV.
pub(crate) fn number_lines(csv: &str) -> impl Iterator<Item = &str> {
    csv.lines().filter(|line| !line.starts_with('#'))
}

impl Figure {
    /// The same figure with this provenance in its three files.
    #[must_use]
    pub fn with_provenance(mut self, provenance: &Provenance) -> Self {
        let record = Record { provenance: provenance.clone(), numbers: numbers_checksum(&self.csv) };
        // Strings, numbers and `None` always have a form in JSON.
        let json = serde_json::to_string(&record).unwrap_or_default();
        let [begin, end] = SVG_ELEMENT;
        self.svg = self.svg.replacen("</desc>", &format!("</desc>\n{begin}{}{end}\n", escaped(&json)), 1);
        self.csv.insert_str(0, &format!("{CSV_LINE}{json}\n"));
        self.png = with_text(&self.png, &json);
        self
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn of_svg(svg: &str) -> Option<String> {
    let (_, rest) = svg.split_once(SVG_ELEMENT[0])?;
    let (json, _) = rest.split_once(SVG_ELEMENT[1])?;
    // The ampersand comes last, so that nothing is unescaped twice.
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    Some(entities.iter().fold(json.to_owned(), |json, (entity, plain)| json.replace(entity, plain)))
}

fn of_csv(csv: &str) -> Option<String> {
    csv.lines().find_map(|line| line.strip_prefix(CSV_LINE)).map(str::to_owned)
}

/// Bytes of a PNG before its first chunk; bytes of a chunk without its data: length, type and checksum.
const SIGNATURE: usize = 8;
const AROUND: usize = 12;

/// A PNG with one more text chunk, right behind its header (ISO 15948, 11.3.4.5).
fn with_text(png: &[u8], text: &str) -> Vec<u8> {
    let mut body = b"iTXt".to_vec();
    body.extend(PNG_KEYWORD);
    // Not compressed, in no language, the keyword not translated.
    body.extend([0, 0, 0, 0, 0]);
    body.extend(text.as_bytes());
    let header = SIGNATURE + AROUND + 13;
    let mut with = png[..header].to_vec();
    with.extend((body.len() as u32 - 4).to_be_bytes());
    with.extend(&body);
    with.extend(crc32fast::hash(&body).to_be_bytes());
    with.extend(&png[header..]);
    with
}

/// The text of the provenance chunk.
fn of_png(png: &[u8]) -> Option<String> {
    let mut at = SIGNATURE;
    while let Some(length) = png.get(at..at + 4) {
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let chunk = png.get(at + 4..at + 8 + length)?;
        if let Some(data) = chunk.strip_prefix(b"iTXt").and_then(|data| data.strip_prefix(PNG_KEYWORD)) {
            return text(data.get(5..)?).map(str::to_owned);
        }
        at += AROUND + length;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Classes;
    use crate::figures::{Caption, Cells, confusion_matrix};
    use crate::metrics::ConfusionMatrix;

    fn figure() -> Figure {
        let classes = Classes::named(["forest", "river"]).unwrap();
        let confusion = ConfusionMatrix::from_counts(classes, ndarray::array![[8, 2], [1, 9]]).unwrap();
        confusion_matrix(&confusion, Cells::Counts, &Caption::new("A <title> & more", "synthetic")).unwrap()
    }

    #[test]
    fn all_three_files_say_the_same_of_themselves() {
        let source = Source::Evaluation { run: "runs/<a> & \"b\"".into(), file: "data/testing.h5".into() };
        let provenance = Provenance { seed: Some(7), ..Provenance::new("synthetic (seed 7)", source) };
        let figure = figure().with_provenance(&provenance);
        let folder = tempfile::tempdir().unwrap();
        figure.save(folder.path(), "x").unwrap();
        for extension in ["svg", "png", "csv"] {
            let record = Record::read(folder.path().join(format!("x.{extension}"))).unwrap();
            assert_eq!(record.provenance, provenance, "{extension}");
            assert_eq!(record.numbers, numbers_checksum(figure.csv()), "{extension}");
        }
    }

    #[test]
    fn the_picture_and_the_drawing_stay_as_they_were() {
        let plain = figure();
        let told = figure().with_provenance(&Provenance::new("synthetic", Source::Other));
        let pixels = |png: &[u8]| {
            let mut reader = png::Decoder::new(png).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size()];
            reader.next_frame(&mut pixels).unwrap();
            let chunk = reader.info().utf8_text.first().map(|chunk| chunk.get_text().unwrap());
            (pixels, chunk)
        };
        let ((before, none), (after, chunk)) = (pixels(plain.png()), pixels(told.png()));
        assert_eq!((before, none), (after, None));
        // The decoder, which checks the chunk's checksum, finds the text too.
        assert!(chunk.unwrap().contains("\"data\":\"synthetic\""));
        let svg = roxmltree::Document::parse(told.svg()).unwrap();
        let metadata = svg.descendants().find(|node| node.has_tag_name("metadata")).unwrap();
        assert!(metadata.text().unwrap().contains("\"data\":\"synthetic\""));
    }

    #[test]
    fn a_file_without_a_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        figure().save(folder.path(), "x").unwrap();
        for extension in ["svg", "png", "csv"] {
            let error = Record::read(folder.path().join(format!("x.{extension}"))).unwrap_err().to_string();
            assert!(error.contains("no provenance in it") && !error.contains('\n'), "{error}");
        }
    }
}
