//! The gradients written out by hand against differences of the loss itself.

use crate::support::{configs, normal, tensors};
use tailor_core::diffusion::noise::{Stream, standard_normal};
use tailor_core::diffusion::shortcut::Moment;
use tailor_core::engine::{Features, Network, Pool, Sample};
use tailor_core::model::KNOWN;
use tailor_packs::{Feature, ModelConfig, TensorSpec, Tensors};

fn flat(specs: &[TensorSpec], seed: u64) -> Vec<f32> {
    let tensors: Tensors = tensors(specs, seed);
    specs.iter().flat_map(|spec| tensors.get(&spec.name).unwrap().1.to_vec()).collect()
}

/// A batch of two classes and one image without, and everything it depends on.
struct Batch {
    network: Network,
    images: Vec<Vec<f32>>,
    targets: Vec<Vec<f32>>,
    learngene: Vec<f32>,
    tailors: [Vec<f32>; 2],
    cosine: f32,
    /// The image whose tailor works without its label.
    unnamed: Option<usize>,
    /// What a teacher makes of each image; none without one.
    teachers: Vec<Features>,
}

/// What a gradient is of: its tensors, the gradient, and the values themselves.
type Part = (&'static str, Vec<TensorSpec>, Vec<f32>, fn(&mut Batch) -> &mut Vec<f32>);

const CLASSES: [Option<usize>; 4] = [None, Some(0), Some(0), Some(1)];

impl Batch {
    fn new(config: &ModelConfig) -> Self {
        let n = (config.channels * config.image_size * config.image_size) as usize;
        Self {
            network: Network::new(config).unwrap(),
            images: (0..4).map(|i| normal(50 + i, n)).collect(),
            targets: (0..4).map(|i| normal(60 + i, n)).collect(),
            learngene: flat(&config.learngene_tensors(), 1),
            tailors: [2, 3].map(|seed| flat(&config.tailor_tensors(), seed)),
            cosine: 0.0,
            unnamed: None,
            teachers: Vec::new(),
        }
    }

    fn samples(&self) -> Vec<Sample<'_>> {
        let sample = |i: usize| Sample {
            x: &self.images[i],
            target: &self.targets[i],
            // A model without the table of strides does not look at the second.
            at: [(900.0, 4), (500.0, 2), (20.0, 0), (333.0, 3)].map(|(t, stride)| Moment { t, stride })[i],
            class: CLASSES[i],
            named: self.unnamed != Some(i),
            cosine: self.cosine,
            teacher: self.teachers.get(i),
        };
        (0..4).map(sample).collect()
    }

    /// What the network itself makes of the images.
    fn features(&self, blocks: &[usize]) -> Vec<Features> {
        let tailor = |c: usize| &self.tailors[c][..];
        self.network.features(&self.learngene, tailor, &self.samples(), blocks, &Pool::default())
    }

    fn gradients(&self, frozen: bool, pool: &Pool) -> tailor_core::engine::Gradients {
        self.network.gradients(&self.learngene, |c| &self.tailors[c], &self.samples(), 1.0, frozen, pool)
    }

    fn loss(&self) -> f64 {
        let found = self.gradients(true, &Pool::default());
        found.squares + found.distances * self.targets[0].len() as f64
    }

    /// The change of the loss along `direction` of the values that `of` names, by central difference.
    fn slope(&mut self, of: fn(&mut Self) -> &mut Vec<f32>, direction: &[f32]) -> f64 {
        let before = of(self).clone();
        let step = 1e-3;
        let mut at = |sign: f32| {
            let moved = before.iter().zip(direction).map(|(v, d)| v + sign * step * d).collect();
            *of(self) = moved;
            self.loss()
        };
        let slope = (at(1.0) - at(-1.0)) / f64::from(2.0 * step);
        *of(self) = before;
        slope
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[test]
fn every_tensors_gradient_is_the_slope_of_the_loss() {
    // With learned variance it is not: the bound's gradient is held back from the prediction.
    let all = configs().into_iter().filter(|config| !config.learned_variance);
    let all = all.map(|config| (config, 0.0, None));
    // The term for directions comes after the network, so one model will do; and so it will for labels.
    let [fused, ..] = configs();
    for (config, cosine, unnamed) in all.chain([(fused.clone(), 0.8, None), (fused, 0.0, Some(2))]) {
        let mut batch = Batch { cosine, unnamed, ..Batch::new(&config) };
        let found = batch.gradients(false, &Pool::default());
        assert_eq!(found.tailors.iter().map(|(class, _)| *class).collect::<Vec<_>>(), [0, 1]);
        let parts: [Part; 3] = [
            ("learngene", config.learngene_tensors(), found.learngene.clone(), |b| &mut b.learngene),
            ("tailor 0", config.tailor_tensors(), found.tailors[0].1.clone(), |b| &mut b.tailors[0]),
            ("tailor 1", config.tailor_tensors(), found.tailors[1].1.clone(), |b| &mut b.tailors[1]),
        ];
        for (part, specs, gradient, of) in parts {
            let mut start = 0;
            for spec in specs {
                let range = start..start + spec.len();
                start = range.end;
                // Along the gradient itself the slope is as steep as can be, and far from rounding.
                let norm = dot(&gradient[range.clone()], &gradient[range.clone()]).sqrt();
                // Softmax ignores the keys' bias, so that its gradient is rounding, unless it is turned or normed.
                let ignored = spec.name.ends_with("k.bias") && !config.rope && !config.qk_norm;
                if ignored {
                    assert!(norm < 1e-3, "{part}, {}: {norm}", spec.name);
                    continue;
                }
                assert!(norm > 0.0, "{part}, {}: no gradient", spec.name);
                let mut direction = vec![0.0; gradient.len()];
                let unit = gradient[range.clone()].iter().map(|g| g / norm as f32);
                direction[range].iter_mut().zip(unit).for_each(|(d, g)| *d = g);
                let slope = batch.slope(of, &direction);
                let error = (slope - norm).abs() / norm.max(1.0);
                assert!(error < 0.02, "{part}, {}: {slope} by difference, {norm} by hand", spec.name);
            }
        }
    }
}

#[test]
fn a_teachers_gradient_is_the_slope_of_its_distances() {
    for config in configs().into_iter().filter(|config| !config.learned_variance) {
        let teacher = ModelConfig { depth: 3, ..config.clone() };
        let mut teacher = Batch::new(&teacher);
        teacher.learngene.iter_mut().for_each(|v| *v *= 0.9);
        let mut batch = Batch::new(&config);
        batch.teachers = teacher.features(&[0, 2]);
        let found = batch.gradients(false, &Pool::default());
        assert!(found.distances > 0.1, "{}", found.distances);
        let mut start = 0;
        for spec in config.learngene_tensors() {
            let range = start..start + spec.len();
            start = range.end;
            let norm = dot(&found.learngene[range.clone()], &found.learngene[range.clone()]).sqrt();
            if spec.name.ends_with("k.bias") && !config.rope && !config.qk_norm {
                continue;
            }
            let mut direction = vec![0.0; found.learngene.len()];
            let unit = found.learngene[range.clone()].iter().map(|g| g / norm as f32);
            direction[range].iter_mut().zip(unit).for_each(|(d, g)| *d = g);
            let slope = batch.slope(|b| &mut b.learngene, &direction);
            let error = (slope - norm).abs() / norm.max(1.0);
            assert!(error < 0.02, "{}: {slope} by difference, {norm} by hand", spec.name);
        }
    }
}

#[test]
fn a_network_that_is_its_own_teacher_is_drawn_nowhere() {
    for config in configs() {
        let mut batch = Batch::new(&config);
        let alone = batch.gradients(false, &Pool::default());
        assert_eq!(alone.distances, 0.0);
        batch.teachers = batch.features(&[0, 1]);
        let taught = batch.gradients(false, &Pool::default());
        assert!(taught == alone, "each feature is where it is wanted to be");
        batch.teachers[0].blocks[1][3] += 0.5;
        let drawn = batch.gradients(false, &Pool::default());
        assert!(
            drawn.distances > 0.0 && drawn.squares == alone.squares && drawn.learngene != alone.learngene
        );
    }
}

#[test]
fn buffers_that_were_used_before_give_the_same_gradients() {
    for config in configs() {
        let batch = Batch::new(&config);
        let pool = Pool::default();
        let first = batch.gradients(false, &pool);
        let kept = first.clone();
        pool.give_back(first);
        assert!(batch.gradients(false, &pool) == kept);
        let frozen = batch.gradients(true, &pool);
        assert!(frozen.learngene.is_empty() && frozen.tailors.len() == 2);
    }
}

#[test]
fn every_feature_of_a_model_has_a_place_in_the_layout() {
    let mut seen = Vec::new();
    for config in configs() {
        Network::new(&config).unwrap();
        seen.extend(config.needs());
    }
    // Latents and the paper's sizes have the same layout, and so has a plain network with separate attention.
    Network::new(&ModelConfig::preset("dit-s-2").unwrap()).unwrap();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(
        (&seen[..], &KNOWN[..]),
        (&Feature::ALL[..], &Feature::ALL[..]),
        "a feature that nothing here tests"
    );
}

#[test]
fn components_are_kept_apart_along_the_slope_of_their_cosines() {
    let config =
        ModelConfig { factored: "q,out,adaln".parse().unwrap(), ..ModelConfig::preset("tiny").unwrap() };
    let network = Network::new(&config).unwrap();
    let random = |n: u64, stream| standard_normal(3, Stream::Learngene(stream), n as usize);
    let parts = [random(config.learngene_parameters(), 0), random(config.tailor_parameters(), 1)];
    let term = |[learngene, tailor]: &[Vec<f32>; 2]| {
        network.orthogonality(learngene, Some(tailor), 1.0, (None, None))
    };
    let mut gradients = parts.each_ref().map(|values| vec![0.0; values.len()]);
    let [by_learngene, by_tailor] = &mut gradients;
    let found = network.orthogonality(&parts[0], Some(&parts[1]), 3.0, (Some(by_learngene), Some(by_tailor)));
    assert!((found - term(&parts)).abs() < 1e-9 && (0.001..0.5).contains(&found), "{found}");
    let norm = gradients.iter().map(|g| dot(g, g)).sum::<f64>().sqrt();
    let moved = |sign: f64| {
        let step = sign * 1e-2 / norm;
        let along = |(v, g): (&f32, &f32)| (f64::from(*v) + step * f64::from(*g)) as f32;
        [0, 1].map(|i| parts[i].iter().zip(&gradients[i]).map(along).collect())
    };
    let slope = 3.0 * (term(&moved(1.0)) - term(&moved(-1.0))) / 2e-2;
    assert!((slope / norm - 1.0).abs() < 0.02, "{slope} by difference, {norm} by hand");
    // Vectors that are all alike.
    let alike = [vec![1.0; parts[0].len()], vec![1.0; parts[1].len()]];
    assert!((term(&alike) - 1.0).abs() < 1e-4, "{}", term(&alike));
}
