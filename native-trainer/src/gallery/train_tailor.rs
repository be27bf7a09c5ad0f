//! One class of one's own for a learngene that stays as it is (KIND §3.3, Table 2).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tailor_core::engine::adamw::Learned;
use tailor_core::init;
use tailor_packs::{
    Class, Contents, Digest, Learngene, ModelConfig, Tailor, Weights, limits, read_learngene, read_tailor,
    write_tailor,
};

use super::finetune::{self, learngene_file};
use super::folder::Gallery;
use super::pack::{Previews, card};
use crate::compute::device;
use crate::data::{Options, names};
use crate::error::Error;
use crate::say;
use crate::settings::recipe::Recipe;
use crate::settings::sampling::SamplingSettings;
use crate::settings::train::TailorSettings;
use crate::settings::training::Training;
use crate::system::files::{create_folder, folder_of, leave, lock, read_limited};
use crate::system::output::{self, as_text};
use crate::system::status::Status;
use crate::train::bank::TailorBank;
use crate::train::begin::open_data;
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

/// Trains a tailor, or goes on with its run, and writes its pack unless the run was stopped before its last step.
///
/// # Errors
/// Anything wrong with learngene, data, settings, device or disk; what was saved before stays.
pub fn train_tailor(settings: &TailorSettings) -> Result<(Status, Option<NewPack>), Error> {
    let run = match &settings.run {
        Some(run) => run.clone(),
        None if output::is_standard_output(&settings.out) => {
            return Err(Error::Refused {
                what: "a pack on standard output has no place beside it for the run's folder".to_owned(),
                help: "name one with --run".to_owned(),
            });
        }
        None => settings.out.with_extension("run"),
    };
    let fresh = !run.exists();
    begin(settings, &run).inspect_err(|_| leave(&run, fresh))
}

fn begin(settings: &TailorSettings, run: &Path) -> Result<(Status, Option<NewPack>), Error> {
    let class = names::class(&settings.class)?;
    settings.running.validate()?;
    let file = learngene_file(&settings.learngene)?;
    output::refuse_inputs(&settings.out, inputs(settings, &file))?;
    output::prepare(&settings.out)?;
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
        same_task(stored, run, digest, &class)?;
    }
    let begin = Recipe { name: class.id.clone(), model: config.clone(), training: Training::for_one_class() };
    let begin = stored.as_ref().map_or(begin, |stored| stored.header.recipe.clone());
    let recipe = begin.with(&settings.training)?;
    loader::fits(&recipe.model, recipe.training.batch_size)?;
    let data = open_data(
        &settings.data,
        &Options::for_model(&config, settings.running.strict).of_class(&settings.class),
        None,
    )?;
    if data.len() < FEW {
        say!("warning: {} images are few; from {FEW} on a class can be learned", data.len());
    }
    let card = DataCard { sha256: Some(data.digest()), ..DataCard::of(&settings.data, &data) };
    let (trainer, losses) = match stored {
        Some(stored) => {
            let noted = DataCard::read(run).and_then(|noted| noted.sha256);
            let others = noted.is_some_and(|noted| Some(noted) != card.sha256);
            if others || stored.header.classes[0].count != data.len() {
                say!("note: {} holds other images than when the run was begun", settings.data.display());
            }
            stored.announce();
            (stored.restore(&device)?, stored.header.losses)
        }
        None => {
            let shared = learngene.tensors.to_flat(&config.learngene_tensors());
            let shared = Learned::new(shared.map_err(Error::pack(&settings.learngene))?);
            let first = match &settings.from {
                Some(from) => start_from(from, settings, digest, &config)?,
                None => init::tailor(&config, recipe.training.seed, 0).concat(),
            };
            let bank = TailorBank::from_states(vec![Learned::new(first)]);
            let trainer = Trainer::from_parts(&config, &device, None, shared, bank, 0, 0.0)?;
            (trainer.with_frozen_learngene(), Losses::default())
        }
    };
    card.note(run)?;
    let name = ClassName { id: class.id.clone(), name: class.name.clone(), count: data.len() };
    let ended = Run {
        out: run,
        running: &settings.running,
        recipe,
        classes: vec![name],
        frozen: Some(digest),
        method: None,
        losses,
        again: "the same command".to_owned(),
    }
    .go(&data, trainer)?;
    let status = ended.status();
    let finished = ended.trainer();
    let pack = finished.map(|trainer| publish(settings, run, &learngene, digest, &class, &trainer));
    Ok((status, pack.transpose()?))
}

/// Refuses to go on with a run for another learngene or class.
fn same_task(stored: &Stored, run: &Path, learngene: Digest, class: &Class) -> Result<(), Error> {
    let (header, found) = (&stored.header, &stored.header.classes[0].id);
    let other = match header.frozen {
        _ if header.method.is_some() => "of `tailor finetune`".to_owned(),
        None => "of `tailor train`".to_owned(),
        Some(digest) if digest != learngene => "for another learngene".to_owned(),
        Some(_) if *found != class.id => format!("for class {found:?}"),
        Some(_) => return Ok(()),
    };
    Err(Error::Refused {
        what: format!("the run in {} is {other}", run.display()),
        help: "choose another --run, or remove that folder".to_owned(),
    })
}

/// Writes the pack of a finished run.
fn publish(
    settings: &TailorSettings,
    run: &Path,
    learngene: &Learngene,
    digest: Digest,
    class: &Class,
    trainer: &Trainer,
) -> Result<NewPack, Error> {
    let config = trainer.config();
    let tensors = tailor_tensors(trainer, 0, Weights::Ema)?;
    let sampling = SamplingSettings::default().advice(config.objective);
    let previews = Previews {
        count: Previews::USUAL,
        sampling: &sampling,
        config,
        learngene: &learngene.tensors,
        device: trainer.device(),
    };
    let preview = previews.png(Some((class, &tensors)))?;
    let header = checkpoint::require(run)?.header;
    let mut card = card(&settings.card, &class.name, &header, None);
    card.training.insert("images".to_owned(), (header.classes[0].count as u64).into());
    let contents = Contents {
        steps: header.step,
        preview: preview.as_deref(),
        ..Contents::new(&learngene.manifest.model, config, &tensors, &card)
    };
    let bytes = write_tailor(&contents, digest, class).map_err(Error::pack(&settings.out))?;
    output::write(&settings.out, &bytes)?;
    Ok(NewPack {
        pack: settings.out.clone(),
        bytes: bytes.len(),
        sha256: Digest::of(&bytes),
        class: class.id.clone(),
        learngene: digest,
        steps: header.step,
    })
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
