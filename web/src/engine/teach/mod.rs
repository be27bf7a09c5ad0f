//! The teacher: the engine's program that teaches a class of one's own.
//!
//! ```text
//! mod        receives messages, and carries them out between two steps
//! room       the open gallery, the lesson in it, and its samples
//! classroom  packs of other people, joined with one's own into a gallery
//! team       other workers that compute parts of a step's gradients
//! kept       the lesson on this device, for the next visit
//! ```

mod classroom;
mod kept;
mod room;
mod team;

use super::error::EngineError;
use super::host::{breathe, code_bytes, scope};
use crate::protocol::{Code, Failure, Remedy};
use crate::teaching::{Event, Plan, Request};
use futures_channel::mpsc;
use futures_util::{FutureExt as _, StreamExt as _};
use js_sys::{Array, Float32Array, Uint8Array};
use room::Room;
use tailor_core::teaching::{Moves, Settings, TeachingError};
use wasm_bindgen::prelude::*;
use web_sys::MessageEvent;

/// Runs the teacher in this worker, or one of its helpers if that is the worker's name.
pub fn start() {
    if scope().name() == team::NAME {
        return team::serve();
    }
    std::panic::set_hook(Box::new(|info| {
        let failure = Failure::new(Code::Panic, "The teacher stopped unexpectedly.", Remedy::Retry);
        post(&Event::Failed(Failure { detail: info.to_string(), ..failure }));
    }));
    let (queue, work) = mpsc::unbounded();
    let hear = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
        let parts = Array::from(&message.data());
        let values = parts.get(1).dyn_into::<Uint8Array>().map(|values| values.to_vec());
        match serde_json::from_str::<Request>(&parts.get(0).as_string().unwrap_or_default()) {
            // The receiver lives as long as the worker.
            Ok(request) => drop(queue.unbounded_send((request, values.unwrap_or_default()))),
            Err(error) => failed(&EngineError::Message { reason: error.to_string() }),
        }
    });
    scope().set_onmessage(Some(hear.as_ref().unchecked_ref()));
    hear.forget();
    wasm_bindgen_futures::spawn_local(serve(work));
}

async fn serve(mut work: mpsc::UnboundedReceiver<(Request, Vec<u8>)>) {
    post(&Event::Ready { bytes: code_bytes() });
    let mut room = Room::new().await;
    loop {
        let next = if room.is_busy() {
            // Messages are handled only here, between two steps.
            breathe().await;
            work.next().now_or_never()
        } else {
            Some(work.next().await)
        };
        let outcome = match next {
            Some(Some((request, values))) => room.carry_out(request, values).await,
            Some(None) => return,
            None => room.work().await,
        };
        if let Err(error) = outcome {
            failed(&error);
        }
    }
}

fn failed(error: &EngineError) {
    post(&Event::Failed(error.failure()));
}

/// The seed of all lessons.
const SEED: u64 = 7;

/// Returns how a plan is carried out.
fn settings(plan: &Plan) -> Settings {
    let usual = Settings::default();
    let moves = Moves { mirror: plan.mirror, ..usual.moves };
    Settings { steps: plan.steps, seed: SEED, moves, ..usual }
}

/// Sends an event.
fn post(event: &Event) {
    send(event, None);
}

/// Sends an event with images.
fn post_images(event: &Event, images: &[f32]) {
    send(event, Some(Float32Array::from(images).into()));
}

/// Sends an event with bytes.
fn post_bytes(event: &Event, bytes: &[u8]) {
    send(event, Some(Uint8Array::from(bytes).into()));
}

fn send(event: &Event, values: Option<JsValue>) {
    // An event is made of texts and numbers, so it always has a JSON form, and that can be cloned.
    let text = serde_json::to_string(event).unwrap_or_default();
    let message = Array::of1(&text.into());
    values.map(|values| message.push(&values));
    let _ = scope().post_message(&message);
}

impl From<TeachingError> for EngineError {
    fn from(error: TeachingError) -> Self {
        match error {
            TeachingError::Model(error) => Self::Model(error),
            error => Self::Teaching { reason: error.to_string() },
        }
    }
}
