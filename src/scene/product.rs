//! Sentinel-2 products as they are downloaded: level 1C and 2A, as a `.SAFE` folder or its zip.
//!
//! A product is a folder of XML and JPEG 2000 images (ESA, *Sentinel-2 Products Specification Document*):
//!
//! ```text
//! S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419.SAFE
//!   MTD_MSIL2A.xml                    what its numbers mean
//!   GRANULE/L2A_T33NZA_A036000_…/
//!     MTD_TL.xml                      where its pixels lie
//!     IMG_DATA/R10m/T33NZA_20220706T085611_B02_10m.jp2, …
//! ```
//!
//! Products of 2015 and 2016 have other names (`S2A_OPER_PRD_MSIL1C_….SAFE`, `S2A_OPER_MTD_SAFL1C_….xml`) and several
//! tiles each, of which the folder `GRANULE/…` of one is given.
//!
//! A pixel's reflectance is (DN + offset) / quantification value. The offset of each band, −1000, is there since
//! processing baseline 04.00 (25 January 2022): `BOA_ADD_OFFSET` of level 2A, `RADIO_ADD_OFFSET` of level 1C.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Axis;
use roxmltree::{Document, Node};
use serde::Serialize;
use zip::{CompressionMethod, ZipArchive};

use super::band_tags::BandTags;
use super::bands::Scene;
use super::clouds::CloudFilter;
use super::crs::Crs;
use super::grid::{Grid, Transform, Window};
use super::jpeg2000::{Bytes, GET_AGAIN, Jpeg2000};
use super::raster::Raster;
use super::xml;
use crate::error::on_one_line;
use crate::{Bands, Error, Result};

/// The bands in the order of their ids in the XML: name, name in files, metres at best.
const BANDS: [(&str, &str, u32); 13] = [
    ("B1", "B01", 60),
    ("B2", "B02", 10),
    ("B3", "B03", 10),
    ("B4", "B04", 10),
    ("B5", "B05", 20),
    ("B6", "B06", 20),
    ("B7", "B07", 20),
    ("B8", "B08", 10),
    ("B8A", "B8A", 20),
    ("B9", "B09", 60),
    ("B10", "B10", 60),
    ("B11", "B11", 20),
    ("B12", "B12", 20),
];
/// The name of the scene classes in files.
const SCENE_CLASSES: &str = "SCL";
/// Bytes of an XML file and of an image at most: a product's have some 5 and 150 megabytes.
const LARGEST_XML: u64 = 64 << 20;
const LARGEST_IMAGE: u64 = 1 << 30;
/// Files of a product at most, and folders in each other.
const MOST_FILES: usize = 100_000;
const DEEPEST: usize = 6;
/// What to give.
const GIVE: &str =
    "give the folder ….SAFE of a Sentinel-2 product of level 1C or 2A, or its zip, as downloaded";

/// A Sentinel-2 product.
#[derive(Debug, Clone, Serialize)]
pub struct Product {
    /// Its name: that of the folder when it was made.
    pub name: String,
    /// `Sentinel-2A`, ….
    pub satellite: String,
    /// `L1C`: reflectance at the top of the atmosphere; `L2A`: at the ground.
    pub level: String,
    /// Processing baseline, such as `N0400`.
    pub baseline: String,
    /// Tile of the military grid, such as `T33NZA`.
    pub tile: String,
    /// Day on which it was seen, such as `2022-07-06`.
    pub date: String,
    /// Coordinate system.
    pub crs: String,
    /// The value of pixels without data.
    pub no_data: f64,
    /// The value of saturated pixels, which count as no data.
    pub saturated: f64,
    /// Share of clouds over the whole tile in percent, as the XML says.
    pub cloud_percent: Option<f64>,
    /// Its bands, each at its best resolution, in the order of their wavelengths.
    pub bands: Vec<ProductBand>,
    /// The scene classes at each resolution, the finest first; level 2A only.
    #[serde(skip)]
    scene_classes: Vec<ProductBand>,
    #[serde(skip)]
    files: Arc<Files>,
}

/// A band of a product, at its best resolution.
#[derive(Debug, Clone, Serialize)]
pub struct ProductBand {
    /// `B1`, …, `B8A`, ….
    pub name: String,
    /// Metres per pixel.
    pub metres: u32,
    /// Rows and columns.
    pub size: [usize; 2],
    /// A pixel is `scale` · value in the file + `offset`.
    pub scale: f64,
    /// See `scale`.
    pub offset: f64,
    /// The image within the product.
    pub file: String,
    /// Whether the image is there.
    pub present: bool,
    #[serde(skip)]
    grid: Grid,
}

/// What scene classes say of a whole product.
#[derive(Debug, Clone, Serialize)]
pub struct ProductShares {
    /// Share of the tile without data.
    pub no_data: f64,
    /// Share of the pixels with data under clouds and their shadows.
    pub clouds: f64,
}

impl Product {
    /// Whether there is a product at this path, or what looks like one.
    pub fn is_at(path: &Path) -> bool {
        path.extension().is_some_and(|ending| ending == "SAFE") || Files::locate(path).is_some()
    }

    /// Reads the XML of a product: its folder, with or without `.SAFE`, its zip, its XML, or the folder of one of its
    /// tiles (`GRANULE/…`).
    ///
    /// # Errors
    /// No product, a part that is missing, several tiles, or XML without one of its values; each names the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let Some(at) = Files::locate(path) else {
            if !path.exists() {
                return Err(Error::io(path)(io::ErrorKind::NotFound.into()));
            }
            return Err(Error::file(
                path,
                "no Sentinel-2 product: MTD_MSIL1C.xml or MTD_MSIL2A.xml is missing",
                GIVE,
            ));
        };
        let files = Files::list(at)?;
        let main = files.only("its XML, MTD_MSIL1C.xml or MTD_MSIL2A.xml,", is_main)?;
        let granule = files.granule()? + "/";
        let tile_xml = files.only(&format!("{granule}MTD_TL.xml"), |name| {
            name.strip_prefix(&granule).is_some_and(is_tile_xml)
        })?;
        let text = files.text(&main)?;
        let xml = Xml::of(&text, files.shown(&main))?;
        let root = xml.document.root_element();
        let level = match root.tag_name().name() {
            "Level-1C_User_Product" => "L1C",
            "Level-2A_User_Product" => "L2A",
            other => return Err(Error::file(&xml.place, format!("'{other}' is not read"), GIVE)),
        };
        let given = files.root_name();
        let name = xml.first(&["PRODUCT_URI", "PRODUCT_URI_2A", "PRODUCT_URI_1C"]).unwrap_or(given);
        let name = name.strip_suffix(".SAFE").unwrap_or(name).to_owned();
        let satellite = match name.as_bytes() {
            [b'S', b'2', letter @ b'A'..=b'Z', b'_', ..] => format!("Sentinel-2{}", *letter as char),
            _ => xml.wanted(&["SPACECRAFT_NAME"])?.to_owned(),
        };
        let baseline = xml.wanted(&["PROCESSING_BASELINE"])?;
        let date = xml.wanted(&["PRODUCT_START_TIME", "DATATAKE_SENSING_START"])?;
        let Some(date) = date.get(..10).filter(|date| date.bytes().filter(|&b| b == b'-').count() == 2)
        else {
            return Err(xml.refuse(format!("'{date}' is not a time")));
        };
        let tile = granule.split(['/', '_']).find(|part| is_tile(part));
        let Some(tile) = tile.or_else(|| name.split('_').find(|part| is_tile(part))) else {
            let problem = format!("{granule} does not name a tile, such as T33NZA");
            return Err(Error::file(files.root(), problem, GET_AGAIN));
        };
        let special = |wanted: &str, usual: f64| -> Result<f64> {
            let values =
                xml.all("Special_Values").find(|values| child(*values, "SPECIAL_VALUE_TEXT") == Some(wanted));
            let index = values.and_then(|values| child(values, "SPECIAL_VALUE_INDEX"));
            index.map_or(Ok(usual), |text| xml.number(text))
        };
        let calibration = Calibration::of(&xml, level)?;
        let tile_text = files.text(&tile_xml)?;
        let grids = Grids::of(&Xml::of(&tile_text, files.shown(&tile_xml))?)?;
        let (bands, scene_classes) = images(&xml, &files, &granule, &grids, &calibration)?;
        let cloud_percent = xml.first(&["Cloud_Coverage_Assessment"]).and_then(|text| text.parse().ok());
        Ok(Self {
            satellite,
            level: level.to_owned(),
            baseline: format!("N{}", baseline.replace('.', "")),
            tile: tile.to_owned(),
            date: date.to_owned(),
            crs: grids.crs.to_string(),
            no_data: special("NODATA", 0.0)?,
            saturated: special("SATURATED", 65_535.0)?,
            cloud_percent,
            bands,
            scene_classes,
            name,
            files: Arc::new(files),
        })
    }

    /// Where it is from, as figures state it: `real: Sentinel-2A L2A N0400, tile T33NZA, 2022-07-06`.
    pub fn provenance(&self) -> String {
        let Self { satellite, level, baseline, tile, date, .. } = self;
        format!("real: {satellite} {level} {baseline}, tile {tile}, {date}")
    }

    /// The folder or archive.
    pub fn path(&self) -> &Path {
        self.files.root()
    }

    /// Its bands as a scene, with the scene classes of level 2A.
    ///
    /// # Errors
    /// None today: images are opened when pixels are read.
    pub fn scene(&self) -> Result<Scene> {
        let raster = |band: &ProductBand| self.raster(band);
        let names = Bands::named(self.bands.iter().map(|band| band.name.clone()).collect::<Vec<_>>())?;
        let files = self.bands.iter().map(raster).collect();
        Ok(Scene::of_product(files, names, self.scene_classes().map(raster), self.name.clone()))
    }

    /// The finest scene classes.
    fn scene_classes(&self) -> Option<&ProductBand> {
        self.scene_classes.first()
    }

    /// The shares of no data and of clouds, from the coarsest scene classes; `None` of level 1C.
    ///
    /// # Errors
    /// An image that cannot be read.
    pub fn shares(&self, clouds: &CloudFilter) -> Result<Option<ProductShares>> {
        let Some(band) = self.scene_classes.iter().rev().find(|band| band.present) else { return Ok(None) };
        let raster = self.raster(band);
        let values = raster.read(&Window::whole(raster.grid()), raster.no_data())?;
        let values = values.index_axis(Axis(0), 0);
        let with_data = values.iter().filter(|value| !value.is_nan()).count();
        let hidden =
            values.iter().filter(|value| clouds.hidden.contains(&(**value as u8)) && !value.is_nan()).count();
        Ok(Some(ProductShares {
            no_data: 1.0 - with_data as f64 / values.len() as f64,
            clouds: hidden as f64 / with_data.max(1) as f64,
        }))
    }

    fn raster(&self, band: &ProductBand) -> Raster {
        let classes = band.name == SCENE_CLASSES;
        let (files, name) = (self.files.clone(), band.file.clone());
        let open = move || files.open(&name);
        let special = (if classes { 0.0 } else { self.no_data }, (!classes).then_some(self.saturated));
        let tags = BandTags {
            name: Some(band.name.clone()),
            scale: (!classes).then_some(band.scale),
            offset: (!classes).then_some(band.offset),
            unit: (!classes).then(|| "reflectance".to_owned()),
        };
        let place = self.files.shown(&band.file);
        Raster::Jpeg2000(Jpeg2000::new(
            place,
            (band.grid.clone(), tags, self.provenance()),
            special,
            Box::new(open),
        ))
    }
}

/// How the numbers of each band become reflectance.
struct Calibration {
    quantification: f64,
    /// The element of the offsets.
    element: &'static str,
    /// By band; empty where the XML has none.
    offsets: BTreeMap<&'static str, f64>,
}

impl Calibration {
    fn of(xml: &Xml<'_>, level: &str) -> Result<Self> {
        let (quantification, element) = match level {
            "L1C" => ("QUANTIFICATION_VALUE", "RADIO_ADD_OFFSET"),
            _ => ("BOA_QUANTIFICATION_VALUE", "BOA_ADD_OFFSET"),
        };
        let quantification = xml.number(xml.wanted(&[quantification, "L2A_BOA_QUANTIFICATION_VALUE"])?)?;
        if quantification <= 0.0 {
            return Err(xml.refuse(format!("quantification value {quantification}")));
        }
        let mut offsets = BTreeMap::new();
        for offset in xml.all(element) {
            let id = offset.attribute("band_id");
            let known = id.and_then(|id| id.parse::<usize>().ok()).and_then(|id| BANDS.get(id));
            let Some((band, ..)) = known else {
                return Err(xml.refuse(format!("{element} of no known band ({id:?})")));
            };
            offsets.insert(*band, xml.number(offset.text().unwrap_or_default().trim())?);
        }
        Ok(Self { quantification, element, offsets })
    }

    /// Scale and offset of a band.
    fn of_band(&self, name: &str, xml: &Xml<'_>) -> Result<[f64; 2]> {
        let offset = match self.offsets.get(name) {
            Some(offset) => *offset,
            None if self.offsets.is_empty() => 0.0,
            None => return Err(xml.refuse(format!("{} of band {name} is missing", self.element))),
        };
        Ok([1.0, offset].map(|value| value / self.quantification))
    }
}

/// Of each band, the finest image that is listed or there; and all scene classes, the finest first.
fn images(
    xml: &Xml<'_>,
    files: &Files,
    granule: &str,
    grids: &Grids,
    calibration: &Calibration,
) -> Result<(Vec<ProductBand>, Vec<ProductBand>)> {
    let lists = ["IMAGE_FILE", "IMAGE_ID", "IMAGE_FILE_2A", "IMAGE_ID_2A"];
    let listed = xml.document.descendants().filter(|node| lists.contains(&node.tag_name().name()));
    let listed = listed.filter_map(|node| node.text()).map(|name| format!("{}.jp2", name.trim()));
    let listed = listed.filter(|name| name.starts_with(granule)).collect::<Vec<_>>();
    let found = files.names().filter(|name| name.starts_with(granule) && name.contains("/IMG_DATA/"));
    let (mut bands, mut scene_classes) = (Vec::<ProductBand>::new(), Vec::<ProductBand>::new());
    for file in found.chain(listed.iter().map(String::as_str)) {
        let Some((name, metres)) = band_of(file) else { continue };
        let classes = name == SCENE_CLASSES;
        let [scale, offset] = if classes { [1.0, 0.0] } else { calibration.of_band(name, xml)? };
        let grid = grids.at(metres)?;
        let size = [grid.rows, grid.columns];
        let (name, file, present) = (name.to_owned(), file.to_owned(), files.has(file));
        let band = ProductBand { name, metres, size, scale, offset, file, present, grid };
        if classes {
            scene_classes.push(band);
        } else if let Some(known) = bands.iter_mut().find(|known| known.name == band.name) {
            if band.metres < known.metres {
                *known = band;
            }
        } else {
            bands.push(band);
        }
    }
    if bands.is_empty() {
        let problem = format!("{granule}IMG_DATA has no images of bands");
        return Err(Error::file(files.root(), problem, GET_AGAIN));
    }
    bands.sort_by_key(|band| BANDS.iter().position(|(name, ..)| *name == band.name));
    scene_classes.sort_by_key(|band| (band.metres, !band.present));
    Ok((bands, scene_classes))
}

/// The band that an image is of, and its metres per pixel: `…_B02_10m.jp2`, `…_B02.jp2`.
fn band_of(file: &str) -> Option<(&'static str, u32)> {
    let stem = Path::new(file).file_name()?.to_str()?.strip_suffix(".jp2")?;
    let mut parts: Vec<&str> = stem.split('_').collect();
    let metres = parts.last().and_then(|part| part.strip_suffix('m')).and_then(|metres| metres.parse().ok());
    if metres.is_some() {
        parts.pop();
    }
    // Early scene classes: S2A_USER_SCL_L2A_TL_….
    if parts.contains(&SCENE_CLASSES) {
        return Some((SCENE_CLASSES, metres.unwrap_or(20)));
    }
    let (name, _, best) = BANDS.iter().find(|(_, in_files, _)| parts.last() == Some(in_files))?;
    Some((name, metres.unwrap_or(*best)))
}

fn is_xml(name: &str) -> bool {
    !name.contains('/') && Path::new(name).extension().is_some_and(|ending| ending == "xml")
}

fn is_main(name: &str) -> bool {
    let xml = is_xml(name);
    xml && (name.starts_with("MTD_MSIL") || name.contains("_MTD_SAFL"))
}

fn is_tile_xml(name: &str) -> bool {
    let xml = is_xml(name);
    xml && (name == "MTD_TL.xml" || name.contains("_MTD_L1C_TL_") || name.contains("_MTD_L2A_TL_"))
}

/// Whether this names a tile: T, zone, three letters.
fn is_tile(part: &str) -> bool {
    let [b'T', zone @ ..] = part.as_bytes() else { return false };
    zone.len() == 5
        && zone[..2].iter().all(u8::is_ascii_digit)
        && zone[2..].iter().all(u8::is_ascii_uppercase)
}

/// The grids of a tile, by metres per pixel.
struct Grids {
    crs: Crs,
    of_metres: Vec<(u32, Grid)>,
    place: PathBuf,
}

impl Grids {
    fn of(xml: &Xml<'_>) -> Result<Self> {
        let crs =
            xml.wanted(&["HORIZONTAL_CS_CODE"])?.parse::<Crs>().map_err(|error| error.within(&xml.place))?;
        let mut of_metres = Vec::new();
        for size in xml.all("Size") {
            let at = |node: &Node<'_, '_>| {
                node.attribute("resolution").and_then(|metres| metres.parse::<u32>().ok())
            };
            let Some(metres) = at(&size) else { continue };
            let Some(position) = xml.all("Geoposition").find(|node| at(node) == Some(metres)) else {
                continue;
            };
            let number = |node: Node<'_, '_>, name: &str| match child(node, name) {
                Some(text) => xml.number(text),
                None => Err(xml.refuse(format!("{name} of {metres} m is missing"))),
            };
            let of = |name: &str| number(position, name);
            let transform = Transform([of("ULX")?, of("XDIM")?, 0.0, of("ULY")?, 0.0, of("YDIM")?]);
            let [rows, columns] = [number(size, "NROWS")?, number(size, "NCOLS")?];
            if !transform.is_invertible() || !(1.0..1e6).contains(&rows) || !(1.0..1e6).contains(&columns) {
                return Err(xml.refuse(format!("{rows} x {columns} pixels of {metres} m")));
            }
            let (rows, columns) = (rows as usize, columns as usize);
            of_metres.push((metres, Grid { rows, columns, transform: Some(transform), crs: crs.clone() }));
        }
        Ok(Self { crs, of_metres, place: xml.place.clone() })
    }

    fn at(&self, metres: u32) -> Result<Grid> {
        let grid = self.of_metres.iter().find(|(of, _)| *of == metres);
        grid.map(|(_, grid)| grid.clone()).ok_or_else(|| {
            Error::file(
                &self.place,
                format!("size and position of pixels of {metres} m are missing"),
                GET_AGAIN,
            )
        })
    }
}

/// An XML file.
struct Xml<'a> {
    document: Document<'a>,
    place: PathBuf,
}

impl<'a> Xml<'a> {
    fn of(text: &'a str, place: PathBuf) -> Result<Self> {
        Ok(Self { document: xml::parse(&place, text)?, place })
    }

    fn all<'b>(&'b self, name: &'b str) -> impl Iterator<Item = Node<'b, 'a>> {
        self.document.descendants().filter(move |node| node.tag_name().name() == name)
    }

    /// The text of the first element of one of these names, in their order.
    fn first(&self, names: &[&str]) -> Option<&str> {
        let named = |name| self.document.descendants().find(move |node| node.tag_name().name() == name);
        let text = names.iter().find_map(|name| named(*name)?.text()).map(str::trim);
        text.filter(|text| !text.is_empty())
    }

    fn wanted(&self, names: &[&str]) -> Result<&str> {
        self.first(names).ok_or_else(|| self.refuse(format!("{} is missing", names[0])))
    }

    fn number(&self, text: &str) -> Result<f64> {
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| self.refuse(format!("'{text}' is not a number")))
    }

    fn refuse(&self, problem: String) -> Error {
        Error::file(&self.place, problem, GET_AGAIN)
    }
}

/// The text of a child of this name.
fn child<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.children().find(|child| child.tag_name().name() == name)?.text().map(str::trim)
}

/// Where a product is: a folder, or a folder within an archive; and the tile that is asked for.
#[derive(Debug)]
struct Place {
    /// The folder or the archive.
    path: PathBuf,
    zipped: bool,
    granule: Option<String>,
}

/// The files of a product.
#[derive(Debug)]
struct Files {
    place: Place,
    /// The path in an archive before the names.
    prefix: String,
    /// Paths within the product, with their number in an archive.
    names: BTreeMap<String, usize>,
}

impl Files {
    /// The product that a path means.
    fn locate(path: &Path) -> Option<Place> {
        let here = |path: &Path| Place { path: path.to_owned(), zipped: false, granule: None };
        let name = path.file_name()?.to_string_lossy().into_owned();
        if path.is_file() {
            if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip")) {
                return Some(Place { zipped: true, ..here(path) });
            }
            return is_main(&name).then(|| here(path.parent().unwrap_or(Path::new("."))));
        }
        if path.is_dir() {
            if holds_main(path) {
                return Some(here(path));
            }
            // As some programs unpack: a folder around the folder.
            let inner = std::fs::read_dir(path).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
            let inner: Vec<PathBuf> = inner
                .filter(|path| path.extension().is_some_and(|ending| ending == "SAFE") && holds_main(path))
                .collect();
            if let [inner] = inner.as_slice() {
                return Some(here(inner));
            }
            let root = path.parent().filter(|parent| parent.ends_with("GRANULE"))?.parent()?;
            let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
            // A folder that is called a product without its XML is one that lacks it.
            return holds_main(root).then(|| Place { granule: Some(name), ..here(root) });
        }
        ["SAFE", "zip"].iter().find_map(|ending| {
            let other = path.with_file_name(format!("{name}.{ending}"));
            if other.exists() { Self::locate(&other) } else { None }
        })
    }

    fn list(place: Place) -> Result<Self> {
        let mut files = Self { place, prefix: String::new(), names: BTreeMap::new() };
        if files.place.zipped {
            files.list_archive()?;
        } else {
            let root = files.place.path.clone();
            files.list_folder(&root, "", 0)?;
        }
        Ok(files)
    }

    fn list_folder(&mut self, folder: &Path, before: &str, depth: usize) -> Result<()> {
        for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
            let entry = entry.map_err(Error::io(folder))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let (path, name) = (entry.path(), format!("{before}{name}"));
            if path.is_dir() {
                if depth < DEEPEST {
                    self.list_folder(&path, &format!("{name}/"), depth + 1)?;
                }
            } else if self.names.len() < MOST_FILES {
                self.names.insert(name, 0);
            }
        }
        Ok(())
    }

    fn list_archive(&mut self) -> Result<()> {
        let archive = self.archive()?;
        let names: Vec<(usize, String)> = (0..archive.len().min(MOST_FILES))
            .filter_map(|k| Some((k, archive.name_for_index(k)?.ok()?.replace('\\', "/"))))
            .filter(|(_, name)| !name.ends_with('/'))
            .collect();
        let split = |name: &str| name.rfind('/').map_or(0, |at| at + 1);
        let main = names.iter().filter(|(_, name)| is_main(&name[split(name)..]));
        let Some((_, main)) = main.min_by_key(|(_, name)| name.matches('/').count()) else {
            let problem = "no Sentinel-2 product: MTD_MSIL1C.xml or MTD_MSIL2A.xml is missing in it";
            return Err(Error::file(&self.place.path, problem, GIVE));
        };
        main[..split(main)].clone_into(&mut self.prefix);
        let within =
            names.iter().filter_map(|(k, name)| Some((name.strip_prefix(&self.prefix)?.to_owned(), *k)));
        self.names = within.collect();
        Ok(())
    }

    fn archive(&self) -> Result<ZipArchive<File>> {
        let path = &self.place.path;
        let file = File::open(path).map_err(Error::io(path))?;
        ZipArchive::new(file).map_err(|error| {
            Error::file(
                path,
                format!("not a zip that is complete: {}", on_one_line(&error.to_string())),
                GET_AGAIN,
            )
        })
    }

    fn root(&self) -> &Path {
        &self.place.path
    }

    /// The name of the folder.
    fn root_name(&self) -> &str {
        let outer = self.place.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.prefix.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(outer)
    }

    /// A file's path, for messages.
    fn shown(&self, name: &str) -> PathBuf {
        self.place.path.join(&self.prefix).join(name)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// The one file of a kind.
    fn only(&self, what: &str, is: impl Fn(&str) -> bool) -> Result<String> {
        let found: Vec<&str> = self.names().filter(|name| is(name)).collect();
        match found.as_slice() {
            [name] => Ok((*name).to_owned()),
            [] => Err(Error::file(self.root(), format!("{what} is missing"), GET_AGAIN)),
            [first, second, ..] => {
                let problem = format!("{first} and {second}: one is expected");
                Err(Error::file(self.root(), problem, GET_AGAIN))
            }
        }
    }

    /// The folder of the tile.
    fn granule(&self) -> Result<String> {
        if let Some(name) = &self.place.granule {
            return Ok(format!("GRANULE/{name}"));
        }
        let inner = |name: &str| Some(name.strip_prefix("GRANULE/")?.split_once('/')?.0.to_owned());
        let mut granules: Vec<String> = self.names().filter_map(inner).collect();
        granules.dedup();
        match granules.as_slice() {
            [name] => Ok(format!("GRANULE/{name}")),
            [] => Err(Error::file(self.root(), "its folder GRANULE is missing or empty", GET_AGAIN)),
            [first, ..] => {
                let problem = format!("{} tiles in one product", granules.len());
                let advice = format!(
                    "give the folder of one, unpacked: {}",
                    self.shown("GRANULE").join(first).display()
                );
                Err(Error::file(self.root(), problem, advice))
            }
        }
    }

    /// An XML file.
    fn text(&self, name: &str) -> Result<String> {
        let place = self.shown(name);
        let mut bytes = Vec::new();
        if self.place.zipped {
            let mut archive = self.archive()?;
            let entry = archive.by_index(self.names[name]).map_err(|error| self.unreadable(name, &error))?;
            entry.take(LARGEST_XML).read_to_end(&mut bytes).map_err(Error::io(&place))?;
        } else {
            let file = File::open(&place).map_err(Error::io(&place))?;
            file.take(LARGEST_XML).read_to_end(&mut bytes).map_err(Error::io(&place))?;
        }
        String::from_utf8(bytes).map_err(|_| Error::file(&place, "not text in UTF-8", GET_AGAIN))
    }

    /// The bytes of an image: where they are, or unpacked.
    fn open(&self, name: &str) -> Result<Bytes> {
        let place = self.shown(name);
        let Some(&index) = self.names.get(name) else {
            return Err(Error::file(&place, "this part of the product is missing", GET_AGAIN));
        };
        if !self.place.zipped {
            return Bytes::of_file(&place).map_err(Error::io(&place));
        }
        let mut archive = self.archive()?;
        let entry = archive.by_index(index).map_err(|error| self.unreadable(name, &error))?;
        let size = entry.size();
        if entry.compression() == CompressionMethod::Stored
            && let Some(start) = entry.data_start()
        {
            return Ok(Bytes::Part {
                file: self.place.path.clone(),
                bytes: start..start.saturating_add(size),
            });
        }
        if size > LARGEST_IMAGE {
            let problem = format!("{size} bytes of an image, of {LARGEST_IMAGE} at most");
            return Err(Error::file(&place, problem, GET_AGAIN));
        }
        let mut bytes = Vec::new();
        let refused = |error: io::Error| {
            let problem = format!("cannot be unpacked: {}", on_one_line(&error.to_string()));
            Error::file(&place, problem, GET_AGAIN)
        };
        entry.take(LARGEST_IMAGE).read_to_end(&mut bytes).map_err(refused)?;
        Ok(Bytes::Memory(Arc::new(bytes)))
    }

    fn unreadable(&self, name: &str, error: &zip::result::ZipError) -> Error {
        Error::file(self.shown(name), on_one_line(&error.to_string()), GET_AGAIN)
    }
}

/// Whether a folder has a product's XML.
fn holds_main(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(io::Result::ok);
    entries.into_iter().any(|entry| entry.file_name().to_str().is_some_and(is_main))
}
