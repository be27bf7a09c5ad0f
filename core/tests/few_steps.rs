//! Drawing in a few steps with a model that is told how far each goes.

use crate::support::{self, configs, difference, images, item, normal, settings, tailor, tensors};
use tailor_core::diffusion::shortcut::Moment;
use tailor_core::engine::Model;
use tailor_core::{ModelError, Predict, SampleRun, SampleSettings, Sampler};
use tailor_packs::config::STRIDES;
use tailor_packs::{ModelConfig, Tensors};

const TABLE: &str = "stride.table";

fn few() -> ModelConfig {
    configs().into_iter().find(|config| config.few_steps).unwrap()
}

/// A model of class A whose table of strides is `changed`.
fn model(config: &ModelConfig, changed: impl FnOnce(&mut [f32])) -> Model {
    let specs = config.learngene_tensors();
    let mut learngene: Tensors = tensors(&specs, 1);
    let spec = specs.iter().find(|spec| spec.name == TABLE).unwrap();
    let mut table = learngene.get(TABLE).unwrap().1.to_vec();
    changed(&mut table);
    learngene.insert(TABLE, &spec.shape, table).unwrap();
    let mut model = Model::new(config, &learngene).unwrap();
    model.insert("A", tailor(config, "A")).unwrap();
    model
}

fn drawn(model: &Model, sampler: Sampler, steps: usize) -> Vec<Vec<f32>> {
    let items = [item(&[("A", 1.0)], 5), item(&[], 6)];
    images(model, SampleSettings { steps, guidance: 1.0, ..settings(sampler, &items) })
}

#[test]
fn each_step_is_one_of_the_length_that_the_network_is_told() {
    let config = few();
    let model = model(&config, |_| ());
    for (stride, steps) in [(1, 1), (2, 2), (3, 4), (4, 8)] {
        let found = drawn(&model, Sampler::Shortcut, steps);
        for (gate, found, seed) in [(vec![("A".to_owned(), 1.0)], &found[0], 5), (Vec::new(), &found[1], 6)] {
            let gated = model.gate(&[gate]).unwrap();
            let mut x = normal(seed, 32 * 32);
            for step in 0..steps {
                let t = 1000.0 * (steps - step) as f32 / steps as f32;
                let velocity = model.predict(&gated, &model.images(x.clone()), Moment { t, stride });
                x.iter_mut().zip(velocity.values).for_each(|(x, v)| *x -= v / steps as f32);
            }
            x.iter_mut().for_each(|x| *x = x.clamp(-1.0, 1.0));
            assert!(difference(found, &x) < 1e-5, "{steps} steps");
        }
    }
}

#[test]
fn other_samplers_ask_for_velocities_at_one_time_alone() {
    let config = few();
    let d = config.width as usize;
    let usual = model(&config, |_| ());
    let others = model(&config, |table| table[d..].fill(7.0));
    let first = model(&config, |table| table[..d].fill(0.0));
    for sampler in [Sampler::Euler, Sampler::Heun, Sampler::DpmPlusPlus] {
        assert!(drawn(&usual, sampler, 4) == drawn(&others, sampler, 4), "{sampler}");
        assert!(drawn(&usual, sampler, 4) != drawn(&first, sampler, 4), "{sampler}");
    }
    assert!(drawn(&usual, Sampler::Shortcut, 4) != drawn(&others, Sampler::Shortcut, 4));
    assert!(drawn(&usual, Sampler::Shortcut, 4) == drawn(&first, Sampler::Shortcut, 4));
    // As at the beginning of a training.
    let equal = model(&config, |table| table.fill(0.0));
    assert!(drawn(&equal, Sampler::Shortcut, 8) == drawn(&equal, Sampler::Euler, 8));
    assert_eq!(
        usual.config().learngene_tensors().iter().find(|s| s.name == TABLE).unwrap().shape[0],
        STRIDES
    );
}

#[test]
fn what_few_steps_cannot_do_is_refused_with_what_can_be_done() {
    let refusal = |config: &ModelConfig, steps| {
        let model = support::model::<Model>(config, &["A"]);
        let items = [item(&[("A", 1.0)], 5)];
        let run = SampleRun::new(&model, SampleSettings { steps, ..settings(Sampler::Shortcut, &items) });
        match run.err().unwrap() {
            error @ ModelError::Setting { .. } => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    for steps in [0, 3, 12, 16] {
        let said = refusal(&few(), steps);
        assert!(said.starts_with("steps is") && (steps == 0 || said.contains("1, 2, 4 or 8")), "{said}");
    }
    let said = refusal(&configs()[0], 4);
    assert!(said.contains("sampler is shortcut") && said.contains("few_steps"), "{said}");
}
