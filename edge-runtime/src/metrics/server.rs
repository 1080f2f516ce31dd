//! Answers `GET /metrics` on this machine, and nothing else.
//!
//! Our own few lines, because the small HTTP servers that are kept have no timeouts: here each
//! connection has one request, a bound of bytes and of time, and there are a few at once only.

use super::{Metrics, MetricsSettings};
use crate::events::EventsError;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const MAX_REQUEST_LEN: usize = 8192;
/// For the whole request, and for the whole answer.
const TIMEOUT: Duration = Duration::from_secs(2);
const AT_ONCE: usize = 8;
/// Before the next try, when the system gives no connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Begins to listen; returns where.
///
/// # Errors
/// [`EventsError::Listen`], [`EventsError::Thread`].
pub fn start(settings: &MetricsSettings, metrics: Arc<Metrics>) -> Result<SocketAddr, EventsError> {
    let address = settings.listen;
    let listen = |source| EventsError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    thread::Builder::new()
        .name("metrics".into())
        .spawn(move || serve(&listener, &metrics))
        .map_err(EventsError::Thread)?;
    Ok(address)
}

fn serve(listener: &TcpListener, metrics: &Arc<Metrics>) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(PAUSE);
            continue;
        };
        // Whoever comes while too many are there is hung up on.
        if open.fetch_add(1, Ordering::AcqRel) >= AT_ONCE {
            open.fetch_sub(1, Ordering::AcqRel);
            continue;
        }
        let (here, metrics) = (open.clone(), metrics.clone());
        let spawned = thread::Builder::new().name("scrape".into()).spawn(move || {
            // Whoever hangs up in between misses the answer and nothing else.
            let _ = answer(stream, &metrics);
            here.fetch_sub(1, Ordering::AcqRel);
        });
        if spawned.is_err() {
            open.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

fn answer(mut stream: TcpStream, metrics: &Metrics) -> io::Result<()> {
    stream.set_write_timeout(Some(TIMEOUT))?;
    let (status, body) = match request(&mut stream)? {
        Some(request) => match request.split(|b| *b == b' ').collect::<Vec<_>>()[..] {
            [b"GET", b"/metrics", _] => ("200 OK", metrics.text()),
            [b"GET", _, _] => ("404 Not Found", "metrics are at /metrics\n".into()),
            [_, _, _] => ("405 Method Not Allowed", "only GET is answered\n".into()),
            _ => ("400 Bad Request", "no HTTP request\n".into()),
        },
        None => ("400 Bad Request", "no HTTP request\n".into()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    stream.shutdown(Shutdown::Write)
}

/// The first line of a request, read to its end; `None` if it is too long or has none.
fn request(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let until = Instant::now() + TIMEOUT;
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let read = stream.read(&mut chunk)?;
        request.extend_from_slice(&chunk[..read]);
        if read == 0 || request.len() > MAX_REQUEST_LEN {
            return Ok(None);
        }
    }
    let line = request.split(|b| *b == b'\r').next();
    Ok(line.map(Into::into))
}
