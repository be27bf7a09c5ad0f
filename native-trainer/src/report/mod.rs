//! A run on one page: an HTML file that needs neither network nor script.
//!
//! The page shows how far a run is, its curves, its samples over time at fixed seeds (Figure 6 of the
//! paper), what comes from the learngene and what from the tailors (Figure 7), and what it was made of.
//! Text is escaped by the template; the page's own policy forbids it to load or to run anything.

pub(crate) mod chart;
mod gather;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use indicatif::HumanCount;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use chart::{Curve, Scale, brief};
pub(crate) use gather::grids;
pub use gather::{inputs, write};

use crate::train::metrics::Metrics;
use crate::train::noted::DataCard;

/// Most grids that are shown.
const GRIDS: usize = 6;

/// Most classes whose counts are shown without being asked for.
const OPEN_CLASSES: usize = 40;

/// Most images left out that are named.
const SKIPPED: usize = 500;

/// Most letters of a class name that stand upright over a column of images.
const UPRIGHT: usize = 3;

const STYLE: &str = include_str!("style.css");

/// What the page may do: show its own images and style. A browser holds it to that.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// Everything the report shows.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Name of the run.
    pub title: String,
    /// Steps made.
    pub step: u64,
    /// Steps planned.
    pub steps: u64,
    /// The lines of `metrics.jsonl`, in their order there; steps that were made twice count as made last.
    pub metrics: Vec<Metrics>,
    /// Samples over time at fixed seeds, oldest first (Figure 6 of the paper).
    pub grids: Vec<Grid>,
    /// With and without tailors for two seeds (Figure 7).
    pub apart: Option<Apart>,
    /// Configuration, name and value; from `batch_size` among them follows the time spent.
    pub settings: Vec<(String, String)>,
    /// What computed the gradients; none where the run does not say.
    pub engine: Option<String>,
    /// Values in the learngene and in one tailor.
    pub parameters: (u64, u64),
    /// What the run learns from.
    pub data: DataCard,
    /// What it runs on, such as "2 cores, cpu, tailor 0.1.0".
    pub machine: String,
}

/// Samples of one moment: a row for each seed, the last for the learngene alone; a column for each class.
#[derive(Clone, Debug)]
pub struct Grid {
    /// Steps made by then.
    pub step: u64,
    /// The picture, a PNG.
    pub png: Vec<u8>,
}

/// The same seeds with tailors and without.
#[derive(Clone, Debug)]
pub struct Apart {
    /// A PNG of four equal rows, seed A with tailors and without, seed B with and without, and one equal
    /// column for each class.
    pub png: Vec<u8>,
    /// Names of the classes, from left to right.
    pub classes: Vec<String>,
}

impl Report {
    /// The page, complete in itself.
    pub fn to_html(&self) -> String {
        let history = self.history();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · training report" }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    (self.head())
                    (self.figures(&history))
                    (curves(&history))
                    (self.samples())
                    @if let Some(apart) = &self.apart { (apart.section()) }
                    (self.configuration())
                    (self.data.section())
                    footer { (self.machine) }
                }
            }
        };
        page.into_string()
    }

    /// The metrics with steps rising: a resumed run makes the steps since its checkpoint once more.
    fn history(&self) -> Vec<&Metrics> {
        let mut history: Vec<&Metrics> = Vec::with_capacity(self.metrics.len());
        for point in &self.metrics {
            while history.pop_if(|earlier| earlier.step >= point.step).is_some() {}
            history.push(point);
        }
        history
    }

    fn head(&self) -> Markup {
        let planned = self.steps.max(self.step).max(1);
        html! {
            header {
                h1 { (self.title) }
                p.note {
                    @if self.step == 0 { "just begun" }
                    @else if self.step >= self.steps { "finished" }
                    @else { "step " (HumanCount(self.step)) " of " (HumanCount(self.steps)) }
                }
                progress value=(self.step) max=(planned) aria-label="progress" {}
            }
        }
    }

    fn figures(&self, history: &[&Metrics]) -> Markup {
        let mut rates: Vec<f64> = history.iter().filter_map(|p| p.images_per_second).collect();
        rates.sort_by(f64::total_cmp);
        let figure = |name: &str, value: &str, note: &str| {
            html! { div { dt { (name) } dd { b { (value) } " " span.note { (note) } } } }
        };
        html! {
            dl.figures {
                (figure("Steps", &HumanCount(self.step).to_string(), &format!("of {}", HumanCount(self.steps))))
                @if let Some(last) = history.last() {
                    (figure("Loss", &brief(last.loss), "last"))
                }
                @if let Some(&rate) = rates.get(rates.len() / 2) {
                    (figure("Images per second", &brief(rate), "median"))
                }
                @if let Some(seconds) = self.seconds(history) {
                    (figure("Time in training", &duration(seconds), "estimated"))
                }
            }
        }
    }

    /// Seconds that the steps of `history` took, if the settings say how many images a step has.
    fn seconds(&self, history: &[&Metrics]) -> Option<f64> {
        let (_, batch) = self.settings.iter().find(|(name, _)| name == "batch_size")?;
        let batch: f64 = batch.parse().ok()?;
        let begun = std::iter::once(0).chain(history.iter().map(|p| p.step));
        let rate = |p: &Metrics| p.images_per_second.filter(|rate| *rate > 0.0);
        let spent =
            begun.zip(history).filter_map(|(from, p)| Some((p.step - from) as f64 * batch / rate(p)?));
        let seconds: f64 = spent.sum();
        (seconds > 0.0).then_some(seconds)
    }

    fn samples(&self) -> Markup {
        html! {
            section {
                h2 { "Samples over time" }
                @if self.grids.is_empty() {
                    p.note { "No samples yet." }
                } @else {
                    p {
                        "The same seeds at each moment. One column is one class, one row one seed; the last row is the
                        learngene alone."
                    }
                    div.grids {
                        @for grid in spread(&self.grids, GRIDS) {
                            figure {
                                (image(&grid.png, &format!("samples at step {}", HumanCount(grid.step))))
                                figcaption { "step " (HumanCount(grid.step)) }
                            }
                        }
                    }
                }
            }
        }
    }

    fn configuration(&self) -> Markup {
        let (learngene, tailor) = self.parameters;
        html! {
            section {
                h2 { "Configuration" }
                dl.settings {
                    div { dt { "learngene" } dd { (HumanCount(learngene)) " values" } }
                    div { dt { "each tailor" } dd { (HumanCount(tailor)) " values" } }
                    @if let Some(engine) = &self.engine { div { dt { "engine" } dd { (engine) } } }
                    @for (name, value) in &self.settings {
                        div { dt { (name) } dd { (value) } }
                    }
                }
            }
        }
    }
}

impl Apart {
    fn section(&self) -> Markup {
        let upright = self.classes.iter().all(|class| class.chars().count() <= UPRIGHT);
        let rows = [("A with", " tailors"), ("A without", ""), ("B with", " tailors"), ("B without", "")];
        html! {
            section {
                h2 { "Taken apart" }
                p {
                    "Two seeds, A and B, each with the tailors and without. What is left without them is the learngene,
                    which all classes share; what a row gains over the one below it is what its tailors know."
                }
                div.apart {
                    div.columns.upright[upright] {
                        @for class in &self.classes { span { (class) } }
                    }
                    div.rows {
                        @for (row, more) in rows { span { (row) span.wide { (more) } } }
                    }
                    (image(&self.png, "samples of two seeds with and without tailors"))
                }
            }
        }
    }
}

impl DataCard {
    fn section(&self) -> Markup {
        let fewest = self.classes.iter().min_by_key(|class| class.1);
        let most = self.classes.iter().max_by_key(|class| class.1);
        html! {
            section {
                h2 { "Data" }
                p {
                    code { (self.path) }
                    @if let Some(split) = &self.split {
                        " with the split " code { (split) }
                    }
                    ": " (many(self.images, "image", "images")) " in "
                    (many(self.classes.len(), "class", "classes"))
                    @if let (Some(fewest), Some(most)) = (fewest, most) {
                        ", from " (HumanCount(fewest.1 as u64)) " (" (fewest.0) ") to "
                        (HumanCount(most.1 as u64)) " (" (most.0) ") in each"
                    }
                    "."
                }
                @if self.classes.len() > OPEN_CLASSES {
                    details { summary { "Images of each class" } (self.bars()) }
                } @else {
                    (self.bars())
                }
                @if !self.skipped.is_empty() {
                    details {
                        summary { (many(self.skipped.len(), "image", "images")) " left out" }
                        ul.skipped {
                            @for (path, reason) in self.skipped.iter().take(SKIPPED) {
                                li { code { (path) } ": " (reason) }
                            }
                            @if self.skipped.len() > SKIPPED {
                                li { "and " (HumanCount((self.skipped.len() - SKIPPED) as u64)) " more" }
                            }
                        }
                    }
                }
            }
        }
    }

    fn bars(&self) -> Markup {
        let most = self.classes.iter().map(|class| class.1).max().unwrap_or(0).max(1);
        html! {
            ul.bars {
                @for (class, images) in &self.classes {
                    li {
                        span { (class) }
                        i style={ "--part:" (format!("{:.4}", *images as f64 / most as f64)) } {}
                        span { (HumanCount(*images as u64)) }
                    }
                }
            }
        }
    }
}

fn curves(history: &[&Metrics]) -> Markup {
    let values = |value: fn(&Metrics) -> Option<f64>| {
        history.iter().filter_map(|p| Some((p.step as f64, value(p)?))).collect()
    };
    let curve = |name, points, scale, smooth| Curve { name, points, scale, smooth }.figure();
    html! {
        section.curves {
            h2 { "Course" }
            @if history.is_empty() {
                p.note { "No measurements yet: the first come a few seconds into the run." }
            }
            (curve("Loss", values(|p| Some(p.loss)), Scale::Fit, true))
            (curve("Learning rate", values(|p| p.learning_rate), Scale::FromZero, false))
            (curve("Images per second", values(|p| p.images_per_second), Scale::FromZero, true))
        }
    }
}

/// A picture that is part of the page.
fn image(png: &[u8], alt: &str) -> Markup {
    html! { img src={ "data:image/png;base64," (STANDARD.encode(png)) } alt=(alt); }
}

/// At most `n` of `all`, evenly spread, the first and the last among them. `n` is at least 2.
fn spread<T>(all: &[T], n: usize) -> impl Iterator<Item = &T> {
    let shown = n.min(all.len());
    (0..shown).map(move |i| &all[i * (all.len() - 1) / (shown - 1).max(1)])
}

fn many(n: usize, one: &str, more: &str) -> String {
    format!("{} {}", HumanCount(n as u64), if n == 1 { one } else { more })
}

/// A span of time to its two largest units.
fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match minutes {
        0..2 => format!("{seconds:.0} s"),
        2..120 => format!("{minutes} min"),
        120..2880 => format!("{} h {} min", minutes / 60, minutes % 60),
        _ => format!("{} d {} h", minutes / 1440, minutes % 1440 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: u64, loss: f64) -> Metrics {
        Metrics { step, loss, images_per_second: Some(80.0), learning_rate: Some(1e-3) }
    }

    /// A run of `grids` grids and 200 measurements.
    fn run(grids: u64) -> Report {
        Report {
            title: "letters".into(),
            step: 2000,
            steps: 4000,
            metrics: (1..=200).map(|i| point(i * 10, 1.0 / i as f64)).collect(),
            grids: (1..=grids).map(|i| Grid { step: i * 100, png: vec![i as u8; 30] }).collect(),
            apart: Some(Apart { png: vec![0; 30], classes: vec!["A".into(), "b".into()] }),
            settings: vec![("batch_size".into(), "32".into()), ("seed".into(), "0".into())],
            engine: Some("processor".into()),
            parameters: (1_200_000, 66_490),
            data: DataCard {
                path: "fonts".into(),
                images: 3,
                classes: vec![("A".into(), 1), ("b".into(), 2)],
                skipped: vec![("A/x.png".into(), "not an image".into())],
                split: Some("letters-pretrain".into()),
                inverted: Some(false),
                sha256: None,
                begun: None,
            },
            machine: "2 cores, cpu".into(),
        }
    }

    fn steps_of_grids(page: &str) -> Vec<&str> {
        page.split("<figcaption>step ").skip(1).map(|part| part.split('<').next().unwrap()).collect()
    }

    #[test]
    fn a_run_that_has_just_begun_has_a_page() {
        let page = Report { title: "new".into(), steps: 100, ..Report::default() }.to_html();
        for said in ["just begun", "No measurements yet", "No samples yet", "0 images in 0 classes."] {
            assert!(page.contains(said), "{said}");
        }
        for absent in ["<polyline", "<img", "Taken apart", "<details", "NaN"] {
            assert!(!page.contains(absent), "{absent}");
        }
    }

    #[test]
    fn what_comes_from_outside_is_escaped() {
        let evil = "<script>alert(\"&\")</script>".to_owned();
        let mut report = run(1);
        report.title.clone_from(&evil);
        report.machine.clone_from(&evil);
        report.settings.push((evil.clone(), evil.clone()));
        report.apart = Some(Apart { png: vec![], classes: vec![evil.clone()] });
        report.data.path.clone_from(&evil);
        report.data.classes = vec![(evil.clone(), 1)];
        report.data.split = Some(evil.clone());
        report.data.skipped = vec![(evil.clone(), evil)];
        let page = report.to_html();
        assert!(!page.contains("<script"));
        // In head and heading, machine, setting and value, column, path, split, fewest, most, bar, skipped and reason.
        assert_eq!(page.matches("&lt;script&gt;alert(&quot;&amp;&quot;)&lt;/script&gt;").count(), 13);
    }

    #[test]
    fn a_page_refers_to_nothing_outside_itself() {
        let page = run(3).to_html();
        for reference in ["http://", "https://", "url(", "@import", "<link", "<script", "href="] {
            assert!(!page.contains(reference), "{reference}");
        }
        assert_eq!(page.matches("src=").count(), page.matches("src=\"data:image/png;base64,").count());
    }

    #[test]
    fn at_most_six_grids_are_embedded_and_the_first_and_the_last_are_among_them() {
        for (grids, steps) in [
            (1, vec!["100"]),
            (2, vec!["100", "200"]),
            (6, vec!["100", "200", "300", "400", "500", "600"]),
            (21, vec!["100", "500", "900", "1,300", "1,700", "2,100"]),
        ] {
            let page = run(grids).to_html();
            assert_eq!(steps_of_grids(&page), steps);
            assert_eq!(page.matches("<img").count(), steps.len() + 1, "with the one taken apart");
        }
    }

    #[test]
    fn each_curve_is_drawn_from_every_measurement() {
        let page = run(0).to_html();
        let lines: Vec<usize> = page
            .split("points=\"")
            .skip(1)
            .map(|part| part.split('"').next().unwrap().split(' ').count())
            .collect();
        // Loss and its mean, learning rate, throughput and its mean.
        assert_eq!(lines, [200; 5]);
    }

    #[test]
    fn a_long_run_makes_no_large_page() {
        let mut report = run(0);
        report.metrics = (1..=100_000).map(|i| point(i, (i as f64).sin() + 2.0)).collect();
        assert!(report.to_html().len() < 150_000);
    }

    #[test]
    fn steps_made_again_after_a_resume_count_once() {
        let mut report = run(0);
        report.metrics =
            [(10, 3.0), (20, 2.0), (30, 1.0), (20, 1.5), (25, 1.2)].map(|(s, l)| point(s, l)).into();
        let losses: Vec<f64> = report.history().iter().map(|p| p.loss).collect();
        assert_eq!(losses, [3.0, 1.5, 1.2]);
    }

    #[test]
    fn the_time_spent_follows_from_throughput_and_batch_size() {
        let mut report = run(0);
        // 2,000 steps of 32 images at 80 images/s.
        assert_eq!(report.seconds(&report.history()), Some(800.0));
        assert!(report.to_html().contains("13 min"));
        report.settings.clear();
        assert!(!report.to_html().contains("Time in training"));
    }

    #[test]
    fn a_duration_has_two_units_at_most() {
        let said = [30.0, 800.0, 15_120.0, 300_000.0].map(duration);
        assert_eq!(said, ["30 s", "13 min", "4 h 12 min", "3 d 11 h"]);
    }

    #[test]
    fn many_classes_wait_until_they_are_asked_for() {
        let mut report = run(0);
        report.data.skipped.clear();
        report.data.classes = vec![("a".into(), 1); OPEN_CLASSES];
        assert!(!report.to_html().contains("<details"));
        report.data.classes.push(("b".into(), 1));
        assert!(report.to_html().contains("<details"));
    }

    #[test]
    fn of_very_many_images_left_out_some_are_named_and_all_are_counted() {
        let mut report = run(0);
        report.data.skipped = vec![("x.png".into(), "too small".into()); SKIPPED + 1200];
        let page = report.to_html();
        assert_eq!(page.matches("too small").count(), SKIPPED);
        assert!(page.contains("1,700 images left out") && page.contains("and 1,200 more"));
    }
}
