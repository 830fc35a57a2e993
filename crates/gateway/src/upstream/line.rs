//! A line to a web site: bytes both ways, nothing of them ours.

use std::{io, time::Duration};

use bartizan_guard::Permit;
use bartizan_types::Code;
use bartizan_wire::site::Site;
use tokio::net::TcpStream;

use super::reach::{Outside, Reach};

/// Where a line leads.
#[derive(Debug)]
pub(crate) struct Line {
    /// The site.
    pub site: Site,
    /// How far it may lead.
    pub reach: Reach,
    /// Time for resolving and connecting together.
    pub patience: Duration,
}

/// Spends the permit: resolves the name once, and connects to one of the very addresses that were judged.
///
/// # Errors
/// [`Code::EgressInside`], [`Code::UpstreamTimeout`], [`Code::UpstreamUnreachable`]; nothing was sent.
pub(crate) async fn open(permit: Permit<Line>) -> Result<TcpStream, Code> {
    let Line {
        site,
        reach,
        patience,
    } = permit.spend();
    let connecting = async {
        let addresses = reach.resolve(site.host(), site.port()).await?;
        let stream = TcpStream::connect(&*addresses).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    match tokio::time::timeout(patience, connecting).await {
        Ok(connected) => connected.map_err(|fault: io::Error| {
            tracing::debug!(%site, error = %fault, "no line");
            if leads_outside(&fault) {
                Code::EgressInside
            } else {
                Code::UpstreamUnreachable
            }
        }),
        Err(_) => Err(Code::UpstreamTimeout),
    }
}

/// Whether a connection was not made because of where it would have led.
pub(crate) fn leads_outside(fault: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(fault);
    while let Some(fault) = next {
        let within = fault.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if fault.is::<Outside>() || within.is_some_and(|within| within.is::<Outside>()) {
            return true;
        }
        next = fault.source();
    }
    false
}
