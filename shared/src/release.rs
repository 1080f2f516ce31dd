//! A release: which program and which bundle a door may load, signed with ed25519 (RFC 8032).
//!
//! What is signed is a line that says so and the postcard bytes of the [`Release`]: a signature made
//! for anything else means nothing here.

use crate::canonical;
use crate::digest::Digest;
use crate::envelope::{self, EnvelopeError, Kind};
use alloc::{string::String, vec::Vec};
use core::fmt;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

/// Goes before what is signed.
const CONTEXT: &[u8] = b"facelatch release 1\n";
/// More than the precisions that there are, and the bundle that has them all.
const MAX_BUNDLES: usize = 8;
/// The most bytes of a version or of an architecture.
const MAX_NAME_LEN: usize = 64;

/// What belongs together on a door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// A door takes none with a lower number than it has had. By custom the seconds since 1970
    /// when it was signed.
    pub counter: u64,
    /// Version of the program, for people.
    pub version: String,
    /// What the program runs on, as `uname -m` names it.
    pub architecture: String,
    /// Digest of the program's file.
    pub runtime: Digest,
    /// Digest of the bundle's file, and of the file of each precision that may be left in it.
    pub bundles: Vec<Digest>,
}

impl Release {
    fn is_possible(&self) -> bool {
        let name = |text: &str| (1..=MAX_NAME_LEN).contains(&text.len()) && text.is_ascii();
        name(&self.version)
            && name(&self.architecture)
            && (1..=MAX_BUNDLES).contains(&self.bundles.len())
    }
}

/// A release and who vouches for it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRelease {
    /// The postcard bytes of a [`Release`].
    #[serde(with = "serde_bytes")]
    release: Vec<u8>,
    #[serde(with = "serde_bytes")]
    signature: Vec<u8>,
}

impl fmt::Debug for SignedRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedRelease({:?})", Digest::of(&self.release))
    }
}

/// Why a release is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// Not a release's envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Signed with another key, or changed after it was signed.
    #[error(
        "it is not signed with the key that this door trusts; sign it with the key that the door was first deployed with"
    )]
    NotTrusted,
    /// Signed, and impossible.
    #[error("what is signed is no possible release; it was made by a faulty program")]
    Impossible,
}

impl SignedRelease {
    /// Signs a release.
    ///
    /// # Errors
    /// [`ReleaseError::Impossible`] if a door would not read it.
    pub fn sign(release: &Release, key: &SigningKey) -> Result<Self, ReleaseError> {
        if !release.is_possible() {
            return Err(ReleaseError::Impossible);
        }
        let release = postcard::to_allocvec(release).map_err(|_| ReleaseError::Impossible)?;
        let signature = key.sign(&message(&release)).to_bytes().to_vec();
        Ok(Self { release, signature })
    }

    /// The release, if that key signed it.
    ///
    /// # Errors
    /// [`ReleaseError::NotTrusted`] or [`ReleaseError::Impossible`].
    pub fn verify(&self, key: &VerifyingKey) -> Result<Release, ReleaseError> {
        let signature = Signature::from_slice(&self.signature);
        let signature = signature.map_err(|_| ReleaseError::NotTrusted)?;
        let verified = key.verify_strict(&message(&self.release), &signature);
        verified.map_err(|_| ReleaseError::NotTrusted)?;
        // Nothing of it is read before.
        let release: Option<Release> = canonical::from_bytes(&self.release);
        let release = release.filter(Release::is_possible);
        release.ok_or(ReleaseError::Impossible)
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// None that can be met: a release has a limit of its own.
    pub fn encode(&self) -> Result<Vec<u8>, EnvelopeError> {
        envelope::encode(Kind::Release, self)
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        envelope::decode(Kind::Release, bytes)
    }
}

fn message(release: &[u8]) -> Vec<u8> {
    [CONTEXT, release].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn release() -> Release {
        Release {
            counter: 1_764_000_000,
            version: "0.1.0".into(),
            architecture: "aarch64".into(),
            runtime: Digest([1; 32]),
            bundles: vec![Digest([2; 32]), Digest([3; 32])],
        }
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    #[test]
    fn a_release_is_read_back_with_its_key_only() {
        let bytes = SignedRelease::sign(&release(), &key(1))
            .unwrap()
            .encode()
            .unwrap();
        let read = SignedRelease::decode(&bytes).unwrap();
        assert_eq!(read.verify(&key(1).verifying_key()), Ok(release()));
        let foreign = read.verify(&key(2).verifying_key());
        assert_eq!(foreign, Err(ReleaseError::NotTrusted));
    }

    #[test]
    fn the_signature_is_this() {
        // From Python's `cryptography`: Ed25519PrivateKey.from_private_bytes(32 bytes of 1), over
        // the context and the bytes that begin below.
        let signed = SignedRelease::sign(&release(), &key(1)).unwrap();
        let mut expected = vec![0x80, 0x82, 0x92, 0xc9, 0x06];
        expected.extend(b"\x050.1.0\x07aarch64");
        expected.extend([1; 32]);
        expected.push(2);
        expected.extend([2; 32]);
        expected.extend([3; 32]);
        assert_eq!(signed.release, expected);
        assert_eq!(
            signed.signature[..8],
            [0xdb, 0x4c, 0x76, 0x83, 0x58, 0x56, 0x2c, 0x41]
        );
    }

    #[test]
    fn nothing_that_was_changed_is_trusted() {
        let signed = SignedRelease::sign(&release(), &key(1)).unwrap();
        let trusted = |signed: &SignedRelease| signed.verify(&key(1).verifying_key());
        for bit in 0..8 * signed.release.len() {
            let mut forged = signed.clone();
            forged.release[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(trusted(&forged), Err(ReleaseError::NotTrusted));
        }
        for bit in 0..8 * signed.signature.len() {
            let mut forged = signed.clone();
            forged.signature[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(trusted(&forged), Err(ReleaseError::NotTrusted));
        }
        let mut short = signed.clone();
        short.signature.pop();
        assert_eq!(trusted(&short), Err(ReleaseError::NotTrusted));
        // Signed, for something else.
        let bare = SignedRelease {
            signature: key(1).sign(&signed.release).to_bytes().to_vec(),
            ..signed
        };
        assert_eq!(trusted(&bare), Err(ReleaseError::NotTrusted));
    }

    #[test]
    fn impossible_releases_are_neither_signed_nor_believed() {
        let changed = |change: fn(&mut Release)| {
            let mut release = release();
            change(&mut release);
            release
        };
        for impossible in [
            changed(|r| r.bundles.clear()),
            changed(|r| r.bundles = vec![Digest([2; 32]); 9]),
            changed(|r| r.version.clear()),
            changed(|r| r.architecture = "\u{e4}".into()),
            changed(|r| r.version = "1".repeat(65)),
        ] {
            let refused = SignedRelease::sign(&impossible, &key(1));
            assert_eq!(refused, Err(ReleaseError::Impossible));
            let release = postcard::to_allocvec(&impossible).unwrap();
            let signature = key(1).sign(&message(&release)).to_bytes().to_vec();
            let forced = SignedRelease { release, signature };
            let read = forced.verify(&key(1).verifying_key());
            assert_eq!(read, Err(ReleaseError::Impossible));
        }
    }
}
