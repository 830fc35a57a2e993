//! What Python asks of an object that becomes a key, where the pickle wrote what the object holds: each beside what libraries
//! write. A class of patsy iterates over what it holds to hash it, and one of gensim, told to be iterated over, calls a method
//! of what it holds in turn: tried on CPython, that ran.

mod pickling;

use bartizan_artifact::Verdict;
use pickling::{clean, evil, import, scan, text};

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn made(module: &str, name: &str) -> Vec<u8> {
    join(&[&import(module, name), b")\x81"])
}

/// A class that iterates over what it holds when it is hashed.
fn term() -> Vec<u8> {
    made("patsy.desc", "Term")
}

/// One that hashes by what it is.
fn ridge() -> Vec<u8> {
    made("sklearn.linear_model._ridge", "Ridge")
}

fn called(module: &str, name: &str, arguments: &[&[u8]]) -> Vec<u8> {
    join(&[&import(module, name), b"(", &join(arguments), b"tR"])
}

/// Each place in which a value is asked for its hash.
fn places(key: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let list = join(&[b"](", key, b"e"]);
    let pairs = join(&[b"](", key, b"K\x01\x86e"]);
    vec![
        ("an item", join(&[b"}", key, b"K\x01s"])),
        ("items", join(&[b"}(K\x00K\x00", key, b"K\x01u"])),
        ("DICT", join(&[b"(", key, b"K\x01d"])),
        ("a member", join(&[b"\x8f(K\x00", key, b"\x90"])),
        ("FROZENSET", join(&[b"(", key, b"\x91"])),
        ("set", called("builtins", "set", &[&list])),
        ("frozenset", called("builtins", "frozenset", &[&list])),
        ("Counter", called("collections", "Counter", &[&list])),
        ("pairs", called("collections", "OrderedDict", &[&pairs])),
        ("a tuple", join(&[b"}K\x01", key, b"\x85\x86K\x01s"])),
        ("a set in a set", join(&[b"\x8f((", key, b"\x91\x90"])),
        (
            "a tuple with names",
            join(&[
                b"}",
                &called(
                    "scipy.stats._stats_py",
                    "LinregressResult",
                    &[key, b"K\x01", b"K\x01", b"K\x01", b"K\x01"],
                ),
                b"K\x01s",
            ]),
        ),
        (
            "an ordered dictionary",
            join(&[&called("collections", "OrderedDict", &[]), key, b"K\x01s"]),
        ),
    ]
}

#[test]
fn a_key_that_asks_what_it_holds() {
    for (what, body) in places(&term()) {
        let verdict = scan(&body).verdict;
        assert!(verdict >= Verdict::Unknown, "{what}: {verdict:?}");
    }
}

#[test]
fn a_key_that_may_hold_one_that_asks() {
    for (what, body) in places(&ridge()) {
        let plain = scan(&body);
        assert_eq!(plain.verdict, Verdict::Clean, "{what}: {:#?}", plain.findings);
        for (order, body) in [
            ("after", join(&[&body, &term(), b"\x86"])),
            ("before", join(&[&term(), &body, b"\x86"])),
        ] {
            let verdict = scan(&body).verdict;
            assert!(verdict >= Verdict::Unknown, "{what}, {order}: {verdict:?}");
        }
    }
}

#[test]
fn what_asks_nothing_is_a_key_beside_one_that_would() {
    for (what, key) in [
        ("text", text("a")),
        ("tuple", b"K\x01K\x02\x86".to_vec()),
        ("class", import("sklearn.linear_model._ridge", "Ridge")),
        ("date", called("datetime", "date", &[b"C\x04\x07\xe4\x01\x01"])),
        ("frozen", b"(K\x01K\x02\x91".to_vec()),
    ] {
        clean(what, &join(&[&term(), b"}", &key, b"K\x01s\x86"]));
    }
    clean("as a value", &join(&[b"}", &text("a"), &term(), b"s"]));
    clean("in a list", &join(&[b"](", &term(), &ridge(), b"e"]));
}

#[test]
fn a_class_that_looks_for_a_text_in_its_state_compares_its_elements() {
    let vectorizer = made("networkx.classes.graph", "Graph");
    let state = join(&[&ridge(), &text("a"), b"\x86"]);
    clean("nobody asks", &join(&[&vectorizer, &state, b"b"]));
    let verdict = scan(&join(&[&term(), &vectorizer, &state, b"b\x86"])).verdict;
    assert!(verdict >= Verdict::Unknown, "{verdict:?}");
}

#[test]
fn a_state_of_pairs_makes_keys() {
    let munch = made("munch", "Munch");
    let pairs = join(&[&term(), b"K\x01\x86\x85"]);
    for (what, state) in [
        ("tuple", pairs.clone()),
        ("list", join(&[b"](", &term(), b"K\x01\x86e"])),
    ] {
        let verdict = scan(&join(&[&munch, &state, b"b"])).verdict;
        assert!(verdict >= Verdict::Unknown, "{what}: {verdict:?}");
    }
}

#[test]
fn an_object_is_no_set() {
    evil("set", &called("builtins", "set", &[&term()]));
}
