"""Addresses and questions that nobody means well, asked of every operation on both databases: an answer with a reason, never a fault."""

import json
from contextlib import ExitStack
from dataclasses import replace

import pytest

from asgi import Client, open_app
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.server.api.table import OPERATIONS
from office import open_office, prepare

NAMES = [
    "%00", "%ED%A0%80", "..", "a" * 3000, "%0A", "-1", "999999999999999", "double%2Feu", "'%20OR%201=1--", "double@99999999999999999999",
    "%D9%A1",
]  # fmt: skip
VALUES = [*NAMES[:4], "NaN", "1e999", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "9223372036854775808", "%D9%A1"]
NOT_ASKED = {"watch_events", "export_ledger", "probe_webhook", "verify_ledger", "reconcile_ledger"}
"""They take no name and no field, or would go out to the network."""
ASKED = [one for one in OPERATIONS if one.name not in NOT_ASKED]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def client(request, tmp_path_factory):
    """A workspace of one person, who may do everything: no operation refuses before it has looked."""
    folder = tmp_path_factory.mktemp("hostile-addresses")
    (folder / "bundles").mkdir()
    variables = {"INCUMBENT_KEYS": str(folder / "keys")}
    with ExitStack() as held:
        if request.param == "postgres":
            variables["INCUMBENT_URL"] = held.enter_context(request.getfixturevalue("open_postgres_store")())
        ws = replace(open_workspace(read_settings(folder, variables)), actor="ada")
        held.callback(ws.store.close)
        prepare(open_office(ws), folder / "bundles")
        app = open_app(ws, single_user="always")
        held.callback(app.close)
        yield Client(app)


def addresses(one):
    """Every name in every placeholder, with something that is there in the others."""
    for name in one.placeholders:
        for value in NAMES:
            path = one.path
            for other in one.placeholders:
                path = path.replace(f"{{{other}}}", value if other == name else "1" if other == "version" else "double")
            yield path
    fields = [] if one.query is None else one.query.__struct_fields__
    path = one.path
    for name in one.placeholders:
        path = path.replace(f"{{{name}}}", "1" if name == "version" else "double")
    yield from (
        f"{path}?{field}={value}" for field in (*fields, "cursor", "limit") for value in VALUES if one.query is not None or one.is_paged
    )


def test_no_name_and_no_question_is_a_fault(client):
    wrong = {}
    for one in ASKED:
        headers = {"content-type": "application/json"} if one.body is not None else {}
        body = b"" if one.body is None else json.dumps(one.sent).encode()
        for path in addresses(one):
            answer = client.ask(one.method, f"/api/v1{path}", body=body, headers=headers)
            told = json.loads(answer.body) if answer.status >= 400 else {"detail": "done"}
            if answer.status >= 500 or not told["detail"]:
                wrong[f"{one.method} {path[:100]}"] = (answer.status, answer.text[:200])
    assert wrong == {}
