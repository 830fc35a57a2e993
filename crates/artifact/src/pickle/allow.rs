//! The list of harmless imports, and what is known of harmful ones.
//!
//! What is on no list is not harmless. The list of harmful names only makes a finding say more.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use super::classes::{self, Made};
use crate::{finding::Verdict, torchscript};

/// How an import may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Referred to, never called.
    Value,
    /// Made by `cls.__new__(cls)`.
    New,
    /// Called with so many arguments, at least and at most.
    Call(u8, u8),
    /// Called as the check allows; never handed on.
    Check(Check),
    /// On no list.
    Unlisted(Verdict),
}

impl Use {
    /// How bad it is to name this where nobody sees what it is given.
    pub(crate) fn unseen(self) -> Verdict {
        match self {
            Self::Value | Self::New | Self::Call(..) => Verdict::Clean,
            Self::Check(
                Check::Dtype
                | Check::Generator
                | Check::Wrapper
                | Check::Partial
                | Check::Ufunc
                | Check::Kind
                | Check::Member
                | Check::Single,
            ) => Verdict::Clean,
            Self::Check(
                Check::Compiled | Check::Distribution | Check::Formula | Check::Symbolic | Check::Symbol,
            ) => Verdict::Unknown,
            Self::Check(_) => Verdict::Suspicious,
            Self::Unlisted(verdict) => verdict,
        }
    }
}

/// A check of a call's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// `getattr(import, name)`: the result is an import of the dotted name.
    Getattr,
    /// `copyreg._reconstructor(class, base, state)`.
    Reconstructor,
    /// `copyreg.__newobj__(class, ...)` and its sibling with keywords.
    Newobj,
    /// `codecs.encode(text, codec)`.
    Encode,
    /// `functools.partial(callable, ...)`.
    Partial,
    /// `numpy.dtype(...)`.
    Dtype,
    /// `numpy._ufunc_reconstruct(module, name)`.
    Ufunc,
    /// joblib's stand-in for an array.
    Wrapper,
    /// `torch._tensor._rebuild_from_type_v2(callable, ...)`.
    Rebuild,
    /// `dill._dill._create_array(callable, arguments, state, ...)`.
    Array,
    /// jax's maker of arrays, which calls what it is given: numpy's own.
    Numpy,
    /// `torch.storage._load_from_bytes(bytes)`.
    Bytes,
    /// numpy's makers of random generators, which call what they are given.
    Generator,
    /// `dill._dill._load_type(name)`: types by name, some of which make functions.
    Type,
    /// `type(None)` and its like, which gives a class; with more, it makes one.
    Kind,
    /// A distribution of scipy: made by `__new__`, and its state holds a program.
    Distribution,
    /// A model's data in statsmodels: made by `__new__`, and its state may hold a formula that is evaluated.
    Formula,
    /// An expression of sympy: made of numbers and expressions, never of texts, which it would evaluate.
    Symbolic,
    /// A symbol or number of sympy: its name or digits are texts.
    Symbol,
    /// `class.__new__`, of which `functools.partial` may be made.
    Maker,
    /// That partial, which waits for its state.
    Bound,
    /// That partial with its state, which is called.
    Ready,
    /// A member of an enumeration, by its value or name.
    Member,
    /// A text or number of a class of its own, by a plain one.
    Single,
    /// What Cython wrote to make an object of a class and fill its fields.
    Compiled,
    /// sympy's maker of a function that has a name and nothing else, of which expressions are made.
    Undefined,
}

/// The first that names something decides.
const TEXTS: [&str; 3] = [
    include_str!("lists/allow.txt"),
    include_str!("lists/sklearn.txt"),
    include_str!("lists/libraries.txt"),
];

struct Lists {
    exact: HashMap<(&'static str, &'static str), Use>,
    /// Modules under which every name may be used so.
    under: Vec<(&'static str, Use)>,
    /// Modules with a `*` in their parts, of which every class may be used so.
    like: Vec<(&'static str, Use)>,
    /// Classes whose objects are lists, dictionaries or sets.
    filled: HashSet<(&'static str, &'static str)>,
}

static LISTS: LazyLock<Lists> = LazyLock::new(|| {
    let mut lists = Lists {
        exact: HashMap::new(),
        under: Vec::new(),
        like: Vec::new(),
        filled: HashSet::new(),
    };
    for text in TEXTS {
        for line in text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            let Some((names, uses)) = line.split_once(" : ") else {
                continue;
            };
            let filled = uses == "new filled";
            let mut names = names.split(' ');
            let (Some(module), Some(uses)) = (names.next(), use_of(uses)) else {
                continue;
            };
            for name in names {
                if filled {
                    lists.filled.insert((module, name));
                }
                match module.strip_suffix(".*") {
                    Some(under) => lists.under.push((under, uses)),
                    None if module.contains('*') => lists.like.push((module, uses)),
                    None => _ = lists.exact.entry((module, name)).or_insert(uses),
                }
            }
        }
    }
    lists
});

fn use_of(text: &str) -> Option<Use> {
    let words: Vec<&str> = text.split(' ').collect();
    Some(match words.as_slice() {
        ["value"] => Use::Value,
        ["new"] | ["new", "filled"] => Use::New,
        ["call", least, most] => Use::Call(least.parse().ok()?, most.parse().ok()?),
        ["check", check] => Use::Check(match *check {
            "getattr" => Check::Getattr,
            "reconstructor" => Check::Reconstructor,
            "newobj" => Check::Newobj,
            "encode" => Check::Encode,
            "partial" => Check::Partial,
            "dtype" => Check::Dtype,
            "ufunc" => Check::Ufunc,
            "wrapper" => Check::Wrapper,
            "rebuild" => Check::Rebuild,
            "array" => Check::Array,
            "numpy" => Check::Numpy,
            "bytes" => Check::Bytes,
            "generator" => Check::Generator,
            "type" => Check::Type,
            "kind" => Check::Kind,
            "distribution" => Check::Distribution,
            "formula" => Check::Formula,
            "symbolic" => Check::Symbolic,
            "symbol" => Check::Symbol,
            "undefined" => Check::Undefined,
            "member" => Check::Member,
            _ => return None,
        }),
        _ => return None,
    })
}

/// How `module.name` may be used. Python 2's names are read as their Python 3 ones.
pub(crate) fn look_up(module: &str, name: &str) -> Use {
    let lists = &*LISTS;
    let module = match module {
        "__builtin__" | "exceptions" => "builtins",
        other => other,
    };
    if let Some(uses) = lists.exact.get(&(module, name)) {
        return *uses;
    }
    if let Some(of) = module.strip_prefix("__torch__.torch.classes.")
        && let Some(verdict) = torchscript::bound(of)
    {
        return Use::Unlisted(verdict);
    }
    // Where numpy's universal functions are found by whoever looks for the module that has them.
    if matches!(
        module,
        "numpy.core._multiarray_umath"
            | "numpy._core._multiarray_umath"
            | "numpy.core.umath"
            | "numpy._core.umath"
    ) && lists.exact.get(&("numpy", name)) == Some(&Use::Value)
    {
        return Use::Value;
    }
    for (under, uses) in &lists.under {
        let rest = module.strip_prefix(under);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) && !name.contains("__") {
            return *uses;
        }
    }
    let a_class = name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let like = lists
        .like
        .iter()
        .find(|(pattern, _)| a_class && is_like(module, pattern));
    match like {
        Some((_, uses)) => *uses,
        None => of_library(module, name).unwrap_or_else(|| Use::Unlisted(harm(module, name))),
    }
}

/// The same in a pickle, which may refer to a function of a library and never call it. What other files name is called by
/// who reads them, so there a function stays unlisted.
pub(super) fn referred(module: &str, name: &str) -> Use {
    match look_up(module, name) {
        Use::Unlisted(verdict) if verdict < Verdict::Malicious => match classes::look_up(module, name) {
            Some(class) if class.made == Made::Function => Use::Value,
            Some(class) if class.wild && class.made == Made::New => Use::New,
            _ => Use::Unlisted(verdict),
        },
        uses => uses,
    }
}

/// How a class of the table of libraries may be used.
fn of_library(module: &str, name: &str) -> Option<Use> {
    let last = name.rsplit('.').next().unwrap_or_default();
    if HARM.names.contains(&last) {
        return None;
    }
    let Some(class) = classes::look_up(module, name).filter(|class| !class.wild) else {
        return classes::compiled(module, name).map(|_| Use::Check(Check::Compiled));
    };
    Some(match class.made {
        Made::New => Use::New,
        Made::Member => Use::Check(Check::Member),
        Made::Tuple(most) => Use::Call(0, most),
        Made::Value => Use::Check(Check::Single),
        Made::Error => Use::Call(0, 8),
        Made::Compiled => Use::Value,
        Made::Function => return None,
    })
}

/// Whether a name is on a list of ours, not in the table of libraries.
pub(crate) fn is_ours(module: &str, name: &str) -> bool {
    LISTS.exact.contains_key(&(module, name))
}

/// Whether objects of a class that is on a list of ours may be given items.
pub(crate) fn is_filled(module: &str, name: &str) -> bool {
    LISTS.filled.contains(&(module, name))
}

/// Whether a module's parts are those of a pattern, in which a `*` ends one of them or is all of it.
fn is_like(module: &str, pattern: &str) -> bool {
    let (mut parts, mut wanted) = (module.split('.'), pattern.split('.'));
    loop {
        let fits = match (parts.next(), wanted.next()) {
            (None, None) => return true,
            (Some(part), Some(want)) => match want.strip_suffix('*') {
                Some(start) => part.starts_with(start) && !part.is_empty(),
                None => part == want,
            },
            _ => false,
        };
        if !fits {
            return false;
        }
    }
}

struct Harm {
    modules: Vec<&'static str>,
    builtins: Vec<&'static str>,
    names: Vec<&'static str>,
}

static HARM: LazyLock<Harm> = LazyLock::new(|| {
    let line = |key: &str| {
        let text = include_str!("lists/danger.txt");
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_default().split_whitespace().collect()
    };
    Harm {
        modules: line("modules:"),
        builtins: line("builtins:"),
        names: line("names:"),
    }
});

/// How bad an unlisted import is: harmful names are known, other functions are odd, other classes unknown.
fn harm(module: &str, name: &str) -> Verdict {
    let harm = &*HARM;
    if module == "builtins" {
        let first = name.split('.').next().unwrap_or_default();
        let known = harm.builtins.contains(&first) || name.contains("__");
        return if known {
            Verdict::Malicious
        } else {
            Verdict::Suspicious
        };
    }
    let under = |known: &&&str| {
        module
            .strip_prefix(**known)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    if harm.names.contains(&last) || name.contains("__globals__") || name.contains("__builtins__") {
        return Verdict::Malicious;
    }
    let a_class = last.starts_with(|first: char| first.is_ascii_uppercase());
    match harm.modules.iter().find(under) {
        Some(known) if a_class && known.contains('.') => Verdict::Suspicious,
        Some(_) => Verdict::Malicious,
        // A dotted name walks through attributes: `numpy` has `os` somewhere below it.
        None if name.contains('.') || module.is_empty() => {
            let hops = name.split('.').any(|hop| harm.modules.contains(&hop));
            if hops {
                Verdict::Malicious
            } else {
                Verdict::Suspicious
            }
        }
        None if a_class => Verdict::Unknown,
        None => Verdict::Suspicious,
    }
}

/// numpy's and scipy's universal functions, which `_ufunc_reconstruct` may look up.
pub(crate) fn is_ufunc(module: &str, name: &str) -> bool {
    let plain = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let known = matches!(
        module,
        "numpy"
            | "numpy.core._multiarray_umath"
            | "numpy._core._multiarray_umath"
            | "scipy.special._ufuncs"
            | "scipy.special"
    );
    known && plain && !name.starts_with('_') && look_up("numpy", name) == Use::Value
        || known
            && module.starts_with("scipy")
            && matches!(name, "expit" | "logit" | "erf" | "gammaln" | "xlogy")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_lists_is_understood() {
        for text in TEXTS {
            for line in text
                .lines()
                .filter(|line| !line.starts_with('#') && !line.is_empty())
            {
                let (names, uses) = line.split_once(" : ").expect(line);
                assert!(names.split(' ').count() >= 2 && use_of(uses).is_some(), "{line}");
            }
        }
    }

    #[test]
    fn nothing_that_is_listed_as_harmless_is_known_to_run_code() {
        let runs = [
            "eval",
            "exec",
            "system",
            "__import__",
            "load",
            "loads",
            "open",
            "import_module",
            "run",
        ];
        for ((module, name), uses) in &LISTS.exact {
            let last = name.rsplit('.').next().unwrap_or_default();
            assert!(!runs.contains(&last), "{module}.{name} {uses:?}");
        }
    }

    #[test]
    fn a_name_is_harmless_only_whole() {
        let cases = [
            ("os", "system", Verdict::Malicious),
            ("posix", "system", Verdict::Malicious),
            (
                "collections",
                "OrderedDict.__init__.__globals__",
                Verdict::Malicious,
            ),
            ("collections", "OrderedDict2", Verdict::Unknown),
            ("collections.abc", "OrderedDict", Verdict::Unknown),
            ("numpy", "f2py.os.system", Verdict::Malicious),
            ("torch.hub", "load", Verdict::Malicious),
            ("builtins", "eval", Verdict::Malicious),
            ("__builtin__", "eval", Verdict::Malicious),
            ("os.path", "join", Verdict::Malicious),
            ("osx", "Thing", Verdict::Unknown),
            ("", "x", Verdict::Suspicious),
            ("__torch__", "a.__class__", Verdict::Suspicious),
        ];
        for (module, name, verdict) in cases {
            assert_eq!(look_up(module, name), Use::Unlisted(verdict), "{module}.{name}");
        }
        assert_eq!(look_up("__builtin__", "set"), Use::Call(0, 3));
        assert_eq!(look_up("__torch__.a.b", "Net"), Use::New);
        let bert = "transformers.models.bert.modeling_bert";
        assert_eq!(look_up(bert, "BertModel"), Use::New);
        for (module, name) in [
            (bert, "torch.os.system"),
            (bert, "load_tf_weights_in_bert"),
            (bert, "Bert__x"),
            ("transformers.models.bert.tokenization_bert", "load_vocab"),
            ("transformers.models.bert.modeling_bert.more", "BertModel"),
            ("transformers.models.modeling_bert", "BertModel"),
        ] {
            assert!(
                matches!(look_up(module, name), Use::Unlisted(_)),
                "{module}.{name}"
            );
        }
    }
}
