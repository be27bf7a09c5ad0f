//! The page's state, and its first effects.
//!
//! Everything here is plain data, without browser or view. [`super::update`] changes it.

use super::language::{Language, Words};
use super::program::{Program, Wish};
use super::settings::FIRST_WORD;
use crate::link::Link;
use crate::protocol::{
    Backend, Before, Card, ClassInfo, Failure, File, Gallery, Names, Order, Parts, Remedy, Request, Turned,
    Wait, Wanted,
};
use std::collections::BTreeMap;
use std::sync::Arc;

pub use super::message::{Adapter, Effect, Field, Message, NoGpu, Room};
pub use super::settings::{MOST_IMAGES, Settings, Site};
pub use super::shown::{Film, Frame, Shown};

/// The page's state.
#[derive(Clone, Debug)]
pub struct State {
    /// The page's address and settings, which the visitor does not change.
    pub site: Site,
    /// The settings that the visitor can change.
    pub settings: Settings,
    /// The language that the visitor wants. Its words may still be on their way.
    pub language: Language,
    /// The words that the page speaks.
    pub words: Words,
    /// The gallery, once it is open.
    pub gallery: Option<Gallery>,
    /// Files that are on this device or being downloaded.
    pub files: BTreeMap<File, Place>,
    /// What the page is doing.
    pub phase: Phase,
    /// The images, finished or not.
    pub shown: Option<Arc<Shown>>,
    /// The last finished images, the newest first.
    pub history: Vec<Arc<Shown>>,
    /// The steps of the last run in "Take apart".
    pub film: Film,
    /// The pictures in the packs that were loaded, each a PNG.
    pub pictures: BTreeMap<String, Arc<Vec<u8>>>,
    /// What the files that were loaded say of themselves.
    pub cards: BTreeMap<File, Arc<Card>>,
    /// How large the parts of a class's matrices are, or why that is not known.
    pub parts: Option<Result<Parts, String>>,
    /// Something that the visitor should know, and that stops nothing.
    pub notice: Option<String>,
    /// Whether the panel for sharing is open.
    pub sharing: bool,
    /// Whether the link was copied; `None` if nobody tried.
    pub copied: Option<bool>,
    /// The time of the first image: milliseconds since the visit began, and what the order itself
    /// took before and in sampling.
    pub first: Option<(f64, Before, f64)>,
    /// The browser's storage.
    pub room: Room,
    /// For each engine the bytes of its memory, helpers included, and its workers.
    pub memory: BTreeMap<Backend, (u64, u32)>,
    /// Whether the page is hidden, so that orders wait.
    pub hidden: bool,
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
    /// Whether the dials were turned since the order under way began.
    pub(super) again: bool,
    /// The number of the last word that was typed, and of the last playing of the film.
    pub(super) typed: u32,
    /// Whether an engine broke down and was started again since the last images were finished.
    pub(super) restarted: bool,
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
    /// Nothing is under way.
    Ready,
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
#[derive(Clone, Debug, PartialEq)]
pub enum Gpu {
    /// Nothing yet.
    Unknown,
    /// The visitor asked for the CPU.
    Unwanted,
    /// The GPU will not be used, for this reason.
    No(NoGpu),
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
    /// How the images will lie, and what they are.
    pub(super) plan: Plan,
    /// The link to them.
    pub(super) hash: String,
    /// Whether the order only follows a dial that is being turned.
    pub(super) quiet: bool,
    /// Whether it waited while the page was hidden.
    pub(super) held: bool,
}

/// Which images the settings ask for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The images, in batch order.
    pub images: Vec<Wanted>,
    /// Images in a row of the grid.
    pub columns: u32,
    /// As in [`super::grid::Grid::places`].
    pub places: Vec<Option<u32>>,
    /// The word that the images spell, if they were typed.
    pub word: Option<String>,
    /// The parts of the tailors that are turned down.
    pub parts: Turned,
}

/// The image with which the GPU's engine is tried. The CPU's engine makes it, too, and the GPU is
/// used if they agree.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trial {
    pub(super) id: u32,
    pub(super) cpu: Option<Vec<f32>>,
    pub(super) gpu: Option<Vec<f32>>,
}

impl State {
    /// Returns the first state, and the first effects.
    pub fn start(site: Site) -> (Self, Vec<Effect>) {
        let mut state = Self {
            settings: Settings {
                view: site.front,
                word: Link::parse(&site.hash).word.unwrap_or_else(|| FIRST_WORD.to_owned()),
                ..Settings::default()
            },
            language: site.language,
            words: Words::english(),
            gallery: None,
            files: BTreeMap::new(),
            phase: Phase::Starting,
            shown: None,
            history: Vec::new(),
            film: Film::default(),
            pictures: BTreeMap::new(),
            cards: BTreeMap::new(),
            parts: None,
            notice: None,
            sharing: false,
            copied: None,
            first: None,
            room: Room::default(),
            memory: BTreeMap::new(),
            hidden: false,
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
            again: false,
            typed: 0,
            restarted: false,
            site,
        };
        let mut effects = vec![Effect::AskPersistent];
        if state.language != Language::ENGLISH {
            effects.push(Effect::FetchWords(state.language));
        }
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

    /// Returns how large the parts of the first chosen class are, or why that is not known. What was measured of another
    /// class says nothing about it.
    pub fn measured(&self) -> Option<&Result<Parts, String>> {
        let first = self.settings.classes.first();
        self.parts.as_ref().filter(|parts| parts.as_ref().map_or(true, |parts| first == Some(&parts.class)))
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
            None => self.fail(super::program::no_simd(&self.words)),
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
        self.memory.remove(&backend);
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
            Phase::Ready | Phase::Stopped | Phase::Failed(_) => Some(0.0),
        }
    }

    /// Returns the word that stands in the body's `data-state`.
    pub fn word(&self) -> &'static str {
        match self.phase {
            Phase::Starting | Phase::Downloading => "loading",
            Phase::Sampling(..) => "sampling",
            Phase::Done(..) | Phase::Ready | Phase::Stopped => "done",
            Phase::Failed(_) => "failed",
        }
    }
}
