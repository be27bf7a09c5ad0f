//! An engine's worker as the page sees it.

use crate::protocol::{Backend, Event, Failure, Remedy, Request};
use js_sys::{Array, Float32Array};
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, BlobPropertyBag, MessageEvent, Url, Worker, WorkerOptions, WorkerType};

#[wasm_bindgen]
extern "C" {
    type ImportMeta;
    #[wasm_bindgen(method, getter)]
    fn url(this: &ImportMeta) -> String;
    #[wasm_bindgen(thread_local_v2, js_namespace = import, js_name = meta)]
    static META: ImportMeta;
}

/// A worker that runs an engine. Dropping it ends the worker.
pub struct Engine {
    worker: Worker,
    // They must live as long as the worker may call them.
    _message: Closure<dyn FnMut(MessageEvent)>,
    _error: Closure<dyn FnMut(web_sys::Event)>,
}

impl Engine {
    /// Starts the engine of this kind; `hear` gets every event, with the images that belong to it.
    ///
    /// The engine's files lie beside the page's own script. A worker of another origin is not allowed,
    /// an import is; so the worker is a one-line module of ours that imports the engine.
    ///
    /// # Errors
    /// The browser's exception when it refuses workers.
    pub fn spawn(
        kind: Backend,
        mut hear: impl FnMut(Event, Option<Vec<f32>>) + Clone + 'static,
    ) -> Result<Self, JsValue> {
        let script = Url::new_with_base(&format!("engine-{}.js", kind.name()), &META.with(ImportMeta::url))?;
        let script = JsValue::from_str(&script.href());
        // JSON's quoting is JavaScript's.
        let quoted = String::from(js_sys::JSON::stringify(&script)?);
        let source = format!("import init from {quoted};\nawait init();\n");
        let options = BlobPropertyBag::new();
        options.set_type("text/javascript");
        let blob = Blob::new_with_str_sequence_and_options(&Array::of1(&source.into()), &options)?;
        let url = Url::create_object_url_with_blob(&blob)?;
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(&url, &options)?;

        let mut lost = hear.clone();
        let spoke = Rc::new(Cell::new(false));
        let has_spoken = spoke.clone();
        let error = Closure::<dyn FnMut(_)>::new(move |error: web_sys::Event| {
            let words = error.dyn_ref::<web_sys::ErrorEvent>().map(|e| e.message()).unwrap_or_default();
            let sentence = match has_spoken.get() {
                false => "The engine did not load. Check the connection, then try again.",
                true => {
                    "The engine broke down. This may be more than fits into the browser's memory: try fewer images."
                }
            };
            let failure = Failure { detail: words, ..Failure::new("engine", sentence, Remedy::Retry) };
            lost(Event::Lost { failure }, None);
        });
        let message = Closure::<dyn FnMut(_)>::new(move |message: MessageEvent| {
            spoke.set(true);
            let parts = Array::from(&message.data());
            let text = parts.get(0).as_string().unwrap_or_default();
            // An engine of another version than the page speaks words that the page does not know.
            let event = serde_json::from_str(&text).unwrap_or_else(|error| {
                let sentence = "Page and engine are of different versions.";
                let failure = Failure::new("message", sentence, Remedy::Reload);
                Event::Lost { failure: Failure { detail: error.to_string(), ..failure } }
            });
            let values = parts.get(1).dyn_into::<Float32Array>().ok();
            hear(event, values.map(|values| values.to_vec()));
        });
        worker.set_onmessage(Some(message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(error.as_ref().unchecked_ref()));
        Ok(Self { worker, _message: message, _error: error })
    }

    /// Sends a request.
    pub fn send(&self, request: &Request) {
        // A request is made of texts and finite numbers: it has a JSON form, and that can be cloned.
        let text = serde_json::to_string(request).unwrap_or_default();
        let _ = self.worker.post_message(&JsValue::from_str(&text));
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}
