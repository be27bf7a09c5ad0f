//! Galleries: links into them, keys, renewal, and large ones.

use super::*;
use crate::page::phrases;
use crate::page::state::{NameList, Place};

#[test]
fn a_link_is_followed_by_id_or_by_name() {
    let page = Page::opened(Wish::Cpu, "#class=C,latin-capital-b&seed=3&steps=5&guidance=1.5&count=4");
    let order = page.order();
    let classes: Vec<_> = order.images.iter().filter_map(|image| image.class.as_deref()).collect();
    assert_eq!((classes[0], classes[4]), ("latin-capital-c", B));
    assert_eq!((order.images[3].seed, order.steps, order.guidance), (6, 5, 1.5));
    assert!(page.state.settings.several, "a link to several classes chooses several");
    let written = Effect::WriteLink("#v=1&class=C,B&seed=3&steps=5&guidance=1.5&count=4".into());
    assert_eq!(page.effects[0], written);
}

#[test]
fn a_link_means_the_gallery_s_class_whatever_was_taught_here_under_its_name() {
    let own = |id: &str, name: &str| ClassInfo {
        id: id.into(),
        name: name.into(),
        bytes: 9,
        stored: true,
        own: true,
    };
    let mut gallery = letters();
    gallery.classes.insert(0, own("a", "A"));
    gallery.classes.insert(0, own("A", "hut"));
    assert_eq!(gallery.find("A").map(|class| &*class.id), Some(A));
    assert_eq!(gallery.named("A").map(|class| &*class.id), Some(A));
    assert_eq!(gallery.find("hut").map(|class| &*class.id), Some("A"));
    let mut page = Page::start(Wish::Cpu, "#class=A&seed=3");
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(gallery));
    assert_eq!(page.order().images[0].class.as_deref(), Some(A));
    assert!(phrases::local(&page.state).contains("the same image"));
    page.choose("a");
    assert!(phrases::local(&page.state).contains("needs the file"));
}

#[test]
fn a_link_typed_later_is_followed_too() {
    let mut page = Page::done(Wish::Cpu);
    page.tell(Message::Link("#class=D&learngene-only".into()));
    assert_eq!(page.order().images[0].class, None);
    assert_eq!(page.state.settings.classes, ["latin-capital-d"]);
    page.tell(Message::Link("#class=D".into()));
    assert_eq!(page.order().images[0].class.as_deref(), Some("latin-capital-d"));
}

#[test]
fn a_link_to_a_class_that_is_not_there_says_so_and_stops_what_was_under_way() {
    let mut page = Page::opened(Wish::Cpu, "#class=A");
    let id = page.current();
    page.tell(Message::Link("#class=Z".into()));
    assert_eq!(page.effects, [Effect::Post(Backend::Cpu, Request::Cancel { id })]);
    assert_eq!(page.code(), Code::UnknownClass);
    assert!(page.state.failure().unwrap().sentence.contains("“Z”"));
    page.tell(Message::Remedy);
    assert_eq!(page.state.phase, Phase::Stopped);
    page.tell(Message::Generate);
    assert_eq!(page.order().images[0].class.as_deref(), Some(A), "another one is chosen");
}

#[test]
fn a_name_that_two_classes_share_is_not_written_into_a_link() {
    let mut gallery = letters();
    gallery.classes[2].name = "A".into();
    gallery.classes[3].name = "d e".into();
    let mut page = Page::start(Wish::Cpu, "#class=latin-capital-a");
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(gallery));
    assert_eq!(page.effects[0], Effect::WriteLink("#v=1&class=latin-capital-a&seed=7".into()));
    page.choose("latin-capital-d");
    assert_eq!(page.effects[1], Effect::WriteLink("#v=1&class=latin-capital-d&seed=7".into()));
}

#[test]
fn a_gallery_without_an_a_begins_with_its_first_class_and_an_empty_one_with_none() {
    let mut gallery = letters();
    gallery.classes.remove(1);
    let mut page = Page::start(Wish::Cpu, "");
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(gallery));
    assert_eq!(page.order().images[0].class.as_deref(), Some(B));
    let mut page = Page::start(Wish::Cpu, "");
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(Gallery { classes: Vec::new(), ..letters() }));
    assert_eq!(page.effects, []);
    assert!(!page.state.can_generate());
}

#[test]
fn a_key_that_nobody_vouched_for_is_a_question_and_trusting_it_opens_the_gallery() {
    let mut page = Page::start(Wish::Cpu, "");
    page.ready(Backend::Cpu);
    let asked = failure(Code::FirstUse, Remedy::Trust);
    page.hear(Backend::Cpu, Event::Failed { id: None, failure: asked });
    assert!(page.state.is_question());
    assert_eq!(page.state.word(), "failed");
    assert_eq!(page.tell(Message::Remedy), [Effect::Post(Backend::Cpu, Request::Trust)]);
    assert_eq!(page.state.phase, Phase::Starting);
    page.hear(Backend::Cpu, Event::Index(Gallery { signed: Some("ab cd".into()), ..letters() }));
    assert_eq!(page.order().images[0].class.as_deref(), Some(A));
}

#[test]
fn a_wrong_key_is_asked_about_again_unless_the_visitor_forgets_what_was_seen() {
    let mut page = Page::on(Site { key: Some("the key".into()), ..site(Wish::Cpu, "") });
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Failed { id: None, failure: failure(Code::WrongKey, Remedy::Retry) });
    let (gallery, key) = ("https://example.org/letters/".to_owned(), Some("the key".to_owned()));
    page.tell(Message::Remedy);
    let start = Request::Start { gallery: gallery.clone(), key: key.clone() };
    assert_eq!(page.effects, [Effect::Post(Backend::Cpu, start)]);
    page.hear(Backend::Cpu, Event::Failed { id: None, failure: failure(Code::WrongKey, Remedy::Retry) });
    page.tell(Message::Forget);
    assert_eq!(page.effects, [Effect::Post(Backend::Cpu, Request::Forget { gallery, key })]);
}

#[test]
fn trusting_after_the_engine_is_gone_starts_it_and_comes_to_the_same_question() {
    let mut page = Page::start(Wish::Cpu, "");
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Failed { id: None, failure: failure(Code::FirstUse, Remedy::Trust) });
    page.state.engines.cpu = None;
    page.tell(Message::Remedy);
    assert_eq!(spawned(&page.effects), [Program::CpuRelaxed]);
    page.ready(Backend::Cpu);
    assert!(matches!(page.effects[..], [Effect::Post(Backend::Cpu, Request::Start { .. })]));
}

#[test]
fn a_gallery_published_anew_is_shown_as_it_is_now_and_the_order_goes_on() {
    let mut page = Page::opened(Wish::Cpu, "#class=A");
    let id = page.current();
    for file in [File::Learngene, File::Tailor(A.into())] {
        page.hear(
            Backend::Cpu,
            Event::Loaded { file, network: 1, kept: true, preview: Vec::new(), card: Vec::new() },
        );
    }
    let mut anew = Gallery { title: "Anew".into(), learngene_stored: true, ..letters() };
    anew.classes.truncate(2);
    page.hear(Backend::Cpu, Event::Renewed(anew));
    assert_eq!(page.effects, [], "nobody orders again");
    assert_eq!(page.state.gallery.as_ref().unwrap().title, "Anew");
    assert_eq!(page.state.tiles.len(), 2);
    assert_eq!(page.state.files.iter().collect::<Vec<_>>(), [(&File::Learngene, &Place::Stored)]);
    assert_eq!(page.current(), id);
    page.finish(Backend::Cpu);
    assert_eq!(page.state.word(), "done");
}

/// A gallery that shows four classes of many.
fn large() -> Page {
    let mut page = Page::start(Wish::Cpu, "");
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(Gallery { more: true, ..letters() }));
    page.finish(Backend::Cpu);
    page
}

#[test]
fn all_names_of_a_large_gallery_are_asked_for_once_and_only_when_it_is_searched() {
    let mut page = Page::done(Wish::Cpu);
    assert_eq!(page.tell(Message::Search(None)), [], "a small gallery is known");
    let mut page = large();
    assert_eq!(page.tell(Message::Search(None)), [Effect::Post(Backend::Cpu, Request::Names)]);
    assert_eq!(page.tell(Message::Search(Some("z".into()))), []);
    assert!(page.state.tiles.is_empty());
    let names = vec![("greek-zeta".into(), "ζ".into()), (A.to_owned(), "A".into())];
    page.hear(Backend::Cpu, Event::Names(Ok(names)));
    assert_eq!(page.state.tiles.iter().map(|c| &*c.id).collect::<Vec<_>>(), ["greek-zeta"]);
    page.tell(Message::Search(Some("LATIN".into())));
    assert_eq!(page.state.tiles.len(), 4, "what is known is not found twice");
    page.choose("greek-zeta");
    assert_eq!(page.order().images[0].class.as_deref(), Some("greek-zeta"));
    let class = ClassInfo { id: "greek-zeta".into(), name: "ζ".into(), bytes: 9, stored: true, own: false };
    page.hear(Backend::Cpu, Event::Class(class.clone()));
    page.hear(Backend::Cpu, Event::Class(class));
    assert_eq!(page.state.gallery.as_ref().unwrap().classes.len(), 5, "looked up once");
    assert_eq!(page.state.files[&File::Tailor("greek-zeta".into())], Place::Stored);
}

#[test]
fn names_that_did_not_come_are_asked_for_again_and_an_order_that_went_first_is_no_failure() {
    let mut page = large();
    page.tell(Message::Search(None));
    page.hear(Backend::Cpu, Event::Names(Err(failure(Code::Cancelled, Remedy::Retry))));
    assert_eq!(page.state.names, NameList::Unasked);
    page.tell(Message::Search(Some("b".into())));
    page.hear(Backend::Cpu, Event::Names(Err(failure(Code::Missing, Remedy::Retry))));
    assert_eq!(page.state.names, NameList::Failed("It did not work.".into()));
    assert_eq!(page.tell(Message::Search(None)), [Effect::Post(Backend::Cpu, Request::Names)]);
    assert_eq!(page.state.word(), "done", "images do not depend on it");
}

#[test]
fn a_search_shows_sixty_classes_at_most() {
    let mut page = large();
    page.tell(Message::Search(Some("class".into())));
    let names = (0..200).map(|n| (format!("class-{n}"), format!("Class {n}"))).collect();
    page.hear(Backend::Cpu, Event::Names(Ok(names)));
    assert_eq!(page.state.tiles.len(), 60);
    page.tell(Message::Search(Some(String::new())));
    assert_eq!(page.state.tiles.len(), 4);
}

#[test]
fn a_class_of_a_large_gallery_may_stand_in_a_link_unseen() {
    let mut page = large();
    page.tell(Message::Link("#class=greek-zeta".into()));
    assert_eq!(page.order().images[0].class.as_deref(), Some("greek-zeta"));
}

#[test]
fn a_class_that_was_taught_here_can_be_chosen_and_goes_with_its_pack() {
    let mut page = Page::opened(Wish::Cpu, "");
    let class = ClassInfo { id: "u03be".into(), name: "ξ".into(), bytes: 9, stored: true, own: true };
    page.hear(Backend::Cpu, Event::Class(class));
    page.tell(Message::Choose { class: "u03be".into(), add: false });
    assert_eq!(page.state.settings.classes, ["u03be"]);
    assert!(page.state.tiles.iter().any(|tile| tile.own));
    page.hear(Backend::Cpu, Event::Dropped { class: "u03be".into() });
    assert!(page.state.tiles.iter().all(|tile| !tile.own), "it is nowhere else");
    page.hear(Backend::Cpu, Event::Dropped { class: A.into() });
    assert!(page.state.tiles.iter().any(|tile| tile.id == A), "a class of the gallery is still there");
}
