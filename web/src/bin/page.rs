//! The studio.

fn main() {
    tailor_web::page::mount();
}
