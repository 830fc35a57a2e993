//! Classes that do more than keep their state: clean in a pickle of their library alone, where nothing can be called, and
//! unknown beside anything else.

mod pickling;

use bartizan_artifact::Verdict;
use pickling::{clean, evil, import, scan, text};

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn made(module: &str, name: &str) -> Vec<u8> {
    join(&[&import(module, name), b")\x81"])
}

/// Its `__setstate__` puts a generator of numbers and a counter where they belong.
fn strategy(held: &[u8]) -> Vec<u8> {
    join(&[&made("cmaes._cma", "CMA"), b"}(", &text("_mean"), held, b"ub"])
}

fn called(module: &str, name: &str, arguments: &[&[u8]]) -> Vec<u8> {
    join(&[&import(module, name), b"(", &join(arguments), b"tR"])
}

fn array() -> Vec<u8> {
    let made = called(
        "numpy._core.multiarray",
        "_reconstruct",
        &[&import("numpy", "ndarray"), b"K\x00\x85", b"C\x01b"],
    );
    let kind = called("numpy", "dtype", &[&text("f8"), b"\x89", b"\x88"]);
    join(&[&made, b"(K\x01K\x01\x85", &kind, b"\x89C\x08\0\0\0\0\0\0\0\0tb"])
}

#[test]
fn plain_values_and_the_librarys_own_objects_are_beside_it() {
    for (what, held) in [
        ("a number", b"K\x01".to_vec()),
        ("a list", join(&[b"](K\x01", &text("a"), b"e"])),
        ("an array", array()),
        ("another of it", made("cmaes._sepcma", "SepCMA")),
        ("a type of numbers", import("numpy", "float64")),
        ("a date", called("datetime", "date", &[b"C\x04\x07\xe4\x01\x01"])),
        ("a dictionary in order", called("collections", "OrderedDict", &[])),
        (
            "a dictionary with a factory",
            called("collections", "defaultdict", &[&import("builtins", "list")]),
        ),
    ] {
        clean(what, &strategy(&held));
    }
}

#[test]
fn anything_else_is_not() {
    let ridge = import("sklearn.linear_model._ridge", "Ridge");
    let own = import("cmaes._cma", "CMA");
    for (what, held) in [
        (
            "an object of another library",
            made("sklearn.linear_model._ridge", "Ridge"),
        ),
        ("a class of another library", ridge.clone()),
        ("a class of its own", own.clone()),
        ("a class in a list", join(&[b"](", &own, b"e"])),
        ("a class in a tuple", join(&[&own, b"\x85"])),
        (
            "a class in a tuple in a tuple",
            join(&[b"K\x01", &own, b"\x85\x86"]),
        ),
        ("a class in a set", join(&[b"\x8f(", &own, b"\x90"])),
        ("a class as a key", join(&[b"}", &own, b"K\x01s"])),
        ("a function", import("numpy", "sin")),
        ("a function of Python", import("builtins", "len")),
        (
            "a partial",
            called("functools", "partial", &[&import("numpy", "sin")]),
        ),
        ("a path", called("pathlib", "PosixPath", &[&text("a")])),
        (
            "what picks items",
            called("operator", "itemgetter", &[&text("a")]),
        ),
        (
            "a dictionary with a factory that is a class",
            called("collections", "defaultdict", &[&own]),
        ),
        (
            "a class that is given",
            called("collections", "OrderedDict", &[&own]),
        ),
    ] {
        for (order, body) in [
            ("within", strategy(&held)),
            ("before", join(&[b"](", &held, &strategy(b"K\x01"), b"e"])),
            ("after", join(&[b"](", &strategy(b"K\x01"), &held, b"e"])),
        ] {
            let verdict = scan(&body).verdict;
            assert!(verdict >= Verdict::Unknown, "{what}, {order}: {verdict:?}");
        }
    }
}

#[test]
fn a_state_that_can_be_called() {
    let own = import("cmaes._cma", "CMA");
    let verdict = scan(&join(&[&own, b")\x81", &own, b"b"])).verdict;
    assert!(verdict >= Verdict::Unknown, "{verdict:?}");
}

#[test]
fn a_class_that_is_called_is_not_read() {
    evil("called", &called("cmaes._cma", "CMA", &[b"K\x01"]));
}
