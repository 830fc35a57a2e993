"""Files that more of the real libraries write: `benign.py` writes them with its own, and a library that is not there is left
out. Each was called something else than clean once, or is a neighbour of one that was.
"""

import os
import pickle
import sys

import numpy

rng = numpy.random.default_rng(0)
ROWS = rng.random((120, 5))
CLASSES = (ROWS[:, 0] + ROWS[:, 1] > 1).astype(int)
NUMBERS = ROWS @ numpy.arange(5) + rng.random(120)


def frames(put):
    import pandas as pd

    frame = pd.DataFrame({
        "a": [1, 2, 3], "b": ["x", "y", None], "c": pd.to_datetime(["2020-01-01"] * 3), "d": pd.Categorical(["u", "v", "u"]),
        "e": pd.array([1, None, 2], dtype="Int64"), "t": pd.to_timedelta([1, 2, 3], unit="D"),
    })
    made = {
        "frame": frame, "multi": frame.set_index(["a", "b"]), "zone": pd.Series(pd.date_range("2020", periods=3, tz="UTC")),
        "period": pd.Series(pd.period_range("2020", periods=3)), "interval": pd.cut(pd.Series([1, 2, 3]), 2), "string": frame.astype({"b": "string"}),
        "sparse": pd.arrays.SparseArray([0, 0, 1]), "boolean": pd.Series([True, None], dtype="boolean"), "float": pd.Series([1.0, None], dtype="Float64"),
        "offset": pd.tseries.offsets.MonthEnd(2), "index": pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2020", periods=2, freq="D")),
    }
    for name, value in made.items():
        put(f"pandas_{name}.pkl", "pandas", pickle.dumps(value))


def estimators(put):
    """Every estimator that scikit-learn has, fitted where that is possible."""
    from sklearn.base import clone
    from sklearn.utils import all_estimators

    inputs = [(ROWS, CLASSES), (ROWS, NUMBERS), (ROWS,), (abs(ROWS), numpy.c_[CLASSES, 1 - CLASSES]), ([{"a": 1}, {"b": 2}],), (["a b", "c d e"],), (CLASSES,)]
    for name, kind in all_estimators():
        try:
            made = kind()
        except TypeError:
            continue
        for key, value in (("max_iter", 20), ("n_estimators", 3)):
            if key in made.get_params():
                made.set_params(**{key: value})
        for given in inputs:
            try:
                made = clone(made).fit(*given)
                break
            except Exception:  # it wants something else
                continue
        put(f"estimator_{name}.pkl", "scikit-learn", pickle.dumps(made))


def boosted(put):
    import catboost

    model = catboost.CatBoostClassifier(iterations=3, verbose=0, allow_writing_files=False).fit(ROWS, CLASSES)
    put("catboost.pkl", "catboost", pickle.dumps(model))


def texts(put):
    import nltk
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    put("punkt.pickle", "nltk", pickle.dumps(PunktSentenceTokenizer("Hello there. How are you. Fine.")))
    put("frequencies.pkl", "nltk", pickle.dumps(nltk.FreqDist("abracadabra")))
    put("bayes.pickle", "nltk", pickle.dumps(nltk.NaiveBayesClassifier.train([({"a": 1}, "x"), ({"a": 2}, "y")] * 5)))


def others(put):
    made = {}
    import category_encoders, hmmlearn.hmm, imblearn.over_sampling, imblearn.pipeline, lifelines, networkx, optuna
    from sklearn.linear_model import LogisticRegression

    made["imblearn"] = imblearn.pipeline.Pipeline([("s", imblearn.over_sampling.SMOTE()), ("l", LogisticRegression())]).fit(ROWS, CLASSES)
    made["hmmlearn"] = hmmlearn.hmm.GaussianHMM(2).fit(ROWS)
    made["category_encoders"] = category_encoders.TargetEncoder().fit([["a"], ["b"]] * 9, [0, 1] * 9)
    made["lifelines"] = lifelines.KaplanMeierFitter().fit([1, 2, 3, 4], [1, 0, 1, 1])
    made["networkx"] = networkx.karate_club_graph()
    optuna.logging.set_verbosity(40)
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    made["optuna"] = study
    for library, value in made.items():
        put(f"{library}.pkl", library, pickle.dumps(value))


def torch_networks(put):
    import torch
    import torchvision
    from torch import nn

    saved = lambda value, **more: lambda path: torch.save(value, path, **more)
    for name in ["mobilenet_v3_small", "efficientnet_b0", "shufflenet_v2_x0_5", "squeezenet1_1", "vit_b_16", "densenet121", "regnet_y_400mf", "convnext_tiny", "swin_t"]:
        network = getattr(torchvision.models, name)(weights=None)
        for parameter in network.parameters():
            parameter.data = parameter.data[:1].clone() if parameter.dim() else parameter.data
        put(f"torchvision_{name}.pt", "torchvision", saved(network))
    net = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1))
    put("legacy_whole.pt", "torch", saved(net, _use_new_zipfile_serialization=False))
    put("generator.pt", "torch", saved([torch.Generator(), torch.utils.data.TensorDataset(torch.ones(3))]))
    put("weight_norm.pt", "torch", saved(nn.utils.weight_norm(nn.Linear(2, 2))))
    put("export.pt2", "torch", lambda path: torch.export.save(torch.export.export(net, (torch.ones(1, 5),)), str(path)))


def transformers(put):
    import torch
    import transformers as hub

    small = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=30)
    put("bert_whole.pt", "transformers", lambda path: torch.save(hub.BertForSequenceClassification(hub.BertConfig(**small)), path))


def vectors(put):
    from gensim.models import FastText, Word2Vec

    words = Word2Vec([["a", "b", "c"]] * 20, vector_size=8, min_count=1)
    put("word2vec.model", "gensim", lambda path: words.save(str(path)))
    put("word2vec.bin", "gensim", lambda path: words.wv.save_word2vec_format(str(path), binary=True))
    put("fasttext.model", "gensim", lambda path: FastText([["a", "b", "c"]] * 20, vector_size=8, min_count=1).save(str(path)))


def packed(put):
    import dill
    import skops.io
    import xgboost
    from sklearn.linear_model import Ridge

    put("ridge.dill", "dill", dill.dumps(Ridge().fit(ROWS, NUMBERS)))
    put("arrays.dill", "dill", dill.dumps({"a": numpy.ones(3), "t": int}))
    put("xgboost.skops", "skops", lambda path: skops.io.dump(xgboost.XGBClassifier(n_estimators=2).fit(ROWS, CLASSES), path))
    put("random.skops", "skops", lambda path: skops.io.dump({"g": numpy.random.default_rng(1)}, path))


def statistics(put):
    """Models and distributions whose state is run or evaluated when it is read: what their libraries write is clean."""
    import pandas as pd
    import scipy.interpolate, scipy.optimize, scipy.spatial, scipy.stats
    import statsmodels.api as sm
    import statsmodels.formula.api as formula
    from statsmodels.tsa.arima.model import ARIMA

    frame = pd.DataFrame({"y": NUMBERS, "a": ROWS[:, 0], "b": ROWS[:, 1], "c": CLASSES, "g": numpy.repeat(list("uvwx"), 30)})
    series = pd.Series(NUMBERS.cumsum(), index=pd.date_range("2020", periods=len(NUMBERS), freq="D"))
    made = {
        "least_squares": sm.OLS(NUMBERS, sm.add_constant(ROWS)).fit(), "formula": formula.ols("y ~ a + numpy.log(b + 1) + C(g)", frame).fit(),
        "logit": sm.Logit(CLASSES, sm.add_constant(ROWS)).fit(disp=0), "glm": sm.GLM(CLASSES, ROWS, family=sm.families.Binomial()).fit(),
        "mixed": formula.mixedlm("y ~ a", frame, groups=frame.g).fit(), "arima": ARIMA(series, order=(1, 1, 1)).fit(), "var": sm.tsa.VAR(frame[["y", "a"]]).fit(1),
    }
    for name, value in made.items():
        put(f"statsmodels_{name}.pkl", "statsmodels", pickle.dumps(value))
    points = ROWS[:, :2]
    made = {
        "normal": scipy.stats.norm, "gamma": scipy.stats.gamma(2), "poisson": scipy.stats.poisson(3), "histogram": scipy.stats.rv_histogram(numpy.histogram(NUMBERS, 5)),
        "many": scipy.stats.multivariate_normal([0, 0], numpy.eye(2)), "density": scipy.stats.gaussian_kde(NUMBERS), "line": scipy.stats.linregress(ROWS[:, 0], NUMBERS),
        "spline": scipy.interpolate.CubicSpline(numpy.arange(9), numpy.arange(9.0)), "nearest": scipy.interpolate.NearestNDInterpolator(points, NUMBERS),
        "tree": scipy.spatial.KDTree(points), "hull": scipy.spatial.ConvexHull(points), "minimum": scipy.optimize.minimize(lambda at: (at**2).sum(), [1.0, 2.0]),
    }
    for name, value in made.items():
        for protocol in (2, 4):
            put(f"scipy_{name}_{protocol}.pkl", "scipy", pickle.dumps(value, protocol))


def expressions(put):
    import sympy

    x, y = sympy.symbols("x y")
    made = {"sum": x**2 + sympy.sin(y) / 3 + sympy.pi, "pieces": sympy.Piecewise((x, x > 0), (0, True)), "integral": sympy.Integral(x, (x, 0, 1)), "number": sympy.Float("1.5")}
    matrix = sympy.MatrixSymbol("A", 2, 2)
    made |= {"matrix": sympy.Matrix([[1, x], [y, 2]]), "fractions": sympy.Matrix([[sympy.Rational(1, 2), 3]]), "fixed": sympy.ImmutableMatrix([[1, x]]), "sparse": sympy.SparseMatrix(2, 2, {(0, 0): x}), "product": matrix * sympy.Identity(2), "array": sympy.Array([[1, 2], [3, 4]]), "indexed": sympy.IndexedBase("a")[x]}
    function, positive = sympy.Function("f"), sympy.Symbol("p", positive=True)
    made |= {"function": function(x) + 1, "derivative": sympy.Derivative(function(x), x), "positive": sympy.sqrt(positive), "limit": sympy.Limit(sympy.sin(x) / x, x, 0), "several": [positive, sympy.Float("2.5"), positive * 2]}
    for name, value in made.items():
        for protocol in (2, 3, 4):
            put(f"sympy_{name}_{protocol}.pkl", "sympy", pickle.dumps(value, protocol))


def forecasts(put):
    import pandas as pd
    from prophet import Prophet

    model = Prophet().fit(pd.DataFrame({"ds": pd.date_range("2020", periods=len(NUMBERS)), "y": NUMBERS}))
    put("prophet.pkl", "prophet", pickle.dumps(model))


def keras_operations(put):
    os.environ.setdefault("KERAS_BACKEND", "numpy")
    import keras

    given = keras.Input((5, 8))
    model = keras.Model(given, keras.ops.mean(keras.ops.relu(given) * 2 + 1, axis=-1))
    put("operations.keras", "keras", lambda path: model.save(path))


def orbax_folder(put):
    import jax.numpy
    import orbax.checkpoint
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "checkpoint"
        keeper = orbax.checkpoint.StandardCheckpointer()
        keeper.save(place, {"w": jax.numpy.ones(3)})
        keeper.wait_until_finished()
        for path in sorted(place.rglob("*")):
            if path.is_file():
                put(f"orbax/{path.relative_to(place)}", "orbax", path.read_bytes())


def training(put):
    """What a training of transformers leaves beside its weights, and networks with layers of its own."""
    import random

    import torch
    import transformers as hub

    saved = lambda value: lambda path: torch.save(value, path)
    net = torch.nn.Linear(5, 2)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.ones(3, 5)).sum().backward()
    optimizer.step()
    put("training/optimizer.pt", "transformers", saved(optimizer.state_dict()))
    put("training/scheduler.pt", "transformers", saved(torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0).state_dict()))
    put("training/rng_state.pth", "transformers", saved({"python": random.getstate(), "numpy": numpy.random.get_state(), "cpu": torch.random.get_rng_state()}))
    small = hub.GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=30)
    put("training/gpt2_whole.pt", "transformers", saved(hub.GPT2LMHeadModel(small)))
    put("training/vision_whole.pt", "transformers", saved(hub.ViTModel(hub.ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8))))


def write(put):
    """Writes all of them by `put(name, library, bytes or what writes)`."""
    for part in [frames, estimators, boosted, texts, others, torch_networks, transformers, vectors, packed, statistics, expressions, forecasts, keras_operations, orbax_folder, training]:
        try:
            part(put)
        except Exception as fault:  # a library that is missing or does not fit the others
            print(f"{part.__name__}: {fault}", file=sys.stderr)
