//! The class gate on every engine: batches may mix classes, packs come and go without a trace.

use crate::support::{
    OnEngine, configs, difference, images, item, model, one, samplers, settings, tailor, tensors,
};
use tailor_core::diffusion::path::nodes;
use tailor_core::model::{Part, turned_down};
use tailor_core::{Item, ModelError, SampleRun, SampleSettings, Sampler};
use tailor_packs::{Matrix, ModelConfig, Objective, Tensors};

const CLOSE: f32 = 1e-5;

fn bits(image: &[f32]) -> Vec<u32> {
    image.iter().map(|v| v.to_bits()).collect()
}

/// A test for the processor's engine, and for Burn's graph where it is built.
macro_rules! on_every_engine {
    ($($name:ident),* $(,)?) => {
        mod the_processor {
            $(#[test] fn $name() { super::$name::<tailor_core::engine::Model>(); })*
        }
        #[cfg(feature = "graph")]
        mod the_graph {
            $(#[test] fn $name() { super::$name::<tailor_core::graph::Model>(); })*
        }
    };
}

on_every_engine!(
    a_mixed_batch_makes_the_images_that_its_samples_make_alone,
    the_learngene_alone_is_the_same_with_and_without_tailors_about,
    taking_packs_away_leaves_the_images_of_the_other_classes_bit_for_bit,
    a_soft_gate_with_all_its_weight_on_one_class_is_the_hard_gate,
    a_tailor_turned_down_in_all_its_parts_is_the_learngene_alone_and_turned_up_it_is_itself,
    what_cannot_be_sampled_is_refused_by_name,
    what_does_not_fit_the_model_is_refused_by_name,
);

fn a_mixed_batch_makes_the_images_that_its_samples_make_alone<M: OnEngine>() {
    let items = [
        item(&[("A", 1.0)], 1),
        item(&[], 2),
        item(&[("A", 0.4), ("B", 0.6)], 3),
        item(&[("C", 1.0)], 4),
        item(&[("A", 1.0)], 5),
    ];
    for config in configs() {
        let model = model::<M>(&config, &["A", "B", "C"]);
        // A clean image is read from predicted noise by a division by α, which multiplies rounding.
        let tolerance = match config.objective {
            Objective::Flow => CLOSE,
            Objective::Ddpm => CLOSE / nodes(config.objective, 5)[0].alpha as f32,
        };
        let mut worst = 0f32;
        for sampler in samplers(&config) {
            let together = images(&model, settings(sampler, &items));
            for (item, image) in items.iter().zip(&together) {
                let alone = images(&model, settings(sampler, std::slice::from_ref(item))).remove(0);
                let error = difference(image, &alone);
                assert!(error <= tolerance, "{sampler}, {item:?}: {error}");
                worst = worst.max(error);
            }
            let inner = together.iter().flatten().any(|v| v.abs() < 0.9);
            assert!(inner, "images of clipped values test nothing");
        }
        println!("{:?}: mixed batch against one by one: {worst:.1e} of {tolerance:.1e}", config.objective);
    }
}

fn the_learngene_alone_is_the_same_with_and_without_tailors_about<M: OnEngine>() {
    let [config, ..] = configs();
    let bare = model::<M>(&config, &[]);
    let dressed = model::<M>(&config, &["A", "B"]);
    let alone = one(&bare, item(&[], 9));
    assert_eq!(bits(&alone), bits(&one(&dressed, item(&[], 9))));
    let mixed = images(&dressed, settings(Sampler::Heun, &[item(&[("A", 1.0)], 9), item(&[], 9)]));
    assert!(difference(&alone, &mixed[1]) <= CLOSE);
    assert!(difference(&alone, &mixed[0]) > 0.01, "a tailor that changes nothing tests nothing");
    let without_guidance =
        SampleSettings { guidance: 0.0, ..settings(Sampler::Heun, &[item(&[("A", 1.0)], 9)]) };
    assert_eq!(bits(&alone), bits(&images(&dressed, without_guidance)[0]));
}

fn taking_packs_away_leaves_the_images_of_the_other_classes_bit_for_bit<M: OnEngine>() {
    let classes = ["A", "B", "C"];
    let subset = |mask: usize| (0..3).filter(move |i| mask >> i & 1 == 1).map(|i| classes[i]);
    for config in configs() {
        let full = model::<M>(&config, &classes);
        let request = |model: &M, mask: usize| {
            let items: Vec<Item> = subset(mask).map(|class| item(&[(class, 1.0)], 11)).collect();
            images(model, settings(Sampler::Heun, &items)).iter().map(|i| bits(i)).collect::<Vec<_>>()
        };
        let expected: Vec<_> =
            (0..8).map(|mask| if mask == 0 { Vec::new() } else { request(&full, mask) }).collect();
        for loaded in 1..8 {
            let mut model = model::<M>(&config, &classes);
            for class in classes.into_iter().filter(|c| subset(loaded).all(|kept| kept != *c)) {
                assert!(model.remove(class) && !model.remove(class));
            }
            assert_eq!(model.classes(), subset(loaded).collect::<Vec<_>>());
            for asked in (1..8).filter(|asked| asked & !loaded == 0) {
                assert_eq!(request(&model, asked), expected[asked], "{asked:03b} of {loaded:03b}");
            }
            // Put back in the opposite order.
            for class in classes.into_iter().rev() {
                model.insert(class, tailor(&config, class)).unwrap();
            }
            assert_eq!(request(&model, 7), expected[7]);
        }
    }
}

fn a_soft_gate_with_all_its_weight_on_one_class_is_the_hard_gate<M: OnEngine>() {
    let [config, ..] = configs();
    let model = model::<M>(&config, &["A", "B", "C"]);
    let hard = one(&model, item(&[("B", 1.0)], 3));
    for gate in [&[("B", 1.0), ("A", 0.0)][..], &[("C", 0.0), ("B", 1.0)], &[("B", 0.5), ("B", 0.5)]] {
        let error = difference(&hard, &one(&model, item(gate, 3)));
        assert!(error <= CLOSE, "{gate:?}: {error}");
    }
    assert!(difference(&hard, &one(&model, item(&[("B", 0.5), ("A", 0.5)], 3))) > 0.01);
}

fn a_tailor_turned_down_in_all_its_parts_is_the_learngene_alone_and_turned_up_it_is_itself<M: OnEngine>() {
    // Guidance would round, so there is none.
    let plainly = |model: &M, class: &[(&str, f32)]| {
        let settings = SampleSettings { guidance: 1.0, ..settings(Sampler::Euler, &[item(class, 9)]) };
        images(model, settings).remove(0)
    };
    for config in configs().into_iter().take(2) {
        let mut model = model::<M>(&config, &["A"]);
        let learngene = tensors(&config.learngene_tensors(), 1);
        let (_, null) = learngene.get("label.null").unwrap();
        let whole = tailor(&config, "A");
        let turned = |share: &dyn Fn(Part) -> f32| turned_down(&config, &whole, null, share).unwrap();
        assert_eq!(turned(&|_| 1.0), whole);
        let mut draw = |tailor: Tensors| {
            model.insert("B", tailor).unwrap();
            plainly(&model, &[("B", 1.0)])
        };
        let off = draw(turned(&|_| 0.0));
        // A layer that is turned off is as if the pack had zeros there.
        let first = |part| matches!(part, Part::Matrix { layer: 0, .. });
        let drawn = draw(turned(&|part| if first(part) { 0.0 } else { 1.0 }));
        let mut zeros = whole.clone();
        for matrix in config.factored.matrices() {
            let n = config.tailor_components as usize;
            zeros.insert(format!("blocks.0.{matrix}.sigma"), &[n], vec![0.0; n]).unwrap();
        }
        assert!(bits(&drawn) == bits(&draw(zeros)));
        assert!(off == plainly(&model, &[]));
        let full = plainly(&model, &[("A", 1.0)]);
        assert!(difference(&full, &off).min(difference(&full, &drawn)) > 0.01, "nothing to turn down");
    }
    let [config, ..] = configs();
    let mut short = tailor(&config, "A");
    short.remove("blocks.0.o.sigma");
    let refused = turned_down(&config, &short, &[], |_| 1.0).unwrap_err();
    assert!(matches!(refused, ModelError::Tensor { name, .. } if name == "blocks.0.o.sigma"));
}

fn what_cannot_be_sampled_is_refused_by_name<M: OnEngine>() {
    let [config, ..] = configs();
    let model = model::<M>(&config, &["A", "B"]);
    let good = settings(Sampler::Euler, &[item(&[("A", 1.0)], 0)]);
    let refusal = |settings: SampleSettings| SampleRun::new(&model, settings).err().unwrap();
    let unknown = ModelError::UnknownClass { class: "Q".into(), loaded: vec!["A".into(), "B".into()] };
    assert_eq!(refusal(SampleSettings { items: vec![item(&[("Q", 1.0)], 0)], ..good.clone() }), unknown);
    assert_eq!(unknown.to_string(), r#"class "Q" is not loaded; loaded: A, B"#);
    let setting = |settings: SampleSettings| match refusal(settings) {
        ModelError::Setting { setting, found, .. } => (setting, found),
        other => panic!("{other:?}"),
    };
    for steps in [0, 1001] {
        assert_eq!(setting(SampleSettings { steps, ..good.clone() }), ("steps", steps.to_string()));
    }
    for guidance in [-0.1, 100.5, f64::NAN, f64::INFINITY] {
        let found = setting(SampleSettings { guidance, ..good.clone() });
        assert_eq!(found, ("guidance", guidance.to_string()));
    }
    assert_eq!(setting(SampleSettings { items: Vec::new(), ..good.clone() }).0, "images");
    for weight in [f32::NAN, f32::NEG_INFINITY, 101.0] {
        let items = vec![item(&[("A", weight)], 0)];
        assert_eq!(setting(SampleSettings { items, ..good.clone() }), ("gate weight", weight.to_string()));
    }
}

fn what_does_not_fit_the_model_is_refused_by_name<M: OnEngine>() {
    let [config, separate, ..] = configs();
    let mut live = model::<M>(&config, &["A"]);
    let before = bits(&one(&live, item(&[("A", 1.0)], 2)));
    let refused = |result: Result<(), ModelError>, expected: &str| match result.unwrap_err() {
        ModelError::Tensor { name, .. } => assert_eq!(name, expected),
        other => panic!("{other:?}"),
    };
    let mut short = tailor(&config, "A");
    short.remove("label");
    refused(live.insert("A", short), "label");
    let mut wide = tailor(&config, "A");
    wide.insert("blocks.1.o.u", &[2, 2], vec![0.0; 4]).unwrap();
    refused(live.insert("A", wide), "blocks.1.o.u");
    refused(live.insert("B", tailor(&separate, "B")), &format!("blocks.0.{}.u", Matrix::Qkv));
    assert_eq!(live.classes(), ["A"]);
    assert_eq!(bits(&one(&live, item(&[("A", 1.0)], 2))), before, "a refused pack changes nothing");

    let mut learngene = tensors(&config.learngene_tensors(), 1);
    learngene.remove("final.linear.bias");
    refused(M::new(&config, &learngene).map(drop), "final.linear.bias");
    let impossible = ModelConfig { heads: 0, ..config };
    assert!(matches!(M::new(&impossible, &learngene), Err(ModelError::Config(_))));
}
