//! Whether the outline of a polygon crosses itself.

use super::rasterise::Vertex;

/// Whether two edges of these rings cross: each has the ends of the other on its two sides. Edges that only touch, or
/// lie on each other, do not cross.
///
/// Edges are visited from top to bottom, and compared only with those that reach as far down: in usual polygons
/// of maps, few lie side by side.
pub(super) fn crosses_itself(rings: &[Vec<Vertex>]) -> bool {
    let mut edges: Vec<(Vertex, Vertex)> = Vec::new();
    for ring in rings {
        let following = ring.iter().cycle().skip(1);
        // From top to bottom.
        edges.extend(ring.iter().zip(following).map(|(&a, &b)| if a.0 <= b.0 { (a, b) } else { (b, a) }));
    }
    edges.sort_unstable_by(|a, b| a.0.0.total_cmp(&b.0.0));
    let mut open: Vec<(Vertex, Vertex)> = Vec::new();
    for edge in edges {
        open.retain(|other| other.1.0 > edge.0.0);
        if open.iter().any(|other| cross(*other, edge)) {
            return true;
        }
        open.push(edge);
    }
    false
}

/// Whether two edges cross: each has the ends of the other on its two sides.
pub(super) fn cross((a, b): (Vertex, Vertex), (c, d): (Vertex, Vertex)) -> bool {
    // Most edges lie apart from left to right.
    if a.1.max(b.1) <= c.1.min(d.1) || c.1.max(d.1) <= a.1.min(b.1) {
        return false;
    }
    let apart = |from: Vertex, to: Vertex, p: Vertex, q: Vertex| {
        let side =
            |point: Vertex| (to.0 - from.0) * (point.1 - from.1) - (to.1 - from.1) * (point.0 - from.0);
        let (p, q) = (side(p), side(q));
        (p > 0.0 && q < 0.0) || (p < 0.0 && q > 0.0)
    };
    apart(a, b, c, d) && apart(c, d, a, b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    #[test]
    fn a_bow_tie_crosses_itself_and_a_square_with_a_hole_does_not() {
        let bow = vec![(0.0, 0.0), (4.0, 6.0), (0.0, 6.0), (4.0, 0.0), (0.0, 0.0)];
        assert!(crosses_itself(&[bow]));
        let square = |from: f64, to: f64| vec![(from, from), (from, to), (to, to), (to, from), (from, from)];
        assert!(!crosses_itself(&[square(0.0, 9.0), square(3.0, 5.0)]));
        assert!(!crosses_itself(&[square(0.0, 3.0), square(3.0, 5.0)]), "a corner in common");
        assert!(crosses_itself(&[square(0.0, 9.0), square(7.0, 12.0)]), "a hole that leaves its polygon");
        assert!(!crosses_itself(&[vec![], vec![(1.0, 1.0)]]));
    }

    #[test]
    fn the_answer_is_that_of_comparing_all_edges_with_all() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let mut crossing = 0;
        for _ in 0..500 {
            let corners = rng.gen_range(3..7);
            let ring: Vec<Vertex> =
                (0..corners).map(|_| (rng.gen_range(0.0..1.0), rng.gen_range(0.0..1.0))).collect();
            let edge = |k: usize| (ring[k], ring[(k + 1) % corners]);
            let wanted = (0..corners).any(|k| (0..k).any(|l| cross(edge(k), edge(l))));
            assert_eq!(crosses_itself(std::slice::from_ref(&ring)), wanted, "{ring:?}");
            crossing += usize::from(wanted);
        }
        assert!((100..400).contains(&crossing), "{crossing}");
    }
}
