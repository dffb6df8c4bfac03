//! The gradient of the whole network, in f64, against finite differences.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::nn::{AnyTape, backward, cross_entropy};
use crate::{Bands, Imagery};

type Network = Sen2Lcz<f64, Cpu>;

/// Moves one number of one tensor.
struct Nudge<'a> {
    tensor: &'a str,
    at: usize,
    by: f64,
}

impl Visitor<f64, Cpu> for Nudge<'_> {
    fn tensor<S: Shape>(&mut self, name: &str, tensor: &mut Tensor<S, f64, Cpu>) {
        if name == self.tensor {
            let mut values = tensor.as_vec();
            values[self.at] += self.by;
            tensor.copy_from(&values);
        }
    }
}

/// Reads the gradient of every tensor.
struct Read<'a> {
    gradients: &'a mut Gradients<f64, Cpu>,
    found: Vec<(String, Vec<f64>)>,
}

impl Visitor<f64, Cpu> for Read<'_> {
    fn tensor<S: Shape>(&mut self, name: &str, tensor: &mut Tensor<S, f64, Cpu>) {
        self.gradients.get_or_alloc_mut(tensor).unwrap();
        self.found.push((name.to_owned(), self.gradients.get(tensor).as_vec()));
    }
}

#[test]
fn the_loss_has_the_gradient_of_finite_differences_in_every_tensor() {
    /// Central differences: an error of h² and roundings of 1e-16 / h.
    const STEP: f64 = 1e-6;
    let (device, mut random) = (Cpu::default(), ChaCha8Rng::seed_from_u64(1));
    let (batch, size, bands, classes) = (3, 8, 3, 4);
    for fusion in [Fusion::Softmaxes, Fusion::Logits] {
        let settings = Sen2LczSettings { depth: 5, width: 2, dropout: 0.0, fusion };
        let imagery = Imagery { bands: Bands::from_count(bands), ..Imagery::so2sat() };
        let mut network: Network =
            settings.module(&mut Builder::new(&device, &mut random, &imagery, classes));
        let mut draw = |len: usize| (0..len).map(|_| random.gen_range(0.0..1.0)).collect::<Vec<f64>>();
        let x = device.tensor_from_vec(draw(batch * size * size * bands), (batch, size, size, bands));
        // Any weights do: a cross-entropy is linear in y.
        let y = device.tensor_from_vec(draw(batch * classes), (batch, classes));
        let loss = |network: &Network| {
            let mut pass = Pass::training(ChaCha8Rng::seed_from_u64(0));
            let x = x.clone().put_tape(AnyTape::recording());
            cross_entropy(network.log_probabilities(x, &mut pass), y.clone(), batch)
        };
        let mut gradients = backward(loss(&network));
        let mut read = Read { gradients: &mut gradients, found: Vec::new() };
        network.visit(&mut read);
        let found = read.found;
        assert_eq!(found.len(), 4 * 4 + 4 * 2, "four convolutions and four heads");
        let mut worst = (0.0, String::new());
        for (name, gradient) in found {
            let largest = gradient.iter().fold(1e-3f64, |a, g| a.max(g.abs()));
            for _ in 0..6 {
                let at = random.gen_range(0..gradient.len());
                let moved = |by: f64| {
                    let mut moved = network.clone();
                    moved.visit(&mut Nudge { tensor: &name, at, by });
                    loss(&moved).as_vec()[0]
                };
                let difference = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
                let error = (difference - gradient[at]).abs() / largest;
                if error > worst.0 {
                    worst = (error, format!("{name}[{at}]: {}, differences {difference}", gradient[at]));
                }
            }
        }
        println!("{fusion:?}: {:.1e} at {}", worst.0, worst.1);
        assert!(worst.0 < 1e-6, "{fusion:?}: {:e} at {}", worst.0, worst.1);
    }
}
