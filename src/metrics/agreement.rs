//! How far several experts agree.

use crate::{Error, Result, Votes};

/// Krippendorff's alpha for nominal data, `α = 1 − D_o / D_e`, of samples with any numbers of votes (Krippendorff
/// 2011, *Computing Krippendorff's Alpha-Reliability*): `D_o` is the disagreement of pairs of votes on the same
/// sample, each sample weighted by its number of votes, `D_e` that of pairs of any two votes. 1 is unanimity, 0
/// chance; NaN where all votes go to one class. Samples with one vote form no pair and do not count.
///
/// # Errors
/// No sample with two votes, or counts that are not whole numbers: names the row.
///
/// ```
/// use lcz::metrics::krippendorff_alpha_score;
/// use lcz::{Classes, Votes};
/// let classes = Classes::named(["forest", "river"])?;
/// let votes = Votes::new(classes, ndarray::array![[3.0, 0.0], [0.0, 2.0], [1.0, 1.0], [1.0, 0.0]])?;
/// // Of 7 votes in pairs, 2 disagree: D_o = 2/7; 4 forests and 3 rivers: D_e = 24/42.
/// assert!((krippendorff_alpha_score(&votes)? - 0.5).abs() < 1e-12);
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn krippendorff_alpha_score(votes: &Votes) -> Result<f64> {
    let counts = votes.counts().mapv(f64::from);
    if let Some(row) = counts.outer_iter().position(|row| row.iter().any(|v| v.fract() != 0.0)) {
        let problem = "counts that are not whole numbers";
        let advice = "give how many experts chose each class";
        return Err(Error::input(format!("votes, row {row}"), problem, advice));
    }
    let mut of_class = vec![0.0; counts.ncols()];
    let mut agreeing = 0.0;
    for row in counts.outer_iter().filter(|row| row.sum() >= 2.0) {
        of_class.iter_mut().zip(&row).for_each(|(sum, v)| *sum += v);
        agreeing += row.iter().map(|v| v * (v - 1.0)).sum::<f64>() / (row.sum() - 1.0);
    }
    let paired: f64 = of_class.iter().sum();
    if paired < 2.0 {
        return Err(Error::input("votes", "no sample with two votes", "give the votes of several experts"));
    }
    let by_chance: f64 = of_class.iter().map(|n| n * (n - 1.0)).sum::<f64>() / (paired - 1.0);
    Ok(1.0 - (paired - agreeing) / (paired - by_chance))
}

/// Fleiss' kappa `κ = (P̄ − P̄_e) / (1 − P̄_e)` of M votes per sample (Fleiss 1971, *Measuring Nominal Scale
/// Agreement Among Many Raters*): `P̄` is the share of pairs of experts that agree, the mean over samples of
/// `Σ_k v_k (v_k − 1) / (M (M − 1))`, and `P̄_e = Σ_k p_k²` that of experts who vote at random with the
/// overall shares p. 1 is unanimity, 0 chance; NaN where all votes go to one class.
///
/// # Errors
/// No sample, counts that are not whole numbers, samples with different numbers of votes, or with fewer than
/// two: names the row.
///
/// ```
/// use lcz::metrics::fleiss_kappa_score;
/// use lcz::{Classes, Votes};
/// let classes = Classes::named(["forest", "river"])?;
/// let votes = Votes::new(classes, ndarray::array![[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])?;
/// // Two of three pairs agree; at random half of them would.
/// assert!((fleiss_kappa_score(&votes)? - (2.0 / 3.0 - 0.5) / 0.5).abs() < 1e-12);
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn fleiss_kappa_score(votes: &Votes) -> Result<f64> {
    let counts = votes.counts().mapv(f64::from);
    let Some(panel) = counts.outer_iter().next().map(|row| row.sum()) else {
        return Err(Error::input("votes", "no sample", "give the votes of at least one"));
    };
    for (n, row) in counts.outer_iter().enumerate() {
        let whole = row.iter().all(|v| v.fract() == 0.0);
        if !whole || row.sum().total_cmp(&panel).is_ne() || panel < 2.0 {
            let problem = format!("{} votes, and {panel} in row 0", row.sum());
            let advice = "give the same whole number of votes per sample, two at least";
            return Err(Error::input(format!("votes, row {n}"), problem, advice));
        }
    }
    let samples = counts.nrows() as f64;
    let pairs = counts.iter().map(|v| v * (v - 1.0)).sum::<f64>();
    let agreement = pairs / (samples * panel * (panel - 1.0));
    let shares = counts.columns().into_iter().map(|column| column.sum() / (samples * panel));
    let chance = shares.map(|p| p * p).sum::<f64>();
    Ok((agreement - chance) / (1.0 - chance))
}
