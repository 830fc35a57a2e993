//! Orders to an assistant and their harmless twins, put together from sentences of many languages.
//!
//! An order and its twin share verbs and hosts. They differ in who is spoken to: a machine that reads a text, or the
//! people the text was written for. So what is learnt is who gives whom orders, and not that there are orders.

use std::sync::LazyLock;

use super::{Made, Stock, cut, escape_like, fill, phrases, place, upper};
use crate::Channel;
use crate::injection::number::Draw;
use crate::safe::item;

/// What a line of the data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Slot {
    /// Speaks to a machine; `{}` takes an order, `{+}` what must be done.
    Ai,
    /// What an attacker wants done: as an order, and after a word such as "must".
    Act,
    /// Added to an order.
    Tail,
    /// Speaks to people, like `Ai`.
    Man,
    /// What people are asked to do, like `Act`.
    Job,
    /// An ordinary sentence.
    Say,
    /// An ordinary sentence about assistants and attacks.
    About,
    /// Quotes an attack; `{}` takes it.
    Quote,
    /// Names of fields that hold remarks.
    Key,
    /// Descriptions of tools.
    Description,
    /// Speaks to a machine in a description.
    Poison,
    /// A user frees the model of its rules, or asks for them.
    Free,
    /// Harmless requests with such words.
    Near,
    /// Harmless system prompts.
    System,
    /// Speaks against the user in a system prompt.
    Betray,
    /// How a mail begins.
    Hello,
    /// And ends.
    Bye,
    /// What programs and those who write them print.
    Log,
    /// What templates tell those who fill them in, in comments.
    Comment,
    /// What stands below a mail that many get.
    Foot,
}

const SLOTS: usize = 20;
/// Names of the slots in the data, in order.
const NAMES: [&str; SLOTS] = [
    "ai", "act", "tail", "man", "job", "say", "about", "quote", "key", "desc", "descx", "free", "near",
    "sys", "sysx", "hello", "bye", "log", "comment", "foot",
];

/// One language's lines, by slot.
pub(super) type Tongue = [Vec<&'static str>; SLOTS];

/// English first.
static TONGUES: LazyLock<Vec<Tongue>> = LazyLock::new(|| {
    let mut tongues: Vec<Tongue> = Vec::new();
    for data in DATA {
        for line in data.lines() {
            if line.starts_with('@') {
                tongues.push(Tongue::default());
            } else if let Some((name, text)) = line.split_once('\t')
                && let Some(slot) = NAMES.iter().position(|known| *known == name)
                && let Some(lines) = tongues.last_mut().and_then(|tongue| tongue.get_mut(slot))
            {
                lines.push(text);
            }
        }
    }
    tongues
});

const DATA: [&str; 5] = [
    include_str!("tongues/english.tsv"),
    include_str!("tongues/west.tsv"),
    include_str!("tongues/north.tsv"),
    include_str!("tongues/east.tsv"),
    include_str!("tongues/asia.tsv"),
];

/// A language by its code.
pub(super) fn named(code: &str) -> Option<&'static Tongue> {
    let lines = DATA.iter().flat_map(|data| data.lines());
    let mut codes = lines.filter_map(|line| line.strip_prefix('@'));
    TONGUES.get(codes.position(|known| known == code)?)
}

/// Draws a line; an empty one where a language has none.
pub(super) fn line(draw: &mut Draw, tongue: &Tongue, slot: Slot) -> &'static str {
    tongue
        .get(slot as usize)
        .and_then(|lines| draw.pick(lines))
        .copied()
        .unwrap_or("")
}

/// A line, and as often as not a second one.
fn one_or_two(draw: &mut Draw, tongue: &Tongue, slot: Slot) -> String {
    let first = line(draw, tongue, slot);
    if draw.chance(0.5) {
        format!("{first} {}", line(draw, tongue, slot))
    } else {
        first.to_owned()
    }
}

fn has(tongue: &Tongue, slot: Slot) -> bool {
    tongue.get(slot as usize).is_some_and(|lines| !lines.is_empty())
}

/// A language: English in three of eight.
fn tongue(draw: &mut Draw) -> &'static Tongue {
    let tongues = &*TONGUES;
    let at = if draw.chance(0.375) {
        0
    } else {
        1 + draw.below(tongues.len().saturating_sub(1))
    };
    static NONE: LazyLock<Tongue> = LazyLock::new(Tongue::default);
    tongues.get(at).unwrap_or(&NONE)
}

/// An order in a language, or one that harms nobody.
pub(super) fn make(draw: &mut Draw, stock: &Stock<'_>) -> Made {
    let tongue = tongue(draw);
    if draw.chance(0.45) {
        attack(draw, tongue, stock)
    } else {
        harmless(draw, tongue, stock)
    }
}

fn attack(draw: &mut Draw, tongue: &Tongue, stock: &Stock<'_>) -> Made {
    match draw.below(100) {
        0..=9 => {
            let mut text = fill_free(draw, tongue);
            if draw.chance(0.3) {
                text = format!("{} {text}", line(draw, tongue, Slot::Near));
            }
            let text = fill(draw, &text);
            whole(text, true, Channel::User)
        }
        10..=23 => {
            let slot = if has(tongue, Slot::Poison) && draw.chance(0.8) {
                Slot::Poison
            } else {
                Slot::Ai
            };
            let order = order(draw, tongue, slot, Slot::Act);
            let host = line(draw, tongue, Slot::Description);
            let (host, order) = (fill(draw, host), fill(draw, &order));
            joined(draw, &[&host], &order, " ", Channel::Description)
        }
        24..=27 if has(tongue, Slot::Betray) => {
            let order = order(draw, tongue, Slot::Betray, Slot::Act);
            let lines = [line(draw, tongue, Slot::System), line(draw, tongue, Slot::System)];
            let [first, second] = lines.map(|one| fill(draw, one));
            let order = fill(draw, &order);
            joined(draw, &[&first, &second], &order, "\n", Channel::System)
        }
        _ => {
            let order = if draw.chance(0.12) {
                bare(draw, tongue)
            } else {
                let what = if draw.chance(0.75) { Slot::Act } else { Slot::Job };
                order(draw, tongue, Slot::Ai, what)
            };
            let order = dressed(draw, &order);
            inside(draw, tongue, stock, &order, true)
        }
    }
}

fn harmless(draw: &mut Draw, tongue: &Tongue, stock: &Stock<'_>) -> Made {
    match draw.below(100) {
        0..=9 => {
            let near = line(draw, tongue, Slot::Near);
            let text = fill(draw, near);
            whole(text, false, Channel::User)
        }
        10..=18 => {
            let text = one_or_two(draw, tongue, Slot::Description);
            let text = fill(draw, &text);
            whole(text, false, Channel::Description)
        }
        19..=24 if has(tongue, Slot::System) => {
            let mut text = line(draw, tongue, Slot::System).to_owned();
            for _ in 0..1 + draw.below(3) {
                text = format!("{text} {}", line(draw, tongue, Slot::System));
            }
            let text = fill(draw, &text);
            whole(text, false, Channel::System)
        }
        25..=30 => {
            let order = if draw.chance(0.3) {
                bare(draw, tongue)
            } else {
                order(draw, tongue, Slot::Ai, Slot::Act)
            };
            let quoted = line(draw, tongue, Slot::Quote).replacen("{}", &order, 1);
            let about = line(draw, tongue, Slot::About);
            let text = if draw.chance(0.5) {
                format!("{about} {quoted}")
            } else {
                format!("{quoted} {about}")
            };
            inside(draw, tongue, stock, &text, false)
        }
        31..=50 => {
            let text = one_or_two(draw, tongue, Slot::About);
            inside(draw, tongue, stock, &text, false)
        }
        51..=65 if has(tongue, Slot::Log) => printed(draw, tongue),
        66..=69 if has(tongue, Slot::Foot) => {
            let text = one_or_two(draw, tongue, Slot::Foot);
            let text = fill(draw, &text);
            whole(text, false, Channel::Mail)
        }
        70..=73 => called(draw, tongue),
        _ => {
            let mut text = order(draw, tongue, Slot::Man, Slot::Job);
            if draw.chance(0.4) {
                text = format!("{text} {}", order(draw, tongue, Slot::Man, Slot::Job));
            }
            let text = dressed(draw, &text);
            inside(draw, tongue, stock, &text, false)
        }
    }
}

/// What programs print, and templates with comments for those who fill them in.
fn printed(draw: &mut Draw, tongue: &Tongue) -> Made {
    let mut lines: Vec<String> = Vec::new();
    for _ in 0..draw.below(6) {
        let log = line(draw, tongue, Slot::Log);
        lines.push(fill(draw, log));
    }
    if lines.is_empty() || draw.chance(0.5) {
        let bullet = *draw.pick(&["", "", "- ", "* ", "- [ ] "]).unwrap_or(&"");
        let gap = *draw.pick(&["\n", "\n\n", " "]).unwrap_or(&"\n");
        let mut comments: Vec<String> = Vec::new();
        for at in 0..1 + draw.below(5) {
            let comment = line(draw, tongue, Slot::Comment);
            let comment = fill(draw, comment);
            comments.push(if at == 0 {
                comment
            } else {
                format!("{bullet}{comment}")
            });
        }
        let text = comments.join(gap);
        let text = match draw.below(4) {
            0 => text,
            1 => format!("<!-- {text} -->"),
            _ => format!("<!--\n{text}\n-->"),
        };
        lines.insert(draw.below(lines.len() + 1), text);
    }
    let channel = if draw.chance(0.7) {
        Channel::Tool
    } else {
        Channel::Document
    };
    whole(lines.join("\n"), false, channel)
}

/// A call of a tool with what it was given and what came of it.
fn called(draw: &mut Draw, tongue: &Tongue) -> Made {
    let answer = if has(tongue, Slot::Log) && draw.chance(0.3) {
        line(draw, tongue, Slot::Log)
    } else {
        line(draw, tongue, Slot::Say)
    };
    let given = item_of(
        draw,
        &[
            "\"{word}\": \"{mail}\"",
            "\"query\": \"{topic}\", \"limit\": {number}",
            "\"username\": \"{word}{number}\", \"password\": \"{word}{number}\"",
            "\"url\": \"{url}\"",
            "\"answer\": \"{topic}\"",
            "\"page\": {number}",
        ],
    );
    let shape = item_of(
        draw,
        &[
            "{\"name\": \"{word}_{word}\", \"arguments\": {<}, \"response\": {\"error\": \"\", \"response\": \"<>\"}}",
            "{'name': '{word}_for_{word}', 'arguments': '{<}', 'response': '<>'}",
            "{\"call\": \"{word}.{word}\", \"with\": {<}, \"error\": \"<>\", \"status\": {number}}",
            "{'name': 'done', 'arguments': '{\"return\": \"answer\", \"final\": \"<>\"}', 'response': ''}",
        ],
    );
    let text = shape.replacen("<>", answer, 1).replacen('<', given, 1);
    let text = fill(draw, &text);
    whole(text, false, Channel::Tool)
}

/// All of a text is what it is.
pub(super) fn whole(text: String, attack: bool, channel: Channel) -> Made {
    let end = text.len();
    Made {
        text,
        attack: attack.then_some((0, end)),
        channel,
    }
}

/// Sentences with an order between them.
pub(super) fn joined(draw: &mut Draw, lines: &[&str], order: &str, gap: &str, channel: Channel) -> Made {
    let at = if draw.chance(0.75) {
        lines.len()
    } else {
        draw.below(lines.len() + 1)
    };
    let mut text = String::new();
    let mut start = 0;
    let (before, after) = lines.split_at(at.min(lines.len()));
    for (number, part) in before.iter().chain([&order]).chain(after).enumerate() {
        if !text.is_empty() {
            text.push_str(gap);
        }
        if number == before.len() {
            start = text.len();
        }
        text.push_str(part);
    }
    Made {
        text,
        attack: Some((start, start + order.len())),
        channel,
    }
}

/// A frame with what it asks for, and now and then more.
pub(super) fn order(draw: &mut Draw, tongue: &Tongue, frame: Slot, what: Slot) -> String {
    let frame_text = line(draw, tongue, frame);
    let (act, infinite) = asked(draw, tongue, what);
    let mut text = if frame_text.contains("{}") {
        let starts = [": {}", "：{}", ". {}"]
            .iter()
            .any(|end| frame_text.contains(end));
        let act = if starts { upper(act) } else { act.to_owned() };
        frame_text.replacen("{}", &act, 1)
    } else {
        let infinite_to = |word: &str| {
            infinite.rsplit_once(' ').map_or_else(
                || format!("{word} {infinite}"),
                |(front, verb)| format!("{front} {word} {verb}"),
            )
        };
        frame_text
            .replacen("{+}", infinite, 1)
            .replacen("{zu+}", &infinite_to("zu"), 1)
            .replacen("{te+}", &infinite_to("te"), 1)
    };
    let ended = |text: &str| text.ends_with(['.', '?', '!', '。', ')', '।', '…', '"']);
    let stop = stop(&text);
    if draw.chance(0.3) && !ended(&text) && what == Slot::Act {
        // A second order in the same sentence.
        text = format!("{text}{}", second(draw, tongue));
    }
    if !ended(&text) {
        text.push_str(stop);
    }
    if what == Slot::Act && draw.chance(0.35) {
        let tail = line(draw, tongue, Slot::Tail);
        text = if draw.chance(0.8) {
            format!("{text} {tail}")
        } else {
            format!("{tail} {text}")
        };
    }
    text
}

/// How a sentence of this script ends.
fn stop(text: &str) -> &'static str {
    let wide = |c: char| matches!(c as u32, 0x3040..=0x30ff | 0x4e00..=0x9fff);
    let last = text.chars().next_back();
    match last {
        Some(c) if wide(c) => "。",
        Some('\u{900}'..='\u{97f}') => "।",
        Some('\u{e00}'..='\u{e7f}') => "",
        _ => ".",
    }
}

fn second(draw: &mut Draw, tongue: &Tongue) -> String {
    let (act, _) = asked(draw, tongue, Slot::Act);
    let comma = if stop(act) == "。" { "，" } else { "; " };
    format!("{comma}{act}")
}

/// Both forms of what is asked.
fn asked(draw: &mut Draw, tongue: &Tongue, what: Slot) -> (&'static str, &'static str) {
    let text = line(draw, tongue, what);
    text.split_once('|').unwrap_or((text, text))
}

/// An order to nobody in particular, with something that gives it away.
fn bare(draw: &mut Draw, tongue: &Tongue) -> String {
    let (act, _) = asked(draw, tongue, Slot::Act);
    let tail = line(draw, tongue, Slot::Tail);
    let stop = stop(act);
    let ended = act.ends_with(['。', '.']);
    format!("{}{} {tail}", upper(act), if ended { "" } else { stop })
}

/// Signs around an order, which twins have too.
fn dressed(draw: &mut Draw, text: &str) -> String {
    match draw.below(20) {
        0 => format!("({text})"),
        1 => format!("[{text}]"),
        2 => format!("*{text}*"),
        3 => format!("-- {text}"),
        4 => format!("P.S. {text}"),
        6 => format!("<!-- {text} -->"),
        5 => text.to_uppercase(),
        _ => text.to_owned(),
    }
}

/// A text in a host: sentences of its language, fields of a tool's answer, or a public text.
fn inside(draw: &mut Draw, tongue: &Tongue, stock: &Stock<'_>, text: &str, attack: bool) -> Made {
    // In capitals the names in braces are lost to `fill`, so they are drawn in small letters first.
    let text = fill(draw, &small_names(text));
    match draw.below(10) {
        0..=1 => in_stock(draw, stock, &text, attack),
        2..=4 => in_fields(draw, tongue, &text, attack),
        _ => in_sentences(draw, tongue, &text, attack),
    }
}

/// Names in braces in small letters.
pub(super) fn small_names(text: &str) -> String {
    let mut inside = false;
    let small = |c: char| {
        inside = match c {
            '{' => true,
            '}' => false,
            _ => inside,
        };
        if inside { c.to_ascii_lowercase() } else { c }
    };
    text.chars().map(small).collect()
}

fn in_sentences(draw: &mut Draw, tongue: &Tongue, text: &str, attack: bool) -> Made {
    let channel = *draw
        .pick(&[
            Channel::Document,
            Channel::Document,
            Channel::Document,
            Channel::Mail,
            Channel::Mail,
            Channel::Tool,
        ])
        .unwrap_or(&Channel::Document);
    let gap = *draw.pick(&[" ", " ", " ", "\n", "\n\n"]).unwrap_or(&" ");
    let count = draw.below(8);
    let mut lines: Vec<String> = Vec::with_capacity(count);
    for _ in 0..count {
        // Harmless sentences about assistants and requests to people stand beside attacks too.
        let line = match draw.below(12) {
            0 => line(draw, tongue, Slot::About).to_owned(),
            2 if channel == Channel::Tool => line(draw, tongue, Slot::Log).to_owned(),
            1 => order(draw, tongue, Slot::Man, Slot::Job),
            _ => line(draw, tongue, Slot::Say).to_owned(),
        };
        if !line.is_empty() {
            lines.push(fill(draw, &line));
        }
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut made = joined(draw, &lines, text, gap, channel);
    made.attack = made.attack.filter(|_| attack);
    if channel == Channel::Mail {
        greeted(draw, tongue, made)
    } else {
        made
    }
}

/// A mail with how it begins and ends.
pub(super) fn greeted(draw: &mut Draw, tongue: &Tongue, made: Made) -> Made {
    let mut text = String::new();
    if draw.chance(0.7) {
        text.push_str(line(draw, tongue, Slot::Hello));
        text.push('\n');
    }
    let front = text.len();
    text.push_str(&made.text);
    if draw.chance(0.6) {
        text.push('\n');
        text.push_str(line(draw, tongue, Slot::Bye));
    }
    if has(tongue, Slot::Foot) && draw.chance(0.3) {
        let foot = line(draw, tongue, Slot::Foot);
        text = format!("{text}\n{}", fill(draw, foot));
    }
    Made {
        text,
        attack: made.attack.map(|(start, end)| (start + front, end + front)),
        channel: made.channel,
    }
}

fn in_fields(draw: &mut Draw, tongue: &Tongue, text: &str, attack: bool) -> Made {
    let text = escape_like("{", text);
    let foreign = line(draw, tongue, Slot::Key);
    let key = *draw
        .pick(&[foreign, foreign, "note", "text", "body", "summary", "content"])
        .unwrap_or(&"note");
    let (name, status) = (item_of(draw, &["id", "title", "name", "status"]), phrases::WORDS);
    let word = draw.pick(status).copied().unwrap_or("ok");
    let say = line(draw, tongue, Slot::Say);
    let front = match draw.below(4) {
        0 => format!("{{\"{name}\":\"{word}\",\"{key}\":\""),
        1 => format!("{{\"{name}\": {}, \"{key}\": \"{say} ", draw.below(9000)),
        2 => format!("[{{\"{key}\":\"{say}\"}},{{\"{key}\":\""),
        _ => format!("{{\"results\":[{{\"{name}\":\"{word}\",\"{key}\":\""),
    };
    let back = match front.get(..2) {
        Some("[{") => "\"}]",
        Some("{\"") if front.contains("results") => "\"}]}",
        _ => "\"}",
    };
    let (start, end) = (front.len(), front.len() + text.len());
    Made {
        text: front + &text + back,
        attack: attack.then_some((start, end)),
        channel: Channel::Tool,
    }
}

fn item_of<'a>(draw: &mut Draw, list: &[&'a str]) -> &'a str {
    item(list, draw.below(list.len()))
}

fn in_stock(draw: &mut Draw, stock: &Stock<'_>, text: &str, attack: bool) -> Made {
    let (channel, host) = draw
        .pick(&stock.hosts)
        .copied()
        .unwrap_or((Channel::Document, ""));
    let host = cut(draw, host);
    let text = escape_like(host, text);
    let at = place(draw, host);
    let (before, after) = host.split_at(at);
    let gap = if draw.chance(0.5) && !host.starts_with(['{', '[']) {
        "\n"
    } else {
        " "
    };
    let start = before.len() + gap.len();
    Made {
        attack: attack.then_some((start, start + text.len())),
        text: format!("{before}{gap}{text}{gap}{after}"),
        channel,
    }
}

/// A wish for no rules, with its harm named.
fn fill_free(draw: &mut Draw, tongue: &Tongue) -> String {
    let harm = draw.pick(phrases::HARMS).copied().unwrap_or("");
    line(draw, tongue, Slot::Free).replacen("{harm}", harm, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_can_speak_to_machines_and_to_people() {
        assert!(TONGUES.len() >= 25);
        for tongue in &*TONGUES {
            for slot in [
                Slot::Ai,
                Slot::Act,
                Slot::Tail,
                Slot::Man,
                Slot::Job,
                Slot::Say,
                Slot::About,
                Slot::Quote,
                Slot::Key,
                Slot::Description,
                Slot::Free,
                Slot::Near,
                Slot::Hello,
                Slot::Bye,
            ] {
                assert!(has(tongue, slot), "{slot:?} of {:?}", tongue[Slot::Say as usize]);
            }
            for slot in [Slot::Ai, Slot::Man, Slot::Betray] {
                for frame in &tongue[slot as usize] {
                    let places = ["{}", "{+}", "{zu+}", "{te+}"].map(|name| frame.matches(name).count());
                    assert_eq!(places.iter().sum::<usize>(), 1, "{frame}");
                }
            }
        }
    }

    #[test]
    fn no_line_of_the_data_is_lost() {
        let read: usize = TONGUES.iter().flatten().map(Vec::len).sum();
        let lines: usize = DATA
            .iter()
            .flat_map(|data| data.lines())
            .filter(|line| !line.starts_with('@'))
            .count();
        assert_eq!(read, lines);
    }

    #[test]
    fn the_place_of_an_order_is_in_its_text() {
        let stock = Stock {
            requests: vec!["Book a table for two."],
            hosts: vec![(Channel::Document, "Pearls are round.\nSome are black.")],
            payloads: Vec::new(),
        };
        let mut draw = Draw::new(5);
        for _ in 0..5000 {
            let made = make(&mut draw, &stock);
            if let Some((start, end)) = made.attack {
                assert!(
                    made.text.get(start..end).is_some_and(|order| !order.is_empty()),
                    "{made:?}"
                );
            }
            for name in [
                "{}", "{+}", "{zu+}", "{url}", "{mail}", "{URL}", "{harm}", "{number}", "{word}",
            ] {
                assert!(!made.text.contains(name), "{}", made.text);
            }
        }
    }
}
