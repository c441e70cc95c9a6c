"""An answer is kept while nobody commits, for the one who asked, and for no longer than they may ask."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi import Client, open_app
from incumbent.base.errors import Unavailable
from incumbent.server.kept import KEPT_MAX
from incumbent.server.routes import ROUTES
from incumbent.usecases.model_aliases import delete_alias, set_alias
from incumbent.usecases.registered_models import describe, set_word
from incumbent.usecases.rights import READ
from incumbent.usecases.tokens import new_token, revoke_token
from logins import MovedClock, as_person, open_people
from mlflow_registry import PREFIX, Registry

MODEL = "late"
ALIAS = f"{PREFIX}registered-models/alias?name={MODEL}&alias=candidate"


class CountedStore:
    """A store that counts its transactions, and is away at one of them."""

    def __init__(self, store) -> None:
        self._store = store
        self.begun = 0
        self.away_at = 0

    def begin(self, **given):
        self.begun += 1
        if self.begun == self.away_at:
            raise Unavailable("the store is away")
        return self._store.begin(**given)

    def __getattr__(self, name):
        return getattr(self._store, name)


@pytest.fixture(scope="module")
def clock():
    return MovedClock()


@pytest.fixture(scope="module")
def ws(tmp_path_factory, clock):
    """A model of two versions, whose alias points at the first."""
    ws = as_person(open_people(tmp_path_factory.mktemp("kept"), clock), "dev")
    registry = Registry(ws)
    registry.client.headers["authorization"] = f"Bearer {make_token(ws)}"
    run_id = registry.begin_run()
    registry.must("POST", "registered-models/create", name=MODEL)
    for _ in range(2):
        registry.must("POST", "model-versions/create", name=MODEL, source=f"mlflow-artifacts:/0/{run_id}/artifacts/model", run_id=run_id)
    registry.app.close()
    set_alias(ws, model=MODEL, alias="candidate", version=1)
    yield ws
    ws.store.close()


@pytest.fixture
def counted(ws):
    return replace(ws, store=CountedStore(ws.store))


@pytest.fixture
def app(counted):
    app = open_app(counted)
    yield app
    app.close()


def make_token(ws, person="dev", **more):
    return new_token(ws, person=person, name="for a test", **more).secret


def client(app, token):
    client = Client(app, {"authorization": f"Bearer {token}"})
    assert client.get("/v2").status == 200
    return client


def version_of(answer):
    assert answer.status == 200, answer.text
    return int(json.loads(answer.body)["model_version"]["version"])


def note_use(asking):
    """Ask, so that the token's use is noted: that is a commit."""
    asking.get(ALIAS)


def test_the_same_question_is_answered_without_the_store_until_somebody_commits(ws, counted, app) -> None:
    asking = client(app, make_token(ws))
    note_use(asking)
    first = asking.get(ALIAS)
    begun = counted.store.begun
    for _ in range(3):
        again = asking.get(ALIAS)
        assert (again.status, again.headers, again.body) == (first.status, first.headers, first.body)
    assert counted.store.begun == begun, "the store was read"
    set_alias(ws, model=MODEL, alias="candidate", version=2)
    assert (version_of(first), version_of(asking.get(ALIAS))) == (1, 2)
    assert counted.store.begun > begun
    set_alias(ws, model=MODEL, alias="candidate", version=1)
    assert version_of(asking.get(ALIAS)) == 1


def test_nobody_gets_what_was_kept_for_somebody_else(ws, app) -> None:
    asking = client(app, make_token(ws))
    note_use(asking)
    assert asking.get(ALIAS).status == 200
    assert client(app, "inc_" + "x" * 43).get(ALIAS).status == 401
    assert Client(app).get(ALIAS).status == 401
    assert Client(app, {**asking.headers, "host": "elsewhere.example"}).get(ALIAS).status in (400, 421)


def test_a_token_that_is_revoked_or_runs_out_is_refused_at_once(ws, app, clock) -> None:
    made = new_token(ws, person="dev", name="short", days=1)
    asking = client(app, made.secret)
    clock.at = made.token.expires_at - timedelta(seconds=1)
    note_use(asking)
    assert asking.get(ALIAS).status == 200
    clock.move(seconds=1)
    assert asking.get(ALIAS).status == 401, "kept beyond the token's end"
    other = new_token(ws, person="dev", name="revoked")
    asking = client(app, other.secret)
    note_use(asking)
    assert asking.get(ALIAS).status == 200
    revoke_token(ws, token=other.token.token_id)
    assert asking.get(ALIAS).status == 401


def test_the_use_of_a_token_is_noted_every_hour_also_where_answers_are_kept(ws, app, clock) -> None:
    made = new_token(ws, person="dev", name="noted")
    asking = client(app, made.secret)
    for _ in range(3):
        clock.move(hours=1)
        for _ in range(3):
            assert asking.get(ALIAS).status == 200
        with ws.store.begin(read_only=True) as tx:
            assert tx.tokens.find(made.token.secret_hash).used_at == clock.at


def test_refusals_and_requests_with_a_body_are_not_kept(ws, counted, app) -> None:
    asking = client(app, make_token(ws))
    note_use(asking)
    absent = f"{PREFIX}registered-models/get?name=absent"
    for path, more, status in ((absent, {}, 404), (ALIAS, {"body": b"{}"}, 200)):
        asking.get(path, **more)
        begun = counted.store.begun
        assert asking.get(path, **more).status == status
        assert counted.store.begun > begun


def test_that_the_store_was_away_is_not_kept(ws, counted, app) -> None:
    asking = client(app, make_token(ws))
    note_use(asking)
    counted.store.away_at = counted.store.begun + 2  # the first one asks who this is
    assert [asking.get("/api/v1/slots/none").status for _ in range(2)] == [503, 404]


def test_what_is_kept_has_a_limit(ws, app) -> None:
    asking = client(app, make_token(ws))
    note_use(asking)
    for number in range(KEPT_MAX + 5):
        asking.get(f"{ALIAS}&other={number}")
    assert len(app._kept._found) <= KEPT_MAX


def test_only_reading_is_steady() -> None:
    steady = [route for route in ROUTES if route.is_steady]
    assert {(route.method, route.right, route.body) for route in steady} == {("GET", READ, "whole")}
    assert {route.path for route in steady} >= {"/api/v1/slots/{slot}", PREFIX + "registered-models/alias"}


ACTS = {
    "point at 1": lambda ws: set_alias(ws, model=MODEL, alias="candidate", version=1),
    "point at 2": lambda ws: set_alias(ws, model=MODEL, alias="candidate", version=2),
    "take away": lambda ws: delete_alias(ws, model=MODEL, alias="candidate"),
    "describe": lambda ws: _write(ws, lambda tx: describe(ws, tx, MODEL, 1, f"at {ws.clock.now()}")),
    "tag": lambda ws: _write(ws, lambda tx: set_word(ws, tx, MODEL, 2, key="k", value=f"{ws.clock.now()}")),
}
ASKED = (ALIAS, f"{PREFIX}registered-models/get?name={MODEL}", f"{PREFIX}model-versions/get?name={MODEL}&version=1")


def _write(ws, work):
    with ws.store.begin() as tx:
        work(tx)


@settings(max_examples=25, deadline=None)
@given(history=st.lists(st.sampled_from([*ACTS, *ASKED]), max_size=12))
def test_after_any_history_the_answer_is_that_of_a_server_that_kept_nothing(ws, clock, history) -> None:
    token = make_token(ws)
    apps = [open_app(ws) for _ in range(2)]
    kept, fresh = (client(app, token) for app in apps)
    for step in history:
        clock.move(seconds=1)
        if step in ACTS:
            ACTS[step](ws)
            continue
        for _ in range(2):
            answer, wanted = kept.get(step), fresh.get(f"{step}&anew={clock.at.timestamp()}")
            assert (answer.status, answer.body) == (wanted.status, wanted.body)
    for app in apps:
        app.close()
