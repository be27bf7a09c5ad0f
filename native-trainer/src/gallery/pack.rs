//! What a pack holds beside its weights: a card for people, and samples as a preview.

use std::collections::BTreeMap;
use std::io::Cursor;

use image::{ImageFormat, ImageReader};
use tailor_core::{Guide, Item, SampleSettings, Sampler};
use tailor_packs::pack::{Card, CardValue};
use tailor_packs::{Class, Learngene, ModelConfig, Tensors, limits};

use crate::compute::device::Device;
use crate::compute::model::Model;
use crate::error::Error;
use crate::settings::gallery::CardSettings;
use crate::system::grid::{GridError, grid_png};
use crate::train::checkpoint::RunHeader;

/// What a card says where nobody said anything.
const NOT_STATED: &str = "not stated";

/// What a pack says of itself to people. What the settings do not say, `before` says, the card of the same
/// gallery when it was published last.
pub(crate) fn card(settings: &CardSettings, title: &str, header: &RunHeader, before: Option<&Card>) -> Card {
    let training = &header.recipe.training;
    let mut said = BTreeMap::from([
        ("steps".to_owned(), header.step.into()),
        ("batch_size".to_owned(), (training.batch_size as u64).into()),
        ("learning_rate".to_owned(), training.learning_rate.into()),
        ("ema".to_owned(), training.ema.into()),
        ("seed".to_owned(), training.seed.into()),
    ]);
    if training.null_gate {
        said.insert("null_gate".to_owned(), CardValue::Text("true".to_owned()));
    }
    if header.recipe.model.few_steps {
        said.insert("shortcut_guidance".to_owned(), training.shortcut_guidance.into());
    }
    if let Some(method) = &header.method {
        said.insert("method".to_owned(), CardValue::Text(method.name.clone()));
        let rank = method.rank.map(|rank| ("rank".to_owned(), (rank as u64).into()));
        let kept = method.kept_in_words().map(|kept| ("kept_blocks".to_owned(), CardValue::Text(kept)));
        said.extend(rank.into_iter().chain(kept));
        said.insert("base".to_owned(), CardValue::Text(method.named_base().to_string()));
    }
    Card { training: said, ..told(settings, title, before) }
}

/// As [`card`], of weights about whose training nothing is known.
pub(crate) fn told(settings: &CardSettings, title: &str, before: Option<&Card>) -> Card {
    let said = |asked: &Option<String>, before: Option<&String>| {
        asked.as_ref().or(before).cloned().unwrap_or_else(|| NOT_STATED.to_owned())
    };
    let authors = match before {
        Some(card) if settings.authors.is_empty() => &card.authors,
        _ => &settings.authors,
    };
    Card {
        title: title.to_owned(),
        data: said(&settings.data_note, before.map(|card| &card.data)),
        licence: said(&settings.licence, before.map(|card| &card.licence)),
        authors: authors.clone(),
        tool: concat!("tailor ", env!("CARGO_PKG_VERSION")).to_owned(),
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

/// How many samples a learngene's preview shows.
pub(crate) fn previewed(learngene: &Learngene) -> usize {
    let Some(png) = &learngene.preview else { return 0 };
    let width = ImageReader::with_format(Cursor::new(png), ImageFormat::Png).into_dimensions();
    // A line stands between any two.
    width.map_or(Previews::USUAL, |(width, _)| (width / (learngene.manifest.config.image_size + 1)) as usize)
}

impl Previews<'_> {
    /// Samples in a preview unless told otherwise.
    pub(crate) const USUAL: usize = 8;

    /// A grid at seeds 1 to `count` of one class, or of the learngene alone; fewer where a pack has no room, and none
    /// of latents.
    pub(crate) fn png(&self, class: Option<(&Class, &Tensors)>) -> Result<Option<Vec<u8>>, Error> {
        if self.count == 0 || self.config.makes_latents() {
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
            guide: Guide::default(),
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
