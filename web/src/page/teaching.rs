//! The place of the view in which a visitor teaches a class.

use super::shell::Studio;
use leptos::prelude::AnyView;

/// The view. While there is none, the page has no tab for it.
pub const VIEW: Option<fn(Studio) -> AnyView> = None;
