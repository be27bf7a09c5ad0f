//! Stores values as whole numbers times a scale.
//!
//! A scale has 17 significant bits and a whole number 7, so their product is exact in f32: every
//! machine reads the same values. In each channel the largest number is 127. So the values
//! determine their scale, and writing what was read gives the same bytes.

use crate::format::specs::TensorSpec;
use crate::format::types::DataType;

/// The largest whole number.
const MOST: f32 = 127.0;
/// The lowest bits of a scale's f32, which are zero, so that 17 significant bits are left.
const SPARE: u32 = 0x7f;

/// Returns the scale for values up to `largest`, or 0 if they are so small that all are stored as
/// zero.
fn scale(largest: f32) -> f32 {
    let least = largest / MOST;
    let bits = least.to_bits();
    let scale = f32::from_bits(if bits & SPARE == 0 { bits } else { (bits | SPARE) + 1 });
    // Numbers smaller than this have fewer significant bits.
    if scale < f32::MIN_POSITIVE { 0.0 } else { scale }
}

/// Returns whether a scale is 0, or has 17 bits and f32 can hold its product with the largest
/// number.
fn is_scale(scale: f32) -> bool {
    let sound = scale >= f32::MIN_POSITIVE && (scale * MOST).is_finite() && scale.to_bits() & SPARE == 0;
    sound || scale.to_bits() == 0
}

/// Returns the channel of the value at position `at`.
fn channel(at: usize, (count, row): (usize, usize)) -> usize {
    at / row % count
}

/// Returns the scale of each channel. The error is the first value that is not finite or too large,
/// with its position.
pub(super) fn scales(spec: &TensorSpec, values: &[f32]) -> Result<Vec<f32>, (usize, f32)> {
    let channels = DataType::channels(spec);
    let mut largest = vec![0.0f32; channels.0];
    for (at, &value) in values.iter().enumerate() {
        let most = &mut largest[channel(at, channels)];
        *most = most.max(value.abs());
        if !value.is_finite() || !is_scale(scale(*most)) {
            return Err((at, value));
        }
    }
    Ok(largest.into_iter().map(scale).collect())
}

/// Appends the whole numbers of `values` to `out`.
pub(super) fn encode(spec: &TensorSpec, values: &[f32], scales: &[f32], out: &mut Vec<u8>) {
    let channels = DataType::channels(spec);
    out.extend(values.iter().enumerate().map(|(at, value)| {
        let scale = scales[channel(at, channels)];
        let number = if scale == 0.0 { 0.0 } else { (value / scale).round().clamp(-MOST, MOST) };
        number as i8 as u8
    }));
}

/// Returns the scale that the bytes `scales` hold for channel `number`.
fn scale_at(scales: &[u8], number: usize) -> f32 {
    scales.as_chunks::<4>().0.get(number).map_or(0.0, |bytes| f32::from_le_bytes(*bytes))
}

/// Appends the values that `bytes` and `scales` hold.
pub(super) fn decode(spec: &TensorSpec, bytes: &[u8], scales: &[u8], values: &mut Vec<f32>) {
    let channels = DataType::channels(spec);
    let scales: Vec<f32> = (0..channels.0).map(|number| scale_at(scales, number)).collect();
    let value = |(at, byte): (usize, &u8)| f32::from(*byte as i8) * scales[channel(at, channels)];
    values.extend(bytes.iter().enumerate().map(value));
}

/// Checks the scales; the error says what is wrong with the first bad one.
pub(super) fn check_scales(scales: &[u8]) -> Result<(), String> {
    let (all, _) = scales.as_chunks::<4>();
    match all.iter().map(|bytes| f32::from_le_bytes(*bytes)).enumerate().find(|(_, s)| !is_scale(*s)) {
        Some((number, found)) => Err(format!("scale {number} is {found:e}, which is none of 17 bits")),
        None => Ok(()),
    }
}

/// Checks that the largest number of each channel is 127, or 0 where its scale is 0.
pub(super) fn check(spec: &TensorSpec, bytes: &[u8], scales: &[u8]) -> Result<(), String> {
    let channels = DataType::channels(spec);
    let mut largest = vec![0u8; channels.0];
    for (at, byte) in bytes.iter().enumerate() {
        let most = &mut largest[channel(at, channels)];
        *most = (*most).max((*byte as i8).unsigned_abs());
    }
    for (number, most) in largest.into_iter().enumerate() {
        let wanted = if scale_at(scales, number) == 0.0 { 0 } else { MOST as u8 };
        if most != wanted {
            return Err(format!("the largest number of channel {number} is {most} and must be {wanted}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_times_its_numbers_is_exact_and_the_largest_gives_the_scale_again() {
        let mut state = 1u32;
        for _ in 0..200_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let largest = f32::from_bits(state & 0x7fff_ffff);
            let found = scale(largest);
            if !largest.is_finite() || !is_scale(found) || found == 0.0 {
                assert!(!(1e-35..1e38).contains(&largest), "{largest:e}");
                continue;
            }
            assert_eq!((largest / found).round(), MOST, "{largest:e}");
            for number in [1.0, 77.0, 126.0, MOST] {
                assert_eq!(f64::from(found * number), f64::from(found) * f64::from(number), "{largest:e}");
                assert_eq!(found * number / found, number);
            }
            assert_eq!(scale(found * MOST), found, "{largest:e}");
        }
    }
}
