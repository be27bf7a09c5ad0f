//! Changes the page's state: a message goes in, and effects come out. Nothing else changes it.

use super::state::{Effect, Field, Gpu, Message, NameList, Phase, Place, Settings, State};
use super::words::file_name;
use crate::protocol::{Backend, ClassInfo, Code, Event, File, Gallery, Remedy, Request};
use std::sync::Arc;

/// Applies a message to the state, and returns the effects to carry out, in this order.
pub fn update(state: &mut State, message: Message) -> Vec<Effect> {
    let mut effects = Vec::new();
    state.take(message, &mut effects);
    state.take_over();
    effects
}

impl State {
    fn take(&mut self, message: Message, effects: &mut Vec<Effect>) {
        match message {
            Message::Choose { class, add } => self.choose(class, add, effects),
            Message::Several(several) => self.settings.several = several,
            Message::Search(text) => {
                self.ask_names(effects);
                if let Some(text) = text {
                    self.settings.search = text;
                    self.list();
                }
            }
            Message::Typed(field, text) => self.settings.read(field, &text),
            Message::LearngeneOnly(alone) => self.settings.learngene_only = alone,
            Message::Generate => self.generate(effects),
            Message::Dice(seed) => {
                self.settings.seed = seed;
                self.generate(effects);
            }
            Message::Cancel => self.cancel(effects),
            Message::Save => {
                if let Some(shown) = self.finished() {
                    let name = file_name(self, &shown.order);
                    effects.push(Effect::Save(shown.clone(), name));
                }
            }
            Message::Remove(class) => {
                for backend in [Backend::Cpu, Backend::Gpu] {
                    self.post(backend, Request::Drop { class: class.clone() }, effects);
                }
            }
            Message::Persist => effects.push(Effect::Persist),
            Message::Remedy => self.remedy(effects),
            Message::Forget => {
                let (gallery, key) = (self.site.gallery.clone(), self.site.key.clone());
                self.open_by(Request::Forget { gallery, key }, effects);
            }
            Message::Link(hash) => {
                self.site.hash = hash;
                self.follow_link(effects);
            }
            Message::Code(bytes) => self.code_bytes += bytes,
            Message::Persistent(answer) => self.persistent = answer,
            Message::Adapter(answer) => self.found_adapter(answer, effects),
            Message::NoWorker(backend) => self.no_worker(backend, effects),
            Message::NotLoaded(program, detail) => self.not_loaded(program, detail, effects),
            Message::Examined(program, absence, detail) => self.examined(program, absence, detail, effects),
            Message::Heard(from, event, values) => self.hear(from, event, values, effects),
        }
    }

    /// Handles a click on a class, which makes its image, or adds it to the chosen ones.
    fn choose(&mut self, class: String, add: bool, effects: &mut Vec<Effect>) {
        let settings = &mut self.settings;
        if settings.several || add {
            settings.several = true;
            match settings.classes.iter().position(|chosen| *chosen == class) {
                Some(at) => drop(settings.classes.remove(at)),
                None => settings.classes.push(class),
            }
        } else {
            settings.classes = vec![class];
            settings.learngene_only = false;
            self.generate(effects);
        }
    }

    /// Asks, once, for the names of all classes of a large gallery.
    fn ask_names(&mut self, effects: &mut Vec<Effect>) {
        let large = self.gallery.as_ref().is_some_and(|gallery| gallery.more);
        let wanted = matches!(self.names, NameList::Unasked | NameList::Failed(_));
        if large && wanted && self.is_alive(self.active) {
            self.names = NameList::Coming;
            self.post(self.active, Request::Names, effects);
        }
    }

    /// Does the action that the failure offers.
    fn remedy(&mut self, effects: &mut Vec<Effect>) {
        let Some(remedy) = self.failure().map(|failure| failure.remedy) else { return };
        match remedy {
            Remedy::Reload => effects.push(Effect::Reload),
            Remedy::UseCpu => self.use_cpu(effects),
            Remedy::Choose => self.phase = Phase::Stopped,
            Remedy::Retry => self.go_on(effects),
            Remedy::Trust => self.open_by(Request::Trust, effects),
        }
    }

    /// Handles an event of an engine.
    fn hear(&mut self, from: Backend, event: Event, values: Option<Vec<f32>>, effects: &mut Vec<Effect>) {
        self.waiting = None;
        if matches!(event, Event::Done { .. } | Event::Cancelled { .. } | Event::Failed { .. }) {
            // Files that had not arrived by then are no longer being downloaded.
            self.files.retain(|_, place| !matches!(place, Place::Arriving(..)));
        }
        match event {
            Event::Ready { bytes, .. } => {
                self.code_bytes += bytes;
                self.post(from, self.opening(), effects);
            }
            Event::Index(gallery) => {
                self.gallery_bytes += gallery.index;
                if from == self.active {
                    self.describe(gallery);
                    self.follow_link(effects);
                } else {
                    self.try_gpu(effects);
                }
            }
            Event::Renewed(gallery) => {
                self.gallery_bytes += gallery.index;
                if from == self.active {
                    self.describe(gallery);
                }
            }
            Event::Class(class) => self.add(class),
            Event::Names(names) => {
                self.names = match names {
                    Ok(names) => NameList::Here(Arc::new(names)),
                    // An order came first. A visitor who still searches asks again.
                    Err(failure) if failure.code == Code::Cancelled => NameList::Unasked,
                    Err(failure) => NameList::Failed(failure.sentence),
                };
                self.list();
            }
            Event::Waiting(wait) => self.waiting = Some(wait),
            Event::Fetching { file, received, total } => {
                self.files.insert(file, Place::Arriving(received, total));
            }
            Event::Loaded { file, network, kept } => {
                self.gallery_bytes += network;
                self.files.insert(file, Place::Loaded(kept));
            }
            Event::Dropped { class } => {
                if let Some(gallery) = &mut self.gallery {
                    // A class that was taught here is nowhere else.
                    gallery.classes.retain(|known| !known.own || known.id != class);
                    self.list();
                }
                self.files.remove(&File::Tailor(class));
            }
            Event::Preview { id, step, of } if self.is_current(id) => {
                self.phase = Phase::Sampling(step, of);
                self.show(values, false);
            }
            Event::Done { id, ms, ms_per_step } if self.is_current(id) => {
                self.show(values, true);
                self.current = None;
                self.phase = Phase::Done(ms, ms_per_step);
                if self.gpu == Gpu::Unknown {
                    self.seek_gpu(effects);
                }
            }
            Event::Done { id, .. } => self.tried(from, id, values, effects),
            Event::Failed { id, failure } => self.failed(from, id, failure, effects),
            Event::Lost { failure } => self.lost(from, failure, effects),
            Event::Preview { .. } | Event::Cancelled { .. } => {}
        }
    }

    /// Takes over the description of a gallery, and which of its files are on this device.
    fn describe(&mut self, gallery: Gallery) {
        let stored = gallery.classes.iter().filter(|class| class.stored);
        let stored = stored.map(|class| File::Tailor(class.id.clone()));
        let learngene = gallery.learngene_stored.then_some(File::Learngene);
        self.files = stored.chain(learngene).map(|file| (file, Place::Stored)).collect();
        self.names = NameList::Unasked;
        self.gallery = Some(gallery);
        self.list();
    }

    /// Shows a class of a large gallery that was looked up.
    fn add(&mut self, class: ClassInfo) {
        if class.stored {
            self.files.entry(File::Tailor(class.id.clone())).or_insert(Place::Stored);
        }
        let Some(gallery) = &mut self.gallery else { return };
        if gallery.classes.iter().all(|known| known.id != class.id) {
            gallery.classes.push(class);
            self.list();
        }
    }
}

impl Settings {
    /// Takes over a typed number if it is within bounds. A half-typed one changes nothing.
    fn read(&mut self, field: Field, text: &str) {
        fn within<T: std::str::FromStr + PartialOrd>(text: &str, least: T, most: T) -> Option<T> {
            text.parse::<T>().ok().filter(|value| *value >= least && *value <= most)
        }
        match field {
            Field::Seed => self.seed = within(text, 0, u64::MAX).unwrap_or(self.seed),
            Field::Count => self.count = within(text, 1, 16).unwrap_or(self.count),
            Field::Steps => self.steps = within(text, 1, 1000).unwrap_or(self.steps),
            Field::Guidance => self.guidance = within(text, 0.0, 100.0).unwrap_or(self.guidance),
        }
    }
}
