//! Turns the settings into the images that they ask for, and into a link and back.

use super::settings::{FIRST_WORD, MOST_IMAGES, Settings};
use super::state::Plan;
use super::word::{self, Sign};
use crate::link::{Link, Show, View};
use crate::protocol::{Gallery, Turned, Wanted};

/// Lists the images that the settings ask for. There are none where nothing is chosen.
pub fn plan(settings: &Settings, gallery: &Gallery) -> Plan {
    match settings.view {
        View::Make => made(settings),
        View::Word => typed(settings, gallery),
        View::Apart => apart(settings, gallery),
        View::Teach | View::Device => Plan::default(),
    }
}

/// Several images of each chosen class.
fn made(settings: &Settings) -> Plan {
    let seeds = (0..u64::from(settings.count)).map(|n| settings.seed.wrapping_add(n));
    let of = |class: Option<&String>| {
        seeds.clone().map(|seed| Wanted::new(class.cloned(), seed)).collect::<Vec<_>>()
    };
    let images: Vec<Wanted> = match settings.learngene_only {
        true => of(None),
        false => settings.classes.iter().flat_map(|class| of(Some(class))).take(MOST_IMAGES).collect(),
    };
    let (n, count) = (images.len() as u32, settings.count);
    // Several images of several classes are shown as a table, one row for each class.
    let columns = if count > 1 && count < n { count } else { square(n) };
    Plan { images, columns, ..Plan::default() }
}

/// One image of each letter of the word. A letter that comes again is not made again.
fn typed(settings: &Settings, gallery: &Gallery) -> Plan {
    let lines = word::lines(&word::signs(gallery, &settings.word));
    let columns = lines.iter().map(Vec::len).max().unwrap_or(1);
    let mut plan = Plan { columns: columns as u32, word: Some(settings.word.clone()), ..Plan::default() };
    for line in &lines {
        for n in 0..columns {
            plan.places.push(match line.get(n) {
                Some(Sign::Letter(class)) => {
                    let same = |image: &Wanted| image.class.as_ref() == Some(class);
                    let known = plan.images.iter().position(same);
                    let at = known.unwrap_or(plan.images.len());
                    if known.is_none() {
                        plan.images.push(dialled(settings, &[class]));
                    }
                    (at < MOST_IMAGES).then_some(at as u32)
                }
                Some(Sign::Gap | Sign::Missing(_)) | None => None,
            });
        }
    }
    plan.images.truncate(MOST_IMAGES);
    plan
}

/// The chosen classes as the dials say.
fn apart(settings: &Settings, gallery: &Gallery) -> Plan {
    let chosen: Vec<&String> = settings.classes.iter().take(2).collect();
    let images = match settings.show {
        _ if chosen.is_empty() => Vec::new(),
        Show::Dial => vec![dialled(settings, &chosen)],
        Show::Beside => vec![Wanted::new(None, settings.seed), dialled(settings, &chosen)],
        Show::Classes => {
            let of = |class: &String| Wanted::new(Some(class.clone()), settings.seed);
            gallery.classes.iter().take(MOST_IMAGES).map(|class| of(&class.id)).collect()
        }
    };
    let all = settings.show == Show::Classes;
    let columns = if all { square(images.len() as u32) } else { 2 };
    let parts = if all || settings.parts.is_nothing() { Turned::default() } else { settings.parts.clone() };
    Plan { columns: columns.min(images.len() as u32), images, parts, ..Plan::default() }
}

/// An image of these classes, each with as much of its tailor as its dial says.
fn dialled(settings: &Settings, classes: &[&String]) -> Wanted {
    let gate: Vec<(String, f32)> =
        classes.iter().map(|class| ((*class).clone(), settings.dial(class))).collect();
    // What needs no weights is asked for without, so that an older engine understands it.
    let whole = gate.len() == 1 && gate.iter().all(|(_, weight)| *weight == 1.0);
    let class = classes.first().map(|class| (*class).clone());
    Wanted { class, seed: settings.seed, gate: if whole { Vec::new() } else { gate } }
}

/// Lists the parts of a tailor that can be turned down, as in [`Turned`].
pub fn parts(gallery: &Gallery) -> Vec<String> {
    let layers = (1..=gallery.layers).map(|layer| layer.to_string());
    layers.chain(gallery.matrices.iter().cloned()).chain([Turned::LABEL.to_owned()]).collect()
}

/// Returns how many of `n` images lie in a row of a square.
fn square(n: u32) -> u32 {
    (1..=n).find(|c| c * c >= n).unwrap_or(1)
}

/// Returns the link to the settings.
pub fn link(settings: &Settings, gallery: &Gallery) -> Link {
    // A name reads better than an id, if only one class has it and an address can hold it as it
    // is.
    let word = |id: &String| {
        let class = gallery.classes.iter().find(|class| class.id == *id);
        let name = class.map(|class| class.name.clone()).unwrap_or_default();
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
        let once = gallery.classes.iter().filter(|c| c.name == name || c.id == name).count() == 1;
        // In a large gallery it is not known whether only one class has the name.
        if plain && once && !gallery.more { name } else { id.clone() }
    };
    let view = settings.view;
    let typed = view == View::Word;
    // Dials of classes that the view does not show change nothing.
    let signs = if typed { word::signs(gallery, &settings.word) } else { Vec::new() };
    let shown = |class: &String| match view {
        View::Word => signs.contains(&Sign::Letter(class.clone())),
        View::Apart => settings.classes.iter().take(2).any(|chosen| chosen == class),
        View::Make | View::Teach | View::Device => false,
    };
    let mixed = view == View::Apart && settings.classes.len() > 1;
    let own = |(part, share): (&String, &f32)| (part.clone(), *share);
    let dials = settings.dials.iter().filter(|(class, weight)| shown(class) && (mixed || **weight != 1.0));
    Link {
        view: Some(view).filter(|view| *view != View::Make),
        classes: if typed { Vec::new() } else { settings.classes.iter().map(word).collect() },
        word: typed.then(|| settings.word.clone()),
        dials: dials.map(|(class, weight)| (word(class), *weight)).collect(),
        parts: settings.parts.0.iter().filter(|_| view == View::Apart).map(own).collect(),
        show: if view == View::Apart { settings.show } else { Show::Dial },
        seed: Some(settings.seed),
        steps: Some(settings.steps).filter(|n| *n != gallery.steps),
        guidance: Some(settings.guidance).filter(|g| *g != gallery.guidance),
        count: Some(settings.count).filter(|_| view == View::Make),
        learngene_only: settings.learngene_only && view == View::Make,
        hide: settings.hide.clone(),
        wrong: Vec::new(),
    }
}

/// Takes the settings from a link, and the rest from the gallery. Returns the class that the link
/// names and the gallery lacks, if there is one.
pub fn take(settings: &mut Settings, link: Link, gallery: &Gallery) -> Option<String> {
    let find = |wanted: &String| {
        let class = gallery.find(wanted);
        // In a large gallery only the engine knows whether there is such an id.
        class.map(|class| class.id.clone()).or_else(|| gallery.more.then(|| wanted.clone()))
    };
    let spells = word::spells(gallery);
    let front = if spells { View::Word } else { View::Make };
    let view = if link.is_empty() { front } else { link.view.unwrap_or_default() };
    settings.view = match view {
        View::Word if !spells => View::Make,
        view => view,
    };
    let mut classes: Vec<String> = link.classes.iter().filter_map(find).collect();
    let unknown = link.classes.iter().find(|wanted| find(wanted).is_none()).cloned();
    if classes.is_empty() {
        classes.extend(gallery.named("A").or(gallery.classes.first()).map(|class| class.id.clone()));
    }
    settings.several = classes.len() > 1 && settings.view == View::Make;
    let first = classes.first().and_then(|id| gallery.classes.iter().find(|class| class.id == *id));
    settings.word = link.word.unwrap_or_else(|| match word::missing(gallery, FIRST_WORD).is_empty() {
        true => FIRST_WORD.to_owned(),
        false => first.map(|class| class.name.clone()).unwrap_or_default(),
    });
    settings.classes = classes;
    let dials = link.dials.iter().filter_map(|(class, weight)| Some((find(class)?, *weight)));
    settings.dials = dials.collect();
    settings.mix();
    let there = |(part, _): &(String, f32)| parts(gallery).contains(part);
    settings.parts = Turned(link.parts.into_iter().filter(there).collect());
    settings.show = link.show;
    settings.seed = link.seed.unwrap_or(7);
    settings.count = link.count.unwrap_or(1);
    settings.steps = link.steps.unwrap_or(gallery.steps);
    settings.guidance = link.guidance.unwrap_or(gallery.guidance);
    settings.learngene_only = link.learngene_only;
    settings.hide = link.hide;
    unknown
}
