//! A class for each pixel of each patch: the reference for segmentation.

use std::fmt;
use std::sync::Arc;

use ndarray::{Array3, ArrayView3, Axis};

use crate::{Classes, Error, Labels, Result};

/// The classes of all pixels of some patches. Shape: (N, S, S), patch by patch as in
/// [`Patches`](super::Patches).
///
/// A pixel may have no class ([`IGNORED`](Self::IGNORED): background, cloud, no data): it is excluded
/// from training and from all metrics.
///
/// ```
/// use lcz::{Classes, data::Masks};
/// let classes = Classes::named(["water", "land"])?;
/// let masks = Masks::new(classes, ndarray::array![[[0, 1], [1, Masks::IGNORED]]])?;
/// assert_eq!((masks.counts(), masks.ignored()), (vec![1, 2], 1));
/// let (labels, positions) = masks.labels()?;
/// assert_eq!((labels.indices(), positions.as_slice()), (&[0, 1, 1][..], &[0, 1, 2][..]));
/// # Ok::<(), lcz::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Masks {
    classes: Classes,
    values: Arc<Array3<u8>>,
}

impl Masks {
    /// The value of a pixel without a class.
    pub const IGNORED: u8 = 255;

    /// Class indices, or [`IGNORED`](Self::IGNORED).
    ///
    /// # Errors
    /// No patch, more than 255 classes, or an index that is not a class: names the patch and the pixel.
    pub fn new(classes: Classes, values: Array3<u8>) -> Result<Self> {
        if values.is_empty() {
            return Err(Error::input("masks", "no pixel", "give at least one patch"));
        }
        if classes.len() > usize::from(Self::IGNORED) {
            let problem = format!("{} classes; a mask holds at most 255", classes.len());
            return Err(Error::input("masks", problem, "join some"));
        }
        let beyond = |value: u8| value != Self::IGNORED && usize::from(value) >= classes.len();
        if let Some(((patch, row, column), value)) = values.indexed_iter().find(|(_, value)| beyond(**value))
        {
            return Err(Error::input(
                format!("masks, patch {patch}, row {row}, column {column}"),
                format!("class {value} of {} classes (counted from 0)", classes.len()),
                format!("correct it, or set it to {} if it has no class", Self::IGNORED),
            ));
        }
        // Row by row, so that positions are those of the array.
        let values =
            if values.is_standard_layout() { values } else { values.as_standard_layout().into_owned() };
        Ok(Self { classes, values: Arc::new(values) })
    }

    /// The class of each pixel, or [`IGNORED`](Self::IGNORED). Shape: (N, S, S).
    pub fn view(&self) -> ArrayView3<'_, u8> {
        self.values.view()
    }

    /// What the indices mean.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// How many patches, N.
    pub fn len(&self) -> usize {
        self.values.dim().0
    }

    /// Whether there is none, which cannot be.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pixels of each class. Shape: K.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for value in self.values.iter().filter(|value| **value != Self::IGNORED) {
            counts[usize::from(*value)] += 1;
        }
        counts
    }

    /// Pixels without a class.
    pub fn ignored(&self) -> usize {
        self.values.iter().filter(|value| **value == Self::IGNORED).count()
    }

    /// The masks at these positions, in this order.
    ///
    /// # Errors
    /// No position, or one beyond the last patch.
    pub fn select(&self, positions: &[usize]) -> Result<Self> {
        if positions.is_empty() {
            return Err(Error::input("masks", "no patch is selected", "select at least one"));
        }
        if let Some(position) = positions.iter().find(|position| **position >= self.len()) {
            let problem = format!("patch {position} of {} (counted from 0)", self.len());
            return Err(Error::input("masks", problem, "choose among these"));
        }
        let values = self.values.select(Axis(0), positions);
        Ok(Self { classes: self.classes.clone(), values: Arc::new(values) })
    }

    /// The pixels that have a class, patch by patch and row by row, as labels, and their positions among
    /// all N · S · S pixels. [`Probabilities::select`](crate::Probabilities::select) picks a prediction's rows
    /// of the same pixels: so every metric of patches is one of pixels.
    ///
    /// # Errors
    /// No pixel has a class.
    pub fn labels(&self) -> Result<(Labels, Vec<usize>)> {
        let (mut indices, mut positions) = (Vec::new(), Vec::new());
        for (position, value) in self.values.iter().enumerate().filter(|(_, v)| **v != Self::IGNORED) {
            indices.push(usize::from(*value));
            positions.push(position);
        }
        self.check_some(indices.len(), "masks")?;
        Ok((Labels::from_checked(self.classes.clone(), indices), positions))
    }

    /// Refuses masks of which no pixel counts.
    pub(crate) fn check_some(&self, counted: usize, place: &str) -> Result<()> {
        if counted > 0 {
            return Ok(());
        }
        let problem = format!("all {} pixels are ignored", self.values.len());
        Err(Error::input(place, problem, "give masks in which some pixels have a class"))
    }
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (patches, rows, columns) = self.values.dim();
        write!(f, "masks of {patches} patches of {rows} × {columns} pixels, {} classes", self.classes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, array};

    fn classes() -> Classes {
        Classes::named(["a", "b", "c"]).unwrap()
    }

    #[test]
    fn a_class_beyond_the_list_is_named_with_its_place() {
        let mut values = Array3::zeros((2, 4, 4));
        values[[1, 2, 3]] = 3;
        let error = Masks::new(classes(), values).unwrap_err().to_string();
        assert!(error.starts_with("masks, patch 1, row 2, column 3: class 3 of 3 classes"), "{error}");
        assert!(Masks::new(classes(), Array3::zeros((0, 4, 4))).is_err());
        assert!(Masks::new(Classes::from_count(256), Array3::zeros((1, 4, 4))).is_err());
    }

    #[test]
    fn pixels_without_a_class_are_left_out_and_the_positions_are_those_that_are_left() {
        let none = Masks::IGNORED;
        let masks = Masks::new(classes(), array![[[none, 2], [0, 2]], [[none, none], [1, none]]]).unwrap();
        assert_eq!((masks.counts(), masks.ignored(), masks.len()), (vec![1, 1, 2], 4, 2));
        let (labels, positions) = masks.labels().unwrap();
        assert_eq!(labels.indices(), [2, 0, 2, 1]);
        assert_eq!(positions, [1, 2, 3, 6]);
        let second = masks.select(&[1]).unwrap();
        assert_eq!(second.labels().unwrap().1, [2]);
        assert!(masks.select(&[2]).is_err() && masks.select(&[]).is_err());
        let nothing = Masks::new(classes(), Array3::from_elem((1, 2, 2), none)).unwrap();
        let error = nothing.labels().unwrap_err().to_string();
        assert!(error.contains("all 4 pixels are ignored"), "{error}");
    }

    #[test]
    fn an_array_turned_on_its_side_is_read_in_its_own_order() {
        let values = array![[[0, 1], [2, 0]]].permuted_axes([0, 2, 1]);
        let masks = Masks::new(classes(), values).unwrap();
        assert_eq!(masks.labels().unwrap().0.indices(), [0, 2, 1, 0]);
    }
}
