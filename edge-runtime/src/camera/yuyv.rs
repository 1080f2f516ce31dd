//! YUYV, as USB cameras give it, to RGB.

use image::RgbImage;

/// Steps of the fixed-point numbers below to one.
const ONE: f64 = 65536.0;
/// ITU-R BT.601, 8 bits in the limited range: luma 16 to 235, chroma 16 to 240 around 128.
const LUMA: i32 = fixed(255.0 / 219.0);
const RED_OF_CR: i32 = fixed(255.0 / 224.0 * 2.0 * (1.0 - KR));
const GREEN_OF_CB: i32 = fixed(255.0 / 224.0 * 2.0 * (1.0 - KB) * KB / KG);
const GREEN_OF_CR: i32 = fixed(255.0 / 224.0 * 2.0 * (1.0 - KR) * KR / KG);
const BLUE_OF_CB: i32 = fixed(255.0 / 224.0 * 2.0 * (1.0 - KB));
/// What red, green and blue add to the luma.
const KR: f64 = 0.299;
const KG: f64 = 1.0 - KR - KB;
const KB: f64 = 0.114;

const fn fixed(number: f64) -> i32 {
    (number * ONE + 0.5) as i32
}

/// Rows of `stride` bytes, of which the first `2 * width` are luma, Cb, luma, Cr for each two
/// pixels side by side. The width is even.
///
/// # Errors
/// Another number of bytes than `stride * height`.
pub(super) fn to_rgb(
    bytes: &[u8],
    stride: usize,
    width: u32,
    height: u32,
) -> Result<RgbImage, String> {
    let expected = stride * height as usize;
    let row_len = 2 * width as usize;
    if bytes.len() != expected || stride < row_len {
        return Err(format!(
            "a garbled frame: {} bytes, expected {expected} of {width}x{height} YUYV",
            bytes.len()
        ));
    }
    let mut rgb = Vec::with_capacity(3 * width as usize * height as usize);
    for row in bytes.chunks_exact(stride) {
        for &[left, cb, right, cr] in row[..row_len].as_chunks::<4>().0 {
            rgb.extend(pixel(left, cb, cr));
            rgb.extend(pixel(right, cb, cr));
        }
    }
    Ok(RgbImage::from_raw(width, height, rgb).expect("two pixels for every four bytes"))
}

fn pixel(luma: u8, cb: u8, cr: u8) -> [u8; 3] {
    let luma = (i32::from(luma) - 16) * LUMA;
    let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
    [
        luma + RED_OF_CR * cr,
        luma - GREEN_OF_CB * cb - GREEN_OF_CR * cr,
        luma + BLUE_OF_CB * cb,
    ]
    .map(|fixed| ((fixed + (1 << 15)) >> 16).clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 % color bars as ITU-R BT.601 has them in 8 bits: luma, Cb, Cr; red, green, blue.
    const BARS: [([u8; 3], [u8; 3]); 8] = [
        ([235, 128, 128], [255, 255, 255]),
        ([210, 16, 146], [255, 255, 0]),
        ([170, 166, 16], [0, 255, 255]),
        ([145, 54, 34], [0, 255, 0]),
        ([106, 202, 222], [255, 0, 255]),
        ([81, 90, 240], [255, 0, 0]),
        ([41, 240, 110], [0, 0, 255]),
        ([16, 128, 128], [0, 0, 0]),
    ];

    #[test]
    fn color_bars_have_their_colors() {
        let bytes: Vec<_> = BARS
            .iter()
            .flat_map(|([y, u, v], _)| [*y, *u, *y, *v])
            .collect();
        let image = to_rgb(&bytes, bytes.len(), 16, 1).unwrap();
        for (i, (_, rgb)) in BARS.iter().enumerate() {
            for x in [2 * i as u32, 2 * i as u32 + 1] {
                let found = image.get_pixel(x, 0).0;
                // The standard's numbers are rounded to whole ones, which is up to two steps here.
                let near = found.iter().zip(rgb).all(|(a, b)| a.abs_diff(*b) <= 2);
                assert!(near, "{found:?}, expected {rgb:?}");
            }
        }
    }

    #[test]
    fn every_color_comes_back() {
        // Luma and chroma by the definition, section 2.5 of ITU-R BT.601.
        let there = |[r, g, b]: [u8; 3]| {
            let [r, g, b] = [r, g, b].map(|c| f64::from(c) / 255.0);
            let luma = 0.299 * r + 0.587 * g + 0.114 * b;
            let (cb, cr) = ((b - luma) / 1.772, (r - luma) / 1.402);
            [219.0 * luma + 16.0, 224.0 * cb + 128.0, 224.0 * cr + 128.0].map(|c| c.round() as u8)
        };
        let steps = || (0..=255).step_by(17);
        for (r, g, b) in
            steps().flat_map(|r| steps().flat_map(move |g| steps().map(move |b| (r, g, b))))
        {
            let [y, cb, cr] = there([r, g, b]);
            let back = pixel(y, cb, cr);
            let near = back.iter().zip([r, g, b]).all(|(a, b)| a.abs_diff(b) <= 2);
            assert!(near, "{back:?}, expected {:?}", [r, g, b]);
        }
    }

    #[test]
    fn rows_may_be_padded_and_each_pixel_has_its_luma() {
        let bytes = [16, 128, 235, 128, 7, 7, 235, 128, 16, 128, 7, 7];
        let image = to_rgb(&bytes, 6, 2, 2).unwrap();
        assert_eq!(
            image.into_raw(),
            [[0; 3], [255; 3], [255; 3], [0; 3]].concat()
        );
    }

    #[test]
    fn a_buffer_of_another_length_is_no_frame() {
        for len in [0, 7, 9, 16] {
            let error = to_rgb(&vec![128; len], 4, 2, 2).unwrap_err();
            assert!(
                error.contains(&format!("{len} bytes, expected 8")),
                "{error}"
            );
        }
        assert!(to_rgb(&[128; 4], 2, 2, 2).is_err());
    }
}
