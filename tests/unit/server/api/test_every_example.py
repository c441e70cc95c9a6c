"""One story in which every operation of the API is asked for with the example of its document, and does what it is there for.

Only what is called otherwise in this installation is exchanged in an example: the model `credit` is `double` here. Every answer has the
status that the operation's line names, and is of its schema with no field beside.
"""

import base64
import json
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from asgi import Client, open_app
from described import check_answer
from incumbent.base.digest import digest_bytes
from incumbent.bootstrap.models import open_model_host
from incumbent.ledger.note import key_name
from incumbent.ledger.statement import assemble_envelope, statement_bytes
from incumbent.server.api import webhooks
from incumbent.server.api.shapes import RUN
from incumbent.server.api.table import OPERATIONS
from incumbent.usecases.bearer import form_secret
from incumbent.usecases.ledger_witness import witness_export
from incumbent.usecases.run_pipeline import run_pipeline
from incumbent.usecases.tokens import new_token
from incumbent.usecases.webhook_ports import Sent
from logins import open_empty, set_password
from office import MODEL, SLOT, as_actor, open_office, prepare, register_factor
from unit.server.api.test_keys import prove
from unit.server.api.test_run_records import PIPELINE

BY_NAME = {one.name: one for one in OPERATIONS}
EMPTY, PARTS = digest_bytes(b"", "blake3"), digest_bytes(b"in two parts", "blake3")
HERE = {"credit": MODEL, "credit/eu": SLOT}
BYTES = {"content-type": "application/octet-stream"}


class Story:
    """Asks by name of operation, with its example, as somebody; and remembers what was done."""

    def __init__(self, ws, people, host):
        self.people = people
        self.app = open_app(ws, host=host)
        self.done = set()
        self.names = dict(HERE)
        self.clients = {name: self.make_client(name) for name in people}

    def make_client(self, name):
        secret = new_token(as_actor(self.people["ada"], name), name="t", scope=["admin"]).secret
        return Client(self.app, {"authorization": f"Bearer {secret}"})

    def adapt(self, value):
        if isinstance(value, dict):
            return {name: self.adapt(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.adapt(one) for one in value]
        return self.names.get(value, value) if isinstance(value, str) else value

    def get(self, path):
        """Ask as whoever helps: `prove` reads who it is."""
        return 200, json.loads(self.clients["zoe"].get(f"/api/v1{path}").body)

    def do(self, name, who, query="", data=None, headers=None, client=None, changed=None, **path):
        one = BY_NAME[name]
        address = one.path
        for part in one.placeholders:
            address = address.replace(f"{{{part}}}", quote(str(path[part]), safe=""))
        body, more = data or b"", dict(headers or {})
        if one.body is not None:
            sent = self.adapt(one.sent) | (changed or {})
            body, more = json.dumps(sent).encode(), {"content-type": "application/json", **more}
        answer = (client or self.clients[who]).ask(one.method, f"/api/v1{address}{query}", body=body, headers=more, stay=lambda _: False)
        assert answer.status == one.status, (name, answer.status, answer.text[:600])
        self.done.add(name)
        if one.media_type != "application/json":
            return answer
        found = json.loads(answer.body)
        check_answer(one.method, address, answer.status, found)
        return found

    def do_signed(self, name, prepare_name, who, **given):
        """Have somebody sign on their own machine what the server says is to be signed, and send the example with that."""
        found = self.do(prepare_name, who, **given)
        public, payload = self.people[who].keys.find(who), base64.b64decode(found["payload"])
        envelope = assemble_envelope(payload, {key_name(public): self.people[who].keys.sign(public, statement_bytes(payload))})
        return self.do(name, who, **{**given, "changed": {**(given.get("changed") or {}), "envelope": envelope}})


@pytest.fixture
def story(tmp_path):
    (tmp_path / "bundles").mkdir()
    (tmp_path / "little.py").write_text(PIPELINE)
    ws = open_empty(tmp_path).named("ada")
    people = open_office(ws)
    first = prepare(people, tmp_path / "bundles")
    host = open_model_host(ws)
    told = Story(ws, people, host)
    told.names[RUN] = first.run_id
    yield told
    told.app.close()
    host.close()
    ws.store.close()


def log_a_run(story):
    run = story.do("begin_run", "ann")["run_id"]
    story.do("log_settings", "ann", run=run)
    story.do("log_points", "ann", run=run)
    assert story.do("list_points", "ben", run=run, metric="valid/auc")["items"][0]["value"] == 0.914
    story.do("find_missing_blobs", "ann")
    assert story.do("find_missing_blobs", "ann", changed={"digests": [PARTS]})["missing"] == [PARTS]
    story.do("put_blob", "ann", digest=EMPTY, headers=BYTES)
    assert story.do("get_blob", "ben", digest=EMPTY).body == b""
    for offset, complete, data in ((0, "?0", b"in two "), (7, "?1", b"parts")):
        headers = {**BYTES, "upload-offset": str(offset), "upload-complete": complete}
        part = story.do("append_upload", "ann", digest=PARTS, data=data, headers=headers)
        assert part["complete"] == (complete == "?1")
    other = digest_bytes(b"never sent whole", "blake3")
    story.do("append_upload", "ann", digest=other, data=b"never", headers={**BYTES, "upload-offset": "0", "upload-complete": "?0"})
    assert story.do("get_upload", "ann", digest=other)["offset"] == 5
    story.do("drop_upload", "ann", digest=other)
    artifact = {**BY_NAME["attach_artifact"].sent["artifact"], "size": 0}
    story.do("attach_artifact", "ann", run=run, changed={"artifact": artifact})
    story.do("end_run", "ann", run=run)
    story.do("note_run", "ann", run=run)
    assert story.do("get_run", "ben", run=run)["params"] == {"depth": 6, "rows": 12_000}
    assert story.do("list_runs", "ben", query="?query=params.depth+%3D+6")["items"][0]["run_id"] == run
    story.do("verify_seal", "ben", run=run)
    assert story.do("get_lineage_events", "ben", run=run)["events"]
    assert story.do("compare_runs", "ben", query=f"?runs={run},{story.names[RUN]}")["rows"]


def run_a_pipeline(story):
    made = run_pipeline(story.people["ann"], pipeline="little.py:pipeline").run_id
    assert len(story.do("list_stage_logs", "ben", run=made)["items"]) == 2
    [pipeline] = story.do("list_pipelines", "ben")["items"]
    story.do("plan_pipeline", "ben", pipeline=pipeline["pipeline"])
    assert story.do("why", "ben", pipeline=pipeline["pipeline"], stage="total")["made_by"] == made


def bring_to_production(story, bundles):
    of = {"model": MODEL, "version": 1}
    number = {"version": 1}
    story.do("examine", "rita", **of)
    evidence = story.do("evaluate", "rita", slot=SLOT, changed=number)["evidence"]
    assert story.do("check_promotion", "ben", slot=SLOT, query="?model=double&version=1")["is_ready"] is False
    story.do_signed("sign_off", "prepare_sign_off", "vera", slot=SLOT, changed={**number, "capacity": "validator"})
    story.do_signed("sign_off", "prepare_sign_off", "omar", slot=SLOT, changed=number)
    story.do("promote", "olga", slot=SLOT, changed=number)
    assert story.do("predict", "ann", slot=SLOT, changed={"rows": [{"x": 2.0, "who": "ann"}]})["rows"][0]["y"] == 3.0
    assert story.do("get_slot", "ben", slot=SLOT)["live"]["version"] == 1
    story.do("get_slot_today", "ben", slot=SLOT)
    better = register_factor(story.people["ann"], bundles, 2.0, slot=None).run_id
    second = story.do("register", "ann", model=MODEL, changed={"run": better})["version"]
    story.do("propose", "ann", slot="double/us", changed={"version": second})
    assert story.do("archive", "ann", slot="double/us", changed={"version": second})["status"] == "Archived"
    story.do("evaluate", "rita", slot=SLOT, changed={"version": second})
    for who, seat in (("vera", "validator"), ("omar", "approver")):
        story.do_signed("sign_off", "prepare_sign_off", who, slot=SLOT, changed={"version": second, "capacity": seat})
    return evidence, second


def read_what_is_on_record(story, evidence):
    of = {"model": MODEL, "version": 1}
    for name in ("list_version_evidence", "list_attestations", "list_examinations", "get_test_score", "get_version", "infer_schema"):
        assert story.do(name, "ben", **of), name
    for name in ("list_models", "list_versions", "list_slots", "list_model_tiers", "list_policies", "list_schemas", "list_holdouts"):
        assert story.do(name, "ben")["items"], name
    for name in ("list_findings", "list_people", "list_witnesses", "list_keys", "list_entries", "get_tiers", "get_me"):
        assert story.do(name, "ben"), name
    story.do("list_key_requests", "ada")
    story.do("list_tokens", "ben")
    story.do("list_accounts", "ada")
    assert story.do("list_slot_history", "ben", slot=SLOT)["items"]
    assert story.do("list_assessments", "ben", model=MODEL)["items"]
    assert story.do("get_evidence", "ben", evidence=evidence)["version"] == 1
    story.do("get_policy", "ben", model=MODEL)
    story.do("get_schema", "ben", model=MODEL)
    assert story.do("trace", "ben", subject="double@1")["nodes"]


def set_rules(story):
    story.do("set_schema", "rita", model=MODEL)
    story.do("set_policy", "rita", target="other")
    story.do("set_tiers", "omar")
    story.do("assess_tier", "omar", model="other")
    story.do("register_holdout", "rita", changed={"name": "frozen-2"})
    finding = story.do("open_finding", "rita")["finding_id"]
    story.do_signed("close_finding", "prepare_closing", "vera", finding=finding)
    story.do_signed("attest", "prepare_attestation", "vera", model=MODEL, version=1)
    story.do("set_alias", "ann", model=MODEL, alias="team-choice", changed={"version": 1})
    assert story.do("get_alias", "ben", model=MODEL, alias="team-choice")["version"] == 1
    assert story.do("list_aliases", "ben", model=MODEL)["items"]
    story.do("delete_alias", "ann", model=MODEL, alias="team-choice")
    story.do("tag_version", "ann", model=MODEL, version=1)


def know_people(story):
    story.do("add_person", "ada", changed={"person": "zoe"})
    story.do("change_person", "ada", person="zoe")
    story.people["zoe"] = as_actor(story.people["ada"], "zoe")
    story.clients["zoe"] = story.make_client("zoe")
    key = story.do("request_key", "zoe", changed=prove(story, Ed25519PrivateKey.generate(), "zoe"))["key_id"]
    story.do("bind_key", "ada", key=key)
    story.do("revoke_key", "ada", key=key)
    set_password(story.people["ada"], "ann")
    browser = Client(story.app)
    browser.log_in("ann")
    form = {"x-incumbent-form": form_secret(browser.headers["cookie"].partition("=")[2])}
    token = story.do("make_token", "ann", client=browser, headers=form)
    assert token["token"]
    story.do("revoke_token", "ann", client=browser, headers=form, token=token["id"])
    assert story.do("end_sessions", "ada", person="ann")["ended"] == 1


def read_the_ledger(story, folder):
    long = "what was thought of it, at length. " * 20
    seq = story.do("note_version", "ann", model=MODEL, version=1, changed={"text": long})["entry"]
    [commitment] = story.do("get_entry", "ben", seq=seq)["entry"]["payloads"].values()
    story.do("erase_text", "ada", commitment=commitment)
    story.do("prove_entry", "ben", seq=seq)
    note = story.do("get_checkpoint", "ben")["note"]
    (folder / "ledger.zip").write_bytes(story.do("export_ledger", "ben").body)
    (folder / "elsewhere").mkdir()
    elsewhere = open_empty(folder / "elsewhere")
    seen = witness_export(elsewhere, path=folder / "ledger.zip", memory=folder / "seen.note", name="witness-b")
    elsewhere.store.close()
    witness = story.do("add_witness", "ada", changed={"vkey": seen.vkey})["key_id"]
    assert story.do("keep_cosignatures", "ben", changed={"note": seen.note})["witnesses"] == [witness]
    story.do("revoke_witness", "ada", witness=witness)
    story.do("prove_continuation", "ben", query=f"?note={quote(note)}")
    assert story.do("verify_ledger", "ben")["is_sound"] is True
    assert story.do("reconcile_ledger", "ben")["differences"] == []


def tell_outside(story, monkeypatch):
    class Arrives:
        def post(self, url, headers, body, *, may_be_private, may_be_http):
            assert (url, may_be_private, may_be_http) == ("https://hooks.example.com/incumbent", False, False)
            return Sent(204)

    monkeypatch.setattr(webhooks, "open_carrier", Arrives)
    webhook = story.do("add_webhook", "ada")["id"]
    assert story.do("probe_webhook", "ada", webhook=webhook)["arrived"] is True
    story.do("resume_webhook", "ada", webhook=webhook)
    story.do("list_deliveries", "ada", webhook=webhook)
    assert len(story.do("list_webhooks", "ada")["items"]) == 1
    story.do("remove_webhook", "ada", webhook=webhook)
    assert story.do("watch_events", "ben").get("content-type").startswith("text/event-stream")


def test_every_operation_does_what_its_example_asks_for(story, tmp_path, monkeypatch):
    log_a_run(story)
    run_a_pipeline(story)
    evidence, second = bring_to_production(story, tmp_path / "bundles")
    story.do("promote", "olga", slot=SLOT, changed={"version": second})
    story.do("prepare_break_glass", "olga", slot=SLOT)
    assert story.do("roll_back", "olga", slot=SLOT)["version"] == 1
    know_people(story)
    set_rules(story)
    read_the_ledger(story, tmp_path)
    read_what_is_on_record(story, evidence)
    tell_outside(story, monkeypatch)
    story.do("get_problem", "ben", problem="not-found")
    story.do("get_openapi", "ben")
    assert story.done == set(BY_NAME), set(BY_NAME) - story.done
