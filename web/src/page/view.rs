//! How the studio looks.

use super::classes::Classes;
use super::files::Files;
use super::studio::{Gpu, Phase, Place, Studio};
use crate::address::canonical;
use crate::protocol::{Backend, Remedy, Wait};
use leptos::html::Canvas;
use leptos::prelude::*;

/// The whole page.
#[component]
pub fn App() -> impl IntoView {
    let (gallery, wish) = parameters();
    let key = publisher(&gallery);
    let studio = Studio::start(gallery, key, wish);
    studio.code_bytes.update(|sum| *sum += crate::traffic::network_bytes(window().performance()));
    window_event_listener(leptos::ev::hashchange, move |_| studio.follow_link());
    Effect::new(move || {
        let state = studio.phase.with(|phase| match phase {
            Phase::Starting | Phase::Downloading => "loading",
            Phase::Sampling(..) => "sampling",
            Phase::Done(..) | Phase::Stopped => "done",
            Phase::Failed(_) => "failed",
        });
        if let Some(body) = document().body() {
            let _ = body.set_attribute("data-state", state);
        }
    });
    let title = move || studio.gallery.with(|g| g.as_ref().map_or_else(String::new, |g| g.title.clone()));
    view! {
        <header>
            <h1>"tailor"</h1>
            <p class="title">{title}</p>
            <p id="signed" title=move || signed_words(studio).1>{move || signed_words(studio).0}</p>
            <p id="backend" data-backend=move || studio.active.get().name()>{move || backend_words(studio)}</p>
        </header>
        <main>
            <div class="stage">
                <Picture studio/>
                <Controls studio/>
            </div>
            <div class="side">
                <Idea studio/>
                <Classes studio/>
                <Files studio/>
            </div>
        </main>
    }
}

/// `?gallery=` as an absolute URL, and `?backend=`.
fn parameters() -> (String, Option<Backend>) {
    let query = window().location().search().unwrap_or_default();
    let query = web_sys::UrlSearchParams::new_with_str(&query).ok();
    let parameter = |name: &str| query.as_ref().and_then(|query| query.get(name));
    let gallery = parameter("gallery").unwrap_or_else(|| "galleries/letters/".to_owned());
    let base = document().base_uri().ok().flatten().unwrap_or_default();
    let absolute = web_sys::Url::new_with_base(&gallery, &base).map(|url| url.href());
    // One that is no address is for the engine to refuse in words.
    let absolute = absolute.map(|url| canonical(&url).unwrap_or(url));
    let wish = match parameter("backend").as_deref() {
        Some("cpu") => Some(Backend::Cpu),
        Some("gpu") => Some(Backend::Gpu),
        _ => None,
    };
    (absolute.unwrap_or(gallery), wish)
}

/// The key in `<meta name="tailor-key">`, which is for the galleries of the page's own site.
fn publisher(gallery: &str) -> Option<String> {
    let base = document().base_uri().ok().flatten().unwrap_or_default();
    let site = web_sys::Url::new_with_base(".", &base).map(|url| url.href()).ok()?;
    let site = canonical(&site)?;
    let meta = document().query_selector("meta[name='tailor-key']").ok().flatten()?;
    meta.get_attribute("content").filter(|key| !key.is_empty() && gallery.starts_with(&site))
}

/// Who vouches for the gallery, in a word or two and in more.
fn signed_words(studio: Studio) -> (String, String) {
    studio.gallery.with(|gallery| match gallery.as_ref().map(|g| (g.signed.clone(), g.remembered)) {
        None => Default::default(),
        Some((None, _)) => ("unsigned".to_owned(), "Nobody has signed this gallery.".to_owned()),
        Some((Some(fingerprint), true)) => (
            "signed ✓".to_owned(),
            format!("Signed by the key with the fingerprint {fingerprint}, which this device trusts."),
        ),
        Some((Some(fingerprint), false)) => (
            "signed, not remembered".to_owned(),
            format!(
                "Signed by the key with the fingerprint {fingerprint}. This device has no room to remember it, so it \
                 will ask again."
            ),
        ),
    })
}

fn backend_words(studio: Studio) -> String {
    let on_cpu = studio.active.get() == Backend::Cpu;
    studio.gpu.with(|gpu| match gpu {
        Gpu::Used(name) => format!("Computing on your GPU ({name}) through WebGPU."),
        Gpu::No(why) if on_cpu => format!("Computing on the CPU: {}.", why.trim_end_matches('.')),
        Gpu::No(why) => format!("No GPU: {why}."),
        Gpu::Coming(_) if !on_cpu => "Looking for a GPU.".to_owned(),
        Gpu::Coming(name) if name.is_empty() => "Computing on the CPU; looking for a GPU.".to_owned(),
        Gpu::Coming(name) => format!("Computing on the CPU; the engine for your GPU ({name}) is loading."),
        Gpu::Unwanted => "Computing on the CPU, as the address asks.".to_owned(),
        Gpu::Unknown => "Computing on the CPU.".to_owned(),
    })
}

/// What a learngene and a tailor are, in this gallery's numbers.
#[component]
fn Idea(studio: Studio) -> impl IntoView {
    let words = move || {
        studio.gallery.with(|gallery| {
            let (count, learngene) = gallery.as_ref().map_or((0, 0), |g| (g.classes.len(), g.learngene));
            if count == 0 {
                return "One model that comes apart.".to_owned();
            }
            let more = gallery.as_ref().is_some_and(|gallery| gallery.more);
            let all = if more { "All classes".to_owned() } else { format!("All {count} classes") };
            format!("{all} share one learngene ({}), which is downloaded once.", megabytes(learngene))
        })
    };
    view! {
        <p class="idea">
            {words}
            " What a single class adds is its tailor: choose a class, and only that small pack is downloaded. \
             Every image is made here, on your own machine."
        </p>
    }
}

#[component]
fn Picture(studio: Studio) -> impl IntoView {
    let canvas: NodeRef<Canvas> = NodeRef::new();
    Effect::new(move || {
        if let (Some(shown), Some(canvas)) = (studio.shown.get(), canvas.get()) {
            // A canvas that cannot be drawn on leaves the words below it.
            let _ = shown.grid.draw(&canvas, true);
        }
    });
    let label = move || match studio.shown.get() {
        Some(shown) if shown.finished => caption(studio, &shown.order.images),
        Some(_) => "Images in the making".to_owned(),
        None => "No images yet".to_owned(),
    };
    let progress = move || match studio.phase.get() {
        Phase::Sampling(step, of) => Some(f64::from(step) / f64::from(of.max(1))),
        Phase::Downloading | Phase::Starting => {
            arriving(studio).map(|(got, all)| got as f64 / all.max(1) as f64)
        }
        Phase::Done(..) => Some(1.0),
        Phase::Stopped | Phase::Failed(_) => Some(0.0),
    };
    let failure = move || {
        studio.phase.with(|phase| match phase {
            Phase::Failed(failure) => Some(failure.clone()),
            _ => None,
        })
    };
    view! {
        <figure class="picture" class:waiting=move || studio.shown.with(Option::is_none)>
            <canvas
                class="result"
                node_ref=canvas
                width="32"
                height="32"
                role="img"
                aria-label=label
                data-finished=move || studio.shown.with(|s| s.as_ref().is_some_and(|s| s.finished).to_string())
            ></canvas>
        </figure>
        // A progress element without a value shows that something goes on.
        <progress
            aria-label="Progress"
            max="1"
            prop:value=move || progress().unwrap_or(0.0)
            class:unknown=move || progress().is_none()
        ></progress>
        <div class="status">
            <p id="status" role="status" aria-live="polite">{move || status_words(studio)}</p>
            <p class="step" aria-hidden="true">{move || step_words(studio)}</p>
        </div>
        {move || failure().map(|failure| {
            let action = match failure.remedy {
                Remedy::Retry => "Try again",
                Remedy::Reload => "Reload the page",
                Remedy::UseCpu => "Use the CPU",
                Remedy::Choose => "All right",
                Remedy::Trust => "Trust this key",
            };
            let of_trust =
                ["wrong-key", "signature-missing", "index-rolled-back", "index-replaced", "other-gallery"]
                    .contains(&&*failure.code);
            view! {
                <div
                    id="error"
                    role="alert"
                    class:question=failure.remedy == Remedy::Trust
                    data-code=failure.code.clone()
                >
                    <p>{failure.sentence.clone()}</p>
                    {(!failure.detail.is_empty()).then(|| view! {
                        <details><summary>"Details"</summary>{failure.detail.clone()}</details>
                    })}
                    <button id="remedy" on:click=move |_| studio.remedy(failure.remedy)>{action}</button>
                    // Not a button beside the other: whoever clicks through a warning should not get here.
                    {of_trust.then(|| view! {
                        <details>
                            <summary>"The publisher has told me that this is right"</summary>
                            <p>
                                "This device then forgets the key and the version that it has seen, and goes on as on \
                                 a first visit."
                            </p>
                            <button id="forget" class="plain" on:click=move |_| studio.forget()>
                                "Forget what it has seen"
                            </button>
                        </details>
                    })}
                </div>
            }
        })}
    }
}

/// Bytes received and wanted of every file on its way.
fn arriving(studio: Studio) -> Option<(u64, u64)> {
    studio.files.with(|files| {
        let parts = files.values().filter_map(|place| match place {
            Place::Arriving(got, all) => Some((*got, *all)),
            _ => None,
        });
        parts.reduce(|a, b| (a.0 + b.0, a.1 + b.1))
    })
}

fn status_words(studio: Studio) -> String {
    let phase = studio.phase.get();
    if let (Some(wait), Phase::Starting | Phase::Downloading) = (studio.waiting.get(), &phase) {
        return match wait {
            Wait::Server { seconds } => {
                format!("The server does not answer as it should. Trying again in {seconds} s…")
            }
            Wait::Tab => "Another tab of this site is downloading the same file…".to_owned(),
        };
    }
    match phase {
        Phase::Starting => "Loading the engine…".to_owned(),
        Phase::Downloading => "Downloading what these images need…".to_owned(),
        Phase::Sampling(..) => "Making images out of noise…".to_owned(),
        Phase::Stopped => "Stopped.".to_owned(),
        Phase::Failed(failure) if failure.remedy == Remedy::Trust => "A question first.".to_owned(),
        Phase::Failed(_) => "That did not work.".to_owned(),
        Phase::Done(ms, per_step) => {
            let what = studio.shown.with(|s| s.as_ref().map(|s| caption(studio, &s.order.images)));
            format!("{}: {:.1} s, {per_step:.0} ms a step.", what.unwrap_or_default(), ms / 1000.0)
        }
    }
}

/// What changes too often to be read out.
fn step_words(studio: Studio) -> String {
    match studio.phase.get() {
        Phase::Downloading => arriving(studio)
            .map_or_else(String::new, |(got, all)| format!("{} of {}", megabytes(got), megabytes(all))),
        Phase::Sampling(step, of) => format!("step {step} of {of}"),
        _ => String::new(),
    }
}

fn caption(studio: Studio, images: &[crate::protocol::Wanted]) -> String {
    let mut names = Vec::new();
    for image in images {
        let name =
            image.class.as_ref().map_or_else(|| "learngene alone".to_owned(), |id| class_name(studio, id));
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    let (first, last) = (images.first().map_or(0, |i| i.seed), images.last().map_or(0, |i| i.seed));
    let seeds = if first == last { format!("seed {first}") } else { format!("seeds {first} to {last}") };
    format!("{}, {seeds}", names.join(" "))
}

pub(super) fn class_name(studio: Studio, id: &str) -> String {
    studio.gallery.with(|gallery| {
        let class = gallery.as_ref().and_then(|g| g.classes.iter().find(|class| class.id == id));
        class.map_or_else(|| id.to_owned(), |class| class.name.clone())
    })
}

#[component]
fn Controls(studio: Studio) -> impl IntoView {
    let settings = studio.settings;
    let busy = move || matches!(studio.phase.get(), Phase::Downloading | Phase::Sampling(..));
    let opened = move || studio.gallery.with(Option::is_some);
    let nothing = move || settings.classes.with(Vec::is_empty) && !settings.learngene_only.get();
    let finished = move || studio.shown.with(|s| s.as_ref().is_some_and(|s| s.finished));
    let dice = move |_| {
        settings.seed.set((js_sys::Math::random() * 1e6) as u64);
        studio.generate();
    };
    let save = move |_| {
        if let Some(shown) = studio.shown.get_untracked() {
            let name: String = caption(studio, &shown.order.images).replace(", ", "-").replace(' ', "-");
            let _ = shown.grid.save(&format!("tailor-{name}.png"));
        }
    };
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        studio.generate();
    };
    view! {
        <form class="controls" on:submit=submit>
            <div class="field seed">
                <label for="seed">"Seed"</label>
                <input id="seed" type="number" min="0" step="1" inputmode="numeric"
                    prop:value=move || settings.seed.get().to_string()
                    on:input=move |e| read(&event_target_value(&e), settings.seed, 0, u64::MAX)/>
                <button type="button" id="dice" class="plain" aria-label="Random seed" title="Random seed"
                    on:click=dice>"⚄"</button>
            </div>
            <div class="field">
                <label for="count">"Images"</label>
                <select id="count" on:change=move |e| read(&event_target_value(&e), settings.count, 1, 16)>
                    {[1u32, 4, 9, 16].map(|n| view! {
                        <option value=n.to_string() selected=move || settings.count.get() == n>{n.to_string()}</option>
                    })}
                </select>
            </div>
            <div class="field">
                <label for="steps">"Steps"</label>
                <input id="steps" type="number" min="1" max="1000" step="1" inputmode="numeric"
                    prop:value=move || settings.steps.get().to_string()
                    on:input=move |e| read(&event_target_value(&e), settings.steps, 1, 1000)/>
            </div>
            <div class="field wide">
                <label for="guidance">"Guidance " <output>{move || format!("{:.1}", settings.guidance.get())}</output></label>
                <input id="guidance" type="range" min="0" max="6" step="0.1"
                    prop:value=move || settings.guidance.get().to_string()
                    on:input=move |e| read(&event_target_value(&e), settings.guidance, 0.0, 100.0)/>
            </div>
            <label class="check">
                <input id="learngene-only" type="checkbox"
                    prop:checked=move || settings.learngene_only.get()
                    on:change=move |e| settings.learngene_only.set(event_target_checked(&e))/>
                "Learngene only"
            </label>
            <div class="actions">
                <button id="generate" type="submit" disabled=move || !opened() || nothing()>"Generate"</button>
                <button id="cancel" type="button" class="plain" disabled=move || !busy()
                    on:click=move |_| studio.cancel()>"Cancel"</button>
                <button id="save" type="button" class="plain" disabled=move || !finished()
                    on:click=save>"Save PNG"</button>
            </div>
        </form>
    }
}

/// Takes over what was typed if it is a number within bounds; what is half typed changes nothing.
fn read<T>(text: &str, into: RwSignal<T>, least: T, most: T)
where
    T: std::str::FromStr + PartialOrd + Send + Sync + 'static,
{
    if let Ok(value) = text.parse::<T>()
        && value >= least
        && value <= most
    {
        into.set(value);
    }
}

/// `143,212`
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `2.40 MB`
pub(super) fn megabytes(n: u64) -> String {
    format!("{:.2} MB", n as f64 / 1e6)
}
