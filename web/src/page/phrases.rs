//! The sentences of the views in which words are typed and the model is taken apart, and of what is
//! kept on this device.

use super::language::Words;
use super::search::MANY;
use super::settings::MOST_IMAGES;
use super::state::{Place, State};
use super::word::{self, Sign};
use super::words::{class_name, rows};
use crate::link::Show;
use crate::protocol::{Backend, Cell, ClassInfo, File, Turned};

/// Says which signs of the word have no pack.
pub fn missing(state: &State) -> Option<String> {
    let gallery = state.gallery.as_ref()?;
    let signs = word::missing(gallery, &state.settings.word);
    match signs.split_last()? {
        (last, []) => Some(state.words.no_pack(last)),
        (last, others) => Some(state.words.no_packs(last, &others.join(" "))),
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
    let words = &state.words;
    words.letters_shared(&words.megabytes(gallery.learngene), &letters.len(), &words.megabytes(own))
}

/// Describes what "Take apart" can show, and what is still to be downloaded for it.
pub fn show(state: &State, show: Show) -> String {
    let words = &state.words;
    match show {
        Show::Dial => words.show_dial(),
        Show::Beside => words.show_beside(),
        Show::Classes => {
            let missing = |class: &&ClassInfo| {
                let place = state.files.get(&File::Tailor(class.id.clone()));
                !matches!(place, Some(Place::Stored | Place::Loaded(_)))
            };
            let classes = state.gallery.iter().flat_map(|gallery| &gallery.classes).take(MOST_IMAGES);
            let count = classes.clone().count();
            match classes.filter(missing).map(|class| class.bytes).sum() {
                0 => words.show_classes(&count),
                bytes => words.show_classes_bytes(&words.megabytes(bytes), &count),
            }
        }
    }
}

/// Says what the link to the images is good for: less, where they need a class that only this device has.
pub fn local(state: &State) -> String {
    let shown = state.plan().images.into_iter().flat_map(|image| image.weights());
    let own =
        |id: &str| state.gallery.iter().flat_map(|g| &g.classes).any(|class| class.own && class.id == *id);
    let words = &state.words;
    if shown.map(|(class, _)| class).any(|class| own(&class)) { words.local_own() } else { words.local() }
}

/// Says what the choice of "Take apart" means.
pub fn showing(state: &State) -> String {
    match state.settings.show {
        Show::Dial => state.words.showing_dial(),
        Show::Beside => state.words.showing_beside(),
        Show::Classes => state.words.showing_classes(),
    }
}

/// Says what was downloaded, and what the whole model would cost.
pub fn saved(state: &State) -> String {
    let Some(gallery) = &state.gallery else { return String::new() };
    let all = gallery.learngene + gallery.classes.iter().map(|class| class.bytes).sum::<u64>();
    let here = |file: &File| matches!(state.files.get(file), Some(Place::Stored | Place::Loaded(_)));
    let packs = gallery.classes.iter().filter(|class| here(&File::Tailor(class.id.clone())));
    let (count, bytes) = packs.fold((0, 0), |(n, sum), class| (n + 1, sum + class.bytes));
    let bytes = bytes + if here(&File::Learngene) { gallery.learngene } else { 0 };
    let words = &state.words;
    let say = if gallery.more { Words::saved_more } else { Words::saved };
    say(words, &gallery.classes.len(), &words.megabytes(bytes), &count, &words.megabytes(all))
}

/// Says how long the first image took, from the visit's first moment on.
pub fn first(state: &State) -> String {
    let Some((since, before, ms)) = state.first.filter(|first| first.0 > 0.0) else { return String::new() };
    let words = &state.words;
    let s = |ms: f64| words.decimal(ms / 1000.0, 2);
    words.first_image(&s(before.download), &s(before.prepare), &s(ms), &s(since), &s(before.verify))
}

/// Says which step the film shows.
pub fn frame(state: &State) -> String {
    let film = &state.film;
    let (at, all) = (film.frames.get(film.at).map_or(0, |frame| frame.step), state.settings.steps);
    state.words.frame(&all, &at)
}

/// Says a matrix with its numbers. `weight` is how much of the tailor is used.
pub fn formula(words: &Words, cell: &Cell, weight: f32) -> String {
    let (shared, own) = (cell.learngene, weight * cell.tailor);
    let part = 100.0 * own / (shared + own).max(f32::MIN_POSITIVE);
    let two = |number: f32| words.decimal(f64::from(number), 2);
    words.formula(
        &(cell.layer + 1),
        &cell.matrix,
        &two(own),
        &words.decimal(f64::from(part), 0),
        &two(shared),
        &two(cell.tailor),
        &two(weight),
    )
}

/// Says a matrix in short, for visitors who do not see it.
pub fn cell(words: &Words, cell: &Cell) -> String {
    let one = |number: f32| words.decimal(f64::from(number), 1);
    words.cell(&(cell.layer + 1), &cell.matrix, &one(cell.learngene), &one(cell.tailor))
}

/// Names a part of a tailor, as in [`Turned`].
pub fn part(words: &Words, part: &str) -> String {
    match part.parse::<u32>() {
        Ok(layer) => words.layer(&layer),
        Err(_) if part == Turned::LABEL => words.parts_label(),
        Err(_) => part.to_owned(),
    }
}

/// Says how much room there is.
pub fn room(state: &State) -> String {
    match state.room.bytes {
        Some((usage, quota)) if quota > 0.0 => {
            state.words.room(&state.words.amount(quota as u64), &state.words.amount(usage as u64))
        }
        _ => String::new(),
    }
}

/// Says how much memory the page takes, and what is counted.
pub fn memory(state: &State) -> String {
    let (words, room) = (&state.words, &state.room);
    let engines: u64 = state.memory.values().map(|(bytes, _)| bytes).sum();
    let workers: u32 = state.memory.values().map(|(_, workers)| workers).sum();
    if room.page == 0 {
        return String::new();
    }
    let all = room.page + engines + room.teacher + room.scripts.unwrap_or_default();
    let amount = |bytes| words.amount(bytes);
    let mut said = vec![words.memory(&amount(all), &amount(engines), &amount(room.page), &workers)];
    if room.teacher > 0 {
        said.push(words.memory_teacher(&amount(room.teacher)));
    }
    said.extend(room.scripts.map(|bytes| words.memory_scripts(&amount(bytes))));
    if state.memory.contains_key(&Backend::Gpu) {
        said.push(words.memory_gpu());
    }
    said.join(" ")
}

/// Says how much of the gallery is on this device.
pub fn total(state: &State) -> String {
    let rows = rows(state);
    let bytes = rows.iter().map(|row| row.bytes).sum();
    match rows.len() {
        0 => state.words.empty(),
        n => state.words.total(&state.words.amount(bytes), &n),
    }
}

/// Says when a class was used last.
pub fn used(state: &State, class: Option<&str>) -> String {
    let day = class.and_then(|class| state.room.used.get(class));
    day.map_or_else(String::new, |day| state.words.used(day))
}

/// Tells whether the classes can be searched.
pub fn searchable(state: &State) -> bool {
    state.gallery.as_ref().is_some_and(|gallery| gallery.more || gallery.classes.len() > MANY)
}

/// Says whether the link was copied.
pub fn copied(state: &State) -> String {
    match state.copied {
        None => String::new(),
        Some(true) => state.words.copied(),
        Some(false) => state.words.not_copied(),
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
