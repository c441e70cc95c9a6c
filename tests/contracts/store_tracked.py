"""What every metadata store does with runs that stay open, experiments and logged models."""

import math
import struct
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zlib import crc32

import pytest

from contracts.store_values import NOW, digest, make_run
from incumbent.base.artifact import Artifact
from incumbent.base.errors import Conflict, InvalidInput, NotFound, Refused
from incumbent.base.metric import MetricPoint, PointCells
from incumbent.tracking.experiment import DatasetInput, LoggedModel, ModelFile, ModelLink, ModelMetric
from incumbent.tracking.run import RunArtifact
from incumbent.tracking.search import Combination, Comparison, Query
from incumbent.usecases.ports import Store

RUN = "run-aaaaaaaa"
ODD = [0.1, math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MODEL = LoggedModel("m-" + "0" * 32, 1, "clf", RUN, "", "PENDING", NOW, NOW, params={"a": "1"}, tags={"t": "ü"})


def names(found: object) -> list[str]:
    return [run.run_id for run in found]  # type: ignore[attr-defined]


def cells(points: Sequence[MetricPoint]) -> list[PointCells]:
    return [(point.name, point.value, point.step, (point.at - EPOCH) // timedelta(microseconds=1)) for point in points]


class TrackedContract:
    """Every rule of the ports in `tracked_ports`."""

    def test_a_point_that_is_sent_again_by_content_is_there_once_and_its_order_is_time_then_step(self, store: Store) -> None:
        points = [MetricPoint("a b/c", value, 5 - n, NOW + timedelta(milliseconds=n // 2)) for n, value in enumerate(ODD)]
        with store.begin() as tx:
            tx.runs.create(make_run())
        for _ in range(2):
            with store.begin() as tx:
                tx.open_runs.append(RUN, cells(points[::-1]))
        wanted = sorted(points, key=lambda point: (point.at, point.step))
        with store.begin(read_only=True) as tx:
            assert list(map(repr, tx.metrics.history(RUN, "a b/c"))) == list(map(repr, wanted))
            pages = [tx.open_runs.page_history(RUN, "a b/c", limit=4, offset=offset) for offset in (0, 4, 8)]
            assert [cell for page in pages for cell in page] == [
                (None if math.isnan(value) else value, step, at) for _, value, step, at in cells(wanted)
            ]
            assert tx.open_runs.page_history(RUN, "none", limit=4, offset=0) == []

    @pytest.mark.parametrize("batch", [1, 2])
    def test_two_points_whose_checksum_is_the_same_are_both_kept_also_when_they_are_sent_again(self, store: Store, batch: int) -> None:
        alike = [math.sqrt(6765), math.sqrt(89180)]
        assert len({crc32(struct.pack("<dqq", value, 0, 0), crc32(b"m")) for value in alike}) == 1
        with store.begin() as tx:
            tx.runs.create(make_run())
        for start in (0, 1, 0, 1):
            with store.begin() as tx:
                tx.open_runs.append(RUN, [("m", value, 0, 0) for value in alike][start : start + batch])
        with store.begin(read_only=True) as tx:
            assert tx.open_runs.page_history(RUN, "m", limit=9, offset=0) == [(value, 0, 0) for value in alike]

    @pytest.mark.parametrize("size", [99, 100, 101, 200, 457])
    def test_a_batch_of_any_length_is_stored_whole_also_when_half_was_there_and_two_checksums_are_the_same(
        self, store: Store, size: int
    ) -> None:
        """Databases take points in parts: 100 in a statement, or from 200 on by another way."""
        alike = [("m", math.sqrt(6765), 0, 0), ("m", math.sqrt(89180), 0, 0)]
        points: list[PointCells] = [*alike, *(("m", float(n), n, n) for n in range(1, size - 1))]
        with store.begin() as tx:
            tx.runs.create(make_run())
        for batch in (points[1 : size // 2], points, points[::-1]):
            with store.begin() as tx:
                tx.open_runs.append(RUN, batch)
        with store.begin(read_only=True) as tx:
            assert tx.open_runs.page_history(RUN, "m", limit=2 * size, offset=0) == [point[1:] for point in points]

    @pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]])
    @pytest.mark.parametrize("batch", [1, 4])
    def test_the_last_point_is_of_the_highest_step_then_the_latest_then_the_largest(
        self, store: Store, order: list[int], batch: int
    ) -> None:
        given = [
            MetricPoint("m", 9.0, 1, NOW + timedelta(seconds=9)),
            MetricPoint("m", 1.0, 2, NOW),
            MetricPoint("m", 3.0, 2, NOW),
            MetricPoint("m", 2.0, 2, NOW),
        ]
        with store.begin() as tx:
            tx.runs.create(make_run())
            ordered = [given[place] for place in order]
            for start in range(0, 4, batch):
                tx.open_runs.append(RUN, cells(ordered[start : start + batch]))
            assert tx.metrics.latest([RUN])[RUN]["m"] == given[2]

    def test_a_param_is_set_once_and_a_tag_as_often_as_one_likes(self, store: Store) -> None:
        with store.begin() as tx:
            tx.runs.create(make_run(params={"depth": 6}, tags={}))
            tx.open_runs.set_params(RUN, {"lr": "0.1", "depth": "6"})
            tx.open_runs.set_params(RUN, {"lr": "0.1"})
            tx.open_runs.set_tags(RUN, {"x": "1", "y": ""})
            tx.open_runs.set_tags(RUN, {"x": "2"})
        with (
            pytest.raises(InvalidInput, match="'lr' of run run-aaaaaaaa is '0.1' already, and was asked to become '0.2'"),
            store.begin() as tx,
        ):
            tx.open_runs.set_params(RUN, {"new": "1", "lr": "0.2"})
        with store.begin() as tx:
            tx.open_runs.delete_tag(RUN, "y")
            with pytest.raises(NotFound, match="has no tag 'y'"):
                tx.open_runs.delete_tag(RUN, "y")
            run = tx.runs.get(RUN)
            assert (dict(run.params), dict(run.tags)) == ({"depth": 6, "lr": "0.1"}, {"x": "2"})

    def test_a_run_ends_goes_on_is_deleted_and_comes_back_but_not_once_it_is_sealed(self, store: Store) -> None:
        with store.begin() as tx:
            tx.runs.create(make_run())
            tx.open_runs.set_state(RUN, "finished", NOW, "new name")
            ended = tx.runs.get(RUN)
            assert (ended.state, ended.ended_at, ended.name, ended.manifest) == ("finished", NOW, "new name", None)
            tx.open_runs.append(RUN, cells([MetricPoint("late", 1.0, 0, NOW)]))
            tx.open_runs.set_state(RUN, "running", None, None)
            assert (tx.runs.get(RUN).state, tx.runs.get(RUN).name) == ("running", "new name")
            tx.open_runs.set_deleted(RUN, NOW)
            assert tx.run_links.list_deleted([RUN, "run-other"]) == {RUN: NOW}
            assert [names(tx.index.search(Query(), limit=9, is_deleted=wanted)) for wanted in (None, False, True)] == [[RUN], [], [RUN]]
            for write in (lambda: tx.open_runs.set_tags(RUN, {"a": "b"}), lambda: tx.open_runs.append(RUN, [])):
                with pytest.raises(InvalidInput, match="is deleted"):
                    write()
            tx.open_runs.set_deleted(RUN, None)
            tx.runs.update(replace(tx.runs.get(RUN), state="finished", ended_at=NOW, manifest=digest("m")))
        for act in (
            lambda tx: tx.open_runs.set_deleted(RUN, NOW),
            lambda tx: tx.open_runs.set_tags(RUN, {"a": "b"}),
            lambda tx: tx.open_runs.append(RUN, cells([MetricPoint("x", 1.0, 0, NOW)])),
            lambda tx: tx.open_runs.set_state(RUN, "running", None, None),
            lambda tx: tx.run_links.add_datasets(RUN, [DatasetInput("d", "1", "s", "{}")]),
            lambda tx: tx.run_links.add_models([ModelLink(RUN, "output", "m-1")]),
        ):
            with pytest.raises(Refused, match="is sealed"), store.begin() as tx:
                act(tx)

    def test_experiments_have_names_of_their_own_tags_and_an_end_that_can_be_undone(self, store: Store) -> None:
        with store.begin() as tx:
            tx.runs.create(make_run(experiment="ours"))
            number = tx.experiments.create("theirs", {"team": "a", "ü": ""}, NOW)
            ours = tx.experiments.find("ours")
            assert ours is not None
            assert (ours.created_at, ours.tags) == (None, {})
            made = tx.experiments.get(number)
            assert (made.name, made.created_at, made.updated_at, made.deleted_at, made.tags) == (
                "theirs",
                NOW,
                NOW,
                None,
                {"team": "a", "ü": ""},
            )
            with pytest.raises(Conflict, match="'ours' exists already"):
                tx.experiments.create("ours", {}, NOW)
            with pytest.raises(Conflict, match="'ours' exists already"):
                tx.experiments.change(replace(made, name="ours"))
            changed = replace(made, name="renamed", deleted_at=NOW, tags={"team": "b"})
            tx.experiments.change(changed)
            assert tx.experiments.get(number) == changed
            assert tx.experiments.find("theirs") is None
            assert [one.name for one in tx.experiments.list_all()] == ["renamed", "ours"]
            with pytest.raises(NotFound, match="no experiment 999"):
                tx.experiments.get(999)

    def test_datasets_are_there_once_and_can_be_searched_by_name_digest_and_context(self, store: Store) -> None:
        train = DatasetInput("d", "abc", "local", '{"uri": "x"}', "{}", "{}", {"mlflow.data.context": "train"})
        with store.begin() as tx:
            tx.runs.create(make_run())
            tx.runs.create(make_run(run_id="run-bbbbbbbb"))
            tx.run_links.add_datasets(RUN, [train, train])
            tx.run_links.add_datasets(RUN, [train])
            assert tx.run_links.list_datasets([RUN, "run-bbbbbbbb"]) == {RUN: [train], "run-bbbbbbbb": []}
            for name, value in (("name", "d"), ("digest", "abc"), ("context", "train")):
                wanted = Comparison("datasets", name, "=", value)
                assert names(tx.index.search(Query(wanted), limit=9)) == [RUN]
                assert names(tx.index.search(Query(Combination("not", (wanted,))), limit=9)) == ["run-bbbbbbbb"]

    def test_a_logged_model_keeps_files_by_digest_links_and_metrics(self, store: Store) -> None:
        with store.begin() as tx:
            tx.runs.create(make_run())
            [experiment] = tx.experiments.list_all()
            model = replace(MODEL, experiment=experiment.number)
            tx.logged_models.create(model)
            with pytest.raises(Conflict, match="exists already"):
                tx.logged_models.create(model)
            assert tx.logged_models.get(model.model_id) == model
            ready = replace(model, status="READY", deleted_at=NOW, params={}, tags={"a": "b"})
            tx.logged_models.change(ready)
            assert list(tx.logged_models.list_all([experiment.number, 77])) == [ready]
            file = ModelFile(model.model_id, "data/model.pkl", digest("one"), 3)
            tx.logged_models.put_file(replace(file, digest=digest("zero")))
            tx.logged_models.put_file(file)
            assert list(tx.logged_models.list_files()) == list(tx.logged_models.list_files(model.model_id)) == [file]
            link = ModelLink(RUN, "output", model.model_id, 4)
            tx.run_links.add_models([replace(link, step=0), link])
            assert list(tx.run_links.list_models([RUN])) == [link]
            metric = ModelMetric(model.model_id, RUN, "auc", math.inf, 1, NOW, "d", "abc")
            tx.logged_models.add_metrics([metric, metric])
            assert tx.logged_models.list_metrics([model.model_id]) == {model.model_id: [metric]}
            with pytest.raises(NotFound, match="no logged model 'm-1'"):
                tx.logged_models.get("m-1")

    @pytest.mark.parametrize("folder", ["a", "A", "ü", "a b", "~", "a/b", "%"])
    def test_only_what_begins_with_a_folders_name_and_a_slash_lies_in_it(self, store: Store, folder: str) -> None:
        beside = [f"{folder}{end}" for end in ("", "!/x", ".x", "0", "0/x", "z/x", "\u0301/x")] + [f"z/{folder}/x"]
        with store.begin(durable=False) as tx:
            tx.runs.create(make_run())
            tx.runs.create(make_run("run-other"))
            tx.runs.record_artifacts([RunArtifact("run-other", "output", f"{folder}/x", Artifact("file", digest("x"), 1))])
            tx.runs.record_artifacts([RunArtifact(RUN, "output", path, Artifact("file", digest("x"), 1)) for path in beside])
            assert not tx.open_artifacts.has_inside("run", RUN, folder)
            for path in (f"{folder}/x", f"{folder}/ü/y", f"{folder}/~", f"{folder}/!"):
                tx.open_artifacts.put(RunArtifact(RUN, "output", path, Artifact("file", digest("x"), 1)))
                assert tx.open_artifacts.has_inside("run", RUN, folder)
                tx.open_artifacts.delete_outputs(RUN, [path])

    def test_files_are_found_by_path_replaced_and_removed_and_those_of_a_sealed_or_deleted_run_stay(self, store: Store) -> None:
        def output(name: str, text: str, run_id: str = RUN) -> RunArtifact:
            return RunArtifact(run_id, "output", name, Artifact("file", digest(text), 3, "x"), "image/png")

        with store.begin() as tx:
            tx.runs.create(make_run())
            tx.runs.record_artifacts([RunArtifact(RUN, "input", "a/b_%", Artifact("file", digest("in"), 9))])
            for text in ("old", "new"):
                tx.open_artifacts.put(output("a/b_%", text))
            tx.open_artifacts.put(output("ab", "other"))
            assert tx.open_artifacts.find("run", RUN, "a/b_%") == Artifact("file", digest("new"), 3, "x")
            assert tx.open_artifacts.find("run", RUN, "a") is tx.open_artifacts.find("model", RUN, "ab") is None
            assert [tx.open_artifacts.has_inside("run", RUN, folder) for folder in ("a", "ab", "_", "%", "A")] == [True] + [False] * 4
            tx.open_artifacts.delete_outputs(RUN, ["a/b_%", "absent"])
            assert [(row.direction, row.name) for row in tx.runs.list_artifacts(RUN)] == [("input", "a/b_%"), ("output", "ab")]
            model = replace(MODEL, experiment=tx.experiments.create("files", {}, NOW))
            tx.logged_models.create(model)
            tx.logged_models.put_file(ModelFile(model.model_id, "d/w.bin", digest("w"), 5))
            assert tx.open_artifacts.find("model", model.model_id, "d/w.bin") == Artifact("file", digest("w"), 5)
            assert tx.open_artifacts.has_inside("model", model.model_id, "d")
            tx.open_artifacts.delete_files(model.model_id, ["d/w.bin", "absent"])
            assert not tx.open_artifacts.has_inside("model", model.model_id, "d")
            tx.open_runs.set_deleted(RUN, NOW)
        for write in (lambda tx: tx.open_artifacts.put(output("c", "c")), lambda tx: tx.open_artifacts.delete_outputs(RUN, ["ab"])):
            with pytest.raises(InvalidInput, match="is deleted"), store.begin() as tx:
                write(tx)
        with store.begin() as tx:
            tx.open_runs.set_deleted(RUN, None)
            tx.runs.update(replace(make_run(), state="finished", ended_at=NOW, manifest=digest("manifest")))
        with pytest.raises(Refused, match="is sealed"), store.begin() as tx:
            tx.open_artifacts.must_be_open(RUN)
        with pytest.raises(NotFound, match="run-none"), store.begin() as tx:
            tx.open_artifacts.put(output("c", "c", "run-none"))

    def test_words_about_models_are_set_replaced_and_removed(self, store: Store) -> None:
        with store.begin() as tx:
            for version, kind, name, value in (
                (0, "tag", "a", "1"),
                (0, "tag", "a", "2"),
                (3, "description", "", "text"),
                (0, "tag", "b", ""),
            ):
                tx.model_words.put("clf", version, kind, name, value)
            tx.model_words.delete("clf", 0, "tag", "b")
            tx.model_words.delete("clf", 0, "tag", "absent")
            assert tx.model_words.list_all(["clf", "x"]) == {("clf", 0, "tag"): {"a": "2"}, ("clf", 3, "description"): {"": "text"}}
            assert tx.model_words.list_all(["clf"], 2) == tx.model_words.list_all(["clf"], 0) == {("clf", 0, "tag"): {"a": "2"}}
            assert len(tx.model_words.list_all(["clf"], 3)) == 2
            assert list(tx.model_words.list_models()) == ["clf"]
            assert tx.registry.take_number("clf") == 1
