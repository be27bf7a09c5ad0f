//! The studio: a page that drives the engines.
//!
//! ```text
//! studio   what is going on, and what every event and every wish does to it
//! trial    from the processor to the GPU and back
//! view     how that looks: the picture and its controls
//! classes  the tiles to choose from
//! files    what is on this device
//! bridge   an engine's worker
//! gpu      whether there is a GPU worth asking
//! canvas   images on a canvas
//! storage  whether what is kept may be deleted
//! ```

pub mod bridge;
pub mod canvas;
pub mod classes;
pub mod files;
pub mod gpu;
pub mod storage;
pub mod studio;
pub mod trial;
pub mod view;

/// Puts the studio into the element with the id `studio`, where the page has one.
///
/// A page without such an element uses [`crate::embed`] instead.
pub fn mount() {
    use wasm_bindgen::JsCast as _;
    let place = web_sys::window().and_then(|w| w.document()).and_then(|d| d.get_element_by_id("studio"));
    if let Some(place) = place {
        place.set_inner_html("");
        leptos::mount::mount_to(place.unchecked_into(), view::App).forget();
    }
}
