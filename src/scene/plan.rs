//! Patches chosen, and written as So2Sat-format HDF5 files.

use std::fs;
use std::path::Path;

use super::tile_plan::TilePlan;
use super::windows::WindowPlan;
use super::{CutInto, CutReport, Cutting, DateReport, Grid, LabelRaster, Overview, Part, Scene, Tile};
use crate::data::so2sat::{Layout, Writer};
use crate::files::{Partial, check_free};
use crate::provenance::{self, UNKNOWN};
use crate::{Error, Imagery, Progress, Result, Sensor};

/// The raster next to the patches that shows where testing's are.
const TEST_SITES: &str = "testing.tif";
/// The file next to the patches that lists what was cut and what was left out.
const REPORT: &str = "report.json";

/// Which patches are cut, from which dates, for which part: see [`Cutting::plan`].
#[derive(Debug)]
pub struct Plan<'a> {
    cutting: &'a Cutting,
    dates: &'a [Scene],
    labels: &'a LabelRaster,
    chosen: Chosen<'a>,
    report: CutReport,
}

#[derive(Debug)]
enum Chosen<'a> {
    Windows(WindowPlan<'a>),
    Tiles(TilePlan<'a>),
}

impl Cutting {
    /// Cuts patches and writes them to a new folder: `training.h5`, `validation.h5`, `testing.h5`
    /// (a part whose share is 0 gets none) and `report.json`, whose text each HDF5 file also carries as its
    /// attribute `report`. [`CutInto::Windows`] also gives `testing.tif`: the class of each label pixel that is for
    /// testing, on any date, and 0 elsewhere, for the scores of a map. The folder appears whole or not at all. Example:
    /// [`scene`](super).
    ///
    /// Several dates are separate samples with one split. A pixel without data on one date is left
    /// out on that date only. Rows are in the order of the dates, and row by row within a date.
    ///
    /// # Errors
    /// A folder that exists, settings that make no sense, files that cannot be read or lie on different
    /// grids, or a part that gets no patch.
    pub fn cut<'a>(
        &'a self,
        dates: &'a [Scene],
        labels: &'a LabelRaster,
        folder: impl AsRef<Path>,
        progress: &mut dyn Progress,
    ) -> Result<Plan<'a>> {
        self.cut_with(dates, labels, folder.as_ref(), &mut |_, _| Ok(()), progress)
    }

    /// As [`cut`](Self::cut), with further files: `more` writes them into the folder that it is given, which gets its
    /// final name afterwards.
    ///
    /// # Errors
    /// As [`cut`](Self::cut), and those of `more`.
    pub fn cut_with<'a>(
        &'a self,
        dates: &'a [Scene],
        labels: &'a LabelRaster,
        folder: &Path,
        more: &mut dyn FnMut(&Plan<'_>, &Path) -> Result<()>,
        progress: &mut dyn Progress,
    ) -> Result<Plan<'a>> {
        check_free(folder)?;
        let plan = self.plan(dates, labels, progress)?;
        plan.write(folder, more, progress)?;
        Ok(plan)
    }

    /// Chooses the patches without writing anything; the module's page describes which are left out and how they are split.
    ///
    /// # Errors
    /// As [`cut`](Self::cut).
    pub fn plan<'a>(
        &'a self,
        dates: &'a [Scene],
        labels: &'a LabelRaster,
        progress: &mut dyn Progress,
    ) -> Result<Plan<'a>> {
        self.check(dates)?;
        let (chosen, reports, [buffer, stride, block]) = match self.into {
            CutInto::Windows { buffer } => {
                let (plan, reports) = WindowPlan::new(self, buffer, dates, labels, progress)?;
                let buffer = plan.buffer;
                (Chosen::Windows(plan), reports, [buffer, 0, 0])
            }
            CutInto::Tiles { stride, block } => {
                let (plan, reports) = TilePlan::new(self, (stride, block), dates, labels, progress)?;
                (Chosen::Tiles(plan), reports, [0, stride, block])
            }
        };
        let grid = chosen.grid();
        grid.warn_of_scale(dates[0].files()[0].path());
        let report = CutReport {
            labels: labels.report().clone(),
            masks: matches!(chosen, Chosen::Tiles(_)),
            crs: grid.crs.to_string(),
            bbox: self.area.map(|area| area.to_string()),
            patch_size: self.patch_size,
            bands: dates[0].bands().clone(),
            ground_sampling_distance: grid.ground_sampling_distance(),
            resampled_from: dates[0].oblong_grid().and_then(Grid::pixel_metres),
            unit: dates[0].unit(&self.radiometry),
            split: self.shares.to_string(),
            buffer,
            stride,
            block,
            seed: self.seed,
            classes: labels.labelled_classes(),
            dates: reports,
        };
        let plan = Plan { cutting: self, dates, labels, chosen, report };
        plan.refuse_empty_parts()?;
        plan.warn_of_absent_classes();
        Ok(plan)
    }
}

impl Plan<'_> {
    /// The number of patches cut and left out.
    pub fn report(&self) -> &CutReport {
        &self.report
    }

    /// The upper left pixels (row, column on the finest grid) of the patches of one date and part, in
    /// the order in which they are written.
    pub fn corners(&self, date: usize, part: Part) -> Vec<[usize; 2]> {
        match &self.chosen {
            Chosen::Windows(plan) => plan.corners(date, part),
            Chosen::Tiles(plan) => plan.corners(date, part),
        }
    }

    /// All tiles of a date, with the date and the classes in few pixels; none without masks.
    ///
    /// # Errors
    /// A file that can no longer be read.
    pub fn tiles(&self, date: usize) -> Result<Option<(&[Tile], Overview)>> {
        match &self.chosen {
            Chosen::Windows(_) => Ok(None),
            Chosen::Tiles(plan) => Ok(Some((plan.tiles(date), plan.overview(date)?))),
        }
    }

    fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        Part::ALL.into_iter().filter(|&part| self.cutting.shares.of(part) > 0.0)
    }

    fn refuse_empty_parts(&self) -> Result<()> {
        let Some(empty) = self.parts().find(|&part| self.report.patches(part) == 0) else { return Ok(()) };
        let total = |count: fn(&DateReport) -> usize| self.report.dates.iter().map(count).sum::<usize>();
        let dropped = [
            ("at the border", total(|date| date.at_border)),
            ("without data", total(|date| date.without_data)),
            ("under clouds", total(|date| date.cloudy)),
            ("without a class", total(|date| date.unlabelled)),
            ("overlapping another part", total(|date| date.overlapping() + date.across_blocks)),
        ];
        let dropped: Vec<String> = dropped.iter().map(|(why, count)| format!("{why} {count}")).collect();
        let problem = format!("no {empty} patch is left (dropped {})", dropped.join(", "));
        Err(Error::file(self.labels.path(), problem, "choose smaller patches, another seed or another split"))
    }

    /// Names the classes that a part lacks: a model does not learn them, or is not tested on them.
    fn warn_of_absent_classes(&self) {
        let absent = self.report.classes.iter().filter(|class| class.pixels > 0).filter_map(|class| {
            let lacking = self.parts().filter(|&part| self.report.of_class(class, part) == 0);
            let lacking: Vec<String> = lacking.map(|part| format!("no {part}")).collect();
            let regions =
                if class.regions == 1 { "1 region".to_owned() } else { format!("{} regions", class.regions) };
            (!lacking.is_empty()).then(|| format!("{} ({regions}): {}", class.name, lacking.join(", ")))
        });
        let absent: Vec<String> = absent.collect();
        if !absent.is_empty() {
            tracing::warn!(
                "{}: patches lack classes: {}; choose another --seed or --split, or label more regions of these classes",
                self.labels.path().display(),
                absent.join("; ")
            );
        }
    }

    /// Writes the folder under a temporary name, with the files that `more` writes into it, then gives it its own.
    ///
    /// # Errors
    /// A folder that exists or cannot be written, a file that can no longer be read, and those of `more`.
    pub fn write(
        &self,
        folder: impl AsRef<Path>,
        more: &mut dyn FnMut(&Self, &Path) -> Result<()>,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let folder = folder.as_ref();
        check_free(folder)?;
        let report =
            serde_json::to_string_pretty(&self.report).map_err(Error::internal("writing the report"))?;
        let partial = Partial::folder(folder)?;
        let layout = Layout { report: Some(report.clone()), ..self.layout() };
        let mut writers = Vec::new();
        for part in self.parts() {
            let path = partial.path().join(format!("{part}.h5"));
            writers.push((part, Writer::create(&path, &layout)?));
        }
        match &self.chosen {
            Chosen::Windows(plan) => plan.write(&mut writers, progress)?,
            Chosen::Tiles(plan) => plan.write(&mut writers, progress)?,
        }
        for (_, writer) in writers {
            writer.finish()?;
        }
        if let Chosen::Windows(plan) = &self.chosen
            && u8::try_from(self.labels.classes().len()).is_ok()
        {
            self.labels.write_some(&partial.path().join(TEST_SITES), plan.testing(), &self.provenance())?;
        }
        let path = partial.path().join(REPORT);
        fs::write(&path, report + "\n").map_err(Error::io(&path))?;
        more(self, partial.path())?;
        partial.become_new()
    }

    fn layout(&self) -> Layout {
        let imagery = Imagery {
            patch_size: self.cutting.patch_size,
            bands: self.report.bands.clone(),
            ground_sampling_distance: self.report.ground_sampling_distance,
            unit: self.report.unit.clone(),
            sensor: self.sensor(),
        };
        Layout::new("patches", imagery, self.labels.classes().clone(), &self.provenance())
    }

    /// The sensor of all dates, if they have one.
    fn sensor(&self) -> Option<Sensor> {
        let first = self.dates.first().and_then(Scene::sensor);
        first.filter(|_| self.dates.iter().all(|date| date.sensor() == first))
    }

    /// One line, short enough for a figure: the provenance of bands and labels, the file of the labels, and how they were split. The files
    /// of each date are in `report.json`.
    pub fn provenance(&self) -> String {
        let report = &self.report;
        let dates = match report.dates.len() {
            1 => "1 date".to_owned(),
            dates => format!("{dates} dates"),
        };
        let stated: Vec<Option<String>> = self
            .dates
            .iter()
            .map(Scene::stated_provenance)
            .chain([report.labels.provenance.clone()])
            .collect();
        let stated = provenance::inherited(&stated.iter().map(Option::as_deref).collect::<Vec<_>>());
        let source = stated.unwrap_or_else(|| UNKNOWN.to_owned());
        let source = provenance::given(source, self.cutting.provenance.as_deref());
        format!(
            "{source}; {}, {} bands, {dates}; split {} by {}, seed {}",
            report.labels.file,
            report.bands.len(),
            report.split,
            if report.masks { "block" } else { "region" },
            report.seed,
        )
    }
}

impl Chosen<'_> {
    fn grid(&self) -> &Grid {
        match self {
            Self::Windows(plan) => plan.grid(),
            Self::Tiles(plan) => plan.grid(),
        }
    }
}
