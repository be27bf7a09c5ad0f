//! The tensors of a pack. In memory they are f32. On disk they are safetensors, with f16 for
//! matrices and f32 for vectors unless the pack gives other number formats.
//!
//! ```text
//! u64 length of the JSON │ JSON: name → dtype, shape, offsets │ f32 tensors │ f16 tensors │ i8 tensors
//! ```
//!
//! The config and the number formats imply every byte before the values. So the reader builds that
//! header and compares it with the file's. It parses a header only when it differs, to say what is
//! wrong.

mod header;
mod int8;

use super::archive::TENSORS;
use super::parallel;
use super::specs::TensorSpec;
use super::types::{DataType, Storage};
use crate::error::{PackError, Result, shorten};
use half::f16;
use half::slice::HalfFloatSliceExt;
use header::{Layout, Part, invalid, label, width};
use safetensors::tensor::Dtype;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

pub(crate) use header::count;

/// Named tensors in f32, row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensors(BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl Tensors {
    /// Makes an empty set of tensors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tensor, or replaces the one with that name.
    ///
    /// # Errors
    /// [`PackError::TensorShape`] when the number of values is not the product of `shape`.
    pub fn insert(&mut self, name: impl Into<String>, shape: &[usize], values: Vec<f32>) -> Result<()> {
        let name = name.into();
        if shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis)) != Some(values.len()) {
            return Err(PackError::TensorShape { name, expected: shape.to_vec(), found: vec![values.len()] });
        }
        self.0.insert(name, (shape.to_vec(), values));
        Ok(())
    }

    /// Returns shape and values of a tensor, or `None` if there is none with that name.
    pub fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        self.0.get(name).map(|(shape, values)| (shape.as_slice(), values.as_slice()))
    }

    /// Takes a tensor out, and returns its shape and values without a copy.
    pub fn remove(&mut self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        self.0.remove(name)
    }

    /// Returns name, shape and values of every tensor, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[usize], &[f32])> {
        self.0.iter().map(|(name, (shape, values))| (name.as_str(), shape.as_slice(), values.as_slice()))
    }

    /// Returns the number of tensors.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no tensors.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of values of all tensors together.
    pub fn parameters(&self) -> u64 {
        self.0.values().map(|(_, values)| values.len() as u64).sum()
    }

    /// Returns the values of the tensors of `specs`, side by side in that order.
    ///
    /// # Errors
    /// [`PackError::TensorMissing`] or [`PackError::TensorShape`] for the first tensor that is not as
    /// its spec says.
    pub fn to_flat(&self, specs: &[TensorSpec]) -> Result<Vec<f32>> {
        let mut flat = Vec::with_capacity(specs.iter().map(TensorSpec::len).sum());
        for spec in specs {
            flat.extend_from_slice(self.of(spec)?);
        }
        Ok(flat)
    }

    /// Makes the tensors of `specs` from their values, which lie side by side in that order.
    ///
    /// # Errors
    /// [`PackError::TensorShape`] when there are more or fewer values than the specs ask for.
    pub fn from_flat(specs: &[TensorSpec], values: &[f32]) -> Result<Self> {
        let expected = specs.iter().map(TensorSpec::len).sum();
        if values.len() != expected {
            let (expected, found) = (vec![expected], vec![values.len()]);
            return Err(PackError::TensorShape { name: "of all values".into(), expected, found });
        }
        let (mut tensors, mut rest) = (Self::new(), values);
        for spec in specs {
            let (first, after) = rest.split_at(spec.len());
            tensors.insert(spec.name.clone(), &spec.shape, first.to_vec())?;
            rest = after;
        }
        Ok(tensors)
    }

    /// Returns the values of the tensor that `spec` asks for.
    fn of(&self, spec: &TensorSpec) -> Result<&[f32]> {
        let (shape, values) =
            self.get(&spec.name).ok_or_else(|| PackError::TensorMissing { name: spec.name.clone() })?;
        if shape != spec.shape {
            let (name, expected) = (spec.name.clone(), spec.shape.clone());
            return Err(PackError::TensorShape { name, expected, found: shape.to_vec() });
        }
        Ok(values)
    }

    /// Writes the tensors as a safetensors body in the usual number formats, to which values are
    /// rounded.
    ///
    /// # Errors
    /// As [`Tensors::to_safetensors_as`].
    pub fn to_safetensors(&self, specs: &[TensorSpec]) -> Result<Vec<u8>> {
        self.to_safetensors_as(specs, Storage::Usual)
    }

    /// Writes the tensors as a safetensors body in the number formats of `storage`, to which values
    /// are rounded.
    ///
    /// # Errors
    /// [`PackError::TensorMissing`], [`PackError::TensorShape`] or [`PackError::TensorUnexpected`]
    /// unless the tensors are exactly `specs`; [`PackError::TensorNotFinite`] for a value that its
    /// format cannot hold; [`PackError::LimitExceeded`]; [`PackError::ManifestInvalid`] for a list
    /// of formats that does not fit `specs`.
    pub fn to_safetensors_as(&self, specs: &[TensorSpec], storage: Storage<'_>) -> Result<Vec<u8>> {
        let layout = Layout::of(specs.to_vec(), &storage.types(specs)?)?;
        if let Some(name) = self.0.keys().find(|name| !specs.iter().any(|s| s.name == **name)) {
            return Err(PackError::TensorUnexpected { name: shorten(name) });
        }
        let mut out = layout.header()?;
        out.reserve_exact(layout.data_len);
        for part in &layout.parts {
            let spec = &layout.specs[part.spec];
            let values = self.of(spec)?;
            encode(part, spec, values, &mut out).map_err(|(position, value)| PackError::TensorNotFinite {
                name: spec.name.clone(),
                position,
                value,
            })?;
        }
        Ok(out)
    }

    /// Reads a safetensors body that holds exactly `specs` in the usual number formats. Decodes
    /// values only after all were found to be right.
    ///
    /// # Errors
    /// As [`Tensors::from_safetensors_as`].
    pub fn from_safetensors(body: &[u8], specs: &[TensorSpec]) -> Result<Self> {
        Self::from_safetensors_as(body, specs, Storage::Usual)
    }

    /// Reads a safetensors body that holds exactly `specs` in the number formats of `storage`.
    ///
    /// # Errors
    /// As [`Tensors::to_safetensors_as`], and [`PackError::TensorDtype`], [`PackError::EntryInvalid`],
    /// [`PackError::Truncated`], [`PackError::TrailingBytes`].
    pub fn from_safetensors_as(body: &[u8], specs: &[TensorSpec], storage: Storage<'_>) -> Result<Self> {
        Scan::of(body, specs.to_vec(), &storage.types(specs)?)?.decode()
    }
}

/// Appends a part of the body to `out`. The error is the first value that its number format cannot
/// hold, and its position.
fn encode(
    part: &Part,
    spec: &TensorSpec,
    values: &[f32],
    out: &mut Vec<u8>,
) -> std::result::Result<(), (usize, f32)> {
    let refuse = |ok: &dyn Fn(f32) -> bool| match values.iter().position(|value| !ok(*value)) {
        Some(at) => Err((at, values[at])),
        None => Ok(()),
    };
    match part.dtype {
        DataType::F32 if part.scales => {
            out.extend(int8::scales(spec, values)?.into_iter().flat_map(f32::to_le_bytes));
        }
        DataType::F32 => {
            refuse(&f32::is_finite)?;
            out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        DataType::F16 => {
            refuse(&|value| f16::from_f32(value).is_finite())?;
            out.extend(values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()));
        }
        DataType::I8 => int8::encode(spec, values, &int8::scales(spec, values)?, out),
    }
    Ok(())
}

/// A body that was checked completely, of which nothing was copied.
pub(crate) struct Scan<'a> {
    specs: Vec<TensorSpec>,
    stored: Vec<Stored<'a>>,
    data_len: usize,
}

/// The bytes of one tensor.
struct Stored<'a> {
    spec: usize,
    dtype: DataType,
    bytes: &'a [u8],
    /// The bytes of its scales; empty if it has none.
    scales: &'a [u8],
}

impl<'a> Scan<'a> {
    pub(crate) fn of(body: &'a [u8], specs: Vec<TensorSpec>, types: &[DataType]) -> Result<Self> {
        let layout = Layout::of(specs, types)?;
        let header = layout.header()?;
        let (needed, found) = ((header.len() + layout.data_len) as u64, body.len() as u64);
        let Some(mut rest) = body.strip_prefix(header.as_slice()) else {
            drop(header);
            return Err(layout.diagnose(body));
        };
        if found < needed {
            return Err(PackError::Truncated { what: TENSORS.into(), needed, found });
        }
        if found > needed {
            return Err(PackError::TrailingBytes { what: TENSORS.into(), extra: found - needed });
        }
        drop(header);
        // Scales are f32, which come first.
        let mut scales: Vec<&[u8]> = vec![&[]; layout.specs.len()];
        let mut stored = Vec::with_capacity(layout.specs.len());
        for part in &layout.parts {
            let (bytes, after) = rest.split_at(part.len(&layout.specs) * width(part.dtype));
            rest = after;
            let wrong = |reason: String| invalid(format!("tensor {:?}: {reason}", part.name));
            if part.dtype == DataType::I8 {
                let spec = &layout.specs[part.spec];
                int8::check(spec, bytes, scales[part.spec]).map_err(wrong)?;
            } else if let Some((position, value)) = not_finite(bytes, part.dtype) {
                return Err(PackError::TensorNotFinite { name: part.name.clone(), position, value });
            }
            if part.scales {
                int8::check_scales(bytes).map_err(wrong)?;
                scales[part.spec] = bytes;
            } else {
                stored.push(Stored { spec: part.spec, dtype: part.dtype, bytes, scales: scales[part.spec] });
            }
        }
        Ok(Self { specs: layout.specs, stored, data_len: layout.data_len })
    }

    /// Returns the values in f32. When they are many, two threads share the tensors.
    pub(crate) fn decode(self) -> Result<Tensors> {
        let parts = self.stored.iter().map(|stored| {
            let spec = &self.specs[stored.spec];
            // Reserved by one thread: allocators are slower for those that come and go.
            (spec, stored, Vec::with_capacity(spec.len()))
        });
        let parts = Mutex::new(parts.collect::<Vec<_>>());
        let work = || {
            let mut done = Vec::new();
            loop {
                let part = parts.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Some((spec, stored, mut values)) = part else { return done };
                decode(spec, stored, &mut values);
                done.push((spec, values));
            }
        };
        let (mine, theirs) = parallel::both(self.data_len, work, work);
        let mut tensors = Tensors::new();
        for (spec, values) in mine.into_iter().chain(theirs) {
            tensors.insert(&spec.name, &spec.shape, values)?;
        }
        Ok(tensors)
    }
}

/// Appends the stored values to `values`.
fn decode(spec: &TensorSpec, stored: &Stored<'_>, values: &mut Vec<f32>) {
    let bytes = stored.bytes;
    match stored.dtype {
        DataType::F32 => {
            values.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        }
        DataType::F16 => {
            // By way of small buffers, since `bytes` may lie at an odd address and zeros need not be written.
            let (mut halves, mut singles) = ([f16::ZERO; BLOCK], [0.0; BLOCK]);
            for bytes in bytes.chunks(2 * BLOCK) {
                let count = bytes.len() / 2;
                for (half, b) in halves.iter_mut().zip(bytes.chunks_exact(2)) {
                    *half = f16::from_le_bytes([b[0], b[1]]);
                }
                halves[..count].convert_to_f32_slice(&mut singles[..count]);
                values.extend_from_slice(&singles[..count]);
            }
        }
        DataType::I8 => int8::decode(spec, bytes, stored.scales, values),
    }
}

/// How many values are converted, or checked, in one go.
const BLOCK: usize = 2048;

/// Returns the first value that is NaN or infinite, and its position.
fn not_finite(bytes: &[u8], dtype: DataType) -> Option<(usize, f32)> {
    let half = |b: &[u8]| f16::from_le_bytes([b[0], b[1]]);
    let single = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    let width = width(dtype);
    for (number, block) in bytes.chunks(BLOCK * width).enumerate() {
        // Without an exit in the middle the compiler looks at many values at once.
        let bad = match dtype {
            DataType::F16 => {
                let exponent = |b: &[u8]| u16::from_le_bytes([b[0], b[1]]) & 0x7c00;
                block.chunks_exact(2).fold(false, |bad, b| bad | (exponent(b) == 0x7c00))
            }
            _ => block.chunks_exact(4).fold(false, |bad, b| bad | !single(b).is_finite()),
        };
        if bad {
            let value = |b| if dtype == DataType::F16 { half(b).to_f32() } else { single(b) };
            let mut values = block.chunks_exact(width).map(value).enumerate();
            return values.find(|(_, v)| !v.is_finite()).map(|(at, v)| (number * BLOCK + at, v));
        }
    }
    None
}

/// Returns the usual number format of a tensor on disk, as safetensors names it.
pub fn stored_dtype(spec: &TensorSpec) -> Dtype {
    label(DataType::usual(spec))
}
