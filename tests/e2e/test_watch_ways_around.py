"""Ordinary code that once went past the watch: each is seen, and what a stage made itself is still its own."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from runner_project import Project, words
from test_runner_watch import put_data, run, seen

from incumbent.base.digest import digest_bytes

# The stages are ordinary code, which leaves files to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
RATES = ("file", "data/rates.csv")


@pytest.fixture(params=["inline", "local"])
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Project]:
    made = Project(tmp_path, request.param)
    put_data(made)
    yield made
    made.close()


@pytest.fixture
def inline(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, "inline")
    put_data(made)
    yield made
    made.close()


@pytest.mark.parametrize(
    "body",
    [
        "os.makedirs('data', exist_ok=True); open('data/rates.csv').read()",
        "Path('data').mkdir(exist_ok=True); open('data/rates.csv').read()",
        "open('data/rates.csv', 'a').close(); open('data/rates.csv').read()",
        "open('data/rates.csv', 'r+').read()",
        "open('data/rates.csv', 'a+').close()",
        "try:\n    open('data/rates.csv', 'x')\nexcept FileExistsError:\n    open('data/rates.csv').read()",
        "os.read(os.open('data/rates.csv', os.O_RDONLY | os.O_CREAT), 9)",
        "os.read(os.open('data/rates.csv', os.O_RDWR), 9)",
        "os.link('data/rates.csv', 'data/other.csv'); open('data/other.csv').read()",
        "os.symlink('rates.csv', 'data/other.csv'); open('data/other.csv').read()",
        "os.rename('data/rates.csv', 'mine.csv'); open('mine.csv').read()",
        "os.rename('data', 'mine'); open('mine/rates.csv').read()",
        "import tempfile, shutil; shutil.move('data/rates.csv', tempfile.mkdtemp())",
        "import tempfile, shutil; shutil.copytree('data', tempfile.mkdtemp(), dirs_exist_ok=True)",
        "import io; io.open_code(os.path.abspath('data/rates.csv')).read()",
        "import mmap; f = open('data/rates.csv', 'rb'); mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)[:]",
        "import linecache; linecache.getline('data/rates.csv', 1)",
        "import tokenize; tokenize.open('data/rates.csv').read()",
        "import runpy\ntry:\n    runpy.run_path('data/rates.csv')\nexcept (SyntaxError, NameError):\n    pass",
        "from concurrent.futures import ThreadPoolExecutor as P\nwith P(1) as p: p.submit(open, 'data/rates.csv').result().close()",
        "import numpy as np; np.fromfile('data/rates.csv', 'u1')",
        "import numpy as np; np.memmap('data/rates.csv', 'u1', 'r')",
        "import polars as pl; pl.read_csv('file://' + os.path.abspath('data/rates.csv'))",
        "import ctypes\ntry:\n    ctypes.CDLL('./data/rates.csv')\nexcept OSError:\n    pass",
    ],
)  # fmt: skip
def test_a_file_that_was_there_before_is_an_input_by_whatever_way_it_is_read(inline: Project, body: str) -> None:
    value = digest_bytes((inline.root / "data/rates.csv").read_bytes())
    outcome = run(inline, body)
    assert RATES in seen(outcome)
    assert [item.value for item in outcome.undeclared if item.name == RATES[1]] == [value], "as it was before the stage changed it"


def test_a_model_that_native_code_loads_is_an_input(inline: Project) -> None:
    import numpy as np
    import xgboost as xgb

    data = xgb.DMatrix(np.eye(4), label=np.arange(4))
    xgb.train({"nthread": 1}, data, num_boost_round=1).save_model(inline.root / "data/model.json")
    body = "import xgboost as xgb; xgb.Booster().load_model('data/model.json')"
    assert seen(run(inline, body)) == [("file", "data/model.json")]


@pytest.mark.parametrize(
    "body",
    [
        "import glob; glob.glob('data/*')",
        "import pkgutil; list(pkgutil.iter_modules(['data']))",
        "list(os.fwalk('data'))",
        "list(os.walk('data'))",
        "os.listdir(os.open('data', os.O_RDONLY))",
    ],
)
def test_a_folders_names_are_an_input_by_whatever_way_they_are_listed(inline: Project, body: str) -> None:
    assert ("file", "data/") in seen(run(inline, body))


@pytest.mark.parametrize(
    "body",
    [
        "os.makedirs('made/deep'); Path('made/deep/f').write_text('x'); Path('made/deep/f').read_text(); os.listdir('made')",
        "open('data/new.csv', 'a').write('x'); open('data/new.csv').read()",
        "open('data/new.csv', 'x').write('x'); open('data/new.csv').read()",
        "open('data/rates.csv', 'w').write('x'); open('data/rates.csv').read()",
        "Path('part').write_text('x'); os.replace('part', 'whole'); Path('whole').read_text()",
        "os.mkdir('part'); Path('part/f').write_text('x'); os.rename('part', 'whole'); Path('whole/f').read_text()",
        "import sqlite3; sqlite3.connect('new.db').close(); sqlite3.connect('file:new.db?mode=ro', uri=True).close()",
    ],
)
def test_what_a_stage_made_is_its_own_and_that_it_lies_outside_of_its_folder_is_told(inline: Project, body: str) -> None:
    outcome = run(inline, body)
    assert seen(outcome) == []
    assert "outside of its folder" in outcome.warnings[0]


def test_a_write_is_told_whoever_made_the_folder(project: Project) -> None:
    body = "Path('mydir').mkdir(exist_ok=True); (Path('mydir') / 'f').write_text('x')"
    for _ in range(2):
        outcome = run(project, body)
        (warning,) = outcome.warnings
        assert f"stage 'it' wrote mydir/f (pipelines/{project.module}.py:7), outside of its folder" in warning


def test_removing_and_moving_a_file_of_the_project_is_told(inline: Project) -> None:
    assert "removed data/rates.csv" in run(inline, "os.remove('data/rates.csv')").warnings[0]
    put_data(inline)
    assert "moved data/rates.csv" in run(inline, "os.rename('data/rates.csv', 'data/x.csv')").warnings[0]


@pytest.mark.parametrize(
    "body",
    [
        "sqlite3.connect('file:data/x.db?mode=ro', uri=True).close()",
        "sqlite3.connect('file:./data/x%2edb', uri=True).close()",
        "sqlite3.connect('file://' + os.path.abspath('data/x.db'), uri=True).close()",
        "sqlite3.connect(b'data/x.db').close()",
        "sqlite3.connect(':memory:').execute(\"attach 'data/x.db' as other\")",
        "sqlite3.connect(':memory:', uri=True).execute(\"attach 'file:data/x.db?mode=ro' as other\")",
    ],
)
def test_a_database_is_an_input_by_whatever_name(inline: Project, body: str) -> None:
    made = sqlite3.connect(inline.root / "data/x.db")
    made.execute("create table t (x)")
    made.close()
    assert seen(run(inline, "import sqlite3; " + body)) == [("file", "data/x.db")]


def test_a_database_in_memory_is_none(inline: Project) -> None:
    body = "import sqlite3; sqlite3.connect('file:x?mode=memory', uri=True).close(); sqlite3.connect(':memory:').close()"
    outcome = run(inline, body)
    assert (seen(outcome), outcome.warnings) == ([], ())


@pytest.mark.parametrize(
    "read",
    [
        "os.path.expandvars('$RATE')",
        "__import__('string').Template('$RATE').substitute(os.environ)",
        "__import__('collections').ChainMap({}, os.environ)['RATE']",
        "'{RATE}'.format_map(os.environ)",
        "os.environb[b'RATE']",
        "os.getenvb(b'RATE')",
        "os.environ.pop('RATE')",
        "os.environ.setdefault('RATE', '1')",
    ],
)
def test_a_variable_is_seen_by_whatever_way_it_is_read(inline: Project, read: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE", "0.5")
    outcome = run(inline, read)
    assert [(item.name, item.value) for item in outcome.undeclared] == [("RATE", digest_bytes(b"0.5"))]


def test_the_home_folder_comes_from_a_variable(inline: Project) -> None:
    assert seen(run(inline, "os.path.expanduser('~/x')")) == [("env", "HOME")]
    assert seen(run(inline, "Path.home()")) == [("env", "HOME")]


@pytest.mark.parametrize(
    "read",
    [
        "dict(os.environ).get('RATE')",
        "os.environ.copy()['RATE']",
        "{**os.environ}['RATE']",
        "(os.environ | {})['RATE']",
        "[value for name, value in os.environ.items() if name == 'RATE']",
        "sorted(os.environ)",
        "repr(os.environ)",
        "Path('/proc/self/environ').read_bytes()",
    ],
)
def test_a_copy_of_all_variables_counts_as_all_of_them(inline: Project, read: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE", "1")
    first = run(inline, read)
    assert seen(first) == [("env", "*")]
    monkeypatch.setenv("SHLVL", "9")
    assert run(inline, read).undeclared[0].value == first.undeclared[0].value, "a shell counts in it"
    monkeypatch.setenv("RATE", "2")
    assert run(inline, read).undeclared[0].value != first.undeclared[0].value
    assert "copied all environment variables" in words(run(inline, read, "fail"))
    assert seen(run(inline, f"import subprocess; {read}; subprocess.run(['true'], env={{**os.environ, 'A': '1'}})")) == []


def test_a_workers_copy_of_all_variables_has_the_digest_that_a_plan_finds(project: Project) -> None:
    from incumbent.execution.observed import observe_input

    body = "os.environ['MADE'] = '1'; os.environ.copy(); os.environ['MADE']"
    (found,) = run(project, body, head="os.environ['EARLY'] = '1'").undeclared
    os.environ.pop("EARLY", None)
    os.environ.pop("MADE", None)
    assert (found.name, found.value) == ("*", observe_input(project.root, "env", "*", "blake3"))


def test_a_variable_that_the_stage_set_is_its_own(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN", "0")
    assert seen(run(project, "os.environ['OWN'] = '1'; os.environ['OWN']")) == []
    assert seen(run(project, "os.environ.get('OWN'); os.environ['OWN'] = '1'")) == [("env", "OWN")]


def test_a_pipe_is_an_input_that_nothing_can_give_again_and_looking_at_it_waits_for_nobody(project: Project) -> None:
    os.mkfifo(project.root / "pipe")
    body = "os.close(os.open('pipe', os.O_RDONLY | os.O_NONBLOCK))"
    outcome = run(project, body)
    assert seen(outcome) == [("file", "pipe")]
    assert outcome.undeclared[0].value == "unrepeatable"
    assert "read pipe" in words(run(project, body, "fail"))


def test_a_worker_that_multiprocessing_starts_afresh_is_told(project: Project) -> None:
    body = "import multiprocessing as m\nworker = m.get_context('spawn').Process(target=abs, args=(1,)); worker.start(); worker.join()"
    assert any("starts the process python" in warning for warning in run(project, body).warnings)


def test_a_forked_copy_of_the_process_is_told(project: Project) -> None:
    body = "import multiprocessing as m\nwith m.get_context('fork').Pool(1) as pool: pool.map(abs, [1])"
    assert any("starts a copy of its process" in warning for warning in run(project, body).warnings)
