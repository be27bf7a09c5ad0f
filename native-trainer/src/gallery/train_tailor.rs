//! Classes of one's own for a learngene that stays as it is (KIND §3.3, Table 2).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tailor_core::engine::adamw::Learned;
use tailor_packs::{
    Contents, Digest, Learngene, ModelConfig, Tailor, Weights, limits, read_learngene, read_tailor,
    write_tailor,
};

use super::finetune::{self, learngene_file};
use super::folder::{self, Gallery};
use super::pack::{Previews, card};
use crate::compute::device;
use crate::data::splits::Split;
use crate::data::{DataError, Dataset, Options, names, number};
use crate::error::Error;
use crate::say;
use crate::settings::recipe::Recipe;
use crate::settings::sampling::SamplingSettings;
use crate::settings::storage::StorageChoice;
use crate::settings::train::TailorSettings;
use crate::settings::training::Training;
use crate::system::files::{create_folder, folder_of, leave, lock, read_limited};
use crate::system::output::{self, as_text, shown};
use crate::system::status::Status;
use crate::train::bank::TailorBank;
use crate::train::begin::{not_beyond, open_data, outside};
use crate::train::checkpoint::{self, ClassName, Losses, Stored};
use crate::train::live::tailor_tensors;
use crate::train::loader;
use crate::train::noted::DataCard;
use crate::train::run::Run;
use crate::train::trainer::Trainer;

/// Images below which a class is hard to learn.
const FEW: usize = 20;

/// A pack that was written.
#[derive(Clone, Debug, Serialize)]
pub struct NewPack {
    /// Its length.
    pub bytes: usize,
    /// Id of its class.
    pub class: String,
    /// SHA-256 of the learngene that it is for.
    pub learngene: Digest,
    /// Its file.
    #[serde(serialize_with = "as_text")]
    pub pack: PathBuf,
    /// SHA-256 of its content.
    pub sha256: Digest,
    /// Steps for which it was trained.
    pub steps: u64,
}

/// Trains tailors, or goes on with their run, and writes their packs unless the run was stopped before its last step.
///
/// # Errors
/// Anything wrong with learngene, data, settings, device or disk; what was saved before stays.
pub fn train_tailor(settings: &TailorSettings) -> Result<(Status, Vec<NewPack>), Error> {
    let run = match (&settings.run, &settings.class) {
        (Some(run), _) => run.clone(),
        (None, Some(_)) if output::is_standard_output(&settings.out) => {
            return Err(Error::Refused {
                what: "a pack on standard output has no place beside it for the run's folder".to_owned(),
                help: "name one with --run".to_owned(),
            });
        }
        (None, Some(_)) => settings.out.with_extension("run"),
        (None, None) => beside(&settings.out),
    };
    let fresh = (!run.exists(), !settings.out.exists());
    begin(settings, &run).inspect_err(|_| {
        leave(&run, fresh.0);
        leave(&settings.out, fresh.1 && settings.class.is_none());
    })
}

/// The run's folder beside a folder of packs.
fn beside(packs: &Path) -> PathBuf {
    let mut name = packs.file_name().unwrap_or_default().to_owned();
    name.push(".run");
    folder_of(packs).join(name)
}

fn begin(settings: &TailorSettings, run: &Path) -> Result<(Status, Vec<NewPack>), Error> {
    // Refused before anything is read.
    let one = settings.class.as_deref().map(names::class).transpose()?;
    settings.running.validate()?;
    Dataset::there(&settings.data)?;
    outside(&settings.data, run)?;
    let split = settings.split.as_deref().map(Split::open).transpose()?;
    let file = learngene_file(&settings.learngene)?;
    output::refuse_inputs(&settings.out, inputs(settings, &file))?;
    match one {
        Some(_) => output::prepare(&settings.out)?,
        None => prepare_folder(settings)?,
    }
    let device = device::open(settings.running.device.device)?;
    let bytes = read_limited(&file, limits::FILE)?;
    let learngene = read_learngene(&bytes).map_err(Error::pack(&file))?;
    let digest = Digest::of(&bytes);
    drop(bytes);
    let config = learngene.manifest.config.clone();
    create_folder(run)?;
    let _lock = lock(run, "training")?;
    checkpoint::tidy(run);

    let stored = checkpoint::latest(run)?;
    if let Some(stored) = &stored {
        same_learngene(stored, run, digest)?;
        same_training(stored, settings, run)?;
        one.as_ref().map_or(Ok(()), |class| same_classes(stored, run, [class.id.as_str()]))?;
    }
    let recipe = |classes: usize, name: &str| {
        let training = Training::for_classes(classes).led_as(&learngene);
        let begin = Recipe { name: name.to_owned(), model: config.clone(), training };
        let recipe = stored.as_ref().map_or(begin, |stored| stored.header.recipe.clone());
        let recipe = recipe.with(&settings.training)?;
        recipe.training.suits(&recipe.model)?;
        loader::fits(&recipe.model, recipe.training.batch_size).map(|()| recipe)
    };
    // A setting that no run can have is not found out after all images were read.
    recipe(1, "")?;
    let options = Options::for_model(&config, settings.running.strict);
    let options = match &settings.class {
        Some(name) => options.of_class(name),
        None => options.with_cache(run.join("cache")).with_split(split.clone()),
    };
    let data = open_data(&settings.data, &options, None).map_err(|error| without_folders(error, settings))?;
    let classes: Vec<ClassName> = match &one {
        Some(class) => {
            vec![ClassName { id: class.id.clone(), name: class.name.clone(), count: data.len() }]
        }
        None => data.classes.iter().map(ClassName::from).collect(),
    };
    announce(&classes, settings);
    let recipe =
        recipe(classes.len(), if one.is_some() { &classes[0].id } else { &learngene.manifest.model })?;
    let card = DataCard { sha256: Some(data.digest()), ..DataCard::of(&settings.data, &data) };
    let card = card.with_split(settings.split.as_deref(), split.as_ref());
    let first = settings.from.as_ref().map(|from| start_from(from, settings, digest, &config));
    let first = match (first.transpose(), &stored) {
        // It counts where a run begins.
        (Err(error), Some(_)) => {
            say!(
                "note: the tailor that --from names is not there any more, or not to be used ({error}); the run goes \
                 on without it"
            );
            None
        }
        (first, _) => first?,
    };
    let begun = DataCard::begun_with(first.as_deref());
    let noted = stored.as_ref().map_or(Some(begun.clone()), |_| DataCard::read(run)?.begun);
    let card = DataCard { begun: noted.clone(), ..card };
    let (trainer, losses) = match stored {
        Some(stored) => {
            match noted {
                Some(noted) if noted != begun && (first.is_some() || settings.from.is_none()) => {
                    return Err(other(run, "one that was begun with another tailor, or with none"));
                }
                None if settings.from.is_some() => {
                    say!("note: --from counts where a run begins, and this one goes on")
                }
                _ => {}
            }
            same_classes(&stored, run, classes.iter().map(|class| class.id.as_str()))?;
            card.continues(run)?;
            let noted = DataCard::read(run).and_then(|noted| noted.sha256);
            let others = noted.is_some_and(|noted| Some(noted) != card.sha256);
            if others && stored.header.step >= recipe.training.steps {
                return Err(Error::Refused {
                    what: format!(
                        "the run in {} has made its {} steps, and nothing would be learned of the other images in {}",
                        shown(run),
                        stored.header.step,
                        settings.data.display()
                    ),
                    help: "name another --run, or ask for more --steps".to_owned(),
                });
            }
            if others || stored.header.classes.iter().zip(&classes).any(|(was, is)| was.count != is.count) {
                say!("note: {} holds other images than when the run was begun", settings.data.display());
            }
            stored.announce(&recipe);
            (stored.restore(&device)?, stored.header.losses)
        }
        None => {
            if one.is_none() {
                refuse_known(&file, &classes)?;
            }
            let shared = learngene.tensors.to_flat(&config.learngene_tensors());
            let shared = Learned::new(shared.map_err(Error::pack(&settings.learngene))?);
            let bank = match first {
                Some(first) => TailorBank::from_states(vec![Learned::new(first); classes.len()]),
                None => TailorBank::new(&config, recipe.training.seed, classes.len()),
            };
            let trainer = Trainer::from_parts(&config, &device, None, shared, bank, 0, 0.0)?;
            (trainer.with_frozen_learngene(), Losses::default())
        }
    };
    card.note(run)?;
    let paths: Vec<PathBuf> = match one {
        Some(_) => vec![settings.out.clone()],
        None => classes.iter().map(|class| settings.out.join(format!("{}.tailor", class.id))).collect(),
    };
    for path in &paths {
        output::refuse_inputs(path, inputs(settings, &file))?;
    }
    let ended = Run {
        out: run,
        running: &settings.running,
        recipe,
        classes,
        frozen: Some(digest),
        method: None,
        losses,
        again: "the same command".to_owned(),
    }
    .go(&data, trainer)?;
    let status = ended.status();
    let packs = ended.trainer().map(|trainer| {
        let before = || {
            let pack = read_tailor(&read_limited(paths.first()?, limits::FILE).ok()?, None).ok()?;
            StorageChoice::of(&pack.manifest)
        };
        let others = || Gallery::open(folder_of(&file)).ok()?.tailor_storage();
        let storage = settings.storage.or_else(before).or_else(others).unwrap_or_default();
        publish(settings, run, &learngene, (digest, storage), &paths, &trainer)
    });
    Ok((status, packs.transpose()?.unwrap_or_default()))
}

/// Makes the folder for the packs of several classes, and refuses one that cannot be one.
fn prepare_folder(TailorSettings { out, .. }: &TailorSettings) -> Result<(), Error> {
    let is_pack = out.extension().is_some_and(|ending| ending == "tailor");
    if output::is_standard_output(out) || is_pack || out.is_file() {
        return Err(Error::Refused {
            what: format!("{} is one pack, and without --class each class folder is a class", shown(out)),
            help: "name the one class with --class, or a folder for the packs with --out".to_owned(),
        });
    }
    Ok(output::prepare(&out.join("a.tailor"))?)
}

/// What to do where there is no class folder and no --class.
fn without_folders(error: Error, settings: &TailorSettings) -> Error {
    match error {
        Error::Data(error @ DataError::NoClassFolders { .. }) if settings.class.is_none() => Error::Refused {
            what: error.to_string(),
            help: "name the one class with --class and its pack with --out, or make a folder for each class"
                .to_owned(),
        },
        error => error,
    }
}

/// Says what is taught, and which classes have few images.
fn announce(classes: &[ClassName], settings: &TailorSettings) {
    let out = shown(&settings.out);
    match classes {
        [class] if settings.class.is_some() => {
            say!("one class, {}: its pack will be {out}", class.name);
            if class.count < FEW {
                say!("warning: {} images are few; from {FEW} on a class can be learned", class.count);
            }
        }
        _ => {
            say!("{}: a pack for each will be in {out}", number(classes.len(), "class"));
            let few: Vec<_> = classes.iter().filter(|class| class.count < FEW).map(named).collect();
            if !few.is_empty() {
                say!("warning: less than {FEW} images are few to learn from: {}", folder::few(&few));
            }
        }
    }
}

fn named(class: &ClassName) -> (&str, &str) {
    (&class.id, &class.name)
}

/// Refuses classes that the gallery of the learngene's file has: their packs would take the place of its own.
fn refuse_known(file: &Path, classes: &[ClassName]) -> Result<(), Error> {
    let Ok(gallery) = Gallery::open(folder_of(file)) else { return Ok(()) };
    let there = |class: &&ClassName| {
        gallery.index.classes.iter().chain(&gallery.absent).any(|known| known.id == class.id)
    };
    let known: Vec<_> = classes.iter().filter(there).map(named).collect();
    if known.is_empty() {
        return Ok(());
    }
    Err(Error::Refused {
        what: format!("{} has classes of these names already: {}", shown(&gallery.folder), folder::few(&known)),
        help: "rename their folders, or leave them out with --split; to replace one, teach it alone with --class"
            .to_owned(),
    })
}

/// Refuses to go on with a run of another command or for another learngene.
fn same_learngene(stored: &Stored, run: &Path, learngene: Digest) -> Result<(), Error> {
    match stored.header.frozen {
        _ if stored.header.method.is_some() => Err(other(run, "of `tailor finetune`")),
        None => Err(other(run, "of `tailor train`")),
        Some(digest) if digest != learngene => Err(other(run, "for another learngene")),
        Some(_) => Ok(()),
    }
}

/// Refuses to go on with a run with another seed, from which it has drawn its beginning, or fewer steps than it has made.
fn same_training(stored: &Stored, settings: &TailorSettings, run: &Path) -> Result<(), Error> {
    let asked = stored.header.recipe.clone().with(&settings.training)?.training;
    let seed = stored.header.recipe.training.seed;
    if asked.seed != seed {
        return Err(other(run, &format!("one that was begun with the seed {seed}")));
    }
    not_beyond(&stored.header, asked.steps, run)
}

/// Refuses to go on with a run for other classes than those with these ids.
fn same_classes<'a>(
    stored: &Stored,
    run: &Path,
    ids: impl IntoIterator<Item = &'a str>,
) -> Result<(), Error> {
    let classes = &stored.header.classes;
    if classes.iter().map(|class| class.id.as_str()).eq(ids) {
        return Ok(());
    }
    let found: Vec<_> = classes.iter().map(named).collect();
    let word = if found.len() == 1 { "class" } else { "the classes" };
    Err(other(run, &format!("for {word} {}", folder::few(&found))))
}

fn other(run: &Path, what: &str) -> Error {
    Error::Refused {
        what: format!("the run in {} is {what}", run.display()),
        help: "choose another --run, or remove that folder".to_owned(),
    }
}

/// Writes the packs of a finished run to `paths`, one for each of its classes.
fn publish(
    settings: &TailorSettings,
    run: &Path,
    learngene: &Learngene,
    (digest, storage): (Digest, StorageChoice),
    paths: &[PathBuf],
    trainer: &Trainer,
) -> Result<Vec<NewPack>, Error> {
    let config = trainer.config();
    let sampling = SamplingSettings::default().advice(config);
    let previews = Previews {
        count: Previews::USUAL,
        sampling: &sampling,
        config,
        learngene: &learngene.tensors,
        device: trainer.device(),
    };
    let header = checkpoint::require(run)?.header;
    let pack = |(number, (name, path)): (usize, (&ClassName, &PathBuf))| {
        let class = names::check(&name.id, &name.name)?;
        let tensors = tailor_tensors(trainer, number, Weights::Ema)?;
        let preview = previews.png(Some((&class, &tensors)))?;
        let mut card = card(&settings.card, &class.name, &header, None);
        card.training.insert("images".to_owned(), (name.count as u64).into());
        let contents = Contents {
            steps: header.step,
            preview: preview.as_deref(),
            storage: storage.into(),
            ..Contents::new(&learngene.manifest.model, config, &tensors, &card)
        };
        let bytes = write_tailor(&contents, digest, &class).map_err(Error::pack(path))?;
        output::write(path, &bytes)?;
        Ok(NewPack {
            pack: path.clone(),
            bytes: bytes.len(),
            sha256: Digest::of(&bytes),
            class: class.id,
            learngene: digest,
            steps: header.step,
        })
    };
    header.classes.iter().zip(paths).enumerate().map(pack).collect()
}

/// What is read, the learngene from `file`: every file of the gallery in which that lies, too.
fn inputs(settings: &TailorSettings, file: &Path) -> Vec<PathBuf> {
    let mut read = finetune::inputs(file);
    read.push(settings.data.clone());
    read.extend(settings.from.as_ref().map(PathBuf::from));
    read
}

/// The flat parameters of the tailor to start from: a pack's file, or a class of the gallery in which the
/// learngene lies.
fn start_from(
    from: &OsStr,
    settings: &TailorSettings,
    digest: Digest,
    config: &ModelConfig,
) -> Result<Vec<f32>, Error> {
    let path = PathBuf::from(from);
    let tailor: Tailor = if path.is_file() {
        let bytes = read_limited(&path, limits::FILE)?;
        read_tailor(&bytes, Some((&digest, config))).map_err(Error::pack(&path))?
    } else {
        let folder = match settings.learngene.is_dir() {
            true => &settings.learngene,
            false => folder_of(&settings.learngene),
        };
        let gallery = Gallery::open(folder)?;
        gallery.tailor(gallery.class(&from.to_string_lossy())?)?
    };
    tailor.tensors.to_flat(&config.tailor_tensors()).map_err(Error::pack(&path))
}
