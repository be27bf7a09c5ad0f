//! The messages between the page and the teacher, the program that teaches a class of one's own.
//!
//! A message is a JavaScript array `[text]` or `[text, values]`. The text is one [`Request`] or
//! [`Event`] as JSON. To the teacher, the values are a `Uint8Array` of pictures `[N, C, H, W]`, or of
//! a PNG; to the page they are a `Float32Array` of images `[B, C, H, W]` in `[-1, 1]`, or a
//! `Uint8Array`. Beside these events the teacher sends those of any engine while it gets the
//! learngene ([`crate::protocol::Event`]).

use crate::protocol::{ClassInfo, Failure};
use serde::{Deserialize, Serialize};

/// The seeds of the images that are shown while a class is taught.
pub const SEEDS: [u64; 4] = [1, 2, 3, 4];

/// A message from the page to the teacher. While a lesson goes on, each takes effect between two
/// steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Open the gallery whose folder is at this absolute URL, and look whether a lesson is kept for
    /// it. Answered by [`Event::Open`].
    Open {
        /// The folder that holds `index.json`.
        gallery: String,
        /// The publisher's key, if the page knows it.
        key: Option<String>,
    },
    /// Begin a lesson with the pictures that come with this message. Answered by [`Event::Begun`].
    Begin(Plan),
    /// Go on with the lesson that is paused or kept.
    GoOn,
    /// Stop after the present step, until [`Request::GoOn`].
    Pause,
    /// Let the lesson wait between two steps, or go on: the page is hidden, or shown again.
    Hold(bool),
    /// End the lesson where it is. Answered by [`Event::Ended`].
    Stop,
    /// Make a pack of the lesson that has ended, and keep it on this device. The values are its
    /// preview, a PNG, or there are none. Answered by [`Event::Pack`].
    Save(CardText),
    /// Delete the lesson that is kept.
    Forget,
    /// Tell which classes of one's own there are for this learngene. Answered by [`Event::Members`].
    Members,
    /// Make a class of one's own of the pack whose bytes are the values. Answered by
    /// [`Event::Joined`].
    Join,
    /// Make a gallery of all classes of one's own. Answered by [`Event::Gallery`].
    Gallery {
        /// The gallery's name for people.
        title: String,
        /// What the file beside its index tells people.
        readme: String,
    },
}

/// What to teach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The name of the class.
    pub name: String,
    /// The gallery's class to start from; `None` to start from nothing.
    pub from: Option<String>,
    /// Whether pictures may be mirrored.
    pub mirror: bool,
    /// Steps in all.
    pub steps: u32,
    /// Steps between two looks at the samples.
    pub every: u32,
    /// The most workers, this one included; 0 means as many as the device has cores for.
    pub workers: u32,
}

/// What a visitor says about a class of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardText {
    /// The name of the class.
    pub name: String,
    /// Who made it.
    pub author: String,
    /// Under which licence it may be used.
    pub licence: String,
}

/// A class of one's own, and who made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The class.
    pub class: ClassInfo,
    /// Its authors, as its card says; empty if it does not say.
    pub author: String,
}

/// What became of a pack that was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Joined {
    /// It is a class of one's own now.
    New {
        /// The class.
        member: Member,
        /// What the pack calls it, if that name was taken.
        was: Option<String>,
    },
    /// It is the class with this id already.
    Known(String),
    /// It is not used.
    Refused {
        /// Why not.
        why: Why,
        /// The same in the reader's own words, for who wants to know more.
        detail: String,
    },
}

/// Why a pack is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// The file is no pack of a class.
    NoPack,
    /// The file is larger than any pack.
    TooLarge,
    /// The browser could not read the file.
    Unreadable,
    /// The file is damaged, or cut short.
    Damaged,
    /// The pack fits another learngene.
    Learngene,
    /// A newer program wrote it.
    TooNew,
    /// The browser cannot keep it.
    NoRoom,
}

/// A message from the teacher to the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The teacher is running.
    Ready {
        /// Bytes of its own code that came over the network; 0 from a cache.
        bytes: u64,
    },
    /// The gallery is open. The values are the pictures of the lesson that is kept, as bytes.
    Open {
        /// What is kept of a lesson that was not finished, if anything is.
        kept: Option<Kept>,
    },
    /// The lesson has begun, or goes on.
    Begun {
        /// Steps made so far.
        step: u32,
        /// Steps in all.
        of: u32,
        /// Workers that take part.
        workers: u32,
    },
    /// A step is made.
    Step {
        /// Steps made so far.
        step: u32,
        /// Steps in all.
        of: u32,
        /// Mean squared error of its images.
        loss: f64,
        /// Milliseconds that the step took.
        ms: f64,
    },
    /// The values are images of the seeds [`SEEDS`], as the class looks after so many steps; after
    /// none they are the learngene's alone.
    Samples {
        /// Steps made so far.
        step: u32,
    },
    /// The lesson waits for [`Request::GoOn`].
    Paused,
    /// Whether the last attempt to keep the lesson on this device went well.
    Keeping(bool),
    /// The lesson has ended.
    Ended {
        /// Steps made.
        step: u32,
    },
    /// The pack is written; the values are its bytes.
    Pack {
        /// The class, as the page can order it.
        class: ClassInfo,
        /// Whether it is kept on this device.
        kept: bool,
    },
    /// All classes of one's own for this learngene.
    Members(Vec<Member>),
    /// What became of the last pack.
    Joined(Joined),
    /// A gallery is made. The values are a `Blob`, a ZIP archive of its files.
    Gallery {
        /// The archive's name.
        file: String,
        /// How many classes it has.
        classes: u32,
        /// How many bytes it has.
        bytes: u64,
    },
    /// The teacher and its helpers take so many bytes of memory.
    Memory(u64),
    /// Something went wrong. What was taught so far is not lost.
    Failed(Failure),
}

/// A lesson that was not finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What is taught.
    pub plan: Plan,
    /// Steps made so far.
    pub step: u32,
}

/// Makes the id of a class of this name: its Latin letters and digits in lower case, other characters
/// by their number.
pub fn id(name: &str) -> String {
    let mut id = String::new();
    for c in name.trim().chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9' | '_' | '-') => id.push(c),
            c if c.is_ascii() => id.push('-'),
            c => id.push_str(&format!("u{:04x}", u32::from(c))),
        }
        if id.len() > MOST_ID {
            break;
        }
    }
    id.truncate(MOST_ID);
    if id.is_empty() { "class".to_owned() } else { id }
}

/// The longest id that [`id`] makes: one of a pack has 64 characters, and a number may be added.
const MOST_ID: usize = 56;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_their_own_json() {
        let plan = Plan { name: "ξ".into(), from: None, mirror: true, steps: 300, every: 25, workers: 0 };
        let request = Request::Begin(plan.clone());
        let json = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&json).unwrap(), request);
        let event = Event::Open { kept: Some(Kept { plan, step: 7 }) };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }

    #[test]
    fn every_name_makes_an_id_that_a_pack_can_have() {
        for (name, expected) in [("Cat", "cat"), ("ξ", "u03be"), ("my cat!", "my-cat-"), (" ", "class")] {
            assert_eq!(id(name), expected);
        }
        let long = id(&"Я".repeat(100));
        assert!(long.len() <= 56 && long.bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}
