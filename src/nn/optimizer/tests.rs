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
            state.step(learning_rate, [1.0, 1.0], gradients).vector("p", parameters);
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
            composed::update((step, Before::NOTHING), parameters, moments, gradients);
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
        state.step(0.1, [1.0, 1.0], &mut Gradients::leaky()).vector("p", &mut parameters);
        assert_eq!(parameters.as_vec(), [1.5, -2.0], "{name}");
    }
}

/// What Keras and PyTorch make of decay, clipping and the cosine; written by
/// `tests/vectors/make_training_options.py`.
fn options() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/training_options.json")).unwrap()
}

/// The parameters, as a matrix of one row, after each step with decay and clipping.
fn slowed(rule: Optimizer, decay: f64, clip: Option<f64>) -> Vec<Vec<f64>> {
    let vectors = vectors();
    let learning_rate = vectors["learning_rate"].as_f64().unwrap();
    let device = Cpu::default();
    let start: Vec<f32> = numbers(&vectors["start"]).iter().map(|x| *x as f32).collect();
    let shape = (1, start.len());
    let mut parameters: Matrix<f32, Cpu> = device.tensor_from_vec(start, shape);
    let mut state = OptimizerState::new(rule);
    let mut step = |gradient: Vec<f64>| {
        let mut gradients = Gradients::leaky();
        let gradient: Vec<f32> = gradient.iter().map(|x| *x as f32).collect();
        gradients.get_or_alloc_mut(&parameters).unwrap().copy_from_slice(&gradient);
        let mut norm = Norm { gradients: &mut gradients, squares: 0.0 };
        norm.matrix("p", &mut parameters);
        let norm = norm.squares.sqrt();
        let shrink = clip.map_or(1.0, |clip| if norm > clip { clip / norm } else { 1.0 });
        let kept = 1.0 - learning_rate * decay;
        state.step(learning_rate, [kept, shrink], &mut gradients).matrix("p", &mut parameters);
        parameters.as_vec().into_iter().map(f64::from).collect()
    };
    rows(&vectors["gradients"]).into_iter().map(&mut step).collect()
}

#[test]
fn decayed_and_clipped_steps_go_where_keras_and_pytorch_go() {
    let options = options();
    let [decay, clip] = ["decay", "clip"].map(|name| options[name].as_f64().unwrap());
    for (rule, decay, clip, name, bound) in [
        (Optimizer::Adam, decay, None, "adam_decayed", 1e-6),
        (Optimizer::Adam, decay, None, "torch_adamw", 1e-4),
        (Optimizer::Adam, 0.0, Some(clip), "adam_clipped", 1e-6),
        (Optimizer::Sgd, decay, Some(clip), "sgd_decayed_and_clipped", 1e-6),
    ] {
        let [mut got, mut expected] = [slowed(rule, decay, clip), rows(&options["trajectories"][name])];
        if name == "torch_adamw" {
            // The gradient of 1e-6 is no larger than what ε is added to, which is not the same in PyTorch.
            for numbers in got.iter_mut().chain(&mut expected) {
                numbers.remove(4);
            }
        }
        let worst = apart(&got, &expected);
        assert!(worst < bound, "{name}: {worst:e}");
    }
    let plain = slowed(Optimizer::Adam, 0.0, None);
    assert!(apart(&plain, &slowed(Optimizer::Adam, 0.0, Some(clip))) > 1e-3, "some steps are clipped");
}

#[test]
fn a_bias_does_not_decay() {
    let device = Cpu::default();
    let mut bias: Vector<f32, Cpu> = device.tensor_from_vec(vec![1.5, -2.0], (2,));
    let mut weight: Matrix<f32, Cpu> = device.tensor_from_vec(vec![1.5, -2.0], (1, 2));
    let mut gradients = Gradients::leaky();
    let mut state = OptimizerState::new(Optimizer::Adam);
    let mut step = state.step(0.1, [0.5, 1.0], &mut gradients);
    step.vector("b", &mut bias);
    step.matrix("w", &mut weight);
    drop(step);
    assert_eq!((bias.as_vec(), weight.as_vec()), (vec![1.5, -2.0], vec![0.75, -1.0]));
}

#[test]
fn the_cosine_falls_as_pytorch_s_and_stays_down() {
    let cosine = &options()["cosine"];
    let [epochs, floor] = ["epochs", "floor"].map(|name| cosine[name].as_f64().unwrap());
    let schedule = Schedule::Cosine { epochs: epochs as usize, floor };
    for (n, factor) in numbers(&cosine["factors"]).into_iter().enumerate() {
        assert!((schedule.factor(n + 1) - factor).abs() < 1e-12, "epoch {}", n + 1);
    }
    assert!((schedule.factor(100) - floor).abs() < 1e-12);
}

#[test]
fn weighted_classes_count_as_keras_and_pytorch_count_them() {
    use crate::nn::{AnyTape, backward, cross_entropy};
    let options = options();
    let vectors = &options["class_weights"];
    let weights = numbers(&vectors["weights"]);
    let device = Cpu::default();
    let z: Vec<f64> = rows(&vectors["z"]).concat();
    let shape = (z.len() / weights.len(), weights.len());
    let z: Tensor<(usize, usize), f64, Cpu> = device.tensor_from_vec(z, shape);
    for peer in ["torch", "keras"] {
        let y = rows(&vectors[peer]["y"]);
        let y = y.iter().flat_map(|y| y.iter().zip(&weights).map(|(y, w)| y * w)).collect::<Vec<f64>>();
        let log_p = z.clone().put_tape(AnyTape::recording()).log_softmax::<Axis<1>>();
        let loss = cross_entropy(log_p, device.tensor_from_vec(y, shape), shape.0);
        let expected = vectors[peer]["loss"].as_f64().unwrap();
        assert!((loss.as_vec()[0] - expected).abs() < 1e-7, "{peer}: {} not {expected}", loss.as_vec()[0]);
        if peer == "torch" {
            let gradient = backward(loss).get(&z).as_vec();
            for (got, expected) in gradient.iter().zip(rows(&vectors[peer]["gradient"]).concat()) {
                assert!((got - expected).abs() < 1e-12, "{got} not {expected}");
            }
        }
    }
}
