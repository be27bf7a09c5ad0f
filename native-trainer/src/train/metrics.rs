//! What a run leaves for people and programs to watch: `metrics.jsonl`, one object a line, and event files
//! for TensorBoard in `tensorboard/`.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::checkpoint::Losses;
use crate::error::Error;
use crate::system::clock::since_1970;
use crate::system::files::{WriteError, create_folder, read_limited, write_atomic};

/// One line of `RUN/metrics.jsonl`: means since the line before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Steps made.
    pub step: u64,
    /// Mean squared error.
    pub loss: f64,
    /// Images trained on per second; none where only a checkpoint remembers the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images_per_second: Option<f64>,
    /// Learning rate of the last step; none where only a checkpoint remembers the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
}

/// The metrics of the run in `run`; lines that are none are passed over.
///
/// # Errors
/// [`Error::Read`] when the file is there and cannot be read.
pub fn read(run: &Path) -> Result<Vec<Metrics>, Error> {
    let path = path(run);
    match read_limited(&path, u64::MAX) {
        Ok(bytes) => {
            // A line that is no text is passed over as any other that is none.
            let lines = bytes.split(|&byte| byte == b'\n');
            Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
        }
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Where they stand in the folder of the run in `run`.
pub(crate) fn path(run: &Path) -> PathBuf {
    run.join("metrics.jsonl")
}

/// Appends metrics to both.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    lines: File,
    events_path: PathBuf,
    events: File,
}

impl Writer {
    /// Opens the files of a run that goes on from `step`: what was written after that step is taken back,
    /// and lines that are lost come again from the checkpoint's `losses`.
    ///
    /// # Errors
    /// [`Error::Read`] or [`Error::Write`] names the file.
    pub fn open(run: &Path, step: u64, losses: &Losses) -> Result<Self, Error> {
        let remembered = losses
            .means()
            .map(|(step, loss)| (step, Metrics { step, loss, images_per_second: None, learning_rate: None }));
        let mut all: BTreeMap<u64, Metrics> = remembered.collect();
        all.extend(read(run)?.into_iter().map(|metrics| (metrics.step, metrics)));
        let mut kept = Vec::new();
        all.values().filter(|metrics| metrics.step <= step).for_each(|metrics| line(metrics, &mut kept));
        let path = path(run);
        write_atomic(&path, &kept)?;
        let append = |path: &Path| {
            let file = OpenOptions::new().create(true).append(true).open(path);
            file.map_err(|source| WriteError { path: path.to_owned(), source })
        };
        let folder = run.join("tensorboard");
        create_folder(&folder)?;
        let events_path = folder.join(format!("events.out.tfevents.{:010}.tailor", since_1970().as_secs()));
        let mut writer = Self { lines: append(&path)?, events: append(&events_path)?, path, events_path };
        writer.event(step, &events::version())?;
        // TensorBoard then forgets what an earlier file says of this step and later ones.
        writer.event(step + 1, &events::session_start())?;
        Ok(writer)
    }

    /// Adds one line, and one event for each figure.
    ///
    /// # Errors
    /// [`Error::Write`] names the file.
    pub fn write(&mut self, metrics: &Metrics) -> Result<(), Error> {
        let mut bytes = Vec::new();
        line(metrics, &mut bytes);
        let written = self.lines.write_all(&bytes);
        written.map_err(|source| WriteError { path: self.path.clone(), source })?;
        let figures = [
            ("loss", Some(metrics.loss)),
            ("images_per_second", metrics.images_per_second),
            ("learning_rate", metrics.learning_rate),
        ];
        let figures: Vec<_> =
            figures.into_iter().filter_map(|(name, figure)| Some((name, figure?))).collect();
        self.event(metrics.step, &events::scalars(&figures))
    }

    fn event(&mut self, step: u64, what: &[u8]) -> Result<(), Error> {
        let record = events::record(since_1970().as_secs_f64(), step, what);
        let written = self.events.write_all(&record);
        Ok(written.map_err(|source| WriteError { path: self.events_path.clone(), source })?)
    }
}

fn line(metrics: &Metrics, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, metrics).unwrap_or_else(|_| unreachable!("numbers into memory"));
    out.push(b'\n');
}

/// TensorBoard's event files: TFRecords of protocol buffers (`tensorflow/core/util/event.proto` and
/// `core/lib/io/record_writer.h`), as far as scalars need them.
mod events {
    const LENGTH: u64 = 2;

    /// The first event of a file.
    pub(super) fn version() -> Vec<u8> {
        bytes(3, b"brain.Event:2")
    }

    /// Says that the run goes on from this step.
    pub(super) fn session_start() -> Vec<u8> {
        bytes(7, &[1 << 3, 1])
    }

    /// A summary of named figures.
    pub(super) fn scalars(figures: &[(&str, f64)]) -> Vec<u8> {
        let value = |(tag, figure): &(&str, f64)| {
            let simple_value = [&[2 << 3 | 5][..], &(*figure as f32).to_le_bytes()].concat();
            bytes(1, &[bytes(1, tag.as_bytes()), simple_value].concat())
        };
        bytes(5, &figures.iter().flat_map(value).collect::<Vec<u8>>())
    }

    /// An event with time and step, as a record with its checksums.
    pub(super) fn record(seconds: f64, step: u64, what: &[u8]) -> Vec<u8> {
        let mut event = [&[1 << 3 | 1][..], &seconds.to_le_bytes()].concat();
        // Zero is what a field that is not there means.
        if step > 0 {
            event.push(2 << 3);
            varint(step, &mut event);
        }
        event.extend(what);
        let length = (event.len() as u64).to_le_bytes();
        [&length[..], &checksum(&length), &event, &checksum(&event)].concat()
    }

    fn checksum(bytes: &[u8]) -> [u8; 4] {
        let crc = crc32c::crc32c(bytes);
        // "Masked", since a checksum over bytes that hold checksums is weak.
        crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
    }

    fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        varint(field << 3 | LENGTH, &mut out);
        varint(content.len() as u64, &mut out);
        out.extend(content);
        out
    }

    fn varint(mut value: u64, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_record_is_byte_for_byte_what_tensorboard_writes() {
            // Made by `tests/reference/make_events.py` with tensorboard 2.20.0.
            let expected = include_bytes!("../../tests/fixtures/events.bin");
            let figures = [("loss", 0.25), ("learning_rate", 0.001)];
            let found = [record(1.5e9, 0, &version()), record(1.5e9, 300, &scalars(&figures))];
            assert!(found.concat() == expected, "{:?}", found.concat());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_goes_on_takes_back_what_it_will_write_again() {
        let run = tempfile::tempdir().unwrap();
        let (images_per_second, learning_rate) = (Some(9.0), Some(1e-3));
        let metrics = |step| Metrics { step, loss: 0.5, images_per_second, learning_rate };
        let mut losses = Losses::default();
        let mut writer = Writer::open(run.path(), 0, &losses).unwrap();
        [20, 40, 60].iter().for_each(|step| writer.write(&metrics(*step)).unwrap());
        // A byte that no text has, and a line during which the power went.
        writer.lines.write_all(b"{\"step\": 8\xff}\n{\"step\": 8").unwrap();
        for step in 1..=40 {
            let _ = losses.add(step, 0.5, step % 20 == 0);
        }
        let mut writer = Writer::open(run.path(), 40, &losses).unwrap();
        writer.write(&metrics(60)).unwrap();
        assert_eq!(read(run.path()).unwrap(), [20, 40, 60].map(metrics));
        // The file is gone; the checkpoint remembers its losses.
        std::fs::remove_file(path(run.path())).unwrap();
        Writer::open(run.path(), 40, &losses).unwrap();
        let remembered = |step| Metrics { step, loss: 0.5, images_per_second: None, learning_rate: None };
        assert_eq!(read(run.path()).unwrap(), [20, 40].map(remembered));
    }
}
