//! Where data come from, in the words that files state, and what results made of them inherit.
//!
//! A text names its kind first: `synthetic (…)`, `real: …`, or `unknown source`. Nothing is called real unless its source
//! is marked as such, and what is made of synthetic bands, labels or polygons is synthetic.

/// What patches without a file are called.
pub(crate) const IN_MEMORY: &str = "patches in memory";

/// The provenance of what states none.
pub(crate) const UNKNOWN: &str = "unknown source";

/// The part of a text that states that data are synthetic; the name of a band may come before it.
pub(crate) fn synthetic(text: &str) -> Option<&str> {
    if is_real(text) { None } else { text.find("synthetic").map(|start| &text[start..]) }
}

/// Whether a text states that data are real.
pub(crate) fn is_real(text: &str) -> bool {
    text.starts_with("real:")
}

/// The provenance of what is made of several sources: synthetic if one of them is, real if all are, else none.
pub(crate) fn inherited(stated: &[Option<&str>]) -> Option<String> {
    if let Some(text) = stated.iter().flatten().find_map(|text| synthetic(text)) {
        return Some(text.to_owned());
    }
    let real: Vec<&str> = stated.iter().flatten().copied().filter(|text| is_real(text)).collect();
    (real.len() == stated.len()).then(|| real.first().map(|text| (*text).to_owned())).flatten()
}

/// The provenance that a user gives, else the one stated. What is synthetic stays synthetic.
pub(crate) fn given(stated: String, given: Option<&str>) -> String {
    match given {
        Some(given) if synthetic(&stated).is_some() && synthetic(given).is_none() => {
            tracing::warn!("the data are {stated}: --provenance '{given}' is ignored");
            stated
        }
        Some(given) => given.to_owned(),
        None => stated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_of_something_synthetic_is_synthetic_and_unknown_is_not_real() {
        let (made, real) = ("B2, synthetic (seed 3)", "real: Sentinel-2");
        assert_eq!(inherited(&[Some(real), None, Some(made)]).as_deref(), Some("synthetic (seed 3)"));
        assert_eq!(inherited(&[Some(real), Some(real)]).as_deref(), Some(real));
        assert_eq!(inherited(&[Some(real), None]), None);
        assert_eq!(inherited(&[Some("Sentinel-2")]), None);
        assert_eq!(inherited(&[]), None);
        assert_eq!(synthetic("real: no synthetic pixels"), None);
    }

    #[test]
    fn what_a_user_says_does_not_make_synthetic_data_real() {
        assert_eq!(given("synthetic (seed 3)".to_owned(), Some("real: Berlin")), "synthetic (seed 3)");
        assert_eq!(given(UNKNOWN.to_owned(), Some("real: Berlin")), "real: Berlin");
        assert_eq!(given(UNKNOWN.to_owned(), None), UNKNOWN);
    }
}
