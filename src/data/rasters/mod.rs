//! Patches cut from GeoTIFF bands at the labelled pixels of a raster, split by region.
//!
//! Bands ([`Scene`], one a date) and labels ([`LabelRaster`]) are GeoTIFFs on one grid, or on whole
//! multiples of the finest. [`Cutting`] takes a window around each labelled pixel and deals whole
//! connected regions to training, validation and testing.
//!
//! # How regions are split
//! Within a class, regions come in random (seeded) order, and each goes to the part that lacks most
//! of its share of the class's usable pixels. A class of one region is for training only, one of two
//! for training and testing; from three on every part gets at least one. Then windows of training
//! and validation that overlap any test window are dropped and counted, and training windows that
//! overlap a remaining validation window: no pixel is in two parts. A hundred such deals are made
//! (fewer where they would look at more than 10⁹ pixels); the one kept is that in which the fewest
//! classes lose all windows of a part that they were dealt to, and among those the one that drops
//! the fewest windows. The pixels' values play no role.
//!
//! ```no_run
//! use lcz::Classes;
//! use lcz::data::rasters::{Cutting, LabelRaster, Scene};
//! use lcz::progress::Silent;
//!
//! let autumn = Scene::open(["2013_B4.tif", "2013_B3.tif", "2013_B2.tif"])?;
//! let labels = LabelRaster::open("lcz.tif", &Classes::lcz())?;
//! let cutting = Cutting { patch_size: 16, ..Cutting::default() };
//! let report = cutting.cut(&[autumn], &labels, "patches".as_ref(), &mut Silent)?;
//! println!("{} labelled pixels", report.labelled_pixels());
//! # Ok::<(), lcz::Error>(())
//! ```

mod coverage;
mod geotiff;
mod grid;
mod patches;
mod regions;
mod report;
mod scene;
mod split;

pub use geotiff::GeoTiff;
pub use grid::{Crs, Grid, Transform, Window};
pub use patches::{Cutting, Plan};
pub use regions::{LabelRaster, Site};
pub use report::{ClassCount, DateCount, PartCount, Report};
pub use scene::Scene;
pub use split::{Part, Shares};
