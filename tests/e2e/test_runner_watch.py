"""What a stage reads and does not declare is caught, and what it may read is left alone."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from runner_project import Project, words

from incumbent.base.digest import digest_bytes
from incumbent.pipeline.action import Policy, StageOutcome


@pytest.fixture(params=["local", "inline"])
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Project]:
    made = Project(tmp_path, request.param)
    yield made
    made.close()


@pytest.fixture
def isolated(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, "local")
    yield made
    made.close()


def run(
    project: Project, body: str, policy: Policy = "warn", *, head: str = "", env: tuple[str, ...] = (), paths: tuple[str, ...] = ()
) -> StageOutcome:
    """Run one stage with this body (lines joined by "; " or of its own) under a policy."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    project.write(f"{head}\n@stage\ndef it():\n{lines}\n    return 1\n")
    runner = project.open()
    runner.start(project.code("it", paths=paths))
    runner.submit(replace(project.task("it"), policy=policy, env=env))
    (outcome,) = runner.wait(60)
    return outcome


def seen(outcome: StageOutcome) -> list[tuple[str, str]]:
    assert outcome.state == "done", outcome.failure
    return [(item.kind, item.name) for item in outcome.undeclared]


def put_data(project: Project) -> Path:
    (project.root / "data").mkdir(exist_ok=True)
    path = project.root / "data/rates.csv"
    path.write_text("a,b\n1,2\n")
    return path


def test_a_data_file_fails_the_stage_with_its_place_and_the_cure(project: Project) -> None:
    put_data(project)
    outcome = run(project, "Path('data/rates.csv').read_text()", "fail")
    assert outcome.state == "failed"
    assert outcome.outputs == {}
    assert f"read data/rates.csv (pipelines/{project.module}.py:7)" in words(outcome)
    assert "incumbent.source.file('data/rates.csv')" in words(outcome)
    assert outcome.failure is not None
    assert outcome.failure.is_final


def test_a_stage_that_swallows_the_refusal_fails_all_the_same(project: Project) -> None:
    put_data(project)
    outcome = run(project, "try:\n    Path('data/rates.csv').read_text()\nexcept Exception:\n    pass", "fail")
    assert outcome.state == "failed"
    assert "read data/rates.csv" in words(outcome)


def test_under_warn_it_goes_on_and_the_digest_of_what_was_read_is_told(project: Project) -> None:
    path = put_data(project)
    outcome = run(project, "Path('data/rates.csv').read_text()")
    assert seen(outcome) == [("file", "data/rates.csv")]
    (found,) = outcome.undeclared
    assert found.value == digest_bytes(path.read_bytes())
    assert found.where == f"pipelines/{project.module}.py:7"


def test_off_watches_nothing(project: Project) -> None:
    put_data(project)
    assert seen(run(project, "Path('data/rates.csv').read_text(); os.environ.get('HOME'); os.urandom(4)", "off")) == []


@pytest.mark.parametrize(
    "body",
    [
        "import numpy as np; np.loadtxt('data/rates.csv', skiprows=1, delimiter=',')",
        "import pandas as pd; pd.read_csv('data/rates.csv')",
        "import polars as pl; pl.read_csv('data/rates.csv')",
        "import polars as pl; pl.scan_csv('data/*.csv').collect()",
        "from polars import read_csv; read_csv(Path('data/rates.csv'))",
        "import pyarrow.csv as pc; pc.read_csv('data/rates.csv')",
        "import lightgbm as lgb; lgb.Dataset('data/rates.csv')",
        "Path('data/rates.csv').read_bytes()",
        "import shutil, tempfile; shutil.copy('data/rates.csv', tempfile.mkdtemp())",
        "os.close(os.open('data/rates.csv', os.O_RDONLY))",
    ],
)
def test_readers_of_every_kind_are_seen_native_ones_too(isolated: Project, body: str) -> None:
    put_data(isolated)
    assert ("file", "data/rates.csv") in seen(run(isolated, body))


def test_readers_imported_by_name_at_the_head_are_seen(isolated: Project) -> None:
    put_data(isolated)
    assert seen(run(isolated, "read_csv('data/rates.csv')", head="from polars import read_csv")) == [("file", "data/rates.csv")]


def test_a_parquet_file_read_in_native_code_is_seen_and_so_is_each_file_of_a_folder(isolated: Project) -> None:
    import polars as pl

    put_data(isolated)
    for name in ("one", "two"):
        pl.DataFrame({"a": [1]}).write_parquet(isolated.root / f"data/{name}.parquet")
    found = seen(run(isolated, "import pyarrow.parquet as pq; pq.read_table('data/one.parquet')"))
    assert found == [("file", "data/one.parquet")]
    found = seen(run(isolated, "import polars as pl; pl.read_parquet('data/*.parquet')"))
    assert set(found) >= {("file", "data/one.parquet"), ("file", "data/two.parquet")}


def test_a_database_file_and_a_folders_names_are_seen(project: Project) -> None:
    put_data(project)
    sqlite3.connect(project.root / "data/x.db").close()
    (project.root / "data/x.db").write_bytes(b"")
    assert seen(run(project, "import sqlite3; sqlite3.connect('data/x.db').close()")) == [("file", "data/x.db")]
    assert seen(run(project, "list(Path('data').iterdir())")) == [("file", "data/")]
    assert seen(run(project, "sorted(os.listdir('data'))")) == [("file", "data/")]
    assert seen(run(project, "sorted(os.listdir())")) == [("file", "./")]


def test_a_file_that_is_not_there_is_an_input_too(project: Project) -> None:
    outcome = run(project, "try:\n    open('missing.txt')\nexcept FileNotFoundError:\n    pass")
    assert seen(outcome) == [("file", "missing.txt")]
    assert outcome.undeclared[0].value == ""


def test_a_file_outside_of_the_project_is_seen_by_its_whole_path(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("elsewhere") / "secret.txt"
    other.write_text("x")
    assert seen(run(project, f"Path({str(other)!r}).read_text()")) == [("file", str(other))]


@pytest.mark.parametrize(
    "read",
    [
        "os.environ['RATE']",
        "os.environ.get('RATE')",
        "os.getenv('RATE')",
        "'RATE' in os.environ",
        "from os import environ; environ['RATE']",
    ],
)
def test_an_environment_variable_is_seen_unless_declared(project: Project, read: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE", "0.5")
    outcome = run(project, read)
    assert seen(outcome) == [("env", "RATE")]
    assert outcome.undeclared[0].value == digest_bytes(b"0.5")
    assert seen(run(project, read, env=("RATE",))) == []
    refused = run(project, read, "fail")
    assert "@stage(env=('RATE',))" in words(refused)


@pytest.mark.parametrize(
    "body",
    [
        "import shutil; shutil.which('python'); shutil.get_terminal_size()",
        "import tempfile\nwith tempfile.NamedTemporaryFile() as f:\n    f.write(b'x'); f.flush(); Path(f.name).read_text()",
        "import tempfile; d = Path(tempfile.mkdtemp()); (d / 'x').write_text('y'); (d / 'x').read_text(); list(d.iterdir())",
        "import json.tool, zoneinfo; zoneinfo.ZoneInfo('Europe/Paris')",
        "import warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore'); warnings.warn('text')",
        "import traceback; traceback.print_stack()",
        "import inspect; inspect.getsource(it.function)",
        "Path('/proc/self/status').read_text(); Path(os.devnull).read_text(); Path('/etc/hostname').read_text()",
        "import sklearn.linear_model",
        "import random; random.random()",
        "import numpy as np; np.random.default_rng(3).random(); np.random.rand(); np.random.RandomState(1)",
        "import uuid; uuid.uuid5(uuid.NAMESPACE_DNS, 'x')",
        "from sklearn.model_selection import train_test_split; train_test_split(list(range(10)))",
        "import platform; platform.python_version()",
    ],
)
def test_what_a_stage_may_do_is_left_alone(project: Project, body: str) -> None:
    outcome = run(project, body)
    assert seen(outcome) == []
    assert outcome.warnings == ()


def test_a_project_module_imported_late_is_seen_unless_the_codes_digest_covers_it(project: Project) -> None:
    name = f"late_{project.module}"
    (project.root / f"{name}.py").write_text("X = 1\n")
    assert seen(run(project, f"import {name}", paths=(f"{name}.py",))) == []
    import sys

    sys.modules.pop(name, None)  # the inline runner shares this process
    outcome = run(project, f"import {name}")
    assert seen(outcome) == [("file", f"{name}.py")]
    sys.modules.pop(name, None)
    assert "import it by name at the head" in words(run(project, f"import {name}", "fail"))


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("os.urandom(4)", "os.urandom"),
        ("import uuid; uuid.uuid4()", "os.urandom"),
        ("import secrets; secrets.token_hex()", "random.SystemRandom|os.urandom"),
        ("import secrets; secrets.choice([1, 2])", "random.SystemRandom"),
        ("import random; random.SystemRandom().random()", "os.urandom"),
        ("import random; random.Random().random()", "without a seed"),
        ("import random; random.seed()", "without a seed"),
        ("import numpy as np; np.random.default_rng()", "numpy.random"),
        ("from numpy.random import default_rng; default_rng()", "numpy.random"),
        ("import numpy as np; np.random.SeedSequence()", "numpy.random"),
        ("import numpy as np; np.random.RandomState()", "numpy.random"),
        ("import numpy as np; np.random.Generator(np.random.MT19937())", "numpy.random"),
        ("import numpy as np; np.random.seed()", "numpy.random"),
    ],
)
def test_unseeded_chance_fails_or_warns_by_policy(project: Project, body: str, what: str) -> None:
    import re

    failed = run(project, body, "fail")
    assert failed.state == "failed"
    assert re.search(what, words(failed))
    assert "take `rng`" in words(failed)
    warned = run(project, body, "warn")
    assert warned.state == "done", warned.failure
    assert len(warned.warnings) == 1
    assert f"pipelines/{project.module}.py:7" in warned.warnings[0]


def test_unseeded_chance_imported_by_name_at_the_head_is_caught(isolated: Project) -> None:
    head = "from numpy.random import default_rng\nfrom os import urandom\nfrom uuid import uuid4"
    for body in ("default_rng()", "urandom(3)", "uuid4()"):
        assert run(isolated, body, "fail", head=head).state == "failed"


def test_a_write_outside_of_the_attempts_folder_is_told(project: Project) -> None:
    outcome = run(project, "Path('result.txt').write_text('x'); Path('result.txt').read_text()")
    assert seen(outcome) == []
    assert "wrote result.txt" in outcome.warnings[0]


def test_a_process_and_a_connection_are_told(project: Project) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        outcome = run(
            project, f"import subprocess, socket\nsubprocess.run(['true'])\nsocket.create_connection(('127.0.0.1', {port})).close()"
        )
    assert seen(outcome) == []
    assert "starts the process true" in outcome.warnings[0]
    assert f"connects to 127.0.0.1:{port}" in outcome.warnings[1]


def test_an_input_that_is_a_path_may_be_read_and_so_may_what_lies_in_a_folder(project: Project) -> None:
    folder = project.root / "given"
    folder.mkdir()
    (folder / "x.txt").write_text("hello")
    project.write(
        "\n@stage\ndef it(given: Path) -> str:\n    return (given / 'x.txt').read_text() + str(sorted(p.name for p in given.iterdir()))\n"
    )
    runner = project.open()
    runner.start(project.code("it"))
    runner.submit(project.task("it", {"given": project.put(folder)}))
    (outcome,) = runner.wait(60)
    assert outcome.state == "done", outcome.failure
    assert outcome.undeclared == ()
    assert project.get(outcome.outputs["it"], str) == "hello['x.txt']"
