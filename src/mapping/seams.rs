//! Whether a map shows where its tiles end.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// How often neighbouring pixels differ in class where tiles end, and elsewhere: without seams the two are similar.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Seams {
    /// In a map of tiles side by side, at their edges.
    pub side_by_side_at_edges: f64,
    /// In the same map, elsewhere.
    pub side_by_side_elsewhere: f64,
    /// In the map of overlapping tiles, at their edges.
    pub overlapping_at_edges: f64,
    /// In the same map, elsewhere.
    pub overlapping_elsewhere: f64,
}

impl Seams {
    /// Of two maps: of tiles side by side, and of tiles that overlap by half.
    pub(crate) fn of(side_by_side: &Array2<u8>, overlapping: &Array2<u8>, patch_size: usize) -> Self {
        let first = changes(side_by_side, patch_size);
        let second = changes(overlapping, patch_size / 2);
        Self {
            side_by_side_at_edges: first[0],
            side_by_side_elsewhere: first[1],
            overlapping_at_edges: second[0],
            overlapping_elsewhere: second[1],
        }
    }
}

/// The share of neighbours, across and down, whose classes differ: of those with the end of a tile between them, and of all
/// others. Pixels without a class (0) do not count.
fn changes(map: &Array2<u8>, every: usize) -> [f64; 2] {
    let (rows, columns) = map.dim();
    let mut counts = [[0_usize; 2]; 2];
    let mut count = |a: u8, b: u8, at: usize| {
        if a > 0 && b > 0 {
            let kind = &mut counts[usize::from(!at.is_multiple_of(every))];
            kind[0] += usize::from(a != b);
            kind[1] += 1;
        }
    };
    for row in 0..rows {
        for column in 0..columns {
            if column > 0 {
                count(map[[row, column - 1]], map[[row, column]], column);
            }
            if row > 0 {
                count(map[[row - 1, column]], map[[row, column]], row);
            }
        }
    }
    counts.map(|[differ, all]| differ as f64 / all.max(1) as f64)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the shares are of small whole numbers")]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_changes_only_where_tiles_end_is_all_seams() {
        let tiled = Array2::from_shape_fn((8, 8), |(row, column)| 1 + ((row / 4 + column / 4) % 2) as u8);
        assert_eq!(changes(&tiled, 4), [1.0, 0.0]);
        let stripes = Array2::from_shape_fn((8, 8), |(_, column)| column as u8 + 1);
        let [edges, elsewhere] = changes(&stripes, 4);
        assert!((edges - 0.5).abs() < 1e-12 && (elsewhere - 0.5).abs() < 1e-12);
        let empty = Array2::zeros((8, 8));
        assert_eq!(changes(&empty, 4), [0.0, 0.0]);
    }
}
