//! The beginning of a run, new or resumed: from settings to a trainer and data that fit each other.

use std::fs::File;
use std::path::Path;

use super::adapt::Adapt;
use super::base::base_file;
use super::checkpoint::{self, ClassName, Losses, RunHeader};
use super::loader;
use super::method::{MethodHeader, Trains};
use super::noted::DataCard;
use super::run::{Ended, Run};
use super::teacher::{Teacher, teacher_file};
use super::trainer::Trainer;
use crate::compute::device;
use crate::data::splits::Split;
use crate::data::{Dataset, Options, names};
use crate::error::Error;
use crate::say;
use crate::settings::recipe::Recipe;
use crate::settings::train::TrainSettings;
use crate::system::files::{create_folder, leave, lock};
use crate::system::output::{self, shown};
use crate::system::shell;

/// A run that has ended, its folder still kept from others.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// Held open, it keeps other programs out.
    _lock: File,
}

/// Trains from images, or goes on with a run.
///
/// # Errors
/// Anything wrong with data, settings, device or disk; what was saved before stays.
pub fn train(settings: &TrainSettings) -> Result<Outcome, Error> {
    let fresh = !settings.out.exists();
    begin(settings, None).inspect_err(|_| leave(&settings.out, fresh))
}

/// Adapts a trained network to the classes of the data, or goes on with such a run.
///
/// # Errors
/// Anything wrong with base, data, settings, device or disk; what was saved before stays.
pub fn finetune(settings: &TrainSettings, adapt: &Adapt) -> Result<Outcome, Error> {
    let fresh = !settings.out.exists();
    begin(settings, Some(adapt)).inspect_err(|_| {
        if fresh && !checkpoint::folder(&settings.out).exists() {
            for file in [base_file(&settings.out), teacher_file(&settings.out)] {
                let _ = std::fs::remove_file(file);
            }
        }
        leave(&settings.out, fresh);
    })
}

fn begin(settings: &TrainSettings, adapt: Option<&Adapt>) -> Result<Outcome, Error> {
    let TrainSettings { data: path, out, running, .. } = settings;
    running.validate()?;
    // Refused before any folder is made.
    Dataset::there(path)?;
    outside(path, out)?;
    let split = settings.split.as_deref().map(Split::open).transpose()?;
    let device = device::open(running.device.device)?;
    create_folder(out)?;
    let lock = lock(out, "training")?;
    let begun = !checkpoint::list(out)?.is_empty();
    if begun && !settings.resume {
        return Err(Error::Refused {
            what: format!("{} already holds a run", out.display()),
            help: "go on with --resume, or choose another --out".to_owned(),
        });
    }
    checkpoint::tidy(out);
    if settings.resume && !begun {
        say!("note: {} holds no run yet, so a new one begins", shown(out));
    }
    let stored = if begun { checkpoint::latest(out)? } else { None };
    if let Some(stored) = &stored {
        same_command(&stored.header, adapt, out)?;
    }
    let start = adapt.map(|adapt| adapt.recipe());
    let recipe = settings.recipe(stored.as_ref().map(|stored| &stored.header.recipe).or(start.as_ref()))?;
    stored.as_ref().map_or(Ok(()), |stored| not_beyond(&stored.header, recipe.training.steps, out))?;
    loader::fits(&recipe.model, recipe.training.batch_size)?;
    recipe.training.suits(&recipe.model)?;
    let cache = settings.cache.clone().unwrap_or_else(|| out.join("cache"));
    outside(path, &cache)?;
    let options =
        Options::for_model(&recipe.model, running.strict).with_cache(cache).with_split(split.clone());
    let known = stored.as_ref().map(|stored| &stored.header.classes[..]);
    let data = open_data(path, &options, known)?;
    let classes: Vec<ClassName> = data.classes.iter().map(ClassName::from).collect();
    let card = DataCard::of(path, &data).with_split(settings.split.as_deref(), split.as_ref());
    let frozen =
        adapt.filter(|adapt| adapt.method.trains() == Trains::Tailors).map(|adapt| adapt.base.digest);
    let (trainer, method, losses) = match (stored, adapt) {
        (Some(stored), _) => {
            same_classes(&stored.header.classes, &classes, path, out)?;
            card.continues(out)?;
            if let (Some(was), Some(adapt)) = (&stored.header.method, adapt) {
                same_method(was, adapt, (&stored.header.recipe, classes.len()), out)?;
                same_seed(&stored.header.recipe, &recipe, adapt, out)?;
            }
            stored.announce(&recipe);
            let trainer = stored.restore(&device)?;
            let teacher = stored
                .header
                .method
                .as_ref()
                .map(|method| Teacher::of(out, method, &recipe.model, classes.len()));
            let trainer = match teacher.transpose()?.flatten() {
                Some(teacher) => trainer.with_teacher(teacher),
                None => trainer,
            };
            (trainer, stored.header.method, stored.header.losses)
        }
        (None, Some(adapt)) => {
            let (trainer, header) = adapt.begin(&recipe, &data, &device, running, out)?;
            (trainer, Some(header), Losses::default())
        }
        (None, None) => {
            let trainer = Trainer::new(&recipe.model, classes.len(), recipe.training.seed, &device)?;
            (trainer, None, Losses::default())
        }
    };
    card.note(out)?;
    let again = settings.again.clone();
    let run = Run { out, running, recipe, classes, frozen, method, losses, again };
    Ok(Outcome { ended: run.go(&data, trainer)?, _lock: lock })
}

/// Refuses to go on with a run that has made more steps than it is to have.
pub(crate) fn not_beyond(header: &RunHeader, steps: u64, out: &Path) -> Result<(), Error> {
    if header.step <= steps {
        return Ok(());
    }
    Err(Error::Refused {
        what: format!(
            "the run in {} has made {} steps already, more than the {steps} that it is to have",
            shown(out),
            header.step,
        ),
        help: "ask for more --steps, or publish the run as it is".to_owned(),
    })
}

/// Refuses to go on with the run of another command.
fn same_command(header: &RunHeader, adapt: Option<&Adapt>, out: &Path) -> Result<(), Error> {
    let command = match header {
        RunHeader { method: Some(_), .. } => "finetune",
        RunHeader { frozen: Some(_), .. } => "train-tailor",
        _ => "train",
    };
    let asked = if adapt.is_some() { "finetune" } else { "train" };
    if command == asked {
        return Ok(());
    }
    Err(Error::Refused {
        what: format!("{} is the run of `tailor {command}`", out.display()),
        help: "go on with that command, or choose another --out".to_owned(),
    })
}

/// Refuses to go on with another method or network, or, where one was asked for, with another rank or depth.
fn same_method(
    was: &MethodHeader,
    adapt: &Adapt,
    (recipe, classes): (&Recipe, usize),
    out: &Path,
) -> Result<(), Error> {
    let asked = adapt.header(classes);
    let number = |n: Option<usize>| n.map_or("none".to_owned(), |n| n.to_string());
    let what = if was.name != asked.name {
        format!("by {}, not by {}", was.name, asked.name)
    } else if was.named_base() != asked.base {
        "with another --base".to_owned()
    } else if adapt.rank.is_some() && was.rank != asked.rank {
        format!("at rank {}", number(was.rank))
    } else if adapt.depth.is_some_and(|depth| depth != recipe.model.depth as usize) {
        format!("with a depth of {}", recipe.model.depth)
    } else {
        return Ok(());
    };
    Err(Error::Refused {
        what: format!("the run in {} was begun {what}", out.display()),
        help: "go on with the same, or choose another --out".to_owned(),
    })
}

/// Refuses another seed where a method has drawn from it what it leaves as it is.
fn same_seed(was: &Recipe, recipe: &Recipe, adapt: &Adapt, out: &Path) -> Result<(), Error> {
    if adapt.method.trains() != Trains::Matrices || was.training.seed == recipe.training.seed {
        return Ok(());
    }
    Err(Error::Refused {
        what: format!("the run in {} was begun with the seed {}", out.display(), was.training.seed),
        help: "go on with the same, or choose another --out".to_owned(),
    })
}

/// Reads the images and says in a few lines what they are. A run that knows its classes by longer names, as those
/// of earlier versions do, gets them by these.
pub(crate) fn open_data(
    path: &Path,
    options: &Options,
    known: Option<&[ClassName]>,
) -> Result<Dataset, Error> {
    let mut data = Dataset::open(path, options)?;
    let is_known = |data: &Dataset| {
        known.is_none_or(|known| {
            known.iter().map(|class| &class.id).eq(data.classes.iter().map(|class| &class.id))
        })
    };
    if data.wrapped && !is_known(&data) {
        let whole = Dataset::open(path, &options.clone().with_whole_names());
        data = whole.ok().filter(is_known).unwrap_or(data);
    }
    say!("{}", data.summary());
    data.notes.iter().for_each(|note| say!("note: {note}"));
    // Long before anything is published, where it would be refused.
    for class in &data.classes {
        names::check(&class.id, &class.name)?;
    }
    Ok(data)
}

/// Refuses a folder for what the run writes inside the folder of the data, whose part it would become.
pub(crate) fn outside(data: &Path, folder: &Path) -> Result<(), Error> {
    match (output::place(data), output::place(folder)) {
        (Some(data), Some(inside)) if data.is_dir() && inside.starts_with(&data) => Err(Error::Refused {
            what: format!("{} lies inside the data, {}", folder.display(), data.display()),
            help: "choose a folder elsewhere".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Refuses to go on with data of other classes: a tailor belongs to a class's number.
fn same_classes(run: &[ClassName], data: &[ClassName], path: &Path, out: &Path) -> Result<(), Error> {
    let ids = |list: &[ClassName]| list.iter().map(|c| c.id.clone()).collect::<Vec<_>>();
    if ids(run) == ids(data) {
        if run != data {
            say!("note: {} holds other images than when the run was begun", path.display());
        }
        return Ok(());
    }
    let split = DataCard::read(out).and_then(|noted| noted.split);
    let split = split.map(|split| format!(", chosen with --split {}", shell::word(split)));
    Err(Error::Refused {
        what: format!("{} has other classes than the run", path.display()),
        help: format!("the run has {}{}", ids(run).join(", "), split.unwrap_or_default()),
    })
}
