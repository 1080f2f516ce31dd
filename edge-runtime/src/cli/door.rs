//! `run`: the door itself.

use super::{Output, Result};
use clap::Args;
use edge_runtime::audit::{self, Recorder};
use edge_runtime::bundle;
use edge_runtime::camera;
use edge_runtime::claim::Claims;
use edge_runtime::config::Config;
use edge_runtime::door::{self, Keeper, SafeState};
use edge_runtime::event::Event;
use edge_runtime::events::{Fitted, Reporter};
use edge_runtime::gallery::Gallery;
use edge_runtime::identify::Identify;
use edge_runtime::pipeline::{Pipeline, RunError, Sink};
use edge_runtime::release::{self, TrustedKey};
use edge_runtime::store::Store;
use edge_runtime::watchdog::Watchdog;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, SystemTime};

/// Exit status of a door that hung.
const STALLED: i32 = 3;
/// How long a door that hung has for its last words, which may hang, too.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(super) struct Run {
    /// The door's configuration.
    #[arg(long, value_name = "DOOR.TOML")]
    config: PathBuf,
    /// Open for this person only (1:1), whatever door.toml says of claims.
    #[arg(long, value_name = "SUBJECT")]
    claim: Option<String>,
    /// Load only a bundle that the release beside it names, which this key must have signed.
    #[arg(long, value_name = "FILE.PUB")]
    trusted_key: Option<PathBuf>,
    /// Tell nothing of frames, and of nobody the name, as is right for a system's journal; the
    /// sealed log tells.
    #[arg(long)]
    no_names: bool,
}

/// Switches the relay's current off, as a door does that ends.
#[derive(Args)]
pub(super) struct Lock {
    /// The door's configuration.
    #[arg(long, value_name = "DOOR.TOML")]
    config: PathBuf,
}

impl Lock {
    pub(super) fn run(self) -> Result<ExitCode> {
        let config = Config::read(&self.config)?;
        door::open(&config.door)?.safe_state().enter();
        Ok(ExitCode::SUCCESS)
    }
}

impl Run {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        let ran = self.start(out);
        // A pipeline that ran has told how it ended.
        if let Err(error) = ran.as_ref()
            && !error.is::<RunError>()
        {
            let reason = error.to_string();
            out.line(&Event::Stopped { at_ms: 0, reason })?;
        }
        ran
    }

    /// Takes the lock first: whatever fails after it, its relay is without current before anything
    /// is told.
    fn start(self, out: &Output) -> Result<ExitCode> {
        let config = Config::read(&self.config)?;
        let safe_state = Arc::new(OnceLock::new());
        let stop = signals(safe_state.clone())?;
        let keeper = door::open(&config.door)?;
        safe_state.get_or_init(|| keeper.safe_state());
        keeper.safe_state().enter_on_panic();
        self.watch(&config, keeper, &stop, out)
    }

    fn watch(
        self,
        config: &Config,
        keeper: Keeper,
        stop: &Receiver<()>,
        out: &Output,
    ) -> Result<ExitCode> {
        let store = Store::open(&config.store)?;
        store.tend()?;
        let mut recorder = Recorder::start(store.clone())?;
        let left = keeper.safe_state();
        let no_names = self.no_names;
        let mut reporter = None;
        let mut watchdog = Watchdog::default();
        let ran = (|| {
            let (mqtt, metrics) = (config.mqtt.as_ref(), config.metrics.as_ref());
            reporter = Some(Reporter::start(
                mqtt,
                metrics,
                Fitted::of(&config.door),
                &store,
            )?);
            let (log, last) = (store.clone(), keeper.safe_state());
            watchdog = Watchdog::start(config.watchdog, keeper.safe_state(), move |reason| {
                end_stalled(log, last, reason);
            })?;
            let watched = (keeper, watchdog.clone());
            self.look(config, &store, watched, stop, &mut |event| {
                tell(event, &mut reporter, &mut recorder, (out, no_names))
            })
        })();
        if let Err(error) = ran.as_ref()
            && !error.is::<RunError>()
        {
            let reason = error.to_string();
            for event in left.told() {
                let _ = tell(&event, &mut reporter, &mut recorder, (out, no_names));
            }
            // The log that fails tells so itself.
            let _ = recorder.tell(&Event::Stopped { at_ms: 0, reason });
            // The reason may name somebody.
            let reason = "the door cannot start; its own log says why".into();
            let stopped = Event::Stopped { at_ms: 0, reason };
            reporter.iter_mut().for_each(|r| r.tell(&stopped));
        }
        let logged = recorder.end();
        // Until here it may hang.
        drop(watchdog);
        reporter.into_iter().for_each(Reporter::end);
        ran?;
        logged?;
        Ok(ExitCode::SUCCESS)
    }

    fn look(
        self,
        config: &Config,
        store: &Store,
        (keeper, watchdog): (Keeper, Watchdog),
        stop: &Receiver<()>,
        tell: Sink<'_>,
    ) -> Result<()> {
        if let Some(key) = &self.trusted_key {
            let key = TrustedKey::read(key)?;
            let (release, note) = release::beside(&config.bundle, &key)?;
            tell(&Event::ReleaseInForce {
                release: release.counter,
                note: note.unwrap_or_default(),
            })?;
        }
        let bundle = bundle::load(&config.bundle)?;
        if config.store.keep_crops {
            let people = store
                .reembed(&bundle.network, &bundle.manifest)?
                .renewed
                .len();
            if people > 0 {
                tell(&Event::Reembedded { people })?;
            }
        } else {
            store.forget_crops()?;
        }
        let claims = match (&self.claim, &config.claims) {
            (Some(subject), _) => Claims::fixed(subject.clone()),
            (None, Some(claims)) => Claims::listen(claims, &config.access)?,
            (None, None) => Claims::none(),
        };
        let asked = Identify {
            claims_only: claims.only(),
            ..config.identify
        };
        let gallery = Gallery::of(store.clone(), bundle.manifest, asked)?;
        let camera = camera::open(&config.camera, bundle.detector.is_some())?;
        let identifier = gallery.identifier();
        // A misspelled name would leave somebody's access unbounded. A record that cannot be read
        // may be that person's, who stays out in any case.
        let mut bounded = config.access.people();
        if gallery.unusable().is_empty()
            && let Some(unknown) = bounded.find(|person| !identifier.knows(person))
        {
            anyhow::bail!(
                "{}: [access.people.{unknown}], and nobody of that name is enrolled; correct the name, enroll the person, or remove the lines",
                self.config.display()
            );
        }
        tell(&Event::Started {
            model: bundle.network.model().to_string(),
            people: identifier.people(),
            other_precision: identifier.of_other_models(),
            claim: self.claim,
            threshold: identifier.operating_point().threshold,
            false_match_rate: identifier.operating_point().fmr,
            needed: config.decide.rule.needed(),
        })?;
        for unusable in gallery.unusable() {
            let reason = unusable.to_string();
            tell(&Event::RecordUnusable { reason })?;
        }
        let pipeline = Pipeline {
            network: bundle.network,
            detector: bundle.detector,
            gallery,
            claims,
            policy: config.decide.clone(),
            access: config.access.clone(),
            keeper,
            watchdog,
            interval: config.camera.interval(),
            clock: SystemTime::now,
        };
        Ok(pipeline.run(camera, stop, tell)?)
    }
}

/// Tells everybody: the broker, the log, whoever reads the output.
fn tell(
    event: &Event,
    reporter: &mut Option<Reporter>,
    recorder: &mut Recorder,
    (out, no_names): (&Output, bool),
) -> io::Result<()> {
    let mut events = Vec::new();
    if let Some(reporter) = reporter {
        reporter.tell(event);
        events = reporter.faults();
    }
    // Each to both, whatever becomes of the one before.
    let told = events.iter().chain([event]).map(|event: &Event| {
        let logged = recorder.tell(event);
        let nameless = no_names.then(|| event.nameless());
        let told = match &nameless {
            None => Some(event),
            Some(nameless) => nameless.as_ref(),
        };
        told.map_or(Ok(()), |told| out.line(told)).and(logged)
    });
    told.fold(Ok(()), Result::and)
}

/// Receives something when the system asks the program to end. The lock ends before that, whatever
/// the loop is doing.
fn signals(safe_state: Arc<OnceLock<SafeState>>) -> Result<Receiver<()>> {
    let (signal, stop) = mpsc::channel();
    ctrlc::set_handler(move || {
        if let Some(safe_state) = safe_state.get() {
            safe_state.enter();
        }
        // Sending fails only when the door has ended already.
        let _ = signal.send(());
    })?;
    Ok(stop)
}

/// Tells why, where that is possible, and ends the process: nothing in it can be waited for.
fn end_stalled(log: Store, last: SafeState, reason: &str) {
    let (done, told) = mpsc::channel();
    let reason = reason.to_owned();
    let teller = thread::Builder::new().spawn(move || {
        let _ = writeln!(io::stderr(), "error: {reason}");
        let _ = audit::last_words(&log, &last.told(), &reason);
        let _ = done.send(());
    });
    // Without a thread `done` is gone, and nothing is waited for.
    let _ = teller.map(|_| told.recv_timeout(LAST_WORDS));
    process::exit(STALLED);
}
