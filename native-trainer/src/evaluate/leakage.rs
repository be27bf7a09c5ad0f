//! How much of a removed class the rest of a gallery can still make.
//!
//! A class is removed by leaving its pack out, and with it its components and its row of the label table. What is left
//! cannot be asked for the class by its name, so it is asked in every way that is left: the learngene alone, which is the
//! null label with the gate off; the tailor of each other class; and mixtures of those that come nearest. The classifier
//! of `tailor evaluate`, which knows the removed class, says how often it takes a sample for it. How far a sample lies
//! from the nearest real image of the class is measured in the classifier's features.
//!
//! What comes nearest is chosen on some seeds and measured on others, so that a choice among many is no evidence by itself.

use std::collections::BTreeSet;

use serde::Serialize;
use tailor_core::Item;
use tailor_core::diffusion::images::Images;
use tailor_core::model::Gate;

use super::classifier::Classifier;
use super::figures::Sampled;
use super::{Eyes, Source, classifier, read_real};
use crate::compute::device::{self, Device};
use crate::compute::model::Model;
use crate::data::splits::Split;
use crate::data::{Dataset, Options};
use crate::error::Error;
use crate::gallery::folder::Gallery;
use crate::gallery::sample;
use crate::metrics::bootstrap::{CONFIDENCE, Interval, mean, of_mean, of_share};
use crate::metrics::neighbours::nearest;
use crate::metrics::networks::Reading;
use crate::metrics::predictions::Predictions;
use crate::metrics::table::Table;
use crate::settings::evaluate::EvaluateSettings;
use crate::settings::leakage::LeakageSettings;
use crate::system::grid::GridError;
use crate::system::sheet::{Block, Sheet, picture};

/// Tailors of which mixtures are made: those that come nearest to the removed class.
const MIXED: usize = 5;

/// Samples of the learngene alone, as many times those of a class.
const ALONE: usize = 10;

/// Images in a row of the picture.
const SHOWN: usize = 8;

/// What was found.
#[derive(Debug, Serialize)]
pub struct Leakage {
    /// The classifier's share of right answers on real images of sources it never saw.
    pub classifier_accuracy: f64,
    /// Real images behind that figure.
    pub held_out_images: usize,
    /// Classes that the classifier knows, the removed ones among them.
    pub known_classes: usize,
    /// The share of any images that it would take for one class if it guessed.
    pub chance: f64,
    /// The share of figures that each interval holds.
    pub confidence: f64,
    /// Resamples behind each interval.
    pub resamples: usize,
    /// Each removed class.
    pub removed: Vec<Removed>,
}

/// One removed class.
#[derive(Debug, Serialize)]
pub struct Removed {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What was looked at.
    pub entries: Vec<Entry>,
}

/// What the classifier says of one set of images.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Which images: `real` (held out, of the class), `other_real` (of all other classes), `tailor` (with the class's own
    /// tailor), `learngene` (alone), `others` (every other tailor), `nearest_tailor`, `mixture`; with `reference_` before
    /// it those of the reference.
    pub of: String,
    /// The same in words.
    pub words: String,
    /// Number of images.
    pub images: usize,
    /// Share that the classifier takes for the removed class.
    pub agreement: f64,
    /// Its 95 % interval; none without resamples.
    pub agreement_interval: Option<Interval>,
    /// Mean distance, in the classifier's features, to the nearest real image of the class among those that the
    /// classifier was trained on; none where there are none.
    pub nearest: Option<f64>,
    /// Its 95 % interval; none without resamples.
    pub nearest_interval: Option<Interval>,
    /// How the samples were made; none for real images.
    #[serde(flatten)]
    pub sampling: Option<Sampled>,
}

/// Finds what is left of the removed classes, and draws it.
///
/// # Errors
/// Anything wrong with gallery, data, classifier or device, and a gallery with nothing left.
pub fn leakage(settings: &LeakageSettings) -> Result<(Leakage, Sheet), Error> {
    let judge = &settings.evaluate;
    let gallery = Gallery::open(&judge.gallery)?;
    let split = judge.split.as_deref().map(Split::open).transpose()?;
    let options = Options::for_model(&gallery.index.config, false).with_split(split);
    let data = Dataset::open(&judge.data, &options)?;
    let device = device::open(judge.device)?;
    let removed = removed(settings, &gallery, &data)?;
    let mut rests = vec![Rest::new(gallery, "", judge, &removed, &data, &device)?];
    if let Some(path) = &settings.reference {
        let config = &rests[0].gallery.index.config;
        let reference = Gallery::open(path)?;
        let other = &reference.index.config;
        if (other.channels, other.image_size) != (config.channels, config.image_size) {
            return Err(Error::Refused {
                what: format!(
                    "{} makes images of another size than {}",
                    path.display(),
                    judge.gallery.display()
                ),
                help: "name a --reference that was trained on the same images".to_owned(),
            });
        }
        rests.push(Rest::new(reference, "reference_", judge, &removed, &data, &device)?);
    }

    let (reader, kept, held_out) = classifier(judge, &data, &device)?;
    let real = read_real(&reader, &data, &held_out);
    let right = real.answers().into_iter().zip(&held_out).filter(|(answer, i)| *answer == label(&data, **i));
    let right = right.count();

    let finder = Finder { judge, data: &data, reader: &reader };
    let mut pools = Vec::new();
    for rest in &rests {
        pools.push(finder.pool(rest)?);
    }
    let (mut found, mut sheet) = (Vec::new(), Sheet::default());
    for &class in &removed {
        let own: Vec<usize> = kept.iter().copied().filter(|i| label(&data, *i) == class).collect();
        let near = read_real(&reader, &data, &own).features;
        let target = Target { class, own, near };
        let of_class = |is: bool| -> Vec<usize> {
            (0..held_out.len()).filter(|i| (label(&data, held_out[*i]) == class) == is).collect()
        };
        let name = data.classes[class].name.clone();
        let words = [format!("real {name}, held out"), "real images of other classes".to_owned()];
        let mut entries = Vec::new();
        for ((of, words), is) in ["real", "other_real"].into_iter().zip(words).zip([true, false]) {
            let set = rows(&real, &of_class(is));
            if set.scores.rows() > 0 {
                entries.push(finder.entry(of.to_owned(), words, &set, &target, None));
            }
        }
        let mut block = Block { title: format!("{name} removed"), rows: Vec::new() };
        for (rest, pool) in rests.iter().zip(&pools) {
            finder.ask(rest, pool, &target, &mut entries, &mut block)?;
        }
        sheet.blocks.push(block);
        found.push(Removed { id: data.classes[class].id.clone(), name, entries });
    }
    let found = Leakage {
        classifier_accuracy: right as f64 / held_out.len().max(1) as f64,
        held_out_images: held_out.len(),
        known_classes: data.classes.len(),
        chance: 1.0 / data.classes.len().max(1) as f64,
        confidence: CONFIDENCE,
        resamples: judge.figures.resamples,
        removed: found,
    };
    Ok((found, sheet))
}

fn label(data: &Dataset, image: usize) -> usize {
    data.labels[image] as usize
}

/// The removed classes, by their numbers in the data.
fn removed(settings: &LeakageSettings, gallery: &Gallery, data: &Dataset) -> Result<Vec<usize>, Error> {
    let mut found = Vec::new();
    for asked in &settings.removed {
        let id = &gallery.class(asked)?.id;
        let number = data.classes.iter().position(|class| class.id == *id).ok_or_else(|| Error::Refused {
            what: format!("{} has no images of the removed class {id}", settings.evaluate.data.display()),
            help: "name a --data folder that has, so that the classifier knows the class".to_owned(),
        })?;
        if !found.contains(&number) {
            found.push(number);
        }
    }
    Ok(found)
}

/// A gallery, with the classes that are still there.
struct Rest {
    gallery: Gallery,
    /// What stands before the names of its sets of images.
    before: &'static str,
    model: Model,
    /// Id and name of each class whose tailor is asked.
    others: Vec<(String, String)>,
}

impl Rest {
    fn new(
        gallery: Gallery,
        before: &'static str,
        judge: &EvaluateSettings,
        removed: &[usize],
        data: &Dataset,
        device: &Device,
    ) -> Result<Self, Error> {
        let gone: Vec<&str> = removed.iter().map(|class| data.classes[*class].id.as_str()).collect();
        // Those of the gallery itself were found by name or id; the reference has the same ids.
        let gone_here = gone.iter().map(|id| Ok(gallery.class(id)?.id.clone()));
        let gone_here = gone_here.collect::<Result<Vec<_>, Error>>()?;
        let others: Vec<_> = match &judge.classes[..] {
            [] => gallery.index.classes.iter().collect(),
            asked => asked.iter().map(|class| gallery.class(class)).collect::<Result<_, _>>()?,
        };
        // Named twice it is one class all the same.
        let mut seen = BTreeSet::new();
        let others: Vec<(String, String)> = others
            .into_iter()
            .filter(|class| !gone.contains(&class.id.as_str()) && seen.insert(&class.id))
            .map(|class| (class.id.clone(), class.name.clone()))
            .collect();
        if others.is_empty() {
            return Err(Error::Refused {
                what: format!("{} has no other class than the removed ones", gallery.folder.display()),
                help: "remove fewer classes, or name others to ask with --class".to_owned(),
            });
        }
        let ids: Vec<String> = others.iter().map(|(id, _)| id.clone()).chain(gone_here).collect();
        let model = sample::assemble(&gallery, &ids, &judge.sampling.guide, device)?;
        Ok(Self { gallery, before, model, others })
    }

    /// Whether it is a network that does not come apart, where all that a class adds is its row of the label table.
    fn plain(&self) -> bool {
        self.gallery.index.config.factored.matrices().is_empty()
    }
}

/// What the rest makes without a thought of one removed class.
struct Pool {
    alone: Reading,
    images: Images,
    /// As many samples of each other class, one class after the other.
    others: Reading,
}

/// A removed class, and what samples are compared with.
struct Target {
    /// Its number in the data.
    class: usize,
    /// Its images that the classifier was trained on.
    own: Vec<usize>,
    /// Their features.
    near: Table,
}

/// Looks at samples.
struct Finder<'a> {
    judge: &'a EvaluateSettings,
    data: &'a Dataset,
    reader: &'a Classifier,
}

impl Finder<'_> {
    fn pool(&self, rest: &Rest) -> Result<Pool, Error> {
        let n = self.judge.per_class.max(1);
        let (alone, images) = self.make(rest, &[], n * ALONE, 0, "sampling the learngene alone")?;
        let gates = rest.others.iter().flat_map(|(id, _)| (0..n).map(move |i| (vec![(id.clone(), 1.0)], i)));
        let items = gates.map(|(gate, i)| Item { gate, seed: self.seed(i) }).collect();
        let others = self
            .source(rest)
            .read(&Eyes::of(self.reader), items, "sampling every other class", |_| ())?
            .remove(0);
        Ok(Pool { alone, images, others })
    }

    fn source<'b>(&'b self, rest: &'b Rest) -> Source<'b> {
        Source { settings: self.judge, gallery: &rest.gallery, model: &rest.model }
    }

    fn seed(&self, number: usize) -> u64 {
        self.judge.seed.wrapping_add(number as u64)
    }

    /// `n` samples with one gate, with seeds from the one with this number on.
    fn make(
        &self,
        rest: &Rest,
        gate: &[(String, f32)],
        n: usize,
        first: usize,
        what: &'static str,
    ) -> Result<(Reading, Images), Error> {
        let items = (0..n).map(|i| Item { gate: gate.to_vec(), seed: self.seed(first + i) }).collect();
        let mut images = Images::default();
        let reading = self.source(rest).read(&Eyes::of(self.reader), items, what, |seen| {
            let [b, c, h, w] = seen.shape;
            images.shape = [images.shape[0] + b, c, h, w];
            images.values.extend(seen.values);
        })?;
        let reading = reading.into_iter().next().unwrap_or_default();
        Ok((reading, images))
    }

    /// Asks the rest for a removed class in every way, and adds what it says to entries and picture.
    fn ask(
        &self,
        rest: &Rest,
        pool: &Pool,
        target: &Target,
        entries: &mut Vec<Entry>,
        block: &mut Block,
    ) -> Result<(), Error> {
        let &Target { class, ref own, ref near } = target;
        let n = self.judge.per_class.max(1);
        // Fresh seeds: those of the pool chose what comes nearest.
        let fresh = n * ALONE;
        let name = &self.data.classes[class].name;
        let (reference, part) = match (rest.before.is_empty(), rest.plain()) {
            (true, true) => ("", "label"),
            (true, false) => ("", "tailor"),
            (false, true) => ("reference, ", "label"),
            (false, false) => ("reference, ", "tailor"),
        };
        let sampling = self.sampling(rest, 0)?;
        let later = self.sampling(rest, fresh)?;
        let mut add = |of: &str, words: String, reading: &Reading, sampling: &Sampled| {
            let (of, words) = (format!("{}{of}", rest.before), format!("{reference}{words}"));
            entries.push(self.entry(of, words.clone(), reading, target, Some(sampling.clone())));
            words
        };
        let mut draw =
            |words: String, images: &Images, order: Option<&Reading>| -> Result<Vec<usize>, Error> {
                let shown = most(order, class, images.shape[0]);
                let row = shown.iter().map(|i| drawn(images, *i)).collect::<Result<Vec<_>, Error>>()?;
                block.rows.push((words, row));
                Ok(shown)
            };

        let gate = [(self.data.classes[class].id.clone(), 1.0)];
        let (reading, images) = self.make(rest, &gate, n, fresh, "sampling the removed class itself")?;
        let words = add("tailor", format!("with its {part}"), &reading, &later);
        draw(words, &images, None)?;

        let alone = if rest.plain() { "null label" } else { "learngene alone" };
        let words = add("learngene", alone.to_owned(), &pool.alone, &sampling);
        draw(format!("{words}, most like it"), &pool.images, Some(&pool.alone))?;

        add("others", format!("the other {part}s ({})", rest.others.len()), &pool.others, &sampling);
        let nearest_others = self.nearest_others(rest, pool, class);
        let (id, other) = &rest.others[nearest_others[0]];
        let (reading, images) =
            self.make(rest, &[(id.clone(), 1.0)], n, fresh, "sampling the tailor that comes nearest")?;
        let words =
            add("nearest_tailor", format!("{part} of {other}, which comes nearest"), &reading, &later);
        let shown = draw(words, &images, Some(&reading))?;
        if rest.before.is_empty() {
            let rows: Vec<Vec<f32>> = shown.iter().map(|i| reading.features.row(*i).to_vec()).collect();
            let asked = Table::new(near.width(), rows.concat());
            let found = nearest(near, &asked).into_iter().map(|(i, _)| own[i]).collect::<Vec<_>>();
            let shape = [found.len(), self.data.channels, self.data.size, self.data.size];
            let real = Images::new(shape, self.data.batch(&found));
            draw(format!("real {name} nearest to the row above"), &real, None)?;
        }

        let Some((gate, names)) = self.mixture(rest, &nearest_others, class)? else { return Ok(()) };
        let (reading, images) =
            self.make(rest, &gate, n, fresh, "sampling the mixture that comes nearest")?;
        let words = add("mixture", format!("mixture of {names}"), &reading, &later);
        draw(words, &images, Some(&reading))?;
        Ok(())
    }

    /// The other classes, the one whose samples are likeliest of the removed class first.
    fn nearest_others(&self, rest: &Rest, pool: &Pool, class: usize) -> Vec<usize> {
        let n = self.judge.per_class.max(1);
        let likely = likelihoods(&pool.others, class);
        let of_other: Vec<f64> = likely.chunks(n).map(mean).collect();
        let mut order: Vec<usize> = (0..rest.others.len()).collect();
        order.sort_by(|a, b| of_other[*b].total_cmp(&of_other[*a]));
        order
    }

    /// Of pairs of the tailors that come nearest, and of all of these, the mixture that comes nearest; none of one tailor.
    fn mixture(&self, rest: &Rest, order: &[usize], class: usize) -> Result<Option<(Gate, String)>, Error> {
        let near = &order[..order.len().min(MIXED)];
        let mut mixtures: Vec<Vec<usize>> = Vec::new();
        for (i, a) in near.iter().enumerate() {
            mixtures.extend(near[i + 1..].iter().map(|b| vec![*a, *b]));
        }
        if near.len() > 2 {
            mixtures.push(near.to_vec());
        }
        let gate = |mixture: &Vec<usize>| -> Gate {
            mixture.iter().map(|i| (rest.others[*i].0.clone(), 1.0 / mixture.len() as f32)).collect()
        };
        let trials = self.judge.per_class.div_ceil(4).max(1);
        let items = mixtures.iter().flat_map(|mixture| (0..trials).map(move |i| (mixture, i)));
        let items = items.map(|(mixture, i)| Item { gate: gate(mixture), seed: self.seed(i) }).collect();
        let tried =
            self.source(rest).read(&Eyes::of(self.reader), items, "trying mixtures", |_| ())?.remove(0);
        let likely: Vec<f64> = likelihoods(&tried, class).chunks(trials).map(mean).collect();
        let best = mixtures.iter().zip(likely).max_by(|a, b| a.1.total_cmp(&b.1));
        Ok(best.map(|(mixture, _)| {
            let names: Vec<&str> = mixture.iter().map(|i| rest.others[*i].1.as_str()).collect();
            (gate(mixture), names.join(" + "))
        }))
    }

    fn sampling(&self, rest: &Rest, first: usize) -> Result<Sampled, Error> {
        let settings = sample::settings(&rest.gallery, &self.judge.sampling, Vec::new())?;
        Ok(Sampled::of(&settings, self.seed(first)))
    }

    fn entry(
        &self,
        of: String,
        words: String,
        reading: &Reading,
        target: &Target,
        sampling: Option<Sampled>,
    ) -> Entry {
        let (resamples, seed) = (self.judge.figures.resamples, self.judge.seed);
        let is = |answer: usize| f64::from(u8::from(answer == target.class));
        let answers: Vec<f64> = reading.answers().into_iter().map(is).collect();
        let distances: Vec<f64> =
            nearest(&target.near, &reading.features).into_iter().map(|(_, d)| d).collect();
        Entry {
            of,
            words,
            images: answers.len(),
            agreement: mean(&answers),
            agreement_interval: of_share(&answers, resamples, seed),
            nearest: (!distances.is_empty()).then(|| mean(&distances)),
            nearest_interval: of_mean(&distances, resamples, seed),
            sampling,
        }
    }
}

/// How likely each image is one of the class.
fn likelihoods(reading: &Reading, class: usize) -> Vec<f64> {
    let predictions = Predictions::new(&reading.scores);
    (0..predictions.rows()).map(|i| predictions.share(i, class)).collect()
}

/// The numbers of the images to show: the first of `n`, or those that are likeliest of the class.
fn most(reading: Option<&Reading>, class: usize, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    if let Some(reading) = reading {
        let likely = likelihoods(reading, class);
        order.sort_by(|a, b| likely[*b].total_cmp(&likely[*a]));
    }
    order.truncate(SHOWN);
    order
}

fn drawn(images: &Images, i: usize) -> Result<Option<image::RgbImage>, Error> {
    let [_, c, h, w] = images.shape;
    match picture(images.image(i), [c, h, w]) {
        // Latents are no pictures.
        Err(GridError::Channels(_)) => Ok(None),
        drawn => Ok(Some(drawn?)),
    }
}

/// The same reading, of the images with these numbers alone.
fn rows(reading: &Reading, numbers: &[usize]) -> Reading {
    let of = |table: &Table| {
        let rows: Vec<&[f32]> = numbers.iter().map(|i| table.row(*i)).collect();
        Table::new(table.width(), rows.concat())
    };
    Reading { features: of(&reading.features), spatial: Table::default(), scores: of(&reading.scores) }
}
