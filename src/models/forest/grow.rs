//! Growing one tree: the best split of a node over a few features, until the leaves are pure.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::columns::{Column, Columns};
use super::{ForestSettings, Node, Tree};

/// A node with fewer patches than this part of a column's codes sorts them; a larger one counts.
const COUNT_FROM: usize = 8;

/// A tree, and what growing it showed.
pub(super) struct Grown {
    pub(super) tree: Tree,
    /// Patches that it was grown without, with the leaf that each falls into.
    pub(super) out_of_bag: Vec<(u32, u32)>,
    /// Feature and decrease in impurity, w i − w_l i_l − w_r i_r, of each split.
    pub(super) decreases: Vec<(u32, f64)>,
}

/// Grows the tree of this number under this seed.
pub(super) fn tree(
    columns: &Columns,
    y: &[u16],
    classes: usize,
    settings: &ForestSettings,
    drawn: usize,
    (seed, number): (u64, u64),
) -> Grown {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(number);
    let n = columns.patches();
    // How often each patch was drawn.
    let mut weights = vec![u16::from(!settings.bootstrap); n];
    if settings.bootstrap {
        for _ in 0..n {
            let weight = &mut weights[random.gen_range(0..n)];
            *weight = weight.saturating_add(1);
        }
    }
    let (mut samples, outside): (Vec<u32>, Vec<u32>) = (0..n as u32).partition(|&n| weights[n as usize] > 0);
    let mut growing = Growing {
        columns,
        settings,
        drawn,
        random,
        entries: y.iter().zip(&weights).map(|(&class, &weight)| Entry::new(class, weight)).collect(),
        features: (0..columns.len() as u32).collect(),
        left: vec![0; classes],
        right: vec![0; classes],
        keys: Vec::with_capacity(samples.len()),
        places: Vec::new(),
        grown: Grown { tree: Tree::default(), out_of_bag: Vec::new(), decreases: Vec::new() },
        codes: Vec::new(),
    };
    growing.grow(&mut samples);
    growing.finish(&outside)
}

/// The class of a patch and how often it was drawn, in one number.
#[derive(Clone, Copy)]
struct Entry(u32);

impl Entry {
    fn new(class: u16, weight: u16) -> Self {
        Self(u32::from(class) << 16 | u32::from(weight))
    }

    fn class(self) -> usize {
        (self.0 >> 16) as usize
    }

    fn weight(self) -> u64 {
        u64::from(self.0 & 0xffff)
    }
}

/// A tree that is being grown, with buffers that its nodes share.
struct Growing<'a> {
    columns: &'a Columns,
    settings: &'a ForestSettings,
    drawn: usize,
    random: ChaCha8Rng,
    /// By patch.
    entries: Vec<Entry>,
    /// All features, in an order that each draw shuffles on.
    features: Vec<u32>,
    /// Weight of each class left and right of the split under trial.
    left: Vec<u64>,
    right: Vec<u64>,
    /// Code and entry of the patches of a node, sorted by code.
    keys: Vec<u64>,
    /// Where the patches of each code go.
    places: Vec<u32>,
    grown: Grown,
    /// Of each node that splits, the largest code that goes left.
    codes: Vec<u16>,
}

/// The best split so far.
#[derive(Clone, Copy)]
struct Split {
    feature: u32,
    /// The codes on both sides of the threshold.
    lower: u16,
    upper: u16,
    /// `Σ_k w_lk² / w_l + Σ_k w_rk² / w_r`: the larger, the purer.
    score: f64,
}

/// A part of the samples that is a node still to be made.
struct Pending {
    from: usize,
    to: usize,
    depth: usize,
    /// The node whose right branch it is.
    right_of: Option<usize>,
}

impl Growing<'_> {
    fn grow(&mut self, samples: &mut [u32]) {
        let mut pending = vec![Pending { from: 0, to: samples.len(), depth: 0, right_of: None }];
        while let Some(Pending { from, to, depth, right_of }) = pending.pop() {
            let node = self.grown.tree.nodes.len();
            if let Some(parent) = right_of
                && let Node::Split { right, .. } = &mut self.grown.tree.nodes[parent]
            {
                *right = node as u32;
            }
            let samples = &mut samples[from..to];
            let mut counts = vec![0u64; self.left.len()];
            for &n in samples.iter() {
                let entry = self.entries[n as usize];
                counts[entry.class()] += entry.weight();
            }
            let Some(split) = self.best_split(samples, &counts, depth) else {
                self.leaf(&counts);
                continue;
            };
            let column = self.columns.column(split.feature as usize);
            let threshold = column.threshold(split.lower, split.upper);
            self.grown.tree.nodes.push(Node::Split { feature: split.feature, threshold, right: 0 });
            self.codes.push(split.lower);
            let (weight, squares) = totals(&counts);
            self.grown.decreases.push((split.feature, split.score - squares as f64 / weight as f64));
            let middle = from + partition(samples, |n| column.codes[n as usize] <= split.lower);
            pending.push(Pending { from: middle, to, depth: depth + 1, right_of: Some(node) });
            pending.push(Pending { from, to: middle, depth: depth + 1, right_of: None });
        }
    }

    fn leaf(&mut self, counts: &[u64]) {
        let tree = &mut self.grown.tree;
        let first = tree.counts.len() as u32;
        let there = counts.iter().enumerate().filter(|(_, weight)| **weight > 0);
        tree.counts.extend(there.map(|(class, &weight)| (class as u16, weight as u32)));
        tree.nodes.push(Node::Leaf { first, end: tree.counts.len() as u32 });
        self.codes.push(0);
    }

    /// The best split of a node over features drawn until `drawn` have been seen and one of them can
    /// split it; none if it is pure, too deep or too small, or equal in every feature.
    fn best_split(&mut self, samples: &[u32], counts: &[u64], depth: usize) -> Option<Split> {
        let pure = counts.iter().filter(|weight| **weight > 0).count() <= 1;
        let deep = self.settings.max_depth.is_some_and(|most| depth >= most);
        if pure || deep || samples.len() < 2 * self.settings.min_leaf {
            return None;
        }
        let mut best: Option<Split> = None;
        let mut divisible = false;
        for seen in 0..self.features.len() {
            if seen >= self.drawn && divisible {
                break;
            }
            let drawn = self.random.gen_range(seen..self.features.len());
            self.features.swap(seen, drawn);
            let feature = self.features[seen];
            let column = self.columns.column(feature as usize);
            if self.sort(column, samples) {
                divisible = true;
                self.try_splits(feature, counts, &mut best);
            }
        }
        best
    }

    /// Puts the patches of a node into `keys`, by code; false if there is only one code.
    fn sort(&mut self, column: &Column, samples: &[u32]) -> bool {
        let key = |n: u32| {
            let code = u64::from(column.codes[n as usize]);
            code << 32 | u64::from(self.entries[n as usize].0)
        };
        self.keys.clear();
        if samples.len() * COUNT_FROM < column.len() {
            self.keys.extend(samples.iter().map(|&n| key(n)));
            self.keys.sort_unstable();
        } else {
            self.places.clear();
            self.places.resize(column.len() + 1, 0);
            for &n in samples {
                self.places[usize::from(column.codes[n as usize]) + 1] += 1;
            }
            let mut sum = 0;
            for place in &mut self.places {
                sum += *place;
                *place = sum;
            }
            self.keys.resize(samples.len(), 0);
            for &n in samples {
                let place = &mut self.places[usize::from(column.codes[n as usize])];
                self.keys[*place as usize] = key(n);
                *place += 1;
            }
        }
        let code = |key: Option<&u64>| key.map(|key| key >> 32);
        code(self.keys.first()) != code(self.keys.last())
    }

    /// Walks through the sorted patches and keeps the best place to part them.
    fn try_splits(&mut self, feature: u32, counts: &[u64], best: &mut Option<Split>) {
        self.left.fill(0);
        self.right.copy_from_slice(counts);
        let (total, mut right_squares) = totals(counts);
        let (mut left_squares, mut left_weight) = (0u64, 0u64);
        let last = self.keys.len() - self.settings.min_leaf;
        for position in 0..last {
            let (key, next) = (self.keys[position], self.keys[position + 1]);
            let entry = Entry(key as u32);
            let (class, weight) = (entry.class(), entry.weight());
            // (a + w)² − a² = w (2 a + w)
            left_squares += weight * (2 * self.left[class] + weight);
            right_squares -= weight * (2 * self.right[class] - weight);
            self.left[class] += weight;
            self.right[class] -= weight;
            left_weight += weight;
            if key >> 32 != next >> 32 && position + 1 >= self.settings.min_leaf {
                let right_weight = total - left_weight;
                let score =
                    left_squares as f64 / left_weight as f64 + right_squares as f64 / right_weight as f64;
                if best.is_none_or(|best| score > best.score) {
                    *best =
                        Some(Split { feature, lower: (key >> 32) as u16, upper: (next >> 32) as u16, score });
                }
            }
        }
    }

    fn finish(self, outside: &[u32]) -> Grown {
        let Self { columns, mut grown, codes, .. } = self;
        let leaf = |n: u32| {
            let mut at = 0;
            while let Node::Split { feature, right, .. } = grown.tree.nodes[at] {
                let goes_left = columns.column(feature as usize).codes[n as usize] <= codes[at];
                at = if goes_left { at + 1 } else { right as usize };
            }
            (n, at as u32)
        };
        grown.out_of_bag = outside.iter().map(|&n| leaf(n)).collect();
        grown
    }
}

/// Σ_k w_k and Σ_k w_k².
fn totals(counts: &[u64]) -> (u64, u64) {
    counts.iter().fold((0, 0), |(sum, squares), &w| (sum + w, squares + w * w))
}

/// Moves those that go left to the front, in any order; returns how many.
fn partition(samples: &mut [u32], goes_left: impl Fn(u32) -> bool) -> usize {
    let mut middle = 0;
    for at in 0..samples.len() {
        if goes_left(samples[at]) {
            samples.swap(at, middle);
            middle += 1;
        }
    }
    middle
}
