//! What Burn computes on. No other file knows a backend.

use super::error::EngineError;
use crate::protocol::Backend;
use burn::tensor::Device;

/// A device that is ready.
pub struct Ready {
    /// Burn's handle.
    pub device: Device,
    /// What it is.
    pub backend: Backend,
}

/// The processor, through WASM SIMD.
///
/// # Errors
/// None; the signature is that of [`gpu`].
#[cfg(feature = "cpu")]
pub async fn cpu() -> Result<Ready, EngineError> {
    Ok(Ready { device: Device::flex(), backend: Backend::Cpu })
}

/// WebGPU's adapter.
///
/// # Errors
/// [`EngineError::Device`] where there is none, or it gives no device.
#[cfg(feature = "gpu")]
pub async fn gpu() -> Result<Ready, EngineError> {
    let refused =
        |error: burn::tensor::wgpu::WgpuInitError| EngineError::Device { reason: error.to_string() };
    let (device, setup) = Device::wgpu_options().init_with_setup_async().await.map_err(refused)?;
    setup.device.set_device_lost_callback(|_, reason| {
        let lost = EngineError::Device { reason: format!("the browser took it away ({reason})") };
        super::host::post(&crate::protocol::Event::Lost { failure: lost.failure() }, None);
    });
    Ok(Ready { device, backend: Backend::Gpu })
}
