//! The view of the whole page.

use super::apart::Apart;
use super::card::Origin;
use super::classes::Classes;
use super::controls::Controls;
use super::files::Files;
use super::history::History;
use super::language::{Language, Words};
use super::picture::Picture;
use super::sharing::Sharing;
use super::shell::Studio;
use super::state::{Message, State};
use super::teach::tab::{Teach, take_packs};
use super::writing::{Letters, Word};
use super::{canvas, locale, phrases, site, words};
use crate::link::View;
use crate::traffic::network_bytes;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// Shows the whole page.
#[component]
pub fn App() -> impl IntoView {
    let studio = Studio::start(site::read());
    studio.tell(Message::Code(network_bytes(window().performance())));
    window_event_listener(leptos::ev::hashchange, move |_| studio.tell(Message::Link(site::hash())));
    let hidden = move || studio.tell(Message::Hidden(document().hidden()));
    window_event_listener(leptos::ev::visibilitychange, move |_| hidden());
    if document().hidden() {
        hidden();
    }
    window_event_listener(leptos::ev::dragover, |event| event.prevent_default());
    window_event_listener(leptos::ev::drop, move |event| {
        event.prevent_default();
        let files = event.data_transfer().and_then(|data| data.files());
        if files.as_ref().is_some_and(take_packs) {
            return studio.tell(Message::Open(View::Teach));
        }
        let file = files.and_then(|files| files.get(0));
        spawn_local(async move {
            if let Some(bytes) = canvas::bytes_of(file).await {
                studio.tell(Message::File(bytes));
            }
        });
    });
    let word = studio.part(State::word);
    let view = studio.part(|state| state.settings.view);
    let hidden = studio.words(|state| state.settings.hide.join(" "));
    Effect::new(move || {
        if let Some(body) = document().body() {
            // What stylesheet and tests go by.
            let _ = body.set_attribute("data-state", word.get());
            let _ = body.set_attribute("data-view", view.get().name());
            let _ = body.set_attribute("data-hide", &hidden.get());
            let _ = body.toggle_attribute_with_force("data-embed", site::is_embedded());
        }
    });
    // Said once the words are there, so that nothing changes twice.
    let spoken = studio.part(|state| Some(state.language).filter(|wanted| *wanted == state.words.language()));
    Effect::new(move || {
        if let Some(language) = spoken.get() {
            locale::tell(language);
        }
    });
    let needs = studio.part(phrases::needs);
    Effect::new(move || {
        if let (Some(body), Some(needs)) = (document().body(), needs.get()) {
            // What the start script has kept for visits without a network.
            let _ = body.set_attribute("data-needs", &needs);
        }
    });
    let title = |state: &State| state.gallery.as_ref().map_or_else(String::new, |g| g.title.clone());
    let untitled = studio.part(move |state| title(state).is_empty());
    let signed = studio.part(words::signed);
    let backend = studio.part(|state| state.active.name());
    let side = move || match view.get() {
        View::Make => view! {
            <p class="idea">{studio.words(words::idea)} " " {studio.say(Words::idea)}</p>
            <Classes studio/>
            <History studio/>
        }
        .into_any(),
        View::Word => view! { <Letters studio/> <History studio/> }.into_any(),
        View::Apart => view! { <Apart studio/> }.into_any(),
        View::Teach => view! { <Teach studio/> }.into_any(),
        View::Device => view! { <Files studio/> }.into_any(),
    };
    view! {
        <main>
        <div class="bar">
            <h2 class="title">
                {studio.words(title)}
                // Until it has a title of its own, for those who hear the page.
                <span class="unseen" hidden=move || !untitled.get()>{studio.say(Words::gallery)}</span>
            </h2>
            <p id="signed" title=move || signed.get().1>{move || signed.get().0}</p>
            <Tabs studio/>
        </div>
        <Notice studio/>
        <div class="views">
            <div class="stage">
                {move || (view.get() == View::Word).then(|| view! { <Word studio/> })}
                <Picture studio/>
                <Controls studio/>
                <Sharing studio/>
            </div>
            <div class="side">{side}</div>
        </div>
        </main>
        <footer>
            <p id="backend" data-backend=move || backend.get()>{studio.words(words::backend)}</p>
            <p id="first">{studio.words(phrases::first)}</p>
            <Origin studio/>
            <Languages studio/>
        </footer>
    }
}

/// Shows a tab for each view of the gallery.
#[component]
fn Tabs(studio: Studio) -> impl IntoView {
    let tabs = studio.part(words::tabs);
    let open = studio.part(|state| state.settings.view);
    let tab = move |view: View| {
        let click = move |event: leptos::ev::MouseEvent| {
            // A key held asks for a tab of the browser.
            if !(event.ctrl_key() || event.meta_key() || event.shift_key()) {
                event.prevent_default();
                studio.tell(Message::Open(view));
            }
        };
        view! {
            <a id=format!("tab-{}", view.name()) href=format!("#view={}", view.name())
                aria-current=move || (open.get() == view).then_some("page") on:click=click>
                {studio.say_of(move |words| words::tab(words, view))}
            </a>
        }
    };
    view! {
        <nav class="tabs" aria-label=studio.say(Words::views)>
            {move || tabs.get().into_iter().map(tab).collect_view()}
        </nav>
    }
}

/// Shows the choice of the page's language.
#[component]
fn Languages(studio: Studio) -> impl IntoView {
    let wanted = studio.part(|state| state.language);
    let choose = move |event: leptos::ev::Event| {
        if let Some(language) = Language::find(&event_target_value(&event)) {
            studio.tell(Message::SetLanguage(language));
        }
    };
    let option = move |(language, name): (Language, &'static str)| {
        view! {
            <option value=language.code() lang=language.code() prop:selected=move || wanted.get() == language>
                {name}
            </option>
        }
    };
    view! {
        <p class="language">
            <label for="language">{studio.say(Words::language_label)}</label> " "
            <select id="language" on:change=choose>{Language::all().map(option).collect_view()}</select>
        </p>
    }
}

/// Shows something that the visitor should know, and that stops nothing.
#[component]
fn Notice(studio: Studio) -> impl IntoView {
    let notice = studio.part(|state| state.notice.clone());
    view! {
        <div role="status">
            {move || notice.get().map(|words| view! {
                <p id="notice">
                    {words} " "
                    <button type="button" class="plain small" on:click=move |_| studio.tell(Message::Noticed)>
                        {studio.say(Words::close)}
                    </button>
                </p>
            })}
        </div>
    }
}
