"""ONNX graphs, MLflow folders, pickles by permission, and PyTorch as far as it goes without PyTorch."""

import importlib
import os
import sys
import textwrap

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression

import incumbent as inc
from incumbent.base.errors import InvalidInput, Refused, Unavailable
from incumbent.execution.bundles.graphs import write_torch

IRIS = load_iris(as_frame=True)
COLUMNS = {name: IRIS.data[name].tolist() for name in IRIS.data.columns}


def ask(folder, columns, **allowed):
    with inc.open_bundle(folder, **allowed) as served:
        return served.answer(columns)


@pytest.fixture(scope="module")
def graph():
    model = LogisticRegression(max_iter=500).fit(IRIS.data.to_numpy(), IRIS.target)
    return to_onnx(model, IRIS.data.to_numpy().astype(np.float32), options={"zipmap": False}), model


def test_an_onnx_graph_answers_from_bytes_path_and_proto_what_its_reference_evaluator_says(tmp_path, graph):
    proto, model = graph
    path = tmp_path / "graph.onnx"
    path.write_bytes(proto.SerializeToString())
    for place, given in enumerate((proto, proto.SerializeToString(), path)):
        folder = tmp_path / f"bundle-{place}"
        card = inc.pack_model(folder, given, inputs=IRIS.data)
        assert card["loader"] == "onnx"
        answered = ask(folder, COLUMNS)
        assert answered["label"] == model.predict(IRIS.data.to_numpy()).tolist()
        probabilities = np.column_stack([answered[f"probabilities_{label}"] for label in range(3)])
        np.testing.assert_allclose(probabilities, model.predict_proba(IRIS.data.to_numpy()), atol=1e-5)


def test_an_onnx_graph_with_one_input_a_column_and_a_zipmap_is_fed_by_name(tmp_path):
    model = LogisticRegression(max_iter=500).fit(IRIS.data.to_numpy(), IRIS.target)
    inc.pack_model(tmp_path / "zipmap", to_onnx(model, IRIS.data.to_numpy().astype(np.float32)), inputs=IRIS.data)
    assert {"output_probability_0", "output_probability_1", "output_probability_2"} < ask(tmp_path / "zipmap", COLUMNS).keys()
    node = helper.make_node("Sub", ["a", "b"], ["gap"])
    tensors = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, 1]) for name in ("a", "b", "gap")]
    made = helper.make_model(
        helper.make_graph([node], "g", tensors[:2], tensors[2:]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    inc.pack_model(tmp_path / "named", made, inputs={"b": [1.0, 2.0], "a": [10.0, 20.5]})
    assert ask(tmp_path / "named", {"b": [1.0, 2.0], "a": [10.0, 20.5]}) == {"gap": [9.0, 18.5]}


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/etc/hostname"])
def test_an_onnx_graph_whose_weights_lie_elsewhere_is_not_packed(tmp_path, location):
    (tmp_path / "weights.bin").write_bytes(np.ones(2, np.float32).tobytes())
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value=location)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in "xy"]
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    made = helper.make_model(
        helper.make_graph(nodes, "g", ends[:1], ends[1:], [weights]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    with pytest.raises(InvalidInput, match="ONNX Runtime does not take this graph"):
        inc.pack_model(tmp_path / "bundle", made, inputs=np.ones((2, 2)))


def test_bytes_that_are_no_onnx_graph_are_refused(tmp_path):
    for data in (b"", b"hello", onnx.ModelProto().SerializeToString()):
        with pytest.raises(InvalidInput, match="ONNX Runtime does not take this graph"):
            inc.pack_model(tmp_path / "bundle", data, inputs=[[1.0]])


SCORER = """
import math

class Scorer:
    def __init__(self, weight):
        self.weight = weight

    def predict(self, rows):
        return [self.weight * math.fsum(row) for row in rows.tolist()]
"""


@pytest.fixture
def scoring(tmp_path, monkeypatch):
    (tmp_path / "scoring_kit.py").write_text(SCORER)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield importlib.import_module("scoring_kit")
    del sys.modules["scoring_kit"]


def test_any_object_with_predict_is_pickled_only_by_permission_on_both_sides(tmp_path, scoring):
    folder, rows = tmp_path / "bundle", np.array([[1.0, 2.0], [3.0, 4.5]])
    with pytest.raises(Refused, match="only a pickle holds a Scorer.*allow_pickle=True"):
        inc.pack_model(folder, scoring.Scorer(2.0), inputs=rows, modules=[scoring])
    card = inc.pack_model(folder, scoring.Scorer(2.0), inputs=rows, modules=[scoring], allow_pickle=True)
    assert (card["loader"], card["needs_pickle"]) == ("pickle", True)
    with pytest.raises(Refused, match="pickles are not allowed here"):
        inc.open_bundle(folder)
    assert ask(folder, {"x0": [1.0, 3.0], "x1": [2.0, 4.5]}, allow_pickle=True) == {"prediction": [6.0, 15.0]}


def test_an_object_whose_pickle_would_run_code_is_not_packed_whoever_allows_it(tmp_path, scoring):
    scorer = scoring.Scorer(2.0)
    scorer.hook = print
    with pytest.raises(Refused, match="holds a pickle that is not opened, whoever allows pickles.*builtins.print"):
        inc.pack_model(tmp_path / "bundle", scorer, inputs=[[1.0]], modules=[scoring], allow_pickle=True)


def test_what_a_pickle_would_run_is_not_run_by_packing_it(tmp_path, scoring, monkeypatch):
    monkeypatch.setattr(scoring.Scorer, "__reduce__", lambda _: (os.mkdir, (str(tmp_path / "run"),)), raising=False)
    with pytest.raises(Refused, match="holds a pickle that is not opened, whoever allows pickles.*mkdir"):
        inc.pack_model(tmp_path / "bundle", scoring.Scorer(2.0), inputs=[[1.0]], modules=[scoring], allow_pickle=True)
    assert not (tmp_path / "run").exists()


def test_an_estimator_of_the_projects_own_goes_into_a_pickle_if_allowed(tmp_path, monkeypatch):
    (tmp_path / "own_kit.py").write_text("from sklearn.linear_model import LinearRegression\nclass Own(LinearRegression):\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    kit = importlib.import_module("own_kit")
    model = kit.Own().fit(IRIS.data, IRIS.target)
    with pytest.raises(Refused, match=r"own_kit\.Own, not on Incumbent's list"):
        inc.pack_model(tmp_path / "bundle", model, inputs=IRIS.data, modules=[kit])
    assert inc.pack_model(tmp_path / "bundle", model, inputs=IRIS.data, modules=[kit], allow_pickle=True)["loader"] == "pickle"
    assert ask(tmp_path / "bundle", COLUMNS, allow_pickle=True)["prediction"] == model.predict(IRIS.data).tolist()
    del sys.modules["own_kit"]


def write_mlflow(folder, flavour, files):
    folder.mkdir()
    (folder / "MLmodel").write_text(textwrap.dedent(flavour))
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


PLAIN_CODE = b"""
class Doubles:
    def predict(self, frame):
        return 2.0 * frame["x"]

def _load_pyfunc(path):
    return Doubles()
"""
CODE_FLAVOUR = """
    flavors:
      python_function:
        loader_module: doubling
        code: code
"""


def test_an_mlflow_folder_of_code_is_asked_with_a_frame(tmp_path):
    source = write_mlflow(tmp_path / "model", CODE_FLAVOUR, {})
    (source / "code").mkdir()
    (source / "code" / "doubling.py").write_bytes(PLAIN_CODE)
    assert inc.pack_model(tmp_path / "bundle", source, inputs={"x": [1.0, 2.5]})["loader"] == "mlflow"
    assert ask(tmp_path / "bundle", {"x": [1.0, 2.5]}) == {"prediction": [2.0, 5.0]}


@pytest.fixture
def mlflow_pickle(tmp_path):
    import pickle

    model = LinearRegression().fit(IRIS.data, IRIS.target)
    flavour = """
        flavors:
          python_function:
            loader_module: mlflow.sklearn
            model_path: model.pkl
            predict_fn: predict
          sklearn:
            pickled_model: model.pkl
            serialization_format: pickle
        """
    return write_mlflow(tmp_path / "model", flavour, {"model.pkl": pickle.dumps(model)}), model


def test_an_mlflow_folder_with_a_pickle_needs_permission_on_both_sides(tmp_path, mlflow_pickle):
    source, model = mlflow_pickle
    with pytest.raises(Refused, match=r"holds a pickle: model.pkl: safe"):
        inc.pack_model(tmp_path / "bundle", source, inputs=IRIS.data)
    assert inc.pack_model(tmp_path / "bundle", source, inputs=IRIS.data, allow_pickle=True)["needs_pickle"] is True
    with pytest.raises(Refused, match="pickles are not allowed here"):
        inc.open_bundle(tmp_path / "bundle")
    answered = ask(tmp_path / "bundle", COLUMNS, allow_pickle=True)["prediction"]
    np.testing.assert_allclose(answered, model.predict(IRIS.data), rtol=1e-12)


def test_an_mlflow_folder_with_a_skops_file_of_listed_types_needs_no_permission(tmp_path):
    import skops.io

    flavour = """
        flavors:
          python_function:
            loader_module: mlflow.sklearn
            model_path: model.skops
            predict_fn: predict
          sklearn:
            pickled_model: model.skops
            serialization_format: skops
            skops_trusted_types: null
        """
    model = LinearRegression().fit(IRIS.data, IRIS.target)
    source = write_mlflow(tmp_path / "model", flavour, {"model.skops": skops.io.dumps(model)})
    assert inc.pack_model(tmp_path / "bundle", source, inputs=IRIS.data)["needs_pickle"] is False
    np.testing.assert_allclose(ask(tmp_path / "bundle", COLUMNS)["prediction"], model.predict(IRIS.data), rtol=1e-12)


def test_an_mlflow_folder_that_vouches_for_its_own_types_is_judged_by_our_list(tmp_path):
    """GHSA-w582-9x45-8mpx: the list of trusted types stands in the MLmodel file."""
    import skops.io

    flavour = """
        flavors:
          sklearn:
            serialization_format: skops
            skops_trusted_types: [test_other_formats.Foreign]
        """
    source = write_mlflow(tmp_path / "model", flavour, {"model.bin": skops.io.dumps(Foreign())})
    with pytest.raises(Refused, match=r"model.bin: it holds .*Foreign, not on Incumbent's list"):
        inc.pack_model(tmp_path / "bundle", source, inputs=IRIS.data)


class Foreign(LinearRegression):
    """On no list."""


def test_an_mlflow_folder_with_a_link_is_refused(tmp_path):
    source = write_mlflow(tmp_path / "model", CODE_FLAVOUR, {})
    (source / "weights").symlink_to("/etc/hostname")
    with pytest.raises(InvalidInput, match="weights is neither file nor folder; links are not followed"):
        inc.pack_model(tmp_path / "bundle", source, inputs={"x": [1.0]})


TORCH_STAND_IN = """
import contextlib
import numpy as np

class Tensor:
    def __init__(self, array): self.array = array
    def detach(self): return self
    def cpu(self): return self
    def numpy(self): return self.array

def from_numpy(array): return Tensor(array)
no_grad = contextlib.nullcontext
"""
NET = """
import torch

class Net:
    def __init__(self): self.weights = None
    def state_dict(self): return self.weights
    def load_state_dict(self, weights, strict):
        assert strict and set(weights) == {"w", "b"}
        self.weights = weights
    def eval(self): return self
    def __call__(self, rows):
        return torch.Tensor(rows.array @ self.weights["w"].array + self.weights["b"].array)

def build(): return Net()
"""


def write_torch_bundle(folder, net):
    """What pack_model writes for a module, by its own parts."""
    from incumbent.registry.bundle import make_loaded_card
    from incumbent.registry.signature import Column, Signature

    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(write_torch(net))
    (folder / "code").mkdir()
    (folder / "code" / "net_kit.py").write_text(NET)
    settings = {"file": "weights.safetensors", "factory": "net_kit:build", "frame": {"kind": "numpy", "order": "C", "dtype": "float64"}}
    signature = Signature((Column("a", "float"), Column("b", "float")), (Column("prediction", "float"),))
    card = make_loaded_card("torch", signature, {"a": 1.0, "b": 2.0}, {}, settings, needs_pickle=False)
    (folder / "bundle.json").write_bytes(card.to_bytes())
    return folder


@pytest.fixture
def net(tmp_path, monkeypatch):
    (tmp_path / "kits").mkdir()
    (tmp_path / "kits" / "torch.py").write_text(TORCH_STAND_IN)
    (tmp_path / "kits" / "net_kit.py").write_text(NET)
    monkeypatch.syspath_prepend(str(tmp_path / "kits"))
    importlib.invalidate_caches()
    torch, kit = importlib.import_module("torch"), importlib.import_module("net_kit")
    made = kit.build()
    made.weights = {"w": torch.Tensor(np.array([[2.0], [0.5]], np.float32)), "b": torch.Tensor(np.array([1.0], np.float32))}
    yield made
    del sys.modules["torch"], sys.modules["net_kit"]


def test_torchs_weights_go_through_safetensors_and_come_back_to_the_factorys_module(tmp_path, net):
    """A stand-in for PyTorch, which is not installed here, put into the bundle's code: it shows our side of it, not PyTorch's."""
    folder = write_torch_bundle(tmp_path / "bundle", net)
    (folder / "code" / "torch.py").write_text(TORCH_STAND_IN)
    assert ask(folder, {"a": [1.0, 4.0], "b": [2.0, 8.0]}) == {"prediction": [4.0, 13.0]}


def test_a_torch_bundle_without_torch_says_what_to_install(tmp_path, net):
    if importlib.util.find_spec("torch") and "kits" not in importlib.util.find_spec("torch").origin:
        pytest.skip("PyTorch is installed here")
    with pytest.raises(Unavailable, match="PyTorch is not installed here: pip install torch"):
        ask(write_torch_bundle(tmp_path / "bundle", net), {"a": [1.0], "b": [2.0]})
