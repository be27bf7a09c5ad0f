//! On which device.

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use crate::settings::device::{DeviceChoice, DeviceSettings, Precision};

impl ValueEnum for DeviceChoice {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Cuda, Self::Vulkan, Self::Metal, Self::Cpu]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Auto => ("auto", "The fastest that works here"),
            Self::Cuda => ("cuda", "NVIDIA GPU, in builds with `--features cuda`"),
            Self::Vulkan => ("vulkan", "Any GPU with a Vulkan driver"),
            Self::Metal => ("metal", "Apple GPU, in builds with `--features metal`"),
            Self::Cpu => ("cpu", "The processor"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl ValueEnum for Precision {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::F32, Self::Bf16]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::F32 => ("f32", "32 bits"),
            Self::Bf16 => ("bf16", "16 bits, with the range of f32"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

/// On which device to train, and how a GPU goes about it.
#[derive(Clone, Copy, Debug, Args)]
pub struct DeviceFlags {
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
    /// Number format of a GPU's products; parameters, moments and sums are f32 [default: bf16 with
    /// CUDA, else f32]
    #[arg(long, value_enum)]
    pub precision: Option<Precision>,
    /// GPU memory that the tailors of all classes may take; larger banks stay in host memory
    #[arg(long, value_name = "MIB", default_value_t = DeviceSettings::BANK)]
    pub device_bank: u32,
}

impl DeviceFlags {
    /// The settings asked for.
    pub fn settings(&self) -> DeviceSettings {
        let Self { device, precision, device_bank } = *self;
        DeviceSettings { device, precision, device_bank }
    }
}
