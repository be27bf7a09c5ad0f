//! What the page knows, what can happen to it, and what it can have done.
//!
//! Everything here is plain data: no browser, no view. `super::update` is what happens to it.

use super::grid::Grid;
use super::program::{Absence, Program, Simd, Wish};
use crate::protocol::{
    Backend, ClassInfo, Event, Failure, File, Gallery, Names, Order, Remedy, Request, Wait,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Images in one batch, at most; more would only wait longer for the first.
pub const MOST_IMAGES: usize = 64;

/// The page's state.
#[derive(Clone, Debug)]
pub struct State {
    /// Where the page stands, which the visitor does not change.
    pub site: Site,
    /// What the visitor can set.
    pub settings: Settings,
    /// The gallery, once it is open.
    pub gallery: Option<Gallery>,
    /// Files that are here or on their way.
    pub files: BTreeMap<File, Place>,
    /// What the page is doing.
    pub phase: Phase,
    /// The images, finished or not.
    pub shown: Option<Arc<Shown>>,
    /// Bytes of gallery files that came over the network.
    pub gallery_bytes: u64,
    /// The same of the page's and the engines' code.
    pub code_bytes: u64,
    /// What makes the images.
    pub active: Backend,
    /// What is known about the GPU.
    pub gpu: Gpu,
    /// What the engine waits for, if nothing comes.
    pub waiting: Option<Wait>,
    /// What all classes of a large gallery are called.
    pub names: NameList,
    /// The classes to choose from, as far as the search lets them.
    pub tiles: Arc<Vec<ClassInfo>>,
    /// Whether the browser promised to keep what is stored; `None` where it cannot be asked.
    pub persistent: Option<bool>,
    /// The programs for the processor that are still to be tried, the next one first.
    pub(super) for_cpu: &'static [Program],
    /// The engines that run, or are on their way.
    pub(super) engines: Engines,
    /// The last order's number.
    pub(super) last_id: u32,
    /// The order under way.
    pub(super) current: Option<Running>,
    /// The images by which the GPU's engine is judged.
    pub(super) trial: Option<Trial>,
}

/// Where the page stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The gallery's folder, as an absolute URL.
    pub gallery: String,
    /// Whether the gallery comes from the page's own site.
    pub own: bool,
    /// The publisher's key, where the page knows it.
    pub key: Option<String>,
    /// What the address asks for.
    pub wish: Wish,
    /// What the browser can do.
    pub simd: Simd,
    /// The address bar's part after `#`.
    pub hash: String,
}

/// What the visitor can set.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Ids of the chosen classes.
    pub classes: Vec<String>,
    /// Whether a click adds a class to those that are chosen.
    pub several: bool,
    /// What is searched for among the classes.
    pub search: String,
    /// The first image's seed.
    pub seed: u64,
    /// Images of each class, with seeds that count up.
    pub count: u32,
    /// Steps.
    pub steps: u32,
    /// Guidance.
    pub guidance: f64,
    /// Whether the learngene works alone.
    pub learngene_only: bool,
}

impl Settings {
    /// Returns how many classes fit into one order.
    pub fn most_classes(&self) -> usize {
        MOST_IMAGES / self.count.max(1) as usize
    }
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gpu {
    /// Nothing yet.
    Unknown,
    /// The visitor asked for the CPU.
    Unwanted,
    /// It will not be used, because.
    No(String),
    /// There is the adapter of this name, and its engine is not on the server yet.
    Unbuilt(String),
    /// The browser is asked for an adapter.
    Sought,
    /// The engine for the adapter of this name is loading and being tried.
    Coming(String),
    /// It agrees with the CPU, and takes over once the order under way is done.
    Ready(String),
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

/// Which engines run, or are on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Engines {
    pub(super) cpu: Option<Program>,
    pub(super) gpu: Option<Program>,
}

/// An order that an engine works on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Running {
    pub(super) order: Order,
    /// Images in a row of the grid.
    pub(super) columns: u32,
}

/// The GPU engine's first images, which the CPU engine makes as well; it is used if they agree.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trial {
    pub(super) id: u32,
    pub(super) cpu: Option<Vec<f32>>,
    pub(super) gpu: Option<Vec<f32>>,
}

/// A setting that is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// [`Settings::seed`].
    Seed,
    /// [`Settings::count`].
    Count,
    /// [`Settings::steps`].
    Steps,
    /// [`Settings::guidance`].
    Guidance,
}

/// An adapter that the browser offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// Its name, as far as the browser tells.
    pub name: String,
    /// Whether the processor only plays a GPU.
    pub emulated: bool,
}

/// What happens to the page.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The visitor clicks a class; `add` is whether a key is held that adds it to the others.
    Choose {
        /// The class's id.
        class: String,
        /// Whether to add it.
        add: bool,
    },
    /// The visitor wants several classes, or one.
    Several(bool),
    /// The visitor looks for a class; nothing is typed when the search is only entered.
    Search(Option<String>),
    /// The visitor types a setting.
    Typed(Field, String),
    /// The visitor wants the learngene alone, or not.
    LearngeneOnly(bool),
    /// The visitor wants images.
    Generate,
    /// The visitor wants images from this random seed.
    Dice(u64),
    /// The visitor stops what is under way.
    Cancel,
    /// The visitor wants the finished images as a file.
    Save,
    /// The visitor wants a class off this device.
    Remove(String),
    /// The visitor wants the browser to keep what is stored.
    Persist,
    /// The visitor does what the failure offers.
    Remedy,
    /// The visitor wants everything forgotten that is remembered of the gallery.
    Forget,
    /// The visitor follows a link, or types one: this is what stands after `#`.
    Link(String),
    /// The page's own code took so many bytes from the network.
    Code(u64),
    /// The browser answers whether it keeps what is stored.
    Persistent(Option<bool>),
    /// The browser answers which adapter there is, or why there is none, as the second half of a sentence.
    Adapter(Result<Adapter, &'static str>),
    /// The browser does not let the page start this worker.
    NoWorker(Backend),
    /// The program of an engine did not load, in the browser's words.
    NotLoaded(Program, String),
    /// Why it did not load, as far as the server tells.
    Examined(Program, Absence, String),
    /// An engine says something, with the images that belong to it.
    Heard(Backend, Event, Option<Vec<f32>>),
}

/// What the page has done, in the order in which it is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start this engine in a worker of its own; one of the same kind ends.
    Spawn(Program),
    /// End the engine of this kind.
    End(Backend),
    /// Send a request to an engine.
    Post(Backend, Request),
    /// Ask the browser for an adapter; answered by [`Message::Adapter`].
    FindAdapter,
    /// Ask the server for the file of a program that did not load; answered by [`Message::Examined`].
    Examine(Program, String),
    /// Ask whether the browser keeps what is stored; answered by [`Message::Persistent`].
    AskPersistent,
    /// Ask the browser to keep it; answered by [`Message::Persistent`].
    Persist,
    /// Write this after the `#` of the address.
    WriteLink(String),
    /// Load the page again.
    Reload,
    /// Hand the images to the visitor as a PNG of this name.
    Save(Arc<Shown>, String),
}

impl State {
    /// Begins: returns the state and what is to be done first.
    pub fn start(site: Site) -> (Self, Vec<Effect>) {
        let settings = Settings {
            classes: Vec::new(),
            several: false,
            search: String::new(),
            seed: 7,
            count: 1,
            steps: 20,
            guidance: 1.5,
            learngene_only: false,
        };
        let mut state = Self {
            settings,
            gallery: None,
            files: BTreeMap::new(),
            phase: Phase::Starting,
            shown: None,
            gallery_bytes: 0,
            code_bytes: 0,
            active: site.wish.backend(),
            gpu: match site.wish {
                Wish::Cpu | Wish::CpuSimd => Gpu::Unwanted,
                Wish::Any | Wish::Gpu => Gpu::Unknown,
            },
            waiting: None,
            names: NameList::Unasked,
            tiles: Arc::default(),
            persistent: None,
            for_cpu: site.wish.for_cpu(site.simd),
            engines: Engines::default(),
            last_id: 0,
            current: None,
            trial: None,
            site,
        };
        let mut effects = vec![Effect::AskPersistent];
        match state.active {
            Backend::Gpu => state.seek_gpu(&mut effects),
            Backend::Cpu => state.spawn_cpu(&mut effects),
        }
        (state, effects)
    }

    /// Tells whether an engine of this kind runs, or is on its way.
    pub(super) fn is_alive(&self, backend: Backend) -> bool {
        self.program(backend).is_some()
    }

    /// Returns the program of the engine of this kind that runs.
    pub(super) fn program(&self, backend: Backend) -> Option<Program> {
        match backend {
            Backend::Cpu => self.engines.cpu,
            Backend::Gpu => self.engines.gpu,
        }
    }

    /// Sends a request to an engine that runs.
    pub(super) fn post(&self, backend: Backend, request: Request, effects: &mut Vec<Effect>) {
        if self.is_alive(backend) {
            effects.push(Effect::Post(backend, request));
        }
    }

    /// Starts the next engine for the processor.
    pub(super) fn spawn_cpu(&mut self, effects: &mut Vec<Effect>) {
        match self.for_cpu.first() {
            Some(program) => self.spawn(*program, effects),
            None => self.fail(super::program::no_simd()),
        }
    }

    /// Starts an engine.
    pub(super) fn spawn(&mut self, program: Program, effects: &mut Vec<Effect>) {
        match program.backend() {
            Backend::Cpu => self.engines.cpu = Some(program),
            Backend::Gpu => self.engines.gpu = Some(program),
        }
        effects.push(Effect::Spawn(program));
    }

    /// Lets go of an engine.
    pub(super) fn end(&mut self, backend: Backend, effects: &mut Vec<Effect>) {
        let engine = match backend {
            Backend::Cpu => &mut self.engines.cpu,
            Backend::Gpu => &mut self.engines.gpu,
        };
        if engine.take().is_some() {
            effects.push(Effect::End(backend));
        }
    }

    /// Asks the browser for an adapter.
    pub(super) fn seek_gpu(&mut self, effects: &mut Vec<Effect>) {
        self.gpu = Gpu::Sought;
        effects.push(Effect::FindAdapter);
    }

    /// Has the visitor told that something went wrong.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.current = None;
        self.phase = Phase::Failed(failure);
    }

    /// Returns the next order's number.
    pub(super) fn next_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    /// Tells whether this is the order under way.
    pub(super) fn is_current(&self, id: u32) -> bool {
        self.current.as_ref().is_some_and(|running| running.order.id == id)
    }

    /// Tells whether images can be asked for.
    pub fn can_generate(&self) -> bool {
        self.gallery.is_some() && (self.settings.learngene_only || !self.settings.classes.is_empty())
    }

    /// Tells whether there is something to stop.
    pub fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Downloading | Phase::Sampling(..))
    }

    /// Returns the images, if they are finished.
    pub fn finished(&self) -> Option<&Arc<Shown>> {
        self.shown.as_ref().filter(|shown| shown.finished)
    }

    /// Returns what went wrong, if the page stands there.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.phase {
            Phase::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Tells whether the visitor is asked something rather than told that it failed.
    pub fn is_question(&self) -> bool {
        self.failure().is_some_and(|failure| failure.remedy == Remedy::Trust)
    }

    /// Returns bytes received and wanted of every file on its way.
    pub fn arriving(&self) -> Option<(u64, u64)> {
        let parts = self.files.values().filter_map(|place| match place {
            Place::Arriving(got, all) => Some((*got, *all)),
            Place::Stored | Place::Loaded(_) => None,
        });
        parts.reduce(|a, b| (a.0 + b.0, a.1 + b.1))
    }

    /// Returns how far the work is, from 0 to 1; `None` while that is not known.
    pub fn progress(&self) -> Option<f64> {
        match self.phase {
            Phase::Sampling(step, of) => Some(f64::from(step) / f64::from(of.max(1))),
            Phase::Downloading | Phase::Starting => {
                self.arriving().map(|(got, all)| got as f64 / all.max(1) as f64)
            }
            Phase::Done(..) => Some(1.0),
            Phase::Stopped | Phase::Failed(_) => Some(0.0),
        }
    }

    /// Returns the word that stands in the body's `data-state`.
    pub fn word(&self) -> &'static str {
        match self.phase {
            Phase::Starting | Phase::Downloading => "loading",
            Phase::Sampling(..) => "sampling",
            Phase::Done(..) | Phase::Stopped => "done",
            Phase::Failed(_) => "failed",
        }
    }
}
