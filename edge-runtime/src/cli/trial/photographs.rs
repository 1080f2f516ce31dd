//! Photographs in the place of a camera.

use super::super::Result;
use super::teller::Teller;
use super::{Shared, Try, lock, look};
use edge_runtime::bundle::Loaded;
use edge_runtime::camera::{Content, Face, Frame};
use edge_runtime::event::LockState;
use edge_runtime::landmarks::{self, LandmarksError};
use edge_runtime::photo;
use edge_runtime::trial::Trial;
use edge_runtime::trial::page::Latest;
use edge_runtime::trial::show::Show;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the lock stays released for a photograph.
pub(super) const BRIEFLY: Duration = Duration::from_millis(100);

impl Try {
    /// Shows photographs, each as often as frames must agree, and sums up.
    pub(super) fn play(&self, trial: &Shared, show: Show, teller: &Teller) -> Result<ExitCode> {
        show.refused
            .iter()
            .for_each(|reason| teller.note(&format!("not enrolled from {reason}")));
        let Show {
            enrollment, shown, ..
        } = show;
        teller.note(&format!(
            "enrolled {} from {} photographs",
            enrollment.record.subject(),
            enrollment.record.template_count()
        ));
        for advice in &enrollment.advice {
            teller.note(&format!("  {advice}"));
        }
        let enrolled = enrollment.record.subject().to_owned();
        lock(trial).add(enrollment.record, enrollment.crops.as_ref())?;
        let latest = self.own_page(trial, teller)?;
        if let Some(latest) = &latest {
            teller.note("the photographs are shown when the page is open; --no-page does without");
            latest.wait_for_page();
        }
        let mut counts = [[0_usize; 2]; 2];
        for (path, own) in shown {
            let began = Instant::now();
            let let_in = self.visit(trial, &path, &enrolled, &latest, teller)?;
            counts[usize::from(!own)][usize::from(let_in)] += 1;
            let pace = Duration::try_from_secs_f64(self.pace).unwrap_or_default();
            thread::sleep(pace.saturating_sub(began.elapsed()));
        }
        let [own, others] = counts.map(|[refused, let_in]| (let_in, let_in + refused));
        teller.note(&format!(
            "let in: {} of {} photographs of the person enrolled, {} of {} of others",
            own.0, own.1, others.0, others.1
        ));
        Ok(ExitCode::SUCCESS)
    }

    /// Shows a photograph as often as frames must agree; whether the lock was released for whom it
    /// was to be.
    fn visit(
        &self,
        trial: &Shared,
        path: &Path,
        enrolled: &str,
        latest: &Option<Arc<Latest>>,
        teller: &Teller,
    ) -> Result<bool> {
        let content = content_of(path).map_err(|error| error.to_string());
        let frame = || Frame {
            name: path.display().to_string(),
            taken: Instant::now(),
            content: content.clone(),
        };
        let mut seen = look(trial, frame(), latest, teller)?;
        for _ in 1..seen.needed {
            seen = look(trial, frame(), latest, teller)?;
        }
        while lock(trial).is_released() {
            thread::sleep(BRIEFLY / 10);
        }
        let for_enrolled = seen.subject.as_deref() == Some(enrolled);
        Ok(seen.lock == LockState::Released && for_enrolled)
    }
}

pub(super) fn show_of(images: &Path, trial: &Trial) -> Result<Show> {
    let Loaded { manifest, .. } = trial.bundle();
    let point = manifest.operating_point(trial.identifier().operating_point().fmr, 1)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let beside = (trial.identifier().roster(), &point);
    Ok(Show::of(images, trial.bundle().eyes(), beside, now)?)
}

fn content_of(path: &Path) -> Result<Content> {
    let face = match landmarks::find_for_image(path, None) {
        Ok(Some(landmarks)) => Face::At(landmarks),
        Ok(None) => Face::Nowhere,
        Err(LandmarksError::NotFound(_)) => Face::Unknown,
        Err(error) => return Err(error.into()),
    };
    Ok(Content {
        image: photo::read(path)?,
        face,
    })
}
