use super::{Method, Products, Sizes, Task, Trains};
#[cfg(feature = "graph")]
use {
    super::{Given, Parts, PerMatrix, Random, Values},
    burn::tensor::{Int, Tensor, TensorData},
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
        let q = skew(&trained[0], side);
        let still = q.clone().detach();
        let inverse = inverses(&still);
        let weight = fixed[0].clone().reshape([rank, side, m2]);
        // (I − Q)·(I + Q)⁻¹ is 2·A⁻¹ − I with A = I + Q. The inverse stands as a constant, and a term that is zero has its
        // gradient: d(A⁻¹·W) = −A⁻¹·dA·A⁻¹·W. No product is as large as one of two rotations would be.
        let turned = inverse.clone().matmul(weight.clone());
        let change = inverse.matmul((still - q).matmul(turned.clone()));
        ((turned + change) * 2.0 - weight).reshape([m1, m2])
    }
}

/// Each block's `Q`, `side` by `side`, from the values above its diagonal, row by row: each value stands at two places,
/// at one of them negated. It is one choice from the values, the negated ones and a zero, so that the few large tensors
/// of a step stay few.
#[cfg(feature = "graph")]
fn skew(above: &Tensor<2>, side: usize) -> Tensor<3> {
    let [blocks, values] = above.dims();
    let device = above.device();
    let mut places = vec![2 * values as i32; side * side];
    let upper = (0..side).flat_map(|i| (i + 1..side).map(move |j| (i, j)));
    for (n, (i, j)) in upper.enumerate() {
        places[i * side + j] = n as i32;
        places[j * side + i] = (values + n) as i32;
    }
    let places = Tensor::<1, Int>::from_data(TensorData::new(places, [side * side]), &device);
    let all = Tensor::cat(vec![above.clone(), above.clone().neg(), Tensor::zeros([blocks, 1], &device)], 1);
    all.select(1, places).reshape([blocks, side, side])
}

/// `(I + Q)⁻¹` of each block, computed on the host, by one thread: matrices are computed side by side. With a
/// skew-symmetric `Q`, no singular value of `I + Q` is below 1, so that `f32` is enough.
#[cfg(feature = "graph")]
fn inverses(q: &Tensor<3>) -> Tensor<3> {
    use faer::dyn_stack::{MemBuffer, MemStack};
    use faer::linalg::lu::partial_pivoting::{factor, inverse};
    use faer::{MatMut, Par};
    let [blocks, side, _] = q.dims();
    let mut values: Vec<f32> = q.to_data().convert::<f32>().try_into_vec().unwrap_or_default();
    let mut factors = vec![0.0; side * side];
    let (mut order, mut places) = (vec![0usize; side], vec![0usize; side]);
    let scratch = factor::lu_in_place_scratch::<usize, f32>(side, side, Par::Seq, Default::default());
    let mut scratch = MemBuffer::new(scratch.or(inverse::inverse_scratch::<usize, f32>(side, Par::Seq)));
    for block in values.chunks_exact_mut(side * side) {
        block.iter_mut().step_by(side + 1).for_each(|diagonal| *diagonal += 1.0);
        factors.copy_from_slice(block);
        // Rows are read as columns: of the transposed matrix the inverse is the transposed inverse.
        let mut lu = MatMut::from_column_major_slice_mut(&mut factors, side, side);
        let stack = MemStack::new(&mut scratch);
        let (_, order) =
            factor::lu_in_place(lu.as_mut(), &mut order, &mut places, Par::Seq, stack, Default::default());
        let out = MatMut::from_column_major_slice_mut(block, side, side);
        inverse::inverse(out, lu.as_ref(), lu.as_ref(), order, Par::Seq, MemStack::new(&mut scratch));
    }
    Tensor::from_data(TensorData::new(values, [blocks, side, side]), &q.device())
}
