//! The page's language: chosen by the browser, switched by the visitor.

use super::*;
use crate::page::language::Language;
use crate::page::{phrases, words};

const GERMAN_FILE: &str = include_str!("../../../locales/de.ftl");
const SPANISH_FILE: &str = include_str!("../../../locales/es.ftl");

fn language(code: &str) -> Language {
    Language::find(code).unwrap()
}

#[test]
fn a_browser_that_speaks_german_has_the_page_fetch_its_words_first() {
    let german = language("de");
    let mut page = Page::on(Site { language: german, ..site(Wish::Cpu, "#class=A") });
    assert!(page.effects.contains(&Effect::FetchWords(german)));
    assert_eq!(words::status(&page.state), "Loading the engine…", "English until they are there");
    assert_eq!(page.tell(Message::Words(german, Some(GERMAN_FILE.into()))), []);
    assert_eq!(words::status(&page.state), "Die Engine wird geladen…");
    let page = Page::start(Wish::Cpu, "");
    assert!(!page.effects.iter().any(|effect| matches!(effect, Effect::FetchWords(_))), "not for English");
}

#[test]
fn the_switch_changes_the_words_and_is_remembered() {
    let mut page = Page::done(Wish::Cpu);
    let (german, spanish) = (language("de"), language("es"));
    let asked = [Effect::KeepLanguage(german), Effect::FetchWords(german)];
    assert_eq!(page.tell(Message::SetLanguage(german)), asked);
    assert_eq!(words::status(&page.state), "A, seed 7: 0.2 s, 20 ms a step.");
    page.tell(Message::Words(german, Some(GERMAN_FILE.into())));
    assert_eq!(words::status(&page.state), "A, Startwert 7: 0,2 s, 20 ms je Schritt.");
    assert_eq!(page.state.words.generate(), "Erzeugen");
    assert!(phrases::total(&page.state).starts_with("Hier wird noch nichts aufbewahrt"));
    page.tell(Message::SetLanguage(spanish));
    page.tell(Message::SetLanguage(Language::ENGLISH));
    assert_eq!(page.effects, [Effect::KeepLanguage(Language::ENGLISH)]);
    page.tell(Message::Words(spanish, Some(SPANISH_FILE.into())));
    assert_eq!(page.state.words.generate(), "Generate", "words that come too late change nothing");
}

#[test]
fn a_language_whose_words_do_not_come_leaves_the_page_as_it_was() {
    for answer in [None, Some("<!doctype html>".to_owned())] {
        let mut page = Page::done(Wish::Cpu);
        page.tell(Message::SetLanguage(language("es")));
        page.tell(Message::Words(language("es"), answer));
        assert_eq!(page.state.language, Language::ENGLISH);
        assert!(page.state.notice.as_ref().unwrap().contains("did not arrive"));
        assert_eq!(page.state.words.generate(), "Generate");
    }
}

#[test]
fn a_failure_of_the_engine_is_told_in_the_visitors_language() {
    let mut page = Page::opened(Wish::Cpu, "#class=A");
    page.tell(Message::SetLanguage(language("de")));
    page.tell(Message::Words(language("de"), Some(GERMAN_FILE.into())));
    let failure = Failure { subject: "index.json".into(), ..failure(Code::Stalled, Remedy::Retry) };
    page.hear(Backend::Cpu, Event::Failed { id: None, failure });
    let shown = page.state.failure().unwrap();
    assert!(shown.sentence.starts_with("index.json wurde nicht heruntergeladen"), "{shown:?}");
    assert_eq!(shown.detail, "It did not work.");
    assert_eq!(words::status(&page.state), "Das hat nicht geklappt.");
}
