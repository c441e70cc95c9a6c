"""Every list of the API, page by page while something is added to it: what was there is on its pages once, in the list's own order."""

import json
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from asgi import Client, open_app
from incumbent.base.digest import digest_bytes
from incumbent.base.metric import MetricPoint
from incumbent.bootstrap.models import open_model_host
from incumbent.gates.examined import TestResult
from incumbent.server.api.table import OPERATIONS
from incumbent.storage.sql_registry import SqlRegistry
from incumbent.tracking.run import StageRun
from incumbent.usecases.archive import archive
from incumbent.usecases.attest import attest
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.examine import find_subject, record_test_results
from incumbent.usecases.findings import open_finding
from incumbent.usecases.holdouts import register_holdout
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.model_aliases import set_alias
from incumbent.usecases.people import add_person
from incumbent.usecases.person_keys import bind_key, new_key
from incumbent.usecases.policies import set_policy
from incumbent.usecases.propose import propose
from incumbent.usecases.recording import check_acting, governed, record_act
from incumbent.usecases.register import register
from incumbent.usecases.schemas import set_schema
from incumbent.usecases.tiers import assess_tier
from incumbent.usecases.tokens import new_token
from incumbent.usecases.webhook_ports import Delivery
from incumbent.usecases.webhooks import add_webhook
from incumbent.usecases.witnesses import add_witness
from logins import MovedClock, open_empty
from office import MODEL, POLICY, SLOT, as_actor, open_office, prepare
from usecases.test_witnesses import Key

VERSION = "/models/double/versions/1"
LOW = {"exposure": "low", "purpose": "low", "inherent": "low", "reason": "r"}


def add_model(world, n, slot=None):
    return register(world.people["ann"], model=f"m{n}", run=world.run, artifact="model", slot=slot)


def add_placement(world, n):
    """A proposal, and its rejection: two placements of one slot."""
    add_model(world, n, "busy")
    archive(world.people["ann"], model=f"m{n}", version=1, slot="busy", reason="r")


def add_evidence(world, n):
    """The evidence of the one evaluation, recorded again under its own id: it is the list that is tried, and no gate."""
    rita = world.people["rita"]
    with governed(rita) as tx:
        first = tx.records.list_all("evidence")[0]
        body = {**first.body, "evidence": f"evidence-{n}"}
        record_act(rita, tx, act="evaluate", kind="evidence", object_id=f"evidence-{n}", body=body)


def add_examination(world, n):
    rita = world.people["rita"]
    with rita.store.begin(read_only=True) as tx:
        version = tx.registry.get_version(MODEL, 1)
    with governed(rita) as tx:
        found = [TestResult("serves", "infrastructure", "passed", f"number {n}")]
        subject = find_subject(rita, version)
        record_test_results(rita, tx, acting=check_acting(rita, tx, "evaluate"), subject=subject, results=found, at=rita.clock.now())


def add_point(world, n):
    with world.ws.store.begin() as tx:
        tx.metrics.append(world.open_run, [MetricPoint("loss", float(n), n, world.ws.clock.now())], writer="w", first=next(world.points))


def add_log(world, n):
    with world.ws.store.begin() as tx:
        tx.runs.record_stage(world.open_run, StageRun(f"stage{n}", None, "ran", None, log=digest_bytes(b"%d" % n)))


def add_pipeline_run(world, n):
    with begin_run(world.people["ann"], experiment="e") as run:
        pass
    with world.ws.store.begin() as tx:
        tx.runs.create(replace(tx.runs.get(run.id), run_id=f"run-of-pipeline-{n}", pipeline=f"p{n}.py:pipeline"))


def add_somebody(world, n, *, asks=False, has_key=False):
    add_person(world.ws, person=f"p{n}", name=f"P {n}", roles=["developer"])
    if asks or has_key:
        new_key(as_actor(world.ws, f"p{n}"), person=f"p{n}")
    if has_key:
        bind_key(world.ws, key=f"p{n}")


def add_delivery(world, n):
    with world.ws.store.begin() as tx:
        tx.webhooks.record(Delivery(world.webhook, n, n, "slot.changed", world.ws.clock.now(), 204, ""), keep=200)


def add_schema(world, n):
    add_model(world, n)
    set_schema(world.people["rita"], model=f"m{n}", text="columns:\n  x: {dtype: float64}\n")


LISTS = {
    "list_slots": ("/slots", ["slot"], lambda w, n: propose(w.people["ann"], model=MODEL, version=1, slot=f"s{n}")),
    "list_slot_history": ("/slots/busy/history", ["entry"], add_placement),
    "list_models": ("/models", ["model"], add_model),
    "list_versions": ("/versions", ["model", "version"], add_model),
    "list_version_evidence": (f"{VERSION}/evidence", ["evidence"], add_evidence),
    "list_aliases": ("/models/double/aliases", ["alias"], lambda w, n: set_alias(w.people["ann"], model=MODEL, alias=f"a{n}", version=1)),
    "list_examinations": (f"{VERSION}/examinations", ["examination"], add_examination),
    "list_runs": ("/runs", ["run_id"], lambda w, n: begin_run(w.people["ann"], experiment="e").finish()),
    "list_points": ("/runs/{open_run}/metrics/loss", ["step"], add_point),
    "list_stage_logs": ("/runs/{open_run}/logs", ["stage"], add_log),
    "list_pipelines": ("/pipelines", ["pipeline"], add_pipeline_run),
    "list_policies": ("/policies", ["target"], lambda w, n: set_policy(w.people["rita"], target=f"m{n}", text=POLICY)),
    "list_model_tiers": ("/model-tiers", ["model"], lambda w, n: assess_tier(w.people["omar"], model=f"m{n}", **LOW)),
    "list_assessments": ("/models/double/assessments", ["entry"], lambda w, n: assess_tier(w.people["omar"], model=MODEL, **LOW)),
    "list_schemas": ("/schemas", ["model"], add_schema),
    "list_holdouts": (
        "/holdouts", ["name"], lambda w, n: register_holdout(w.people["rita"], name=f"h{n}", run=w.run, artifact="holdout"),
    ),
    "list_findings": ("/findings", ["finding_id"], lambda w, n: open_finding(w.people["vera"], subject=MODEL, title=f"number {n}")),
    "list_attestations": (
        f"{VERSION}/attestations", ["attestation"],
        lambda w, n: attest(w.people["vera"], model=MODEL, version=1, point="data-6", reason=f"number {n}"),
    ),
    "list_people": ("/people", ["person_id"], add_somebody),
    "list_tokens": ("/tokens", ["id"], lambda w, n: new_token(w.ws, name=f"t{n}")),
    "list_witnesses": ("/witnesses", ["key_id"], lambda w, n: add_witness(w.ws, vkey=Key(f"w{n}", n % 256).vkey, owner="ben")),
    "list_accounts": ("/accounts", ["person"], add_somebody),
    "list_keys": ("/keys", ["key_id"], lambda w, n: add_somebody(w, n, has_key=True)),
    "list_key_requests": ("/key-requests", ["key_id"], lambda w, n: add_somebody(w, n, asks=True)),
    "list_entries": ("/ledger/entries", ["seq"], add_model),
    "list_webhooks": ("/webhooks", ["id"], lambda w, n: add_webhook(w.ws, url=f"https://hooks.example.com/{n}")),
    "list_deliveries": ("/webhooks/{webhook}/deliveries", ["number"], add_delivery),
}  # fmt: skip
"""Operation -> its address, what an item is known by, and what adds one more."""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("every-list")
    (folder / "bundles").mkdir()
    clock = MovedClock()
    ws = open_empty(folder, clock).named("ada")
    people = open_office(ws)
    run = prepare(people, folder / "bundles").run_id
    host = open_model_host(ws)
    evaluate(people["rita"], host, model=MODEL, slot=SLOT, version=1)
    host.close()
    app = open_app(ws)
    token = new_token(ws, name="t", scope=["admin"]).secret
    webhook = add_webhook(ws, url="https://hooks.example.com/0").webhook.webhook_id
    client = Client(app, {"authorization": f"Bearer {token}"})
    with begin_run(people["ann"], experiment="open") as open_run:
        yield SimpleNamespace(
            ws=ws, people=people, run=run, open_run=open_run.id, webhook=webhook, client=client, clock=clock,
            numbers=count(1), points=count(),
        )  # fmt: skip
    app.close()
    ws.store.close()


def get(world, path):
    answer = world.client.get(path)
    assert answer.status == 200, answer.text
    link = (answer.get("link") or "").removeprefix("<").partition(">")[0]
    return json.loads(answer.body)["items"], link


def key_of(item, fields):
    """What an item is known by; an attestation is one field, which has its own id."""
    return tuple(item[name][name] if isinstance(item[name], dict) else item[name] for name in fields)


def test_every_list_is_walked_here():
    assert set(LISTS) == {one.name for one in OPERATIONS if one.is_paged}


@pytest.mark.parametrize("path", ["/models", "/versions", "/versions?model=double", "/slots/double%2Feu/history", "/model-tiers"])
def test_what_may_be_long_is_not_read_whole_for_one_page(world, monkeypatch, path):
    def read_whole(_self, *given, **named):
        assert named.get("name"), "a version's own placements are few; everything else is read by pages"
        return of_one(_self, *given, **named)

    of_one = SqlRegistry.list_placements
    monkeypatch.setattr(SqlRegistry, "list_placements", read_whole)
    monkeypatch.setattr(SqlRegistry, "list_versions", lambda *_given, **_named: pytest.fail("all versions were read"))
    answer = world.client.get(f"/api/v1{path}")
    assert (answer.status, len(json.loads(answer.body)["items"]) > 0) == (200, True)


@pytest.mark.parametrize("name", LISTS)
def test_what_was_there_is_on_the_pages_once_and_in_order_whatever_is_added_meanwhile(world, name):
    address, fields, add = LISTS[name]
    path = "/api/v1" + address.replace("{open_run}", world.open_run).replace("{webhook}", world.webhook)

    def add_one():
        world.clock.move(seconds=1)
        add(world, next(world.numbers))

    for _ in range(3):
        add_one()
    for size in (1, 2):
        whole, link = get(world, f"{path}?limit=500")
        assert (len(whole) >= 3, link) == (True, "")
        before = [key_of(item, fields) for item in whole]
        found, link, additions = [], f"{path}?limit={size}", 3
        while link:
            items, link = get(world, link)
            assert 1 <= len(items) <= size
            found += [key_of(item, fields) for item in items]
            assert len(set(found)) == len(found), "an item is on two pages"
            if link and additions:
                add_one()
                additions -= 1
        assert [one for one in found if one in set(before)] == before, "one is missing, or out of order"
        assert additions < 3, "nothing was added between pages"
