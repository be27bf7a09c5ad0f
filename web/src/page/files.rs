//! The files on this device, and what was downloaded.

use super::studio::{Place, Studio};
use super::view::{class_name, grouped, megabytes};
use crate::protocol::{File, Gallery};
use leptos::prelude::*;

/// Every file that is here or on its way.
#[component]
pub(super) fn Files(studio: Studio) -> impl IntoView {
    let total = move || studio.gallery_bytes.get() + studio.code_bytes.get();
    let size = move |id: &str| {
        let class = |gallery: &Gallery| gallery.classes.iter().find(|c| c.id == id).map(|c| c.bytes);
        studio.gallery.with(|gallery| gallery.as_ref().and_then(class)).unwrap_or(0)
    };
    let learngene = move || studio.gallery.with(|gallery| gallery.as_ref().map_or(0, |g| g.learngene));
    // Name, size and, of a tailor, the class; lists of classes are no files that a visitor cares for.
    let rows = move || {
        let row = |(file, place)| match file {
            File::Learngene => Some(("Learngene".to_owned(), learngene(), None, place)),
            File::Tailor(id) => {
                Some((format!("Tailor {}", class_name(studio, &id)), size(&id), Some(id), place))
            }
            File::List => None,
        };
        studio.files.get().into_iter().filter_map(row).collect::<Vec<_>>()
    };
    let row = move |(name, bytes, class, place): (String, u64, Option<String>, Place)| {
        let words = match place {
            Place::Arriving(got, all) => format!("{} %", 100 * got / all.max(1)),
            Place::Stored => "on this device".to_owned(),
            Place::Loaded(true) => "in use, kept on this device".to_owned(),
            Place::Loaded(false) => "in use, not kept: no room or no permission".to_owned(),
        };
        let remove = class.filter(|_| !matches!(place, Place::Arriving(..))).map(|id| {
            let label = format!("Remove {name} from this device");
            view! {
                <button type="button" class="plain remove" aria-label=label title="Remove from this device"
                    on:click=move |_| studio.remove(&id)>"×"</button>
            }
        });
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
