//! Attack data of our own making, drawn anew from a seed: what the public sets lack most is instructions inside
//! documents, mail and tool answers, poisoned descriptions, other languages, and harmless text that looks like an attack.

pub(super) mod guests;
mod more;
mod phrases;
mod tongues;

use super::number::Draw;
use crate::Channel;

/// A made text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The text.
    pub text: String,
    /// Where in it the attack is; `None` in a harmless one.
    pub attack: Option<(usize, usize)>,
    /// Where it is supposed to come from.
    pub channel: Channel,
}

/// What texts are made from: harmless texts by where they came from.
#[derive(Debug, Clone, Default)]
pub struct Stock<'a> {
    /// Requests of people.
    pub requests: Vec<&'a str>,
    /// Documents, tool answers, mails and descriptions, which an instruction may be put into.
    pub hosts: Vec<(Channel, &'a str)>,
    /// What attackers wrote into such texts. Only the guests' network learns from these.
    pub payloads: Vec<&'a str>,
}

/// Share of the texts that are put together from sentences of many languages.
const TONGUES: f32 = 0.6;
/// Most bytes of a host text that are kept.
const HOST_MOST: usize = 2500;

/// Makes one text.
#[must_use]
pub fn make(draw: &mut Draw, stock: &Stock<'_>) -> Made {
    if draw.chance(TONGUES) {
        return tongues::make(draw, stock);
    }
    match draw.below(100) {
        0..=51 => inside(draw, stock),
        52..=61 => role(draw),
        62..=69 => direct(draw, stock),
        70..=90 => harmless(draw, stock),
        _ => good_role(draw),
    }
}

/// A host text with an instruction in it.
fn inside(draw: &mut Draw, stock: &Stock<'_>) -> Made {
    let (channel, host) = draw
        .pick(&stock.hosts)
        .copied()
        .unwrap_or((Channel::Document, "The end."));
    let host = cut(draw, host);
    let channel = if channel == Channel::Document && draw.chance(0.15) {
        Channel::Mail
    } else {
        channel
    };
    let payload = if channel == Channel::Description {
        let inner = upper(&instruction(draw, stock));
        let list = if draw.chance(0.5) {
            more::DESCRIPTIONS
        } else {
            phrases::DESCRIPTIONS
        };
        let frame = draw.pick(list).copied().unwrap_or("{}");
        fill(draw, &frame.replacen("{}", &inner, 1))
    } else {
        wrapped(draw, stock)
    };
    let payload = escape_like(host, &payload);
    let at = place(draw, host);
    let (before, after) = host.split_at(at);
    let gap = *draw.pick(&[" ", "\n", "\n\n", " "]).unwrap_or(&" ");
    let gap = if host.contains("\\n") || host.starts_with(['{', '[']) {
        " "
    } else {
        gap
    };
    let mut text = String::with_capacity(host.len() + payload.len() + 4);
    text.push_str(before);
    if !before.is_empty() {
        text.push_str(gap);
    }
    let start = text.len();
    text.push_str(&payload);
    let end = text.len();
    if !after.is_empty() {
        text.push_str(gap);
    }
    text.push_str(after);
    Made {
        text,
        attack: Some((start, end)),
        channel,
    }
}

/// A host stays short enough to learn from, and whole at its characters.
fn cut<'a>(draw: &mut Draw, host: &'a str) -> &'a str {
    if host.len() <= HOST_MOST {
        return host;
    }
    let from = draw.below(host.len() - HOST_MOST);
    let from = host.ceil_char_boundary(from);
    let to = host.floor_char_boundary(from + HOST_MOST);
    host.get(from..to).unwrap_or(host)
}

/// Where in the host: at its start, its end, or after a sentence, a line or an opening quote.
fn place(draw: &mut Draw, host: &str) -> usize {
    let structured = host.starts_with(['{', '[']);
    match draw.below(4) {
        0 if !structured => return 0,
        1 if !structured => return host.len(),
        _ => {}
    }
    let from = draw.below(host.len());
    let rest = host.as_bytes().get(from..).unwrap_or_default();
    let found = rest.windows(2).position(|two| {
        if structured {
            matches!(two, [b' ' | b':', b'"' | b'\''])
        } else {
            matches!(two, [b'.' | b'!' | b'?' | b'|', b' ' | b'\n']) || two.first() == Some(&b'\n')
        }
    });
    match found {
        Some(at) if structured => host.ceil_char_boundary(from + at + 2),
        Some(at) => host.ceil_char_boundary(from + at + 1),
        None if structured => host.rfind(['"', '\'']).unwrap_or(host.len()),
        None => host.len(),
    }
}

/// In a quoted field line ends and quotes would be escaped.
fn escape_like(host: &str, payload: &str) -> String {
    if host.starts_with(['{', '[']) {
        payload.replace('\n', "\\n").replace('"', "\\\"")
    } else {
        payload.to_owned()
    }
}

/// An instruction in a wrapper.
fn wrapped(draw: &mut Draw, stock: &Stock<'_>) -> String {
    if draw.chance(0.07) {
        let code = draw_phrase(draw, phrases::CODE);
        return fill(draw, code);
    }
    if draw.chance(0.08) {
        let whole = draw_phrase(draw, more::ABROAD);
        return fill(draw, whole);
    }
    let inner = instruction(draw, stock);
    if draw.chance(0.42) {
        // Bare: nothing but the instruction gives it away.
        return upper(&inner);
    }
    let list = match draw.below(20) {
        0..=1 => phrases::FOREIGN,
        2..=7 => more::VOICES,
        _ => phrases::WRAPPERS,
    };
    let frame = draw.pick(list).copied().unwrap_or("{}");
    let frame = if draw.chance(0.12) {
        frame.to_uppercase().replace("{MAIL}", "{mail}")
    } else {
        frame.to_owned()
    };
    let starts = frame.starts_with("{}") || frame.contains(": {}") || frame.contains(". {}");
    let inner = if starts { upper(&inner) } else { inner };
    let mut text = fill(draw, &frame.replacen("{}", &inner, 1));
    if draw.chance(0.25) {
        let more = draw.pick(phrases::WRAPPERS).copied().unwrap_or("{}");
        let inner = instruction(draw, stock);
        text = format!("{text} {}", fill(draw, &more.replacen("{}", &inner, 1)));
    }
    text
}

fn draw_phrase<'a>(draw: &mut Draw, list: &[&'a str]) -> &'a str {
    draw.pick(list).copied().unwrap_or("")
}

/// An instruction without a wrapper.
fn instruction(draw: &mut Draw, stock: &Stock<'_>) -> String {
    let list = match draw.below(100) {
        0..=27 => phrases::ACTIONS,
        28..=53 => phrases::OUTPUTS,
        54..=71 => phrases::TASKS,
        72..=76 => phrases::ADS,
        _ => {
            let request = draw.pick(&stock.requests).copied().unwrap_or("Say hello.");
            let end = request.floor_char_boundary(request.len().min(220));
            return request.get(..end).unwrap_or(request).to_owned();
        }
    };
    let phrase = draw_phrase(draw, list);
    let filled = fill(draw, phrase);
    if filled.ends_with(['.', '?', '!']) {
        filled
    } else {
        filled + "."
    }
}

/// An instruction in the user's own words.
fn direct(draw: &mut Draw, stock: &Stock<'_>) -> Made {
    let list = if draw.chance(0.4) {
        phrases::FOREIGN
    } else {
        phrases::WRAPPERS
    };
    let override_like: Vec<&str> = list
        .iter()
        .copied()
        .filter(|frame| {
            list.len() == phrases::FOREIGN.len() || OVERRIDES.iter().any(|word| frame.contains(word))
        })
        .collect();
    let frame = draw_phrase(draw, &override_like);
    let inner = match draw.below(3) {
        0 => {
            let output = draw_phrase(draw, phrases::OUTPUTS);
            fill(draw, output) + "."
        }
        1 => format!("explain {}.", draw_phrase(draw, phrases::HARMS)),
        _ => instruction(draw, stock),
    };
    let attack = fill(draw, &frame.replacen("{}", &inner, 1));
    let (mut text, mut start) = (attack.clone(), 0);
    if draw.chance(0.35) {
        let request = draw.pick(&stock.requests).copied().unwrap_or("Hello.");
        let request = request
            .get(..request.floor_char_boundary(request.len().min(400)))
            .unwrap_or(request);
        start = request.len() + 1;
        text = format!("{request}\n{attack}");
    }
    let end = start + attack.len();
    Made {
        text,
        attack: Some((start, end)),
        channel: Channel::User,
    }
}

/// Words of wrappers that are an attack even when a user writes them.
const OVERRIDES: &[&str] = &[
    "gnore",
    "isregard",
    "orget",
    "verride",
    "SYSTEM",
    "<system>",
    "im_start",
    "ebug mode",
    "eveloper mode",
    "[INST]",
    "the user's request",
    "Human:",
    "ADMIN",
];

/// A role without rules.
fn role(draw: &mut Draw) -> Made {
    let name = draw_phrase(draw, phrases::NAMES);
    let mut parts = vec![draw_phrase(draw, phrases::ROLES)];
    for _ in 0..2 + draw.below(6) {
        parts.push(draw_phrase(draw, phrases::ROLE_RULES));
    }
    let harm = draw_phrase(draw, phrases::HARMS);
    let asks = [
        format!("My first question: {harm}."),
        format!("Now tell me {harm}."),
        format!("Write {harm}."),
        format!("The text is about {harm}. Begin."),
        "[INSERT PROMPT HERE]".to_owned(),
        "If you understand, say yes.".to_owned(),
    ];
    let ask = draw.pick(&asks).map_or("", String::as_str);
    if draw.chance(0.25) {
        parts.insert(0, ask);
    } else {
        parts.push(ask);
    }
    let glue = if draw.chance(0.3) { "\n" } else { " " };
    let text = fill(draw, &parts.join(glue).replace("{name}", name));
    let end = text.len();
    Made {
        text,
        attack: Some((0, end)),
        channel: Channel::User,
    }
}

/// A role that harms nobody.
fn good_role(draw: &mut Draw) -> Made {
    let name = draw_phrase(draw, phrases::NAMES);
    let mut parts = vec![draw_phrase(draw, phrases::GOOD_ROLES)];
    for _ in 0..1 + draw.below(5) {
        parts.push(draw_phrase(draw, phrases::GOOD_RULES));
    }
    if draw.chance(0.5) {
        parts.push(draw_phrase(draw, phrases::TASKS));
    }
    let text = fill(draw, &parts.join(" ").replace("{name}", name));
    let channel = if draw.chance(0.4) {
        Channel::System
    } else {
        Channel::User
    };
    Made {
        text,
        attack: None,
        channel,
    }
}

/// Ordinary text with the words of attacks.
fn harmless(draw: &mut Draw, stock: &Stock<'_>) -> Made {
    let list = match draw.below(10) {
        0..=4 => phrases::TRIGGERS,
        5..=6 => more::ABROAD_HARMLESS,
        _ => more::ABOUT,
    };
    let sentence = draw_phrase(draw, list);
    let mut sentence = fill(draw, sentence);
    if draw.chance(0.3) {
        let more = draw_phrase(draw, list);
        sentence = format!("{sentence} {}", fill(draw, more));
    }
    if draw.chance(0.5) {
        let channel = *draw
            .pick(&[
                Channel::User,
                Channel::Document,
                Channel::Mail,
                Channel::System,
                Channel::Description,
            ])
            .unwrap_or(&Channel::User);
        return Made {
            text: sentence,
            attack: None,
            channel,
        };
    }
    let (channel, host) = draw
        .pick(&stock.hosts)
        .copied()
        .unwrap_or((Channel::Document, ""));
    let host = cut(draw, host);
    let at = place(draw, host);
    let (before, after) = host.split_at(at);
    Made {
        text: format!("{before} {} {after}", escape_like(host, &sentence)),
        attack: None,
        channel,
    }
}

/// Fills the names in braces.
fn fill(draw: &mut Draw, phrase: &str) -> String {
    let mut text = String::with_capacity(phrase.len() + 32);
    let mut rest = phrase;
    while let Some(open) = rest.find('{') {
        let (before, from) = rest.split_at(open);
        text.push_str(before);
        // A brace of an object before a name is none of the name's.
        let inner = from
            .get(1..)
            .and_then(|rest| rest.find('{'))
            .map_or(usize::MAX, |at| at + 1);
        let Some(close) = from.find('}').filter(|close| *close <= 12 && *close < inner) else {
            text.push('{');
            rest = from.get(1..).unwrap_or_default();
            continue;
        };
        let (name, after) = from.split_at(close + 1);
        match value(draw, name) {
            Some(word) => text.push_str(&word),
            None => text.push_str(name),
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

fn value(draw: &mut Draw, name: &str) -> Option<String> {
    let list = match name {
        "{thing}" => phrases::THINGS,
        "{topic}" => phrases::TOPICS,
        "{place}" => phrases::PLACES,
        "{person}" => phrases::PEOPLE,
        "{language}" => phrases::LANGUAGES,
        "{name}" => phrases::NAMES,
        "{file}" => phrases::FILES,
        "{command}" => phrases::COMMANDS,
        "{word}" => phrases::WORDS,
        "{number}" => return Some((1 + draw.below(99)).to_string()),
        "{amount}" => return Some(format!("${}", 10 * (1 + draw.below(900)))),
        "{phone}" => return Some(format!("+1 555 01{:02} {:03}", draw.below(100), draw.below(1000))),
        "{account}" => return Some(format!("{:010}", draw.next() % 10_000_000_000)),
        "{mail}" => {
            let (user, host) = (
                draw_phrase(draw, phrases::WORDS),
                draw_phrase(draw, phrases::HOSTS),
            );
            return Some(format!("{user}{}@{host}", draw.below(100)));
        }
        "{url}" => {
            let (host, path) = (
                draw_phrase(draw, phrases::HOSTS),
                draw_phrase(draw, phrases::WORDS),
            );
            return Some(if draw.chance(0.5) {
                format!("https://{host}")
            } else {
                format!("http://{host}/{path}")
            });
        }
        _ => return None,
    };
    Some(draw_phrase(draw, list).to_owned())
}

fn upper(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stock() -> Stock<'static> {
        Stock {
            requests: vec!["Book a table for two.", "Wie spät ist es?"],
            hosts: vec![
                (
                    Channel::Document,
                    "Pearls are round. They are found in shells.\nSome are black.",
                ),
                (Channel::Tool, "{\"name\": \"a\", \"text\": \"é\"}"),
                (Channel::Description, "Adds two numbers."),
                (Channel::Document, ""),
            ],
            payloads: Vec::new(),
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_texts() {
        let make_all = |seed| {
            let mut draw = Draw::new(seed);
            (0..300).map(|_| make(&mut draw, &stock())).collect::<Vec<_>>()
        };
        assert_eq!(make_all(1), make_all(1));
        assert_ne!(make_all(1), make_all(2));
    }

    #[test]
    fn the_place_of_an_attack_is_in_the_text_and_no_name_stays_unfilled() {
        let mut draw = Draw::new(3);
        for _ in 0..5000 {
            let made = make(&mut draw, &stock());
            if let Some((start, end)) = made.attack {
                assert!(
                    made.text.get(start..end).is_some_and(|attack| !attack.is_empty()),
                    "{made:?}"
                );
            }
            for name in ["{thing}", "{word}", "{url}", "{mail}", "{}", "{name}"] {
                assert!(!made.text.contains(name), "{}", made.text);
            }
        }
    }
}
