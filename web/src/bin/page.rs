//! The studio, and for other pages the embedding API of `tailor_web::embed`.

fn main() {
    tailor_web::page::mount();
}
