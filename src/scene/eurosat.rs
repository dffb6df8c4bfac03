//! EuroSAT: 27,000 images of 64 × 64 pixels of 10 m in ten classes of land use, one folder per class.
//!
//! Helber et al. (2019), *EuroSAT: A Novel Dataset and Deep Learning Benchmark for Land Use and Land Cover
//! Classification*, IEEE JSTARS 12. It comes as JPEGs in true colour, contrast-stretched, and as
//! GeoTIFFs of all 13 Sentinel-2 bands (top of atmosphere, reflectance × 10,000), of which B8A is the last. An image has 10 m
//! per pixel in either, whatever the band's original resolution.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array3, Array4, Axis};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use zip::ZipArchive;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::names::band_in;
use super::tiff_bytes::TiffBytes;
use super::{GeoTiff, Part, Shares, Window};
use crate::data::so2sat::{Layout, Rows, Writer};
use crate::error::on_one_line;
use crate::files::{Partial, check_free, read_bytes, read_text};
use crate::provenance::{self, UNKNOWN};
use crate::{Bands, Classes, Error, Imagery, Progress, Result};

/// The classes, in the order of their folders' names.
const CLASSES: [(&str, &str); 10] = [
    ("AnnualCrop", "annual crop"),
    ("Forest", "forest"),
    ("HerbaceousVegetation", "herbaceous vegetation"),
    ("Highway", "highway"),
    ("Industrial", "industrial"),
    ("Pasture", "pasture"),
    ("PermanentCrop", "permanent crop"),
    ("Residential", "residential"),
    ("River", "river"),
    ("SeaLake", "sea or lake"),
];
/// The bands of the GeoTIFFs, in their order.
pub(crate) const BANDS: [&str; 13] =
    ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B8A"];
/// Reflectance is a GeoTIFF's integer over this, unless the file states a scale.
const QUANTIFICATION: f32 = 10_000.0;
/// Rows and columns of an image.
pub(crate) const SIDE: usize = 64;
/// Images read and written at a time.
const BATCH: usize = 256;
/// Bytes of an image of 64 × 64 pixels at most, 106,496 of 13 bands as a rule: a zip may unpack to anything.
const LARGEST_IMAGE: u64 = 1 << 20;

/// What the images are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// JPEGs: B4, B3, B2 as bytes.
    TrueColour,
    /// GeoTIFFs of 13 bands.
    AllBands,
}

/// A folder of EuroSAT, or the zip that it comes as.
#[derive(Debug, Clone)]
pub struct EuroSat {
    folder: PathBuf,
    kind: ImageKind,
    /// Each image with its class, in the order of their names.
    images: Vec<(PathBuf, usize)>,
    /// The zip, whose entries have the images' names.
    archive: Option<Archive>,
}

/// An open zip, read by one thread at a time.
type Archive = Arc<Mutex<ZipArchive<BufReader<File>>>>;

/// The split: positions of the images of each part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EuroSatSplit {
    parts: [Vec<usize>; 3],
    words: String,
}

impl EuroSatSplit {
    /// The positions of a part.
    pub fn of(&self, part: Part) -> &[usize] {
        &self.parts[part as usize]
    }
}

impl EuroSat {
    /// Finds the images: in folders named after the classes, here or in the one folder below (`EuroSAT/2750`); or in the zip
    /// of either kind as downloaded, which is not unpacked.
    ///
    /// # Errors
    /// A class without a folder, a folder without images, JPEGs next to GeoTIFFs (names the folder), a damaged zip.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        if folder.is_file() {
            return Self::of_zip(folder);
        }
        let folder = holder(folder)?;
        let mut images = Vec::new();
        let mut kind: Option<ImageKind> = None;
        for (class, (name, _)) in CLASSES.iter().enumerate() {
            let of_class = folder.join(name);
            if !of_class.is_dir() {
                return Err(without_class(&folder, name));
            }
            let mut found = Vec::new();
            for entry in fs::read_dir(&of_class).map_err(Error::io(&of_class))? {
                let path = entry.map_err(Error::io(&of_class))?.path();
                let Some(this) = kind_of(&path) else { continue };
                if kind.is_some_and(|kind| kind != this) {
                    return Err(two_kinds(&of_class));
                }
                kind = Some(this);
                found.push(path);
            }
            if found.is_empty() {
                let problem = "no image (.jpg or .tif) in it";
                let advice = "get the data set again: the copy is incomplete";
                return Err(Error::file(&of_class, problem, advice));
            }
            found.sort_by_key(|path| order(path));
            images.extend(found.into_iter().map(|path| (path, class)));
        }
        Ok(Self { folder, kind: kind.unwrap_or(ImageKind::TrueColour), images, archive: None })
    }

    /// The images of a zip, by the folders that its entries name.
    fn of_zip(path: &Path) -> Result<Self> {
        let archive = ZipArchive::new(BufReader::new(File::open(path).map_err(Error::io(path))?));
        let archive = archive.map_err(|error| {
            let problem = format!("not a zip that is complete: {}", on_one_line(&error.to_string()));
            Error::file(path, problem, "give EuroSAT's folder, or get its zip again")
        })?;
        let mut found: [Vec<PathBuf>; CLASSES.len()] = Default::default();
        let (mut holder, mut kind): (Option<PathBuf>, Option<ImageKind>) = (None, None);
        for name in archive.file_names() {
            // A name that is not a text is not one of EuroSAT's.
            let Ok(name) = name else { continue };
            let name = Path::new(&*name);
            let Some(of_class) = name.parent() else { continue };
            let class = CLASSES.iter().position(|(class, _)| of_class.ends_with(class));
            let hidden = name.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            let (Some(class), Some(this), false) = (class, kind_of(name), hidden) else { continue };
            if *kind.get_or_insert(this) != this {
                return Err(two_kinds(path));
            }
            let folder = of_class.parent().unwrap_or(Path::new(""));
            if holder.get_or_insert_with(|| folder.to_owned()) != folder {
                let problem =
                    format!("images in two places, {} and {}", shown(holder.as_deref()), shown(Some(folder)));
                return Err(Error::file(path, problem, "unpack it and give the folder of one"));
            }
            found[class].push(name.to_owned());
        }
        let mut images = Vec::new();
        for (class, mut found) in found.into_iter().enumerate() {
            if found.is_empty() {
                return Err(without_class(path, CLASSES[class].0));
            }
            found.sort_by_key(|path| order(path));
            images.extend(found.into_iter().map(|path| (path, class)));
        }
        let archive = Some(Arc::new(Mutex::new(archive)));
        let kind = kind.unwrap_or(ImageKind::TrueColour);
        Ok(Self { folder: path.to_owned(), kind, images, archive })
    }

    /// The ten classes.
    pub fn classes() -> Classes {
        class_list()
    }

    /// The folder that a class's images lie in; empty for a class that EuroSAT does not have.
    pub fn folder_name(class: usize) -> &'static str {
        CLASSES.get(class).map_or("", |(name, _)| name)
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there is none; never, once it is open.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// What they are.
    pub fn kind(&self) -> ImageKind {
        self.kind
    }

    /// Size, bands and unit: reflectance of 13 bands, or B4, B3, B2 as the JPEGs' bytes.
    pub fn imagery(&self) -> Imagery {
        let (names, unit) = match self.kind {
            ImageKind::TrueColour => (&["B4", "B3", "B2"][..], "digital number"),
            ImageKind::AllBands => (&BANDS[..], "reflectance"),
        };
        let bands = band_list(names);
        Imagery {
            patch_size: SIDE,
            bands,
            ground_sampling_distance: Some(10.0),
            unit: unit.to_owned(),
            sensor: None,
        }
    }

    /// Where the images are from, as the descriptions of the first image of each class state it; a folder that is laid out as
    /// EuroSAT's need not be EuroSAT.
    ///
    /// # Errors
    /// A GeoTIFF that cannot be read.
    pub fn provenance(&self) -> Result<String> {
        let mut stated = Vec::new();
        if self.kind == ImageKind::AllBands {
            // One of each class: 27,000 files take a while to open.
            for class in 0..CLASSES.len() {
                let first = self.images.iter().find(|(_, of)| *of == class);
                let open = |(path, _): &(PathBuf, usize)| match &self.archive {
                    None => GeoTiff::open(path),
                    Some(archive) => self.unpacked(archive, path).and_then(raster_of),
                };
                let raster = first.map(open).transpose()?;
                stated.push(raster.and_then(|raster| raster.description().map(str::to_owned)));
            }
        }
        let stated = provenance::inherited(&stated.iter().map(Option::as_deref).collect::<Vec<_>>());
        Ok(stated.unwrap_or_else(|| format!("{UNKNOWN}: images in the layout of EuroSAT")))
    }

    /// A random split by these shares within each class, with this random seed. Images of EuroSAT touch each other on the ground, so
    /// that a test on such a split is easier than on another place.
    ///
    /// # Errors
    /// A part with a share that gets no image.
    pub fn random_split(&self, shares: Shares, seed: u64) -> Result<EuroSatSplit> {
        let mut parts: [Vec<usize>; 3] = Default::default();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for class in 0..CLASSES.len() {
            let mut of_class: Vec<usize> = (0..self.len()).filter(|&k| self.images[k].1 == class).collect();
            of_class.shuffle(&mut random);
            let mut start = 0;
            let mut share = 0.0;
            for (part, positions) in Part::ALL.into_iter().zip(&mut parts) {
                share += shares.of(part) / 100.0;
                let end = (share * of_class.len() as f64).round() as usize;
                positions.extend(&of_class[start..end.clamp(start, of_class.len())]);
                start = end.clamp(start, of_class.len());
            }
        }
        for (part, positions) in Part::ALL.into_iter().zip(&mut parts) {
            positions.sort_unstable();
            if positions.is_empty() && shares.of(part) > 0.0 {
                let problem = format!("{shares} leaves no image for {part}");
                return Err(Error::file(&self.folder, problem, "choose other shares"));
            }
        }
        Ok(EuroSatSplit { parts, words: format!("split {shares} within each class, seed {seed}") })
    }

    /// The split that three lists give: a line the name of an image (`Forest_12.jpg`, with or without its folder and
    /// ending), for training, validation and testing.
    ///
    /// # Errors
    /// A list that cannot be read or names nothing, a name that is not an image or in a list already (names the line).
    pub fn given_split(&self, lists: [impl AsRef<Path>; 3]) -> Result<EuroSatSplit> {
        let lists = lists.each_ref().map(AsRef::as_ref);
        let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let places: BTreeMap<String, usize> =
            self.images.iter().enumerate().map(|(k, (path, _))| (stem(path), k)).collect();
        let mut taken = vec![false; self.len()];
        let mut parts: [Vec<usize>; 3] = Default::default();
        for (list, positions) in lists.into_iter().zip(&mut parts) {
            let text = read_text(list)?;
            for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
                let refuse = |problem: String| {
                    let place = format!("{}, line {number}", list.display());
                    Error::input(place, problem, "list each image of the folder once at most")
                };
                let Some(&k) = places.get(&stem(Path::new(line.trim()))) else {
                    return Err(refuse(format!("no image '{}' in {}", line.trim(), self.folder.display())));
                };
                if std::mem::replace(&mut taken[k], true) {
                    return Err(refuse(format!("image '{}' is listed already", line.trim())));
                }
                positions.push(k);
            }
            if positions.is_empty() {
                return Err(Error::file(list, "it names no image", "list one a line"));
            }
        }
        let names = lists.map(|list| list.file_name().unwrap_or_default().to_string_lossy().into_owned());
        Ok(EuroSatSplit { parts, words: format!("split given by {}", names.join(", ")) })
    }

    /// Writes the parts as `training.h5`, `validation.h5` and `testing.h5` into a new folder, as all commands read
    /// them; the folder appears whole or not at all. `data` says where the images are from.
    ///
    /// # Errors
    /// A folder that exists, an image that cannot be read or has another size (names it), a full disk.
    pub fn write(
        &self,
        split: &EuroSatSplit,
        folder: impl AsRef<Path>,
        data: &str,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let folder = folder.as_ref();
        check_free(folder)?;
        let partial = Partial::folder(folder)?;
        let provenance = format!("{data}; {}", split.words);
        let layout = Layout::new("patches", self.imagery(), Self::classes(), &provenance);
        progress.begin("reading images", split.parts.iter().map(Vec::len).sum::<usize>() as u64);
        for (part, positions) in Part::ALL.into_iter().zip(&split.parts) {
            if positions.is_empty() {
                continue;
            }
            let mut writer = Writer::create(partial.path().join(format!("{part}.h5")), &layout)?;
            for batch in positions.chunks(BATCH) {
                let images = self.images(batch)?;
                let labels: Vec<usize> = batch.iter().map(|&k| self.images[k].1).collect();
                writer.append(Rows { labels: Some(&labels), ..Rows::new(images.view()) })?;
                progress.advance(batch.len() as u64, "");
            }
            writer.finish()?;
        }
        partial.become_new()?;
        progress.end("");
        Ok(())
    }

    /// The images at these positions. Shape: (n, 64, 64, bands).
    ///
    /// # Errors
    /// An image that cannot be read or has another size (names it).
    pub fn images(&self, positions: &[usize]) -> Result<Array4<f32>> {
        let read = |&k: &usize| match (self.kind, &self.images[k].0) {
            (ImageKind::TrueColour, path) => jpeg(path, &read_bytes(path)?),
            (ImageKind::AllBands, path) => geotiff(&GeoTiff::open(path)?),
        };
        let decode = |(path, bytes): (PathBuf, Vec<u8>)| match self.kind {
            ImageKind::TrueColour => jpeg(&path, &bytes),
            ImageKind::AllBands => geotiff(&raster_of((path, bytes))?),
        };
        let images: Vec<Array3<f32>> = match &self.archive {
            None => positions.par_iter().map(read).collect::<Result<_>>()?,
            Some(archive) => {
                let packed = positions.iter().map(|&k| self.unpacked(archive, &self.images[k].0));
                let packed = packed.collect::<Result<Vec<_>>>()?;
                packed.into_par_iter().map(decode).collect::<Result<_>>()?
            }
        };
        let mut all = Array4::zeros((images.len(), SIDE, SIDE, self.imagery().bands.len()));
        for (mut place, image) in all.outer_iter_mut().zip(&images) {
            place.assign(image);
        }
        Ok(all)
    }

    /// An entry's place, for messages, and its bytes.
    fn unpacked(&self, archive: &Archive, name: &Path) -> Result<(PathBuf, Vec<u8>)> {
        let place = self.folder.join(name);
        let refused = |problem: String| Error::file(&place, problem, "get the zip again: it is damaged");
        let mut archive = archive.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = archive.by_name(&name.to_string_lossy());
        let entry = entry.map_err(|error| refused(on_one_line(&error.to_string())))?;
        let mut bytes = Vec::new();
        entry.take(LARGEST_IMAGE + 1).read_to_end(&mut bytes).map_err(|error| {
            refused(format!("it cannot be unpacked: {}", on_one_line(&error.to_string())))
        })?;
        if bytes.len() as u64 > LARGEST_IMAGE {
            return Err(refused(format!(
                "more than {LARGEST_IMAGE} bytes for an image of {SIDE} x {SIDE} pixels"
            )));
        }
        Ok((place, bytes))
    }
}

/// The refusal of a folder or zip of both kinds of images.
fn two_kinds(place: &Path) -> Error {
    Error::file(place, "JPEGs and GeoTIFFs side by side", "give the folder or the zip of one kind of them")
}

/// The refusal of a folder or zip that lacks a class.
fn without_class(place: &Path, name: &str) -> Error {
    let names = CLASSES.map(|(name, _)| name).join(", ");
    Error::file(place, format!("no folder '{name}'"), format!("EuroSAT has a folder a class: {names}"))
}

/// A folder of a zip, which may be its own.
fn shown(folder: Option<&Path>) -> String {
    let folder = folder.unwrap_or(Path::new("")).display().to_string();
    format!("'{}'", if folder.is_empty() { "." } else { &folder })
}

fn class_list() -> Classes {
    Classes::named(CLASSES.map(|(_, name)| name)).expect("each has a name of its own")
}

fn band_list(names: &[&str]) -> Bands {
    Bands::named(names.iter().copied()).expect("each has a name of its own")
}

/// The folder that holds those of the classes.
fn holder(folder: &Path) -> Result<PathBuf> {
    let mut folder = folder.to_owned();
    // `EuroSAT/2750`, `ds/images/remote_sensing/…/tif`: single folders in each other.
    for _ in 0..8 {
        if folder.join(CLASSES[0].0).is_dir() {
            break;
        }
        let entries = fs::read_dir(&folder).map_err(Error::io(&folder))?;
        let below: Vec<PathBuf> =
            entries.filter_map(|e| e.ok().map(|e| e.path())).filter(|p| p.is_dir()).collect();
        match below.as_slice() {
            [only] => folder.clone_from(only),
            _ => break,
        }
    }
    Ok(folder)
}

fn kind_of(path: &Path) -> Option<ImageKind> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => Some(ImageKind::TrueColour),
        "tif" | "tiff" => Some(ImageKind::AllBands),
        _ => None,
    }
}

/// `Forest_2` before `Forest_10`.
fn order(path: &Path) -> (usize, String) {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let number = stem.rsplit('_').next().and_then(|number| number.parse().ok());
    (number.unwrap_or(usize::MAX), stem)
}

fn check_size(path: &Path, rows: usize, columns: usize) -> Result<()> {
    if (rows, columns) == (SIDE, SIDE) {
        return Ok(());
    }
    let problem = format!("{rows} x {columns} pixels, not {SIDE} x {SIDE}");
    Err(Error::file(path, problem, "give EuroSAT's own images"))
}

/// Red, green and blue, 0–255.
fn jpeg(path: &Path, bytes: &[u8]) -> Result<Array3<f32>> {
    let refuse = |error: &dyn std::fmt::Display| {
        let problem = format!("the JPEG cannot be read ({})", on_one_line(&error.to_string()));
        Error::file(path, problem, "get it again")
    };
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB).set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let pixels = decoder.decode().map_err(|error| refuse(&error))?;
    let Some(info) = decoder.info() else { return Err(refuse(&"no header")) };
    let (rows, columns) = (usize::from(info.height), usize::from(info.width));
    check_size(path, rows, columns)?;
    let values = pixels.into_iter().map(f32::from).collect();
    Array3::from_shape_vec((rows, columns, 3), values).map_err(|_| refuse(&"it has not three colours"))
}

/// A GeoTIFF of a zip.
fn raster_of((path, bytes): (PathBuf, Vec<u8>)) -> Result<GeoTiff> {
    GeoTiff::of_bytes(&path, TiffBytes::of_memory(&path, bytes))
}

/// Reflectances of the 13 bands.
fn geotiff(raster: &GeoTiff) -> Result<Array3<f32>> {
    check_size(raster.path(), raster.grid().rows, raster.grid().columns)?;
    if raster.bands() != BANDS.len() {
        let problem = format!("{} bands, not {}", raster.bands(), BANDS.len());
        return Err(Error::file(raster.path(), problem, "give EuroSAT's images of all bands, or its JPEGs"));
    }
    let mut pixels = raster.read(&Window::whole(raster.grid()), None)?;
    for (mut band, tags) in pixels.outer_iter_mut().zip(raster.tags()) {
        if tags.converts() {
            let scaling = tags.scaling();
            band.mapv_inplace(|value| scaling.pixel(value));
        } else if raster.is_integer() {
            band.mapv_inplace(|value| value / QUANTIFICATION);
        }
    }
    // In the order of the descriptions where these name all bands: some copies have B8A next to B8.
    let named: Option<Vec<usize>> = BANDS.iter().map(|band| stated(raster, band)).collect();
    if let Some(order) = named {
        pixels = pixels.select(Axis(0), &order);
    }
    Ok(pixels.permuted_axes([1, 2, 0]))
}

/// The place of a band that one description alone names.
fn stated(raster: &GeoTiff, band: &str) -> Option<usize> {
    let names = raster.tags().iter().map(|tags| tags.name.as_deref().and_then(band_in));
    let mut places = names.enumerate().filter(|(_, name)| name.as_deref() == Some(band)).map(|(k, _)| k);
    places.next().filter(|_| places.next().is_none())
}
