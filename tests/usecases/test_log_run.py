import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from incumbent.base.errors import Corrupt, InvalidInput, NotFound, Refused
from incumbent.base.metric import MetricPoint
from incumbent.tracking.record import Settings
from incumbent.usecases import log_run
from incumbent.usecases.run_records import record_settings
from tracked import open_tracked

AT = datetime(2013, 1, 1, tzinfo=UTC)


@pytest.fixture
def ws(tmp_path):
    workspace = open_tracked(tmp_path)
    yield workspace
    workspace.store.close()


def start(ws, **settings):
    return log_run.start_run(ws, began=log_run.describe_run(ws, experiment="credit", **settings))


def points(*values, name="loss"):
    return [MetricPoint(name, value, step, AT + timedelta(seconds=step)) for step, value in enumerate(values)]


def sealed(ws, **settings):
    run = start(ws, **settings)
    log_run.log_points(ws, run_id=run.run_id, points=points(0.5, 0.25), writer="w", first=0)
    return log_run.seal_run(ws, run=run, state="finished")


def test_a_run_is_found_as_it_was_described(ws):
    run = start(ws, name="first", seed=7, params={"lr": 0.1}, tags={"team": "risk"}, facts={"script": "train.py"})
    details = log_run.get_run(ws, run_id=run.run_id[:10])
    assert details.run == run
    assert (run.state, run.manifest, run.code.commit, run.tags["actor"]) == ("running", None, "c" * 40, "ann")
    assert details.environment == {"host": "test", "distributions": {"numpy": "2.3"}}


def test_the_same_points_sent_again_are_stored_once(ws):
    run = start(ws)
    for batch in (points(3, 2, 1), points(3, 2, 1), points(3, 2, 1)[1:]):
        log_run.log_points(ws, run_id=run.run_id, points=batch, writer="w", first=3 - len(batch))
    assert log_run.get_points(ws, run_id=run.run_id) == {"loss": points(3, 2, 1)}


def test_a_sealed_run_refuses_every_later_write_and_takes_notes(ws):
    run = sealed(ws)
    with pytest.raises(Refused, match="sealed"):
        log_run.log_points(ws, run_id=run.run_id, points=points(9), writer="w", first=2)
    with pytest.raises(Refused, match="takes notes only"):
        log_run.seal_run(ws, run=run, state="failed")
    with ws.store.begin() as tx, pytest.raises(Refused, match="takes notes only"):
        record_settings(tx, run.run_id, Settings(params={"lr": 1}))
    note = log_run.add_note(ws, run_id=run.run_id, text="the one we showed")
    assert log_run.get_run(ws, run_id=run.run_id).notes == [note]
    assert log_run.verify_seal(ws, run_id=run.run_id) == run.manifest


SEALED_WRITES = [
    "UPDATE runs SET name = 'other'",
    "UPDATE runs SET manifest = NULL",
    "DELETE FROM runs",
    "UPDATE params SET value = '2'",
    "INSERT INTO params SELECT run_no, 'new', value, text, number FROM params",
    "DELETE FROM params",
    "UPDATE tags SET value = 'x'",
    "DELETE FROM tags",
    "UPDATE metric_points SET value = 1.0",
    "INSERT INTO metric_points SELECT writer_no, 99, series_no, 99, at, value FROM metric_points LIMIT 1",
    "DELETE FROM metric_points",
    "UPDATE metric_series SET last_value = 0.99",
    "UPDATE run_notes SET body = 'other'",
    "DELETE FROM run_notes",
]


@pytest.mark.parametrize("statement", SEALED_WRITES)
def test_the_database_itself_refuses_to_change_a_sealed_run(ws, tmp_path, statement):
    run = sealed(ws, params={"lr": 0.1})
    log_run.add_note(ws, run_id=run.run_id, text="first")
    ws.store.close()
    raw = sqlite3.connect(tmp_path / "incumbent.db")
    with pytest.raises(sqlite3.IntegrityError, match="sealed|never changed"):
        raw.execute(statement)
    raw.close()


def test_a_change_behind_the_triggers_back_breaks_the_seal(ws, tmp_path):
    run = sealed(ws, params={"lr": 0.1})
    raw = sqlite3.connect(tmp_path / "incumbent.db")
    for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        raw.execute(f"DROP TRIGGER {name}")
    for statement, part in (
        ("UPDATE metric_points SET value = 0.125 WHERE seq = 1", "metrics"),
        ("UPDATE params SET value = '0.2'", "params"),
    ):
        raw.execute(statement)
        raw.commit()
        with pytest.raises(Corrupt, match=f"{part} changed since"):
            log_run.verify_seal(ws, run_id=run.run_id)
    raw.close()


def test_sealing_keeps_what_others_logged_meanwhile(ws):
    run = start(ws, params={"lr": 0.1})
    with ws.store.begin() as tx:
        conflicts = record_settings(tx, run.run_id, Settings({"lr": 0.2, "depth": 6}, {"team": "risk"}))
    assert conflicts == [f"param 'lr' of {run.run_id} stays 0.1: 0.2 came later, and a param is set once"]
    final = log_run.seal_run(ws, run=run, state="failed", error="ValueError: no", ended_at=AT)
    assert (final.params, final.tags["team"], final.facts["error"], final.ended_at) == (
        {"lr": 0.1, "depth": 6},
        "risk",
        "ValueError: no",
        AT,
    )
    assert log_run.get_run(ws, run_id=run.run_id).run == final


def test_a_run_that_still_runs_has_no_seal_to_verify(ws):
    with pytest.raises(Refused, match="running and not sealed"):
        log_run.verify_seal(ws, run_id=start(ws).run_id)


def test_search_goes_by_last_metric_and_typed_param(ws):
    auc = {}
    for depth, values in ((6, (0.95, 0.91)), (6, (0.5, 0.93)), (4, (0.99,)), (6, (0.2, 0.1))):
        run = start(ws, params={"depth": depth})
        log_run.log_points(ws, run_id=run.run_id, points=points(*values, name="auc"), writer="w", first=0)
        auc[run.run_id] = values[-1]
    found = log_run.search_runs(ws, query="metrics.auc > 0.9 and params.depth = 6 order by metrics.auc desc")
    assert [auc[run.run_id] for run in found] == [0.93, 0.91]
    assert [auc[run.run_id] for run in log_run.search_runs(ws, query="not metrics.auc > 0.15", limit=5)] == [0.1]
    assert len(log_run.search_runs(ws, limit=2, offset=3)) == 1
    with pytest.raises(InvalidInput, match="is no attribute"):
        log_run.search_runs(ws, query="auc > 1")
    with pytest.raises(InvalidInput, match="at least one run"):
        log_run.search_runs(ws, limit=0)


def test_compare_shows_what_differs_and_names_a_missing_run(ws):
    one, other = sealed(ws, params={"lr": 0.1}), sealed(ws, params={"lr": 0.2})
    comparison = log_run.compare(ws, run_ids=[one.run_id, other.run_id])
    assert [(row.section, row.name, row.values) for row in comparison.differences] == [("params", "lr", (0.1, 0.2))]
    with pytest.raises(NotFound, match="runs ls"):
        log_run.compare(ws, run_ids=[one.run_id, "run-0000000"])


def test_a_child_names_its_parent_and_an_unknown_parent_is_not_found(ws):
    parent = start(ws)
    assert log_run.search_runs(ws, query=f"parent_id = '{parent.run_id}'") == []
    child = start(ws, parent_id=parent.run_id)
    assert log_run.search_runs(ws, query=f"parent_id = '{parent.run_id}'") == [child]
    with pytest.raises(NotFound):
        start(ws, parent_id="run-nowhere")


@pytest.mark.parametrize("text", ["", "  \n", "x" * 20_000])
def test_a_note_says_something_and_not_too_much(ws, text):
    run = start(ws)
    with pytest.raises(InvalidInput):
        log_run.add_note(ws, run_id=run.run_id, text=text)
