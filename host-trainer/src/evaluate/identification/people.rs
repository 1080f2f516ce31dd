//! Who is searched for.

use crate::evaluate::protocol::Embedded;
use crate::evaluate::search::Rows;
use shared::embedding::{Embedding, dot};

/// The images of one person; without an embedding where there is no usable face.
pub type Person<'a> = Vec<Option<&'a Embedding>>;

/// Groups sorted paths `<person>/<file>`.
pub fn by_person<'a>(images: &[String], embedded: &'a Embedded) -> Vec<Person<'a>> {
    let name = |path: &'_ String| path.split('/').next().map(str::to_string);
    let people = images.chunk_by(|a, b| name(a) == name(b));
    let person = |images: &[String]| images.iter().map(|path| embedded.get(path)).collect();
    people.map(person).collect()
}

/// The images of people who have one alone: nobody to search for, but distractors.
pub fn singles(people: &[Person<'_>]) -> Rows {
    let alone = people.iter().filter(|person| person.len() == 1);
    Rows::new(alone.flatten().copied().flatten())
}

/// No search can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSearch {
    /// Nobody to search for.
    #[error(
        "no person has two images with a usable face, of which one could be searched for and the other found: give a folder with several images of a person (<person>/<file>) and their landmarks"
    )]
    Probes,
    /// Nobody to search among.
    #[error(
        "there is no distractor with a usable face: check the folder and its landmarks.csv, or ask for synthetic ones"
    )]
    Distractors,
}

/// Images to search for: all of people with several.
#[derive(Debug)]
pub struct Probes {
    rows: Rows,
    genuine: Vec<Vec<f32>>,
    people: usize,
    trials: u64,
}

impl Probes {
    /// Of the people with more than one image.
    ///
    /// # Errors
    /// [`NoSearch::Probes`].
    pub fn new(people: &[Person<'_>]) -> Result<Self, NoSearch> {
        let several: Vec<_> = people.iter().filter(|person| person.len() > 1).collect();
        let (mut probes, mut genuine) = (Vec::new(), Vec::new());
        for person in &several {
            let usable: Vec<&Embedding> = person.iter().copied().flatten().collect();
            for (i, probe) in usable.iter().enumerate() {
                let others = usable.iter().enumerate().filter(|(j, _)| *j != i);
                let score = |(_, other): (_, &&Embedding)| dot(probe.as_slice(), other.as_slice());
                genuine.push(others.map(score).collect::<Vec<f32>>());
                probes.push(*probe);
            }
        }
        if genuine.iter().all(Vec::is_empty) {
            return Err(NoSearch::Probes);
        }
        let ordered = several
            .iter()
            .map(|person| person.len() * (person.len() - 1));
        Ok(Self {
            rows: Rows::new(probes),
            genuine,
            people: several.len(),
            trials: ordered.sum::<usize>() as u64,
        })
    }

    /// The images with a usable face.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Of each, the scores with the person's other ones.
    pub fn genuine(&self) -> &[Vec<f32>] {
        &self.genuine
    }

    /// Who have several images.
    pub fn people(&self) -> usize {
        self.people
    }

    /// Ordered pairs of images of one person, usable or not.
    pub fn trials(&self) -> u64 {
        self.trials
    }
}
