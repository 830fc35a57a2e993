"""Files that the real libraries write and nobody tampered with: `benign.py OUT`.

Each library that can't be imported is left out, with its name on standard error. What is written is printed as JSON, one
line per file: {"file": ..., "library": ...}. Nothing is downloaded.
"""

import json
import pickle
import sys
from pathlib import Path

OUT = Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)


def wrote(name, library):
    print(json.dumps({"file": name, "library": library}), flush=True)


def put(name, library, write):
    path = OUT / name
    try:
        write(path)
    except Exception as fault:  # a library that can't write this here is no failure of the scanner
        print(f"{name}: {fault}", file=sys.stderr)
        return
    if path.exists():
        wrote(name, library)


def dumped(value, protocol=None, using=pickle):
    return lambda path: path.write_bytes(using.dumps(value, protocol))


def plain():
    import collections, datetime, decimal, enum, fractions, pathlib, uuid

    values = {
        "text": {"a": [1, 2.5, None, True, b"bytes", "text"], "b": ({1, 2}, frozenset([3]))},
        "ordered": collections.OrderedDict(a=1, b=collections.defaultdict(list, x=[1])),
        "deque": collections.deque([1, 2], 5),
        "counter": collections.Counter("abracadabra"),
        "dates": [datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc), datetime.date(2026, 1, 1), datetime.timedelta(1)],
        "numbers": [decimal.Decimal("1.5"), fractions.Fraction(1, 3), 2**200, -(2**70), complex(1, 2)],
        "paths": [pathlib.PurePosixPath("a/b"), uuid.UUID(int=5)],
    }
    for name, value in values.items():
        put(f"plain_{name}.pkl", "python", dumped(value))
    for protocol in range(6):
        put(f"plain_protocol{protocol}.pkl", "python", dumped(values, protocol))

    def several(path):
        with path.open("wb") as file:
            for value in values.values():
                pickle.dump(value, file)

    put("plain_several.pkl", "python", several)
    shared = ["x" * 300] * 3
    put("plain_recursive.pkl", "python", dumped([shared, shared, {"self": shared}]))
    put("plain_bytes_protocol2.pkl", "python", dumped({"raw": b"\x00\xff\x80"}, 2))
    import bz2, gzip, lzma, zlib

    for name, pack in {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "z": zlib.compress}.items():
        put(f"plain.pkl.{name}", "python", lambda path, pack=pack: path.write_bytes(pack(pickle.dumps(values))))


def arrays():
    import numpy

    rng = numpy.random.default_rng(7)
    put("array.npy", "numpy", lambda path: numpy.save(path, rng.random((50, 20))))
    put("array_int8.npy", "numpy", lambda path: numpy.save(path, rng.integers(0, 9, 100, dtype="i1")))
    put("array_text.npy", "numpy", lambda path: numpy.save(path, numpy.array(["a", "bcd"])))
    put("array_object.npy", "numpy", lambda path: numpy.save(path, numpy.array(["a", 1, None], dtype=object), allow_pickle=True))
    fields = numpy.array([(1, 2.0, "x")], dtype=[("a", "i4"), ("b", "f8"), ("c", "U3")])
    put("array_fields.npy", "numpy", lambda path: numpy.save(path, fields))
    put("arrays.npz", "numpy", lambda path: numpy.savez(path, a=rng.random(9), b=numpy.arange(4)))
    put("arrays_packed.npz", "numpy", lambda path: numpy.savez_compressed(path, a=rng.random(999), b=numpy.arange(4)))
    put("array.pkl", "numpy", dumped({"w": rng.random((5, 5)), "s": numpy.float32(1), "d": numpy.dtype("f4"), "f": fields}))
    put("array_protocol2.pkl", "numpy", dumped([rng.random(3), numpy.int64(4)], 2))
    put("generator.pkl", "numpy", dumped([numpy.random.RandomState(3), rng]))


def estimators():
    from sklearn import datasets

    digits, target = datasets.load_digits(return_X_y=True)
    return digits[:200], target[:200]


def fitted():
    from sklearn import (cluster, compose, decomposition, ensemble, feature_extraction, gaussian_process, impute, isotonic,
                         linear_model, model_selection, naive_bayes, neighbors, neural_network, pipeline, preprocessing, svm, tree)

    x, y = estimators()
    words = ["red car", "blue car", "red boat"]
    made = {
        "logistic": linear_model.LogisticRegression(max_iter=50).fit(x, y),
        "ridge": linear_model.Ridge().fit(x, y),
        "sgd": linear_model.SGDClassifier().fit(x, y),
        "elastic": linear_model.ElasticNet().fit(x, y),
        "tree": tree.DecisionTreeClassifier(max_depth=4).fit(x, y),
        "forest": ensemble.RandomForestClassifier(n_estimators=8, max_depth=4).fit(x, y),
        "forest_text": ensemble.RandomForestClassifier(n_estimators=4).fit(x, y.astype(str).astype(object)),
        "boosting": ensemble.GradientBoostingClassifier(n_estimators=3).fit(x, y),
        "hist": ensemble.HistGradientBoostingClassifier(max_iter=3).fit(x, y),
        "ada": ensemble.AdaBoostClassifier(n_estimators=3).fit(x, y),
        "isolation": ensemble.IsolationForest(n_estimators=5).fit(x),
        "svc": svm.SVC(probability=False).fit(x, y),
        "linear_svc": svm.LinearSVC(max_iter=50).fit(x, y),
        "knn": neighbors.KNeighborsClassifier(algorithm="kd_tree").fit(x, y),
        "ball": neighbors.KNeighborsClassifier(algorithm="ball_tree").fit(x, y),
        "bayes": naive_bayes.GaussianNB().fit(x, y),
        "multinomial": naive_bayes.MultinomialNB().fit(x, y),
        "mlp": neural_network.MLPClassifier((8,), max_iter=5).fit(x, y),
        "kmeans": cluster.KMeans(3, n_init=1).fit(x),
        "dbscan": cluster.DBSCAN().fit(x),
        "pca": decomposition.PCA(3).fit(x),
        "nmf": decomposition.NMF(3, max_iter=20).fit(x),
        "scaler": preprocessing.StandardScaler().fit(x),
        "onehot": preprocessing.OneHotEncoder().fit([["a"], ["b"]]),
        "labels": preprocessing.LabelEncoder().fit(["a", "b"]),
        "polynomial": preprocessing.PolynomialFeatures(2).fit(x[:, :3]),
        "quantile": preprocessing.QuantileTransformer(n_quantiles=20).fit(x),
        "tfidf": feature_extraction.text.TfidfVectorizer().fit(words),
        "count": feature_extraction.text.CountVectorizer().fit(words),
        "imputer": impute.SimpleImputer().fit(x),
        "isotonic": isotonic.IsotonicRegression().fit(x[:, 2], y),
        "gaussian": gaussian_process.GaussianProcessClassifier().fit(x[:40], y[:40]),
        "pipeline": pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=50)).fit(x, y),
        "columns": compose.ColumnTransformer([("s", preprocessing.MinMaxScaler(), [0, 1])]).fit(x),
        "grid": model_selection.GridSearchCV(linear_model.Ridge(), {"alpha": [0.1, 1]}, cv=2).fit(x, y),
        "voting": ensemble.VotingClassifier([("a", naive_bayes.GaussianNB()), ("b", tree.DecisionTreeClassifier())]).fit(x, y),
    }
    return made


def sklearn():
    import joblib

    made = fitted()
    for name, model in made.items():
        put(f"sklearn_{name}.pkl", "scikit-learn", dumped(model))
        put(f"sklearn_{name}.joblib", "joblib", lambda path, model=model: joblib.dump(model, path))
    forest = made["forest"]
    for packing in ["zlib", "gzip", "bz2", "lzma", "xz", "lz4"]:
        put(f"forest_{packing}.joblib", "joblib", lambda path, packing=packing: joblib.dump(forest, path, compress=(packing, 3)))
    import skops.io

    for name in ["logistic", "forest", "pipeline", "scaler", "svc", "tfidf", "kmeans", "mlp"]:
        put(f"{name}.skops", "skops", lambda path, name=name: skops.io.dump(made[name], path))


def dill_and_cloudpickle():
    import cloudpickle, dill

    value = {"weights": [0.1, 0.2], "names": ("a", "b"), "nested": {"x": {1, 2}}}
    put("plain.dill", "dill", dumped(value, using=dill))
    put("plain.cloudpickle.pkl", "cloudpickle", dumped(value, using=cloudpickle))


def boosted():
    x, y = estimators()
    try:
        import lightgbm

        model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(x, y)
        put("lightgbm.pkl", "lightgbm", dumped(model))
        put("lightgbm_booster.pkl", "lightgbm", dumped(model.booster_))
        put("lightgbm.txt", "lightgbm", lambda path: model.booster_.save_model(path))
    except ImportError as fault:
        print(f"lightgbm: {fault}", file=sys.stderr)
    import xgboost

    model = xgboost.XGBClassifier(n_estimators=3).fit(x, y)
    put("xgboost.pkl", "xgboost", dumped(model))
    put("xgboost_booster.pkl", "xgboost", dumped(model.get_booster()))
    put("xgboost.json", "xgboost", lambda path: model.save_model(path))
    put("xgboost.ubj", "xgboost", lambda path: model.save_model(path))


def onnx_models():
    import numpy, onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(numpy.ones((4, 2), dtype="f4"), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph([node], "g", [value("x", [1, 4])], [value("y", [1, 2])], [weights])
    model = helper.make_model(graph)
    put("matmul.onnx", "onnx", lambda path: onnx.save(model, path))
    big = numpy_helper.from_array(numpy.ones((64, 64), dtype="f4"), "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [value("x", [1, 64])], [value("y", [1, 64])], [big])
    put("external.onnx", "onnx", lambda path: onnx.save(helper.make_model(graph), path, save_as_external_data=True, location="external.data", size_threshold=1))


def tensors():
    import numpy
    from safetensors.numpy import save_file

    put("plain.safetensors", "safetensors", lambda path: save_file({"a": numpy.ones((3, 4), "f4"), "b": numpy.arange(5)}, path, {"format": "np"}))
    import gguf

    def write(path):
        writer = gguf.GGUFWriter(str(path), "llama")
        writer.add_name("tiny")
        writer.add_context_length(64)
        writer.add_token_list(["a", "b", "<s>"])
        writer.add_chat_template(
            "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] | trim + '<|end|>' }}"
            "{% if loop.last and add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}{% endfor %}")
        writer.add_tensor("w", numpy.ones((8, 8), "f4"))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    put("tiny.gguf", "gguf", write)


def torch_models():
    import torch

    nn = torch.nn
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2), nn.Dropout())
    put("state.pt", "torch", lambda path: torch.save(net.state_dict(), path))
    put("pytorch_model.bin", "torch", lambda path: torch.save(net.state_dict(), path))
    put("state_legacy.pth", "torch", lambda path: torch.save(net.state_dict(), path, _use_new_zipfile_serialization=False))
    put("whole.pt", "torch", lambda path: torch.save(net, path))
    put("lstm.pt", "torch", lambda path: torch.save(nn.LSTM(3, 4).state_dict(), path))
    put("transformer.pt", "torch", lambda path: torch.save(nn.TransformerEncoderLayer(8, 2), path))
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 1, 3, 3).repeat(2, 1, 1, 1)).sum().backward()
    optimizer.step()
    put("checkpoint.ckpt", "torch", lambda path: torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, path))
    put("half.pt", "torch", lambda path: torch.save({"h": torch.ones(3).half(), "b": torch.ones(2, dtype=torch.bfloat16), "s": torch.ones(2).to_sparse()}, path))
    put("parameter.pt", "torch", lambda path: torch.save(nn.Parameter(torch.ones(3)), path))
    put("tensor.pkl", "torch", dumped({"t": torch.ones(4)}))
    put("script.pt", "torch", lambda path: torch.jit.save(torch.jit.script(net.eval()), path))
    put("traced.pt", "torch", lambda path: torch.jit.save(torch.jit.trace(net.eval(), torch.ones(1, 1, 3, 3)), path))
    quantized = torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8)
    put("quantized.pt", "torch", lambda path: torch.save(quantized, path))
    from safetensors.torch import save_file

    put("torch.safetensors", "safetensors", lambda path: save_file({"w": torch.ones(3, dtype=torch.bfloat16)}, path))


def keras_models():
    import os

    os.environ.setdefault("KERAS_BACKEND", "numpy")
    import keras

    layers = keras.layers
    dense = keras.Sequential([keras.Input((4,)), layers.Dense(8, activation="relu"), layers.Dropout(0.1), layers.Dense(2)])
    if keras.backend.backend() != "numpy":
        dense.compile("adam", "mse")
    inner = keras.Input((8, 8, 1))
    out = layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="gelu")(inner)))
    functional = keras.Model(inner, out)
    recurrent = keras.Sequential([keras.Input((5, 3)), layers.LSTM(4, return_sequences=True), layers.GRU(3), layers.LayerNormalization()])
    for name, model in {"dense": dense, "functional": functional, "recurrent": recurrent}.items():
        put(f"{name}.keras", "keras", lambda path, model=model: model.save(path))
        put(f"{name}.h5", "keras", lambda path, model=model: model.save(path))
        put(f"{name}.weights.h5", "keras", lambda path, model=model: model.save_weights(path))
        put(f"{name}.json", "keras", lambda path, model=model: path.write_text(model.to_json()))


def hdf5():
    import h5py, numpy

    def write(path, **options):
        with h5py.File(path, "w", **options) as file:
            group = file.create_group("layers/dense")
            group.create_dataset("kernel", data=numpy.ones((30, 30)), compression="gzip")
            group.attrs["names"] = ["kernel", "bias"]

    put("arrays.h5", "h5py", write)
    put("arrays_new.h5", "h5py", lambda path: write(path, libver="latest"))

    def dense(path, many, order):
        with h5py.File(path, "w", libver="latest", track_order=order) as file:
            for number in range(many):
                file.attrs[f"a{number}"] = numpy.arange(4) + number
                file[f"d{number}"] = numpy.arange(3)
            file.attrs["long"] = numpy.zeros(100_000, "u1")

    put("dense.h5", "h5py", lambda path: dense(path, 40, False))
    put("dense_order.h5", "h5py", lambda path: dense(path, 600, True))


def beside():
    import configs, inside, neighbours, settings, spellings

    for make in [neighbours.configurations, neighbours.archives, neighbours.numbers, neighbours.documents.honest, inside.honest, configs.honest, settings.honest, spellings.honest]:
        for name, data in make():
            (OUT / name).parent.mkdir(parents=True, exist_ok=True)
            put(name, "neighbours", lambda path, data=data: path.write_bytes(data))


def more():
    import libraries

    def one(name, library, value):
        (OUT / name).parent.mkdir(parents=True, exist_ok=True)
        put(name, library, value if callable(value) else lambda path: path.write_bytes(value))

    libraries.write(one)


for part in [plain, arrays, sklearn, dill_and_cloudpickle, boosted, onnx_models, tensors, torch_models, keras_models, hdf5, beside, more]:
    try:
        part()
    except Exception as fault:  # a library that is missing or does not fit the others
        print(f"{part.__name__}: {fault}", file=sys.stderr)
