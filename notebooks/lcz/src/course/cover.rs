//! The scene of the lesson on segmentation: a synthetic city, generated on first use, with its polygons and its clouds.

use std::fs;

use super::{WithoutSummary, made, repository};
use crate::figures::{self, Caption, Figure, TilesPicture};
use crate::mapping::{self, MapOutput, Mapping};
use crate::models::Model;
use crate::progress::{Lines, Silent};
use crate::scene::{CloudFilter, Codes, CutScene, GeoTiff, LabelRaster, Labelling, Raster, Scene, Tiling};
use crate::synthetic::SyntheticScene;
use crate::{Bands, Error, Result};

/// Rows and columns of the city, and in quick mode.
const SIDE: [usize; 2] = [768, 384];
/// Random seed.
const SEED: u64 = 4;
/// Which code of land cover belongs to which class.
const CODES: &str = "code,class
11210,built
11220,built
11240,built
14100,green urban areas
31000,forests
21000,arable land
50000,water
11100,built
12100,industry and commerce
32000,0
33000,0
";

/// A scene with the classes of its pixels and of its sky.
pub struct CoverScene {
    /// The ten bands.
    pub scene: Scene,
    /// The land cover of the polygons, on the grid of the bands.
    pub labels: LabelRaster,
    /// Sentinel-2's scene classes.
    pub scl: Raster,
    /// Where it is from.
    pub provenance: String,
}

/// The **synthetic** city of the lesson on segmentation, made on first use in `data/` of the repository. Its polygons have the
/// codes of the Urban Atlas, which a table groups to six classes; open land is background.
///
/// # Errors
/// A folder that cannot be written, or a disk that is full.
pub fn cover_scene() -> Result<CoverScene> {
    super::announce_quick();
    let side = SIDE[usize::from(super::is_quick())];
    let maker = SyntheticScene { rows: side, columns: side, seed: SEED, clouds: 0.08 };
    let folder = made(repository().join("data").join(format!("cover-{side}-{SEED}")), |folder| {
        maker.write(folder, &mut WithoutSummary(Lines::on_stdout()))?;
        let codes = folder.join("codes.csv");
        fs::write(&codes, CODES).map_err(Error::io(&codes))
    })?;
    let bands = Bands::sentinel2();
    let scene = Scene::open(bands.names().iter().map(|band| folder.join(format!("{band}.tif"))))?;
    let labelling = Labelling {
        label_field: Some("LC_CODE".to_owned()),
        codes: Some(Codes::read(folder.join("codes.csv"))?),
        ..Labelling::default()
    };
    let labels = labelling.open(folder.join("districts.shp"), std::slice::from_ref(&scene), &mut Silent)?;
    let scl = GeoTiff::open(folder.join("SCL.tif"))?.into();
    Ok(CoverScene { scene, labels, scl, provenance: maker.provenance() })
}

impl CoverScene {
    /// Cuts the scene; see [`Tiling::cut`].
    ///
    /// # Errors
    /// As there.
    pub fn cut(&self, tiling: &Tiling, clouds: &CloudFilter) -> Result<CutScene> {
        let mut cut = tiling.cut(&self.scene, &self.labels, Some((&self.scl, clouds)), &mut Silent)?;
        cut.patches = cut.patches.with_provenance(&self.provenance);
        Ok(cut)
    }

    /// Draws the scene, the mask of its classes and its patches, those left out with the reason.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn picture(&self, tiling: &Tiling, cut: &CutScene) -> Result<Figure> {
        let overview = tiling.over(&self.scene)?.overview(Some(&self.labels))?;
        let picture = TilesPicture {
            overview: &overview,
            classes: self.labels.classes(),
            tiles: &cut.tiles,
            patch_size: tiling.patch_size,
            clouds: String::new(),
        };
        figures::cut_scene(&picture, &Caption::new("How the scene is cut", self.provenance.clone()))
    }

    /// Maps the whole scene, from tiles that overlap by half.
    ///
    /// # Errors
    /// A network of other bands, files that cannot be read.
    pub fn map(&self, network: &dyn Model, tiling: &Tiling) -> Result<Figure> {
        let mapping = Mapping {
            resample: false,
            radiometry: tiling.radiometry.clone(),
            area: tiling.area,
            data: Some(self.provenance.clone()),
            ..Mapping::default()
        };
        let title = format!("Land cover by {}", network.name());
        let output = MapOutput { title: Some(&title), ..MapOutput::default() };
        let map = mapping::map_with(network, self.scene.clone(), &mapping, &output, &mut Silent)?;
        Ok(map.figure.expect("no shard"))
    }
}
