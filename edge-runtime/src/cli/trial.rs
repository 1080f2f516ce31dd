//! `try`: a door to try on oneself.

use super::{Output, Result, Source};
use anyhow::{Context, bail};
use clap::Args;
use edge_runtime::bundle::{self, Loaded};
use edge_runtime::camera::{self, Content, Face, Frame};
use edge_runtime::config::Config;
use edge_runtime::event::LockState;
use edge_runtime::landmarks::{self, LandmarksError};
use edge_runtime::photo;
use edge_runtime::store::Store;
use edge_runtime::trial::page::{self, Camera, Latest};
use edge_runtime::trial::show::Show;
use edge_runtime::trial::{Rules, Seen, Trial, TrialError};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the lock stays released for a photograph.
const BRIEFLY: Duration = Duration::from_millis(100);

#[derive(Args)]
pub(super) struct Try {
    #[command(flatten)]
    source: Source,
    /// Photographs in the place of a camera: yours, or a folder for each person, the first of whom
    /// is enrolled. Where a landmarks.csv lies beside them, faces are where it says.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    images: Option<PathBuf>,
    /// Look through the camera of --config, and not through the browser's.
    #[arg(long, requires = "config")]
    door_camera: bool,
    /// Enroll a person of that name first.
    #[arg(long, value_name = "NAME", conflicts_with = "images")]
    enroll: Option<String>,
    /// Where the page is; an address of this machine. Port 0 is any that is free.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Show no page.
    #[arg(long)]
    no_page: bool,
    /// Seconds from one photograph of --images to the next.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.5)]
    pace: f64,
}

/// A trial that pages and this thread share.
type Shared = Arc<Mutex<Trial>>;

impl Try {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        if !self.listen.ip().is_loopback() {
            bail!(
                "--listen {}: expected an address of this machine alone, as 127.0.0.1:7654: the page shows faces",
                self.listen
            );
        }
        let began = Instant::now();
        let config = self.source.config.as_deref();
        let config = config.map(Config::read).transpose()?;
        let mut trial = self.trial(config.as_ref())?;
        if let Some(name) = &self.enroll {
            trial.enroll(name)?;
        }
        let show = self.images.as_deref();
        let show = show.map(|images| show_of(images, &trial)).transpose()?;
        let teller = Arc::new(Teller::new(out.json));
        let point = trial.identifier().operating_point();
        teller.note(&format!(
            "ready after {:.2} s: threshold {:.3} for a false-match rate of {} ({} pairs), {} enrolled",
            began.elapsed().as_secs_f64(),
            point.threshold,
            point.fmr,
            point.impostor_pairs,
            trial.people().count(),
        ));
        let can_find = trial.bundle().detector.is_some();
        let trial = Arc::new(Mutex::new(trial));
        match (show, config.filter(|_| self.door_camera)) {
            (Some(show), _) => self.play(&trial, show, &teller),
            (None, Some(config)) => self.watch(&trial, &config, can_find, &teller),
            (None, None) if self.no_page => bail!(
                "without a page there is no camera: name --images DIR, or --config with --door-camera"
            ),
            (None, None) if !can_find => Err(TrialError::NoDetector.into()),
            (None, None) => self.wait_on_page(&trial, &teller),
        }
    }

    /// The door that is to be tried, with its people if it is set up.
    fn trial(&self, config: Option<&Config>) -> Result<Trial> {
        let Some(config) = config else {
            let bundle = self.source.bundle.as_deref();
            let loaded = bundle::load(bundle.context("name a --bundle or a --config")?)?;
            let mut rules = Rules::default();
            if self.images.is_some() {
                rules = rules.hold(BRIEFLY);
            }
            return Ok(Trial::new(loaded, rules)?);
        };
        let rules = Rules::of(config)?;
        let store = Store::open(&config.store)?;
        let trial = Trial::new(bundle::load(&config.bundle)?, rules)?;
        Ok(trial.keep_in(store, config.store.keep_crops)?)
    }

    /// Looks through a door's camera, until its frames end.
    fn watch(
        &self,
        trial: &Shared,
        config: &Config,
        can_find: bool,
        teller: &Teller,
    ) -> Result<ExitCode> {
        let frames = camera::open(&config.camera, can_find)?;
        let latest = self.own_page(trial, teller)?;
        for frame in frames {
            look(trial, frame, &latest, teller)?;
            std::thread::sleep(config.camera.interval());
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Shows photographs, each as often as frames must agree, and sums up.
    fn play(&self, trial: &Shared, show: Show, teller: &Teller) -> Result<ExitCode> {
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
            std::thread::sleep(pace.saturating_sub(began.elapsed()));
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
            std::thread::sleep(BRIEFLY / 10);
        }
        let for_enrolled = seen.subject.as_deref() == Some(enrolled);
        Ok(seen.lock == LockState::Released && for_enrolled)
    }

    /// The page of pictures that this program has, unless none is wanted.
    fn own_page(&self, trial: &Shared, teller: &Teller) -> Result<Option<Arc<Latest>>> {
        if self.no_page {
            return Ok(None);
        }
        let latest = Arc::new(Latest::default());
        self.page(trial, Camera::Own(latest.clone()), teller)?;
        Ok(Some(latest))
    }

    fn page(&self, trial: &Shared, camera: Camera, teller: &Teller) -> Result<()> {
        let url = page::start(self.listen, trial.clone(), camera).with_context(|| {
            format!(
                "{}: no page can be there; choose another port with --listen 127.0.0.1:0",
                self.listen
            )
        });
        // The chain of causes is one line here.
        let url = url.map_err(|error| anyhow::anyhow!("{error:#}"))?;
        teller.note(&format!("open {url}"));
        Ok(())
    }

    /// Until the program is ended, or the lock fails.
    fn wait_on_page(&self, trial: &Shared, teller: &Arc<Teller>) -> Result<ExitCode> {
        let (failed, ended) = mpsc::channel();
        let stopped = failed.clone();
        ctrlc::set_handler(move || {
            let _ = stopped.send(None);
        })?;
        let told = teller.clone();
        let tell = move |seen: std::result::Result<&Seen, _>| match seen {
            Ok(seen) => told.seen(seen),
            Err(error) => {
                let _ = failed.send(Some(error));
            }
        };
        self.page(trial, Camera::Browser(Box::new(tell)), teller)?;
        teller.note("the page asks for your camera; Ctrl-C ends, and nothing is kept unless --config is given");
        loop {
            match ended.recv_timeout(Duration::from_secs(3600)) {
                Ok(None) | Err(RecvTimeoutError::Disconnected) => return Ok(ExitCode::SUCCESS),
                Ok(Some(error)) => return Err(error.into()),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

fn lock(trial: &Shared) -> std::sync::MutexGuard<'_, Trial> {
    trial.lock().unwrap_or_else(PoisonError::into_inner)
}

fn show_of(images: &Path, trial: &Trial) -> Result<Show> {
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

fn look(
    trial: &Shared,
    frame: Frame,
    latest: &Option<Arc<Latest>>,
    teller: &Teller,
) -> Result<Seen> {
    let shown = latest.as_ref().zip(frame.content.as_ref().ok());
    let shown = shown.map(|(latest, content)| (latest, content.image.clone()));
    let seen = lock(trial).look(frame)?;
    teller.seen(&seen);
    if let Some((latest, image)) = shown {
        latest.show(image, seen.clone());
    }
    Ok(seen)
}

/// Writes every frame as JSON, or a line whenever something else is seen.
struct Teller {
    json: bool,
    last: Mutex<String>,
}

impl Teller {
    fn new(json: bool) -> Self {
        Self {
            json,
            last: Mutex::default(),
        }
    }

    /// Where JSON is read, it goes beside.
    fn note(&self, text: &str) {
        // Whoever closed its output wants to know nothing.
        let _ = match self.json {
            true => writeln!(io::stderr(), "{text}"),
            false => writeln!(io::stdout(), "{text}"),
        };
    }

    fn seen(&self, seen: &Seen) {
        if self.json {
            let text = serde_json::to_string(seen).expect("plain fields");
            let _ = writeln!(io::stdout(), "{text}");
            return;
        }
        let text = format!("{}  {seen}", seen.frame);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Scores move with every frame; what is seen, seldom.
        let taken = seen.enrolling.as_ref().map(|prompt| prompt.taken);
        let what = format!(
            "{} {:?} {:?} {:?} {taken:?} {}",
            seen.frame, seen.outcome, seen.subject, seen.lock, seen.said
        );
        if *last != what {
            let _ = writeln!(io::stdout(), "{:7.1} s  {text}", seen.at_ms as f64 / 1e3);
            *last = what;
        }
    }
}
