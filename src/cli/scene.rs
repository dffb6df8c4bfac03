//! The options of scenes: names of the bands, what their values are, and which part counts.

use std::path::Path;

use lcz::Bands;
use lcz::scene::{GeoBox, Radiometry, Scene};

/// How a scene is read.
#[derive(Debug, clap::Args)]
pub struct SceneOptions {
    /// Names of the bands, separated by commas [default: from the file names]
    #[arg(long, value_name = "B2,B3,...", value_delimiter = ',')]
    band_names: Option<Vec<String>>,

    /// A pixel is SCALE times the value in the file [default: 1]
    #[arg(long, allow_negative_numbers = true)]
    scale: Option<f64>,

    /// ... plus OFFSET; Landsat 8's reflectance is 2e-5 and -0.1 [default: 0]
    #[arg(long, allow_negative_numbers = true)]
    offset: Option<f64>,

    /// Unit of the pixels [default: reflectance with --scale or --offset, else digital number]
    #[arg(long)]
    unit: Option<String>,

    /// The value that means no data, instead of what the files say; `nan` for none but NaN.
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    nodata: Option<f64>,

    /// Only the part of the scene between these longitudes and latitudes, in degrees.
    #[arg(long, value_name = "W,S,E,N", allow_hyphen_values = true)]
    bbox: Option<String>,
}

impl SceneOptions {
    /// A scene of these files.
    pub fn open<P: AsRef<Path>>(&self, files: impl IntoIterator<Item = P>) -> lcz::Result<Scene> {
        let scene = Scene::open(files)?;
        match self.band_names.clone().map(Bands::named).transpose()? {
            Some(names) => scene.with_band_names(names),
            None => Ok(scene),
        }
    }

    /// What the values in the files mean.
    pub fn radiometry(&self) -> Radiometry {
        let default = Radiometry::default();
        let scaled = self.scale.is_some() || self.offset.is_some();
        let unit = if scaled { "reflectance".to_owned() } else { default.unit };
        Radiometry {
            scale: self.scale.unwrap_or(default.scale),
            offset: self.offset.unwrap_or(default.offset),
            unit: self.unit.clone().unwrap_or(unit),
            no_data: self.nodata,
        }
    }

    /// The part of the scene that counts.
    pub fn area(&self) -> lcz::Result<Option<GeoBox>> {
        self.bbox.as_deref().map(str::parse).transpose()
    }
}
