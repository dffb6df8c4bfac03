//! Windows that slide over maps, and the sides of the maps on both ends of a convolution.

use super::volume;

/// The padding of a window beyond the edge of the maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Padding {
    /// Keras's `same`: ⌈size / stride⌉ outputs; where the zeros are an odd number, the one left over
    /// comes after the maps.
    Same,
    /// Keras's `valid`: the window stays inside.
    Valid,
    /// This number of zeros on each side, as Keras's `ZeroPadding2D` before `valid`.
    Around(usize),
}

/// A square window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its side.
    pub(crate) kernel: usize,
    /// The stride, in pixels.
    pub(crate) stride: usize,
    pub(crate) padding: Padding,
}

impl Window {
    /// A window that gives as many outputs as there are inputs.
    pub(crate) fn same(kernel: usize) -> Self {
        Self { kernel, stride: 1, padding: Padding::Same }
    }

    /// Places of the window along a side of `size` pixels; 0 where it does not fit.
    pub(crate) fn outputs(self, size: usize) -> usize {
        let places = |padded: usize| padded.checked_sub(self.kernel).map_or(0, |left| left / self.stride + 1);
        match self.padding {
            Padding::Same => size.div_ceil(self.stride),
            Padding::Valid => places(size),
            Padding::Around(zeros) => places(size + 2 * zeros),
        }
    }

    /// Zeros before the first pixel of a side.
    fn before(self, size: usize) -> usize {
        match self.padding {
            Padding::Same => {
                let reach = (self.outputs(size).max(1) - 1) * self.stride + self.kernel;
                reach.saturating_sub(size) / 2
            }
            Padding::Valid => 0,
            Padding::Around(zeros) => zeros,
        }
    }

    /// The pixel of a side that a tap of the window lies on at a place, unless that is outside.
    fn pixel(self, size: usize, place: usize, tap: usize) -> Option<usize> {
        (place * self.stride + tap).checked_sub(self.before(size)).filter(|&pixel| pixel < size)
    }

    /// For each place in maps of these sides and each tap, row by row, the pixel under it.
    pub(crate) fn pixels(self, height: usize, width: usize) -> impl Iterator<Item = Option<usize>> {
        let Self { kernel, .. } = self;
        let (rows, columns) = (self.outputs(height), self.outputs(width));
        (0..rows * columns * kernel * kernel).map(move |k| {
            let (place, tap) = (k / (kernel * kernel), k % (kernel * kernel));
            let row = self.pixel(height, place / columns, tap / kernel)?;
            Some(row * width + self.pixel(width, place % columns, tap % kernel)?)
        })
    }
}

/// The sides of a convolution of a batch of maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) batch: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// Channels in.
    pub(crate) inputs: usize,
    /// Channels out.
    pub(crate) outputs: usize,
    pub(crate) window: Window,
}

impl Geometry {
    /// Rows and columns of the output.
    pub(crate) fn places(self) -> (usize, usize) {
        (self.window.outputs(self.height), self.window.outputs(self.width))
    }

    /// Numbers of an input image and of an output image.
    pub(crate) fn image_lens(self) -> (usize, usize) {
        let (rows, columns) = self.places();
        (volume(&[self.height, self.width, self.inputs]), volume(&[rows, columns, self.outputs]))
    }

    /// Numbers of the whole input.
    pub(crate) fn input_len(self) -> usize {
        volume(&[self.batch, self.image_lens().0])
    }

    /// Numbers of the whole output.
    pub(crate) fn output_len(self) -> usize {
        volume(&[self.batch, self.image_lens().1])
    }

    /// Weights of the convolution: (kernel · kernel · inputs, outputs).
    pub(crate) fn weight_len(self) -> usize {
        volume(&[self.window.kernel, self.window.kernel, self.inputs, self.outputs])
    }
}
