//! A whole class together: the packs of thirty pupils are opened, drawn in one batch, and saved as one
//! gallery. What the view knows of it, the messages that change it, and the effects that it asks for.

pub mod words;

#[cfg(feature = "teach")]
pub mod view;

use crate::link::{Link, View};
use crate::page::settings::MOST_IMAGES;
use crate::protocol::ClassInfo;
use crate::teaching::{Event, Joined, Member, Request, Why};
use std::sync::Arc;

/// The most bytes of a file that is read. The largest model's packs have a few million.
const LARGEST: u64 = 64 << 20;
/// The most files that are read in one go.
const MOST_FILES: usize = 500;
/// What the name of a pack ends with.
const ENDING: &str = ".tailor";

/// The classes of one's own, and what became of the files that were opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Classroom {
    /// The classes, in the order of the table.
    pub members: Arc<Vec<Member>>,
    /// What became of each file that was opened in this visit.
    pub opened: Arc<Vec<(String, Joined)>>,
    /// The files that are being read: all of them, and how many are done.
    pub reading: Option<(Arc<Vec<Chosen>>, usize)>,
    /// How many files beyond [`MOST_FILES`] were left out.
    pub left: usize,
    /// The gallery's name, as the visitor types it.
    pub title: String,
    /// Whether the gallery is being made.
    pub saving: bool,
    /// The gallery that was saved: name of the file, classes, bytes.
    pub saved: Option<(String, u32, u64)>,
    /// Whether the teacher has opened the gallery.
    ready: bool,
    /// Where the gallery of the page lies, for the note in the one that is saved.
    source: String,
}

/// A file that the visitor chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// An event that changes the state.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The visitor chose or dropped files.
    Choose(Vec<Chosen>),
    /// The file that [`Effect::Read`] asked for; `None` if the browser cannot read it.
    Read(Option<Vec<u8>>),
    /// The visitor types the gallery's name.
    Title(String),
    /// The visitor wants an image of each class.
    Draw,
    /// The visitor wants the gallery as a file, under this name if they gave it none.
    Save(String),
    /// The view is shown once more, and classes may have been deleted or taught elsewhere.
    Shown,
    /// The teacher says something.
    Heard(Event),
}

/// Something that the browser or the teacher is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Read the chosen file with this number; answered by [`Message::Read`].
    Read(usize),
    /// Send the teacher a request with bytes.
    Post(Request, Vec<u8>),
    /// Tell the page that it can draw these classes.
    Tell(Vec<ClassInfo>),
    /// Go to this part of the page's address after `#`.
    Follow(String),
}

impl Classroom {
    /// Begins without classes, in the gallery at this address.
    pub fn new(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }

    /// Applies a message, and returns the effects to carry out, in this order.
    pub fn update(&mut self, message: Message) -> Vec<Effect> {
        let mut effects = Vec::new();
        match message {
            Message::Choose(files) => self.choose(files, &mut effects),
            Message::Read(Some(bytes)) => effects.push(Effect::Post(Request::Join, bytes)),
            Message::Read(None) => {
                self.done(Joined::Refused { why: Why::Unreadable, detail: String::new() }, &mut effects);
            }
            Message::Title(title) => self.title = title,
            Message::Draw if !self.members.is_empty() => {
                effects.push(self.tell());
                effects.push(Effect::Follow(self.link()));
            }
            Message::Save(unnamed) if !self.saving && !self.members.is_empty() => {
                (self.saving, self.saved) = (true, None);
                let title = match self.title.trim() {
                    "" => unnamed,
                    title => title.to_owned(),
                };
                let readme = words::readme(&title, &self.source, &self.members);
                effects.push(Effect::Post(Request::Gallery { title, readme }, Vec::new()));
            }
            Message::Shown if self.ready && self.reading.is_none() => {
                effects.push(Effect::Post(Request::Members, Vec::new()));
            }
            Message::Draw | Message::Save(_) | Message::Shown => {}
            Message::Heard(event) => self.hear(event, &mut effects),
        }
        effects
    }

    /// Returns the link to one image of each class, all from one seed.
    pub fn link(&self) -> String {
        let classes = self.members.iter().take(MOST_IMAGES).map(|member| member.class.id.clone()).collect();
        Link { view: Some(View::Make), classes, ..Link::default() }.to_string()
    }

    fn choose(&mut self, files: Vec<Chosen>, effects: &mut Vec<Effect>) {
        // A folder holds what its system put there as well.
        let hidden = |file: &Chosen| file.name.starts_with('.');
        if self.reading.is_some() || files.iter().all(hidden) {
            return;
        }
        self.left = files.len().saturating_sub(MOST_FILES);
        (self.opened, self.saved) = (Arc::default(), None);
        self.reading = Some((Arc::new(files.into_iter().take(MOST_FILES).collect()), 0));
        if self.ready {
            self.read(effects);
        }
    }

    /// Has the next file read, and the one after it only then. One that cannot be a pack is not read.
    fn read(&mut self, effects: &mut Vec<Effect>) {
        while let Some((files, at)) = self.reading.clone() {
            let why = match files.get(at) {
                None => {
                    self.reading = None;
                    return;
                }
                Some(file) if file.name.starts_with('.') => None,
                Some(file) if !file.name.to_lowercase().ends_with(ENDING) => Some(Why::NoPack),
                Some(file) if file.bytes > LARGEST => Some(Why::TooLarge),
                Some(_) => return effects.push(Effect::Read(at)),
            };
            self.note(why.map(|why| Joined::Refused { why, detail: String::new() }));
        }
    }

    /// Notes what became of the file that is being read, unless there is nothing to say of it.
    fn note(&mut self, joined: Option<Joined>) {
        let Some((files, at)) = &mut self.reading else { return };
        let name = files.get(*at).map(|file| file.name.clone()).unwrap_or_default();
        *at += 1;
        Arc::make_mut(&mut self.opened).extend(joined.map(|joined| (name, joined)));
    }

    /// Takes what became of a file that was read, and goes on with the next one.
    fn done(&mut self, joined: Joined, effects: &mut Vec<Effect>) {
        if let Joined::New { member, .. } = &joined {
            Arc::make_mut(&mut self.members).push(member.clone());
            effects.push(Effect::Tell(vec![member.class.clone()]));
        }
        self.note(Some(joined));
        self.read(effects);
    }

    fn tell(&self) -> Effect {
        Effect::Tell(self.members.iter().map(|member| member.class.clone()).collect())
    }

    fn hear(&mut self, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Open { .. } => {
                self.ready = true;
                effects.push(Effect::Post(Request::Members, Vec::new()));
                self.read(effects);
            }
            Event::Members(members) => {
                self.members = Arc::new(members);
                if !self.members.is_empty() {
                    effects.push(self.tell());
                }
            }
            Event::Pack { kept: true, .. } => effects.push(Effect::Post(Request::Members, Vec::new())),
            Event::Joined(joined) => self.done(joined, effects),
            Event::Gallery { file, classes, bytes } => {
                (self.saving, self.saved) = (false, Some((file, classes, bytes)));
            }
            Event::Failed(_) => (self.saving, self.reading) = (false, None),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
