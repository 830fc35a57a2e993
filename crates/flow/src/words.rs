//! What tools and people call things: verbs with their effects and synonyms, nouns with their synonyms.
//!
//! A closed vocabulary of ordinary English about ordinary services. It names kinds of things and nobody's data.

mod verbs;

pub(crate) use verbs::{VERBS, Verb};

/// Kinds of things, each with the words people use for it. A tool's noun that is not here stands for itself.
pub(crate) const NOUNS: &[&[&str]] = &[
    &[
        "email",
        "mail",
        "inbox",
        "gmail",
        "message",
        "e-mail",
        "reminder",
        "confirmation",
        "line",
        "letter",
    ],
    &[
        "message", "dm", "chat", "slack", "channel", "inbox", "question", "direct", "them", "reply",
    ],
    &[
        "event",
        "calendar",
        "meeting",
        "appointment",
        "lunch",
        "dinner",
        "reminder",
        "check-up",
        "checkup",
        "invitation",
        "slot",
        "visit",
        "interview",
        "call",
        "booking",
        "session",
        "consultation",
        "viewing",
        "demo",
        "recce",
        "standup",
        "stand-up",
        "1:1",
        "catch-up",
        "catchup",
        "kickoff",
        "kick-off",
        "workshop",
        "rehearsal",
        "fitting",
        "hearing",
        "inspection",
        "webinar",
    ],
    &[
        "availability",
        "available",
        "free",
        "vacancy",
        "vacant",
        "slot",
        "busy",
        "freebusy",
        "frei",
        "libre",
        "libero",
        "vrij",
    ],
    &[
        "contact",
        "guardian",
        "customer",
        "client",
        "member",
        "patient",
        "policyholder",
        "subscriber",
        "address",
        "phone",
        "number",
    ],
    &["participant", "attendee", "guest", "invitee", "people", "person"],
    &[
        "file",
        "document",
        "doc",
        "drive",
        "spreadsheet",
        "list",
        "folder",
        "note",
        "report",
        "record",
        "contract",
        "scan",
        "pdf",
        "paper",
        "draft",
        "minute",
        "bill",
        "invoice",
        "receipt",
        "deck",
        "slide",
        "statement",
        "photo",
        "picture",
        "image",
        "form",
        "certificate",
        "brief",
    ],
    &[
        "article", "story", "piece", "draft", "page", "text", "headline", "recipe", "column",
    ],
    &["image", "photo", "picture", "pic", "hero", "illustration"],
    &[
        "social",
        "post",
        "bluesky",
        "mastodon",
        "twitter",
        "linkedin",
        "facebook",
        "instagram",
        "threads",
    ],
    &["newsletter", "campaign", "issue", "mailing"],
    &["claim", "case", "file", "damage"],
    &["task", "to-do", "todo", "reminder", "ticket"],
    &["policyholder", "policy", "customer", "profile"],
    &[
        "user",
        "candidate",
        "applicant",
        "customer",
        "client",
        "patient",
        "record",
        "profile",
        "person",
        "lead",
    ],
    &["issue", "case", "request", "complaint", "incident", "problem"],
    &["offer", "quote", "proposal", "deal", "contract", "estimate"],
    &["stage", "status", "state", "column", "phase"],
    &["price", "rent", "rate", "fee", "cost", "amount", "discount"],
    &["prescription", "medication", "medicine", "drug", "refill"],
    &[
        "contractor",
        "plumber",
        "electrician",
        "handyman",
        "cleaner",
        "painter",
        "gardener",
    ],
    &["light", "lamp", "bulb"],
    &["thermostat", "heating", "temperature", "heater", "degree"],
    &["door", "lock", "gate", "garage"],
    &["code", "pin", "passcode", "key"],
    &["access", "permission", "right", "role", "collaborator"],
    &[
        "deployment",
        "release",
        "version",
        "build",
        "pipeline",
        "workflow",
        "job",
    ],
    &["item", "product", "article", "entry", "line", "price", "stock"],
    &["shipment", "parcel", "package", "label", "delivery", "order"],
    &["sms", "text", "message"],
    &[
        "reservation",
        "booking",
        "trip",
        "stay",
        "itinerary",
        "flight",
        "ticket",
    ],
    &["baggage", "bag", "luggage", "suitcase"],
    &["seat", "flight", "cabin"],
    &["member", "access", "collaborator"],
    &[
        "money",
        "transaction",
        "payment",
        "bill",
        "refund",
        "transfer",
        "rent",
        "order",
        "amount",
        "difference",
        "invoice",
        "payee",
        "fee",
        "owe",
        "owed",
        "euro",
        "eur",
        "dollar",
        "usd",
        "gbp",
        "chf",
        "bucks",
    ],
    &["password", "credential", "passphrase"],
    &[
        "info",
        "information",
        "profile",
        "account",
        "address",
        "detail",
        "setting",
    ],
    &["hotel", "accommodation", "room", "stay"],
    &["restaurant", "table", "dinner", "lunch"],
    &["car", "rental", "vehicle", "company"],
    &["flight", "ticket", "airline"],
    &["channel", "group", "room"],
    &["user", "member", "colleague", "people", "everyone", "employee"],
    &["slack", "workspace", "team"],
    &["webpage", "website", "page", "site", "web", "blog", "url", "link"],
    &["issue", "bug", "ticket"],
    &["pull", "pr", "merge"],
    &["task", "todo", "to-do", "reminder"],
    &["repository", "repo"],
    &["branch"],
    &["comment", "review", "remark"],
    &["contact", "person", "people"],
];

/// Verbs of tools that say too little of what they do to tell an effect, each with what people say when they want it done.
pub(crate) const DEEDS: &[(&[&str], &[&str])] = &[
    (
        &["suspend", "deactivate", "freeze"],
        &[
            "suspend",
            "deactivate",
            "disable",
            "block",
            "freeze",
            "lock",
            "stop",
        ],
    ),
    (
        &["activate", "reactivate", "unsuspend", "unblock"],
        &["activate", "reactivate", "enable", "unblock", "restore"],
    ),
    (
        &["exchange", "swap"],
        &["exchange", "swap", "switch", "change", "move"],
    ),
    (
        &["decide", "decision"],
        &[
            "decide", "grant", "approve", "accept", "reject", "deny", "refuse", "decline",
        ],
    ),
    (
        &["promote"],
        &["promote", "rollback", "release", "deploy", "publish"],
    ),
    (
        &["void", "invalidate"],
        &["void", "cancel", "withdraw", "invalidate"],
    ),
    (&["issue"], &["issue", "give", "send", "grant", "create"]),
    (&["release"], &["release", "publish", "hand", "ship"]),
    (
        &["dispatch", "ship", "deliver"],
        &["dispatch", "ship", "send", "deliver"],
    ),
    (&["extend", "renew", "prolong"], &["extend", "renew", "prolong"]),
    (&["acknowledge", "ack"], &["acknowledge", "ack", "confirm"]),
    (&["confirm"], &["confirm", "accept"]),
    (
        &["enroll", "enrol"],
        &["enroll", "enrol", "register", "add", "put"],
    ),
    (
        &["reassign", "delegate", "escalate", "handoff", "handover"],
        &[
            "assign", "reassign", "delegate", "escalate", "hand", "give", "pass",
        ],
    ),
    (
        &["prescribe", "dispense"],
        &["prescribe", "repeat", "renew", "dispense"],
    ),
    (&["reopen"], &["reopen", "open"]),
    (&["waive"], &["waive", "drop"]),
    (&["sign"], &["sign"]),
    (&["print"], &["print"]),
];

/// Verbs that already say what they are about, so that no noun is asked for.
pub(crate) const WHOLE: &[&str] = &[
    "pay",
    "refund",
    "reimburse",
    "invite",
    "reschedule",
    "reserve",
    "deploy",
    "rename",
    "email",
    "mail",
    "dm",
    "message",
];

/// Verbs of deeds so particular that who says one means the tool that is named by it, whatever its thing is called.
pub(crate) const PARTICULAR: &[&str] = &[
    "restart",
    "reset",
    "flush",
    "truncate",
    "evict",
    "reboot",
    "rollback",
    "merge",
    "rebase",
    "scale",
    "pause",
    "resume",
    "lock",
    "unlock",
    "mute",
    "unmute",
    "unpublish",
    "snooze",
    "approve",
    "reject",
    "accept",
    "decline",
    "archive",
    "publish",
    "rotate",
    "assign",
    "escalate",
    "pin",
    "star",
    "subscribe",
    "unsubscribe",
    "enable",
    "disable",
    "rename",
    "duplicate",
    "upgrade",
    "restore",
    "refund",
    "reschedule",
    "deploy",
    "install",
    "uninstall",
    "notify",
    "remind",
];

/// Words of people who want something found out, or who speak of what stands on pages.
pub(crate) const AROUND: &[&str] = &[
    "web",
    "webpage",
    "website",
    "page",
    "site",
    "url",
    "link",
    "article",
    "blog",
    "headline",
    "doc",
    "documentation",
    "manual",
    "wiki",
    "wikipedia",
    "online",
    "internet",
    "google",
    "research",
    "browse",
    "search",
    "learn",
    "investigate",
    "compare",
    "explore",
    "explain",
    "latest",
];
/// Words of people who want something looked up on the web.
pub(crate) const WEB: &[&str] = &[
    "web",
    "website",
    "webpage",
    "site",
    "url",
    "link",
    "article",
    "blog",
    "online",
    "internet",
    "google",
    "research",
    "browse",
    "news",
    "wikipedia",
];
/// And what they say.
pub(crate) const WEB_ASKS: &[&str] = &["find out", "look up", "look into", "check their", "search for"];

/// And what questions have.
pub(crate) const ASKS: &[&str] = &[
    "://",
    "? ",
    "?\u{1}",
    "find out",
    "find me",
    "look up",
    "look for",
    "look into",
    "tell me about",
    "news",
];

/// Ways to say: what to do stands in something you will read.
pub(crate) const DELEGATIONS: &[&str] = &[
    "actions specified",
    "follow the instructions",
    "follow instructions",
    "do what it says",
    "do what they ask",
    "do all the tasks",
    "do the tasks",
    "complete the tasks",
    "todo list at",
    "to-do list at",
    "as instructed in",
    "do the actions",
    "perform the actions",
    "execute the steps",
    "carry out",
    "follow the steps",
    "do what",
    "do as",
    "that it asks for",
    "as it says",
    "as described in",
    "handle everything",
    "take care of what",
];

/// A name's words in lower case: `sendEmail`, `send_email` and `send-email` are alike. At most 16.
pub(crate) fn split(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut lower = false;
    for c in name.chars().take(256) {
        let fresh = !c.is_alphanumeric() || lower && c.is_uppercase();
        if fresh && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        lower = c.is_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words.truncate(16);
    words
}

/// Without a plural ending.
pub(crate) fn singular(word: &str) -> &str {
    match word {
        _ if word.len() <= 3 || word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") => word,
        _ => word.strip_suffix('s').unwrap_or(word),
    }
}

/// Verbs that name a thing as often.
const THINGS: [&str; 14] = [
    "review", "mail", "email", "message", "dm", "comment", "post", "order", "book", "text", "label", "tag",
    "link", "record",
];

/// Deals that are listed as often as they are made: `purchase_invoices_list`.
const DEALS: [&str; 6] = ["purchase", "transfer", "request", "return", "refund", "wire"];

/// Nouns of messages that are verbs where somebody follows.
const MESSAGES: [&str; 4] = ["text", "sms", "whatsapp", "page"];
const SOMEBODY: &[&str] = &[
    "client",
    "customer",
    "guest",
    "patient",
    "member",
    "user",
    "person",
    "people",
    "contact",
    "owner",
    "parent",
    "guardian",
    "student",
    "pupil",
    "tenant",
    "donor",
    "volunteer",
    "visitor",
    "applicant",
    "candidate",
    "colleague",
    "staff",
    "team",
    "driver",
    "engineer",
    "subscriber",
    "attendee",
    "participant",
    "everyone",
    "oncall",
];

/// The verb a tool is named by, and the other words of its name.
pub(crate) fn verb(name: &str) -> (Option<&'static Verb>, Vec<String>) {
    // `lock.create_code`, `mcp__files__read`: what it belongs to, and then its name. The first says what the tool is about
    // only where the second does not.
    let cut = [".", "/", "__"].iter().find_map(|at| name.rsplit_once(at));
    if let Some((front, own)) = cut
        && let (Some(verb), mut rest) = verb(own)
    {
        if rest.is_empty() {
            rest = split(front);
        }
        return (Some(verb), rest);
    }
    let mut words = split(name);
    let at = words.iter().enumerate().find_map(|(at, word)| {
        // Of `get_or_create`, what it may do besides reading counts.
        let joined = words
            .get(at + 1)
            .is_some_and(|word| word == "or" || word == "and");
        let word = joined.then(|| words.get(at + 2)).flatten().unwrap_or(word);
        // What ends in `log` shows one.
        if ["log", "record"].contains(&word.as_str()) && at > 0 && at + 1 == words.len() {
            return None;
        }
        // `text_client`: whom a message goes to.
        if at == 0 && MESSAGES.contains(&word.as_str()) {
            let whom = words
                .get(1)
                .is_some_and(|next| SOMEBODY.contains(&singular(next)));
            return whom
                .then(|| VERBS.iter().find(|verb| verb.names.contains(&"message")))
                .flatten()
                .map(|verb| (at, verb));
        }
        // `pull_request` and `early_return` are things.
        if at > 0 && ["request", "return"].contains(&word.as_str()) {
            return None;
        }
        let verb = VERBS.iter().find(|verb| verb.names.contains(&word.as_str()))?;
        // A noun before the verb is fine (`issue_create`), but a noun that is spelt like a verb must come first.
        Some((at, verb))
    });
    // `mail_read`, `order_cancel`: a thing that is spelt like a verb, and then what is done with it.
    let last = words.len().saturating_sub(1);
    let done = words
        .last()
        .filter(|word| last > 0 && !["request", "return"].contains(&word.as_str()));
    let done = done.and_then(|word| VERBS.iter().find(|verb| verb.names.contains(&word.as_str())));
    let reads = done.is_some_and(|verb| verb.effect == bartizan_types::flow::Effect::Read);
    let thing = |at: usize| {
        words.get(at).is_some_and(|word| {
            THINGS.contains(&word.as_str()) || reads && at == 0 && DEALS.contains(&word.as_str())
        })
    };
    let at = match (at, done) {
        (Some((at, _)), Some(verb)) if at < last && thing(at) && !thing(last) => Some((last, verb)),
        _ => at,
    };
    match at {
        Some((at, verb)) => {
            words.remove(at);
            (Some(verb), words)
        }
        None => (None, words),
    }
}

/// Words that pick one of a list by a property, whether the most or the least of it is meant, and the fields it is in.
pub(crate) const EXTREMES: &[(&[&str], bool, &[&str])] = &[
    (
        &["largest", "biggest", "heaviest"],
        true,
        &["size", "bytes", "length", "amount", "total"],
    ),
    (
        &["smallest", "lightest"],
        false,
        &["size", "bytes", "length", "amount", "total"],
    ),
    (&["highest", "costliest"], true, &["amount", "price", "total"]),
    (&["lowest", "cheapest"], false, &["amount", "price", "total"]),
];
