//! Text of figures: one embedded font, measured and drawn in the same way in the PNG and the SVG.
//!
//! plotters' own text drops the space before each letter and has another size in a PNG than in an
//! SVG, so letters are set here; plotters places them.

use std::convert::Infallible;
use std::sync::OnceLock;

use ab_glyph_rasterizer::{Point, Rasterizer, point};
use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendTextStyle, FontFamily, FontStyle, FontTransform};
use skrifa::instance::{LocationRef, Size};
use skrifa::outline::DrawSettings;
use skrifa::outline::pen::PathElement;
use skrifa::{FontRef, MetadataProvider};

use super::colours::Colour;

/// Fonts that an SVG requests: all but the last are as wide as the embedded one.
const FAMILY: &str = "Arimo, Liberation Sans, Arial, Helvetica, sans-serif";

/// Height of capitals and digits, in ems.
const CAP_HEIGHT: f64 = 0.69;

/// Where plotters' SVG puts the baseline below a text's top, in ems.
const TOP_TO_BASELINE: f64 = 0.76;

/// plotters' SVG divides a text's size by this to get the em.
const SIZE_OF_EM: f64 = 1.24;

/// Where a text's position is on the text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks. Sizes are in points: the em of the font.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lettering {
    pub size: f64,
    pub bold: bool,
    pub colour: Colour,
    pub anchor: Anchor,
    /// Reads from bottom to top.
    pub upward: bool,
}

impl Lettering {
    pub(super) const fn new(size: f64, colour: Colour) -> Self {
        Self { size, bold: false, colour, anchor: Anchor::Start, upward: false }
    }

    pub(super) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(super) fn centred(self) -> Self {
        Self { anchor: Anchor::Middle, ..self }
    }

    pub(super) fn ending(self) -> Self {
        Self { anchor: Anchor::End, ..self }
    }

    pub(super) fn upward(self) -> Self {
        Self { upward: true, ..self }
    }

    /// How far below the middle of its capitals a text's baseline is.
    pub(super) fn half_height(&self) -> f64 {
        0.5 * CAP_HEIGHT * self.size
    }

    /// Width of a text in points.
    pub(super) fn width(&self, text: &str) -> f64 {
        text.chars().map(|letter| advance(self.font(), letter)).sum::<f64>() * self.size
    }

    /// The same at the largest size, at most its own, at which `text` fits into `width`.
    pub(super) fn fitting(self, text: &str, width: f64) -> Self {
        let natural = self.width(text);
        if natural <= width { self } else { Self { size: self.size * width / natural, ..self } }
    }

    /// The text in lines no wider than `width`, broken at spaces.
    pub(super) fn wrap(&self, text: &str, width: f64) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match lines.last_mut() {
                Some(line) if self.width(&format!("{line} {word}")) <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines
    }

    fn font(&self) -> &'static FontRef<'static> {
        static REGULAR: OnceLock<FontRef<'static>> = OnceLock::new();
        static BOLD: OnceLock<FontRef<'static>> = OnceLock::new();
        let (cell, bytes): (_, &[u8]) = if self.bold {
            (&BOLD, include_bytes!("../../assets/fonts/Arimo-Bold.ttf"))
        } else {
            (&REGULAR, include_bytes!("../../assets/fonts/Arimo-Regular.ttf"))
        };
        cell.get_or_init(|| FontRef::new(bytes).expect("the embedded font is a font"))
    }
}

/// A letter's width in ems.
fn advance(font: &FontRef<'static>, letter: char) -> f64 {
    let glyph = font.charmap().map(letter).unwrap_or_default();
    let (size, location) = (Size::unscaled(), LocationRef::default());
    let width = font.glyph_metrics(size, location).advance_width(glyph).unwrap_or_default();
    f64::from(width) / f64::from(font.metrics(size, location).units_per_em)
}

/// A letter at a number of pixels per unit: its top left pixel, and its coverage from there; none for a space.
fn rasterise(font: &FontRef<'static>, letter: char, scale: f32, at: Point) -> Option<(Point, Rasterizer)> {
    let glyph = font.charmap().map(letter).unwrap_or_default();
    let (size, location) = (Size::unscaled(), LocationRef::default());
    let bounds = font.glyph_metrics(size, location).bounds(glyph)?;
    let mut path: Vec<PathElement> = Vec::new();
    font.outline_glyphs().get(glyph)?.draw(DrawSettings::unhinted(size, location), &mut path).ok()?;
    let pixels = |round: fn(f32) -> f32, x: f32, y: f32| {
        let pixel = |edge: f32, at: f32| round(edge + at.fract()) + at.trunc();
        point(pixel(x * scale, at.x), pixel(y * -scale, at.y))
    };
    let corner = pixels(f32::floor, bounds.x_min, bounds.y_max);
    let size = pixels(f32::ceil, bounds.x_max, bounds.y_min) - corner;
    let mut raster = Rasterizer::new(size.x as usize, size.y as usize);
    let place = |x: f32, y: f32| point(x * scale, y * -scale) + (at - corner);
    let (mut start, mut last) = (at, at);
    for element in path {
        let from = last;
        match element {
            PathElement::MoveTo { x, y } => {
                last = place(x, y);
                start = last;
            }
            PathElement::LineTo { x, y } => {
                last = place(x, y);
                raster.draw_line(from, last);
            }
            PathElement::QuadTo { cx0, cy0, x, y } => {
                last = place(x, y);
                raster.draw_quad(from, place(cx0, cy0), last);
            }
            PathElement::CurveTo { cx0, cy0, cx1, cy1, x, y } => {
                last = place(x, y);
                raster.draw_cubic(from, place(cx0, cy0), place(cx1, cy1), last);
            }
            PathElement::Close => raster.draw_line(from, start),
        }
    }
    Some((corner, raster))
}

/// A lettering at a number of pixels per point: what plotters needs to place and draw a text.
pub(super) struct Scaled<'a> {
    pub lettering: &'a Lettering,
    pub pixels_per_point: f64,
}

impl Scaled<'_> {
    fn em(&self) -> f64 {
        self.lettering.size * self.pixels_per_point
    }

    /// From a baseline to the position that plotters expects, in pixels.
    pub(super) fn position(&self, (x, baseline): (f64, f64)) -> BackendCoord {
        let rise = TOP_TO_BASELINE * self.em();
        let (x, y) = if self.lettering.upward { (x - rise, baseline) } else { (x, baseline - rise) };
        (x.round() as i32, y.round() as i32)
    }
}

impl BackendTextStyle for Scaled<'_> {
    type FontError = Infallible;

    fn color(&self) -> BackendColor {
        self.lettering.colour.opaque()
    }

    fn size(&self) -> f64 {
        self.em() * SIZE_OF_EM
    }

    fn transform(&self) -> FontTransform {
        if self.lettering.upward { FontTransform::Rotate270 } else { FontTransform::None }
    }

    fn style(&self) -> FontStyle {
        if self.lettering.bold { FontStyle::Bold } else { FontStyle::Normal }
    }

    fn anchor(&self) -> Pos {
        let horizontal = match self.lettering.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        Pos::new(horizontal, VPos::Top)
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::Name(FAMILY)
    }

    fn layout_box(&self, text: &str) -> Result<((i32, i32), (i32, i32)), Infallible> {
        let width = self.lettering.width(text) * self.pixels_per_point;
        Ok(((0, 0), (width.round() as i32, self.em().round() as i32)))
    }

    fn draw<E, F: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        text: &str,
        (left, top): BackendCoord,
        mut draw: F,
    ) -> Result<Result<(), E>, Infallible> {
        let font = self.lettering.font();
        let metrics = font.metrics(Size::unscaled(), LocationRef::default());
        let height = metrics.ascent - metrics.descent;
        let scale = (self.em() * f64::from(height) / f64::from(metrics.units_per_em)) as f32 / height;
        let baseline = f64::from(top) + TOP_TO_BASELINE * self.em();
        let mut pen = f64::from(left);
        for letter in text.chars() {
            let drawn = rasterise(font, letter, scale, point(pen as f32, baseline as f32));
            pen += advance(font, letter) * self.em();
            let Some((corner, raster)) = drawn else { continue };
            let mut result = Ok(());
            raster.for_each_pixel_2d(|x, y, coverage| {
                if result.is_ok() && coverage > 0.0 {
                    let (x, y) = (corner.x as i32 + x as i32, corner.y as i32 + y as i32);
                    result = draw(x, y, self.color().mix(f64::from(coverage.min(1.0))));
                }
            });
            if result.is_err() {
                return Ok(result);
            }
        }
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::colours::INK;
    use super::*;

    #[test]
    fn digits_have_the_width_that_the_font_states() {
        // hmtx of Arimo Regular: each digit is 1139 of 2048 units wide, a space 569.
        let lettering = Lettering::new(20.48, INK);
        assert!((lettering.width("07 4") - (3.0 * 11.39 + 5.69)).abs() < 1e-9);
    }

    #[test]
    fn a_long_text_is_wrapped_within_its_width_and_loses_no_word() {
        let lettering = Lettering::new(7.0, INK);
        let text = "Sen2LCZ on 24,188 patches of So2Sat LCZ42 that it never saw in training";
        let lines = lettering.wrap(text, 90.0);
        assert!(lines.len() > 1 && lines.iter().all(|line| lettering.width(line) <= 90.0));
        assert_eq!(lines.join(" "), text);
    }

    #[test]
    fn a_text_too_wide_is_made_smaller_until_it_fits() {
        let fitted = Lettering::new(8.0, INK).fitting("352,366", 15.0);
        assert!(fitted.size < 8.0 && (fitted.width("352,366") - 15.0).abs() < 1e-9);
    }
}
