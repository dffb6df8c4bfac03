//! A class map smoothed: the Gaussian filter that the LCZ Generator applies to its maps.
//!
//! Demuzere et al. (2020), *Combining expert and crowd-sourced training data to map urban form and functions for the
//! continental US*, Scientific Data 7: the map of each class (1 where a pixel is of it, else 0) is smoothed by a normalised
//! Gaussian of the class's own width, and a pixel takes the class that is then strongest there. The widths are those of the
//! author's public code.

use ndarray::Array2;
use rayon::prelude::*;

use crate::Zone;

/// A Gaussian of one width for all classes is cut off at this many standard deviations.
const REACH: f64 = 3.0;

/// The Gaussian of a class along both axes: offsets in pixels and their weights, whose sum is 1.
#[derive(Debug, Clone)]
pub(super) struct Kernel([Vec<(isize, f64)>; 2]);

impl Kernel {
    /// Cut off at `radius`, of standard deviation `sigma`; both [down, across] in pixels.
    pub fn new(radius: [f64; 2], sigma: [f64; 2]) -> Self {
        let axis = |axis: usize| {
            // Pixel sizes within 5 % count as one: 200 m are two pixels of 100.01 m.
            let reach = (radius[axis] + 0.05).floor() as isize;
            let weight = |k: isize| (-0.5 * (k as f64 / sigma[axis]).powi(2)).exp();
            let sum: f64 = (-reach..=reach).map(weight).sum();
            (-reach..=reach).map(|k| (k, weight(k) / sum)).collect()
        };
        Self([axis(0), axis(1)])
    }

    /// Of one width for all classes.
    pub fn of_width(sigma: [f64; 2]) -> Self {
        Self::new(sigma.map(|sigma| REACH * sigma), sigma)
    }
}

/// Radius and standard deviation of a zone's Gaussian in metres.
pub(super) fn width_of(zone: Zone) -> [f64; 2] {
    match zone.number() {
        1 => [200.0, 100.0],
        2..=7 | 9 | 15 => [300.0, 150.0],
        8 | 10 => [500.0, 250.0],
        17 => [50.0, 25.0],
        _ => [200.0, 75.0],
    }
}

/// The class map smoothed, each class by its kernel; 0 is no data and stays so, and has no weight elsewhere. Of equals, the
/// pixel's own class stays, else the lowest number is taken.
pub(super) fn gaussian(map: &Array2<u8>, kernel: impl Fn(u8) -> Kernel) -> Array2<u8> {
    let (rows, columns) = map.dim();
    let mut present = [false; 256];
    map.iter().for_each(|&class| present[usize::from(class)] = true);
    let classes = (1..=u8::MAX).filter(|&class| present[usize::from(class)]);
    let classes: Vec<(u8, Kernel)> = classes.map(|class| (class, kernel(class))).collect();
    let mut filtered = Array2::zeros((rows, columns));
    let fill = |(row, mut line): (usize, ndarray::ArrayViewMut1<u8>)| {
        let mut strongest = vec![0.0_f64; columns];
        let mut upright = vec![0.0_f64; columns];
        let smooth = |class: u8, down: &[(isize, f64)], upright: &mut [f64]| {
            upright.fill(0.0);
            for (offset, weight) in down {
                let Some(at) = row.checked_add_signed(*offset).filter(|&at| at < rows) else { continue };
                for (sum, &of) in upright.iter_mut().zip(map.row(at)) {
                    *sum += if of == class { *weight } else { 0.0 };
                }
            }
        };
        for &(class, Kernel([ref down, ref across])) in &classes {
            smooth(class, down, &mut upright);
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

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn smoothed(map: &Array2<u8>, sigma: [f64; 2]) -> Array2<u8> {
        gaussian(map, |_| Kernel::of_width(sigma))
    }

    /// Pixels of 100 m; the numbers are the zones'.
    fn by_zone(map: &Array2<u8>) -> Array2<u8> {
        gaussian(map, |number| {
            let [radius, sigma] =
                width_of(Zone::from_number(usize::from(number)).unwrap()).map(|m| m / 100.0);
            Kernel::new([radius; 2], [sigma; 2])
        })
    }

    #[test]
    fn each_zone_has_a_gaussian_of_its_own_width() {
        // At 100 m the weights of zone 6 (300 m, 150 m) are .2707 .2167 .1113 .0366 at 0 to 3 pixels, those of zone A (200 m,
        // 75 m) .5321 .2188 .0152: one line of A has .5321 against 2 (.2167 + .1113 + .0366) = .7292, two have
        // .5321 + .2188 = .7508 against .0366 + .1113 + .2167 + .1113 + .0366 = .5125.
        let lines = |width: usize| {
            Array2::from_shape_fn((9, 11), |(_, c)| if (4..4 + width).contains(&c) { 11 } else { 6 })
        };
        assert!(by_zone(&lines(1)).iter().all(|&class| class == 6));
        assert_eq!(by_zone(&lines(2)).row(4), lines(2).row(4));
        // Water, 50 m and 25 m, stays within its pixel: a lone one has the weight 1.
        let mut pond = Array2::from_elem((9, 9), 6_u8);
        pond[[4, 4]] = 17;
        assert_eq!(by_zone(&pond), pond);
        assert_ne!(smoothed(&pond, [1.0; 2]), pond);
        let Kernel([weights, _]) = Kernel::new([3.0; 2], [1.5; 2]);
        let expected = [0.0366, 0.1113, 0.2167, 0.2707];
        assert!(weights.iter().zip(expected).all(|((_, weight), expected)| (weight - expected).abs() < 5e-5));
    }

    #[test]
    fn a_lone_pixel_takes_the_class_around_it_and_a_straight_edge_stays() {
        let mut map = Array2::from_elem((9, 9), 2_u8);
        map[[4, 4]] = 7;
        assert!(smoothed(&map, [1.0, 1.0]).iter().all(|&class| class == 2));
        let halves = Array2::from_shape_fn((9, 10), |(_, column)| if column < 5 { 3 } else { 11 });
        assert_eq!(smoothed(&halves, [1.5, 1.5]), halves);
        assert_eq!(smoothed(&map, [0.1, 0.1]), map, "a Gaussian within one pixel changes nothing");
    }

    #[test]
    fn no_data_stay_and_weigh_nothing() {
        let map = array![[5, 0, 0, 0], [5, 6, 0, 0], [5, 6, 6, 0]];
        let filtered = smoothed(&map, [1.0, 1.0]);
        for (&before, &after) in map.iter().zip(&filtered) {
            assert_eq!(before == 0, after == 0);
        }
        // A lone pixel among holes stays.
        let lone = array![[0, 0, 0], [0, 5, 0], [0, 0, 0]];
        assert_eq!(smoothed(&lone, [1.0, 1.0]), lone);
        assert_eq!(smoothed(&Array2::zeros((3, 3)), [1.0, 1.0]), Array2::<u8>::zeros((3, 3)));
    }

    #[test]
    fn the_strongest_class_is_that_of_the_sums_written_out() {
        let map = Array2::from_shape_fn((13, 11), |(r, c)| ((r * 7 + c * c * 3 + r * c) % 5) as u8);
        let sigma = [0.9, 1.4];
        let filtered = smoothed(&map, sigma);
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
