//! What Python asks of an object while a pickle fills it, answered by the pickle itself: each beside what a library writes.
//!
//! `__setstate__`, `extend`, `append` and `add` are looked up on the object, whose state may hold a class under that name,
//! which is then called; a state with slots runs setters; items run methods of the class; a dictionary with a factory makes
//! what a class looks for in it. Each of these was tried on CPython's two unpicklers, and ran.

mod pickling;

use pickling::{clean, evil, import, text};

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A class that builds programs when it is called, and is harmless when it is made and filled.
fn model_class() -> Vec<u8> {
    import("cmdstanpy.model", "CmdStanModel")
}

fn relu() -> Vec<u8> {
    join(&[&import("torch.nn.modules.activation", "ReLU"), b")\x81"])
}

fn counts() -> Vec<u8> {
    join(&[&import("nltk.probability", "FreqDist"), b")\x81"])
}

fn ridge() -> Vec<u8> {
    join(&[&import("sklearn.linear_model._ridge", "Ridge"), b")\x81"])
}

fn called(module: &str, name: &str, argument: &[u8]) -> Vec<u8> {
    join(&[&import(module, name), argument, b"\x85R"])
}

#[test]
fn a_state_that_says_how_the_next_one_is_taken() {
    let named = |name: &[u8], value: &[u8]| join(&[&relu(), b"}", name, value, b"sb", &text("x.stan"), b"b"]);
    evil("a class", &named(&text("__setstate__"), &model_class()));
    evil("an object", &named(&text("__setstate__"), &ridge()));
    clean(
        "an attribute",
        &join(&[&relu(), b"}", &text("inplace"), b"\x89sb"]),
    );
    clean(
        "a word of a vocabulary",
        &join(&[b"}", &text("__setstate__"), b"K\x01s", &text("add"), b"K\x02s"]),
    );
    // The name is made, not read.
    for (what, name) in [
        ("str", called("builtins", "str", &text("__setstate__"))),
        ("numpy", called("numpy", "str_", &text("__setstate__"))),
        (
            "encode",
            join(&[
                &import("_codecs", "encode"),
                &text("__setstate__"),
                &text("latin1"),
                b"\x86R",
            ]),
        ),
    ] {
        evil(what, &named(&name, &model_class()));
    }
    let keyed = join(&[b"}", &called("numpy", "str_", &text("a")), &ridge(), b"s"]);
    clean("estimators by names of numpy", &keyed);
    evil("as a state", &join(&[&relu(), &keyed, b"b"]));
    // It is known however many texts come between.
    let many: Vec<u8> = (0..20_000)
        .flat_map(|number| [text(&format!("t{number}")), b"0".to_vec()].concat())
        .collect();
    let late = join(&[
        &many,
        &relu(),
        b"}(",
        &text("__setstate__"),
        &many,
        &model_class(),
        b"ub",
        &text("x"),
        b"b",
    ]);
    evil("late", &late);
}

#[test]
fn a_state_that_says_how_items_are_added() {
    for name in ["extend", "append", "add"] {
        let body = join(&[
            &counts(),
            b"}",
            &text(name),
            &model_class(),
            b"sb(",
            &text("x.stan"),
            b"e",
        ]);
        evil(name, &body);
    }
    clean(
        "counts",
        &join(&[&counts(), b"(", &text("a"), b"K\x02u}", &text("_N"), b"Nsb"]),
    );
    let parts = join(&[b"}", &text("add"), &relu(), b"s"]);
    clean(
        "a part by that name",
        &join(&[&relu(), b"}", &text("_modules"), &parts, b"sb"]),
    );
}

#[test]
fn items_that_a_class_takes_its_own_way() {
    for class in [
        ("torch.nn.modules.container", "ModuleDict"),
        ("pandas", "DataFrame"),
    ] {
        let made = join(&[&import(class.0, class.1), b")\x81"]);
        evil("items", &join(&[&made, &text("x"), &relu(), b"s"]));
        evil("elements", &join(&[&made, &relu(), b"a"]));
        evil("members", &join(&[&made, b"(", &relu(), b"\x90"]));
    }
    clean(
        "a dictionary by attributes",
        &join(&[&import("munch", "Munch"), b")\x81", &text("x"), b"K\x01s"]),
    );
}

#[test]
fn a_state_that_makes_up_what_is_looked_for() {
    let factory = |of: &[u8]| called("collections", "defaultdict", of);
    evil("as a state", &join(&[&ridge(), &factory(&model_class()), b"b"]));
    let within = join(&[
        &ridge(),
        b"}",
        &text("counts"),
        &factory(&import("builtins", "int")),
        b"sb",
    ]);
    clean("in a state", &within);
    let version = |version: &[u8]| join(&[&ridge(), b"}", &text("_sklearn_version"), version, b"sb"]);
    clean("a version", &version(&text("1.9.1")));
    let lines = import("gensim.models.word2vec", "LineSentence");
    evil(
        "a version that compares itself",
        &version(&join(&[&lines, b")\x81"])),
    );
}

#[test]
fn slots_are_set_where_a_class_has_them() {
    let slots = |class: (&str, &str)| {
        join(&[
            &import(class.0, class.1),
            b")\x81N}",
            &text("data"),
            b"K\x01s\x86b",
        ])
    };
    evil("no slots, and setters", &slots(SETTERS));
    clean("slots", &slots(SLOTTED));
}

/// A class with setters that do more than set, and one that has slots.
const SETTERS: (&str, &str) = ("river.linear_model.base", "GLM");
const SLOTTED: (&str, &str) = ("networkx.algorithms.flow.utils", "Level");

#[test]
fn members_of_enumerations_are_found_by_plain_values() {
    let kind = || import("networkx.algorithms.tree.mst", "EdgePartition");
    clean("by value", &join(&[&kind(), b"K\x01\x85R"]));
    let by_name = |name: &str| join(&[&import("builtins", "getattr"), &kind(), &text(name), b"\x86R"]);
    clean("by name", &by_name("OPEN"));
    clean("kept", &join(&[b"]", &kind(), b"a"]));
    evil("by an object", &join(&[&kind(), &ridge(), b"\x85R"]));
    evil("by a list", &join(&[&kind(), b"]\x85R"]));
    evil("a new one", &join(&[&kind(), &text("x"), &text("y"), b"\x86R"]));
    evil("by its insides", &by_name("__class__"));
    evil("by its insides", &by_name("_missing_"));
    evil("called", &join(&[&by_name("from_bytes"), &text("x"), b"\x85R"]));
}
