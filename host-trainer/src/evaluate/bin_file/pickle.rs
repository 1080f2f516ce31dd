//! Reads the one kind of pickle that evaluation sets are: `([bytes, ...], [bool, ...])`.
//!
//! A pickle is a program for a stack machine that can call any function and build any object. This
//! machine has the few instructions (CPython's `Lib/pickletools.py`, protocols 2 to 5) that lists of
//! bytes and booleans need; every other one ends it. Bytes stay where they lie in the file, and a
//! container holds no container: nothing is allocated by a length that the file claims, copied for
//! a reference, or nested. A general unpickler cannot promise that: of serde-pickle 1.2, a
//! megabyte of marks takes 4 GB, one of nested tuples overflows the stack, and 250 bytes of
//! duplications take a gigabyte.

mod value;

use std::collections::HashMap;
use std::ops::Range;
pub(super) use value::Bytes;
use value::{Leaf, Value};

/// The most values, marks and references: some thirty times those of the largest set known.
const MAX_VALUES: usize = 4_000_000;
/// The one function that is known: protocol 2 of Python 3 writes bytes as text and says so by it.
const ENCODE: &[u8] = b"_codecs\nencode\n";

/// Why the pickle is none of that kind: where, in bytes from the start, and what is there.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) at: usize,
    pub(super) found: String,
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
        if !machine.step().map_err(refused)? {
            return machine.result().map_err(refused);
        }
    }
}

impl Machine<'_> {
    /// One instruction; `false` after the last.
    fn step(&mut self) -> Step<bool> {
        match self.number(1)? as u8 {
            0x80 => self.range(1).map(drop)?,
            0x95 => self.range(8).map(drop)?,
            b'(' => self.mark()?,
            b']' => self.push(Value::List(Vec::new()))?,
            b'a' => {
                let item = self.stack.pop().ok_or("an item that is missing")?.leaf()?;
                self.list()?.push(item);
            }
            b'e' => {
                let items = self.above_mark()?;
                self.list()?.extend(items);
            }
            0x86 => self.pair()?,
            0x88 => self.push(Value::Leaf(Leaf::Bool(true)))?,
            0x89 => self.push(Value::Leaf(Leaf::Bool(false)))?,
            b'C' | b'U' => self.string(1, Leaf::raw)?,
            b'B' | b'T' => self.string(4, Leaf::raw)?,
            0x8e => self.string(8, Leaf::raw)?,
            0x8c => self.string(1, Leaf::Text)?,
            b'X' => self.string(4, Leaf::Text)?,
            0x94 => self.put(self.memo.len())?,
            b'q' => self.number(1).and_then(|slot| self.put(slot))?,
            b'r' => self.number(4).and_then(|slot| self.put(slot))?,
            b'h' => self.number(1).and_then(|slot| self.get(slot))?,
            b'j' => self.number(4).and_then(|slot| self.get(slot))?,
            b'c' => self.global()?,
            b'R' => self.call()?,
            b'.' => return Ok(false),
            other => return Err(self.unknown(other)),
        }
        Ok(true)
    }

    fn unknown(&self, instruction: u8) -> String {
        match instruction {
            0x93 => self.named_object(),
            b'K' | b'M' | b'J' | b'I' | b'G' | 0x8a => "a number".into(),
            b'N' => "None".into(),
            b'}' => "a dictionary".into(),
            other => format!("the instruction {:?}", char::from(other)),
        }
    }

    /// What the pickle holds.
    fn result(&mut self) -> Step<(Vec<Bytes>, Vec<bool>)> {
        let Some(Value::Pair(images, same)) = self.stack.pop() else {
            return Err("something else than a tuple of two lists".into());
        };
        let image = |leaf| match leaf {
            Leaf::Bytes(bytes) => Ok(bytes),
            _ => Err("something else than bytes in the first list"),
        };
        let same_person = |leaf| match leaf {
            Leaf::Bool(same) => Ok(same),
            _ => Err("something else than a boolean in the second list"),
        };
        let images: Result<_, _> = images.into_iter().map(image).collect();
        let same: Result<_, _> = same.into_iter().map(same_person).collect();
        Ok((images?, same?))
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
        let range = self.range(len)?;
        let bytes = self.file[range].iter().rev();
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

    /// A length of so many bytes, and what is made of so many.
    fn string(&mut self, width: usize, leaf: fn(Range<usize>) -> Leaf) -> Step<()> {
        let len = self.number(width)?;
        let at = self.range(len)?;
        self.push(Value::Leaf(leaf(at)))
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

    fn above_mark(&mut self) -> Step<Vec<Leaf>> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len());
        let items = self
            .stack
            .split_off(mark.ok_or("an end without its beginning")?);
        items.into_iter().map(Value::leaf).collect()
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
                self.push(Value::Leaf(Leaf::encoded(at)))
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

/// Bytes for people, cut short.
fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(40)].escape_ascii().to_string()
}
