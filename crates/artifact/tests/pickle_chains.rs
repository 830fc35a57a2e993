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
        (
            "filled late",
            join(&[b"]\x94]\x94(h\x00eh\x00", &one, b"a0h\x01"]),
        ),
        ("a list in a tuple", join(&[b"](", &one, b"e\x85"])),
    ]
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
