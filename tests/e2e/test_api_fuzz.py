"""schemathesis on the OpenAPI document: what fits it and what does not gets an answer that the document names, and never a fault.

It makes the requests; they are asked of the application in this process, in single-user mode, and answers are held against the document
by tests/described.py. The run is bounded and the same every time.
"""

import json
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from asgi import Client, open_app
from described import DOCUMENT, check, find_answer
from incumbent.server.api.table import OPERATIONS
from logins import open_empty

requests = pytest.importorskip("requests", reason="requests is not installed")
schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

EXAMPLES, EXAMPLES_SLOW = 2, 60
ENDLESS = {"watch_events"}
"""A stream has no end to wait for; tests/unit/server/test_events.py reads it."""
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
FITTING, UNFITTING = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
CASES = [
    (one.name, mode)
    for one in OPERATIONS
    for mode in (FITTING, UNFITTING)
    if one.name not in ENDLESS and (mode is FITTING or one.query is not None or one.body is not None or one.is_paged)
]
BY_NAME = {one.name: one for one in OPERATIONS}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    ws = open_empty(tmp_path_factory.mktemp("fuzz"))
    app = open_app(ws, single_user="always")
    yield Client(app)
    app.close()
    ws.store.close()


def send(client, case):
    """Ask what schemathesis made, byte for byte as requests would send it."""
    made = case.as_transport_kwargs(base_url="http://127.0.0.1:8765")
    for name in ("timeout", "verify", "cert", "proxies", "allow_redirects", "stream"):
        made.pop(name, None)
    ready = requests.Request(**made).prepare()
    body = ready.body.encode() if isinstance(ready.body, str) else ready.body or b""
    target = urlsplit(ready.url)
    dropped = {"content-length", "host", "cookie", "accept-encoding", "connection"}
    headers = {name.lower(): value if isinstance(value, str) else value.decode("latin-1") for name, value in ready.headers.items()}
    headers = {name: value for name, value in headers.items() if name not in dropped and value.isprintable() and value.isascii()}
    path = target.path + (f"?{target.query}" if target.query else "")
    return client.ask(ready.method, path, body=body, headers=headers)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "mode"), CASES, ids=[f"{name}-{mode.name.lower()}" for name, mode in CASES])
def test_nothing_that_is_asked_gets_a_fault_or_an_answer_that_is_not_in_the_document(client, name, mode, is_slow):
    one = BY_NAME[name]
    strategy = SCHEMA.find_operation_by_id(one.name).as_strategy(generation_mode=mode)

    @settings(max_examples=EXAMPLES_SLOW if is_slow else EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(strategy)
    def ask(case):
        answer = send(client, case)
        assert answer.status < 500, (one.name, answer.text)
        if answer.status in {404, 405} and "/api/v1/problems/" in answer.text and "at this path" in answer.text:
            return  # what was made for a placeholder is another address, or none
        if answer.status == 304:
            assert case.headers.get("If-None-Match") == "*", "nobody knows an ETag here"
            return
        media, schema = find_answer(one, answer.status)
        assert (answer.get("content-type") or "").partition(";")[0] == media, (one.name, answer.status, answer.text)
        if media.endswith("json"):
            check(schema, json.loads(answer.body))

    ask()
