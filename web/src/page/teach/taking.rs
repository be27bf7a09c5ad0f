//! Files and camera, and the pictures that were gathered.

use super::desk::Message;
use super::picture::Invert;
use super::shell::Shell;
use super::{LEFT, pixels, words};
use crate::page::language::TeachWords;
use leptos::html::{Canvas, Video};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DragEvent, FileList, HtmlInputElement, MediaStream, MediaStreamConstraints, MediaStreamTrack};

/// Shows the ways to take pictures that are there already, or before the camera.
#[component]
pub(super) fn Taking(shell: Shell) -> impl IntoView {
    let read = move |files: Option<FileList>| {
        let Some(files) = files else { return };
        let files: Vec<_> = (0..files.length()).filter_map(|i| files.get(i)).collect();
        let side = shell.now(|desk| desk.place.side);
        spawn_local(async move {
            let mut refused = None;
            for file in files {
                match pixels::read(&file, side).await {
                    Ok(picture) => shell.tell(Message::Add(picture)),
                    Err(why) => refused = Some(shell.now(|desk| why.say(&desk.words))),
                }
            }
            // Said last, so that the pictures which were right do not take it away.
            if let Some(why) = refused {
                shell.tell(Message::Refused(why));
            }
        });
    };
    let chosen = move |event: leptos::ev::Event| {
        let input: HtmlInputElement = event_target(&event);
        read(input.files());
        // The same files can be chosen again.
        input.set_value("");
    };
    let dropped = move |event: DragEvent| {
        event.prevent_default();
        // The page would take the file for one of its own.
        event.stop_propagation();
        read(event.data_transfer().and_then(|data| data.files()));
    };
    view! {
        <div class="source" on:dragover=move |event: DragEvent| event.prevent_default() on:drop=dropped>
            <h3>{shell.say(TeachWords::teach_files)}</h3>
            <label for="teach-files">{shell.say(TeachWords::teach_files_label)}</label>
            <input id="teach-files" type="file" accept="image/*" multiple on:change=chosen/>
            <Camera shell/>
        </div>
    }
}

#[component]
fn Camera(shell: Shell) -> impl IntoView {
    let video: NodeRef<Video> = NodeRef::new();
    let stream = StoredValue::new_local(None::<MediaStream>);
    let on = shell.part(|desk| desk.camera);
    // The browser asks the visitor once, however often the button is pressed.
    let asking = StoredValue::new_local(false);
    let off = move || {
        asking.try_set_value(false);
        if let Some(stream) = stream.try_update_value(Option::take).flatten() {
            end(&stream);
        }
    };
    let switch = move |_| {
        if on.get_untracked() {
            off();
            return shell.tell(Message::Camera(false));
        }
        if asking.get_value() {
            return;
        }
        asking.set_value(true);
        spawn_local(async move {
            let asked = ask().await;
            // The view was left, or the lesson began, while the visitor thought about it.
            let wanted = asking.try_update_value(std::mem::take).unwrap_or(false);
            match asked {
                Ok(found) if wanted => {
                    stream.set_value(Some(found));
                    shell.tell(Message::Camera(true));
                }
                Ok(found) => end(&found),
                Err(why) if wanted => shell.tell(Message::Refused(shell.now(|desk| why(&desk.words)))),
                Err(_) => {}
            }
        });
    };
    Effect::new(move || {
        if let (true, Some(video)) = (on.get(), video.get()) {
            stream.with_value(|stream| video.set_src_object(stream.as_ref()));
            let _ = video.play();
        }
    });
    let leave = move || {
        off();
        shell.tell(Message::Camera(false));
    };
    // A view that is left is kept as it is, and would go on filming.
    let left = window_event_listener_untyped(LEFT, move |_| leave());
    on_cleanup(move || {
        left.remove();
        leave();
    });
    let take = move |_| {
        let side = shell.now(|desk| desk.place.side);
        let ready = video.get_untracked().filter(|video| video.video_width() > 0);
        match ready.map(|video| pixels::taken(&video, side)) {
            Some(Ok(picture)) => shell.tell(Message::Add(picture)),
            _ => shell.tell(Message::Refused(shell.now(|desk| desk.words.teach_camera_busy()))),
        }
    };
    view! {
        <h3>{shell.say(TeachWords::teach_camera)}</h3>
        {move || on.get().then(|| view! {
            <video id="teach-video" node_ref=video autoplay playsinline muted aria-label=shell.say(TeachWords::teach_camera_sees)></video>
            <button type="button" id="teach-take" on:click=take>{shell.say(TeachWords::teach_take)}</button>
        })}
        <button type="button" id="teach-camera" class="plain" on:click=switch>
            {shell.part(|desk| match desk.camera {
                true => desk.words.teach_camera_off(),
                false => desk.words.teach_camera_on(),
            })}
        </button>
    }
}

/// Ends a camera's pictures, and its light with them.
fn end(stream: &MediaStream) {
    for track in stream.get_tracks() {
        track.unchecked_into::<MediaStreamTrack>().stop();
    }
}

/// A message that takes no arguments.
type Why = fn(&TeachWords) -> String;

/// Asks for the camera.
///
/// # Errors
/// The message that says why there is none.
async fn ask() -> Result<MediaStream, Why> {
    let navigator = window().navigator();
    let there =
        js_sys::Reflect::get(&navigator, &"mediaDevices".into()).is_ok_and(|devices| devices.is_object());
    let devices =
        navigator.media_devices().ok().filter(|_| there).ok_or(TeachWords::teach_camera_insecure as Why)?;
    let constraints = MediaStreamConstraints::new();
    constraints.set_video(&JsValue::TRUE);
    let asked = devices
        .get_user_media_with_constraints(&constraints)
        .map_err(|_| TeachWords::teach_no_camera as Why)?;
    match JsFuture::from(asked).await {
        Ok(stream) => Ok(stream.unchecked_into()),
        Err(error) => {
            let name = js_sys::Reflect::get(&error, &"name".into()).ok().and_then(|name| name.as_string());
            Err(match name.as_deref() {
                Some("NotAllowedError" | "SecurityError") => TeachWords::teach_camera_refused,
                Some("NotFoundError" | "OverconstrainedError") => TeachWords::teach_no_camera,
                _ => TeachWords::teach_camera_busy,
            })
        }
    }
}

/// Shows the pictures as they are taught, and how they are.
#[component]
pub(super) fn Pictures(shell: Shell) -> impl IntoView {
    let numbers = shell.part(|desk| desk.pictures.iter().map(|(number, _)| *number).collect::<Vec<_>>());
    let count = shell.part(words::count);
    let polarity = shell.part(words::polarity);
    let editable = shell.part(|desk| !desk.has_lesson());
    let (invert, mirror) = (shell.part(|desk| desk.invert), shell.part(|desk| desk.mirror));
    let choices: [(Invert, Why); 3] = [
        (Invert::Auto, TeachWords::teach_automatic),
        (Invert::Never, TeachWords::teach_never_inverted),
        (Invert::Always, TeachWords::teach_always_inverted),
    ];
    view! {
        <div class="pictures">
            <h3 id="teach-count">{move || count.get()}</h3>
            <ul class="thumbnails">
                <For each=move || numbers.get() key=|number| *number let:number>
                    <Thumbnail shell number editable/>
                </For>
            </ul>
            <p class="hint">{move || polarity.get()}</p>
            {move || editable.get().then(|| view! {
                <fieldset class="choices">
                    <legend>{shell.say(TeachWords::teach_bright_dark)}</legend>
                    {choices.map(|(choice, label)| view! {
                        <label class="check">
                            <input type="radio" name="teach-invert" prop:checked=move || invert.get() == choice
                                on:change=move |_| shell.tell(Message::Invert(choice))/>
                            {shell.say(label)}
                        </label>
                    })}
                </fieldset>
                <label class="check">
                    <input id="teach-mirror" type="checkbox" prop:checked=move || mirror.get()
                        on:change=move |e| shell.tell(Message::Mirror(event_target_checked(&e)))/>
                    {shell.say(TeachWords::teach_mirror)}
                </label>
            })}
        </div>
    }
}

#[component]
fn Thumbnail(shell: Shell, number: u32, editable: Memo<bool>) -> impl IntoView {
    let canvas: NodeRef<Canvas> = NodeRef::new();
    let planes = shell.part(move |desk| {
        let picture = desk.pictures.iter().find(|(n, _)| *n == number);
        picture.map(|(_, picture)| picture.planes(desk.place.channels, desk.place.dark, desk.invert))
    });
    Effect::new(move || {
        if let (Some(planes), Some(canvas)) = (planes.get(), canvas.get()) {
            let (channels, side) = shell.now(|desk| (desk.place.channels, desk.place.side));
            // A browser that cannot draw it still teaches it.
            let _ = pixels::show(&canvas, &[planes], channels, side);
        }
    });
    view! {
        <li>
            <canvas node_ref=canvas role="img" aria-label=shell.say_of(move |words| words.teach_picture(&number))></canvas>
            {move || editable.get().then(|| view! {
                <button type="button" class="plain remove"
                    aria-label=shell.say_of(move |words| words.teach_remove_picture(&number))
                    on:click=move |_| shell.tell(Message::Remove(number))>"×"</button>
            })}
        </li>
    }
}
