//! Each way past a pickle scanner as bytes that must be caught, each beside honest bytes that must not.

use bartizan_artifact::{Limits, Report, Verdict, model};
use proptest::prelude::*;

fn scan(name: &str, bytes: &[u8]) -> Report {
    model(name, &bytes.to_vec(), &Limits::default())
}

fn check(what: &str, bytes: &[u8], verdict: Verdict, rule: &str) {
    let report = scan("x.pkl", bytes);
    assert_eq!(report.verdict, verdict, "{what}: {:#?}", report.findings);
    assert!(
        report.findings.iter().any(|finding| finding.rule.id == rule),
        "{what}: {:#?}",
        report.findings
    );
}

fn clean(what: &str, bytes: &[u8]) {
    let report = scan("x.pkl", bytes);
    assert_eq!(report.verdict, Verdict::Clean, "{what}: {:#?}", report.findings);
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x8c, text.len() as u8];
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn import(module: &str, name: &str) -> Vec<u8> {
    [text(module), text(name), vec![0x93]].concat()
}

fn call(function: &[u8], arguments: &[&[u8]]) -> Vec<u8> {
    [function, b"(", &arguments.concat(), b"tR"].concat()
}

fn whole(body: &[u8]) -> Vec<u8> {
    [b"\x80\x04", body, b"."].concat()
}

fn system() -> Vec<u8> {
    call(&import("os", "system"), &[&text("true")])
}

#[test]
fn an_import_that_runs_code_is_malicious_in_every_form_of_call() {
    let forms: [(&str, Vec<u8>); 8] = [
        ("reduce", whole(&system())),
        ("global", b"cos\nsystem\n(S'true'\ntR.".to_vec()),
        ("inst", b"(S'true'\nios\nsystem\n.".to_vec()),
        ("obj", b"(cos\nsystem\nS'true'\no.".to_vec()),
        (
            "newobj",
            whole(&[&import("os", "system")[..], &text("true"), b"\x85\x81"].concat()),
        ),
        (
            "newobj_ex",
            whole(&[&import("os", "system")[..], b")}\x92"].concat()),
        ),
        ("never called", whole(&import("os", "system"))),
        ("popped", whole(&[&system()[..], b"0N"].concat())),
    ];
    for (form, bytes) in forms {
        check(form, &bytes, Verdict::Malicious, "pickle/dangerous-import");
    }
}

#[test]
fn what_runs_before_a_break_is_found() {
    for end in [
        &b""[..],
        b"h\x63.",
        b"\xfe.",
        b"000000.",
        b"X\xff\xff\xff\x7f",
        b"\x80\x09.",
    ] {
        let bytes = [b"\x80\x04", &system()[..], end].concat();
        check("break", &bytes, Verdict::Malicious, "pickle/breaks");
    }
    check("cut", b"\x80\x04](K\x01K\x02", Verdict::Unknown, "pickle/breaks");
}

#[test]
fn names_are_read_through_memo_escapes_and_copies() {
    let command = text("true");
    let cases: [(&str, Vec<u8>); 5] = [
        (
            "memo",
            [
                &text("system")[..],
                b"q\x05",
                &text("os"),
                b"q\x060",
                b"0h\x06h\x05\x93",
            ]
            .concat(),
        ),
        (
            "sparse memo",
            [
                &text("os")[..],
                b"r\xff\xff\xff\x7f0j\xff\xff\xff\x7f",
                &text("system"),
                b"\x93",
            ]
            .concat(),
        ),
        (
            "rebound memo",
            [
                &text("collections")[..],
                b"q\0",
                b"0",
                &text("os"),
                b"q\0",
                b"0h\0",
                &text("system"),
                b"\x93",
            ]
            .concat(),
        ),
        ("unicode escape", b"V\\u006f\\u0073\nV\\u0073ystem\n\x93".to_vec()),
        ("string escape", b"S'\\x6f\\163'\nS\"system\"\n\x93".to_vec()),
    ];
    for (what, name) in cases {
        let bytes = whole(&[&name[..], &command, b"\x85R"].concat());
        check(what, &bytes, Verdict::Malicious, "pickle/dangerous-import");
    }
    let made = call(&import("builtins", "str"), &[&text("os")]);
    let bytes = whole(&[&made[..], &text("system"), b"\x93"].concat());
    check(
        "a name that is an object",
        &bytes,
        Verdict::Malicious,
        "pickle/computed-import",
    );
}

#[test]
fn names_are_found_after_the_table_of_texts_is_full() {
    let mut body = b"](".to_vec();
    for number in 0..40_000 {
        body.extend_from_slice(&text(&format!("name_{number}")));
    }
    body.extend_from_slice(b"e0");
    clean("texts", &whole(&[&body[..], b"N"].concat()));
    let evil = whole(&[&body[..], &system()].concat());
    check(
        "after texts",
        &evil,
        Verdict::Malicious,
        "pickle/dangerous-import",
    );
    let good = whole(&[&body[..], &call(&import("collections", "OrderedDict"), &[])].concat());
    clean("a harmless import after texts", &good);
}

#[test]
fn harmless_names_can_not_be_made_to_reach_others() {
    let getattr = import("builtins", "getattr");
    let ordered = import("collections", "OrderedDict");
    let globals = call(
        &getattr,
        &[
            &call(&getattr, &[&ordered, &text("__init__")]),
            &text("__globals__"),
        ],
    );
    let cases: [(&str, Vec<u8>); 6] = [
        ("attributes", globals),
        (
            "of an object",
            call(&getattr, &[&call(&ordered, &[]), &text("popitem")]),
        ),
        (
            "handed on",
            call(&import("functools", "partial"), &[&getattr, &text("x")]),
        ),
        ("in a list", [b"](", &getattr[..], b"e"].concat()),
        (
            "ufunc",
            call(
                &import("numpy.core", "_ufunc_reconstruct"),
                &[&text("os"), &text("system")],
            ),
        ),
        (
            "newobj",
            call(
                &import("copyreg", "__newobj__"),
                &[&import("copyreg", "_reconstructor"), &text("x")],
            ),
        ),
    ];
    for (what, body) in cases {
        let report = scan("x.pkl", &whole(&body));
        assert_eq!(
            report.verdict,
            Verdict::Malicious,
            "{what}: {:#?}",
            report.findings
        );
    }
    let dotted = whole(&import("numpy", "f2py.os.system"));
    check("dotted", &dotted, Verdict::Malicious, "pickle/dangerous-import");
    let honest = call(
        &import("numpy.core", "_ufunc_reconstruct"),
        &[&text("numpy"), &text("log1p")],
    );
    clean("a real ufunc", &whole(&honest));
}

#[test]
fn what_was_imported_may_not_be_changed() {
    let ordered = import("collections", "OrderedDict");
    for body in [
        [&ordered[..], b"}", &text("x"), b"Nsb"].concat(),
        [&ordered[..], &text("x"), b"Ns"].concat(),
        [&ordered[..], b"Na"].concat(),
    ] {
        check(
            "change",
            &whole(&body),
            Verdict::Malicious,
            "pickle/patches-import",
        );
    }
    let object = call(&ordered, &[]);
    clean(
        "items of an object",
        &whole(&[&object[..], &text("x"), b"Ns"].concat()),
    );
}

#[test]
fn odd_ways_in_are_not_clean() {
    check(
        "extension",
        &whole(b"\x82\x01"),
        Verdict::Suspicious,
        "pickle/extension-registry",
    );
    check(
        "persistent id",
        b"Pevil\n.",
        Verdict::Unknown,
        "pickle/persistent-id",
    );
    check(
        "arity",
        &whole(&call(&import("collections", "Counter"), &[b"N", b"N", b"N"])),
        Verdict::Suspicious,
        "pickle/arity",
    );
    check(
        "call of an object",
        &whole(b"])R"),
        Verdict::Suspicious,
        "pickle/calls-object",
    );
    let straddle = [&b"\x80\x04\x95\x03\0\0\0\0\0\0\0"[..], &text("a text"), b"."].concat();
    check("frame", &straddle, Verdict::Suspicious, "pickle/frame-straddle");
    check(
        "unlisted",
        &whole(&import("somebody.model", "Net")),
        Verdict::Unknown,
        "pickle/unlisted-import",
    );
    check(
        "trailing",
        b"\x80\x04N.\xff\xff\xff",
        Verdict::Unknown,
        "pickle/trailing-bytes",
    );
}

#[test]
fn pickles_within_and_behind_are_followed() {
    let evil = whole(&system());
    let good = whole(b"N");
    let inside = |bytes: &[u8]| whole(&[&[b'C', bytes.len() as u8], bytes].concat());
    assert_eq!(scan("x", &inside(&evil)).verdict, Verdict::Malicious);
    clean("an honest pickle within", &inside(&good));
    assert_eq!(
        scan("x", &[&good[..], &evil].concat()).verdict,
        Verdict::Malicious
    );
    clean("two honest pickles", &[&good[..], &good].concat());
    let hex: String = evil.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(scan("x", &whole(&text(&hex))).verdict, Verdict::Malicious);
    clean("a digest", &whole(&text(&"8004ab".repeat(8))));
    let mut deep = evil;
    for _ in 0..40 {
        deep = whole(&[&b"B"[..], &(deep.len() as u32).to_le_bytes(), &deep].concat());
    }
    assert_ne!(scan("x", &deep).verdict, Verdict::Clean);
}

#[test]
fn a_tar_whose_first_name_is_opcodes_is_a_pickle_too() {
    let tar = |name: &[u8]| {
        let mut block = vec![0_u8; 512];
        block[..name.len()].copy_from_slice(name);
        block[124..135].copy_from_slice(b"00000000000");
        block[148..156].copy_from_slice(b"        ");
        block[156] = b'0';
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block.extend(vec![0; 1024]);
        block
    };
    let evil = tar(b"cos\nsystem\n(S'true'\ntR.");
    check("tar", &evil, Verdict::Malicious, "file/two-readings");
    clean("an honest tar", &tar(b"cos/model"));
}

#[test]
fn arrays_in_joblib_files_are_stepped_over_exactly() {
    let dtype = |kind: &str| call(&import("numpy", "dtype"), &[&text(kind), b"\x89", b"\x88"]);
    let array = |kind: &str, size: u8, bytes: &[u8]| {
        let class = import("joblib.numpy_pickle", "NumpyArrayWrapper");
        let state = [
            &text("shape")[..],
            &[b'K', size, 0x85],
            &text("dtype"),
            &dtype(kind),
        ]
        .concat();
        whole(&[&class[..], b")\x81}(", &state, b"ub", bytes].concat())
    };
    clean("numbers", &array("f8", 2, &[0xff; 16]));
    let code = [&system()[..], b"."].concat();
    let both = array("u1", code.len() as u8, &code);
    check(
        "numbers that are opcodes",
        &both,
        Verdict::Malicious,
        "file/two-readings",
    );
    check(
        "objects",
        &array("O8", 1, &whole(&system())),
        Verdict::Malicious,
        "pickle/dangerous-import",
    );
    clean("honest objects", &array("O8", 1, &whole(b"](K\x01e")));
    check(
        "a size past the end",
        &array("f8", 200, b""),
        Verdict::Unknown,
        "pickle/breaks",
    );
    check(
        "after",
        &array("f8", 1, &[&[0; 8][..], b"0", &system()].concat()),
        Verdict::Malicious,
        "pickle/dangerous-import",
    );
}

#[test]
fn a_hostile_file_costs_no_more_than_its_size() {
    // Memo entries far apart, opcodes that memoize, marks, tuples: each of them a way to ask for memory.
    let mut far = b"\x80\x04N".to_vec();
    for number in 0..200_000_u32 {
        far.push(b'r');
        far.extend_from_slice(&(number.wrapping_mul(2_654_435_761)).to_le_bytes());
    }
    far.push(b'.');
    clean("sparse memo", &far);
    let body = [&b"N\x94"[..]].repeat(300_000).concat();
    clean("many entries", &whole(&body));
    clean("many marks", &whole(&[&b"(".repeat(300_000)[..], b"N"].concat()));
    let wraps = b"\x85".repeat(300_000);
    clean("nested tuples", &whole(&[b"N", &wraps[..]].concat()));
}

proptest! {
    #[test]
    fn any_bytes_are_judged_within_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let report = scan("x.pkl", &bytes);
        prop_assert!(report.opcodes <= 40 * (bytes.len() as u64 + 1));
    }

    #[test]
    fn opcodes_in_any_order_never_panic(codes in proptest::collection::vec(
        proptest::sample::select(b"(.012FIJKLMNPQRSTUVXabcd}eghijloprs)tu]G\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98\nos ".to_vec()), 0..200)) {
        let mut bytes = b"\x80\x04".to_vec();
        bytes.extend(codes);
        scan("x.pkl", &bytes);
    }

    #[test]
    fn no_cut_and_no_flipped_byte_makes_an_attack_clean(cut in 20_usize..60, flip in 0_usize..8) {
        // The import is whole before the cut: whatever happens after it, it would have run.
        let evil = [&b"\x80\x04"[..], &system(), &[b'0'; 40], b"N."].concat();
        let attack = system().len() + 2;
        let mut bytes = evil.get(..(attack + cut % 40)).unwrap_or(&evil).to_vec();
        if let Some(byte) = bytes.get_mut(attack + flip) {
            *byte ^= 0x55;
        }
        prop_assert_eq!(scan("x.pkl", &bytes).verdict, Verdict::Malicious);
    }
}

#[test]
fn a_bzip2_stream_whose_lengths_wrap_is_judged_and_not_fatal() {
    let seed = include_bytes!("../../../fuzz/corpus/artifact_model/bzip2_wraps");
    assert_ne!(
        scan("x.pkl", seed.get(1..).unwrap_or_default()).verdict,
        Verdict::Clean
    );
}
