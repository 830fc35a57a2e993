"""What a function of a library names, for `inert.py`: whether it may be referred to and never called."""

import ast

# Modules of commands and of what is for makers of the library: nobody's model refers to their functions.
NO_FUNCTIONS = set("__main__ cli commands command scripts script tools tool setup bin app server client docs conftest _build_utils console hub dev".split())


def dotted(node):
    """`a.b.c`, or nothing."""
    if isinstance(node, ast.Subscript):
        return dotted(node.value)
    if isinstance(node, ast.Call):
        return None
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        above = dotted(node.value)
        return above and f"{above}.{node.attr}"
    return None


# What a function may not name, nor anything that it names: what runs programs, opens files or sockets, loads, or reaches names.
SINK_MODULES = set("""
os posix nt sys subprocess shutil socket ssl ctypes cffi importlib imp runpy pickle _pickle cPickle dill cloudpickle joblib shelve marshal code
codeop pty pdb io _io tempfile glob fnmatch pathlib zipfile tarfile gzip bz2 lzma urllib urllib3 requests http httpx aiohttp ftplib smtplib
multiprocessing threading concurrent asyncio signal webbrowser pkgutil pkg_resources zipimport site inspect ast builtins gc sqlite3 dbm yaml
fsspec boto3 s3fs gcsfs huggingface_hub kagglehub wandb mlflow types pip setuptools distutils timeit cProfile profile trace platform getpass
""".split())
SINK_NAMES = set("""
eval exec compile open input breakpoint __import__ globals locals vars setattr delattr getattr execfile file exit quit print import_module system
popen Popen check_output check_call getoutput run_path run_module urlopen urlretrieve load loads load_module dlopen CDLL memmap fromfile tofile
loadtxt savetxt genfromtxt save savez savez_compressed dump dumps to_pickle read_pickle read_csv read_table read_json read_html read_excel
read_parquet read_feather read_hdf read_sql read_sql_query to_csv to_json to_parquet to_hdf to_excel to_sql from_pretrained push_to_hub
load_state_dict_from_url hub download fetch retrieve write write_text write_bytes read_text read_bytes mkdir makedirs unlink rmtree remove_file
spawn fork kill execute executescript connect bind listen sendall recv attrgetter methodcaller resolve_name get_type_hints parse_expr sympify
lambdify jit script trace fit_transform_from_file __globals__ __builtins__ __subclasses__ __code__ __class__ __reduce__ __reduce_ex__ frompyfunc
render render_template Template from_file to_file query literal_eval start_process add_safe_globals set_printoptions environ putenv
""".split())

# Of these, what does it by itself. What a function names may name the others: half of every library asks for `sys.version` or
# `inspect.signature` somewhere below.
HARD = set("""
eval exec compile open input breakpoint __import__ execfile import_module system popen Popen check_output check_call getoutput run_path run_module
urlopen urlretrieve load loads load_module dlopen CDLL memmap fromfile loadtxt genfromtxt dump dumps to_pickle read_pickle from_pretrained
load_state_dict_from_url spawn fork execute connect recv write_text write_bytes read_text read_bytes unlink rmtree makedirs mkdir resolve_name
get_type_hints parse_expr lambdify __globals__ __subclasses__ __code__ literal_eval
""".split())


class Function:
    """What a function names: whether that is enough to leave it out, and what else has to be looked at."""

    def __init__(self, node):
        self.sinks, self.hard, self.names = False, False, set()
        own = {one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)} if hasattr(node, "args") else set()
        for one in ast.walk(node):
            if isinstance(one, (ast.Global, ast.Await, ast.AsyncFunctionDef, ast.Import, ast.ImportFrom)):
                self.imported(one)
            elif isinstance(one, ast.Name):
                self.sinks |= one.id in SINK_NAMES
                self.hard |= one.id in HARD
                if one.id not in own:
                    self.names.add(one.id)
            elif isinstance(one, ast.Attribute):
                self.hard |= one.attr in HARD
                self.sinks |= one.attr in SINK_NAMES or one.attr.startswith(("read_", "write_", "load_", "save_", "download_", "fetch_"))
                text = dotted(one)
                if text and text.split(".")[0] not in own:
                    self.names.add(text)

    def imported(self, node):
        if isinstance(node, ast.Import):
            self.sinks |= any(one.name.split(".")[0] in SINK_MODULES for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            self.sinks |= node.level == 0 and (node.module or "").split(".")[0] in SINK_MODULES or any(one.name in SINK_NAMES | SINK_MODULES for one in node.names)
        else:
            self.sinks = True


class Tame:
    """Which functions of these modules, by name, may be referred to."""

    def __init__(self, modules):
        self.modules = modules
        self.hard = self.spread()

    def spread(self):
        """What names a hard name, itself or by what it names, as far as that is known."""
        users, todo = {}, []
        for module, there in self.modules.items():
            for name in (*there.named, *there.whole):
                fine = True
                for one in self.known(module, name):
                    fine = fine and not one.hard
                    for text in one.names if fine else ():
                        means = self.means(module, text, deep=True)
                        if isinstance(means, tuple):
                            users.setdefault(means, []).append((module, name))
                        fine = fine and bool(means)
                if not fine:
                    todo.append((module, name))
        hard = set(todo)
        while todo:
            for user in users.get(todo.pop(), ()):
                if user not in hard:
                    hard.add(user)
                    todo.append(user)
        return hard

    def known(self, module, name):
        there = self.modules[module]
        return there.named.get(name) or there.whole.get(name) or ()

    def is_tame(self, module, name):
        """Whether a function, and all that it names as far as that is known, names nothing that runs, opens, loads or reaches."""
        for one in self.known(module, name):
            means = [self.means(module, text, deep=False) for text in one.names]
            if one.sinks or not all(means) or any(isinstance(each, tuple) and each in self.hard for each in means):
                return False
        return bool(self.known(module, name))

    def means(self, module, text, deep):
        """What a name means there: a function or class of these modules; or whether it is nothing to worry about."""
        first, _, rest = text.partition(".")
        for _ in range(8):
            there = self.modules.get(module)
            if module.split(".")[0] == "numpy":
                # It works on what it is given; what it loads and saves by are hard names.
                return True
            if there is None:
                return deep or module.split(".")[0] not in SINK_MODULES
            if first in there.named or first in there.whole:
                return module, first
            if first in there.same and there.same[first].split(".")[0] != first:
                first, _, more = there.same[first].partition(".")
                rest = ".".join(part for part in (more, rest) if part)
            elif first in there.imports:
                base, attribute = there.imports[first]
                if base.split(".")[0] in SINK_MODULES or attribute in SINK_MODULES:
                    # What is reached there is a hard name, and was looked at by whoever names it.
                    return deep
                if attribute is None or f"{base}.{attribute}" in self.modules:
                    module = base if attribute is None else f"{base}.{attribute}"
                    while rest and f"{module}.{rest.split('.')[0]}" in self.modules:
                        module, rest = f"{module}.{rest.split('.')[0]}", rest.partition(".")[2]
                    if not rest:
                        return True
                    first, _, rest = rest.partition(".")
                else:
                    module, first = base, attribute
            else:
                star = next((star for star in there.stars if self.gives(star, first)), None)
                if star is None or star.split(".")[0] in SINK_MODULES:
                    return star is None
                module = star
        return False

    def gives(self, star, name):
        there = self.modules.get(star)
        return there is not None and any(name in each for each in (there.named, there.whole, there.same, there.imports))

    def listed(self, module, lines):
        """Adds the functions of a module that may be referred to."""
        parts, there = set(module.split(".")), self.modules[module]
        if parts & NO_FUNCTIONS or there.runs:
            return 0
        # What is defined only where an import fails is not what the name means.
        others = (there.classes, there.imports, there.same)
        names = {name for name in there.named if not any(name in other for other in others) and not name.startswith("__") and self.is_tame(module, name)}
        lines.setdefault(module, set()).update(f"{name}/f" for name in names)
        if not lines[module]:
            del lines[module]
        return len(names)
