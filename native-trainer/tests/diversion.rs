//! Knowledge diversion is exact: a step changes the learngene and the tailors of its own classes.

use crate::support::{batch, settings, trainer};
use tailor_core::engine::adamw::Learned;

/// Every bit of a tailor: `==` on numbers would take −0 for 0.
fn bits(state: &Learned) -> (Vec<u32>, u64, u64) {
    let values = [&state.parameters, &state.first, &state.second, &state.ema];
    let values = values.into_iter().flatten().map(|v| v.to_bits());
    (values.collect(), state.steps, state.ema_clock.to_bits())
}

#[test]
fn an_absent_class_keeps_its_tailor_bit_for_bit_over_a_hundred_steps() {
    let mut trainer = trainer(4);
    let config = trainer.config().clone();
    let first: Vec<_> = trainer.tailors().iter().map(bits).collect();
    let mut losses = Vec::new();
    let mut idle = 0;
    for step in 0..100 {
        // Class 3 never appears; one step in four lacks class 1, too.
        let classes: &[usize] = if step % 4 == 0 { &[0, 2] } else { &[0, 1, 2] };
        let batch = batch(&config, step, classes, 0.1);
        let before: Vec<_> = trainer.tailors().iter().map(bits).collect();
        losses.push(trainer.step(&batch, &settings()));
        for (class, state) in trainer.tailors().iter().enumerate() {
            let (now, then) = (bits(state), &before[class]);
            if !batch.labels.contains(&Some(class)) {
                assert!(now == *then, "class {class} is not in step {step}, yet it moved");
                idle += 1;
            } else {
                assert_eq!(now.1, then.1 + 1);
                // The output layer starts at zero, so that at first no gradient reaches any tailor.
                assert!(step < 3 || now.0 != then.0, "class {class} made a step without moving");
            }
        }
    }
    let last: Vec<_> = trainer.tailors().iter().map(bits).collect();
    assert!(last[3] == first[3], "the class that never appeared is as it was made");
    assert_eq!(trainer.tailors()[3].steps, 0);
    for class in 0..3 {
        let (state, parameters) = (&trainer.tailors()[class], trainer.tailors()[class].parameters.len());
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
    let (tailors, shared) = (trainer.tailors().into_owned(), trainer.learngene());
    for step in 0..5 {
        trainer.step(&batch(&config, step, &[0, 1, 2], 1.0), &settings());
    }
    for (now, then) in trainer.tailors().iter().zip(&tailors) {
        assert!(bits(now) == bits(then), "a tailor moved although every label was dropped");
    }
    assert_ne!(trainer.learngene(), shared);
}

#[test]
fn a_frozen_learngene_stays_bit_for_bit_while_tailors_learn() {
    let mut trainer = trainer(2);
    let config = trainer.config().clone();
    // At first the last layer is zero, and no gradient comes by it.
    for step in 0..5 {
        trainer.step(&batch(&config, step, &[0, 1], 0.0), &settings());
    }
    let mut trainer = trainer.with_frozen_learngene();
    let (shared, tailors) = (bits(&trainer.learngene()), trainer.tailors().into_owned());
    for step in 5..10 {
        trainer.step(&batch(&config, step, &[0, 1], 0.0), &settings());
    }
    assert!(bits(&trainer.learngene()) == shared);
    for (now, then) in trainer.tailors().iter().zip(&tailors) {
        let moved = now.parameters.iter().zip(&then.parameters).filter(|(a, b)| a != b).count();
        assert!(moved > now.parameters.len() * 9 / 10, "{moved} values moved");
    }
}
