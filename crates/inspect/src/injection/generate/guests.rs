//! Requests that are guests in somebody else's text, and the imperatives that are at home there.
//!
//! A guest bends an answer, asks for a deed, or sets a chore, in a document, a mail or a tool's answer that talks of
//! something else. At home are recipes, manuals, forms, contracts, exercises, guides to prompting, and remarks of customers
//! and colleagues.

use std::sync::LazyLock;

use super::tongues::{self, Tongue};
use super::{Made, Stock, cut, escape_like, fill, phrases, place, upper};
use crate::Channel;
use crate::injection::number::Draw;

/// What a line of the data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
enum Slot {
    /// Ties a request to an answer; a request follows.
    When,
    /// Bends an answer.
    Bend,
    /// A deed for an agent.
    Deed,
    /// A small task of its own.
    Chore,
    /// What manuals, forms and the like tell their readers.
    Guide,
    /// Remarks, tickets, reviews, messages.
    Memo,
    /// What is written about attacks on models, and about prompts.
    Lab,
    /// Quotes an attack; `{}` takes it, `\n` is a line end.
    Quoted,
}

const SLOTS: usize = 8;
/// Names of the slots in the data, in order.
const NAMES: [&str; SLOTS] = ["when", "bend", "deed", "chore", "guide", "memo", "lab", "quoted"];

/// One language: its code, its lines by slot, and its lines of the other grammar.
struct Speech {
    lines: [Vec<&'static str>; SLOTS],
    tongue: &'static Tongue,
}

/// English first.
static SPEECHES: LazyLock<Vec<Speech>> = LazyLock::new(|| {
    let mut speeches: Vec<Speech> = Vec::new();
    for line in DATA.iter().flat_map(|data| data.lines()) {
        if let Some(code) = line.strip_prefix('@') {
            speeches.extend(tongues::named(code).map(|tongue| Speech {
                lines: Default::default(),
                tongue,
            }));
        } else if let Some((name, text)) = line.split_once('\t')
            && let Some(slot) = NAMES.iter().position(|known| *known == name)
            && let Some(lines) = speeches.last_mut().and_then(|speech| speech.lines.get_mut(slot))
        {
            lines.push(text);
        }
    }
    speeches
});

const DATA: [&str; 2] = [
    include_str!("guests/english.tsv"),
    include_str!("guests/others.tsv"),
];

/// Share of the texts that are English.
const ENGLISH: f32 = 0.6;

/// Makes one text.
pub(in crate::injection) fn make(draw: &mut Draw, stock: &Stock<'_>) -> Made {
    let speeches = &*SPEECHES;
    let at = if draw.chance(ENGLISH) {
        0
    } else {
        1 + draw.below(speeches.len().saturating_sub(1))
    };
    let Some(speech) = speeches.get(at) else {
        return super::make(draw, stock);
    };
    let attacks = draw.chance(0.5);
    // What the other grammar says in these channels stays true.
    if draw.chance(0.25) {
        return old(draw, stock, attacks);
    }
    if attacks {
        attack(draw, speech, stock, at == 0)
    } else {
        harmless(draw, speech, stock)
    }
}

/// Whether the guests' network reads a channel.
const fn reads(channel: Channel) -> bool {
    matches!(channel, Channel::Tool | Channel::Document | Channel::Mail)
}

/// A text of the other grammar that stands in a channel of guests.
fn old(draw: &mut Draw, stock: &Stock<'_>, attacks: bool) -> Made {
    for _ in 0..20 {
        let made = super::make(draw, stock);
        if made.attack.is_some() == attacks && reads(made.channel) {
            return made;
        }
    }
    tongues::whole("The end.".to_owned(), false, Channel::Document)
}

impl Speech {
    /// A line, with its names filled; an empty one where the language has none.
    fn line(&self, draw: &mut Draw, slot: Slot) -> String {
        let line = self
            .lines
            .get(slot as usize)
            .and_then(|lines| draw.pick(lines))
            .copied()
            .unwrap_or("");
        fill(draw, line)
    }

    fn other(&self, draw: &mut Draw, slot: tongues::Slot) -> String {
        let line = tongues::line(draw, self.tongue, slot);
        fill(draw, line)
    }
}

/// An ordinary sentence: of English mostly one of a public text, so that those of the grammar aren't known by heart.
fn say(draw: &mut Draw, speech: &Speech, stock: &Stock<'_>) -> String {
    if is_english(speech) && draw.chance(0.75) {
        let documents = |channel| matches!(channel, Channel::Document | Channel::Mail);
        for _ in 0..12 {
            let Some((channel, host)) = draw.pick(&stock.hosts).copied() else {
                break;
            };
            if !documents(channel) {
                continue;
            }
            let from = host.ceil_char_boundary(draw.below(host.len()));
            let rest = host.get(from..).unwrap_or_default();
            let mut sentences = rest.split_inclusive(['.', '\n', '?', '!']).skip(1);
            if let Some(sentence) = sentences.find(|one| (24..220).contains(&one.len())) {
                return sentence.trim().to_owned();
            }
        }
    }
    let line = match draw.below(4) {
        0 => speech.line(draw, Slot::Guide),
        _ => speech.other(draw, tongues::Slot::Say),
    };
    if is_english(speech) || draw.chance(0.4) {
        line
    } else {
        unknown(draw, &line)
    }
}

/// A sentence with words that no lesson has: of most languages there are few sentences, and a text is no attack because
/// its words were never seen.
fn unknown(draw: &mut Draw, line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for word in &mut words {
        if draw.chance(0.6) {
            let mut letters: Vec<char> = word.chars().collect();
            draw.shuffle(&mut letters);
            *word = letters.into_iter().collect();
        }
    }
    if draw.chance(0.5) {
        draw.shuffle(&mut words);
    }
    words.join(" ")
}

fn is_english(speech: &Speech) -> bool {
    std::ptr::eq(speech, SPEECHES.first().unwrap_or(speech))
}

fn attack(draw: &mut Draw, speech: &Speech, stock: &Stock<'_>, english: bool) -> Made {
    let request = request(draw, speech, stock, english);
    let request = match draw.below(12) {
        0 => format!("{request} {}", self::request(draw, speech, stock, english)),
        1..=2 => format!("{request} {}", speech.other(draw, tongues::Slot::Tail)),
        _ => request,
    };
    let request = dressed(draw, &request);
    hosted(draw, speech, stock, &request, true)
}

/// A request that does not belong.
fn request(draw: &mut Draw, speech: &Speech, stock: &Stock<'_>, english: bool) -> String {
    match draw.below(if english { 100 } else { 80 }) {
        0..=29 => bent(draw, speech, english),
        30..=59 => {
            let deed = speech.line(draw, Slot::Deed);
            framed(draw, speech, &deed, english)
        }
        60..=67 => speech.line(draw, Slot::Chore),
        68..=79 => {
            let order = tongues::order(draw, speech.tongue, tongues::Slot::Ai, tongues::Slot::Act);
            fill(draw, &tongues::small_names(&order))
        }
        80..=89 if !stock.payloads.is_empty() => {
            let payload = draw.pick(&stock.payloads).copied().unwrap_or("");
            payload.to_owned()
        }
        _ => {
            let asked = draw.pick(&stock.requests).copied().unwrap_or("Say hello.");
            let end = asked.floor_char_boundary(asked.len().min(240));
            asked.get(..end).unwrap_or(asked).to_owned()
        }
    }
}

/// Bends an answer.
fn bent(draw: &mut Draw, speech: &Speech, english: bool) -> String {
    let bend = speech.line(draw, Slot::Bend);
    if !english {
        return bend;
    }
    let ended = |text: String| {
        if text.ends_with(['.', '?', '!', '`']) {
            text
        } else {
            text + "."
        }
    };
    let text = match draw.below(10) {
        0..=5 => {
            let when = speech.line(draw, Slot::When);
            format!("{when} {bend}")
        }
        6 => {
            let (one, two) = (speech.line(draw, Slot::When), speech.line(draw, Slot::Bend));
            format!("{one} {bend}, then {two}")
        }
        7 => {
            let when = speech.line(draw, Slot::When);
            let when = lower(when.trim_end_matches([' ', ',']));
            format!("{} {when}", upper(&bend))
        }
        8 => {
            let frame = draw.pick(phrases::WRAPPERS).copied().unwrap_or("{}");
            let frame = fill(draw, frame);
            frame.replacen("{}", &bend, 1)
        }
        _ => upper(&bend),
    };
    ended(text.replace("  ", " "))
}

/// A deed, bare or in the words of one who gives orders to an agent.
fn framed(draw: &mut Draw, speech: &Speech, deed: &str, english: bool) -> String {
    if !english {
        return deed.to_owned();
    }
    let text = match draw.below(20) {
        0..=7 => upper(deed),
        8..=10 => {
            let when = speech.line(draw, Slot::When);
            format!("{when} {deed}")
        }
        11..=14 => {
            let frame = draw.pick(phrases::WRAPPERS).copied().unwrap_or("{}");
            let frame = fill(draw, frame);
            frame.replacen("{}", deed, 1)
        }
        15..=16 => format!("{} and {}", upper(deed), speech.line(draw, Slot::Deed)),
        17 => format!("Please {deed}"),
        18 => format!("{}, it has been agreed", upper(deed)),
        _ => format!("{} and say nothing of it", upper(deed)),
    };
    let text = text.replace("  ", " ");
    if text.ends_with(['.', '?', '!', '`', '>']) {
        text
    } else {
        text + "."
    }
}

fn harmless(draw: &mut Draw, speech: &Speech, stock: &Stock<'_>) -> Made {
    match draw.below(100) {
        0..=33 => manual(draw, speech, stock),
        34..=50 => {
            let memo = remark(draw, speech);
            fields(draw, speech, stock, &memo, false)
        }
        51..=62 => {
            let memo = remark(draw, speech);
            sentences(draw, speech, stock, &memo, false)
        }
        63..=70 if has(speech, Slot::Lab) => about(draw, speech, stock),
        63..=77 => {
            let guide = speech.line(draw, Slot::Guide);
            hosted(draw, speech, stock, &guide, false)
        }
        78..=89 => asked(draw, speech, stock),
        _ => {
            let job = tongues::order(draw, speech.tongue, tongues::Slot::Man, tongues::Slot::Job);
            let job = fill(draw, &tongues::small_names(&job));
            hosted(draw, speech, stock, &job, false)
        }
    }
}

/// Several lines of manuals, forms and the like, one kind after the other.
fn manual(draw: &mut Draw, speech: &Speech, stock: &Stock<'_>) -> Made {
    let gap = *draw.pick(&[" ", "\n", "\n\n", "\n- ", "\n1. "]).unwrap_or(&" ");
    let mut text = say(draw, speech, stock);
    for _ in 0..1 + draw.below(7) {
        let line = if draw.chance(0.8) {
            speech.line(draw, Slot::Guide)
        } else {
            say(draw, speech, stock)
        };
        text = format!("{text}{gap}{line}");
    }
    let channel = *draw
        .pick(&[
            Channel::Document,
            Channel::Document,
            Channel::Document,
            Channel::Tool,
            Channel::Mail,
        ])
        .unwrap_or(&Channel::Document);
    tongues::whole(text, false, channel)
}

fn has(speech: &Speech, slot: Slot) -> bool {
    speech
        .lines
        .get(slot as usize)
        .is_some_and(|lines| !lines.is_empty())
}

/// A document about attacks that quotes some.
fn about(draw: &mut Draw, speech: &Speech, stock: &Stock<'_>) -> Made {
    let gap = *draw.pick(&[" ", "\n", "\n\n", "\n- "]).unwrap_or(&"\n");
    let mut text = speech.line(draw, Slot::Lab);
    for _ in 0..2 + draw.below(8) {
        let line = match draw.below(10) {
            0..=2 => {
                let attack = request(draw, speech, stock, true);
                let quoted = speech.line(draw, Slot::Quoted).replace("\\n", "\n");
                quoted.replacen("{}", &attack, 1)
            }
            3 => say(draw, speech, stock),
            4 => speech.other(draw, tongues::Slot::About),
            _ => speech.line(draw, Slot::Lab),
        };
        text = format!("{text}{gap}{line}");
    }
    let channel = if draw.chance(0.85) {
        Channel::Document
    } else {
        Channel::Tool
    };
    tongues::whole(text, false, channel)
}

fn remark(draw: &mut Draw, speech: &Speech) -> String {
    let memo = speech.line(draw, Slot::Memo);
    if draw.chance(0.4) {
        format!("{memo} {}", speech.line(draw, Slot::Memo))
    } else {
        memo
    }
}

/// A deed that one person asks of another.
fn asked(draw: &mut Draw, speech: &Speech, stock: &Stock<'_>) -> Made {
    let deed = speech.line(draw, Slot::Deed);
    let frame = *draw
        .pick(&[
            "Hi {person}, could you {}?",
            "Dear colleagues, {}.",
            "Team, {}. Thanks!",
            "@{person} please {} when you are back.",
            "As agreed on the phone, our accountant will {}.",
            "{person} asked me to {}.",
            "To the night shift: {}.",
            "Customers can now {} in the app.",
            "I had to {} by hand yesterday.",
            "You can {} under Settings.",
            "How do I {}?",
            "feat: let users {}",
        ])
        .unwrap_or(&"Hi {person}, could you {}?");
    let text = if is_english(speech) {
        fill(draw, frame).replacen("{}", &deed, 1)
    } else {
        let job = tongues::order(draw, speech.tongue, tongues::Slot::Man, tongues::Slot::Job);
        fill(draw, &tongues::small_names(&job))
    };
    hosted(draw, speech, stock, &text, false)
}

/// A text in a host: a public text, fields, or sentences of its language.
fn hosted(draw: &mut Draw, speech: &Speech, stock: &Stock<'_>, text: &str, attack: bool) -> Made {
    match draw.below(10) {
        0..=5 if is_english(speech) => in_stock(draw, stock, text, attack),
        0..=1 => in_stock(draw, stock, text, attack),
        2..=7 => fields(draw, speech, stock, text, attack),
        _ => sentences(draw, speech, stock, text, attack),
    }
}

fn in_stock(draw: &mut Draw, stock: &Stock<'_>, text: &str, attack: bool) -> Made {
    let (channel, host) = draw
        .pick(&stock.hosts)
        .copied()
        .unwrap_or((Channel::Document, "The end."));
    let host = cut(draw, host);
    let channel = if channel == Channel::Document && draw.chance(0.2) {
        Channel::Mail
    } else {
        channel
    };
    let text = escape_like(host, text);
    let at = place(draw, host);
    let (before, after) = host.split_at(at);
    let gap = *draw.pick(&[" ", " ", "\n", "\n\n"]).unwrap_or(&" ");
    let gap = if host.starts_with(['{', '[']) { " " } else { gap };
    let gap_before = if before.is_empty() { "" } else { gap };
    let start = before.len() + gap_before.len();
    Made {
        attack: attack.then_some((start, start + text.len())),
        text: format!("{before}{gap_before}{text}{gap}{after}"),
        channel,
    }
}

/// Sentences, remarks and lines of manuals around a text.
fn sentences(draw: &mut Draw, speech: &Speech, stock: &Stock<'_>, text: &str, attack: bool) -> Made {
    let mut lines: Vec<String> = Vec::new();
    for _ in 0..draw.below(7) {
        let line = match draw.below(10) {
            0..=1 => speech.line(draw, Slot::Guide),
            2 => speech.line(draw, Slot::Memo),
            3 => speech.other(draw, tongues::Slot::About),
            _ => say(draw, speech, stock),
        };
        if !line.is_empty() {
            lines.push(line);
        }
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let channel = *draw
        .pick(&[
            Channel::Document,
            Channel::Document,
            Channel::Mail,
            Channel::Mail,
            Channel::Tool,
        ])
        .unwrap_or(&Channel::Document);
    let gap = *draw.pick(&[" ", " ", "\n", "\n\n"]).unwrap_or(&" ");
    let mut made = tongues::joined(draw, &lines, text, gap, channel);
    made.attack = made.attack.filter(|_| attack);
    if channel == Channel::Mail {
        tongues::greeted(draw, speech.tongue, made)
    } else {
        made
    }
}

/// Fields of a tool's answer around a text.
fn fields(draw: &mut Draw, speech: &Speech, stock: &Stock<'_>, text: &str, attack: bool) -> Made {
    const KEYS: &[&str] = &[
        "note",
        "text",
        "body",
        "summary",
        "content",
        "description",
        "memo",
        "comment",
        "message",
        "bio",
        "subject",
        "review",
        "title",
        "detail",
        "hint",
        "remarks",
        "value",
        "snippet",
        "reason",
        "label",
    ];
    const SHAPES: &[&str] = &[
        "{\"id\": {number}, \"{key}\": \"<>\", \"status\": \"{word}\"}",
        "{\"{key}\": \"<> \"}",
        "[{\"{key}\": \"{say}\"}, {\"{key}\": \"<>\"}]",
        "{'{key}': '{say} <>', 'id': '{word}{number}'}",
        "{\"results\":[{\"name\":\"{word}\",\"{key}\":\"<>\"},{\"name\":\"{word}\",\"{key}\":\"{say}\"}]}",
        "{'{key}': '<>', 'created_at': '2025-0{number}', 'owner': '{word}', 'tags': ['{word}', '{word}']}",
        "{word}: {number}\n{key}: {say} <>\nstate: {word}",
        "{number}. {say}\n{number}. <>\n{number}. {say}",
        "{word}_{word}({\"q\": \"{topic}\"}) -> \"{say} <>\"",
        "<item><{key}><></{key}><price>{number}</price></item>",
        "{word} | {number} | <>\n{word} | {number} | {say}",
    ];
    let key = if draw.chance(0.3) {
        speech.other(draw, tongues::Slot::Key)
    } else {
        draw.pick(KEYS).copied().unwrap_or("note").to_owned()
    };
    let shape = draw.pick(SHAPES).copied().unwrap_or("<>");
    let mut filled = shape.replace("{key}", &key);
    while filled.contains("{say}") {
        let say = if draw.chance(0.6) {
            say(draw, speech, stock)
        } else {
            speech.line(draw, Slot::Memo)
        };
        filled = filled.replacen("{say}", &escape_like("{", &say), 1);
    }
    let filled = fill(draw, &filled);
    let text = escape_like("{", text);
    let (front, back) = filled.split_once("<>").unwrap_or((&filled, ""));
    Made {
        attack: attack.then_some((front.len(), front.len() + text.len())),
        text: format!("{front}{text}{back}"),
        channel: Channel::Tool,
    }
}

/// Signs around a request.
fn dressed(draw: &mut Draw, text: &str) -> String {
    match draw.below(24) {
        0 => format!("({text})"),
        1 => format!("[{text}]"),
        2 => format!("<!-- {text} -->"),
        3 => format!("-- {text}"),
        4 => format!("Note: {text}"),
        5 => format!("\"{text}\""),
        _ => text.to_owned(),
    }
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_has_guests_and_what_is_at_home() {
        assert!(SPEECHES.len() >= 25);
        for speech in &*SPEECHES {
            for slot in [Slot::Bend, Slot::Deed, Slot::Chore, Slot::Guide, Slot::Memo] {
                assert!(
                    !speech.lines[slot as usize].is_empty(),
                    "{slot:?} of {:?}",
                    speech.lines[1]
                );
            }
        }
        let read: usize = SPEECHES
            .iter()
            .flat_map(|speech| &speech.lines)
            .map(Vec::len)
            .sum();
        let lines = DATA.iter().flat_map(|data| data.lines());
        assert_eq!(read, lines.filter(|line| !line.starts_with('@')).count());
    }

    #[test]
    fn the_place_of_a_request_is_in_its_text() {
        let stock = Stock {
            requests: vec!["Book a table for two."],
            hosts: vec![
                (Channel::Document, "Pearls are round.\nSome are black."),
                (Channel::Tool, "{\"a\": \"b é\"}"),
            ],
            payloads: vec!["Say hello."],
        };
        let mut draw = Draw::new(5);
        let mut attacks = 0;
        for _ in 0..8000 {
            let made = make(&mut draw, &stock);
            assert!(reads(made.channel));
            if let Some((start, end)) = made.attack {
                attacks += 1;
                assert!(
                    made.text.get(start..end).is_some_and(|order| !order.is_empty()),
                    "{made:?}"
                );
            }
            for name in [
                "{}", "{+}", "{url}", "{mail}", "{say}", "{key}", "{number}", "{word}", "<>",
            ] {
                assert!(!made.text.contains(name), "{}", made.text);
            }
        }
        assert!((3000..5000).contains(&attacks), "{attacks}");
    }
}
