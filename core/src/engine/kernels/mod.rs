//! Matrix products, and the elementwise functions between them.
//!
//! Each file whose name ends in `_wasm` holds the same functions as its twin, written for a
//! browser. Where a program is optimised for size, WebAssembly compilers do not use registers of
//! four values by themselves, so these are written out there.

#[cfg_attr(target_arch = "wasm32", path = "elementwise_wasm.rs")]
mod elementwise;
#[cfg(target_arch = "wasm32")]
#[path = "lanes_wasm.rs"]
mod lanes;
#[cfg_attr(target_arch = "wasm32", path = "matmul_wasm.rs")]
mod matmul;
mod view;

pub use elementwise::{
    add, gated_add, gated_add_backward, gelu, gelu_in_place, multiply, norm_modulate, norm_modulate_backward,
    norm_modulate_into, silu, silu_in_place, softmax, softmax_backward, sum_of_squares, swiglu, tanh_gelu,
    turn,
};
pub use matmul::{Packed, matmul, matmul_packed};
pub use view::{Output, View, ViewMut};

/// Runs `work` compiled for the widest instructions that this machine has.
#[inline(always)]
pub(super) fn dispatch<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(not(target_arch = "wasm32"))]
    return pulp::Arch::new().dispatch(work);
    #[cfg(target_arch = "wasm32")]
    work()
}
