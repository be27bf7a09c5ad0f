//! The view's behaviour, without a browser.

use super::*;
use crate::protocol::{Code, Remedy};

fn desk() -> Desk {
    let place = Place {
        gallery: "https://example.org/letters/".into(),
        key: None,
        channels: 1,
        side: 2,
        dark: Some(true),
        mirror: false,
        classes: Vec::new(),
        programs: Vec::new(),
    };
    let mut desk = Desk::new(place);
    desk.update(Message::Heard(Event::Ready { bytes: 0 }, Values::default()));
    desk.update(Message::Heard(Event::Open { kept: None }, Values::default()));
    desk
}

fn picture(value: u8) -> Picture {
    Picture::from_planes(&[0, value, 0, 0], 2)
}

fn learning() -> Desk {
    let mut desk = desk();
    desk.update(Message::Name(" ξ ".into()));
    desk.update(Message::Add(picture(255)));
    desk.update(Message::Add(picture(200)));
    let effects = desk.update(Message::Begin);
    let [Effect::Post(Request::Begin(plan), bytes)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(
        (plan.name.as_str(), plan.steps, bytes.as_slice()),
        ("ξ", 300, &[0, 255, 0, 0, 0, 200, 0, 0][..])
    );
    desk.update(Message::Heard(Event::Begun { step: 0, of: 300, workers: 2 }, Values::default()));
    desk
}

#[test]
fn a_lesson_that_cannot_begin_says_why() {
    let mut desk = desk();
    assert_eq!(desk.cannot_begin().as_deref(), Some(&*desk.words.teach_nameless()));
    desk.update(Message::Name("cat".into()));
    assert_eq!(desk.cannot_begin().as_deref(), Some(&*desk.words.teach_no_pictures()));
    desk.update(Message::Add(picture(255)));
    assert_eq!(desk.cannot_begin().as_deref(), Some(&*desk.words.teach_one_picture()));
    desk.update(Message::Add(picture(255)));
    assert_eq!(desk.cannot_begin().as_deref(), Some(&*desk.words.teach_all_equal()));
    assert!(desk.update(Message::Begin).is_empty());
    desk.update(Message::Remove(2));
    desk.update(Message::Add(picture(9)));
    assert_eq!(desk.cannot_begin(), None);
}

#[test]
fn a_lesson_is_followed_from_its_first_step_to_its_pack() {
    let mut desk = learning();
    for step in 1..=3 {
        desk.update(Message::Heard(Event::Step { step, of: 300, loss: 1.0, ms: 100.0 }, Values::default()));
    }
    assert_eq!((desk.step, desk.seconds_left().map(f64::round)), ((3, 300), Some(30.0)));
    let images = |value: f32| Values { images: [[-1.0, value, -1.0, -1.0]; 4].concat(), bytes: Vec::new() };
    desk.update(Message::Heard(Event::Samples { step: 0 }, images(-1.0)));
    desk.update(Message::Heard(Event::Samples { step: 3 }, images(0.6)));
    assert!(desk.nearest.iter().all(|(picture, far)| *picture == 1 && *far < 0.1));
    desk.update(Message::Stop);
    desk.update(Message::Heard(Event::Ended { step: 3 }, Values::default()));
    assert_eq!((desk.phase, desk.card.name.as_str()), (Phase::Ended, "ξ"));
    let effects = desk.update(Message::Save(vec![1]));
    assert!(matches!(&effects[..], [Effect::Post(Request::Save(card), _)] if card.name == "ξ"));
    let class = ClassInfo { id: "u03be".into(), name: "ξ".into(), bytes: 3, stored: true, own: true };
    let values = Values { images: Vec::new(), bytes: vec![1, 2, 3] };
    let effects = desk.update(Message::Heard(Event::Pack { class: class.clone(), kept: true }, values));
    assert_eq!(effects[0], Effect::Tell(class));
    let effects = desk.update(Message::Download);
    assert_eq!(effects, [Effect::Download(Arc::new(vec![1, 2, 3]), "u03be.tailor".into())]);
}

#[test]
fn a_failure_loses_nothing() {
    let mut desk = learning();
    let failure = Failure::new(Code::Teaching, "Broken.", Remedy::Retry);
    // Such as a gallery of the whole class that cannot be saved: the lesson goes on.
    desk.update(Message::Heard(Event::Failed(failure.clone()), Values::default()));
    assert_eq!((desk.phase, desk.pictures.len()), (Phase::Learning, 2));
    assert!(desk.update(Message::Again).is_empty(), "the teacher has the lesson, and is not ended");
    assert_eq!((desk.phase, desk.failure.clone()), (Phase::Learning, None));
    // A step that failed: the teacher says that it waits.
    desk.update(Message::Heard(Event::Paused, Values::default()));
    desk.update(Message::Heard(Event::Failed(failure), Values::default()));
    assert_eq!(desk.phase, Phase::Paused);
    let ended = Failure::new(Code::Worker, "No worker.", Remedy::Retry);
    desk.update(Message::NoTeacher(ended));
    assert_eq!(desk.update(Message::Again), [Effect::Spawn]);
}

#[test]
fn a_lesson_that_is_kept_is_not_taken_by_another_and_goes_with_its_pictures_alone() {
    let mut desk = Desk::new(desk().place);
    let plan = Plan { name: "я".into(), from: None, mirror: true, steps: 50, every: 5, workers: 0 };
    let values = Values { images: Vec::new(), bytes: vec![0, 255, 0, 0, 0, 200, 0, 0] };
    desk.update(Message::Heard(Event::Open { kept: Some(Kept { plan, step: 20 }) }, values));
    assert!(!desk.would_lose());
    desk.update(Message::Name("cat".into()));
    desk.update(Message::Add(picture(9)));
    assert!(desk.would_lose(), "a drawing that no lesson has");
    assert_eq!(desk.cannot_begin(), Some(desk.words.teach_kept_first(&"я")));
    assert!(desk.update(Message::Begin).is_empty());
    assert_eq!(desk.update(Message::Forget), [Effect::Post(Request::Forget, Vec::new())]);
    assert_eq!(desk.pictures.len(), 1, "the visitor's own");
    desk.update(Message::Add(picture(7)));
    assert_eq!(desk.cannot_begin(), None);
}

#[test]
fn a_class_is_saved_once_and_another_one_begins_without_forgetting_what_other_tabs_keep() {
    let mut desk = learning();
    desk.update(Message::Heard(Event::Ended { step: 300 }, Values::default()));
    assert_eq!(desk.update(Message::Save(Vec::new())).len(), 1);
    assert!(desk.update(Message::Save(Vec::new())).is_empty(), "a double click");
    let class = ClassInfo { id: "u03be".into(), name: "ξ".into(), bytes: 3, stored: true, own: true };
    desk.update(Message::Heard(Event::Pack { class, kept: true }, Values::default()));
    assert!(desk.update(Message::Another).is_empty());
    assert_eq!((desk.phase, desk.pictures.len()), (Phase::Gathering, 0));
}

#[test]
fn a_page_that_the_browser_brings_back_keeps_its_drawings_and_goes_on_with_its_lesson() {
    let mut desk = desk();
    desk.update(Message::Add(picture(9)));
    assert_eq!(desk.update(Message::Back), [Effect::Spawn]);
    desk.update(Message::Heard(Event::Open { kept: None }, Values::default()));
    assert_eq!((desk.phase, desk.pictures.len()), (Phase::Gathering, 1));
    let mut desk = learning();
    assert_eq!(desk.update(Message::Back), [Effect::Spawn]);
    let plan = Plan { name: "ξ".into(), from: None, mirror: false, steps: 300, every: 25, workers: 0 };
    let kept = Some(Kept { plan, step: 2 });
    let effects = desk.update(Message::Heard(Event::Open { kept }, Values::default()));
    assert_eq!(effects[0], Effect::Post(Request::GoOn, Vec::new()));
}

#[test]
fn a_lesson_that_is_kept_is_offered_and_goes_on_with_its_pictures() {
    let mut desk = Desk::new(desk().place);
    let plan = Plan { name: "я".into(), from: None, mirror: true, steps: 50, every: 5, workers: 0 };
    let kept = Some(Kept { plan, step: 20 });
    let values = Values { images: Vec::new(), bytes: vec![0, 255, 0, 0, 0, 200, 0, 0] };
    desk.update(Message::Heard(Event::Open { kept }, values));
    assert_eq!(desk.pictures.len(), 2);
    assert_eq!(desk.update(Message::GoOn), [Effect::Post(Request::GoOn, Vec::new())]);
    assert_eq!((desk.name.as_str(), desk.mirror, desk.taught.len()), ("я", true, 2));
}

#[test]
fn there_is_an_end_to_pictures() {
    let mut desk = desk();
    (0..MOST + 1).for_each(|_| drop(desk.update(Message::Add(picture(3)))));
    assert_eq!((desk.pictures.len(), desk.notice.clone()), (MOST, Some(desk.words.teach_too_many(&MOST))));
}

#[test]
fn a_lesson_waits_while_the_page_is_hidden_and_says_so_then_and_afterwards() {
    let mut desk = learning();
    let effects = desk.update(Message::Hidden(true));
    assert_eq!(effects, [Effect::Post(Request::Hold(true), Vec::new())]);
    assert_eq!(super::super::words::status(&desk), desk.words.teach_hidden());
    assert_eq!(desk.notice, None);
    let effects = desk.update(Message::Hidden(false));
    assert_eq!(effects, [Effect::Post(Request::Hold(false), Vec::new())]);
    assert_eq!(desk.notice, Some(desk.words.teach_shown_again()));
    assert_eq!(desk.phase, Phase::Learning);
}

#[test]
fn a_teacher_that_breaks_down_is_started_again_once_and_goes_on_from_what_is_kept() {
    let failure = || Failure::new(Code::Engine, "It broke down.", Remedy::Retry);
    let mut desk = learning();
    for step in 1..=4 {
        desk.update(Message::Heard(Event::Step { step, of: 300, loss: 1.0, ms: 9.0 }, Values::default()));
    }
    let taught = desk.taught.clone();
    assert_eq!(desk.update(Message::BrokeDown(failure())), [Effect::Spawn]);
    desk.update(Message::Heard(Event::Ready { bytes: 0 }, Values::default()));
    let plan = Plan { name: "ξ".into(), from: None, mirror: false, steps: 300, every: 25, workers: 0 };
    let kept = Some(Kept { plan, step: 2 });
    let effects = desk.update(Message::Heard(Event::Open { kept }, Values::default()));
    assert_eq!(effects[0], Effect::Post(Request::GoOn, Vec::new()));
    assert_eq!(desk.notice, Some(desk.words.teach_again_from(&2)));
    desk.update(Message::Heard(Event::Begun { step: 2, of: 300, workers: 2 }, Values::default()));
    assert_eq!((desk.phase, desk.losses.len(), &desk.taught), (Phase::Learning, 2, &taught));
    assert!(desk.update(Message::BrokeDown(failure())).is_empty(), "not a third time");
    assert_eq!(desk.failure, Some(failure()));
}

#[test]
fn a_lesson_that_was_not_kept_is_begun_anew_when_the_teacher_breaks_down() {
    let mut desk = learning();
    let failure = Failure::new(Code::Panic, "It broke down.", Remedy::Retry);
    assert_eq!(desk.update(Message::Heard(Event::Failed(failure), Values::default())), [Effect::Spawn]);
    desk.update(Message::Heard(Event::Ready { bytes: 0 }, Values::default()));
    let effects = desk.update(Message::Heard(Event::Open { kept: None }, Values::default()));
    let [Effect::Post(Request::Begin(plan), pictures), ..] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((plan.name.as_str(), pictures.len()), ("ξ", 8));
}
