//! Classes of libraries that run nothing of what a pickle gives them, from a table that `bench/artifacts/inert.py` writes
//! of the libraries' own sources. What is not in it is not known.
//!
//! The table's lines are sorted by module, each with the names of its classes; letters behind a `/` say how a class is made
//! when it is not `cls.__new__(cls)`, and what may be asked of its objects beyond their state.

const TABLE: &str = include_str!("lists/inert.txt");

/// How a class of the table is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// By `cls.__new__(cls)`.
    New,
    /// A member of an enumeration, by its value or its name.
    Member,
    /// A tuple with names for its elements, by at most so many.
    Tuple(u8),
    /// A text or a number, by one.
    Value,
    /// An error, called with anything: it keeps it.
    Error,
    /// By the function that Cython wrote beside it.
    Compiled,
    /// Not at all: a function, which may be referred to.
    Function,
}

/// What is known of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) made: Made,
    /// It is a list, a dictionary or a set, and adding to it does no more than add.
    pub(crate) filled: bool,
    /// It keeps what it has in slots, and setting its attributes does no more than set.
    pub(crate) slots: bool,
    /// It reads its state itself.
    pub(crate) reads: bool,
    /// As a key, it asks what it holds for more than whether it equals another.
    pub(crate) asks: bool,
    /// It does more than keep its state, or is no more than called: only in a pickle of its library alone.
    pub(crate) wild: bool,
    /// There it may be called, with anything that such a pickle holds.
    pub(crate) calls: bool,
    /// There it may be given items and slots, though it does more than keep them.
    pub(crate) takes: bool,
    /// It may not be there.
    pub(crate) apart: bool,
}

/// What is known of `module.name`.
pub(crate) fn look_up(module: &str, name: &str) -> Option<Class> {
    if name.is_empty() || name.contains([' ', '/', '\n']) || module.contains(['#', ' ', '\n']) {
        return None;
    }
    line_of(module)?.split(' ').find_map(|entry| {
        let (listed, marks) = entry.split_once('/').unwrap_or((entry, ""));
        (listed == name).then(|| class_of(marks)).flatten()
    })
}

/// Whether `module.name` is what Cython wrote to make objects of the class that it returns.
pub(crate) fn compiled<'n>(module: &str, name: &'n str) -> Option<&'n str> {
    let class = name.strip_prefix("__pyx_unpickle_")?;
    let known = look_up(module, class)?;
    (known.made == Made::Compiled).then_some(class)
}

fn class_of(marks: &str) -> Option<Class> {
    let mut class = Class {
        made: Made::New,
        filled: false,
        slots: false,
        reads: false,
        asks: false,
        wild: marks.contains('w') || marks.contains('g') && !marks.contains('f'),
        calls: marks.contains(['g', 'k']),
        takes: marks.contains(['w', 'j']),
        apart: marks.contains('n'),
    };
    let digits = marks.trim_matches(|mark: char| !mark.is_ascii_digit());
    for mark in marks.chars() {
        match mark {
            'e' => class.made = Made::Member,
            't' => class.made = Made::Tuple(digits.parse().ok()?),
            'v' => class.made = Made::Value,
            'x' => class.made = Made::Error,
            'c' => class.made = Made::Compiled,
            'f' | 'g' => class.made = Made::Function,
            'i' => class.filled = true,
            's' => class.slots = true,
            'o' => class.reads = true,
            'h' => class.asks = true,
            '0'..='9' | 'w' | 'k' | 'j' | 'n' => {}
            _ => return None,
        }
    }
    Some(class)
}

/// The classes of a module: the line that begins with it, found by halves.
fn line_of(module: &str) -> Option<&'static str> {
    let (mut low, mut high) = (0, TABLE.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let before = TABLE.as_bytes().get(low..middle)?;
        let back = before.iter().rposition(|byte| *byte == b'\n');
        let start = back.map_or(low, |back| low + back + 1);
        let line = TABLE.get(start..)?.split('\n').next()?;
        let (listed, names) = line.split_once(' ').unwrap_or((line, ""));
        match listed.as_bytes().cmp(module.as_bytes()) {
            std::cmp::Ordering::Equal => return Some(names),
            std::cmp::Ordering::Less => low = start + line.len() + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_sorted_found_and_understood() {
        let mut before = "";
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let (module, names) = line.split_once(' ').expect(line);
            assert!(before < module, "{before} {module}");
            before = module;
            assert_eq!(line_of(module), Some(names), "{module}");
            for entry in names.split(' ') {
                let (name, marks) = entry.split_once('/').unwrap_or((entry, ""));
                assert!(class_of(marks).is_some(), "{module} {entry}");
                assert!(look_up(module, name).is_some(), "{module} {entry}");
            }
        }
        for (module, name) in [
            ("", "x"),
            ("zzzz", "Class"),
            ("#", "Written"),
            ("builtins", "eval"),
            ("sklearn", ""),
        ] {
            assert_eq!(look_up(module, name), None, "{module} {name}");
        }
    }

    #[test]
    fn marks_say_how_a_class_is_made() {
        let made = |marks| class_of(marks).map(|class| class.made);
        assert_eq!(made(""), Some(Made::New));
        assert_eq!(made("t12"), Some(Made::Tuple(12)));
        assert_eq!(made("t3n"), Some(Made::Tuple(3)));
        assert_eq!(made("fg"), Some(Made::Function));
        assert_eq!(made("e"), Some(Made::Member));
        assert_eq!(made("t"), None);
        assert_eq!(made("z"), None);
        assert!(class_of("ois").is_some_and(|class| class.filled && class.slots && class.reads));
        assert!(class_of("wk").is_some_and(|class| class.wild && class.calls && class.takes && !class.apart));
        assert!(class_of("g").is_some_and(|class| class.wild && class.calls));
        assert!(class_of("fg").is_some_and(|class| !class.wild && class.calls));
    }
}
