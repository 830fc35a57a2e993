"""Configurations whose values are called, imported or evaluated, in the spellings that readers of YAML, JSON and Jinja take.
Neighbours that must stay clean are in `honest`. Standard library only."""

import json

SPELT = {
    "next_line": "a:\n  _target_:\n    os.system\n  command: x\n",
    "flow": "a: {_target_: # hi\n  os.system}\n",
    "complex": "a:\n  ? _target_\n  : os.system\n",
    "escaped": 'a:\n  "_t\\u0061rget_": os.system\n',
    "merged": "x: &x {_target_: os.system}\na:\n  <<: *x\n",
    "behind": "a:\n  _target_: torchmetrics.os.system\n",
    "applyref": 'a: !applyref:os.system ["true"]\n',
    "ldm": "model:\n  target: site.addsitedir\n  params: {}\n",
    "own": "model:\n  target: payload.evil.make\n  params: {}\n",
    "trust": "model:\n  trust_remote_code: yes\n",
}
NAMED = {
    "MLmodel": "flavors: {python_function: {loader_module: payload, code: code}}\n",
    "tokenizer_config.json": json.dumps({"auto_map": ["evil/repo--x.X", None]}),
    "config.json": json.dumps({"_attn_implementation_internal": "evil/kern"}),
    "model_index.json": json.dumps({"_class_name": "P", "unet": ["my_unet", "MyUNet"]}),
    "modules.json": json.dumps([{"path": "../../x", "type": "sentence_transformers.models.Pooling"}]),
    "inference.json": json.dumps({"imports": ["$from os import system as s"], "run": ["$s('true')"]}),
    "config.pbtxt": 'platform: "onnxruntime_onnx"\nparameters: { key: "K" value: { string_value: "/tmp/evil.so" } }\n',
    "deploy.prototxt": 'layer { name: "x" type: "Py" "thon" }\n',
    "op.gin": "import payload\nmain.fn = @payload.run()\n",
}
UNDERSCORE = "{% set u='a_b'[1] %}"
TEMPLATES = {
    "joined": UNDERSCORE + "{{ ''[u~u~'class'~u~u] }}",
    "formatted": UNDERSCORE + "{{ ''['%s%sclass%s%s'|format(u,u,u,u)] }}",
    "listed": UNDERSCORE + "{{ ''[[u,u,'class',u,u]|join] }}",
    "centred": UNDERSCORE + "{{ ''['class'|center(9,u)] }}",
    "macro": "{% macro m(u) %}{{ ''[u*2~'class'~u*2] }}{% endmacro %}{{ m('a_b'[1]) }}",
    "closed": "{{ '}}' ~ ''['_' '_class_' '_'] }}",
}
HONEST = {
    "ldm.yaml": "model:\n  target: ldm.models.Diffusion\n  params: {timesteps: 1000}\n",
    "build.yaml": "build:\n  target: release\n  params: {}\n",
    "task.yaml": "process_docs: !function utils.process_docs\n",
    "yolo.yaml": "nc: 80\nactivation: nn.LeakyReLU(0.1)\nbackbone:\n  - [-1, 1, Conv, [64, 3, 2]]\n",
    "bundle.json": json.dumps({"_meta_": {}, "net": "$@network_def.to(@device)", "imports": ["$import glob"]}),
    "chat_template.jinja": "{% for m in messages %}{{ '<|' ~ m['role'] ~ '|>' + m['content'] }}{% endfor %}",
    "deploy.prototxt": 'layer { name: "x" type: "Convolution" # Python\n }\n',
}


def attacks():
    """Names, kinds and bytes of which none may be clean."""
    for name, text in SPELT.items():
        yield f"configs/{name}.yaml", "configuration", text.encode()
    for name, text in NAMED.items():
        yield f"configs/{name}", "configuration", text.encode()
    for name, text in TEMPLATES.items():
        yield f"configs/{name}.jinja", "chat template", text.encode()
        yield f"configs/{name}/tokenizer_config.json", "chat template", json.dumps({"chat_template": {"default": text}}).encode()
        yield f"configs/{name}/prompt.txt", "chat template", ("Hello " + text).encode()


def honest():
    """Names and bytes of neighbours that must be clean."""
    for name, text in HONEST.items():
        yield f"configs/{name}", text.encode()
