"""A real server process, asked well and asked badly."""

import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

import incumbent
from bundles import make_run, put_live, write_bundle
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.execution.model_host import REQUESTS_MAX
from incumbent.usecases.register import register
from incumbent.usecases.roll_back import roll_back

SLOT, PREDICT, INFER = "double/eu", "/api/v1/slots/double%2Feu/predict", "/v2/models/double%2Feu/infer"
ROWS = {"rows": [{"x": 4.0, "who": "ann"}, {"x": 10, "who": None}]}
FAULTY = """
    import os, time
    def load(folder):
        def answer(columns):
            while columns["x"][0] == 7 and not os.path.exists(columns["who"][0]):
                time.sleep(0.01)
            if columns["x"][0] < 0:
                raise ValueError("no <b>negative</b> x")
            return {"y": columns["x"], "is_big": [False] * len(columns["x"])}
        return answer
"""


OWN_SCRIPT = '<script src="/pages.js" defer></script>'
"""The one that every page has; none is inline, and the policy would refuse it."""


class Served:
    """A running server and the workspace behind it."""

    def __init__(self, folder: Path, ws) -> None:
        self.ws = ws
        command = [sys.executable, "-m", "incumbent", "server", "--project", str(folder), "--port", "0"]
        self.errors = (folder / "stderr.txt").open("w+")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.address = self.process.stdout.readline().split()[-1]
        self.port = urlsplit(self.address).port

    def ask(self, method, path, body=None, headers=None):
        """Send one request; return (status, headers, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            sent = json.dumps(body).encode() if isinstance(body, dict | list) else body
            kind = {"content-type": "application/json"} if sent is not None else {}
            connection.request(method, path, sent, {**kind, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def json(self, method, path, body=None, headers=None):
        status, found, data = self.ask(method, path, body, headers)
        return status, found, json.loads(data)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    ws = open_workspace(read_settings(folder, {}))
    for model, slot, bundle in (
        ("double", SLOT, write_bundle(folder / "b1", factor=2.0)),
        ("double", SLOT, write_bundle(folder / "b2", factor=3.0)),
        ("faulty", "faulty", write_bundle(folder / "b3", FAULTY)),
    ):
        version = register(ws, model=model, run=make_run(ws, bundle), artifact="model")
        if version.version == 1:
            put_live(ws, model=model, version=1, slot=slot, reason="first")
    running = Served(folder, ws)
    yield running
    running.process.terminate()
    assert running.process.wait(20) == 0
    running.errors.seek(0)
    assert "Traceback" not in running.errors.read()
    running.errors.close()
    running.process.stdout.close()
    ws.store.close()


def test_rows_are_answered_in_order_and_the_answer_names_itself(served):
    status, headers, answer = served.json("POST", PREDICT, ROWS)
    assert (status, answer["rows"]) == (200, [{"y": 8.0, "is_big": False}, {"y": 20.0, "is_big": True}])
    assert headers["x-incumbent-version"] == "double@1"
    assert headers["x-incumbent-prediction"] == answer["prediction"]


def test_an_answer_is_traced_over_http_to_its_run(served):
    _, headers, _ = served.json("POST", PREDICT, ROWS)
    status, _, lineage = served.json("GET", f"/api/v1/trace/{headers['x-incumbent-prediction']}")
    assert status == 200
    assert {node["kind"] for node in lineage["nodes"].values()} >= {"prediction", "slot", "version", "run"}
    assert lineage["nodes"][lineage["subject"]]["facts"]["output"] == [{"y": 8.0, "is_big": False}, {"y": 20.0, "is_big": True}]


def test_the_protocols_own_routes_answer(served):
    assert served.json("GET", "/v2")[2] == {"name": "incumbent", "version": incumbent.__version__, "extensions": ["binary_tensor_data"]}
    assert served.json("GET", "/v2/health/live")[2] == {"live": True}
    assert served.json("GET", "/v2/health/ready")[2]["ready"] is True
    assert served.json("GET", "/v2/models/double%2Feu/versions/1/ready")[2] == {"name": SLOT, "ready": True}
    described = served.json("GET", "/v2/models/double%2Feu")[2]
    assert described["inputs"][0] == {"name": "x", "datatype": "FP64", "shape": [-1], "parameters": {"nullable": False}}
    assert described["versions"] == ["1"]


def test_tensors_are_answered_with_the_callers_id_and_the_outputs_it_wants(served):
    tensors = [
        {"name": "x", "shape": [2, 1], "datatype": "FP32", "data": [[4], [10]]},
        {"name": "who", "shape": [2], "datatype": "BYTES", "data": ["ann", None]},
    ]
    status, headers, answer = served.json("POST", INFER, {"id": "mine", "inputs": tensors, "outputs": [{"name": "y"}]})
    assert (status, answer["id"], answer["model_name"], answer["model_version"]) == (200, "mine", SLOT, "1")
    assert answer["outputs"] == [{"name": "y", "datatype": "FP64", "shape": [2], "data": [8.0, 20.0]}]
    assert headers["x-incumbent-prediction"] == answer["parameters"]["prediction"]


def test_the_open_inference_protocol_answers_in_bytes(served):
    texts = b"\3\0\0\0ann\0\0\0\0"
    tensors = [
        {"name": "x", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": 8}},
        {"name": "who", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(texts)}},
    ]
    head = json.dumps({"inputs": tensors, "outputs": [{"name": "y", "parameters": {"binary_data": True}}]}).encode()
    sent = head + struct.pack("<2f", 4, 10) + texts
    length = {"Inference-Header-Content-Length": str(len(head)), "content-type": "application/octet-stream"}
    status, headers, body = served.ask("POST", INFER, sent, length)
    assert (status, headers["content-type"]) == (200, "application/octet-stream"), body
    cut = int(headers["inference-header-content-length"])
    assert json.loads(body[:cut])["outputs"] == [{"name": "y", "datatype": "FP64", "shape": [2], "parameters": {"binary_data_size": 16}}]
    assert struct.unpack("<2d", body[cut:]) == (8.0, 20.0)
    status, _, body = served.ask("POST", INFER, sent[:-1], length)
    assert (status, b"bytes are left" in body) == (400, True)


def test_what_mlflow_serves_is_asked_and_answered_in_its_shape(served):
    asked = {"dataframe_split": {"columns": ["who", "x"], "data": [["ann", 4.0], [None, 10]]}}
    status, headers, answer = served.json("POST", "/slots/double%2Feu/invocations", asked)
    assert (status, answer) == (200, {"predictions": [{"y": 8.0, "is_big": False}, {"y": 20.0, "is_big": True}]})
    assert headers["x-incumbent-version"] == "double@1"
    status, _, answer = served.json("POST", "/slots/double%2Feu/invocations", {"inputs": {"x": [4.0], "whom": ["ann"]}})
    assert (status, "column 'whom' is not in the signature" in answer["detail"]) == (400, True)


def test_a_model_that_hangs_holds_up_no_other_slot_and_is_asked_no_more_than_it_may_hold(served, tmp_path):
    gate = tmp_path / "gate"
    held = {"inputs": {"x": [7.0], "who": [str(gate)]}}
    found = []
    waiting = [
        threading.Thread(target=lambda: found.append(served.ask("POST", "/slots/faulty/invocations", held)))
        for _ in range(REQUESTS_MAX + 1)
    ]
    for one in waiting:
        one.start()
    for _ in range(500):
        time.sleep(0 if found else 0.01)  # one too many: it is refused while the others wait
    try:
        assert served.json("POST", PREDICT, ROWS)[0] == served.ask("GET", "/readyz")[0] == 200
        assert [(status, headers.get("retry-after")) for status, headers, _ in found] == [(429, "1")]
    finally:
        gate.touch()
    for one in waiting:
        one.join()
    assert sorted(status for status, _, _ in found) == [200] * REQUESTS_MAX + [429]


BAD_BODIES = [
    (b"", "not JSON"),
    (b"{", "not JSON"),
    (b"\xff\xfe", "not JSON"),
    (b'{"rows": [{"x": "\xff", "who": null}]}', "not JSON"),
    (b'{"rows": [{"x": NaN, "who": null}]}', "NaN or an infinity"),
    (b'{"rows": [{"x": Infinity, "who": null}]}', "NaN or an infinity"),
    (b'{"rows": [{"x": 1e999, "who": null}]}', "NaN or an infinity"),
    (b'{"rows": [{"x": 1' + b"0" * 400 + b', "who": null}]}', ""),
    (b"[" * 200_000 + b"]" * 200_000, "nested too deeply"),
    (b'{"rows":' * 500 + b"1" + b"}" * 500, "nested more than"),
    (b"null", "Expected `object`"),
    (b'{"rows": []}', "there are no rows"),
    (b'{"rows": [{"x": 1}]}', "row 0: missing who"),
    (b'{"rows": [{"x": 1, "who": "a", "arr_delay": 2}]}', "not in the signature: 'arr_delay'"),
    (b'{"rows": [{"x": "1", "who": "a"}]}', "column 'x', row 0: expected float, got str"),
    (b'{"rows": [{"x": true, "who": "a"}]}', "expected float, got bool"),
    (b'{"rows": [{"x": null, "who": "a"}]}', "column 'x', row 0: null"),
    (b'{"rows": [{"x": 1, "who": "a"}, {"x": 1, "who": 7}]}', "column 'who', row 1: expected str, got int"),
]


@pytest.mark.parametrize(("body", "detail"), BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_a_bad_body_is_a_problem_document_that_says_what_is_wrong(served, body, detail):
    status, headers, problem = served.json("POST", PREDICT, body)
    assert status == 400
    assert headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= problem.keys()
    assert detail in problem["detail"]
    assert "Traceback" not in problem["detail"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", PREDICT, {"content-type": "text/plain"}, 415),
        ("POST", PREDICT, {"host": "evil.example"}, 421),
        ("POST", PREDICT, {"origin": "http://evil.example"}, 403),
        ("POST", "/api/v1/slots/double/eu/predict", {}, 404),
        ("POST", "/api/v1/slots/other/predict", {}, 404),
        ("POST", "/api/v1/slots/..%2F..%2Fetc%2Fpasswd/predict", {}, 404),
        ("POST", "/api/v1/slots/%00/predict", {}, 404),
        ("POST", "/api/v1/slots/%ff/predict", {}, 400),
        ("POST", "/v2/models/double%2Feu/versions/2/infer", {}, 404),
        ("POST", "/v2/models/double%2Feu/versions/abc/infer", {}, 400),
        ("POST", "/v2/models/double%2Feu/versions/-1/infer", {}, 400),
        ("GET", "/v2/models/other/ready", {}, 404),
        ("GET", PREDICT, {}, 405),
        ("DELETE", "/", {}, 405),
        ("TRACE", "/healthz", {}, 405),
        ("PUT", "/v2", {}, 405),
        ("GET", "/api/v1/trace/nothing-here", {}, 404),
        ("GET", "/api/v1/trace/%3Cscript%3E", {}, 400),
        ("GET", "/../../../etc/passwd", {}, 404),
        ("GET", "/v2/", {}, 404),
    ],
)
def test_a_request_that_cannot_be_served_says_why(served, method, path, headers, status):
    found, answered, problem = served.json(method, path, ROWS if method == "POST" else None, headers)
    assert found == status, problem
    if "ready" not in problem:
        assert answered["content-type"] == "application/problem+json"
        assert problem["status"] == status
        assert problem["detail"]
    if path.startswith("/v2/") and "ready" not in problem:
        assert problem["error"] == problem["detail"]
    if status == 405:
        assert answered["allow"]


def test_a_body_over_the_limit_is_refused_whether_its_length_is_declared_or_not(served):
    over = b" " * ((8 << 20) + 1)
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as raw:
        raw.sendall(f"POST {PREDICT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(over)}\r\n\r\n".encode())
        assert b" 413 " in raw.recv(4096)
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as raw:
        raw.sendall(f"POST {PREDICT} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n{len(over):x}\r\n".encode())
        answer = b""
        try:
            raw.sendall(over)
        except OSError:  # it may answer and close before it has all
            pass
        answer = raw.recv(4096)
        assert b" 413 " in answer


def test_head_answers_as_get_without_a_body_and_without_a_host_nothing_is_served(served):
    status, headers, body = served.ask("HEAD", "/healthz")
    assert (status, body, headers["content-length"]) == (200, b"", "15")
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as raw:
        raw.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b" 421 " in raw.recv(4096)


def test_bytes_that_are_no_http_get_a_400_and_the_server_lives(served):
    for junk in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET\r\n\r\n", os.urandom(512) + b"\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as raw:
            raw.sendall(junk)
            assert raw.recv(4096)[:12] in {b"HTTP/1.1 400", b""}
    assert served.json("GET", "/readyz")[0] == 200


def test_a_model_that_raises_is_a_422_and_harms_no_other_slot(served):
    path = "/api/v1/slots/faulty/predict"
    status, _, problem = served.json("POST", path, {"rows": [{"x": -1.0, "who": None}]})
    assert (status, problem["detail"]) == (422, "the model raised ValueError: no <b>negative</b> x")
    assert served.json("POST", path, {"rows": [{"x": 1.0, "who": None}]})[0] == 200
    assert served.json("POST", PREDICT, ROWS)[0] == 200


def test_the_page_shows_what_is_live_and_answers_its_form(served):
    status, headers, page = served.ask("GET", "/")
    assert status == 200
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "double@1" in page.decode()
    form = urlencode({"slot": SLOT, "column-x": "4", "column-who": ""}).encode()
    status, _, page = served.ask("POST", "/", form, {"content-type": "application/x-www-form-urlencoded"})
    text = page.decode()
    assert status == 200
    assert "<td>8.0</td>" in text
    assert re.search(r"prediction <b>prediction-[0-9a-z]{20}</b>", text)
    assert not re.search(r"<script|style=|http://(?!www\.w3)|https://", text.replace(OWN_SCRIPT, ""))
    assert served.ask("GET", "/home.css")[1]["content-type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"slot": "<script>alert(1)</script>", "column-x": "1"}, 404),
        ({"slot": SLOT, "column-x": '"><script>alert(1)</script>', "column-who": ""}, 400),
        ({"slot": SLOT, "column-x": "nan", "column-who": "a"}, 400),
        ({"slot": SLOT, "column-<script>": "1"}, 400),
        ({"slot": "faulty", "column-x": "-1", "column-who": "<script>"}, 422),
        ({}, 404),
    ],
)
def test_what_a_form_sends_is_shown_as_text_and_never_as_html(served, fields, status):
    found, _, page = served.ask("POST", "/", urlencode(fields).encode(), {"content-type": "application/x-www-form-urlencoded"})
    assert found == status
    assert "<script" not in page.decode().replace(OWN_SCRIPT, "")
    assert b"<b>negative" not in page


@pytest.mark.parametrize("body", [b"a=%ff", b"\xff=1", b"&".join(b"a%d=1" % n for n in range(500))])
def test_a_form_that_cannot_be_read_is_a_problem(served, body):
    assert served.ask("POST", "/", body, {"content-type": "application/x-www-form-urlencoded"})[0] == 400


def test_sixteen_callers_at_once_are_all_answered(served):
    found = []
    callers = [threading.Thread(target=lambda: found.append(served.json("POST", PREDICT, ROWS)[0])) for _ in range(16)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == [200] * 16


def test_the_next_request_after_a_promotion_elsewhere_sees_it(served):
    assert served.json("POST", PREDICT, ROWS)[1]["x-incumbent-version"] == "double@1"
    put_live(served.ws, model="double", version=2, slot=SLOT, reason="better")
    _, headers, answer = served.json("POST", PREDICT, ROWS)
    assert (headers["x-incumbent-version"], answer["rows"][0]["y"]) == ("double@2", 12.0)
    slot = served.json("GET", "/api/v1/slots/double%2Feu")[2]
    assert (slot["live"]["version"], slot["roll_back_to"]["version"]) == (2, 1)
    roll_back(served.ws, slot=SLOT, reason="roll back")
    assert served.json("POST", PREDICT, ROWS)[1]["x-incumbent-version"] == "double@1"


def test_a_server_stops_at_a_signal_and_leaves_no_model_behind(served, tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    ws = open_workspace(read_settings(folder, {}))
    register(ws, model="double", run=make_run(ws, write_bundle(folder / "b")), artifact="model")
    put_live(ws, model="double", version=1, slot=SLOT, reason="first")
    other = Served(folder, ws)
    assert other.json("POST", PREDICT, ROWS)[0] == 200
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(other.process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(children) == 1
    other.process.send_signal(signal.SIGTERM)
    assert other.process.wait(20) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(children[0]), 0)
    assert not list((folder / ".incumbent" / "tmp").glob("served-*"))
    other.process.stdout.close()
    other.errors.close()
    ws.store.close()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--host", "0.0.0.0"], 2, "is beyond this machine"),
        (["--host", "example.org"], 2, "is no address"),
        (["--port", "70000"], 2, "a port is 0 (any free one) to 65535"),
    ],
)
def test_a_server_that_may_not_start_says_why(tmp_path, arguments, code, message):
    done = subprocess.run(
        [sys.executable, "-m", "incumbent", "server", "--project", str(tmp_path), *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert message in done.stderr


def test_a_taken_port_is_named(served, tmp_path):
    command = [sys.executable, "-m", "incumbent", "server", "--project", str(tmp_path), "--port", str(served.port)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {served.port}: Address already in use" in done.stderr
