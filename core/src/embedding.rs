//! The network's inputs beside the image: the positions of the patches and the time.
//!
//! Both are computed on the host, in `f64`, so that every engine gets the same values.

use tailor_packs::ModelConfig;
use tailor_packs::config::TIME_FEATURES;

/// What every norm adds to the variance or the mean square.
pub const NORM_EPSILON: f64 = 1e-6;

/// Returns DiT's fixed 2-D sin-cos table of positions, `[T, D]`: the column's half first, each half
/// sines then cosines.
pub fn sincos_positions(config: &ModelConfig) -> Vec<f32> {
    let side = (config.image_size / config.patch_size) as usize;
    let quarter = config.width as usize / 4;
    let omega = |i: usize| 1.0 / libm::pow(10_000.0, i as f64 / quarter as f64);
    let half = |position: usize| {
        let angle = move |i| position as f64 * omega(i);
        let sines = (0..quarter).map(move |i| libm::sin(angle(i)) as f32);
        sines.chain((0..quarter).map(move |i| libm::cos(angle(i)) as f32))
    };
    let places = (0..side).flat_map(|row| (0..side).map(move |column| (row, column)));
    places.flat_map(|(row, column)| half(column).chain(half(row))).collect()
}

/// Returns cosines and sines of the angles by which RoPE turns the pairs of a head's values, each
/// `[T, head / 2]`: the column's half first. Value `i` is paired with value `i + head / 2`.
pub fn rotary_angles(config: &ModelConfig) -> [Vec<f32>; 2] {
    let side = (config.image_size / config.patch_size) as usize;
    let quarter = (config.width / config.heads) as usize / 4;
    let omega = |i: usize| 1.0 / libm::pow(10_000.0, i as f64 / quarter as f64);
    let places = (0..side).flat_map(|row| (0..side).map(move |column| [column, row]));
    let angles = places.flatten().flat_map(|place| (0..quarter).map(move |i| place as f64 * omega(i)));
    let angles: Vec<f64> = angles.collect();
    [libm::cos, libm::sin].map(|of| angles.iter().map(|angle| of(*angle) as f32).collect())
}

/// Returns DiT's `timestep_embedding` of the times `t` (0 to 1000): cosines, then sines, over
/// falling frequencies; `[B, 256]`.
///
/// Computed here in `f64`: WebGPU promises little accuracy for angles of up to 1,000.
pub fn time_features(t: &[f32]) -> Vec<f32> {
    let half = TIME_FEATURES / 2;
    let frequency = |i: usize| libm::exp(-libm::log(10_000.0) * i as f64 / half as f64);
    let features = |&t: &f32| {
        let angle = move |i| f64::from(t) * frequency(i);
        let cosines = (0..half).map(move |i| libm::cos(angle(i)) as f32);
        cosines.chain((0..half).map(move |i| libm::sin(angle(i)) as f32))
    };
    t.iter().flat_map(features).collect()
}
