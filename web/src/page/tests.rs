//! The page's behaviour, without a browser.

mod files;
mod gallery;
mod gpu;
mod language;
mod orders;
mod studio;
mod words;

use super::program::{Program, Simd, Wish};
use super::state::{Adapter, Effect, Message, Phase, Site, State};
use super::update::update;
use crate::protocol::{
    Backend, Before, ClassInfo, Code, Event, Failure, File, Gallery, Order, Remedy, Request,
};

/// A page, and what it had done about the last message.
struct Page {
    state: State,
    effects: Vec<Effect>,
}

/// A site whose address asks for this.
fn site(wish: Wish, hash: &str) -> Site {
    Site {
        gallery: "https://example.org/letters/".into(),
        own: true,
        key: None,
        wish,
        simd: Simd::Relaxed,
        hash: hash.into(),
        front: crate::link::View::Make,
        language: crate::page::language::Language::ENGLISH,
    }
}

/// A gallery of the letters A to D, with nothing on this device.
fn letters() -> Gallery {
    let class = |name: &str| ClassInfo {
        id: format!("latin-capital-{}", name.to_lowercase()),
        name: name.into(),
        bytes: 36_000,
        stored: false,
        own: false,
    };
    Gallery {
        title: "Letters".into(),
        signed: None,
        remembered: true,
        learngene: 2_400_000,
        learngene_stored: false,
        index: 10_000,
        classes: ["B", "A", "C", "D"].map(class).into(),
        more: false,
        channels: 1,
        side: 2,
        steps: 12,
        guidance: 2.0,
        layers: 2,
        matrices: vec!["qkv".into(), "out".into()],
    }
}

const A: &str = "latin-capital-a";
const B: &str = "latin-capital-b";

impl Page {
    fn start(wish: Wish, hash: &str) -> Self {
        Self::on(site(wish, hash))
    }

    fn on(site: Site) -> Self {
        let (state, effects) = State::start(site);
        Self { state, effects }
    }

    /// A page whose gallery is open and whose first order is under way.
    fn opened(wish: Wish, hash: &str) -> Self {
        let mut page = Self::start(wish, hash);
        page.ready(wish.backend());
        page.hear(wish.backend(), Event::Index(letters()));
        page
    }

    /// A page that has made its first image, and looks for a GPU if it may.
    fn done(wish: Wish) -> Self {
        let mut page = Self::opened(wish, "#class=A");
        page.finish(wish.backend());
        page
    }

    /// A page that has made its first image while an engine for this GPU is loading.
    fn with_gpu() -> Self {
        let mut page = Self::done(Wish::Any);
        page.tell(Message::Adapter(Ok(Adapter { name: "a card".into(), emulated: false })));
        page
    }

    fn tell(&mut self, message: Message) -> &[Effect] {
        self.effects = update(&mut self.state, message);
        &self.effects
    }

    fn hear(&mut self, from: Backend, event: Event) -> &[Effect] {
        self.tell(Message::Heard(from, event, None))
    }

    fn hear_images(&mut self, from: Backend, event: Event, values: &[f32]) -> &[Effect] {
        self.tell(Message::Heard(from, event, Some(values.to_vec())))
    }

    fn ready(&mut self, backend: Backend) -> &[Effect] {
        self.hear(backend, Event::Ready { backend, bytes: 400_000 })
    }

    fn choose(&mut self, class: &str) -> &[Effect] {
        self.tell(Message::Choose { class: class.into(), add: false })
    }

    /// The orders that were sent about the last message, with the engine that each went to.
    fn orders(&self) -> Vec<(Backend, Order)> {
        let order = |effect: &Effect| match effect {
            Effect::Post(to, Request::Sample(order)) => Some((*to, order.clone())),
            _ => None,
        };
        self.effects.iter().filter_map(order).collect()
    }

    /// What was done about the last message, without notes of what is used and when.
    fn acts(&self) -> Vec<Effect> {
        let note = |effect: &&Effect| matches!(effect, Effect::Used(_) | Effect::Clock);
        self.effects.iter().filter(|effect| !note(effect)).cloned().collect()
    }

    /// The one order that was sent about the last message.
    fn order(&self) -> Order {
        let orders = self.orders();
        assert_eq!(orders.len(), 1, "{:?}", self.effects);
        orders[0].1.clone()
    }

    /// The number of the order under way.
    fn current(&self) -> u32 {
        self.state.current.as_ref().expect("an order is under way").order.id
    }

    /// The engine finishes the order under way.
    fn finish(&mut self, from: Backend) {
        let id = self.current();
        let images = self.state.current.as_ref().map_or(0, |running| running.order.images.len());
        let done = Event::Done { id, ms: 240.0, ms_per_step: 20.0, before: Before::default() };
        self.hear_images(from, done, &vec![0.5; 4 * images]);
    }

    /// The code of the failure that the page shows.
    fn code(&self) -> Code {
        self.state.failure().unwrap_or_else(|| panic!("{:?}", self.state.phase)).code.clone()
    }
}

fn failure(code: Code, remedy: Remedy) -> Failure {
    Failure::new(code, "It did not work.", remedy)
}

fn spawned(effects: &[Effect]) -> Vec<Program> {
    let program = |effect: &Effect| match effect {
        Effect::Spawn(program) => Some(*program),
        _ => None,
    };
    effects.iter().filter_map(program).collect()
}

#[test]
fn a_visit_opens_the_gallery_and_makes_its_first_image_unasked() {
    let mut page = Page::start(Wish::Any, "#class=A");
    assert_eq!(page.effects, [Effect::AskPersistent, Effect::Spawn(Program::CpuRelaxed)]);
    assert_eq!(page.state.word(), "loading");
    page.ready(Backend::Cpu);
    let start = Request::Start { gallery: "https://example.org/letters/".into(), key: None };
    assert_eq!(page.effects, [Effect::Post(Backend::Cpu, start)]);
    page.hear(Backend::Cpu, Event::Index(letters()));
    let order = page.order();
    assert_eq!(order.images[0].class.as_deref(), Some(A), "the class called A, where there is one");
    assert_eq!((order.images[0].seed, order.steps, order.guidance), (7, 12, 2.0), "the gallery's settings");
    page.hear(Backend::Cpu, Event::Fetching { file: File::Learngene, received: 600_000, total: 2_400_000 });
    assert_eq!((page.state.progress(), page.state.word()), (Some(0.25), "loading"));
    page.hear(
        Backend::Cpu,
        Event::Loaded {
            file: File::Learngene,
            network: 2_400_000,
            kept: true,
            preview: Vec::new(),
            card: Vec::new(),
        },
    );
    page.hear_images(Backend::Cpu, Event::Preview { id: order.id, step: 3, of: 12 }, &[0.0; 4]);
    assert_eq!((page.state.progress(), page.state.word()), (Some(0.25), "sampling"));
    assert!(page.state.shown.is_some() && page.state.finished().is_none());
    page.finish(Backend::Cpu);
    assert_eq!((page.state.word(), page.state.finished().is_some()), ("done", true));
    assert_eq!(page.state.gallery_bytes, 2_410_000);
    let used = Effect::Used(vec![A.into()]);
    let after = [used, Effect::Clock, Effect::FindAdapter];
    assert_eq!(page.effects, after, "and now there is time to look for a GPU");
}

#[test]
fn the_code_that_was_downloaded_is_counted_over_page_and_engines() {
    let mut page = Page::start(Wish::Cpu, "");
    page.tell(Message::Code(150_000));
    page.ready(Backend::Cpu);
    assert_eq!(page.state.code_bytes, 550_000);
}

#[test]
fn the_relaxed_engine_is_loaded_only_where_browser_and_address_allow_it() {
    let first = |wish, simd| spawned(&State::start(Site { simd, ..site(wish, "") }).1);
    assert_eq!(first(Wish::Any, Simd::Relaxed), [Program::CpuRelaxed]);
    assert_eq!(first(Wish::Cpu, Simd::Relaxed), [Program::CpuRelaxed]);
    assert_eq!(first(Wish::CpuSimd, Simd::Relaxed), [Program::Cpu]);
    assert_eq!(first(Wish::Any, Simd::Plain), [Program::Cpu]);
}

#[test]
fn a_browser_without_simd_is_told_so_and_nothing_is_loaded() {
    let page = Page::on(Site { simd: Simd::Missing, ..site(Wish::Any, "") });
    assert_eq!(page.code(), Code::Simd);
    assert_eq!(spawned(&page.effects), []);
    assert_eq!(page.state.phase, Phase::Failed(super::program::no_simd(&page.state.words)));
}
