//! Colours of the zones on maps.

use std::fmt;
use std::str::FromStr;

use crate::{Classes, Error, Result, Zone};

/// Which colours a map of zones has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Palette {
    /// That of the R package `LCZ4r`, and of this crate's other figures.
    #[default]
    Lcz4r,
    /// That of the maps that the LCZ Generator delivers, WUDAPT's.
    Generator,
    /// Close to LCZ4r's, but any two zones are [`APART`] for readers with deuteranopia, the most common colour blindness, and for
    /// all others.
    Accessible,
}

/// Least distance of two colours of [`Palette::Accessible`] (CIE 1976 ΔE*ab), also under deuteranopia (Machado, Oliveira & Fernandes
/// 2009, severity 1). Of LCZ4r's palette zones 2 and 4 are 2.6 apart there.
pub const APART: f64 = 18.0;

/// The LCZ Generator's (Demuzere, Kittner & Bechtel 2021, Frontiers in Environmental Science 9:637455), zones 1–10, A–G.
const GENERATOR: [u32; 17] = [
    0x8C_0000, 0xD1_0000, 0xFF_0000, 0xBF_4D00, 0xFF_6600, 0xFF_9955, 0xFA_EE05, 0xBC_BCBC, 0xFF_CCAA,
    0x55_5555, 0x00_6A00, 0x00_AA00, 0x64_8525, 0xB9_DB79, 0x00_0000, 0xFB_F7AE, 0x6A_6AFF,
];

/// The nearest to LCZ4r's colours that a search has found under the condition of [`APART`].
const ACCESSIBLE: [u32; 17] = [
    0x75_0001, 0xEC_3347, 0xE9_0015, 0x9E_3000, 0xFF_720F, 0xF6_8E4D, 0xFD_ED3F, 0xBB_BBBB, 0xF5_C6B0,
    0x56_5656, 0x00_7634, 0x3F_D971, 0x71_9F65, 0xD0_EE81, 0x00_0000, 0xFF_FFBB, 0x65_6BFA,
];

impl Palette {
    /// All, by their names on the command line.
    pub const NAMES: [(&'static str, Self); 3] =
        [("lcz4r", Self::Lcz4r), ("generator", Self::Generator), ("accessible", Self::Accessible)];

    /// A zone's colour, as red, green, blue.
    pub fn zone(self, zone: Zone) -> [u8; 3] {
        let table = match self {
            Self::Lcz4r => return zone.colour(),
            Self::Generator => GENERATOR,
            Self::Accessible => ACCESSIBLE,
        };
        let [_, colour @ ..] = table[zone.number() - 1].to_be_bytes();
        colour
    }

    /// The colour of column `k`; one that is not a zone, or has a colour of its own, has the same in all palettes.
    pub fn colour(self, classes: &Classes, k: usize) -> [u8; 3] {
        classes.colour_in(k, |zone| self.zone(zone))
    }
}

impl FromStr for Palette {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::NAMES.iter().find(|(name, _)| *name == text);
        named.map(|(_, palette)| *palette).ok_or_else(|| {
            let names = Self::NAMES.map(|(name, _)| name).join(", ");
            Error::input(format!("palette '{text}'"), "no such palette", format!("choose one of {names}"))
        })
    }
}

impl fmt::Display for Palette {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::NAMES.iter().find(|(_, palette)| palette == self);
        f.write_str(named.map_or("", |(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linear RGB as a reader with deuteranopia sees it (Machado et al. 2009, table of severity 1.0).
    const DEUTERANOPIA: [[f64; 3]; 3] = [
        [0.367_322, 0.860_646, -0.227_968],
        [0.280_085, 0.672_501, 0.047_413],
        [-0.011_820, 0.042_940, 0.968_881],
    ];
    const NORMAL: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    /// sRGB to XYZ (IEC 61966-2-1), white D65.
    const XYZ: [[f64; 3]; 3] = [
        [0.412_456_4, 0.357_576_1, 0.180_437_5],
        [0.212_672_9, 0.715_152_2, 0.072_175_0],
        [0.019_333_9, 0.119_192_0, 0.950_304_1],
    ];

    fn times(matrix: &[[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| (0..3).map(|k| row[k] * v[k]).sum())
    }

    /// CIE 1976 L*a*b*.
    fn lab(colour: [u8; 3], eye: &[[f64; 3]; 3]) -> [f64; 3] {
        let linear = colour.map(|value| {
            let v = f64::from(value) / 255.0;
            if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        });
        let (xyz, white) =
            (times(&XYZ, times(eye, linear).map(|v| v.clamp(0.0, 1.0))), times(&XYZ, [1.0; 3]));
        let f = |k: usize| {
            let t = xyz[k] / white[k];
            if t > 216.0 / 24389.0 { t.cbrt() } else { t * 841.0 / 108.0 + 4.0 / 29.0 }
        };
        [116.0 * f(1) - 16.0, 500.0 * (f(0) - f(1)), 200.0 * (f(1) - f(2))]
    }

    fn apart(palette: Palette, [a, b]: [Zone; 2], eye: &[[f64; 3]; 3]) -> f64 {
        let [a, b] = [a, b].map(|zone| lab(palette.zone(zone), eye));
        (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn the_zones_of_the_accessible_palette_are_distinguished_with_and_without_deuteranopia() {
        // Known: LCZ4r's zones 2 and 4 are 2.6 apart.
        let two_and_four = [Zone::CompactMidRise, Zone::OpenHighRise];
        assert!((apart(Palette::Lcz4r, two_and_four, &DEUTERANOPIA) - 2.6).abs() < 0.05);
        for eye in [&NORMAL, &DEUTERANOPIA] {
            for a in Zone::all() {
                for b in Zone::all().filter(|b| *b > a) {
                    let distance = apart(Palette::Accessible, [a, b], eye);
                    assert!(distance >= APART, "{a} and {b}: {distance}");
                }
            }
        }
    }

    #[test]
    fn palettes_are_named_and_known() {
        for (name, palette) in Palette::NAMES {
            assert_eq!((name.parse::<Palette>().unwrap(), palette.to_string().as_str()), (palette, name));
        }
        assert!(
            "wudapt".parse::<Palette>().unwrap_err().to_string().contains("lcz4r, generator, accessible")
        );
        assert_eq!(Palette::Generator.zone(Zone::Water), [0x6A, 0x6A, 0xFF]);
        assert_eq!(Palette::Accessible.colour(&Classes::from_count(3), 1), Classes::from_count(3).colour(1));
    }
}
