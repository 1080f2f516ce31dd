//! `landmarks.csv`: where the five landmarks lie in each image of a folder.

use crate::capped_file::{self, ReadError};
use csv::{Position, ReaderBuilder, StringRecord};
use shared::align::{Landmarks, Point};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The columns: path relative to the images, the detector's confidence, and pixels of the image.
pub const HEADER: [&str; 12] = [
    "path",
    "score",
    "right_eye_x",
    "right_eye_y",
    "left_eye_x",
    "left_eye_y",
    "nose_x",
    "nose_y",
    "mouth_right_x",
    "mouth_right_y",
    "mouth_left_x",
    "mouth_left_y",
];
const FILE_NAME: &str = "landmarks.csv";
const MAX_FILE_LEN: u64 = 256 << 20;
/// How far above an image its table is looked for.
const MAX_PARENTS: usize = 3;

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum LandmarksError {
    /// The file cannot be read at all.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The columns are others.
    #[error("{}: line 1 is not the header {}; see the columns in the documentation", path.display(), HEADER.join(","))]
    Header {
        /// The table.
        path: PathBuf,
    },
    /// A line that cannot be used.
    #[error("{}: line {line}: {reason}; correct or remove the line", path.display())]
    Row {
        /// The table.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// No table where one was expected.
    #[error(
        "{}: no {FILE_NAME} in this folder or near it; put one there or name one with --landmarks",
        .0.display()
    )]
    NotFound(PathBuf),
}

/// The landmarks of many images.
pub struct LandmarkTable {
    path: PathBuf,
    rows: BTreeMap<String, Landmarks>,
}

impl LandmarkTable {
    /// Reads a table.
    ///
    /// # Errors
    /// [`LandmarksError`], with the line of the first fault.
    pub fn read(csv_path: &Path) -> Result<Self, LandmarksError> {
        Self::from_bytes(&capped_file::read(csv_path, MAX_FILE_LEN)?, csv_path)
    }

    /// The same of a file's bytes; `csv_path` is where rows are relative to.
    ///
    /// # Errors
    /// [`LandmarksError`], with the line of the first fault.
    pub fn from_bytes(bytes: &[u8], csv_path: &Path) -> Result<Self, LandmarksError> {
        let mut reader = ReaderBuilder::new().from_reader(bytes);
        if reader.headers().ok() != Some(&StringRecord::from(HEADER.as_slice())) {
            let path = csv_path.into();
            return Err(LandmarksError::Header { path });
        }
        let mut rows = BTreeMap::new();
        for record in reader.records() {
            let row_error = |line, reason| LandmarksError::Row {
                path: csv_path.into(),
                line,
                reason,
            };
            let record = record.map_err(|e| row_error(line(e.position()), e.to_string()))?;
            let at = line(record.position());
            let landmarks = parse(&record).map_err(|reason| row_error(at, reason))?;
            if rows.insert(record[0].to_owned(), landmarks).is_some() {
                return Err(row_error(at, format!("a second row for {}", &record[0])));
            }
        }
        let path = csv_path.into();
        Ok(Self { path, rows })
    }

    /// The table of a folder of images: `explicit` if given, else `landmarks.csv` in the folder,
    /// else beside it. Its rows are then looked up by the path below the folder.
    ///
    /// # Errors
    /// [`LandmarksError`].
    pub fn beside(images_dir: &Path, explicit: Option<&Path>) -> Result<Self, LandmarksError> {
        if let Some(path) = explicit {
            return Self::read(path);
        }
        let candidates = [
            images_dir.join(FILE_NAME),
            images_dir.join("..").join(FILE_NAME),
        ];
        let found = candidates.iter().find(|path| path.exists());
        Self::read(found.ok_or_else(|| LandmarksError::NotFound(images_dir.into()))?)
    }

    /// The table that covers one image: `explicit` if given, else the nearest `landmarks.csv` in
    /// the image's folder or up to three folders above.
    ///
    /// # Errors
    /// [`LandmarksError`].
    pub fn covering(image: &Path, explicit: Option<&Path>) -> Result<Self, LandmarksError> {
        if let Some(path) = explicit {
            return Self::read(path);
        }
        let full = absolute(image);
        let folders = full.ancestors().skip(1).take(1 + MAX_PARENTS);
        let found = folders.map(|f| f.join(FILE_NAME)).find(|p| p.exists());
        Self::read(&found.ok_or_else(|| LandmarksError::NotFound(image.into()))?)
    }

    /// The landmarks of the row with exactly this path.
    pub fn get(&self, relative_path: &str) -> Option<&Landmarks> {
        self.rows.get(relative_path)
    }

    /// The landmarks of an image file: rows are relative to the table's folder or to `images/`
    /// in it. For a table that lies elsewhere the file's name decides.
    pub fn of_image(&self, image: &Path) -> Option<&Landmarks> {
        let (table, image) = (absolute(&self.path), absolute(image));
        let folder = table.parent()?;
        let Ok(below) = image.strip_prefix(folder) else {
            return self.get(image.file_name()?.to_str()?);
        };
        let row = |path: &Path| self.get(path.to_str()?);
        let in_images = below.strip_prefix("images").ok().and_then(row);
        in_images.or_else(|| row(below))
    }

    /// Every row, ordered by path.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Landmarks)> {
        self.rows.iter().map(|(path, marks)| (path.as_str(), marks))
    }

    /// Where the table was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The landmarks of one image, found as [`LandmarkTable::covering`] and
/// [`LandmarkTable::of_image`] do; `None` if the table has no row for it: no face was found.
///
/// # Errors
/// [`LandmarksError`] if there is no usable table.
pub fn find_for_image(
    image: &Path,
    explicit: Option<&Path>,
) -> Result<Option<Landmarks>, LandmarksError> {
    let table = LandmarkTable::covering(image, explicit)?;
    Ok(table.of_image(image).copied())
}

/// The path from the root; of links only those above the file are followed, since a row has the
/// name that the file goes by.
fn absolute(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    match (folder, path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.into(),
    }
}

fn line(position: Option<&Position>) -> u64 {
    position.map_or(0, Position::line)
}

/// The landmarks of a row that has as many fields as the header.
fn parse(record: &StringRecord) -> Result<Landmarks, String> {
    let mut numbers = [0.0_f32; 11];
    for ((number, text), column) in numbers
        .iter_mut()
        .zip(record.iter().skip(1))
        .zip(&HEADER[1..])
    {
        let parsed = text.trim().parse().ok();
        *number = parsed
            .filter(|n: &f32| n.is_finite())
            .ok_or_else(|| format!("{column} is {text:?}, expected a finite number"))?;
    }
    let [_score, points @ ..] = numbers;
    Ok(Landmarks(std::array::from_fn(|i| {
        Point::new(points[2 * i], points[2 * i + 1])
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const ROW: &str = "0.9,1,2,3,4,5,6,7,8,9,10";

    fn table(dir: &Path, rows: &[&str]) -> PathBuf {
        let rows: String = rows.iter().map(|r| format!("{r},{ROW}\n")).collect();
        let path = dir.join(FILE_NAME);
        fs::write(&path, format!("{}\n{rows}", HEADER.join(","))).unwrap();
        path
    }

    #[test]
    fn a_row_gives_its_points() {
        let dir = tempfile::tempdir().unwrap();
        let table = LandmarkTable::read(&table(dir.path(), &["b/x.jpg", "a.png"])).unwrap();
        let marks = table.get("a.png").unwrap();
        assert_eq!(marks.0[0], Point::new(1.0, 2.0));
        assert_eq!(marks.0[4], Point::new(9.0, 10.0));
        assert!(table.get("x.jpg").is_none());
        assert!(table.iter().map(|row| row.0).eq(["a.png", "b/x.jpg"]));
    }

    #[test]
    fn an_image_is_found_relative_to_its_table() {
        let dir = tempfile::tempdir().unwrap();
        let images = dir.path().join("images/ada");
        fs::create_dir_all(&images).unwrap();
        for name in ["images/ada/1.jpg", "top.jpg", "images/2.jpg"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        table(dir.path(), &["ada/1.jpg", "top.jpg"]);
        for (image, found) in [
            ("images/ada/1.jpg", true),
            ("top.jpg", true),
            ("images/2.jpg", false),
        ] {
            let marks = find_for_image(&dir.path().join(image), None).unwrap();
            assert_eq!(marks.is_some(), found, "{image}");
        }
        let beside = LandmarkTable::beside(&dir.path().join("images"), None).unwrap();
        assert!(beside.get("ada/1.jpg").is_some());
    }

    #[test]
    fn a_table_elsewhere_goes_by_the_file_name() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (csv, image) = (table(here.path(), &["1.jpg"]), there.path().join("1.jpg"));
        assert!(find_for_image(&image, Some(&csv)).unwrap().is_some());
        let error = find_for_image(&image, None).unwrap_err().to_string();
        assert!(error.contains("--landmarks"), "{error}");
        assert!(LandmarkTable::beside(there.path(), None).is_err());
        assert!(LandmarkTable::beside(there.path(), Some(&csv)).is_ok());
    }
}
