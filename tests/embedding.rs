//! t-SNE: its quality as scikit-learn measures it, and that it keeps together what belongs together.

mod support;

use lcz::Features;
use lcz::embedding::{Embedding, TSne};
use lcz::progress::Silent;
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use support::{assert_near, number, table};

/// What scikit-learn says; made by `vectors/make_embedding.py`.
fn oracle() -> Value {
    serde_json::from_str(include_str!("vectors/embedding.json")).unwrap()
}

fn single(value: &Value) -> Array2<f32> {
    table(value).mapv(|x| x as f32)
}

#[test]
fn trustworthiness_and_the_divergence_over_all_pairs_are_scikit_learns() {
    let oracle = oracle();
    let h = Features::new(single(&oracle["x"]));
    for case in oracle["embeddings"].as_array().unwrap() {
        for (perplexity, wanted) in case["kl"].as_object().unwrap() {
            let plane = Embedding::from_positions(single(&case["y"]), perplexity.parse().unwrap()).unwrap();
            // Its bandwidths are found to 1e-5.
            assert_near(plane.kl_loss(&h).unwrap(), number(wanted), 1e-4);
        }
        let plane = Embedding::from_positions(single(&case["y"]), 10.0).unwrap();
        for (k, wanted) in case["trustworthiness"].as_object().unwrap() {
            let k = k.parse().unwrap();
            assert_near(plane.trustworthiness_score(&h, k).unwrap(), number(wanted), 1e-9);
        }
    }
}

#[test]
fn the_divergence_is_no_larger_than_scikit_learns_on_the_same_samples() {
    let oracle = oracle();
    let h = Features::new(single(&oracle["x"]));
    let ours = TSne { perplexity: 10.0, ..TSne::default() }.embed(&h, &mut Silent).unwrap();
    let theirs = number(&oracle["embeddings"][0]["kl"]["10.0"]);
    let kl = ours.kl_loss(&h).unwrap();
    assert!(kl < theirs + 0.02, "{kl}, scikit-learn {theirs}");
}

/// `count` clusters in 20 dimensions, 60 samples each, far apart.
fn clusters(count: usize) -> (Features, Vec<usize>) {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let centres = Array2::from_shape_fn((count, 20), |_| random.gen_range(-10.0..10.0_f32));
    let of: Vec<usize> = (0..60 * count).map(|n| n % count).collect();
    let h = Array2::from_shape_fn((60 * count, 20), |(n, d)| {
        centres[[of[n], d]] + random.gen_range(-1.0..1.0_f32)
    });
    (Features::new(h), of)
}

#[test]
fn separate_clusters_stay_separate() {
    let (h, of) = clusters(7);
    let plane = TSne::default().embed(&h, &mut Silent).unwrap();
    let y = plane.positions();
    let apart = |a: usize, b: usize| (y[[a, 0]] - y[[b, 0]]).hypot(y[[a, 1]] - y[[b, 1]]);
    for a in 0..of.len() {
        let nearest = (0..of.len()).filter(|b| *b != a).min_by(|b, c| apart(a, *b).total_cmp(&apart(a, *c)));
        assert_eq!(of[nearest.unwrap()], of[a], "sample {a}");
    }
    assert!(plane.trustworthiness_score(&h, 12).unwrap() > 0.9);
}

#[test]
fn the_divergence_falls_from_the_start_to_the_end() {
    let (h, _) = clusters(5);
    let kl = |iterations| {
        let settings = TSne { iterations, ..TSne::default() };
        settings.embed(&h, &mut Silent).unwrap().kl_loss(&h).unwrap()
    };
    let (start, early, late) = (kl(0), kl(300), kl(1000));
    assert!(late < early && early < 0.5 * start, "{start}, {early}, {late}");
}

#[test]
fn a_seed_gives_the_same_bits_at_any_number_of_threads_and_another_seed_others() {
    let (h, _) = clusters(4);
    let with = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let settings = TSne { seed, iterations: 300, ..TSne::default() };
        pool.install(|| settings.embed(&h, &mut Silent)).unwrap()
    };
    let one = with(1, 0);
    assert_eq!(one, with(2, 0));
    assert_eq!(one, with(5, 0));
    assert_ne!(one, with(2, 1));
}

#[test]
fn samples_without_any_cluster_and_samples_that_are_the_same_are_placed_too() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let even = Array2::from_shape_fn((400, 40), |_| random.gen_range(-1.0..1.0_f32));
    let same = Array2::from_shape_fn((200, 3), |(n, _)| (n / 100) as f32);
    for h in [even, same, Array2::zeros((50, 4)), Array2::zeros((50, 1))] {
        let h = Features::new(h);
        let plane = TSne { perplexity: 10.0, ..TSne::default() }.embed(&h, &mut Silent).unwrap();
        let farthest = plane.positions().iter().fold(0.0_f32, |far, y| far.max(y.abs()));
        assert!(farthest.is_finite() && farthest > 0.1, "{:?}: {farthest}", h.view().dim());
    }
}

#[test]
fn what_cannot_be_embedded_is_refused_in_one_line() {
    let (h, _) = clusters(2);
    let refused = |settings: TSne, h: &Features, wanted: &str| {
        let text = settings.embed(h, &mut Silent).unwrap_err().to_string();
        assert!(text.contains(wanted) && !text.contains('\n'), "{text}");
    };
    refused(TSne { perplexity: 60.0, ..TSne::default() }, &h, "perplexity: 60; choose 1 to 39.7");
    refused(TSne { perplexity: f64::NAN, ..TSne::default() }, &h, "perplexity");
    refused(TSne { theta: 1.5, ..TSne::default() }, &h, "theta: 1.5");
    refused(TSne { exaggeration: 0.0, ..TSne::default() }, &h, "exaggeration: 0");
    refused(TSne { learning_rate: Some(-1.0), ..TSne::default() }, &h, "learning rate: -1");
    refused(TSne::default(), &Features::new(Array2::zeros((3, 2))), "3 samples");
    let mut broken = h.view().to_owned();
    broken[[17, 3]] = f32::NAN;
    refused(TSne::default(), &Features::new(broken), "row 17: NaN or infinite");
    let plane = TSne { iterations: 1, ..TSne::default() }.embed(&h, &mut Silent).unwrap();
    for k in [0, 60] {
        assert!(plane.trustworthiness_score(&h, k).is_err());
    }
    assert!(plane.kl_loss(&clusters(3).0).unwrap_err().to_string().contains("180 samples, 120 are placed"));
}
