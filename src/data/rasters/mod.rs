//! Patches cut from GeoTIFF bands at the labelled pixels of a raster, split by region.
//!
//! Bands ([`Scene`], one a date) and labels ([`LabelRaster`]) are GeoTIFFs on one grid, or on whole
//! multiples of the finest. [`Cutting`] takes a window around each labelled pixel and deals whole
//! connected regions to training, validation and testing.
//!
//! # How regions are split
//! Within a class, regions come in random (seeded) order, and each goes to the part that lacks most
//! of its share of the class's usable pixels. A class of one region is for training only, one of two
//! for training and testing; from three on every part gets at least one.
//!
//! Then a buffer is laid between the parts: windows of training and validation that overlap any test
//! window are dropped and counted, and training windows that overlap a remaining validation window.
//! No pixel is in two parts.
//!
//! To lose little to the buffer, one class at a time, chosen at random, is dealt anew 500 times
//! (fewer times where that would look at more than 10⁹ pixels), and a new deal is kept if it is no
//! worse: first in how often a part was dealt a class of which the buffer leaves it nothing, then in
//! how many windows are dropped. Only positions and classes decide, never the pixels' values. Parts
//! of such a split lie further apart than those of a plain draw.
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
