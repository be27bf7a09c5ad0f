//! The embedding API, which lets any other page use the engines from JavaScript through
//! wasm-bindgen.
//!
//! ```js
//! import init, { Tailor } from "./page.js";
//! await init();
//! const tailor = await Tailor.open("https://example.org/galleries/letters/", "cpu");
//! const images = await tailor.sample(["uppercase-a"], 7n);
//! context.putImageData(new ImageData(images.rgba(0), images.side), 0, 0);
//! ```

use crate::page::engine::{EngineWorker, Word, simd};
use crate::page::grid::Grid;
use crate::page::language::Words;
use crate::page::program::{Absence, Program, Wish, no_simd, not_loaded};
use crate::page::shell as studio;
use crate::protocol::{Code, Event, Failure, Gallery, Order, Remedy, Request, Wanted};
use futures_channel::oneshot;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use wasm_bindgen::Clamped;
use wasm_bindgen::prelude::*;

type Answer = Result<Vec<f32>, Failure>;

/// An open gallery, and the engine that makes its images.
#[wasm_bindgen]
pub struct Tailor {
    engine: EngineWorker,
    gallery: Gallery,
    next_id: Cell<u32>,
    waiting: Waiting,
}

type Waiting = Rc<RefCell<BTreeMap<u32, oneshot::Sender<Answer>>>>;

#[wasm_bindgen]
impl Tailor {
    /// Opens the gallery in the folder at this absolute URL.
    ///
    /// `backend` is `"cpu"` (the default), `"cpu-simd"` (the same without relaxed SIMD) or `"gpu"`.
    /// `key` is the publisher's key; without it, a signed gallery must have been trusted in the
    /// studio before.
    ///
    /// # Errors
    /// A JavaScript `Error` with the failure's sentence.
    pub async fn open(
        gallery: String,
        backend: Option<String>,
        key: Option<String>,
    ) -> Result<Tailor, JsError> {
        let sentence = |failure: Failure| JsError::new(&failure.sentence);
        let opening = connect(Wish::parse(backend.as_deref())).await.map_err(sentence)?;
        opening.engine.send(&Request::Start { gallery, key });
        let Opening { engine, gallery, waiting } = opening;
        let gallery = heard(gallery).await.map_err(sentence)?;
        Ok(Self { engine, gallery, next_id: Cell::new(1), waiting })
    }

    /// Returns the ids of the gallery's classes.
    #[wasm_bindgen(getter)]
    pub fn classes(&self) -> Vec<String> {
        self.gallery.classes.iter().map(|class| class.id.clone()).collect()
    }

    /// Makes one image of each class in one batch; with no classes, one of the learngene alone.
    /// Arguments that are left out have the gallery's default.
    ///
    /// On the processor at most `workers` workers take part, each on a core of its own. If left
    /// out, as many take part as there are cores for.
    ///
    /// # Errors
    /// A JavaScript `Error` with the failure's sentence.
    pub async fn sample(
        &self,
        classes: Vec<String>,
        seed: u64,
        steps: Option<u32>,
        guidance: Option<f64>,
        workers: Option<u32>,
    ) -> Result<Images, JsError> {
        let id = self.next_id.replace(self.next_id.get() + 1);
        let alone = classes.is_empty().then_some(None);
        let images =
            classes.into_iter().map(Some).chain(alone).map(|class| Wanted::new(class, seed)).collect();
        let steps = steps.unwrap_or(self.gallery.steps);
        let guidance = guidance.unwrap_or(self.gallery.guidance);
        let (sender, done) = oneshot::channel();
        self.waiting.borrow_mut().insert(id, sender);
        self.engine.send(&Request::Sample(Order {
            id,
            images,
            steps,
            guidance,
            previews: false,
            workers: workers.unwrap_or(0),
            trace: false,
        }));
        let values = done.await?.map_err(|failure| JsError::new(&failure.sentence))?;
        let (channels, side) = (self.gallery.channels, self.gallery.side);
        Ok(Images(Grid { values, channels, side, columns: 1, places: Vec::new() }))
    }
}

type Resolver<T> = Rc<Cell<Option<oneshot::Sender<Result<T, Failure>>>>>;

/// Resolves a promise, unless it is resolved already.
fn resolve<T>(promise: &Resolver<T>, outcome: Result<T, Failure>) {
    // Nobody waits any more when the caller dropped its promise.
    drop(promise.take().map(|sender| sender.send(outcome)));
}

/// Waits until a promise is resolved.
async fn heard<T>(promise: oneshot::Receiver<Result<T, Failure>>) -> Result<T, Failure> {
    let gone = |_| Failure::new(Code::Engine, "The engine is gone.", Remedy::Retry);
    promise.await.map_err(gone)?
}

/// An engine that has not yet opened its gallery.
struct Opening {
    engine: EngineWorker,
    gallery: oneshot::Receiver<Result<Gallery, Failure>>,
    waiting: Waiting,
}

/// Starts the engine that is wished for. If it is not on the server, starts the next one of its
/// kind.
async fn connect(wish: Wish) -> Result<Opening, Failure> {
    let programs = match wish {
        Wish::Gpu => &[Program::Gpu],
        Wish::Any | Wish::Cpu | Wish::CpuSimd => wish.for_cpu(simd()),
    };
    let mut outcome = Err(no_simd(&Words::english()));
    for program in programs {
        outcome = start(*program).await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// Starts this engine and waits until it is ready.
async fn start(program: Program) -> Result<Opening, Failure> {
    let waiting = Waiting::default();
    let (ready, is_ready) = oneshot::channel();
    let (opened, gallery) = oneshot::channel();
    let (ready, opened) = (Rc::new(Cell::new(Some(ready))), Rc::new(Cell::new(Some(opened))));
    let orders = waiting.clone();
    let hear = move |word| {
        let event = match word {
            Word::Event(event, values) => (event, values),
            Word::NotLoaded(detail) => (
                Event::Lost { failure: not_loaded(&Words::english(), program, Absence::Unknown, detail) },
                None,
            ),
        };
        match event {
            (Event::Ready { .. }, _) => resolve(&ready, Ok(())),
            (Event::Index(gallery), _) => resolve(&opened, Ok(gallery)),
            (Event::Done { id, .. }, values) => answer(&orders, id, Ok(values.unwrap_or_default())),
            (Event::Failed { id: Some(id), failure }, _) => answer(&orders, id, Err(failure)),
            (Event::Failed { id: None, failure } | Event::Lost { failure }, _) => {
                resolve(&ready, Err(failure.clone()));
                resolve(&opened, Err(failure.clone()));
                let ids: Vec<u32> = orders.borrow().keys().copied().collect();
                ids.into_iter().for_each(|id| answer(&orders, id, Err(failure.clone())));
            }
            _ => {}
        }
    };
    let refused = |_| {
        let sentence = "This page may not start a worker.";
        Failure::new(Code::Worker, sentence, Remedy::Retry)
    };
    let engine = EngineWorker::spawn(program, hear).map_err(refused)?;
    heard(is_ready).await?;
    Ok(Opening { engine, gallery, waiting })
}

fn answer(orders: &Waiting, id: u32, answer: Answer) {
    let sender = orders.borrow_mut().remove(&id);
    // Nobody waits any more when the caller dropped its promise.
    drop(sender.map(|sender| sender.send(answer)));
}

/// A batch of images.
#[wasm_bindgen]
pub struct Images(Grid);

#[wasm_bindgen]
impl Images {
    /// Returns the number of images, `B`.
    #[wasm_bindgen(getter)]
    pub fn count(&self) -> u32 {
        self.0.count()
    }

    /// Returns the number of channels, `C`: 1 (grey) or 3 (RGB).
    #[wasm_bindgen(getter)]
    pub fn channels(&self) -> u32 {
        self.0.channels
    }

    /// Returns height and width of one image in pixels, `H = W`.
    #[wasm_bindgen(getter)]
    pub fn side(&self) -> u32 {
        self.0.side
    }

    /// Returns all values `[B, C, H, W]`, row-major, in `[-1, 1]`.
    #[wasm_bindgen(getter)]
    pub fn values(&self) -> Vec<f32> {
        self.0.values.clone()
    }

    /// Returns image number `index` as the bytes of an `ImageData`.
    pub fn rgba(&self, index: u32) -> Clamped<Vec<u8>> {
        Clamped(self.0.rgba(index))
    }
}

/// Returns the finished images that the studio shows, if there is a studio and they are finished.
#[wasm_bindgen]
pub fn shown() -> Option<Images> {
    studio::shown().map(Images)
}
