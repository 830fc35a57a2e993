"""What the code of a method or function names, calls and asks for, for `wild.py`."""

import ast

from functions import HARD, SINK_MODULES, SINK_NAMES, dotted

# Names of `SINK_NAMES` that say nothing by themselves.
VAGUE = set("""
getattr setattr delattr vars locals print quit exit hub script trace jit render query bind connect fetch input save __class__ __reduce__ __reduce_ex__ __code__
set_printoptions file Template start_process retrieve
""".split())
STRICT = (HARD | SINK_NAMES) - VAGUE | set("globals __globals__ __builtins__ __subclasses__ tofile touch rename rmdir symlink_to hardlink_to chmod FileHandler SocketHandler memmap open_memmap FileType".split())
READING = ("read_", "write_", "load_", "save_", "download_", "fetch_", "to_csv", "to_pickle", "from_file")
# What is harmless in modules that are not.
FINE = set("""
os.path.join os.path.basename os.path.dirname os.path.splitext os.path.sep os.path.normpath os.sep os.linesep os.getpid os.cpu_count os.fspath os.PathLike
sys.version_info sys.version sys.maxsize sys.platform sys.byteorder sys.getsizeof sys.float_info sys.getrecursionlimit sys.intern sys.stdout sys.stderr
inspect.signature inspect.isclass inspect.isfunction inspect.ismethod inspect.Parameter inspect.getfullargspec io.StringIO io.BytesIO
threading.Lock threading.RLock threading.Event threading.Condition threading.local threading.get_ident threading.current_thread
types.SimpleNamespace types.FunctionType types.MethodType types.LambdaType types.BuiltinFunctionType types.NotImplementedType types.MappingProxyType types.NoneType types.GeneratorType gc.collect platform.system multiprocessing.cpu_count
""".split())
# Modules of Python that work on what they are given.
STANDARD = set("""
abc array base64 binascii bisect calendar cmath collections _collections_abc colorsys contextlib copy dataclasses datetime decimal difflib enum errno fractions functools
hashlib pprint reprlib heapq itertools json keyword locale logging math numbers operator queue random re secrets statistics string struct textwrap time typing
unicodedata uuid warnings weakref zlib zoneinfo traceback html __future__ _thread _weakref
""".split())


MAKERS = {"__new__", "__init__", "__post_init__", "__attrs_post_init__"}
COPIED = {"__copy__", "__deepcopy__", "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__new__", "__getnewargs__", "__getnewargs_ex__"}

# What turns objects into texts, and methods of texts and loggers that do.
SHOWN = {"__str__", "__repr__", "__format__", "__repr_html__"}
SAYING = {"format", "debug", "info", "warning", "warn", "error", "exception", "critical", "log", "pformat", "pprint", "warn_explicit", "warn_once"}


def kinds(node):
    """Names of classes that are compared with and not made: in annotations, and of `isinstance`."""
    aside = set()
    for one in ast.walk(node):
        parts = [getattr(one, "annotation", None), getattr(one, "returns", None)]
        if isinstance(one, ast.Call) and dotted(one.func) in ("isinstance", "issubclass", "cast", "typing.cast") and len(one.args) == 2:
            parts.append(one.args[0 if "cast" in dotted(one.func) else 1])
        for part in parts:
            if isinstance(part, ast.AST):
                aside.update(map(id, ast.walk(part)))
    return aside


class Code:
    """The names that code uses for what is outside of it, and the attributes that it asks its own object and any other for."""

    __slots__ = ("hard", "names", "own", "asked", "local")

    def __init__(self, node, method):
        arguments = [one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)] if isinstance(getattr(node, "args", None), ast.arguments) else []
        own = arguments[0] if method and arguments else None
        self.hard, self.names, self.own, self.asked, self.local = False, set(), set(), set(), {}
        here = set(arguments) | {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, (ast.Store, ast.Del))}
        here |= {one.name for one in ast.walk(node) if isinstance(one, ast.ExceptHandler) and one.name}
        here |= {one.name for one in ast.walk(node) if isinstance(one, (ast.FunctionDef, ast.ClassDef)) and one is not node}
        aside = kinds(node)
        for one in ast.walk(node):
            if id(one) not in aside:
                self.take(one, own, here)
        if isinstance(node, ast.expr):
            # What a class has under a name: a method of its own, or a function.
            self.own |= self.names
        self.names = frozenset(self.names)
        self.own, self.asked = frozenset(self.own), frozenset(self.asked)

    def beside(self, other):
        """That of a property's getter and setter, or of two definitions of which either may be the one that counts."""
        if other is not None:
            self.hard |= other.hard
            self.names, self.own, self.asked, self.local = self.names | other.names, self.own | other.own, self.asked | other.asked, other.local | self.local
        return self

    def take(self, one, own, here):
        if isinstance(one, (ast.Global, ast.Await, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)):
            self.hard = True
        elif isinstance(one, ast.Import):
            for each in one.names:
                self.local[each.asname or each.name.split(".")[0]] = (0, each.name if each.asname else each.name.split(".")[0], None)
        elif isinstance(one, ast.ImportFrom):
            for each in one.names:
                self.local[each.asname or each.name] = (one.level, one.module or "", each.name)
        elif isinstance(one, ast.Name):
            if one.id not in here:
                self.hard |= one.id in STRICT
                self.names.add(one.id)
        elif isinstance(one, ast.Attribute):
            self.attribute(one, own, here)
        elif isinstance(one, ast.Call):
            self.call(one, own)
        elif isinstance(one, (ast.With, ast.AsyncWith)):
            self.asked |= {"__enter__", "__exit__"}
        elif isinstance(one, ast.FormattedValue) or isinstance(one, ast.BinOp) and isinstance(one.op, ast.Mod):
            self.asked |= SHOWN

    def attribute(self, one, own, here):
        text = dotted(one)
        self.hard |= (one.attr in STRICT or one.attr.startswith(READING)) and text != "re.compile"
        above = one.value
        if one.attr in SAYING:
            self.asked |= SHOWN
        if one.attr == "__class__":
            self.asked |= MAKERS
        if isinstance(above, ast.Name) and above.id == own or isinstance(above, ast.Call) and dotted(above.func) == "super":
            self.own.add(one.attr)
            return
        if text and text.split(".")[0] not in here:
            self.names.add(text)
        else:
            self.asked.add(one.attr)

    def call(self, one, own):
        name = dotted(one.func)
        if name in ("str", "repr", "format", "print", "ascii", "pformat", "warn"):
            self.asked |= SHOWN
        if name == "type" or name == own and own:
            self.asked |= MAKERS
        if name in ("copy", "deepcopy", "copy.copy", "copy.deepcopy"):
            self.asked |= COPIED
        if name in ("getattr", "hasattr", "setattr", "delattr") and len(one.args) > 1:
            said, mine = one.args[1], isinstance(one.args[0], ast.Name) and one.args[0].id == own
            if isinstance(said, ast.Constant):
                (self.own if mine else self.asked).add(str(said.value))
                self.hard |= str(said.value) in STRICT
            elif name in ("getattr", "setattr"):
                # By a name that nobody knows: anything of its own, or of anything.
                (self.own if mine else self.asked).add("*")


def is_fine(text):
    """Whether a name of a module that is not harmless is."""
    return any(text == one or text.startswith(one + ".") for one in FINE)


def is_standard(module):
    return module.split(".")[0] in STANDARD and not module.startswith(("logging.", "json.tool"))


def is_sink(module):
    return module.split(".")[0] in SINK_MODULES
