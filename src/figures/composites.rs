//! From bands to colours: which band, or which number made of bands, becomes red, green and blue, and
//! which value becomes black and which white.

use ndarray::{Array2, Array3, Array4, Axis, concatenate, s};

use super::drawing::Picture;
use crate::data::Patches;
use crate::{Bands, Error, Imagery, Result};

/// The share of values that a stretch lets run into black, and as many into white.
const CLIPPED: f64 = 0.02;

/// Gamma correction of the brightness: a share of the range to the power 1/γ.
const GAMMA: f32 = 1.4;

/// Lowest intensity that is shown: −50 dB.
const FAINTEST: f32 = 1e-5;

/// What red, green and blue of a picture show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Composite {
    /// Sentinel-2 and Landsat 8: B4, B3, B2, in natural colours.
    #[default]
    TrueColour,
    /// The same bands, each divided by its own largest value, as the course on So2Sat does it. That shifts
    /// the colours and lets one bright roof darken a whole band: it is here for comparison only.
    TrueColourByMaxima,
    /// Sentinel-2: near infrared, red, green (B8, B4, B3); healthy plants are red.
    NearInfrared,
    /// Sentinel-1: the intensities VV and VH and their ratio VV / VH, in decibels. The course's own radar
    /// composite takes one channel twice.
    Radar,
}

/// Numbers that become colours, and how.
pub(super) struct Composed {
    /// Shape: (n, S, S, 3), or (n, S, S, 1) in grey.
    pub pixels: Array4<f32>,
    /// What each colour is, for a CSV's columns.
    pub names: Vec<String>,
    /// Description of the composite: `true colour (B4, B3, B2)`.
    pub words: String,
    /// Whether it is the requested composite; else the bands do not allow it.
    pub as_asked: bool,
    /// One per colour.
    stretches: Vec<Stretch>,
    /// How the values became colours, in a sentence.
    pub stretched: String,
}

impl Composed {
    /// The composite of these patches.
    ///
    /// # Errors
    /// A band that is not there, or pixels that cannot be read.
    pub(super) fn of(patches: &Patches, composite: Composite) -> Result<Self> {
        let (bands, names, words): (&[&str], _, _) = match composite {
            Composite::TrueColour | Composite::TrueColourByMaxima => {
                (&["B4", "B3", "B2"], ["B4", "B3", "B2"], "true colour (B4, B3, B2)")
            }
            Composite::NearInfrared => {
                (&["B8", "B4", "B3"], ["B8", "B4", "B3"], "false colour (B8, B4, B3 as red, green, blue)")
            }
            Composite::Radar => (
                &["VV intensity", "VH intensity"],
                ["VV_dB", "VH_dB", "VV_over_VH_dB"],
                "false colour (VV, VH, VV / VH in dB as red, green, blue)",
            ),
        };
        let at = patches.imagery().bands.positions(&Bands::named(bands.iter().copied())?)?;
        let mut pixels = patches.images(0..patches.len())?.select(Axis(3), &at);
        let names = names.map(str::to_owned).to_vec();
        let (stretches, stretched) = match composite {
            Composite::TrueColour | Composite::NearInfrared => joint(&pixels, &names, patches.imagery()),
            Composite::TrueColourByMaxima => by_maxima(&pixels, &names),
            Composite::Radar => {
                // 10 log₁₀ of both intensities, and of their ratio.
                pixels.mapv_inplace(|intensity| 10.0 * intensity.max(FAINTEST).log10());
                let ratio = &pixels.slice(s![.., .., .., ..1]) - &pixels.slice(s![.., .., .., 1..]);
                pixels = concatenate(Axis(3), &[pixels.view(), ratio.view()])
                    .map_err(Error::internal("composing radar"))?;
                apart(&pixels)
            }
        };
        let words = words.to_owned();
        Ok(Self { pixels, names, words, as_asked: true, stretches, stretched })
    }

    /// True colour, or what comes nearest to it: the first three bands, or the first in grey.
    ///
    /// # Errors
    /// Pixels that cannot be read.
    pub(super) fn as_seen(patches: &Patches) -> Result<Self> {
        let bands = &patches.imagery().bands;
        if bands.true_colour().is_some() {
            return Self::of(patches, Composite::TrueColour);
        }
        let channels = if bands.len() >= 3 { vec![0, 1, 2] } else { vec![0] };
        let names: Vec<String> = channels.iter().map(|&c| bands.names()[c].clone()).collect();
        let words = match names.len() {
            3 => format!("false colour ({} as red, green, blue)", names.join(", ")),
            _ => format!("{} in grey", names[0]),
        };
        let pixels = patches.images(0..patches.len())?.select(Axis(3), &channels);
        let (stretches, stretched) = joint(&pixels, &names, patches.imagery());
        Ok(Self { pixels, names, words, as_asked: false, stretches, stretched })
    }

    /// Patch `k` in colours; one band gives equal red, green and blue.
    pub(super) fn picture(&self, k: usize) -> Picture {
        let (_, rows, columns, bands) = self.pixels.dim();
        let mut pixels = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            for column in 0..columns {
                let shade = |band: usize| {
                    let band = band % bands;
                    self.stretches[band].shade(self.pixels[[k, row, column, band]])
                };
                pixels.push([shade(0), shade(1), shade(2)]);
            }
        }
        Picture { columns, rows, pixels }
    }

    /// Mean of each colour's numbers over patch `k`, before the stretch.
    pub(super) fn means(&self, k: usize) -> Vec<f64> {
        let mean = |band: usize| {
            let values = self.pixels.slice(s![k, .., .., band]);
            values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64
        };
        (0..self.names.len()).map(mean).collect()
    }
}

/// One stretch for all patches and one range for all bands, so that colours and brightness compare.
///
/// The darkest values of a band are path radiance, strongest in blue (dark-object subtraction, Chavez 1988): black is each band's
/// own 2nd percentile, which removes a blue cast. The range from there to white is that of the band
/// with the largest range, the same for all.
fn joint(pixels: &Array4<f32>, names: &[String], imagery: &Imagery) -> (Vec<Stretch>, String) {
    let (stretches, range) = jointly(pixels);
    let blacks: Vec<String> =
        names.iter().zip(&stretches).map(|(name, stretch)| format!("{name} {:.3}", stretch.black)).collect();
    let words = format!(
        "one stretch for all patches: black {} ({}; 2nd percentiles), white {range:.3} above, gamma {GAMMA}.",
        blacks.join(", "),
        imagery.unit
    );
    (stretches, words)
}

/// The joint stretch of all colours, and its range.
fn jointly(pixels: &Array4<f32>) -> (Vec<Stretch>, f32) {
    let own = over_each(pixels);
    let range = own.iter().map(|Stretch { black, white, .. }| white - black).fold(0.0, f32::max);
    let bright = |Stretch { black, .. }| Stretch { black, white: black + range, gamma: GAMMA };
    (own.into_iter().map(bright).collect(), range)
}

/// Red, green and blue (B4, B3, B2) of an image with the joint stretch, and a description of the stretch; `None` where a
/// pixel lacks data, and for all if each does. Shape: (rows, columns, 3).
pub(super) fn as_eyes_would_see(image: &Array3<f32>) -> Option<(Array2<Option<[u8; 3]>>, String)> {
    let known = |pixel: &[f32]| pixel.iter().all(|value| value.is_finite());
    let (rows, columns, _) = image.dim();
    let pixel = |row: usize, column: usize| [0, 1, 2].map(|c| image[[row, column, c]]);
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let values: Vec<f32> =
        places.map(|(row, column)| pixel(row, column)).filter(|pixel| known(pixel)).flatten().collect();
    if values.is_empty() {
        return None;
    }
    let pixels = Array4::from_shape_vec((values.len() / 3, 1, 1, 3), values).ok()?;
    let (stretches, range) = jointly(&pixels);
    let colours = Array2::from_shape_fn((rows, columns), |(row, column)| {
        let pixel = pixel(row, column);
        known(&pixel).then(|| [0, 1, 2].map(|c| stretches[c].shade(pixel[c])))
    });
    let words = format!(
        "true colour: the darkest 2 % of each band are black, one range of {range:.3} leads to white (gamma {GAMMA})"
    );
    Some((colours, words))
}

/// A stretch of its own for each colour.
fn over_each(pixels: &Array4<f32>) -> Vec<Stretch> {
    pixels.axis_iter(Axis(3)).map(|values| Stretch::over(values.iter().copied())).collect()
}

/// A stretch per colour, for numbers that are not of one kind.
fn apart(pixels: &Array4<f32>) -> (Vec<Stretch>, String) {
    let stretches = over_each(pixels);
    let ends = ["red", "green", "blue"].iter().zip(&stretches);
    let ends =
        ends.map(|(colour, Stretch { black, white, .. })| format!("{colour} {black:.1} to {white:.1}"));
    let words = format!(
        "each with a linear stretch of its own, the same for all patches, from the 2nd to the 98th percentile: \
         {} dB.",
        ends.collect::<Vec<_>>().join(", ")
    );
    (stretches, words)
}

/// Black is 0, white each band's own largest value.
fn by_maxima(pixels: &Array4<f32>, names: &[String]) -> (Vec<Stretch>, String) {
    let largest = pixels.axis_iter(Axis(3)).map(|values| values.iter().copied().fold(f32::MIN, f32::max));
    let stretches: Vec<Stretch> = largest.map(|white| Stretch { black: 0.0, white, gamma: 1.0 }).collect();
    let ends = names.iter().zip(&stretches).map(|(name, stretch)| format!("{name} {:.3}", stretch.white));
    let ends = ends.collect::<Vec<_>>().join(", ");
    (stretches, format!("each band divided by its own largest value ({ends}): for comparison only."))
}

/// The value that becomes black and the one that becomes white.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stretch {
    black: f32,
    white: f32,
    /// 1 where it is linear.
    gamma: f32,
}

impl Stretch {
    /// The 2nd and the 98th percentile of all values, the nearest value below each.
    fn over(values: impl Iterator<Item = f32>) -> Self {
        let mut values: Vec<f32> = values.collect();
        let last = values.len() - 1;
        let clipped = (CLIPPED * last as f64) as usize;
        let (_, black, _) = values.select_nth_unstable_by(clipped, f32::total_cmp);
        let black = *black;
        let (_, white, _) = values.select_nth_unstable_by(last - clipped, f32::total_cmp);
        Self { black, white: *white, gamma: 1.0 }
    }

    /// 0 for black to 255 for white; a set of one value only is drawn in medium grey.
    fn shade(self, value: f32) -> u8 {
        let range = self.white - self.black;
        let share = if range > 0.0 { (value - self.black) / range } else { 0.5 };
        (share.clamp(0.0, 1.0).powf(self.gamma.recip()) * 255.0).round() as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Classes;

    fn patches(bands: Bands, pixels: Vec<f32>) -> Patches {
        let n = pixels.len() / bands.len();
        let shape = (n, 1, 1, bands.len());
        let imagery = Imagery { patch_size: 1, bands, ..Imagery::so2sat() };
        Patches::in_memory(imagery, Classes::lcz(), Array4::from_shape_vec(shape, pixels).unwrap()).unwrap()
    }

    #[test]
    fn the_stretch_clips_two_percent_at_either_end() {
        let values = (0..=100).rev().map(|value| value as f32);
        assert_eq!(Stretch::over(values), Stretch { black: 2.0, white: 98.0, gamma: 1.0 });
    }

    #[test]
    fn black_and_white_are_the_ends_of_the_stretch() {
        let stretch = Stretch { black: 0.25, white: 0.75, gamma: 1.0 };
        assert_eq!([0.0, 0.25, 0.5, 0.75, 9.0].map(|value| stretch.shade(value)), [0, 0, 128, 255, 255]);
        assert_eq!(Stretch { black: 0.2, white: 0.2, gamma: 1.0 }.shade(0.2), 128);
        // √0.25 = 0.5
        assert_eq!(Stretch { black: 0.0, white: 4.0, gamma: 2.0 }.shade(1.0), 128);
    }

    #[test]
    fn radar_is_shown_as_vv_vh_and_their_ratio_in_decibels() {
        // VV 0.1 = -10 dB, VH 0.01 = -20 dB; an intensity of 0 is as faint as can be shown.
        let bands = Bands::named(["VH intensity", "VV intensity"]).unwrap();
        let composed = Composed::of(&patches(bands, vec![0.01, 0.1, 0.0, 1.0]), Composite::Radar).unwrap();
        for (got, wanted) in composed.means(0).into_iter().zip([-10.0, -20.0, 10.0]) {
            assert!((got - wanted).abs() < 1e-4, "{got}, not {wanted}");
        }
        for (got, wanted) in composed.means(1).into_iter().zip([0.0, -50.0, 50.0]) {
            assert!((got - wanted).abs() < 1e-4, "{got}, not {wanted}");
        }
    }

    #[test]
    fn dividing_each_band_by_its_maximum_turns_a_red_patch_white() {
        // Twice as much red as blue everywhere: the joint stretch keeps that, the course's loses it.
        let bands = Bands::named(["B2", "B3", "B4"]).unwrap();
        let set = patches(bands, vec![0.1, 0.15, 0.2, 0.05, 0.075, 0.1]);
        let colour = |composite| Composed::of(&set, composite).unwrap().picture(0).pixels[0];
        assert_eq!(colour(Composite::TrueColourByMaxima), [255, 255, 255]);
        let [red, green, blue] = colour(Composite::TrueColour);
        assert!(red > green && green > blue, "{red} {green} {blue}");
    }

    #[test]
    fn bands_without_the_visible_three_are_named_for_what_they_are() {
        let words = |bands: Bands| {
            let pixels = vec![0.1; bands.len()];
            Composed::as_seen(&patches(bands, pixels)).unwrap().words
        };
        assert_eq!(words(Bands::sentinel1()), "false colour (VH re, VH im, VV re as red, green, blue)");
        assert_eq!(words(Bands::named(["B8", "B11"]).unwrap()), "B8 in grey");
        assert_eq!(words(Bands::sentinel2()), "true colour (B4, B3, B2)");
        let radar = patches(Bands::sentinel1(), vec![0.1; 8]);
        assert!(Composed::of(&radar, Composite::TrueColour).is_err());
    }
}
