//! Repulsion between all points of a plane in N log N: a quad tree, walked once for the points of each leaf.

use rayon::prelude::*;

use crate::simd::Level;
use crate::simd::repulsion::{Sources, repel};

/// Points of a leaf, at most: as many share a walk through the tree.
const LEAF: usize = 24;
/// Bits of a coordinate on the grid that sorts the points: halvings, at most.
const BITS: u32 = 16;

/// Points in the order of a Z-shaped curve, so that the points of each square are a range.
struct Tree {
    /// Which point each is.
    order: Vec<u32>,
    points: Vec<[f32; 2]>,
    /// The children of a square follow one another, behind it.
    squares: Vec<Square>,
}

struct Square {
    /// Its points.
    begin: usize,
    end: usize,
    /// Its children; none of a leaf.
    first_child: usize,
    children: usize,
    low: [f32; 2],
    high: [f32; 2],
    centre_of_mass: [f32; 2],
}

impl Tree {
    fn new(positions: &[[f32; 2]]) -> Self {
        let low = |axis: usize| positions.iter().map(|y| y[axis]).fold(f32::INFINITY, f32::min);
        let high = |axis: usize| positions.iter().map(|y| y[axis]).fold(f32::NEG_INFINITY, f32::max);
        let origin = [low(0), low(1)];
        let side = (high(0) - origin[0]).max(high(1) - origin[1]);
        let cells = ((1_u32 << BITS) - 1) as f32;
        // All points at one place: one cell.
        let scale = if side > 0.0 { cells / side } else { 0.0 };
        let cell = |y: f32, axis: usize| ((y - origin[axis]) * scale) as u32;
        let mut keys: Vec<u64> = positions
            .par_iter()
            .enumerate()
            .map(|(n, y)| {
                let code = spread(cell(y[0], 0)) | spread(cell(y[1], 1)) << 1;
                u64::from(code) << 32 | n as u64
            })
            .collect();
        keys.par_sort_unstable();
        let codes: Vec<u32> = keys.iter().map(|key| (key >> 32) as u32).collect();
        let order: Vec<u32> = keys.iter().map(|key| *key as u32).collect();
        let points = order.iter().map(|&n| positions[n as usize]).collect();
        let mut tree = Self { order, points, squares: Vec::new() };
        tree.divide(&codes);
        tree.measure();
        tree
    }

    /// Makes all squares, from the whole to the leaves.
    fn divide(&mut self, codes: &[u32]) {
        let square = |begin, end| Square {
            begin,
            end,
            first_child: 0,
            children: 0,
            low: [0.0; 2],
            high: [0.0; 2],
            centre_of_mass: [0.0; 2],
        };
        self.squares.push(square(0, codes.len()));
        // The halvings of each square.
        let mut depths = vec![0];
        let mut next = 0;
        while next < self.squares.len() {
            let (begin, end, mut depth) = (self.squares[next].begin, self.squares[next].end, depths[next]);
            let first_child = self.squares.len();
            // A square whose points lie in one quarter is that quarter.
            while end - begin > LEAF && depth < BITS && self.squares.len() - first_child < 2 {
                self.squares.truncate(first_child);
                depths.truncate(first_child);
                let shift = 2 * (BITS - 1 - depth);
                depth += 1;
                let mut from = begin;
                while from < end {
                    let quarter = codes[from] >> shift;
                    let to = from + codes[from..end].partition_point(|code| code >> shift == quarter);
                    self.squares.push(square(from, to));
                    depths.push(depth);
                    from = to;
                }
            }
            if self.squares.len() - first_child < 2 {
                self.squares.truncate(first_child);
                depths.truncate(first_child);
            }
            self.squares[next].first_child = first_child;
            self.squares[next].children = self.squares.len() - first_child;
            next += 1;
        }
    }

    /// What each square spans, and its centre of mass: those of the children first.
    fn measure(&mut self) {
        for n in (0..self.squares.len()).rev() {
            let Square { begin, end, first_child, children, .. } = self.squares[n];
            let mut low = [f32::INFINITY; 2];
            let mut high = [f32::NEG_INFINITY; 2];
            let mut sum = [0.0_f64; 2];
            let mut include = |from: [f32; 2], to: [f32; 2], centre: [f32; 2], mass: f64| {
                for axis in 0..2 {
                    low[axis] = low[axis].min(from[axis]);
                    high[axis] = high[axis].max(to[axis]);
                    sum[axis] += mass * f64::from(centre[axis]);
                }
            };
            if children == 0 {
                self.points[begin..end].iter().for_each(|&y| include(y, y, y, 1.0));
            }
            for child in &self.squares[first_child..first_child + children] {
                include(child.low, child.high, child.centre_of_mass, (child.end - child.begin) as f64);
            }
            let mass = (end - begin) as f64;
            let square = &mut self.squares[n];
            (square.low, square.high) = (low, high);
            square.centre_of_mass = sum.map(|sum| (sum / mass) as f32);
        }
    }

    /// What repels the points of a leaf: points near it one by one, others as crowds whose extent is below θ
    /// distances from the leaf's nearest edge.
    fn walk(&self, leaf: &Square, theta: f32, open: &mut Vec<usize>, sources: &mut Sources) {
        sources.clear();
        open.clear();
        open.push(0);
        while let Some(n) = open.pop() {
            let square = &self.squares[n];
            let away = |axis: usize| {
                let centre = square.centre_of_mass[axis];
                (leaf.low[axis] - centre).max(centre - leaf.high[axis]).max(0.0)
            };
            let extent = (square.high[0] - square.low[0]).max(square.high[1] - square.low[1]);
            let (dx, dy) = (away(0), away(1));
            if extent * extent < theta * theta * (dx * dx + dy * dy) {
                sources.push(square.centre_of_mass, (square.end - square.begin) as f32);
            } else if square.children == 0 {
                self.points[square.begin..square.end].iter().for_each(|&y| sources.push(y, 1.0));
            } else {
                open.extend(square.first_child..square.first_child + square.children);
            }
        }
    }
}

/// Puts a zero between the bits of a number of 16.
fn spread(x: u32) -> u32 {
    let x = (x | x << 8) & 0x00FF_00FF;
    let x = (x | x << 4) & 0x0F0F_0F0F;
    let x = (x | x << 2) & 0x3333_3333;
    (x | x << 1) & 0x5555_5555
}

/// Σ_j q_ij² (y_i − y_j) of each point i, and Σ_i Σ_{j ≠ i} q_ij, with q_ij = 1/(1 + ‖y_i − y_j‖²).
pub(super) fn repulsion(positions: &[[f32; 2]], theta: f32) -> (Vec<[f32; 2]>, f64) {
    let tree = Tree::new(positions);
    let leaves: Vec<&Square> = tree.squares.iter().filter(|square| square.children == 0).collect();
    let of_leaves: Vec<Vec<[f32; 3]>> = leaves
        .par_iter()
        .map_init(
            || (Vec::new(), Sources::default()),
            |(open, sources), leaf| {
                tree.walk(leaf, theta, open, sources);
                let mut sums = Vec::with_capacity(leaf.end - leaf.begin);
                repel(Level::best(), &tree.points[leaf.begin..leaf.end], sources, &mut sums);
                sums
            },
        )
        .collect();
    let mut forces = vec![[0.0; 2]; positions.len()];
    let mut total = 0.0;
    for (leaf, sums) in leaves.iter().zip(of_leaves) {
        for (&n, [x, y, sum]) in tree.order[leaf.begin..leaf.end].iter().zip(sums) {
            forces[n as usize] = [x, y];
            // Each point has met itself, with q = 1.
            total += f64::from(sum) - 1.0;
        }
    }
    (forces, total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn exact(positions: &[[f32; 2]]) -> (Vec<[f64; 2]>, f64) {
        let mut total = 0.0;
        let forces = positions.iter().enumerate().map(|(i, a)| {
            let mut force = [0.0; 2];
            for (_, b) in positions.iter().enumerate().filter(|(j, _)| *j != i) {
                let d = [0, 1].map(|axis| f64::from(a[axis]) - f64::from(b[axis]));
                let q = 1.0 / (1.0 + d[0] * d[0] + d[1] * d[1]);
                total += q;
                force[0] += q * q * d[0];
                force[1] += q * q * d[1];
            }
            force
        });
        (forces.collect(), total)
    }

    /// How far two lists of forces are apart, relative to the second.
    fn error(found: &[[f32; 2]], wanted: &[[f64; 2]]) -> f64 {
        let of = |axis: usize, f: &dyn Fn(f64, f64) -> f64| {
            found.iter().zip(wanted).map(|(a, b)| f(f64::from(a[axis]), b[axis])).sum::<f64>()
        };
        let apart = |a: f64, b: f64| (a - b).powi(2);
        let size = |_: f64, b: f64| b * b;
        ((of(0, &apart) + of(1, &apart)) / (of(0, &size) + of(1, &size))).sqrt()
    }

    fn cloud(points: usize, spread: f32) -> Vec<[f32; 2]> {
        let mut random = ChaCha8Rng::seed_from_u64(points as u64);
        let mut clump =
            || [random.gen_range(-1.0..1.0) * spread, random.gen_range(-1.0..1.0_f32).powi(3) * spread];
        (0..points).map(|_| clump()).collect()
    }

    #[test]
    fn with_theta_zero_it_is_the_sum_over_all_pairs() {
        for points in [4, 5, 24, 25, 300, 1001] {
            let positions = cloud(points, 30.0);
            let (forces, total) = repulsion(&positions, 0.0);
            let (wanted, sum) = exact(&positions);
            assert!(error(&forces, &wanted) < 1e-5, "{points}: {}", error(&forces, &wanted));
            assert!((total / sum - 1.0).abs() < 1e-5, "{points}: {total}, not {sum}");
        }
    }

    #[test]
    fn crowds_far_away_change_little() {
        for spread in [1e-3, 1.0, 80.0] {
            let positions = cloud(3000, spread);
            let (forces, total) = repulsion(&positions, 0.5);
            let (wanted, sum) = exact(&positions);
            assert!(error(&forces, &wanted) < 0.02, "{spread}: {}", error(&forces, &wanted));
            assert!((total / sum - 1.0).abs() < 1e-2, "{spread}: {total}, not {sum}");
        }
    }

    #[test]
    fn points_at_one_place_are_no_trouble() {
        let mut positions = vec![[1.5, -2.0]; 100];
        let (forces, total) = repulsion(&positions, 0.5);
        assert!(forces.iter().flatten().all(|f| f.abs() < 1e-6));
        assert!((total - 9900.0).abs() < 1e-2, "{total}");
        positions.push([3.5, -2.0]);
        let (forces, _) = repulsion(&positions, 0.5);
        assert!((forces[100][0] - 100.0 * 2.0 / 25.0).abs() < 1e-3, "{}", forces[100][0]);
    }
}
