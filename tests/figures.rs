//! What is drawn is what was given: numbers, labels, sizes, and every byte twice.

use std::path::Path;

use lcz::calibration::{Bins, Reliability};
use lcz::data::{Masks, Patches, Signatures};
use lcz::figures::{
    Agreement, BandPanel, BandPoint, BandSeries, Caption, Cells, Composite, Curves, Figure, MapPicture,
    PlanePanel, TilesPicture, band_importance, bands, boxes, class_counts, composite_patches,
    confusion_matrices, confusion_matrix, cut_scene, entropy_bars, gallery, learning_curves, map, plane,
    reliability, risk_coverage, sample_patches, segmentation, set_sizes, spectral_signatures,
};
use lcz::labels::EntropyHistogram;
use lcz::metrics::ConfusionMatrix;
use lcz::scene::{Fate, Overview, Tile};
use lcz::uncertainty::{RiskCoverage, SetsOfClass};
use lcz::{Bands, Classes, Imagery, Labels, Probabilities, Result, Zone};
use ndarray::{Array2, Array3, Array4, array, s};

/// A decoded PNG: width, height, pixels a metre, and red, green, blue row by row.
struct Decoded {
    width: u32,
    height: u32,
    pixels_a_metre: u32,
    rgb: Vec<[u8; 3]>,
}

impl Decoded {
    fn of(png: &[u8]) -> Self {
        let mut reader = png::Decoder::new(png).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!(info.color_type, png::ColorType::Rgb);
        Self {
            width: info.width,
            height: info.height,
            pixels_a_metre: reader.info().pixel_dims.unwrap().xppu,
            rgb: bytes.as_chunks::<3>().0.to_vec(),
        }
    }

    fn at(&self, x: u32, y: u32) -> [u8; 3] {
        self.rgb[(y * self.width + x) as usize]
    }

    /// How many pixels are exactly of this colour.
    fn count(&self, colour: [u8; 3]) -> usize {
        self.rgb.iter().filter(|pixel| **pixel == colour).count()
    }
}

/// All texts of an SVG, in order.
fn texts(figure: &Figure) -> Vec<String> {
    let document = roxmltree::Document::parse(figure.svg()).unwrap();
    let is_text = |node: &roxmltree::Node<'_, '_>| node.has_tag_name("text");
    document.descendants().filter(is_text).map(|node| node.text().unwrap().trim().to_owned()).collect()
}

/// The lines of a CSV below its comments and its header, split at commas.
fn rows(figure: &Figure) -> Vec<Vec<String>> {
    let lines = figure.csv().lines().filter(|line| !line.starts_with('#')).skip(1);
    lines.map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// The width or height of all bars of a colour, in order.
fn bars(figure: &Figure, fill: &str, side: &str) -> Vec<f64> {
    let document = roxmltree::Document::parse(figure.svg()).unwrap();
    let is_bar =
        |node: &roxmltree::Node<'_, '_>| node.has_tag_name("rect") && node.attribute("fill") == Some(fill);
    document.descendants().filter(is_bar).map(|bar| bar.attribute(side).unwrap().parse().unwrap()).collect()
}

/// What cannot be drawn is refused in one line.
fn refused(result: Result<Figure>, what: &str) {
    let error = result.unwrap_err().to_string();
    assert!(error.contains(what) && !error.contains('\n'), "{error}");
}

fn caption() -> Caption {
    Caption::new("Three classes & <more>", "synthetic, n = 1,000")
}

/// 17 classes with two absent from the reference, and counts up to 352,366.
fn seventeen() -> ConfusionMatrix {
    let mut counts = Array2::from_shape_fn((17, 17), |(i, j)| ((i * 31 + j * 17) % 97) as u64);
    for k in 0..17 {
        counts[[k, k]] = 1000 + 7 * k as u64;
    }
    counts[[16, 16]] = 352_366;
    counts.row_mut(6).fill(0);
    counts.row_mut(12).fill(0);
    ConfusionMatrix::from_counts(Classes::lcz(), counts).unwrap()
}

fn curves() -> Curves {
    Curves {
        epochs: vec![1, 2, 3, 4],
        training_loss: vec![2.5, 1.25, f64::NAN, 0.5],
        validation_loss: vec![Some(2.75), None, Some(1.5), Some(f64::INFINITY)],
        validation_accuracy: vec![Some(0.25), Some(0.5), Some(0.625), None],
        best_epoch: Some(3),
    }
}

/// Patches whose bands are constants a patch: band c of patch n is 0.01 (n + 1) (c + 1).
fn flat_patches(n: usize, size: usize, bands: Bands) -> Patches {
    let images = Array4::from_shape_fn((n, size, size, bands.len()), |(n, _, _, c)| {
        0.01 * (n + 1) as f32 * (c + 1) as f32
    });
    let imagery = Imagery { patch_size: size, bands, ..Imagery::so2sat() };
    Patches::in_memory(imagery, Classes::lcz(), images).unwrap()
}

#[test]
fn the_csv_of_a_confusion_matrix_holds_every_count_and_row_percentage() {
    let confusion = seventeen();
    let figure = confusion_matrix(&confusion, Cells::Counts, &caption()).unwrap();
    assert!(figure.csv().starts_with(
        "# title: Three classes & <more>\n# data: synthetic, n = 1,000\nreference,predicted,count,row_percent\n"
    ));
    let rows = rows(&figure);
    assert_eq!(rows.len(), 17 * 17);
    for (at, row) in rows.iter().enumerate() {
        let (truth, predicted) = (at / 17, at % 17);
        assert_eq!(row[0], confusion.classes().code(truth));
        assert_eq!(row[1], confusion.classes().code(predicted));
        assert_eq!(row[2].parse::<u64>().unwrap(), confusion.count(truth, predicted));
        let total = confusion.reference_totals()[truth];
        if total == 0 {
            assert_eq!(row[3], "");
        } else {
            let percent = confusion.count(truth, predicted) as f64 * 100.0 / total as f64;
            assert!((row[3].parse::<f64>().unwrap() - percent).abs() < 1e-12);
        }
    }
}

#[test]
fn a_confusion_matrix_names_its_classes_and_writes_its_numbers() {
    let confusion = seventeen();
    let counts = texts(&confusion_matrix(&confusion, Cells::Counts, &caption()).unwrap());
    let percents = texts(&confusion_matrix(&confusion, Cells::RowPercent, &caption()).unwrap());
    for zone in Zone::all() {
        assert!(counts.contains(&zone.code().to_owned()), "no code of {zone}");
        assert!(counts.contains(&zone.to_string()), "no name of {zone}");
    }
    assert!(counts.contains(&"352,366".to_owned()));
    assert!(counts.contains(&"Three classes & <more>".to_owned()));
    assert!(counts.contains(&"Data: synthetic, n = 1,000".to_owned()));
    assert!(counts.contains(&"n = 378,354".to_owned()));
    // Row A: 1070 of its total.
    let total = confusion.reference_totals()[10];
    assert!(percents.contains(&format!("{:.1}", 1070.0 * 100.0 / total as f64)));
    assert!(!percents.contains(&"1,070".to_owned()));
}

#[test]
fn two_confusion_matrices_share_names_scale_and_a_page() {
    let first = seventeen();
    // Each class's first sample, had there been one, taken for the next class.
    let mut counts = first.counts().to_owned();
    for k in 0..16 {
        if counts[[k, k]] > 0 {
            counts[[k, k]] -= 1;
            counts[[k, k + 1]] += 1;
        }
    }
    let second = ConfusionMatrix::from_counts(Classes::lcz(), counts).unwrap();
    let figure = confusion_matrices([("one-hot", &first), ("votes", &second)], &caption()).unwrap();
    assert!(figure.width() <= 2163, "wider than a page of 183 mm: {}", figure.width());
    let rows = rows(&figure);
    assert_eq!(rows.len(), 2 * 17 * 17);
    for (at, row) in rows.iter().enumerate() {
        let (name, confusion) = if at < 17 * 17 { ("one-hot", &first) } else { ("votes", &second) };
        let (truth, predicted) = (at % (17 * 17) / 17, at % 17);
        assert_eq!(row[0], name);
        assert_eq!(row[1], confusion.classes().code(truth));
        assert_eq!(row[3].parse::<u64>().unwrap(), confusion.count(truth, predicted));
    }
    let texts = texts(&figure);
    for zone in Zone::all() {
        assert_eq!(texts.iter().filter(|text| **text == zone.to_string()).count(), 1, "{zone}");
    }
    let accuracy = |confusion: &ConfusionMatrix| confusion.overall_accuracy_score();
    assert!(texts.contains(&format!("one-hot: overall accuracy {:.3}", accuracy(&first))));
    assert!(texts.contains(&format!("votes: overall accuracy {:.3}", accuracy(&second))));
    assert_eq!(texts.iter().filter(|text| *text == "% of reference class").count(), 1);

    let fewer = ConfusionMatrix::from_counts(Classes::lcz(), Array2::eye(17)).unwrap();
    let error = confusion_matrices([("one-hot", &first), ("votes", &fewer)], &caption()).unwrap_err();
    assert!(error.to_string().contains("other classes or samples; give two of the same"), "{error}");
}

#[test]
fn cells_are_as_dark_as_their_share_of_the_row_and_absent_rows_are_grey() {
    let classes = Classes::named(["a", "b", "c"]).unwrap();
    let counts = array![[100, 0, 0], [0, 0, 0], [50, 0, 50]];
    let confusion = ConfusionMatrix::from_counts(classes, counts).unwrap();
    let figure = confusion_matrix(&confusion, Cells::Counts, &caption()).unwrap();
    let document = roxmltree::Document::parse(figure.svg()).unwrap();
    // After the page, nine cells row by row.
    let fills: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("rect"))
        .skip(1)
        .take(9)
        .map(|node| node.attribute("fill").unwrap())
        .collect();
    assert_eq!(fills[1], "#FFFFFF");
    assert_eq!(fills[3..6], ["#ECECEC"; 3]);
    assert_eq!(fills[6], fills[8]);
    let green = |fill: &str| u32::from_str_radix(&fill[3..5], 16).unwrap();
    assert!(green(fills[0]) < green(fills[6]), "100 % is darker than 50 %");
}

#[test]
fn the_png_is_a_printable_page_that_is_not_blank() {
    let figure = confusion_matrix(&seventeen(), Cells::Counts, &caption()).unwrap();
    let png = Decoded::of(figure.png());
    assert_eq!((png.width, png.height), (figure.width(), figure.height()));
    // 183 mm at 300 pixels an inch is 2161 pixels; a wide label may add a little.
    assert!((2000..=2300).contains(&png.width), "{} pixels wide", png.width);
    assert_eq!(png.pixels_a_metre, 11_811);
    assert_eq!(png.at(0, 0), [255; 3]);
    assert!(png.count([0xEC; 3]) > 15 * 2 * 60 * 60, "two grey rows");
    assert!(png.count([0x1A; 3]) > 5000, "text and lines");
    let margin = 15;
    let inside = |x, y| x >= margin && y >= margin && x < png.width - margin && y < png.height - margin;
    for y in 0..png.height {
        for x in 0..png.width {
            assert!(inside(x, y) || png.at(x, y) == [255; 3], "ink in the margin at {x}, {y}");
        }
    }
}

#[test]
fn one_class_and_sixty_four_are_drawn_and_more_are_refused() {
    let square = |k: usize| {
        let counts = Array2::from_elem((k, k), 12_345);
        ConfusionMatrix::from_counts(Classes::from_count(k), counts).unwrap()
    };
    for k in [1, 3, 10, 64] {
        assert!(confusion_matrix(&square(k), Cells::RowPercent, &caption()).is_ok(), "{k} classes");
    }
    let error = confusion_matrix(&square(65), Cells::Counts, &caption()).unwrap_err();
    assert!(error.to_string().contains("65 classes"), "{error}");
}

#[test]
fn the_csv_of_learning_curves_holds_every_number_and_leaves_gaps_empty() {
    let figure = learning_curves(&curves(), &caption()).unwrap();
    assert!(figure.csv().contains("\n# best epoch: 3\n"));
    let expected = [
        ["1", "2.5", "2.75", "0.25"],
        ["2", "1.25", "", "0.5"],
        ["3", "NaN", "1.5", "0.625"],
        ["4", "0.5", "inf", ""],
    ];
    assert_eq!(rows(&figure), expected);
    assert!(texts(&figure).contains(&"epoch kept (3)".to_owned()));
}

#[test]
fn a_curve_breaks_where_a_value_is_missing() {
    let lines = |curves: &Curves| {
        let figure = learning_curves(curves, &caption()).unwrap();
        let document = roxmltree::Document::parse(figure.svg()).unwrap();
        let of_training = |node: &roxmltree::Node<'_, '_>| {
            node.has_tag_name("polyline") && node.attribute("stroke") == Some("#0072B2")
        };
        // The last is the sample in the legend.
        document.descendants().filter(of_training).count() - 1
    };
    let mut whole = curves();
    whole.training_loss[2] = 0.75;
    assert_eq!(lines(&whole), 1);
    whole.training_loss.extend([0.5, f64::NAN, 0.25, 0.25]);
    whole.epochs.extend([5, 6, 7, 8]);
    whole.validation_loss.extend([None; 4]);
    whole.validation_accuracy.extend([None; 4]);
    assert_eq!(lines(&whole), 2);
}

#[test]
fn curves_of_any_length_and_of_no_finite_value_are_drawn() {
    for epochs in [1, 2, 100, 1000] {
        let curves = Curves {
            epochs: (1..=epochs).collect(),
            training_loss: (0..epochs).map(|k| 100.0 * 0.9_f64.powi(k as i32)).collect(),
            validation_loss: vec![Some(1.0); epochs],
            validation_accuracy: vec![None; epochs],
            best_epoch: Some(1),
        };
        let figure = learning_curves(&curves, &caption()).unwrap();
        assert!(texts(&figure).contains(&"not measured".to_owned()));
    }
    let none = Curves { training_loss: vec![f64::NAN; 4], validation_loss: vec![None; 4], ..curves() };
    assert!(texts(&learning_curves(&none, &caption()).unwrap()).contains(&"no finite value".to_owned()));
    for extreme in [0.0, -3.0, 1e-300, 1e29, 1e300, f64::MAX, f64::MIN] {
        let curves = Curves { training_loss: vec![extreme, 1.0, 2.0, 3.0], ..curves() };
        learning_curves(&curves, &caption()).unwrap();
    }
}

#[test]
fn curves_that_do_not_fit_together_are_refused_in_one_line() {
    let refused = |curves: &Curves, what| refused(learning_curves(curves, &caption()), what);
    refused(&Curves::default(), "no epoch");
    refused(&Curves { training_loss: vec![1.0], ..curves() }, "1 training losses for 4 epochs");
    refused(&Curves { epochs: vec![1, 2, 2, 3], ..curves() }, "epoch 2 follows epoch 2");
    refused(&Curves { best_epoch: Some(9), ..curves() }, "the best epoch, 9,");
}

#[test]
fn the_csv_of_patches_holds_their_place_class_group_and_mean_reflectance() -> Result<()> {
    let labels = Labels::new(Classes::lcz(), vec![0, 16, 9, 12, 3])?;
    let patches =
        flat_patches(5, 32, Bands::sentinel2()).with_labels(&labels)?.with_groups(vec![4, 4, 7, 7, -1])?;
    let figure = sample_patches(&patches, &[3, 1, 4], &caption())?;
    assert!(figure.csv().contains("\nposition,class,group,mean_B4,mean_B3,mean_B2\n"));
    let rows = rows(&figure);
    let expected = [("3", "C", "7", 4.0), ("1", "G", "4", 2.0), ("4", "4", "-1", 5.0)];
    for (row, (position, class, group, factor)) in rows.iter().zip(expected) {
        assert_eq!(row[..3], [position, class, group]);
        for (field, band) in row[3..].iter().zip([3.0, 2.0, 1.0]) {
            assert!((field.parse::<f64>().unwrap() - 0.01 * factor * band).abs() < 1e-7);
        }
    }
    assert_eq!(rows.len(), 3);
    let texts = texts(&figure);
    assert!(texts.contains(&"C bush, scrub".to_owned()) && texts.contains(&"G water".to_owned()));
    Ok(())
}

#[test]
fn all_patches_and_bands_share_one_range_above_each_bands_darkest() -> Result<()> {
    // Three patches: in the first, blue is 0, green 0.5 and red 1 everywhere; in the second, all are 0.5; in the
    // third, 0. Blue has 0.2 on top, as from the air, which is not to be seen.
    let surface = |n: usize, c: usize| [c as f32 / 2.0, 0.5, 0.0][n];
    let images =
        Array4::from_shape_fn((3, 16, 16, 3), |(n, _, _, c)| surface(n, c) + if c == 0 { 0.2 } else { 0.0 });
    let imagery = Imagery { patch_size: 16, bands: Bands::named(["B2", "B3", "B4"])?, ..Imagery::so2sat() };
    let labels = Labels::new(Classes::lcz(), vec![0, 1, 2])?;
    let patches = Patches::in_memory(imagery, Classes::lcz(), images)?.with_labels(&labels)?;
    let png = Decoded::of(sample_patches(&patches, &[0, 1, 2], &caption())?.png());
    // Patches are 78.67 points wide, 300 / 72 pixels a point. 0.5 to the power 1 / 1.4 is 155 of 255.
    let area = 300 * 300;
    assert!(png.count([255, 155, 0]) > area, "red 1, green 0.5, blue 0");
    assert!(png.count([155, 155, 155]) > area, "the second patch is grey, not white or black");
    assert!(png.count([0, 0, 0]) > area, "the third is black");
    Ok(())
}

#[test]
fn an_svg_carries_each_patch_as_one_small_image() -> Result<()> {
    let labels = Labels::new(Classes::lcz(), (0..17).collect())?;
    let patches = flat_patches(17, 32, Bands::sentinel2()).with_labels(&labels)?;
    let figure = sample_patches(&patches, &(0..17).collect::<Vec<_>>(), &caption())?;
    let document = roxmltree::Document::parse(figure.svg()).unwrap();
    let images = document.descendants().filter(|node| node.has_tag_name("image")).count();
    assert_eq!(images, 17);
    assert!(figure.svg().len() < 200_000, "{} bytes", figure.svg().len());
    Ok(())
}

#[test]
fn other_sensors_are_drawn_in_the_bands_they_have_and_say_so() -> Result<()> {
    let title = |patches: &Patches| -> Result<String> {
        let figure = sample_patches(patches, &[0], &Caption::new("Patches", "synthetic"))?;
        Ok(figure.csv().lines().next().unwrap().to_owned())
    };
    let landsat = Bands::named(["B1", "B2", "B3", "B4", "B5", "B6", "B7"])?;
    assert_eq!(title(&flat_patches(1, 16, landsat))?, "# title: Patches");
    assert_eq!(
        title(&flat_patches(1, 32, Bands::sentinel1()))?,
        "# title: Patches: false colour (VH re, VH im, VV re as red, green, blue)"
    );
    assert_eq!(title(&flat_patches(1, 8, Bands::named(["height"])?))?, "# title: Patches: height in grey");
    Ok(())
}

#[test]
fn patches_that_are_not_there_are_refused() {
    let patches = flat_patches(3, 8, Bands::sentinel2());
    for positions in [vec![], vec![3], vec![0; 121]] {
        assert!(sample_patches(&patches, &positions, &caption()).is_err(), "{positions:?}");
    }
}

/// Two patches of every zone but LCZ 7, whose bands are constants a patch.
fn labelled(bands: Bands) -> Result<Patches> {
    let zones: Vec<usize> = (0..17).chain(0..17).filter(|k| *k != 6).collect();
    flat_patches(32, 8, bands).with_labels(&Labels::new(Classes::lcz(), zones)?)
}

#[test]
fn a_gallery_has_a_row_for_every_class_and_says_where_there_is_no_patch() -> Result<()> {
    let figure = gallery(&labelled(Bands::sentinel2())?, 2, Composite::NearInfrared, &caption())?;
    let rows = rows(&figure);
    assert_eq!(rows.len(), 32);
    assert_eq!(rows[0][..2], ["0", "1"]);
    assert_eq!(rows[1][..2], ["16", "1"]);
    assert!(figure.csv().contains("\nposition,class,group,mean_B8,mean_B4,mean_B3\n"));
    // Patch 16's band c is 0.17 (c + 1), and B8 is band 6.
    assert!((rows[1][3].parse::<f64>().unwrap() - 0.17 * 7.0).abs() < 1e-6);
    let document = roxmltree::Document::parse(figure.svg()).unwrap();
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("image")).count(), 32);
    assert!(texts(&figure).contains(&"no patch".to_owned()));
    assert!(gallery(&labelled(Bands::sentinel2())?, 7, Composite::TrueColour, &caption()).is_err());
    let error = gallery(&labelled(Bands::sentinel1())?, 1, Composite::TrueColour, &caption()).unwrap_err();
    assert!(error.to_string().starts_with("band 'B4'"), "{error}");
    Ok(())
}

#[test]
fn radar_is_drawn_from_three_different_numbers() -> Result<()> {
    let radar = labelled(Bands::sentinel1())?;
    let figure = composite_patches(&radar, &[0, 9], Composite::Radar, &caption())?;
    let rows = rows(&figure);
    // VH intensity is band 4, VV band 5: 0.05 and 0.06 in patch 0, so VV / VH is 1.2 everywhere.
    for (got, wanted) in rows[0][3..].iter().zip([0.06_f64, 0.05, 1.2]) {
        assert!((got.parse::<f64>().unwrap() - 10.0 * wanted.log10()).abs() < 1e-4, "{got}");
    }
    let ratios = [0, 1].map(|row: usize| rows[row][5].parse::<f64>().unwrap());
    assert!((ratios[0] - ratios[1]).abs() < 1e-4, "{ratios:?}");
    Ok(())
}

#[test]
fn the_csv_of_signatures_has_wavelengths_means_and_deviations() -> Result<()> {
    let patches = labelled(Bands::sentinel2())?;
    let figure =
        spectral_signatures(&Signatures::compute(&patches, &mut lcz::progress::Silent)?, &caption())?;
    let rows = rows(&figure);
    assert_eq!(rows.len(), 170);
    assert_eq!(rows[0][..4], ["1", "2", "B2", "492.4"]);
    // LCZ 1 is patches 0 and 16, whose B2 is 0.01 and 0.17: mean 0.09, deviation 0.08.
    assert!((rows[0][4].parse::<f64>().unwrap() - 0.09).abs() < 1e-7);
    assert!((rows[0][5].parse::<f64>().unwrap() - 0.08).abs() < 1e-7);
    let seven = rows.iter().find(|row| row[0] == "7").unwrap();
    assert_eq!(seven[1..], ["0", "B2", "492.4", "", ""]);
    assert!(texts(&figure).contains(&"no patch".to_owned()));
    Ok(())
}

#[test]
fn bars_and_boxes_have_a_row_for_every_class() -> Result<()> {
    let labels = labelled(Bands::sentinel2())?.labels()?;
    let counts = class_counts(&[("training", &labels), ("test", &labels)], &caption())?;
    assert_eq!(rows(&counts).len(), 34);
    assert!(counts.csv().contains("test,7,0\n") && counts.csv().contains("training,G,2\n"));
    assert!(texts(&counts).contains(&"training (n = 32)".to_owned()));
    let values: Vec<f64> = (0..32).map(f64::from).collect();
    let figure = boxes(&labels, &[("NDVI", &values)], &caption())?;
    // LCZ 1 is samples 0 and 16: the median lies between.
    assert_eq!(rows(&figure)[0], ["NDVI", "1", "2", "0.8", "4", "8", "12", "15.2"]);
    assert_eq!(rows(&figure)[6], ["NDVI", "7", "0", "", "", "", "", ""]);
    Ok(())
}

#[test]
fn a_figure_drawn_twice_is_the_same_to_the_byte() -> Result<()> {
    let patches = flat_patches(3, 16, Bands::sentinel2());
    let draw = || -> Result<[Figure; 3]> {
        Ok([
            confusion_matrix(&seventeen(), Cells::Counts, &caption())?,
            learning_curves(&curves(), &caption())?,
            sample_patches(&patches, &[0, 2], &caption())?,
        ])
    };
    assert!(draw()? == draw()?);
    Ok(())
}

#[test]
fn saving_writes_three_files_and_nothing_else() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let figures = folder.path().join("run").join("figures");
    let figure = learning_curves(&curves(), &caption())?;
    figure.save(&figures, "learning_curves")?;
    figure.save(&figures, "learning_curves")?;
    let read = |name: &str| std::fs::read(figures.join(name)).unwrap();
    assert_eq!(read("learning_curves.svg"), figure.svg().as_bytes());
    assert_eq!(read("learning_curves.png"), figure.png());
    assert_eq!(read("learning_curves.csv"), figure.csv().as_bytes());
    assert_eq!(std::fs::read_dir(&figures).unwrap().count(), 3);
    Ok(())
}

#[test]
fn a_figure_that_cannot_be_saved_says_where_and_leaves_nothing() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let figure = learning_curves(&curves(), &caption())?;
    for stem in ["", "a/b", "../a", ".hidden"] {
        assert!(figure.save(folder.path(), stem).is_err(), "{stem}");
    }
    std::fs::create_dir(folder.path().join("taken.png")).unwrap();
    let error = figure.save(folder.path(), "taken").unwrap_err().to_string();
    assert!(error.contains("taken.png") && !error.contains('\n'), "{error}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("partial")), "{left:?}");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(figure.save(Path::new(&file), "stem").is_err());
    Ok(())
}

#[test]
fn text_that_xml_forbids_does_not_break_the_svg() {
    let caption = Caption::new("a\u{0}b\nc", "\u{7}\"&<>'");
    let classes = Classes::named(["\u{1}", "<&>"]).unwrap();
    let confusion = ConfusionMatrix::from_counts(classes, array![[1, 2], [3, 4]]).unwrap();
    let figure = confusion_matrix(&confusion, Cells::Counts, &caption).unwrap();
    assert!(texts(&figure).contains(&"<&>".to_owned()));
    assert!(figure.csv().starts_with("# title: a b c\n# data:  \"&<>'\n"));
}

#[test]
fn a_reliability_diagram_tells_overconfident_from_underconfident_and_leaves_empty_bins_empty() {
    // Sure of 0.9 and right half the time; sure of 0.3 and always right.
    let confidence = [0.875, 0.875, 0.3125];
    let table = Reliability::from_pairs(&confidence, &[true, false, true], Bins::EqualWidth(10)).unwrap();
    let panels = [("before".to_owned(), &table), ("after".to_owned(), &table)];
    let figure = reliability(&panels, Agreement::Accuracy, &caption()).unwrap();
    let rows = rows(&figure);
    let bins: Vec<_> = rows.iter().filter(|row| !row[3].is_empty()).collect();
    assert_eq!(bins.len(), 20);
    assert_eq!(bins[8][..6], ["before", "0.8", "0.9", "2", "0.875", "0.5"]);
    // Half of two: Clopper and Pearson say 0.0126 to 0.9874; a calibrated classifier is right in 1 or 2.
    assert!(bins[8][6].starts_with("0.0125") && bins[8][7].starts_with("0.987"), "{:?}", bins[8]);
    assert_eq!(bins[8][8..], ["0.5", "1"]);
    assert_eq!(bins[0][3..], ["0", "", "", "", "", "", ""]);
    assert!(rows.iter().any(|row| row[3].is_empty() && row[1] == row[2]), "points of the curve");
    let decoded = Decoded::of(figure.png());
    let (overconfident, underconfident) =
        (decoded.count([0xE6, 0x9F, 0x00]), decoded.count([0xA6, 0xCE, 0xE4]));
    assert!(overconfident > 100 && underconfident > 100, "{overconfident}, {underconfident}");
    assert_eq!(texts(&figure).iter().filter(|text| *text == "ECE 0.479, n = 3").count(), 2);
    assert!(decoded.width < 1060, "wider than a column: {}", decoded.width);
    assert!(reliability::<Reliability>(&[], Agreement::Accuracy, &caption()).is_err());
}

#[test]
fn each_band_has_a_bar_as_long_as_its_share_and_values_that_are_not_shares_are_refused() -> Result<()> {
    let bands = Bands::named(["B2", "B8", "B12"])?;
    let figure = band_importance(&bands, &[0.5, 0.125, 0.375], &caption())?;
    assert!(figure.csv().ends_with("band,importance\nB2,0.5\nB8,0.125\nB12,0.375\n"), "{}", figure.csv());
    let bars = bars(&figure, "#0072B2", "width");
    assert_eq!(bars.len(), 3);
    assert!((bars[1] / bars[0] - 0.25).abs() < 0.01 && (bars[2] / bars[0] - 0.75).abs() < 0.01, "{bars:?}");
    refused(band_importance(&bands, &[1.0], &caption()), "1 values for 3 bands");
    refused(band_importance(&bands, &[0.5, -0.5, 0.0], &caption()), "not a share");
    refused(band_importance(&bands, &[0.5, f64::NAN, 0.0], &caption()), "not a share");
    // A forest without a split: all zero.
    band_importance(&bands, &[0.0; 3], &caption())?;
    Ok(())
}

#[test]
fn a_class_without_samples_has_no_row_among_the_set_sizes() -> Result<()> {
    let classes = Classes::named(["forest", "river", "road"])?;
    let sets = |class: &str, samples, mean_size| SetsOfClass {
        class: class.to_owned(),
        samples,
        coverage: 0.75,
        mean_size,
    };
    let rows = [sets("forest", 4, 1.5), sets("river", 0, f64::NAN), sets("road", 2, 3.0)];
    let figure = set_sizes(&classes, &rows, 0.9, &caption())?;
    assert!(figure.csv().ends_with("coverage\nforest,4,1.5,0.75\nroad,2,3,0.75\n"), "{}", figure.csv());
    refused(set_sizes(&classes, &rows[1..2], 0.9, &caption()), "1 rows for 3 classes");
    let empty = ["forest", "river", "road"].map(|class| sets(class, 0, 0.0));
    refused(set_sizes(&classes, &empty, 0.9, &caption()), "no class has samples");
    Ok(())
}

#[test]
fn a_bar_of_voting_entropy_is_as_high_as_its_share() -> Result<()> {
    let (urban, natural) = (
        EntropyHistogram::from_entropies(&[0.0, 0.0, 0.0, 0.6])?,
        EntropyHistogram::from_entropies(&[0.0, 1.5])?,
    );
    let figure = entropy_bars(&[("urban", &urban), ("natural", &natural)], &caption())?;
    assert!(figure.csv().contains("natural,1.3,inf,1,50\n"), "{}", figure.csv());
    let heights = |fill| bars(&figure, fill, "height").into_iter().filter(|h| *h > 100.0).collect::<Vec<_>>();
    let (blue, orange) = (heights("#0072B2"), heights("#E69F00"));
    assert!((blue[0] / blue[1] - 3.0).abs() < 0.05, "{blue:?}");
    assert!((orange[0] / orange[1] - 1.0).abs() < 0.05 && (blue[1] / orange[0] - 0.5).abs() < 0.05);
    refused(entropy_bars(&[], &caption()), "0 groups");
    refused(
        entropy_bars(&[("none", &EntropyHistogram::from_entropies(&[])?)], &caption()),
        "no sample in 'none'",
    );
    Ok(())
}

#[test]
fn the_csv_of_bands_holds_every_number_and_what_cannot_be_drawn_is_refused() -> Result<()> {
    let point = BandPoint { x: 5.0, mean: 0.5, low: 0.4, high: 0.6 };
    let series = vec![BandSeries { name: "random".to_owned(), points: vec![point] }];
    let panel = BandPanel { title: "OA".to_owned(), series, level: Some(("all".to_owned(), 0.9)) };
    let draw = |panels: &[BandPanel]| bands(panels, "Share", "", &caption());
    let figure = draw(std::slice::from_ref(&panel))?;
    assert!(figure.csv().ends_with("OA,random,5,0.5,0.4,0.6\nOA,all,,0.9,,\n"));
    let mut broken = panel.clone();
    broken.series[0].points[0].high = f64::NAN;
    refused(draw(&[broken]), "series 'random'");
    refused(draw(&[]), "0 panels");
    refused(draw(&[panel.clone(), panel.clone(), panel]), "3 panels");
    Ok(())
}

#[test]
fn every_tile_is_in_the_csv_and_every_fate_in_the_legend() -> Result<()> {
    let classes = Classes::named(["forest", "river"])?;
    let colour = |(r, c, _): (usize, usize, usize)| if c > 14 { f32::NAN } else { (r + c) as f32 };
    let overview = Overview {
        step: 1,
        colours: Some(Array3::from_shape_fn((12, 18, 3), colour)),
        classes: Some(Array2::from_shape_fn((12, 18), |(r, _)| (r > 0).then_some(usize::from(r > 3)))),
    };
    let fates = [Fate::Kept, Fate::Cloud, Fate::NoData, Fate::Unlabelled, Fate::Kept, Fate::Cloud];
    let tile = |k: usize| Tile { corner: [k / 3 * 6, k % 3 * 6], fate: fates[k] };
    let tiles: Vec<Tile> = (0..6).map(tile).collect();
    let clouds = "At most 15 % of cloud.".to_owned();
    let picture =
        TilesPicture { overview: &overview, classes: &classes, tiles: &tiles, patch_size: 6, clouds };
    let figure = cut_scene(&picture, &caption())?;
    assert!(figure.csv().contains("\n0,6,discarded by cloud\n0,12,no data\n6,0,no label\n6,6,kept\n"));
    for words in ["kept: 2 patches", "no data: 1 patch", "river: 72.7 %", "6 × 6 pixels", "At most 15 %"] {
        assert!(figure.svg().contains(words), "no '{words}'");
    }
    refused(cut_scene(&TilesPicture { tiles: &[], ..picture }, &caption()), "no tile");
    Ok(())
}

#[test]
fn a_map_has_its_classes_and_those_of_the_truth_in_legend_and_csv() -> Result<()> {
    let classes = Classes::lcz();
    let of = |(row, column): (usize, usize)| match (row, column) {
        (0, 0) => 0,
        (_, 0..3) => 17,
        _ => 6,
    };
    let of = Array2::from_shape_fn((4, 6), of);
    let seen = Array3::from_shape_fn((4, 6, 3), |(row, column, c)| {
        if (row, column) == (0, 0) { f32::NAN } else { 0.1 + 0.01 * (row + column + c) as f32 }
    });
    let picture = MapPicture {
        palette: lcz::Palette::default(),
        classes: &classes,
        map: of.view(),
        truth: None,
        seen: Some(&seen),
        pixel_metres: Some([100.0, 100.0]),
        pixel_area: Some(10_000.0),
        north: Some(0.0),
        notes: "synthetic".to_owned(),
    };
    let holds = |picture: &MapPicture<'_>, lines: &[&str], words: &[&str]| -> Result<()> {
        let figure = map(picture, &caption())?;
        assert!(lines.iter().all(|line| figure.csv().contains(line)), "{}", figure.csv());
        assert!(words.iter().all(|words| figure.svg().contains(words)), "{words:?}");
        Ok(())
    };
    // One page, and ink on it: codes stand above the pictures, but hide nothing.
    let wide = Array2::from_elem((40, 60), 6);
    let wide = MapPicture { map: wide.view(), seen: None, ..picture.clone() };
    let drawn = map(&wide, &caption())?;
    let png = Decoded::of(drawn.png());
    assert!(png.count([0xFF, 0x98, 0x5E]) > 1_000_000 && png.count([0x1A; 3]) > 2000);
    assert_eq!(drawn.svg().matches("fill=\"#FFFFFF\"").count(), 1, "one page");
    let of_codes = "Synthetic. Codes on the map: the classes of its larger regions, as in the legend.";
    assert_eq!(
        texts(&drawn).iter().filter(|text| *text == "6" || *text == of_codes).count(),
        2,
        "one region"
    );
    // A region of two pixels has no code.
    let small = Array2::from_elem((2, 2), 6);
    let small = MapPicture { map: small.view(), seen: None, ..picture.clone() };
    assert!(!map(&small, &caption())?.svg().contains("Codes on the map"));
    let lines = ["6,6 open low-rise,12,0.521739,0.1200\n", "G,G water,11,0.478261,0.1100\n"];
    holds(&picture, &lines, &["6 open low-rise: 52.2 %", "200 m", "True colour", "Synthetic."])?;
    let rare = Array2::from_shape_fn((40, 60), |at| if at == (0, 0) { 4 } else { 6 });
    let rare = MapPicture { map: rare.view(), seen: None, ..picture.clone() };
    holds(&rare, &[], &["4 open high-rise: &lt;0.1 %"])?;
    let refused_map = |numbers: Array2<u8>, what: &str| {
        refused(map(&MapPicture { map: numbers.view(), ..picture.clone() }, &caption()), what);
    };
    refused_map(Array2::zeros((2, 2)), "no pixel");
    refused_map(Array2::from_elem((2, 2), 18), "class 18 of 17");

    let truth = Array2::from_shape_fn((4, 6), |(row, _)| [0, 1, 6, 6][row]);
    let mut map_of_one = Array2::from_elem((4, 6), 6);
    let other = Array2::from_elem((2, 2), 6);
    let both = MapPicture {
        map: map_of_one.view(),
        truth: Some(truth.view()),
        seen: None,
        north: None,
        ..picture.clone()
    };
    let lines = [
        "6,6 open low-rise,24,1.000000,0.2400,12,0.666667\n",
        "1,1 compact high-rise,0,0.000000,0.0000,6,0.333333\n",
    ];
    let words = [
        "6 open low-rise: 100.0 % (reference 66.7 %)",
        "1 compact high-rise: 0.0 % (reference 33.3 %)",
        "Reference",
    ];
    holds(&both, &lines, &words)?;
    // Where the map has no class, nothing is compared: the second row alone is of class 1.
    refused(map(&MapPicture { truth: Some(other.view()), ..both }, &caption()), "pixels of the reference");
    map_of_one.row_mut(2).fill(0);
    let mut truth = truth.clone();
    truth[[2, 0]] = 17;
    let half =
        MapPicture { map: map_of_one.view(), truth: Some(truth.view()), seen: None, ..picture.clone() };
    let words = ["1 compact high-rise: 0.0 % (reference 50.0 %)", "G water: 0.0 % (reference 0.0 %)"];
    holds(&half, &[",6,0.500000\n", "G,G water,0,0.000000,0.0000,0,0.000000\n"], &words)?;
    truth[[2, 0]] = 18;
    let beyond = MapPicture { map: map_of_one.view(), truth: Some(truth.view()), seen: None, ..picture };
    refused(map(&beyond, &caption()), "reference: class 18 of 17");
    Ok(())
}

/// One number, repeated: a map of 1200 million pixels, which is counted whole and drawn in parts. The tests of this file, which
/// share the process, take less memory than a byte for each of its pixels.
#[test]
fn a_huge_map_is_drawn_without_a_copy() -> Result<()> {
    let (classes, one) = (Classes::lcz(), [[6_u8]]);
    let huge = ndarray::aview2(&one);
    let picture = MapPicture {
        palette: lcz::Palette::default(),
        classes: &classes,
        map: huge.broadcast((30_000, 40_000)).unwrap(),
        truth: None,
        seen: None,
        pixel_metres: Some([100.0, 100.0]),
        pixel_area: None,
        north: None,
        notes: String::new(),
    };
    let figure = map(&picture, &caption())?;
    assert!(figure.csv().contains("6,6 open low-rise,1200000000,1.000000,"), "{}", figure.csv());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
        let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kilobytes < 1_000_000, "{peak}: a copy takes 1.2 GB");
    }
    Ok(())
}

/// Each page is white with text and colours on it: no part covers the others.
#[test]
fn the_pages_of_all_kinds_of_figures_have_ink() -> Result<()> {
    let classes = Classes::named(["forest", "river"])?;
    let labels = Labels::new(classes.clone(), vec![0, 0, 1])?;
    let (confidence, right) = ([0.1, 0.4, 0.8], [false, true, true]);
    let patches = labelled(Bands::sentinel2())?;
    let overview = Overview {
        step: 1,
        colours: Some(Array3::from_shape_fn((12, 18, 3), |(r, c, _)| (r + c) as f32)),
        classes: Some(Array2::from_elem((12, 18), Some(1))),
    };
    let tiles = [Fate::Kept, Fate::Cloud]
        .map(|fate| Tile { corner: [0, 6 * usize::from(fate == Fate::Cloud)], fate });
    let cut = TilesPicture {
        overview: &overview,
        classes: &classes,
        tiles: &tiles,
        patch_size: 6,
        clouds: String::new(),
    };
    let bins = [("a".to_owned(), &Reliability::from_pairs(&confidence, &right, Bins::EqualWidth(10))?)];
    let curve = [("a".to_owned(), &RiskCoverage::compute(&confidence, &[0.0, 1.0, 0.0])?)];
    let panel = PlanePanel { title: "all".to_owned(), shown: vec![true; 3] };
    let point = BandPoint { x: 5.0, mean: 0.5, low: 0.4, high: 0.6 };
    let points = vec![point, BandPoint { x: 9.0, ..point }];
    // The first series, the baseline, is grey.
    let series = ["random", "UTS"].map(|name| BandSeries { name: name.to_owned(), points: points.clone() });
    let band = BandPanel { title: "OA".to_owned(), series: series.into(), level: None };
    let sets = SetsOfClass { class: "forest".to_owned(), samples: 4, coverage: 0.75, mean_size: 1.5 };
    let places = array![[0.0, 0.0], [1.0, 2.0], [2.0, 1.0]];
    let signatures = Signatures::compute(&patches, &mut lcz::progress::Silent)?;
    let entropy = EntropyHistogram::from_entropies(&[0.0, 0.6])?;
    let (seventeen, caption) = (seventeen(), &caption());
    let figures = [
        ("confusion matrix", confusion_matrix(&seventeen, Cells::Counts, caption)?),
        ("two of them", confusion_matrices([("a", &seventeen), ("b", &seventeen)], caption)?),
        ("learning curves", learning_curves(&curves(), caption)?),
        ("patches", sample_patches(&patches, &[0, 30], caption)?),
        ("gallery", gallery(&patches, 2, Composite::TrueColour, caption)?),
        ("signatures", spectral_signatures(&signatures, caption)?),
        ("class counts", class_counts(&[("a", &labels)], caption)?),
        ("boxes", boxes(&labels, &[("NDVI", &confidence)], caption)?),
        ("scene cut", cut_scene(&cut, caption)?),
        ("reliability", reliability(&bins, Agreement::Accuracy, caption)?),
        ("importance", band_importance(&Bands::named(["B2", "B8"])?, &[0.5, 0.5], caption)?),
        ("set sizes", set_sizes(&classes, &[sets.clone(), sets], 0.9, caption)?),
        ("entropy", entropy_bars(&[("urban", &entropy)], caption)?),
        ("bands", bands(&[band], "Share", "", caption)?),
        ("risk", risk_coverage(&curve, caption)?),
        ("plane", plane(places.view(), &labels, &[panel], "", caption)?),
    ];
    for (name, figure) in &figures {
        let png = Decoded::of(figure.png());
        let is_coloured = |pixel: &&[u8; 3]| {
            pixel.iter().max().zip(pixel.iter().min()).is_some_and(|(most, least)| most - least > 30)
        };
        let [white, ink] = [[0xFF; 3], [0x1A; 3]].map(|colour| png.count(colour));
        let coloured = png.rgb.iter().filter(is_coloured).count();
        let counts = (png.rgb.len(), white, ink, coloured);
        assert!(white > png.rgb.len() / 10 && ink > 1000 && coloured > 1000, "{name}: {counts:?}");
    }
    Ok(())
}

#[test]
fn the_csv_of_a_segmentation_counts_the_pixels_that_have_a_class() -> Result<()> {
    // Two patches of 2 × 2 pixels: three pixels of the second have a class, two of which are right.
    let classes = Classes::named(["forest", "river"])?;
    let imagery = Imagery { patch_size: 2, bands: Bands::named(["B4", "B3", "B2"])?, ..Imagery::so2sat() };
    let images = Array4::from_shape_fn((2, 2, 2, 3), |(n, r, c, b)| (n + r + c + b) as f32 * 0.1);
    let mut masks = Array3::zeros((2, 2, 2));
    masks.slice_mut(s![1, .., ..]).assign(&array![[0, 1], [1, Masks::IGNORED]]);
    let forest = [1.0, 1.0, 1.0, 1.0, 0.75, 0.25, 0.5, 0.875];
    let p = Array2::from_shape_fn((8, 2), |(n, k)| if k == 0 { forest[n] } else { 1.0 - forest[n] });
    let (patches, masks, p) = (
        Patches::in_memory(imagery, classes.clone(), images)?,
        Masks::new(classes.clone(), masks)?,
        Probabilities::new(classes, p)?,
    );
    let figure = segmentation(&patches, &masks, &p, &[1], &caption())?;
    // Equal probabilities are the first class; mean confidence (0.75 + 0.75 + 0.5) / 3.
    let lines: Vec<&str> = figure.csv().lines().filter(|line| line.starts_with("patch 1")).collect();
    assert_eq!(lines, ["patch 1,forest,1,2,1,0.666667,0.666667", "patch 1,river,2,1,1,0.666667,0.666667"]);
    let one = masks.select(&[0])?;
    refused(segmentation(&patches, &one, &p, &[0], &caption()), "give those of the same patches");
    refused(segmentation(&patches, &masks, &p, &[], &caption()), "0 patches");
    refused(segmentation(&patches, &masks, &p, &[2], &caption()), "2");
    Ok(())
}

#[test]
fn classes_are_drawn_in_their_own_colours() -> Result<()> {
    let colours = [[1, 90, 200], [240, 220, 130]];
    let labels = Labels::new(Classes::named(["sea", "G"])?.with_colours(colours)?, vec![0, 1])?;
    let panel = PlanePanel { title: "all".to_owned(), shown: vec![true; 2] };
    let figure = plane(array![[0.0, 0.0], [1.0, 2.0]].view(), &labels, &[panel], "", &caption())?;
    let drawn = Decoded::of(figure.png());
    assert!(colours.iter().all(|&colour| drawn.count(colour) > 20));
    assert_eq!(lcz::Palette::Generator.colour(labels.classes(), 1), colours[1]);
    Ok(())
}

#[test]
fn panels_that_do_not_fit_together_are_refused() -> Result<()> {
    let labels = Labels::new(Classes::lcz(), vec![0, 1])?;
    let built = Labels::new(Classes::built(), vec![0])?;
    refused(class_counts(&[], &caption()), "nothing to draw");
    refused(class_counts(&[("a", &labels), ("b", &built)], &caption()), "'b' has the classes");
    refused(class_counts(&[("a", &labels); 5], &caption()), "5 panels");
    refused(boxes(&labels, &[("NDVI", &[0.0])], &caption()), "1 values of 'NDVI' for 2 labels");
    refused(boxes(&labels, &[("NDVI", &[0.0, f64::NAN])], &caption()), "row 1: 'NDVI' is NaN");
    let positions = array![[0.0, 0.0], [1.0, 2.0]];
    let draw =
        |labels: &Labels, panels: &[PlanePanel]| plane(positions.view(), labels, panels, "", &caption());
    let panel = |shown: Vec<bool>| PlanePanel { title: "some".to_owned(), shown };
    refused(draw(&labels, &[]), "0 panels");
    refused(draw(&labels, &[panel(vec![true])]), "1 flags of 'some' for 2 samples");
    refused(draw(&Labels::new(Classes::lcz(), vec![0])?, &[panel(vec![true; 2])]), "1 labels");
    Ok(())
}

#[test]
fn a_long_risk_coverage_curve_is_thinned_to_two_hundred_points_with_its_ends() -> Result<()> {
    let confidence: Vec<f64> = (0..1000).map(|n| f64::from(n) / 1000.0).collect();
    let losses: Vec<f64> = (0..1000).map(|n| f64::from(u8::from(n % 3 == 0))).collect();
    let curve = RiskCoverage::compute(&confidence, &losses)?;
    let rows = rows(&risk_coverage(&[("a".to_owned(), &curve)], &caption())?);
    assert_eq!(rows.len(), 200);
    for (row, point) in [(&rows[0], curve.points[0]), (&rows[199], curve.points[999])] {
        assert_eq!(row[1..3], [point.coverage.to_string(), point.risk.to_string()]);
    }
    refused(risk_coverage::<RiskCoverage>(&[], &caption()), "0 curves");
    Ok(())
}
