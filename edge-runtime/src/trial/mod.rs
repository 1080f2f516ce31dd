//! A door to try: whoever stands before a camera sees all that the door sees of them.
//!
//! Identification, decision and lock are the door's own. People are kept in memory alone, unless
//! the trial is of a door that is set up, which keeps them in its store.

mod enrolling;
pub mod page;
mod rules;
mod seen;
pub mod show;

pub use enrolling::View;
pub use rules::{Rules, TrialError};
pub use seen::{FaceSeen, Prompt, Seen, Times};

use crate::bundle::Loaded;
use crate::camera::{Content, Face, Frame};
use crate::decide::{Action, Decision, Look, Side};
use crate::detect;
use crate::door::{self, Fault, Keeper};
use crate::event::{LockState, Outcome};
use crate::face::{self, FaceError};
use crate::find::{self, Unseen};
use crate::identify::{Identifier, Identify};
use crate::millis::millis;
use crate::pipeline::Sight;
use crate::quality::Limits;
use crate::store::{Person, Store};
use enrolling::Enrolling;
use shared::align::{AlignedFace, Landmarks};
use shared::enrollment::{EnrollmentRecord, check_subject};
use shared::roster::Roster;
use shared::store::KeptCrops;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A door that runs, and whom it knows.
pub struct Trial {
    bundle: Loaded,
    asked: Identify,
    people: Vec<EnrollmentRecord>,
    identifier: Identifier,
    decision: Decision,
    needed: usize,
    keeper: Keeper,
    enrolling: Option<Enrolling>,
    /// Where people are kept, if they are, and whether with their crops.
    store: Option<(Store, bool)>,
    /// Frames looked at.
    frames: u64,
}

impl Trial {
    /// A door that knows nobody.
    ///
    /// # Errors
    /// [`TrialError`].
    pub fn new(bundle: Loaded, rules: Rules) -> Result<Self, TrialError> {
        let Rules {
            identify,
            decide,
            door,
        } = rules;
        let identifier =
            Identifier::new(Roster::of(&bundle.manifest), &bundle.manifest, &identify)?;
        Ok(Self {
            identifier,
            bundle,
            asked: identify,
            people: Vec::new(),
            needed: decide.rule.needed(),
            decision: Decision::new(decide, Default::default()),
            keeper: door::open(&door)?,
            enrolling: None,
            store: None,
            frames: 0,
        })
    }

    /// The people of a door's store, and those who are enrolled from now on go there.
    ///
    /// # Errors
    /// [`TrialError`].
    pub fn keep_in(mut self, store: Store, keep_crops: bool) -> Result<Self, TrialError> {
        let listed = store.list(&self.bundle.manifest)?;
        let people = listed.into_iter().filter_map(|listed| listed.record.ok());
        self.know(people.collect())?;
        self.store = Some((store, keep_crops));
        Ok(self)
    }

    /// Whether whoever is enrolled stays so when the trial ends.
    pub fn keeps_people(&self) -> bool {
        self.store.is_some()
    }

    /// The names of those whom the door knows.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        self.people.iter().map(EnrollmentRecord::subject)
    }

    /// The bundle's manifest and networks.
    pub fn bundle(&self) -> &Loaded {
        &self.bundle
    }

    /// Whom it knows, and the threshold for that many.
    pub fn identifier(&self) -> &Identifier {
        &self.identifier
    }

    /// Whether the lock is released.
    pub fn is_released(&self) -> bool {
        self.keeper.relock_at().is_some()
    }

    /// When the time of what is seen began.
    pub fn started(&self) -> Instant {
        self.keeper.started()
    }

    /// From the next frame on, takes a template of each [`View`] in turn, then enrolls the person.
    /// Nobody is let in until then.
    ///
    /// # Errors
    /// [`TrialError::Name`]; [`TrialError::Known`] of a person whom the door's store has.
    pub fn enroll(&mut self, subject: &str) -> Result<(), TrialError> {
        check_subject(subject)?;
        if self.keeps_people() && self.people().any(|person| person == subject) {
            return Err(TrialError::Known);
        }
        self.enrolling = Some(Enrolling::new(subject));
        Ok(())
    }

    /// Gives an enrollment up, if one has begun.
    pub fn cancel(&mut self) {
        self.enrolling = None;
    }

    /// Forgets everybody.
    ///
    /// # Errors
    /// [`TrialError::Kept`].
    pub fn forget(&mut self) -> Result<(), TrialError> {
        if self.keeps_people() {
            return Err(TrialError::Kept);
        }
        self.cancel();
        self.know(Vec::new())
    }

    /// Adds a record; where people are not kept, it replaces that of the same name.
    ///
    /// # Errors
    /// [`TrialError`]; the door knows whom it knew.
    pub fn add(
        &mut self,
        record: EnrollmentRecord,
        crops: Option<&KeptCrops>,
    ) -> Result<(), TrialError> {
        let others = self
            .people
            .iter()
            .filter(|r| r.subject() != record.subject());
        let people: Vec<_> = others.chain([&record]).cloned().collect();
        // Whom there is no threshold for is not kept either.
        let identifier = self.identifier_of(&people)?;
        if let Some((store, keep_crops)) = &self.store {
            let crops = crops.filter(|_| *keep_crops);
            let record = &record;
            store.add_person(Person { record, crops }, false)?;
        }
        (self.identifier, self.people) = (identifier, people);
        Ok(())
    }

    fn know(&mut self, people: Vec<EnrollmentRecord>) -> Result<(), TrialError> {
        self.identifier = self.identifier_of(&people)?;
        self.people = people;
        Ok(())
    }

    fn identifier_of(&self, people: &[EnrollmentRecord]) -> Result<Identifier, TrialError> {
        let manifest = &self.bundle.manifest;
        let mut roster = Roster::of(manifest);
        people.iter().try_for_each(|record| roster.add(record))?;
        Ok(Identifier::new(roster, manifest, &self.asked)?)
    }

    /// Looks at one frame as the door does, and tells all that it saw.
    ///
    /// # Errors
    /// [`TrialError`]: the lock failed.
    pub fn look(&mut self, frame: Frame) -> Result<Seen, TrialError> {
        self.frames += 1;
        let at = frame.taken.saturating_duration_since(self.started());
        let mut seen = Seen::of(self.frames, frame.name, millis(at));
        let face = match &frame.content {
            Ok(content) => self.find(content, &mut seen),
            Err(reason) => Err(Unseen::bad(reason)),
        };
        let sight = match (self.enrolling.take(), face) {
            (Some(enrolling), face) => self.enroll_from(enrolling, face, &mut seen),
            (None, Err(unseen)) => Sight::unseen(unseen),
            (None, Ok((face, landmarks))) => self.compare(&face, &landmarks, &mut seen.ms),
        };
        let odd = getrandom::u32()? % 2 == 1;
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        let action = self.decision.step(&Look {
            at,
            unix_s: unix.unwrap_or_default().as_secs() as i64,
            seen: sight.observation(),
            turn: sight.turn,
            side: if odd { Side::Left } else { Side::Right },
        });
        let (agreeing, refusal) = match action {
            Action::Wait { agreeing, refusal } => (agreeing, refusal),
            Action::Release { subject, with } => {
                self.keeper.release(subject, with)?;
                (self.needed, None)
            }
        };
        self.tend()?;
        let point = self.identifier.operating_point();
        seen.reason = sight.reason(agreeing, self.needed, refusal);
        (seen.outcome, seen.subject, seen.score) = (sight.outcome, sight.subject, sight.score);
        (seen.threshold, seen.false_match_rate) = (point.threshold, point.fmr);
        seen.impostor_pairs = point.impostor_pairs;
        (seen.agreeing, seen.needed) = (agreeing, self.needed);
        seen.people = self.people().map(Into::into).collect();
        if self.is_released() {
            seen.lock = LockState::Released;
        }
        seen.ms.all = frame.taken.elapsed().as_secs_f64() * 1e3;
        Ok(seen)
    }

    /// The lock's events go nowhere else.
    fn tend(&self) -> Result<(), TrialError> {
        self.keeper.told();
        match self.keeper.fault() {
            None => Ok(()),
            Some(Fault::Lock(error)) => Err(error.into()),
            Some(Fault::Panic(said)) => Err(TrialError::Panic(said)),
        }
    }

    /// The face, cut out, if it is as good as the door asks, or as an enrollment does.
    fn find(&self, content: &Content, seen: &mut Seen) -> Result<(AlignedFace, Landmarks), Unseen> {
        let began = Instant::now();
        let image = &content.image;
        (seen.width, seen.height) = image.dimensions();
        let template = self.bundle.network.input().template;
        let landmarks = match (&content.face, &self.bundle.detector) {
            (Face::Unknown, Some(detector)) => {
                let found = detector.detect(image).map_err(Unseen::bad)?;
                let shown = found.iter().map(|d| FaceSeen::of(&d.landmarks, template));
                seen.faces = shown.collect();
                detect::only(&found).map_err(Unseen::from)
            }
            _ => find::landmarks(content, None)
                .inspect(|landmarks| seen.faces = vec![FaceSeen::of(landmarks, template)]),
        };
        seen.ms.detect = began.elapsed().as_secs_f64() * 1e3;
        let landmarks = landmarks?;
        let limits = match self.enrolling {
            Some(_) => Limits::ENROLLMENT,
            None => Limits::DOOR,
        };
        let unseen = |error| Unseen::of_face(&error, &landmarks);
        let (face, quality) = face::measured(image, &landmarks, template).map_err(unseen)?;
        seen.quality = Some(quality);
        seen.flaws = quality.flaws(&limits);
        match seen.flaws.is_empty() {
            true => Ok((face, landmarks)),
            false => Err(unseen(FaceError::Poor(seen.flaws.clone()))),
        }
    }

    fn compare(&self, face: &AlignedFace, landmarks: &Landmarks, ms: &mut Times) -> Sight {
        let began = Instant::now();
        let probe = self.bundle.network.embed(face);
        ms.embed = began.elapsed().as_secs_f64() * 1e3;
        let bad = |error: &dyn ToString| Sight::plain(Outcome::BadFrame, error.to_string());
        match probe {
            Ok(probe) => match self.identifier.identify(&probe, None) {
                Ok(verdict) => Sight::of(verdict, landmarks),
                Err(error) => bad(&error),
            },
            Err(error) => bad(&error),
        }
    }
}
