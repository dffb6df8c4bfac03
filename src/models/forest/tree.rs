//! One grown tree: splits, and the counts of the classes in its leaves.

/// A split, or a leaf.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Node {
    /// Left where `x[feature] ≤ threshold`; the left child is the next node.
    Split { feature: u32, threshold: f32, right: u32 },
    /// Its counts are those from `first` to before `end`.
    Leaf { first: u32, end: u32 },
}

/// A tree in preorder: a node, its left branch, its right branch.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    /// Class and weight (patches, as often as drawn), leaf by leaf; only classes that are there.
    pub(crate) counts: Vec<(u16, u32)>,
}

impl Tree {
    /// How many nodes.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The position of the leaf that a patch falls into.
    pub(super) fn leaf(&self, x: impl Fn(usize) -> f32) -> usize {
        let mut at = 0;
        while let Node::Split { feature, threshold, right } = self.nodes[at] {
            at = if x(feature as usize) <= threshold { at + 1 } else { right as usize };
        }
        at
    }

    /// Calls `add` with each class in a leaf and its share of the leaf.
    pub(super) fn add_shares(&self, leaf: usize, mut add: impl FnMut(usize, f64)) {
        if let Node::Leaf { first, end } = self.nodes[leaf] {
            let counts = &self.counts[first as usize..end as usize];
            let total: u64 = counts.iter().map(|&(_, weight)| u64::from(weight)).sum();
            for &(class, weight) in counts {
                add(usize::from(class), f64::from(weight) / total as f64);
            }
        }
    }

    /// Whether every walk from the root ends in a leaf of these classes and uses these features only:
    /// what a file holds must be checked before it is used.
    pub(crate) fn is_sound(&self, features: usize, classes: usize) -> bool {
        let inner = |&(at, node): &(usize, &Node)| match *node {
            // Children come later, so that no walk can turn in a circle.
            Node::Split { feature, threshold, right } => {
                (feature as usize) < features
                    && threshold.is_finite()
                    && right as usize > at + 1
                    && (right as usize) < self.nodes.len()
            }
            Node::Leaf { first, end } => first < end && end as usize <= self.counts.len(),
        };
        !self.nodes.is_empty()
            && matches!(self.nodes.last(), Some(Node::Leaf { .. }))
            && self.nodes.iter().enumerate().all(|node| inner(&node))
            && self.counts.iter().all(|&(class, weight)| usize::from(class) < classes && weight > 0)
    }
}
