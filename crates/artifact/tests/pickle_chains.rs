//! What the file wrote, in lists and behind the names of methods: who is given such a list asks its objects for their texts
//! and lengths, and what is bound to a class makes it with arguments that nobody read its `__init__` for.

mod pickling;

use bartizan_artifact::Verdict;
use pickling::{clean, evil, import, scan, text};

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn called(module: &str, name: &str, arguments: &[&[u8]]) -> Vec<u8> {
    join(&[&import(module, name), b"(", &join(arguments), b"tR"])
}

/// A layer whose text is what its state says.
fn layer() -> Vec<u8> {
    let state = join(&[b"}(", &text("_modules"), b"}", &text("training"), b"\x88u"]);
    join(&[
        &import("torch.nn.modules.module", "Module"),
        b")\x81",
        &state,
        b"b",
    ])
}

/// Lists in which it stands.
fn lists() -> Vec<(&'static str, Vec<u8>)> {
    let one = layer();
    vec![
        ("APPENDS", join(&[b"](", &one, b"e"])),
        ("APPEND", join(&[b"]", &one, b"a"])),
        ("LIST", join(&[b"(", &one, b"l"])),
        ("a list in a list", join(&[b"](](", &one, b"ee"])),
        ("a tuple in a list", join(&[b"](", &one, b"\x85e"])),
        ("tuples in a list", join(&[b"](", &one, b"\x85\x85\x85\x85e"])),
        ("a value", join(&[b"}", &text("k"), &one, b"s"])),
        // The inner list is in the outer one when it is filled.
        ("filled late", join(&[b"]\x940](h\x00eh\x00", &one, b"a0"])),
        ("a list in a tuple", join(&[b"](", &one, b"e\x85"])),
        // As before, with a tuple between the two.
        (
            "filled late in a tuple",
            join(&[b"]\x940](h\x00\x85eh\x00", &one, b"a0"]),
        ),
        ("an OrderedDict", ordered(&one)),
        ("a defaultdict", by_default(&one)),
        (
            "a deque",
            join(&[&called("collections", "deque", &[]), b"(", &one, b"e"]),
        ),
        ("an OrderedDict in a list", join(&[b"](", &ordered(&one), b"e"])),
        ("a list in an OrderedDict", ordered(&join(&[b"](", &one, b"e"]))),
        ("an array", objects(&one)),
        ("an array in a list", join(&[b"](", &objects(&one), b"e"])),
    ]
}

fn ordered(value: &[u8]) -> Vec<u8> {
    join(&[
        &called("collections", "OrderedDict", &[]),
        b"(",
        &text("k"),
        value,
        b"u",
    ])
}

/// A dictionary with a factory, filled.
fn by_default(value: &[u8]) -> Vec<u8> {
    let factory = import("builtins", "list");
    join(&[
        &called("collections", "defaultdict", &[&factory]),
        b"(",
        &text("k"),
        value,
        b"u",
    ])
}

/// An array of one object.
fn objects(value: &[u8]) -> Vec<u8> {
    let made = called(
        "numpy._core.multiarray",
        "_reconstruct",
        &[&import("numpy", "ndarray"), b"K\x00\x85", b"C\x01b"],
    );
    let kind = called("numpy", "dtype", &[&text("O8"), b"\x89", b"\x88"]);
    join(&[&made, b"(K\x01K\x01\x85", &kind, b"\x89](", value, b"etb"])
}

#[test]
fn what_one_container_holds_no_other_does() {
    let table = called("pyarrow.lib", "chunked_array", &[b"](K\x01e"]);
    let tree = called(
        "sklearn.tree._tree",
        "Tree",
        &[b"K\x01", &objects(b"K\x01"), b"K\x01"],
    );
    for (what, holder) in [
        ("an OrderedDict", ordered(&layer())),
        ("a defaultdict", by_default(&layer())),
        ("a list", join(&[b"](", &layer(), b"e"])),
        ("an array", objects(&layer())),
    ] {
        clean(what, &join(&[b"(", &holder, &table, &tree, b"t"]));
    }
    let hooks = called("collections", "OrderedDict", &[]);
    let parameter = called("torch._utils", "_rebuild_parameter", &[b"N", b"\x88", &hooks]);
    clean("hooks", &join(&[b"(", &ordered(&layer()), &parameter, b"t"]));
}

#[test]
fn a_list_of_what_the_file_wrote() {
    for (what, list) in lists() {
        for (module, name) in [
            ("numpy", "str_"),
            ("numpy", "float64"),
            ("ipaddress", "IPv4Address"),
        ] {
            let report = scan(&called(module, name, &[&list]));
            assert!(report.verdict > Verdict::Clean, "{what}, {module}.{name}");
        }
    }
}

#[test]
fn a_list_of_numbers_is_one() {
    clean("a list", &join(&[b"](", &layer(), b"e"]));
    clean("a text", &called("numpy", "str_", &[&text("a")]));
    clean(
        "layers beside",
        &join(&[b"(", &layer(), &called("numpy", "str_", &[&text("a")]), b"t"]),
    );
    clean("members", &called("builtins", "set", &[b"](K\x01K\x02e"]));
}

#[test]
fn what_is_bound_to_a_class() {
    let bound =
        |module: &str, name: &str| called("functools", "partial", &[&import(module, name), &text("x")]);
    evil(
        "a class of the table",
        &bound("sklearn.linear_model._ridge", "Ridge"),
    );
    clean("a layer", &bound("torch.nn.modules.linear", "Linear"));
}
