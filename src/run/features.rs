//! A run's features of a file of patches, streamed into another file.

use std::path::Path;

use serde::Serialize;

use super::Run;
use crate::data::features::FeatureWriter;
use crate::data::so2sat::So2Sat;
use crate::models::Device;
use crate::{Progress, Result};

/// Patches whose features are taken and written at once: four batches of the network.
const AT_ONCE: usize = 1024;

/// What a file of features holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeatureReport {
    /// Patches, N.
    pub patches: usize,
    /// Features per patch, D.
    pub width: usize,
    /// Provenance of the patches, as their file states it.
    pub provenance: String,
}

/// Writes h(x) of every patch of a file, a run's network being h; the new file appears whole or not at
/// all.
///
/// See the [module's example](crate::run).
///
/// # Errors
/// A run without a network, patches of another kind than those it was trained on, a file that exists or cannot be
/// written.
pub fn features(
    run: &Run,
    data: impl AsRef<Path>,
    out: impl AsRef<Path>,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<FeatureReport> {
    let data = data.as_ref();
    let out = out.as_ref();
    crate::files::check_free(out)?;
    let network = run.network(device)?;
    let patches = run.described(So2Sat::open(data)?).bands(&network.imagery().bands).patches()?;
    let mut writer = FeatureWriter::create(out, network.name(), &patches)?;
    progress.begin("features", patches.len() as u64);
    let mut width = 0;
    for (_, part) in patches.parts(AT_ONCE) {
        let h = network.features(&part)?;
        width = h.view().ncols();
        writer.append(&h)?;
        progress.advance(part.len() as u64, "");
    }
    progress.end("");
    writer.finish()?;
    Ok(FeatureReport { patches: patches.len(), width, provenance: patches.provenance().to_owned() })
}
