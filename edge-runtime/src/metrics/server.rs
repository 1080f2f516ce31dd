//! Answers `GET /metrics` on this machine, and nothing else.

use super::{Metrics, MetricsSettings};
use crate::events::EventsError;
use crate::http::{self, Request, Response, Service};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// Begins to listen; returns where.
///
/// # Errors
/// [`EventsError::Listen`], [`EventsError::Thread`].
pub fn start(settings: &MetricsSettings, metrics: Arc<Metrics>) -> Result<SocketAddr, EventsError> {
    let address = settings.listen;
    let listen = |source| EventsError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    http::serve(listener, "metrics", Page(metrics)).map_err(EventsError::Thread)?;
    Ok(address)
}

struct Page(Arc<Metrics>);

impl Service for Page {
    const MAX_BODY_LEN: usize = 0;

    fn answer(&self, request: &Request) -> Response {
        match (&*request.method, &*request.path) {
            ("GET", "/metrics") => Response {
                content_type: "text/plain; version=0.0.4; charset=utf-8",
                ..Response::text("200 OK", self.0.text())
            },
            ("GET", _) => Response::text("404 Not Found", "metrics are at /metrics\n"),
            _ => Response::text("405 Method Not Allowed", "only GET is answered\n"),
        }
    }
}
