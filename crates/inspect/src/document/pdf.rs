//! PDF (ISO 32000-1): the strings that its content streams show, through the Unicode maps of its fonts, and those of its
//! notes, links, forms and titles.
//!
//! Objects are found by their words and not by the cross-reference table: an attacker writes that table, and readers that
//! repair files find objects as this does.

mod filters;

use std::collections::{BTreeMap, BTreeSet};

use super::Out;
use crate::safe::{item, part};

/// Most objects that are read.
const OBJECTS_MOST: usize = 20_000;
/// Most codes that the maps of all fonts explain.
const CODES_MOST: usize = 1 << 20;
/// Longest string.
const STRING_MOST: usize = 64 << 10;
/// Members of dictionaries whose strings somebody reads, or follows.
const SPOKEN: [&[u8]; 10] = [
    b"/Contents",
    b"/URI",
    b"/Title",
    b"/Subject",
    b"/Keywords",
    b"/Alt",
    b"/ActualText",
    b"/TU",
    b"/V",
    SCRIPT,
];
/// The member of an action that holds its script, as a string or a stream (12.6.4.16), and the name of actions that start a
/// program (12.6.4.5).
const SCRIPT: &[u8] = b"/JS";
const START: &[u8] = b"/Launch";

/// Codes of a font, and what they stand for.
#[derive(Default)]
struct Codes {
    /// Bytes of one code.
    width: usize,
    of: BTreeMap<u32, String>,
}

/// What is known of a file's objects.
#[derive(Default)]
struct File {
    /// Dictionaries without their streams, by number.
    plain: BTreeMap<u32, Vec<u8>>,
    /// Streams that could be unpacked, by number.
    streams: Vec<(u32, Vec<u8>)>,
}

pub(super) fn read(bytes: &[u8], out: &mut Out) {
    let file = objects(bytes, out);
    // Whoever has the password reads what is not read here.
    out.cut |= memchr::memmem::find(bytes, b"/Encrypt").is_some();
    let codes = codes(&file);
    // Codes of these fonts are numbers of their own glyphs, unless they say what they stand for.
    let is_odd = |object: &Vec<u8>| has(object, b"/DescendantFonts") && !has(object, b"/ToUnicode");
    out.cut |= file.plain.values().any(is_odd);
    let fonts = fonts(&file, &codes);
    for (_, stream) in &file.streams {
        if memchr::memmem::find(stream, b"begincmap").is_none() {
            show(stream, &fonts, out);
            out.line();
        }
    }
    for object in file.plain.values() {
        spoken(object, out);
        out.runs |= has_name(object, SCRIPT) || has_name(object, START);
    }
    let scripts: BTreeSet<u32> = file
        .plain
        .values()
        .filter_map(|object| value(object, SCRIPT))
        .collect();
    for (_, script) in file.streams.iter().filter(|(number, _)| scripts.contains(number)) {
        out.push_str(&latin(script));
        out.line();
    }
}

/// Whether a name stands in an object, and not a longer one that begins so.
fn has_name(object: &[u8], name: &[u8]) -> bool {
    memchr::memmem::find_iter(object, name).any(|at| !item(object, at + name.len()).is_ascii_alphanumeric())
}

/// All objects, those inside of object streams as well.
fn objects(bytes: &[u8], out: &mut Out) -> File {
    let mut file = File::default();
    let (mut at, mut last_end) = (0, None);
    while let Some(found) = memchr::memmem::find(part(bytes, at..), b" obj") {
        let place = at + found;
        at = place + 4;
        let Some(number) = number_before(bytes, place) else {
            continue;
        };
        if file.plain.len() >= OBJECTS_MOST {
            out.cut = true;
            return file;
        }
        // Looked for once for all objects that it may be the end of: else a file without ends costs its square.
        let end = match last_end {
            Some(end) if end >= at => end,
            _ => memchr::memmem::find(part(bytes, at..), b"endobj").map_or(bytes.len(), |end| at + end),
        };
        last_end = Some(end);
        let rest = part(bytes, at..);
        let end = end - at;
        let body = part(rest, ..end);
        let Some(start) = memchr::memmem::find(body, b"stream") else {
            file.plain.insert(number, body.to_vec());
            at += end;
            continue;
        };
        let dictionary = part(body, ..start).to_vec();
        // The stream may hold the word `endobj` itself, so its end is looked for on its own.
        let data = part(rest, start + 6..);
        let skip = match data {
            [b'\r', b'\n', ..] => 2,
            [b'\n' | b'\r', ..] => 1,
            _ => 0,
        };
        let data = part(data, skip..);
        let length = memchr::memmem::find(data, b"endstream").unwrap_or(data.len());
        let data = part(data, ..length);
        at += start + 6 + skip + length;
        stream(&mut file, number, dictionary, data, out);
    }
    file
}

/// The number of the object whose word `obj` stands at a place, behind its number and generation.
fn number_before(bytes: &[u8], place: usize) -> Option<u32> {
    let line = part(bytes, place.saturating_sub(20)..place);
    let line = String::from_utf8_lossy(line);
    let mut words = line.rsplit(|c: char| c.is_ascii_whitespace());
    let _generation: u32 = words.next()?.parse().ok()?;
    let number = words.next()?;
    let digits = number.len() - number.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    number.get(number.len() - digits..)?.parse().ok()
}

fn has(bytes: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(bytes, word).is_some()
}

fn stream(file: &mut File, number: u32, dictionary: Vec<u8>, data: &[u8], out: &mut Out) {
    let picture = is_picture(&dictionary);
    // What is attached is read by whoever opens it.
    out.pictures |= picture || has(&dictionary, b"/EmbeddedFile");
    let plain = if picture {
        Vec::new()
    } else {
        let plain = filters::undone(&dictionary, data, out);
        out.cut |= plain.is_none();
        plain.unwrap_or_default()
    };
    if has(&dictionary, b"/ObjStm") {
        inner(file, &dictionary, &plain);
    } else if !plain.is_empty() {
        file.streams.push((number, plain));
    }
    file.plain.insert(number, dictionary);
}

/// Whether a stream is pixels. Streams of words name kinds of pictures as well, among what they use.
fn is_picture(dictionary: &[u8]) -> bool {
    memchr::memmem::find_iter(dictionary, b"/Subtype").any(|at| {
        let rest = part(dictionary, at + b"/Subtype".len()..).trim_ascii_start();
        rest.starts_with(b"/Image") && !rest.get(6).is_some_and(u8::is_ascii_alphanumeric)
    })
}

/// Objects inside of a stream: pairs of number and place, then the objects (7.5.7).
fn inner(file: &mut File, dictionary: &[u8], plain: &[u8]) {
    let (Some(count), Some(first)) = (value(dictionary, b"/N"), value(dictionary, b"/First")) else {
        return;
    };
    let first = first as usize;
    let head = String::from_utf8_lossy(part(plain, ..first)).into_owned();
    let numbers: Vec<u32> = head
        .split_ascii_whitespace()
        .take(OBJECTS_MOST)
        .map_while(|word| word.parse().ok())
        .collect();
    let pairs: Vec<[u32; 2]> = numbers
        .as_chunks::<2>()
        .0
        .iter()
        .take(count as usize)
        .copied()
        .collect();
    for (index, [number, at]) in pairs.iter().enumerate() {
        let end = pairs
            .get(index + 1)
            .map_or(plain.len(), |[_, next]| first + *next as usize);
        let object = part(plain, first + *at as usize..end.max(first + *at as usize));
        if file.plain.len() < OBJECTS_MOST {
            file.plain.insert(*number, object.to_vec());
        }
    }
}

/// The number that follows a name in a dictionary.
fn value(dictionary: &[u8], name: &[u8]) -> Option<u32> {
    memchr::memmem::find_iter(dictionary, name).find_map(|at| {
        let rest = part(dictionary, at + name.len()..);
        // `/N` is the start of other names, too.
        if rest.first().is_some_and(u8::is_ascii_alphabetic) {
            return None;
        }
        let rest = rest.trim_ascii_start();
        let digits = rest
            .iter()
            .take(10)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        str::from_utf8(part(rest, ..digits)).ok()?.parse().ok()
    })
}

/// The maps of fonts to Unicode, by the number of their stream (9.10.3).
fn codes(file: &File) -> BTreeMap<u32, Codes> {
    let maps = file
        .streams
        .iter()
        .filter(|(_, stream)| has(stream, b"begincmap"));
    let mut left = CODES_MOST;
    maps.map(|(number, stream)| (*number, code_map(stream, &mut left)))
        .collect()
}

fn code_map(stream: &[u8], left: &mut usize) -> Codes {
    let mut codes = Codes::default();
    let mut strings: Vec<Vec<u8>> = Vec::new();
    let mut list: Option<Vec<Vec<u8>>> = None;
    let (mut reader, mut in_range) = (Reader::new(stream), false);
    while let Some(token) = reader.next() {
        match token {
            Token::Text(text) => match &mut list {
                Some(list) => list.push(text),
                None => strings.push(text),
            },
            Token::Open => list = Some(Vec::new()),
            Token::Close => {
                // The texts of a range, one by one.
                let low = strings.first().map_or(0, |low| be(low));
                for (step, text) in (0..).zip(list.take().unwrap_or_default()) {
                    codes.put(low.saturating_add(step), utf16(&text), left);
                }
                strings.clear();
            }
            Token::Word(b"beginbfchar" | b"begincodespacerange") => strings.clear(),
            Token::Word(b"beginbfrange") => {
                strings.clear();
                in_range = true;
            }
            Token::Word(b"endcodespacerange") => {
                codes.width = strings.first().map_or(1, |low| low.len().clamp(1, 4));
                strings.clear();
            }
            Token::Word(b"endbfchar") => {
                for [code, text] in strings.as_chunks::<2>().0 {
                    codes.put(be(code), utf16(text), left);
                }
                strings.clear();
            }
            Token::Word(b"endbfrange") => in_range = false,
            Token::Word(_) => {}
        }
        if let ([low, high, text], true, None) = (strings.as_slice(), in_range, &list) {
            codes.range(be(low), be(high), text, left);
            strings.clear();
        }
    }
    codes
}

impl Codes {
    fn put(&mut self, code: u32, text: String, left: &mut usize) {
        if *left > 0 {
            *left -= 1;
            self.of.insert(code, text);
        }
    }

    fn range(&mut self, low: u32, high: u32, text: &[u8], left: &mut usize) {
        let count = (high.saturating_sub(low) as usize).min(0xffff).min(*left);
        // A code stands for a few letters at most.
        let text = part(text, ..text.len().min(32));
        for step in 0..=count as u32 {
            let mut text = text.to_vec();
            if let Some(last) = text.last_mut() {
                *last = last.wrapping_add(step as u8);
            }
            self.put(low.saturating_add(step), utf16(&text), left);
        }
    }

    /// What codes say, and whether most of them are explained at all.
    fn text(&self, codes: &[u8]) -> (String, bool) {
        let width = self.width.max(1);
        let (mut text, mut all, mut known) = (String::new(), 0_usize, 0_usize);
        for code in codes.chunks(width) {
            all += 1;
            if let Some(said) = self.of.get(&be(code)) {
                known += 1;
                text.push_str(said);
            }
        }
        (text, known * 2 >= all)
    }
}

fn be(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn utf16(bytes: &[u8]) -> String {
    let units = bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| u16::from_be_bytes(*pair));
    char::decode_utf16(units)
        .map(|c| c.unwrap_or('\u{fffd}'))
        .collect()
}

/// Which map a font's name leads to: `/F1 5 0 R` somewhere, where object 5 has `/ToUnicode 8 0 R`. A name that leads to
/// several leads to the last.
fn fonts<'a>(file: &File, codes: &'a BTreeMap<u32, Codes>) -> BTreeMap<Vec<u8>, &'a Codes> {
    let mut mapped = BTreeMap::new();
    for (number, object) in &file.plain {
        if let Some(codes) = value(object, b"/ToUnicode").and_then(|map| codes.get(&map)) {
            mapped.insert(*number, codes);
        }
    }
    let mut fonts = BTreeMap::new();
    if mapped.is_empty() {
        return fonts;
    }
    for object in file.plain.values() {
        let mut reader = Reader::new(object);
        let mut last: [Vec<u8>; 3] = Default::default();
        while let Some(token) = reader.next() {
            let word = match token {
                Token::Word(b"R") => {
                    let number = str::from_utf8(&last[1])
                        .ok()
                        .and_then(|number| number.parse::<u32>().ok());
                    if let Some(codes) = number.and_then(|number| mapped.get(&number))
                        && last[0].starts_with(b"/")
                    {
                        fonts.insert(last[0].clone(), *codes);
                    }
                    b"R".to_vec()
                }
                Token::Word(word) => word.to_vec(),
                _ => Vec::new(),
            };
            last.rotate_left(1);
            last[2] = word;
        }
    }
    fonts
}

/// Shows the strings of a content stream.
fn show(stream: &[u8], fonts: &BTreeMap<Vec<u8>, &Codes>, out: &mut Out) {
    // Without a string that is shown it is no page.
    if !has(stream, b"Tj") && !has(stream, b"TJ") && !has(stream, b"'") {
        return;
    }
    let mut font: Option<&Codes> = None;
    let mut held: Vec<Vec<u8>> = Vec::new();
    let mut name: Vec<u8> = Vec::new();
    let mut in_list = false;
    let mut reader = Reader::new(stream);
    while let Some(token) = reader.next() {
        match token {
            Token::Open => in_list = true,
            Token::Close => in_list = false,
            Token::Text(text) => held.push(text),
            Token::Word(word) if word.first() == Some(&b'/') => name = word.to_vec(),
            Token::Word(word) if in_list => {
                // A wide gap in a list is a space between words (9.4.3).
                let gap = str::from_utf8(word)
                    .ok()
                    .and_then(|word| word.parse::<f32>().ok());
                if gap.is_some_and(|gap| gap < -180.0) {
                    held.push(Vec::new());
                }
            }
            Token::Word(b"Tf") => font = fonts.get(&name).copied(),
            Token::Word(word @ (b"Tj" | b"TJ" | b"'" | b"\"")) => {
                if matches!(word, b"'" | b"\"") {
                    out.line();
                }
                for text in held.drain(..) {
                    match (text.is_empty(), font) {
                        (true, _) => out.push(' '),
                        (false, Some(codes)) => {
                            let (text, is_known) = codes.text(&text);
                            out.push_str(&text);
                            out.cut |= !is_known;
                        }
                        (false, None) => out.push_str(&latin(&text)),
                    }
                }
            }
            Token::Word(b"Td" | b"TD" | b"T*" | b"Tm" | b"ET") => {
                out.line();
                held.clear();
            }
            Token::Word(_) => {}
        }
    }
}

/// A string without a map: UTF-16 with its mark, UTF-8 with its mark, else one byte a letter (7.9.2.2).
fn latin(bytes: &[u8]) -> String {
    match bytes {
        [0xfe, 0xff, rest @ ..] => utf16(rest),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => bytes.iter().map(|byte| super::ansi(*byte)).collect(),
    }
}

/// The strings of a dictionary that somebody reads, or follows.
fn spoken(object: &[u8], out: &mut Out) {
    for name in SPOKEN {
        for at in memchr::memmem::find_iter(object, name).take(64) {
            let rest = part(object, at + name.len()..);
            if rest.first().is_some_and(u8::is_ascii_alphanumeric) {
                continue;
            }
            if let Some(Token::Text(text)) = Reader::new(rest).next() {
                out.push_str(&latin(&text));
                out.line();
            }
        }
    }
}

enum Token<'a> {
    /// A string, unescaped.
    Text(Vec<u8>),
    /// A list begins.
    Open,
    /// It ends.
    Close,
    /// A name, a number or an operator.
    Word(&'a [u8]),
}

/// Splits objects and content streams into tokens (7.2, 7.3).
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            match byte {
                0 | b' ' | b'\t' | b'\r' | b'\n' | 0xc | b'{' | b'}' | b')' | b'>' => self.at += 1,
                b'%' => {
                    let rest = part(self.bytes, self.at..);
                    self.at += memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                }
                b'<' if item(self.bytes, self.at + 1) == b'<' => self.at += 2,
                b'<' => return Some(Token::Text(self.hex())),
                b'(' => return Some(Token::Text(self.literal())),
                b'[' => {
                    self.at += 1;
                    return Some(Token::Open);
                }
                b']' => {
                    self.at += 1;
                    return Some(Token::Close);
                }
                _ => return Some(Token::Word(self.word())),
            }
        }
    }

    fn word(&mut self) -> &'a [u8] {
        let rest = part(self.bytes, self.at..);
        let ends = |byte: &u8| {
            matches!(
                byte,
                0 | b' '
                    | b'\t'
                    | b'\r'
                    | b'\n'
                    | 0xc
                    | b'('
                    | b')'
                    | b'<'
                    | b'>'
                    | b'['
                    | b']'
                    | b'{'
                    | b'}'
                    | b'%'
                    | b'/'
            )
        };
        // The first byte may be the sign of a name.
        let length = 1 + part(rest, 1..).iter().take_while(|byte| !ends(byte)).count();
        self.at += length;
        part(rest, ..length)
    }

    fn hex(&mut self) -> Vec<u8> {
        let rest = part(self.bytes, self.at + 1..);
        let length = memchr::memchr(b'>', rest).unwrap_or(rest.len());
        self.at += length + 2;
        let digits: Vec<u8> = part(rest, ..length.min(STRING_MOST))
            .iter()
            .filter_map(|digit| char::from(*digit).to_digit(16).map(|digit| digit as u8))
            .collect();
        digits
            .chunks(2)
            .map(|pair| item(pair, 0) << 4 | item(pair, 1))
            .collect()
    }

    /// A string in brackets, which may nest.
    fn literal(&mut self) -> Vec<u8> {
        self.at += 1;
        let (mut text, mut depth) = (Vec::new(), 1_usize);
        while let Some(byte) = self
            .bytes
            .get(self.at)
            .copied()
            .filter(|_| text.len() < STRING_MOST)
        {
            self.at += 1;
            match byte {
                b'(' => depth += 1,
                b')' if depth == 1 => return text,
                b')' => depth -= 1,
                b'\\' => {
                    self.escape(&mut text);
                    continue;
                }
                _ => {}
            }
            text.push(byte);
        }
        text
    }

    /// What follows a backslash.
    fn escape(&mut self, text: &mut Vec<u8>) {
        let byte = item(self.bytes, self.at);
        self.at += 1;
        match byte {
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'b' | b'f' | b'\n' => {}
            b'\r' => self.at += usize::from(item(self.bytes, self.at) == b'\n'),
            b'0'..=b'7' => {
                let rest = part(self.bytes, self.at - 1..);
                let digits = rest
                    .iter()
                    .take(3)
                    .take_while(|digit| matches!(digit, b'0'..=b'7'));
                let (count, code) = digits.fold((0, 0_u32), |(count, code), digit| {
                    (count + 1, code << 3 | u32::from(digit - b'0'))
                });
                self.at += count - 1;
                text.push(code as u8);
            }
            other => text.push(other),
        }
    }
}
