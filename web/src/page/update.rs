//! Changes the page's state: a message goes in, and effects come out. Nothing else changes it.

use super::language::{Language, Words};
use super::png;
use super::state::{Effect, Field, Gpu, Message, NameList, Phase, Place, Settings, State};
use super::words::file_name;
use crate::link::{LONGEST, View};
use crate::protocol::{
    Backend, Before, ClassInfo, Code, Event, File, Gallery, Remedy, Request, Turned, Wanted,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How long a visitor who types rests before the word is made, in milliseconds.
const REST: u32 = 350;
/// How long a frame of a film is shown, in milliseconds.
const FRAME: u32 = 250;

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
            Message::Typed(field, text) => {
                self.settings.read(field, &text);
                self.early(|link, settings| match field {
                    Field::Seed => link.seed = Some(settings.seed),
                    Field::Count => link.count = Some(settings.count),
                    Field::Steps => link.steps = Some(settings.steps),
                    Field::Guidance => link.guidance = Some(settings.guidance),
                });
            }
            Message::LearngeneOnly(alone) => self.settings.learngene_only = alone,
            Message::Open(view) => self.open_view(view, effects),
            Message::Word(text) => self.type_word(text, effects),
            Message::Rested(number) if number == self.typed => self.generate(effects),
            Message::Rested(_) => {}
            Message::Dial { class, weight, done } => self.dial(class, weight, done, effects),
            Message::Part { part, share, done } => self.part(part, share, done, effects),
            Message::Whole => {
                self.settings.parts = Turned::default();
                self.generate(effects);
            }
            Message::Pair(place, class) => self.pair(place, class, effects),
            Message::Show(show) => {
                self.settings.show = show;
                self.generate(effects);
            }
            Message::Seek(at) => {
                self.film.playing = None;
                self.film.at = at.min(self.film.frames.len().saturating_sub(1));
            }
            Message::Play => self.play(effects),
            Message::Tick(number) => self.tick(number, effects),
            Message::Parts => {
                if let Some(class) = self.settings.classes.first() {
                    self.post(self.active, Request::Parts { class: class.clone() }, effects);
                }
            }
            Message::Recall(number) => self.recall(number, effects),
            Message::Share => self.sharing = !self.sharing,
            Message::Copy => effects.push(Effect::Copy),
            Message::Copied(copied) => self.copied = Some(copied),
            Message::File(bytes) => self.open_file(&bytes, effects),
            Message::SetLanguage(language) => self.set_language(language, effects),
            Message::Words(language, text) => self.speak(language, text),
            Message::Noticed => self.notice = None,
            Message::Clock(ms) => {
                if let Some((since, ..)) = &mut self.first {
                    *since = ms;
                }
            }
            Message::Room(room) => self.room = room,
            Message::Generate => {
                // Who asks need not rest first.
                self.typed += 1;
                self.generate(effects);
            }
            Message::Dice(seed) => {
                self.settings.seed = seed;
                self.early(|link, settings| link.seed = Some(settings.seed));
                self.generate(effects);
            }
            Message::Cancel => self.cancel(effects),
            Message::Save => {
                if let Some(shown) = self.finished() {
                    let text = png::settings(&self.site.gallery, &shown.hash);
                    effects.push(Effect::Save(shown.clone(), file_name(self, shown), text));
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
            Message::Hidden(hidden) => self.hide(hidden, effects),
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

    /// Takes over a word. Its images are made once the visitor rests.
    fn type_word(&mut self, text: String, effects: &mut Vec<Effect>) {
        self.settings.word = text.chars().take(LONGEST).collect();
        self.early(|link, settings| {
            link.view = Some(settings.view);
            link.word = Some(settings.word.clone());
        });
        self.typed += 1;
        effects.push(Effect::Later(REST, Message::Rested(self.typed)));
    }

    /// Turns a dial, and has the images follow.
    fn dial(&mut self, class: String, weight: f32, done: bool, effects: &mut Vec<Effect>) {
        if weight.is_finite() {
            self.settings.dials.insert(class, weight.clamp(0.0, 1.0));
        }
        self.turned(done, effects);
    }

    /// Turns the dial of a part of the tailors, and has the image follow.
    fn part(&mut self, part: String, share: f32, done: bool, effects: &mut Vec<Effect>) {
        let parts = &mut self.settings.parts.0;
        match share.clamp(0.0, 1.0) {
            1.0 => drop(parts.remove(&part)),
            share if share.is_finite() => drop(parts.insert(part, share)),
            _ => {}
        }
        self.turned(done, effects);
    }

    /// Has the images follow a dial that was turned, or that the visitor has let go of.
    fn turned(&mut self, done: bool, effects: &mut Vec<Effect>) {
        // The steps of a film are worth making only for where the dial stays.
        if done && self.settings.view == View::Apart { self.generate(effects) } else { self.follow(effects) }
    }

    /// Chooses one of the two classes to take apart. Two begin with half of each.
    fn pair(&mut self, place: usize, class: String, effects: &mut Vec<Effect>) {
        let settings = &mut self.settings;
        settings.classes.truncate(2);
        match (class.is_empty(), settings.classes.get_mut(place)) {
            (true, _) => settings.classes.truncate(place.max(1)),
            (false, Some(chosen)) => *chosen = class,
            (false, None) => settings.classes.push(class),
        }
        settings.classes.dedup();
        settings.dials.clear();
        settings.mix();
        self.parts = None;
        self.generate(effects);
    }

    /// Starts or stops the film. One at its end starts from its beginning.
    fn play(&mut self, effects: &mut Vec<Effect>) {
        self.film.playing = match self.film.playing {
            Some(_) => None,
            None => {
                self.typed += 1;
                if self.film.at + 1 >= self.film.frames.len() {
                    self.film.at = 0;
                }
                effects.push(Effect::Later(FRAME, Message::Tick(self.typed)));
                Some(self.typed)
            }
        };
    }

    /// Shows the next frame of the film, and stops at its end.
    fn tick(&mut self, number: u32, effects: &mut Vec<Effect>) {
        let film = &mut self.film;
        if film.playing != Some(number) {
            return;
        }
        if film.at + 1 < film.frames.len() {
            film.at += 1;
            effects.push(Effect::Later(FRAME, Message::Tick(number)));
        } else {
            film.playing = None;
        }
    }

    /// Restores the settings that are inside a saved picture.
    fn open_file(&mut self, bytes: &[u8], effects: &mut Vec<Effect>) {
        match png::read(bytes).as_deref().and_then(png::parse) {
            Some((gallery, hash)) if gallery == self.site.gallery => {
                self.site.hash = hash;
                self.follow_link(effects);
            }
            Some((gallery, hash)) => effects.push(Effect::Go(gallery, hash)),
            None => self.notice = Some(self.words.no_settings()),
        }
    }

    /// Takes over the language that the visitor chooses.
    fn set_language(&mut self, language: Language, effects: &mut Vec<Effect>) {
        self.language = language;
        effects.push(Effect::KeepLanguage(language));
        match language {
            Language::ENGLISH => self.words = Words::english(),
            _ => effects.push(Effect::FetchWords(language)),
        }
    }

    /// Speaks a language whose words came, unless the visitor has chosen another one since.
    fn speak(&mut self, language: Language, text: Option<String>) {
        if language != self.language {
            return;
        }
        match text.and_then(|text| Words::read(language, &text)) {
            Some(words) => self.words = words,
            None => {
                self.language = self.words.language();
                self.notice = Some(self.words.language_failed());
            }
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
        self.restarted = false;
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
                if self.hidden {
                    self.post(from, Request::Hold(true), effects);
                }
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
                    Err(failure) => NameList::Failed(self.words.translate(failure).sentence),
                };
                self.list();
            }
            Event::Waiting(wait) => self.waiting = Some(wait),
            Event::Fetching { file, received, total } => {
                self.files.insert(file, Place::Arriving(received, total));
            }
            Event::Loaded { file, network, kept, preview, card } => {
                self.gallery_bytes += network;
                if !card.is_empty() {
                    self.cards.insert(file.clone(), Arc::new(card));
                }
                if let File::Tailor(class) = &file
                    && !preview.is_empty()
                {
                    self.pictures.insert(class.clone(), Arc::new(preview));
                }
                self.files.insert(file, Place::Loaded(kept));
            }
            Event::Dropped { class } => {
                if let Some(gallery) = &mut self.gallery {
                    // A class that was taught here is nowhere else.
                    gallery.classes.retain(|known| !known.own || known.id != class);
                    self.list();
                }
                self.files.remove(&File::Tailor(class));
                effects.push(Effect::AskRoom);
            }
            Event::Preview { id, step, of } if self.is_current(id) => {
                self.phase = Phase::Sampling(step, of);
                match values {
                    Some(values) if self.current.as_ref().is_some_and(|r| r.order.trace) => {
                        self.frame(step, values);
                    }
                    values => self.show(values, false),
                }
            }
            Event::Done { id, ms, ms_per_step, before } if self.is_current(id) => {
                self.done(ms, ms_per_step, before, values, effects);
            }
            Event::Parts(parts) => {
                self.parts = Some(parts.map_err(|failure| self.words.translate(failure).sentence));
            }
            Event::Done { id, .. } => self.tried(from, id, values, effects),
            Event::Failed { id, failure } => {
                let failure = self.words.translate(failure);
                self.failed(from, id, failure, effects);
            }
            Event::Lost { failure } => {
                let failure = self.words.translate(failure);
                self.broke_down(from, failure, effects);
            }
            Event::Memory { bytes, workers } => {
                self.memory.insert(from, (bytes, workers));
            }
            Event::Preview { .. } | Event::Cancelled { .. } => {}
        }
    }

    /// Handles the images of the order under way.
    fn done(
        &mut self,
        ms: f64,
        ms_per_step: f64,
        before: Before,
        values: Option<Vec<f32>>,
        effects: &mut Vec<Effect>,
    ) {
        self.show(values, true);
        self.recovered();
        let running = self.current.take();
        self.phase = Phase::Done(ms, ms_per_step);
        let images = running.iter().flat_map(|running| &running.order.images);
        let classes: BTreeSet<String> = images.flat_map(Wanted::weights).map(|(class, _)| class).collect();
        effects.push(Effect::Used(classes.into_iter().collect()));
        if self.first.is_none() {
            self.first = Some((0.0, before, ms));
            effects.push(Effect::Clock);
        }
        if self.gpu == Gpu::Unknown {
            self.seek_gpu(effects);
        }
        if std::mem::take(&mut self.again) {
            self.follow(effects);
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
