//! The view of the images, their progress, and what went wrong.

use super::language::Words;
use super::shell::Studio;
use super::state::{Message, State};
use super::words;
use crate::protocol::{Failure, Remedy};
use leptos::html::Canvas;
use leptos::prelude::*;

/// Shows the images on a canvas, with progress, status and failure below them.
#[component]
pub(super) fn Picture(studio: Studio) -> impl IntoView {
    let canvas: NodeRef<Canvas> = NodeRef::new();
    let shown = studio.part(|state| state.shown.clone());
    Effect::new(move || {
        if let (Some(shown), Some(canvas)) = (shown.get(), canvas.get()) {
            // If the canvas cannot be drawn on, the words below it are still there.
            let _ = shown.grid.draw(&canvas, true);
        }
    });
    let empty = studio.holds(|state| state.shown.is_none());
    let finished = studio.part(|state| state.shown.as_ref().map(|shown| shown.finished.to_string()));
    let progress = studio.part(State::progress);
    let failure = studio.part(|state| state.failure().cloned());
    view! {
        <figure class="picture" class:waiting=move || empty.get()>
            // Real steps of real samples, until the visitor's own image is there.
            {move || empty.get().then(|| view! {
                <div class="film" aria-hidden="true"><i></i><i></i><i></i><i></i><i></i><i></i></div>
            })}
            <canvas
                class="result"
                node_ref=canvas
                width="32"
                height="32"
                role="img"
                aria-label=studio.words(words::picture)
                data-finished=move || finished.get()
            ></canvas>
        </figure>
        // A progress element without a value shows that something goes on.
        <progress
            aria-label=studio.say(Words::progress)
            max="1"
            prop:value=move || progress.get().unwrap_or(0.0)
            class:unknown=move || progress.get().is_none()
        ></progress>
        <div class="status">
            <p id="status" role="status" aria-live="polite">{studio.words(words::status)}</p>
            <p class="step" aria-hidden="true">{studio.words(words::step)}</p>
        </div>
        {move || failure.get().map(|failure| view! { <Failed studio failure/> })}
    }
}

/// Shows what went wrong, and the one thing to do about it.
#[component]
fn Failed(studio: Studio, failure: Failure) -> impl IntoView {
    let of_trust = words::is_of_trust(&failure.code);
    view! {
        <div
            id="error"
            role="alert"
            class:question=failure.remedy == Remedy::Trust
            data-code=failure.code.to_string()
        >
            <p>{failure.sentence}</p>
            {(!failure.detail.is_empty()).then(|| view! {
                <details><summary>{studio.say(|words| words.shared_details())}</summary>{failure.detail}</details>
            })}
            <button id="remedy" on:click=move |_| studio.tell(Message::Remedy)>
                {studio.say_of(move |words| words::remedy(words, failure.remedy))}
            </button>
            // Not a button beside the other, so that a visitor who clicks through a warning does
            // not get here.
            {of_trust.then(|| view! {
                <details>
                    <summary>{studio.say(Words::vouched)}</summary>
                    <p>{studio.say(Words::forgetting)}</p>
                    <button id="forget" class="plain" on:click=move |_| studio.tell(Message::Forget)>
                        {studio.say(Words::forget)}
                    </button>
                </details>
            })}
        </div>
    }
}
