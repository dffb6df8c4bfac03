//! A class map smoothed: the Gaussian filter that the LCZ Generator applies to its maps.
//!
//! Demuzere et al. (2020), *Combining expert and crowd-sourced training data to map urban form and functions for the
//! continental US*, Scientific Data 7: the map of each class (1 where a pixel is of it, else 0) is smoothed by a
//! Gaussian, and a pixel takes the class that is then strongest there. They use a width per class; these widths
//! are not available, so that one width is used for all classes.

use ndarray::Array2;
use rayon::prelude::*;

/// The Gaussian is cut off at this many standard deviations.
const REACH: f64 = 3.0;

/// The class map smoothed with a Gaussian whose standard deviation is `sigma` = [down, across] pixels; 0 is no data and
/// stays so, and has no weight elsewhere. Of equals, the pixel's own class stays, else the lowest number is taken.
pub(super) fn gaussian(map: &Array2<u8>, sigma: [f64; 2]) -> Array2<u8> {
    let (rows, columns) = map.dim();
    let [down, across] = sigma.map(weights);
    let mut present = [false; 256];
    map.iter().for_each(|&class| present[usize::from(class)] = true);
    let classes: Vec<u8> = (1..=u8::MAX).filter(|&class| present[usize::from(class)]).collect();
    let mut filtered = Array2::zeros((rows, columns));
    let fill = |(row, mut line): (usize, ndarray::ArrayViewMut1<u8>)| {
        let mut strongest = vec![0.0_f64; columns];
        let mut upright = vec![0.0_f64; columns];
        let smooth = |class: u8, upright: &mut [f64]| {
            upright.fill(0.0);
            for (offset, weight) in &down {
                let Some(at) = row.checked_add_signed(*offset).filter(|&at| at < rows) else { continue };
                for (sum, &of) in upright.iter_mut().zip(map.row(at)) {
                    *sum += if of == class { *weight } else { 0.0 };
                }
            }
        };
        for &class in &classes {
            smooth(class, &mut upright);
            for column in 0..columns {
                let own = map[[row, column]];
                if own == 0 {
                    continue;
                }
                let level: f64 = across
                    .iter()
                    .filter_map(|(offset, weight)| {
                        let at = column.checked_add_signed(*offset).filter(|&at| at < columns)?;
                        Some(weight * upright[at])
                    })
                    .sum();
                if level > strongest[column] || (class == own && level >= strongest[column]) {
                    (strongest[column], line[column]) = (level, class);
                }
            }
        }
    };
    filtered.outer_iter_mut().into_par_iter().enumerate().for_each(fill);
    filtered
}

/// Offsets and weights along one axis.
fn weights(sigma: f64) -> Vec<(isize, f64)> {
    let reach = (REACH * sigma).floor() as isize;
    (-reach..=reach).map(|k| (k, (-0.5 * (k as f64 / sigma).powi(2)).exp())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_lone_pixel_takes_the_class_around_it_and_a_straight_edge_stays() {
        let mut map = Array2::from_elem((9, 9), 2_u8);
        map[[4, 4]] = 7;
        assert!(gaussian(&map, [1.0, 1.0]).iter().all(|&class| class == 2));
        let halves = Array2::from_shape_fn((9, 10), |(_, column)| if column < 5 { 3 } else { 11 });
        assert_eq!(gaussian(&halves, [1.5, 1.5]), halves);
        assert_eq!(gaussian(&map, [0.1, 0.1]), map, "a Gaussian within one pixel changes nothing");
    }

    #[test]
    fn no_data_stay_and_weigh_nothing() {
        // Four of class 5 next to a hole: without the hole's weight they win over three of class 6.
        let map = array![[5, 0, 0, 0], [5, 6, 0, 0], [5, 6, 6, 0]];
        let filtered = gaussian(&map, [1.0, 1.0]);
        for (&before, &after) in map.iter().zip(&filtered) {
            assert_eq!(before == 0, after == 0);
        }
        assert_eq!(gaussian(&Array2::zeros((3, 3)), [1.0, 1.0]), Array2::<u8>::zeros((3, 3)));
    }

    #[test]
    fn the_strongest_class_is_that_of_the_sums_written_out() {
        let map = Array2::from_shape_fn((13, 11), |(r, c)| ((r * 7 + c * c * 3 + r * c) % 5) as u8);
        let sigma = [0.9, 1.4];
        let filtered = gaussian(&map, sigma);
        for ((row, column), &own) in map.indexed_iter() {
            let mut levels = [0.0; 5];
            for ((r, c), &class) in map.indexed_iter() {
                let (y, x) = (r as f64 - row as f64, c as f64 - column as f64);
                if y.abs() <= 3.0 * sigma[0] && x.abs() <= 3.0 * sigma[1] {
                    let exponent = (y / sigma[0]).powi(2) + (x / sigma[1]).powi(2);
                    levels[usize::from(class)] += (-0.5 * exponent).exp();
                }
            }
            let best = (1..5).max_by(|&a, &b| f64::total_cmp(&levels[a], &levels[b])).unwrap();
            assert_eq!(usize::from(filtered[[row, column]]), if own == 0 { 0 } else { best });
        }
    }
}
