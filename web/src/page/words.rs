//! The sentences in which the page says what it knows.

use super::language::Words;
use super::numbers::percent;
use super::search::FOUND;
use super::state::{Gpu, NameList, NoGpu, Phase, Place, Shown, State};
use super::word;
use crate::link::View;
use crate::protocol::{Backend, Card, Code, File, Order, Remedy, Wait};
use std::sync::Arc;

/// Says what the page is doing.
pub fn status(state: &State) -> String {
    let words = &state.words;
    if let (Some(wait), Phase::Starting | Phase::Downloading) = (state.waiting, &state.phase) {
        return match wait {
            Wait::Server { seconds } => words.waiting_server(&seconds),
            Wait::Tab => words.waiting_tab(),
        };
    }
    match (&state.current, &state.phase) {
        (Some(_), Phase::Sampling(..)) if state.hidden => return words.status_hidden(),
        (_, Phase::Starting | Phase::Downloading | Phase::Sampling(..)) if state.restarted => {
            return words.status_again();
        }
        (Some(running), Phase::Sampling(..)) if running.held => return words.status_shown_again(),
        _ => {}
    }
    if let Some(running) = state.current.as_ref().filter(|running| running.quiet) {
        return sentence(&caption(state, &running.order));
    }
    match &state.phase {
        Phase::Starting => words.status_starting(),
        Phase::Downloading => words.status_downloading(),
        Phase::Sampling(..) => words.status_sampling(),
        Phase::Ready if state.shown.is_some() => {
            state.shown.as_ref().map(|shown| sentence(&title(state, shown))).unwrap_or_default()
        }
        Phase::Ready => words.status_ready(),
        Phase::Stopped => words.status_stopped(),
        Phase::Failed(_) if state.is_question() => words.status_question(),
        Phase::Failed(_) => words.status_failed(),
        Phase::Done(ms, per_step) => {
            let what = state.shown.as_ref().map(|shown| title(state, shown));
            let (seconds, per_step) = (words.decimal(ms / 1000.0, 1), words.decimal(*per_step, 0));
            words.status_done(&per_step, &seconds, &what.unwrap_or_default())
        }
    }
}

/// Says the numbers that change too often for a screen reader.
pub fn step(state: &State) -> String {
    let words = &state.words;
    match state.phase {
        Phase::Downloading => {
            let bytes = |(got, all)| words.step_bytes(&words.megabytes(all), &words.megabytes(got));
            state.arriving().map_or_else(String::new, bytes)
        }
        Phase::Sampling(step, of) => words.step_of(&of, &step),
        Phase::Starting | Phase::Done(..) | Phase::Ready | Phase::Stopped | Phase::Failed(_) => String::new(),
    }
}

/// Says which device computes, and why.
pub fn backend(state: &State) -> String {
    let on_cpu = state.active == Backend::Cpu;
    let words = &state.words;
    match &state.gpu {
        Gpu::Used(name) => words.gpu_used(name),
        Gpu::No(why) => {
            let why = no_gpu(words, why);
            let why = why.trim_end_matches('.');
            if on_cpu { words.gpu_no_cpu(&why) } else { words.gpu_no(&why) }
        }
        Gpu::Unbuilt(name) => words.gpu_unbuilt(name),
        Gpu::Sought if on_cpu => words.gpu_sought_cpu(),
        Gpu::Sought => words.gpu_sought(),
        Gpu::Coming(name) | Gpu::Ready(name) => words.gpu_coming(name),
        Gpu::Unwanted => words.gpu_unwanted(),
        Gpu::Unknown => words.gpu_unknown(),
    }
}

/// Says why the GPU is not used, as the second half of a sentence.
pub fn no_gpu(words: &Words, why: &NoGpu) -> String {
    match why {
        NoGpu::NoWebGpu => words.why_no_webgpu(),
        NoGpu::NoAdapter => words.why_no_adapter(),
        NoGpu::Emulated(name) => words.why_emulated(name),
        NoGpu::Differs(furthest) => words.why_differs(&words.decimal(f64::from(*furthest), 2)),
        NoGpu::Beside => words.why_beside(),
        NoGpu::Trial(why) => words.why_trial(why),
        NoGpu::Ended(why) => why.clone(),
    }
}

/// Says who vouches for the gallery: in a word or two, and in a sentence.
pub fn signed(state: &State) -> (String, String) {
    let Some(gallery) = &state.gallery else { return Default::default() };
    let words = &state.words;
    match (&gallery.signed, gallery.remembered) {
        (None, _) if state.site.own => (words.unsigned(), words.unsigned_own()),
        (None, _) => (words.unsigned(), words.unsigned_nobody()),
        (Some(fingerprint), true) => (words.signed(), words.signed_by(fingerprint)),
        (Some(fingerprint), false) => (words.signed_not_kept(), words.signed_by_not_kept(fingerprint)),
    }
}

/// Lists what a file says of itself, each with its heading.
pub fn card(words: &Words, card: &Card) -> Vec<(String, String)> {
    let heading = |name: &String| match &**name {
        "authors" => words.card_authors(),
        "licence" => words.card_licence(),
        "data" => words.card_data(),
        "tool" => words.card_tool(),
        measured => measured.to_owned(),
    };
    card.iter().map(|(name, said)| (heading(name), said.clone())).collect()
}

/// Says how many classes share the gallery's learngene, and how large that is.
pub fn idea(state: &State) -> String {
    let words = &state.words;
    let Some(gallery) = state.gallery.as_ref().filter(|gallery| !gallery.classes.is_empty()) else {
        return words.idea_short();
    };
    let bytes = words.megabytes(gallery.learngene);
    if gallery.more { words.idea_all(&bytes) } else { words.idea_count(&bytes, &gallery.classes.len()) }
}

/// Names images: by the word that they spell, or by their classes.
pub fn title(state: &State, shown: &Shown) -> String {
    match &shown.word {
        Some(word) => state.words.title_word(&seeds(&state.words, &shown.order), &word.trim()),
        None => caption(state, &shown.order),
    }
}

/// Names the images of an order by their classes and seeds.
pub fn caption(state: &State, order: &Order) -> String {
    let words = &state.words;
    let mut names: Vec<String> = Vec::new();
    for image in &order.images {
        let part = |(class, weight): &(String, f32)| match *weight {
            1.0 => class_name(state, class),
            weight => words.caption_part(&class_name(state, class), &hundredths(weight)),
        };
        let parts = image.weights();
        let mixed = |first: String, second: String| words.caption_mixed(&first, &second);
        let name = parts.iter().map(part).reduce(mixed).unwrap_or_else(|| words.caption_alone());
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    let between = if names.iter().any(|name| name.contains(' ')) { ", " } else { " " };
    let what = names.join(between);
    let what = if order.parts.is_nothing() { what } else { words.caption_parts(&what) };
    words.caption(&seeds(words, order), &what)
}

fn seeds(words: &Words, order: &Order) -> String {
    let (first, last) =
        (order.images.first().map_or(0, |i| i.seed), order.images.last().map_or(0, |i| i.seed));
    if first == last { words.caption_seed(&first) } else { words.caption_seeds(&first, &last) }
}

fn sentence(words: &str) -> String {
    format!("{words}.")
}

/// Writes a part as percent.
pub fn hundredths(part: f32) -> u32 {
    (part * 100.0).round() as u32
}

/// Returns the name of the file that images are saved as.
pub fn file_name(state: &State, shown: &Shown) -> String {
    let plain = |c: char| if c.is_alphanumeric() || c == '-' { c } else { '-' };
    let title = title(state, shown).replace(", ", "-");
    let name: String = title.chars().filter(|c| !"“”„«»%".contains(*c)).map(plain).take(60).collect();
    format!("tailor-{name}.png")
}

/// Describes the picture for visitors who do not see it.
pub fn picture(state: &State) -> String {
    match &state.shown {
        Some(shown) if shown.finished => title(state, shown),
        Some(_) => state.words.picture_making(),
        None => state.words.picture_none(),
    }
}

/// Returns a class's name, or the id of a class that is not known.
pub fn class_name(state: &State, id: &str) -> String {
    let class = state.gallery.as_ref().and_then(|g| g.classes.iter().find(|class| class.id == id));
    class.map_or_else(|| id.to_owned(), |class| class.name.clone())
}

/// Says beside the classes what a click does.
pub fn hint(state: &State) -> String {
    let words = &state.words;
    let (n, most) = (state.settings.classes.len(), state.settings.most_classes());
    let searching = !state.settings.search.is_empty();
    match state.settings.several {
        _ if searching && state.names == NameList::Coming => words.hint_coming(),
        _ if searching && state.tiles.len() == FOUND => words.hint_found(&FOUND),
        false => words.hint_click(),
        true if n > most => words.hint_too_many(&n, &most),
        true => words.hint_chosen(&n),
    }
}

/// Says of a class's tile whether its pack is on this device, for visitors who do not see that.
pub fn here(words: &Words, place: Option<Place>) -> String {
    match place {
        None | Some(Place::Arriving(..)) => String::new(),
        Some(Place::Stored | Place::Loaded(_)) => words.here(),
    }
}

/// Says where a file is.
pub fn place(words: &Words, place: Place) -> String {
    match place {
        Place::Arriving(got, all) => format!("{} %", percent(got, all)),
        Place::Stored => words.place_stored(),
        Place::Loaded(true) => words.place_kept(),
        Place::Loaded(false) => words.place_not_kept(),
    }
}

/// A row of the table of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The file's name for people.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The class that it belongs to, if it may be removed.
    pub removable: Option<String>,
    /// Where the file is.
    pub place: Place,
    /// What it says of itself, once it was loaded.
    pub card: Option<Arc<Card>>,
}

/// Lists the learngene and the packs that are on this device or being downloaded, in the gallery's order.
/// Leaves out lists of classes, which mean nothing to a visitor.
pub fn rows(state: &State) -> Vec<Row> {
    let size = |id: &str| {
        let mut classes = state.gallery.iter().flat_map(|gallery| &gallery.classes);
        classes.find(|class| class.id == id).map_or(0, |class| class.bytes)
    };
    let row = |(file, place): (&File, &Place)| {
        let (name, bytes, class) = match file {
            File::Learngene => (
                state.words.file_learngene(),
                state.gallery.as_ref().map_or(0, |gallery| gallery.learngene),
                None,
            ),
            File::Tailor(id) => (state.words.file_tailor(&class_name(state, id)), size(id), Some(id.clone())),
            File::List => return None,
        };
        let removable = class.filter(|_| !matches!(place, Place::Arriving(..)));
        Some(Row { name, bytes, removable, place: *place, card: state.cards.get(file).cloned() })
    };
    let classes = state.gallery.as_ref().map_or(&[][..], |gallery| &gallery.classes);
    let order = |file: &File| match file {
        File::Tailor(id) => classes.iter().position(|class| class.id == *id).map_or(usize::MAX, |at| at + 1),
        _ => 0,
    };
    let mut files: Vec<_> = state.files.iter().collect();
    files.sort_by_key(|(file, _)| order(file));
    files.into_iter().filter_map(row).collect()
}

/// Names the one action that a failure offers.
pub fn remedy(words: &Words, remedy: Remedy) -> String {
    match remedy {
        Remedy::Retry => words.shared_try_again(),
        Remedy::Reload => words.remedy_reload(),
        Remedy::UseCpu => words.remedy_cpu(),
        Remedy::Choose => words.remedy_choose(),
        Remedy::Trust => words.remedy_trust(),
    }
}

/// Tells whether a failure is about what this device remembers of the gallery, so that forgetting
/// it may help.
pub fn is_of_trust(code: &Code) -> bool {
    match code {
        Code::WrongKey
        | Code::SignatureMissing
        | Code::IndexRolledBack
        | Code::IndexReplaced
        | Code::OtherGallery => true,
        // Nothing is remembered yet, or forgetting changes nothing.
        Code::FirstUse | Code::SignatureInvalid | Code::IndexExpired | Code::IndexRefused => false,
        Code::Address
        | Code::Memory
        | Code::Missing
        | Code::Forbidden
        | Code::Status
        | Code::Busy
        | Code::Later
        | Code::WebPage
        | Code::Elsewhere
        | Code::Encoded
        | Code::WrongLength
        | Code::Damaged
        | Code::Unreachable
        | Code::Stalled
        | Code::Broken
        | Code::TooLarge
        | Code::VersionTooNew
        | Code::WrongLearngene
        | Code::DigestMismatch
        | Code::Truncated
        | Code::PackRefused
        | Code::Latents
        | Code::UnknownClass
        | Code::UnknownSampler
        | Code::Model
        | Code::NoGallery
        | Code::Teaching
        | Code::Device
        | Code::ReadBack
        | Code::NotFinite
        | Code::Message
        | Code::Cancelled
        | Code::Panic
        | Code::Engine
        | Code::Worker
        | Code::Simd
        | Code::Other(_) => false,
    }
}

/// Names a view on its tab.
pub fn tab(words: &Words, view: View) -> String {
    match view {
        View::Make => words.tab_make(),
        View::Word => words.tab_word(),
        View::Apart => words.tab_apart(),
        View::Teach => words.tab_teach(),
        View::Device => words.tab_device(),
    }
}

/// Lists the views that this gallery has.
pub fn tabs(state: &State) -> Vec<View> {
    let spells = state.gallery.as_ref().is_some_and(word::spells);
    let has = |view: &View| match view {
        View::Word => spells,
        View::Make | View::Apart | View::Teach | View::Device => true,
    };
    View::ALL.into_iter().filter(has).collect()
}

/// Says which parts of a link were not understood.
pub fn wrong(words: &Words, parts: &[String]) -> Option<String> {
    let parts: Vec<String> = parts.iter().map(|part| words.quoted(part)).collect();
    (!parts.is_empty()).then(|| words.link_wrong(&parts.join(", ")))
}
