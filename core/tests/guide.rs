//! What guidance leads away from, and when, against the same steps written out.

use crate::support::{configs, difference, images, item, model, normal, samplers, settings, tailor, tensors};
use tailor_core::engine::Model;
use tailor_core::model::{Gate, Part, turned_down, unnamed};
use tailor_core::{Guide, ModelError, Predict, SampleRun, SampleSettings, Sampler};

const STEPS: usize = 5;
const GUIDANCE: f64 = 3.0;

fn guided(sampler: Sampler, guidance: f64, guide: Guide) -> SampleSettings {
    let items = [item(&[("A", 1.0)], 9), item(&[("B", 0.7), ("A", 0.2)], 10), item(&[], 11)];
    SampleSettings { guidance, guide, ..settings(sampler, &items) }
}

/// Euler's steps of flow matching for one image, with the guide's gate and the times of guidance written out.
fn by_hand(model: &Model, gate: &[(&str, f32)], seed: u64, guide: Guide) -> Vec<f32> {
    let named = |part: f32| -> Gate {
        let weights = gate.iter().map(|(class, weight)| ((*class).to_owned(), weight * part));
        weights.filter(|(_, weight)| *weight != 0.0).collect()
    };
    // The guide's own tailors, where it has some: the same with the label of no class.
    let weaker = || -> Gate {
        match guide.unnamed {
            true => named(1.0).into_iter().map(|(class, weight)| (unnamed(&class), weight)).collect(),
            false => named(guide.tailor),
        }
    };
    let predict = |gate: Gate, x: &[f32], t: f64| {
        let gated = model.gate(&[gate]).unwrap();
        model.predict(&gated, &model.images(x.to_vec()), (1000.0 * t) as f32).values
    };
    let side = model.config().image_size as usize;
    let mut x = normal(seed, side * side);
    for step in 0..STEPS {
        let t = (STEPS - step) as f64 / STEPS as f64;
        let mut slope = predict(named(1.0), &x, t);
        if !gate.is_empty() && guide.times.0 <= t && t <= guide.times.1 {
            let away = predict(weaker(), &x, t);
            for (slope, away) in slope.iter_mut().zip(away) {
                *slope = away + (GUIDANCE as f32) * (*slope - away);
            }
        }
        x.iter_mut().zip(slope).for_each(|(x, slope)| *x -= slope / STEPS as f32);
    }
    x.iter().map(|x| x.clamp(-1.0, 1.0)).collect()
}

#[test]
fn a_weaker_self_guides_at_its_times_as_the_steps_written_out_say() {
    let [config, ..] = configs();
    let mut model = model::<Model>(&config, &["A", "B"]);
    let learngene = tensors(&config.learngene_tensors(), 1);
    let (_, null) = learngene.get("label.null").unwrap();
    for class in ["A", "B"] {
        let mut without = tailor(&config, class);
        without.insert("label".to_owned(), &[null.len()], null.to_vec()).unwrap();
        let share = |part| if part == Part::Label { 0.0 } else { 1.0 };
        assert_eq!(turned_down(&config, &tailor(&config, class), null, share).unwrap(), without);
        model.insert(&unnamed(class), without).unwrap();
    }
    let usual = images(&model, guided(Sampler::Euler, GUIDANCE, Guide::default()));
    // At scale 0 the guide draws alone.
    let weaker = Guide { tailor: 0.5, ..Guide::default() };
    let items = [item(&[("A", 0.5)], 9), item(&[("B", 0.35), ("A", 0.1)], 10), item(&[], 11)];
    let alone = images(&model, SampleSettings { guidance: 1.0, ..settings(Sampler::Euler, &items) });
    for (found, alone) in images(&model, guided(Sampler::Euler, 0.0, weaker)).iter().zip(&alone) {
        assert!(difference(found, alone) < 1e-5);
    }
    for guide in [
        Guide::default(),
        Guide { tailor: 0.5, ..Guide::default() },
        Guide { times: (0.3, 0.7), ..Guide::default() },
        Guide { tailor: 0.25, times: (0.5, 1.0), ..Guide::default() },
        Guide { unnamed: true, ..Guide::default() },
    ] {
        let found = images(&model, guided(Sampler::Euler, GUIDANCE, guide));
        let gates: [&[(&str, f32)]; 3] = [&[("A", 1.0)], &[("B", 0.7), ("A", 0.2)], &[]];
        for (i, (found, gate)) in found.iter().zip(gates).enumerate() {
            let expected = by_hand(&model, gate, 9 + i as u64, guide);
            let error = difference(found, &expected);
            assert!(error < 1e-4, "{guide:?}, image {i}: {error}");
        }
        assert!(
            guide == Guide::default() || difference(&found[0], &usual[0]) > 0.01,
            "{guide:?} does nothing"
        );
    }
}

#[test]
fn where_guidance_has_no_time_every_sampler_draws_as_without_it() {
    for config in configs() {
        let model = model::<Model>(&config, &["A", "B"]);
        for sampler in samplers(&config) {
            // Between two steps of any run of five.
            let never = Guide { times: (0.501, 0.502), ..Guide::default() };
            let without = images(&model, guided(sampler, 1.0, Guide::default()));
            assert!(images(&model, guided(sampler, GUIDANCE, never)) == without, "{sampler}");
        }
    }
}

#[test]
fn outside_of_its_times_guidance_costs_nothing() {
    let [config, ..] = configs();
    let model = model::<Model>(&config, &["A", "B"]);
    let guide = Guide { times: (0.3, 0.7), ..Guide::default() };
    let mut course = tailor_core::diffusion::sampling::Course::new(
        &config,
        guided(Sampler::Euler, GUIDANCE, guide),
        |values| model.images(values),
    )
    .unwrap();
    let mut asked = Vec::new();
    while let Some(query) = course.query() {
        let gates = course.gates();
        assert_eq!((query.x.shape[0], course.images_asked()), (gates.len(), gates.len()));
        asked.push(gates.len());
        let predicted = model.predict(&model.gate(&gates).unwrap(), &query.x, query.at);
        course.answer(predicted, |values| model.images(values));
    }
    assert_eq!(asked, [3, 3, 6, 6, 3]);
}

#[test]
fn a_guide_out_of_range_is_refused() {
    let [config, ..] = configs();
    let model = model::<Model>(&config, &["A", "B"]);
    for guide in [
        Guide { tailor: -0.1, ..Guide::default() },
        Guide { tailor: f32::NAN, ..Guide::default() },
        Guide { times: (0.6, 0.4), ..Guide::default() },
        Guide { times: (f64::NAN, 1.0), ..Guide::default() },
        Guide { times: (0.0, 1.5), ..Guide::default() },
    ] {
        let run = SampleRun::new(&model, guided(Sampler::Euler, GUIDANCE, guide));
        assert!(matches!(run, Err(ModelError::Setting { .. })), "{guide:?}");
    }
}
