//! Batches of images as samplers see them: values that can be added and scaled.

/// A batch of images `[B, C, H, W]`, wherever its values live.
///
/// Samplers and guidance are written in these few operations alone, so one text serves the
/// processor's engine and Burn's graph.
pub trait Combine: Clone {
    /// Returns `p·self + q·other`. A factor of zero leaves its operand out, even where that is not
    /// finite.
    fn combine(&self, p: f64, other: &Self, q: f64) -> Self;

    /// Returns the batch twice, one after the other: `[2B, C, H, W]`.
    fn twice(&self) -> Self;

    /// Returns the first and the second half of a batch: the inverse of [`Combine::twice`].
    fn halves(&self) -> (Self, Self);

    /// Returns the images with every value clamped to `[-1, 1]`.
    fn clamped(&self) -> Self;
}

/// A batch of images in host memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Images {
    /// `[B, C, H, W]`
    pub shape: [usize; 4],
    /// Values, row-major; those of finished images lie in `[-1, 1]`, those of latents anywhere.
    pub values: Vec<f32>,
}

impl Images {
    /// Takes `values` as images of this shape.
    pub fn new(shape: [usize; 4], values: Vec<f32>) -> Self {
        debug_assert_eq!(values.len(), shape.iter().product::<usize>());
        Self { shape, values }
    }

    /// Returns the number of values of one image, `C·H·W`.
    pub fn image_len(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// Returns image number `i`, `[C, H, W]`.
    pub fn image(&self, i: usize) -> &[f32] {
        &self.values[i * self.image_len()..][..self.image_len()]
    }

    /// Returns a copy of the images in `range`.
    pub fn part(&self, range: std::ops::Range<usize>) -> Self {
        let n = self.image_len();
        self.of(range.len(), self.values[range.start * n..range.end * n].to_vec())
    }

    fn of(&self, batch: usize, values: Vec<f32>) -> Self {
        let [_, c, h, w] = self.shape;
        Self::new([batch, c, h, w], values)
    }
}

impl Combine for Images {
    fn combine(&self, p: f64, other: &Self, q: f64) -> Self {
        let (p, q) = (p as f32, q as f32);
        // An operand with the factor zero is left out, since it may not be finite.
        let combined = |(a, b): (&f32, &f32)| match (p == 0.0, q == 0.0) {
            (true, _) => q * b,
            (_, true) => p * a,
            _ => p * a + q * b,
        };
        self.of(self.shape[0], self.values.iter().zip(&other.values).map(combined).collect())
    }

    fn twice(&self) -> Self {
        self.of(2 * self.shape[0], self.values.repeat(2))
    }

    fn halves(&self) -> (Self, Self) {
        let (first, second) = self.values.split_at(self.values.len() / 2);
        (self.of(self.shape[0] / 2, first.to_vec()), self.of(self.shape[0] / 2, second.to_vec()))
    }

    fn clamped(&self) -> Self {
        self.of(self.shape[0], self.values.iter().map(|v| v.clamp(-1.0, 1.0)).collect())
    }
}
