//! Where the patches lie: what version 4 of So2Sat adds in `training_geo.h5` next to `training.h5`.
//!
//! Its datasets: `city` (N names), `epsg` (N or N × 1, the code of the UTM zone) and `tfw` (N × 6, the
//! lines of a world file). They may also lie in the file of the patches itself.

use std::path::{Path, PathBuf};

use hdf5::File;
use ndarray::Array2;

use super::datasets::{Numbers, open_dataset, open_file, place, product};
use super::text::texts;
use crate::{Error, Result};

/// The 52 cities of So2Sat; a city's number is its place here, so that it is the same in all files.
const CITIES: &str = "amsterdam beijing berlin bogota buenosaires cairo capetown caracas changsha chicago cologne dhaka \
    dongying guangzhou hongkong islamabad istanbul jakarta kyoto lima lisbon london losangeles madrid \
    melbourne milan moscow mumbai munich nairobi nanjing newyork orangitown paris philadelphia qingdao \
    quezon riodejaneiro rome salvador sanfrancisco santiago saopaulo shanghai shenzhen sydney tehran \
    tokyo vancouver washingtondc wuhan zurich";

/// Where a patch lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The coordinate reference system, an EPSG code: for So2Sat a UTM zone.
    pub epsg: i32,
    /// Easting of the patch's centre, in metres.
    pub x: f64,
    /// Northing of the patch's centre, in metres.
    pub y: f64,
}

/// The cities of a file's patches.
pub(super) struct Cities {
    /// The number of each row's city.
    pub(super) of_row: Vec<i32>,
    /// Number and name of each city that there is, by number.
    pub(super) names: Vec<(i32, String)>,
}

/// The file of places next to a file of patches, if there is one: `training_geo.h5` next to `training.h5`.
pub(super) fn next_to(path: &Path) -> Option<PathBuf> {
    let stem = path.file_stem()?.to_str()?;
    let next_to_it = path.with_file_name(format!("{stem}_geo.h5"));
    next_to_it.is_file().then_some(next_to_it)
}

/// The file to look for a dataset in: the patches' own, else the one next to it.
fn holder(path: &Path, dataset: &str) -> Result<Option<(PathBuf, File)>> {
    for path in [Some(path.to_owned()), next_to(path)].into_iter().flatten() {
        let file = open_file(&path)?;
        if file.link_exists(dataset) {
            return Ok(Some((path, file)));
        }
    }
    Ok(None)
}

/// The city of each patch; None if no file states it.
pub(super) fn cities(path: &Path, rows: usize) -> Result<Option<Cities>> {
    let Some((path, file)) = holder(path, "city")? else { return Ok(None) };
    let dataset = open_dataset(&file, &path, "city")?;
    check_rows(&path, "city", &dataset.shape(), rows)?;
    let names = texts(&dataset)
        .ok_or_else(|| Error::input(place(&path, "city"), "not names", "store one text per patch"))?;
    let cities: Vec<&str> = CITIES.split(' ').collect();
    let mut unknown: Vec<&str> =
        names.iter().map(|name| name.trim()).filter(|name| !cities.contains(name)).collect();
    unknown.sort_unstable();
    unknown.dedup();
    let number = |name: &str| {
        let known = cities.iter().position(|city| *city == name);
        let other = || cities.len() + unknown.binary_search(&name).unwrap_or_default();
        known.unwrap_or_else(other) as i32
    };
    let of_row: Vec<i32> = names.iter().map(|name| number(name.trim())).collect();
    let mut names: Vec<(i32, String)> =
        of_row.iter().zip(&names).map(|(&number, name)| (number, name.trim().to_owned())).collect();
    names.sort_unstable();
    names.dedup();
    Ok(Some(Cities { of_row, names }))
}

/// The centre of each patch of `size` × `size` pixels; None if no file states it.
///
/// A world file's lines are A, D, B, E, C, F: x = A·column + B·line + C, y = D·column + E·line + F at the
/// centre of a pixel, columns and lines from 0 at the upper left.
pub(super) fn places(path: &Path, rows: usize, size: usize) -> Result<Option<Vec<Place>>> {
    let (Some((at, file)), Some((epsg_at, epsg_file))) = (holder(path, "tfw")?, holder(path, "epsg")?) else {
        return Ok(None);
    };
    let (tfw, epsg) = (Numbers::open(&file, &at, "tfw")?, Numbers::open(&epsg_file, &epsg_at, "epsg")?);
    check_rows(&at, "tfw", &tfw.shape(), rows)?;
    check_rows(&epsg_at, "epsg", &epsg.shape(), rows)?;
    if tfw.shape() != [rows, 6] || epsg.shape().iter().product::<usize>() != rows {
        let problem = format!("shape {} (epsg {})", product(&tfw.shape()), product(&epsg.shape()));
        return Err(Error::input(place(&at, "tfw"), problem, "store six numbers and one code per patch"));
    }
    let tfw: Array2<f64> = tfw.read()?;
    let epsg = epsg.values::<i32>()?;
    let middle = (size as f64 - 1.0) / 2.0;
    let of = |(n, (lines, &epsg)): (usize, (ndarray::ArrayView1<'_, f64>, &i32))| {
        let (x, y) = ((lines[0] + lines[2]) * middle + lines[4], (lines[1] + lines[3]) * middle + lines[5]);
        if x.is_finite() && y.is_finite() {
            return Ok(Place { epsg, x, y });
        }
        Err(Error::input(format!("{}, row {n}", place(&at, "tfw")), "not finite", "correct the row"))
    };
    tfw.outer_iter().zip(&epsg).enumerate().map(of).collect::<Result<Vec<_>>>().map(Some)
}

fn check_rows(path: &Path, name: &str, shape: &[usize], rows: usize) -> Result<()> {
    if shape.first() == Some(&rows) && (name == "tfw" || shape.iter().product::<usize>() == rows) {
        return Ok(());
    }
    let problem = format!("shape {} for {rows} patches", product(shape));
    Err(Error::input(place(path, name), problem, "store one row per patch"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cities_are_in_order_and_each_is_there_once() {
        assert!(CITIES.split(' ').is_sorted_by(|a, b| a < b) && CITIES.split(' ').count() == 52);
    }
}
