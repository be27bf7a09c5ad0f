//! The engine on WebGPU, in a worker.

fn main() {
    tailor_web::engine::worker::start();
}
