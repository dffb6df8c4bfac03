//! Figures: values in, SVG + PNG + CSV out. plotters is used here only.
//!
//! Compute first, then draw: a figure takes finished numbers and adds none of its own.
//!
//! ```
//! use lcz::figures::{self, Caption, Cells};
//! use lcz::{Classes, metrics::ConfusionMatrix};
//!
//! let counts = ndarray::array![[8, 2], [1, 9]];
//! let confusion = ConfusionMatrix::from_counts(Classes::named(["forest", "river"])?, counts)?;
//! let caption = Caption::new("Land cover of 20 patches", "synthetic");
//! let figure = figures::confusion_matrix(&confusion, Cells::Counts, &caption)?;
//! assert!(figure.csv().contains("forest,river,2,20\n"));
//! # Ok::<(), lcz::Error>(())
//! ```
//!
//! | figure | function, and what it takes |
//! |---|---|
//! | confusion of a classifier, of two, of many pixels, of experts | [`confusion_matrix()`], [`confusion_matrices()`], [`confusion_counts()`], [`voting_confusion()`] |
//! | samples per class; values per class | [`class_counts()`], [`boxes()`] |
//! | patches; patches of each class; pixels, prediction and confidence | [`sample_patches()`], [`composite_patches()`], [`gallery()`], [`segmentation()`] |
//! | spectra of the classes; importance of the bands of a forest | [`spectral_signatures()`], [`band_importance()`] |
//! | training; measures over a number, with intervals | [`learning_curves()`], [`bands()`] |
//! | calibration; rejection; prediction sets; entropy of votes | [`reliability()`], [`risk_coverage()`], [`set_sizes()`], [`entropy_bars()`] |
//! | samples on a plane; a map; the tiles of a scene | [`plane()`], [`map()`], `cut_scene` |
//!
//! Every figure states its provenance, is as wide as a column or a page of a paper (at most
//! 183 mm) at 300 pixels an inch, and is the same to the byte whenever it is drawn again.

#[cfg(feature = "scene")]
mod areas;
mod axis;
mod bands;
mod class_rows;
mod colours;
mod composites;
mod confusion;
mod curves;
mod drawing;
mod entropy;
mod figure;
mod importance;
mod lettering;
mod map;
mod parts;
mod patches;
mod plane;
mod provenance;
mod reliability;
mod risk;
mod segments;
mod set_sizes;
mod signatures;
#[cfg(feature = "scene")]
mod tiles;

#[cfg(feature = "scene")]
pub use areas::training_areas;
pub use bands::{BandPanel, BandPoint, BandSeries, bands};
pub use class_rows::{boxes, class_counts};
pub use composites::Composite;
pub use confusion::{
    Cells, CountScale, confusion_counts, confusion_matrices, confusion_matrix, voting_confusion,
};
pub use curves::{Curves, learning_curves};
pub use entropy::entropy_bars;
pub use figure::{Caption, Figure};
pub use importance::band_importance;
pub use map::{MapPicture, map};
pub use patches::{composite_patches, gallery, sample_patches};
pub use plane::{PlanePanel, plane};
pub use provenance::{Provenance, Record, Source, StudyName};
pub(crate) use provenance::{number_lines, numbers_checksum};
pub use reliability::{Agreement, reliability};
pub use risk::risk_coverage;
pub use segments::segmentation;
pub(crate) use segments::segmentation_named;
pub use set_sizes::set_sizes;
pub use signatures::spectral_signatures;
#[cfg(feature = "scene")]
pub use tiles::{TilesPicture, cut_scene};
