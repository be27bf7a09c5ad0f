//! Asks whether the browser may delete what is stored when it runs out of room.

use super::message::Room;
use super::teach::MEMORY;
use crate::traffic::memory_bytes;
use js_sys::Promise;
use std::collections::BTreeMap;
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

/// Tells how much room and memory this site takes, and when each class of the gallery was used.
pub async fn room(gallery: &str) -> Room {
    let number = |object: &JsValue, name: &str| js_sys::Reflect::get(object, &name.into()).ok()?.as_f64();
    // Only Chromium tells what the scripts take.
    let clock = web_sys::window().and_then(|window| window.performance());
    let memory = clock.and_then(|clock| js_sys::Reflect::get(&clock, &"memory".into()).ok());
    let scripts = memory.filter(JsValue::is_object).and_then(|memory| number(&memory, "usedJSHeapSize"));
    Room {
        bytes: estimate().await,
        used: used(gallery).unwrap_or_default(),
        page: memory_bytes(),
        teacher: number(&js_sys::global(), MEMORY).unwrap_or_default() as u64,
        scripts: scripts.map(|bytes| bytes as u64),
    }
}

async fn estimate() -> Option<(f64, f64)> {
    let navigator = web_sys::window()?.navigator();
    js_sys::Reflect::get(&navigator, &"storage".into()).ok().filter(JsValue::is_object)?;
    let estimate = JsFuture::from(navigator.storage().estimate().ok()?).await.ok()?;
    let number = |name: &str| js_sys::Reflect::get(&estimate, &name.into()).ok()?.as_f64();
    Some((number("usage")?, number("quota")?))
}

/// The name under which a class's last use is kept.
fn key(gallery: &str) -> String {
    format!("used {gallery} ")
}

/// Remembers that these classes are used now.
pub fn use_now(gallery: &str, classes: &[String]) {
    // Without storage nothing is remembered, and nothing else is lost.
    let Some(storage) = web_sys::window().and_then(|window| window.local_storage().ok().flatten()) else {
        return;
    };
    for class in classes {
        let _ = storage.set_item(&format!("{}{class}", key(gallery)), &js_sys::Date::now().to_string());
    }
}

fn used(gallery: &str) -> Option<BTreeMap<String, String>> {
    let storage = web_sys::window()?.local_storage().ok()??;
    let mut used = BTreeMap::new();
    for n in 0..storage.length().ok()? {
        let name = storage.key(n).ok()??;
        let time = storage.get_item(&name).ok()?.and_then(|time| time.parse::<f64>().ok());
        if let (Some(class), Some(time)) = (name.strip_prefix(&key(gallery)), time) {
            let day = js_sys::Date::new(&time.into()).to_locale_date_string("default", &JsValue::UNDEFINED);
            used.insert(class.to_owned(), day.into());
        }
    }
    Some(used)
}
