//! `tailor publish`: from a run to a gallery of one learngene and one pack per class.

use std::collections::BTreeMap;

use tailor_core::{Item, SampleSettings, Sampler};
use tailor_packs::index::INDEX_FILE;
use tailor_packs::pack::{Card, CardValue, Contents};
use tailor_packs::publish::Draft;
use tailor_packs::{Class, ModelConfig, NewFile, Objective, TensorSpec, Tensors, Weights, limits};

use crate::checkpoint::{self, ClassName, Header};
use crate::cli::{CardFlags, PublishArgs, SamplingFlags};
use crate::data::names;
use crate::device::{self, Device};
use crate::error::Error;
use crate::files::{create_folder, write_atomic};
use crate::gallery::Gallery;
use crate::grid::{GridError, grid_png};
use crate::model::Model;
use crate::sign::Signing;
use crate::train::trainer::Trainer;
use crate::{data, output, say, shell};
use tailor_core::engine::adamw::Learned;

/// Sampling settings that a gallery recommends unless told otherwise.
const STEPS: u32 = 20;
const GUIDANCE: f32 = 1.5;

/// Flat values as the named tensors of `specs`.
fn named(specs: &[TensorSpec], flat: &[f32]) -> Result<Tensors, Error> {
    let refused = |e: tailor_packs::PackError| Error::Refused { what: e.to_string(), help: String::new() };
    let mut rest = flat;
    let mut tensors = Tensors::new();
    for spec in specs {
        let (values, after) = rest.split_at(spec.len());
        rest = after;
        tensors.insert(spec.name.clone(), &spec.shape, values.to_vec()).map_err(refused)?;
    }
    Ok(tensors)
}

/// The learngene's tensors, averaged or as they are.
fn learngene_tensors(trainer: &Trainer, weights: Weights) -> Result<Tensors, Error> {
    let learned = trainer.learngene();
    named(&trainer.config().learngene_tensors(), &chosen(&learned, trainer, weights))
}

/// The tensors of class number `class`, averaged or as they are.
pub(crate) fn tailor_tensors(trainer: &Trainer, class: usize, weights: Weights) -> Result<Tensors, Error> {
    named(&trainer.config().tailor_tensors(), &chosen(&trainer.tailor(class), trainer, weights))
}

fn chosen(learned: &Learned, trainer: &Trainer, weights: Weights) -> Vec<f32> {
    match weights {
        Weights::Ema => learned.ema(trainer.ema_clock),
        Weights::Raw => learned.parameters.clone(),
    }
}

/// The averaged model of a run under way, with the tailors of `chosen` classes.
///
/// # Errors
/// [`Error::Refused`] when the device cannot be read.
pub fn live_model(trainer: &Trainer, classes: &[ClassName], chosen: &[usize]) -> Result<Model, Error> {
    let learngene = learngene_tensors(trainer, Weights::Ema)?;
    let mut model = Model::new(trainer.config(), &learngene, trainer.device())?;
    for &class in chosen {
        model.insert(&classes[class].id, tailor_tensors(trainer, class, Weights::Ema)?)?;
    }
    Ok(model)
}

/// Runs `tailor publish`. The index is written last, so a gallery is never half new.
///
/// # Errors
/// Anything wrong with run, settings, device or disk.
pub fn run(args: &PublishArgs) -> Result<(), Error> {
    let stored = checkpoint::require(&args.run)?;
    let device = device::open(args.device)?;
    let trainer = stored.restore(&device)?;
    let header = stored.header;
    let config = trainer.config().clone();
    let folder_name = args.out.file_name().map(|n| n.to_string_lossy().to_lowercase());
    let id = args.id.clone().or(folder_name).unwrap_or_else(|| header.recipe.name.clone());
    if !tailor_packs::manifest::is_id(&id) {
        return Err(Error::Setting { name: "--id", found: id, allowed: "1 to 64 of a-z, 0-9, _ and -" });
    }
    let title = args.title.clone().unwrap_or_else(|| id.clone());
    if !tailor_packs::manifest::is_name(&title) {
        return Err(Error::Setting { name: "--title", found: title, allowed: "1 to 200 printable bytes" });
    }
    // Before anything is written: a gallery is not half published.
    let classes: Vec<Class> =
        header.classes.iter().map(|class| names::check(&class.id, &class.name)).collect::<Result<_, _>>()?;
    let weights = if args.raw_weights { Weights::Raw } else { Weights::Ema };
    let sampling = advice(&args.sampling, config.objective);
    // A gallery that was there keeps counting; an unreadable index is not silently replaced.
    let before = args.out.join(INDEX_FILE).exists().then(|| Gallery::open(&args.out)).transpose()?;
    let (version, next_key) = before.map_or((1, None), |g| (g.index.version + 1, g.index.next_key));
    create_folder(&args.out)?;
    let signing = Signing::new(&args.signing, &args.out)?;

    let learngene = learngene_tensors(&trainer, weights)?;
    let previews = Previews {
        count: args.previews as usize,
        sampling: &sampling,
        config: &config,
        learngene: &learngene,
        device: &device,
    };
    let packed = |reason| Error::Pack { path: args.out.clone(), source: reason };
    let card = card(&args.card, &title, &header);
    let preview = previews.png(None)?;
    let contents = Contents {
        weights,
        steps: header.step,
        preview: preview.as_deref(),
        ..Contents::new(&id, &config, &learngene, &card)
    };
    let save = |file: NewFile| write_atomic(&args.out.join(&file.entry.path), &file.bytes);
    let (mut draft, file) = Draft::new(&contents, &title, sampling.clone()).map_err(packed)?;
    save(file)?;

    let bar = indicatif::ProgressBar::new(header.classes.len() as u64);
    for (number, (class, name)) in classes.into_iter().zip(&header.classes).enumerate() {
        let tensors = tailor_tensors(&trainer, number, weights)?;
        let preview = previews.png(Some((&class, &tensors)))?;
        let mut card = card.clone();
        card.title = format!("{title}: {}", name.name);
        card.training.insert("images".to_owned(), CardValue::Integer(name.count as u64));
        let contents = Contents { tensors: &tensors, card: &card, preview: preview.as_deref(), ..contents };
        save(draft.add(&contents, &class).map_err(packed)?)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let mut index = draft.finish();
    (index.version, index.next_key) = (version, next_key);
    signing.write(&args.out, &mut index)?;
    let total: u64 = index.files().map(|f| f.size).sum();
    if args.json {
        output::print(&output::json(&serde_json::json!({
            "gallery": args.out.to_string_lossy(),
            "id": index.id,
            "version": index.version,
            "classes": index.classes.len(),
            "bytes": total,
            "learngene_bytes": index.learngene.size,
        })))?;
    }
    say!(
        "published {}, {:.2} MB in all, learngene {:.2} MB; look at it with: tailor serve {}",
        data::number(index.classes.len(), "class"),
        total as f64 / 1e6,
        index.learngene.size as f64 / 1e6,
        shell::path(&args.out)
    );
    Ok(())
}

/// How a gallery says to sample: as asked for, else what suits the objective.
pub(crate) fn advice(asked: &SamplingFlags, objective: Objective) -> tailor_packs::Sampling {
    tailor_packs::Sampling {
        sampler: asked.sampler.unwrap_or(default_sampler(objective)).name().to_owned(),
        steps: asked.steps.unwrap_or(STEPS),
        guidance: asked.guidance.unwrap_or(GUIDANCE),
    }
}

fn default_sampler(objective: Objective) -> Sampler {
    match objective {
        Objective::Ddpm => Sampler::DpmPlusPlus,
        Objective::Flow => Sampler::Heun,
    }
}

/// What a pack says of itself to people.
pub(crate) fn card(args: &CardFlags, title: &str, header: &Header) -> Card {
    let training = &header.recipe.training;
    Card {
        title: title.to_owned(),
        data: args.data_note.clone(),
        licence: args.licence.clone(),
        authors: args.authors.clone(),
        tool: concat!("tailor ", env!("CARGO_PKG_VERSION")).to_owned(),
        training: BTreeMap::from([
            ("steps".to_owned(), header.step.into()),
            ("batch_size".to_owned(), (training.batch_size as u64).into()),
            ("learning_rate".to_owned(), training.learning_rate.into()),
            ("ema".to_owned(), training.ema.into()),
            ("seed".to_owned(), training.seed.into()),
        ]),
        ..Card::default()
    }
}

/// Sample grids for the packs.
pub(crate) struct Previews<'a> {
    /// Samples in each; none for no preview at all.
    pub(crate) count: usize,
    pub(crate) sampling: &'a tailor_packs::Sampling,
    pub(crate) config: &'a ModelConfig,
    pub(crate) learngene: &'a Tensors,
    pub(crate) device: &'a Device,
}

impl Previews<'_> {
    /// A grid at seeds 1 to `count` of one class, or of the learngene alone; fewer where a pack has no room.
    pub(crate) fn png(&self, class: Option<(&Class, &Tensors)>) -> Result<Option<Vec<u8>>, Error> {
        if self.count == 0 {
            return Ok(None);
        }
        let mut model = Model::new(self.config, self.learngene, self.device)?;
        let mut gate = Vec::new();
        if let Some((class, tensors)) = class {
            model.insert(&class.id, tensors.clone())?;
            gate.push((class.id.clone(), 1.0));
        }
        let items = (1..=self.count as u64).map(|seed| Item { gate: gate.clone(), seed }).collect();
        let settings = SampleSettings {
            sampler: self.sampling.sampler.parse().unwrap_or(Sampler::Heun),
            steps: self.sampling.steps as usize,
            guidance: f64::from(self.sampling.guidance),
            items,
        };
        let images = model.generate(settings, |_| ())?;
        let (shape, values) = (images.shape, images.values);
        let image: usize = shape[1..].iter().product();
        for count in std::iter::successors(Some(shape[0]), |count| (*count > 1).then_some(count / 2)) {
            let shape = [count, shape[1], shape[2], shape[3]];
            let png = match grid_png(&values[..count * image], shape, count, 1) {
                Err(GridError::TooLarge(..)) => continue,
                png => png?,
            };
            if png.len() as u64 <= limits::PREVIEW {
                return Ok(Some(png));
            }
        }
        Ok(None)
    }
}
