//! The gallery's classes, to be chosen from and searched.

use super::studio::{MOST_IMAGES, NameList, Place, Studio};
use super::view::grouped;
use crate::protocol::{ClassInfo, File};
use leptos::prelude::*;

/// Every class that is known, as a tile.
#[component]
pub(super) fn Classes(studio: Studio) -> impl IntoView {
    let several = RwSignal::new(false);
    let search = RwSignal::new(String::new());
    let many = move || studio.gallery.with(|g| g.as_ref().is_some_and(|g| g.more || g.classes.len() > MANY));
    let classes = move || found(studio, &search.get());
    let chosen = studio.settings.classes;
    // A link may have chosen several.
    Effect::new(move || {
        if chosen.with(Vec::len) > 1 {
            several.set(true);
        }
    });
    let most = move || MOST_IMAGES / studio.settings.count.get() as usize;
    let hint = move || {
        let n = chosen.with(Vec::len);
        match several.get() {
            _ if !search.with(String::is_empty) && studio.names.get() == NameList::Coming => {
                "The list of all classes is on its way…".to_owned()
            }
            _ if !search.with(String::is_empty) && classes().len() == FOUND => {
                format!("The first {FOUND} are shown: type more.")
            }
            false => "A click makes that class.".to_owned(),
            true if n > most() => format!("{n} chosen; the first {} are made.", most()),
            true => format!("{n} chosen; then Generate."),
        }
    };
    view! {
        <section class="classes" aria-labelledby="classes-heading">
            <div class="heading">
                <h2 id="classes-heading">"Classes"</h2>
                <p class="hint">{hint}</p>
                <label class="check">
                    <input id="several" type="checkbox" prop:checked=move || several.get()
                        on:change=move |e| several.set(event_target_checked(&e))/>
                    "Several"
                </label>
            </div>
            {move || many().then(|| view! {
                <input id="search" type="search" placeholder="Search all classes" aria-label="Search all classes"
                    prop:value=move || search.get()
                    on:focus=move |_| studio.ask_names()
                    on:input=move |e| {
                        studio.ask_names();
                        search.set(event_target_value(&e));
                    }/>
            })}
            {move || match studio.names.get() {
                NameList::Failed(why) => Some(view! {
                    <p class="hint">
                        {format!("Only the classes shown so far can be searched. {why} ")}
                        <button type="button" class="plain small" on:click=move |_| studio.ask_names()>"Try again"</button>
                    </p>
                }),
                _ => None,
            }}
            <ul class="tiles">
                <For each=classes key=|class| (class.id.clone(), class.bytes) let:class>
                    <Tile studio several class/>
                </For>
            </ul>
        </section>
    }
}

/// A gallery of more classes than these can be searched.
const MANY: usize = 100;
/// Classes that are shown without a search, at most.
const SHOWN: usize = 500;
/// Classes found that are shown, at most.
const FOUND: usize = 60;

/// The classes whose name or id holds what is searched for; without a search, those known so far.
fn found(studio: Studio, search: &str) -> Vec<ClassInfo> {
    let search = search.trim().to_lowercase();
    let mut known = studio.gallery.with(|g| g.as_ref().map(|g| g.classes.clone()).unwrap_or_default());
    if search.is_empty() {
        known.truncate(SHOWN);
        return known;
    }
    let fits = |id: &str, name: &str| id.contains(&search) || name.to_lowercase().contains(&search);
    let mut found: Vec<ClassInfo> = known.iter().filter(|c| fits(&c.id, &c.name)).cloned().collect();
    if let NameList::Here(names) = studio.names.get() {
        let others = names.iter().filter(|(id, name)| fits(id, name) && known.iter().all(|c| c.id != *id));
        // How large its pack is, is known once the class is looked up.
        let class = |(id, name): &(String, String)| ClassInfo {
            id: id.clone(),
            name: name.clone(),
            bytes: 0,
            stored: false,
        };
        found.extend(others.map(class).take(FOUND));
    }
    found.truncate(FOUND);
    found
}

#[component]
fn Tile(studio: Studio, several: RwSignal<bool>, class: ClassInfo) -> impl IntoView {
    let chosen = studio.settings.classes;
    let file = File::Tailor(class.id.clone());
    let place = Memo::new(move |_| studio.files.with(|files| files.get(&file).copied()));
    let id = class.id.clone();
    let is_chosen = Memo::new(move |_| chosen.with(|chosen| chosen.contains(&id)));
    let id = class.id.clone();
    let click = move |event: leptos::ev::MouseEvent| {
        if several.get_untracked() || event.shift_key() || event.ctrl_key() || event.meta_key() {
            several.set(true);
            chosen.update(|chosen| match chosen.iter().position(|c| *c == id) {
                Some(at) => drop(chosen.remove(at)),
                None => chosen.push(id.clone()),
            });
        } else {
            chosen.set(vec![id.clone()]);
            studio.settings.learngene_only.set(false);
            studio.generate();
        }
    };
    let state = move || match place.get() {
        None => "remote",
        Some(Place::Arriving(..)) => "arriving",
        Some(Place::Stored) => "stored",
        Some(Place::Loaded(_)) => "loaded",
    };
    let filled = move || match place.get() {
        Some(Place::Arriving(got, all)) => format!("--filled: {}%", 100 * got / all.max(1)),
        _ => "--filled: 0%".to_owned(),
    };
    let (name, bytes) = (class.name.clone(), class.bytes);
    let label = move || {
        let on =
            if matches!(place.get(), None | Some(Place::Arriving(..))) { "" } else { ", on this device" };
        let bytes = if bytes == 0 { String::new() } else { format!(", {} bytes", grouped(bytes)) };
        format!("{name}{bytes}{on}")
    };
    let long = class.name.chars().count() > 2;
    view! {
        <li>
            <button
                type="button"
                class="class"
                class:long=long
                data-class=class.id.clone()
                data-bytes=bytes.to_string()
                data-place=state
                aria-pressed=move || is_chosen.get().to_string()
                aria-label=label
                style=filled
                on:click=click
            >
                <span class="name">{class.name.clone()}</span>
                {(bytes > 0).then(|| view! { <span class="size">{grouped(bytes)} " B"</span> })}
            </button>
        </li>
    }
}
