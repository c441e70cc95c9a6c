"""The governed path over HTTP, by people with tokens: what each may do, what the rules refuse, and what has to be signed elsewhere."""

import json

import pytest

from asgi import Client, open_app
from described import check_answer
from incumbent.bootstrap.models import open_model_host
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.tokens import new_token
from logins import open_empty
from office import MODEL, POLICY, SLOT, as_actor, open_office, prepare, register_factor, sign_all

IN_SLOT = "/slots/double%2Feu"


class Asker:
    """Somebody with a token. Every answer is held against the schema that the document gives for it, with no field beside."""

    def __init__(self, app, secret):
        self.app = app
        self._client = Client(app, {"authorization": f"Bearer {secret}", "content-type": "application/json"})

    def ask(self, method, path, body=None, **headers):
        sent = b"" if body is None else json.dumps(body).encode()
        answer = self._client.ask(method, f"/api/v1{path}", body=sent, headers=headers)
        found = json.loads(answer.body)
        check_answer(method, path, answer.status, found)
        return answer.status, found

    def get(self, path):
        return self.ask("GET", path)

    def post(self, path, body=None, **headers):
        return self.ask("POST", path, body, **headers)


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """An installation where version 1 is evaluated and signed for, and the people who may go on."""
    folder = tmp_path_factory.mktemp("governed")
    ws = open_empty(folder).named("ada")
    people = open_office(ws)
    bundles = folder / "bundles"
    bundles.mkdir()
    prepare(people, bundles)
    host = open_model_host(ws)
    evaluate(people["rita"], host, model=MODEL, slot=SLOT, version=1)
    host.close()
    sign_all(people, 1)
    second = register_factor(people["ann"], bundles, 2.0, slot=None)
    app = open_app(ws)
    askers = {name: Asker(app, new_token(as_actor(ws, name), name="t", scope=["admin"]).secret) for name in people}
    yield askers, people, second
    app.close()
    ws.store.close()


def test_a_version_goes_live_over_http_and_back_and_each_step_is_in_the_ledger(office):
    askers, people, second = office
    status, found = askers["ben"].get(f"{IN_SLOT}/readiness?model=double&version=1")
    assert (status, found["is_ready"], found["problems"]) == (200, True, [])
    move = {"model": MODEL, "version": 1, "reason": "the first"}
    status, problem = askers["ann"].post(f"{IN_SLOT}/promotions", move)
    assert (status, problem["type"]) == (403, "/api/v1/problems/forbidden")
    status, done = askers["olga"].post(f"{IN_SLOT}/promotions", move)
    assert (status, done["superseded"], done["rests_on"]["tier-name"]) == (201, None, "2")
    status, slot = askers["ben"].get(IN_SLOT)
    assert (slot["live"]["version"], slot["live"]["entry"], slot["live"]["actor"]) == (1, done["entry"], "olga")
    status, entry = askers["ben"].get(f"/ledger/entries/{done['entry']}")
    assert (entry["entry"]["act"], entry["entry"]["actor"]["id"], entry["entry"]["reason"]) == ("promote", "olga", "the first")
    status, proposed = askers["ann"].post(f"{IN_SLOT}/proposals", {"model": MODEL, "version": second.version})
    assert (status, proposed["status"], proposed["slot"]) == (201, "Staging", SLOT)
    status, problem = askers["olga"].post(f"{IN_SLOT}/promotions", {**move, "version": second.version})
    assert (status, problem["type"]) == (422, "/api/v1/problems/refused")
    assert "evidence" in problem["detail"]
    status, evidence = askers["rita"].post(f"{IN_SLOT}/evaluations", {"model": MODEL, "version": second.version})
    assert (status, evidence["verdict"]["outcome"], evidence["champion"]) == (201, "passed", "double@1")
    sign_all(people, second.version)
    assert (
        askers["olga"].post(f"{IN_SLOT}/promotions", {**move, "version": second.version, "reason": "better"})[1]["superseded"] == "double@1"
    )
    history = askers["ben"].get(f"{IN_SLOT}/history?limit=3")[1]
    assert [one["status"] for one in history["items"]] == ["Production", "Archived", "Staging"]
    assert askers["ben"].get(f"/models/double/versions/{second.version}")[1]["slots"][0]["status"] == "Production"
    status, back = askers["olga"].post(f"{IN_SLOT}/roll-backs", {"reason": "it was slow", "break_glass": True})
    assert (status, back["type"]) == (422, "/api/v1/problems/refused")
    assert "person's own key" in back["detail"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{IN_SLOT}/sign-offs", {"model": MODEL, "version": 1, "capacity": "validator"}),
        ("/models/double/versions/1/attestations", {"point": "data-1", "reason": "by hand"}),
    ],
)
def test_what_is_signed_with_a_persons_own_key_is_refused_with_where_to_do_it(office, path, body):
    found = office[0]["vera"].post(path, body)
    assert found[0] == 422
    assert "Sign where the key is" in found[1]["detail"]


def test_the_other_nouns_are_read_and_written_as_the_document_says(office):
    askers, _, _ = office
    for path in (
        "/slots", "/models", "/versions", "/versions?model=double", "/models/double/versions/1/evidence", "/policies", "/tiers",
        "/models/double/policy", "/models/double/policy?slot=double%2Feu", "/model-tiers", "/models/double/assessments", "/schemas",
        "/holdouts", "/findings", "/findings?open=true&subject=double", "/people", "/tokens", "/witnesses", "/ledger/entries",
        "/ledger/entries?act=promote", "/ledger/entries/0/proof", "/ledger/checkpoint", "/ledger/verification", "/ledger/reconciliation",
        "/pipelines", "/models/double/versions/1/attestations", "/trace/double@1", "/runs", "/slots/double%2Feu/history",
    ):  # fmt: skip
        assert askers["ben"].get(path)[0] == 200, path
    assert askers["ben"].get("/ledger/verification")[1]["is_sound"] is True
    assert askers["ben"].get("/tokens?everybodys=true")[0] == 422
    made = askers["vera"].post("/findings", {"subject": MODEL, "title": "no test on young applicants", "severity": "high"})
    assert (made[0], made[1]["opened_by"], made[1]["blocks_promotion"]) == (201, "vera", False)
    note = askers["ann"].post("/models/double/versions/1/notes", {"text": "of November"})
    assert (note[0], note[1]["actor"]) == (201, "ann")
    assert askers["ann"].post("/models/double/versions/1/tags", {"name": "team", "value": "risk"})[0] == 201
    assert askers["ann"].get("/models/double/versions/1")[1]["tags"] == {"team": "risk"}
    added = askers["ada"].post("/people", {"person": "zoe", "name": "Zoe", "roles": ["developer"]})
    assert (added[0], added[1]["roles"]) == (201, ["developer"])
    changed = askers["ada"].ask("PATCH", "/people/zoe", {"group": "risk", "reason": "moved"})
    assert (changed[0], changed[1]["group"], changed[1]["roles"]) == (200, "risk", ["developer"])
    assert askers["ann"].ask("PATCH", "/people/zoe", {"group": "x"})[0] == 403
    set_ = askers["rita"].ask("PUT", "/policies/double", {"text": POLICY.replace("0.05", "0.06"), "reason": "a wider margin"})
    assert (set_[0], set_[1]["target"], set_[1]["policy"]["primary"]["margin"]) == (200, "double", 0.06)
    assert (
        askers["omar"].post("/models/other/assessments", {"exposure": "low", "purpose": "low", "inherent": "low", "reason": "r"})[1]["tier"]
        == 4
    )
    assert askers["ann"].post("/tokens", {"name": "wider", "scope": ["admin"]})[0] == 403
    assert askers["ann"].post("/models/double/versions", {"run": "run-nothing-here"})[0] == 404
    assert askers["olga"].post(f"{IN_SLOT}/archivals", {"model": MODEL, "version": 9, "reason": "r"})[0] == 404


def test_a_token_does_no_act_that_its_scope_leaves_out_though_the_address_has_a_wider_right(office):
    """`register` with a slot proposes, a roll-back may break the glass, an archival may reject or retire, a seat signs in three ways."""
    askers, people, second = office
    app = askers["ann"].app

    def asker(name, *scope):
        return Asker(app, new_token(people[name], name="narrow", scope=scope).secret)

    fresh = {"run": second.run_id, "slot": "double/us"}
    us, sign = "/slots/double%2Fus", {"model": MODEL, "version": 1}
    made = askers["ann"].post("/models/double/versions", fresh)[1]
    move = {"model": MODEL, "version": made["version"], "reason": "r"}
    for name, scope, path, body, act in (
        ("ann", "register", "/models/double/versions", fresh, "propose"),
        ("ann", "govern", f"{us}/archivals", move, "reject"),
        ("olga", "govern", f"{us}/archivals", {**move, "version": second.version}, "archive"),
        ("olga", "roll-back", f"{us}/roll-backs", {"reason": "r", "break_glass": True}, "break-glass"),
        ("vera", "govern", f"{us}/sign-offs", {**sign, "capacity": "validator"}, "validate"),
        ("omar", "govern", f"{us}/sign-offs/statement", {**sign, "capacity": "approver"}, "approve"),
        ("omar", "approve", f"{us}/sign-offs", {**sign, "capacity": "approver"}, "govern"),
    ):
        size = askers["ben"].get("/ledger/entries?limit=1")[1]["items"][0]["seq"]
        status, problem = asker(name, scope).post(path, body)
        assert (status, problem["type"]) == (403, "/api/v1/problems/forbidden"), (path, problem)
        assert f"leaves out {act}" in problem["detail"]
        assert askers["ben"].get("/ledger/entries?limit=1")[1]["items"][0]["seq"] == size + 1, "the token's own entry, and no other"
    status, problem = asker("omar", "govern", "approve").post(
        f"{us}/sign-offs", {**sign, "capacity": "approver", "meaning": "accepted-risk"}
    )
    assert (status, "leaves out accept-risk" in problem["detail"]) == (403, True)
    assert asker("ann", "register").post("/models/double/versions", {"run": second.run_id})[0] == 201
    assert asker("ann", "govern", "reject").post(f"{us}/archivals", move)[1]["status"] == "Archived"
