//! The tensors of a pack: f32 in memory; f16 (matrices) and f32 (vectors) on disk, as safetensors.
//!
//! ```text
//! u64 length of the JSON │ JSON: name → dtype, shape, offsets │ f32 tensors │ f16 tensors
//! ```
//!
//! Every byte before the values follows from the config, so the reader builds that header and compares
//! instead of trusting what it finds. Only a header that differs is parsed, to say what is wrong.

use crate::archive::TENSORS;
use crate::config::TensorSpec;
use crate::error::{PackError, Result, shorten};
use crate::limits;
use half::f16;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use std::collections::BTreeMap;

/// Named tensors in f32, row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensors(BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl Tensors {
    /// No tensors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tensor, or replaces the one of that name.
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

    /// Shape and values of a tensor.
    pub fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        self.0.get(name).map(|(shape, values)| (shape.as_slice(), values.as_slice()))
    }

    /// Takes a tensor out, so that its memory can move on.
    pub fn remove(&mut self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        self.0.remove(name)
    }

    /// Name, shape and values of every tensor, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[usize], &[f32])> {
        self.0.iter().map(|(name, (shape, values))| (name.as_str(), shape.as_slice(), values.as_slice()))
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of values of all tensors.
    pub fn parameters(&self) -> u64 {
        self.0.values().map(|(_, values)| values.len() as u64).sum()
    }

    /// The safetensors body. Values are rounded to their stored format.
    ///
    /// # Errors
    /// [`PackError::TensorMissing`], [`PackError::TensorShape`], [`PackError::TensorUnexpected`] unless the
    /// tensors are exactly `specs`; [`PackError::TensorNotFinite`]; [`PackError::LimitExceeded`].
    pub fn to_safetensors(&self, specs: &[TensorSpec]) -> Result<Vec<u8>> {
        let layout = Layout::of(specs)?;
        if let Some(name) = self.0.keys().find(|name| !specs.iter().any(|s| s.name == **name)) {
            return Err(PackError::TensorUnexpected { name: shorten(name) });
        }
        let mut out = Vec::with_capacity(layout.header.len() + layout.data_len);
        out.extend(&layout.header);
        for spec in layout.order {
            let (shape, values) =
                self.get(&spec.name).ok_or_else(|| PackError::TensorMissing { name: spec.name.clone() })?;
            if shape != spec.shape {
                return Err(shape_error(spec, shape.to_vec()));
            }
            let dtype = stored_dtype(spec);
            for (position, &value) in values.iter().enumerate() {
                let half = f16::from_f32(value);
                if !(if dtype == Dtype::F16 { half.is_finite() } else { value.is_finite() }) {
                    return Err(PackError::TensorNotFinite { name: spec.name.clone(), position, value });
                }
                match dtype {
                    Dtype::F16 => out.extend(half.to_le_bytes()),
                    _ => out.extend(value.to_le_bytes()),
                }
            }
        }
        Ok(out)
    }

    /// Reads a safetensors body that holds exactly `specs`.
    ///
    /// # Errors
    /// As [`Tensors::to_safetensors`], and [`PackError::TensorDtype`], [`PackError::EntryInvalid`],
    /// [`PackError::Truncated`], [`PackError::TrailingBytes`].
    pub fn from_safetensors(body: &[u8], specs: &[TensorSpec]) -> Result<Self> {
        let layout = Layout::of(specs)?;
        let Some(data) = body.strip_prefix(layout.header.as_slice()) else {
            return Err(diagnose(body, specs));
        };
        if let Some(extra) = data.len().checked_sub(layout.data_len).filter(|extra| *extra > 0) {
            return Err(PackError::TrailingBytes { what: TENSORS.into(), extra: extra as u64 });
        }
        let mut rest = data;
        let mut tensors = Self::new();
        for spec in layout.order {
            let (bytes, after) =
                rest.split_at_checked(stored_len(spec)).ok_or_else(|| PackError::Truncated {
                    what: TENSORS.into(),
                    needed: (layout.header.len() + layout.data_len) as u64,
                    found: body.len() as u64,
                })?;
            rest = after;
            let values: Vec<f32> = match stored_dtype(spec) {
                Dtype::F16 => {
                    bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
                }
                _ => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            };
            if let Some(position) = values.iter().position(|v| !v.is_finite()) {
                let (name, value) = (spec.name.clone(), values[position]);
                return Err(PackError::TensorNotFinite { name, position, value });
            }
            tensors.insert(&spec.name, &spec.shape, values)?;
        }
        Ok(tensors)
    }
}

/// The number format of a tensor on disk: f32 for vectors, of which there are few and which scale
/// everything else; f16 for the rest.
pub fn stored_dtype(spec: &TensorSpec) -> Dtype {
    if spec.shape.len() < 2 { Dtype::F32 } else { Dtype::F16 }
}

/// Bytes of a tensor on disk.
fn stored_len(spec: &TensorSpec) -> usize {
    spec.len() * stored_dtype(spec).bitsize() / 8
}

/// Number of values of `specs`. Unlike [`TensorSpec::len`] it cannot overflow, also where `usize` has
/// 32 bits, so it comes before anything else is made of a config from a file.
pub(crate) fn count(specs: &[TensorSpec]) -> Result<u64> {
    let len = |spec: &TensorSpec| spec.shape.iter().fold(1u64, |n, &axis| n.saturating_mul(axis as u64));
    let values = specs.iter().fold(0u64, |sum, spec| sum.saturating_add(len(spec)));
    // A value takes at least two bytes.
    limits::check("the number of values that the config implies", values, limits::FILE / 2)?;
    Ok(values)
}

/// Where a safetensors body holds what.
struct Layout<'a> {
    /// Everything before the first value.
    header: Vec<u8>,
    /// The tensors in the order of their values: wide formats first, then by name.
    order: Vec<&'a TensorSpec>,
    /// Bytes of all values.
    data_len: usize,
}

impl<'a> Layout<'a> {
    fn of(specs: &'a [TensorSpec]) -> Result<Self> {
        count(specs)?;
        let mut order: Vec<_> = specs.iter().collect();
        order.sort_by(|a, b| stored_dtype(b).cmp(&stored_dtype(a)).then_with(|| a.name.cmp(&b.name)));
        let mut data_len = 0;
        let mut infos = Vec::with_capacity(order.len());
        for spec in &order {
            let data_offsets = (data_len, data_len + stored_len(spec));
            data_len = data_offsets.1;
            let info = TensorInfo { dtype: stored_dtype(spec), shape: spec.shape.clone(), data_offsets };
            infos.push((spec.name.clone(), info));
        }
        let metadata = Metadata::new(None, infos).map_err(invalid)?;
        let mut json = serde_json::to_vec(&metadata).map_err(invalid)?;
        json.resize(json.len().next_multiple_of(8), b' ');
        let mut header = (json.len() as u64).to_le_bytes().to_vec();
        header.extend(json);
        Ok(Self { header, order, data_len })
    }
}

/// Why a header is not the one that `specs` imply.
fn diagnose(body: &[u8], specs: &[TensorSpec]) -> PackError {
    let truncated = |needed| PackError::Truncated { what: TENSORS.into(), needed, found: body.len() as u64 };
    let Some((length, rest)) = body.split_first_chunk::<8>() else { return truncated(8) };
    let length = u64::from_le_bytes(*length);
    if let Err(error) = limits::check("the header of tensors.safetensors", length, limits::TENSOR_HEADER) {
        return error;
    }
    let Some(json) = rest.get(..length as usize) else { return truncated(length + 8) };
    let mut found: BTreeMap<String, TensorInfo> = match serde_json::from_slice(json) {
        Ok(found) => found,
        Err(error) => return invalid(error),
    };
    for spec in specs {
        let name = spec.name.clone();
        let Some(info) = found.remove(&name) else { return PackError::TensorMissing { name } };
        if info.shape != spec.shape {
            return shape_error(spec, info.shape);
        }
        let expected = stored_dtype(spec);
        if info.dtype != expected {
            let (expected, found) = (expected.to_string(), info.dtype.to_string());
            return PackError::TensorDtype { name, expected, found };
        }
    }
    match found.into_keys().next() {
        Some(name) => PackError::TensorUnexpected { name: shorten(&name) },
        None => invalid("its header is not in the form that tailor writes"),
    }
}

fn shape_error(spec: &TensorSpec, found: Vec<usize>) -> PackError {
    PackError::TensorShape { name: spec.name.clone(), expected: spec.shape.clone(), found }
}

fn invalid(reason: impl ToString) -> PackError {
    PackError::EntryInvalid { entry: TENSORS, reason: reason.to_string() }
}
