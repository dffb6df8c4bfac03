//! Landsat products of Collection 2, Level 2, as they are downloaded: a folder or a tar.
//!
//! A product is a GeoTIFF per band and texts (USGS, *Landsat 8-9 Collection 2 Level 2 Science Product Guide*, LSDS-1619):
//!
//! ```text
//! LC08_L2SP_193027_20230715_20230724_02_T1_MTL.txt       what its numbers mean, also as .xml
//! LC08_L2SP_193027_20230715_20230724_02_T1_SR_B1.TIF     reflectance at the ground
//! LC08_L2SP_193027_20230715_20230724_02_T1_QA_PIXEL.TIF  clouds, as bits
//! ```
//!
//! A pixel's reflectance is 2.75e-5 · DN − 0.2; `REFLECTANCE_MULT_BAND_n` and `REFLECTANCE_ADD_BAND_n` of the MTL say so. 0 means
//! no data. Temperatures (`ST_…`) are left out.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::names::{band_in, is_temperature};
use super::tiff_bytes::TiffBytes;
use super::{BandTags, GeoTiff, Raster, Scene, tar, xml};
use crate::data::reflectance::REFLECTANCE;
use crate::files::read_text;
use crate::{Bands, Error, Result, Sensor};

/// Scale and offset where no MTL states them.
const SCALING: [f64; 2] = [2.75e-5, -0.2];
/// Bytes of an MTL at most: some 15,000 are usual.
const LONGEST_MTL: u64 = 1 << 24;
/// The group of the MTL whose scale and offset are those of Level 2; Level 1's has the same keys.
const GROUP: &str = "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS";
const GIVE: &str = "give the folder or the .tar of a Landsat Collection 2 Level 2 product, as downloaded";

/// A Landsat product of Collection 2, Level 2.
#[derive(Debug, Clone, Serialize)]
pub struct Landsat {
    /// Its name, such as `LC08_L2SP_193027_20230715_20230724_02_T1`.
    pub name: String,
    /// What it was seen by.
    pub sensor: Sensor,
    /// What the MTL states, if there is one: `real: Landsat 8 L2SP, path 193, row 27, 2023-07-15`.
    pub provenance: Option<String>,
    /// Whether scale and offset are those of an MTL, else the ones documented.
    pub has_metadata: bool,
    #[serde(skip)]
    bands: Vec<(String, GeoTiff)>,
    #[serde(skip)]
    quality: Option<GeoTiff>,
}

impl Landsat {
    /// Whether there is such a product at this path, or what looks like one: a tar, or a folder of images of Level 2.
    pub fn is_at(path: impl AsRef<Path>) -> bool {
        let path = path.as_ref();
        let ending = |ending: &str| path.extension().is_some_and(|of| of.eq_ignore_ascii_case(ending));
        if path.is_file() {
            return ending("tar");
        }
        let entries = std::fs::read_dir(path).into_iter().flatten().filter_map(std::io::Result::ok);
        entries.into_iter().any(|entry| entry.file_name().to_str().and_then(part_of).is_some())
    }

    /// Reads the headers of a product's images, and its MTL.
    ///
    /// # Errors
    /// No product or parts of several, an image or an MTL that cannot be read; each names the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let files = Files::list(path)?;
        let mut names: Vec<&str> = files.names().filter_map(part_of).map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        let name = match names.as_slice() {
            [name] => (*name).to_owned(),
            [] => return Err(Error::file(path, "no …_L2SP_…_SR_B….TIF in it", GIVE)),
            [first, second, ..] => {
                let problem = format!("{first} and {second}: one product is expected");
                return Err(Error::file(path, problem, GIVE));
            }
        };
        let Some(sensor) = Sensor::from_file_name(Path::new(&name)) else {
            return Err(Error::file(path, format!("{name} is of no Landsat that is read"), GIVE));
        };
        let metadata = files.metadata(&name)?;
        let provenance = metadata.as_ref().and_then(Metadata::provenance);
        let mut bands = Vec::new();
        for (file, band) in files.names().filter_map(|file| Some((file, part_of(file)?.1))) {
            let band = format!("B{band}");
            let [scale, offset] = match &metadata {
                Some(metadata) => metadata.scaling(&band)?,
                None => SCALING,
            };
            let tags = BandTags {
                name: Some(band.clone()),
                scale: Some(scale),
                offset: Some(offset),
                unit: Some(REFLECTANCE.to_owned()),
            };
            let image = files.geotiff(file)?;
            image.check_single("reflectance")?;
            let no_data = image.no_data().or(Some(0.0));
            bands.push((band, image.of_product(tags, provenance.clone(), no_data)));
        }
        bands.sort_by(|a, b| a.0.cmp(&b.0));
        let hot: Vec<String> = files
            .names()
            .filter_map(|file| band_in(file.split('.').next()?).filter(|band| is_temperature(band)))
            .collect();
        if !hot.is_empty() {
            let hot = hot.join(", ");
            tracing::warn!(
                "{name}: left out: surface temperature ({hot}), which the bands of a model do not include"
            );
        }
        let quality = files.names().find(|file| file.eq_ignore_ascii_case(&format!("{name}_QA_PIXEL.TIF")));
        let quality = quality.map(|file| files.geotiff(file)).transpose()?;
        Ok(Self { name, sensor, provenance, has_metadata: metadata.is_some(), bands, quality })
    }

    /// Its bands as a scene, with `QA_PIXEL` as scene classes.
    ///
    /// # Errors
    /// Two images of one band.
    pub fn scene(&self) -> Result<Scene> {
        let names = Bands::named(self.bands.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())?;
        let files = self.bands.iter().map(|(_, file)| Raster::from(file.clone())).collect();
        let classes = self.quality.clone().map(Raster::QualityBits);
        Ok(Scene::of_product(files, names, classes, (self.name.clone(), self.sensor)))
    }
}

/// The product and the number of the band that an image is of: `LC08_…_T1_SR_B4.TIF`.
fn part_of(file: &str) -> Option<(&str, u32)> {
    let (name, band) =
        file.strip_suffix(".TIF").or_else(|| file.strip_suffix(".tif"))?.rsplit_once("_SR_B")?;
    let level = name.split('_').nth(1)?;
    Some((name, band.parse().ok().filter(|_| matches!(level, "L2SP" | "L2SR"))?))
}

/// The scene class of Sentinel-2 that says the same as a value of `QA_PIXEL`: bit 0 fill, 1 dilated cloud, 2 cirrus,
/// 3 cloud, 4 cloud shadow, 5 snow, 7 water.
pub(super) fn scene_class(quality: f32) -> f32 {
    // As `u32`, a value that is not finite or below 0 is 0.
    let bits = quality as u32;
    let is = |bit: u32| bits >> bit & 1 == 1;
    let classes = [(0, 0.0), (3, 9.0), (1, 8.0), (2, 10.0), (4, 3.0), (5, 11.0), (7, 6.0)];
    // A file that is not of a product fills with 0.
    let other = if bits == 0 { 0.0 } else { 7.0 };
    classes.iter().find(|(bit, _)| is(*bit)).map_or(other, |(_, class)| *class)
}

/// What the MTL states: group, key and value.
struct Metadata {
    place: PathBuf,
    values: Vec<(String, String, String)>,
}

impl Metadata {
    /// Lines `KEY = VALUE` within `GROUP = NAME` and `END_GROUP = NAME`.
    fn of_text(place: PathBuf, text: &str) -> Self {
        let (mut groups, mut values) = (Vec::new(), Vec::new());
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let (key, value) = (key.trim(), value.trim().trim_matches('"'));
            match key {
                "GROUP" => groups.push(value.to_owned()),
                "END_GROUP" => drop(groups.pop()),
                _ => values.push((
                    groups.last().cloned().unwrap_or_default(),
                    key.to_owned(),
                    value.to_owned(),
                )),
            }
        }
        Self { place, values }
    }

    /// Elements of one text within elements of groups.
    fn of_xml(place: PathBuf, text: &str) -> Result<Self> {
        let document = xml::parse(&place, text)?;
        let values = document.descendants().filter_map(|node| {
            let (group, value) = (node.parent_element()?, node.text()?.trim());
            let (group, key) = (group.tag_name().name().to_owned(), node.tag_name().name().to_owned());
            (node.is_element() && !value.is_empty()).then(|| (group, key, value.to_owned()))
        });
        let values = values.collect();
        Ok(Self { place, values })
    }

    fn first(&self, key: &str) -> Option<&str> {
        self.values.iter().find(|(_, of, _)| of == key).map(|(_, _, value)| value.as_str())
    }

    /// Scale and offset of a band.
    fn scaling(&self, band: &str) -> Result<[f64; 2]> {
        let number = |what: &str| {
            let key = format!("REFLECTANCE_{what}_BAND_{}", &band[1..]);
            let stated = self.values.iter().find(|(group, of, _)| group == GROUP && *of == key);
            let number =
                stated.and_then(|(_, _, value)| value.parse().ok()).filter(|value: &f64| value.is_finite());
            number.ok_or_else(|| {
                let problem = format!("no number {key} in {GROUP}");
                Error::file(&self.place, problem, "download the product again")
            })
        };
        Ok([number("MULT")?, number("ADD")?])
    }

    fn provenance(&self) -> Option<String> {
        let satellite = self.first("SPACECRAFT_ID")?.to_ascii_uppercase();
        let number = satellite.strip_prefix("LANDSAT_")?;
        let [level, path, row, date] =
            ["PROCESSING_LEVEL", "WRS_PATH", "WRS_ROW", "DATE_ACQUIRED"].map(|key| self.first(key));
        let (path, row) = (path?.trim_start_matches('0'), row?.trim_start_matches('0'));
        Some(format!("real: Landsat {number} {}, path {path}, row {row}, {}", level?, date?))
    }
}

/// The files of a product.
struct Files {
    path: PathBuf,
    entries: Vec<(String, TiffBytes)>,
    archive: bool,
}

impl Files {
    fn list(path: &Path) -> Result<Self> {
        let (path, mut entries) = (path.to_owned(), Vec::new());
        let archive = path.is_file();
        if archive {
            for (name, bytes) in tar::files(&path)? {
                let name = name.rsplit('/').next().unwrap_or_default().to_owned();
                entries.push((name, TiffBytes { file: path.clone(), bytes, unpacked: None }));
            }
        } else {
            for entry in std::fs::read_dir(&path).map_err(Error::io(&path))? {
                let file = entry.map_err(Error::io(&path))?.path();
                let Some(name) = file.file_name().and_then(|name| name.to_str()) else { continue };
                if file.is_file() {
                    entries.push((name.to_owned(), TiffBytes::of_file(&file).map_err(Error::io(&file))?));
                }
            }
        }
        Ok(Self { path, entries, archive })
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    fn bytes(&self, name: &str) -> Option<&TiffBytes> {
        self.entries.iter().find(|(of, _)| of == name).map(|(_, bytes)| bytes)
    }

    fn geotiff(&self, name: &str) -> Result<GeoTiff> {
        let place = self.path.join(name);
        let missing = || Error::file(&place, "this part of the product is missing", GIVE);
        GeoTiff::of_bytes(&place, self.bytes(name).ok_or_else(missing)?.clone())
    }

    /// The MTL, as text or as XML.
    fn metadata(&self, product: &str) -> Result<Option<Metadata>> {
        for ending in ["txt", "xml"] {
            let name = format!("{product}_MTL.{ending}");
            let Some(TiffBytes { file, bytes, .. }) = self.bytes(&name) else { continue };
            let place = self.path.join(&name);
            let text = if self.archive {
                let bytes = tar::bytes(file, bytes, LONGEST_MTL).map_err(Error::io(&place))?;
                String::from_utf8(bytes)
                    .map_err(|_| Error::file(&place, "not a text in UTF-8", "download the product again"))?
            } else {
                read_text(&place)?
            };
            return match ending {
                "txt" => Ok(Some(Metadata::of_text(place, &text))),
                _ => Metadata::of_xml(place, &text).map(Some),
            };
        }
        Ok(None)
    }
}
