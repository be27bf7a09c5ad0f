//! A worker of the team, which holds a copy of the model and predicts for a part of each batch.

use crate::engine::host::scope;
use crate::traffic::memory_bytes;
use js_sys::{Array, Float32Array};
use tailor_core::diffusion::shortcut::Moment;
use tailor_core::model::Gate;
use tailor_core::{Predict as _, engine};
use tailor_packs::{ModelConfig, Tensors};
use wasm_bindgen::prelude::*;
use web_sys::MessageEvent;

/// The name of a helper's worker, by which the program knows that it is a helper.
pub const NAME: &str = "tailor helper";

/// The message with a learngene: its config as JSON, and its values.
pub(super) const LEARNGENE: u32 = 0;
/// The message with a tailor: its class, and its values.
pub(super) const TAILOR: u32 = 1;
/// The message with the gates of the queries to come, as JSON.
pub(super) const GATE: u32 = 2;
/// The message with a query: its time and stride, and its images.
pub(super) const PREDICT: u32 = 3;
/// The message with a class whose tailor is no longer needed.
pub(super) const REMOVE: u32 = 4;

/// The parts of the model that were received.
#[derive(Default)]
struct Helper {
    model: Option<engine::Model>,
    gated: Option<engine::sampling::Gated>,
}

/// Answers the worker that started this one.
pub fn serve() {
    let mut helper = Helper::default();
    let hear = move |message: MessageEvent| {
        let parts = Array::from(&message.data());
        let values = parts.get(2).dyn_into::<Float32Array>().map(|values| values.to_vec());
        let kind = parts.get(0).as_f64().map(|kind| kind as u32);
        if let Some(answer) = helper.hear(kind, &parts.get(1), values.unwrap_or_default()) {
            let answer = Float32Array::from(&answer[..]);
            let transfer = Array::of1(&answer.buffer());
            // Posting fails only for values that cannot be cloned, and these can.
            let _ = scope().post_message_with_transfer(&answer, &transfer);
        }
    };
    let hear = Closure::<dyn FnMut(MessageEvent)>::new(hear);
    scope().set_onmessage(Some(hear.as_ref().unchecked_ref()));
    hear.forget();
    tell_memory();
}

/// Tells how much memory this program takes, and with that that it runs.
fn tell_memory() {
    // A number can always be cloned.
    let _ = scope().post_message(&(memory_bytes() as f64).into());
}

impl Helper {
    /// Takes a message, and returns the answer to a query. An empty answer means that the query
    /// could not be computed.
    fn hear(&mut self, kind: Option<u32>, what: &JsValue, values: Vec<f32>) -> Option<Vec<f32>> {
        match kind? {
            LEARNGENE => {
                self.gated = None;
                let config: Option<ModelConfig> = serde_json::from_str(&what.as_string()?).ok();
                self.model = config.and_then(|config| {
                    let learngene = Tensors::from_flat(&config.learngene_tensors(), &values).ok()?;
                    engine::Model::new(&config, &learngene).ok()
                });
                None
            }
            TAILOR => {
                let model = self.model.as_mut()?;
                let tailor = Tensors::from_flat(&model.config().tailor_tensors(), &values).ok()?;
                // If the tailor does not fit, the gate that asks for it fails.
                let _ = model.insert(&what.as_string()?, tailor);
                None
            }
            REMOVE => {
                self.model.as_mut()?.remove(&what.as_string()?);
                None
            }
            GATE => {
                let gates: Option<Vec<Gate>> = serde_json::from_str(&what.as_string()?).ok();
                self.gated =
                    self.model.as_ref().zip(gates).and_then(|(model, gates)| model.gate(&gates).ok());
                tell_memory();
                None
            }
            PREDICT => {
                let predict = |(model, gated): (&engine::Model, _)| {
                    let part = |i| Array::from(what).get(i).as_f64().unwrap_or_default();
                    let at = Moment { t: part(0) as f32, stride: part(1) as usize };
                    model.predict(gated, &model.images(values), at)
                };
                let both = self.model.as_ref().zip(self.gated.as_ref());
                Some(both.map(predict).map(|images| images.values).unwrap_or_default())
            }
            _ => None,
        }
    }
}
