//! Asks whether the browser may delete what is stored when it runs out of room.

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::StorageManager;

/// Returns whether the browser promised not to delete it; `None` where it cannot be asked.
pub async fn is_persistent() -> Option<bool> {
    ask(StorageManager::persisted).await
}

/// Asks the browser to promise that. Some browsers pass the question on to the visitor.
pub async fn persist() -> Option<bool> {
    ask(StorageManager::persist).await
}

async fn ask(question: impl Fn(&StorageManager) -> Result<Promise, JsValue>) -> Option<bool> {
    let navigator = web_sys::window()?.navigator();
    // Outside a secure context the property is missing, which the bindings do not expect.
    js_sys::Reflect::get(&navigator, &"storage".into()).ok().filter(JsValue::is_object)?;
    JsFuture::from(question(&navigator.storage()).ok()?).await.ok()?.as_bool()
}
