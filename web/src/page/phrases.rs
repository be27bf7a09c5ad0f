//! The sentences of the views in which words are typed and the model is taken apart, and of what is
//! kept on this device.

use super::labels;
use super::numbers::{amount, megabytes};
use super::search::MANY;
use super::settings::MOST_IMAGES;
use super::state::{Place, State};
use super::word::{self, Sign};
use super::words::{class_name, rows};
use crate::link::Show;
use crate::protocol::{Backend, Cell, ClassInfo, File};

/// Says which signs of the word have no pack.
pub fn missing(state: &State) -> Option<String> {
    let gallery = state.gallery.as_ref()?;
    let signs = word::missing(gallery, &state.settings.word);
    match signs.split_last()? {
        (last, []) => Some(format!("There is no pack for {last}.")),
        (last, others) => Some(format!("There are no packs for {} and {last}.", others.join(" "))),
    }
}

/// Lists the letters of the word, each once: its class and its name.
pub fn letters(state: &State) -> Vec<(String, String)> {
    let Some(gallery) = &state.gallery else { return Vec::new() };
    let mut letters: Vec<(String, String)> = Vec::new();
    for sign in word::signs(gallery, &state.settings.word) {
        if let Sign::Letter(class) = sign
            && letters.iter().all(|(known, _)| *known != class)
        {
            let name = class_name(state, &class);
            letters.push((class, name));
        }
    }
    letters
}

/// Says what the letters of the word share, and what is each one's own.
pub fn shared(state: &State) -> String {
    let Some(gallery) = &state.gallery else { return String::new() };
    let letters = letters(state);
    let size = |class: &str| gallery.classes.iter().find(|c| c.id == class).map_or(0, |c| c.bytes);
    let own: u64 = letters.iter().map(|(class, _)| size(class)).sum();
    let count = match letters.len() {
        1 => "one tailor".to_owned(),
        n => format!("{n} tailors"),
    };
    format!(
        "What stays the same from letter to letter is the learngene ({}). What differs is the tailor: this word \
         takes {count} ({}). All letters begin with the same noise, which gives them one style.",
        megabytes(gallery.learngene),
        megabytes(own)
    )
}

/// Describes what "Take apart" can show, and what is still to be downloaded for it.
pub fn show(state: &State, show: Show) -> String {
    match show {
        Show::Dial => "As the dials say".to_owned(),
        Show::Beside => "Without and with the tailor, side by side".to_owned(),
        Show::Classes => {
            let missing = |class: &&ClassInfo| {
                let place = state.files.get(&File::Tailor(class.id.clone()));
                !matches!(place, Some(Place::Stored | Place::Loaded(_)))
            };
            let classes = state.gallery.iter().flat_map(|gallery| &gallery.classes);
            let bytes = classes.take(MOST_IMAGES).filter(missing).map(|class| class.bytes).sum();
            match bytes {
                0 => "All classes from one seed".to_owned(),
                bytes => format!("All classes from one seed ({} to download)", megabytes(bytes)),
            }
        }
    }
}

/// Says what the choice of "Take apart" means.
pub fn showing(state: &State) -> String {
    match state.settings.show {
        Show::Dial => {
            "At 0 % the learngene works alone, at 100 % with the full tailor. Everything else stays as it is."
        }
        Show::Beside => {
            "The same seed twice: on the left the learngene alone, on the right with the tailor as dialled."
        }
        Show::Classes => "The same seed for each class, with the class’s own tailor at 100 %.",
    }
    .to_owned()
}

/// Says what was downloaded, and what the whole model would cost.
pub fn saved(state: &State) -> String {
    let Some(gallery) = &state.gallery else { return String::new() };
    let all = gallery.learngene + gallery.classes.iter().map(|class| class.bytes).sum::<u64>();
    let here = |file: &File| matches!(state.files.get(file), Some(Place::Stored | Place::Loaded(_)));
    let packs = gallery.classes.iter().filter(|class| here(&File::Tailor(class.id.clone())));
    let (count, bytes) = packs.fold((0, 0), |(n, sum), class| (n + 1, sum + class.bytes));
    let bytes = bytes + if here(&File::Learngene) { gallery.learngene } else { 0 };
    let more = if gallery.more { "more than " } else { "" };
    format!(
        "On this device: the learngene and {count} of {} tailors, {}. The whole model takes {more}{}.",
        gallery.classes.len(),
        megabytes(bytes),
        megabytes(all)
    )
}

/// Says how long the first image took, from the visit's first moment on.
pub fn first(state: &State) -> String {
    let Some((since, before, ms)) = state.first.filter(|first| first.0 > 0.0) else { return String::new() };
    let s = |ms: f64| format!("{:.2} s", ms / 1000.0);
    format!(
        "Your first image: {} after the click. Of these, download {}, verify {}, prepare {}, sample {}; \
         the rest is the page and its engine.",
        s(since),
        s(before.download),
        s(before.verify),
        s(before.prepare),
        s(ms)
    )
}

/// Says which step the film shows.
pub fn frame(state: &State) -> String {
    let film = &state.film;
    let (at, all) = (film.frames.get(film.at).map_or(0, |frame| frame.step), state.settings.steps);
    format!("Step {at} of {all}: what the model sees, and the clean image that it makes of it.")
}

/// Says a matrix with its numbers. `weight` is how much of the tailor is used.
pub fn formula(cell: &Cell, weight: f32) -> String {
    let (shared, own) = (cell.learngene, weight * cell.tailor);
    let part = 100.0 * own / (shared + own).max(f32::MIN_POSITIVE);
    format!(
        "Layer {}, {}: y = x·L + {weight:.2}·x·T + b. The learngene’s matrix L has the norm {shared:.2}, the \
         tailor’s T has {:.2}, of which {own:.2} is used: {part:.0} % of both.",
        cell.layer + 1,
        cell.matrix,
        cell.tailor
    )
}

/// Says a matrix in short, for visitors who do not see it.
pub fn cell(cell: &Cell) -> String {
    format!(
        "Layer {}, {}: learngene {:.1}, tailor {:.1}",
        cell.layer + 1,
        cell.matrix,
        cell.learngene,
        cell.tailor
    )
}

/// Says how much room there is.
pub fn room(state: &State) -> String {
    match state.room.bytes {
        Some((usage, quota)) if quota > 0.0 => format!(
            "This site takes {} of the {} that the browser grants it.",
            amount(usage as u64),
            amount(quota as u64)
        ),
        _ => String::new(),
    }
}

/// Says how much of the gallery is on this device.
pub fn total(state: &State) -> String {
    let rows = rows(state);
    let bytes = rows.iter().map(|row| row.bytes).sum();
    match rows.len() {
        0 => labels::EMPTY.to_owned(),
        1 => format!("One file, {}.", amount(bytes)),
        n => format!("{n} files, {}.", amount(bytes)),
    }
}

/// Says when a class was used last.
pub fn used(state: &State, class: Option<&str>) -> String {
    let day = class.and_then(|class| state.room.used.get(class));
    day.map_or_else(String::new, |day| format!("used {day}"))
}

/// Tells whether the classes can be searched.
pub fn searchable(state: &State) -> bool {
    state.gallery.as_ref().is_some_and(|gallery| gallery.more || gallery.classes.len() > MANY)
}

/// Says whether the link was copied.
pub fn copied(state: &State) -> &'static str {
    match state.copied {
        None => "",
        Some(true) => "The link is copied.",
        Some(false) => "This browser does not let the page copy. Select the link and copy it.",
    }
}

/// Lists the files that a visit without a network needs beside those that the page itself loaded,
/// with spaces between them. Nothing is said before there is an image.
pub fn needs(state: &State) -> Option<String> {
    let gallery = state.gallery.as_ref().filter(|_| state.first.is_some())?;
    let name = state.program(Backend::Cpu)?.name();
    let folder = &state.site.gallery;
    let signature =
        if gallery.signed.is_some() { format!(" {folder}index.json.minisig") } else { String::new() };
    Some(format!("{name}.js {name}_bg.wasm {folder}index.json{signature}"))
}
