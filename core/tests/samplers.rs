//! Schedules and samplers against diffusers, on the same noise and the same toy network.

use crate::fixtures::{Tensors, read, relative_error};
use tailor_core::Sampler;
use tailor_core::diffusion::images::Images;
use tailor_core::diffusion::path::{self, Node};
use tailor_core::diffusion::sampler::{Progress, Span};
use tailor_packs::Objective;

const FINAL: f64 = 1e-4;
const SCHEDULE: f64 = 1e-6;

struct Fixture(Tensors);

impl Fixture {
    fn values(&self, name: &str) -> &[f32] {
        &self
            .0
            .get(name)
            .unwrap_or_else(|| panic!("the fixture lacks {name}: tests/reference/make_samplers.py writes it"))
            .1
    }

    /// Runs `sampler` over `nodes` from the fixture's start and compares with the run called `run`:
    /// the image, and the time of every evaluation of the network.
    fn check(&self, sampler: Sampler, objective: Objective, nodes: &[Node], run: &str) {
        let start = &self.0["start"];
        let images = |values: &[f32]| Images::new([2, 1, 4, 4], values.to_vec());
        let (mut x, mut past, mut times) = (images(&start.1), None, Vec::new());
        for (i, pair) in nodes.windows(2).enumerate() {
            let mut network = |x: &Images, node: Node| {
                times.push(node.t as f32);
                let output = |x: &f32| x * 0.3 + x.sin() * 0.1 + x.cos() * (0.0001 * node.t as f32);
                images(&x.values.iter().map(output).collect::<Vec<_>>())
            };
            let n = start.1.len();
            let noise = || images(&self.values(&format!("{run}.noise"))[i * n..][..n]);
            let span = Span { objective, here: pair[0], next: pair[1] };
            let output = network(&x, span.here);
            let stepped = match span.step(sampler, &x, past.take(), &output, noise) {
                Progress::Stepped(stepped) => stepped,
                Progress::Again(trial) => {
                    let output = network(&trial.x, span.next);
                    span.step_again(&x, trial, &output)
                }
            };
            (x, past) = (stepped.x, Some(stepped.past));
        }
        let error = relative_error(&x.values, self.values(&format!("{run}.final")));
        assert!(error <= FINAL, "{run}: {error:.2e}");
        let schedule = relative_error(&times, self.values(&format!("{run}.timesteps")));
        assert!(schedule <= SCHEDULE, "{run}: times {times:?}");
        println!("{run}: image {error:.1e}, times {schedule:.1e}");
    }

    /// The scheduler's own σ: that of the objective's path (`eps`: σ/α), twice inside a Heun step.
    fn check_sigmas(&self, sampler: Sampler, nodes: &[Node], run: &str) {
        let sigma = |n: &Node| if run.starts_with("eps") { n.sigma / n.alpha } else { n.sigma };
        let times = |i| if sampler == Sampler::Heun && i != 0 && i != nodes.len() - 1 { 2 } else { 1 };
        let sigmas = nodes.iter().enumerate().flat_map(|(i, n)| vec![sigma(n) as f32; times(i)]);
        let sigmas: Vec<f32> = sigmas.collect();
        let stored = self.values(&format!("{run}.sigmas"));
        assert_eq!(sigmas.len(), stored.len(), "{run}");
        let error = sigmas.iter().zip(stored).map(|(a, b)| f64::from((a - b).abs() / b.abs().max(1.0)));
        let error = error.fold(0.0, f64::max);
        assert!(error <= SCHEDULE, "{run}: {error:.2e}");
        println!("{run}: σ {error:.1e}");
    }
}

fn fixture() -> Fixture {
    Fixture(read("samplers").1)
}

#[test]
fn the_linear_schedule_is_that_of_diffusers() {
    let alphas: Vec<f32> = path::alphas_cumprod().iter().map(|a| *a as f32).collect();
    let fixture = fixture();
    let stored = fixture.values("schedule.alphas_cumprod");
    let error = relative_error(&alphas, stored);
    assert!(error <= SCHEDULE, "{error:.2e}");
    println!("alphas_cumprod: {error:.1e}");
}

#[test]
fn every_sampler_of_noise_prediction_agrees_with_diffusers() {
    let fixture = fixture();
    for n in [10, 20] {
        let nodes = path::nodes(Objective::Ddpm, n);
        // A shortcut is Euler's step of a model that is told its length, and only of flow matching.
        for sampler in Sampler::ALL.into_iter().filter(|s| *s != Sampler::Shortcut) {
            let run = format!("eps.{}.{n}", sampler.name().replace('+', "p"));
            fixture.check(sampler, Objective::Ddpm, &nodes, &run);
            if !matches!(sampler, Sampler::Ddpm | Sampler::Ddim) {
                fixture.check_sigmas(sampler, &nodes, &run);
            }
        }
    }
}

#[test]
fn every_sampler_of_flow_matching_agrees_with_diffusers() {
    let fixture = fixture();
    for n in [10, 20] {
        let nodes = path::nodes(Objective::Flow, n);
        for (sampler, name) in
            [(Sampler::Euler, "euler"), (Sampler::Heun, "heun"), (Sampler::DpmPlusPlus, "dpmpp")]
        {
            let run = format!("flow.{name}.{n}");
            fixture.check(sampler, Objective::Flow, &nodes, &run);
            fixture.check_sigmas(sampler, &nodes, &run);
        }
        // DDIM has no flow scheduler in diffusers; on the straight path it is Euler's method.
        fixture.check(Sampler::Ddim, Objective::Flow, &nodes, &format!("flow.euler.{n}"));
    }
}

#[test]
fn a_stock_flow_schedule_of_diffusers_gives_its_image_too() {
    let fixture = fixture();
    for n in [10, 20] {
        let run = format!("flow.dpmpp_stock.{n}");
        let times = fixture.values(&format!("{run}.timesteps")).iter().chain([&0.0]);
        let places = fixture.values(&format!("{run}.sigmas")).iter().zip(times).map(|(sigma, t)| {
            let sigma = f64::from(*sigma);
            Node { t: f64::from(*t), alpha: 1.0 - sigma, sigma }
        });
        fixture.check(Sampler::DpmPlusPlus, Objective::Flow, &places.collect::<Vec<_>>(), &run);
    }
}
