//! Writes the header of a safetensors body, and finds out why another one differs.

use crate::error::{PackError, Result, check_limit, shorten};
use crate::format::archive::TENSORS;
use crate::format::specs::TensorSpec;
use crate::format::types::{DataType, check};
use crate::limits;
use crate::lists::few;
use safetensors::tensor::Dtype;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

const HEADER: &str = "the header of tensors.safetensors";

/// Returns the number of values of `specs`. Unlike [`TensorSpec::len`] it cannot overflow, not even
/// where `usize` has 32 bits, so it comes before anything else is made of a config from a file.
pub(crate) fn count(specs: &[TensorSpec]) -> Result<u64> {
    let len = |spec: &TensorSpec| spec.shape.iter().fold(1u64, |n, &axis| n.saturating_mul(axis as u64));
    let values = specs.iter().fold(0u64, |sum, spec| sum.saturating_add(len(spec)));
    // A value takes at least two bytes.
    check_limit("the number of values that the config implies", values, limits::FILE / 2)?;
    Ok(values)
}

/// Which tensor lies where in a safetensors body.
pub(super) struct Layout {
    /// The tensors that the config implies.
    pub(super) specs: Vec<TensorSpec>,
    /// The parts of the body in their order: wide number formats first, then by name.
    pub(super) parts: Vec<Part>,
    /// Length of all values together, in bytes.
    pub(super) data_len: usize,
}

/// A tensor of the body: one of those that the config implies, or the scales of one.
pub(super) struct Part {
    pub(super) name: String,
    /// Number of the tensor in [`Layout::specs`].
    pub(super) spec: usize,
    pub(super) dtype: DataType,
    /// Whether this part holds the tensor's scales instead of its values.
    pub(super) scales: bool,
}

impl Layout {
    pub(super) fn of(specs: Vec<TensorSpec>, types: &[DataType]) -> Result<Self> {
        count(&specs)?;
        check(&specs, types)?;
        let mut parts = Vec::with_capacity(specs.len());
        for (number, (spec, &dtype)) in specs.iter().zip(types).enumerate() {
            parts.push(Part { name: spec.name.clone(), spec: number, dtype, scales: false });
            if dtype == DataType::I8 {
                let name = format!("{}.scale", spec.name);
                parts.push(Part { name, spec: number, dtype: DataType::F32, scales: true });
            }
        }
        let order = |part: &Part| std::cmp::Reverse(width(part.dtype));
        parts.sort_unstable_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.name.cmp(&b.name)));
        let data_len = parts.iter().map(|part| part.len(&specs) * width(part.dtype)).sum();
        Ok(Self { specs, parts, data_len })
    }

    /// Returns every byte before the first value, as the safetensors library writes them.
    ///
    /// It is written out here because that library takes ten times as much memory for it, which a
    /// reader would spend on a file that it then refuses. Names are letters, digits and dots, so
    /// JSON needs no escapes.
    ///
    /// # Errors
    /// [`PackError::LimitExceeded`].
    pub(super) fn header(&self) -> Result<Vec<u8>> {
        let (mut json, mut at) = (String::with_capacity(96 * self.parts.len()), 0);
        // The length comes last.
        json.push_str("\0\0\0\0\0\0\0\0");
        for part in &self.parts {
            let end = at + part.len(&self.specs) * width(part.dtype);
            let comma = if at == 0 { '{' } else { ',' };
            let (name, dtype) = (&part.name, label(part.dtype));
            json.push_str(&format!("{comma}\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":["));
            for (axis, n) in part.shape(&self.specs).iter().enumerate() {
                json.push_str(&format!("{}{n}", if axis == 0 { "" } else { "," }));
            }
            json.push_str(&format!("],\"data_offsets\":[{at},{end}]}}"));
            at = end;
        }
        json.push('}');
        let mut header = json.into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        let length = header.len() as u64 - 8;
        check_limit(HEADER, length, limits::TENSOR_HEADER)?;
        header[..8].copy_from_slice(&length.to_le_bytes());
        Ok(header)
    }

    /// Returns why a body does not begin with this header. Compares its content while parsing, and
    /// keeps none of it.
    pub(super) fn diagnose(&self, body: &[u8]) -> PackError {
        let truncated =
            |needed| PackError::Truncated { what: TENSORS.into(), needed, found: body.len() as u64 };
        let Some((length, rest)) = body.split_first_chunk::<8>() else { return truncated(8) };
        let length = u64::from_le_bytes(*length);
        if let Err(error) = check_limit(HEADER, length, limits::TENSOR_HEADER) {
            return error;
        }
        let Some(json) = rest.get(..length as usize) else { return truncated(length + 8) };
        let mut missing = BTreeMap::new();
        missing.extend(self.parts.iter().map(|part| (part.name.as_str(), part)));
        let mut header = Header { specs: &self.specs, missing, wrong: None };
        let parsed = serde_json::Deserializer::from_slice(json).deserialize_map(&mut header);
        match (header.wrong, parsed) {
            (Some(wrong), _) => wrong,
            (None, Err(error)) => invalid(error),
            (None, Ok(())) => {
                match self.parts.iter().find(|part| header.missing.contains_key(part.name.as_str())) {
                    Some(part) => PackError::TensorMissing { name: part.name.clone() },
                    None => invalid("its header is not in the form that tailor writes"),
                }
            }
        }
    }
}

impl Part {
    /// Returns the part's shape: that of the tensor, or one axis with an item for each scale.
    fn shape(&self, specs: &[TensorSpec]) -> Vec<usize> {
        let spec = &specs[self.spec];
        if self.scales { vec![DataType::channels(spec).0] } else { spec.shape.clone() }
    }

    /// Returns the number of the part's values.
    pub(super) fn len(&self, specs: &[TensorSpec]) -> usize {
        let spec = &specs[self.spec];
        if self.scales { DataType::channels(spec).0 } else { spec.len() }
    }
}

/// Returns the length of one value in bytes.
pub(super) fn width(dtype: DataType) -> usize {
    match dtype {
        DataType::F32 => 4,
        DataType::F16 => 2,
        DataType::I8 => 1,
    }
}

/// Returns the number format as safetensors names it.
pub(super) fn label(dtype: DataType) -> Dtype {
    match dtype {
        DataType::F32 => Dtype::F32,
        DataType::F16 => Dtype::F16,
        DataType::I8 => Dtype::I8,
    }
}

/// The state while a header is parsed.
struct Header<'a> {
    specs: &'a [TensorSpec],
    /// The tensors that were not found yet.
    missing: BTreeMap<&'a str, &'a Part>,
    /// The first difference that was found.
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

/// A shape of at most four axes, which is more than any tensor has.
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
                Ok(part) => {
                    let Info { dtype, shape: Axes(found), .. } = map.next_value()?;
                    let (name, expected) = (part.name.clone(), part.shape(self.specs));
                    if found != expected {
                        PackError::TensorShape { name, expected, found }
                    } else if dtype != label(part.dtype) {
                        let (expected, found) = (label(part.dtype).to_string(), dtype.to_string());
                        PackError::TensorDtype { name, expected, found }
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

/// Takes the tensor with a name out of the missing ones. Returns the name if there is no such
/// tensor.
struct Name<'a, 'b>(&'b mut BTreeMap<&'a str, &'a Part>);

impl<'de, 'a> DeserializeSeed<'de> for Name<'a, '_> {
    type Value = std::result::Result<&'a Part, String>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Name<'a, '_> {
    type Value = std::result::Result<&'a Part, String>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> std::result::Result<Self::Value, E> {
        Ok(self.0.remove(name).ok_or_else(|| shorten(name)))
    }
}

pub(super) fn invalid(reason: impl ToString) -> PackError {
    PackError::EntryInvalid { entry: TENSORS, reason: reason.to_string() }
}
