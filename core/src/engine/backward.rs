//! The network's gradients, written out by hand.
//!
//! Images of one class follow each other, so that learngene and tailor form one matrix `[m1, N_G +
//! N_T]`, whose last columns are exchanged between classes. Tests compare the gradients with those
//! that Burn's graph finds for the same batch (`native-trainer/tests/engines.rs`), and with finite
//! differences (`core/tests/gradients.rs`).

use std::ops::Range;

use tailor_packs::Matrix;

use super::forward::{BlockTape, Tape};
use super::kernels::{
    Output, View, ViewMut, add, gated_add_backward, matmul, multiply, norm_modulate_backward,
    softmax_backward,
};
use super::layout::{ByMatrix, Dense, Factors, Linear, Network};
use super::loss::{directions, loss};
use super::merged::{Merged, used};
use super::pool::{Components, Gradients, Pool, Sample, Workspace, all_written, lock};
use crate::diffusion::path::{alphas_cumprod, velocity_factor};
use crate::distillation::draw;

impl Network {
    /// Computes the gradients of `factor · Σ (output − target)²` over `samples`; with learned
    /// variance, of what [`crate::diffusion::variance`] adds to it, too. To this a sample with a
    /// teacher adds its [distances](crate::distillation), each times the number of the target's
    /// values. Samples of the same class have to follow each other.
    ///
    /// `tailor` returns the flat parameters of a class. With `frozen`, the learngene gets no
    /// gradient. Buffers and gradients come from `pool`: return the gradients with
    /// [`Pool::give_back`] after use.
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
            pass.put_on(group[0].class.map(&tailor));
            group.iter().for_each(|sample| pass.sample(sample));
            if let Some(class) = group[0].class {
                tailors.push((class, pass.take_off()));
            }
        }
        let Pass { squares, distances, .. } = pass;
        Gradients { squares, distances, learngene: pass.finish(), tailors }
    }

    /// Makes room for every factored matrix.
    fn workspace(&self) -> Workspace {
        let (g, n) = self.components();
        let r = g + n;
        let room = |linear: &Option<Linear>| {
            let Some(Linear::Factored { m1, m2, .. }) = linear else { return None };
            let zeros = |len| vec![0.0; len];
            let (u, v, du, dv) = (zeros(m1 * r), zeros(r * m2), zeros(m1 * r), zeros(r * m2));
            Some(Components { u, v, du, dv })
        };
        let components = self.blocks.iter().map(|block| block.each_ref().map(room)).collect();
        Workspace { components, tape: Tape::default() }
    }
}

/// The state of one thread on its way through its samples.
pub(super) struct Pass<'a> {
    network: &'a Network,
    pool: &'a Pool,
    learngene: &'a [f32],
    own: Option<&'a [f32]>,
    frozen: bool,
    factor: f32,
    squares: f64,
    distances: f64,
    gradient: Vec<f32>,
    own_gradient: Vec<f32>,
    components: Vec<ByMatrix<Components>>,
    pub(super) tape: Tape,
    /// DiT's schedule, for a model with learned variance.
    alphas: Option<Vec<f64>>,
}

impl Network {
    /// Pairs each factored matrix of each block with its components.
    fn factored<'a>(
        &'a self,
        components: &'a mut [ByMatrix<Components>],
    ) -> impl Iterator<Item = (&'a Linear, &'a mut Components)> {
        let both = self.blocks.iter().flatten().zip(components.iter_mut().flatten());
        both.filter_map(|(linear, components)| Some((linear.as_ref()?, components.as_mut()?)))
    }
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        network: &'a Network,
        learngene: &'a [f32],
        frozen: bool,
        factor: f32,
        pool: &'a Pool,
    ) -> Self {
        let (g, n) = network.components();
        let kept = lock(&pool.workspaces).pop();
        let Workspace { mut components, tape } = kept.unwrap_or_else(|| network.workspace());
        for (linear, c) in network.factored(&mut components) {
            let Linear::Factored { m2, learngene: place, .. } = linear else { continue };
            let rows = c.u.chunks_exact_mut(g + n).zip(learngene[place.u.clone()].chunks_exact(g));
            rows.for_each(|(to, from)| to[..g].copy_from_slice(from));
            scaled(&learngene[place.v.clone()], &learngene[place.sigma.clone()], &mut c.v[..g * m2]);
            c.du.fill(0.0);
            c.dv.fill(0.0);
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
            distances: 0.0,
            gradient,
            own_gradient: Vec::new(),
            components,
            tape,
            alphas: network.config.learned_variance.then(alphas_cumprod),
        }
    }

    /// Puts the class's components, if there is a class, beside the learngene's.
    pub(super) fn put_on(&mut self, own: Option<&'a [f32]>) {
        self.own = own;
        let Some(own) = own else { return };
        let (g, n) = self.network.components();
        self.own_gradient = self.pool.take(self.network.tailor_len);
        // The label's row is added to; all other values are replaced when the tailor is taken off.
        self.own_gradient[self.network.label.clone()].fill(0.0);
        for (linear, c) in self.network.factored(&mut self.components) {
            let Linear::Factored { m2, tailor, .. } = linear else { continue };
            let rows = c.u.chunks_exact_mut(g + n).zip(own[tailor.u.clone()].chunks_exact(n));
            rows.for_each(|(to, from)| to[g..].copy_from_slice(from));
            scaled(&own[tailor.v.clone()], &own[tailor.sigma.clone()], &mut c.v[g * m2..]);
        }
    }

    /// Returns the gradient of the class's tailor, and clears the room for the next class.
    pub(super) fn take_off(&mut self) -> Vec<f32> {
        let (Some(own), (g, n)) = (self.own, self.network.components()) else { return Vec::new() };
        let mut gradient = std::mem::take(&mut self.own_gradient);
        for (linear, c) in self.network.factored(&mut self.components) {
            let Linear::Factored { m2, tailor, .. } = linear else { continue };
            let rows = c.du.chunks_exact_mut(g + n).zip(gradient[tailor.u.clone()].chunks_exact_mut(n));
            rows.for_each(|(from, to)| {
                to.copy_from_slice(&from[g..]);
                from[g..].fill(0.0);
            });
            unscaled(&mut c.dv[g * m2..], own, tailor, &mut gradient);
        }
        debug_assert!(all_written(&gradient), "a tensor of the tailor got no gradient");
        gradient
    }

    /// Returns the gradient of the learngene, empty when it is frozen. Gives the buffers back to
    /// the pool.
    pub(super) fn finish(mut self) -> Vec<f32> {
        let (g, n) = self.network.components();
        for (linear, c) in self.network.factored(&mut self.components).filter(|_| !self.frozen) {
            let Linear::Factored { m2, learngene, .. } = linear else { continue };
            let to = self.gradient[learngene.u.clone()].chunks_exact_mut(g);
            to.zip(c.du.chunks_exact(g + n)).for_each(|(to, from)| to.copy_from_slice(&from[..g]));
            unscaled(&mut c.dv[..g * m2], self.learngene, learngene, &mut self.gradient);
        }
        lock(&self.pool.workspaces).push(Workspace { components: self.components, tape: self.tape });
        if self.frozen {
            lock(&self.pool.values).push(self.gradient);
            return Vec::new();
        }
        self.gradient
    }

    pub(super) fn merged(&self, named: bool) -> Merged<'_> {
        let Self { network, learngene, own, ref components, .. } = *self;
        Merged { network, learngene, own, named, components }
    }

    /// Computes the loss of one image and adds its gradients.
    fn sample(&mut self, sample: &Sample<'_>) {
        let network = self.network;
        let d = network.config.width as usize;
        let mut tape = std::mem::take(&mut self.tape);
        tape.keep = sample.teacher.is_some();
        network.forward(&self.merged(sample.named), sample.x, sample.at, &mut tape, true);

        let directs = sample.cosine > 0.0 && self.alphas.is_none();
        let output = (directs || sample.teacher.is_some()).then(|| tape.output.clone());
        loss(network, self.alphas.as_deref(), sample, (self.factor, &mut self.squares), &mut tape.output);
        // A distance is of an image, and not of one of its values.
        let weight = f64::from(self.factor) * network.places.len() as f64;
        if let Some(output) = output {
            if directs {
                self.distances += directions(network, sample, weight, &output, &mut tape.output);
            }
            if let Some(teacher) = sample.teacher {
                self.distances += draw(&output, &teacher.output, weight, &mut tape.output);
            }
        }
        if let Some(factor) = velocity_factor(&network.config, sample.at.t) {
            tape.output.iter_mut().for_each(|gradient| *gradient *= -factor);
        }
        let mut dh = vec![0.0; tape.h.len()];
        self.dense_backward(&network.final_linear, &tape.h, &tape.output, Some(&mut dh));
        let (mut dx, mut dmodulation) = (vec![0.0; dh.len()], vec![0.0; 2 * d]);
        let (dshift, dscale) = dmodulation.split_at_mut(d);
        let scale = &tape.modulation[d..];
        let normal = (&tape.normal[..], &tape.inverse[..]);
        norm_modulate_backward(&mut dh, scale, network.rms(), normal, &mut dx, (dshift, dscale));
        let mut dcondition = vec![0.0; d];
        self.dense_backward(&network.final_adaln, &tape.condition, &dmodulation, Some(&mut dcondition));
        for (block, kept) in tape.blocks.iter_mut().enumerate().rev() {
            if let Some(teacher) = sample.teacher {
                self.distances += draw(&tape.outputs[block], &teacher.blocks[block], weight, &mut dx);
            }
            self.block_backward(block, &tape.condition, &mut dx, &mut dcondition, kept);
        }
        multiply(&mut dcondition, &tape.condition_slope);
        match self.own.filter(|_| sample.named) {
            Some(_) => add(&mut self.own_gradient[network.label.clone()], &dcondition),
            None => add(&mut self.gradient[network.null_label.clone()], &dcondition),
        }
        // Only the learngene has parameters before the blocks.
        if !self.frozen {
            if let Some(row) = network.stride(sample.at.stride) {
                add(&mut self.gradient[row], &dcondition);
            }
            let [first, second] = &network.time;
            let mut da = vec![0.0; d];
            self.dense_backward(second, &tape.time, &dcondition, Some(&mut da));
            multiply(&mut da, &tape.time_slope);
            self.dense_backward(first, &tape.features, &da, None);
            self.dense_backward(&network.patch, &tape.patches, &dx, None);
        }
        self.tape = tape;
    }

    /// Differentiates a block: turns `dx`, the gradient by the block's output, into that by its
    /// input, and adds to `dcondition`.
    fn block_backward(
        &mut self,
        block: usize,
        condition: &[f32],
        dx: &mut [f32],
        dcondition: &mut [f32],
        tape: &mut BlockTape,
    ) {
        let network = self.network;
        let d = network.config.width as usize;
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
        if network.config.swiglu {
            // Each value has two factors, whose slopes lie side by side.
            let mut both = Vec::with_capacity(2 * dhidden.len());
            dhidden.chunks_exact(network.config.hidden()).for_each(|row| {
                both.extend_from_slice(row);
                both.extend_from_slice(row);
            });
            dhidden = both;
        }
        multiply(&mut dhidden, &tape.slope);
        let wide = 0..network.config.widths(Matrix::In).1;
        self.backward(block, Matrix::In, &tape.h[1], (&dhidden[..], wide), &mut dh, &tape.inner);
        let (dshift, dscale) = shift_scale.split_at_mut(d);
        let normal = (&tape.normal[1][..], &tape.inverse[1][..]);
        norm_modulate_backward(&mut dh, part(4), network.rms(), normal, dx, (dshift, dscale));

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
        network.turn(&mut dqkv, true);
        if network.config.qk_norm {
            self.qk_norm_backward(block, &mut dqkv, tape);
        }
        dh.fill(0.0);
        for (m, columns) in network.attention_matrices(block) {
            self.backward(block, m, &tape.h[0], (&dqkv[..], columns), &mut dh, &tape.inner);
        }
        let (dshift, dscale) = shift_scale.split_at_mut(d);
        let normal = (&tape.normal[0][..], &tape.inverse[0][..]);
        norm_modulate_backward(&mut dh, part(1), network.rms(), normal, dx, (dshift, dscale));

        let wide = 0..6 * d;
        self.backward(block, Matrix::AdaLn, condition, (&dmodulation[..], wide), dcondition, &tape.inner);
    }

    /// Turns the gradient by normed queries and keys into that by what they were before.
    fn qk_norm_backward(&mut self, block: usize, dqkv: &mut [f32], tape: &BlockTape) {
        let (d, norms) = (self.network.config.width as usize, &self.network.norms[block]);
        let (head, learngene) = (norms[0].len(), self.learngene);
        let mut dscales = [vec![0.0; head], vec![0.0; head]];
        let (mut dx, mut dshift) = (vec![0.0; d], vec![0.0; head]);
        let rows = dqkv.chunks_exact_mut(3 * d).flat_map(|row| row[..2 * d].chunks_exact_mut(d));
        let normal = tape.qk_normal.chunks_exact(d).zip(tape.qk_inverse.chunks_exact(d / head));
        for ((i, row), normal) in rows.enumerate().zip(normal) {
            dx.fill(0.0);
            let (scale, dscale) = (&learngene[norms[i % 2].clone()], &mut dscales[i % 2]);
            norm_modulate_backward(row, scale, true, normal, &mut dx, (&mut dshift, dscale));
            row.copy_from_slice(&dx);
        }
        for (place, dscale) in norms.iter().zip(&dscales).filter(|_| !self.frozen) {
            add(&mut self.gradient[place.clone()], dscale);
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

    /// Differentiates [`super::forward::Weights::linear`]: adds to `dx` and to the gradients of the matrix.
    fn backward(
        &mut self,
        block: usize,
        m: Matrix,
        x: &[f32],
        (dy, columns): (&[f32], Range<usize>),
        dx: &mut [f32],
        inner: &ByMatrix<Vec<f32>>,
    ) {
        let network = self.network;
        let linear = network.blocks[block][m as usize].as_ref();
        let linear = linear.unwrap_or_else(|| unreachable!("every block has {m}"));
        let (m1, m2) = network.config.widths(m);
        let t = x.len() / m1;
        let dy = View::new(dy, dy.len() / t).columns(columns);
        let (r, used) = (self.r(), self.used());
        // With the learngene frozen only the tailor's components get a gradient.
        let start = if self.frozen { network.components().0 } else { 0 };
        match linear {
            Linear::Dense(dense) => {
                if !self.frozen {
                    dy.add_rows_to(&mut self.gradient[dense.bias.clone()]);
                    let dweight = ViewMut::new(&mut self.gradient[dense.weight.clone()], m2);
                    matmul(View::new(x, m1).t(), dy, dweight, Output::Add);
                }
                let weight = View::new(&self.learngene[dense.weight.clone()], m2);
                matmul(dy, weight.t(), ViewMut::new(dx, m1), Output::Add);
            }
            Linear::Factored { bias, .. } => {
                let c = self.components[block][m as usize].as_mut();
                let c = c.unwrap_or_else(|| unreachable!("made for every factored matrix"));
                let inner = inner[m as usize].as_deref().unwrap_or_default();
                if !self.frozen {
                    dy.add_rows_to(&mut self.gradient[bias.clone()]);
                }
                let h = View::new(inner, r).columns(start..used);
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

    /// Returns the number of components of each factored matrix, learngene and tailor together.
    fn r(&self) -> usize {
        let (g, n) = self.network.components();
        g + n
    }

    /// Returns the number of components in use: the learngene's alone when the gate is off.
    fn used(&self) -> usize {
        used(self.network, self.own)
    }
}

/// Writes `out = σ·v`, row by row.
fn scaled(v: &[f32], sigma: &[f32], out: &mut [f32]) {
    let m2 = v.len() / sigma.len();
    for ((v, out), sigma) in v.chunks_exact(m2).zip(out.chunks_exact_mut(m2)).zip(sigma) {
        v.iter().zip(out).for_each(|(v, out)| *out = v * sigma);
    }
}

/// Turns `dv`, the gradient by `σ·v`, into the gradients by `σ` and by `v`, and clears it.
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
