//! The view that takes the model apart: learngene and tailor, step by step and matrix by matrix.

use super::language::Words;
use super::phrases;
use super::plan;
use super::shell::Studio;
use super::state::{Message, State};
use super::words;
use super::writing::{Dials, dial};
use crate::link::Show;
use crate::protocol::{Cell, Parts as Measured, Turned};
use leptos::html::Canvas;
use leptos::prelude::*;

/// Shows the dials, the film and the parts of the model.
#[component]
pub(super) fn Apart(studio: Studio) -> impl IntoView {
    let chosen = studio.part(|state: &State| {
        let classes = state.settings.classes.iter().take(2);
        classes.map(|class| (class.clone(), words::class_name(state, class))).collect::<Vec<_>>()
    });
    let show = studio.part(|state| state.settings.show);
    let choice = move |choice: Show| {
        let words = studio.words_of(move |state| phrases::show(state, choice));
        view! {
            <label class="check">
                <input type="radio" name="show" value=choice.name() prop:checked=move || show.get() == choice
                    on:change=move |_| studio.tell(Message::Show(choice))/>
                {words}
            </label>
        }
    };
    view! {
        <section class="apart" aria-labelledby="apart-heading">
            <h3 id="apart-heading" class="unseen">{studio.say(Words::tab_apart)}</h3>
            <div class="pair">
                <Choice studio place=0/>
                <Choice studio place=1/>
            </div>
            <Dials studio classes=chosen/>
            <Parts studio/>
            <fieldset class="shows">
                <legend>{studio.say(Words::shown)}</legend>
                {Show::ALL.map(choice)}
            </fieldset>
            <p class="hint">{studio.words(phrases::showing)}</p>
        </section>
        <FilmStrip studio/>
        <Inside studio/>
        <section aria-labelledby="bytes-heading">
            <h3 id="bytes-heading">{studio.say(Words::bytes)}</h3>
            <p class="hint">{studio.words(phrases::saved)}</p>
        </section>
    }
}

/// Shows a dial for each layer, each kind of matrix and the label, folded away until it is wanted.
#[component]
fn Parts(studio: Studio) -> impl IntoView {
    let parts = studio.part(|state: &State| state.gallery.as_ref().map(plan::parts).unwrap_or_default());
    let whole = studio.holds(|state| state.settings.parts.is_nothing());
    let one = move |part: String| {
        let of = part.clone();
        let share = studio.part(move |state: &State| state.settings.parts.of(&of));
        let (said, field) = (part.clone(), format!("part-{part}"));
        let name = studio.say_of(move |words| phrases::part(words, &said));
        dial(studio, field, name, share, move |share, done| Message::Part { part: part.clone(), share, done })
    };
    let open = RwSignal::new(false);
    // A link that turns a part down shows where. Turned up again, the dials stay in sight.
    Effect::new(move || {
        if !whole.get() {
            open.set(true);
        }
    });
    view! {
        <details class="parts" open=move || open.get()>
            <summary>{studio.say(Words::parts)}</summary>
            <p class="hint">{studio.say(Words::parts_why)}</p>
            <div class="dials">
                <For each=move || parts.get() key=String::clone let:part>{one(part)}</For>
            </div>
            <button id="whole" type="button" class="plain" disabled=move || whole.get()
                on:click=move |_| studio.tell(Message::Whole)>{studio.say(Words::parts_whole)}</button>
        </details>
    }
}

/// Shows the field for the first (0) or second (1) class.
#[component]
fn Choice(studio: Studio, place: usize) -> impl IntoView {
    let classes = studio.part(|state: &State| {
        let known = state.gallery.iter().flat_map(|gallery| &gallery.classes);
        known.map(|class| (class.id.clone(), class.name.clone())).collect::<Vec<_>>()
    });
    let chosen = studio.words_of(move |state| state.settings.classes.get(place).cloned().unwrap_or_default());
    let field = format!("class-{place}");
    let label = studio.say(if place == 0 { Words::first_class } else { Words::second_class });
    let option = move |(id, name): (String, String)| {
        let own = id.clone();
        view! { <option value=id selected=move || chosen.get() == own>{name}</option> }
    };
    view! {
        <div class="field">
            <label for=field.clone()>{label}</label>
            <select id=field on:change=move |e| studio.tell(Message::Pair(place, event_target_value(&e)))>
                {(place == 1).then(|| view! { <option value="">{studio.say(Words::nobody)}</option> })}
                {move || classes.get().into_iter().map(option).collect_view()}
            </select>
        </div>
    }
}

/// Shows the steps of the last run: what the model saw, and what it predicted.
#[component]
fn FilmStrip(studio: Studio) -> impl IntoView {
    let canvas: NodeRef<Canvas> = NodeRef::new();
    let frame = studio.part(|state| state.film.frames.get(state.film.at).cloned());
    Effect::new(move || {
        if let (Some(frame), Some(canvas)) = (frame.get(), canvas.get()) {
            // If the canvas cannot be drawn on, the words below it are still there.
            let _ = frame.grid.draw(&canvas, true);
        }
    });
    let place = studio.part(|state| (state.film.at, state.film.frames.len()));
    let empty = studio.holds(|state| state.film.frames.is_empty());
    let seek = move |at: usize| studio.tell(Message::Seek(at));
    view! {
        <section class="steps" aria-labelledby="steps-heading">
            <h3 id="steps-heading">{studio.say(Words::time)}</h3>
            <p class="hint" hidden=move || !empty.get()>{studio.say(Words::no_film)}</p>
            <div hidden=move || empty.get()>
                <canvas class="frame" node_ref=canvas role="img" aria-label=studio.words(phrases::frame)></canvas>
                <p class="hint" aria-hidden="true">{studio.words(phrases::frame)}</p>
                <div class="player">
                    <button id="play" type="button" class="plain" on:click=move |_| studio.tell(Message::Play)>
                        {studio.words(|state| match state.film.playing {
                            Some(_) => state.words.pause(),
                            None => state.words.play(),
                        })}
                    </button>
                    <button type="button" class="plain"
                        on:click=move |_| seek(place.get_untracked().0.saturating_sub(1))>
                        {studio.say(Words::back)}
                    </button>
                    <button type="button" class="plain" on:click=move |_| seek(place.get_untracked().0 + 1)>
                        {studio.say(Words::forward)}
                    </button>
                    <input id="frame" type="range" min="0" step="1" aria-label=studio.say(Words::step)
                        max=move || place.get().1.saturating_sub(1).to_string()
                        prop:value=move || place.get().0.to_string()
                        on:input=move |e| seek(event_target_value(&e).parse().unwrap_or(0))/>
                </div>
            </div>
        </section>
    }
}

/// Shows the model, layers by matrices, and how large the parts of each matrix are.
#[component]
fn Inside(studio: Studio) -> impl IntoView {
    let parts = studio.part(|state| state.measured().cloned());
    // How much is used of a cell's tailor, as the dials of its class, its layer and its matrix say.
    let dials = studio.part(|state| {
        let first = state.settings.classes.first();
        (first.map_or(1.0, |class| state.settings.dial(class)), state.settings.parts.clone())
    });
    let chosen = RwSignal::new(None::<Cell>);
    let content = move || match parts.get() {
        None => view! {
            <button id="measure" type="button" class="plain" on:click=move |_| studio.tell(Message::Parts)>
                {studio.say(Words::measure)}
            </button>
        }
        .into_any(),
        Some(Err(why)) => view! { <p class="hint">{why}</p> }.into_any(),
        Some(Ok(parts)) => table(studio, &parts, dials, chosen).into_any(),
    };
    let words = studio.part(|state| state.words.clone());
    let formula = move || {
        let cell = chosen.get()?;
        Some(words.with(|words| phrases::formula(words, &cell, used(dials, &cell))))
    };
    view! {
        <section class="inside" aria-labelledby="inside-heading">
            <h3 id="inside-heading">{studio.say(Words::inside)}</h3>
            <p class="hint">{studio.say(Words::inside_why)}</p>
            {content}
            <p id="formula" role="status">{formula}</p>
        </section>
    }
}

/// Returns how much of a cell's tailor is used, as the dials say.
fn used(dials: Memo<(f32, Turned)>, cell: &Cell) -> f32 {
    dials.with(|(class, parts)| class * parts.share(cell.layer, &cell.matrix))
}

fn table(
    studio: Studio,
    parts: &Measured,
    dials: Memo<(f32, Turned)>,
    chosen: RwSignal<Option<Cell>>,
) -> impl IntoView + use<> {
    let largest =
        parts.cells.iter().map(|cell| cell.learngene + cell.tailor).fold(f32::MIN_POSITIVE, f32::max);
    let mut layers: Vec<Vec<Cell>> = Vec::new();
    for cell in &parts.cells {
        match layers.last_mut() {
            Some(layer) if layer[0].layer == cell.layer => layer.push(cell.clone()),
            _ => layers.push(vec![cell.clone()]),
        }
    }
    let names = layers.first().into_iter().flatten().map(|cell| cell.matrix.clone());
    let heads = names.map(|name| view! { <th scope="col">{name}</th> }).collect_view();
    let part = move |norm: f32| format!("{}%", 100.0 * norm / largest);
    let one = move |cell: Cell| {
        let (own, same) = (cell.clone(), cell.clone());
        let shared = part(cell.learngene);
        let said = cell.clone();
        let words = studio.say_of(move |words| phrases::cell(words, &said));
        let tailored = move || part(own.tailor * used(dials, &own));
        view! {
            <td>
                <button type="button" class="cell" aria-label=words
                    aria-pressed=move || (chosen.get().as_ref() == Some(&same)).to_string()
                    style:--shared=shared style:--own=tailored on:click=move |_| chosen.set(Some(cell.clone()))
                ></button>
            </td>
        }
    };
    let line = |layer: Vec<Cell>| {
        let number = layer[0].layer + 1;
        view! {
            <tr>
                <th scope="row">{studio.say_of(move |words| words.layer(&number))}</th>
                {layer.into_iter().map(one).collect_view()}
            </tr>
        }
    };
    view! {
        <table>
            <thead><tr><td></td>{heads}</tr></thead>
            <tbody>{layers.into_iter().map(line).collect_view()}</tbody>
        </table>
    }
}
