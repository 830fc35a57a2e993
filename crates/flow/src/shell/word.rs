//! Words: quotes, escapes, variables and substitutions.

use super::{
    Unclear,
    parser::Parser,
    syntax::{Part, Word},
    text,
};

impl Parser {
    /// The next word; none where an operator, the end of the line or the end comes first.
    pub(super) fn word(&mut self) -> Result<Option<Word>, Unclear> {
        let start = self.at;
        let mut word = Word::default();
        while let Some(c) = self.peek(0) {
            match c {
                '<' | '>' if self.peek(1) == Some('(') => {
                    self.at += 2;
                    let inside = self.deeper(|p| p.script(&[]))?;
                    if !self.take(')') {
                        return Err(Unclear::Syntax);
                    }
                    word.parts.push(Part::Process(inside));
                }
                ' ' | '\t' | '\n' | '|' | '&' | ';' | '<' | '>' | ')' => break,
                // A function, an array or a pattern of zsh.
                '(' => {
                    if self.at == start {
                        break;
                    }
                    return Err(Unclear::Syntax);
                }
                '\\' => {
                    self.at += 1;
                    match self.next().ok_or(Unclear::Syntax)? {
                        '\n' => {}
                        escaped => {
                            word.quoted = true;
                            word.push(escaped);
                        }
                    }
                }
                '\'' => {
                    self.at += 1;
                    self.single(&mut word)?;
                }
                '"' => {
                    self.at += 1;
                    self.double(&mut word)?;
                }
                '$' if self.peek(1) == Some('\'') => {
                    self.at += 2;
                    self.ansi(&mut word)?;
                }
                '$' if self.peek(1) == Some('"') => {
                    self.at += 2;
                    self.double(&mut word)?;
                }
                '$' => self.dollar(&mut word)?,
                '`' => self.backtick(&mut word, false)?,
                '*' | '?' | '[' => {
                    self.at += 1;
                    word.parts.push(Part::Glob(c));
                }
                '{' | ',' | '}' => {
                    self.at += 1;
                    word.parts.push(Part::Mark(c));
                }
                // zsh puts the path of a program in the place of `=program`.
                '=' if self.at == start => return Err(Unclear::Syntax),
                _ if text::poses(c) => return Err(Unclear::Characters),
                _ => {
                    self.at += 1;
                    word.push(c);
                }
            }
        }
        Ok((self.at > start && (word.quoted || !word.parts.is_empty())).then_some(word))
    }

    fn single(&mut self, word: &mut Word) -> Result<(), Unclear> {
        begin(word);
        loop {
            match self.next().ok_or(Unclear::Syntax)? {
                '\'' => return Ok(()),
                c => word.push(c),
            }
        }
    }

    fn double(&mut self, word: &mut Word) -> Result<(), Unclear> {
        begin(word);
        loop {
            match self.peek(0).ok_or(Unclear::Syntax)? {
                '"' => {
                    self.at += 1;
                    return Ok(());
                }
                c => self.quoted_char(c, word)?,
            }
        }
    }

    /// One character, escape or substitution between double quotes, or in a here-document.
    pub(super) fn quoted_char(&mut self, c: char, word: &mut Word) -> Result<(), Unclear> {
        match c {
            '\\' => {
                self.at += 1;
                match self.peek(0) {
                    Some('\n') => self.at += 1,
                    Some(escaped @ ('$' | '`' | '"' | '\\')) => {
                        self.at += 1;
                        word.push(escaped);
                    }
                    _ => word.push('\\'),
                }
                Ok(())
            }
            '$' => self.dollar(word),
            '`' => self.backtick(word, true),
            _ => {
                self.at += 1;
                word.push(c);
                Ok(())
            }
        }
    }

    fn dollar(&mut self, word: &mut Word) -> Result<(), Unclear> {
        self.at += 1;
        match (self.peek(0), self.peek(1)) {
            (Some('('), Some('(')) => {
                self.at += 2;
                self.arithmetic()?;
                word.parts.push(Part::Unknown);
            }
            (Some('('), _) => {
                self.at += 1;
                let inside = self.deeper(|p| p.script(&[]))?;
                if !self.take(')') {
                    return Err(Unclear::Syntax);
                }
                word.parts.push(Part::Command(inside));
            }
            (Some('{'), _) => {
                self.at += 1;
                word.parts.push(self.parameter()?);
            }
            (Some('['), _) => return Err(Unclear::Syntax),
            (Some(c), _) if c.is_ascii_digit() || matches!(c, '?' | '$' | '!' | '#' | '@' | '*' | '-') => {
                self.at += 1;
                word.parts.push(Part::Variable(c.to_string()));
            }
            (Some(c), _) if c.is_ascii_alphabetic() || c == '_' => {
                let name = self.name();
                word.parts.push(Part::Variable(name));
            }
            _ => word.push('$'),
        }
        Ok(())
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek(0).filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
            self.at += 1;
        }
        name
    }

    /// After `${`. Operators are read over when they hold nothing that runs; `@` (which may run what a variable
    /// holds), `!` and `(` are refused.
    fn parameter(&mut self) -> Result<Part, Unclear> {
        let name = self.name();
        if self.take('}') {
            return if name.is_empty() {
                Err(Unclear::Syntax)
            } else {
                Ok(Part::Variable(name))
            };
        }
        loop {
            match self.next().ok_or(Unclear::Syntax)? {
                '}' => return Ok(Part::Unknown),
                c if c.is_ascii_alphanumeric() => {}
                '_' | '-' | '+' | ':' | '=' | '#' | '%' | '/' | '.' | ',' | '^' | '*' | '?' | ' ' => {}
                _ => return Err(Unclear::Syntax),
            }
        }
    }

    /// After `$((`. A closing bracket that is not the double one ends arithmetic for a shell, which then runs it.
    fn arithmetic(&mut self) -> Result<(), Unclear> {
        let mut depth = 0_usize;
        loop {
            match self.next().ok_or(Unclear::Syntax)? {
                ')' if depth == 0 => {
                    return if self.take(')') {
                        Ok(())
                    } else {
                        Err(Unclear::Syntax)
                    };
                }
                ')' => depth -= 1,
                '(' => depth += 1,
                c if c.is_ascii_alphanumeric() => {}
                ' ' | '_' | '+' | '-' | '*' | '/' | '%' | '<' | '>' | '=' | '!' | '&' | '|' | '^' | '~'
                | '?' | ':' | ',' => {}
                '$' if self
                    .peek(0)
                    .is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == '#') => {}
                _ => return Err(Unclear::Syntax),
            }
        }
    }

    fn backtick(&mut self, word: &mut Word, quoted: bool) -> Result<(), Unclear> {
        self.at += 1;
        let mut inside = String::new();
        loop {
            match self.next().ok_or(Unclear::Syntax)? {
                '`' => break,
                '\\' => match self.next().ok_or(Unclear::Syntax)? {
                    c @ ('`' | '\\' | '$') => inside.push(c),
                    '"' if quoted => inside.push('"'),
                    c => inside.extend(['\\', c]),
                },
                c => inside.push(c),
            }
        }
        let script = self.inner(&inside)?;
        word.parts.push(Part::Command(script));
        Ok(())
    }

    /// After `$'`.
    fn ansi(&mut self, word: &mut Word) -> Result<(), Unclear> {
        begin(word);
        loop {
            let c = match self.next().ok_or(Unclear::Syntax)? {
                '\'' => return Ok(()),
                '\\' => self.escape()?,
                c => c,
            };
            // What `$'..'` may write that the line itself may not.
            let mut held = [0; 4];
            text::plain(c.encode_utf8(&mut held))?;
            word.push(c);
        }
    }

    fn escape(&mut self) -> Result<char, Unclear> {
        let c = self.next().ok_or(Unclear::Syntax)?;
        Ok(match c {
            'n' => '\n',
            't' => '\t',
            '\\' | '\'' | '"' | '?' => c,
            'x' => self.number(16, 2)?,
            'u' => self.number(16, 4)?,
            'U' => self.number(16, 8)?,
            '0'..='7' => {
                self.at -= 1;
                self.number(8, 3)?
            }
            // Bells, returns and the like belong in no command line.
            _ => return Err(Unclear::Characters),
        })
    }

    fn number(&mut self, base: u32, most: usize) -> Result<char, Unclear> {
        let mut value = 0_u32;
        let mut read = 0;
        while let Some(digit) = self
            .peek(0)
            .and_then(|c| c.to_digit(base))
            .filter(|_| read < most)
        {
            value = value.checked_mul(base).ok_or(Unclear::Characters)? + digit;
            self.at += 1;
            read += 1;
        }
        // Above ASCII, `\x` and octal write bytes and no characters.
        if read == 0 || most < 4 && value > 0x7F {
            return Err(Unclear::Characters);
        }
        char::from_u32(value).ok_or(Unclear::Characters)
    }
}

/// Quotes make a word even where they hold nothing.
fn begin(word: &mut Word) {
    word.quoted = true;
    if word.parts.is_empty() {
        word.parts.push(Part::Text(String::new()));
    }
}
