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

/// How many of the other rings hold a ring that crosses none: an even number makes it an outline, an odd one a hole.
pub(super) fn depth(rings: &[Ring], k: usize) -> usize {
    let Some(&start) = rings[k].first() else { return 0 };
    rings.iter().enumerate().filter(|&(other, ring)| other != k && holds(ring, start)).count()
}
