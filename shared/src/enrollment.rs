//! The record of one enrolled person.

use crate::digest::Digest;
use crate::embedding::{DegenerateEmbedding, Embedding};
use crate::envelope::{self, EnvelopeError, Kind};
use alloc::{string::String, vec::Vec};
use core::fmt;
use serde::{Deserialize, Serialize};

/// The longest subject name, in bytes.
pub const MAX_SUBJECT_LEN: usize = 64;

/// Who someone is to the door, with templates of one model.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct EnrollmentRecord {
    /// Of the model that made the templates; they are valid under no other but one that accepts it
    /// ([`crate::bundle::Manifest::accepts`]).
    pub model: Digest,
    subject: String,
    templates: Vec<Embedding>,
    /// When the person was enrolled, in seconds since 1970 (UTC).
    pub enrolled_at: u64,
}

/// Why no record can be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnrollmentError {
    /// A name that cannot be a file's name and be printed.
    #[error(
        "a subject's name has 1 to {MAX_SUBJECT_LEN} letters, digits, '-', '_' or '.', and does not begin with '.'"
    )]
    SubjectName,
    /// Nothing to compare with.
    #[error("an enrollment needs at least one usable face")]
    NoTemplates,
    /// The templates cannot be averaged.
    #[error("the templates differ in length or cancel each other; enroll again")]
    Templates(#[from] DegenerateEmbedding),
    /// The file is not a record.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

impl EnrollmentRecord {
    /// A record of a person from one template or more.
    ///
    /// # Errors
    /// [`EnrollmentError`], any variant but `Envelope`.
    pub fn new(
        subject: &str,
        model: Digest,
        templates: Vec<Embedding>,
        enrolled_at: u64,
    ) -> Result<Self, EnrollmentError> {
        let record = Self {
            model,
            subject: subject.into(),
            templates,
            enrolled_at,
        };
        record.check()?;
        Ok(record)
    }

    fn check(&self) -> Result<(), EnrollmentError> {
        check_subject(&self.subject)?;
        if self.templates.is_empty() {
            return Err(EnrollmentError::NoTemplates);
        }
        Embedding::sum(&self.templates)?;
        Ok(())
    }

    /// The person's name; see [`check_subject`].
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// How many templates the record holds, at least one.
    pub fn template_count(&self) -> usize {
        self.templates.len()
    }

    /// The direction of the sum of the templates: what a probe is compared with. One comparison
    /// a person, where the best of several would multiply the false matches.
    ///
    /// # Errors
    /// [`DegenerateEmbedding`] if the templates cancel, which a checked record's do not.
    pub fn reference(&self) -> Result<Embedding, DegenerateEmbedding> {
        Embedding::sum(&self.templates)
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLong`] with more templates than a record may hold.
    pub fn encode(&self) -> Result<Vec<u8>, EnvelopeError> {
        envelope::encode(Kind::EnrollmentRecord, self)
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`EnrollmentError`], the first check that fails.
    pub fn decode(bytes: &[u8]) -> Result<Self, EnrollmentError> {
        let record: Self = envelope::decode(Kind::EnrollmentRecord, bytes)?;
        record.check()?;
        Ok(record)
    }
}

/// A subject's name goes into file names and logs' keys, so it is plain ASCII.
///
/// # Errors
/// [`EnrollmentError::SubjectName`].
pub fn check_subject(subject: &str) -> Result<(), EnrollmentError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let length = (1..=MAX_SUBJECT_LEN).contains(&subject.len());
    let named = length && subject.bytes().all(plain) && !subject.starts_with('.');
    named.then_some(()).ok_or(EnrollmentError::SubjectName)
}

impl fmt::Debug for EnrollmentRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "EnrollmentRecord({} templates of model {:?})",
            self.templates.len(),
            self.model
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString, vec};

    fn unit(raw: &[f32]) -> Embedding {
        Embedding::from_raw(raw.to_vec()).unwrap()
    }

    fn record() -> EnrollmentRecord {
        let templates = vec![unit(&[1.0, 0.0]), unit(&[0.0, 1.0])];
        EnrollmentRecord::new("ada", Digest::of(b"model"), templates, 1_700_000_000).unwrap()
    }

    #[test]
    fn a_record_survives_its_file() {
        let bytes = record().encode().unwrap();
        assert_eq!(EnrollmentRecord::decode(&bytes).unwrap(), record());
        // 32 digest, 1 + 3 name, 1 + 2 * (1 + 8) templates, 5 of varint time.
        assert_eq!(bytes.len(), 16 + 32 + 4 + 19 + 5 + 32);
        // Whoever changes the payload raises the kind's version.
        assert_eq!(&bytes[48..52], b"\x03ada");
        assert_eq!(&bytes[52..62], b"\x02\x02\x00\x00\x80\x3f\x00\x00\x00\x00");
        assert_eq!(&bytes[71..76], b"\x80\xe2\xcf\xaa\x06");
    }

    #[test]
    fn the_reference_is_the_direction_of_the_sum() {
        assert_eq!(record().reference().unwrap(), unit(&[1.0, 1.0]));
    }

    #[test]
    fn every_unusable_record_has_its_error() {
        let check = |subject: &str, templates: Vec<Embedding>, error: EnrollmentError| {
            let made = EnrollmentRecord::new(subject, Digest::of(b"m"), templates, 0);
            assert_eq!(made, Err(error));
        };
        let one = vec![unit(&[1.0, 0.0])];
        for name in ["", "a b", "../x", ".x", "ü", &"x".repeat(65)] {
            check(name, one.clone(), EnrollmentError::SubjectName);
        }
        check("ada", vec![], EnrollmentError::NoTemplates);
        let cancel = vec![unit(&[1.0, 0.0]), unit(&[-1.0, 0.0])];
        check(
            "ada",
            cancel,
            EnrollmentError::Templates(DegenerateEmbedding),
        );
        let lengths = vec![unit(&[1.0, 0.0]), unit(&[1.0])];
        check(
            "ada",
            lengths,
            EnrollmentError::Templates(DegenerateEmbedding),
        );
        let error = EnrollmentRecord::decode(b"junk").unwrap_err();
        assert_eq!(error, EnrollmentError::Envelope(EnvelopeError::TooShort(4)));
        assert!(error.to_string().contains("4 bytes"));
    }

    #[test]
    fn a_forged_name_is_refused_when_read() {
        let forged = EnrollmentRecord {
            subject: "../../etc".into(),
            ..record()
        };
        let bytes = forged.encode().unwrap();
        assert_eq!(
            EnrollmentRecord::decode(&bytes),
            Err(EnrollmentError::SubjectName)
        );
    }

    #[test]
    fn debug_names_nobody() {
        assert!(!format!("{:?}", record()).contains("ada"));
    }
}
