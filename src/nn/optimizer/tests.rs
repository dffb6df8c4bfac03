//! The optimisers against Keras's own trajectories.

use serde_json::Value;

use super::*;
use crate::nn::{AnyTape, Training, backward, cross_entropy};
use crate::simd::at_each_level;

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

/// The parameters, of a shape for their number, after each of Keras's gradients, each step made by `update` at a
/// learning rate.
fn trajectory<S: Shape, E: Dtype>(
    shape: impl Fn(usize) -> S,
    mut update: impl FnMut(f64, &mut Tensor<S, E, Cpu>, &mut Gradients<E, Cpu>),
) -> Vec<Vec<f64>>
where
    Cpu: Backend<E>,
{
    let vectors = vectors();
    let learning_rate = vectors["learning_rate"].as_f64().unwrap();
    let cast = |values: &[f64]| values.iter().map(|x| E::from_f64(*x).unwrap()).collect::<Vec<E>>();
    let start = cast(&numbers(&vectors["start"]));
    let shape = shape(start.len());
    let mut parameters = Cpu::default().tensor_from_vec(start, shape);
    let step = |gradient: Vec<f64>| {
        // Σ g p has the gradient g.
        let gradient: Tensor<S, E, Cpu> = Cpu::default().tensor_from_vec(cast(&gradient), shape);
        let loss = parameters.clone().put_tape(AnyTape::recording()) * gradient;
        let mut gradients = backward(loss.sum::<(), _>());
        update(learning_rate, &mut parameters, &mut gradients);
        parameters.as_vec().into_iter().map(|x| x.to_f64().unwrap()).collect()
    };
    rows(&vectors["gradients"]).into_iter().map(step).collect()
}

/// The largest difference, relative to 1 or the number itself.
fn apart(got: &[Vec<f64>], expected: &[Vec<f64>]) -> f64 {
    assert_eq!((got.len(), got[0].len()), (expected.len(), expected[0].len()));
    let pairs = got.iter().flatten().zip(expected.iter().flatten());
    pairs.fold(0.0, |worst, (got, expected)| worst.max((got - expected).abs() / expected.abs().max(1.0)))
}

const RULES: [(Optimizer, &str); 3] =
    [(Optimizer::Adam, "adam"), (Optimizer::Nadam, "nadam"), (Optimizer::Sgd, "sgd")];

#[test]
fn fused_and_composed_steps_go_where_keras_goes() {
    for (rule, name) in RULES {
        let expected = rows(&vectors()["trajectories"][name]);
        at_each_level(|level| {
            let mut state = OptimizerState::<Cpu>::new(rule);
            let got = trajectory(
                |len| (len,),
                |learning_rate, parameters, gradients| {
                    state.step(learning_rate, [1.0, 1.0], gradients).tensor("p", parameters);
                },
            );
            let worst = apart(&got, &expected);
            assert!(worst < 1e-6, "{name}, {level:?}: {worst:e}");
        });
        let (mut t, mut warmed, mut moments) = (0, 1.0, None);
        let got = trajectory(
            |len| (len,),
            |learning_rate, parameters: &mut Vector<f64, Cpu>, gradients| {
                t += 1;
                let step = rule.step(t, learning_rate, warmed);
                warmed *= warming(t);
                let moments =
                    moments.get_or_insert_with(|| [(); 2].map(|()| Cpu::default().zeros_like(parameters)));
                Cpu::update((step, Before::NOTHING), parameters, moments, gradients);
            },
        );
        let worst = apart(&got, &expected);
        assert!(worst < 1e-6, "{name}, composed: {worst:e}");
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
        state.step(0.1, [1.0, 1.0], &mut Gradients::leaky()).tensor("p", &mut parameters);
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
    let mut state = OptimizerState::<Cpu>::new(rule);
    trajectory(
        |len| (1usize, len),
        |learning_rate, parameters, gradients| {
            let norm = Cpu::squared_norm(parameters, gradients).sqrt();
            let shrink = clip.map_or(1.0, |clip| if norm > clip { clip / norm } else { 1.0 });
            let kept = 1.0 - learning_rate * decay;
            state.step(learning_rate, [kept, shrink], gradients).tensor("p", parameters);
        },
    )
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
    let mut weight: Tensor<(usize, usize), f32, Cpu> = device.tensor_from_vec(vec![1.5, -2.0], (1, 2));
    let mut gradients = Gradients::leaky();
    let mut state = OptimizerState::new(Optimizer::Adam);
    let mut step = state.step(0.1, [0.5, 1.0], &mut gradients);
    step.tensor("b", &mut bias);
    step.tensor("w", &mut weight);
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
    let schedule = Schedule::Cosine { epochs: 50, floor: 0.0 };
    let training = Training { epochs: 60, schedule, ..Training::default() };
    assert!(training.warning().unwrap().contains("0 from epoch 51 to 60"));
    assert_eq!(training.lasting(60).warning(), None);
}

#[test]
fn weighted_classes_count_as_keras_and_pytorch_count_them() {
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
