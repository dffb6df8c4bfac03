//! Training, validation and test regions, with a buffer between them.
//!
//! Neighbouring pixels are similar and their windows overlap, so a random split of pixels measures
//! memorisation, not accuracy on new places. Here whole regions are assigned to the three parts, and a window that overlaps
//! one of a later part is dropped.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::coverage::Coverage;
use super::{Part, Shares, Site};

/// What became of a labelled pixel whose window holds data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowFate {
    Kept(Part),
    /// A window of training or validation that overlaps one of testing.
    OverlapsTesting(Part),
    /// A training window that overlaps one of validation.
    OverlapsValidation,
}

/// Which part each region is for, and what follows for each site.
pub(super) struct Split {
    parts: Vec<Part>,
    pub fates: Vec<WindowFate>,
    /// What the buffer costs: how often a part was assigned a class and has no window of it left, which counts most, and
    /// windows dropped.
    losses: (usize, usize),
}

/// Classes are assigned again this many times in all,
const DRAWS: usize = 500;
/// or fewer where that would look at more pixels than this.
const MOST_PIXELS: usize = 1_000_000_000;

impl Split {
    /// Assigns whole regions to the parts, class by class, and drops what overlaps: the rule is on the
    /// module's page. Windows overlap if their centres lie within `reach` rows and `reach` columns.
    pub fn draw(sites: &[Site], classes: usize, shares: Shares, reach: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let by_class = ClassRegions::of_each_class(sites, classes);
        let regions = sites.iter().map(|site| site.region).max().unwrap_or_default();
        let ground = Ground::of(sites, reach);
        let mut parts = vec![Part::Training; regions + 1];
        for class in &by_class {
            class.assign(shares, &mut rng, &mut parts);
        }
        let mut best = ground.split(sites, classes, parts);
        for _ in 0..DRAWS.min(MOST_PIXELS / ground.pixels()) {
            let mut parts = best.parts.clone();
            if let Some(class) = by_class.choose(&mut rng) {
                class.assign(shares, &mut rng, &mut parts);
            }
            let other = ground.split(sites, classes, parts);
            if other.losses <= best.losses {
                best = other;
            }
        }
        best
    }
}

/// The regions of a class, each with its number of sites. A region of several classes belongs to that
/// of which it has most sites, the first of several such.
#[derive(Default)]
struct ClassRegions(Vec<(usize, usize)>);

impl ClassRegions {
    fn of_each_class(sites: &[Site], classes: usize) -> Vec<Self> {
        let regions = sites.iter().map(|site| site.region).max().unwrap_or_default();
        let mut sizes = vec![BTreeMap::<usize, usize>::new(); regions + 1];
        for site in sites {
            *sizes[site.region].entry(site.class).or_default() += 1;
        }
        let mut by_class: Vec<Self> = (0..classes).map(|_| Self::default()).collect();
        for (region, sizes) in sizes.iter().enumerate() {
            let most = sizes.iter().max_by_key(|&(&class, &size)| (size, std::cmp::Reverse(class)));
            if let Some((&class, _)) = most {
                by_class[class].0.push((region, sizes.values().sum()));
            }
        }
        by_class.retain(|class| !class.0.is_empty());
        by_class
    }

    /// Notes in `parts` where each region of the class goes.
    fn assign(&self, shares: Shares, rng: &mut ChaCha8Rng, parts: &mut [Part]) {
        let open: Vec<Part> = Part::ALL
            .into_iter()
            .filter(|&part| shares.of(part) > 0.0)
            .filter(|&part| match self.0.len() {
                1 => part == Part::Training,
                2 => part != Part::Validation || shares.of(Part::Testing) == 0.0,
                _ => true,
            })
            .collect();
        let total: usize = self.0.iter().map(|region| region.1).sum();
        let whole: f64 = open.iter().map(|&part| shares.of(part)).sum();
        let mut lacking = open.iter().map(|&part| shares.of(part) / whole * total as f64).collect::<Vec<_>>();
        let mut held = vec![Vec::new(); open.len()];
        let mut regions = self.0.clone();
        regions.shuffle(rng);
        for region in regions {
            let neediest = (0..open.len()).fold(0, |a, b| if lacking[b] > lacking[a] { b } else { a });
            lacking[neediest] -= region.1 as f64;
            held[neediest].push(region);
        }
        while let Some(empty) = held.iter().position(Vec::is_empty) {
            let Some(fullest) = (0..held.len()).max_by_key(|&k| held[k].len()).filter(|&k| held[k].len() > 1)
            else {
                break;
            };
            let smallest = (0..held[fullest].len()).min_by_key(|&k| held[fullest][k].1).unwrap_or_default();
            let region = held[fullest].swap_remove(smallest);
            held[empty].push(region);
        }
        for (part, regions) in open.iter().zip(held) {
            for (region, _) in regions {
                parts[region] = *part;
            }
        }
    }
}

/// The smallest rectangle that holds all sites, and how far windows reach in it.
struct Ground {
    origin: [usize; 2],
    size: [usize; 2],
    reach: usize,
}

impl Ground {
    fn of(sites: &[Site], reach: usize) -> Self {
        let range = |axis: fn(&Site) -> usize| {
            let first = sites.iter().map(axis).min().unwrap_or_default();
            let last = sites.iter().map(axis).max().unwrap_or_default();
            (first, last - first + 1)
        };
        let ((top, height), (left, width)) = (range(|site| site.row), range(|site| site.column));
        Self { origin: [top, left], size: [height, width], reach }
    }

    fn pixels(&self) -> usize {
        self.size[0] * self.size[1]
    }

    fn place(&self, site: &Site) -> [usize; 2] {
        [site.row - self.origin[0], site.column - self.origin[1]]
    }

    /// Where the chosen sites are.
    fn mark(&self, sites: &[Site], chosen: impl Fn(usize) -> bool) -> Coverage {
        let of_part = sites.iter().enumerate().filter(|(k, _)| chosen(*k));
        Coverage::from_pixels(self.size[0], self.size[1], of_part.map(|(_, site)| self.place(site)))
    }

    /// What follows if regions are for these parts.
    fn split(&self, sites: &[Site], classes: usize, parts: Vec<Part>) -> Split {
        let fates = self.buffer(sites, &parts);
        let dropped = fates.iter().filter(|fate| !matches!(fate, WindowFate::Kept(_))).count();
        Split { losses: (classes_lost(sites, classes, &parts, &fates), dropped), parts, fates }
    }

    /// Drops windows of training and validation that overlap a test window, then those of training
    /// that overlap a remaining validation window.
    fn buffer(&self, sites: &[Site], parts: &[Part]) -> Vec<WindowFate> {
        let part = |k: usize| parts[sites[k].region];
        let testing = self.mark(sites, |k| part(k) == Part::Testing);
        let fate = |k: usize| match part(k) {
            Part::Testing => WindowFate::Kept(Part::Testing),
            part if testing.any_near(self.place(&sites[k]), self.reach) => WindowFate::OverlapsTesting(part),
            part => WindowFate::Kept(part),
        };
        let mut fates: Vec<WindowFate> = (0..sites.len()).map(fate).collect();
        let validation = self.mark(sites, |k| fates[k] == WindowFate::Kept(Part::Validation));
        for (site, fate) in sites.iter().zip(&mut fates) {
            if *fate == WindowFate::Kept(Part::Training) && validation.any_near(self.place(site), self.reach)
            {
                *fate = WindowFate::OverlapsValidation;
            }
        }
        fates
    }
}

/// How often a part was assigned a class and has no window of it left.
fn classes_lost(sites: &[Site], classes: usize, parts: &[Part], fates: &[WindowFate]) -> usize {
    let mut assigned = vec![[false; 3]; classes];
    let mut kept = vec![[false; 3]; classes];
    for (site, fate) in sites.iter().zip(fates) {
        assigned[site.class][parts[site.region] as usize] = true;
        if let WindowFate::Kept(part) = fate {
            kept[site.class][*part as usize] = true;
        }
    }
    let lost =
        |(assigned, kept): (&[bool; 3], &[bool; 3])| (0..3).filter(|&k| assigned[k] && !kept[k]).count();
    assigned.iter().zip(&kept).map(lost).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regions of `size` sites in a row each, `apart` rows from each other.
    fn stripes(class: usize, count: usize, size: usize, apart: usize, first: usize) -> Vec<Site> {
        let site = |region: usize, column: usize| Site {
            row: (first + region) * apart,
            column,
            class,
            region: first + region + 1,
        };
        (0..count).flat_map(|region| (0..size).map(move |column| site(region, column))).collect()
    }

    fn part_of(sites: &[Site], split: &Split, region: usize) -> Vec<WindowFate> {
        let of_region = sites.iter().zip(&split.fates).filter(|(site, _)| site.region == region);
        of_region.map(|(_, fate)| *fate).collect()
    }

    #[test]
    fn regions_stay_whole_and_shares_are_met_where_nothing_overlaps() {
        let sites = stripes(0, 20, 5, 100, 0);
        for seed in 0..5 {
            let split = Split::draw(&sites, 1, Shares::default(), 31, seed);
            assert_eq!(split.fates, Split::draw(&sites, 1, Shares::default(), 31, seed).fates);
            assert_ne!(split.fates, Split::draw(&sites, 1, Shares::default(), 31, seed + 1).fates);
            let mut counts = [0; 3];
            for region in 1..=20 {
                let fates = part_of(&sites, &split, region);
                assert!(fates.iter().all(|fate| *fate == fates[0]), "region {region} is cut");
                let WindowFate::Kept(part) = fates[0] else { panic!("nothing overlaps") };
                counts[part as usize] += 1;
            }
            assert_eq!(counts, [12, 3, 5]);
        }
    }

    #[test]
    fn one_region_is_for_training_and_two_are_for_training_and_testing() {
        let mut sites = stripes(0, 1, 4, 100, 0);
        sites.extend(stripes(1, 2, 4, 100, 1));
        sites.extend(stripes(2, 3, 4, 100, 3));
        let split = Split::draw(&sites, 3, Shares::default(), 31, 0);
        let mut parts: Vec<_> = (1..=6).map(|region| part_of(&sites, &split, region)[0]).collect();
        assert_eq!(parts[0], WindowFate::Kept(Part::Training));
        parts[1..3].sort_by_key(|fate| format!("{fate:?}"));
        assert_eq!(parts[1..3], [WindowFate::Kept(Part::Testing), WindowFate::Kept(Part::Training)]);
        for part in Part::ALL {
            assert!(parts[3..].contains(&WindowFate::Kept(part)), "class 3 has no {part} region");
        }
    }

    #[test]
    fn a_group_of_several_classes_stays_whole_and_counts_for_its_largest() {
        // Twenty groups of three pixels of class 1 and two of class 0, far from each other.
        let site = |region: usize, column: usize| Site {
            row: region * 100,
            column,
            class: usize::from(column > 1),
            region: region + 1,
        };
        let sites: Vec<Site> = (0..20).flat_map(|region| (0..5).map(move |c| site(region, c))).collect();
        let split = Split::draw(&sites, 2, Shares::default(), 31, 3);
        let mut counts = [0; 3];
        for region in 1..=20 {
            let fates = part_of(&sites, &split, region);
            let WindowFate::Kept(part) = fates[0] else { panic!("nothing overlaps") };
            assert_eq!(fates, [WindowFate::Kept(part); 5]);
            counts[part as usize] += 1;
        }
        assert_eq!(counts, [12, 3, 5]);
    }

    #[test]
    fn windows_that_overlap_a_later_part_are_dropped_and_those_that_touch_are_not() {
        // A row of sites: testing at column 0, validation at 16 and 40, training at 15 to 56.
        let site = |column, region| Site { row: 3, column, class: 0, region };
        let mut sites = vec![site(0, 1), site(15, 2), site(40, 2)];
        sites.extend([15, 16, 24, 25, 55, 56].map(|column| site(column, 3)));
        let parts = [Part::Training, Part::Testing, Part::Validation, Part::Training];
        // Windows of 16 pixels overlap if their centres are at most 15 pixels apart.
        let fates = Ground::of(&sites, 15).buffer(&sites, &parts);
        let wanted = [
            WindowFate::Kept(Part::Testing),
            WindowFate::OverlapsTesting(Part::Validation),
            WindowFate::Kept(Part::Validation),
            WindowFate::OverlapsTesting(Part::Training),
            // Its neighbour in validation, column 15, was itself dropped.
            WindowFate::Kept(Part::Training),
            WindowFate::Kept(Part::Training),
            WindowFate::OverlapsValidation,
            WindowFate::OverlapsValidation,
            WindowFate::Kept(Part::Training),
        ];
        assert_eq!(fates, wanted);
    }
}
