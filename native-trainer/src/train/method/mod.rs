//! The methods with which KIND is compared: each adapts one trained network to a whole task (KIND §4, Table 2).
//!
//! A method says, for a matrix `W` of the trained network, what of it trains and which matrix these values stand for.
//! The network itself knows nothing of it: a step computes the weights that the values stand for, lets the engine of
//! the plain network find the gradient by the weights, and pulls that back to the values ([`Adaption`]). What is
//! published is the plain network with the weights as they came to be.
//!
//! Adding a method is a file with an implementation of [`Method`] and a line in [`METHODS`]; `docs/methods.md` adds one.

#[cfg(feature = "graph")]
mod adaption;
mod apart;
mod auto_lg;
mod dora;
mod full;
mod heur_lg;
mod kind;
mod laptop_diff;
mod learngene_lora;
mod loha;
mod lora;
mod no_gate;
mod oft;
#[cfg(feature = "graph")]
mod per_matrix;
mod pissa;
mod start;
#[cfg(feature = "graph")]
mod svd;
mod svd_lora;
mod svdiff;

#[cfg(feature = "graph")]
pub use adaption::{Adaption, UnderWay};

/// What a method makes of a network: there is none without Burn, which differentiates it.
#[cfg(not(feature = "graph"))]
#[derive(Debug)]
pub enum Adaption {}

#[cfg(not(feature = "graph"))]
impl Adaption {
    /// The first values of what trains.
    pub fn first(&self) -> Vec<f32> {
        match *self {}
    }
}
#[cfg(feature = "graph")]
pub use per_matrix::{Given, Parts, PerMatrix, Random, Values};
pub use start::{Keeps, Lesson, Start, Starting, Train, assemble};

use serde::{Deserialize, Serialize};
use tailor_packs::{Digest, FactoredSet, Matrix, ModelConfig};

use crate::error::Error;

/// Every method, in the order of the paper's Table 2, and then the ablations of its Table 4.
pub const METHODS: &[&dyn Method] = &[
    &kind::Kind,
    &full::Full,
    &heur_lg::HeurLg,
    &auto_lg::AutoLg,
    &laptop_diff::LaptopDiff,
    &svdiff::SvDiff,
    &oft::Oft,
    &lora::Lora,
    &pissa::Pissa,
    &loha::Loha,
    &dora::Dora,
    &svd_lora::SvdLora,
    &learngene_lora::LearngeneLora,
    &no_gate::NoGate,
];

/// The method of this name.
pub fn named(name: &str) -> Option<&'static dyn Method> {
    METHODS.iter().find(|method| method.name() == name).copied()
}

/// The names of the methods that adapt a network which comes apart, with `last` before the last one.
pub fn adapting_apart(last: &str) -> String {
    let names: Vec<&str> =
        METHODS.iter().filter(|method| method.wants() == Wants::Apart).map(|method| method.name()).collect();
    match &names[..] {
        [before @ .., only] if !before.is_empty() => format!("{}{last}{only}", before.join(", ")),
        names => names.concat(),
    }
}

/// A way to adapt a trained network to new classes.
pub trait Method: std::fmt::Debug + Sync {
    /// Its name, as it is typed.
    fn name(&self) -> &'static str;

    /// What it trains, in one line for the help.
    fn about(&self) -> &'static str;

    /// What of the network trains.
    fn trains(&self) -> Trains;

    /// The paper's learning rate for it (KIND §6; Table 2), for networks of this width.
    fn learning_rate(&self, width: u32) -> f64;

    /// The paper's size for it (KIND §6; Table 7), where it has one.
    fn rank(&self, _task: &Task) -> Option<usize> {
        None
    }

    /// How many blocks it keeps of the network, where it builds another of them; this number is its size then.
    fn keeps(&self) -> Option<Keeps> {
        None
    }

    /// Whether the network as it is teaches the one that the method builds, with its own labels. Each block of that is
    /// one of [`Start::kept`] then.
    fn is_taught(&self) -> bool {
        false
    }

    /// The config of the network that a run trains and publishes, for a network of the config `base`, the method's size
    /// and a depth that was asked for. It is known before any data is read.
    fn network(&self, base: &ModelConfig, rank: Option<usize>, depth: Option<usize>) -> ModelConfig {
        let Some(keeps) = self.keeps() else { return base.clone() };
        let all = base.depth as usize;
        let kept = rank.unwrap_or_else(|| keeps.of(all));
        let depth = if keeps.fills { depth.unwrap_or(all) } else { kept };
        ModelConfig { depth: depth as u32, ..base.clone() }
    }

    /// Builds the network that a run starts from, of the config [`Method::network`]; none where that is the base as it
    /// is. It is called once, when a run begins, and what it gives is kept in the run's folder: a resumed run does not
    /// ask again. The same seed and data have to give the same.
    ///
    /// # Errors
    /// Whatever keeps the network from being built, in words.
    fn start(&self, _from: &Starting<'_>) -> Result<Option<Start>, Error> {
        Ok(None)
    }

    /// What kind of network it adapts.
    fn wants(&self) -> Wants {
        match self.trains() {
            Trains::Tailors => Wants::Apart,
            Trains::Whole | Trains::Matrices => Wants::Plain,
        }
    }

    /// The matrices of each block that it adapts, where it adapts matrices: those of attention and MLP (KIND §4), unless
    /// that depends on the network, of the config `base`.
    fn matrices(&self, _base: &ModelConfig) -> FactoredSet {
        usual_matrices()
    }

    /// How it adapts matrices, where it does.
    #[cfg(feature = "graph")]
    fn per_matrix(&self) -> Option<&'static dyn PerMatrix> {
        None
    }

    /// Values that train for the matrices of a block, on average over all classes where each has its own.
    fn trainable(&self, sizes: &Sizes) -> f64;

    /// Products of two numbers that a pass of one image takes, beside what the plain network takes.
    fn products(&self, sizes: &Sizes) -> Products;

    /// The same where each image computes with what its own class has alone, if the method can.
    fn gathered(&self, _: &Sizes) -> Option<Products> {
        None
    }
}

/// What of the network trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trains {
    /// A tailor for each class; the learngene stays as it is.
    Tailors,
    /// Every value of the network.
    Whole,
    /// Values beside the matrices of each block.
    Matrices,
}

/// A kind of trained network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// One that comes apart into learngene and tailors.
    Apart,
    /// A plain one.
    Plain,
}

/// The matrices that methods adapt unless they say otherwise. Fused queries, keys and values count as three.
pub(super) fn usual_matrices() -> FactoredSet {
    let six = [Matrix::Q, Matrix::K, Matrix::V, Matrix::O, Matrix::In, Matrix::Out];
    FactoredSet::new(&six).unwrap_or_else(|_| unreachable!("it is one kind of attention"))
}

/// A task to adapt a network to, as far as the paper's sizes depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// Classes.
    pub classes: usize,
    /// Width `D` of the network.
    pub width: usize,
    /// Components `N_T` that KIND gives each class.
    pub components: usize,
    /// Blocks of the network.
    pub depth: usize,
}

impl Task {
    /// A task of so many classes for a network of this config.
    pub fn of(config: &ModelConfig, classes: usize) -> Self {
        let [width, components, depth] =
            [config.width, config.tailor_components, config.depth].map(|n| n as usize);
        Self { classes, width, components, depth }
    }
}

/// What counting depends on.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// The task.
    pub task: Task,
    /// Components `N_G` of KIND's learngene.
    pub learngene: usize,
    /// Tokens of an image.
    pub tokens: usize,
    /// Output width of a feed-forward layer's first matrix and input width of its second.
    pub feed_forward: [usize; 2],
}

/// Products of two numbers in a pass of one image through a block, beside those of the plain network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Products {
    /// For each token.
    pub per_token: f64,
    /// Once for an image: what is computed of the weights alone.
    pub per_image: f64,
    /// Whether the plain network's own products of a block are left out.
    pub instead: bool,
}

impl Sizes {
    /// The sum of something over the input and output widths of the six matrices of a block that the methods adapt: q, k,
    /// v, o, in, out.
    pub(super) fn sum(&self, of: impl Fn(f64, f64) -> f64) -> f64 {
        let d = self.task.width as f64;
        let [inner, outer] = self.feed_forward.map(|width| width as f64);
        4.0 * of(d, d) + of(d, inner) + of(outer, d)
    }

    /// Rank of the methods that the paper gives `N_T·c`.
    pub(super) fn low_rank(&self) -> f64 {
        (self.task.components * self.task.classes) as f64
    }
}

/// Which method adapts a run's network, from which file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodHeader {
    /// The method's name.
    pub name: String,
    /// Its size; none where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// Blocks of the network that it builds, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// The file of the network that the run starts from, which lies in the run's folder.
    pub base: Digest,
    /// The file of the network of which the method has built the one in `base`; none where it is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Digest>,
    /// Matrices of each block that it adapts, where they are not the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrices: Option<FactoredSet>,
    /// Blocks of that network which the method has kept, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Vec<usize>>,
    /// Blocks that it had in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u32>,
    /// The file of the network that teaches, which lies in the run's folder, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<Digest>,
}

impl MethodHeader {
    /// The file that was named as the base.
    pub fn named_base(&self) -> Digest {
        self.from.unwrap_or(self.base)
    }

    /// Which blocks the method has kept, counted from 1, as in `3-12 of 12`; none where it has kept no choice of them.
    pub fn kept_in_words(&self) -> Option<String> {
        let runs = self.kept.as_deref()?.chunk_by(|a, b| a + 1 == *b);
        let words = runs.map(|run| match run {
            [first, .., last] => format!("{}-{}", first + 1, last + 1),
            _ => run.iter().map(|only| (only + 1).to_string()).collect(),
        });
        Some(format!("{} of {}", words.collect::<Vec<_>>().join(", "), self.of?))
    }
}

/// Classes of the paper's 18 tasks of novel classes (KIND, appendix).
pub const PAPER_TASKS: [usize; 18] = [7, 13, 18, 20, 23, 24, 26, 26, 26, 28, 28, 29, 30, 30, 31, 33, 34, 35];

/// One line of the list of methods.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// The method's name.
    pub method: &'static str,
    /// Values that train, on average over the tasks.
    pub trainable_parameters: f64,
    /// Arithmetic of one pass of one image in operations, two for a product and its sum, without attention itself, as
    /// the paper counts.
    pub flops_per_image: f64,
    /// The same where each image computes with its own class's components alone, which the paper does not count; none
    /// where a method has no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gathered_flops_per_image: Option<f64>,
}

/// What each method costs on average over tasks of so many classes, for a network of this config (KIND, Table 2).
pub fn costs(config: &ModelConfig, tasks: &[usize]) -> Vec<Cost> {
    let d = f64::from(config.width);
    let tokens = config.tokens() as f64;
    let plain = ModelConfig { factored: FactoredSet::none(), ..config.clone() };
    let cost = |method: &&'static dyn Method| {
        let mut cost = Cost {
            method: method.name(),
            trainable_parameters: 0.0,
            flops_per_image: 0.0,
            gathered_flops_per_image: None,
        };
        for &classes in tasks {
            let task = Task::of(config, classes);
            let sizes = Sizes {
                task,
                learngene: config.learngene_components as usize,
                tokens: config.tokens(),
                feed_forward: [config.widths(Matrix::In).1, config.widths(Matrix::Out).0],
            };
            let network = method.network(&plain, method.rank(&task), None);
            let depth = f64::from(network.depth);
            let trainable = match method.trains() {
                Trains::Whole => network.learngene_parameters() as f64,
                _ => depth * method.trainable(&sizes),
            };
            // Everything but the six matrices of a block; adaLN and the final layer's run once for an image.
            let outer = tokens * 2.0 * config.patch_values() as f64 * d
                + depth * 6.0 * d * d
                + 3.0 * d * d
                + 256.0 * d;
            let flops = |Products { per_token, per_image, instead }| {
                let own = if instead { 0.0 } else { sizes.sum(|m1, m2| m1 * m2) };
                2.0 * (outer + depth * (tokens * (own + per_token) + per_image)) / tasks.len() as f64
            };
            cost.trainable_parameters += trainable / tasks.len() as f64;
            cost.flops_per_image += flops(method.products(&sizes));
            if let Some(gathered) = method.gathered(&sizes) {
                *cost.gathered_flops_per_image.get_or_insert_default() += flops(gathered);
            }
        }
        cost
    };
    METHODS.iter().map(cost).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::splits::Split;

    #[test]
    fn counts_are_those_of_the_papers_table_2() {
        // Millions of values, 10⁹ operations; the paper counts KIND in its masked form.
        let published = [
            ("dit-b-2", "kind", 12.8, 33.7),
            ("dit-b-2", "full", 129.6, 43.6),
            ("dit-b-2", "heur-lg", 129.6, 43.6),
            ("dit-b-2", "auto-lg", 129.6, 43.6),
            ("dit-b-2", "oft", 14.2, 119.7),
            ("dit-b-2", "lora", 12.8, 50.1),
            ("dit-b-2", "pissa", 12.8, 50.1),
            ("dit-b-2", "loha", 12.7, 87.1),
            ("dit-b-2", "dora", 12.8, 129.5),
            ("dit-l-2", "kind", 45.4, 119.6),
            ("dit-l-2", "full", 456.8, 155.0),
            ("dit-l-2", "heur-lg", 456.8, 155.0),
            ("dit-l-2", "auto-lg", 456.8, 155.0),
            ("dit-l-2", "oft", 50.5, 425.6),
            ("dit-l-2", "lora", 45.3, 178.2),
            ("dit-l-2", "pissa", 45.3, 178.2),
            ("dit-l-2", "loha", 45.3, 309.6),
            ("dit-l-2", "dora", 45.6, 503.0),
        ];
        for (preset, method, parameters, flops) in published {
            let costs = costs(&ModelConfig::preset(preset).unwrap(), &PAPER_TASKS);
            let cost = costs.iter().find(|cost| cost.method == method).unwrap();
            let within = |found: f64, published: f64, part: f64| (found / published - 1.0).abs() <= part;
            assert!(within(cost.trainable_parameters / 1e6, parameters, 0.02), "{preset} {cost:?}");
            assert!(within(cost.flops_per_image / 1e9, flops, 0.05), "{preset} {cost:?}");
        }
        // Gathered, KIND computes 318 + 3 and 424 + 4 components, whatever the task.
        for (preset, flops) in [("dit-b-2", 27.37), ("dit-l-2", 97.26)] {
            let costs = costs(&ModelConfig::preset(preset).unwrap(), &PAPER_TASKS);
            let gathered = |name: &str| {
                costs.iter().find(|cost| cost.method == name).and_then(|cost| cost.gathered_flops_per_image)
            };
            assert!((gathered("kind").unwrap() / 1e9 / flops - 1.0).abs() < 0.001, "{preset}");
            assert_eq!(gathered("full"), None);
        }
        // Table 1 says how large a network is left by Laptop-diff, whose passes nobody has counted.
        for (preset, parameters) in [("dit-b-2", 76.5), ("dit-l-2", 249.2)] {
            let costs = costs(&ModelConfig::preset(preset).unwrap(), &PAPER_TASKS);
            let cost = costs.iter().find(|cost| cost.method == "laptop-diff").unwrap();
            assert!((cost.trainable_parameters / 1e6 / parameters - 1.0).abs() <= 0.02, "{preset} {cost:?}");
        }
        for (preset, parameters) in [("dit-b-2", "0.1"), ("dit-l-2", "0.2")] {
            let costs = costs(&ModelConfig::preset(preset).unwrap(), &PAPER_TASKS);
            let svdiff = costs.iter().find(|cost| cost.method == "svdiff").unwrap();
            assert_eq!(format!("{:.1}", svdiff.trainable_parameters / 1e6), parameters, "{svdiff:?}");
        }
    }

    #[test]
    fn the_papers_tasks_are_those_of_its_splits() {
        let split = |task: usize| Split::open(format!("imagenet-task-{task}").as_ref());
        for (task, classes) in (1..).zip(PAPER_TASKS) {
            assert_eq!(split(task).unwrap().classes.len(), classes, "task {task}");
        }
        assert!(split(PAPER_TASKS.len() + 1).is_err());
    }

    #[test]
    fn the_ablations_train_as_many_values_as_what_they_stand_for() {
        // #1 and #2 train LoRA's, #3 KIND's, and each computes as many components as KIND's masked form.
        for (preset, tasks) in [("dit-b-2", &PAPER_TASKS[..]), ("letters", &[10])] {
            let costs = costs(&ModelConfig::preset(preset).unwrap(), tasks);
            let of = |name: &str| *costs.iter().find(|cost| cost.method == name).unwrap();
            for (ablation, like) in [("svd-lora", "lora"), ("learngene-lora", "lora"), ("no-gate", "kind")] {
                assert_eq!(of(ablation).trainable_parameters, of(like).trainable_parameters, "{ablation}");
                assert_eq!(of(ablation).flops_per_image, of("kind").flops_per_image, "{ablation}");
            }
            // N_T·c·(18 D + 6) for each block of DiT, and what SwiGLU's matrices have beside q, k, v and o.
            let config = ModelConfig::preset(preset).unwrap();
            let classes = tasks.iter().sum::<usize>() as f64 / tasks.len() as f64;
            let ranks = f64::from(config.tailor_components) * classes * f64::from(config.depth);
            let widths = match preset {
                "dit-b-2" => 18.0 * f64::from(config.width),
                _ => 10.0 * 160.0 + 3.0 * 424.0,
            };
            let expected = ranks * (widths + 6.0);
            assert!((of("no-gate").trainable_parameters / expected - 1.0).abs() < 1e-9, "{preset}");
        }
    }

    #[test]
    fn every_method_has_a_name_of_its_own() {
        let mut names: Vec<&str> = METHODS.iter().map(|method| method.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METHODS.len());
        assert!(names.iter().all(|name| named(name).is_some_and(|method| method.name() == *name)));
    }
}
