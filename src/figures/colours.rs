//! Colours of figures, safe for colour-blind readers and in grey print.

use plotters_backend::BackendColor;

/// Red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(pub [u8; 3]);

/// Text and axes.
pub(super) const INK: Colour = Colour([0x1A, 0x1A, 0x1A]);
/// Secondary text: sources, counts.
pub(super) const FAINT_INK: Colour = Colour([0x5A, 0x5A, 0x5A]);
/// Grid lines.
pub(super) const GRID: Colour = Colour([0xE2, 0xE2, 0xE2]);
/// What has no value.
pub(super) const ABSENT: Colour = Colour([0xEC, 0xEC, 0xEC]);
/// The page.
pub(super) const PAPER: Colour = Colour([0xFF, 0xFF, 0xFF]);
/// Okabe & Ito's blue.
pub(super) const BLUE: Colour = Colour([0x00, 0x72, 0xB2]);
/// Okabe & Ito's orange; lighter than the blue, so that the two differ in grey too.
pub(super) const ORANGE: Colour = Colour([0xE6, 0x9F, 0x00]);

/// Okabe & Ito's vermilion.
pub(super) const VERMILION: Colour = Colour([0xD5, 0x5E, 0x00]);
/// Okabe & Ito's sky blue.
pub(super) const SKY: Colour = Colour([0x56, 0xB4, 0xE9]);
/// Okabe & Ito's bluish green.
pub(super) const GREEN: Colour = Colour([0x00, 0x9E, 0x73]);

impl Colour {
    pub(super) fn opaque(self) -> BackendColor {
        let [red, green, blue] = self.0;
        BackendColor { alpha: 1.0, rgb: (red, green, blue) }
    }

    /// With this opacity.
    pub(super) fn veiled(self, share: f64) -> BackendColor {
        BackendColor { alpha: share, ..self.opaque() }
    }

    /// This colour with a share (0 to 1) of another.
    pub(super) fn mixed(self, other: Self, share: f64) -> Self {
        let mix = |c: usize| f64::from(self.0[c]) * (1.0 - share) + f64::from(other.0[c]) * share;
        Self([0, 1, 2].map(|c| mix(c).round() as u8))
    }

    /// Ink or paper, whichever stands out more on this colour (WCAG 2 contrast ratio).
    pub(super) fn text_on(self) -> Self {
        let contrast = |a: f64, b: f64| (a.max(b) + 0.05) / (a.min(b) + 0.05);
        let here = self.luminance();
        if contrast(here, PAPER.luminance()) > contrast(here, INK.luminance()) { PAPER } else { INK }
    }

    /// Relative luminance Y, 0–1 (IEC 61966-2-1).
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|value| {
            let v = f64::from(value) / 255.0;
            if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

/// White (0) to dark blue (1) in even steps of lightness: a path through Oklab (Ottosson 2020) whose
/// lightness falls linearly.
pub(super) fn ramp(share: f64) -> Colour {
    let t = share.clamp(0.0, 1.0);
    let lightness = 1.0 - 0.70 * t;
    let chroma = 0.40 * t * (1.0 - 0.72 * t);
    let hue = 255.0_f64.to_radians();
    oklab(lightness, chroma * hue.cos(), chroma * hue.sin())
}

/// Oklab to sRGB (Björn Ottosson, *A perceptual color space for image processing*, 2020).
fn oklab(lightness: f64, a: f64, b: f64) -> Colour {
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    let linear = [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
    ];
    Colour(linear.map(|v| {
        let v = v.clamp(0.0, 1.0);
        let encoded = if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
        (encoded * 255.0).round() as u8
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ramp_goes_from_white_to_dark_in_even_steps_of_lightness() {
        // CIE L* of the colours themselves, which Oklab knows nothing of.
        let lightness = |share| 116.0 * ramp(share).luminance().cbrt() - 16.0;
        assert_eq!(ramp(0.0), PAPER);
        let steps: Vec<f64> =
            (0..10).map(|k| lightness(f64::from(k) / 10.0) - lightness(f64::from(k + 1) / 10.0)).collect();
        assert!(steps.iter().all(|step| (6.0..10.0).contains(step)), "{steps:?}");
    }

    #[test]
    fn oklab_of_blue_is_the_published_one() {
        // Pure sRGB blue is L 0.45201, a -0.03246, b -0.31153 (CSS Color 4, sample code).
        let Colour([red, green, blue]) = oklab(0.452_01, -0.032_46, -0.311_53);
        assert!(red <= 1 && green <= 1 && blue >= 254, "{red} {green} {blue}");
    }

    #[test]
    fn text_on_a_cell_is_always_readable() {
        let contrast = |a: Colour, b: Colour| {
            let (a, b) = (a.luminance(), b.luminance());
            (a.max(b) + 0.05) / (a.min(b) + 0.05)
        };
        for k in 0..=100 {
            let cell = ramp(f64::from(k) / 100.0);
            assert!(contrast(cell, cell.text_on()) >= 4.0, "at {k} %");
        }
    }
}
