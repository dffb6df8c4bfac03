//! Counts of parameters that others have published, and sizes of maps.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::nn::{layers_of, weights};
use crate::{Bands, Imagery};

fn network(settings: &ResNet50Settings, bands: usize, classes: usize) -> ResNet50<f32, Cpu> {
    let imagery = Imagery { bands: Bands::from_count(bands), ..Imagery::so2sat() };
    let random = &mut ChaCha8Rng::seed_from_u64(0);
    settings.module(&mut Builder::new(&Cpu::default(), random, &imagery, classes))
}

fn count(settings: &ResNet50Settings, bands: usize, classes: usize) -> usize {
    weights::read(&network(settings, bands, classes)).count().total
}

#[test]
fn the_published_network_and_the_course_s_have_as_many_parameters_as_in_keras() {
    // keras.applications.ResNet50's documentation: 25,636,712 with 3 bands and 1,000 classes.
    assert_eq!(count(&ResNet50Settings::default(), 3, 1000), 25_636_712);
    assert_eq!(count(&ResNet50Settings::course(), 10, 17), 23_606_289);
    let headed = ResNet50Settings { head: 256, ..Default::default() };
    // 7 more bands under the first window; 2,048 · 256 + 256 and 256 · 17 + 17 for 2,048 · 1,000 + 1,000.
    let expected = 25_636_712 + 7 * 49 * 64 - 2_049_000 + 2049 * 256 + 257 * 17;
    assert_eq!(count(&headed, 10, 17), expected);
}

#[test]
fn the_course_s_maps_are_16_7_7_7_4_2_and_the_published_ones_halve_five_times() {
    let maps = |settings: ResNet50Settings, patch_size: usize| {
        let network = network(&ResNet50Settings { width: 2, ..settings }, 3, 2);
        let layers = layers_of(&network, &Cpu::default(), patch_size, 3);
        let of = |name: &str| layers.iter().find(|layer| layer.text.starts_with(name)).unwrap().output[0];
        let blocks = (2..6).map(|stage| of(&format!("stage{stage}.block1.conv3")));
        [of("conv1"), of("maximum")].into_iter().chain(blocks).collect::<Vec<_>>()
    };
    assert_eq!(maps(ResNet50Settings::course(), 32), [16, 7, 7, 7, 4, 2]);
    assert_eq!(maps(ResNet50Settings::default(), 224), [112, 56, 56, 28, 14, 7]);
    assert_eq!(maps(ResNet50Settings::default(), 32), [16, 8, 8, 4, 2, 1]);
}

#[test]
fn patches_too_small_and_widths_that_cannot_be_are_refused_in_one_line() {
    let course = ResNet50Settings::course();
    assert!(course.check(5).is_ok() && ResNet50Settings::default().check(1).is_ok());
    let error = course.check(4).unwrap_err().to_string();
    assert!(error.contains("at least 5 pixels") && error.lines().count() == 1, "{error}");
    for width in [0, 3, 1000] {
        assert!(ResNet50Settings { width, ..course.clone() }.check(32).is_err(), "{width}");
    }
}
