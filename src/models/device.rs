//! The devices of networks: the processor, or an NVIDIA GPU in a build with the feature `cuda`.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::simd::Level;
use crate::{Error, Result};

/// Where a network runs.
///
/// Read from text: `cpu`, `cuda` (the first GPU), `cuda:1`, or `auto`: the first GPU if there is one that this
/// build can use, else the processor.
///
/// ```
/// use lcz::models::Device;
/// assert_eq!("cpu".parse::<Device>()?, Device::Cpu);
/// # Ok::<(), lcz::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU, by number.
    #[cfg(feature = "cuda")]
    Cuda(usize),
}

/// Summary of a device, from [`devices`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceSummary {
    /// Its name for `--device`.
    pub device: String,
    /// The instruction set of the processor's kernels, or the GPU's compute capability.
    pub kind: String,
    /// Threads of the processor, multiprocessors of a GPU.
    pub units: usize,
    /// Bytes of a GPU's memory: free, all.
    pub memory: Option<[u64; 2]>,
}

/// Refuses a value of the environment's `LCZ_SIMD` that is not an instruction set of this machine, in place of which the widest
/// would be taken: `avx512`, `avx2`, `neon` (tested under emulation, its speed not measured) or `portable`. It makes the processor's
/// kernels use that one, to measure each on one machine.
///
/// # Errors
/// Such a value; names the possible ones.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// lcz::models::check_instruction_set()?; // LCZ_SIMD is not set, or usable here
/// # Ok(())
/// # }
/// ```
pub fn check_instruction_set() -> Result<()> {
    Level::stated().map(|_| ())
}

/// The devices that this build can use here, the processor first.
///
/// # Errors
/// A GPU's driver that answers with an error, or as [`check_instruction_set`].
///
/// ```
/// assert_eq!(lcz::models::devices()?[0].device, "cpu");
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn devices() -> Result<Vec<DeviceSummary>> {
    check_instruction_set()?;
    let cpu = DeviceSummary {
        device: Device::Cpu.to_string(),
        kind: Level::best().name().to_owned(),
        units: rayon::current_num_threads(),
        memory: None,
    };
    #[cfg(feature = "cuda")]
    let gpus = (0..gpu::count()).map(gpu::summary);
    #[cfg(not(feature = "cuda"))]
    let gpus = std::iter::empty();
    std::iter::once(Ok(cpu)).chain(gpus).collect()
}

impl Device {
    /// The first GPU, where there is one that this build can use; else the processor.
    pub fn best() -> Self {
        #[cfg(feature = "cuda")]
        if gpu::count() > 0 {
            return Self::Cuda(0);
        }
        Self::Cpu
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            #[cfg(feature = "cuda")]
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "cpu" => return Ok(Self::Cpu),
            "auto" => return Ok(Self::best()),
            _ => {}
        }
        #[cfg(feature = "cuda")]
        if let Some(number) = text.strip_prefix("cuda") {
            let number = if number.is_empty() { Some("0") } else { number.strip_prefix(':') };
            if let Some(Ok(number)) = number.map(str::parse) {
                return Ok(Self::Cuda(number));
            }
        }
        let advice = if cfg!(feature = "cuda") {
            "use auto, cpu, cuda or cuda:1; `lcz devices` lists them"
        } else if text.starts_with("cuda") {
            "use cpu, or a build for CUDA: see docs/how-to.md, \"On a GPU\""
        } else {
            "use auto or cpu"
        };
        Err(Error::input(format!("device '{text}'"), "not available", advice))
    }
}

#[cfg(feature = "cuda")]
mod gpu {
    use cudarc::driver::{CudaDevice, DriverError, result, sys::CUdevice_attribute as Attribute};

    use super::{Device, DeviceSummary};
    use crate::{Error, Result};

    /// How many GPUs the driver shows; none where there is no driver.
    pub(super) fn count() -> usize {
        let count = || {
            result::init()?;
            result::device::get_count()
        };
        count().map_or(0, |count| count as usize)
    }

    pub(super) fn summary(number: usize) -> Result<DeviceSummary> {
        let read = || -> std::result::Result<_, DriverError> {
            // The driver reports the memory of the current device.
            let device = CudaDevice::new(number)?;
            let major = device.attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
            let minor = device.attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
            let units = device.attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
            let (free, all) = result::mem_get_info()?;
            Ok(DeviceSummary {
                device: Device::Cuda(number).to_string(),
                kind: format!("compute capability {major}.{minor}"),
                units: units as usize,
                memory: Some([free as u64, all as u64]),
            })
        };
        read().map_err(|error| {
            let place = Device::Cuda(number).to_string();
            Error::input(place, format!("{error:?}"), "see whether nvidia-smi shows it")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_always_there_and_comes_first() {
        let found = devices().unwrap();
        assert_eq!(found[0].device.parse::<Device>().unwrap(), Device::Cpu);
        assert!(found[0].units > 0);
    }

    #[test]
    fn a_device_that_is_not_there_is_refused_with_what_to_do() {
        for text in ["gpu", "cudax", "cuda:x", ""] {
            let message = text.parse::<Device>().unwrap_err().to_string();
            assert!(message.starts_with(&format!("device '{text}': not available; use ")), "{message}");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn without_the_feature_a_gpu_needs_another_build_and_auto_is_the_processor() {
        let message = "cuda:0".parse::<Device>().unwrap_err().to_string();
        assert!(message.contains("a build for CUDA"), "{message}");
        assert_eq!("auto".parse::<Device>().unwrap(), Device::Cpu);
    }
}
