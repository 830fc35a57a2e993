//! MCP towards agents and servers. Being built: every request is refused until it is.

use std::sync::Arc;

use bartizan_types::{Code, Refusal, ServerName};
use http::{Response, request::Parts};
use hyper::body::Incoming;

use crate::{Shared, answer::AgentBody, gate::Caller, serve::fresh};

/// Serves one request of an agent to `/mcp` or `/mcp/{server}`.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    caller: Caller,
    _server: Option<ServerName>,
    _head: Parts,
    _body: Incoming,
) -> Result<Response<AgentBody>, Refusal> {
    shared.reject(Code::ServerUnknown, Some(&caller.principal));
    Err(fresh(Code::ServerUnknown))
}
