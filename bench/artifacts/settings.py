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
# Texts that RL Baselines3 Zoo evaluates, and older releases of YOLO.
EVALUATED = {
    "opened": "dict(x=open('/etc/passwd').read())",
    "loaded": "dict(x=torch.load('payload.pt'))",
    "archive": "dict(x=np.load('payload.npz', allow_pickle=True))",
    "listed": "dict(x=os.listdir('/'))",
    "formatted": "dict(x=f'{exec(1)}')",
    "subscript": "{'a': exec}['a']('1')",
    "mapped": "list(map(exec, ['1']))",
    "lambda": "(lambda e: e('1'))(exec)",
    "percent": "5%exec('1')",
    "classes": "().__class__.__base__.__subclasses__()",
    "long": "dict(x=[" + "1, " * 3000 + "exec('1')])",
}
SETTINGS = {
    "rl_policy.yml": 'n_timesteps: !!float 1e6\npolicy_kwargs: "dict(activation_fn=nn.ReLU, net_arch=[dict(pi=[64], vf=[64])])"\n',
    "rl_optimizer.yml": 'policy_kwargs: "dict(optimizer_class=th.optim.RMSprop, optimizer_kwargs=dict(eps=1e-5))"\n',
    "rl_normalize.yml": "normalize: \"{'norm_obs': True, 'norm_reward': False}\"\nenv_kwargs: \"dict(shape=(3, 4), goal=np.array([0.1]))\"\n",
    "metadata.yaml": 'stride: 32\ntask: pose\nimgsz: "[640, 640]"\nkpt_shape: "[17, 3]"\nnames: "{0: \'person (m.)\', 1: \'bike\'}"\n',
    "names.yaml": "task: detect\nnames: [person, bike(s)]\n",
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
    for name, code in EVALUATED.items():
        for key in ("policy_kwargs", "normalize", "vec_env_kwargs"):
            yield f"settings/rl_{name}_{key}.yml", "evaluated setting", f'n_timesteps: 1e6\n{key}: "{code}"\n'.encode()
        yield f"settings/yolo_{name}.yaml", "evaluated setting", f'stride: 32\ntask: detect\nnames: "{code}"\n'.encode()


def honest():
    """Names and bytes of neighbours that must be clean."""
    for protocol in (0, 2, 4):
        yield f"settings/instantiator_{protocol}.pkl", pickle.dumps(checkpoint(OWN), protocol)
        yield f"settings/classes_{protocol}.pkl", pickle.dumps({"cfg": {"_target_": "torch.optim.Adam", "note": "os.system is a function"}}, protocol)
    for name, text in [*HONEST.items(), *SETTINGS.items()]:
        yield f"settings/{name}", text.encode()
