//! Which pixels a polygon covers: those whose centres lie inside it.
//!
//! Inside is what an odd number of edges lies left of (the even-odd rule), over all rings of a polygon
//! together: holes, islands in holes and several parts need no special treatment, and where a ring crosses
//! itself, the area that it encloses twice is outside. A centre exactly on an edge is inside if the inside is
//! left of it or below it, so polygons that share an edge share no pixel.

use std::ops::Range;

/// A vertex in pixels: (row, column), whole numbers at the corners of pixels.
pub(super) type Vertex = (f64, f64);

/// Hands on each run of covered pixels: a row and its columns. Runs come row by row, from the left.
pub(super) fn runs(
    rings: &[Vec<Vertex>],
    rows: usize,
    columns: usize,
    mut take: impl FnMut(usize, Range<usize>),
) {
    let mut crossings: Vec<(usize, f64)> = Vec::new();
    for ring in rings {
        let following = ring.iter().cycle().skip(1);
        for (&a, &b) in ring.iter().zip(following) {
            // From top to bottom, so that neighbours compute the same crossings of a shared edge.
            let (above, below) = if a.0 < b.0 { (a, b) } else { (b, a) };
            for row in first_centre(above.0, rows)..first_centre(below.0, rows) {
                let share = (row as f64 + 0.5 - above.0) / (below.0 - above.0);
                crossings.push((row, above.1 + share * (below.1 - above.1)));
            }
        }
    }
    crossings.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    for pair in crossings.chunks_exact(2) {
        // The centre of column c is inside if left < c + 1/2 <= right.
        let bound = |x: f64| ((x + 0.5).floor().max(0.0) as usize).min(columns);
        let covered = bound(pair[0].1)..bound(pair[1].1);
        if !covered.is_empty() {
            take(pair[0].0, covered);
        }
    }
}

/// Hands on each run of pixels whose inside an edge passes through; those of several edges may overlap. Together with
/// [`runs`] they are all pixels that a polygon touches.
pub(super) fn touched(
    rings: &[Vec<Vertex>],
    rows: usize,
    columns: usize,
    mut take: impl FnMut(usize, Range<usize>),
) {
    for ring in rings {
        let following = ring.iter().cycle().skip(1);
        for (&a, &b) in ring.iter().zip(following) {
            let (above, below) = if a.0 < b.0 { (a, b) } else { (b, a) };
            let across = |height: f64| {
                let share = if below.0 > above.0 { (height - above.0) / (below.0 - above.0) } else { 0.0 };
                above.1 + share.clamp(0.0, 1.0) * (below.1 - above.1)
            };
            let last = (below.0.ceil().max(0.0) as usize).min(rows);
            for row in above.0.floor().max(0.0) as usize..last {
                let (from, to) = if below.0 > above.0 {
                    (across(above.0.max(row as f64)), across(below.0.min(row as f64 + 1.0)))
                } else {
                    (a.1, b.1)
                };
                let (left, right) = (from.min(to), from.max(to));
                let (first, end) =
                    (left.floor().max(0.0) as usize, (right.ceil().max(0.0) as usize).min(columns));
                // An upright edge between two columns is inside none.
                if first < end {
                    take(row, first..end);
                }
            }
        }
    }
}

/// The first row whose centre is at or below this height, at most `rows`.
fn first_centre(height: f64, rows: usize) -> usize {
    ((height - 0.5).ceil().max(0.0) as usize).min(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    /// The covered pixels as text, `#` for inside.
    fn drawn(rings: &[Vec<Vertex>], rows: usize, columns: usize) -> Vec<String> {
        let mut pixels = vec![vec!['.'; columns]; rows];
        runs(rings, rows, columns, |row, covered| pixels[row][covered].fill('#'));
        pixels.into_iter().map(String::from_iter).collect()
    }

    fn rectangle(rows: [f64; 2], columns: [f64; 2]) -> Vec<Vertex> {
        vec![(rows[0], columns[0]), (rows[0], columns[1]), (rows[1], columns[1]), (rows[1], columns[0])]
    }

    #[test]
    fn an_edge_touches_the_pixels_that_it_passes_through_and_no_others() {
        let touches = |rings: &[Vec<Vertex>]| {
            let mut pixels = vec![vec!['.'; 5]; 4];
            touched(rings, 4, 5, |row, covered| pixels[row][covered].fill('#'));
            pixels.into_iter().map(String::from_iter).collect::<Vec<_>>()
        };
        assert_eq!(touches(&[rectangle([0.6, 2.6], [0.4, 3.4])]), ["####.", "#..#.", "####.", "....."]);
        // On the lines between pixels: the inside of none.
        assert_eq!(touches(&[rectangle([1.0, 3.0], [1.0, 4.0])]), ["....."; 4]);
        let within_one = [rectangle([1.6, 1.9], [1.1, 1.9])];
        assert_eq!(touches(&within_one), [".....", ".#...", ".....", "....."]);
        let slope = [vec![(0.5, 0.5), (3.5, 4.5), (3.5, 4.5)]];
        assert_eq!(touches(&slope), ["##...", ".##..", "..##.", "...##"]);
        assert_eq!(touches(&[rectangle([-5.0, 9.0], [-3.0, 8.0])]), ["....."; 4], "outside");
    }

    #[test]
    fn a_ring_that_crosses_itself_is_read_by_the_even_odd_rule() {
        // A bow tie, and a square that is gone round twice.
        let bow = [vec![(0.0, 0.0), (4.0, 6.0), (0.0, 6.0), (4.0, 0.0)]];
        assert_eq!(drawn(&bow, 4, 6), ["#....#", "##..##", "##..##", "#....#"]);
        let once = rectangle([0.0, 2.0], [0.0, 2.0]);
        assert_eq!(drawn(&[[once.clone(), once].concat()], 2, 2), ["..", ".."]);
    }

    #[test]
    fn what_leaves_the_raster_is_cut_off() {
        let polygon = [rectangle([-1e30, 1.0], [1.0, 1e30])];
        assert_eq!(drawn(&polygon, 2, 3), [".##", "..."]);
        assert_eq!(drawn(&[rectangle([5.0, 9.0], [5.0, 9.0])], 2, 3), ["...", "..."]);
        assert_eq!(drawn(&[vec![], vec![(0.5, 0.5)], vec![(0.0, 0.0), (2.0, 3.0)]], 2, 3), ["...", "..."]);
    }

    #[test]
    fn triangles_that_fill_a_rectangle_cover_each_pixel_once() {
        // Vertices at corners and centres of pixels, where edges meet centres exactly.
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        for _ in 0..200 {
            let middle = (f64::from(rng.gen_range(0..=16)) / 2.0, f64::from(rng.gen_range(0..=20)) / 2.0);
            let corners = rectangle([0.0, 8.0], [0.0, 10.0]);
            let mut covered = [[0; 10]; 8];
            for k in 0..4 {
                let triangle = vec![corners[k], corners[(k + 1) % 4], middle];
                runs(&[triangle], 8, 10, |row, run| run.for_each(|column| covered[row][column] += 1));
            }
            assert_eq!(covered, [[1; 10]; 8], "{middle:?}");
        }
    }
}
