//! The frame around every file: magic, kind, version, length, payload, SHA-256 of all of it.
//!
//! ```text
//! 0   8  "FACELTCH"
//! 8   2  kind, little endian
//! 10  2  version of that kind's payload, little endian
//! 12  4  length of the payload, little endian
//! 16  n  payload (postcard)
//! ..  32 SHA-256 of everything before
//! ```

use crate::canonical;
use crate::digest::Digest;
use alloc::vec::Vec;
use serde::{Serialize, de::DeserializeOwned};

const MAGIC: &[u8; 8] = b"FACELTCH";
const HEADER_LEN: usize = 16;
const DIGEST_LEN: usize = 32;

/// What may be inside an envelope. The number is part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// A model with its operating points: [`crate::bundle::Bundle`].
    Bundle = 1,
    /// One enrolled person: [`crate::enrollment::EnrollmentRecord`].
    EnrollmentRecord = 2,
    /// What a door may load, signed: [`crate::release::SignedRelease`].
    Release = 3,
    /// What a store is sealed with: [`crate::store::KeyFile`].
    StoreKey = 10,
    /// What records are sealed with on their way to another door: [`crate::store::KeyFile`].
    TransferKey = 11,
    /// People on their way to another door: [`crate::store::Transfer`].
    Transfer = 12,
    /// The same, sealed.
    SealedTransfer = 13,
    /// What a person was enrolled from: [`crate::store::KeptCrops`].
    KeptCrops = 14,
}

impl Kind {
    /// The version written, and the only one read.
    pub const fn version(self) -> u16 {
        match self {
            // 2: a detector beside the network. 3: several precisions, and what is comparable.
            // 4: what the training's log comes to.
            Self::Bundle => 4,
            _ => 1,
        }
    }

    /// The most payload bytes that are read or written; a corrupt length allocates no more.
    pub const fn max_len(self) -> usize {
        match self {
            Self::Bundle => 256 << 20,
            Self::EnrollmentRecord => 1 << 20,
            Self::Release => 4096,
            Self::StoreKey | Self::TransferKey => 64,
            Self::KeptCrops => 4 << 20,
            Self::Transfer => 64 << 20,
            Self::SealedTransfer => (64 << 20) + 1024,
        }
    }
}

/// Why some bytes are not the expected envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Shorter than a header and a digest.
    #[error("{0} bytes are too few for any Facelatch file; it was cut off, copy it again")]
    TooShort(usize),
    /// Something else entirely.
    #[error(
        "not a Facelatch file: it does not begin with FACELTCH; name a file that Facelatch made"
    )]
    WrongMagic,
    /// A Facelatch file of another kind.
    #[error("a file of kind {found}, expected a {expected:?} (kind {}); a path is mixed up", *expected as u16)]
    WrongKind {
        /// The number in the file.
        found: u16,
        /// What the caller wanted.
        expected: Kind,
    },
    /// Written by a newer or older program.
    #[error("{kind:?} version {found}, this program reads version {}; use programs of one release on both sides{}", kind.version(), remedy(*kind))]
    WrongVersion {
        /// Of which kind.
        kind: Kind,
        /// The number in the file.
        found: u16,
    },
    /// Larger than any real one.
    #[error("a {kind:?} of {len} bytes is over the limit of {} bytes", kind.max_len())]
    TooLong {
        /// Of which kind.
        kind: Kind,
        /// Payload bytes claimed or given.
        len: usize,
    },
    /// The length in the header is not the length of the file.
    #[error(
        "the header promises {promised} payload bytes, the file has {found}; it was cut off or appended to, copy it again"
    )]
    WrongLength {
        /// In the header.
        promised: usize,
        /// In the file.
        found: usize,
    },
    /// A bit is not as it was written.
    #[error("the checksum does not match: the file is damaged, copy it again")]
    WrongChecksum,
    /// The checksum is right and the content impossible: written by a faulty program.
    #[error("the payload is not a valid {0:?}")]
    Payload(Kind),
}

/// What else to do about a file of another release.
fn remedy(kind: Kind) -> &'static str {
    match kind {
        Kind::Bundle => ", and make the bundle anew with them",
        _ => "",
    }
}

/// Wraps a value.
///
/// # Errors
/// [`EnvelopeError::TooLong`] if it is over the kind's limit, [`EnvelopeError::Payload`] if it
/// cannot be serialized.
pub fn encode<T: Serialize>(kind: Kind, value: &T) -> Result<Vec<u8>, EnvelopeError> {
    // Of a key no part may stay behind in memory that was outgrown.
    let mut bytes = Vec::with_capacity(HEADER_LEN + kind.max_len().min(1024) + DIGEST_LEN);
    bytes.extend(MAGIC);
    bytes.extend((kind as u16).to_le_bytes());
    bytes.extend(kind.version().to_le_bytes());
    bytes.extend([0; 4]);
    let mut bytes = postcard::to_extend(value, bytes).map_err(|_| EnvelopeError::Payload(kind))?;
    let len = bytes.len() - HEADER_LEN;
    if len > kind.max_len() {
        return Err(EnvelopeError::TooLong { kind, len });
    }
    bytes[12..HEADER_LEN].copy_from_slice(&(len as u32).to_le_bytes());
    let digest = Digest::of(&bytes);
    bytes.extend(digest.0);
    Ok(bytes)
}

/// Unwraps a value after all checks.
///
/// # Errors
/// One variant of [`EnvelopeError`] for each thing that can be wrong, the first that is.
pub fn decode<T: Serialize + DeserializeOwned>(
    kind: Kind,
    bytes: &[u8],
) -> Result<T, EnvelopeError> {
    if bytes.len() < HEADER_LEN + DIGEST_LEN {
        return Err(EnvelopeError::TooShort(bytes.len()));
    }
    if &bytes[..8] != MAGIC {
        return Err(EnvelopeError::WrongMagic);
    }
    let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    if half(8) != kind as u16 {
        return Err(EnvelopeError::WrongKind {
            found: half(8),
            expected: kind,
        });
    }
    if half(10) != kind.version() {
        return Err(EnvelopeError::WrongVersion {
            kind,
            found: half(10),
        });
    }
    let promised = u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]) as usize;
    if promised > kind.max_len() {
        return Err(EnvelopeError::TooLong {
            kind,
            len: promised,
        });
    }
    let found = bytes.len() - HEADER_LEN - DIGEST_LEN;
    if promised != found {
        return Err(EnvelopeError::WrongLength { promised, found });
    }
    let (signed, digest) = bytes.split_at(HEADER_LEN + found);
    if Digest::of(signed).0 != *digest {
        return Err(EnvelopeError::WrongChecksum);
    }
    canonical::from_bytes(&signed[HEADER_LEN..]).ok_or(EnvelopeError::Payload(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::String, vec, vec::Vec};

    fn sample() -> Vec<u8> {
        encode(Kind::EnrollmentRecord, &("door", 7_u32)).unwrap()
    }

    fn read(bytes: &[u8]) -> Result<(String, u32), EnvelopeError> {
        decode(Kind::EnrollmentRecord, bytes)
    }

    #[test]
    fn the_bytes_are_these() {
        let bytes = sample();
        assert_eq!(
            &bytes[..22],
            b"FACELTCH\x02\x00\x01\x00\x06\x00\x00\x00\x04door\x07"
        );
        assert_eq!(bytes.len(), 22 + 32);
        assert_eq!(read(&bytes), Ok(("door".into(), 7)));
    }

    #[test]
    fn every_damage_has_its_error() {
        let changed = |at: usize, byte: u8| {
            let mut bytes = sample();
            bytes[at] = byte;
            bytes
        };
        let kind = Kind::EnrollmentRecord;
        let rows: Vec<(Vec<u8>, EnvelopeError)> = vec![
            (vec![], EnvelopeError::TooShort(0)),
            (sample()[..47].into(), EnvelopeError::TooShort(47)),
            (changed(0, b'f'), EnvelopeError::WrongMagic),
            (
                changed(8, 1),
                EnvelopeError::WrongKind {
                    found: 1,
                    expected: kind,
                },
            ),
            (
                changed(10, 9),
                EnvelopeError::WrongVersion { kind, found: 9 },
            ),
            (
                changed(15, 1),
                EnvelopeError::TooLong {
                    kind,
                    len: (1 << 24) + 6,
                },
            ),
            (
                changed(12, 7),
                EnvelopeError::WrongLength {
                    promised: 7,
                    found: 6,
                },
            ),
            (
                sample()[..53].into(),
                EnvelopeError::WrongLength {
                    promised: 6,
                    found: 5,
                },
            ),
            (changed(20, b'R'), EnvelopeError::WrongChecksum),
            (changed(53, 0), EnvelopeError::WrongChecksum),
            (
                encode(kind, &(0_u8, 2_u8, 3_u8)).unwrap(),
                EnvelopeError::Payload(kind),
            ),
        ];
        for (bytes, error) in rows {
            assert_eq!(read(&bytes), Err(error));
        }
    }

    #[test]
    fn more_than_the_limit_is_not_written() {
        let long = vec![0_u8; (1 << 20) + 1];
        let error = encode(Kind::EnrollmentRecord, &long).unwrap_err();
        assert!(matches!(error, EnvelopeError::TooLong { .. }));
    }

    proptest::proptest! {
        #[test]
        fn a_flipped_bit_is_never_accepted(bit in 0..54_usize * 8) {
            let mut bytes = sample();
            bytes[bit / 8] ^= 1 << (bit % 8);
            proptest::prop_assert!(read(&bytes).is_err());
        }
    }
}
