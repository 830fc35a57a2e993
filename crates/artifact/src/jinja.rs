//! What a template of Jinja does, as far as it shows without running it: its expressions are followed with values of which is
//! known only whether they are texts, and how those begin. An attribute that is taken by a text which the template itself
//! put together, and which may begin with an underscore, is none that a conversation has.
//!
//! Names are followed over the whole template and not in order, so what a name may be is everything that it is anywhere.

use std::collections::BTreeMap;

/// Pieces of one template.
const TOKENS: usize = 200_000;
/// Brackets within each other.
const DEPTH: u32 = 60;
/// Times that names are gone over before what is found counts.
const PASSES: usize = 3;
/// Longest path of attributes that is followed.
const PATH: usize = 256;
/// Bytes of a text that are kept.
const KEPT: usize = 200;
/// Names of Python's insides without an underscore before them.
const INSIDES: [&str; 8] = [
    "gi_",
    "cr_",
    "ag_",
    "tb_",
    "f_globals",
    "f_builtins",
    "f_back",
    "func_",
];
/// Filters that make a text of anything.
const MAKES: [&str; 15] = [
    "join",
    "format",
    "replace",
    "center",
    "reverse",
    "tojson",
    "urlencode",
    "indent",
    "wordwrap",
    "xmlattr",
    "pprint",
    "urlize",
    "truncate",
    "striptags",
    "filesizeformat",
];
/// Filters and methods that give what they are given, or a part of it.
const KEEPS: [&str; 18] = [
    "lower",
    "upper",
    "title",
    "capitalize",
    "string",
    "safe",
    "e",
    "escape",
    "trim",
    "strip",
    "lstrip",
    "rstrip",
    "default",
    "d",
    "casefold",
    "swapcase",
    "removeprefix",
    "removesuffix",
];
/// Methods that make a text of anything.
const METHODS: [&str; 8] = [
    "join",
    "format",
    "replace",
    "center",
    "ljust",
    "rjust",
    "zfill",
    "translate",
];

/// What is known of a value.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    /// Comes from whoever renders the template.
    Data,
    Number,
    /// A text that the template has, or makes; all of it is known or how it begins.
    Text {
        begins: String,
        whole: bool,
    },
    /// A list or a dictionary of such.
    Many(Box<Self>),
}

impl Value {
    fn made() -> Self {
        Self::Text {
            begins: String::new(),
            whole: false,
        }
    }

    /// Whether this, as the name of an attribute, may be one of Python's insides.
    fn is_inside(&self) -> bool {
        let Self::Text { begins, whole } = self else {
            return false;
        };
        if *whole {
            return begins.starts_with("__") || INSIDES.iter().any(|name| begins.starts_with(name));
        }
        let may = |name: &&str| name.starts_with(begins.as_str()) || begins.starts_with(*name);
        begins.starts_with('_') || INSIDES.iter().any(may)
    }

    fn is_text(&self) -> bool {
        matches!(self, Self::Text { .. })
    }

    /// One of several.
    fn inner(self) -> Self {
        match self {
            Self::Many(inner) => *inner,
            Self::Text { .. } => Self::made(),
            other => other,
        }
    }

    /// Either of two.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Text { begins: a, .. }, Self::Text { begins: b, .. }) => {
                let common: String = a
                    .chars()
                    .zip(b.chars())
                    .take_while(|(a, b)| a == b)
                    .map(|(a, _)| a)
                    .collect();
                let plain = |text: &str| text.starts_with(|first: char| first != '_');
                let begins = if common.is_empty() && plain(&a) && plain(&b) {
                    "-".to_owned()
                } else {
                    common
                };
                Self::Text { begins, whole: false }
            }
            (text @ Self::Text { .. }, _) | (_, text @ Self::Text { .. }) => text,
            (Self::Many(a), Self::Many(b)) => Self::Many(Box::new(a.or(*b))),
            (many @ Self::Many(_), _) | (_, many @ Self::Many(_)) => many,
            (Self::Data, _) | (_, Self::Data) => Self::Data,
            (number, _) => number,
        }
    }

    /// Two put together.
    fn with(self, other: Self) -> Self {
        match (self, other) {
            (
                Self::Text {
                    mut begins,
                    whole: true,
                },
                Self::Text { begins: next, whole },
            ) => {
                begins.push_str(&next);
                begins = begins.chars().take(KEPT).collect();
                Self::Text { begins, whole }
            }
            (Self::Text { begins, .. }, _) => Self::Text { begins, whole: false },
            _ => Self::made(),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number,
    Mark(char),
    /// `**`, `//`, `==` and their like.
    Double(char),
    /// The beginning of an expression or a statement, at a place of the template.
    Open(usize),
}

/// A place, and what is done there.
pub(crate) struct Found {
    pub(crate) at: usize,
    pub(crate) why: &'static str,
}

/// What between `{{` and `}}`, or `{%` and `%}`, is code; a text within may hold these marks. With the offset of each.
pub(crate) fn blocks(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text
        .get(from..)
        .and_then(|rest| rest.find('{'))
        .map(|at| from + at)
    {
        let start = open + 2;
        let rest = text.get(start..).unwrap_or_default();
        let end = match text.get(open + 1..start) {
            Some("#") => rest.find("#}"),
            Some("{") => closes(rest, "}}"),
            Some("%") => closes(rest, "%}"),
            _ => {
                from = open + 1;
                continue;
            }
        };
        let end = end.unwrap_or(rest.len());
        if text.get(open + 1..start) != Some("#") {
            found.push((start, rest.get(..end).unwrap_or_default()));
        }
        from = start + end;
    }
    found
}

/// Where a block is closed, outside of texts and brackets.
fn closes(rest: &str, close: &str) -> Option<usize> {
    let mut quote = None;
    let mut depth = 0_u32;
    let mut letters = rest.char_indices();
    while let Some((at, letter)) = letters.next() {
        match quote {
            Some(_) if letter == '\\' => _ = letters.next(),
            Some(open) if open == letter => quote = None,
            Some(_) => {}
            None if depth == 0 && rest.get(at..).is_some_and(|rest| rest.starts_with(close)) => {
                return Some(at);
            }
            None => match letter {
                '\'' | '"' => quote = Some(letter),
                '{' | '[' | '(' => depth += 1,
                '}' | ']' | ')' => depth = depth.saturating_sub(1),
                _ => {}
            },
        }
    }
    None
}

/// The pieces of a block.
fn tokens(at: usize, block: &str, found: &mut Vec<Token>) {
    found.push(Token::Open(at));
    let mut letters = block.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            _ if letter.is_whitespace() => {}
            '\'' | '"' => {
                let mut text = String::new();
                while let Some((_, next)) = letters.next() {
                    match next {
                        '\\' => text.extend(letters.next().map(|(_, next)| next)),
                        end if end == letter => break,
                        other => text.push(other),
                    }
                }
                match found.last_mut() {
                    // Texts beside each other are one.
                    Some(Token::Text(before)) => before.push_str(&text),
                    _ => found.push(Token::Text(text)),
                }
            }
            _ if letter.is_ascii_digit() => {
                while letters
                    .next_if(|(_, next)| next.is_ascii_alphanumeric() || *next == '_')
                    .is_some()
                {}
                found.push(Token::Number);
            }
            _ if letter.is_alphabetic() || letter == '_' => {
                let mut end = at + letter.len_utf8();
                while let Some((at, next)) =
                    letters.next_if(|(_, next)| next.is_alphanumeric() || *next == '_')
                {
                    end = at + next.len_utf8();
                }
                found.push(Token::Name(block.get(at..end).unwrap_or_default().to_owned()));
            }
            _ => {
                let twice = matches!(letter, '*' | '/' | '=')
                    && letters.peek().is_some_and(|(_, next)| *next == letter);
                let equal =
                    matches!(letter, '!' | '<' | '>') && letters.peek().is_some_and(|(_, next)| *next == '=');
                if twice || equal {
                    letters.next();
                    found.push(Token::Double(letter));
                } else {
                    found.push(Token::Mark(letter));
                }
            }
        }
    }
}

/// What a template does that no template needs.
pub(crate) fn judge(text: &str) -> Vec<Found> {
    let mut all = Vec::new();
    for (at, block) in blocks(text) {
        if all.len() < TOKENS {
            tokens(at, block, &mut all);
        }
    }
    let mut run = Run::default();
    for _ in 0..PASSES {
        run.found.clear();
        for block in all.chunk_by(|_, next| !matches!(next, Token::Open(_))) {
            if let [Token::Open(at), block @ ..] = block {
                run.at = *at;
                run.statement(block);
            }
        }
    }
    run.found
}

#[derive(Default)]
struct Run {
    names: BTreeMap<String, Value>,
    macros: BTreeMap<String, Vec<String>>,
    found: Vec<Found>,
    at: usize,
    depth: u32,
}

/// What is left of a block.
type Rest<'t> = &'t [Token];

impl Run {
    fn tell(&mut self, why: &'static str) {
        if self.found.len() < 100
            && !self
                .found
                .iter()
                .any(|found| found.at == self.at && found.why == why)
        {
            self.found.push(Found { at: self.at, why });
        }
    }

    fn bind(&mut self, name: &str, value: Value) {
        let value = match self.names.remove(name) {
            Some(before) => before.or(value),
            None => value,
        };
        self.names.insert(name.to_owned(), value);
    }

    fn statement(&mut self, block: Rest<'_>) {
        let block = match block {
            [Token::Mark('-' | '+'), rest @ ..] => rest,
            _ => block,
        };
        self.depth = 0;
        match block {
            [Token::Name(word), rest @ ..] if word == "set" || word == "with" => self.set(rest),
            [Token::Name(word), rest @ ..] if word == "for" => self.each(rest),
            [Token::Name(word), Token::Name(name), Token::Mark('('), rest @ ..] if word == "macro" => {
                let params = rest.iter().filter_map(|token| match token {
                    Token::Name(name) => Some(name.clone()),
                    _ => None,
                });
                self.macros.insert(name.clone(), params.collect());
            }
            [Token::Name(word), rest @ ..] if word == "filter" => {
                if matches!(rest, [Token::Name(name), ..] if name == "attr") {
                    self.tell("takes an attribute by a computed name");
                }
                self.all(rest);
            }
            [Token::Name(word), rest @ ..]
                if matches!(
                    word.as_str(),
                    "if" | "elif" | "call" | "do" | "else" | "import" | "from" | "include" | "print"
                ) =>
            {
                self.all(rest);
            }
            _ => self.all(block),
        }
    }

    /// Expressions one behind another, whatever is between.
    fn all(&mut self, mut rest: Rest<'_>) {
        while !rest.is_empty() {
            let (_, after) = self.expression(rest);
            rest = if after.len() < rest.len() {
                after
            } else {
                rest.get(1..).unwrap_or_default()
            };
        }
    }

    fn set(&mut self, rest: Rest<'_>) {
        let Some(equals) = rest.iter().position(|token| *token == Token::Mark('=')) else {
            // A block of text becomes the value.
            if let [Token::Name(name), ..] = rest {
                self.bind(name, Value::made());
            }
            return;
        };
        let (targets, values) = rest.split_at(equals);
        if let ([Token::Name(base)], [_, Token::Name(call), Token::Mark('('), inner @ ..]) = (targets, values)
            && call == "namespace"
        {
            return self.namespace(base, inner);
        }
        let (value, after) = self.expression(values.get(1..).unwrap_or_default());
        let several = targets.contains(&Token::Mark(','));
        let value = match (several, after) {
            (true, [Token::Mark(','), more @ ..]) => value.or(self.expression(more).0),
            (true, _) => value.inner(),
            _ => value,
        };
        match targets {
            [Token::Name(base), Token::Mark('.'), Token::Name(part)] => {
                self.bind(&format!("{base}.{part}"), value)
            }
            _ => {
                for target in targets {
                    if let Token::Name(name) = target {
                        self.bind(name, value.clone());
                    }
                }
            }
        }
        self.all(after);
    }

    /// The names that a namespace begins with.
    fn namespace(&mut self, base: &str, mut rest: Rest<'_>) {
        while let [Token::Name(part), Token::Mark('='), after @ ..] = rest {
            let (value, behind) = self.expression(after);
            self.bind(&format!("{base}.{part}"), value);
            rest = behind.get(1..).unwrap_or_default();
        }
    }

    fn each(&mut self, rest: Rest<'_>) {
        let at = rest
            .iter()
            .position(|token| matches!(token, Token::Name(word) if word == "in"));
        let (targets, values) = rest.split_at(at.unwrap_or(0));
        let (value, after) = self.expression(values.get(1..).unwrap_or_default());
        let inner = value.inner();
        for target in targets {
            if let Token::Name(name) = target {
                self.bind(name, inner.clone());
            }
        }
        self.all(after);
    }

    /// An expression, with what follows it.
    fn expression<'t>(&mut self, rest: Rest<'t>) -> (Value, Rest<'t>) {
        if self.depth >= DEPTH {
            return (Value::Data, &[]);
        }
        self.depth += 1;
        let (mut value, mut rest) = self.sum(rest);
        loop {
            match rest {
                [Token::Name(word), after @ ..] if matches!(word.as_str(), "and" | "or" | "else") => {
                    let (other, behind) = self.sum(after);
                    value = value.or(other);
                    rest = behind;
                }
                [Token::Name(word), after @ ..] if word == "if" => {
                    let (_, behind) = self.sum(after);
                    rest = behind;
                }
                [Token::Name(word), after @ ..] if matches!(word.as_str(), "in" | "is" | "not") => {
                    let (_, behind) = self.sum(after);
                    rest = behind;
                    if !matches!(value, Value::Text { .. }) {
                        value = Value::Number;
                    }
                }
                [
                    Token::Double('=' | '!' | '<' | '>') | Token::Mark('<' | '>'),
                    after @ ..,
                ] => {
                    let (_, behind) = self.sum(after);
                    rest = behind;
                    value = Value::Number;
                }
                _ => break,
            }
        }
        self.depth -= 1;
        (value, rest)
    }

    /// Values with operators between them.
    fn sum<'t>(&mut self, rest: Rest<'t>) -> (Value, Rest<'t>) {
        let (mut value, mut rest) = self.single(rest);
        loop {
            match rest {
                [Token::Mark('~'), after @ ..] => {
                    let (other, behind) = self.single(after);
                    value = value.with(other);
                    rest = behind;
                }
                [Token::Mark('+'), after @ ..] => {
                    let (other, behind) = self.single(after);
                    value = match (&value, &other) {
                        (Value::Text { .. }, _) => value.with(other),
                        (Value::Data, Value::Text { .. }) => Value::made(),
                        (Value::Many(_), _) | (_, Value::Many(_)) => value.or(other),
                        _ => value,
                    };
                    rest = behind;
                }
                [Token::Mark('*' | '%'), after @ ..] => {
                    let (other, behind) = self.single(after);
                    if value.is_text() || other.is_text() {
                        let begins = match &value {
                            Value::Text { begins, .. } if !begins.starts_with('%') => begins.clone(),
                            _ => String::new(),
                        };
                        value = Value::Text { begins, whole: false };
                    }
                    rest = behind;
                }
                [Token::Mark('-' | '/') | Token::Double('*' | '/'), after @ ..] => {
                    rest = self.single(after).1;
                    value = Value::Number;
                }
                _ => return (value, rest),
            }
        }
    }

    /// A value with what is behind it: attributes, brackets, filters.
    fn single<'t>(&mut self, rest: Rest<'t>) -> (Value, Rest<'t>) {
        let (mut value, mut rest, mut path) = self.primary(rest);
        loop {
            match rest {
                [Token::Mark('.'), Token::Name(name), Token::Mark('('), after @ ..] => {
                    let (arguments, behind) = self.arguments(after, ')');
                    value = method(value, name, &arguments);
                    (rest, path) = (behind, None);
                }
                [Token::Mark('.'), Token::Name(name), after @ ..] => {
                    path = path
                        .filter(|path| path.len() <= PATH)
                        .map(|path| format!("{path}.{name}"));
                    value = path
                        .as_ref()
                        .and_then(|path| self.names.get(path))
                        .cloned()
                        .unwrap_or(Value::Data);
                    rest = after;
                }
                [Token::Mark('['), after @ ..] => {
                    let (index, behind) = self.arguments(after, ']');
                    let first = index.first().cloned().unwrap_or(Value::Number);
                    if first.is_inside() && !matches!(value, Value::Text { .. } if index.is_empty()) {
                        self.tell("takes an attribute by a computed name");
                    }
                    value = value.inner();
                    (rest, path) = (behind, None);
                }
                [Token::Mark('('), after @ ..] => {
                    let (arguments, behind) = self.arguments(after, ')');
                    value = self.call(path.as_deref(), &arguments);
                    (rest, path) = (behind, None);
                }
                [Token::Mark('|'), Token::Name(name), after @ ..] => {
                    let (arguments, behind) = match after {
                        [Token::Mark('('), inner @ ..] => {
                            self.by_attribute(name, inner);
                            self.arguments(inner, ')')
                        }
                        _ => (Vec::new(), after),
                    };
                    value = filter(value, name, &arguments);
                    (rest, path) = (behind, None);
                }
                _ => return (value, rest),
            }
        }
    }

    fn primary<'t>(&mut self, rest: Rest<'t>) -> (Value, Rest<'t>, Option<String>) {
        match rest {
            [Token::Text(text), after @ ..] => {
                let begins = text.chars().take(KEPT).collect();
                (
                    Value::Text {
                        begins,
                        whole: text.len() <= KEPT,
                    },
                    after,
                    None,
                )
            }
            [Token::Number, Token::Mark('.'), Token::Number, after @ ..] | [Token::Number, after @ ..] => {
                (Value::Number, after, None)
            }
            [Token::Mark('-' | '+'), after @ ..] => {
                let (value, rest) = self.single(after);
                (value, rest, None)
            }
            [Token::Name(word), after @ ..] if word == "not" => {
                let (_, rest) = self.single(after);
                (Value::Number, rest, None)
            }
            [Token::Name(name), after @ ..] => {
                // Tokens are texts of the file beside the template.
                let own = if name.ends_with("_token") {
                    Value::made()
                } else {
                    Value::Data
                };
                let value = self.names.get(name).cloned().unwrap_or(own);
                (value, after, Some(name.clone()))
            }
            [Token::Mark(open @ ('(' | '[' | '{')), after @ ..] => {
                let close = match open {
                    '(' => ')',
                    '[' => ']',
                    _ => '}',
                };
                let one = *open == '(' && !has_comma(after);
                let (values, rest) = self.arguments(after, close);
                let inner = values.into_iter().reduce(Value::or);
                let value = match (one, inner) {
                    (true, Some(value)) => value,
                    (_, inner) => Value::Many(Box::new(inner.unwrap_or(Value::Number))),
                };
                (value, rest, None)
            }
            [_, after @ ..] => (Value::Data, after, None),
            [] => (Value::Data, rest, None),
        }
    }

    /// Values up to a bracket; names before `=` are let go.
    fn arguments<'t>(&mut self, mut rest: Rest<'t>, close: char) -> (Vec<Value>, Rest<'t>) {
        let mut values = Vec::new();
        loop {
            match rest {
                [] => return (values, rest),
                [Token::Mark(mark), after @ ..] if *mark == close => return (values, after),
                [Token::Mark(',' | ':') | Token::Double('*'), after @ ..] => rest = after,
                [Token::Name(_), Token::Mark('='), after @ ..] => rest = after,
                _ => {
                    let (value, after) = self.expression(rest);
                    values.push(value);
                    rest = if after.len() < rest.len() {
                        after
                    } else {
                        rest.get(1..).unwrap_or_default()
                    };
                }
            }
        }
    }

    /// A function, or a macro of the template, whose parameters may then be what it is called with.
    fn call(&mut self, name: Option<&str>, arguments: &[Value]) -> Value {
        let Some(name) = name else { return Value::Data };
        if name == "dict" {
            return Value::Many(Box::new(Value::Text {
                begins: "-".to_owned(),
                whole: false,
            }));
        }
        let Some(params) = self.macros.get(name).cloned() else {
            return Value::Data;
        };
        if let Some(value) = arguments
            .iter()
            .filter(|value| value.is_text())
            .cloned()
            .reduce(Value::or)
        {
            for param in params {
                self.bind(&param, value.clone());
            }
        }
        Value::made()
    }

    /// Filters that are told an attribute, or another filter, by its name.
    fn by_attribute(&mut self, name: &str, inner: Rest<'_>) {
        if name == "attr" {
            return self.tell("takes an attribute by a computed name");
        }
        let named = inner
            .windows(2)
            .position(|pair| matches!(pair, [Token::Name(word), Token::Mark('=')] if word == "attribute"));
        let by_place = matches!(
            name,
            "map" | "select" | "reject" | "selectattr" | "rejectattr" | "groupby"
        );
        let value = match named {
            Some(at) => inner.get(at + 2..),
            None if by_place => Some(inner),
            None => None,
        };
        if let Some(value) = value.map(|tokens| self.expression(tokens).0) {
            let computed = matches!(value, Value::Text { whole: false, .. });
            if computed || value.is_inside() {
                self.tell("takes an attribute by a computed name");
            }
        }
    }
}

/// Whether a comma is in this bracket, and not in one within.
fn has_comma(rest: Rest<'_>) -> bool {
    let mut depth = 0_u32;
    for token in rest {
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') if depth == 0 => return false,
            Token::Mark(')' | ']' | '}') => depth -= 1,
            Token::Mark(',') if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

fn method(value: Value, name: &str, arguments: &[Value]) -> Value {
    match name {
        _ if METHODS.contains(&name) => Value::made(),
        "items" | "keys" | "values" | "split" | "rsplit" | "partition" | "splitlines" => {
            Value::Many(Box::new(value.inner()))
        }
        "get" | "pop" => value.inner(),
        _ if KEEPS.contains(&name) => kept(value, !arguments.is_empty()),
        "find" | "index" | "count" | "startswith" | "endswith" => Value::Number,
        _ => Value::Data,
    }
}

fn filter(value: Value, name: &str, arguments: &[Value]) -> Value {
    match name {
        _ if MAKES.contains(&name) => Value::made(),
        "first" | "last" | "random" | "min" | "max" => value.inner(),
        "list" | "items" | "dictsort" | "batch" | "slice" | "unique" | "sort" | "map" | "select" => {
            Value::Many(Box::new(value.inner()))
        }
        "length" | "count" | "int" | "float" | "abs" | "round" | "sum" | "wordcount" => Value::Number,
        "default" | "d" => arguments.iter().cloned().fold(value, Value::or),
        _ if KEEPS.contains(&name) => kept(value, false),
        _ => value,
    }
}

/// A text with other letters, or without some.
fn kept(value: Value, cuts: bool) -> Value {
    match value {
        Value::Text { .. } if cuts => Value::made(),
        Value::Text { begins, .. } => Value::Text {
            begins: begins.to_lowercase(),
            whole: false,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests;
