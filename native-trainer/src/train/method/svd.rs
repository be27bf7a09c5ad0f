//! The singular value decomposition of a matrix, by `faer`.

use faer::Mat;

use super::Values;

/// `W = P·diag(s)·Qᵀ` with `k = min(m1, m2)` singular values, the largest first.
pub(super) struct Svd {
    /// `[m1, k]`
    pub(super) p: Values,
    /// `[1, k]`
    pub(super) s: Values,
    /// `Qᵀ`, `[k, m2]`
    pub(super) qt: Values,
}

impl Svd {
    /// Decomposes in `f64`. A matrix for which the decomposition does not converge, as one with a value that is no
    /// number, is left whole: its parts are then zeros.
    pub(super) fn of(weight: &Values) -> Self {
        let [m1, m2] = weight.shape;
        let k = m1.min(m2);
        let w = Mat::<f64>::from_fn(m1, m2, |i, j| f64::from(weight.values[i * m2 + j]));
        let Ok(svd) = w.thin_svd() else {
            return Self {
                p: Values::full([m1, k], 0.0),
                s: Values::full([1, k], 0.0),
                qt: Values::full([k, m2], 0.0),
            };
        };
        let (u, s, v) = (svd.U(), svd.S().column_vector(), svd.V());
        let p = (0..m1).flat_map(|i| (0..k).map(move |j| u[(i, j)] as f32)).collect();
        let qt = (0..k).flat_map(|i| (0..m2).map(move |j| v[(j, i)] as f32)).collect();
        let s = (0..k).map(|i| s[i] as f32).collect();
        Self { p: Values::new([m1, k], p), s: Values::new([1, k], s), qt: Values::new([k, m2], qt) }
    }
}
