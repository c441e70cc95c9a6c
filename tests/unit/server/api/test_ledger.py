"""The ledger over HTTP: an archive that is verified elsewhere, cosignatures that come back, pages of entries."""

import io
import json

import pytest

from asgi import Client, open_app
from incumbent.ledger.offline import verify_export
from incumbent.usecases.ledger_export import export_ledger
from incumbent.usecases.ledger_witness import witness_export
from incumbent.usecases.people import change_person
from incumbent.usecases.tokens import new_token
from logins import as_person, open_empty, open_people
from unit.server.api.test_governed import Asker


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    ws = open_people(tmp_path_factory.mktemp("ledger"))
    app = open_app(ws)
    secrets = {name: new_token(as_person(ws, name), name="t", scope=["admin"]).secret for name in ("ann", "aud", "dev")}
    yield ws, app, secrets
    app.close()
    ws.store.close()


def export(world, who="aud"):
    _, app, secrets = world
    return Client(app, {"authorization": f"Bearer {secrets[who]}"}).get("/api/v1/ledger/export")


def test_the_export_is_the_one_of_the_command_line_and_verifies_elsewhere(world, tmp_path):
    answer = export(world)
    assert (answer.status, answer.get("content-type"), answer.is_complete) == (200, "application/zip", True)
    written = export_ledger(world[0], path=tmp_path / "ledger.zip")
    assert answer.body == (tmp_path / "ledger.zip").read_bytes()
    assert answer.get("content-disposition") == f'attachment; filename="ledger-{written.size}.zip"'
    assert int(answer.get("content-length")) == written.bytes_written
    report = verify_export(io.BytesIO(answer.body), [])
    assert (report.is_sound, report.size) == (True, written.size)


def test_before_there_is_a_ledger_there_is_no_export(tmp_path):
    ws = open_empty(tmp_path)
    app = open_app(ws)
    answer = Client(app).get("/api/v1/ledger/export")
    assert (answer.status, json.loads(answer.body)["type"]) == (404, "/api/v1/problems/not-found")
    app.close()
    ws.store.close()


def test_a_witness_far_away_cosigns_the_export_and_its_note_comes_back(world, tmp_path):
    ws, app, secrets = world
    ann, aud, dev = (Asker(app, secrets[name]) for name in ("ann", "aud", "dev"))
    (tmp_path / "ledger.zip").write_bytes(export(world).body)
    (tmp_path / "elsewhere").mkdir()
    elsewhere = open_empty(tmp_path / "elsewhere")
    seen = witness_export(elsewhere, path=tmp_path / "ledger.zip", memory=tmp_path / "seen.note", name="witness-b")
    elsewhere.store.close()
    status, problem = aud.post("/ledger/cosignatures", {"note": seen.note})
    assert (status, "none is proven to be of a witness that is registered" in problem["detail"]) == (422, True)
    added = ann.post("/witnesses", {"vkey": seen.vkey, "owner": "aud"})[1]
    assert dev.post("/ledger/cosignatures", {"note": seen.note})[0] == 403
    status, kept = aud.post("/ledger/cosignatures", {"note": seen.note})
    assert (status, kept) == (201, {"size": seen.size, "witnesses": [added["key_id"]]})
    assert aud.get(f"/ledger/checkpoint?size={seen.size}")[1]["note"] == seen.note
    forged = seen.note[:-10] + ("A" if seen.note[-10] != "A" else "B") + seen.note[-9:]
    assert aud.post("/ledger/cosignatures", {"note": forged})[0] in {400, 422}
    assert aud.post("/ledger/cosignatures", {"note": "no note"})[0] == 400
    with ws.store.begin(read_only=True) as tx:
        assert len(tx.checkpoints.find(seen.size).cosignatures) == 1


def test_entries_of_one_act_come_by_pages_that_do_not_move(world):
    ws, app, secrets = world
    aud = Asker(app, secrets["aud"])
    for number in range(5):
        change_person(ws, person="none", roles=[], reason=f"change {number}")
    wanted = [f"change {number}" for number in (4, 3, 2, 1, 0)]
    found, path = [], "/ledger/entries?act=change-person&limit=2"
    while path:
        page = aud.get(path)[1]
        found += page["items"]
        change_person(ws, person="none", roles=[], reason="in between")
        path = page["next_cursor"] and f"/ledger/entries?act=change-person&limit=2&cursor={page['next_cursor']}"
    assert [entry["reason"] for entry in found] == wanted


def test_of_many_entries_no_more_than_a_page_is_read(world, monkeypatch):
    ws, app, secrets = world
    aud, asked = Asker(app, secrets["aud"]), []
    with ws.store.begin(read_only=True) as tx:
        kind = type(tx.ledger)
    find = kind.find
    monkeypatch.setattr(kind, "find", lambda self, **given: asked.append(given["limit"]) or find(self, **given))
    aud.get("/ledger/entries?act=add-person&limit=3")
    assert asked == [4]
