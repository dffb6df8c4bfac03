//! The optimisers against Keras's own trajectories.

use serde_json::Value;

use super::*;
use crate::nn::ops::composed;

/// Where Keras takes a vector; written by `tests/vectors/make_optimizers.py`.
fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/optimizers.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

/// The parameters after each of Keras's gradients, each step made by `update`.
fn trajectory(
    vectors: &Value,
    mut update: impl FnMut(&mut Vector<f32, Cpu>, &mut Gradients<f32, Cpu>),
) -> Vec<Vec<f64>> {
    let device = Cpu::default();
    let f32s = |values: &[f64]| values.iter().map(|x| *x as f32).collect::<Vec<_>>();
    let start = f32s(&numbers(&vectors["start"]));
    let len = start.len();
    let mut parameters = device.tensor_from_vec(start, (len,));
    let step = |gradient: Vec<f64>| {
        let mut gradients = Gradients::leaky();
        gradients.get_or_alloc_mut(&parameters).unwrap().copy_from_slice(&f32s(&gradient));
        update(&mut parameters, &mut gradients);
        parameters.as_vec().into_iter().map(f64::from).collect()
    };
    rows(&vectors["gradients"]).into_iter().map(step).collect()
}

/// The largest difference beside 1 or the number itself.
fn apart(got: &[Vec<f64>], expected: &[Vec<f64>]) -> f64 {
    assert_eq!((got.len(), got[0].len()), (expected.len(), expected[0].len()));
    let pairs = got.iter().flatten().zip(expected.iter().flatten());
    pairs.fold(0.0, |worst, (got, expected)| worst.max((got - expected).abs() / expected.abs().max(1.0)))
}

const RULES: [(Optimizer, &str); 3] =
    [(Optimizer::Adam, "adam"), (Optimizer::Nadam, "nadam"), (Optimizer::Sgd, "sgd")];

#[test]
fn fused_steps_go_where_keras_goes() {
    let vectors = vectors();
    let learning_rate = vectors["learning_rate"].as_f64().unwrap();
    for (rule, name) in RULES {
        let mut state = OptimizerState::<Cpu>::new(rule);
        let got = trajectory(&vectors, |parameters, gradients| {
            state.step(learning_rate, gradients).vector("p", parameters);
        });
        let worst = apart(&got, &rows(&vectors["trajectories"][name]));
        assert!(worst < 1e-6, "{name}: {worst:e}");
    }
}

#[test]
fn composed_steps_go_where_keras_goes() {
    let vectors = vectors();
    let learning_rate = vectors["learning_rate"].as_f64().unwrap();
    for (rule, name) in RULES {
        let (mut t, mut warmed, mut moments) = (0, 1.0, None);
        let got = trajectory(&vectors, |parameters, gradients| {
            t += 1;
            let step = rule.step(t, learning_rate, warmed);
            warmed *= warming(t);
            let moments = moments.get_or_insert_with(|| zeros_like(parameters));
            composed::update(step, parameters, moments, gradients);
        });
        let worst = apart(&got, &rows(&vectors["trajectories"][name]));
        assert!(worst < 1e-6, "{name}: {worst:e}");
    }
}

#[test]
fn keras_s_newer_nadam_is_another_rule() {
    let vectors = vectors();
    let [before, since] = ["nadam", "nadam_since_2_11"].map(|name| rows(&vectors["trajectories"][name]));
    assert!(apart(&before, &since) > 1e-3);
}

#[test]
fn a_tensor_without_a_gradient_stays_at_the_first_step() {
    let device = Cpu::default();
    for (rule, name) in RULES {
        let mut parameters: Vector<f32, Cpu> = device.tensor_from_vec(vec![1.5, -2.0], (2,));
        let mut state = OptimizerState::new(rule);
        state.step(0.1, &mut Gradients::leaky()).vector("p", &mut parameters);
        assert_eq!(parameters.as_vec(), [1.5, -2.0], "{name}");
    }
}
