//! The view of the files on this device and of what was downloaded.

use super::labels;
use super::numbers::{kilobytes, megabytes};
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
    let parts = move || {
        let (gallery, code) = bytes.get();
        format!(" (gallery {}, page and engine {})", megabytes(gallery), megabytes(code))
    };
    let rows = studio.part(words::rows);
    let persistent = studio.part(|state| state.persistent);
    let kept = move || persistent.get().filter(|_| rows.with(|rows| !rows.is_empty()));
    view! {
        <section class="files" aria-labelledby="files-heading">
            <div class="heading">
                <h3 id="files-heading">{labels::FILES}</h3>
                <p id="bytes" data-gallery-bytes=move || bytes.get().0.to_string()
                    data-bytes=move || total().to_string()>
                    {move || format!("Downloaded so far: {}", megabytes(total()))}
                    <span class="hint">{parts}</span>
                </p>
            </div>
            <table>
                <caption class="unseen">{labels::FILES_HERE}</caption>
                <tbody>{move || rows.get().into_iter().map(|row| line(studio, row)).collect_view()}</tbody>
            </table>
            <p class="hint">{studio.words(phrases::total)} " " {studio.words(phrases::room)}</p>
            {move || kept().map(|persistent| match persistent {
                true => view! { <p class="hint">{labels::KEPT}</p> }.into_any(),
                false => view! {
                    <p class="hint">
                        {labels::MAY_GO}
                        <button type="button" id="persist" class="plain small"
                            on:click=move |_| studio.tell(Message::Persist)>
                            {labels::KEEP}
                        </button>
                    </p>
                }.into_any(),
            })}
        </section>
    }
}

/// Shows a file, and the button that removes it.
fn line(studio: Studio, row: Row) -> impl IntoView {
    let Row { name, bytes, removable, place } = row;
    let class = removable.clone();
    let used = studio.words_of(move |state| phrases::used(state, class.as_deref()));
    let remove = removable.map(|id| {
        let label = format!("Remove {name} from this device");
        view! {
            <button type="button" class="plain remove" aria-label=label title=labels::REMOVE
                on:click=move |_| studio.tell(Message::Remove(id.clone()))>"×"</button>
        }
    });
    view! {
        <tr>
            <th scope="row">{name}</th>
            <td class="number">{kilobytes(bytes)}</td>
            <td>{words::place(place)}</td>
            <td>{used}</td>
            <td>{remove}</td>
        </tr>
    }
}
