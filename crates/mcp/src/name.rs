//! Names of tools and prompts when several servers stand behind one endpoint: `server__tool`.
//!
//! INVARIANT: publishing is injective and parsing is its inverse. A server's name never contains `__` and never ends
//! in `_`, so the first `__` of a published name is the seam, whatever the tool is called.

use bartizan_types::{Code, ServerName, ToolName};

/// Between server and tool.
pub const SEAM: &str = "__";

/// Why a server can't be published under this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// `__` inside, or `_` at the end: the seam would be ambiguous.
    #[error("a server's name must not contain `__` or end in `_`")]
    Seam,
    /// A character that model APIs do not take in tool names.
    #[error("a server's name may only have letters, digits, `_` and `-`")]
    Character,
    /// Too long to leave room for a tool's name.
    #[error("a server's name has at most 32 bytes")]
    TooLong,
    /// Two servers share it.
    #[error("two servers have the same name")]
    Twice,
}

/// Whether `server` may stand before `__`.
///
/// # Errors
/// [`NameFault`].
pub fn check_server(server: &ServerName) -> Result<(), NameFault> {
    let text = server.as_str();
    if text.contains(SEAM) || text.ends_with('_') {
        return Err(NameFault::Seam);
    }
    if text.len() > 32 {
        return Err(NameFault::TooLong);
    }
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    {
        return Err(NameFault::Character);
    }
    Ok(())
}

/// The servers behind one endpoint, in the operator's order.
#[derive(Debug, Clone)]
pub struct Names {
    servers: Vec<ServerName>,
}

impl Names {
    /// Servers behind one endpoint.
    ///
    /// # Errors
    /// [`NameFault`] of the first name that can't be published. One server alone may have any name, since its tools
    /// go by their own.
    pub fn new(servers: Vec<ServerName>) -> Result<Self, NameFault> {
        if servers.len() > 1 {
            for (at, server) in servers.iter().enumerate() {
                check_server(server)?;
                if servers.iter().take(at).any(|earlier| earlier == server) {
                    return Err(NameFault::Twice);
                }
            }
        }
        Ok(Self { servers })
    }

    /// The servers.
    #[must_use]
    pub fn servers(&self) -> &[ServerName] {
        &self.servers
    }

    /// Whether names carry their server.
    #[must_use]
    pub fn prefixed(&self) -> bool {
        self.servers.len() > 1
    }

    /// The name agents see.
    #[must_use]
    pub fn publish(&self, server: &ServerName, name: &str) -> String {
        if self.prefixed() {
            format!("{server}{SEAM}{name}")
        } else {
            name.to_owned()
        }
    }

    /// The server and its own name for what an agent asked for.
    ///
    /// # Errors
    /// [`Code::ToolUnknown`] when no server stands behind the name, or the name is no name.
    pub fn resolve<'a>(&'a self, published: &str) -> Result<(&'a ServerName, ToolName), Code> {
        let (server, own) = if self.prefixed() {
            let (prefix, own) = published.split_once(SEAM).ok_or(Code::ToolUnknown)?;
            let server = self
                .servers
                .iter()
                .find(|server| server.as_str() == prefix)
                .ok_or(Code::ToolUnknown)?;
            (server, own)
        } else {
            (self.servers.first().ok_or(Code::ServerUnknown)?, published)
        };
        Ok((server, ToolName::new(own).map_err(|_| Code::ToolUnknown)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(texts: &[&str]) -> Result<Names, NameFault> {
        Names::new(texts.iter().map(|text| ServerName::new(text).unwrap()).collect())
    }

    #[test]
    fn seams_that_could_be_read_twice_are_refused() {
        assert_eq!(names(&["a__b", "c"]).err(), Some(NameFault::Seam));
        assert_eq!(names(&["a_", "c"]).err(), Some(NameFault::Seam));
        assert_eq!(names(&["a.b", "c"]).err(), Some(NameFault::Character));
        assert_eq!(names(&["a", "a"]).err(), Some(NameFault::Twice));
        assert_eq!(names(&["a", &"x".repeat(33)]).err(), Some(NameFault::TooLong));
        assert!(names(&["a__b"]).is_ok());
    }

    #[test]
    fn a_tool_cannot_pose_as_another_servers() {
        let both = names(&["mail", "files"]).unwrap();
        // A hostile server `mail` lists a tool called `x__files__read`: it stays mail's.
        let published = both.publish(&ServerName::new("mail").unwrap(), "files__read");
        assert_eq!(published, "mail__files__read");
        let (server, own) = both.resolve(&published).unwrap();
        assert_eq!((server.as_str(), own.as_str()), ("mail", "files__read"));
        assert_eq!(both.resolve("read"), Err(Code::ToolUnknown));
        assert_eq!(both.resolve("other__read"), Err(Code::ToolUnknown));
        assert_eq!(both.resolve("mail__"), Err(Code::ToolUnknown));
        assert_eq!(both.resolve("MAIL__read"), Err(Code::ToolUnknown));
    }

    #[test]
    fn one_server_keeps_plain_names() {
        let one = names(&["mail"]).unwrap();
        assert_eq!(one.publish(&ServerName::new("mail").unwrap(), "a__b"), "a__b");
        assert_eq!(one.resolve("a__b").unwrap().1.as_str(), "a__b");
    }

    proptest! {
        #[test]
        fn published_names_come_back(
            servers in proptest::collection::btree_set("[a-z][a-z0-9-]{0,6}(_[a-z0-9]{1,3})?", 2..5),
            pick: usize,
            tool in "[!-~&&[^\"\\\\<>`]]{1,40}",
        ) {
            let all: Vec<_> = servers.iter().map(|text| ServerName::new(text).unwrap()).collect();
            let names = Names::new(all.clone()).unwrap();
            let server = &all[pick % all.len()];
            let published = names.publish(server, &tool);
            let (back, own) = names.resolve(&published).unwrap();
            prop_assert_eq!(back, server);
            prop_assert_eq!(own.as_str(), tool.as_str());
        }
    }
}
