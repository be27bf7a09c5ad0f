//! The sentences in which the page says what it knows.

use super::numbers::{megabytes, percent};
use super::search::FOUND;
use super::state::{Gpu, NameList, Phase, Place, Shown, State};
use super::word;
use crate::link::View;
use crate::protocol::{Backend, Code, File, Order, Remedy, Wait};

/// Says what the page is doing.
pub fn status(state: &State) -> String {
    if let (Some(wait), Phase::Starting | Phase::Downloading) = (state.waiting, &state.phase) {
        return match wait {
            Wait::Server { seconds } => {
                format!("The server does not answer as it should. Trying again in {seconds} s…")
            }
            Wait::Tab => "Another tab of this site is downloading the same file…".to_owned(),
        };
    }
    if let Some(running) = state.current.as_ref().filter(|running| running.quiet) {
        return sentence(&caption(state, &running.order));
    }
    match &state.phase {
        Phase::Starting => "Loading the engine…".to_owned(),
        Phase::Downloading => "Downloading what these images need…".to_owned(),
        Phase::Sampling(..) => "Making images out of noise…".to_owned(),
        Phase::Ready if state.shown.is_some() => {
            state.shown.as_ref().map(|shown| sentence(&title(state, shown))).unwrap_or_default()
        }
        Phase::Ready => "Ready.".to_owned(),
        Phase::Stopped => "Stopped.".to_owned(),
        Phase::Failed(_) if state.is_question() => "A question first.".to_owned(),
        Phase::Failed(_) => "That did not work.".to_owned(),
        Phase::Done(ms, per_step) => {
            let what = state.shown.as_ref().map(|shown| title(state, shown));
            format!("{}: {:.1} s, {per_step:.0} ms a step.", what.unwrap_or_default(), ms / 1000.0)
        }
    }
}

/// Says the numbers that change too often for a screen reader.
pub fn step(state: &State) -> String {
    match state.phase {
        Phase::Downloading => {
            let words = |(got, all)| format!("{} of {}", megabytes(got), megabytes(all));
            state.arriving().map_or_else(String::new, words)
        }
        Phase::Sampling(step, of) => format!("step {step} of {of}"),
        Phase::Starting | Phase::Done(..) | Phase::Ready | Phase::Stopped | Phase::Failed(_) => String::new(),
    }
}

/// Says which device computes, and why.
pub fn backend(state: &State) -> String {
    let on_cpu = state.active == Backend::Cpu;
    match &state.gpu {
        Gpu::Used(name) => format!("Computing on your GPU ({name}) through WebGPU."),
        Gpu::No(why) if on_cpu => format!("Computing on the CPU: {}.", why.trim_end_matches('.')),
        Gpu::No(why) => format!("No GPU: {}.", why.trim_end_matches('.')),
        Gpu::Unbuilt(name) => format!(
            "Computing on the CPU. The engine for your GPU ({name}) is still being built; the next visit uses it."
        ),
        Gpu::Sought if on_cpu => "Computing on the CPU; looking for a GPU.".to_owned(),
        Gpu::Sought => "Looking for a GPU.".to_owned(),
        Gpu::Coming(name) | Gpu::Ready(name) => {
            format!("Computing on the CPU; the engine for your GPU ({name}) is loading.")
        }
        Gpu::Unwanted => "Computing on the CPU, as the address asks.".to_owned(),
        Gpu::Unknown => "Computing on the CPU.".to_owned(),
    }
}

/// Says who vouches for the gallery: in a word or two, and in a sentence.
pub fn signed(state: &State) -> (String, String) {
    let Some(gallery) = &state.gallery else { return Default::default() };
    match (&gallery.signed, gallery.remembered) {
        (None, _) if state.site.own => (
            "unsigned".to_owned(),
            "This gallery comes from the same site as this page, so you trust it as you trust the page. It is not signed."
                .to_owned(),
        ),
        (None, _) => ("unsigned".to_owned(), "Nobody has signed this gallery.".to_owned()),
        (Some(fingerprint), true) => (
            "signed ✓".to_owned(),
            format!("Signed by the key with the fingerprint {fingerprint}, which this device trusts."),
        ),
        (Some(fingerprint), false) => (
            "signed, not remembered".to_owned(),
            format!(
                "Signed by the key with the fingerprint {fingerprint}. This device has no room to remember it, so it \
                 will ask again."
            ),
        ),
    }
}

/// Says how many classes share the gallery's learngene, and how large that is.
pub fn idea(state: &State) -> String {
    let Some(gallery) = state.gallery.as_ref().filter(|gallery| !gallery.classes.is_empty()) else {
        return "One model that comes apart.".to_owned();
    };
    let count = gallery.classes.len();
    let all = if gallery.more { "All classes".to_owned() } else { format!("All {count} classes") };
    format!("{all} share one learngene ({}), which is downloaded once.", megabytes(gallery.learngene))
}

/// Names images: by the word that they spell, or by their classes.
pub fn title(state: &State, shown: &Shown) -> String {
    match &shown.word {
        Some(word) => format!("“{}”, {}", word.trim(), seeds(&shown.order)),
        None => caption(state, &shown.order),
    }
}

/// Names the images of an order by their classes and seeds.
pub fn caption(state: &State, order: &Order) -> String {
    let mut names: Vec<String> = Vec::new();
    for image in &order.images {
        let part = |(class, weight): &(String, f32)| match *weight {
            1.0 => class_name(state, class),
            weight => format!("{} at {} %", class_name(state, class), hundredths(weight)),
        };
        let parts: Vec<String> = image.weights().iter().map(part).collect();
        let name = match parts.is_empty() {
            false => parts.join(" with "),
            true => "learngene alone".to_owned(),
        };
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    let between = if names.iter().any(|name| name.contains(' ')) { ", " } else { " " };
    format!("{}, {}", names.join(between), seeds(order))
}

fn seeds(order: &Order) -> String {
    let (first, last) =
        (order.images.first().map_or(0, |i| i.seed), order.images.last().map_or(0, |i| i.seed));
    if first == last { format!("seed {first}") } else { format!("seeds {first} to {last}") }
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
    let name: String = title.chars().filter(|c| !"“”%".contains(*c)).map(plain).take(60).collect();
    format!("tailor-{name}.png")
}

/// Describes the picture for visitors who do not see it.
pub fn picture(state: &State) -> String {
    match &state.shown {
        Some(shown) if shown.finished => title(state, shown),
        Some(_) => "Images in the making".to_owned(),
        None => "No images yet".to_owned(),
    }
}

/// Returns a class's name, or the id of a class that is not known.
pub fn class_name(state: &State, id: &str) -> String {
    let class = state.gallery.as_ref().and_then(|g| g.classes.iter().find(|class| class.id == id));
    class.map_or_else(|| id.to_owned(), |class| class.name.clone())
}

/// Says beside the classes what a click does.
pub fn hint(state: &State) -> String {
    let (n, most) = (state.settings.classes.len(), state.settings.most_classes());
    let searching = !state.settings.search.is_empty();
    match state.settings.several {
        _ if searching && state.names == NameList::Coming => {
            "The list of all classes is on its way…".to_owned()
        }
        _ if searching && state.tiles.len() == FOUND => {
            format!("The first {FOUND} are shown: type more.")
        }
        false => "A click makes that class.".to_owned(),
        true if n > most => format!("{n} chosen; the first {most} are made."),
        true => format!("{n} chosen; then Generate."),
    }
}

/// Says of a class's tile whether its pack is on this device, for visitors who do not see that.
pub fn here(place: Option<Place>) -> &'static str {
    match place {
        None | Some(Place::Arriving(..)) => "",
        Some(Place::Stored | Place::Loaded(_)) => ", on this device",
    }
}

/// Says where a file is.
pub fn place(place: Place) -> String {
    match place {
        Place::Arriving(got, all) => format!("{} %", percent(got, all)),
        Place::Stored => "on this device".to_owned(),
        Place::Loaded(true) => "in use, kept on this device".to_owned(),
        Place::Loaded(false) => "in use, not kept: no room or no permission".to_owned(),
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
            File::Learngene => {
                ("Learngene".to_owned(), state.gallery.as_ref().map_or(0, |gallery| gallery.learngene), None)
            }
            File::Tailor(id) => (format!("Tailor {}", class_name(state, id)), size(id), Some(id.clone())),
            File::List => return None,
        };
        let removable = class.filter(|_| !matches!(place, Place::Arriving(..)));
        Some(Row { name, bytes, removable, place: *place })
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
pub fn remedy(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Retry => "Try again",
        Remedy::Reload => "Reload the page",
        Remedy::UseCpu => "Use the CPU",
        Remedy::Choose => "All right",
        Remedy::Trust => "Trust this key",
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
pub fn tab(view: View) -> &'static str {
    match view {
        View::Make => "Make",
        View::Word => "Word",
        View::Apart => "Take apart",
        View::Teach => "Teach",
        View::Device => "On this device",
    }
}

/// Lists the views that this gallery has.
pub fn tabs(state: &State) -> Vec<View> {
    let spells = state.gallery.as_ref().is_some_and(word::spells);
    let has = |view: &View| match view {
        View::Word => spells,
        View::Teach => state.site.teach,
        View::Make | View::Apart | View::Device => true,
    };
    View::ALL.into_iter().filter(has).collect()
}

/// Says which parts of a link were not understood.
pub fn wrong(parts: &[String]) -> Option<String> {
    let parts: Vec<String> = parts.iter().map(|part| format!("“{part}”")).collect();
    let them = parts.join(", ");
    (!parts.is_empty()).then(|| {
        format!("This link says {them}, which this page does not understand. That part was left out.")
    })
}

/// Says that the gallery lacks a class.
pub fn unknown_class(class: &str) -> String {
    format!("This gallery has no class “{class}”. Choose one that it shows.")
}

/// Says that a file holds no settings.
pub fn no_settings() -> String {
    "This file holds no settings. A picture that was saved here does, unless another program wrote it anew."
        .to_owned()
}
