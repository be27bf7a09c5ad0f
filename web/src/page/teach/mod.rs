//! "Teach it": the view in which a visitor teaches the model a class of their own.
//!
//! It is a program of its own, `teach`, which the page loads when the view is opened, so that a first
//! visit does not pay for it. What it computes is done by another one, the teacher, in a worker.
//!
//! ```text
//! header    width and height of a picture file, by its first bytes
//! picture   a picture, brought to the gallery's size, channels and background
//! classroom the packs of a whole class, joined into one gallery
//! desk      what the view knows, and the messages that change it
//! words     the sentences in which it says so
//! ```
//!
//! These modules are pure. The others use the browser:
//!
//! ```text
//! tab       in the page: the place of the view, and what it needs to know of the gallery
//! shell     in the view: carries out effects, and talks with the teacher
//! view      the whole view; drawing, taking and lesson are its parts
//! pixels    reads and draws pictures
//! ```

pub mod classroom;
pub mod desk;
pub mod header;
pub mod picture;
pub mod words;

#[cfg(feature = "teach")]
pub mod drawing;
#[cfg(feature = "teach")]
pub mod lesson;
#[cfg(feature = "teach")]
pub mod pixels;
#[cfg(feature = "teach")]
pub mod shell;
#[cfg(feature = "page")]
pub mod tab;
#[cfg(feature = "teach")]
pub mod taking;
#[cfg(feature = "teach")]
pub mod view;

use crate::protocol::ClassInfo;
use serde::{Deserialize, Serialize};

/// The name of the event by which the view tells the page of classes that it can draw now. Its detail
/// is [`Taught`] as JSON.
pub const TAUGHT: &str = "tailor-taught";
/// The property of the window in which the page keeps packs that were dropped on it, until the view takes
/// them.
pub const PACKS: &str = "tailorPacks";
/// The property of the window in which the view tells how many bytes of memory it takes, with the teacher.
pub const MEMORY: &str = "tailorTeacherMemory";
/// The name of the event by which the view learns that it is shown once more, or that there are packs.
pub const SHOWN_AGAIN: &str = "tailor-teach-shown";

/// The name of the event by which the view learns that another one is shown instead.
pub const LEFT: &str = "tailor-teach-left";

/// Classes that the page can draw now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Taught {
    /// The classes.
    pub classes: Vec<ClassInfo>,
    /// Whether to draw the first one at once.
    pub draw: bool,
}

/// What the view needs to know of the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The gallery's folder, as an absolute URL.
    pub gallery: String,
    /// The publisher's key, if the page knows it.
    pub key: Option<String>,
    /// Image channels, 1 (grey) or 3 (RGB).
    pub channels: u32,
    /// Image height and width in pixels.
    pub side: u32,
    /// Whether the gallery's pictures have a dark background; `None` if that is not known.
    pub dark: Option<bool>,
    /// Whether the gallery's classes look the same mirrored, as far as the page can tell.
    pub mirror: bool,
    /// Id and name of the gallery's classes, as far as they are known.
    pub classes: Vec<(String, String)>,
    /// The programs of the teacher to try, the best first.
    pub programs: Vec<String>,
}

/// Prepares the program: lets a panic reach the browser's console in words.
#[cfg(feature = "teach")]
pub fn prepare() {
    std::panic::set_hook(Box::new(|info| web_sys::console::error_1(&info.to_string().into())));
}

#[cfg(feature = "teach")]
thread_local! {
    /// The view that was shown last, and its gallery.
    static SHOWN: std::cell::RefCell<Option<(String, web_sys::Element)>> = const { std::cell::RefCell::new(None) };
}

/// Shows the view in the element with this id. `place` is a [`Place`] as JSON. A view that was shown
/// before for the same gallery is moved there as it is, with the lesson under way.
///
/// # Errors
/// A JavaScript `Error` when the element is missing or `place` cannot be read.
#[cfg(feature = "teach")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn show(element: &str, place: &str) -> Result<(), wasm_bindgen::JsError> {
    use wasm_bindgen::JsCast as _;
    let place: Place = serde_json::from_str(place)?;
    let missing = || wasm_bindgen::JsError::new("the view has no place");
    let document = web_sys::window().and_then(|window| window.document()).ok_or_else(missing)?;
    let element = document.get_element_by_id(element).ok_or_else(missing)?;
    let before = SHOWN.take().filter(|(gallery, _)| *gallery == place.gallery);
    let (gallery, view) = match before {
        Some(shown) => {
            if let Some(window) = web_sys::window() {
                let event = web_sys::Event::new(SHOWN_AGAIN).map_err(|_| missing())?;
                let _ = window.dispatch_event(&event);
            }
            shown
        }
        None => {
            let view = document.create_element("div").map_err(|_| missing())?;
            let (gallery, root) = (place.gallery.clone(), view.clone().unchecked_into());
            leptos::mount::mount_to(root, move || view::View(view::ViewProps { place })).forget();
            (gallery, view)
        }
    };
    element.set_inner_html("");
    element.append_child(&view).map_err(|_| missing())?;
    SHOWN.set(Some((gallery, view)));
    Ok(())
}
