//! The mutants of the tests for a browser, or any other host of WebAssembly; a panic is a trap there.
//!
//! ```text
//! cargo build -p tailor-packs --example torture --target wasm32-unknown-unknown --profile web
//! ```
//!
//! gives `torture.wasm`, which imports nothing and exports
//!
//! - `systematic()`: every truncation, every bit, every integer at its extremes, of tiny packs
//! - `random(seed, count)`: seeded random mutants of a tiny pack and gallery
//! - `push(byte)`, then `random_pack(seed, count)`: the same of a pack that the host hands over, all of which
//!   must be refused; `clear()` forgets it
//!
//! Arguments have 32 bits. What comes back has 64: how many were tried in the upper half, and in the lower one
//! how many of them were refused. `tests/tests/mutants_wasm.rs` compares that with this machine's own count.
// Exported names have to be unique, for which Rust asks nobody to vouch but the author.
#![allow(unsafe_code, clippy::unwrap_used)]

#[path = "../tests/support/mutants.rs"]
mod mutants;
#[path = "../tests/support/mod.rs"]
mod support;

use mutants::Tally;
use std::sync::Mutex;

static PACK: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn both(Tally { tried, refused }: Tally) -> u64 {
    tried << 32 | refused
}

/// Systematic changes of tiny packs.
#[unsafe(no_mangle)]
pub extern "C" fn systematic() -> u64 {
    both(mutants::systematic())
}

/// Random mutants of a tiny pack and gallery.
#[unsafe(no_mangle)]
pub extern "C" fn random(seed: u32, count: u32) -> u64 {
    both(mutants::random(seed.into(), count.into()))
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

/// Random mutants of that pack.
#[unsafe(no_mangle)]
pub extern "C" fn random_pack(seed: u32, count: u32) -> u64 {
    both(mutants::random_packs(&PACK.lock().unwrap(), seed.into(), count.into()))
}
