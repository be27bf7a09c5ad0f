//! The view of the last images, to go back to.

use super::language::Words;
use super::shell::Studio;
use super::state::{Message, Shown, State};
use super::words;
use leptos::html::Canvas;
use leptos::prelude::*;
use std::sync::Arc;

/// Shows the last images, the newest first.
#[component]
pub(super) fn History(studio: Studio) -> impl IntoView {
    let shown = studio.part(|state: &State| {
        let title = |shown: &Arc<Shown>| (words::title(state, shown), shown.clone());
        state.history.iter().map(title).collect::<Vec<_>>()
    });
    view! {
        <section class="history" aria-labelledby="history-heading">
            <div class="heading">
                <h3 id="history-heading">{studio.say(Words::history)}</h3>
                <Open studio/>
            </div>
            <ul>
                {move || shown.get().into_iter().enumerate().map(|(number, (title, shown))| view! {
                    <li>
                        <button type="button" class="plain" aria-label=title.clone() title=title
                            on:click=move |_| studio.tell(Message::Recall(number))>
                            <Small shown/>
                        </button>
                    </li>
                }).collect_view()}
            </ul>
        </section>
    }
}

/// Shows images small.
#[component]
fn Small(shown: Arc<Shown>) -> impl IntoView {
    let canvas: NodeRef<Canvas> = NodeRef::new();
    Effect::new(move || {
        if let Some(canvas) = canvas.get() {
            // If the canvas cannot be drawn on, the button still has its words.
            let _ = shown.grid.draw(&canvas, true);
        }
    });
    view! { <canvas node_ref=canvas aria-hidden="true"></canvas> }
}

/// Shows the field that opens a saved picture.
#[component]
fn Open(studio: Studio) -> impl IntoView {
    let chosen = move |event: leptos::ev::Event| {
        let field: web_sys::HtmlInputElement = event_target(&event);
        let file = field.files().and_then(|files| files.get(0));
        field.set_value("");
        leptos::task::spawn_local(async move {
            if let Some(bytes) = super::canvas::bytes_of(file).await {
                studio.tell(Message::File(bytes));
            }
        });
    };
    view! {
        <label class="open">
            {studio.say(Words::open)}
            <input id="open" class="unseen" type="file" accept="image/png" on:change=chosen/>
        </label>
    }
}
