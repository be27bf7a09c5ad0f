//! A team of other workers, each of which computes a part of a batch, without shared memory.
//!
//! Each holds a copy of the learngene, and of the tailors that it needed so far and that were not
//! removed since. The program is compiled once and passed to all. Nothing depends on the team: if a
//! worker does not start, or breaks down, the engine goes on without it.
//!
//! ```text
//! to a helper    [LEARNGENE, config as JSON, values]   [TAILOR, class, values]   [GATE, gates as JSON]
//!                [PREDICT, [time, stride], images]   [REMOVE, class]
//! from a helper  the bytes of its memory, once it is up and after each GATE    images, for each PREDICT
//! ```

use super::helper::{GATE, LEARNGENE, NAME, PREDICT, REMOVE, TAILOR};
use super::model::Model;
use crate::engine::host::scope;
use crate::spawn;
use futures_channel::oneshot;
use js_sys::{Array, Float32Array};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use tailor_core::diffusion::shortcut::Moment;
use tailor_core::model::Gate;
use tailor_packs::{TensorSpec, Tensors};
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker, WorkerOptions};

/// The most workers, including this one. More would wait for each other's messages.
const MOST: usize = 8;

/// The other workers.
#[derive(Default)]
pub(super) struct Team {
    helpers: Vec<Helper>,
    /// Whether one failed, after which no others are started.
    dismissed: bool,
}

struct Helper {
    worker: Worker,
    up: Rc<Cell<bool>>,
    /// The bytes of its memory, as it said last.
    memory: Rc<Cell<u64>>,
    asked: Rc<RefCell<Option<oneshot::Sender<Vec<f32>>>>>,
    /// The model and the tailors that it has, by the numbers in [`Model`].
    model: u64,
    tailors: BTreeMap<String, u64>,
    // They must live as long as the worker may call them.
    _message: Closure<dyn FnMut(MessageEvent)>,
    _error: Closure<dyn FnMut(web_sys::Event)>,
}

impl Team {
    /// Starts the workers that a query of so many images can keep busy, for the next run.
    pub(super) fn call(&mut self, images: usize) {
        let cores = scope().navigator().hardware_concurrency() as usize;
        let wanted = images.min(cores).min(MOST).saturating_sub(1);
        while !self.dismissed && self.helpers.len() < wanted {
            match Helper::spawn() {
                Ok(helper) => self.helpers.push(helper),
                // Some browsers have no workers inside of workers.
                Err(_) => self.dismissed = true,
            }
        }
    }

    /// Returns the bytes of memory of each helper that has started.
    pub(super) fn memory(&self) -> Vec<u64> {
        self.helpers.iter().filter(|helper| helper.up.get()).map(|helper| helper.memory.get()).collect()
    }

    /// Sends the helpers that have started the parts of the model that they lack. Returns how many
    /// there are for these gates.
    pub(super) fn gather(&mut self, model: &Model, gates: &[Gate], workers: u32) -> usize {
        let Some(learngene) = &model.learngene else { return 0 };
        let most = if workers == 0 { MOST } else { workers as usize }.min(gates.len());
        // Helpers that have started come first, so that they have the lowest numbers.
        self.helpers.sort_unstable_by_key(|helper| !helper.up.get());
        let up = self.helpers.iter_mut().filter(|helper| helper.up.get());
        up.take(most.saturating_sub(1)).map(|helper| helper.equip(model, learngene, gates)).count()
    }

    /// Tells each helper the gates of its part of the queries to come.
    pub(super) fn assign(&self, gates: &[Gate], parts: &[Range<usize>]) {
        for (helper, part) in self.helpers.iter().zip(parts) {
            let gates = serde_json::to_string(&gates[part.clone()]).unwrap_or_default();
            helper.send(GATE, &gates.into(), None);
        }
    }

    /// Asks helper `number` to compute its part of a query. If the helper breaks down, the receiver
    /// reports that instead of an answer.
    pub(super) fn ask(&self, number: usize, at: Moment, images: &[f32]) -> oneshot::Receiver<Vec<f32>> {
        let (sender, answer) = oneshot::channel();
        if let Some(helper) = self.helpers.get(number).filter(|helper| helper.up.get()) {
            helper.asked.replace(Some(sender));
            let at = Array::of2(&at.t.into(), &(at.stride as u32).into());
            helper.send(PREDICT, &at, Some(images));
        }
        answer
    }

    /// Ends all helpers, and starts none again.
    pub(super) fn dismiss(&mut self) {
        self.dismissed = true;
        self.helpers.clear();
    }
}

impl Helper {
    fn spawn() -> Result<Self, JsValue> {
        let options = WorkerOptions::new();
        options.set_name(NAME);
        let worker = spawn::same_program(&options)?;

        let asked = Rc::new(RefCell::new(None::<oneshot::Sender<Vec<f32>>>));
        let up = Rc::new(Cell::new(false));
        let memory = Rc::new(Cell::new(0));
        let (is_up, takes, waiting) = (up.clone(), memory.clone(), asked.clone());
        let message = Closure::<dyn FnMut(_)>::new(move |message: MessageEvent| {
            match message.data().dyn_into::<Float32Array>() {
                // The run that asked may have ended.
                Ok(values) => drop(waiting.take().map(|asked| asked.send(values.to_vec()))),
                Err(bytes) => {
                    is_up.set(true);
                    takes.set(bytes.as_f64().unwrap_or_default() as u64);
                }
            }
        });
        let (down, waiting) = (up.clone(), asked.clone());
        let error = Closure::<dyn FnMut(_)>::new(move |_| {
            down.set(false);
            waiting.take();
        });
        worker.set_onmessage(Some(message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(error.as_ref().unchecked_ref()));
        // The helper runs the same program as this worker, which is compiled already.
        worker.post_message(&wasm_bindgen::module())?;
        let (model, tailors) = (0, BTreeMap::new());
        Ok(Self { worker, up, memory, asked, model, tailors, _message: message, _error: error })
    }

    /// Sends the parts of the model that the helper lacks for these gates.
    fn equip(&mut self, model: &Model, learngene: &Tensors, gates: &[Gate]) {
        let config = model.config();
        // The model was made of these tensors, so they fit; a helper without values is done without.
        let flat = |tensors: &Tensors, specs: &[TensorSpec]| tensors.to_flat(specs).unwrap_or_default();
        if self.model != model.number {
            let json = serde_json::to_string(config).unwrap_or_default();
            self.send(LEARNGENE, &json.into(), Some(&flat(learngene, &config.learngene_tensors())));
            self.model = model.number;
            self.tailors.clear();
        }
        let gone = |class: &String| !model.tailors.contains_key(class);
        let removed: Vec<String> = self.tailors.keys().filter(|class| gone(class)).cloned().collect();
        for class in removed {
            self.send(REMOVE, &class.as_str().into(), None);
            self.tailors.remove(&class);
        }
        for (class, _) in gates.iter().flatten() {
            let version = model.tailors.get(class);
            let (Some(version), Some(tailor)) = (version, model.tailor(class)) else { continue };
            if self.tailors.get(class) != Some(version) {
                self.send(TAILOR, &class.as_str().into(), Some(&flat(tailor, &config.tailor_tensors())));
                self.tailors.insert(class.clone(), *version);
            }
        }
    }

    fn send(&self, kind: u32, what: &JsValue, values: Option<&[f32]>) {
        let message = Array::of2(&kind.into(), what);
        let transfer = Array::new();
        if let Some(values) = values {
            let values = Float32Array::from(values);
            message.push(&values);
            transfer.push(&values.buffer());
        }
        // Posting fails only for values that cannot be cloned, and these can.
        let _ = self.worker.post_message_with_transfer(&message, &transfer);
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}
