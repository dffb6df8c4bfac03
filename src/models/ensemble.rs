//! Means of several predictions: deep ensembles and Monte Carlo dropout.
//!
//! Lakshminarayanan, Pritzel & Blundell (2017), *Simple and Scalable Predictive Uncertainty Estimation using
//! Deep Ensembles*: networks that differ only by their seed, whose probabilities are averaged. Gal &
//! Ghahramani (2016), *Dropout as a Bayesian Approximation*: one network, evaluated several times with
//! dropout on.

use super::{Classifier, Model, Sample};
use crate::data::Patches;
use crate::{Classes, Error, Imagery, Probabilities, Result};

/// Models of one kind, trained independently: p̄ = 1/M Σ_m p_m.
///
/// ```no_run
/// # fn example(train: &lcz::data::Patches, test: &lcz::data::Patches) -> lcz::Result<()> {
/// use lcz::models::{Architecture, Classifier, Ensemble};
/// use lcz::{Training, progress::Silent, uncertainty::Members};
/// let mut members: Vec<Box<dyn Classifier>> = Vec::new();
/// for seed in 0..5 {
///     let mut network = Architecture::sen2lcz().build_for(train, seed)?;
///     network.fit(train, None, &Training { epochs: 20, seed, ..Training::default() }, &mut Silent)?;
///     members.push(network);
/// }
/// let entropy = Members::new(Ensemble::new(members)?.members(test)?)?.entropy().mean();
/// println!("epistemic {:.3} of {:.3} nats", entropy.epistemic, entropy.total);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Ensemble {
    name: String,
    members: Vec<Box<dyn Classifier>>,
}

impl Ensemble {
    /// An ensemble of these.
    ///
    /// # Errors
    /// No member, or members with other imagery or other classes than the first.
    pub fn new(members: Vec<Box<dyn Classifier>>) -> Result<Self> {
        let Some(first) = members.first() else {
            return Err(Error::input("ensemble", "no member", "give at least one"));
        };
        for (m, member) in members.iter().enumerate() {
            let place = || format!("ensemble, member {m}");
            let advice = "give models trained on the same data";
            if member.classes() != first.classes() {
                let problem = format!("classes {}, not {}", member.classes(), first.classes());
                return Err(Error::input(place(), problem, advice));
            }
            if member.sample() != first.sample() {
                let problem = format!("a class per {}, not per {}", member.sample(), first.sample());
                return Err(Error::input(place(), problem, advice));
            }
            if let Some(mismatch) = first.imagery().mismatch(member.imagery()) {
                return Err(Error::input(place(), mismatch, advice));
            }
        }
        let name = format!("ensemble of {} {}", members.len(), first.name());
        Ok(Self { name, members })
    }
}

/// A classifier of its own name that predicts the mean of its members, and is otherwise as another.
macro_rules! mean_of_members {
    ($self:ident, $other:expr) => {
        fn name(&$self) -> &str {
            &$self.name
        }

        fn imagery(&$self) -> &Imagery {
            $other.imagery()
        }

        fn classes(&$self) -> &Classes {
            $other.classes()
        }

        fn sample(&$self) -> Sample {
            $other.sample()
        }

        fn predict(&$self, patches: &Patches) -> Result<Probabilities> {
            Probabilities::mean_of(&$self.members(patches)?)
        }
    };
}

impl Classifier for Ensemble {
    mean_of_members!(self, self.members[0]);

    fn members(&self, patches: &Patches) -> Result<Vec<Probabilities>> {
        self.members.iter().map(|member| member.predict(patches)).collect()
    }
}

/// A network whose prediction is the mean of several passes with dropout.
///
/// ```no_run
/// # fn example(test: &lcz::data::Patches) -> lcz::Result<()> {
/// use lcz::models::{Classifier, Device, McDropout};
/// let network = lcz::checkpoint::load("model.safetensors", Device::Cpu)?;
/// let p = McDropout::new(network, 20, 0)?.predict(test)?;
/// println!("mean confidence {:.3}", p.mean_confidence());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct McDropout {
    name: String,
    network: Box<dyn Model>,
    passes: usize,
    seed: u64,
}

impl McDropout {
    /// N passes (20 are usual) of this network, with this random seed.
    ///
    /// # Errors
    /// No pass, or a network without dropout.
    pub fn new(network: Box<dyn Model>, passes: usize, seed: u64) -> Result<Self> {
        network.architecture().check_passes(network.imagery(), network.classes(), passes)?;
        let name = format!("{}, {passes} passes with dropout", network.name());
        Ok(Self { name, network, passes, seed })
    }
}

impl Classifier for McDropout {
    mean_of_members!(self, self.network);

    fn members(&self, patches: &Patches) -> Result<Vec<Probabilities>> {
        self.network.mc_dropout(patches, self.passes, self.seed)
    }
}
