//! What the names of tools and of their arguments tell.

use bartizan_types::flow::Role;
use serde_json::Value;

use super::ToolFacts;
use crate::{roles, words};

/// Whether a plain `name` is a new thing's: the tool makes one, or the thing meant is told by an identifier beside it.
pub(super) fn names_new<'a>(tool: &str, mut names: impl Iterator<Item = &'a str>) -> bool {
    const MAKES: &[&str] = &[
        "create",
        "make",
        "new",
        "generate",
        "add",
        "draft",
        "register",
        "init",
        "open",
        "save",
        "store",
        "duplicate",
        "copy",
        "clone",
        "fork",
        "rename",
        "define",
        "insert",
    ];
    words::split(tool)
        .iter()
        .any(|word| MAKES.contains(&word.as_str()))
        || names.any(|name| {
            let split = words::split(name);
            split
                .last()
                .is_some_and(|last| ["id", "ids", "key", "uuid", "slug"].contains(&last.as_str()))
        })
}

/// Whether this says which thing by an id: `requestId`, `invoice_no`.
pub(super) fn numbered(name: &str) -> bool {
    words::split(name)
        .last()
        .is_some_and(|last| ["id", "ids", "no", "nr", "ref", "key", "uuid", "sku"].contains(&last.as_str()))
}

/// Whether this says how many.
pub(super) fn counts(name: &str) -> bool {
    words::split(name)
        .last()
        .is_some_and(|last| ["quantity", "qty"].contains(&last.as_str()))
}

/// Whether what a tool of this name lists is whom or where the organisation knows: `list_suppliers`, and not
/// `list_supplier_invoices`, whose accounts are what invoices say.
pub(super) fn lists_people(name: &[String]) -> bool {
    const PEOPLE: &[&str] = &[
        "contact",
        "user",
        "member",
        "employee",
        "people",
        "directory",
        "channel",
        "team",
        "staff",
        "colleague",
        "crew",
        "personnel",
        "supplier",
        "vendor",
        "person",
        "oncall",
    ];
    const ABOUT: &[&str] = &["by", "in", "for", "of", "from", "with"];
    // What is told of each, and how it is looked for.
    const TOLD: &[&str] = &[
        "list",
        "info",
        "information",
        "detail",
        "profile",
        "lookup",
        "search",
        "find",
        "get",
        "read",
        "all",
        "query",
        "data",
        "record",
        "id",
        "name",
        "email",
        "show",
        "view",
        "card",
        "summary",
        "me",
        "entry",
    ];
    let end = name
        .iter()
        .position(|word| ABOUT.contains(&word.as_str()))
        .unwrap_or(name.len());
    let own = name.get(..end).unwrap_or_default();
    let mut last = own
        .iter()
        .rev()
        .map(|word| words::singular(word))
        .skip_while(|word| TOLD.contains(word));
    last.next().is_some_and(|word| PEOPLE.contains(&word))
}

/// Whether this says whom a thing is given to.
pub(super) fn given_to(name: &str) -> bool {
    words::split(name)
        .last()
        .is_some_and(|last| ["assignee", "assignees"].contains(&last.as_str()))
}

/// Whether `from` and `to` are days that something lies between: their descriptions say so of either.
pub(super) fn between(input: &Value) -> bool {
    const DAYS: [&str; 7] = ["date", "day", "time", "iso", "yyyy", "start", "datetime"];
    let schema = |name: &str| input.get("properties").and_then(|all| all.get(name));
    let dated = |schema: &Value| {
        let said = schema
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let mut said = said.split(|c: char| !c.is_alphanumeric()).take(24);
        schema
            .get("format")
            .and_then(Value::as_str)
            .is_some_and(|format| format.starts_with("date"))
            || said.any(|word| DAYS.contains(&word.to_lowercase().as_str()))
    };
    matches!((schema("from"), schema("to")), (Some(from), Some(to)) if dated(from) || dated(to))
}

/// What a tool makes that is named `create_branch`: a thing of one word.
pub(super) fn makes(tool: &str) -> Option<String> {
    let split = words::split(tool);
    let at = split
        .iter()
        .position(|word| ["create", "make", "new"].contains(&word.as_str()))?;
    match split.get(at + 1..) {
        Some([thing]) => Some(thing.clone()),
        _ => None,
    }
}

/// Whether a tool searches the open web.
pub(super) fn searches(tool: &ToolFacts<'_>) -> bool {
    const WEB: &[&str] = &[
        "web",
        "internet",
        "online",
        "google",
        "bing",
        "brave",
        "duckduckgo",
        "ddg",
        "tavily",
        "exa",
        "serp",
        "news",
    ];
    let about = words::split(tool.name);
    let has = |list: &[&str]| about.iter().any(|word| list.contains(&word.as_str()));
    // What is somebody's own is no open web.
    const PRIVATE: &[&str] = &[
        "drive", "contact", "contacts", "mail", "email", "gmail", "message", "messages", "post", "posts",
        "comment", "comments", "history", "inbox", "forum", "chat", "calendar", "docs", "doc", "photos",
        "file", "files",
    ];
    has(&["search", "find", "lookup", "query"]) && has(WEB) && !has(PRIVATE)
}

/// Whether an argument is a query: words to look for in a read, a statement to carry out elsewhere.
pub(super) fn statement(name: &str) -> bool {
    words::split(name)
        .last()
        .is_some_and(|last| ["query", "statement"].contains(&last.as_str()))
}

/// Whether an argument turns pages.
pub(super) fn pages(name: &str) -> bool {
    let split = words::split(name);
    split
        .iter()
        .any(|word| ["page", "limit", "first", "cursor"].contains(&word.as_str()))
}

/// Whether the tool is about versions of files, where a checkout costs nothing.
pub(super) fn versions<'a>(tool: &str, mut names: impl Iterator<Item = &'a str>) -> bool {
    let about = |text: &str| {
        words::split(text).iter().any(|word| {
            ["git", "branch", "repo", "repository", "commit", "revision"].contains(&word.as_str())
        })
    };
    about(tool) || names.any(about)
}

pub(super) fn moves_money<'a>(tool: &str, mut names: impl Iterator<Item = &'a str>) -> bool {
    let about = words::split(tool);
    about.iter().any(|word| {
        [
            "money",
            "payment",
            "transaction",
            "payout",
            "invoice",
            "refund",
            "transfer",
            "funds",
        ]
        .contains(&words::singular(word))
    }) && names.any(|name| matches!(roles::by_name(name), Some(Role::Amount | Role::Target)))
}

pub(super) fn invites(name: &str) -> bool {
    words::split(name).iter().any(|word| {
        ["participant", "attendee", "invitee", "guest", "collaborator"].contains(&words::singular(word))
    })
}
