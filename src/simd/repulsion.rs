//! How points of a plane repel one another in t-SNE: a Student t kernel with one degree of freedom.

use super::{Kernel, Lanes, Level, vectors};

/// Points that share the loads of what repels them.
const TOGETHER: usize = 4;

/// What repels: points, or crowds of points far away at their centre of mass.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    x: Vec<f32>,
    y: Vec<f32>,
    mass: Vec<f32>,
}

impl Sources {
    pub(crate) fn clear(&mut self) {
        self.x.clear();
        self.y.clear();
        self.mass.clear();
    }

    /// Points at a place, `mass` of them.
    pub(crate) fn push(&mut self, [x, y]: [f32; 2], mass: f32) {
        self.x.push(x);
        self.y.push(y);
        self.mass.push(mass);
    }
}

/// For each target t, Σ m q² (t − s) in both directions and Σ m q, with q = 1/(1 + ‖t − s‖²), over the
/// sources s of mass m. A source at the target counts only in the last sum.
pub(crate) fn repel(level: Level, targets: &[[f32; 2]], sources: &Sources, out: &mut Vec<[f32; 3]>) {
    let begin = out.len();
    out.resize(begin + targets.len(), [0.0; 3]);
    let (fours, rest) = targets.as_chunks::<TOGETHER>();
    let (out_fours, out_rest) = out[begin..].as_chunks_mut::<TOGETHER>();
    for (targets, out) in fours.iter().zip(out_fours) {
        level.run(Repel { targets: *targets, sources, out });
    }
    for (target, out) in rest.iter().zip(out_rest) {
        level.run(Repel { targets: [*target], sources, out: std::array::from_mut(out) });
    }
}

struct Repel<'a, const T: usize> {
    targets: [[f32; 2]; T],
    sources: &'a Sources,
    out: &'a mut [[f32; 3]; T],
}

// SAFETY: `check` has the sources' vectors equally long.
unsafe impl<const T: usize> Kernel for Repel<'_, T> {
    fn check(&self) {
        let Sources { x, y, mass } = self.sources;
        assert!(x.len() == y.len() && x.len() == mass.len(), "places and masses of different sources");
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Sources { x, y, mass } = self.sources;
        let n = x.len();
        // SAFETY: the caller vouches for the processor; no load reaches beyond n.
        unsafe {
            let (zero, one) = (L::splat(0.0), L::splat(1.0));
            let mut negative = [[zero; 2]; T];
            for (negative, [x, y]) in negative.iter_mut().zip(self.targets) {
                *negative = [L::splat(-x), L::splat(-y)];
            }
            let mut sums = [[zero; 3]; T];
            for (start, lanes) in vectors::<L>(n) {
                let x = L::load_first(x.as_ptr().add(start), lanes);
                let y = L::load_first(y.as_ptr().add(start), lanes);
                // Nothing behind the last source: masses of zero.
                let mass = L::load_first(mass.as_ptr().add(start), lanes);
                for (sums, [to_x, to_y]) in sums.iter_mut().zip(negative) {
                    let (dx, dy) = (x.add(to_x), y.add(to_y));
                    let q = one.divide(dx.multiply_add(dx, dy.multiply_add(dy, one)));
                    let mq = mass.multiply_add(q, zero);
                    let force = mq.multiply_add(q, zero);
                    sums[0] = force.multiply_add(dx, sums[0]);
                    sums[1] = force.multiply_add(dy, sums[1]);
                    sums[2] = sums[2].add(mq);
                }
            }
            for (totals, sums) in self.out.iter_mut().zip(sums) {
                for (total, sum) in totals.iter_mut().zip(sums) {
                    let mut lanes = [0f32; 16];
                    sum.store(lanes.as_mut_ptr());
                    *total = lanes[..L::WIDTH].iter().sum();
                }
                // Away from the sources: dx was s − t.
                totals[0] = -totals[0];
                totals[1] = -totals[1];
            }
        }
    }
}
