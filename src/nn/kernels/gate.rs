//! Channels of an image times a factor each: squeeze-and-excitation's gate (Hu, Shen & Sun 2018), and its gradients.

use super::{Kernel, Lanes, Level};

/// out = x · factor, channel by channel; one image.
pub(crate) fn scale(level: Level, x: &[f32], factors: &[f32], out: &mut [f32]) {
    assert!(x.len() == out.len() && x.len().is_multiple_of(factors.len()), "unequal channels");
    level.run(Scale { x, factors, out });
}

struct Scale<'a> {
    x: &'a [f32],
    factors: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let channels = self.factors.len();
        for (out, x) in self.out.chunks_exact_mut(channels).zip(self.x.chunks_exact(channels)) {
            out.iter_mut().zip(x.iter().zip(self.factors)).for_each(|(out, (x, f))| *out = x * f);
        }
    }
}

/// gx += g · factor and sums += Σ g · x over the pixels, channel by channel; one image.
pub(crate) fn add_gradients(
    level: Level,
    x: &[f32],
    factors: &[f32],
    g: &[f32],
    gx: &mut [f32],
    sums: &mut [f32],
) {
    let channels = factors.len();
    assert!(x.len() == g.len() && x.len() == gx.len() && sums.len() == channels, "unequal lengths");
    assert!(x.len().is_multiple_of(channels), "unequal channels");
    level.run(AddGradients { x, factors, g, gx, sums });
}

struct AddGradients<'a> {
    x: &'a [f32],
    factors: &'a [f32],
    g: &'a [f32],
    gx: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Kernel for AddGradients<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let channels = self.factors.len();
        let pixels = self.x.chunks_exact(channels).zip(self.g.chunks_exact(channels));
        for (gx, (x, g)) in self.gx.chunks_exact_mut(channels).zip(pixels) {
            let of_x = gx.iter_mut().zip(self.factors);
            for ((gx, f), (sum, (x, g))) in of_x.zip(self.sums.iter_mut().zip(x.iter().zip(g))) {
                *gx += g * f;
                *sum += g * x;
            }
        }
    }
}
