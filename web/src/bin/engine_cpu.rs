//! The engine on WASM, in a worker.

fn main() {
    tailor_web::engine::worker::start();
}
