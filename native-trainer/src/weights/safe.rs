//! Weights in safetensors.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::tensor::Metadata;

use super::{Place, Reason, Source, Stored, WeightsFile};
use crate::system::files;
use crate::system::float::Float;

/// Bytes of a header, as the format has it.
const MAX_HEADER: u64 = 100 << 20;

pub(super) fn open(path: &Path) -> Result<WeightsFile, Reason> {
    let damaged = |reason: &str| Reason::Damaged(format!("as safetensors it is damaged: {reason}"));
    let mut file = files::open(path)?;
    let length = file.metadata()?.len();
    let mut head = [0; 8];
    file.read_exact(&mut head)?;
    let header_len = u64::from_le_bytes(head);
    if header_len > MAX_HEADER || header_len > length - 8 {
        return Err(damaged("it is shorter than its header says"));
    }
    let mut header = Vec::new();
    (&mut file).take(header_len).read_to_end(&mut header)?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| damaged(&error.to_string()))?;
    if metadata.data_len() as u64 != length - 8 - header_len {
        return Err(damaged("it is shorter or longer than its header says"));
    }
    let mut tensors = BTreeMap::new();
    for (name, info) in metadata.tensors() {
        let float = Float::of(info.dtype);
        let place = Place::At(8 + header_len + info.data_offsets.0 as u64);
        tensors.insert(name, Stored { shape: info.shape.clone(), float, place });
    }
    let metadata = metadata.metadata().clone().unwrap_or_default();
    Ok(WeightsFile { path: path.to_owned(), file: Source::Plain(file), tensors, metadata })
}

/// `length` bytes from `start` on, or as many as there are.
pub(super) fn bytes(file: &mut File, start: u64, length: usize) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
