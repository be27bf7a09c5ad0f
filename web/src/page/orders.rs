//! Turns the settings into an order, and a link into settings.

use super::grid::Grid;
use super::plan::{self, plan};
use super::program::Program;
use super::search::tiles;
use super::settings::Settings;
use super::state::{Effect, Film, Frame, Phase, Place, Plan, Running, Shown, State};
use crate::link::{Link, Show, View};
use crate::protocol::{Backend, Code, Failure, File, Order, Remedy, Request, Wanted};
use std::sync::Arc;

/// The most values of all frames of a film: 64 MB.
const LONGEST_FILM: usize = 1 << 24;
/// The most images that are kept to go back to.
const HISTORY: usize = 8;

impl State {
    /// Returns the images that the settings ask for.
    pub fn plan(&self) -> Plan {
        self.gallery.as_ref().map(|gallery| plan(&self.settings, gallery)).unwrap_or_default()
    }

    /// Tells whether images can be asked for.
    pub fn can_generate(&self) -> bool {
        !self.plan().images.is_empty()
    }

    /// Stops the present order, and makes the images that the settings ask for.
    pub(super) fn generate(&mut self, effects: &mut Vec<Effect>) {
        self.order(false, effects);
    }

    /// Lets the images follow a dial that is being turned. Where an order is under way, the next
    /// one begins when it is done, with what the dials say then.
    pub(super) fn follow(&mut self, effects: &mut Vec<Effect>) {
        match &self.current {
            Some(running) if running.quiet => self.again = true,
            _ => self.order(true, effects),
        }
    }

    fn order(&mut self, quiet: bool, effects: &mut Vec<Effect>) {
        let plan = self.plan();
        if plan.images.is_empty() {
            // A word of signs that nobody has a pack of: the images of another one would not be what the link says.
            if plan.word.is_some_and(|word| !word.trim().is_empty()) {
                self.cancel(effects);
                self.shown = None;
                self.phase = Phase::Ready;
                self.write_link(effects);
            }
            return;
        }
        self.cancel(effects);
        self.write_link(effects);
        if !self.is_alive(self.active) {
            // An engine that broke down starts again, opens the gallery and follows the link.
            return self.go_on(effects);
        }
        let settings = &self.settings;
        let values = 2 * plan.images.len() * settings.steps as usize * self.image_len();
        let films = settings.view == View::Apart && settings.show != Show::Classes;
        let order = Order {
            id: self.last_id + 1,
            images: plan.images.clone(),
            steps: settings.steps,
            guidance: settings.guidance,
            previews: !quiet,
            workers: 0,
            trace: films && !quiet && values <= LONGEST_FILM,
            parts: plan.parts.clone(),
        };
        self.last_id = order.id;
        if films {
            self.film = Film::default();
        }
        let here = |file: File| matches!(self.files.get(&file), Some(Place::Loaded(_)));
        let gates: Vec<_> = order.images.iter().flat_map(Wanted::weights).collect();
        let ready = here(File::Learngene) && gates.into_iter().all(|(class, _)| here(File::Tailor(class)));
        self.phase = if ready { Phase::Sampling(0, order.steps) } else { Phase::Downloading };
        let hash = self.site.hash.clone();
        self.current = Some(Running { order: order.clone(), plan, hash, quiet, held: self.hidden });
        self.post(self.active, Request::Sample(order), effects);
    }

    /// Counts the values of one image.
    fn image_len(&self) -> usize {
        self.gallery.as_ref().map_or(0, |g| g.channels as usize * (g.side as usize).pow(2))
    }

    /// Writes the link to the settings into the page's address.
    pub(super) fn write_link(&mut self, effects: &mut Vec<Effect>) {
        let Some(gallery) = &self.gallery else { return };
        let hash = plan::link(&self.settings, gallery).to_string();
        self.copied = None;
        self.site.hash.clone_from(&hash);
        effects.push(Effect::WriteLink(hash));
    }

    /// Stops the present order.
    pub(super) fn cancel(&mut self, effects: &mut Vec<Effect>) {
        if let Some(Running { order, .. }) = self.current.take() {
            self.post(self.active, Request::Cancel { id: order.id }, effects);
            self.phase = Phase::Stopped;
            self.again = false;
        }
    }

    /// Resumes after a failure: starts the engine, opens the gallery, or makes the images,
    /// whichever is missing.
    pub(super) fn go_on(&mut self, effects: &mut Vec<Effect>) {
        self.phase = Phase::Starting;
        if !self.is_alive(self.active) {
            match self.active {
                Backend::Cpu => self.spawn_cpu(effects),
                Backend::Gpu => self.spawn(Program::Gpu, effects),
            }
        } else if self.gallery.is_none() {
            self.open(effects);
        } else if self.can_generate() {
            self.generate(effects);
        } else {
            self.phase = Phase::Ready;
        }
    }

    /// Has the engine open the gallery.
    fn open(&self, effects: &mut Vec<Effect>) {
        self.post(self.active, self.opening(), effects);
    }

    /// Returns the request that opens the gallery.
    pub(super) fn opening(&self) -> Request {
        Request::Start { gallery: self.site.gallery.clone(), key: self.site.key.clone() }
    }

    /// Has the engine open the gallery with `request`. An engine that has ended is started first,
    /// and then asks the same question again.
    pub(super) fn open_by(&mut self, request: Request, effects: &mut Vec<Effect>) {
        if !self.is_alive(self.active) {
            return self.go_on(effects);
        }
        self.phase = Phase::Starting;
        self.post(self.active, request, effects);
    }

    /// Takes the settings from the link, the rest from the gallery, and makes images.
    pub(super) fn follow_link(&mut self, effects: &mut Vec<Effect>) {
        let link = Link::parse(&self.site.hash);
        self.notice = super::words::wrong(&self.words, &link.wrong);
        let Some(unknown) = self.take_link(link) else { return };
        match unknown {
            Some(class) => {
                let sentence = self.words.unknown_class(&class);
                self.cancel(effects);
                self.fail(Failure::new(Code::UnknownClass, sentence, Remedy::Choose));
            }
            None if self.can_generate() => self.generate(effects),
            None => self.rest(effects),
        }
    }

    /// Keeps what a visitor sets before there is a gallery in the link, by which it is opened.
    pub(super) fn early(&mut self, set: impl FnOnce(&mut Link, &Settings)) {
        if self.gallery.is_none() {
            let mut link = Link::parse(&self.site.hash);
            set(&mut link, &self.settings);
            self.site.hash = link.to_string();
        }
    }

    /// Takes over what a link says. Returns the class that the gallery lacks; nothing before there
    /// is a gallery.
    fn take_link(&mut self, link: Link) -> Option<Option<String>> {
        let gallery = self.gallery.as_ref()?;
        Some(plan::take(&mut self.settings, link, gallery))
    }

    /// Stops the present order; there is nothing to make.
    fn rest(&mut self, effects: &mut Vec<Effect>) {
        self.cancel(effects);
        self.phase = Phase::Ready;
        if self.settings.view == View::Device {
            effects.push(Effect::AskRoom);
        }
    }

    /// Opens a view, and makes its images unless they are shown.
    pub(super) fn open_view(&mut self, view: View, effects: &mut Vec<Effect>) {
        self.settings.view = view;
        self.settings.mix();
        self.early(|link, _| link.view = Some(view));
        if self.gallery.is_none() {
            return;
        }
        self.write_link(effects);
        let there = self.finished().is_some_and(|shown| shown.hash == self.site.hash);
        if there && self.current.is_none() {
            return;
        }
        if self.can_generate() { self.generate(effects) } else { self.rest(effects) }
    }

    /// Shows images of the history again, and the settings that they were made with.
    pub(super) fn recall(&mut self, number: usize, effects: &mut Vec<Effect>) {
        let Some(shown) = self.history.get(number).cloned() else { return };
        self.cancel(effects);
        self.phase = Phase::Ready;
        self.site.hash.clone_from(&shown.hash);
        self.take_link(Link::parse(&shown.hash));
        effects.push(Effect::WriteLink(shown.hash.clone()));
        self.shown = Some(shown);
    }

    /// Shows the images of the order under way.
    pub(super) fn show(&mut self, values: Option<Vec<f32>>, finished: bool) {
        let (Some(gallery), Some(running), Some(values)) = (&self.gallery, &self.current, values) else {
            return;
        };
        let (channels, side) = (gallery.channels, gallery.side);
        let Plan { columns, places, word, .. } = running.plan.clone();
        let grid = Grid { values, channels, side, columns, places };
        let (order, hash) = (running.order.clone(), running.hash.clone());
        let shown = Arc::new(Shown { grid, order, finished, word, hash });
        self.shown = Some(shown.clone());
        if finished && !running.quiet {
            self.history.retain(|other| other.hash != shown.hash);
            self.history.insert(0, shown);
            self.history.truncate(HISTORY);
        }
    }

    /// Takes a step of an order that is traced, and shows its images as they are now.
    pub(super) fn frame(&mut self, step: u32, values: Vec<f32>) {
        let (Some(gallery), Some(running)) = (&self.gallery, &self.current) else { return };
        let images = running.plan.images.len();
        let predicted = values.get(values.len() / 2..).unwrap_or_default().to_vec();
        let (channels, side) = (gallery.channels, gallery.side);
        // What the network sees is on the left of one image, and above several.
        let columns = if images == 1 { 2 } else { images as u32 };
        let grid = Grid { values, channels, side, columns, places: Vec::new() };
        self.film.frames.push(Arc::new(Frame { grid, step }));
        self.film.at = self.film.frames.len() - 1;
        self.show(Some(predicted), false);
    }

    /// Updates the list of classes to choose from.
    pub(super) fn list(&mut self) {
        self.tiles = Arc::new(tiles(self.gallery.as_ref(), &self.names, &self.settings.search));
    }
}
