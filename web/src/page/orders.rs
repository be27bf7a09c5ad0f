//! Turns the settings into an order and a link, and a link into settings.

use super::grid::Grid;
use super::program::Program;
use super::search::tiles;
use super::state::{Effect, MOST_IMAGES, Phase, Place, Running, Shown, State};
use crate::link::Link;
use crate::protocol::{Backend, Code, Failure, File, Gallery, Order, Remedy, Request, Wanted};
use std::sync::Arc;

impl State {
    /// Stops the present order, and makes images of the chosen classes.
    pub(super) fn generate(&mut self, effects: &mut Vec<Effect>) {
        let Some(gallery) = self.gallery.as_ref().filter(|_| self.can_generate()) else { return };
        let hash = self.link(gallery).to_string();
        self.cancel(effects);
        self.site.hash.clone_from(&hash);
        effects.push(Effect::WriteLink(hash));
        if !self.is_alive(self.active) {
            // An engine that broke down starts again, opens the gallery and follows the link.
            return self.go_on(effects);
        }
        let images = self.images();
        let order = Order {
            id: self.next_id(),
            images,
            steps: self.settings.steps,
            guidance: self.settings.guidance,
            previews: true,
            workers: 0,
        };
        let here = |file: File| matches!(self.files.get(&file), Some(Place::Loaded(_)));
        let mut classes = order.images.iter().filter_map(|image| image.class.clone());
        let ready = here(File::Learngene) && classes.all(|class| here(File::Tailor(class)));
        self.phase = if ready { Phase::Sampling(0, order.steps) } else { Phase::Downloading };
        let columns = columns(order.images.len() as u32, self.settings.count);
        self.current = Some(Running { order: order.clone(), columns });
        self.post(self.active, Request::Sample(order), effects);
    }

    /// Lists the images of the chosen classes, in batch order.
    fn images(&self) -> Vec<Wanted> {
        let settings = &self.settings;
        let seeds = (0..u64::from(settings.count)).map(|n| settings.seed.wrapping_add(n));
        let of = |class: Option<&String>| {
            let image = move |seed| Wanted { class: class.cloned(), seed };
            seeds.clone().map(image).collect::<Vec<_>>()
        };
        match settings.learngene_only {
            true => of(None),
            false => settings.classes.iter().flat_map(|class| of(Some(class))).take(MOST_IMAGES).collect(),
        }
    }

    /// Stops the present order.
    pub(super) fn cancel(&mut self, effects: &mut Vec<Effect>) {
        if let Some(Running { order, .. }) = self.current.take() {
            self.post(self.active, Request::Cancel { id: order.id }, effects);
            self.phase = Phase::Stopped;
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
            self.phase = Phase::Stopped;
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
        let Some(gallery) = &self.gallery else { return };
        let link = Link::parse(&self.site.hash);
        let find = |wanted: &String| {
            let class = gallery.classes.iter().find(|c| c.id == *wanted || c.name == *wanted);
            // In a large gallery only the engine knows whether there is such an id.
            class.map(|class| class.id.clone()).or_else(|| gallery.more.then(|| wanted.clone()))
        };
        let mut classes: Vec<String> = link.classes.iter().filter_map(find).collect();
        let unknown = link.classes.iter().find(|wanted| find(wanted).is_none());
        if classes.is_empty() {
            let named = gallery.classes.iter().find(|class| class.name == "A");
            classes.extend(named.or(gallery.classes.first()).map(|class| class.id.clone()));
        }
        let settings = &mut self.settings;
        settings.several |= classes.len() > 1;
        settings.classes = classes;
        settings.seed = link.seed.unwrap_or(7);
        settings.count = link.count.unwrap_or(1);
        settings.steps = link.steps.unwrap_or(gallery.steps);
        settings.guidance = link.guidance.unwrap_or(gallery.guidance);
        settings.learngene_only = link.learngene_only;
        match unknown {
            Some(class) => {
                let sentence = format!("This gallery has no class “{class}”. Choose one that it shows.");
                self.cancel(effects);
                self.fail(Failure::new(Code::UnknownClass, sentence, Remedy::Choose));
            }
            None => self.generate(effects),
        }
    }

    /// Returns the link to the present settings.
    fn link(&self, gallery: &Gallery) -> Link {
        let settings = &self.settings;
        // A name reads better than an id, if only one class has it and an address can hold it as it
        // is.
        let word = |id: &String| {
            let class = gallery.classes.iter().find(|class| class.id == *id);
            let name = class.map(|class| class.name.clone()).unwrap_or_default();
            let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
            let once = gallery.classes.iter().filter(|c| c.name == name || c.id == name).count() == 1;
            // In a large gallery it is not known whether only one class has the name.
            if plain && once && !gallery.more { name } else { id.clone() }
        };
        Link {
            classes: settings.classes.iter().map(word).collect(),
            seed: Some(settings.seed),
            steps: Some(settings.steps).filter(|n| *n != gallery.steps),
            guidance: Some(settings.guidance).filter(|g| *g != gallery.guidance),
            count: Some(settings.count),
            learngene_only: settings.learngene_only,
        }
    }

    /// Shows the images of the order under way.
    pub(super) fn show(&mut self, values: Option<Vec<f32>>, finished: bool) {
        let (Some(gallery), Some(running), Some(values)) = (&self.gallery, &self.current, values) else {
            return;
        };
        let (channels, side, columns) = (gallery.channels, gallery.side, running.columns);
        let grid = Grid { values, channels, side, columns };
        self.shown = Some(Arc::new(Shown { grid, order: running.order.clone(), finished }));
    }

    /// Updates the list of classes to choose from.
    pub(super) fn list(&mut self) {
        self.tiles = Arc::new(tiles(self.gallery.as_ref(), &self.names, &self.settings.search));
    }
}

/// Returns how many of `n` images lie in a row, if there are `count` of each class.
fn columns(n: u32, count: u32) -> u32 {
    let square = (1..=n).find(|c| c * c >= n).unwrap_or(1);
    // Several images of several classes are shown as a table, one row for each class.
    if count > 1 && count < n { count } else { square }
}
