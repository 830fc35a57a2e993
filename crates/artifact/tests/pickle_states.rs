//! Listed names used as no pickler uses them: each beside the honest use, which has to stay clean.
//!
//! Libraries run or evaluate parts of what an object is given, call what they are handed, and ask objects for their
//! elements. joblib's stand-ins say how many bytes of the stream are numbers, and a scanner that counts others reads another
//! file.

mod building;
mod pickling;

use bartizan_artifact::{Limits, Report, Verdict, model};
use building::{built, call, dict};
use pickling::{clean, evil, import, text};

fn scan(name: &str, bytes: &[u8]) -> Report {
    model(name, &bytes.to_vec(), &Limits::default())
}

fn made(class: &[u8], arguments: &[&[u8]]) -> Vec<u8> {
    [class, b"(", &arguments.concat(), b"t\x81"].concat()
}

fn whole(body: &[u8]) -> Vec<u8> {
    [b"\x80\x04", body, b"."].concat()
}

fn system() -> Vec<u8> {
    call(&import("os", "system"), &[&text("true")])
}

/// An object whose class asks for a file when it is iterated, and whose state says for which.
fn lines() -> Vec<u8> {
    built(
        &import("gensim.models.word2vec", "LineSentence"),
        &dict(&[("source", &text("http://127.0.0.1/x"))]),
    )
}

const TEMPLATE: &str = "\ndef _parse_args(self, a,  loc=0, scale=1):\n    return (a, ), loc, scale\n\n\
    def _parse_args_rvs(self, a,  loc=0, scale=1, size=None):\n    return self._argcheck_rvs(a,  loc, scale, size=size)\n\n\
    def _parse_args_stats(self, a,  loc=0, scale=1, moments='mv'):\n    return (a, ), loc, scale, moments\n";

#[test]
fn scipys_distributions_run_their_state() {
    let class = import("scipy.stats._continuous_distns", "gamma_gen");
    let state = |template: &str| {
        let name = text("gamma");
        dict(&[
            ("name", &name),
            ("_parse_arg_template", &text(template)),
            ("shapes", &text("a")),
        ])
    };
    clean("honest", &built(&class, &state(TEMPLATE)));
    let frozen = import("scipy.stats._distn_infrastructure", "rv_continuous_frozen");
    clean(
        "frozen",
        &built(&frozen, &dict(&[("dist", &built(&class, &state(TEMPLATE)))])),
    );
    let method = [
        &class[..],
        b")\x81q\x01",
        &dict(&[("_parse_arg_template", &text(TEMPLATE))]),
        &text("_entropy_of"),
        &import("builtins", "getattr"),
        b"h\x01",
        &text("_entropy"),
        b"\x86Rsb",
    ]
    .concat();
    clean("a method of its own", &method);
    let called = [
        &import("builtins", "getattr")[..],
        &class,
        b")\x81",
        &text("_x"),
        b"\x86R)R",
    ]
    .concat();
    evil("a method that is called", &called);
    evil("another program", &built(&class, &state("import os")));
    evil(
        "a program behind it",
        &built(&class, &state(&format!("{TEMPLATE}import os\n"))),
    );
    evil("none", &built(&class, b"}"));
    evil("no state that can be read", &built(&class, b"N"));
    // Later items win, whether there is room to keep them or not.
    let twice = [
        &state(TEMPLATE)[..],
        &text("_parse_arg_template"),
        &text("import os"),
        b"s",
    ]
    .concat();
    evil("set twice", &built(&class, &twice));
    let filler: Vec<u8> = (0..100)
        .flat_map(|number| [text(&format!("k{number}")), b"N".to_vec()].concat())
        .collect();
    let many = [
        &state(TEMPLATE)[..],
        b"(",
        &filler,
        &text("_parse_arg_template"),
        &text("import os"),
        b"u",
    ]
    .concat();
    evil("set among many", &built(&class, &many));
    // The dictionary was there, with its program, before the class was.
    let before = [
        &dict(&[("_parse_arg_template", &text("import os"))])[..],
        b"q\x010",
    ]
    .concat();
    let after = [b"h\x01", &text("name")[..], b"Ns"].concat();
    evil("filled before", &[before, built(&class, &after)].concat());
    // `dict.update` takes pairs as well as a dictionary.
    let pairs = [
        b"](",
        &text("_parse_arg_template")[..],
        &text("import os"),
        b"\x86e",
    ]
    .concat();
    evil("pairs", &built(&class, &pairs));
    let found_first = dict(&[
        ("_parse_arg_template", &text(TEMPLATE)),
        ("_attach_methods", &import("builtins", "list")),
    ]);
    evil("its own method", &built(&class, &found_first));
    evil("handed on", &[b"](", &class[..], b"e"].concat());
}

#[test]
fn models_of_statsmodels_evaluate_their_formula() {
    let class = import("statsmodels.base.data", "PandasData");
    let frame = [&import("pandas", "DataFrame")[..], b")\x81}b"].concat();
    let state = |formula: &str| {
        dict(&[
            ("formula", &text(formula)),
            ("frame", &frame),
            ("restore_model_spec", b"\x88"),
        ])
    };
    clean(
        "a plain formula",
        &built(&class, &state("y ~ a + np.log(b) + C(g)")),
    );
    clean("no formula", &built(&class, &dict(&[("const_idx", b"K\0")])));
    for formula in [
        "y ~ __import__('os').system('true')",
        "y ~ eval('x')",
        "y ~ a.b(c)",
        "y ~ (lambda: 0)()",
        "",
    ] {
        evil(formula, &built(&class, &state(formula)));
    }
    let named = dict(&[
        ("formula", &text("C(x)")),
        ("frame", &dict(&[("C", b"N")])),
        ("restore_model_spec", b"\x88"),
    ]);
    evil("names of its own", &built(&class, &named));
    let unread = [&class[..], b")\x81", &lines(), b"b"].concat();
    evil("a state that is an object", &unread);
}

#[test]
fn sympy_evaluates_texts() {
    let symbol = |name: &[u8]| made(&import("sympy.core.symbol", "Symbol"), &[name]);
    let x = symbol(&text("x"));
    let two = made(&import("sympy.core.numbers", "Integer"), &[b"K\x02"]);
    let power = made(&import("sympy.core.power", "Pow"), &[&x, &two]);
    let sine = import("sympy.functions.elementary.trigonometric", "sin");
    clean(
        "an expression",
        &made(&import("sympy.core.add", "Add"), &[&power, &made(&sine, &[&x])]),
    );
    let digits = made(
        &import("sympy.core.numbers", "Float"),
        &[&[b"(K\0", &text("3")[..], b"J\xff\xff\xff\xffK\x02t"].concat()],
    );
    clean("digits", &digits);
    clean(
        "a range",
        &made(
            &import("sympy.integrals.integrals", "Integral"),
            &[&x, &[&x[..], &two, b"\x86"].concat()],
        ),
    );
    let code = text("__import__('os').system('true')");
    evil("a text", &made(&sine, &[&code]));
    evil("a long text", &made(&sine, &[&text(&"x".repeat(5000))]));
    evil(
        "a text in a tuple",
        &made(&sine, &[&[&code[..], b"\x85"].concat()]),
    );
    evil(
        "a text in a list",
        &made(&sine, &[&[b"](", &code[..], b"e"].concat()]),
    );
    evil("an object", &made(&sine, &[&lines()]));
    evil("called", &call(&sine, &[&x]));
    let changed = [&made(&sine, &[&x])[..], &dict(&[("_args", &code)]), b"b"].concat();
    evil("changed afterwards", &changed);
}

#[test]
fn sympys_matrices_hold_expressions() {
    let x = made(&import("sympy.core.symbol", "Symbol"), &[&text("x")]);
    let sequence = |value: &[u8]| made(&import("sympy.core.containers", "Tuple"), &[value]);
    let matrix = import("sympy.matrices.immutable", "ImmutableDenseMatrix");
    let of = |values: &[u8]| made(&matrix, &[b"K\x01", b"K\x01", values]);
    clean("a matrix", &of(&sequence(&x)));
    let domain = made(&import("sympy.polys.domains.integerring", "IntegerRing"), &[]);
    let rows = dict_of(&[(b"K\0", &dict_of(&[(b"K\0", b"K\x05")]))]);
    let kept = call(
        &import("sympy.polys.matrices.domainmatrix", "DomainMatrix"),
        &[&rows, b"K\x01K\x01\x86", &domain],
    );
    let changeable = built(
        &import("sympy.matrices.dense", "MutableDenseMatrix"),
        &dict(&[("rows", b"K\x01"), ("cols", b"K\x01"), ("_rep", &kept)]),
    );
    clean("a matrix that can be changed", &changeable);
    let name = made(&import("sympy.core.symbol", "Str"), &[&text("A")]);
    let named = import("sympy.matrices.expressions.matexpr", "MatrixSymbol");
    clean("a name for one", &made(&named, &[&name, b"K\x02", b"K\x02"]));
    let code = text("__import__('os').system('true')");
    evil("a text", &of(&sequence(&code)));
    evil("a text in a list", &of(&[b"](", &code[..], b"e"].concat()));
    evil("a text for a size", &made(&named, &[&name, &code, b"K\x02"]));
    // What nobody knows is as bad as it is, and no worse for what it is put into.
    let unknown = call(&import("somebody.package", "Thing"), &[]);
    let report = scan("x.pkl", &whole(&of(&sequence(&unknown))));
    assert_eq!(report.verdict, Verdict::Unknown, "{:#?}", report.findings);
}

fn dict_of(items: &[(&[u8], &[u8])]) -> Vec<u8> {
    let items: Vec<u8> = items
        .iter()
        .flat_map(|(key, value)| [*key, *value].concat())
        .collect();
    [b"}(", &items[..], b"u"].concat()
}

#[test]
fn what_calls_its_arguments_is_given_nothing_else_to_call() {
    let class = import("gensim.models.word2vec", "LineSentence");
    let address = text("http://127.0.0.1/x");
    let generator = |name: &str| import("numpy.random._pickle", name);
    let maker = generator("__bit_generator_ctor");
    clean(
        "a generator",
        &call(&generator("__randomstate_ctor"), &[&text("MT19937"), &maker]),
    );
    let kind = call(&maker, &[&import("numpy.random._mt19937", "MT19937")]);
    clean("a generator", &call(&generator("__generator_ctor"), &[&kind]));
    evil(
        "another maker",
        &call(&generator("__generator_ctor"), &[&address, &class]),
    );
    evil("another kind", &call(&maker, &[&class]));
    let reconstructor = import("copyreg", "_reconstructor");
    let object = import("builtins", "object");
    clean(
        "an object",
        &call(&reconstructor, &[&import("argparse", "Namespace"), &object, b"N"]),
    );
    evil("its own base", &call(&reconstructor, &[&class, &class, &address]));
    evil(
        "a list of an object",
        &call(&reconstructor, &[&class, &import("builtins", "list"), &lines()]),
    );
    let rebuild = import("torch._tensor", "_rebuild_from_type_v2");
    let parameter = import("torch._utils", "_rebuild_parameter");
    let tensor = import("torch", "Tensor");
    clean(
        "a parameter",
        &call(
            &rebuild,
            &[&parameter, &tensor, &[b"(N\x88}".as_slice(), b"t"].concat(), b"}"],
        ),
    );
    evil(
        "a class",
        &call(
            &rebuild,
            &[&class, &class, &[&address[..], b"\x85"].concat(), b"}"],
        ),
    );
    evil(
        "a class as a function",
        &call(
            &import("dill._dill", "_create_array"),
            &[&class, &[&address[..], b"\x85"].concat(), b"N"],
        ),
    );
    let by_name = import("dill._dill", "_load_type");
    clean("a type", &call(&by_name, &[&text("NoneType")]));
    clean("a type", &call(&by_name, &[&text("int")]));
    for name in ["CodeType", "FunctionType", "PartialType", "eval"] {
        evil(name, &call(&by_name, &[&text(name)]));
    }
    let kind = import("builtins", "type");
    clean("a class of a constant", &call(&kind, &[b"N"]));
    clean(
        "a class of a constant",
        &call(&kind, &[&import("builtins", "Ellipsis")]),
    );
    clean("a class", &[b"](", &kind[..], b"e"].concat());
    evil("a class that is made", &call(&kind, &[&text("x"), b")", b"}"]));
    evil("a class of an object", &call(&kind, &[&lines()]));
    let stranger = import("somebody.model", "Net");
    let report = scan(
        "x.pkl",
        &whole(&call(&reconstructor, &[&stranger, &object, b"N"])),
    );
    assert_eq!(report.verdict, Verdict::Unknown, "{:#?}", report.findings);
    let stand_in = import("joblib.numpy_pickle", "NumpyArrayWrapper");
    evil(
        "a stand-in that nobody sees",
        &call(&import("sklearn.neighbors._kd_tree", "newObj"), &[&stand_in]),
    );
}

#[test]
fn objects_of_the_file_are_not_asked_for_elements() {
    let builtin = |name: &str| import("builtins", name);
    clean(
        "a set",
        &call(&builtin("set"), &[&[b"](".as_slice(), b"K\x01e"].concat()]),
    );
    clean(
        "an ordered dictionary",
        &call(
            &import("collections", "OrderedDict"),
            &[&[b"](".as_slice(), &text("a"), b"K\x01\x86e"].concat()],
        ),
    );
    for name in ["list", "tuple", "set", "dict", "bytes", "str", "range", "int"] {
        evil(name, &call(&builtin(name), &[&lines()]));
    }
    let listed = [b"](", &lines()[..], b"e"].concat();
    evil("the text of a list", &call(&builtin("str"), &[&listed]));
    evil(
        "a queue",
        &call(&import("collections", "deque"), &[&lines(), b"K\x02"]),
    );
    // Arguments that are no longer remembered are not trusted either.
    let forgotten = [
        &lines()[..],
        b"\x85q\x01",
        &b"N\x850".repeat(3000),
        &builtin("list"),
        b"h\x01R",
    ]
    .concat();
    evil("forgotten", &forgotten);
    let chain = built(&import("collections", "ChainMap"), &dict(&[("maps", b"]")]));
    clean("a chain", &chain);
    evil(
        "a chain that is called",
        &call(&import("collections", "ChainMap"), &[b"}"]),
    );
    let object = built(&import("torch.nn.modules.linear", "Linear"), &chain);
    evil("a state that is an object", &object);
    let bunch = import("statsmodels.tools.tools", "Bunch");
    clean(
        "its own state",
        &[&bunch[..], b")\x81q\x01}(", &text("a"), b"K\x01u0h\x01h\x01b"].concat(),
    );
    let frame = [&import("pandas", "DataFrame")[..], b")\x81"].concat();
    let keyed = [
        &frame[..],
        &import("gensim.models.word2vec", "LineSentence"),
        b"Ns",
    ]
    .concat();
    evil("a key that is called", &keyed);
}

/// A file of joblib's: what makes the stand-in, its state, and what follows.
fn joblib(state: &[u8], rest: &[u8]) -> Vec<u8> {
    let class = import("joblib.numpy_pickle", "NumpyArrayWrapper");
    [b"\x80\x04", &class[..], b")\x81", state, b"b", rest].concat()
}

fn dtype(kind: &str) -> Vec<u8> {
    call(&import("numpy", "dtype"), &[&text(kind), b"\x89", b"\x88"])
}

/// A decoy that a reader who counts too few bytes would take for the rest of the file, and what a reader who counts right
/// finds behind it.
fn two_ways(numbers: usize) -> Vec<u8> {
    let code = [b"0", &system()[..], b"."].concat();
    let mut decoy = b"0N0N0C".to_vec();
    decoy.push((numbers + code.len() - decoy.len() - 1) as u8);
    decoy.resize(numbers, 0);
    [&decoy[..], &code, b"."].concat()
}

#[test]
fn a_stand_ins_size_is_known_or_nothing_is_read_on() {
    let caught = |what: &str, bytes: &[u8]| {
        let report = scan("x.joblib", bytes);
        assert_ne!(report.verdict, Verdict::Clean, "{what}");
    };
    let honest = |what: &str, bytes: &[u8]| {
        let report = scan("x.joblib", bytes);
        assert_eq!(report.verdict, Verdict::Clean, "{what}: {:#?}", report.findings);
    };
    let shape = |count: u8| vec![b'K', count, 0x85];
    let numbers = [0xff; 16];
    let plain = dict(&[("shape", &shape(2)), ("dtype", &dtype("f8"))]);
    honest("plain", &joblib(&plain, &[&numbers[..], b"."].concat()));
    let aligned = |value: &[u8]| {
        dict(&[
            ("shape", &shape(2)),
            ("dtype", &dtype("f8")),
            ("numpy_array_alignment_bytes", value),
        ])
    };
    honest(
        "aligned",
        &joblib(&aligned(b"K\x10"), &[b"\x03...", &numbers[..], b"."].concat()),
    );
    honest(
        "not aligned",
        &joblib(&aligned(b"N"), &[&numbers[..], b"."].concat()),
    );
    caught(
        "aligned in a way that can't be told",
        &joblib(&aligned(b"\x88"), &[b"\x03...", &numbers[..], b"."].concat()),
    );
    // Each says that there are forty bytes, in a way that is easily missed.
    let hidden = two_ways(40);
    let filler: Vec<u8> = (0..70)
        .flat_map(|_| [&text("order")[..], b"N"].concat())
        .collect();
    let small = dict(&[("shape", &shape(0)), ("dtype", &dtype("u1"))]);
    let later = [&small[..], b"(", &filler, &text("shape"), &shape(40), b"u"].concat();
    caught("a shape among many", &joblib(&later, &hidden));
    let one = [&text("order")[..], b"Ns"].concat();
    let slowly = [&small[..], &one.repeat(70), &text("shape"), &shape(40), b"s"].concat();
    caught("a shape after many", &joblib(&slowly, &hidden));
    let grown = |kind: &str, size: u8| {
        let state = [b"(K\x03", &text("|")[..], b"NNNK", &[size], b"K\x01K\0t"].concat();
        [&dtype(kind)[..], &state, b"b"].concat()
    };
    let record = dict(&[("shape", &shape(1)), ("dtype", &grown("V1", 40))]);
    caught("a type that grew", &joblib(&record, &hidden));
    let same = dict(&[("shape", &shape(1)), ("dtype", &grown("V16", 16))]);
    honest("a record", &joblib(&same, &[&numbers[..], b"."].concat()));
    let word = dict(&[("shape", &shape(5)), ("dtype", &dtype("float64"))]);
    caught("a type by its long name", &joblib(&word, &hidden));
    let class = import("joblib.numpy_pickle", "NumpyArrayWrapper");
    let before = [
        b"\x80\x04",
        &dict(&[("numpy_array_alignment_bytes", b"K\x10")])[..],
        b"q\x010",
        &class,
        b")\x81h\x01(",
        &text("shape"),
        &shape(40),
        &text("dtype"),
        &dtype("u1"),
        b"ub",
        &[&hidden[..1], &hidden].concat(),
    ]
    .concat();
    caught("items from before", &before);
}

#[test]
fn a_pickle_of_protocol_0_is_no_end() {
    let evil = [b"\x80\x04", &system()[..], b"."].concat();
    for (what, bytes) in [
        ("a second of another protocol", [b"(lp0\n.", &evil[..]].concat()),
        (
            "a second in letters",
            b"(lp0\n.cos\nsystem\n(S'true'\ntR.".to_vec(),
        ),
        (
            "bytes as letters",
            [b"(dp0\nV", &evil[..], b"\np1\nI1\ns."].concat(),
        ),
    ] {
        let report = scan("x.pkl", &bytes);
        assert_eq!(
            report.verdict,
            Verdict::Malicious,
            "{what}: {:#?}",
            report.findings
        );
    }
    let honest = scan("x.pkl", b"(lp0\nI1\na.(lp0\nI2\na.\n");
    assert_eq!(honest.verdict, Verdict::Clean, "{:#?}", honest.findings);
    // A few letters that are opcodes hide no document.
    let document = b"NNN.: 1\nmodel: !!python/object/apply:os.system ['true']\n";
    assert_eq!(scan("x.yaml", document).verdict, Verdict::Malicious);
    assert_eq!(scan("x.yaml", b"NNN.: 1\nmodel: 2\n").verdict, Verdict::Clean);
}

#[test]
fn a_loader_of_torchs_old_format_may_read_on() {
    let number = |bytes: &[u8]| [b"\x80\x02", bytes, b"."].concat();
    let start = [
        number(b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"),
        number(b"M\xe9\x03"),
        number(b"}"),
        number(b"}"),
        number(b"]"),
    ]
    .concat();
    let evil = [b"\x80\x02", &system()[..], b"."].concat();
    let honest = scan("x.pth", &start);
    assert_eq!(honest.verdict, Verdict::Clean, "{:#?}", honest.findings);
    for between in 0..4 {
        let bytes = [&start[..], &number(b"N").repeat(between), &evil].concat();
        assert_eq!(scan("x.pth", &bytes).verdict, Verdict::Malicious, "{between}");
    }
}

#[test]
fn an_old_class_is_made_by_inst_without_arguments() {
    let honest = b"(iargparse\nNamespace\np0\n(dp1\nS'a'\nI1\nsb.";
    let report = scan("x.pkl", honest);
    assert_eq!(report.verdict, Verdict::Clean, "{:#?}", report.findings);
    let given = b"(S'x'\niargparse\nNamespace\n.";
    assert_ne!(scan("x.pkl", given).verdict, Verdict::Clean);
}

#[test]
fn what_is_no_dictionary_gets_no_items() {
    clean("a dictionary", &[b"}(", &text("a")[..], b"K\x01u"].concat());
    clean("a list", b"](K\x01K\x02e");
    clean("a set", b"\x8f(K\x01\x90");
    evil("items of a list", b"](K\x00K\x01u");
    evil("one item of a list", b"]K\x00K\x01s");
    evil("an element of a dictionary", b"}K\x00a");
    evil("members of a list", b"](K\x00\x90");
    let tensor = call(
        &import("torch._utils", "_rebuild_parameter"),
        &[b"N", b"\x88", b"}"],
    );
    clean("a tensor", &tensor);
    evil("an item of a tensor", &[&tensor[..], b"K\x00K\x01s"].concat());
}

/// `partial(class.__new__)` with its state, and called: how protocols before 4 write a class that takes keywords.
fn keyworded(class: &[u8], arguments: &[&[u8]], keywords: &[u8]) -> Vec<u8> {
    let maker = call(&import("builtins", "getattr"), &[class, &text("__new__")]);
    let partial = call(&import("functools", "partial"), &[&maker]);
    let arguments = [b"(", class, &arguments.concat(), b"t"].concat();
    let state = [b"(", &maker[..], &arguments, keywords, b"Nt"].concat();
    [&partial[..], &state, b"b)R"].concat()
}

#[test]
fn classes_with_keywords_as_older_protocols_write_them() {
    let symbol = import("sympy.core.symbol", "Symbol");
    let float = import("sympy.core.numbers", "Float");
    let sine = import("sympy.functions.elementary.trigonometric", "sin");
    let line = import("scipy.stats._stats_py", "LinregressResult");
    let net = import("torch.nn.modules.linear", "Linear");
    let positive = dict(&[("positive", b"\x88")]);
    clean("a symbol", &keyworded(&symbol, &[&text("p")], &positive));
    let digits = [b"(K\0", &text("3")[..], b"J\xff\xff\xff\xffK\x02t"].concat();
    clean(
        "a number",
        &keyworded(&float, &[&digits], &dict(&[("precision", b"K\x35")])),
    );
    clean(
        "a line",
        &keyworded(&line, &[b"K\0", b"K\x01", b"K\x02", b"K\x03", b"K\x04"], b"}"),
    );
    clean(
        "a sine",
        &keyworded(&sine, &[&made(&symbol, &[&text("x")])], b"}"),
    );
    clean(
        "two of a class",
        &[
            keyworded(&symbol, &[&text("p")], &positive),
            b"0".to_vec(),
            keyworded(&symbol, &[&text("q")], b"}"),
        ]
        .concat(),
    );
    let code = text("__import__('os').system('true')");
    for (what, body) in [
        ("a text that is evaluated", keyworded(&sine, &[&code], b"}")),
        (
            "more than the class takes",
            keyworded(&net, &[b"K\x01", b"K\x02"], b"}"),
        ),
        ("another class", {
            let partial = call(
                &import("functools", "partial"),
                &[&call(
                    &import("builtins", "getattr"),
                    &[&symbol, &text("__new__")],
                )],
            );
            let state = [
                b"(",
                &call(&import("builtins", "getattr"), &[&sine, &text("__new__")])[..],
                b"(",
                &sine,
                &code,
                b"t}Nt",
            ]
            .concat();
            [&partial[..], &state, b"b)R"].concat()
        }),
        ("a class among its arguments", {
            let maker = call(&import("builtins", "getattr"), &[&symbol, &text("__new__")]);
            let partial = call(&import("functools", "partial"), &[&maker]);
            let state = [b"(", &maker[..], b"(", &sine, &code, b"t}Nt"].concat();
            [&partial[..], &state, b"b)R"].concat()
        }),
        ("a partial without its state", {
            let maker = call(&import("builtins", "getattr"), &[&sine, &text("__new__")]);
            call(&call(&import("functools", "partial"), &[&maker]), &[&sine, &code])
        }),
        ("a partial with its arguments at once", {
            let maker = call(&import("builtins", "getattr"), &[&sine, &text("__new__")]);
            call(&import("functools", "partial"), &[&maker, &sine, &code])
        }),
        ("a call with arguments", {
            let mut body = keyworded(&sine, &[&made(&symbol, &[&text("x")])], b"}");
            body.truncate(body.len() - 2);
            [&body[..], &code, b"\x85R"].concat()
        }),
        ("a class that was lent and kept", {
            let maker = call(&import("builtins", "getattr"), &[&sine, &text("__new__")]);
            let partial = call(&import("functools", "partial"), &[&maker]);
            [&partial[..], b"0(", &sine, &code, b"t"].concat()
        }),
        ("what runs code", {
            let popen = import("subprocess", "Popen");
            keyworded(&popen, &[&text("true")], b"}")
        }),
    ] {
        evil(what, &body);
    }
}

#[test]
fn functions_of_sympy_that_have_only_a_name() {
    let symbol = made(&import("sympy.core.symbol", "Symbol"), &[&text("x")]);
    let code = text("__import__('os').system('true')");
    let function = |keywords: &[u8]| {
        call(
            &import("sympy.core.function", "_rebuild_undef"),
            &[&text("f"), keywords],
        )
    };
    clean("of a symbol", &made(&function(b"}"), &[&symbol]));
    for (what, body) in [
        ("of a text", made(&function(b"}"), &[&code])),
        (
            "with more than a name",
            made(&function(&dict(&[("bases", b")")])), &[&symbol]),
        ),
        ("handed on", [b"](", &function(b"}")[..], b"e"].concat()),
        ("with what is no dictionary", function(b"]")),
    ] {
        evil(what, &body);
    }
}

#[test]
fn values_that_are_made_of_a_number() {
    let huge = b"J\xff\xff\xff\x7f";
    let range = call(&import("builtins", "range"), &[&huge[..]]);
    clean("a range", &range);
    clean(
        "bytes of a text",
        &call(
            &import("builtins", "bytearray"),
            &[&text("abc"), &text("latin-1")],
        ),
    );
    clean("a list", &call(&import("builtins", "list"), &[b"]"]));
    for (name, argument) in [
        ("bytes", &huge[..]),
        ("bytearray", huge),
        ("list", &range),
        ("set", &range),
        ("tuple", &range),
    ] {
        evil(name, &call(&import("builtins", name), &[argument]));
    }
    evil("deque", &call(&import("collections", "deque"), &[&range]));
}
