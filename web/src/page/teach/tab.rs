//! In the page: the place of the view, and what it needs to know of the gallery.

use super::{LEFT, PACKS, Place, SHOWN_AGAIN, TAUGHT, Taught};
use crate::page::language::Words;
use crate::page::shell::Studio;
use crate::page::state::{Message, State};
use crate::protocol::{Backend, Event};
use crate::spawn;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{CustomEvent, FileList, Url};

/// The id of the element in which the view is shown.
const ID: &str = "teach";

/// Shows the view as soon as a gallery is open. Its program is loaded only then.
#[component]
pub(in crate::page) fn Teach(studio: Studio) -> impl IntoView {
    let heard = window_event_listener_untyped(TAUGHT, move |event| {
        let detail = event.unchecked_into::<CustomEvent>().detail().as_string().unwrap_or_default();
        let Ok(Taught { classes, draw }) = serde_json::from_str::<Taught>(&detail) else { return };
        let first = classes.first().map(|class| class.id.clone()).filter(|_| draw);
        for class in classes {
            studio.tell(Message::Heard(Backend::Cpu, Event::Class(class), None));
        }
        if let Some(class) = first {
            studio.tell(Message::Choose { class, add: false });
        }
    });
    on_cleanup(move || {
        heard.remove();
        tell(LEFT);
    });
    let failed = RwSignal::new(false);
    let open = studio.holds(|state| state.gallery.is_some());
    let place = studio.part(place);
    Effect::new(move || {
        // Asked first, so that a view that is opened before the gallery is hears of it.
        let open = open.get();
        if let Some(place) = place.get_untracked().filter(|_| open) {
            failed.set(load(&place, move || failed.set(true)).is_err());
        }
    });
    view! {
        <div id=ID></div>
        {move || failed.get().then(|| view! {
            <p role="alert">{studio.say(Words::view_not_loaded)}</p>
        })}
    }
}

/// Keeps dropped files for the view if the first one is a pack. Returns whether it is.
pub fn take_packs(files: &FileList) -> bool {
    let pack = files.get(0).is_some_and(|file| file.name().ends_with(".tailor"));
    if pack {
        // A list of dropped files is emptied once the event is over.
        let files = js_sys::Array::from(files);
        let kept = js_sys::Reflect::set(&window(), &PACKS.into(), &files);
        return kept.is_ok() && tell(SHOWN_AGAIN);
    }
    false
}

/// Tells the view something by an event of this name. Returns whether the browser could.
fn tell(name: &str) -> bool {
    web_sys::Event::new(name).and_then(|event| window().dispatch_event(&event)).is_ok()
}

/// Loads the script that shows the view. It finds `place` in its element. `missing` is called when the script, or
/// the program that it asks for, does not come.
fn load(place: &Place, missing: impl FnOnce() + 'static) -> Result<(), JsValue> {
    let document = document();
    let element = document.get_element_by_id(ID).ok_or(JsValue::NULL)?;
    element.set_attribute("data-place", &serde_json::to_string(place).unwrap_or_default())?;
    let script = document.create_element("script")?;
    script.set_attribute("type", "module")?;
    // A module runs once for each address, and the view may be opened again.
    let times = document.query_selector_all("script[data-teach]")?.length();
    let url = Url::new_with_base(&format!("teach-start.js?{times}"), &spawn::own_script())?;
    script.set_attribute("src", &url.href())?;
    script.set_attribute("data-teach", "")?;
    script.add_event_listener_with_callback("error", Closure::once_into_js(missing).unchecked_ref())?;
    document.body().ok_or(JsValue::NULL)?.append_child(&script)?;
    Ok(())
}

/// Gathers what the view needs to know, once a gallery is open.
fn place(state: &State) -> Option<Place> {
    let gallery = state.gallery.as_ref()?;
    // Signs that are one character have a right way round.
    let single = gallery.classes.iter().filter(|class| class.name.chars().count() == 1).count();
    let programs = state.site.wish.for_cpu(state.site.simd).iter().map(|program| match program.name() {
        "engine-cpu-relaxed" => "teacher-relaxed".to_owned(),
        _ => "teacher".to_owned(),
    });
    Some(Place {
        gallery: state.site.gallery.clone(),
        key: state.site.key.clone(),
        channels: gallery.channels,
        side: gallery.side,
        dark: state.finished().and_then(|shown| shown.grid.is_dark()),
        mirror: 2 * single < gallery.classes.len(),
        classes: gallery.classes.iter().map(|class| (class.id.clone(), class.name.clone())).collect(),
        programs: programs.collect(),
    })
}
