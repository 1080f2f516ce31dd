//! The markers of a JPEG (ITU T.81, annex B): where it ends, and what it lacks.

use std::borrow::Cow;

/// What every JPEG begins with: the start marker, and that of its first segment.
pub(crate) const START: [u8; 3] = [0xFF, 0xD8, 0xFF];

/// The way along the markers, on bytes that may still be arriving. A search for the end marker
/// alone would find that of an embedded preview.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// The next byte to look at.
    at: usize,
    has_huffman_tables: bool,
    /// Where the first scan begins.
    scan: Option<usize>,
}

/// How far a walk came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Walked {
    /// The bytes end before the image does.
    Short,
    /// The image is whole, with so many bytes.
    Whole(usize),
    /// No image goes on like this; the first byte that is wrong.
    Broken(usize),
}

impl Walk {
    /// Goes on; `bytes` are those of the last time, or more.
    pub(crate) fn on(&mut self, bytes: &[u8]) -> Walked {
        if self.at == 0 {
            let known = bytes.len().min(START.len());
            if bytes[..known] != START[..known] {
                return Walked::Broken(0);
            }
            if known < START.len() {
                return Walked::Short;
            }
            self.at = 2;
        }
        while let Some(&[first, marker]) = bytes.get(self.at..self.at + 2) {
            self.at += match (first, marker) {
                (0xFF, 0xD9) => return Walked::Whole(self.at + 2),
                // The start of another image, and what no JPEG has.
                (0xFF, 0xD8 | 0x02..=0xBF) => return Walked::Broken(self.at),
                // Fill bytes, and markers without a length.
                (0xFF, 0xFF) => 1,
                (0xFF, 0x00 | 0x01 | 0xD0..=0xD7) => 2,
                (0xFF, _) => {
                    let Some(&[high, low]) = bytes.get(self.at + 2..self.at + 4) else {
                        return Walked::Short;
                    };
                    match marker {
                        0xC4 => self.has_huffman_tables = true,
                        0xDA => drop(self.scan.get_or_insert(self.at)),
                        _ => {}
                    }
                    2 + usize::from(u16::from_be_bytes([high, low]))
                }
                // Entropy-coded data.
                _ => 1,
            };
        }
        Walked::Short
    }
}

/// A whole image with Huffman tables, and the bytes behind its end: cameras leave out the standard
/// tables, as Motion JPEG may. `None` if it is not whole.
pub(crate) fn with_huffman_tables(bytes: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let mut walk = Walk::default();
    let Walked::Whole(len) = walk.on(bytes) else {
        return None;
    };
    let (image, behind) = bytes.split_at(len);
    let image = match walk.scan {
        Some(scan) if !walk.has_huffman_tables => {
            Cow::Owned([&image[..scan], &huffman_tables(), &image[scan..]].concat())
        }
        _ => Cow::Borrowed(image),
    };
    Some((image, behind))
}

/// The segment with the standard tables.
fn huffman_tables() -> Vec<u8> {
    let mut tables = Vec::new();
    for (class, lens, values) in STANDARD_TABLES {
        tables.push(class);
        tables.extend(lens);
        tables.extend(values);
    }
    let len = 2 + tables.len() as u16;
    let [high, low] = len.to_be_bytes();
    [&[0xFF, 0xC4, high, low], tables.as_slice()].concat()
}

/// Class and number, how many codes there are of 1 to 16 bits, and what they stand for: ITU T.81,
/// tables K.3 to K.6, for luminance and chrominance.
const STANDARD_TABLES: [(u8, [u8; 16], &[u8]); 4] = [
    (
        0x00,
        [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    ),
    (
        0x10,
        [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D],
        b"\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\
\x14\x32\x81\x91\xA1\x08\x23\x42\xB1\xC1\x15\x52\xD1\xF0\x24\x33\x62\x72\
\x82\x09\x0A\x16\x17\x18\x19\x1A\x25\x26\x27\x28\x29\x2A\x34\x35\x36\x37\
\x38\x39\x3A\x43\x44\x45\x46\x47\x48\x49\x4A\x53\x54\x55\x56\x57\x58\x59\
\x5A\x63\x64\x65\x66\x67\x68\x69\x6A\x73\x74\x75\x76\x77\x78\x79\x7A\x83\
\x84\x85\x86\x87\x88\x89\x8A\x92\x93\x94\x95\x96\x97\x98\x99\x9A\xA2\xA3\
\xA4\xA5\xA6\xA7\xA8\xA9\xAA\xB2\xB3\xB4\xB5\xB6\xB7\xB8\xB9\xBA\xC2\xC3\
\xC4\xC5\xC6\xC7\xC8\xC9\xCA\xD2\xD3\xD4\xD5\xD6\xD7\xD8\xD9\xDA\xE1\xE2\
\xE3\xE4\xE5\xE6\xE7\xE8\xE9\xEA\xF1\xF2\xF3\xF4\xF5\xF6\xF7\xF8\xF9\xFA",
    ),
    (
        0x01,
        [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    ),
    (
        0x11,
        [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
        b"\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\
\x32\x81\x08\x14\x42\x91\xA1\xB1\xC1\x09\x23\x33\x52\xF0\x15\x62\x72\xD1\
\x0A\x16\x24\x34\xE1\x25\xF1\x17\x18\x19\x1A\x26\x27\x28\x29\x2A\x35\x36\
\x37\x38\x39\x3A\x43\x44\x45\x46\x47\x48\x49\x4A\x53\x54\x55\x56\x57\x58\
\x59\x5A\x63\x64\x65\x66\x67\x68\x69\x6A\x73\x74\x75\x76\x77\x78\x79\x7A\
\x82\x83\x84\x85\x86\x87\x88\x89\x8A\x92\x93\x94\x95\x96\x97\x98\x99\x9A\
\xA2\xA3\xA4\xA5\xA6\xA7\xA8\xA9\xAA\xB2\xB3\xB4\xB5\xB6\xB7\xB8\xB9\xBA\
\xC2\xC3\xC4\xC5\xC6\xC7\xC8\xC9\xCA\xD2\xD3\xD4\xD5\xD6\xD7\xD8\xD9\xDA\
\xE2\xE3\xE4\xE5\xE6\xE7\xE8\xE9\xEA\xF2\xF3\xF4\xF5\xF6\xF7\xF8\xF9\xFA",
    ),
];

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use image::{Rgb, RgbImage};

    /// Colors that change from left to right and from top to bottom.
    pub(crate) fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x * 5) as u8, (y * 3) as u8, (x * y / 9) as u8])
        })
    }

    pub(crate) fn encoded(image: &RgbImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 90)
            .encode_image(image)
            .unwrap();
        bytes
    }

    /// The same without its segments of Huffman tables, and their content.
    pub(crate) fn without_huffman_tables(jpeg: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (mut rest, mut tables) = (jpeg[..2].to_vec(), Vec::new());
        let mut at = 2;
        while jpeg[at + 1] != 0xDA {
            let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
            match jpeg[at + 1] {
                0xC4 => tables.extend(&jpeg[at + 4..end]),
                _ => rest.extend(&jpeg[at..end]),
            }
            at = end;
        }
        rest.extend(&jpeg[at..]);
        (rest, tables)
    }

    #[test]
    fn an_image_is_whole_at_its_end_and_short_before() {
        let jpeg = encoded(&picture(40, 30));
        let padded = [&jpeg[..], &[0; 9]].concat();
        assert_eq!(Walk::default().on(&padded), Walked::Whole(jpeg.len()));
        let mut walk = Walk::default();
        for len in 0..jpeg.len() {
            assert_eq!(walk.on(&jpeg[..len]), Walked::Short, "{len} bytes");
        }
        assert_eq!(walk.on(&jpeg), Walked::Whole(jpeg.len()));
    }

    #[test]
    fn a_preview_inside_is_passed_over() {
        let preview = encoded(&picture(16, 16));
        let jpeg = encoded(&picture(40, 30));
        let len = (preview.len() + 2) as u16;
        let segment = [&[0xFF, 0xE1], &len.to_be_bytes()[..], &preview].concat();
        let whole = [&jpeg[..2], &segment, &jpeg[2..]].concat();
        assert_eq!(Walk::default().on(&whole), Walked::Whole(whole.len()));
    }

    #[test]
    fn what_no_image_has_is_told_where_it_is() {
        let jpeg = encoded(&picture(40, 30));
        let cut = jpeg.len() - 20;
        for wrong in [&jpeg[..], b"\xFF\x37rest"] {
            let bytes = [&jpeg[..cut], wrong].concat();
            assert_eq!(Walk::default().on(&bytes), Walked::Broken(cut));
        }
        assert_eq!(Walk::default().on(b"PNG"), Walked::Broken(0));
        assert_eq!(Walk::default().on(b"\xFF\xD8\x00"), Walked::Broken(0));
    }

    #[test]
    fn the_standard_huffman_tables_are_those_of_the_encoder() {
        let jpeg = encoded(&picture(40, 30));
        let (without, tables) = without_huffman_tables(&jpeg);
        let own = &huffman_tables()[4..];
        // The encoder has one table after the other, each in a segment of its own.
        let class_and_number = |tables: &[u8]| {
            let mut all = Vec::new();
            let mut rest = tables;
            while let [id, ..] = rest {
                let values: usize = rest[1..17].iter().map(|n| usize::from(*n)).sum();
                all.push((*id, rest[1..17 + values].to_vec()));
                rest = &rest[17 + values..];
            }
            all.sort();
            all
        };
        assert_eq!(class_and_number(own), class_and_number(&tables));
        let decode = |jpeg: &[u8]| image::load_from_memory(jpeg).unwrap().into_rgb8();
        assert!(image::load_from_memory(&without).is_err());
        let padded = [&without[..], b"\0\0"].concat();
        let (restored, behind) = with_huffman_tables(&padded).unwrap();
        assert_eq!((decode(&restored), behind), (decode(&jpeg), &b"\0\0"[..]));
        assert_eq!(*with_huffman_tables(&jpeg).unwrap().0, *jpeg);
        assert!(with_huffman_tables(&jpeg[..jpeg.len() - 1]).is_none());
    }
}
