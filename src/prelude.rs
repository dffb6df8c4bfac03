//! What a notebook begins with: `use lcz::prelude::*;`.
//!
//! The types of the lessons under their own names, and the modules [`figures`], [`metrics`], [`models`]
//! and [`course`] under theirs. `Result` is left out: it would hide the one that Rust has.

pub use crate::bands::{Bands, Imagery};
pub use crate::classes::{Classes, Zone};
pub use crate::course;
pub use crate::data::synthetic::Synthetic;
pub use crate::data::{Patches, Signatures, So2Sat, Summary};
pub use crate::display::Table;
pub use crate::figures::{self, Caption, Composite, Figure};
pub use crate::labels::{LabelDistributions, Labels, Votes};
pub use crate::metrics;
pub use crate::models::{self, Architecture, Classifier, Device, Network};
pub use crate::nn::{History, Labelled, Training};
pub use crate::predictions::{Features, Logits, Probabilities, Temperature};
pub use crate::progress::{Lines, Progress, Silent};
pub use crate::uncertainty::{Centre, ClassCentres, Percent, Subset, Uncertainty};
/// The arrays that pixels and numbers come in, so that a notebook need not name their version.
pub use ndarray;
