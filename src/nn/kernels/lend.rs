//! The numbers of a dfdx tensor on the processor, lent: dfdx itself only copies them, or lends one at a
//! time.

use dfdx::prelude::*;

/// All numbers of a tensor, in order.
///
/// # Panics
/// A tensor whose numbers do not lie in order, such as a transposed or a broadcast one.
pub(crate) fn numbers<S: Shape>(x: &Tensor<S, f32, Cpu>) -> &[f32] {
    let Some(len) = checked_len(x) else { return &[] };
    let first: *const f32 = &raw const x[S::Concrete::default()];
    // SAFETY: `checked_len` has found that the tensor's `len` numbers lie side by side from the first
    // on, all of them in the tensor's one vector, which lives as long as the tensor is borrowed. The pointer
    // comes from a reference to the first number, the most that dfdx lends: it may reach the others of the same
    // allocation by the rules of Tree Borrows, though not by the stricter ones of Stacked Borrows.
    unsafe { std::slice::from_raw_parts(first, len) }
}

/// As [`numbers`], to change them. A tensor that shares its numbers with a clone is given its own first.
///
/// # Panics
/// As [`numbers`].
pub(crate) fn numbers_mut<S: Shape>(x: &mut Tensor<S, f32, Cpu>) -> &mut [f32] {
    let Some(len) = checked_len(x) else { return &mut [] };
    let first: *mut f32 = &raw mut x[S::Concrete::default()];
    // SAFETY: as in `numbers`; the tensor is borrowed alone, and indexing has made its vector its own.
    unsafe { std::slice::from_raw_parts_mut(first, len) }
}

/// How many numbers a tensor has, if any, all of which lie in order.
fn checked_len<S: Shape>(x: &Tensor<S, f32, Cpu>) -> Option<usize> {
    let shape = x.shape().concrete();
    let sides = shape.as_ref();
    let len = x.shape().num_elements();
    if len == 0 {
        return None;
    }
    let first: *const f32 = &raw const x[S::Concrete::default()];
    let mut step = len;
    for (axis, &side) in sides.iter().enumerate() {
        step /= side;
        if side > 1 {
            let mut next = S::Concrete::default();
            next[axis] = 1;
            let next: *const f32 = &raw const x[next];
            let apart = next.addr().wrapping_sub(first.addr());
            assert_eq!(apart, step * size_of::<f32>(), "a tensor whose numbers do not lie in order");
        }
    }
    Some(len)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "numbers are lent, not computed")]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_lent_are_the_tensor_s_own() {
        let device = Cpu::default();
        let values: Vec<f32> = (0..24).map(|n| n as f32).collect();
        let mut x = device.tensor_from_vec(values.clone(), (2usize, 3usize, 4usize));
        assert_eq!(numbers(&x), values);
        let before = x.clone();
        numbers_mut(&mut x)[23] = -1.0;
        assert_eq!((x[[1, 2, 3]], before[[1, 2, 3]]), (-1.0, 23.0));
        assert_eq!(numbers(&x)[..23], values[..23]);
        let none: Tensor<(usize,), f32, Cpu> = device.tensor_from_vec(Vec::new(), (0usize,));
        assert!(numbers(&none).is_empty());
        let one: Tensor<(usize, usize), f32, Cpu> = device.tensor_from_vec(vec![7.0], (1usize, 1usize));
        assert_eq!(numbers(&one), [7.0]);
    }

    #[test]
    #[should_panic(expected = "do not lie in order")]
    fn a_transposed_tensor_is_not_lent() {
        let x: Tensor<(usize, usize), f32, Cpu> =
            Cpu::default().tensor_from_vec((0..6).map(|n| n as f32).collect(), (2usize, 3usize));
        let turned: Tensor<(usize, usize), f32, Cpu> = x.permute::<_, Axes2<1, 0>>();
        numbers(&turned);
    }
}
