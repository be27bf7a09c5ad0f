//! `tailor experiment`: arms trained with the same seeds, judged and compared.

use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::cli::{ExperimentArgs, ExperimentThen};
use crate::error::Error;
use crate::experiment::compare::{Table, in_markdown};
use crate::experiment::estimate::{ArmEstimate, Estimate, estimate};
use crate::experiment::pictures::{self, Picture};
use crate::experiment::plan::Experiment;
use crate::experiment::results::{self, Outcome};
use crate::experiment::{Carried, carry_out, is_worker};
use crate::say;
use crate::settings::experiment::PictureSettings;
use crate::system::output::{self, json, print, shown};
use crate::system::shell;
use crate::system::status::Status;

/// Runs `tailor experiment`.
///
/// # Errors
/// Anything wrong with file, data, device or disk; what has ended stays.
pub fn run(args: &ExperimentArgs) -> Result<Status, Error> {
    if let Some(ExperimentThen::Report { results, figures, classes, seed, out }) = &args.then {
        let pictures = PictureSettings { classes: classes.clone(), seed: *seed };
        return report(results, figures, &pictures, out).map(Status::from);
    }
    let settings = args.settings();
    let experiment = Experiment::read(&settings.file)?;
    let experiment = match &settings.split {
        Some(split) => experiment.with_split(split)?,
        None => experiment,
    };
    if args.estimate {
        let estimate = estimate(&settings, &experiment)?;
        print(&if args.json { json(&estimate) } else { in_words(&estimate) })?;
        return Ok(Status::Done);
    }
    let Carried { status, outcomes, elsewhere } = carry_out(&settings, &experiment)?;
    let all = experiment.runs.len();
    let page = shell::path(&settings.out);
    match outcomes.len() {
        // The program that has started this one says it.
        _ if is_worker() => {}
        n if n < all && elsewhere == 0 && settings.part.1 > 1 && status == Status::Done => {
            say!("this part has ended; {n} of {all} runs of all parts have")
        }
        n if n == all => {
            say!("all {all} runs have ended; the tables: tailor experiment report {page}")
        }
        n => say!(
            "{n} of {all} runs have ended; other programs are at {elsewhere} of the rest, the same command goes on"
        ),
    }
    if args.json {
        print(&json(&serde_json::json!({
            "results": results::lines(&settings.out).to_string_lossy(),
            "runs": all,
            "ended": outcomes.len(),
        })))?;
    }
    Ok(status)
}

fn report(results: &[PathBuf], figures: &[String], asked: &PictureSettings, out: &Path) -> Result<(), Error> {
    let files: Vec<PathBuf> = results
        .iter()
        .map(|results| if results.is_dir() { results::lines(results) } else { results.to_owned() })
        .collect();
    output::refuse_inputs(out, files.clone())?;
    let experiments: Vec<Vec<Outcome>> = files.iter().map(|file| read(file)).collect::<Result<_, _>>()?;
    let unknown = |name: &&String| experiments.iter().flatten().all(|o| o.figure(name).is_none());
    if let Some(unknown) = figures.iter().find(unknown) {
        return Err(Error::Refused {
            what: format!("no result has a figure called {unknown:?}"),
            help: "name a field of results.jsonl, such as agreement or frechet.samples, or one of its figures, such as samples.fid or samples.recall".to_owned(),
        });
    }
    let (level, title) = match experiments.len() {
        1 => ("#", String::new()),
        several => ("##", format!("# {several} experiments\n\n")),
    };
    let tables: Vec<String> = experiments
        .iter()
        .map(|outcomes| {
            let name = in_markdown(&outcomes[0].experiment);
            format!("{level} {name}\n\n{}", Table::of(outcomes, figures).to_markdown())
        })
        .collect();
    let mut page = title + &tables.join("\n");
    output::prepare(out)?;
    let ([outcomes], false) = (&experiments[..], output::is_standard_output(out)) else {
        if !asked.classes.is_empty() || asked.seed.is_some() {
            return Err(Error::Refused {
                what: "--class and --seed choose what pictures show, and here are none".to_owned(),
                help: "name one experiment alone, and the page with --out FILE.md".to_owned(),
            });
        }
        return Ok(output::write(out, page.as_bytes())?);
    };
    let root = files[0].parent().unwrap_or(Path::new(""));
    let folder = format!("{}-pictures", out.file_stem().unwrap_or_default().to_string_lossy());
    for section in pictures::of(root, outcomes, asked)? {
        page += &format!("\n## {}\n", section.title);
        for Picture { name, alt, bytes } in &section.pictures {
            let path = out.with_file_name(&folder).join(name);
            output::prepare(&path)?;
            output::write(&path, bytes)?;
            let folder = utf8_percent_encode(&folder, NOT_IN_LINKS);
            page += &format!("\n![{alt}](<{folder}/{name}>)\n");
        }
        page += &format!("\n{}\n", section.words);
    }
    Ok(output::write(out, page.as_bytes())?)
}

/// What ends a link in angle brackets, or means something else there.
const NOT_IN_LINKS: &AsciiSet = &CONTROLS.add(b'<').add(b'>').add(b'\\').add(b'%');

/// The results in a file, of which there is one at least.
fn read(file: &Path) -> Result<Vec<Outcome>, Error> {
    let outcomes = results::read(file)?;
    if outcomes.is_empty() {
        return Err(Error::Refused {
            what: format!("{} holds no result yet", shown(file)),
            help: "wait for the first run to end".to_owned(),
        });
    }
    Ok(outcomes)
}

fn in_words(estimate: &Estimate) -> String {
    let arm = |arm: &ArmEstimate| {
        format!(
            "{}: runs {}, {} to go; {:.2} h of sampling each; trainings {}, {:.2} h each ({:.0} images/s)\n",
            arm.arm,
            arm.runs.0,
            arm.runs.1,
            arm.sampling_hours,
            arm.trainings,
            arm.training_hours,
            arm.images_per_second,
        )
    };
    let arms: String = estimate.arms.iter().map(arm).collect();
    format!("{arms}{:.1} hours in all, {:.1} to go\n", estimate.hours, estimate.hours_left)
}
