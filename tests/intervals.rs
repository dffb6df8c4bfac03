//! Intervals against `SciPy`, statsmodels and jackknives by definition; how often they hold the truth is
//! `benches/coverage.rs`.

mod support;

use lcz::metrics::{
    Bounded, Influence, IntervalMethod, NoInterval, holm, mean_recall_interval, proportion_interval,
    t_interval, t_test,
};
use serde_json::Value;
use support::{assert_near, number, numbers};

/// Made by `vectors/make_intervals.py`.
fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/intervals.json")).unwrap()
}

#[test]
fn a_proportions_interval_is_statsmodels_beta_interval() {
    for case in vectors()["proportions"].as_array().unwrap() {
        let (x, n) = (number(&case["x"]) as u64, number(&case["n"]) as u64);
        let interval = proportion_interval(x, n, 0.95);
        assert_near(interval.lower, number(&case["lower"]), 1e-11);
        assert_near(interval.upper, number(&case["upper"]), 1e-11);
    }
}

#[test]
fn a_mean_of_few_values_has_scipys_t_interval_and_p_value() {
    for case in vectors()["means"].as_array().unwrap() {
        let values = numbers(&case["values"]);
        let interval = t_interval(&values, 0.95).unwrap();
        assert_eq!(interval.method, IntervalMethod::StudentT);
        assert_near(interval.lower, number(&case["lower"]), 1e-11);
        assert_near(interval.upper, number(&case["upper"]), 1e-11);
        let less: Vec<f64> = values.iter().map(|x| x - 0.69).collect();
        assert_near(t_test(&less).unwrap(), number(&case["p_of_069"]), 1e-10);
    }
    assert_eq!(t_interval(&[0.7], 0.95), Err(NoInterval::OneValue));
    assert_eq!(t_interval(&[0.7, 0.7, 0.7], 0.95), Err(NoInterval::NoVariation));
    assert_eq!(t_interval(&[0.7, f64::NAN], 0.95), Err(NoInterval::Undefined));
}

#[test]
fn holms_correction_is_that_of_statsmodels() {
    for case in vectors()["holm"].as_array().unwrap() {
        for (got, wanted) in holm(&numbers(&case["p"])).into_iter().zip(numbers(&case["adjusted"])) {
            assert_near(got, wanted, 1e-15);
        }
    }
}

#[test]
fn a_mean_over_groups_has_the_standard_error_of_leaving_out_each_group() {
    for case in vectors()["clusters"].as_array().unwrap() {
        let groups: Vec<i32> = numbers(&case["groups"]).into_iter().map(|g| g as i32).collect();
        let influence = Influence::from_values(numbers(&case["values"]));
        let (error, freedom) = influence.standard_error(Some(&groups)).unwrap();
        assert_near(error, number(&case["error"]), 1e-12);
        assert_near(freedom, number(&case["freedom"]), 1e-10);
        let interval = influence.interval(Some(&groups), Bounded::Below, 0.95).unwrap();
        assert_near(interval.lower, number(&case["lower"]), 1e-9);
        assert_near(interval.upper, number(&case["upper"]), 1e-9);
    }
}

#[test]
fn one_group_and_equal_samples_have_no_interval() {
    let influence = Influence::from_values(vec![0.0, 1.0, 1.0]);
    let of = |groups: Option<&[i32]>| influence.interval(groups, Bounded::Above, 0.95);
    assert_eq!(of(Some(&[4, 4, 4])), Err(NoInterval::OneGroup));
    assert!(of(Some(&[4, 4, 5])).is_ok() && of(None).is_ok());
    let equal = Influence::from_values(vec![1.0; 3]);
    assert_eq!(equal.interval(None, Bounded::Above, 0.95), Err(NoInterval::NoVariation));
    assert_eq!(equal.interval(Some(&[1, 2, 3]), Bounded::Above, 0.95), Err(NoInterval::NoVariation));
}

#[test]
fn recalls_of_one_keep_a_width_and_absent_classes_do_not_count() {
    let interval = mean_recall_interval(&[5, 50, 0], &[5, 50, 0], 0.95).unwrap();
    assert!(interval.lower < 0.95 && interval.upper >= 1.0, "{interval:?}");
    // Variances (x + 1)/(n + 2) (1 - (x + 1)/(n + 2)) / n / 4 of 8 in 10 and 90 in 100.
    let (a, b): (f64, f64) = (9.0 / 12.0, 91.0 / 102.0);
    let error = ((a * (1.0 - a) / 10.0 + b * (1.0 - b) / 100.0) / 4.0).sqrt();
    let interval = mean_recall_interval(&[8, 90], &[10, 100], 0.95).unwrap();
    let half = 0.85 - interval.lower;
    assert!(half > 1.96 * error && half < 2.25 * error, "{half}");
}
