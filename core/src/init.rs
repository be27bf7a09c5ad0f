//! Initial values for training, which depend on the seed alone.

use tailor_packs::{ModelConfig, TensorSpec};

use crate::diffusion::noise::{Stream, standard_normal};

/// Returns the initial values of the learngene's tensors, in the config's order.
pub fn learngene(config: &ModelConfig, seed: u64) -> Vec<Vec<f32>> {
    let specs = config.learngene_tensors();
    specs
        .iter()
        .enumerate()
        .map(|(i, spec)| initial(config, spec, seed, Stream::Learngene(i as u32)))
        .collect()
}

/// Returns the initial values of the tailor of class number `class`, in the config's order.
pub fn tailor(config: &ModelConfig, seed: u64, class: u32) -> Vec<Vec<f32>> {
    let specs = config.tailor_tensors();
    let stream = |i: usize| Stream::Tailor(class * specs.len() as u32 + i as u32);
    specs.iter().enumerate().map(|(i, spec)| initial(config, spec, seed, stream(i))).collect()
}

/// Applies DiT's rules to components: the product `U·diag(σ)·Vᵀ` of a sample's learngene and tailor
/// has the variance of Xavier's dense matrix (Glorot and Bengio 2010), and is zero where adaLN-Zero
/// wants zero.
fn initial(config: &ModelConfig, spec: &TensorSpec, seed: u64, stream: Stream) -> Vec<f32> {
    let normal = |deviation: f64| {
        let values = standard_normal(seed, stream, spec.len());
        values.into_iter().map(|v| (f64::from(v) * deviation) as f32).collect()
    };
    let name = spec.name.as_str();
    let part = name.rsplit('.').next().unwrap_or(name);
    // adaLN-Zero: every block starts as the identity and the network predicts zero.
    let zero = name == "final.linear.weight" || name.ends_with("adaln.weight");
    match part {
        "bias" | "q_norm" | "k_norm" => vec![0.0; spec.len()],
        "sigma" => vec![1.0; spec.len()],
        // At first every step is the velocity at one time.
        "table" => vec![0.0; spec.len()],
        "null" | "label" => normal(0.02),
        "weight" if zero => vec![0.0; spec.len()],
        "weight" if name.starts_with("time") => normal(0.02),
        "weight" => normal((2.0 / (spec.shape[0] + spec.shape[1]) as f64).sqrt()),
        "v" if name.ends_with("adaln.v") => vec![0.0; spec.len()],
        // u keeps the input's scale, so v alone carries Xavier's variance over the components used.
        "u" => normal((1.0 / spec.shape[0] as f64).sqrt()),
        _ => {
            let used = f64::from(config.learngene_components + config.tailor_components);
            let m1 = factored_input_width(config, name) as f64;
            let m2 = spec.shape[1] as f64;
            normal((2.0 * m1 / ((m1 + m2) * used)).sqrt())
        }
    }
}

/// Returns the input width `m1` of the matrix to which the tensor `blocks.l.★.v` belongs.
fn factored_input_width(config: &ModelConfig, name: &str) -> usize {
    let matrix = name.split('.').nth(2).unwrap_or_default();
    let found = tailor_packs::Matrix::ALL.into_iter().find(|m| m.name() == matrix);
    found.map_or(config.width as usize, |m| config.widths(m).0)
}
