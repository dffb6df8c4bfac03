//! `lcz` as one shared library for the cells of a notebook, with what only the course needs: data that make
//! themselves, checks of the exercises ([`course`]), and how values show themselves ([`show`]).

pub mod course;
pub mod show;

pub use library::*;

/// What a notebook begins with: `use lcz::prelude::*;`.
pub mod prelude {
    pub use crate::course::{self, Comparison};
    pub use crate::show::EvcxrDisplay as _;
    pub use library::prelude::*;
}
