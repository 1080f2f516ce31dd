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
use crate::face;
use crate::find::{self, Unseen};
use crate::identify::{Identifier, Identify};
use crate::millis::millis;
use crate::network::NetworkError;
use crate::pipeline::Sight;
use crate::quality::{Limits, Quality};
use crate::store::{Person, Store};
use enrolling::Enrolling;
use shared::align::{AlignedFace, Landmarks};
use shared::enrollment::{EnrollmentError, EnrollmentRecord, check_subject};
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
    /// The lock stays locked until then.
    ///
    /// # Errors
    /// The name is none.
    pub fn enroll(&mut self, subject: &str) -> Result<(), EnrollmentError> {
        check_subject(subject)?;
        self.enrolling = Some(Enrolling::new(subject));
        Ok(())
    }

    /// Gives an enrollment up, if one has begun.
    pub fn cancel(&mut self) {
        self.enrolling = None;
    }

    /// Forgets everybody who was enrolled in this trial alone.
    ///
    /// # Errors
    /// [`TrialError::OperatingPoint`].
    pub fn forget(&mut self) -> Result<(), TrialError> {
        self.cancel();
        match self.store {
            Some(_) => Ok(()),
            None => self.know(Vec::new()),
        }
    }

    /// Adds a record, or replaces that of the same name.
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
        let people = others.chain([&record]).cloned().collect();
        // Whom there is no threshold for is not kept either.
        Identifier::new(self.roster_of(&people), &self.bundle.manifest, &self.asked)?;
        if let Some((store, keep_crops)) = &self.store {
            let crops = crops.filter(|_| *keep_crops);
            let record = &record;
            store.add_person(Person { record, crops }, true)?;
        }
        self.know(people)
    }

    fn know(&mut self, people: Vec<EnrollmentRecord>) -> Result<(), TrialError> {
        let roster = self.roster_of(&people);
        self.identifier = Identifier::new(roster, &self.bundle.manifest, &self.asked)?;
        self.people = people;
        Ok(())
    }

    fn roster_of(&self, people: &Vec<EnrollmentRecord>) -> Roster {
        let mut roster = Roster::of(&self.bundle.manifest);
        for record in people {
            // Of this network or of one that it accepts, and no two of a name.
            roster
                .add(record)
                .expect("records are those of the manifest");
        }
        roster
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
        // Events of the lock go nowhere else, and the lock's thread is looked after.
        self.keeper.told();
        if let Some(fault) = self.keeper.fault() {
            return Err(TrialError::Fault(match fault {
                Fault::Lock(error) => error.to_string(),
                Fault::Panic(said) => said,
            }));
        }
        seen.reason = sight.reason(agreeing, self.needed, refusal);
        seen.outcome = sight.outcome;
        seen.subject = sight.subject;
        seen.score = sight.score;
        seen.threshold = self.identifier.operating_point().threshold;
        (seen.agreeing, seen.needed) = (agreeing, self.needed);
        seen.people = self.people().map(Into::into).collect();
        if self.is_released() {
            seen.lock = LockState::Released;
        }
        seen.ms.all = frame.taken.elapsed().as_secs_f64() * 1e3;
        Ok(seen)
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
        if let Ok(cut) = face::align(image, &landmarks, template) {
            let quality = Quality::of(image, &landmarks, &cut).ok();
            seen.flaws = quality.map_or(Vec::new(), |quality| quality.flaws(&limits));
            seen.quality = quality;
        }
        let face = find::good_face(image, &landmarks, template, &limits)?;
        Ok((face, landmarks))
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

    /// What an enrollment makes of a frame; nobody is let in meanwhile.
    fn enroll_from(
        &mut self,
        mut enrolling: Enrolling,
        face: Result<(AlignedFace, Landmarks), Unseen>,
        seen: &mut Seen,
    ) -> Sight {
        let sight = match face {
            Err(unseen) => {
                enrolling.missed(seen.at_ms);
                Sight::unseen(unseen)
            }
            Ok((face, landmarks)) => {
                let embed = |face: &AlignedFace| -> Result<_, NetworkError> {
                    Ok(self.bundle.network.embed(face)?.embedding)
                };
                match enrolling.take(face, &landmarks, seen.at_ms, embed) {
                    Ok(()) => Sight::plain(Outcome::NoClaim, enrolling.wish()),
                    Err(error) => Sight::plain(Outcome::BadFrame, error.to_string()),
                }
            }
        };
        seen.enrolling = Some(enrolling.prompt());
        if !enrolling.is_done() {
            self.enrolling = Some(enrolling);
            return sight;
        }
        seen.said = match self.finish(enrolling) {
            Ok(said) => said,
            Err(reason) => format!("nobody was enrolled: {reason}"),
        };
        sight
    }

    fn finish(&mut self, enrolling: Enrolling) -> Result<String, String> {
        let manifest = &self.bundle.manifest;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let point = manifest.operating_point(self.asked.false_accept_rate.get(), 1);
        let point = point.map_err(|error| error.to_string())?;
        let beside = (&self.roster_of(&self.people), &point);
        let made = enrolling.record(
            manifest.model_digest,
            beside,
            now.unwrap_or_default().as_secs(),
        );
        let (record, crops, advice) = made.map_err(|error| error.to_string())?;
        let mut said = format!(
            "enrolled {} from {} views",
            record.subject(),
            record.template_count()
        );
        advice
            .iter()
            .for_each(|advice| said += &format!("; {advice}"));
        let added = self.add(record, crops.as_ref());
        added.map(|()| said).map_err(|error| error.to_string())
    }
}
