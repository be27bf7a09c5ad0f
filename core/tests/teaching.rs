//! Teaching a class: the same gradients however a batch is split, lessons that go on where they were cut, and a
//! tailor that learns.

use crate::support::tensors;
use tailor_core::engine::Pool;
use tailor_core::init;
use tailor_core::teaching::{Examples, Lesson, Material, Settings, TeachingError};
use tailor_packs::ModelConfig;

fn config() -> ModelConfig {
    ModelConfig::preset("tiny").unwrap()
}

fn learngene(config: &ModelConfig) -> Vec<f32> {
    let specs = config.learngene_tensors();
    tensors(&specs, 1).to_flat(&specs).unwrap()
}

/// Bright bars on black, at different places.
fn examples(config: &ModelConfig) -> Examples {
    let side = config.image_size as usize;
    let picture = |n: usize| {
        let bar = move |i: usize| (n + 4..n + 8).contains(&(i % side));
        let plane = (0..side * side).map(move |i| if bar(i) { 255 } else { 0 });
        plane.collect::<Vec<u8>>().repeat(config.channels as usize)
    };
    Examples::new(config, (0..5).flat_map(picture).collect()).unwrap()
}

fn material(settings: &Settings) -> Material {
    let config = config();
    Material::new(&config, learngene(&config), examples(&config), settings.clone()).unwrap()
}

fn settings() -> Settings {
    Settings { steps: 12, batch: 7, seed: 3, ..Settings::default() }
}

/// Makes `steps` steps, with each batch split among so many workers.
fn teach(lesson: &mut Lesson, material: &Material, workers: usize, steps: u32) -> Vec<f64> {
    let step = |_| {
        let shards = material.shards(workers).into_iter();
        let parts =
            shards.map(|shard| material.gradients(lesson.parameters(), lesson.step(), shard)).collect();
        let (loss, spent) = lesson.take(parts, material.examples().image_len()).unwrap();
        material.give_back(spent);
        loss
    };
    (0..steps).map(step).collect()
}

#[test]
fn a_model_of_few_steps_is_taught_large_steps_as_well() {
    let config = ModelConfig { few_steps: true, ..config() };
    let specs = config.learngene_tensors();
    let mut values = learngene(&config);
    let with = |values, settings| Material::new(&config, values, examples(&config), settings).unwrap();
    let material = |values| with(values, settings());
    let first = material(values.clone());
    // The rows of all strides but that of the velocity at one time.
    let table = specs.iter().position(|spec| spec.name == "stride.table").unwrap();
    let start: usize = specs[..table].iter().map(|spec| spec.len()).sum();
    let width = config.width as usize;
    values[start + width..start + specs[table].len()].iter_mut().for_each(|value| *value += 0.5);
    let second = material(values.clone());
    // As far as the learngene's own are led.
    let third = with(values, Settings { shortcut_guidance: 1.5, ..settings() });

    let tailor = init::tailor(&config, 3, 0).concat();
    let differ = |one: &Material, other: &Material| {
        let image = |material: &Material, step| material.gradients(&tailor, step, 0..1);
        (0..40).filter(|&step| image(one, step) != image(other, step)).count()
    };
    let steps = differ(&first, &second);
    assert!((4..=18).contains(&steps), "{steps} of 40 images learn a step; a quarter should");
    let led = differ(&second, &third);
    assert!(led > 0 && led < steps, "{led} of {steps} steps are the smallest, which alone learns guidance");
    let whole = first.gradients(&tailor, 4, 0..7).squares;
    let parts: f64 = [0..2, 2..6, 6..7].map(|shard| first.gradients(&tailor, 4, shard).squares).iter().sum();
    assert!((parts - whole).abs() < 1e-6 * whole);
}

#[test]
fn a_batch_gives_the_same_gradients_however_many_workers_share_it() {
    let material = material(&settings());
    let tailor = init::tailor(material.config(), 3, 0).concat();
    let whole = material.gradients(&tailor, 4, 0..7);
    assert!(whole.squares > 0.0 && whole.gradient.iter().any(|g| *g != 0.0));
    for workers in [1, 2, 3, 7, 9] {
        let shards = material.shards(workers);
        assert_eq!(shards.len(), workers.min(7));
        let parts: Vec<_> = shards.into_iter().map(|shard| material.gradients(&tailor, 4, shard)).collect();
        let squares: f64 = parts.iter().map(|part| part.squares).sum();
        assert!((squares - whole.squares).abs() < 1e-6 * whole.squares);
        let largest = whole.gradient.iter().fold(0.0, |most: f32, g| most.max(g.abs()));
        for (i, expected) in whole.gradient.iter().enumerate() {
            let sum: f32 = parts.iter().map(|part| part.gradient[i]).sum();
            assert!(
                (sum - expected).abs() < 1e-5 * largest,
                "{workers} workers, value {i}: {sum} {expected}"
            );
        }
    }
    assert_ne!(material.gradients(&tailor, 5, 0..7).gradient, whole.gradient, "each step draws anew");
}

#[test]
fn a_lesson_ends_at_the_same_tailor_with_one_two_or_three_workers() {
    let material = material(&settings());
    let of = |workers| {
        let mut lesson = Lesson::new(material.config(), settings(), None).unwrap();
        let losses = teach(&mut lesson, &material, workers, 12);
        assert!(lesson.is_over() && losses.iter().all(|loss| loss.is_finite()));
        lesson.average()
    };
    let (one, again) = (of(1), of(1));
    assert_eq!(one, again, "bit for bit");
    for workers in [2, 3] {
        let furthest = of(workers).iter().zip(&one).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // AdamW turns rounding of a gradient near zero into a part of its learning rate.
        assert!(furthest < 2e-3, "{workers} workers: {furthest}");
    }
}

#[test]
fn a_lesson_that_was_kept_goes_on_bit_for_bit() {
    let material = material(&settings());
    let mut whole = Lesson::new(material.config(), settings(), None).unwrap();
    teach(&mut whole, &material, 1, 12);
    let mut cut = Lesson::new(material.config(), settings(), None).unwrap();
    teach(&mut cut, &material, 1, 5);
    let kept = cut.to_bytes();
    drop(cut);
    let mut cut = Lesson::from_bytes(material.config(), settings(), &kept).unwrap();
    assert_eq!(cut.step(), 5);
    teach(&mut cut, &material, 1, 7);
    assert_eq!(cut, whole);
}

#[test]
fn what_was_kept_badly_is_refused_in_words() {
    let config = config();
    let kept = Lesson::new(&config, settings(), None).unwrap().to_bytes();
    let read = |bytes: &[u8]| Lesson::from_bytes(&config, settings(), bytes);
    read(&kept).unwrap();
    for end in 0..kept.len().min(200) {
        assert!(matches!(read(&kept[..end]), Err(TeachingError::Kept { .. })), "{end} bytes");
    }
    let mut altered = kept.clone();
    altered[16] = 200;
    assert!(matches!(read(&altered), Err(TeachingError::Kept { .. })), "a step beyond the last");
    let mut altered = kept.clone();
    altered[56..60].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(matches!(read(&altered), Err(TeachingError::Kept { .. })), "a value that is none");
    let other = ModelConfig { tailor_components: config.tailor_components + 1, ..config.clone() };
    assert!(matches!(Lesson::from_bytes(&other, settings(), &kept), Err(TeachingError::Kept { .. })));
}

#[test]
fn a_tailor_learns_what_the_examples_show_and_starts_from_another_where_asked() {
    let settings = Settings { steps: 60, learning_rate: 1e-2, ..settings() };
    let material = material(&settings);
    let before = material.learngene().to_vec();
    let mut lesson = Lesson::new(material.config(), settings.clone(), None).unwrap();
    let losses = teach(&mut lesson, &material, 1, 60);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&losses[50..]) < 0.8 * mean(&losses[..5]), "{losses:?}");
    assert_eq!(material.learngene(), before, "the learngene stays as it is");
    let related = Lesson::new(material.config(), settings.clone(), Some(lesson.average())).unwrap();
    assert_eq!(related.parameters(), lesson.average());
    assert!(Lesson::new(material.config(), settings, Some(vec![0.0; 3])).is_err());
}

#[test]
fn an_error_that_is_no_number_changes_nothing() {
    let material = material(&settings());
    let mut lesson = Lesson::new(material.config(), settings(), None).unwrap();
    teach(&mut lesson, &material, 1, 2);
    let before = lesson.clone();
    let mut part = material.gradients(lesson.parameters(), 2, 0..7);
    part.gradient[3] = f32::NAN;
    assert_eq!(lesson.take(vec![part], 1).unwrap_err(), TeachingError::Diverged { step: 2 });
    let part = material.gradients(lesson.parameters(), 2, 0..7);
    let short = tailor_core::teaching::Part { squares: 0.0, gradient: vec![0.0; 3] };
    assert!(matches!(lesson.take(vec![part, short], 1), Err(TeachingError::Model(_))));
    assert_eq!(lesson, before);
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let refused = |settings: Settings| match settings.check() {
        Err(TeachingError::Setting { setting, .. }) => setting,
        other => panic!("{other:?}"),
    };
    Settings::default().check().unwrap();
    assert_eq!(refused(Settings { steps: 0, ..settings() }), "steps");
    assert_eq!(refused(Settings { batch: 0, ..settings() }), "batch");
    assert_eq!(refused(Settings { learning_rate: f64::NAN, ..settings() }), "learning rate");
    assert_eq!(refused(Settings { average: 1.0, ..settings() }), "average");
    let moves = tailor_core::teaching::Moves { shift: 0.7, ..settings().moves };
    assert_eq!(refused(Settings { moves, ..settings() }), "shift");
}

#[test]
fn the_tailors_gradients_are_those_of_a_pass_that_computes_the_learngenes_too() {
    // The material's pass leaves the learngene's gradients out.
    let config = config();
    let network = tailor_core::engine::Network::new(&config).unwrap();
    let (shared, own) = (learngene(&config), init::tailor(&config, 3, 0).concat());
    let image = examples(&config).values(2);
    let sample = tailor_core::engine::Sample {
        x: &image,
        target: &image,
        at: 400.0.into(),
        class: Some(0),
        named: true,
        cosine: 0.0,
        teacher: None,
    };
    let found = |frozen| network.gradients(&shared, |_| &own[..], &[sample], 1.0, frozen, &Pool::default());
    let (with, without) = (found(false), found(true));
    assert!(without.learngene.is_empty() && with.learngene.iter().any(|g| *g != 0.0));
    assert_eq!(with.squares, without.squares);
    let largest = with.tailors[0].1.iter().fold(0.0, |most: f32, g| most.max(g.abs()));
    for (a, b) in with.tailors[0].1.iter().zip(&without.tailors[0].1) {
        assert!((a - b).abs() <= 1e-5 * largest, "{a} {b}");
    }
}
