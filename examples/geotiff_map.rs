//! From a folder of GeoTIFFs and a trained run to a map: `cargo run --release --example geotiff_map RUN FOLDER OUT.tif`.
//!
//! FOLDER holds a file per band, B2.tif and the like, with scale and offset in its tags; `lcz synth city --scene-size 480x480`
//! makes one, and `./course run` trains the run runs/course.

use std::path::{Path, PathBuf};

use lcz::mapping::{self, Mapping};
use lcz::models::Device;
use lcz::progress::Lines;
use lcz::run::Run;
use lcz::scene::Scene;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [run, folder, out] = &arguments[..] else {
        return Err("usage: geotiff_map RUN FOLDER OUT.tif".into());
    };
    let run = Run::open(run)?;
    let bands = run.classifier(Device::Cpu)?.imagery().bands.clone();
    let scene = Scene::open(bands.names().iter().map(|band| folder.join(format!("{band}.tif"))))?;
    // Scale, offset and unit are those that the files state.
    let mapping = Mapping::default();
    let truth = Some(folder.join("LCZ.tif")).filter(|path| path.exists());
    let map =
        mapping::map(&run, scene, &mapping, out, truth.as_deref().map(Path::new), &mut Lines::on_stderr())?;
    for class in &map.report.classes {
        println!("{:24} {:8} pixels", class.name, class.pixels);
    }
    Ok(())
}
