//! Carries out the view's effects, and talks with the teacher.

use super::desk::{Desk, Effect, Message, Values};
use super::{MEMORY, PACKS, Place, SHOWN_AGAIN, TAUGHT, Taught, classroom, pixels};
use crate::page::language::{Language, TeachWords};
use crate::page::locale;
use crate::page::memo::memo;
use crate::page::program::no_simd;
use crate::protocol::{Code, Failure, Remedy};
use crate::spawn;
use crate::teaching::{Event, Request};
use crate::traffic::memory_bytes;
use js_sys::{Array, Float32Array, Uint8Array};
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, CustomEvent, CustomEventInit, File, MessageEvent, Url, Worker, WorkerOptions};

/// The state as the view sees it, and the teacher behind it.
#[derive(Clone, Copy)]
pub struct Shell {
    desk: RwSignal<Desk>,
    teacher: StoredValue<Option<Teacher>, LocalStorage>,
    /// The files that were chosen last, for the packs of a whole class.
    files: StoredValue<Vec<File>, LocalStorage>,
}

/// The teacher's worker. Dropping it ends the worker.
struct Teacher {
    worker: Worker,
    // They must live as long as the worker may call them.
    _message: Closure<dyn FnMut(MessageEvent)>,
    _error: Closure<dyn FnMut(web_sys::Event)>,
}

impl Drop for Teacher {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
        tell_memory(memory_bytes());
    }
}

impl Shell {
    /// Begins with an empty desk, and loads the teacher.
    pub(super) fn start(place: Place) -> Self {
        let desk = RwSignal::new(Desk::new(place));
        let (teacher, files) = (StoredValue::new_local(None), StoredValue::new_local(Vec::new()));
        let shell = Self { desk, teacher, files };
        shell.spawn(0);
        let lang = document().document_element().and_then(|page| page.get_attribute("lang"));
        shell.speak(&lang.unwrap_or_default());
        // A page that the browser sets aside, to go back to, would keep its workers, and with them the lock of the lesson
        // that the next page may want.
        let _ = window_event_listener_untyped("pagehide", move |_| shell.teacher.set_value(None));
        let _ = window_event_listener_untyped("pageshow", move |event| {
            let set_aside =
                js_sys::Reflect::get(&event, &"persisted".into()).is_ok_and(|set| set.is_truthy());
            if set_aside {
                shell.tell(Message::Back);
            }
        });
        let _ = window_event_listener_untyped("beforeunload", move |event| {
            if shell.now(Desk::would_lose) {
                // The browser asks, in its own words.
                event.prevent_default();
            }
        });
        // The view lives as long as the page, and so does what it listens to.
        let _ = window_event_listener_untyped(locale::CHANGED, move |event| {
            let code = event.unchecked_into::<CustomEvent>().detail().as_string();
            shell.speak(&code.unwrap_or_default());
        });
        let hidden = move || shell.tell(Message::Hidden(document().hidden()));
        let _ = window_event_listener(leptos::ev::visibilitychange, move |_| hidden());
        if document().hidden() {
            hidden();
        }
        let _ = window_event_listener_untyped(SHOWN_AGAIN, move |_| {
            shell.tell(Message::Classroom(classroom::Message::Shown));
            shell.take();
        });
        shell.take();
        shell
    }

    /// Speaks the language with this code, once its words have come.
    fn speak(self, code: &str) {
        let Some(language) = Language::find(code) else { return };
        if language == Language::ENGLISH {
            return self.tell(Message::Words(TeachWords::english()));
        }
        spawn_local(async move {
            let text = locale::words(language).await;
            // The page says where words did not come.
            if let Some(words) = text.and_then(|text| TeachWords::read(language, &text)) {
                self.tell(Message::Words(words));
            }
        });
    }

    /// Returns a text in the view's language, which changes with that.
    pub(super) fn say(self, text: fn(&TeachWords) -> String) -> Memo<String> {
        self.say_of(text)
    }

    /// Returns a text in the view's language by a closure, as [`Shell::say`] does.
    pub(super) fn say_of(self, text: impl Fn(&TeachWords) -> String + Send + Sync + 'static) -> Memo<String> {
        self.part(move |desk| text(&desk.words))
    }

    /// Applies a message, and carries out the effects that follow.
    pub(super) fn tell(self, message: Message) {
        let effects = self.desk.try_update(|desk| desk.update(message)).unwrap_or_default();
        effects.into_iter().for_each(|effect| self.perform(effect));
    }

    /// Returns a part of the state that notifies its readers only when its value changes.
    pub(super) fn part<T>(self, part: impl Fn(&Desk) -> T + Send + Sync + 'static) -> Memo<T>
    where
        T: PartialEq + Send + Sync + 'static,
    {
        memo(move || self.desk.with(&part))
    }

    /// Returns a part of the state as it is now.
    pub(super) fn now<T>(self, part: impl Fn(&Desk) -> T) -> T {
        self.desk.with_untracked(part)
    }

    fn perform(self, effect: Effect) {
        match effect {
            Effect::Spawn => self.spawn(0),
            Effect::Post(request, bytes) => self.post(&request, &bytes),
            // If the browser cannot save files, the pack is still kept in it.
            Effect::Download(bytes, name) => drop(pixels::save(&bytes, &name)),
            Effect::Tell(class) => tell_page(&Taught { classes: vec![class], draw: true }),
            Effect::Classroom(effect) => match effect {
                classroom::Effect::Read(number) => self.read(number),
                classroom::Effect::Post(request, bytes) => self.post(&request, &bytes),
                classroom::Effect::Tell(classes) => tell_page(&Taught { classes, draw: false }),
                classroom::Effect::Follow(link) => drop(window().location().set_hash(&link)),
            },
        }
    }

    fn post(self, request: &Request, bytes: &[u8]) {
        self.teacher.with_value(|teacher| {
            if let Some(teacher) = teacher {
                teacher.send(request, bytes);
            }
        });
    }

    /// Takes packs that were dropped on another view of the page.
    fn take(self) {
        let left = js_sys::Reflect::get(&window(), &PACKS.into()).ok();
        let _ = js_sys::Reflect::delete_property(&window(), &PACKS.into());
        if let Some(files) = left.and_then(|left| left.dyn_into::<Array>().ok()) {
            self.choose(files.iter().filter_map(|file| file.dyn_into().ok()).collect());
        }
    }

    /// Takes the files that the visitor chose for the packs of a whole class.
    pub(super) fn choose(self, files: Vec<File>) {
        if files.is_empty() || self.now(|desk| desk.classroom.reading.is_some()) {
            return;
        }
        let chosen = |file: &File| classroom::Chosen { name: file.name(), bytes: file.size() as u64 };
        let chosen = files.iter().map(chosen).collect();
        self.files.set_value(files);
        self.tell(Message::Classroom(classroom::Message::Choose(chosen)));
    }

    /// Reads one of the files that were chosen.
    fn read(self, number: usize) {
        let file = self.files.with_value(|files| files.get(number).cloned());
        spawn_local(async move {
            let buffer = match file {
                Some(file) => JsFuture::from(file.array_buffer()).await.ok(),
                None => None,
            };
            let bytes = buffer.map(|buffer| Uint8Array::new(&buffer).to_vec());
            self.tell(Message::Classroom(classroom::Message::Read(bytes)));
        });
    }

    /// Starts the teacher, by the program with this number or a later one.
    fn spawn(self, number: usize) {
        let programs = self.now(|desk| desk.place.programs.clone());
        let Some(program) = programs.get(number) else {
            let failure = self.now(|desk| no_simd(&desk.words));
            return self.tell(Message::NoTeacher(failure));
        };
        let last = number + 1 >= programs.len();
        let missing = move |detail| {
            if !last {
                return self.spawn(number + 1);
            }
            let sentence = self.now(|desk| desk.words.teach_not_loaded());
            let failure = Failure::new(Code::Engine, sentence, Remedy::Retry);
            self.tell(Message::NoTeacher(Failure { detail, ..failure }));
        };
        let broken = move |detail| {
            let sentence = self.now(|desk| desk.words.teach_broke_down());
            let failure = Failure::new(Code::Engine, sentence, Remedy::Retry);
            self.tell(Message::BrokeDown(Failure { detail, ..failure }));
        };
        let hear = move |event, values| self.tell(Message::Heard(event, values));
        match Teacher::spawn(program, hear, missing, broken) {
            Ok(teacher) => self.teacher.set_value(Some(teacher)),
            Err(_) => {
                let sentence = self.now(|desk| desk.words.shared_no_worker());
                self.tell(Message::NoTeacher(Failure::new(Code::Worker, sentence, Remedy::Retry)));
            }
        }
    }
}

impl Teacher {
    /// Starts this program. `hear` gets each event, `missing` the browser's words when the program did
    /// not load, and `broken` when it broke down.
    fn spawn(
        program: &str,
        hear: impl Fn(Event, Values) + 'static,
        missing: impl Fn(String) + 'static,
        broken: impl Fn(String) + 'static,
    ) -> Result<Self, JsValue> {
        let script = Url::new_with_base(&format!("{program}.js"), &spawn::own_script())?.href();
        let script = spawn::quoted(&script)?;
        let source = format!(
            "import({script}).then(teacher => teacher.default())\
             .catch(error => setTimeout(() => {{ throw error }}));"
        );
        let worker = spawn::worker(&source, &WorkerOptions::new())?;
        let spoke = Rc::new(Cell::new(false));
        let has_spoken = spoke.clone();
        let error = Closure::<dyn FnMut(_)>::new(move |error: web_sys::Event| {
            let detail = error.dyn_ref::<web_sys::ErrorEvent>().map(|e| e.message()).unwrap_or_default();
            if !has_spoken.get() {
                return missing(detail);
            }
            broken(detail);
        });
        let message = Closure::<dyn FnMut(_)>::new(move |message: MessageEvent| {
            spoke.set(true);
            let parts = Array::from(&message.data());
            let text = parts.get(0).as_string().unwrap_or_default();
            // The events of any engine, such as those of a download, say nothing about the lesson.
            let Ok(event) = serde_json::from_str::<Event>(&text) else { return };
            if let Event::Memory(bytes) = event {
                tell_memory(bytes + memory_bytes());
            }
            if let (Event::Gallery { file, .. }, Ok(blob)) = (&event, parts.get(1).dyn_into::<Blob>()) {
                // It may be larger than this program's memory should become.
                let _ = pixels::save_blob(&blob, file);
            }
            let images = parts.get(1).dyn_into::<Float32Array>().map(|v| v.to_vec()).unwrap_or_default();
            let bytes = parts.get(1).dyn_into::<Uint8Array>().map(|v| v.to_vec()).unwrap_or_default();
            hear(event, Values { images, bytes });
        });
        worker.set_onmessage(Some(message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(error.as_ref().unchecked_ref()));
        Ok(Self { worker, _message: message, _error: error })
    }

    fn send(&self, request: &Request, bytes: &[u8]) {
        // A request is made of texts and numbers: it has a JSON form, and that can be cloned.
        let text = serde_json::to_string(request).unwrap_or_default();
        let _ = self.worker.post_message(&Array::of2(&text.into(), &Uint8Array::from(bytes)));
    }
}

/// Tells the page how many bytes of memory are taken here.
fn tell_memory(bytes: u64) {
    // A property of the window can always be set.
    let _ = js_sys::Reflect::set(&window(), &MEMORY.into(), &(bytes as f64).into());
}

/// Tells the page of classes that it can draw.
fn tell_page(taught: &Taught) {
    let init = CustomEventInit::new();
    init.set_detail(&serde_json::to_string(taught).unwrap_or_default().into());
    if let Ok(event) = CustomEvent::new_with_event_init_dict(TAUGHT, &init) {
        let _ = window().dispatch_event(&event);
    }
}
