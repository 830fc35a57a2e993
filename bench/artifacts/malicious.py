"""One inert sample or more for each way past a scanner: `malicious.py OUT`.

The shapes are those of real attacks; what they would run is `true`, and nobody loads them here. Only the standard library
is used, so that the bytes are the same everywhere. Printed as JSON, one line per file: {"file": ..., "class": ...}.
"""

import base64
import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import folders
import gadgets
import inside
import keys
import chains
import configs
import lookups
import settings
import spellings
from opcodes import PROTO, call, glob, stack_glob, text

OUT = Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)


def put(name, kind, data):
    (OUT / name).write_bytes(data)
    print(json.dumps({"file": name, "class": kind}), flush=True)


COMMAND = text("true")
SYSTEM = call(glob("os", "system"), COMMAND)
EVIL = PROTO + SYSTEM + b"."


def simple(module, name, *arguments):
    return PROTO + call(stack_glob(module, name), *(arguments or (COMMAND,))) + b"."


def imports():
    put("os_system.pkl", "import", EVIL)
    for module, name in [
        ("posix", "system"), ("nt", "system"), ("subprocess", "Popen"), ("builtins", "eval"), ("builtins", "exec"),
        ("__builtin__", "execfile"), ("builtins", "__import__"), ("socket", "create_connection"), ("webbrowser", "open"),
        ("shutil", "rmtree"), ("runpy", "run_path"), ("pty", "spawn"), ("ctypes", "CDLL"), ("code", "interact"),
    ]:
        put(f"import_{module}_{name}.pkl", "import", simple(module, name))
    for module, name in [
        ("pip", "main"), ("timeit", "timeit"), ("trace", "Trace.run"), ("cProfile", "run"), ("profile", "runctx"),
        ("idlelib.pyshell", "ModifiedInterpreter.runcode"), ("lib2to3.pgen2.pgen", "ParserGenerator.make_label"),
        ("doctest", "debug_script"), ("bdb", "Bdb.run"), ("pdb", "run"), ("code", "InteractiveInterpreter.runcode"),
        ("ensurepip", "_run_pip"), ("uuid", "_get_command_stdout"), ("distutils.file_util", "write_file"),
        ("imaplib", "IMAP4_stream"), ("torch.utils.collect_env", "run"), ("torch.hub", "load"), ("numpy.testing._private.utils", "runstring"),
        ("torch.jit.unsupported_tensor_ops", "execWrapper"), ("torch._dynamo.guards", "GuardBuilder.get"),
        ("torch.fx.experimental.symbolic_shapes", "ShapeEnv.evaluate_guards_expression"), ("pydoc", "pipepager"),
        ("cgitb", "lookup"), ("logging.config", "_resolve"), ("multiprocessing.util", "spawnv_passfds"),
        ("somebody.package", "run_it"),
    ]:
        put(f"gap_{module.replace('.', '_')}_{name.replace('.', '_')}.pkl", "deny-list gap", simple(module, name))


def resolvers():
    for module, name in [
        ("pkgutil", "resolve_name"), ("importlib", "import_module"), ("operator", "attrgetter"), ("operator", "methodcaller"),
        ("pydoc", "locate"), ("unittest.mock", "_importer"), ("numpy.core", "_ufunc_reconstruct"), ("zope.dottedname.resolve", "resolve"),
    ]:
        arguments = (text("os"), text("system")) if "ufunc" in name else (text("os:system"),)
        put(f"resolver_{module.replace('.', '_')}_{name}.pkl", "resolver", simple(module, name, *arguments))
    chain = call(call(stack_glob("builtins", "getattr"), glob("collections", "OrderedDict"), text("__init__")), COMMAND)
    put("getattr_chain.pkl", "attribute chain", PROTO + chain + b".")
    computed = call(stack_glob("builtins", "getattr"), call(glob("collections", "OrderedDict")), text("popitem"))
    put("getattr_object.pkl", "attribute chain", PROTO + call(computed, COMMAND) + b".")
    put("numpy_dotted.pkl", "dotted name", simple("numpy", "f2py.os.system"))
    put("collections_dotted.pkl", "dotted name", simple("collections", "_sys.modules.__getitem__", text("os")))
    put("torch_dotted.pkl", "dotted name", simple("torch", "serialization.os.system"))
    partial = PROTO + call(glob("functools", "partial"), glob("builtins", "getattr"), COMMAND) + b"."
    put("partial_getattr.pkl", "resolver handed on", partial)
    default = call(glob("collections", "defaultdict"), call(glob("functools", "partial"), glob("os", "system"), COMMAND))
    put("defaultdict_factory.pkl", "resolver handed on", PROTO + default + b".")
    newobj = call(glob("copyreg", "__newobj__"), glob("subprocess", "Popen"), COMMAND)
    put("copyreg_newobj.pkl", "reconstructor", PROTO + newobj + b".")
    put("newobj_getattr.pkl", "reconstructor", PROTO + call(glob("copyreg", "__newobj__"), glob("builtins", "getattr"), COMMAND) + b".")


def forms():
    put("inst.pkl", "old call form", b"(S'true'\nios\nsystem\n.")
    put("obj.pkl", "old call form", b"(cos\nsystem\nS'true'\no.")
    put("protocol0.pkl", "old call form", b"cos\nsystem\n(S'true'\ntR.")
    put("newobj.pkl", "new call form", PROTO + glob("subprocess", "Popen") + text("true") + b"\x85\x81.")
    put("newobj_ex.pkl", "new call form", PROTO + glob("subprocess", "Popen") + b")}" + text("args") + COMMAND + b"s\x92.")
    put("escaped_unicode.pkl", "computed name", b"\x80\x02V\\u006f\\u0073\nV\\u0073ystem\n\x93(S'true'\ntR.")
    put("escaped_string.pkl", "computed name", b"\x80\x02S'\\x6f\\163'\nS'system'\n\x93(S'true'\ntR.")
    put("joined_name.pkl", "computed name", PROTO + text("o") + text("system") + b"\x93" + b"0" + call(call(glob("builtins", "str"), text("os"))[:-1] + b"R", COMMAND) + b".")
    put("object_name.pkl", "type confusion", PROTO + call(glob("builtins", "str"), text("os")) + text("system") + b"\x93" + COMMAND + b"\x85R.")
    put("list_name.pkl", "type confusion", PROTO + b"](" + text("os") + b"e" + text("system") + b"\x93" + COMMAND + b"\x85R.")
    put("memo_name.pkl", "memo", PROTO + text("system") + b"q\x05" + text("os") + b"q\x060" + b"0h\x06h\x05\x93" + COMMAND + b"\x85R.")
    put("memo_far.pkl", "memo", PROTO + text("os") + b"r\xff\xff\xff\x0f0" + b"j\xff\xff\xff\x0f" + text("system") + b"\x93" + COMMAND + b"\x85R.")
    put("memo_rebound.pkl", "memo", PROTO + text("collections") + b"q\x000" + text("os") + b"q\x000h\x00" + text("system") + b"\x93" + COMMAND + b"\x85R.")
    put("dup_name.pkl", "memo", PROTO + text("os") + b"2" + b"0" + text("system") + b"\x93" + COMMAND + b"\x85R.")
    put("popped.pkl", "result popped", PROTO + SYSTEM + b"0" + text("weights") + b".")
    put("popped_mark.pkl", "result popped", PROTO + b"(" + SYSTEM + b"1}.")
    put("build_module.pkl", "state of an import", PROTO + glob("collections", "OrderedDict") + b"N}" + text("__reduce__") + text("x") + b"s\x86b.")
    put("setitem_import.pkl", "state of an import", PROTO + glob("sys", "modules") + text("os") + text("x") + b"s.")
    put("build_reduce.pkl", "state of an import", PROTO + glob("collections", "OrderedDict") + b"}" + text("x") + glob("os", "system") + b"sb.")
    put("scipy_template.pkl", "harmless class, harmful state",
        PROTO + glob("scipy.stats._continuous_distns", "norm_gen") + b")\x81}" + text("_parse_arg_template") + text("import os") + b"sb.")
    put("ext1.pkl", "extension registry", PROTO + b"\x82\x01" + COMMAND + b"\x85R.")
    put("ext4.pkl", "extension registry", PROTO + b"\x84\x01\x00\x00\x7f" + COMMAND + b"\x85R.")
    put("persid.pkl", "persistent id", b"Pevil\n.")
    put("binpersid.pkl", "persistent id", PROTO + text("evil") + b"Q(tR.")
    put("codec.pkl", "harmless function, harmful argument", PROTO + call(glob("_codecs", "encode"), COMMAND, text("zip")) + b".")
    put("arity.pkl", "harmless function, harmful argument", PROTO + call(glob("numpy.core.multiarray", "_reconstruct"), *[COMMAND] * 9) + b".")


def broken():
    for cut in [1, 2]:
        put(f"truncated{cut}.pkl", "runs before it breaks", EVIL[:-cut] if cut == 1 else EVIL[:-1] + b"X\xff\xff")
    put("keyerror.pkl", "runs before it breaks", PROTO + SYSTEM + b"h\x63.")
    put("bad_opcode.pkl", "runs before it breaks", PROTO + SYSTEM + b"\xfe.")
    put("underflow.pkl", "runs before it breaks", PROTO + SYSTEM + b"000000.")
    put("bad_string.pkl", "runs before it breaks", b"cos\nsystem\n(S'true'\ntRS'never\n.")
    put("proto_late.pkl", "runs before it breaks", b"\x80\x02" + SYSTEM + b"\x80\x09.")
    put("cut_benign.pkl", "truncated", pickle.dumps(list(range(1000)))[:-7])
    payload = SYSTEM + b"."
    put("frame_straddle.pkl", "frame straddle", PROTO + b"\x95" + struct.pack("<Q", 3) + payload)
    put("frame_huge.pkl", "frame straddle", PROTO + b"\x95" + b"\xff" * 8 + payload)
    put("frame_inner.pkl", "frame straddle", PROTO + b"\x95" + struct.pack("<Q", 40) + b"\x95" + struct.pack("<Q", 2) + payload)


def many():
    good = pickle.dumps({"weights": [1.0, 2.0]})
    put("second_stream.pkl", "several streams", good + EVIL)
    put("tenth_stream.pkl", "several streams", good * 9 + EVIL)
    put("second_protocol0.pkl", "several streams", good + b"cos\nsystem\n(S'true'\ntR.")
    put("nested_raw.pkl", "nested pickle", PROTO + call(glob("pickle", "loads"), b"C" + bytes([len(EVIL)]) + EVIL) + b".")
    put("nested_data.pkl", "nested pickle", PROTO + b"C" + bytes([len(EVIL)]) + EVIL + b".")
    put("nested_base64.pkl", "nested pickle", PROTO + text(base64.b64encode(EVIL * 2).decode()) + b".")
    put("nested_hex.pkl", "nested pickle", PROTO + text((EVIL * 2).hex()) + b".")
    put("nested_protocol0.pkl", "nested pickle", PROTO + text("cos\nsystem\n(S'true'\ntR.") + b".")
    inner = io.BytesIO()
    magic, rest = 0x1950A86A20F9469CFC6C, [1001, {"little_endian": True}]
    for value in [magic, *rest]:
        inner.write(pickle.dumps(value, 2))
    inner.write(EVIL + pickle.dumps([], 2))
    put("legacy_torch.pth", "torch legacy", inner.getvalue())
    storages = b"".join(pickle.dumps(value, 2) for value in [magic, *rest, {}, ["0"]]) + struct.pack("<q", 4) + bytes(16)
    put("legacy_behind.pth", "pickle inside other bytes", storages + b"junk" + EVIL)
    load = call(glob("torch.storage", "_load_from_bytes"), b"B" + struct.pack("<I", len(inner.getvalue())) + inner.getvalue())
    put("load_from_bytes.pkl", "nested pickle", PROTO + load + b".")
    evaluated = b"\x80\x02" + call(glob("__builtin__", "eval"), text("0x1950a86a20f9469cfc6c")) + b"."
    put("legacy_magic_eval.pth", "torch legacy", evaluated + b"".join(pickle.dumps(value, 2) for value in [*rest, {}, []]))
    long = [[{"id": number, "name": f"user{number}"} for number in range(1000)] for _ in range(120)]
    put("after_million.pkl", "budget", pickle.dumps(long, 4)[:-1] + b"0" + SYSTEM + b".")
    put("after_strings.pkl", "budget", pickle.dumps([f"name_{number}" for number in range(80_000)], 4)[:-1] + b"0" + SYSTEM + b".")
    deep = EVIL
    for _ in range(40):
        deep = PROTO + b"B" + struct.pack("<I", len(deep)) + deep + b"."
    put("deep_nest.pkl", "budget", deep)


def packed():
    packings = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zlib": zlib.compress}
    packings["lzma"] = lambda data: lzma.compress(data, lzma.FORMAT_ALONE)
    for name, pack in packings.items():
        put(f"packed.pkl.{name}", "packed", pack(EVIL))
    put("twice.pkl.gz", "packed", gzip.compress(bz2.compress(EVIL)))
    put("zlib_behind.joblib", "several streams", zlib.compress(pickle.dumps([1])) + EVIL)
    put("zlib_second.joblib", "several streams", zlib.compress(pickle.dumps([1])) + zlib.compress(EVIL))
    put("second_member.pkl.gz", "packed", gzip.compress(pickle.dumps([1])) + gzip.compress(EVIL))
    bomb = zlib.compress(b"\0" * (64 << 20), 9)
    put("bomb.pkl.z", "bomb", zlib.compress(PROTO + b"B" + struct.pack("<I", 64 << 20) + b"\0" * (64 << 20) + b"0" + SYSTEM + b"."))
    put("bomb_of_bomb.z", "bomb", zlib.compress(bomb * 4))
    for name in ["weights.bin", "weights.safetensors", "weights.png", "weights.txt", "weights.json", "weights", "weights.h5", "weights.ckpt"]:
        put(f"named_{name}", "trusted ending", EVIL)
    put("weights.7z.bin", "unreadable archive", b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(64))


def archive(members, **options):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", **options) as file:
        for name, body in members.items():
            file.writestr(name, body)
    return bytearray(data.getvalue())


def zips():
    members = {"archive/data.pkl": EVIL, "archive/version": b"3\n"}
    put("torch.pt", "torch zip", archive(members))
    put("torch_deflated.pt", "torch zip", archive(members, compression=zipfile.ZIP_DEFLATED))
    put("torch_nested_name.pt", "torch zip", archive({"archive/data/0.pkl": EVIL, "archive/data.pkl": pickle.dumps({})}))
    storage = archive({"archive/data.pkl": pickle.dumps({}), "archive/data/0": EVIL})
    put("torch_storage.pt", "torch zip", storage)
    good = {"archive/data.pkl": pickle.dumps({"a": 1}), "archive/version": b"3\n"}
    base = archive(members)
    renamed = bytearray(base)
    where = renamed.rfind(b"archive/data.pkl")
    renamed[where:where + 16] = b"archive/data.txt"
    put("zip_names.pt", "zip: two names", renamed)
    flagged = bytearray(base)
    flagged[6] |= 1
    put("zip_flag_local.pt", "zip: flag bits", flagged)
    flagged = bytearray(base)
    central = flagged.find(b"PK\x01\x02")
    flagged[central + 8] |= 1
    put("zip_flag_central.pt", "zip: flag bits", flagged)
    summed = bytearray(base)
    summed[central + 16] ^= 0xFF
    put("zip_crc.pt", "zip: checksum", summed)
    both = bytearray(summed)
    both[14] ^= 0xFF
    put("zip_crc_both.pt", "zip: checksum", both)
    method = bytearray(base)
    method[8] = 8
    put("zip_method.pt", "zip: two methods", method)
    put("zip_prefix_pickle.pt", "zip: bytes before", EVIL + bytes(archive(good)))
    put("zip_prefix_shell.pt", "zip: bytes before", b"#!/bin/sh\ntrue\n" + bytes(archive(good)))
    put("zip_trailing.pt", "zip: bytes after", bytes(archive(good)) + EVIL)
    put("zip_two_ends.pt", "zip: two directories", bytes(archive(members)) + bytes(archive(good)))
    count = archive(good)
    end = count.rfind(b"PK\x05\x06")
    count[end + 10:end + 12] = b"\x01\x00"
    put("zip_count.pt", "zip: two counts", count)
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({}))
        file.writestr("archive/DATA.pkl", EVIL)
    put("zip_twice.pt", "zip: two members of one name", twice.getvalue())
    hidden = archive(good)
    start = hidden.find(b"PK\x01\x02")
    moved = hidden[:start] + EVIL + hidden[start:]
    end = moved.rfind(b"PK\x05\x06")
    moved[end + 16:end + 20] = struct.pack("<I", start + len(EVIL))
    put("zip_gap.pt", "zip: bytes of no member", moved)
    put("zip_traversal.pt", "archive: name leads out", archive({"../../evil.pkl": pickle.dumps(1), "archive/data.pkl": pickle.dumps(1)}))
    put("zip_absolute.npz", "archive: name leads out", archive({"/etc/evil.npy": b""}))
    link = zipfile.ZipInfo("archive/data.pkl")
    link.external_attr = 0o120777 << 16
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr(link, "/etc/passwd")
    put("zip_link.pt", "archive: link", data.getvalue())
    put("zip_in_zip.pt", "archive in archive", archive({"inner.zip": bytes(base)}, compression=zipfile.ZIP_DEFLATED))
    put("zip_bzip2.pt", "zip: rare method", archive(members, compression=zipfile.ZIP_BZIP2))
    put("zip_lzma.pt", "zip: rare method", archive(members, compression=zipfile.ZIP_LZMA))
    put("zip_cut.pt", "zip: cut off", bytes(base[:-30]))
    put("script.pt", "torchscript", archive({"m/data.pkl": pickle.dumps({}), "m/constants.pkl": pickle.dumps(()), "m/code/__torch__.py": b"def f(x):\n  return torch.from_file('/etc/passwd')\n"}))
    put("tar_pickle.nemo", "archive: name leads out", tarred({"../evil.ckpt": EVIL}))
    put("tar_evil.tar", "tar", tarred({"model.ckpt": EVIL}))
    put("tar_evil.tar.gz", "tar", gzip.compress(tarred({"model.ckpt": EVIL})))
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as file:
        member = tarfile.TarInfo("weights")
        member.type, member.linkname = tarfile.SYMTYPE, "../../../etc/passwd"
        file.addfile(member)
    put("tar_link.tar", "archive: link", data.getvalue())
    put("nemo_target.nemo", "configuration", tarred({"model_config.yaml": b"model:\n  _target_: os.system\n  command: 'true'\n", "model_weights.ckpt": bytes(archive(good))}))
    put("yaml_tag.yaml", "configuration", b"a: !!python/object/apply:os.system ['true']\n")
    put("hydra.json", "configuration", json.dumps({"model": {"_target_": "subprocess.Popen", "args": ["true"]}}).encode())


def tarred(members):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as file:
        for name, body in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            file.addfile(member, io.BytesIO(body))
    return data.getvalue()


def numpy_and_joblib():
    def header(descr, shape="(1,)"):
        raw = ("{'descr': %s, 'fortran_order': False, 'shape': %s, }" % (descr, shape)).encode()
        raw += b" " * (63 - (10 + len(raw)) % 64) + b"\n"
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw

    put("object.npy", "numpy object array", header("'|O'") + EVIL)
    put("fields.npy", "numpy object array", header("[('a', '<i4'), ('b', '|O')]") + EVIL)
    put("object.npz", "numpy object array", archive({"a.npy": header("'<f8'") + bytes(8), "b.npy": header("'|O'") + EVIL}))
    put("header_code.npy", "numpy header", header("__import__('os').system('true')") + bytes(8))
    put("second.npy", "several streams", header("'<f8'") + bytes(8) + header("'O8'") + EVIL)
    dtype = call(glob("numpy", "dtype"), text("f8"), b"\x89", b"\x88")
    plain = lambda kind, size: (
        PROTO + glob("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81}(" + text("subclass") + glob("numpy", "ndarray") + text("shape")
        + b"K" + bytes([size]) + b"\x85" + text("order") + text("C") + text("dtype") + call(glob("numpy", "dtype"), text(kind), b"\x89", b"\x88")
        + text("allow_mmap") + b"\x89ub")
    body = SYSTEM + b"."
    put("array_is_code.joblib", "joblib: two readings", plain("u1", len(body)) + body + b".")
    put("object_array.joblib", "joblib object array", plain("O8", 1) + EVIL + b".")
    put("array_skips.joblib", "joblib: size", plain("u1", 200) + SYSTEM + b".")
    put("fields_object.joblib", "joblib object array", plain("V8", 1)[:-2] + b"ub" + EVIL)
    put("after_array.joblib", "joblib", plain("f8", 2) + bytes(16) + b"0" + SYSTEM + b".")


def keras():
    layer = lambda name, **more: {"class_name": name, "config": {"name": "x"}, **more}
    model = lambda layers: {"class_name": "Sequential", "module": "keras", "config": {"layers": layers}, "registered_name": None}
    cases = {
        "lambda": ("keras code layer", layer("Lambda", module="keras.layers")),
        "lambda_bytes": ("keras code layer", {"class_name": "Dense", "module": "keras.layers", "config": {"activation": {"class_name": "__lambda__", "config": {"code": "4wEA"}}}}),
        "torch_wrapper": ("keras code layer", layer("TorchModuleWrapper", module="keras.layers")),
        "tfsm": ("keras code layer", layer("TFSMLayer", module="keras.layers")),
        "module": ("keras module", {"module": "os", "class_name": "system", "config": "true", "registered_name": "system"}),
        "builtins": ("keras module", {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"}),
        "get_file": ("keras module", {"module": "keras.utils", "class_name": "get_file", "config": {"origin": "http://127.0.0.1/x"}}),
        "unsafe": ("keras module", {"module": "keras.config", "class_name": "enable_unsafe_deserialization", "config": {}}),
        "numpy": ("keras module", {"module": "numpy", "class_name": "load", "config": {}}),
        "vocabulary": ("keras path", {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}),
    }
    for name, (kind, item) in cases.items():
        document = json.dumps(model([item])).encode()
        put(f"keras_{name}.keras", kind, archive({"config.json": document, "metadata.json": b"{}"}))
        put(f"keras_{name}.json", kind, document)
    twice = b'{"class_name": "Dense", "class_name": "Lambda", "module": "keras.layers", "config": {}}'
    put("keras_twice.keras", "json: a key twice", archive({"config.json": twice, "metadata.json": b"{}"}))
    put("keras_escape.keras", "keras code layer", archive({"config.json": b'{"class_name": "\\u004cambda", "module": "keras.layers", "config": {}}', "metadata.json": b"{}"}))
    try:
        import h5py
    except ImportError:
        return
    path = OUT / "keras_lambda.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(model([layer("Lambda")]))
    print(json.dumps({"file": path.name, "class": "keras h5 code layer"}), flush=True)
    path = OUT / "packed_lzf.h5"
    with h5py.File(path, "w") as file:
        # Cut in pieces first, of which LZF makes the whole again: nobody sees it in the bytes of the file.
        pieces = b"".join(EVIL[at:at + 4] + bytes([200 + at % 50]) for at in range(0, len(EVIL), 2))
        file.create_dataset("model", data=list(pieces + EVIL), dtype="u1", chunks=True, compression="lzf")
    print(json.dumps({"file": path.name, "class": "hdf5 packed"}), flush=True)
    path = OUT / "external.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["link"] = h5py.ExternalLink("/etc/passwd", "/")
    print(json.dumps({"file": path.name, "class": "hdf5 external"}), flush=True)
    dense = {
        "dense_lambda.h5": ("hdf5 dense", lambda file: file.attrs.__setitem__("model_config", json.dumps(model([layer("Lambda")])))),
        "dense_long_lambda.h5": ("hdf5 dense", lambda file: file.attrs.__setitem__("model_config", json.dumps(model([layer("Lambda")])).encode() + b" " * 100_000)),
        "dense_link.h5": ("hdf5 dense", lambda file: file.__setitem__("zz", h5py.ExternalLink("/etc/passwd", "/"))),
    }
    for name, (kind, change) in dense.items():
        with h5py.File(OUT / name, "w", libver="latest", track_order=True) as file:
            for number in range(40):
                file.attrs[f"a{number}"] = number
                file[f"l{number}"] = h5py.SoftLink("/")
            change(file)
        print(json.dumps({"file": name, "class": kind}), flush=True)


def varint(number):
    out = b""
    while number >= 0x80:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def field(number, body):
    body = body.encode() if isinstance(body, str) else body
    return varint(number << 3 | 2) + varint(len(body)) + body


def graphs():
    entry = lambda key, value: field(13, field(1, key) + field(2, value))
    tensor = lambda *entries: field(5, b"\x08\x01\x10\x01" + field(8, "w") + b"".join(entries) + b"\x70\x01")
    model = lambda *parts: b"\x08\x08" + field(2, "x") + field(7, b"".join(parts) + field(2, "g")) + field(8, b"\x10\x11")
    node = lambda kind, domain="": field(1, field(4, kind) + field(7, domain))
    put("external.onnx", "onnx external data", model(tensor(entry("location", "../../etc/passwd"))))
    put("external_absolute.onnx", "onnx external data", model(tensor(entry("location", "/etc/passwd"))))
    put("external_attribute.onnx", "onnx external data", model(tensor(entry("location", "w.bin"), entry("__class__", "x"))))
    inner = field(5, field(1, "a") + field(5, field(8, "w") + entry("location", "../x"))[0:0] + field(5, field(8, "w") + entry("location", "../x")))
    put("external_attribute_tensor.onnx", "onnx external data", model(field(1, field(4, "Constant") + inner)))
    put("custom.onnx", "onnx custom operator", model(node("PyOp", "ai.onnx.contrib")))
    definition = lambda name: field(1, field(1, "n") + field(2, name))
    saved = lambda name: b"\x08\x01" + field(2, field(2, definition("Const") + definition(name)))
    for name in ["PyFunc", "ReadFile", "WriteFile"]:
        folder = OUT / f"saved_{name.lower()}"
        folder.mkdir(exist_ok=True)
        put(f"saved_{name.lower()}/saved_model.pb", "tensorflow operator", saved(name))
    library = b"\x08\x01" + field(2, field(2, definition("Const") + field(2, field(1, field(3, field(1, "n") + field(2, "EagerPyFunc"))))))
    (OUT / "saved_library").mkdir(exist_ok=True)
    put("saved_library/saved_model.pb", "tensorflow operator", library)
    meta = field(1, field(3, "x") + field(5, json.dumps({"class_name": "Lambda", "config": {}})))
    (OUT / "saved_lambda").mkdir(exist_ok=True)
    put("saved_lambda/keras_metadata.pb", "keras code layer", meta)


def documents():
    def gguf(pairs):
        out = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs))
        for key, value in pairs:
            out += struct.pack("<Q", len(key)) + key.encode() + struct.pack("<IQ", 8, len(value)) + value.encode()
        return out

    templates = {
        "globals": "{{ cycler.__init__.__globals__.os.popen('true').read() }}",
        "attr": "{% for x in ().__class__.__base__.__subclasses__() %}{% endfor %}",
        "filter": "{{ ''|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
        "joined": "{{ messages['_' ~ '_class_' ~ '_'] }}",
        "lipsum": "{{ lipsum|attr('x') }}",
        "include": "{% include '/etc/passwd' %}",
    }
    for name, template in templates.items():
        put(f"template_{name}.gguf", "chat template", gguf([("general.name", "x"), ("tokenizer.chat_template", template)]))
    put("tokenizer_config.json", "chat template", json.dumps({"chat_template": templates["globals"]}).encode())
    put("named_template.gguf", "chat template", gguf([("tokenizer.chat_template.tool_use", templates["attr"])]))
    put("key_twice.gguf", "gguf header", gguf([("tokenizer.chat_template", "x"), ("tokenizer.chat_template", templates["attr"])]))
    nested = struct.pack("<IQ", 9, 1) + struct.pack("<IQ", 8, 1) + struct.pack("<Q", len(templates["attr"])) + templates["attr"].encode()
    put("nested_list.gguf", "gguf header", b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 3) + b"x.y" + struct.pack("<I", 9) + nested)
    put("huge_count.gguf", "gguf header", b"GGUF" + struct.pack("<IQQ", 3, 2**62, 2**62))
    header = lambda text, body=b"": struct.pack("<Q", len(text)) + text + body
    tensor = b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    put("twice.safetensors", "safetensors header", header(b"{" + tensor + b"," + tensor + b"}", bytes(4)))
    put("trailing.safetensors", "safetensors header", header(b"{" + tensor + b"}", bytes(4) + EVIL))
    put("overlap.safetensors", "safetensors header", header(b"{" + tensor + b"," + tensor.replace(b'"a"', b'"b"') + b"}", bytes(4)))
    put("huge.safetensors", "safetensors header", struct.pack("<Q", 2**60) + b"{}")
    put("model.skops", "skops", archive({"schema.json": json.dumps({"__class__": "system", "__module__": "posix", "__loader__": "FunctionNode", "content": {"module_path": "posix", "function": "system"}}).encode()}))
    put("method.skops", "skops", archive({"schema.json": json.dumps({"__class__": "call", "__module__": "operator", "__loader__": "OperatorFuncNode", "attrs": ["x"]}).encode()}))
    put("entity.pmml", "xml entity", b'<?xml version="1.0"?><!DOCTYPE PMML [<!ENTITY x SYSTEM "file:///etc/passwd">]><PMML version="4.4">&x;</PMML>')
    put("extension.xml", "xml extension", b'<?xml version="1.0"?><net name="x" version="11"><layers><layer id="0" name="a" type="Evil" version="extension"/></layers></net>')
    put("config.json", "remote code", json.dumps({"model_type": "x", "auto_map": {"AutoModel": "modeling_x.Evil"}}).encode())


def beside():
    folders.write(put, OUT, field, EVIL)
    gadgets.write(put, OUT, field)
    for name, kind, data in [*inside.attacks(), *lookups.attacks(), *keys.attacks(), *chains.attacks(), *configs.attacks(), *settings.attacks(), *spellings.attacks()]:
        (OUT / name).parent.mkdir(parents=True, exist_ok=True)
        put(name, kind, data)


for part in [imports, resolvers, forms, broken, many, packed, zips, numpy_and_joblib, keras, graphs, documents, beside]:
    part()
