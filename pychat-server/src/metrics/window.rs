//! The HTTP through which others look in.

#[cfg(unix)]
mod socket;

use super::{
    MetricsAddress,
    exposition::CONTENT_TYPE,
    families,
    health::{self, faults},
};
use crate::{
    admin::stats::collect,
    run::{ANSWER_MAX, Reins},
};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE as TYPE_OF_CONTENT},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use pychat_proto::chat::UnixMillis;
#[cfg(unix)]
use socket::UnixSocket;
use std::{convert::Infallible, io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::timeout,
};
use tracing::{debug, warn};

/// Who looks in at a time; further ones wait with the kernel. Each asks every thread once, and a thread takes
/// 32 such questions at a time, the operator's among them.
const CONNECTIONS_MAX: usize = 8;

/// Bytes of a request's line and headers: the least that hyper can be told, and several times what
/// Prometheus sends.
const HEADER_BYTES_MAX: usize = 8192;

/// Headers of a request: several times what Prometheus sends.
const HEADERS_MAX: usize = 64;

/// Within this time a request has come; who looks in is on this machine, or near it.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// Within this time all is over: the request has come, the threads have answered (first the shards, then the
/// committer) and the answer has been taken.
const CONNECTION_MAX: Duration =
    Duration::from_secs(5 + REQUEST_MAX.as_secs() + 2 * ANSWER_MAX.as_secs());

/// After a connection could not be taken: too many open files, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What answers take.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) reins: Reins,
    pub(crate) started_at: UnixMillis,
}

/// The socket, and who is on it.
pub(crate) struct Window {
    listener: Listener,
    connections: JoinSet<()>,
    seats: Arc<Semaphore>,
}

enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixSocket),
}

impl Window {
    /// Listens. Call it within a runtime.
    pub(crate) fn open(address: &MetricsAddress) -> io::Result<Self> {
        let listener = match address {
            MetricsAddress::Tcp(address) => {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Listener::Tcp(TcpListener::from_std(listener)?)
            }
            #[cfg(unix)]
            MetricsAddress::Unix(path) => Listener::Unix(UnixSocket::open(path)?),
            // No address is read as one.
            #[cfg(not(unix))]
            MetricsAddress::Unix(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Ok(Self { listener, connections: JoinSet::new(), seats })
    }

    /// Where it listens: port 0 has become a port.
    pub(crate) fn address(&self) -> io::Result<String> {
        Ok(match &self.listener {
            Listener::Tcp(listener) => format!("http://{}/metrics", listener.local_addr()?),
            #[cfg(unix)]
            Listener::Unix(socket) => format!("unix:{}", socket.path().display()),
        })
    }

    /// Answers whoever comes, for as long as it is polled.
    pub(crate) async fn serve(&mut self, watch: &Watch) {
        loop {
            while self.connections.try_join_next().is_some() {}
            // Nobody closes the semaphore.
            let Ok(seat) = Arc::clone(&self.seats).acquire_owned().await else { return };
            if let Err(error) = self.let_in(watch, seat).await {
                warn!(%error, "nobody can be let in to look at metrics");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    async fn let_in(&mut self, watch: &Watch, seat: OwnedSemaphorePermit) -> io::Result<()> {
        let watch = watch.clone();
        match &self.listener {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                self.connections.spawn(converse(stream, watch, seat));
            }
            #[cfg(unix)]
            Listener::Unix(socket) => {
                self.connections.spawn(converse(socket.accept().await?, watch, seat));
            }
        }
        Ok(())
    }
}

/// One question, one answer.
async fn converse<S>(stream: S, watch: Watch, _seat: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let watch = watch.clone();
        async move { Ok::<_, Infallible>(answer(request.method(), request.uri().path(), &watch).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .header_read_timeout(REQUEST_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_MAX, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a connection for metrics broke"),
        Err(_) => debug!("a connection for metrics took too long"),
    }
}

async fn answer(method: &Method, path: &str, watch: &Watch) -> Response<Full<Bytes>> {
    match (path, method) {
        ("/metrics", &Method::GET | &Method::HEAD) => match collect(&watch.reins).await {
            Ok(collected) => response(
                StatusCode::OK,
                CONTENT_TYPE,
                families::render(&collected, watch.started_at),
            ),
            Err(error) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        },
        ("/healthz", &Method::GET | &Method::HEAD) => {
            let faults = faults(&health::hear(&watch.reins).await);
            if faults.is_empty() {
                plain(StatusCode::OK, "ok\n".into())
            } else {
                plain(StatusCode::SERVICE_UNAVAILABLE, faults.join("\n") + "\n")
            }
        }
        ("/metrics" | "/healthz", _) => {
            let mut response =
                plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered\n".into());
            let allowed = hyper::header::HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allowed);
            response
        }
        _ => plain(StatusCode::NOT_FOUND, "there are /metrics and /healthz\n".into()),
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", text)
}

fn response(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(TYPE_OF_CONTENT, hyper::header::HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    response
}
