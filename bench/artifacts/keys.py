"""Attacks by what a key is asked for: `attacks()` gives name, kind and body.

What becomes a key of a dictionary or a member of a set is asked for its hash, and its class may iterate over what it holds,
or call a method of it, to make one. Here that is a class that makes a file when it is called. Each was loaded by CPython with
the libraries, and made its file.
"""

from lookups import BOUND, built, liars, state, tuple_of
from opcodes import PROTO, call, stack_glob, text

KIND = "harmless class, lying key"


def lines():
    """Iterating asks the source for `seek`, and calls it."""
    source = built("sklearn.linear_model._ridge", "Ridge", state(seek=BOUND))
    return built("gensim.models.word2vec", "LineSentence", state(source=source, limit=b"N"))


def keys():
    """Objects whose hash calls something."""
    yield "iterated", built("patsy.desc", "Term", state(factors=lines()))
    asked = built("sklearn.linear_model._ridge", "Ridge", state(__hash__=BOUND))
    yield "asked", built("formulaic.parser.types.factor", "Factor", tuple_of(b"N", state(expr=asked)))
    yield "token", built("formulaic.parser.types.token", "Token", tuple_of(b"N", state(token=asked)))
    # A hash that does no harm, of an object that holds one that does.
    yield "held", built("patsy.eval", "EvalFactor", state(code=built("patsy.desc", "Term", state(factors=lines())), origin=b"N"))


def places(key):
    one = b"](" + key + b"e"
    yield "key", b"}" + key + b"K\x01s"
    yield "keys", b"}(" + key + b"K\x01u"
    yield "dict", b"(" + key + b"K\x01d"
    yield "member", b"\x8f(" + key + b"\x90"
    yield "frozen", b"(" + key + b"\x91"
    yield "set", call(stack_glob("builtins", "set"), one)
    yield "frozenset", call(stack_glob("builtins", "frozenset"), one)
    yield "counter", call(stack_glob("collections", "Counter"), one)
    yield "pairs", call(stack_glob("collections", "OrderedDict"), b"](" + tuple_of(key, b"K\x01") + b"e")
    yield "tuple", b"}" + tuple_of(b"K\x01", tuple_of(key)) + b"K\x01s"
    yield "named", b"}" + call(stack_glob("scipy.stats._stats_py", "DescribeResult"), key, *[b"K\x01"] * 5) + b"K\x01s"
    yield "ordered", call(stack_glob("collections", "OrderedDict")) + key + b"K\x01s"


def read():
    """States that a class reads by more than assigning: what it calls on them is theirs to say."""
    for kind, liar in liars("keys"):
        yield f"keys_{kind}", built("munch", "DefaultMunch", tuple_of(b"N", liar))
    for label, key in keys():
        yield f"pairs_{label}", built("munch", "Munch", tuple_of(tuple_of(key, b"K\x01")))
        yield f"pairs_in_list_{label}", built("munch", "Munch", b"](" + tuple_of(key, b"K\x01") + b"e")


def attacks():
    for label, key in keys():
        for place, body in places(key):
            yield f"key_{label}_{place}.pkl", KIND, PROTO + body + b"."
    for name, body in read():
        yield f"read_{name}.pkl", "harmless class, lying state", PROTO + body + b"."
