//! Programs of `torch.export`: which members of their archives are unpickled, and the texts that the loader evaluates.
//!
//! Sizes and guards are texts of Python that `sympify` or `exec` runs. They are held against a grammar of what torch writes:
//! numbers, names, operators, and calls of known functions with such arguments. Whatever else one holds is a program.

use std::collections::BTreeSet;

use crate::{
    finding::{Verdict, shown},
    format,
    json::Json,
    rule,
    scan::Scan,
    torchscript,
};

/// Bytes of one expression.
const LONGEST: usize = 1 << 20;

/// What sizes and guards call: classes of sympy's and torch's own, and plain functions of numbers.
const CALLED: [&str; 66] = [
    "Abs",
    "Add",
    "And",
    "CeilDiv",
    "CeilToInt",
    "CleanDiv",
    "Eq",
    "Equality",
    "FloatPow",
    "FloatTrueDiv",
    "FloorDiv",
    "FloorToInt",
    "Ge",
    "GreaterThan",
    "Gt",
    "Identity",
    "IntTrueDiv",
    "IsNonOverlappingAndDenseIndicator",
    "LShift",
    "Le",
    "LessThan",
    "Lt",
    "Max",
    "Min",
    "Mod",
    "ModularIndexing",
    "Mul",
    "Ne",
    "Not",
    "Or",
    "Piecewise",
    "Pow",
    "PowByNatural",
    "PythonMod",
    "RShift",
    "RoundDecimal",
    "RoundToInt",
    "StrictGreaterThan",
    "StrictLessThan",
    "ToFloat",
    "TruncToFloat",
    "TruncToInt",
    "Tuple",
    "Unequality",
    "Where",
    "Xor",
    "Integer",
    "Float",
    "Rational",
    "Symbol",
    "ExprCondPair",
    "ITE",
    "abs",
    "ceiling",
    "exp",
    "floor",
    "log",
    "max",
    "min",
    "sign",
    "sqrt",
    "cast_symbool_to_symint_guardless",
    "int",
    "float",
    "bool",
    "sym_not",
];
/// Beginnings of names of more of torch's functions of numbers.
const CALLED_OF: [&str; 2] = ["OpaqueUnaryFn_", "BitwiseFn_"];
/// What guards ask of tensors.
const ASKED: [&str; 6] = ["size", "stride", "storage_offset", "numel", "dim", "item"];
/// Functions of numbers in modules that guards name.
const MATH: [&str; 8] = ["ceil", "floor", "trunc", "sqrt", "pow", "log", "log2", "exp"];

/// Who evaluates a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Sympify,
    Guard,
}

/// Adds the members that a configuration of weights says are read by unpickling them.
pub(crate) fn pickled(text: &[u8], found: &mut BTreeSet<String>) {
    let Ok(json) = serde_json::from_slice::<Json>(text) else {
        return;
    };
    json.walk("", &mut |_, value| {
        let path = value.get("path_name").and_then(Json::text);
        let plain = matches!(
            value.get("use_pickle"),
            None | Some(Json::Null | Json::Bool(false))
        );
        if let Some(path) = path.filter(|path| !plain && !path.is_empty()) {
            found.insert(path.to_owned());
        }
    });
}

/// Judges what of a document `torch.export` evaluates, opens and calls.
pub(crate) fn judge(scan: &mut Scan<'_>, json: &Json) {
    json.walk("", &mut |key, value| match (key, value) {
        ("expr_str", Json::Text(text)) => expression(scan, key, text, By::Sympify),
        ("guards_code", Json::Text(text)) => expression(scan, key, text, By::Guard),
        ("path_name", Json::Text(path)) if format::leads_out(path) => {
            let path = shown(path.as_bytes(), 200);
            let what = format!("reads numbers from `{path}`, which is not in the archive");
            scan.find(&rule::TRAVERSAL, Verdict::Suspicious, 0, &path, what);
        }
        ("target", Json::Text(target)) => called(scan, target),
        _ => {}
    });
}

/// An operator of somebody's own, which is native code that is not in the file.
fn called(scan: &mut Scan<'_>, target: &str) {
    let Some(operator) = target.strip_prefix("torch.ops.") else {
        return;
    };
    if !torchscript::is_of_torch(operator) {
        let operator = shown(operator.as_bytes(), 200);
        let what = format!("`{operator}` is an operator of a library that is not in the file");
        scan.find(&rule::CUSTOM_OPERATOR, Verdict::Unknown, 0, &operator, what);
    }
}

fn expression(scan: &mut Scan<'_>, key: &str, text: &str, by: By) {
    let (severity, why) = match odd(text, by) {
        None => return,
        Some(Odd::Unknown(name)) => (
            Verdict::Unknown,
            format!("calls `{name}`, which torch does not write"),
        ),
        Some(Odd::Program) => (Verdict::Malicious, "is no expression of sizes".to_owned()),
    };
    let shown = shown(text.trim().as_bytes(), 100);
    let what = format!("`{key}` is evaluated when the program is loaded, and `{shown}` {why}");
    scan.find(&rule::CONFIG_CODE, severity, 0, key, what);
}

/// What is wrong with an expression.
enum Odd {
    /// It calls a class that is not known.
    Unknown(String),
    /// It is something else than an expression of numbers.
    Program,
}

/// A piece of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'t> {
    Start,
    Number,
    Name(&'t str),
    Text,
    Sign(char),
}

fn odd(text: &str, by: By) -> Option<Odd> {
    if text.len() > LONGEST {
        return Some(Odd::Program);
    }
    let (mut rest, mut unknown) = (text.trim_start(), None);
    let (mut earlier, mut before) = (Piece::Start, Piece::Start);
    while !rest.is_empty() {
        let Some((piece, after)) = piece(rest) else {
            return Some(Odd::Program);
        };
        match follows(earlier, before, piece, by) {
            Follows::Fits => {}
            Follows::Calls(name) => unknown = Some(name.to_owned()),
            Follows::Not => return Some(Odd::Program),
        }
        (earlier, before) = (before, piece);
        rest = after.trim_start();
    }
    unknown.map(Odd::Unknown)
}

/// The next piece, and what is behind it.
fn piece(text: &str) -> Option<(Piece<'_>, &str)> {
    let first = text.chars().next()?;
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let split = |end: Option<usize>| text.split_at_checked(end.unwrap_or(text.len()));
    if first.is_ascii_digit() || first == '.' && text.chars().nth(1).is_some_and(|next| next.is_ascii_digit())
    {
        // `1e-05` has a sign in it.
        let mut last = ' ';
        let end = text.find(|letter: char| {
            let goes_on = letter.is_ascii_alphanumeric()
                || letter == '.'
                || matches!(letter, '-' | '+') && matches!(last, 'e' | 'E');
            last = letter;
            !goes_on
        });
        return split(end).map(|(_, rest)| (Piece::Number, rest));
    }
    if is_name(first) {
        let (name, rest) = split(text.find(|letter| !is_name(letter)))?;
        return Some((Piece::Name(name), rest));
    }
    if matches!(first, '\'' | '"') {
        let inner = text.get(1..)?;
        let (held, rest) = inner.split_once(first)?;
        return held.chars().all(is_name).then_some((Piece::Text, rest));
    }
    let plain = "+-*/%()<>=!&|~,[].^".contains(first);
    plain.then_some((Piece::Sign(first), text.get(1..)?))
}

enum Follows<'t> {
    Fits,
    /// A call of a class that is not known.
    Calls(&'t str),
    Not,
}

fn follows<'t>(earlier: Piece<'t>, before: Piece<'t>, piece: Piece<'t>, by: By) -> Follows<'t> {
    let fits = |fits| if fits { Follows::Fits } else { Follows::Not };
    match (before, piece) {
        // A method of a tensor, or a function of a module.
        (Piece::Sign('.'), Piece::Name(name)) => {
            let of_math = matches!(earlier, Piece::Name("math")) && MATH.contains(&name);
            fits(by == By::Guard && (ASKED.contains(&name) || of_math))
        }
        (Piece::Sign('.'), _) | (Piece::Number, Piece::Number) => Follows::Not,
        (_, Piece::Sign('.')) => {
            fits(by == By::Guard && matches!(before, Piece::Name(_) | Piece::Sign(']' | ')')))
        }
        (Piece::Name(name), Piece::Sign('(')) => match earlier {
            Piece::Sign('.') => Follows::Fits,
            _ if is_called(name) => Follows::Fits,
            // A class, by its first letter: of a later version, or somebody's.
            _ if name.starts_with(|first: char| first.is_ascii_uppercase()) && name.len() > 1 => {
                Follows::Calls(name)
            }
            _ => Follows::Not,
        },
        // What a call gives, or what stands in a list, is not called.
        (Piece::Sign(')' | ']') | Piece::Number | Piece::Text, Piece::Sign('(')) => Follows::Not,
        (_, Piece::Sign('[' | ']')) => fits(by == By::Guard),
        (Piece::Sign('('), Piece::Text) => fits(earlier == Piece::Name("Symbol")),
        (Piece::Sign('['), Piece::Text) => fits(by == By::Guard),
        (_, Piece::Text) => Follows::Not,
        (Piece::Name(word), Piece::Name(other)) => fits(is_word(word) || is_word(other)),
        (_, Piece::Name(name)) => {
            fits(!name.contains("__") && !matches!(name, "lambda" | "import" | "for" | "yield"))
        }
        _ => Follows::Fits,
    }
}

fn is_word(name: &str) -> bool {
    matches!(name, "and" | "or" | "not" | "if" | "else" | "is" | "in")
}

fn is_called(name: &str) -> bool {
    CALLED.contains(&name) || is_word(name) || CALLED_OF.iter().any(|known| name.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_sizes_are_told_from_programs() {
        for text in [
            "Symbol('s77', positive=True, integer=True)",
            "Add(Symbol('s0', integer=True), Integer(-1))",
            "2*s0 + 1",
            "s0*FloorDiv(s1, 2)",
            "Max(1, u0) <= 10**6",
            "Eq(Mod(s77, 8), 0)",
            "-3.5e-05*(s0 // 2) & ~(s1 > 2)",
            "OpaqueUnaryFn_sqrt(s0)",
            "Rational(1, 2)",
            "",
        ] {
            assert!(odd(text, By::Sympify).is_none(), "{text}");
        }
        for text in [
            "__import__('os').system('true')",
            "sympify('__imp'+'ort__(\"o\"+\"s\").sys'+'tem(\"true\")')",
            "lambdify(x, 'x')",
            "open('/tmp/x', 'w')",
            "preview(x, viewer='file', filename='/tmp/x')",
            "s0.func",
            "Symbol('x')('y')",
            "(lambda: 1)()",
            "[x for x in y]",
            "S('exec')",
            "Integer(1).__class__",
            "x; y",
            "{1}",
            "f'{x}'",
            "(exec)(x)",
            "exec (x)",
        ] {
            assert!(matches!(odd(text, By::Sympify), Some(Odd::Program)), "{text}");
        }
        assert!(matches!(odd("NewDiv(s0, 2)", By::Sympify), Some(Odd::Unknown(_))));
    }

    #[test]
    fn guards_ask_tensors_and_no_more() {
        for text in [
            "L['z']['k'].size()[1] == 3",
            "2 <= L['args'][0][0].size()[0] and L['x'].stride()[0] != 1",
            "math.floor(L['x'].size()[0] / 2) > 1",
            "not (L['x'].size()[0] % 8 == 0)",
        ] {
            assert!(odd(text, By::Guard).is_none(), "{text}");
        }
        for text in [
            "L['x'].system()",
            "__import__('os')",
            "L['x'].size().__class__",
            "torch.load('x')",
            "torch.utils.data",
            "print(1)",
        ] {
            assert!(odd(text, By::Guard).is_some(), "{text}");
        }
    }
}
