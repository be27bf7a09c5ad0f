//! Other workers that compute parts of a step's gradients, without shared memory.
//!
//! Each gets the learngene and the examples once, and for each step the tailor's values and which of
//! the step's images are its own: it draws them itself. Nothing depends on the team: if a worker does
//! not start, or breaks down, the teacher goes on without it.
//!
//! ```text
//! to a helper    [config, settings, learngene, pictures]   [step, first, end, tailor]
//! from a helper  nothing, once it is up; then the bytes of its memory    [squares, gradient], for each step
//! ```

use crate::engine::host::scope;
use crate::spawn;
use crate::traffic::memory_bytes;
use futures_channel::oneshot;
use js_sys::{Array, Float32Array, Uint8Array};
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use tailor_core::teaching::{Examples, Lesson, Material, Part};
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker, WorkerOptions};

/// The name of a helper's worker.
pub(super) const NAME: &str = "tailor teacher's helper";
/// The most workers, the teacher included. More would wait for each other's messages.
const MOST: usize = 8;

/// The other workers.
pub(super) struct Team {
    helpers: Vec<Helper>,
}

struct Helper {
    worker: Worker,
    up: Rc<Cell<bool>>,
    /// The bytes of its memory.
    memory: Rc<Cell<u64>>,
    asked: Rc<RefCell<Option<oneshot::Sender<Part>>>>,
    // They must live as long as the worker may call them.
    _message: Closure<dyn FnMut(MessageEvent)>,
    _error: Closure<dyn FnMut(web_sys::Event)>,
}

impl Team {
    /// Starts as many workers as the device has cores for, but no more than `most` with the teacher;
    /// 0 is no limit.
    pub(super) fn new(material: &Material, most: u32) -> Self {
        let cores = scope().navigator().hardware_concurrency() as usize;
        let most = if most == 0 { MOST } else { (most as usize).min(MOST) };
        let images = material.settings().batch as usize;
        // Where there are several, one is left to the page.
        let spare = if cores > 2 { cores - 1 } else { cores };
        let wanted = spare.min(most).min(images).saturating_sub(1);
        let helpers = (0..wanted).map_while(|_| Helper::spawn(material).ok()).collect();
        Self { helpers }
    }

    /// Returns how many workers take part, the teacher included.
    pub(super) fn workers(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Returns the bytes of memory of all helpers.
    pub(super) fn memory(&self) -> u64 {
        self.helpers.iter().map(|helper| helper.memory.get()).sum()
    }

    /// Computes the gradients of the lesson's next step, in the order of its images.
    pub(super) async fn gradients(&mut self, material: &Material, lesson: &Lesson) -> Vec<Part> {
        let (step, tailor) = (lesson.step(), lesson.parameters());
        let up: Vec<&Helper> = self.helpers.iter().filter(|helper| helper.up.get()).collect();
        let mut shards = material.shards(up.len() + 1).into_iter();
        let own = shards.next().unwrap_or(0..0);
        // The others begin before the teacher computes its own part.
        let asked: Vec<_> =
            up.iter().zip(shards).map(|(helper, shard)| (helper.ask(step, &shard, tailor), shard)).collect();
        let mut parts = vec![material.gradients(tailor, step, own)];
        let mut failed = false;
        for (answer, shard) in asked {
            let answer = answer.await.ok().filter(|part| part.gradient.len() == tailor.len());
            failed |= answer.is_none();
            parts.push(answer.unwrap_or_else(|| material.gradients(tailor, step, shard)));
        }
        if failed {
            self.helpers.clear();
        }
        parts
    }
}

impl Helper {
    fn spawn(material: &Material) -> Result<Self, JsValue> {
        let options = WorkerOptions::new();
        options.set_name(NAME);
        let worker = spawn::same_program(&options)?;
        let asked = Rc::new(RefCell::new(None::<oneshot::Sender<Part>>));
        let up = Rc::new(Cell::new(false));
        // What it needs is sent once it is there to take it.
        let config = serde_json::to_string(material.config()).unwrap_or_default();
        let settings = serde_json::to_string(material.settings()).unwrap_or_default();
        let learngene = Float32Array::from(material.learngene());
        let pictures = Uint8Array::from(material.examples().bytes());
        let first = Array::of4(&config.into(), &settings.into(), &learngene, &pictures);
        let memory = Rc::new(Cell::new(0));
        let (is_up, takes, waiting, to) = (up.clone(), memory.clone(), asked.clone(), worker.clone());
        let message = Closure::<dyn FnMut(_)>::new(move |message: MessageEvent| {
            if let Some(bytes) = message.data().as_f64() {
                takes.set(bytes as u64);
                return;
            }
            if !Array::is_array(&message.data()) {
                is_up.set(to.post_message(&first).is_ok());
                return;
            }
            let parts = Array::from(&message.data());
            let squares = parts.get(0).as_f64().unwrap_or(f64::NAN);
            let gradient = parts.get(1).dyn_into::<Float32Array>();
            let gradient = gradient.map(|values| values.to_vec()).unwrap_or_default();
            // The lesson that asked may have ended.
            drop(waiting.take().map(|asked| asked.send(Part { squares, gradient })));
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
        Ok(Self { worker, up, memory, asked, _message: message, _error: error })
    }

    /// Asks for the gradients of a part of a step. If the helper breaks down, the receiver reports
    /// that instead of an answer.
    fn ask(&self, step: u32, shard: &Range<usize>, tailor: &[f32]) -> oneshot::Receiver<Part> {
        let (sender, answer) = oneshot::channel();
        let values = Float32Array::from(tailor);
        let (first, end) = (shard.start as u32, shard.end as u32);
        let message = Array::of4(&step.into(), &first.into(), &end.into(), &values);
        if self.worker.post_message_with_transfer(&message, &Array::of1(&values.buffer())).is_ok() {
            self.asked.replace(Some(sender));
        }
        answer
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

/// Answers the teacher that started this worker.
pub(super) fn serve() {
    let mut material = None;
    let hear = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
        let parts = Array::from(&message.data());
        if parts.get(0).is_string() {
            material = begin(&parts);
            // A number can always be cloned.
            let _ = scope().post_message(&(memory_bytes() as f64).into());
            return;
        }
        let part = material.as_ref().and_then(|material| answer(material, &parts)).unwrap_or_default();
        let gradient = Float32Array::from(&part.gradient[..]);
        let answer = Array::of2(&part.squares.into(), &gradient);
        // Posting fails only for values that cannot be cloned, and these can.
        let _ = scope().post_message_with_transfer(&answer, &Array::of1(&gradient.buffer()));
        if let Some(material) = &material {
            material.give_back(part);
        }
    });
    scope().set_onmessage(Some(hear.as_ref().unchecked_ref()));
    hear.forget();
    let _ = scope().post_message(&JsValue::NULL);
}

fn begin(parts: &Array) -> Option<Material> {
    let config = serde_json::from_str(&parts.get(0).as_string()?).ok()?;
    let settings = serde_json::from_str(&parts.get(1).as_string()?).ok()?;
    let learngene = parts.get(2).dyn_into::<Float32Array>().ok()?.to_vec();
    let pictures = parts.get(3).dyn_into::<Uint8Array>().ok()?.to_vec();
    Material::new(&config, learngene, Examples::new(&config, pictures).ok()?, settings).ok()
}

fn answer(material: &Material, parts: &Array) -> Option<Part> {
    let number = |at: u32| parts.get(at).as_f64();
    let (step, first, end) = (number(0)? as u32, number(1)? as usize, number(2)? as usize);
    let tailor = parts.get(3).dyn_into::<Float32Array>().ok()?.to_vec();
    let fits = tailor.len() as u64 == material.config().tailor_parameters();
    fits.then(|| material.gradients(&tailor, step, first..end))
}
