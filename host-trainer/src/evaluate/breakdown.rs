//! Error rates by what a photograph is like: pose, light, sharpness, and a proxy of skin tone.
//!
//! Images are cut into thirds by each measure, and pairs are counted within a third.

use super::confidence::{Counted, ErrorRates};
use edge_runtime::face;
use edge_runtime::quality::Quality;
use image::RgbImage;
use rayon::prelude::*;
use serde::Serialize;
use shared::align::{AlignTemplate, AlignedFace, Landmarks};
use shared::embedding::{Embedding, dot};
use std::fmt;

/// Half the side of the square of a cheek that is looked at, in pixels of the crop.
const CHEEK_PX: usize = 6;

/// What images differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// How far the head is turned to either side, as [`Quality::yaw`].
    Turn,
    /// [`Quality::brightness`].
    Brightness,
    /// [`Quality::sharpness`].
    Sharpness,
    /// Individual typology angle of the cheeks, degrees: the higher, the lighter. **A proxy**: the
    /// light and the camera change it as much as skin does.
    SkinTone,
}

impl Measure {
    /// In the order of [`Image::values`].
    pub const ALL: [Self; 4] = [
        Self::Turn,
        Self::Brightness,
        Self::Sharpness,
        Self::SkinTone,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Turn => "turned, either side",
            Self::Brightness => "brightness, 0 to 255",
            Self::Sharpness => "sharpness",
            Self::SkinTone => "skin tone (typology angle of the cheeks, a proxy)",
        }
    }
}

/// One image.
pub struct Image {
    /// Whose it is.
    pub person: usize,
    /// Of its face.
    pub embedding: Embedding,
    /// By [`Measure::ALL`].
    pub values: [f32; 4],
}

/// The face in a photograph, cut out, and what is measured of it, by [`Measure::ALL`].
///
/// # Errors
/// Why there is no face.
pub fn cut(
    photo: &RgbImage,
    landmarks: &Landmarks,
    template: AlignTemplate,
) -> Result<(AlignedFace, [f32; 4]), String> {
    let cut = face::align(photo, landmarks, template).map_err(|error| error.to_string())?;
    let quality = Quality::of(photo, landmarks, &cut).map_err(|error| error.to_string())?;
    let values = [
        quality.yaw.abs(),
        quality.brightness,
        quality.sharpness,
        typology_angle(cheeks(&cut)),
    ];
    Ok((cut, values))
}

/// Mean color of both cheeks: half-way from each eye to the corner of the mouth below it.
fn cheeks(cut: &AlignedFace) -> [f32; 3] {
    let [right_eye, left_eye, _, right, left] = cut.template().landmarks().0;
    let (mut sum, mut count) = ([0.0_f32; 3], 0.0);
    for (eye, mouth) in [(right_eye, right), (left_eye, left)] {
        let middle = [(eye.x + mouth.x) / 2.0, (eye.y + mouth.y) / 2.0].map(|at| at as usize);
        for y in middle[1] - CHEEK_PX..middle[1] + CHEEK_PX {
            for x in middle[0] - CHEEK_PX..middle[0] + CHEEK_PX {
                let at = 3 * (y * cut.template().width() + x);
                let pixel = &cut.pixels()[at..at + 3];
                sum.iter_mut()
                    .zip(pixel)
                    .for_each(|(s, p)| *s += f32::from(*p));
                count += 1.0;
            }
        }
    }
    sum.map(|s| s / count)
}

/// Individual typology angle (Chardon, Cretois and Hourseau 1991) of a color in sRGB, 0 to 255:
/// `atan((L - 50) / b)` in CIE Lab under D65, degrees.
fn typology_angle(rgb: [f32; 3]) -> f32 {
    let linear = |level: f32| match level / 255.0 {
        v if v <= 0.04045 => v / 12.92,
        v => ((v + 0.055) / 1.055).powf(2.4),
    };
    let [r, g, b] = rgb.map(linear);
    let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    let z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.0890;
    let root = |t: f32| match t {
        t if t > 0.008_856 => t.cbrt(),
        t => 7.787 * t + 16.0 / 116.0,
    };
    let lightness = 116.0 * root(y) - 16.0;
    let yellow = 200.0 * (root(y) - root(z));
    // Bluish cheeks are those of blue light: beyond the lightest or the darkest.
    (lightness - 50.0).atan2(yellow.max(0.0)).to_degrees()
}

/// Pairs within a third of the images, or of all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// By what the images were cut; `None` for all images.
    pub measure: Option<Measure>,
    /// The least and the largest value of an image.
    pub range: [f32; 2],
    /// How many.
    pub images: usize,
    /// Of all pairs of single images among them.
    pub rates: ErrorRates,
}

/// All images first, then the thirds of each measure, the lowest first. Of a part without a pair
/// of either kind no rate is told, so it is left out.
///
/// - `fmr`: what `threshold` is meant for
pub fn breakdown(images: &[Image], (threshold, fmr): (f32, f64)) -> Vec<Part> {
    let all: Vec<usize> = (0..images.len()).collect();
    let part = |measure: Option<usize>, of: &[usize]| {
        let value = |i: &usize| measure.map_or(0.0, |m| images[*i].values[m]);
        let rates = rates(images, of, (threshold, fmr))?;
        Some(Part {
            measure: measure.map(|m| Measure::ALL[m]),
            range: [value(of.first()?), value(of.last()?)],
            images: of.len(),
            rates,
        })
    };
    let mut parts: Vec<Part> = part(None, &all).into_iter().collect();
    for measure in 0..Measure::ALL.len() {
        let mut sorted = all.clone();
        let value = |i: &usize| images[*i].values[measure];
        sorted.sort_by(|a, b| value(a).total_cmp(&value(b)));
        let third = sorted.len().div_ceil(3).max(1);
        parts.extend(
            sorted
                .chunks(third)
                .filter_map(|of| part(Some(measure), of)),
        );
    }
    parts
}

/// Of all pairs among some images; `None` where one kind is missing.
fn rates(images: &[Image], of: &[usize], (threshold, fmr): (f32, f64)) -> Option<ErrorRates> {
    let of_row = |row: usize| {
        let mut counts = [[0_usize; 2]; 2];
        let image = &images[of[row]];
        for other in of[..row].iter().map(|i| &images[*i]) {
            let score = dot(image.embedding.as_slice(), other.embedding.as_slice());
            counts[usize::from(image.person == other.person)][usize::from(score >= threshold)] += 1;
        }
        counts
    };
    let sum = |a: [[usize; 2]; 2], b: [[usize; 2]; 2]| {
        [0, 1].map(|same| [0, 1].map(|matched| a[same][matched] + b[same][matched]))
    };
    let counts = (0..of.len()).into_par_iter().map(of_row);
    let [impostor, genuine] = counts.reduce(Default::default, sum);
    let counted = |[no, yes]: [usize; 2], count| Counted::new(count, no + yes);
    let (matched, missed) = (counted(impostor, impostor[1]), counted(genuine, genuine[0]));
    let both = matched.of > 0 && missed.of > 0;
    both.then(|| ErrorRates::counted(fmr, threshold, matched, missed))
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates = &self.rates;
        match self.measure {
            None => write!(f, "all")?,
            Some(measure) => {
                let [from, to] = self.range;
                write!(f, "{} {from:.2} to {to:.2}", measure.name())?;
            }
        }
        write!(
            f,
            ": {} images; FMR {:.2e} (at most {:.2e}; {} pairs), FNMR {:.2} % ({:.2} to {:.2} %; {} pairs)",
            self.images,
            rates.fmr_measured,
            rates.fmr_upper_95,
            rates.impostor_pairs,
            100.0 * rates.fnmr,
            100.0 * rates.fnmr_lower_95,
            100.0 * rates.fnmr_upper_95,
            rates.genuine_pairs
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lighter_cheeks_have_a_larger_angle() {
        // By hand from the definition: white is L 100, b 0; a dark brown L 16, b 10; a tan L 60, b 26.
        assert!((typology_angle([255.0; 3]) - 90.0).abs() < 0.5);
        let brown = typology_angle([60.0, 35.0, 25.0]);
        assert!((-76.0..-68.0).contains(&brown), "{brown}");
        let tan = typology_angle([190.0, 135.0, 100.0]);
        assert!((17.0..25.0).contains(&tan), "{tan}");
    }

    #[test]
    fn only_the_cheeks_count() {
        let template = AlignTemplate::Arcface112x112;
        let mut pixels = vec![0; template.rgb_len()];
        for (i, pixel) in pixels.chunks_exact_mut(3).enumerate() {
            let (x, y) = (i % 112, i / 112);
            // Half-way from (38.3, 51.7) to (41.5, 92.4), and from (73.5, 51.5) to (70.7, 92.2).
            let right = (33..45).contains(&x) && (66..78).contains(&y);
            let left = (66..78).contains(&x) && (65..77).contains(&y);
            if right || left {
                pixel.copy_from_slice(&[200, 150, 120]);
            }
        }
        let cut = AlignedFace::from_pixels(template, pixels).unwrap();
        assert_eq!(cheeks(&cut), [200.0, 150.0, 120.0]);
    }

    #[test]
    fn pairs_are_counted_within_thirds() {
        // Two images each of six people; the later the person, the further apart they are.
        let image = |person: usize, second: usize| {
            let degrees = 50.0 * person as f32 + second as f32 * 10.0 * person as f32;
            let (sin, cos) = degrees.to_radians().sin_cos();
            Image {
                person,
                embedding: Embedding::from_raw(vec![cos, sin]).unwrap(),
                values: [person as f32, 0.0, 1.0, -(person as f32)],
            }
        };
        let images: Vec<_> = (0..6)
            .flat_map(|person| [image(person, 0), image(person, 1)])
            .collect();
        // Within 25 degrees: people 0, 1 and 2 match themselves.
        let parts = breakdown(&images, (0.906, 0.01));
        assert_eq!(parts.len(), 1 + 4 * 3);
        assert_eq!((parts[0].images, parts[0].rates.genuine_pairs), (12, 6));
        assert_eq!(parts[0].rates.impostor_pairs, 60);
        assert_eq!(parts[0].rates.fnmr, 0.5);
        let fnmr = |i: usize| parts[i].rates.fnmr;
        assert_eq!([fnmr(1), fnmr(2), fnmr(3)], [0.0, 0.5, 1.0]);
        assert_eq!([fnmr(10), fnmr(11), fnmr(12)], [1.0, 0.5, 0.0]);
        assert_eq!((parts[1].range, parts[1].images), ([0.0, 1.0], 4));
        assert_eq!(parts[10].range, [-5.0, -4.0]);
        // Four images of two people: two genuine pairs and four others.
        assert_eq!(
            (parts[1].rates.genuine_pairs, parts[1].rates.impostor_pairs),
            (2, 4)
        );
        assert!(
            parts[1]
                .to_string()
                .starts_with("turned, either side 0.00 to 1.00: 4 images; FMR")
        );
        // One person alone has nobody to be taken for.
        assert!(breakdown(&images[..2], (0.9, 0.01)).is_empty());
    }
}
