//! Objects that do more than keep what they are given: allowed where they are given what their library writes.
//!
//! scipy's distributions run a text of their state, a model of statsmodels evaluates the formula in its state, and what sympy
//! makes an expression of is evaluated where it is a text.

use super::{
    allow::{Check, Use},
    machine::Machine,
    value::{Kind, Value},
};

/// The longest text that may be scipy's template, in bytes.
pub(super) const TEMPLATE: u64 = 2048;
/// Tuples in tuples that are followed.
const DEPTH: u32 = 4;

/// Functions that formulas call: they take numbers, and give numbers.
const FUNCTIONS: [&str; 40] = [
    "C",
    "I",
    "Q",
    "bs",
    "cr",
    "cc",
    "te",
    "center",
    "standardize",
    "scale",
    "poly",
    "log",
    "log2",
    "log10",
    "log1p",
    "exp",
    "sqrt",
    "abs",
    "np.log",
    "np.log2",
    "np.log10",
    "np.log1p",
    "np.exp",
    "np.expm1",
    "np.sqrt",
    "np.square",
    "np.abs",
    "np.sin",
    "np.cos",
    "np.tan",
    "np.tanh",
    "np.power",
    "np.sign",
    "Treatment",
    "Poly",
    "Sum",
    "Diff",
    "Helmert",
    "lag",
    "hashed",
];

/// Whether a text is the one that scipy makes of its template and the names of a distribution's parameters, and no other.
pub(super) fn is_template(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"\ndef _parse_args(self, ") else {
        return false;
    };
    let Ok(rest) = std::str::from_utf8(rest) else {
        return false;
    };
    let arguments = rest.split(')').next().unwrap_or_default();
    [(" loc=0, scale=1", "loc, scale"), (" loc=0", "loc, 1")]
        .into_iter()
        .any(|(takes, gives)| {
            let names = arguments.strip_suffix(takes);
            names.is_some_and(|names| are_names(names) && template(names, takes, gives).as_bytes() == text)
        })
}

/// `a, b, ` or nothing.
fn are_names(text: &str) -> bool {
    let name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    text.is_empty()
        || text
            .strip_suffix(", ")
            .is_some_and(|names| names.split(", ").all(name))
}

fn template(names: &str, takes: &str, gives: &str) -> String {
    format!(
        "\ndef _parse_args(self, {names}{takes}):\n    return ({names}), {gives}\n\n\
         def _parse_args_rvs(self, {names}{takes}, size=None):\n    return self._argcheck_rvs({names} {gives}, size=size)\n\n\
         def _parse_args_stats(self, {names}{takes}, moments='mv'):\n    return ({names}), {gives}, moments\n"
    )
}

/// Whether a formula is names, numbers, operators and calls of the functions that formulas have.
fn is_plain_formula(text: &str) -> bool {
    let inside = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.');
    let allowed = |letter: char| inside(letter) || " +-*:~|^/(),='\"\n".contains(letter);
    if !text.chars().all(allowed) || text.contains("__") {
        return false;
    }
    let mut rest = text.trim_start();
    let mut called = false;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|letter| !inside(letter)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            // What a call gives, or a text, is not called.
            if called && first == '(' {
                return false;
            }
            called = matches!(first, ')' | '\'' | '"');
            rest = after.get(1..).unwrap_or_default().trim_start();
            continue;
        }
        rest = after.trim_start();
        let known = FUNCTIONS.contains(&word.replacen("numpy.", "np.", 1).as_str());
        if !known && (rest.starts_with('(') || word.contains('.') && word.parse::<f64>().is_err()) {
            return false;
        }
        called = false;
    }
    true
}

impl Machine<'_, '_, '_, '_> {
    /// Whether an object under a check may be given this state.
    pub(super) fn state_fits(&self, check: Check, state: Value) -> bool {
        let items = match state.kind() {
            Kind::Container(number) => self.watch.items(number),
            Kind::None => return matches!(check, Check::Symbolic | Check::Symbol),
            _ => None,
        };
        let Some(items) = items else { return false };
        let mut named = Vec::with_capacity(items.len());
        for (key, value) in items {
            match self.text_of(key) {
                Some(key) => named.push((key, value)),
                None => return false,
            }
        }
        let all = |name: &[u8]| {
            let found: Vec<Value> = named
                .iter()
                .filter_map(|(key, value)| (*key == name).then_some(*value))
                .collect();
            found
        };
        match check {
            Check::Distribution => {
                let templates = all(b"_parse_arg_template");
                // What is called of an object is looked for in its state first.
                let called = named.iter().any(|(key, _)| key.starts_with(b"_attach"));
                !called && !templates.is_empty() && templates.iter().all(|value| *value == Value::TEMPLATE)
            }
            Check::Formula => {
                let asks = ["restore_model_spec", "restore_design_info"];
                let evaluated = asks.iter().any(|ask| !all(ask.as_bytes()).is_empty());
                let (formulas, frames) = (all(b"formula"), all(b"frame"));
                // pmdarima before 1.1 unpickled the file of this name.
                if !all(b"tmp_pkl_").is_empty() {
                    return false;
                }
                !evaluated
                    || !formulas.is_empty()
                        && formulas.iter().all(|value| self.is_formula(*value))
                        && !frames.is_empty()
                        && frames.iter().all(|value| self.is_frame(*value))
            }
            Check::Symbolic | Check::Symbol => named.is_empty(),
            _ => false,
        }
    }

    fn is_formula(&self, value: Value) -> bool {
        let text = self.text_of(value).unwrap_or_default();
        std::str::from_utf8(text).is_ok_and(|text| !text.is_empty() && is_plain_formula(text))
    }

    fn is_frame(&self, value: Value) -> bool {
        let Kind::Object(at) = value.kind() else {
            return false;
        };
        self.imported(at).is_some_and(|(module, name)| {
            matches!(module, "pandas" | "pandas.core.frame") && name == "DataFrame"
        })
    }

    /// Whether an expression may be made of these: numbers and expressions, and texts where a text is a name. What was made
    /// by something that is on no list was told when it was made.
    pub(super) fn are_symbols(&self, arguments: &[Value], names: bool, depth: u32) -> bool {
        arguments.iter().all(|value| match value.kind() {
            Kind::Int(_) | Kind::Number | Kind::None | Kind::Tainted => true,
            Kind::Text(_) | Kind::Recent(_) => names,
            Kind::Object(at) => matches!(self.use_at(at), Some(Use::Check(Check::Symbolic | Check::Symbol))),
            Kind::Tuple(..) if depth < DEPTH => self
                .elements(*value)
                .is_some_and(|inner| self.are_symbols(&inner, names, depth + 1)),
            _ => false,
        })
    }

    /// Whether a method of an object may be named: a distribution's, or one of numpy's that draws numbers.
    pub(super) fn has_method(&self, class: u32, name: &str) -> bool {
        let draws = [
            "choice",
            "integers",
            "normal",
            "permutation",
            "rand",
            "randint",
            "randn",
            "random",
            "shuffle",
            "standard_normal",
            "uniform",
        ];
        match self.use_at(class) {
            Some(Use::Check(Check::Distribution)) => !name.contains("__"),
            Some(Use::Check(Check::Generator)) => draws.contains(&name),
            // The stemmer of a language that nltk's keeps, under its method's name.
            Some(Use::New) => {
                name == "stem"
                    && self
                        .imported(class)
                        .is_some_and(|(module, _)| module == "nltk.stem.snowball")
            }
            _ => false,
        }
    }

    /// Whether numpy's makers of generators are given their own kinds, and nothing else to call.
    pub(super) fn are_generators(&self, arguments: &[Value]) -> bool {
        arguments.iter().all(|value| match value.kind() {
            Kind::Text(_) | Kind::Recent(_) => true,
            Kind::Global(at) | Kind::Object(at) => self
                .imported(at)
                .is_some_and(|(module, _)| module.starts_with("numpy.random.")),
            _ => false,
        })
    }

    /// Whether a value is numpy's maker of arrays.
    pub(super) fn makes_array(&self, value: Value) -> bool {
        let Kind::Global(at) = value.kind() else {
            return false;
        };
        matches!(
            self.imported(at),
            Some(("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct"))
        )
    }

    /// Whether a value is a class of those that make indexes of tables.
    fn is_index(&self, value: Value) -> bool {
        let Kind::Global(at) = value.kind() else {
            return false;
        };
        self.imported(at).is_some_and(|(module, _)| {
            matches!(module.split('.').next(), Some("pandas" | "xarray" | "geopandas"))
        })
    }

    /// Whether a builtin makes values by a number: bytes of nothing, or the elements of a range. Picklers write what is there.
    pub(super) fn is_made_up(&self, at: u32, arguments: Option<&[Value]>) -> bool {
        let any = |test: &dyn Fn(Kind) -> bool| {
            arguments.is_some_and(|arguments| arguments.iter().any(|value| test(value.kind())))
        };
        let endless = |kind: Kind| {
            let Kind::Object(made) = kind else { return false };
            matches!(
                self.imported(made),
                Some(("builtins" | "__builtin__", "range" | "xrange") | ("itertools", _))
            )
        };
        match self.imported(at) {
            Some(("builtins" | "__builtin__", "bytes" | "bytearray")) => {
                any(&|kind| matches!(kind, Kind::Int(_) | Kind::Number) || endless(kind))
            }
            Some(("builtins" | "__builtin__", "list" | "tuple" | "set" | "frozenset" | "dict"))
            | Some(("collections" | "array", _)) => any(&endless),
            _ => false,
        }
    }

    /// Whether a harmless callable asks its arguments for what their class says of itself: their elements, their length,
    /// their text. Whoever wrote the file wrote the state of such an object, so that is no pickler's doing.
    pub(super) fn is_asked(&self, at: u32, arguments: Option<&[Value]>) -> bool {
        let Some((module, name)) = self.imported(at) else {
            return true;
        };
        let any = |test: &dyn Fn(Value) -> bool| {
            arguments.is_none_or(|arguments| arguments.iter().any(|value| test(*value)))
        };
        let holds = |value: Value| {
            matches!(
                value.kind(),
                Kind::Container(_) | Kind::Tuple(..) | Kind::Object(_)
            )
        };
        match (module, name) {
            ("builtins" | "__builtin__", "slice" | "object") => false,
            (
                "builtins" | "__builtin__",
                "str" | "unicode" | "bytes" | "int" | "long" | "float" | "bool" | "complex",
            ) => any(&holds),
            // These take a text or bytes, and make a text of whatever else they are given, or ask it for its elements.
            ("collections" | "UserString", "UserString")
            | ("pyproj.crs.crs", "CRS")
            | ("shapely.io", "from_wkb")
            | ("json.decoder", "JSONDecodeError") => any(&holds),
            // These call `__new__` or `from_arrays` of the class that they are given, with arguments of the file's.
            (module, name) if module.starts_with("pandas.core.indexes.") && name.starts_with("_new_") => {
                arguments
                    .is_none_or(|arguments| !arguments.first().is_some_and(|class| self.is_index(*class)))
            }
            ("builtins" | "__builtin__", _) => {
                let error =
                    name.ends_with("Error") || name.ends_with("Exception") || name.ends_with("Warning");
                !error && any(&|value| self.is_made(value))
            }
            (
                "collections" | "numpy" | "array" | "torch" | "decimal" | "fractions" | "nltk.probability",
                _,
            ) => any(&|value| self.is_made(value)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scipys_own_program_is_its_template() {
        for (names, takes, gives) in [
            ("", " loc=0, scale=1", "loc, scale"),
            ("a, ", " loc=0, scale=1", "loc, scale"),
            ("mu, n_2, ", " loc=0", "loc, 1"),
        ] {
            assert!(is_template(template(names, takes, gives).as_bytes()), "{names}");
        }
        let good = template("a, ", " loc=0, scale=1", "loc, scale");
        for evil in [
            format!("{good}import os\n"),
            format!("import os\n{good}"),
            good.replace("loc=0", "loc=print(1)"),
            good.replace("return (a, )", "return (a, ) or exit()"),
            good.replace("a, ", "a=exit(), "),
            good.replacen("a, ", "b, ", 1),
            good.replace("size=size", "size=exit()"),
            String::new(),
        ] {
            assert!(!is_template(evil.as_bytes()), "{evil}");
        }
    }

    #[test]
    fn a_formula_is_plain_or_it_is_a_program() {
        for plain in [
            "y ~ x",
            "y ~ a + b:c + C(g, Treatment('ref')) - 1",
            "numpy.log(y) ~ I(x ** 2) + bs(x, df=4) + 1.5",
            "Lottery ~ Literacy * Wealth + np.log (Pop1831)",
        ] {
            assert!(is_plain_formula(plain), "{plain}");
        }
        for program in [
            "y ~ __import__('os').system('id')",
            "y ~ exec('x')",
            "y ~ os.system(x)",
            "y ~ np.f2py(x)",
            "y ~ eval (x)",
            "y ~ C(x).real",
            "y ~ x[0]",
            "y ~ C(x)(y)",
            "y ~ (lambda: 0)()",
            "y ~ a.b",
        ] {
            assert!(!is_plain_formula(program), "{program}");
        }
    }
}
