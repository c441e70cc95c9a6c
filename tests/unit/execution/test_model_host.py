"""A model in its own process: real processes, real bundles, every way that a model can misbehave."""

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bundles import write_bundle
from incumbent.base.errors import Busy, InvalidInput, Refused, Unavailable
from incumbent.execution.model_host import ModelProcess

ROW = {"x": [1.0, 10.0], "who": [None, "ann"]}


@pytest.fixture
def start(tmp_path):
    started = []

    def make(code=None, **limits):
        folder = tmp_path / f"bundle-{len(started)}"
        process = ModelProcess(write_bundle(folder, code) if code else write_bundle(folder), **limits)
        started.append(process)
        return process

    yield make
    for process in started:
        process.close()


def answering(body: str, before: str = "") -> str:
    lines = "\n".join(f"            {line}" for line in body.splitlines())
    return f"""
    {before}
    def load(folder):
        def answer(columns):
{lines}
        return answer
    """


def test_a_model_answers_row_for_row_in_a_process_of_its_own(start):
    model = start()
    assert model.answer(ROW) == {"y": [2.0, 20.0], "is_big": [False, True]}
    assert model.pid not in {None, os.getpid()}
    assert "model.serve" not in sys.modules


def test_columns_that_do_not_fit_never_reach_the_model(start):
    model = start(answering("raise SystemExit"))
    with pytest.raises(InvalidInput, match="column 'x' \\(float\\) is missing"):
        model.answer({"who": ["ann"]})
    assert model.pid is None


def test_what_a_model_raises_is_told_and_it_goes_on_answering(start):
    model = start(answering("return {'y': [1 / x for x in columns['x']], 'is_big': [False] * len(columns['x'])}"))
    with pytest.raises(Refused, match="the model raised ZeroDivisionError"):
        model.answer({"x": [0.0], "who": [None]})
    pid = model.pid
    assert model.answer({"x": [4.0], "who": [None]})["y"] == [0.25]
    assert model.pid == pid


HOARDER = answering("return {'y': columns['x'], 'is_big': [False] * len(columns['x'])}", before="hoard = b'x' * (200 << 20)")


@pytest.mark.skipif(not Path("/proc/self/status").exists() and sys.platform != "darwin", reason="memory cannot be told on this machine")
def test_the_peak_memory_is_that_of_the_model_and_not_of_whoever_started_it(start):
    ours = b"y" * (300 << 20)  # written to, so resident here
    small, large = start(), start(HOARDER)
    assert small.memory_bytes() is None
    small.answer(ROW)
    large.answer(ROW)
    assert len(ours) > small.memory_bytes() > 4 << 20
    assert large.memory_bytes() - small.memory_bytes() == pytest.approx(200 << 20, rel=0.05)
    del ours


def test_the_memory_of_a_process_that_died_is_not_told(start):
    model = start()
    model.answer(ROW)
    os.kill(model.pid, signal.SIGKILL)
    while model.pid is not None:
        time.sleep(0.01)
    assert model.memory_bytes() is None


def test_a_model_that_hangs_is_stopped_and_started_anew(start):
    body = "import time\nif columns['x'][0] < 0: time.sleep(60)\nreturn {'y': columns['x'], 'is_big': [False] * len(columns['x'])}"
    model = start(answering(body), answer_timeout_s=1.0)
    assert model.answer({"x": [1.0], "who": [None]})["y"] == [1.0]
    first = model.pid
    with pytest.raises(Unavailable, match="no answer within 1 s"):
        model.answer({"x": [-1.0], "who": [None]})
    assert model.answer({"x": [2.0], "who": [None]})["y"] == [2.0]
    assert model.pid != first


def test_a_model_holds_so_many_requests_and_no_more(start, tmp_path):
    gate = tmp_path / "gate"
    body = "import os, time\nwhile columns['who'][0] and not os.path.exists(columns['who'][0]): time.sleep(0.01)\n"
    model = start(answering(body + "return {'y': columns['x'], 'is_big': [False]}"), requests_max=2)
    with ThreadPoolExecutor(2) as pool:
        held = [pool.submit(model.answer, {"x": [1.0], "who": [str(gate)]}) for _ in range(2)]
        for _ in range(500):
            time.sleep(0.01 if model._places._value else 0)
        try:
            with pytest.raises(Busy, match="2 requests wait for this model already"):
                model.answer({"x": [2.0], "who": [None]})
        finally:
            gate.touch()
        assert [one.result()["y"] for one in held] == [[1.0], [1.0]]
    for _ in range(3):
        assert model.answer({"x": [2.0], "who": [None]})["y"] == [2.0]


def test_a_model_that_kills_its_process_is_told_and_started_anew(start):
    body = "import os, signal\nif columns['x'][0] < 0: os.kill(os.getpid(), signal.SIGKILL)\nreturn {'y': columns['x'], 'is_big': [False]}"
    model = start(answering(body))
    with pytest.raises(Unavailable, match=r"the model's process ended \(signal 9\); the next request starts it anew"):
        model.answer({"x": [-1.0], "who": [None]})
    assert model.answer({"x": [2.0], "who": [None]})["y"] == [2.0]


def test_a_model_killed_between_requests_is_not_noticed_by_the_next(start):
    model = start()
    model.answer(ROW)
    os.kill(model.pid, signal.SIGKILL)
    while model.pid is not None:
        time.sleep(0.01)
    assert model.answer(ROW)["y"] == [2.0, 20.0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("return {'y': [1.0], 'is_big': [True]}", "gave 1 answers to 2 rows"),
        ("return {'y': [1.0, 2.0]}", "column 'is_big' (bool) is missing"),
        ("return {'y': [float('nan')] * 2, 'is_big': [True] * 2}", "not a finite number"),
        ("return {'y': ['1', '2'], 'is_big': [True] * 2}", "expected float, got str"),
        ("return {'y': [object()] * 2, 'is_big': [True] * 2}", "the model raised TypeError"),
        ("return [1, 2]", "the model raised AttributeError"),
    ],
)
def test_an_answer_that_does_not_fit_its_signature_is_refused(start, answer, message):
    with pytest.raises(Refused) as refused:
        start(answering(answer)).answer(ROW)
    assert message in str(refused.value)


def test_what_a_model_prints_is_no_part_of_its_answer(start):
    body = "print('x' * 100000)\nreturn {'y': columns['x'], 'is_big': [False] * 2}"
    assert start(answering(body, "import os; os.write(1, b'loading')")).answer(ROW)["y"] == [1.0, 10.0]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import no_such_module", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)", "cannot be loaded: SystemExit: 3"),
        ("def load(folder):\n        return 7", "gave int, which cannot be called"),
        ("def other(): ...", "cannot be loaded: AttributeError"),
        ("import os; os._exit(7)", "the model's process ended (exit 7)"),
    ],
)
def test_a_bundle_that_cannot_be_loaded_says_why(start, code, message):
    with pytest.raises(Unavailable) as refused:
        start(f"\n    {code}\n").answer(ROW)
    assert message in str(refused.value)


def test_secrets_of_the_server_do_not_reach_a_model(start, monkeypatch):
    monkeypatch.setenv("INCUMBENT_URL", "postgresql://user:secret@db/x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    body = "import os\nreturn {'y': [float('secret' in str(dict(os.environ)))], 'is_big': [False]}"
    assert start(answering(body)).answer({"x": [1.0], "who": [None]})["y"] == [0.0]


def test_what_chooses_the_kernels_goes_with_the_model(start, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    body = "import os\nreturn {'y': [float(os.environ.get('OPENBLAS_CORETYPE') == 'Haswell')], 'is_big': [False]}"
    assert start(answering(body)).answer({"x": [1.0], "who": [None]})["y"] == [1.0]


def test_a_model_has_a_home_of_its_own_and_finds_no_key_there(start, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key").write_text("secret")
    body = "from pathlib import Path\nreturn {'y': [float((Path.home() / 'key').exists())], 'is_big': [Path.home().is_dir()]}"
    assert start(answering(body)).answer({"x": [1.0], "who": [None]}) == {"y": [0.0], "is_big": [True]}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="whether a process is dead is read from /proc, which Linux has")
def test_what_a_model_started_ends_with_it(start, tmp_path):
    body = f"import subprocess\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(subprocess.Popen(['sleep', '600']).pid))\n"
    model = start(answering(body + "return {'y': [0.0], 'is_big': [False]}"))
    model.answer({"x": [1.0], "who": [None]})
    left = int((tmp_path / "pid").read_text())
    os.kill(left, 0)
    model.close()
    assert is_gone(left)


def is_gone(pid, patience_s=10.0):
    """Return whether a process is gone, or dead and only not yet waited for by whoever inherited it."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def test_closing_leaves_no_process_and_no_files(start):
    model = start()
    model.answer(ROW)
    pid, scratch = model.pid, Path(model._scratch)
    model.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not scratch.exists()
