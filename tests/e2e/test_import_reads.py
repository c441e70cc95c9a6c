"""What the project's modules read while they are imported, and sources that are edited between reading and importing them."""

import pytest
from command import incumbent, incumbent_json, ran, write

PIPE = """
import incumbent as inc
from lib.rates import RATE

@inc.stage
def plain() -> int:
    return 1

@inc.stage
def rated() -> str:
    return f"rate {RATE}"

pipeline = inc.Pipeline("imports", [plain, rated])
"""
FILE_READ = 'from pathlib import Path\n\nRATE = Path("rates.txt").read_text()\n'
ENV_READ = 'import os\n\nRATE = os.environ["RATE"]\n'
PROJECT = {
    "pipe.py": PIPE,
    "lib/__init__.py": "",
    "lib/rates.py": FILE_READ,
    "rates.txt": "7",
    "pyproject.toml": '[tool.incumbent]\npipeline = "pipe.py:pipeline"\n',
}
CACHED = "import functools\nfrom pathlib import Path\n\n@functools.cache\ndef rate():\n    return Path('rates.txt').read_text()\n"
# A pool of threads makes forking unsafe, so that each attempt gets an interpreter of its own.
THREAD = "import threading, time\n\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"


@pytest.fixture
def project(tmp_path):
    write(tmp_path, PROJECT)
    return tmp_path


@pytest.fixture(params=["forked", "fresh", "inline"])
def way(project, request):
    """The three ways to run an attempt, as arguments of `run`."""
    if request.param == "fresh":
        write(project, {"pipe.py": THREAD + PIPE})
    return ["--executor", "inline"] if request.param == "inline" else []


def output(document, stage, folder):
    [digest] = [found["outputs"][stage] for found in document["stages"] if found["stage"] == stage]
    target = folder / f"out-{digest[-8:]}"
    if not target.exists():
        incumbent(folder, "artifacts", "get", digest, "--output", str(target))
    return target.read_bytes()


def state_of(document, stage):
    [found] = [found["state"] for found in document["stages"] if found["stage"] == stage]
    return found


def test_under_fail_a_file_read_during_import_fails_the_stage_that_uses_the_module_and_no_other(project, way):
    done = incumbent(project, "run", *way, code=1)
    text = " ".join((done.stdout + done.stderr).split())
    assert "stage 'rated' uses code that read rates.txt while it was imported (lib/rates.py:3)" in text
    assert "incumbent.source.file('rates.txt')" in text
    assert "read it in the stage" in text
    assert "stage 'plain'" not in text
    last = incumbent_json(project, "runs", "ls")
    shown = incumbent_json(project, "runs", "show", last["runs"][0]["run_id"] if isinstance(last, dict) else last[0]["run_id"])
    assert state_of(shown, "plain") == "ran"
    assert state_of(shown, "rated") == "failed"


def test_under_warn_a_hit_is_a_hit_only_while_the_file_stays_as_it_was(project, way):
    first = incumbent(project, "run", "--undeclared", "warn", *way)
    assert "rates.txt" in first.stderr
    assert "lib/rates.py:3" in first.stderr
    assert incumbent_json(project, "run", "--undeclared", "warn", *way)["ran"] == 0
    write(project, {"rates.txt": "8"})
    changed = incumbent_json(project, "run", "--undeclared", "warn", *way)
    assert ran(changed) == ["rated"]
    assert b"rate 8" in output(changed, "rated", project)


def test_under_off_nothing_is_said_and_nothing_is_held_against_the_hit(project, way):
    first = incumbent(project, "run", "--undeclared", "off", *way)
    assert "rates.txt" not in first.stderr
    write(project, {"rates.txt": "8"})
    assert incumbent_json(project, "run", "--undeclared", "off", *way)["ran"] == 0


def test_a_variable_read_during_import_fails_unless_the_stage_declares_it(project, way):
    write(project, {"lib/rates.py": ENV_READ})
    done = incumbent(project, "run", *way, env={"RATE": "1"}, code=1)
    text = " ".join((done.stdout + done.stderr).split())
    assert "read the environment variable RATE while it was imported (lib/rates.py:3)" in text
    assert "add @stage(env=('RATE',))" in text
    pipe = (project / "pipe.py").read_text()
    write(project, {"pipe.py": pipe.replace("@inc.stage\ndef rated", '@inc.stage(env=("RATE",))\ndef rated')})
    assert ran(incumbent_json(project, "run", *way, env={"RATE": "1"}))[-1] == "rated"
    assert incumbent_json(project, "run", *way, env={"RATE": "1"})["ran"] == 0
    again = incumbent_json(project, "run", *way, env={"RATE": "2"})
    assert ran(again) == ["rated"]
    assert b"rate 2" in output(again, "rated", project)


def test_under_warn_a_variable_that_changes_makes_the_hit_a_miss(project):
    write(project, {"lib/rates.py": ENV_READ})
    assert "env RATE" in incumbent(project, "run", "--undeclared", "warn", env={"RATE": "1"}).stderr
    assert incumbent_json(project, "run", "--undeclared", "warn", env={"RATE": "1"})["ran"] == 0
    assert ran(incumbent_json(project, "run", "--undeclared", "warn", env={"RATE": "2"})) == ["rated"]


@pytest.mark.parametrize(
    ("rates", "what"),
    [
        ("import polars as pl\n\nRATE = pl.read_csv('rates.txt', has_header=False).item()\n", "read rates.txt"),
        ("import os\n\nRATE = sorted(os.listdir('lib'))\n", "listed lib/"),
        ("try:\n    RATE = open('local.txt').read()\nexcept OSError:\n    RATE = 0\n", "read local.txt"),
        ("import importlib\n\nRATE = importlib.import_module('hid' + 'den').RATE\n", "loaded hidden.py"),
        ("import importlib\n\nRATE = importlib.import_module('ope' + 'ner').RATE\n", "read rates.txt while it was imported (opener.py:1)"),
        (CACHED + "\nRATE = rate()\n", "read rates.txt while it was imported (lib/rates.py:6)"),
    ],
)
def test_reads_of_every_kind_are_seen_during_import(project, rates, what):
    write(project, {"lib/rates.py": rates, "hidden.py": "RATE = 3\n", "opener.py": "RATE = open('rates.txt').read()\n"})
    done = incumbent(project, "run", code=1)
    assert f"stage 'rated' uses code that {what}" in " ".join((done.stdout + done.stderr).split())


def test_what_a_function_cached_during_import_counts_for_another_stage_that_calls_it(project):
    pipe = PIPE.replace("from lib.rates import RATE", "from lib.early import EARLY\nfrom lib.rates import rate").replace(
        "{RATE}", "{rate()}"
    )
    write(project, {"lib/rates.py": CACHED, "lib/early.py": "from lib.rates import rate\n\nEARLY = rate()\n", "pipe.py": pipe})
    assert "stage 'rated' uses code that read rates.txt" in incumbent(project, "run", code=1).stdout
    assert ran(incumbent_json(project, "run", "--undeclared", "warn")) == ["rated"]
    write(project, {"rates.txt": "8"})
    assert ran(incumbent_json(project, "run", "--undeclared", "warn")) == ["rated"]


def test_an_import_of_big_libraries_and_of_the_projects_own_modules_is_no_undeclared_input(project):
    own = "import json, logging, sqlite3, tempfile, zoneinfo\n"
    others = "import lightgbm, numpy, pandas, polars, pyarrow.parquet, sklearn.linear_model, xgboost\n"
    write(project, {"lib/rates.py": f"{own}{others}from lib import deep\n\nRATE = deep.RATE\n", "lib/deep.py": "RATE = 4\n"})
    assert sorted(ran(incumbent_json(project, "run"))) == ["plain", "rated"]


EDITS = """
import os
from pathlib import Path

draft = Path(__file__).with_name(f"late.{os.getpid()}")  # whole at once: two interpreters may be importing at the same time
draft.write_text("RATE = 2\\n")
draft.replace(Path(__file__).with_name("late.py"))
"""


def test_a_source_edited_between_reading_and_importing_stops_the_run_and_the_next_one_is_right(project, way):
    write(project, {"lib/rates.py": f"{EDITS}from lib.late import RATE\n", "lib/late.py": "RATE = 1\n"})
    done = incumbent(project, "run", *way, code=1)
    text = " ".join(done.stderr.split())
    assert "lib/late.py changed while the run was starting; run again; nothing was recorded under a wrong key" in text
    after = incumbent_json(project, "run", *way)
    assert sorted(ran(after)) == ["plain", "rated"], "no stage of the stopped run was stored"
    assert b"rate 2" in output(after, "rated", project)


def test_code_that_swallows_the_refusal_to_import_stops_the_run_all_the_same(project):
    rates = f"{EDITS}try:\n    from lib.late import RATE\nexcept Exception:\n    RATE = 0\n"
    write(project, {"lib/rates.py": rates, "lib/late.py": "RATE = 1\n"})
    assert "lib/late.py changed while the run was starting" in " ".join(incumbent(project, "run", code=1).stderr.split())


LATE = """
@inc.stage
def edit(plain: int) -> int:
    from pathlib import Path
    Path(__file__).with_name("lib").joinpath("late.py").write_text("RATE = 2\\n")
    return 5

@inc.stage
def rated(edit: int) -> str:
    from lib.late import RATE
    return f"rate {RATE}"

pipeline = inc.Pipeline("imports", [plain, edit, rated])
"""


@pytest.mark.parametrize("head", ["", "from lib.late import RATE\n"], ids=["imported late", "imported at the head"])
def test_a_source_edited_while_the_run_goes_on_is_not_imported_in_silence(project, way, head):
    thread = THREAD if "threading" in (project / "pipe.py").read_text() else ""
    text = thread + PIPE[: PIPE.index("@inc.stage\ndef rated")].replace("from lib.rates import RATE\n", head) + LATE.lstrip()
    if head:
        text = text.replace("    from lib.late import RATE\n", "")
    write(project, {"pipe.py": text, "lib/late.py": "RATE = 1\n"})
    is_imported_again = not head or thread
    done = incumbent(project, "run", *way, code=1 if is_imported_again else 0)
    if is_imported_again:
        shown = " ".join((done.stdout + done.stderr).split())
        assert "lib/late.py changed while the run was" in shown
        assert "run again; nothing was recorded under a wrong key" in shown
    after = incumbent_json(project, "run", *way)
    assert ran(after)[-1] == "rated"
    assert b"rate 2" in output(after, "rated", project)


def test_a_stage_with_threads_of_its_own_is_imported_later_and_held_to_the_same_sources(project):
    text = PIPE[: PIPE.index("@inc.stage\ndef rated")].replace("lib.rates", "lib.late") + LATE.lstrip()
    text = text.replace("    from lib.late import RATE\n", "").replace("@inc.stage\ndef rated", "@inc.stage(threads=1)\ndef rated")
    write(project, {"pipe.py": text, "lib/late.py": "RATE = 1\n"})
    assert "lib/late.py changed while the run was starting" in " ".join(incumbent(project, "run", code=1).stdout.split())
    after = incumbent_json(project, "run")
    assert b"rate 2" in output(after, "rated", project)


def test_warnings_of_a_stage_are_shown_while_the_run_goes_on(project):
    pipe = PIPE.replace("from lib.rates import RATE", "from pathlib import Path").replace(
        "    return f", "    Path('x.txt').write_text('x')\n    return f"
    )
    write(project, {"pipe.py": pipe.replace("{RATE}", "")})
    assert "stage 'rated' wrote x.txt (pipe.py:11), outside of its folder" in incumbent(project, "run").stderr
