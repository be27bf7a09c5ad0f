//! Knowledge diversion is exact: a step changes the learngene and the tailors of its own classes.

#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod support;

use support::{batch, settings, trainer};
use tailor_trainer::train::bank::TailorState;
use tailor_trainer::train::trainer::Trainer;

/// Every bit of a tailor: `==` on numbers would take −0 for 0.
fn bits(state: &TailorState) -> (Vec<u32>, u64, u64) {
    let values = [&state.parameters, &state.first, &state.second, &state.ema];
    let values = values.into_iter().flatten().map(|v| v.to_bits());
    (values.collect(), state.steps, state.ema_clock.to_bits())
}

fn learngene(trainer: &Trainer) -> Vec<f32> {
    let values = |state: &tailor_trainer::train::trainer::DenseState| {
        state.parameter.to_data().try_into_vec::<f32>().unwrap()
    };
    trainer.learngene.iter().flat_map(values).collect()
}

#[test]
fn an_absent_class_keeps_its_tailor_bit_for_bit_over_a_hundred_steps() {
    let mut trainer = trainer(4);
    let config = trainer.config().clone();
    let first: Vec<_> = trainer.bank.states().iter().map(bits).collect();
    let mut losses = Vec::new();
    let mut idle = 0;
    for step in 0..100 {
        // Class 3 never appears; one step in four lacks class 1, too.
        let classes: &[usize] = if step % 4 == 0 { &[0, 2] } else { &[0, 1, 2] };
        let (images, labels) = batch(&config, step, classes);
        let before: Vec<_> = trainer.bank.states().iter().map(bits).collect();
        losses.push(trainer.step(images, &labels, &settings(0.1)));
        for (class, state) in trainer.bank.states().iter().enumerate() {
            let (now, then) = (bits(state), &before[class]);
            if !labels.contains(&class) {
                assert!(now == *then, "class {class} is not in step {step}, yet it moved");
                idle += 1;
            } else if now.1 != then.1 {
                assert_eq!(now.1, then.1 + 1);
                // The output layer starts at zero, so that at first no gradient reaches any tailor.
                assert!(step < 3 || now.0 != then.0, "class {class} made a step without moving");
            }
        }
    }
    let last: Vec<_> = trainer.bank.states().iter().map(bits).collect();
    assert!(last[3] == first[3], "the class that never appeared is as it was made");
    assert_eq!(trainer.bank.states()[3].steps, 0);
    for class in 0..3 {
        let (state, parameters) =
            (&trainer.bank.states()[class], trainer.bank.states()[class].parameters.len());
        assert!(state.steps > 60, "class {class} made {} steps", state.steps);
        let moved =
            last[class].0.iter().zip(&first[class].0).take(parameters).filter(|(a, b)| a != b).count();
        assert!(moved > parameters * 9 / 10, "class {class}: {moved} of {parameters} values moved");
    }
    let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len() as f32;
    let (begin, end) = (mean(&losses[..10]), mean(&losses[90..]));
    println!("{idle} idle tailors unchanged bit for bit; loss {begin:.3} at first, {end:.3} at last");
    assert!(end < 0.8 * begin, "the loss went from {begin} to {end}");
}

#[test]
fn dropped_labels_move_the_learngene_and_no_tailor() {
    let mut trainer = trainer(3);
    let config = trainer.config().clone();
    let (tailors, shared) = (trainer.bank.clone(), learngene(&trainer));
    for step in 0..5 {
        let (images, labels) = batch(&config, step, &[0, 1, 2]);
        trainer.step(images, &labels, &settings(1.0));
    }
    for (now, then) in trainer.bank.states().iter().zip(tailors.states()) {
        assert!(bits(now) == bits(then), "a tailor moved although every label was dropped");
    }
    assert_ne!(learngene(&trainer), shared);
}
