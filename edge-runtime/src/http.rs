//! A small HTTP server for programs on this machine.
//!
//! Our own few lines, because the small HTTP servers that are kept have no timeouts: here each
//! connection has one request, a bound of bytes and of time, and there are a few at once only.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const MAX_HEAD_LEN: usize = 8192;
const MAX_HEADERS: usize = 64;
/// For the whole request, and for the whole answer.
const TIMEOUT: Duration = Duration::from_secs(2);
const AT_ONCE: usize = 8;
/// Before the next try, when the system gives no connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What somebody asks for.
pub(crate) struct Request {
    pub(crate) method: String,
    /// With the query, as it was sent.
    pub(crate) path: String,
    /// Whom the client thinks it speaks to, and a port.
    pub(crate) host: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// What is answered.
pub(crate) struct Response {
    pub(crate) status: &'static str,
    pub(crate) content_type: &'static str,
    /// Header lines beside those of every answer, each with its end of line.
    pub(crate) headers: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// A few words.
    pub(crate) fn text(status: &'static str, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            headers: "",
            body: body.into().into_bytes(),
        }
    }
}

/// Answers on a thread of its own, for as long as the process lives.
///
/// - `name`: of the threads
/// - `max_body_len`: requests with more are refused
///
/// # Errors
/// The system gives no thread.
pub(crate) fn serve(
    listener: TcpListener,
    name: &'static str,
    max_body_len: usize,
    answer: impl Fn(&Request) -> Response + Send + Sync + 'static,
) -> io::Result<()> {
    let accept = move || {
        let (open, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(answer));
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
            let (here, answer) = (open.clone(), answer.clone());
            let spawned = thread::Builder::new().name(name.into()).spawn(move || {
                // Whoever hangs up in between misses the answer and nothing else.
                let _ = talk(stream, max_body_len, &*answer);
                here.fetch_sub(1, Ordering::AcqRel);
            });
            if spawned.is_err() {
                open.fetch_sub(1, Ordering::AcqRel);
            }
        }
    };
    thread::Builder::new().name(name.into()).spawn(accept)?;
    Ok(())
}

fn talk(
    mut stream: TcpStream,
    max_body_len: usize,
    answer: &impl Fn(&Request) -> Response,
) -> io::Result<()> {
    let response = match request(&mut stream, max_body_len)? {
        Ok(request) => answer(&request),
        Err(refusal) => refusal,
    };
    stream.set_write_timeout(Some(TIMEOUT))?;
    let Response {
        status,
        content_type,
        headers,
        body,
    } = response;
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{headers}Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)?;
    stream.shutdown(Shutdown::Write)
}

/// Reads a request to its end; what to answer if it is none.
fn request(stream: &mut TcpStream, max_body_len: usize) -> io::Result<Result<Request, Response>> {
    let no_http = || Ok(Err(Response::text("400 Bad Request", "no HTTP request\n")));
    let until = Instant::now() + TIMEOUT;
    let mut bytes = Vec::new();
    let Head {
        mut request,
        len,
        body_len,
    } = loop {
        match Head::of(&bytes) {
            Ok(Some(head)) => break head,
            Ok(None) if read_more(stream, &mut bytes, until)? => {}
            _ => return no_http(),
        }
    };
    if body_len > max_body_len {
        let text = format!("at most {max_body_len} bytes are taken\n");
        return Ok(Err(Response::text("413 Content Too Large", text)));
    }
    while bytes.len() < len + body_len {
        if !read_more(stream, &mut bytes, until)? {
            return no_http();
        }
    }
    request.body = bytes[len..len + body_len].into();
    Ok(Ok(request))
}

/// Whether there was more.
fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>, until: Instant) -> io::Result<bool> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    stream.set_read_timeout(Some(left))?;
    let mut chunk = [0; 16384];
    let read = stream.read(&mut chunk)?;
    bytes.extend_from_slice(&chunk[..read]);
    Ok(read > 0)
}

/// What comes before a body.
struct Head {
    request: Request,
    len: usize,
    body_len: usize,
}

/// Bytes that no request begins with.
struct NoHttp;

impl Head {
    /// `None` if there is more to come.
    fn of(bytes: &[u8]) -> Result<Option<Self>, NoHttp> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        let ended = bytes.windows(4).any(|end| end == b"\r\n\r\n");
        let len = match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(len)) if len <= MAX_HEAD_LEN => len,
            Ok(httparse::Status::Partial) if bytes.len() <= MAX_HEAD_LEN && !ended => {
                return Ok(None);
            }
            _ => return Err(NoHttp),
        };
        let header = |name: &str| {
            let mut headers = parsed.headers.iter();
            let named = headers.find(|header| header.name.eq_ignore_ascii_case(name));
            named.map(|header| String::from_utf8_lossy(header.value))
        };
        let body_len = header("content-length").map_or(Ok(0), |len| len.trim().parse());
        let (Ok(body_len), None) = (body_len, header("transfer-encoding")) else {
            return Err(NoHttp);
        };
        let request = Request {
            method: parsed.method.unwrap_or_default().into(),
            path: parsed.path.unwrap_or_default().into(),
            host: header("host").map(Into::into),
            body: Vec::new(),
        };
        Ok(Some(Self {
            request,
            len,
            body_len,
        }))
    }
}
