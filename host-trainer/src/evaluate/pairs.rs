//! Lists of pairs: LFW's own format, or a CSV `path_a,path_b,same`.

use edge_runtime::capped_file::{self, ReadError};
use std::path::{Path, PathBuf};

/// The longest list that is read: some millions of pairs.
const MAX_BYTES: u64 = 256 << 20;

/// Two images and whether they show one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Paths relative to the image folder.
    pub images: [String; 2],
    /// One person.
    pub same: bool,
    /// Which fold the pair belongs to; 0 where there are none.
    pub fold: usize,
}

/// A protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs {
    /// For people.
    pub protocol: String,
    /// At least 2, or 1 where there are none.
    pub folds: usize,
    /// In the order of the file.
    pub pairs: Vec<Pair>,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PairsError {
    /// Not there, or no list by its size.
    #[error("pairs {0}")]
    Read(#[from] ReadError),
    /// A line that is neither format's.
    #[error("pairs {path}, line {line}: found \"{found}\", expected {expected}")]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// The line, cut short.
        found: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// The list ends before its header says.
    #[error("pairs {path}: {found} pairs, the header promises {promised}; the file was cut off")]
    CutOff {
        /// The file.
        path: PathBuf,
        /// Lines found.
        found: usize,
        /// Lines promised.
        promised: usize,
    },
}

const CSV_HEADER: &str = "path_a,path_b,same";

/// Reads either format; a CSV is told by its header.
///
/// # Errors
/// [`PairsError`], with the line.
pub fn read(path: &Path) -> Result<Pairs, PairsError> {
    let bytes = capped_file::read(path, MAX_BYTES)?;
    let text = String::from_utf8_lossy(&bytes);
    let bad = |(line, found): (usize, &str), expected| PairsError::Line {
        path: path.into(),
        line: line + 1,
        found: found.chars().take(80).collect(),
        expected,
    };
    let mut lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let expected = "`path_a,path_b,same`, or LFW's `folds<TAB>pairs`";
    let header = lines.next().ok_or_else(|| bad((0, ""), expected))?;
    if header.1.trim() == CSV_HEADER {
        let expected = "`path,path,0` or `path,path,1`";
        let pairs = lines.map(|l| csv_pair(l.1).ok_or_else(|| bad(l, expected)));
        let pairs: Vec<Pair> = pairs.collect::<Result<_, _>>()?;
        return Ok(Pairs {
            protocol: "all pairs of the file".into(),
            folds: 1,
            pairs,
        });
    }
    let (folds, per_fold) = lfw_header(header.1).ok_or_else(|| bad(header, expected))?;
    let expected = "`name<TAB>number<TAB>number` or `name<TAB>number<TAB>name<TAB>number`";
    let pairs = lines
        .enumerate()
        .map(|(i, line)| lfw_pair(line.1, i / (2 * per_fold)).ok_or_else(|| bad(line, expected)));
    let pairs: Vec<Pair> = pairs.collect::<Result<_, _>>()?;
    let promised = folds * per_fold * 2;
    if pairs.len() != promised {
        return Err(PairsError::CutOff {
            path: path.into(),
            found: pairs.len(),
            promised,
        });
    }
    Ok(Pairs {
        protocol: format!("LFW pairs, {folds} folds of {} pairs", 2 * per_fold),
        folds,
        pairs,
    })
}

fn csv_pair(line: &str) -> Option<Pair> {
    let mut fields = line.split(',').map(str::trim);
    let (a, b, same) = (fields.next()?, fields.next()?, fields.next()?);
    let same = match same {
        "1" | "true" => true,
        "0" | "false" => false,
        _ => return None,
    };
    let whole = fields.next().is_none() && !a.is_empty() && !b.is_empty();
    whole.then(|| Pair {
        images: [a.into(), b.into()],
        same,
        fold: 0,
    })
}

/// `folds pairs`, both at least 1: View 2. View 1 has the number of pairs alone.
fn lfw_header(line: &str) -> Option<(usize, usize)> {
    let numbers: Option<Vec<usize>> = line.split_whitespace().map(|n| n.parse().ok()).collect();
    match numbers?.as_slice() {
        [per_fold @ 1..=1_000_000] => Some((1, *per_fold)),
        [folds @ 1..=1000, per_fold @ 1..=1_000_000] => Some((*folds, *per_fold)),
        _ => None,
    }
}

fn lfw_pair(line: &str, fold: usize) -> Option<Pair> {
    let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
    let path = |name: &str, number: &str| {
        let number: u32 = number.parse().ok()?;
        Some(format!("{name}/{name}_{number:04}.jpg"))
    };
    let (images, same) = match fields.as_slice() {
        [name, a, b] => ([path(name, a)?, path(name, b)?], true),
        [name_a, a, name_b, b] => ([path(name_a, a)?, path(name_b, b)?], false),
        _ => return None,
    };
    Some(Pair { images, same, fold })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Pairs, PairsError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pairs.txt");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn lfw_pairs_come_in_folds() {
        let text = "2\t1\nA_B\t1\t4\nA_B\t1\tC_D\t12\nE\t2\t3\nE\t2\tF\t1\n";
        let pairs = parse(text).unwrap();
        assert_eq!((pairs.folds, pairs.pairs.len()), (2, 4));
        assert_eq!(
            pairs.pairs[1].images,
            ["A_B/A_B_0001.jpg", "C_D/C_D_0012.jpg"]
        );
        assert_eq!(
            pairs
                .pairs
                .iter()
                .map(|p| (p.same, p.fold))
                .collect::<Vec<_>>(),
            [(true, 0), (false, 0), (true, 1), (false, 1)]
        );
    }

    #[test]
    fn csv_pairs_have_no_folds() {
        let pairs =
            parse("path_a,path_b,same\na/1.png,b/2.png,0\n\na/1.png,a/3.png,true\n").unwrap();
        assert_eq!((pairs.folds, pairs.pairs.len()), (1, 2));
        assert_eq!(pairs.pairs[1].images[1], "a/3.png");
        assert_eq!([pairs.pairs[0].same, pairs.pairs[1].same], [false, true]);
    }

    #[test]
    fn every_broken_list_names_its_line() {
        for (text, needle) in [
            ("", "line 1"),
            ("hello\n", "line 1: found \"hello\""),
            ("1\t2\nA\t1\t2\nA\tx\tB\t1\n", "line 3"),
            ("1\t2\nA\t1\t2\n", "cut off"),
            ("0\t0\n", "line 1"),
            ("\u{0}\u{1}\u{fffd}\n", "line 1"),
            ("path_a,path_b,same\na,b\n", "line 2"),
            ("path_a,path_b,same\na,b,maybe\n", "line 2"),
            ("path_a,path_b,same\na,b,1,1\n", "line 2"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(
                message.contains(needle) && message.contains("pairs.txt"),
                "{message}"
            );
        }
        let missing = read(Path::new("/nowhere/pairs.txt"))
            .unwrap_err()
            .to_string();
        assert!(missing.contains("/nowhere/pairs.txt"));
    }
}
