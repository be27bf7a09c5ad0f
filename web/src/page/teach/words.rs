//! The sentences in which the view says what it knows.

use super::desk::{Desk, ENOUGH, Phase};
use super::picture::Invert;
use super::sentences::LOADING;

/// Says how pictures are shown to the model.
pub fn polarity(desk: &Desk) -> &'static str {
    match (desk.place.channels, desk.place.dark, desk.invert) {
        (_, _, Invert::Always) => "Every picture is inverted: dark becomes bright.",
        (_, _, Invert::Never) => "Pictures are taught as they are.",
        (1, Some(true), _) => {
            "This gallery is bright on dark, so dark ink on bright paper is inverted. Look at the small pictures: \
             the thing must be bright."
        }
        (1, Some(false), _) => {
            "This gallery is dark on bright, so bright ink on a dark ground is inverted. Look at the small pictures: \
             the thing must be dark."
        }
        _ => "Pictures are taught as they are.",
    }
}

/// Counts the pictures.
pub fn count(desk: &Desk) -> String {
    match desk.pictures.len() {
        0 => "No pictures yet".to_owned(),
        1 => "1 picture".to_owned(),
        n if n < ENOUGH => format!("{n} pictures; {ENOUGH} or more teach better"),
        n => format!("{n} pictures"),
    }
}

/// Says what is going on.
pub fn status(desk: &Desk) -> String {
    let (step, of) = desk.step;
    let workers = match desk.workers {
        0 | 1 => "on one core".to_owned(),
        n => format!("on {n} cores"),
    };
    match desk.phase {
        Phase::Loading => LOADING.to_owned(),
        Phase::Gathering => desk.cannot_begin().unwrap_or_else(|| "Ready to begin.".to_owned()),
        Phase::Starting => "Getting ready…".to_owned(),
        Phase::Learning => match desk.seconds_left() {
            Some(seconds) => format!("Step {step} of {of} {workers}, {}", left(seconds)),
            None => format!("Step {step} of {of} {workers}"),
        },
        Phase::Paused => format!("Paused after step {step} of {of}."),
        Phase::Ending => "Drawing the last samples…".to_owned(),
        Phase::Ended => format!("Taught for {step} steps."),
        Phase::Saving => "Writing the pack…".to_owned(),
        Phase::Saved => "Saved. The class stands among the others under Make.".to_owned(),
    }
}

fn left(seconds: f64) -> String {
    match seconds.round() as u64 {
        0..=1 => "almost done".to_owned(),
        s @ 2..=99 => format!("{s} seconds left"),
        s => format!("{} minutes left", (s + 30) / 60),
    }
}

/// Says what is kept of an earlier lesson.
pub fn kept(desk: &Desk) -> Option<String> {
    let kept = desk.kept.as_ref()?;
    let (step, of) = (kept.step, kept.plan.steps);
    Some(format!("A lesson of “{}” is kept on this device: {step} of {of} steps are made.", kept.plan.name))
}

/// Says how far a sample is from the nearest picture.
pub fn distance(far: f32) -> String {
    let word = match far {
        _ if far < 0.15 => "nearly a copy",
        _ if far < 0.35 => "close",
        _ => "no copy",
    };
    format!("{far:.2}, {word}")
}

/// Says what became of the pack.
pub fn saved(desk: &Desk) -> Option<String> {
    let pack = desk.pack.as_ref()?;
    let kilobytes = pack.bytes.len() as f64 / 1000.0;
    let place = match pack.kept {
        true => "It is kept in this browser.",
        false => "This browser could not keep it: save it as a file now.",
    };
    Some(format!("The pack of “{}” has {kilobytes:.0} kB. {place}", pack.class.name))
}
