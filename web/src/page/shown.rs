//! The images that the page shows, and the steps that made them.

use super::grid::Grid;
use crate::protocol::Order;
use std::sync::Arc;

/// Images, and the order that they belong to.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The images.
    pub grid: Grid,
    /// The order that made them.
    pub order: Order,
    /// Whether they are finished.
    pub finished: bool,
    /// The word that they spell, if they were typed.
    pub word: Option<String>,
    /// The link to them.
    pub hash: String,
}

/// What the network saw in a step, and what it made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The noisy images in front of the network, then the clean ones that it estimated,
    /// `[2 B, C, H, W]`.
    pub grid: Grid,
    /// The step, from 1.
    pub step: u32,
}

/// The steps of a run, to go back and forth in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Film {
    /// The steps that were made so far.
    pub frames: Vec<Arc<Frame>>,
    /// The frame that is shown.
    pub at: usize,
    /// The number of the present playing, if the film plays.
    pub playing: Option<u32>,
}
