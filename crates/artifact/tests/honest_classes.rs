//! Classes of libraries that keep what they are given, each as its library pickles it, and the same names used otherwise.

use bartizan_artifact::Verdict;

mod building;
mod pickling;

use building::{built, call, dict};
use pickling::{clean, evil, import, scan, text};

#[test]
fn what_libraries_write_is_clean() {
    let made = |module: &str, name: &str| built(&import(module, name), &dict(&[("a", b"K\x01")]));
    for (module, name) in [
        ("torch.optim.nadam", "NAdam"),
        ("catboost.core", "CatBoostRanker"),
        ("catboost.metrics", "Logloss"),
        ("geopandas.geodataframe", "GeoDataFrame"),
        ("torch.nn.modules.module", "_WrappedHook"),
        ("calendar", "Calendar"),
        ("lda.lda", "LDA"),
        ("lifelines.fitters.coxph_fitter", "CoxPHFitter"),
        ("implicit.nearest_neighbours", "BM25Recommender"),
        ("pygam.pygam", "LinearGAM"),
        // Their base saves where its caller says; an ensemble works in parallel.
        ("sktime.forecasting.naive._naive", "NaiveForecaster"),
        ("sktime.forecasting.compose._ensemble", "EnsembleForecaster"),
        ("sktime.forecasting.base._fh", "ForecastingHorizon"),
        ("pwlf.pwlf", "PiecewiseLinFit"),
        // Its module asks how many processors there are, which runs nothing.
        ("niapy.algorithms.basic.ba", "BatAlgorithm"),
    ] {
        clean(name, &made(module, name));
    }
    let series = [&import("polars.series.series", "Series")[..], b")\x81C\x03abcb"].concat();
    clean("a series", &series);
    let message = dict(&[("serialized", b"C\x01\x08")]);
    clean(
        "a message",
        &built(&import("onnx.onnx_ml_pb2", "ModelProto"), &message),
    );
    clean("a method that draws", &draws("integers"));
    let axes = dict(&[("_dims", b")"), ("_data", b"N")]);
    let variable = [
        &import("xarray.core.variable", "Variable")[..],
        b")\x81N",
        &axes[..],
        b"\x86b",
    ]
    .concat();
    clean("slots", &variable);
    clean(
        "a system of coordinates",
        &call(&import("pyproj.crs.crs", "CRS"), &[&text("EPSG:4326")]),
    );
    clean(
        "a type",
        &call(&import("pyarrow.lib", "timestamp"), &[&text("us"), b"N"]),
    );
    clean(
        "an error",
        &call(&import("builtins", "FileNotFoundError"), &[b"K\x02", &text("no")]),
    );
    clean(
        "a text",
        &[
            &import("collections", "UserString")[..],
            &text("a")[..],
            b"\x85\x81",
        ]
        .concat(),
    );
    for module in ["numpy.core._multiarray_umath", "numpy._core._multiarray_umath"] {
        clean(
            "a universal function",
            &[&b"]"[..], &import(module, "log1p")[..], b"a"].concat(),
        );
    }
}

#[test]
fn tokenizers_read_json_and_no_files() {
    let made = |module: &str, name: &str, arguments: &[u8], state: &[u8]| {
        [&import(module, name)[..], arguments, b"\x81", state, b"b"].concat()
    };
    let model = made("tokenizers.models", "Model", b")", b"C\x02{}");
    let whole = |model: &[u8]| made("tokenizers", "Tokenizer", &[model, b"\x85"].concat(), b"C\x02{}");
    clean("a tokenizer", &whole(&model));
    clean(
        "a token",
        &made(
            "tokenizers",
            "AddedToken",
            b")",
            &dict(&[("content", &text("a"))]),
        ),
    );
    clean(
        "steps",
        &made("tokenizers.normalizers", "Sequence", b"]\x85", b"C\x02{}"),
    );
    clean("bytes", &call(&import("_io", "BytesIO"), &[b"C\x02ab"]));
    evil(
        "a model of a file",
        &[
            &import("tokenizers.models", "BPE")[..],
            &text("/etc/passwd")[..],
            b"\x85\x81",
        ]
        .concat(),
    );
    let ridge = built(
        &import("sklearn.linear_model._ridge", "Ridge"),
        &dict(&[("a", b"K\x01")]),
    );
    evil("of an object", &whole(&ridge));
    evil("bytes of an object", &call(&import("_io", "BytesIO"), &[&ridge]));
}

/// A method of one of numpy's generators.
fn draws(name: &str) -> Vec<u8> {
    let kind = call(
        &import("numpy.random._pickle", "__bit_generator_ctor"),
        &[&text("PCG64")],
    );
    let generator = call(&import("numpy.random._pickle", "__generator_ctor"), &[&kind]);
    call(&import("builtins", "getattr"), &[&generator, &text(name)])
}

#[test]
fn the_same_names_are_not_handed_objects_or_callables() {
    let object = built(&import("catboost.metrics", "Logloss"), &dict(&[("a", b"K\x01")]));
    for (module, name) in [
        ("pyproj.crs.crs", "CRS"),
        ("shapely.io", "from_wkb"),
        ("igraph", "Graph"),
        ("json.decoder", "JSONDecodeError"),
        ("time", "struct_time"),
        ("pyarrow.lib", "list_"),
        ("collections", "UserString"),
    ] {
        evil(name, &call(&import(module, name), &[&object]));
    }
    // Nor lists of them, of which they make texts.
    let list = [&b"]"[..], &object[..], b"a"].concat();
    for (module, name) in [
        ("pyproj.crs.crs", "CRS"),
        ("shapely.io", "from_wkb"),
        ("collections", "UserString"),
    ] {
        evil(name, &call(&import(module, name), &[&list]));
    }
    for (module, name) in [
        ("xarray.core.variable", "Variable"),
        ("geopandas.geodataframe", "GeoDataFrame"),
    ] {
        let holds = dict(&[("_crs", &import("numpy", "mean"))]);
        evil(name, &built(&import(module, name), &holds));
        evil(name, &built(&import(module, name), &dict(&[("_crs", &object)])));
    }
    let message = dict(&[("serialized", &object)]);
    evil(
        "a message",
        &built(&import("onnx.onnx_ml_pb2", "ModelProto"), &message),
    );
    evil("another method", &draws("__reduce__"));
    evil(
        "a method that is called",
        &[&draws("integers")[..], &text("a")[..], b"\x85R"].concat(),
    );
    // A function is named, and not called.
    for (module, name) in [
        ("zlib", "adler32"),
        ("numpy.core._multiarray_umath", "add"),
        ("csv", "excel"),
    ] {
        evil(name, &call(&import(module, name), &[&text("a")]));
    }
    let unknown = scan(&import("numpy.core._multiarray_umath", "_frombuffer"));
    assert!(unknown.verdict > Verdict::Clean);
}

#[test]
fn objects_with_fields_are_asked_for_nothing() {
    let ridge = || import("sklearn.linear_model._ridge", "Ridge");
    let held = [b"](", &built(&ridge(), b"}")[..], b"e0"].concat();
    let space = call(
        &import("statsmodels.tsa.statespace._representation", "dStatespace"),
        &[&b"N"[..]; 9],
    );
    let space = [&space[..], &dict(&[("missing", b"]")]), b"b"].concat();
    let filter = |model: &[u8]| {
        let numbers = b"K\x01".repeat(7);
        call(
            &import("statsmodels.tsa.statespace._kalman_filter", "dKalmanFilter"),
            &[model, &numbers],
        )
    };
    clean("a filter", &[&held[..], &filter(&space)].concat());
    let other = built(&ridge(), &dict(&[("missing", b"]")]));
    evil("another model", &[&held[..], &filter(&other)].concat());
}

#[test]
fn texts_and_their_tools() {
    let flags = call(&import("regex._regex_core", "RegexFlag"), &[b"M\x20\x20"]);
    clean("flags", &flags);
    let parts = [&text("a")[..], b"K\x20C\x01\x01}}}]K\0)K\0K\0"].concat();
    let pattern = call(&import("regex._regex", "compile"), &[&parts]);
    let slots = [b"N", &dict(&[("_rx", &pattern)])[..], b"\x86"].concat();
    clean("a pattern", &built(&import("nltk.redos", "TimedPattern"), &slots));
    let tree = import("nltk.tree.tree", "Tree");
    let filled = [
        &tree[..],
        b")\x81(",
        &text("a"),
        b"e",
        &dict(&[("_label", &text("S"))]),
        b"b",
    ]
    .concat();
    clean("a tree", &filled);
    let bert = import(
        "transformers.models.bert.tokenization_bert_fast",
        "BertTokenizerFast",
    );
    clean("a tokenizer", &built(&bert, &dict(&[("verbose", b"\x89")])));
    let japanese = import(
        "transformers.models.bert_japanese.tokenization_bert_japanese",
        "BertJapaneseTokenizer",
    );
    let report = scan(&built(&japanese, b"}"));
    assert!(report.verdict > Verdict::Clean, "{:#?}", report.findings);
    let method = |name: &str| {
        let stemmer = built(&import("nltk.stem.snowball", "EnglishStemmer"), b"}");
        call(&import("builtins", "getattr"), &[&stemmer, &text(name)])
    };
    clean("a stemmer's method", &method("stem"));
    evil("another of its attributes", &method("stopwords"));
    let tokens = import("nltk.tokenize", "word_tokenize");
    let bound = call(&import("functools", "partial"), &[&tokens, &text("../x")]);
    evil("a language of the file's choice", &bound);
}
