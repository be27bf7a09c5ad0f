//! Orders: made, stopped, failed, and made again.

use super::*;
use crate::page::program::Absence;
use crate::page::state::{Field, Place};
use crate::protocol::Wait;

#[test]
fn a_click_makes_that_class_and_writes_a_link_to_it() {
    let mut page = Page::done(Wish::Cpu);
    page.choose(B);
    let order = page.order();
    assert_eq!(order.images[0].class.as_deref(), Some(B));
    assert!(order.previews);
    assert_eq!(page.effects[0], Effect::WriteLink("#v=1&class=B&seed=7".into()));
    assert_eq!(page.state.word(), "loading", "its pack is not here yet");
}

#[test]
fn an_order_whose_files_are_all_in_the_model_starts_sampling_at_once() {
    let mut page = Page::done(Wish::Cpu);
    for file in [File::Learngene, File::Tailor(A.into())] {
        page.hear(
            Backend::Cpu,
            Event::Loaded { file, network: 0, kept: true, preview: Vec::new(), card: Vec::new() },
        );
    }
    page.tell(Message::Generate);
    assert_eq!(page.state.phase, Phase::Sampling(0, 12));
    page.choose(B);
    assert_eq!(page.state.phase, Phase::Downloading);
}

#[test]
fn another_order_stops_the_one_under_way_and_what_that_still_says_is_ignored() {
    let mut page = Page::opened(Wish::Cpu, "#class=A");
    let first = page.current();
    page.choose(B);
    let second = page.current();
    let cancel = Effect::Post(Backend::Cpu, Request::Cancel { id: first });
    assert_eq!(page.effects[0], cancel, "before the new order");
    assert!(second > first);
    for event in [
        Event::Preview { id: first, step: 11, of: 12 },
        Event::Done { id: first, ms: 1.0, ms_per_step: 1.0, before: Default::default() },
        Event::Failed { id: Some(first), failure: failure(Code::Damaged, Remedy::Retry) },
        Event::Cancelled { id: first },
    ] {
        page.hear_images(Backend::Cpu, event, &[0.0; 4]);
        assert_eq!((&page.state.phase, page.current()), (&Phase::Downloading, second));
    }
    assert!(page.state.shown.is_none());
    page.finish(Backend::Cpu);
    assert_eq!(page.state.finished().unwrap().order.images[0].class.as_deref(), Some(B));
}

#[test]
fn cancelling_stops_the_order_and_leaves_the_page_as_it_was() {
    let mut page = Page::opened(Wish::Cpu, "#class=A");
    let id = page.current();
    page.hear(Backend::Cpu, Event::Fetching { file: File::Learngene, received: 9, total: 10 });
    assert!(page.state.is_busy());
    page.tell(Message::Cancel);
    assert_eq!(page.effects, [Effect::Post(Backend::Cpu, Request::Cancel { id })]);
    assert_eq!((page.state.phase.clone(), page.state.word()), (Phase::Stopped, "done"));
    page.hear(Backend::Cpu, Event::Cancelled { id });
    assert!(page.state.files.is_empty(), "what had not come is no longer on its way");
    assert_eq!(page.tell(Message::Cancel), [], "there is nothing to stop any more");
    page.tell(Message::Generate);
    assert!(page.current() > id);
}

#[test]
fn an_order_that_failed_is_tried_again_from_where_it_broke() {
    let mut page = Page::opened(Wish::Cpu, "#class=A");
    let id = page.current();
    let failed = Event::Failed { id: Some(id), failure: failure(Code::Missing, Remedy::Retry) };
    page.hear(Backend::Cpu, failed);
    assert_eq!((page.code(), page.state.word()), (Code::Missing, "failed"));
    page.tell(Message::Remedy);
    let again = page.order();
    assert!(again.id > id);
    assert_eq!(again.images[0].class.as_deref(), Some(A));
    page.finish(Backend::Cpu);
    assert_eq!(page.state.word(), "done");
}

#[test]
fn what_needs_another_choice_goes_when_the_visitor_has_read_it() {
    let mut page = Page::opened(Wish::Cpu, "#class=A");
    let id = page.current();
    page.hear(Backend::Cpu, Event::Failed { id: Some(id), failure: failure(Code::Model, Remedy::Choose) });
    assert_eq!(page.tell(Message::Remedy), []);
    assert_eq!(page.state.phase, Phase::Stopped);
    assert_eq!(page.tell(Message::Remedy), [], "a second click finds nothing to do");
}

#[test]
fn what_only_a_reload_mends_reloads() {
    let mut page = Page::opened(Wish::Cpu, "#class=A");
    let failed = Event::Failed { id: None, failure: failure(Code::VersionTooNew, Remedy::Reload) };
    page.hear(Backend::Cpu, failed);
    assert_eq!(page.tell(Message::Remedy), [Effect::Reload]);
}

#[test]
fn a_code_of_a_newer_engine_is_shown_like_any_other() {
    let mut page = Page::opened(Wish::Cpu, "#class=A");
    let code = Code::Other("out-of-luck".into());
    let id = Some(page.current());
    page.hear(Backend::Cpu, Event::Failed { id, failure: failure(code.clone(), Remedy::Retry) });
    assert_eq!(page.code(), code);
}

#[test]
fn a_click_after_a_breakdown_starts_the_engine_and_is_not_forgotten() {
    let mut page = Page::done(Wish::Cpu);
    page.hear(Backend::Cpu, Event::Lost { failure: failure(Code::Engine, Remedy::Retry) });
    page.choose(B);
    assert_eq!(spawned(&page.effects), [Program::CpuRelaxed]);
    assert_eq!(page.state.phase, Phase::Starting);
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(letters()));
    assert_eq!(page.order().images[0].class.as_deref(), Some(B));
}

#[test]
fn an_engine_that_is_not_on_the_server_is_replaced_by_the_plain_one() {
    let mut page = Page::start(Wish::Any, "");
    page.tell(Message::NotLoaded(Program::CpuRelaxed, "404".into()));
    assert_eq!(page.effects, [Effect::Spawn(Program::Cpu)]);
    assert_eq!(page.state.phase, Phase::Starting, "nobody is told");
    // Word of the first comes late, or twice.
    assert_eq!(page.tell(Message::NotLoaded(Program::CpuRelaxed, "404".into())), []);
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(letters()));
    page.finish(Backend::Cpu);
    // Should it break down, the relaxed one is not asked for again.
    page.hear(Backend::Cpu, Event::Lost { failure: failure(Code::Panic, Remedy::Retry) });
    page.tell(Message::Remedy);
    assert_eq!(page.effects, [Effect::Spawn(Program::Cpu)]);
}

#[test]
fn the_last_engine_that_does_not_load_is_looked_into_and_named() {
    let mut page = Page::start(Wish::CpuSimd, "");
    page.tell(Message::NotLoaded(Program::Cpu, "it broke".into()));
    assert_eq!(page.effects, [Effect::Examine(Program::Cpu, "it broke".into())]);
    page.tell(Message::Examined(Program::Cpu, Absence::Missing, "it broke".into()));
    let shown = page.state.failure().unwrap().clone();
    assert!(shown.sentence.contains("engine-cpu_bg.wasm is not on the server"), "{shown:?}");
    assert_eq!((shown.code, shown.remedy, &*shown.detail), (Code::Engine, Remedy::Retry, "it broke"));
    page.tell(Message::Remedy);
    assert_eq!(page.effects, [Effect::Spawn(Program::Cpu)]);
    page.tell(Message::NotLoaded(Program::Cpu, String::new()));
    page.tell(Message::Examined(Program::Cpu, Absence::Unreachable, String::new()));
    assert!(page.state.failure().unwrap().sentence.contains("Check the connection"));
}

#[test]
fn a_browser_that_allows_no_worker_is_asked_to() {
    let mut page = Page::start(Wish::Cpu, "");
    page.tell(Message::NoWorker(Backend::Cpu));
    assert_eq!(page.code(), Code::Worker);
    page.tell(Message::Remedy);
    assert_eq!(page.effects, [Effect::Spawn(Program::CpuRelaxed)]);
}

#[test]
fn several_classes_are_chosen_and_made_together_as_a_table() {
    let mut page = Page::done(Wish::Cpu);
    let add = |class: &str| Message::Choose { class: class.into(), add: true };
    assert_eq!(page.tell(add(B)), [], "choosing several makes nothing yet");
    assert!(page.state.settings.several);
    assert_eq!(page.state.settings.classes, [A, B]);
    // From now on a plain click adds and takes away.
    page.choose("latin-capital-c");
    page.choose(A);
    assert_eq!(page.state.settings.classes, [B, "latin-capital-c"]);
    page.tell(Message::Typed(Field::Count, "4".into()));
    page.tell(Message::Generate);
    let order = page.order();
    assert_eq!(order.images.len(), 8);
    assert_eq!(order.images.iter().map(|i| i.seed).collect::<Vec<_>>(), [7, 8, 9, 10, 7, 8, 9, 10]);
    // Whatever is set meanwhile, the picture is that of the order.
    page.tell(Message::Typed(Field::Count, "1".into()));
    page.finish(Backend::Cpu);
    assert_eq!(page.state.finished().unwrap().grid.columns, 4, "one row for each class");
}

#[test]
fn nothing_chosen_is_nothing_to_make() {
    let mut page = Page::done(Wish::Cpu);
    page.tell(Message::Choose { class: A.into(), add: true });
    assert!(!page.state.can_generate());
    assert_eq!(page.tell(Message::Generate), []);
    // Nor does it hang when a failure is tried again meanwhile.
    page.hear(Backend::Cpu, Event::Failed { id: None, failure: failure(Code::Busy, Remedy::Retry) });
    assert_eq!(page.tell(Message::Remedy), []);
    assert_eq!(page.state.phase, Phase::Ready);
    page.tell(Message::LearngeneOnly(true));
    page.tell(Message::Generate);
    assert_eq!(page.order().images[0].class, None);
}

#[test]
fn a_batch_has_64_images_at_most_and_seeds_run_over_the_end() {
    let mut page = Page::done(Wish::Cpu);
    page.tell(Message::Several(true));
    for class in [B, "latin-capital-c", "latin-capital-d", "e", "f"] {
        page.choose(class);
    }
    page.tell(Message::Typed(Field::Count, "16".into()));
    page.tell(Message::Typed(Field::Seed, u64::MAX.to_string()));
    page.tell(Message::Generate);
    let images = page.order().images;
    assert_eq!(images.len(), 64);
    assert_eq!((images[0].seed, images[1].seed), (u64::MAX, 0));
}

#[test]
fn what_is_half_typed_or_out_of_bounds_changes_nothing() {
    let mut page = Page::done(Wish::Cpu);
    let before = page.state.settings.clone();
    for (field, text) in [
        (Field::Seed, ""),
        (Field::Seed, "-1"),
        (Field::Seed, "1e3"),
        (Field::Steps, "0"),
        (Field::Steps, "1001"),
        (Field::Count, "17"),
        (Field::Guidance, "NaN"),
        (Field::Guidance, "-0.1"),
        (Field::Guidance, "inf"),
    ] {
        page.tell(Message::Typed(field, text.into()));
        assert_eq!(page.state.settings, before, "{field:?} {text:?}");
    }
    page.tell(Message::Typed(Field::Guidance, "3.5".into()));
    page.tell(Message::Typed(Field::Steps, "5".into()));
    page.tell(Message::Dice(99));
    let order = page.order();
    assert_eq!((order.images[0].seed, order.steps, order.guidance), (99, 5, 3.5));
    assert_eq!(page.effects[0], Effect::WriteLink("#v=1&class=A&seed=99&steps=5&guidance=3.5".into()));
}

#[test]
fn finished_images_are_saved_under_a_name_that_says_what_they_are() {
    let mut page = Page::opened(Wish::Cpu, "#class=A");
    assert_eq!(page.tell(Message::Save), [], "they are not finished");
    page.finish(Backend::Cpu);
    let shown = page.state.finished().unwrap().clone();
    assert_eq!(
        page.tell(Message::Save),
        [Effect::Save(
            shown,
            "tailor-A-seed-7.png".into(),
            "https://example.org/letters/#v=1&class=A&seed=7".into()
        )]
    );
}

#[test]
fn a_wait_is_said_until_the_engine_speaks_again() {
    let mut page = Page::opened(Wish::Cpu, "#class=A");
    page.hear(Backend::Cpu, Event::Waiting(Wait::Server { seconds: 4 }));
    assert_eq!(page.state.waiting, Some(Wait::Server { seconds: 4 }));
    page.hear(Backend::Cpu, Event::Fetching { file: File::Learngene, received: 1, total: 2 });
    assert_eq!(page.state.waiting, None);
    assert_eq!(page.state.files[&File::Learngene], Place::Arriving(1, 2));
}

#[test]
fn an_order_waits_while_the_page_is_hidden_and_the_page_says_so_then_and_afterwards() {
    let hold = |held| Effect::Post(Backend::Cpu, Request::Hold(held));
    let mut page = Page::opened(Wish::Cpu, "#class=A");
    let id = page.current();
    page.hear_images(Backend::Cpu, Event::Preview { id, step: 1, of: 12 }, &[0.0; 4]);
    let status = |page: &Page| crate::page::words::status(&page.state);
    assert_eq!(page.tell(Message::Hidden(true)), [hold(true)]);
    assert!(status(&page).starts_with("Paused while this page is hidden."), "{}", status(&page));
    assert_eq!(page.tell(Message::Hidden(false)), [hold(false)]);
    assert!(status(&page).starts_with("This waited while the page was hidden"), "{}", status(&page));
    assert_eq!(page.current(), id, "the same order goes on");
    page.finish(Backend::Cpu);
    assert!(status(&page).starts_with("A, seed 7"), "{}", status(&page));
    page.choose(B);
    assert!(!status(&page).contains("waited"), "the next order did not wait");
}

#[test]
fn an_engine_that_comes_up_behind_a_hidden_page_is_told_so_before_anything_else() {
    let mut page = Page::start(Wish::Cpu, "#class=A");
    page.tell(Message::Hidden(true));
    page.ready(Backend::Cpu);
    assert_eq!(page.effects[0], Effect::Post(Backend::Cpu, Request::Hold(true)));
    assert!(matches!(page.effects[1], Effect::Post(Backend::Cpu, Request::Start { .. })));
}
