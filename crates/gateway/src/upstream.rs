//! The only way out. Nothing else in this crate opens a connection, starts a process, or writes to one.
//!
//! INVARIANT 1: the entries here take a [`Permit`], which only the guard can mint and which is spent by being
//! passed. Redirects are never followed: an upstream that answers one has its answer passed on as it is, so a
//! credential goes to the configured host and nowhere else.

use std::{sync::Arc, time::Duration};

use bartizan_guard::Permit;
use bartizan_identity::SpiffeName;
use bartizan_types::{Code, UpstreamName};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::Client as PooledClient,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

mod carries;
pub(crate) mod child;
pub(crate) mod confine;
pub(crate) mod echo;
pub(crate) mod line;
pub(crate) mod local;
pub(crate) mod reach;
pub(crate) mod sign;
pub(crate) mod svid;
pub(crate) mod talk;

pub(crate) use carries::{Carries, Names, names, names_of};
use reach::Fenced;
pub(crate) use reach::Reach;
pub use sign::SigningFault;

/// A request ready to go to one place.
#[derive(Debug)]
pub(crate) struct Outbound {
    /// For status and records.
    pub upstream: UpstreamName,
    /// The connection pool of that upstream.
    pub pool: Arc<Pool>,
    /// Method.
    pub method: Method,
    /// Absolute address.
    pub uri: Uri,
    /// Headers, the upstream's credential among them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Secrets of the store that are in it, beside the key of `sign`.
    pub secrets: Names,
    /// What speaks for it on its way out, where a key of the store does.
    pub sign: Option<Box<sign::Signer>>,
}

/// What went wrong on the way out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// No connection could be made; nothing was sent.
    #[error("no connection to `{upstream}`")]
    Unreachable {
        /// Which.
        upstream: UpstreamName,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The request was sent, or may have been, and no answer came.
    #[error("`{upstream}` failed after the request was sent")]
    Broken {
        /// Which.
        upstream: UpstreamName,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No first byte in time.
    #[error("`{upstream}` did not answer in {seconds} s")]
    Timeout {
        /// Which.
        upstream: UpstreamName,
        /// The bound.
        seconds: u64,
    },
    /// It would go on in another protocol.
    #[error("`{upstream}` switched to a protocol that nobody asked for")]
    Switched {
        /// Which.
        upstream: UpstreamName,
    },
    /// Nothing could speak for it; nothing was sent.
    #[error("the request to `{upstream}` can't be signed: {code}")]
    Unsigned {
        /// Which.
        upstream: UpstreamName,
        /// Why.
        code: Code,
    },
    /// The request could not be built: ours.
    #[error("the request could not be built")]
    Request(#[from] http::Error),
}

impl Fault {
    /// The code the caller is told.
    pub(crate) const fn code(&self) -> Code {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } => Code::UpstreamUnreachable,
            Self::Timeout { .. } => Code::UpstreamTimeout,
            Self::Switched { .. } => Code::UpstreamMalformed,
            Self::Unsigned { code, .. } => *code,
            Self::Request(_) => Code::Bug,
        }
    }

    /// Whether surely nothing was sent, so that another upstream may be tried.
    pub(crate) const fn sent_nothing(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// Pooled connections to one upstream.
#[derive(Debug)]
pub(crate) struct Pool {
    client: PooledClient<HttpsConnector<Fenced>, Full<Bytes>>,
    /// What is kept from coming back.
    shown: echo::Ready,
}

/// Which HTTP is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versions {
    All,
    /// HTTP/1.1.
    First,
}

/// The trust roots of an upstream can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsFault {
    /// The PEM file can't be read.
    #[error("the trust roots in `{path}` can't be read")]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: rustls_pki_types::pem::Error,
    },
    /// A certificate in it can't be used.
    #[error("a certificate in `{path}` can't be used")]
    Certificate {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// It has none.
    #[error("`{path}` has no certificate")]
    Empty {
        /// The file.
        path: std::path::PathBuf,
    },
}

impl Pool {
    /// Connections that trust the built-in roots, or those in a PEM file instead, to wherever the operator's address
    /// leads.
    pub(crate) fn new(
        roots: Option<&std::path::Path>,
        connect_timeout: Duration,
    ) -> Result<Self, RootsFault> {
        Self::within(Reach::Anywhere, roots, connect_timeout)
    }

    /// Connections within a reach: what everything goes through whose address the operator did not write himself.
    pub(crate) fn within(
        reach: Reach,
        roots: Option<&std::path::Path>,
        connect_timeout: Duration,
    ) -> Result<Self, RootsFault> {
        Self::keeping(256, reach, roots, connect_timeout, Versions::All)
    }

    /// Connections within a reach that nobody else uses afterwards: some sites take a connection for a login.
    pub(crate) fn unshared(
        reach: Reach,
        roots: Option<&std::path::Path>,
        connect_timeout: Duration,
    ) -> Result<Self, RootsFault> {
        Self::keeping(0, reach, roots, connect_timeout, Versions::All)
    }

    /// The same in HTTP/1.1 alone, in which a connection can become another protocol's.
    pub(crate) fn upgradable(
        reach: Reach,
        roots: Option<&std::path::Path>,
        connect_timeout: Duration,
    ) -> Result<Self, RootsFault> {
        Self::keeping(0, reach, roots, connect_timeout, Versions::First)
    }

    /// Connections to one workload alone, which is shown our own SVID. Each is used for one request: what was rotated or
    /// taken away counts on the next one.
    pub(crate) fn of_workload(
        own: &Arc<svid::OwnSvid>,
        expected: &SpiffeName,
        connect_timeout: Duration,
    ) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(own.client(expected))
            .https_only()
            .enable_all_versions()
            .wrap_connector(Fenced::new(Reach::Anywhere, connect_timeout));
        Self {
            client: pooled(0).build(connector),
            shown: echo::Ready::default(),
        }
    }

    /// Connections to where the operator's address leads: to that workload, or to whom web roots vouch for.
    pub(crate) fn operators(
        workload: Option<(&Arc<svid::OwnSvid>, &SpiffeName)>,
        roots: Option<&std::path::Path>,
        connect_timeout: Duration,
    ) -> Result<Self, RootsFault> {
        match workload {
            Some((own, expected)) => Ok(Self::of_workload(own, expected, connect_timeout)),
            None => Self::new(roots, connect_timeout),
        }
    }

    fn keeping(
        idle: usize,
        reach: Reach,
        roots: Option<&std::path::Path>,
        connect_timeout: Duration,
        versions: Versions,
    ) -> Result<Self, RootsFault> {
        let tcp = Fenced::new(reach, connect_timeout);
        let tls = match roots {
            None => rustls::ClientConfig::builder()
                .with_webpki_roots()
                .with_no_client_auth(),
            Some(path) => rustls::ClientConfig::builder()
                .with_root_certificates(read_roots(path)?)
                .with_no_client_auth(),
        };
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let connector = match versions {
            Versions::All => connector.enable_all_versions().wrap_connector(tcp),
            Versions::First => connector.enable_http1().wrap_connector(tcp),
        };
        let client = pooled(idle).build(connector);
        Ok(Self {
            client,
            shown: echo::Ready::default(),
        })
    }
}

fn pooled(idle: usize) -> hyper_util::client::legacy::Builder {
    let mut builder = PooledClient::builder(TokioExecutor::new());
    builder
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(idle);
    builder
}

fn read_roots(path: &std::path::Path) -> Result<RootCertStore, RootsFault> {
    let read = |source| RootsFault::Read {
        path: path.to_owned(),
        source,
    };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(read)? {
        let bad = |source| RootsFault::Certificate {
            path: path.to_owned(),
            source,
        };
        store.add(certificate.map_err(read)?).map_err(bad)?;
    }
    if store.is_empty() {
        return Err(RootsFault::Empty {
            path: path.to_owned(),
        });
    }
    Ok(store)
}

/// Spends the permit: sends the request and waits for the answer's head.
///
/// # Errors
/// [`Fault`], which says whether anything may have been sent.
pub(crate) async fn send(permit: Permit<Outbound>, timeout: Duration) -> Result<Response<Incoming>, Fault> {
    let Outbound {
        upstream,
        pool,
        method,
        uri,
        mut headers,
        body,
        secrets,
        sign,
    } = permit.spend();
    if let Some(signer) = &sign {
        let signed = signer.sign((&method, &uri), &mut headers, &body).await;
        signed.map_err(|code| Fault::Unsigned {
            upstream: upstream.clone(),
            code,
        })?;
    }
    // What an agent shows by itself, to a site or a provider, it holds already.
    let ours = !secrets.is_empty() || sign.is_some();
    let shown = if ours { pool.shown.of(&headers) } else { None };
    let switches = headers.contains_key(header::UPGRADE);
    let mut request = Request::builder().method(method).uri(uri).body(Full::new(body))?;
    *request.headers_mut() = headers;
    match tokio::time::timeout(timeout, pool.client.request(request)).await {
        Ok(Ok(response)) if response.status().is_informational() && !switches => {
            Err(Fault::Switched { upstream })
        }
        Ok(Ok(response)) => {
            if let Some(signer) = &sign {
                signer.answered(response.status());
            }
            let (mut head, body) = response.into_parts();
            if let Some(shown) = shown {
                echo::told(shown, &mut head.headers, &mut head.extensions);
            }
            Ok(Response::from_parts(head, body))
        }
        Ok(Err(source)) if source.is_connect() => Err(Fault::Unreachable {
            upstream,
            source: Box::new(source),
        }),
        Ok(Err(source)) => Err(Fault::Broken {
            upstream,
            source: Box::new(source),
        }),
        Err(_) => Err(Fault::Timeout {
            upstream,
            seconds: timeout.as_secs(),
        }),
    }
}
