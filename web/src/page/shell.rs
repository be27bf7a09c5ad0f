//! Carries out the state's effects, and sends it their outcomes as messages.

use super::engine::{EngineWorker, Word, examine};
use super::language::Words;
use super::memo::memo;
use super::program::Program;
use super::state::{Effect, Message, Site, State};
use super::update::update;
use super::{gpu, locale, site, storage};
use crate::link::encode;
use crate::protocol::Backend;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::cell::Cell;
use std::time::Duration;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

/// The state as the views see it, and the engines behind it.
#[derive(Clone, Copy)]
pub struct Studio {
    state: RwSignal<State>,
    words: Memo<Words>,
    engines: StoredValue<Engines, LocalStorage>,
}

#[derive(Default)]
struct Engines {
    cpu: Option<EngineWorker>,
    gpu: Option<EngineWorker>,
}

impl Engines {
    fn of(&mut self, backend: Backend) -> &mut Option<EngineWorker> {
        match backend {
            Backend::Cpu => &mut self.cpu,
            Backend::Gpu => &mut self.gpu,
        }
    }
}

thread_local! {
    static STUDIO: Cell<Option<Studio>> = const { Cell::new(None) };
}

/// Returns the values `[B, C, H, W]` of the finished images that the studio shows, if there is a studio
/// and they are finished. Tests read them through the page's module.
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn shown() -> Option<Vec<f32>> {
    let studio = STUDIO.get()?;
    studio.state.with_untracked(|state| state.finished().map(|shown| shown.grid.values.clone()))
}

impl Studio {
    /// Starts the studio on this site.
    pub fn start(site: Site) -> Self {
        let (state, effects) = State::start(site);
        let state = RwSignal::new(state);
        let words = Memo::new(move |_| state.with(|state| state.words.clone()));
        let studio = Self { state, words, engines: StoredValue::new_local(Engines::default()) };
        STUDIO.set(Some(studio));
        effects.into_iter().for_each(|effect| studio.perform(effect));
        studio
    }

    /// Applies a message, and carries out the effects that follow.
    pub fn tell(self, message: Message) {
        let effects = self.state.try_update(|state| update(state, message)).unwrap_or_default();
        effects.into_iter().for_each(|effect| self.perform(effect));
    }

    /// Returns a part of the state that notifies its readers only when its value changes.
    pub fn part<T>(self, part: impl Fn(&State) -> T + Send + Sync + 'static) -> Memo<T>
    where
        T: PartialEq + Send + Sync + 'static,
    {
        memo(move || self.state.with(&part))
    }

    /// Returns a text in the page's language, which changes with that.
    pub fn say(self, text: fn(&Words) -> String) -> Memo<String> {
        self.say_of(text)
    }

    /// Returns a text in the page's language by a closure, as [`Studio::say`] does.
    pub fn say_of(self, text: impl Fn(&Words) -> String + Send + Sync + 'static) -> Memo<String> {
        memo(move || self.words.with(&text))
    }

    /// Returns a text made from the state, as [`Studio::part`] does.
    pub fn words(self, words: fn(&State) -> String) -> Memo<String> {
        self.part(words)
    }

    /// Returns a text made from the state by a closure, as [`Studio::part`] does.
    pub fn words_of(self, words: impl Fn(&State) -> String + Send + Sync + 'static) -> Memo<String> {
        self.part(words)
    }

    /// Returns whether something holds in the state, as [`Studio::part`] does.
    pub fn holds(self, test: fn(&State) -> bool) -> Memo<bool> {
        self.part(test)
    }

    fn perform(self, effect: Effect) {
        match effect {
            Effect::Spawn(program) => self.spawn(program),
            Effect::End(backend) => self.engines.update_value(|engines| *engines.of(backend) = None),
            Effect::Post(backend, request) => self.engines.update_value(|engines| {
                if let Some(engine) = engines.of(backend) {
                    engine.send(&request);
                }
            }),
            Effect::FindAdapter => {
                spawn_local(async move { self.tell(Message::Adapter(gpu::probe().await)) });
            }
            Effect::Examine(program, detail) => spawn_local(async move {
                let absence = examine(program).await;
                self.tell(Message::Examined(program, absence, detail));
            }),
            Effect::AskPersistent => {
                spawn_local(async move { self.tell(Message::Persistent(storage::is_persistent().await)) });
            }
            Effect::Persist => {
                spawn_local(async move { self.tell(Message::Persistent(storage::persist().await)) });
            }
            Effect::WriteLink(hash) => {
                // A page in a frame may not be allowed to write it. Then there is no link.
                if let Ok(history) = window().history() {
                    let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&hash));
                }
            }
            Effect::Reload => drop(window().location().reload()),
            // If the canvas cannot be read, there is no file.
            Effect::Save(shown, name, text) => drop(shown.grid.save(&name, &text)),
            Effect::Later(ms, message) => {
                set_timeout(move || self.tell(message), Duration::from_millis(ms.into()));
            }
            Effect::Clock => {
                let now = window().performance().map_or(0.0, |clock| clock.now());
                self.tell(Message::Clock(now));
            }
            Effect::FetchWords(language) => spawn_local(async move {
                self.tell(Message::Words(language, locale::words(language).await));
            }),
            Effect::KeepLanguage(language) => locale::keep(language),
            Effect::Used(classes) => storage::use_now(&self.gallery(), &classes),
            Effect::AskRoom => spawn_local(async move {
                let room = storage::room(&self.gallery()).await;
                self.tell(Message::Room(room));
            }),
            Effect::Copy => spawn_local(async move {
                let hash = self.state.with_untracked(|state| state.site.hash.clone());
                self.tell(Message::Copied(copy(&site::address(&hash)).await.is_some()));
            }),
            Effect::Go(gallery, hash) => {
                let address = format!("?gallery={}{hash}", encode(&gallery));
                let _ = window().location().assign(&address);
            }
        }
    }

    fn gallery(self) -> String {
        self.state.with_untracked(|state| state.site.gallery.clone())
    }

    fn spawn(self, program: Program) {
        let backend = program.backend();
        let hear = move |word| match word {
            Word::Event(event, values) => self.tell(Message::Heard(backend, event, values)),
            Word::NotLoaded(detail) => self.tell(Message::NotLoaded(program, detail)),
        };
        match EngineWorker::spawn(program, hear) {
            Ok(engine) => self.engines.update_value(|engines| *engines.of(backend) = Some(engine)),
            Err(_) => self.tell(Message::NoWorker(backend)),
        }
    }
}

/// Copies a text; `None` where the browser does not let the page.
async fn copy(text: &str) -> Option<()> {
    // Outside a secure context there is no clipboard, which the bindings do not expect.
    let navigator = window().navigator();
    js_sys::Reflect::get(&navigator, &"clipboard".into()).ok().filter(JsValue::is_object)?;
    JsFuture::from(navigator.clipboard().write_text(text)).await.ok().map(drop)
}
