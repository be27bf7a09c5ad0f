//! The view of the gallery's classes, which a visitor can choose and search.

use super::canvas::picture_url;
use super::language::Words;
use super::numbers::percent;
use super::phrases;
use super::shell::Studio;
use super::state::{Message, NameList, Place};
use super::words;
use crate::protocol::{ClassInfo, File};
use leptos::prelude::*;

/// Shows every class that is known as a tile.
#[component]
pub(super) fn Classes(studio: Studio) -> impl IntoView {
    let several = studio.holds(|state| state.settings.several);
    let many = studio.holds(phrases::searchable);
    let search = studio.words(|state| state.settings.search.clone());
    let without_names = studio.part(|state| match &state.names {
        NameList::Failed(why) => Some(why.clone()),
        NameList::Unasked | NameList::Coming | NameList::Here(_) => None,
    });
    let tiles = studio.part(|state| state.tiles.clone());
    let enter = move || studio.tell(Message::Search(None));
    view! {
        <section class="classes" aria-labelledby="classes-heading">
            <div class="heading">
                <h3 id="classes-heading">{studio.say(Words::classes)}</h3>
                <p class="hint">{studio.words(words::hint)}</p>
                <label class="check">
                    <input id="several" type="checkbox" prop:checked=move || several.get()
                        on:change=move |e| studio.tell(Message::Several(event_target_checked(&e)))/>
                    {studio.say(Words::several)}
                </label>
            </div>
            {move || many.get().then(|| view! {
                <input id="search" type="search"
                    placeholder=studio.say(Words::search) aria-label=studio.say(Words::search)
                    prop:value=move || search.get()
                    on:focus=move |_| enter()
                    on:input=move |e| studio.tell(Message::Search(Some(event_target_value(&e))))/>
            })}
            {move || without_names.get().map(|why| view! {
                <p class="hint">
                    {studio.say(Words::not_all)} " " {why} " "
                    <button type="button" class="plain small" on:click=move |_| enter()>
                        {studio.say(|words| words.shared_try_again())}
                    </button>
                </p>
            })}
            <ul class="tiles">
                <For each=move || tiles.get().to_vec() key=|class| (class.id.clone(), class.bytes) let:class>
                    <Tile studio class/>
                </For>
            </ul>
        </section>
    }
}

#[component]
fn Tile(studio: Studio, class: ClassInfo) -> impl IntoView {
    let ClassInfo { id, name, bytes, .. } = class;
    let said = studio.part(|state| state.words.clone());
    let file = File::Tailor(id.clone());
    let place = studio.part(move |state| state.files.get(&file).copied());
    let chosen = id.clone();
    let is_chosen = studio.part(move |state| state.settings.classes.contains(&chosen));
    let clicked = id.clone();
    let click = move |event: leptos::ev::MouseEvent| {
        let add = event.shift_key() || event.ctrl_key() || event.meta_key();
        studio.tell(Message::Choose { class: clicked.clone(), add });
    };
    let state = move || match place.get() {
        None => "remote",
        Some(Place::Arriving(..)) => "arriving",
        Some(Place::Stored) => "stored",
        Some(Place::Loaded(_)) => "loaded",
    };
    let filled = move || match place.get() {
        Some(Place::Arriving(got, all)) => format!("{}%", percent(got, all)),
        _ => "0%".to_owned(),
    };
    let owner = id.clone();
    let picture = studio.part(move |state| state.pictures.get(&owner).cloned());
    let long = name.chars().count() > 2;
    view! {
        <li>
            <button
                type="button"
                class="class"
                class:long=long
                data-class=id
                data-bytes=bytes.to_string()
                data-place=state
                aria-pressed=move || is_chosen.get().to_string()
                style:--filled=filled
                on:click=click
            >
                {move || picture.get().and_then(|png| picture_url(&png)).map(|url| view! {
                    <img class="thumb" src=url alt="" width="32" height="32"/>
                })}
                <span class="name">{name}</span>
                {(bytes > 0).then(|| view! {
                    " " <span class="size">{studio.say_of(move |words| words.kilobytes(bytes))}</span>
                })}
                <span class="unseen">{move || said.with(|said| words::here(said, place.get()))}</span>
            </button>
        </li>
    }
}
