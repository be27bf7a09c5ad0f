use super::{Method, Products, Sizes, Task, Trains};
#[cfg(feature = "graph")]
use {
    super::{Given, Parts, PerMatrix, Random, Values},
    burn::tensor::{Device, Int, Tensor, TensorData},
};

/// OFT (Qiu et al. 2023): `R·W`, where `R` rotates the inputs. `R` has `r` blocks on its diagonal, each by Cayley's rule
/// of a skew-symmetric `Q`: `(I − Q)·(I + Q)⁻¹`, as PEFT has it. `Q` starts
/// at zero.
#[derive(Debug)]
pub(super) struct Oft;

impl Method for Oft {
    fn name(&self) -> &'static str {
        "oft"
    }

    fn about(&self) -> &'static str {
        "R·W, with R a rotation in blocks (OFT, Qiu et al. 2023)"
    }

    fn trains(&self) -> Trains {
        Trains::Matrices
    }

    fn learning_rate(&self, _: u32) -> f64 {
        1e-4
    }

    /// The number of blocks, of which all have one size: of the divisors of the width the nearest to [`blocks`].
    fn rank(&self, task: &Task) -> Option<usize> {
        let wanted = blocks(task) as f64;
        let divisors = (1..=task.width).filter(|r| task.width.is_multiple_of(*r));
        divisors.min_by(|a, b| {
            let far = |r: usize| (r as f64 / wanted).ln().abs();
            far(*a).total_cmp(&far(*b))
        })
    }

    #[cfg(feature = "graph")]
    fn per_matrix(&self) -> Option<&'static dyn PerMatrix> {
        Some(&Oft)
    }

    fn trainable(&self, sizes: &Sizes) -> f64 {
        let r = blocks(&sizes.task) as f64;
        sizes.sum(|m1, _| m1 * (m1 / r - 1.0) / 2.0)
    }

    /// The rotation of each input by a whole matrix, as the paper counts.
    fn products(&self, sizes: &Sizes) -> Products {
        Products { per_token: sizes.sum(|m1, _| m1 * m1), ..Products::default() }
    }
}

/// The blocks that give as many values as LoRA at rank `N_T·c` has, which are those of the paper's Table 7:
/// `⌊7·D / (12·N_T·c)⌋`.
fn blocks(task: &Task) -> usize {
    (7 * task.width / (12 * task.components * task.classes)).max(1)
}

#[cfg(feature = "graph")]
impl PerMatrix for Oft {
    fn refuse(&self, [m1, _]: [usize; 2], rank: usize) -> Option<String> {
        let fits = rank > 0 && m1.is_multiple_of(rank) && m1 / rank > 1;
        (!fits).then(|| format!("the {m1} inputs of a matrix must be so many blocks of 2 or more"))
    }

    fn begin(&self, &Given { weight, rank, .. }: &Given<'_>, _: &mut Random<'_>) -> Parts {
        let side = weight.shape[0] / rank;
        Parts {
            fixed: vec![weight.clone()],
            // The values above the diagonal of each block's Q, row by row.
            trained: vec![Values::full([rank, side * (side - 1) / 2], 0.0)],
        }
    }

    fn weight(&self, fixed: &[Tensor<2>], trained: &[Tensor<2>]) -> Tensor<2> {
        let ([m1, m2], [rank, _]) = (fixed[0].dims(), trained[0].dims());
        let side = m1 / rank;
        let device = trained[0].device();
        let (places, signs) = spread(side, &device);
        let q = (trained[0].clone().select(1, places) * signs).reshape([rank, side, side]);
        let eye = Tensor::<2>::eye(side, &device).unsqueeze::<3>();
        let plus = eye + q;
        let still = plus.clone().detach();
        let inverse = inverses(&still);
        let weight = fixed[0].clone().reshape([rank, side, m2]);
        // (I − Q)·(I + Q)⁻¹ is 2·A⁻¹ − I with A = I + Q. The inverse stands as a constant, and a term that is zero has its
        // gradient: d(A⁻¹·W) = −A⁻¹·dA·A⁻¹·W. No product is as large as one of two rotations would be.
        let turned = inverse.clone().matmul(weight.clone());
        let change = inverse.matmul((still - plus).matmul(turned.clone()));
        ((turned + change) * 2.0 - weight).reshape([m1, m2])
    }
}

/// For each place of a skew-symmetric matrix, row by row, the value above the diagonal that belongs there, and its sign:
/// zero on the diagonal.
#[cfg(feature = "graph")]
fn spread(side: usize, device: &Device) -> (Tensor<1, Int>, Tensor<2>) {
    let (mut places, mut signs) = (vec![0i32; side * side], vec![0.0f32; side * side]);
    let above = (0..side).flat_map(|i| (i + 1..side).map(move |j| (i, j)));
    for (n, (i, j)) in above.enumerate() {
        for (place, sign) in [(i * side + j, 1.0), (j * side + i, -1.0)] {
            (places[place], signs[place]) = (n as i32, sign);
        }
    }
    let places = Tensor::from_data(TensorData::new(places, [side * side]), device);
    (places, Tensor::from_data(TensorData::new(signs, [1, side * side]), device))
}

/// The inverse of each block, computed on the host. With a skew-symmetric `Q`, no singular value of `I + Q` is below 1,
/// so that `f32` is enough.
#[cfg(feature = "graph")]
fn inverses(blocks: &Tensor<3>) -> Tensor<3> {
    use faer::Mat;
    use faer::linalg::solvers::DenseSolveCore;
    let [n, side, _] = blocks.dims();
    let values: Vec<f32> = blocks.to_data().convert::<f32>().try_into_vec().unwrap_or_default();
    let mut inverse = Vec::with_capacity(values.len());
    for block in values.chunks_exact(side * side) {
        let block = Mat::<f32>::from_fn(side, side, |i, j| block[i * side + j]);
        let found = block.partial_piv_lu().inverse();
        inverse.extend((0..side).flat_map(|i| (0..side).map(move |j| (i, j))).map(|(i, j)| found[(i, j)]));
    }
    Tensor::from_data(TensorData::new(inverse, [n, side, side]), &blocks.device())
}
