//! The local web page of a trial: its camera may be the browser's.
//!
//! Everything lies below a random name that only whoever started the trial is told, so neither
//! other people on this machine nor other pages in the browser reach it.

use super::{Seen, Trial, TrialError};
use crate::camera::{Content, Face, Frame};
use crate::http::{self, Request, Response, Service};
use crate::photo;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use serde::Serialize;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const MAX_SIDE_PX: u32 = 2000;
/// How long a page waits for the next picture before it asks again.
const WAIT: Duration = Duration::from_secs(1);
const JPEG_QUALITY: u8 = 85;
/// Nothing of another origin, and no other page may hold this one.
const HEADERS: &str = "Cache-Control: no-store\r\n\
    Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'\r\n\
    Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n";

/// Takes what was seen of every frame that the page sends, or why the trial cannot go on.
pub type Tell = Box<dyn Fn(Result<&Seen, TrialError>) + Send + Sync>;

/// Where the pictures come from.
pub enum Camera {
    /// From the page.
    Browser(Tell),
    /// From this program.
    Own(Arc<Latest>),
}

/// The last frame of this program's own camera.
#[derive(Default)]
pub struct Latest {
    last: Mutex<Last>,
    changed: Condvar,
}

#[derive(Default)]
struct Last {
    frame: Option<(RgbImage, Seen)>,
    asked: bool,
}

impl Latest {
    /// Puts a frame in the place of the last one.
    pub fn show(&self, image: RgbImage, seen: Seen) {
        self.last().frame = Some((image, seen));
        self.changed.notify_all();
    }

    /// Waits until somebody has asked for a frame.
    pub fn wait_for_page(&self) {
        let waited = self.changed.wait_while(self.last(), |last| !last.asked);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// The first frame after that number, if one comes in time.
    fn after(&self, number: u64) -> Option<(RgbImage, Seen)> {
        let mut last = self.last();
        last.asked = true;
        self.changed.notify_all();
        let is_old = |last: &mut Last| {
            let frame = last.frame.as_ref();
            frame.is_none_or(|(_, seen)| seen.number <= number)
        };
        let waited = self.changed.wait_timeout_while(last, WAIT, is_old);
        let (last, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        last.frame.clone().filter(|_| !timeout.timed_out())
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Offers the page; returns its address, to be opened in a browser of this machine.
///
/// # Errors
/// Nothing can listen there.
pub fn start(listen: SocketAddr, trial: Arc<Mutex<Trial>>, camera: Camera) -> io::Result<String> {
    let listener = TcpListener::bind(listen)?;
    let address = listener.local_addr()?;
    let secret = getrandom::u64()?;
    let base = format!("/{secret:016x}/");
    let url = format!("http://{address}{base}");
    let page = Page {
        hosts: hosts(address),
        base,
        trial,
        camera,
    };
    http::serve(listener, "page", page)?;
    Ok(url)
}

/// What a browser calls an address of this machine.
fn hosts(address: SocketAddr) -> Vec<String> {
    let port = address.port();
    let mut hosts = vec![address.to_string(), format!("localhost:{port}")];
    if port == 80 {
        hosts.extend([address.ip().to_string(), "localhost".into()]);
    }
    hosts
}

struct Page {
    hosts: Vec<String>,
    base: String,
    trial: Arc<Mutex<Trial>>,
    camera: Camera,
}

/// What a page must know before the first frame.
#[derive(Serialize)]
struct State {
    /// Whether the page is to send pictures.
    browser_camera: bool,
    /// Whether whoever is enrolled stays so.
    keeps_people: bool,
    /// Of the network.
    recipe: String,
}

#[derive(Serialize)]
struct Next {
    /// A data URL.
    image: String,
    seen: Seen,
}

impl Service for Page {
    /// A JPEG of the size that the page sends has a tenth of this.
    const MAX_BODY_LEN: usize = 4 << 20;

    fn refuse(&self, head: &Request) -> Option<Response> {
        // A name that somebody else's server resolves to this machine is not ours.
        let host = head.host.as_deref().unwrap_or_default();
        let status = match self.hosts.iter().any(|own| own == host) {
            false => "403 Forbidden",
            true if !head.path.starts_with(&self.base) => "404 Not Found",
            true => return None,
        };
        let text = "open the address that the program printed\n";
        Some(Response::text(status, text))
    }

    fn answer(&self, request: &Request) -> Response {
        let path = &request.path[self.base.len()..];
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match (&*request.method, path) {
            ("GET", "") => file("text/html", include_str!("page/index.html")),
            ("GET", "page.js") => file("text/javascript", include_str!("page/page.js")),
            ("GET", "page.css") => file("text/css", include_str!("page/page.css")),
            ("GET", "state") => json(&self.state()),
            ("GET", "next") => self.next(query),
            ("POST", "look") => self.look(&request.body),
            ("POST", "enroll") => self.enroll(&request.body),
            ("POST", "cancel") => {
                self.trial().cancel();
                done()
            }
            ("POST", "forget") => match self.trial().forget() {
                Ok(()) => done(),
                Err(error) => unusable(error),
            },
            _ => Response::text("404 Not Found", "there is nothing of that name\n"),
        }
    }
}

impl Page {
    fn trial(&self) -> MutexGuard<'_, Trial> {
        self.trial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> State {
        let trial = self.trial();
        State {
            browser_camera: matches!(self.camera, Camera::Browser(_)),
            keeps_people: trial.keeps_people(),
            recipe: trial.bundle().manifest.provenance.recipe.clone(),
        }
    }

    fn next(&self, query: &str) -> Response {
        let Camera::Own(latest) = &self.camera else {
            return Response::text("404 Not Found", "the camera is the browser's\n");
        };
        let number = query.strip_prefix("after=").and_then(|n| n.parse().ok());
        let Some((image, seen)) = latest.after(number.unwrap_or(0)) else {
            return done();
        };
        match as_jpeg(&image) {
            Ok(jpeg) => json(&Next {
                image: format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(jpeg)),
                seen,
            }),
            Err(error) => unusable(error),
        }
    }

    fn look(&self, jpeg: &[u8]) -> Response {
        let Camera::Browser(tell) = &self.camera else {
            return Response::text("404 Not Found", "the camera is the program's\n");
        };
        let taken = Instant::now();
        let name = "the browser's picture";
        let content = match photo::from_bytes(jpeg, Path::new(name)) {
            Ok(image) if image.width().max(image.height()) > MAX_SIDE_PX => {
                Err(format!("{name} is larger than {MAX_SIDE_PX} pixels"))
            }
            Ok(image) => Ok(Content {
                image,
                face: Face::Unknown,
            }),
            Err(error) => Err(error.to_string()),
        };
        let frame = Frame {
            name: name.into(),
            taken,
            content,
        };
        let seen = self.trial().look(frame);
        match seen {
            Ok(seen) => {
                tell(Ok(&seen));
                json(&seen)
            }
            Err(error) => {
                let response = Response::text("500 Internal Server Error", format!("{error}\n"));
                tell(Err(error));
                response
            }
        }
    }

    fn enroll(&self, name: &[u8]) -> Response {
        match self.trial().enroll(&String::from_utf8_lossy(name)) {
            Ok(()) => done(),
            Err(error) => unusable(error),
        }
    }
}

/// The picture as a page shows it.
fn as_jpeg(image: &RgbImage) -> Result<Vec<u8>, image::ImageError> {
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY).encode_image(image)?;
    Ok(jpeg)
}

fn file(content_type: &'static str, content: &str) -> Response {
    Response {
        content_type,
        headers: HEADERS,
        ..Response::text("200 OK", content)
    }
}

fn json(value: &impl Serialize) -> Response {
    let text = serde_json::to_string(value).expect("plain fields");
    file("application/json", &text)
}

fn done() -> Response {
    Response {
        headers: HEADERS,
        ..Response::text("204 No Content", "")
    }
}

fn unusable(error: impl ToString) -> Response {
    Response::text(
        "422 Unprocessable Content",
        format!("{}\n", error.to_string()),
    )
}
