"""The same deed in other words: archives that are several things, programs with blanks in their names, layers and graphs whose
texts are functions and places, pickles without their mark: `attacks()` gives (name, class, bytes), `honest()` the same kinds
of files that do nothing of it. Only the standard library is used.
"""

import base64
import gzip
import io
import json
import pickle
import zipfile

from opcodes import PROTO, call, glob, stack_glob, text

EVIL = PROTO + call(glob("os", "system"), text("true")) + b"."
BARE = call(stack_glob("os", "system"), text("true")) + b"."
OWN = PROTO + call(stack_glob("payload", "run"), text("x")) + b"."
EMPTY = pickle.dumps({}, 2)
SIZE = "Symbol('s77', positive=True, integer=True)"
GUARD = "L['x'].size()[0] >= 2"
HEAD = "class M(Module):\n  def forward(self: __torch__.M, x: Tensor) -> Tensor:\n"


def archive(members, packing=zipfile.ZIP_STORED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", packing) as file:
        for name, body in members.items():
            file.writestr(zipfile.ZipInfo(name), body, packing)
    return data.getvalue()


def exported(weight=bytes(16), pickled=False, size=SIZE, guard=GUARD, target="torch.ops.aten.relu.default", packing=zipfile.ZIP_STORED, kind="weight"):
    folder = {"weight": "weights", "tensor": "constants"}[kind]
    config = {"config": {"w": {"path_name": f"{kind}_0", "is_param": True, "use_pickle": pickled, "tensor_meta": None}}}
    graph = {"graph_module": {"graph": {"nodes": [{"target": target, "inputs": [], "outputs": []}], "sizes": [{"as_expr": {"expr_str": size}}]}}, "guards_code": [guard]}
    return archive({
        f"m/data/{folder}/{kind}_0": weight, f"m/data/{folder}/model_{folder}_config.json": json.dumps(config),
        "m/models/model.json": json.dumps(graph), "m/archive_format": "pt2", "m/archive_version": "0",
    }, packing)


def script(code):
    return archive({"m/data.pkl": EMPTY, "m/constants.pkl": EMPTY, "m/code/__torch__.py": HEAD + "".join(f"    {line}\n" for line in code.split("\n")) + "    return x\n"})


def lite(*operators):
    code = (4, ("__torch__.M.forward", (("operators", tuple((operator, "") for operator in operators)), ("constants", ()))))
    return archive({"m/data.pkl": EMPTY, "m/bytecode.pkl": pickle.dumps(code, 2), "m/constants.pkl": EMPTY})


def layers(kind, config):
    return json.dumps({"class_name": "Functional", "config": {"layers": [{"class_name": kind, "config": config}]}}).encode()


def field(number, data):
    data = data.encode() if isinstance(data, str) else data
    length, out = len(data), b""
    while length > 0x7F:
        out += bytes([length & 0x7F | 0x80])
        length >>= 7
    return bytes([number << 3 | 2]) + out + bytes([length]) + data


def graph(operator, key, *values):
    held = field(2, values[0]) if len(values) == 1 else field(1, b"".join(field(2, value) for value in values))
    nodes = field(1, field(1, "c") + field(2, "Const")) + field(1, field(1, "p") + field(2, operator) + field(5, field(1, key) + field(2, held)))
    return b"\x08\x01" + field(2, field(2, nodes))


def settings(made):
    return json.dumps({"lr_schedule": {":type:": "<class 'function'>", ":serialized:": base64.b64encode(made).decode()}}).encode()


MADE = PROTO + stack_glob("cloudpickle.cloudpickle", "_make_function") + b"(NNNNtR"
# Layers of tf.keras that stand for a call.
CALLS = {
    "slicing": ("SlicingOpLambda", {"function": "io.write_file"}), "lambda": ("TFOpLambda", {"function": "py_function"}),
    "node": ("TensorFlowOpLayer", {"node_def": json.dumps({"op": "WriteFile"})}), "node_dict": ("TensorFlowOpLayer", {"node_def": {"op": "ReadFile"}}),
    "node_bytes": ("TensorFlowOpLayer", {"node_def": "\n\x01m\x12\x06PyFunc"}), "method": ("ClassMethod", {"cls_symbol": "io.gfile.GFile", "method_name": "write"}),
    "property": ("InstanceProperty", {"attr_name": "__class__"}),
}
PLAIN = {
    "slicing": ("SlicingOpLambda", {"function": "__operators__.getitem"}), "lambda": ("TFOpLambda", {"function": "math.add"}),
    "node": ("TensorFlowOpLayer", {"node_def": json.dumps({"op": "AddV2"})}), "method": ("ClassMethod", {"cls_symbol": "RaggedTensor", "method_name": "from_row_splits"}),
}


def programs():
    torch = archive({"archive/data.pkl": EVIL, "archive/version": "3\n"})
    legacy = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03." + EVIL
    for name, weight in {"zip": torch, "legacy": legacy, "proto0": b"cos\nsystem\n(S'true'\ntR.", "bare": BARE, "pickle": EVIL}.items():
        yield f"pt2/weight_{name}.pt2", "torch zip", exported(weight, True)
        yield f"pt2/constant_{name}.pt2", "torch zip", exported(weight, True, kind="tensor", packing=zipfile.ZIP_DEFLATED)
    for name, program in {"sympify": "sympify('x')", "joined": "__imp" + "ort__('os')", "open": "open('/tmp/x','w').write('x')", "lambdify": "lambdify(x, 'y')", "dotted": "(1).__class__"}.items():
        yield f"pt2/size_{name}.pt2", "configuration", exported(size=program)
        yield f"pt2/guard_{name}.pt2", "configuration", exported(guard=program)
    for name, code in {
        "blank": "torch. from_file('/tmp/x', True, 10)", "blanks": "torch . save (x, '/tmp/x')", "break": "_0 = (torch.\n      save)(x, '/tmp/x')",
        "comment": "_0 = (torch. # a word\n      save)(x, '/tmp/x')", "backslash": "torch.\\\n      save(x, '/tmp/x')", "autograd": "torch.autograd.save(x, '/tmp/x')",
        "alias": "t = torch\nt.save(x, '/tmp/x')", "brackets": "(torch).save(x, '/tmp/x')", "getattr": "f = getattr(torch, 'sa' 've')", "ops": "o = ops\na = o.aten",
        "second": "_0 = ops.aten.add(x, ops.evil.run('true'))", "bound": "s = __new__(__torch__.torch.classes.dist_c10d.FileStore)",
    }.items():
        yield f"script/{name}.pt", "torchscript", script(code)
    yield "lite/file.ptl", "torchscript", lite("aten::conv2d", "aten::from_file")
    yield "lite/library.ptl", "torchscript", lite("evil::run")


def archives():
    node = {"__class__": "run", "__module__": "payload", "__loader__": "MethodNode", "content": {}}
    more = {
        "torch": {"data.pkl": EMPTY}, "script": {"x/data.pkl": EMPTY, "x/constants.pkl": EMPTY}, "keras": {"config.json": "{}", "metadata.json": "{}"},
        "export": {"archive_format": "pt2", "archive_version": "0"},
    }
    for name, members in more.items():
        yield f"masked/{name}.skops", "skops", archive({"schema.json": json.dumps(node), **members})
    own = {"class_name": "Sequential", "config": {"layers": [{"class_name": "Mine", "config": {}}]}}
    yield "masked/no_metadata.keras", "keras custom", archive({"config.json": json.dumps(own)})
    for name, (kind, config) in CALLS.items():
        yield f"layers/{name}.json", "keras code layer", layers(kind, config)
        yield f"layers/{name}.keras", "keras code layer", archive({"config.json": layers(kind, config), "metadata.json": "{}"})
    yield "layers/slicing.yaml", "keras code layer", b"class_name: Functional\nconfig:\n  layers:\n  - class_name: SlicingOpLambda\n    config: {function: io.write_file}\n"


def graphs():
    yield "places/print_long/saved_model.pb", "tensorflow operator", graph("PrintV2", "output_stream", "file:///tmp/" + "./" * 4000 + "x")
    yield "places/debug_many/saved_model.pb", "tensorflow operator", graph("DebugIdentity", "debug_urls", *[f"memcbk:///{at}" for at in range(400)], "file:///tmp/x")
    yield "places/descriptor/saved_model.pb", "tensorflow operator", graph("DecodeProtoV2", "descriptor_source", "/etc/passwd")
    yield "places/print.pbtxt", "tensorflow operator", b'node { name: "p" op: "PrintV2" attr { key: "output_stream" value { s: "file" ":///tmp/x" } } }\n'
    yield "places/evil.onnx", "onnx operator", b"\x08\x08" + field(7, field(1, field(4, "Somebodys")))
    names = field(14, field(1, "names") + field(2, "open('/tmp/x','w').write('x')"))
    yield "places/names.onnx", "configuration", b"\x08\x08" + field(7, field(1, field(4, "Add"))) + names
    yield "places/layer.xml", "xml extension", b"<net name='m' version='11'><layers><layer\nid='1' type='X'\nversion='evil'/></layers></net>"
    yield "places/apply.pmml", "xml extension", b"<PMML version='4.4'><Apply function='com.evil.Run'/></PMML>"


def carried():
    yield "bare/state.json", "nested pickle", json.dumps({"state": base64.b64encode(BARE).decode()}).encode()
    for name, data in {"own": OWN, "own_bare": OWN[len(PROTO):], "packed": gzip.compress(EVIL + bytes(400), mtime=0)}.items():
        yield f"bare/{name}.index", "nested pickle", b"IxFI" + bytes(40) + data + bytes(9)
    yield "bare/called/data", "nested pickle", settings(MADE + b")R.")
    yield "bare/asked/data", "nested pickle", settings(MADE + b"0" + call(stack_glob("sympy", "sympify"), text("1")) + b".")
    yield "bare/named/data", "nested pickle", settings(MADE + b"0X\x06\0\0\0system.")


def attacks():
    for make in [programs, archives, graphs, carried]:
        for name, kind, data in make():
            yield f"spellings/{name}", kind, data


def honest():
    yield "spellings/numbers.pt2", exported()
    yield "spellings/pickled.pt2", exported(archive({"archive/data.pkl": EMPTY, "archive/version": "3\n"}), True)
    yield "spellings/sizes.pt2", exported(size="Max(1, FloorDiv(Symbol('s0', integer=True), 2)) - 1", guard="math.floor(L['args'][0].size()[1] / 2) > 1")
    yield "spellings/classes.pt", script("_0 = __torch__.torchvision.ops.misc.___torch_mangle_1.Conv2dNormActivation\n_1 = ops.prim.data(x)")
    yield "spellings/words.pt", script("ops.prim.RaiseException('Expected torch, got ops')\n_0 = (self.save).forward(x)  # hands torch on")
    yield "spellings/honest.ptl", lite("aten::conv2d", "prim::ListConstruct")
    yield "spellings/schema.zip", archive({"schema.json": '{"type": "object"}', "config.json": "{}"})
    for name, (kind, config) in PLAIN.items():
        yield f"spellings/{name}_layer.json", layers(kind, config)
    yield "spellings/print/saved_model.pb", graph("PrintV2", "output_stream", "log(info)")
    yield "spellings/print.pbtxt", b'node { name: "p" op: "PrintV2" attr { key: "output_stream" value { s: "stderr" } } }\n'
    yield "spellings/names.onnx", b"\x08\x08" + field(7, field(1, field(4, "Add"))) + field(14, field(1, "names") + field(2, "{0: 'person (m.)'}"))
    yield "spellings/layer.xml", b"<net\nname='m' version='11'><layers><layer id='1' type='Add'\nversion='opset1'><data conversion='x'/></layer></layers></net>"
    yield "spellings/made/data", settings(MADE + b".")
