//! `tailor evaluate`: a gallery, judged with a classifier trained on real images.

use crate::cli::EvaluateArgs;
use crate::error::Error;
#[cfg(feature = "graph")]
use crate::evaluate::{ClassReport, Evaluation, evaluate};
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
    if let Some(path) = &args.out {
        let gallery = Gallery::open(&args.gallery)?;
        output::refuse_inputs(path, gallery.files().chain([args.data.clone()]))?;
        output::prepare(path)?;
    }
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
             these: {:.3}\n",
            f.real_images, f.samples, f.real_halves
        )
    });
    let others = match report.not_sampled.len() {
        0 => String::new(),
        n => format!("not sampled: {n} classes of the data, which the classifier knows all the same\n"),
    };
    format!(
        "classifier on {} real images of sources it never saw: {}\n\
         agreement with the asked class, {} samples: {}\n\
         the same, pairs confused on real images counted as one: {}  ({})\n\
         lowest: {}\n\
         {others}{frechet}\
         learngene alone, {} samples: read as {} classes, most often {} ({}), entropy {:.2} of {:.2} nats\n",
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
    )
}
