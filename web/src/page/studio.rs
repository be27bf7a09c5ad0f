//! What is going on, and what every event and every wish does to it.

use super::bridge::Engine;
use super::canvas::Grid;
use super::storage;
use super::trial::Trial;
use crate::link::Link;
use crate::protocol::{
    Backend, ClassInfo, Event, Failure, File, Gallery, Names, Order, Remedy, Request, Wait, Wanted,
};
use leptos::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Images in one batch, at most; more would only wait longer for the first.
pub const MOST_IMAGES: usize = 64;

/// What the visitor can set.
#[derive(Clone, Copy)]
pub struct Settings {
    /// Ids of the chosen classes.
    pub classes: RwSignal<Vec<String>>,
    /// The first image's seed.
    pub seed: RwSignal<u64>,
    /// Images of each class, with seeds that count up.
    pub count: RwSignal<u32>,
    /// Steps.
    pub steps: RwSignal<u32>,
    /// Guidance.
    pub guidance: RwSignal<f64>,
    /// Whether the learngene works alone.
    pub learngene_only: RwSignal<bool>,
}

/// Where a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On its way: received, in all.
    Arriving(u64, u64),
    /// On this device, from an earlier visit.
    Stored,
    /// In the model; whether it is also kept for the next visit.
    Loaded(bool),
}

/// What the page is doing.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// Waiting for the engine and the index.
    Starting,
    /// Waiting for files.
    Downloading,
    /// Making images: steps done, in all.
    Sampling(u32, u32),
    /// The images are there: milliseconds, and those of one step.
    Done(f64, f64),
    /// The visitor stopped it.
    Stopped,
    /// It went wrong.
    Failed(Failure),
}

/// Id and name of every class of a large gallery.
#[derive(Clone, Debug, PartialEq)]
pub enum NameList {
    /// Nobody wanted it yet.
    Unasked,
    /// It is on its way.
    Coming,
    /// Here it is.
    Here(Arc<Names>),
    /// Why it did not come.
    Failed(String),
}

/// What is known about the GPU.
#[derive(Clone, Debug, PartialEq)]
pub enum Gpu {
    /// Nothing yet.
    Unknown,
    /// The visitor asked for the CPU.
    Unwanted,
    /// It will not be used, because.
    No(String),
    /// The engine for the adapter of this name is loading and being tried.
    Coming(String),
    /// It computes.
    Used(String),
}

/// Images and what they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The images.
    pub grid: Grid,
    /// The order that made them.
    pub order: Order,
    /// Whether they are finished.
    pub finished: bool,
}

/// The page's state: signals, and the engines behind them.
#[derive(Clone, Copy)]
pub struct Studio {
    /// What the visitor can set.
    pub settings: Settings,
    /// The gallery, once it is open.
    pub gallery: RwSignal<Option<Gallery>>,
    /// Files that are here or on their way.
    pub files: RwSignal<BTreeMap<File, Place>>,
    /// What the page is doing.
    pub phase: RwSignal<Phase>,
    /// The images, finished or not.
    pub shown: RwSignal<Option<Arc<Shown>>>,
    /// Bytes of gallery files that came over the network.
    pub gallery_bytes: RwSignal<u64>,
    /// The same of the page's and the engines' code.
    pub code_bytes: RwSignal<u64>,
    /// What makes the images.
    pub active: RwSignal<Backend>,
    /// What is known about the GPU.
    pub gpu: RwSignal<Gpu>,
    /// What the engine waits for, if nothing comes.
    pub waiting: RwSignal<Option<Wait>>,
    /// What all classes of a large gallery are called.
    pub names: RwSignal<NameList>,
    /// Whether the browser promised to keep what is stored; `None` where it cannot be asked.
    pub persistent: RwSignal<Option<bool>>,
    pub(super) inner: StoredValue<Inner, LocalStorage>,
}

pub(super) struct Inner {
    pub(super) gallery_url: String,
    /// The publisher's key, where the page knows it.
    pub(super) key: Option<String>,
    /// `?backend=`; `None` is auto.
    pub(super) wish: Option<Backend>,
    pub(super) cpu: Option<Engine>,
    pub(super) gpu: Option<Engine>,
    pub(super) next_id: u32,
    pub(super) current: Option<Order>,
    pub(super) trial: Option<Trial>,
}

impl Studio {
    /// Starts an engine for the gallery at this absolute URL; `key` is its publisher's, where that is known.
    pub fn start(gallery_url: String, key: Option<String>, wish: Option<Backend>) -> Self {
        let settings = Settings {
            classes: RwSignal::new(Vec::new()),
            seed: RwSignal::new(7),
            count: RwSignal::new(1),
            steps: RwSignal::new(20),
            guidance: RwSignal::new(1.5),
            learngene_only: RwSignal::new(false),
        };
        let gpu = if wish == Some(Backend::Cpu) { Gpu::Unwanted } else { Gpu::Unknown };
        let inner =
            Inner { gallery_url, key, wish, cpu: None, gpu: None, next_id: 0, current: None, trial: None };
        let studio = Self {
            settings,
            gallery: RwSignal::new(None),
            files: RwSignal::new(BTreeMap::new()),
            phase: RwSignal::new(Phase::Starting),
            shown: RwSignal::new(None),
            gallery_bytes: RwSignal::new(0),
            code_bytes: RwSignal::new(0),
            active: RwSignal::new(wish.unwrap_or(Backend::Cpu)),
            gpu: RwSignal::new(gpu),
            waiting: RwSignal::new(None),
            names: RwSignal::new(NameList::Unasked),
            persistent: RwSignal::new(None),
            inner: StoredValue::new_local(inner),
        };
        leptos::task::spawn_local(async move { studio.persistent.set(storage::is_persistent().await) });
        match wish {
            Some(Backend::Gpu) => studio.bring_gpu(true),
            _ => studio.spawn(Backend::Cpu),
        }
        studio
    }

    /// Makes images of what is chosen; what is under way is stopped.
    pub fn generate(self) {
        let Some(gallery) = self.gallery.get_untracked() else { return };
        let settings = self.settings;
        let classes = settings.classes.get_untracked();
        let alone = settings.learngene_only.get_untracked();
        if classes.is_empty() && !alone {
            return;
        }
        self.cancel();
        let first = settings.seed.get_untracked();
        let count = settings.count.get_untracked();
        let seeds = || (0..u64::from(count)).map(|n| first.wrapping_add(n));
        let images: Vec<Wanted> = if alone {
            seeds().map(|seed| Wanted { class: None, seed }).collect()
        } else {
            let of = |class: &String| {
                seeds().map(|seed| Wanted { class: Some(class.clone()), seed }).collect::<Vec<_>>()
            };
            classes.iter().flat_map(of).take(MOST_IMAGES).collect()
        };
        let steps = settings.steps.get_untracked();
        let guidance = settings.guidance.get_untracked();
        let order = Order { id: self.next_id(), images, steps, guidance, previews: true };
        let here = |file: &File| {
            matches!(self.files.with_untracked(|f| f.get(file).copied()), Some(Place::Loaded(_)))
        };
        let ready = here(&File::Learngene)
            && (alone || classes.iter().all(|class| here(&File::Tailor(class.clone()))));
        self.phase.set(if ready { Phase::Sampling(0, steps) } else { Phase::Downloading });
        self.inner.update_value(|inner| inner.current = Some(order.clone()));
        self.write_link(&gallery);
        self.send(self.active.get_untracked(), &Request::Sample(order));
    }

    /// Stops what is under way.
    pub fn cancel(self) {
        let current = self.inner.try_update_value(|inner| inner.current.take()).flatten();
        if let Some(order) = current {
            self.send(self.active.get_untracked(), &Request::Cancel { id: order.id });
            self.phase.set(Phase::Stopped);
        }
    }

    /// Asks, once, what all classes of a large gallery are called.
    pub fn ask_names(self) {
        let large = self.gallery.with_untracked(|gallery| gallery.as_ref().is_some_and(|g| g.more));
        let wanted = self.names.with_untracked(|n| matches!(n, NameList::Unasked | NameList::Failed(_)));
        if large && wanted {
            self.names.set(NameList::Coming);
            self.send(self.active.get_untracked(), &Request::Names);
        }
    }

    /// Asks the browser to keep what is stored.
    pub fn persist(self) {
        leptos::task::spawn_local(async move { self.persistent.set(storage::persist().await) });
    }

    /// Takes a class out of the model and off this device.
    pub fn remove(self, class: &str) {
        let request = Request::Drop { class: class.to_owned() };
        self.send(Backend::Cpu, &request);
        self.send(Backend::Gpu, &request);
    }

    /// The one action that a failure offers.
    pub fn remedy(self, remedy: Remedy) {
        match remedy {
            Remedy::Reload => {
                if let Some(window) = web_sys::window() {
                    let _ = window.location().reload();
                }
            }
            Remedy::UseCpu => {
                self.inner.update_value(|inner| {
                    inner.wish = Some(Backend::Cpu);
                    inner.gpu = None;
                });
                self.active.set(Backend::Cpu);
                self.go_on();
            }
            Remedy::Choose => self.phase.set(Phase::Stopped),
            Remedy::Retry => self.go_on(),
            Remedy::Trust => self.open_by(&Request::Trust),
        }
    }

    /// Forgets what is remembered of the gallery, and opens it as on a first visit.
    pub fn forget(self) {
        let (gallery, key) = self.inner.with_value(|inner| (inner.gallery_url.clone(), inner.key.clone()));
        self.open_by(&Request::Forget { gallery, key });
    }

    /// Has the engine open the gallery in another way than at the start. One that is gone has to start first, and then
    /// comes to the same question.
    fn open_by(self, request: &Request) {
        let backend = self.active.get_untracked();
        if !self.is_alive(backend) {
            return self.go_on();
        }
        self.phase.set(Phase::Starting);
        self.send(backend, request);
    }

    fn is_alive(self, backend: Backend) -> bool {
        self.inner.with_value(|i| if backend == Backend::Cpu { i.cpu.is_some() } else { i.gpu.is_some() })
    }

    /// From wherever it broke: starts the engine, opens the gallery, or makes the images.
    fn go_on(self) {
        let backend = self.active.get_untracked();
        self.phase.set(Phase::Starting);
        if !self.is_alive(backend) {
            self.spawn(backend);
        } else if self.gallery.with_untracked(Option::is_none) {
            self.open(backend);
        } else {
            self.generate();
        }
    }

    pub(super) fn spawn(self, backend: Backend) {
        let spawned = Engine::spawn(backend, move |event, values| self.hear(backend, event, values));
        match spawned {
            Ok(engine) => self.inner.update_value(|inner| match backend {
                Backend::Cpu => inner.cpu = Some(engine),
                Backend::Gpu => inner.gpu = Some(engine),
            }),
            Err(_) => self.fail(
                "worker",
                "This browser does not let the page start a worker. Allow it, then try again.",
                Remedy::Retry,
            ),
        }
    }

    fn open(self, backend: Backend) {
        let (gallery, key) = self.inner.with_value(|inner| (inner.gallery_url.clone(), inner.key.clone()));
        self.send(backend, &Request::Start { gallery, key });
    }

    pub(super) fn send(self, backend: Backend, request: &Request) {
        self.inner.with_value(|inner| {
            let engine = if backend == Backend::Cpu { &inner.cpu } else { &inner.gpu };
            if let Some(engine) = engine {
                engine.send(request);
            }
        });
    }

    pub(super) fn next_id(self) -> u32 {
        let next = self.inner.try_update_value(|inner| {
            inner.next_id += 1;
            inner.next_id
        });
        next.unwrap_or_default()
    }

    pub(super) fn fail(self, code: &str, sentence: &str, remedy: Remedy) {
        self.phase.set(Phase::Failed(Failure::new(code, sentence, remedy)));
    }

    pub(super) fn is_current(self, id: u32) -> bool {
        self.inner.with_value(|inner| inner.current.as_ref().is_some_and(|order| order.id == id))
    }

    /// What an engine says.
    fn hear(self, from: Backend, event: Event, values: Option<Vec<f32>>) {
        if self.waiting.with_untracked(Option::is_some) {
            self.waiting.set(None);
        }
        if matches!(event, Event::Done { .. } | Event::Cancelled { .. } | Event::Failed { .. }) {
            // What had not come by then is no longer on its way.
            let arriving = |place: &Place| matches!(place, Place::Arriving(..));
            if self.files.with_untracked(|files| files.values().any(arriving)) {
                self.files.update(|files| files.retain(|_, place| !arriving(place)));
            }
        }
        match event {
            Event::Ready { bytes, .. } => {
                self.code_bytes.update(|sum| *sum += bytes);
                self.open(from);
            }
            Event::Index(gallery) => {
                self.gallery_bytes.update(|sum| *sum += gallery.index);
                self.indexed(from, gallery);
            }
            Event::Renewed(gallery) => {
                self.gallery_bytes.update(|sum| *sum += gallery.index);
                if from == self.active.get_untracked() {
                    self.describe(gallery);
                }
            }
            Event::Class(class) => self.add(class),
            Event::Names(Ok(names)) => self.names.set(NameList::Here(Arc::new(names))),
            // An order went first: whoever still searches asks again.
            Event::Names(Err(failure)) if failure.code == "cancelled" => self.names.set(NameList::Unasked),
            Event::Names(Err(failure)) => self.names.set(NameList::Failed(failure.sentence)),
            Event::Waiting(wait) => self.waiting.set(Some(wait)),
            Event::Fetching { file, received, total } => {
                self.files.update(|files| {
                    files.insert(file, Place::Arriving(received, total));
                });
            }
            Event::Loaded { file, network, kept } => {
                self.gallery_bytes.update(|sum| *sum += network);
                self.files.update(|files| {
                    files.insert(file, Place::Loaded(kept));
                });
            }
            Event::Dropped { class } => {
                self.files.update(|files| {
                    files.remove(&File::Tailor(class));
                });
            }
            Event::Preview { id, step, of } if self.is_current(id) => {
                self.phase.set(Phase::Sampling(step, of));
                self.show(values, false);
            }
            Event::Done { id, ms, ms_per_step } if self.is_current(id) => {
                self.show(values, true);
                self.inner.update_value(|inner| inner.current = None);
                self.phase.set(Phase::Done(ms, ms_per_step));
                if self.gpu.get_untracked() == Gpu::Unknown {
                    self.bring_gpu(false);
                }
            }
            Event::Done { id, .. } => self.tried(from, id, values),
            Event::Failed { id, failure } => {
                let trial = self.inner.with_value(|inner| inner.trial.as_ref().map(|trial| trial.id));
                let background = from == Backend::Gpu && self.active.get_untracked() == Backend::Cpu;
                if background || (id.is_some() && id == trial) {
                    self.no_gpu(format!("the GPU engine failed its trial. {}", failure.sentence));
                } else if id.is_none_or(|id| self.is_current(id)) {
                    self.inner.update_value(|inner| inner.current = None);
                    self.phase.set(Phase::Failed(failure));
                }
            }
            Event::Lost { failure } => self.lost(from, failure),
            Event::Preview { .. } | Event::Cancelled { .. } => {}
        }
    }

    fn indexed(self, from: Backend, gallery: Gallery) {
        if from != self.active.get_untracked() {
            return self.try_gpu();
        }
        self.describe(gallery);
        self.follow_link();
    }

    /// Takes over what a gallery is, and which of its files are here.
    fn describe(self, gallery: Gallery) {
        let stored = |class: &&ClassInfo| class.stored;
        let stored = gallery.classes.iter().filter(stored).map(|class| File::Tailor(class.id.clone()));
        let learngene = gallery.learngene_stored.then_some(File::Learngene);
        self.files.set(stored.chain(learngene).map(|file| (file, Place::Stored)).collect());
        self.names.set(NameList::Unasked);
        self.gallery.set(Some(gallery));
    }

    /// Shows a class of a large gallery that was looked up.
    fn add(self, class: ClassInfo) {
        let file = File::Tailor(class.id.clone());
        if class.stored {
            self.files.update(|files| {
                files.entry(file).or_insert(Place::Stored);
            });
        }
        self.gallery.update(|gallery| {
            let classes = gallery.as_mut().map(|gallery| &mut gallery.classes);
            if let Some(classes) = classes.filter(|classes| classes.iter().all(|c| c.id != class.id)) {
                classes.push(class);
            }
        });
    }

    /// Takes the settings from the address bar, the rest from the gallery, and makes images.
    pub fn follow_link(self) {
        let Some(gallery) = self.gallery.get_untracked() else { return };
        let hash = web_sys::window().and_then(|w| w.location().hash().ok()).unwrap_or_default();
        let link = Link::parse(&hash);
        let find = |wanted: &String| {
            let class = gallery.classes.iter().find(|c| c.id == *wanted || c.name == *wanted);
            // Of a large gallery, the engine knows whether there is such an id.
            class.map(|class| class.id.clone()).or_else(|| gallery.more.then(|| wanted.clone()))
        };
        let mut classes: Vec<String> = link.classes.iter().filter_map(find).collect();
        let unknown = link.classes.iter().find(|wanted| find(wanted).is_none());
        if classes.is_empty() {
            let named = gallery.classes.iter().find(|class| class.name == "A");
            classes.extend(named.or(gallery.classes.first()).map(|class| class.id.clone()));
        }
        let settings = self.settings;
        settings.classes.set(classes);
        settings.seed.set(link.seed.unwrap_or(7));
        settings.count.set(link.count.unwrap_or(1));
        settings.steps.set(link.steps.unwrap_or(gallery.steps));
        settings.guidance.set(link.guidance.unwrap_or(gallery.guidance));
        settings.learngene_only.set(link.learngene_only);
        match unknown {
            Some(class) => self.fail(
                "unknown-class",
                &format!("This gallery has no class “{class}”. Choose one that it shows."),
                Remedy::Choose,
            ),
            None => self.generate(),
        }
    }

    fn write_link(self, gallery: &Gallery) {
        let settings = self.settings;
        // A name reads better than an id, where it names one class and stands in an address as it is.
        let word = |id: String| {
            let mut named = gallery.classes.iter().filter(|class| class.id == id);
            let name = named.next().map(|class| class.name.clone()).unwrap_or_default();
            let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
            let once = gallery.classes.iter().filter(|c| c.name == name || c.id == name).count() == 1;
            // Whether a name stands for one class only is not known of a large gallery.
            if plain && once && !gallery.more { name } else { id }
        };
        let link = Link {
            classes: settings.classes.get_untracked().into_iter().map(word).collect(),
            seed: Some(settings.seed.get_untracked()),
            steps: Some(settings.steps.get_untracked()).filter(|n| *n != gallery.steps),
            guidance: Some(settings.guidance.get_untracked()).filter(|g| *g != gallery.guidance),
            count: Some(settings.count.get_untracked()),
            learngene_only: settings.learngene_only.get_untracked(),
        };
        if let Some(history) = web_sys::window().and_then(|w| w.history().ok()) {
            let hash = link.to_string();
            let _ = history.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(&hash));
        }
    }

    fn show(self, values: Option<Vec<f32>>, finished: bool) {
        let order = self.inner.with_value(|inner| inner.current.clone());
        let (Some(gallery), Some(order), Some(values)) = (self.gallery.get_untracked(), order, values) else {
            return;
        };
        let (n, count) = (order.images.len() as u32, self.settings.count.get_untracked());
        let square = (1..=n).find(|c| c * c >= n).unwrap_or(1);
        // Several images of several classes read as a table, one row for each class.
        let columns = if count > 1 && count < n { count } else { square };
        let grid = Grid { values, channels: gallery.channels, side: gallery.side, columns };
        crate::embed::set_shown(finished.then(|| grid.clone()));
        self.shown.set(Some(Arc::new(Shown { grid, order, finished })));
    }
}
