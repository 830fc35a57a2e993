//! Lists, pipelines, groups, conditions and loops.
//!
//! One pass over the characters with bounded recursion. What is not listed here (functions, `case`, arrays, `((`,
//! coprocesses) is refused.

use super::{
    DEPTH, Unclear, WORDS, brace,
    syntax::{Command, Part, Pipeline, Redirect, RedirectKind, Script, Simple, Word},
};

/// A here-document whose body has not been reached.
struct Pending {
    delimiter: String,
    strip: bool,
    plain: bool,
    slot: usize,
}

pub(super) struct Parser {
    chars: Vec<char>,
    pub(super) at: usize,
    depth: usize,
    words: usize,
    pending: Vec<Pending>,
    documents: Vec<Word>,
}

/// Parses a whole line.
pub(super) fn parse(line: &str) -> Result<Script, Unclear> {
    let mut parser = Parser::new(line, 0);
    let script = parser.script(&[])?;
    parser.blanks();
    if parser.peek(0).is_some() || !parser.pending.is_empty() {
        return Err(Unclear::Syntax);
    }
    let documents = std::mem::take(&mut parser.documents);
    // What a here-document substitutes runs as well.
    let inside = documents.into_iter().map(|word| Pipeline {
        commands: vec![Command::Compound {
            parts: Vec::new(),
            words: vec![word],
            redirects: Vec::new(),
        }],
    });
    Ok(Script {
        pipelines: script.pipelines.into_iter().chain(inside).collect(),
    })
}

impl Parser {
    fn new(text: &str, depth: usize) -> Self {
        Self {
            chars: text.chars().collect(),
            at: 0,
            depth,
            words: 0,
            pending: Vec::new(),
            documents: Vec::new(),
        }
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at += 1;
        Some(c)
    }

    pub(super) fn take(&mut self, expected: char) -> bool {
        let found = self.peek(0) == Some(expected);
        self.at += usize::from(found);
        found
    }

    fn require(&mut self, expected: char) -> Result<(), Unclear> {
        if self.take(expected) {
            Ok(())
        } else {
            Err(Unclear::Syntax)
        }
    }

    /// Blanks, joined lines and comments; not the end of a line.
    fn blanks(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(' ' | '\t'), _) => self.at += 1,
                (Some('\\'), Some('\n')) => self.at += 2,
                (Some('#'), _) => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// Blanks and ends of lines, with the here-documents that begin after them.
    fn lines(&mut self) -> Result<(), Unclear> {
        loop {
            self.blanks();
            if !self.take('\n') {
                return Ok(());
            }
            self.bodies()?;
        }
    }

    fn bodies(&mut self) -> Result<(), Unclear> {
        for doc in std::mem::take(&mut self.pending) {
            let mut body = String::new();
            loop {
                let mut line = String::new();
                let ended = loop {
                    match self.next() {
                        None => break true,
                        Some('\n') => break false,
                        Some(c) => line.push(c),
                    }
                };
                let text = if doc.strip {
                    line.trim_start_matches('\t')
                } else {
                    line.as_str()
                };
                if text == doc.delimiter {
                    break;
                }
                if ended {
                    return Err(Unclear::Syntax);
                }
                body.push_str(text);
                body.push('\n');
            }
            let word = if doc.plain {
                Word::text(&body)
            } else {
                let mut inner = Self::new(&body, self.depth + 1);
                inner.document()?
            };
            if let Some(slot) = self.documents.get_mut(doc.slot) {
                *slot = word;
            }
        }
        Ok(())
    }

    /// Where a here-document waits for its body, nesting would leave open whose line ends first.
    pub(super) fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Unclear>,
    ) -> Result<T, Unclear> {
        if self.depth >= DEPTH {
            return Err(Unclear::Bound);
        }
        if !self.pending.is_empty() {
            return Err(Unclear::Syntax);
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// A list up to one of these words, a closing bracket, or the end.
    pub(super) fn script(&mut self, enders: &[&str]) -> Result<Script, Unclear> {
        let mut script = Script::default();
        loop {
            self.lines()?;
            if self.peek(0).is_none_or(|c| c == ')') || self.ahead(enders) {
                return Ok(script);
            }
            script.pipelines.push(self.pipeline()?);
            self.blanks();
            match (self.peek(0), self.peek(1)) {
                (Some(';'), Some(';' | '&')) => return Err(Unclear::Syntax),
                (Some(';'), _) => self.at += 1,
                (Some('&'), Some('&')) | (Some('|'), Some('|')) => {
                    self.at += 2;
                    self.lines()?;
                    // Something has to follow.
                    if self
                        .peek(0)
                        .is_none_or(|c| matches!(c, ')' | ';' | '&' | '|' | '\n'))
                    {
                        return Err(Unclear::Syntax);
                    }
                }
                (Some('&'), Some('|' | '!')) => return Err(Unclear::Syntax),
                (Some('&'), _) => self.at += 1,
                (Some('\n' | ')') | None, _) => {}
                _ => return Err(Unclear::Syntax),
            }
        }
    }

    /// Does one of these words come next, whole and bare?
    fn ahead(&self, words: &[&str]) -> bool {
        words.iter().any(|word| {
            let length = word.chars().count();
            word.chars().enumerate().all(|(at, c)| self.peek(at) == Some(c))
                && self
                    .peek(length)
                    .is_none_or(|c| c.is_whitespace() || matches!(c, ';' | '&' | '|' | ')' | '(' | '<' | '>'))
        })
    }

    fn word_ahead(&mut self, word: &str) -> bool {
        let found = self.ahead(&[word]);
        if found {
            self.at += word.chars().count();
        }
        found
    }

    fn pipeline(&mut self) -> Result<Pipeline, Unclear> {
        while self.word_ahead("!") {
            self.blanks();
        }
        let mut commands = vec![self.command()?];
        loop {
            self.blanks();
            if self.peek(0) != Some('|') || self.peek(1) == Some('|') {
                return Ok(Pipeline { commands });
            }
            self.at += 1;
            self.take('&');
            self.lines()?;
            commands.push(self.command()?);
        }
    }

    fn command(&mut self) -> Result<Command, Unclear> {
        self.blanks();
        if self.peek(0) == Some('(') && self.peek(1) == Some('(') {
            return Err(Unclear::Syntax);
        }
        let (parts, words) = if self.take('(') {
            let inside = self.deeper(|p| p.script(&[]))?;
            self.require(')')?;
            (vec![inside], Vec::new())
        } else if self.word_ahead("{") {
            let inside = self.deeper(|p| p.script(&["}"]))?;
            self.require('}')?;
            (vec![inside], Vec::new())
        } else if self.word_ahead("if") {
            (self.deeper(Self::condition)?, Vec::new())
        } else if self.word_ahead("while") || self.word_ahead("until") {
            let test = self.deeper(|p| p.script(&["do"]))?;
            (vec![test, self.body()?], Vec::new())
        } else if self.word_ahead("for") {
            let words = self.over()?;
            (vec![self.body()?], words)
        } else if self.ahead(&["case", "select", "function", "coproc"]) {
            return Err(Unclear::Syntax);
        } else if self.ahead(&["[["]) {
            self.test()?
        } else {
            return Ok(Command::Simple(self.simple()?));
        };
        let mut redirects = Vec::new();
        loop {
            self.blanks();
            match self.redirect()? {
                Some(redirect) => redirects.push(redirect),
                None => {
                    return Ok(Command::Compound {
                        parts,
                        words,
                        redirects,
                    });
                }
            }
        }
    }

    fn condition(&mut self) -> Result<Vec<Script>, Unclear> {
        let mut parts = vec![self.script(&["then"])?];
        loop {
            if self.word_ahead("then") || self.word_ahead("else") {
                parts.push(self.script(&["elif", "else", "fi"])?);
            } else if self.word_ahead("elif") {
                parts.push(self.script(&["then"])?);
            } else if self.word_ahead("fi") {
                return Ok(parts);
            } else {
                return Err(Unclear::Syntax);
            }
        }
    }

    fn body(&mut self) -> Result<Script, Unclear> {
        self.lines()?;
        if !self.word_ahead("do") {
            return Err(Unclear::Syntax);
        }
        let body = self.deeper(|p| p.script(&["done"]))?;
        if self.word_ahead("done") {
            Ok(body)
        } else {
            Err(Unclear::Syntax)
        }
    }

    fn over(&mut self) -> Result<Vec<Word>, Unclear> {
        self.blanks();
        let name = self.word()?.and_then(|word| word.bare());
        if !name.is_some_and(|name| is_name(&name)) {
            return Err(Unclear::Syntax);
        }
        self.lines()?;
        let mut words = Vec::new();
        if self.word_ahead("in") {
            loop {
                self.blanks();
                match self.word()? {
                    Some(word) => words.extend(self.expanded(word)?),
                    None => break,
                }
            }
        }
        self.blanks();
        self.take(';');
        Ok(words)
    }

    /// `[[ ... ]]` runs nothing but the substitutions in its words.
    fn test(&mut self) -> Result<(Vec<Script>, Vec<Word>), Unclear> {
        self.at += 2;
        let mut words = Vec::new();
        loop {
            self.lines()?;
            if self.word_ahead("]]") {
                return Ok((Vec::new(), words));
            }
            match (self.peek(0), self.peek(1)) {
                (Some('<' | '>'), Some('(')) => {}
                (Some('&' | '|' | '<' | '>' | '(' | ')'), _) => {
                    self.at += 1;
                    continue;
                }
                _ => {}
            }
            let word = self.word()?.ok_or(Unclear::Syntax)?;
            self.count(1)?;
            words.push(word);
        }
    }

    fn simple(&mut self) -> Result<Simple, Unclear> {
        let mut simple = Simple::default();
        loop {
            self.blanks();
            if let Some(redirect) = self.redirect()? {
                simple.redirects.push(redirect);
                continue;
            }
            let Some(word) = self.word()? else { break };
            match assignment(&word) {
                Some((name, value)) if simple.words.is_empty() => simple.assignments.push((name, value)),
                _ => {
                    let words = self.expanded(word)?;
                    simple.words.extend(words);
                }
            }
        }
        let empty = simple.words.is_empty() && simple.assignments.is_empty() && simple.redirects.is_empty();
        if empty { Err(Unclear::Syntax) } else { Ok(simple) }
    }

    fn expanded(&mut self, word: Word) -> Result<Vec<Word>, Unclear> {
        let words = brace::expand(word)?;
        self.count(words.len())?;
        Ok(words)
    }

    fn count(&mut self, more: usize) -> Result<(), Unclear> {
        self.words += more;
        if self.words > WORDS {
            return Err(Unclear::Bound);
        }
        Ok(())
    }

    fn redirect(&mut self) -> Result<Option<Redirect>, Unclear> {
        let start = self.at;
        while self.peek(0).is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        let numbered = self.at > start;
        let both = !numbered && self.peek(0) == Some('&') && self.peek(1) == Some('>');
        if both {
            self.at += 1;
        }
        let direct = matches!(self.peek(0), Some('<' | '>')) && self.peek(1) != Some('(');
        if !direct {
            self.at = start;
            return Ok(None);
        }
        self.count(1)?;
        let kind = match (self.next(), self.peek(0), self.peek(1)) {
            (Some('<'), Some('<'), Some('<')) => {
                self.at += 2;
                RedirectKind::Text
            }
            (Some('<'), Some('<'), _) => {
                self.at += 1;
                return self.here().map(Some);
            }
            (Some('<'), Some('>'), _) => {
                self.at += 1;
                RedirectKind::Both
            }
            (Some(_), Some('&'), _) if !both => {
                self.at += 1;
                RedirectKind::Duplicate
            }
            (Some('<'), ..) => RedirectKind::Read,
            (_, Some('>' | '|'), _) => {
                self.at += 1;
                RedirectKind::Write
            }
            _ => RedirectKind::Write,
        };
        self.blanks();
        let word = self.word()?.ok_or(Unclear::Syntax)?;
        let mut words = brace::expand(word)?;
        // Several words after one arrow are an error to the shell.
        let (Some(target), true) = (words.pop(), words.is_empty()) else {
            return Err(Unclear::Syntax);
        };
        if target.prefix().starts_with('!') {
            return Err(Unclear::Syntax);
        }
        let descriptor = target.bare().is_some_and(|text| {
            text == "-" || text.trim_end_matches('-').chars().all(|c| c.is_ascii_digit())
        });
        let kind = if kind == RedirectKind::Duplicate && !descriptor {
            RedirectKind::Write
        } else {
            kind
        };
        Ok(Some(Redirect { kind, target }))
    }

    fn here(&mut self) -> Result<Redirect, Unclear> {
        let strip = self.take('-');
        self.blanks();
        let word = self.word()?.ok_or(Unclear::Syntax)?;
        let delimiter = word.value().ok_or(Unclear::Syntax)?;
        self.pending.push(Pending {
            delimiter,
            strip,
            plain: word.quoted,
            slot: self.documents.len(),
        });
        self.documents.push(Word::default());
        Ok(Redirect {
            kind: RedirectKind::Text,
            target: Word::text(""),
        })
    }

    /// The script inside backticks, whose escapes were taken off.
    pub(super) fn inner(&mut self, text: &str) -> Result<Script, Unclear> {
        self.deeper(|outer| {
            let mut parser = Self::new(text, outer.depth);
            parser.words = outer.words;
            let mut script = parser.script(&[])?;
            parser.blanks();
            if parser.peek(0).is_some() || !parser.pending.is_empty() {
                return Err(Unclear::Syntax);
            }
            outer.words = parser.words;
            outer.documents.append(&mut parser.documents);
            script.pipelines.shrink_to_fit();
            Ok(script)
        })
    }

    /// The body of a here-document whose delimiter is bare: as between double quotes.
    fn document(&mut self) -> Result<Word, Unclear> {
        if self.depth > DEPTH {
            return Err(Unclear::Bound);
        }
        let mut word = Word {
            parts: vec![Part::Text(String::new())],
            quoted: true,
        };
        while let Some(c) = self.peek(0) {
            self.quoted_char(c, &mut word)?;
        }
        if self.documents.is_empty() && self.pending.is_empty() {
            Ok(word)
        } else {
            Err(Unclear::Syntax)
        }
    }
}

/// `NAME=value` and `NAME+=value`, where the name is bare text.
fn assignment(word: &Word) -> Option<(String, Word)> {
    let Some(Part::Text(text)) = word.parts.first() else {
        return None;
    };
    let (name, rest) = text.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    if !is_name(name) {
        return None;
    }
    let mut parts = word.parts.clone();
    if let Some(first) = parts.first_mut() {
        *first = Part::Text(rest.to_owned());
    }
    Some((
        name.to_owned(),
        Word {
            parts,
            quoted: word.quoted,
        },
    ))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
