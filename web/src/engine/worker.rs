//! Receives the worker's messages, and has the engine carry them out one at a time.

use super::device::Device;
use super::error::EngineError;
use super::hold::Hold;
use super::host::{code_bytes, post, scope};
use super::session::Session;
use super::stop::{Pull, Stop};
use crate::protocol::{Code, Event, Failure, Order, Remedy, Request};
use futures_channel::mpsc;
use futures_util::StreamExt;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use wasm_bindgen::prelude::{Closure, JsCast, JsValue};
use web_sys::MessageEvent;

/// A request that waits for the engine. It can be cancelled while it waits.
enum Work {
    Start { gallery: String, key: Option<String> },
    Trust,
    Forget { gallery: String, key: Option<String> },
    Names(Stop),
    Parts(String),
    Sample(Order, Stop),
    Drop(String),
}

/// Runs the engine in this worker, or a helper if that is the worker's name.
pub fn start() {
    #[cfg(feature = "cpu")]
    if scope().name() == super::device::helper::NAME {
        return super::device::helper::serve();
    }
    // A panic in Burn or wgpu still reaches the page in words.
    std::panic::set_hook(Box::new(|info| {
        let detail = info.to_string();
        web_sys::console::error_1(&JsValue::from_str(&detail));
        let failure = Failure::new(Code::Panic, "The engine stopped unexpectedly.", Remedy::Retry);
        post(&Event::Lost { failure: Failure { detail, ..failure } }, None);
    }));
    let hold = Hold::default();
    let (work, running) = listen(hold.clone());
    wasm_bindgen_futures::spawn_local(async move {
        match Device::open().await {
            Ok(device) => serve(Session::new(device, hold).await, work, &running).await,
            Err(error) => post(&Event::Lost { failure: error.failure() }, None),
        }
    });
}

type Running = Rc<RefCell<BTreeMap<u32, Pull>>>;

/// The number of the request for names, which no order has.
const NAMES: u32 = 0;

/// Installs the message handler. Cancelling and holding act at once, everything else queues.
fn listen(hold: Hold) -> (mpsc::UnboundedReceiver<Work>, Running) {
    let (queue, work) = mpsc::unbounded();
    let running = Running::default();
    let orders = running.clone();
    let handler = move |message: MessageEvent| {
        let text = message.data().as_string().unwrap_or_default();
        let next = match serde_json::from_str(&text) {
            Ok(Request::Start { gallery, key }) => Work::Start { gallery, key },
            Ok(Request::Trust) => Work::Trust,
            Ok(Request::Forget { gallery, key }) => Work::Forget { gallery, key },
            Ok(Request::Names) => {
                let (pull, stop) = Stop::new();
                orders.borrow_mut().insert(NAMES, pull);
                Work::Names(stop)
            }
            Ok(Request::Drop { class }) => Work::Drop(class),
            Ok(Request::Parts { class }) => Work::Parts(class),
            Ok(Request::Sample(order)) => {
                let (pull, stop) = Stop::new();
                let mut orders = orders.borrow_mut();
                orders.insert(order.id, pull);
                // Images do not wait for a list.
                if let Some(names) = orders.remove(&NAMES) {
                    names.pull();
                }
                Work::Sample(order, stop)
            }
            Ok(Request::Hold(held)) => return hold.set(held),
            Ok(Request::Cancel { id }) => {
                if let Some(order) = orders.borrow_mut().remove(&id) {
                    order.pull();
                }
                return;
            }
            Err(error) => {
                let error = EngineError::Message { reason: error.to_string() };
                return post(&Event::Failed { id: None, failure: error.failure() }, None);
            }
        };
        // The receiver lives as long as the worker.
        let _ = queue.unbounded_send(next);
    };
    let handler = Closure::<dyn FnMut(MessageEvent)>::new(handler);
    scope().set_onmessage(Some(handler.as_ref().unchecked_ref()));
    handler.forget();
    (work, running)
}

async fn serve(mut engine: Session, mut work: mpsc::UnboundedReceiver<Work>, running: &Running) {
    post(&Event::Ready { backend: Device::BACKEND, bytes: code_bytes() }, None);
    let mut told = (0, 0);
    while let Some(next) = work.next().await {
        let (id, result) = match next {
            Work::Start { gallery, key } => (None, engine.open(&gallery, key.as_deref()).await),
            Work::Trust => (None, engine.trust().await),
            Work::Forget { gallery, key } => {
                let forgotten = engine.forget(&gallery).await;
                let opened = match forgotten {
                    Ok(()) => engine.open(&gallery, key.as_deref()).await,
                    error => error,
                };
                (None, opened)
            }
            Work::Names(stop) => {
                // A list that does not come breaks nothing else.
                if let Err(error) = engine.names(&stop).await {
                    post(&Event::Names(Err(error.failure())), None);
                }
                continue;
            }
            Work::Parts(class) => {
                let (_pull, stop) = Stop::new();
                let parts = engine.parts(&class, &stop).await;
                post(&Event::Parts(parts.map_err(|error| error.failure())), None);
                continue;
            }
            Work::Drop(class) => {
                let (_pull, stop) = Stop::new();
                // A class that this gallery does not have is not stored either.
                let _ = engine.drop_class(&class, &stop).await;
                continue;
            }
            Work::Sample(order, stop) => {
                let id = order.id;
                let result = engine.sample(order, &stop).await;
                running.borrow_mut().remove(&id);
                (Some(id), result)
            }
        };
        match (result, id) {
            (Ok(()), _) => {}
            (Err(EngineError::Cancelled), Some(id)) => post(&Event::Cancelled { id }, None),
            (Err(error), id) => post(&Event::Failed { id, failure: error.failure() }, None),
        }
        let memory = engine.memory();
        if told != memory {
            told = memory;
            post(&Event::Memory { bytes: memory.0, workers: memory.1 }, None);
        }
    }
}
