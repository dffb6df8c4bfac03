//! Patches cut from GeoTIFF bands at labelled pixels, split by region; and GeoTIFFs written.
//!
//! Bands ([`Scene`], one per date) are GeoTIFFs on one grid, or on whole multiples of the finest. Labels
//! ([`Labelling`]) are such a raster or polygons (shapefile, GeoPackage, KML, GeoJSON). [`Cutting`] takes a window around
//! each labelled pixel and assigns whole connected regions (or groups of polygons) to training, validation
//! and testing.
//!
//! For segmentation it takes square tiles on a fixed grid, with the class of every pixel ([`CutInto::Tiles`]), and assigns
//! whole blocks of ground to the parts. Patches without data or under clouds ([`CloudFilter`]) are left out. [`Tiling`] and
//! [`BlockSplit`] do the same in memory. [`Patches::around_labels`](crate::data::Patches::around_labels) cuts windows from arrays.
//!
//! # Which GeoTIFFs are read
//! Each row is checked against GDAL's values for files that rasterio has written
//! (`tests/vectors/make_rasters.py`).
//!
//! | | read |
//! |---|---|
//! | layout | strips and tiles; bands pixel by pixel or plane by plane; sparse files |
//! | pixels | 8, 16, 32, 64 bits, signed and unsigned; 32 and 64 bits floating |
//! | compression | none, LZW, deflate (numbers 8 and 32946), PackBits |
//! | predictor | none, 2 (horizontal; integers and 32-bit floats), 3 (floating point) |
//! | bytes | little-endian and big-endian, classic and BigTIFF |
//! | samples | colour table and "white is zero" as plain numbers; opacity (alpha) is no band |
//! | no data | GDAL's tag 42113, compared exactly; NaN; 0 in a mask (`NewSubfileType` 4, or a file `….msk`), in opacity, or in the second of two samples that holds only 0 and the largest number |
//! | radiometry | scale, offset, unit and name of each band: GDAL's tag 42112 |
//! | position | scale and tie point, or matrix; pixels as areas or as points; projected, geographic |
//!
//! Not read, but named in the refusal with the `gdal_translate` command that converts the file: ZSTD, WebP,
//! JPEG, LZMA, LERC and CCITT compression, pixels of 1, 2, 4 or 12 bits, complex pixels.
//!
//! # Which GeoTIFFs are written
//! [`GeoTiffWriter`]: strips of deflate with a predictor, classic or, from four gigabytes on, BigTIFF; 8, 16
//! and 32 bits, with position, coordinate system, no-data value, colour table, names of bands, scale, offset and unit. Rasterio
//! reads them back (`tests/geotiffs_read_back.py`).
//!
//! # How regions are split
//! Within a class, regions come in random (seeded) order, and each goes to the part that lacks most
//! of its share of the class's usable pixels. A class of one region is for training only, one of two
//! for training and testing; from three on every part gets at least one.
//!
//! Then a buffer is laid between the parts: windows of training and validation that overlap any test
//! window are dropped and counted, and training windows that overlap a remaining validation window.
//! No pixel is in two parts, and with a [`Distance`] the parts lie at least that far apart.
//!
//! To lose little to the buffer, one class at a time, chosen at random, is assigned again 500 times
//! (fewer times where that would look at more than 10⁹ pixels), and a new assignment is kept if it is no
//! worse: first in how often a part was assigned a class of which the buffer leaves it nothing, then in
//! how many windows are dropped. Only positions and classes decide, never the pixels' values. Parts
//! of such a split lie further apart than those of a plain draw.
//!
//! ```no_run
//! use lcz::scene::{Cutting, Labelling, Scene};
//! use lcz::progress::Silent;
//!
//! let dates = [Scene::open(["2013_B4.tif", "2013_B3.tif", "2013_B2.tif"])?];
//! let labels = Labelling::default().open("polygons.shp", &dates, &mut Silent)?;
//! let cutting = Cutting { patch_size: 16, ..Cutting::default() };
//! let plan = cutting.cut(&dates, &labels, "patches", &mut Silent)?;
//! println!("{} labelled pixels", plan.report().labelled_pixels());
//! # Ok::<(), lcz::Error>(())
//! ```

mod area;
mod arrays;
mod band_tags;
mod bands;
mod blocks;
mod class_band;
mod clouds;
mod codes;
mod cog;
mod coverage;
mod crossing;
mod crs;
mod cutting;
mod distance;
mod esri;
pub mod eurosat;
mod geojson;
mod geokeys;
mod geopackage;
mod geopackage_writer;
mod geotiff;
mod geotiff_writer;
mod grid;
mod ground;
mod jpeg2000;
mod kml;
mod labelling;
mod landsat;
mod layer;
mod mosaic;
mod names;
mod nearest;
mod nesting;
mod opening;
mod parts;
mod plan;
mod polygons;
mod product;
mod radiometry;
mod raster;
mod rasterise;
mod regions;
mod report;
mod resampled;
mod resampling;
mod scene_view;
mod sliding;
mod split;
mod summary;
mod tar;
mod tiff_bytes;
mod tiff_mask;
mod tile_plan;
mod tiles;
pub mod training_areas;
mod windows;
mod wkt;
pub(crate) mod xml;

pub use area::GeoBox;
pub use band_tags::BandTags;
pub use bands::Scene;
pub use blocks::BlockSplit;
pub use clouds::CloudFilter;
pub use codes::Codes;
pub(crate) use cog::Cog;
pub use crs::Crs;
pub use cutting::{CutInto, Cutting};
pub use distance::Distance;
pub use geokeys::GeoKeys;
pub use geotiff::GeoTiff;
pub use geotiff_writer::{GeoTiffWriter, Pixel};
pub use grid::{Grid, Transform, Window};
pub use jpeg2000::Jpeg2000;
pub use landsat::Landsat;
pub use mosaic::Mosaic;
pub use nearest::classes_on;
pub use parts::{Part, Shares};
pub use plan::Plan;
pub use polygons::Labelling;
pub use product::{Product, ProductBand, ProductShares};
pub use radiometry::{Radiometry, Scaling};
pub use raster::Raster;
pub use regions::{LabelRaster, Site};
pub use report::{CutReport, DateReport, LabelReport, LabelledClass, PartReport, PolygonReport};
pub use resampled::ResampledRaster;
pub use scene_view::{SceneRows, SceneView};
pub use sliding::{Strip, Windows};
pub use summary::{BandSummary, ClassShare, SceneSummary};
pub use tiles::{CutScene, Fate, Overview, Tile, TileGrid, Tiling};
pub use training_areas::{ClassAreas, TrainingArea, TrainingAreas};
