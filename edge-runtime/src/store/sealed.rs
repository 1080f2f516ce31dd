//! Sealing: XChaCha20-Poly1305 with a random nonce of 24 bytes.
//!
//! ```text
//! 0   1  version of the seal, 1
//! 1   24 nonce
//! 25  n  ciphertext
//! ..  16 tag, over the ciphertext and what it is about
//! ```

use super::error::KeyError;
use super::key::random;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const NONCE_LEN: usize = 24;

/// What is sealed: a word for the kind, and which one of the kind. A seal that is carried to
/// another place does not open there.
#[derive(Clone, Copy)]
pub(super) struct About<'a>(pub(super) &'static str, pub(super) &'a [u8]);

impl About<'_> {
    fn bytes(self) -> Vec<u8> {
        [self.0.as_bytes(), &[0], self.1].concat()
    }
}

/// Seals some bytes.
///
/// # Errors
/// [`KeyError::Random`].
pub(super) fn seal(key: &[u8; 32], about: About<'_>, plain: &[u8]) -> Result<Vec<u8>, KeyError> {
    let nonce = random::<NONCE_LEN>()?;
    let aad = &about.bytes();
    let payload = Payload { msg: plain, aad };
    let sealed = XChaCha20Poly1305::new(key.into()).encrypt(&XNonce::from(nonce), payload);
    let sealed = sealed.expect("what is sealed is far shorter than 256 GiB");
    Ok([&[VERSION], &nonce[..], &sealed].concat())
}

/// Opens a seal; `None` if a bit is not as it was sealed, or if it is about something else.
pub(super) fn open(key: &[u8; 32], about: About<'_>, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (version, sealed) = sealed.split_first()?;
    let (nonce, msg) = sealed.split_first_chunk::<NONCE_LEN>()?;
    if *version != VERSION {
        return None;
    }
    let aad = &about.bytes();
    let cipher = XChaCha20Poly1305::new(key.into());
    let plain = cipher.decrypt(&XNonce::from(*nonce), Payload { msg, aad });
    Some(Zeroizing::new(plain.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About<'_> = About("test", b"ada");

    #[test]
    fn a_seal_opens_with_its_key_and_for_what_it_is_about_only() {
        let sealed = seal(&[1; 32], ABOUT, b"template").unwrap();
        assert_eq!(sealed.len(), 1 + 24 + 8 + 16);
        assert_eq!(open(&[1; 32], ABOUT, &sealed).unwrap()[..], b"template"[..]);
        assert!(open(&[2; 32], ABOUT, &sealed).is_none());
        for about in [
            About("test", b"ben"),
            About("tes", b"t\0ada"),
            About("", b""),
        ] {
            assert!(open(&[1; 32], about, &sealed).is_none());
        }
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&[1; 32], ABOUT, &changed).is_none(), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert!(open(&[1; 32], ABOUT, &sealed[..len]).is_none());
        }
        assert_ne!(seal(&[1; 32], ABOUT, b"template").unwrap(), sealed);
    }

    #[test]
    fn a_seal_made_elsewhere_opens() {
        // draft-irtf-cfrg-xchacha-03, appendix A.3.1, with its tag.
        let key: [u8; 32] = std::array::from_fn(|i| 0x80 + i as u8);
        let nonce: [u8; 24] = std::array::from_fn(|i| 0x40 + i as u8);
        let aad = [
            0x50, 0x51, 0x52, 0x53, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7,
        ];
        let msg = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let payload = Payload { msg, aad: &aad };
        let cipher = XChaCha20Poly1305::new((&key).into());
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).unwrap();
        assert_eq!(sealed[..4], [0xBD, 0x6D, 0x17, 0x9D]);
        let tag = [
            0xC0, 0x87, 0x59, 0x24, 0xC1, 0xC7, 0x98, 0x79, 0x47, 0xDE, 0xAF, 0xD8, 0x78, 0x0A,
            0xCF, 0x49,
        ];
        assert_eq!(sealed[msg.len()..], tag);
    }
}
