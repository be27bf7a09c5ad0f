//! A term of the loss that counts the direction alone: `1 − cos` of the angle between output and
//! target (Yao et al. 2025, LightningDiT, arXiv 2501.01423, §5).
//!
//! There the vectors are the channels of one cell of a latent image, which stands for a patch of
//! pixels. Here they are the values of one patch, which is one token. The term is the mean over all
//! patches, times a weight; the squared error is the mean over all values.

/// Added to the mean square of a vector's values. A network's output begins at zero, which has no
/// direction: without this floor its first gradient would be a million times that of the squared
/// error, and stay in the optimiser's moments.
pub(crate) const FLOOR: f64 = 1e-3;

/// Returns the term for one patch, and adds `weight` times its gradient by `output` to `gradient`.
pub(crate) fn add_gradient(
    output: &[f32],
    target: impl Iterator<Item = f32> + Clone,
    weight: f64,
    gradient: &mut [f32],
) -> f64 {
    let floor = FLOOR * output.len() as f64;
    let (mut both, mut found, mut wanted) = (0.0, floor, floor);
    for (o, t) in output.iter().zip(target.clone()) {
        let (o, t) = (f64::from(*o), f64::from(t));
        (both, found, wanted) = (both + o * t, found + o * o, wanted + t * t);
    }
    let lengths = libm::sqrt(found * wanted);
    let cosine = both / lengths;
    let (towards, back) = ((weight / lengths) as f32, (weight * cosine / found) as f32);
    for ((gradient, o), t) in gradient.iter_mut().zip(output).zip(target) {
        *gradient += back * o - towards * t;
    }
    1.0 - cosine
}
