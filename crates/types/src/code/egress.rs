//! The rows of the proxy's codes.

use super::{Code, Fault, Row};

pub(super) const ROWS: &[Row] = &[
    Row {
        code: Code::EgressTarget,
        text: "egress.target",
        fault: Fault::Caller,
        status: 400,
        sentence: "the request names no site that the proxy can reach",
        hint: "send `CONNECT host:port` for https, and `http://host/path` for http; the `Host` header says the same host",
    },
    Row {
        code: Code::EgressInside,
        text: "egress.inside",
        fault: Fault::Policy,
        status: 403,
        sentence: "the site leads to an address where agents may not go",
        hint: "sites inside are listed in `inside` of `[egress]`; metadata and link-local addresses never are",
    },
    Row {
        code: Code::EgressHello,
        text: "egress.hello",
        fault: Fault::Caller,
        status: 403,
        sentence: "what came through the tunnel first is no TLS that says where it goes",
        hint: "it needs a plain server name: no encrypted hello, no bare address, no other protocol, unless the operator \
               lists the site in `danger_opaque` of `[egress]`",
    },
    Row {
        code: Code::EgressName,
        text: "egress.name",
        fault: Fault::Caller,
        status: 403,
        sentence: "the TLS in the tunnel asks for another host than the tunnel was opened to",
        hint: "open a tunnel to the host that is meant",
    },
    Row {
        code: Code::EgressUpgrade,
        text: "egress.upgrade",
        fault: Fault::Caller,
        status: 403,
        sentence: "the connection would become something that the proxy can't look into",
        hint: "a WebSocket of RFC 6455, version 13, without a body and without extensions that are insisted on, is taken; \
               another protocol needs a site that the operator lists in `danger_opaque` of `[egress]`",
    },
    Row {
        code: Code::EgressOverride,
        text: "egress.override",
        fault: Fault::Caller,
        status: 403,
        sentence: "a header would make the request another than the one that is ruled on",
        hint: "ask for the method, path and host that are meant; `X-HTTP-Method-Override`, `X-Original-URL`, `X-Forwarded-Host` \
               and the like may only repeat them",
    },
    Row {
        code: Code::TunnelBound,
        text: "limit.tunnel",
        fault: Fault::Limit,
        status: 429,
        sentence: "the tunnel carried as much, or stood still as long, as one may",
        hint: "`tunnel_bytes` and `idle_seconds` of `[egress]` are its bounds",
    },
];
