//! What functions ask of objects whose state a pickle wrote, each beside what a library writes.
//!
//! A listed function is harmless with numbers and texts. Given an object, it may look something up on it (`__new__`,
//! `utcoffset`, `keys`, `__arrow_c_array__`), and Python looks in the object's own state first: what stands there is called.
//! Each of these was tried on CPython with the library, and called what it found.

mod building;
mod pickling;

use bartizan_artifact::Verdict;
use building::{built, call, dict};
use pickling::{clean, evil, import, scan, text};

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A class that opens a file when it is called, and is harmless when it is made and filled.
fn journal() -> Vec<u8> {
    import("optuna.storages.journal._file", "JournalFileBackend")
}

/// The same, bound to its argument.
fn bound() -> Vec<u8> {
    call(&import("functools", "partial"), &[&journal(), &text("x")])
}

fn ridge() -> Vec<u8> {
    import("sklearn.linear_model._ridge", "Ridge")
}

/// Objects that have something to call under `name`: of a class, an error with attributes, a dictionary with some.
fn liars(name: &str) -> Vec<(&'static str, Vec<u8>)> {
    let state = || dict(&[(name, &bound())]);
    vec![
        ("object", built(&ridge(), &state())),
        (
            "error",
            join(&[&call(&import("builtins", "ValueError"), &[]), &state(), b"b"]),
        ),
        (
            "dictionary",
            join(&[&call(&import("collections", "OrderedDict"), &[]), &state(), b"b"]),
        ),
    ]
}

#[test]
fn functions_that_call_what_they_find_on_what_they_are_given() {
    for (module, name, asks, more) in [
        ("sklearn.metrics._dist_metrics", "newObj", "__new__", &[][..]),
        ("sklearn.neighbors._kd_tree", "newObj", "__new__", &[]),
        ("sklearn.neighbors._ball_tree", "newObj", "__new__", &[]),
        (
            "pandas.core.indexes.datetimes",
            "_new_DatetimeIndex",
            "__new__",
            &[&b"}"[..]],
        ),
        (
            "pandas.core.indexes.interval",
            "_new_IntervalIndex",
            "from_arrays",
            &[b"}"],
        ),
        ("torch._utils", "_rebuild_parameter", "detach", &[b"\x88", b"}"]),
        (
            "torch._utils",
            "_rebuild_parameter_with_state",
            "requires_grad_",
            &[b"\x88", b"}", b"}"],
        ),
        ("uuid", "UUID", "replace", &[]),
    ] {
        for (kind, liar) in liars(asks) {
            let arguments: Vec<&[u8]> = [&[&liar[..]], more].concat();
            evil(
                &format!("{name} {kind}"),
                &call(&import(module, name), &arguments),
            );
        }
    }
}

#[test]
fn what_is_named_is_called_however_deep_it_lies() {
    let frame = import("pandas.core.frame", "DataFrame");
    let arrow = import("pyarrow.lib", "chunked_array");
    for (kind, liar) in liars("keys") {
        evil(kind, &built(&frame, &dict(&[("_flags", &liar)])));
    }
    for (kind, liar) in liars("__arrow_c_array__") {
        evil(kind, &call(&arrow, &[&join(&[b"](", &liar, b"e"])]));
    }
    // What is called may be an object that can be.
    let vector = built(&import("numpy", "vectorize"), &dict(&[("pyfunc", &bound())]));
    let lies = built(&ridge(), &dict(&[("keys", &vector)]));
    evil("vectorize", &built(&frame, &dict(&[("_flags", &lies)])));
    clean(
        "flags",
        &built(
            &frame,
            &dict(&[("_flags", &dict(&[("allows_duplicate_labels", b"\x88")]))]),
        ),
    );
    let module = import("torch.nn.modules.linear", "Linear");
    let attention = dict(&[("keys", &built(&module, &dict(&[("in_features", b"K\x01")])))]);
    clean(
        "a part that is called so",
        &built(&module, &dict(&[("_modules", &attention)])),
    );
    let frame = |value: &[u8]| built(&frame, &dict(&[("_mgr", value)]));
    evil("a frame with a function", &frame(&journal()));
    clean("a frame with a frame", &frame(&frame(b"N")));
}

#[test]
fn a_zone_is_asked_when_a_time_is_a_key() {
    let zone = |class: &[u8]| built(class, &dict(&[("utcoffset", &bound())]));
    let hour = |zone: &[u8]| {
        call(
            &import("datetime", "time"),
            &[b"K\x01", b"K\x01", b"K\x01", b"K\x01", zone],
        )
    };
    for (module, name) in [
        ("dateutil.tz.tz", "tzlocal"),
        ("pytz.reference", "USTimeZone"),
        ("dateutil.tz._common", "_tzinfo"),
    ] {
        evil(
            name,
            &join(&[b"}", &hour(&zone(&import(module, name))), b"K\x01s"]),
        );
    }
    let paris = call(&import("pytz", "_p"), &[&text("Europe/Paris")]);
    clean("pytz", &join(&[b"}", &hour(&paris), b"K\x01s"]));
    let named = call(
        &import("zoneinfo", "ZoneInfo._unpickle"),
        &[&text("UTC"), b"K\x01"],
    );
    clean("zoneinfo", &join(&[b"}", &hour(&named), b"K\x01s"]));
}

#[test]
fn a_state_that_nobody_saw_item_by_item() {
    let relu = || join(&[&import("torch.nn.modules.activation", "ReLU"), b")\x81"]);
    let pairs = || join(&[b"](", &text("__setstate__"), &journal(), b"\x86e"]);
    let then = |object: &[u8], state: &[u8]| join(&[object, state, b"b", &text("x"), b"b"]);
    evil(
        "DICT",
        &then(&relu(), &join(&[b"(", &text("__setstate__"), &journal(), b"d"])),
    );
    for (what, state) in [
        ("dict", call(&import("builtins", "dict"), &[&pairs()])),
        (
            "ordered",
            call(&import("collections", "OrderedDict"), &[&pairs()]),
        ),
        (
            "default",
            call(&import("collections", "defaultdict"), &[b"N", &pairs()]),
        ),
    ] {
        evil(what, &then(&relu(), &state));
        evil("slots", &then(&relu(), &join(&[b"N", &state, b"\x86"])));
    }
    let empty = call(&import("collections", "OrderedDict"), &[]);
    let filled = join(&[&empty, &text("inplace"), b"\x88s"]);
    clean("an ordered dictionary", &join(&[&relu(), &filled, b"b"]));
    for (module, name) in [
        ("munch", "Munch"),
        ("easydict", "EasyDict"),
        ("yacs.config", "CfgNode"),
        ("addict.addict", "Dict"),
    ] {
        let class = import(module, name);
        let base = import("builtins", "dict");
        let copied = call(&import("copyreg", "_reconstructor"), &[&class, &base, &pairs()]);
        evil(name, &join(&[&copied, &text("x"), b"b"]));
        let honest = call(
            &import("copyreg", "_reconstructor"),
            &[&class, &base, &dict(&[("lr", b"K\x01")])],
        );
        clean(name, &honest);
    }
}

#[test]
fn functions_are_referred_to_and_never_called() {
    let score = || import("sklearn.metrics._classification", "matthews_corrcoef");
    let scorer = import("sklearn.metrics._scorer", "_PredictScorer");
    clean("a score", &built(&scorer, &dict(&[("_score_func", &score())])));
    clean("in a list", &join(&[b"]", &score(), b"a"]));
    evil("called", &call(&score(), &[b"]", b"]"]));
    evil("made", &join(&[&score(), b")\x81"]));
    evil("changed", &join(&[&score(), &dict(&[("__code__", b"N")]), b"b"]));
    evil(
        "a method that a state names",
        &built(&ridge(), &dict(&[("__setstate__", &score())])),
    );
    evil(
        "called for a class",
        &call(
            &import("sklearn.neighbors._kd_tree", "newObj"),
            &[&built(&ridge(), &dict(&[("__new__", &score())]))],
        ),
    );
    evil(
        "one that opens files",
        &join(&[b"]", &import("joblib.numpy_pickle", "load"), b"a"]),
    );
    evil(
        "one that evaluates",
        &join(&[b"]", &import("pandas.core.computation.eval", "eval"), b"a"]),
    );
}

#[test]
fn what_a_class_calls_on_itself_while_it_reads_its_state() {
    let isotonic = import("sklearn.isotonic", "IsotonicRegression");
    let state = |function: &[u8]| {
        dict(&[
            ("X_thresholds_", &text("a")),
            ("y_thresholds_", &text("../x")),
            ("_build_f", function),
        ])
    };
    // nltk of some years reads a pickle of the language's name.
    let tokens = import("nltk.tokenize", "word_tokenize");
    clean("a tokenizer", &join(&[b"]", &tokens, b"a"]));
    evil("a function", &built(&isotonic, &state(&tokens)));
    evil("a class", &built(&isotonic, &state(&ridge())));
    evil("an object", &built(&isotonic, &state(&built(&ridge(), b"}"))));
    clean(
        "what it writes",
        &built(&isotonic, &dict(&[("X_thresholds_", b"N"), ("f_", b"N")])),
    );
    let booster = import("catboost.core", "CatBoostClassifier");
    let first = dict(&[("_deserialize_model", &tokens)]);
    let second = dict(&[("__model", &text("x"))]);
    evil("two states", &join(&[&built(&booster, &first), &second, b"b"]));
}

#[test]
fn indexes_are_made_of_classes_that_are_indexes() {
    let maker = import("pandas.core.indexes.base", "_new_Index");
    let given = dict(&[("location", &text("x"))]);
    let memory = import("joblib.memory", "Memory");
    evil("another class", &call(&maker, &[&memory, &given]));
    evil("no class", &call(&maker, &[&built(&memory, b"}"), b"}"]));
    for (module, name) in [
        ("pandas.core.indexes.base", "Index"),
        ("pandas", "RangeIndex"),
        ("pandas.core.indexes.numeric", "Int64Index"),
    ] {
        clean(
            name,
            &call(&maker, &[&import(module, name), &dict(&[("name", b"N")])]),
        );
    }
}

#[test]
fn what_a_state_says_to_run_import_or_read_is_not_clean() {
    for (module, name) in [
        // joblib reads the file that it names, and unpickles what is in it, while it reads the pickle.
        ("joblib.numpy_pickle_compat", "NDArrayWrapper"),
        ("gensim.similarities.docsim", "Shard"),
        ("gensim.models.ensemblelda", "EnsembleLda"),
        ("optuna.samplers._cmaes", "CmaEsSampler"),
        ("nltk.classify.weka", "WekaClassifier"),
        ("nltk.tag.stanford", "StanfordPOSTagger"),
        ("nltk.tag.senna", "SennaTagger"),
        ("nltk.tokenize.repp", "ReppTokenizer"),
    ] {
        let report = scan(&built(
            &import(module, name),
            &dict(&[("filename", &text("/tmp/x.npy"))]),
        ));
        assert!(report.verdict > Verdict::Clean, "{name}: {:#?}", report.findings);
    }
}

#[test]
fn what_pmdarima_reads_beside_its_state() {
    let fitted = |name: &str, value: &[u8]| {
        built(
            &import("pmdarima.arima.arima", "ARIMA"),
            &dict(&[("arima_res_", b"N"), (name, value)]),
        )
    };
    clean("a version", &fitted("pkg_version_", &text("2.1.1")));
    evil("a file", &fitted("tmp_pkl_", &text("/tmp/x.pkl")));
    evil(
        "an object for a version",
        &fitted("pkg_version_", &built(&ridge(), b"}")),
    );
    evil(
        "a function of its own",
        &fitted(
            "_warn_for_older_version",
            &import("nltk.tokenize", "word_tokenize"),
        ),
    );
}
