//! The messages between page and engine.
//!
//! A message is a JavaScript array `[text]` or `[text, values]`. The text is one [`Request`] or
//! [`Event`] as JSON. The values are a `Float32Array` of images `[B, C, H, W]` in `[-1, 1]`, whose
//! buffer is transferred. The engine sends the first message, [`Event::Ready`]: a message posted to
//! a worker whose handler is not yet installed would be lost.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use crate::failure::{Code, Failure, Remedy};

/// A message from the page to an engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Open the gallery whose folder is at this absolute URL. Answered by [`Event::Index`].
    Start {
        /// The folder that holds `index.json`.
        gallery: String,
        /// The publisher's key, if the page knows it; then the engine accepts no other.
        key: Option<String>,
    },
    /// Trust the key of the gallery that asked for it, since the visitor does. Answered by
    /// [`Event::Index`].
    Trust,
    /// Forget everything that is remembered of the gallery at this absolute URL, such as its
    /// trusted key, and open it as on a first visit.
    Forget {
        /// The folder that holds `index.json`.
        gallery: String,
        /// The publisher's key, if the page knows it.
        key: Option<String>,
    },
    /// Send the names of all classes of a large gallery. Answered by [`Event::Names`].
    Names,
    /// Make images, after downloading what they need. Answered by [`Event::Done`].
    Sample(Order),
    /// Remove the class's tailor from the model and delete its pack. Answered by
    /// [`Event::Dropped`].
    Drop {
        /// The class's id.
        class: String,
    },
    /// Send how large the parts of a class's matrices are. Answered by [`Event::Parts`].
    Parts {
        /// The class's id.
        class: String,
    },
    /// Stop the order with this number: at once while it waits, between two steps while it runs.
    Cancel {
        /// The order's number.
        id: u32,
    },
    /// Let orders wait between two steps, or go on: the page is hidden, or shown again.
    Hold(bool),
}

/// Images to make in one batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The number by which events name this order. Each order has a higher one than the last.
    pub id: u32,
    /// The images, in batch order.
    pub images: Vec<Wanted>,
    /// Number of sampling steps.
    pub steps: u32,
    /// Scale of classifier-free guidance; 1 turns it off.
    pub guidance: f64,
    /// Whether to send [`Event::Preview`] after steps, at most as often as a screen can show one.
    pub previews: bool,
    /// The most workers that may take part on the processor; 0 means as many as the device has
    /// cores for.
    #[serde(default)]
    pub workers: u32,
    /// Whether previews come after every step, each with what the network saw in front of
    /// it: the noisy images of the step, then the clean ones that it estimated, `[2 B, C, H, W]`.
    #[serde(default)]
    pub trace: bool,
    /// The parts of the tailors that are turned down; the others are used whole.
    #[serde(default, skip_serializing_if = "Turned::is_nothing")]
    pub parts: Turned,
}

/// Parts of the tailors that are turned down, each with the share of it that is used, 0 to 1. A part
/// is a layer, by its number from 1, such as `2`; a kind of matrix, such as `qkv`; or `label`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Turned(pub BTreeMap<String, f32>);

impl Turned {
    /// The part that tells the network its class.
    pub const LABEL: &'static str = "label";

    /// Tells whether nothing is turned down.
    pub fn is_nothing(&self) -> bool {
        self.0.values().all(|share| *share == 1.0)
    }

    /// Returns how much is used of a part.
    pub fn of(&self, part: &str) -> f32 {
        self.0.get(part).copied().unwrap_or(1.0)
    }

    /// Returns how much is used of what the tailor adds to a matrix of a layer, counted from 0: the
    /// share of the layer times that of the kind of matrix.
    pub fn share(&self, layer: u32, matrix: &str) -> f32 {
        self.of(&(layer + 1).to_string()) * self.of(matrix)
    }
}

/// One image to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// The class's id; `None` is the learngene alone.
    pub class: Option<String>,
    /// The seed. The image depends on seed, gate and settings alone.
    pub seed: u64,
    /// Classes and how much of each one's tailor is used, 0 to 1. An empty list stands for
    /// [`Wanted::class`] at 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gate: Vec<(String, f32)>,
}

impl Wanted {
    /// Asks for an image of `class` with its full tailor, or of the learngene alone.
    pub fn new(class: Option<String>, seed: u64) -> Self {
        Self { class, seed, gate: Vec::new() }
    }

    /// Returns the classes that the image shows, and the weight of each.
    pub fn weights(&self) -> Vec<(String, f32)> {
        match &self.class {
            Some(class) if self.gate.is_empty() => vec![(class.clone(), 1.0)],
            _ => self.gate.clone(),
        }
    }
}

/// A message from an engine to the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The engine is running.
    Ready {
        /// The device that it computes on.
        backend: Backend,
        /// Bytes of its own code that came over the network; 0 from a cache.
        bytes: u64,
    },
    /// The gallery is open.
    Index(Gallery),
    /// The gallery was published anew while it was open. This is its new state.
    Renewed(Gallery),
    /// A class of a large gallery that was not in [`Event::Index`] was looked up.
    Class(ClassInfo),
    /// Id and name of every class of a large gallery, or why they did not come.
    Names(Result<Names, Failure>),
    /// The engine waits, and goes on by itself.
    Waiting(Wait),
    /// A file is being downloaded.
    Fetching {
        /// The file.
        file: File,
        /// Bytes received so far.
        received: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A file is verified and part of the model.
    Loaded {
        /// The file.
        file: File,
        /// Bytes that came over the network; 0 when the file was on this device.
        network: u64,
        /// Whether the file is kept on this device for the next visit.
        kept: bool,
        /// The picture in the file, as the bytes of a PNG; empty if it has none.
        #[serde(default)]
        preview: Vec<u8>,
        /// What the file says of itself.
        #[serde(default, skip_serializing_if = "Card::is_empty")]
        card: Card,
    },
    /// A class's tailor was removed, and its pack deleted.
    Dropped {
        /// The class's id.
        class: String,
    },
    /// A step is done. The values are the clean images as estimated at this step.
    Preview {
        /// The order's number.
        id: u32,
        /// Steps done.
        step: u32,
        /// Steps in all.
        of: u32,
    },
    /// An order is done; the values are its images.
    Done {
        /// The order's number.
        id: u32,
        /// Milliseconds from the first step to the finished images, without downloads.
        ms: f64,
        /// Milliseconds of computing for each step.
        ms_per_step: f64,
        /// What came before the first step.
        #[serde(default)]
        before: Before,
    },
    /// How large the parts of a class's matrices are, or why that is not known.
    Parts(Result<Parts, Failure>),
    /// An order was stopped.
    Cancelled {
        /// The order's number.
        id: u32,
    },
    /// Something went wrong.
    Failed {
        /// The number of the order that failed; `None` when the gallery or the engine failed.
        id: Option<u32>,
        /// What went wrong, and what to do about it.
        failure: Failure,
    },
    /// The engine's programs take more memory than before.
    Memory {
        /// Bytes of the WebAssembly memory of the engine and its helpers. What lies on a GPU is not
        /// part of it.
        bytes: u64,
        /// How many workers that is.
        workers: u32,
    },
    /// The engine has ended and answers no more.
    Lost {
        /// What happened, and what to do about it.
        failure: Failure,
    },
}

/// What a learngene or a pack says of itself, each with its name: `authors`, `licence`, `data`, `tool`, and what was
/// measured. Nothing for a file that is neither.
pub type Card = Vec<(String, String)>;

/// How long an order took before its first step, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// Waiting for files, from the network or from this device. Each part of a file is checked as
    /// it comes.
    pub download: f64,
    /// Checking whole files, and reading their tensors.
    pub verify: f64,
    /// Making a model of them.
    pub prepare: f64,
}

/// How large the parts of a class's matrices are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// The class's id.
    pub class: String,
    /// The factored matrices, layer by layer.
    pub cells: Vec<Cell>,
}

/// A factored matrix `U_L Σ_L V_L + w U_T Σ_T V_T`, the learngene's part and the tailor's (KIND §3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The layer, from 0.
    pub layer: u32,
    /// The matrix's name, such as `qkv`.
    pub matrix: String,
    /// The Frobenius norm of `U_L Σ_L V_L`.
    pub learngene: f32,
    /// The Frobenius norm of `U_T Σ_T V_T`.
    pub tailor: f32,
}

/// What an engine waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wait {
    /// A server did not answer as it should, and is asked again.
    Server {
        /// How many seconds until then.
        seconds: u32,
    },
    /// Another tab is using the file.
    Tab,
}

/// Id and name of each class.
pub type Names = Vec<(String, String)>;

/// The device that an engine computes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// WASM on the processor.
    Cpu,
    /// WebGPU.
    Gpu,
}

impl Backend {
    /// Returns the name that URLs and `data-backend` use.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Cpu => "cpu",
            Backend::Gpu => "gpu",
        }
    }
}

/// A file of the gallery.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum File {
    /// The part that every class shares.
    Learngene,
    /// The pack of this class.
    Tailor(String),
    /// Part of a large gallery's list of classes.
    List,
}

/// What the page needs to know of `index.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gallery {
    /// The gallery's title, for people.
    pub title: String,
    /// Fingerprint of the trusted key that signed the gallery; `None` for an unsigned one.
    pub signed: Option<String>,
    /// Whether this device could store whom it trusts.
    pub remembered: bool,
    /// The learngene's size in bytes.
    pub learngene: u64,
    /// Whether the learngene is on this device.
    pub learngene_stored: bool,
    /// Bytes of `index.json` itself.
    pub index: u64,
    /// The classes; of a large gallery, only those to show first.
    pub classes: Vec<ClassInfo>,
    /// Whether there are more classes, which can be searched by name.
    pub more: bool,
    /// Image channels, 1 (grey) or 3 (RGB).
    pub channels: u32,
    /// Image height and width in pixels.
    pub side: u32,
    /// Default number of steps.
    pub steps: u32,
    /// Default guidance.
    pub guidance: f64,
    /// Layers of the network.
    #[serde(default)]
    pub layers: u32,
    /// The kinds of matrix in each layer to which a tailor adds something, such as `qkv`.
    #[serde(default)]
    pub matrices: Vec<String>,
}

impl Gallery {
    /// Finds a class by its id, else by its name. The gallery's own classes come before those that were
    /// taught on this device, so that a link means the same everywhere.
    pub fn find(&self, wanted: &str) -> Option<&ClassInfo> {
        let of = |own| self.classes.iter().filter(move |class| class.own == own);
        let in_all = |own| {
            let by_id = of(own).find(|class| class.id == wanted);
            by_id.or_else(|| of(own).find(|class| class.name == wanted))
        };
        in_all(false).or_else(|| in_all(true))
    }

    /// Finds a class by its name, in the same order.
    pub fn named(&self, name: &str) -> Option<&ClassInfo> {
        let of = |own| self.classes.iter().find(|class| class.own == own && class.name == name);
        of(false).or_else(|| of(true))
    }
}

/// A class of the gallery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassInfo {
    /// Stable id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Exact size of its pack in bytes.
    pub bytes: u64,
    /// Whether the pack is on this device.
    pub stored: bool,
    /// Whether the class was taught on this device, and is not part of the gallery.
    #[serde(default)]
    pub own: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_their_own_json() {
        let image = Wanted::new(Some("uppercase-a".into()), u64::MAX);
        let order = Order {
            id: 3,
            images: vec![image],
            steps: 20,
            guidance: 1.5,
            previews: true,
            workers: 0,
            trace: false,
            parts: Turned([("2".to_owned(), 0.5)].into()),
        };
        let request = Request::Sample(order);
        let json = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&json).unwrap(), request);
        let card = vec![("licence".to_owned(), "CC0-1.0".to_owned())];
        let event = Event::Loaded {
            file: File::Tailor("a".into()),
            network: 143_211,
            kept: false,
            preview: vec![1],
            card,
        };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }

    #[test]
    fn an_image_without_a_gate_is_its_class_alone_as_older_pages_ask_for_it() {
        let old: Wanted = serde_json::from_str(r#"{"class":"a","seed":7}"#).unwrap();
        assert_eq!((old.weights(), old.seed), (vec![("a".to_owned(), 1.0)], 7));
        assert!(Wanted::new(None, 7).weights().is_empty(), "the learngene alone");
        let half = Wanted { gate: vec![("a".into(), 0.5), ("b".into(), 0.25)], ..old };
        let json = serde_json::to_string(&half).unwrap();
        assert_eq!(serde_json::from_str::<Wanted>(&json).unwrap().weights(), half.gate);
    }

    #[test]
    fn a_code_is_sent_as_its_name_and_no_two_have_the_same() {
        for code in Code::KNOWN {
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("{:?}", code.name()));
            assert_eq!(serde_json::from_str::<Code>(&json).unwrap(), *code);
        }
        let names: std::collections::BTreeSet<&str> = Code::KNOWN.iter().map(Code::name).collect();
        assert_eq!(names.len(), Code::KNOWN.len());
    }

    #[test]
    fn a_code_of_a_newer_engine_is_kept_as_it_is() {
        let json = r#"{"code":"out-of-luck","sentence":"No luck.","detail":"","remedy":"Retry"}"#;
        let failure: Failure = serde_json::from_str(json).unwrap();
        assert_eq!(failure.code, Code::Other("out-of-luck".into()));
        assert_eq!(serde_json::to_string(&failure).unwrap(), json);
    }
}
