//! Which device a command runs on.

#[cfg(feature = "vulkan")]
use burn::tensor::DeviceKind;
use burn::tensor::{Device, FloatDType};

use crate::cli::{DeviceChoice, DeviceFlags, Precision};
use crate::error::Error;
use crate::train::trainer::Trainer;

/// Opens the device, or says why it cannot be had.
///
/// `auto` is the processor unless this build has CUDA or Metal and such a device is there: a Vulkan
/// adapter may be an emulated one, which is slower than the processor, so it must be asked for.
///
/// # Errors
/// [`Error::Refused`] when this build lacks the backend or the machine lacks the device.
pub fn open(choice: DeviceChoice) -> Result<Device, Error> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::flex()),
        DeviceChoice::Auto => Ok(cuda().or_else(metal).unwrap_or_else(Device::flex)),
        DeviceChoice::Cuda => cuda().ok_or_else(|| missing("cuda", "an NVIDIA GPU and its driver")),
        DeviceChoice::Metal => metal().ok_or_else(|| missing("metal", "an Apple GPU")),
        DeviceChoice::Vulkan => vulkan().ok_or_else(|| missing("vulkan", "a Vulkan driver")),
    }
}

/// The device in a word or two, for people.
pub fn name(device: &Device) -> String {
    if *device == Device::flex() { "the processor".to_owned() } else { format!("{device:?}") }
}

/// Shards into which a training batch is cut on `device`: one per core on the processor.
pub fn shards(device: &Device) -> usize {
    match *device == Device::flex() {
        true => std::thread::available_parallelism().map_or(1, usize::from),
        false => 1,
    }
}

/// Sets a trainer up as the flags say for the device on which it is.
///
/// # Errors
/// [`Error::Refused`] when the device does not have the number format asked for.
pub fn set_up(trainer: Trainer, flags: &DeviceFlags) -> Result<Trainer, Error> {
    let device = trainer.device();
    let processor = *device == Device::flex();
    let format = match flags.precision {
        Some(Precision::F32) => FloatDType::F32,
        Some(Precision::Bf16) if processor || !device.supports_dtype(FloatDType::BF16) => {
            return Err(Error::Refused {
                what: format!("{} has no bf16 products", name(device)),
                help: "leave --precision out, or choose another --device".to_owned(),
            });
        }
        Some(Precision::Bf16) => FloatDType::BF16,
        None if is_cuda(device) && device.supports_dtype(FloatDType::BF16) => FloatDType::BF16,
        None => FloatDType::F32,
    };
    let shards = shards(device);
    Ok(trainer
        .with_shards(shards)
        .with_products_in(format)
        .with_device_bank(u64::from(flags.device_bank) << 20))
}

#[cfg(feature = "cuda")]
fn is_cuda(device: &Device) -> bool {
    *device == Device::cuda(0usize)
}

#[cfg(not(feature = "cuda"))]
fn is_cuda(_device: &Device) -> bool {
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
fn probe(open: impl FnOnce() -> Device + std::panic::UnwindSafe) -> Option<Device> {
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
    device.ok()
}

#[cfg(feature = "cuda")]
fn cuda() -> Option<Device> {
    probe(|| Device::cuda(0usize))
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Option<Device> {
    None
}

#[cfg(feature = "metal")]
fn metal() -> Option<Device> {
    probe(|| Device::metal(burn::tensor::DeviceKind::DefaultDevice))
}

#[cfg(not(feature = "metal"))]
fn metal() -> Option<Device> {
    None
}

#[cfg(feature = "vulkan")]
fn vulkan() -> Option<Device> {
    probe(|| Device::wgpu(DeviceKind::DefaultDevice))
}

#[cfg(not(feature = "vulkan"))]
fn vulkan() -> Option<Device> {
    None
}
