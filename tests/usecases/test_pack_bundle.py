"""Packing: what a bundle holds is what its code means, and nothing else."""

import hashlib
import importlib
import sys

import pytest

from incumbent.base.errors import InvalidInput
from incumbent.bootstrap.models import open_bundle
from incumbent.usecases.pack_bundle import pack_bundle

SERVE = '''
"""Served."""
from scale_kit.inner.scale import FACTOR

def load(folder):  # called once
    """Load."""
    return lambda columns: {"y": [FACTOR * x for x in columns["x"]]}
'''


@pytest.fixture
def project(tmp_path, monkeypatch):
    root = tmp_path / "project"
    (root / "scale_kit" / "inner").mkdir(parents=True)
    (root / "scale_kit" / "__init__.py").touch()
    (root / "scale_kit" / "inner" / "__init__.py").touch()
    (root / "scale_kit" / "inner" / "scale.py").write_text("FACTOR = 3.0\n")
    (root / "scale_kit" / "serve.py").write_text(SERVE)
    monkeypatch.syspath_prepend(str(root))
    yield root
    for name in [name for name in sys.modules if name.partition(".")[0] == "scale_kit"]:
        del sys.modules[name]


def pack(folder, **changes):
    for name in [name for name in sys.modules if name.partition(".")[0] == "scale_kit"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    modules = [importlib.import_module("scale_kit.serve"), importlib.import_module("scale_kit.inner.scale")]
    folder.mkdir()
    told = {"entry": "scale_kit.serve:load", "modules": modules, "inputs": {"x": [1.0, None, 2.0]}, "outputs": {"y": "float"}}
    return pack_bundle(folder, **{**told, **changes})


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(path.relative_to(folder)).encode() + path.read_bytes() for path in files)).hexdigest()


def test_a_packed_bundle_answers_in_a_process_without_the_project(project, tmp_path):
    card = pack(tmp_path / "bundle")
    assert card["signature"]["inputs"] == [{"name": "x", "type": "float", "nullable": True}]
    assert card["example"] == {"x": 1.0}
    with open_bundle(tmp_path / "bundle") as served:
        assert served.answer({"x": [2.0, 5.0]}) == {"y": [6.0, 15.0]}


def test_comments_docstrings_and_layout_leave_no_trace_in_a_bundle_and_a_constant_does(project, tmp_path):
    pack(tmp_path / "before")
    serve = project / "scale_kit" / "serve.py"
    serve.write_text(serve.read_text().replace("# called once", "# called when asked").replace('"""Load."""', '"""Load it."""\n\n'))
    pack(tmp_path / "commented")
    assert digest(tmp_path / "before") == digest(tmp_path / "commented")
    (project / "scale_kit" / "inner" / "scale.py").write_text("FACTOR = 4.0\n")
    pack(tmp_path / "edited")
    assert digest(tmp_path / "before") != digest(tmp_path / "edited")


def test_a_bundle_that_leaves_a_module_out_cannot_be_loaded_and_says_which(project, tmp_path):
    pack(tmp_path / "bundle")
    (tmp_path / "bundle" / "code" / "scale_kit" / "inner" / "scale.py").unlink()
    with open_bundle(tmp_path / "bundle") as served, pytest.raises(Exception, match="No module named 'scale_kit.inner.scale'"):
        served.answer({"x": [1.0]})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entry": "scale_kit.serve:no_such"}, "is no function of the packed modules: scale_kit.serve, scale_kit.inner.scale"),
        ({"entry": "os:system"}, "is no function of the packed modules"),
        ({"modules": []}, "is no function of the packed modules: none"),
        ({"inputs": {}}, "cannot be inferred from data without columns"),
        ({"inputs": {"x": [None]}}, "column 'x' holds nothing but nulls"),
    ],
)
def test_what_cannot_be_packed_says_why(project, tmp_path, changes, message):
    with pytest.raises(InvalidInput) as refused:
        pack(tmp_path / "bundle", **changes)
    assert message in str(refused.value)


def test_a_folder_that_is_no_bundle_is_not_opened(tmp_path):
    with pytest.raises(InvalidInput, match=r"is not a bundle: it has no bundle.json"):
        open_bundle(tmp_path)
