//! From a folder of GeoTIFFs and a trained run to a map: `cargo run --release --example geotiff_map RUN FOLDER OUT.tif`.
//!
//! FOLDER holds a file per band, B2.tif and the like, of reflectance times 10,000; `lcz synth city --scene-size 480x480`
//! makes one, and `./course run` trains the run runs/course.

use std::path::{Path, PathBuf};

use lcz::mapping::{self, Mapping};
use lcz::models::Device;
use lcz::progress::Lines;
use lcz::run::Run;
use lcz::scene::{Radiometry, Scene};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [run, folder, out] = &arguments[..] else {
        return Err("usage: geotiff_map RUN FOLDER OUT.tif".into());
    };
    let run = Run::open(run)?;
    let imagery = run.classifier(Device::Cpu)?.imagery().clone();
    let scene = Scene::open(imagery.bands.names().iter().map(|band| folder.join(format!("{band}.tif"))))?;
    let mapping = Mapping {
        radiometry: Radiometry { scale: 1e-4, unit: imagery.unit, ..Radiometry::default() },
        ..Mapping::default()
    };
    let truth = Some(folder.join("LCZ.tif")).filter(|path| path.exists());
    let map =
        mapping::map(&run, scene, &mapping, out, truth.as_deref().map(Path::new), &mut Lines::on_stderr())?;
    for class in &map.report.classes {
        println!("{:24} {:8} pixels", class.name, class.pixels);
    }
    Ok(())
}
