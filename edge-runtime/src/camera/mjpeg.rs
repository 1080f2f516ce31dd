//! Motion JPEG: a stream of JPEGs, one behind the other, taken apart.

use crate::jpeg::{START, Walk, Walked};

/// The longest frame, in bytes; a stream that goes on longer is none.
const MAX_FRAME_LEN: usize = 16 << 20;

/// Takes a stream apart that arrives in pieces of any length.
#[derive(Default)]
pub(super) struct Splitter {
    bytes: Vec<u8>,
    walk: Walk,
    /// Bytes were lost, which was told, and no frame was whole since.
    told: bool,
}

/// Why bytes were lost.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lost {
    /// Something else stands where a JPEG should begin or go on.
    #[error("a garbled frame: the stream holds bytes that are no JPEG")]
    NotJpeg,
    /// No end comes.
    #[error(
        "a garbled frame: no end within {} MiB, expected whole JPEGs",
        MAX_FRAME_LEN >> 20
    )]
    Endless,
}

impl Splitter {
    /// Takes what came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame; `None` if there is none yet. Between two frames bytes are told to be
    /// lost once, however many they are.
    pub(super) fn next(&mut self) -> Option<Result<Vec<u8>, Lost>> {
        loop {
            let lost = match self.walk.on(&self.bytes) {
                Walked::Whole(len) => {
                    let rest = self.bytes.split_off(len);
                    self.walk = Walk::default();
                    self.told = false;
                    return Some(Ok(std::mem::replace(&mut self.bytes, rest)));
                }
                Walked::Short if self.bytes.len() <= MAX_FRAME_LEN => return None,
                Walked::Short => {
                    self.skip_to_start(self.bytes.len());
                    Lost::Endless
                }
                Walked::Broken(at) => {
                    self.skip_to_start(at);
                    Lost::NotJpeg
                }
            };
            if !std::mem::replace(&mut self.told, true) {
                return Some(Err(lost));
            }
        }
    }

    /// Drops everything before the first start at or behind `from`. What lies before `from` is no
    /// place to look: a preview may be there, and would pass for a frame.
    fn skip_to_start(&mut self, from: usize) {
        let begins = |at: &usize| {
            let rest = &self.bytes[*at..];
            let known = rest.len().min(START.len());
            rest[..known] == START[..known]
        };
        let end = self.bytes.len();
        let start = (from..end).find(begins).unwrap_or(end);
        self.bytes.drain(..start);
        self.walk = Walk::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::tests::{encoded, picture};
    use proptest::prelude::*;

    fn frames(seed: u32) -> [Vec<u8>; 3] {
        [40, 48, 56].map(|width| encoded(&picture(width + seed % 7, 30)))
    }

    /// What comes out of a stream in pieces of `piece` bytes; `None` for a loss.
    fn split(stream: &[u8], piece: usize) -> Vec<Option<Vec<u8>>> {
        let mut splitter = Splitter::default();
        let mut all = Vec::new();
        for piece in stream.chunks(piece) {
            splitter.push(piece);
            while let Some(next) = splitter.next() {
                all.push(next.ok());
            }
        }
        all
    }

    #[test]
    fn frames_come_out_as_they_went_in_whatever_the_pieces() {
        let frames = frames(0);
        for piece in [1, 7, 1000, usize::MAX] {
            assert_eq!(split(&frames.concat(), piece), frames.clone().map(Some));
        }
    }

    #[test]
    fn a_cut_frame_is_lost_and_the_next_is_whole() {
        let [a, b, c] = frames(0);
        let stream = [&a[..], &b[..b.len() - 30], &c].concat();
        for piece in [1, 100, usize::MAX] {
            assert_eq!(
                split(&stream, piece),
                [Some(a.clone()), None, Some(c.clone())]
            );
        }
    }

    #[test]
    fn the_preview_in_a_broken_frame_is_no_frame() {
        let [preview, frame, next] = frames(0);
        let len = (preview.len() + 2) as u16;
        let segment = [&[0xFF, 0xE1], &len.to_be_bytes()[..], &preview].concat();
        let cut = frame.len() - 30;
        let stream = [&frame[..2], &segment, &frame[2..cut], &next].concat();
        assert_eq!(split(&stream, 64), [None, Some(next)]);
    }

    #[test]
    fn a_stream_without_an_end_is_dropped_at_the_cap() {
        let [frame, ..] = frames(0);
        let mut splitter = Splitter::default();
        splitter.push(&frame[..frame.len() - 2]);
        let zeros = vec![0; 1 << 20];
        let mut told = Vec::new();
        for _ in 0..40 {
            splitter.push(&zeros);
            told.extend(splitter.next());
            assert!(splitter.bytes.len() <= MAX_FRAME_LEN + zeros.len());
        }
        assert_eq!(told, [Err(Lost::Endless)]);
        splitter.push(&frame);
        assert_eq!(splitter.next(), Some(Ok(frame)));
    }

    proptest! {
        #[test]
        fn after_any_garbage_the_stream_is_found_again(
            garbage in prop::collection::vec(any::<u8>(), 0..3000),
            piece in 1_usize..500,
        ) {
            let frames = frames(garbage.len() as u32);
            // A length in the garbage may pass over as many bytes as it can say.
            let filler = frames[0].repeat(0x1_0000 / frames[0].len() + 2);
            let stream = [&frames[1][..], &garbage, &filler, &frames[2]].concat();
            let all = split(&stream, piece);
            prop_assert_eq!(all.first(), Some(&Some(frames[1].clone())));
            prop_assert_eq!(all.last(), Some(&Some(frames[2].clone())));
        }
    }
}
