//! `CONNECT`: a tunnel to one site. What goes through it is not seen, so the first thing in it has to say, in clear, that
//! it is for that very site, and the tunnel is bounded in bytes, in silence, and by whatever ends its agent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bartizan_flow::{Content, Effect};
use bartizan_guard::AnswerFacts;
use bartizan_types::{Action, Code, Refusal};
use bartizan_wire::{hello::HelloReader, site::Site};
use bytes::Bytes;
use http::Response;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::Instant,
};

use super::{Wish, intercept};
use crate::{
    Shared,
    answer::AgentBody,
    gate::{Caller, Passage},
    meters::Gauge,
    reins::Reins,
    upstream::line::{self, Line},
};

/// Bytes read at a time, each way.
pub(super) const CHUNK_BYTES: usize = 16 << 10;

/// Rules on a tunnel and opens it.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    caller: &Caller,
    site: Site,
    upgrade: OnUpgrade,
) -> Result<Response<AgentBody>, Refusal> {
    let late = |code| shared.reject(code, Some(&caller.principal));
    let wish = Wish::new(shared, caller, site, Action::OpenTunnel, Effect::Unknown);
    let (Some(mut wish), Some(proxy)) = (wish, &shared.egress) else {
        return Err(late(Code::Bug));
    };
    let Ok(slot) = Arc::clone(&proxy.tunnels).try_acquire_owned() else {
        return Err(shared.shed(Code::Saturated));
    };
    wish.arguments = json!({
        "scheme": "tunnel",
        "host": wish.site.host(),
        "port": wish.site.port(),
    });
    caller.reins.takes_turn(0).await;
    if proxy.config.intercept.iter().any(|one| one.fits(&wish.site)) {
        return intercept::serve(wish, slot, upgrade).await;
    }
    let (reach, _) = wish.reach();
    let line = || Line {
        site: wish.site.clone(),
        reach,
        patience: shared.config.limits.connect_timeout,
    };
    let (permit, mut passage) = wish.ruled(line).await?;
    let far = match line::open(permit).await {
        Ok(far) => far,
        Err(code) => return Err(passage.failed(code)),
    };
    let release = passage.answered(AnswerFacts {
        status: Some(200),
        findings: Vec::new(),
    })?;
    // Whatever comes back nobody sees, so from here on the session may have read anything.
    caller.session.read_from(&wish.manifest, Content::Error(""));
    let tunnel = Tunnel {
        opaque: proxy.config.opaque.iter().any(|one| one.fits(&wish.site)),
        wish,
        passage,
        far,
        open: Box::new(Gauge::raise(Arc::clone(&shared.meters), |meters| &meters.streams)),
        slot,
    };
    let call = tunnel.passage.call().to_string();
    tokio::spawn(tunnel.run(upgrade));
    let mut response = Response::new(AgentBody::whole(release, Bytes::new()));
    if let Ok(call) = http::HeaderValue::from_str(&call) {
        response.headers_mut().insert("x-bartizan-call", call);
    }
    Ok(response)
}

/// A tunnel that is open at its far end.
struct Tunnel {
    wish: Wish,
    passage: Passage<Line>,
    far: TcpStream,
    opaque: bool,
    /// Counts it as long as it is there.
    open: Box<dyn Send>,
    slot: OwnedSemaphorePermit,
}

/// What went through, and when anything last did.
pub(super) struct Carried {
    began: Instant,
    bytes: AtomicU64,
    /// Milliseconds since it began.
    last: AtomicU64,
    most: u64,
    /// Said when it is too much.
    over: Code,
}

impl Carried {
    /// Nothing yet, of what the configuration and budgets let through.
    pub(super) fn new(shared: &Shared, reins: &Reins) -> Self {
        let proxy = shared.egress.as_ref();
        let tunnel_bytes = proxy.map_or(0, |proxy| proxy.config.tunnel_bytes);
        let budget = reins.most_bytes();
        Self {
            began: Instant::now(),
            bytes: AtomicU64::new(0),
            last: AtomicU64::new(0),
            most: tunnel_bytes.min(budget),
            over: if budget < tunnel_bytes {
                Code::BudgetExceeded
            } else {
                Code::TunnelBound
            },
        }
    }

    /// Counts what was read and is to go on.
    ///
    /// # Errors
    /// That it is too much.
    pub(super) fn count(&self, bytes: usize) -> Result<(), Code> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = self.bytes.fetch_add(bytes, Relaxed);
        self.touch();
        if before.saturating_add(bytes) > self.most {
            // What was read and does not go on was not carried.
            self.bytes.fetch_sub(bytes, Relaxed);
            return Err(self.over);
        }
        Ok(())
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn touch(&self) {
        self.last.store(self.elapsed(), Relaxed);
    }

    /// Resolves when nothing went through for so long.
    pub(super) async fn stands_still(&self, idle: Duration) -> Code {
        let look = (idle / 4).clamp(Duration::from_millis(50), Duration::from_secs(5));
        let most = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        loop {
            tokio::time::sleep(look).await;
            if self.elapsed().saturating_sub(self.last.load(Relaxed)) >= most {
                return Code::TunnelBound;
            }
        }
    }
}

impl Tunnel {
    /// Carries bytes until either end, a bound, a revocation or the gateway's end closes it; then its record is closed.
    async fn run(self, upgrade: OnUpgrade) {
        let Self {
            wish,
            mut passage,
            far,
            opaque,
            open,
            slot,
        } = self;
        let (shared, reins) = (Arc::clone(&wish.shared), Arc::clone(&wish.caller.reins));
        let idle = shared
            .egress
            .as_ref()
            .map_or(Duration::ZERO, |proxy| proxy.config.idle);
        let carried = Carried::new(&shared, &reins);
        let work = async {
            let patience = shared.config.limits.header_timeout;
            let near = tokio::time::timeout(patience, upgrade).await;
            let near = near.ok().and_then(Result::ok).ok_or(Code::SlowCaller)?;
            carry(near, far, &carried, (!opaque).then_some(&wish)).await
        };
        let cut = Arc::clone(&reins).cut(Arc::clone(&shared.revoked));
        let ended = tokio::select! {
            biased;
            code = cut => Err(code),
            code = drained(&shared) => Err(code),
            code = intercept::over(&shared, &wish.caller) => Err(code),
            ended = work => ended,
            code = carried.stands_still(idle) => Err(code),
        };
        passage.released.bytes = carried.bytes.load(Relaxed);
        match ended {
            Ok(()) => passage.finish(),
            Err(code) => {
                tracing::debug!(site = %wish.site, %code, "a tunnel was ended");
                passage.withheld(code);
            }
        }
        drop((open, slot));
    }
}

/// Resolves when the gateway stops and has waited as long as it waits.
pub(super) async fn drained(shared: &Shared) -> Code {
    let mut stop = shared.stop.subscribe();
    if stop.wait_for(|stop| *stop).await.is_err() {
        return Code::Draining;
    }
    tokio::time::sleep(shared.config.limits.drain_timeout).await;
    Code::Draining
}

/// Carries bytes both ways until both ends have closed, or one has broken off. `looked`: the tunnel whose beginning must
/// say where it goes.
async fn carry(
    near: Upgraded,
    mut far: TcpStream,
    carried: &Carried,
    looked: Option<&Wish>,
) -> Result<(), Code> {
    let mut near = TokioIo::new(near);
    if let Some(wish) = looked {
        let first = begin(&mut near, wish).await?;
        carried.count(first.len())?;
        if far.write_all(&first).await.is_err() {
            return Ok(());
        }
    }
    let (from_near, to_near) = tokio::io::split(near);
    let (from_far, to_far) = far.into_split();
    let up = pump(from_near, to_far, carried);
    let down = pump(from_far, to_near, carried);
    tokio::try_join!(up, down).map(|_| ())
}

/// Reads the hello, and gives it to be sent on.
///
/// # Errors
/// [`Code::EgressHello`], [`Code::EgressName`], [`Code::SlowCaller`]: nothing went to the site.
async fn begin<R: AsyncRead + Unpin>(near: &mut R, wish: &Wish) -> Result<Vec<u8>, Code> {
    let patience = wish.shared.config.limits.header_timeout;
    let reading = async {
        let mut reader = HelloReader::default();
        let mut chunk = [0_u8; 2048];
        loop {
            let count = near.read(&mut chunk).await.unwrap_or(0);
            let bytes = chunk.get(..count).unwrap_or_default();
            if bytes.is_empty() {
                return Err(Code::EgressHello);
            }
            if let Some(hello) = reader.push(bytes).map_err(|_| Code::EgressHello)? {
                return Ok((hello, reader.into_bytes()));
            }
        }
    };
    let read = tokio::time::timeout(patience, reading).await;
    let (hello, bytes) = read.map_err(|_| Code::SlowCaller)??;
    let allowed = wish.shared.egress.as_ref();
    let may_encrypt = allowed.is_some_and(|proxy| proxy.config.encrypted_hello);
    match hello.name {
        Some(name) if name != wish.site.host() => Err(Code::EgressName),
        Some(_) if !hello.encrypted || may_encrypt => Ok(bytes),
        _ => Err(Code::EgressHello),
    }
}

/// Carries one way. An end that breaks off ends it like one that closes.
async fn pump<R, W>(mut from: R, mut to: W, carried: &Carried) -> Result<(), Code>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut chunk = vec![0_u8; CHUNK_BYTES];
    loop {
        let count = from.read(&mut chunk).await.unwrap_or(0);
        let bytes = chunk.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        carried.count(bytes.len())?;
        if to.write_all(bytes).await.is_err() {
            break;
        }
        carried.touch();
    }
    // The other side may be gone already, and then there is nothing to close.
    drop(to.shutdown().await);
    Ok(())
}
