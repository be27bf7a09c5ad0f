//! The page's state, the messages that change it, and the effects that it asks for.
//!
//! Everything here is plain data, without browser or view. [`super::update`] changes it.

use super::grid::Grid;
use super::program::{Absence, Program, Simd, Wish};
use crate::protocol::{
    Backend, ClassInfo, Event, Failure, File, Gallery, Names, Order, Remedy, Request, Wait,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most images in one batch. More would only delay the first.
pub const MOST_IMAGES: usize = 64;

/// The page's state.
#[derive(Clone, Debug)]
pub struct State {
    /// The page's address and settings, which the visitor does not change.
    pub site: Site,
    /// The settings that the visitor can change.
    pub settings: Settings,
    /// The gallery, once it is open.
    pub gallery: Option<Gallery>,
    /// Files that are on this device or being downloaded.
    pub files: BTreeMap<File, Place>,
    /// What the page is doing.
    pub phase: Phase,
    /// The images, finished or not.
    pub shown: Option<Arc<Shown>>,
    /// Bytes of gallery files that came over the network.
    pub gallery_bytes: u64,
    /// Bytes of the page's and the engines' code that came over the network.
    pub code_bytes: u64,
    /// Which engine makes the images.
    pub active: Backend,
    /// What is known about the GPU.
    pub gpu: Gpu,
    /// What the engine waits for, if it waits.
    pub waiting: Option<Wait>,
    /// The names of all classes of a large gallery.
    pub names: NameList,
    /// The classes to choose from, filtered by the search.
    pub tiles: Arc<Vec<ClassInfo>>,
    /// Whether the browser promised to keep what is stored; `None` where it cannot be asked.
    pub persistent: Option<bool>,
    /// The programs for the processor that were not tried yet, the next one first.
    pub(super) for_cpu: &'static [Program],
    /// The engines that run or are starting.
    pub(super) engines: Engines,
    /// The last order's number.
    pub(super) last_id: u32,
    /// The order under way.
    pub(super) current: Option<Running>,
    /// The trial of the GPU's engine, while it goes on.
    pub(super) trial: Option<Trial>,
}

/// What the page's address and document say, and what its browser can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The gallery's folder, as an absolute URL.
    pub gallery: String,
    /// Whether the gallery comes from the page's own site.
    pub own: bool,
    /// The publisher's key, if the page knows it.
    pub key: Option<String>,
    /// The engine that the address asks for.
    pub wish: Wish,
    /// The WebAssembly vector instructions that the browser has.
    pub simd: Simd,
    /// The part of the address after `#`.
    pub hash: String,
}

/// The settings that the visitor can change.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Ids of the chosen classes.
    pub classes: Vec<String>,
    /// Whether a click adds a class to the chosen ones.
    pub several: bool,
    /// The text that is searched for among the classes.
    pub search: String,
    /// The first image's seed.
    pub seed: u64,
    /// Images of each class, with seeds that count up.
    pub count: u32,
    /// Number of sampling steps.
    pub steps: u32,
    /// Guidance scale; 1 turns guidance off.
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
    /// Being downloaded: bytes received, and bytes in all.
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
    /// Making images: steps done, and steps in all.
    Sampling(u32, u32),
    /// The images are finished: milliseconds in all, and for each step.
    Done(f64, f64),
    /// The visitor stopped the order.
    Stopped,
    /// Something went wrong.
    Failed(Failure),
}

/// Id and name of every class of a large gallery.
#[derive(Clone, Debug, PartialEq)]
pub enum NameList {
    /// Nobody asked for the list yet.
    Unasked,
    /// The list is being downloaded.
    Coming,
    /// The list.
    Here(Arc<Names>),
    /// Why the list could not be loaded.
    Failed(String),
}

/// What is known about the GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gpu {
    /// Nothing yet.
    Unknown,
    /// The visitor asked for the CPU.
    Unwanted,
    /// The GPU will not be used, for this reason.
    No(String),
    /// There is an adapter with this name, but its engine is not on the server yet.
    Unbuilt(String),
    /// The browser is asked for an adapter.
    Sought,
    /// The engine for the adapter of this name is loading and being tried.
    Coming(String),
    /// The GPU's engine agrees with the CPU's, and takes over after the present order.
    Ready(String),
    /// The GPU with this name makes the images.
    Used(String),
}

/// Images, and the order that they belong to.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The images.
    pub grid: Grid,
    /// The order that made them.
    pub order: Order,
    /// Whether they are finished.
    pub finished: bool,
}

/// Which engines run or are starting.
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

/// The image with which the GPU's engine is tried. The CPU's engine makes it, too, and the GPU is
/// used if they agree.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trial {
    pub(super) id: u32,
    pub(super) cpu: Option<Vec<f32>>,
    pub(super) gpu: Option<Vec<f32>>,
}

/// A setting that the visitor types.
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
    /// The adapter's name, as far as the browser tells.
    pub name: String,
    /// Whether the processor emulates it.
    pub emulated: bool,
}

/// An event that changes the page's state.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The visitor clicks a class.
    Choose {
        /// The class's id.
        class: String,
        /// Whether a key is held that adds the class to the chosen ones.
        add: bool,
    },
    /// The visitor switches between choosing several classes and choosing one.
    Several(bool),
    /// The visitor types a search, or only enters the search field (`None`).
    Search(Option<String>),
    /// The visitor types a setting.
    Typed(Field, String),
    /// The visitor switches the learngene alone on or off.
    LearngeneOnly(bool),
    /// The visitor wants images.
    Generate,
    /// The visitor asks for images from this random seed.
    Dice(u64),
    /// The visitor stops the present order.
    Cancel,
    /// The visitor saves the finished images as a file.
    Save,
    /// The visitor removes a class from this device.
    Remove(String),
    /// The visitor asks the browser to keep what is stored.
    Persist,
    /// The visitor clicks the action that the failure offers.
    Remedy,
    /// The visitor has everything forgotten that is remembered of the gallery.
    Forget,
    /// The visitor follows or types a link. This is its part after `#`.
    Link(String),
    /// The page's own code took so many bytes from the network.
    Code(u64),
    /// The browser answers whether it keeps what is stored.
    Persistent(Option<bool>),
    /// The browser tells its adapter, or why there is none, as the second half of a sentence.
    Adapter(Result<Adapter, &'static str>),
    /// The browser does not let the page start this worker.
    NoWorker(Backend),
    /// The program of an engine did not load, in the browser's words.
    NotLoaded(Program, String),
    /// The server tells why a program did not load, as far as it can. The last value is in the
    /// browser's words.
    Examined(Program, Absence, String),
    /// An engine sends an event, with the images that belong to it.
    Heard(Backend, Event, Option<Vec<f32>>),
}

/// Something that the state has the browser or an engine do. Effects are carried out in their
/// order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start this engine in a worker of its own, and end another one of the same kind.
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
    /// Ask the browser to keep what is stored; answered by [`Message::Persistent`].
    Persist,
    /// Write this after the `#` of the address.
    WriteLink(String),
    /// Load the page again.
    Reload,
    /// Save the images as a PNG with this name.
    Save(Arc<Shown>, String),
}

impl State {
    /// Returns the first state, and the first effects.
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

    /// Ends an engine.
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

    /// Shows the visitor that something went wrong.
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

    /// Returns what went wrong, if something did.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.phase {
            Phase::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Tells whether the failure is a question to the visitor: whether to trust a key.
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
