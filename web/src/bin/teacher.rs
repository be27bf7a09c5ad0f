//! The teacher on WASM, in a worker.

fn main() {
    tailor_web::engine::teach::start();
}
