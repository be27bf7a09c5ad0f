//! The open gallery, the lesson in it, and its samples.

use super::kept::Keeper;
use super::team::Team;
use super::{post, post_bytes, post_images, settings};
use crate::engine::download::Folder;
use crate::engine::error::EngineError;
use crate::engine::gallery::{Open, refused};
use crate::engine::host::now;
use crate::engine::index::{Found, Published};
use crate::engine::own;
use crate::engine::stop::Stop;
use crate::engine::store::Store;
use crate::protocol::File;
use crate::teaching::{CardText, Event, Kept, Plan, Request, SEEDS};
use crate::traffic::memory_bytes;
use std::cell::Cell;
use std::rc::Rc;
use tailor_core::diffusion::images::Images;
use tailor_core::diffusion::sampling::Course;
use tailor_core::model::Gate;
use tailor_core::teaching::{Examples, Lesson, Material, Settings};
use tailor_core::{Guide, Item, Predict as _, SampleSettings, engine};
use tailor_packs::join::Join;
use tailor_packs::{Card, Class, Contents, Digest, PublicKey, Tensors, is_name, write_tailor};

/// The class's name in the model that draws samples.
const OWN: &str = "own";

/// Where the teacher works.
pub(super) struct Room {
    pub(super) store: Store,
    pub(super) open: Option<Open>,
    /// The classes of one's own, once they were asked for.
    pub(super) join: Option<Join>,
    keeper: Option<Keeper>,
    base: Option<Base>,
    /// The lesson that is under way, paused or over.
    taught: Option<Taught>,
    /// Samples that are being drawn, after so many steps of the lesson.
    drawing: Option<(u32, Course<Images>, engine::sampling::Gated)>,
    /// Whether samples of the present tailor are to be drawn after those.
    waiting: bool,
    /// Whether all of this waits, because the page is hidden.
    held: bool,
    /// The bytes of memory that the page was told last.
    told: Cell<u64>,
}

/// The learngene, once it is here.
struct Base {
    /// Its flat parameters, which the lesson needs.
    flat: Vec<f32>,
    /// Learngene and tailor, to draw samples with.
    model: engine::Model,
    /// The model's name in packs.
    name: String,
    /// The guidance that its large steps were taught with, where its card says so.
    shortcut_guidance: Option<f64>,
}

/// A lesson with all that belongs to it.
struct Taught {
    plan: Plan,
    lesson: Lesson,
    material: Rc<Material>,
    team: Team,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Learning,
    Paused,
    /// The lesson is over; its last samples may still be drawn.
    Over,
}

impl Room {
    /// Makes a teacher without a gallery.
    pub(super) async fn new() -> Self {
        Self {
            store: Store::open().await,
            open: None,
            join: None,
            keeper: None,
            base: None,
            taught: None,
            drawing: None,
            waiting: false,
            held: false,
            told: Cell::default(),
        }
    }

    /// Returns whether there is work to do between messages.
    pub(super) fn is_busy(&self) -> bool {
        let learning = |taught: &Taught| taught.state == State::Learning;
        !self.held && (self.drawing.is_some() || self.taught.as_ref().is_some_and(learning))
    }

    /// Carries out a request.
    pub(super) async fn carry_out(&mut self, request: Request, values: Vec<u8>) -> Result<(), EngineError> {
        match request {
            Request::Open { gallery, key } => self.open(&gallery, key.as_deref()).await,
            Request::Begin(plan) => self.begin(plan, values).await,
            Request::GoOn => self.go_on().await,
            Request::Pause => self.pause().await,
            Request::Hold(held) => {
                self.held = held;
                if held {
                    // A browser may throw a hidden tab away.
                    self.keep(true).await;
                }
                Ok(())
            }
            Request::Stop => self.stop().await,
            Request::Save(card) => self.save(&card, &values).await,
            Request::Forget => {
                self.taught = None;
                match &mut self.keeper {
                    Some(keeper) => keeper.forget().await,
                    None => Ok(()),
                }
            }
            Request::Members => self.members().await,
            Request::Join => self.join(&values).await,
            Request::Gallery { title, readme } => self.gallery(&title, &readme).await,
        }
    }

    async fn open(&mut self, folder: &str, key: Option<&str>) -> Result<(), EngineError> {
        let pinned = key.map(str::parse::<PublicKey>).transpose();
        let pinned = pinned.map_err(|source| EngineError::Index { source })?;
        let (_pull, stop) = Stop::new();
        let found = Published::find(&Folder::new(folder)?, pinned, None, &self.store, &stop).await?;
        let open = match found {
            Found::Trusted(opened) => Open::new(*opened),
            Found::FirstUse(key, _) => {
                return Err(EngineError::FirstUse { fingerprint: key.fingerprint() });
            }
        };
        let keeper = Keeper::new(&open.index.learngene.sha256).await;
        let kept = keeper.read(&open.index.config).await;
        (self.open, self.join) = (Some(open), None);
        self.keeper = Some(keeper);
        match kept {
            Some((plan, examples, lesson)) => {
                let kept = Some(Kept { plan, step: lesson.step() });
                post_bytes(&Event::Open { kept }, examples.bytes());
            }
            None => post(&Event::Open { kept: None }),
        }
        // While the visitor gathers pictures: what the learngene makes of the seeds by itself.
        self.load().await?;
        self.tell_memory();
        self.draw(0)
    }

    /// Gets the learngene, if it is not here yet.
    async fn load(&mut self) -> Result<&Base, EngineError> {
        let open = self.open.as_ref().ok_or(EngineError::NoGallery)?;
        let base = match self.base.take() {
            Some(base) => base,
            None => {
                let (_pull, stop) = Stop::new();
                let file = &open.index.learngene;
                let arrived = open.fetch(file, File::Learngene, &self.store, &stop).await?;
                let read = open.index.read_learngene(&arrived.bytes).map_err(refused(file))?;
                arrived.announce(None, None);
                let config = &open.index.config;
                let model = engine::Model::new(config, &read.tensors)?;
                let flat = read.tensors.to_flat(&config.learngene_tensors()).map_err(refused(file))?;
                let shortcut_guidance = read.card.number("shortcut_guidance");
                Base { flat, model, name: read.manifest.model, shortcut_guidance }
            }
        };
        Ok(self.base.insert(base))
    }

    async fn begin(&mut self, plan: Plan, pictures: Vec<u8>) -> Result<(), EngineError> {
        check_name(&plan.name)?;
        let open = self.open.as_mut().ok_or(EngineError::NoGallery)?;
        let config = open.index.config.clone();
        let examples = Examples::new(&config, pictures)?;
        let (_pull, stop) = Stop::new();
        let from = match &plan.from {
            Some(id) => {
                let class = open.class(id, &self.store, &stop).await?;
                let arrived =
                    open.fetch(&class.file, File::Tailor(class.id.clone()), &self.store, &stop).await?;
                let tailor = open.index.read_pack(&class, &arrived.bytes).map_err(refused(&class.file))?;
                let fits = tailor.tensors.to_flat(&config.tailor_tensors());
                Some(fits.map_err(refused(&class.file))?)
            }
            None => None,
        };
        let lesson = Lesson::new(&config, settings(&plan), from)?;
        self.set_up(plan, examples, lesson).await
    }

    /// Begins, or goes on with, a lesson.
    async fn set_up(&mut self, plan: Plan, examples: Examples, lesson: Lesson) -> Result<(), EngineError> {
        let base = self.load().await?;
        let (flat, usual) = (base.flat.clone(), lesson.settings());
        let shortcut_guidance = base.shortcut_guidance.unwrap_or(usual.shortcut_guidance);
        let settings = Settings { shortcut_guidance, ..usual.clone() };
        let open = self.open.as_ref().ok_or(EngineError::NoGallery)?;
        let material = Rc::new(Material::new(&open.index.config, flat, examples, settings)?);
        if let Some(keeper) = &mut self.keeper {
            keeper.take().await?;
        }
        let team = Team::new(&material, plan.workers);
        // One that was kept may have ended already, and then only its samples are missing.
        let (step, over) = (lesson.step(), lesson.is_over());
        let state = if over { State::Over } else { State::Learning };
        let taught = Taught { plan, lesson, material, team, state };
        taught.announce();
        self.taught = Some(taught);
        self.keep(true).await;
        if over { self.draw(step) } else { Ok(()) }
    }

    async fn go_on(&mut self) -> Result<(), EngineError> {
        if let Some(taught) = &mut self.taught {
            if taught.state != State::Over {
                taught.state = State::Learning;
                taught.announce();
            }
            return Ok(());
        }
        let open = self.open.as_ref().ok_or(EngineError::NoGallery)?;
        let kept = match &self.keeper {
            Some(keeper) => keeper.read(&open.index.config).await,
            None => None,
        };
        let reason = "there is no lesson to go on with".to_owned();
        let (plan, examples, lesson) = kept.ok_or(EngineError::Teaching { reason })?;
        self.set_up(plan, examples, lesson).await
    }

    async fn pause(&mut self) -> Result<(), EngineError> {
        if let Some(taught) = self.taught.as_mut().filter(|taught| taught.state == State::Learning) {
            taught.state = State::Paused;
            self.keep(true).await;
            post(&Event::Paused);
        }
        Ok(())
    }

    async fn stop(&mut self) -> Result<(), EngineError> {
        let Some(taught) = self.taught.as_mut().filter(|taught| taught.state != State::Over) else {
            return Ok(());
        };
        taught.state = State::Over;
        let step = taught.lesson.step();
        self.keep(true).await;
        self.draw(step)
    }

    /// Makes a step of the lesson, and one of the samples that are being drawn.
    pub(super) async fn work(&mut self) -> Result<(), EngineError> {
        self.draw_on()?;
        let Some(taught) = self.taught.as_mut().filter(|taught| taught.state == State::Learning) else {
            return Ok(());
        };
        let begun = now();
        let loss = match taught.step().await {
            Ok(loss) => loss,
            Err(error) => {
                taught.state = State::Paused;
                post(&Event::Paused);
                return Err(error);
            }
        };
        let (step, of) = (taught.lesson.step(), taught.plan.steps);
        post(&Event::Step { step, of, loss, ms: now() - begun });
        let over = taught.lesson.is_over();
        if over {
            taught.state = State::Over;
        }
        if over || step.is_multiple_of(taught.plan.every.max(1)) {
            self.draw(step)?;
        }
        self.keep(over).await;
        Ok(())
    }

    /// Begins to draw samples as the class looks now; after no step, of the learngene alone. Samples
    /// that are being drawn come first.
    fn draw(&mut self, step: u32) -> Result<(), EngineError> {
        let (Some(open), Some(base)) = (&self.open, &mut self.base) else {
            return Err(EngineError::NoGallery);
        };
        if self.drawing.is_some() {
            self.waiting = true;
            return Ok(());
        }
        let config = &open.index.config;
        let mut gate = Gate::new();
        if let Some(taught) = self.taught.as_ref().filter(|_| step > 0) {
            let fits = |source| EngineError::Pack { file: base.name.clone(), source };
            let average = Tensors::from_flat(&config.tailor_tensors(), &taught.lesson.average());
            base.model.insert(OWN, average.map_err(fits)?)?;
            gate.push((OWN.to_owned(), 1.0));
        }
        let sampling = &open.index.sampling;
        let settings = SampleSettings {
            sampler: sampling.sampler.parse()?,
            steps: sampling.steps as usize,
            guidance: f64::from(sampling.guidance),
            guide: Guide::default(),
            items: SEEDS.map(|seed| Item { gate: gate.clone(), seed }).into(),
        };
        let course = Course::new(config, settings, |values| base.model.images(values))?;
        let gated = base.model.gate(&course.gates())?;
        self.drawing = Some((step, course, gated));
        Ok(())
    }

    /// Makes one step of the samples that are being drawn, and sends them when they are done.
    fn draw_on(&mut self) -> Result<(), EngineError> {
        let (Some((step, course, gated)), Some(base)) = (&mut self.drawing, &self.base) else {
            return Ok(());
        };
        while let Some(query) = course.query() {
            let predicted = base.model.predict(gated, &query.x, query.at);
            if course.answer(predicted, |values| base.model.images(values)) {
                break;
            }
        }
        if course.query().is_some() {
            return Ok(());
        }
        let (step, images) = (*step, course.images().values);
        self.drawing = None;
        if images.iter().any(|value| !value.is_finite()) {
            return Err(EngineError::NotFinite);
        }
        post_images(&Event::Samples { step }, &images);
        let Some(taught) = &self.taught else { return Ok(()) };
        let (now, over) = (taught.lesson.step(), taught.state == State::Over);
        if std::mem::take(&mut self.waiting) {
            return self.draw(now);
        }
        if over {
            post(&Event::Ended { step: now });
        }
        Ok(())
    }

    /// Tells the page how much memory the teacher and its helpers take, if that is new.
    fn tell_memory(&self) {
        let bytes = memory_bytes() + self.taught.as_ref().map_or(0, |taught| taught.team.memory());
        if self.told.replace(bytes) != bytes {
            post(&Event::Memory(bytes));
        }
    }

    /// Keeps the lesson on this device every few seconds, or at once if `now`.
    async fn keep(&mut self, now: bool) {
        self.tell_memory();
        let (Some(taught), Some(keeper)) = (&self.taught, &mut self.keeper) else { return };
        let at_once = now || taught.lesson.is_over();
        if let Some(kept) = keeper.keep(&taught.plan, &taught.material, &taught.lesson, at_once).await {
            post(&Event::Keeping(kept));
        }
    }

    /// Makes a pack of the lesson, and keeps it on this device.
    async fn save(&mut self, text: &CardText, preview: &[u8]) -> Result<(), EngineError> {
        check_name(text.name.trim())?;
        let reason = "there is no lesson to save".to_owned();
        let taught = self.taught.as_ref().ok_or(EngineError::Teaching { reason })?;
        let open = self.open.as_mut().ok_or(EngineError::NoGallery)?;
        let learngene = open.index.learngene.sha256;
        let id = free_id(open, &self.store, &text.name).await;
        let class = Class { id, name: text.name.trim().to_owned(), wordnet: None };
        let name = self.base.as_ref().map(|base| base.name.clone()).unwrap_or_default();
        let bytes = taught
            .pack(&class, text, preview, (learngene, &name))
            .map_err(|source| EngineError::Pack { file: format!("{}.tailor", class.id), source })?;
        let kept = own::keep(&learngene, &class.id, &bytes).await;
        // Who joins packs after this finds the new one among them.
        self.join = None;
        let entry = own::entry_of(&learngene, &class, &bytes);
        post_bytes(&Event::Pack { class: own::info(&entry), kept }, &bytes);
        if let (true, Some(keeper)) = (kept, &mut self.keeper) {
            keeper.forget().await?;
            // What is saved is no lesson any more: it would be kept, and offered, a second time.
            self.taught = None;
        }
        Ok(())
    }
}

impl Taught {
    fn announce(&self) {
        let (step, of) = (self.lesson.step(), self.plan.steps);
        post(&Event::Begun { step, of, workers: self.team.workers() as u32 });
    }

    async fn step(&mut self) -> Result<f64, EngineError> {
        let parts = self.team.gradients(&self.material, &self.lesson).await;
        let (loss, spent) = self.lesson.take(parts, self.material.examples().image_len())?;
        self.material.give_back(spent);
        Ok(loss)
    }

    fn pack(
        &self,
        class: &Class,
        text: &CardText,
        preview: &[u8],
        (learngene, name): (Digest, &str),
    ) -> tailor_packs::Result<Vec<u8>> {
        let config = self.material.config();
        let tensors = Tensors::from_flat(&config.tailor_tensors(), &self.lesson.average())?;
        let settings = self.lesson.settings();
        let training = [
            ("steps".to_owned(), u64::from(self.lesson.step()).into()),
            ("batch_size".to_owned(), u64::from(settings.batch).into()),
            ("learning_rate".to_owned(), settings.learning_rate.into()),
            ("ema".to_owned(), settings.average.into()),
            ("seed".to_owned(), settings.seed.into()),
            ("images".to_owned(), (self.material.examples().len() as u64).into()),
        ];
        let said = |text: &str| {
            if text.trim().is_empty() { "not stated".to_owned() } else { text.trim().to_owned() }
        };
        let card = Card {
            title: class.name.clone(),
            data: "pictures of a visitor's own, which stayed on their device".to_owned(),
            licence: said(&text.licence),
            authors: Some(text.author.trim().to_owned())
                .filter(|author| !author.is_empty())
                .into_iter()
                .collect(),
            tool: concat!("tailor ", env!("CARGO_PKG_VERSION"), " in a browser").to_owned(),
            training: training.into_iter().collect(),
            ..Card::default()
        };
        let contents = Contents {
            steps: u64::from(self.lesson.step()),
            preview: Some(preview).filter(|preview| !preview.is_empty()),
            ..Contents::new(name, config, &tensors, &card)
        };
        write_tailor(&contents, learngene, class)
    }
}

/// Refuses a name that no pack can have, before anything is taught under it.
fn check_name(name: &str) -> Result<(), EngineError> {
    if is_name(name) {
        return Ok(());
    }
    let reason = "its name is too long, or has signs that cannot be seen; type it anew".to_owned();
    Err(EngineError::Teaching { reason })
}

/// Makes an id for a class of this name that neither the gallery nor this device has.
async fn free_id(open: &mut Open, store: &Store, name: &str) -> String {
    let id = crate::teaching::id(name);
    let (_pull, stop) = Stop::new();
    let ids = (1..).map(|number| if number == 1 { id.clone() } else { format!("{id}-{number}") });
    for candidate in ids {
        // Without a network a large gallery's lists may not be here, and then nobody can know.
        if open.class(&candidate, store, &stop).await.is_err() {
            return candidate;
        }
    }
    id
}
