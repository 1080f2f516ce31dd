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
/// For a head, and for an answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// For a body, which may come through a tunnel.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
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

/// Who answers.
pub(crate) trait Service: Send + Sync + 'static {
    /// The longest body that is read.
    const MAX_BODY_LEN: usize;

    /// What to answer by the head alone, so that the body of a stranger is not even read.
    fn refuse(&self, _head: &Request) -> Option<Response> {
        None
    }

    fn answer(&self, request: &Request) -> Response;
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
///
/// # Errors
/// The system gives no thread.
pub(crate) fn serve(
    listener: TcpListener,
    name: &'static str,
    service: impl Service,
) -> io::Result<()> {
    let accept = move || {
        let (open, service) = (Arc::new(AtomicUsize::new(0)), Arc::new(service));
        loop {
            let Ok((stream, _)) = listener.accept() else {
                thread::sleep(PAUSE);
                continue;
            };
            // Whoever comes while too many are there is hung up on.
            let here = Here::enter(&open);
            if open.load(Ordering::Acquire) > AT_ONCE {
                continue;
            }
            let service = service.clone();
            let talk = move || {
                let _here = here;
                // Whoever hangs up in between misses the answer and nothing else.
                let _ = talk(stream, &*service);
            };
            // Without a thread nobody is answered.
            let _ = thread::Builder::new().name(name.into()).spawn(talk);
        }
    };
    thread::Builder::new().name(name.into()).spawn(accept)?;
    Ok(())
}

/// One of those who are there; a panic ends it, too.
struct Here(Arc<AtomicUsize>);

impl Here {
    fn enter(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::AcqRel);
        Self(open.clone())
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn talk<S: Service>(mut stream: TcpStream, service: &S) -> io::Result<()> {
    let Response {
        status,
        content_type,
        headers,
        body,
    } = match request(&mut stream, service)? {
        Ok(request) => service.answer(&request),
        Err(refusal) => refusal,
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{headers}Connection: close\r\n\r\n",
        body.len()
    );
    let until = Instant::now() + TIMEOUT;
    write_all(&mut stream, head.as_bytes(), until)?;
    write_all(&mut stream, &body, until)?;
    stream.shutdown(Shutdown::Write)
}

fn write_all(stream: &mut TcpStream, mut bytes: &[u8], until: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(until)?))?;
        let written = stream.write(bytes)?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Until then; never nothing, which a stream takes for for ever.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(io::ErrorKind::TimedOut.into()),
        false => Ok(left),
    }
}

/// Reads a request to its end; what to answer if it is none.
fn request<S: Service>(
    stream: &mut TcpStream,
    service: &S,
) -> io::Result<Result<Request, Response>> {
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
    if let Some(refusal) = service.refuse(&request) {
        return Ok(Err(refusal));
    }
    if body_len > S::MAX_BODY_LEN {
        let text = format!("at most {} bytes are taken\n", S::MAX_BODY_LEN);
        return Ok(Err(Response::text("413 Content Too Large", text)));
    }
    let until = Instant::now() + BODY_TIMEOUT;
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
    stream.set_read_timeout(Some(left(until)?))?;
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

/// A head is told apart from what comes behind it wherever the bytes are cut.
pub(crate) fn fuzzed(bytes: &[u8]) -> bool {
    let Ok(Some(head)) = Head::of(bytes) else {
        return false;
    };
    assert!(head.len <= bytes.len().min(MAX_HEAD_LEN));
    let again = Head::of(&bytes[..head.len]);
    let same = again.is_ok_and(|again| {
        again.is_some_and(|again| {
            (again.len, again.body_len, again.request.path)
                == (head.len, head.body_len, head.request.path)
        })
    });
    assert!(same, "another head");
    assert!(Head::of(&bytes[..head.len - 1]).is_ok_and(|early| early.is_none()));
    true
}

impl Head {
    /// `None` if there is more to come.
    fn of(bytes: &[u8]) -> Result<Option<Self>, NoHttp> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        let len = match parsed.parse(bytes) {
            // Empty lines before the first would be allowed.
            _ if bytes.starts_with(b"\r") || bytes.starts_with(b"\n") => return Err(NoHttp),
            Ok(httparse::Status::Complete(len)) if len <= MAX_HEAD_LEN => len,
            Ok(httparse::Status::Partial) if bytes.len() <= MAX_HEAD_LEN => return Ok(None),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics over /panic, and answers how long the body was.
    struct Counts;

    impl Service for Counts {
        const MAX_BODY_LEN: usize = 10;

        fn refuse(&self, head: &Request) -> Option<Response> {
            (head.path == "/no").then(|| Response::text("403 Forbidden", "no"))
        }

        fn answer(&self, request: &Request) -> Response {
            assert!(request.path != "/panic", "as it was told");
            Response::text("200 OK", request.body.len().to_string())
        }
    }

    fn started() -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        serve(listener, "counts", Counts).expect("there are threads");
        address
    }

    fn ask(address: std::net::SocketAddr, request: &str) -> String {
        let mut answer = String::new();
        let asked = TcpStream::connect(address).and_then(|mut stream| {
            stream.write_all(request.as_bytes())?;
            stream.read_to_string(&mut answer)
        });
        // Whoever is hung up on may see a reset.
        let _ = asked;
        answer
    }

    #[test]
    fn bodies_are_read_to_their_end_and_within_bounds() {
        let address = started();
        let post = |path: &str, len: &str, body: &str| {
            ask(
                address,
                &format!("POST {path} HTTP/1.1\r\ncontent-length: {len}\r\n\r\n{body}"),
            )
        };
        assert!(post("/", "3", "abc").ends_with("\r\n\r\n3"));
        assert!(post("/", "3", "abcdef").ends_with("\r\n\r\n3"));
        assert!(post("/", "11", "").starts_with("HTTP/1.1 413"));
        assert!(post("/no", "11", "").starts_with("HTTP/1.1 403"));
        assert!(post("/", "-1", "").starts_with("HTTP/1.1 400"));
        assert!(post("/", "99999999999999999999", "").starts_with("HTTP/1.1 400"));
    }

    #[test]
    fn panics_and_idle_clients_leave_room_for_others() {
        let address = started();
        for _ in 0..2 * AT_ONCE {
            assert_eq!(ask(address, "GET /panic HTTP/1.1\r\n\r\n"), "");
        }
        let get = || ask(address, "GET / HTTP/1.1\r\n\r\n");
        assert!(get().starts_with("HTTP/1.1 200"));
        let idle = (0..AT_ONCE).map(|_| TcpStream::connect(address));
        let idle: Vec<_> = idle.collect();
        assert_eq!(get(), "");
        drop(idle);
        let mut tries = 0;
        while !get().starts_with("HTTP/1.1 200") {
            tries += 1;
            assert!(tries < 100);
            thread::sleep(PAUSE);
        }
    }
}
