//! The settings of a training run: one table, of which everything that is known of a setting is made.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tailor_core::diffusion::shortcut;
use tailor_core::engine::adamw::AdamW;
use tailor_packs::{Learngene, ModelConfig};

use crate::error::Error;

/// Settings by name that overrule others, from a config file or a command line.
pub type Changes = Map<String, Value>;

/// What is known of a setting beside its value.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in config files and checkpoints, and with hyphens as a flag.
    pub name: &'static str,
    /// What it is.
    help: &'static str,
    /// What stands for its value in the help.
    pub value: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// The default in words, where its value says nothing.
    shown: Option<&'static str>,
    /// Its value in a run's settings.
    text: fn(&Training) -> String,
}

impl Setting {
    /// What it is, and its defaults.
    pub fn help(&self) -> String {
        let (all, one) = ((self.text)(&Training::default()), (self.text)(&Training::for_one_class()));
        let default = self.shown.unwrap_or(&all);
        let differs = if one == all { String::new() } else { format!("; for one class {one}") };
        format!("{} [default: {default}{differs}]", self.help)
    }

    /// The setting of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Training::SETTINGS.iter().find(|setting| setting.name == name)
    }
}

/// What the values of a setting are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number of 64 bits.
    Whole,
    /// A number of things in memory.
    Size,
    /// A number.
    Number,
    /// Yes or no.
    YesNo,
}

/// A type of which settings are.
trait Typed {
    const KIND: Kind;
}

impl Typed for u64 {
    const KIND: Kind = Kind::Whole;
}

impl Typed for usize {
    const KIND: Kind = Kind::Size;
}

impl Typed for f64 {
    const KIND: Kind = Kind::Number;
}

impl Typed for bool {
    const KIND: Kind = Kind::YesNo;
}

/// Makes [`Training`] of the table below: a setting's name, type, help, what stands for its value, default, default
/// for one class where that differs, and range where there is one.
macro_rules! settings {
    ($($(#[$more:meta])* $name:ident: $type:ty {
        help: $help:literal,
        value: $value:literal,
        default: $default:expr,
        $(shown: $shown:literal,)?
        $(for_one_class: $one:expr,)?
        $(range: $allowed:literal if $fits:expr,)?
    })*) => {
        /// The settings of a training run.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Training {
            $(#[doc = concat!($help, ".")] $(#[$more])* pub $name: $type,)*
        }

        impl Default for Training {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Training {
            /// What is known of each setting, in the order of the help.
            pub const SETTINGS: &[Setting] = &[$(Setting {
                name: stringify!($name),
                help: $help,
                value: $value,
                kind: <$type as Typed>::KIND,
                shown: settings!(@or $($shown)?),
                text: |training| training.$name.to_string(),
            },)*];

            /// The settings of a run that learns one tailor, unless told otherwise. The rate is the paper's for novel
            /// classes; no label is dropped, since the learngene learns nothing here.
            pub fn for_one_class() -> Self {
                Self { $($($name: $one,)?)* ..Self::default() }
            }

            /// Refuses settings with which no run can go well.
            ///
            /// # Errors
            /// [`Error::Setting`] with the first that is out of range.
            pub fn validate(&self) -> Result<(), Error> {
                $($(
                    let fits: fn($type) -> bool = $fits;
                    if !fits(self.$name) {
                        let (name, found) = (stringify!($name), short(&self.$name));
                        return Err(Error::Setting { name, found, allowed: $allowed });
                    }
                )?)*
                Ok(())
            }
        }
    };
    (@or) => { None };
    (@or $given:literal) => { Some($given) };
}

settings! {
    steps: u64 {
        help: "Optimiser steps in all",
        value: "N",
        default: 20_000,
        for_one_class: 1500,
        range: "1 or more" if |n| n > 0,
    }
    batch_size: usize {
        help: "Images of one step",
        value: "B",
        default: 64,
        for_one_class: 16,
        range: "1 to 65536" if |n| (1..=65_536).contains(&n),
    }
    learning_rate: f64 {
        help: "Peak learning rate of AdamW",
        value: "RATE",
        default: 1e-3,
        range: "above 0 and at most 1" if |rate| rate > 0.0 && rate <= 1.0,
    }
    /// PyTorch's is 0.999, which is slower to notice that gradients have become smaller.
    beta2: f64 {
        help: "Decay of AdamW's second moments",
        value: "DECAY",
        default: AdamW::default().beta2,
        range: "0 or more and less than 1" if |decay| (0.0..1.0).contains(&decay),
    }
    /// It rises from zero.
    warmup: u64 {
        help: "Steps over which the learning rate rises",
        value: "N",
        default: 200,
        for_one_class: 50,
    }
    /// It is the learning rate that falls.
    cooldown_fraction: f64 {
        help: "Last part of the run over which it falls to zero",
        value: "FRACTION",
        default: 0.3,
        range: "0 to 1" if is_fraction,
    }
    /// Its class is dropped, so that the learngene learns to stand alone.
    label_dropout: f64 {
        help: "Chance that an image trains the learngene alone",
        value: "CHANCE",
        default: 0.1,
        for_one_class: 0.0,
        range: "0 to 1" if is_fraction,
    }
    /// Then sample with `--guide unnamed`. It has an effect only with some label_dropout, and is not for a model with
    /// few_steps.
    null_gate: bool {
        help: "Leave the tailor on where a label is dropped, so that no image trains the learngene alone",
        value: "BOOL",
        default: false,
    }
    /// Not for models with learned variance.
    cosine: f64 {
        help: "Weight of the angle between prediction and target beside the squared error, which alone is shown",
        value: "WEIGHT",
        default: 0.0,
        range: "0 to 100" if |weight| (0.0..=100.0).contains(&weight),
    }
    /// For models with factored matrices.
    orthogonality: f64 {
        help: "Weight of the mean squared cosine between a model's components, beside the squared error",
        value: "WEIGHT",
        default: 0.0,
        range: "0 to 100" if |weight| (0.0..=100.0).contains(&weight),
    }
    /// For a model with few_steps.
    shortcut_share: f64 {
        help: "Share of the images that learn large steps, for a model with few_steps",
        value: "SHARE",
        default: shortcut::SHARE,
        range: "0 to 0.9" if |share| (0.0..=0.9).contains(&share),
    }
    /// For a model with few_steps, which then needs no guidance to sample.
    shortcut_guidance: f64 {
        help: "Scale of the guidance that large steps learn, 1 for none; a taught class takes its learngene's",
        value: "W",
        default: shortcut::GUIDANCE,
        range: "0 to 100" if |scale| (0.0..=100.0).contains(&scale),
    }
    ema: f64 {
        help: "Decay of the weights' moving average",
        value: "DECAY",
        default: 0.999,
        for_one_class: 0.99,
        range: "above 0 and less than 1" if |decay| decay > 0.0 && decay < 1.0,
    }
    seed: u64 {
        help: "Seed of weights, order, noise and dropout",
        value: "SEED",
        default: 0,
    }
    /// Larger gradients are scaled down to it.
    clip: f64 {
        help: "Largest norm of the gradient, 0 for no limit",
        value: "NORM",
        default: 1.0,
        range: "0 or more" if |norm| norm >= 0.0,
    }
    micro_batch: usize {
        help: "Images on a GPU at a time, their gradients added up",
        value: "B",
        default: 65_536,
        shown: "the whole batch",
        range: "1 or more" if |n| n > 0,
    }
    flip: bool {
        help: "Mirror images left to right at random; not for letters",
        value: "BOOL",
        default: false,
    }
    balanced: bool {
        help: "Let classes take turns, however many images each has",
        value: "BOOL",
        default: false,
    }
    log_every: u64 {
        help: "Steps between lines of metrics.jsonl",
        value: "N",
        default: 20,
        range: "1 or more" if |n| n > 0,
    }
    checkpoint_every: u64 {
        help: "Steps between checkpoints",
        value: "N",
        default: 500,
        range: "1 or more" if |n| n > 0,
    }
    keep: usize {
        help: "Checkpoints to keep, the newest",
        value: "N",
        default: 3,
        range: "1 or more" if |n| n > 0,
    }
    sample_every: u64 {
        help: "Steps between sample grids, 0 for none",
        value: "N",
        default: 1000,
        for_one_class: 500,
    }
}

/// A value as text, a number of hundreds of digits with its exponent instead.
fn short(value: &(impl ToString + std::fmt::Debug)) -> String {
    let (plain, exact) = (value.to_string(), format!("{value:?}"));
    if exact.len() < plain.len() { exact } else { plain }
}

fn is_fraction(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}

impl Training {
    /// The settings of a run that learns the tailors of so many classes, unless told otherwise: those for one class, with
    /// more images in a step and more steps, so that each class is shown as many images as it would be alone, and its
    /// average spans as many of them.
    pub fn for_classes(classes: usize) -> Self {
        let (one, classes) = (Self::for_one_class(), classes.max(1));
        let together = one.batch_size.saturating_mul(classes);
        let batch_size = together.min(Self::default().batch_size);
        let steps = one.steps.saturating_mul(together as u64).div_ceil(batch_size as u64);
        let ema = 1.0 - (1.0 - one.ema) * batch_size as f64 / together as f64;
        Self { steps, batch_size, ema, ..one }
    }

    /// The same, with the guidance in large steps that this learngene's own were taught, where its card says so.
    pub fn led_as(self, learngene: &Learngene) -> Self {
        let few_steps = learngene.manifest.config.few_steps;
        let taught = learngene.card.number("shortcut_guidance").filter(|_| few_steps);
        Self { shortcut_guidance: taught.unwrap_or(self.shortcut_guidance), ..self }
    }

    /// Refuses what is not defined for a model of this config.
    ///
    /// # Errors
    /// [`Error::Refused`] for `cosine` beside learned variance, for `orthogonality` and `null_gate` without components,
    /// for `null_gate` beside large steps, which are led away from the learngene alone, and for labels of which all are
    /// dropped, or none beside `null_gate`.
    pub fn suits(&self, model: &ModelConfig) -> Result<(), Error> {
        let refuse = |what: String, help: &str| Err(Error::Refused { what, help: help.to_owned() });
        let Self { cosine, label_dropout, orthogonality, .. } = *self;
        let plain = model.factored.matrices().is_empty();
        if cosine > 0.0 && model.learned_variance {
            let what = format!("cosine is {cosine}, which is not defined for a model with learned_variance");
            return refuse(what, "leave one of the two out");
        }
        if self.null_gate && (model.few_steps || plain) {
            let what = if model.few_steps { "a model with few_steps" } else { "a plain model" };
            return refuse(format!("null_gate is true, which is not defined for {what}"), "leave it out");
        }
        if self.null_gate && label_dropout == 0.0 {
            let what = "null_gate is true, and label_dropout 0: it acts where labels are dropped".to_owned();
            return refuse(what, "leave it out, or let some labels drop, such as 0.1 of them");
        }
        if label_dropout == 1.0 {
            let what = "label_dropout is 1, which drops all labels: no class would learn anything".to_owned();
            return refuse(what, "choose one below 1, such as 0.1");
        }
        if orthogonality > 0.0 && plain {
            let what = format!(
                "orthogonality is {orthogonality}, and this model has no components that could be kept apart"
            );
            return refuse(what, "leave it out, or choose a model with factored matrices");
        }
        Ok(())
    }

    /// Refuses changes to settings that a model of this config does not have; a file may name their defaults.
    ///
    /// # Errors
    /// [`Error::Refused`] with the first.
    pub fn concerns(changes: &Changes, model: &ModelConfig) -> Result<(), Error> {
        let defaults = as_map(&Self::default()).unwrap_or_default();
        let foreign = |name: &str| name.starts_with("shortcut_") && !model.few_steps;
        match changes.iter().find(|(name, value)| foreign(name) && defaults.get(*name) != Some(*value)) {
            Some((name, _)) => Err(Error::Refused {
                what: format!("{name} is for a model with few_steps, which this one does not have"),
                help: "leave it out, or set few_steps = true in the config of the model".to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// In words, the settings by which a run goes on otherwise than it did `before`. How long it goes on, and what it
    /// writes on the way, is not among them.
    pub fn changed(&self, before: &Self) -> Vec<String> {
        let outer = ["steps", "log_every", "checkpoint_every", "keep", "sample_every"];
        let settings = Self::SETTINGS.iter().filter(|setting| !outer.contains(&setting.name));
        let values = settings.map(|setting| (setting.name, (setting.text)(self), (setting.text)(before)));
        let changed = values.filter(|(_, now, before)| now != before);
        changed.map(|(name, now, before)| format!("{name} is {now}, before it was {before}")).collect()
    }

    /// These settings overruled by `changes`.
    ///
    /// # Errors
    /// What serde says of a name that is no setting, or a value of another kind.
    pub fn with(&self, changes: &Changes) -> Result<Self, serde_json::Error> {
        for (name, value) in changes.iter().filter(|(name, _)| Setting::named(name).is_some()) {
            // One at a time, for an error that names it.
            let one = Changes::from_iter([(name.clone(), value.clone())]);
            let refused = |error| serde::de::Error::custom(format!("{name}: {error}"));
            if value.is_null() {
                // TOML's infinities, which JSON does not know.
                return Err(serde::de::Error::custom(format!(
                    "{name} is inf or nan, must be a finite number"
                )));
            }
            serde_json::from_value::<Self>(Value::Object(one)).map_err(|e: serde_json::Error| refused(e))?;
        }
        let mut layers = as_map(self)?;
        // Both are maps of the same keys, so the later one simply wins.
        layers.extend(changes.clone());
        serde_json::from_value(Value::Object(layers))
    }
}

/// The `[training]` table of a config file: every setting with its default and what it is, commented out.
///
/// # Errors
/// What TOML says of a value that it cannot hold.
pub fn commented_table() -> Result<String, toml::ser::Error> {
    let mut out =
        "# Defaults: to change one, remove its # too. A flag overrules this file.\n[training]\n".to_owned();
    for line in toml::to_string(&Training::default())?.lines() {
        let setting = line.split(' ').next().and_then(Setting::named);
        let help = setting.map(|setting| format!("  # {}", setting.help)).unwrap_or_default();
        out += &format!("#{line}{help}\n");
    }
    Ok(out)
}

fn as_map(settings: &Training) -> Result<Changes, serde_json::Error> {
    match serde_json::to_value(settings)? {
        Value::Object(map) => Ok(map),
        _ => Ok(Map::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_setting_that_a_checkpoint_keeps_and_no_other() {
        let mut names: Vec<&str> = Training::SETTINGS.iter().map(|setting| setting.name).collect();
        names.sort_unstable();
        let mut kept: Vec<String> =
            as_map(&Training::default()).unwrap().into_iter().map(|(k, _)| k).collect();
        kept.sort_unstable();
        assert_eq!(names, kept);
    }

    #[test]
    fn settings_are_named_by_which_a_run_goes_on_otherwise() {
        let before = Training::default();
        let now = Training { batch_size: 8, steps: 9, keep: 7, ..before.clone() };
        let words = format!("batch_size is 8, before it was {}", before.batch_size);
        assert_eq!(now.changed(&before), [words]);
    }

    #[test]
    fn the_defaults_are_in_their_ranges() {
        Training::default().validate().unwrap();
        Training::for_one_class().validate().unwrap();
        Training::for_classes(100_000).validate().unwrap();
    }

    #[test]
    fn each_of_many_classes_is_shown_as_many_images_as_one_alone() {
        assert_eq!(Training::for_classes(1), Training::for_one_class());
        let one = Training::for_one_class();
        let images = one.steps as f64 * one.batch_size as f64;
        for classes in [2, 4, 5, 24, 461] {
            let many = Training::for_classes(classes);
            assert!(many.batch_size <= 64, "{classes}");
            let each = many.steps as f64 * many.batch_size as f64 / classes as f64;
            assert!((each / images - 1.0).abs() < 0.001, "{classes}: {each}");
            // So many of its images make up most of the average.
            let spanned = |t: &Training| t.batch_size as f64 / (1.0 - t.ema);
            let each = spanned(&many) / classes as f64;
            assert!((each / spanned(&one) - 1.0).abs() < 1e-6, "{classes}: {each}");
        }
    }

    #[test]
    fn a_setting_out_of_its_range_is_refused_by_its_name() {
        let refused = |name: &'static str, value: f64| {
            let kind = Setting::named(name).unwrap().kind;
            let value = if kind == Kind::Number { value.into() } else { (value as u64).into() };
            let changes = Changes::from_iter([(name.to_owned(), value)]);
            let refusal = Training::default().with(&changes).unwrap().validate().unwrap_err();
            matches!(refusal, Error::Setting { name: found, .. } if found == name)
        };
        for name in ["steps", "batch_size", "micro_batch", "log_every", "checkpoint_every", "keep", "ema"] {
            assert!(refused(name, 0.0), "{name}");
        }
        for name in ["learning_rate", "cooldown_fraction", "label_dropout", "ema", "shortcut_share"] {
            assert!(refused(name, 1.5), "{name}");
        }
        assert!(refused("clip", -1.0) && refused("batch_size", 65_537.0));
    }
}
