//! What a step trains on: which images, mirrored or not, with which times, noise and dropped labels.
//!
//! Everything depends on the run's seed and the step's number alone, so a resumed run draws what the run
//! that was never cut would have drawn, and a thread can draw ahead of the step under way.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use rand::Rng;
use rand::seq::SliceRandom;
use tailor_core::diffusion::noise::{Stream, generator, standard_normal, uniform};
use tailor_core::diffusion::path::{self, Node};
use tailor_core::diffusion::shortcut::{self, Moment};
use tailor_packs::{ModelConfig, Objective};

use crate::data::Dataset;
use crate::error::Error;
use crate::settings::training::Training;
use crate::system::memory;

/// Batches that are drawn ahead of the step under way.
const AHEAD: usize = 2;

/// A batch on the host: noisy images, targets, times, and classes (`None` where dropped).
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Noisy images `[B, C, H, W]`.
    pub x: Vec<f32>,
    /// What the network should say of them, `[B, C, H, W]`. Of images that are to learn a step, the trainer finds it.
    pub target: Vec<f32>,
    /// Moments `[B]`: times from 0 to 1000, and how far the step goes that an image is to learn.
    pub at: Vec<Moment>,
    /// Classes `[B]`.
    pub labels: Vec<Option<usize>>,
    /// Whether the network is told no class, although the tailor of one works `[B]`.
    pub unnamed: Vec<bool>,
    /// `[C, H, W]`
    pub shape: [usize; 3],
    /// How much the direction of the prediction counts beside its error.
    pub cosine: f32,
    /// Scale of guidance in what images learn that are to learn a step ([`tailor_core::diffusion::shortcut::targets`]).
    pub guidance: f32,
}

impl Batch {
    /// Number of images `B`.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Its classes, each once, in rising order.
    pub fn classes(&self) -> Vec<usize> {
        let mut classes: Vec<usize> = self.labels.iter().flatten().copied().collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    /// Values of one image.
    pub fn values(&self) -> usize {
        self.shape.iter().product()
    }

    /// `values` of image `i`, out of [`Batch::x`] or [`Batch::target`].
    pub fn image<'a>(&self, values: &'a [f32], i: usize) -> &'a [f32] {
        &values[i * self.values()..][..self.values()]
    }
}

/// How images become a batch.
#[derive(Clone, Debug)]
pub struct Draws {
    objective: Objective,
    shape: [usize; 3],
    alphas: Vec<f64>,
    /// Seed of the run.
    pub seed: u64,
    /// Chance that an image's label is dropped to the null row, for guidance.
    pub label_dropout: f64,
    /// Whether the gate is on where the label is dropped.
    pub null_gate: bool,
    /// Whether each image is mirrored left to right with chance ½.
    pub flip: bool,
    /// How much the direction of the prediction counts beside its error ([`tailor_core::diffusion::direction`]).
    pub cosine: f64,
    /// Chance that an image learns a step instead of the velocity at one time ([`tailor_core::diffusion::shortcut`]), and the scale of
    /// guidance within it.
    pub shortcuts: (f64, f64),
}

impl Draws {
    /// The draws of a run.
    pub fn new(config: &ModelConfig, seed: u64, label_dropout: f64, flip: bool) -> Self {
        let side = config.image_size as usize;
        let shape = [config.channels as usize, side, side];
        Self {
            objective: config.objective,
            shape,
            alphas: path::alphas_cumprod(),
            seed,
            label_dropout,
            null_gate: false,
            flip,
            cosine: 0.0,
            shortcuts: (0.0, 1.0),
        }
    }

    /// Leaves the gate on where a label is dropped, if so.
    pub fn with_null_gate(self, null_gate: bool) -> Self {
        Self { null_gate, ..self }
    }

    /// Lets the direction of the prediction count so much.
    pub fn with_cosine(self, cosine: f64) -> Self {
        Self { cosine, ..self }
    }

    /// Lets so large a share of the images learn steps, guided within by this scale. For a model that is told how far a
    /// step goes.
    pub fn with_shortcuts(self, share: f64, guidance: f64) -> Self {
        Self { shortcuts: (share, guidance), ..self }
    }

    /// The batch of step number `step` (from 0).
    ///
    /// # Shapes
    /// - `images`: `[B, C, H, W]` in `[-1, 1]` (latents of any size), flat
    /// - `labels`: the class number of each image
    pub fn batch(&self, step: u64, mut images: Vec<f32>, labels: &[usize]) -> Batch {
        let (b, number) = (labels.len(), step as u32);
        let mut rng = generator(self.seed, Stream::Dropout(number));
        let dropped: Vec<bool> = labels.iter().map(|_| uniform(&mut rng) < self.label_dropout).collect();
        let works = |(class, dropped): (&usize, &bool)| (self.null_gate || !dropped).then_some(*class);
        let labels = labels.iter().zip(&dropped).map(works).collect();
        let unnamed = dropped.into_iter().map(|dropped| dropped && self.null_gate).collect();
        let values = images.len() / b.max(1);
        if self.flip {
            let mut rng = generator(self.seed, Stream::Flip(number));
            let mirrored = images.chunks_exact_mut(values).filter(|_| rng.random::<bool>());
            mirrored.for_each(|image| image.chunks_exact_mut(self.shape[2]).for_each(<[f32]>::reverse));
        }
        let mut rng = generator(self.seed, Stream::Times(number));
        let mut places: Vec<Node> = match self.objective {
            Objective::Ddpm => {
                (0..b).map(|_| path::ddpm_node(&self.alphas, rng.random_range(0..path::DDPM_STEPS))).collect()
            }
            // Logit-normal times (Esser et al. 2024, §3.1): most of the work lies in the middle.
            Objective::Flow => {
                let normals = standard_normal(rng.random(), Stream::Times(number), b);
                normals.iter().map(|n| path::flow_node(1.0 / (1.0 + (-f64::from(*n)).exp()))).collect()
            }
        };
        let mut strides = vec![0; b];
        let mut rng = generator(self.seed, Stream::Shortcuts(number));
        for (place, stride) in places.iter_mut().zip(&mut strides).filter(|_| self.shortcuts.0 > 0.0) {
            if let Some(step) = shortcut::draw(self.shortcuts.0, &mut rng) {
                (*stride, *place) = step;
            }
        }
        let noise = standard_normal(self.seed, Stream::Noise(number), images.len());
        let (mut x, mut target) = (Vec::with_capacity(images.len()), Vec::with_capacity(images.len()));
        for (i, (&x0, &eps)) in images.iter().zip(&noise).enumerate() {
            let (noisy, wanted) = path::noised(self.objective, places[i / values], x0, eps);
            x.push(noisy);
            target.push(wanted);
        }
        let at = places.iter().zip(strides).map(|(p, stride)| Moment { t: p.t as f32, stride }).collect();
        let (cosine, guidance) = (self.cosine as f32, self.shortcuts.1 as f32);
        Batch { x, target, at, labels, unnamed, shape: self.shape, cosine, guidance }
    }
}

/// Refuses batches that no memory holds: at a time there are the one of the step under way, those ahead of it and the
/// next, each with its noisy images and their targets. What a network adds to that is not counted.
///
/// # Errors
/// [`Error::Refused`] names the setting and both figures.
pub fn fits(model: &ModelConfig, batch_size: usize) -> Result<(), Error> {
    let (channels, side) = (u64::from(model.channels), u64::from(model.image_size));
    let held = 2 * (AHEAD as u64 + 2) * size_of::<f32>() as u64;
    let needed =
        [channels, side, side, batch_size as u64].iter().fold(held, |n, &axis| n.saturating_mul(axis));
    let there = memory::installed().unwrap_or(memory::MOST);
    if needed <= there {
        return Ok(());
    }
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    Err(Error::Refused {
        what: format!(
            "batch_size is {batch_size}: batches of so many images of {channels} × {side} × {side} values take {:.1} \
             GB of memory, and there are {:.1} GB",
            gigabytes(needed),
            gigabytes(there)
        ),
        help: "ask for a smaller --batch-size".to_owned(),
    })
}

/// Draws the batches of `steps` on a thread of its own, a few ahead of who takes them.
pub fn load<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    data: &'env Dataset,
    draws: &'env Draws,
    training: &'env Training,
    steps: std::ops::Range<u64>,
) -> Receiver<Batch> {
    let (send, receive) = sync_channel(AHEAD);
    scope.spawn(move || {
        let mut order = Order::new(data, training);
        for step in steps {
            let indices = order.batch(step, training.batch_size);
            let labels: Vec<usize> = indices.iter().map(|&i| data.labels[i] as usize).collect();
            // Nobody takes batches any more: the run has stopped.
            if send.send(draws.batch(step, data.batch(&indices), &labels)).is_err() {
                return;
            }
        }
    });
    receive
}

/// The order of images: a new shuffle each epoch, from the seed and the epoch alone.
///
/// Balanced, each class has its own such order, and the classes take turns, shuffled anew each round.
pub struct Order {
    seed: u64,
    all: Shuffled,
    /// For a balanced order the images of each class.
    classes: Vec<Shuffled>,
}

impl Order {
    /// The order in which `training` visits `data`.
    pub fn new(data: &Dataset, training: &Training) -> Self {
        Self::of_classes(data, training, &(0..data.classes.len()).collect::<Vec<_>>())
    }

    /// The order in which it would visit these classes alone, whose numbers rise.
    pub fn of_classes(data: &Dataset, training: &Training, chosen: &[usize]) -> Self {
        let mut classes = Vec::new();
        if training.balanced {
            classes = vec![Vec::new(); data.classes.len()];
            data.labels.iter().enumerate().for_each(|(i, class)| classes[*class as usize].push(i));
        }
        let shuffled = |(class, images)| {
            let class = class as u32;
            Shuffled::new(images, move |epoch| Stream::ClassImages { class, epoch })
        };
        let classes: Vec<_> = classes.into_iter().enumerate().map(shuffled).collect();
        let all = match classes.len() {
            0 => {
                let is_chosen = |i: &usize| chosen.binary_search(&(data.labels[*i] as usize)).is_ok();
                Shuffled::new((0..data.len()).filter(is_chosen).collect(), Stream::Images)
            }
            _ => Shuffled::new(chosen.to_vec(), Stream::Classes),
        };
        Self { seed: training.seed, all, classes }
    }

    /// The images of step `step`.
    pub fn batch(&mut self, step: u64, size: usize) -> Vec<usize> {
        (0..size as u64).map(|i| self.at(step * size as u64 + i)).collect()
    }

    fn at(&mut self, position: u64) -> usize {
        let found = self.all.at(self.seed, position);
        match self.classes.get_mut(found) {
            // Each round visits every class once, so the round's number is this class's own position.
            Some(class) => class.at(self.seed, position / self.all.items.len() as u64),
            None => found,
        }
    }
}

/// Items that are visited in a new order each time round.
struct Shuffled {
    items: Vec<usize>,
    /// The stream of each epoch.
    stream: Box<dyn Fn(u32) -> Stream + Send>,
    epoch: Option<(u64, Vec<usize>)>,
}

impl Shuffled {
    fn new(items: Vec<usize>, stream: impl Fn(u32) -> Stream + Send + 'static) -> Self {
        Self { items, stream: Box::new(stream), epoch: None }
    }

    fn at(&mut self, seed: u64, position: u64) -> usize {
        let len = self.items.len() as u64;
        let (epoch, place) = (position / len, (position % len) as usize);
        if self.epoch.as_ref().is_none_or(|(e, _)| *e != epoch) {
            let mut order = self.items.clone();
            order.shuffle(&mut generator(seed, (self.stream)(epoch as u32)));
            self.epoch = Some((epoch, order));
        }
        self.epoch.as_ref().map_or(0, |(_, order)| order[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Options;
    use image::{GrayImage, Luma};
    use tailor_packs::config::STRIDES;

    /// Three images of class `a`, one of `b`.
    fn data(folder: &std::path::Path) -> Dataset {
        for (class, name) in [("a", "0"), ("a", "1"), ("a", "2"), ("b", "3")] {
            std::fs::create_dir_all(folder.join(class)).unwrap();
            GrayImage::from_fn(32, 32, |x, _| Luma([x as u8]))
                .save(folder.join(class).join(name).with_extension("png"))
                .unwrap();
        }
        let config = ModelConfig::preset("tiny").unwrap();
        Dataset::open(folder, &Options::for_model(&config, true)).unwrap()
    }

    #[test]
    fn batches_that_no_memory_holds_are_refused_by_name_and_figure() {
        let model = ModelConfig { image_size: 256, channels: 3, ..ModelConfig::preset("tiny").unwrap() };
        fits(&model, 1).unwrap();
        let refused = fits(&model, 1 << 40).unwrap_err().to_string();
        assert!(refused.contains("batch_size is 1099511627776") && refused.contains(" GB"), "{refused}");
    }

    #[test]
    fn an_epoch_visits_every_image_once_and_the_next_in_another_order() {
        let folder = tempfile::tempdir().unwrap();
        let data = data(folder.path());
        let mut order = Order::new(&data, &Training { seed: 3, ..Training::default() });
        let epochs: Vec<Vec<usize>> = (0..20).map(|step| order.batch(step, 4)).collect();
        for epoch in &epochs {
            let mut sorted = epoch.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3]);
        }
        assert!(epochs.iter().any(|epoch| *epoch != epochs[0]));
        // The order depends on the position alone, not on what was asked for before.
        assert_eq!(Order::new(&data, &Training { seed: 3, ..Training::default() }).batch(17, 4), epochs[17]);
    }

    #[test]
    fn balanced_classes_take_turns_and_each_visits_all_of_its_images() {
        let folder = tempfile::tempdir().unwrap();
        let data = data(folder.path());
        let mut order = Order::new(&data, &Training { balanced: true, ..Training::default() });
        let mut seen = [0; 4];
        for step in 0..30 {
            let round = order.batch(step, 2);
            assert_eq!(round.iter().filter(|&&i| data.labels[i] == 1).count(), 1, "round {step}");
            round.iter().for_each(|&i| seen[i] += 1);
        }
        assert_eq!(seen, [10, 10, 10, 30]);
    }

    #[test]
    fn a_share_of_the_images_learns_steps_that_begin_where_a_run_of_such_steps_does() {
        let config = ModelConfig::preset("tiny").unwrap();
        let draw = |share| {
            let draws = Draws::new(&config, 1, 0.0, false).with_shortcuts(share, 2.0);
            draws.batch(5, vec![0.5; 1024 * 600], &[0; 600])
        };
        let (plain, mixed) = (draw(0.0), draw(0.25));
        assert!(plain.at.iter().all(|at| at.stride == 0));
        assert_eq!(mixed, draw(0.25));
        let mut counts = [0; STRIDES];
        for (i, (before, at)) in plain.at.iter().zip(&mixed.at).enumerate() {
            counts[at.stride] += 1;
            let steps_left = at.t / 1000.0 / shortcut::length(at.stride);
            match at.stride {
                0 => assert_eq!((before, plain.image(&plain.x, i)), (at, mixed.image(&mixed.x, i))),
                _ => assert!(steps_left.fract() == 0.0 && steps_left >= 1.0 && at.t <= 1000.0, "{at:?}"),
            }
        }
        assert!((400..500).contains(&counts[0]) && counts[1..].iter().all(|n| *n > 10), "{counts:?}");
    }

    #[test]
    fn flips_mirror_about_half_of_the_images_and_dropout_drops_its_share_of_labels() {
        let config = ModelConfig::preset("tiny").unwrap();
        let image: Vec<f32> = (0..1024).map(|i| (i % 32) as f32 / 31.0).collect();
        let draw = |flip| {
            let draws = Draws::new(&config, 1, 0.25, flip);
            draws.batch(5, image.repeat(400), &[0; 400])
        };
        let (plain, flipped) = (draw(false), draw(true));
        assert_eq!(plain, draw(false));
        let mirrored = (0..400).filter(|&i| plain.image(&plain.x, i) != flipped.image(&flipped.x, i)).count();
        assert!((150..250).contains(&mirrored), "{mirrored} mirrored");
        // The target is ε − x₀: where the image is mirrored, noise and time are still the same.
        let difference = |i: usize| {
            let (a, b) = (plain.image(&plain.target, i), flipped.image(&flipped.target, i));
            a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        assert!((0..400).all(|i| difference(i) < 1e-5 || (difference(i) - 1.0).abs() < 1e-5));
        let dropped = plain.labels.iter().filter(|label| label.is_none()).count();
        assert!((60..140).contains(&dropped), "{dropped} dropped");
        // With the gate on, the same images lose their label alone.
        let draws = Draws::new(&config, 1, 0.25, false).with_null_gate(true);
        let gated = draws.batch(5, image.repeat(400), &[0; 400]);
        assert!(gated.labels.iter().all(|label| *label == Some(0)) && gated.x == plain.x);
        assert!(plain.labels.iter().map(Option::is_none).eq(gated.unnamed) && !plain.unnamed.contains(&true));
    }
}
