//! `lcz assess`: a class map against reference data.

use std::path::PathBuf;

use clap::Args;
use lcz::Classes;
use lcz::figures::{self, Caption, Cells};
use lcz::mapping::{AssessedClass, Assessing, Assessment, assess};
use lcz::scorecard::ScorecardSettings;
use serde::Serialize;

use super::options::{ClassNames, Context, FigureFolder, LabelOptions, Provenance};
use super::output::{self, Table, number};
use super::scorecard;

/// Assess a class map against reference data
///
/// The map may be of any program: a GeoTIFF of 1-17 (or 101-107 for A-G; 0, -1, -999 and 255: no class), of an LCZ Generator
/// map the band lcz or lczFilter. Each of its pixels whose centre lies in a reference polygon (or pixel) counts; in the
/// intervals polygons are independent, not pixels (of a raster, connected regions).
#[derive(Debug, Args)]
#[command(
    mut_arg("labels", |labels| labels.required(true)),
    after_help = "Examples:
  lcz assess map.tif --labels polygons.kml
  lcz assess lcz_generator.tif --band lczFilter --labels zones.shp \\
      --label-field LCZ --errors errors.tif --figures assessment
  lcz assess map.tif --labels sample.gpkg --probability-sample"
)]
pub struct Assess {
    /// GeoTIFF of classes
    map: PathBuf,

    /// Band of the map, by description or number [default: its only one, or lcz]
    #[arg(long, value_name = "NAME")]
    band: Option<String>,

    #[command(flatten)]
    labels: LabelOptions,

    #[command(flatten)]
    classes: ClassNames,

    /// The reference is a probability sample of pixels, at random or stratified by the map's classes: print error-adjusted
    /// areas
    #[arg(long)]
    probability_sample: bool,

    /// Write where the map is right (1) and wrong (2) to this GeoTIFF
    #[arg(long, value_name = "FILE.tif")]
    errors: Option<PathBuf>,

    #[command(flatten)]
    figures: FigureFolder,

    #[command(flatten)]
    provenance: Provenance,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Report<'a> {
    map: String,
    #[serde(flatten)]
    assessment: &'a Assessment,
    classes: Vec<AssessedClass>,
}

impl Assess {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let mut labelling = self.labels.labelling()?;
        labelling.classes = match (self.classes.get()?, &labelling.codes) {
            (Some(classes), _) => classes,
            (None, Some(codes)) => codes.classes().clone(),
            (None, None) => Classes::lcz(),
        };
        let how = Assessing {
            labelling,
            band: self.band,
            settings: ScorecardSettings::default(),
            data: self.provenance.provenance,
        };
        let reference = self.labels.file().unwrap_or_else(|| unreachable!("--labels is required"));
        let assessment = assess(&self.map, reference, &how, &mut cx.progress)?;
        let classes = assessment.classes(self.probability_sample)?;
        if let Some(file) = &self.errors {
            assessment.write_errors(file)?;
        }
        if let Some(folder) = &self.figures.figures {
            let caption = Caption::new("Map against reference", assessment.provenance.as_str());
            figures::confusion_matrix(&assessment.confusion, Cells::Counts, &caption)?
                .save(folder, "confusion-matrix")?;
        }
        if cx.json {
            let map = self.map.display().to_string();
            return output::json(&Report { map, assessment: &assessment, classes });
        }
        output::line(self.map.display().to_string())?;
        print(&assessment, &classes)?;
        if !self.probability_sample {
            output::line(
                "areas are pixel counts of the map; where the reference is a probability sample (training polygons are not),\n\
                 --probability-sample adjusts them for the map's errors",
            )?;
        }
        Ok(())
    }
}

fn print(assessment: &Assessment, classes: &[AssessedClass]) -> anyhow::Result<()> {
    let Assessment { provenance, band, pixels, without_class, labels, .. } = assessment;
    let band = band.as_ref().map_or_else(String::new, |band| format!("band {band} of the map; "));
    output::line(format!(
        "{provenance}\n{band}{pixels} pixels with a reference class, {without_class} of them without a class on the map"
    ))?;
    if let Some(polygons) = &labels.polygons {
        output::line(polygons.to_string())?;
    }
    output::line("")?;
    scorecard::print(&assessment.card, None)?;
    output::line("")?;
    let adjusted = classes.iter().any(|class| class.adjusted_square_kilometres.is_some());
    let mut header = vec!["class", "F1", "precision", "recall", "reference pixels", "km² on the map"];
    if adjusted {
        header.extend(["adjusted km²", "95 % interval"]);
    }
    let mut table = Table::new(header);
    for class in classes {
        let mut cells = vec![
            class.class.clone(),
            number(class.f1, 3),
            number(class.precision, 3),
            number(class.recall, 3),
            class.support.to_string(),
            number(class.square_kilometres, 2),
        ];
        if adjusted {
            let interval = class.interval.map(|[lower, upper]| format!("{lower:.2} to {upper:.2}"));
            cells.push(number(class.adjusted_square_kilometres, 2));
            cells.push(interval.unwrap_or_else(|| "-".to_owned()));
        }
        table.row(cells);
    }
    Ok(table.print()?)
}
