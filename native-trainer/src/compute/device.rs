//! Which device a command computes on.

use std::sync::Once;

use crate::error::Error;
use crate::say;
use crate::settings::device::DeviceChoice;

/// Where a command computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Device {
    /// The processor, with the engine of `tailor_core::engine`.
    Processor,
    /// One of Burn's devices.
    #[cfg(feature = "graph")]
    Graph(burn::tensor::Device),
}

/// Opens the device, or says why it cannot be had.
///
/// `auto` is the processor unless this build has CUDA or Metal and such a device is there: a Vulkan
/// adapter may be an emulated one, which is slower than the processor, so it must be asked for.
///
/// # Errors
/// [`Error::Refused`] when this build lacks the backend or the machine lacks the device.
pub fn open(choice: DeviceChoice) -> Result<Device, Error> {
    let device = match choice {
        DeviceChoice::Cpu => Device::Processor,
        DeviceChoice::Auto => cuda().or_else(metal).unwrap_or(Device::Processor),
        DeviceChoice::Cuda => cuda().ok_or_else(|| missing("cuda", "an NVIDIA GPU and its driver"))?,
        DeviceChoice::Metal => metal().ok_or_else(|| missing("metal", "an Apple GPU"))?,
        DeviceChoice::Vulkan => vulkan().ok_or_else(|| missing("vulkan", "a Vulkan driver"))?,
    };
    if device != Device::Processor {
        // An H200 took minutes to its first step, in which nothing else is said.
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            say!("note: a GPU tries out several kernels for each kind of product at first, which can take minutes");
        });
    }
    Ok(device)
}

/// The environment variable that holds a program to fewer cores. It is rayon's own, which Burn computes with on the
/// processor.
pub const CORES: &str = "RAYON_NUM_THREADS";

/// Cores that this program may use: those that the system gives it, or as many as [`CORES`] says.
pub fn cores() -> usize {
    let asked = std::env::var(CORES).ok().and_then(|text| text.parse().ok()).filter(|cores| *cores > 0);
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

impl Device {
    /// The device in a word or two, for people.
    pub fn name(&self) -> String {
        match self {
            Self::Processor => "the processor".to_owned(),
            #[cfg(feature = "graph")]
            Self::Graph(device) => format!("{device:?}"),
        }
    }

    /// Whole pieces of work that go side by side: one for each core on the processor.
    pub fn threads(&self) -> usize {
        match self {
            Self::Processor => cores(),
            #[cfg(feature = "graph")]
            Self::Graph(device) if *device == burn::tensor::Device::flex() => cores(),
            #[cfg(feature = "graph")]
            Self::Graph(_) => 1,
        }
    }

    /// The same device for what only Burn computes.
    #[cfg(feature = "graph")]
    pub fn for_graph(&self) -> burn::tensor::Device {
        match self {
            Self::Processor => burn::tensor::Device::flex(),
            Self::Graph(device) => device.clone(),
        }
    }
}

/// Whether a device makes products in bf16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bf16 {
    /// It does not.
    No,
    /// It does.
    #[cfg(feature = "graph")]
    Yes,
    /// It does, and is faster so.
    #[cfg(feature = "graph")]
    Preferred,
}

/// Whether `device` makes products in bf16.
pub fn bf16(device: &Device) -> Bf16 {
    match device {
        #[cfg(feature = "graph")]
        Device::Graph(device) if device.supports_dtype(burn::tensor::FloatDType::BF16) => {
            match is_cuda(device) {
                true => Bf16::Preferred,
                false => Bf16::Yes,
            }
        }
        _ => Bf16::No,
    }
}

#[cfg(feature = "cuda")]
fn is_cuda(device: &burn::tensor::Device) -> bool {
    *device == burn::tensor::Device::cuda(0usize)
}

#[cfg(all(feature = "graph", not(feature = "cuda")))]
fn is_cuda(_device: &burn::tensor::Device) -> bool {
    false
}

fn missing(feature: &str, needs: &str) -> Error {
    Error::Refused {
        what: format!("no {feature} device can be used here"),
        help: format!("it needs {needs} and a build with `--features {feature}`; --device cpu always works"),
    }
}

/// Runs one small product on the device that `open` gives: drivers fail in their own ways, some by
/// a panic deep inside, and only use shows that a device works.
#[cfg(any(feature = "cuda", feature = "metal", feature = "vulkan"))]
fn probe(open: impl FnOnce() -> burn::tensor::Device + std::panic::UnwindSafe) -> Option<Device> {
    use burn::tensor::Tensor;
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let device = std::panic::catch_unwind(|| {
        let device = open();
        let x = Tensor::<2>::ones([2, 2], &device);
        x.clone().matmul(x).sum().into_data();
        device
    });
    std::panic::set_hook(quiet);
    device.ok().map(Device::Graph)
}

#[cfg(feature = "cuda")]
fn cuda() -> Option<Device> {
    probe(|| burn::tensor::Device::cuda(0usize))
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Option<Device> {
    None
}

#[cfg(feature = "metal")]
fn metal() -> Option<Device> {
    probe(|| burn::tensor::Device::metal(burn::tensor::DeviceKind::DefaultDevice))
}

#[cfg(not(feature = "metal"))]
fn metal() -> Option<Device> {
    None
}

#[cfg(feature = "vulkan")]
fn vulkan() -> Option<Device> {
    probe(|| burn::tensor::Device::wgpu(burn::tensor::DeviceKind::DefaultDevice))
}

#[cfg(not(feature = "vulkan"))]
fn vulkan() -> Option<Device> {
    None
}
