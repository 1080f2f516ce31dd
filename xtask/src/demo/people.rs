//! The people who come to the demo's door: drawn, and none of them trained on.

use crate::disk;
use crate::workspace::host_trainer;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};

const SEED: &str = "1";
/// Far beyond the people of every recipe.
const FIRST_PERSON: &str = "100000";
const ENROLLED: usize = 3;
/// Those who are enrolled and one stranger.
const PEOPLE: usize = ENROLLED + 1;
const ENROLLMENT_PICTURES: usize = 3;
const VISIT_PICTURES: usize = 12;

/// Their pictures and landmarks on disk.
pub(super) struct People {
    people: Vec<Person>,
    landmarks: String,
}

/// One of them.
pub(super) struct Person {
    /// The name that the door knows the person by.
    pub(super) id: String,
    pictures: Vec<PathBuf>,
}

impl People {
    /// Draws them into a folder.
    ///
    /// # Errors
    /// If drawing fails or leaves fewer people or pictures than were asked for.
    pub(super) fn draw(programs: &Path, folder: &Path) -> Result<Self> {
        let count = |number: usize| number.to_string();
        let mut draw = host_trainer(programs);
        draw.args(["synthesize", "--seed", SEED, "--first-person", FIRST_PERSON]);
        draw.args(["--people", &count(PEOPLE)]);
        draw.args(["--pictures", &count(ENROLLMENT_PICTURES + VISIT_PICTURES)]);
        super::step(draw.arg("--out").arg(folder))?;
        Self::read(folder)
    }

    fn read(folder: &Path) -> Result<Self> {
        let table = folder.join("landmarks.csv");
        let landmarks = fs::read_to_string(&table).with_context(|| table.display().to_string())?;
        let people = disk::sorted(&folder.join("images"))?
            .into_iter()
            .map(|images| {
                let id = images.file_name().context("a person's folder has a name")?;
                let pictures = disk::sorted(&images)?;
                ensure!(
                    pictures.len() == ENROLLMENT_PICTURES + VISIT_PICTURES,
                    "{}: {} pictures",
                    images.display(),
                    pictures.len()
                );
                Ok(Person {
                    id: id.to_string_lossy().into_owned(),
                    pictures,
                })
            });
        let people = people.collect::<Result<Vec<_>>>()?;
        ensure!(
            people.len() == PEOPLE,
            "{}: {} people",
            folder.display(),
            people.len()
        );
        Ok(Self { people, landmarks })
    }

    /// Those whom the door knows.
    pub(super) fn enrolled(&self) -> &[Person] {
        &self.people[..ENROLLED]
    }

    /// Who is not enrolled.
    pub(super) fn stranger(&self) -> &Person {
        &self.people[ENROLLED]
    }

    /// The landmarks of one person's pictures, by file name: what a folder camera reads.
    ///
    /// # Errors
    /// If a picture has no landmarks.
    pub(super) fn landmarks(&self, pictures: &[PathBuf]) -> Result<String> {
        let mut lines = self.landmarks.lines();
        let mut table = format!("{}\n", lines.next().unwrap_or_default());
        let rows: Vec<&str> = lines.collect();
        for picture in pictures {
            let [name, person] = tail(picture)?;
            let start = format!("{person}/{name},");
            let Some(row) = rows.iter().find_map(|row| row.strip_prefix(&start)) else {
                bail!("no landmarks of {}", picture.display());
            };
            table.push_str(&format!("{name},{row}\n"));
        }
        Ok(table)
    }
}

impl Person {
    /// The pictures to enroll with.
    pub(super) fn enrollment(&self) -> &[PathBuf] {
        &self.pictures[..ENROLLMENT_PICTURES]
    }

    /// Fresh pictures, which the door has never seen.
    pub(super) fn visit(&self) -> &[PathBuf] {
        &self.pictures[ENROLLMENT_PICTURES..]
    }
}

/// A path's last two names, the last first.
fn tail(path: &Path) -> Result<[String; 2]> {
    let mut names = path
        .iter()
        .rev()
        .map(|name| name.to_string_lossy().into_owned());
    let found = names.next().zip(names.next());
    let (name, folder) = found.context("a picture lies in a person's folder")?;
    Ok([name, folder])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(folder: &Path, pictures: usize) {
        let mut table = String::from("path,score,x\n");
        for person in ["p7", "p8", "p9", "p10"] {
            let images = folder.join("images").join(person);
            fs::create_dir_all(&images).unwrap();
            for number in 0..pictures {
                fs::write(images.join(format!("{number:03}.png")), "").unwrap();
                table.push_str(&format!("{person}/{number:03}.png,1,{number}\n"));
            }
        }
        fs::write(folder.join("landmarks.csv"), table).unwrap();
    }

    #[test]
    fn nobody_visits_with_a_picture_they_were_enrolled_with() {
        let folder = tempfile::tempdir().unwrap();
        drawn(folder.path(), ENROLLMENT_PICTURES + VISIT_PICTURES);
        let people = People::read(folder.path()).unwrap();
        for person in people.enrolled() {
            assert_ne!(person.id, people.stranger().id);
            assert_eq!(person.enrollment().len(), ENROLLMENT_PICTURES);
            assert!(
                person
                    .visit()
                    .iter()
                    .all(|fresh| !person.enrollment().contains(fresh))
            );
        }
    }

    #[test]
    fn landmarks_are_of_the_person_and_by_file_name() {
        let folder = tempfile::tempdir().unwrap();
        drawn(folder.path(), ENROLLMENT_PICTURES + VISIT_PICTURES);
        let people = People::read(folder.path()).unwrap();
        let person = people.stranger();
        let table = people.landmarks(&person.visit()[..2]).unwrap();
        assert_eq!(table, "path,score,x\n003.png,1,3\n004.png,1,4\n");
        let other = folder.path().join("images/p7/999.png");
        assert!(people.landmarks(&[other]).is_err());
    }

    #[test]
    fn too_few_pictures_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        drawn(folder.path(), 2);
        assert!(People::read(folder.path()).is_err());
    }
}
