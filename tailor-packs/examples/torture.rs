//! The mutants of the tests for a browser, or any other host of WebAssembly; a panic is a trap there.
//!
//! ```text
//! cargo build -p tailor-packs --example torture --target wasm32-unknown-unknown
//! ```
//!
//! gives `torture.wasm`, which imports nothing and exports, with 32-bit numbers:
//!
//! - `systematic() -> tried`: every truncation, every bit, every integer at its extremes, of a tiny pack
//! - `random(seed, count) -> refused`: seeded random mutants of a tiny pack and gallery
//! - `push(byte)`, then `random_pack(seed, count) -> refused`: the same of a pack that the host hands over,
//!   all of which must be refused; `clear()` forgets it
// Exported names have to be unique, for which Rust asks nobody to vouch but the author.
#![allow(unsafe_code, clippy::unwrap_used)]

#[path = "../tests/support/mutants.rs"]
mod mutants;
#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Mutex;

static PACK: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Systematic changes of a tiny pack; how many were tried.
#[unsafe(no_mangle)]
pub extern "C" fn systematic() -> u32 {
    let packs = [support::tailor(), support::learngene()];
    let tried: u64 = packs.iter().map(|pack| mutants::every_change_of_a_pack(pack, 1).tried).sum();
    (tried + mutants::every_extreme_inside().tried) as u32
}

/// Random mutants of a tiny pack and gallery; how many were refused.
#[unsafe(no_mangle)]
pub extern "C" fn random(seed: u32, count: u32) -> u32 {
    let half = u64::from(count / 2);
    let outside = mutants::random_packs(&support::tailor(), seed.into(), half);
    let inside = mutants::random_insides(u64::from(seed) + 1, u64::from(count) - half);
    (outside.refused + inside.refused) as u32
}

/// Adds a byte to the pack that the host hands over.
#[unsafe(no_mangle)]
pub extern "C" fn push(byte: u32) {
    PACK.lock().unwrap().push(byte as u8);
}

/// Forgets that pack.
#[unsafe(no_mangle)]
pub extern "C" fn clear() {
    PACK.lock().unwrap().clear();
}

/// Random mutants of that pack; how many were refused.
#[unsafe(no_mangle)]
pub extern "C" fn random_pack(seed: u32, count: u32) -> u32 {
    mutants::random_packs(&PACK.lock().unwrap(), seed.into(), count.into()).refused as u32
}
