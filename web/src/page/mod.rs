//! The studio: a page that drives the engines.
//!
//! ```text
//! state     what the page knows
//! message   the messages that change the state, and the effects that it asks for
//! settings  what the address says, and what the visitor can set
//! shown     the images that are shown, and the steps that made them
//! update    applies a message to the state, and returns the effects
//! orders    turns the settings into an order, and a link into settings
//! plan      which images the settings ask for, and the link to them
//! word      turns a typed text into letters of the gallery
//! png       the settings inside a saved picture
//! trial     switches from the processor to the GPU and back
//! recovery  waits while the page is hidden, and goes on after an engine broke down
//! search    finds the classes to choose from
//! language  the words of all languages, and which of them the page speaks
//! words     the sentences in which the page says what it knows
//! program   chooses the engine's program to load
//! phrases   those of the views in which words are typed and the model is taken apart
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
//! memo      parts of the state for the views
//! locale    finds out the visitor's language, and fetches its words
//! storage   asks whether the browser may delete what is stored
//! site      reads the page's address and document
//! canvas    draws images on a canvas, and saves them as a PNG
//! view      the whole page; picture, controls, sharing, writing, classes, history, apart and files
//!           are its parts
//! ```

pub mod grid;
pub mod language;
pub mod message;
pub mod numbers;
pub mod orders;
pub mod phrases;
pub mod plan;
pub mod png;
pub mod program;
pub mod recovery;
pub mod search;
pub mod settings;
pub mod shown;
pub mod state;
pub mod teach;
pub mod trial;
pub mod update;
pub mod word;
pub mod words;

#[cfg(feature = "page")]
pub mod apart;
#[cfg(feature = "page")]
pub mod canvas;
#[cfg(feature = "page")]
pub mod card;
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
pub mod history;
#[cfg(any(feature = "page", feature = "teach"))]
pub mod locale;
#[cfg(any(feature = "page", feature = "teach"))]
pub mod memo;
#[cfg(feature = "page")]
pub mod picture;
#[cfg(feature = "page")]
pub mod sharing;
#[cfg(feature = "page")]
pub mod shell;
#[cfg(feature = "page")]
pub mod site;
#[cfg(feature = "page")]
pub mod storage;
#[cfg(feature = "page")]
pub mod view;
#[cfg(feature = "page")]
pub mod writing;

#[cfg(test)]
mod tests;

/// Puts the studio into the element with the id `studio`, where the page has one.
#[cfg(feature = "page")]
pub fn mount() {
    use wasm_bindgen::JsCast as _;
    let place = web_sys::window().and_then(|w| w.document()).and_then(|d| d.get_element_by_id("studio"));
    if let Some(place) = place {
        place.set_inner_html("");
        leptos::mount::mount_to(place.unchecked_into(), view::App).forget();
    }
}
