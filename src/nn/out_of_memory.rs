//! Turns dfdx's panic on a full GPU memory into an error that names the batch size to try.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::{Error, Result};

/// What the driver's refusal is called, in the message that dfdx panics with.
const REFUSED: &str = "OUT_OF_MEMORY";

/// Trains, with steps of `batch_size` patches. The caller restores the state that an aborted step has changed.
///
/// # Errors
/// Those of `train`; a step that does not fit into the device's memory.
pub(super) fn within_memory<T>(batch_size: usize, train: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(train)).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
        if !message.contains(REFUSED) {
            resume_unwind(panic);
        }
        let problem = format!("a step of {batch_size} patches does not fit into the device's memory");
        let advice = if batch_size > 1 {
            format!("try {}, or a narrower network", batch_size / 2)
        } else {
            "train a narrower network, or on the processor: --device cpu".to_owned()
        };
        Err(Error::input("training.batch_size", problem, advice))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_memory_is_an_error_with_advice_and_no_other_panic_is() {
        let refuse = || -> Result<()> {
            panic!(
                "called `Result::unwrap()` on an `Err` value: Cuda(DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\"))"
            )
        };
        let told = within_memory(512, refuse).unwrap_err().to_string();
        assert!(told.contains("512 patches") && told.contains("try 256"), "{told}");
        assert!(within_memory(1, refuse).unwrap_err().to_string().contains("narrower"));
        assert_eq!(within_memory(1, || Ok(7)).unwrap(), 7);
        let other = || -> Result<()> { panic!("another bug") };
        assert!(catch_unwind(|| within_memory(64, other)).is_err());
    }
}
