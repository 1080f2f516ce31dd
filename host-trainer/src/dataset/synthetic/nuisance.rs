//! What differs from one picture of a person to the next, and says nothing about who it is.

use super::pose::Pose;
use super::random::Stream;

/// Everything that is drawn anew for each picture.
pub(super) struct Nuisance {
    pub(super) pose: Pose,
    /// Where the face is in the room that the frame leaves it: two numbers in `0..1`.
    pub(super) place: [f32; 2],
    pub(super) expression: Expression,
    pub(super) light: Light,
    pub(super) camera: Camera,
    pub(super) backdrop: Backdrop,
    /// Color of the clothes, linear RGB in `0..1`.
    pub(super) clothes: [f32; 3],
}

impl Nuisance {
    /// Draws what surrounds one picture.
    pub(super) fn draw(s: &mut Stream) -> Self {
        let (yaw, pitch, roll) = (s.bell(0.50), s.bell(0.26), s.bell(0.32));
        Self {
            pose: Pose::new(yaw, pitch, roll, s.between(72.0, 126.0)),
            place: [0.5 + s.bell(0.4), 0.5 + s.bell(0.4)],
            expression: Expression::draw(s),
            light: Light::draw(s),
            camera: Camera::draw(s),
            backdrop: Backdrop::draw(s),
            clothes: muted(s).map(|c| 0.02 + 0.6 * c),
        }
    }
}

/// What the face does. Lengths are in face units.
pub(super) struct Expression {
    /// Gap between the lips.
    pub(super) mouth_open: f32,
    /// From -0.4 (sad) to 1 (smile).
    pub(super) smile: f32,
    /// How far the brows are raised.
    pub(super) brow_raise: f32,
    /// 0 open, 1 shut.
    pub(super) eye_closure: f32,
    /// Where the irises look, of the half width of an eye.
    pub(super) gaze: [f32; 2],
}

impl Expression {
    fn draw(s: &mut Stream) -> Self {
        Self {
            mouth_open: s.between(-0.12, 0.10).max(0.0),
            smile: s.between(-0.4, 1.0),
            brow_raise: s.between(-0.015, 0.045),
            eye_closure: s.between(-0.15, 0.55).max(0.0) * s.between(0.3, 1.0),
            gaze: [s.bell(0.45), s.bell(0.12)],
        }
    }
}

/// Two lamps, what comes from everywhere, and the edge of a shadow. Colors are linear RGB.
pub(super) struct Light {
    /// Unit directions of the lamps as the camera sees them (right, down, towards the camera).
    pub(super) lamps: [[f32; 3]; 2],
    pub(super) colors: [[f32; 3]; 2],
    pub(super) ambient: [f32; 3],
    pub(super) shadow: Shadow,
}

/// A straight shadow across the frame, as a window frame or a tree throws it.
pub(super) struct Shadow {
    /// Unit normal of its edge in the frame.
    pub(super) normal: [f32; 2],
    /// Distance of the edge from the middle of the face in face units.
    pub(super) offset: f32,
    /// Share of the lamps' light that it takes, `0..1`.
    pub(super) depth: f32,
    /// Width of the half shade in face units.
    pub(super) soft: f32,
}

impl Light {
    fn draw(s: &mut Stream) -> Self {
        let (key, fill) = (direction(s, 1.5), direction(s, 1.2));
        // The lamp's warmth: a shift of red against blue.
        let warmth = s.bell(0.45);
        let (strong, weak, around) = (
            s.between(0.5, 1.7),
            s.between(0.0, 0.6),
            s.between(0.08, 0.40),
        );
        let shadow = Shadow {
            normal: unit(s.between(0.0, std::f32::consts::TAU)),
            offset: s.bell(0.7),
            depth: s.between(-0.7, 0.8).max(0.0),
            soft: s.between(0.06, 0.8),
        };
        let tint = s.triple(0.75, 1.25);
        Self {
            lamps: [key, fill],
            colors: [warm(strong, warmth), tint.map(|c| c * weak)],
            ambient: warm(around, -0.5 * warmth),
            shadow,
        }
    }
}

/// A direction towards a lamp, up to `spread` radians aside of the camera.
fn direction(s: &mut Stream, spread: f32) -> [f32; 3] {
    let [forward, aside] = unit(s.between(-spread, spread));
    let [level, up] = unit(s.between(-0.4, 1.0));
    [aside * level, -up, forward * level]
}

/// A color that is rarely garish, linear RGB in `0..1`.
fn muted(s: &mut Stream) -> [f32; 3] {
    let (gray, vivid) = (s.between(0.05, 0.9), s.between(0.1, 0.7));
    s.triple(0.0, 1.0)
        .map(|c| (gray + vivid * (c * c - gray)).max(0.0))
}

fn unit(angle: f32) -> [f32; 2] {
    let (sine, cosine) = libm::sincosf(angle);
    [cosine, sine]
}

/// A light of that strength; positive warmth is reddish, negative bluish.
fn warm(strength: f32, warmth: f32) -> [f32; 3] {
    [
        strength * (1.0 + warmth),
        strength,
        strength * (1.0 - warmth),
    ]
}

/// Lens and sensor.
pub(super) struct Camera {
    /// Gain of the three channels, exposure and white balance together.
    pub(super) gain: [f32; 3],
    /// Light that the lens scatters over the whole frame, linear.
    pub(super) veil: f32,
    /// Standard deviation of the blur in pixels.
    pub(super) blur_sigma_px: f32,
    /// Standard deviation of the noise in steps of an 8-bit channel.
    pub(super) noise_sigma: f32,
    /// Starts the noise.
    pub(super) noise_seed: u32,
}

impl Camera {
    fn draw(s: &mut Stream) -> Self {
        let exposure = libm::exp2f(s.bell(1.3));
        let (cast, green) = (s.bell(0.25), s.bell(0.12));
        Self {
            gain: [1.0 + cast, 1.0 + green, 1.0 - cast].map(|c| c * exposure),
            veil: s.between(-0.06, 0.06).max(0.0),
            blur_sigma_px: s.between(0.3, 1.3),
            noise_sigma: s.between(1.0, 8.0),
            noise_seed: s.bits(),
        }
    }
}

/// What is behind the person: a gradient, a pattern, spots and a texture. Colors are linear RGB.
pub(super) struct Backdrop {
    pub(super) colors: [[f32; 3]; 3],
    /// Unit normals of the gradient and of the stripes.
    pub(super) gradient: [f32; 2],
    pub(super) stripes: [f32; 2],
    /// Pixels from stripe to stripe.
    pub(super) period_px: f32,
    /// How strongly stripes and texture show, `0..1`.
    pub(super) stripe_depth: f32,
    pub(super) texture_depth: f32,
    /// Pixels over which the texture varies.
    pub(super) grain_px: f32,
    /// Center, radius (pixels) and brightness of out-of-focus lights.
    pub(super) spots: [[f32; 4]; 5],
    pub(super) salt: u32,
}

impl Backdrop {
    fn draw(s: &mut Stream) -> Self {
        let brightness = s.between(0.15, 1.0);
        Self {
            colors: [0; 3].map(|_| muted(s).map(|c| c * brightness)),
            gradient: unit(s.between(0.0, std::f32::consts::TAU)),
            stripes: unit(s.between(0.0, std::f32::consts::TAU)),
            period_px: s.between(20.0, 90.0),
            stripe_depth: s.between(-0.5, 0.8).max(0.0),
            texture_depth: s.between(0.0, 0.7),
            grain_px: s.between(9.0, 60.0),
            spots: [0; 5].map(|_| {
                let radius = s.between(-14.0, 34.0).max(0.0);
                [
                    s.between(0.0, 320.0),
                    s.between(0.0, 240.0),
                    radius,
                    s.between(0.1, 0.6),
                ]
            }),
            salt: s.bits(),
        }
    }
}
