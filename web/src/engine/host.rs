//! What the browser gives a worker: its global object, its clock, and the way to the page.
//!
//! Every other file of the engine may use this one, and this one uses none of them.

use crate::protocol::Event;
use crate::traffic::network_bytes;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::DedicatedWorkerGlobalScope;

/// Sends an event, and the images that belong to it.
pub(crate) fn post(event: &Event, values: Option<&[f32]>) {
    // An event is made of texts and finite numbers, so it always has a JSON form.
    let text = serde_json::to_string(event).unwrap_or_default();
    let message = js_sys::Array::of1(&JsValue::from_str(&text));
    let transfer = js_sys::Array::new();
    if let Some(values) = values {
        let values = js_sys::Float32Array::from(values);
        message.push(&values);
        transfer.push(&values.buffer());
    }
    // Posting fails only for values that cannot be cloned, and these can.
    let _ = scope().post_message_with_transfer(&message, &transfer);
}

/// Returns the worker's global object.
pub(crate) fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Tells whether `object` has this property: outside a secure context many are missing, which the
/// bindings do not expect.
pub(crate) fn has(object: &JsValue, property: &str) -> bool {
    js_sys::Reflect::get(object, &property.into())
        .is_ok_and(|value| !value.is_undefined() && !value.is_null())
}

/// Returns the seconds since 1970.
pub(crate) fn unix_seconds() -> u64 {
    (js_sys::Date::now() / 1000.0) as u64
}

/// Returns the milliseconds since the worker began.
pub(crate) fn now() -> f64 {
    scope().performance().map_or(0.0, |clock| clock.now())
}

/// Lets the worker handle the messages that wait. A timer would take 4 ms each time.
pub(crate) async fn breathe() {
    let Ok(channel) = web_sys::MessageChannel::new() else { return };
    let (near, far) = (channel.port1(), channel.port2());
    let heard = js_sys::Promise::new(&mut |resolve, _| {
        near.set_onmessage(Some(&resolve));
        // A message of nothing can always be cloned.
        let _ = far.post_message(&JsValue::NULL);
    });
    let _ = wasm_bindgen_futures::JsFuture::from(heard).await;
    near.close();
}

/// Counts the bytes that this worker's scripts and WASM took from the network so far.
pub(crate) fn code_bytes() -> u64 {
    network_bytes(scope().performance())
}
