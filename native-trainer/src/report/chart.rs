//! Curves as inline SVG.
//!
//! The drawing stretches with the page while its labels, which are HTML, keep their size: a curve can be
//! read on a phone and on a wide screen alike, in the colours that the style sheet gives to the page.

use indicatif::HumanFloatCount;
use maud::{Markup, html};

/// Most points of one line: more than that no screen tells apart.
pub(super) const POINTS: usize = 1000;

/// Side of the square in which the drawing is written down, before it is stretched.
const SIDE: f64 = 1000.0;

/// Ratio of largest to smallest value from which a logarithmic axis says more.
const LOG_RATIO: f64 = 10.0;

/// Most labels beside one axis.
const LABELS: usize = 6;

/// How the vertical axis is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Around the values, logarithmic if they range widely.
    Fit,
    /// From zero, so that heights compare.
    FromZero,
}

/// One quantity over the steps of a run.
pub(super) struct Curve<'a> {
    /// What it is, with its unit.
    pub(super) name: &'a str,
    /// `(step, value)`, steps rising; values that are not finite are left out.
    pub(super) points: Vec<(f64, f64)>,
    /// The vertical axis.
    pub(super) scale: Scale,
    /// Whether a moving mean is drawn over the values.
    pub(super) smooth: bool,
}

impl Curve<'_> {
    /// The figure: name, drawing and labels.
    pub(super) fn figure(mut self) -> Markup {
        self.points.retain(|(x, y)| x.is_finite() && y.is_finite());
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else { return html! {} };
        let (low, high) = self
            .points
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| (low.min(p.1), high.max(p.1)));
        let described = format!(
            "{} at step {}: {}; at step {}: {}",
            self.name,
            first.0,
            brief(first.1),
            last.0,
            brief(last.1)
        );
        let x = Axis::within(last.0);
        let y = match self.scale {
            Scale::Fit if low > 0.0 && high / low > LOG_RATIO => Axis::logarithmic(low, high),
            Scale::Fit => Axis::linear(low, high),
            Scale::FromZero => Axis::linear(low.min(0.0), high),
        };
        let polyline = |points: &[(f64, f64)]| {
            // A line of one point would not be seen; from the point to itself it is a dot.
            let dot = points.first().filter(|_| points.len() == 1).copied();
            let points = thin(points).into_iter().chain(dot);
            let points =
                points.map(|(px, py)| format!("{:.1},{:.1}", x.at(px) * SIDE, SIDE - y.at(py) * SIDE));
            points.collect::<Vec<_>>().join(" ")
        };
        // About fifty means side by side along the curve.
        let reach = if self.smooth { self.points.len() / 100 } else { 0 };
        let grid: String =
            y.ticks.iter().map(|&tick| format!("M0 {:.1}H{SIDE}", SIDE - y.at(tick) * SIDE)).collect();
        html! {
            figure.curve {
                figcaption {
                    b { (self.name) }
                    @if y.log { span.note { "logarithmic" } }
                    @if reach > 0 { span.note { "thick: mean of " (2 * reach + 1) } }
                }
                div.plot {
                    div.y aria-hidden="true" {
                        @for &tick in &y.ticks {
                            span style={ "bottom:" (percent(y.at(tick))) } { (y.label(tick)) }
                        }
                    }
                    svg viewBox={ "0 0 " (SIDE) " " (SIDE) } preserveAspectRatio="none" role="img" aria-label=(described) {
                        path d=(grid) {}
                        @if reach > 0 { polyline.raw points=(polyline(&self.points)) {} }
                        polyline points=(polyline(&means(&self.points, reach))) {}
                    }
                    div.x aria-hidden="true" {
                        @for &tick in &x.ticks {
                            span style={ "left:" (percent(x.at(tick))) } { (x.label(tick)) }
                        }
                    }
                }
            }
        }
    }
}

/// One of several quantities in one drawing.
pub(crate) struct Line {
    /// What it is.
    pub(crate) name: String,
    /// `(step, value)`, steps rising.
    pub(crate) points: Vec<(f64, f64)>,
    /// `(step, lowest, highest)` of what the values are the means of.
    pub(crate) band: Vec<(f64, f64, f64)>,
}

/// Colours that people with any colour vision tell apart (Okabe and Ito 2008), each in turn.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// Width and height of a drawing that stands alone, and what its labels take of it.
const SIZE: [f64; 2] = [800.0, 400.0];
const LEFT: f64 = 70.0;
const BELOW: f64 = 45.0;
const KEY: f64 = 20.0;

/// An SVG of its own with several lines over the steps, each named in a line of words above; none where no line has
/// two points that are finite.
pub(crate) fn together(what: &str, mut lines: Vec<Line>) -> Option<String> {
    lines.iter_mut().for_each(|line| {
        line.points.retain(|(x, y)| x.is_finite() && y.is_finite());
        line.band.retain(|(x, low, high)| x.is_finite() && low.is_finite() && high.is_finite());
    });
    lines.retain(|line| line.points.len() > 1);
    let all = || lines.iter().flat_map(|line| &line.points);
    let last = all().map(|p| p.0).reduce(f64::max)?;
    let spread = lines.iter().flat_map(|line| &line.band).flat_map(|band| [band.1, band.2]);
    let (low, high) = all()
        .map(|p| p.1)
        .chain(spread)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
    let x = Axis::within(last);
    let y = match low > 0.0 && high / low > LOG_RATIO {
        true => Axis::logarithmic(low, high),
        false => Axis::linear(low, high),
    };
    let [width, height] = SIZE;
    let top = KEY * (lines.len() + 1) as f64;
    let (across, down) = (width - LEFT - 30.0, height - BELOW);
    let at_x = |value: f64| LEFT + x.at(value) * across;
    let at_y = |value: f64| top + (1.0 - y.at(value)) * down;
    let place = |(px, py): (f64, f64)| format!("{:.1},{:.1}", at_x(px), at_y(py));
    let list = |points: Vec<(f64, f64)>| points.into_iter().map(place).collect::<Vec<_>>().join(" ");
    let drawn = |line: &Line| list(thin(&means(&line.points, line.points.len() / 100)));
    let around = |line: &Line| {
        let above: Vec<_> = line.band.iter().map(|band| (band.0, band.2)).collect();
        let below: Vec<_> = line.band.iter().map(|band| (band.0, band.1)).collect();
        list(thin(&above).into_iter().chain(thin(&below).into_iter().rev()).collect())
    };
    let colour = |number: usize| COLOURS[number % COLOURS.len()];
    // Colours that come again are dashed.
    let dash = |number: usize| if number < COLOURS.len() { "none" } else { "6 4" };
    let bottom = top + down;
    let page = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (width) " " (bottom + BELOW) }
            width=(width) font-family="sans-serif" font-size="13" fill="#202020" {
            title { (what) }
            rect width="100%" height="100%" fill="#ffffff" {}
            @for (number, line) in lines.iter().enumerate() {
                @let middle = KEY * (number as f64 + 0.7);
                line x1=(LEFT) x2=(LEFT + 30.0) y1=(middle) y2=(middle) stroke=(colour(number))
                    stroke-dasharray=(dash(number)) stroke-width="3" {}
                text x=(LEFT + 40.0) y=(middle + 4.0) { (line.name) }
            }
            @for &tick in &y.ticks {
                line x1=(LEFT) x2=(LEFT + across) y1=(at_y(tick)) y2=(at_y(tick)) stroke="#dddddd" {}
                text x=(LEFT - 8.0) y=(at_y(tick) + 4.0) text-anchor="end" { (y.label(tick)) }
            }
            @for &tick in &x.ticks {
                text x=(at_x(tick)) y=(bottom + 18.0) text-anchor="middle" { (x.label(tick)) }
            }
            text x=(LEFT + across / 2.0) y=(bottom + 36.0) text-anchor="middle" { "step" }
            text transform={ "translate(16 " (top + down / 2.0) ") rotate(-90)" } text-anchor="middle" {
                (what) @if y.log { ", logarithmic" }
            }
            @for (number, line) in lines.iter().enumerate() {
                @if !line.band.is_empty() {
                    polygon points=(around(line)) fill=(colour(number)) fill-opacity="0.15" {}
                }
                polyline points=(drawn(line)) fill="none" stroke=(colour(number))
                    stroke-dasharray=(dash(number)) stroke-width="2" stroke-linejoin="round" {}
            }
        }
    };
    Some(page.into_string())
}

/// A range of values, where to label it, and where a value lies in it.
struct Axis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<f64>,
}

impl Axis {
    /// Steps: from zero to exactly `high`, labelled at the round whole numbers between.
    fn within(high: f64) -> Self {
        let high = if high > 0.0 { high } else { 1.0 };
        let mut ticks = round_numbers(0.0, high);
        ticks.retain(|&tick| tick <= high && tick.fract() == 0.0);
        Self { low: 0.0, high, log: false, ticks }
    }

    /// From the round number below `low` to the one above `high`.
    fn linear(low: f64, high: f64) -> Self {
        // A constant has no range of its own.
        let least = (low.abs().max(high.abs()) * 1e-6).max(f64::MIN_POSITIVE * 1e6);
        let (low, high) = if high - low > least { (low, high) } else { constant(low, high) };
        let ticks = round_numbers(low, high);
        let (low, high) = (low.min(ticks[0]), high.max(ticks[ticks.len() - 1]));
        Self { low, high, log: false, ticks }
    }

    /// As [`Axis::linear`] for positive values, where equal ratios are equally far apart.
    fn logarithmic(low: f64, high: f64) -> Self {
        let decades = low.log10().floor() as i32..=high.log10().floor() as i32 + 1;
        let round: Vec<f64> = decades.flat_map(|k| [1.0, 2.0, 5.0].map(|m| scaled(m, k))).collect();
        let below = round.iter().rposition(|&tick| tick <= low).unwrap_or(0);
        let above = round.iter().position(|&tick| tick >= high).unwrap_or(round.len() - 1);
        let mut ticks = round[below..=above.max(below)].to_vec();
        let (low, high) = (ticks[0].min(low), ticks[ticks.len() - 1].max(high));
        if ticks.len() > LABELS {
            let decades: Vec<f64> = round.iter().copied().step_by(3).collect();
            let inside = decades.into_iter().filter(|tick| (low..=high).contains(tick)).collect::<Vec<_>>();
            let every = inside.len().div_ceil(LABELS).max(1);
            ticks = inside.into_iter().step_by(every).collect();
        }
        Self { low, high, log: true, ticks }
    }

    /// A round number, in full; a whole axis of small ones is written the same way.
    fn label(&self, tick: f64) -> String {
        let all_small = !self.log && self.high <= 1e-3;
        match tick.abs() {
            0.0 => "0".to_owned(),
            size if all_small || !(1e-3..1e9).contains(&size) => format!("{tick:e}"),
            size if size >= 1e3 => HumanFloatCount(tick).to_string(),
            _ => tick.to_string(),
        }
    }

    /// Where `value` lies: 0 at the low end, 1 at the high end.
    fn at(&self, value: f64) -> f64 {
        if self.log {
            (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }
}

/// A range that shows a value which does not change.
fn constant(low: f64, high: f64) -> (f64, f64) {
    if high == 0.0 { (0.0, 1.0) } else { (low - low.abs() * 0.5, high + high.abs() * 0.5) }
}

/// Neighbouring multiples of 1, 2 or 5 times a power of ten that enclose `low` to `high`.
fn round_numbers(low: f64, high: f64) -> Vec<f64> {
    let distance = (high - low) / (LABELS - 2) as f64;
    let k = distance.log10().floor() as i32;
    let m = [1.0, 2.0, 5.0].into_iter().find(|&m| scaled(m, k) >= distance);
    let (m, k) = m.map_or((1.0, k + 1), |m| (m, k));
    let first = (low / scaled(m, k)).floor();
    let count = ((high / scaled(m, k)).ceil() - first).clamp(1.0, LABELS as f64) as usize;
    (0..=count).map(|i| scaled((first + i as f64) * m, k)).collect()
}

/// `m · 10ᵏ`, rounded once, so that it prints as the decimal number it is.
fn scaled(m: f64, k: i32) -> f64 {
    if k < 0 { m / 10f64.powi(-k) } else { m * 10f64.powi(k) }
}

/// A measured value, to as many digits as it deserves.
pub(super) fn brief(value: f64) -> String {
    match value.abs() {
        size if size > 0.0 && !(0.01..1e9).contains(&size) => format!("{value:.2e}"),
        size if size < 10.0 => format!("{value:.4}"),
        size if size < 1000.0 => format!("{value:.1}"),
        _ => HumanFloatCount(value.round()).to_string(),
    }
}

/// A fraction as the style sheet's percentage.
fn percent(fraction: f64) -> String {
    format!("{:.2}%", fraction * 100.0)
}

/// The mean of each value and up to `reach` on either side.
///
/// Before the curve's start there is nothing to average and it is steepest there, so the mean narrows
/// towards the first value; at the end it only loses one side, because the end should not be noisy.
pub(super) fn means(points: &[(f64, f64)], reach: usize) -> Vec<(f64, f64)> {
    let mean = |i: usize| {
        let reach = reach.min(i);
        let window = &points[i - reach..=(i + reach).min(points.len() - 1)];
        window.iter().map(|p| p.1).sum::<f64>() / window.len() as f64
    };
    points.iter().enumerate().map(|(i, p)| (p.0, mean(i))).collect()
}

/// At most [`POINTS`] of `points`, among them the first, the last and every stretch's smallest and largest.
pub(super) fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let last = points.len() - 1;
    let inner: Vec<usize> = (1..last).collect();
    let stretches = inner.chunks(inner.len().div_ceil(POINTS / 2 - 1));
    let mut kept = vec![0];
    for stretch in stretches {
        let by_value = |a: &&usize, b: &&usize| points[**a].1.total_cmp(&points[**b].1);
        let ends = [stretch.iter().min_by(by_value), stretch.iter().max_by(by_value)];
        let mut ends: Vec<usize> = ends.into_iter().flatten().copied().collect();
        ends.sort_unstable();
        ends.dedup();
        kept.extend(ends);
    }
    kept.push(last);
    kept.into_iter().map(|i| points[i]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: Vec<(f64, f64)>, scale: Scale, smooth: bool) -> String {
        Curve { name: "loss", points, scale, smooth }.figure().into_string()
    }

    /// How many points each polyline of the page has.
    fn polylines(page: &str) -> Vec<usize> {
        let parts = page.split("<polyline").skip(1);
        let lists = parts.map(|part| part.split("points=\"").nth(1).unwrap().split('"').next().unwrap());
        lists.map(|list| list.split(' ').count()).collect()
    }

    fn noisy(n: usize) -> Vec<(f64, f64)> {
        (0..n).map(|i| (i as f64, 1.0 + (i as f64 * 12.9898).sin() * 0.5)).collect()
    }

    #[test]
    fn a_short_curve_has_one_line_with_every_point() {
        assert_eq!(polylines(&curve(noisy(40), Scale::Fit, true)), [40]);
        assert_eq!(polylines(&curve(noisy(400), Scale::Fit, false)), [400]);
    }

    #[test]
    fn a_longer_curve_has_its_values_and_their_means() {
        assert_eq!(polylines(&curve(noisy(400), Scale::Fit, true)), [400, 400]);
    }

    #[test]
    fn a_huge_curve_is_thinned_and_keeps_its_ends_and_extremes() {
        let mut points = noisy(100_000);
        points[12_345].1 = 9.0;
        points[77_777].1 = -9.0;
        let kept = thin(&points);
        assert!((POINTS / 2..=POINTS).contains(&kept.len()), "{}", kept.len());
        for i in [0, 12_345, 77_777, 99_999] {
            assert!(kept.contains(&points[i]), "point {i}");
        }
        assert!(kept.is_sorted_by(|a, b| a.0 < b.0));
        assert!(polylines(&curve(points, Scale::Fit, true)).iter().all(|&n| n <= POINTS));
    }

    #[test]
    fn just_more_points_than_are_drawn_are_thinned_too() {
        for n in POINTS..POINTS + 3 {
            assert!(thin(&noisy(n)).len() <= POINTS);
        }
    }

    #[test]
    fn a_mean_starts_at_the_first_value_and_takes_in_both_sides() {
        let points: Vec<_> =
            [8.0, 4.0, 0.0, 2.0, 4.0].into_iter().enumerate().map(|(i, y)| (i as f64, y)).collect();
        let means: Vec<f64> = means(&points, 1).iter().map(|p| p.1).collect();
        assert_eq!(means, [8.0, 4.0, 2.0, 2.0, 3.0]);
    }

    #[test]
    fn labels_stand_at_round_numbers_around_the_values() {
        let labels = |axis: Axis| axis.ticks.iter().map(|&tick| axis.label(tick)).collect::<Vec<_>>();
        assert_eq!(labels(Axis::linear(0.0, 0.00031)), ["0", "1e-4", "2e-4", "3e-4", "4e-4"]);
        assert_eq!(labels(Axis::linear(0.0, 0.001)), ["0", "5e-4", "1e-3"]);
        assert_eq!(labels(Axis::linear(0.13, 0.71)), ["0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(labels(Axis::within(3400.0)), ["0", "1,000", "2,000", "3,000"]);
        assert_eq!(labels(Axis::logarithmic(0.07, 1.1)), ["0.05", "0.1", "0.2", "0.5", "1", "2"]);
        assert_eq!(labels(Axis::logarithmic(0.003, 30.0)), ["0.01", "0.1", "1", "10"]);
    }

    #[test]
    fn widely_ranging_values_get_a_logarithmic_axis() {
        let log = |low, scale| curve(vec![(0.0, 1.0), (1.0, low)], scale, false).contains("logarithmic");
        assert!(log(0.09, Scale::Fit));
        assert!(!log(0.11, Scale::Fit));
        assert!(!log(-1.0, Scale::Fit));
        assert!(!log(0.09, Scale::FromZero));
    }

    #[test]
    fn every_finite_curve_lies_within_its_drawing() {
        let extremes = [0.0, -3.0, 1e-300, 1e300, 1.0, 1.0 + f64::EPSILON];
        for low in extremes {
            for high in extremes {
                let page = curve(vec![(0.0, low), (1.0, high), (2.0, f64::NAN)], Scale::Fit, true);
                let drawn = page.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
                for number in drawn.split([' ', ',']).map(|n| n.parse::<f64>().unwrap()) {
                    assert!((0.0..=SIDE).contains(&number), "{low} to {high}: {drawn}");
                }
            }
        }
    }

    #[test]
    fn lines_in_one_drawing_are_named_and_lie_within_it() {
        let line = |name: &str, y: f64| {
            let points: Vec<_> = noisy(30).into_iter().map(|(x, v)| (x, v + y)).collect();
            let band = points.iter().map(|(x, v)| (*x, v - 0.1, v + 0.1)).collect();
            Line { name: name.to_owned(), points, band }
        };
        let page = together("loss", vec![line("usual", 0.0), line("<slow>", 30.0)]).unwrap();
        assert_eq!((polylines(&page).len(), page.matches("<polygon").count()), (2, 2));
        assert!(page.contains("usual") && page.contains("&lt;slow&gt;") && page.contains("logarithmic"));
        for list in page.split(" points=\"").skip(1) {
            for point in list.split('"').next().unwrap().split(' ') {
                let (x, y) = point.split_once(',').unwrap();
                let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                assert!(
                    (LEFT..=SIZE[0]).contains(&x) && (2.0 * KEY..=SIZE[1] + 3.0 * KEY).contains(&y),
                    "{point}"
                );
            }
        }
        let lone = Line { name: "short".to_owned(), points: vec![(1.0, 1.0)], band: Vec::new() };
        assert_eq!(together("loss", vec![lone]), None);
    }

    #[test]
    fn a_curve_without_values_is_left_out() {
        assert_eq!(curve(vec![(0.0, f64::NAN)], Scale::Fit, true), "");
    }
}
