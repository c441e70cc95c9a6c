"""A bundle that is opened by unpickling is served where the operator says so, and nowhere else."""

import http.client
import importlib
import json
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

import incumbent as inc
from bundles import make_run, put_live
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.register import register

PREDICT = "/api/v1/slots/score%2Feu/predict"
SCORER = """
class Scorer:
    def __init__(self, weight):
        self.weight = weight

    def predict(self, rows):
        return [self.weight * sum(row) for row in rows.tolist()]
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pickled")
    (folder / "pickled_kit.py").write_text(SCORER)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        importlib.invalidate_caches()
        kit = importlib.import_module("pickled_kit")
        inc.pack_model(folder / "bundle", kit.Scorer(2.0), inputs=[[1.0, 2.0]], modules=[kit], allow_pickle=True)
        del sys.modules["pickled_kit"]
    ws = open_workspace(read_settings(folder, {"INCUMBENT_KEYS": str(folder / "keys"), "INCUMBENT_ACTOR": "ann"}))
    register(ws, model="score", run=make_run(ws, folder / "bundle"), artifact="model")
    put_live(ws, model="score", version=1, slot="score/eu", reason="first", allow_pickle=True)
    ws.store.close()
    return folder


@contextmanager
def serving(folder, *options):
    command = [sys.executable, "-m", "incumbent", "server", "--project", str(folder), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield urlsplit(process.stdout.readline().split()[-1]).port
        finally:
            process.terminate()


def ask(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        body = json.dumps({"rows": [{"x0": 1.0, "x1": 2.5}]})
        connection.request("POST", PREDICT, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_without_the_option_it_is_refused_and_told_how_to_allow_it(project):
    with serving(project) as port:
        status, answer = ask(port)
        assert status == 422
        assert "this bundle is opened by unpickling, which can run code that came with it; pickles are not allowed here" in str(answer)
        assert "incumbent server --allow-pickle" in str(answer)
        assert ask(port)[0] == 422, "nor the second time"


def test_with_the_option_it_answers(project):
    with serving(project, "--allow-pickle") as port:
        status, answer = ask(port)
    assert (status, answer["rows"]) == (200, [{"prediction": 7.0}])
