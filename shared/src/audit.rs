//! The door's log: what happened, and in which order, in a chain that cannot be cut unseen.
//!
//! Each entry holds the digest of the one before. Whoever knows one digest knows the whole past:
//! an entry that was changed, taken out or moved has another digest from there on.

use crate::canonical;
use crate::digest::Digest;
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// The most bytes of an entry's detail; what is longer is cut.
pub const MAX_DETAIL_LEN: usize = 500;

/// Kinds of entries. The order is part of the format: new ones go to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The door began to look.
    Started,
    /// The door ended.
    Stopped,
    /// The lock was released for the subject.
    Opened,
    /// Somebody was not let in.
    Refused,
    /// The subject was enrolled.
    Enrolled,
    /// The subject was enrolled anew, in place of the record before.
    Replaced,
    /// The subject was removed.
    Removed,
    /// The subject's record came from another door.
    Imported,
    /// The subject's record was written for another door.
    Exported,
    /// The subject's templates were made again, by another model.
    Reembedded,
    /// Something is wrong with the door.
    Alarm,
    /// Something failed.
    Failed,
    /// A new chain began; the one before was damaged.
    Restarted,
}

/// Something that happened.
///
/// It names people, because that is what it is for; there is no `Debug` here.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// In a word.
    pub what: What,
    /// Whom it concerns, if the door knows.
    pub subject: Option<String>,
    /// In a sentence; may be empty.
    pub detail: String,
}

impl AuditEvent {
    /// An event; of a detail over [`MAX_DETAIL_LEN`] bytes the beginning is kept.
    pub fn new(what: What, subject: Option<&str>, detail: &str) -> Self {
        Self {
            what,
            subject: subject.map(Into::into),
            detail: detail[..detail.floor_char_boundary(MAX_DETAIL_LEN)].into(),
        }
    }
}

/// One link of the chain.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The first entry of a chain has number 0.
    pub number: u64,
    /// The clock when it happened, in milliseconds since 1970 (UTC). Clocks can jump: the order
    /// is that of the numbers.
    pub at_ms: u64,
    /// Of the entry before.
    pub previous: Digest,
    /// What happened.
    pub event: AuditEvent,
}

impl AuditEntry {
    /// The bytes of an entry (postcard).
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("memory is all that it takes")
    }

    /// Reads an entry's bytes; `None` if they are no entry.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        canonical::from_bytes(bytes)
    }

    /// What the next entry holds of this one.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode())
    }
}

/// Both ends of a chain: what its entries are verified against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Number of the oldest entry that is kept.
    first: u64,
    /// Digest of the entry before that one.
    before: Digest,
    /// Number that the next entry gets.
    next: u64,
    /// Digest of the newest entry.
    head: Digest,
}

/// Where a chain is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// An entry is not where it belongs.
    #[error("entry {expected} is missing, entry {found} stands there")]
    Number {
        /// The number that is there.
        found: u64,
        /// The number that belongs there.
        expected: u64,
    },
    /// An entry does not hold the digest of the one before.
    #[error("entry {0} does not follow from the entry before it")]
    Link(u64),
    /// The newest entries are missing.
    #[error("the log ends before entry {expected}, its last is entry {}", expected.saturating_sub(1))]
    Short {
        /// The number that the next entry would have.
        expected: u64,
    },
    /// The newest entry is another one.
    #[error("the newest entry is not the one that was written")]
    Head,
}

impl Default for Chain {
    fn default() -> Self {
        let nothing = Digest::of(b"");
        Self {
            first: 0,
            before: nothing,
            next: 0,
            head: nothing,
        }
    }
}

impl Chain {
    /// The bytes of both ends (postcard).
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("memory is all that it takes")
    }

    /// Reads them back; `None` if they are no chain's, as of one that ends before it begins.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        canonical::from_bytes(bytes).filter(|chain: &Self| chain.first <= chain.next)
    }

    /// Number of the oldest entry that is kept.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// How many entries are kept.
    pub fn len(&self) -> u64 {
        self.next.saturating_sub(self.first)
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Digest of the newest entry.
    pub fn head(&self) -> Digest {
        self.head
    }

    /// Adds an entry, and returns it.
    pub fn extend(&mut self, at_ms: u64, event: AuditEvent) -> AuditEntry {
        let entry = AuditEntry {
            number: self.next,
            at_ms,
            previous: self.head,
            event,
        };
        self.next += 1;
        self.head = entry.digest();
        entry
    }

    /// Lets go of the oldest entry.
    ///
    /// # Errors
    /// [`ChainError`] if it is not the oldest; the chain is unchanged.
    pub fn forget(&mut self, oldest: &AuditEntry) -> Result<(), ChainError> {
        let mut walk = self.walk();
        walk.step(oldest)?;
        (self.first, self.before) = (walk.number, walk.digest);
        Ok(())
    }

    /// Begins to verify the entries that are kept, from the oldest to the newest.
    pub fn walk(&self) -> Walk {
        Walk {
            number: self.first,
            digest: self.before,
            end: *self,
        }
    }
}

/// A verification under way.
pub struct Walk {
    number: u64,
    digest: Digest,
    end: Chain,
}

impl Walk {
    /// Takes the next entry; returns its digest.
    ///
    /// # Errors
    /// [`ChainError`] if it is another entry than the next.
    pub fn step(&mut self, entry: &AuditEntry) -> Result<Digest, ChainError> {
        if entry.number != self.number || entry.number >= self.end.next {
            return Err(ChainError::Number {
                found: entry.number,
                expected: self.number,
            });
        }
        if entry.previous != self.digest {
            return Err(ChainError::Link(entry.number));
        }
        self.number += 1;
        self.digest = entry.digest();
        Ok(self.digest)
    }

    /// There are no more entries.
    ///
    /// # Errors
    /// [`ChainError`] if there should be.
    pub fn finish(self) -> Result<(), ChainError> {
        if self.number != self.end.next {
            let expected = self.end.next;
            return Err(ChainError::Short { expected });
        }
        let whole = self.digest == self.end.head;
        whole.then_some(()).ok_or(ChainError::Head)
    }
}

#[cfg(test)]
mod tests;
