//! The files on this device, and what was downloaded.

use super::studio::{Place, Studio};
use super::view::{class_name, grouped, megabytes};
use crate::protocol::File;
use leptos::prelude::*;

/// Every file that is here or on its way.
#[component]
pub(super) fn Files(studio: Studio) -> impl IntoView {
    let total = move || studio.gallery_bytes.get() + studio.code_bytes.get();
    let size = move |file: &File| {
        studio.gallery.with(|gallery| {
            let gallery = gallery.as_ref()?;
            match file {
                File::Learngene => Some(gallery.learngene),
                File::Tailor(id) => gallery.classes.iter().find(|c| c.id == *id).map(|c| c.bytes),
                File::List => None,
            }
        })
    };
    let rows = move || {
        let files = studio.files.get().into_iter().filter(|(file, _)| *file != File::List);
        files.collect::<Vec<(File, Place)>>()
    };
    let row = move |(file, place): (File, Place)| {
        let name = match &file {
            File::Learngene => "Learngene".to_owned(),
            File::List => "Class list".to_owned(),
            File::Tailor(id) => format!("Tailor {}", class_name(studio, id)),
        };
        let words = match place {
            Place::Arriving(got, all) => format!("{} %", 100 * got / all.max(1)),
            Place::Stored => "on this device".to_owned(),
            Place::Loaded(true) => "in use, kept on this device".to_owned(),
            Place::Loaded(false) => "in use, not kept: no room or no permission".to_owned(),
        };
        let bytes = size(&file).unwrap_or(0);
        let remove = match file {
            File::Tailor(id) if !matches!(place, Place::Arriving(..)) => {
                let label = format!("Remove {name} from this device");
                Some(view! {
                    <button type="button" class="plain remove" aria-label=label title="Remove from this device"
                        on:click=move |_| studio.remove(&id)>"×"</button>
                })
            }
            _ => None,
        };
        view! {
            <tr>
                <th scope="row">{name}</th>
                <td class="number">{grouped(bytes)} " B"</td>
                <td>{words}</td>
                <td>{remove}</td>
            </tr>
        }
    };
    view! {
        <section class="files" aria-labelledby="files-heading">
            <div class="heading">
                <h2 id="files-heading">"Files"</h2>
                <p id="bytes" data-gallery-bytes=move || studio.gallery_bytes.get().to_string()
                    data-bytes=move || total().to_string()>
                    {move || format!("Downloaded so far: {}", megabytes(total()))}
                    <span class="hint">
                        {move || format!(" (gallery {}, page and engine {})", megabytes(studio.gallery_bytes.get()),
                            megabytes(studio.code_bytes.get()))}
                    </span>
                </p>
            </div>
            <table>
                <caption class="unseen">"Files on this device"</caption>
                <tbody>{move || rows().into_iter().map(row).collect_view()}</tbody>
            </table>
            {move || studio.persistent.get().filter(|_| !rows().is_empty()).map(|persistent| match persistent {
                true => view! { <p class="hint">"Kept until you delete this site's data."</p> }.into_any(),
                false => view! {
                    <p class="hint">
                        "When this device runs out of room, the browser may delete these. "
                        <button type="button" id="persist" class="plain small" on:click=move |_| studio.persist()>
                            "Keep them"
                        </button>
                    </p>
                }.into_any(),
            })}
        </section>
    }
}
