//! Who a synthetic person is: continuous traits, drawn once.
//!
//! Lengths are in face units: one is the distance from the eyes down to an average chin, the
//! middle between the eyes is (0, 0), y grows downwards. A slant is a rise over a run. The ranges
//! stand where the traits are drawn.

use super::random::Stream;

/// One synthetic person: continuous traits drawn from a seed.
///
/// The same `(seed, index)` is the same person, whatever else was drawn.
#[derive(Clone)]
pub struct Identity {
    pub(super) seed: u64,
    pub(super) index: u64,
    pub(super) traits: Traits,
}

impl Identity {
    /// Draws the `index`th person of the population `seed`.
    pub fn new(seed: u64, index: u64) -> Self {
        let traits = Traits::draw(&mut Stream::new(*b"identity", seed, index, 0));
        Self {
            seed,
            index,
            traits,
        }
    }
}

/// Everything that stays the same from picture to picture.
#[derive(Clone, Copy)]
pub(super) struct Traits {
    pub(super) head: Head,
    pub(super) eyes: Eyes,
    pub(super) brows: Brows,
    pub(super) nose: Nose,
    pub(super) mouth: Mouth,
    pub(super) hair: Hair,
    pub(super) beard: Beard,
    pub(super) marks: Marks,
    pub(super) glasses: Glasses,
}

/// Traits a person has: every field below is one `f32`.
const TRAITS: usize = size_of::<Traits>() / size_of::<f32>();
const _: () = assert!(TRAITS >= 20, "too few traits to tell people apart by");

impl Traits {
    fn draw(s: &mut Stream) -> Self {
        Self {
            head: Head::draw(s),
            eyes: Eyes::draw(s),
            brows: Brows::draw(s),
            nose: Nose::draw(s),
            mouth: Mouth::draw(s),
            hair: Hair::draw(s),
            beard: Beard::draw(s),
            marks: Marks::draw(s),
            glasses: Glasses::draw(s),
        }
    }
}

/// Declares a group of traits and the range that each is drawn from, so that both stand once.
macro_rules! traits {
    ($(#[$doc:meta])* $group:ident { $($field:ident: $low:literal..$high:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(super) struct $group { $(pub(super) $field: f32,)* }

        impl $group {
            fn draw(s: &mut Stream) -> Self {
                Self { $($field: s.between($low, $high),)* }
            }
        }
    };
}

traits! {
    /// Skull, jaw, ears and skin. `melanin` goes from fair to dark, `blush` is an opacity.
    Head {
        skull_width: 0.60..0.71,
        cheek_width: 0.56..0.68,
        jaw_width: 0.43..0.61,
        jaw_y: 0.42..0.70,
        chin_width: 0.16..0.36,
        chin_y: 0.90..1.10,
        roundness: 0.12..0.40,
        ear_size: 0.13..0.22,
        ear_y: 0.08..0.28,
        ear_out: 0.00..0.06,
        cheekbone: 0.00..0.09,
        chin_bump: 0.00..0.14,
        cleft: -0.60..0.60,
        melanin: 0.00..1.00,
        ruddiness: -0.50..0.50,
        blush: 0.00..0.35,
    }
}

traits! {
    /// `iris_hue` goes from brown over green to blue, `skew` moves the top of the lid outwards.
    Eyes {
        spacing: 0.245..0.315,
        half_width: 0.095..0.145,
        upper: 0.040..0.085,
        lower: 0.018..0.048,
        slant: -0.16..0.26,
        skew: -0.35..0.35,
        iris: 0.044..0.062,
        iris_hue: 0.0..1.0,
        crease: 0.015..0.060,
        lash: 0.006..0.020,
        bag: 0.0..0.55,
        socket: 0.0..0.07,
    }
}

traits! {
    /// `arch` is the height of the bend, `lopsided` raises one brow and lowers the other.
    Brows {
        lift: 0.12..0.24,
        inner: 0.06..0.17,
        outer: 0.42..0.54,
        thickness: 0.014..0.050,
        taper: 0.0..0.85,
        arch: 0.0..0.10,
        slant: -0.16..0.16,
        darkness: 0.50..1.00,
        lopsided: -0.025..0.025,
    }
}

traits! {
    /// `bend` is how far the tip stands aside, `hump` the height of the bridge.
    Nose {
        tip_y: 0.34..0.46,
        half_width: 0.095..0.175,
        bridge: 0.035..0.085,
        hump: 0.02..0.16,
        tip: 0.05..0.11,
        nostril: 0.016..0.040,
        flare: -0.4..0.7,
        wing: 0.035..0.070,
        bend: -0.030..0.030,
        shade: 0.08..0.36,
    }
}

traits! {
    /// `bow` is how deep the upper lip is notched, `corners` how far its ends hang.
    Mouth {
        y: 0.63..0.73,
        half_width: 0.155..0.245,
        upper: 0.020..0.065,
        lower: 0.030..0.090,
        bow: 0.0..0.8,
        corners: -0.030..0.030,
        redness: 0.10..0.75,
        offset: -0.020..0.020,
        philtrum: 0.0..0.5,
    }
}

traits! {
    /// `tone` goes from black over brown to fair, `red` and `gray` mix in; `phase` moves the waves.
    Hair {
        tone: 0.0..1.0,
        red: -0.6..0.8,
        gray: -1.6..0.8,
        volume: 0.02..0.20,
        length: -0.4..1.5,
        spread: 0.62..0.90,
        line_y: -0.68..-0.30,
        peak: -0.10..0.12,
        temple: 0.0..1.0,
        part: -0.35..0.35,
        sideburn: -0.05..0.40,
        wave: 0.0..0.09,
        wave_count: 1.5..6.0,
        phase: 0.0..1.0,
        strands: 6.0..22.0,
    }
}

traits! {
    /// `density` and `mustache` below zero mean none, `reach` is how high it climbs the cheeks.
    Beard {
        density: -1.3..1.0,
        mustache: -1.0..1.0,
        reach: 0.25..0.75,
        chin_only: 0.0..1.0,
    }
}

traits! {
    /// Two moles (none where the radius is below zero), a scar and wrinkles (opacities).
    Marks {
        mole_x: -0.40..0.40,
        mole_y: 0.15..0.82,
        mole_r: -0.012..0.034,
        mole2_x: -0.40..0.40,
        mole2_y: -0.30..0.60,
        mole2_r: -0.020..0.030,
        forehead: -0.4..0.6,
        folds: -0.2..0.6,
        frown: -0.5..0.6,
        freckles: -0.8..0.6,
    }
}

traits! {
    /// None where `strength` is below zero; `squareness` goes from round to a rectangle.
    Glasses {
        strength: -2.2..1.0,
        half_width: 0.17..0.235,
        half_height: 0.105..0.19,
        squareness: 0.0..1.0,
        thickness: 0.009..0.028,
        drop: 0.0..0.06,
        tone: 0.0..1.0,
    }
}
