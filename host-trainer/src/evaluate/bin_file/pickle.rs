//! Reads the one kind of pickle that evaluation sets are: `([bytes, ...], [bool, ...])`.
//!
//! A pickle is a program for a stack machine that can call any function and build any object. This
//! machine has the few instructions (CPython's `Lib/pickletools.py`, protocols 2 to 5) that lists of
//! bytes and booleans need; every other one ends it. Bytes stay where they lie in the file, and a
//! container holds no container: nothing is allocated by a length that the file claims, copied for
//! a reference, or nested. A general unpickler cannot promise that: of serde-pickle 1.2, a
//! megabyte of marks takes 4 GB, one of nested tuples overflows the stack, and 250 bytes of
//! references take a gigabyte.

use std::collections::HashMap;
use std::ops::Range;

/// The most values, marks and references: a hundred times those of the largest set.
const MAX_VALUES: usize = 4_000_000;
/// The one function that is known: protocol 2 of Python 3 writes bytes as text and says so by it.
const ENCODE: &[u8] = b"_codecs\nencode\n";

/// Why the pickle is none of that kind: where, in bytes from the start, and what is there.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) at: usize,
    pub(super) found: String,
}

/// Where some bytes lie in the file.
#[derive(Debug, Clone)]
pub(super) struct Bytes {
    at: Range<usize>,
    /// Whether they lie there as UTF-8 of their Latin-1.
    text: bool,
}

impl Bytes {
    /// The bytes themselves; `None` if text was called bytes and is none.
    pub(super) fn of(&self, file: &[u8]) -> Option<Vec<u8>> {
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

#[derive(Clone)]
enum Leaf {
    Bytes(Bytes),
    Bool(bool),
    Text(Range<usize>),
    Encode,
}

enum Value {
    Leaf(Leaf),
    List(Vec<Leaf>),
    /// What `encode` is called with.
    Text(Range<usize>),
    Pair(Vec<Leaf>, Vec<Leaf>),
}

struct Machine<'a> {
    file: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    /// Lists and tuples are not kept: nothing that is wanted refers to one.
    memo: HashMap<usize, Option<Leaf>>,
    values: usize,
}

type Step<T> = Result<T, String>;

/// The images' bytes and which pairs are of one person.
pub(super) fn read(file: &[u8]) -> Result<(Vec<Bytes>, Vec<bool>), Refused> {
    let mut machine = Machine {
        file,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        values: 0,
    };
    loop {
        let at = machine.at;
        let refused = |found| Refused { at, found };
        match machine.step().map_err(refused)? {
            None => {}
            Some((images, same)) => return typed(images, same).map_err(refused),
        }
    }
}

fn typed(images: Vec<Leaf>, same: Vec<Leaf>) -> Step<(Vec<Bytes>, Vec<bool>)> {
    let image = |leaf| match leaf {
        Leaf::Bytes(bytes) => Ok(bytes),
        _ => Err("something else than bytes in the first list".to_string()),
    };
    let bool = |leaf| match leaf {
        Leaf::Bool(same) => Ok(same),
        _ => Err("something else than a boolean in the second list".to_string()),
    };
    let images: Result<_, String> = images.into_iter().map(image).collect();
    let same: Result<_, String> = same.into_iter().map(bool).collect();
    Ok((images?, same?))
}

impl Machine<'_> {
    /// One instruction; what the pickle holds after the last.
    fn step(&mut self) -> Step<Option<(Vec<Leaf>, Vec<Leaf>)>> {
        match self.take(1)?[0] {
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => self.mark()?,
            b']' => self.push(Value::List(Vec::new()))?,
            b'a' => {
                let item = self.leaf()?;
                self.list()?.push(item);
            }
            b'e' => {
                let items = self.above_mark()?;
                self.list()?.extend(items);
            }
            0x86 => self.pair()?,
            0x88 => self.push(Value::Leaf(Leaf::Bool(true)))?,
            0x89 => self.push(Value::Leaf(Leaf::Bool(false)))?,
            b'C' | b'U' => self.bytes(1)?,
            b'B' | b'T' => self.bytes(4)?,
            0x8e => self.bytes(8)?,
            0x8c => self.text(1)?,
            b'X' => self.text(4)?,
            0x94 => self.put(self.memo.len())?,
            b'q' => self.number(1).and_then(|slot| self.put(slot))?,
            b'r' => self.number(4).and_then(|slot| self.put(slot))?,
            b'h' => self.number(1).and_then(|slot| self.get(slot))?,
            b'j' => self.number(4).and_then(|slot| self.get(slot))?,
            b'c' => self.global()?,
            b'R' => self.call()?,
            b'.' => {
                return match self.stack.pop() {
                    Some(Value::Pair(images, same)) => Ok(Some((images, same))),
                    _ => Err("something else than a tuple of two lists".into()),
                };
            }
            0x93 => return Err(self.named_object()),
            b'K' | b'M' | b'J' | b'I' | b'G' | 0x8a => return Err("a number".into()),
            b'N' => return Err("None".into()),
            b'}' => return Err("a dictionary".into()),
            other => return Err(format!("the instruction {:?}", char::from(other))),
        }
        Ok(None)
    }

    fn take(&mut self, len: usize) -> Step<&[u8]> {
        let range = self.range(len)?;
        Ok(&self.file[range])
    }

    fn range(&mut self, len: usize) -> Step<Range<usize>> {
        let left = self.file.len() - self.at;
        if len > left {
            return Err(format!(
                "{left} bytes where {len} should follow: the file was cut off"
            ));
        }
        self.at += len;
        Ok(self.at - len..self.at)
    }

    /// A number of so many bytes, little endian.
    fn number(&mut self, len: usize) -> Step<usize> {
        let bytes = self.take(len)?.iter().rev();
        Ok(bytes.fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn count(&mut self) -> Step<()> {
        self.values += 1;
        let few = self.values <= MAX_VALUES;
        few.then_some(())
            .ok_or(format!("more than {MAX_VALUES} values"))
    }

    fn push(&mut self, value: Value) -> Step<()> {
        self.stack.push(value);
        self.count()
    }

    fn mark(&mut self) -> Step<()> {
        self.marks.push(self.stack.len());
        self.count()
    }

    fn bytes(&mut self, width: usize) -> Step<()> {
        let len = self.number(width)?;
        let (at, text) = (self.range(len)?, false);
        self.push(Value::Leaf(Leaf::Bytes(Bytes { at, text })))
    }

    fn text(&mut self, width: usize) -> Step<()> {
        let len = self.number(width)?;
        let at = self.range(len)?;
        self.push(Value::Leaf(Leaf::Text(at)))
    }

    fn put(&mut self, slot: usize) -> Step<()> {
        let leaf = match self.stack.last() {
            Some(Value::Leaf(leaf)) => Some(leaf.clone()),
            _ => None,
        };
        self.memo.insert(slot, leaf);
        self.count()
    }

    fn get(&mut self, slot: usize) -> Step<()> {
        match self.memo.get(&slot) {
            Some(Some(leaf)) => self.push(Value::Leaf(leaf.clone())),
            _ => Err("a reference to something else than bytes".into()),
        }
    }

    fn leaf(&mut self) -> Step<Leaf> {
        leaf(self.stack.pop())
    }

    fn above_mark(&mut self) -> Step<Vec<Leaf>> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len());
        let items = self
            .stack
            .split_off(mark.ok_or("an end without its beginning")?);
        items.into_iter().map(|item| leaf(Some(item))).collect()
    }

    fn list(&mut self) -> Step<&mut Vec<Leaf>> {
        match self.stack.last_mut() {
            Some(Value::List(list)) => Ok(list),
            _ => Err("items without a list".into()),
        }
    }

    /// A tuple of two: the set itself, or what `encode` is called with.
    fn pair(&mut self) -> Step<()> {
        let (second, first) = (self.stack.pop(), self.stack.pop());
        let pair = match (first, second) {
            (Some(Value::List(first)), Some(Value::List(second))) => Value::Pair(first, second),
            (Some(Value::Leaf(Leaf::Text(text))), Some(Value::Leaf(Leaf::Text(name))))
                if self.file[name.clone()] == *b"latin1" =>
            {
                Value::Text(text)
            }
            _ => return Err("a tuple of something else than two lists".into()),
        };
        self.push(pair)
    }

    fn global(&mut self) -> Step<()> {
        let rest = &self.file[self.at..];
        if rest.starts_with(ENCODE) {
            self.at += ENCODE.len();
            return self.push(Value::Leaf(Leaf::Encode));
        }
        let mut lines = rest.split(|byte| *byte == b'\n').map(shown);
        let mut line = || lines.next().unwrap_or_default();
        Err(format!("the object {}.{}", line(), line()))
    }

    fn call(&mut self) -> Step<()> {
        let (arguments, function) = (self.stack.pop(), self.stack.pop());
        match (function, arguments) {
            (Some(Value::Leaf(Leaf::Encode)), Some(Value::Text(at))) => {
                self.push(Value::Leaf(Leaf::Bytes(Bytes { at, text: true })))
            }
            _ => Err("the call of a function".into()),
        }
    }

    /// What protocol 4 calls by the two texts above.
    fn named_object(&self) -> String {
        let names = self
            .stack
            .iter()
            .rev()
            .take(2)
            .rev()
            .map(|value| match value {
                Value::Leaf(Leaf::Text(at)) => shown(&self.file[at.clone()]),
                _ => "?".into(),
            });
        format!("the object {}", names.collect::<Vec<_>>().join("."))
    }
}

fn leaf(value: Option<Value>) -> Step<Leaf> {
    match value {
        Some(Value::Leaf(leaf)) => Ok(leaf),
        _ => Err("something else than bytes or a boolean in a list".into()),
    }
}

/// Bytes for people, cut short.
fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(40)].escape_ascii().to_string()
}
