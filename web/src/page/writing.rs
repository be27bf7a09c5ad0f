//! The view in which a visitor types a word.

use super::language::Words;
use super::phrases;
use super::shell::Studio;
use super::state::{Message, State};
use super::words;
use crate::link::View;
use leptos::prelude::*;

/// Shows the field for the word, and which of its signs have no pack.
#[component]
pub(super) fn Word(studio: Studio) -> impl IntoView {
    let word = studio.words(|state| state.settings.word.clone());
    let missing = studio.part(phrases::missing);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        studio.tell(Message::Generate);
    };
    // The link alone would begin a visit of its own, without the word.
    let open_teach = move |event: leptos::ev::MouseEvent| {
        event.prevent_default();
        studio.tell(Message::Open(View::Teach));
    };
    view! {
        <form class="typing" on:submit=submit>
            <label for="word">{studio.say(Words::word)}</label>
            <input id="word" type="text" maxlength="200" autocomplete="off" autocapitalize="off"
                spellcheck="false" aria-describedby="word-hint" prop:value=move || word.get()
                on:input=move |event| studio.tell(Message::Word(event_target_value(&event)))/>
            <p id="word-hint" class="hint">{studio.say(Words::word_hint)}</p>
            <p id="missing" role="status">
                {move || missing.get().map(|words| view! {
                    {words} " "
                    <a href="#view=teach" on:click=open_teach>{studio.say(Words::word_teach)}</a>
                })}
            </p>
        </form>
    }
}

/// Shows what the letters share, and a dial for each.
#[component]
pub(super) fn Letters(studio: Studio) -> impl IntoView {
    let letters = studio.part(phrases::letters);
    view! {
        <section class="letters" aria-labelledby="letters-heading">
            <p class="idea">{studio.words(phrases::shared)}</p>
            <h3 id="letters-heading">{studio.say(Words::dials)}</h3>
            <Dials studio classes=letters/>
        </section>
    }
}

/// Shows a dial for each of these classes, given by id and name.
#[component]
pub(super) fn Dials(studio: Studio, classes: Memo<Vec<(String, String)>>) -> impl IntoView {
    view! {
        <div class="dials">
            <For each=move || classes.get() key=|class| class.clone() let:class>
                <Dial studio class/>
            </For>
        </div>
    }
}

#[component]
fn Dial(studio: Studio, class: (String, String)) -> impl IntoView {
    let (id, name) = class;
    let of = id.clone();
    let weight = studio.part(move |state: &State| state.settings.dial(&of));
    let field = format!("dial-{id}");
    dial(studio, field, name, weight, move |weight, done| Message::Dial { class: id.clone(), weight, done })
}

/// Shows a dial from 0 to 1 as the field with this id, and tells where it is turned.
pub(super) fn dial(
    studio: Studio,
    field: String,
    name: impl IntoView + 'static,
    share: Memo<f32>,
    turned: impl Fn(f32, bool) -> Message + Clone + 'static,
) -> impl IntoView {
    let turn = move |done| {
        let turned = turned.clone();
        move |event: leptos::ev::Event| {
            studio.tell(turned(event_target_value(&event).parse().unwrap_or(1.0), done));
        }
    };
    view! {
        <div class="dial">
            <label for=field.clone()>
                <b>{name}</b> " "
                <output>{move || format!("{} %", words::hundredths(share.get()))}</output>
            </label>
            <input id=field type="range" min="0" max="1" step="0.01" title=studio.say(Words::dial)
                prop:value=move || share.get().to_string() on:input=turn(false) on:change=turn(true)/>
        </div>
    }
}
