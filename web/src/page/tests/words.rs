//! What the page says.

use super::*;
use crate::page::language::Words;
use crate::page::state::{Field, Place};
use crate::page::words;
use crate::protocol::Wait;

#[test]
fn the_status_says_what_goes_on() {
    let mut page = Page::start(Wish::Cpu, "#class=A");
    assert_eq!(words::status(&page.state), "Loading the engine…");
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(letters()));
    assert_eq!(words::status(&page.state), "Downloading what these images need…");
    page.hear(Backend::Cpu, Event::Waiting(Wait::Server { seconds: 3 }));
    assert!(words::status(&page.state).ends_with("Trying again in 3 s…"));
    page.hear(Backend::Cpu, Event::Fetching { file: File::Learngene, received: 1_200_000, total: 2_400_000 });
    assert_eq!(words::step(&page.state), "1.20 MB of 2.40 MB");
    let id = page.current();
    page.hear(Backend::Cpu, Event::Preview { id, step: 3, of: 12 });
    assert_eq!(words::status(&page.state), "Making images out of noise…");
    assert_eq!(words::step(&page.state), "step 3 of 12");
    page.finish(Backend::Cpu);
    assert_eq!(words::status(&page.state), "A, seed 7: 0.2 s, 20 ms a step.");
    assert_eq!((words::step(&page.state), words::picture(&page.state)), ("".into(), "A, seed 7".into()));
    page.hear(Backend::Cpu, Event::Failed { id: None, failure: failure(Code::Busy, Remedy::Retry) });
    assert_eq!(words::status(&page.state), "That did not work.");
    page.hear(Backend::Cpu, Event::Failed { id: None, failure: failure(Code::FirstUse, Remedy::Trust) });
    assert_eq!(words::status(&page.state), "A question first.");
}

#[test]
fn a_caption_names_classes_and_seeds() {
    let page = Page::opened(Wish::Cpu, "#class=A,B&count=4&seed=3");
    assert_eq!(words::caption(&page.state, &page.order()), "A B, seeds 3 to 6");
    let page = Page::opened(Wish::Cpu, "#learngene-only&seed=3");
    assert_eq!(words::caption(&page.state, &page.order()), "learngene alone, seed 3");
}

#[test]
fn an_unsigned_gallery_of_the_pages_own_site_is_no_stranger() {
    let page = Page::opened(Wish::Cpu, "#class=A");
    let (label, more) = words::signed(&page.state);
    assert!(label == "unsigned" && more.contains("same site"), "{more}");
    let mut page = Page::on(Site { own: false, ..site(Wish::Cpu, "") });
    assert_eq!(words::signed(&page.state), Default::default());
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(letters()));
    let said = ("unsigned".into(), "Nobody has signed this gallery.".into());
    assert_eq!(words::signed(&page.state), said);
    page.hear(Backend::Cpu, Event::Renewed(Gallery { signed: Some("ab cd".into()), ..letters() }));
    assert_eq!(words::signed(&page.state).0, "signed ✓");
}

#[test]
fn the_idea_is_told_in_the_gallerys_own_numbers() {
    let page = Page::start(Wish::Cpu, "");
    assert_eq!(words::idea(&page.state), "One model that comes apart.");
    let page = Page::opened(Wish::Cpu, "#class=A");
    let said = "All 4 classes share one learngene (2.40 MB), which is downloaded once.";
    assert_eq!(words::idea(&page.state), said);
}

#[test]
fn the_hint_beside_the_classes_says_what_a_click_does() {
    let mut page = Page::done(Wish::Cpu);
    assert_eq!(words::hint(&page.state), "A click makes an image of that class.");
    page.tell(Message::Several(true));
    assert_eq!(words::hint(&page.state), "1 chosen; then Generate.");
    for class in [B, "latin-capital-c", "latin-capital-d", "e"] {
        page.choose(class);
    }
    page.tell(Message::Typed(Field::Count, "16".into()));
    assert_eq!(words::hint(&page.state), "5 chosen; the first 4 are made.");
}

#[test]
fn a_tile_tells_whether_its_pack_is_here() {
    let english = Words::english();
    assert_eq!(words::here(&english, None), "");
    assert_eq!(words::here(&english, Some(Place::Arriving(1, 2))), "");
    assert_eq!(words::here(&english, Some(Place::Loaded(false))), ", on this device");
}

#[test]
fn only_what_this_device_remembers_can_be_forgotten() {
    let forgettable: Vec<&str> =
        Code::KNOWN.iter().filter(|code| words::is_of_trust(code)).map(Code::name).collect();
    let expected = ["index-rolled-back", "signature-missing", "wrong-key", "index-replaced", "other-gallery"];
    assert_eq!(forgettable, expected);
}
