"""What every metadata store does with runs, and with those that are sealed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.store_values import NOW, artifact, digest, make_prediction, make_run, make_version, seal
from incumbent.base.errors import Conflict, InvalidInput, NotFound, Refused
from incumbent.base.metric import MetricPoint
from incumbent.registry.model import Placement
from incumbent.tracking.run import Note, RunArtifact, StageRun
from incumbent.usecases.ports import Store
from ledgers import MemoryKeys, add, begin, place


class RunsContract:
    """Every rule of the ports `Runs` and `RunIndex`, but for searching; and of sealing."""

    def test_a_run_comes_back_as_it_was_created_and_updated(self, store: Store) -> None:
        run = make_run()
        changed = replace(run, name="renamed", state="failed", experiment="other", params={"x": 1}, tags={}, seed=None, facts={})
        with store.begin() as tx:
            tx.runs.create(run)
            assert tx.runs.get(run.run_id) == run
            tx.runs.update(changed)
            assert tx.runs.get(run.run_id) == changed
            child = make_run("run-child", parent_id=run.run_id)
            tx.runs.create(child)
            assert tx.runs.get("run-child").parent_id == run.run_id
            assert dict(tx.index.list_experiments()) == {"flights": 1, "other": 1}

    def test_creating_twice_or_under_nobody_is_an_error_that_says_so(self, store: Store) -> None:
        with store.begin() as tx:
            tx.runs.create(make_run())
            with pytest.raises(Conflict, match="run-aaaaaaaa exists already"):
                tx.runs.create(make_run())
            with pytest.raises(NotFound, match="parent run-nobody"):
                tx.runs.create(make_run("run-b", parent_id="run-nobody"))
            with pytest.raises(NotFound, match="no run 'run-none'"):
                tx.runs.update(make_run("run-none"))

    def test_a_run_is_found_by_a_unique_prefix_of_six_characters(self, store: Store) -> None:
        with store.begin() as tx:
            for name in ("run-aaaa1", "run-aaaa2", "run-bbbb%"):
                tx.runs.create(make_run(name))
            assert tx.runs.get("run-bb").run_id == "run-bbbb%"
            assert tx.runs.get("run-aaaa1").run_id == "run-aaaa1"
            with pytest.raises(InvalidInput, match="ambiguous: run-aaaa1, run-aaaa2"):
                tx.runs.get("run-aa")
            for missing in ("run-b", "run-%%%", "run-cccc", ""):
                with pytest.raises(NotFound):
                    tx.runs.get(missing)

    def test_stage_runs_come_back_in_the_order_in_which_they_ended(self, store: Store) -> None:
        first = StageRun(
            "b",
            None,
            "ran",
            digest("k"),
            {"x": artifact("in", "tree", "data")},
            {"y": artifact("out")},
            digest("log"),
            1.5,
            1.0,
            9,
            "first",
        )
        second = StageRun("a", 1, "hit", digest("k2"), {}, {"y": artifact("out"), "z": artifact("out")})
        third = StageRun("a", 0, "failed", digest("k3"), {"x": artifact("in")}, why="it broke")
        skipped = StageRun("c", None, "skipped", None)
        with store.begin() as tx:
            tx.runs.create(make_run())
            for stage_run in (first, second, third, skipped):
                tx.runs.record_stage("run-aaaaaaaa", stage_run)
            assert tx.runs.list_stages("run-aaaaaaaa") == [first, second, third, skipped]
            again = replace(first, state="hit", outputs={"y": artifact("new")})
            tx.runs.record_stage("run-aaaaaaaa", again)
            assert tx.runs.list_stages("run-aaaaaaaa") == [second, third, skipped, again]
            assert tx.index.find_makers(digest("out")) == [("run-aaaaaaaa", second)]
            assert tx.index.find_makers(digest("new")) == [("run-aaaaaaaa", again)]
            assert tx.index.find_takers(digest("in")) == [("run-aaaaaaaa", third), ("run-aaaaaaaa", again)]
            assert tx.index.find_makers(digest("in")) == []
            assert tx.runs.list_stages("run-none") == []

    def test_artifacts_of_a_run_are_kept_by_direction_and_name(self, store: Store) -> None:
        rows = [
            RunArtifact("run-aaaaaaaa", "input", "raw", artifact("raw", "file", "flights.csv")),
            RunArtifact("run-aaaaaaaa", "output", "plot", artifact("plot"), "image/png"),
            RunArtifact("run-aaaaaaaa", "output", "raw", artifact("raw2")),
        ]
        with store.begin() as tx:
            tx.runs.create(make_run())
            tx.runs.record_artifacts(rows)
            tx.runs.record_artifacts([])
            assert tx.runs.list_artifacts("run-aaaaaaaa") == rows
            tx.runs.record_artifacts([replace(rows[1], artifact=artifact("plot two"))])
            assert tx.runs.list_artifacts("run-aaaaaaaa")[1].artifact == artifact("plot two")

    def test_whoever_gave_a_digest_is_found_oldest_first_whether_a_stage_gave_it_or_the_run(self, store: Store) -> None:
        stage = StageRun("b", None, "ran", digest("k"), {"x": artifact("raw")}, {"y": artifact("model")}, None, 1.0, 1.0, 1, "new")
        with store.begin() as tx:
            for name in ("run-zzzzzz", "run-aaaaaa", "run-mmmmmm"):
                tx.runs.create(make_run(name))
            tx.runs.record_artifacts([RunArtifact("run-aaaaaa", "output", "m", artifact("model"))])
            tx.runs.record_artifacts([RunArtifact("run-aaaaaa", "input", "m", artifact("raw"))])
            tx.runs.record_stage("run-zzzzzz", stage)
            tx.runs.record_stage("run-zzzzzz", replace(stage, stage="c"))
            wanted = [artifact("model").digest, artifact("raw").digest, artifact("model").digest]
            assert tx.index.find_givers(wanted) == {artifact("model").digest: ["run-zzzzzz", "run-aaaaaa"]}
            assert tx.index.find_givers([]) == {}

    def test_the_latest_finished_run_of_a_pipeline_is_the_newest_by_its_start(self, store: Store) -> None:
        with store.begin() as tx:
            assert tx.index.find_latest("flights") is None
            for n, state in enumerate(["finished", "finished", "failed", "running"]):
                tx.runs.create(make_run(f"run-{n}", state=state, started_at=NOW + timedelta(seconds=n)))
            tx.runs.create(make_run("run-other", pipeline="other", state="finished", started_at=NOW + timedelta(days=1)))
            latest = tx.index.find_latest("flights")
            assert latest is not None
            assert latest.run_id == "run-1"

    # sealing

    def test_a_sealed_run_stands_still_and_takes_notes(self, store: Store) -> None:
        stage_run = StageRun("a", None, "ran", digest("k"))
        with store.begin() as tx:
            tx.runs.create(make_run())
            tx.runs.record_stage("run-aaaaaaaa", stage_run)
            tx.metrics.append("run-aaaaaaaa", [MetricPoint("auc", 0.9, 0, NOW)], writer="w", first=0)
            sealed = seal(tx, make_run(params={"late": 1}))
        for write in (
            lambda tx: tx.runs.update(replace(sealed, name="new")),
            lambda tx: tx.runs.record_stage("run-aaaaaaaa", stage_run),
            lambda tx: tx.runs.record_artifacts([RunArtifact("run-aaaaaaaa", "output", "x", artifact("x"))]),
            lambda tx: tx.metrics.append("run-aaaaaaaa", [MetricPoint("auc", 1.0, 1, NOW)], writer="w", first=1),
            lambda tx: tx.metrics.append("run-aaaaaaaa", [], writer="w", first=0),
        ):
            with pytest.raises(Refused, match="run run-aaaaaaaa is sealed"), store.begin() as tx:
                write(tx)
        notes = [Note("run-aaaaaaaa", NOW, "me", "looked at it"), Note("run-aaaaaaaa", NOW - timedelta(1), "you", "ü\n")]
        with store.begin() as tx:
            for note in notes:
                tx.index.add_note(note)
            assert tx.index.list_notes("run-aaaaaaaa") == notes
            assert tx.runs.get("run-aaaaaaaa") == sealed
            assert tx.runs.list_stages("run-aaaaaaaa") == [stage_run]
            with pytest.raises(NotFound):
                tx.index.add_note(Note("run-none", NOW, "me", "x"))

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE runs SET name = 'x'",
            "UPDATE runs SET manifest = NULL",
            "DELETE FROM runs",
            "UPDATE params SET text = 'x'",
            "DELETE FROM params",
            "INSERT INTO params (run_no, name, value, text) VALUES (1, 'new', '1', '1')",
            "DELETE FROM tags",
            "INSERT INTO tags (run_no, name, value) VALUES (1, 'new', '1')",
            "UPDATE tags SET value = 'x'",
            "DELETE FROM stage_runs",
            "UPDATE stage_runs SET why = 'x'",
            "DELETE FROM stage_artifacts",
            "DELETE FROM run_artifacts",
            "UPDATE run_artifacts SET digest = 'x'",
            "DELETE FROM metric_points",
            "UPDATE metric_points SET value = 1",
            "INSERT INTO metric_points (writer_no, seq, series_no, step, at, value) VALUES (1, 99, 1, 0, 0, 0.5)",
            "UPDATE metric_series SET last_value = 1",
            "DELETE FROM metric_series",
            "INSERT INTO metric_writers (run_no, writer) VALUES (1, 'late')",
            "DELETE FROM metric_writers",
            "UPDATE run_notes SET body = 'x'",
            "DELETE FROM run_notes",
            "UPDATE model_versions SET run_id = 'x'",
            "DELETE FROM model_versions",
            "DELETE FROM predictions",
            "UPDATE predictions SET output = '1'",
            "DELETE FROM placements",
            "UPDATE placements SET reason = 'changed'",
            "UPDATE placements SET version = 1, model = 'm', slot = 'other'",
        ],
    )
    def test_the_database_itself_refuses_what_the_rules_forbid(self, store: Store, keys: MemoryKeys, statement: str) -> None:
        with store.begin() as tx:
            begin(tx, keys)
            tx.runs.create(make_run())
            tx.runs.record_stage("run-aaaaaaaa", StageRun("a", None, "ran", digest("k"), {}, {"y": artifact("out")}))
            tx.runs.record_artifacts([RunArtifact("run-aaaaaaaa", "output", "x", artifact("x"))])
            tx.metrics.append("run-aaaaaaaa", [MetricPoint("auc", 0.9, 0, NOW)], writer="w", first=0)
            seal(tx, make_run())
            tx.index.add_note(Note("run-aaaaaaaa", NOW, "me", "x"))
            add(tx, make_version())
            place(tx, Placement("s", "m", 1, "Production", NOW, "me", "x"))
            tx.predictions.append([make_prediction()])
        with pytest.raises(Refused), store._database.begin(durable=True, read_only=False) as session:  # type: ignore[attr-defined]
            session.run(statement)
