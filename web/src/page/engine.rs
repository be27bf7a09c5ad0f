//! The page's side of an engine's worker.

use super::program::{Absence, Program, Simd};
use crate::protocol::{Code, Event, Failure, Remedy, Request};
use crate::spawn;
use js_sys::{Array, Float32Array, WebAssembly};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, MessageEvent, RequestCache, RequestInit, Response, Url, Worker, WorkerOptions,
};

/// How long a server may take to say whether it has a file.
const PATIENCE: Duration = Duration::from_secs(10);

/// A worker that runs an engine. Dropping it ends the worker.
pub struct EngineWorker {
    worker: Worker,
    // They must live as long as the worker may call them.
    _message: Closure<dyn FnMut(MessageEvent)>,
    _error: Closure<dyn FnMut(web_sys::Event)>,
}

/// A message from a worker.
pub enum Word {
    /// An event of the engine, with the images that belong to it.
    Event(Event, Option<Vec<f32>>),
    /// The engine's program did not load, for this reason in the browser's words.
    NotLoaded(String),
}

impl EngineWorker {
    /// Starts this program in a worker, and passes every message from it to `hear`.
    ///
    /// The engine's files lie beside the page's own script.
    ///
    /// # Errors
    /// The browser's exception when it refuses workers.
    pub fn spawn(program: Program, mut hear: impl FnMut(Word) + Clone + 'static) -> Result<Self, JsValue> {
        let script = spawn::quoted(&beside(&format!("{}.js", program.name()))?)?;
        // An error that is thrown outside the promise reaches `onerror` below.
        let source = format!(
            "import({script}).then(engine => engine.default()).catch(error => setTimeout(() => {{ throw error }}));"
        );
        let worker = spawn::worker(&source, &WorkerOptions::new())?;

        let mut lost = hear.clone();
        let spoke = Rc::new(Cell::new(false));
        let has_spoken = spoke.clone();
        let error = Closure::<dyn FnMut(_)>::new(move |error: web_sys::Event| {
            let detail = error.dyn_ref::<web_sys::ErrorEvent>().map(|e| e.message()).unwrap_or_default();
            if !has_spoken.get() {
                return lost(Word::NotLoaded(detail));
            }
            let sentence = "The engine broke down. This may be more than fits into the browser's memory: try fewer images.";
            let failure = Failure { detail, ..Failure::new(Code::Engine, sentence, Remedy::Retry) };
            lost(Word::Event(Event::Lost { failure }, None));
        });
        let message = Closure::<dyn FnMut(_)>::new(move |message: MessageEvent| {
            spoke.set(true);
            let parts = Array::from(&message.data());
            let text = parts.get(0).as_string().unwrap_or_default();
            // An engine of another version than the page may send events that the page does not
            // know.
            let event = serde_json::from_str(&text).unwrap_or_else(|error| {
                let sentence = "Page and engine are of different versions.";
                let failure = Failure::new(Code::Message, sentence, Remedy::Reload);
                Event::Lost { failure: Failure { detail: error.to_string(), ..failure } }
            });
            let values = parts.get(1).dyn_into::<Float32Array>().ok();
            hear(Word::Event(event, values.map(|values| values.to_vec())));
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

impl Drop for EngineWorker {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

/// Finds out which of WebAssembly's vector instructions this browser has.
pub fn simd() -> Simd {
    let validate = |module: &[u8]| WebAssembly::validate(&js_sys::Uint8Array::from(module)).unwrap_or(false);
    Simd::probe(validate)
}

/// Asks the server for the file of a program that did not load.
pub async fn examine(program: Program) -> Absence {
    match ask(program).await.map(|answer| answer.status()) {
        Ok(404 | 410) => Absence::Missing,
        Ok(_) => Absence::Unknown,
        Err(_) => Absence::Unreachable,
    }
}

async fn ask(program: Program) -> Result<Response, JsValue> {
    let window = web_sys::window().ok_or(JsValue::NULL)?;
    let options = RequestInit::new();
    options.set_method("HEAD");
    options.set_cache(RequestCache::NoStore);
    let stop = AbortController::new()?;
    options.set_signal(Some(&stop.signal()));
    leptos::prelude::set_timeout(move || stop.abort(), PATIENCE);
    let url = beside(&format!("{}_bg.wasm", program.name()))?;
    JsFuture::from(window.fetch_with_str_and_init(&url, &options)).await.map(JsCast::unchecked_into)
}

/// Returns the address of a file that lies beside the page's own script.
fn beside(name: &str) -> Result<String, JsValue> {
    Ok(Url::new_with_base(name, &spawn::own_script())?.href())
}
