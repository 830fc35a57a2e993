//! Values of the compiled form. Text is borrowed from the program or the request, so reading a slot copies nothing.

/// An entity type of our schema. Policies that name any other type run in Cedar's own evaluator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Agent,
    User,
    Group,
    Model,
    Upstream,
    Tool,
    AgentTool,
    HostedTool,
    Server,
    McpResource,
    Prompt,
    Peer,
    Site,
    Arguments,
    Quantities,
    Action,
}

impl Kind {
    pub(crate) const ALL: [Self; 16] = [
        Self::Agent,
        Self::User,
        Self::Group,
        Self::Model,
        Self::Upstream,
        Self::Tool,
        Self::AgentTool,
        Self::HostedTool,
        Self::Server,
        Self::McpResource,
        Self::Prompt,
        Self::Peer,
        Self::Site,
        Self::Arguments,
        Self::Quantities,
        Self::Action,
    ];

    /// The qualified Cedar type name.
    pub(crate) const fn type_name(self) -> &'static str {
        match self {
            Self::Agent => "Bartizan::Agent",
            Self::User => "Bartizan::User",
            Self::Group => "Bartizan::Group",
            Self::Model => "Bartizan::Model",
            Self::Upstream => "Bartizan::Upstream",
            Self::Tool => "Bartizan::Tool",
            Self::AgentTool => "Bartizan::AgentTool",
            Self::HostedTool => "Bartizan::HostedTool",
            Self::Server => "Bartizan::Server",
            Self::McpResource => "Bartizan::McpResource",
            Self::Prompt => "Bartizan::Prompt",
            Self::Peer => "Bartizan::Peer",
            Self::Site => "Bartizan::Site",
            Self::Arguments => "Bartizan::Arguments",
            Self::Quantities => "Bartizan::Quantities",
            Self::Action => "Bartizan::Action",
        }
    }

    pub(crate) fn parse(type_name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.type_name() == type_name)
    }
}

/// A reference to an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entity<'a> {
    pub(crate) kind: Kind,
    pub(crate) id: &'a str,
}

/// A value, or `Unknown` where the request is partial.
///
/// Under a partial request a known value `v` stands for "`v`, or an error": an error denies anyway, so nothing that
/// is concluded from it loosens a ruling.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    Bool(bool),
    Long(i64),
    Text(&'a str),
    Entity(Entity<'a>),
    /// Milliseconds since the epoch (Cedar `datetime`).
    Time(i64),
    Set(Vec<Value<'a>>),
    /// Sorted by key; keys are unique.
    Record(Vec<(&'a str, Value<'a>)>),
    Unknown,
}

impl Value<'_> {
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// Cedar's `==`: never an error, false across types, sets as sets.
impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Long(a), Self::Long(b)) | (Self::Time(a), Self::Time(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Entity(a), Self::Entity(b)) => a == b,
            (Self::Set(a), Self::Set(b)) => {
                a.iter().all(|x| b.contains(x)) && b.iter().all(|x| a.contains(x))
            }
            (Self::Record(a), Self::Record(b)) => a == b,
            _ => false,
        }
    }
}
