//! The studio: a page that drives the engines.
//!
//! ```text
//! state     what the page knows, the messages that change it, the effects that it asks for
//! update    applies a message to the state, and returns the effects
//! orders    turns the settings into an order and a link, and a link into settings
//! trial     switches from the processor to the GPU and back
//! search    finds the classes to choose from
//! words     the sentences in which the page says what it knows
//! program   chooses the engine's program to load
//! teach     the view "Teach it", a program of its own
//! numbers   numbers as people read them
//! grid      a batch of images, and how they lie beside each other
//! ```
//!
//! These modules are pure: they do not use the browser, and are tested natively. The others use it:
//!
//! ```text
//! shell     carries out the effects, and sends their outcomes as messages
//! engine    starts an engine's worker and exchanges messages with it
//! gpu       finds out whether there is a GPU worth using
//! storage   asks whether the browser may delete what is stored
//! site      reads the page's address and document
//! canvas    draws images on a canvas, and saves them as a PNG
//! view      the whole page; picture, controls, classes and files are its parts
//! ```

pub mod grid;
pub mod numbers;
pub mod orders;
pub mod program;
pub mod search;
pub mod state;
pub mod teach;
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
