//! `try`: a door to try on oneself.

mod photographs;
mod teller;

use super::{Output, Result, Source};
use anyhow::{Context, bail};
use clap::Args;
use edge_runtime::bundle;
use edge_runtime::camera::{self, Frame};
use edge_runtime::config::Config;
use edge_runtime::store::Store;
use edge_runtime::trial::page::{self, Camera, Latest};
use edge_runtime::trial::{Rules, Seen, Trial, TrialError};
use photographs::{BRIEFLY, show_of};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Instant;
use teller::Teller;

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
        if self.no_page && self.images.is_none() && !self.door_camera {
            bail!(
                "without a page there is no camera: name --images DIR, or --config with --door-camera"
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
        match ended.recv() {
            Ok(Some(error)) => Err(error.into()),
            _ => Ok(ExitCode::SUCCESS),
        }
    }
}

fn lock(trial: &Shared) -> MutexGuard<'_, Trial> {
    trial.lock().unwrap_or_else(PoisonError::into_inner)
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
