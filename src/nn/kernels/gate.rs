//! Channels of an image times a factor each: squeeze-and-excitation's gate (Hu, Shen & Sun 2018), and its gradients.

use super::{Kernel, Lanes, check_channels};

/// out = x · factor, channel by channel; one image.
pub(crate) struct Scale<'a> {
    pub(crate) x: &'a [f32],
    pub(crate) factors: &'a [f32],
    pub(crate) out: &'a mut [f32],
}

// SAFETY: plain loops.
unsafe impl Kernel for Scale<'_> {
    fn check(&self) {
        check_channels(&[self.x, self.out], &[self.factors]);
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let channels = self.factors.len();
        for (out, x) in self.out.chunks_exact_mut(channels).zip(self.x.chunks_exact(channels)) {
            out.iter_mut().zip(x.iter().zip(self.factors)).for_each(|(out, (x, f))| *out = x * f);
        }
    }
}

/// gx += g · factor and sums += Σ g · x over the pixels, channel by channel; one image.
pub(crate) struct AddGradients<'a> {
    pub(crate) x: &'a [f32],
    pub(crate) factors: &'a [f32],
    pub(crate) g: &'a [f32],
    pub(crate) gx: &'a mut [f32],
    pub(crate) sums: &'a mut [f32],
}

// SAFETY: plain loops.
unsafe impl Kernel for AddGradients<'_> {
    fn check(&self) {
        check_channels(&[self.x, self.g, self.gx], &[self.factors, self.sums]);
    }

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
