//! The flags for the settings of a training run, made of their table.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use serde_json::Value;

use super::finite;
use crate::settings::training::{Changes, Kind, Setting, Training};

/// The settings of a run that were asked for.
#[derive(Clone, Debug, Default)]
pub struct TrainingFlags(Changes);

impl TrainingFlags {
    /// What was asked for, by name.
    pub fn changes(&self) -> &Changes {
        &self.0
    }
}

/// The flag of a setting.
fn flag(setting: &'static Setting) -> Arg {
    let arg = Arg::new(setting.name).long(setting.name.replace('_', "-")).help(setting.help());
    let arg = match setting.kind {
        Kind::Whole => arg.value_parser(value_parser!(u64)),
        Kind::Size => arg.value_parser(value_parser!(usize)),
        Kind::Number => arg.value_parser(finite::<f64>),
        Kind::YesNo => arg.value_parser(value_parser!(bool)).num_args(0..=1).default_missing_value("true"),
    };
    arg.value_name(setting.value)
}

/// What was given for a setting.
fn given(setting: &Setting, matches: &ArgMatches) -> Option<Value> {
    let name = setting.name;
    match setting.kind {
        Kind::Whole => matches.get_one::<u64>(name).map(|&number| number.into()),
        Kind::Size => matches.get_one::<usize>(name).map(|&number| number.into()),
        Kind::Number => matches.get_one::<f64>(name).map(|&number| number.into()),
        Kind::YesNo => matches.get_one::<bool>(name).map(|&yes| yes.into()),
    }
}

impl Args for TrainingFlags {
    fn augment_args(command: Command) -> Command {
        command.args(Training::SETTINGS.iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TrainingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let given = |setting: &Setting| Some((setting.name.to_owned(), given(setting, matches)?));
        self.0.extend(Training::SETTINGS.iter().filter_map(given));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tailor_packs::ModelConfig;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::error::Error;
    use crate::settings::recipe::Recipe;
    use crate::settings::train::TrainSettings;
    use crate::settings::training::{Training, commented_table};

    fn args(flags: &str) -> TrainSettings {
        let line = format!("tailor train --data d --out run {flags}");
        let matches = Cli::definition().try_get_matches_from(line.split_whitespace()).unwrap();
        match Cli::from_arg_matches(&matches).unwrap().command {
            Command::Train(args) => args.settings(String::new()),
            other => panic!("{other:?}"),
        }
    }

    /// The defaults that the help of a setting shows: of every run, and of one for one class.
    fn shown(help: &str) -> (&str, &str) {
        let (_, shown) = help.rsplit_once("[default: ").unwrap();
        let shown = shown.strip_suffix(']').unwrap();
        shown.split_once("; for one class ").unwrap_or((shown, shown))
    }

    #[test]
    fn the_help_of_every_setting_shows_the_defaults_that_a_run_has() {
        let train = Cli::definition().find_subcommand("train").unwrap().clone();
        let with = |text: String, name: &str| {
            let matches = train.clone().try_get_matches_from([
                "train".to_owned(),
                "--data=d".to_owned(),
                "--out=run".to_owned(),
                format!("--{}={text}", name.replace('_', "-")),
            ]);
            let changes = TrainingFlags::from_arg_matches(&matches.unwrap()).unwrap().0;
            assert_eq!(changes.len(), 1, "{name}");
            Training::default().with(&changes).unwrap()
        };
        let one_class = serde_json::to_value(Training::for_one_class()).unwrap();
        for setting in Training::SETTINGS {
            let flag = train.get_arguments().find(|arg| arg.get_id() == setting.name).unwrap();
            let help = flag.get_help().unwrap().to_string();
            let (all, one) = shown(&help);
            if all == "the whole batch" {
                assert!(Training::default().micro_batch >= 65_536, "no batch is larger");
                continue;
            }
            assert_eq!(with(all.to_owned(), setting.name), Training::default(), "{help}");
            let found = serde_json::to_value(with(one.to_owned(), setting.name)).unwrap();
            assert_eq!(found[setting.name], one_class[setting.name], "{help}");
        }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn tiny() -> String {
        toml::to_string(&ModelConfig::preset("tiny").unwrap()).unwrap()
    }

    #[test]
    fn flags_overrule_the_file_and_the_file_overrules_the_defaults() {
        let file = file(&format!("{}\n[training]\nsteps = 7\nema = 0.5\n", tiny()));
        let recipe = args(&format!("--config {} --steps 9", file.path().display())).recipe(None).unwrap();
        assert_eq!(recipe.model, ModelConfig::preset("tiny").unwrap());
        assert_eq!((recipe.training.steps, recipe.training.ema), (9, 0.5));
        assert_eq!(recipe.training.batch_size, Training::default().batch_size);
    }

    #[test]
    fn the_settings_of_a_printed_config_file_are_the_defaults_and_each_can_be_set() {
        let printed = format!("{}\n{}", tiny(), commented_table().unwrap());
        let recipe = |text: &str| {
            let file = file(text);
            args(&format!("--config {}", file.path().display())).recipe(None)
        };
        assert_eq!(recipe(&printed).unwrap().training, Training::default());
        // A sign without a space behind it stands before what can be set.
        let set = |line: &str| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => rest.to_owned(),
            _ => line.to_owned(),
        };
        let all: Vec<String> = printed.lines().map(set).collect();
        assert_eq!(recipe(&all.join("\n")).unwrap().training, Training::default());
        for setting in Training::SETTINGS {
            let start = format!("{} = ", setting.name);
            let line = all.iter().find(|line| line.starts_with(&start)).unwrap();
            assert!(setting.help().starts_with(line.split_once("# ").unwrap().1), "{line}");
            let wrong = all.join("\n").replace(line, &format!("{start}'text'"));
            assert!(recipe(&wrong).is_err(), "{line}");
        }
    }

    #[test]
    fn a_resumed_run_keeps_its_settings_but_for_the_flags() {
        let stored = args("--preset tiny --batch-size 3 --seed 18446744073709551615").recipe(None).unwrap();
        let resumed = args("--resume --steps 9").recipe(Some(&stored)).unwrap();
        assert_eq!((resumed.training.batch_size, resumed.training.steps), (3, 9));
        assert_eq!((resumed.training.seed, &resumed.model), (u64::MAX, &stored.model));
        assert!(matches!(args("--preset letters").recipe(Some(&stored)), Err(Error::OtherModel(_))));
        assert!(args("--preset tiny").recipe(Some(&stored)).is_ok());
    }

    #[test]
    fn a_run_goes_on_with_what_its_preset_was_when_it_began() {
        let mut stored = args("--preset letters --batch-size 3").recipe(None).unwrap();
        (stored.model.rope, stored.model.swiglu) = (false, false);
        let resumed = args("--preset letters --resume --steps 9").recipe(Some(&stored)).unwrap();
        assert_eq!((resumed.training.batch_size, resumed.training.steps), (3, 9));
        assert_eq!(resumed.model, stored.model);
        stored.model.depth += 1;
        let other = args("--preset letters --resume").recipe(Some(&stored));
        assert!(matches!(other, Err(Error::OtherModel(_))), "a file of the preset's name");
    }

    #[test]
    fn a_recipe_survives_json() {
        let recipe = args("--preset cifar").recipe(None).unwrap();
        let json = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), recipe);
    }

    #[test]
    fn unknown_names_and_impossible_settings_are_refused() {
        assert!(matches!(args("--preset huge").recipe(None), Err(Error::Config(_))));
        assert!(matches!(args("--ema 1").recipe(None), Err(Error::Setting { name: "ema", .. })));
        assert!(matches!(args("--batch-size 0").recipe(None), Err(Error::Setting { .. })));
        assert!(matches!(args("--learning-rate -1").recipe(None), Err(Error::Setting { .. })));
        assert!(matches!(args("--config no.toml").recipe(None), Err(Error::Read { .. })));
        for text in [
            "width = 3".to_owned(),
            "not toml".to_owned(),
            format!("training = 3\n{}", tiny()),
            format!("{}\n[training]\nstep = 7\n", tiny()),
            format!("{}\n[training]\nsteps = 'many'\n", tiny()),
            format!("colour = 3\n{}", tiny()),
        ] {
            let file = file(&text);
            let error = args(&format!("--config {}", file.path().display())).recipe(None).unwrap_err();
            assert!(matches!(error, Error::ConfigFile { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_in_a_config_file_is_said_with_file_and_key() {
        for (text, key) in [
            (format!("{}\n[training]\nsteps = 'many'\n", tiny()), "steps"),
            (format!("{}\n[training]\nema = 2.0\n", tiny()), "ema"),
            (tiny().replace("width = ", "width = 99999"), "width"),
        ] {
            let file = file(&text);
            let path = file.path().display().to_string();
            let error = args(&format!("--config {path}")).recipe(None).unwrap_err().to_string();
            assert!(error.contains(&path) && error.contains(key), "{error}");
        }
        // A flag mends what the file says.
        let file = file(&format!("{}\n[training]\nema = 2.0\n", tiny()));
        let line = format!("--config {} --ema", file.path().display());
        assert!(args(&format!("{line} 0.5")).recipe(None).is_ok());
        let error = args(&format!("{line} 3")).recipe(None).unwrap_err();
        assert!(matches!(error, Error::Setting { name: "ema", .. }), "{error}");
    }

    #[test]
    fn a_huge_number_is_refused_in_a_few_digits_and_no_run_ends_before_it_begins() {
        let error = args("--learning-rate 1e308").recipe(None).unwrap_err().to_string();
        assert!(error.contains("1e308") && error.len() < 80, "{error}");
        let running = args("--max-minutes=-1").running.validate();
        assert!(matches!(running, Err(Error::Setting { name: "max_minutes", .. })));
        args("--max-minutes=0").running.validate().unwrap();
    }
}
