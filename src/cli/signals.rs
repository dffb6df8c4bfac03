//! SIGINT (Ctrl-C) and SIGTERM: the first stops the work at the next safe place, the second ends the process at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Becomes true at the first signal.
pub fn interruption() -> io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal sets the flag; the second finds it set and ends the process.
        flag::register_conditional_default(signal, asked.clone())?;
        flag::register(signal, asked.clone())?;
    }
    Ok(asked)
}

/// Lets a write beyond the limit of a file's size (`ulimit -f`) fail with an error, as on a full disk,
/// rather than end the process.
pub fn let_large_files_fail() {
    // Where it cannot be caught, the process ends as it would have.
    #[cfg(unix)]
    let _ = flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}
