//! Finds out whether this browser has a GPU that is worth the larger engine.

use super::state::{Adapter as Found, NoGpu};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    type Gpu;
    #[wasm_bindgen(method, catch, js_name = requestAdapter)]
    async fn request_adapter(this: &Gpu) -> Result<JsValue, JsValue>;

    type Adapter;
    #[wasm_bindgen(method, getter)]
    fn info(this: &Adapter) -> Option<Info>;
    // Chrome has this property here before version 140, and in the adapter's info from then on.
    #[wasm_bindgen(method, getter, js_name = isFallbackAdapter)]
    fn is_fallback(this: &Adapter) -> Option<bool>;

    type Info;
    #[wasm_bindgen(method, getter)]
    fn vendor(this: &Info) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn architecture(this: &Info) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn description(this: &Info) -> Option<String>;
    #[wasm_bindgen(method, getter, js_name = isFallbackAdapter)]
    fn is_fallback_adapter(this: &Info) -> Option<bool>;
}

/// Asks the browser for an adapter.
///
/// # Errors
/// Why there is none.
pub async fn probe() -> Result<Found, NoGpu> {
    let navigator =
        js_sys::Reflect::get(&js_sys::global(), &"navigator".into()).map_err(|_| NoGpu::NoWebGpu)?;
    let gpu = js_sys::Reflect::get(&navigator, &"gpu".into()).map_err(|_| NoGpu::NoWebGpu)?;
    if !gpu.is_object() {
        return Err(NoGpu::NoWebGpu);
    }
    let adapter = gpu.unchecked_into::<Gpu>().request_adapter().await;
    let adapter = adapter.map_err(|_| NoGpu::NoAdapter)?;
    if !adapter.is_object() {
        return Err(NoGpu::NoAdapter);
    }
    let adapter: Adapter = adapter.unchecked_into();
    let info = adapter.info();
    let info = info.as_ref();
    let description = info.and_then(Info::description).filter(|text| !text.is_empty());
    let parts = [info.and_then(Info::vendor), info.and_then(Info::architecture)];
    let parts: Vec<String> = parts.into_iter().flatten().filter(|text| !text.is_empty()).collect();
    let name =
        description.unwrap_or_else(|| if parts.is_empty() { "WebGPU".into() } else { parts.join(" ") });
    let emulated =
        adapter.is_fallback().or_else(|| info.and_then(Info::is_fallback_adapter)).unwrap_or(false);
    // SwiftShader is Chrome's emulation, whether or not it says so.
    Ok(Found { emulated: emulated || name.to_ascii_lowercase().contains("swiftshader"), name })
}
