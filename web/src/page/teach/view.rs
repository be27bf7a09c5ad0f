//! The whole view.

use super::classroom::view::Together;
use super::desk::{Message, Phase};
use super::drawing::Drawing;
use super::lesson::{LessonView, Outcome};
use super::shell::Shell;
use super::taking::Taking;
use super::{Place, words};
use crate::page::language::TeachWords;
use leptos::prelude::*;

/// Shows the view.
#[component]
pub(super) fn View(place: Place) -> impl IntoView {
    let shell = Shell::start(place);
    let gathering = shell.part(|desk| !desk.has_lesson());
    let name = shell.part(|desk| desk.name.clone());
    let kept = shell.part(words::kept);
    let notice = shell.part(|desk| desk.notice.clone());
    let failure = shell.part(|desk| desk.failure.clone());
    let phase = shell.part(|desk| match desk.phase {
        Phase::Loading => "loading",
        Phase::Gathering => "gathering",
        Phase::Starting => "starting",
        Phase::Learning => "learning",
        Phase::Paused => "paused",
        Phase::Ending => "ending",
        Phase::Ended => "ended",
        Phase::Saving => "saving",
        Phase::Saved => "saved",
    });
    view! {
        <section class="teach" aria-labelledby="teach-heading" data-phase=move || phase.get()>
            <h2 id="teach-heading">{shell.say(TeachWords::teach_heading)}</h2>
            <p class="idea">{shell.say(TeachWords::teach_idea)} " " <strong>{shell.say(TeachWords::teach_private)}</strong></p>
            {move || kept.get().map(|kept| view! {
                <div class="kept" role="status">
                    <p>{kept}</p>
                    <button type="button" id="teach-resume" on:click=move |_| shell.tell(Message::GoOn)>
                        {shell.say(TeachWords::teach_go_on)}
                    </button>
                    <button type="button" class="plain" on:click=move |_| shell.tell(Message::Forget)>
                        {shell.say(TeachWords::teach_throw_away)}
                    </button>
                </div>
            })}
            {move || failure.get().map(|failure| view! {
                <div id="teach-error" role="alert" data-code=failure.code.to_string()>
                    <p>{failure.sentence}</p>
                    {(!failure.detail.is_empty()).then(|| view! {
                        <details><summary>{shell.say(|words| words.shared_details())}</summary>{failure.detail}</details>
                    })}
                    <button type="button" id="teach-again" on:click=move |_| shell.tell(Message::Again)>
                        {shell.say(|words| words.shared_try_again())}
                    </button>
                </div>
            })}
            {move || gathering.get().then(|| view! {
                <label class="name" for="teach-name">{shell.say(TeachWords::teach_name_label)}</label>
                <input id="teach-name" type="text" maxlength="60" autocomplete="off"
                    prop:value=move || name.get()
                    on:input=move |e| shell.tell(Message::Name(event_target_value(&e)))/>
                <div class="sources">
                    <Drawing shell/>
                    <Taking shell/>
                </div>
            })}
            {move || notice.get().map(|notice| view! { <p class="notice" id="teach-notice" role="alert">{notice}</p> })}
            <super::taking::Pictures shell/>
            <LessonView shell/>
            <Outcome shell/>
            <Together shell/>
        </section>
    }
}
