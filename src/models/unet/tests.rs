//! Counts of parameters that Keras gives, sizes of maps, and settings that cannot be.

use super::*;
use crate::models::{Architecture, Device, build};
use crate::{Bands, Classes, Imagery};

fn imagery(patch_size: usize, bands: usize) -> Imagery {
    Imagery { patch_size, bands: Bands::from_count(bands), ..Imagery::so2sat() }
}

fn count(settings: &UnetSettings, size: usize, bands: usize, classes: usize) -> [usize; 2] {
    let (imagery, classes) = (imagery(size, bands), Classes::from_count(classes));
    let parameters = build(&Architecture::Unet(settings.clone()), &imagery, &classes, 0, Device::Cpu)
        .unwrap()
        .parameters();
    [parameters.total, parameters.trainable]
}

#[test]
fn the_networks_have_as_many_parameters_as_in_keras() {
    // tests/vectors/make_unet.py prints these. The first is segmentation_models' Unet("efficientnetb0", (64, 64, 3)).
    let b0 = UnetSettings::default();
    assert_eq!(count(&b0, 64, 3, 1), [10_115_501, 10_071_501]);
    assert_eq!(count(&b0, 64, 10, 7), [10_118_387, 10_074_387]);
    assert_eq!(count(&UnetSettings { width: 0.25, ..b0 }, 64, 3, 5), [746_015, 733_855]);
    let plain = UnetSettings::plain();
    assert_eq!(count(&plain, 64, 3, 1), [31_052_289, 31_038_593]);
    assert_eq!(count(&UnetSettings { width: 0.125, depth: 3, ..plain }, 64, 10, 7), [122_607, 121_791]);
}

#[test]
fn every_layer_of_the_summary_has_the_parameters_it_names_and_all_are_named() {
    for settings in [UnetSettings::default(), UnetSettings::plain()] {
        let settings = UnetSettings { width: 0.25, ..settings };
        let (imagery, classes) = (imagery(64, 10), Classes::from_count(7));
        let architecture = Architecture::Unet(settings.clone());
        let network = build(&architecture, &imagery, &classes, 0, Device::Cpu).unwrap();
        let layers = architecture.layers(&imagery, &classes).unwrap();
        let named: Vec<&str> =
            layers.iter().map(|layer| &*layer.weights).filter(|name| !name.is_empty()).collect();
        for (name, _) in network.weights().iter() {
            let layer = name.rsplit_once('.').unwrap().0;
            assert!(named.contains(&layer), "{settings:?}: {name}");
        }
        assert!(named.iter().all(|name| network.weights().get(&format!("{name}.weight")).is_some()));
        let text = network.summary().to_string();
        assert!(text.contains("64 × 64 × 7"), "{text}");
    }
}

#[test]
fn settings_that_cannot_be_and_patches_of_odd_sizes_are_refused_in_one_line() {
    let refused = |settings: UnetSettings, size: usize, part: &str| {
        let error = settings.check(size).unwrap_err().to_string();
        assert!(error.contains(part) && error.lines().count() == 1, "{error}");
    };
    let (b0, plain) = (UnetSettings::default(), UnetSettings::plain());
    refused(b0.clone(), 48, "a multiple of 32");
    refused(plain.clone(), 24, "a multiple of 16");
    refused(UnetSettings { depth: 2, ..plain.clone() }, 0, "a multiple of 4");
    refused(UnetSettings { depth: 3, ..b0.clone() }, 64, "halves the maps five times");
    refused(UnetSettings { depth: 0, ..plain.clone() }, 64, "choose 1 to 6");
    for width in [0.0, -1.0, f64::NAN, 100.0] {
        refused(UnetSettings { width, ..plain.clone() }, 64, "unet: width");
    }
    assert!(b0.check(32).is_ok() && UnetSettings { depth: 5, ..plain }.check(96).is_ok());
}
