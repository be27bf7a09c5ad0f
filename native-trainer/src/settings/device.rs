//! Where to compute, and how a GPU goes about it.

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The fastest that works here.
    #[default]
    Auto,
    /// NVIDIA GPU, in builds with `--features cuda`.
    Cuda,
    /// Any GPU with a Vulkan driver.
    Vulkan,
    /// Apple GPU, in builds with `--features metal`.
    Metal,
    /// The processor.
    Cpu,
}

/// Number format of the products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    F32,
    /// 16 bits, with the range of f32.
    Bf16,
}

/// On which device to train, and how a GPU goes about it.
#[derive(Clone, Copy, Debug)]
pub struct DeviceSettings {
    /// Where to compute.
    pub device: DeviceChoice,
    /// Number format of a GPU's products; none for what suits the device.
    pub precision: Option<Precision>,
    /// MiB of GPU memory that the tailors of all classes may take; larger banks stay in host memory.
    pub device_bank: u32,
}

impl DeviceSettings {
    /// MiB that the tailors may take unless told otherwise.
    pub const BANK: u32 = 1024;
}

impl Default for DeviceSettings {
    fn default() -> Self {
        Self { device: DeviceChoice::Auto, precision: None, device_bank: Self::BANK }
    }
}
