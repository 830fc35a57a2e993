"""Settings whose values are called by whoever reads the objects: in pickles, in YAML under any name; templates that look for words
in a conversation. Neighbours that must stay clean are in `honest`. Standard library only.
"""

import pickle

OWN = "lightning.pytorch.cli.instantiate_module"


def checkpoint(instantiator):
    return {"state_dict": {}, "hyper_parameters": {"lr": 0.1, "_instantiator": instantiator}}


PICKLED = {
    "instantiator": checkpoint("os.system"),
    "instantiator_own": checkpoint("payload.make"),
    "target": {"cfg": {"_target_": "subprocess.Popen", "args": ["true"]}},
    "colon": {"cfg": {"factory": "os:system"}},
}
TAGGED = "a: !!python/object/apply:os.system ['true']\n"
NAMED = ["config.txt", "net.model", "weights.meta"]
TEMPLATES = {
    "find": "{% if messages[0]['content'].find('login page') != -1 %}x{% endif %}",
    "count": "{% if m.content|lower and m.content.count('password') > 0 %}x{% endif %}",
    "variable": "{% set said = m['content']|lower %}{% if 'invoice' in said %}x{% endif %}",
    "kept": "{% set seen = m.content.find('invoice') %}{% if seen >= 0 %}x{% endif %}",
}
HONEST = {
    "think.jinja": "{% if '</think>' in m.content %}{{ m.content.split('</think>')[-1] }}{% endif %}",
    "kinds.jinja": "{% set content = m.content %}{% if 'image' in content %}x{% endif %}",
    "classes.txt": "cat\ndog\n",
}


def attacks():
    """Names, kinds and bytes of which none may be clean."""
    for name, value in PICKLED.items():
        for protocol in (0, 2, 4):
            yield f"settings/{name}_{protocol}.ckpt", "settings in a pickle", pickle.dumps(value, protocol)
    for name in NAMED:
        yield f"settings/{name}", "configuration", TAGGED.encode()
    for name, text in TEMPLATES.items():
        yield f"settings/{name}.jinja", "chat template", text.encode()


def honest():
    """Names and bytes of neighbours that must be clean."""
    for protocol in (0, 2, 4):
        yield f"settings/instantiator_{protocol}.pkl", pickle.dumps(checkpoint(OWN), protocol)
        yield f"settings/classes_{protocol}.pkl", pickle.dumps({"cfg": {"_target_": "torch.optim.Adam", "note": "os.system is a function"}}, protocol)
    for name, text in HONEST.items():
        yield f"settings/{name}", text.encode()
