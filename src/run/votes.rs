//! Summary of votes, and their figures.

use std::path::Path;

use crate::data::{So2Sat, read_votes};
use crate::figures::{self, Caption, Figure, Provenance, Source};
use crate::files::read_bytes;
use crate::hash::checksum;
use crate::metrics::VoteSummary;
use crate::{Result, provenance};

/// Summarises the votes of a file and draws them into a folder, if given: `voting-entropy` (where classes are
/// zones) and `voting-confusion`. `data` is the provenance of the votes for the figures, for files that
/// do not state it.
///
/// # Errors
/// A file without votes, or a folder that cannot be written.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// let file = folder.path().join("votes.csv");
/// std::fs::write(&file, "X1,X17\n9,1\n0,10\n").map_err(lcz::Error::io(&file))?;
/// let summary = lcz::run::sum_up_votes(&file, Some("synthetic"), Some(&folder.path().join("figures")))?;
/// assert_eq!((summary.samples, summary.unanimous), (2, 0.5));
/// # Ok(())
/// # }
/// ```
pub fn sum_up_votes(
    file: impl AsRef<Path>,
    data: Option<&str>,
    folder: Option<&Path>,
) -> Result<VoteSummary> {
    let file = file.as_ref();
    let summary = VoteSummary::from_votes(&read_votes(file)?)?;
    if let Some(folder) = folder {
        for (stem, figure) in vote_figures(file, data, &summary)? {
            figure.save(folder, stem)?;
        }
    }
    Ok(summary)
}

/// The figures and the names of their files.
pub(crate) fn vote_figures(
    file: &Path,
    data: Option<&str>,
    summary: &VoteSummary,
) -> Result<Vec<(&'static str, Figure)>> {
    let plain =
        matches!(file.extension().and_then(|extension| extension.to_str()), Some("csv" | "npy" | "npz"));
    let name = || file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stated = if plain {
        format!("{}: {}", provenance::UNKNOWN, name())
    } else {
        So2Sat::open(file)?.patches()?.provenance().to_owned()
    };
    let data = provenance::given(stated, data);
    let bytes = if plain { Some(read_bytes(file)?) } else { None };
    let provenance = Provenance {
        data_checksum: bytes.map(checksum),
        ..Provenance::new(data, Source::Votes { file: file.display().to_string() })
    };
    draw_votes(summary, &provenance)
}

/// The figures of votes whose provenance is known.
pub(crate) fn draw_votes(
    summary: &VoteSummary,
    provenance: &Provenance,
) -> Result<Vec<(&'static str, Figure)>> {
    let data = format!("{}, n = {}", provenance.data, summary.samples);
    let caption = |title: &str| Caption::new(title, data.clone());
    let mut figures = Vec::new();
    if let (Some(urban), Some(natural)) = (&summary.urban, &summary.natural) {
        let groups: Vec<_> = [("urban", urban), ("natural", natural)]
            .into_iter()
            .filter(|(_, histogram)| histogram.samples() > 0)
            .collect();
        figures.push(("voting-entropy", figures::entropy_bars(&groups, &caption("Voting entropy"))?));
    }
    let title = "Voting confusion";
    figures.push(("voting-confusion", figures::voting_confusion(&summary.confusion, &caption(title))?));
    Ok(figures.into_iter().map(|(stem, figure)| (stem, figure.with_provenance(provenance))).collect())
}
