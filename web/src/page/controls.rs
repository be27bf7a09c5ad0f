//! The view of the settings, and the buttons that make, stop and save images.

use super::language::Words;
use super::shell::Studio;
use super::state::{Field, Message, State};
use leptos::prelude::*;

/// Shows the form below the picture.
#[component]
pub(super) fn Controls(studio: Studio) -> impl IntoView {
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        studio.tell(Message::Generate);
    };
    let typed = move |field| {
        move |event: leptos::ev::Event| studio.tell(Message::Typed(field, event_target_value(&event)))
    };
    let dice = move |_| studio.tell(Message::Dice((js_sys::Math::random() * 1e6) as u64));
    let (seed, steps) = (studio.part(|state| state.settings.seed), studio.part(|state| state.settings.steps));
    let (count, guidance) =
        (studio.part(|state| state.settings.count), studio.part(|state| state.settings.guidance));
    let scale = studio.words(|state| state.words.decimal(state.settings.guidance, 1));
    let alone = studio.holds(|state| state.settings.learngene_only);
    let idle = studio.holds(|state| !state.is_busy());
    let nothing = studio.holds(|state| !state.can_generate());
    let sharing = studio.holds(|state| state.sharing);
    let unfinished = studio.holds(|state: &State| state.finished().is_none());
    view! {
        <form class="controls" on:submit=submit>
            <div class="field seed">
                <label for="seed">{studio.say(Words::seed)}</label>
                <input id="seed" type="number" min="0" step="1" inputmode="numeric"
                    prop:value=move || seed.get().to_string() on:input=typed(Field::Seed)/>
                <button type="button" id="dice" class="plain"
                    aria-label=studio.say(Words::random) title=studio.say(Words::random)
                    on:click=dice>"⚄"</button>
            </div>
            <div class="field count">
                <label for="count">{studio.say(Words::images)}</label>
                <select id="count" on:change=typed(Field::Count)>
                    {[1u32, 4, 9, 16].map(|n| view! {
                        <option value=n.to_string() selected=move || count.get() == n>{n.to_string()}</option>
                    })}
                </select>
            </div>
            <div class="field steps">
                <label for="steps">{studio.say(Words::steps)}</label>
                <input id="steps" type="number" min="1" max="1000" step="1" inputmode="numeric"
                    prop:value=move || steps.get().to_string() on:input=typed(Field::Steps)/>
            </div>
            <div class="field wide guidance">
                <label for="guidance">{studio.say(Words::guidance)}" " <output>{scale}</output></label>
                <input id="guidance" type="range" min="0" max="6" step="0.1"
                    prop:value=move || guidance.get().to_string() on:input=typed(Field::Guidance)/>
            </div>
            <label class="check alone" title=studio.say(Words::alone_why)>
                <input id="learngene-only" type="checkbox" prop:checked=move || alone.get()
                    on:change=move |e| studio.tell(Message::LearngeneOnly(event_target_checked(&e)))/>
                {studio.say(Words::alone)}
            </label>
            <div class="actions">
                <button id="generate" type="submit" disabled=move || nothing.get()>
                    {studio.say(Words::generate)}
                </button>
                <button id="cancel" type="button" class="plain" disabled=move || idle.get()
                    on:click=move |_| studio.tell(Message::Cancel)>{studio.say(Words::cancel)}</button>
                <button id="save" type="button" class="plain" disabled=move || unfinished.get()
                    on:click=move |_| studio.tell(Message::Save)>{studio.say(Words::save)}</button>
                <button id="share" type="button" class="plain" aria-expanded=move || sharing.get().to_string()
                    on:click=move |_| studio.tell(Message::Share)>{studio.say(Words::share)}</button>
            </div>
        </form>
    }
}
