//! The views: words, dials, films, links, pictures and history.

use super::*;
use crate::link::{Link, Show, View};
use crate::page::plan;
use crate::page::state::{Field, Settings};
use crate::page::word::{self, Sign};
use crate::page::{phrases, png, words};
use crate::protocol::{Cell, Parts, Turned, Wanted};

/// The classes of an order's images with their weights.
fn gates(order: &Order) -> Vec<Vec<(String, f32)>> {
    order.images.iter().map(Wanted::weights).collect()
}

fn later(page: &Page) -> Message {
    match &page.effects[..] {
        [Effect::Later(_, message)] => message.clone(),
        other => panic!("{other:?}"),
    }
}

fn files_arrive(page: &mut Page) {
    for file in [File::Learngene, File::Tailor(A.into()), File::Tailor(B.into())] {
        page.hear(
            Backend::Cpu,
            Event::Loaded { file, network: 1, kept: true, preview: Vec::new(), card: Vec::new() },
        );
    }
}

#[test]
fn a_gallery_of_letters_opens_with_a_word_and_another_one_with_its_classes() {
    let page = Page::opened(Wish::Cpu, "");
    assert_eq!((page.state.settings.view, &*page.state.settings.word), (View::Word, "A"), "it has no H");
    let mut gallery = letters();
    gallery.classes.iter_mut().for_each(|class| class.name = format!("class {}", class.name));
    let mut page = Page::start(Wish::Cpu, "#view=word&word=AB");
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(gallery));
    assert_eq!(page.state.settings.view, View::Make);
    assert_eq!(
        words::tabs(&page.state),
        [View::Make, View::Apart, View::Teach, View::Device],
        "no word of classes that are no signs"
    );
}

#[test]
fn a_word_asks_for_each_letter_once_from_one_seed_when_the_visitor_rests() {
    let mut page = Page::opened(Wish::Cpu, "#view=word&word=B&seed=3");
    page.finish(Backend::Cpu);
    page.tell(Message::Word("AB".into()));
    let early = later(&page);
    page.tell(Message::Word("ABBA C".into()));
    let rested = later(&page);
    assert_eq!(page.tell(early), [], "there was more to come");
    page.tell(rested);
    let order = page.order();
    assert_eq!(
        order.images.iter().map(|i| i.class.as_deref().unwrap()).collect::<Vec<_>>(),
        [A, B, "latin-capital-c"]
    );
    assert!(order.images.iter().all(|image| image.seed == 3));
    assert_eq!(page.effects[0], Effect::WriteLink("#v=1&view=word&word=ABBA%20C&seed=3".into()));
    page.finish(Backend::Cpu);
    let grid = &page.state.finished().unwrap().grid;
    let letter = |n| Some(n);
    assert_eq!(grid.places, [letter(0), letter(1), letter(1), letter(0), None, letter(2)]);
    assert_eq!(words::status(&page.state), "“ABBA C”, seed 3: 0.2 s, 20 ms a step.");
    page.tell(Message::Save);
    assert!(matches!(&page.effects[..], [Effect::Save(_, name, _)] if name == "tailor-ABBA-C-seed-3.png"));
}

#[test]
fn signs_without_a_pack_are_named_once_and_leave_a_place_free() {
    let mut page = Page::opened(Wish::Cpu, "#view=word&word=A");
    page.tell(Message::Word("Aé👩‍🚀e\u{301} 🇩🇪é".into()));
    let said = phrases::missing(&page.state).unwrap();
    assert_eq!(said, "There are no packs for é 👩‍🚀 e\u{301} and 🇩🇪.");
    let rested = later(&page);
    page.tell(rested);
    assert_eq!(gates(&page.order()), [[(A.to_owned(), 1.0)]]);
    page.tell(Message::Word("é".into()));
    assert_eq!(phrases::missing(&page.state).unwrap(), "There is no pack for é.");
    let rested = later(&page);
    page.tell(rested);
    assert_eq!(page.orders(), [], "there is nothing to draw");
    assert_eq!(
        (page.state.current.is_none(), page.state.shown.is_none()),
        (true, true),
        "no image of another word"
    );
    assert!(page.state.site.hash.contains("word=%C3%A9"));
}

#[test]
fn a_word_that_is_cleared_leaves_its_image_and_the_link_to_it() {
    let mut page = Page::opened(Wish::Cpu, "#view=word&word=A");
    page.finish(Backend::Cpu);
    let hash = page.state.site.hash.clone();
    page.tell(Message::Word(" ".into()));
    let rested = later(&page);
    page.tell(rested);
    assert!(page.state.finished().is_some());
    assert_eq!(page.state.site.hash, hash);
}

#[test]
fn a_view_that_is_opened_before_the_gallery_is_the_one_that_is_shown() {
    let mut page = Page::start(Wish::Cpu, "#class=B&seed=3");
    page.tell(Message::Open(View::Apart));
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(letters()));
    assert_eq!((page.state.settings.view, page.state.settings.seed), (View::Apart, 3));
    assert_eq!(page.state.settings.classes, [B]);
}

#[test]
fn numbers_that_are_typed_before_the_gallery_is_open_are_not_lost() {
    let mut page = Page::start(Wish::Cpu, "#class=B&seed=3");
    page.tell(Message::Typed(Field::Steps, "9".into()));
    page.tell(Message::Dice(41));
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(letters()));
    let order = page.order();
    assert_eq!((order.images[0].seed, order.images[0].class.as_deref(), order.steps), (41, Some(B), 9));
}

#[test]
fn long_lines_wrap_between_words_and_inside_a_word_only_where_they_must() {
    let gallery = letters();
    let lines = |text: &str| {
        let sign = |sign: &Sign| match sign {
            Sign::Letter(class) => class.chars().last().unwrap(),
            Sign::Gap => '_',
            Sign::Missing(_) => '?',
        };
        word::lines(&word::signs(&gallery, text))
            .iter()
            .map(|line| line.iter().map(sign).collect::<String>())
            .collect::<Vec<_>>()
    };
    assert_eq!(lines("  AB   CD "), ["ab_cd"]);
    assert_eq!(lines("ABCDABCDAB CD"), ["abcdabcdab", "cd"]);
    assert_eq!(lines("ABCDA BCDA ABCDABCDABCDA"), ["abcda_bcda", "abcdabcdab", "cda"]);
    assert_eq!(lines("   "), [""; 0]);
    assert_eq!(lines(&"A".repeat(30)).len(), 3);
}

#[test]
fn the_image_follows_a_dial_one_order_after_the_other_with_the_last_place_it_was_at() {
    let mut page = Page::opened(Wish::Cpu, "#view=apart&class=A");
    files_arrive(&mut page);
    page.finish(Backend::Cpu);
    let dial = |weight, done| Message::Dial { class: A.into(), weight, done };
    page.tell(dial(0.5, false));
    assert_eq!(gates(&page.order()), [[(A.to_owned(), 0.5)]]);
    assert!(!page.order().previews && !page.order().trace, "only the last image is of interest");
    assert_eq!(page.tell(dial(0.4, false)), [], "the one under way is not thrown away");
    assert_eq!(page.tell(dial(0.3, false)), []);
    page.finish(Backend::Cpu);
    assert_eq!(gates(&page.order()), [[(A.to_owned(), 0.3)]]);
    assert_eq!(words::status(&page.state), "A at 30 %, seed 7.");
    let id = page.current();
    page.tell(dial(0.3, true));
    assert!(page.effects.contains(&Effect::Post(Backend::Cpu, Request::Cancel { id })));
    assert!(page.order().trace, "where the dial stays, the steps are shown");
    page.finish(Backend::Cpu);
    assert_eq!(page.orders(), []);
    assert_eq!(page.state.history.len(), 2, "what a dial passed is not kept");
    page.tell(dial(7.0, true));
    assert_eq!(gates(&page.order()), [[(A.to_owned(), 1.0)]]);
}

#[test]
fn layers_matrices_and_the_label_are_turned_down_and_up_again() {
    let mut page = Page::opened(Wish::Cpu, "#view=apart&class=A");
    assert!(page.order().parts.is_nothing());
    let named = |part: &String| phrases::part(&page.state.words, part);
    let names: Vec<String> = plan::parts(page.state.gallery.as_ref().unwrap()).iter().map(named).collect();
    assert_eq!(names, ["Layer 1", "Layer 2", "qkv", "out", "Label"]);
    let turn = |part: &str, share, done| Message::Part { part: part.into(), share, done };
    page.finish(Backend::Cpu);
    page.tell(turn("2", 0.5, false));
    assert_eq!(page.order().parts.0, [("2".to_owned(), 0.5)].into());
    assert_eq!(page.tell(turn("qkv", 0.2, false)), [], "the one under way is not thrown away");
    page.finish(Backend::Cpu);
    let parts = page.order().parts;
    assert!((parts.share(1, "qkv") - 0.1).abs() < 1e-6, "both act on the matrix: {parts:?}");
    assert_eq!((parts.share(0, "qkv"), parts.share(0, "out"), parts.of(Turned::LABEL)), (0.2, 1.0, 1.0));
    page.tell(turn("2", f32::NAN, false));
    page.tell(turn("qkv", 0.2, true));
    assert!(page.order().trace, "where the dial stays, the steps are shown");
    assert_eq!(page.state.site.hash, "#v=1&view=apart&class=A&part=2:0.5,qkv:0.2&seed=7");
    assert_eq!(words::caption(&page.state, &page.order()), "A, turned down in parts, seed 7");
    assert_eq!(Page::opened(Wish::Cpu, &page.state.site.hash.clone()).order().parts, page.order().parts);
    let elsewhere = Page::opened(Wish::Cpu, "#view=apart&class=A&part=3:0.5,adaln:0");
    assert!(elsewhere.order().parts.is_nothing(), "what this gallery has not is nothing to turn");
    page.tell(Message::Show(Show::Classes));
    assert!(page.order().parts.is_nothing(), "each class with its whole tailor");
    page.tell(Message::Open(View::Make));
    assert!(page.order().parts.is_nothing());
    page.tell(Message::Open(View::Apart));
    page.tell(Message::Show(Show::Dial));
    assert!(!page.order().parts.is_nothing());
    page.tell(Message::Whole);
    assert!(page.order().parts.is_nothing());
    assert_eq!(page.state.site.hash, "#v=1&view=apart&class=A&seed=7");
}

#[test]
fn two_classes_mix_and_the_learngene_stands_beside_the_dialled_image() {
    let mut page = Page::opened(Wish::Cpu, "#view=apart&class=A");
    page.tell(Message::Pair(1, B.into()));
    assert_eq!(gates(&page.order()), [[(A.to_owned(), 0.5), (B.to_owned(), 0.5)]]);
    page.tell(Message::Show(Show::Beside));
    assert_eq!(gates(&page.order()), [vec![], vec![(A.to_owned(), 0.5), (B.to_owned(), 0.5)]]);
    assert_eq!(
        words::caption(&page.state, &page.order()),
        "learngene alone, A at 50 % with B at 50 %, seed 7"
    );
    page.tell(Message::Pair(1, String::new()));
    assert_eq!(gates(&page.order()), [vec![], vec![(A.to_owned(), 1.0)]]);
    page.tell(Message::Pair(1, A.into()));
    assert_eq!(page.state.settings.classes, [A], "a class is not mixed with itself");
    let choice = phrases::show(&page.state, Show::Classes);
    assert_eq!(choice, "4 classes from one seed (0.14 MB to download)");
    page.tell(Message::Show(Show::Classes));
    let order = page.order();
    assert_eq!((order.images.len(), order.trace), (4, false));
    assert!(order.images.iter().all(|image| image.seed == 7));
}

#[test]
fn two_classes_that_come_from_elsewhere_are_mixed_half_and_half_too() {
    let half = vec![(A.to_owned(), 0.5), (B.to_owned(), 0.5)];
    let mut page = Page::opened(Wish::Cpu, "#view=apart&class=A,B");
    assert_eq!(gates(&page.order()), std::slice::from_ref(&half));
    for class in [A, B] {
        page.tell(Message::Dial { class: class.into(), weight: 1.0, done: true });
    }
    let link = page.state.site.hash.clone();
    assert_eq!(link, "#v=1&view=apart&class=A,B&dial=A:1,B:1&seed=7");
    let whole = vec![(A.to_owned(), 1.0), (B.to_owned(), 1.0)];
    assert_eq!(gates(&Page::opened(Wish::Cpu, &link).order()), [whole]);
    let mut page = Page::opened(Wish::Cpu, "#class=A,B");
    page.tell(Message::Open(View::Apart));
    assert_eq!(gates(&page.order()), [half]);
}

#[test]
fn the_steps_of_a_run_are_kept_and_played() {
    let mut page = Page::opened(Wish::Cpu, "#view=apart&class=A");
    let id = page.current();
    for step in 1..=3 {
        let values: Vec<f32> = [[0.1 * step as f32; 4], [0.5; 4]].concat();
        page.hear_images(Backend::Cpu, Event::Preview { id, step, of: 3 }, &values);
    }
    assert_eq!(
        page.state.shown.as_ref().unwrap().grid.values,
        [0.5; 4],
        "the picture shows what is predicted"
    );
    page.finish(Backend::Cpu);
    assert_eq!((page.state.film.frames.len(), page.state.film.at), (3, 2));
    page.tell(Message::Play);
    assert_eq!(page.state.film.at, 0, "from its beginning");
    let tick = later(&page);
    page.tell(tick.clone());
    assert_eq!(page.state.film.at, 1);
    page.tell(Message::Seek(9));
    assert_eq!((page.state.film.at, page.state.film.playing), (2, None));
    assert_eq!(page.tell(tick), [], "it no longer plays");
    page.tell(Message::Typed(Field::Seed, "8".into()));
    page.tell(Message::Generate);
    assert!(page.state.film.frames.is_empty(), "another run has other steps");
}

#[test]
fn tabs_make_what_they_show_unless_it_is_there_already() {
    let mut page = Page::done(Wish::Cpu);
    page.tell(Message::Open(View::Device));
    assert_eq!(page.effects, [Effect::WriteLink("#v=1&view=device&class=A&seed=7".into()), Effect::AskRoom]);
    assert_eq!(page.state.word(), "done");
    page.tell(Message::Open(View::Make));
    assert_eq!(page.orders(), [], "its image is still there");
    page.tell(Message::Open(View::Word));
    assert_eq!(page.order().images.len(), 1);
}

#[test]
fn parts_are_asked_for_and_their_formula_is_said_with_its_numbers() {
    let mut page = Page::opened(Wish::Cpu, "#view=apart&class=A");
    let asked = [Effect::Post(Backend::Cpu, Request::Parts { class: A.into() })];
    assert_eq!(page.tell(Message::Parts), asked);
    let cell = Cell { layer: 1, matrix: "qkv".into(), learngene: 3.0, tailor: 2.0 };
    let parts = Parts { class: A.into(), cells: vec![cell.clone()] };
    page.hear(Backend::Cpu, Event::Parts(Ok(parts.clone())));
    assert_eq!(page.state.measured(), Some(&Ok(parts)));
    page.tell(Message::Open(View::Make));
    page.choose(B);
    page.tell(Message::Open(View::Apart));
    assert_eq!(page.state.measured(), None, "what was measured of A says nothing about B");
    page.tell(Message::Pair(0, A.into()));
    let said = phrases::formula(&crate::page::language::Words::english(), &cell, 0.5);
    assert!(said.starts_with("Layer 2, qkv: y = x·L + 0.50·x·T + b.") && said.contains("25 %"), "{said}");
    page.hear(Backend::Cpu, Event::Parts(Err(failure(Code::Missing, Remedy::Retry))));
    assert_eq!(page.state.parts, Some(Err("It did not work.".into())));
}

#[test]
fn a_saved_picture_restores_its_settings_and_one_of_another_gallery_goes_there() {
    let mut page = Page::done(Wish::Cpu);
    let pixel = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55";
    let saved = |gallery: &str| png::write(pixel, &png::settings(gallery, "#v=1&class=B&seed=9"));
    page.tell(Message::File(saved("https://example.org/letters/")));
    assert_eq!(gates(&page.order()), [[(B.to_owned(), 1.0)]]);
    assert_eq!(page.state.settings.seed, 9);
    page.tell(Message::File(saved("https://example.org/other/")));
    let there = Effect::Go("https://example.org/other/".into(), "#v=1&class=B&seed=9".into());
    assert_eq!(page.effects, [there]);
    page.tell(Message::File(pixel.to_vec()));
    assert!(page.state.notice.as_ref().unwrap().contains("holds no settings"));
    page.tell(Message::Noticed);
    assert_eq!(page.state.notice, None);
}

#[test]
fn the_history_brings_back_an_image_and_its_settings_without_making_it_again() {
    let mut page = Page::done(Wish::Cpu);
    page.choose(B);
    page.finish(Backend::Cpu);
    page.tell(Message::Recall(1));
    assert_eq!(page.orders(), []);
    assert_eq!(page.state.settings.classes, [A]);
    assert_eq!(page.effects, [Effect::WriteLink("#v=1&class=A&seed=7".into())]);
    assert_eq!(words::status(&page.state), "A, seed 7.");
    for seed in 0..20 {
        page.tell(Message::Dice(seed));
        page.finish(Backend::Cpu);
    }
    assert_eq!(page.state.history.len(), 8);
}

#[test]
fn what_a_link_says_wrongly_is_said_and_the_rest_is_followed() {
    let page = Page::opened(Wish::Cpu, "#v=9&class=B&steps=many");
    assert_eq!(page.order().images[0].class.as_deref(), Some(B));
    let notice = page.state.notice.clone().unwrap();
    assert!(notice.contains("“v=9”, “steps=many”"), "{notice}");
    assert_eq!(Page::opened(Wish::Cpu, "#class=B").state.notice, None);
}

#[test]
fn the_first_image_tells_where_its_time_went() {
    let mut page = Page::opened(Wish::Cpu, "");
    let before = Before { download: 900.0, verify: 40.0, prepare: 60.0 };
    let id = page.current();
    page.hear_images(Backend::Cpu, Event::Done { id, ms: 240.0, ms_per_step: 20.0, before }, &[0.5; 4]);
    assert!(page.effects.contains(&Effect::Clock));
    assert_eq!(phrases::first(&page.state), "", "not before the clock was read");
    page.tell(Message::Clock(1500.0));
    assert_eq!(
        phrases::first(&page.state),
        "Your first image: 1.50 s after the click. Of these, download 0.90 s, verify 0.04 s, prepare 0.06 s, \
         sample 0.24 s; the rest is the page and its engine."
    );
    page.tell(Message::Generate);
    page.finish(Backend::Cpu);
    assert!(!page.effects.contains(&Effect::Clock));
}

/// Numbers that look random, and are the same each time.
struct Draws(u64);

impl Draws {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[test]
fn two_hundred_random_settings_come_back_from_their_links() {
    let gallery = letters();
    let mut draws = Draws(18);
    for _ in 0..200 {
        let view = View::ALL[draws.below(5) as usize];
        let count = if view == View::Make { 1 + draws.below(16) as u32 } else { 1 };
        let mut classes: Vec<String> = gallery.classes.iter().map(|class| class.id.clone()).collect();
        classes.rotate_left(draws.below(4) as usize);
        classes.truncate(1 + draws.below(4) as usize);
        let word: String = (0..1 + draws.below(20))
            .map(|_| ['A', 'B', 'é', '&', ' ', '%', '🙂'][draws.below(7) as usize])
            .collect();
        let mut before = Settings {
            view,
            word,
            show: Show::ALL[draws.below(3) as usize],
            seed: draws.below(1 << 31) << draws.below(33),
            count,
            steps: 1 + draws.below(1000) as u32,
            guidance: draws.below(10_001) as f64 / 100.0,
            learngene_only: view == View::Make && draws.below(2) == 1,
            hide: if draws.below(2) == 1 { vec!["tabs".into(), "seed".into()] } else { Vec::new() },
            several: view == View::Make && classes.len() > 1,
            classes,
            ..Settings::default()
        };
        let shown: Vec<String> = match view {
            View::Apart => before.classes.iter().take(2).cloned().collect(),
            _ => Vec::new(),
        };
        before.dials = shown.into_iter().map(|class| (class, draws.below(100) as f32 / 100.0)).collect();
        let parts = plan::parts(&gallery).into_iter().filter(|_| view == View::Apart && draws.below(2) == 1);
        let parts: Vec<String> = parts.collect();
        before.parts =
            Turned(parts.into_iter().map(|part| (part, draws.below(100) as f32 / 100.0)).collect());
        let link = plan::link(&before, &gallery).to_string();
        let mut after = Settings::default();
        assert_eq!(plan::take(&mut after, Link::parse(&link), &gallery), None);
        assert_eq!(Link::parse(&link).wrong, [""; 0], "{link}");
        assert_eq!(plan::link(&after, &gallery).to_string(), link);
        assert_eq!(plan::plan(&after, &gallery), plan::plan(&before, &gallery), "{link}");
        assert_eq!((after.view, after.seed, after.steps), (before.view, before.seed, before.steps));
    }
}

#[test]
fn a_word_that_is_typed_before_the_gallery_is_open_is_not_lost() {
    let mut page = Page::on(Site { front: View::Word, ..site(Wish::Cpu, "#view=word&word=B&seed=3") });
    assert_eq!((page.state.settings.view, &*page.state.settings.word), (View::Word, "B"));
    page.tell(Message::Word("AB".into()));
    let rested = later(&page);
    assert_eq!(page.tell(rested), [], "there is nothing to ask yet");
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(letters()));
    let order = page.order();
    assert_eq!((order.images.len(), order.images[0].seed), (2, 3));
}
