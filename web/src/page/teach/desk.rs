//! What the view knows, the messages that change it, and the effects that it asks for.

use super::Place;
use super::classroom::{self, Classroom};
use super::picture::{Invert, Picture, nearest};
use crate::page::grid::Grid;
use crate::page::language::TeachWords;
use crate::protocol::{ClassInfo, Code, Failure};
use crate::teaching::{CardText, Event, Kept, Plan, Request};
use std::sync::Arc;

/// The fewest pictures to begin with.
pub const FEWEST: usize = 2;
/// Pictures from which on a class is learned well.
pub const ENOUGH: usize = 8;
/// The most pictures.
pub const MOST: usize = 200;
/// Steps between two looks at the samples.
const EVERY: u32 = 25;
/// Steps that the loss is averaged over for the line.
const SMOOTH: usize = 10;

/// The view's state.
#[derive(Clone, Debug, PartialEq)]
pub struct Desk {
    /// The words that the view speaks.
    pub words: TeachWords,
    /// The gallery.
    pub place: Place,
    /// The class's name.
    pub name: String,
    /// The pictures, each with a number of its own.
    pub pictures: Arc<Vec<(u32, Picture)>>,
    /// Whether pictures are inverted.
    pub invert: Invert,
    /// Whether pictures may be mirrored.
    pub mirror: bool,
    /// Steps of the lesson.
    pub steps: u32,
    /// The class to start from.
    pub from: Option<String>,
    /// What the visitor should know, and can do nothing about but read.
    pub notice: Option<String>,
    /// What went wrong.
    pub failure: Option<Failure>,
    /// What is going on.
    pub phase: Phase,
    /// A lesson that is kept on this device.
    pub kept: Option<Kept>,
    /// Steps made, and steps in all.
    pub step: (u32, u32),
    /// Workers that take part.
    pub workers: u32,
    /// Milliseconds of a step, averaged.
    pub ms: f64,
    /// The mean squared error of each step so far.
    pub losses: Arc<Vec<f64>>,
    /// The learngene's images of the four seeds.
    pub alone: Option<Arc<Vec<f32>>>,
    /// The class's images of the same seeds after so many steps.
    pub samples: Option<(u32, Arc<Vec<f32>>)>,
    /// For each sample the nearest picture's number in `taught`, and how far it is.
    pub nearest: Vec<(usize, f32)>,
    /// The pictures of the lesson under way, as they are taught.
    pub taught: Arc<Vec<Vec<u8>>>,
    /// Whether the lesson is being kept on this device.
    pub keeping: bool,
    /// What the visitor says about the class.
    pub card: CardText,
    /// The pack.
    pub pack: Option<Pack>,
    /// Whether a camera is on.
    pub camera: bool,
    /// Whether the page is hidden, so that the lesson waits.
    pub hidden: bool,
    /// Whether the teacher broke down in this lesson, and was started again.
    restarted: bool,
    /// The packs of a whole class.
    pub classroom: Classroom,
    next: u32,
    /// The last number among the pictures that came with the kept lesson.
    recalled: u32,
}

/// A pack that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    /// Its class.
    pub class: ClassInfo,
    /// Whether it is kept on this device.
    pub kept: bool,
    /// Its bytes.
    pub bytes: Arc<Vec<u8>>,
}

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The teacher is being loaded.
    Loading,
    /// The visitor gathers pictures.
    Gathering,
    /// The teacher gets ready.
    Starting,
    /// The class is being taught.
    Learning,
    /// The lesson waits.
    Paused,
    /// The lesson is being ended; the last samples are on their way.
    Ending,
    /// The lesson has ended.
    Ended,
    /// The pack is being written.
    Saving,
    /// The pack is written.
    Saved,
}

/// An event that changes the state.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The words of another language came.
    Words(TeachWords),
    /// The visitor types the class's name.
    Name(String),
    /// A picture came, from canvas, file or camera.
    Add(Picture),
    /// The visitor removes the picture with this number.
    Remove(u32),
    /// The visitor decides about inverting.
    Invert(Invert),
    /// The visitor decides about mirroring.
    Mirror(bool),
    /// The visitor types the number of steps.
    Steps(String),
    /// The visitor chooses a class to start from; an empty id is none.
    From(String),
    /// A file or the camera did not give a picture, for this reason.
    Refused(String),
    /// The camera was switched on or off.
    Camera(bool),
    /// The page is hidden, or shown again.
    Hidden(bool),
    /// The visitor begins the lesson.
    Begin,
    /// The visitor goes on with the lesson that is paused or kept.
    GoOn,
    /// The visitor pauses the lesson.
    Pause,
    /// The visitor ends the lesson.
    Stop,
    /// The visitor throws the kept lesson away.
    Forget,
    /// The visitor says something about the class.
    Card(CardText),
    /// The visitor saves the class; the bytes are the preview.
    Save(Vec<u8>),
    /// The visitor wants the pack as a file.
    Download,
    /// The visitor wants another class.
    Another,
    /// The visitor has read the failure, and tries again.
    Again,
    /// The browser shows the page again as it was left, but for the teacher.
    Back,
    /// Something about the packs of a whole class.
    Classroom(classroom::Message),
    /// The teacher says something.
    Heard(Event, Values),
    /// The teacher cannot be loaded.
    NoTeacher(Failure),
    /// The teacher broke down.
    BrokeDown(Failure),
}

/// The values that come with an event of the teacher.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// Images.
    pub images: Vec<f32>,
    /// Bytes.
    pub bytes: Vec<u8>,
}

/// Something that the browser or the teacher is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start the teacher, and end another one.
    Spawn,
    /// Send the teacher a request with bytes.
    Post(Request, Vec<u8>),
    /// Save bytes as a file with this name.
    Download(Arc<Vec<u8>>, String),
    /// Tell the page that it can draw this class.
    Tell(ClassInfo),
    /// Do something for the packs of a whole class.
    Classroom(classroom::Effect),
}

impl Desk {
    /// Returns the first state.
    pub fn new(place: Place) -> Self {
        Self {
            words: TeachWords::english(),
            name: String::new(),
            pictures: Arc::default(),
            invert: Invert::Auto,
            mirror: place.mirror,
            steps: 300,
            from: None,
            notice: None,
            failure: None,
            phase: Phase::Loading,
            kept: None,
            step: (0, 0),
            workers: 1,
            ms: 0.0,
            losses: Arc::default(),
            alone: None,
            samples: None,
            nearest: Vec::new(),
            taught: Arc::default(),
            keeping: true,
            card: CardText::default(),
            pack: None,
            camera: false,
            hidden: false,
            restarted: false,
            classroom: Classroom::new(&place.gallery),
            next: 0,
            recalled: 0,
            place,
        }
    }

    /// Returns the pictures as they are taught.
    pub fn planes(&self) -> Vec<Vec<u8>> {
        let Place { channels, dark, .. } = self.place;
        self.pictures.iter().map(|(_, picture)| picture.planes(channels, dark, self.invert)).collect()
    }

    /// Returns why the lesson cannot begin, if it cannot.
    pub fn cannot_begin(&self) -> Option<String> {
        let planes = self.planes();
        let equal = planes.windows(2).all(|two| two[0] == two[1]);
        match self.pictures.len() {
            _ if self.phase == Phase::Loading => Some(self.words.teach_loading()),
            _ if self.name.trim().is_empty() => Some(self.words.teach_nameless()),
            // There is room for one lesson, and the new one would take the other's.
            _ if let Some(kept) = &self.kept => Some(self.words.teach_kept_first(&kept.plan.name)),
            0 => Some(self.words.teach_no_pictures()),
            1 => Some(self.words.teach_one_picture()),
            _ if equal => Some(self.words.teach_all_equal()),
            _ => None,
        }
    }

    /// Tells whether a lesson is there, under way or over.
    pub fn has_lesson(&self) -> bool {
        !matches!(self.phase, Phase::Loading | Phase::Gathering)
    }

    /// Returns the seconds that the lesson will take, if that is known.
    pub fn seconds_left(&self) -> Option<f64> {
        let left = self.step.1.saturating_sub(self.step.0);
        (self.ms > 0.0 && self.phase == Phase::Learning).then(|| f64::from(left) * self.ms / 1000.0)
    }

    /// Returns the loss, averaged over some steps, for the line.
    pub fn smooth(&self) -> Vec<f64> {
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
        (1..=self.losses.len()).map(|end| mean(&self.losses[end.saturating_sub(SMOOTH)..end])).collect()
    }

    /// Applies a message, and returns the effects to carry out, in this order.
    pub fn update(&mut self, message: Message) -> Vec<Effect> {
        let mut effects = Vec::new();
        match message {
            Message::Words(words) => self.words = words,
            Message::Name(name) => self.name = name,
            Message::Add(picture) => self.add(picture),
            Message::Remove(number) => {
                let left = self.pictures.iter().filter(|(n, _)| *n != number);
                self.pictures = Arc::new(left.cloned().collect());
                self.notice = None;
            }
            Message::Invert(invert) => self.invert = invert,
            Message::Mirror(mirror) => self.mirror = mirror,
            Message::Steps(text) => {
                self.steps = text.parse().ok().filter(|n| (1..=10_000).contains(n)).unwrap_or(self.steps);
            }
            Message::From(id) => self.from = Some(id).filter(|id| !id.is_empty()),
            Message::Refused(why) => self.notice = Some(why),
            Message::Camera(on) => self.camera = on,
            Message::Hidden(hidden) => self.hide(hidden, &mut effects),
            Message::Begin => self.begin(&mut effects),
            Message::GoOn => self.go_on(&mut effects),
            Message::Pause => effects.push(Effect::Post(Request::Pause, Vec::new())),
            Message::Stop => {
                self.phase = Phase::Ending;
                effects.push(Effect::Post(Request::Stop, Vec::new()));
            }
            Message::Forget => {
                self.kept = None;
                let own = self.pictures.iter().filter(|(number, _)| *number > self.recalled);
                self.pictures = Arc::new(own.cloned().collect());
                effects.push(Effect::Post(Request::Forget, Vec::new()));
            }
            Message::Card(card) => self.card = card,
            // A second press of the button comes too late.
            Message::Save(_) if self.phase != Phase::Ended => {}
            Message::Save(preview) => {
                self.phase = Phase::Saving;
                let name = match self.card.name.trim() {
                    "" => self.name.trim().to_owned(),
                    name => name.to_owned(),
                };
                effects.push(Effect::Post(Request::Save(CardText { name, ..self.card.clone() }), preview));
            }
            Message::Download => {
                if let Some(Pack { class, bytes, .. }) = &self.pack {
                    effects.push(Effect::Download(bytes.clone(), format!("{}.tailor", class.id)));
                }
            }
            Message::Another => {
                let (next, alone, words, hidden) =
                    (self.next, self.alone.take(), self.words.clone(), self.hidden);
                let classroom = std::mem::take(&mut self.classroom);
                let saved = self.pack.as_ref().is_some_and(|pack| pack.kept);
                let fresh = Self::new(self.place.clone());
                *self = Self { phase: Phase::Gathering, next, alone, words, hidden, classroom, ..fresh };
                if !saved {
                    effects.push(Effect::Post(Request::Forget, Vec::new()));
                }
            }
            Message::Again => self.again(&mut effects),
            Message::Back => self.come_back(&mut effects),
            Message::NoTeacher(failure) => self.fail(failure),
            Message::BrokeDown(failure) => self.broke_down(failure, &mut effects),
            Message::Classroom(message) => self.together(message, &mut effects),
            Message::Heard(event, values) => {
                self.hear(event.clone(), values, &mut effects);
                self.together(classroom::Message::Heard(event), &mut effects);
            }
        }
        effects
    }

    /// Leaves a message to the packs of a whole class.
    fn together(&mut self, message: classroom::Message, effects: &mut Vec<Effect>) {
        effects.extend(self.classroom.update(message).into_iter().map(Effect::Classroom));
    }

    fn add(&mut self, picture: Picture) {
        if self.pictures.len() >= MOST {
            self.notice = Some(self.words.teach_too_many(&MOST));
            return;
        }
        self.notice = None;
        self.next += 1;
        let mut all = self.pictures.to_vec();
        all.push((self.next, picture));
        self.pictures = Arc::new(all);
    }

    fn begin(&mut self, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Gathering || self.cannot_begin().is_some() {
            return;
        }
        let plan = Plan {
            name: self.name.trim().to_owned(),
            from: self.from.clone(),
            mirror: self.mirror,
            steps: self.steps,
            every: EVERY.min(self.steps.div_ceil(4)),
            workers: 0,
        };
        self.start(self.planes());
        self.kept = None;
        effects.push(Effect::Post(Request::Begin(plan), self.taught.concat()));
    }

    fn start(&mut self, taught: Vec<Vec<u8>>) {
        self.phase = Phase::Starting;
        self.restarted = false;
        self.taught = Arc::new(taught);
        (self.losses, self.ms) = (Arc::default(), 0.0);
        (self.samples, self.pack) = (None, None);
        self.nearest.clear();
        self.notice = None;
    }

    fn go_on(&mut self, effects: &mut Vec<Effect>) {
        if let Some(kept) = self.kept.take() {
            self.name.clone_from(&kept.plan.name);
            (self.mirror, self.steps, self.from) = (kept.plan.mirror, kept.plan.steps, kept.plan.from);
            // The pictures were kept as they were taught.
            self.invert = Invert::Never;
            self.start(self.planes());
        } else {
            self.phase = Phase::Starting;
        }
        effects.push(Effect::Post(Request::GoOn, Vec::new()));
    }

    fn hear(&mut self, event: Event, values: Values, effects: &mut Vec<Effect>) {
        match event {
            Event::Ready { .. } => {
                if self.hidden {
                    effects.push(Effect::Post(Request::Hold(true), Vec::new()));
                }
                let Place { gallery, key, .. } = &self.place;
                let request = Request::Open { gallery: gallery.clone(), key: key.clone() };
                effects.push(Effect::Post(request, Vec::new()));
            }
            Event::Open { kept } if self.recover(kept.as_ref(), effects) => {}
            Event::Open { kept } => {
                if self.phase != Phase::Saved {
                    self.phase = Phase::Gathering;
                }
                let image = (self.place.channels * self.place.side * self.place.side) as usize;
                if self.pictures.is_empty() {
                    let planes = values.bytes.chunks_exact(image.max(1));
                    planes.for_each(|planes| self.add(Picture::from_planes(planes, self.place.side)));
                    self.recalled = self.next;
                }
                self.kept = kept;
            }
            Event::Begun { step, of, workers } => {
                self.phase = Phase::Learning;
                self.failure = None;
                self.step = (step, of);
                // A lesson that goes on from what is kept has lost its last steps.
                Arc::make_mut(&mut self.losses).truncate(step as usize);
                self.workers = workers;
            }
            Event::Step { step, of, loss, ms } => {
                self.step = (step, of);
                self.ms = if self.ms == 0.0 { ms } else { 0.9 * self.ms + 0.1 * ms };
                let mut losses = self.losses.to_vec();
                losses.push(loss);
                self.losses = Arc::new(losses);
            }
            Event::Samples { step: 0 } => {
                let Place { channels, side, dark, .. } = &mut self.place;
                let grid = Grid {
                    values: values.images,
                    channels: *channels,
                    side: *side,
                    columns: 1,
                    places: Vec::new(),
                };
                // The page may not have shown any of the gallery's pictures yet.
                *dark = dark.or(grid.is_dark());
                self.alone = Some(Arc::new(grid.values));
            }
            Event::Samples { step } => {
                self.nearest = nearest(&self.taught, &values.images);
                self.samples = Some((step, Arc::new(values.images)));
            }
            Event::Paused => self.phase = Phase::Paused,
            Event::Keeping(well) => self.keeping = well,
            Event::Ended { .. } => {
                self.phase = Phase::Ended;
                if self.card.name.is_empty() {
                    self.card.name = self.name.trim().to_owned();
                }
            }
            Event::Pack { class, kept } => {
                self.phase = Phase::Saved;
                if kept {
                    effects.push(Effect::Tell(class.clone()));
                }
                self.pack = Some(Pack { class, kept, bytes: Arc::new(values.bytes) });
            }
            Event::Failed(failure) if failure.code == Code::Panic => {
                let failure = self.words.translate(failure);
                self.broke_down(failure, effects);
            }
            Event::Failed(failure) => self.fail(self.words.translate(failure)),
            Event::Memory(_) | Event::Members(_) | Event::Joined(_) | Event::Gallery { .. } => {}
        }
    }
}

mod trouble;

#[cfg(test)]
mod tests;
