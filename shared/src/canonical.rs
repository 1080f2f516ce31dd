//! Bytes to a value, for which there are no other bytes.
//!
//! Postcard takes a number in more bytes than it needs. Two files of one meaning would have two
//! digests, and a signature or a log that knows one of them says nothing about the other.

use postcard::ser_flavors::Flavor;
use serde::{Serialize, de::DeserializeOwned};

/// The value that is written as exactly these bytes; `None` if there is none.
pub(crate) fn from_bytes<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let value = postcard::from_bytes(bytes).ok()?;
    postcard::serialize_with_flavor(&value, Left(bytes)).ok()?;
    Some(value)
}

/// Takes what is written and compares it, without a copy: it may be a key.
struct Left<'a>(&'a [u8]);

impl Flavor for Left<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        let left = self.0.strip_prefix(bytes);
        self.0 = left.ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        let all = self.0.is_empty().then_some(());
        all.ok_or(postcard::Error::SerializeBufferFull)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn only_the_bytes_that_are_written_are_read() {
        let read = |bytes: &[u8]| from_bytes::<(String, u64)>(bytes);
        assert_eq!(read(b"\x01a\x07"), Some(("a".into(), 7)));
        // The number in a byte more, the length in a byte more, a byte after it, a byte too few.
        for bytes in [
            &b"\x01a\x87\0"[..],
            b"\x81\0a\x07",
            b"\x01a\x07\0",
            b"\x01a",
        ] {
            assert_eq!(read(bytes), None);
        }
    }
}
