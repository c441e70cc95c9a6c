"""Aliases over HTTP: a word is anybody's who works here; what says what is live is moved by promoting alone."""

import pytest

from asgi import open_app
from incumbent.bootstrap.models import open_model_host
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.tokens import new_token
from logins import open_empty
from office import MODEL, SLOT, as_actor, go_live, open_office, prepare, register_factor, sign_all
from unit.server.api.test_governed import Asker

ALIASES = "/models/double/aliases"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Version 1 is live in double/eu, and version 2 is ready to be promoted."""
    folder = tmp_path_factory.mktemp("aliases")
    (folder / "bundles").mkdir()
    ws = open_empty(folder).named("ada")
    people = open_office(ws)
    prepare(people, folder / "bundles")
    host = open_model_host(ws)
    go_live(people, host, 1)
    register_factor(people["ann"], folder / "bundles", 2.0)
    evaluate(people["rita"], host, model=MODEL, slot=SLOT, version=2)
    sign_all(people, 2)
    host.close()
    app = open_app(ws)

    def asker(name, *scope):
        return Asker(app, new_token(as_actor(ws, name), name="t", scope=scope or ["write"]).secret)

    yield asker, people["ada"]
    app.close()
    ws.store.close()


def entries(ws, act):
    with ws.store.begin(read_only=True) as tx:
        return [(one.draft.actor.actor_id, one.draft.before, one.draft.after) for one in tx.ledger.find(act=act)][::-1]


def test_a_word_is_pointed_read_and_taken_away_and_each_move_is_an_entry(world):
    asker, ws = world
    ann, ben = asker("ann"), asker("ben")
    assert ann.ask("PUT", f"{ALIASES}/best_1", {"version": 1}) == (200, {"alias": "best_1", "version": 1, "slot": None})
    assert ann.ask("PUT", f"{ALIASES}/best_1", {"version": 2})[0] == 200
    assert ben.get(f"{ALIASES}/best_1") == (200, {"alias": "best_1", "version": 2, "slot": None})
    listed = ben.get(f"{ALIASES}?limit=1")[1]
    assert listed["items"] == [{"alias": "best_1", "version": 2, "slot": None}]
    rest = ben.get(f"{ALIASES}?limit=1&cursor={listed['next_cursor']}")[1]
    assert (rest["items"], rest["next_cursor"]) == ([{"alias": "eu", "version": 1, "slot": SLOT}], None)
    assert ann.ask("DELETE", f"{ALIASES}/best_1") == (200, {"alias": "best_1"})
    assert ann.ask("DELETE", f"{ALIASES}/best_1")[0] == 200
    assert ben.get(f"{ALIASES}/best_1")[0] == 404
    assert entries(ws, "set-alias") == [("ann", "", "double@1"), ("ann", "double@1", "double@2"), ("ann", "double@2", "")]
    assert ben.ask("PUT", f"{ALIASES}/best_1", {"version": 1})[0] == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/models/none/aliases", None, 404), ("GET", f"{ALIASES}/none", None, 404), ("GET", "/models/none/aliases/eu", None, 404),
        ("PUT", f"{ALIASES}/x", {"version": 99}, 404), ("PUT", f"{ALIASES}/x", {"version": 0}, 400),
        ("PUT", f"{ALIASES}/x", {"version": "1"}, 400), ("PUT", f"{ALIASES}/latest", {"version": 1}, 400),
        ("PUT", f"{ALIASES}/v3", {"version": 1}, 400), ("PUT", f"{ALIASES}/a%2Fb", {"version": 1}, 400),
        ("DELETE", f"{ALIASES}/a%2Fb", None, 400), ("PUT", f"{ALIASES}/x", {"version": 1, "slot": "double/eu"}, 400),
    ],
)  # fmt: skip
def test_what_is_not_there_or_not_legal_is_refused_and_no_entry_is_made(world, method, path, body, status):
    asker, ws = world
    before = entries(ws, "set-alias")
    assert asker("ann").ask(method, path, body)[0] == status
    assert entries(ws, "set-alias") == before


def test_what_says_what_is_live_is_moved_by_a_promotion_and_by_nobody_else(world):
    asker, ws = world
    status, problem = asker("ann").ask("PUT", f"{ALIASES}/eu", {"version": 2})
    assert (status, problem["type"]) == (422, "/api/v1/problems/refused")
    assert "promote is for the role operator" in problem["detail"]
    status, problem = asker("olga", "govern", "set-alias").ask("PUT", f"{ALIASES}/eu", {"version": 2})
    assert (status, problem["type"]) == (403, "/api/v1/problems/forbidden")
    assert "leaves out promote" in problem["detail"]
    assert asker("ben").get(f"{ALIASES}/EU")[1] == {"alias": "EU", "version": 1, "slot": SLOT}
    assert asker("olga").ask("PUT", f"{ALIASES}/eu", {"version": 2}) == (200, {"alias": "eu", "version": 2, "slot": SLOT})
    assert entries(ws, "promote")[-1][0] == "olga"
    status, problem = asker("olga").ask("DELETE", f"{ALIASES}/eu")
    assert status == 422
    assert "goes when that version is retired" in problem["detail"]
    assert asker("ann", "govern").ask("PUT", f"{ALIASES}/best_2", {"version": 2})[0] == 403
