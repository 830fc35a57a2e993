"""Writes `libraries.txt`: classes of libraries that `pickle` makes by `cls.__new__(cls)` and fills by their state, and that
run nothing of that state: `make.py SITE_PACKAGES > libraries.txt`, in an environment that has the libraries.

Sources are read as syntax trees; nothing is imported. A class is left out where it, or a class that it is made from in
the same library, says what happens on `__new__`, `__setattr__`, `__getattr__`, `__del__` and the like, or has a `__setstate__`
that does more than assign. What is left out stays unknown.
"""

import ast
import sys
from pathlib import Path

# Library, and the modules of it whose objects are kept in pickles.
WANTED = """
hmmlearn: imblearn:over_sampling imblearn:under_sampling imblearn:combine imblearn:ensemble imblearn:pipeline imblearn:base
category_encoders: lifelines:fitters networkx:classes surprise: mlxtend:classifier mlxtend:regressor mlxtend:cluster
mlxtend:feature_selection mlxtend:feature_extraction mlxtend:preprocessing mlxtend:frequent_patterns hdbscan:hdbscan_ hdbscan:robust_single_linkage_
optuna:study optuna:trial optuna:distributions optuna:samplers optuna:pruners optuna:search_space optuna:storages._in_memory
nltk:classify nltk:tokenize nltk:probability nltk:tag nltk:stem nltk:lm nltk:collocations nltk:chunk
gensim:models gensim:corpora.dictionary gensim:similarities umap:umap_ pynndescent:rp_trees
torchvision:models torchvision:ops torchvision:transforms torch:nn torch:optim torch:ao.nn
pytorch_lightning:callbacks sentence_transformers:models sentence_transformers:base sentence_transformers:sentence_transformer
sklearn: pandas:core.arrays pandas:core.dtypes pandas:core.indexes pandas:core.internals
prophet:forecaster prophet:models cmdstanpy:compilation cmdstanpy:model cmdstanpy:cmdstan_args cmdstanpy:stanfit stanio:reshape
statsmodels:base statsmodels:discrete statsmodels:duration statsmodels:gam statsmodels:genmod statsmodels:imputation
statsmodels:iolib.summary statsmodels:iolib.table statsmodels:multivariate statsmodels:nonparametric statsmodels:othermod
statsmodels:regression statsmodels:robust statsmodels:stats statsmodels:tools.tools statsmodels:tsa
scipy:interpolate scipy:spatial scipy:signal._ltisys scipy:optimize._constraints scipy:stats._kde scipy:stats._multivariate
scipy:stats._covariance scipy:stats._distn_infrastructure scipy:stats._stats_py scipy:stats._morestats scipy:stats._hypotests
scipy:stats._binomtest scipy:stats._fit scipy:stats._resampling scipy:stats._survival scipy:stats._qmc
accelerate:utils.dataclasses accelerate:state transformers:trainer_callback transformers:integrations.deepspeed
trl:trainer trl:experimental peft:tuners peft:config lightning:pytorch.callbacks lightning:fabric.utilities.data omegaconf:nodes omegaconf:base
ultralytics:nn ultralytics:utils.loss ultralytics:utils.tal timm:models timm:layers flair:models flair:embeddings flair:data flair:nn
segmentation_models_pytorch: efficientnet_pytorch: facenet_pytorch:models monai:networks pyod:models pmdarima:arima pmdarima:preprocessing
pmdarima:pipeline tslearn: sktime:forecasting sktime:classification sktime:regression sktime:clustering sktime:transformations
interpret:glassbox interpret:utils ngboost: skopt:space skopt:optimizer skopt:learning bayes_opt: implicit:als implicit:bpr implicit:cpu
implicit:lmf implicit:nearest_neighbours shap:explainers shap:maskers shap:_explanation shap:models feature_engine: sklearn_pandas: gplearn:
pgmpy:models pgmpy:factors pgmpy:estimators keras_preprocessing:text rank_bm25 gymnasium:spaces textblob:classifiers bertopic:_bertopic
setfit:modeling
""".split()

# They say what happens on reading, and it was read: attributes are put where they belong, and nothing is called.
TRUSTED = {"Module", "Optimizer", "LRScheduler", "BaseEstimator", "PandasObject", "NDFrame", "Graph", "DiGraph", "MultiGraph", "MultiDiGraph", "ResultsWrapper"}
# Classes of other libraries and of Python that say nothing of reading. What is made of any other is left out: scipy's
# distributions run their state, and are made into more of them elsewhere.
KNOWN = set("object ABC dict list tuple set OrderedDict UserDict Mapping MutableMapping Sequence Iterable Iterator Generic Sized Exception ValueError TypeError RuntimeError Warning UserWarning RuntimeWarning FutureWarning DeprecationWarning BaseEstimator ClassifierMixin RegressorMixin TransformerMixin ClusterMixin Enum IntEnum LinearOperator TrainingArguments".split())
SPEAKS = {"__new__", "__setattr__", "__del__", "__getattr__", "__getattribute__", "__init_subclass__", "__class_getitem__"}
KINDS = {"Enum", "IntEnum", "StrEnum", "Flag", "NamedTuple", "type", "Protocol"}
FUNCTIONS = {"isinstance", "len", "dict", "list", "tuple", "set", "hasattr", "super", "str", "int", "float", "bool", "zip", "enumerate", "range"}
METHODS = {"update", "get", "pop", "setdefault", "items", "keys", "values", "copy", "append", "extend", "__setstate__"}
ASIDE = {"tests", "test", "testing", "conftest", "benchmarks", "_testing", "externals", "parallel", "sandbox", "stan_model"}

# What these hold says which program is run, which module is imported, or which file is unpickled, when they are used.
OUT = set("""
WekaClassifier StanfordNERTagger StanfordPOSTagger StanfordTagger StanfordTokenizer StanfordSegmenter ReppTokenizer Senna
SennaChunkTagger SennaNERTagger SennaTagger Shard Similarity EnsembleLda CmaEsSampler UCR_UEA_datasets CachedDatasets
Ab3PEntityPreprocessor
""".split())


def assigns(function):
    """Whether a function does no more than assign."""
    odd = (ast.Import, ast.ImportFrom, ast.With, ast.Lambda, ast.Yield, ast.Await, ast.Global, ast.While)
    for node in ast.walk(function):
        if isinstance(node, odd):
            return False
        if isinstance(node, ast.Call):
            called = node.func
            named = isinstance(called, ast.Name) and called.id in FUNCTIONS
            if not named and not (isinstance(called, ast.Attribute) and called.attr in METHODS):
                return False
    return True


def classes(site, library):
    found = {}
    alone = site / f"{library}.py"
    for path in [alone] if alone.exists() else sorted((site / library).rglob("*.py")):
        parts = path.relative_to(site).with_suffix("").parts
        if ASIDE & set(parts):
            continue
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        for node in ast.parse(path.read_text(errors="replace")).body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append((module, node))
    return found


def named(node):
    while isinstance(node, ast.Subscript):
        node = node.value
    return getattr(node, "attr", None) or getattr(node, "id", "?")


def harmless(name, table, above=()):
    if name in TRUSTED or name in above:
        return True
    if above and name not in table:
        return name in KNOWN
    for _, node in table.get(name, []):
        if any(one.arg == "metaclass" and named(one.value) not in ("ABCMeta", "type") for one in node.keywords):
            return False
        for one in node.body:
            if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
                if one.name in SPEAKS or one.name == "__setstate__" and not assigns(one):
                    return False
        if not all(base not in KINDS and harmless(base, table, (*above, name)) for base in map(named, node.bases)):
            return False
    return True


def main():
    site, tables, lines = Path(sys.argv[1]), {}, {}
    for wanted in WANTED:
        library, _, below = wanted.partition(":")
        table = tables.setdefault(library, classes(site, library))
        for name, places in table.items():
            for module, _ in places:
                inside = module.removeprefix(library).strip(".")
                under = not below or inside == below or inside.startswith(below + ".")
                if under and name not in OUT and harmless(name, table):
                    lines.setdefault(module, set()).add(name)
    print("# Classes that are made without arguments and filled by their state, by `make.py` from the libraries' sources.")
    for module in sorted(lines):
        print(module, *sorted(lines[module]), ": new")


main()
