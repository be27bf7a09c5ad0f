//! The network of `tailor_core::dit` and its gradients on the processor, written out by hand.
//!
//! One image at a time goes all the way through and back while its activations lie in the cache, and the
//! images of one class follow each other, so that learngene and tailor are one matrix `[m1, N_G + N_T]`
//! whose last columns are exchanged between classes. `tests/engines.rs` holds it to the gradients
//! that Burn's graph finds for the same batch; there is no other mathematics here than there.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use tailor_core::dit::{LAYER_NORM_EPSILON, sincos_positions, time_features};
use tailor_packs::config::MLP_RATIO;
use tailor_packs::{Matrix, ModelConfig, TensorSpec};

use super::kernels::{
    Output, View, ViewMut, add, gated_add, gated_add_backward, gelu, matmul, multiply, norm_modulate,
    norm_modulate_backward, silu, softmax, softmax_backward,
};

/// Where everything lies in the flat parameters of a config.
#[derive(Clone, Debug)]
pub struct Network {
    config: ModelConfig,
    patch: Dense,
    time: [Dense; 2],
    null_label: Range<usize>,
    blocks: Vec<Vec<(Matrix, Linear)>>,
    final_adaln: Dense,
    final_linear: Dense,
    positions: Vec<f32>,
    /// For each value of the tokens `[T, p·p·C]` its place in the image `[C, H, W]`.
    places: Vec<usize>,
    learngene_len: usize,
    tailor_len: usize,
}

/// A matrix `[m1, m2]` and its bias in the learngene's flat parameters.
#[derive(Clone, Debug)]
struct Dense {
    weight: Range<usize>,
    bias: Range<usize>,
}

/// One matrix of a block: where it lies in the learngene's and the tailor's flat parameters.
#[derive(Clone, Debug)]
enum Linear {
    Dense(Dense),
    Factored { m1: usize, m2: usize, learngene: Factors, tailor: Factors, bias: Range<usize> },
}

#[derive(Clone, Debug)]
struct Factors {
    u: Range<usize>,
    sigma: Range<usize>,
    v: Range<usize>,
}

/// Gradients of a batch, or of a part of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients {
    /// Sum of squared errors.
    pub squares: f64,
    /// By the learngene's flat parameters; empty when the learngene is frozen.
    pub learngene: Vec<f32>,
    /// By the flat parameters of each class's tailor, in the order of first use.
    pub tailors: Vec<(usize, Vec<f32>)>,
}

/// One image of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The noisy image, `[C, H, W]`.
    pub x: &'a [f32],
    /// What the network should say, `[C, H, W]`.
    pub target: &'a [f32],
    /// Its time, 0 to 1000.
    pub t: f32,
    /// Its class; none for the learngene alone.
    pub class: Option<usize>,
}

/// Buffers that outlive a step: for fresh ones the system would clear pages, a tenth of a step's time.
#[derive(Debug, Default)]
pub struct Pool {
    workspaces: Mutex<Vec<Workspace>>,
    values: Mutex<Vec<Vec<f32>>>,
}

/// What a pass writes its intermediate values to.
#[derive(Debug)]
struct Workspace {
    components: Vec<HashMap<Matrix, Components>>,
    tapes: Vec<Tape>,
}

/// A factored matrix ready for use: the learngene's components, then those of the present class.
#[derive(Debug)]
struct Components {
    /// `[m1, r]`
    u: Vec<f32>,
    /// `[r, m2]`, times `σ`
    v: Vec<f32>,
    /// Gradients by both.
    du: Vec<f32>,
    dv: Vec<f32>,
}

/// What the way back needs of one block.
#[derive(Debug, Default)]
struct Tape {
    modulation: Vec<f32>,
    normal: [Vec<f32>; 2],
    inverse: [Vec<f32>; 2],
    h: [Vec<f32>; 2],
    qkv: Vec<f32>,
    scores: Vec<f32>,
    attended: Vec<f32>,
    projected: Vec<f32>,
    slope: Vec<f32>,
    hidden: Vec<f32>,
    fed: Vec<f32>,
    inner: HashMap<Matrix, Vec<f32>>,
}

impl Network {
    /// Finds every tensor of `config`.
    pub fn new(config: &ModelConfig) -> Self {
        let learngene = ranges(&config.learngene_tensors());
        let tailor = ranges(&config.tailor_tensors());
        let at = |name: String| learngene[&name].clone();
        let dense =
            |name: &str| Dense { weight: at(format!("{name}.weight")), bias: at(format!("{name}.bias")) };
        let factors = |of: &HashMap<String, Range<usize>>, name: &str| {
            let part = |part: &str| of[&format!("{name}.{part}")].clone();
            Factors { u: part("u"), sigma: part("sigma"), v: part("v") }
        };
        let linear = |l: u32, m: Matrix| {
            let name = format!("blocks.{l}.{m}");
            if !config.factored.contains(m) {
                return Linear::Dense(dense(&name));
            }
            let (m1, m2) = m.widths(config.width as usize);
            let (learngene, tailor) = (factors(&learngene, &name), factors(&tailor, &name));
            Linear::Factored { m1, m2, learngene, tailor, bias: at(format!("{name}.bias")) }
        };
        let block = |l| config.block_matrices().into_iter().map(|m| (m, linear(l, m))).collect();
        Self {
            patch: dense("patch"),
            time: [dense("time.0"), dense("time.1")],
            null_label: at("label.null".to_owned()),
            blocks: (0..config.depth).map(block).collect(),
            final_adaln: dense("final.adaln"),
            final_linear: dense("final.linear"),
            positions: sincos_positions(config),
            places: places(config),
            learngene_len: config.learngene_parameters() as usize,
            tailor_len: config.tailor_parameters() as usize,
            config: config.clone(),
        }
    }

    /// Gradients of `factor · Σ (output − target)²` over `samples`, which follow each other by class.
    ///
    /// `tailor` gives the flat parameters of a class. With `frozen`, the learngene gets no gradient.
    /// Buffers come from `pool`, and so do the gradients: [`Pool::give_back`] when they are used up.
    pub fn gradients<'a>(
        &'a self,
        learngene: &'a [f32],
        tailor: impl Fn(usize) -> &'a [f32],
        samples: &[Sample<'_>],
        factor: f32,
        frozen: bool,
        pool: &'a Pool,
    ) -> Gradients {
        let mut pass = Pass::new(self, learngene, frozen, factor, pool);
        let mut tailors = Vec::new();
        for group in samples.chunk_by(|a, b| a.class == b.class) {
            pass.own = group[0].class.map(&tailor);
            pass.put_on();
            group.iter().for_each(|sample| pass.sample(sample));
            if let Some(class) = group[0].class {
                tailors.push((class, pass.take_off()));
            }
        }
        Gradients { squares: pass.squares, learngene: pass.finish(), tailors }
    }

    /// Empty room for every factored matrix and every block.
    fn workspace(&self) -> Workspace {
        let (g, n) = self.components();
        let r = g + n;
        let room = |(m, linear): &(Matrix, Linear)| {
            let Linear::Factored { m1, m2, .. } = linear else { return None };
            let zeros = |len| vec![0.0; len];
            let (u, v, du, dv) = (zeros(m1 * r), zeros(r * m2), zeros(m1 * r), zeros(r * m2));
            Some((*m, Components { u, v, du, dv }))
        };
        Workspace {
            components: self.blocks.iter().map(|block| block.iter().filter_map(room).collect()).collect(),
            tapes: self.blocks.iter().map(|_| Tape::default()).collect(),
        }
    }

    fn components(&self) -> (usize, usize) {
        let (g, n) = (self.config.learngene_components, self.config.tailor_components);
        (g as usize, n as usize)
    }
}

impl Pool {
    /// Keeps the buffers of `gradients` for the next step.
    pub fn give_back(&self, gradients: Gradients) {
        let Gradients { learngene, tailors, .. } = gradients;
        lock(&self.values).extend(tailors.into_iter().map(|(_, values)| values).chain([learngene]));
    }

    /// `len` values, whatever they are.
    fn take(&self, len: usize) -> Vec<f32> {
        let mut kept = lock(&self.values);
        let found = kept.iter().rposition(|values| values.len() == len).map(|at| kept.swap_remove(at));
        found.unwrap_or_else(|| vec![0.0; len])
    }
}

/// A thread that panicked leaves buffers whose values nobody reads.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Each tensor's place in the flat parameters.
fn ranges(specs: &[TensorSpec]) -> HashMap<String, Range<usize>> {
    let mut start = 0;
    let range = |spec: &TensorSpec| {
        let range = start..start + spec.len();
        start = range.end;
        (spec.name.clone(), range)
    };
    specs.iter().map(range).collect()
}

fn places(config: &ModelConfig) -> Vec<usize> {
    let (c, p, side) = (config.channels as usize, config.patch_size as usize, config.image_size as usize);
    let mut places = Vec::with_capacity(c * side * side);
    for (row, column) in (0..side / p).flat_map(|row| (0..side / p).map(move |column| (row, column))) {
        for (y, x) in (0..p).flat_map(|y| (0..p).map(move |x| (y, x))) {
            places.extend((0..c).map(|c| (c * side + row * p + y) * side + column * p + x));
        }
    }
    places
}

/// One thread's way through its samples.
struct Pass<'a> {
    network: &'a Network,
    pool: &'a Pool,
    learngene: &'a [f32],
    own: Option<&'a [f32]>,
    frozen: bool,
    factor: f32,
    squares: f64,
    gradient: Vec<f32>,
    own_gradient: Vec<f32>,
    components: Vec<HashMap<Matrix, Components>>,
    tapes: Vec<Tape>,
}

impl<'a> Pass<'a> {
    fn new(network: &'a Network, learngene: &'a [f32], frozen: bool, factor: f32, pool: &'a Pool) -> Self {
        let (g, n) = network.components();
        let kept = lock(&pool.workspaces).pop();
        let Workspace { mut components, tapes } = kept.unwrap_or_else(|| network.workspace());
        for (block, ready) in network.blocks.iter().zip(&mut components) {
            for (m, linear) in block {
                let (Linear::Factored { m2, learngene: place, .. }, Some(c)) = (linear, ready.get_mut(m))
                else {
                    continue;
                };
                let rows = c.u.chunks_exact_mut(g + n).zip(learngene[place.u.clone()].chunks_exact(g));
                rows.for_each(|(to, from)| to[..g].copy_from_slice(from));
                scaled(&learngene[place.v.clone()], &learngene[place.sigma.clone()], &mut c.v[..g * m2]);
                c.du.fill(0.0);
                c.dv.fill(0.0);
            }
        }
        let mut gradient = pool.take(network.learngene_len);
        gradient.fill(0.0);
        Self {
            network,
            pool,
            learngene,
            own: None,
            frozen,
            factor,
            squares: 0.0,
            gradient,
            own_gradient: Vec::new(),
            components,
            tapes,
        }
    }

    /// Puts the class's components beside the learngene's.
    fn put_on(&mut self) {
        let Some(own) = self.own else { return };
        let (g, n) = self.network.components();
        self.own_gradient = self.pool.take(self.network.tailor_len);
        // All else is replaced when the tailor is taken off; the label's row is added to.
        self.own_gradient[..self.network.config.width as usize].fill(0.0);
        for (block, ready) in self.network.blocks.iter().zip(&mut self.components) {
            for (m, linear) in block {
                let (Linear::Factored { m2, tailor, .. }, Some(c)) = (linear, ready.get_mut(m)) else {
                    continue;
                };
                let rows = c.u.chunks_exact_mut(g + n).zip(own[tailor.u.clone()].chunks_exact(n));
                rows.for_each(|(to, from)| to[g..].copy_from_slice(from));
                scaled(&own[tailor.v.clone()], &own[tailor.sigma.clone()], &mut c.v[g * m2..]);
            }
        }
    }

    /// The gradient of the class's tailor, whose place is left clear for the next.
    fn take_off(&mut self) -> Vec<f32> {
        let (Some(own), (g, n)) = (self.own, self.network.components()) else { return Vec::new() };
        let mut gradient = std::mem::take(&mut self.own_gradient);
        for (block, ready) in self.network.blocks.iter().zip(&mut self.components) {
            for (m, linear) in block {
                let (Linear::Factored { m2, tailor, .. }, Some(c)) = (linear, ready.get_mut(m)) else {
                    continue;
                };
                let rows = c.du.chunks_exact_mut(g + n).zip(gradient[tailor.u.clone()].chunks_exact_mut(n));
                rows.for_each(|(from, to)| {
                    to.copy_from_slice(&from[g..]);
                    from[g..].fill(0.0);
                });
                unscaled(&mut c.dv[g * m2..], own, tailor, &mut gradient);
            }
        }
        gradient
    }

    /// The gradient of the learngene, empty when it is frozen; the buffers go back to the pool.
    fn finish(mut self) -> Vec<f32> {
        let (g, n) = self.network.components();
        for (block, ready) in self.network.blocks.iter().zip(&mut self.components) {
            for (m, linear) in block.iter().filter(|_| !self.frozen) {
                let (Linear::Factored { m2, learngene, .. }, Some(c)) = (linear, ready.get_mut(m)) else {
                    continue;
                };
                let to = self.gradient[learngene.u.clone()].chunks_exact_mut(g);
                to.zip(c.du.chunks_exact(g + n)).for_each(|(to, from)| to.copy_from_slice(&from[..g]));
                unscaled(&mut c.dv[..g * m2], self.learngene, learngene, &mut self.gradient);
            }
        }
        lock(&self.pool.workspaces).push(Workspace { components: self.components, tapes: self.tapes });
        if self.frozen {
            lock(&self.pool.values).push(self.gradient);
            return Vec::new();
        }
        self.gradient
    }

    /// One image through the network and back.
    fn sample(&mut self, sample: &Sample<'_>) {
        let network = self.network;
        let d = network.config.width as usize;
        let epsilon = LAYER_NORM_EPSILON as f32;
        let t = network.config.tokens();
        let weights = self.learngene;
        let gathered = |image: &[f32]| network.places.iter().map(|&i| image[i]).collect::<Vec<f32>>();

        let patches = gathered(sample.x);
        let mut x = vec![0.0; t * d];
        network.patch.forward(weights, &patches, &mut x);
        add(&mut x, &network.positions);

        // The condition: time, and the label of tailor or learngene.
        let features = time_features(&[sample.t]);
        let [first, second] = &network.time;
        let (mut a, mut a_silu, mut a_slope) = (vec![0.0; d], vec![0.0; d], vec![0.0; d]);
        first.forward(weights, &features, &mut a);
        silu(&a, &mut a_silu, &mut a_slope);
        let mut embedding = vec![0.0; d];
        second.forward(weights, &a_silu, &mut embedding);
        add(&mut embedding, self.own.map_or(&weights[network.null_label.clone()], |own| &own[..d]));
        let (mut condition, mut condition_slope) = (vec![0.0; d], vec![0.0; d]);
        silu(&embedding, &mut condition, &mut condition_slope);

        let mut tapes = std::mem::take(&mut self.tapes);
        for (block, tape) in tapes.iter_mut().enumerate() {
            self.block(block, &condition, &mut x, tape);
        }
        let mut modulation = vec![0.0; 2 * d];
        network.final_adaln.forward(weights, &condition, &mut modulation);
        let (mut normal, mut inverse, mut h) = (vec![0.0; t * d], vec![0.0; t], vec![0.0; t * d]);
        let (shift, scale) = modulation.split_at(d);
        norm_modulate(&x, (shift, scale), epsilon, (&mut normal[..], &mut inverse[..]), &mut h);
        let mut output = vec![0.0; patches.len()];
        network.final_linear.forward(weights, &h, &mut output);

        // The loss, and its gradient in place of the output.
        for (output, target) in output.iter_mut().zip(gathered(sample.target)) {
            *output -= target;
            self.squares += f64::from(*output) * f64::from(*output);
            *output *= 2.0 * self.factor;
        }

        let mut dh = vec![0.0; t * d];
        self.dense_backward(&network.final_linear, &h, &output, Some(&mut dh));
        let (mut dx, mut dmodulation) = (vec![0.0; t * d], vec![0.0; 2 * d]);
        let (dshift, dscale) = dmodulation.split_at_mut(d);
        norm_modulate_backward(&mut dh, scale, (&normal[..], &inverse[..]), &mut dx, (dshift, dscale));
        let mut dcondition = vec![0.0; d];
        self.dense_backward(&network.final_adaln, &condition, &dmodulation, Some(&mut dcondition));
        for (block, tape) in tapes.iter_mut().enumerate().rev() {
            self.block_backward(block, &condition, &mut dx, &mut dcondition, tape);
        }
        self.tapes = tapes;
        multiply(&mut dcondition, &condition_slope);
        match self.own {
            Some(_) => add(&mut self.own_gradient[..d], &dcondition),
            None => add(&mut self.gradient[network.null_label.clone()], &dcondition),
        }
        // What lies before the blocks is the learngene's alone.
        if !self.frozen {
            let mut da = vec![0.0; d];
            self.dense_backward(second, &a_silu, &dcondition, Some(&mut da));
            multiply(&mut da, &a_slope);
            self.dense_backward(first, &features, &da, None);
            self.dense_backward(&network.patch, &patches, &dx, None);
        }
    }

    /// One block forward, `x` in place; what the way back needs goes to `tape`.
    fn block(&self, block: usize, condition: &[f32], x: &mut [f32], tape: &mut Tape) {
        let d = self.network.config.width as usize;
        let t = x.len() / d;
        let epsilon = LAYER_NORM_EPSILON as f32;
        resize(&mut tape.modulation, 6 * d);
        self.forward(block, Matrix::AdaLn, condition, &mut tape.modulation, 0..6 * d, &mut tape.inner);
        let part = |i: usize| &tape.modulation[i * d..(i + 1) * d];
        for i in 0..2 {
            resize(&mut tape.normal[i], t * d);
            resize(&mut tape.inverse[i], t);
            resize(&mut tape.h[i], t * d);
        }
        let [h, h_mlp] = &mut tape.h;
        let [normal, normal_mlp] = &mut tape.normal;
        let [inverse, inverse_mlp] = &mut tape.inverse;

        norm_modulate(x, (part(0), part(1)), epsilon, (&mut normal[..], &mut inverse[..]), h);
        resize(&mut tape.qkv, t * 3 * d);
        for (m, columns) in self.attention_matrices(block) {
            self.forward(block, m, h, &mut tape.qkv, columns, &mut tape.inner);
        }
        resize(&mut tape.attended, t * d);
        self.attention(&tape.qkv, &mut tape.scores, &mut tape.attended);
        resize(&mut tape.projected, t * d);
        self.forward(block, Matrix::O, &tape.attended, &mut tape.projected, 0..d, &mut tape.inner);
        gated_add(x, part(2), &tape.projected);

        norm_modulate(x, (part(3), part(4)), epsilon, (&mut normal_mlp[..], &mut inverse_mlp[..]), h_mlp);
        resize(&mut tape.slope, t * MLP_RATIO * d);
        resize(&mut tape.hidden, t * MLP_RATIO * d);
        self.forward(block, Matrix::In, h_mlp, &mut tape.slope, 0..MLP_RATIO * d, &mut tape.inner);
        gelu(&mut tape.slope, &mut tape.hidden);
        resize(&mut tape.fed, t * d);
        self.forward(block, Matrix::Out, &tape.hidden, &mut tape.fed, 0..d, &mut tape.inner);
        gated_add(x, part(5), &tape.fed);
    }

    /// [`Pass::block`] backward: `dx` from the block's output to its input, `dcondition` added to.
    fn block_backward(
        &mut self,
        block: usize,
        condition: &[f32],
        dx: &mut [f32],
        dcondition: &mut [f32],
        tape: &mut Tape,
    ) {
        let d = self.network.config.width as usize;
        let mut dmodulation = vec![0.0; 6 * d];
        let (attention, mlp) = dmodulation.split_at_mut(3 * d);
        let part = |i: usize| &tape.modulation[i * d..(i + 1) * d];
        let mut dh = vec![0.0; dx.len()];

        let (shift_scale, dgate) = mlp.split_at_mut(2 * d);
        gated_add_backward(dx, part(5), &mut tape.fed, dgate);
        let mut dhidden = vec![0.0; tape.hidden.len()];
        let all = 0..d;
        self.backward(
            block,
            Matrix::Out,
            &tape.hidden,
            (&tape.fed[..], all.clone()),
            &mut dhidden,
            &tape.inner,
        );
        multiply(&mut dhidden, &tape.slope);
        let wide = 0..MLP_RATIO * d;
        self.backward(block, Matrix::In, &tape.h[1], (&dhidden[..], wide), &mut dh, &tape.inner);
        let (dshift, dscale) = shift_scale.split_at_mut(d);
        let normal = (&tape.normal[1][..], &tape.inverse[1][..]);
        norm_modulate_backward(&mut dh, part(4), normal, dx, (dshift, dscale));

        let (shift_scale, dgate) = attention.split_at_mut(2 * d);
        gated_add_backward(dx, part(2), &mut tape.projected, dgate);
        let mut dattended = vec![0.0; dx.len()];
        self.backward(
            block,
            Matrix::O,
            &tape.attended,
            (&tape.projected[..], all),
            &mut dattended,
            &tape.inner,
        );
        let mut dqkv = vec![0.0; tape.qkv.len()];
        self.attention_backward(&tape.qkv, &tape.scores, &dattended, &mut dqkv);
        dh.fill(0.0);
        for (m, columns) in self.attention_matrices(block) {
            self.backward(block, m, &tape.h[0], (&dqkv[..], columns), &mut dh, &tape.inner);
        }
        let (dshift, dscale) = shift_scale.split_at_mut(d);
        let normal = (&tape.normal[0][..], &tape.inverse[0][..]);
        norm_modulate_backward(&mut dh, part(1), normal, dx, (dshift, dscale));

        let wide = 0..6 * d;
        self.backward(block, Matrix::AdaLn, condition, (&dmodulation[..], wide), dcondition, &tape.inner);
    }

    /// The matrices that make queries, keys and values, with the columns of `[T, 3D]` that each fills.
    fn attention_matrices(&self, block: usize) -> Vec<(Matrix, Range<usize>)> {
        let d = self.network.config.width as usize;
        let columns = |m: Matrix| match m {
            Matrix::Qkv => Some((m, 0..3 * d)),
            Matrix::Q => Some((m, 0..d)),
            Matrix::K => Some((m, d..2 * d)),
            Matrix::V => Some((m, 2 * d..3 * d)),
            _ => None,
        };
        self.network.blocks[block].iter().filter_map(|(m, _)| columns(*m)).collect()
    }

    /// Softmax attention of each head; `scores` keeps the weights `[H, T, T]`.
    fn attention(&self, qkv: &[f32], scores: &mut Vec<f32>, out: &mut [f32]) {
        let (d, heads) = (self.network.config.width as usize, self.network.config.heads as usize);
        let (t, head) = (out.len() / d, d / heads);
        resize(scores, heads * t * t);
        let part = |which: usize, h: usize| {
            View::new(qkv, 3 * d).columns(which * d + h * head..which * d + (h + 1) * head)
        };
        for (h, scores) in scores.chunks_exact_mut(t * t).enumerate() {
            matmul(part(0, h), part(1, h).t(), ViewMut::new(scores, t), Output::Replace);
            softmax(scores, t, 1.0 / (head as f32).sqrt());
            let out = ViewMut::new(out, d).columns(h * head..(h + 1) * head);
            matmul(View::new(scores, t), part(2, h), out, Output::Replace);
        }
    }

    fn attention_backward(&self, qkv: &[f32], scores: &[f32], dout: &[f32], dqkv: &mut [f32]) {
        let (d, heads) = (self.network.config.width as usize, self.network.config.heads as usize);
        let (t, head) = (dout.len() / d, d / heads);
        let columns = |which: usize, h: usize| which * d + h * head..which * d + (h + 1) * head;
        let mut dscores = vec![0.0; t * t];
        for (h, scores) in scores.chunks_exact(t * t).enumerate() {
            let [q, k, v] = [0, 1, 2].map(|which| View::new(qkv, 3 * d).columns(columns(which, h)));
            let dout = View::new(dout, d).columns(columns(0, h));
            let mut give = |which: usize, a: View<'_>, b: View<'_>| {
                matmul(a, b, ViewMut::new(dqkv, 3 * d).columns(columns(which, h)), Output::Replace);
            };
            matmul(dout, v.t(), ViewMut::new(&mut dscores, t), Output::Replace);
            give(2, View::new(scores, t).t(), dout);
            softmax_backward(scores, &mut dscores, t, 1.0 / (head as f32).sqrt());
            give(0, View::new(&dscores, t), k);
            give(1, View::new(&dscores, t).t(), q);
        }
    }

    /// `x·W + bias` into the given columns of `y`; the inner activations `x·U` go to `inner`.
    fn forward(
        &self,
        block: usize,
        m: Matrix,
        x: &[f32],
        y: &mut [f32],
        columns: Range<usize>,
        inner: &mut HashMap<Matrix, Vec<f32>>,
    ) {
        let linear = self.linear(block, m);
        let (m1, m2) = m.widths(self.network.config.width as usize);
        let t = x.len() / m1;
        let width = y.len() / t;
        debug_assert_eq!(columns.len(), m2);
        let mut y = ViewMut::new(y, width).columns(columns);
        match linear {
            Linear::Dense(dense) => {
                y.fill_rows(&self.learngene[dense.bias.clone()]);
                let weight = View::new(&self.learngene[dense.weight.clone()], m2);
                matmul(View::new(x, m1), weight, y, Output::Add);
            }
            Linear::Factored { bias, .. } => {
                let (c, r, used) = (&self.components[block][&m], self.r(), self.used());
                let inner = inner.entry(m).or_default();
                resize(inner, t * r);
                let h = ViewMut::new(inner, r).columns(0..used);
                matmul(View::new(x, m1), View::new(&c.u, r).columns(0..used), h, Output::Replace);
                y.fill_rows(&self.learngene[bias.clone()]);
                let h = View::new(inner, r).columns(0..used);
                matmul(h, View::new(&c.v, m2).first_rows(used), y, Output::Add);
            }
        }
    }

    /// [`Pass::forward`] backward: `dx` is added to.
    fn backward(
        &mut self,
        block: usize,
        m: Matrix,
        x: &[f32],
        (dy, columns): (&[f32], Range<usize>),
        dx: &mut [f32],
        inner: &HashMap<Matrix, Vec<f32>>,
    ) {
        let network = self.network;
        let (m1, m2) = m.widths(network.config.width as usize);
        let t = x.len() / m1;
        let dy = View::new(dy, dy.len() / t).columns(columns);
        let (r, used) = (self.r(), self.used());
        // With the learngene frozen only the tailor's components get a gradient.
        let start = if self.frozen { network.components().0 } else { 0 };
        let linear = network.blocks[block].iter().find(|(name, _)| *name == m);
        match linear.map(|(_, linear)| linear) {
            Some(Linear::Dense(dense)) => {
                if !self.frozen {
                    dy.add_rows_to(&mut self.gradient[dense.bias.clone()]);
                    let dweight = ViewMut::new(&mut self.gradient[dense.weight.clone()], m2);
                    matmul(View::new(x, m1).t(), dy, dweight, Output::Add);
                }
                let weight = View::new(&self.learngene[dense.weight.clone()], m2);
                matmul(dy, weight.t(), ViewMut::new(dx, m1), Output::Add);
            }
            Some(Linear::Factored { bias, .. }) => {
                let Some(c) = self.components[block].get_mut(&m) else { return };
                if !self.frozen {
                    dy.add_rows_to(&mut self.gradient[bias.clone()]);
                }
                let h = View::new(&inner[&m], r).columns(start..used);
                let dv = ViewMut::new(&mut c.dv[start * m2..], m2).first_rows(used - start);
                matmul(h.t(), dy, dv, Output::Add);
                let mut dh = vec![0.0; t * used];
                let v = View::new(&c.v, m2).first_rows(used);
                matmul(dy, v.t(), ViewMut::new(&mut dh, used), Output::Replace);
                let du = ViewMut::new(&mut c.du, r).columns(start..used);
                matmul(View::new(x, m1).t(), View::new(&dh, used).columns(start..used), du, Output::Add);
                let u = View::new(&c.u, r).columns(0..used);
                matmul(View::new(&dh, used), u.t(), ViewMut::new(dx, m1), Output::Add);
            }
            None => {}
        }
    }

    fn dense_backward(&mut self, dense: &Dense, x: &[f32], dy: &[f32], dx: Option<&mut [f32]>) {
        let m2 = dense.bias.len();
        let m1 = dense.weight.len() / m2;
        if !self.frozen {
            View::new(dy, m2).add_rows_to(&mut self.gradient[dense.bias.clone()]);
            let dweight = ViewMut::new(&mut self.gradient[dense.weight.clone()], m2);
            matmul(View::new(x, m1).t(), View::new(dy, m2), dweight, Output::Add);
        }
        if let Some(dx) = dx {
            let weight = View::new(&self.learngene[dense.weight.clone()], m2);
            matmul(View::new(dy, m2), weight.t(), ViewMut::new(dx, m1), Output::Add);
        }
    }

    fn linear(&self, block: usize, m: Matrix) -> &'a Linear {
        let found = self.network.blocks[block].iter().find(|(name, _)| *name == m);
        &found.unwrap_or_else(|| unreachable!("every block has {m}")).1
    }

    /// Components per factored matrix, learngene and tailor.
    fn r(&self) -> usize {
        let (g, n) = self.network.components();
        g + n
    }

    /// Components in use: the learngene's alone when the gate is off.
    fn used(&self) -> usize {
        let (g, n) = self.network.components();
        if self.own.is_some() { g + n } else { g }
    }
}

impl Dense {
    /// `y = x·W + bias`
    fn forward(&self, parameters: &[f32], x: &[f32], y: &mut [f32]) {
        let m2 = self.bias.len();
        let m1 = self.weight.len() / m2;
        let mut y = ViewMut::new(y, m2);
        y.fill_rows(&parameters[self.bias.clone()]);
        matmul(View::new(x, m1), View::new(&parameters[self.weight.clone()], m2), y, Output::Add);
    }
}

/// Sets the length without caring for the values.
fn resize(values: &mut Vec<f32>, len: usize) {
    values.resize(len, 0.0);
}

/// `out = σ·v`, row by row.
fn scaled(v: &[f32], sigma: &[f32], out: &mut [f32]) {
    let m2 = v.len() / sigma.len();
    for ((v, out), sigma) in v.chunks_exact(m2).zip(out.chunks_exact_mut(m2)).zip(sigma) {
        v.iter().zip(out).for_each(|(v, out)| *out = v * sigma);
    }
}

/// From the gradient by `σ·v` to those by `σ` and by `v`; the former is cleared.
fn unscaled(dv: &mut [f32], parameters: &[f32], place: &Factors, gradient: &mut [f32]) {
    let (sigma, v) = (&parameters[place.sigma.clone()], &parameters[place.v.clone()]);
    let m2 = v.len() / sigma.len();
    for (i, (dv, v)) in dv.chunks_exact_mut(m2).zip(v.chunks_exact(m2)).enumerate() {
        gradient[place.sigma.start + i] = dv.iter().zip(v).map(|(dv, v)| dv * v).sum();
        let to = &mut gradient[place.v.start + i * m2..][..m2];
        to.iter_mut().zip(&mut *dv).for_each(|(to, dv)| *to = *dv * sigma[i]);
        dv.fill(0.0);
    }
}
