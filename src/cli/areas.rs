//! `lcz areas`: the quality of training areas.

use std::path::PathBuf;

use clap::Args;
use lcz::figures::{Caption, training_areas};
use lcz::scene::TrainingAreas;
use lcz::scene::training_areas::{ADVISED, APART, LARGEST, SMALLEST};
use serde::Serialize;

use super::options::{Context, FigureFolder, LabelOptions};
use super::output::{self, Table, number};

/// Check the quality of training areas
///
/// Area, perimeter and shape (P² / 4πA: 1 for a circle, 1.27 for a square) of each polygon on the ground, the distance to the
/// nearest polygon of another class, and what makes it doubtful: the two rules by which the LCZ Generator labels training
/// areas (0.04 km² or more, a shape below 3; reconstructed from its published polygons), its advice (100 m between classes,
/// 5-15 polygons per class, up to 1.5 km²), and outlines that cross themselves.
#[derive(Debug, Args)]
#[command(
    mut_arg("labels", |labels| labels.hide(true)),
    mut_arg("layer", |layer| layer.help("Layer of a GeoPackage [default: its only one]")),
    mut_arg("all_touched", |touched| touched.hide(true)),
    after_help = "Examples:
  lcz areas training_areas.kml
  lcz areas zones.shp --label-field LCZ --doubtful doubtful.gpkg \\
      --figures figures
  lcz areas training_areas.kmz --json | jq '.areas[] | select(.doubts != [])'"
)]
pub struct Areas {
    /// KML, KMZ, GeoJSON, shapefile or GeoPackage
    file: PathBuf,

    #[command(flatten)]
    labels: LabelOptions,

    /// Write the doubtful polygons to this GeoPackage
    #[arg(long, value_name = "FILE.gpkg")]
    doubtful: Option<PathBuf>,

    #[command(flatten)]
    figures: FigureFolder,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Report<'a> {
    file: String,
    label_field: &'a str,
    provenance: Option<&'a str>,
    unlabelled: usize,
    unlabelled_names: &'a [String],
    classes: Vec<lcz::scene::ClassAreas>,
    areas: &'a [lcz::scene::TrainingArea],
}

impl Areas {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.labels.file().is_none(),
            "--labels: give the file without the option: lcz areas FILE"
        );
        let areas = TrainingAreas::open(&self.file, &self.labels.labelling()?)?;
        if let Some(file) = &self.doubtful {
            areas.write_doubtful(file)?;
        }
        if let Some(folder) = &self.figures.figures {
            let caption = Caption::new("Training areas", areas.provenance().unwrap_or("unknown source"));
            training_areas(&areas, &caption)?.save(folder, "training-areas")?;
        }
        if cx.json {
            return output::json(&Report {
                file: self.file.display().to_string(),
                label_field: areas.label_field(),
                provenance: areas.provenance(),
                unlabelled: areas.unlabelled(),
                unlabelled_names: areas.unlabelled_names(),
                classes: areas.by_class(),
                areas: areas.areas(),
            });
        }
        print(&areas)?;
        match &self.doubtful {
            Some(file) => output::line(format!("\nwrote {}", file.display())),
            None => Ok(()),
        }
    }
}

fn print(areas: &TrainingAreas) -> anyhow::Result<()> {
    let (all, unlabelled) = (areas.areas(), areas.unlabelled());
    let names: Vec<String> = areas.unlabelled_names().iter().map(|name| format!("'{name}'")).collect();
    let without = match (unlabelled, names.as_slice()) {
        (0, _) => String::new(),
        (_, []) => format!(", {unlabelled} without a class"),
        _ => {
            let more = if unlabelled > names.len() { ", …" } else { "" };
            format!(", {unlabelled} without a class ({}{more})", names.join(", "))
        }
    };
    output::line(format!("{} polygons with a class in {}{without}\n", all.len(), areas.label_field()))?;
    let [fewest, most] = ADVISED;
    let mut table = Table::new(["class", "polygons", "advice", "km²", "doubtful"]);
    for class in areas.by_class().into_iter().filter(|class| class.polygons > 0) {
        let advice = match class.polygons {
            n if n < fewest => format!("draw {} more", fewest - n),
            n if n > most => format!("more than {most}"),
            _ => String::new(),
        };
        let (polygons, doubtful) = (class.polygons.to_string(), class.doubtful.to_string());
        table.row([class.name, polygons, advice, number(class.square_kilometres, 2), doubtful]);
    }
    table.print()?;
    let absent: Vec<String> =
        areas.by_class().into_iter().filter(|class| class.polygons == 0).map(|class| class.code).collect();
    if !absent.is_empty() {
        output::line(format!("no polygon of {}", absent.join(", ")))?;
    }
    let doubtful: Vec<_> = all.iter().filter(|area| !area.doubts.is_empty()).collect();
    output::line(format!("\n{} of {} polygons are doubtful", doubtful.len(), all.len()))?;
    if !doubtful.is_empty() {
        let mut table = Table::new(["polygon", "name", "class", "km²", "shape", "m to other class", "doubt"]);
        for area in doubtful {
            let doubts = area.doubts.iter().map(|doubt| doubt.words()).collect::<Vec<_>>().join("; ");
            table.row([
                area.polygon.to_string(),
                area.name.clone().unwrap_or_default(),
                area.code.clone(),
                number(area.square_kilometres, 3),
                number(area.shape, 2),
                number(area.nearest_other_metres, 0),
                doubts,
            ]);
        }
        table.print()?;
    }
    output::line(format!(
        "\non the ground; below {SMALLEST} km² and a shape of 3 or more are the LCZ Generator's rules (reconstructed),\n\
         {APART} m between classes, {fewest}-{most} polygons per class and up to {LARGEST} km² its advice"
    ))
}
