//! A whole synthetic scene: a city as GeoTIFFs, with reference rasters and polygons.

use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::city::{City, Sky};
use super::clouds::{Clouds, veiled};
use super::ground::Ground;
use super::materials::{ASPHALT, BANDS, CONCRETE, ROCK, Spectra, is_plant, is_water};
use super::outlines::{self, Outline};
use super::sensor::{self, COARSE, Light};
use super::town::{self, District, REACH, Town, Way};
use super::{CELLS_A_PIXEL, Synthetic, Window};
use crate::files::{Partial, check_free};
use crate::scene::{Crs, GeoTiffWriter, Grid, Pixel, Scaling, Transform};
use crate::{Bands, Error, Progress, Result, Zone};

/// Pixels along the tiles that are drawn at a time; and beyond them, so that what stands there throws its
/// shadow in: 110 m at the lowest sun reach 176 m.
const TILE: usize = 128;
const MARGIN: usize = 20;
/// Least rows and columns of a scene.
const LEAST: usize = 64;
/// Metres per pixel.
const PIXEL: f64 = 10.0;
/// UTM zone 25 north, in the middle of the Atlantic: no city is there.
const EPSG: u16 = 32625;
const CORNER: (f64, f64) = (500_000.0, 5_300_000.0);

/// Reflectance is stored times 10,000.
pub(super) const SCALING: Scaling = Scaling { scale: 1e-4, offset: 0.0 };

/// Where the satellite's swath ends in the scene: shares of its columns and of its lines, from the lower
/// right corner.
const EDGE: (f32, f32) = (0.12, 0.45);

/// Scene classes of Sentinel-2's SCL band.
mod scl {
    pub(super) const NO_DATA: u8 = 0;
    pub(super) const SHADOW: u8 = 3;
    pub(super) const VEGETATION: u8 = 4;
    pub(super) const NOT_VEGETATED: u8 = 5;
    pub(super) const WATER: u8 = 6;
    pub(super) const CLOUD_MEDIUM: u8 = 8;
    pub(super) const CLOUD_HIGH: u8 = 9;
    pub(super) const CIRRUS: u8 = 10;
}

/// A synthetic scene to be written: a city with its river, parks, works, fields and woods.
///
/// The folder holds
/// - `B2.tif` … `B12.tif`: top-of-atmosphere reflectance times 10,000 (0 = no data), one band per file, B2 B3 B4
///   B8 in pixels of 10 m, the others in pixels of 20 m;
/// - `LCZ.tif`: the zone of each pixel of 10 m, 1–17 (0 = none);
/// - `SCL.tif`: scene classes of each pixel of 20 m as in Sentinel-2's level 2A: clouds 8 and 9, thin ones 10, cloud
///   shadows 3, vegetation 4, bare or built 5, water 6 (0 = no data);
/// - `districts.shp` (with `.shx`, `.dbf`, `.prj`, `.cpg`): the same zones as polygons along the pixels' edges, with the
///   fields `VALUE` (the zone, 1–17), `LCZ`, `NAME`, `polygon_id`, and a land cover after Urban Atlas
///   (`LC_CODE`, `LC_NAME`).
///
/// The satellite's swath ends in the scene's lower right corner: beyond, the bands and `SCL.tif` have no data,
/// while zones and polygons continue.
///
/// Coordinates are UTM zone 25 north (EPSG:32625), in the middle of the Atlantic.
///
/// ```
/// use lcz::{scene::GeoTiff, synthetic::SyntheticScene};
/// let folder = tempfile::tempdir()?;
/// let scene = SyntheticScene { rows: 64, columns: 96, ..SyntheticScene::default() };
/// scene.write(&folder.path().join("city"), &mut lcz::progress::Silent)?;
/// let zones = GeoTiff::open(folder.path().join("city/LCZ.tif"))?;
/// assert_eq!((zones.grid().rows, zones.grid().columns), (64, 96));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SyntheticScene {
    /// Lines of 10 m, an even number.
    pub rows: usize,
    /// Columns of 10 m, an even number.
    pub columns: usize,
    /// The same seed gives the same files, with any number of threads.
    pub seed: u64,
    /// Share of the sky that is clouded, 0–0.9.
    pub clouds: f32,
}

impl Default for SyntheticScene {
    /// 600 × 600 pixels, seed 1, a tenth of the sky clouded.
    fn default() -> Self {
        Self { rows: 600, columns: 600, seed: 1, clouds: 0.1 }
    }
}

/// Data that the parts of a scene share.
struct World {
    town: Town,
    city: City,
    clouds: Clouds,
    spectra: Spectra,
    sky: Sky,
    /// Rows and columns.
    size: (usize, usize),
    seed: u64,
}

/// The pixels of a tile, in lines.
struct Tile {
    columns: usize,
    fine: Vec<[u16; BANDS]>,
    coarse: Vec<[u16; BANDS]>,
    zones: Vec<u8>,
    classes: Vec<u8>,
}

impl SyntheticScene {
    /// The provenance that the files state.
    pub fn provenance(&self) -> String {
        Synthetic { patches: 0, seed: self.seed }.provenance()
    }

    /// Writes the scene into a new folder, which appears whole or not at all. Memory grows with the
    /// number of columns and hardly with that of the rows.
    ///
    /// # Errors
    /// Odd or too few pixels, a cloud cover outside 0 to 0.9, a folder that exists or cannot be written,
    /// a full disk, or [`Error::Interrupted`].
    pub fn write(&self, folder: impl AsRef<Path>, progress: &mut dyn Progress) -> Result<()> {
        let folder = folder.as_ref();
        self.check()?;
        check_free(folder)?;
        let partial = Partial::folder(folder)?;
        let world = self.world();
        progress.begin("synthetic scene", (self.rows * self.columns) as u64);
        self.write_rasters(partial.path(), &world, progress)?;
        let outlines = self.outlines(&world);
        outlines::write(&partial.path().join("districts.shp"), &outlines, &self.provenance())?;
        partial.become_new()?;
        progress.end(&format!("a synthetic scene of {} districts in {}", outlines.len(), folder.display()));
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let refuse = |problem: String, advice: &str| Err(Error::input("synthetic scene", problem, advice));
        let size = format!("{} x {} pixels", self.rows, self.columns);
        if self.rows < LEAST || self.columns < LEAST {
            return refuse(size, "choose at least 64 x 64");
        }
        if !self.rows.is_multiple_of(2) || !self.columns.is_multiple_of(2) {
            return refuse(size, "choose even numbers: some bands have pixels of 20 m");
        }
        if self.rows > 30_000 || self.columns > 30_000 {
            return refuse(size, "choose at most 30000 x 30000");
        }
        if !(0.0..=0.9).contains(&self.clouds) {
            return refuse(format!("clouds over {} of the sky", self.clouds), "choose 0 to 0.9");
        }
        Ok(())
    }

    fn world(&self) -> World {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ 0x5C3E_3E00);
        let mut city = City::draw(&mut rng);
        // North of the equator the sun is in the south.
        city.sun.0 = city.sun.0.abs();
        let (spectra, sky) = (city.spectra_of_a_day(&mut rng), city.sky_of_a_day(&mut rng));
        World {
            town: Town::draw(self.extent(), &mut rng),
            clouds: Clouds::new(self.clouds, &city, rng.r#gen()),
            city,
            spectra,
            sky,
            size: (self.rows, self.columns),
            seed: self.seed,
        }
    }

    /// Metres southward and eastward.
    fn extent(&self) -> (f32, f32) {
        (self.rows as f32 * PIXEL as f32, self.columns as f32 * PIXEL as f32)
    }

    fn grid(&self, every: usize) -> Grid {
        let pixel = PIXEL * every as f64;
        Grid {
            rows: self.rows / every,
            columns: self.columns / every,
            transform: Some(Transform([CORNER.0, pixel, 0.0, CORNER.1, 0.0, -pixel])),
            crs: Crs::Projected { epsg: Some(EPSG), metres: 1.0, name: None, keys: None },
        }
    }

    /// A raster that is being written, of every `every`-th pixel.
    fn raster<P: Pixel>(
        &self,
        folder: &Path,
        name: &str,
        every: usize,
        about: &str,
    ) -> Result<GeoTiffWriter<P>> {
        let path = folder.join(format!("{name}.tif"));
        Ok(GeoTiffWriter::create(path, &self.grid(every))?.describe(about))
    }

    fn write_rasters(&self, folder: &Path, world: &World, progress: &mut dyn Progress) -> Result<()> {
        let says = self.provenance();
        let names = Bands::sentinel2();
        let mut bands = Vec::with_capacity(BANDS);
        for (c, name) in names.names().iter().enumerate() {
            let about = format!("{name}, reflectance = value / 10000, {says}");
            let band = self.raster::<u16>(folder, name, if COARSE[c] { 2 } else { 1 }, &about)?;
            bands.push(band.bands(&[name]).scaled(SCALING, "reflectance").no_data(0));
        }
        let about = format!("Local Climate Zone 1-17, {says}");
        let colours: Vec<[u8; 3]> = std::iter::once([0; 3]).chain(Zone::all().map(Zone::colour)).collect();
        let mut zones =
            self.raster::<u8>(folder, "LCZ", 1, &about)?.bands(&["LCZ"]).no_data(0).colours(&colours);
        let about = format!("scene classes of Sentinel-2, {says}");
        let mut classes = self.raster::<u8>(folder, "SCL", 2, &about)?.bands(&["SCL"]).no_data(scl::NO_DATA);

        for top in (0..self.rows).step_by(TILE) {
            let rows = TILE.min(self.rows - top);
            let lefts: Vec<usize> = (0..self.columns).step_by(TILE).collect();
            let tiles: Vec<Tile> = lefts
                .into_par_iter()
                .map(|left| world.tile((top, left), (rows, TILE.min(self.columns - left))))
                .collect();
            for (c, band) in bands.iter_mut().enumerate() {
                let lines = if COARSE[c] {
                    side_by_side(&tiles, rows / 2, |tile| (&tile.coarse, tile.columns / 2), |pixel| pixel[c])
                } else {
                    side_by_side(&tiles, rows, |tile| (&tile.fine, tile.columns), |pixel| pixel[c])
                };
                band.append(&lines)?;
            }
            zones.append(&side_by_side(&tiles, rows, |tile| (&tile.zones, tile.columns), |zone| *zone))?;
            classes.append(&side_by_side(
                &tiles,
                rows / 2,
                |tile| (&tile.classes, tile.columns / 2),
                |class| *class,
            ))?;
            progress.advance((rows * self.columns) as u64, "");
            super::check_interruption(progress)?;
        }
        bands.into_iter().try_for_each(GeoTiffWriter::finish)?;
        zones.finish()?;
        classes.finish()
    }

    /// The districts' polygons, each along the edges of its pixels.
    fn outlines(&self, world: &World) -> Vec<Outline> {
        let squares: Vec<(i64, i64)> = town::districts_of(self.extent()).collect();
        let of_square = |&(line, column): &(i64, i64)| self.outlines_of(line, column, world);
        squares.par_iter().map(of_square).flatten_iter().collect()
    }

    /// The dry part of a district and the wet one.
    fn outlines_of(&self, line: i64, column: i64, world: &World) -> Vec<Outline> {
        let centre = town::centre_of(line, column);
        let range = |centre: f32, count: usize| {
            let pixel = |metres: f32| (metres / PIXEL as f32).clamp(0.0, count as f32) as usize;
            (pixel(centre - REACH), pixel(centre + REACH + PIXEL as f32))
        };
        let ((top, bottom), (left, right)) = (range(centre.0, self.rows), range(centre.1, self.columns));
        if top == bottom || left == right {
            return Vec::new();
        }
        let districts = world.town.districts(&middles((top, left), (bottom - top, right - left)));
        let outline = |water: bool| {
            let own = District { line, column, water };
            let mask: Vec<bool> = districts.iter().map(|district| *district == own).collect();
            let rings = outlines::trace(&mask, right - left);
            let placed = |ring: Vec<(usize, usize)>| {
                let corner = |(row, column): (usize, usize)| {
                    (CORNER.0 + PIXEL * (left + column) as f64, CORNER.1 - PIXEL * (top + row) as f64)
                };
                ring.into_iter().map(corner).collect()
            };
            (!rings.is_empty()).then(|| Outline {
                zone: world.town.zone(own),
                rings: rings.into_iter().map(placed).collect(),
            })
        };
        [false, true].into_iter().filter_map(outline).collect()
    }
}

/// The middle cells of a rectangle of pixels.
fn middles((top, left): (usize, usize), (rows, columns): (usize, usize)) -> Window {
    let middle = |pixel: usize| (pixel * CELLS_A_PIXEL + CELLS_A_PIXEL / 2) as i64;
    Window { top: middle(top), left: middle(left), rows, columns, stride: CELLS_A_PIXEL }
}

impl World {
    /// A rectangle of pixels; all four numbers are even.
    fn tile(&self, (top, left): (usize, usize), (rows, columns): (usize, usize)) -> Tile {
        let margin = MARGIN * CELLS_A_PIXEL;
        let window = Window {
            top: (top * CELLS_A_PIXEL) as i64 - margin as i64,
            left: (left * CELLS_A_PIXEL) as i64 - margin as i64,
            rows: rows * CELLS_A_PIXEL + 2 * margin,
            columns: columns * CELLS_A_PIXEL + 2 * margin,
            stride: 1,
        };
        let districts = self.town.districts(&window);
        let ground = self.lay(window, &districts);
        let light = Light::of(&ground, &self.city, &self.spectra);
        let inner = Window { top: top as i64, left: left as i64, rows, columns, stride: 1 };
        let veil = self.clouds.over(&inner);

        let within = |row: usize, column: usize| (row + MARGIN) * light.columns + column + MARGIN;
        let pixels = (0..rows * columns).map(|at| {
            veiled(light.pixels[within(at / columns, at % columns)], veil.cloud[at], veil.shadow[at])
        });
        let seen = Light { rows, columns, pixels: pixels.collect() };
        // Each tile has random numbers of its own.
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip([self.seed, 5, top as u64, left as u64]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let mut rng = ChaCha8Rng::from_seed(key);
        let mut measure = |pixels: &[[f32; BANDS]], coarse: bool| -> Vec<[u16; BANDS]> {
            let mut measured = vec![[0; BANDS]; pixels.len()];
            for (steps, pixel) in measured.iter_mut().zip(pixels) {
                for c in (0..BANDS).filter(|&c| COARSE[c] == coarse) {
                    steps[c] = sensor::through_air(pixel[c], c, self.sky, &mut rng);
                }
            }
            measured
        };
        let (mut fine, mut coarse) = (measure(&seen.pixels, false), measure(&seen.halved(), true));
        let mut classes = classes(&ground, &veil, rows, columns);
        for (at, (pixel, class)) in coarse.iter_mut().zip(&mut classes).enumerate() {
            let (row, column) = (2 * (at / (columns / 2)), 2 * (at % (columns / 2)));
            if self.is_beyond_the_swath(top + row, left + column) {
                (*pixel, *class) = ([0; BANDS], scl::NO_DATA);
                for (down, right) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    fine[(row + down) * columns + column + right] = [0; BANDS];
                }
            }
        }
        let middle = |row: usize, column: usize| {
            let cell = |pixel: usize| (pixel + MARGIN) * CELLS_A_PIXEL + CELLS_A_PIXEL / 2;
            districts[cell(row) * window.columns + cell(column)]
        };
        let zones = (0..rows * columns)
            .map(|at| self.town.zone(middle(at / columns, at % columns)).number() as u8)
            .collect();
        Tile { columns, fine, coarse, zones, classes }
    }

    /// Whether the satellite has not seen a pixel.
    fn is_beyond_the_swath(&self, row: usize, column: usize) -> bool {
        let from_end = |at: usize, size: usize| (size - at) as f32 / size as f32;
        from_end(column, self.size.1) / EDGE.0 + from_end(row, self.size.0) / EDGE.1 < 1.0
    }

    /// What lies on the ground: each district's fabric, and the roads across.
    fn lay(&self, window: Window, districts: &[District]) -> Ground {
        let mut boxes: Vec<(District, [usize; 4])> = Vec::new();
        let mut last = 0;
        for (cell, &district) in districts.iter().enumerate() {
            let (row, column) = (cell / window.columns, cell % window.columns);
            if boxes.get(last).is_none_or(|(known, _)| *known != district) {
                last = boxes.iter().position(|(known, _)| *known == district).unwrap_or(boxes.len());
            }
            if last == boxes.len() {
                boxes.push((district, [row, row + 1, column, column + 1]));
            }
            let [top, bottom, left, right] = &mut boxes[last].1;
            (*top, *bottom) = ((*top).min(row), (*bottom).max(row + 1));
            (*left, *right) = ((*left).min(column), (*right).max(column + 1));
        }
        let mut ground = Ground::bare(window, ASPHALT);
        for (district, [top, bottom, left, right]) in boxes {
            let part = Window {
                top: window.top + top as i64,
                left: window.left + left as i64,
                rows: bottom - top,
                columns: right - left,
                stride: 1,
            };
            let laid = self.town.fabric(district, &self.city).lay(part, &self.city);
            for row in top..bottom {
                for column in left..right {
                    let (cell, from) =
                        (row * window.columns + column, (row - top) * part.columns + column - left);
                    if districts[cell] == district {
                        ground.put(cell, laid.material[from], laid.height[from], laid.tint[from]);
                    }
                }
            }
        }
        for (cell, way) in self.town.ways(&window).into_iter().enumerate() {
            let Some(way) = way else { continue };
            // Over water it is a bridge.
            let (material, height) = match (way, districts[cell].water) {
                (Way::Road, true) => (CONCRETE, 9.0),
                (Way::Road, false) => (ASPHALT, 0.0),
                (Way::Railway, water) => (ROCK, if water { 9.0 } else { 0.0 }),
            };
            ground.put(cell, material, height, if way == Way::Road { 1.15 } else { 0.8 });
        }
        ground
    }
}

/// The scene class of each pixel of 20 m.
fn classes(ground: &Ground, veil: &super::clouds::Veil, rows: usize, columns: usize) -> Vec<u8> {
    const SIDE: usize = 2 * CELLS_A_PIXEL;
    let margin = MARGIN * CELLS_A_PIXEL;
    let of = |row: usize, column: usize| {
        let mean = |values: &[f32]| {
            let at = |down: usize, right: usize| values[(2 * row + down) * columns + 2 * column + right];
            0.25 * (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1))
        };
        let (cloud, shadow) = (mean(&veil.cloud), mean(&veil.shadow));
        let (mut plants, mut water) = (0, 0);
        for cell in 0..SIDE * SIDE {
            let (y, x) = (margin + row * SIDE + cell / SIDE, margin + column * SIDE + cell % SIDE);
            let material = ground.material[y * ground.window.columns + x];
            plants += usize::from(is_plant(material));
            water += usize::from(is_water(material));
        }
        match () {
            () if cloud > 0.65 => scl::CLOUD_HIGH,
            () if cloud > 0.3 => scl::CLOUD_MEDIUM,
            () if cloud > 0.1 => scl::CIRRUS,
            () if shadow > 0.25 => scl::SHADOW,
            () if 2 * water > SIDE * SIDE => scl::WATER,
            () if 2 * plants > SIDE * SIDE => scl::VEGETATION,
            () => scl::NOT_VEGETATED,
        }
    };
    (0..rows / 2 * (columns / 2)).map(|at| of(at / (columns / 2), at % (columns / 2))).collect()
}

/// The lines of tiles that lie side by side.
fn side_by_side<P: Sync, V: Send>(
    tiles: &[Tile],
    rows: usize,
    pixels: impl Fn(&Tile) -> (&Vec<P>, usize),
    value: impl Fn(&P) -> V,
) -> Vec<V> {
    let mut lines = Vec::new();
    for row in 0..rows {
        for tile in tiles {
            let (pixels, columns) = pixels(tile);
            lines.extend(pixels[row * columns..(row + 1) * columns].iter().map(&value));
        }
    }
    lines
}
