//! `tailor leakage`: how much of a removed class the rest of a gallery can still make.

use crate::cli::LeakageArgs;
use crate::error::Error;
#[cfg(feature = "graph")]
use {
    crate::evaluate::leakage::{Entry, Leakage, leakage},
    crate::gallery::folder::Gallery,
    crate::metrics::bootstrap::Interval,
    crate::say,
    crate::system::output::{self, json, print},
};

/// Runs `tailor leakage`.
///
/// # Errors
/// Anything wrong with gallery, data, classifier, device or disk.
#[cfg(feature = "graph")]
pub fn run(args: &LeakageArgs) -> Result<(), Error> {
    prepare(args)?;
    let (found, sheet) = leakage(&args.settings())?;
    let to_output = args.picture.as_deref().is_some_and(output::is_standard_output);
    let said = if args.json { json(&found) } else { in_words(&found) };
    // The picture has the standard output to itself.
    if to_output {
        say!("{said}")
    } else {
        print(&said)?
    }
    if let Some(path) = &args.picture {
        output::write(path, &sheet.png()?)?;
    }
    Ok(())
}

/// Refuses a picture that cannot be written, or would be written over what is read, and one that is no PNG.
#[cfg(feature = "graph")]
fn prepare(args: &LeakageArgs) -> Result<(), Error> {
    use crate::system::grid::format_of;
    // A classifier that is there is read, not written.
    let classifier = args.figures.classifier.as_ref().filter(|path| !path.exists());
    let outputs: Vec<_> = [args.picture.as_ref(), classifier].into_iter().flatten().collect();
    if let [picture, classifier] = outputs[..]
        && output::same(picture, classifier)
    {
        return Err(Error::Refused {
            what: format!("two results are to be written to {}", output::shown(picture)),
            help: "name a file for each".to_owned(),
        });
    }
    if let Some(path) = &args.picture
        && format_of(path)? != image::ImageFormat::Png
    {
        return Err(Error::Refused {
            what: format!("{} is written as PNG alone", output::shown(path)),
            help: "end the name in .png".to_owned(),
        });
    }
    let galleries = [Some(&args.gallery), args.reference.as_ref()].into_iter().flatten();
    let mut read: Vec<_> = [args.data.clone()].into_iter().chain(args.figures.classifier.clone()).collect();
    read.retain(|path| path.exists());
    for gallery in galleries {
        read.extend(Gallery::open(gallery)?.files());
    }
    for path in outputs {
        output::refuse_inputs(path, &read)?;
        output::prepare(path)?;
    }
    Ok(())
}

/// Refuses `tailor leakage`: its classifier is made of Burn.
///
/// # Errors
/// [`Error::Refused`] always, with the build that has it.
#[cfg(not(feature = "graph"))]
pub fn run(_: &LeakageArgs) -> Result<(), Error> {
    Err(Error::Refused {
        what: "this build has no classifier to judge with: it is made of Burn".to_owned(),
        help: "build one that has it with: cargo install --path native-trainer --features graph".to_owned(),
    })
}

#[cfg(feature = "graph")]
fn in_words(found: &Leakage) -> String {
    let mut text = format!(
        "classifier on {} real images of sources it never saw: {}; guessing among {} classes it would take {} of all \
         images for one class\n",
        found.held_out_images,
        percent(found.classifier_accuracy),
        found.known_classes,
        percent(found.chance),
    );
    for removed in &found.removed {
        text += &format!(
            "\n{} removed ({}): share read as it, and distance to the nearest real one\n",
            removed.name, removed.id
        );
        let width = removed.entries.iter().map(|entry| entry.words.chars().count()).max().unwrap_or(0);
        removed.entries.iter().for_each(|entry| text += &line(entry, width));
    }
    text + &format!("\nin brackets the middle 95 % of {} resamples\n", found.resamples)
}

/// One set of images in a line of words, the first ones so wide.
#[cfg(feature = "graph")]
fn line(entry: &Entry, width: usize) -> String {
    let within = |interval: Option<Interval>, word: fn(f64) -> String| {
        interval.map_or(String::new(), |i| format!(" ({} to {})", word(i.low), word(i.high)))
    };
    let number = |value: f64| format!("{value:.3}");
    let nearest = entry.nearest.map_or("none".to_owned(), number);
    let how = entry.sampling.as_ref().map_or("images".to_owned(), |sampling| {
        format!(
            "samples by {} in {} steps with guidance {}, from seed {} on",
            sampling.sampler, sampling.steps, sampling.guidance, sampling.seed
        )
    });
    format!(
        "  {:width$}  {}{}; {nearest}{}; {} {how}\n",
        entry.words,
        percent(entry.agreement),
        within(entry.agreement_interval, percent),
        within(entry.nearest_interval, number),
        entry.images,
    )
}

#[cfg(feature = "graph")]
fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
