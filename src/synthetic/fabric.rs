//! The fabric of a district: built or natural, one rule for all its ground.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::built::Built;
use super::city::City;
use super::ground::Ground;
use super::natural::Natural;
use super::noise::{Window, noise, quantile};
use super::zones::Plan;
use crate::Zone;

/// A rule for any place of a district.
pub(super) enum Fabric {
    Built(Box<Built>),
    Natural(Box<Natural>),
}

impl Fabric {
    pub(super) fn draw(zone: Zone, city: &City, rng: &mut ChaCha8Rng) -> Self {
        match Plan::draw(zone, rng) {
            Some(plan) => Self::Built(Box::new(Built::draw(plan, city, rng))),
            None => Self::Natural(Box::new(Natural::draw(zone, city, rng))),
        }
    }

    pub(super) fn lay(&self, window: Window, city: &City) -> Ground {
        match self {
            Self::Built(built) => built.lay(window, city),
            Self::Natural(natural) => natural.lay(window, city),
        }
    }
}

/// The ground of a patch of one zone.
pub(super) fn ground_of(zone: Zone, window: Window, city: &City, rng: &mut ChaCha8Rng) -> Ground {
    Fabric::draw(zone, city, rng).lay(window, city)
}

/// Ground between two zones, `share` of it the other's: two built zones grow into one another, any
/// others lie side by side.
pub(super) fn ground_between(
    (zone, other): (Zone, Zone),
    share: f32,
    window: Window,
    city: &City,
    rng: &mut ChaCha8Rng,
) -> Ground {
    if zone.is_built()
        && other.is_built()
        && let (Some(other), Some(plan)) = (Plan::draw(other, rng), Plan::draw(zone, rng))
    {
        return Built::draw(plan.towards(&other, share, rng), city, rng).lay(window, city);
    }
    let mut ground = ground_of(zone, window, city, rng);
    invade(&mut ground, &ground_of(other, window, city, rng), share, rng);
    ground
}

/// Gives `share` of the area to another ground, along an irregular border.
pub(super) fn invade(ground: &mut Ground, other: &Ground, share: f32, rng: &mut ChaCha8Rng) {
    let (down, right) = (rng.gen_range(-1f32..1.0), rng.gen_range(-1f32..1.0));
    let mut where_to = noise(&ground.window, 120.0, rng.r#gen());
    for (value, (y, x)) in where_to.iter_mut().zip(ground.window.places()) {
        *value += (down * y + right * x) / 60.0;
    }
    let n = where_to.len() as f32;
    let mean = where_to.iter().sum::<f32>() / n;
    let variance = where_to.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / n;
    let border = mean + quantile(share) * variance.sqrt();
    ground.take(other, |cell| where_to[cell] < border);
}
