//! How a network is drawn towards another, its teacher (LAPTOP-Diff, arXiv 2404.11098).
//!
//! A distance of an image is `‖f − t‖² / (‖t‖² + ε·n)`, where `f` are the `n` features of a block, or values of the
//! output, and `t` are the teacher's. Divided by the squared norm of the teacher's, none of them dominates. `ε` is for a
//! teacher whose features vanish, as the output of one that was never trained does. What training minimises is the mean
//! over the images of the task's loss and of the sum of all distances.

/// What stands for the squared norm of a teacher's value where that vanishes, `ε`.
pub const FLOOR: f64 = 1e-6;

/// Returns the distance of `found` from the teacher's `wanted`, and adds `factor` times its gradient to `gradient`.
pub(crate) fn draw(found: &[f32], wanted: &[f32], factor: f64, gradient: &mut [f32]) -> f64 {
    let mut norm = FLOOR * wanted.len() as f64;
    let mut distance = 0.0;
    for (found, wanted) in found.iter().zip(wanted) {
        norm += f64::from(*wanted) * f64::from(*wanted);
        distance += f64::from(found - wanted) * f64::from(found - wanted);
    }
    let slope = (2.0 * factor / norm) as f32;
    let values = found.iter().zip(wanted).zip(gradient);
    values.for_each(|((found, wanted), gradient)| *gradient += slope * (found - wanted));
    distance / norm
}
