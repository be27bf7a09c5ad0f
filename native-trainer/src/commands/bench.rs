//! `tailor bench`: how fast a model trains here.

use crate::cli::BenchArgs;
use crate::error::Error;
use crate::system::output::{json, print};
use crate::train::bench::{Measured, measure};

/// Runs `tailor bench`, on random images.
///
/// # Errors
/// A model or device that cannot be had.
pub fn run(args: &BenchArgs) -> Result<(), Error> {
    let report = measure(&args.settings()?)?;
    Ok(print(&if args.json { json(&report) } else { in_words(&report) })?)
}

fn in_words(report: &Measured) -> String {
    let Measured { images_per_second: rate, step_ms: step, .. } = report;
    let memory =
        report.peak_memory.map_or(String::new(), |bytes| format!("peak memory {} MB\n", bytes / 1_000_000));
    let decoded = report
        .decoded_images_per_second
        .map_or(String::new(), |rate| format!("the loader decodes {rate:.0} images/s\n"));
    let full = report.beside_full.map_or(String::new(), |(full, times)| {
        format!("that is {times:.2} times a step of full fine-tuning, of {:.1} ms\n", full.median)
    });
    format!(
        "{:.0} images/s ({:.0} to {:.0}); a step of {} images takes {:.1} ms\n{full}\
         {decoded}\
         the loader draws {:.0} images/s ahead\n\
         {:.2} GFLOP an image, {:.3} TFLOP/s\n{memory}",
        rate.median,
        rate.min,
        rate.max,
        report.batch_size,
        step.median,
        report.loader_images_per_second,
        report.gflop_per_image,
        report.tflops,
    )
}
