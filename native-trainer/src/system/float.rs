//! Floating point numbers as files of tensors store them.

use half::{bf16, f16};
use safetensors::Dtype;

/// A number format of files of tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Float {
    F16,
    Bf16,
    F32,
    F64,
}

impl Float {
    /// The format of a tensor in safetensors; none for whole numbers and the like.
    pub(crate) fn of(kind: Dtype) -> Option<Self> {
        match kind {
            Dtype::F16 => Some(Self::F16),
            Dtype::BF16 => Some(Self::Bf16),
            Dtype::F32 => Some(Self::F32),
            Dtype::F64 => Some(Self::F64),
            _ => None,
        }
    }

    /// Bytes of one number.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The values of little-endian bytes.
    pub(crate) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        fn of<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            bytes.as_chunks::<N>().0.iter().map(|bytes| value(*bytes)).collect()
        }
        match self {
            Self::F16 => of(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Self::Bf16 => of(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Self::F32 => of(bytes, f32::from_le_bytes),
            Self::F64 => of(bytes, |b| f64::from_le_bytes(b) as f32),
        }
    }
}
