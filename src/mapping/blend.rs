//! A whole scene segmented in overlapping tiles, without seams.
//!
//! Predictions are least reliable at the edge of a tile, where the network sees only one side. Each pixel's
//! probabilities are therefore the mean over all tiles that cover it, weighted by how far from the tile's edge the pixel
//! lies there: `p(k) = Σ_t w_t p_t(k) / Σ_t w_t`, w a pyramid of `min(i + 1, S − i)` rows times as many columns. From
//! pixel to pixel the weights change by little, and so do the averages: there is no jump where a tile ends.
//!
//! Of several dates a pixel has the mean over all tiles of all dates on which it has data.
//!
//! Of a tile that lacks data in some pixels, these are filled with the mean of the others, band by band, and have no
//! class afterwards; a tile without any data is left out.

use std::ops::Range;

use ndarray::{Array2, Array3, Array4, s};

use crate::data::Patches;
use crate::data::eopatch::covering;
use crate::models::Classifier;
use crate::scene::{SceneRows, SceneView};
use crate::{Error, Imagery, Progress, Result};

/// Tiles per batch.
const BATCH: usize = 32;

/// What is segmented: pixels, some rows at a time.
pub(crate) struct Ground<'a> {
    /// Rows and columns.
    size: [usize; 2],
    /// What its pixels are.
    imagery: Imagery,
    read: Box<dyn Fn(Range<usize>) -> Result<SceneRows> + 'a>,
    /// Whether pixels under clouds count as pixels without data.
    masked: bool,
}

impl<'a> Ground<'a> {
    pub(crate) fn scene(view: &'a SceneView<'_>, masked: bool) -> Self {
        let size = [view.grid().rows, view.grid().columns];
        Self { size, imagery: view.imagery(0), read: Box::new(|rows| view.read(rows)), masked }
    }

    /// An image in memory.
    pub(crate) fn image(image: &'a Array3<f32>, imagery: Imagery) -> Self {
        let read = |rows| Ok(SceneRows::from_pixels(image.slice(s![rows, .., ..]).to_owned()));
        Self { size: [image.dim().0, image.dim().1], imagery, read: Box::new(read), masked: false }
    }
}

/// Some rows, each pixel with its probabilities.
pub(crate) struct Blended {
    /// The first of them.
    pub first: usize,
    /// Probabilities of each pixel's classes; of no use where there are no data. Shape: (rows, columns, K).
    pub p: Array3<f64>,
    /// Where there are data.
    pub with_data: Array2<bool>,
    /// Of each date, pixels without data, and of the others those under clouds where it is known.
    pub left_out: Vec<(usize, Option<usize>)>,
}

/// Segments some lines of the ground, on one or more dates, in tiles that lie `stride` pixels apart, from the top; `take` receives
/// these lines in order. They are as they are where all of the ground is segmented.
pub(crate) fn blend(
    model: &dyn Classifier,
    dates: &[Ground<'_>],
    (stride, lines): (usize, Range<usize>),
    progress: &mut dyn Progress,
    take: &mut dyn FnMut(Blended) -> Result<()>,
) -> Result<()> {
    let size = model.imagery().patch_size;
    let [rows, columns] = dates[0].size;
    if stride == 0 || stride > size {
        let problem = format!("{stride} pixels from tile to tile of {size} x {size}");
        return Err(Error::input("stride", problem, "choose 1 or more, such as half a tile"));
    }
    if rows < size || columns < size {
        let problem = format!("{rows} x {columns} pixels are less than a tile of {size} x {size}");
        return Err(Error::input("scene", problem, "give a larger scene"));
    }
    let [mut tops, lefts] = [rows, columns].map(|length| covering(length, size, stride));
    tops.retain(|&top| top < lines.end && top + size > lines.start);
    let (weights, classes) = (pyramid(size), model.classes().len());
    let mut sums = Array3::<f64>::zeros((size, columns, classes));
    let mut total = Array2::<f64>::zeros((size, columns));
    progress.begin("mapping", (tops.len() * lefts.len() * dates.len()) as u64);
    for (n, &top) in tops.iter().enumerate() {
        // Rows that no further tile reaches are done.
        let done = tops.get(n + 1).map_or(size, |next| next - top);
        let kept = [lines.start, lines.end].map(|line| line.saturating_sub(top).min(done));
        let kept = kept[0]..kept[1];
        let mut of_any = Array2::from_elem((size, columns), false);
        let mut left_out = Vec::new();
        for ground in dates {
            let SceneRows { pixels: strip, lacking, hidden } = (ground.read)(top..top + size)?;
            let in_kept = |marks: &dyn Fn([usize; 2]) -> bool| {
                (kept.start * columns..kept.end * columns)
                    .filter(|at| marks([at / columns, at % columns]))
                    .count()
            };
            let under = hidden.as_ref().map(|hidden| in_kept(&|at| hidden[at] && !lacking[at]));
            left_out.push((in_kept(&|at| lacking[at]), under));
            let mut with_data = lacking.mapv(|lacking| !lacking);
            if let Some(hidden) = hidden.filter(|_| ground.masked) {
                with_data.zip_mut_with(&hidden, |data, hidden| *data &= !hidden);
            }
            let any = |left: &&usize| with_data.slice(s![.., **left..**left + size]).iter().any(|data| *data);
            let chosen: Vec<usize> = lefts.iter().filter(any).copied().collect();
            progress.advance((lefts.len() - chosen.len()) as u64, "");
            for batch in chosen.chunks(BATCH) {
                if progress.interrupted() {
                    let place = format!("in row {top} of {rows} of the map; nothing is written");
                    return Err(Error::Interrupted { place });
                }
                let imagery = Imagery { patch_size: size, ..ground.imagery.clone() };
                let patches = tiles(&strip, &with_data, batch, imagery, model)?;
                let p = model.predict(&patches)?;
                let p = p.view();
                for (k, &left) in batch.iter().enumerate() {
                    for ((row, column), &weight) in weights.indexed_iter() {
                        if !with_data[[row, left + column]] {
                            continue;
                        }
                        let of_pixel = p.row((k * size + row) * size + column);
                        sums.slice_mut(s![row, left + column, ..]).scaled_add(weight, &of_pixel);
                        total[[row, left + column]] += weight;
                    }
                }
                progress.advance(batch.len() as u64, "");
            }
            of_any.zip_mut_with(&with_data, |any, data| *any |= data);
        }
        let mut p = sums.slice(s![..done, .., ..]).to_owned();
        for (mut of_pixel, &total) in p.rows_mut().into_iter().zip(total.slice(s![..done, ..])) {
            if total > 0.0 {
                of_pixel /= total;
            }
        }
        if !kept.is_empty() {
            let first = top + kept.start;
            let with_data = of_any.slice(s![kept.clone(), ..]).to_owned();
            take(Blended { first, p: p.slice_move(s![kept, .., ..]), with_data, left_out })?;
        }
        let (rest, rest_total) =
            (sums.slice(s![done.., .., ..]).to_owned(), total.slice(s![done.., ..]).to_owned());
        sums.fill(0.0);
        total.fill(0.0);
        sums.slice_mut(s![..size - done, .., ..]).assign(&rest);
        total.slice_mut(s![..size - done, ..]).assign(&rest_total);
    }
    progress.end("");
    Ok(())
}

/// How much a pixel of a tile counts: 1 in its corners.
fn pyramid(size: usize) -> Array2<f64> {
    let along = |k: usize| (k + 1).min(size - k) as f64;
    Array2::from_shape_fn((size, size), |(row, column)| along(row) * along(column))
}

/// Tiles of a strip, filled where they lack data.
fn tiles(
    strip: &Array3<f32>,
    with_data: &Array2<bool>,
    lefts: &[usize],
    imagery: Imagery,
    model: &dyn Classifier,
) -> Result<Patches> {
    let (size, bands) = (imagery.patch_size, strip.dim().2);
    let mut images = Array4::zeros((lefts.len(), size, size, bands));
    for (mut image, &left) in images.outer_iter_mut().zip(lefts) {
        image.assign(&strip.slice(s![.., left..left + size, ..]));
        let data = with_data.slice(s![.., left..left + size]);
        if data.iter().all(|data| *data) {
            continue;
        }
        let mut means = vec![0.0_f64; bands];
        let mut count = 0.0;
        for (pixel, _) in image.rows().into_iter().zip(&data).filter(|(_, data)| **data) {
            means.iter_mut().zip(pixel).for_each(|(mean, value)| *mean += f64::from(*value));
            count += 1.0;
        }
        for (mut pixel, _) in image.rows_mut().into_iter().zip(&data).filter(|(_, data)| !**data) {
            pixel.iter_mut().zip(&means).for_each(|(value, mean)| *value = (mean / count) as f32);
        }
    }
    Patches::in_memory(imagery, model.classes().clone(), images)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::unet::UnetSettings;
    use crate::models::{Architecture, Device, build};
    use crate::progress::Silent;
    use crate::{Bands, Classes};
    use rand::{Rng, SeedableRng};

    fn unet(size: usize) -> Box<dyn Classifier> {
        let settings = UnetSettings { width: 0.125, depth: 1, ..UnetSettings::plain() };
        let imagery = Imagery { patch_size: size, bands: Bands::from_count(2), ..Imagery::so2sat() };
        build(&Architecture::Unet(settings), &imagery, &Classes::from_count(3), 4, Device::Cpu).unwrap()
    }

    fn image(rows: usize, columns: usize) -> Array3<f32> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        Array3::from_shape_simple_fn((rows, columns, 2), || rng.gen_range(-1.0..1.0))
    }

    fn blended(model: &dyn Classifier, image: &Array3<f32>, stride: usize) -> (Array3<f64>, Array2<bool>) {
        let (p, with_data, _) = in_stripes(model, image, stride, 1);
        (p, with_data)
    }

    fn in_stripes(
        model: &dyn Classifier,
        image: &Array3<f32>,
        stride: usize,
        stripes: usize,
    ) -> (Array3<f64>, Array2<bool>, usize) {
        let ground = Ground::image(image, model.imagery().clone());
        let (rows, columns, _) = image.dim();
        let mut all = (Array3::zeros((rows, columns, 3)), Array2::from_elem((rows, columns), false), 0);
        let (mut next, grounds) = (0, [ground]);
        for k in 0..stripes {
            let lines = rows * k / stripes..rows * (k + 1) / stripes;
            blend(model, &grounds, (stride, lines.clone()), &mut Silent, &mut |part| {
                assert_eq!(part.first, next, "rows come in order");
                next += part.p.dim().0;
                all.0.slice_mut(s![part.first..next, .., ..]).assign(&part.p);
                all.1.slice_mut(s![part.first..next, ..]).assign(&part.with_data);
                all.2 += part.left_out[0].0;
                Ok(())
            })
            .unwrap();
            assert_eq!(next, lines.end);
        }
        all
    }

    #[test]
    fn a_pixel_has_the_weighted_mean_of_all_tiles_that_cover_it() {
        let (model, image) = (unet(8), image(21, 18));
        for stride in [3, 4, 8] {
            let (p, with_data) = blended(&*model, &image, stride);
            assert!(with_data.iter().all(|data| *data));
            // Tile by tile, over the whole image.
            let (mut sums, mut total) = (Array3::<f64>::zeros((21, 18, 3)), Array2::<f64>::zeros((21, 18)));
            for top in covering(21, 8, stride) {
                for left in covering(18, 8, stride) {
                    let tile = image.slice(s![top..top + 8, left..left + 8, ..]).to_owned();
                    let tile = tile.insert_axis(ndarray::Axis(0));
                    let patches =
                        Patches::in_memory(model.imagery().clone(), Classes::from_count(3), tile).unwrap();
                    let of_tile = model.predict(&patches).unwrap();
                    for at in 0..64 {
                        let (row, column) = (at / 8, at % 8);
                        let weight = ((row + 1).min(8 - row) * (column + 1).min(8 - column)) as f64;
                        total[[top + row, left + column]] += weight;
                        for k in 0..3 {
                            sums[[top + row, left + column, k]] += weight * of_tile.view()[[at, k]];
                        }
                    }
                }
            }
            for ((row, column, k), &p) in p.indexed_iter() {
                let wanted = sums[[row, column, k]] / total[[row, column]];
                assert!((p - wanted).abs() < 1e-6, "stride {stride}, {row} {column}: {p} {wanted}");
            }
        }
    }

    #[test]
    fn stripes_are_as_they_are_in_the_whole() {
        let (model, mut image) = (unet(8), image(21, 18));
        image.slice_mut(s![9..12, 3..9, ..]).fill(f32::NAN);
        for (stride, stripes) in [(3, 4), (8, 2), (8, 7), (4, 21)] {
            let striped = in_stripes(&*model, &image, stride, stripes);
            assert_eq!(striped.2, 3 * 6, "pixels without data");
            assert!(striped == in_stripes(&*model, &image, stride, 1));
        }
    }

    #[test]
    fn pixels_without_data_have_no_class_and_hardly_touch_their_neighbours() {
        let (model, whole) = (unet(8), image(16, 16));
        let mut image = whole.clone();
        image.slice_mut(s![0..8, 0..8, ..]).fill(f32::NAN);
        image[[12, 12, 1]] = f32::INFINITY;
        let (p, with_data) = blended(&*model, &image, 8);
        for ((row, column), &data) in with_data.indexed_iter() {
            assert_eq!(data, !((row < 8 && column < 8) || (row, column) == (12, 12)));
        }
        let (wanted, _) = blended(&*model, &whole, 8);
        let at = |p: &Array3<f64>| p.slice(s![0..8, 8.., ..]).to_owned();
        assert_eq!(at(&p), at(&wanted), "a tile with all its data is as it was");
        assert!(p.slice(s![8.., 8.., ..]).iter().all(|p| p.is_finite()));
    }

    #[test]
    fn strides_that_leave_gaps_and_grounds_too_small_are_refused() {
        let (model, image) = (unet(8), image(16, 7));
        let refused = |stride: usize| {
            let ground = Ground::image(&image, model.imagery().clone());
            let error = blend(&*model, &[ground], (stride, 0..image.dim().0), &mut Silent, &mut |_| Ok(()));
            error.unwrap_err().to_string()
        };
        assert!(refused(0).contains("0 pixels from tile to tile of 8 x 8"));
        assert!(refused(9).contains("9 pixels from tile to tile of 8 x 8"));
        assert!(refused(4).contains("16 x 7 pixels are less than a tile of 8 x 8"));
    }
}
