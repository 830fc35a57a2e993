"""Writes `inert.txt`: classes of libraries that unpickling makes without arguments and fills by their state, and that run
nothing of that state.

    python bench/artifacts/inert.py get FOLDER
    python bench/artifacts/inert.py read FOLDER > crates/artifact/src/pickle/lists/inert.txt
    python bench/artifacts/inert.py why FOLDER MODULE NAME

`get` fetches the wheels that `inert.pins` names, each pinned; `read` reads the sources in them as syntax trees. Nothing is
installed, nothing is imported, and nothing of a library is run.

What whoever wrote a pickle can have Python ask of an object: `__new__` without arguments, `__setstate__` with a state of
theirs (looked up on the object, so `__getattr__` too), `__setattr__` and setters by a state with slots, `__setitem__`,
`append`, `extend` and `add` by items, `__hash__` and `__eq__` by keys, `__del__` in the end. A class is listed if all of
these, in it and in everything that it is made from, are not there or are plain: they assign, and ask nothing of the values
that they are given, since those may be objects of any other class. Setters, items and keys are asked of few objects: a
listed class carries a mark if it may be asked for them.

A function may be referred to and never called: its name is all that a pickle of a setting holds (a metric, a loss, a kernel).
It is listed if it names nothing that runs programs, opens, loads or reaches names, and what it names does not either.
What is left out stays unknown.
"""

import ast
import builtins
import multiprocessing
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

from functions import Function, Tame, dotted

HERE = Path(__file__).resolve().parent
PINS = HERE / "inert.pins"
PLATFORMS = "macosx_10_9_x86_64 macosx_10_9_universal2 macosx_10_12_x86_64 macosx_10_13_x86_64 macosx_10_13_universal2 macosx_10_14_x86_64 macosx_10_15_x86_64 macosx_10_15_universal2 macosx_11_0_universal2 macosx_11_0_arm64 macosx_12_0_arm64 macosx_13_0_arm64 macosx_14_0_arm64".split()
ASIDE = {"tests", "test", "testing", "conftest", "benchmarks", "_testing", "_vendor", "vendor", "examples", "sandbox", "stan_model", "asv_bench", "docs", "third_party"}

# What these hold is made to run other things.
RUNNING = tuple(f"{name}." for name in "dill cloudpickle torch.hub torch.package torch.jit torch._dynamo torch._inductor torch.fx torch.testing torch.multiprocessing torch.utils.cpp_extension numpy.testing numpy.f2py numpy.distutils numpy.ctypeslib joblib.externals joblib.parallel joblib.memory".split())

# Read by a person: what they do on reading is to put attributes where they belong.
TRUSTED = set("""
torch.nn.modules.module.Module torch.optim.optimizer.Optimizer torch.optim.lr_scheduler.LRScheduler sklearn.base.BaseEstimator
pandas.core.base.PandasObject pandas.core.generic.NDFrame networkx.classes.graph.Graph networkx.classes.digraph.DiGraph
networkx.classes.multigraph.MultiGraph networkx.classes.multidigraph.MultiDiGraph statsmodels.base.wrapper.ResultsWrapper
pydantic.main.BaseModel
""".split())
# Made in C, or by Python's own means.
OBJECTS = set("""
builtins.object abc.ABC typing.Generic typing.Protocol typing_extensions.Protocol typing.Any collections.abc.Mapping collections.abc.MutableMapping
collections.abc.Sequence collections.abc.MutableSequence collections.abc.Set collections.abc.MutableSet collections.abc.Iterable
collections.abc.Iterator collections.abc.Sized collections.abc.Container collections.abc.Collection collections.abc.Hashable
collections.abc.Callable collections.abc.Generator collections.abc.Reversible typing.Mapping typing.MutableMapping typing.Sequence
typing.MutableSequence typing.Iterable typing.Iterator typing.Sized typing.Collection typing.Container typing.Callable typing.Hashable
typing.Set typing.MutableSet typing.AbstractSet typing.Generator contextlib.AbstractContextManager contextlib.ContextDecorator
builtins.dict builtins.list builtins.set collections.OrderedDict collections.defaultdict collections.Counter collections.deque
collections.UserDict collections.UserList collections.ChainMap typing.Dict typing.List typing.DefaultDict typing.OrderedDict
builtins.str builtins.int builtins.float builtins.bytes builtins.tuple builtins.frozenset builtins.complex typing.Tuple typing.NamedTuple
enum.Enum enum.IntEnum enum.StrEnum enum.Flag enum.IntFlag numpy.ndarray
pandas._libs.indexing.NDFrameIndexerBase pandas._libs.arrays.NDArrayBacked pandas._libs.internals.BlockManager
numbers.Number numbers.Real numbers.Integral
""".split())
FILLED = {"builtins.dict", "builtins.list", "builtins.set", "collections.OrderedDict", "collections.defaultdict", "collections.Counter", "collections.deque", "typing.Dict", "typing.List", "typing.DefaultDict", "typing.OrderedDict"}
VALUES = {"builtins.str", "builtins.int", "builtins.float", "builtins.bytes", "builtins.frozenset", "builtins.complex"}
ENUMS = {"enum.Enum", "enum.IntEnum", "enum.StrEnum", "enum.Flag", "enum.IntFlag"}
TUPLES = {"builtins.tuple", "typing.Tuple", "typing.NamedTuple"}
ERRORS = {"BaseException", *(name for name in dir(builtins) if name.endswith(("Error", "Warning", "Exception")))}

# What is asked of any object.
ALWAYS = {"__new__", "__setstate__", "__getattr__", "__getattribute__", "__del__", "__array_finalize__"}
# What is asked of few.
FILLING = {"__setitem__", "append", "extend", "add", "__missing__"}
HASHING = {"__hash__", "__eq__"}
INJECTING = ("__setstate__", "__new__", "__del__", "__getattr__", "__getattribute__", "__setattr__", "__class__ =")
# The last copies texts about methods.
METACLASSES = {"ABCMeta", "type", "EnumMeta", "EnumType", "GenericMeta", "AbstractDocStringInheritor"}
DECORATORS = set("""
dataclass dataclasses.dataclass dataclass_transform total_ordering functools.total_ordering final typing.final unique enum.unique runtime_checkable
typing.runtime_checkable typing_extensions.runtime_checkable attr.s attr.attrs attr.define attr.frozen attr.mutable attrs.define attrs.frozen attrs.mutable define frozen
abc.ABC deprecated typing_extensions.deprecated keras_export keras_tuner_export Substitution
""".split())
# Calls that give something new and ask nothing.
MAKES = {"OrderedDict", "dict", "list", "set", "tuple", "Lock", "RLock", "Event", "Condition", "WeakValueDictionary", "WeakKeyDictionary", "WeakSet", "defaultdict", "Counter", "deque", "object", "local"}


class Plain(ast.NodeVisitor):
    """Whether a method assigns, and asks nothing of values that are not texts, its own dictionary or the state itself."""

    def __init__(self, function, words=(), alone=False, state=False):
        named = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
        # The object, then the state that was read. `words` are those of its parameters that are texts by Python's own making.
        self.own, self.given = (named or ["self"])[0], set(named[1:2]) if state else set()
        self.words = set(named[1:][at] for at in words if at < len(named) - 1)
        # Nothing of a file reaches it.
        self.alone = alone
        # Names for anything else.
        self.others = set(named[1:]) - self.given - self.words
        self.sets, self.reads, self.fine = set(), set(), True
        for node in function.body:
            self.visit(node)

    def odd(self, *_):
        self.fine = False

    visit_Import = visit_ImportFrom = visit_With = visit_AsyncWith = visit_Lambda = visit_Yield = visit_YieldFrom = odd
    visit_Await = visit_Global = visit_Nonlocal = visit_While = visit_FunctionDef = visit_ClassDef = visit_AugAssign = odd
    visit_AsyncFor = visit_AsyncFunctionDef = visit_Match = visit_NamedExpr = visit_Assert = odd

    def is_table(self, node):
        """A dictionary or tuple that Python or the pickle made itself: the state, `self.__dict__`, `vars(self)`."""
        if isinstance(node, (ast.Constant, ast.Dict, ast.Tuple, ast.List, ast.Set)):
            return True
        if isinstance(node, ast.Name):
            return node.id in self.given or self.alone
        if isinstance(node, ast.Attribute) and node.attr == "__dict__":
            return isinstance(node.value, ast.Name)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("dict", "vars", "list", "tuple"):
            return all(self.is_table(one) or self.is_own(one) for one in node.args)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("items", "keys", "values", "copy"):
            return self.is_table(node.func.value)
        return False

    def is_own(self, node):
        return isinstance(node, ast.Name) and node.id == self.own

    def is_word(self, node):
        if isinstance(node, ast.Constant):
            return True
        if isinstance(node, ast.Name):
            return node.id in self.words
        if isinstance(node, ast.Call) and dotted(node.func) in ("len", "type", "id"):
            return True
        text = dotted(node) or ""
        return text.endswith(("__name__", "__qualname__", "__class__")) or text == "__version__"

    def visit_Subscript(self, node):
        self.fine &= self.is_table(node.value) or self.alone
        self.generic_visit(node)

    def visit_For(self, node):
        self.fine &= self.is_table(node.iter) or self.alone
        self.taken(node.target)
        self.generic_visit(node)

    def taken(self, target):
        names = {one.id for one in ast.walk(target) if isinstance(one, ast.Name)}
        self.given -= names
        self.others |= names

    def visit_comprehension(self, node):
        self.fine &= self.is_table(node.iter) or self.alone
        self.taken(node.target)
        self.generic_visit(node)

    def visit_Compare(self, node):
        sides = [node.left, *node.comparators]
        for left, operator, right in zip(sides, node.ops, sides[1:]):
            if isinstance(operator, (ast.Is, ast.IsNot)) or self.alone:
                continue
            if isinstance(operator, (ast.In, ast.NotIn)):
                self.fine &= self.is_word(left) and self.is_table(right)
            else:
                self.fine &= self.is_word(left) and self.is_word(right)
        self.generic_visit(node)

    def truth(self, node):
        if isinstance(node, ast.BoolOp):
            return all(map(self.truth, node.values))
        if isinstance(node, ast.UnaryOp):
            return self.truth(node.operand)
        return isinstance(node, (ast.Compare, ast.Constant, ast.Call)) and self.answers(node) or self.is_table(node) or self.is_word(node) or self.alone

    def answers(self, node):
        return not isinstance(node, ast.Call) or dotted(node.func) in ("isinstance", "hasattr", "issubclass", "len", "callable") or isinstance(node.func, ast.Attribute) and node.func.attr in ("startswith", "endswith")

    def visit_If(self, node):
        self.fine &= self.truth(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node):
        self.fine &= self.truth(node.test)
        self.generic_visit(node)

    def visit_BoolOp(self, node):
        self.fine &= all(map(self.truth, node.values))
        self.generic_visit(node)

    def visit_BinOp(self, node):
        self.fine &= self.alone or self.is_word(node.left) and self.is_word(node.right)
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        self.fine &= isinstance(node.op, ast.Not) and self.truth(node.operand) or isinstance(node.operand, ast.Constant)
        self.generic_visit(node)

    def visit_FormattedValue(self, node):
        self.fine &= self.is_word(node.value)
        self.generic_visit(node)

    def visit_Starred(self, node):
        self.fine &= self.is_table(node.value) or self.alone
        self.generic_visit(node)

    def visit_Delete(self, node):
        self.fine &= all(isinstance(one, ast.Name) or isinstance(one, ast.Subscript) and self.is_table(one.value) for one in node.targets)
        self.generic_visit(node)

    def visit_Assign(self, node):
        for target in node.targets:
            self.assigned(target, node.value)
        self.visit(node.value)

    def visit_AnnAssign(self, node):
        if node.value:
            self.assigned(node.target, node.value)
            self.visit(node.value)

    def assigned(self, target, value):
        if isinstance(target, (ast.Tuple, ast.List)):
            self.fine &= self.is_table(value) or self.alone
            for one in target.elts:
                self.assigned(one, ast.Constant(None))
        elif isinstance(target, ast.Attribute):
            self.fine &= isinstance(target.value, ast.Name) and (target.value.id == self.own or self.alone)
            self.sets.add(target.attr)
        elif isinstance(target, ast.Subscript):
            self.visit(target)
        elif isinstance(target, ast.Starred):
            self.assigned(target.value, ast.Constant(None))
        elif isinstance(target, ast.Name):
            # A name for the state, or a copy of it, is the state; any other is not.
            if self.is_table(value) and not isinstance(value, ast.Constant):
                self.given.add(target.id)
            else:
                self.taken(target)
        else:
            self.odd()

    def visit_Attribute(self, node):
        if self.is_own(node.value):
            self.reads.add(node.attr)
        elif not self.alone:
            # An attribute of what is an attribute: of whose class, the pickle says.
            above = node.value
            called = isinstance(above, ast.Call) and dotted(above.func) in ("super", "type")
            own = isinstance(above, ast.Attribute) and above.attr in ("__dict__", "__class__")
            module = isinstance(above, (ast.Name, ast.Attribute)) and not (dotted(above) or self.own).split(".")[0] == self.own
            module &= (dotted(above) or "").split(".")[0] not in self.others
            self.fine &= called or own or module or self.is_table(above) or self.is_word(above)
        self.generic_visit(node)

    def visit_Call(self, node):
        self.fine &= self.may_call(node)
        self.generic_visit(node)

    def may_call(self, node):
        name, arguments = dotted(node.func) or "", node.args
        last = name.rpartition(".")[2]
        table = lambda one: self.is_table(one) or self.is_own(one) or self.is_word(one) or self.alone
        if isinstance(node.func, ast.Name):
            if name in ("isinstance", "issubclass", "type", "id", "super", "callable", "hasattr", "getattr"):
                # Of an object of another class, attributes are asked for by name.
                return name not in ("getattr", "hasattr") or bool(arguments) and (table(arguments[0]) or isinstance(arguments[0], ast.Attribute) and self.is_own(arguments[0].value))
            if name == "setattr":
                self.sets.add("*")
                return bool(arguments) and self.is_own(arguments[0])
            if name in ("len", "dict", "list", "tuple", "set", "vars", "zip", "enumerate", "sorted", "iter", "next", "str", "repr", "int", "float", "bool", "range", "any", "all", "min", "max"):
                return all(map(table, arguments))
        library = name.split(".")[0] not in {self.own, *self.given}
        if library and (last in MAKES and not arguments and not node.keywords or last == "defaultdict" and all(isinstance(one, ast.Name) for one in arguments)):
            return True
        if library and last.endswith(("Error", "Exception")):
            return all(self.is_word(one) or isinstance(one, (ast.JoinedStr, ast.Name, ast.BinOp)) for one in arguments)
        if library and last.endswith("Warning") or name in ("warnings.warn", "warn"):
            return all(self.is_word(one) or isinstance(one, (ast.JoinedStr, ast.BinOp)) or (dotted(one) or "").endswith("Warning") for one in arguments)
        if name in ("object.__setattr__", "object.__getattribute__", "object.__new__", "object.__delattr__"):
            return True
        if not isinstance(node.func, ast.Attribute):
            return False
        above, method = node.func.value, node.func.attr
        known = ALWAYS | FILLING | {"__setattr__", "__init_subclass__"}
        if isinstance(above, ast.Call) and dotted(above.func) == "super" and method in known:
            # That of what it is made from, which is looked at there.
            return True
        if isinstance(above, ast.Name) and method in known and (above.id in ("list", "dict", "set", "object", "tuple") or above.id[:1].isupper() and method.startswith("__")):
            return True
        if method in ("startswith", "endswith", "lower", "upper", "strip", "format", "join", "replace"):
            return self.is_word(above) and all(map(table, arguments))
        if method in ("get", "pop", "setdefault", "items", "keys", "values", "copy", "update", "append", "extend"):
            # Of `update`, the argument is walked.
            return self.is_table(above) and (method not in ("update", "extend") or all(map(table, arguments)))
        return False


class Class:
    """What is known of one definition of a class."""

    def __init__(self, module, qualname, node):
        self.module, self.qualname = module, qualname
        self.bases = [self.base(base) for base in node.bases if not isinstance(base, ast.Starred)]
        self.metaclass = next((dotted(one.value) or "?" for one in node.keywords if one.arg == "metaclass"), None)
        self.decorators = [dotted(one.func if isinstance(one, ast.Call) else one) or "?" for one in node.decorator_list]
        self.renamed = next((one.args[0].value for one in node.decorator_list if isinstance(one, ast.Call) and (dotted(one.func) or "").endswith("set_module") and one.args and isinstance(one.args[0], ast.Constant)), None)
        self.methods, self.setters, self.getters, self.defines = {}, {}, {}, set()
        self.slotted = any("slots" == one.arg for dec in node.decorator_list if isinstance(dec, ast.Call) for one in dec.keywords)
        self.slotted |= any(name in ("attr.s", "attrs.define", "attr.define", "define", "attr.frozen", "attrs.frozen", "frozen") for name in self.decorators)
        self.fields = 0
        for one in node.body:
            self.take(one)

    @staticmethod
    def base(node):
        if isinstance(node, ast.Call):
            name = dotted(node.func) or "?"
            if name.rpartition(".")[2] == "namedtuple":
                return f"namedtuple:{named_fields(node)}"
            return f"{name}()"
        return dotted(node) or "?"

    def take(self, one):
        if isinstance(one, (ast.If, ast.Try)):
            for inner in (*one.body, *one.orelse, *getattr(one, "finalbody", ())):
                self.take(inner)
        elif isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self.method(one)
        elif isinstance(one, (ast.Assign, ast.AnnAssign)):
            targets = one.targets if isinstance(one, ast.Assign) else [one.target]
            for target in targets:
                name = dotted(target) or "?"
                # A name with a type and nothing else is no attribute: `__hash__: ClassVar[None]`.
                if one.value is not None or not isinstance(one, ast.AnnAssign) or name == "__slots__":
                    self.assigned(name, one.value)
            self.fields += isinstance(one, ast.AnnAssign)

    def assigned(self, name, value):
        self.defines.add(name)
        self.slotted |= name == "__slots__"
        if name == "__hash__" and isinstance(value, ast.Constant) and value.value is None:
            # No key of a dictionary, so that nobody asks whether it equals another.
            return
        if name in ALWAYS or name in FILLING or name in HASHING or name in ("__setattr__", "__class__", "__dict__"):
            fine = name == "__hash__" and isinstance(value, ast.Constant)
            self.methods[name] = (fine, set(), set())
        if isinstance(value, ast.Call) and (dotted(value.func) or "").rpartition(".")[2] not in ("field", "Field", "TypeVar", "ib", "attrib", "namedtuple"):
            # It may be a descriptor.
            self.setters[name] = False
            self.getters[name] = False

    def method(self, one):
        name = one.name
        marks = [dotted(mark.func if isinstance(mark, ast.Call) else mark) or "?" for mark in one.decorator_list]
        self.defines.add(name)
        if any(mark.endswith(".setter") for mark in marks):
            plain = Plain(one)
            self.setters[name] = plain.fine and plain.sets <= {f"_{name}", f"__{name}", f"_{name}_"}
        elif marks and not set(marks) <= {"staticmethod", "classmethod", "abstractmethod", "abc.abstractmethod", "override", "typing.override"} and name not in ALWAYS:
            self.getters[name] = Plain(one).fine
            self.setters.setdefault(name, "property" in "".join(marks))
        if name in ALWAYS:
            words = (0,) if name in ("__getattr__", "__getattribute__") else ()
            plain = Plain(one, words, state=name == "__setstate__")
            self.methods[name] = (plain.fine, plain.sets, plain.reads)
        elif name in HASHING:
            self.methods[name] = (compares(one), set(), {node.attr for node in ast.walk(one) if isinstance(node, ast.Attribute)})
        elif name in FILLING or name in ("__setattr__", "_missing_"):
            plain = Plain(one, (0,) if name == "__setattr__" else (), alone=name == "_missing_")
            self.methods[name] = (plain.fine, plain.sets, plain.reads)
        elif name in ("__init_subclass__", "__set_name__", "__class__", "__dict__", "__instancecheck__"):
            text = ast.unparse(one)
            injects = any(word in text.replace("def __init_subclass__", "") for word in INJECTING) or name in ("__class__", "__dict__")
            self.methods[name] = (not injects, set(), set())
        elif name in ("__prepare__", "mro"):
            self.methods[name] = (False, set(), set())


def compares(function):
    """Whether `__hash__` or `__eq__` asks values for no more than theirs."""
    for node in ast.walk(function):
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.With, ast.Global, ast.Yield, ast.Await, ast.While, ast.NamedExpr, ast.JoinedStr)):
            return False
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) or isinstance(node.value, ast.Attribute) and node.value.attr in ("__dict__", "__class__") or isinstance(node.value, ast.Call)):
            return False
        if isinstance(node, ast.Call):
            name = dotted(node.func) or ""
            known = name in ("hash", "isinstance", "issubclass", "type", "id", "tuple", "frozenset", "len", "all", "any", "zip", "super", "getattr", "hasattr", "bool", "sorted", "set")
            if not known and not (isinstance(node.func, ast.Attribute) and node.func.attr in ("__eq__", "__hash__", "items", "keys", "values")):
                return False
    return True


def named_fields(call):
    fields = call.args[1] if len(call.args) > 1 else None
    if isinstance(fields, (ast.List, ast.Tuple)):
        return len(fields.elts)
    if isinstance(fields, ast.Constant) and isinstance(fields.value, str):
        return len(fields.value.replace(",", " ").split())
    return 0


class Module:
    def __init__(self, name, package, tree, source):
        self.name, self.package, self.lines = name, package, source.splitlines()
        self.classes, self.imports, self.stars, self.functions, self.tuples, self.same = {}, {}, [], {}, {}, {}
        self.named, self.whole, self.runs = {}, {}, False
        for node in tree.body:
            self.take(node)
            # What it does when it is imported, beside defining things.
            if isinstance(node, (ast.Expr, ast.For, ast.While, ast.With)):
                self.runs |= Function(node).sinks
        del self.lines

    def take(self, node):
        if isinstance(node, (ast.If, ast.Try, ast.With)):
            parts = [*node.body, *getattr(node, "orelse", ()), *getattr(node, "finalbody", ())]
            for handler in getattr(node, "handlers", ()):
                parts.extend(handler.body)
            for part in parts:
                self.take(part)
        elif isinstance(node, ast.ClassDef):
            self.defined(node, "")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            text = "\n".join(self.lines[node.lineno - 1:node.end_lineno])
            self.functions[node.name] = any(word in text for word in INJECTING)
            self.named.setdefault(node.name, []).append(Function(node))
        elif isinstance(node, ast.Import):
            for one in node.names:
                if one.asname:
                    self.imports[one.asname] = (one.name, None)
                else:
                    self.imports[one.name.split(".")[0]] = (one.name.split(".")[0], None)
        elif isinstance(node, ast.ImportFrom):
            self.imported(node)
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if isinstance(node.value, ast.Call) and (dotted(node.value.func) or "").rpartition(".")[2] == "namedtuple":
                self.tuples[name] = named_fields(node.value)
            elif dotted(node.value):
                self.same[name] = dotted(node.value)

    def defined(self, node, above):
        qualname = above + node.name
        self.classes.setdefault(qualname, []).append(Class(self.name, qualname, node))
        if not above:
            self.whole.setdefault(qualname, []).append(Function(node))
        for inner in node.body:
            if isinstance(inner, ast.ClassDef):
                self.defined(inner, qualname + ".")

    def imported(self, node):
        base = node.module or ""
        if node.level:
            parts = self.name.split(".") if self.package else self.name.split(".")[:-1]
            parts = parts[: len(parts) - node.level + 1]
            base = ".".join([*parts, *([node.module] if node.module else [])])
        for one in node.names:
            if one.name == "*":
                self.stars.append(base)
            else:
                self.imports[one.asname or one.name] = (base, one.name)


def parsed(source):
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None


def wheel_modules(path):
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            parts = name.split("/")
            if len(parts) > 2 and parts[0].endswith(".data") and parts[1] in ("purelib", "platlib"):
                parts = parts[2:]
            if ASIDE & set(parts[:-1]) or any(part.endswith((".dist-info", ".data")) for part in parts) or re.match(r"(test_.*|.*_test|conftest)\.py$", parts[-1]):
                continue
            if name.endswith(".py"):
                yield parts, archive.read(name).decode("utf-8", "replace")
            elif re.search(r"\.(so|pyd|dylib)$", name) and archive.getinfo(name).file_size < 120_000_000:
                yield parts, archive.read(name)


def own_modules():
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).parts
        if not {"site-packages", "test", "tests", "idlelib", "lib2to3"} & set(parts):
            yield list(parts), path.read_text(errors="replace")


def named_module(parts):
    package = parts[-1] == "__init__.py"
    return ".".join(parts[:-1] if package else [*parts[:-1], parts[-1][:-3]]), package


def module_of(parts, source):
    name, package = named_module(parts)
    tree = parsed(source) if "class " in source or "import" in source else None
    if tree is None or not all(part.isidentifier() for part in name.split(".")):
        return {}
    return {name: Module(name, package, tree, source)}


def loaded(wheel):
    """The modules of a wheel, and classes of Cython whose unpickling Cython wrote: it does so where there are only fields."""
    modules, compiled = {}, {}
    for parts, source in wheel_modules(wheel):
        if isinstance(source, str):
            modules |= module_of(parts, source)
            continue
        names = set(re.findall(rb"__pyx_unpickle_([A-Za-z]\w*?)(?:__set_state)?\0", source))
        names = {name.decode() for name in names if not name.startswith(b"Enum")}
        if names:
            module = ".".join([*parts[:-1], parts[-1].split(".")[0]])
            compiled.setdefault(module, set()).update(names)
    return modules, compiled


class World:
    """All modules by name, and what is known of their classes."""

    def __init__(self, wheels):
        self.modules, self.compiled, self.known, self.listed = {}, {}, {}, set()
        for parts, source in own_modules():
            self.modules |= module_of(parts, source)
        with multiprocessing.Pool() as pool:
            for wheel, (modules, compiled) in zip(wheels, pool.imap(loaded, wheels)):
                self.listed |= modules.keys() - self.modules.keys()
                self.modules = modules | self.modules
                self.compiled |= compiled
                print(wheel.name, len(self.modules), file=sys.stderr, flush=True)

    def find(self, module, name, depth=0):
        """The class that a name means in a module: its definitions, or where it is to be had."""
        there = self.modules.get(module)
        if there is None or depth > 12:
            return f"{module}.{name}" if module else name
        if name in there.classes:
            return there.classes[name]
        if name in there.tuples:
            return f"namedtuple:{there.tuples[name]}"
        first, _, rest = name.partition(".")
        if first in there.imports:
            base, attribute = there.imports[first]
            if attribute is None:
                return self.walk(base, rest, depth) if rest else "?"
            if f"{base}.{attribute}" in self.modules and not (base in self.modules and attribute in self.modules[base].classes):
                return self.walk(f"{base}.{attribute}", rest, depth) if rest else "?"
            return self.find(base, f"{attribute}.{rest}" if rest else attribute, depth + 1)
        if first in there.same and there.same[first] != first:
            return self.find(module, there.same[first] + (f".{rest}" if rest else ""), depth + 1)
        for star in there.stars:
            found = self.find(star, name, depth + 1)
            if not isinstance(found, str) or found in OBJECTS or found.startswith("namedtuple:"):
                return found
        if first in ERRORS or f"builtins.{first}" in OBJECTS:
            return f"builtins.{name}"
        return f"{module}.{name}"

    def walk(self, module, rest, depth):
        """`rest` below a module, whose submodules may be meant."""
        parts = rest.split(".")
        while len(parts) > 1 and f"{module}.{parts[0]}" in self.modules:
            module, parts = f"{module}.{parts[0]}", parts[1:]
        return self.find(module, ".".join(parts), depth + 1)

    def all(self, module, name):
        """A class's definitions, and those of all that it is made from; names of those from elsewhere. `None`: not known."""
        key = (module, name)
        if key not in self.known:
            self.known[key] = None
            self.known[key] = self.gathered(module, name)
        return self.known[key]

    def gathered(self, module, name):
        classes, others = [], set()
        for one in self.modules[module].classes[name]:
            classes.append(one)
            for base in one.bases:
                found = self.base(one, base)
                if isinstance(found, str):
                    others.add(found)
                    continue
                for each in {(each.module, each.qualname) for each in found}:
                    above = self.all(*each)
                    if above is None:
                        others.add("a circle")
                    else:
                        classes.extend(above[0])
                        others |= above[1]
        return classes, others

    def base(self, one, base):
        if base.startswith("namedtuple:"):
            return base
        if base.endswith("()"):
            return "?" + base
        # A class that is defined within another sees its own first.
        outer = one.qualname.rpartition(".")[0]
        if outer and f"{outer}.{base}" in self.modules[one.module].classes and f"{outer}.{base}" != one.qualname:
            return self.modules[one.module].classes[f"{outer}.{base}"]
        found = self.find(one.module, base)
        if isinstance(found, str):
            # `numpy.ndarray`, by whichever of its modules it was had.
            return "numpy.ndarray" if found.startswith("numpy.") and found.endswith(".ndarray") else found
        known = f"{found[0].module}.{found[0].qualname}".replace("_collections_abc.", "collections.abc.")
        return known if known in OBJECTS else [each for each in found if each is not one] or "?itself"

    def fault(self, module, name):
        """Why a class is not inert, or nothing; and its marks."""
        gathered = self.all(module, name)
        if gathered is None:
            return "made from itself", ""
        classes, others = gathered
        error = {other for other in others if other.removeprefix("builtins.") in ERRORS}
        strange = {other for other in others if other not in OBJECTS and other not in error and not other.startswith("namedtuple:")}
        if strange:
            return f"made from {sorted(strange)[0]}", ""
        spoken = [one for one in classes if f"{one.module}.{one.qualname}" not in TRUSTED]
        for one in spoken:
            fault = self.fault_of(one, classes, bool(others & ENUMS))
            if fault:
                return fault, ""
        marks = self.marks(spoken, classes, others, error)
        return marks if isinstance(marks, tuple) else (None, marks)

    def fault_of(self, one, classes, enum):
        place = f"{one.module}.{one.qualname}"
        # What has an `__eq__` and no `__hash__` is no key.
        hashed = any("__hash__" in other.methods for other in classes)
        if one.metaclass and not enum and not self.is_metaclass(one.module, one.metaclass):
            return f"{place} has the metaclass {one.metaclass}"
        for mark in one.decorators:
            if not self.is_decorator(one.module, mark):
                return f"{place} is decorated by {mark}"
        for name, (fine, sets, reads) in one.methods.items():
            if enum and name in ("__new__", "__setattr__"):
                continue
            if name in FILLING | {"__setattr__", "_missing_"} or name == "__eq__" and not hashed:
                continue
            if not fine:
                return f"{place} says what happens on {name}"
            if name in ("__setstate__", "__del__", "__getattr__", "__array_finalize__", *HASHING):
                if any(other.setters.get(each) is False for other in classes for each in (sets if "*" not in sets else other.setters)):
                    return f"{place} sets what has a setter in {name}"
                if any(other.getters.get(each) is False for other in classes for each in reads):
                    return f"{place} reads what has a getter in {name}"
                if sets and any(not other.methods.get("__setattr__", (True,))[0] for other in classes if f"{other.module}.{other.qualname}" not in TRUSTED):
                    return f"{place} sets attributes in {name}, and __setattr__ is its own"
        return None

    def marks(self, spoken, classes, others, error):
        has = lambda names: [fine for one in spoken for name, (fine, *_) in one.methods.items() if name in names]
        trusted = len(spoken) < len(classes)
        if others & ENUMS:
            return "e" if all(has({"_missing_"})) and not has(HASHING) else ("an enumeration that looks for members itself", "")
        counts = [int(other.partition(":")[2]) for other in others if other.startswith("namedtuple:")]
        named = "typing.NamedTuple" in others
        if counts or named:
            if has({"__new__"}):
                return ("a tuple with a maker of its own", "")
            return f"t{max([*counts, *(one.fields for one in classes if named)], default=0)}"
        if others & TUPLES or "builtins.frozenset" in others:
            return ("a tuple", "")
        if others & VALUES:
            return ("a value with a maker of its own", "") if has({"__new__"}) else "v"
        marks = ""
        if error and not any({"__init__", "__new__", "__setattr__", "__setstate__"} & one.defines or one.setters for one in spoken):
            marks += "x"
        if others & FILLED and all(has(FILLING)) and not has({"__getattr__", "__missing__"}):
            marks += "i"
        setters = [fine for one in classes for fine in one.setters.values()]
        if any(one.slotted for one in classes) and all(setters) and not has({"__setattr__"}) and not trusted and not has({"__setstate__"}):
            marks += "s"
        return marks + ("o" if has({"__setstate__"}) or trusted else "")

    def is_metaclass(self, module, name):
        if name.rpartition(".")[2] in METACLASSES:
            return True
        found = self.find(module, name)
        if isinstance(found, str):
            return False
        return all(not {"__new__", "__init__", "__prepare__", "mro"} & one.defines and all(self.is_metaclass(one.module, base) for base in one.bases) for one in found)

    def is_decorator(self, module, name):
        if name in DECORATORS or name.rpartition(".")[2] in ("dataclass", "total_ordering", "set_module", "unique", "runtime_checkable"):
            return True
        there, first = self.modules.get(module), name.split(".")[0]
        for _ in range(8):
            if there is None:
                return False
            if name in there.functions:
                return not there.functions[name]
            if name in there.same:
                name = there.same[name]
                first = name.split(".")[0]
            elif first in there.imports:
                base, attribute = there.imports[first]
                rest = name[len(first) + 1:]
                if attribute is None or f"{base}.{attribute}" in self.modules and rest:
                    there, name = self.modules.get(base if attribute is None else f"{base}.{attribute}"), rest
                else:
                    there, name = self.modules.get(base), attribute + (f".{rest}" if rest else "")
                first = name.split(".")[0]
            else:
                return False
        return False


def wheels(folder):
    return sorted(Path(folder).glob("*.whl"), key=lambda path: path.name.lower())


def read(folder):
    world = World(wheels(folder))
    lines, kept, left, functions, tame = {}, 0, 0, 0, Tame(world.modules)
    for module in sorted(world.listed):
        if f"{module}.".startswith(RUNNING):
            continue
        for name, (one, *_) in world.modules[module].classes.items():
            fault, marks = world.fault(module, name)
            if fault:
                left += 1
                continue
            kept += 1
            lines.setdefault(one.renamed or module, set()).add(name + (f"/{marks}" if marks else ""))
        for name, fields in world.modules[module].tuples.items():
            lines.setdefault(module, set()).add(f"{name}/t{fields}")
        functions += tame.listed(module, lines)
    for module, names in world.compiled.items():
        lines.setdefault(module, set()).update(f"{name}/c" for name in names)
    for module in sorted(lines, key=lambda text: text.encode()):
        print(module, *sorted(lines[module]))
    print(f"{kept} classes are listed, {left} are not; {functions} functions", file=sys.stderr)


def get(folder):
    Path(folder).mkdir(parents=True, exist_ok=True)
    for pin in PINS.read_text().split():
        base = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "-d", folder, pin]
        # Wheels for another system have the same sources, without the libraries of graphics cards.
        small = ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--abi", "abi3", "--abi", "none"]
        for platform in PLATFORMS:
            small += ["--platform", platform]
        if subprocess.run([*base, *small]).returncode and subprocess.run(base).returncode:
            print(f"{pin} can't be had", file=sys.stderr)


def main():
    what, folder, *rest = sys.argv[1:]
    if what == "get":
        get(folder)
    elif what == "read":
        read(folder)
    else:
        world = World(wheels(folder))
        for one in rest:
            module, _, name = one.partition(":")
            print(one, *world.fault(module, name))


if __name__ == "__main__":
    main()
