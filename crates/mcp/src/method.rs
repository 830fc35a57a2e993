//! The method table: what each MCP method means to policy, who may send it, and in which revisions it exists.
//!
//! A method that is not in the table is [`Method::Unknown`]: still ruled (as [`Action::Other`], which the packs
//! deny), never waved through.

use bartizan_types::Action;

use crate::Revision;

/// Who sends a message of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Agents, to servers.
    Agent,
    /// Servers, to agents.
    Server,
    /// Either.
    Both,
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $action:ident, $side:ident, $since:ident ..= $until:ident;)*) => {
        /// A method of MCP.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Method {
            $($(#[$doc])* $name,)*
            /// A method that no revision we speak defines.
            Unknown,
        }

        impl Method {
            /// Every known method, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The method of that name.
            #[must_use]
            pub fn parse(text: &str) -> Self {
                match text { $($text => Self::$name,)* _ => Self::Unknown }
            }

            /// Its name on the wire; empty for [`Method::Unknown`].
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* Self::Unknown => "" }
            }

            /// What policy is asked.
            #[must_use]
            pub const fn action(self) -> Action {
                match self { $(Self::$name => Action::$action,)* Self::Unknown => Action::Other }
            }

            /// Who may send it.
            #[must_use]
            pub const fn side(self) -> Side {
                match self { $(Self::$name => Side::$side,)* Self::Unknown => Side::Both }
            }

            /// Whether `revision` defines it. Unknown methods are in none.
            #[must_use]
            pub fn exists_in(self, revision: Revision) -> bool {
                match self {
                    $(Self::$name => (Revision::$since..=Revision::$until).contains(&revision),)*
                    Self::Unknown => false,
                }
            }
        }
    };
}

methods! {
    /// Opens a session.
    Initialize = "initialize", Connect, Agent, V2024_11_05..=V2025_11_25;
    /// Tells versions, capabilities and identity.
    Discover = "server/discover", Connect, Agent, V2026_07_28..=V2026_07_28;
    /// Are you there.
    Ping = "ping", Notify, Both, V2024_11_05..=V2025_11_25;
    /// Lists tools.
    ToolsList = "tools/list", ListTools, Agent, V2024_11_05..=V2026_07_28;
    /// Calls a tool.
    ToolsCall = "tools/call", CallTool, Agent, V2024_11_05..=V2026_07_28;
    /// Lists resources.
    ResourcesList = "resources/list", ListResources, Agent, V2024_11_05..=V2026_07_28;
    /// Lists resource templates.
    TemplatesList = "resources/templates/list", ListResources, Agent, V2024_11_05..=V2026_07_28;
    /// Reads a resource.
    ResourcesRead = "resources/read", ReadResource, Agent, V2024_11_05..=V2026_07_28;
    /// Subscribes to a resource.
    Subscribe = "resources/subscribe", SubscribeResource, Agent, V2024_11_05..=V2025_11_25;
    /// Ends a subscription.
    Unsubscribe = "resources/unsubscribe", SubscribeResource, Agent, V2024_11_05..=V2025_11_25;
    /// Opens a stream of change notices.
    Listen = "subscriptions/listen", SubscribeResource, Agent, V2026_07_28..=V2026_07_28;
    /// Lists prompts.
    PromptsList = "prompts/list", ListPrompts, Agent, V2024_11_05..=V2026_07_28;
    /// Fetches a prompt.
    PromptsGet = "prompts/get", GetPrompt, Agent, V2024_11_05..=V2026_07_28;
    /// Completes an argument.
    Complete = "completion/complete", Complete, Agent, V2024_11_05..=V2026_07_28;
    /// Sets the log level.
    SetLevel = "logging/setLevel", SetLogLevel, Agent, V2024_11_05..=V2025_11_25;
    /// Asks the agent's model. In 2026-07-28 only inside `input_required` results.
    Sample = "sampling/createMessage", Sample, Server, V2024_11_05..=V2026_07_28;
    /// Asks the agent's user. In 2026-07-28 only inside `input_required` results.
    Elicit = "elicitation/create", Elicit, Server, V2025_06_18..=V2026_07_28;
    /// Asks for roots. In 2026-07-28 only inside `input_required` results.
    Roots = "roots/list", ListRoots, Server, V2024_11_05..=V2026_07_28;
    /// The agent is ready.
    Initialized = "notifications/initialized", Notify, Agent, V2024_11_05..=V2025_11_25;
    /// A request is no longer wanted.
    Cancelled = "notifications/cancelled", Notify, Both, V2024_11_05..=V2026_07_28;
    /// How far a request is.
    Progress = "notifications/progress", Notify, Both, V2024_11_05..=V2026_07_28;
    /// The roots changed.
    RootsChanged = "notifications/roots/list_changed", Notify, Agent, V2024_11_05..=V2025_11_25;
    /// A log line of the server.
    Log = "notifications/message", Notify, Server, V2024_11_05..=V2026_07_28;
    /// The tools changed.
    ToolsChanged = "notifications/tools/list_changed", Notify, Server, V2024_11_05..=V2026_07_28;
    /// The prompts changed.
    PromptsChanged = "notifications/prompts/list_changed", Notify, Server, V2024_11_05..=V2026_07_28;
    /// The resources changed.
    ResourcesChanged = "notifications/resources/list_changed", Notify, Server, V2024_11_05..=V2026_07_28;
    /// One resource changed.
    ResourceUpdated = "notifications/resources/updated", Notify, Server, V2024_11_05..=V2026_07_28;
    /// A URL elicitation is done.
    ElicitComplete = "notifications/elicitation/complete", Notify, Server, V2025_11_25..=V2025_11_25;
    /// A stream of change notices is open.
    Acknowledged = "notifications/subscriptions/acknowledged", Notify, Server, V2026_07_28..=V2026_07_28;
}

impl Method {
    /// Whether it is a one-way message. Unknown methods are told apart by their id.
    #[must_use]
    pub fn is_notification(self) -> bool {
        self.as_str().starts_with("notifications/")
    }

    /// Whether a server may answer it with `input_required` (2026-07-28, multi round-trip requests).
    #[must_use]
    pub const fn may_need_input(self) -> bool {
        matches!(self, Self::ToolsCall | Self::PromptsGet | Self::ResourcesRead)
    }

    /// Whether it is a request that a server makes of the agent.
    #[must_use]
    pub const fn is_ask(self) -> bool {
        matches!(self, Self::Sample | Self::Elicit | Self::Roots)
    }

    /// The member of `params` that the `Mcp-Name` header repeats.
    #[must_use]
    pub const fn named_by(self) -> Option<&'static str> {
        match self {
            Self::ToolsCall | Self::PromptsGet => Some("name"),
            Self::ResourcesRead => Some("uri"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads_both_ways() {
        for method in Method::ALL {
            assert_eq!(Method::parse(method.as_str()), *method);
            assert!(
                Revision::ALL.iter().any(|revision| method.exists_in(*revision)),
                "{method:?}"
            );
        }
        assert_eq!(Method::parse("tools/Call"), Method::Unknown);
        assert_eq!(Method::parse(""), Method::Unknown);
        assert_eq!(Method::Unknown.action(), Action::Other);
    }

    #[test]
    fn the_stateless_revision_drops_what_its_changelog_drops() {
        let gone = [
            Method::Initialize,
            Method::Initialized,
            Method::Ping,
            Method::SetLevel,
            Method::Subscribe,
            Method::Unsubscribe,
            Method::RootsChanged,
            Method::ElicitComplete,
        ];
        for method in gone {
            assert!(!method.exists_in(Revision::V2026_07_28), "{method:?}");
        }
        for method in [Method::Discover, Method::Listen, Method::Acknowledged] {
            assert!(!method.exists_in(Revision::V2025_11_25), "{method:?}");
        }
        assert!(!Method::Elicit.exists_in(Revision::V2025_03_26));
    }

    #[test]
    fn whatever_a_server_asks_of_an_agent_is_a_ruled_action_of_its_own() {
        for method in Method::ALL.iter().filter(|method| method.is_ask()) {
            assert_ne!(method.action(), Action::Notify);
            assert_eq!(method.side(), Side::Server);
        }
    }
}
