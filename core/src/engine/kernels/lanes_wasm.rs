//! Registers of four values in WebAssembly.

use core::arch::wasm32::{f32x4_extract_lane, v128, v128_load};

/// Values in a register.
pub(super) const LANES: usize = 4;

/// Reads four values.
///
/// This takes one instruction. Put together from single values, a register would take four wherever
/// the program is linked for size.
#[allow(unsafe_code, reason = "the instruction takes a pointer")]
#[inline(always)]
pub(super) fn load(values: &[f32; LANES]) -> v128 {
    // SAFETY: the array's 16 bytes may be read, and the instruction asks for no alignment.
    unsafe { v128_load(values.as_ptr().cast()) }
}

/// Returns the four values of a register. Where they are stored at once, the compiler makes one
/// instruction of this.
#[inline(always)]
pub(super) fn values(register: v128) -> [f32; LANES] {
    [
        f32x4_extract_lane::<0>(register),
        f32x4_extract_lane::<1>(register),
        f32x4_extract_lane::<2>(register),
        f32x4_extract_lane::<3>(register),
    ]
}
