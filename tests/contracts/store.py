"""What every metadata store does. A subclass says which one, by the fixture `url`; `store` is opened on it."""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from blake3 import blake3

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.documents import document_bytes
from incumbent.base.errors import Conflict, Corrupt, InvalidInput, NotFound, Refused
from incumbent.base.metric import MetricPoint
from incumbent.pipeline.action import Action, Resources
from incumbent.registry.model import ModelVersion, Placement, Prediction
from incumbent.storage.sql_store import open_sql_store
from incumbent.tracking.run import CodeVersion, Note, Run, RunArtifact, StageRun
from incumbent.tracking.search import parse_query
from incumbent.usecases.ports import Store, Transaction

NOW = datetime(2013, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)
HOSTILE_TEXTS = ["", "'; DROP TABLE runs; --", '"', "%", "_", "?", "%s", "\\", "ünï 🛫", "a" * 10_000, "\n\t", "null", "NaN"]


def digest(text: str) -> Digest:
    return Digest("blake3:" + blake3(text.encode()).hexdigest())


def artifact(text: str, codec: str = "arrow", name: str = "") -> Artifact:
    return Artifact(codec, digest(text), len(text), name)


def make_run(run_id: str = "run-aaaaaaaa", **fields: object) -> Run:
    known = {
        "experiment": "flights",
        "name": "first",
        "pipeline": "flights",
        "parent_id": None,
        "state": "running",
        "started_at": NOW,
        "ended_at": None,
        "seed": 7,
        "code": CodeVersion("c0ffee", True, "blake3:dirty"),
        "facts": {"host": "here", "nested": {"list": [1, 2.5, None, True, "ü"]}},
        "params": {"train.lr": 0.1, "depth": 6, "optimizer": "adam", "nothing": None, "flag": True, "shape": [1, {"a": 2}]},
        "tags": {"team": "ops"},
    }
    return Run(run_id=run_id, **{**known, **fields})  # type: ignore[arg-type]


def make_action(stage: str = "train", output: str = "model", **fields: object) -> tuple[Action, dict[str, object]]:
    recipe: dict[str, object] = {"kind": "recipe", "stage": stage, "config": {"lr": 0.1}}
    known = {
        "outputs": {"model": artifact(output), "report": artifact(output + " report", "value")},
        "metrics": (MetricPoint("auc", 0.91, 3, NOW), MetricPoint("loss", math.inf, 0, NOW)),
        "undeclared": (("env", "HOME", "blake3:x"),),
        "log": digest(output + " log"),
        "resources": Resources(1.5, 1.25, 1 << 30),
        "run_id": "run-aaaaaaaa",
        "created_at": NOW,
    }
    return Action(key=digest_of(recipe), stage=stage, **{**known, **fields}), recipe  # type: ignore[arg-type]


def digest_of(document: object) -> Digest:
    return Digest("blake3:" + blake3(document_bytes(document)).hexdigest())  # type: ignore[arg-type]


def seal(tx: Transaction, run: Run) -> Run:
    sealed = replace(run, state="finished", ended_at=NOW + timedelta(seconds=5), manifest=digest("manifest"))
    tx.runs.update(sealed)
    return sealed


class StoreContract:
    """Every rule of the port `Store`."""

    @pytest.fixture
    def store(self, url: str) -> Iterator[Store]:
        store = open_sql_store(url, algorithm="blake3")
        yield store
        store.close()

    # transactions

    @pytest.mark.parametrize("durable", [True, False])
    def test_a_transaction_is_all_or_nothing(self, store: Store, durable: bool) -> None:
        with pytest.raises(ZeroDivisionError), store.begin(durable=durable) as tx:  # noqa: PT012
            tx.runs.create(make_run())
            tx.documents.put([{"a": 1}])
            raise ZeroDivisionError
        with store.begin(durable=durable) as tx:
            assert list(tx.documents.list_digests()) == []
            assert tx.index.search(parse_query(""), limit=10) == []
            tx.runs.create(make_run())
        with store.begin() as tx:
            assert tx.runs.get("run-aaaaaaaa") == make_run()

    def test_after_a_failed_statement_nothing_of_the_transaction_is_kept_even_if_the_caller_goes_on(self, store: Store) -> None:
        with pytest.raises(Conflict, match="a statement of this transaction failed"), store.begin() as tx:  # noqa: PT012
            tx.documents.put([{"a": 1}])
            with pytest.raises(InvalidInput):
                tx.runs.create(make_run(seed=2**70))
        with store.begin() as tx:
            assert list(tx.documents.list_digests()) == []

    def test_a_read_only_transaction_sees_one_moment_and_writes_nothing(self, store: Store) -> None:
        with store.begin() as tx:
            tx.runs.create(make_run())
        with store.begin(read_only=True) as tx:
            assert tx.runs.get("run-aaaaaaaa") == make_run()
        from incumbent.base.errors import IncumbentError

        with pytest.raises(IncumbentError, match="(?i)read.?only"), store.begin(read_only=True) as tx:
            tx.documents.put([{"a": 1}])
        with store.begin() as tx:
            assert list(tx.documents.list_digests()) == []

    def test_a_sound_store_has_nothing_to_report(self, store: Store) -> None:
        with store.begin() as tx:
            tx.runs.create(make_run())
        assert store.check() == []

    def test_what_was_committed_is_there_after_reopening(self, store: Store, url: str) -> None:
        if url == "sqlite://":
            pytest.skip("memory ends with the store")
        with store.begin() as tx:
            tx.runs.create(make_run())
        store.close()
        again = open_sql_store(url, algorithm="blake3")
        with again.begin() as tx:
            assert tx.runs.get("run-aaaaaaaa") == make_run()
        again.close()

    def test_a_workspace_keeps_the_digest_algorithm_it_began_with(self, store: Store, url: str) -> None:
        if url == "sqlite://":
            pytest.skip("memory ends with the store")
        with pytest.raises(InvalidInput, match="was made with digest algorithm 'blake3', not 'sha256'"):
            open_sql_store(url, algorithm="sha256")

    # documents

    def test_documents_are_named_by_the_digest_of_their_bytes(self, store: Store) -> None:
        documents = [{"b": 1, "a": [None, 1.5, "ü"]}, {}, {"a": [None, 1.5, "ü"], "b": 1}]
        with store.begin() as tx:
            digests = tx.documents.put(documents)
            assert digests == [digest_of(document) for document in documents]
            assert digests[0] == digests[2]
            assert [tx.documents.get(found) for found in digests] == documents
            assert sorted(tx.documents.list_digests()) == sorted(set(digests))
            tx.documents.delete([digests[0], digest("absent")])
            assert list(tx.documents.list_digests()) == [digests[1]]
            with pytest.raises(NotFound, match=f"no document {digests[0]}"):
                tx.documents.get(digests[0])
            with pytest.raises(InvalidInput, match="is not a digest"):
                tx.documents.get(Digest("../x"))

    def test_only_documents_put_before_a_time_are_listed_and_putting_again_renews(self, store: Store) -> None:
        hour = timedelta(hours=1)
        with store.begin() as tx:
            [found] = tx.documents.put([{"a": 1}])
            assert list(tx.documents.list_digests(before=datetime.now(UTC) - hour)) == []
            assert list(tx.documents.list_digests(before=datetime.now(UTC) + hour)) == [found]
            between = datetime.now(UTC)
            tx.documents.put([{"a": 1}])
            assert list(tx.documents.list_digests(before=between)) == []
            tx.documents.delete([found], before=between)
            assert list(tx.documents.list_digests()) == [found]
            tx.documents.delete([found], before=datetime.now(UTC) + hour)
            assert list(tx.documents.list_digests()) == []

    # actions and claims

    def test_an_action_comes_back_as_it_was_recorded(self, store: Store) -> None:
        action, recipe = make_action()
        bare, bare_recipe = make_action("other", outputs={}, metrics=(), undeclared=(), log=None)
        with store.begin() as tx:
            tx.actions.record(action, recipe)
            tx.actions.record(bare, bare_recipe)
            assert tx.actions.find([action.key, digest("absent"), bare.key, action.key]) == {action.key: action, bare.key: bare}
            assert tx.documents.get(action.key) == recipe
            assert sorted(tx.actions.list_all(), key=lambda found: found.stage) == [bare, action]

    def test_a_thousand_keys_are_found_at_once(self, store: Store) -> None:
        made = [make_action(f"stage {n}", f"output {n}") for n in range(1_200)]
        with store.begin(durable=False) as tx:
            for action, recipe in made:
                tx.actions.record(action, recipe)
            assert tx.actions.find([action.key for action, _ in made]) == {action.key: action for action, _ in made}

    def test_a_recipe_that_is_not_the_keys_is_refused(self, store: Store) -> None:
        action, recipe = make_action()
        with pytest.raises(InvalidInput, match="so it is not its recipe"), store.begin() as tx:
            tx.actions.record(action, {**recipe, "seed": 8})

    def test_a_second_action_under_a_key_replaces_the_first(self, store: Store) -> None:
        first, recipe = make_action(output="old")
        second = replace(first, outputs={"model": artifact("new")}, log=None)
        with store.begin() as tx:
            tx.actions.record(first, recipe)
            tx.actions.record(second, recipe)
            assert tx.actions.find([first.key]) == {first.key: second}
            assert tx.actions.forget_output(digest("old")) == []
            assert tx.actions.forget_output(digest("new")) == [second]
            assert tx.actions.find([first.key]) == {}

    def test_a_lost_output_or_log_makes_its_actions_unknown_and_no_other(self, store: Store) -> None:
        shared = artifact("shared")
        one, one_recipe = make_action("one", outputs={"a": shared, "b": shared})
        two, two_recipe = make_action("two", outputs={"a": shared}, log=None)
        three, three_recipe = make_action("three", "three")
        with store.begin() as tx:
            for action, recipe in ((one, one_recipe), (two, two_recipe), (three, three_recipe)):
                tx.actions.record(action, recipe)
            assert {action.stage for action in tx.actions.forget_output(shared.digest)} == {"one", "two"}
            assert list(tx.actions.list_all()) == [three]
            assert three.log is not None
            assert tx.actions.forget_output(three.log) == [three]
            tx.actions.record(three, three_recipe)
            tx.actions.forget([three.key, digest("absent")])
            assert (list(tx.actions.list_all()), tx.documents.get(three.key)) == ([], three_recipe)

    def test_a_claim_is_held_by_one_until_released_or_expired(self, store: Store) -> None:
        key, later = digest("key"), NOW + timedelta(seconds=10)
        with store.begin() as tx:
            assert tx.actions.claim(key, "one", NOW, 10) is None
            assert tx.actions.claim(key, "one", NOW, 10) is None
            assert tx.actions.claim(key, "two", NOW, 10) == "one"
            assert tx.actions.claim(key, "two", later - timedelta(microseconds=1), 10) == "one"
            tx.actions.renew("one", later, 10)
            assert tx.actions.claim(key, "two", later, 10) == "one"
            assert tx.actions.claim(key, "two", later + timedelta(seconds=10), 10) is None
            assert tx.actions.claim(key, "one", later + timedelta(seconds=10), 10) == "two"
            tx.actions.release("one", key)
            tx.actions.release("one")
            assert tx.actions.claim(key, "one", later + timedelta(seconds=11), 10) == "two"
            tx.actions.claim(digest("second"), "two", later, 10)
            tx.actions.release("two", key)
            assert tx.actions.claim(key, "one", later, 10) is None
            assert tx.actions.claim(digest("second"), "one", later, 10) == "two"
            tx.actions.release("two")
            assert tx.actions.claim(digest("second"), "one", later, 10) is None

    # runs

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
    def test_the_database_itself_refuses_what_the_rules_forbid(self, store: Store, statement: str) -> None:
        with store.begin() as tx:
            tx.runs.create(make_run())
            tx.runs.record_stage("run-aaaaaaaa", StageRun("a", None, "ran", digest("k"), {}, {"y": artifact("out")}))
            tx.runs.record_artifacts([RunArtifact("run-aaaaaaaa", "output", "x", artifact("x"))])
            tx.metrics.append("run-aaaaaaaa", [MetricPoint("auc", 0.9, 0, NOW)], writer="w", first=0)
            seal(tx, make_run())
            tx.index.add_note(Note("run-aaaaaaaa", NOW, "me", "x"))
            tx.registry.add_version(make_version())
            tx.registry.place(Placement("s", "m", 1, "Production", NOW, "me", "x"))
            tx.predictions.append([make_prediction()])
        with pytest.raises(Refused), store._database.begin(durable=True, read_only=False) as session:  # type: ignore[attr-defined]
            session.run(statement)

    # metrics

    def test_points_come_back_in_the_order_in_which_they_were_logged(self, store: Store) -> None:
        values = [0.1, math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 0.1]
        points = [MetricPoint("loss", value, 10 - n, NOW + timedelta(microseconds=n % 2)) for n, value in enumerate(values)]
        with store.begin(durable=False) as tx:
            tx.runs.create(make_run())
            tx.metrics.append("run-aaaaaaaa", points[:3], writer="w", first=0)
            tx.metrics.append("run-aaaaaaaa", points[3:], writer="w", first=3)
            found = tx.metrics.history("run-aaaaaaaa", "loss")
            assert [repr(point) for point in found] == [repr(point) for point in points]
            assert tx.metrics.history("run-aaaaaaaa", "none") == []
            with pytest.raises(NotFound):
                tx.metrics.append("run-none", points, writer="w", first=0)

    @pytest.mark.parametrize("count", [1, 150, 2_500])
    def test_a_batch_sent_again_or_in_overlapping_parts_is_stored_once(self, store: Store, count: int) -> None:
        points = [MetricPoint(f"m{n % 3}", float(n), n, NOW) for n in range(count)]
        with store.begin(durable=False) as tx:
            tx.runs.create(make_run())
        for start in (0, 0, count // 2):
            with store.begin(durable=False) as tx:
                tx.metrics.append("run-aaaaaaaa", points[start:], writer="w", first=start)
        with store.begin() as tx:
            for name in {point.name for point in points}:
                assert tx.metrics.history("run-aaaaaaaa", name) == [point for point in points if point.name == name]

    def test_two_writers_number_their_points_each_for_itself(self, store: Store) -> None:
        with store.begin() as tx:
            tx.runs.create(make_run())
            tx.metrics.append("run-aaaaaaaa", [MetricPoint("m", 1.0, 0, NOW)], writer="one", first=0)
            tx.metrics.append("run-aaaaaaaa", [MetricPoint("m", 2.0, 0, NOW)], writer="two", first=0)
            assert [point.value for point in tx.metrics.history("run-aaaaaaaa", "m")] == [1.0, 2.0]

    def test_the_last_point_is_the_one_with_the_highest_step_then_the_latest(self, store: Store) -> None:
        def point(value: float, step: int, second: int = 0) -> MetricPoint:
            return MetricPoint("m", value, step, NOW + timedelta(seconds=second))

        with store.begin() as tx:
            tx.runs.create(make_run())
            tx.runs.create(make_run("run-empty"))
            for n, (logged, expected) in enumerate(
                [
                    (point(1, 5), 1),
                    (point(2, 4, 9), 1),
                    (point(3, 5), 3),
                    (point(4, 5, -1), 3),
                    (point(math.nan, 6), math.nan),
                    (point(6, -1), math.nan),
                ]
            ):
                tx.metrics.append("run-aaaaaaaa", [logged], writer="w", first=n)
                last = tx.metrics.latest(["run-aaaaaaaa"])["run-aaaaaaaa"]["m"]
                assert repr(last.value) == repr(float(expected))
            tx.metrics.append("run-aaaaaaaa", [point(3, 5)], writer="w", first=2)
            assert math.isnan(tx.metrics.latest(["run-aaaaaaaa"])["run-aaaaaaaa"]["m"].value)
            assert tx.metrics.latest(["run-empty", "run-none"]) == {"run-empty": {}, "run-none": {}}

    # search

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("", "edcba"),
            ("metrics.auc > 0.8", "cb"),
            ("metrics.auc >= 0.9 and metrics.auc <= 0.95", "c"),
            ("metrics.auc = 0.5", "a"),
            ("metrics.auc != 0.5", "dcb"),
            ("not metrics.auc = 0.5", "edcb"),
            ("metrics.auc < 1000", "cba"),
            ("metrics.auc in (0.5, 0.99)", "ba"),
            ("metrics.auc not in (0.5, 0.99)", "dc"),
            ("metrics.nothing != 1", ""),
            ("not metrics.nothing = 1", "edcba"),
            ("params.depth = 6", "ba"),
            ("params.depth > 5", "dba"),
            ("params.depth = 10", "d"),
            ("params.depth != 6", "dc"),
            ("params.depth = '6'", "ba"),
            ("params.depth < '9'", "dba"),
            ("params.depth in (6, 10)", "dba"),
            ("params.depth not in (6, 10)", "c"),
            ("params.depth like 'd%'", "c"),
            ("params.flag = true", "a"),
            ("params.flag = false", "b"),
            ("params.flag = 1", ""),
            ("params.lr < 1e-3", "b"),
            ("tags.team = 'Ops'", "a"),
            ("tags.team like 'ops%'", "b"),
            ("tags.team like 'Ops'", "a"),
            ("tags.team ilike 'ops%'", "ba"),
            ("tags.team ilike '%ÄRZTE'", "d"),
            ("tags.team like 'a_b'", "c"),
            ("tags.team like '100[%]*?'", "e"),
            ("tags.team != 'Ops'", "edcb"),
            ("tags.team in ('Ops', 'a_b')", "ca"),
            ("state = 'failed'", "c"),
            ("status != 'FAILED'", "edba"),
            ("experiment = 'two'", "e"),
            ("name like 'run%'", "edcba"),
            ("seed = 2", "c"),
            ("seed > 2", "ed"),
            ("started_at >= '2013-03-03T12:00:00.123456'", "edc"),
            ("started_at < '2013-03-02'", "a"),
            ("duration_s > 1.4", "c"),
            ("ended_at > '2000-01-01'", "cb"),
            ("commit = 'c0ffee'", "edcba"),
            ("run_id = 'run-a'", "a"),
            ("metrics.auc > 0.4 and (params.depth = 6 or tags.team = 'a_b') and not state = 'failed'", "ba"),
            ("order by metrics.auc", "acbde"),
            ("order by metrics.auc desc", "bcade"),
            ("order by params.depth", "badce"),
            ("order by params.depth desc, started_at asc", "dabce"),
            ("order by tags.team", "edacb"),
            ("order by ended_at desc", "cbeda"),
            ("order by name", "abcde"),
            ("tags.team = 'x'' OR 1=1; --'", ""),
            ("metrics.`a'; DROP TABLE runs; --` > 1", ""),
        ],
    )
    def test_a_query_finds_these_runs_in_this_order(self, store: Store, query: str, expected: str) -> None:
        with store.begin(durable=False) as tx:
            fill_for_search(tx)
        with store.begin(read_only=True) as tx:
            found = tx.index.search(parse_query(query), limit=100)
            assert "".join(run.run_id[-1] for run in found) == expected
            assert [tx.runs.get(run.run_id) for run in found] == found

    def test_a_search_is_paged(self, store: Store) -> None:
        with store.begin(durable=False) as tx:
            fill_for_search(tx)
            query = parse_query("order by metrics.auc")
            pages = [tx.index.search(query, limit=2, offset=offset) for offset in (0, 2, 4, 6)]
        assert ["".join(run.run_id[-1] for run in page) for page in pages] == ["ac", "bd", "e", ""]

    # registry and predictions

    def test_versions_are_numbered_from_one_whatever_number_was_given(self, store: Store) -> None:
        with store.begin() as tx:
            first = tx.registry.add_version(make_version(version=99))
            second = tx.registry.add_version(make_version(created_at=NOW + timedelta(seconds=1), key=None, facts={}))
            other = tx.registry.add_version(make_version(model="n"))
            assert [first.version, second.version, other.version] == [1, 2, 1]
            assert tx.registry.get_version("m", 1) == make_version(version=1)
            assert tx.registry.list_versions("m") == [second, first]
            assert tx.registry.list_versions()[0] == second
            for model, version in (("m", 3), ("none", 1), ("m", 2**62)):
                with pytest.raises(NotFound, match="no version"):
                    tx.registry.get_version(model, version)

    def test_a_slot_has_one_version_in_production_and_keeps_its_history(self, store: Store) -> None:
        with store.begin() as tx:
            for _ in range(2):
                tx.registry.add_version(make_version())
            assert tx.registry.find_live("s") is None
            one = Placement("s", "m", 1, "Production", NOW, "me", "first")
            two = Placement("s", "m", 2, "Production", NOW + timedelta(days=1), "you", "better")
            tx.registry.place(replace(one, status="Staging"))
            tx.registry.place(one)
            tx.registry.place(replace(one, slot="t"))
            tx.registry.place(two)
            assert tx.registry.find_live("s") == two
            assert tx.registry.find_live("t") == replace(one, slot="t")
            archived = replace(one, status="Archived", since_at=two.since_at, actor="you", reason="replaced by m version 2")
            assert tx.registry.list_placements("s") == [two, archived, one, replace(one, status="Staging")]
            tx.registry.place(one)
            assert tx.registry.find_live("s") == one
            tx.registry.place(replace(one, status="Archived"))
            assert tx.registry.find_live("s") is None
            assert len(tx.registry.list_placements()) == 8
            with pytest.raises(NotFound, match="no version 9"):
                tx.registry.place(replace(one, version=9))

    def test_the_database_itself_refuses_a_second_version_in_production(self, store: Store) -> None:
        with store.begin() as tx:
            tx.registry.add_version(make_version())
            tx.registry.add_version(make_version())
            tx.registry.place(Placement("s", "m", 1, "Production", NOW, "me", "first"))
        with pytest.raises(Conflict), store._database.begin(durable=True, read_only=False) as session:  # type: ignore[attr-defined]
            session.run(
                "INSERT INTO placements (slot, model, version, status, since_at, actor, reason, is_current) "
                "VALUES ('s', 'm', 2, 'Production', 0, 'x', 'x', 1)"
            )

    def test_predictions_are_stored_once(self, store: Store) -> None:
        with store.begin() as tx:
            tx.predictions.append([make_prediction(), make_prediction(prediction_id="p2", output=None)])
            tx.predictions.append([make_prediction()])
            assert tx.predictions.get("p1") == make_prediction()
            assert tx.predictions.get("p2").output is None
            with pytest.raises(NotFound, match="no prediction 'p3'"):
                tx.predictions.get("p3")

    # what should not be there

    @pytest.mark.parametrize("text", HOSTILE_TEXTS)
    def test_any_text_is_kept_as_it_is(self, store: Store, text: str) -> None:
        run = make_run(
            name=text, tags={text[:500]: text}, params={text[:500]: text}, facts={text: text}, experiment=text[:500], pipeline=text[:500]
        )
        with store.begin() as tx:
            tx.runs.create(run)
            tx.runs.record_stage(run.run_id, StageRun(text[:500], None, "failed", None, why=text))
            tx.metrics.append(run.run_id, [MetricPoint(text[:500], 1.0, 0, NOW)], writer=text[:500], first=0)
            assert tx.runs.get(run.run_id) == run
            assert tx.runs.list_stages(run.run_id)[0].why == text
            assert tx.metrics.history(run.run_id, text[:500])[0].value == 1.0

    @pytest.mark.parametrize(
        "run",
        [
            make_run(name="a\0b"),
            make_run(tags={"a": "\ud800"}),
            make_run(params={"\0": 1}),
            make_run(started_at=datetime(2013, 1, 1)),  # noqa: DTZ001
            make_run(facts={"x": object()}),
            make_run(seed=2**63),
        ],
    )
    def test_what_cannot_be_stored_is_refused_before_anything_is(self, store: Store, run: Run) -> None:
        with pytest.raises(InvalidInput), store.begin() as tx:
            tx.runs.create(run)
        with store.begin() as tx:
            assert tx.index.search(parse_query(""), limit=1) == []

    def test_a_damaged_document_or_cell_is_corrupt_not_a_traceback(self, store: Store) -> None:
        action, recipe = make_action()
        with store.begin() as tx:
            tx.actions.record(action, recipe)
            tx.runs.create(make_run())
        with store._database.begin(durable=True, read_only=False) as session:  # type: ignore[attr-defined]
            session.run("UPDATE documents SET body = ?", (b'{"kind":"other"}',))
            session.run("UPDATE actions SET outputs = '{'")
            session.run("UPDATE runs SET facts = '[]'")
        with store.begin() as tx:
            with pytest.raises(Corrupt, match="is not what was written"):
                tx.documents.get(action.key)
            with pytest.raises(Corrupt, match="where JSON belongs"):
                tx.actions.find([action.key])
            with pytest.raises(Corrupt, match="where a JSON object belongs"):
                tx.runs.get("run-aaaaaaaa")


def make_version(**fields: object) -> ModelVersion:
    known = {
        "model": "m",
        "version": 0,
        "bundle": artifact("bundle", "tree"),
        "run_id": "run-aaaaaaaa",
        "key": digest("key"),
        "manifest": digest("manifest"),
        "created_at": NOW,
        "actor": "me",
        "facts": {"artifact": "model"},
    }
    return ModelVersion(**{**known, **fields})  # type: ignore[arg-type]


def make_prediction(**fields: object) -> Prediction:
    known = {
        "prediction_id": "p1",
        "slot": "s",
        "model": "m",
        "version": 1,
        "at": NOW,
        "inputs": {"x": [1.5]},
        "output": [0.25],
        "latency_ms": 0.75,
    }
    return Prediction(**{**known, **fields})  # type: ignore[arg-type]


def fill_for_search(tx: Transaction) -> None:
    """Five runs a to e, a day apart, e the newest. What each query finds in them was worked out by hand."""
    rows: list[tuple[str, float | None, dict[str, object], dict[str, str], str, float | None]] = [
        ("a", 0.5, {"depth": 6, "flag": True, "lr": 0.1}, {"team": "Ops"}, "running", None),
        ("b", 0.99, {"depth": "6", "flag": False, "lr": 1e-4}, {"team": "ops two"}, "finished", 1.0),
        ("c", 0.9, {"depth": "deep"}, {"team": "a_b"}, "failed", 1.5),
        ("d", math.nan, {"depth": 10}, {"team": "Die Ärzte"}, "running", None),
        ("e", None, {}, {"team": "100[%]*?"}, "running", None),
    ]
    for n, (name, auc, params, tags, state, duration_s) in enumerate(rows):
        started_at = NOW + timedelta(days=n)
        run = make_run(
            f"run-{name}",
            name=f"run {name}",
            experiment="two" if name == "e" else "one",
            seed=n,
            started_at=started_at,
            ended_at=None if duration_s is None else started_at + timedelta(seconds=duration_s),
            state=state,
            params=params,
            tags=tags,
        )
        tx.runs.create(run)
        if auc is not None:
            tx.metrics.append(run.run_id, [MetricPoint("auc", 0.1, 0, NOW), MetricPoint("auc", auc, 1, NOW)], writer="w", first=0)
