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

mod files;
mod metadata;

use std::io;
use std::path::Path;
use std::sync::Arc;

use ndarray::Axis;
use serde::Serialize;

use super::jpeg2000::{GET_AGAIN, Jpeg2000};
use super::{BandTags, CloudFilter, Grid, Raster, Scene, Window};
use crate::{Bands, Error, Result, Sensor};
use files::{Files, is_main, is_tile_xml};
use metadata::{Calibration, Grids, SCENE_CLASSES, Xml, child, images, is_tile};

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

/// Shares of the scene classes in a whole product.
#[derive(Debug, Clone, Serialize)]
pub struct ProductShares {
    /// Share of the tile without data.
    pub no_data: f64,
    /// Share of the pixels with data under clouds and their shadows.
    pub clouds: f64,
}

impl Product {
    /// Whether there is a product at this path, or what looks like one.
    pub fn is_at(path: impl AsRef<Path>) -> bool {
        let path = path.as_ref();
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
            let problem = "no Sentinel-2 product: MTD_MSIL1C.xml or MTD_MSIL2A.xml is missing";
            return Err(Error::file(path, problem, GIVE));
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
        let of = (self.name.clone(), Sensor::Sentinel2);
        Ok(Scene::of_product(files, names, self.scene_classes().map(raster), of))
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
