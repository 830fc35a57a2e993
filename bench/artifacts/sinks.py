"""Takes out of the table of inert classes those with a method that opens, runs, loads or removes something.

usage: sinks.py FOLDER_OF_WHEELS TABLE    (after inert.py; prints how many went)

A class that only keeps its state is harmless alone. In a chain it is not: an attribute of a state stands before a method, so
whoever calls `x.read()` may call the method of any class of the table, and with a state that the file wrote. So a class of which
any method, or a function of its module that a method calls, names a sink does not stay, nor does what inherits from it in its
library. Functions, errors, members and named tuples are not looked at here.
"""

import ast
import collections
import multiprocessing
import re
import sys
import zipfile
from pathlib import Path

NAMES = set("""open exec eval compile __import__ execfile import_module Popen check_call check_output sympify parse_expr lambdify
urlopen urlretrieve cdll CDLL system popen NamedTemporaryFile mkstemp mkdtemp TemporaryDirectory rmtree copyfile copytree memmap
getstatusoutput getoutput spawn fork call_command run_command""".split())
MODULES = set("""subprocess shutil ctypes socket pickle cPickle cloudpickle dill marshal importlib runpy tempfile webbrowser requests
urllib sqlite3 imp code pty multiprocessing signal asyncio joblib fsspec h5py zipfile tarfile gzip bz2 lzma sh pexpect yaml pip
atexit resource xmlrpc http httpx boto3 paramiko""".split())
OS = set("""system popen remove unlink rename renames replace rmdir removedirs makedirs mkdir kill killpg putenv startfile fork
symlink link chmod chown truncate mkfifo chdir fdopen open write dup2 setuid abort _exit""".split())
METHODS = set("""write_text write_bytes unlink mkdir touch rmdir rmtree Popen check_call check_output import_module system popen loads
load_module exec_module urlopen tofile savez savetxt memmap fromfile loadtxt genfromtxt to_pickle read_pickle write_image savefig
hardlink_to symlink_to""".split())
PAIRS = {("np", "load"), ("numpy", "load"), ("np", "save"), ("numpy", "save"), ("torch", "load"), ("torch", "save"), ("json", "dump")}
# What these modules do with texts, bytes and what is open already.
DATA = {("json", name) for name in ("dump", "dumps", "loads")} | {(name, done) for name in ("pickle", "cPickle", "cloudpickle", "dill") for done in ("dump", "dumps")}
DATA |= {(name, done) for name in ("gzip", "bz2", "lzma") for done in ("compress", "decompress")} | {("yaml", name) for name in ("dump", "safe_dump", "safe_load")}
DATA |= {("multiprocessing", name) for name in ("cpu_count", "current_process", "get_start_method", "get_all_start_methods")} | {("platform", "system")}
# Work in parallel is done by what the code names.
DATA |= {("joblib", name) for name in ("Parallel", "delayed", "cpu_count", "effective_n_jobs", "hash", "parallel_backend", "parallel_config")}
PLAIN = ("urllib.parse.", "importlib.metadata.")
# Methods that hand a pointer of the state to C.
LIBRARIES = {"rtree"}
# Bases of which these methods write to a path, read bytes or import a module that their caller or their class gives, and not
# their state. Read by a person.
GIVEN = {
    ("sktime.base._base", "BaseObject"): {"save", "load_from_serial", "load_from_path"},
    ("sktime.utils._estimator_html_repr", "_HTMLDocumentationLinkMixin"): {"_generate_doc_link"},
}


def imports_of(tree):
    """What a module's names stand for, by its imports; and whether it takes all the names of another."""
    found, stars = {}, False
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                found[one.asname or one.name.split(".")[0]] = one.name if one.asname else one.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            stars |= any(one.name == "*" for one in node.names)
            base = "." * node.level + (node.module or "")
            found |= {one.asname or one.name: f"{base}.{one.name}" for one in node.names}
    return found, stars


def is_of_module(path):
    """Whether a path of names, from an imported module on, is a sink of that module; `None`: it is none of those that have any."""
    first, _, rest = path.partition(".")
    last = path.rpartition(".")[2]
    if (first, last) in DATA or path.startswith(PLAIN):
        return False
    if first in ("os", "_os", "posix") and (last.startswith(("spawn", "exec")) or last in OS and rest == last):
        return True
    return True if first in MODULES and rest or (first, last) in PAIRS else None


def is_sink(function, imports, stars):
    """Whether a call is one; a root that is imported nowhere is a variable, and no module that has its name."""
    if isinstance(function, ast.Name):
        return function.id in NAMES or bool(is_of_module(imports.get(function.id, "")))
    if not isinstance(function, ast.Attribute):
        return False
    at, parts = function, []
    while isinstance(at, ast.Attribute):
        at, parts = at.value, [at.attr, *parts]
    root, last = at.id if isinstance(at, ast.Name) else None, function.attr
    whole = imports.get(root, root if stars or root in ("os", "_os", "np", "torch") else None)
    known = is_of_module(".".join([whole, *parts])) if whole else None
    if known is not None:
        return known
    return last in METHODS or last == "open" and root != "self" or tuple(parts[-2:]) in PAIRS


def of_module(source, module=""):
    """Whether each class of a module has a sink, and the last names of its bases."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None

    imports, stars = imports_of(tree)

    def called(node):
        calls = [one.func for one in ast.walk(node) if isinstance(one, ast.Call)]
        return any(is_sink(one, imports, stars) for one in calls), {one.id for one in calls if isinstance(one, ast.Name)}

    functions = {node.name: called(node) for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    reached = {name for name, (sinks, _) in functions.items() if sinks}
    while more := {name for name, (_, names) in functions.items() if name not in reached and names & reached}:
        reached |= more
    found = {}

    def visit(body, prefix):
        for node in body:
            if isinstance(node, ast.ClassDef):
                given = GIVEN.get((module, prefix + node.name), ())
                kept = [part for part in node.body if getattr(part, "name", None) not in given]
                sinks, names = called(ast.Module(kept, []))
                bases = {re.split(r"[\[(]", ast.unparse(base))[0].split(".")[-1] for base in node.bases}
                found[prefix + node.name] = (sinks or bool(names & reached), bases)
                visit(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, (ast.If, ast.Try)):
                visit(node.body + node.orelse + [one for part in getattr(node, "handlers", []) for one in part.body], prefix)

    visit(tree.body, "")
    return found


def of_wheel(task):
    path, wanted = task
    found = []
    with zipfile.ZipFile(path) as wheel:
        for name in wheel.namelist():
            place = re.sub(r"^[^/]+\.data/(purelib|platlib)/", "", name)
            module = place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            if place.endswith(".py") and module in wanted:
                found.append((module, of_module(wheel.read(name).decode("utf-8", "replace"), module)))
    return found


def entries(path):
    for line in path.read_text().splitlines():
        module, _, names = line.partition(" ")
        yield line, module, [] if line.startswith("#") else names.split(" ")


def main():
    wheels, table = Path(sys.argv[1]), Path(sys.argv[2])
    wanted = frozenset(module for _, module, names in entries(table) if names)
    sinks, bases = set(), collections.defaultdict(set)
    with multiprocessing.Pool() as pool:
        for found in pool.imap_unordered(of_wheel, [(path, wanted) for path in sorted(wheels.rglob("*.whl"))]):
            for module, classes in found:
                for name, (bad, above) in (classes or {}).items():
                    bases[module, name] |= above
                    if bad:
                        sinks.add((module, name))
    library = lambda module: module.split(".")[0]
    while True:
        names = {(library(module), name.split(".")[-1]) for module, name in sinks}
        more = {(module, name) for (module, name), above in bases.items() if (module, name) not in sinks and any((library(module), base) in names for base in above)}
        if not more:
            break
        sinks |= more
    out, gone = [], 0
    for line, module, names in entries(table):
        kept = []
        for entry in names:
            name, _, marks = entry.partition("/")
            looked = not set(marks) & set("fgxet")
            if looked and ((module, name) in sinks or library(module) in LIBRARIES):
                gone += 1
            else:
                kept.append(entry)
        if kept or not names:
            out.append(f"{module} {' '.join(kept)}" if names else line)
    table.write_text("\n".join(out) + "\n")
    print(f"{gone} classes are out")


if __name__ == "__main__":
    main()
