//! The matrices with which a batch's gradients and features are found.

use tailor_packs::Matrix;

use super::forward::{Outer, Weights, resize};
use super::kernels::{Output, View, ViewMut, matmul};
use super::layout::{ByMatrix, Dense, Linear, Network};
use super::pool::Components;

/// The matrices of a pass: the learngene's dense ones, and the factored ones with the components of
/// learngene and class side by side.
pub(super) struct Merged<'a> {
    pub(super) network: &'a Network,
    pub(super) learngene: &'a [f32],
    pub(super) own: Option<&'a [f32]>,
    /// Whether the label is that of the class.
    pub(super) named: bool,
    pub(super) components: &'a [ByMatrix<Components>],
}

/// Returns the number of components in use: the learngene's alone when the gate is off.
pub(super) fn used(network: &Network, own: Option<&[f32]>) -> usize {
    let (g, n) = network.components();
    if own.is_some() { g + n } else { g }
}

impl Weights for Merged<'_> {
    fn outer(&self, which: Outer, x: &[f32], y: &mut [f32]) {
        let network = self.network;
        let dense = match which {
            Outer::Patch => &network.patch,
            Outer::Time0 => &network.time[0],
            Outer::Time1 => &network.time[1],
            Outer::FinalAdaLn => &network.final_adaln,
            Outer::FinalLinear => &network.final_linear,
        };
        self.dense(dense, x, ViewMut::new(y, dense.m2));
    }

    fn linear(&self, block: usize, m: Matrix, x: &[f32], y: ViewMut<'_>, inner: &mut Vec<f32>) {
        let linear = self.network.blocks[block][m as usize].as_ref();
        match linear.unwrap_or_else(|| unreachable!("every block has {m}")) {
            Linear::Dense(dense) => self.dense(dense, x, y),
            Linear::Factored { m1, m2, bias, .. } => {
                let c = self.components[block][m as usize].as_ref();
                let c = c.unwrap_or_else(|| unreachable!("made for every factored matrix"));
                let (g, n) = self.network.components();
                let (r, used) = (g + n, used(self.network, self.own));
                resize(inner, x.len() / m1 * r);
                let h = ViewMut::new(inner, r).columns(0..used);
                matmul(View::new(x, *m1), View::new(&c.u, r).columns(0..used), h, Output::Replace);
                let bias = Output::Bias(&self.learngene[bias.clone()]);
                let h = View::new(inner, r).columns(0..used);
                matmul(h, View::new(&c.v, *m2).first_rows(used), y, bias);
            }
        }
    }

    fn label(&self) -> &[f32] {
        match self.own.filter(|_| self.named) {
            Some(own) => &own[self.network.label.clone()],
            None => &self.learngene[self.network.null_label.clone()],
        }
    }

    fn stride(&self, stride: usize) -> Option<&[f32]> {
        self.network.stride(stride).map(|row| &self.learngene[row])
    }

    fn norms(&self, block: usize) -> [&[f32]; 2] {
        self.network.norms[block].each_ref().map(|place| &self.learngene[place.clone()])
    }
}

impl Merged<'_> {
    fn dense(&self, dense: &Dense, x: &[f32], y: ViewMut<'_>) {
        let (weight, bias) = dense.of(self.learngene);
        matmul(View::new(x, dense.m1), View::new(weight, dense.m2), y, Output::Bias(bias));
    }
}
