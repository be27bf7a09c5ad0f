//! A training step as Burn's graph: on any device, and on the processor the specification to which
//! `processor` is held.

use std::collections::BTreeMap;
use std::ops::{Add, Range};

use burn::tensor::{Device, FloatDType, IndexingUpdateOp, Int, Tensor, TensorData};
use tailor_core::diffusion::shortcut::{Moment, Steps};
use tailor_core::graph::{Dit, Parameters, factored, loss};
use tailor_packs::{ModelConfig, TensorSpec};

use super::loader::Batch;
use super::method::Adaption;
use super::teacher::Teacher;
use std::sync::Arc;
use tailor_core::engine::adamw::{AdamW, Learned, Update};

/// A dense parameter with its moments and average, flat on a device.
#[derive(Clone, Debug)]
pub struct DenseState {
    /// Parameter.
    pub parameter: Tensor<1>,
    /// First moment.
    pub first: Tensor<1>,
    /// Second moment.
    pub second: Tensor<1>,
    /// Exponential moving average.
    pub ema: Tensor<1>,
}

impl DenseState {
    /// A parameter at its first values.
    pub fn new(values: Vec<f32>, device: &Device) -> Self {
        let parameter = tensor(values, device);
        let zeros = parameter.zeros_like();
        Self { ema: parameter.clone(), first: zeros.clone(), second: zeros, parameter }
    }

    /// AdamW step number `step` (from 1), then the average.
    pub fn update(&mut self, gradient: Tensor<1>, step: u64, adamw: &AdamW, update: &Update) {
        let (rate, root) = adamw.corrections(step, update.learning_rate);
        // Taken out, so that they are written in place.
        let state = [&mut self.parameter, &mut self.first, &mut self.second, &mut self.ema];
        let state = state.map(|tensor| tensor.extract());
        let state = updated(state, gradient, adamw, update, |t| t * rate, |t| t * root);
        [self.parameter, self.first, self.second, self.ema] = state;
    }
}

/// One AdamW step, then the average, of `[parameters, first moments, second moments, EMA]`. `rate` and `root`
/// multiply by the factors of [`AdamW::corrections`].
fn updated<const D: usize>(
    [parameters, first, second, ema]: [Tensor<D>; 4],
    gradient: Tensor<D>,
    adamw: &AdamW,
    update: &Update,
    rate: impl Fn(Tensor<D>) -> Tensor<D>,
    root: impl Fn(Tensor<D>) -> Tensor<D>,
) -> [Tensor<D>; 4] {
    let shrink = 1.0 - update.learning_rate * adamw.weight_decay;
    let gradient = if update.scale == 1.0 { gradient } else { gradient * update.scale };
    let first = first * adamw.beta1 + gradient.clone() * (1.0 - adamw.beta1);
    let second = second * adamw.beta2 + gradient.square() * (1.0 - adamw.beta2);
    let move_by = rate(first.clone()) / (root(second.clone().sqrt()) + adamw.epsilon);
    let parameters = parameters * shrink - move_by;
    let ema = parameters.clone() + (ema - parameters.clone()) * update.decay;
    [parameters, first, second, ema]
}

fn tensor(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}

fn values(tensor: &Tensor<1>) -> Vec<f32> {
    tensor.to_data().convert::<f32>().try_into_vec().unwrap_or_else(|_| unreachable!("converted to f32"))
}

/// The learngene on a device.
#[derive(Clone, Debug)]
pub struct GraphLearngene {
    config: ModelConfig,
    device: Device,
    specs: Vec<TensorSpec>,
    /// What a method makes of the network; `states` are then what it trains.
    adaption: Option<Arc<Adaption>>,
    /// What it is drawn towards, beside its task.
    teacher: Option<Box<GraphTeacher>>,
    states: Vec<DenseState>,
    steps: u64,
    ema_clock: f64,
    /// Number format of the products; parameters, moments and averages are `f32`.
    products: FloatDType,
}

/// The tailors of every class on the device: the rows of `[K, len]` tensors, of which a step reads and
/// writes those of its classes alone.
#[derive(Clone, Debug)]
pub struct DeviceBank {
    device: Device,
    parameters: Tensor<2>,
    first: Tensor<2>,
    second: Tensor<2>,
    ema: Tensor<2>,
    /// Optimiser steps and EMA clock of each class.
    clocks: Vec<(u64, f64)>,
}

/// A teacher on a device.
#[derive(Clone, Debug)]
struct GraphTeacher {
    config: ModelConfig,
    parameters: Parameters,
    /// Rows of all classes, flat.
    labels: Tensor<1>,
    /// For each block of the network that is taught the teacher's block of which it comes.
    kept: Vec<usize>,
}

impl GraphTeacher {
    /// What it makes of images `[B, C, H, W]` of these classes.
    fn features(
        &self,
        x: Tensor<4>,
        at: &[Moment],
        labels: &[Option<usize>],
        products: FloatDType,
    ) -> (Vec<Tensor<3>>, Tensor<4>) {
        let width = self.config.width as usize;
        let stack = factored::TailorStack::from_flat(
            &self.config,
            self.labels.dims()[0] / width,
            std::slice::from_ref(&self.labels),
        );
        let gate: factored::Gate =
            labels.iter().map(|class| class.map(|c| (c, 1.0)).into_iter().collect()).collect();
        let dit = Dit::new(&self.config, &self.parameters, &x.device()).with_products_in(products);
        let (blocks, output) = dit.features(x, at, stack.gather(&gate).as_ref());
        (self.kept.iter().map(|&block| blocks[block].clone()).collect(), output)
    }
}

/// What one part of a batch contributes: its squared errors and the gradients.
#[derive(Default)]
pub struct Gradients {
    /// Sum of squared errors, and of what learned variance adds to them.
    pub squares: f64,
    /// Sum of the distances from what a teacher makes of the images.
    pub distances: f64,
    /// By each tensor of the learngene.
    pub learngene: Vec<Tensor<1>>,
    /// By the flat parameters of the tailors of the batch's classes, `[k, len]`; none without classes.
    pub tailors: Option<Tensor<2>>,
}

impl GraphLearngene {
    /// Puts a learngene on `device`, or what `adaption` trains in its place.
    pub fn new(
        config: &ModelConfig,
        adaption: Option<Arc<Adaption>>,
        learned: &Learned,
        device: &Device,
    ) -> Self {
        let specs = config.learngene_tensors();
        let lens: Vec<usize> = match &adaption {
            Some(adaption) => adaption.shapes().iter().map(|[rows, columns]| rows * columns).collect(),
            None => specs.iter().map(TensorSpec::len).collect(),
        };
        let mut start = 0;
        let state = |len: usize| {
            let range = start..start + len;
            start = range.end;
            let part = |values: &[f32]| tensor(values[range.clone()].to_vec(), device);
            DenseState {
                parameter: part(&learned.parameters),
                first: part(&learned.first),
                second: part(&learned.second),
                ema: part(&learned.ema),
            }
        };
        let states = lens.into_iter().map(state).collect();
        let (steps, ema_clock) = (learned.steps, learned.ema_clock);
        let (config, device, products) = (config.clone(), device.clone(), FloatDType::F32);
        Self { config, device, specs, adaption, teacher: None, states, steps, ema_clock, products }
    }

    /// Draws the network towards what `teacher` makes of the same images, too.
    pub fn with_teacher(mut self, teacher: Option<&Teacher>) -> Self {
        self.teacher = teacher.map(|teacher| {
            let specs = teacher.config.learngene_tensors();
            let mut start = 0;
            let part = |spec: &TensorSpec| {
                start += spec.len();
                tensor(teacher.values[start - spec.len()..start].to_vec(), &self.device)
            };
            let parameters = Parameters::new(&specs, specs.iter().map(part).collect::<Vec<_>>());
            let labels = tensor(teacher.labels.concat(), &self.device);
            Box::new(GraphTeacher {
                config: teacher.config.clone(),
                parameters,
                labels,
                kept: teacher.kept.clone(),
            })
        });
        self
    }

    /// Makes the products in this number format.
    pub fn with_products_in(mut self, format: FloatDType) -> Self {
        self.products = format;
        self
    }

    /// The learngene back on the host.
    pub fn learned(&self) -> Learned {
        let all =
            |part: fn(&DenseState) -> &Tensor<1>| self.states.iter().flat_map(|s| values(part(s))).collect();
        Learned {
            parameters: all(|s| &s.parameter),
            first: all(|s| &s.first),
            second: all(|s| &s.second),
            ema: all(|s| &s.ema),
            steps: self.steps,
            ema_clock: self.ema_clock,
        }
    }

    /// One step of every tensor.
    pub fn update(&mut self, gradients: Vec<Tensor<1>>, adamw: &AdamW, update: &Update) {
        self.steps += 1;
        self.ema_clock = update.ema_clock;
        for (state, gradient) in self.states.iter_mut().zip(gradients) {
            state.update(gradient, self.steps, adamw, update);
        }
    }

    /// The network as it stands with these tailors, by class number, to predict alone.
    pub fn predictor(&self, tailors: &BTreeMap<usize, Vec<f32>>) -> Predictor {
        let values: Vec<Tensor<1>> = self.states.iter().map(|state| state.parameter.clone()).collect();
        let tensors = match &self.adaption {
            Some(adaption) => adaption.in_graph(&values),
            None => values,
        };
        let dit = Dit::new(&self.config, &Parameters::new(&self.specs, tensors), &self.device);
        let mut start = 0;
        let part = |spec: &TensorSpec| {
            let range = start..start + spec.len();
            start = range.end;
            tensor(
                tailors.values().flat_map(|values| &values[range.clone()]).copied().collect(),
                &self.device,
            )
        };
        let flat: Vec<Tensor<1>> = self.config.tailor_tensors().iter().map(part).collect();
        let stack = (!tailors.is_empty())
            .then(|| factored::TailorStack::from_flat(&self.config, tailors.len(), &flat));
        Predictor {
            device: self.device.clone(),
            dit: dit.with_products_in(self.products),
            classes: tailors.keys().copied().collect(),
            stack,
        }
    }

    /// Gradients of the mean squared error of the whole batch by the images in `range`.
    ///
    /// `rows` are the flat parameters `[k, len]` of the tailors of `classes`, which are those of the whole
    /// batch in rising order. With `frozen`, the learngene gets no gradient. `orthogonality` is the weight of
    /// the term that keeps components apart, of which each part of a batch has its share.
    pub fn gradients(
        &self,
        (classes, rows): (&[usize], Option<&Tensor<2>>),
        batch: &Batch,
        range: Range<usize>,
        (frozen, orthogonality): (bool, f32),
    ) -> Gradients {
        let device = self.device.clone().autodiff();
        let (labels, unnamed) = (&batch.labels[range.clone()], &batch.unnamed[range.clone()]);
        let slot = |class: &Option<usize>| class.and_then(|c| classes.binary_search(&c).ok());
        let gate = labels.iter().map(|class| slot(class).map(|s| (s, 1.0)).into_iter().collect()).collect();

        let leaf = |parameter: Tensor<1>| if frozen { parameter } else { parameter.require_grad() };
        let dense: Vec<Tensor<1>> =
            self.states.iter().map(|s| leaf(s.parameter.clone().autodiff())).collect();
        // One leaf for each tensor: a part of a larger leaf would get a gradient of the whole leaf's size.
        let specs = self.config.tailor_tensors();
        let mut start = 0;
        let mut leaf = |rows: &Tensor<2>, spec: &TensorSpec| {
            let part = rows.clone().narrow(1, start, spec.len());
            start += spec.len();
            part.reshape([classes.len() * spec.len()]).autodiff().require_grad()
        };
        let leaves = rows.map(|rows| specs.iter().map(|spec| leaf(rows, spec)).collect::<Vec<_>>());
        let leaves = leaves.unwrap_or_default();
        let stack = rows.map(|_| factored::TailorStack::from_flat(&self.config, classes.len(), &leaves));
        let tailors = stack.as_ref().and_then(|stack| Some(stack.gather(&gate)?.without_labels(unnamed)));
        let tensors = match &self.adaption {
            Some(adaption) => adaption.in_graph(&dense),
            None => dense.clone(),
        };
        let parameters = Parameters::new(&self.specs, tensors);
        let dit = Dit::new(&self.config, &parameters, &device).with_products_in(self.products);
        let image = |values: &[f32]| {
            let ([c, h, w], n) = (batch.shape, batch.values());
            let part = values[range.start * n..range.end * n].to_vec();
            Tensor::<4>::from_data(TensorData::new(part, [range.len(), c, h, w]), &device)
        };
        let at = &batch.at[range.clone()];
        let times: Vec<f32> = at.iter().map(|at| at.t).collect();
        let (blocks, output) = dit.features(image(&batch.x), at, tailors.as_ref());
        let distances = self.teacher.as_ref().map(|teacher| {
            // It stays as it is, so nothing of it is kept for a way back.
            let (wanted, wanted_output) =
                teacher.features(image(&batch.x).inner(), at, labels, self.products);
            let wanted = wanted.into_iter().map(Tensor::autodiff).collect();
            loss::distances((blocks, output.clone()), (wanted, wanted_output.autodiff()))
        });
        let directions = (batch.cosine > 0.0)
            .then(|| loss::directions(&self.config, output.clone(), image(&batch.target)) * batch.cosine);
        let distances = match (distances, directions) {
            (Some(distances), Some(directions)) => Some(distances + directions),
            (distances, directions) => distances.or(directions),
        };
        let squares = loss::loss(&self.config, output, (image(&batch.x), image(&batch.target)), &times);
        let task = squares.clone() / batch.target.len() as f64;
        let apart = (orthogonality > 0.0)
            .then(|| loss::orthogonality(&self.config, &parameters, stack.as_ref()))
            .flatten()
            .map(|term| term * (f64::from(orthogonality) * labels.len() as f64 / batch.len() as f64));
        let beside = [distances.clone().map(|sum| sum / batch.len() as f64), apart];
        let mut gradients = beside.into_iter().flatten().fold(task, |sum, term| sum + term).backward();
        let distances = distances.map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>()));

        // A parameter that took no part has no gradient: a zero one, since its shape is needed below.
        let dense = dense.iter().zip(&self.states).filter(|_| !frozen);
        let dense =
            dense.map(|(p, s)| p.grad_remove(&mut gradients).unwrap_or_else(|| s.parameter.zeros_like()));
        let learngene = dense.collect();
        let tailors = rows.map(|_| {
            let gradient = |(leaf, spec): (&Tensor<1>, &TensorSpec)| {
                let found = leaf.grad_remove(&mut gradients);
                let found = found.unwrap_or_else(|| leaf.clone().inner().zeros_like());
                found.reshape([classes.len(), spec.len()])
            };
            Tensor::cat(leaves.iter().zip(&specs).map(gradient).collect(), 1)
        });
        Gradients { squares: f64::from(squares.into_scalar::<f32>()), distances, learngene, tailors }
    }
}

/// A network and its tailors on a device, to predict without a way back.
pub struct Predictor {
    device: Device,
    dit: Dit,
    classes: Vec<usize>,
    stack: Option<factored::TailorStack>,
}

impl Predictor {
    /// Its predictions for images `[B, C, H, W]` of this shape, no more than so many at a time.
    pub fn predict(&self, steps: Steps<'_>, [c, h, w]: [usize; 3], most: usize) -> Vec<f32> {
        let slot = |class: &Option<usize>| class.and_then(|c| self.classes.binary_search(&c).ok());
        let mut found = Vec::with_capacity(steps.x.len());
        let images = steps.x.chunks(most.saturating_mul(c * h * w)).zip(steps.labels.chunks(most));
        for ((x, labels), at) in images.zip(steps.at.chunks(most)) {
            let gate: factored::Gate =
                labels.iter().map(|class| slot(class).map(|s| (s, 1.0)).into_iter().collect()).collect();
            let tailors = self.stack.as_ref().and_then(|stack| stack.gather(&gate));
            let x = Tensor::<4>::from_data(TensorData::new(x.to_vec(), [at.len(), c, h, w]), &self.device);
            found.extend(values(&self.dit.forward(x, at, tailors.as_ref()).flatten::<1>(0, 3)));
        }
        found
    }
}

impl Add for Gradients {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            squares: self.squares + other.squares,
            distances: self.distances + other.distances,
            learngene: self.learngene.into_iter().zip(other.learngene).map(|(a, b)| a + b).collect(),
            // Parts of one batch have the same classes.
            tailors: self.tailors.zip(other.tailors).map(|(a, b)| a + b),
        }
    }
}

impl Gradients {
    /// Sum of the squares of every gradient.
    pub fn norm_squared(&self) -> f64 {
        let tailors = self.tailors.iter().map(|g| g.clone().square().sum());
        let all = self.learngene.iter().map(|g| g.clone().square().sum()).chain(tailors);
        all.reduce(|a, b| a + b).map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>()))
    }

    /// By the learngene's flat parameters.
    pub fn learngene_values(&self) -> Vec<f32> {
        self.learngene.iter().flat_map(values).collect()
    }

    /// By the flat parameters of each class's tailor, on the host.
    pub fn tailor_values(&self, classes: &[usize]) -> Vec<(usize, Vec<f32>)> {
        let Some(tailors) = &self.tailors else { return Vec::new() };
        let [k, len] = tailors.dims();
        let values = values(&tailors.clone().reshape([k * len]));
        classes.iter().zip(values.chunks(len)).map(|(class, row)| (*class, row.to_vec())).collect()
    }
}

impl DeviceBank {
    /// Bytes on the device for `classes` tailors of this model.
    pub fn bytes(config: &ModelConfig, classes: usize) -> u64 {
        4 * size_of::<f32>() as u64 * config.tailor_parameters() * classes as u64
    }

    /// Puts tailors, of which there is at least one, on `device`.
    pub fn new(states: &[Learned], device: &Device) -> Self {
        let len = states[0].parameters.len();
        let stack = |part: fn(&Learned) -> &Vec<f32>| {
            let values: Vec<f32> = states.iter().flat_map(part).copied().collect();
            Tensor::<2>::from_data(TensorData::new(values, [states.len(), len]), device)
        };
        Self {
            device: device.clone(),
            parameters: stack(|s| &s.parameters),
            first: stack(|s| &s.first),
            second: stack(|s| &s.second),
            ema: stack(|s| &s.ema),
            clocks: states.iter().map(|s| (s.steps, s.ema_clock)).collect(),
        }
    }

    /// The tailors of `classes` back on the host.
    pub fn states(&self, classes: &[usize]) -> Vec<Learned> {
        let index = self.index(classes);
        let part = |all: &Tensor<2>| {
            let rows = all.clone().select(0, index.clone());
            let [k, len] = rows.dims();
            let rows = values(&rows.reshape([k * len]));
            rows.chunks(len).map(<[f32]>::to_vec).collect::<Vec<_>>()
        };
        let [parameters, first, second, ema] =
            [&self.parameters, &self.first, &self.second, &self.ema].map(part);
        let parts = parameters.into_iter().zip(first).zip(second.into_iter().zip(ema)).zip(classes);
        let state = |(((parameters, first), (second, ema)), class): (_, &usize)| {
            let (steps, ema_clock) = self.clocks[*class];
            Learned { parameters, first, second, ema, steps, ema_clock }
        };
        parts.map(state).collect()
    }

    /// Classes in the bank.
    pub fn classes(&self) -> usize {
        self.clocks.len()
    }

    /// The flat parameters `[k, len]` of the tailors of `classes`.
    pub fn rows(&self, classes: &[usize]) -> Tensor<2> {
        self.parameters.clone().select(0, self.index(classes))
    }

    /// [`Learned::update`] of the tailors of `classes` by the gradient `[k, len]`.
    pub fn update(&mut self, classes: &[usize], gradient: Tensor<2>, adamw: &AdamW, update: &Update) {
        let index = self.index(classes);
        let mut idle = Vec::new();
        let mut corrections = Vec::new();
        for &class in classes {
            let (steps, clock) = &mut self.clocks[class];
            idle.push((update.ema_clock - update.decay.ln() - *clock).exp() as f32);
            (*steps, *clock) = (*steps + 1, update.ema_clock);
            corrections.push(adamw.corrections(*steps, update.learning_rate));
        }
        let column = |values: Vec<f32>| {
            let n = values.len();
            Tensor::<2>::from_data(TensorData::new(values, [n, 1]), &self.device)
        };
        let idle = column(idle);
        let rate = column(corrections.iter().map(|(rate, _)| *rate as f32).collect());
        let root = column(corrections.iter().map(|(_, root)| *root as f32).collect());

        let take = |all: &Tensor<2>| all.clone().select(0, index.clone());
        let [p, first, second, ema] = [&self.parameters, &self.first, &self.second, &self.ema].map(take);
        // Where a class was idle its parameters did not change, and the average moved towards them.
        let ema = p.clone() + (ema - p.clone()) * idle;
        let rows = [p, first, second, ema];
        let rows = updated(rows, gradient, adamw, update, |t| t * rate.clone(), |t| t * root.clone());
        let all = [&mut self.parameters, &mut self.first, &mut self.second, &mut self.ema];
        for (all, rows) in all.into_iter().zip(rows) {
            // Taken out, so that the rows are written in place.
            *all = all.extract().select_assign(0, index.clone(), rows, IndexingUpdateOp::Assign);
        }
    }

    fn index(&self, classes: &[usize]) -> Tensor<1, Int> {
        let index: Vec<i32> = classes.iter().map(|&class| class as i32).collect();
        Tensor::from_data(TensorData::new(index, [classes.len()]), &self.device)
    }
}
