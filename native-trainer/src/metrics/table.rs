//! What a network reads off a set of images, one row for each.

/// As many values for each of some images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Values of one image.
    width: usize,
    /// The rows, one after the other.
    values: Vec<f32>,
}

impl Table {
    /// Takes `values` as rows of `width` values. What does not fill a row is left out.
    pub fn new(width: usize, mut values: Vec<f32>) -> Self {
        values.truncate(values.len().checked_div(width).unwrap_or(0) * width);
        Self { width, values }
    }

    /// Number of images.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Values of one image.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, one row after the other.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values of image number `i`.
    ///
    /// # Panics
    /// When there are not so many images.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.width..][..self.width]
    }

    /// Adds the rows of `other`, which are of the same width; an empty table takes any.
    pub fn extend(&mut self, other: Table) {
        if self.values.is_empty() {
            *self = other;
        } else {
            debug_assert_eq!(self.width, other.width);
            self.values.extend(other.values);
        }
    }
}
