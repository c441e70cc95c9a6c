"""Bundles that lie: about their loader, their files, their paths and their types. Each opens in a real process, and is refused there."""

import io
import json
import os
import pickle
import zipfile

import pytest
import skops.io
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression

import incumbent as inc
from incumbent.base.errors import InvalidInput, Refused, Unavailable
from incumbent.execution.bundles.loaders import LOADERS
from incumbent.execution.bundles.skops_file import check_skops, dump_skops, load_skops

IRIS = load_iris(as_frame=True)
ROW = {name: [IRIS.data[name][0].item()] for name in IRIS.data.columns}
MODEL = LinearRegression().fit(IRIS.data, IRIS.target)


class Touches:
    """Pickles as a call that leaves a mark."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@pytest.fixture
def bundle(tmp_path):
    inc.pack_model(tmp_path / "bundle", MODEL, inputs=IRIS.data)
    return tmp_path / "bundle"


def rewrite(bundle, **changes):
    card = json.loads((bundle / "bundle.json").read_text())
    settings = {**card["settings"], **changes.pop("settings", {})}
    (bundle / "bundle.json").write_text(json.dumps({**card, "settings": settings, **changes}))


def refusal(bundle, **allowed):
    with pytest.raises((Unavailable, Refused)) as refused, inc.open_bundle(bundle, **allowed) as served:
        served.answer(ROW)
    return str(refused.value)


@pytest.mark.parametrize("allow", [False, True])
@pytest.mark.parametrize("loader", sorted(LOADERS.keys() - {"mlflow"}))
def test_an_attack_under_any_loaders_name_and_any_files_name_leaves_no_mark(tmp_path, bundle, loader, allow):
    mark = tmp_path / "mark"
    (bundle / "notes.txt").write_bytes(pickle.dumps(Touches(mark)))
    more = {"class": "XGBClassifier", "missing": None, "categorical": False, "best_iteration": -1, "factory": "os:getcwd", "proba": False}
    rewrite(bundle, loader=loader, settings={"file": "notes.txt", **more}, needs_pickle=loader == "pickle" and allow)
    said = refusal(bundle, allow_pickle=allow)
    assert "notes.txt: dangerous (imports posix.system)" in said or "names the loader of pickles" in said
    assert not mark.exists()


def test_a_harmless_pickle_under_a_safe_loader_is_refused_all_the_same(bundle):
    (bundle / "model.skops").write_bytes(pickle.dumps(MODEL))
    assert "says that it needs no pickle and holds one: model.skops: safe" in refusal(bundle, allow_pickle=True)


def test_a_safe_loader_that_claims_to_need_a_pickle_is_refused(bundle):
    rewrite(bundle, needs_pickle=True)
    assert "its skops model needs a pickle, which that loader never opens" in refusal(bundle, allow_pickle=True)


def test_a_bundle_that_hides_that_it_needs_a_pickle_is_refused(bundle):
    (bundle / "model.pickle").write_bytes(pickle.dumps(MODEL))
    rewrite(bundle, loader="pickle", settings={"file": "model.pickle"}, needs_pickle=False)
    assert "says that it needs no pickle, and names the loader of pickles" in refusal(bundle, allow_pickle=True)


def test_the_worker_refuses_by_itself_what_its_host_was_not_asked_to_allow(bundle):
    (bundle / "model.pickle").write_bytes(pickle.dumps(MODEL))
    served = inc.open_bundle(bundle)
    rewrite(bundle, loader="pickle", settings={"file": "model.pickle"}, needs_pickle=True)
    with served, pytest.raises(Unavailable, match="pickles are not allowed here"):
        served.answer(ROW)


def test_a_loader_that_does_not_exist_is_named_with_those_that_do(bundle):
    rewrite(bundle, loader="os")
    assert "names the loader 'os'; this release has lightgbm, mlflow, onnx, pickle, skops, torch, xgboost" in refusal(bundle)


@pytest.mark.parametrize(
    "path",
    [
        "../model.skops",
        "/etc/hostname",
        "a/../../model.skops",
        "",
        ".",
        "..",
        "./model.skops",
        "a//b",
        "model.skops\n",
        "a\\b",
        None,
        7,
        ["x"],
    ],
)
def test_a_path_that_leaves_the_folder_is_refused(tmp_path, bundle, path):
    (tmp_path / "model.skops").write_bytes((bundle / "model.skops").read_bytes())
    rewrite(bundle, settings={"file": path})
    assert "expected a path inside of the bundle" in refusal(bundle)


def test_a_path_through_a_link_is_refused(tmp_path, bundle):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "model.skops").write_bytes((bundle / "model.skops").read_bytes())
    (bundle / "inner").symlink_to(outside)
    (bundle / "linked.skops").symlink_to(outside / "model.skops")
    for path in ("inner/model.skops", "linked.skops"):
        rewrite(bundle, settings={"file": path})
        assert "leads through a symbolic link, which is not followed" in refusal(bundle)


def test_a_file_that_is_not_there_or_no_file_is_refused(bundle):
    os.mkfifo(bundle / "pipe")
    (bundle / "folder").mkdir()
    for path, said in {"no.such": "which is not in it", "pipe": "is no regular file", "folder": "is no regular file"}.items():
        rewrite(bundle, settings={"file": path})
        assert said in refusal(bundle)


@pytest.mark.parametrize(
    ("loader", "said"), {"lightgbm": "is not a LightGBM model text", "xgboost": "is not an XGBoost model", "onnx": "ONNX Runtime"}.items()
)
def test_a_file_of_another_format_is_refused(bundle, loader, said):
    (bundle / "model.bin").write_bytes(b"no such format")
    rewrite(bundle, loader=loader, settings={"file": "model.bin", "class": "Booster", "best_iteration": -1})
    assert said in refusal(bundle)


def test_a_class_of_xgboost_that_is_no_model_is_not_looked_up(bundle):
    (bundle / "model.ubj").write_bytes(b"{L}")
    rewrite(bundle, loader="xgboost", settings={"file": "model.ubj", "class": "callback.EarlyStopping"})
    assert "'callback.EarlyStopping' is none of Booster" in refusal(bundle)


def edit_skops(data, change):
    """The same skops file with its schema's text changed."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(sink, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name).decode()).encode() if name == "schema.json" else old.read(name))
    return sink.getvalue()


class Foreign(LinearRegression):
    """On no list, and skops would load it for whoever trusts it."""


FOREIGN = skops.io.dumps(Foreign().fit(IRIS.data, IRIS.target))


def test_a_skops_file_with_a_foreign_type_is_refused_in_the_worker(bundle):
    assert skops.io.get_untrusted_types(data=FOREIGN)
    (bundle / "model.skops").write_bytes(FOREIGN)
    assert "Foreign, not on Incumbent's list of types that are safe to build" in refusal(bundle)


def test_a_list_of_trusted_types_inside_of_the_file_changes_nothing(bundle):
    trusted = edit_skops(FOREIGN, lambda text: text.replace("{", '{"trusted": true, "trusted_types": ["test_attacks.Foreign"],', 1))
    (bundle / "model.skops").write_bytes(trusted)
    rewrite(bundle, settings={"trusted": ["test_attacks.Foreign"]})
    assert "Foreign, not on Incumbent's list" in refusal(bundle)


SOUND = dump_skops(MODEL)
CLASS = '"__class__": "LinearRegression"'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (CLASS, '"__class__": "system", "was": 1', "system, not on"),
        ('"__module__": "sklearn.linear_model._base"', '"__module__": "os"', "os.LinearRegression, not on"),
        ('"__loader__": "ObjectNode"', '"__loader__": "OperatorFuncNode"', "nodes of kind OperatorFuncNode, which are not built"),
        ('"__loader__": "ObjectNode"', '"__loader__": "MethodNode"', "nodes of kind MethodNode"),
        ('"__loader__": "ObjectNode"', '"__loader__": "PartialNode"', "nodes of kind PartialNode"),
        ('"__loader__": "ObjectNode"', '"__loader__": ["x"]', "nodes of kind"),
        ('"__module__": "sklearn.linear_model._base",', "", "None.LinearRegression, not on"),
        (
            CLASS,
            CLASS + ', "hidden": [{"__class__": "Popen", "__module__": "subprocess", "__loader__": "TypeNode"}]',
            "subprocess.Popen, not on",
        ),
    ],
)
def test_a_skops_file_whose_schema_was_edited_is_refused(old, new, said):
    edited = edit_skops(SOUND, lambda text: text.replace(old, new, 1))
    assert edited != SOUND
    with pytest.raises(Refused) as refused:
        load_skops(edited)
    assert said in str(refused.value)


def test_the_sound_file_loads_after_a_change_of_nothing():
    assert load_skops(edit_skops(SOUND, lambda text: text)).predict(IRIS.data).tolist() == MODEL.predict(IRIS.data).tolist()


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04", b"schema", SOUND[:-30], edit_skops(SOUND, lambda _: "[]"), edit_skops(SOUND, lambda _: "{")]
)
def test_what_is_no_skops_file_is_refused(data):
    with pytest.raises(InvalidInput, match="skops file"):
        check_skops(data)


def test_a_skops_file_whose_array_is_a_pickle_is_refused(tmp_path, bundle):
    npy = b"\x93NUMPY\x01\x00\x3a\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(57) + b"\n"
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(SOUND)) as old, zipfile.ZipFile(sink, "w") as new:
        for name in old.namelist():
            new.writestr(name, npy + pickle.dumps(Touches(tmp_path / "mark")) if name == "1.npy" else old.read(name))
    (bundle / "model.skops").write_bytes(sink.getvalue())
    assert "says that it needs no pickle and holds one: model.skops: dangerous" in refusal(bundle)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    "settings", [{"frame": None}, {"frame": {}}, {"frame": {"kind": "pandas"}}, {"frame": {"kind": "os"}}, {"frame": {"kind": 3}}]
)
def test_settings_that_describe_no_frame_are_refused_and_kill_nothing(bundle, settings):
    rewrite(bundle, settings=settings)
    assert refusal(bundle)


def test_an_unpickler_that_is_asked_for_a_name_its_scan_did_not_see_stops(monkeypatch, tmp_path):
    from incumbent.execution.bundles import estimators
    from incumbent.registry.pickle_scan import PickleScan

    (tmp_path / "model.pickle").write_bytes(pickle.dumps(MODEL))
    monkeypatch.setattr(estimators, "scan_bytes", lambda path, data: PickleScan(path, "safe"))
    with pytest.raises(Refused, match="which its scan did not see"):
        estimators.open_pickle(tmp_path, {"file": "model.pickle", "proba": False})
