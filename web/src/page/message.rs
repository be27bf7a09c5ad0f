//! The messages that change the page's state, and the effects that it asks for.

use super::language::Language;
use super::program::{Absence, Program};
use super::shown::Shown;
use crate::link::{Show, View};
use crate::protocol::{Backend, Event, Request};
use std::collections::BTreeMap;
use std::sync::Arc;

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

/// Why the GPU is not used.
#[derive(Clone, Debug, PartialEq)]
pub enum NoGpu {
    /// The browser has no WebGPU.
    NoWebGpu,
    /// The browser has WebGPU, and no adapter for it.
    NoAdapter,
    /// The processor emulates the only adapter, which has this name.
    Emulated(String),
    /// Its numbers differ from the processor's by up to this much.
    Differs(f32),
    /// The processor's engine broke down during the trial.
    Beside,
    /// Its engine failed the trial, for this reason.
    Trial(String),
    /// Its engine ended, for this reason.
    Ended(String),
}

/// How much room the browser has for this site.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Room {
    /// Bytes that this site takes, and may take; `None` where the browser does not tell.
    pub bytes: Option<(f64, f64)>,
    /// The day on which each class of the gallery was used last, as people write it.
    pub used: BTreeMap<String, String>,
    /// Bytes of the WebAssembly memory of the page's program.
    pub page: u64,
    /// Bytes of that of the teacher, its helpers and its view.
    pub teacher: u64,
    /// Bytes of the page's scripts; `None` where the browser does not tell.
    pub scripts: Option<u64>,
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
    /// The visitor opens a view.
    Open(View),
    /// The visitor types a word.
    Word(String),
    /// The visitor has typed nothing more since the word with this number.
    Rested(u32),
    /// The visitor turns the dial of a class, or has let go of it.
    Dial {
        /// The class's id.
        class: String,
        /// How much of its tailor is used, 0 to 1.
        weight: f32,
        /// Whether the visitor has let go.
        done: bool,
    },
    /// The visitor turns the dial of a part of the tailors, or has let go of it.
    Part {
        /// The part, as in [`Turned`](crate::protocol::Turned).
        part: String,
        /// How much of it is used, 0 to 1.
        share: f32,
        /// Whether the visitor has let go.
        done: bool,
    },
    /// The visitor turns all parts of the tailors up again.
    Whole,
    /// The visitor chooses the first (0) or second class to take apart; an empty id is none.
    Pair(usize, String),
    /// The visitor chooses what "Take apart" shows.
    Show(Show),
    /// The visitor goes to a step of the film.
    Seek(usize),
    /// The visitor starts or stops the film.
    Play,
    /// It is time for the next frame of the playing with this number.
    Tick(u32),
    /// The visitor asks how large the parts of the first class are.
    Parts,
    /// The visitor goes back to an image of the history.
    Recall(usize),
    /// The visitor opens or closes the panel for sharing.
    Share,
    /// The visitor copies the link.
    Copy,
    /// Whether the link was copied.
    Copied(bool),
    /// The visitor opens a file, whose content is this.
    File(Vec<u8>),
    /// The visitor chooses a language.
    SetLanguage(Language),
    /// The file with the words of a language came, or did not.
    Words(Language, Option<String>),
    /// The visitor has read the notice.
    Noticed,
    /// The time of the first image, in milliseconds since the visit began.
    Clock(f64),
    /// How much room the browser has, and when each class was used.
    Room(Room),
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
    /// The page is hidden, or shown again.
    Hidden(bool),
    /// The visitor follows or types a link. This is its part after `#`.
    Link(String),
    /// The page's own code took so many bytes from the network.
    Code(u64),
    /// The browser answers whether it keeps what is stored.
    Persistent(Option<bool>),
    /// The browser tells its adapter, or why there is none.
    Adapter(Result<Adapter, NoGpu>),
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
    /// Tell this message after so many milliseconds.
    Later(u32, Message),
    /// Tell the time; answered by [`Message::Clock`].
    Clock,
    /// Fetch the words of this language; answered by [`Message::Words`].
    FetchWords(Language),
    /// Remember that the visitor chose this language.
    KeepLanguage(Language),
    /// Remember that these classes are used now.
    Used(Vec<String>),
    /// Ask for the room in the browser's storage; answered by [`Message::Room`].
    AskRoom,
    /// Copy the link to the clipboard; answered by [`Message::Copied`].
    Copy,
    /// Go to another gallery of this page: its address, and what follows the `#`.
    Go(String, String),
    /// Load the page again.
    Reload,
    /// Save the images as a PNG with this name, and this text inside.
    Save(Arc<Shown>, String, String),
}
