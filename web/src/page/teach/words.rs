//! The sentences in which the view says what it knows.

use super::desk::{Desk, ENOUGH, Phase};
use super::picture::Invert;
use crate::page::language::TeachWords;

/// Says how pictures are shown to the model.
pub fn polarity(desk: &Desk) -> String {
    let words = &desk.words;
    match (desk.place.channels, desk.place.dark, desk.invert) {
        (_, _, Invert::Always) => words.teach_inverted(),
        (_, _, Invert::Never) => words.teach_as_they_are(),
        (1, Some(true), _) => words.teach_bright_on_dark(),
        (1, Some(false), _) => words.teach_dark_on_bright(),
        _ => words.teach_as_they_are(),
    }
}

/// Counts the pictures.
pub fn count(desk: &Desk) -> String {
    let words = &desk.words;
    match desk.pictures.len() {
        0 => words.teach_no_pictures_yet(),
        n @ 2..ENOUGH => words.teach_few_pictures(&n, &ENOUGH),
        n => words.teach_pictures(&n),
    }
}

/// Says what is going on.
pub fn status(desk: &Desk) -> String {
    let ((step, of), words) = (desk.step, &desk.words);
    match desk.phase {
        Phase::Loading => words.teach_loading(),
        Phase::Gathering => desk.cannot_begin().unwrap_or_else(|| words.teach_ready()),
        Phase::Starting => words.teach_starting(),
        Phase::Learning if desk.hidden => words.teach_hidden(),
        Phase::Learning => {
            let at = match desk.workers {
                0 | 1 => words.teach_step_one(&of, &step),
                n => words.teach_step_cores(&of, &n, &step),
            };
            match desk.seconds_left() {
                Some(seconds) => words.teach_step_left(&left(words, seconds), &at),
                None => at,
            }
        }
        Phase::Paused => words.teach_paused(&of, &step),
        Phase::Ending => words.teach_ending(),
        Phase::Ended => words.teach_ended(&step),
        Phase::Saving => words.teach_saving(),
        Phase::Saved => match &desk.pack {
            Some(pack) if !pack.kept => words.teach_made(),
            _ => words.teach_saved(),
        },
    }
}

fn left(words: &TeachWords, seconds: f64) -> String {
    match seconds.round() as u64 {
        0..=1 => words.teach_almost(),
        s @ 2..=99 => words.teach_seconds_left(&s),
        s => words.teach_minutes_left(&((s + 30) / 60)),
    }
}

/// Says what is kept of an earlier lesson.
pub fn kept(desk: &Desk) -> Option<String> {
    let kept = desk.kept.as_ref()?;
    let (step, of) = (kept.step, kept.plan.steps);
    Some(desk.words.teach_kept(&of, &kept.plan.name, &step))
}

/// Says how far a sample is from the nearest picture.
pub fn distance(words: &TeachWords, far: f32) -> String {
    let number = words.decimal(f64::from(far), 2);
    match far {
        _ if far < 0.15 => words.teach_near(&number),
        _ if far < 0.35 => words.teach_close(&number),
        _ => words.teach_far(&number),
    }
}

/// Says what became of the pack.
pub fn saved(desk: &Desk) -> Option<String> {
    let pack = desk.pack.as_ref()?;
    let say = if pack.kept { TeachWords::teach_pack_kept } else { TeachWords::teach_pack_not_kept };
    let kilobytes = desk.words.decimal(pack.bytes.len() as f64 / 1000.0, 0);
    Some(say(&desk.words, &pack.class.name, &kilobytes))
}
