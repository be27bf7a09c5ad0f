//! Prepares a learngene and tailors to predict, and predicts for a batch on several threads.

use std::sync::{Arc, Mutex, PoisonError};

use tailor_packs::config::STRIDES;
use tailor_packs::{Matrix, ModelConfig, TensorSpec, Tensors};

use super::forward::{Outer, Tape, Weights, resize};
use super::kernels::{Output, Packed, View, ViewMut, matmul_packed};
use super::layout::{ByMatrix, Linear, Network};
use crate::diffusion::images::Images;
use crate::diffusion::sampling::Predict;
use crate::diffusion::shortcut::Moment;
use crate::model::Gate;
use crate::model::{KNOWN, ModelError, Tailors, values};
use crate::threads;

/// A learngene on the processor with the tailors that have been put onto it.
#[derive(Debug)]
pub struct Model {
    network: Network,
    learngene: Learngene,
    tailors: Tailors,
    threads: usize,
    tapes: Mutex<Vec<Tape>>,
}

/// The learngene's matrices in the order that the kernels read.
#[derive(Debug)]
struct Learngene {
    outer: [Ready; 5],
    null_label: Vec<f32>,
    /// The table of strides `[STRIDES, D]`, where the model has it.
    strides: Vec<f32>,
    blocks: Vec<ByMatrix<Shared>>,
    norms: Vec<[Vec<f32>; 2]>,
}

/// A matrix with its bias.
#[derive(Debug)]
struct Ready {
    weight: Packed,
    bias: Vec<f32>,
}

/// The part of a block's matrix that all classes share.
#[derive(Debug)]
enum Shared {
    Dense(Ready),
    Factored { u: Packed, v: Ready },
}

/// What the tailors of one gate add. It does not change between steps.
#[derive(Debug)]
struct Own {
    label: Vec<f32>,
    blocks: Vec<ByMatrix<Components>>,
}

/// Left vectors `[m1, S]`, and right vectors `[S, m2]` times `σ` and the gate's weight.
#[derive(Debug)]
struct Components {
    u: Packed,
    v: Packed,
}

/// The prepared tailors of a batch, one for each image; images with the same gate share theirs.
#[derive(Debug)]
pub struct Gated(Vec<Arc<Own>>);

impl Model {
    /// Prepares a learngene's tensors, to predict on one thread.
    ///
    /// # Errors
    /// [`ModelError::Config`] or [`ModelError::Unsupported`] for a config that this engine cannot
    /// compute; [`ModelError::Tensor`] for a tensor that is missing or of another shape.
    pub fn new(config: &ModelConfig, learngene: &Tensors) -> Result<Self, ModelError> {
        config.validate()?;
        // What no engine knows is refused as such; for what this one does not know, the graph may take over.
        config.supported_by("this engine", &KNOWN)?;
        let network = Network::new(config)?;
        let learngene = Learngene::new(&network, learngene)?;
        Ok(Self { network, learngene, tailors: Tailors::default(), threads: 1, tapes: Mutex::default() })
    }

    /// Lets `threads` threads share the images of a batch, to which guidance adds a second half.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Returns the tailor of `class`.
    ///
    /// # Errors
    /// [`ModelError::UnknownClass`] when it is not loaded.
    pub fn tailor(&self, class: &str) -> Result<&Tensors, ModelError> {
        self.tailors.get(class)
    }

    /// Prepares what the tailors of `gate` add together.
    fn own(&self, gate: &Gate) -> Result<Own, ModelError> {
        let config = &self.network.config;
        let d = config.width as usize;
        let n = config.tailor_components as usize;
        let tailors = gate.iter().map(|(class, weight)| Ok((self.tailors.get(class)?, *weight)));
        let tailors = tailors.collect::<Result<Vec<_>, ModelError>>()?;
        let left = 1.0 - gate.iter().map(|(_, weight)| weight).sum::<f32>();
        let mut label: Vec<f32> = self.learngene.null_label.iter().map(|v| v * left).collect();
        for (tailor, weight) in &tailors {
            let row = values(tailor, &spec("label".to_owned(), &[d]))?;
            label.iter_mut().zip(row).for_each(|(sum, v)| *sum += weight * v);
        }
        let s = n * tailors.len();
        let components = |l: usize, m: Matrix| -> Result<Components, ModelError> {
            let ((m1, m2), name) = (config.widths(m), format!("blocks.{l}.{m}"));
            let (mut u, mut v) = (vec![0.0; m1 * s], Vec::with_capacity(s * m2));
            for (k, (tailor, weight)) in tailors.iter().enumerate() {
                let from = values(tailor, &spec(format!("{name}.u"), &[m1, n]))?;
                for (to, from) in u.chunks_exact_mut(s).zip(from.chunks_exact(n)) {
                    to[k * n..(k + 1) * n].copy_from_slice(from);
                }
                let sigma = values(tailor, &spec(format!("{name}.sigma"), &[n]))?;
                let rows = values(tailor, &spec(format!("{name}.v"), &[n, m2]))?.chunks_exact(m2);
                for (row, sigma) in rows.zip(sigma) {
                    v.extend(row.iter().map(|v| v * (sigma * weight)));
                }
            }
            Ok(Components { u: Packed::new(View::new(&u, s)), v: Packed::new(View::new(&v, m2)) })
        };
        let mut blocks: Vec<ByMatrix<Components>> = Vec::new();
        for l in 0..self.network.blocks.len() {
            let mut block = ByMatrix::default();
            for m in config.factored.matrices().iter().filter(|_| s > 0) {
                block[*m as usize] = Some(components(l, *m)?);
            }
            blocks.push(block);
        }
        Ok(Own { label, blocks })
    }

    fn tape(&self) -> Tape {
        self.tapes.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(&self, tape: Tape) {
        self.tapes.lock().unwrap_or_else(PoisonError::into_inner).push(tape);
    }
}

fn spec(name: String, shape: &[usize]) -> TensorSpec {
    TensorSpec { name, shape: shape.to_vec() }
}

impl Learngene {
    fn new(network: &Network, tensors: &Tensors) -> Result<Self, ModelError> {
        let config = &network.config;
        let get = |name: String, shape: &[usize]| values(tensors, &spec(name, shape));
        let ready = |name: &str, m1: usize, m2: usize| -> Result<Ready, ModelError> {
            let weight = get(format!("{name}.weight"), &[m1, m2])?;
            let bias = get(format!("{name}.bias"), &[m2])?.to_vec();
            Ok(Ready { weight: Packed::new(View::new(weight, m2)), bias })
        };
        let shared = |l: usize, m: Matrix, linear: &Linear| -> Result<Shared, ModelError> {
            let name = format!("blocks.{l}.{m}");
            match linear {
                Linear::Dense(dense) => Ok(Shared::Dense(ready(&name, dense.m1, dense.m2)?)),
                Linear::Factored { m1, m2, .. } => {
                    let g = network.components().0;
                    let u = get(format!("{name}.u"), &[*m1, g])?;
                    let (sigma, v) =
                        (get(format!("{name}.sigma"), &[g])?, get(format!("{name}.v"), &[g, *m2])?);
                    let rows = v.chunks_exact(*m2).zip(sigma);
                    let v: Vec<f32> =
                        rows.flat_map(|(row, sigma)| row.iter().map(move |v| v * sigma)).collect();
                    let bias = get(format!("{name}.bias"), &[*m2])?.to_vec();
                    let v = Ready { weight: Packed::new(View::new(&v, *m2)), bias };
                    Ok(Shared::Factored { u: Packed::new(View::new(u, g)), v })
                }
            }
        };
        let mut blocks = Vec::new();
        for (l, block) in network.blocks.iter().enumerate() {
            let mut ready = ByMatrix::default();
            for m in Matrix::ALL {
                if let Some(linear) = &block[m as usize] {
                    ready[m as usize] = Some(shared(l, m, linear)?);
                }
            }
            blocks.push(ready);
        }
        let dense = |name: &str, place: &super::layout::Dense| ready(name, place.m1, place.m2);
        let outer = [
            dense("patch", &network.patch)?,
            dense("time.0", &network.time[0])?,
            dense("time.1", &network.time[1])?,
            dense("final.adaln", &network.final_adaln)?,
            dense("final.linear", &network.final_linear)?,
        ];
        let null_label = get("label.null".to_owned(), &[config.width as usize])?.to_vec();
        let strides = match network.strides {
            Some(_) => get("stride.table".to_owned(), &[STRIDES, config.width as usize])?.to_vec(),
            None => Vec::new(),
        };
        let norm = |l, which| {
            let head = (config.width / config.heads) as usize;
            get(format!("blocks.{l}.{which}_norm"), &[head]).map(<[f32]>::to_vec)
        };
        let norms = (0..network.norms.len()).map(|l| Ok([norm(l, "q")?, norm(l, "k")?]));
        let norms = norms.collect::<Result<_, ModelError>>()?;
        Ok(Self { outer, null_label, strides, blocks, norms })
    }
}

impl Ready {
    fn apply(&self, x: View<'_>, y: ViewMut<'_>) {
        matmul_packed(x, &self.weight, y, Output::Bias(&self.bias));
    }
}

/// The matrices of an image: the learngene's, and those of its gate.
struct Gathered<'a> {
    learngene: &'a Learngene,
    own: &'a Own,
}

impl Weights for Gathered<'_> {
    fn outer(&self, which: Outer, x: &[f32], y: &mut [f32]) {
        let ready = &self.learngene.outer[which as usize];
        let (m1, m2) = (ready.weight.rows(), ready.weight.columns());
        ready.apply(View::new(x, m1), ViewMut::new(y, m2));
    }

    fn linear(&self, block: usize, m: Matrix, x: &[f32], mut y: ViewMut<'_>, inner: &mut Vec<f32>) {
        let shared = self.learngene.blocks[block][m as usize].as_ref();
        match shared.unwrap_or_else(|| unreachable!("every block has {m}")) {
            Shared::Dense(ready) => ready.apply(View::new(x, ready.weight.rows()), y),
            Shared::Factored { u, v } => {
                let x = View::new(x, u.rows());
                let own = self.own.blocks[block][m as usize].as_ref();
                let (g, s) = (u.columns(), own.map_or(0, |own| own.u.columns()));
                resize(inner, x.rows() * (g + s));
                matmul_packed(x, u, ViewMut::new(inner, g + s).columns(0..g), Output::Replace);
                if let Some(own) = own {
                    matmul_packed(x, &own.u, ViewMut::new(inner, g + s).columns(g..g + s), Output::Replace);
                }
                let h = View::new(inner, g + s);
                v.apply(h.columns(0..g), y.reborrow());
                if let Some(own) = own {
                    matmul_packed(h.columns(g..g + s), &own.v, y, Output::Add);
                }
            }
        }
    }

    fn label(&self) -> &[f32] {
        &self.own.label
    }

    fn stride(&self, stride: usize) -> Option<&[f32]> {
        let d = self.own.label.len();
        let start = stride.min(STRIDES - 1) * d;
        self.learngene.strides.get(start..start + d)
    }

    fn norms(&self, block: usize) -> [&[f32]; 2] {
        self.learngene.norms[block].each_ref().map(|norm| &norm[..])
    }
}

impl Predict for Model {
    type Images = Images;
    type Gated = Gated;

    fn config(&self) -> &ModelConfig {
        &self.network.config
    }

    fn insert(&mut self, class: &str, tailor: Tensors) -> Result<(), ModelError> {
        self.tailors.insert(&self.network.config, class, tailor)
    }

    fn remove(&mut self, class: &str) -> bool {
        self.tailors.remove(class)
    }

    fn classes(&self) -> Vec<String> {
        self.tailors.classes()
    }

    fn gate(&self, gates: &[Gate]) -> Result<Gated, ModelError> {
        let mut made: Vec<(&Gate, Arc<Own>)> = Vec::new();
        let mut own = |gate| match made.iter().find(|(other, _)| *other == gate) {
            Some((_, own)) => Ok(own.clone()),
            None => {
                let own = Arc::new(self.own(gate)?);
                made.push((gate, own.clone()));
                Ok(own)
            }
        };
        gates.iter().map(&mut own).collect::<Result<_, ModelError>>().map(Gated)
    }

    fn images(&self, values: Vec<f32>) -> Images {
        let config = self.config();
        let (c, side) = (config.channels as usize, config.image_size as usize);
        Images::new([values.len() / (c * side * side), c, side, side], values)
    }

    /// # Panics
    /// When the number of images in `x` is not that in `gated`.
    fn predict(&self, gated: &Gated, x: &Images, at: impl Into<Moment>) -> Images {
        let at = at.into();
        assert_eq!(gated.0.len(), x.shape[0], "a gate for each image");
        let rows: Vec<usize> = (0..x.shape[0]).collect();
        let outputs = threads::map(self.threads, rows, |i| {
            let mut tape = self.tape();
            let weights = Gathered { learngene: &self.learngene, own: &gated.0[i] };
            self.network.forward(&weights, x.image(i), at, &mut tape, false);
            let image = self.network.image(&tape.output);
            self.give_back(tape);
            image
        });
        Images::new(x.shape, outputs.concat())
    }
}
