"""The 20 edits around one stage: each is made to a real project on disk, and the stage must rerun or must not.

A stage reruns exactly when the digest of its code closure changes (it is part of the key), so that is what is compared.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from incumbent.execution.code_reader import ProjectCodeReader
from incumbent.pipeline.code import CodeClosure

DATA = Path(__file__).parents[1] / "data"
SOURCE = Path(__file__).parents[2] / "src"
CREDIT = "pipelines/credit.py"

EDITS = {
    "comment in body": (CREDIT, "    total = a", "    # why\n    total = a"),
    "docstring edited": (CREDIT, '"""Fit the model."""', '"""Fit the model, at length."""'),
    "blank line added above (line numbers shift)": (CREDIT, "OFFSET = 5", "\n\nOFFSET = 5"),
    "reformat a+b": (CREDIT, "total = a + b + 100", "total = (a+b\n             +100)"),
    "unrelated function edited": (CREDIT, "return x - 1", "return x - 2"),
    "body constant edited": (CREDIT, "+ 100", "+ 101"),
    "default arg": (CREDIT, "depth: int = 6", "depth: int = 7"),
    "local helper edited": (CREDIT, "return x + OFFSET", "return x - OFFSET"),
    "module global edited": (CREDIT, "OFFSET = 5", "OFFSET = 6"),
    "decorator argument edited": (CREDIT, "@times(10)", "@times(11)"),
    "decorator body edited": ("lib/marks.py", "return factor *", "return 2 * factor *"),
    "closure cell value edited": (CREDIT, "make_adder(7)", "make_adder(8)"),
    "lambda edited": (CREDIT, "x * 2", "x * 4"),
    "inherited method edited": ("lib/bases.py", "x * 11", "x * 12"),
    "imported helper edited": ("lib/tables.py", "BASE + deepest(x)", "BASE - deepest(x)"),
    "global in imported module": ("lib/tables.py", "BASE = 1000", "BASE = 1001"),
    "2nd-level import edited": ("lib/deep.py", "x + 31", "x + 32"),
}
"""Row of the table -> (file, what stands there, what it becomes)."""

ROWS = [(row["edit"], row["rerun"]) for row in csv.DictReader((DATA / "edit_matrix.csv").read_text(encoding="utf-8").splitlines())]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(DATA / "edit_project", tmp_path / "project")
    return tmp_path / "project"


def edit(project: Path, path: str, old: str, new: str) -> None:
    text = (project / path).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} should stand once in {path}"
    (project / path).write_text(text.replace(old, new), encoding="utf-8")


def close(project: Path, stage: str = "train", reference: str = CREDIT) -> CodeClosure:
    """Read with a reader of its own: as a new process would."""
    return ProjectCodeReader(project).read(reference).closures[stage]


def close_elsewhere(project: Path, hash_seed: str) -> str:
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_edit_matrix as m, pathlib; "
    code += f"print(m.close(pathlib.Path({str(project)!r})).digest)"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(SOURCE)}
    return subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True).stdout.strip()


def test_the_table_has_twenty_rows_and_each_has_its_edit():
    assert len(ROWS) == 20
    others = {"no change", "(other PYTHONHASHSEED)", "project moved to another dir"}
    assert {name for name, _ in ROWS} == EDITS.keys() | others


@pytest.mark.parametrize(("name", "rerun"), ROWS)
def test_an_edit_reruns_the_stage_exactly_when_the_table_says_so(project, tmp_path, name, rerun):
    before = close(project)
    assert before.widened == ()
    if name in EDITS:
        edit(project, *EDITS[name])
    elif name == "project moved to another dir":
        project = project.rename(tmp_path / "elsewhere")
    after = close_elsewhere(project, "4242") if name == "(other PYTHONHASHSEED)" else close(project).digest
    assert (after != before.digest) is (rerun == "yes")


def test_the_project_of_the_table_is_a_real_one_that_runs(project):
    code = "import sys; sys.path[:0] = ['pipelines', '.']; import credit; print(credit.train(4))"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", code], cwd=project, env=environment, check=True, capture_output=True, text=True)
    # shift(4)=9, 3 kinds, +100; add_seven(6)=13, double(4)=8, 4*11+1=45; 1000+35, 16: all of it times ten
    assert done.stdout.strip() == str(10 * (9 + 3 + 100 + 13 + 8 + 45 + 1000 + 35 + 16))


def test_a_revert_gives_the_old_digest_again(project):
    before = close(project).digest
    edit(project, "lib/deep.py", "x + 31", "x + 32")
    assert close(project).digest != before
    edit(project, "lib/deep.py", "x + 32", "x + 31")
    assert close(project).digest == before


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (CREDIT, "x * 3", "x * 5"),  # the other of two lambdas on one line
        (CREDIT, "@inc.stage\n@times", "@inc.stage(retries=3, timeout_s=60)\n@times"),
        (CREDIT, "[raw, train])", "[raw, train], sources={})"),
        (CREDIT, "return 4", "return 5"),  # another stage
        (CREDIT, '{"red", "green", "blue"}', "{'red', 'green',\n        'blue'}"),
        ("lib/areas.py", '"""Reached by', '"""Really reached by'),
        ("lib/areas.py", "return x * x", "return x * x\n\n\ndef unused(): ..."),
    ],
)
def test_edits_beside_the_stage_rerun_nothing(project, path, old, new):
    before = close(project).digest
    edit(project, path, old, new)
    assert close(project).digest == before


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (CREDIT, "import numpy as np", "import math as np"),
        (CREDIT, "from lib.tables import lookup", "from lib.areas import square as lookup"),
        (CREDIT, "raw: int, *", "raw: float, *"),
        (CREDIT, '"blue"}', '"blue", "grey"}'),
        (CREDIT, "class Model(Base):", "class Model(Base, metaclass=type):"),
        ("lib/areas.py", "return x * x", "return x * x * x"),
    ],
)
def test_edits_that_change_what_a_name_means_rerun_the_stage(project, path, old, new):
    before = close(project).digest
    edit(project, path, old, new)
    assert close(project).digest != before


def test_the_closure_names_its_symbols_and_third_party_imports(project):
    closure = close(project)
    names = [name for name, _ in closure.leaves]
    assert names == sorted(names)
    assert {"lib/deep.py::deepest", "lib/bases.py::Base", "pipelines/credit.py::OFFSET", "pipelines/credit.py::train"} <= set(names)
    assert not any("unrelated" in name or "triple" in name for name in names)
    assert closure.imports == {"numpy"}
    assert closure.paths == ("lib/areas.py", "lib/bases.py", "lib/deep.py", "lib/marks.py", "lib/tables.py", CREDIT)


def find_interpreter(minor: int) -> str | None:
    """Find another Python on PATH or in pyenv."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [str(path) for path in sorted(kept.glob(f"3.{minor}.*/bin/python"))] + [shutil.which(f"python3.{minor}") or ""]
    for path in filter(None, found):
        said = subprocess.run([path, "-c", "import sys; print(sys.version_info[1])"], check=False, capture_output=True, text=True).stdout
        if said.strip() == str(minor):
            return path
    return None


@pytest.mark.parametrize("minor", [11, 12, 13])
def test_every_supported_python_gives_the_same_digests(project, minor):
    interpreter = find_interpreter(minor)
    if interpreter is None:
        pytest.skip(f"there is no Python 3.{minor} on this machine")
    files = [str(DATA / "odd_syntax.py"), *map(str, sorted((SOURCE / "incumbent" / "pipeline").glob("*.py")))]
    command = [str(DATA / "closure_texts.py"), str(project), "credit", "train", *files]
    environment = {"PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}

    def read(executable: str) -> dict[str, str]:
        done = subprocess.run([executable, *command], env=environment, check=True, capture_output=True, text=True)
        return dict(json.loads(done.stdout))

    ours = read(sys.executable)
    assert len(ours) > 40
    assert read(interpreter) == ours
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in ours.values())
