//! Counts of parameters that others have published, sizes of maps, and the path of the gradient.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::models::squares::Squares;
use crate::nn::{AnyTape, backward, cross_entropy, layers_of, weights};
use crate::{Bands, Imagery};

fn network<E: Dtype>(settings: &ResNet50Settings, bands: usize, classes: usize) -> ResNet50<E, Cpu>
where
    Cpu: Backend<E>,
{
    let imagery = Imagery { bands: Bands::of_count(bands), ..Imagery::so2sat() };
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
        let network = network::<f32>(&ResNet50Settings { width: 2, ..settings }, 3, 2);
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

/// The loss of a small network and each tensor's squared gradient.
fn loss_and_squares<E: Dtype>(variant: Variant) -> (f64, Vec<(String, f64)>)
where
    Cpu: Backend<E>,
{
    let (device, mut random) = (Cpu::default(), ChaCha8Rng::seed_from_u64(5));
    let settings = ResNet50Settings { variant, width: 4, head: 6 };
    let imagery = Imagery { bands: Bands::of_count(3), ..Imagery::so2sat() };
    let mut network: ResNet50<E, Cpu> = settings.module(&mut Builder::new(&device, &mut random, &imagery, 4));
    let mut draw = |len: usize| -> Vec<E> {
        (0..len).map(|_| E::from_f64(random.gen_range(0.0..1.0)).unwrap()).collect()
    };
    let x = device.tensor_from_vec(draw(6 * 40 * 40 * 3), (6usize, 40usize, 40usize, 3usize));
    let y = device.tensor_from_vec(draw(6 * 4), (6usize, 4usize));
    let mut pass = Pass::training(ChaCha8Rng::seed_from_u64(0));
    let x = x.put_tape(AnyTape::recording_from_data());
    let loss = cross_entropy(network.log_probabilities(x, &mut pass), y, 6);
    let value = loss.as_vec()[0].to_f64().unwrap();
    assert_eq!(pass.into_statistics().len(), 53, "batch norms");
    let mut gradients = backward(loss);
    let mut squares = Squares::of(&mut gradients);
    network.visit(&mut squares);
    (value, squares.found)
}

#[test]
fn the_fused_network_has_the_loss_and_the_gradients_of_the_composed_one() {
    for variant in [Variant::Standard, Variant::Course] {
        let (fused, of_fused) = loss_and_squares::<f32>(variant);
        let (composed, of_composed) = loss_and_squares::<f64>(variant);
        assert!((fused - composed).abs() < 1e-4, "{variant:?}: {fused}, not {composed}");
        for ((name, fused), (_, composed)) in of_fused.into_iter().zip(of_composed) {
            // A convolution's bias shifts its mean alike: what is left are roundings.
            let is_bias = name.rsplit('.').next() == Some("bias") && !name.starts_with("head");
            let near = (fused.sqrt() - composed.sqrt()).abs() <= 0.01 * composed.sqrt() + 1e-6;
            assert!(
                if is_bias { composed < 1e-20 } else { near && composed > 0.0 },
                "{name}: {fused}, {composed}"
            );
        }
    }
}
