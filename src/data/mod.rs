//! Readers and writers of patches, votes, features and predictions: So2Sat-format HDF5 files and tables. HDF5 is read and
//! written here and in `checkpoint` only.

mod ahead;
mod batches;
pub mod eopatch;
pub mod features;
mod masks;
mod new_file;
mod patches;
pub mod predictions;
pub(crate) mod reflectance;
mod sample;
mod signatures;
pub mod so2sat;
mod statistics;
mod summary;
mod votes;

pub use masks::Masks;
pub use patches::Patches;
pub use reflectance::check_reflectance;
pub use sample::Sample;
pub use signatures::Signatures;
pub use so2sat::So2Sat;
pub use statistics::BandStatistics;
pub(crate) use statistics::Moments;
pub use summary::{ClassCount, Summary, VoteAgreement};
pub use votes::read_votes;
