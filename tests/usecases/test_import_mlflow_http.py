"""An import over HTTP: from our own server, which answers MLflow's API, and from servers that lie."""

import http.server
import json
import math
import re
import threading
from urllib.parse import parse_qs, urlsplit

import pytest

from incumbent.base.digest import digest_bytes
from incumbent.base.errors import Corrupt, InvalidInput, Refused, Unavailable
from incumbent.execution.mlflow_source import http_client
from mlflow_store import bring, numbers, open_new, reasons

RUN, MODEL = "a" * 32, "m-" + "b" * 32
API = "/api/2.0/mlflow"
PROXY = "/api/2.0/mlflow-artifacts/artifacts"
FILES = {"a.txt": b"alpha", "plots/b 1.png": b"beta" * 1000}


def run_info(**more):
    return {
        "run_id": RUN, "experiment_id": "1", "run_name": "one", "user_id": "mia", "status": "FINISHED", "start_time": "1700000000000",
        "end_time": 1700000001000, "lifecycle_stage": "active", "artifact_uri": f"mlflow-artifacts://elsewhere:1/1/{RUN}/artifacts", **more,
    }  # fmt: skip


class Told(http.server.BaseHTTPRequestHandler):
    """Answers from the table of its server: path -> JSON, bytes, (status, headers, body), or a function of the query."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one packet: head and body apart would wait for an acknowledgement between them

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.answer("")

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["content-length"])).decode())

    def answer(self, body):
        address = urlsplit(self.path)
        self.server.asked.append((address.path, self.headers.get("authorization")))
        found = self.server.table.get(address.path, (404, {}, b'{"error_code": "ENDPOINT_NOT_FOUND"}'))
        if callable(found):
            found = found({**{name: values[0] for name, values in parse_qs(address.query).items()}, **(json.loads(body) if body else {})})
        status, headers, data = found if isinstance(found, tuple) else (200, {}, found)
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = "content-length" in headers


def list_proxy(query):
    folder = query["path"].removeprefix(f"1/{RUN}/artifacts").strip("/")
    inside = {path: data for path, data in FILES.items() if path.rpartition("/")[0] == folder}
    found = [{"path": path.rpartition("/")[2], "is_dir": False, "file_size": str(len(data))} for path, data in inside.items()]
    return {"files": [*found, *([] if folder else [{"path": "plots", "is_dir": True}])]}


def history(query):
    points = [{"key": "loss", "value": "NaN", "step": 0, "timestamp": 1}, {"key": "loss", "value": 0.5, "step": "1", "timestamp": 2}]
    if query.get("page_token") == "second":
        return {"metrics": points[1:]}
    return {"metrics": points[:1], "next_page_token": "second"}


def honest():
    return {
        f"{API}/experiments/search": {"experiments": [{"experiment_id": "1", "name": "churn", "lifecycle_stage": "active"}]},
        f"{API}/runs/search": {
            "runs": [{
                "info": run_info(),
                "data": {
                    "metrics": [{"key": "loss", "value": 0.5, "step": "1", "timestamp": 2}],
                    "params": [{"key": "lr", "value": "0.1"}], "tags": [{"key": "t", "value": "x"}],
                },
                "inputs": {"dataset_inputs": [{"dataset": {"name": "rows", "digest": "d", "source_type": "local", "source": "{}"}}]},
                "outputs": {"model_outputs": [{"model_id": MODEL, "step": 3}]},
            }]
        },
        f"{API}/metrics/get-history": history,
        PROXY: list_proxy,
        f"{PROXY}/1/{RUN}/artifacts/a.txt": FILES["a.txt"],
        f"{PROXY}/1/{RUN}/artifacts/plots/b%201.png": FILES["plots/b 1.png"],
    }  # fmt: skip


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(http_client, "WAITS_S", (0.0,))
    told = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Told)
    told.daemon_threads = True
    told.table, told.asked = honest(), []
    told.address = f"http://127.0.0.1:{told.server_port}"
    thread = threading.Thread(target=told.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield told
    told.shutdown()
    told.server_close()
    thread.join()


@pytest.fixture
def ws(tmp_path):
    opened = open_new(tmp_path / "project")
    yield opened
    opened.store.close()


def test_everything_that_the_server_tells_comes_and_no_other_host_is_asked(ws, server):
    report = bring(ws, server.address)
    assert reasons(report) == ""
    assert report.differences == []
    assert (numbers(report, "metric points"), numbers(report, "files")) == ((2, 2, 0, 0), (2, 2, 0, 0))
    with ws.store.begin(read_only=True) as tx:
        run = tx.runs.get(RUN)
        first, second = tx.metrics.history(RUN, "loss")
        rows = {row.name: row.artifact.digest for row in tx.runs.list_artifacts(RUN)}
        [link], [dataset] = tx.run_links.list_models([RUN]), tx.run_links.list_datasets([RUN])[RUN]
    assert (run.params, run.tags["t"], run.facts["actor"]) == ({"lr": "0.1"}, "x", "mlflow:mia")
    assert math.isnan(first.value)
    assert (second.value, second.step) == (0.5, 1)
    assert rows == {path: digest_bytes(data, "blake3") for path, data in FILES.items()}
    assert (link.direction, link.model_id, link.step, dataset.name) == ("output", MODEL, 3, "rows")
    again = bring(ws, server.address)
    assert all(count.brought == 0 for count in again.counts.values())


def test_credentials_are_sent_and_never_kept(ws, server):
    bring(ws, server.address.replace("http://", "http://mia:secret@"))
    assert {authorization for _, authorization in server.asked} == {"Basic bWlhOnNlY3JldA=="}
    with ws.store.begin(read_only=True) as tx:
        assert tx.runs.get(RUN).facts["imported"]["from"] == server.address
    server.asked.clear()
    bring(ws, server.address, environ={"MLFLOW_TRACKING_TOKEN": "abc"})
    assert {authorization for _, authorization in server.asked} == {"Bearer abc"}
    with pytest.raises(InvalidInput, match="a line break"):
        bring(ws, server.address, environ={"MLFLOW_TRACKING_TOKEN": "a\r\nX: y"})


WHOLE = {
    "sends elsewhere": ((302, {"location": "http://169.254.169.254/"}, b""), Refused, "an import follows nobody"),
    "asks who it is": ((401, {}, b""), Refused, "MLFLOW_TRACKING_USERNAME"),
    "is broken": ((500, {}, b"boom"), Unavailable, "with 500: boom"),
    "says no JSON": (b"<html>", Corrupt, "is no JSON"),
    "nests without end": (b"[" * 100_000, Corrupt, "is no JSON"),
    "says a list": (b"[]", Corrupt, "not an object"),
    "says half a list": ({"experiments": [1]}, Corrupt, "where a list of objects belongs"),
    "gives one page for ever": ({"experiments": [], "next_page_token": "x"}, Corrupt, "again and again"),
    "breaks off": ((200, {"content-length": "1000"}, b"{"), Corrupt, "is no JSON|broke off"),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_a_server_that_answers_wrongly_ends_the_import_with_a_reason(ws, server, name):
    answer, kind, words = WHOLE[name]
    server.table[f"{API}/experiments/search"] = answer
    with pytest.raises(kind, match=words):
        bring(ws, server.address)


def listing(*files):
    return {PROXY: {"files": [{"path": path, "is_dir": False, "file_size": size} for path, size in files]}}


A_TXT = f"{PROXY}/1/{RUN}/artifacts/a.txt"
PART = {
    "gives more than it listed": ({**listing(("a.txt", 5)), A_TXT: b"alphabet"}, "gives more: not taken"),
    "gives less than it listed": ({**listing(("a.txt", 9)), A_TXT: b"alpha"}, "listed 9 bytes and gives 5: not taken"),
    "breaks off in a file": ({**listing(("a.txt", 9)), A_TXT: (200, {"content-length": "9"}, b"alpha")}, "not taken|broke off"),
    "sends a file elsewhere": ({**listing(("a.txt", 5)), A_TXT: (307, {"location": "file:///x"}, b"")}, "an import follows nobody"),
    "has lost a file": (listing(("lost.txt", 5)), "has no"),
    "lists a parent": (listing(("..", 5)), "no empty part, '.' or '..'"),
    "lists a backslash": (listing(("a\\..\\b", 5)), "no backslash"),
    "lists a control character": (listing(("a\x1bb", 5)), "no control character"),
    "lists a long name": (listing(("x" * 5000, 5)), "at most 1000"),
    "lists a size below zero": (listing(("a.txt", -1)), "among files"),
    "lists what is no file": ({PROXY: {"files": ["a"]}}, "among files"),
}  # fmt: skip


@pytest.mark.parametrize("name", PART)
def test_a_file_that_is_not_what_was_listed_is_refused_and_the_run_comes_without_it(ws, server, name):
    table, words = PART[name]
    server.table |= table
    report = bring(ws, server.address)
    assert numbers(report, "files") == (1, 0, 0, 1), reasons(report)
    assert re.search(words, reasons(report)), reasons(report)
    assert numbers(report, "runs") == (1, 1, 0, 0)
    with ws.store.begin(read_only=True) as tx:
        assert list(tx.runs.list_artifacts(RUN)) == []
    server.table |= honest()
    assert numbers(bring(ws, server.address), "files") == (2, 2, 0, 0)


def test_a_path_behind_the_proxy_that_climbs_is_not_asked_for(ws, server):
    for uri in ("mlflow-artifacts:/1/../../secret", "mlflow-artifacts:/1/%2e%2e/secret", "mlflow-artifacts:/"):
        server.table[f"{API}/runs/search"] = {"runs": [{"info": run_info(artifact_uri=uri), "data": {}}]}
        server.asked.clear()
        assert "no plain path" in reasons(bring(ws, server.address, anew=True))
        assert not [path for path, _ in server.asked if "artifacts" in path]


def test_a_run_that_cannot_be_read_is_refused_and_the_others_come(ws, server):
    good = server.table[f"{API}/runs/search"]["runs"][0]
    bad = {"info": run_info(run_id="c" * 32, start_time="soon"), "data": {}}
    server.table[f"{API}/runs/search"] = {"runs": [bad, good]}
    report = bring(ws, server.address)
    assert numbers(report, "runs") == (2, 1, 0, 1)
    assert "'soon' where the number start_time belongs" in reasons(report)


def test_a_run_whose_history_is_gone_is_refused_and_the_others_come(ws, server):
    good = server.table[f"{API}/runs/search"]["runs"][0]
    other = {"info": run_info(run_id="c" * 32), "data": {}}
    server.table[f"{API}/runs/search"] = {"runs": [good, other]}
    del server.table[f"{API}/metrics/get-history"]
    report = bring(ws, server.address)
    assert numbers(report, "runs") == (2, 1, 0, 1)
    assert "has no /api/2.0/mlflow/metrics/get-history" in reasons(report)


def test_a_logged_model_whose_files_the_server_does_not_reach_is_refused_alone(ws, server):
    info = {
        "model_id": MODEL,
        "name": "m",
        "creation_timestamp_ms": 1,
        "last_updated_timestamp_ms": 2,
        "artifact_uri": "mlflow-artifacts:/x",
    }
    server.table |= {f"{API}/logged-models/search": {"models": [{"info": info, "data": {}}]}}
    server.table[PROXY] = lambda query: (500, {}, b"no bucket") if query["path"] == "x" else list_proxy(query)
    report = bring(ws, server.address)
    assert (numbers(report, "runs"), numbers(report, "logged models")) == ((1, 1, 0, 0), (1, 0, 0, 1))
    assert report.differences == []


def test_a_server_without_a_proxy_gives_its_files_by_the_routes_of_its_pages(ws, server):
    server.table[f"{API}/runs/search"]["runs"][0]["info"]["artifact_uri"] = "s3://bucket/1/x"

    def entries(query):
        found = list_proxy({"path": f"1/{RUN}/artifacts/{query.get('path', '')}"})["files"]
        return {"files": [{**one, "path": f"{query.get('path', '')}/{one['path']}".strip("/")} for one in found]}

    server.table |= {f"{API}/artifacts/list": entries, "/get-artifact": lambda query: FILES[query["path"]]}
    assert numbers(bring(ws, server.address), "files") == (2, 2, 0, 0)
