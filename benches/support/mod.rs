//! Shared parts of the benchmarks of features.

/// Classes of the features, samples, and features of each as a ResNet-50 has them.
pub const CLASSES: usize = 17;
pub const SAMPLES: usize = 5000;
pub const WIDTH: usize = 2048;
/// Dimensions of the part that all features share.
pub const HIDDEN: usize = 12;

/// The value of an option on the command line.
pub fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

/// Median and best of some times in seconds, as text.
pub fn summary(mut seconds: Vec<f64>) -> String {
    seconds.sort_by(f64::total_cmp);
    let (median, threads) = (seconds[seconds.len() / 2], rayon::current_num_threads());
    format!("lcz: median {median:.3} s, best {:.3} s, {threads} threads", seconds[0])
}
