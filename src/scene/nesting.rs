//! Which rings of a polygon lie within others: outlines, holes, islands in holes.

use super::layer::Ring;

/// The edges of a ring, closed.
pub(super) fn edges(ring: &Ring) -> impl Iterator<Item = ((f64, f64), (f64, f64))> + '_ {
    ring.iter().copied().zip(ring.iter().copied().cycle().skip(1))
}

/// Whether a point lies within a ring.
pub(super) fn holds(ring: &Ring, (x, y): (f64, f64)) -> bool {
    let crossed = |&(a, b): &((f64, f64), (f64, f64))| {
        (a.1 > y) != (b.1 > y) && x < a.0 + (y - a.1) / (b.1 - a.1) * (b.0 - a.0)
    };
    edges(ring).filter(crossed).count() % 2 == 1
}

/// The area of a ring, by the shoelace formula.
pub(super) fn ring_area(ring: &Ring) -> f64 {
    (edges(ring).map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum::<f64>() / 2.0).abs()
}

/// Whether one ring lies within another, of rings that do not cross; of two equal ones the later lies within the first.
pub(super) fn within(rings: &[Ring], inner: usize, outer: usize) -> bool {
    let (small, large) = (&rings[inner], &rings[outer]);
    if inner == outer || small == large {
        return outer < inner;
    }
    // Most of the vertices: some may lie on the other ring.
    let held = small.iter().filter(|&&vertex| holds(large, vertex)).count();
    2 * held > small.len() && ring_area(large) > ring_area(small)
}

/// How many of the other rings hold a ring: an even number makes it an outline, an odd one a hole.
pub(super) fn depth(rings: &[Ring], k: usize) -> usize {
    (0..rings.len()).filter(|&other| within(rings, k, other)).count()
}
