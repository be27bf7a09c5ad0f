//! Files on this device: arriving, kept, not kept, removed.

use super::*;
use crate::page::state::Place;
use crate::page::words::rows;

#[test]
fn what_is_on_this_device_from_an_earlier_visit_is_shown_at_once() {
    let mut gallery = Gallery { learngene_stored: true, ..letters() };
    gallery.classes[0].stored = true;
    gallery.classes[1].stored = true;
    let mut page = Page::start(Wish::Cpu, "");
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(gallery));
    let places: Vec<_> = page.state.files.values().collect();
    assert_eq!(places, [&Place::Stored; 3]);
    let rows = rows(&page.state);
    let names: Vec<&str> = rows.iter().map(|row| &*row.name).collect();
    assert_eq!(names, ["Learngene", "Tailor B", "Tailor A"], "in the order of the gallery");
}

#[test]
fn a_full_storage_costs_the_keeping_and_not_the_image() {
    let mut page = Page::opened(Wish::Cpu, "#class=A");
    for file in [File::Learngene, File::Tailor(A.into())] {
        page.hear(
            Backend::Cpu,
            Event::Loaded { file, network: 36_000, kept: false, preview: Vec::new(), card: Vec::new() },
        );
    }
    page.finish(Backend::Cpu);
    assert_eq!(page.state.word(), "done");
    assert_eq!(page.state.files[&File::Learngene], Place::Loaded(false));
    let row = rows(&page.state).remove(1);
    assert_eq!((&*row.name, row.bytes, row.removable.as_deref()), ("Tailor A", 36_000, Some(A)));
    assert!(crate::page::words::place(&page.state.words, row.place).contains("not kept"));
    // It is in the model all the same, so the next order samples at once.
    page.tell(Message::Generate);
    assert_eq!(page.state.phase, Phase::Sampling(0, 12));
}

#[test]
fn a_file_says_who_made_it_and_of_what() {
    let mut page = Page::opened(Wish::Cpu, "#class=A");
    let card = [("authors", "Ada, Bob"), ("licence", "CC-BY-4.0"), ("agreement", "0.99")];
    let card = card.map(|(name, said)| (name.to_owned(), said.to_owned())).to_vec();
    let file = File::Tailor(A.into());
    page.hear(Backend::Cpu, Event::Loaded { file, network: 1, kept: true, preview: Vec::new(), card });
    let card = rows(&page.state).remove(0).card.unwrap();
    let said = crate::page::words::card(&page.state.words, &card);
    let said: Vec<_> = said.iter().map(|(what, words)| (&**what, &**words)).collect();
    assert_eq!(said, [("Made by", "Ada, Bob"), ("Licence", "CC-BY-4.0"), ("agreement", "0.99")]);
}

#[test]
fn a_class_that_was_removed_is_gone_and_must_come_again() {
    let mut page = Page::opened(Wish::Cpu, "#class=A");
    for file in [File::Learngene, File::Tailor(A.into()), File::List] {
        page.hear(
            Backend::Cpu,
            Event::Loaded { file, network: 1, kept: true, preview: Vec::new(), card: Vec::new() },
        );
    }
    page.finish(Backend::Cpu);
    assert_eq!(rows(&page.state).len(), 2, "a list is no file that a visitor cares for");
    page.tell(Message::Remove(A.into()));
    page.hear(Backend::Cpu, Event::Dropped { class: A.into() });
    assert!(!page.state.files.contains_key(&File::Tailor(A.into())));
    page.tell(Message::Generate);
    assert_eq!(page.state.phase, Phase::Downloading);
}

#[test]
fn a_file_on_its_way_can_not_be_removed() {
    let mut page = Page::opened(Wish::Cpu, "#class=A");
    let file = File::Tailor(A.into());
    page.hear(Backend::Cpu, Event::Fetching { file: file.clone(), received: 5, total: 10 });
    assert_eq!(rows(&page.state)[0].removable, None);
    page.hear(Backend::Cpu, Event::Fetching { file: File::Learngene, received: 20, total: 90 });
    assert_eq!(page.state.arriving(), Some((25, 100)));
    let id = Some(page.current());
    page.hear(Backend::Cpu, Event::Failed { id, failure: failure(Code::Stalled, Remedy::Retry) });
    assert_eq!(page.state.files.len(), 0, "a failed order leaves nothing on its way");
}

#[test]
fn the_browser_is_asked_to_keep_files_only_when_the_visitor_wants_it() {
    let mut page = Page::start(Wish::Cpu, "");
    assert_eq!(page.effects[0], Effect::AskPersistent);
    page.tell(Message::Persistent(Some(false)));
    assert_eq!(page.state.persistent, Some(false));
    assert_eq!(page.tell(Message::Persist), [Effect::Persist]);
    page.tell(Message::Persistent(Some(true)));
    assert_eq!(page.state.persistent, Some(true));
}
