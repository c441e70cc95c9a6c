"""Examinations, the ML Test Score and drafts of schemas over HTTP; and who can log in, which is an admin's to see."""

from datetime import timedelta

import pytest

from asgi import open_app
from incumbent.server.api import judging
from incumbent.usecases.account_ports import Session
from incumbent.usecases.tokens import new_token
from logins import open_empty, set_password
from office import as_actor, open_office, prepare
from unit.server.api.test_governed import Asker

VERSION = "/models/double/versions/1"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Version 1 has a policy and a holdout, and was judged by nobody."""
    folder = tmp_path_factory.mktemp("exams")
    (folder / "bundles").mkdir()
    ws = open_empty(folder).named("ada")
    people = open_office(ws)
    prepare(people, folder / "bundles")
    app = open_app(ws)
    yield {name: Asker(app, new_token(as_actor(ws, name), name="t", scope=["admin"]).secret) for name in people}, ws
    app.close()
    ws.store.close()


def entries(ws):
    with ws.store.begin(read_only=True) as tx:
        return tx.ledger.size()


def score_of(asker, point):
    found = asker.get(f"{VERSION}/test-score")[1]
    return next((one["score"], one["entries"]) for one in found["points"] if one["point"] == point)


def test_a_version_is_examined_and_what_was_found_is_in_the_ledger_and_earns_its_points(world):
    askers, _ = world
    assert score_of(askers["ben"], "model-6")[:2] == (0.0, [])
    status, made = askers["rita"].post(f"{VERSION}/examinations", {"tests": ["serves", "skew", "subgroups"], "groups": ["who"]})
    found = {one["test"]: one for one in made["results"]}
    assert (status, {name: one["outcome"] for name, one in found.items()}) == (
        201, {"serves": "passed", "skew": "not-applicable", "subgroups": "passed"},
    )  # fmt: skip
    assert "who" in found["subgroups"]["facts"], "the column that was asked for"
    entry = askers["ben"].get(f"/ledger/entries/{made['entry']}")[1]["entry"]
    assert (entry["act"], entry["actor"]["id"], entry["object"]["id"]) == ("evaluate", "rita", made["examination"])
    assert score_of(askers["ben"], "model-6") == (1.0, [made["entry"]])
    assert score_of(askers["ben"], "monitoring-3") == (0.0, [])
    whole = askers["ben"].get(f"{VERSION}/test-score")[1]
    assert (len(whole["points"]), whole["final"]) == (28, min(whole["sections"].values()))
    second = askers["rita"].post(f"{VERSION}/examinations", {"tests": ["serves"]})[1]
    pages = askers["ben"].get(f"{VERSION}/examinations?limit=1")[1]
    assert pages["items"] == [made]
    assert askers["ben"].get(f"{VERSION}/examinations?cursor={pages['next_cursor']}")[1] == {"items": [second], "next_cursor": None}


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"tests": ["reproducible"]}, 400, "testscore run double@1 --test reproducible"),
        ({"tests": ["serves", "reproducible"]}, 400, "does for nobody"),
        ({"tests": ["nothing"]}, 400, "there is no test 'nothing'"), ({"tests": []}, 400, "length >= 1"),
        ({"tests": ["serves", "serves"]}, 400, "named twice"), ({"tests": "serves"}, 400, "Expected `array | null`"),
        ({"scoring": {"label": "y_true"}}, 400, "missing required field `output`"), ({"holdout": "none"}, 404, "none"),
        ({"slot": "other/eu", "tests": ["rollback-drill"], "training": "none", "extra": 1}, 400, "unknown field"),
    ],
)  # fmt: skip
def test_what_cannot_be_examined_here_is_refused_and_nothing_is_recorded(world, body, status, says):
    askers, ws = world
    before = entries(ws)
    found = askers["rita"].post(f"{VERSION}/examinations", body)
    assert (found[0], says in found[1]["detail"]) == (status, True), found
    assert entries(ws) == before


def test_only_who_may_evaluate_examines_and_of_a_version_that_there_is(world):
    askers, _ = world
    assert askers["ben"].post(f"{VERSION}/examinations", {"tests": ["serves"]})[0] == 403
    for method, path in (("POST", "examinations"), ("GET", "examinations"), ("GET", "test-score"), ("GET", "inferred-schema")):
        body = {"tests": ["serves"]} if method == "POST" else None
        assert askers["rita"].ask(method, f"/models/double/versions/9/{path}", body)[0] == 404, path
    for days in ("0", "36601", "x", "1" * 30):
        assert askers["ben"].get(f"{VERSION}/test-score?valid_days={days}")[0] == 400


def test_more_than_a_server_judges_at_once_are_told_to_come_back(world):
    askers, ws = world
    with judging.judging(ws), judging.judging(ws):
        for path, body in (
            (f"{VERSION}/examinations", {"tests": ["serves"]}),
            ("/slots/double%2Feu/evaluations", {"model": "double", "version": 1}),
        ):
            status, problem = askers["rita"].post(path, body)
            assert (status, "try again later" in problem["detail"]) == (503, True)
    assert askers["rita"].post(f"{VERSION}/examinations", {"tests": ["serves"]})[0] == 201


def test_a_draft_of_a_schema_can_be_set_as_it_is_and_is_not_recorded_before(world):
    askers, ws = world
    before = entries(ws)
    status, draft = askers["ben"].get(f"{VERSION}/inferred-schema")
    assert (status, draft["form"], entries(ws)) == (200, "yaml", before)
    assert askers["ben"].get(f"{VERSION}/inferred-schema?form=json")[1]["text"].startswith("{")
    set_ = askers["rita"].ask("PUT", "/models/double/schema", {"text": draft["text"], "reason": "the draft"})
    assert (set_[0], sorted(set_[1]["schema"]["columns"])) == (200, ["who", "x", "y_true"])
    assert askers["ben"].get(f"{VERSION}/inferred-schema?training=nothing")[0] == 404
    assert askers["ben"].get(f"{VERSION}/inferred-schema?form=xml")[0] == 400


def test_who_can_log_in_is_listed_for_an_admin_who_can_log_them_out(world):
    askers, ws = world
    set_password(ws, "vera")
    now = ws.clock.now()
    with ws.store.begin() as tx:
        for place in range(2):
            tx.sessions.add(Session(f"{place:064d}", "vera", now, now, now + timedelta(hours=1)))
    found = {one["person"]: one for one in askers["ada"].get("/accounts")[1]["items"]}
    assert (found["vera"]["password_set_at"] is None, found["vera"]["good_tokens"]) == (False, 1)
    assert (found["otto"]["password_set_at"], found["otto"]["roles"], found["otto"]["is_active"]) == (None, ["developer"], True)
    for other in ("vera", "ben", "olga"):
        assert askers[other].get("/accounts")[0] == 403
        assert askers[other].ask("DELETE", "/people/vera/sessions")[0] == 403
    assert askers["ada"].ask("DELETE", "/people/vera/sessions") == (200, {"person": "vera", "ended": 2})
    assert askers["ada"].ask("DELETE", "/people/nobody/sessions")[0] == 404
    newest = askers["ada"].get("/ledger/entries?act=end-sessions")[1]["items"]
    assert [(one["actor"]["id"], one["object"]["id"]) for one in newest] == [("ada", "vera")]
