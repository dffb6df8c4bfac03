//! The options of labels: a raster, or polygons and what of them is meant.

use std::path::PathBuf;

use lcz::scene::{Codes, LabelRaster, Labelling, Scene};
use lcz::{Classes, Progress};

/// Labels, and how they are brought to the bands.
#[derive(Debug, clap::Args)]
pub struct LabelOptions {
    /// GeoTIFF, shapefile or GeoPackage of the labels: 0 = unlabelled, 1-17 = LCZ 1-10, A-G.
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,

    /// The layer of a GeoPackage [default: its only one]
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,

    /// The polygons' field of classes (numbers, codes or names) [default: VALUE, LCZ, class, ...]
    #[arg(long, value_name = "FIELD")]
    label_field: Option<String>,

    /// What the codes in that field mean: a CSV of lines `code,class` (class 0: background), urban-atlas (27
    /// classes) or urban-atlas-groups (5)
    #[arg(long, value_name = "TABLE.csv")]
    codes: Option<String>,

    /// The polygons' field that says what stays in one part and becomes `group` [default: none, split
    /// by connected regions]
    #[arg(long, value_name = "FIELD")]
    group_field: Option<String>,

    /// Polygons cover all pixels that they touch, not only those whose centres lie inside.
    #[arg(long)]
    all_touched: bool,

    /// The labels' coordinate system [default: what the file says]
    #[arg(long, value_name = "EPSG:n")]
    label_crs: Option<String>,

    /// Bring labels on another coordinate system or grid to that of the bands.
    #[arg(long)]
    reproject: bool,

    /// Names of the classes 1, 2, ... of the labels [default: the 17 zones]
    #[arg(long, value_name = "NAME,NAME,...", value_delimiter = ',', conflicts_with = "codes")]
    classes: Option<Vec<String>>,
}

impl LabelOptions {
    /// The labels on the grid of these bands.
    pub fn open(self, dates: &[Scene], progress: &mut dyn Progress) -> anyhow::Result<LabelRaster> {
        let codes = match self.codes.as_deref() {
            None => None,
            Some("urban-atlas") => Some(Codes::urban_atlas()),
            Some("urban-atlas-groups") => Some(Codes::urban_atlas_groups()),
            Some(path) => Some(Codes::read(path.as_ref())?),
        };
        let labelling = Labelling {
            classes: self.classes.map_or_else(|| Ok(Classes::lcz()), Classes::named)?,
            label_field: self.label_field,
            group_field: self.group_field,
            crs: self.label_crs.map(|crs| crs.parse()).transpose()?,
            reproject: self.reproject,
            layer: self.layer,
            codes,
            all_touched: self.all_touched,
        };
        Ok(labelling.open(&self.labels, dates, progress)?)
    }
}
