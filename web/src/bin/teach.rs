//! The view "Teach it", which shows itself when the page asks for it ([`tailor_web::page::teach::show`]).

fn main() {
    tailor_web::page::teach::prepare();
}
