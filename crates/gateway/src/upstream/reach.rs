//! Where the gateway may connect to: one guard for everything that it fetches itself.
//!
//! A name is resolved once, every address that it gives is judged, and the connection is made to those very addresses,
//! so a second answer of the name server changes nothing (rebinding). One bad address among good ones refuses them all:
//! a public name has no reason to have an inside address, too. Redirects are not followed here or anywhere.

use std::{
    error::Error,
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

use bartizan_wire::place::Place;
use http::Uri;
use hyper_util::client::legacy::connect::{HttpConnector, dns::Name};
use tower_service::Service;

/// How far a pool's connections may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Wherever the operator's own address leads: model providers and MCP servers of the configuration.
    Anywhere,
    /// The operator named it, so it may lie inside, but never where only metadata and link-local services are.
    Named,
    /// Somebody else named it: the public internet alone.
    Public,
}

/// An address that may not be connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{host}` leads to {address}, where this connection may not go")]
pub(crate) struct Outside {
    /// As it was asked for.
    pub host: String,
    /// Where it led.
    pub address: IpAddr,
    /// What that is.
    pub place: Place,
}

impl Reach {
    /// Judges one address.
    ///
    /// # Errors
    /// [`Outside`], where a connection must not be made.
    pub(crate) fn judge(self, host: &str, address: IpAddr) -> Result<(), Outside> {
        let place = Place::of(address);
        let fits = match self {
            Self::Anywhere => true,
            Self::Named => place != Place::Never,
            Self::Public => place == Place::Public,
        };
        if fits {
            return Ok(());
        }
        Err(Outside {
            host: host.to_owned(),
            address,
            place,
        })
    }

    /// Resolves a host once and judges all that it leads to. What comes back is what to connect to, and nothing else.
    ///
    /// # Errors
    /// [`Outside`] inside an [`io::Error`], or what resolving met.
    pub(crate) async fn resolve(self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => tokio::net::lookup_host((bare, port)).await?.collect(),
        };
        self.judged(host, found)
    }

    fn judged(self, host: &str, found: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
        for address in &found {
            self.judge(host, address.ip()).map_err(io::Error::other)?;
        }
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        Ok(found)
    }
}

/// Resolves names within a reach, for the connector.
#[derive(Debug, Clone)]
pub(crate) struct Names(Reach);

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let reach = self.0;
        // The connector puts in the port.
        Box::pin(async move { reach.resolve(name.as_str(), 0).await.map(Vec::into_iter) })
    }
}

/// Connects within a reach. Addresses that are written as numbers never meet a resolver, so they are judged here.
#[derive(Clone)]
pub(crate) struct Fenced {
    tcp: HttpConnector<Names>,
    reach: Reach,
}

impl Fenced {
    /// A connector within `reach`.
    pub(crate) fn new(reach: Reach, connect_timeout: std::time::Duration) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Names(reach));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(connect_timeout));
        Self { tcp, reach }
    }
}

impl fmt::Debug for Fenced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fenced").field(&self.reach).finish()
    }
}

type Connecting = <HttpConnector<Names> as Service<Uri>>::Future;
type Fault = Box<dyn Error + Send + Sync>;

impl Service<Uri> for Fenced {
    type Response = <HttpConnector<Names> as Service<Uri>>::Response;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Fault>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let host = uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let judged = match bare.parse::<IpAddr>() {
            Ok(address) => self.reach.judge(host, address),
            Err(_) => Ok(()),
        };
        if let Err(outside) = judged {
            return Box::pin(std::future::ready(Err(outside.into())));
        }
        let connecting: Connecting = self.tcp.call(uri);
        Box::pin(async move { connecting.await.map_err(Into::into) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 80)
    }

    #[test]
    fn one_address_inside_refuses_the_whole_name() {
        let rebinding = vec![address("93.184.215.14"), address("127.0.0.1")];
        assert!(Reach::Public.judged("rebind.example", rebinding.clone()).is_err());
        assert!(Reach::Named.judged("rebind.example", rebinding).is_ok());
        let metadata = vec![address("93.184.215.14"), address("169.254.169.254")];
        assert!(Reach::Named.judged("rebind.example", metadata.clone()).is_err());
        assert!(Reach::Anywhere.judged("rebind.example", metadata).is_ok());
        assert!(Reach::Public.judged("nothing.example", Vec::new()).is_err());
        assert!(
            Reach::Public
                .judged("cdn.example", vec![address("93.184.215.14")])
                .is_ok()
        );
    }

    #[tokio::test]
    async fn numbers_are_judged_as_names_are() {
        for host in [
            "127.0.0.1",
            "[::1]",
            "[::ffff:10.0.0.1]",
            "169.254.169.254",
            "[64:ff9b::a00:1]",
        ] {
            assert!(Reach::Public.resolve(host, 443).await.is_err(), "{host}");
            let uri: Uri = format!("http://{host}:1/").parse().unwrap();
            let mut connector = Fenced::new(Reach::Public, std::time::Duration::from_secs(1));
            let fault = connector.call(uri).await.err().unwrap();
            assert!(fault.downcast_ref::<Outside>().is_some(), "{host}: {fault}");
        }
        // A name of this machine, whatever its resolver calls it.
        assert!(Reach::Public.resolve("localhost", 80).await.is_err());
        assert!(Reach::Named.resolve("localhost", 80).await.is_ok());
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let uri: Uri = format!("http://localhost:{port}/").parse().unwrap();
        let mut public = Fenced::new(Reach::Public, std::time::Duration::from_secs(1));
        assert!(public.call(uri.clone()).await.is_err());
        let mut named = Fenced::new(Reach::Named, std::time::Duration::from_secs(1));
        assert!(named.call(uri).await.is_ok());
    }
}
