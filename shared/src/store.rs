//! What lies in a door's store beside the records and the log: keys, kept crops, the ends of a
//! queue, and what is carried to another door.

use crate::align::{AlignTemplate, AlignedFace};
use crate::envelope::{self, EnvelopeError, Kind};
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::Zeroize;

/// The content of a key file. Its bytes leave the memory with it.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeyFile {
    key: [u8; 32],
    /// Whether a store was made with it.
    pub in_use: bool,
}

impl KeyFile {
    /// A key file of 32 random bytes.
    pub fn new(key: [u8; 32], in_use: bool) -> Self {
        Self { key, in_use }
    }

    /// The key.
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The bytes of a file: of a [`Kind::StoreKey`] or a [`Kind::TransferKey`].
    ///
    /// # Errors
    /// None that can be met: the content has one length.
    pub fn encode(&self, kind: Kind) -> Result<Vec<u8>, EnvelopeError> {
        envelope::encode(kind, self)
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn decode(kind: Kind, bytes: &[u8]) -> Result<Self, EnvelopeError> {
        envelope::decode(kind, bytes)
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFile(withheld, in use: {})", self.in_use)
    }
}

/// The aligned faces that a person was enrolled from, to embed them again with another model.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptCrops {
    template: AlignTemplate,
    /// RGB bytes, row by row.
    faces: Vec<ByteBuf>,
}

impl KeptCrops {
    /// The crops of faces on one template; `None` if there are none, or on several templates.
    pub fn new(faces: &[AlignedFace]) -> Option<Self> {
        let template = faces.first()?.template();
        let same = faces.iter().all(|face| face.template() == template);
        let bytes = |face: &AlignedFace| ByteBuf::from(face.pixels());
        same.then(|| Self {
            template,
            faces: faces.iter().map(bytes).collect(),
        })
    }

    /// The faces; `None` if one has not the size of its template.
    pub fn faces(&self) -> Option<Vec<AlignedFace>> {
        let face = |bytes: &ByteBuf| AlignedFace::from_pixels(self.template, bytes.to_vec());
        self.faces.iter().map(face).collect()
    }

    /// Where the landmarks lie in each.
    pub fn template(&self) -> AlignTemplate {
        self.template
    }

    /// The bytes to be sealed.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLong`] with more crops than may be kept.
    pub fn encode(&self) -> Result<Vec<u8>, EnvelopeError> {
        envelope::encode(Kind::KeptCrops, self)
    }

    /// Reads them back.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        envelope::decode(Kind::KeptCrops, bytes)
    }
}

impl fmt::Debug for KeptCrops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptCrops({} faces withheld)", self.faces.len())
    }
}

/// What is known of a queue of messages beside the messages that wait in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueEnds {
    /// Number of the newest message that there ever was; the first is 1.
    pub newest: u64,
    /// How many messages were dropped because too many waited.
    pub dropped: u64,
}

/// People on their way to another door, as they are before they are sealed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// One a person.
    pub people: Vec<Traveler>,
}

/// One person on the way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traveler {
    /// The bytes of an [`crate::enrollment::EnrollmentRecord`].
    #[serde(with = "serde_bytes")]
    pub record: Vec<u8>,
    /// The bytes of [`KeptCrops`], where they are kept.
    pub crops: Option<ByteBuf>,
}

impl Transfer {
    /// The bytes to be sealed.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLong`] with more people than one file carries.
    pub fn encode(&self) -> Result<Vec<u8>, EnvelopeError> {
        envelope::encode(Kind::Transfer, self)
    }

    /// Reads them back.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        envelope::decode(Kind::Transfer, bytes)
    }
}

impl Drop for Traveler {
    fn drop(&mut self) {
        self.record.zeroize();
        if let Some(crops) = &mut self.crops {
            crops.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};

    #[test]
    fn a_key_file_is_read_back_as_its_kind_only() {
        let bytes = KeyFile::new([7; 32], true).encode(Kind::StoreKey).unwrap();
        assert_eq!(bytes.len(), 16 + 33 + 32);
        let read = KeyFile::decode(Kind::StoreKey, &bytes).unwrap();
        assert_eq!((read.key(), read.in_use), (&[7; 32], true));
        assert!(!format!("{read:?}").contains('7'));
        let other = KeyFile::decode(Kind::TransferKey, &bytes).unwrap_err();
        assert!(matches!(other, EnvelopeError::WrongKind { .. }));
        let mut damaged = bytes.clone();
        damaged[20] ^= 1;
        let error = KeyFile::decode(Kind::StoreKey, &damaged).unwrap_err();
        assert_eq!(error, EnvelopeError::WrongChecksum);
    }

    #[test]
    fn crops_are_read_back_and_have_the_size_of_their_template() {
        let face = |template: AlignTemplate, gray| {
            let len = 3 * template.width() * template.height();
            AlignedFace::from_pixels(template, vec![gray; len]).unwrap()
        };
        let wide = AlignTemplate::Arcface112x112;
        let faces = [face(wide, 1), face(wide, 2)];
        let crops = KeptCrops::new(&faces).unwrap();
        let bytes = crops.encode().unwrap();
        let read = KeptCrops::decode(&bytes).unwrap();
        assert_eq!(
            (read.faces().unwrap(), read.template()),
            (faces.into(), wide)
        );
        assert_eq!(bytes.len(), 16 + 1 + 1 + 2 * (3 + 37_632) + 32);

        assert_eq!(KeptCrops::new(&[]), None);
        let narrow = face(AlignTemplate::Sphereface112x96, 1);
        assert_eq!(KeptCrops::new(&[face(wide, 1), narrow]), None);
        let forged = KeptCrops {
            template: AlignTemplate::Sphereface112x96,
            ..crops
        };
        assert_eq!(forged.faces(), None);
    }
}
