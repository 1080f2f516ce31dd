//! What lies on the machine's stack.

use std::ops::Range;

/// Where some bytes lie in the file.
#[derive(Debug, Clone)]
pub(in super::super) struct Bytes {
    at: Range<usize>,
    /// Whether they lie there as UTF-8 of their Latin-1.
    text: bool,
}

impl Bytes {
    /// The bytes themselves; `None` if text was called bytes and is none.
    pub(in super::super) fn of(&self, file: &[u8]) -> Option<Vec<u8>> {
        let bytes = &file[self.at.clone()];
        match self.text {
            false => Some(bytes.to_vec()),
            true => {
                let mut chars = std::str::from_utf8(bytes).ok()?.chars();
                chars.try_fold(Vec::new(), |mut bytes, c| {
                    bytes.push(u8::try_from(c).ok()?);
                    Some(bytes)
                })
            }
        }
    }
}

/// What a list holds.
#[derive(Clone)]
pub(super) enum Leaf {
    Bytes(Bytes),
    Bool(bool),
    Text(Range<usize>),
    /// The function that makes bytes of text.
    Encode,
}

impl Leaf {
    pub(super) fn raw(at: Range<usize>) -> Self {
        Self::Bytes(Bytes { at, text: false })
    }

    pub(super) fn encoded(at: Range<usize>) -> Self {
        Self::Bytes(Bytes { at, text: true })
    }
}

pub(super) enum Value {
    Leaf(Leaf),
    List(Vec<Leaf>),
    /// What `encode` is called with.
    Text(Range<usize>),
    Pair(Vec<Leaf>, Vec<Leaf>),
}

impl Value {
    /// # Errors
    /// What it is instead.
    pub(super) fn leaf(self) -> Result<Leaf, String> {
        match self {
            Self::Leaf(leaf) => Ok(leaf),
            _ => Err("something else than bytes or a boolean in a list".into()),
        }
    }
}
