//! Who made a file, of what data, and under which licence, as the file itself says.

use super::language::Words;
use super::shell::Studio;
use super::words;
use crate::protocol::{Card, File};
use leptos::prelude::*;
use std::sync::Arc;

/// Shows who made the model, of what data, and under which licence.
#[component]
pub(super) fn Origin(studio: Studio) -> impl IntoView {
    let card = studio.part(|state| state.cards.get(&File::Learngene).cloned());
    let signed = studio.part(words::signed);
    view! {
        <details id="origin" hidden=move || card.with(Option::is_none)>
            <summary>{studio.say(Words::card_heading)}</summary>
            {move || card.get().map(|card| said(studio, card))}
            <p>{move || signed.get().1}</p>
        </details>
    }
}

/// Shows what a file says of itself.
pub(super) fn said(studio: Studio, card: Arc<Card>) -> impl IntoView {
    let lines = studio.part(move |state| words::card(&state.words, &card));
    let line = |(heading, what): (String, String)| view! { <dt>{heading}</dt> <dd>{what}</dd> };
    view! { <dl class="said">{move || lines.get().into_iter().map(line).collect_view()}</dl> }
}
