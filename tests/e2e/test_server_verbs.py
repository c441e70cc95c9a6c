"""The verbs of the Python API on a server's workspace: a real process, and what a workspace at hand gives."""

import os

import pytest
from served import ServerProcess

import incumbent as inc
from bundles import write_bundle
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.archive import archive
from incumbent.usecases.evidence import get_evidence
from incumbent.usecases.live import get_live, list_history
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.log_run import search_runs
from incumbent.usecases.promote import promote
from incumbent.usecases.register import register
from incumbent.usecases.roll_back import roll_back
from incumbent.usecases.tokens import new_token
from incumbent.usecases.trace import trace
from office import MODEL, PEOPLE, SLOT, as_actor, make_evaluated, make_rows, sign_all


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """A server where version 1 is live and a second one has been trained, and everybody's token."""
    folder = tmp_path_factory.mktemp("office")
    make_evaluated(folder)
    ws = open_workspace(read_settings(folder / "project", {"INCUMBENT_KEYS": str(folder / "keys")}))
    people = {name: as_actor(ws, name) for name in PEOPLE}
    sign_all(people, 1)
    promote(people["olga"], model=MODEL, slot=SLOT, version=1, reason="the first")
    with begin_run(people["ann"], experiment="double") as run:
        run.log_artifact(write_bundle(folder / "bundles" / "second", factor=2.0), "model")
        run.log_artifact(make_rows(10_000), "training")
    tokens = {name: new_token(person, name="t", scope=["admin"]).secret for name, person in people.items()}
    server = ServerProcess(folder / "project", {"INCUMBENT_KEYS": str(folder / "keys")}).start()
    yield server.url, tokens, people, run.id
    server.kill()
    ws.store.close()


@pytest.fixture
def become(office, tmp_path, monkeypatch):
    """Have what follows be somebody's, in an empty folder from which the server is known."""
    url, tokens, _, _ = office
    (tmp_path / ".incumbent").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("INCUMBENT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INCUMBENT_URL", url)
    return lambda name: monkeypatch.setenv("INCUMBENT_TOKEN", tokens[name])


def test_a_version_goes_its_way_over_http_and_every_verb_gives_what_it_gives_at_home(office, become):
    _, _, people, run = office
    ws = people["ann"]
    become("ann")
    second = inc.register(model=MODEL, run=run)
    with ws.store.begin(read_only=True) as tx:
        assert second == tx.registry.get_version(MODEL, 2)
    assert min(len(second.facts), second.seq) > 0, "what the API would leave out could not be told from what is not there"
    placed = inc.propose(model=MODEL, version=2, slot=SLOT)
    assert placed == list_history(ws, SLOT)[0]
    assert (placed.status, placed.actor) == ("Staging", "ann")
    become("rita")
    evidence = inc.evaluate(model=MODEL, version=2, slot=SLOT)
    assert evidence == get_evidence(ws, evidence.evidence_id)
    assert evidence.verdict.outcome == "passed"
    sign_all(people, 2)
    before = get_live(ws, SLOT)
    become("olga")
    done = inc.promote(model=MODEL, slot=SLOT, version=2, reason="better")
    become("ben")
    shown = inc.live(slot=SLOT)
    assert shown == get_live(ws, SLOT)
    assert (done.placement, done.version, done.basis, done.superseded) == (shown.live, shown.version, shown.basis, before.live)
    assert (shown.version, shown.roll_back_to, len(shown.basis.approvals)) == (second, (MODEL, 1), 2)
    assert inc.trace(f"{MODEL}@2") == trace(ws, f"{MODEL}@2")
    become("olga")
    back = inc.roll_back(slot=SLOT, reason="errors doubled")
    now = get_live(ws, SLOT)
    assert (back.placement, back.version, back.finding) == (now.live, now.version, "")
    assert (back.left, back.left.version) == (shown.live, 2)
    left = inc.archive(model=MODEL, version=1, slot=SLOT, reason="it is not needed")
    assert left == list_history(ws, SLOT)[0]
    assert inc.live(slot=SLOT) == get_live(ws, SLOT)


def test_what_is_refused_at_home_is_refused_over_http_in_the_same_words(office, become):
    _, _, people, run = office
    for name, far, home, kind in (
        ("ann", lambda: inc.live(slot="nowhere"), lambda ws: get_live(ws, "nowhere"), inc.NotFound),
        ("ann", lambda: inc.trace("nothing"), lambda ws: trace(ws, "nothing"), inc.NotFound),
        (
            "ann", lambda: inc.register(model=MODEL, run=run, artifact="x"),
            lambda ws: register(ws, model=MODEL, run=run, artifact="x"), inc.NotFound,
        ),
        (
            "olga", lambda: inc.roll_back(slot="empty/eu", reason="x", to=(MODEL, 1)),
            lambda ws: roll_back(ws, slot="empty/eu", reason="x", to=(MODEL, 1)), inc.NotFound,
        ),
        (
            "olga", lambda: inc.archive(model=MODEL, version=1, slot=SLOT, reason="x"),
            lambda ws: archive(ws, model=MODEL, version=1, slot=SLOT, reason="x"), inc.Refused,
        ),
        ("ann", lambda: inc.search_runs("a ="), lambda ws: search_runs(ws, query="a ="), inc.InvalidInput),
    ):  # fmt: skip
        become(name)
        with pytest.raises(kind) as at_home:
            home(people[name])
        with pytest.raises(kind) as told:
            far()
        assert (type(told.value), str(told.value)) == (type(at_home.value), str(at_home.value))
    become("ben")
    with pytest.raises(inc.Refused, match="ben: register"):
        inc.register(model=MODEL, run=run)
