//! Two drawn people whom the project's bundle tells apart: one that a door knows, and a stranger.

use crate::{disk, workspace};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const SEED: &str = "1";
/// The stranger; the other comes after. The bundle learned from photographs, to which drawn people
/// are more similar than real ones: the two were chosen for being different.
const FIRST_PERSON: &str = "100004";
const PICTURES: usize = 8;
/// Of the stranger's pictures, those that the camera sees: as many as must agree, and one more.
pub(super) const STRANGE: usize = 4;
/// Of the pictures, those that the person is enrolled with.
const ENROLLMENT: usize = 3;

/// Their pictures in a folder.
pub(crate) struct People {
    folder: PathBuf,
    landmarks: String,
}

impl People {
    /// Draws them into a folder. `programs` is where `host-trainer` is.
    ///
    /// # Errors
    /// If drawing fails.
    pub(crate) fn draw(programs: &Path, folder: &Path) -> Result<Self> {
        let mut draw = workspace::host_trainer(programs);
        draw.args(["synthesize", "--seed", SEED, "--first-person", FIRST_PERSON]);
        draw.args([
            "--people",
            "2",
            "--pictures",
            &PICTURES.to_string(),
            "--out",
        ]);
        workspace::run(draw.arg(folder).stdout(Stdio::null()))?;
        let table = folder.join("landmarks.csv");
        Ok(Self {
            landmarks: fs::read_to_string(&table).with_context(|| table.display().to_string())?,
            folder: folder.into(),
        })
    }

    /// Copies the pictures that the person is enrolled with into a folder, with their landmarks.
    ///
    /// # Errors
    /// If a file cannot be written, or there are fewer people or pictures.
    pub(crate) fn enrollment(&self, to: &Path) -> Result<()> {
        let person = self.pictures(1)?;
        self.copy(&person[..ENROLLMENT], to)
    }

    /// The same of the stranger, with pictures that the camera does not see.
    ///
    /// # Errors
    /// As [`Self::enrollment`].
    pub(super) fn other_enrollment(&self, to: &Path) -> Result<()> {
        let stranger = self.pictures(0)?.split_off(STRANGE);
        self.copy(&stranger[..ENROLLMENT], to)
    }

    /// Copies what a camera sees into a folder, with landmarks: the stranger, and then the person.
    ///
    /// # Errors
    /// As [`Self::enrollment`].
    pub(crate) fn visits(&self, to: &Path) -> Result<()> {
        let person = self.pictures(1)?.split_off(ENROLLMENT);
        let mut both = self.pictures(0)?;
        both.truncate(STRANGE);
        both.extend(person);
        self.copy(&both, to)
    }

    fn pictures(&self, person: usize) -> Result<Vec<PathBuf>> {
        let people = disk::sorted(&self.folder.join("images"))?;
        let person = people.get(person).context("fewer people were drawn")?;
        let pictures = disk::sorted(person)?;
        if pictures.len() <= ENROLLMENT {
            bail!("{}: {} pictures", person.display(), pictures.len());
        }
        Ok(pictures)
    }

    /// Numbered in this order.
    fn copy(&self, pictures: &[PathBuf], to: &Path) -> Result<()> {
        fs::create_dir_all(to).with_context(|| to.display().to_string())?;
        let mut table = self.landmarks.lines().take(1).collect::<String>() + "\n";
        for (number, picture) in pictures.iter().enumerate() {
            let name = format!("{number:03}.png");
            fs::copy(picture, to.join(&name)).with_context(|| picture.display().to_string())?;
            table += &format!("{name},{}\n", self.row(picture)?);
        }
        fs::write(to.join("landmarks.csv"), table)?;
        Ok(())
    }

    fn row(&self, picture: &Path) -> Result<&str> {
        let inside = picture.strip_prefix(self.folder.join("images"))?;
        let start = format!("{},", inside.display());
        let mut rows = self.landmarks.lines();
        let row = rows.find_map(|row| row.strip_prefix(&start));
        row.with_context(|| format!("no landmarks of {}", picture.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_come_first_and_enrolled_pictures_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let mut landmarks = "path,score\n".to_owned();
        for person in ["p4", "p5"] {
            let images = folder.path().join("images").join(person);
            fs::create_dir_all(&images).unwrap();
            for number in 0..PICTURES {
                let name = format!("000{number}.png");
                fs::write(images.join(&name), format!("{person} {number}")).unwrap();
                landmarks += &format!("{person}/{name},{number}{person}\n");
            }
        }
        let people = People {
            folder: folder.path().into(),
            landmarks,
        };
        let to = folder.path().join("camera");
        people.visits(&to).unwrap();
        let seen = |name: &str| fs::read_to_string(to.join(name)).unwrap();
        assert_eq!(seen("000.png"), "p4 0");
        assert_eq!(seen("004.png"), "p5 3");
        assert!(seen("landmarks.csv").ends_with("007.png,6p5\n008.png,7p5\n"));
        people.enrollment(&folder.path().join("known")).unwrap();
        let known = fs::read_dir(folder.path().join("known")).unwrap();
        assert_eq!(known.count(), ENROLLMENT + 1);
        people
            .other_enrollment(&folder.path().join("other"))
            .unwrap();
        let first = fs::read_to_string(folder.path().join("other/000.png"));
        assert_eq!(first.unwrap(), format!("p4 {STRANGE}"));
    }
}
