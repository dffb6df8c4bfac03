//! `lcz` as one shared library for the cells of a notebook, with the parts that only the course needs: data that are
//! generated on first use, checks of the exercises ([`course`]), and the display of values ([`show`]).

pub mod course;
pub mod show;

pub use library::*;

/// What a notebook begins with: `use lcz::prelude::*;`.
pub mod prelude {
    pub use crate::course::{self, Comparison};
    pub use crate::show::EvcxrDisplay as _;
    pub use library::prelude::*;
}
