"""What the sources of libraries define, for `inert.py`: classes with their methods, functions, and where names come from."""

import ast
import hashlib
import pickle
import re
import sysconfig
import zipfile
from pathlib import Path

from functions import Function, dotted
from plain import ALWAYS, FILLING, HASHING, INJECTING, OWN, Plain, compares
from reach import Code

HERE = Path(__file__).resolve().parent
ASIDE = {"tests", "test", "testing", "conftest", "benchmarks", "_testing", "_vendor", "vendor", "examples", "sandbox", "stan_model", "asv_bench", "docs", "third_party"}


# What a class has by calls that give no descriptor.
PLAIN = {"field", "Field", "TypeVar", "ib", "attrib", "namedtuple", "frozenset", "set", "dict", "list", "tuple", "getLogger", "OrderedDict", "ParamSpec", "attr", "auto", "object"}


class Class:
    """What is known of one definition of a class."""

    def __init__(self, module, qualname, node):
        self.module, self.qualname = module, qualname
        self.bases = [self.base(base) for base in node.bases if not isinstance(base, ast.Starred)]
        self.metaclass = next((dotted(one.value) or "?" for one in node.keywords if one.arg == "metaclass"), None)
        self.decorators = [dotted(one.func if isinstance(one, ast.Call) else one) or "?" for one in node.decorator_list]
        self.renamed = next((one.args[0].value for one in node.decorator_list if isinstance(one, ast.Call) and (dotted(one.func) or "").endswith("set_module") and one.args and isinstance(one.args[0], ast.Constant)), None)
        self.methods, self.setters, self.getters, self.defines, self.code = {}, {}, {}, set(), {}
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
            fine = name == "__hash__" and (isinstance(value, ast.Constant) or dotted(value) == "object.__hash__")
            self.keep(name, fine)
        if isinstance(value, ast.Call) and any(one.arg in ("eq", "order", "cmp", "hash") and not isinstance(one.value, ast.Constant) for one in value.keywords):
            # A field that is compared by a function.
            self.keep("__eq__", False)
        self.held(name, value)
        if isinstance(value, ast.Call) and (dotted(value.func) or "").rpartition(".")[2] not in PLAIN:
            # It may be a descriptor.
            self.setters[name] = False
            self.getters[name] = False

    def held(self, name, value):
        """What a class has under a name, where that may be asked for and run."""
        made = isinstance(value, ast.Call) and (dotted(value.func) or "").rpartition(".")[2]
        if isinstance(value, (ast.Name, ast.Attribute, ast.Lambda)) or made in ("property", "classmethod", "staticmethod", "partialmethod"):
            self.code[name] = Code(value, True).beside(self.code.get(name))
        elif isinstance(value, ast.Call) and made not in PLAIN:
            code = Code(value, True)
            code.hard = True
            self.code[name] = code.beside(self.code.get(name))

    def method(self, one):
        name = one.name
        marks = [dotted(mark.func if isinstance(mark, ast.Call) else mark) or "?" for mark in one.decorator_list]
        self.defines.add(name)
        self.code[name] = Code(one, "staticmethod" not in marks).beside(self.code.get(name))
        if any(mark.endswith(".setter") for mark in marks):
            plain = Plain(one)
            self.setters[name] = self.is_fine(plain) and plain.sets <= {f"_{name}", f"__{name}", f"_{name}_"}
        elif marks and not set(marks) <= {"staticmethod", "classmethod", "abstractmethod", "abc.abstractmethod", "override", "typing.override"} and name not in ALWAYS:
            self.getters[name] = self.is_fine(Plain(one))
            self.setters.setdefault(name, "property" in "".join(marks))
        if name in ALWAYS:
            words = (0,) if name in ("__getattr__", "__getattribute__") else ()
            plain = Plain(one, words, state=name == "__setstate__")
            self.keep(name, self.is_fine(plain), plain.sets, plain.reads)
        elif name in HASHING:
            self.keep(name, compares(one), (), {node.attr for node in ast.walk(one) if isinstance(node, ast.Attribute)})
        elif name in FILLING or name in ("__setattr__", "_missing_"):
            plain = Plain(one, (0,) if name == "__setattr__" else (), alone=name == "_missing_")
            self.keep(name, self.is_fine(plain), plain.sets, plain.reads)
        elif name in ("__init_subclass__", "__set_name__", "__class__", "__dict__", "__instancecheck__"):
            text = ast.unparse(one)
            injects = any(word in text.replace("def __init_subclass__", "") for word in INJECTING) or name in ("__class__", "__dict__")
            self.keep(name, not injects)
        elif name in ("__prepare__", "mro"):
            self.keep(name, False)

    def keep(self, name, fine, sets=(), reads=()):
        """One of several definitions of a method, of which any may be the one that counts."""
        before = self.methods.get(name, (True, set(), set()))
        self.methods[name] = (before[0] and fine, before[1] | set(sets), before[2] | set(reads))

    def is_fine(self, plain):
        """Whether a method is plain, and the classes that it names are what this one is made from."""
        return plain.fine and plain.named <= OWN | {self.qualname.rpartition(".")[2]} | {base.rpartition(".")[2] for base in self.bases}


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
        self.named, self.whole, self.codes, self.runs = {}, {}, {}, False
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
            self.codes.setdefault(node.name, []).append(Code(node, False))
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
    tree = parsed(source) if "class " in source or "import" in source or "def " in source else None
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


def kept(wheel):
    """The same, kept in a file beside the wheel until what reads it changes."""
    by = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in ("sources.py", "plain.py", "functions.py", "reach.py"))).hexdigest()[:16]
    path = wheel.with_suffix(f".{by}.read")
    if not path.exists():
        path.write_bytes(pickle.dumps(loaded(wheel)))
    return path
