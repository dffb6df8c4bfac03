//! Metres on the ground: the local scale of a coordinate system.
//!
//! A projection stretches the ground, each place by its own factor: web Mercator by 1 / cos φ at the latitude φ, UTM by
//! 0.9996 to 1.001. The factor is computed from the projection itself. Points around a place are brought to longitude and
//! latitude, and these to three-dimensional coordinates on the ellipsoid WGS 84, where lengths and areas are those of the
//! ground. (A system's own ellipsoid differs from WGS 84 by about 1e-4 of a length; web Mercator's sphere does not hold for
//! the ground: its latitudes are those of WGS 84.)

use proj4rs::Proj;

use super::crs::Crs;

/// Semi-major axis of the WGS 84 ellipsoid, in metres.
const SEMI_MAJOR_AXIS: f64 = 6_378_137.0;
/// First eccentricity of the WGS 84 ellipsoid, squared.
const ECCENTRICITY_SQUARED: f64 = 0.006_694_379_990_141;
/// A scale this close to 1 counts as 1. UTM stays within it in its zone (0.9996 to 1.001), so that 10 m of a UTM scene are
/// 10 m and the same pixels are taken as by map coordinates; what it neglects is less than what relief does.
const AS_ONE: f64 = 2e-3;
/// Metres to the points around a place: far enough for the inverse projections' own precision (1e-10 of a radian), near
/// enough for a factor that hardly changes.
const STEP: f64 = 500.0;

/// What a unit of x and a unit of y are on the ground at one place: vectors in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ground {
    x: [f64; 3],
    y: [f64; 3],
}

impl Ground {
    /// At a right angle, of these lengths.
    fn right(x: f64, y: f64) -> Self {
        Self { x: [x, 0.0, 0.0], y: [0.0, y, 0.0] }
    }

    /// At a point of a coordinate system; `None` for an unknown system. A projected one that cannot be computed counts
    /// as true to scale: see [`is_computed`].
    pub fn at(crs: &Crs, point: (f64, f64)) -> Option<Self> {
        match crs {
            Crs::Projected { metres, .. } => {
                let true_to_scale = Self::right(*metres, *metres);
                let ground = projection(crs).and_then(|proj| Self::of_projection(&proj, *metres, point));
                let is_one = |vector| (length(vector) / metres - 1.0).abs() < AS_ONE;
                Some(ground.filter(|ground| !is_one(ground.x) || !is_one(ground.y)).unwrap_or(true_to_scale))
            }
            Crs::Geographic { .. } => {
                // A radian of latitude is a (1 − e²) / (1 − e² sin² φ)^{3/2}, one of longitude a cos φ / √(1 − e² sin² φ).
                let (sine, cosine) = point.1.to_radians().sin_cos();
                let w = 1.0 - ECCENTRICITY_SQUARED * sine * sine;
                let meridian = SEMI_MAJOR_AXIS * (1.0 - ECCENTRICITY_SQUARED) / w.powf(1.5);
                let parallel = SEMI_MAJOR_AXIS * cosine.abs() / w.sqrt();
                Some(Self::right(parallel * 1f64.to_radians(), meridian * 1f64.to_radians()))
            }
            Crs::Undetermined(_) | Crs::Unknown => None,
        }
    }

    /// Central differences; `None` where the point has no longitude and latitude.
    fn of_projection(proj: &Proj, metres: f64, (x, y): (f64, f64)) -> Option<Self> {
        let degrees = Proj::from_proj_string("+proj=longlat +ellps=WGS84").ok()?;
        let step = STEP / metres;
        let place = |x: f64, y: f64| {
            let mut point = (x, y, 0.0);
            proj4rs::transform::transform(proj, &degrees, &mut point).ok()?;
            Some(on_ellipsoid(point.0, point.1)).filter(|place| place.iter().all(|number| number.is_finite()))
        };
        let apart = |from: [f64; 3], to: [f64; 3]| -> [f64; 3] {
            std::array::from_fn(|k| (to[k] - from[k]) / (2.0 * step))
        };
        let ground = Self {
            x: apart(place(x - step, y)?, place(x + step, y)?),
            y: apart(place(x, y - step)?, place(x, y + step)?),
        };
        // The edge of a projection, where differences are of places far from each other.
        let plausible =
            [ground.x, ground.y].map(length).iter().all(|length| (0.01..100.0).contains(&(length / metres)));
        (plausible && ground.area([1.0, 0.0], [0.0, 1.0]) > 0.0).then_some(ground)
    }

    /// Metres of `x` units of x and `y` units of y.
    pub fn length(&self, [x, y]: [f64; 2]) -> f64 {
        length(self.vector([x, y]))
    }

    /// Square metres of the parallelogram between two such vectors.
    pub fn area(&self, a: [f64; 2], b: [f64; 2]) -> f64 {
        let (a, b) = (self.vector(a), self.vector(b));
        length([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])
    }

    /// The vector on a plane, in metres: x to the right, whatever the angle between x and y.
    pub fn flat(&self, [x, y]: [f64; 2]) -> (f64, f64) {
        let across = length(self.x);
        let skew = (0..3).map(|k| self.x[k] * self.y[k]).sum::<f64>() / across;
        let up = (length(self.y).powi(2) - skew * skew).max(0.0).sqrt();
        (x * across + y * skew, y * up)
    }

    fn vector(&self, [x, y]: [f64; 2]) -> [f64; 3] {
        std::array::from_fn(|k| x * self.x[k] + y * self.y[k])
    }
}

/// Whether the scale of a system is known: else lengths in it are taken for lengths on the ground.
pub(super) fn is_computed(crs: &Crs) -> bool {
    !matches!(crs, Crs::Projected { .. }) || projection(crs).is_some()
}

/// The projection, without a way to another datum, which the scale does not need.
fn projection(crs: &Crs) -> Option<Proj> {
    // The grids of NAD27 are files that are not here.
    let text = crs.proj4()?.replace("+datum=NAD27", "+ellps=clrk66");
    let words = text
        .split_whitespace()
        .filter(|word| !word.starts_with("+towgs84=") && !word.starts_with("+nadgrids="));
    Proj::from_proj_string(&words.collect::<Vec<_>>().join(" ")).ok().filter(Proj::has_inverse)
}

fn on_ellipsoid(longitude: f64, latitude: f64) -> [f64; 3] {
    let (sine, cosine) = latitude.sin_cos();
    let normal = SEMI_MAJOR_AXIS / (1.0 - ECCENTRICITY_SQUARED * sine * sine).sqrt();
    [
        normal * cosine * longitude.cos(),
        normal * cosine * longitude.sin(),
        normal * (1.0 - ECCENTRICITY_SQUARED) * sine,
    ]
}

fn length(vector: [f64; 3]) -> f64 {
    match vector {
        // Exact: a scale of 1 must leave 10 m at 10 m.
        [x, 0.0, 0.0] => x.abs(),
        [0.0, y, 0.0] => y.abs(),
        [0.0, 0.0, z] => z.abs(),
        [x, y, z] => x.hypot(y).hypot(z),
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "a scale that counts as 1 is 1 exactly")]
mod tests {
    use super::*;

    fn at(code: u16, point: (f64, f64)) -> [f64; 2] {
        let ground = Ground::at(&Crs::from_epsg(code).unwrap(), point).unwrap();
        [ground.length([1.0, 0.0]), ground.length([0.0, 1.0])]
    }

    #[test]
    fn web_mercator_shrinks_with_the_cosine_of_the_latitude() {
        // Latitude 47.8: x is longer by the ellipsoid's radius across (N / a), y by that along the meridian (M / a).
        let latitude = 47.8f64.to_radians();
        let y = SEMI_MAJOR_AXIS * (std::f64::consts::FRAC_PI_4 + latitude / 2.0).tan().ln();
        let w = 1.0 - ECCENTRICITY_SQUARED * latitude.sin().powi(2);
        let wanted =
            [w.powf(-0.5), (1.0 - ECCENTRICITY_SQUARED) * w.powf(-1.5)].map(|radius| radius * latitude.cos());
        for (metres, wanted) in at(3857, (1.2e6, y)).iter().zip(wanted) {
            assert!((metres / wanted - 1.0).abs() < 1e-6, "{metres} {wanted}");
        }
        // At the equator x is true to scale, y by M / a = 1 − e² too long.
        let [x, y] = at(3857, (0.0, 0.0));
        assert!((x - 1.0).abs() < 1e-7 && (y - 0.993_305_62).abs() < 1e-7, "{x} {y}");
    }

    #[test]
    fn utm_is_true_to_scale_within_its_zone() {
        for x in [166_021.0, 500_000.0, 833_978.0] {
            for y in [0.0, 5.3e6, 9.3e6] {
                assert_eq!(at(32633, (x, y)), [1.0, 1.0], "{x} {y}");
            }
        }
    }

    #[test]
    fn scales_are_those_that_pyproj_measures() {
        // Geodesics of pyproj over a kilometre, as here.
        for (code, point, [x, y]) in [
            (3857, (1.6e6, 6_073_647.0), [0.672_957_9, 0.670_917_7]),
            (6933, (1.0e6, 5.5e6), [0.763_830_1, 1.309_191_6]),
            (3031, (1.0e6, 1.0e6), [1.014_897_2, 1.014_897_2]),
            (32633, (1_169_000.0, 1000.0), [0.994_880_9, 0.994_880_9]),
            (3035, (2.9e6, 5.0e6), [0.996_235_0, 1.004_298_7]),
            (2263, (300_185.0, 4_999_895.0), [0.296_573_0, 0.296_573_0]),
        ] {
            let given = at(code, point);
            assert!((given[0] - x).abs() < 2e-6 && (given[1] - y).abs() < 2e-6, "EPSG:{code}: {given:?}");
        }
    }

    #[test]
    fn scales_of_other_projections() {
        // New York in US survey feet.
        let [x, y] = at(2263, (984_250.0, 200_000.0));
        assert_eq!([x, y], [1200.0 / 3937.0; 2]);
        // Equal-area systems keep areas where they stretch one side: Europe's LAEA in Iceland, equal area in the polar one.
        for (code, point) in [(3035, (2.9e6, 5.0e6)), (6933, (1.0e6, 5.5e6)), (3408, (3.0e6, -2.0e6))] {
            let ground = Ground::at(&Crs::from_epsg(code).unwrap(), point).unwrap();
            let area = ground.area([1.0, 0.0], [0.0, 1.0]);
            // EPSG:3408 is of a sphere.
            assert!((area - 1.0).abs() < 6e-3, "EPSG:{code}: {area}");
        }
        let [x, y] = at(6933, (1.0e6, 5.5e6));
        assert!(x < 0.8 && y > 1.3, "a cylinder touches at 30 degrees only: {x} {y}");
        // The pole itself, in polar stereographic: true at 71 degrees, smaller at the pole.
        let [x, y] = at(3031, (0.0, 0.0));
        assert!((x - y).abs() < 1e-6 && (x - 1.0 / 0.972_769).abs() < 1e-3, "{x} {y}");
        // NAD27's grids are not needed.
        assert_eq!(at(26717, (500_000.0, 4.5e6)), [1.0, 1.0]);
    }

    #[test]
    fn where_a_scale_cannot_be_computed_map_metres_are_taken() {
        let own =
            Crs::Projected { epsg: None, metres: 0.3048, name: Some("old town".to_owned()), keys: None };
        assert!(!is_computed(&own) && is_computed(&Crs::from_epsg(3857).unwrap()));
        let ground = Ground::at(&own, (0.0, 0.0)).unwrap();
        assert_eq!(ground.length([0.0, 10.0]), 3.048);
        assert_eq!(Ground::at(&Crs::Unknown, (0.0, 0.0)), None);
        // On the plane, lengths and areas are the same, also where x and y are not at a right angle.
        let ground = Ground::at(&Crs::from_epsg(3035).unwrap(), (2.9e6, 5.0e6)).unwrap();
        let (u, v) = ground.flat([300.0, 400.0]);
        assert!((u.hypot(v) - ground.length([300.0, 400.0])).abs() < 1e-6);
        // Far beyond Mercator's end.
        assert_eq!(at(3857, (1e12, 1e12)), [1.0, 1.0]);
    }
}
