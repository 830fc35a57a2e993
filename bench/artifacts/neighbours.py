"""Honest files that lie beside models and are no pickles: `neighbours.py OUT`. Only the standard library is used.

Each is the neighbour of an attack in `folders.py` or `inside.py`: the same kind of file, saying what honest ones say. Printed as JSON, one
line per file: {"file": ..., "library": ...}.
"""

import json
import struct
import sys
from pathlib import Path

import documents
import inside
import spellings


def varint(number):
    out = b""
    while number >= 0x80:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def field(number, body):
    body = body.encode() if isinstance(body, str) else body
    return varint(number << 3 | 2) + varint(len(body)) + body


def tflite(operator):
    """A model of one operator: where the fields of the model lie, the model, its list, the operator, its name."""
    root = struct.pack("<I", 16) + b"TFL3" + struct.pack("<4H", 8, 8, 0, 4) + struct.pack("<II", 8, 4)
    return root + struct.pack("<II", 1, 12) + struct.pack("<4H", 8, 8, 0, 4) + struct.pack("<II", 8, 4) + struct.pack("<I", len(operator)) + operator.encode() + b"\0"


CHATML = (
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"
    "{% for message in messages %}{% if '</think>' in message['content'] %}{{ message['content'].split('</think>')[-1] }}"
    "{% elif '/no_think' in message['content'] %}{{ '' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
)


def configurations():
    hub = {
        "config.json": {"_name_or_path": "bert", "architectures": ["BertForMaskedLM"], "hidden_act": "gelu", "model_type": "bert", "torch_dtype": "float32", "trust_remote_code": False},
        "tokenizer_config.json": {"cls_token": "[CLS]", "tokenizer_class": "BertTokenizer", "chat_template": CHATML},
        "modules.json": [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}],
        "adapter_config.json": {"auto_mapping": {"base_model_class": "WhisperModel", "parent_library": "transformers.models.whisper.modeling_whisper"}, "peft_type": "LORA"},
        "model_index.json": {"_class_name": "StableDiffusionPipeline", "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "unet": ["diffusers", "UNet2DConditionModel"]},
        "tokenizer.json": {"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0, "__import__(": 1, "os.system(": 2, "{{__": 3}, "merges": ["{{ __", "os .system(", "ev al("]}},
        "trainer_state.json": {"best_metric": None, "log_history": [{"loss": 1.0, "step": 1}]},
        "model-symbol.json": {"nodes": [{"op": "null", "name": "data", "inputs": []}, {"op": "FullyConnected", "name": "fc", "inputs": [[0, 0, 0]]}], "arg_nodes": [0], "heads": [[1, 0, 0]]},
        "notes.ipynb": {"cells": [{"cell_type": "markdown", "source": ["# only words"]}], "nbformat": 4, "nbformat_minor": 5},
    }
    for name, value in hub.items():
        yield f"hub/{name}", json.dumps(value).encode()
    yield "hub/peft/adapter_config.json", json.dumps({"peft_type": "LORA", "megatron_config": None, "megatron_core": "megatron.core"}).encode()
    yield "hub/clone/.git/config", b"[core]\n\trepositoryformatversion = 0\n\tfsmonitor = false\n[filter \"lfs\"]\n\tsmudge = git-lfs smudge -- %f\n[remote \"origin\"]\n\turl = https://huggingface.co/x/y\n"
    yield "hub/README.md", b"# x\n```python\nimport os\nos.system('x')\n```\n_target_: a\n!!python/x\n"
    yield "hub/vocab.txt", b"[PAD]\n[UNK]\n##ing\n"
    yield "hub/spiece.model", b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02\n\x0c\n\x03<s>\x15\x00\x00\x00\x00\x18\x03"
    yield "mlflow/MLmodel", b"flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n  sklearn:\n    code: null\n"
    yield "hydra.yaml", b"model:\n  _target_: torch.nn.Linear\n  in_features: 3\n"
    yield "spacy.cfg", b'[nlp]\nlang = "en"\npipeline = ["tok2vec"]\n'
    yield "deploy.prototxt", b'layer { name: "fc" type: "InnerProduct" }\n'
    yield "graph.pbtxt", b'node { name: "x" op: "Const" }\n'
    yield "good.pmml", b'<?xml version="1.0"?><PMML version="4.4"><Header><Extension name="author" value="us"/></Header></PMML>'


def archives():
    """Beside each archive of an attack: the same, as its library or people make it."""
    import io
    import pickle
    import tarfile
    import zipfile

    def zipped(members):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as file:
            for name, body in members.items():
                file.writestr(name, body)
        return data.getvalue()

    weights = zipped({"model_weights/data.pkl": pickle.dumps({"w": 1}, 2), "model_weights/version": "3\n"})
    settings = b"target: nemo.collections.asr.models.EncDecCTCModel\npreprocessor:\n  _target_: nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor\n  features: 80\n"
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as file:
        for name, body in {"./model_config.yaml": settings, "./model_weights.ckpt": weights}.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            file.addfile(member, io.BytesIO(body))
    yield "archives/speech.nemo", data.getvalue()
    beside = b"\0\5\x16\7\0\2\0\0Mac OS X        \0\2\0\0\0\x09" + bytes(50)
    yield "archives/mac.zip", zipped({"m/w.pkl": pickle.dumps([1]), "__MACOSX/m/._w.pkl": beside})
    code = "def forward(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n    _0 = ops.torchvision.nms(x, x, 0.5)\n    return _0\n"
    yield "archives/detector.pt", zipped({"m/data.pkl": pickle.dumps({}), "m/constants.pkl": pickle.dumps(()), "m/code/__torch__.py": code})
    for name, kind, size in [("nested", "[('a', [('x', '<i4'), ('y', '<i4')]), ('b', '<f8')]", 16), ("matrix", "[('a', '<i4', (2, 3)), ('b', '<f8')]", 32)]:
        header = ("{'descr': %s, 'fortran_order': False, 'shape': (1,), }" % kind).encode().ljust(117) + b"\n"
        yield f"archives/{name}.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + bytes(size)
    import gadgets

    yield "archives/storage.pt", zipped({"m/data.pkl": gadgets.rebuilt(4), "m/data/0": bytes(16), "m/version": "3\n"})
    from opcodes import PROTO, call, stack_glob, text

    # Beside `gadgets.answers`: the same objects, filled as their libraries fill them.
    relu, ridge = stack_glob("torch.nn.modules.activation", "ReLU") + b")\x81", stack_glob("sklearn.linear_model._ridge", "Ridge") + b")\x81"
    filled = {
        "state": relu + b"}" + text("inplace") + b"\x89sb", "words": b"}" + text("__setstate__") + b"K\x01s" + text("add") + b"K\x02s",
        "counts": stack_glob("nltk.probability", "FreqDist") + b")\x81(" + text("a") + b"K\x02u}" + text("_N") + b"Nsb",
        "parts": relu + b"}" + text("_modules") + b"}" + text("add") + relu + b"ssb", "version": ridge + b"}" + text("_sklearn_version") + text("1.9.1") + b"sb",
        "parts_in_order": relu + b"}" + text("_modules") + call(stack_glob("collections", "OrderedDict")) + text("add") + relu + b"s" + b"sb" + call(stack_glob("collections", "OrderedDict")) + text("x") + b"K\x01s\x86",
        "factory": ridge + b"}" + text("counts") + call(stack_glob("collections", "defaultdict"), stack_glob("builtins", "int")) + b"sb",
        "by_names_of_numpy": b"}" + call(stack_glob("numpy", "str_"), text("a")) + ridge + b"s",
    }
    for name, body in filled.items():
        yield f"archives/filled_{name}.pkl", PROTO + body + b"."
    yield "archives/instance.pkl", b"(iargparse\nNamespace\np0\n(dp1\nS'a'\nI1\nsb."


def numbers():
    floats = struct.pack("<300f", *[n * 0.37 - 50 for n in range(300)])
    yield "tf/variables/variables.data-00000-of-00001", floats
    yield "tf/variables/variables.index", b"\x00\x00\x12\x08\x01\x1a\x02\x08\x01" + bytes(69) + struct.pack("<Q", 0xDB4775248B80FB57)
    yield "tf/fingerprint.pb", b"\x08\xf4\xa1\xd6\xe2\x8a\xb4\xe1\xd5\x9b\x01\x10\xf3\xa1\x01\x18\x05 \x07(\t2\x02\x08\x01"
    definition = field(1, field(1, "n") + field(2, "Const")) + field(1, field(1, "m") + field(2, "InitializeTableFromTextFileV2"))
    node = lambda name, operator, *inputs: field(1, field(1, name) + field(2, operator) + b"".join(field(3, each) for each in inputs))
    text = lambda name, value: field(1, field(1, name) + field(2, "Const") + field(5, field(1, "value") + field(2, field(8, b"\x08\x07" + field(8, value)))))
    saver = text("m", "model") + node("p", "PlaceholderWithDefault", "m") + text("part", "_temp_1/part") + node("j", "StringJoin", "p", "part") + node("f", "ShardedFilename", "j", "n", "k") + node("s", "SaveV2", "f", "t")
    yield "tf_saver/saved_model.pb", b"\x08\x01" + field(2, field(2, saver))
    asset = field(6, field(1, field(1, "p:0")) + field(2, "vocab.txt"))
    yield "tf_text/graph.pbtxt", b'node { name: "p" op: "Const" attr { key: "value" value { tensor { dtype: DT_STRING string_val: "_temp_1/part" } } } }\nnode { name: "s" op: "SaveV2" input: "p" }\n'
    yield "tf_asset/saved_model.pb", b"\x08\x01" + field(2, field(2, text("p", "/home/maker/vocab.txt") + node("t", "InitializeTableFromTextFileV2", "h", "p")) + asset)
    function = field(2, field(1, field(1, field(1, "__inference_f_1")) + field(3, field(1, "n") + field(2, "MatMul"))))
    yield "tf_function/saved_model.pb", b"\x08\x01" + field(2, field(2, node("c", "__inference_f_1") + function))
    yield "tf/saved_model.pb", b"\x08\x01" + field(2, field(2, definition))
    yield "runs/events.out.tfevents.1690000000.host.1.0", struct.pack("<Q", 24) + b"abcd" + b"\x09\x00\x00\x00\x00\x00\x00\xf0\x41\x1a\x0dbrain.Event:2" + b"efgh"
    layer = '<layer id="0" name="x" type="Parameter" version="opset1"><data shape="1,3" element_type="f32"/></layer>'
    yield "openvino/m.xml", f'<?xml version="1.0"?>\n<net name="m" version="11"><layers>{layer}</layers><edges/></net>'.encode()
    yield "openvino/m.bin", floats
    yield "model.pte", b"\x30\x00\x00\x00ET12eh00" + bytes(64)
    yield "model.tflite", tflite("TFLite_Detection_PostProcess")
    yield "model.cbm", b"CBM1" + struct.pack("<I", 40) + bytes(40)
    yield "model.mlmodel", b"\x08\x05" + field(2, field(1, field(1, "x"))) + field(500, field(1, field(1, "layer") + field(140, b"")))
    array = b"\x93\x91\x04\xa7float32\xc4\x10" + bytes(16)
    yield "flax_model.msgpack", b"\x81\xa6params\x81\xa1w\xc7" + bytes([len(array)]) + b"\x01" + array
    yield "input_0.pb", b"\x0a\x01\x03\x10\x01" + field(8, "x") + field(9, struct.pack("<3f", 1, 2, 3))
    tensor = lambda kind, body: field(7, field(5, b"\x08\x04\x10" + bytes([kind]) + field(8, "w") + body) + field(2, "g"))
    yield "onnx/bytes.onnx", b"\x08\x08" + tensor(2, field(9, bytes(range(128, 132)))) + field(8, b"\x10\x11")
    yield "onnx/words.onnx", b"\x08\x08" + tensor(8, field(6, "a") + field(6, "import os") + field(6, "b")) + field(8, b"\x10\x11")
    yield "onnx/spaced.onnx", b"\x08\x08" + tensor(1, field(13, field(1, "location") + field(2, "my%20weights.bin")) + b"\x70\x01") + field(8, b"\x10\x11")
    yield "onnx/my%20weights.bin", floats
    yield "onnx/text/model.textproto", b'ir_version: 8\nopset_import { domain: "" version: 18 }\ngraph {\n  node { input: "x" output: "y" op_type: "Relu" domain: "ai.onnx" }\n  name: "g"\n  initializer { name: "w" data_type: 1 external_data { key: "location" value: "w.bin" } }\n}\nfunctions { name: "f" domain: "local" node { op_type: "Relu" } }\n'
    yield "onnx/text/w.bin", floats
    yield "onnx/text/model.onnxtxt", b'<ir_version: 8, opset_import: ["" : 18, "local" : 1]>\ng (float[N] x) => (float[N] y)\n<float[1] w = {1.5}>\n{\n  z = Add (x, w)\n  y = local.f (z)\n}\n<domain: "local", opset_import: ["" : 18]>\nf (x) => (y) {\n  y = Relu (x)\n}\n'
    yield "weights.mat", b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x01IM" + bytes(16)


def main():
    out = Path(sys.argv[1])
    for make in [configurations, archives, numbers, documents.honest, inside.honest, spellings.honest]:
        for name, data in make():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            print(json.dumps({"file": name, "library": "neighbours"}), flush=True)


if __name__ == "__main__":
    main()
