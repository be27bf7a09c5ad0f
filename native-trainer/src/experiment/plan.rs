//! What an experiment compares: one file, from which every run of it follows.
//!
//! ```toml
//! name = "rates"                  # else the file's own name
//! data = "letters"                # folder of class folders, relative to this file
//! split = "letters-pretrain"      # which classes of it: a split by name or file; else all
//! seeds = [0, 1, 2]               # each arm is trained once with each
//! preset = "letters"              # or config = "model.toml"
//!
//! [model]                         # fields that differ from the preset's, for every arm
//! [training]                      # settings that differ from the defaults, for every arm
//! steps = 4000
//!
//! [evaluate]                      # how the galleries are judged; leave it out to train only
//! per_class = 50
//!
//! [[arms]]                        # the first arm is the one with which the others are compared
//! name = "usual"
//!
//! [[arms]]
//! name = "slow"
//! training.learning_rate = 3e-4   # what differs in this arm: model, training, evaluate
//!
//! [[arms]]
//! name = "low rank"
//! method = "lora"                 # a method that adapts, with the gallery of the network that it adapts
//! base = "galleries/plain"
//! rank = 8                        # and depth, where the method builds a network of another one's blocks
//! ```
//!
//! `method`, `base`, `rank` and `depth` may also stand at the top, for every arm. Without a base, `method = "plain"` trains a
//! network that does not come apart.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tailor_packs::{FactoredSet, Feature, Gelu, Norm};

use super::judging::Judging;
use crate::data::splits::Split;
use crate::error::Error;
use crate::gallery::finetune::open as open_base;
use crate::settings::recipe::{ModelChoice, Recipe};
use crate::settings::training::Training;
use crate::system::files::read_limited;
use crate::train::method::MethodHeader;

/// A file of arms is some pages of text; anything larger is another file.
const MAX_FILE: u64 = 1 << 20;

/// Most runs of one experiment: a slip in the file is no plan for a century.
const MAX_RUNS: usize = 10_000;

/// The fields that a model's config leaves out while they have their default: one for each feature.
const OPTIONAL: [&str; Feature::ALL.len()] = [
    "clean_output",
    "few_steps",
    "gelu",
    "learned_variance",
    "norm",
    "qk_norm",
    "rope",
    "separate_attention",
    "swiglu",
];

/// Bytes of a file's name on most disks.
const MAX_FILE_NAME: usize = 255;

/// Several arms, each trained with the same seeds on the same images and judged in the same way.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Name for people.
    pub name: String,
    /// The images.
    pub data: PathBuf,
    /// Which classes of them to use: the name of a split, or its file; none for all.
    pub split: Option<OsString>,
    /// The runs, all seeds of the first arm first.
    pub runs: Vec<Planned>,
}

/// One run of an experiment: an arm with a seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Name of the arm.
    pub arm: String,
    /// Seed of weights, order and noise.
    pub seed: u64,
    /// The split of the images, if there is one: its name, or that of its file.
    pub split: Option<String>,
    /// What is trained, and how.
    pub recipe: Recipe,
    /// The method and the network that it adapts; none for training from the beginning.
    pub adapt: Option<MethodHeader>,
    /// Where that network lies.
    pub base: Option<PathBuf>,
    /// How the gallery is judged; none to train only.
    pub evaluate: Option<Judging>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<String>,
    data: PathBuf,
    split: Option<String>,
    seeds: Vec<u64>,
    preset: Option<String>,
    config: Option<PathBuf>,
    method: Option<String>,
    base: Option<PathBuf>,
    rank: Option<usize>,
    depth: Option<usize>,
    #[serde(default)]
    model: Map<String, Value>,
    #[serde(default)]
    training: Map<String, Value>,
    evaluate: Option<Map<String, Value>>,
    arms: Vec<Arm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arm {
    name: String,
    preset: Option<String>,
    method: Option<String>,
    base: Option<PathBuf>,
    rank: Option<usize>,
    depth: Option<usize>,
    #[serde(default)]
    model: Map<String, Value>,
    #[serde(default)]
    training: Map<String, Value>,
    #[serde(default)]
    evaluate: Map<String, Value>,
}

impl Experiment {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`Error::Read`] when it cannot be read, [`Error::Experiment`] with the arm and the key when it says something
    /// else than an experiment.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = read_limited(path, MAX_FILE)?;
        let invalid = |reason: String| Error::Experiment { path: path.to_owned(), reason, help: None };
        if bytes.len() as u64 > MAX_FILE {
            return Err(invalid(format!("the file of an experiment has at most {MAX_FILE} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|_| invalid("it is not UTF-8 text".to_owned()))?;
        let file: File = toml::from_str(&text).map_err(|e| invalid(e.to_string()))?;
        file.experiment(path).map_err(|error| match error {
            Invalid::Words(reason) => invalid(reason),
            Invalid::Arm(arm, error) => Error::Experiment {
                path: path.to_owned(),
                reason: format!("arm {arm:?}: {error}"),
                help: error.help(),
            },
            Invalid::Split(error) => *error,
        })
    }

    /// The same with other classes of the images: those of a split by its name, or by its file.
    ///
    /// # Errors
    /// [`Error::Split`] when there is no such split.
    pub fn with_split(self, split: &OsStr) -> Result<Self, Error> {
        Split::open(split)?;
        let name = format!("{}, {}", self.name, Path::new(split).display());
        let mut runs = self.runs;
        runs.iter_mut().for_each(|run| run.split = Some(label(split)));
        Ok(Self { name, split: Some(split.to_owned()), runs, ..self })
    }

    /// The names of the arms, in the order of the file.
    pub fn arms(&self) -> Vec<&str> {
        let mut arms: Vec<&str> = self.runs.iter().map(|run| run.arm.as_str()).collect();
        arms.dedup();
        arms
    }
}

/// What is wrong with a file: words about it, an arm's error that has its own, or that of the split.
enum Invalid {
    Words(String),
    Arm(String, Box<Error>),
    Split(Box<Error>),
}

impl File {
    fn experiment(self, path: &Path) -> Result<Experiment, Invalid> {
        let words = |reason: String| Err(Invalid::Words(reason));
        let folder = path.parent().unwrap_or(Path::new("."));
        let stem = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = self.name.clone().unwrap_or_else(stem);
        let seeds: BTreeSet<u64> = self.seeds.iter().copied().collect();
        match (self.seeds.len(), self.arms.len()) {
            (0, _) => return words("seeds names none: give at least one, such as seeds = [0, 1, 2]".into()),
            (_, 0) => return words("there is no arm: give at least one, [[arms]] with a name".into()),
            (n, _) if n != seeds.len() => return words("seeds names one of them twice".into()),
            (s, a) if s.saturating_mul(a) > MAX_RUNS => {
                return words(format!("{a} arms with {s} seeds are more than {MAX_RUNS} runs"));
            }
            _ => {}
        }
        let tables = [("model", Some(&self.model)), ("training", Some(&self.training))];
        for (key, values) in tables.into_iter().chain([("evaluate", self.evaluate.as_ref())]) {
            values.map_or(Ok(()), |values| numbers(key, values)).map_err(Invalid::Words)?;
        }
        let mut slugs = BTreeSet::new();
        let mut runs = Vec::new();
        for arm in &self.arms {
            if !slugs.insert(file_name(&arm.name)) || file_name(&arm.name).is_empty() {
                return words(format!(
                    "an arm is called {:?}: each needs a name of its own, with a letter or digit in it",
                    arm.name
                ));
            }
            let at = |reason: String| Invalid::Words(format!("arm {:?}: {reason}", arm.name));
            let file = |seed: &u64| result_file(&arm.name, *seed).len();
            if let Some(length) = self.seeds.iter().map(file).max().filter(|length| *length > MAX_FILE_NAME) {
                return Err(at(format!(
                    "its results would be a file with a name of {length} bytes, more than {MAX_FILE_NAME}: shorten its name"
                )));
            }
            for (key, values) in
                [("model", &arm.model), ("training", &arm.training), ("evaluate", &arm.evaluate)]
            {
                numbers(key, values).map_err(at)?;
            }
            let (recipe, adapt, base) = self.recipe(arm, folder)?;
            let evaluate = self.evaluate.as_ref().map(|shared| {
                let mut judging: Judging =
                    read("evaluate", &Map::new(), &over(shared, &arm.evaluate), |all| all).map_err(at)?;
                judging.data = judging.data.map(|data| folder.join(data));
                judging.autoencoder = judging.autoencoder.map(|path| folder.join(path));
                judging.features = judging.features.iter().map(|path| folder.join(path)).collect();
                judging.check().map_err(at)?;
                judging.sees(&recipe.model).map_err(at)?;
                judging.averages(&recipe.training).map_err(at)?;
                Ok(judging)
            });
            let evaluate = evaluate.transpose()?;
            if evaluate.is_none() && !arm.evaluate.is_empty() {
                return Err(at("it says how to evaluate, but there is no [evaluate]".to_owned()));
            }
            runs.extend(self.seeds.iter().map(|&seed| {
                let mut recipe = recipe.clone();
                recipe.training.seed = seed;
                Planned {
                    arm: arm.name.clone(),
                    seed,
                    split: self.split.as_deref().map(|split| label(split.as_ref())),
                    recipe,
                    adapt: adapt.clone(),
                    base: base.clone(),
                    evaluate: evaluate.clone(),
                }
            }));
        }
        // A file lies beside this one, a name is no file.
        let is_file = |split: &str| split.ends_with(".toml");
        let split = self.split.as_ref().map(|split| match is_file(split) {
            true => folder.join(split).into_os_string(),
            false => split.into(),
        });
        if let Some(split) = &split {
            Split::open(split).map_err(|error| Invalid::Split(Box::new(error.into())))?;
        }
        Ok(Experiment { name, data: folder.join(&self.data), split, runs })
    }

    /// What an arm trains: the preset, config file or base, then what the file says for all, then what it says for this
    /// arm.
    fn recipe(
        &self,
        arm: &Arm,
        folder: &Path,
    ) -> Result<(Recipe, Option<MethodHeader>, Option<PathBuf>), Invalid> {
        let at = |reason: String| Invalid::Words(format!("arm {:?}: {reason}", arm.name));
        let wrong = |error: Error| Invalid::Arm(arm.name.clone(), Box::new(error));
        let method = arm.method.as_ref().or(self.method.as_ref());
        let base = arm.base.as_ref().or(self.base.as_ref()).map(|base| folder.join(base));
        let own_model = over(&self.model, &arm.model);
        // A preset or config that all share may be meant for those without a base.
        let all = self.base.is_some();
        let set = [
            ("preset", arm.preset.is_some() || all && self.preset.is_some()),
            ("config", all && self.config.is_some()),
            ("model", !own_model.is_empty()),
        ];
        if let Some((key, _)) = set.into_iter().find(|(_, is_set)| *is_set && base.is_some()) {
            return Err(at(format!("{key} is set, but the model of an arm with a base is that of the base")));
        }
        let (rank, depth) = (arm.rank.or(self.rank), arm.depth.or(self.depth));
        let (begin, changes, adapt) = match (&base, method.map(String::as_str)) {
            (Some(base), Some(name)) => {
                let adapt = open_base(name, base, rank, depth).map_err(wrong)?;
                let (name, base) = (name.to_owned(), adapt.base.digest);
                let header = MethodHeader {
                    name,
                    rank,
                    depth,
                    base,
                    from: None,
                    matrices: None,
                    kept: None,
                    of: None,
                    teacher: None,
                };
                (adapt.recipe(), Map::new(), Some(header))
            }
            (Some(_), None) => return Err(at("it has a base but no method that adapts it".to_owned())),
            (None, None | Some("kind" | "plain")) => {
                if let Some(key) = rank.and(Some("rank")).or(depth.and(Some("depth"))) {
                    return Err(at(format!("it has a {key} but no base to adapt")));
                }
                let (mut recipe, changes) = self.begin(arm, folder)?;
                if method.is_some_and(|name| name == "plain") {
                    recipe.model.factored = FactoredSet::none();
                }
                (recipe, changes, None)
            }
            (None, Some(name)) => {
                return Err(at(format!(
                    "method {name:?} adapts a network: give its gallery as base; without one, kind and plain train"
                )));
            }
        };
        let mut recipe = begin;
        let Ok(Value::Object(model)) = serde_json::to_value(&recipe.model) else {
            unreachable!("a model's config is a map")
        };
        recipe.model = read("model", &model, &own_model, said).map_err(at)?;
        // What the whole experiment says an arm may overrule by its model.
        let (is_kind, apart) = (arm.method.as_deref() == Some("kind"), &recipe.model.factored);
        if is_kind && adapt.is_none() && apart.matrices().is_empty() {
            return Err(at(
                "method is \"kind\", and its model comes apart nowhere: say in model.factored which \
                           matrices do"
                    .to_owned(),
            ));
        }
        let changes = over(&over(&changes, &self.training), &arm.training);
        if changes.contains_key("seed") {
            return Err(at("training.seed is set: seeds says which are used".to_owned()));
        }
        // A finished run is published, so one checkpoint is all that resuming needs.
        let defaults = Training { keep: 1, ..recipe.training };
        recipe.training = defaults.with(&changes).map_err(|e| at(format!("training: {e}")))?;
        recipe.name = file_name(&arm.name);
        recipe.model.validate().map_err(|e| at(format!("model: {e}")))?;
        recipe.training.validate().map_err(|e| at(format!("training: {e}")))?;
        recipe.training.suits(&recipe.model).map_err(|e| at(format!("training: {e}")))?;
        // What is said for all arms may concern only some of them.
        Training::concerns(&arm.training, &recipe.model).map_err(|e| at(format!("training: {e}")))?;
        Ok((recipe, adapt, base))
    }

    /// The preset or config file that an arm begins with, and the settings that the config file names.
    fn begin(&self, arm: &Arm, folder: &Path) -> Result<(Recipe, Map<String, Value>), Invalid> {
        let config = self.config.as_ref().map(|config| folder.join(config));
        let (preset, config) = match (&arm.preset, &self.preset, config) {
            (_, Some(_), Some(_)) => {
                return Err(Invalid::Words("preset and config exclude each other".to_owned()));
            }
            (Some(own), _, _) => (Some(own.clone()), None),
            (None, preset, config) => (preset.clone(), config),
        };
        ModelChoice { preset, config }
            .begin(None)
            .map_err(|error| Invalid::Arm(arm.name.clone(), Box::new(error)))
    }
}

/// Refuses infinities, which JSON does not know: a setting would be as if it were not there.
fn numbers(table: &str, values: &Map<String, Value>) -> Result<(), String> {
    let inner = |value: &Value| value.as_array().is_some_and(|values| values.iter().any(Value::is_null));
    match values.iter().find(|(_, value)| value.is_null() || inner(value)) {
        Some((key, _)) => Err(format!("{table}.{key} is inf or nan, must be a finite number")),
        None => Ok(()),
    }
}

/// A split's name, or that of its file.
fn label(split: &OsStr) -> String {
    Path::new(split).file_name().unwrap_or(split).to_string_lossy().into_owned()
}

/// A model's config as it is spelled, which leaves out what holds anyway, so that an arm can turn it off.
fn said(mut model: Map<String, Value>) -> Map<String, Value> {
    let unsaid = [Value::Bool(false), json!(Gelu::default()), json!(Norm::default())];
    model.retain(|field, value| !(OPTIONAL.contains(&field.as_str()) && unsaid.contains(value)));
    model
}

/// Reads `values` in place of or beside those `below`, `spelled` as the table wants it; first one alone after the other, for an error that names it.
fn read<T: DeserializeOwned>(
    table: &str,
    below: &Map<String, Value>,
    values: &Map<String, Value>,
    spelled: impl Fn(Map<String, Value>) -> Map<String, Value>,
) -> Result<T, String> {
    let with =
        |values: &Map<String, Value>| serde_json::from_value(Value::Object(spelled(over(below, values))));
    for (key, value) in values {
        let one = Map::from_iter([(key.clone(), value.clone())]);
        with(&one).map(|_: T| ()).map_err(|error: serde_json::Error| format!("{table}.{key}: {error}"))?;
    }
    with(values).map_err(|error| format!("{table}: {error}"))
}

/// The entries of `below`, with those of `above` in place of or beside them.
fn over(below: &Map<String, Value>, above: &Map<String, Value>) -> Map<String, Value> {
    below.iter().chain(above).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The name of the file with the result of an arm's run.
pub(super) fn result_file(arm: &str, seed: u64) -> String {
    format!("{}-{seed}.json", file_name(arm))
}

/// A name as the part of a file's name.
pub fn file_name(name: &str) -> String {
    slug::slugify(name)
}
