//! The tensors of a pack: f32 in memory; f16 (matrices) and f32 (vectors) on disk, as safetensors.
//!
//! ```text
//! u64 length of the JSON │ JSON: name → dtype, shape, offsets │ f32 tensors │ f16 tensors
//! ```
//!
//! Every byte before the values follows from the config, so the reader builds that header and compares
//! instead of trusting what it finds. Only a header that differs is parsed, to say what is wrong.

use super::archive::TENSORS;
use super::config::TensorSpec;
use super::parallel;
use crate::error::{PackError, Result, check_limit, shorten};
use crate::limits;
use crate::lists::few;
use half::f16;
use half::slice::HalfFloatSliceExt;
use safetensors::tensor::Dtype;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

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
        let layout = Layout::of(specs.to_vec())?;
        if let Some(name) = self.0.keys().find(|name| !specs.iter().any(|s| s.name == **name)) {
            return Err(PackError::TensorUnexpected { name: shorten(name) });
        }
        let mut out = layout.header();
        out.reserve_exact(layout.data_len);
        for spec in layout.specs {
            let (shape, values) =
                self.get(&spec.name).ok_or_else(|| PackError::TensorMissing { name: spec.name.clone() })?;
            if shape != spec.shape {
                return Err(shape_error(&spec, shape.to_vec()));
            }
            let dtype = stored_dtype(&spec);
            for (position, &value) in values.iter().enumerate() {
                let half = f16::from_f32(value);
                if !(if dtype == Dtype::F16 { half.is_finite() } else { value.is_finite() }) {
                    return Err(PackError::TensorNotFinite { name: spec.name, position, value });
                }
                match dtype {
                    Dtype::F16 => out.extend(half.to_le_bytes()),
                    _ => out.extend(value.to_le_bytes()),
                }
            }
        }
        Ok(out)
    }

    /// Reads a safetensors body that holds exactly `specs`. Values are decoded only once all are known to be
    /// right.
    ///
    /// # Errors
    /// As [`Tensors::to_safetensors`], and [`PackError::TensorDtype`], [`PackError::EntryInvalid`],
    /// [`PackError::Truncated`], [`PackError::TrailingBytes`].
    pub fn from_safetensors(body: &[u8], specs: &[TensorSpec]) -> Result<Self> {
        Scan::of(body, specs.to_vec())?.decode()
    }
}

/// A body in which everything was checked and nothing was copied.
pub(crate) struct Scan<'a> {
    /// In the order of their values.
    specs: Vec<TensorSpec>,
    data: &'a [u8],
}

impl<'a> Scan<'a> {
    pub(crate) fn of(body: &'a [u8], specs: Vec<TensorSpec>) -> Result<Self> {
        let layout = Layout::of(specs)?;
        let header = layout.header();
        let (needed, found) = ((header.len() + layout.data_len) as u64, body.len() as u64);
        let Some(data) = body.strip_prefix(header.as_slice()) else {
            drop(header);
            return Err(diagnose(body, &layout.specs));
        };
        if found < needed {
            return Err(PackError::Truncated { what: TENSORS.into(), needed, found });
        }
        if found > needed {
            return Err(PackError::TrailingBytes { what: TENSORS.into(), extra: found - needed });
        }
        let mut rest = data;
        for spec in &layout.specs {
            let (bytes, after) = rest.split_at(stored_len(spec));
            rest = after;
            if let Some((position, value)) = not_finite(bytes, stored_dtype(spec)) {
                return Err(PackError::TensorNotFinite { name: spec.name.clone(), position, value });
            }
        }
        Ok(Self { specs: layout.specs, data })
    }

    /// The values in f32. When they are many two threads take one tensor after the other.
    pub(crate) fn decode(self) -> Result<Tensors> {
        let mut rest = self.data;
        let parts = self.specs.iter().map(|spec| {
            let (bytes, after) = rest.split_at(stored_len(spec));
            rest = after;
            // Reserved by one thread: allocators are slower for those that come and go.
            (spec, bytes, Vec::with_capacity(spec.len()))
        });
        let parts = Mutex::new(parts.collect::<Vec<_>>());
        let work = || {
            let mut done = Vec::new();
            loop {
                let part = parts.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Some((spec, bytes, mut values)) = part else { return done };
                decode(spec, bytes, &mut values);
                done.push((spec, values));
            }
        };
        let (mine, theirs) = parallel::both(self.data.len(), work, work);
        let mut tensors = Tensors::new();
        for (spec, values) in mine.into_iter().chain(theirs) {
            tensors.insert(&spec.name, &spec.shape, values)?;
        }
        Ok(tensors)
    }
}

/// Adds the values that `bytes` hold.
fn decode(spec: &TensorSpec, bytes: &[u8], values: &mut Vec<f32>) {
    if stored_dtype(spec) == Dtype::F16 {
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
    } else {
        values.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
    }
}

/// Values that are converted, or looked at, in one go.
const BLOCK: usize = 2048;

/// The first value that is NaN or infinite, and where it is.
fn not_finite(bytes: &[u8], dtype: Dtype) -> Option<(usize, f32)> {
    let half = |b: &[u8]| f16::from_le_bytes([b[0], b[1]]);
    let single = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    let width = dtype.bitsize() / 8;
    for (number, block) in bytes.chunks(BLOCK * width).enumerate() {
        // Without an exit in the middle the compiler looks at many values at once.
        let bad = match dtype {
            Dtype::F16 => {
                let exponent = |b: &[u8]| u16::from_le_bytes([b[0], b[1]]) & 0x7c00;
                block.chunks_exact(2).fold(false, |bad, b| bad | (exponent(b) == 0x7c00))
            }
            _ => block.chunks_exact(4).fold(false, |bad, b| bad | !single(b).is_finite()),
        };
        if bad {
            let value = |b| if dtype == Dtype::F16 { half(b).to_f32() } else { single(b) };
            let mut values = block.chunks_exact(width).map(value).enumerate();
            return values.find(|(_, v)| !v.is_finite()).map(|(at, v)| (number * BLOCK + at, v));
        }
    }
    None
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
    check_limit("the number of values that the config implies", values, limits::FILE / 2)?;
    Ok(values)
}

/// Where a safetensors body holds what.
struct Layout {
    /// The tensors in the order of their values: wide formats first, then by name.
    specs: Vec<TensorSpec>,
    /// Bytes of all values.
    data_len: usize,
}

impl Layout {
    fn of(mut specs: Vec<TensorSpec>) -> Result<Self> {
        count(&specs)?;
        specs.sort_by(|a, b| stored_dtype(b).cmp(&stored_dtype(a)).then_with(|| a.name.cmp(&b.name)));
        let data_len = specs.iter().map(stored_len).sum();
        Ok(Self { specs, data_len })
    }

    /// Everything before the first value, as the safetensors library writes it.
    ///
    /// Written out here because that library takes ten times as much memory for it, which a reader would
    /// spend on a file that it then refuses. Names are letters, digits and dots, so JSON needs no escapes.
    fn header(&self) -> Vec<u8> {
        let (mut json, mut at) = (String::with_capacity(96 * self.specs.len()), 0);
        for spec in &self.specs {
            let end = at + stored_len(spec);
            let comma = if json.is_empty() { '{' } else { ',' };
            let (name, dtype) = (&spec.name, stored_dtype(spec));
            json.push_str(&format!("{comma}\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":["));
            for (axis, n) in spec.shape.iter().enumerate() {
                json.push_str(&format!("{}{n}", if axis == 0 { "" } else { "," }));
            }
            json.push_str(&format!("],\"data_offsets\":[{at},{end}]}}"));
            at = end;
        }
        json.push('}');
        let length = json.len().next_multiple_of(8);
        let mut header = Vec::with_capacity(8 + length);
        header.extend((length as u64).to_le_bytes());
        header.extend(json.as_bytes());
        header.resize(8 + length, b' ');
        header
    }
}

/// Why a header is not the one that `specs` imply. Whatever it holds is compared as it is parsed and kept
/// nowhere.
fn diagnose(body: &[u8], specs: &[TensorSpec]) -> PackError {
    let truncated = |needed| PackError::Truncated { what: TENSORS.into(), needed, found: body.len() as u64 };
    let Some((length, rest)) = body.split_first_chunk::<8>() else { return truncated(8) };
    let length = u64::from_le_bytes(*length);
    if let Err(error) = check_limit("the header of tensors.safetensors", length, limits::TENSOR_HEADER) {
        return error;
    }
    let Some(json) = rest.get(..length as usize) else { return truncated(length + 8) };
    let mut header = Header { missing: specs.iter().map(|s| (s.name.as_str(), s)).collect(), wrong: None };
    let parsed = serde_json::Deserializer::from_slice(json).deserialize_map(&mut header);
    match (header.wrong, parsed) {
        (Some(wrong), _) => wrong,
        (None, Err(error)) => invalid(error),
        (None, Ok(())) => match specs.iter().find(|s| header.missing.contains_key(s.name.as_str())) {
            Some(spec) => PackError::TensorMissing { name: spec.name.clone() },
            None => invalid("its header is not in the form that tailor writes"),
        },
    }
}

/// A header while it is parsed.
struct Header<'a> {
    /// The tensors that did not come yet.
    missing: BTreeMap<&'a str, &'a TensorSpec>,
    /// The first thing that is not as it should be.
    wrong: Option<PackError>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Info {
    dtype: Dtype,
    shape: Axes,
    #[serde(rename = "data_offsets")]
    _data_offsets: IgnoredAny,
}

/// A shape's first axes, more than any tensor has.
struct Axes(Vec<usize>);

impl<'de> Deserialize<'de> for Axes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        few(deserializer, 4).map(Axes)
    }
}

impl<'de> Visitor<'de> for &mut Header<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("tensors by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some(known) = map.next_key_seed(Name(&mut self.missing))? {
            let wrong = match known {
                Err(name) => PackError::TensorUnexpected { name },
                Ok(spec) => {
                    let Info { dtype, shape: Axes(shape), .. } = map.next_value()?;
                    let expected = stored_dtype(spec);
                    if shape != spec.shape {
                        shape_error(spec, shape)
                    } else if dtype != expected {
                        let (expected, found) = (expected.to_string(), dtype.to_string());
                        PackError::TensorDtype { name: spec.name.clone(), expected, found }
                    } else {
                        continue;
                    }
                }
            };
            self.wrong = Some(wrong);
            return Err(serde::de::Error::custom("of no interest any more"));
        }
        Ok(())
    }
}

/// Takes the tensor of a name out of those that are missing; gives back the name if there is none.
struct Name<'a, 'b>(&'b mut BTreeMap<&'a str, &'a TensorSpec>);

impl<'de, 'a> DeserializeSeed<'de> for Name<'a, '_> {
    type Value = std::result::Result<&'a TensorSpec, String>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Name<'a, '_> {
    type Value = std::result::Result<&'a TensorSpec, String>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> std::result::Result<Self::Value, E> {
        Ok(self.0.remove(name).ok_or_else(|| shorten(name)))
    }
}

fn shape_error(spec: &TensorSpec, found: Vec<usize>) -> PackError {
    PackError::TensorShape { name: spec.name.clone(), expected: spec.shape.clone(), found }
}

fn invalid(reason: impl ToString) -> PackError {
    PackError::EntryInvalid { entry: TENSORS, reason: reason.to_string() }
}
