//! Starts workers from one line of script.

use js_sys::{Array, JSON};
use wasm_bindgen::prelude::*;
use web_sys::{Blob, BlobPropertyBag, Url, Worker, WorkerOptions};

#[wasm_bindgen]
extern "C" {
    type ImportMeta;
    #[wasm_bindgen(method, getter)]
    fn url(this: &ImportMeta) -> String;
    #[wasm_bindgen(thread_local_v2, js_namespace = import, js_name = meta)]
    static META: ImportMeta;
}

/// Returns the address of the script of the program that runs here.
pub(crate) fn own_script() -> String {
    META.with(ImportMeta::url)
}

/// Returns `text` as a literal of JavaScript.
///
/// # Errors
/// None for a text; the signature is that of the browser's function.
pub(crate) fn quoted(text: &str) -> Result<String, JsValue> {
    // JSON's quoting is JavaScript's.
    JSON::stringify(&JsValue::from_str(text)).map(String::from)
}

/// Starts a worker that runs the program that runs here. It begins when it gets the compiled module as
/// its first message.
///
/// # Errors
/// The browser's exception when it refuses workers.
#[cfg(feature = "cpu")]
pub(crate) fn same_program(options: &WorkerOptions) -> Result<Worker, JsValue> {
    let script = quoted(&own_script())?;
    let source = format!(
        "onmessage = (first) => {{ onmessage = null; import({script})\
         .then((engine) => engine.default({{ module_or_path: first.data }}))\
         .catch((error) => setTimeout(() => {{ throw error }})); }};"
    );
    worker(&source, options)
}

/// Starts a worker that runs `source`.
///
/// A browser refuses a worker script of another origin but allows an import, so the source is a line
/// of our own that imports a program. The worker is a classic script, because in a page without an
/// origin, such as a sandboxed frame, a module may not import.
///
/// # Errors
/// The browser's exception when it refuses workers.
pub(crate) fn worker(source: &str, options: &WorkerOptions) -> Result<Worker, JsValue> {
    let kind = BlobPropertyBag::new();
    kind.set_type("text/javascript");
    let blob = Blob::new_with_str_sequence_and_options(&Array::of1(&source.into()), &kind)?;
    let url = Url::create_object_url_with_blob(&blob)?;
    let worker = Worker::new_with_options(&url, options);
    // The worker has its script by now, so the browser need not keep it.
    Url::revoke_object_url(&url)?;
    worker
}
