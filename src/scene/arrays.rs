//! Patches cut from a scene in memory.

use ndarray::{Array4, ArrayView2, ArrayView3, s};

use super::coverage::Coverage;
use super::regions::connected_regions;
use crate::data::Patches;
use crate::{Classes, Error, Imagery, Labels, Result};

impl Patches {
    /// A window around each labelled pixel of a scene in memory, row by row, as [`CutInto::Windows`](super::CutInto::Windows)
    /// cuts it from files, with the pixel's class. Windows that reach beyond the scene, or hold a pixel that is NaN or infinite, are
    /// left out. The group of a window is its region, the labelled pixels of one class that touch: neighbouring windows
    /// overlap, so assign whole groups to training and testing.
    ///
    /// # Shape
    /// A scene of (rows, columns, bands), where [`GeoTiff::read`](super::GeoTiff::read) gives (bands, rows, columns), and
    /// class numbers of (rows, columns): k is the k-th class, 0 none, as [`classes_on`](super::classes_on) gives them.
    ///
    /// # Errors
    /// Shapes that do not fit together or to `imagery`, a number that is not a class, no window left, or more than fit into memory.
    ///
    /// ```
    /// use lcz::{Classes, Imagery, data::Patches};
    /// let scene = ndarray::Array3::from_shape_fn((5, 6, 2), |(row, column, _)| (10 * row + column) as f32);
    /// let mut numbers = ndarray::Array2::zeros((5, 6));
    /// (numbers[[2, 3]], numbers[[3, 4]], numbers[[0, 0]]) = (2, 2, 1); // the last one's window leaves the scene
    /// let classes = Classes::named(["water", "sand"])?;
    /// let imagery = Imagery::new(3, ["red", "nir"])?.metres(10.0).unit("reflectance");
    /// let patches = Patches::around_labels(imagery, classes, scene.view(), numbers.view())?;
    /// assert_eq!(patches.labels()?.indices(), [1, 1]);
    /// assert_eq!(patches.groups(), Some(vec![2, 2])); // they touch at a corner
    /// assert_eq!(patches.images(0..1)?[[0, 1, 1, 0]], 23.0);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn around_labels(
        imagery: Imagery,
        classes: Classes,
        scene: ArrayView3<'_, f32>,
        numbers: ArrayView2<'_, u8>,
    ) -> Result<Self> {
        let ((rows, columns, bands), size) = (scene.dim(), imagery.patch_size);
        if numbers.dim() != (rows, columns) {
            let problem = format!("{:?} pixels in a scene of {:?}", numbers.dim(), (rows, columns));
            return Err(Error::input("class numbers", problem, "give one per pixel"));
        }
        if let Some(((row, column), number)) =
            numbers.indexed_iter().find(|(_, number)| usize::from(**number) > classes.len())
        {
            let place = format!("class numbers, row {row}, column {column}");
            let problem = format!("{number} of {} classes", classes.len());
            return Err(Error::input(place, problem, "give 0 where there is none"));
        }
        let (regions, class_of_region) = connected_regions(&numbers.mapv(u16::from));
        let missing = Coverage::new(rows, columns, |row, column| {
            scene.slice(s![row, column, ..]).iter().any(|value| !value.is_finite())
        });
        let start = |k: usize, length: usize| k.checked_sub(size / 2).filter(|first| first + size <= length);
        let windows = regions.indexed_iter().filter(|(_, region)| **region > 0);
        let windows = windows.filter_map(|((row, column), &region)| {
            let (row, column) = (start(row, rows)?, start(column, columns)?);
            let (down, across) = (row..row + size, column..column + size);
            (!missing.any(down.clone(), across.clone())).then_some((s![down, across, ..], region))
        });
        let (windows, regions): (Vec<_>, Vec<u32>) = windows.unzip();
        let count = (windows.len() * bands).saturating_mul(size.saturating_mul(size));
        let mut values = Vec::new();
        values.try_reserve_exact(count).map_err(|_| {
            let problem = format!("{} windows of {size} pixels do not fit into memory", windows.len());
            Error::input("class numbers", problem, "label fewer pixels")
        })?;
        values.resize(count, 0.0);
        let shape = (windows.len(), size, size, bands);
        let mut images = Array4::from_shape_vec(shape, values).map_err(Error::internal("cutting windows"))?;
        for (window, mut image) in windows.into_iter().zip(images.outer_iter_mut()) {
            image.assign(&scene.slice(window));
        }
        let labels = regions.iter().map(|&region| class_of_region[region as usize - 1]).collect();
        let labels = Labels::new(classes.clone(), labels)?;
        let groups = regions.into_iter().map(|region| region as i32).collect();
        Self::in_memory(imagery, classes, images)?.with_labels(&labels)?.with_groups(groups)
    }
}
