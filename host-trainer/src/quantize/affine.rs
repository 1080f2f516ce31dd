//! What a byte stands for.

use serde::Serialize;

/// A byte `q` stands for `scale * (q - zero_point)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Affine {
    /// Above 0.
    pub scale: f32,
    /// The byte of 0.
    pub zero_point: i8,
}

impl Affine {
    /// The finest that reaches from `least` to `most` and has a byte for 0. Numbers of one sign
    /// take all 256 bytes.
    ///
    /// `None` if the two give no scale that is a normal number: they are not finite, or all but
    /// the same.
    pub fn covering(least: f64, most: f64) -> Option<Self> {
        let (least, most) = (least.min(0.0), most.max(0.0));
        let scale = ((most - least) / 255.0) as f32;
        let zero_point = (-128.0 - least / f64::from(scale)).round();
        scale.is_normal().then_some(Self {
            scale,
            zero_point: zero_point.clamp(-128.0, 127.0) as i8,
        })
    }

    /// The finest whose zero is the byte 0.
    ///
    /// `None` as [`Self::covering`].
    pub fn symmetric(least: f64, most: f64) -> Option<Self> {
        let scale = (least.abs().max(most.abs()) / 127.0) as f32;
        scale.is_normal().then_some(Self {
            scale,
            zero_point: 0,
        })
    }

    /// The most steps that a byte is from 0.
    pub(super) fn most_steps(self) -> f64 {
        128.0 + f64::from(self.zero_point).abs()
    }

    /// What is left of a number that goes through a byte.
    pub fn rounded(self, number: f64) -> f64 {
        let (scale, zero) = (f64::from(self.scale), f64::from(self.zero_point));
        let byte = ((number / scale).round_ties_even() + zero).clamp(-128.0, 127.0);
        (byte - zero) * scale
    }
}
