//! The sentences of the view.

use super::desk::{Desk, ENOUGH, MOST, Phase};
use super::picture::Invert;

/// What the view is for.
pub const IDEA: &str = "Teach the model a class that it has never seen: a sign, an animal, your own face. What all \
                        classes share stays as it is; only a small tailor is learned, here on your device.";
/// What happens to the pictures.
pub const PRIVATE: &str = "Nothing leaves this device.";
/// Why a lesson cannot begin.
pub const LOADING: &str = "The teacher is still loading.";
/// Why a lesson cannot begin.
pub const NAMELESS: &str = "Give the class a name first.";
/// Why a lesson cannot begin.
pub const NONE: &str = "Add pictures first: draw some, choose files, or use the camera.";
/// Why a lesson cannot begin.
pub const ONE: &str = "One picture is too few to learn from. Add at least one more; eight are a good start.";
/// Why a lesson cannot begin.
pub const EQUAL: &str = "All pictures are the same. Add one that differs.";
/// What a file is that no picture can be read from.
pub const NO_PICTURE: &str =
    "is no picture that this browser can read. Choose a PNG, JPEG, WebP, GIF or BMP.";
/// What is wrong with a camera that is missing.
pub const NO_CAMERA: &str = "No camera was found. Connect one, or choose files instead.";
/// What is wrong with a camera that the visitor or the browser refused.
pub const REFUSED: &str =
    "This page may not use the camera. Allow it in the browser's address bar, or choose files instead.";
/// What is wrong with a camera for another reason.
pub const CAMERA_BUSY: &str =
    "The camera gives no picture. Close other programs that use it, or choose files instead.";
/// What is wrong where no camera can be asked for.
pub const INSECURE: &str = "Browsers give a camera only to pages that come by https. Choose files instead.";
/// What to do with an empty canvas.
pub const EMPTY: &str = "The canvas is empty. Draw something first.";
/// What to know where nothing can be kept.
pub const NOT_KEPT: &str =
    "This browser has no room to keep the lesson. Leave this page open until the class is saved.";

/// Says that there are too many pictures.
pub fn too_many() -> String {
    format!("{MOST} pictures are the most. Remove one to add another.")
}

/// Says that a picture file is too large.
pub fn too_large(name: &str, width: u32, height: u32) -> String {
    let million = f64::from(width) * f64::from(height) / 1e6;
    format!("{name} has {million:.0} million pixels, more than this page decodes. Make it smaller first.")
}

/// Says that a file is no picture.
pub fn no_picture(name: &str) -> String {
    format!("{name} {NO_PICTURE}")
}

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
        _ => "its own",
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
