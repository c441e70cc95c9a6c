import os
import threading
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime

import numpy as np
import pytest

from incumbent.base.errors import InvalidInput, NotFound, Refused, Unavailable
from incumbent.usecases import log_run
from incumbent.usecases.drain_spools import drain_spools
from incumbent.usecases.live_run import begin_run, join_run
from tracked import open_tracked


@pytest.fixture(params=["sqlite", "postgresql"])
def ws(request, tmp_path):
    workspace = open_tracked(tmp_path, url=request.getfixturevalue("postgres_url") if request.param == "postgresql" else "")
    yield workspace
    workspace.store.close()


class AwayStore:
    """A store behind a network that can be cut."""

    def __init__(self, store):
        self._store = store
        self.is_away = False

    @contextmanager
    def begin(self, **options):
        if self.is_away:
            raise Unavailable("the database cannot be reached")
        with self._store.begin(**options) as tx:
            yield tx

    def check(self):
        return self._store.check()

    def close(self):
        self._store.close()


def values(ws, run, name="loss"):
    return [point.value for point in log_run.get_points(ws, run_id=run.id)[name]]


def spool_files(ws):
    return sorted(os.listdir(ws.folder / "spool"))


def test_what_a_run_logs_is_stored_and_sealed_at_the_end_of_its_block(ws, tmp_path):
    (tmp_path / "plot.png").write_bytes(b"png")
    with begin_run(ws, experiment="credit", name="first", seed=7, params={"lr": np.float64(0.1)}, tags={"team": "risk"}) as run:
        run.log_params({"depth": 6})
        run.log_metric("loss", 0.5)
        run.log_metric("loss", np.float32(0.25))
        run.log_metric("loss", 0.125, step=10)
        run.log_metric("loss", 0.0625)
        run.log_metrics({"auc": 0.9, "n": 3}, step=10, at=datetime(2013, 1, 1, tzinfo=UTC))
        run.set_tags({"team": "credit", "n": 1})
        plot = run.log_artifact(tmp_path / "plot.png", "plots/roc.png")
        run.log_artifact(b"weights", name="model.bin")
        run.log_input(plot, name="again.png")
        run.note("a good one")
    details = log_run.get_run(ws, run_id=run.id)
    assert (details.run.state, details.run.params, details.run.seed) == ("finished", {"lr": 0.1, "depth": 6}, 7)
    assert details.run.tags == {"actor": "ann", "team": "credit", "n": "1"}
    points = log_run.get_points(ws, run_id=run.id)
    assert [(point.step, point.value) for point in points["loss"]] == [(0, 0.5), (1, 0.25), (10, 0.125), (11, 0.0625)]
    assert points["n"][0].at == datetime(2013, 1, 1, tzinfo=UTC)
    assert [(one.direction, one.name, one.media_type) for one in details.artifacts] == [
        ("input", "again.png", "image/png"), ("output", "model.bin", "application/octet-stream"), ("output", "plots/roc.png", "image/png"),
    ]  # fmt: skip
    assert ws.blobs.get(plot.digest) == b"png"
    assert [note.text for note in details.notes] == ["a good one"]
    assert log_run.verify_seal(ws, run_id=run.id) == details.run.manifest
    assert spool_files(ws) == []


def test_flush_brings_into_the_store_what_was_logged_before_it(ws):
    with begin_run(ws) as run:
        for value in range(100):
            run.log_metric("loss", value)
        run.flush()
        assert values(ws, run) == list(range(100))
        assert log_run.get_run(ws, run_id=run.id).run.state == "running"


def test_a_block_that_raises_ends_its_run_as_failed_with_the_error(ws):
    with pytest.raises(ValueError, match="diverged"), begin_run(ws) as run:
        raise ValueError("loss diverged")
    stored = log_run.get_run(ws, run_id=run.id).run
    assert (stored.state, stored.facts["error"]) == ("failed", "ValueError: loss diverged")


@pytest.mark.parametrize(("raised", "state"), [(KeyboardInterrupt(), "killed"), (SystemExit(0), "finished"), (SystemExit(3), "failed")])
def test_leaving_by_keyboard_or_exit_says_so(ws, raised, state):
    with pytest.raises(type(raised)), begin_run(ws) as run:
        raise raised
    assert log_run.get_run(ws, run_id=run.id).run.state == state


def test_children_are_nested_and_sealed_on_their_own(ws):
    with begin_run(ws, experiment="credit") as run, run.child(name="fold 1", params={"fold": 1}) as child:
        child.log_metric("auc", 0.9)
    stored = log_run.get_run(ws, run_id=child.id).run
    assert (stored.parent_id, stored.experiment, stored.params, stored.state) == (run.id, "credit", {"fold": 1}, "finished")
    with pytest.raises(NotFound):
        begin_run(ws, parent="run-unknown")


class SoundStoreOfAnotherRelease(AwayStore):
    """A store that answers, but not with what was hoped for."""

    @contextmanager
    def begin(self, **options):
        raise InvalidInput("written by a newer version of Incumbent")
        yield


def test_a_run_that_cannot_begin_leaves_nothing_behind(tmp_path):
    base = open_tracked(tmp_path)
    ws = open_tracked(tmp_path, store=SoundStoreOfAnotherRelease(base.store))
    ended = []
    with pytest.raises(InvalidInput, match="newer version"):
        begin_run(ws, on_end=lambda: ended.append(True))
    assert ended == [True]
    assert spool_files(ws) == []
    base.store.close()


def test_nothing_is_logged_to_a_run_that_is_over(ws):
    run = begin_run(ws)
    run.finish()
    run.finish()
    for log in (lambda: run.log_metric("loss", 1), lambda: run.log_param("lr", 1), lambda: run.set_tag("a", 1), lambda: run.note("x")):
        with pytest.raises(Refused, match="has ended"):
            log()


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (lambda run: run.log_metric("", 1), "1 to 250 printable"),
        (lambda run: run.log_metric("loss", "0.5"), "text belongs in a tag"),
        (lambda run: run.log_metric("loss", object()), "is a number, not object"),
        (lambda run: run.log_metric("loss", 10**400), "is a number"),
        (lambda run: run.log_metric("loss", 1, step=0.5), "a step is a whole number"),
        (lambda run: run.log_metric("loss", 1, step=2**63), "a step is a whole number"),
        (lambda run: run.log_metric("loss", 1, at=datetime(2013, 1, 1, tzinfo=UTC).replace(tzinfo=None)), "aware datetime"),
        (lambda run: run.log_param("p", "x" * 20_000), "log it as an artifact"),
        (lambda run: run.set_tag("t", "\0"), "NUL"),
        (lambda run: run.log_artifact(b"x"), "needs a name"),
        (lambda run: run.log_artifact(b"x", "../x"), "relative path"),
        (lambda run: run.log_artifact(object(), "x"), "no codec takes"),
        (lambda run: run.note(" "), "says nothing"),
        (lambda run: run.finish("running"), "ends as finished, failed or killed"),
    ],
)
def test_bad_input_is_told_at_the_call_and_costs_nothing_else(ws, log, words):
    with begin_run(ws) as run:
        run.log_metric("loss", 1)
        with pytest.raises(InvalidInput, match=words):
            log(run)
        run.log_metric("loss", 2)
    assert values(ws, run) == [1, 2]


def test_a_missing_file_is_not_found(ws):
    with begin_run(ws) as run, pytest.raises(NotFound, match="no such file"):
        run.log_artifact("nowhere.png")


def test_a_param_is_set_once_and_an_artifact_keeps_its_name(ws):
    with begin_run(ws, params={"lr": 0.1}) as run:
        run.log_param("lr", 0.1)
        with pytest.raises(Refused, match="a param is set once"):
            run.log_params({"depth": 6, "lr": 0.2})
        run.log_artifact(b"1", "m")
        run.log_artifact(b"1", "m")
        with pytest.raises(Refused, match="a name of its own"):
            run.log_artifact(b"2", "m")
    details = log_run.get_run(ws, run_id=run.id)
    assert (details.run.params, len(details.artifacts)) == ({"lr": 0.1}, 1)


def test_threads_lose_no_point_and_double_none(ws):
    with begin_run(ws) as run:
        threads = [threading.Thread(target=lambda name=name: [run.log_metric(name, value) for value in range(500)]) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {name: [point.value for point in points] for name, points in log_run.get_points(ws, run_id=run.id).items()} == {
        name: list(range(500)) for name in "abcd"
    }


def test_a_whole_run_outlives_a_store_that_is_away_from_its_first_to_its_last_call(tmp_path):
    base = open_tracked(tmp_path)
    store = AwayStore(base.store)
    ws = open_tracked(tmp_path, store=store)
    store.is_away = True
    with pytest.warns(RuntimeWarning, match="kept in its spool and stored later"):
        run = begin_run(ws, experiment="credit", params={"lr": 0.1})
    run.log_metric("loss", 0.5)
    run.log_artifact(b"weights", "model.bin")
    with pytest.raises(Unavailable, match="cannot be reached"):
        run.flush()
    with pytest.warns(RuntimeWarning, match="kept in its spool and stored later"):
        run.finish("failed", "out of luck")
    with pytest.raises(Unavailable):
        drain_spools(ws)
    store.is_away = False
    done = drain_spools(ws)
    assert [(one.run_id, one.state, one.facts["error"], one.params) for one in done.sealed] == [
        (run.id, "failed", "out of luck", {"lr": 0.1})
    ]
    assert done.losses == []
    assert values(ws, run) == [0.5]
    assert log_run.verify_seal(ws, run_id=run.id)
    assert spool_files(ws) == []
    assert drain_spools(ws).sealed == []
    store.close()


def test_a_run_that_another_process_joined_has_two_writers_and_one_end(ws):
    with begin_run(ws) as run:
        with join_run(ws, run_id=run.id) as joined:
            joined.log_metric("loss", 2)
            run.log_metric("loss", 1)
        joined.finish()
        assert log_run.get_run(ws, run_id=run.id).run.state == "running"
    assert sorted(values(ws, run)) == [1, 2]
    with pytest.raises(Refused, match="takes notes only"):
        join_run(ws, run_id=run.id)


def test_a_writer_that_still_logs_when_the_run_is_sealed_is_told_so(ws):
    run = begin_run(ws)
    joined = join_run(ws, run_id=run.id)
    joined.log_metric("loss", 1)
    run.finish()
    with pytest.raises(Refused, match="sealed by another process"):
        joined.log_metric("loss", 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        joined.finish()
    assert values(ws, run) == [1]


def test_many_segments_come_into_the_store_whole_and_are_dropped_on_the_way(tmp_path):
    ws = open_tracked(tmp_path, segment_bytes=1_000)
    with begin_run(ws) as run:
        for value in range(500):
            run.log_metric("loss", value)
        run.flush()
        assert len(spool_files(ws)) == 1
        run.log_metric("loss", 500)
    assert values(ws, run) == list(range(501))
    ws.store.close()


def test_records_that_a_sealed_run_cannot_take_are_set_aside_and_told(ws):
    run = begin_run(ws)
    late = ws.spools.open(run.id, is_owner=False)
    run.finish()
    # As if another host had logged: its file comes here after the run was sealed.
    writer = ws.spools.open(run.id, is_owner=False)
    with begin_run(ws) as other:
        other.log_metric("loss", 7)
        other.flush()
        [spool] = ws.spools.find(other.id)
        for _, payload in spool.read(0).records[1:]:
            writer.append(payload)
    writer.close()
    late.close()
    [loss] = drain_spools(ws).losses
    assert "is kept in" in loss
    assert [name.endswith(".refused") for name in spool_files(ws)] == [True]
    assert drain_spools(ws).losses == []


def test_a_spool_left_over_after_its_run_was_sealed_is_recognised_as_stored(ws):
    run = begin_run(ws)
    run.log_metric("loss", 1)
    run.flush()
    [spool] = ws.spools.find(run.id)
    left = (ws.folder / "spool" / spool.name).read_bytes()
    run.finish()
    (ws.folder / "spool" / spool.name).write_bytes(left)  # as if the process had died between sealing and removing it
    assert drain_spools(ws).losses == []
    assert spool_files(ws) == []


def test_damage_in_a_spool_is_written_on_the_run_as_a_note(ws):
    run = begin_run(ws)
    for value in range(3):
        run.log_metric("loss", value)
    [spool] = ws.spools.find(run.id)
    path = ws.folder / "spool" / spool.name
    data = bytearray(path.read_bytes())
    data[-60] ^= 1  # inside the second point
    path.write_bytes(data)
    run.finish()
    assert values(ws, run) == [0, 2]
    [note] = log_run.get_run(ws, run_id=run.id).notes
    assert note.actor == "incumbent"
    assert "are no record" in note.text
