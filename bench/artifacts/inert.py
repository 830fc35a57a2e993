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
listed class carries a mark if it may be asked for them, or if as a key it asks what it holds. What does more is listed with
a mark if it is harmless in a pickle of its library alone (`wild.py`).

A function may be referred to and never called: its name is all that a pickle of a setting holds (a metric, a loss, a kernel).
It is listed if it names nothing that runs programs, opens, loads or reaches names, and what it names does not either.
Run `sinks.py` over the table afterwards: it takes out classes whose methods do.
What is left out stays unknown.
"""

import builtins
import gc
import multiprocessing
import pickle
import re
import subprocess
import sys
from pathlib import Path

from functions import Tame
from plain import FILLING, HASHING
from sources import kept, module_of, own_modules
from wild import Library, Wild

HERE = Path(__file__).resolve().parent
PINS = HERE / "inert.pins"
PLATFORMS = "macosx_10_9_x86_64 macosx_10_9_universal2 macosx_10_12_x86_64 macosx_10_13_x86_64 macosx_10_13_universal2 macosx_10_14_x86_64 macosx_10_15_x86_64 macosx_10_15_universal2 macosx_11_0_universal2 macosx_11_0_arm64 macosx_12_0_arm64 macosx_13_0_arm64 macosx_14_0_arm64".split()
# Wheels that are asked for at once.
TOGETHER = 20

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
builtins.object abc.ABC typing.Generic typing_extensions.Generic typing_extensions.Any typing.Protocol typing_extensions.Protocol typing.Any collections.abc.Mapping collections.abc.MutableMapping
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
collections.Mapping collections.MutableMapping collections.Sequence collections.MutableSequence collections.Iterable numbers.Number numbers.Real numbers.Integral
""".split())
FILLED = {"builtins.dict", "builtins.list", "builtins.set", "collections.OrderedDict", "collections.defaultdict", "collections.Counter", "collections.deque", "typing.Dict", "typing.List", "typing.DefaultDict", "typing.OrderedDict"}
VALUES = {"builtins.str", "builtins.int", "builtins.float", "builtins.bytes", "builtins.frozenset", "builtins.complex"}
ENUMS = {"enum.Enum", "enum.IntEnum", "enum.StrEnum", "enum.Flag", "enum.IntFlag"}
# What compares by asking for elements.
COMPARING = {f"{module}.{name}" for module in ("collections.abc", "typing", "collections") for name in ("Mapping", "MutableMapping", "Set", "AbstractSet", "MutableSet")}
COMPARING |= {"collections.UserDict", "collections.UserList", "collections.ChainMap", "pandas._libs.arrays.NDArrayBacked", "pandas._libs.internals.BlockManager"}
TUPLES = {"builtins.tuple", "typing.Tuple", "typing.NamedTuple"}
ERRORS = {"BaseException", *(name for name in dir(builtins) if name.endswith(("Error", "Warning", "Exception")))}

# The last copies texts about methods.
METACLASSES = {"ABCMeta", "type", "EnumMeta", "EnumType", "GenericMeta", "AbstractDocStringInheritor"}
DECORATORS = set("""
dataclass dataclasses.dataclass dataclass_transform total_ordering functools.total_ordering final typing.final unique enum.unique runtime_checkable
typing.runtime_checkable typing_extensions.runtime_checkable attr.s attr.attrs attr.define attr.frozen attr.mutable attrs.define attrs.frozen attrs.mutable define frozen
abc.ABC deprecated typing_extensions.deprecated keras_export keras_tuner_export Substitution
""".split())


class World:
    """All modules by name, and what is known of their classes."""

    def __init__(self, wheels):
        self.modules, self.compiled, self.known, self.listed, self.children = {}, {}, {}, set(), {}
        for parts, source in own_modules():
            self.modules |= module_of(parts, source)
        with multiprocessing.Pool() as pool:
            for wheel, path in zip(wheels, pool.imap(kept, wheels)):
                modules, compiled = pickle.loads(path.read_bytes())
                self.listed |= modules.keys() - self.modules.keys()
                for name, module in modules.items():
                    self.modules.setdefault(name, module)
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
            if f"{base}.{attribute}" in self.modules and not self.is_within(base, attribute):
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
        child = self.lazily(module, first)
        if child:
            return self.find(child, name, depth + 1)
        return f"{module}.{name}"

    def is_within(self, package, name):
        """Whether a name in a package is a class of it, though a module of it has that name too."""
        there = self.modules.get(package)
        if there is None:
            return False
        return name in there.classes or there.imports.get(name) == (f"{package}.{name}", name)

    def lazily(self, package, name):
        """The module of a package that alone defines a name which the package gives when it is asked for it."""
        there = self.modules.get(package)
        if there is None or not there.package:
            return None
        if not self.children:
            for module, each in self.modules.items():
                for defined in (*each.classes, *each.functions):
                    self.children.setdefault((module.rpartition(".")[0], defined), []).append(module)
        found = self.children.get((package, name), ())
        return found[0] if len(found) == 1 else None

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
        if one.metaclass and not enum and not self.is_metaclass(one.module, one.metaclass):
            return f"{place} has the metaclass {one.metaclass}"
        for mark in one.decorators:
            if not self.is_decorator(one.module, mark):
                return f"{place} is decorated by {mark}"
        for name, (fine, sets, reads) in one.methods.items():
            if enum and name in ("__new__", "__setattr__"):
                continue
            if name in FILLING | HASHING | {"__setattr__", "_missing_"}:
                continue
            if name == "__getattr__" and self.is_unasked(classes):
                continue
            if not fine:
                return f"{place} says what happens on {name}"
            if name in ("__setstate__", "__del__", "__getattr__", "__array_finalize__"):
                if any(other.setters.get(each) is False for other in classes for each in (sets if "*" not in sets else other.setters)):
                    return f"{place} sets what has a setter in {name}"
                if self.gets(classes, reads):
                    return f"{place} reads what has a getter in {name}"
                if sets and any(not other.methods.get("__setattr__", (True,))[0] for other in classes if f"{other.module}.{other.qualname}" not in TRUSTED):
                    return f"{place} sets attributes in {name}, and __setattr__ is its own"
        return None

    @staticmethod
    def is_unasked(classes):
        """Whether nobody asks for what is missing: `__setstate__` is there, and reads nothing but the dictionary."""
        states = [(f"{one.module}.{one.qualname}" in TRUSTED, one.methods["__setstate__"]) for one in classes if "__setstate__" in one.methods]
        quiet = all(reads <= {"__dict__", "__class__"} for one in classes for name, (_, _, reads) in one.methods.items() if name in ("__del__", "__array_finalize__"))
        return bool(states) and quiet and all(trusted or reads <= {"__dict__", "__class__"} for trusted, (_, _, reads) in states)

    @staticmethod
    def gets(classes, reads):
        """Whether reading these attributes runs what a class says of one."""
        return any(other.getters.get(each) is False for other in classes for each in (reads if "*" not in reads else other.getters))

    def asks(self, classes, others):
        """Whether an object, as a key or beside one, asks what it holds for more than whether it equals another."""
        own = [(fine, reads) for one in classes for name, (fine, _, reads) in one.methods.items() if name in HASHING]
        return bool(others & COMPARING) or any(not fine or self.gets(classes, reads) for fine, reads in own)

    def marks(self, spoken, classes, others, error):
        has = lambda names: [fine for one in spoken for name, (fine, *_) in one.methods.items() if name in names]
        trusted, asks = len(spoken) < len(classes), self.asks(classes, others)
        if others & ENUMS:
            return "e" if all(has({"_missing_"})) and not has(HASHING) else ("an enumeration that looks for members itself", "")
        if asks and (error or others & (VALUES | TUPLES) or any(other.startswith("namedtuple:") for other in others)):
            return ("a value that compares as it likes", "")
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
        marks = "h" if asks else ""
        if error and not any({"__init__", "__new__", "__setattr__", "__setstate__"} & one.defines or one.setters for one in spoken):
            marks += "x"
        if others & FILLED and all(has(FILLING)) and not has({"__getattr__", "__missing__"}):
            marks += "i"
        setters = [fine for one in classes for fine in one.setters.values()]
        if any(one.slotted for one in classes) and all(setters) and not has({"__setattr__"}) and not trusted and not has({"__setstate__"}):
            marks += "s"
        return marks + ("o" if has({"__setstate__"}) or trusted else "")

    def does_more(self, module, name, marks):
        """Whether a class that keeps its state does more with items, or with a state that has slots."""
        classes, others = self.all(module, name)
        slotted = any(one.slotted for one in classes) or any(not fine for one in classes for fine in one.setters.values())
        return bool(others & FILLED) and "i" not in marks or slotted and not {"s", "o"} & set(marks)

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
                child = self.lazily(there.name, first)
                if child is None:
                    return False
                there = self.modules[child]
        return False


def wheels(folder):
    return sorted(Path(folder).glob("*.whl"), key=lambda path: path.name.lower())


def read(folder):
    world = World(wheels(folder))
    lines, kept, left, functions, tame = {}, 0, 0, 0, Tame(world.modules)
    wanted, takes = set(), set()
    for module in sorted(world.listed):
        if f"{module}.".startswith(RUNNING):
            continue
        for name, (one, *_) in world.modules[module].classes.items():
            fault, marks = world.fault(module, name)
            if fault:
                left += 1
                if is_wild(world, module, name, fault):
                    wanted.add((module, name))
                continue
            if world.does_more(module, name, marks):
                takes.add((module, name))
            kept += 1
            lines.setdefault(one.renamed or module, set()).add(name + (f"/{marks}" if marks else ""))
        for name, fields in world.modules[module].tuples.items():
            lines.setdefault(module, set()).add(f"{name}/t{fields}")
        functions += tame.listed(module, lines)
    add_wild(world, tame, wanted, takes, lines)
    for module, names in world.compiled.items():
        lines.setdefault(module, set()).update(f"{name}/c" for name in names)
    for module in sorted(lines, key=lambda text: text.encode()):
        print(module, *sorted(lines[module]))
    print(f"{kept} classes are listed, {left} are not; {functions} functions", file=sys.stderr)


def is_wild(world, module, name, fault):
    """Whether a class is left out for what its methods do, and what it is made from is known."""
    _, others = world.all(module, name) or ((), {"?"})
    plain = others <= OBJECTS - ENUMS - TUPLES - VALUES
    return plain and any(why in fault for why in (" says what happens on ", "has a setter", "has a getter", "is its own"))


def reduced(world, wild, module):
    """Classes and functions that classes of a module are made by when they say so themselves."""
    classes, functions = set(), set()
    for name, definitions in world.modules[module].classes.items():
        if any(asked in one.code for one in definitions for asked in ("__reduce__", "__reduce_ex__", "__getnewargs__", "__getnewargs_ex__")):
            classes.add((module, name))
        for code in [one.code[asked] for one in definitions for asked in ("__reduce__", "__reduce_ex__") if asked in one.code]:
            for means in [wild.means(module, text, code.local) for text in sorted(code.names)]:
                if isinstance(means, tuple) and means[0].split(".")[0] == module.split(".")[0]:
                    (classes if means[1] in world.modules[means[0]].classes else functions).add(means[:2])
    return classes, functions


def add_wild(world, tame, wanted, takes, lines):
    """Marks what may be read, made or called in a pickle of its library alone, and what may not be in such a pickle."""
    wild, of = Wild(world, tame), {}
    for module in sorted(world.listed):
        of.setdefault(module.split(".")[0], []).append(module)
    for root, modules in of.items():
        classes, functions = set(), set()
        for module in modules:
            more, named = reduced(world, wild, module)
            classes |= more
            functions |= named
        listed = {(module, name) for module in modules for name in world.modules[module].classes if any(entry.partition("/")[0] == name for entry in lines.get(module, ()))}
        here = {one for one in wanted if one[0].split(".")[0] == root}
        classes &= listed | here
        filled = {one for one in takes if one[0].split(".")[0] == root}
        asks = any("h" in entry.partition("/")[2] for module in modules for entry in lines.get(module, ()))
        if not (here or classes or functions or filled or asks):
            continue
        library = Library(wild, root, here, filled, listed, classes, functions)
        good = asks or (here | classes | filled) - library.out
        marks = {one: "w" for one in here - library.out} | {one: "j" for one in filled - library.out}
        for one in classes - library.out:
            marks[one] = marks.get(one, "") + "k"
        for one in functions:
            if library.is_called(one):
                marks[one] = "g"
        if good or any(mark == "g" for mark in marks.values()):
            marks |= {one: "n" for one in listed & library.out}
        put(lines, marks)


def put(lines, marks):
    for (module, name), mark in sorted(marks.items()):
        here = lines.setdefault(module, set())
        entry = next((entry for entry in here if entry.partition("/")[0] == name), None)
        if entry is None:
            here.add(f"{name}/{mark}")
        else:
            here.discard(entry)
            here.add(entry + ("" if "/" in entry else "/") + mark)


def get(folder):
    Path(folder).mkdir(parents=True, exist_ok=True)
    there = {name_of(path) for path in wheels(folder)}
    pins = [pin for pin in PINS.read_text().split() if plainly(pin) not in there]
    base = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "-d", folder]
    # Wheels for another system have the same sources, without the libraries of graphics cards.
    small = ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--abi", "abi3", "--abi", "none"]
    for platform in PLATFORMS:
        small += ["--platform", platform]
    for at in range(0, len(pins), TOGETHER):
        some = pins[at:at + TOGETHER]
        if not subprocess.run([*base, *small, *some]).returncode:
            continue
        for pin in some:
            if subprocess.run([*base, *small, pin]).returncode and subprocess.run([*base, pin]).returncode:
                print(f"{pin} can't be had", file=sys.stderr)


def plainly(pin):
    """A pin as wheels' names write it."""
    name, _, version = pin.partition("==")
    return f"{re.sub(r'[-_.]+', '_', name).lower()}=={version}"


def name_of(wheel):
    return plainly("==".join(wheel.name.split("-")[:2]))


def main():
    # Nothing of what is read goes before the end.
    gc.disable()
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
