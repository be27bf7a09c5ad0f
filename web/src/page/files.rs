//! The view of the files on this device and of what was downloaded.

use super::card::said;
use super::language::Words;
use super::phrases;
use super::shell::Studio;
use super::state::{Message, State};
use super::words::{self, Row};
use leptos::prelude::*;

/// Shows every file that is on this device or being downloaded.
#[component]
pub(super) fn Files(studio: Studio) -> impl IntoView {
    let bytes = studio.part(|state: &State| (state.gallery_bytes, state.code_bytes));
    let total = move || bytes.get().0 + bytes.get().1;
    let parts = studio.words(|state| {
        let megabytes = |bytes| state.words.megabytes(bytes);
        state.words.downloaded_parts(&megabytes(state.code_bytes), &megabytes(state.gallery_bytes))
    });
    let so_far = studio.words(|state| {
        state.words.downloaded(&state.words.megabytes(state.gallery_bytes + state.code_bytes))
    });
    let rows = studio.part(words::rows);
    let persistent = studio.part(|state| state.persistent);
    let kept = move || persistent.get().filter(|_| rows.with(|rows| !rows.is_empty()));
    view! {
        <section class="files" aria-labelledby="files-heading">
            <div class="heading">
                <h3 id="files-heading">{studio.say(Words::files)}</h3>
                <p id="bytes" data-gallery-bytes=move || bytes.get().0.to_string()
                    data-bytes=move || total().to_string()>
                    {so_far}
                    <span class="hint">" " {parts}</span>
                </p>
            </div>
            <table>
                <caption class="unseen">{studio.say(Words::files_here)}</caption>
                <tbody>{move || rows.get().into_iter().map(|row| line(studio, row)).collect_view()}</tbody>
            </table>
            <p class="hint">{studio.words(phrases::total)} " " {studio.words(phrases::room)}</p>
            <p id="memory" class="hint">{studio.words(phrases::memory)}</p>
            {move || kept().map(|persistent| match persistent {
                true => view! { <p class="hint">{studio.say(Words::kept)}</p> }.into_any(),
                false => view! {
                    <p class="hint">
                        {studio.say(Words::may_go)} " "
                        <button type="button" id="persist" class="plain small"
                            on:click=move |_| studio.tell(Message::Persist)>
                            {studio.say(Words::keep)}
                        </button>
                    </p>
                }.into_any(),
            })}
        </section>
    }
}

/// Shows a file, and the button that removes it.
fn line(studio: Studio, row: Row) -> impl IntoView {
    let Row { name, bytes, removable, place, card } = row;
    let class = removable.clone();
    let used = studio.words_of(move |state| phrases::used(state, class.as_deref()));
    let remove = removable.map(|id| {
        let file = name.clone();
        let label = studio.say_of(move |words| words.remove_file(&file));
        view! {
            <button type="button" class="plain remove" aria-label=label title=studio.say(Words::remove)
                on:click=move |_| studio.tell(Message::Remove(id.clone()))>"×"</button>
        }
    });
    let open = RwSignal::new(false);
    let heading = match card {
        None => name.into_any(),
        Some(_) => view! {
            <button type="button" class="disclosing" aria-expanded=move || open.get().to_string()
                on:click=move |_| open.update(|open| *open = !*open)>{name}</button>
        }
        .into_any(),
    };
    // In a row of its own, so that the table stays as narrow as a phone.
    let below = move || {
        let card = card.clone().filter(|_| open.get());
        card.map(|card| view! { <tr class="below"><td colspan="5">{said(studio, card)}</td></tr> })
    };
    view! {
        <tr>
            <th scope="row">{heading}</th>
            <td class="number">{studio.say_of(move |words| words.kilobytes(bytes))}</td>
            <td>{studio.say_of(move |words| words::place(words, place))}</td>
            <td>{used}</td>
            <td>{remove}</td>
        </tr>
        {below}
    }
}
