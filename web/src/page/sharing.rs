//! The view of the link to the images, and its QR code.

use super::language::Words;
use super::shell::Studio;
use super::state::Message;
use super::{phrases, site};
use leptos::prelude::*;
use qrcodegen::{QrCode, QrCodeEcc};

/// Shows the link, if the visitor wants to share it.
#[component]
pub(super) fn Sharing(studio: Studio) -> impl IntoView {
    let open = studio.holds(|state| state.sharing);
    let hash = studio.words(|state| state.site.hash.clone());
    let address = move || site::address(&hash.get());
    let copied = studio.part(phrases::copied);
    move || {
        open.get().then(|| {
            view! {
                <section class="sharing" aria-label=studio.say(Words::share)>
                    <p>{studio.words(phrases::local)}</p>
                    <div class="copying">
                        <input id="link" type="text" readonly aria-label=studio.say(Words::link) prop:value=address/>
                        <button id="copy" type="button" on:click=move |_| studio.tell(Message::Copy)>
                            {studio.say(Words::copy)}
                        </button>
                    </div>
                    <p role="status">{move || copied.get()}</p>
                    {move || code(studio, &address())}
                </section>
            }
        })
    }
}

/// Draws a text as a QR code.
fn code(studio: Studio, text: &str) -> impl IntoView + use<> {
    match QrCode::encode_text(text, QrCodeEcc::Low) {
        Ok(code) => {
            let size = code.size();
            let dark = (0..size * size).filter(|n| code.get_module(n % size, n / size));
            let path: String = dark.map(|n| format!("M{} {}h1v1h-1z", n % size, n / size)).collect();
            let frame = format!("-2 -2 {} {}", size + 4, size + 4);
            view! {
                <svg class="qr" role="img" aria-label=studio.say(Words::qr) viewBox=frame>
                    <path d=path/>
                </svg>
            }
            .into_any()
        }
        Err(_) => view! { <p class="hint">{studio.say(Words::too_long)}</p> }.into_any(),
    }
}
