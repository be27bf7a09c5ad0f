//! The lesson under way, and what came of it.

use super::desk::{Desk, Message, Phase};
use super::shell::Shell;
use super::{pixels, words};
use crate::page::language::TeachWords;
use crate::teaching::CardText;
use leptos::html::Canvas;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;

/// Width and height of the line of losses.
const CHART: (f64, f64) = (300.0, 60.0);

/// Shows the buttons, the progress, the loss, and the samples.
#[component]
pub(super) fn LessonView(shell: Shell) -> impl IntoView {
    let status = shell.part(words::status);
    let phase = shell.part(|desk| desk.phase);
    let cannot = shell.part(|desk| desk.cannot_begin().is_some());
    let steps = shell.part(|desk| desk.steps);
    let classes = shell.now(|desk| desk.place.classes.clone());
    let progress = shell.part(|desk| f64::from(desk.step.0) / f64::from(desk.step.1.max(1)));
    let keeping = shell.part(|desk| desk.keeping);
    let is = move |wanted: &'static [Phase]| move || wanted.contains(&phase.get());
    let gathering = is(&[Phase::Loading, Phase::Gathering]);
    let lesson = shell.part(Desk::has_lesson);
    view! {
        {move || gathering().then(|| {
            let classes = classes.clone();
            view! {
                <details class="more">
                    <summary>{shell.say(TeachWords::teach_more)}</summary>
                    <label for="teach-steps">{shell.say(TeachWords::teach_steps)}</label>
                    <input id="teach-steps" type="number" min="1" max="10000" inputmode="numeric"
                        prop:value=move || steps.get().to_string()
                        on:input=move |e| shell.tell(Message::Steps(event_target_value(&e)))/>
                    <label for="teach-from">{shell.say(TeachWords::teach_from)}</label>
                    <select id="teach-from" on:change=move |e| shell.tell(Message::From(event_target_value(&e)))>
                        <option value="">{shell.say(TeachWords::teach_from_nothing)}</option>
                        {classes.into_iter().map(|(id, name)| view! { <option value=id>{name}</option> })
                            .collect_view()}
                    </select>
                </details>
                <button type="button" id="teach-begin" aria-describedby="teach-status" disabled=move || cannot.get()
                    on:click=move |_| shell.tell(Message::Begin)>
                    {shell.say(TeachWords::teach_begin)}
                </button>
            }
        })}
        <p id="teach-status" role="status" aria-live="polite">{move || status.get()}</p>
        {move || lesson.get().then(|| view! {
            <progress aria-label=shell.say(TeachWords::teach_progress) max="1" prop:value=move || progress.get()></progress>
            <div class="actions">
                {move || is(&[Phase::Learning])().then(|| view! {
                    <button type="button" id="teach-pause" class="plain" on:click=move |_| shell.tell(Message::Pause)>
                        {shell.say(TeachWords::teach_pause)}
                    </button>
                })}
                {move || is(&[Phase::Paused])().then(|| view! {
                    <button type="button" id="teach-go-on" on:click=move |_| shell.tell(Message::GoOn)>
                        {shell.say(TeachWords::teach_go_on)}
                    </button>
                })}
                {move || is(&[Phase::Learning, Phase::Paused])().then(|| view! {
                    <button type="button" id="teach-stop" class="plain" on:click=move |_| shell.tell(Message::Stop)>
                        {shell.say(TeachWords::teach_stop)}
                    </button>
                })}
            </div>
            {move || (!keeping.get()).then(|| view! { <p class="notice">{shell.say(TeachWords::teach_not_kept)}</p> })}
            <Loss shell/>
            <Samples shell/>
        })}
    }
}

/// Draws the loss of each step as a line.
#[component]
fn Loss(shell: Shell) -> impl IntoView {
    let line = shell.part(|desk| {
        let (width, height) = CHART;
        let losses = desk.smooth();
        let most = losses.iter().copied().fold(0.0, f64::max).max(1e-9);
        let of = f64::from(desk.step.1.max(2) - 1);
        let point = |(i, loss): (usize, &f64)| {
            format!("{:.1},{:.1}", i as f64 / of * width, height - loss / most * (height - 4.0))
        };
        losses.iter().enumerate().map(point).collect::<Vec<_>>().join(" ")
    });
    let last = shell.part(|desk| {
        let last = desk.smooth().last().copied();
        last.map(|loss| desk.words.decimal(loss, 3)).unwrap_or_default()
    });
    view! {
        <figure class="loss">
            <svg viewBox="0 0 300 60" preserveAspectRatio="none" role="img" aria-label=shell.say(TeachWords::teach_loss)>
                <polyline points=move || line.get() fill="none"></polyline>
            </svg>
            <figcaption>{shell.say(TeachWords::teach_error)} " " <output id="teach-loss">{move || last.get()}</output></figcaption>
        </figure>
    }
}

/// Shows the samples with and without the class, and the nearest picture of each.
#[component]
fn Samples(shell: Shell) -> impl IntoView {
    let alone = shell.part(|desk| desk.alone.clone());
    let samples = shell.part(|desk| desk.samples.clone());
    let step = move || samples.get().map(|(step, _)| step);
    let own = Memo::new(move |_| samples.get().map(|(_, images)| images));
    let said = shell.part(|desk| desk.words.clone());
    let nearest = shell.part(|desk| (desk.nearest.clone(), desk.taught.clone()));
    view! {
        <div class="samples">
            {move || alone.get().map(|_| view! {
                <figure>
                    <figcaption>{shell.say(TeachWords::teach_without)}</figcaption>
                    <Row shell images=alone/>
                </figure>
            })}
            {move || step().map(|_| view! {
                <figure>
                    <figcaption>{shell.part(|desk| {
                        let step = desk.samples.as_ref().map_or(0, |(step, _)| *step);
                        desk.words.teach_with(&step)
                    })}</figcaption>
                    <Row shell images=own id="teach-samples"/>
                </figure>
            })}
            {move || Some(nearest.get()).filter(|(nearest, _)| !nearest.is_empty()).map(|(nearest, taught)| {
                let pictures = nearest.iter().filter_map(|(i, _)| taught.get(*i).cloned()).collect::<Vec<_>>();
                let far = nearest.iter().map(|(_, far)| said.with(|said| words::distance(said, *far))).collect::<Vec<_>>();
                view! {
                    <figure>
                        <figcaption>{shell.say(TeachWords::teach_nearest)}</figcaption>
                        <Strip shell pictures/>
                        <ol class="far">{far.into_iter().map(|far| view! { <li>{far}</li> }).collect_view()}</ol>
                    </figure>
                }
            })}
        </div>
    }
}

#[component]
fn Row(
    shell: Shell,
    images: Memo<Option<Arc<Vec<f32>>>>,
    #[prop(optional)] id: &'static str,
) -> impl IntoView {
    let canvas: NodeRef<Canvas> = NodeRef::new();
    Effect::new(move || {
        if let (Some(images), Some(canvas)) = (images.get(), canvas.get()) {
            let (channels, side) = shell.now(|desk| (desk.place.channels, desk.place.side));
            let _ = pixels::show(&canvas, &pixels::bytes(&images, channels, side), channels, side);
        }
    });
    view! { <canvas id=id class="row" node_ref=canvas role="img" aria-label=shell.say(TeachWords::teach_four)></canvas> }
}

#[component]
fn Strip(shell: Shell, pictures: Vec<Vec<u8>>) -> impl IntoView {
    let canvas: NodeRef<Canvas> = NodeRef::new();
    Effect::new(move || {
        if let Some(canvas) = canvas.get() {
            let (channels, side) = shell.now(|desk| (desk.place.channels, desk.place.side));
            let _ = pixels::show(&canvas, &pictures, channels, side);
        }
    });
    view! { <canvas class="row" node_ref=canvas role="img" aria-label=shell.say(TeachWords::teach_nearest_pictures)></canvas> }
}

/// Shows the card to fill in, and the pack.
#[component]
pub(super) fn Outcome(shell: Shell) -> impl IntoView {
    let phase = shell.part(|desk| desk.phase);
    let card = shell.part(|desk| desk.card.clone());
    let saved = shell.part(words::saved);
    let kept = |desk: &Desk| desk.pack.as_ref().filter(|pack| pack.kept).map(|pack| pack.class.id.clone());
    let kept = shell.part(kept);
    let typed = move |set: fn(&mut CardText, String)| {
        move |event: leptos::ev::Event| {
            let mut card = card.get_untracked();
            set(&mut card, event_target_value(&event));
            shell.tell(Message::Card(card));
        }
    };
    let save = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let (samples, channels, side) =
            shell.now(|desk| (desk.samples.clone(), desk.place.channels, desk.place.side));
        spawn_local(async move {
            let images =
                samples.map(|(_, images)| pixels::bytes(&images, channels, side)).unwrap_or_default();
            let preview = pixels::png(&images, channels, side).await.filter(|_| !images.is_empty());
            shell.tell(Message::Save(preview.unwrap_or_default()));
        });
    };
    let ended = move || matches!(phase.get(), Phase::Ended | Phase::Saving);
    view! {
        {move || ended().then(|| view! {
            <form class="card" on:submit=save>
                <h3>{shell.say(TeachWords::teach_save)}</h3>
                <label for="teach-card-name">{shell.say(TeachWords::teach_card_name)}</label>
                <input id="teach-card-name" type="text" required maxlength="60" prop:value=move || card.get().name
                    on:input=typed(|card, text| card.name = text)/>
                <label for="teach-card-author">{shell.say(TeachWords::teach_card_author)}</label>
                <input id="teach-card-author" type="text" maxlength="100" prop:value=move || card.get().author
                    on:input=typed(|card, text| card.author = text)/>
                <label for="teach-card-licence">{shell.say(TeachWords::teach_card_licence)}</label>
                <input id="teach-card-licence" type="text" maxlength="100" prop:value=move || card.get().licence
                    on:input=typed(|card, text| card.licence = text)/>
                <button type="submit" id="teach-save">{shell.say(TeachWords::teach_save)}</button>
            </form>
        })}
        {move || saved.get().map(|saved| view! {
            <div class="saved">
                <p id="teach-saved" role="status">
                    {saved} " "
                    {move || kept.get().map(|class| view! {
                        <a id="teach-make" href=format!("#view=make&class={class}")>{shell.say(TeachWords::teach_make)}</a>
                    })}
                </p>
                <button type="button" id="teach-download" on:click=move |_| shell.tell(Message::Download)>
                    {shell.say(TeachWords::teach_download)}
                </button>
                <button type="button" class="plain" id="teach-another" on:click=move |_| shell.tell(Message::Another)>
                    {shell.say(TeachWords::teach_another)}
                </button>
            </div>
        })}
    }
}
