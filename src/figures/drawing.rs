//! A drawing: what a figure consists of, in points (1/72 inch), before it is an SVG and a PNG.
//!
//! A figure lists its parts once; the same list is played on plotters' two backends, so both files
//! have one layout.

use std::fmt::Write as _;

use base64::Engine as _;
use plotters::backend::{BitMapBackend, SVGBackend};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, DrawingBackend, DrawingErrorKind};

use super::colours::{Colour, PAPER};
use super::lettering::{Lettering, Scaled};
use super::{Caption, Figure};
use crate::display::one_line;
use crate::{Error, Result};

/// Pixels a point in the PNG: 300 an inch.
const PNG_SCALE: f64 = 300.0 / 72.0;
/// Units a point in the SVG's view box.
const SVG_SCALE: f64 = 10.0;

/// A rectangle on the page: its left upper corner and its size, in points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    pub(super) fn right(&self) -> f64 {
        self.x + self.width
    }

    pub(super) fn bottom(&self) -> f64 {
        self.y + self.height
    }

    pub(super) fn middle(&self) -> (f64, f64) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }
}

/// One part of a drawing; coordinates and widths in points.
#[derive(Debug, Clone)]
enum Part {
    Filled(Area, Colour),
    Path { points: Vec<(f64, f64)>, width: f64, colour: Colour },
    Polygon { corners: Vec<(f64, f64)>, colour: Colour, share: f64 },
    Disc { centre: (f64, f64), radius: f64, colour: Colour },
    Text { text: String, baseline: (f64, f64), lettering: Lettering },
}

/// A picture of square pixels, drawn enlarged.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    pub columns: usize,
    pub rows: usize,
    /// Red, green and blue of each pixel, row by row.
    pub pixels: Vec<[u8; 3]>,
}

/// The parts of a figure on a page with a size in points.
#[derive(Debug, Clone)]
pub(super) struct Drawing {
    width: f64,
    height: f64,
    parts: Vec<Part>,
    pictures: Vec<(Area, Picture)>,
    above: Vec<Part>,
}

impl Drawing {
    /// An empty page, its sides rounded up to a tenth of a point.
    pub(super) fn new(width: f64, height: f64) -> Self {
        let [width, height] = [width, height].map(|side| (side * SVG_SCALE).ceil() / SVG_SCALE);
        Self { width, height, parts: Vec::new(), pictures: Vec::new(), above: Vec::new() }
    }

    pub(super) fn fill(&mut self, area: Area, colour: Colour) {
        self.parts.push(Part::Filled(area, colour));
    }

    /// Lines from point to point.
    pub(super) fn path(&mut self, points: Vec<(f64, f64)>, width: f64, colour: Colour) {
        self.parts.push(Part::Path { points, width, colour });
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64, colour: Colour) {
        self.path(vec![from, to], width, colour);
    }

    /// A straight line of dashes 2.5 points long.
    pub(super) fn dashes(&mut self, from: (f64, f64), to: (f64, f64), width: f64, colour: Colour) {
        self.dashed_path(&[from, to], [2.5, 2.0], width, colour);
    }

    /// A path of dashes and gaps of these lengths, which continue around its corners.
    pub(super) fn dashed_path(
        &mut self,
        points: &[(f64, f64)],
        [dash, gap]: [f64; 2],
        width: f64,
        colour: Colour,
    ) {
        // How far along its dash or gap the path is, and the corners of the dash being drawn.
        let (mut along, mut drawn) = (0.0, points.first().copied().into_iter().collect::<Vec<_>>());
        for ends in points.windows(2) {
            let (from, to) = (ends[0], ends[1]);
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            let at = |s: f64| (from.0 + (to.0 - from.0) * s / length, from.1 + (to.1 - from.1) * s / length);
            let mut done = 0.0;
            loop {
                let is_dash = along < dash;
                let rest = if is_dash { dash - along } else { dash + gap - along };
                if rest > length - done {
                    along += length - done;
                    if is_dash {
                        drawn.push(to);
                    }
                    break;
                }
                done += rest;
                if is_dash {
                    along = dash;
                    drawn.push(at(done));
                    self.path(std::mem::take(&mut drawn), width, colour);
                } else {
                    along = 0.0;
                    drawn.push(at(done));
                }
            }
        }
        if drawn.len() > 1 {
            self.path(drawn, width, colour);
        }
    }

    /// The outline of an area; the line runs inside its edge and outside in equal parts.
    pub(super) fn outline(&mut self, area: Area, width: f64, colour: Colour) {
        let (half, Area { x, y, .. }) = (width / 2.0, area);
        let (right, bottom) = (area.right(), area.bottom());
        self.line((x - half, y), (right + half, y), width, colour);
        self.line((x - half, bottom), (right + half, bottom), width, colour);
        self.line((x, y - half), (x, bottom + half), width, colour);
        self.line((right, y - half), (right, bottom + half), width, colour);
    }

    /// The area between these corners, filled.
    pub(super) fn polygon(&mut self, corners: Vec<(f64, f64)>, colour: Colour) {
        self.veil(corners, colour, 1.0);
    }

    /// The area between these corners, filled so thinly (a share of 1 covers) that what lies below shows.
    pub(super) fn veil(&mut self, corners: Vec<(f64, f64)>, colour: Colour, share: f64) {
        self.parts.push(Part::Polygon { corners, colour, share });
    }

    pub(super) fn disc(&mut self, centre: (f64, f64), radius: f64, colour: Colour) {
        self.parts.push(Part::Disc { centre, radius, colour });
    }

    /// A text on its baseline. Characters that XML forbids become spaces.
    pub(super) fn text(&mut self, text: &str, baseline: (f64, f64), lettering: Lettering) {
        self.parts.push(Part::Text { text: one_line(text), baseline, lettering });
    }

    /// A text whose capitals are centred on a point, across its reading direction.
    pub(super) fn text_at(&mut self, text: &str, (x, y): (f64, f64), lettering: Lettering) {
        let shift = lettering.half_height();
        let baseline = if lettering.upward { (x + shift, y) } else { (x, y + shift) };
        self.text(text, baseline, lettering);
    }

    /// A text centred on a point of a picture, above it.
    pub(super) fn text_above(&mut self, text: &str, (x, y): (f64, f64), lettering: Lettering) {
        let lettering = lettering.centred();
        let baseline = (x, y + lettering.half_height());
        self.above.push(Part::Text { text: one_line(text), baseline, lettering });
    }

    /// A picture, above all other parts but such texts.
    pub(super) fn picture(&mut self, area: Area, picture: Picture) {
        self.pictures.push((area, picture));
    }

    /// Renders both files.
    pub(super) fn into_figure(self, caption: &Caption, csv: String) -> Result<Figure> {
        let (png, width, height) = self.png()?;
        Ok(Figure { svg: self.svg(caption)?, png, csv, width, height })
    }

    fn svg(&self, caption: &Caption) -> Result<String> {
        let pixels = |points: f64| (points * SVG_SCALE).round() as u32;
        let size = (pixels(self.width), pixels(self.height));
        // plotters knows pixels only; the page has a size in points, and images stay images.
        let body = |parts: &[Part], above: bool| -> Result<String> {
            let mut drawn = String::new();
            let mut backend = SVGBackend::with_string(&mut drawn, size);
            play((parts, above), &mut backend, SVG_SCALE, size).map_err(Error::internal("drawing an SVG"))?;
            backend.present().map_err(Error::internal("drawing an SVG"))?;
            drop(backend);
            let body = drawn.split_once('>').map_or("", |(_, body)| body).trim_end();
            Ok(body.strip_suffix("</svg>").unwrap_or(body).to_owned())
        };
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" \
             width=\"{}pt\" height=\"{}pt\" viewBox=\"0 0 {} {}\">\n<title>{}</title>\n<desc>{}</desc>{}",
            self.width,
            self.height,
            size.0,
            size.1,
            escaped(&caption.title),
            escaped(&caption.data),
            body(&self.parts, false)?
        );
        for (area, picture) in &self.pictures {
            let png = base64::engine::general_purpose::STANDARD.encode(picture.png()?);
            let [x, y, width, height] =
                [area.x, area.y, area.width, area.height].map(|points| points * SVG_SCALE);
            let _ = writeln!(
                svg,
                "<image x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
                 preserveAspectRatio=\"none\" image-rendering=\"pixelated\" \
                 xlink:href=\"data:image/png;base64,{png}\"/>"
            );
        }
        if !self.above.is_empty() {
            svg += body(&self.above, true)?.trim_start();
        }
        svg.push_str("</svg>\n");
        Ok(svg)
    }

    /// The PNG's bytes, width and height.
    fn png(&self) -> Result<(Vec<u8>, u32, u32)> {
        // Drawn at twice the size, then halved: that smooths every edge.
        let scale = PNG_SCALE * 2.0;
        let pixels = |points: f64| (points * PNG_SCALE).ceil() as u32;
        let (width, height) = (pixels(self.width), pixels(self.height));
        let size = (width * 2, height * 2);
        let mut fine = vec![0; size.0 as usize * size.1 as usize * 3];
        let draw = |parts: &[Part], above: bool, fine: &mut Vec<u8>| {
            let mut backend = BitMapBackend::with_buffer(fine, size);
            play((parts, above), &mut backend, scale, size).map_err(Error::internal("drawing a PNG"))?;
            backend.present().map_err(Error::internal("drawing a PNG"))
        };
        draw(&self.parts, false, &mut fine)?;
        for (area, picture) in &self.pictures {
            picture.paint(*area, scale, &mut fine, size);
        }
        draw(&self.above, true, &mut fine)?;
        let fine = halved(&fine, width);
        let unfiltered = (png::FilterType::NoFilter, png::AdaptiveFilterType::NonAdaptive);
        let png = encode(&fine, (width, height), PNG_SCALE * 72.0, unfiltered)?;
        Ok((png, width, height))
    }
}

impl Picture {
    /// Enlarged by nearest neighbour to 128 pixels or more, as some viewers smooth a small image.
    fn png(&self) -> Result<Vec<u8>> {
        let factor = 128_usize.div_ceil(self.columns.max(self.rows));
        let rows = (0..self.rows * factor).map(|row| row / factor);
        let pixels = rows.flat_map(|row| {
            (0..self.columns * factor).map(move |column| self.pixels[row * self.columns + column / factor])
        });
        let bytes: Vec<u8> = pixels.flatten().collect();
        let size = ((self.columns * factor) as u32, (self.rows * factor) as u32);
        encode_small(&bytes, size, PNG_SCALE * 72.0)
    }

    /// Paints the picture into a bitmap at `scale` pixels a point, by nearest neighbour.
    fn paint(&self, area: Area, scale: f64, bitmap: &mut [u8], (width, height): (u32, u32)) {
        let span = |from: f64, to: f64, limit: u32| {
            (from * scale).round() as usize..((to * scale).round() as usize).min(limit as usize)
        };
        let (xs, ys) = (span(area.x, area.right(), width), span(area.y, area.bottom(), height));
        for y in ys.clone() {
            let row = (y - ys.start) * self.rows / ys.len();
            for x in xs.clone() {
                let column = (x - xs.start) * self.columns / xs.len();
                let at = (y * width as usize + x) * 3;
                bitmap[at..at + 3].copy_from_slice(&self.pixels[row * self.columns + column]);
            }
        }
    }
}

/// What a backend returns.
type Drawn<B> = std::result::Result<(), DrawingErrorKind<<B as DrawingBackend>::ErrorType>>;

/// What the two backends do not share.
trait Surface: DrawingBackend {
    /// Lines from point to point with round joints.
    fn polyline(&mut self, points: &[BackendCoord], stroke: &Stroke) -> Drawn<Self>;
}

impl Surface for SVGBackend<'_> {
    fn polyline(&mut self, points: &[BackendCoord], stroke: &Stroke) -> Drawn<Self> {
        self.draw_path(points.iter().copied(), stroke)
    }
}

impl Surface for BitMapBackend<'_> {
    /// plotters fills a path's outline as one polygon, which leaves holes where the path turns
    /// sharply: each piece is drawn on its own here.
    fn polyline(&mut self, points: &[BackendCoord], stroke: &Stroke) -> Drawn<Self> {
        for ends in points.windows(2) {
            let ((x, y), (to_x, to_y)) = (ends[0], ends[1]);
            let (half, other) = (stroke.width as i32 / 2, stroke.width as i32 - stroke.width as i32 / 2 - 1);
            if x == to_x {
                self.draw_rect((x - half, y.min(to_y)), (x + other, y.max(to_y)), &stroke.colour, true)?;
            } else if y == to_y {
                self.draw_rect((x.min(to_x), y - half), (x.max(to_x), y + other), &stroke.colour, true)?;
            } else {
                self.draw_line(ends[0], ends[1], stroke)?;
            }
        }
        let joints = points.len().saturating_sub(2);
        for &joint in points.iter().skip(1).take(joints) {
            self.draw_circle(joint, stroke.width / 2, &stroke.colour, true)?;
        }
        Ok(())
    }
}

/// A line's width in pixels, and its colour.
struct Stroke {
    width: u32,
    colour: BackendColor,
}

impl BackendStyle for Stroke {
    fn color(&self) -> BackendColor {
        self.colour
    }

    fn stroke_width(&self) -> u32 {
        self.width
    }
}

/// Draws all parts, on a white page or above what is there.
fn play<B: Surface>(
    (parts, above): (&[Part], bool),
    backend: &mut B,
    scale: f64,
    (width, height): (u32, u32),
) -> Drawn<B> {
    let pixel = |(x, y): (f64, f64)| ((x * scale).round() as i32, (y * scale).round() as i32);
    if !above {
        backend.draw_rect((0, 0), (width as i32, height as i32), &PAPER.opaque(), true)?;
    }
    for part in parts {
        match part {
            Part::Filled(area, colour) => {
                let corners = (pixel((area.x, area.y)), pixel((area.right(), area.bottom())));
                backend.draw_rect(corners.0, corners.1, &colour.opaque(), true)?;
            }
            Part::Path { points, width, colour } => {
                let points: Vec<_> = points.iter().copied().map(pixel).collect();
                let width = ((width * scale).round() as u32).max(1);
                backend.polyline(&points, &Stroke { width, colour: colour.opaque() })?;
            }
            Part::Polygon { corners, colour, share } => {
                backend.fill_polygon(corners.iter().copied().map(pixel), &colour.veiled(*share))?;
            }
            Part::Disc { centre, radius, colour } => {
                let radius = (radius * scale).round() as u32;
                backend.draw_circle(pixel(*centre), radius, &colour.opaque(), true)?;
            }
            Part::Text { text, baseline, lettering } => {
                let scaled = Scaled { lettering, pixels_per_point: scale };
                let at = scaled.position((baseline.0 * scale, baseline.1 * scale));
                backend.draw_text(text, &scaled, at)?;
            }
        }
    }
    Ok(())
}

/// The mean of each block of 2 × 2 pixels of red, green, blue.
pub(super) fn halved(fine: &[u8], width: u32) -> Vec<u8> {
    let fine_row = width as usize * 2 * 3;
    let mut coarse = Vec::with_capacity(fine.len() / 4);
    for rows in fine.chunks_exact(2 * fine_row) {
        let (upper, lower) = rows.split_at(fine_row);
        for (upper, lower) in upper.as_chunks::<6>().0.iter().zip(lower.as_chunks::<6>().0) {
            for channel in 0..3 {
                let sum = [upper[channel], upper[channel + 3], lower[channel], lower[channel + 3]]
                    .into_iter()
                    .map(u16::from)
                    .sum::<u16>();
                coarse.push(((sum + 2) / 4) as u8);
            }
        }
    }
    coarse
}

/// A PNG with this number of pixels per inch, the smallest of three: lines and text are smaller without a filter, enlarged pixels with
/// the row above taken off, photographs with the best filter of each row.
pub(super) fn encode_small(rgb: &[u8], size: (u32, u32), pixels_an_inch: f64) -> Result<Vec<u8>> {
    let with = |filter, adaptive| encode(rgb, size, pixels_an_inch, (filter, adaptive));
    let (fixed, best) = (png::AdaptiveFilterType::NonAdaptive, png::AdaptiveFilterType::Adaptive);
    let mut smallest = with(png::FilterType::NoFilter, fixed)?;
    for other in [with(png::FilterType::Up, fixed)?, with(png::FilterType::Paeth, best)?] {
        if other.len() < smallest.len() {
            smallest = other;
        }
    }
    Ok(smallest)
}

fn encode(
    rgb: &[u8],
    (width, height): (u32, u32),
    pixels_an_inch: f64,
    (filter, adaptive): (png::FilterType, png::AdaptiveFilterType),
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Default);
    encoder.set_filter(filter);
    encoder.set_adaptive_filter(adaptive);
    let per_metre = (pixels_an_inch / 0.0254).round() as u32;
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: per_metre,
        yppu: per_metre,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header().map_err(Error::internal("writing a PNG"))?;
    writer.write_image_data(rgb).map_err(Error::internal("writing a PNG"))?;
    writer.finish().map_err(Error::internal("writing a PNG"))?;
    Ok(bytes)
}

/// As the text of an XML element.
pub(super) fn escaped(text: &str) -> String {
    one_line(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_of_four_pixels_becomes_their_mean() {
        // Two rows of four pixels: one block of 0, 10, 20, 31 in red, one of 255 in green.
        let upper = [[0, 0, 0], [10, 0, 0], [0, 255, 0], [0, 255, 0]];
        let lower = [[20, 0, 0], [31, 0, 0], [0, 255, 0], [0, 255, 0]];
        let fine: Vec<u8> = [upper, lower].concat().concat();
        assert_eq!(halved(&fine, 2), [15, 0, 0, 0, 255, 0]);
    }

    #[test]
    fn a_picture_is_enlarged_without_smoothing() {
        let picture = Picture { columns: 2, rows: 1, pixels: vec![[9, 9, 9], [200, 0, 0]] };
        let mut bitmap = vec![255; 8 * 4 * 3];
        picture.paint(Area { x: 1.0, y: 1.0, width: 6.0, height: 2.0 }, 1.0, &mut bitmap, (8, 4));
        let row = |y: usize| bitmap[y * 24..(y + 1) * 24].chunks(3).map(|pixel| pixel[0]).collect::<Vec<_>>();
        assert_eq!(row(0), [255; 8]);
        assert_eq!(row(1), [255, 9, 9, 9, 200, 200, 200, 255]);
        assert_eq!(row(2), row(1));
        assert_eq!(row(3), [255; 8]);
    }
}
