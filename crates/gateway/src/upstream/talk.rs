//! A WebSocket to a web site (RFC 6455), opened by an answer to a request that had its permit. Each message of the agent's
//! goes out with a permit of its own; what we say ourselves is answers to pings and closing.

use aws_lc_rs::rand;
use bartizan_guard::Permit;
use bartizan_types::Code;
use bartizan_wire::websocket::{self, Said};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};

use super::{Carries, Names};

/// What comes from the site.
pub(crate) type Hearing = ReadHalf<TokioIo<Upgraded>>;

/// The way to the site.
pub(crate) struct Talk(WriteHalf<TokioIo<Upgraded>>);

/// A message of an agent's.
#[derive(Debug)]
pub(crate) struct Message(pub(crate) Said);

/// Bytes of an agent's own.
impl Carries for Message {
    fn secrets(&self) -> Names {
        Names::default()
    }
}

/// Both ways of a connection that became a WebSocket.
pub(crate) fn split(far: Upgraded) -> (Hearing, Talk) {
    let (read, write) = tokio::io::split(TokioIo::new(far));
    (read, Talk(write))
}

impl Talk {
    /// Spends the permit: sends the message, masked anew (section 5.3).
    ///
    /// # Errors
    /// [`Code::UpstreamUnreachable`].
    pub(crate) async fn say(&mut self, permit: Permit<Message>) -> Result<(), Code> {
        let Message(said) = permit.spend();
        let bytes = websocket::frame(&said, Some(mask()?));
        self.write(&bytes).await
    }

    /// Answers a ping with its own bytes.
    ///
    /// # Errors
    /// As [`Self::say`].
    pub(crate) async fn pong(&mut self, ping: &[u8]) -> Result<(), Code> {
        let bytes = websocket::pong(ping, Some(mask()?));
        self.write(&bytes).await
    }

    /// Says that nothing more comes. A site that is gone already need not hear it.
    pub(crate) async fn close(&mut self, code: Option<u16>) {
        let Ok(mask) = mask() else { return };
        let bytes = websocket::frame(&Said::Close(code), Some(mask));
        if self.write(&bytes).await.is_ok() {
            drop(self.0.shutdown().await);
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Code> {
        let written = async {
            self.0.write_all(bytes).await?;
            self.0.flush().await
        };
        written.await.map_err(|_| Code::UpstreamUnreachable)
    }
}

fn mask() -> Result<[u8; 4], Code> {
    let mut mask = [0; 4];
    rand::fill(&mut mask).map_err(|_| Code::Bug)?;
    Ok(mask)
}
