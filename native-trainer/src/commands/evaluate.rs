//! `tailor evaluate`: a gallery, judged with a classifier trained on real images.

use crate::cli::EvaluateArgs;
use crate::error::Error;
#[cfg(feature = "graph")]
use crate::evaluate::{ClassReport, Evaluation, Figure, Sampled, evaluate};
#[cfg(feature = "graph")]
use crate::gallery::folder::Gallery;
#[cfg(feature = "graph")]
use crate::system::output;

/// Confusable pairs that are named in words.
#[cfg(feature = "graph")]
const PAIRS: usize = 24;

/// Runs `tailor evaluate`.
///
/// # Errors
/// Anything wrong with gallery, data, device or disk.
#[cfg(feature = "graph")]
pub fn run(args: &EvaluateArgs) -> Result<(), Error> {
    prepare(args)?;
    let report = evaluate(&args.settings())?;
    // The figures took long to find: where one place for them fails, they still reach the other.
    let printed = match args.out.as_deref().is_some_and(output::is_standard_output) {
        true => Ok(()),
        false => output::print(&if args.json { output::json(&report) } else { in_words(&report) }),
    };
    if let Some(path) = &args.out {
        output::write(path, output::json(&report).as_bytes())?;
    }
    Ok(printed?)
}

/// Refuses files that cannot be written, would be written over what is read, or over each other.
#[cfg(feature = "graph")]
fn prepare(args: &EvaluateArgs) -> Result<(), Error> {
    // A classifier that is there is read, not written.
    let classifier = args.figures.classifier.as_ref().filter(|path| !path.exists());
    let outputs: Vec<_> = [args.out.as_ref(), args.npz.as_ref(), classifier].into_iter().flatten().collect();
    if outputs.is_empty() {
        return Ok(());
    }
    let gallery = Gallery::open(&args.gallery)?;
    let read: Vec<_> = gallery
        .files()
        .chain([args.data.clone()])
        .chain(
            args.features
                .iter()
                .chain(&args.autoencoder)
                .chain(&args.figures.classifier)
                .filter(|path| path.exists())
                .cloned(),
        )
        .collect();
    for (i, path) in outputs.iter().enumerate() {
        if outputs[..i].iter().any(|other| output::same(other, path)) {
            return Err(Error::Refused {
                what: format!("two results are to be written to {}", output::shown(path)),
                help: "name a file for each".to_owned(),
            });
        }
        output::refuse_inputs(path, &read)?;
        output::prepare(path)?;
    }
    Ok(())
}

/// Refuses `tailor evaluate`: its classifier is made of Burn.
///
/// # Errors
/// [`Error::Refused`] always, with the build that has it.
#[cfg(not(feature = "graph"))]
pub fn run(_: &EvaluateArgs) -> Result<(), Error> {
    Err(Error::Refused {
        what: "this build has no classifier to judge with: it is made of Burn".to_owned(),
        help: "build one that has it with: cargo install --path native-trainer --features graph".to_owned(),
    })
}

#[cfg(feature = "graph")]
fn in_words(report: &Evaluation) -> String {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let mut pairs: Vec<String> =
        report.confusable.iter().take(PAIRS).map(|[a, b]| format!("{a}/{b}")).collect();
    match report.confusable.len() {
        0 => pairs.push("none".to_owned()),
        n if n > PAIRS => pairs.push(format!("and {} more", n - PAIRS)),
        _ => {}
    }
    let worst = |c: &ClassReport| {
        let instead = c.taken_for.as_ref().map_or(String::new(), |t| format!(" (as {t})"));
        format!("{} {}{instead}", c.name, percent(c.agreement))
    };
    let worst: Vec<String> = report.classes.iter().take(8).map(worst).collect();
    let frechet = report.frechet.as_ref().map_or(String::new(), |f| {
        format!(
            "Fréchet distance to {} real images in the classifier's features: {:.3}; between two halves of \
             these: {:.3}\n\
             {} samples, and as many real images, against {} other real images: {:.3} and {:.3}; the nearest of \
             these is {:.2} and {:.2} away on average\n",
            f.real_images,
            f.samples,
            f.real_halves,
            f.as_many.images,
            f.as_many.others,
            f.as_many.samples,
            f.as_many.real,
            f.as_many.nearest_to_samples,
            f.as_many.nearest_to_real,
        )
    });
    let others = match report.not_sampled.len() {
        0 => String::new(),
        n => format!("not sampled: {n} classes of the data, which the classifier knows all the same\n"),
    };
    let figures: String = report.figures.iter().map(line).collect();
    let sampling = &report.sampling;
    let Sampled { guide, guide_unnamed, guide_times: (from, until), .. } = *sampling;
    let guide = match (guide, from, until) {
        _ if guide_unnamed => format!(" at times {from} to {until}, away from tailors without their labels"),
        (0.0, 0.0, 1.0) => String::new(),
        _ => format!(" at times {from} to {until}, away from tailors at {guide} of their strength"),
    };
    let resamples = report.figures.first().map_or(0, |figure| figure.resamples);
    let interval = report
        .agreement_interval
        .map_or(String::new(), |i| format!(" ({} to {})", percent(i.low), percent(i.high)));
    format!(
        "classifier on {} real images of sources it never saw: {}\n\
         agreement with the asked class, {} samples: {}{interval}\n\
         the same, pairs confused on real images counted as one: {}  ({})\n\
         lowest: {}\n\
         {others}{frechet}\
         learngene alone, {} samples: read as {} classes, most often {} ({}), entropy {:.2} of {:.2} nats\n\
         {figures}\
         sampled by {} in {} steps with guidance {}{guide}, from seed {} on; in brackets the middle 95 % of {resamples} \
         resamples\n",
        report.held_out_images,
        percent(report.classifier_accuracy),
        report.samples,
        percent(report.agreement),
        percent(report.agreement_up_to_confusable),
        pairs.join(" "),
        worst.join(", "),
        report.learngene_samples,
        report.learngene_classes,
        report.learngene_most.0,
        percent(report.learngene_most.1),
        report.learngene_entropy,
        report.largest_entropy,
        sampling.sampler,
        sampling.steps,
        sampling.guidance,
        sampling.seed,
    )
}

/// One figure in a line of words.
#[cfg(feature = "graph")]
fn line(figure: &Figure) -> String {
    let interval =
        figure.interval.map_or(String::new(), |i| format!(" ({} to {})", rounded(i.low), rounded(i.high)));
    let against = figure.real_images.map_or(String::new(), |n| format!(" against {n} real images"));
    let of = match figure.of {
        "learngene" => "samples of the learngene alone",
        of => of,
    };
    let Figure { metric, value, images, network, .. } = figure;
    format!("{metric}: {}{interval}, {images} {of}{against}, {network}\n", rounded(*value))
}

/// Four digits, however small a value is.
#[cfg(feature = "graph")]
fn rounded(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.01 { format!("{value:.3e}") } else { format!("{value:.3}") }
}
