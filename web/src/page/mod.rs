//! The studio: a page that drives the engines.
//!
//! ```text
//! state     what the page knows, what can happen to it, and what it can have done
//! update    what happens to it: messages in, effects out
//! orders    from the settings to an order and to a link, and back
//! trial     from the processor to the GPU and back
//! search    the classes to choose from
//! words     the sentences in which the page says what it knows
//! program   which engine's program is loaded
//! numbers   numbers as people read them
//! grid      a batch of images, and how they lie beside each other
//! ```
//!
//! These are pure: they know no browser and are tested natively. The others touch it:
//!
//! ```text
//! shell     has the effects done, and tells what came of them
//! engine    an engine's worker
//! gpu       whether there is a GPU worth asking
//! storage   whether what is kept may be deleted
//! site      what the address and the document say
//! canvas    images on a canvas, and from there into a PNG
//! view      the whole page; picture, controls, classes and files are its parts
//! ```

pub mod grid;
pub mod numbers;
pub mod orders;
pub mod program;
pub mod search;
pub mod state;
pub mod trial;
pub mod update;
pub mod words;

#[cfg(feature = "page")]
pub mod canvas;
#[cfg(feature = "page")]
pub mod classes;
#[cfg(feature = "page")]
pub mod controls;
#[cfg(feature = "page")]
pub mod engine;
#[cfg(feature = "page")]
pub mod files;
#[cfg(feature = "page")]
pub mod gpu;
#[cfg(feature = "page")]
pub mod picture;
#[cfg(feature = "page")]
pub mod shell;
#[cfg(feature = "page")]
pub mod site;
#[cfg(feature = "page")]
pub mod storage;
#[cfg(feature = "page")]
pub mod view;

#[cfg(test)]
mod tests;

/// Puts the studio into the element with the id `studio`, where the page has one.
///
/// A page without such an element uses [`crate::embed`] instead.
#[cfg(feature = "page")]
pub fn mount() {
    use wasm_bindgen::JsCast as _;
    let place = web_sys::window().and_then(|w| w.document()).and_then(|d| d.get_element_by_id("studio"));
    if let Some(place) = place {
        place.set_inner_html("");
        leptos::mount::mount_to(place.unchecked_into(), view::App).forget();
    }
}
