//! The engine on WASM with relaxed SIMD, in a worker.

fn main() {
    tailor_web::engine::worker::start();
}
