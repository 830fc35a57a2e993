//! What gives a poisoned description away: sentences that speak to the model about more than the tool.
//!
//! A pattern is words in a row: `a|b` is either, and `..` stands for a few others in between. Of 2,455 honest definitions of
//! public servers 14 have one kind of sign, and none has two.

use std::ops::Range;

/// Most words that `..` stands for.
const GAP: usize = 6;
/// Most words of a definition that are looked at.
const WORDS_MOST: usize = 20_000;

/// Kinds of signs in words, each with its patterns and how sure it is.
const SAID: &[(&str, &[&str], u16)] = &[
    (
        "secrecy",
        &[
            "dont|not|never|without .. tell|telling|mention|mentioning|inform|informing|notify|notifying|reveal|revealing|disclose|disclosing|alert|alerting .. user|users|anyone|anybody|human|humans|owner|customer",
            "dont|not|never .. mention|reveal|disclose|tell .. this|it|that",
            "keep .. yourself|secret|hidden",
            "leave .. out of .. explanation|explanations|summary|summaries|answer|answers|response|responses",
            "not visible to the user",
            "quietly|silently|secretly|covertly",
            "hide .. from .. user|users|owner|human",
        ],
        700,
    ),
    (
        "precondition",
        &[
            "before|prior .. using|calling|invoking .. this|it|other|any tool|tools",
            "before .. any other tool|tools",
            "must|always .. call|run|use|send|invoke|read .. first",
            "must first",
            "start|beginning of each|every|the conversation|session",
            "once per session|conversation",
            "otherwise .. not work|fail",
            "will not work unless",
            "tool will fail|not",
        ],
        550,
    ),
    (
        "other_tools",
        &[
            "replaces|supersedes .. tool|tools|server|servers",
            "instead of the",
            "when the user asks to use",
            "no longer be used|called",
            "not allowed to use|call",
            "not|never|dont use the|any|other .. tool|tools",
            "all other tools",
            "other tools are deprecated",
            "change|modify|replace .. recipient|payee|destination|iban",
        ],
        500,
    ),
    (
        "conversation",
        &[
            "entire|whole|complete|full .. conversation|chat|dialogue|transcript",
            "all .. previous|earlier|prior .. messages|turns",
            "conversation|chat history|transcript",
            "previous messages",
        ],
        550,
    ),
    (
        "system_prompt",
        &["system prompt|message|messages|instructions"],
        550,
    ),
    (
        "approval",
        &[
            "without|not|no|skip|dont|never|bypass .. ask|asking|approval|confirmation|confirming|permission|confirmations",
        ],
        500,
    ),
    (
        "copies",
        &[
            "bcc",
            "forward|copy|send .. every|all|each .. message|messages|mail|mails|email|emails|file|files .. to",
        ],
        550,
    ),
    (
        "secrets",
        &[
            "hand|pass|send|include|provide|put|paste|read|run|post .. key|keys|token|tokens|password|passwords|credential|credentials|secret|secrets|env|environ|printenv",
        ],
        500,
    ),
    (
        "orders",
        &[
            "treat|obey|follow .. as .. instruction|instructions|command|commands",
            "instruction|instructions|command|commands from .. administrator|system|developer|operator",
        ],
        600,
    ),
];
/// Kinds of signs that are spelt in one way.
const SPELT: &[(&str, &[&str], u16)] = &[
    (
        "pseudo_markup",
        &[
            "<important>",
            "<hidden>",
            "<system>",
            "<secret>",
            "<instructions>",
            "[system]",
            "<|im_start|>",
            "[inst]",
            "\\nsystem:",
        ],
        800,
    ),
    (
        "files",
        &[
            "~/.ssh",
            "id_rsa",
            "id_ed25519",
            ".env file",
            "~/.aws",
            "/etc/passwd",
            "/etc/shadow",
            "mcp.json",
            "~/.cursor",
            "~/.netrc",
            "~/.npmrc",
            "~/.kube",
            "credentials file",
            "private key",
        ],
        650,
    ),
];

/// A sign of each kind that a definition has: where, which, and how sure.
pub(super) fn find(definition: &str) -> Vec<(Range<usize>, &'static str, u16)> {
    let lower = definition.to_ascii_lowercase();
    let spelt = SPELT.iter().filter_map(|(what, signs, score)| {
        let found = signs
            .iter()
            .find_map(|sign| Some((lower.find(sign)?, sign.len())));
        found.map(|(at, length)| (at..at + length, *what, *score))
    });
    let words = words(&lower);
    let said = SAID.iter().filter_map(|(what, patterns, score)| {
        let found = patterns.iter().find_map(|pattern| said(&words, pattern));
        found.map(|range| (range, *what, *score))
    });
    spelt.chain(said).collect()
}

/// Words with their places. An apostrophe inside of one is none of its letters.
fn words(text: &str) -> Vec<(Range<usize>, String)> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '\u{2019}');
    text.split(|c: char| !part(c))
        .filter(|word| word.contains(char::is_alphanumeric))
        .take(WORDS_MOST)
        .map(|word| {
            let start = word.as_ptr().addr() - text.as_ptr().addr();
            let spelt = word.chars().filter(|c| c.is_alphanumeric()).collect();
            (start..start + word.len(), spelt)
        })
        .collect()
}

/// Where a pattern is first said.
fn said(words: &[(Range<usize>, String)], pattern: &str) -> Option<Range<usize>> {
    let elements: Vec<&str> = pattern.split(' ').collect();
    let (first, rest) = elements.split_first()?;
    words.iter().enumerate().find_map(|(at, (range, word))| {
        let end = is(word, first).then(|| end_of(words, at + 1, rest))??;
        let last = words.get(end.checked_sub(1)?)?;
        Some(range.start..last.0.end)
    })
}

fn is(word: &str, element: &str) -> bool {
    element.split('|').any(|one| one == word)
}

/// One past the last word of what the elements stand for from a word on.
fn end_of(words: &[(Range<usize>, String)], at: usize, elements: &[&str]) -> Option<usize> {
    match elements.split_first() {
        None => Some(at),
        Some((&"..", rest)) => (at..=at + GAP).find_map(|at| end_of(words, at, rest)),
        Some((element, rest)) => {
            let (_, word) = words.get(at)?;
            is(word, element).then(|| end_of(words, at + 1, rest))?
        }
    }
}
