//! The view of the whole page.

use super::classes::Classes;
use super::controls::Controls;
use super::files::Files;
use super::picture::Picture;
use super::shell::Studio;
use super::state::{Message, State};
use super::teach::tab::Teach;
use super::{site, words};
use crate::traffic::network_bytes;
use leptos::prelude::*;

/// Shows the whole page.
#[component]
pub fn App() -> impl IntoView {
    let studio = Studio::start(site::read());
    studio.tell(Message::Code(network_bytes(window().performance())));
    window_event_listener(leptos::ev::hashchange, move |_| studio.tell(Message::Link(site::hash())));
    let word = studio.part(State::word);
    Effect::new(move || {
        if let Some(body) = document().body() {
            let _ = body.set_attribute("data-state", word.get());
        }
    });
    let title = |state: &State| state.gallery.as_ref().map_or_else(String::new, |g| g.title.clone());
    let teaching = RwSignal::new(false);
    let signed = studio.part(words::signed);
    let backend = studio.part(|state| state.active.name());
    view! {
        <header>
            <h1>"tailor"</h1>
            <p class="title">{studio.words(title)}</p>
            <p id="signed" title=move || signed.get().1>{move || signed.get().0}</p>
            <p id="backend" data-backend=move || backend.get()>{studio.words(words::backend)}</p>
        </header>
        <main>
            <div class="stage">
                <Picture studio/>
                <Controls studio/>
            </div>
            <div class="side">
                <p class="idea">
                    {studio.words(words::idea)}
                    " What a single class adds is its tailor: choose a class, and only that small pack is downloaded. \
                     Every image is made here, on your own machine."
                </p>
                <Classes studio/>
                <Files studio/>
            </div>
        </main>
        {move || match teaching.get() {
            true => view! { <Teach studio/> }.into_any(),
            false => view! {
                <button type="button" id="teach-open" on:click=move |_| teaching.set(true)>
                    "Teach it a class of your own"
                </button>
            }.into_any(),
        }}
    }
}
