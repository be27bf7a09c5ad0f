//! In the browser: which language the visitor wants, and the files of words.

use super::language::Language;
use crate::spawn;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Response, Url};

/// The name of the event by which the page tells its other programs that its language has changed.
/// Its detail is the language's code.
pub const CHANGED: &str = "tailor-language";
/// The name under which the visitor's choice is kept. `start.js` reads it, too.
#[cfg(feature = "page")]
const KEPT: &str = "tailor language";

/// Fetches the words of a language; `None` if they do not come.
pub async fn words(language: Language) -> Option<String> {
    let url = Url::new_with_base(&format!("locales/{}.ftl", language.code()), &spawn::own_script()).ok()?;
    let answer = JsFuture::from(web_sys::window()?.fetch_with_str(&url.href())).await.ok()?;
    let answer: Response = answer.unchecked_into();
    let text = answer.text().ok().filter(|_| answer.ok())?;
    JsFuture::from(text).await.ok()?.as_string()
}

/// Finds out which language the visitor wants.
#[cfg(feature = "page")]
pub fn wanted() -> Language {
    let Some(window) = web_sys::window() else { return Language::ENGLISH };
    let kept = window.local_storage().ok().flatten().and_then(|storage| storage.get_item(KEPT).ok()?);
    let spoken: Vec<String> =
        window.navigator().languages().iter().filter_map(|tag| tag.as_string()).collect();
    Language::choose(kept.as_deref(), spoken.iter().map(String::as_str))
}

/// Remembers the language that the visitor chose. Without storage it holds until the page is left.
#[cfg(feature = "page")]
pub fn keep(language: Language) {
    if let Some(storage) = web_sys::window().and_then(|window| window.local_storage().ok().flatten()) {
        let _ = storage.set_item(KEPT, language.code());
    }
}

/// Tells the document and the page's other programs which language the page speaks now.
#[cfg(feature = "page")]
pub fn tell(language: Language) {
    let Some(window) = web_sys::window() else { return };
    if let Some(page) = window.document().and_then(|document| document.document_element()) {
        let _ = page.set_attribute("lang", language.code());
    }
    let init = web_sys::CustomEventInit::new();
    init.set_detail(&language.code().into());
    if let Ok(event) = web_sys::CustomEvent::new_with_event_init_dict(CHANGED, &init) {
        let _ = window.dispatch_event(&event);
    }
}
