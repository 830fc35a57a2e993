"""AgentDojo's suites, and `gen.py`'s obedient attacker over them."""
import os

import yaml

os.environ.setdefault("PYTHONWARNINGS", "ignore")
# The suites read their environments anew for each run, a few hundred times; the same loader in C takes a fifteenth of
# the time, and without it most of a run is spent there.
if hasattr(yaml, "CSafeLoader"):
    yaml.safe_load = lambda text: yaml.load(text, Loader=yaml.CSafeLoader)


def load(folder):
    """What `gen.py` in `folder` defines, without its own run."""
    path = os.path.join(folder, "gen.py")
    with open(path) as file:
        source = file.read().rsplit("\nmain()", 1)[0]
    gen = {"__name__": "gen"}
    exec(compile(source, "gen.py", "exec"), gen)
    return gen
