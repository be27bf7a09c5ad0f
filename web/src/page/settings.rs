//! What the page's address says, and the settings that the visitor can change.

use super::language::Language;
use super::program::{Simd, Wish};
use crate::link::{Show, View};
use crate::protocol::Turned;
use std::collections::BTreeMap;

/// The word that stands there on a first visit, if the gallery has its letters.
pub const FIRST_WORD: &str = "Hi";
/// The most images in one batch. More would only delay the first.
pub const MOST_IMAGES: usize = 64;

/// What the page's address and document say, and what its browser can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The gallery's folder, as an absolute URL.
    pub gallery: String,
    /// Whether the gallery comes from the page's own site.
    pub own: bool,
    /// The publisher's key, if the page knows it.
    pub key: Option<String>,
    /// The engine that the address asks for.
    pub wish: Wish,
    /// The WebAssembly vector instructions that the browser has.
    pub simd: Simd,
    /// The part of the address after `#`.
    pub hash: String,
    /// The view that is shown until the gallery is open.
    pub front: View,
    /// The language that the visitor wants.
    pub language: Language,
}

/// The settings that the visitor can change.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The view that is open.
    pub view: View,
    /// The typed word.
    pub word: String,
    /// How much of a class's tailor is used, 0 to 1, in the views with dials; 1 for other classes.
    pub dials: BTreeMap<String, f32>,
    /// The parts of the tailors that are turned down in "Take apart".
    pub parts: Turned,
    /// What "Take apart" shows.
    pub show: Show,
    /// Names of controls that the link hides.
    pub hide: Vec<String>,
    /// Ids of the chosen classes.
    pub classes: Vec<String>,
    /// Whether a click adds a class to the chosen ones.
    pub several: bool,
    /// The text that is searched for among the classes.
    pub search: String,
    /// The first image's seed.
    pub seed: u64,
    /// Images of each class, with seeds that count up.
    pub count: u32,
    /// Number of sampling steps.
    pub steps: u32,
    /// Guidance scale; 1 turns guidance off.
    pub guidance: f64,
    /// Whether the learngene works alone.
    pub learngene_only: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            view: View::Make,
            word: String::new(),
            dials: BTreeMap::new(),
            parts: Turned::default(),
            show: Show::Dial,
            hide: Vec::new(),
            classes: Vec::new(),
            several: false,
            search: String::new(),
            seed: 7,
            count: 1,
            steps: 20,
            guidance: 1.5,
            learngene_only: false,
        }
    }
}

impl Settings {
    /// Returns how much of the tailor of `class` is used.
    pub fn dial(&self, class: &str) -> f32 {
        self.dials.get(class).copied().unwrap_or(1.0)
    }

    /// Gives two classes that are mixed half of each tailor, unless their dials say otherwise.
    pub fn mix(&mut self) {
        let pair = self.classes.get(..2).filter(|_| self.view == View::Apart).unwrap_or_default();
        if !pair.iter().any(|class| self.dials.contains_key(class)) {
            self.dials.extend(pair.iter().map(|class| (class.clone(), 0.5)));
        }
    }

    /// Returns how many classes fit into one order.
    pub fn most_classes(&self) -> usize {
        MOST_IMAGES / self.count.max(1) as usize
    }
}
