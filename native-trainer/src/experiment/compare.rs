//! The tables of an experiment: the mean of each figure over the seeds, and how far each arm is from the first, seed by
//! seed, both with the 95 % interval of Student's t distribution.

use std::fmt::Write;

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::results::Outcome;
use crate::system::output::one_line;

/// Figures that a table shows unless told otherwise, as far as the results have them.
pub const USUAL: [&str; 6] =
    ["agreement", "frechet.samples", "learngene_entropy", "loss", "training_seconds", "classifier_accuracy"];

/// A mean and half the width of its 95 % interval, which one value does not have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// Values behind it.
    pub count: usize,
    /// The mean.
    pub mean: f64,
    /// Half of the interval's width.
    pub half_width: Option<f64>,
}

impl Mean {
    /// Of one or more values; none for none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let half_width = (n > 1).then(|| {
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
            t(n - 1) * (variance / n as f64).sqrt()
        });
        Some(Self { count: n, mean, half_width })
    }
}

/// Student's t of `freedom` degrees at which 2.5 % lie above.
fn t(freedom: usize) -> f64 {
    let student = StudentsT::new(0.0, 1.0, freedom as f64);
    student.map_or(f64::NAN, |student| student.inverse_cdf(0.975))
}

/// One arm of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Name of the arm.
    pub arm: String,
    /// Each figure's mean over the seeds.
    pub means: Vec<Option<Mean>>,
    /// Each figure's mean distance from the first arm, over the seeds that both have; none for the first arm.
    pub differences: Vec<Option<Mean>>,
}

/// A table of figures by arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Names of the figures.
    pub figures: Vec<String>,
    /// The arms, in the order of the results.
    pub rows: Vec<Row>,
}

impl Table {
    /// Compares the arms of `outcomes` by those of `figures` that they have, and without any by those of [`USUAL`].
    pub fn of(outcomes: &[Outcome], figures: &[String]) -> Self {
        let known = |name: &&str| outcomes.iter().any(|outcome| outcome.figure(name).is_some());
        let asked: Vec<&str> = match figures {
            [] => USUAL.to_vec(),
            asked => asked.iter().map(String::as_str).collect(),
        };
        let figures: Vec<String> = asked.into_iter().filter(known).map(str::to_owned).collect();
        let mut arms: Vec<&str> = Vec::new();
        for outcome in outcomes {
            if !arms.contains(&outcome.arm.as_str()) {
                arms.push(&outcome.arm);
            }
        }
        // Runs are paired by their seed, and where there are several splits by their images too.
        let values = |arm: &str, figure: &str| -> Vec<((u64, &Option<String>), f64)> {
            let of_arm = outcomes.iter().filter(|outcome| outcome.arm == arm);
            of_arm
                .filter_map(|outcome| Some(((outcome.seed, &outcome.split), outcome.figure(figure)?)))
                .collect()
        };
        let row = |(number, arm): (usize, &&str)| {
            let mean = |figure: &String| {
                Mean::of(&values(arm, figure).into_iter().map(|(_, value)| value).collect::<Vec<_>>())
            };
            let difference = |figure: &String| {
                let first = values(arms[0], figure);
                let with = |(pair, value)| {
                    first.iter().find(|(of_first, _)| *of_first == pair).map(|(_, first)| value - first)
                };
                Mean::of(&values(arm, figure).into_iter().filter_map(with).collect::<Vec<_>>())
                    .filter(|_| number > 0)
            };
            Row {
                arm: (*arm).to_owned(),
                means: figures.iter().map(mean).collect(),
                differences: figures.iter().map(difference).collect(),
            }
        };
        let rows = arms.iter().enumerate().map(row).collect();
        Self { figures, rows }
    }

    /// The two tables in Markdown, the second one only where there is something to compare.
    pub fn to_markdown(&self) -> String {
        if self.figures.is_empty() {
            return "Its results have none of these figures.\n".to_owned();
        }
        let mut out = self.lines("arm", |row| &row.means, false);
        if let [first, _, ..] = &self.rows[..] {
            // Writing into a string cannot fail.
            let _ = write!(
                out,
                "\nDistance from {}, seed by seed:\n\n{}",
                in_markdown(&first.arm),
                self.lines("arm", |row| &row.differences, true)
            );
        }
        out
    }

    fn lines(&self, head: &str, cells: impl Fn(&Row) -> &[Option<Mean>], signed: bool) -> String {
        let names: Vec<String> = self.figures.iter().map(|name| in_markdown(name)).collect();
        let mut out = format!("| {head} | seeds | {} |\n", names.join(" | "));
        out += &format!("|---|---:|{}\n", "---:|".repeat(names.len()));
        for row in self.rows.iter().skip(usize::from(signed)) {
            let cells = cells(row);
            let seeds = cells.iter().flatten().map(|mean| mean.count).max().unwrap_or(0);
            let cells: Vec<String> = cells.iter().map(|mean| cell(mean.as_ref(), signed)).collect();
            out += &format!("| {} | {seeds} | {} |\n", in_markdown(&row.arm), cells.join(" | "));
        }
        out
    }
}

/// A mean with its interval, to as many digits as the interval leaves.
fn cell(mean: Option<&Mean>, signed: bool) -> String {
    let Some(Mean { mean, half_width, .. }) = mean else { return "–".to_owned() };
    let scale = half_width.filter(|half| *half > 0.0).unwrap_or(mean.abs() / 100.0);
    let digits = if scale > 0.0 { (1.0 - scale.log10().floor()).clamp(0.0, 8.0) as usize } else { 0 };
    let number = match signed {
        true => format!("{mean:+.digits$}"),
        false => format!("{mean:.digits$}"),
    };
    half_width.map_or(number.clone(), |half| format!("{number} ± {half:.digits$}"))
}

/// Text as Markdown shows it on a line or in a table, whatever it holds. A line that begins with it may still begin a
/// list.
pub fn in_markdown(text: &str) -> String {
    let text: Vec<char> = one_line(text).chars().collect();
    let mut out = String::with_capacity(text.len());
    for (i, c) in text.iter().enumerate() {
        // Within a word it means nothing.
        let within = |at: Option<&char>| at.is_some_and(|c| c.is_alphanumeric());
        let inner = within(text.get(i.wrapping_sub(1))) && within(text.get(i + 1));
        let means = matches!(c, '\\' | '|' | '[' | ']' | '<' | '>' | '`' | '*' | '~' | '&' | '#');
        if means || (*c == '_' && !inner) {
            out.push('\\');
        }
        out.push(*c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::recipe::Recipe;
    use crate::settings::training::Training;
    use tailor_packs::ModelConfig;

    fn outcome(arm: &str, seed: u64, agreement: f64) -> Outcome {
        Outcome {
            experiment: "e".to_owned(),
            arm: arm.to_owned(),
            seed,
            split: None,
            folder: String::new(),
            steps: 1,
            loss: None,
            training_seconds: None,
            learngene_parameters: 1,
            tailor_parameters: 1,
            recipe: Recipe {
                name: "tiny".to_owned(),
                model: ModelConfig::preset("tiny").unwrap(),
                training: Training::default(),
            },
            adapt: None,
            evaluate: None,
            evaluation: serde_json::json!({ "agreement": agreement, "frechet": { "samples": 1.5 } }),
            engine: None,
            program: String::new(),
        }
    }

    #[test]
    fn a_mean_has_the_interval_of_students_t() {
        // R: t.test(c(1, 2, 4)): 2.3333, interval -1.4612 to 6.1279.
        let mean = Mean::of(&[1.0, 2.0, 4.0]).unwrap();
        assert!((mean.mean - 7.0 / 3.0).abs() < 1e-12);
        assert!((mean.half_width.unwrap() - 3.794_614).abs() < 1e-4, "{mean:?}");
        assert_eq!(Mean::of(&[3.0]).unwrap().half_width, None);
        assert_eq!(Mean::of(&[]), None);
    }

    #[test]
    fn arms_are_compared_with_the_first_seed_by_seed() {
        let outcomes = [
            outcome("usual", 0, 0.5),
            outcome("usual", 1, 0.7),
            outcome("new|one", 1, 0.8),
            outcome("new|one", 0, 0.6),
            outcome("new|one", 2, 0.1),
        ];
        let table = Table::of(&outcomes, &[]);
        assert_eq!(table.figures, ["agreement", "frechet.samples"]);
        let difference = table.rows[1].differences[0].unwrap();
        assert!((difference.mean - 0.1).abs() < 1e-12 && difference.count == 2, "{difference:?}");
        assert!(difference.half_width.unwrap() < 1e-9, "both seeds gain the same");
        assert_eq!((table.rows[0].differences[0], table.rows[1].means[0].unwrap().count), (None, 3));
        let text = table.to_markdown();
        assert!(text.contains("| new\\|one | 2 |") && text.contains("Distance from usual"), "{text}");
    }

    #[test]
    fn runs_of_one_seed_on_other_images_are_another_pair() {
        let on = |split: &str, outcome: Outcome| Outcome { split: Some(split.to_owned()), ..outcome };
        let outcomes = [
            on("a", outcome("usual", 1, 0.5)),
            on("b", outcome("usual", 1, 0.9)),
            on("b", outcome("new", 1, 0.8)),
            on("a", outcome("new", 1, 0.4)),
        ];
        let difference = Table::of(&outcomes, &[]).rows[1].differences[0].unwrap();
        assert!((difference.mean + 0.1).abs() < 1e-12 && difference.half_width.unwrap() < 1e-9);
    }

    #[test]
    fn names_change_nothing_of_a_page() {
        assert_eq!(
            in_markdown("a|b\n# [x](y) <i> *k* `c` \\"),
            "a\\|b\\\\n\\# \\[x\\](y) \\<i\\> \\*k\\* \\`c\\` \\\\"
        );
        assert_eq!(in_markdown("rate 5e-4, null_gate"), "rate 5e-4, null_gate");
        assert_eq!(in_markdown("_it_ ~~g~~ &lt;"), "\\_it\\_ \\~\\~g\\~\\~ \\&lt;");
    }

    #[test]
    fn a_figure_of_papers_is_named_after_what_it_is_of() {
        let mut judged = outcome("usual", 0, 0.5);
        judged.evaluation["figures"] = serde_json::json!([
            { "metric": "entropy", "of": "samples", "value": 0.25 },
            { "metric": "entropy", "of": "real images", "value": 0.5 },
        ]);
        let found = ["samples.entropy", "real-images.entropy", "learngene.entropy", "entropy"];
        assert_eq!(found.map(|name| judged.figure(name)), [Some(0.25), Some(0.5), None, None]);
    }

    #[test]
    fn figures_show_the_digits_that_their_interval_leaves() {
        let shown = |mean, half_width| cell(Some(&Mean { count: 3, mean, half_width }), false);
        assert_eq!(shown(0.98765, Some(0.0123)), "0.988 ± 0.012");
        assert_eq!(shown(1234.5, Some(56.7)), "1234 ± 57");
        assert_eq!(shown(0.5, None), "0.5000");
        assert_eq!(shown(0.0, Some(0.0)), "0 ± 0");
        assert_eq!(cell(None, true), "–");
    }

    #[test]
    fn only_figures_that_there_are_make_a_column() {
        let outcomes = [outcome("usual", 0, 0.5)];
        let table = |asked: &[&str]| {
            let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
            Table::of(&outcomes, &asked)
        };
        assert_eq!(table(&["samples.is", "agreement"]).figures, ["agreement"]);
        assert_eq!(table(&["samples.is"]).to_markdown(), "Its results have none of these figures.\n");
    }
}
