//! How often the intervals of the evaluation table contain the true value: `cargo bench --bench coverage [-- FOLDER]`.
//!
//! Synthetic data sets with known truth, 2,000 per setting, on one thread. Each finished setting is appended to
//! `coverage.csv` in the folder (`figures` by default) and skipped when the study is run again, so that it can be
//! interrupted; `coverage.md` sums it up, at the end or with `--summary` at any time. An interval at 95 % is called valid where it covers in 93 % of the data
//! sets or more.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use lcz::metrics::{ConfusionMatrix, Influence, interval_over_seeds, t_interval};
use lcz::scorecard::{Interval, Measure, Predicted, Reference, Scorecard, ScorecardSettings};
use lcz::{Classes, Labels, Logits, Probabilities, Temperature, Votes};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Binomial, Distribution, Gamma, StandardNormal};

const DATA_SETS: usize = 2000;
const LARGE: usize = 400_000;
const QUIET: ScorecardSettings =
    ScorecardSettings { bins: 15, rounds: 0, level: 0.95, panel: None, panels: 0, seed: 0 };

/// Lines of the table: what was counted, of how many data sets.
type Lines = Vec<(String, usize, usize)>;

fn main() {
    let folder = std::env::args().skip(1).find(|word| !word.starts_with("--"));
    let folder = PathBuf::from(folder.unwrap_or_else(|| "figures".to_owned()));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
    pool.install(|| study(&folder));
}

fn study(folder: &Path) {
    let mut table = Table::read(folder.join("coverage.csv"));
    if std::env::args().any(|word| word == "--summary") {
        return table.summary(&folder.join("coverage.md"));
    }
    for n in [3, 20, 100, 300, 1000, 3000, 24_188] {
        for share in [0.5, 0.7, 0.9, 0.99] {
            table.setting(format!("share {share} n={n}"), || shares(n, share));
        }
    }
    for seeds in [2, 3, 5, 10] {
        table.setting(format!("seeds {seeds}"), || over_seeds(seeds));
    }
    // The rules for few groups were chosen on `groups`; `fresh-groups` are drawn independently of them.
    for (kind, seed) in [("groups", 0), ("fresh-groups", 1000)] {
        for groups in [2, 3, 5, 10, 20, 60] {
            for (k, skew, unequal) in [(10, 0.0, 0.0), (10, 0.0, 0.8), (17, 4.0, 0.0), (17, 4.0, 0.8)] {
                let setting = format!("{kind}={groups} K={k} skew={skew} unequal={unequal}");
                table.setting(setting, || grouped(k, skew, groups, unequal, seed));
            }
        }
    }
    for (kind, experts) in ["equal", "clear or hard", "Dirichlet", "two classes"]
        .into_iter()
        .flat_map(|kind| [11, 5, 3].map(|experts| (kind, experts)))
    {
        table.setting(format!("experts {kind} M={experts}"), || experts_of(kind, experts));
    }
    for n in [100, 300, 1000] {
        for (k, skew, sharp) in [(2, 0.0, 2.0), (17, 6.0, 4.0)] {
            let world = World { k, skew, sharp, temperature: 1.0 };
            table.setting(format!("p-values K={k} skew={skew} n={n}"), || p_values(&world, n));
        }
    }
    for groups in [10, 20, 60] {
        table.setting(format!("p-values groups={groups}"), || grouped_p_values(groups));
    }
    let worlds =
        [(2, 0.0, 2.0), (2, 3.0, 3.0), (10, 0.0, 3.0), (10, 4.0, 4.0), (17, 0.0, 4.0), (17, 6.0, 4.0)];
    for n in [100, 300, 1000, 3000] {
        for (k, skew, sharp) in worlds {
            for temperature in [1.0, 2.0] {
                let world = World { k, skew, sharp, temperature };
                table.setting(format!("K={k} skew={skew} T={temperature} n={n}"), || independent(&world, n));
            }
        }
    }
    table.summary(&folder.join("coverage.md"));
}

/// Clopper–Pearson.
fn shares(n: u64, share: f64) -> Lines {
    let mut random = ChaCha8Rng::seed_from_u64(n);
    let binomial = Binomial::new(n, share).expect("a share");
    let held = |right| {
        let interval = lcz::metrics::proportion_interval(right, n, 0.95);
        interval.lower <= share && share <= interval.upper
    };
    let covered = (0..DATA_SETS).filter(|_| held(binomial.sample(&mut random))).count();
    vec![("OA".to_owned(), DATA_SETS, covered)]
}

/// Means over seeds: of normal values, of skewed ones, and of a loss over samples and seeds.
fn over_seeds(seeds: usize) -> Lines {
    let mut random = ChaCha8Rng::seed_from_u64(seeds as u64);
    let mut covered = [0; 3];
    for _ in 0..DATA_SETS {
        let normal: Vec<f64> = (0..seeds).map(|_| random.sample(StandardNormal)).collect();
        let gamma = Gamma::new(8.0, 1.0).expect("a shape");
        let skewed: Vec<f64> = (0..seeds).map(|_| gamma.sample(&mut random) - 8.0).collect();
        let rows: Vec<f64> = (0..400).map(|_| random.sample(StandardNormal)).collect();
        let of_seed = |_| {
            let shift: f64 = random.sample::<f64, _>(StandardNormal) * 0.05;
            let noisy = rows.iter().map(|x| x + shift + random.sample::<f64, _>(StandardNormal) * 0.3);
            Influence::from_values(noisy.collect())
        };
        let of_seeds: Vec<Influence> = (0..seeds).map(of_seed).collect();
        let holds = |interval: Option<Interval>| interval.is_some_and(|i| i.lower <= 0.0 && 0.0 <= i.upper);
        covered[0] += usize::from(holds(t_interval(&normal, 0.95).ok()));
        covered[1] += usize::from(holds(t_interval(&skewed, 0.95).ok()));
        covered[2] += usize::from(holds(interval_over_seeds(&of_seeds, None, 0.95).ok()));
    }
    let names = ["mean of normal values", "mean of skewed values", "loss over samples and seeds"];
    names.into_iter().zip(covered).map(|(name, covered)| (name.to_owned(), DATA_SETS, covered)).collect()
}

/// Predictions p = softmax(z); classes are drawn from softmax(z / T).
struct World {
    k: usize,
    skew: f64,
    sharp: f64,
    temperature: f64,
}

impl World {
    fn draw(&self, n: usize, random: &mut ChaCha8Rng) -> (Probabilities, Labels) {
        let bias = |k: usize| -self.skew * k as f64 / (self.k - 1) as f64;
        let z = Array2::from_shape_fn((n, self.k), |(_, k)| {
            random.sample::<f64, _>(StandardNormal) * self.sharp + bias(k)
        });
        let z = Logits::new(Classes::from_count(self.k), z).expect("numbers");
        let p = z.softmax(Temperature::ONE);
        let truth = z.softmax(Temperature::new(self.temperature).expect("above 0"));
        let labels = truth.view().outer_iter().map(|row| one_of(row, random)).collect();
        let labels = Labels::new(p.classes().clone(), labels).expect("classes");
        (p, labels)
    }
}

fn one_of(shares: ndarray::ArrayView1<'_, f64>, random: &mut ChaCha8Rng) -> usize {
    let mut at: f64 = random.r#gen();
    let drawn = shares.iter().position(|share| {
        at -= share;
        at < 0.0
    });
    drawn.unwrap_or(shares.len() - 1)
}

/// The true values of a simulated population: its measures on very many samples, and the parts of those that are means over the
/// classes that a data set holds.
struct Truth {
    card: Scorecard,
    recalls: Vec<f64>,
    f1s: Vec<f64>,
    square: f64,
}

impl Truth {
    fn of(p: &Probabilities, y: &Labels, calibrated: bool) -> Self {
        let card =
            Scorecard::compute(Predicted::Probabilities(p), Reference::new(y), QUIET).expect("a table");
        let confusion = ConfusionMatrix::from_labels(y, &p.predicted()).expect("a matrix");
        let classes = confusion.per_class();
        let ece = card.row(Measure::ExpectedCalibrationError).and_then(|row| row.debiased);
        Self {
            recalls: classes.iter().map(|class| class.recall).collect(),
            f1s: classes.iter().map(|class| class.f1).collect(),
            square: if calibrated { 0.0 } else { ece.map_or(f64::NAN, |square| square.value) },
            card,
        }
    }

    fn value(&self, measure: Measure, confusion: &ConfusionMatrix) -> f64 {
        let reference = confusion.reference_totals();
        let predicted = confusion.predicted_totals();
        let over = |values: &[f64], present: &dyn Fn(usize) -> bool| {
            let some: Vec<f64> = (0..values.len()).filter(|&k| present(k)).map(|k| values[k]).collect();
            some.iter().sum::<f64>() / some.len() as f64
        };
        match measure {
            Measure::AverageAccuracy => over(&self.recalls, &|k| reference[k] > 0),
            Measure::MacroF1 => over(&self.f1s, &|k| reference[k] + predicted[k] > 0),
            _ => self.card.row(measure).map_or(f64::NAN, |row| row.value),
        }
    }
}

/// Counts, measure by measure, the data sets with an interval and those whose interval contains the true value.
#[derive(Default)]
struct Counts(BTreeMap<String, (usize, usize)>);

impl Counts {
    fn add(&mut self, name: &str, holds: Option<bool>) {
        let count = self.0.entry(name.to_owned()).or_default();
        count.0 += usize::from(holds.is_some());
        count.1 += usize::from(holds == Some(true));
    }

    fn card(&mut self, card: &Scorecard, truth: &Truth, confusion: &ConfusionMatrix) {
        for row in &card.rows {
            let wanted = truth.value(row.measure, confusion);
            let holds = row.interval.map(|interval| interval.lower <= wanted && wanted <= interval.upper);
            if row.interval.is_some() || self.0.contains_key(row.measure.short_name()) {
                self.add(row.measure.short_name(), holds);
            }
            if let Some(square) = row.debiased {
                let holds = square.lower <= truth.square && truth.square <= square.upper;
                self.add("ECE squared, debiased", Some(holds));
            }
        }
    }

    fn lines(self) -> Lines {
        self.0.into_iter().map(|(name, (printed, covered))| (name, printed, covered)).collect()
    }
}

fn independent(world: &World, n: usize) -> Lines {
    let mut random = ChaCha8Rng::seed_from_u64(n as u64);
    let (p, y) = world.draw(LARGE, &mut random);
    let truth = Truth::of(&p, &y, (world.temperature - 1.0).abs() < 1e-9);
    let mut counts = Counts::default();
    for _ in 0..DATA_SETS {
        let (p, y) = world.draw(n, &mut random);
        let card =
            Scorecard::compute(Predicted::Probabilities(&p), Reference::new(&y), QUIET).expect("a table");
        counts.card(&card, &truth, &ConfusionMatrix::from_labels(&y, &p.predicted()).expect("a matrix"));
    }
    counts.lines()
}

/// One city: shifted shares of the classes, a temperature of its own, and classes that are shifted unknown to p.
fn city(k: usize, skew: f64, size: usize, random: &mut ChaCha8Rng) -> (Array2<f64>, Vec<usize>) {
    let mut normal = || random.sample::<f64, _>(StandardNormal);
    let bias: Vec<f64> = (0..k).map(|j| -skew * j as f64 / (k - 1) as f64 + 0.7 * normal()).collect();
    let shift: Vec<f64> = (0..k).map(|_| 0.5 * normal()).collect();
    let temperature = 1.3 * (0.5 * normal()).exp();
    let z = Array2::from_shape_fn((size, k), |(_, j)| 3.0 * normal() + bias[j]);
    let shifted = Array2::from_shape_fn((size, k), |(n, j)| z[[n, j]] / temperature + shift[j]);
    let softmax = |z| Logits::new(Classes::from_count(k), z).expect("numbers").softmax(Temperature::ONE);
    let truth = softmax(shifted).view().outer_iter().map(|row| one_of(row, random)).collect();
    (softmax(z).view().to_owned(), truth)
}

/// Several cities as one data set.
fn cities(
    k: usize,
    skew: f64,
    sizes: &[usize],
    random: &mut ChaCha8Rng,
) -> (Probabilities, Labels, Vec<i32>) {
    let (mut p, mut y, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for (group, &size) in sizes.iter().enumerate() {
        let (rows, truth) = city(k, skew, size, random);
        p.extend(rows);
        y.extend(truth);
        groups.extend(std::iter::repeat_n(group as i32, size));
    }
    let p = Array2::from_shape_vec((y.len(), k), p).expect("rows of K");
    let p = Probabilities::new(Classes::from_count(k), p).expect("distributions");
    let y = Labels::new(p.classes().clone(), y).expect("classes");
    (p, y, groups)
}

fn grouped(k: usize, skew: f64, groups: usize, unequal: f64, seed: u64) -> Lines {
    let mut random = ChaCha8Rng::seed_from_u64(seed + groups as u64);
    let (p, y, _) = cities(k, skew, &vec![100; LARGE / 100], &mut random);
    let truth = Truth::of(&p, &y, false);
    let mut counts = Counts::default();
    for _ in 0..DATA_SETS {
        let size = |_| {
            let factor = (unequal * random.sample::<f64, _>(StandardNormal)).exp();
            ((50.0 * factor) as usize).max(3)
        };
        let sizes: Vec<usize> = (0..groups).map(size).collect();
        let (p, y, groups) = cities(k, skew, &sizes, &mut random);
        let reference = Reference::new(&y).with_groups(&groups);
        let card = Scorecard::compute(Predicted::Probabilities(&p), reference, QUIET).expect("a table");
        counts.card(&card, &truth, &ConfusionMatrix::from_labels(&y, &p.predicted()).expect("a matrix"));
    }
    counts.lines()
}

/// Data sets for human performance: 1,000 samples of 17 classes, fewer data sets since each fits a model.
const EXPERT_SETS: usize = 500;

/// Difference of the estimate to the score of new experts (in the name of its line), and the coverage of the interval of
/// one expert against the others.
fn experts_of(kind: &str, experts: usize) -> Lines {
    let mut random = ChaCha8Rng::seed_from_u64(experts as u64);
    let confused: Vec<usize> = (0..17).map(|_| random.gen_range(1..17)).collect();
    let mut errors = Vec::new();
    let mut counts = Counts::default();
    // Expected scores of a new panel against the reference, and of one expert against the others.
    let mut truth = [0.0, 0.0];
    let mut estimates = Vec::new();
    for _ in 0..EXPERT_SETS {
        let pi = opinions(kind, &confused, &mut random);
        let [given, panel] = [0, 1].map(|_| votes(&pi, experts, &mut random));
        let reference = given.majority(None).expect("a majority");
        let right = |other: &Labels| {
            let confusion = ConfusionMatrix::from_labels(&reference, other).expect("a matrix");
            confusion.overall_accuracy_score() / EXPERT_SETS as f64
        };
        let tied = tied_at_random(&panel, &mut random);
        truth[0] += right(&tied);
        // Another expert against the majority of M − 1 experts.
        let fewer = votes(&pi, experts - 1, &mut random);
        let one = tied_at_random(&votes(&pi, 1, &mut random), &mut random);
        let confusion =
            ConfusionMatrix::from_labels(&tied_at_random(&fewer, &mut random), &one).expect("a matrix");
        truth[1] += confusion.overall_accuracy_score() / EXPERT_SETS as f64;
        let settings = ScorecardSettings { panels: 50, ..QUIET };
        let card = Scorecard::compute(
            Predicted::Classes(&reference),
            Reference::new(&reference).with_votes(&given),
            settings,
        );
        let card = card.expect("a table");
        let reached = card.row(Measure::OverallAccuracy).and_then(|row| row.experts).expect("an estimate");
        estimates.push((reached, card.experts.expect("experts").leave_one_out));
    }
    for &(panel, alone) in &estimates {
        errors.push(panel - truth[0]);
        counts.add("one expert", alone.interval.map(|i| i.lower <= truth[1] && truth[1] <= i.upper));
    }
    let bias = errors.iter().sum::<f64>() / errors.len() as f64;
    let mut lines = counts.lines();
    // Without an interval: its bias is the result.
    lines.push((format!("panel of experts (reaches {:.3}; bias {bias:+.3})", truth[0]), 0, 0));
    lines
}

fn tied_at_random(votes: &Votes, random: &mut ChaCha8Rng) -> Labels {
    let pick = |row: ndarray::ArrayView1<'_, f32>| {
        let most = row.iter().copied().fold(0.0, f32::max);
        let tied: Vec<usize> = (0..row.len()).filter(|&k| row[k] >= most).collect();
        tied[random.gen_range(0..tied.len())]
    };
    Labels::new(votes.classes().clone(), votes.counts().outer_iter().map(pick).collect()).expect("classes")
}

fn opinions(kind: &str, confused: &[usize], random: &mut ChaCha8Rng) -> Array2<f64> {
    let mut pi = Array2::zeros((1000, 17));
    for mut row in pi.outer_iter_mut() {
        let k: usize = random.gen_range(0..17);
        let other = (k + confused[k]) % 17;
        match kind {
            "Dirichlet" => {
                let gamma = Gamma::new(0.2, 1.0).expect("a shape");
                row.assign(&ndarray::Array1::from_shape_fn(17, |_| gamma.sample(random) + 1e-12));
                let total = row.sum();
                row /= total;
            }
            "two classes" => {
                let share = Beta::new(0.8, 0.25).expect("shapes").sample(random);
                row[k] = share;
                row[other] += 1.0 - share;
            }
            _ => {
                let sure = match kind {
                    "equal" => 0.8,
                    _ if random.gen_bool(0.3) => 0.6,
                    _ => 0.985,
                };
                row[k] = sure;
                row[other] += 0.7 * (1.0 - sure);
                row[(other + 1) % 17] += 0.3 * (1.0 - sure);
            }
        }
    }
    pi
}

fn votes(pi: &Array2<f64>, experts: usize, random: &mut ChaCha8Rng) -> Votes {
    let mut counts = Array2::zeros(pi.dim());
    for (mut row, pi) in counts.outer_iter_mut().zip(pi.outer_iter()) {
        for _ in 0..experts {
            row[one_of(pi, random)] += 1.0;
        }
    }
    Votes::new(Classes::from_count(pi.ncols()), counts).expect("votes")
}

/// Under calibration p-values are uniform: those of at most 0.05 and 0.5 are counted.
fn count_p_values(counts: &mut Counts, card: &Scorecard) {
    for row in &card.rows {
        let Some(calibrated) = row.if_calibrated else { continue };
        for limit in [0.05, 0.5] {
            let name = format!("p of {} at most {limit}", row.measure.short_name());
            counts.add(&name, Some(calibrated.p <= limit));
        }
    }
}

fn p_values(world: &World, n: usize) -> Lines {
    let mut random = ChaCha8Rng::seed_from_u64(n as u64);
    let mut counts = Counts::default();
    for seed in 0..DATA_SETS / 2 {
        let (p, y) = world.draw(n, &mut random);
        let settings = ScorecardSettings { rounds: 199, seed: seed as u64, ..QUIET };
        // Eleven votes each, drawn from p too.
        let votes = votes(&p.view().to_owned(), 11, &mut random);
        let reference = Reference::new(&y).with_votes(&votes);
        let settings = ScorecardSettings { panels: 0, ..settings };
        let card = Scorecard::compute(Predicted::Probabilities(&p), reference, settings).expect("a table");
        count_p_values(&mut counts, &card);
    }
    counts.lines()
}

/// Calibrated over all cities, each city by itself off by up to 0.15.
fn grouped_p_values(groups: usize) -> Lines {
    let mut random = ChaCha8Rng::seed_from_u64(groups as u64);
    let mut counts = Counts::default();
    let classes = Classes::from_count(4);
    for seed in 0..DATA_SETS / 2 {
        let (mut confidence, mut guess, mut truth, mut ids) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for group in 0..groups {
            let off = random.gen_range(-0.15..0.15);
            for _ in 0..40 {
                let c = random.gen_range(0.4..0.84);
                let k = random.gen_range(0..4);
                let right = random.gen_bool(c + off);
                confidence.push(c);
                guess.push(k);
                truth.push(if right { k } else { (k + 1) % 4 });
                ids.push(group as i32);
            }
        }
        let guess = Labels::new(classes.clone(), guess).expect("classes");
        let truth = Labels::new(classes.clone(), truth).expect("classes");
        let settings = ScorecardSettings { rounds: 199, seed: seed as u64, ..QUIET };
        let reference = Reference::new(&truth).with_groups(&ids);
        let card = Scorecard::compute(Predicted::Confidences(&guess, &confidence), reference, settings)
            .expect("a table");
        count_p_values(&mut counts, &card);
    }
    counts.lines()
}

/// The results so far, in a CSV that grows.
struct Table {
    path: PathBuf,
    lines: Vec<String>,
}

impl Table {
    fn read(path: PathBuf) -> Self {
        if !path.exists() {
            let head = "# cargo bench --bench coverage; 95 % intervals; covered and its Monte Carlo standard error are shares of those printed\n\
                        setting,measure,data sets,printed,covered,monte carlo error\n";
            fs::write(&path, head).expect("a folder to write to");
        }
        let text = fs::read_to_string(&path).expect("the table");
        Self { path, lines: text.lines().map(str::to_owned).collect() }
    }

    fn setting(&mut self, name: String, run: impl FnOnce() -> Lines) {
        let name = name.replace(',', " ");
        if self.lines.iter().any(|line| line.starts_with(&format!("{name},"))) {
            return;
        }
        let mut text = String::new();
        let sets = if name.starts_with("experts") {
            EXPERT_SETS
        } else if name.starts_with("p-values") {
            DATA_SETS / 2
        } else {
            DATA_SETS
        };
        for (measure, printed, covered) in run() {
            let share = covered as f64 / printed as f64;
            let error = (share * (1.0 - share) / printed as f64).sqrt();
            let number = |x: f64| if x.is_nan() { String::new() } else { format!("{x:.4}") };
            let (measure, share, error) = (measure.replace(',', ""), number(share), number(error));
            let _ = writeln!(text, "{name},{measure},{sets},{printed},{share},{error}");
        }
        print!("{text}");
        let mut file = fs::OpenOptions::new().append(true).open(&self.path).expect("the table");
        file.write_all(text.as_bytes()).expect("the table");
        self.lines.extend(text.lines().map(str::to_owned));
    }

    /// The mean, lowest and highest share of each measure, by kind of setting.
    fn summary(&self, path: &Path) {
        let mut worst = BTreeMap::<(String, String), (f64, f64, f64, String, usize)>::new();
        for line in self.lines.iter().skip(2) {
            let cells: Vec<&str> = line.split(',').collect();
            let [setting, measure, _, printed, covered, _] = cells[..] else { continue };
            let (Ok(covered), Ok(printed)) = (covered.parse::<f64>(), printed.parse::<usize>()) else {
                continue;
            };
            if printed < 200 || measure.starts_with("panel of experts") {
                continue;
            }
            let kind = if setting.starts_with("K=") { "independent samples" } else { setting };
            let kind = kind.split(['=', ' ']).next().unwrap_or(kind).to_owned();
            let entry = worst.entry((kind, measure.to_owned())).or_insert((0.0, 2.0, -1.0, String::new(), 0));
            entry.4 += 1;
            entry.0 += covered;
            entry.2 = entry.2.max(covered);
            if covered < entry.1 {
                (entry.1, entry.3) = (covered, setting.to_owned());
            }
        }
        let mut text = "# Coverage of the evaluation table's 95 % intervals\n\n\
             Made by `cargo bench --bench coverage`; every line is in `coverage.csv`. Settings in which fewer than 200 data \
             sets had an interval are left out. The Monte Carlo standard error of a share of 0.95 is 0.005 for 2,000 data \
             sets and 0.010 for 500 (experts). The rules for few groups were chosen on `groups`; `fresh-groups` are the same \
             settings with other random data. For p-values the share of those at most 0.05 and 0.5 is given.\n\n\
             | kind | measure | settings | mean | lowest | where | highest |\n|---|---|---:|---:|---:|---|---:|\n"
            .to_owned();
        for ((kind, measure), (sum, lowest, highest, setting, count)) in worst {
            let mean = sum / count as f64;
            let _ = writeln!(
                text,
                "| {kind} | {measure} | {count} | {mean:.3} | {lowest:.3} | {setting} | {highest:.3} |"
            );
        }
        text.push_str("\nA panel of other experts (no interval is printed for it):\n\n| votes | OA that it reaches, and the bias of the estimate |\n|---|---|\n");
        for line in self.lines.iter().filter(|line| line.contains(",panel of experts")) {
            let cells: Vec<&str> = line.split(',').collect();
            let words = cells[1].split_once('(').map_or("", |(_, words)| words.trim_end_matches(')'));
            let _ = writeln!(text, "| {} | {words} |", cells[0].trim_start_matches("experts "));
        }
        fs::write(path, text).expect("a folder to write to");
    }
}
