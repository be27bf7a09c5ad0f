//! A network's weights as functions of the values that a method trains.

use std::ops::Range;
use std::sync::OnceLock;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use tailor_core::diffusion::noise::{Stream, standard_normal};
use tailor_packs::{FactoredSet, Matrix, ModelConfig, TensorSpec};

use super::{Given, Method, Parts, PerMatrix, Values};
use crate::error::Error;

/// A plain network whose blocks' matrices a method adapts.
#[derive(Debug)]
pub struct Adaption {
    method: &'static dyn PerMatrix,
    /// Every tensor of the network, flat and in the config's order.
    base: Vec<f32>,
    specs: Vec<TensorSpec>,
    /// The tensors that are adapted, by their place in `specs`, each of one or more matrices side by side.
    targets: Vec<Target>,
    /// Shapes of what trains, in the order of its flat values.
    trained: Vec<[usize; 2]>,
    /// Their first values.
    first: Vec<f32>,
    /// The tensors that are not adapted, in the order of `specs`, on the device once a graph has asked for them.
    others: OnceLock<Vec<Tensor<1>>>,
    device: Device,
}

#[derive(Debug)]
struct Target {
    /// Which tensor, and its place in the flat weights.
    spec: usize,
    place: Range<usize>,
    /// What stays of each of its matrices, and which of the trained tensors belong to it: none where it is not adapted.
    matrices: Vec<(Vec<Tensor<2>>, Range<usize>)>,
}

impl Adaption {
    /// Prepares `base`, the flat tensors of a plain network of `config`, to be adapted by `method` at this rank, beside
    /// the matrices of the set `adapted`. First values are drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::Refused`] when the method adapts no matrices, or does not have this rank for one of them.
    pub fn new(
        method: &'static dyn Method,
        rank: usize,
        adapted: &FactoredSet,
        config: &ModelConfig,
        base: Vec<f32>,
        seed: u64,
        device: &Device,
    ) -> Result<Self, Error> {
        Self::check(method, rank, config)?;
        let Some(per_matrix) = method.per_matrix() else {
            return Err(Error::Refused {
                what: format!("{} adapts no matrices", method.name()),
                help: "choose another --method".to_owned(),
            });
        };
        let specs = config.learngene_tensors();
        let (mut targets, mut trained, mut first) = (Vec::new(), Vec::new(), Vec::new());
        let (mut start, mut stream) = (0, 0);
        for (number, spec) in specs.iter().enumerate() {
            let place = start..start + spec.len();
            start = place.end;
            let parts = matrix_of(&spec.name).map(|matrix| parts(matrix, adapted)).unwrap_or_default();
            if !parts.iter().any(|matrix| adapted.contains(*matrix)) {
                continue;
            }
            let width = spec.shape[1];
            let part = width / parts.len();
            let mut matrices = Vec::new();
            for (i, matrix) in parts.into_iter().enumerate() {
                let weight = columns_of(&base[place.clone()], width, i * part..(i + 1) * part);
                if !adapted.contains(matrix) {
                    matrices.push((vec![on(weight, device)], 0..0));
                    continue;
                }
                let mut random = |n: usize, deviation: f64| {
                    stream += 1;
                    let values = standard_normal(seed, Stream::Adapter(stream), n);
                    values.into_iter().map(|v| (f64::from(v) * deviation) as f32).collect()
                };
                let given = Given { weight: &weight, matrix, rank, config };
                let Parts { fixed, trained: begun } = per_matrix.begin(&given, &mut random);
                let fixed = fixed.into_iter().map(|values| on(values, device)).collect();
                matrices.push((fixed, trained.len()..trained.len() + begun.len()));
                for Values { shape, values } in begun {
                    trained.push(shape);
                    first.extend(values);
                }
            }
            targets.push(Target { spec: number, place, matrices });
        }
        let (others, device) = (OnceLock::new(), device.clone());
        Ok(Self { method: per_matrix, base, specs, targets, trained, first, others, device })
    }

    /// Refuses a rank that a matrix of the network does not have.
    ///
    /// # Errors
    /// [`Error::Refused`] with the ranks that it has.
    pub fn check(method: &dyn Method, rank: usize, config: &ModelConfig) -> Result<(), Error> {
        // Fused queries, keys and values are adapted one by one.
        let matrices = [Matrix::O, Matrix::In, Matrix::Out].into_iter();
        let shapes = matrices.map(|matrix| config.widths(matrix).into());
        let mut refusals = shapes.filter_map(|shape| method.per_matrix()?.refuse(shape, rank));
        refusals.next().map_or(Ok(()), |why| {
            Err(Error::Refused {
                what: format!("--rank {rank} cannot be had: {why}"),
                help: "choose another --rank".to_owned(),
            })
        })
    }

    /// The first values of what trains.
    pub fn first(&self) -> Vec<f32> {
        self.first.clone()
    }

    /// Shapes of what trains, in the order of its flat values.
    pub fn shapes(&self) -> &[[usize; 2]] {
        &self.trained
    }

    /// The network's flat weights for these values of what trains.
    pub fn weights(&self, values: &[f32]) -> Vec<f32> {
        self.put(&self.matrices(&self.tensors(values)))
    }

    /// The same, with what it takes to find the gradient by the values from that by the weights.
    pub fn under_way(&self, values: &[f32]) -> UnderWay<'_> {
        let leaves = self.tensors(values).into_iter().map(|t| t.autodiff().require_grad());
        let leaves: Vec<Tensor<2>> = leaves.collect();
        let matrices = self.matrices(&leaves);
        let inner: Vec<Tensor<2>> = matrices.iter().map(|matrix| matrix.clone().inner()).collect();
        UnderWay { weights: self.put(&inner), adaption: self, leaves, matrices }
    }

    /// All tensors of the network, flat, on the device of `leaves`, the flat tensors of what trains: part of a graph.
    pub fn in_graph(&self, leaves: &[Tensor<1>]) -> Vec<Tensor<1>> {
        let leaves: Vec<Tensor<2>> =
            leaves.iter().zip(&self.trained).map(|(leaf, shape)| leaf.clone().reshape(*shape)).collect();
        let mut adapted = self.targets.iter().map(|t| (t.spec, self.matrix(t, &leaves))).peekable();
        let mut others = self.others().iter();
        let tensor = |(number, spec): (usize, &TensorSpec)| match adapted.next_if(|(at, _)| *at == number) {
            Some((_, matrix)) => Some(matrix.reshape([spec.len()])),
            None => others.next().map(|other| other.clone().autodiff()),
        };
        self.specs.iter().enumerate().filter_map(tensor).collect()
    }

    /// The tensors that are not adapted, on the device: they are put there once, not at each step.
    fn others(&self) -> &[Tensor<1>] {
        self.others.get_or_init(|| {
            let mut targets = self.targets.iter().map(|target| target.spec).peekable();
            let mut start = 0;
            let other = |(number, spec): (usize, &TensorSpec)| {
                let place = start..start + spec.len();
                start = place.end;
                let values = || TensorData::new(self.base[place].to_vec(), [spec.len()]);
                let adapted = targets.next_if_eq(&number).is_some();
                (!adapted).then(|| Tensor::from_data(values(), &self.device))
            };
            self.specs.iter().enumerate().filter_map(other).collect()
        })
    }

    fn tensors(&self, values: &[f32]) -> Vec<Tensor<2>> {
        let mut start = 0;
        let part = |&shape: &[usize; 2]| {
            let len = shape[0] * shape[1];
            start += len;
            on(Values::new(shape, values[start - len..start].to_vec()), &self.device)
        };
        self.trained.iter().map(part).collect()
    }

    /// The matrix of each target, computed side by side on the processor's threads.
    fn matrices(&self, leaves: &[Tensor<2>]) -> Vec<Tensor<2>> {
        self.targets.par_iter().map(|target| self.matrix(target, leaves)).collect()
    }

    /// The matrix of a target.
    fn matrix(&self, target: &Target, leaves: &[Tensor<2>]) -> Tensor<2> {
        let differentiated = leaves.first().is_some_and(Tensor::is_autodiff);
        let constant = |tensor: &Tensor<2>| match differentiated {
            true => tensor.clone().autodiff(),
            false => tensor.clone(),
        };
        let one = |(fixed, trained): &(Vec<Tensor<2>>, Range<usize>)| {
            let fixed: Vec<Tensor<2>> = fixed.iter().map(constant).collect();
            match trained.is_empty() {
                true => fixed[0].clone(),
                false => self.method.weight(&fixed, &leaves[trained.clone()]),
            }
        };
        match &target.matrices[..] {
            [only] => one(only),
            several => Tensor::cat(several.iter().map(one).collect(), 1),
        }
    }

    fn put(&self, matrices: &[Tensor<2>]) -> Vec<f32> {
        let mut weights = self.base.clone();
        for (target, matrix) in self.targets.iter().zip(matrices) {
            weights[target.place.clone()].copy_from_slice(&values(matrix));
        }
        weights
    }
}

/// Weights on their way through a step.
pub struct UnderWay<'a> {
    /// The network's flat weights.
    pub weights: Vec<f32>,
    adaption: &'a Adaption,
    leaves: Vec<Tensor<2>>,
    matrices: Vec<Tensor<2>>,
}

impl UnderWay<'_> {
    /// The gradient by the flat values of what trains, from that by the network's flat weights.
    pub fn pull_back(self, gradient: &[f32]) -> Vec<f32> {
        let Adaption { targets, device, .. } = self.adaption;
        let part = |(target, matrix): (&Target, Tensor<2>)| {
            let leaves = || target.matrices.iter().flat_map(|(_, trained)| &self.leaves[trained.clone()]);
            if leaves().next().is_none() {
                return Vec::new();
            }
            let by = Values::new(matrix.dims(), gradient[target.place.clone()].to_vec());
            let mut gradients = (matrix * on(by, device).autodiff()).sum().backward();
            let gradient = |leaf: &Tensor<2>| match leaf.grad_remove(&mut gradients) {
                Some(gradient) => values(&gradient),
                None => vec![0.0; leaf.shape().num_elements()],
            };
            leaves().flat_map(gradient).collect()
        };
        // What trains stands in the order of the targets.
        let parts: Vec<Vec<f32>> = targets.par_iter().zip(self.matrices).map(part).collect();
        parts.concat()
    }
}

/// Which matrix of a block a tensor of the network is.
fn matrix_of(name: &str) -> Option<Matrix> {
    let matrix = name.strip_prefix("blocks.")?.split_once('.')?.1.strip_suffix(".weight")?;
    Matrix::ALL.into_iter().find(|known| known.name() == matrix)
}

/// The matrices, side by side, of which a tensor consists: fused queries, keys and values are three, as in the paper's
/// counts, unless they are adapted as one.
fn parts(matrix: Matrix, adapted: &FactoredSet) -> Vec<Matrix> {
    match matrix {
        Matrix::Qkv if !adapted.contains(Matrix::Qkv) => vec![Matrix::Q, Matrix::K, Matrix::V],
        matrix => vec![matrix],
    }
}

fn columns_of(values: &[f32], width: usize, columns: Range<usize>) -> Values {
    let rows = values.chunks_exact(width);
    let shape = [rows.len(), columns.len()];
    Values::new(shape, rows.flat_map(|row| &row[columns.clone()]).copied().collect())
}

fn on(Values { shape, values }: Values, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn values(tensor: &Tensor<2>) -> Vec<f32> {
    tensor.to_data().convert::<f32>().try_into_vec().unwrap_or_else(|_| unreachable!("converted to f32"))
}
