//! Where patches come from: So2Sat-format HDF5 files, rasters, a generator. HDF5 and GeoTIFF are
//! read and written here only.

mod ahead;
mod batches;
pub mod eopatch;
pub mod eurosat;
pub mod features;
mod masks;
mod patches;
pub mod predictions;
pub mod rasters;
mod signatures;
pub mod so2sat;
mod statistics;
mod summary;
pub mod synthetic;
mod votes;

pub use masks::Masks;
pub use patches::Patches;
pub use signatures::Signatures;
pub use so2sat::So2Sat;
pub use statistics::BandStatistics;
pub use summary::{Agreement, ClassCount, Summary};
pub use votes::read_votes;
