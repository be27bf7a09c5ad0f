//! Lists every tensor that a config implies. The writer, the reader, the trainer and the parameter
//! counts all use this one list.

use super::config::{Matrix, ModelConfig, STRIDES, TIME_FEATURES};

/// Name and shape of one tensor that a config implies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name in the safetensors body, for example `blocks.0.qkv.u`.
    pub name: String,
    /// Row-major shape, one to three axes.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    fn new(name: impl Into<String>, shape: &[usize]) -> Self {
        Self { name: name.into(), shape: shape.to_vec() }
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns whether the tensor has no values, which is never so for a valid config.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ModelConfig {
    /// Returns the matrices of one transformer block, factored or not, in canonical order.
    pub fn block_matrices(&self) -> Vec<Matrix> {
        let separate = self.separate_attention || self.factored.separate_attention();
        Matrix::ALL
            .into_iter()
            .filter(|m| match m {
                Matrix::Qkv => !separate,
                Matrix::Q | Matrix::K | Matrix::V => separate,
                _ => true,
            })
            .collect()
    }

    /// Returns the hidden width of the feed-forward layers: `4·D`. With SwiGLU, which has a third
    /// matrix, it is `8/3·D` rounded to a multiple of 8, so that the layers keep their size.
    pub fn hidden(&self) -> usize {
        let d = self.width as usize;
        if self.swiglu { (d + 1) / 3 * 8 } else { 4 * d }
    }

    /// Returns input and output width `(m1, m2)` of a matrix. With SwiGLU, [`Matrix::In`] has first
    /// the columns of the gate `W`, then those of the value `V`.
    pub fn widths(&self, matrix: Matrix) -> (usize, usize) {
        let (d, hidden) = (self.width as usize, self.hidden());
        match matrix {
            Matrix::Qkv => (d, 3 * d),
            Matrix::Q | Matrix::K | Matrix::V | Matrix::O => (d, d),
            Matrix::In => (d, if self.swiglu { 2 * hidden } else { hidden }),
            Matrix::Out => (hidden, d),
            Matrix::AdaLn => (d, 6 * d),
        }
    }

    /// Returns every tensor of the learngene, in the canonical order of the config.
    ///
    /// A factored matrix is stored as `u [m1, N_G]`, `sigma [N_G]`, `v [N_G, m2]` and computes `y =
    /// ((x·u)∘σ)·v + bias` (KIND, eqs. 5–7); a dense one is `weight [m1, m2]` and computes `y =
    /// x·weight + bias`. `m1` and `m2` are the matrix's input and output width. `q_norm` and `k_norm`
    /// `[D / heads]` are what [`ModelConfig::qk_norm`] learns, and `stride.table` `[STRIDES, D]` what
    /// [`ModelConfig::few_steps`] does.
    pub fn learngene_tensors(&self) -> Vec<TensorSpec> {
        let d = self.width as usize;
        let g = self.learngene_components as usize;
        let (p, out) = (self.patch_values(), self.patch_outputs());
        let mut list = vec![
            TensorSpec::new("patch.weight", &[p, d]),
            TensorSpec::new("patch.bias", &[d]),
            TensorSpec::new("time.0.weight", &[TIME_FEATURES, d]),
            TensorSpec::new("time.0.bias", &[d]),
            TensorSpec::new("time.1.weight", &[d, d]),
            TensorSpec::new("time.1.bias", &[d]),
            TensorSpec::new("label.null", &[d]),
        ];
        if self.few_steps {
            list.push(TensorSpec::new("stride.table", &[STRIDES, d]));
        }
        for l in 0..self.depth {
            for m in self.block_matrices() {
                let (m1, m2) = self.widths(m);
                let name = format!("blocks.{l}.{m}");
                if self.factored.contains(m) {
                    list.push(TensorSpec::new(format!("{name}.u"), &[m1, g]));
                    list.push(TensorSpec::new(format!("{name}.sigma"), &[g]));
                    list.push(TensorSpec::new(format!("{name}.v"), &[g, m2]));
                } else {
                    list.push(TensorSpec::new(format!("{name}.weight"), &[m1, m2]));
                }
                list.push(TensorSpec::new(format!("{name}.bias"), &[m2]));
            }
            for name in ["q_norm", "k_norm"].iter().filter(|_| self.qk_norm) {
                list.push(TensorSpec::new(format!("blocks.{l}.{name}"), &[d / self.heads as usize]));
            }
        }
        list.push(TensorSpec::new("final.adaln.weight", &[d, 2 * d]));
        list.push(TensorSpec::new("final.adaln.bias", &[2 * d]));
        list.push(TensorSpec::new("final.linear.weight", &[d, out]));
        list.push(TensorSpec::new("final.linear.bias", &[out]));
        list
    }

    /// Returns every tensor of one tailor, in the canonical order of the config: its label row
    /// `[D]`, then for each factored matrix `u [m1, N_T]`, `sigma [N_T]` and `v [N_T, m2]`.
    pub fn tailor_tensors(&self) -> Vec<TensorSpec> {
        let d = self.width as usize;
        let n = self.tailor_components as usize;
        let mut list = vec![TensorSpec::new("label", &[d])];
        for l in 0..self.depth {
            for &m in self.factored.matrices() {
                let (m1, m2) = self.widths(m);
                let name = format!("blocks.{l}.{m}");
                list.push(TensorSpec::new(format!("{name}.u"), &[m1, n]));
                list.push(TensorSpec::new(format!("{name}.sigma"), &[n]));
                list.push(TensorSpec::new(format!("{name}.v"), &[n, m2]));
            }
        }
        list
    }

    /// Returns the number of values of the learngene.
    pub fn learngene_parameters(&self) -> u64 {
        self.learngene_tensors().iter().map(|t| t.len() as u64).sum()
    }

    /// Returns the number of values of one tailor.
    pub fn tailor_parameters(&self) -> u64 {
        self.tailor_tensors().iter().map(|t| t.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{Gelu, Norm};
    use super::*;

    fn within(found: f64, published: f64, tolerance: f64) {
        assert!((found / published - 1.0).abs() <= tolerance, "{found} against {published}");
    }

    #[test]
    fn table_1_counts_one_class_with_every_matrix_factored() {
        for (preset, published) in [("dit-b-2", 70.2e6), ("dit-l-2", 245.9e6)] {
            let config = ModelConfig::preset(preset).unwrap();
            let total = config.learngene_parameters() + config.tailor_parameters();
            within(total as f64, published, 0.001);
        }
    }

    #[test]
    fn table_2_counts_tailors_of_separate_attention_without_adaln() {
        for (preset, published) in [("dit-b-2", 12.8e6), ("dit-l-2", 45.4e6)] {
            let mut config = ModelConfig::preset(preset).unwrap();
            config.factored = "q,k,v,o,in,out".parse().unwrap();
            within(config.tailor_parameters() as f64 * 461.0 / 18.0, published, 0.005);
        }
    }

    #[test]
    fn learned_variance_doubles_the_last_layer_and_nothing_else() {
        let config = ModelConfig::preset("tiny").unwrap();
        let learned = ModelConfig { learned_variance: true, ..config.clone() };
        for (spec, wider) in config.learngene_tensors().iter().zip(learned.learngene_tensors()) {
            let last = spec.name.starts_with("final.linear");
            assert_eq!(wider.len(), spec.len() * if last { 2 } else { 1 }, "{}", spec.name);
        }
        assert_eq!(config.tailor_tensors(), learned.tailor_tensors());
    }

    #[test]
    fn a_plain_network_has_separate_queries_keys_and_values_if_it_says_so() {
        let plain = ModelConfig { factored: "".parse().unwrap(), ..ModelConfig::preset("tiny").unwrap() };
        let separate = ModelConfig { separate_attention: true, ..plain.clone() };
        let named = |config: &ModelConfig, name: &str| {
            config.learngene_tensors().iter().any(|spec| spec.name == name)
        };
        assert!(named(&plain, "blocks.1.qkv.weight") && !named(&plain, "blocks.1.k.weight"));
        assert!(named(&separate, "blocks.1.k.bias") && !named(&separate, "blocks.1.qkv.weight"));
        // Three biases of D are one of 3 D, and so are the matrices.
        assert_eq!(plain.learngene_parameters(), separate.learngene_parameters());
        assert_eq!(separate.tailor_parameters(), u64::from(separate.width));
    }

    #[test]
    fn swiglu_keeps_the_size_of_the_feed_forward_layers() {
        for preset in ModelConfig::PRESETS {
            let plain = ModelConfig { swiglu: false, ..ModelConfig::preset(preset).unwrap() };
            let gated = ModelConfig { swiglu: true, ..plain.clone() };
            assert!(gated.hidden().is_multiple_of(8));
            let small = if preset == "tiny" { 0.02 } else { 0.005 };
            within(gated.tailor_parameters() as f64, plain.tailor_parameters() as f64, small);
            within(gated.learngene_parameters() as f64, plain.learngene_parameters() as f64, small);
        }
        assert_eq!(ModelConfig::preset("letters").unwrap().hidden(), 424);
    }

    #[test]
    fn the_norm_of_queries_and_keys_adds_two_vectors_to_each_block_of_the_learngene() {
        let plain = ModelConfig::preset("tiny").unwrap();
        let normed = ModelConfig { qk_norm: true, norm: Norm::Rms, rope: true, ..plain.clone() };
        let added = u64::from(plain.depth * 2 * plain.width / plain.heads);
        assert_eq!(normed.learngene_parameters(), plain.learngene_parameters() + added);
        assert_eq!(normed.tailor_tensors(), plain.tailor_tensors());
    }

    #[test]
    fn a_model_for_few_steps_has_a_table_more_in_the_learngene_and_nothing_in_a_tailor() {
        let plain = ModelConfig::preset("letters").unwrap();
        let few = ModelConfig { few_steps: true, ..plain.clone() };
        let mut tensors = few.learngene_tensors();
        tensors.retain(|spec| spec.name != "stride.table");
        assert_eq!(tensors, plain.learngene_tensors());
        assert_eq!(few.learngene_parameters(), plain.learngene_parameters() + 5 * 160);
        assert_eq!(few.tailor_tensors(), plain.tailor_tensors());
    }

    #[test]
    fn another_gelu_has_the_same_tensors() {
        let config = ModelConfig::preset("tiny").unwrap();
        let tanh = ModelConfig { gelu: Gelu::Tanh, ..config.clone() };
        assert_eq!(config.learngene_tensors(), tanh.learngene_tensors());
    }
}
