//! A term of the loss that keeps components apart: the mean of the squared cosine between each two of
//! them.
//!
//! The paper writes its matrices as `U·diag(σ)·Vᵀ` after an SVD, whose vectors are orthogonal, but
//! trains them freely. AdaLoRA (Zhang et al. 2023, arXiv 2303.10512, eq. 4) adds `‖UᵀU − I‖²`. Here σ
//! does not stand for lengths alone, so the term counts directions only: with unit vectors `û`, the
//! mean of `(ûᵢ·ûⱼ)²` over all pairs `i ≠ j`, of left and right vectors and of all factored matrices.
//! It is 0 for orthogonal vectors and 1 for parallel ones.
//!
//! The vectors are those of the learngene and of one tailor together, as its class uses them.

use super::kernels::{Output, View, ViewMut, matmul};
use super::layout::{Factors, Linear, Network};

/// Added to a vector's squared length: right vectors of adaLN begin at zero, which has no direction.
pub(crate) const FLOOR: f64 = 1e-6;

impl Network {
    /// Returns the term for the learngene with one tailor, or alone, and adds `weight` times its
    /// gradient to those by the flat parameters; to the learngene's only where they are given. It is 0
    /// for a network without components.
    ///
    /// # Panics
    /// When parameters or gradients do not have the network's length.
    pub fn orthogonality(
        &self,
        learngene: &[f32],
        tailor: Option<&[f32]>,
        weight: f32,
        (mut by_learngene, mut by_tailor): (Option<&mut [f32]>, Option<&mut [f32]>),
    ) -> f64 {
        let (g, n) = self.components();
        let r = if tailor.is_some() { g + n } else { g };
        let factored = self.blocks.iter().flatten().flatten().filter_map(|linear| match linear {
            Linear::Factored { m1, m2, learngene, tailor, .. } => Some((*m1, *m2, learngene, tailor)),
            Linear::Dense(_) => None,
        });
        let factored: Vec<_> = factored.collect();
        if r < 2 || factored.is_empty() {
            return 0.0;
        }
        let share = 1.0 / (2.0 * factored.len() as f64 * (r * (r - 1)) as f64);
        let mut sum = 0.0;
        for (m1, m2, shared, own) in factored {
            // Left vectors are columns `[m, r]` of each part, right ones are rows `[r, m]`.
            for (m, left) in [(m1, true), (m2, false)] {
                let place = |factors: &Factors| if left { factors.u.clone() } else { factors.v.clone() };
                let at = |k: usize, j: usize, count: usize| if left { j * count + k } else { k * m + j };
                let mut rows = Vec::with_capacity(r * m);
                let mut read = |values: &[f32], count: usize| {
                    rows.extend(
                        (0..count).flat_map(|k| (0..m).map(move |j| at(k, j, count))).map(|i| values[i]),
                    );
                };
                read(&learngene[place(shared)], g);
                if let Some(tailor) = tailor {
                    read(&tailor[place(own)], n);
                }
                let (cosines, gradient) = apart(&mut rows, r);
                sum += cosines;
                let factor = weight * share as f32;
                let write = |values: &mut [f32], first: usize, count: usize| {
                    for (k, row) in gradient.chunks_exact(m).skip(first).take(count).enumerate() {
                        row.iter()
                            .enumerate()
                            .for_each(|(j, value)| values[at(k, j, count)] += factor * value);
                    }
                };
                if let Some(gradient) = &mut by_learngene {
                    write(&mut gradient[place(shared)], 0, g);
                }
                if let (Some(gradient), Some(_)) = (&mut by_tailor, tailor) {
                    write(&mut gradient[place(own)], g, n);
                }
            }
        }
        sum * share
    }
}

/// Returns the sum of the squared cosines of all ordered pairs of the `r` rows, and its gradient by
/// them; brings the rows to unit length.
fn apart(rows: &mut [f32], r: usize) -> (f64, Vec<f32>) {
    let m = rows.len() / r;
    let inverse = |row: &mut [f32]| {
        let square = row.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>() + FLOOR;
        let inverse = (1.0 / libm::sqrt(square)) as f32;
        row.iter_mut().for_each(|value| *value *= inverse);
        inverse
    };
    let inverses: Vec<f32> = rows.chunks_exact_mut(m).map(inverse).collect();
    let mut cosines = vec![0.0; r * r];
    let unit = View::new(rows, m);
    matmul(unit, unit.t(), ViewMut::new(&mut cosines, r), Output::Replace);
    (0..r).for_each(|i| cosines[i * r + i] = 0.0);
    let sum = cosines.iter().map(|c| f64::from(*c) * f64::from(*c)).sum();
    let mut gradient = vec![0.0; rows.len()];
    matmul(View::new(&cosines, r), unit, ViewMut::new(&mut gradient, m), Output::Replace);
    for ((gradient, unit), inverse) in gradient.chunks_exact_mut(m).zip(rows.chunks_exact(m)).zip(inverses) {
        // Along the vector itself nothing changes but its length.
        let along: f32 = gradient.iter().zip(unit).map(|(g, u)| g * u).sum();
        gradient.iter_mut().zip(unit).for_each(|(g, u)| *g = 4.0 * inverse * (*g - along * u));
    }
    (sum, gradient)
}
