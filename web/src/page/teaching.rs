//! The place of the view in which a visitor teaches a class.

use super::shell::Studio;
use super::teach::tab::Teach;
pub use super::teach::tab::take_packs;
use leptos::prelude::*;

/// The view. Without one, the page would have no tab for it.
pub const VIEW: Option<fn(Studio) -> AnyView> = Some(|studio| view! { <Teach studio/> }.into_any());
