//! Our own SVID towards upstreams: they see who we are, and are who the operator says, by their SPIFFE ids alone; a rotated
//! root counts on the next call, without a restart.

#[expect(dead_code, reason = "the other tests use more of it")]
mod support;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bartizan_gateway::{
    admin::Body as Told,
    config::{Credential, Family},
};
use bartizan_identity::SpiffeName;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use support::{Gated, OPEN, config, upstream};
use tokio::{net::TcpListener, sync::watch};
use tokio_rustls::TlsAcceptor;

const CHAT: &str = "/v1/chat/completions";
const ASK: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const SAID: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}"#;

async fn ask(gate: &Gated, method: Method, path: &str, body: &Value) -> Value {
    let body = body.to_string();
    let reply = gate.desk().handle(&method, path, body.as_bytes(), "test").await;
    assert!(reply.status.is_success(), "{reply:?}");
    let Told::Json(value) = reply.body else {
        panic!("text")
    };
    value
}

/// A provider that speaks TLS with whatever is put in force, and tells what certificates it was shown.
struct Far {
    address: SocketAddr,
    tls: watch::Sender<Option<Arc<ServerConfig>>>,
    shown: watch::Receiver<Vec<Vec<u8>>>,
}

impl Far {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tls, in_force) = watch::channel::<Option<Arc<ServerConfig>>>(None);
        let (seen, shown) = watch::channel(Vec::new());
        let seen = Arc::new(seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let tls = in_force.borrow().clone().unwrap();
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await else {
                        return;
                    };
                    let leaf = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
                    seen.send_modify(|seen| seen.push(leaf));
                    let service = service_fn(async |request: Request<Incoming>| {
                        drop(request.into_body().collect().await);
                        let answer = Response::builder().header("content-type", "application/json");
                        Ok::<_, Infallible>(answer.body(Full::new(Bytes::from(SAID))).unwrap())
                    });
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, tls, shown }
    }

    /// Is this workload, and takes clients that the roots vouch for.
    async fn become_agent(&self, gate: &Gated, name: &str) {
        let issued = ask(gate, Method::POST, "/v1/identities", &json!({ "agent": name })).await;
        let pem = |member: &str| issued[member].as_str().unwrap().as_bytes().to_vec();
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(&pem("bundle")) {
            roots.add(root.unwrap()).unwrap();
        }
        let chain = pem("certificate");
        let chain = CertificateDer::pem_slice_iter(&chain)
            .collect::<Result<Vec<_>, _>>()
            .unwrap();
        let clients = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
        let tls = ServerConfig::builder()
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, PrivateKeyDer::from_pem_slice(&pem("key")).unwrap())
            .unwrap();
        self.tls.send_replace(Some(Arc::new(tls)));
    }

    fn shown(&self) -> Vec<Vec<u8>> {
        self.shown.borrow().clone()
    }
}

async fn gated(far: &Far, id: &str) -> Gated {
    let mut one = upstream("far", Family::Openai, far.address);
    one.url = format!("https://localhost:{}", far.address.port())
        .parse()
        .unwrap();
    one.credential = Credential::None;
    one.spiffe_id = Some(SpiffeName::new(id).unwrap());
    Gated::start(config(vec![one]), OPEN).await
}

#[tokio::test]
async fn an_upstream_is_shown_our_svid_and_is_the_workload_that_it_should_be() {
    let far = Far::start().await;
    let gate = gated(&far, "spiffe://bartizan.internal/agent/model-one").await;
    far.become_agent(&gate, "model-one").await;
    for _ in 0..2 {
        let (status, _, body) = gate.post(CHAT, ASK).await;
        assert_eq!(status, 200, "{body:?}");
    }
    let shown = far.shown();
    // Each call is a connection of its own, so that each is judged by what is in force.
    assert_eq!(shown.len(), 2);
    let ours = b"spiffe://bartizan.internal/gateway";
    assert!(shown[0].windows(ours.len()).any(|window| window == ours));

    // Another workload of the same domain is somebody else.
    far.become_agent(&gate, "model-two").await;
    let (status, _, body) = gate.post(CHAT, ASK).await;
    assert_eq!(status, 502, "{body:?}");
    let said: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(said["error"]["code"], "upstream.unreachable", "{said}");
    assert_eq!(far.shown().len(), 2);
}

#[tokio::test]
async fn a_rotated_root_counts_on_the_next_call_both_ways() {
    let far = Far::start().await;
    let gate = gated(&far, "spiffe://bartizan.internal/agent/model-one").await;
    far.become_agent(&gate, "model-one").await;
    assert_eq!(gate.post(CHAT, ASK).await.0, 200);
    ask(
        &gate,
        Method::POST,
        "/v1/identities/rotate",
        &json!({ "at_once": true }),
    )
    .await;
    // What the old root signed is nobody's any more.
    assert_eq!(gate.post(CHAT, ASK).await.0, 502);
    far.become_agent(&gate, "model-one").await;
    // Our own is made anew within seconds, and no call passes with the old one.
    let mut status = 0;
    for _ in 0..100 {
        status = gate.post(CHAT, ASK).await.0.as_u16();
        if status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(status, 200);
    let shown = far.shown();
    assert_ne!(shown.first(), shown.last());
}
