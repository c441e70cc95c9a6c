"""Runs as OpenLineage events, held against the classes of OpenLineage's own client: their fields, their checks, their schema addresses."""

import json
from datetime import UTC, datetime
from uuid import UUID, uuid5

import pytest
from openlineage.client import event_v2, facet_v2
from openlineage.client.serde import Serde

from incumbent.cli import main
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.openlineage import get_lineage_events
from logins import open_empty
from receivers import open_receiver
from tracked import open_tracked

FACETS = {
    "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet,
    "errorMessage": facet_v2.error_message_run.ErrorMessageRunFacet,
    "jobType": facet_v2.job_type_job.JobTypeJobFacet,
    "version": facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet,
    "documentation": facet_v2.documentation_dataset.DocumentationDatasetFacet,
}


def rebuild(event):
    """Return the event as the client's classes spell it; an unknown or a missing field is an error there."""

    def facets(given):
        built = {}
        for name, facet in given.items():
            values = {key: value for key, value in facet.items() if not key.startswith("_")}
            if name == "parent":
                made = facet_v2.parent_run.ParentRunFacet(
                    run=facet_v2.parent_run.Run(**values["run"]), job=facet_v2.parent_run.Job(**values["job"]), producer=facet["_producer"]
                )
            elif name in FACETS:
                made = FACETS[name](**values, producer=facet["_producer"])
            else:
                assert name.startswith("incumbent_")  # a facet of one's own has a prefix, and the address of a schema that it keeps
                assert facet["_schemaURL"] in {
                    f"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/{kind}" for kind in ("RunFacet", "JobFacet")
                }
                continue
            built[name] = made
        return built

    def dataset(kind, given):
        return kind(namespace=given["namespace"], name=given["name"], facets=facets(given["facets"]))

    made = event_v2.RunEvent(
        eventType=event_v2.RunState[event["eventType"]],
        eventTime=event["eventTime"],
        run=event_v2.Run(runId=event["run"]["runId"], facets=facets(event["run"]["facets"])),
        job=event_v2.Job(namespace=event["job"]["namespace"], name=event["job"]["name"], facets=facets(event["job"]["facets"])),
        inputs=[dataset(event_v2.InputDataset, one) for one in event["inputs"]],
        outputs=[dataset(event_v2.OutputDataset, one) for one in event["outputs"]],
        producer=event["producer"],
    )
    return json.loads(Serde.to_json(made))


def without_own(event):
    """Return the event without our own facets and without what is empty, as the client leaves both out."""

    def strip(value):
        if isinstance(value, dict):
            kept = {key: strip(inner) for key, inner in value.items() if not key.startswith("incumbent_")}
            return {key: inner for key, inner in kept.items() if inner not in ({}, [], None)}
        return [strip(one) for one in value] if isinstance(value, list) else value

    return strip(event)


@pytest.fixture
def ws(tmp_path):
    ws = open_tracked(tmp_path)
    yield ws
    ws.store.close()


def test_a_run_is_told_as_the_client_of_openlineage_would_tell_it(ws):
    with begin_run(ws, experiment="credit", name="parent") as above, above.child("one", seed=7) as run:
        given = run.log_input(b"rows", "training")
        made = run.log_artifact(b"weights", "model")
        run.log_artifact(b"weights", "again")
    start, end = get_lineage_events(ws, run.id)
    for event in (start, end):
        assert without_own(event) == without_own(rebuild(event))
    assert [event["eventType"] for event in (start, end)] == ["START", "COMPLETE"]
    assert start["run"]["runId"] == end["run"]["runId"]
    assert UUID(end["run"]["runId"]).version == 5
    assert end["run"]["facets"]["parent"]["run"]["runId"] == get_lineage_events(ws, above.id)[0]["run"]["runId"]
    assert [one["name"] for one in end["inputs"]] == [str(given.digest)]
    assert [one["name"] for one in end["outputs"]] == [str(made.digest)]
    told = end["outputs"][0]["facets"]
    assert told["version"]["datasetVersion"] == str(made.digest)
    assert told["documentation"]["description"] == "again (bytes, 7 bytes), model (bytes, 7 bytes)"
    own = end["run"]["facets"]["incumbent_run"]
    assert (own["run"], own["name"], own["seed"], own["state"]) == (run.id, "one", 7, "finished")
    assert own["manifest"].startswith("blake3:")
    assert end["job"]["facets"]["incumbent_code"] == {
        "_producer": end["producer"], "_schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobFacet",
        "commit": "c" * 40, "is_dirty": True, "tree": "blake3:" + "d" * 64,
    }  # fmt: skip


def test_what_one_run_gave_and_another_took_is_one_dataset(ws):
    with begin_run(ws, experiment="prepare") as first:
        rows = first.log_artifact(b"rows", "clean")
    with begin_run(ws, experiment="train") as second:
        second.log_input(rows, "training")
    gave, took = get_lineage_events(ws, first.id)[1]["outputs"][0], get_lineage_events(ws, second.id)[1]["inputs"][0]
    assert (gave["namespace"], gave["name"]) == (took["namespace"], took["name"])


@pytest.mark.parametrize(("state", "kind"), [("failed", "FAIL"), ("killed", "ABORT")])
def test_a_run_that_did_not_finish_says_why(ws, state, kind):
    run = begin_run(ws, experiment="credit")
    [start] = get_lineage_events(ws, run.id)
    assert start["outputs"] == []
    run.finish(state, "out of memory")
    end = get_lineage_events(ws, run.id)[1]
    assert end["eventType"] == kind
    assert end["run"]["facets"]["errorMessage"]["message"] == "out of memory"
    assert without_own(end) == without_own(rebuild(end))
    assert datetime.fromisoformat(end["eventTime"]).tzinfo == UTC


def test_the_command_writes_lines_and_sends_them_in_their_order(tmp_path, monkeypatch, capsys):
    ws = open_empty(tmp_path)
    with begin_run(ws, experiment="credit") as run:
        run.log_artifact(b"x", "model")
    expected = get_lineage_events(ws, run.id)
    monkeypatch.chdir(tmp_path)
    assert main(["runs", "lineage", run.id]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == expected
    assert main(["runs", "lineage", run.id, "--output", "events.ndjson"]) == 0
    assert [json.loads(line) for line in (tmp_path / "events.ndjson").read_text().splitlines()] == expected
    with open_receiver(status=201) as receiver:
        assert main(["runs", "lineage", run.id, "--send", receiver.url.removesuffix("/in")]) == 0
        assert [(path, json.loads(body)) for path, _, body in receiver.got] == [("/api/v1/lineage", event) for event in expected]
    with open_receiver(status=422) as receiver:
        assert main(["runs", "lineage", run.id, "--send", f"http://127.0.0.1:{receiver.port}"]) == 1
        assert len(receiver.got) == 1
    assert "did not take event 1: 422" in capsys.readouterr().err
    assert main(["runs", "lineage", "run-nothing"]) == 3
    ws.store.close()


def test_the_uuid_of_a_run_is_version_5_of_rfc_9562_over_its_id(ws):
    run = begin_run(ws, experiment="credit")
    names = uuid5(UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8"), "urn:incumbent:run")  # the RFC's name space for URLs
    assert get_lineage_events(ws, run.id)[0]["run"]["runId"] == str(uuid5(names, run.id))
    run.finish()
